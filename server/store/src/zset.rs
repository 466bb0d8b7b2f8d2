//! Room: store. A sorted set: small ones packed in their entry, large ones in a table by name and an index by order.
//! Touches: nothing beyond this crate.
//!
//! In a large one the table has member -> score, and the index (`index`) has (score, address of the member's entry) in order. The
//! entry does not move while the member lives: scores are overwritten in place.
//!
//! All ranges, by rank, by score or by name, are ranks first: two ways down the index tell where a range begins and ends,
//! however long it is. What is left is to visit or to remove so many from there, in slices if they are many.

mod index;
mod packed;

use crate::cell::{Body, Cell, Entry};
use crate::entry::PACKED_BYTES_MAX;
use crate::journal::Op;
use crate::members::Members;
use crate::object::{Held, Object};
use crate::table::Ground;
use crate::{Deadline, Kind};
use index::{Handle, Index, Place};

/// 1 KiB and 2 KiB in the heap's classes.
type Order = Index<62, 63>;

/// The key holds another type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongType;

/// A large sorted set.
pub struct Zset {
    members: Members,
    order: Order,
    /// The thresholds would have it packed, it is only too long for that: OBJECT ENCODING says so.
    listed: bool,
}

/// One end of a range by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound<'a> {
    /// `-`
    Lowest,
    /// `+`
    Highest,
    /// `[name`
    With(&'a [u8]),
    /// `(name`
    Without(&'a [u8]),
}

impl Bound<'_> {
    /// Whether `name` is in a range that begins here.
    fn is_below(self, name: &[u8]) -> bool {
        match self {
            Bound::Lowest => true,
            Bound::Highest => false,
            Bound::With(min) => name >= min,
            Bound::Without(min) => name > min,
        }
    }

    /// Whether `name` is in a range that ends here.
    fn is_above(self, name: &[u8]) -> bool {
        match self {
            Bound::Lowest => false,
            Bound::Highest => true,
            Bound::With(max) => name <= max,
            Bound::Without(max) => name < max,
        }
    }
}

/// A range by name, for sets whose scores are all equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lexical<'a> {
    pub min: Bound<'a>,
    pub max: Bound<'a>,
}

impl Lexical<'_> {
    /// Whether no name at all is in it.
    fn is_empty(&self) -> bool {
        let (min, min_without) = self.min.name();
        let (max, max_without) = self.max.name();
        match (self.min, self.max) {
            (Bound::Highest, _) | (_, Bound::Lowest) => true,
            (Bound::Lowest, _) | (_, Bound::Highest) => false,
            _ => min > max || min == max && (min_without || max_without),
        }
    }
}

impl<'a> Bound<'a> {
    fn name(self) -> (&'a [u8], bool) {
        match self {
            Bound::With(name) => (name, false),
            Bound::Without(name) => (name, true),
            Bound::Lowest | Bound::Highest => (b"", true),
        }
    }
}

/// A range by score.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scores {
    pub min: f64,
    pub max: f64,
    pub without_min: bool,
    pub without_max: bool,
}

/// Which ranks, the first and the one behind the last.
pub type Ranks = std::ops::Range<usize>;

/// What `ZsetMut::add` may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct How {
    /// The score is added to the one that the member has.
    pub increment: bool,
    /// Only new members.
    pub only_new: bool,
    /// Only members that are there.
    pub only_old: bool,
    /// Of members that are there only if the score rises.
    pub only_up: bool,
    /// Of members that are there only if the score falls.
    pub only_down: bool,
}

/// What `ZsetMut::add` did, with the score that the member has now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Done {
    Added(f64),
    Updated(f64),
    /// It had this score.
    Same(f64),
    /// The options forbid it.
    Nothing,
    /// The sum would be no number.
    NotANumber,
}

/// A sorted set, borrowed to be read.
#[derive(Clone, Copy)]
pub enum ZsetRef<'a> {
    Packed(&'a [u8]),
    Object(&'a Zset, &'a Ground),
}

