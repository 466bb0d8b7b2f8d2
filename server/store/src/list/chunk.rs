//! Room: store. A chunk of a list: some kilobytes of elements packed one behind the other, with room at either end.
//! Touches: nothing beyond this crate.

use crate::pack::{self, Item};
use base::limits::SHARED_VALUE_BYTES_MIN;
use bytes::Bytes;

/// A chunk is at most this long, whatever the setting says, unless it is one element: what a place is looked for in.
pub const CHUNK_BYTES_MAX: usize = 80 << 10;
/// What the reference count of a `Bytes` takes beside the value (bytes 1.x).
const ALONE_EXTRA_BYTES: usize = 24;
/// A new chunk of small elements starts with this.
const FIRST_BYTES: usize = 128;

/// One element of a list, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    Item(Item<'a>),
    /// Large, so that a reply may share it.
    Shared(&'a Bytes),
}

impl<'a> Element<'a> {
    /// As text; a number is written into `digits`.
    #[inline]
    pub fn text<'b>(self, digits: &'b mut pack::Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Element::Item(item) => item.text(digits),
            Element::Shared(bytes) => bytes,
        }
    }
}

/// What elements are compared with: text that is a number is kept as one, so either the numbers are equal or the texts.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'a>(Item<'a>);

impl<'a> Needle<'a> {
    pub fn new(text: &'a [u8]) -> Needle<'a> {
        Needle(pack::number(text).map_or(Item::Text(text), Item::Number))
    }

    pub fn text<'b>(&self, digits: &'b mut pack::Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        self.0.text(digits)
    }

    #[inline]
    pub fn is(&self, element: Element<'_>) -> bool {
        match (self.0, element) {
            (Item::Text(mine), Element::Item(Item::Text(text))) => mine == text,
            (Item::Number(mine), Element::Item(Item::Number(n))) => mine == n,
            (Item::Text(mine), Element::Shared(bytes)) => mine == &bytes[..],
            _ => false,
        }
    }
}

/// An element as `pack` writes it, in parts, so that it can be put before others as well.
pub struct Encoded<'a> {
    head: [u8; 9],
    head_len: u8,
    text: &'a [u8],
    back: [u8; 5],
    back_len: u8,
}

impl<'a> Encoded<'a> {
    #[inline]
    pub fn new(text: &'a [u8]) -> Encoded<'a> {
        let mut e = Encoded { head: [0; 9], head_len: 1, text, back: [0; 5], back_len: 0 };
        match pack::number(text) {
            Some(n) => e.number(n),
            None => match text.len() {
                len @ 0..64 => e.head[0] = 0x80 | len as u8,
                len @ 64..4096 => e.set_head(&[0xE0 | (len >> 8) as u8, len as u8]),
                len => {
                    e.set_head(&[0xF0; 5]);
                    e.head[1..5].copy_from_slice(&(len as u32).to_le_bytes());
                }
            },
        }
        let len = e.head_len as usize + e.text.len();
        e.back_len = pack::back_len_bytes(len) as u8;
        for i in 0..e.back_len as usize {
            let shift = 7 * (e.back_len as usize - 1 - i);
            e.back[i] = (len >> shift) as u8 & 0x7F | if i > 0 { 0x80 } else { 0 };
        }
        e
    }

    fn set_head(&mut self, head: &[u8]) {
        self.head[..head.len()].copy_from_slice(head);
        self.head_len = head.len() as u8;
    }

    fn number(&mut self, n: i64) {
        self.text = b"";
        let (mark, bytes) = match n {
            0..=127 => return self.head[0] = n as u8,
            -4096..=4095 => {
                let bits = n as u16 & 0x1FFF;
                return self.set_head(&[0xC0 | (bits >> 8) as u8, bits as u8]);
            }
            -0x8000..=0x7FFF => (0xF1, 2),
            -0x80_0000..=0x7F_FFFF => (0xF2, 3),
            -0x8000_0000..=0x7FFF_FFFF => (0xF3, 4),
            _ => (0xF4, 8),
        };
        self.head[0] = mark;
        self.head[1..=bytes].copy_from_slice(&n.to_le_bytes()[..bytes]);
        self.head_len = 1 + bytes as u8;
    }

    /// Bytes that it takes in a pack.
    #[inline]
    pub fn len(&self) -> usize {
        self.head_len as usize + self.text.len() + self.back_len as usize
    }

    /// Writes it; `to` is as long as it.
    #[inline]
    pub fn write(&self, to: &mut [u8]) {
        let (head, rest) = to.split_at_mut(self.head_len as usize);
        let (text, back) = rest.split_at_mut(self.text.len());
        head.copy_from_slice(&self.head[..self.head_len as usize]);
        text.copy_from_slice(self.text);
        back.copy_from_slice(&self.back[..self.back_len as usize]);
    }
}

/// What is counted of a chunk.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Sums {
    pub len: usize,
    /// Bytes of its elements as they are packed, or would be.
    pub bytes: usize,
    /// Bytes of its allocation.
    pub apart: usize,
}

