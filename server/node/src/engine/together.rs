//! Commands on keys of several shards: the coordinator's side and each shard's. The order of things is in `shard::locks`.
//!
//! The shard whose connection asked coordinates. It asks each shard for locks and reads; when all have granted, it decides
//! once, replies, and sends each shard what to write. One round trip; the commit travels while the client reads its reply,
//! and whoever asks for one of the keys meanwhile waits for it behind the lock.
//!
//! An ask on very many keys, on however many shards, locks each shard as a whole instead of its keys, and is read and
//! written there in slices: other connections' asks on keys wait for it, all else goes on.

use super::cut::{CutPart, Cutting};
use super::effects::Share;
use super::run::JOB_UNITS;
use super::wait::Waiter;
use super::walk::Rest;
use super::{Deferred, Engine, Mail, speak};
use crate::ask::{Dialect, Manner, Origin};
use crate::shard::locks::{Client, LockKey, Turn, TxId, WHOLE};
use base::{Args, ArgsBuf, DbId, ShardId};
use command::context::Ctx;
use command::row::{Decide, Flag, Job, KeyWrite, Read, Row, Together, Write, WriteOn, Writing};
use command::together::{Found, ReadSoFar, apply, decide_on};
use std::sync::Arc;

/// What a shard is asked to lock and to read.
pub struct LockAsk {
    id: TxId,
    coordinator: ShardId,
    client: Client,
    access: Access,
}

/// Which keys.
pub enum Access {
    /// Keys with their databases and what is read of each. `whole`: too many to be locked one by one.
    Keys { keys: ArgsBuf, reads: Vec<(DbId, Read)>, exclusive: bool, whole: bool, no_touch: bool },
    /// Every key of the shard, nothing read.
    Whole,
}

/// What a shard is to do before it lets go.
pub enum Commit {
    /// (index among the keys that this shard was asked for, database, write), and how many shards record it, this one among them;
    /// 0: this one does not.
    Writes(Vec<(usize, DbId, Write)>, u32),
    /// For commands on every key, and on how many shards.
    Run(OnShard, u32),
    /// The same of what changes nothing, and everything stays locked until whoever began it says so.
    Hold(OnShard),
    /// There is nothing yet: the client waits for these. (index among the keys that this shard was asked for, its waiter)
    Await(Vec<(usize, Waiter)>),
    /// A part of an ask that was cut.
    Cut(CutPart),
}

/// One transaction as a shard that it touches knows it.
pub(super) enum Part {
    /// Some shard coordinates it.
    Asked {
        coordinator: ShardId,
        access: Access,
        /// What has been read so far, while it is read.
        reading: Option<ReadSoFar>,
        /// How often it has been granted: a slice of an earlier reading is void.
        grants: u32,
    },
    /// An ordinary ask on several keys of this shard, which waits for others' locks.
    Alone(Deferred),
    /// An ask that works on its keys in slices.
    Walking,
}

/// What is still to be written for a transaction.
struct ToWrite {
    keys: ArgsBuf,
    whole: bool,
    writes: std::vec::IntoIter<KeyWrite>,
    under_way: Option<(usize, DbId, WriteOn)>,
    /// What was done so far.
    effects: Vec<u8>,
    share: Share,
}

/// One transaction as its coordinator knows it.
pub struct Tx {
    pub(super) origin: Origin,
    pub(super) manner: Manner,
    pub(super) parts: Vec<TxPart>,
    pub(super) missing: usize,
    pub(super) what: What,
}

/// A transaction of which it is known what it does.
pub(super) struct Decided {
    pub(super) id: TxId,
    origin: Origin,
    pub(super) manner: Manner,
    row: &'static Row,
    args: Arc<ArgsBuf>,
    parts: Vec<TxPart>,
    /// Where each key went: (part, place among the part's keys).
    places: Vec<(usize, usize)>,
    /// An attempt made again of what was counted when it was first made.
    counted: bool,
}

