//! Room: store. Members of a set away from their store: to travel to another shard, to be looked up there, to become a set.
//! Touches: nothing beyond this crate.
//!
//! They lie packed one behind the other, each once, in one allocation; integers are kept as such. A member's bytes are
//! the same wherever it came from, so that members are compared without being read. An index (open addressing, half full
//! at most) is made only for bags in which members are looked up.

use super::{Build, Called, Elements, text};
use crate::cell::Cell;
use crate::entry::PACKED_BYTES_MAX;
use crate::hash::Text;
use crate::journal::{Journal, Op};
use crate::needle::{self, Needle};
use crate::pack::{self, Item};
use crate::table::Keyed;
use crate::{Deadline, Kind};

/// Members, each once.
pub struct Bag {
    bytes: Vec<u8>,
    len: usize,
    /// All are integers.
    ints: bool,
    /// Bytes of the longest as text.
    longest: usize,
    index: Option<Index>,
}

struct Index {
    keyed: Keyed,
    /// A member's place + 1; 0 if empty. A power of two of them.
    places: Vec<usize>,
    /// Bytes of the bag that are indexed.
    upto: usize,
    len: usize,
}

impl Index {
    /// Where the member is, or where it belongs.
    fn find(&self, bytes: &[u8], member: &[u8]) -> Result<usize, usize> {
        let mask = self.places.len() - 1;
        let mut at = self.keyed.hash(member) as usize & mask;
        loop {
            match self.places[at] {
                0 => return Err(at),
                place => {
                    let start = place - 1;
                    if bytes[start..].starts_with(member) {
                        return Ok(start);
                    }
                }
            }
            at = (at + 1) & mask;
        }
    }
}

impl Default for Bag {
    fn default() -> Bag {
        Bag::new()
    }
}

impl Bag {
    pub fn new() -> Bag {
        Bag { bytes: Vec::new(), len: 0, ints: true, longest: 0, index: None }
    }

    /// One in which members can be looked up. `seed`: random, unknown to clients.
    pub fn indexed(seed: u64) -> Bag {
        let index = Index { keyed: Keyed::new(seed), places: vec![0; 16], upto: 0, len: 0 };
        Bag { index: Some(index), ..Bag::new() }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a member that is not there yet.
    pub fn push(&mut self, member: Text<'_>) {
        debug_assert!(self.index.is_none());
        self.note(member);
        match member {
            Text::Number(n) => pack::push_item::<false>(&mut self.bytes, Item::Number(n)),
            Text::Bytes(bytes) => pack::push::<false>(&mut self.bytes, bytes),
            Text::Shared(bytes) => pack::push::<false>(&mut self.bytes, bytes),
        }
    }

    fn note(&mut self, member: Text<'_>) {
        let mut digits = [0; 20];
        let bytes = member.bytes(&mut digits);
        self.len += 1;
        self.longest = self.longest.max(bytes.len());
        self.ints &= matches!(member, Text::Number(_)) || pack::number(bytes).is_some();
    }

    /// Adds a member if it is not there. Only of an indexed bag.
    pub fn insert(&mut self, member: Text<'_>) -> bool {
        let needle = match member {
            Text::Number(n) => Needle::number(n),
            member => Needle::new(member.bytes(&mut [0; 20])),
        };
        let start = self.bytes.len();
        let index = self.index.as_mut().expect("callers have made it indexed");
        let Err(at) = index.find(&self.bytes, needle.bytes()) else { return false };
        index.places[at] = start + 1;
        index.len += 1;
        self.bytes.extend_from_slice(needle.bytes());
        index.upto = self.bytes.len();
        if index.len * 2 > index.places.len() {
            let places = index.places.len() * 2;
            self.lay_out(places);
        }
        self.note(member);
        true
    }

    /// Makes the index anew with so many places.
    fn lay_out(&mut self, places: usize) {
        let Some(index) = &mut self.index else { return };
        let old = std::mem::replace(&mut index.places, vec![0; places]);
        for place in old.into_iter().filter(|&place| place > 0) {
            let start = place - 1;
            let end = needle::skip(&self.bytes, start);
            if let Err(at) = index.find(&self.bytes, &self.bytes[start..end]) {
                index.places[at] = place;
            }
        }
    }

    /// Goes on making an index, about `count` members; true when it is whole.
    pub fn index_some(&mut self, seed: u64, count: usize) -> bool {
        let places = (self.len * 2).next_power_of_two().max(16);
        let index = self.index.get_or_insert_with(|| Index {
            keyed: Keyed::new(seed),
            places: vec![0; places],
            upto: 0,
            len: 0,
        });
        for _ in 0..count {
            if index.upto >= self.bytes.len() {
                break;
            }
            let end = needle::skip(&self.bytes, index.upto);
            if let Err(at) = index.find(&self.bytes, &self.bytes[index.upto..end]) {
                index.places[at] = index.upto + 1;
                index.len += 1;
            }
            index.upto = end;
        }
        index.upto >= self.bytes.len()
    }

    /// Whether the member is there. Of an indexed bag, or a small one.
    pub fn has(&self, member: Text<'_>) -> bool {
        let needle = match member {
            Text::Number(n) => Needle::number(n),
            member => Needle::new(member.bytes(&mut [0; 20])),
        };
        match &self.index {
            Some(index) => index.find(&self.bytes, needle.bytes()).is_ok(),
            None => super::Packed(&self.bytes).find(&needle).is_ok(),
        }
    }

    /// Visits about `count` members from `cursor` on (0 starts). The next cursor, 0 at the end.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Text<'_>)) -> u64 {
        let mut at = cursor as usize;
        for _ in 0..count {
            let Some((item, next)) = pack::item::<false>(&self.bytes, at) else { return 0 };
            visit(text(item));
            at = next;
        }
        if at < self.bytes.len() { at as u64 } else { 0 }
    }

