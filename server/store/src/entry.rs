//! Room: store. One entry in memory: its layout, read, built, changed. Touches: base.
//!
//! ```text
//! header 8 │ [Bytes 32, its capacity 8] │ [deadline 8] │ [version 8] │ [node 4] │ [flags 4] │ [key length 4] │ key │ value
//! header:  age 28 │ kind 3 │ mark 1 │ form 2 │ options 6 │ key length 8 │ value length 16
//! ```
//!
//! The form is a string's `Encoding`; of a collection it says what `OBJECT ENCODING` calls it while its elements lie packed
//! in the value (`pack`), or, as `OBJECT`, that the value is the address of an `Object`.
//!
//! One allocation for everything. What stands in brackets is there only when the header's option bit says so: the first
//! pair holds a value of `SHARED_VALUE_BYTES_MIN` or more (then nothing follows the key), deadline and node come and go
//! together, and the last one holds the length of a key beyond 255 bytes. A key of 16 bytes with a value of 32 takes 56.
//!
//! The mark tells what an image has still to write from what it has written, or need not (`image`).
//!
//! Who may do what is in the types: `Owned` is the entry itself, to be put into a table or freed; `Ref` and `Mut` borrow it.

use crate::heap::{self, Heap};
use crate::object::Object;
use crate::{Encoding, Kind};
use base::limits::SHARED_VALUE_BYTES_MIN;
use bytes::{Bytes, BytesMut};
use std::marker::PhantomData;
use std::ptr::NonNull;

const AGE_BITS: u32 = 28;
pub const AGE_MASK: u64 = (1 << AGE_BITS) - 1;
const FORM_SHIFT: u32 = 32;
/// The form of a collection that is an `Object`.
const OBJECT: u64 = 3;
/// A packed collection is shorter than this: the header has 16 bits for a value's length.
pub const PACKED_BYTES_MAX: usize = 60_000;
/// Up to this many zeros are written where a string is lengthened; more are had from the allocator.
const LAZY_ZEROS_BYTES: usize = 1 << 18;
const DEADLINE: u64 = 1 << 34;
const VERSION: u64 = 1 << 35;
const FLAGS: u64 = 1 << 36;
const SHARED: u64 = 1 << 37;
const LONG_KEY: u64 = 1 << 38;
/// Not an option: read since it was stored.
const FETCHED: u64 = 1 << 39;
const KEY_LEN_SHIFT: u32 = 40;
const VALUE_LEN_SHIFT: u32 = 48;
const KIND_MASK: u64 = 7 << AGE_BITS;
/// Not an option either: compared with `Heap::mark`.
pub const MARK: u64 = 1 << 31;
/// The bits that decide where things lie.
const OPTIONS: u64 = DEADLINE | VERSION | FLAGS | SHARED | LONG_KEY;
/// `Bytes`, then its capacity as a u64.
const SHARED_BYTES: usize = size_of::<Bytes>() + 8;
/// What the reference count of a `Bytes` takes beside the value (bytes 1.x: pointer, capacity, count).
const SHARED_EXTRA_BYTES: usize = 24;

const _: () = assert!(SHARED_VALUE_BYTES_MIN <= 1 << 16, "an inline value's length fits its field");
const _: () = assert!(align_of::<Bytes>() <= 8);

/// Where the parts of an entry with this header lie, in bytes from its start.
#[derive(Clone, Copy)]
struct Header(u64);

impl Header {
    #[inline]
    fn has(self, option: u64) -> bool {
        self.0 & option != 0
    }

    #[inline]
    fn one(self, option: u64, bytes: usize) -> usize {
        usize::from(self.has(option)) * bytes
    }

    #[inline]
    fn deadline_at(self) -> usize {
        8 + self.one(SHARED, SHARED_BYTES)
    }

    #[inline]
    fn version_at(self) -> usize {
        self.deadline_at() + self.one(DEADLINE, 8)
    }

    #[inline]
    fn node_at(self) -> usize {
        self.version_at() + self.one(VERSION, 8)
    }

    #[inline]
    fn flags_at(self) -> usize {
        self.node_at() + self.one(DEADLINE, 4)
    }

    #[inline]
    fn long_at(self) -> usize {
        self.flags_at() + self.one(FLAGS, 4)
    }

