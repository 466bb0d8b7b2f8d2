//! Runs asks on this shard's data.

use super::walk::Rest;
use super::{Deferred, Engine, secret, speak};
use crate::ask::{Manner, Origin};
use crate::metrics::{Metrics, Slow};
use crate::shard::locks::{Client, TxId};
use base::{Args, ArgsBuf, DbId, Fault, Out, ShardId};
use command::context::{Class, Ctx};
use command::row::{Blocking, Flag, Job, Row, Run};
use command::table;
use command::together::run_here;
use std::os::fd::RawFd;

/// Units of a job's work in one slice: about 100 µs.
pub(super) const JOB_UNITS: usize = 100_000;

/// Entries that a command evicts to make room for itself.
const EVICTED_AN_ASK: usize = 16;

impl Engine {
    /// An ask of this shard's connection on this shard's keys.
    #[inline]
    pub(super) fn run_local(&mut self, index: u32, row: &'static Row, args: Args<'_>, manner: Manner) {
        if self.imaging {
            self.guard_image(row, args, manner.db);
        }
        if !self.locks.is_empty() {
            let generation = self.conns[index as usize].generation;
            let client = Client { shard: self.me.0, conn: index, generation };
            if let Some(queue) = self.blocked(row, args, client) {
                // A silent one keeps a place too: so it counts among what is under way, which has a bound.
                let origin = self.place(index);
                return self.defer(queue, client, self.me, origin, manner, row, 0, args);
            }
        }
        let conn = &mut self.conns[index as usize];
        if conn.order.is_empty() && !manner.silent {
            let mut out = std::mem::take(&mut conn.out);
            if out.bytes.capacity() == 0
                && let Some(pooled) = self.scratch_pool.pop()
            {
                out = pooled;
            }
            let start = out.bytes.len();
            let rest = self.run_data(row, args, manner, &mut out);
            let failed = out.bytes.get(start) == Some(&b'-');
            if failed {
                self.note_error(&out, start);
            }
            self.conns[index as usize].out = out;
            if self.after != 0 {
                self.need_own(index);
            }
            if let Some(rest) = rest {
                let origin = self.place(index);
                self.start_rest(rest, self.me, origin, manner, row, args);
            } else {
                self.mark_dirty(index);
            }
            let ns = self.lap_ns();
            self.ran(row, args, ns, Some(failed), index);
            self.after_write();
        } else {
            let mut scratch = std::mem::take(&mut self.scratch);
            let rest = self.run_data(row, args, manner, &mut scratch);
            let failed = scratch.bytes.first() == Some(&b'-');
            if failed {
                self.note_error(&scratch, 0);
            }
            if self.after != 0 {
                self.need_own(index);
            }
            if let Some(rest) = rest {
                let origin = self.place(index);
                self.start_rest(rest, self.me, origin, manner, row, args);
            } else if manner.silent {
                scratch.clear();
            } else {
                self.conns[index as usize].order.hold(&mut scratch);
            }
            self.scratch = scratch;
            let ns = self.lap_ns();
            self.ran(row, args, ns, Some(failed), index);
            self.after_write();
        }
    }

    /// An ask of another shard's connection.
    pub(super) fn run_far(
        &mut self,
        home: ShardId,
        origin: Origin,
        manner: Manner,
        row: u16,
        tx: u64,
        lent: Option<RawFd>,
        args: Args<'_>,
    ) {
        let row = table::by_id(row).expect("rows are the same in every shard");
        let client = Client { shard: home.0, conn: origin.conn, generation: origin.generation };
        if self.imaging {
            self.guard_image(row, args, manner.db);
        }
        if !self.locks.is_empty()
            && let Some(queue) = self.blocked(row, args, client)
        {
            return self.defer(queue, client, home, origin, manner, row, tx, args);
        }
        self.heard(home.0, origin.conn);
        self.metrics.commands_far += 1;
        self.run_and_reply(home, origin, manner, row, lent, args);
    }

