//! Room: turn. Drives one shard: enters its ring, feeds the engine, sends and posts what comes of it, spins or sleeps.
//! Touches: everything below.

use crate::clock::HostClock;
use crate::config::IdleSpin;
use crate::engine::{Engine, Lent, Mail, Newcomer};
use crate::files::{Files, Io};
use crate::io::listen::{self, Listener};
use crate::io::ring::{Done, Op, Ring};
use crate::log::Level;
use crate::mailbox::Post;
use crate::session::Door;
use base::ShardId;
use slab::Slab;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// How long automatic spinning goes on for, µs: the round trip of an idle connection falls from 63 µs to 23 µs with it.
const SPIN_US: u64 = 50;
/// How long to wait before mail is offered again to a shard whose mailbox is full.
const FULL_US: u64 = 50;
/// A sleeping shard looks up this often: a signal reaches it by a flag only. Costs 0.01 % of a core.
const SLEEP_US_MAX: u64 = 100_000;
/// How long a stopping shard waits for clients to take their replies.
const FAREWELL_US: u64 = 2_000_000;
/// How long it waits for the append log.
const LOG_FAREWELL_US: u64 = 10_000_000;
/// Completions whose keys are fetched from memory together.
const HINTS: usize = 16;
/// A listener that cannot accept (no descriptors left) is tried again after this.
const ACCEPT_AGAIN_US: u64 = 100_000;

/// One connection as the ring knows it.
#[derive(Clone, Copy, Default)]
struct Link {
    fd: RawFd,
    open: bool,
    receiving: bool,
    shut: bool,
}

/// One shard with its ring, its mail and its listeners.
pub struct Turn {
    pub engine: Engine,
    ring: Ring,
    post: Post<Mail>,
    /// Every shard's ring descriptor, -1 until it has one.
    rings: Arc<Vec<AtomicI32>>,
    listeners: Vec<Listener>,
    links: Vec<Link>,
    clock: HostClock,
    spin: Spin,
    /// Listeners whose accept ended, and when to try again.
    accept_again: Vec<(u32, u64)>,
    /// When the shard began to stop.
    stopping_us: Option<u64>,
    /// Connections that may be finished.
    finished: Vec<u32>,
    /// Replies that leave by other shards' sockets: their bytes lie in the ring meanwhile.
    lent: Slab<Lent>,
    files: Files,
}

impl Turn {
    /// On the shard's own thread.
    pub fn new(
        engine: Engine,
        ring: Ring,
        post: Post<Mail>,
        rings: Arc<Vec<AtomicI32>>,
        listeners: Vec<Listener>,
        clock: HostClock,
        files: Files,
    ) -> Turn {
        rings[engine.me.index()].store(ring.fd(), Ordering::Release);
        Turn {
            engine,
            ring,
            post,
            rings,
            listeners,
            links: Vec::new(),
            clock,
            spin: Spin::default(),
            accept_again: Vec::new(),
            stopping_us: None,
            finished: Vec::new(),
            lent: Slab::new(),
            files,
        }
    }

    /// Runs until the process stops. The shard's executor has no other task, so this one never yields to it.
    pub fn run(mut self) {
        for (i, listener) in self.listeners.iter().enumerate() {
            self.ring.accept(listener.fd.as_raw_fd(), i as u32);
        }
        self.ring.listen_to(self.files.bell());
        let mut wait = None;
        loop {
            // A turn for mail alone costs no system call.
            if wait.is_some() || self.ring.has_unsent() || self.ring.has_news() {
                self.ring.enter(wait);
            }
            self.post.wake();
            self.engine.begin(self.clock.now());
            self.engine.active = false;
            self.take_mail();
            self.take_completions();
            self.engine.work();
            self.send();
            self.hang_up();
            self.post_mail();
            if self.engine.process.is_stopping() && self.stop() {
                // The process ends with this. To free each entry by itself would keep whoever waits for that, by the second.
                let Turn { engine, .. } = self;
                std::mem::forget(engine);
                return;
            }
            wait = self.wait();
        }
    }

    fn take_mail(&mut self) {
        for from in (0..self.post.shards() as u16).map(ShardId) {
            if from == self.engine.me {
                continue;
            }
            let Turn { engine, post, .. } = self;
            // As many as a mailbox holds: what is put meanwhile waits for the next turn.
            for _ in 0..crate::mailbox::MAILBOX_BATCHES {
                // Others' mailboxes to here fill up meanwhile, and stop the sessions that add to them.
                if engine.effects.is_full() || !post.take(from, |batch| engine.mail(from, batch)) {
                    break;
                }
            }
            for newcomer in std::mem::take(&mut self.engine.newcomers) {
                self.adopt(newcomer);
            }
        }
    }