/// A job at work for a transaction that holds its keys.
pub(super) struct AtWork {
    pub(super) job: Box<dyn Job>,
    /// It speaks.
    worked: bool,
    pub(super) decided: Decided,
    writes: Vec<KeyWrite>,
    drawn: base::Out,
}

/// What a shard does under the lock on all its keys.
pub type OnShard = Arc<dyn Fn(&mut Engine) + Send + Sync>;

/// How the coordinator replies when all shards have been told.
type Done = Box<dyn FnOnce(&mut Engine, Origin)>;

pub(super) enum What {
    /// `arrival`: when its connection began to wait, if this is not its first attempt.
    Command {
        row: &'static Row,
        together: &'static Together,
        args: Arc<ArgsBuf>,
        arrival: Option<u64>,
    },
    /// `holds`: the shards stay locked afterwards.
    Whole {
        run: OnShard,
        done: Done,
        holds: bool,
    },
    Cut {
        cutting: Cutting,
        shares: Vec<(ShardId, CutPart)>,
    },
}

pub(super) struct TxPart {
    pub(super) shard: ShardId,
    /// Indexes among the ask's keys.
    pub(super) keys: Vec<usize>,
    /// What was read there, once granted.
    pub(super) fetched: Option<Vec<Found>>,
    /// A crash may take what that tells of: then it takes what is written by it too.
    pub(super) unsure: bool,
}

impl TxPart {
    /// Not granted yet.
    pub(super) fn of(shard: ShardId, keys: Vec<usize>) -> TxPart {
        TxPart { shard, keys, fetched: None, unsure: false }
    }
}

impl Engine {
    /// Begins a command whose keys lie on several shards, or are very many (`whole`; then the session must have no ask
    /// under way, as for `begin_whole`). `keys`: the words that are keys.
    pub(super) fn begin_together(
        &mut self,
        index: u32,
        row: &'static Row,
        together: &'static Together,
        args: Args<'_>,
        keys: &[usize],
        whole: bool,
        manner: Manner,
    ) {
        self.metrics.together += 1;
        if self.memory_over && row.flags & Flag::DENYOOM != 0 && !self.make_room() {
            self.refuse(index, Some(row), &base::Fault::OutOfMemory);
            return;
        }
        let origin = self.place(index);
        self.begin_on_keys(origin, row, together, Arc::new(ArgsBuf::from(args)), keys, whole, manner, None);
    }

    /// Once more for a connection that waits since `arrival`.
    pub(super) fn begin_attempt(
        &mut self,
        origin: Origin,
        row: &'static Row,
        together: &'static Together,
        args: Arc<ArgsBuf>,
        keys: &[usize],
        manner: Manner,
        arrival: u64,
    ) {
        self.begin_on_keys(origin, row, together, args, keys, false, manner, Some(arrival));
    }

    fn begin_on_keys(
        &mut self,
        origin: Origin,
        row: &'static Row,
        together: &'static Together,
        words: Arc<ArgsBuf>,
        keys: &[usize],
        whole: bool,
        manner: Manner,
        arrival: Option<u64>,
    ) {
        let args = words.args();
        let client = Client { shard: self.me.0, conn: origin.conn, generation: origin.generation };
        let exclusive = row.flags & Flag::WRITE != 0;
        let mut parts: Vec<TxPart> = Vec::new();
        if self.roams(row, args) {
            let all = (0..self.shards() as u16).map(ShardId);
            parts.extend(all.map(|shard| TxPart::of(shard, Vec::new())));
        }
        for (n, &k) in keys.iter().enumerate() {
            let shard = self.owner(args.at(k));
            match parts.iter_mut().find(|p| p.shard == shard) {
                Some(part) => part.keys.push(n),
                None => parts.push(TxPart::of(shard, vec![n])),
            }
        }
        let asks: Vec<(ShardId, Access)> = parts
            .iter()
            .map(|part| {
                let words = part.keys.iter().map(|&n| args.at(keys[n])).collect();
                let reads = part
                    .keys
                    .iter()
                    .map(|&n| {
                        (together.place(args, n, manner.db, self.live.limits.databases), (together.read)(args, n))
                    })
                    .collect();
                (part.shard, Access::Keys { keys: words, reads, exclusive, whole, no_touch: manner.no_touch })
            })
            .collect();
        let what = What::Command { row, together, args: words.clone(), arrival };
        self.start_tx(client, Tx { origin, manner, missing: parts.len(), parts, what }, asks);
        self.pump();
    }

