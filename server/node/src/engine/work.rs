//! What a shard does beside answering: mail, transactions' turns, chores, deadlines, eviction, its clients' limits.

use super::together::OnShard;
use super::{Chore, Engine, HINTS, Mail};
use crate::batch::{Batch, Record};
use crate::session::Stall;
use base::ShardId;
use command::context::Class;
use std::sync::Arc;

/// Entries that may expire, be evicted or be buried in one turn: about 50 µs each.
const EXPIRED_A_TURN: usize = 256;
const BURIED_A_TURN: usize = 512;
const EVICTED_A_TURN: usize = 128;
/// Sampling of rates, checking of clients.
const CRON_US: u64 = 100_000;
/// Of a shard's clients one in this many is looked at in a cron, so each about once a second.
const CRON_CLIENTS_SHARE: usize = 10;

impl Engine {
    /// One batch from another shard.
    pub fn mail(&mut self, from: ShardId, batch: &mut Batch<Mail>) {
        self.lap = self.ticks();
        let mut reading = batch.read();
        let mut until_hint = 0;
        loop {
            if until_hint == 0 {
                until_hint = HINTS;
                reading.keys_ahead(HINTS).for_each(|(db, key)| self.store.prefetch(db, key));
                reading.keys_ahead(HINTS).for_each(|(db, key)| self.store.prefetch_entry(db, key));
            }
            until_hint -= 1;
            let Some(record) = reading.read_next() else { break };
            match record {
                Record::Ask { origin, manner, row, tx, lent, args } => {
                    self.run_far(from, origin, manner, row, tx, lent, args);
                }
                Record::After { origin, until } => self.need(origin, from, until),
                Record::Sent { origin, sent, rest } => self.lent_back(origin, sent, rest),
                Record::Reply { origin, bytes, shared, base } => self.deliver_raw(origin, |out| {
                    let start = out.bytes.len();
                    out.extend(bytes);
                    out.shared.extend(shared.iter().map(|(at, value)| (at - base + start, value.clone())));
                }),
                Record::Mail(mail) => self.open_mail(mail),
            }
        }
    }

    fn open_mail(&mut self, mail: Mail) {
        match mail {
            Mail::Adopt(newcomer) => self.newcomers.push(newcomer),
            Mail::Lock(ask) => self.lock_part(ask),
            Mail::Granted { id, shard, fetched, unsure } => self.granted(id, shard, fetched, unsure),
            Mail::Yield { id, shard } => self.asked_to_yield(id, shard),
            Mail::Yielded { id } => self.yielded(id),
            Mail::Commit { id, commit, tell } => self.commit_part(id, commit, tell),
            Mail::Made { id, shard, made, unsure } => self.cut_made(id, shard, made, unsure),
            Mail::Gather { id, home, each } => self.gather_part(id, home, each),
            Mail::Part { id, part } => self.gathered(id, part),
            Mail::Feed { conn, generation, bytes } => self.feed(conn, generation, &bytes),
            Mail::Round(ask) => self.read_round(ask),
            Mail::Heard { id, shard, found } => self.round_heard(id, shard, found),
            Mail::Load(word) => self.hear_of_load(word),
            Mail::Wait(word) => self.hear_of_wait(word),
            Mail::Listeners(change) => self.hear_of_listeners(&change),
            Mail::Publish(message) => self.hear_message(&message),
            Mail::Recorded { id, shard, until } => self.hear_record(id, shard, until),
            Mail::Sure => self.hear_sure(),
        }
        // Before the next record: an ask that was just freed goes before what its connection sent after it.
        self.pump();
    }

    /// Does what is due. Afterwards the caller sends, posts, and may sleep until `next_due`.
    pub fn work(&mut self) {
        self.pump();
        self.work_chores();
        if self.snapshots.image.is_some() {
            self.work_on_image();
        }
        if self.loading.is_some() {
            self.work_on_load();
        }
        self.end_overdue_waits();
        // What is replayed says itself what goes.
        let still = self.loading.is_some();
        if !still && self.deadlines_run() && self.store.next_deadline().is_some_and(|due| due <= self.now.ms()) {
            let Engine { store, events, now, .. } = self;
            let more = store.expire(now.ms(), EXPIRED_A_TURN, |db, key| events.add(db, Class::EXPIRED, "expired", key));
            self.active |= more;
        }
        if self.store.bury(BURIED_A_TURN) {
            self.active = true;
        }
        if self.memory_over && !still {
            self.evict();
        }
        self.close_large_clients();
        // One shard sees to it for all.
        if self.me.0 == 0 && self.process.take_flush(self.now.ms()) {
            let flush: OnShard = Arc::new(|engine: &mut Engine| engine.store.flush(base::DbId::ZERO));
            self.begin_on_all(flush, false, |_| {});
        }
        if self.now.up_us >= self.cron_next_us {
            self.cron_next_us = self.now.up_us + CRON_US;
            self.cron();
        }
        self.after_write();
        self.go_on();
        self.pump();
        self.work_on_log();
    }

