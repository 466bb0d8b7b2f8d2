//! Room: store. A small hash: its fields in the value bytes of its entry. Touches: nothing beyond this crate.
//!
//! ```text
//! form 0: field value field value …
//! form 1: next deadline 8 │ its timer 4 │ field value deadline │ field value deadline …
//! ```
//!
//! Fields, values and deadlines are elements of a pack; a field without a deadline has 0. `form` 1 begins with the first
//! deadline that a field gets, and stays. Its head is little-endian; the timer is the number of a node in the store's index.

use super::Text;
use crate::needle::{self, Needle};
use crate::pack::{self, Item};

/// The form of a hash whose fields have, or had, deadlines.
pub(crate) const TIMED: u8 = 1;
pub(crate) const HEAD_BYTES: usize = 12;
/// The timer of a hash of which no field has a deadline.
pub(crate) const NO_TIMER: u32 = u32::MAX;
/// The head of a form 1 that has no timer yet.
pub(crate) const HEAD: [u8; HEAD_BYTES] = [0xFF; HEAD_BYTES];

/// When the next field goes (Unix ms), and the timer for it.
#[inline]
pub(crate) fn timer(bytes: &[u8]) -> Option<(u64, u32)> {
    let node = u32::from_le_bytes(bytes[8..12].try_into().expect("a head of 12 bytes"));
    let when = u64::from_le_bytes(bytes[..8].try_into().expect("a head of 12 bytes"));
    (node != NO_TIMER).then_some((when, node))
}

pub(crate) fn head(timer: Option<(u64, u32)>) -> [u8; HEAD_BYTES] {
    let mut head = HEAD;
    if let Some((when, node)) = timer {
        head[..8].copy_from_slice(&when.to_le_bytes());
        head[8..].copy_from_slice(&node.to_le_bytes());
    }
    head
}

#[derive(Clone, Copy)]
pub struct Packed<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) timed: bool,
}

/// Where a field lies: its name, its value, its deadline (nothing in form 0), up to `end`.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub at: usize,
    pub value: usize,
    pub deadline: usize,
    pub end: usize,
}

impl<'a> Packed<'a> {
    pub(crate) fn new(form: u8, bytes: &'a [u8]) -> Packed<'a> {
        Packed { bytes, timed: form == TIMED }
    }

    #[inline]
    fn start(self) -> usize {
        if self.timed { HEAD_BYTES } else { 0 }
    }

    #[inline]
    fn place(self, at: usize, value: usize) -> Place {
        let deadline = needle::skip(self.bytes, value);
        let end = if self.timed { needle::skip(self.bytes, deadline) } else { deadline };
        Place { at, value, deadline, end }
    }

    /// The field, or how many there are.
    #[inline]
    pub(crate) fn find(self, field: &Needle) -> Result<Place, usize> {
        let (mut at, mut count) = (self.start(), 0);
        let needle = field.bytes();
        while at < self.bytes.len() {
            let value = needle::skip(self.bytes, at);
            if needle::is(self.bytes, at, value, needle) {
                return Ok(self.place(at, value));
            }
            at = needle::skip(self.bytes, value);
            if self.timed {
                at = needle::skip(self.bytes, at);
            }
            count += 1;
        }
        Err(count)
    }

    pub(crate) fn places(self) -> impl Iterator<Item = Place> + use<'a> {
        let mut at = self.start();
        std::iter::from_fn(move || {
            if at >= self.bytes.len() {
                return None;
            }
            let place = self.place(at, needle::skip(self.bytes, at));
            at = place.end;
            Some(place)
        })
    }

    pub(crate) fn len(self) -> usize {
        needle::count(self.bytes, self.start()) / if self.timed { 3 } else { 2 }
    }

    #[inline]
    pub(crate) fn text(self, at: usize) -> Text<'a> {
        match pack::item::<false>(self.bytes, at).expect("a place has an element").0 {
            Item::Text(text) => Text::Bytes(text),
            Item::Number(n) => Text::Number(n),
        }
    }

    pub(crate) fn deadline(self, place: Place) -> Option<u64> {
        if !self.timed {
            return None;
        }
        match pack::item::<false>(self.bytes, place.deadline).expect("a place has an element").0 {
            Item::Number(0) => None,
            Item::Number(n) => Some(n as u64),
            Item::Text(_) => unreachable!("a deadline is a number"),
        }
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(self) -> Option<u64> {
        if !self.timed {
            return None;
        }
        self.places().filter_map(|place| self.deadline(place)).min()
    }

    /// The fields that are still there at `now_ms`, packed anew; how many are not.
    pub(crate) fn without_due(self, now_ms: u64) -> (Vec<u8>, usize) {
        let (mut kept, mut gone) = (HEAD.to_vec(), 0);
        for place in self.places() {
            if self.deadline(place).is_some_and(|deadline| deadline <= now_ms) {
                gone += 1;
            } else {
                kept.extend_from_slice(&self.bytes[place.at..place.end]);
            }
        }
        (kept, gone)
    }

    /// The same fields in form 1.
    pub(crate) fn with_deadlines(self) -> Vec<u8> {
        let mut all = HEAD.to_vec();
        for place in self.places() {
            all.extend_from_slice(&self.bytes[place.at..place.deadline]);
            pack::push_item::<false>(&mut all, Item::Number(0));
        }
        all
    }
}
