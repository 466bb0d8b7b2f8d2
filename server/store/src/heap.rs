//! Room: store. The memory that entries and table segments live in, cut into size classes. Touches: nothing.
//!
//! General allocators round 56 bytes to 64 and 13 KiB to 16 KiB; a store of small entries cannot afford either. So memory
//! is taken in chunks of 2 MiB, aligned to their size, and cut here:
//!
//! - A chunk is a region (`regions`), or, where none is ready, comes from the global allocator. So does the first of a heap, of
//!   which a small store touches no more than it needs.
//! - A chunk is 128 pages of 16 KiB. Its head, in page 0, describes them.
//! - 1, 4 or 16 neighbouring pages make a run, which serves blocks of one size class. Classes are 8 bytes apart up to
//!   256 bytes and sixteen to the octave from there to 32 KiB. What is larger goes to the global allocator.
//! - A run keeps its free blocks in a list threaded through them, and starts with a border beyond which all are fresh,
//!   so an untouched page stays unmapped.
//! - The chunk of a block is found by masking its address; no block has a header.
//!
//! A run without a block in use goes back to its chunk, a chunk without a run back to where it came from, in steps (`release`).
//!
//! With the feature `direct`, or under Miri, every block comes from the global allocator, so that an address sanitizer
//! sees each one.

use crate::regions::{self, REGION_BYTES, Region};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::{NonNull, null_mut};

const CHUNK_BYTES: usize = REGION_BYTES;
const PAGE_BYTES: usize = 1 << 14;
const PAGES: usize = CHUNK_BYTES / PAGE_BYTES;
const CLASSES: usize = 32 + 7 * 16;
/// Blocks above this come from the global allocator.
pub const BLOCK_BYTES_MAX: usize = 1 << 15;
/// What a chunk's head takes of page 0.
const HEAD_BYTES: usize = size_of::<Chunk>().next_multiple_of(16);
/// Pages to a run, by kind of run.
const RUN_PAGES: [usize; 3] = [1, 4, 16];
/// Not in the list of chunks with room for a kind of run.
const CLOSED: u32 = u32::MAX;
const DIRECT: bool = cfg!(any(feature = "direct", miri));

const _: () = assert!(PAGES == 128, "a chunk's free pages are the bits of a u128");
const _: () = assert!(HEAD_BYTES < PAGE_BYTES / 3);
const _: () = assert!(16 * PAGE_BYTES / 8 < u16::MAX as usize, "offsets in a run, in units of 8 bytes, fit a u16");

/// Some pages in a row, cut into blocks of one class.
struct Run {
    next: *mut Run,
    prev: *mut Run,
    /// Offset + 1 of the first block that was freed, 0 for none. Offsets are from the run's first page, in units of 8 bytes.
    free: u16,
    /// Offset of the first block that was never used.
    fresh: u16,
    /// Offset at which the run ends.
    end: u16,
    used: u16,
    class: u8,
    /// Index of the run's first page. Set for every page of a run.
    head: u8,
    kind: u8,
}

#[repr(C)]
struct Chunk {
    runs: [Run; PAGES],
    /// Bit p: page p belongs to no run.
    free: u128,
    /// Where this chunk stands in `Heap::open`, by kind of run.
    place: [u32; 3],
    /// It is in `idle`.
    listed: bool,
    /// Whose region it is.
    node: Option<u8>,
}

/// Memory of one store, in blocks. Not shared between threads, so nothing here is atomic.
pub struct Heap {
    /// What entries are built with: `entry::MARK` or 0.
    pub mark: u64,
    /// Runs with room, by class.
    partial: [*mut Run; CLASSES],
    /// Chunks with room for one more run, by kind of run.
    open: [Vec<NonNull<Chunk>>; 3],
    /// Chunks without a run in use.
    idle_chunks: usize,
    /// Chunks that were without a run when they were listed.
    idle: Vec<NonNull<Chunk>>,
    chunks: usize,
    /// It has said that it will need a region.
    expects: bool,
    /// Bytes in blocks, classes' sizes.
    used_bytes: usize,
    /// Bytes in blocks beyond `BLOCK_BYTES_MAX`.
    large_bytes: usize,
    /// Bytes that can never be a block: heads of chunks, remainders of runs.
    lost_bytes: usize,
}

