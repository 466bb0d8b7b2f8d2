//! Room: store. What typed calls did, as effects in bytes: what the append log keeps and replicas are fed. Touches: base.
//!
//! An effect says what is different afterwards, not what was asked and not how it is kept: it names members, fields and
//! positions, never bytes of a packed form, so that a store with other thresholds comes to the same data by it. Effects are
//! replayed once each, in order (`apply`). Nothing in a replay goes by itself: what expired, faded or was evicted is an effect
//! of its own, and deadlines are absolute.
//!
//! ```text
//! effects = { op, its parts }           op: a byte (`Op`), parts: numbers (LEB128), texts (length, bytes)
//! AT db key                             what follows is about this key
//! GROUP name, CONSUMER name seen        of the stream there, the same
//! ```
//!
//! A key is named once however much follows. When it goes, what was noted of it since it was named is taken back: a set that
//! is popped empty leaves one `REMOVE`. A rename is `LIFT` at one key and `SET_DOWN` at the other, so no value is written.
//! Ages are no effects, nor is when a consumer was seen last, unless something else is noted of it.
//!
//! Versions are given on demand, so entries have none after a replay; but `VERSIONS` keeps the store's counter, in strides,
//! from giving one out again that a client may still know.

mod apply;

pub use apply::BadEffects;

use crate::store::Store;
use crate::stream::Id;
use crate::{Deadline, Encoding};
use base::DbId;
use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// So many versions are given out for one effect.
pub(crate) const VERSIONS_STRIDE: u64 = 1 << 16;

macro_rules! ops {
    ($($name:ident = $code:literal),* $(,)?) => {
        /// What an effect is.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        #[allow(clippy::upper_case_acronyms)]
        pub(crate) enum Op { $($name = $code),* }

        impl Op {
            fn of(code: u8) -> Option<Op> {
                match code {
                    $($code => Some(Op::$name),)*
                    _ => None,
                }
            }
        }
    };
}

ops! {
    // The store.
    At = 1,
    Flush = 2,
    Swap = 3,
    Versions = 4,
    // Any entry. `Rdb`: how it is placed (`apply::placed`), the body.
    String = 0x10,
    Rdb = 0x11,
    Deadline = 0x12,
    Persist = 0x13,
    Flags = 0x14,
    Remove = 0x15,
    Append = 0x16,
    Prepend = 0x17,
    Patch = 0x18,
    Encoding = 0x19,
    Lift = 0x1a,
    SetDown = 0x1b,
    // Lists. `Cut`: so many at the head, so many at the tail. `Insert`: before this index. `ListRemove`: so many that are
    // equal, from the back or not.
    PushHead = 0x20,
    PushTail = 0x21,
    Cut = 0x22,
    ListSet = 0x23,
    Insert = 0x24,
    ListRemove = 0x25,
    // Sets. `Retain`: these alone stay.
    Add = 0x30,
    SetRemove = 0x31,
    Retain = 0x32,
    // Hashes. `Due`: all whose deadline is not after this goes.
    Put = 0x40,
    PutTimed = 0x41,
    HashRemove = 0x42,
    FieldDeadline = 0x43,
    FieldPersist = 0x44,
    Due = 0x45,
    // Sorted sets. `RemoveRanks`: first rank, how many.
    Score = 0x50,
    ZsetRemove = 0x51,
    RemoveRanks = 0x52,
    // Streams. `Drop`: so many entries at the front.
    Create = 0x60,
    Entry = 0x61,
    Drop = 0x62,
    Delete = 0x63,
    SetLast = 0x64,
    SetMaxDeleted = 0x65,
    SetAdded = 0x66,
    GroupCreate = 0x67,
    GroupDestroy = 0x68,
    Group = 0x69,
    GroupState = 0x6a,
    Consumer = 0x6b,
    Assign = 0x6c,
    Settle = 0x6d,
    Active = 0x6e,
    Dismiss = 0x6f,
}

/// A name that was written, and stands for what follows.
#[derive(Default)]
struct Standing {
    name: Vec<u8>,
    stands: bool,
}

