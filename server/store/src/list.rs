//! Room: store. A list: packed in its entry while it is small, else chunks of packed elements. Touches: nothing beyond
//! this crate.
//!
//! A large list is a row of groups, each a row of up to `GROUP_CHUNKS_MAX` chunks. Both rows are ring buffers, so both ends
//! are near; an index is looked for by the groups' lengths, then by the chunks', from the nearer end. That is two short
//! walks for a list of a million chunks, and nothing has to be balanced.
//!
//! OBJECT ENCODING tells how a list is kept in Redis, so chunks are filled, split and joined where Redis 7.2 does it with the nodes
//! of its quicklist (t_list.c, quicklist.c): a list is called `listpack` or `quicklist` by the same rules. Differences are hidden in
//! what Redis calls a listpack: a long one is chunks here all the same, so that no place in it is far.

mod chunk;
mod view;

pub use chunk::{Element, Needle};
pub use view::{End, Iter, ListMut, ListRef, Taken, packed};

use crate::object::Held;
use crate::table::Ground;
use chunk::{CHUNK_BYTES_MAX, Chunk, Encoded, Sums};
use std::collections::VecDeque;

/// An index is found in sqrt(chunks) steps or so up to some 100,000 chunks, which is a gigabyte of small elements.
const GROUP_CHUNKS_MAX: usize = 256;
/// Redis, quicklist.c: a listpack has a head of 6 bytes and an end of one.
const LISTPACK_FRAME_BYTES: usize = 7;
/// Redis, quicklist.c, SIZE_ESTIMATE_OVERHEAD: what an element is thought to need beside its text.
const ELEMENT_EXTRA_BYTES: usize = 8;
/// Redis, quicklist.c, SIZE_SAFETY_LIMIT: bytes of a chunk when its elements are limited.
const COUNTED_BYTES_MAX: usize = 8192;

/// `list-max-listpack-size` as a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Fill {
    bytes: usize,
    count: usize,
}

impl Fill {
    fn new(setting: i32) -> Fill {
        match usize::try_from(setting) {
            Ok(count) => Fill { bytes: COUNTED_BYTES_MAX, count: count.max(1) },
            // -1 to -5: 4 to 64 KiB.
            Err(_) => Fill { bytes: 4096 << (setting.saturating_neg() - 1).min(4), count: usize::MAX },
        }
    }

    /// Whether a listpack of so many bytes and elements would be too large.
    #[inline]
    fn exceeded(self, bytes: usize, count: usize) -> bool {
        bytes > self.bytes || count > self.count
    }

    /// Whether what shrank is small enough to become a listpack again: half of the limit, so that it does not go to and fro. A
    /// limit on elements says nothing of bytes.
    fn is_far(self, bytes: usize, count: usize) -> bool {
        if self.count == usize::MAX { bytes <= self.bytes / 2 } else { count <= self.count / 2 }
    }
}

/// Where a chunk stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct At {
    group: usize,
    chunk: usize,
}

#[derive(Default)]
struct Group {
    chunks: VecDeque<Chunk>,
    /// Elements.
    len: usize,
}

impl Group {
    fn apart(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
    }
}

/// A list in chunks. It is never empty, except while it is changed.
pub struct List {
    groups: VecDeque<Group>,
    chunks: usize,
    /// Of all chunks; `apart` of groups' rows as well.
    sums: Sums,
    fill: Fill,
    /// Redis would keep it as one listpack.
    is_listpack: bool,
}

impl List {
    fn new(fill: Fill) -> List {
        List { groups: VecDeque::new(), chunks: 0, sums: Sums::default(), fill, is_listpack: false }
    }

    pub fn len(&self) -> usize {
        self.sums.len
    }

    pub fn is_empty(&self) -> bool {
        self.sums.len == 0
    }

    /// The chunk at a place, packed elements and how many, or one large element, and the next place. The first is (0, 0).
    #[expect(clippy::type_complexity, reason = "one use")]
    pub(crate) fn chunk_at(
        &self,
        (group, chunk): (usize, usize),
    ) -> Option<(Result<(&[u8], usize), &bytes::Bytes>, (usize, usize))> {
        let row = &self.groups.get(group)?.chunks;
        let next = if chunk + 1 < row.len() { (group, chunk + 1) } else { (group + 1, 0) };
        let chunk = &row[chunk];
        Some((chunk.pack().map(|pack| (pack, chunk.len())), next))
    }

    /// How many chunks there are.
    pub fn chunk_count(&self) -> usize {
        self.chunks
    }