/// The class that serves `bytes`: 1 ..= `BLOCK_BYTES_MAX`.
#[inline]
fn class_of(bytes: usize) -> usize {
    debug_assert!((1..=BLOCK_BYTES_MAX).contains(&bytes));
    if bytes <= 256 {
        (bytes - 1) / 8
    } else {
        let octave = (bytes - 1).ilog2() as usize;
        32 + (octave - 8) * 16 + ((bytes - 1) >> (octave - 4)) - 16
    }
}

#[inline]
fn class_bytes(class: usize) -> usize {
    if class < 32 {
        (class + 1) * 8
    } else {
        let octave = (class - 32) / 16 + 8;
        (17 + (class - 32) % 16) << (octave - 4)
    }
}

/// 1, 4 or 16 pages: few enough that a half empty run is small, enough that the remainder at its end is below 6 %.
fn kind_of(class: usize) -> usize {
    match class_bytes(class) {
        0..=512 => 0,
        513..=8192 => 1,
        _ => 2,
    }
}

/// Bits of the aligned groups of 4 free pages (lowest bit of each), and of 16.
fn groups(free: u128) -> (u128, u128) {
    let four = free & free >> 1 & free >> 2 & free >> 3 & (u128::MAX / 0xf);
    let sixteen = four & four >> 4 & four >> 8 & four >> 12 & (u128::MAX / 0xffff);
    (four, sixteen)
}

/// The page at which a run of `kind` starts best: where it breaks no larger group of free pages, if there is such a place.
fn choose(free: u128, kind: usize) -> Option<usize> {
    let (four, sixteen) = groups(free);
    let in_broken_four = free & !(four * 0xf);
    let in_broken_sixteen = four & !(sixteen * 0x1111);
    let choices = match kind {
        0 => [in_broken_four, in_broken_sixteen, free],
        1 => [in_broken_sixteen, four, 0],
        _ => [sixteen, 0, 0],
    };
    choices.into_iter().find(|&c| c != 0).map(|c| c.trailing_zeros() as usize)
}

/// What a block of `bytes` really takes.
#[inline]
pub fn usable(bytes: usize) -> usize {
    if bytes <= BLOCK_BYTES_MAX { class_bytes(class_of(bytes)) } else { bytes.next_multiple_of(16) }
}

fn large_layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes.next_multiple_of(16), 16).expect("entries are far below isize::MAX")
}

impl Heap {
    pub fn new() -> Heap {
        Heap {
            mark: 0,
            partial: [null_mut(); CLASSES],
            open: [const { Vec::new() }; 3],
            idle_chunks: 0,
            idle: Vec::new(),
            chunks: 0,
            expects: false,
            used_bytes: 0,
            large_bytes: 0,
            lost_bytes: 0,
        }
    }

    /// Bytes in blocks that are in use.
    pub fn used(&self) -> usize {
        self.used_bytes + self.large_bytes
    }

    /// Bytes taken in chunks and not in use, which later blocks can be made of.
    pub fn spare(&self) -> usize {
        (self.chunks * CHUNK_BYTES).saturating_sub(self.used_bytes + self.lost())
    }

    /// Bytes taken in chunks that no block can be made of. A chunk without a run goes back with its head.
    pub fn lost(&self) -> usize {
        self.lost_bytes - self.idle_chunks * HEAD_BYTES
    }

