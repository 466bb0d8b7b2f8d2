//! Clients who wait until something comes to one of their keys: BLPOP, BZPOPMIN, XREAD.
//!
//! The shard whose connection asked (home) makes the first attempt: on its own keys at once, else as a transaction, so that
//! nothing can come to a key between the look and the wait. Where there is nothing, the client's `Waiter` is put into the
//! queue of each of its keys, in the order of arrival, while the keys are still locked.
//!
//! A command that brings something to a key says so (`Ctx::ready`); right after it, before any other command, the shard
//! serves the key's queue. A waiter may be queued on several shards: who serves it, or ends its wait because its time is
//! over, it is unblocked or gone, first takes its claim, which only one can.

use super::{Engine, Mail, Served, speak};
use crate::ask::{Manner, Origin};
use crate::session::Stall;
use crate::shard::locks::{LockKey, TxId};
use base::{Args, ArgsBuf, DbId, Fault, Out, Reply, ShardId};
use command::row::{Blocking, Patience, Resolved, Row, Run};
use command::table;
use command::together::run_here;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::Kind;

/// One client's wait for one key.
#[derive(Clone)]
pub struct Waiter {
    /// From the counter of transactions: who came first is served first.
    arrival: u64,
    claim: Arc<Claim>,
    home: ShardId,
    origin: Origin,
    manner: Manner,
    row: &'static Row,
    args: Arc<ArgsBuf>,
    /// Which of the ask's keys.
    n: usize,
}

impl Waiter {
    /// For key `n` of its ask, if it waits for that one.
    pub(super) fn at_key(&self, n: usize) -> Option<Waiter> {
        (blocking_of(self.row).waits_for)(n).then(|| Waiter { n, ..self.clone() })
    }
}

/// Who takes it ends the wait.
#[derive(Default)]
struct Claim(AtomicBool);