impl<'a> ZsetRef<'a> {
    #[inline]
    pub fn of(entry: Entry<'a>) -> Result<ZsetRef<'a>, WrongType> {
        match entry.body() {
            Body::Packed { kind: Kind::Zset, bytes, .. } => Ok(ZsetRef::Packed(bytes)),
            Body::Object(Object::Zset(zset)) => Ok(ZsetRef::Object(zset, entry.ground())),
            _ => Err(WrongType),
        }
    }

    pub fn len(self) -> usize {
        match self {
            ZsetRef::Packed(pack) => packed::len(pack),
            ZsetRef::Object(zset, _) => zset.len(),
        }
    }

    /// Whether OBJECT ENCODING calls it packed.
    pub fn is_packed(self) -> bool {
        match self {
            ZsetRef::Packed(_) => true,
            ZsetRef::Object(zset, _) => zset.listed,
        }
    }

    /// Never: an empty sorted set does not stay.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            ZsetRef::Packed(pack) => packed::find(pack, member).map(|pair| pair.score),
            ZsetRef::Object(zset, ground) => zset.members.get(ground, member).map(|m| score_of(m.value())),
        }
    }

    /// How many members stand before it, and its score.
    #[inline]
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            ZsetRef::Packed(pack) => packed::rank(pack, member).map(|(rank, pair)| (rank, pair.score)),
            ZsetRef::Object(zset, ground) => {
                let score = score_of(zset.members.get(ground, member)?.value());
                Some((zset.order.rank(Place::At(score, member)), score))
            }
        }
    }

    /// The ranks of those with a score in `range`.
    pub fn by_score(self, range: &Scores) -> Ranks {
        let Scores { min, max, without_min, without_max } = *range;
        if min > max || min == max && (without_min || without_max) {
            return 0..0;
        }
        let (from, to) = match self {
            ZsetRef::Packed(pack) => {
                (packed::rank_of_score(pack, min, without_min), packed::rank_of_score(pack, max, !without_max))
            }
            ZsetRef::Object(zset, _) => {
                let place = |score, beyond| if beyond { Place::Behind(score) } else { Place::Before(score) };
                (zset.order.rank(place(min, without_min)), zset.order.rank(place(max, !without_max)))
            }
        };
        from..to.max(from)
    }

    /// The ranks of those with a name in `range`, looked for from the end with `back`: that matters only where scores differ,
    /// when the range means little.
    pub fn by_name(self, range: &Lexical<'_>, back: bool) -> Ranks {
        match self {
            ZsetRef::Packed(pack) => {
                let (from, to) = packed::lexical(pack, range, back);
                from..to
            }
            ZsetRef::Object(..) if range.is_empty() => 0..0,
            ZsetRef::Object(zset, _) => {
                let from = match range.min {
                    Bound::Lowest | Bound::Highest => 0,
                    Bound::With(name) => zset.order.rank(Place::BeforeName(name)),
                    Bound::Without(name) => zset.order.rank(Place::BehindName(name)),
                };
                let to = match range.max {
                    Bound::Lowest | Bound::Highest => zset.len(),
                    Bound::With(name) => zset.order.rank(Place::BehindName(name)),
                    Bound::Without(name) => zset.order.rank(Place::BeforeName(name)),
                };
                from..to.max(from)
            }
        }
    }

    /// Visits up to `count` members from rank `from` on, with `back` downwards from it, until `visit` says false.
    #[inline]
    pub fn walk(self, from: usize, count: usize, back: bool, mut visit: impl FnMut(&[u8], f64) -> bool) {
        match self {
            ZsetRef::Packed(pack) => packed::walk(pack, from, count, back, visit),
            ZsetRef::Object(zset, _) => {
                zset.order.walk(zset.order.select(from), count, back, |score, name| visit(name, score));
            }
        }
    }

    /// Visits members with a score of at least `min` in order until `visit` says false.
    pub fn walk_scores(self, min: f64, mut visit: impl FnMut(&[u8], f64) -> bool) {
        match self {
            ZsetRef::Packed(pack) => {
                let from = packed::rank_of_score(pack, min, false);
                packed::walk(pack, from, usize::MAX, false, visit);
            }
            ZsetRef::Object(zset, _) => {
                let from = zset.order.seek(Place::Before(min));
                zset.order.walk(from, usize::MAX, false, |score, name| visit(name, score));
            }
        }
    }

    /// Visits members from `cursor` on as `Store::scan` does: of a large set in the order of their hashes, of a packed one all at
    /// once. The next cursor, 0 at the end.
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match self {
            ZsetRef::Packed(pack) => {
                packed::walk(pack, 0, usize::MAX, false, |member, score| {
                    visit(member, score);
                    true
                });
                0
            }
            ZsetRef::Object(zset, ground) => {
                zset.members.scan(ground, cursor, count, |member| visit(member.name(), score_of(member.value())))
            }
        }
    }
}

