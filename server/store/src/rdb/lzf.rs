//! Room: store. Compressed strings, as Redis writes them. Touches: nothing beyond this crate.
//! Source: the format is that of lzf_d.c of Redis (liblzf). A byte below 32 comes before so many bytes and one more, to be taken as they are;
//! another says how far back (13 bits) bytes are to be taken from, and how many: its upper 3 bits, or, if they are all set,
//! the next byte more; and two.

use super::BadData;
use super::write;

/// How far back bytes can be taken from: 13 bits.
const BACK_MAX: usize = 1 << 13;
/// How many can be taken at once: 3 bits' 7 and the next byte's 255, and two.
const COPY_MAX: usize = 7 + 255 + 2;
/// How many can be given as they are at once.
const PLAIN_MAX: usize = 32;
/// How far a search that finds nothing goes on at once: so much more than asked for may be written in one go.
const STEP_MAX: usize = 4095;
/// Twice as many places as there are to look back at; 64 KiB.
const TABLE_BITS: u32 = 14;
/// Shorter ones stay as they are (rdb.c, rdbSaveRawString).
const STRING_BYTES_MIN: usize = 21;
/// What must be gained (rdb.c, rdbSaveLzfStringObject).
const GAIN_BYTES_MIN: usize = 4;
/// Longer strings stay as they are: a place must fit into the table's 32 bits.
const STRING_BYTES_MAX: usize = 1 << 30;

/// Strings up to this long use so few places of the table that they stay in the CPU's first cache.
const SHORT_BYTES_MAX: usize = 1 << 9;
const SHORT_TABLE_BITS: u32 = 11;
/// After so many bytes without a find, 2 to the power of this, the step grows by one.
const STRIDE_BITS: usize = 6;

/// Compresses strings. Its table lives as long as it does; that of one string is told from that of another by the numbers in it,
/// which rise from string to string, so nothing is cleared between them.
pub struct Lzf {
    /// Where three bytes of this hash were last seen: `base` and the place.
    table: Box<[u32; 1 << TABLE_BITS]>,
    /// What stands for the first byte of the string at hand.
    base: u32,
    packed: Vec<u8>,
}

impl Default for Lzf {
    fn default() -> Self {
        // Made on the heap: zeros of the system's.
        let table = vec![0; 1 << TABLE_BITS].try_into().expect("as long as the table");
        Lzf { table, base: 1, packed: Vec::new() }
    }
}

impl Lzf {
    /// Appends `text` as an RDB string: as a number, compressed where that gains something, or as it is.
    pub fn string(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        if !(STRING_BYTES_MIN..=STRING_BYTES_MAX).contains(&text.len()) {
            return write::string(out, text);
        }
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        if self.compress(text, &mut packed, text.len() - GAIN_BYTES_MIN) {
            out.push(0xC3);
            write::len(out, packed.len() as u64);
            write::len(out, text.len() as u64);
            out.extend_from_slice(&packed);
        } else {
            write::plain(out, text);
        }
        self.packed = packed;
    }

    /// Appends what `from` is compressed. False, and something appended, if that is more than `most` bytes.
    fn compress(&mut self, from: &[u8], out: &mut Vec<u8>, most: usize) -> bool {
        let most = out.len() + most;
        let mut cursor = self.begin(from.len());
        self.go_on(from, &mut cursor, usize::MAX, most, out) == Reached::End
    }

    /// At the start of a string of `len` bytes.
    fn begin(&mut self, len: usize) -> Cursor {
        let len = len as u32;
        if self.base.checked_add(len).is_none() {
            self.table.fill(0);
            self.base = 1;
        }
        let base = self.base;
        self.base += len;
        Cursor { base, at: 0, plain_from: 0, missed_from: 0 }
    }