    /// When `work` has something to do again, `up_us`. The mailbox, the ring and `active` may want it sooner.
    pub fn next_due_us(&self) -> u64 {
        let flush = self.process.flush_due_ms().filter(|_| self.me.0 == 0);
        let deadline = self
            .store
            .next_deadline()
            .filter(|_| self.deadlines_run())
            .into_iter()
            .chain(flush)
            .chain(self.waits.next_ms())
            .min()
            .map(|ms| {
                let wait_us = (ms * 1000).saturating_sub(self.now.unix_us);
                self.now.up_us + wait_us
            });
        let idle = self.conns.is_empty() && self.store_is_still();
        let cron = if idle { self.cron_next_us + 9 * CRON_US } else { self.cron_next_us };
        let stalls = self.stalled.iter().filter_map(|&i| match self.conns[i as usize].stall {
            Some(Stall::Until(us)) => Some(us),
            Some(Stall::Pause) => Some(self.now.up_us + 1000),
            Some(Stall::Slice) => Some(0),
            _ => None,
        });
        let (snapshot, log) = (self.image_due_us(), self.log_due_us());
        stalls.chain(deadline).chain(snapshot).chain(log).chain([cron]).min().unwrap_or(cron)
    }

    /// False after DEBUG SET-ACTIVE-EXPIRE 0: keys go when somebody asks for them.
    fn deadlines_run(&self) -> bool {
        !self.process.deadlines_stopped.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn store_is_still(&self) -> bool {
        self.chores.is_empty()
    }

    /// Adds work that is done in slices, one a turn: true when done.
    pub fn chore(&mut self, chore: Chore) {
        self.chores.push_back(chore);
        self.active = true;
    }

    fn work_chores(&mut self) {
        // One slice of one chore a turn, in turn: a chore is 200 µs at most, and asks go between.
        if let Some(mut chore) = self.chores.pop_front()
            && !chore(self)
        {
            self.chores.push_back(chore);
        }
        self.active |= !self.chores.is_empty();
    }

    fn evict(&mut self) {
        use store::Policy;
        if self.live.tuning.policy == Policy::NoEviction || !self.process.should_evict(self.me, self.store.bytes()) {
            return;
        }
        for _ in 0..self.live.tenacity.of(EVICTED_A_TURN) {
            if self.process.used_memory() <= self.live.maxmemory {
                self.memory_over = false;
                return;
            }
            if self.evict_one().is_none() {
                return;
            }
        }
        self.active = true;
    }

    /// Every 100 ms.
    fn cron(&mut self) {
        let counters = [self.metrics.commands, self.metrics.bytes_in, self.metrics.bytes_out, self.metrics.turns];
        self.metrics.rate.sample(self.now.up_us, counters);
        self.process.report(self.me, self.store.bytes());
        self.process.persist.report_changes(self.me, self.metrics.changes(&self.write_rows));
        // One shard sees to it for all.
        if self.me.0 == 0 {
            if let Some(leave) = self.process.persist.take_leave() {
                self.leave(leave, None);
            }
            self.snapshots_due();
        }
        self.copies_due();
        let n = self.conns.capacity().max(1);
        let look = (self.conns.len() / CRON_CLIENTS_SHARE + 1).min(n);
        let mut seen = 0;
        let mut at = self.cron_conn;
        for _ in 0..n {
            at = (at + 1) % n;
            if at == 0 {
                self.metrics.clients = std::mem::take(&mut self.metrics.clients_next);
            }
            if self.conns.contains(at) {
                self.weigh(at as u32);
                self.weigh_client(at);
                self.check_client(at as u32);
                seen += 1;
                if seen == look {
                    break;
                }
            }
        }
        self.cron_conn = at;
    }

    fn weigh_client(&mut self, index: usize) {
        let (conn, round) = (&self.conns[index], &mut self.metrics.clients_next);
        round.bytes += conn.memory().total as u64;
        round.input_max = round.input_max.max(conn.input.len() as u64);
        round.output_max = round.output_max.max(conn.owed() as u64);
    }

    /// Idle time and output limits of one client.
    fn check_client(&mut self, index: u32) {
        let up_us = self.now.up_us;
        let conn = &mut self.conns[index as usize];
        conn.order.shrink();
        if conn.gone {
            return;
        }
        let idle_us = up_us.saturating_sub(conn.last_active_us);
        let waits = !conn.order.is_empty() || conn.monitor || conn.stall.is_some();
        if self.live.timeout_s > 0 && idle_us > self.live.timeout_s * 1_000_000 && !waits {
            self.metrics.timeouts += 1;
            self.kill(index);
            return;
        }
        self.check_output(index);
    }

    /// client-output-buffer-limit: closes a client that does not read. True if it was closed.
    pub(super) fn check_output(&mut self, index: u32) -> bool {
        let up_us = self.now.up_us;
        let conn = &mut self.conns[index as usize];
        let limit = self.live.output_limit(conn);
        let owed = conn.owed() as u64;
        let hard = limit.hard > 0 && owed > limit.hard;
        let soft = limit.soft > 0 && owed > limit.soft;
        if !soft {
            conn.soft_since_us = 0;
        } else if conn.soft_since_us == 0 {
            conn.soft_since_us = up_us.max(1);
        }
        let soft_too_long = soft && up_us - conn.soft_since_us >= limit.soft_s as u64 * 1_000_000;
        if hard || soft_too_long {
            self.metrics.output_limit_disconnections += 1;
            let (id, addr) = (conn.id, conn.peer.addr());
            self.process
                .log
                .warning(format_args!("Client id={id} addr={addr} closed: {owed} bytes of output it does not read"));
            self.kill(index);
            return true;
        }
        false
    }

    /// Sessions whose reason to stall is gone go on.
    fn go_on(&mut self) {
        if self.stalled.is_empty() {
            return;
        }
        let stalled = std::mem::take(&mut self.stalled);
        for index in stalled {
            let conn = &mut self.conns[index as usize];
            let Some(stall) = conn.stall else { continue };
            if conn.gone {
                conn.stall = None;
                continue;
            }
            if !self.may_go_on(index, stall) {
                self.stalled.push(index);
                continue;
            }
            self.conns[index as usize].stall = None;
            self.active = true;
            self.drive_input(index);
            let conn = &mut self.conns[index as usize];
            if conn.paused && conn.stall.is_none() && !conn.gone {
                conn.paused = false;
                self.throttle.push((index, false));
            }
        }
    }

    // MONITOR.

    /// Shows an ask to everyone who monitors, on whatever shard.
    pub(super) fn feed_monitors(&mut self, index: u32, args: base::Args<'_>) {
        let conn = &self.conns[index as usize];
        let (s, us) = (self.now.unix_us / 1_000_000, self.now.unix_us % 1_000_000);
        let addr = match &conn.peer {
            crate::session::Peer::Unix(path) => format!("unix:{path}"),
            peer => peer.addr(),
        };
        let mut line = format!("+{s}.{us:06} [{} {addr}]", conn.db.0).into_bytes();
        for word in args.iter() {
            line.extend_from_slice(b" \"");
            for &b in word {
                match b {
                    b'\\' | b'"' => line.extend_from_slice(&[b'\\', b]),
                    b'\n' => line.extend_from_slice(b"\\n"),
                    b'\r' => line.extend_from_slice(b"\\r"),
                    b'\t' => line.extend_from_slice(b"\\t"),
                    7 => line.extend_from_slice(b"\\a"),
                    8 => line.extend_from_slice(b"\\b"),
                    0x20..=0x7e => line.push(b),
                    _ => line.extend_from_slice(format!("\\x{b:02x}").as_bytes()),
                }
            }
            line.push(b'"');
        }
        line.extend_from_slice(b"\r\n");
        let line: std::sync::Arc<[u8]> = line.into();
        for (shard, conn, generation) in self.monitors.clone() {
            if shard == self.me {
                self.feed(conn, generation, &line);
            } else {
                self.outbox[shard.index()].mail(Mail::Feed { conn, generation, bytes: line.clone() });
            }
        }
    }

    fn feed(&mut self, conn: u32, generation: u32, line: &[u8]) {
        let Some(c) = self.conns.get_mut(conn as usize).filter(|c| c.generation == generation && !c.gone) else {
            return;
        };
        c.out.extend(line);
        if !self.check_output(conn) {
            self.mark_dirty(conn);
        }
    }

    pub(crate) fn unmonitor(&mut self, index: u32, generation: u32) {
        let me = self.me;
        self.on_every_shard(move |engine| engine.monitors.retain(|&m| m != (me, index, generation)));
    }
}