pub enum Chunk {
    /// Elements are `bytes[start..]`.
    Pack { bytes: Vec<u8>, start: u32, count: u32 },
    /// One large element.
    Alone(Bytes),
}

impl Chunk {
    /// A chunk of one element, after which others may come if `limit` (bytes) lets them.
    pub fn of(text: &[u8], limit: usize) -> Chunk {
        let encoded = Encoded::new(text);
        if text.len() >= SHARED_VALUE_BYTES_MIN && encoded.len() >= limit {
            return Chunk::Alone(Bytes::copy_from_slice(text));
        }
        let len = encoded.len();
        // What is large beside the limit may well remain the only one.
        let capacity = if len * 4 <= FIRST_BYTES && FIRST_BYTES <= limit { FIRST_BYTES } else { len };
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(len, 0);
        encoded.write(&mut bytes);
        Chunk::Pack { bytes, start: 0, count: 1 }
    }

    /// A chunk of `count` packed elements.
    pub fn packed(pack: &[u8], count: usize) -> Chunk {
        Chunk::Pack { bytes: pack.to_vec(), start: 0, count: count as u32 }
    }

    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Chunk::Pack { count, .. } => *count as usize,
            Chunk::Alone(_) => 1,
        }
    }

    #[inline]
    pub fn sums(&self) -> Sums {
        match self {
            Chunk::Pack { bytes, start, count } => {
                Sums { len: *count as usize, bytes: bytes.len() - *start as usize, apart: bytes.capacity() }
            }
            Chunk::Alone(bytes) => {
                Sums { len: 1, bytes: Encoded::new(bytes).len(), apart: bytes.len() + ALONE_EXTRA_BYTES }
            }
        }
    }

    /// The packed elements; `Err`: the one that stands alone.
    #[inline]
    pub fn pack(&self) -> Result<&[u8], &Bytes> {
        match self {
            Chunk::Pack { bytes, start, .. } => Ok(&bytes[*start as usize..]),
            Chunk::Alone(bytes) => Err(bytes),
        }
    }

    /// Room for `more` bytes behind the elements: within `limit` twice what there was.
    fn reserve_back(bytes: &mut Vec<u8>, start: &mut u32, more: usize, limit: usize) {
        if bytes.capacity() - bytes.len() >= more {
            return;
        }
        let live = bytes.len() - *start as usize;
        // What was popped at the head makes room, unless that would be done again soon.
        if bytes.capacity() >= live + more && (*start as usize >= live || bytes.capacity() * 2 > limit) {
            bytes.copy_within(*start as usize.., 0);
            bytes.truncate(live);
        } else {
            let mut new = Vec::with_capacity(capacity(live, more, limit));
            new.extend_from_slice(&bytes[*start as usize..]);
            *bytes = new;
        }
        *start = 0;
    }

    fn reserve_front(bytes: &mut Vec<u8>, start: &mut u32, more: usize, limit: usize) {
        if *start as usize >= more {
            return;
        }
        let live = bytes.len() - *start as usize;
        let spare = bytes.capacity() - live;
        let from = if spare >= more && (spare >= live || bytes.capacity() * 2 > limit) {
            let end = bytes.capacity();
            bytes.resize(end, 0);
            bytes.copy_within(*start as usize..*start as usize + live, end - live);
            end - live
        } else {
            let capacity = capacity(live, more, limit);
            let mut new = vec![0; capacity];
            new[capacity - live..].copy_from_slice(&bytes[*start as usize..]);
            *bytes = new;
            capacity - live
        };
        *start = from as u32;
    }

    #[inline]
    pub fn push_back(&mut self, encoded: &Encoded<'_>, limit: usize) {
        let Chunk::Pack { bytes, start, count } = self else { unreachable!("what stands alone takes no other") };
        Self::reserve_back(bytes, start, encoded.len(), limit);
        let end = bytes.len();
        bytes.resize(end + encoded.len(), 0);
        encoded.write(&mut bytes[end..]);
        *count += 1;
    }

    #[inline]
    pub fn push_front(&mut self, encoded: &Encoded<'_>, limit: usize) {
        let Chunk::Pack { bytes, start, count } = self else { unreachable!("what stands alone takes no other") };
        Self::reserve_front(bytes, start, encoded.len(), limit);
        let from = *start as usize - encoded.len();
        encoded.write(&mut bytes[from..*start as usize]);
        *start = from as u32;
        *count += 1;
    }

    /// Where element `i` begins in `bytes`; their end for `i` = count.
    fn offset(bytes: &[u8], start: usize, count: usize, i: usize) -> usize {
        start + offset(&bytes[start..], count, i)
    }

    #[inline]
    pub fn get(&self, i: usize) -> Option<Element<'_>> {
        match self {
            Chunk::Pack { bytes, start, count } => {
                let at = Self::offset(bytes, *start as usize, *count as usize, i);
                pack::item::<true>(bytes, at).map(|(item, _)| Element::Item(item))
            }
            Chunk::Alone(bytes) => (i == 0).then_some(Element::Shared(bytes)),
        }
    }

    /// Puts an element before the one that is number `i`, or behind the last.
    pub fn insert(&mut self, i: usize, encoded: &Encoded<'_>, limit: usize) {
        let Chunk::Pack { bytes, start, count } = self else { unreachable!("what stands alone takes no other") };
        let at = Self::offset(bytes, *start as usize, *count as usize, i);
        Self::splice(bytes, start, at, at, encoded, limit);
        *count += 1;
    }

    /// Another element in the place of number `i`.
    pub fn replace(&mut self, i: usize, encoded: &Encoded<'_>, limit: usize) {
        let Chunk::Pack { bytes, start, count } = self else { unreachable!("what stands alone is replaced whole") };
        let at = Self::offset(bytes, *start as usize, *count as usize, i);
        let (_, next) = pack::item::<true>(bytes, at).expect("callers name an element that is here");
        Self::splice(bytes, start, at, next, encoded, limit);
    }

    fn splice(bytes: &mut Vec<u8>, start: &mut u32, at: usize, next: usize, encoded: &Encoded<'_>, limit: usize) {
        let (old, new) = (next - at, encoded.len());
        let from = at - *start as usize;
        if new > old {
            Self::reserve_back(bytes, start, new - old, limit);
            let end = bytes.len();
            bytes.resize(end + new - old, 0);
            let at = *start as usize + from;
            bytes.copy_within(at + old..end, at + new);
        } else {
            bytes.copy_within(next.., at + new);
            bytes.truncate(bytes.len() - (old - new));
        }
        let at = *start as usize + from;
        encoded.write(&mut bytes[at..at + new]);
    }

    /// Removes the first `n` elements; there are more.
    pub fn cut_front(&mut self, n: usize) {
        let Chunk::Pack { bytes, start, count } = self else { unreachable!("callers take whole chunks out") };
        *start = Self::offset(bytes, *start as usize, *count as usize, n) as u32;
        *count -= n as u32;
        if n > 1 {
            self.shrink();
        }
    }

    /// Removes the last `n` elements; there are more.
    pub fn cut_back(&mut self, n: usize) {
        let Chunk::Pack { bytes, start, count } = self else { unreachable!("callers take whole chunks out") };
        let end = Self::offset(bytes, *start as usize, *count as usize, *count as usize - n);
        bytes.truncate(end);
        *count -= n as u32;
        if n > 1 {
            self.shrink();
        }
    }

    /// Elements from number `i` on, taken out.
    pub fn split_off(&mut self, i: usize) -> Chunk {
        let Chunk::Pack { bytes, start, count } = self else { unreachable!("one element is not split") };
        let at = Self::offset(bytes, *start as usize, *count as usize, i);
        let right = Chunk::Pack { bytes: bytes[at..].to_vec(), start: 0, count: *count - i as u32 };
        bytes.truncate(at);
        *count = i as u32;
        self.shrink();
        right
    }

    /// Adds all elements of another chunk behind its own.
    pub fn append(&mut self, other: &Chunk, limit: usize) {
        let (Chunk::Pack { bytes, start, count }, Ok(more)) = (self, other.pack()) else {
            unreachable!("what stands alone takes no other")
        };
        Self::reserve_back(bytes, start, more.len(), limit);
        bytes.extend_from_slice(more);
        *count += other.len() as u32;
    }

    /// Removes elements equal to `needle`, at most `max`, from either end on. How many went.
    pub fn remove_equal(&mut self, needle: &Needle<'_>, max: usize, from_back: bool) -> usize {
        let (bytes, start, count) = match self {
            // Callers take a chunk out that is empty.
            Chunk::Alone(bytes) if needle.is(Element::Shared(bytes)) => {
                *self = Chunk::Pack { bytes: Vec::new(), start: 0, count: 0 };
                return 1;
            }
            Chunk::Alone(_) => return 0,
            Chunk::Pack { bytes, start, count } => (bytes, start, count),
        };
        let from = if from_back { nth_match_back(&bytes[*start as usize..], needle, max) } else { 0 };
        let from = *start as usize + from;
        let (mut at, mut to, mut removed) = (from, from, 0);
        while removed < max
            && let Some((item, next)) = pack::item::<true>(bytes, at)
        {
            if needle.is(Element::Item(item)) {
                removed += 1;
            } else {
                if to != at {
                    bytes.copy_within(at..next, to);
                }
                to += next - at;
            }
            at = next;
        }
        if removed > 0 {
            bytes.copy_within(at.., to);
            bytes.truncate(bytes.len() - (at - to));
            *count -= removed as u32;
            self.shrink();
        }
        removed
    }

    /// Gives memory back that is not used: no more is expected to come.
    pub fn close(&mut self) {
        if let Chunk::Pack { bytes, start, .. } = self
            && bytes.capacity() - (bytes.len() - *start as usize) > bytes.capacity() / 16
        {
            *bytes = bytes[*start as usize..].to_vec();
            *start = 0;
        }
    }

    /// Gives memory back if more than half of it is not used.
    fn shrink(&mut self) {
        if let Chunk::Pack { bytes, start, .. } = self
            && bytes.capacity() > 2 * FIRST_BYTES.max(bytes.len() - *start as usize)
        {
            *bytes = bytes[*start as usize..].to_vec();
            *start = 0;
        }
    }
}

