//! Questions to every shard, answered in one reply: DBSIZE, KEYS, INFO, CLIENT LIST.

use super::{Engine, Mail, speak};
use crate::ask::{Dialect, Origin};
use crate::process::TX_FIRST;
use crate::session::Door;
use crate::shard::locks::TxId;
use base::{Reply, ShardId};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

/// The id of a question whose answer nobody waits for.
const NOBODY_WAITS: u64 = u64::MAX;

/// Work in slices of about 200 µs: true when done.
pub type Chore = Box<dyn FnMut(&mut Engine) -> bool>;

/// What each shard does; it runs on the shard's own thread.
pub type Each = Arc<dyn Fn(&mut Engine) -> Boxed + Send + Sync>;

/// Work on one shard's part of an answer, a slice of about 200 µs at a time: Some when it is done.
pub type Slices<P> = Box<dyn FnMut(&mut Engine) -> Option<P>>;

/// A shard's part of the answer: there at once, or when a chore has worked it out.
pub enum Answer<P> {
    Now(P),
    /// Called a slice at a time until it has the part.
    Later(Slices<P>),
}

pub type Boxed = Answer<Box<dyn Any + Send>>;

type Fold = Box<dyn FnOnce(&mut Engine, Vec<Box<dyn Any + Send>>, &mut dyn Reply)>;

/// A question under way.
pub struct Gather {
    origin: Origin,
    dialect: Dialect,
    silent: bool,
    missing: usize,
    parts: HashMap<usize, Box<dyn Any + Send>>,
    asked: usize,
    fold: Fold,
}

/// A question that came while transactions held keys here: whoever asks may have seen their replies, so they go first.
pub(super) struct Held {
    behind: Vec<TxId>,
    id: u64,
    home: ShardId,
    each: Each,
}

impl Engine {
    /// The shards that a connection's verbs over all keys mean: all, or on the port of one shard, which is a node of its
    /// own to cluster clients, that one.
    pub fn shards_behind(&self, index: u32) -> Vec<ShardId> {
        if self.conns[index as usize].door == Door::Shard {
            return vec![self.me];
        }
        (0..self.shards() as u16).map(ShardId).collect()
    }