    #[inline]
    fn key_at(self) -> usize {
        // Most entries have no option at all.
        if self.0 & OPTIONS == 0 { 8 } else { self.long_at() + self.one(LONG_KEY, 4) }
    }

    #[inline]
    fn value_len(self) -> usize {
        (self.0 >> VALUE_LEN_SHIFT) as usize
    }

    #[inline]
    fn with_value_len(self, len: usize) -> Header {
        debug_assert!(len <= PACKED_BYTES_MAX);
        Header(self.0 & ((1 << VALUE_LEN_SHIFT) - 1) | (len as u64) << VALUE_LEN_SHIFT)
    }

    fn with_form(self, form: u8) -> Header {
        Header(self.0 & !(3 << FORM_SHIFT) | u64::from(form) << FORM_SHIFT)
    }

    #[inline]
    fn is_string(self) -> bool {
        self.0 & KIND_MASK == (Kind::String as u64) << AGE_BITS
    }

    #[inline]
    fn is_object(self) -> bool {
        self.0 >> FORM_SHIFT & 3 == OBJECT && !self.is_string()
    }
}

impl Encoding {
    pub(crate) fn form(self) -> u8 {
        match self {
            Encoding::Auto => 0,
            Encoding::Raw => 1,
            Encoding::Text => 2,
        }
    }
}

/// A value on its way into an entry.
pub enum Content<'a> {
    /// Less than `SHARED_VALUE_BYTES_MIN`; a packed collection: at most `PACKED_BYTES_MAX`.
    Inline(&'a [u8]),
    /// With the bytes that its allocation has.
    Shared(Bytes, usize),
    /// From `Box::into_raw`. The entry does not own it: whoever removes the entry takes it out (`Owned::take_object`).
    Object(NonNull<Object>),
}

impl<'a> Content<'a> {
    pub fn copied(value: &'a [u8]) -> Content<'a> {
        if value.len() < SHARED_VALUE_BYTES_MIN {
            Content::Inline(value)
        } else {
            Content::Shared(Bytes::copy_from_slice(value), value.len())
        }
    }

    /// `value` itself when it is large enough to be kept apart. What hangs on a larger allocation, such as a receive
    /// buffer, must be copied by the caller.
    pub fn lent(value: &'a Bytes) -> Content<'a> {
        if value.len() < SHARED_VALUE_BYTES_MIN {
            Content::Inline(value)
        } else {
            Content::Shared(value.clone(), value.len())
        }
    }

    fn grown(value: BytesMut) -> Content<'static> {
        debug_assert!(value.len() >= SHARED_VALUE_BYTES_MIN);
        let capacity = value.capacity();
        Content::Shared(value.freeze(), capacity)
    }
}

/// All that an entry is made of.
pub struct Facts<'a> {
    pub key: &'a [u8],
    pub content: Content<'a>,
    pub age: u64,
    pub kind: Kind,
    /// A string's `Encoding::form`, a packed collection's; an object's is known.
    pub form: u8,
    /// Unix ms, and the node in the deadline index.
    pub deadline: Option<(u64, u32)>,
    pub version: Option<u64>,
    pub flags: u32,
    pub fetched: bool,
}

impl Facts<'_> {
    /// `mark`: the heap's.
    fn header(&self, mark: u64) -> Header {
        let form = if let Content::Object(_) = self.content { OBJECT } else { u64::from(self.form) };
        let mut h = self.age & AGE_MASK | (self.kind as u64) << AGE_BITS | mark | form << FORM_SHIFT;
        h |= if self.deadline.is_some() { DEADLINE } else { 0 };
        h |= if self.version.is_some() { VERSION } else { 0 };
        h |= if self.flags != 0 { FLAGS } else { 0 };
        h |= if self.fetched { FETCHED } else { 0 };
        h |= match self.content {
            Content::Inline(value) => (value.len() as u64) << VALUE_LEN_SHIFT,
            Content::Shared(..) => SHARED,
            Content::Object(_) => (size_of::<usize>() as u64) << VALUE_LEN_SHIFT,
        };
        h |= if self.key.len() > 255 { LONG_KEY } else { (self.key.len() as u64) << KEY_LEN_SHIFT };
        Header(h)
    }

    fn bytes(&self, header: Header) -> usize {
        let inline = match self.content {
            Content::Inline(value) => value.len(),
            Content::Shared(..) => 0,
            Content::Object(_) => size_of::<usize>(),
        };
        header.key_at() + self.key.len() + inline
    }
}

