//! Room: store. Integers in order, all of the width that the widest of them needs. Touches: nothing.
//!
//! ```text
//! width 1: 2, 4 or 8 │ integers, signed, little-endian, ascending
//! ```

/// Integers in order, as they lie in an entry.
#[derive(Clone, Copy)]
pub struct Ints<'a> {
    bytes: &'a [u8],
    width: usize,
}

/// Bytes that `n` needs.
pub fn width_of(n: i64) -> usize {
    if i16::try_from(n).is_ok() {
        2
    } else if i32::try_from(n).is_ok() {
        4
    } else {
        8
    }
}

impl<'a> Ints<'a> {
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Ints<'a> {
        Ints { bytes: &bytes[1..], width: bytes[0].into() }
    }

    #[inline]
    pub fn width(self) -> usize {
        self.width
    }

    #[inline]
    pub fn len(self) -> usize {
        // Widths are powers of two.
        self.bytes.len() >> self.width.trailing_zeros()
    }

    #[inline]
    pub fn get(self, i: usize) -> i64 {
        let at = i * self.width;
        match self.width {
            2 => i16::from_le_bytes(part(self.bytes, at)).into(),
            4 => i32::from_le_bytes(part(self.bytes, at)).into(),
            _ => i64::from_le_bytes(part(self.bytes, at)),
        }
    }

    pub fn iter(self) -> impl ExactSizeIterator<Item = i64> + use<'a> {
        (0..self.len()).map(move |i| self.get(i))
    }

    /// Where `n` is, or where it belongs.
    #[inline]
    pub fn find(self, n: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.get(middle).cmp(&n) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// Panics with what is wrong.
    #[cfg(test)]
    pub fn verify(self) {
        assert!([2, 4, 8].contains(&self.width) && self.bytes.len().is_multiple_of(self.width));
        assert!(self.iter().is_sorted_by(|a, b| a < b));
    }
}

#[inline]
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("as many bytes as asked for")
}

/// `n` in `width` bytes, which it fits into.
pub fn push(out: &mut Vec<u8>, n: i64, width: usize) {
    out.extend_from_slice(&n.to_le_bytes()[..width]);
}

/// As it lies in an entry. `sorted`: ascending.
pub fn pack(sorted: &[i64]) -> Vec<u8> {
    let ends = sorted.first().into_iter().chain(sorted.last());
    let width = ends.map(|&n| width_of(n)).max().unwrap_or(2);
    let mut bytes = Vec::with_capacity(1 + sorted.len() * width);
    bytes.push(width as u8);
    sorted.iter().for_each(|&n| push(&mut bytes, n, width));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_found() {
        let edges = [0, 1, -1, 32_767, 32_768, -32_768, -32_769, 1 << 31, (1 << 31) - 1, -1 << 31, i64::MAX, i64::MIN];
        for take in 0..=edges.len() {
            let mut sorted = edges[..take].to_vec();
            sorted.sort_unstable();
            let bytes = pack(&sorted);
            let ints = Ints::new(&bytes);
            ints.verify();
            assert_eq!(ints.iter().collect::<Vec<_>>(), sorted);
            for n in edges.iter().flat_map(|&n| [n, n.wrapping_add(1), n.wrapping_sub(1)]) {
                assert_eq!(ints.find(n), sorted.binary_search(&n));
            }
        }
    }
}
