//! Room: store. A node of a stream: entries packed one behind the other. Touches: nothing beyond this crate.
//!
//! ```text
//! names of the first entry's fields (pack) { head body }
//! head = varint: bytes of the body << 2 | same names as the first << 1 | dead
//! body = varint: ms - first ms
//!        varint: seq - first seq if in the same ms as the first, else seq
//!        [ varint: fields, unless the same names ]
//!        values, or names and values by turns (pack)
//! ```
//!
//! What is deleted is marked; the bytes go when they are more than half of all. How many entries a node takes decides what an
//! approximate trim leaves, which clients see, so a node also counts how long Redis's listpack of the same entries would be
//! (t_stream.c, `streamAppendItem`).

use super::Id;
use crate::pack::{self, Item};

/// Redis, t_stream.c, STREAM_LISTPACK_MAX_SIZE: all texts of one entry together.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;
/// A node takes no more than this (one entry may, alone), whatever `stream-node-max-bytes` says: one is searched, and cleared of
/// what was deleted, at a stretch.
pub const NODE_BYTES_MAX: usize = 1 << 18;

const DEAD: u8 = 1;
const SAME: u8 = 2;

/// Its first id lies beside it, where it is kept.
#[derive(Default)]
pub struct Node {
    bytes: Vec<u8>,
    /// Of the last entry that it got, deleted or not.
    pub last: Id,
    /// Entries.
    pub len: u32,
    /// Deleted ones, whether their bytes are still here or not.
    pub dead: u32,
    /// Bytes of entries that are marked.
    dead_bytes: u32,
    /// How many fields the first entry has, and the bytes of their names.
    fields: u32,
    names_bytes: u32,
    /// As `listpack_bytes`, without the counts of entries.
    listpack: u32,
}

/// One entry.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    pub id: Id,
    fields: u32,
    /// Apart if they are those of the node's first entry.
    names: Option<&'a [u8]>,
    texts: &'a [u8],
}

impl<'a> EntryRef<'a> {
    /// How many.
    pub fn fields(&self) -> usize {
        self.fields as usize
    }

    /// Its names are those of the node's first entry.
    pub(crate) fn has_same_names(&self) -> bool {
        self.names.is_some()
    }

    /// Names and values in the order in which they were given.
    pub fn pairs(self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> {
        let (mut names_at, mut at) = (0, 0);
        (0..self.fields).map(move |_| {
            let next = |pack: &'a [u8], at: &mut usize| {
                let (item, next) = pack::item::<false>(pack, *at).expect("as many as are counted");
                *at = next;
                item
            };
            let name = match self.names {
                Some(names) => next(names, &mut names_at),
                None => next(self.texts, &mut at),
            };
            (name, next(self.texts, &mut at))
        })
    }
}

/// Where an entry lies.
#[derive(Clone, Copy)]
pub struct Place {
    pub id: Id,
    pub dead: bool,
    same: bool,
    /// Of the head.
    start: u32,
    /// Behind the id.
    rest: u32,
    pub end: u32,
}

fn push_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[inline]
fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let first = bytes[*at];
    *at += 1;
    if first < 0x80 {
        return u64::from(first);
    }
    let (mut n, mut shift) = (u64::from(first & 0x7F), 7);
    loop {
        let byte = bytes[*at];
        *at += 1;
        n |= u64::from(byte & 0x7F) << shift;
        shift += 7;
        if byte < 0x80 {
            return n;
        }
    }
}

/// listpack.c: an integer, with its length behind it.
fn listpack_int(n: i64) -> usize {
    match n {
        0..=127 => 2,
        -4096..=4095 => 3,
        -32_768..=32_767 => 4,
        -8_388_608..=8_388_607 => 5,
        _ if i32::try_from(n).is_ok() => 6,
        _ => 10,
    }
}