    /// A block of at least `bytes` (above 0), aligned to 8, and to 16 when `bytes` is a multiple of 16.
    #[inline]
    pub fn take(&mut self, bytes: usize) -> NonNull<u8> {
        if DIRECT || bytes > BLOCK_BYTES_MAX {
            return self.take_large(bytes);
        }
        let class = class_of(bytes);
        let size = class_bytes(class);
        self.used_bytes += size;
        if self.partial[class].is_null() {
            self.start_run(class);
        }
        let run = self.partial[class];
        // SAFETY: `partial` holds only runs of live chunks, and `start_run` has just put one there if there was none. A run
        // in `partial` has a free block or a fresh one; offsets stay below `end`, inside the run's pages.
        unsafe {
            let base = base_of(run);
            let offset = if (*run).free != 0 {
                let offset = (*run).free - 1;
                (*run).free = base.add(offset as usize * 8).cast::<u16>().read();
                offset
            } else {
                let offset = (*run).fresh;
                (*run).fresh += (size / 8) as u16;
                offset
            };
            (*run).used += 1;
            if !has_room(run) {
                self.unlink(run);
            }
            NonNull::new_unchecked(base.add(offset as usize * 8))
        }
    }

    /// Gives back what `take(bytes)` gave.
    ///
    /// # Safety
    /// `block` came from `take` or `resize` of this heap with this size, and is not used afterwards.
    #[inline]
    pub unsafe fn give(&mut self, block: NonNull<u8>, bytes: usize) {
        if DIRECT || bytes > BLOCK_BYTES_MAX {
            // SAFETY: as the caller promises; such a block was made by `take_large`.
            unsafe { dealloc(block.as_ptr(), large_layout(bytes)) };
            self.large_bytes -= usable(bytes);
            return;
        }
        self.used_bytes -= usable(bytes);
        let address = block.as_ptr();
        let chunk = chunk_of(address);
        // SAFETY: the block lies in a chunk of this heap, so masking its address gives the chunk's head; its page belongs to
        // a run in use, whose first page's descriptor is the run.
        unsafe {
            let page = (address as usize % CHUNK_BYTES) / PAGE_BYTES;
            let head = (*chunk).runs[page].head as usize;
            let run = &raw mut (*chunk).runs[head];
            debug_assert_eq!((*run).class as usize, class_of(bytes));
            let offset = address.offset_from_unsigned(base_of(run)) / 8;
            let had_room = has_room(run);
            address.cast::<u16>().write((*run).free);
            (*run).free = offset as u16 + 1;
            (*run).used -= 1;
            if (*run).used == 0 {
                if had_room {
                    self.unlink(run);
                }
                self.end_run(run);
            } else if !had_room {
                self.link(run);
            }
        }
    }

    /// A block of `to` bytes with the contents of `block` (as many bytes as both have); the old one is gone.
    ///
    /// # Safety
    /// As for `give(block, from)`.
    pub unsafe fn resize(&mut self, block: NonNull<u8>, from: usize, to: usize) -> NonNull<u8> {
        if usable(from) == usable(to) && !DIRECT {
            return block;
        }
        if DIRECT || (from > BLOCK_BYTES_MAX && to > BLOCK_BYTES_MAX) {
            self.large_bytes = self.large_bytes - usable(from) + usable(to);
            // SAFETY: both sizes are `take_large`'s.
            let moved = unsafe { realloc(block.as_ptr(), large_layout(from), large_layout(to).size()) };
            return NonNull::new(moved).unwrap_or_else(|| handle_alloc_error(large_layout(to)));
        }
        let new = self.take(to);
        // SAFETY: both blocks are live, differ, and hold at least the smaller size; the old one is the caller's to give.
        unsafe {
            new.copy_from_nonoverlapping(block, from.min(to));
            self.give(block, from);
        }
        new
    }

    #[cold]
    fn take_large(&mut self, bytes: usize) -> NonNull<u8> {
        self.large_bytes += usable(bytes);
        // SAFETY: the layout's size is not 0.
        let block = unsafe { alloc(large_layout(bytes)) };
        NonNull::new(block).unwrap_or_else(|| handle_alloc_error(large_layout(bytes)))
    }

    fn link(&mut self, run: *mut Run) {
        // SAFETY: callers pass a run of a live chunk; what `partial` and its links hold are such runs too.
        unsafe {
            let first = &mut self.partial[(*run).class as usize];
            (*run).prev = null_mut();
            (*run).next = *first;
            if !first.is_null() {
                (**first).prev = run;
            }
            *first = run;
        }
    }