    /// Whether the ask may read keys that it does not name, on any shard.
    pub(super) fn roams(&self, row: &Row, args: Args<'_>) -> bool {
        self.shards() > 1 && row.roams.is_some_and(|roams| roams(args))
    }

    /// Does `run` on every shard that the connection's door opens to, while nothing else touches any key there; then
    /// `done` replies. The session must have no ask under way (`Stall::Barrier`).
    pub fn begin_whole(
        &mut self,
        index: u32,
        run: impl Fn(&mut Engine) + Send + Sync + 'static,
        done: impl FnOnce(&mut Engine, Origin) + 'static,
    ) {
        let conn = &self.conns[index as usize];
        let client = Client { shard: self.me.0, conn: index, generation: conn.generation };
        let manner = Manner { silent: conn.silent, ..conn.manner() };
        let origin = self.place(index);
        let shards = self.shards_behind(index);
        let parts: Vec<TxPart> = shards.iter().map(|&shard| TxPart::of(shard, Vec::new())).collect();
        let what = What::Whole { run: Arc::new(run), done: Box::new(done), holds: false };
        let asks = shards.into_iter().map(|shard| (shard, Access::Whole)).collect();
        self.start_tx(client, Tx { origin, manner, missing: parts.len(), parts, what }, asks);
        self.pump();
    }

    /// The same without a client, on every shard. `holds`: the keys stay locked until somebody lets go of them.
    pub(super) fn begin_on_all(&mut self, run: OnShard, holds: bool, done: impl FnOnce(&mut Engine) + 'static) {
        let client = Client { shard: self.me.0, conn: u32::MAX, generation: u32::MAX };
        let origin = Origin { conn: u32::MAX, generation: u32::MAX, seq: 0 };
        let manner = Manner { dialect: Dialect::Resp2, db: DbId::ZERO, no_touch: false, silent: false };
        let shards: Vec<ShardId> = (0..self.shards() as u16).map(ShardId).collect();
        let parts: Vec<TxPart> = shards.iter().map(|&shard| TxPart::of(shard, Vec::new())).collect();
        let what = What::Whole { run, holds, done: Box::new(move |engine, _| done(engine)) };
        let asks = shards.into_iter().map(|shard| (shard, Access::Whole)).collect();
        self.start_tx(client, Tx { origin, manner, missing: parts.len(), parts, what }, asks);
        self.pump();
    }

    pub(super) fn start_tx(&mut self, client: Client, tx: Tx, asks: Vec<(ShardId, Access)>) {
        let id = TxId(self.process.next_tx());
        self.txs.insert(id, tx);
        for (shard, access) in asks {
            let ask = LockAsk { id, coordinator: self.me, client, access };
            if shard == self.me {
                self.lock_part(ask);
            } else {
                self.outbox[shard.index()].mail(Mail::Lock(ask));
            }
        }
    }

    /// An ask on several keys of this shard that must wait: a transaction of this shard alone.
    pub(super) fn begin_alone(&mut self, id: TxId, client: Client, ask: Deferred) {
        let mut words = Vec::new();
        command::table::keys_of(ask.row, ask.args.args(), &mut words).expect("its keys were found when it was routed");
        let exclusive = ask.row.flags & Flag::WRITE != 0;
        let keys = words.iter().map(|&k| (self.lock_key(ask.args.args().at(k)), exclusive)).collect();
        self.parts.insert(id, Part::Alone(ask));
        self.lock(id, client, keys);
        self.pump();
    }

    /// What locks know a key by: the same in every database, for MOVE and COPY touch two.
    pub(super) fn lock_key(&self, key: &[u8]) -> LockKey {
        self.store.fingerprint(DbId::ZERO, key)
    }