fn score_of(value: &[u8]) -> f64 {
    f64::from_le_bytes(value.try_into().expect("a member's value is its score"))
}

/// A sorted set's place, to be written. What becomes empty goes.
pub struct ZsetMut<'c, 's> {
    cell: &'c mut Cell<'s>,
}

impl<'c, 's> ZsetMut<'c, 's> {
    /// Of a key that holds a sorted set or nothing.
    #[inline]
    pub fn of(cell: &'c mut Cell<'s>) -> Result<ZsetMut<'c, 's>, WrongType> {
        match cell.kind() {
            None | Some(Kind::Zset) => Ok(ZsetMut { cell }),
            Some(_) => Err(WrongType),
        }
    }

    /// None: there is nothing.
    #[inline]
    pub fn get(&self) -> Option<ZsetRef<'_>> {
        self.cell.entry().map(|entry| ZsetRef::of(entry).expect("seen when it was borrowed"))
    }

    /// Redis's choice when members are about to be added, the first of which has `first_bytes` (`zsetTypeCreate`, `zsetTypeMaybeConvert`):
    /// where they alone are too many to be packed, or a new set's first one is too long, it is a large set from the start.
    pub fn expect(&mut self, members: usize, first_bytes: usize) -> Shape {
        let packing = self.cell.packing();
        let large = match self.cell.body() {
            None => members > packing.zset_entries || first_bytes > packing.zset_value_bytes,
            Some(Body::Packed { .. }) => members > packing.zset_entries,
            Some(_) => false,
        };
        if large && self.cell.kind().is_some() {
            self.unpack(false);
        }
        if large { Shape::Large } else { Shape::Any }
    }

    /// Adds a member or changes its score. `shape` is what `expect` said, and matters for the first member only.
    pub fn add(&mut self, member: &[u8], score: f64, how: How, shape: Shape) -> Done {
        let done = self.write(member, score, how, shape);
        if let Done::Added(score) | Done::Updated(score) = done {
            self.cell.note(|journal| journal.score(member, score));
        }
        done
    }

    fn write(&mut self, member: &[u8], score: f64, how: How, shape: Shape) -> Done {
        if score.is_nan() {
            return Done::NotANumber;
        }
        let packing = self.cell.packing();
        match self.cell.body() {
            None if how.only_old => Done::Nothing,
            None => {
                let fits = packing.zset_entries > 0 && member.len() <= packing.zset_value_bytes;
                if shape == Shape::Large || !fits || member.len() + packed::PAIR_EXTRA_BYTES > PACKED_BYTES_MAX {
                    let mut zset = Zset::new(self.cell.ground());
                    zset.listed = shape == Shape::Any && fits;
                    zset.insert(self.cell.ground(), member, score);
                    self.cell.put_object(Box::new(Object::Zset(zset)), Deadline::None);
                } else {
                    let mut pack = Vec::with_capacity(member.len() + packed::PAIR_EXTRA_BYTES);
                    packed::push(&mut pack, member, score);
                    self.cell.put_packed(Kind::Zset, 0, &pack, Deadline::None);
                }
                Done::Added(score)
            }
            Some(Body::Packed { bytes, .. }) => {
                if let Some(pair) = packed::find(bytes, member) {
                    let (from, to) = (pair.from, pair.to);
                    let done = decide(pair.score, score, how);
                    if let Done::Updated(score) = done {
                        self.move_packed(member, score, from, to);
                    }
                    return done;
                }
                if how.only_old {
                    return Done::Nothing;
                }
                let fits = member.len() <= packing.zset_value_bytes && packed::len(bytes) < packing.zset_entries;
                if !fits || bytes.len() + member.len() + packed::PAIR_EXTRA_BYTES > PACKED_BYTES_MAX {
                    self.unpack(fits);
                    return self.add_large(member, score, how);
                }
                let at = packed::place(bytes, score, member);
                let mut pair = Vec::with_capacity(member.len() + packed::PAIR_EXTRA_BYTES);
                packed::push(&mut pair, member, score);
                self.cell.splice(at, at, &pair);
                Done::Added(score)
            }
            Some(_) => self.add_large(member, score, how),
        }
    }

    /// The pair at `from..to` of a packed set gets another score.
    fn move_packed(&mut self, member: &[u8], score: f64, from: usize, to: usize) {
        let Some(Body::Packed { bytes, .. }) = self.cell.body() else { unreachable!("callers have seen it packed") };
        // Where it would stand if it were not there: the old one is in order, so it does not hide a place.
        let at = packed::place(bytes, score, member);
        let (start, end) = if at > to { (from, at) } else { (at.min(from), to) };
        let mut with = Vec::with_capacity(end - start + packed::PAIR_EXTRA_BYTES);
        if at > to {
            with.extend_from_slice(&bytes[to..at]);
            packed::push(&mut with, member, score);
        } else {
            packed::push(&mut with, member, score);
            with.extend_from_slice(&bytes[start..from]);
        }
        if bytes.len() - (end - start) + with.len() > PACKED_BYTES_MAX {
            self.unpack(true);
            self.add_large(member, score, How::default());
        } else {
            self.cell.splice(start, end, &with);
        }
    }

    /// `listed`: what is packed would stay so, were it not too long.
    fn unpack(&mut self, listed: bool) {
        let Some(Body::Packed { bytes, .. }) = self.cell.body() else { return };
        let pack = bytes.to_vec();
        let ground = self.cell.ground();
        let mut zset = Zset::new(ground);
        zset.listed = listed;
        packed::walk(&pack, 0, usize::MAX, false, |member, score| {
            zset.insert(ground, member, score);
            true
        });
        self.cell.put_object(Box::new(Object::Zset(zset)), Deadline::Keep);
    }

    fn add_large(&mut self, member: &[u8], score: f64, how: How) -> Done {
        let packing = self.cell.packing();
        let Some((Object::Zset(zset), ground)) = self.cell.object() else { unreachable!("callers have seen it large") };
        let spot = zset.members.find(ground, member);
        let (len, listed) = (zset.len(), zset.listed);
        let Some(spot) = spot else {
            if how.only_old {
                return Done::Nothing;
            }
            self.change(|zset, ground| {
                zset.listed &= len < packing.zset_entries && member.len() <= packing.zset_value_bytes;
                zset.insert(ground, member, score);
            });
            return Done::Added(score);
        };
        let member = zset.members.at(spot);
        let (old, handle) = (score_of(member.value()), Handle::of(member.entry()));
        let done = decide(old, score, how);
        if let Done::Updated(new) = done {
            self.change(|zset, ground| {
                let new = if listed { packed::kept(new) } else { new };
                zset.order.change(&mut ground.heap, old, handle, new);
                zset.members.overwrite(spot, &new.to_le_bytes());
            });
        }
        done
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut Zset, &mut Ground) -> R) -> R {
        self.cell.change_object(|object, ground, _| match object {
            Object::Zset(zset) => change(zset, ground),
            _ => unreachable!("seen when it was borrowed"),
        })
    }

    /// Takes a member out; false if it was not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let removed = self.take_out(member);
        // That the key went with the last one was noted.
        if removed && self.cell.spot.is_some() {
            self.cell.note(|journal| journal.named(Op::ZsetRemove, member));
        }
        removed
    }

    fn take_out(&mut self, member: &[u8]) -> bool {
        match self.cell.body() {
            None => false,
            Some(Body::Packed { bytes, .. }) => {
                let Some(pair) = packed::find(bytes, member) else { return false };
                let (from, to, all) = (pair.from, pair.to, bytes.len());
                if to - from == all {
                    self.cell.remove();
                } else {
                    self.cell.splice(from, to, b"");
                }
                true
            }
            Some(_) => {
                let Some((Object::Zset(zset), ground)) = self.cell.object() else { unreachable!("a sorted set") };
                let Some(spot) = zset.members.find(ground, member) else { return false };
                self.change(|zset, ground| {
                    let member = zset.members.at(spot);
                    let (score, handle) = (score_of(member.value()), Handle::of(member.entry()));
                    zset.order.remove(&mut ground.heap, score, handle);
                    zset.members.remove(ground, spot);
                });
                self.leave();
                true
            }
        }
    }

    /// Takes out those of these ranks, telling `gone` of each, in order or, with `back`, from the last.
    pub fn remove_ranks(&mut self, ranks: Ranks, back: bool, gone: impl FnMut(&[u8], f64)) {
        let (from, count) = (ranks.start, ranks.len());
        self.take_ranks(ranks, back, gone);
        if count > 0 && self.cell.spot.is_some() {
            self.cell.note(|journal| journal.remove_ranks(from, count));
        }
    }

    fn take_ranks(&mut self, ranks: Ranks, back: bool, mut gone: impl FnMut(&[u8], f64)) {
        let count = ranks.len();
        if count == 0 {
            return;
        }
        let first = if back { ranks.end - 1 } else { ranks.start };
        match self.cell.body() {
            None => {}
            Some(Body::Packed { bytes, .. }) => {
                packed::walk(bytes, first, count, back, |member, score| {
                    gone(member, score);
                    true
                });
                let (from, to) = (packed::nth(bytes, ranks.start), packed::nth(bytes, ranks.end));
                if to - from == bytes.len() {
                    self.cell.remove();
                } else {
                    self.cell.splice(from, to, b"");
                }
            }
            Some(_) => {
                self.change(|zset, ground| {
                    for i in 0..count {
                        let at = if back { first - i } else { first };
                        let spot = zset.order.select(at).expect("ranks are below the length");
                        let (score, name) = zset.order.item(spot);
                        gone(name, score);
                        let member = zset.members.find(ground, name).expect("what is in order has a name");
                        let handle = Handle::of(zset.members.at(member).entry());
                        zset.order.remove(&mut ground.heap, score, handle);
                        zset.members.remove(ground, member);
                    }
                });
                self.leave();
            }
        }
    }

    fn leave(&mut self) {
        if self.get().is_some_and(ZsetRef::is_empty) {
            self.cell.remove();
        }
    }

    /// Creates or replaces whatever is here with these members, which differ; at least one. `total` is of all that are to come:
    /// those that do not come now come by `extend`. It decides whether the set is packed.
    pub fn replace<'m>(cell: &mut Cell<'_>, members: impl ExactSizeIterator<Item = (&'m [u8], f64)>, total: Total) {
        let mut journal = cell.take_journal();
        if let Some(journal) = &mut journal
            && cell.spot.is_some()
        {
            journal.remove();
        }
        let noted = members.inspect(|&(member, score)| {
            if let Some(journal) = &mut journal {
                journal.score(member, score);
            }
        });
        ZsetMut::build(cell, noted, total);
        cell.give_journal(journal);
    }

    fn build<'m>(cell: &mut Cell<'_>, members: impl ExactSizeIterator<Item = (&'m [u8], f64)>, total: Total) {
        let packing = cell.packing();
        let fits = total.members <= packing.zset_entries && total.longest <= packing.zset_value_bytes;
        let bytes = total.name_bytes + total.members * packed::PAIR_EXTRA_BYTES;
        if fits && bytes <= PACKED_BYTES_MAX && members.len() == total.members {
            let mut sorted: Vec<_> = members.map(|(member, score)| (packed::kept(score), member)).collect();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
            let mut pack = Vec::with_capacity(bytes);
            sorted.iter().for_each(|&(score, member)| packed::push(&mut pack, member, score));
            cell.put_packed(Kind::Zset, 0, &pack, Deadline::None);
            return;
        }
        let mut zset = Zset::new(cell.ground());
        zset.listed = fits;
        for (member, score) in members {
            zset.insert(cell.ground(), member, score);
        }
        cell.put_object(Box::new(Object::Zset(zset)), Deadline::None);
    }

    /// Adds members that are not there yet to what `replace` has begun.
    pub fn extend<'m>(&mut self, members: impl Iterator<Item = (&'m [u8], f64)>) {
        let mut journal = self.cell.take_journal();
        self.change(|zset, ground| {
            for (member, score) in members {
                zset.insert(ground, member, score);
                if let Some(journal) = &mut journal {
                    journal.score(member, score);
                }
            }
        });
        self.cell.give_journal(journal);
    }
}

