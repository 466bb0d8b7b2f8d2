//! Room: store. The packed forms inside of RDB bodies that are current: listpacks and intsets. Touches: nothing beyond this
//! crate.

use super::BadData;
use crate::pack::{self, Digits, Item};

/// Bytes in all, number of elements.
const LISTPACK_HEAD_BYTES: usize = 4 + 2;
const LISTPACK_END: u8 = 0xFF;
/// Before a text of 4096 bytes or more: this, then its length in 32 bits.
const LONG_TEXT: u8 = 0xF0;
const LONG_TEXT_HEAD_BYTES: usize = 5;
/// The number of elements is not told where it is this or more.
const LISTPACK_COUNT_UNKNOWN: usize = 0xFFFF;

/// Appends a listpack of what `fill` adds to it.
pub fn listpack(out: &mut Vec<u8>, fill: impl FnOnce(&mut Listpack<'_>)) {
    let start = out.len();
    out.extend_from_slice(&[0; LISTPACK_HEAD_BYTES]);
    let mut listpack = Listpack { out, count: 0 };
    fill(&mut listpack);
    let count = listpack.count.min(LISTPACK_COUNT_UNKNOWN) as u16;
    out.push(LISTPACK_END);
    // Longer ones are written as another type.
    let bytes = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&bytes.to_le_bytes());
    out[start + 4..start + 6].copy_from_slice(&count.to_le_bytes());
}

/// Appends a listpack of `count` elements as they are.
pub fn listpack_of(out: &mut Vec<u8>, elements: &[u8], count: usize) {
    listpack(out, |listpack| {
        listpack.out.extend_from_slice(elements);
        listpack.count = count;
    });
}

/// What stands before and behind a single text of 4096 bytes or more in a listpack.
pub fn listpack_around(text_bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let mut end = Vec::new();
    push_back_len(&mut end, LONG_TEXT_HEAD_BYTES + text_bytes);
    end.push(LISTPACK_END);
    let total = LISTPACK_HEAD_BYTES + LONG_TEXT_HEAD_BYTES + text_bytes + end.len();
    let mut head = (total as u32).to_le_bytes().to_vec();
    head.extend_from_slice(&1u16.to_le_bytes());
    head.push(LONG_TEXT);
    head.extend_from_slice(&(text_bytes as u32).to_le_bytes());
    (head, end)
}

/// A listpack that is being written.
pub struct Listpack<'a> {
    out: &'a mut Vec<u8>,
    count: usize,
}

impl Listpack<'_> {
    pub fn push(&mut self, text: &[u8]) {
        match pack::number(text) {
            Some(n) => self.push_item(Item::Number(n)),
            None => self.push_item(Item::Text(text)),
        }
    }

    /// Text that looks like a number must come as one.
    pub fn push_item(&mut self, item: Item<'_>) {
        let start = self.out.len();
        pack::push_item::<false>(self.out, item);
        push_back_len(self.out, self.out.len() - start);
        self.count += 1;
    }
}