    pub(super) fn lock(&mut self, id: TxId, client: Client, keys: Vec<(LockKey, bool)>) {
        let mut turns = Vec::new();
        self.locks.lock(id, client, keys, &mut turns);
        self.turns.extend(turns);
    }

    // A shard's side.

    pub(super) fn lock_part(&mut self, ask: LockAsk) {
        if self.imaging
            && let Access::Keys { keys, reads, exclusive: true, whole: false, .. } = &ask.access
        {
            keys.args().iter().zip(reads).for_each(|(key, (db, _))| self.guard_key(*db, key));
        }
        let keys = match &ask.access {
            Access::Whole | Access::Keys { whole: true, .. } => vec![(WHOLE, true)],
            Access::Keys { keys, exclusive, .. } => {
                keys.args().iter().map(|key| (self.lock_key(key), *exclusive)).collect()
            }
        };
        let part = Part::Asked { coordinator: ask.coordinator, access: ask.access, reading: None, grants: 0 };
        self.parts.insert(ask.id, part);
        self.lock(ask.id, ask.client, keys);
    }

    /// Acts on what the locks say, until they have nothing more to say.
    pub(super) fn pump(&mut self) {
        if self.pumping || self.turns.is_empty() {
            return;
        }
        self.pumping = true;
        self.active = true;
        while let Some(turn) = self.turns.pop_front() {
            match turn {
                Turn::Run(ask) => self.run_deferred(ask),
                Turn::Yield(id) => {
                    // A transaction of this shard alone holds only while it runs, so it is never asked.
                    let Some(Part::Asked { coordinator, reading, .. }) = self.parts.get_mut(&id) else { continue };
                    self.metrics.yields += 1;
                    if reading.take().is_some() {
                        // Its coordinator knows of no grant yet.
                        self.yielded(id);
                    } else if *coordinator == self.me {
                        self.asked_to_yield(id, self.me);
                    } else {
                        let mail = Mail::Yield { id, shard: self.me };
                        self.outbox[coordinator.index()].mail(mail);
                    }
                }
                Turn::Granted(id) => self.hold(id),
            }
        }
        self.pumping = false;
    }

    /// The transaction holds its keys here.
    fn hold(&mut self, id: TxId) {
        if !self.locks.holds(id) {
            return; // It has yielded since; it will be granted again.
        }
        match self.parts.get_mut(&id) {
            Some(Part::Alone(_)) => {
                let Some(Part::Alone(ask)) = self.parts.remove(&id) else { unreachable!("looked up above") };
                self.lap = self.ticks();
                self.run_and_reply(ask.home, ask.origin, ask.manner, ask.row, None, ask.args.args());
                self.release(id);
            }
            Some(Part::Asked { reading, grants, .. }) => {
                *reading = Some(ReadSoFar::default());
                *grants += 1;
                let grant = *grants;
                if !self.read_some(id, grant) {
                    self.chore(Box::new(move |engine| engine.read_some(id, grant)));
                }
            }
            // It began before it asked, or writes for a snapshot.
            Some(Part::Walking) => self.claims_may_hold(),
            None => unreachable!("a transaction is granted only while it is known"),
        }
    }

    /// Reads a slice more of what a transaction wants read; when that is all, tells its coordinator. True when there is
    /// nothing more to do.
    fn read_some(&mut self, id: TxId, grant: u32) -> bool {
        let Engine { parts, store, live, tally, events, now, slice_keys, .. } = self;
        let Some(Part::Asked { coordinator, access, reading, grants }) = parts.get_mut(&id) else { return true };
        // It has yielded: this is an earlier reading's slice.
        let Some(so_far) = reading.as_mut().filter(|_| *grants == grant) else { return true };
        if let Access::Keys { keys, reads, whole, no_touch, .. } = access {
            let mut ctx = Ctx {
                store,
                db: DbId::ZERO,
                now_ms: now.ms(),
                no_touch: *no_touch,
                limits: &live.limits,
                tally,
                events,
                job: None,
                walk: None,
            };
            if !so_far.go_on(&mut ctx, keys.args(), reads, whole.then_some(*slice_keys)) {
                return false;
            }
        }
        let (coordinator, read) = (*coordinator, reading.take().expect("it was there above"));
        self.record();
        let unsure = match (self.unsure(), self.parts.get(&id)) {
            (1.., Some(Part::Asked { access: Access::Keys { keys, reads, whole: false, .. }, .. })) => {
                self.unsure_of(reads.iter().map(|&(db, _)| db).zip(keys.args().iter()))
            }
            (all, _) => all,
        };
        if coordinator == self.me {
            self.granted(id, self.me, read.found, unsure);
            self.pump();
        } else {
            if unsure > 0 {
                self.owe(coordinator);
            }
            let mail = Mail::Granted { id, shard: self.me, fetched: read.found, unsure };
            self.outbox[coordinator.index()].mail(mail);
        }
        true
    }