    /// Runs an ask that nothing holds back, wherever its reply goes; by the `lent` socket if it may.
    pub(super) fn run_and_reply(
        &mut self,
        home: ShardId,
        origin: Origin,
        manner: Manner,
        row: &'static Row,
        lent: Option<RawFd>,
        args: Args<'_>,
    ) {
        let mut out = if home == self.me {
            std::mem::take(&mut self.scratch)
        } else {
            std::mem::take(&mut self.outbox[home.index()].out)
        };
        let mut rest = None;
        let mut failed = false;
        if home == self.me {
            rest = self.run_data(row, args, manner, &mut out);
            failed = out.bytes.first() == Some(&b'-');
            if failed {
                self.note_error(&out, 0);
            }
            if rest.is_none() {
                if manner.silent {
                    out.clear();
                }
                if self.after != 0 {
                    self.need(origin, self.me, self.after);
                }
                self.deliver_drawn(origin, &mut out);
            }
            out.clear();
            self.scratch = out;
        } else {
            let mark = (out.bytes.len(), out.shared.len());
            let mut start = 0;
            crate::batch::draw_reply(&mut out, origin, |out| {
                start = out.bytes.len();
                rest = self.run_data(row, args, manner, out);
                failed = out.bytes.get(start) == Some(&b'-');
                if failed {
                    self.note_error(out, start);
                }
                if manner.silent {
                    out.bytes.truncate(start);
                    out.shared.truncate(mark.1);
                }
            });
            if rest.is_some() {
                // The reply comes later: take the record back.
                out.bytes.truncate(mark.0);
                out.shared.truncate(mark.1);
            } else if self.after != 0 {
                crate::batch::draw_after(&mut out, origin, self.after);
                self.owe(home);
            } else if let Some(fd) = lent
                && out.shared.len() == mark.1
            {
                self.send_lent(fd, home, origin, &mut out, mark.0, start);
            }
            let outbox = &mut self.outbox[home.index()];
            outbox.urgent |= out.bytes.len() > mark.0;
            outbox.out = out;
        }
        if let Some(rest) = rest {
            self.start_rest(rest, home, origin, manner, row, args);
        }
        let ns = self.lap_ns();
        let index = if home == self.me { origin.conn } else { u32::MAX };
        self.far_asker = Some((home, origin)).filter(|_| home != self.me);
        self.ran(row, args, ns, Some(failed), index);
        self.after_write();
    }

    /// What a command has told of keys goes to whoever listens or waits, before any other command runs.
    #[inline]
    pub(super) fn after_write(&mut self) {
        self.record();
        if !self.events.is_empty() || self.store.has_departed() {
            self.tell_events();
            self.serve_ready();
        }
    }

    /// Runs a handler on the store. What is left of it replies later: then nothing is drawn into `out`.
    #[inline]
    fn run_data(&mut self, row: &'static Row, args: Args<'_>, manner: Manner, out: &mut Out) -> Option<Rest> {
        if self.memory_over && row.flags & Flag::DENYOOM != 0 && !self.make_room() {
            self.after = 0;
            self.metrics.rows[row.id() as usize].rejected += 1;
            self.metrics.turned_away = true;
            speak(manner.dialect, out, |r| r.fault(&Fault::OutOfMemory));
            return None;
        }
        // What others have left is no part of this.
        self.record();
        self.after = 0;
        let made = self.effects.made;
        let (bytes, shared) = (out.bytes.len(), out.shared.len());
        let mut keys = Vec::new();
        let mut ctx = self.ctx(manner.db, manner.no_touch);
        let wait = speak(manner.dialect, out, |reply| match row.run {
            Run::One(data) | Run::Many(data, _) => {
                data(&mut ctx, args, reply);
                None
            }
            Run::Together(together) | Run::Blocking(Blocking { attempt: together, .. }) => {
                table::keys_of(row, args, &mut keys).expect("its keys were found when it was routed");
                run_here(&mut ctx, args, &keys, together, reply)
            }
            Run::Server(_) | Run::Container => unreachable!("only rows on keys run here"),
        });
        let (job, walk) = (ctx.job, ctx.walk);
        if self.gating && walk.is_none() {
            self.record();
            self.after = if self.effects.made > made { self.effects.made } else { self.tells_of(row, args, manner.db) };
        }
        match (walk, job) {
            (Some(walk), _) => {
                let mut effects = Vec::new();
                self.hold_effects(&mut effects);
                Some(Rest::Walk { walk, drawn: out.split_off(bytes, shared), effects })
            }
            (None, Some(job)) => Some(Rest::Job(job)),
            (None, None) => wait.map(Rest::Wait),
        }
    }

