//! Room: store. One key's place, read and written. Touches: base.

use crate::entry::{Content, Facts, Owned, PACKED_BYTES_MAX, Ref};
use crate::heap::Heap;
use crate::journal::{Journal, Op, resolved};
use crate::object::Object;
use crate::rng::Rng;
use crate::store::Store;
use crate::table::{Ground, Spot};
use crate::{Deadline, Encoding, Kind, Packing, Portable, Put, Value, age};
use bytes::Bytes;
use std::ptr::NonNull;

/// What a table slot costs at the usual load, and a node of the deadline index.
const SLOT_BYTES: usize = 10;
const NODE_BYTES: usize = 24;

/// A live entry, borrowed. Never expired.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    raw: Ref<'a>,
    store: &'a Store,
}

/// What an entry holds.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    String(&'a [u8]),
    /// A small collection: its elements in `bytes` (`pack`, or what its kind packs), `form` 0 to 2 as its kind means it.
    Packed {
        kind: Kind,
        form: u8,
        bytes: &'a [u8],
    },
    Object(&'a Object),
}

/// An entry taken out of its place, to be set down in another of the same store.
pub struct Lifted {
    kind: Kind,
    form: u8,
    content: LiftedContent,
    flags: u32,
    pub deadline: Option<u64>,
}

enum LiftedContent {
    /// A string's, shared or copied; a packed collection's.
    Bytes(Bytes),
    Object(Box<Object>),
}

impl Lifted {
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl<'a> Entry<'a> {
    #[inline]
    pub(crate) fn new(raw: Ref<'a>, store: &'a Store) -> Entry<'a> {
        Entry { raw, store }
    }

    pub(crate) fn raw(self) -> Ref<'a> {
        self.raw
    }

    #[inline]
    pub fn is_string(self) -> bool {
        self.raw.is_string()
    }

    #[inline]
    pub fn body(self) -> Body<'a> {
        match self.raw.object() {
            Some(object) => Body::Object(object),
            None if self.raw.is_string() => Body::String(self.raw.value()),
            None => Body::Packed { kind: self.raw.kind(), form: self.raw.form(), bytes: self.raw.value() },
        }
    }

    /// What objects are read with.
    pub fn ground(self) -> &'a Ground {
        &self.store.ground
    }

    pub fn kind(self) -> Kind {
        self.raw.kind()
    }

    #[inline]
    pub fn value(self) -> Value<'a> {
        match self.raw.shared() {
            Some(shared) => Value::Shared(shared),
            None => Value::Inline(self.raw.value()),
        }
    }

    /// The value's bytes wherever they lie.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.raw.value()
    }

    #[inline]
    pub fn flags(self) -> u32 {
        self.raw.flags()
    }

    /// Unix ms.
    pub fn deadline(self) -> Option<u64> {
        self.raw.deadline()
    }

    pub fn encoding(self) -> Encoding {
        self.raw.encoding()
    }

    /// None while nobody asked for one.
    pub fn version(self) -> Option<u64> {
        self.raw.version()
    }

    /// OBJECT IDLETIME, to 100 ms. Means something under LRU policies (and without a policy).
    pub fn idle_ms(self, now_ms: u64) -> u64 {
        age::idle_ms(self.raw.age(), now_ms)
    }

    /// OBJECT FREQ: the decayed LFU counter. Means something under LFU policies.
    pub fn frequency(self, now_ms: u64) -> u8 {
        age::frequency(self.store.tuning.lfu_decay_minutes, self.raw.age(), now_ms)
    }

    /// Read at least once since it was stored (memcached's `expired_unfetched`, `evicted_unfetched`).
    pub fn fetched(self) -> bool {
        self.raw.fetched()
    }

    /// A large string is shared, not copied; a collection is written as `rdb` does.
    pub fn portable(self) -> Portable {
        let (value, encoding) = match self.body() {
            Body::String(bytes) => {
                let shared = self.raw.shared().cloned();
                (shared.unwrap_or_else(|| Bytes::copy_from_slice(bytes)), self.encoding())
            }
            _ => (self.rdb().into(), self.form()),
        };
        Portable { kind: self.kind(), value, flags: self.flags(), deadline: self.deadline(), encoding }
    }

    /// MEMORY USAGE: the entry's allocations, its share of the table, its node in the deadline index.
    pub fn allocated(self) -> usize {
        self.raw.allocated() + SLOT_BYTES + usize::from(self.deadline().is_some()) * NODE_BYTES
    }
}

