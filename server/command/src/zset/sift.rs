//! Room: command. Intersections and differences of large sorted sets and sets: one operand comes whole, the one that has the fewest members or
//! the first. Those of the others that are large stay where they are and are asked which of its members they have.
//! Touches: base, store.

use super::combine::{Combining, Op, Options, Verb};
use super::gather::{Bunch, Gathering, read_operand};
use super::*;
use crate::row::{Job, KeyWrite, Parcel, Read, Reading, Wanted};
use crate::together::Found;
use base::{ArgsBuf, DbId};
use std::sync::Arc;
use store::hash::Text;

/// What was found at a key.
pub(super) enum Operand {
    Here(Arc<Bunch>),
    /// So many members: they stay where they are for now.
    Large(usize),
}

impl Operand {
    pub fn len(&self) -> usize {
        match self {
            Operand::Here(bunch) => bunch.len(),
            Operand::Large(len) => *len,
        }
    }

    pub fn is_large(&self) -> bool {
        matches!(self, Operand::Large(_))
    }

    /// What came of it.
    pub fn into_bunch(self) -> Arc<Bunch> {
        match self {
            Operand::Here(bunch) => bunch,
            Operand::Large(_) => Arc::default(),
        }
    }
}

/// All that a key holds, unless that is much: a parcel of `Result<Operand, Fault>`.
pub(super) fn read_if_small() -> Read {
    Read::Custom(Arc::new(|ctx, key| {
        let entry = ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch);
        let Some(entry) = entry else {
            missed(ctx, key);
            return Reading::Now(found(Ok(Operand::Here(Arc::default()))));
        };
        let len = match (entry.elements(), ZsetRef::of(entry)) {
            (Some(set), _) => set.len(),
            (None, Ok(zset)) => zset.len(),
            (None, Err(_)) => return Reading::Now(found(Err(Fault::WrongType))),
        };
        if len > SLICE {
            return Reading::Now(found(Ok(Operand::Large(len))));
        }
        let mut bunch = Bunch::default();
        let mut gathering = begin(entry);
        while !gathering.step(ctx, key, &mut bunch) {}
        Reading::Now(found(Ok(Operand::Here(Arc::new(bunch)))))
    }))
}

fn found(operand: Result<Operand, Fault>) -> Parcel {
    Box::new(operand)
}

/// All of a sorted set or a set.
fn begin(entry: Entry<'_>) -> Gathering {
    match ZsetRef::of(entry) {
        Ok(zset) => Gathering::range(0, zset.len(), false),
        Err(_) => Gathering::Set(0),
    }
}

/// All that a large operand's key holds: a parcel of `Result<Bunch, Fault>`.
fn read_whole() -> Read {
    Read::Custom(Arc::new(|ctx, key| {
        let gathering = ctx.store.glance(ctx.db, key, ctx.now_ms).map_or(Gathering::range(0, 0, false), begin);
        read_operand(ctx, key, gathering)
    }))
}

/// Which of these members a key has, with its scores: a parcel of `Bunch`.
fn had_of(members: Arc<Bunch>) -> Read {
    Read::Custom(Arc::new(move |ctx, key| {
        let (members, mut piece, mut had) = (members.clone(), 0, Bunch::default());
        let mut go_on = move |ctx: &mut Ctx<'_>, key: &[u8]| {
            let Some(entry) = ctx.store.glance(ctx.db, key, ctx.now_ms).filter(|_| piece < members.pieces()) else {
                return Some(Box::new(std::mem::take(&mut had)) as Parcel);
            };
            let (set, zset) = (entry.elements(), ZsetRef::of(entry).ok());
            for item in 0..members.piece_len(piece) {
                let (name, _) = members.item(piece, item);
                let score = match &set {
                    Some(set) => set.has_text(Text::Bytes(name)).then_some(1.0),
                    None => zset.and_then(|zset| zset.score(name)),
                };
                score.into_iter().for_each(|score| had.push(name, score));
            }
            piece += 1;
            None
        };
        match go_on(ctx, key) {
            Some(had) => Reading::Now(had),
            None => Reading::Later(Box::new(go_on)),
        }
    }))
}

