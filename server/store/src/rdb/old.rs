//! Room: store. Packed forms that only old RDB files have: ziplists (up to Redis 6.2) and zipmaps (up to 2.4).
//! Touches: nothing beyond this crate.
//! Source: the comments at the heads of ziplist.c and zipmap.c of Redis.

use super::BadData;
use super::pieces::number;
use crate::pack::{self, Digits};

/// Bytes in all, where the last element begins, number of elements.
const ZIPLIST_HEAD_BYTES: usize = 4 + 4 + 2;
const END: u8 = 0xFF;
/// A length of five bytes: this, then the length.
const LONG: usize = 254;

/// Shows all elements of a ziplist; how many there were.
pub fn read_ziplist(bytes: &[u8], mut visit: impl FnMut(&[u8])) -> Result<usize, BadData> {
    let (head, elements) = bytes.split_at_checked(ZIPLIST_HEAD_BYTES).ok_or(BadData)?;
    let (&end, elements) = elements.split_last().ok_or(BadData)?;
    let total = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let told = u16::from_le_bytes([head[8], head[9]]) as usize;
    if total != bytes.len() || end != END {
        return Err(BadData);
    }
    let (mut at, mut before, mut count, mut digits): (_, _, _, Digits) = (0, 0, 0, [0; 20]);
    while at < elements.len() {
        let start = at;
        let (told_before, next) = long_len(elements, at)?;
        if told_before != before {
            return Err(BadData);
        }
        at = next;
        let byte = |i: usize| elements.get(at + i).map(|&byte| byte as usize).ok_or(BadData);
        let encoding = byte(0)?;
        let (text_at, len) = match encoding {
            0x00..=0x3F => (at + 1, encoding),
            0x40..=0x7F => (at + 2, (encoding & 0x3F) << 8 | byte(1)?),
            0x80 => (at + 5, byte(1)? << 24 | byte(2)? << 16 | byte(3)? << 8 | byte(4)?),
            _ => {
                let (n, width) = match encoding {
                    0xC0 => (number(elements, at + 1, 2)?, 2),
                    0xD0 => (number(elements, at + 1, 4)?, 4),
                    0xE0 => (number(elements, at + 1, 8)?, 8),
                    0xF0 => (number(elements, at + 1, 3)?, 3),
                    0xFE => (number(elements, at + 1, 1)?, 1),
                    // 0 to 12 in the byte itself.
                    0xF1..=0xFD => ((encoding & 0xF) as i64 - 1, 0),
                    _ => return Err(BadData),
                };
                visit(pack::write_number(n, &mut digits));
                at += 1 + width;
                (at, 0)
            }
        };
        if encoding <= 0x80 {
            at = text_at.checked_add(len).ok_or(BadData)?;
            visit(elements.get(text_at..at).ok_or(BadData)?);
        }
        before = at - start;
        count += 1;
    }
    // As many as fit into the field, or as many as there are.
    if told == count || told == 0xFFFF { Ok(count) } else { Err(BadData) }
}

/// A length of one byte, or of five; where it ends.
fn long_len(bytes: &[u8], at: usize) -> Result<(usize, usize), BadData> {
    match bytes.get(at).map(|&byte| byte as usize) {
        Some(LONG) => {
            let long = bytes.get(at + 1..at + 5).ok_or(BadData)?;
            Ok((u32::from_le_bytes([long[0], long[1], long[2], long[3]]) as usize, at + 5))
        }
        Some(short) if short < LONG => Ok((short, at + 1)),
        _ => Err(BadData),
    }
}

/// Shows all fields and values of a zipmap in turn; how many of both there were.
pub fn read_zipmap(bytes: &[u8], mut visit: impl FnMut(&[u8])) -> Result<usize, BadData> {
    let (&end, elements) = bytes.split_last().ok_or(BadData)?;
    let (&told, _) = elements.split_first().ok_or(BadData)?;
    if end != END {
        return Err(BadData);
    }
    let (mut at, mut count) = (1, 0);
    while at < elements.len() {
        let (len, start) = long_len(elements, at)?;
        at = start.checked_add(len).ok_or(BadData)?;
        visit(elements.get(start..at).ok_or(BadData)?);
        let (len, start) = long_len(elements, at)?;
        let free = *elements.get(start).ok_or(BadData)? as usize;
        let end = (start + 1).checked_add(len).ok_or(BadData)?;
        visit(elements.get(start + 1..end).ok_or(BadData)?);
        at = end + free;
        count += 2;
    }
    let counted = told as usize >= LONG || told as usize * 2 == count;
    if at == elements.len() && counted { Ok(count) } else { Err(BadData) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ziplist(elements: &[u8], count: u16) -> Vec<u8> {
        let mut bytes = (elements.len() as u32 + 11).to_le_bytes().to_vec();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(elements);
        bytes.push(END);
        bytes
    }

    #[test]
    fn every_element_of_a_ziplist_is_read() {
        let elements: Vec<u8> = [
            &[0, 2, b'h', b'i'][..],
            &[4, 0xF1],
            &[2, 0xFD],
            &[2, 0xFE, 0x80],
            &[3, 0xC0, 0x00, 0x80],
            &[4, 0xF0, 0, 0, 0x80],
            &[5, 0xD0, 0, 0, 0, 0x80],
            &[6, 0xE0, 0, 0, 0, 0, 0, 0, 0, 0x80],
            &[10, 0x40, 1, b'x'],
            &[4, 0x80, 0, 0, 0, 1, b'y'],
        ]
        .concat();
        let mut read = Vec::new();
        let bytes = ziplist(&elements, 10);
        assert_eq!(read_ziplist(&bytes, |text| read.push(String::from_utf8_lossy(text).into_owned())), Ok(10));
        let numbers = ["hi", "0", "12", "-128", "-32768", "-8388608", "-2147483648", "-9223372036854775808", "x", "y"];
        assert_eq!(read, numbers);
        for cut in 0..bytes.len() {
            assert_eq!(read_ziplist(&bytes[..cut], |_| {}), Err(BadData));
        }
        assert_eq!(read_ziplist(&ziplist(&elements, 9), |_| {}), Err(BadData));
        assert_eq!(read_ziplist(&ziplist(&[1, 0xF1], 1), |_| {}), Err(BadData), "nothing stands before the first");
    }

    #[test]
    fn a_zipmap_is_read() {
        let bytes = b"\x02\x01a\x02\x00xy\x01b\x01\x03z...\xFF";
        let mut read = Vec::new();
        assert_eq!(read_zipmap(bytes, |text| read.push(text.to_vec())), Ok(4));
        assert_eq!(read, [&b"a"[..], b"xy", b"b", b"z"]);
        for cut in 0..bytes.len() {
            assert_eq!(read_zipmap(&bytes[..cut], |_| {}), Err(BadData), "{cut}");
        }
    }
}