/// Bytes of the length at an element's end. Redis, listpack.c, lpEncodeBacklen: it begins with the next length one early.
fn back_len_bytes(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

fn push_back_len(out: &mut Vec<u8>, len: usize) {
    let bytes = back_len_bytes(len);
    for i in (0..bytes).rev() {
        let more = if i + 1 < bytes { 0x80 } else { 0 };
        out.push((len >> (7 * i)) as u8 & 0x7F | more);
    }
}

/// Shows all elements of a listpack; how many there were.
pub fn read_listpack(bytes: &[u8], mut visit: impl FnMut(&[u8])) -> Result<usize, BadData> {
    let (head, elements) = bytes.split_at_checked(LISTPACK_HEAD_BYTES).ok_or(BadData)?;
    let (&end, mut rest) = elements.split_last().ok_or(BadData)?;
    let total = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let told = u16::from_le_bytes([head[4], head[5]]) as usize;
    if total != bytes.len() || end != LISTPACK_END {
        return Err(BadData);
    }
    let (mut count, mut digits): (usize, Digits) = (0, [0; 20]);
    let mut ending = Vec::with_capacity(5);
    while !rest.is_empty() {
        let (item, len) = element(rest)?;
        visit(item.text(&mut digits));
        ending.clear();
        push_back_len(&mut ending, len);
        rest = rest[len..].strip_prefix(&ending[..]).ok_or(BadData)?;
        count += 1;
    }
    if told == count || told == LISTPACK_COUNT_UNKNOWN { Ok(count) } else { Err(BadData) }
}

/// The element at the start of `bytes`, and its length without the one at its end.
fn element(bytes: &[u8]) -> Result<(Item<'_>, usize), BadData> {
    let byte = |i: usize| bytes.get(i).map(|&byte| byte as usize).ok_or(BadData);
    let head = byte(0)?;
    let text = |at: usize, len: usize| {
        let end = at.checked_add(len).ok_or(BadData)?;
        Ok((Item::Text(bytes.get(at..end).ok_or(BadData)?), end))
    };
    match head {
        0..=0x7F => Ok((Item::Number(head as i64), 1)),
        0x80..=0xBF => text(1, head & 0x3F),
        0xC0..=0xDF => {
            let bits = (head & 0x1F) << 8 | byte(1)?;
            Ok((Item::Number(((bits as i64) << 51) >> 51), 2))
        }
        0xE0..=0xEF => text(2, (head & 0xF) << 8 | byte(1)?),
        0xF0 => text(5, byte(1)? | byte(2)? << 8 | byte(3)? << 16 | byte(4)? << 24),
        0xF1 => Ok((Item::Number(number(bytes, 1, 2)?), 3)),
        0xF2 => Ok((Item::Number(number(bytes, 1, 3)?), 4)),
        0xF3 => Ok((Item::Number(number(bytes, 1, 4)?), 5)),
        0xF4 => Ok((Item::Number(number(bytes, 1, 8)?), 9)),
        _ => Err(BadData),
    }
}

/// A signed little-endian number of `width` bytes, 1 to 8.
pub fn number(bytes: &[u8], at: usize, width: usize) -> Result<i64, BadData> {
    let part = bytes.get(at..at + width).ok_or(BadData)?;
    let mut whole = [0; 8];
    whole[8 - width..].copy_from_slice(part);
    Ok(i64::from_le_bytes(whole) >> (64 - 8 * width))
}

/// Appends an intset. `sorted`: ascending.
pub fn intset(out: &mut Vec<u8>, sorted: impl Iterator<Item = i64>, count: usize, width: usize) {
    out.extend_from_slice(&(width as u32).to_le_bytes());
    out.extend_from_slice(&(count as u32).to_le_bytes());
    sorted.for_each(|n| out.extend_from_slice(&n.to_le_bytes()[..width]));
}

/// Shows all integers of an intset, ascending; how many there were.
pub fn read_intset(bytes: &[u8], mut visit: impl FnMut(i64)) -> Result<usize, BadData> {
    let (head, integers) = bytes.split_at_checked(8).ok_or(BadData)?;
    let width = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let count = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if ![2, 4, 8].contains(&width) || count.checked_mul(width) != Some(integers.len()) {
        return Err(BadData);
    }
    let mut last = None;
    for i in 0..count {
        let n = number(integers, i * width, width)?;
        if last.is_some_and(|last| last >= n) {
            return Err(BadData);
        }
        last = Some(n);
        visit(n);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_at_the_ends_are_redis_s() {
        for (len, bytes) in
            [(1, 1), (127, 1), (128, 2), (16_382, 2), (16_383, 3), (2_097_150, 3), (2_097_151, 4), (1 << 29, 5)]
        {
            let mut out = Vec::new();
            push_back_len(&mut out, len);
            assert_eq!(out.len(), bytes, "{len}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut texts: Vec<Vec<u8>> =
            [0, 1, 63, 64, 4095, 4096, 16_377, 16_378, 16_379, 70_000].iter().map(|&len| vec![b'x'; len]).collect();
        for shift in 0..63 {
            for near in -2i64..=2 {
                let n = (1i64 << shift).wrapping_add(near);
                texts.push(n.to_string().into_bytes());
                texts.push(n.wrapping_neg().to_string().into_bytes());
            }
        }
        let mut out = Vec::new();
        listpack(&mut out, |listpack| texts.iter().for_each(|text| listpack.push(text)));
        let mut read = Vec::new();
        assert_eq!(read_listpack(&out, |text| read.push(text.to_vec())), Ok(texts.len()));
        assert_eq!(read, texts);
        for cut in 0..out.len().min(2_000) {
            assert_eq!(read_listpack(&out[..cut], |_| {}), Err(BadData));
        }
    }
}