pub(super) struct Sifting {
    verb: Verb,
    options: Option<Options>,
    db: DbId,
    keys: ArgsBuf,
    operands: Vec<Operand>,
    /// How many members their keys have.
    lens: Vec<usize>,
    /// The one that comes whole, and whether it is awaited; else those that are large are.
    whole: usize,
    fetches: bool,
    wanted: Option<Wanted>,
    combining: Option<Combining>,
}

impl Sifting {
    /// `keys`: the operands'. One at least is large, and none is empty that would make the result so.
    pub fn new(verb: Verb, options: Options, operands: Vec<Operand>, keys: ArgsBuf, db: DbId) -> Sifting {
        let lens: Vec<usize> = operands.iter().map(Operand::len).collect();
        let whole = match verb.op {
            Op::Diff => 0,
            _ => (0..lens.len()).min_by_key(|&i| lens[i]).expect("an operand at least"),
        };
        let fetches = operands[whole].is_large();
        let (options, wanted, combining) = (Some(options), None, None);
        let mut sifting = Sifting { verb, options, db, keys, operands, lens, whole, fetches, wanted, combining };
        if fetches {
            sifting.want(std::iter::once(whole), &read_whole());
        } else {
            sifting.ask();
        }
        sifting
    }

    fn want(&mut self, operands: impl Iterator<Item = usize>, read: &Read) {
        let mut wanted = Wanted::default();
        for i in operands {
            wanted.keys.push(self.keys.args().at(i));
            wanted.reads.push((self.db, read.clone()));
        }
        self.wanted = Some(wanted);
    }

    fn large(&self) -> Vec<usize> {
        (0..self.operands.len()).filter(|&i| self.operands[i].is_large()).collect()
    }

    /// Asks all that are large for the members of the one that is here whole.
    fn ask(&mut self) {
        let large = self.large();
        match &self.operands[self.whole] {
            Operand::Here(bunch) if !large.is_empty() => {
                let read = had_of(bunch.clone());
                self.want(large.into_iter(), &read);
            }
            _ => self.begin(),
        }
    }

    fn begin(&mut self) {
        let bunches = std::mem::take(&mut self.operands).into_iter().map(Operand::into_bunch).collect();
        let options = self.options.take().expect("it begins once");
        self.combining = Some(Combining::new(self.verb, options, bunches, &self.lens, self.db));
    }
}

impl Job for Sifting {
    fn step(&mut self, units: usize) -> bool {
        self.combining.as_mut().is_some_and(|combining| combining.step(units))
    }

    fn holds(&self) -> bool {
        true
    }

    fn wants(&mut self) -> Option<Wanted> {
        self.wanted.take()
    }

    fn heard(&mut self, found: Vec<Found>) {
        let parcels = found.into_iter().map(|found| match found {
            Found::Parcel(parcel) => parcel,
            _ => unreachable!("operands are read into parcels"),
        });
        if std::mem::take(&mut self.fetches) {
            for parcel in parcels {
                let bunch = *parcel.downcast::<Result<Bunch, Fault>>().expect("what `read_operand` leaves");
                self.operands[self.whole] = Operand::Here(Arc::new(bunch.unwrap_or_default()));
            }
            return self.ask();
        }
        for (i, parcel) in self.large().into_iter().zip(parcels) {
            let bunch = *parcel.downcast::<Bunch>().expect("what `had_of` leaves");
            self.operands[i] = Operand::Here(Arc::new(bunch));
        }
        self.begin();
    }

    fn finish(&mut self, writes: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        self.combining.as_mut().is_none_or(|combining| combining.finish(writes, reply))
    }
}
