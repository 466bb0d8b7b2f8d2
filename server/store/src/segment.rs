//! Room: store. One array of a table: slots in hash order with gaps. Touches: nothing beyond this crate.
//!
//! A slot is `tag 16 │ address of an entry 48`, 0 when empty. The tag of an entry with hash H in a segment of depth d is the 16
//! bits of H after the first d. Slots are sorted by tag; the first place for a tag is `tag * homes / 65536`, and between
//! that place and where an entry really stands no slot is empty. So a search starts at home and ends at the first empty
//! slot or larger tag. Nothing wraps around: behind the last home there is a pad, whose last slot is always empty.
//!
//! ```text
//! head: capacity 32 │ length 32    slot 0 … slot homes-1 │ pad … empty
//! ```
//!
//! Sizes are the heap's classes, at most 6 % apart, so a segment is rebuilt often, in a microsecond, and is always more than
//! 80 % full. (Ordered linear probing: Amble and Knuth, 1974.)

use crate::entry::{Mut, Owned, Ref};
use crate::heap::{self, Heap};
use std::ptr::NonNull;

const TAG_SHIFT: u32 = 48;
const ADDRESS_MASK: u64 = (1 << TAG_SHIFT) - 1;
const DEPTH_BITS: u32 = 6;
const HOMES_BITS: u32 = 14;
pub const HOMES_MAX: usize = (1 << HOMES_BITS) - 1;

/// What every empty directory points to: no home but the first, whose slot is empty.
#[repr(C, align(16))]
struct Nothing {
    _head: u64,
    _slot: u64,
}
static NOTHING: Nothing = Nothing { _head: 1 << 32, _slot: 0 };

/// A segment as its directory names it, in 8 bytes: `address / 16: 44 │ homes 14 │ depth 6`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Word(u64);

/// A slot's content in hand: tag and entry, the entry owned by whoever holds this.
#[derive(Clone, Copy)]
pub struct Slot(u64);

impl Slot {
    pub fn new(tag: u16, entry: Owned) -> Slot {
        let address = entry.into_raw().as_ptr().expose_provenance() as u64;
        // User addresses are below 2^47 on x86-64 and 2^48 on aarch64.
        assert!(address <= ADDRESS_MASK);
        Slot(u64::from(tag) << TAG_SHIFT | address)
    }

    #[inline]
    pub fn tag(self) -> u16 {
        (self.0 >> TAG_SHIFT) as u16
    }

    #[inline]
    pub fn with_tag(self, tag: u16) -> Slot {
        Slot(u64::from(tag) << TAG_SHIFT | self.0 & ADDRESS_MASK)
    }

    #[inline]
    fn address(self) -> NonNull<u8> {
        let address = std::ptr::with_exposed_provenance_mut((self.0 & ADDRESS_MASK) as usize);
        NonNull::new(address).expect("a slot in hand is not empty")
    }

    /// The entry, to be read while nobody changes or frees it.
    ///
    /// # Safety
    /// As `Ref::new`.
    #[inline]
    pub unsafe fn entry<'a>(self) -> Ref<'a> {
        // SAFETY: handed on.
        unsafe { Ref::new(self.address()) }
    }

    /// The entry itself, when the slot is about to be forgotten.
    #[inline]
    pub fn into_owned(self) -> Owned {
        // SAFETY: a slot owns its entry. Copies of slots are made only while a segment is rebuilt or buried, and one of them
        // is used up.
        unsafe { Owned::from_raw(self.address()) }
    }

    /// Asks the CPU to bring the entry near.
    #[inline]
    pub fn prefetch(self) {
        prefetch(self.address().as_ptr());
    }

    /// The same, with what lies behind its first line: of an entry that is to be read whole.
    #[inline]
    pub fn prefetch_whole(self) {
        const LINE_BYTES: usize = 64;
        let entry = self.address().as_ptr();
        prefetch(entry);
        // Not dereferenced, so it need not be inside.
        prefetch(entry.wrapping_add(LINE_BYTES));
    }
}

#[inline]
pub fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch of any address has no effect that a program can see.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{a}]", a = in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = address;
}

/// A segment to be worked on. Copies name the same array: the table that holds the word sees to it that only one is in use
/// while something changes.
#[derive(Clone, Copy)]
pub struct Segment {
    /// The head; slot 0 follows.
    at: NonNull<u64>,
    homes: u32,
    depth: u8,
}

/// There was no room before the pad's end.
pub struct Full;

/// Slots and homes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// All slots, the last of which stays empty.
    pub slots: usize,
    pub homes: usize,
}

/// Most entries that `slots` should hold: 7/8 to 9/10, at least one empty.
pub fn length_max(slots: usize) -> usize {
    (slots - slots.div_ceil(10)).max(1)
}