    /// As `Object::encoding`.
    pub fn encoding(&self) -> &'static str {
        if self.is_listpack { "listpack" } else { "quicklist" }
    }

    /// As `Object::apart_bytes`.
    pub fn apart_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.sums.apart
    }

    /// As `Object::allocated`.
    pub fn allocated(&self) -> usize {
        self.apart_bytes()
    }

    /// As `Object::weight`: a chunk is freed in some 100 ns.
    pub fn weight(&self) -> usize {
        self.chunks
    }

    /// As `Object::bury`.
    pub fn bury(&mut self, _ground: &mut Ground, units: usize) -> bool {
        for _ in 0..units {
            let Some(at) = self.back() else { break };
            self.remove_chunk(at);
        }
        self.chunks > 0
    }

    /// As `Object::verify`.
    pub(crate) fn verify(&self, _ground: &Ground, _held: &mut Held) {
        assert!(self.sums.len > 0, "no list is empty");
        let (mut all, mut chunks) = (Sums::default(), 0);
        for group in &self.groups {
            assert!((1..=GROUP_CHUNKS_MAX).contains(&group.chunks.len()), "a group has chunks, but not too many");
            all.apart += group.apart();
            let mut len = 0;
            for chunk in &group.chunks {
                let sums = chunk.sums();
                if let Ok(pack) = chunk.pack() {
                    assert_eq!(crate::pack::check::<true>(pack), Some(sums.len), "a chunk is a whole pack");
                    assert!(pack.len() <= CHUNK_BYTES_MAX || sums.len == 1, "a chunk is not too long");
                }
                assert!(sums.len > 0, "no chunk is empty");
                len += sums.len;
                all.len += sums.len;
                all.bytes += sums.bytes;
                all.apart += sums.apart;
                chunks += 1;
            }
            assert_eq!(group.len, len, "elements of a group");
        }
        assert_eq!(all, self.sums, "sums over the chunks");
        assert_eq!(chunks, self.chunks, "number of chunks");
    }

    // Places.

    fn front(&self) -> Option<At> {
        (self.chunks > 0).then_some(At { group: 0, chunk: 0 })
    }

    fn back(&self) -> Option<At> {
        let group = self.groups.len().checked_sub(1)?;
        Some(At { group, chunk: self.groups[group].chunks.len() - 1 })
    }

    fn after(&self, at: At) -> Option<At> {
        if at.chunk + 1 < self.groups[at.group].chunks.len() {
            return Some(At { chunk: at.chunk + 1, ..at });
        }
        (at.group + 1 < self.groups.len()).then_some(At { group: at.group + 1, chunk: 0 })
    }

    fn before(&self, at: At) -> Option<At> {
        if at.chunk > 0 {
            return Some(At { chunk: at.chunk - 1, ..at });
        }
        let group = at.group.checked_sub(1)?;
        Some(At { group, chunk: self.groups[group].chunks.len() - 1 })
    }

    fn chunk(&self, at: At) -> &Chunk {
        &self.groups[at.group].chunks[at.chunk]
    }

    /// The chunk that has element `index`, and the element's number in it.
    fn seek(&self, index: usize) -> Option<(At, usize)> {
        if index >= self.sums.len {
            return None;
        }
        let (mut group, mut rest) = (0, index);
        if index <= self.sums.len / 2 {
            while rest >= self.groups[group].len {
                rest -= self.groups[group].len;
                group += 1;
            }
        } else {
            // Counted from the end, then turned round inside the group.
            let mut from_end = self.sums.len - index;
            group = self.groups.len() - 1;
            while from_end > self.groups[group].len {
                from_end -= self.groups[group].len;
                group -= 1;
            }
            rest = self.groups[group].len - from_end;
        }
        let Group { chunks, len } = &self.groups[group];
        if rest <= len / 2 {
            for (chunk, c) in chunks.iter().enumerate() {
                if rest < c.len() {
                    return Some((At { group, chunk }, rest));
                }
                rest -= c.len();
            }
        } else {
            let mut from_end = len - rest;
            for (chunk, c) in chunks.iter().enumerate().rev() {
                if from_end <= c.len() {
                    return Some((At { group, chunk }, c.len() - from_end));
                }
                from_end -= c.len();
            }
        }
        unreachable!("groups have as many elements as are counted")
    }

    // Changes of chunks, which keep the sums.

    /// Lets `change` work on a chunk; it must not become empty, or be removed next.
    #[inline]
    fn edit<R>(&mut self, at: At, change: impl FnOnce(&mut Chunk) -> R) -> R {
        let group = &mut self.groups[at.group];
        let chunk = &mut group.chunks[at.chunk];
        let old = chunk.sums();
        let result = change(chunk);
        let new = chunk.sums();
        group.len = group.len + new.len - old.len;
        self.sums.len = self.sums.len + new.len - old.len;
        self.sums.bytes = self.sums.bytes + new.bytes - old.bytes;
        self.sums.apart = self.sums.apart + new.apart - old.apart;
        result
    }

    /// Lets `change` work on a group's row, whose chunks' sums are the caller's to keep.
    fn edit_row<R>(&mut self, group: usize, change: impl FnOnce(&mut VecDeque<Chunk>) -> R) -> R {
        let group = &mut self.groups[group];
        self.sums.apart -= group.apart();
        let result = change(&mut group.chunks);
        self.sums.apart += group.apart();
        result
    }

    /// Puts a chunk in at `at`, before the one that is there; `at` may be behind the last of a group.
    fn insert_chunk(&mut self, at: At, chunk: Chunk) {
        let At { mut group, chunk: mut place } = at;
        if self.groups.is_empty() {
            self.groups.push_back(Group::default());
        }
        if self.groups[group].chunks.len() == GROUP_CHUNKS_MAX {
            // At the ends of the list groups are left full.
            if group + 1 == self.groups.len() && place == GROUP_CHUNKS_MAX {
                self.groups.push_back(Group::default());
                (group, place) = (group + 1, 0);
            } else if group == 0 && place == 0 {
                self.groups.push_front(Group::default());
            } else {
                let right = self.edit_row(group, |row| row.split_off(GROUP_CHUNKS_MAX / 2));
                let len = right.iter().map(Chunk::len).sum();
                let right = Group { chunks: right, len };
                self.groups[group].len -= len;
                self.sums.apart += right.apart();
                self.groups.insert(group + 1, right);
                if place > GROUP_CHUNKS_MAX / 2 {
                    (group, place) = (group + 1, place - GROUP_CHUNKS_MAX / 2);
                }
            }
        }
        let sums = chunk.sums();
        self.edit_row(group, |row| row.insert(place, chunk));
        self.groups[group].len += sums.len;
        self.chunks += 1;
        self.sums.len += sums.len;
        self.sums.bytes += sums.bytes;
        self.sums.apart += sums.apart;
    }

    fn remove_chunk(&mut self, at: At) -> Chunk {
        let chunk = self.edit_row(at.group, |row| row.remove(at.chunk)).expect("callers name a chunk that is here");
        let sums = chunk.sums();
        self.groups[at.group].len -= sums.len;
        self.chunks -= 1;
        self.sums.len -= sums.len;
        self.sums.bytes -= sums.bytes;
        self.sums.apart -= sums.apart;
        self.tidy(at.group);
        chunk
    }

    /// An empty group goes; a small one is joined with the next, so that groups stay few.
    fn tidy(&mut self, group: usize) {
        let len = self.groups[group].chunks.len();
        if len == 0 {
            self.remove_group(group);
        } else if len < GROUP_CHUNKS_MAX / 4
            && self.groups.get(group + 1).is_some_and(|next| len + next.chunks.len() <= GROUP_CHUNKS_MAX / 2)
        {
            let mut next = self.groups.remove(group + 1).expect("looked at above");
            self.sums.apart -= next.apart();
            self.edit_row(group, |row| row.append(&mut next.chunks));
            self.groups[group].len += next.len;
        }
        if self.groups.capacity() > 4 * self.groups.len().max(16) {
            self.groups.shrink_to(2 * self.groups.len());
        }
    }

    fn remove_group(&mut self, group: usize) {
        if let Some(group) = self.groups.remove(group) {
            self.sums.apart -= group.apart();
        }
    }

    // Elements.

    /// Whether a chunk may take one more element.
    fn takes(&self, at: At, text: &[u8], encoded: &Encoded<'_>) -> bool {
        let chunk = self.chunk(at);
        if chunk.pack().is_err() {
            return false;
        }
        let Sums { len, bytes, .. } = chunk.sums();
        if self.is_listpack {
            return bytes + encoded.len() <= CHUNK_BYTES_MAX;
        }
        !self.fill.exceeded(bytes + LISTPACK_FRAME_BYTES + text.len() + ELEMENT_EXTRA_BYTES, len + 1)
    }

    fn new_chunk(&self, text: &[u8]) -> Chunk {
        Chunk::of(text, self.fill.bytes)
    }

    fn push(&mut self, end: End, text: &[u8]) {
        let encoded = Encoded::new(text);
        let limit = self.fill.bytes;
        let at = match end {
            End::Head => self.front(),
            End::Tail => self.back(),
        };
        match at {
            Some(at) if self.takes(at, text, &encoded) => self.edit(at, |chunk| match end {
                End::Head => chunk.push_front(&encoded, limit),
                End::Tail => chunk.push_back(&encoded, limit),
            }),
            at => {
                if let Some(at) = at {
                    self.edit(at, Chunk::close);
                }
                let chunk = self.new_chunk(text);
                let place = match (end, at) {
                    (End::Tail, Some(At { group, chunk })) => At { group, chunk: chunk + 1 },
                    _ => At { group: 0, chunk: 0 },
                };
                self.insert_chunk(place, chunk);
            }
        }
    }

    /// Removes the element at one end, which `take` sees first.
    fn pop<R>(&mut self, end: End, take: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let at = match end {
            End::Head => self.front(),
            End::Tail => self.back(),
        }?;
        let chunk = self.chunk(at);
        let len = chunk.len();
        let result = take(chunk.get(if end == End::Head { 0 } else { len - 1 })?);
        if len == 1 {
            self.remove_chunk(at);
        } else {
            self.edit(at, |chunk| match end {
                End::Head => chunk.cut_front(1),
                End::Tail => chunk.cut_back(1),
            });
        }
        Some(result)
    }

    fn get(&self, index: usize) -> Option<Element<'_>> {
        let (at, i) = self.seek(index)?;
        self.chunk(at).get(i)
    }

    /// Removes elements from both ends, `front + back` of them or all. What takes long to free is left in `dropped`.
    fn cut(&mut self, front: usize, back: usize, dropped: &mut List) {
        let front = front.min(self.sums.len);
        let back = back.min(self.sums.len - front);
        self.cut_end(End::Head, front, dropped);
        self.cut_end(End::Tail, back, dropped);
    }

    fn cut_end(&mut self, end: End, mut n: usize, dropped: &mut List) {
        while n > 0 {
            let group = if end == End::Head { 0 } else { self.groups.len() - 1 };
            let len = self.groups[group].len;
            if len <= n {
                n -= len;
                self.hand_over(group, dropped);
                continue;
            }
            let at = if end == End::Head { self.front() } else { self.back() }.expect("there are more than are cut");
            let len = self.chunk(at).len();
            if len <= n {
                n -= len;
                self.remove_chunk(at);
                continue;
            }
            self.edit(at, |chunk| match end {
                End::Head => chunk.cut_front(n),
                End::Tail => chunk.cut_back(n),
            });
            n = 0;
        }
    }

    /// Moves a whole group.
    fn hand_over(&mut self, group: usize, to: &mut List) {
        let group = self.groups.remove(group).expect("callers name a group that is here");
        let mut sums = Sums { apart: group.apart(), ..Sums::default() };
        for chunk in &group.chunks {
            let one = chunk.sums();
            sums.len += one.len;
            sums.bytes += one.bytes;
            sums.apart += one.apart;
        }
        self.chunks -= group.chunks.len();
        self.sums.len -= sums.len;
        self.sums.bytes -= sums.bytes;
        self.sums.apart -= sums.apart;
        to.chunks += group.chunks.len();
        to.sums.len += sums.len;
        to.sums.bytes += sums.bytes;
        to.sums.apart += sums.apart;
        to.groups.push_back(group);
    }

    /// Another element in the place of `index`, which is there.
    fn set(&mut self, index: usize, text: &[u8]) {
        let (at, i) = self.seek(index).expect("callers name an element that is here");
        let encoded = Encoded::new(text);
        let limit = self.fill.bytes;
        let chunk = self.chunk(at);
        let Sums { len, bytes, .. } = chunk.sums();
        if len == 1 {
            let new = self.new_chunk(text);
            self.edit(at, |chunk| *chunk = new);
        } else if bytes + encoded.len() <= CHUNK_BYTES_MAX {
            self.edit(at, |chunk| chunk.replace(i, &encoded, limit));
        } else {
            // Redis lets its node grow to 4 GiB.
            let alone = self.new_chunk(text);
            self.split(at, i + 1);
            let (at, i) = self.seek(index).expect("still there");
            if i == 0 {
                self.edit(at, |chunk| *chunk = alone);
            } else {
                self.edit(at, |chunk| chunk.cut_back(1));
                self.insert_chunk(At { chunk: at.chunk + 1, ..at }, alone);
            }
        }
    }

    /// Cuts a chunk in two before its element `i`; nothing happens at its ends.
    fn split(&mut self, at: At, i: usize) {
        if i > 0 && i < self.chunk(at).len() {
            let right = self.edit(at, |chunk| chunk.split_off(i));
            self.insert_chunk(At { chunk: at.chunk + 1, ..at }, right);
        }
    }

    /// Puts an element before or after the one at `index`, which is there. Redis: `_quicklistInsert`.
    fn insert(&mut self, index: usize, text: &[u8], after: bool) {
        let (at, i) = self.seek(index).expect("callers name an element that is here");
        let encoded = Encoded::new(text);
        let limit = self.fill.bytes;
        let len = self.chunk(at).len();
        if self.takes(at, text, &encoded) {
            return self.edit(at, |chunk| chunk.insert(i + usize::from(after), &encoded, limit));
        }
        let at_end = if after { i == len - 1 } else { i == 0 };
        if at_end {
            let beside = if after { self.after(at) } else { self.before(at) };
            return match beside {
                Some(beside) if self.takes(beside, text, &encoded) => self.edit(beside, |chunk| {
                    if after { chunk.push_front(&encoded, limit) } else { chunk.push_back(&encoded, limit) }
                }),
                _ => {
                    let chunk = self.new_chunk(text);
                    self.insert_chunk(At { chunk: at.chunk + usize::from(after), ..at }, chunk);
                }
            };
        }
        // Split: what is cut off, after or before, takes the element.
        self.split(at, i + usize::from(after));
        let (at, i) = self.seek(index).expect("still there");
        debug_assert!(if after { i + 1 == self.chunk(at).len() } else { i == 0 });
        let beside = if after { self.after(at) } else { self.before(at) }.expect("it was split");
        if self.chunk(beside).sums().bytes + encoded.len() <= CHUNK_BYTES_MAX {
            self.edit(
                beside,
                |chunk| {
                    if after { chunk.push_front(&encoded, limit) } else { chunk.push_back(&encoded, limit) }
                },
            );
        } else {
            let chunk = self.new_chunk(text);
            self.insert_chunk(At { chunk: at.chunk + usize::from(after), ..at }, chunk);
        }
        // The chunk that has the element of `index` is the middle one.
        self.join_around(index + usize::from(!after));
    }

    /// Joins the chunk that has element `index` and its neighbours, two on either side, where they fit. Redis: `_quicklistMergeNodes`.
    fn join_around(&mut self, index: usize) {
        let middle = |list: &List| list.seek(index).expect("callers name an element that is here").0;
        if let Some(before) = self.before(middle(self))
            && let Some(first) = self.before(before)
        {
            self.join(first, before);
        }
        if let Some(after) = self.after(middle(self))
            && let Some(last) = self.after(after)
        {
            self.join(after, last);
        }
        if let Some(before) = self.before(middle(self)) {
            self.join(before, middle(self));
        }
        if let Some(after) = self.after(middle(self)) {
            self.join(middle(self), after);
        }
    }

    /// Joins two neighbours if they fit. Redis: `_quicklistNodeAllowMerge`.
    fn join(&mut self, left: At, right: At) {
        let (a, b) = (self.chunk(left), self.chunk(right));
        let (one, two) = (a.sums(), b.sums());
        let alone = a.pack().is_err() || b.pack().is_err();
        if alone || self.fill.exceeded(one.bytes + two.bytes + LISTPACK_FRAME_BYTES, one.len + two.len) {
            return;
        }
        let limit = self.fill.bytes;
        let taken = self.remove_chunk(right);
        // The left one comes before: it stays where it is.
        self.edit(left, |chunk| chunk.append(&taken, limit));
    }

    /// Removes elements equal to `needle`, at most `max`, in whole chunks from the one on that has the element `skip` elements from an
    /// end, until some `budget` elements were looked at. Elements before `skip` must not be equal to it.
    fn remove_equal(
        &mut self,
        needle: &Needle<'_>,
        mut skip: usize,
        max: usize,
        from_back: bool,
        budget: usize,
    ) -> Progress {
        let (mut removed, mut looked_at) = (0, 0);
        while removed < max && looked_at < budget {
            let index = if from_back { self.sums.len.checked_sub(skip + 1) } else { Some(skip) };
            let Some((at, i)) = index.and_then(|index| self.seek(index)) else {
                return Progress { removed, skip, done: true };
            };
            let len = self.chunk(at).len();
            let gone = self.edit(at, |chunk| chunk.remove_equal(needle, max - removed, from_back));
            skip = skip - (if from_back { len - 1 - i } else { i }) + len - gone;
            looked_at += len;
            removed += gone;
            if gone == len {
                self.remove_chunk(at);
            }
        }
        Progress { removed, skip, done: removed >= max }
    }
}

/// How far a step of `ListMut::remove_equal` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Elements removed in this step.
    pub removed: usize,
    /// Elements, from the end where it began, that are done with.
    pub skip: usize,
    pub done: bool,
}