/// An entry, borrowed to be read.
#[derive(Clone, Copy)]
pub struct Ref<'a>(NonNull<u8>, PhantomData<&'a u64>);

/// An entry, borrowed to have what does not move it changed.
pub struct Mut<'a>(NonNull<u8>, PhantomData<&'a mut u64>);

/// An entry that is in no table. It must go into one or be freed: dropped, its memory is lost until the store ends.
#[must_use]
pub struct Owned(NonNull<u8>);

impl<'a> Ref<'a> {
    /// # Safety
    /// `entry` points to an entry that nobody changes or frees for `'a`.
    #[inline]
    pub unsafe fn new(entry: NonNull<u8>) -> Ref<'a> {
        Ref(entry, PhantomData)
    }

    /// Where it lies, for as long as it is neither rebuilt nor freed.
    pub fn address(self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    fn header(self) -> Header {
        // SAFETY: every entry starts with its header.
        Header(unsafe { self.0.cast::<u64>().read() })
    }

    /// The `T` at `offset`, which the header says is there.
    #[inline]
    fn part<T: Copy>(self, offset: usize) -> T {
        // SAFETY: callers pass an offset that the header gives for a part that it says is present; parts are plain numbers
        // and lie inside the allocation, aligned or not.
        unsafe { self.0.add(offset).cast::<T>().read_unaligned() }
    }

    #[inline]
    fn key_len(self, h: Header) -> usize {
        if h.has(LONG_KEY) { self.part::<u32>(h.long_at()) as usize } else { (h.0 >> KEY_LEN_SHIFT & 0xff) as usize }
    }

    #[inline]
    pub fn key(self) -> &'a [u8] {
        let h = self.header();
        // SAFETY: the key's bytes lie at `key_at`, as many as `key_len` says, unchanged for 'a.
        unsafe { std::slice::from_raw_parts(self.0.add(h.key_at()).as_ptr(), self.key_len(h)) }
    }

    #[inline]
    pub fn shared(self) -> Option<&'a Bytes> {
        // SAFETY: with SHARED set, a `Bytes` stands right after the header, aligned to 8 as the entry is.
        self.header().has(SHARED).then(|| unsafe { self.0.add(8).cast::<Bytes>().as_ref() })
    }

    #[inline]
    pub fn value(self) -> &'a [u8] {
        let h = self.header();
        if h.has(SHARED) {
            return self.shared().map_or(&[], |b| b);
        }
        let at = h.key_at() + self.key_len(h);
        // SAFETY: an inline value's bytes follow the key's, as many as the header says, unchanged for 'a.
        unsafe { std::slice::from_raw_parts(self.0.add(at).as_ptr(), h.value_len()) }
    }

    #[inline]
    pub fn deadline(self) -> Option<u64> {
        let h = self.header();
        h.has(DEADLINE).then(|| self.part(h.deadline_at()))
    }

    /// The deadline's node in the index.
    #[inline]
    pub fn node(self) -> Option<u32> {
        let h = self.header();
        h.has(DEADLINE).then(|| self.part(h.node_at()))
    }

    pub fn version(self) -> Option<u64> {
        let h = self.header();
        h.has(VERSION).then(|| self.part(h.version_at()))
    }

    pub fn flags(self) -> u32 {
        let h = self.header();
        if h.has(FLAGS) { self.part(h.flags_at()) } else { 0 }
    }

    #[inline]
    pub fn age(self) -> u64 {
        self.header().0 & AGE_MASK
    }

    pub fn kind(self) -> Kind {
        match self.header().0 >> AGE_BITS & 7 {
            0 => Kind::String,
            1 => Kind::List,
            2 => Kind::Set,
            3 => Kind::Hash,
            4 => Kind::Zset,
            5 => Kind::Stream,
            other => unreachable!("kind {other}: no entry is built with it"),
        }
    }

    /// As `Facts::form`.
    #[inline]
    pub fn form(self) -> u8 {
        (self.header().0 >> FORM_SHIFT & 3) as u8
    }

    #[inline]
    pub fn is_string(self) -> bool {
        self.header().is_string()
    }

    /// Of a string.
    pub fn encoding(self) -> Encoding {
        match self.form() {
            0 => Encoding::Auto,
            1 => Encoding::Raw,
            _ => Encoding::Text,
        }
    }

    /// Where the object of a collection lies that is one.
    #[inline]
    pub fn object_at(self) -> Option<NonNull<Object>> {
        let h = self.header();
        // An entry is made with a pointer where its form is `OBJECT`.
        h.is_object().then(|| self.part(h.key_at() + self.key_len(h)))
    }

    #[inline]
    pub fn object(self) -> Option<&'a Object> {
        // SAFETY: the pointer is `Box::into_raw`'s, the object lives as long as its entry, and is unchanged for 'a as the
        // entry is.
        self.object_at().map(|object| unsafe { object.as_ref() })
    }

    /// A string without deadline, version or flags, its value in the entry: what most entries are, seen at one look.
    #[inline]
    pub fn is_simple(self) -> bool {
        self.header().0 & (OPTIONS | KIND_MASK) == 0
    }

    /// Whether it is a hash whose fields may have deadlines: of form 1, or an object.
    #[inline]
    pub fn may_have_timed_fields(self) -> bool {
        const FORM: u64 = 1 << FORM_SHIFT;
        self.header().0 & (KIND_MASK | FORM) == (Kind::Hash as u64) << AGE_BITS | FORM
    }

    pub fn fetched(self) -> bool {
        self.header().has(FETCHED)
    }

    /// `MARK` or 0.
    #[inline]
    pub fn mark(self) -> u64 {
        self.header().0 & MARK
    }

    /// Bytes asked of the heap for this entry.
    #[inline]
    fn block_bytes(self) -> usize {
        let h = self.header();
        h.key_at() + self.key_len(h) + if h.has(SHARED) { 0 } else { h.value_len() }
    }

    /// Bytes that a value kept apart takes.
    #[inline]
    pub fn apart_bytes(self) -> usize {
        let h = self.header();
        if h.0 & (SHARED | KIND_MASK) == 0 {
            0
        } else if h.has(SHARED) {
            self.part::<u64>(8 + size_of::<Bytes>()) as usize + SHARED_EXTRA_BYTES
        } else {
            self.object().map_or(0, Object::apart_bytes)
        }
    }

    /// Everything, a value kept apart being shared with this entry.
    pub fn facts(self) -> Facts<'a> {
        let content = match (self.shared(), self.object_at()) {
            // The capacity is this one allocation's, whoever holds it.
            (Some(shared), _) => Content::Shared(shared.clone(), self.apart_bytes() - SHARED_EXTRA_BYTES),
            (None, Some(object)) => Content::Object(object),
            (None, None) => Content::Inline(self.value()),
        };
        Facts {
            key: self.key(),
            content,
            age: self.age(),
            kind: self.kind(),
            form: self.form(),
            deadline: self.deadline().zip(self.node()),
            version: self.version(),
            flags: self.flags(),
            fetched: self.fetched(),
        }
    }

    /// All bytes of the entry, as they are allocated.
    pub fn allocated(self) -> usize {
        let whole = self.object().map_or_else(|| self.apart_bytes(), Object::allocated);
        heap::usable(self.block_bytes()) + whole
    }

    /// Bytes of the entry's own block.
    pub fn block_allocated(self) -> usize {
        heap::usable(self.block_bytes())
    }
}