impl Standing {
    /// True if it does not stand yet; from now on it does.
    fn stand(&mut self, name: &[u8]) -> bool {
        if self.stands && self.name == name {
            return false;
        }
        self.name.clear();
        self.name.extend_from_slice(name);
        self.stands = true;
        true
    }
}

/// Keys fall into so many places.
pub const PLACES: usize = 1 << 12;

/// Where a key falls: any two keys in one place are taken for the same by whoever asks what has changed.
#[inline]
pub fn place_of(db: DbId, key: &[u8]) -> u16 {
    (FixedState::with_seed(db.0.into()).hash_one(key) % PLACES as u64) as u16
}

/// What has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Changed {
    /// A key that falls here.
    Key(u16),
    /// Maybe all.
    All,
}

/// Effects that nobody has taken yet.
#[derive(Default)]
pub struct Journal {
    /// What they change, if that is asked for.
    changed: Option<Vec<Changed>>,
    bytes: Vec<u8>,
    db: DbId,
    /// The key of what is noted next, and whether it was written.
    key: Vec<u8>,
    written: bool,
    /// Where that began which goes with the key.
    body: usize,
    group: Standing,
    consumer: Standing,
}

impl Journal {
    /// What follows is about this key.
    #[inline]
    pub(crate) fn at(&mut self, db: DbId, key: &[u8]) -> &mut Journal {
        if self.db != db || self.key != key {
            self.db = db;
            self.key.clear();
            self.key.extend_from_slice(key);
            self.written = false;
        }
        self
    }

    /// Begins an effect on the key.
    fn op(&mut self, op: Op) -> &mut Journal {
        if !self.written {
            self.bytes.push(Op::At as u8);
            push_number(&mut self.bytes, u64::from(self.db.0));
            push_text(&mut self.bytes, &self.key);
            self.written = true;
            if let Some(changed) = &mut self.changed {
                changed.push(Changed::Key(place_of(self.db, &self.key)));
            }
            self.begin_body();
        }
        self.bytes.push(op as u8);
        self
    }

    /// What was noted so far stays, whatever becomes of the key.
    fn begin_body(&mut self) {
        self.body = self.bytes.len();
        self.group.stands = false;
        self.consumer.stands = false;
    }

    /// Begins an effect on the store.
    fn whole(&mut self, op: Op) -> &mut Journal {
        self.written = false;
        self.bytes.push(op as u8);
        self
    }

    fn number(&mut self, n: u64) -> &mut Journal {
        push_number(&mut self.bytes, n);
        self
    }

    fn signed(&mut self, n: i64) -> &mut Journal {
        self.number((n << 1 ^ n >> 63) as u64)
    }

    fn text(&mut self, text: &[u8]) -> &mut Journal {
        push_text(&mut self.bytes, text);
        self
    }

    fn id(&mut self, id: Id) -> &mut Journal {
        self.number(id.ms).number(id.seq)
    }

    pub(crate) fn flush(&mut self, db: DbId) {
        self.whole(Op::Flush).number(db.0.into());
        self.all_changed();
    }

    pub(crate) fn swap(&mut self, a: DbId, b: DbId) {
        self.whole(Op::Swap).number(a.0.into()).number(b.0.into());
        self.all_changed();
    }

    fn all_changed(&mut self) {
        if let Some(changed) = &mut self.changed {
            changed.push(Changed::All);
        }
    }

    pub(crate) fn versions(&mut self, up_to: u64) {
        self.whole(Op::Versions).number(up_to);
    }

    pub(crate) fn string(&mut self, value: &[u8], flags: u32, deadline: Option<u64>, encoding: Encoding) {
        let shape = encoding.form() | u8::from(deadline.is_some()) << 2 | u8::from(flags != 0) << 3;
        self.op(Op::String).bytes.push(shape);
        if let Some(deadline) = deadline {
            self.number(deadline);
        }
        if flags != 0 {
            self.number(flags.into());
        }
        self.text(value);
    }

    pub(crate) fn rdb(&mut self, placed: crate::rdb::Placed, body: &[u8]) {
        self.op(Op::Rdb).bytes.push(apply::placed_code(placed));
        self.text(body);
    }

