//! Room: loadgen. One thread of the load: its ring, its connections, its turn. Touches: ring, dial, session, cluster, engine.
//!
//! The turn: enter the ring once (submit the last turn's sends, collect what is done) → read what came, answers by one clock
//! reading → make the asks that are due or allowed, a few connections at a time → enter again. Few at a time because a send on
//! loopback costs microseconds: an answer that comes while fifty are submitted would be seen late, and its latency be ours.

mod nodes;

use crate::cluster::{self, SLOTS};
use crate::dial::{self, Address, RawAddress};
use crate::engine::{Failure, Shared, ThreadEnd, tick_of};
use crate::plan::{Pace, Phase, Target, mix};
use crate::poll::{sharpen_timers, thread_cpu_ns};
use crate::ring::{self, Done, Op, Ring, Tag};
use crate::schedule::Schedule;
use crate::session::{Desk, Pending, Session, Trouble};
use crate::tally::Tally;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

// 5 s after the last ask a server that still owes an answer is not slow but gone.
const DRAIN_PATIENCE_NS: u64 = 5_000_000_000;
// 30 s without a byte while answers are owed: longer than any pause of a server that lives.
const SILENCE_MOST_NS: u64 = 30_000_000_000;
// 10 s without one new connection while some are wanted.
const CONNECT_PATIENCE_NS: u64 = 10_000_000_000;
// How often a thread that waits looks whether another has failed, and publishes.
const LOOK_UP_NS: u64 = 50_000_000;
// Connections that are being made at once: half a usual backlog of 511, over a few threads.
const CONNECTING_MOST: usize = 128;
// 8 sends of 2 to 3 µs between two looks at what has come.
const SENDS_A_TURN: usize = 8;
struct Line<'p> {
    generation: u32,
    node: usize,
    session: Session<'p>,
    begun_ns: u64,
    connected: bool,
    ready: bool,
    /// Bytes that the kernel is sending, and how many of them it has.
    flying: Vec<u8>,
    sent: usize,
    quick: bool,
    /// In the list of lines with something to send; in the queue of those to be filled.
    dirty: bool,
    queued: bool,
    /// Asks it drew that are not answered: in a cluster others carry them.
    owed: usize,
}

struct Node {
    address: Address,
    raw: Box<RawAddress>,
    lines: Vec<u32>,
    next: usize,
    /// Asks that wait for a connection.
    waiting: VecDeque<(bool, Pending)>,
}

struct Worker<'s, 'p> {
    shared: &'s Shared<'p>,
    ring: Ring,
    desk: Desk,
    lines: Vec<Line<'s>>,
    nodes: Vec<Node>,
    /// By slot: the node. Empty when this is no cluster.
    slots: Vec<u16>,
    to_connect: VecDeque<u32>,
    connecting: usize,
    /// Lines that are.
    ready: usize,
    /// Connections that may be asked on: waiting for their next batch (closed), or with room (open).
    free: VecDeque<u32>,
    /// Connections that have nothing to ask in this phase.
    parked: Vec<u32>,
    dirty: Vec<u32>,
    quick: Vec<u32>,
    done: Vec<Done>,
    schedule: Option<Schedule>,
    next_due: Option<u64>,
    /// When an exhausted open loop came to have room again.
    free_since_ns: u64,
    owed: usize,
    clock: Instant,
    heard_ns: u64,
    refresh_at_ns: Option<u64>,
    refreshed_ns: Option<u64>,
    draft: Vec<u8>,
    tick: i64,
    measured_from: Option<(u64, u64)>,
}