/// How large a chunk becomes that has `live` bytes and needs `more`.
fn capacity(live: usize, more: usize, limit: usize) -> usize {
    let need = live + more;
    need.max((2 * live).max(FIRST_BYTES).min(limit))
}

/// Where element `i` of `count` begins, walked to from the nearer end; the end for `i` = count.
#[inline]
pub fn offset(pack: &[u8], count: usize, i: usize) -> usize {
    if i <= count / 2 {
        let mut at = 0;
        for _ in 0..i {
            at = pack::item::<true>(pack, at).expect("it has as many elements as are counted").1;
        }
        at
    } else {
        let mut at = pack.len();
        for _ in i..count {
            at = pack::before(pack, at).expect("it has as many elements as are counted");
        }
        at
    }
}

/// Where the `n`th element equal to `needle` begins, counted from the end; 0 if there are fewer.
fn nth_match_back(pack: &[u8], needle: &Needle<'_>, n: usize) -> usize {
    pack::iter_back(pack)
        .filter(|(_, item)| needle.is(Element::Item(*item)))
        .nth(n.saturating_sub(1))
        .map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_in_parts_is_what_pack_writes() {
        let mut samples: Vec<Vec<u8>> =
            [0, 1, 63, 64, 125, 126, 127, 128, 4095, 4096, 16_379, 16_380, 16_384, 70_000, 2_097_152]
                .map(|len| vec![b'x'; len])
                .into();
        for shift in 0..64 {
            for near in -2i64..=2 {
                let n = 1i64.wrapping_shl(shift).wrapping_add(near);
                samples.push(n.to_string().into_bytes());
                samples.push(n.wrapping_neg().to_string().into_bytes());
            }
        }
        for text in samples {
            let mut whole = Vec::new();
            pack::push::<true>(&mut whole, &text);
            let encoded = Encoded::new(&text);
            let mut parts = vec![0; encoded.len()];
            encoded.write(&mut parts);
            assert_eq!(parts, whole);
        }
    }
}
