//! Room: store. Lists as commands see them: packed or in chunks, read through an entry, changed through a cell.
//! Touches: nothing beyond this crate.
//!
//! Packed in its entry a list is the number of its elements (two bytes, little-endian), then the elements.

use super::chunk::{self, Chunk, Element, Encoded, Needle};
use super::{At, CHUNK_BYTES_MAX, Fill, LISTPACK_FRAME_BYTES, List, Progress};
use crate::journal::Op;
use crate::object::Object;
use crate::pack::{self, Item};
use crate::{Body, Cell, Deadline, Entry, Kind};
use bytes::Bytes;

/// Before the elements.
const COUNT_BYTES: usize = 2;
/// A list stays in its entry up to this: beyond it, moving all elements to put one before them takes too long. Redis's default
/// limit of 8 KiB is below.
const ENTRY_BYTES_MAX: usize = 16_000;
/// What is encoded on the stack.
const SMALL_BYTES: usize = 256;
/// Redis, quicklist.c, QL_FILL_BITS.
const FILL_MAX: i32 = (1 << 15) - 1;
/// What an element may take beside its text: 5 bytes of head, 5 of length.
const FRAME_BYTES_MAX: usize = 10;

/// One of a list's ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Head,
    Tail,
}

/// A list, to be read.
#[derive(Clone, Copy)]
pub enum ListRef<'a> {
    Packed { count: usize, pack: &'a [u8] },
    Chunks(&'a List),
}

/// The number of elements of a list packed in its entry, and the elements.
pub fn packed(bytes: &[u8]) -> (usize, &[u8]) {
    let (count, pack) = bytes.split_first_chunk::<COUNT_BYTES>().expect("a packed list begins with its count");
    (u16::from_le_bytes(*count) as usize, pack)
}

fn count_bytes(count: usize) -> [u8; COUNT_BYTES] {
    u16::try_from(count).expect("an element takes two bytes: fewer than 2^16 are packed").to_le_bytes()
}

impl<'a> Entry<'a> {
    /// The list that is here; `None` if it is something else.
    #[inline]
    pub fn list(self) -> Option<ListRef<'a>> {
        ListRef::of(self.body())
    }
}

impl<'a> ListRef<'a> {
    #[inline]
    fn of(body: Body<'a>) -> Option<ListRef<'a>> {
        match body {
            Body::Packed { kind: Kind::List, bytes, .. } => {
                let (count, pack) = packed(bytes);
                Some(ListRef::Packed { count, pack })
            }
            Body::Object(Object::List(list)) => Some(ListRef::Chunks(list)),
            _ => None,
        }
    }

    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "no list is empty")]
    pub fn len(self) -> usize {
        match self {
            ListRef::Packed { count, .. } => count,
            ListRef::Chunks(list) => list.len(),
        }
    }

    /// Element `index`, from 0.
    pub fn get(self, index: usize) -> Option<Element<'a>> {
        match self {
            ListRef::Packed { count, pack } if index < count => {
                pack::item::<true>(pack, chunk::offset(pack, count, index)).map(|(item, _)| Element::Item(item))
            }
            ListRef::Packed { .. } => None,
            ListRef::Chunks(list) => list.get(index),
        }
    }

    /// Elements from `index` on, towards the tail or, `back`, towards the head.
    pub fn iter_from(self, index: usize, back: bool) -> Iter<'a> {
        let mut iter = Iter { list: None, at: At { group: 0, chunk: 0 }, pack: &[], alone: None, place: 0, back };
        match self {
            ListRef::Packed { count, pack } if index < count => {
                iter.pack = pack;
                iter.place = chunk::offset(pack, count, index + usize::from(back));
            }
            ListRef::Packed { .. } => {}
            ListRef::Chunks(list) => {
                if let Some((at, i)) = list.seek(index) {
                    iter.list = Some(list);
                    iter.enter(list, at);
                    iter.place = chunk::offset(iter.pack, list.chunk(at).len(), i + usize::from(back));
                }
            }
        }
        iter
    }

    /// Whether Redis counts a popped element's length when it is to be pushed elsewhere: numbers of a quicklist it does not
    /// (`listTypeTryConvertListpack` sees an integer object then).
    fn is_counted(self, element: Element<'_>) -> bool {
        let is_quicklist = matches!(self, ListRef::Chunks(list) if !list.is_listpack);
        !(is_quicklist && matches!(element, Element::Item(Item::Number(_))))
    }

    /// A copy of the element at one end.
    pub fn peek(self, end: End) -> Option<Taken> {
        let element = self.get(if end == End::Head { 0 } else { self.len().checked_sub(1)? })?;
        Some(Taken { text: element.text(&mut [0; 20]).to_vec(), is_counted: self.is_counted(element) })
    }
}

