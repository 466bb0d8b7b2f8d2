//! What a handler leaves behind when it has not done all: a job that owns what it needs, a walk whose keys stay locked, a
//! client who waits.

use super::effects::Share;
use super::together::Part;
use super::{Engine, speak};
use crate::ask::{Manner, Origin};
use crate::shard::locks::{Client, LockKey, Turn, TxId};
use base::{Args, ArgsBuf, Out, ShardId};
use command::row::{Flag, Job, Resolved, Row, Walk};
use command::table;

/// A reply that grows is lent in pieces of about this size, so that none is moved again and again.
const PIECE_BYTES: usize = 64 * 1024;

/// Lends what has been drawn so far, if that is a piece.
pub(super) fn seal(drawn: &mut Out) {
    if drawn.bytes.len() > PIECE_BYTES {
        drawn.seal();
    }
}

/// What is left of an ask.
pub(super) enum Rest {
    /// The job will reply.
    Job(Box<dyn Job>),
    /// The walk speaks on; `drawn` is the reply so far, `effects` what it did so far.
    Walk { walk: Box<dyn Walk>, drawn: Out, effects: Vec<u8> },
    /// There is nothing yet: the client waits.
    Wait(Resolved),
}

/// An ask whose walk is under way.
struct Walking {
    walk: Box<dyn Walk>,
    drawn: Out,
    effects: Vec<u8>,
    home: ShardId,
    origin: Origin,
    manner: Manner,
    row: &'static Row,
    args: ArgsBuf,
    /// The moment at which the ask was made: its keys do not expire under it.
    now_ms: u64,
}

impl Engine {
    /// Sees to what an ask on this shard's keys has left.
    pub(super) fn start_rest(
        &mut self,
        rest: Rest,
        home: ShardId,
        origin: Origin,
        manner: Manner,
        row: &'static Row,
        args: Args<'_>,
    ) {
        match rest {
            // Nobody hears what it would say.
            Rest::Job(_) if manner.silent => self.send_home(home, origin, &mut Out::new()),
            Rest::Job(job) => self.start_job(job, home, origin, manner),
            Rest::Walk { walk, drawn, effects } => {
                let args = ArgsBuf::from(args);
                let now_ms = self.now.ms();
                self.start_walk(Walking { walk, drawn, effects, home, origin, manner, row, args, now_ms });
            }
            Rest::Wait(resolved) => self.start_wait(origin, manner, row, args, &resolved),
        }
    }

    fn start_walk(&mut self, mut walking: Walking) {
        let id = TxId(self.process.next_tx());
        let args = walking.args.args();
        let mut words = Vec::new();
        table::keys_of(walking.row, args, &mut words).expect("its keys were found when it was routed");
        let exclusive = walking.row.flags & Flag::WRITE != 0;
        let keys: Vec<(LockKey, bool)> = words.iter().map(|&k| (self.lock_key(args.at(k)), exclusive)).collect();
        let Origin { conn, generation, .. } = walking.origin;
        let client = Client { shard: walking.home.0, conn, generation };
        self.parts.insert(id, Part::Walking);
        let names: Vec<LockKey> = keys.iter().map(|&(key, _)| key).collect();
        self.lock(id, client, keys);
        if !self.locks.holds(id) || self.are_freed(&names) {
            // It had to wait before, and others hold its keys by now, or were freed with it and begin when it ends: all at
            // once, then.
            while !self.step_walk(&mut walking) {}
            self.end_walk(id, walking);
            self.pump();
            return;
        }
        self.pump();
        for &k in &words {
            self.store.pin(walking.manner.db, walking.args.args().at(k));
        }
        if exclusive {
            self.begin_slices(id, Some(names));
        }
        let mut walking = Some(walking);
        self.chore(Box::new(move |engine| {
            let mut under_way = walking.take().expect("a chore is not called again once it is done");
            if !engine.step_walk(&mut under_way) {
                walking = Some(under_way);
                return false;
            }
            for &k in &words {
                engine.store.unpin(under_way.manner.db, under_way.args.args().at(k));
            }
            engine.end_walk(id, under_way);
            engine.pump();
            true
        }));
    }

    /// Whether asks on some of these keys are about to run, which have left their queues already.
    fn are_freed(&self, keys: &[LockKey]) -> bool {
        self.turns.iter().any(|turn| {
            let Turn::Run(ask) = turn else { return false };
            let (args, mut words) = (ask.args.args(), Vec::new());
            table::keys_of(ask.row, args, &mut words).expect("its keys were found when it was routed");
            words.iter().any(|&k| keys.contains(&self.lock_key(args.at(k))))
        })
    }

    fn step_walk(&mut self, walking: &mut Walking) -> bool {
        self.record();
        let Walking { walk, drawn, manner, args, now_ms, effects, .. } = walking;
        let mut ctx = self.ctx(manner.db, manner.no_touch);
        ctx.now_ms = *now_ms;
        let done = speak(manner.dialect, drawn, |reply| walk.step(&mut ctx, args.args(), reply));
        if manner.silent {
            drawn.clear();
        } else {
            seal(drawn);
        }
        self.hold_effects(effects);
        done
    }

    fn end_walk(&mut self, id: TxId, walking: Walking) {
        let Walking { mut drawn, mut effects, home, origin, .. } = walking;
        self.record_held(&mut effects, Share::ALONE);
        self.end_slices(id);
        self.after_write();
        self.parts.remove(&id);
        self.release(id);
        self.send_home(home, origin, &mut drawn);
    }

    /// Sends a reply that is drawn (and counted) already to the connection that asked.
    pub(super) fn send_home(&mut self, home: ShardId, origin: Origin, drawn: &mut Out) {
        let unsure = self.unsure();
        if home == self.me {
            if unsure > 0 {
                self.need(origin, home, unsure);
            }
            self.deliver_drawn(origin, drawn);
            return;
        }
        let outbox = &mut self.outbox[home.index()];
        outbox.reply(origin, |out| out.append(drawn));
        if unsure > 0 {
            crate::batch::draw_after(&mut outbox.out, origin, unsure);
            self.owe(home);
        }
    }
}
