//! Commands on keys of several shards: the coordinator's side and each shard's. The order of things is in `shard::locks`.
//!
//! The shard whose connection asked coordinates. It asks each shard for locks and reads; when all have granted, it decides
//! once, replies, and sends each shard what to write. One round trip; the commit travels while the client reads its reply,
//! and whoever asks for one of the keys meanwhile waits for it behind the lock.

use super::{Deferred, Engine, Mail, speak};
use crate::ask::{Manner, Origin};
use crate::shard::locks::{Client, LockKey, Turn, TxId, WHOLE};
use base::{Args, ArgsBuf, DbId, ShardId};
use command::context::Ctx;
use command::row::{Decide, Flag, Read, Row, Together, Write, Writing};
use command::together::{Found, apply, decide_on, fetch};
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
    /// Keys with their databases and what is read of each.
    Keys { keys: ArgsBuf, reads: Vec<(DbId, Read)>, exclusive: bool, no_touch: bool },
    /// Every key of the shard, nothing read.
    Whole,
}

/// What a shard is to do before it lets go.
pub enum Commit {
    /// (index among the keys that this shard was asked for, database, write)
    Writes(Vec<(usize, DbId, Write)>),
    /// For commands on every key.
    Run(OnShard),
}

/// One transaction as a shard that it touches knows it.
pub enum Part {
    /// Some shard coordinates it.
    Asked { coordinator: ShardId, access: Access },
    /// An ordinary ask on several keys of this shard, which waits for others' locks.
    Alone(Deferred),
}

/// One transaction as its coordinator knows it.
pub struct Tx {
    origin: Origin,
    manner: Manner,
    parts: Vec<TxPart>,
    missing: usize,
    what: What,
}

/// What a shard does under the lock on all its keys.
pub type OnShard = Arc<dyn Fn(&mut Engine) + Send + Sync>;

/// How the coordinator replies when all shards have been told.
type Done = Box<dyn FnOnce(&mut Engine, Origin)>;

enum What {
    Command { row: &'static Row, together: &'static Together, args: ArgsBuf },
    Whole { run: OnShard, done: Done },
}

struct TxPart {
    shard: ShardId,
    /// Indexes among the ask's keys.
    keys: Vec<usize>,
    /// What was read there, once granted.
    fetched: Option<Vec<Found>>,
}

impl Engine {
    /// Begins a command whose keys lie on several shards. `keys`: the words that are keys.
    pub(super) fn begin_together(
        &mut self,
        index: u32,
        row: &'static Row,
        together: &'static Together,
        args: Args<'_>,
        keys: &[usize],
        manner: Manner,
    ) {
        self.metrics.together += 1;
        if self.memory_over && row.flags & Flag::DENYOOM != 0 && !self.make_room() {
            self.refuse(index, Some(row), &base::Fault::OutOfMemory);
            return;
        }
        let conn = &self.conns[index as usize];
        let client = Client { shard: self.me.0, conn: index, generation: conn.generation };
        let origin = self.place(index);
        let exclusive = row.flags & Flag::WRITE != 0;
        let mut parts: Vec<TxPart> = Vec::new();
        for (n, &k) in keys.iter().enumerate() {
            let shard = self.owner(args.at(k));
            match parts.iter_mut().find(|p| p.shard == shard) {
                Some(part) => part.keys.push(n),
                None => parts.push(TxPart { shard, keys: vec![n], fetched: None }),
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
                (part.shard, Access::Keys { keys: words, reads, exclusive, no_touch: manner.no_touch })
            })
            .collect();
        let what = What::Command { row, together, args: ArgsBuf::from(args) };
        self.start_tx(client, Tx { origin, manner, missing: parts.len(), parts, what }, asks);
        self.pump();
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
        let parts: Vec<TxPart> =
            shards.iter().map(|&shard| TxPart { shard, keys: Vec::new(), fetched: None }).collect();
        let what = What::Whole { run: Arc::new(run), done: Box::new(done) };
        let asks = shards.into_iter().map(|shard| (shard, Access::Whole)).collect();
        self.start_tx(client, Tx { origin, manner, missing: parts.len(), parts, what }, asks);
        self.pump();
    }

    /// The same without a client: what was planned for a time.
    pub(super) fn begin_whole_unasked(&mut self, run: impl Fn(&mut Engine) + Send + Sync + 'static) {
        let client = Client { shard: self.me.0, conn: u32::MAX, generation: u32::MAX };
        let origin = Origin { conn: u32::MAX, generation: u32::MAX, seq: 0 };
        let manner = Manner { dialect: crate::ask::Dialect::Resp2, db: DbId::ZERO, no_touch: false, silent: true };
        let shards: Vec<ShardId> = (0..self.shards() as u16).map(ShardId).collect();
        let parts: Vec<TxPart> =
            shards.iter().map(|&shard| TxPart { shard, keys: Vec::new(), fetched: None }).collect();
        let what = What::Whole { run: Arc::new(run), done: Box::new(|_, _| {}) };
        let asks = shards.into_iter().map(|shard| (shard, Access::Whole)).collect();
        self.start_tx(client, Tx { origin, manner, missing: parts.len(), parts, what }, asks);
        self.pump();
    }