/// An element taken out of one list, on its way into another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub text: Vec<u8>,
    is_counted: bool,
}

/// A walk over elements.
pub struct Iter<'a> {
    /// `None`: only what is in `pack`.
    list: Option<&'a List>,
    at: At,
    pack: &'a [u8],
    alone: Option<&'a Bytes>,
    /// Where the next element begins, or ends if the walk goes back.
    place: usize,
    back: bool,
}

impl<'a> Iter<'a> {
    fn enter(&mut self, list: &'a List, at: At) {
        self.at = at;
        match list.chunk(at).pack() {
            Ok(pack) => (self.pack, self.alone) = (pack, None),
            Err(alone) => (self.pack, self.alone) = (&[], Some(alone)),
        }
        self.place = if self.back { self.pack.len() } else { 0 };
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            if self.back {
                if let Some(at) = pack::before(self.pack, self.place) {
                    self.place = at;
                    return pack::item::<true>(self.pack, at).map(|(item, _)| Element::Item(item));
                }
            } else if let Some((item, next)) = pack::item::<true>(self.pack, self.place) {
                self.place = next;
                return Some(Element::Item(item));
            }
            if let Some(alone) = self.alone.take() {
                return Some(Element::Shared(alone));
            }
            let list = self.list?;
            let at = if self.back { list.before(self.at) } else { list.after(self.at) }?;
            self.enter(list, at);
        }
    }
}

/// A list, or the place of one, to be changed. What is here is a list.
pub struct ListMut<'c, 'a> {
    cell: &'c mut Cell<'a>,
}

impl<'a> Cell<'a> {
    /// To be called where there is a list or nothing.
    #[inline]
    pub fn list_mut(&mut self) -> ListMut<'_, 'a> {
        debug_assert!(self.kind().is_none_or(|kind| kind == Kind::List));
        ListMut { cell: self }
    }

    /// The list that is here; `None` if there is nothing, or something else.
    #[inline]
    pub fn list(&self) -> Option<ListRef<'_>> {
        self.body().and_then(ListRef::of)
    }
}

impl ListMut<'_, '_> {
    #[inline]
    pub fn get(&self) -> Option<ListRef<'_>> {
        self.cell.list()
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.get().map_or(0, ListRef::len)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn fill(&self) -> Fill {
        Fill::new(self.cell.packing().list_size)
    }

    fn new_list(&self) -> List {
        List::new(Fill::new(self.cell.packing().list_size.min(FILL_MAX)))
    }

    #[inline]
    fn change<R>(&mut self, change: impl FnOnce(&mut List) -> R) -> R {
        self.cell.change_object(|object, _, _| match object {
            Object::List(list) => change(list),
            _ => unreachable!("callers have seen that it is a list"),
        })
    }

    fn put_list(&mut self, list: List) {
        self.cell.put_object(Box::new(Object::List(list)), Deadline::Keep);
    }

    /// Makes room for `count` more elements of `bytes` bytes: what would be too large for a listpack becomes a quicklist, as in Redis whether
    /// or not something is then added (`listTypeTryConversionAppend`).
    #[inline]
    fn prepare(&mut self, bytes: usize, count: usize) {
        let fill = self.fill();
        let (have, pack_bytes) = match self.get() {
            Some(ListRef::Packed { count, pack }) => (count, pack.len()),
            Some(ListRef::Chunks(list)) if list.is_listpack => (list.len(), list.sums.bytes),
            _ => return,
        };
        if fill.exceeded(pack_bytes + LISTPACK_FRAME_BYTES + bytes, have + count) {
            let chunks_fill = self.new_list().fill;
            self.unpack();
            self.change(|list| {
                list.is_listpack = false;
                list.fill = chunks_fill;
            });
        } else if pack_bytes + bytes + count * FRAME_BYTES_MAX > ENTRY_BYTES_MAX {
            self.unpack();
        }
    }

    /// Out of the entry; still called a listpack.
    fn unpack(&mut self) {
        let mut list = self.new_list();
        list.is_listpack = true;
        let Some(ListRef::Packed { count, pack }) = self.get() else { return };
        list.insert_chunk(At { group: 0, chunk: 0 }, Chunk::packed(pack, count));
        self.put_list(list);
    }