    /// Goes on up to about `stop`, unless `out` comes to hold more than `most`. However it is cut, what is made is the same.
    #[inline]
    fn go_on(&mut self, from: &[u8], cursor: &mut Cursor, stop: usize, most: usize, out: &mut impl Sink) -> Reached {
        let base = cursor.base;
        let Cursor { mut at, mut plain_from, mut missed_from, .. } = *cursor;
        // Three bytes are looked at.
        let last = from.len().saturating_sub(2);
        let halt = last.min(stop);
        let shift = 32 - if from.len() <= SHORT_BYTES_MAX { SHORT_TABLE_BITS } else { TABLE_BITS };
        while at < halt {
            // The longer nothing is found, the larger the steps: what cannot be compressed costs little.
            let stride = (at - missed_from) >> STRIDE_BITS;
            let (step, upto) = (1 + stride.min(STEP_MAX), halt.min(missed_from + ((stride + 1) << STRIDE_BITS)));
            let found;
            (at, found) = search(&mut self.table, from, (base, shift), (at, step, upto));
            let Some(seen) = found else { continue };
            let more = from[at..].len().min(COPY_MAX);
            let count = from[seen..].iter().zip(&from[at..at + more]).take_while(|(a, b)| a == b).count();
            out.plain(&from[plain_from..at]);
            out.copy(at - seen - 1, count - 2);
            at += count;
            plain_from = at;
            missed_from = at;
            if out.len() > most {
                return Reached::TooMuch;
            }
        }
        if at < last {
            // Whole runs of what is to be taken as it is leave.
            let whole = (at - plain_from) / PLAIN_MAX * PLAIN_MAX;
            out.plain(&from[plain_from..plain_from + whole]);
            *cursor = Cursor { base, at, plain_from: plain_from + whole, missed_from };
            return if out.len() > most { Reached::TooMuch } else { Reached::Stop };
        }
        out.plain(&from[plain_from..]);
        if out.len() <= most { Reached::End } else { Reached::TooMuch }
    }
}

/// The next of the places `at`, `at + step`, ... before `upto` whose three bytes stand earlier too, and where; else the first
/// behind them. Out of line, so that the loop has the registers for itself: it is what strings that cannot be compressed cost.
#[inline(never)]
fn search(
    table: &mut [u32; 1 << TABLE_BITS],
    from: &[u8],
    (base, shift): (u32, u32),
    (mut at, step, upto): (usize, usize, usize),
) -> (usize, Option<usize>) {
    while at < upto {
        let here = three(from, at);
        // Fibonacci hashing: the upper bits of a product with 2^32 over the golden ratio.
        let place = &mut table[(here.wrapping_mul(0x9E37_79B1) >> shift) as usize % (1 << TABLE_BITS)];
        let seen = std::mem::replace(place, base + at as u32);
        // Of this string at all.
        if seen >= base {
            let seen = (seen - base) as usize;
            if at - seen <= BACK_MAX && three(from, seen) == here {
                return (at, Some(seen));
            }
        }
        at += step;
    }
    (at, None)
}

/// The three bytes at `at`, above a byte of zeros.
#[inline]
fn three(from: &[u8], at: usize) -> u32 {
    match from[at..].first_chunk() {
        Some(&four) => u32::from_le_bytes(four) << 8,
        None => last_three(from),
    }
}

#[cold]
fn last_three(from: &[u8]) -> u32 {
    let &[a, b, c] = from.last_chunk().expect("three bytes are left");
    u32::from_le_bytes([0, a, b, c])
}

/// Where in a string compressing is.
#[derive(Clone, Copy)]
struct Cursor {
    /// What stands for its first byte in the table.
    base: u32,
    at: usize,
    /// From here on nothing is written yet.
    plain_from: usize,
    /// Since when nothing was found.
    missed_from: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reached {
    Stop,
    End,
    TooMuch,
}

/// Where what is compressed goes, or is counted.
trait Sink {
    /// Bytes as they are.
    fn plain(&mut self, bytes: &[u8]);
    /// Bytes from `back` and one before, `length` and two of them.
    fn copy(&mut self, back: usize, length: usize);
    fn len(&self) -> usize;
}

impl Sink for Vec<u8> {
    #[inline]
    fn plain(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PLAIN_MAX) {
            self.push(piece.len() as u8 - 1);
            self.extend_from_slice(piece);
        }
    }

