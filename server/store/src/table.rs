//! Room: store. One database's entries, found by key, walked in hash order. Touches: nothing beyond this crate.
//!
//! Extendible hashing: the directory has 2^depth words, indexed by the top bits of the hash; each names a segment, and a
//! segment of depth d is named by all words that share its d bits. A full segment is split by the next bit into two; that
//! reads the keys of some hundred entries, and is all the work that growing ever does at once (beside copying the directory).
//!
//! When a segment splits depends on its place (`length_split`), spread over an octave. All segments would otherwise reach the same size at
//! the same time, and each step of growth would leave a whole size class of holes behind; like this, what one segment
//! leaves another takes, at any number of keys.

use crate::entry::{Mut, Owned, Ref};
use crate::heap::Heap;
use crate::rng::Rng;
use crate::segment::{Segment, Size, Slot, Word, length_max};
use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use std::hash::Hasher;

/// Cursors are the top 48 bits of a hash: with at most 32 bits of depth, a tag's 16 end at or before there.
const DEPTH_MAX: u32 = 32;
/// Slots that one call of `scan` passes for each entry it was asked for, at most: bounds the walk over a sparse table.
const SCAN_SLOTS_PER_ENTRY: usize = 8;
/// How far ahead entries are fetched where many are read in a row.
const AHEAD: usize = 8;
/// Segments are more than 80 % full, tiny ones half: 8 draws fail once in 400,000 times there, once in 256 here.
const NEAR_DRAWS: usize = 8;

/// Hashes keys with a secret, so that nobody outside can aim at one segment.
pub struct Keyed {
    seed: u64,
    shared: SharedSeed,
}

impl Keyed {
    pub fn new(seed: u64) -> Keyed {
        Keyed { seed: seed.rotate_left(32) ^ 0x243f_6a88_85a3_08d3, shared: SharedSeed::from_u64(seed) }
    }

    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        hasher.finish()
    }
}

/// What the tables of one store share.
pub struct Ground {
    pub heap: Heap,
    pub keyed: Keyed,
    /// Segments are split between 0.71 and 1.41 times this many entries.
    pub segment_length: usize,
    /// Running sums over all tables.
    pub segment_bytes: usize,
    pub directory_bytes: usize,
    scratch: Vec<Slot>,
}

impl Ground {
    pub fn new(seed: u64, segment_length: usize) -> Ground {
        Ground {
            heap: Heap::new(),
            keyed: Keyed::new(seed),
            segment_length: segment_length.max(4),
            segment_bytes: 0,
            directory_bytes: 0,
            scratch: Vec::new(),
        }
    }

    /// The length beyond which the segment that `hash` falls into is split.
    fn length_split(&self, hash: u64) -> usize {
        self.segment_length * 181 / 256 * (64 + (hash >> 58) as usize) / 64
    }
}

/// Where an entry stands. Good until the table changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spot {
    index: u32,
    at: u32,
}

pub struct Table {
    /// 2^depth words.
    words: Vec<Word>,
    depth: u32,
    /// Segments whose depth is the directory's: when there are none, the directory is halved.
    deepest: usize,
    len: usize,
    /// How many entries are to come; 0: nobody has said.
    expected: usize,
    /// Entries with a deadline, and the sum of their deadlines.
    pub deadlines: usize,
    pub deadline_sum: u128,
}

