//! Room: store. A hash: small ones packed in their entry, large ones in a table of their own; deadlines of their fields.
//! Touches: nothing beyond this crate.
//!
//! Fields with deadlines cost the others nothing. A small hash changes to form 1 (`packed`), where each field has its
//! deadline behind it. In a table the field's entry has it, and an index in order of time (`Timed`) says which come next. Either way
//! the store's second timing wheel has one timer a hash, for the earliest of its fields.
//!
//! Who looks a key up sees no field whose time has come: up to `DUE_AT_ONCE` are removed by the lookup itself. Should more have
//! come at the same time, reads pass over the rest, which `Store::expire` removes in steps; what counts fields asks
//! `Fields::is_settled` first.

mod packed;
mod place;

pub(crate) use packed::{HEAD_BYTES, Packed, TIMED, head, timer};
pub use place::HashCell;

use crate::cell::{Body, Entry};
use crate::members::{Member, Members};
use crate::needle::Needle;
use crate::object::{Held, Object};
use crate::pack::{self, Digits};
use crate::rng::Rng;
use crate::table::{Ground, Spot};
use crate::{Deadline, Kind};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Fields that a lookup removes itself: some 100 µs.
pub const DUE_AT_ONCE: usize = 512;
/// A drawn field that is due and not removed yet is drawn again, up to so often.
const DRAWS_OF_DUE: usize = 1_000;
/// About what one element of an ordered set takes: 16 bytes in nodes of 11 that are three quarters full.
const INDEX_BYTES: usize = 24;