    fn unlink(&mut self, run: *mut Run) {
        // SAFETY: as in `link`; the run is in its class's list.
        unsafe {
            let (prev, next) = ((*run).prev, (*run).next);
            if prev.is_null() {
                self.partial[(*run).class as usize] = next;
            } else {
                (*prev).next = next;
            }
            if !next.is_null() {
                (*next).prev = prev;
            }
        }
    }

    /// Puts a new run for `class` into `partial`.
    #[cold]
    fn start_run(&mut self, class: usize) {
        let kind = kind_of(class);
        let pages = RUN_PAGES[kind];
        let chunk = self.open[kind].last().copied().unwrap_or_else(|| self.start_chunk()).as_ptr();
        // SAFETY: chunks in `open` are live, and one in `open[kind]` has the pages for such a run; all of them are inside
        // the chunk's array.
        unsafe {
            if (*chunk).free == u128::MAX {
                self.idle_chunks -= 1;
            }
            let head = choose((*chunk).free, kind).expect("a chunk in `open` has room");
            (*chunk).free &= !(ones(pages) << head);
            for page in head..head + pages {
                (*chunk).runs[page].head = head as u8;
            }
            let fresh = if head == 0 { HEAD_BYTES } else { 0 };
            let run = &raw mut (*chunk).runs[head];
            (*run).free = 0;
            (*run).fresh = (fresh / 8) as u16;
            (*run).end = (pages * PAGE_BYTES / 8) as u16;
            (*run).used = 0;
            (*run).class = class as u8;
            (*run).kind = kind as u8;
            self.lost_bytes += remainder(head, class);
            self.settle(chunk);
            self.link(run);
        }
        self.foresee(kind);
    }

    /// When little is left for runs of this kind, a chunk more will be needed soon.
    fn foresee(&mut self, kind: usize) {
        if self.expects || self.open[kind].len() > 1 {
            return;
        }
        // SAFETY: chunks in `open` are live.
        let free = self.open[kind].last().map_or(0, |chunk| unsafe { (*chunk.as_ptr()).free });
        let (four, sixteen) = groups(free);
        let left = [free, four, sixteen][kind].count_ones() as usize * RUN_PAGES[kind];
        if left <= PAGES / 4 {
            self.expects = true;
            regions::expect();
        }
    }

    /// Takes back an unlinked run without a block in use.
    #[cold]
    fn end_run(&mut self, run: *mut Run) {
        // SAFETY: the run belongs to a live chunk; its pages are the ones that `start_run` took.
        unsafe {
            let chunk = chunk_of(run.cast());
            let head = (*run).head as usize;
            self.lost_bytes -= remainder(head, (*run).class as usize);
            (*chunk).free |= ones(RUN_PAGES[(*run).kind as usize]) << head;
            if (*chunk).free != u128::MAX {
                self.settle(chunk);
            } else {
                self.idle_chunks += 1;
                self.settle(chunk);
                if !(*chunk).listed {
                    (*chunk).listed = true;
                    self.idle.push(NonNull::new_unchecked(chunk));
                }
            }
        }
    }

    /// Gives chunks without a run back, `max` of them; one is kept. True while there are more. Giving one
    /// back takes the kernel some time (80 µs for a MiB in small pages), and when a whole database goes its chunks are empty all at
    /// once: so this is done in steps.
    pub fn release(&mut self, max: usize) -> bool {
        for _ in 0..max {
            if self.idle_chunks <= 1 {
                return false;
            }
            let Some(chunk) = self.idle.pop() else { return false };
            let chunk = chunk.as_ptr();
            // SAFETY: a chunk is listed once, and is freed only here, when it leaves the list: it is live.
            unsafe {
                (*chunk).listed = false;
                if (*chunk).free != u128::MAX {
                    continue; // In use again; it is listed again when it is idle again.
                }
                (*chunk).free = 0;
                self.settle(chunk);
                free_chunk(chunk);
            }
            self.idle_chunks -= 1;
            self.chunks -= 1;
            self.lost_bytes -= HEAD_BYTES;
        }
        self.idle_chunks > 1
    }

