//! Room: command. Intersections and differences over shards with large sets: only the smallest, or the first, travels whole. The shards
//! of the others are asked which of its members they have.
//! Touches: base, store.

use super::{Ask, Far, Member, Members, Op, SLICE, elements_again, read_rest};
use crate::context::Ctx;
use crate::row::{Job, KeyWrite, Parcel, Read, Reading, Wanted};
use crate::together::Found;
use base::{ArgsBuf, DbId, Reply};
use std::sync::Arc;
use store::set::Bag;

pub(super) struct Probing {
    ask: Ask,
    db: DbId,
    keys: ArgsBuf,
    operands: Vec<Member>,
    wanted: Option<Wanted>,
    /// The one that comes whole.
    whole: usize,
    /// Whether it is awaited; else those that were asked for its members.
    fetches: bool,
    far: Option<Far>,
}

impl Probing {
    /// `keys`: the operands'. One at least is large, and not so many are absent that the result is empty.
    pub(super) fn new(ask: Ask, db: DbId, keys: ArgsBuf, operands: Vec<Member>) -> Probing {
        let whole = match ask.op {
            Op::Diff => 0,
            _ => (0..operands.len()).min_by_key(|&i| operands[i].len()).expect("an operand at least"),
        };
        let mut probing = Probing { ask, db, keys, operands, wanted: None, whole, fetches: false, far: None };
        if let Member::Large(_) = probing.operands[whole] {
            probing.fetches = true;
            probing.want(std::iter::once(whole), &Read::Custom(Arc::new(read_rest)));
        } else {
            probing.probe();
        }
        probing
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
        (0..self.operands.len()).filter(|&i| matches!(self.operands[i], Member::Large(_))).collect()
    }

    /// Asks all that are large for the members of the one that is here whole.
    fn probe(&mut self) {
        let large = self.large();
        if large.is_empty() {
            return self.begin();
        }
        let Member::Bag(bag) = std::mem::replace(&mut self.operands[self.whole], Member::Absent) else {
            unreachable!("the caller looks")
        };
        let bag = Arc::new(bag);
        self.want(large.into_iter(), &had_of(bag.clone()));
        if self.ask.op == Op::Diff {
            self.operands[self.whole] = Member::Lent(bag);
        } else {
            // What they have of it stands for it as well.
            self.operands.remove(self.whole);
            self.keys =
                (0..self.keys.args().len()).filter(|&i| i != self.whole).map(|i| self.keys.args().at(i)).collect();
        }
    }

    fn begin(&mut self) {
        let bags = std::mem::take(&mut self.operands).into_iter().map(|operand| match operand {
            Member::Absent => None,
            Member::Bag(bag) => Some(Arc::new(bag)),
            Member::Lent(bag) => Some(bag),
            Member::Large(_) => unreachable!("all are here"),
        });
        self.far = Some(Far::new(self.ask, self.db, bags.collect()));
    }
}

/// Which of these members a set has: a parcel of `Bag`.
fn had_of(members: Arc<Bag>) -> Read {
    Read::Custom(Arc::new(move |ctx, key| {
        let (members, mut cursor, mut had) = (members.clone(), 0, Bag::new());
        let mut go_on = move |ctx: &mut Ctx<'_>, key: &[u8]| {
            cursor = match elements_again(ctx, key) {
                Some(set) => members.scan(cursor, SLICE, |member| {
                    if set.has_text(member) {
                        had.push(member);
                    }
                }),
                None => 0,
            };
            (cursor == 0).then(|| Box::new(std::mem::replace(&mut had, Bag::new())) as Parcel)
        };
        match go_on(ctx, key) {
            Some(had) => Reading::Now(had),
            None => Reading::Later(Box::new(go_on)),
        }
    }))
}

impl Job for Probing {
    fn step(&mut self, units: usize) -> bool {
        self.far.as_mut().is_some_and(|far| far.step(units))
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
            _ => unreachable!("sets are read into parcels"),
        });
        if std::mem::take(&mut self.fetches) {
            for parcel in parcels {
                let members = *parcel.downcast::<Members>().expect("what `read_rest` leaves");
                self.operands[self.whole] = members.unwrap_or(Member::Bag(Bag::new()));
            }
            return self.probe();
        }
        for (i, parcel) in self.large().into_iter().zip(parcels) {
            self.operands[i] = Member::Bag(*parcel.downcast().expect("what `had_of` leaves"));
        }
        self.begin();
    }

    fn finish(&mut self, writes: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        self.far.as_mut().is_none_or(|far| far.finish(writes, reply))
    }
}