/// What is known of members that are to be stored.
#[derive(Clone, Copy, Default, Debug)]
pub struct Total {
    members: usize,
    /// Bytes of the longest name, and of all.
    longest: usize,
    name_bytes: usize,
}

impl Total {
    pub fn add(&mut self, name: &[u8]) {
        self.members += 1;
        self.longest = self.longest.max(name.len());
        self.name_bytes += name.len();
    }
}

/// What a sorted set becomes with its first member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// As the thresholds say.
    Any,
    Large,
}

/// What to do with a member that has score `old`.
fn decide(old: f64, given: f64, how: How) -> Done {
    if how.only_new {
        return Done::Nothing;
    }
    let new = if how.increment { old + given } else { given };
    if new.is_nan() {
        return Done::NotANumber;
    }
    if how.only_down && new >= old || how.only_up && new <= old {
        return Done::Nothing;
    }
    if new == old { Done::Same(new) } else { Done::Updated(new) }
}

impl Zset {
    pub(crate) fn members_mut(&mut self) -> &mut Members {
        &mut self.members
    }

    pub fn new(ground: &mut Ground) -> Zset {
        Zset { members: Members::new(ground), order: Order::new(), listed: false }
    }

    /// Adds what is not there.
    fn insert(&mut self, ground: &mut Ground, member: &[u8], score: f64) {
        let score = self.kept(score);
        let spot = self.members.insert(ground, member, &score.to_le_bytes());
        let handle = Handle::of(self.members.at(spot).entry());
        self.order.insert(&mut ground.heap, score, handle);
    }