    /// What has shrunk is removed if it is empty, and becomes a listpack if it is small (`LIST_CONV_SHRINKING`). Elements that are left.
    pub fn settle(&mut self) -> usize {
        let fill = self.fill();
        let list = match self.get() {
            Some(ListRef::Chunks(list)) => list,
            Some(ListRef::Packed { count, .. }) => {
                if count == 0 {
                    self.cell.remove();
                }
                return count;
            }
            None => return 0,
        };
        let len = list.len();
        let bytes = list.sums.bytes;
        if len == 0 {
            self.cell.remove();
            return 0;
        }
        let small = if list.is_listpack {
            // In Redis nothing happens; here it goes back into its entry some time.
            bytes <= ENTRY_BYTES_MAX / 4
        } else {
            list.chunks == 1 && fill.is_far(bytes + LISTPACK_FRAME_BYTES, len)
        };
        if small {
            if bytes + COUNT_BYTES <= ENTRY_BYTES_MAX {
                let mut pack = Vec::with_capacity(COUNT_BYTES + bytes);
                pack.extend_from_slice(&count_bytes(len));
                for chunk in list.groups.iter().flat_map(|group| &group.chunks) {
                    match chunk.pack() {
                        Ok(elements) => pack.extend_from_slice(elements),
                        Err(alone) => pack::push::<true>(&mut pack, alone),
                    }
                }
                self.cell.put_packed(Kind::List, 0, &pack, Deadline::Keep);
            } else if !list.is_listpack {
                self.change(|list| list.is_listpack = true);
            }
        }
        len
    }