impl Table {
    pub fn new(ground: &mut Ground) -> Table {
        let mut table =
            Table { words: Vec::new(), depth: 0, deepest: 1, len: 0, expected: 0, deadlines: 0, deadline_sum: 0 };
        table.set_words(ground, vec![Word::nothing()]);
        table
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn directory_bytes(&self) -> usize {
        self.words.capacity() * size_of::<Word>()
    }

    fn set_words(&mut self, ground: &mut Ground, words: Vec<Word>) {
        ground.directory_bytes -= self.directory_bytes();
        self.words = words;
        ground.directory_bytes += self.directory_bytes();
    }

    /// Before so many entries are inserted: a table of one segment makes its directory as it will be, and its segments get their lasting
    /// size with their first entry. So nothing is split and hardly anything made larger on the way. Should fewer come, that has cost
    /// 10 bytes for each that did not.
    pub fn expect(&mut self, ground: &mut Ground, entries: usize) {
        if self.depth > 0 || self.expected > 0 {
            return;
        }
        // What is there goes in again.
        let mut there = Vec::new();
        while let Some(at) = self.segment(0).next(0) {
            there.push(self.remove(ground, Spot { index: 0, at: at as u32 }));
        }
        self.plan(ground, entries);
        for entry in there {
            let hash = ground.keyed.hash(entry.get().key());
            self.insert(ground, hash, entry);
        }
    }

    /// Of an empty table of one segment.
    fn plan(&mut self, ground: &mut Ground, entries: usize) {
        self.expected = entries;
        // Hashes are spread by chance: three times the root more in one of the segments is nothing rare.
        let crowded = |depth: u32| {
            let mean = entries >> depth;
            mean + 3 * mean.isqrt()
        };
        // Deep enough for the places that split first, one less for those that need not yet: lengths are spread over an octave.
        let (mut depth, split_least) = (0, ground.length_split(0));
        while depth < DEPTH_MAX && crowded(depth) >= split_least {
            depth += 1;
        }
        if depth == 0 {
            return;
        }
        self.depth = depth;
        let pair = |place: u64| {
            let start = (place << 1) << (63 - (depth - 1));
            let depth = if crowded(depth - 1) < ground.length_split(start) { depth - 1 } else { depth };
            [Segment::nothing(depth).word(); 2]
        };
        let words: Vec<Word> = (0..1 << (depth - 1)).flat_map(pair).collect();
        self.deepest = words.iter().filter(|word| word.depth() == depth).count();
        self.set_words(ground, words);
        if self.deepest == 0 {
            let words = self.words.iter().copied().step_by(2).collect();
            self.set_words(ground, words);
            self.depth -= 1;
            self.deepest = self.words.len();
        }
    }

    /// What was expected has come: from now on it grows as it needs.
    pub fn expect_no_more(&mut self) {
        self.expected = 0;
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        // Two shifts: at depth 0 one would be by 64.
        ((hash >> 1) >> (63 - self.depth)) as usize
    }

    #[inline]
    fn segment(&self, index: usize) -> Segment {
        // SAFETY: the directory's words name live segments, each freed only when its words are overwritten; `&self` lends
        // entries to be read, and every change takes `&mut self`.
        unsafe { self.words[index].segment() }
    }

    /// The first hash that falls into the segment at `index`.
    fn start(&self, index: usize) -> u64 {
        let below = self.depth - self.words[index].depth();
        let first = (index >> below << below) as u64;
        (first << 1) << (63 - self.depth)
    }

    /// Names `segment` in all words for the hash range that starts at `start`.
    fn name(&mut self, start: u64, segment: Segment) {
        let first = self.index(start);
        let count = 1 << (self.depth - segment.depth());
        self.words[first..first + count].fill(segment.word());
    }

    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Spot> {
        self.find_by(hash, |entry| entry.key() == key)
    }

    #[inline(always)]
    pub fn find_by(&self, hash: u64, is: impl Fn(Ref<'_>) -> bool) -> Option<Spot> {
        let index = self.index(hash);
        let segment = self.segment(index);
        let at = segment.find(segment.tag(hash), is)?;
        Some(Spot { index: index as u32, at: at as u32 })
    }

    /// Asks the CPU for the slot of `hash`.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let segment = self.segment(self.index(hash));
        segment.prefetch(segment.tag(hash));
    }

    /// The same, and for the head of its segment.
    #[inline]
    pub fn prefetch_to_insert(&self, hash: u64) {
        let segment = self.segment(self.index(hash));
        segment.prefetch_head();
        segment.prefetch(segment.tag(hash));
    }

    /// Reads the slot of `hash`, which should be near by now, and asks the CPU for the entry that it seems to name.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        let segment = self.segment(self.index(hash));
        let tag = segment.tag(hash);
        let mut at = segment.home(tag);
        while let Some(slot) = segment.slot(at)
            && slot.tag() <= tag
        {
            if slot.tag() == tag {
                slot.prefetch();
                return;
            }
            at += 1;
        }
    }