    fn kept(&self, score: f64) -> f64 {
        if self.listed { packed::kept(score) } else { score }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As `Object::encoding`.
    pub fn encoding(&self) -> &'static str {
        if self.listed { "listpack" } else { "skiplist" }
    }

    /// As `Object::apart_bytes`.
    pub fn apart_bytes(&self) -> usize {
        self.members.apart_bytes()
    }

    /// As `Object::allocated`.
    pub fn allocated(&self) -> usize {
        self.members.allocated() + self.order.allocated()
    }

    /// As `Object::weight`.
    pub fn weight(&self) -> usize {
        self.members.len()
    }

    /// As `Object::bury`.
    pub fn bury(&mut self, ground: &mut Ground, units: usize) -> bool {
        // A leaf is as much work as some members are.
        const UNITS_A_LEAF: usize = 4;
        self.order.bury(&mut ground.heap, units.div_ceil(UNITS_A_LEAF)) || self.members.bury(ground, units)
    }

    /// As `Object::verify`.
    pub(crate) fn verify(&self, ground: &Ground, held: &mut Held) {
        self.members.verify(ground, held, |raw| assert_eq!(raw.value().len(), size_of::<f64>()));
        assert_eq!(self.members.len(), self.order.len(), "as many in order as by name");
        self.order.verify(|score, entry| {
            let member = self.members.get(ground, entry.key()).expect("what is in order has a name");
            assert_eq!(member.entry().address(), entry.address(), "and is the same entry");
            assert_eq!(score_of(member.value()).to_bits(), score.to_bits(), "with the same score");
            assert!(!self.listed || packed::kept(score).to_bits() == score.to_bits());
        });
        held.blocks += self.order.allocated();
    }
}

/// Checks a packed sorted set; panics with what is wrong.
#[doc(hidden)]
pub fn verify_packed(bytes: &[u8]) {
    packed::verify(bytes);
}