/// The place of one key: looked up once, then read, written or removed without another search.
pub struct Cell<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) table: u16,
    pub(crate) hash: u64,
    pub(crate) key: &'a [u8],
    pub(crate) spot: Option<Spot>,
    pub(crate) now_ms: u64,
}

impl Cell<'_> {
    #[inline]
    pub fn entry(&self) -> Option<Entry<'_>> {
        self.spot.map(|spot| self.store.entry(self.table, spot))
    }

    /// Renews the age (LRU clock or LFU counter), marks the entry as fetched.
    #[inline]
    pub fn touch(&mut self) {
        if let Some(spot) = self.spot {
            self.store.touch(self.table, spot, self.now_ms);
        }
    }

    /// RESTORE IDLETIME: as if the entry was last used so long ago. Nothing happens under LFU policies.
    pub fn set_idle_ms(&mut self, idle_ms: u64) {
        self.set_age(age::idle(&self.store.tuning, idle_ms, self.now_ms));
    }

    /// RESTORE FREQ: the LFU counter. Nothing happens under other policies.
    pub fn set_frequency(&mut self, frequency: u8) {
        self.set_age(age::frequent(&self.store.tuning, frequency, self.now_ms));
    }

    /// Notes an effect on this key.
    #[inline]
    pub(crate) fn note(&mut self, note: impl FnOnce(&mut Journal)) {
        if let Some(journal) = &mut self.store.journal {
            let db = self.store.places[self.table as usize].db.expect("cells are of databases");
            note(journal.at(db, self.key));
        }
    }

    /// Takes the journal away, ready for effects on this key: who does what is one effect as a whole, or notes it while the
    /// store is lent, gives it back by `give_journal`.
    #[inline]
    pub(crate) fn take_journal(&mut self) -> Option<Box<Journal>> {
        let mut journal = self.store.journal.take()?;
        let db = self.store.places[self.table as usize].db.expect("cells are of databases");
        journal.at(db, self.key);
        Some(journal)
    }

    #[inline]
    pub(crate) fn give_journal(&mut self, journal: Option<Box<Journal>>) {
        if journal.is_some() {
            self.store.journal = journal;
            self.store.renote_versions();
        }
    }

    pub(crate) fn set_age(&mut self, age: Option<u64>) {
        if let (Some(spot), Some(age)) = (self.spot, age) {
            self.store.places[self.table as usize].table.entry_mut(spot).set_age(age, false);
        }
    }

    /// Creates or replaces; a version, if the entry has one, moves on.
    #[inline]
    pub fn put(&mut self, value: &[u8], put: Put) {
        self.write(Content::copied(value), put);
        self.note_string(value, put);
    }

    #[inline]
    fn note_string(&mut self, value: &[u8], put: Put) {
        if self.store.journal.is_some() {
            let deadline = resolved(put.deadline, || self.entry().and_then(Entry::deadline));
            self.note(|journal| journal.string(value, put.flags, deadline, put.encoding));
        }
    }

    /// Creates or replaces everything. A large value is kept as it is: one that is part of something larger (a receive
    /// buffer) should be copied by the caller, or it holds all of that.
    pub fn put_portable(&mut self, portable: Portable) {
        if portable.kind != Kind::String {
            self.put_rdb(&portable.value, portable.placed()).expect("what a store has written can be read");
            self.set_deadline(portable.deadline);
            return;
        }
        let deadline = portable.deadline.map_or(Deadline::None, Deadline::At);
        self.put_lent(&portable.value, Put { deadline, flags: portable.flags, encoding: portable.encoding });
    }

    /// As `put`; a large value is kept as it is.
    pub(crate) fn put_lent(&mut self, value: &Bytes, put: Put) {
        self.write(Content::lent(value), put);
        self.note_string(value, put);
    }

    fn write(&mut self, content: Content<'_>, put: Put) {
        if !self.write_over(&content, &put) {
            self.write_as(Kind::String, put.encoding.form(), content, put);
        }
    }

    /// Over a plain string of the same length, what most writes find, only the bytes are written. False: it is not so.
    #[inline]
    fn write_over(&mut self, content: &Content<'_>, put: &Put) -> bool {
        let (Some(spot), Content::Inline(value)) = (self.spot, content) else { return false };
        // An image must have the entry first, and sets marks.
        let imaged = self.store.image.is_some() || self.store.remarking.is_some();
        if put.flags != 0 || matches!(put.deadline, Deadline::At(_)) || imaged {
            return false;
        }
        let mut entry = self.store.places[self.table as usize].table.entry_mut(spot);
        let age = age::replaced(&self.store.tuning, entry.as_ref().age(), self.now_ms);
        entry.put_over(value, put.encoding.form(), age)
    }

    fn write_as(&mut self, kind: Kind, form: u8, content: Content<'_>, put: Put) {
        if self.entry().is_some_and(|entry| !entry.is_string()) {
            self.bury_object();
        }
        let Cell { ref mut store, table, hash, key, spot, now_ms } = *self;
        let old = spot.map(|spot| store.places[table as usize].table.entry(spot));
        let old_deadline = old.and_then(|raw| raw.deadline().zip(raw.node()));
        let has_version = old.is_some_and(|raw| raw.version().is_some());
        let age = match old {
            Some(raw) => age::replaced(&store.tuning, raw.age(), now_ms),
            None => age::new(&store.tuning, now_ms),
        };
        let deadline = match put.deadline {
            Deadline::None => None,
            Deadline::Keep => old_deadline.map(|(deadline, _)| deadline),
            Deadline::At(at) => Some(at),
        };
        let facts = Facts {
            key,
            content,
            age,
            kind,
            form,
            deadline: store.move_deadline(table, hash, old_deadline, deadline, now_ms),
            version: has_version.then(|| store.next_version()),
            flags: put.flags,
            fetched: false,
        };
        match spot {
            Some(_) => self.change(|entry, heap| entry.rebuild(heap, facts)),
            None => {
                let entry = Owned::build(&mut store.ground.heap, facts);
                store.apart_bytes += entry.get().apart_bytes();
                self.spot = Some(store.places[table as usize].table.insert(&mut store.ground, hash, entry));
            }
        }
    }

    /// The object of the entry, if it is one, goes; the entry is to be freed or to be given another content next.
    fn bury_object(&mut self) {
        if let Some(spot) = self.spot {
            self.store.part_with_object(self.table, spot);
        }
    }

    /// The entry is about to change: an image that runs may have to write it first.
    #[inline]
    fn before_change(&mut self) {
        if self.store.image.is_some()
            && let Some(spot) = self.spot
        {
            self.store.image_first(self.table, spot);
        }
    }

    // Collections.

    #[inline]
    pub fn kind(&self) -> Option<Kind> {
        self.entry().map(Entry::kind)
    }

    #[inline]
    pub fn body(&self) -> Option<Body<'_>> {
        self.entry().map(Entry::body)
    }

    pub fn packing(&self) -> Packing {
        self.store.tuning.packing
    }

    /// What objects are made with.
    pub fn ground(&mut self) -> &mut Ground {
        &mut self.store.ground
    }

    pub fn rng(&mut self) -> &mut Rng {
        &mut self.store.rng
    }

    /// Creates or replaces everything with a packed collection: at most `PACKED_BYTES_MAX`.
    pub fn put_packed(&mut self, kind: Kind, form: u8, bytes: &[u8], deadline: Deadline) {
        assert!(bytes.len() <= PACKED_BYTES_MAX && kind != Kind::String && form < 3);
        self.write_as(kind, form, Content::Inline(bytes), Put { deadline, ..Put::default() });
    }

    /// Replaces bytes `from..to` of a packed collection, which must be here, with `with`. The result is at most
    /// `PACKED_BYTES_MAX`.
    pub fn splice(&mut self, from: usize, to: usize, with: &[u8]) {
        self.change(|entry, heap| entry.splice(heap, from, to, with));
        self.renew_version();
    }

    /// Overwrites some bytes of a packed collection, which must be here. The version stays: for what goes with a `splice`.
    pub fn overwrite_packed(&mut self, at: usize, bytes: &[u8]) {
        self.before_change();
        let spot = self.spot.expect("callers change what exists");
        self.store.places[self.table as usize].table.entry_mut(spot).patch(at, bytes);
    }

    /// What a packed collection is called.
    pub fn set_form(&mut self, form: u8) {
        self.before_change();
        let spot = self.spot.expect("callers change what exists");
        assert!(form < 3);
        self.store.places[self.table as usize].table.entry_mut(spot).set_form(form);
    }

    /// Creates or replaces everything with an object.
    pub fn put_object(&mut self, object: Box<Object>, deadline: Deadline) {
        let kind = object.kind();
        let object = NonNull::from(Box::leak(object));
        self.write_as(kind, 0, Content::Object(object), Put { deadline, ..Put::default() });
    }

    /// The object that is here and what it is read with.
    #[inline]
    pub fn object(&self) -> Option<(&Object, &Ground)> {
        let spot = self.spot?;
        let object = self.store.places[self.table as usize].table.entry(spot).object()?;
        Some((object, &self.store.ground))
    }

    /// Lets `change` work on the object that is here. The version moves on.
    pub fn change_object<R>(&mut self, change: impl FnOnce(&mut Object, &mut Ground, &mut Rng) -> R) -> R {
        self.before_change();
        let spot = self.spot.expect("callers change what exists");
        let Store { places, ground, apart_bytes, rng, .. } = &mut *self.store;
        let mut raw = places[self.table as usize].table.entry_mut(spot);
        let object = raw.object_mut().expect("callers have seen that it is an object");
        *apart_bytes -= object.apart_bytes();
        let result = change(object, ground, rng);
        *apart_bytes += object.apart_bytes();
        self.renew_version();
        result
    }

    /// Takes the entry out of its place, without copying a collection.
    pub fn lift(&mut self) -> Option<Lifted> {
        self.before_change();
        let spot = self.spot.take()?;
        self.note(Journal::lift);
        let table = &mut self.store.places[self.table as usize].table;
        let raw = table.entry(spot);
        let (kind, form, flags, deadline) = (raw.kind(), raw.form(), raw.flags(), raw.deadline());
        self.store.apart_bytes -= raw.apart_bytes();
        self.store.forget_deadline(self.table, spot);
        self.store.forget_field_timer(self.table, spot);
        let Store { places, ground, .. } = &mut *self.store;
        let mut entry = places[self.table as usize].table.remove(ground, spot);
        let object = entry.get_mut().take_object();
        let content = match object {
            Some(object) => {
                entry.free(&mut ground.heap);
                LiftedContent::Object(object)
            }
            None => LiftedContent::Bytes(entry.into_value(&mut ground.heap)),
        };
        Some(Lifted { kind, form, content, flags, deadline })
    }

    /// Creates or replaces everything with what was lifted elsewhere in this store.
    pub fn set_down(&mut self, lifted: Lifted) {
        let Lifted { kind, form, content, flags, deadline } = lifted;
        let deadline = deadline.map_or(Deadline::None, Deadline::At);
        let put = Put { deadline, flags, encoding: Encoding::Auto };
        match content {
            LiftedContent::Object(object) => {
                let object = NonNull::from(Box::leak(object));
                self.write_as(kind, 0, Content::Object(object), put);
            }
            LiftedContent::Bytes(bytes) if kind == Kind::String => {
                self.write_as(kind, form, Content::lent(&bytes), put)
            }
            LiftedContent::Bytes(bytes) => self.write_as(kind, form, Content::Inline(&bytes), put),
        }
        self.set_field_timer();
        self.note(Journal::set_down);
    }

    /// Frees what was lifted and is not needed any more.
    pub(crate) fn bury(&mut self, lifted: Lifted) {
        if let LiftedContent::Object(object) = lifted.content {
            self.store.apart_bytes += object.apart_bytes();
            self.store.bury_object(object);
        }
    }

    /// Of a hash: brings its timer to the next of its fields' deadlines.
    pub(crate) fn set_field_timer(&mut self) {
        if let Some(spot) = self.spot {
            self.store.set_field_timer(self.table, self.hash, spot, self.now_ms);
        }
    }

    /// Lets `change` have the entry, which must exist, and keeps the count of what is apart from entries.
    #[inline]
    fn change(&mut self, change: impl FnOnce(Owned, &mut Heap) -> Owned) {
        self.before_change();
        let Store { places, ground, apart_bytes, .. } = &mut *self.store;
        let spot = self.spot.expect("callers change what exists");
        places[self.table as usize].table.update(spot, |entry| {
            *apart_bytes -= entry.get().apart_bytes();
            let entry = change(entry, &mut ground.heap);
            *apart_bytes += entry.get().apart_bytes();
            entry
        });
    }

    /// Appends in place; deadline and flags stay. Without an entry, as `put`. The new length.
    pub fn append(&mut self, suffix: &[u8], encoding: Encoding) -> usize {
        let len = self.edit(suffix, encoding, |entry, heap| entry.append(heap, suffix));
        self.note(|journal| journal.extended(Op::Append, suffix, encoding));
        len
    }

    /// Puts `prefix` before the value; else as `append`.
    pub fn prepend(&mut self, prefix: &[u8], encoding: Encoding) -> usize {
        let len = self.edit(prefix, encoding, |entry, heap| entry.prepend(heap, prefix));
        self.note(|journal| journal.extended(Op::Prepend, prefix, encoding));
        len
    }

    /// Writes `patch` at `offset`, filling a gap with zeros; creates the entry when absent. The new length. Without a
    /// patch nothing happens.
    pub fn patch(&mut self, offset: usize, patch: &[u8]) -> usize {
        if patch.is_empty() {
            return self.entry().map_or(0, |entry| entry.bytes().len());
        }
        if self.spot.is_none() {
            self.write(Content::copied(b""), Put { encoding: Encoding::Raw, ..Put::default() });
        }
        let end = offset + patch.len();
        let len = self.edit(b"", Encoding::Raw, |entry, heap| {
            entry.extend(heap, end, |value| value[offset..end].copy_from_slice(patch))
        });
        self.note(|journal| journal.patch(offset, patch));
        len
    }

    /// Changes the value of the entry; `whole` is what is put when there is none.
    fn edit(&mut self, whole: &[u8], encoding: Encoding, edit: impl FnOnce(Owned, &mut Heap) -> Owned) -> usize {
        let Some(spot) = self.spot else {
            self.write(Content::copied(whole), Put { encoding, ..Put::default() });
            return whole.len();
        };
        self.change(edit);
        self.renew_version();
        let mut raw = self.store.places[self.table as usize].table.entry_mut(spot);
        raw.set_form(encoding.form());
        let age = age::replaced(&self.store.tuning, raw.as_ref().age(), self.now_ms);
        raw.set_age(age, false);
        raw.clear_fetched();
        raw.as_ref().value().len()
    }

    /// How OBJECT ENCODING names a string from now on. The version stays.
    pub fn set_encoding(&mut self, encoding: Encoding) {
        self.before_change();
        if let Some(spot) = self.spot {
            let mut raw = self.store.places[self.table as usize].table.entry_mut(spot);
            if raw.as_ref().form() != encoding.form() {
                raw.set_form(encoding.form());
                self.note(|journal| journal.encoding(encoding));
            }
        }
    }

    /// Moves the entry's version on, if it has one: for changes that keep the value. Every other writing call does it itself.
    pub fn renew_version(&mut self) {
        if let Some(spot) = self.spot
            && self.store.entry(self.table, spot).version().is_some()
        {
            self.before_change();
            let version = self.store.next_version();
            self.store.places[self.table as usize].table.entry_mut(spot).set_version(version);
        }
    }

    /// Sets memcached's flags; the version moves on.
    pub fn set_flags(&mut self, flags: u32) {
        let Some(spot) = self.spot else { return };
        self.before_change();
        if !self.store.places[self.table as usize].table.entry_mut(spot).set_flags(flags) {
            self.change(|entry, heap| with_facts(entry, heap, |facts| facts.flags = flags));
        }
        self.note(|journal| journal.flags(flags));
        self.renew_version();
    }

    /// Sets or takes the deadline of an entry that must exist (nothing happens without one). The version stays.
    pub fn set_deadline(&mut self, deadline: Option<u64>) {
        let Some(spot) = self.spot else { return };
        self.before_change();
        let raw = self.store.places[self.table as usize].table.entry(spot);
        let old = raw.deadline().zip(raw.node());
        let new = self.store.move_deadline(self.table, self.hash, old, deadline, self.now_ms);
        match (old, new) {
            (Some(_), Some((deadline, _))) => {
                self.store.places[self.table as usize].table.entry_mut(spot).set_deadline(deadline);
            }
            (None, None) => {}
            _ => self.change(|entry, heap| with_facts(entry, heap, |facts| facts.deadline = new)),
        }
        if old.map(|(deadline, _)| deadline) != deadline {
            self.note(|journal| journal.deadline(deadline));
        }
    }

    /// Removes the entry. False if there was none.
    pub fn remove(&mut self) -> bool {
        match self.spot.take() {
            Some(spot) => {
                self.store.discard(self.table, spot);
                true
            }
            None => false,
        }
    }

    /// The entry's version, given to it now if it has none (from the store's counter, so never the same twice). None if there is no entry.
    pub fn version(&mut self) -> Option<u64> {
        let spot = self.spot?;
        if let Some(version) = self.store.entry(self.table, spot).version() {
            return Some(version);
        }
        let version = self.store.next_version();
        self.change(|entry, heap| with_facts(entry, heap, |facts| facts.version = Some(version)));
        Some(version)
    }
}

/// The same entry with some of its facts changed, rebuilt for them.
fn with_facts(entry: Owned, heap: &mut Heap, change: impl FnOnce(&mut Facts<'_>)) -> Owned {
    let new = {
        let mut facts = entry.get().facts();
        change(&mut facts);
        Owned::build(heap, facts)
    };
    entry.free(heap);
    new
}