/// Slots behind the last home. At 90 % an average of 4 entries overflow there, more than 12 in one segment of 15; such a one
/// gets the next size.
fn pad(slots: usize) -> usize {
    (slots / 4 + 1).min(12)
}

impl Size {
    /// The smallest size of block that holds `slots` slots, the head counted.
    pub fn of(slots: usize) -> Size {
        let bytes = heap::usable(((slots + 1) * 8).next_multiple_of(16)).next_multiple_of(16);
        let slots = bytes / 8 - 1;
        Size { slots, homes: (slots - pad(slots)).min(HOMES_MAX) }
    }

    /// The size that `len` entries deserve.
    pub fn right(len: usize) -> Size {
        let mut size = Size::of(len + len / 9 + 1);
        while length_max(size.slots) < len {
            size = size.next();
        }
        size
    }

    pub fn next(self) -> Size {
        Size::of(self.slots + 1)
    }

    fn bytes(self) -> usize {
        (self.slots + 1) * 8
    }

    #[inline]
    fn home(self, tag: u16) -> usize {
        (tag as usize * self.homes) >> 16
    }
}

impl Word {
    pub fn nothing() -> Word {
        Segment::nothing(0).word()
    }

    #[inline]
    pub fn depth(self) -> u32 {
        (self.0 & ((1 << DEPTH_BITS) - 1)) as u32
    }

    /// # Safety
    /// The array that the word names is alive, and while a part of it is borrowed nothing else changes it.
    #[inline]
    pub unsafe fn segment(self) -> Segment {
        let address = (self.0 >> (DEPTH_BITS + HOMES_BITS)) << 4;
        let at = std::ptr::with_exposed_provenance_mut::<u64>(address as usize);
        Segment {
            // SAFETY: words are made of addresses that are not null.
            at: unsafe { NonNull::new_unchecked(at) },
            homes: (self.0 >> DEPTH_BITS) as u32 & HOMES_MAX as u32,
            depth: self.depth() as u8,
        }
    }
}

impl Segment {
    #[inline]
    pub fn word(self) -> Word {
        let address = self.at.as_ptr().expose_provenance() as u64;
        assert!(address <= ADDRESS_MASK && address.is_multiple_of(16));
        Word((address >> 4) << (DEPTH_BITS + HOMES_BITS) | u64::from(self.homes) << DEPTH_BITS | u64::from(self.depth))
    }

    #[inline]
    pub fn depth(self) -> u32 {
        u32::from(self.depth)
    }

    #[inline]
    fn head(self) -> u64 {
        // SAFETY: a segment starts with its head.
        unsafe { self.at.read() }
    }

    #[inline]
    pub fn len(self) -> usize {
        (self.head() & 0xffff_ffff) as usize
    }

    #[inline]
    pub fn size(self) -> Size {
        Size { slots: (self.head() >> 32) as usize, homes: self.homes as usize }
    }

    fn set_len(self, len: usize) {
        let head = (self.size().slots as u64) << 32 | len as u64;
        // SAFETY: as in `head`; never called on `NOTHING`, whose length does not change.
        unsafe { self.at.write(head) }
    }

    /// The tag that `hash` has here.
    #[inline]
    pub fn tag(self, hash: u64) -> u16 {
        ((hash << self.depth) >> 48) as u16
    }

    #[inline]
    pub fn home(self, tag: u16) -> usize {
        (tag as usize * self.homes as usize) >> 16
    }

    #[inline]
    fn raw(self, at: usize) -> u64 {
        debug_assert!(at < self.size().slots);
        // SAFETY: callers stay within the slots: they start below `homes` and go on only from a slot that is not empty,
        // and the last one is empty.
        unsafe { self.at.add(1 + at).read() }
    }

    #[inline]
    fn set_raw(self, at: usize, slot: u64) {
        debug_assert!(at < self.size().slots);
        // SAFETY: `at` is within the slots, as in `raw`.
        unsafe { self.at.add(1 + at).write(slot) }
    }

    #[inline]
    pub fn slot(self, at: usize) -> Option<Slot> {
        let raw = self.raw(at);
        (raw != 0).then_some(Slot(raw))
    }

    #[inline]
    pub fn prefetch(self, tag: u16) {
        // Not dereferenced, so it need not be inside.
        prefetch(self.at.as_ptr().wrapping_add(1 + self.home(tag)).cast());
    }

    #[inline]
    pub fn prefetch_head(self) {
        prefetch(self.at.as_ptr().cast());
    }