impl<'a> Mut<'a> {
    /// # Safety
    /// `entry` points to an entry that nobody else touches for `'a`.
    #[inline]
    pub unsafe fn new(entry: NonNull<u8>) -> Mut<'a> {
        Mut(entry, PhantomData)
    }

    #[inline]
    pub fn as_ref(&self) -> Ref<'_> {
        Ref(self.0, PhantomData)
    }

    #[inline]
    fn set_header(&mut self, h: Header) {
        // SAFETY: every entry starts with its header, and the borrow is exclusive.
        unsafe { self.0.cast::<u64>().write(h.0) }
    }

    /// `part` at `offset`, which the header says is there.
    #[inline]
    fn set_part<T: Copy>(&mut self, offset: usize, part: T) {
        // SAFETY: as in `Ref::part`, and the borrow is exclusive.
        unsafe { self.0.add(offset).cast::<T>().write_unaligned(part) }
    }

    /// A new age. A line that would not change is not written.
    #[inline]
    pub fn set_age(&mut self, age: u64, fetched: bool) {
        let h = self.as_ref().header();
        let new = h.0 & !AGE_MASK | age & AGE_MASK | if fetched { FETCHED } else { 0 };
        if new != h.0 {
            self.set_header(Header(new));
        }
    }

    /// `MARK` or 0.
    #[inline]
    pub fn set_mark(&mut self, mark: u64) {
        let h = self.as_ref().header();
        self.set_header(Header(h.0 & !MARK | mark));
    }

    /// Another value of the same length and form for a plain string. False: it is no such entry, and nothing has changed.
    #[inline]
    pub fn put_over(&mut self, value: &[u8], form: u8, age: u64) -> bool {
        let h = self.as_ref().header();
        if !self.as_ref().is_simple() || self.as_ref().form() != form || h.value_len() != value.len() {
            return false;
        }
        self.set_header(Header(h.0 & !(AGE_MASK | FETCHED) | age & AGE_MASK));
        self.inline_mut().copy_from_slice(value);
        true
    }

    pub fn clear_fetched(&mut self) {
        let h = self.as_ref().header();
        self.set_header(Header(h.0 & !FETCHED));
    }

    /// As `Facts::form`; not of an object.
    pub fn set_form(&mut self, form: u8) {
        let h = self.as_ref().header();
        debug_assert!(!h.is_object());
        self.set_header(h.with_form(form));
    }

    /// The object, to be changed.
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        // SAFETY: as in `Ref::object`, and the borrow of the entry is exclusive, which is the only way to its object.
        self.as_ref().object_at().map(|mut object| unsafe { object.as_mut() })
    }

    /// True if there was room for it: the entry has flags already, or none are wanted.
    pub fn set_flags(&mut self, flags: u32) -> bool {
        let h = self.as_ref().header();
        if h.has(FLAGS) {
            self.set_part(h.flags_at(), flags);
        }
        h.has(FLAGS) || flags == 0
    }

    /// Only for an entry that has a version.
    pub fn set_version(&mut self, version: u64) {
        let h = self.as_ref().header();
        assert!(h.has(VERSION));
        self.set_part(h.version_at(), version);
    }

    /// Only for an entry that has a deadline; its node stays.
    pub fn set_deadline(&mut self, deadline: u64) {
        let h = self.as_ref().header();
        assert!(h.has(DEADLINE));
        self.set_part(h.deadline_at(), deadline);
    }

    /// Overwrites an inline value with one of the same length.
    pub fn overwrite(&mut self, value: &[u8]) {
        self.inline_mut().copy_from_slice(value);
    }

    /// Overwrites bytes of an inline value from `at` on.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.inline_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The object, taken out. The entry is to be freed, or to be given another content, next.
    pub fn take_object(&mut self) -> Option<Box<Object>> {
        let object = self.as_ref().object_at()?;
        let h = self.as_ref().header();
        // No longer an object's, so that nobody takes it out again.
        self.set_header(h.with_form(0));
        // SAFETY: the pointer is `Box::into_raw`'s, and is given up here once: the entry does not name an object any more.
        Some(unsafe { Box::from_raw(object.as_ptr()) })
    }

    /// The bytes of an inline value.
    fn inline_mut(&mut self) -> &mut [u8] {
        let r = self.as_ref();
        let h = r.header();
        assert!(!h.has(SHARED));
        let at = h.key_at() + r.key_len(h);
        // SAFETY: as in `Ref::value`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(at).as_ptr(), h.value_len()) }
    }

    /// Changes a value that is kept apart, in place unless a reply still holds it.
    fn edit_apart(&mut self, room: usize, edit: impl FnOnce(&mut BytesMut)) {
        assert!(self.as_ref().header().has(SHARED));
        // SAFETY: with SHARED set, a `Bytes` stands right after the header; the borrow is exclusive.
        let slot = unsafe { self.0.add(8).cast::<Bytes>().as_mut() };
        let mut value = match std::mem::take(slot).try_into_mut() {
            Ok(mut unique) => {
                unique.reserve(room);
                unique
            }
            Err(held) => {
                let mut copy = BytesMut::with_capacity(held.len() + room);
                copy.extend_from_slice(&held);
                copy
            }
        };
        edit(&mut value);
        let capacity = value.capacity();
        *slot = value.freeze();
        self.set_part(8 + size_of::<Bytes>(), capacity as u64);
    }
}

