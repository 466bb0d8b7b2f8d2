//! Room: store. Members of a set away from their store: to travel to another shard, to be looked up there, to become a set.
//! Touches: nothing beyond this crate.
//!
//! They lie packed one behind the other, each once, in chunks, so that a bag of millions grows without being moved; integers are kept
//! as such. A member's bytes are the same wherever it came from, so that members are compared without being read. An index (open
//! addressing, half full at most, in blocks that are made when they are needed) is made only for bags in which members are looked up.

use super::{Build, Called, Elements, text};
use crate::cell::Cell;
use crate::entry::PACKED_BYTES_MAX;
use crate::hash::Text;
use crate::journal::{Journal, Op};
use crate::needle::{self, Needle};
use crate::pack;
use crate::table::Keyed;
use crate::{Deadline, Kind};

/// A chunk is full when the next member would make it longer than this. A bag that is to be a packed set is one chunk.
const CHUNK_BYTES: usize = 1 << 16;
const _: () = assert!(CHUNK_BYTES >= PACKED_BYTES_MAX);
/// Places of an index in one piece of memory.
const BLOCK_PLACES: usize = 1 << 13;
/// A place in a bag is a chunk's number, and these bits for the offset in it.
const OFFSET_BITS: u32 = 32;

/// Members, each once.
pub struct Bag {
    chunks: Vec<Vec<u8>>,
    len: usize,
    /// All are integers.
    ints: bool,
    /// Bytes of the longest as text.
    longest: usize,
    /// Members at once, with those that have been removed again.
    most: usize,
    index: Option<Index>,
}

struct Index {
    keyed: Keyed,
    /// A member's place + 1; 0 if empty. A power of two of them; blocks of which all are empty may be missing.
    blocks: Vec<Vec<u64>>,
    mask: usize,
    /// Up to this place the bag is indexed.
    upto: u64,
}

/// The bytes from a place to the end of its chunk.
fn from(chunks: &[Vec<u8>], place: u64) -> &[u8] {
    &chunks[(place >> OFFSET_BITS) as usize][place as u32 as usize..]
}

/// The place behind a member that ends `len` bytes behind `place`; at the end of the bag one of a chunk that is not there.
fn behind(chunks: &[Vec<u8>], place: u64, len: usize) -> u64 {
    let next = place + len as u64;
    if next as u32 as usize == chunks[(place >> OFFSET_BITS) as usize].len() {
        ((place >> OFFSET_BITS) + 1) << OFFSET_BITS
    } else {
        next
    }
}

impl Index {
    /// For at most so many members.
    fn new(seed: u64, most: usize) -> Index {
        let places = (most * 2).next_power_of_two().max(16);
        let mut blocks = Vec::new();
        blocks.resize_with(places.div_ceil(BLOCK_PLACES), Vec::new);
        Index { keyed: Keyed::new(seed), blocks, mask: places - 1, upto: 0 }
    }

    /// Where the member is, or where it belongs.
    fn find(&self, chunks: &[Vec<u8>], member: &[u8]) -> Result<u64, usize> {
        let mut at = self.keyed.hash(member) as usize & self.mask;
        loop {
            match self.blocks[at / BLOCK_PLACES].get(at % BLOCK_PLACES) {
                None | Some(0) => return Err(at),
                Some(place) if from(chunks, place - 1).starts_with(member) => return Ok(place - 1),
                Some(_) => at = (at + 1) & self.mask,
            }
        }
    }

    /// Puts the member at `place` where `find` said.
    fn put(&mut self, at: usize, place: u64) {
        let places = BLOCK_PLACES.min(self.mask + 1);
        let block = &mut self.blocks[at / BLOCK_PLACES];
        if block.is_empty() {
            *block = vec![0; places];
        }
        block[at % BLOCK_PLACES] = place + 1;
    }
}

impl Default for Bag {
    fn default() -> Bag {
        Bag::new()
    }
}

impl Bag {
    pub fn new() -> Bag {
        Bag { chunks: Vec::new(), len: 0, ints: true, longest: 0, most: 0, index: None }
    }

    /// One in which members can be looked up, for at most so many. `seed`: random, unknown to clients.
    pub fn indexed(seed: u64, most: usize) -> Bag {
        Bag { index: Some(Index::new(seed, most)), ..Bag::new() }
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
        self.len += 1;
        match member {
            Text::Number(n) => self.append(Needle::number(n).bytes()),
            member => self.append(Needle::new(member.bytes(&mut [0; 20])).bytes()),
        };
    }