    pub(super) fn yielded(&mut self, id: TxId) {
        let mut turns = Vec::new();
        self.locks.yielded(id, &mut turns);
        self.turns.extend(turns);
        self.let_questions_pass(id);
    }

    pub(super) fn commit_part(&mut self, id: TxId, commit: Commit, mut tell: bool) {
        let Some(Part::Asked { coordinator, access, .. }) = self.parts.remove(&id) else {
            unreachable!("a commit comes once, to a shard that granted")
        };
        match (commit, access) {
            (Commit::Run(run, parties), _) => {
                self.record();
                run(self);
                self.record_held(&mut Vec::new(), Share::of(id, parties));
                self.look_at_waits();
            }
            (Commit::Hold(run), _) => {
                run(self);
                self.hold_for_image(id);
                // Questions look at what nobody changes.
                return self.let_questions_pass(id);
            }
            (Commit::Cut(part), _) => return self.run_cut(id, coordinator, part, tell),
            (Commit::Writes(writes, parties), Access::Keys { keys, whole, .. }) => {
                let share = Share::of(id, parties);
                tell &= parties > 0;
                let writes = writes.into_iter();
                let mut rest = ToWrite { keys, whole, writes, under_way: None, effects: Vec::new(), share };
                if !self.write_some(&mut rest) {
                    let locked = rest.keys.args().iter().map(|key| self.lock_key(key)).collect();
                    self.begin_slices(id, (!rest.whole).then_some(locked));
                    return self.chore(Box::new(move |engine| {
                        let done = engine.write_some(&mut rest);
                        if done {
                            engine.end_slices(id);
                            engine.after_write();
                            if tell {
                                engine.tell_record(id, coordinator);
                            }
                            engine.release(id);
                            engine.pump();
                        }
                        done
                    }));
                }
            }
            (Commit::Await(waiters), Access::Keys { keys, .. }) => {
                waiters.into_iter().for_each(|(i, waiter)| self.await_key(keys.args().at(i), waiter));
            }
            (Commit::Writes(..) | Commit::Await(_), Access::Whole) => {
                unreachable!("commands on every key commit by running")
            }
        }
        self.after_write();
        if tell {
            self.tell_record(id, coordinator);
        }
        self.release(id);
    }

    /// Writes a slice more. True when all is written.
    fn write_some(&mut self, rest: &mut ToWrite) -> bool {
        self.record();
        let done = self.write_slice(rest);
        if done {
            self.record_held(&mut rest.effects, rest.share);
        } else {
            self.hold_effects(&mut rest.effects);
        }
        done
    }

    fn write_slice(&mut self, rest: &mut ToWrite) -> bool {
        let ToWrite { keys, whole, writes, under_way, .. } = rest;
        let keys = keys.args();
        if let Some((n, db, write_on)) = under_way {
            if !write_on(&mut self.ctx(*db, false), keys.at(*n)) {
                return false;
            }
            *under_way = None;
        }
        let count = if *whole { self.slice_keys } else { usize::MAX };
        for (n, db, write) in writes.by_ref().take(count) {
            if let Writing::More(write_on) = apply(&mut self.ctx(db, false), keys.at(n), write) {
                *under_way = Some((n, db, write_on));
                return false;
            }
        }
        writes.len() == 0
    }

