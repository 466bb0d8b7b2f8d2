//! Room: command. Intersections over shards with large sets: only the smallest travels whole. The shards of the others are asked
//! which of its members they have.
//! Touches: base, store.

use super::{Ask, Far, Member, Members, SLICE, elements_again, read_rest};
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
    /// Whose answer is awaited: the smallest set itself, else those that were asked for members.
    fetches: Option<usize>,
    far: Option<Far>,
}

impl Probing {
    /// `keys`: the operands'. None of them is absent, one at least is large.
    pub(super) fn new(ask: Ask, db: DbId, keys: ArgsBuf, operands: Vec<Member>) -> Probing {
        let mut probing = Probing { ask, db, keys, operands, wanted: None, fetches: None, far: None };
        let len = |i: &usize| probing.operands[*i].len();
        let smallest = (0..probing.operands.len()).min_by_key(len).expect("an operand at least");
        if let Member::Large(_) = probing.operands[smallest] {
            probing.fetches = Some(smallest);
            probing.want([smallest].into_iter(), &Read::Custom(Arc::new(read_rest)));
        } else {
            probing.probe(smallest);
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

    /// Asks all that are large for the members of the smallest, which is here.
    fn probe(&mut self, smallest: usize) {
        let large = self.large();
        if large.is_empty() {
            return self.begin();
        }
        // What they have of it stands for it as well.
        let Member::Bag(bag) = self.operands.remove(smallest) else { unreachable!("the caller looks") };
        let keys = (0..self.keys.args().len()).filter(|&i| i != smallest).map(|i| self.keys.args().at(i)).collect();
        self.keys = keys;
        let large: Vec<usize> = large.into_iter().map(|i| i - usize::from(i > smallest)).collect();
        self.want(large.into_iter(), &had_of(Arc::new(bag)));
    }

    fn begin(&mut self) {
        let bags = std::mem::take(&mut self.operands).into_iter().map(|operand| match operand {
            Member::Bag(bag) => Some(bag),
            _ => unreachable!("all are here"),
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
        if let Some(smallest) = self.fetches.take() {
            for parcel in parcels {
                let members = *parcel.downcast::<Members>().expect("what `read_rest` leaves");
                self.operands[smallest] = members.unwrap_or(Member::Bag(Bag::new()));
            }
            return self.probe(smallest);
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