    pub(crate) fn deadline(&mut self, deadline: Option<u64>) {
        match deadline {
            Some(at) => self.op(Op::Deadline).number(at),
            None => self.op(Op::Persist),
        };
    }

    pub(crate) fn flags(&mut self, flags: u32) {
        self.op(Op::Flags).number(flags.into());
    }

    /// What was noted of the key before does not matter any more.
    pub(crate) fn remove(&mut self) {
        if self.written {
            self.bytes.truncate(self.body);
            self.begin_body();
        }
        self.op(Op::Remove);
    }

    /// `op`: `Append` or `Prepend`.
    pub(crate) fn extended(&mut self, op: Op, text: &[u8], encoding: Encoding) {
        self.op(op).bytes.push(encoding.form());
        self.text(text);
    }

    pub(crate) fn patch(&mut self, offset: usize, patch: &[u8]) {
        self.op(Op::Patch).number(offset as u64).text(patch);
    }

    pub(crate) fn encoding(&mut self, encoding: Encoding) {
        self.op(Op::Encoding).bytes.push(encoding.form());
    }

    pub(crate) fn lift(&mut self) {
        self.op(Op::Lift);
        // It is needed elsewhere.
        self.begin_body();
    }

    pub(crate) fn set_down(&mut self) {
        self.op(Op::SetDown);
    }

    /// An effect that names one member, field or element.
    pub(crate) fn named(&mut self, op: Op, name: &[u8]) {
        self.op(op).text(name);
    }

    pub(crate) fn cut(&mut self, front: usize, back: usize) {
        self.op(Op::Cut).number(front as u64).number(back as u64);
    }

    /// `op`: `ListSet` or `Insert`.
    pub(crate) fn indexed(&mut self, op: Op, index: usize, text: &[u8]) {
        self.op(op).number(index as u64).text(text);
    }

    pub(crate) fn list_remove(&mut self, text: &[u8], count: usize, from_back: bool) {
        self.op(Op::ListRemove).number((count as u64) << 1 | u64::from(from_back)).text(text);
    }

    pub(crate) fn retain<'m>(&mut self, members: impl ExactSizeIterator<Item = &'m [u8]>) {
        self.op(Op::Retain).number(members.len() as u64);
        for member in members {
            self.text(member);
        }
    }

    /// `deadline`: what the field has now.
    pub(crate) fn put(&mut self, field: &[u8], value: &[u8], deadline: Option<u64>) {
        match deadline {
            None => self.op(Op::Put),
            Some(at) => self.op(Op::PutTimed).number(at),
        };
        self.text(field).text(value);
    }

    pub(crate) fn field_deadline(&mut self, field: &[u8], deadline: Option<u64>) {
        match deadline {
            Some(at) => self.op(Op::FieldDeadline).number(at),
            None => self.op(Op::FieldPersist),
        };
        self.text(field);
    }

    pub(crate) fn due(&mut self, now_ms: u64) {
        self.op(Op::Due).number(now_ms);
    }

    pub(crate) fn score(&mut self, member: &[u8], score: f64) {
        self.op(Op::Score).bytes.extend_from_slice(&score.to_le_bytes());
        self.text(member);
    }

    pub(crate) fn remove_ranks(&mut self, from: usize, count: usize) {
        self.op(Op::RemoveRanks).number(from as u64).number(count as u64);
    }

    pub(crate) fn create_stream(&mut self) {
        self.op(Op::Create);
    }

    pub(crate) fn entry<'w>(&mut self, id: Id, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        self.op(Op::Entry).id(id).number(words.len() as u64);
        for word in words {
            self.text(word);
        }
    }

    pub(crate) fn drop_entries(&mut self, count: u64) {
        self.op(Op::Drop).number(count);
    }

    /// `op`: `Delete`, `SetLast` or `SetMaxDeleted`.
    pub(crate) fn of_id(&mut self, op: Op, id: Id) {
        self.op(op).id(id);
    }

    pub(crate) fn set_added(&mut self, added: u64) {
        self.op(Op::SetAdded).number(added);
    }

    pub(crate) fn create_group(&mut self, name: &[u8], last: Id, read: i64) {
        self.op(Op::GroupCreate).text(name).id(last).signed(read);
    }

    pub(crate) fn destroy_group(&mut self, name: &[u8]) {
        self.op(Op::GroupDestroy).text(name);
        self.group.stands = false;
        self.consumer.stands = false;
    }

    /// What follows is about this group.
    fn group(&mut self, name: &[u8]) {
        if !self.written || self.group.name != name || !self.group.stands {
            self.op(Op::Group).text(name);
            self.group.stand(name);
            self.consumer.stands = false;
        }
    }

    pub(crate) fn group_state(&mut self, group: &[u8], last: Id, read: i64) {
        self.group(group);
        self.op(Op::GroupState).id(last).signed(read);
    }

    /// What follows is about this consumer, which is there from now on.
    pub(crate) fn consumer(&mut self, group: &[u8], consumer: &[u8], seen_ms: i64) {
        self.group(group);
        if self.consumer.stand(consumer) {
            self.op(Op::Consumer).text(consumer).signed(seen_ms);
        }
    }

    /// To be called after `consumer`.
    pub(crate) fn assign(&mut self, id: Id, delivered_ms: i64, deliveries: u64) {
        self.op(Op::Assign).id(id).signed(delivered_ms).number(deliveries);
    }

    /// To be called after `consumer`.
    pub(crate) fn active(&mut self, ms: i64) {
        self.op(Op::Active).signed(ms);
    }

    pub(crate) fn settle(&mut self, group: &[u8], id: Id) {
        self.group(group);
        self.op(Op::Settle).id(id);
    }

    pub(crate) fn dismiss(&mut self, group: &[u8], consumer: &[u8], count: usize, gone: bool) {
        self.group(group);
        self.op(Op::Dismiss).number((count as u64) << 1 | u64::from(gone)).text(consumer);
        self.consumer.stands = false;
    }
}