    /// Where it is from now on.
    fn append(&mut self, member: &[u8]) -> u64 {
        let room = |chunk: &Vec<u8>| chunk.is_empty() || chunk.len() + member.len() <= CHUNK_BYTES;
        if !self.chunks.last().is_some_and(room) {
            // The first grows with what is in it.
            let bytes = if self.chunks.is_empty() { 0 } else { CHUNK_BYTES.max(member.len()) };
            self.chunks.push(Vec::with_capacity(bytes));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let place = (number as u64) << OFFSET_BITS | chunk.len() as u64;
        chunk.extend_from_slice(member);
        place
    }

    /// A member that was added and has been removed again: only the form remembers it, for it never becomes a smaller one.
    pub fn pass(&mut self, member: Text<'_>) {
        self.note(member);
    }

    fn note(&mut self, member: Text<'_>) {
        let mut digits = [0; 20];
        let bytes = member.bytes(&mut digits);
        self.most += 1;
        self.longest = self.longest.max(bytes.len());
        self.ints &= matches!(member, Text::Number(_)) || pack::number(bytes).is_some();
    }

    /// Adds a member if it is not there. Only of an indexed bag.
    pub fn insert(&mut self, member: Text<'_>) -> bool {
        let needle = match member {
            Text::Number(n) => Needle::number(n),
            member => Needle::new(member.bytes(&mut [0; 20])),
        };
        let index = self.index.as_ref().expect("callers have made it indexed");
        let Err(at) = index.find(&self.chunks, needle.bytes()) else { return false };
        let place = self.append(needle.bytes());
        let index = self.index.as_mut().expect("looked at above");
        index.put(at, place);
        assert!(self.len * 2 <= index.mask, "no more members than were told of");
        self.note(member);
        self.len += 1;
        true
    }

    /// Goes on making an index, about `count` members; true when it is whole.
    pub fn index_some(&mut self, seed: u64, count: usize) -> bool {
        let Bag { chunks, index, len, .. } = self;
        let index = index.get_or_insert_with(|| Index::new(seed, *len));
        let end = (chunks.len() as u64) << OFFSET_BITS;
        for _ in 0..count {
            if index.upto >= end {
                break;
            }
            let rest = from(chunks, index.upto);
            let bytes = needle::skip(rest, 0);
            if let Err(at) = index.find(chunks, &rest[..bytes]) {
                index.put(at, index.upto);
            }
            index.upto = behind(chunks, index.upto, bytes);
        }
        index.upto >= end
    }

    /// Whether the member is there. Of an indexed bag, or a small one.
    pub fn has(&self, member: Text<'_>) -> bool {
        let needle = match member {
            Text::Number(n) => Needle::number(n),
            member => Needle::new(member.bytes(&mut [0; 20])),
        };
        match &self.index {
            Some(index) => index.find(&self.chunks, needle.bytes()).is_ok(),
            None => self.chunks.iter().any(|chunk| super::Packed(chunk).find(&needle).is_ok()),
        }
    }

    /// Visits about `count` members from `cursor` on (0 starts). The next cursor, 0 at the end.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Text<'_>)) -> u64 {
        let (mut at, end) = (cursor, (self.chunks.len() as u64) << OFFSET_BITS);
        for _ in 0..count {
            if at >= end {
                break;
            }
            let (item, bytes) = pack::item::<false>(from(&self.chunks, at), 0).expect("a member begins before the end");
            visit(text(item));
            at = behind(&self.chunks, at, bytes);
        }
        if at < end { at } else { 0 }
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
        let called = if self.ints && self.most <= packing.intset_entries {
            Called::Intset
        } else if !self.ints && self.most <= packing.set_entries && self.longest <= packing.set_value_bytes {
            Called::Listpack
        } else {
            Called::Hashtable
        };
        let build = match called {
            Called::Intset if self.len * 8 < PACKED_BYTES_MAX => {
                let mut sorted: Vec<i64> = Vec::with_capacity(self.len);
                self.scan(0, self.len, |member| match member {
                    Text::Number(n) => sorted.push(n),
                    _ => unreachable!("all are integers"),
                });
                sorted.sort_unstable();
                Build::Ints(sorted)
            }
            Called::Listpack if self.chunks.len() == 1 && self.chunks[0].len() <= PACKED_BYTES_MAX => {
                cell.put_packed(Kind::Set, 0, &self.chunks[0], Deadline::None);
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