    /// Asks every shard, this one included, and replies to the connection's present ask with what `fold` makes of the
    /// parts, which come in the order of the shards.
    pub fn gather<P: Send + 'static>(
        &mut self,
        index: u32,
        each: impl Fn(&mut Engine) -> Answer<P> + Send + Sync + 'static,
        fold: impl FnOnce(&mut Engine, Vec<P>, &mut dyn Reply) + 'static,
    ) {
        let shards: Vec<ShardId> = (0..self.shards() as u16).map(ShardId).collect();
        let (origin, dialect, silent) = self.begin_gather(index);
        self.gather_for(origin, dialect, silent, &shards, each, fold);
    }

    /// Asks every shard for what has no reply of its own; `then` has the parts in the order of the shards.
    pub fn ask_all<P: Send + 'static>(
        &mut self,
        each: impl Fn(&mut Engine) -> Answer<P> + Send + Sync + 'static,
        then: impl FnOnce(&mut Engine, Vec<P>) + 'static,
    ) {
        let nobody = Origin { conn: u32::MAX, generation: u32::MAX, seq: 0 };
        let shards: Vec<ShardId> = (0..self.shards() as u16).map(ShardId).collect();
        self.gather_for(nobody, Dialect::Resp2, true, &shards, each, move |engine, parts, _| then(engine, parts));
    }

    /// Asks some shards about keys: the reply waits for the records that it may tell of.
    pub fn gather_keys<P: Send + 'static>(
        &mut self,
        index: u32,
        shards: &[ShardId],
        each: impl Fn(&mut Engine) -> Answer<P> + Send + Sync + 'static,
        fold: impl FnOnce(&mut Engine, Vec<P>, &mut dyn Reply) + 'static,
    ) {
        let (origin, dialect, silent) = self.begin_gather(index);
        let home = self.me;
        // What a part may tell of: whose records, below which number.
        let tells_of = move |engine: &mut Engine| {
            let unsure = engine.unsure();
            if unsure > 0 && home != engine.me {
                engine.owe(home);
            }
            (engine.me, unsure)
        };
        let each = move |engine: &mut Engine| match each(engine) {
            Answer::Now(part) => Answer::Now((tells_of(engine), part)),
            Answer::Later(mut step) => {
                let told: Slices<((ShardId, u64), P)> = Box::new(move |engine: &mut Engine| {
                    let part = step(engine)?;
                    Some((tells_of(engine), part))
                });
                Answer::Later(told)
            }
        };
        self.gather_for(
            origin,
            dialect,
            silent,
            shards,
            each,
            move |engine, parts: Vec<((ShardId, u64), P)>, reply| {
                let told = parts.iter().map(|&(told, _)| told).filter(|&(_, unsure)| unsure > 0);
                told.for_each(|(shard, unsure)| engine.need(origin, shard, unsure));
                fold(engine, parts.into_iter().map(|(_, part)| part).collect(), reply);
            },
        );
    }

    /// A connection's present ask becomes a question.
    fn begin_gather(&mut self, index: u32) -> (Origin, Dialect, bool) {
        let conn = &mut self.conns[index as usize];
        conn.fence = true;
        let (silent, dialect) = (conn.silent, conn.dialect);
        // A silent one keeps a place too: the next question waits for this one, and none of them pile up.
        (self.place(index), dialect, silent)
    }

    fn gather_for<P: Send + 'static>(
        &mut self,
        origin: Origin,
        dialect: Dialect,
        silent: bool,
        shards: &[ShardId],
        each: impl Fn(&mut Engine) -> Answer<P> + Send + Sync + 'static,
        fold: impl FnOnce(&mut Engine, Vec<P>, &mut dyn Reply) + 'static,
    ) {
        let each: Each = Arc::new(move |engine| match each(engine) {
            Answer::Now(part) => Answer::Now(Box::new(part) as Box<dyn Any + Send>),
            Answer::Later(mut step) => {
                Answer::Later(Box::new(move |engine| step(engine).map(|part| Box::new(part) as Box<dyn Any + Send>)))
            }
        });
        let fold: Fold = Box::new(move |engine, parts, reply| {
            let parts = parts
                .into_iter()
                .map(|p| *p.downcast::<P>().expect("each shard answers with the part's type"))
                .collect();
            fold(engine, parts, reply)
        });
        let first = self.gather_next;
        self.gather_next += 1;
        let gather =
            Gather { origin, dialect, silent, missing: shards.len(), parts: HashMap::new(), asked: shards.len(), fold };
        self.gathers.insert(first, gather);
        for (n, &shard) in shards.iter().enumerate() {
            let id = first << 16 | n as u64;
            if shard == self.me {
                self.gather_part(id, shard, each.clone());
            } else {
                self.outbox[shard.index()].mail(Mail::Gather { id, home: self.me, each: each.clone() });
            }
        }
    }

    /// Does something on every shard and waits for nobody.
    pub fn on_every_shard(&mut self, each: impl Fn(&mut Engine) + Send + Sync + 'static) {
        let each: Each = Arc::new(move |engine| {
            each(engine);
            Answer::Now(Box::new(()))
        });
        for shard in 0..self.shards() {
            if shard == self.me.index() {
                let _ = each(self);
            } else {
                self.outbox[shard].mail(Mail::Gather { id: NOBODY_WAITS, home: self.me, each: each.clone() });
            }
        }
    }

    /// Does something on one shard and waits for nobody.
    pub fn on_shard(&mut self, shard: ShardId, each: impl Fn(&mut Engine) + Send + Sync + 'static) {
        if shard == self.me {
            return each(self);
        }
        let each: Each = Arc::new(move |engine| {
            each(engine);
            Answer::Now(Box::new(()))
        });
        self.outbox[shard.index()].mail(Mail::Gather { id: NOBODY_WAITS, home: self.me, each });
    }

    pub(super) fn gather_part(&mut self, id: u64, home: ShardId, each: Each) {
        let mut behind = if id == NOBODY_WAITS || self.is_held() { Vec::new() } else { self.locks.holding() };
        // What a snapshot reads.
        behind.retain(|tx| tx.0 >= TX_FIRST);
        if behind.is_empty() {
            return self.answer_part(id, home, each);
        }
        self.held.push(Held { behind, id, home, each });
    }

    /// A transaction holds nothing here any more: questions that waited for it go on.
    pub(super) fn let_questions_pass(&mut self, tx: TxId) {
        if self.held.is_empty() {
            return;
        }
        self.held.iter_mut().for_each(|held| held.behind.retain(|&other| other != tx));
        for held in self.held.extract_if(.., |held| held.behind.is_empty()).collect::<Vec<_>>() {
            self.answer_part(held.id, held.home, held.each);
        }
    }

    fn answer_part(&mut self, id: u64, home: ShardId, each: Each) {
        let send = move |engine: &mut Engine, part| {
            if id == NOBODY_WAITS {
                return;
            }
            if home == engine.me {
                engine.gathered(id, part);
            } else {
                engine.outbox[home.index()].mail(Mail::Part { id, part });
            }
        };
        match each(self) {
            Answer::Now(part) => send(self, part),
            Answer::Later(mut step) => self.chore(Box::new(move |engine| match step(engine) {
                Some(part) => {
                    send(engine, part);
                    true
                }
                None => false,
            })),
        }
    }

    pub(super) fn gathered(&mut self, id: u64, part: Box<dyn Any + Send>) {
        let (first, n) = (id >> 16, (id & 0xFFFF) as usize);
        let gather = self.gathers.get_mut(&first).expect("a part comes once for each shard that was asked");
        gather.parts.insert(n, part);
        gather.missing -= 1;
        if gather.missing > 0 {
            return;
        }
        let mut gather = self.gathers.remove(&first).expect("looked up above");
        let parts = (0..gather.asked).map(|n| gather.parts.remove(&n).expect("none is missing")).collect();
        let mut out = base::Out::new();
        speak(gather.dialect, &mut out, |reply| (gather.fold)(self, parts, reply));
        self.note_error(&out, 0);
        if gather.silent {
            out.clear();
        }
        self.deliver_drawn(gather.origin, &mut out);
    }
}