    #[inline]
    fn copy(&mut self, back: usize, length: usize) {
        if length < 7 {
            self.push((length << 5 | back >> 8) as u8);
        } else {
            self.extend_from_slice(&[(7 << 5 | back >> 8) as u8, (length - 7) as u8]);
        }
        self.push(back as u8);
    }

    fn len(&self) -> usize {
        Vec::len(self)
    }
}

/// Counts.
struct Length(usize);

impl Sink for Length {
    fn plain(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() + bytes.len().div_ceil(PLAIN_MAX);
    }

    fn copy(&mut self, _: usize, length: usize) {
        self.0 += if length < 7 { 2 } else { 3 };
    }

    fn len(&self) -> usize {
        self.0
    }
}

/// A long string that is compressed slice by slice, in no memory but a table: how long it will be stands before it, so it is
/// compressed twice, first to be counted. The second time comes to the same, for it begins with a table of its own.
pub struct Packing {
    lzf: Lzf,
    cursor: Cursor,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Counting(usize),
    Writing,
}

/// What a slice has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slice {
    /// Nothing is written yet.
    Counted,
    Wrote,
    Whole,
    /// Nothing is written, and is not to be: it gains nothing.
    Plain,
}

impl Packing {
    /// None: a string of so many bytes stays as it is.
    pub fn new(len: usize) -> Option<Packing> {
        if !(STRING_BYTES_MIN..=STRING_BYTES_MAX).contains(&len) {
            return None;
        }
        let mut lzf = Lzf::default();
        let cursor = lzf.begin(len);
        Some(Packing { lzf, cursor, stage: Stage::Counting(0) })
    }

    /// Goes on over about `budget` bytes of `text`, which is the same each time.
    pub fn go_on(&mut self, text: &[u8], budget: usize, out: &mut Vec<u8>) -> Slice {
        let stop = self.cursor.at.saturating_add(budget.max(1));
        match self.stage {
            Stage::Counting(before) => {
                let mut length = Length(before);
                match self.lzf.go_on(text, &mut self.cursor, stop, text.len() - GAIN_BYTES_MIN, &mut length) {
                    Reached::Stop => self.stage = Stage::Counting(length.0),
                    Reached::TooMuch => return Slice::Plain,
                    Reached::End => {
                        out.push(0xC3);
                        write::len(out, length.0 as u64);
                        write::len(out, text.len() as u64);
                        self.cursor = self.lzf.begin(text.len());
                        self.stage = Stage::Writing;
                    }
                }
                Slice::Counted
            }
            Stage::Writing => match self.lzf.go_on(text, &mut self.cursor, stop, usize::MAX, out) {
                Reached::Stop => Slice::Wrote,
                _ => Slice::Whole,
            },
        }
    }
}

/// What becomes of `from`, which must be `len` bytes. Memory grows with what is written: 264 bytes at most for 3 of `from`.
pub fn decompress(from: &[u8], len: usize) -> Result<Vec<u8>, BadData> {
    let mut inflating = Inflating::new(from.len(), len);
    while !inflating.step(from, len, usize::MAX)? {}
    Ok(inflating.take())
}

/// A string that is being decompressed.
#[derive(Default)]
pub struct Inflating {
    /// Bytes that are read.
    at: usize,
    out: Vec<u8>,
}

impl Inflating {
    /// Of `short` bytes `long` are to become, it is said. Few strings come to more than four times as much.
    pub fn new(short: usize, long: usize) -> Inflating {
        Inflating { at: 0, out: Vec::with_capacity(long.min(short.saturating_mul(4))) }
    }