    #[cold]
    fn start_chunk(&mut self) -> NonNull<Chunk> {
        let region = if self.chunks == 0 { None } else { regions::take() };
        self.expects = false;
        let (space, node) = match region {
            Some(region) => (Some(region.address()), Some(region.node())),
            // SAFETY: the layout's size is not 0.
            None => (NonNull::new(unsafe { alloc(Layout::new::<ChunkSpace>()) }), None),
        };
        let Some(chunk) = space.map(NonNull::cast::<Chunk>) else { handle_alloc_error(Layout::new::<ChunkSpace>()) };
        let run = || Run {
            next: null_mut(),
            prev: null_mut(),
            free: 0,
            fresh: 0,
            end: 0,
            used: 0,
            class: 0,
            head: 0,
            kind: 0,
        };
        let head =
            Chunk { runs: std::array::from_fn(|_| run()), free: u128::MAX, place: [CLOSED; 3], listed: false, node };
        // SAFETY: this heap's alone, large and aligned enough for the head.
        unsafe { chunk.write(head) };
        self.chunks += 1;
        self.idle_chunks += 1;
        self.lost_bytes += HEAD_BYTES;
        self.settle(chunk.as_ptr());
        chunk
    }

    /// Puts `chunk` into the lists of `open` that it belongs to, and out of the others.
    fn settle(&mut self, chunk: *mut Chunk) {
        for kind in 0..3 {
            // SAFETY: `chunk` and all chunks in `open` are live.
            unsafe {
                let fits = choose((*chunk).free, kind).is_some();
                let place = (*chunk).place[kind];
                let open = &mut self.open[kind];
                if fits && place == CLOSED {
                    (*chunk).place[kind] = open.len() as u32;
                    open.push(NonNull::new_unchecked(chunk));
                } else if !fits && place != CLOSED {
                    open.swap_remove(place as usize);
                    if let Some(moved) = open.get(place as usize) {
                        (*moved.as_ptr()).place[kind] = place;
                    }
                    (*chunk).place[kind] = CLOSED;
                }
            }
        }
    }
}

impl Drop for Heap {
    /// The blocks must be gone (the store gives them back first); a chunk that still has some is leaked, never freed under them.
    fn drop(&mut self) {
        for chunk in std::mem::take(&mut self.open[0]) {
            // SAFETY: chunks in `open` are live; one whose pages are all free holds no block.
            unsafe {
                if (*chunk.as_ptr()).free == u128::MAX {
                    free_chunk(chunk.as_ptr());
                }
            }
        }
    }
}

/// The size and alignment of a chunk: masking the address of anything inside gives its start.
#[repr(align(2097152))]
struct ChunkSpace {
    _bytes: [u8; CHUNK_BYTES],
}

/// # Safety
/// The chunk is live, holds no block, and is not used afterwards.
unsafe fn free_chunk(chunk: *mut Chunk) {
    // SAFETY: as the caller promises; a chunk of no node was made with this layout, another is a region of that node.
    unsafe {
        match ((*chunk).node, NonNull::new(chunk.cast())) {
            (Some(node), Some(address)) => regions::give(Region::from_parts(address, node)),
            _ => dealloc(chunk.cast(), Layout::new::<ChunkSpace>()),
        }
    }
}

fn ones(n: usize) -> u128 {
    (1 << n) - 1
}

/// Bytes at the end of a run that make no whole block.
fn remainder(head: usize, class: usize) -> usize {
    let start = if head == 0 { HEAD_BYTES } else { 0 };
    (RUN_PAGES[kind_of(class)] * PAGE_BYTES - start) % class_bytes(class)
}

#[inline]
fn chunk_of(inside: *mut u8) -> *mut Chunk {
    inside.map_addr(|a| a & !(CHUNK_BYTES - 1)).cast()
}

/// # Safety
/// `run` is in the head of a live chunk, and in use.
#[inline]
unsafe fn base_of(run: *mut Run) -> *mut u8 {
    // SAFETY: the run's pages lie in the same chunk as its descriptor.
    unsafe { chunk_of(run.cast()).cast::<u8>().add((*run).head as usize * PAGE_BYTES) }
}