    pub(super) fn release(&mut self, id: TxId) {
        let mut turns = Vec::new();
        self.locks.release(id, &mut turns);
        self.turns.extend(turns);
        self.let_questions_pass(id);
    }

    // The coordinator's side.

    pub(super) fn granted(&mut self, id: TxId, shard: ShardId, fetched: Vec<Found>, unsure: u64) {
        let tx = self.txs.get_mut(&id).expect("a grant comes before the commit");
        let origin = tx.origin;
        let part = tx.parts.iter_mut().find(|p| p.shard == shard).expect("only shards that were asked grant");
        assert!(part.fetched.replace(fetched).is_none(), "a shard grants once, or again after it was yielded to");
        part.unsure = unsure > 0;
        tx.missing -= 1;
        let all = tx.missing == 0;
        if unsure > 0 {
            self.need(origin, shard, unsure);
        }
        if all {
            let tx = self.txs.remove(&id).expect("looked up above");
            self.commit(id, tx);
        }
    }

    pub(super) fn asked_to_yield(&mut self, id: TxId, shard: ShardId) {
        let Some(tx) = self.txs.get_mut(&id) else { return }; // Its commit is on the way.
        let part = tx.parts.iter_mut().find(|p| p.shard == shard).expect("only shards that were asked ask back");
        part.fetched.take().expect("only a shard that granted asks for it back");
        tx.missing += 1;
        if shard == self.me {
            self.yielded(id);
        } else {
            self.outbox[shard.index()].mail(Mail::Yielded { id });
        }
    }

    /// All shards hold: decides, replies, and lets the shards write and go on.
    fn commit(&mut self, id: TxId, tx: Tx) {
        let Tx { origin, manner, mut parts, what, .. } = tx;
        let (row, together, args, arrival) = match what {
            What::Command { row, together, args, arrival } => (row, together, args, arrival),
            What::Cut { cutting, shares } => return self.commit_cut(id, cutting, shares),
            What::Whole { run, done, holds } => {
                if !holds {
                    self.expect_records(id, origin, parts.len());
                }
                for part in &parts {
                    let run = run.clone();
                    let commit = if holds { Commit::Hold(run) } else { Commit::Run(run, parts.len() as u32) };
                    self.send_commit(id, part.shard, commit);
                }
                if manner.silent {
                    self.deliver_drawn(origin, &mut base::Out::new());
                } else {
                    done(self, origin);
                }
                return;
            }
        };
        self.lap = self.ticks();
        let count = parts.iter().map(|p| p.keys.len()).sum();
        let mut found: Vec<Found> = (0..count).map(|_| Found::Skipped).collect();
        // Where each key went: (part, place among the part's keys).
        let mut places = vec![(0, 0); count];
        for (p, part) in parts.iter_mut().enumerate() {
            let fetched = part.fetched.take().expect("all are granted");
            for (i, (&n, one)) in part.keys.iter().zip(fetched).enumerate() {
                found[n] = one;
                places[n] = (p, i);
            }
        }
        let mut decide = Decide {
            now_ms: self.now.ms(),
            db: manner.db,
            limits: &self.live.limits,
            tally: &mut self.tally,
            parcels: Vec::new(),
            writes: Vec::new(),
            job: None,
            wait: None,
        };
        let mut out = base::Out::new();
        speak(manner.dialect, &mut out, |reply| decide_on(together, &mut decide, args.args(), &mut found, reply));
        let Decide { writes, job, wait, .. } = decide;
        if let Some(resolved) = wait {
            let args = super::wait::resolve(args, &resolved);
            self.commit_to_wait(id, origin, manner, row, args.clone(), arrival.unwrap_or(id.0), &parts);
            if arrival.is_none() {
                let ns = self.lap_ns();
                self.ran(row, args.args(), ns, Some(false), origin.conn);
            }
            return;
        }
        let decided = Decided { id, origin, manner, row, args, parts, places, counted: arrival.is_some() };
        match job {
            // The keys stay locked until the job knows what to write.
            Some(job) if job.holds() => {
                let at_work = AtWork { job, worked: false, decided, writes, drawn: base::Out::new() };
                self.work_slice(at_work);
            }
            Some(job) => {
                self.carry_out(&decided, writes);
                self.start_rest(Rest::Job(job), self.me, origin, manner, row, decided.args.args());
            }
            None => {
                self.carry_out(&decided, writes);
                if arrival.is_some() {
                    self.attempt_made(origin, manner, row, &decided.args);
                }
                self.reply_decided(&decided, &mut out);
            }
        }
    }

