//! Room: store. One element of a pack as it lies there: encoded ahead, so that it is found by comparing bytes and written
//! in one piece. Packs without `BACK` only: sets and hashes. Touches: nothing beyond this crate.

use crate::pack::{self, Item};

/// Heads and text of nearly all elements: 63 bytes of text with their head, and room for 8 more.
const SHORT_BYTES: usize = 72;

/// An encoded element. On the stack unless it is long.
pub struct Needle {
    short: [u8; SHORT_BYTES],
    /// Bytes of `short`; 0: it is in `long`.
    len: usize,
    long: Vec<u8>,
}

impl Needle {
    #[inline]
    pub fn new(text: &[u8]) -> Needle {
        match pack::number(text) {
            Some(n) => Needle::number(n),
            None => Needle::text(text),
        }
    }

    #[inline]
    fn text(text: &[u8]) -> Needle {
        let mut needle = Needle { short: [0; SHORT_BYTES], len: 0, long: Vec::new() };
        if text.len() < 64 {
            needle.short[0] = 0x80 | text.len() as u8;
            needle.short[1..=text.len()].copy_from_slice(text);
            needle.len = 1 + text.len();
        } else {
            needle.long.reserve_exact(text.len() + 5);
            pack::push_item::<false>(&mut needle.long, Item::Text(text));
        }
        needle
    }

    #[inline]
    pub fn number(n: i64) -> Needle {
        let mut needle = Needle { short: [0; SHORT_BYTES], len: 0, long: Vec::new() };
        let mut put = |head: u8, bytes: &[u8]| {
            needle.short[0] = head;
            needle.short[1..=bytes.len()].copy_from_slice(bytes);
            needle.len = 1 + bytes.len();
        };
        match n {
            0..=127 => put(n as u8, &[]),
            -4096..=4095 => {
                let bits = n as u16 & 0x1FFF;
                put(0xC0 | (bits >> 8) as u8, &[bits as u8]);
            }
            -0x8000..=0x7FFF => put(0xF1, &(n as i16).to_le_bytes()),
            -0x80_0000..=0x7F_FFFF => put(0xF2, &(n as i32).to_le_bytes()[..3]),
            -0x8000_0000..=0x7FFF_FFFF => put(0xF3, &(n as i32).to_le_bytes()),
            _ => put(0xF4, &n.to_le_bytes()),
        }
        needle
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        if self.len > 0 { &self.short[..self.len] } else { &self.long }
    }
}

/// Where the element behind the one at `at` begins.
#[inline]
pub fn skip(pack: &[u8], at: usize) -> usize {
    let head = pack[at];
    at + match head {
        0..=0x7F => 1,
        0x80..=0xBF => 1 + (head & 0x3F) as usize,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 2 + ((head as usize & 0xF) << 8 | pack[at + 1] as usize),
        0xF0 => {
            let len = pack[at + 1..at + 5].try_into().expect("four bytes");
            5 + u32::from_le_bytes(len) as usize
        }
        0xF1 => 3,
        0xF2 => 4,
        0xF3 => 5,
        _ => 9,
    }
}

/// Whether the element at `at`, which ends at `end`, is `needle`'s.
#[inline]
pub fn is(pack: &[u8], at: usize, end: usize, needle: &[u8]) -> bool {
    // The last byte differs more often than any other, and spares a call.
    end - at == needle.len() && pack[end - 1] == needle[needle.len() - 1] && pack[at..end] == *needle
}

/// How many elements lie from `at` on.
pub fn count(pack: &[u8], mut at: usize) -> usize {
    let mut n = 0;
    while at < pack.len() {
        at = skip(pack, at);
        n += 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_what_is_pushed() {
        let mut all: Vec<Vec<u8>> = Vec::new();
        for shift in (0..63).step_by(if cfg!(miri) { 12 } else { 1 }) {
            for near in -2i64..=2 {
                let n = (1i64 << shift).wrapping_add(near);
                all.push(n.to_string().into_bytes());
                all.push(n.wrapping_neg().to_string().into_bytes());
            }
        }
        for text in ["", "-", "-0", "007", "+1", "9223372036854775808", "-9223372036854775808", "12a"] {
            all.push(text.into());
        }
        for len in [1, 62, 63, 64, 71, 72, 73, 4095, 4096, 70_000] {
            all.push(vec![b'x'; if cfg!(miri) { len.min(300) } else { len }]);
        }
        let mut pack = Vec::new();
        let mut starts = Vec::new();
        for text in &all {
            starts.push(pack.len());
            pack::push::<false>(&mut pack, text);
            assert_eq!(Needle::new(text).bytes(), &pack[starts[starts.len() - 1]..]);
        }
        assert_eq!(count(&pack, 0), all.len());
        for (i, text) in all.iter().enumerate() {
            let end = skip(&pack, starts[i]);
            assert_eq!(end, starts.get(i + 1).copied().unwrap_or(pack.len()));
            for (j, other) in all.iter().enumerate() {
                let same = text == other;
                assert_eq!(is(&pack, starts[i], end, Needle::new(other).bytes()), same, "{i} {j}");
            }
        }
    }
}