    /// The first slot with this tag whose entry `is` the one.
    #[inline(always)]
    pub fn find(self, tag: u16, is: impl Fn(Ref<'_>) -> bool) -> Option<usize> {
        let mut at = self.home(tag);
        loop {
            let slot = self.slot(at)?;
            if slot.tag() >= tag {
                if slot.tag() > tag {
                    return None;
                }
                // SAFETY: the slot is not empty, and the borrow ends with the call.
                if is(unsafe { slot.entry() }) {
                    return Some(at);
                }
            }
            at += 1;
        }
    }

    /// The entry at `at`, while the table is borrowed.
    ///
    /// # Safety
    /// As `Ref::new`; the slot is not empty.
    #[inline]
    pub unsafe fn entry<'a>(self, at: usize) -> Ref<'a> {
        // SAFETY: handed on.
        unsafe { Slot(self.raw(at)).entry() }
    }

    /// # Safety
    /// As `Mut::new`; the slot is not empty.
    #[inline]
    pub unsafe fn entry_mut<'a>(self, at: usize) -> Mut<'a> {
        // SAFETY: handed on.
        unsafe { Mut::new(Slot(self.raw(at)).address()) }
    }

    /// Lets `change` have the entry at `at` and puts what comes back in its place.
    #[inline]
    pub fn update(self, at: usize, change: impl FnOnce(Owned) -> Owned) {
        let slot = self.slot(at).expect("an update is of an entry");
        let entry = change(slot.into_owned());
        self.set_raw(at, Slot::new(slot.tag(), entry).0);
    }

    /// Where the next entry stands, from `at` on.
    #[inline]
    pub fn next(self, mut at: usize) -> Option<usize> {
        let slots = self.size().slots;
        while at < slots {
            if self.raw(at) != 0 {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// All entries in order.
    pub fn iter(self) -> impl Iterator<Item = (usize, Slot)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let found = self.next(at)?;
            at = found + 1;
            Some((found, Slot(self.raw(found))))
        })
    }

    /// Puts `slot` behind those of its tag. Room in the sense of `length_max` is the caller's matter.
    pub fn insert(self, slot: Slot) -> Result<usize, Full> {
        let slots = self.size().slots;
        let mut at = self.home(slot.tag());
        while let Some(here) = self.slot(at)
            && here.tag() <= slot.tag()
        {
            at += 1;
        }
        let mut gap = at;
        while self.raw(gap) != 0 {
            gap += 1;
        }
        if gap + 1 >= slots {
            return Err(Full);
        }
        // SAFETY: `at ..= gap` are slots, `gap` is empty and not the last.
        unsafe {
            let from = self.at.add(1 + at);
            from.add(1).copy_from(from, gap - at);
        }
        self.set_raw(at, slot.0);
        self.set_len(self.len() + 1);
        Ok(at)
    }

    /// Takes the entry at `at` out and closes the gap.
    pub fn remove(self, at: usize) -> Owned {
        let slot = self.slot(at).expect("a removal is of an entry");
        let mut end = at + 1;
        while let Some(next) = self.slot(end)
            && self.home(next.tag()) < end
        {
            end += 1;
        }
        // SAFETY: `at .. end` are slots that are not empty; those behind `at` may move down by one, as none is at home.
        unsafe {
            let to = self.at.add(1 + at);
            to.copy_from(to.add(1), end - at - 1);
        }
        self.set_raw(end - 1, 0);
        self.set_len(self.len() - 1);
        slot.into_owned()
    }

    /// All slots that are not empty, in order, into `out`.
    pub fn collect(self, out: &mut Vec<Slot>) {
        let slots = self.size().slots;
        out.clear();
        out.resize(slots, Slot(0));
        // Without a branch on what is a gap: where they are cannot be predicted.
        let mut len = 0;
        for at in 0..slots {
            let raw = self.raw(at);
            out[len] = Slot(raw);
            len += usize::from(raw != 0);
        }
        out.truncate(len);
    }

    /// A new segment of at least `size` with these slots, which are sorted by tag. Larger if they crowd.
    pub fn build(heap: &mut Heap, mut size: Size, depth: u32, slots: &[Slot]) -> Segment {
        for tries in 1.. {
            let segment = Segment::empty(heap, size, depth);
            let last = size.slots - 1;
            let mut free = 0;
            for slot in slots {
                let place = size.home(slot.tag()).max(free);
                free = place + 1;
                // Beyond the end means that this size will not do.
                segment.set_raw(place.min(last), slot.0);
            }
            if free <= last {
                segment.set_len(slots.len());
                return segment;
            }
            segment.free(heap);
            size = match tries {
                1..4 => size.next(),
                // Many equal tags, which no number of homes spreads: a pad that is long enough.
                _ => Size { homes: size.homes, ..Size::of(free + 1) },
            };
        }
        unreachable!("the last size tried holds all")
    }

    /// A new segment without an entry.
    fn empty(heap: &mut Heap, size: Size, depth: u32) -> Segment {
        let at = heap.take(size.bytes()).cast::<u64>();
        // SAFETY: the block has room for the head and all slots.
        unsafe {
            at.write((size.slots as u64) << 32);
            at.add(1).write_bytes(0, size.slots);
        }
        Segment { at, homes: size.homes as u32, depth: depth as u8 }
    }

    /// The empty segment, which takes no memory.
    pub fn nothing(depth: u32) -> Segment {
        Segment { at: NonNull::from(&NOTHING).cast(), homes: 0, depth: depth as u8 }
    }

    /// Gives the array back; the entries are somebody else's by now.
    pub fn free(self, heap: &mut Heap) {
        if !self.is_nothing() {
            let bytes = self.size().bytes();
            // SAFETY: segments other than `NOTHING` are blocks of the store's one heap, with that size.
            unsafe { heap.give(self.at.cast(), bytes) };
        }
    }

    pub fn is_nothing(self) -> bool {
        self.homes == 0
    }

    /// Bytes of the array.
    pub fn allocated(self) -> usize {
        if self.is_nothing() { 0 } else { heap::usable(self.size().bytes()) }
    }

    /// Panics with what is wrong. Entries are looked at by the table.
    pub fn verify(self) {
        let size = self.size();
        assert_eq!(self.raw(size.slots - 1), 0, "the last slot is empty");
        let (mut len, mut last_tag) = (0, 0);
        for (at, slot) in self.iter() {
            len += 1;
            assert!(slot.tag() >= last_tag, "slots are sorted by tag");
            last_tag = slot.tag();
            let home = size.home(slot.tag());
            assert!(home <= at, "no entry stands before its home");
            assert!((home..at).all(|p| self.raw(p) != 0), "no gap between home and entry");
        }
        assert_eq!(len, self.len(), "length of a segment");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Content, Facts};
    use crate::rng::Rng;

    fn entry(heap: &mut Heap, number: u64) -> Owned {
        let facts = Facts {
            key: &number.to_le_bytes(),
            content: Content::Inline(b""),
            age: 0,
            kind: crate::Kind::String,
            form: 0,
            deadline: None,
            version: None,
            flags: 0,
            fetched: false,
        };
        Owned::build(heap, facts)
    }

    /// Tags as a good hash gives them, and as nobody wants them.
    #[test]
    fn any_tags_in_any_number_are_found_again() {
        type Spread = (&'static str, fn(&mut Rng) -> u16);
        let spread: [Spread; 4] = [
            ("even", |rng| rng.draw() as u16),
            ("all first", |_| 0),
            ("all last", |_| u16::MAX),
            ("two heaps", |rng| if rng.below(2) == 0 { 0x7fff } else { 0xfff0 + rng.below(16) as u16 }),
        ];
        let lengths: &[usize] = if cfg!(miri) { &[1, 60] } else { &[1, 3, 60, 700, 20_000] };
        for (name, tag) in spread {
            for &length in lengths {
                let mut rng = Rng::new(length as u64);
                let mut heap = Heap::new();
                let mut all: Vec<(u16, u64)> = (0..length as u64).map(|number| (tag(&mut rng), number)).collect();
                all.sort_unstable();
                let mut slots: Vec<Slot> =
                    all.iter().map(|&(tag, number)| Slot::new(tag, entry(&mut heap, number))).collect();
                let mut segment = Segment::build(&mut heap, Size::right(length), 7, &slots);
                // Take some out, put others in; where there is no more room, build anew.
                for number in length as u64..length as u64 + 400.min(length as u64) {
                    let (gone_tag, gone) = all.swap_remove(rng.below(all.len() as u64) as usize);
                    let at = segment.find(gone_tag, |e| e.key() == gone.to_le_bytes()).expect("every entry is found");
                    segment.remove(at).free(&mut heap);
                    for _ in 0..1 + rng.below(2) {
                        let number = number + (all.len() as u64) * 1_000_000;
                        let slot = Slot::new(tag(&mut rng), entry(&mut heap, number));
                        all.push((slot.tag(), number));
                        if segment.insert(slot).is_err() {
                            segment.collect(&mut slots);
                            slots.push(slot);
                            slots.sort_by_key(|slot| slot.tag());
                            let grown = Segment::build(&mut heap, segment.size().next(), 7, &slots);
                            segment.free(&mut heap);
                            segment = grown;
                        }
                    }
                    if cfg!(miri) || number % 64 == 0 {
                        segment.verify();
                    }
                }
                segment.verify();
                assert_eq!(segment.len(), all.len(), "{name}, {length}");
                for (tag, number) in all {
                    let at = segment.find(tag, |e| e.key() == number.to_le_bytes());
                    segment.remove(at.expect("every entry is found")).free(&mut heap);
                    assert!(segment.find(tag, |e| e.key() == number.to_le_bytes()).is_none());
                }
                segment.free(&mut heap);
                assert_eq!(heap.used(), 0, "{name}, {length}");
            }
        }
    }
}
