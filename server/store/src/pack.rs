//! Room: store. Elements packed one behind the other: what a small collection is made of, and a chunk of a list.
//! Touches: nothing.
//!
//! An element is a head, its bytes, and, where the pack can be walked backwards too (`BACK`), its length once more, to be
//! read from its end. Text that is a whole number in its usual form is kept as a number. The heads are those of Redis's
//! listpack (its specification `listpack.md`), so that a small collection goes into an RDB file and back in one pass:
//!
//! ```text
//! 0xxxxxxx             0 to 127
//! 10xxxxxx             text of up to 63 bytes
//! 110xxxxx + 1         a 13-bit number, signed
//! 1110xxxx + 1         text of up to 4095 bytes, the high bits of its length first
//! 11110000 + 4         text, its length little-endian
//! 11110001 + 2, 11110010 + 3, 11110011 + 4, 11110100 + 8: a number of so many bytes, signed, little-endian
//! ```
//!
//! The length at the end has 7 bits a byte, the highest bits first; read backwards, all bytes but the last have their top bit set.

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    Text(&'a [u8]),
    Number(i64),
}

/// Room for a number's digits.
pub type Digits = [u8; 20];

impl<'a> Item<'a> {
    /// As text; a number is written into `digits`.
    pub fn text<'b>(self, digits: &'b mut Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Item::Text(text) => text,
            Item::Number(n) => write_number(n, digits),
        }
    }

    pub fn is(self, text: &[u8]) -> bool {
        match self {
            Item::Text(mine) => mine == text,
            Item::Number(n) => number(text) == Some(n),
        }
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut [0; 20]).to_vec()
    }

    /// Bytes as text.
    pub fn text_len(self) -> usize {
        match self {
            Item::Text(text) => text.len(),
            Item::Number(_) => self.text(&mut [0; 20]).len(),
        }
    }
}

/// The digits of `n`.
pub fn write_number(n: i64, digits: &mut Digits) -> &[u8] {
    let mut at = digits.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    &digits[at..]
}

/// The number that `text` is in its usual form: no sign but `-`, no leading zeros.
#[inline]
pub fn number(text: &[u8]) -> Option<i64> {
    match text {
        [] => return None,
        [b'0'] => return Some(0),
        [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] if text.len() <= 20 => {}
        _ => return None,
    }
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut n: i64 = 0;
    for &b in digits {
        let digit = i64::from(b.wrapping_sub(b'0'));
        if !(0..10).contains(&digit) {
            return None;
        }
        // Built downwards: the lowest number has no positive twin.
        n = n.checked_mul(10)?.checked_sub(digit)?;
    }
    if negative { Some(n) } else { n.checked_neg() }
}

/// Appends one element.
pub fn push<const BACK: bool>(out: &mut Vec<u8>, text: &[u8]) {
    match number(text) {
        Some(n) => push_item::<BACK>(out, Item::Number(n)),
        None => push_item::<BACK>(out, Item::Text(text)),
    }
}

/// Appends one element as it is given: text that looks like a number must come as one.
pub fn push_item<const BACK: bool>(out: &mut Vec<u8>, item: Item<'_>) {
    let start = out.len();
    match item {
        Item::Text(text) => {
            match text.len() {
                len @ 0..64 => out.push(0x80 | len as u8),
                len @ 64..4096 => out.extend_from_slice(&[0xE0 | (len >> 8) as u8, len as u8]),
                len => {
                    out.push(0xF0);
                    out.extend_from_slice(&(len as u32).to_le_bytes());
                }
            }
            out.extend_from_slice(text);
        }
        Item::Number(n) => match n {
            0..=127 => out.push(n as u8),
            -4096..=4095 => {
                let bits = n as u16 & 0x1FFF;
                out.extend_from_slice(&[0xC0 | (bits >> 8) as u8, bits as u8]);
            }
            -0x8000..=0x7FFF => {
                out.push(0xF1);
                out.extend_from_slice(&(n as i16).to_le_bytes());
            }
            -0x80_0000..=0x7F_FFFF => {
                out.push(0xF2);
                out.extend_from_slice(&(n as i32).to_le_bytes()[..3]);
            }
            -0x8000_0000..=0x7FFF_FFFF => {
                out.push(0xF3);
                out.extend_from_slice(&(n as i32).to_le_bytes());
            }
            _ => {
                out.push(0xF4);
                out.extend_from_slice(&n.to_le_bytes());
            }
        },
    }
    if BACK {
        push_back_len(out, out.len() - start);
    }
}