    /// Adds elements at one end, one after the other; the list appears if there is none. The new length.
    #[inline]
    pub fn push<'e>(&mut self, end: End, elements: impl DoubleEndedIterator<Item = &'e [u8]> + Clone) -> usize {
        let (mut bytes, mut count) = (0, 0);
        for text in elements.clone() {
            bytes += text.len();
            count += 1;
        }
        self.push_counted(end, elements, bytes, count)
    }

    /// Makes room for elements that come in pieces, `bytes` bytes of `count`, with `push_piece`.
    pub fn prepare_pieces(&mut self, bytes: usize, count: usize) {
        if self.cell.spot.is_none() {
            let mut list = self.new_list();
            list.is_listpack = !self.fill().exceeded(LISTPACK_FRAME_BYTES + bytes, count);
            return self.put_list(list);
        }
        self.prepare(bytes, count);
        self.unpack();
    }

    /// As `push`, of one of several pieces.
    pub fn push_piece<'e>(&mut self, end: End, elements: impl Iterator<Item = &'e [u8]>) -> usize {
        let mut journal = self.cell.take_journal();
        let len = self.change(|list| {
            elements.for_each(|text| {
                list.push(end, text);
                if let Some(journal) = &mut journal {
                    journal.named(pushed(end), text);
                }
            });
            list.len()
        });
        self.cell.give_journal(journal);
        len
    }

    /// Adds what was taken elsewhere.
    pub fn push_taken(&mut self, end: End, taken: &Taken) -> usize {
        let bytes = if taken.is_counted { taken.text.len() } else { 0 };
        self.push_counted(end, std::iter::once(&taken.text[..]), bytes, 1)
    }

    fn push_counted<'e>(
        &mut self,
        end: End,
        elements: impl DoubleEndedIterator<Item = &'e [u8]> + Clone,
        bytes: usize,
        count: usize,
    ) -> usize {
        self.cell.note(|journal| elements.clone().for_each(|text| journal.named(pushed(end), text)));
        if self.cell.spot.is_none() {
            let fill = self.fill();
            let exceeded = fill.exceeded(LISTPACK_FRAME_BYTES + bytes, count);
            if exceeded || bytes + count * FRAME_BYTES_MAX > ENTRY_BYTES_MAX {
                let mut list = self.new_list();
                list.is_listpack = !exceeded;
                elements.for_each(|text| list.push(end, text));
                self.put_list(list);
            } else {
                self.put_new(end, elements, count);
            }
            return count;
        }
        self.prepare(bytes, count);
        match self.get() {
            Some(ListRef::Packed { count: have, pack }) => {
                let at = pack.len() + COUNT_BYTES;
                let new = count_bytes(have + count);
                match end {
                    End::Head => {
                        encode(&new, elements.rev(), bytes, count, |bytes| self.cell.splice(0, COUNT_BYTES, bytes));
                    }
                    End::Tail => {
                        encode(&[], elements, bytes, count, |bytes| self.cell.splice(at, at, bytes));
                        self.cell.overwrite_packed(0, &new);
                    }
                }
                have + count
            }
            _ => self.change(|list| {
                elements.for_each(|text| list.push(end, text));
                list.len()
            }),
        }
    }

    fn put_new<'e>(&mut self, end: End, elements: impl DoubleEndedIterator<Item = &'e [u8]>, count: usize) {
        let head = count_bytes(count);
        let put = |bytes: &[u8]| self.cell.put_packed(Kind::List, 0, bytes, Deadline::None);
        match end {
            End::Head => encode(&head, elements.rev(), usize::MAX, count, put),
            End::Tail => encode(&head, elements, usize::MAX, count, put),
        }
    }

    /// Removes the element at one end, which `take` sees first. The key goes with the last one. Elements that are left.
    #[inline]
    pub fn pop(&mut self, end: End, take: impl FnOnce(Element<'_>)) -> usize {
        let had = !self.is_empty();
        self.pop_raw(end, take);
        let left = self.settle();
        if had && left > 0 {
            let front = usize::from(end == End::Head);
            self.cell.note(|journal| journal.cut(front, 1 - front));
        }
        left
    }

    /// The same, and nothing is settled.
    #[inline]
    fn pop_raw(&mut self, end: End, take: impl FnOnce(Element<'_>)) {
        match self.get() {
            Some(ListRef::Packed { count: count @ 1.., pack }) => {
                let head = count_bytes(count - 1);
                let at = if end == End::Head { 0 } else { pack::before(pack, pack.len()).unwrap_or(0) };
                let (item, next) = pack::item::<true>(pack, at).expect("it is not empty");
                take(Element::Item(item));
                if end == End::Head {
                    self.cell.splice(0, COUNT_BYTES + next, &head);
                } else {
                    self.cell.splice(COUNT_BYTES + at, COUNT_BYTES + next, &[]);
                    self.cell.overwrite_packed(0, &head);
                }
            }
            Some(ListRef::Chunks(_)) => {
                self.change(|list| list.pop(end, take));
            }
            _ => {}
        }
    }

    /// Moves an element from one end to another of the same list, which is not empty; `take` sees it.
    pub fn rotate(&mut self, from: End, to: End, take: impl FnOnce(&[u8])) {
        let Some(taken) = self.get().and_then(|list| list.peek(from)) else { return };
        take(&taken.text);
        let mut journal = self.cell.take_journal();
        self.pop_raw(from, |_| {});
        self.push_taken(to, &taken);
        self.settle();
        if let Some(journal) = &mut journal
            && self.len() > 1
        {
            let front = usize::from(from == End::Head);
            journal.cut(front, 1 - front);
            journal.named(pushed(to), &taken.text);
        }
        self.cell.give_journal(journal);
    }

    /// Removes so many elements at the head, and at the tail. The key goes with the last one. Elements that are left.
    pub fn cut(&mut self, front: usize, back: usize) -> usize {
        let before = self.len();
        let left = self.cut_off(front, back);
        if left > 0 && left < before {
            let front = front.min(before);
            self.cell.note(|journal| journal.cut(front, before - left - front));
        }
        left
    }

    fn cut_off(&mut self, front: usize, back: usize) -> usize {
        match self.get() {
            None => return 0,
            Some(ListRef::Packed { count, pack }) => {
                let front = front.min(count);
                let back = back.min(count - front);
                let left = count - front - back;
                if left == 0 {
                    self.cell.remove();
                    return 0;
                }
                let from = COUNT_BYTES + chunk::offset(pack, count, front);
                let (to, end) = (COUNT_BYTES + chunk::offset(pack, count, count - back), COUNT_BYTES + pack.len());
                self.cell.splice(to, end, &[]);
                self.cell.splice(0, from, &count_bytes(left));
            }
            Some(ListRef::Chunks(_)) => {
                let mut dropped = self.new_list();
                self.change(|list| list.cut(front, back, &mut dropped));
                if dropped.chunks > 0 {
                    self.bury(dropped);
                }
            }
        }
        self.settle()
    }

    /// Has the store free what was cut off.
    fn bury(&mut self, dropped: List) {
        let object = Box::new(Object::List(dropped));
        self.cell.store.apart_bytes += object.apart_bytes();
        self.cell.store.bury_object(object);
    }

    /// LSET: another element in the place of `index`. False if there is none, though room may have been made for it.
    pub fn set(&mut self, index: usize, text: &[u8]) -> bool {
        self.prepare(text.len(), 1);
        if index >= self.len() {
            return false;
        }
        match self.get() {
            Some(ListRef::Packed { count, pack }) => {
                let at = chunk::offset(pack, count, index);
                let (_, next) = pack::item::<true>(pack, at).expect("the index was checked");
                let (at, next) = (COUNT_BYTES + at, COUNT_BYTES + next);
                encode(&[], std::iter::once(text), text.len(), 1, |bytes| self.cell.splice(at, next, bytes));
            }
            _ => self.change(|list| list.set(index, text)),
        }
        self.cell.note(|journal| journal.indexed(Op::ListSet, index, text));
        self.settle();
        true
    }

    /// LINSERT makes room before it looks for a place.
    pub fn make_room(&mut self, text: &[u8]) {
        self.prepare(text.len(), 1);
    }

    /// Puts an element before or after the one at `index`, which is there. The new length.
    pub fn insert(&mut self, index: usize, text: &[u8], after: bool) -> usize {
        match self.get() {
            Some(ListRef::Packed { count, pack }) => {
                let at = COUNT_BYTES + chunk::offset(pack, count, index + usize::from(after));
                encode(&[], std::iter::once(text), text.len(), 1, |bytes| self.cell.splice(at, at, bytes));
                self.cell.overwrite_packed(0, &count_bytes(count + 1));
            }
            _ => self.change(|list| list.insert(index, text, after)),
        }
        self.cell.note(|journal| journal.indexed(Op::Insert, index + usize::from(after), text));
        self.len()
    }

    /// Removes elements equal to `needle`, at most `max`, from either end on, in steps of about `budget` elements. `skip` elements from there
    /// are known not to be equal to it. The version moves on. To be followed by `settle`.
    pub fn remove_equal(
        &mut self,
        needle: &Needle<'_>,
        skip: usize,
        max: usize,
        from_back: bool,
        budget: usize,
    ) -> Progress {
        let progress = self.take_equal(needle, skip, max, from_back, budget);
        if progress.removed > 0 {
            self.cell.note(|journal| journal.list_remove(needle.text(&mut [0; 20]), progress.removed, from_back));
        }
        progress
    }

    fn take_equal(&mut self, needle: &Needle<'_>, skip: usize, max: usize, from_back: bool, budget: usize) -> Progress {
        match self.get() {
            None => Progress { removed: 0, skip, done: true },
            Some(ListRef::Packed { count, pack }) => {
                let mut chunk = Chunk::packed(pack, count);
                let removed = chunk.remove_equal(needle, max, from_back);
                let end = COUNT_BYTES + pack.len();
                self.cell.splice(COUNT_BYTES, end, chunk.pack().unwrap_or(&[]));
                self.cell.overwrite_packed(0, &count_bytes(count - removed));
                Progress { removed, skip: count - removed, done: true }
            }
            Some(ListRef::Chunks(_)) => self.change(|list| list.remove_equal(needle, skip, max, from_back, budget)),
        }
    }
}

/// What an element that comes at this end is noted as.
fn pushed(end: End) -> Op {
    match end {
        End::Head => Op::PushHead,
        End::Tail => Op::PushTail,
    }
}

/// Hands `head` and the packed elements, together, to `put`.
#[inline]
fn encode<'e>(
    head: &[u8],
    elements: impl Iterator<Item = &'e [u8]>,
    bytes: usize,
    count: usize,
    put: impl FnOnce(&[u8]),
) {
    let mut elements = elements;
    if count == 1
        && let Some(text) = elements.next()
    {
        let encoded = Encoded::new(text);
        let len = head.len() + encoded.len();
        if len <= SMALL_BYTES {
            let mut buffer = [0; SMALL_BYTES];
            buffer[..head.len()].copy_from_slice(head);
            encoded.write(&mut buffer[head.len()..len]);
            return put(&buffer[..len]);
        }
        let mut whole = vec![0; len];
        whole[..head.len()].copy_from_slice(head);
        encoded.write(&mut whole[head.len()..]);
        return put(&whole);
    }
    let mut whole = Vec::with_capacity(head.len() + bytes.min(CHUNK_BYTES_MAX) + count * 2);
    whole.extend_from_slice(head);
    elements.for_each(|text| pack::push::<true>(&mut whole, text));
    put(&whole);
}