/// listpack.c: an element, with its length behind it.
fn listpack_text(text: &[u8]) -> usize {
    if let Some(n) = pack::number(text) {
        return listpack_int(n);
    }
    let len = text.len();
    let len = len
        + if len < 64 {
            1
        } else if len < 4096 {
            2
        } else {
            5
        };
    len + match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

impl Node {
    /// Bytes of a listpack with the same entries.
    pub fn listpack_bytes(&self) -> usize {
        self.listpack as usize + listpack_int(self.len.into()) + listpack_int(self.dead.into())
    }

    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// No more entries will come.
    pub fn close(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Adds an entry behind all others. `words`: names and values by turns. `first`: the node's id, which is the entry's if
    /// it is empty yet.
    pub fn push<'w>(&mut self, first: Id, id: Id, words: impl ExactSizeIterator<Item = &'w [u8]> + Clone) {
        let fields = (words.len() / 2) as u32;
        let names = words.clone().step_by(2);
        let mut size = 0;
        let same = if self.len + self.dead == 0 {
            debug_assert_eq!(first, id);
            for name in names {
                pack::push::<false>(&mut self.bytes, name);
                size += listpack_text(name);
            }
            (self.fields, self.names_bytes) = (fields, self.bytes.len() as u32);
            // The head of 6 bytes, the end, how many fields, the names, a zero.
            size += 7 + listpack_int(fields.into()) + listpack_int(0);
            true
        } else {
            self.fields == fields && self.names().zip(names).all(|(mine, name)| mine.is(name))
        };
        let start = self.bytes.len();
        push_varint(&mut self.bytes, id.ms - first.ms);
        push_varint(&mut self.bytes, if id.ms == first.ms { id.seq - first.seq } else { id.seq });
        size += listpack_int(0);
        size += listpack_int((id.ms - first.ms) as i64) + listpack_int(id.seq.wrapping_sub(first.seq) as i64);
        if same {
            for value in words.skip(1).step_by(2) {
                pack::push::<false>(&mut self.bytes, value);
                size += listpack_text(value);
            }
            size += listpack_int(i64::from(fields) + 3);
        } else {
            push_varint(&mut self.bytes, fields.into());
            for word in words {
                pack::push::<false>(&mut self.bytes, word);
                size += listpack_text(word);
            }
            size += listpack_int(fields.into()) + listpack_int(2 * i64::from(fields) + 4);
        }
        self.put_head(start, same);
        self.last = id;
        self.len += 1;
        self.listpack += size as u32;
    }

    /// Puts the head before a body that was written from `start` on.
    fn put_head(&mut self, start: usize, same: bool) {
        let body = self.bytes.len() - start;
        push_varint(&mut self.bytes, (body as u64) << 2 | if same { u64::from(SAME) } else { 0 });
        let head = self.bytes.len() - start - body;
        self.bytes[start..].rotate_right(head);
    }

    pub fn names(&self) -> impl Iterator<Item = Item<'_>> {
        pack::iter::<false>(&self.bytes[..self.names_bytes as usize]).map(|(_, item)| item)
    }

    /// Where the first entry lies.
    pub fn start(&self) -> u32 {
        self.names_bytes
    }

    /// The entry that lies at `at`, deleted or not; `None` at the end.
    #[inline]
    pub fn place(&self, first: Id, at: u32) -> Option<Place> {
        let start = at as usize;
        if start >= self.bytes.len() {
            return None;
        }
        let mut at = start;
        let head = varint(&self.bytes, &mut at);
        let end = at + (head >> 2) as usize;
        let ms = first.ms + varint(&self.bytes, &mut at);
        let seq = varint(&self.bytes, &mut at);
        let seq = if ms == first.ms { first.seq + seq } else { seq };
        Some(Place {
            id: Id { ms, seq },
            dead: head as u8 & DEAD != 0,
            same: head as u8 & SAME != 0,
            start: start as u32,
            rest: at as u32,
            end: end as u32,
        })
    }

    /// Where entries lie, deleted or not.
    pub fn places(&self, first: Id) -> impl Iterator<Item = Place> {
        let mut at = self.start();
        std::iter::from_fn(move || {
            let place = self.place(first, at)?;
            at = place.end;
            Some(place)
        })
    }

    pub fn entry(&self, place: Place) -> EntryRef<'_> {
        let mut at = place.rest as usize;
        let (fields, names) = if place.same {
            (self.fields, Some(&self.bytes[..self.names_bytes as usize]))
        } else {
            (varint(&self.bytes, &mut at) as u32, None)
        };
        EntryRef { id: place.id, fields, names, texts: &self.bytes[at..place.end as usize] }
    }

    /// Where the entry of this id lies, if it is here and not deleted.
    pub fn find(&self, first: Id, id: Id) -> Option<Place> {
        self.places(first).take_while(|place| place.id <= id).find(|place| place.id == id && !place.dead)
    }

    /// Marks an entry that is not deleted yet. `sweep` is to be called after the last.
    pub fn delete(&mut self, place: Place) {
        debug_assert!(!place.dead);
        self.bytes[place.start as usize] |= DEAD;
        self.dead_bytes += place.end - place.start;
        self.len -= 1;
        self.dead += 1;
    }

    /// Drops the bytes of deleted entries if they are more than half.
    pub fn sweep(&mut self, first: Id) {
        if self.dead_bytes as usize * 2 > self.bytes.len() - self.names_bytes as usize {
            self.clear(first);
        }
    }

    /// Forgets deleted entries behind the last that is not, of which there is one.
    pub fn draw_back(&mut self, first: Id) {
        self.clear(first);
        self.last = self.places(first).last().map_or(first, |place| place.id);
    }

    fn clear(&mut self, first: Id) {
        let (mut at, mut to) = (self.start(), self.start() as usize);
        while let Some(place) = self.place(first, at) {
            at = place.end;
            if !place.dead {
                self.bytes.copy_within(place.start as usize..place.end as usize, to);
                to += (place.end - place.start) as usize;
            }
        }
        self.bytes.truncate(to);
        self.bytes.shrink_to_fit();
        self.dead_bytes = 0;
    }

    pub fn verify(&self, first: Id) {
        assert!(self.len + self.dead > 0, "a node had a first entry");
        assert_eq!(self.names().count(), self.fields as usize, "names");
        let (mut last, mut live, mut dead_bytes) = (None, 0, 0);
        for place in self.places(first) {
            assert!(last.is_none_or(|last| last < place.id) && place.id >= first, "ids rise");
            last = Some(place.id);
            if place.dead {
                dead_bytes += place.end - place.start;
            } else {
                live += 1;
            }
            let entry = self.entry(place);
            let texts = pack::iter::<false>(entry.texts).count();
            assert_eq!(texts, entry.fields() * if place.same { 1 } else { 2 }, "fields of {}", place.id);
        }
        assert!(last.is_none_or(|last| last <= self.last), "the last id");
        assert_eq!((live, dead_bytes), (self.len, self.dead_bytes), "entries");
        assert!(dead_bytes as usize * 2 <= self.bytes.len() - self.names_bytes as usize, "it is swept");
    }
}