    /// Makes about `bytes` more of `from`, the same each time, of which all is to be `len` bytes. True when that is done.
    pub fn step(&mut self, from: &[u8], len: usize, bytes: usize) -> Result<bool, BadData> {
        let Inflating { at, out } = self;
        let upto = out.len().saturating_add(bytes);
        let mut rest = from.get(*at..).ok_or(BadData)?;
        let next = |rest: &mut &[u8]| -> Result<usize, BadData> {
            let (&byte, behind) = rest.split_first().ok_or(BadData)?;
            *rest = behind;
            Ok(byte as usize)
        };
        while !rest.is_empty() && out.len() < upto {
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
                // What is taken may be what was just written: over and over, twice as much each time.
                let mut left = count + 2;
                while left > 0 {
                    let piece = left.min(out.len() - start);
                    out.extend_from_within(start..start + piece);
                    left -= piece;
                }
            }
            if out.len() > len {
                return Err(BadData);
            }
        }
        *at = from.len() - rest.len();
        if !rest.is_empty() {
            return Ok(false);
        }
        if out.len() == len { Ok(true) } else { Err(BadData) }
    }

    /// What it came to.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
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
    fn what_is_compressed_is_read() {
        // One for all: what is left in its table of a string must not show in the next. `base` runs over on the way.
        let mut lzf = Lzf { base: u32::MAX - 2_000_000, ..Lzf::default() };
        let (mut dice, mut gained) = (crate::Rng::new(1), 0);
        for _ in 0..3_000 {
            let bits = 1 + dice.below(13);
            let (len, letters) = (1 + dice.below(1 << bits), 1 + dice.below(256));
            let unit = 1 + dice.below(400) as usize;
            let mut text: Vec<u8> = Vec::new();
            while (text.len() as u64) < len {
                if dice.below(3) == 0 && text.len() > unit {
                    text.extend_from_within(..unit);
                } else {
                    text.extend((0..unit).map(|_| dice.below(letters) as u8));
                }
            }
            let mut out = Vec::new();
            if lzf.compress(&text, &mut out, usize::MAX / 2) {
                assert_eq!(decompress(&out, text.len()).as_deref(), Ok(&text[..]));
            }
            gained += usize::from(out.len() < text.len());
            let most = dice.below(text.len() as u64) as usize;
            let fits = lzf.compress(&text, &mut Vec::new(), most);
            assert_eq!(fits, out.len() <= most, "{} of {}, {most}", out.len(), text.len());
        }
        assert!((500..2_900).contains(&gained), "{gained}");
    }

    /// Cut anywhere, it is what comes of the whole at once.
    #[test]
    fn long_strings_are_compressed_in_slices() {
        let mut dice = crate::Rng::new(7);
        for round in 0..200 {
            let letters = 1 + dice.below(if round % 2 == 0 { 4 } else { 256 });
            let mut text: Vec<u8> = (0..30 + dice.below(60_000)).map(|_| dice.below(letters) as u8).collect();
            if dice.below(2) == 0 {
                let half = text.len() / 2;
                text.extend_from_within(..half);
            }
            let mut whole = Vec::new();
            Lzf::default().string(&mut whole, &text);
            let budget = 1 + dice.below(20_000) as usize;
            let (mut packing, mut out) = (Packing::new(text.len()).unwrap(), Vec::new());
            loop {
                let before = out.len();
                let slice = packing.go_on(&text, budget, &mut out);
                assert!(out.len() - before <= (budget + STEP_MAX + COPY_MAX) * 33 / 32 + 40, "{budget}");
                match slice {
                    Slice::Counted | Slice::Wrote => {}
                    Slice::Whole => break,
                    Slice::Plain => {
                        assert!(out.is_empty());
                        write::plain(&mut out, &text);
                        break;
                    }
                }
            }
            assert!(out == whole, "{round}: {} and {} bytes of {}", out.len(), whole.len(), text.len());
        }
    }

    #[test]
    fn strings_are_compressed_where_it_gains() {
        let mut lzf = Lzf::default();
        for (text, len) in [
            (&b"12345"[..], 3),
            (&[b'a'; 20], 21),
            (&[b'a'; 21], 3 + 5),
            (&[b'a'; 300], 4 + 2 + 3 + 3),
            (b"abcdefghijklmnopqrstuvwxyz", 27),
        ] {
            let mut out = Vec::new();
            lzf.string(&mut out, text);
            assert_eq!(out.len(), len, "{}", text.escape_ascii());
        }
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