/// A field's name or value as it is read.
#[derive(Clone, Copy)]
pub enum Text<'a> {
    Bytes(&'a [u8]),
    Number(i64),
    /// Large: a reply may share it.
    Shared(&'a Bytes),
}

impl<'a> Text<'a> {
    /// As bytes; a number is written into `digits`.
    #[inline]
    pub fn bytes<'b>(self, digits: &'b mut Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Text::Bytes(bytes) => bytes,
            Text::Number(n) => pack::write_number(n, digits),
            Text::Shared(bytes) => bytes,
        }
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut [0; 20]).to_vec()
    }

    pub fn len(self) -> usize {
        self.bytes(&mut [0; 20]).len()
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn value(member: Member<'a>) -> Text<'a> {
        match member.shared() {
            Some(shared) => Text::Shared(shared),
            None => Text::Bytes(member.value()),
        }
    }
}

/// Deadlines of a large hash's fields.
struct Timed {
    /// Deadline and hash of the field's name. Two fields with the same of both share one.
    index: BTreeSet<(u64, u64)>,
    /// The timer and its time.
    timer: Option<(u64, u32)>,
}

/// A large hash.
pub struct Hash {
    members: Members,
    /// The thresholds would have it packed, it is only too long for that.
    listed: bool,
    timed: Option<Box<Timed>>,
}

impl Hash {
    pub(crate) fn members_mut(&mut self) -> &mut Members {
        &mut self.members
    }

    pub fn new(ground: &mut Ground) -> Hash {
        Hash { members: Members::new(ground), listed: false, timed: None }
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// As `Object::encoding`.
    pub fn encoding(&self) -> &'static str {
        match (self.listed, &self.timed) {
            (false, _) => "hashtable",
            (true, None) => "listpack",
            (true, Some(_)) => "listpackex",
        }
    }

    /// As `Object::apart_bytes`.
    pub fn apart_bytes(&self) -> usize {
        let timed = self.timed.as_ref().map_or(0, |timed| size_of::<Timed>() + timed.index.len() * INDEX_BYTES);
        self.members.apart_bytes() + timed
    }

    /// As `Object::allocated`.
    pub fn allocated(&self) -> usize {
        self.members.allocated() + self.apart_bytes() - self.members.apart_bytes()
    }

    /// As `Object::weight`.
    pub fn weight(&self) -> usize {
        self.members.len() + self.timed.as_ref().map_or(0, |timed| timed.index.len())
    }

    /// As `Object::bury`.
    pub fn bury(&mut self, ground: &mut Ground, units: usize) -> bool {
        if let Some(timed) = &mut self.timed {
            for _ in 0..units {
                if timed.index.pop_last().is_none() {
                    self.timed = None;
                    break;
                }
            }
            if self.timed.is_some() {
                return true;
            }
        }
        self.members.bury(ground, units)
    }

    /// As `Object::verify`.
    pub(crate) fn verify(&self, ground: &Ground, held: &mut Held) {
        let mut deadlines = BTreeSet::new();
        self.members.verify(ground, held, |raw| {
            if let Some(deadline) = raw.deadline() {
                deadlines.insert((deadline, ground.keyed.hash(raw.key())));
            }
        });
        match &self.timed {
            Some(timed) => {
                assert_eq!(timed.index, deadlines, "the index of a hash has the deadlines of its fields");
                let first = timed.index.first().map(|&(deadline, _)| deadline);
                assert_eq!(timed.timer.map(|(when, _)| when), first, "a hash's timer is for its first deadline");
            }
            None => assert!(deadlines.is_empty(), "deadlines are indexed"),
        }
    }

    /// The time of the next field to go, and its timer.
    #[inline]
    pub(crate) fn timer(&self) -> Option<(u64, u32)> {
        self.timed.as_ref().and_then(|timed| timed.timer)
    }

    pub(crate) fn set_timer(&mut self, timer: Option<(u64, u32)>) {
        match &mut self.timed {
            Some(timed) => timed.timer = timer,
            None => assert!(timer.is_none(), "only deadlines have a timer"),
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.timed.as_ref().and_then(|timed| timed.index.first()).map(|&(deadline, _)| deadline)
    }

    /// Whether no field is left at `now_ms`.
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        self.timed.as_ref().is_some_and(|timed| {
            timed.index.len() == self.members.len() && timed.index.last().is_some_and(|&(last, _)| last <= now_ms)
        })
    }

    #[inline]
    fn get(&self, ground: &Ground, field: &[u8], now_ms: u64) -> Option<Member<'_>> {
        self.members.get(ground, field).filter(|member| member.deadline().is_none_or(|deadline| deadline > now_ms))
    }

    /// Sets a field. True if it is new.
    fn put(&mut self, ground: &mut Ground, field: &[u8], value: &[u8], deadline: Deadline, now_ms: u64) -> bool {
        let Some(mut spot) = self.members.find(ground, field) else {
            let spot = self.members.insert(ground, field, value);
            if let Deadline::At(at) = deadline {
                self.set_deadline(ground, spot, Some(at));
            }
            return true;
        };
        let before = self.members.at(spot).deadline();
        if before.is_some_and(|deadline| deadline <= now_ms) {
            // It is not there any more.
            self.remove(ground, spot);
            spot = self.members.insert(ground, field, value);
            if let Deadline::At(at) = deadline {
                self.set_deadline(ground, spot, Some(at));
            }
            return true;
        }
        let after = match deadline {
            Deadline::None => None,
            Deadline::Keep => before,
            Deadline::At(at) => Some(at),
        };
        if before != after {
            self.index(ground, ground.keyed.hash(field), before, after, spot);
        }
        self.members.replace(ground, spot, value, deadline);
        false
    }

    fn set_deadline(&mut self, ground: &mut Ground, spot: Spot, deadline: Option<u64>) {
        let member = self.members.at(spot);
        let before = member.deadline();
        if before == deadline {
            return;
        }
        let hash = ground.keyed.hash(member.name());
        self.index(ground, hash, before, deadline, spot);
        self.members.set_deadline(ground, spot, deadline);
    }

    fn remove(&mut self, ground: &mut Ground, spot: Spot) {
        let member = self.members.at(spot);
        if let Some(before) = member.deadline() {
            let hash = ground.keyed.hash(member.name());
            self.index(ground, hash, Some(before), None, spot);
        }
        self.members.remove(ground, spot);
    }

    /// Brings the index from one deadline of a field to the next. `hash`: of its name.
    #[cold]
    fn index(&mut self, ground: &Ground, hash: u64, before: Option<u64>, after: Option<u64>, spot: Spot) {
        let timed = self.timed.get_or_insert_with(|| Box::new(Timed { index: BTreeSet::new(), timer: None }));
        if let Some(before) = before
            && !self.members.has_other_timed(ground, hash, spot, before)
        {
            timed.index.remove(&(before, hash));
        }
        if let Some(after) = after {
            timed.index.insert((after, hash));
        }
    }

    /// Removes fields whose time has come, at most `max`; how many there were.
    pub(crate) fn remove_due(&mut self, ground: &mut Ground, now_ms: u64, max: usize) -> usize {
        let mut gone = 0;
        while gone < max {
            let Some(&(deadline, hash)) = self.timed.as_ref().and_then(|timed| timed.index.first()) else { break };
            if deadline > now_ms {
                break;
            }
            let spot = self.members.find_timed(ground, hash, deadline).expect("the index has fields that are there");
            self.remove(ground, spot);
            gone += 1;
        }
        gone
    }

    /// What a packed hash was, unpacked.
    fn unpack(ground: &mut Ground, packed: Packed<'_>) -> Hash {
        let mut hash = Hash::new(ground);
        let (mut name, mut digits) = ([0; 20], [0; 20]);
        for place in packed.places() {
            let field = packed.text(place.at).bytes(&mut name);
            let value = packed.text(place.value).bytes(&mut digits);
            let spot = hash.members.insert(ground, field, value);
            if let Some(deadline) = packed.deadline(place) {
                hash.set_deadline(ground, spot, Some(deadline));
            }
        }
        hash
    }
}