impl Claim {
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn give_back(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A connection's wait, as its own shard knows it.
struct Wait {
    waiter: Waiter,
    /// Unix ms.
    until_ms: Option<u64>,
}

/// What shards tell one another of waits.
pub enum Word {
    /// It has been served; its reply is in the same batch.
    Served(Origin),
    /// Something has come to one of its keys: try again.
    Again(Origin),
    /// It waits no longer for these keys.
    Forget { arrival: u64, db: DbId, keys: Vec<Box<[u8]>> },
    /// Something may be left at a key for the next one.
    Look { db: DbId, kind: Kind, key: Box<[u8]> },
}

/// The waits of one shard.
#[derive(Default)]
pub(super) struct Waits {
    /// For keys of this shard, by arrival.
    queues: HashMap<(DbId, Box<[u8]>), VecDeque<Waiter>>,
    /// This shard's connections that wait.
    clients: HashMap<u32, Wait>,
    /// Of those: until when (Unix ms), which.
    timers: BTreeSet<(u64, u32)>,
    /// How many in the queues mind the loss of their key.
    minding: usize,
    unfinished: Vec<Unfinished>,
}

/// Work in slices that changes keys. Who waits for one of them is served when it is done: what it did is recorded then, and
/// nobody sees it by halves.
struct Unfinished {
    id: TxId,
    /// None: any.
    keys: Option<Vec<LockKey>>,
    /// What has come to them meanwhile.
    ready: Vec<(DbId, Kind, Box<[u8]>)>,
}

impl Waits {
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub(super) fn is_waiting(&self, index: u32) -> bool {
        self.clients.contains_key(&index)
    }

    fn of(&self, origin: Origin) -> Option<&Wait> {
        self.clients.get(&origin.conn).filter(|wait| wait.waiter.origin == origin)
    }

    fn take(&mut self, origin: Origin) -> Option<Wait> {
        self.of(origin)?;
        let wait = self.clients.remove(&origin.conn)?;
        if let Some(at) = wait.until_ms {
            self.timers.remove(&(at, origin.conn));
        }
        Some(wait)
    }

    /// When the first wait is over, Unix ms.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.timers.first().map(|&(at, _)| at)
    }
}

fn blocking_of(row: &'static Row) -> &'static Blocking {
    match row.run {
        Run::Blocking(blocking) => blocking,
        _ => unreachable!("only rows that block wait"),
    }
}

/// The ask with words of its moment put in.
pub(super) fn resolve(args: Arc<ArgsBuf>, resolved: &Resolved) -> Arc<ArgsBuf> {
    if resolved.is_empty() {
        return args;
    }
    let word = |n: usize| resolved.iter().find(|(at, _)| *at == n).map(|(_, word)| &word[..]);
    Arc::new(args.args().iter().enumerate().map(|(n, said)| word(n).unwrap_or(said)).collect())
}

impl Engine {
    /// The first attempt.
    pub(super) fn ask_blocking(
        &mut self,
        index: u32,
        row: &'static Row,
        blocking: &'static Blocking,
        args: Args<'_>,
        manner: Manner,
        on_shard_port: bool,
    ) -> Served {
        let may_wait = match (blocking.patience)(args, self.now.ms()) {
            Err(fault) => return self.refuse(index, Some(row), &fault),
            Ok(patience) => patience != Patience::None,
        };
        let mut keys = Vec::new();
        if let Err(fault) = table::keys_of(row, args, &mut keys) {
            return self.refuse(index, Some(row), &fault);
        }
        let owner = self.owner(args.at(keys[0]));
        let together = keys.iter().all(|&k| self.owner(args.at(k)) == owner);
        if together && owner == self.me {
            // What it asks next waits until this is answered: also where this has to wait for a lock before its first look.
            self.conns[index as usize].fence |= may_wait;
            self.run_local(index, row, args, manner);
        } else if together && on_shard_port {
            return self.moved(index, row, base::slot::slot_of(args.at(keys[0])));
        } else if self.conns[index as usize].order.is_full() {
            return Served::Stall(crate::session::Stall::Order);
        } else {
            self.conns[index as usize].fence |= may_wait;
            self.begin_together(index, row, &blocking.attempt, args, &keys, false, manner);
        }
        Served::Done
    }

    /// An attempt on keys of this shard alone has found nothing.
    pub(super) fn start_wait(
        &mut self,
        origin: Origin,
        manner: Manner,
        row: &'static Row,
        args: Args<'_>,
        resolved: &Resolved,
    ) {
        let arrival = self.process.next_tx();
        let args = resolve(Arc::new(ArgsBuf::from(args)), resolved);
        let Some(waiter) = self.begin_wait(origin, manner, row, args.clone(), arrival) else { return };
        self.await_all(&waiter);
    }

    /// Puts a waiter whose keys all lie here into their queues.
    fn await_all(&mut self, waiter: &Waiter) {
        let (args, mut keys) = (waiter.args.clone(), Vec::new());
        table::keys_of(waiter.row, args.args(), &mut keys).expect("its keys were found when it was routed");
        for (n, &k) in keys.iter().enumerate() {
            if let Some(waiter) = waiter.at_key(n) {
                self.await_key(args.args().at(k), waiter);
            }
        }
    }

    /// The connection waits from now on, unless it may not or is gone. What its queues are to hold.
    pub(super) fn begin_wait(
        &mut self,
        origin: Origin,
        manner: Manner,
        row: &'static Row,
        args: Arc<ArgsBuf>,
        arrival: u64,
    ) -> Option<Waiter> {
        let (now_ms, blocking) = (self.now.ms(), blocking_of(row));
        if self.conn_of(origin).is_none_or(|conn| conn.gone) {
            self.waits.take(origin);
            return None;
        }
        let patience = match self.waits.take(origin) {
            // Of an attempt made again: its time goes on.
            Some(wait) => wait.until_ms.map_or(Patience::Forever, Patience::Until),
            None => (blocking.patience)(args.args(), now_ms).expect("it was asked before the first attempt"),
        };
        let until_ms = match patience {
            Patience::Until(at) if at > now_ms => Some(at),
            Patience::Forever => None,
            Patience::Until(_) | Patience::None => {
                self.conns[origin.conn as usize].waiting = false;
                self.reply_to_wait(origin, manner, blocking.timed_out);
                return None;
            }
        };
        let waiter = Waiter { arrival, claim: Arc::default(), home: self.me, origin, manner, row, args, n: 0 };
        let conn = &mut self.conns[origin.conn as usize];
        (conn.fence, conn.waiting) = (true, true);
        self.waits.timers.extend(until_ms.map(|at| (at, origin.conn)));
        self.waits.clients.insert(origin.conn, Wait { waiter: waiter.clone(), until_ms });
        Some(waiter)
    }

    /// Puts a waiter into the queue of a key of this shard.
    pub(super) fn await_key(&mut self, key: &[u8], waiter: Waiter) {
        self.waits.minding += usize::from(blocking_of(waiter.row).minds_loss);
        let queue = self.waits.queues.entry((waiter.manner.db, key.into())).or_default();
        let at = queue.partition_point(|other| other.arrival <= waiter.arrival);
        queue.insert(at, waiter);
        self.heed();
    }

    /// Asks handlers to tell what those in the queues want to know.
    fn heed(&mut self) {
        self.events.awaited = !self.waits.is_empty();
        let minded = self.waits.minding > 0;
        if self.events.minded != minded {
            self.events.minded = minded;
            self.store.note_faded(self.live.notify != 0 || minded);
        }
    }

    /// Something has happened to a key: who minds is to know if what was there is gone.
    pub(super) fn look_for_loss(&mut self, db: DbId, key: &[u8]) {
        let place = (db, Box::from(key));
        let minds = |queue: &VecDeque<Waiter>| queue.iter().any(|waiter| blocking_of(waiter.row).minds_loss);
        if self.waits.queues.get(&place).is_some_and(minds)
            && self.store.peek(db, key, self.now.ms()).is_none_or(|entry| entry.kind() != Kind::Stream)
        {
            self.events.ready.push((db, Kind::Stream, place.1));
        }
    }

    /// Serves those who wait for keys to which something has come.
    pub(super) fn serve_ready(&mut self) {
        while !self.events.ready.is_empty() {
            for (db, kind, key) in std::mem::take(&mut self.events.ready) {
                let lock_key = self.lock_key(&key);
                let changing = |u: &&mut Unfinished| u.keys.as_ref().is_none_or(|keys| keys.contains(&lock_key));
                match self.waits.unfinished.iter_mut().find(changing) {
                    Some(unfinished) => unfinished.ready.push((db, kind, key)),
                    None => self.serve_key(db, kind, key),
                }
            }
        }
    }

    /// Work in slices has begun on keys that it has locked; None: on any.
    pub(super) fn begin_slices(&mut self, id: TxId, keys: Option<Vec<LockKey>>) {
        self.waits.unfinished.push(Unfinished { id, keys, ready: Vec::new() });
    }

    /// It is done, and recorded.
    pub(super) fn end_slices(&mut self, id: TxId) {
        if let Some(at) = self.waits.unfinished.iter().position(|u| u.id == id) {
            let mut done = self.waits.unfinished.swap_remove(at);
            self.events.ready.append(&mut done.ready);
        }
    }

    fn serve_key(&mut self, db: DbId, kind: Kind, key: Box<[u8]>) {
        let place = (db, key);
        let mut at = 0;
        loop {
            while self.waits.queues.get(&place).and_then(|queue| queue.get(at)).is_some_and(|w| w.claim.is_taken()) {
                self.remove_waiter(&place, at);
            }
            let Some(waiter) = self.waits.queues.get(&place).and_then(|queue| queue.get(at)).cloned() else { break };
            let blocking = blocking_of(waiter.row);
            if blocking.kind != kind || !waiter.claim.take() {
                at += 1;
                continue;
            }
            let Some(serve) = blocking.serve else {
                if self.store.peek(db, &place.1, self.now.ms()).is_none_or(|entry| entry.kind() != kind) {
                    waiter.claim.give_back();
                    break;
                }
                self.remove_waiter(&place, at);
                if waiter.home != self.me {
                    self.outbox[waiter.home.index()].mail(Mail::Wait(Word::Again(waiter.origin)));
                    break;
                }
                self.attempt_again(waiter.origin);
                if self.shards() > 1 {
                    break;
                }
                // It has replied: what it has left here comes before what it has brought elsewhere.
                continue;
            };
            let mut out = Out::new();
            let mut ctx = self.ctx(db, waiter.manner.no_touch);
            let served = speak(waiter.manner.dialect, &mut out, |reply| {
                let args = waiter.args.args();
                let served = serve(&mut ctx, args, waiter.n, &place.1, reply);
                // Who comes next sees what this one has left: all at once, then.
                if let Some(mut walk) = ctx.walk.take() {
                    while !walk.step(&mut ctx, args, reply) {}
                }
                served
            });
            self.record();
            if !served {
                waiter.claim.give_back();
                // Of a list nothing is left for the next either; of a stream another may want something else.
                if kind != Kind::Stream {
                    break;
                }
                at += 1;
                continue;
            }
            self.remove_waiter(&place, at);
            if out.bytes.first() == Some(&b'-') {
                self.note_error(&out, 0);
                self.metrics.rows[waiter.row.id() as usize].failed += 1;
            }
            if waiter.manner.silent {
                out.clear();
            }
            if waiter.home == self.me {
                self.end_wait(waiter.origin);
            } else {
                self.outbox[waiter.home.index()].mail(Mail::Wait(Word::Served(waiter.origin)));
            }
            self.send_home(waiter.home, waiter.origin, &mut out);
        }
        if self.waits.queues.get(&place).is_some_and(VecDeque::is_empty) {
            self.waits.queues.remove(&place);
        }
        self.heed();
    }

    fn remove_waiter(&mut self, place: &(DbId, Box<[u8]>), at: usize) {
        if let Some(waiter) = self.waits.queues.get_mut(place).and_then(|queue| queue.remove(at)) {
            self.waits.minding -= usize::from(blocking_of(waiter.row).minds_loss);
        }
    }

    /// Something has come to a key of a command that touches others too: the whole attempt once more.
    fn attempt_again(&mut self, origin: Origin) {
        let Some(waiter) = self.waits.of(origin).map(|wait| wait.waiter.clone()) else { return };
        let Waiter { manner, row, args, arrival, .. } = waiter;
        self.forget_wait(arrival, manner.db, row, &args);
        let (blocking, mut keys) = (blocking_of(row), Vec::new());
        table::keys_of(row, args.args(), &mut keys).expect("its keys were found when it was routed");
        if keys.iter().any(|&k| self.owner(args.args().at(k)) != self.me) {
            return self.begin_attempt(origin, row, &blocking.attempt, args, &keys, manner, arrival);
        }
        let mut out = Out::new();
        let mut ctx = self.ctx(manner.db, manner.no_touch);
        let wait =
            speak(manner.dialect, &mut out, |reply| run_here(&mut ctx, args.args(), &keys, &blocking.attempt, reply));
        self.record();
        if let Some(resolved) = wait {
            let args = resolve(args, &resolved);
            let Some(waiter) = self.begin_wait(origin, manner, row, args, arrival) else { return };
            return self.await_all(&waiter);
        }
        self.attempt_made(origin, manner, row, &args);
        if manner.silent {
            out.clear();
        }
        self.send_home(self.me, origin, &mut out);
    }

    /// An attempt has replied: its connection waits no longer; what it has left may be the next one's.
    pub(super) fn attempt_made(&mut self, origin: Origin, manner: Manner, row: &'static Row, args: &ArgsBuf) {
        if self.waits.of(origin).is_none() {
            return;
        }
        self.end_wait(origin);
        let (blocking, mut keys) = (blocking_of(row), Vec::new());
        table::keys_of(row, args.args(), &mut keys).expect("its keys were found when it was routed");
        for (_, &k) in keys.iter().enumerate().filter(|(n, _)| (blocking.waits_for)(*n)) {
            let (db, kind, key) = (manner.db, blocking.kind, args.args().at(k));
            let owner = self.owner(key);
            if owner == self.me {
                self.events.ready.push((db, kind, key.into()));
            } else {
                self.outbox[owner.index()].mail(Mail::Wait(Word::Look { db, kind, key: key.into() }));
            }
        }
    }

    pub(super) fn hear_of_wait(&mut self, word: Word) {
        match word {
            Word::Served(origin) => self.end_wait(origin),
            Word::Again(origin) => self.attempt_again(origin),
            Word::Forget { arrival, db, keys } => keys.iter().for_each(|key| self.forget_key(db, key, arrival)),
            Word::Look { db, kind, key } => self.events.ready.push((db, kind, key)),
        }
        self.after_write();
    }

    /// The connection waits no longer, whoever ended it; its claim is taken.
    fn end_wait(&mut self, origin: Origin) {
        let Some(wait) = self.waits.take(origin) else { return };
        if let Some(conn) = self.conn_of(origin) {
            conn.waiting = false;
        }
        let Waiter { arrival, manner, row, args, .. } = &wait.waiter;
        self.forget_wait(*arrival, manner.db, row, args);
        // What served it took no time worth telling: who logs every command finds it all the same.
        if self.live.slow_ns == 0 {
            self.note_slow(row, args.args(), 0, origin.conn);
        }
    }

    /// Takes it out of the queues of all its keys.
    fn forget_wait(&mut self, arrival: u64, db: DbId, row: &'static Row, args: &ArgsBuf) {
        let (blocking, mut words) = (blocking_of(row), Vec::new());
        table::keys_of(row, args.args(), &mut words).expect("its keys were found when it was routed");
        let mut far: HashMap<usize, Vec<Box<[u8]>>> = HashMap::new();
        for (_, &k) in words.iter().enumerate().filter(|(n, _)| (blocking.waits_for)(*n)) {
            let key = args.args().at(k);
            let owner = self.owner(key);
            if owner == self.me {
                self.forget_key(db, key, arrival);
            } else {
                far.entry(owner.index()).or_default().push(key.into());
            }
        }
        for (shard, keys) in far {
            self.outbox[shard].mail(Mail::Wait(Word::Forget { arrival, db, keys }));
        }
    }

    fn forget_key(&mut self, db: DbId, key: &[u8], arrival: u64) {
        let place = (db, Box::from(key));
        if let Some(queue) = self.waits.queues.get_mut(&place) {
            let mut minding = 0;
            queue.retain(|waiter| {
                let stays = waiter.arrival != arrival;
                minding += usize::from(!stays && blocking_of(waiter.row).minds_loss);
                stays
            });
            if queue.is_empty() {
                self.waits.queues.remove(&place);
            }
            self.waits.minding -= minding;
        }
        self.heed();
    }

    fn reply_to_wait(&mut self, origin: Origin, manner: Manner, draw: impl FnOnce(&mut dyn Reply)) {
        let mut out = Out::new();
        if !manner.silent {
            speak(manner.dialect, &mut out, draw);
            self.note_error(&out, 0);
        }
        self.deliver_drawn(origin, &mut out);
    }

    /// Ends waits whose time is over.
    pub(super) fn end_overdue_waits(&mut self) {
        let now_ms = self.now.ms();
        while let Some(&(at, index)) = self.waits.timers.first()
            && at <= now_ms
        {
            self.waits.timers.pop_first();
            self.unblock(index, None);
        }
    }

    /// Ends a connection's wait with `fault`, or as if its time were over. False if it does not wait, or has been served.
    pub fn unblock(&mut self, index: u32, fault: Option<&Fault>) -> bool {
        let Some(wait) = self.waits.clients.get(&index) else { return false };
        if !wait.waiter.claim.take() {
            return false;
        }
        let Waiter { origin, manner, row, .. } = wait.waiter;
        self.end_wait(origin);
        self.reply_to_wait(origin, manner, |reply| match fault {
            Some(fault) => reply.fault(fault),
            None => (blocking_of(row).timed_out)(reply),
        });
        true
    }

    /// Ends a connection's WAIT for replicas with an error, or as if its time were over. False if it has none.
    pub fn end_replica_wait(&mut self, index: u32, error: bool) -> bool {
        let conn = &mut self.conns[index as usize];
        if conn.waits_until_us == 0 {
            return false;
        }
        // It looks again when this time has come.
        conn.waits_until_us = 1;
        conn.wait_cut = error;
        if matches!(conn.stall, Some(Stall::Until(_))) {
            conn.stall = Some(Stall::Until(1));
        }
        self.active = true;
        true
    }

    /// The connection is gone.
    pub(super) fn wait_is_void(&mut self, index: u32) {
        let Some(wait) = self.waits.clients.get(&index) else { return };
        wait.waiter.claim.take();
        self.end_wait(wait.waiter.origin);
    }

    /// How many keys of this shard somebody waits for, of how many of them somebody minds the loss, and how many of its connections wait for a
    /// time.
    pub fn waits(&self) -> (usize, usize, usize) {
        let minds = |queue: &&VecDeque<Waiter>| queue.iter().any(|waiter| blocking_of(waiter.row).minds_loss);
        let minded = if self.waits.minding == 0 { 0 } else { self.waits.queues.values().filter(minds).count() };
        (self.waits.queues.len(), minded, self.waits.timers.len())
    }

    /// Databases were exchanged or emptied: what is there now may be what somebody waits for, or what was there is gone.
    pub(super) fn look_at_waits(&mut self) {
        let now_ms = self.now.ms();
        let Engine { waits, store, events, .. } = self;
        for (db, key) in waits.queues.keys() {
            if let Some(entry) = store.peek(*db, key, now_ms) {
                let kind = entry.kind();
                events.ready.push((*db, kind, key.clone()));
            }
        }
        if waits.minding > 0 {
            let keys: Vec<_> = waits.queues.keys().cloned().collect();
            keys.iter().for_each(|(db, key)| self.look_for_loss(*db, key));
        }
        self.after_write();
    }
}