/// # Safety
/// As `base_of`.
#[inline]
unsafe fn has_room(run: *mut Run) -> bool {
    // SAFETY: as the caller promises.
    let run = unsafe { &*run };
    run.free != 0 || run.fresh as usize + class_bytes(run.class as usize) / 8 <= run.end as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_waste_little_and_rise() {
        for bytes in (1..=BLOCK_BYTES_MAX).step_by(if cfg!(miri) { 61 } else { 1 }) {
            let class = class_of(bytes);
            let size = class_bytes(class);
            assert!(size >= bytes && size.is_multiple_of(8), "{bytes} got {size}");
            assert!(size - bytes < 8.max(bytes / 16 + 1), "{bytes} got {size}");
            assert!(bytes % 16 != 0 || bytes < 256 || size.is_multiple_of(16), "{bytes} got {size}");
            assert_eq!(class_of(size), class);
            assert!(class == 0 || class_bytes(class - 1) < bytes);
        }
        assert_eq!(class_of(BLOCK_BYTES_MAX), CLASSES - 1);
        assert_eq!(usable(56), 56);
    }

    #[test]
    fn blocks_keep_their_bytes_and_memory_returns() {
        for seed in 1..=if cfg!(miri) { 2 } else { 20 } {
            let mut rng = crate::rng::Rng::new(seed);
            let mut heap = Heap::new();
            let mut live: Vec<(NonNull<u8>, usize, u8)> = Vec::new();
            let fill = |block: NonNull<u8>, bytes, byte| {
                // SAFETY: the block has `bytes` bytes.
                unsafe { block.write_bytes(byte, bytes) }
            };
            let check = |&(block, bytes, byte): &(NonNull<u8>, usize, u8), upto: usize| {
                // SAFETY: the block is live and was filled with `bytes` bytes.
                let slice = unsafe { std::slice::from_raw_parts(block.as_ptr(), bytes.min(upto)) };
                assert!(slice.iter().all(|&b| b == byte), "seed {seed}: a block of {bytes} bytes changed");
            };
            let size = |rng: &mut crate::rng::Rng| match rng.below(10) {
                0 => 1 + rng.below(if cfg!(miri) { 400 } else { 40_000 }),
                1 | 2 => 1 + rng.below(if cfg!(miri) { 200 } else { 3000 }),
                _ => 1 + rng.below(120),
            } as usize;
            for step in 0..if cfg!(miri) { 300 } else { 20_000 } {
                let growing = (step / 2000) % 2 == 0;
                if live.is_empty() || rng.below(10) < if growing { 7 } else { 3 } {
                    let bytes = size(&mut rng);
                    let block = heap.take(bytes);
                    assert_eq!(block.as_ptr() as usize % 8, 0);
                    fill(block, bytes, step as u8);
                    live.push((block, bytes, step as u8));
                } else {
                    let i = rng.below(live.len() as u64) as usize;
                    let (block, bytes, byte) = live.swap_remove(i);
                    check(&(block, bytes, byte), usize::MAX);
                    if rng.below(4) == 0 {
                        let to = size(&mut rng);
                        // SAFETY: taken from this heap with this size.
                        let new = unsafe { heap.resize(block, bytes, to) };
                        check(&(new, bytes.min(to), byte), to);
                        fill(new, to, byte);
                        live.push((new, to, byte));
                    } else {
                        // SAFETY: taken from this heap with this size.
                        unsafe { heap.give(block, bytes) };
                    }
                }
                if step % 97 == 0 {
                    assert_eq!(heap.used(), live.iter().map(|l| usable(l.1)).sum::<usize>(), "seed {seed}");
                }
            }
            for (block, bytes, byte) in live {
                check(&(block, bytes, byte), usize::MAX);
                // SAFETY: taken from this heap with this size.
                unsafe { heap.give(block, bytes) };
            }
            assert_eq!(heap.used(), 0);
            while heap.release(1) {}
            assert!(heap.chunks <= 1 && heap.idle_chunks == heap.chunks, "seed {seed}: {} chunks left", heap.chunks);
        }
    }
}