    /// Takes a set's members, about `count` from `cursor` on. The next cursor, 0 at the end.
    pub fn take(&mut self, elements: Elements<'_>, cursor: u64, count: usize) -> u64 {
        elements.scan(cursor, count, |member| self.push(member))
    }

    /// Begins to make the key a set of these members, at least one: what was there goes, its deadline too. Then `fill` goes on from the
    /// cursor; 0: it is done.
    pub fn begin(&self, cell: &mut Cell<'_>) -> u64 {
        if cell.spot.is_some() {
            cell.note(Journal::remove);
        }
        if !self.build(cell) {
            return self.fill(cell, 0);
        }
        cell.note(|journal| {
            self.scan(0, self.len, |member| journal.named(Op::Add, member.bytes(&mut [0; 20])));
        });
        0
    }

    /// False if it is to be filled.
    fn build(&self, cell: &mut Cell<'_>) -> bool {
        let packing = cell.packing();
        let called = if self.ints && self.len <= packing.intset_entries {
            Called::Intset
        } else if !self.ints && self.len <= packing.set_entries && self.longest <= packing.set_value_bytes {
            Called::Listpack
        } else {
            Called::Hashtable
        };
        let build = match called {
            Called::Intset if self.len * 8 < PACKED_BYTES_MAX => {
                let mut sorted: Vec<i64> = Vec::with_capacity(self.len);
                pack::iter::<false>(&self.bytes).for_each(|(_, item)| match item {
                    Item::Number(n) => sorted.push(n),
                    Item::Text(_) => unreachable!("all are integers"),
                });
                sorted.sort_unstable();
                Build::Ints(sorted)
            }
            Called::Listpack if self.bytes.len() <= PACKED_BYTES_MAX => {
                cell.put_packed(Kind::Set, 0, &self.bytes, Deadline::None);
                return true;
            }
            called => {
                let mut build = Build::packed();
                build.unpack(cell.ground(), called);
                build.put(cell, Deadline::None);
                return false;
            }
        };
        build.put(cell, Deadline::None);
        true
    }

    /// Adds members from `cursor` on, a slice of them, to the table that `begin` has made.
    pub fn fill(&self, cell: &mut Cell<'_>, cursor: u64) -> u64 {
        /// Some 100 µs.
        const SLICE: usize = 500;
        let mut journal = cell.take_journal();
        let next = cell.change_object(|object, ground, _| match object {
            crate::Object::Set(set) => self.scan(cursor, SLICE, |member| {
                let mut digits = [0; 20];
                let member = member.bytes(&mut digits);
                set.members.insert(ground, member, b"");
                if let Some(journal) = &mut journal {
                    journal.named(Op::Add, member);
                }
            }),
            _ => unreachable!("`begin` has made it a set"),
        });
        cell.give_journal(journal);
        next
    }
}