fn push_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    push_number(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// The deadline that a write leaves, for an effect that says all.
pub(crate) fn resolved(deadline: Deadline, now: impl FnOnce() -> Option<u64>) -> Option<u64> {
    match deadline {
        Deadline::None => None,
        Deadline::At(at) => Some(at),
        Deadline::Keep => now(),
    }
}

impl Store {
    /// From now on what is done is noted, until `end_journal`. Whoever begins must take what is noted (`take_effects`).
    pub fn begin_journal(&mut self) {
        self.journal = Some(Box::default());
        self.versions_noted = 0;
        if self.last_version() > 0 {
            self.note_versions();
        }
    }

    /// What is noted and not taken is lost.
    pub fn end_journal(&mut self) {
        self.journal = None;
    }

    pub fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// Whether something was noted that nobody has taken.
    #[inline]
    pub fn has_effects(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| !journal.bytes.is_empty())
    }

    /// Whether it is told what effects change (`take_changed`).
    pub fn tell_changed(&mut self, tells: bool) {
        if let Some(journal) = &mut self.journal {
            journal.changed = tells.then(Vec::new);
        }
    }

    /// What was changed since the last call.
    pub fn take_changed(&mut self, mut visit: impl FnMut(Changed)) {
        if let Some(changed) = self.journal.as_mut().and_then(|journal| journal.changed.as_mut()) {
            changed.drain(..).for_each(&mut visit);
        }
    }

    /// Appends to `out` what was noted since the last call.
    pub fn take_effects(&mut self, out: &mut Vec<u8>) {
        /// Room that is kept for what comes next.
        const KEPT_BYTES: usize = 1 << 16;
        if let Some(journal) = &mut self.journal {
            if out.is_empty() && journal.bytes.len() > KEPT_BYTES {
                *out = std::mem::take(&mut journal.bytes);
            } else {
                out.append(&mut journal.bytes);
            }
            journal.written = false;
        }
    }

    /// Versions up to a stride from now may be given out.
    #[cold]
    pub(crate) fn note_versions(&mut self) {
        let last = self.last_version();
        if let Some(journal) = &mut self.journal {
            self.versions_noted = last + VERSIONS_STRIDE;
            journal.versions(self.versions_noted);
        }
    }
}