    fn take_completions(&mut self) {
        let done = self.ring.take_done();
        for (i, d) in done.iter().enumerate() {
            if i % HINTS == 0 {
                self.hint(&done[i..done.len().min(i + HINTS)]);
            }
            match d.op {
                Op::Receive => self.received(d),
                Op::Send => self.sent(d),
                Op::Accept => self.accepted(d),
                Op::Cancel | Op::Knock => {}
                Op::Knocked => self.knocked(d),
                Op::Bell => self.hear_of_files(d),
                Op::File => {
                    for event in self.files.done(d.index as usize, d.result) {
                        self.engine.file_event(event);
                    }
                }
                Op::Lent => {
                    let (bytes, sent) = self.ring.lent_sent(d);
                    let lent = self.lent.remove(d.index as usize);
                    self.engine.lent_sent(Lent { bytes, ..lent }, sent);
                }
            }
        }
        self.ring.recycle(done);
    }

    /// Has the memory that the next connections' asks will want fetched while others are served: first the table's slots of
    /// all of them, then the entries that those name.
    fn hint(&self, done: &[Done]) {
        if done.len() < 2 {
            return;
        }
        for entry in [false, true] {
            for d in done.iter().filter(|d| d.op == Op::Receive) {
                if let Some((_, bytes)) = self.ring.received(d)
                    && !self.links[d.index as usize].shut
                {
                    self.engine.hint(d.index, bytes, entry);
                }
            }
        }
    }

    fn received(&mut self, d: &Done) {
        let link = self.links[d.index as usize];
        let Turn { ring, engine, .. } = self;
        if let Some((id, bytes)) = ring.received(d) {
            if !link.shut && !bytes.is_empty() {
                engine.received(d.index, bytes);
            }
            ring.give_back(id);
        }
        if d.more() {
            return;
        }
        self.links[d.index as usize].receiving = false;
        let Some(conn) = self.engine.conns.get(d.index as usize) else { return };
        let hopeless = match d.result {
            0 => true,
            n if n > 0 => false,
            // ENOBUFS: all buffers are in use this very turn. ECANCELED: we asked for it.
            n => !matches!(-n, libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN),
        };
        if hopeless {
            if !conn.gone {
                self.engine.hung_up(d.index);
            }
        } else if !conn.paused && !link.shut {
            self.links[d.index as usize].receiving = true;
            self.ring.receive(link.fd, d.index);
        }
        self.finished.push(d.index);
    }

    fn sent(&mut self, d: &Done) {
        let fd = self.links[d.index as usize].fd;
        let Some((out, result)) = self.ring.sent(fd, d) else {
            // The next part is to be submitted, and may be done at once: do not sleep over it.
            self.engine.active = true;
            return;
        };
        self.engine.sent(d.index, out);
        if result.is_err() && !self.engine.conns[d.index as usize].gone {
            self.engine.hung_up(d.index);
        }
        self.finished.push(d.index);
    }

    fn accepted(&mut self, d: &Done) {
        let listener = &self.listeners[d.index as usize];
        if d.result >= 0 {
            let fd = d.result;
            match listen::peer_of(fd, listener.path.as_deref()) {
                Ok(peer) => {
                    let door = listener.door;
                    let to = self.engine.process.place_client(self.engine.me, door == Door::Shard);
                    let newcomer = Newcomer { fd, door, peer };
                    if to == self.engine.me {
                        self.adopt(newcomer);
                    } else {
                        self.engine.outbox[to.index()].mail(Mail::Adopt(newcomer));
                    }
                }
                // The peer is gone already.
                Err(_) => listen::close(fd),
            }
        } else if self.stopping_us.is_some() {
            return; // The listener is closed.
        } else if let Some(e) = d.error() {
            let now = self.engine.now;
            self.engine.log_limited(Level::Warning, format_args!("Accepting a connection: {}", explain_accept(&e)));
            self.accept_again.push((d.index, now.up_us + ACCEPT_AGAIN_US));
            return;
        }
        if !d.more() && self.stopping_us.is_none() {
            self.ring.accept(self.listeners[d.index as usize].fd.as_raw_fd(), d.index);
        }
    }

    fn hear_of_files(&mut self, d: &Done) {
        for event in self.files.events() {
            self.engine.file_event(event);
        }
        if !d.more() {
            self.ring.listen_to(self.files.bell());
        }
    }