    /// One slice of a job that holds its keys; the next in a chore, or when it has heard what it wants to know.
    pub(super) fn work_slice(&mut self, mut at_work: AtWork) {
        let AtWork { job, worked, decided, writes, drawn } = &mut at_work;
        *worked = *worked || job.step(JOB_UNITS);
        if !*worked && let Some(wanted) = job.wants() {
            return self.ask_round(at_work, wanted);
        }
        if !*worked || !speak(decided.manner.dialect, drawn, |reply| job.finish(writes, reply)) {
            super::walk::seal(drawn);
            let mut at_work = Some(at_work);
            return self.chore(Box::new(move |engine| {
                engine.work_slice(at_work.take().expect("a chore is not called again once it is done"));
                engine.pump();
                true
            }));
        }
        let AtWork { decided, writes, mut drawn, .. } = at_work;
        self.lap = self.ticks();
        self.carry_out(&decided, writes);
        self.reply_decided(&decided, &mut drawn);
    }

    /// Sends each shard what it is to write.
    fn carry_out(&mut self, decided: &Decided, writes: Vec<KeyWrite>) {
        let mut commits: Vec<Vec<KeyWrite>> = decided.parts.iter().map(|_| Vec::new()).collect();
        for (n, db, write) in writes {
            let (part, i) = decided.places[n];
            commits[part].push((i, db, write));
        }
        let writes_any = commits.iter().any(|writes| !writes.is_empty());
        let records = |part: &TxPart, writes: &[KeyWrite]| writes_any && (part.unsure || !writes.is_empty());
        let parties = decided.parts.iter().zip(&commits).filter(|(part, writes)| records(part, writes)).count() as u32;
        self.expect_records(decided.id, decided.origin, parties as usize);
        for (part, writes) in decided.parts.iter().zip(commits) {
            let parties = if records(part, &writes) { parties } else { 0 };
            self.send_commit(decided.id, part.shard, Commit::Writes(writes, parties));
        }
    }

    fn reply_decided(&mut self, decided: &Decided, out: &mut base::Out) {
        let failed = out.bytes.first() == Some(&b'-');
        self.note_error(out, 0);
        if decided.manner.silent {
            out.clear();
        }
        self.deliver_drawn(decided.origin, out);
        if decided.counted {
            return;
        }
        let ns = self.lap_ns();
        self.ran(decided.row, decided.args.args(), ns, Some(failed), decided.origin.conn);
    }

    /// Nothing was found: the client waits from now on, in the queues of its keys.
    fn commit_to_wait(
        &mut self,
        id: TxId,
        origin: Origin,
        manner: Manner,
        row: &'static Row,
        args: Arc<ArgsBuf>,
        arrival: u64,
        parts: &[TxPart],
    ) {
        let waiter = self.begin_wait(origin, manner, row, args, arrival);
        for part in parts {
            let waiters = part.keys.iter().enumerate().filter_map(|(i, &n)| Some((i, waiter.as_ref()?.at_key(n)?)));
            let waiters = waiters.collect();
            self.send_commit(id, part.shard, Commit::Await(waiters));
        }
    }

    pub(super) fn send_commit(&mut self, id: TxId, shard: ShardId, commit: Commit) {
        let tell = self.wants_records(id);
        if shard == self.me {
            self.commit_part(id, commit, tell);
        } else {
            self.outbox[shard.index()].mail(Mail::Commit { id, commit, tell });
        }
    }
}