    fn start_tx(&mut self, client: Client, tx: Tx, asks: Vec<(ShardId, Access)>) {
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

    fn lock(&mut self, id: TxId, client: Client, keys: Vec<(LockKey, bool)>) {
        let mut turns = Vec::new();
        self.locks.lock(id, client, keys, &mut turns);
        self.turns.extend(turns);
    }

    // A shard's side.

    pub(super) fn lock_part(&mut self, ask: LockAsk) {
        let keys = match &ask.access {
            Access::Whole => vec![(WHOLE, true)],
            Access::Keys { keys, exclusive, .. } => {
                keys.args().iter().map(|key| (self.lock_key(key), *exclusive)).collect()
            }
        };
        self.parts.insert(ask.id, Part::Asked { coordinator: ask.coordinator, access: ask.access });
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
                    let Some(Part::Asked { coordinator, .. }) = self.parts.get(&id) else { continue };
                    self.metrics.yields += 1;
                    if *coordinator == self.me {
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
        match self.parts.get(&id) {
            Some(Part::Alone(_)) => {
                let Some(Part::Alone(ask)) = self.parts.remove(&id) else { unreachable!("looked up above") };
                self.lap = self.ticks();
                self.run_and_reply(ask.home, ask.origin, ask.manner, ask.row, ask.args.args());
                self.release(id);
            }
            Some(Part::Asked { coordinator, access }) => {
                let coordinator = *coordinator;
                let fetched = match access {
                    Access::Whole => Vec::new(),
                    Access::Keys { keys, reads, no_touch, .. } => {
                        let mut ctx = Ctx {
                            store: &mut self.store,
                            db: DbId::ZERO,
                            now_ms: self.now.ms(),
                            no_touch: *no_touch,
                            limits: &self.live.limits,
                            tally: &mut self.tally,
                            events: &mut self.events,
                            job: None,
                            walk: None,
                        };
                        let read = |(key, (db, read)): (&[u8], &(DbId, Read))| {
                            ctx.db = *db;
                            fetch(&mut ctx, key, read).unwrap_or_else(|mut read_on| {
                                loop {
                                    if let Some(parcel) = read_on(&mut ctx, key) {
                                        return Found::Parcel(parcel);
                                    }
                                }
                            })
                        };
                        keys.args().iter().zip(reads).map(read).collect()
                    }
                };
                if coordinator == self.me {
                    self.granted(id, self.me, fetched);
                } else {
                    let mail = Mail::Granted { id, shard: self.me, fetched };
                    self.outbox[coordinator.index()].mail(mail);
                }
            }
            None => unreachable!("a transaction is granted only while it is known"),
        }
    }

    pub(super) fn yielded(&mut self, id: TxId) {
        let mut turns = Vec::new();
        self.locks.yielded(id, &mut turns);
        self.turns.extend(turns);
        self.let_questions_pass(id);
    }

    pub(super) fn commit_part(&mut self, id: TxId, commit: Commit) {
        let Some(Part::Asked { access, .. }) = self.parts.remove(&id) else {
            unreachable!("a commit comes once, to a shard that granted")
        };
        match (commit, access) {
            (Commit::Run(run), _) => run(self),
            (Commit::Writes(writes), Access::Keys { keys, .. }) => {
                for (n, db, write) in writes {
                    let key = keys.args().at(n);
                    let mut ctx = self.ctx(db, false);
                    if let Writing::More(mut write_on) = apply(&mut ctx, key, write) {
                        while !write_on(&mut ctx, key) {}
                    }
                }
            }
            (Commit::Writes(_), Access::Whole) => unreachable!("commands on every key commit by running"),
        }
        self.release(id);
    }

    fn release(&mut self, id: TxId) {
        let mut turns = Vec::new();
        self.locks.release(id, &mut turns);
        self.turns.extend(turns);
        self.let_questions_pass(id);
    }

    // The coordinator's side.

    pub(super) fn granted(&mut self, id: TxId, shard: ShardId, fetched: Vec<Found>) {
        let tx = self.txs.get_mut(&id).expect("a grant comes before the commit");
        let part = tx.parts.iter_mut().find(|p| p.shard == shard).expect("only shards that were asked grant");
        assert!(part.fetched.replace(fetched).is_none(), "a shard grants once, or again after it was yielded to");
        tx.missing -= 1;
        if tx.missing == 0 {
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
        let (row, together, args) = match what {
            What::Command { row, together, args } => (row, together, args),
            What::Whole { run, done } => {
                for part in &parts {
                    self.send_commit(id, part.shard, Commit::Run(run.clone()));
                }
                if manner.silent {
                    self.deliver_raw_quietly(origin, &mut base::Out::new());
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
            wait: false,
        };
        let mut out = base::Out::new();
        speak(manner.dialect, &mut out, |reply| decide_on(together, &mut decide, args.args(), &mut found, reply));
        let Decide { writes, job, .. } = decide;
        let mut commits: Vec<Vec<(usize, DbId, Write)>> = parts.iter().map(|_| Vec::new()).collect();
        for (n, db, write) in writes {
            let (part, i) = places[n];
            commits[part].push((i, db, write));
        }
        for (part, writes) in parts.iter().zip(commits) {
            self.send_commit(id, part.shard, Commit::Writes(writes));
        }
        let failed = out.bytes.first() == Some(&b'-');
        self.note_error(&out, 0);
        match job {
            Some(job) if !manner.silent => self.start_job(job, self.me, origin, manner),
            _ => {
                if manner.silent {
                    out.clear();
                }
                self.deliver_raw_quietly(origin, &mut out);
            }
        }
        let ns = self.lap_ns();
        self.ran(row, args.args(), ns, Some(failed), origin.conn);
    }

    fn send_commit(&mut self, id: TxId, shard: ShardId, commit: Commit) {
        if shard == self.me {
            self.commit_part(id, commit);
        } else {
            self.outbox[shard.index()].mail(Mail::Commit { id, commit });
        }
    }
}