    fn adopt(&mut self, newcomer: Newcomer) {
        let fd = newcomer.fd;
        if matches!(newcomer.peer, crate::session::Peer::Tcp { .. }) {
            listen::tune(fd, self.engine.live.tcp_keepalive_s);
        }
        let index = self.engine.open(newcomer);
        if self.links.len() <= index as usize {
            self.links.resize(index as usize + 1, Link::default());
        }
        self.links[index as usize] = Link { fd, open: true, receiving: true, shut: false };
        self.ring.receive(fd, index);
    }

    fn send(&mut self) {
        for ask in self.engine.file_asks.drain(..) {
            self.files.ask(ask);
        }
        for mut lent in self.engine.lent.drain(..) {
            let (fd, bytes) = (lent.fd, std::mem::take(&mut lent.bytes));
            self.ring.send_lent(fd, self.lent.insert(lent) as u32, bytes);
        }
        let mut dirty = std::mem::take(&mut self.engine.dirty);
        for index in dirty.drain(..) {
            if !self.engine.conns.contains(index as usize) {
                continue;
            }
            if let Some(out) = self.engine.take_out(index) {
                self.ring.send(self.links[index as usize].fd, index, out);
                // What it was owed last has left with the next entry: do not sleep over its goodbye.
                self.engine.active |= self.engine.conns[index as usize].closing;
            }
            self.finished.push(index);
        }
        self.engine.dirty = dirty;
        // After the replies: the device takes its time.
        for (slot, io) in self.files.wants.drain(..) {
            let slot = slot as u32;
            match io {
                // SAFETY: `files` keeps the bytes where they are until it is told what came of it, and for ever if it never is.
                Io::Write { fd, from, bytes, at, synced } => unsafe {
                    self.ring.write(fd, slot, from, bytes, at, synced);
                },
                Io::Sync { fd } => self.ring.sync(fd, slot),
            }
        }
        for (index, stop) in std::mem::take(&mut self.engine.throttle) {
            let Some(link) = self.links.get_mut(index as usize).filter(|l| l.open && !l.shut) else { continue };
            if stop && link.receiving {
                self.ring.stop_receiving(index);
            } else if !stop && !link.receiving {
                link.receiving = true;
                self.ring.receive(link.fd, index);
            }
        }
    }

    /// Says goodbye to connections that are done, and forgets those that the ring is done with.
    fn hang_up(&mut self) {
        self.finished.append(&mut self.engine.hangups);
        while let Some(index) = self.finished.pop() {
            if !self.links[index as usize].open
                || !self.engine.conns.contains(index as usize)
                || !self.engine.is_finished(index)
            {
                continue;
            }
            let link = &mut self.links[index as usize];
            if !link.shut {
                link.shut = true;
                // Ends the receive, and a send that waits for a client who does not read.
                listen::shut_down(link.fd);
            }
            if !link.receiving && !self.ring.is_sending(index) {
                listen::close(link.fd);
                *link = Link::default();
                self.engine.closed(index);
            }
        }
    }

    fn post_mail(&mut self) {
        for to in 0..self.engine.outbox.len() {
            let batch = &mut self.engine.outbox[to];
            if batch.is_empty() {
                continue;
            }
            let to = ShardId(to as u16);
            // A full mailbox: the batch grows until there is room, and sessions that add to it stall.
            let urgent = batch.urgent;
            // One that is full of what is not urgent may be a sleeper's.
            let full = !self.post.put(to, batch);
            if self.post.must_wake(to, urgent || full) {
                self.knock(to);
            }
        }
    }

    fn knock(&mut self, to: ShardId) {
        let ring = self.rings[to.index()].load(Ordering::Acquire);
        if ring >= 0 {
            self.ring.knock(ring, to.0 as u32);
        }
    }

    fn knocked(&mut self, d: &Done) {
        // The other ring's completion queue is full: then it is awake, or will be.
        if let Some(e) = d.error()
            && !matches!(e.raw_os_error(), Some(libc::EOVERFLOW | libc::EAGAIN | libc::EBADFD | libc::EBADF))
        {
            self.engine.log_limited(Level::Warning, format_args!("Waking shard {}: {e}", d.index));
        }
    }