fn push_back_len(out: &mut Vec<u8>, len: usize) {
    let bytes = back_len_bytes(len);
    for i in (0..bytes).rev() {
        let top = if i + 1 < bytes { 0x80 } else { 0 };
        out.push((len >> (7 * i)) as u8 & 0x7F | top);
    }
}

/// How many bytes the length at an element's end takes.
pub fn back_len_bytes(len: usize) -> usize {
    match len {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        2_097_152..268_435_456 => 4,
        _ => 5,
    }
}

/// The element at `at`, and where the next one begins. None at the end.
///
/// Packs are built by this module only; bytes from elsewhere must be checked by `check` first, or this panics.
#[inline]
pub fn item<const BACK: bool>(pack: &[u8], at: usize) -> Option<(Item<'_>, usize)> {
    let head = *pack.get(at)?;
    let bytes = |from: usize, count: usize| &pack[at + from..at + from + count];
    let (item, len) = match head {
        0..=0x7F => (Item::Number(i64::from(head)), 1),
        0x80..=0xBF => {
            let len = (head & 0x3F) as usize;
            (Item::Text(bytes(1, len)), 1 + len)
        }
        0xC0..=0xDF => {
            let bits = i16::from(head & 0x1F) << 8 | i16::from(pack[at + 1]);
            (Item::Number(i64::from(bits << 3 >> 3)), 2)
        }
        0xE0..=0xEF => {
            let len = (head as usize & 0xF) << 8 | pack[at + 1] as usize;
            (Item::Text(bytes(2, len)), 2 + len)
        }
        0xF0 => {
            let len = u32::from_le_bytes(array(bytes(1, 4))) as usize;
            (Item::Text(bytes(5, len)), 5 + len)
        }
        0xF1 => (Item::Number(i64::from(i16::from_le_bytes(array(bytes(1, 2))))), 3),
        0xF2 => {
            let b = bytes(1, 3);
            (Item::Number(i64::from(i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8)), 4)
        }
        0xF3 => (Item::Number(i64::from(i32::from_le_bytes(array(bytes(1, 4))))), 5),
        0xF4 => (Item::Number(i64::from_le_bytes(array(bytes(1, 8)))), 9),
        _ => unreachable!("head {head:#x}: no element is built with it"),
    };
    Some((item, at + len + if BACK { back_len_bytes(len) } else { 0 }))
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("as many bytes as asked for")
}

/// Where the element that ends at `end` begins. None at the start. Only of packs with `BACK`.
#[inline]
pub fn before(pack: &[u8], end: usize) -> Option<usize> {
    if end == 0 {
        return None;
    }
    let mut at = end - 1;
    let mut len = (pack[at] & 0x7F) as usize;
    let mut shift = 7;
    while pack[at] & 0x80 != 0 {
        at -= 1;
        len |= ((pack[at] & 0x7F) as usize) << shift;
        shift += 7;
    }
    Some(at - len)
}

/// All elements with where they begin, from `at` on.
pub fn iter_from<const BACK: bool>(pack: &[u8], mut at: usize) -> impl Iterator<Item = (usize, Item<'_>)> {
    std::iter::from_fn(move || {
        let (item, next) = item::<BACK>(pack, at)?;
        Some((std::mem::replace(&mut at, next), item))
    })
}

/// All elements with where they begin.
pub fn iter<const BACK: bool>(pack: &[u8]) -> impl Iterator<Item = (usize, Item<'_>)> {
    iter_from::<BACK>(pack, 0)
}

/// From the last to the first, with where they begin. Only of packs with `BACK`.
pub fn iter_back(pack: &[u8]) -> impl Iterator<Item = (usize, Item<'_>)> {
    let mut end = pack.len();
    std::iter::from_fn(move || {
        let at = before(pack, end)?;
        end = at;
        item::<true>(pack, at).map(|(item, _)| (at, item))
    })
}

