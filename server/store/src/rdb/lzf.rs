//! Room: store. Strings that Redis has compressed. Touches: nothing.
//! Source: lzf_d.c of Redis (liblzf). A byte below 32 comes before so many bytes and one more, to be taken as they are;
//! another says how far back (13 bits) bytes are to be taken from, and how many: its upper 3 bits, or, if they are all set,
//! the next byte more; and two.

use super::BadData;

/// What becomes of `from`, which must be `len` bytes. Memory grows with what is written: 264 bytes at most for 3 of `from`.
pub fn decompress(from: &[u8], len: usize) -> Result<Vec<u8>, BadData> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = from;
    let next = |rest: &mut &[u8]| -> Result<usize, BadData> {
        let (&byte, behind) = rest.split_first().ok_or(BadData)?;
        *rest = behind;
        Ok(byte as usize)
    };
    while !rest.is_empty() {
        let control = next(&mut rest)?;
        if control < 32 {
            let (bytes, behind) = rest.split_at_checked(control + 1).ok_or(BadData)?;
            rest = behind;
            out.extend_from_slice(bytes);
        } else {
            let mut count = control >> 5;
            if count == 7 {
                count += next(&mut rest)?;
            }
            let back = ((control & 31) << 8 | next(&mut rest)?) + 1;
            let start = out.len().checked_sub(back).ok_or(BadData)?;
            // What is taken may be what was just written.
            for i in start..start + count + 2 {
                out.push(out[i]);
            }
        }
        if out.len() > len {
            return Err(BadData);
        }
    }
    if out.len() == len { Ok(out) } else { Err(BadData) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_repeats_are_read() {
        assert_eq!(decompress(&[2, b'a', b'b', b'c'], 3), Ok(b"abc".to_vec()));
        // One byte, then 3 from one back, then 9 + 2 from three back.
        assert_eq!(decompress(&[0, b'x', 1 << 5, 0], 4), Ok(b"xxxx".to_vec()));
        assert_eq!(decompress(&[2, b'a', b'b', b'c', 7 << 5, 2, 2], 14), Ok(b"abcabcabcabcab".to_vec()));
        assert_eq!(decompress(&[], 0), Ok(vec![]));
    }

    #[test]
    fn what_is_cut_or_lies_is_refused() {
        for (bytes, len) in [
            (&[2, b'a', b'b'][..], 3),
            (&[0, b'x'], 2),
            (&[0, b'x'], 0),
            (&[0, b'x', 1 << 5, 1], 4),
            (&[0, b'x', 1 << 5], 4),
            (&[0, b'x', 7 << 5], 4),
            (&[0, b'x', 7 << 5, 255, 0], 9),
            (&[32, 0], 3),
        ] {
            assert_eq!(decompress(bytes, len), Err(BadData), "{bytes:?}");
        }
    }
}