    /// What the next entry into the ring shall wait for: None: nothing, there is work.
    fn wait(&mut self) -> Option<Duration> {
        let now = self.engine.now.up_us;
        let ring = &mut self.ring;
        let listeners = &self.listeners;
        self.accept_again.retain(|&(i, at)| {
            let due = at <= now;
            if due {
                ring.accept(listeners[i as usize].fd.as_raw_fd(), i);
            }
            !due
        });
        if self.engine.active {
            return None;
        }
        // Word of lent replies leaves before the shard rests: they are done when they are submitted.
        if self.ring.has_news() || self.post.waiting() || self.ring.is_lent_to() {
            return None;
        }
        let due = self.engine.next_due_us();
        let due = self.accept_again.iter().map(|&(_, at)| at).fold(due, u64::min);
        // Mail that did not go in: its shard is awake and behind, perhaps for want of this very core.
        let full = self.engine.outbox.iter().any(|b| !b.is_empty());
        let due = if full { due.min(now + FULL_US) } else { due };
        let limit = match self.engine.live.idle_spin {
            IdleSpin::Auto => self.spin.worth(&self.engine),
            IdleSpin::Us(us) => us as u64,
        };
        if limit > 0 && due > now + limit {
            if self.ring.has_unsent() {
                return None;
            }
            let began = self.clock.now().up_us;
            loop {
                for _ in 0..32 {
                    if self.ring.has_news() || self.post.waiting() {
                        self.spin.paid(true);
                        return None;
                    }
                    std::hint::spin_loop();
                }
                if self.clock.now().up_us - began >= limit {
                    break;
                }
            }
            self.spin.paid(false);
        }
        let anything = self.engine.wants_sockets();
        if !self.post.sleep(anything) {
            return None;
        }
        self.engine.metrics.sleeps += 1;
        let now = self.clock.now().up_us;
        Some(Duration::from_micros(due.saturating_sub(now).clamp(1, SLEEP_US_MAX)))
    }

    /// Stops step by step: no newcomers, replies under way leave, connections close. True when all is done.
    fn stop(&mut self) -> bool {
        let now = self.engine.now.up_us;
        if self.stopping_us.is_none() {
            self.stopping_us = Some(now);
            self.listeners.iter().for_each(|l| listen::shut_down(l.fd.as_raw_fd()));
            let all: Vec<u32> = self.engine.conns.iter().map(|(i, _)| i as u32).collect();
            for index in all {
                if self.engine.is_held() && !self.engine.conns[index as usize].order.is_empty() {
                    // What it waits for came after the last snapshot, and will not happen.
                    self.engine.kill(index);
                } else {
                    self.engine.close_after_reply(index);
                }
            }
            // The wishes are met in the next turn.
            self.engine.active = true;
        }
        let began = self.stopping_us.expect("set above");
        self.finished.extend(self.engine.conns.iter().map(|(i, _)| i as u32));
        self.hang_up();
        // Others may still wait for our replies: stay for them a little even when our own clients are gone.
        let others = self.engine.process.clients() > 0;
        // What was recorded goes to the device, as long as the device takes it.
        if !self.engine.log_lets_go() && now - began < LOG_FAREWELL_US {
            self.engine.active = true;
            return false;
        }
        !others || now - began > FAREWELL_US
    }
}

fn explain_accept(e: &std::io::Error) -> String {
    match e.raw_os_error() {
        Some(libc::EMFILE) => "too many open files: raise the nofile limit (ulimit -n)".into(),
        Some(libc::ENFILE) => "the host has too many open files: raise fs.file-max".into(),
        _ => e.to_string(),
    }
}

/// Whether spinning before sleep pays here. It does for one client that waits for each reply before it asks again: its
/// round trip is a third without the sleep. With several at once it does not: what comes while the shard sleeps is served
/// together, and spinning would only burn time (at 50 connections on two shared cores, half of all user time). Where it
/// fails it is tried ever more seldom: on a shared core a spinning shard keeps off the very client it waits for.
#[derive(Default)]
struct Spin {
    /// Sleeps to pass over before the next trial.
    skip: u32,
    /// Doubles with each failure.
    penalty: u32,
}

impl Spin {
    /// How long to spin now, µs.
    fn worth(&mut self, engine: &Engine) -> u64 {
        let now = engine.now.up_us;
        let alone = engine.hears_one_client();
        // Long idle already: a timer woke us, nobody talks.
        let talks = now.saturating_sub(engine.talked_us) < 1000;
        if !alone || !talks {
            return 0;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return 0;
        }
        SPIN_US
    }

    fn paid(&mut self, yes: bool) {
        if yes {
            self.penalty = 0;
        } else {
            self.penalty = (self.penalty * 2).clamp(1, 1024);
            self.skip = self.penalty;
        }
    }
}