/// Whether bytes from elsewhere are a whole pack; how many elements it has.
pub fn check<const BACK: bool>(pack: &[u8]) -> Option<usize> {
    let (mut at, mut count) = (0, 0);
    while at < pack.len() {
        let head = pack[at];
        let rest = pack.len() - at;
        let len = match head {
            0..=0x7F => 1,
            0x80..=0xBF => 1 + (head & 0x3F) as usize,
            0xC0..=0xDF => 2,
            0xE0..=0xEF if rest >= 2 => 2 + ((head as usize & 0xF) << 8 | pack[at + 1] as usize),
            0xF0 if rest >= 5 => 5usize.checked_add(u32::from_le_bytes(array(&pack[at + 1..at + 5])) as usize)?,
            0xF1 => 3,
            0xF2 => 4,
            0xF3 => 5,
            0xF4 => 9,
            _ => return None,
        };
        let end = at.checked_add(len)?;
        let next = if BACK { end.checked_add(back_len_bytes(len))? } else { end };
        if next > pack.len() {
            return None;
        }
        if BACK && before_checked(pack, next) != Some(at) {
            return None;
        }
        at = next;
        count += 1;
    }
    Some(count)
}

/// As `before`, of bytes that may be anything.
fn before_checked(pack: &[u8], end: usize) -> Option<usize> {
    let mut at = end.checked_sub(1)?;
    let mut len = (*pack.get(at)? & 0x7F) as usize;
    let mut shift = 7;
    while pack[at] & 0x80 != 0 {
        at = at.checked_sub(1)?;
        if shift > 28 {
            return None;
        }
        len |= ((pack[at] & 0x7F) as usize) << shift;
        shift += 7;
    }
    at.checked_sub(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = Vec::new();
        for shift in 0..63 {
            for near in -2i64..=2 {
                let n = (1i64 << shift).wrapping_add(near);
                all.push(n.to_string().into_bytes());
                all.push(n.wrapping_neg().to_string().into_bytes());
            }
        }
        for n in [i64::MIN, i64::MIN + 1, i64::MAX, 0] {
            all.push(n.to_string().into_bytes());
        }
        for text in ["", "-", "-0", "007", "+1", "1.0", "9223372036854775808", "-9223372036854775809", "12a", " 1"] {
            all.push(text.into());
        }
        for len in [1, 62, 63, 64, 126, 127, 128, 4094, 4095, 4096, 16_381, 16_384, 70_000, 2_097_152] {
            all.push(vec![b'x'; len]);
        }
        all
    }

    fn round_trip<const BACK: bool>() {
        let samples = samples();
        let mut pack = Vec::new();
        samples.iter().for_each(|s| push::<BACK>(&mut pack, s));
        assert_eq!(check::<BACK>(&pack), Some(samples.len()));
        let read: Vec<Vec<u8>> = iter::<BACK>(&pack).map(|(_, item)| item.to_vec()).collect();
        assert_eq!(read, samples);
        for ((_, item), sample) in iter::<BACK>(&pack).zip(&samples) {
            assert!(item.is(sample) && !item.is(b"something else"));
            assert_eq!(item.text_len(), sample.len());
        }
    }

    #[test]
    fn what_is_packed_is_read_again() {
        round_trip::<false>();
        round_trip::<true>();
    }

    #[test]
    fn packs_are_walked_backwards() {
        let samples = samples();
        let mut pack = Vec::new();
        samples.iter().for_each(|s| push::<true>(&mut pack, s));
        let mut read: Vec<Vec<u8>> = iter_back(&pack).map(|(_, item)| item.to_vec()).collect();
        read.reverse();
        assert_eq!(read, samples);
    }

    #[test]
    fn text_that_is_no_usual_number_stays_text() {
        for text in ["", "-", "-0", "007", "+1", "1.0", "9223372036854775808", "-9223372036854775809"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
        assert_eq!(number(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(number(b"9223372036854775807"), Some(i64::MAX));
    }

    #[test]
    fn a_cut_or_changed_pack_is_found_out_or_read_without_harm() {
        let mut pack = Vec::new();
        samples().iter().filter(|s| s.len() < 5000).for_each(|s| push::<true>(&mut pack, s));
        for cut in 0..pack.len() {
            if check::<true>(&pack[..cut]).is_some() {
                assert!(iter::<true>(&pack[..cut]).count() <= cut);
            }
        }
        for at in 0..pack.len() {
            for change in [1u8, 0x40, 0x80, 0xFF] {
                let mut other = pack.clone();
                other[at] ^= change;
                if check::<true>(&other).is_some() {
                    iter::<true>(&other).count();
                    iter_back(&other).count();
                }
                if check::<false>(&other).is_some() {
                    iter::<false>(&other).count();
                }
            }
        }
    }
}