impl Owned {
    /// # Safety
    /// `entry` came from `into_raw`, once.
    #[inline]
    pub unsafe fn from_raw(entry: NonNull<u8>) -> Owned {
        Owned(entry)
    }

    #[inline]
    pub fn into_raw(self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    pub fn get(&self) -> Ref<'_> {
        Ref(self.0, PhantomData)
    }

    #[inline]
    pub fn get_mut(&mut self) -> Mut<'_> {
        Mut(self.0, PhantomData)
    }

    pub fn build(heap: &mut Heap, facts: Facts<'_>) -> Owned {
        let header = facts.header(heap.mark);
        let block = heap.take(facts.bytes(header));
        let mut entry = Owned(block);
        entry.write_key(header, facts.key);
        entry.write(header, facts);
        entry
    }

    fn write_key(&mut self, header: Header, key: &[u8]) {
        // SAFETY: the block has room for what `Facts::bytes` counts with this header, the key included.
        unsafe { self.0.add(header.key_at()).copy_from_nonoverlapping(NonNull::from(key).cast(), key.len()) };
    }

    /// Writes everything but the key. The block has the size that `facts` ask for, and holds no `Bytes` and no object.
    fn write(&mut self, header: Header, facts: Facts<'_>) {
        let mut e = self.get_mut();
        e.set_header(header);
        if let Some((deadline, node)) = facts.deadline {
            e.set_part(header.deadline_at(), deadline);
            e.set_part(header.node_at(), node);
        }
        if let Some(version) = facts.version {
            e.set_part(header.version_at(), version);
        }
        if facts.flags != 0 {
            e.set_part(header.flags_at(), facts.flags);
        }
        if header.has(LONG_KEY) {
            // Keys are bounded by the protocols' 512 MiB.
            e.set_part(header.long_at(), u32::try_from(facts.key.len()).expect("a key is below 4 GiB"));
        }
        match facts.content {
            Content::Inline(value) => e.inline_mut().copy_from_slice(value),
            // SAFETY: with SHARED set, the block has room for a `Bytes` right after the header, aligned to 8; what was there
            // is no live value.
            Content::Shared(value, capacity) => unsafe {
                self.0.add(8).cast::<Bytes>().write(value);
                self.get_mut().set_part(8 + size_of::<Bytes>(), capacity as u64);
            },
            Content::Object(object) => e.set_part(header.key_at() + facts.key.len(), object),
        }
    }

    /// The entry with these facts instead (the same key): in the same memory if the layout and the size class allow.
    pub fn rebuild(mut self, heap: &mut Heap, facts: Facts<'_>) -> Owned {
        let (old, new) = (self.get().header(), facts.header(heap.mark));
        debug_assert_eq!(self.get().key(), facts.key);
        let (from, to) = (self.get().block_bytes(), facts.bytes(new));
        if (old.0 ^ new.0) & OPTIONS == 0 && heap::usable(from) == heap::usable(to) && same_block(from, to) {
            self.drop_apart();
            self.write(new, facts);
            self
        } else {
            let entry = Owned::build(heap, facts);
            self.free(heap);
            entry
        }
    }

    /// Adds `suffix` to the value: in place when the memory has room, with room to spare when the value is kept apart.
    pub fn append(self, heap: &mut Heap, suffix: &[u8]) -> Owned {
        let len = self.get().value().len();
        self.extend(heap, len + suffix.len(), |value| value[len..].copy_from_slice(suffix))
    }

    /// Puts `prefix` before the value.
    pub fn prepend(self, heap: &mut Heap, prefix: &[u8]) -> Owned {
        let len = self.get().value().len();
        self.extend(heap, len + prefix.len(), |value| {
            value.copy_within(..len, prefix.len());
            value[..prefix.len()].copy_from_slice(prefix);
        })
    }

    /// Lengthens the value to `len` with zeros if it is shorter, then lets `edit` work on it.
    pub fn extend(mut self, heap: &mut Heap, len: usize, edit: impl FnOnce(&mut [u8])) -> Owned {
        let old = self.get().header();
        let have = self.get().value().len();
        let room = len.saturating_sub(have);
        // Zeros that are more than what is there come from below, where they cost no time.
        if old.has(SHARED) && (room <= have || room < LAZY_ZEROS_BYTES) {
            self.get_mut().edit_apart(room, |value| {
                if value.len() < len {
                    value.resize(len, 0);
                }
                edit(value);
            });
            return self;
        }
        if len < SHARED_VALUE_BYTES_MIN {
            let len = len.max(have);
            let from = self.get().block_bytes();
            // SAFETY: the block is this heap's, of that size, and owned.
            let mut entry = Owned(unsafe { heap.resize(self.0, from, from - have + len) });
            entry.get_mut().set_header(old.with_value_len(len));
            let mut e = entry.get_mut();
            let value = e.inline_mut_uninit(have);
            edit(value);
            return entry;
        }
        // From here on it is kept apart. `zeroed` is lazy: a gap of hundreds of megabytes costs no time.
        let mut value = BytesMut::zeroed(len);
        value[..have].copy_from_slice(self.get().value());
        edit(&mut value);
        let facts = Facts { content: Content::grown(value), ..self.get().facts() };
        let entry = Owned::build(heap, facts);
        self.free(heap);
        entry
    }

    /// Replaces bytes `from..to` of an inline value with `with`: in the same memory if the size class allows.
    pub fn splice(mut self, heap: &mut Heap, from: usize, to: usize, with: &[u8]) -> Owned {
        let old = self.get().header();
        let have = old.value_len();
        assert!(!old.has(SHARED) && !old.is_object() && from <= to && to <= have, "inside an inline value");
        let len = have - (to - from) + with.len();
        let block = self.get().block_bytes();
        if len <= have {
            let mut e = self.get_mut();
            let value = e.inline_mut();
            value.copy_within(to.., from + with.len());
            value[from..from + with.len()].copy_from_slice(with);
            e.set_header(old.with_value_len(len));
            // SAFETY: the block is this heap's, of that size, and owned; what is cut off is not used any more.
            return Owned(unsafe { heap.resize(self.0, block, block - have + len) });
        }
        // SAFETY: as above.
        let mut entry = Owned(unsafe { heap.resize(self.0, block, block - have + len) });
        let mut e = entry.get_mut();
        e.set_header(old.with_value_len(len));
        let value = e.inline_mut_uninit(have);
        value.copy_within(to..have, from + with.len());
        value[from..from + with.len()].copy_from_slice(with);
        entry
    }

    /// Frees the entry; an object must have been taken out. The value itself lives on as long as a reply holds it.
    pub fn free(mut self, heap: &mut Heap) {
        let bytes = self.get().block_bytes();
        self.drop_apart();
        // SAFETY: entries are built by `take` of the store's one heap, with the size that their header tells.
        unsafe { heap.give(self.0, bytes) };
    }

    fn drop_apart(&mut self) {
        if self.get().header().has(SHARED) {
            // SAFETY: with SHARED set, a live `Bytes` stands right after the header; callers overwrite or free it next.
            unsafe { self.0.add(8).cast::<Bytes>().drop_in_place() };
        }
    }

    /// The value, moved out when it is kept apart; the entry is freed.
    pub fn into_value(self, heap: &mut Heap) -> Bytes {
        let bytes = self.get().block_bytes();
        let value = match self.get().shared() {
            // SAFETY: the `Bytes` is moved out and the block freed below without dropping it.
            Some(shared) => unsafe { std::ptr::read(shared) },
            None => Bytes::copy_from_slice(self.get().value()),
        };
        // SAFETY: as in `free`.
        unsafe { heap.give(self.0, bytes) };
        value
    }
}

impl Mut<'_> {
    /// The inline value, of which only the first `have` bytes are written yet: the rest becomes zeros.
    fn inline_mut_uninit(&mut self, have: usize) -> &mut [u8] {
        let r = self.as_ref();
        let h = r.header();
        let at = h.key_at() + r.key_len(h);
        let len = h.value_len();
        debug_assert!(!h.has(SHARED) && have <= len);
        // SAFETY: the value's bytes follow the key's inside the block, exclusively borrowed; they are written before the slice
        // is made.
        unsafe {
            let value = self.0.add(at);
            value.add(have).write_bytes(0, len - have);
            std::slice::from_raw_parts_mut(value.as_ptr(), len)
        }
    }
}

/// Whether a block asked for with `from` bytes may be freed as one of `to`: always within a class, and where every block is
/// the global allocator's only with the same layout.
fn same_block(from: usize, to: usize) -> bool {
    !cfg!(any(feature = "direct", miri)) || from.next_multiple_of(16) == to.next_multiple_of(16)
}