    #[inline]
    pub fn entry(&self, spot: Spot) -> Ref<'_> {
        // SAFETY: the spot is of this table as it is now (a stale one names another entry or fails the assert in `slot`);
        // `&self` keeps it unchanged.
        unsafe { self.segment(spot.index as usize).slot(spot.at as usize).expect("a spot has an entry").entry() }
    }

    #[inline]
    pub fn entry_mut(&mut self, spot: Spot) -> Mut<'_> {
        let segment = self.segment(spot.index as usize);
        assert!(segment.slot(spot.at as usize).is_some(), "a spot has an entry");
        // SAFETY: as in `entry`, and `&mut self` is exclusive.
        unsafe { segment.entry_mut(spot.at as usize) }
    }

    /// Lets `change` have the entry and puts what comes back in its place. The key stays.
    #[inline]
    pub fn update(&mut self, spot: Spot, change: impl FnOnce(Owned) -> Owned) {
        self.segment(spot.index as usize).update(spot.at as usize, change);
    }

    /// Adds an entry whose key is not in the table.
    pub fn insert(&mut self, ground: &mut Ground, hash: u64, entry: Owned) -> Spot {
        let slot = Slot::new(0, entry);
        self.len += 1;
        loop {
            let index = self.index(hash);
            let segment = self.segment(index);
            let (len, size) = (segment.len(), segment.size());
            if len >= ground.length_split(hash) && self.may_split(ground, segment.depth()) {
                self.split(ground, index);
                continue;
            }
            let mut grown = size.next();
            if len < length_max(size.slots) {
                if let Ok(at) = segment.insert(slot.with_tag(segment.tag(hash))) {
                    return Spot { index: index as u32, at: at as u32 };
                }
            } else {
                grown = Size::right(len + 1 + len / 24);
            }
            let lasting = self.expected >> segment.depth();
            if lasting > len {
                let lasting = Size::right(lasting);
                grown = if lasting.slots > grown.slots { lasting } else { grown };
            }
            self.resize(ground, index, grown);
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, ground: &mut Ground, spot: Spot) -> Owned {
        let index = spot.index as usize;
        let segment = self.segment(index);
        let entry = segment.remove(spot.at as usize);
        self.len -= 1;
        let (len, slots) = (segment.len(), segment.size().slots);
        if len * 8 < slots * 5 {
            self.shrink(ground, index);
        }
        entry
    }

    #[cold]
    fn shrink(&mut self, ground: &mut Ground, index: usize) {
        let segment = self.segment(index);
        let (len, size) = (segment.len(), segment.size());
        if self.merge(ground, index) {
            return;
        }
        if len == 0 {
            ground.segment_bytes -= segment.allocated();
            let nothing = Segment::nothing(segment.depth());
            let start = self.start(index);
            self.name(start, nothing);
            segment.free(&mut ground.heap);
            return;
        }
        let right = Size::right(len + len / 8);
        if right.slots < size.slots {
            self.resize(ground, index, right);
        }
    }

    #[cold]
    fn resize(&mut self, ground: &mut Ground, index: usize, size: Size) {
        let old = self.segment(index);
        old.collect(&mut ground.scratch);
        let new = Segment::build(&mut ground.heap, size, old.depth(), &ground.scratch);
        self.replace(ground, self.start(index), &[old], &[new]);
    }

    /// Names `new` (side by side from `start`) in place of `old`, and frees those.
    fn replace(&mut self, ground: &mut Ground, mut start: u64, old: &[Segment], new: &[Segment]) {
        for segment in new {
            ground.segment_bytes += segment.allocated();
            self.name(start, *segment);
            start = start.wrapping_add((1 << 63) >> (segment.depth().max(1) - 1));
        }
        for segment in old {
            ground.segment_bytes -= segment.allocated();
            segment.free(&mut ground.heap);
        }
    }

    /// The directory stays in proportion to what it is for, even if hashes are not spread as they should be.
    fn may_split(&self, ground: &Ground, depth: u32) -> bool {
        depth < self.depth || depth < DEPTH_MAX && 1usize << depth <= 8 + 8 * self.len / ground.segment_length
    }

    #[cold]
    fn split(&mut self, ground: &mut Ground, index: usize) {
        let segment = self.segment(index);
        let start = self.start(index);
        let depth = segment.depth() + 1;
        if depth > self.depth {
            let words = self.words.iter().flat_map(|&word| [word, word]).collect();
            self.set_words(ground, words);
            self.depth += 1;
            self.deepest = 0;
        }
        let slots = &mut ground.scratch;
        segment.collect(slots);
        let border = slots.partition_point(|slot| slot.tag() < 0x8000);
        for i in 0..slots.len() {
            if let Some(ahead) = slots.get(i + AHEAD) {
                ahead.prefetch();
            }
            // SAFETY: the slots are the segment's, and `&mut self` keeps others away.
            let hash = ground.keyed.hash(unsafe { slots[i].entry() }.key());
            slots[i] = slots[i].with_tag((hash << depth >> 48) as u16);
        }
        let (left, right) = slots.split_at_mut(border);
        // Sorted by the old tag already: only what shared one can be out of order.
        left.sort_by_key(|slot| slot.tag());
        right.sort_by_key(|slot| slot.tag());
        let halves = [&*left, &*right].map(|half| build_right(&mut ground.heap, depth, half));
        if depth == self.depth {
            self.deepest += 2;
        }
        self.replace(ground, start, &[segment], &halves);
    }

    /// Joins the segment with its sibling if both are small. True if it did.
    fn merge(&mut self, ground: &mut Ground, index: usize) -> bool {
        let segment = self.segment(index);
        let depth = segment.depth();
        if depth == 0 {
            return false;
        }
        let start = self.start(index);
        let bit = (1 << 63) >> (depth - 1);
        let [left, right] = [start & !bit, start | bit].map(|start| self.segment(self.index(start)));
        let len = left.len() + right.len();
        // A third of where the whole would split again: far from both.
        if left.depth() != right.depth() || len * 3 > ground.length_split(start & !bit) {
            return false;
        }
        let slots = &mut ground.scratch;
        slots.clear();
        for (segment, top) in [(left, 0), (right, 0x8000)] {
            slots.extend(segment.iter().map(|(_, slot)| slot.with_tag(top | slot.tag() >> 1)));
        }
        let whole = build_right(&mut ground.heap, depth - 1, slots);
        self.replace(ground, start & !bit, &[left, right], &[whole]);
        if depth == self.depth {
            self.deepest -= 2;
            while self.deepest == 0 {
                let words = self.words.iter().copied().step_by(2).collect();
                self.set_words(ground, words);
                self.depth -= 1;
                self.deepest = self.words.iter().filter(|word| word.depth() == self.depth).count();
            }
        }
        true
    }

    /// Visits entries from `cursor` on; see `Store::scan`.
    pub fn scan(&self, keyed: &Keyed, cursor: u64, count: usize, mut visit: impl FnMut(Ref<'_>)) -> u64 {
        if cursor >> 48 != 0 || self.len == 0 {
            return 0;
        }
        let count = count.max(1);
        let (mut seen, mut passed) = (0, 0);
        let mut from = cursor << 16;
        loop {
            let index = self.index(from);
            let segment = self.segment(index);
            let start = self.start(index);
            let position = |tag: u32| start.wrapping_add(u64::from(tag) << (48 - segment.depth()));
            let first = segment.tag(from);
            // A cursor made when the segment was deeper may point into the middle of a tag.
            let inside = position(first.into()) != from;
            let mut at = segment.home(first);
            let mut ahead = at;
            passed += 1;
            while let Some(next) = segment.next(at) {
                let fetch_to = (next + AHEAD).min(segment.size().slots);
                while ahead < fetch_to {
                    if let Some(slot) = segment.slot(ahead) {
                        slot.prefetch();
                    }
                    ahead += 1;
                }
                // SAFETY: `next` gives slots with an entry; `&self` keeps the table unchanged.
                let (slot, entry) = (segment.slot(next).expect("not empty"), unsafe { segment.entry(next) });
                let tag = slot.tag();
                passed += next + 1 - at;
                at = next + 1;
                if tag < first || tag == first && inside && keyed.hash(entry.key()) < from {
                    continue;
                }
                visit(entry);
                seen += 1;
                let last_of_tag = !matches!(segment.slot(at), Some(next) if next.tag() == tag);
                if last_of_tag && (seen >= count || passed >= count.saturating_mul(SCAN_SLOTS_PER_ENTRY)) {
                    return position(u32::from(tag) + 1) >> 16;
                }
            }
            from = start.wrapping_add((1 << 63) >> (segment.depth().max(1) - 1));
            if from == 0 || segment.depth() == 0 {
                return 0;
            }
            if seen >= count || passed >= count.saturating_mul(SCAN_SLOTS_PER_ENTRY) {
                return from >> 16;
            }
        }
    }

    /// Shows `visit` all entries from `cursor` (0 starts) on in hash order, to be changed where they lie, until it says false: then
    /// that entry is to come again. Goes on for some `slots`. The next cursor, None at the end. An entry that is present from
    /// start to end is visited at least once, whatever is inserted, deleted, grown or shrunk in between.
    pub fn sweep(&mut self, cursor: u64, slots: usize, mut visit: impl FnMut(Mut<'_>) -> bool) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let mut from = cursor << 16;
        let mut passed = 0;
        loop {
            let segment = self.segment(self.index(from));
            let start = self.start(self.index(from));
            let position = |tag: u32| start.wrapping_add(u64::from(tag) << (48 - segment.depth()));
            let first = segment.tag(from);
            let mut at = segment.home(first);
            let mut ahead = at;
            let size = segment.size().slots;
            while let Some(next) = segment.next(at) {
                let fetch_to = (next + AHEAD).min(size);
                while ahead < fetch_to {
                    if let Some(slot) = segment.slot(ahead) {
                        slot.prefetch_whole();
                    }
                    ahead += 1;
                }
                let tag = segment.slot(next).expect("not empty").tag();
                passed += next + 1 - at;
                at = next + 1;
                if tag < first {
                    continue;
                }
                // SAFETY: `next` gives slots with an entry; `&mut self` is exclusive.
                if !visit(unsafe { segment.entry_mut(next) }) {
                    return Some(position(tag.into()) >> 16);
                }
                let last_of_tag = !matches!(segment.slot(at), Some(next) if next.tag() == tag);
                if last_of_tag && passed >= slots {
                    // Past the last tag of the last segment it is all done.
                    let next = position(u32::from(tag) + 1);
                    return (next != 0).then_some(next >> 16);
                }
            }
            passed += 1;
            from = start.wrapping_add((1 << 63) >> (segment.depth().max(1) - 1));
            if from == 0 || segment.depth() == 0 {
                return None;
            }
            if passed >= slots {
                return Some(from >> 16);
            }
        }
    }

    /// An entry near `hash`: for a random hash, a random entry. None if the table is empty.
    ///
    /// Places are drawn from all slots of a segment, pad included: from homes alone, what stands behind the last home would
    /// never be drawn. An empty slot means another draw, so that what follows a gap is not drawn more than others; after
    /// `NEAR_DRAWS`, as in a table that was emptied, the next entry will do.
    pub fn near(&self, hash: u64) -> Option<Spot> {
        if self.len == 0 {
            return None;
        }
        let (mut index, mut at) = (0, 0);
        let mut draw = hash;
        for _ in 0..NEAR_DRAWS {
            index = self.index(draw);
            let segment = self.segment(index);
            // The bits of a tag, over all slots.
            at = (segment.tag(draw) as usize * segment.size().slots) >> 16;
            if segment.slot(at).is_some() {
                return Some(Spot { index: index as u32, at: at as u32 });
            }
            // The multiplier of Knuth's MMIX generator; the rotation brings its good bits, the high ones, down and others up.
            draw = draw.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1).rotate_left(32);
        }
        loop {
            let segment = self.segment(index);
            if let Some(at) = segment.next(at) {
                return Some(Spot { index: index as u32, at: at as u32 });
            }
            // Words of one segment stand side by side.
            index += 1 << (self.depth - segment.depth());
            index &= self.words.len() - 1;
            index = self.index(self.start(index));
            at = 0;
        }
    }

    /// A random entry, each as likely as any other: for commands that promise it. None if the table is empty.
    ///
    /// Few segments are weighed by their lengths. Of many, places are drawn from as many for each part of the hash space,
    /// more than any segment has: a place that is not there, or is empty, means another draw.
    pub fn draw(&self, ground: &Ground, rng: &mut Rng) -> Option<Spot> {
        // Reading so many lengths costs as much as some draws that fail.
        const WEIGHED_WORDS: usize = 16;
        // Less than a tenth of the places may be entries where much was removed: 200 draws fail once in a billion times.
        const DRAWS: usize = 200;
        if self.len == 0 {
            return None;
        }
        let spot = |index: usize, at: usize| Some(Spot { index: index as u32, at: at as u32 });
        if self.words.len() <= WEIGHED_WORDS {
            let (mut left, mut index) = (rng.below(self.len as u64) as usize, 0);
            let segment = loop {
                let segment = self.segment(index);
                if left < segment.len() {
                    break segment;
                }
                left -= segment.len();
                index += 1 << (self.depth - segment.depth());
            };
            for _ in 0..DRAWS {
                let at = rng.below(segment.size().slots as u64) as usize;
                if segment.slot(at).is_some() {
                    return spot(index, at);
                }
            }
        } else {
            // The longest segment has 1.41 times the length, and is more than 80 % full.
            let places = ground.segment_length * 7 / 4 + 16;
            for _ in 0..DRAWS {
                let index = self.index(rng.draw());
                let segment = self.segment(index);
                let slots = segment.size().slots;
                let at = rng.below((places << (self.depth - segment.depth())).max(slots) as u64) as usize;
                if at < slots && segment.slot(at).is_some() {
                    return spot(index, at);
                }
            }
        }
        self.near(rng.draw())
    }

    /// Asks the CPU for the entry at `spot`.
    pub fn prefetch_spot(&self, spot: Spot) {
        if let Some(slot) = self.segment(spot.index as usize).slot(spot.at as usize) {
            slot.prefetch();
        }
    }

    /// Frees about `count` entries, telling `gone` of each. True while there are more. The table is fit for nothing else
    /// once this was called.
    pub fn bury(&mut self, ground: &mut Ground, count: usize, mut gone: impl FnMut(Mut<'_>)) -> bool {
        let mut freed = 0;
        // From the end, so that the directory can shrink with it. `depth` no longer fits it; nothing looks at it any more.
        while let Some(&word) = self.words.last() {
            if freed >= count {
                return true;
            }
            // SAFETY: as in `segment`: a word in the directory names a live segment.
            let segment = unsafe { word.segment() };
            segment.collect(&mut ground.scratch);
            for (i, slot) in ground.scratch.iter().enumerate() {
                if let Some(ahead) = ground.scratch.get(i + AHEAD) {
                    ahead.prefetch();
                }
                let mut entry = slot.into_owned();
                gone(entry.get_mut());
                entry.free(&mut ground.heap);
            }
            freed += segment.len() + 1;
            self.len -= segment.len();
            ground.segment_bytes -= segment.allocated();
            let words = self.words.len() - (1 << (self.depth - segment.depth()));
            self.words.truncate(words);
            segment.free(&mut ground.heap);
        }
        self.set_words(ground, Vec::new());
        false
    }

    /// Panics with what is wrong; `check` looks at each entry with its hash.
    pub fn verify(&self, ground: &Ground, mut check: impl FnMut(u64, Ref<'_>)) {
        assert_eq!(self.words.len(), 1 << self.depth);
        let (mut index, mut len, mut deepest) = (0, 0, 0);
        while index < self.words.len() {
            let segment = self.segment(index);
            let count = 1 << (self.depth - segment.depth());
            assert_eq!(index % count, 0, "a segment's words are aligned");
            assert!(self.words[index..index + count].iter().all(|&word| word == segment.word()));
            segment.verify();
            len += segment.len();
            deepest += usize::from(segment.depth() == self.depth);
            for (_, slot) in segment.iter() {
                // SAFETY: the slot is the segment's; `&self` keeps it unchanged.
                let entry = unsafe { slot.entry() };
                let hash = ground.keyed.hash(entry.key());
                assert_eq!(slot.tag(), segment.tag(hash), "a slot's tag is its key's");
                assert_eq!(self.index(hash) / count, index / count, "an entry is in its segment");
                check(hash, entry);
            }
            index += count;
        }
        assert_eq!(len, self.len, "entries of a table");
        assert_eq!(deepest, self.deepest, "segments of the directory's depth");
    }
}

/// A segment of the right size, none for no slots.
fn build_right(heap: &mut Heap, depth: u32, slots: &[Slot]) -> Segment {
    if slots.is_empty() {
        Segment::nothing(depth)
    } else {
        Segment::build(heap, Size::right(slots.len() + slots.len() / 16), depth, slots)
    }
}