    /// How many records a reply to an ask that changed nothing tells of.
    fn tells_of(&mut self, row: &'static Row, args: Args<'_>, db: DbId) -> u64 {
        let all = self.unsure();
        if all == 0 {
            return 0;
        }
        let mut keys = Vec::new();
        match row.run {
            Run::One(_) | Run::Many(..) if table::keys_of(row, args, &mut keys).is_ok() => {
                self.unsure_of(keys.iter().map(|&at| (db, args.at(at))))
            }
            // Others may look at keys that they do not name.
            _ => all,
        }
    }

    /// What handlers may touch.
    #[inline]
    pub(super) fn ctx(&mut self, db: DbId, no_touch: bool) -> Ctx<'_> {
        Ctx {
            store: &mut self.store,
            db,
            now_ms: self.now.ms(),
            no_touch,
            limits: &self.live.limits,
            tally: &mut self.tally,
            events: &mut self.events,
            job: None,
            walk: None,
        }
    }

    /// Counts a command that ran, and notes it if it was slow. `index`: the connection, if it is this shard's.
    #[inline]
    pub(super) fn ran(&mut self, row: &'static Row, args: Args<'_>, ns: u64, failed: Option<bool>, index: u32) {
        if std::mem::take(&mut self.metrics.turned_away) {
            return; // It is counted as rejected and did not run.
        }
        let id = row.id();
        self.metrics.ran(id, ns, self.live.latency_tracking);
        if failed == Some(true) {
            self.metrics.rows[id as usize].failed += 1;
        }
        if ns >= self.live.slow_ns {
            self.note_slow(row, args, ns, index);
        }
    }

    #[cold]
    pub(super) fn note_slow(&mut self, row: &'static Row, args: Args<'_>, ns: u64, index: u32) {
        let ms = ns / 1_000_000;
        let at = self.now.unix_us / 1_000_000;
        if self.live.latency_monitor_ms > 0 && ms >= self.live.latency_monitor_ms {
            self.metrics.spike(if row.flags & Flag::FAST != 0 { "fast-command" } else { "command" }, at, ms);
        }
        if self.live.slowlog_ns.is_none_or(|limit| ns < limit) || row.flags & Flag::SKIP_SLOWLOG != 0 {
            return;
        }
        // One that waits is noted when it has what it waits for.
        if self.conns.get(index as usize).is_some_and(|conn| conn.waiting) {
            return;
        }
        let id = self.process.next_slowlog_id();
        let shown = secret::blanked(row, args);
        let slow = Slow {
            id,
            at,
            us: ns / 1000,
            args: Slow::cut(shown.as_ref().map_or(args, |s| s.args())),
            client: String::new(),
            name: Vec::new(),
        };
        match self.far_asker.take().filter(|_| index == u32::MAX) {
            // Who asked is known where it is connected: there the entry is kept.
            Some((home, origin)) => {
                self.on_shard(home, move |engine| engine.keep_slow(origin.conn, Some(origin.generation), slow.clone()))
            }
            None => self.keep_slow(index, None, slow),
        }
    }

    fn keep_slow(&mut self, index: u32, generation: Option<u32>, mut slow: Slow) {
        let conn = self.conns.get(index as usize).filter(|c| generation.is_none_or(|g| g == c.generation));
        if let Some(conn) = conn {
            (slow.client, slow.name) = (conn.peer.addr(), conn.name.to_vec());
        }
        let Metrics { slow: log, .. } = &mut self.metrics;
        // Entries of asks that ran elsewhere come a little later: numbers fall from the front.
        let at = log.iter().position(|older| older.id < slow.id).unwrap_or(log.len());
        log.insert(at, slow);
        log.truncate(self.live.slowlog_len_max);
    }

    /// The queue in which an ask must wait, if any.
    fn blocked(&mut self, row: &'static Row, args: Args<'_>, client: Client) -> Option<u64> {
        let reads = row.flags & Flag::WRITE == 0;
        let mut keys = Vec::new();
        if table::keys_of(row, args, &mut keys).is_err() {
            return None; // The handler says what is wrong with it, and touches nothing.
        }
        keys.iter().find_map(|&k| self.locks.blocks(self.lock_key(args.at(k)), client, reads))
    }

    fn defer(
        &mut self,
        queue: u64,
        client: Client,
        home: ShardId,
        origin: Origin,
        manner: Manner,
        row: &'static Row,
        tx: u64,
        args: Args<'_>,
    ) {
        let ask = Deferred { home, origin, manner, row, args: ArgsBuf::from(args) };
        let mut keys = Vec::new();
        table::keys_of(row, args, &mut keys).expect("its keys were found when it was seen to be blocked");
        if keys.len() > 1 {
            // It waits as a transaction of this shard alone, in the queues of all its keys: what the connection asks next
            // on any of them comes after it.
            let tx = if tx == 0 { self.process.next_tx() } else { tx };
            return self.begin_alone(TxId(tx), client, ask);
        }
        let key = self.lock_key(args.at(keys[0]));
        self.locks.wait(queue, key, client, row.flags & Flag::WRITE == 0, ask);
    }

    /// An ask that waited runs.
    pub(super) fn run_deferred(&mut self, ask: Deferred) {
        self.lap = self.ticks();
        self.run_and_reply(ask.home, ask.origin, ask.manner, ask.row, None, ask.args.args());
    }

    /// Works a job off in slices; its reply goes to its place.
    pub(super) fn start_job(&mut self, mut job: Box<dyn Job>, home: ShardId, origin: Origin, manner: Manner) {
        let (mut worked, mut drawn) = (false, Out::new());
        self.chore(Box::new(move |engine| {
            worked = worked || job.step(JOB_UNITS);
            if !worked || !speak(manner.dialect, &mut drawn, |r| job.finish(&mut Vec::new(), r)) {
                super::walk::seal(&mut drawn);
                return false;
            }
            engine.note_error(&drawn, 0);
            engine.send_home(home, origin, &mut drawn);
            true
        }));
    }

    /// Evicts one entry; bytes freed.
    pub(super) fn evict_one(&mut self) -> Option<usize> {
        let Engine { store, events, now, .. } = self;
        let freed = store.evict_one(now.ms(), |db, key| events.add(db, Class::EVICTED, "evicted", key));
        self.record();
        self.process.set_spare(self.me, self.store.spare_bytes());
        freed
    }

    /// Evicts until there is room, for at most a few steps. False: there is nothing to evict.
    pub(super) fn make_room(&mut self) -> bool {
        use store::Policy;
        if self.live.tuning.policy == Policy::NoEviction {
            return self.process.used_memory() <= self.live.maxmemory;
        }
        // Bounded: a command pays for a few evictions, the turn's housekeeping for the rest.
        for _ in 0..self.live.tenacity.of(EVICTED_AN_ASK) {
            if self.process.used_memory() <= self.live.maxmemory {
                self.memory_over = false;
                return true;
            }
            if self.evict_one().is_none() {
                // Other shards may hold what can go; only when they do not is there no room.
                return self.process.may_be_evicted_elsewhere(self.me);
            }
        }
        true
    }
}