pub fn work(shared: &Shared, index: usize, threads: usize) -> Result<ThreadEnd, Failure> {
    sharpen_timers();
    if !shared.plan.cpus.is_empty() {
        let id = shared.plan.cpus[index % shared.plan.cpus.len()];
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    let opened = Worker::new(shared, index, threads).and_then(|mut worker| {
        worker.connect_all()?;
        Ok(worker)
    });
    if opened.is_err() {
        shared.stop.store(true, Ordering::SeqCst);
    }
    shared.connected.wait();
    let mut worker = opened?;
    worker.clock = *shared.start.get_or_init(Instant::now);
    worker.measure()
}

impl<'s, 'p> Worker<'s, 'p> {
    fn new(shared: &'s Shared<'p>, index: usize, threads: usize) -> Result<Worker<'s, 'p>, Failure> {
        let plan = shared.plan;
        let book = &shared.book;
        let own = plan.connections.saturating_sub(index).div_ceil(threads);
        // As many more for nodes that a cluster tells of later.
        let sockets = if shared.slots.is_some() { own * 2 + 64 } else { own };
        let ring = Ring::new(sockets as u32).map_err(|e| match e.raw_os_error() {
            Some(libc::EMFILE) => Failure::World(format!(
                "{own} connections of one thread are more than the limit of open files: give torc-load more --threads, or raise the \
                 limit (ulimit -n; LimitNOFILE= of a systemd unit, --ulimit nofile= of a container)"
            )),
            _ => Failure::World(ring::explain(&e)),
        })?;
        let measuring = book.phase == Phase::Measure;
        let budget = plan.requests.filter(|_| measuring).map(|all| {
            let threads = threads as u64;
            all / threads + u64::from((index as u64) < all % threads)
        });
        let tally = Tally::new(book.names.len(), book.warmup_ns);
        let schedule = match plan.pace {
            Pace::Open { arrivals, .. } if measuring => {
                Some(Schedule::new(&book.stretches, arrivals, index, threads, mix(plan.seed ^ mix(index as u64 + 77))))
            }
            _ => None,
        };
        let mut worker = Worker {
            shared,
            ring,
            desk: Desk::new(tally, budget),
            lines: Vec::new(),
            nodes: Vec::new(),
            slots: Vec::new(),
            to_connect: VecDeque::new(),
            connecting: 0,
            ready: 0,
            free: VecDeque::new(),
            parked: Vec::new(),
            dirty: Vec::new(),
            quick: Vec::new(),
            done: Vec::new(),
            schedule,
            next_due: None,
            free_since_ns: 0,
            owed: 0,
            clock: shared.epoch,
            heard_ns: 0,
            refresh_at_ns: None,
            refreshed_ns: None,
            draft: Vec::new(),
            tick: i64::MIN,
            measured_from: None,
        };
        for address in &shared.addresses {
            worker.add_node(address.clone())?;
        }
        if let Some(slots) = &shared.slots {
            worker.slots = vec![0; SLOTS];
            for (from, to, node) in &slots.ranges {
                worker.slots[usize::from(*from)..=usize::from(*to)].fill(*node as u16);
            }
        }
        for (at, id) in (index..plan.connections).step_by(threads).enumerate() {
            // In a cluster each thread needs connections to every node.
            let node = if worker.slots.is_empty() { id % shared.addresses.len() } else { at % shared.addresses.len() };
            worker.add_line(id, node);
        }
        if !worker.slots.is_empty() && worker.lines.len() < worker.nodes.len() {
            let nodes = worker.nodes.len();
            return Err(Failure::World(format!(
                "a cluster of {nodes} primaries needs at least {nodes} connections a thread: {} are too few",
                plan.connections
            )));
        }
        Ok(worker)
    }

    fn is_cluster(&self) -> bool {
        !self.slots.is_empty()
    }

    fn add_line(&mut self, id: usize, node: usize) {
        let index = self.lines.len() as u32;
        let dialect = self.shared.plan.target_of(id).dialect;
        self.nodes[node].lines.push(index);
        self.lines.push(Line {
            generation: 0,
            node,
            session: Session::new(&self.shared.book, id, dialect),
            begun_ns: 0,
            connected: false,
            ready: false,
            flying: Vec::new(),
            sent: 0,
            quick: false,
            dirty: false,
            queued: false,
            owed: 0,
        });
        self.to_connect.push_back(index);
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    fn target(&self, line: u32) -> &'s Target {
        self.shared.plan.target_of(self.lines[line as usize].session.id())
    }

    fn lost(&self, line: u32, why: &str) -> Failure {
        let id = self.lines[line as usize].session.id();
        Failure::World(format!("{} dropped connection {id}: {why}", self.target(line)))
    }

    // Connecting

    fn connect_all(&mut self) -> Result<(), Failure> {
        let mut told = 0;
        loop {
            self.dial()?;
            self.shared.ready.fetch_add(self.ready - told, Ordering::Relaxed);
            told = self.ready;
            if self.ready == self.lines.len() || self.shared.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.send_dirty();
            self.ring.enter(Some(Duration::from_nanos(LOOK_UP_NS)));
            self.desk.now_ns = self.now();
            self.take_done()?;
            if self.desk.now_ns.saturating_sub(self.heard_ns) > CONNECT_PATIENCE_NS {
                let waiting = self.lines.iter().position(|l| !l.ready).unwrap_or(0);
                let target = self.target(waiting as u32);
                return Err(Failure::World(format!("cannot connect to {target}: no answer for ten seconds")));
            }
        }
    }

    fn dial(&mut self) -> Result<(), Failure> {
        while self.connecting < CONNECTING_MOST
            && let Some(index) = self.to_connect.pop_front()
        {
            // The end of the connection before must have left the place that the next one takes.
            if self.lines[index as usize].generation > 0 && !self.ring.all_submitted() {
                self.ring.enter(None);
                if !self.ring.all_submitted() {
                    self.to_connect.push_front(index);
                    return Ok(());
                }
            }
            let line = &self.lines[index as usize];
            let node = &self.nodes[line.node];
            // Ports run out by destination: connections are dealt out among them in turn.
            let number = line.session.id() / self.shared.addresses.len();
            let source = dial::source_of(&self.shared.plan.sources, &node.address, number);
            let fd = dial::socket(&node.address, source).map_err(|e| self.refused(index, &e))?;
            let (pointer, len) = node.raw.pointer();
            let put = self.ring.put(index, fd);
            dial::close(fd);
            put.map_err(|e| self.refused(index, &e))?;
            let line = &mut self.lines[index as usize];
            line.generation = line.generation.wrapping_add(1) & 0xff_ffff;
            let tag = Tag { op: Op::Connect, line: index, generation: line.generation };
            // The first connections are made before the clock of the run starts: 0 says so.
            line.begun_ns = if self.measured_from.is_some() { self.clock.elapsed().as_nanos() as u64 } else { 0 };
            // SAFETY: a node's address is boxed and nodes are never taken away.
            unsafe { self.ring.connect(index, pointer, len, tag) };
            self.connecting += 1;
        }
        Ok(())
    }

    fn refused(&self, line: u32, error: &std::io::Error) -> Failure {
        let target = self.target(line);
        let address = match &self.nodes[self.lines[line as usize].node].address {
            Address::Tcp(address) if self.is_cluster() => format!(" ({address})"),
            _ => String::new(),
        };
        let remedy = match error.raw_os_error() {
            Some(libc::EADDRNOTAVAIL) => {
                "; out of local ports: give more local addresses with --source, or widen net.ipv4.ip_local_port_range"
            }
            Some(libc::EMFILE | libc::ENFILE) => "; raise the limit of open files (ulimit -n)",
            _ => "",
        };
        Failure::World(format!("cannot connect to {target}{address}: {error}{remedy}"))
    }

    fn connected(&mut self, index: u32, done: &Done) -> Result<(), Failure> {
        self.connecting -= 1;
        self.heard_ns = self.desk.now_ns;
        if let Some(error) = done.error() {
            return Err(self.refused(index, &error));
        }
        let target = self.target(index);
        let line = &mut self.lines[index as usize];
        line.connected = true;
        let tag = Tag { op: Op::Receive, line: index, generation: line.generation };
        self.ring.receive(index, tag);
        line.session.begin(target, line.begun_ns, &mut self.desk);
        self.soil(index);
        self.look_ready(index);
        Ok(())
    }

    fn look_ready(&mut self, index: u32) {
        let line = &mut self.lines[index as usize];
        if line.ready || !line.connected || !line.session.is_ready() {
            return;
        }
        line.ready = true;
        self.ready += 1;
        let node = line.node;
        self.offer(index);
        if self.is_cluster() {
            while let Some((ask, pending)) = self.nodes[node].waiting.pop_front() {
                self.carry(index, ask, pending);
            }
        }
    }

    fn make_anew(&mut self, index: u32) {
        let line = &mut self.lines[index as usize];
        let tag = Tag { op: Op::Receive, line: index, generation: line.generation };
        self.ring.end(index, tag);
        // Late completions of the old connection are told apart by their generation.
        line.generation = line.generation.wrapping_add(1) & 0xff_ffff;
        self.ready -= usize::from(line.ready);
        (line.connected, line.ready) = (false, false);
        self.desk.tally.reconnects += 1;
        self.to_connect.push_back(index);
    }

    // The turn

    fn measure(&mut self) -> Result<ThreadEnd, Failure> {
        let book = &self.shared.book;
        self.measured_from = Some((0, thread_cpu_ns()));
        let mut warm = book.warmup_ns > 0;
        (self.heard_ns, self.free_since_ns) = (0, 0);
        self.next_due = self.schedule.as_mut().and_then(Schedule::next_ns);
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.desk.now_ns = self.now();
            if warm && self.desk.now_ns >= book.warmup_ns {
                self.measured_from = Some((self.desk.now_ns, thread_cpu_ns()));
                warm = false;
            }
            self.look_at_phase();
            self.dial()?;
            if self.schedule.is_some() {
                self.ask_due()?
            } else {
                self.ask_closed()?
            }
            self.look_at_cluster();
            self.send_dirty();
            if self.is_over() {
                break;
            }
            let wait = self.wait_ns();
            match wait {
                0 => self.ring.enter(None),
                LOOK_UP_NS => self.ring.enter_ticking(Duration::from_nanos(LOOK_UP_NS)),
                wait => self.ring.enter(Some(Duration::from_nanos(wait))),
            }
            self.desk.now_ns = self.now();
            self.publish();
            self.take_done()?;
            if self.desk.now_ns > book.stop_ns.saturating_add(DRAIN_PATIENCE_NS) {
                break;
            }
            if self.desk.now_ns.saturating_sub(self.heard_ns) > SILENCE_MOST_NS {
                if self.owed > 0 || self.connecting > 0 {
                    return Err(Failure::World("no answer for 30 seconds".into()));
                }
                self.heard_ns = self.desk.now_ns;
            }
        }
        Ok(self.end())
    }

    fn end(&mut self) -> ThreadEnd {
        let (from_ns, cpu_before) = self.measured_from.unwrap_or((0, 0));
        let end = ThreadEnd {
            cpu_ns: thread_cpu_ns().saturating_sub(cpu_before),
            wall_ns: self.now().saturating_sub(from_ns),
            tally: {
                self.tick = i64::MIN;
                self.publish();
                self.lines.iter_mut().for_each(|l| l.session.abandon(&mut self.desk.tally));
                let waiting: usize = self.nodes.iter().map(|n| n.waiting.len()).sum();
                self.desk.tally.unanswered += waiting as u64;
                // Asks that were due and never made are owed by somebody too.
                let stop = self.shared.book.stop_ns.min(self.desk.now_ns);
                while let Some(due) = self.next_due.filter(|due| *due < stop && self.desk.budget != Some(0)) {
                    self.desk.tally.unanswered += 1;
                    self.desk.budget = self.desk.budget.map(|b| b - 1);
                    debug_assert!(due <= stop);
                    self.next_due = self.schedule.as_mut().and_then(Schedule::next_ns);
                }
                std::mem::replace(&mut self.desk.tally, Tally::new(0, 0))
            },
        };
        // The ring's own end would close them too, but some time later.
        for (index, line) in self.lines.iter().enumerate().filter(|(_, l)| l.connected) {
            let index = index as u32;
            self.ring.end(index, Tag { op: Op::Receive, line: index, generation: line.generation });
        }
        self.ring.enter(None);
        end
    }

    fn is_over(&self) -> bool {
        if self.owed > 0 || !self.dirty.is_empty() {
            return false;
        }
        let out_of_time = self.desk.now_ns >= self.shared.book.stop_ns;
        if self.schedule.is_some() {
            let next = self.next_due.filter(|due| *due < self.shared.book.stop_ns);
            return next.is_none() || self.desk.budget == Some(0);
        }
        let at_work = !self.free.is_empty() || self.connecting > 0 || !self.to_connect.is_empty();
        let parked = !self.parked.is_empty() && self.shared.book.phase_ends.len() > 1;
        out_of_time || self.desk.budget == Some(0) || !(at_work || parked)
    }

    fn wait_ns(&self) -> u64 {
        if self.schedule.is_none() {
            return if self.free.is_empty() { LOOK_UP_NS } else { 0 };
        }
        match self.next_due {
            Some(due) if !self.free.is_empty() => due.saturating_sub(self.now()).min(LOOK_UP_NS),
            _ => LOOK_UP_NS,
        }
    }

    fn publish(&mut self) {
        let tick = tick_of(self.desk.now_ns, self.shared.book.warmup_ns);
        if tick == self.tick {
            return;
        }
        let over = std::mem::replace(&mut self.tick, tick);
        let interval = &mut self.desk.tally.interval;
        if interval.answers > 0 || interval.late_max_ns > 0 || over != i64::MIN {
            let mut all = self.shared.intervals.lock().expect("nobody panics holding it");
            interval.drain_into(all.entry(if over == i64::MIN { tick } else { over }).or_default());
        }
        if let Some(error) = &self.desk.tally.first_error {
            let mut first = self.shared.first_error.lock().expect("nobody panics holding it");
            first.get_or_insert_with(|| error.clone());
        }
    }

    fn look_at_phase(&mut self) {
        if self.shared.book.phase_ends.len() < 2 {
            return;
        }
        let phase = self.shared.book.phase_at(self.desk.now_ns);
        if phase != self.desk.phase {
            self.desk.phase = phase;
            for index in std::mem::take(&mut self.parked) {
                self.offer(index);
            }
        }
    }

    // Asking

    fn room(&self, line: &Line) -> usize {
        if !self.is_cluster() {
            return if line.ready { line.session.room() } else { 0 };
        }
        // A drawer of a cluster needs no connection of its own; one beyond the plan's draws nothing.
        let draws = line.session.id() < self.shared.plan.connections && !line.session.is_finished();
        if draws { self.pipeline().saturating_sub(line.owed) } else { 0 }
    }

    fn pipeline(&self) -> usize {
        let most = self.shared.plan.pipeline;
        if self.shared.book.phase == Phase::Populate { most.max(64) } else { most }
    }

    /// Puts a line into the queue of those that may be asked on, if it may.
    fn offer(&mut self, index: u32) {
        let line = &self.lines[index as usize];
        let room = self.room(line);
        let whole = self.schedule.is_some() || line.owed == 0;
        if line.queued || room == 0 || !whole {
            return;
        }
        if self.free.is_empty() {
            self.free_since_ns = self.desk.now_ns;
        }
        self.lines[index as usize].queued = true;
        self.free.push_back(index);
    }

    fn ask_closed(&mut self) -> Result<(), Failure> {
        for turn in 0..SENDS_A_TURN {
            let Some(index) = self.free.pop_front() else { return Ok(()) };
            self.lines[index as usize].queued = false;
            if turn > 0 {
                self.desk.now_ns = self.now();
            }
            if self.desk.now_ns >= self.shared.book.stop_ns {
                self.lines[index as usize].session.finish();
                continue;
            }
            let mut made = 0;
            for _ in 0..self.room(&self.lines[index as usize]) {
                if !self.ask(index, self.desk.now_ns)? {
                    break;
                }
                made += 1;
            }
            if made == 0 && !self.lines[index as usize].session.is_finished() {
                self.parked.push(index);
            }
        }
        Ok(())
    }

    fn ask_due(&mut self) -> Result<(), Failure> {
        let mut made = 0;
        while let Some(due) = self.next_due
            && due <= self.desk.now_ns
            && due < self.shared.book.stop_ns
            && made < SENDS_A_TURN
            && let Some(index) = self.free.pop_front()
        {
            self.lines[index as usize].queued = false;
            let was_dirty = self.lines[index as usize].dirty;
            if self.ask(index, due)? {
                made += usize::from(!was_dirty);
                let could_ns = due.max(self.free_since_ns);
                self.desk.tally.asked_late(due, self.desk.now_ns.saturating_sub(could_ns));
                self.next_due = self.schedule.as_mut().and_then(Schedule::next_ns);
                self.offer_again(index);
            } else if self.desk.budget == Some(0) {
                return Ok(());
            } else if !self.lines[index as usize].session.is_finished() {
                self.parked.push(index);
            }
        }
        Ok(())
    }

    // Without moving `free_since_ns`: the line was free before.
    fn offer_again(&mut self, index: u32) {
        if self.room(&self.lines[index as usize]) > 0 {
            self.lines[index as usize].queued = true;
            self.free.push_back(index);
        }
    }

    fn ask(&mut self, index: u32, due_ns: u64) -> Result<bool, Failure> {
        let line = &mut self.lines[index as usize];
        if self.slots.is_empty() {
            let asked = line.session.ask(due_ns, &mut self.desk);
            if asked {
                line.owed += 1;
                self.owed += 1;
                self.soil(index);
            }
            return Ok(asked);
        }
        self.draft.clear();
        let Some(mut pending) = line.session.draw_ask(due_ns, &mut self.desk, &mut self.draft) else {
            return Ok(false);
        };
        pending.drawer = index;
        pending.bytes = Some(self.draft.as_slice().into());
        line.owed += 1;
        self.owed += 1;
        let mut name = Vec::new();
        self.shared.plan.name_key(pending.key(), &mut name);
        let node = self.slots[usize::from(cluster::slot_of(&name))];
        self.route(usize::from(node), false, pending);
        Ok(true)
    }

    // Moving bytes

    fn soil(&mut self, index: u32) {
        let line = &mut self.lines[index as usize];
        if !line.dirty && !line.session.out.is_empty() {
            line.dirty = true;
            self.dirty.push(index);
        }
    }

    fn send_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            let line = &mut self.lines[index as usize];
            line.dirty = false;
            // What is flying goes first; its end looks here again.
            if !line.flying.is_empty() || !line.connected {
                continue;
            }
            std::mem::swap(&mut line.flying, &mut line.session.out);
            (line.sent, line.quick) = (0, true);
            let tag = Tag { op: Op::Send, line: index, generation: line.generation };
            // SAFETY: `flying` is touched again only once the send is known to be done.
            unsafe { self.ring.send(index, &line.flying, tag, true) };
            self.quick.push(index);
        }
        self.dirty = dirty;
    }

    fn take_done(&mut self) -> Result<(), Failure> {
        let mut done = std::mem::take(&mut self.done);
        done.clear();
        self.ring.collect(&mut done);
        let result = self.handle(&done);
        self.done = done;
        result
    }

    fn handle(&mut self, all: &[Done]) -> Result<(), Failure> {
        for done in all.iter().filter(|d| d.tag.op == Op::Send) {
            self.sent(done)?;
        }
        if !self.quick.is_empty() && self.ring.all_submitted() {
            let mut quick = std::mem::take(&mut self.quick);
            for index in quick.drain(..) {
                if self.lines[index as usize].quick {
                    self.landed(index);
                }
            }
            self.quick = quick;
        }
        for done in all {
            match done.tag.op {
                Op::Connect if self.is_current(done) => self.connected(done.tag.line, done)?,
                Op::Receive => self.receive(done)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn is_current(&self, done: &Done) -> bool {
        self.lines.get(done.tag.line as usize).is_some_and(|l| l.generation == done.tag.generation)
    }

    /// A send that could not be done at once, or a part of one that goes on.
    fn sent(&mut self, done: &Done) -> Result<(), Failure> {
        if !self.is_current(done) {
            return Ok(());
        }
        let index = done.tag.line;
        let again = matches!(-done.result, libc::EAGAIN | libc::EINTR);
        if let Some(error) = done.error().filter(|_| !again) {
            return Err(self.lost(index, &error.to_string()));
        }
        let line = &mut self.lines[index as usize];
        line.quick = false;
        line.sent += done.result.max(0) as usize;
        if line.sent >= line.flying.len() {
            self.landed(index);
            return Ok(());
        }
        let tag = Tag { op: Op::Send, line: index, generation: line.generation };
        // SAFETY: `flying` is touched again only once the send is known to be done.
        unsafe { self.ring.send(index, &line.flying[line.sent..], tag, false) };
        Ok(())
    }

    fn landed(&mut self, index: u32) {
        let line = &mut self.lines[index as usize];
        self.desk.tally.bytes_out += line.flying.len() as u64;
        line.quick = false;
        line.flying.clear();
        // 64 KiB: what one large batch needed is not kept by each of many connections.
        if line.flying.capacity() > 64 << 10 && self.lines.len() > 256 {
            self.lines[index as usize].flying = Vec::new();
        }
        self.soil(index);
        self.look_worn(index);
    }

    fn receive(&mut self, done: &Done) -> Result<(), Failure> {
        let buffer = Ring::buffer(done);
        if !self.is_current(done) {
            if let Some(buffer) = buffer {
                self.ring.give_back(buffer);
            }
            return Ok(());
        }
        let index = done.tag.line;
        match done.result {
            0 => return Err(self.lost(index, "end of stream")),
            e if e == -libc::ENOBUFS => {}
            e if e < 0 => return Err(self.lost(index, &std::io::Error::from_raw_os_error(-e).to_string())),
            _ => {}
        }
        if let Some(buffer) = buffer {
            self.heard_ns = self.desk.now_ns;
            let line = &mut self.lines[index as usize];
            let read = line.session.received(self.ring.bytes(buffer, done), &mut self.desk);
            self.ring.give_back(buffer);
            let answered = read.map_err(|trouble| match trouble {
                Trouble::Bad(evidence) => Failure::Bad(evidence),
                Trouble::Setup(told) => {
                    Failure::World(format!("{} refused a new connection: {told}", self.target(index)))
                }
            })?;
            self.after(index, answered)?;
        }
        if !done.more() && self.is_current(done) {
            self.ring.receive(index, done.tag);
        }
        Ok(())
    }

    /// Answers have come: who may ask again, what goes elsewhere, which connection is worn out.
    fn after(&mut self, index: u32, answered: usize) -> Result<(), Failure> {
        if self.is_cluster() {
            while let Some(redirect) = self.desk.redirects.pop() {
                self.redirect(index, redirect)?;
            }
            while let Some(drawer) = self.desk.repaid.pop() {
                self.owed -= 1;
                self.lines[drawer as usize].owed -= 1;
                self.offer(drawer);
            }
            if !self.lines[index as usize].session.aside.is_empty() {
                self.learn_slots(index)?;
            }
        } else if self.lines[index as usize].ready {
            self.owed -= answered;
            self.lines[index as usize].owed -= answered;
            self.offer(index);
        }
        self.look_ready(index);
        self.look_worn(index);
        Ok(())
    }

    fn look_worn(&mut self, index: u32) {
        let line = &self.lines[index as usize];
        let idle = line.session.is_worn() && line.session.is_quiet() && line.flying.is_empty();
        if idle && line.ready && self.desk.now_ns < self.shared.book.stop_ns && self.desk.budget != Some(0) {
            self.make_anew(index);
        }
    }
}