/// A hash's fields as they are read.
#[derive(Clone, Copy)]
pub enum Fields<'a> {
    Packed(Packed<'a>),
    /// The moment at which it is read: what is due by then is not seen.
    Object(&'a Hash, &'a Ground, u64),
}

impl<'a> Entry<'a> {
    /// The fields at `now_ms`, if it is a hash.
    #[inline]
    pub fn fields(self, now_ms: u64) -> Option<Fields<'a>> {
        match self.body() {
            Body::Packed { kind: Kind::Hash, form, bytes } => Some(Fields::Packed(Packed::new(form, bytes))),
            Body::Object(Object::Hash(hash)) => Some(Fields::Object(hash, self.ground(), now_ms)),
            _ => None,
        }
    }
}

impl<'a> Fields<'a> {
    #[inline]
    pub fn get(self, field: &[u8]) -> Option<Text<'a>> {
        match self {
            Fields::Packed(packed) => packed.find(&Needle::new(field)).ok().map(|place| packed.text(place.value)),
            Fields::Object(hash, ground, now_ms) => hash.get(ground, field, now_ms).map(Text::value),
        }
    }

    #[inline]
    pub fn has(self, field: &[u8]) -> bool {
        match self {
            Fields::Packed(packed) => packed.find(&Needle::new(field)).is_ok(),
            Fields::Object(hash, ground, now_ms) => hash.get(ground, field, now_ms).is_some(),
        }
    }

    /// A field's deadline (Unix ms, or none), if there is the field.
    pub fn deadline(self, field: &[u8]) -> Option<Option<u64>> {
        match self {
            Fields::Packed(packed) => packed.find(&Needle::new(field)).ok().map(|place| packed.deadline(place)),
            Fields::Object(hash, ground, now_ms) => hash.get(ground, field, now_ms).map(Member::deadline),
        }
    }

    /// How many there are; fields that are due and not removed yet count (`is_settled`).
    pub fn len(self) -> usize {
        match self {
            Fields::Packed(packed) => packed.len(),
            Fields::Object(hash, ..) => hash.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether no field is due that is not removed yet: else `len` counts too many, and only `scan` tells how many there are.
    #[inline]
    pub fn is_settled(self) -> bool {
        match self {
            Fields::Packed(_) => true,
            Fields::Object(hash, _, now_ms) => hash.next_deadline().is_none_or(|next| next > now_ms),
        }
    }

    /// Small: `scan` visits all at once, in the order in which they were added.
    pub fn is_packed(self) -> bool {
        matches!(self, Fields::Packed(_))
    }

    /// Visits fields with values and deadlines from `cursor` on (0 starts), about `count`. The next cursor, 0 at the end. Fields
    /// that stay are visited once, as `Store::scan` does.
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Text<'_>, Text<'_>, Option<u64>)) -> u64 {
        match self {
            Fields::Packed(packed) => {
                for place in packed.places() {
                    visit(packed.text(place.at), packed.text(place.value), packed.deadline(place));
                }
                0
            }
            Fields::Object(hash, ground, now_ms) => hash.members.scan(ground, cursor, count, |member| {
                let deadline = member.deadline();
                if deadline.is_none_or(|deadline| deadline > now_ms) {
                    visit(Text::Bytes(member.name()), Text::value(member), deadline);
                }
            }),
        }
    }

    /// Where each field lies, to draw several from a packed hash.
    fn starts(packed: Packed<'a>) -> Vec<(usize, usize)> {
        packed.places().map(|place| (place.at, place.value)).collect()
    }

    /// `count` fields drawn at random, each from all of them. Of settled fields, of which there is at least one.
    pub fn draw(self, rng: &mut Rng, count: usize, mut visit: impl FnMut(Text<'_>, Text<'_>)) {
        match self {
            Fields::Packed(packed) if count == 1 => {
                let chosen = rng.below(packed.len() as u64) as usize;
                let place = packed.places().nth(chosen).expect("below their number");
                visit(packed.text(place.at), packed.text(place.value));
            }
            Fields::Packed(packed) => {
                let starts = Fields::starts(packed);
                for _ in 0..count {
                    let (at, value) = starts[rng.below(starts.len() as u64) as usize];
                    visit(packed.text(at), packed.text(value));
                }
            }
            Fields::Object(hash, ground, now_ms) => {
                for _ in 0..count {
                    let mut draw = || hash.members.draw(ground, rng).expect("callers have seen that it is not empty");
                    let mut member = hash.members.at(draw());
                    for _ in 0..DRAWS_OF_DUE {
                        if member.deadline().is_none_or(|deadline| deadline > now_ms) {
                            break;
                        }
                        member = hash.members.at(draw());
                    }
                    visit(Text::Bytes(member.name()), Text::value(member));
                }
            }
        }
    }
}
