//! Room: the append log's format. Heads and frames, written and read. No I/O.
//!
//! ```text
//! segment = head, frames, zeros                     numbers are little-endian
//! head    = "TORCLOG" format:u8, crc:u32 of what follows, bytes:u32 of all, shards:u32, shard:u32, serial:u64, run:u64,
//!           base:u64, began_ms:u64, previous:u64, ends:u32, { end:u64 }; zeros up to a whole block
//! frame   = crc:u32 of the rest of these 48 bytes, body_crc:u32, records:u32, 0:u32, bytes:u64 of the body, first:u64,
//!           durable:u64, start:u64; body; zeros up to a multiple of 8
//! body    = { unix_ms, parties, tx if there are parties, length, effects }        numbers as in effects: LEB128
//! ```
//!
//! Both checksums (CRC-32C) begin with the head's own, so that nothing of another segment passes for this one's: files
//! may be used again.

use super::Recorded;
use crate::engine::effects::Record;
use crc_fast::{CrcAlgorithm, Digest};

/// Of direct I/O: what every device takes. Heads fill whole ones.
pub const BLOCK_BYTES: usize = 4096;
const MAGIC: &[u8; 7] = b"TORCLOG";
/// The format that is written, and the highest that is read.
const FORMAT: u8 = 1;
const HEAD_FIXED_BYTES: usize = 68;
/// A server has at most some thousand shards.
const ENDS_MAX: usize = 4096;
/// Of every head.
pub const HEAD_BYTES_MAX: usize = (HEAD_FIXED_BYTES + 8 * ENDS_MAX).next_multiple_of(BLOCK_BYTES);
/// What stands before a frame's body.
pub const FRAME_HEAD_BYTES: usize = 48;
/// A frame is closed when it has so many bytes: what is in memory of one when it is read.
pub const FRAME_BYTES: usize = 1 << 20;

/// What a segment says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    pub serial: u64,
    /// The serial of the first segment of its run.
    pub run: u64,
    /// The snapshot that its run begins with; 0: with all that was there.
    pub base: u64,
    pub began_ms: u64,
    pub shard: u32,
    pub shards: u32,
    /// The run before, and how many records of each of its streams were found to count; 0: none.
    pub previous: u64,
    pub ends: Vec<u64>,
}

/// Why a segment's beginning is no head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadHead {
    /// It was never written whole.
    Torn,
    Newer(u8),
    Wrong(&'static str),
}

fn crc(seed: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&seed.to_le_bytes());
    digest.update(bytes);
    digest.finalize() as u32
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were sliced"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were sliced"))
}

impl Head {
    pub fn draw(&self) -> Vec<u8> {
        let Head { serial, run, base, began_ms, shard, shards, previous, ends } = self;
        let mut bytes = MAGIC.to_vec();
        bytes.push(FORMAT);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&((HEAD_FIXED_BYTES + 8 * ends.len()) as u32).to_le_bytes());
        for n in [shards, shard] {
            bytes.extend_from_slice(&n.to_le_bytes());
        }
        for n in [serial, run, base, began_ms, previous] {
            bytes.extend_from_slice(&n.to_le_bytes());
        }
        bytes.extend_from_slice(&(ends.len() as u32).to_le_bytes());
        ends.iter().for_each(|end| bytes.extend_from_slice(&end.to_le_bytes()));
        let sum = crc(0, &bytes[12..]);
        bytes[8..12].copy_from_slice(&sum.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        bytes
    }

    /// `bytes`: the beginning of a segment, `HEAD_BYTES_MAX` of it or all. The head and where its frames begin.
    pub fn parse(bytes: &[u8]) -> Result<(Head, usize), BadHead> {
        if bytes.len() < HEAD_FIXED_BYTES || bytes.iter().take(BLOCK_BYTES).all(|&b| b == 0) {
            return Err(BadHead::Torn);
        }
        if bytes[..7] != *MAGIC || bytes[7] == 0 {
            return Err(BadHead::Wrong("it is no segment of an append log"));
        }
        if bytes[7] > FORMAT {
            return Err(BadHead::Newer(bytes[7]));
        }
        let len = u32_at(bytes, 12) as usize;
        if !(HEAD_FIXED_BYTES..=HEAD_BYTES_MAX).contains(&len) || !(len - HEAD_FIXED_BYTES).is_multiple_of(8) {
            return Err(BadHead::Wrong("its head has no such length"));
        }
        let from = len.next_multiple_of(BLOCK_BYTES);
        if bytes.len() < from {
            return Err(BadHead::Torn);
        }
        let head = &bytes[..len];
        if crc(0, &head[12..]) != u32_at(head, 8) {
            return Err(BadHead::Wrong("its head's checksum is wrong"));
        }
        let count = u32_at(head, 64) as usize;
        if count != (len - HEAD_FIXED_BYTES) / 8 {
            return Err(BadHead::Wrong("its head has no such length"));
        }
        let head = Head {
            shards: u32_at(head, 16),
            shard: u32_at(head, 20),
            serial: u64_at(head, 24),
            run: u64_at(head, 32),
            base: u64_at(head, 40),
            began_ms: u64_at(head, 48),
            previous: u64_at(head, 56),
            ends: (0..count).map(|n| u64_at(head, HEAD_FIXED_BYTES + 8 * n)).collect(),
        };
        if head.shard >= head.shards || head.shards as usize > ENDS_MAX || head.run > head.serial {
            return Err(BadHead::Wrong("its head contradicts itself"));
        }
        Ok((head, from))
    }

    /// What checksums of its frames begin with.
    pub fn salt(&self) -> u32 {
        let drawn = self.draw();
        u32_at(&drawn, 8)
    }
}

fn push_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (shift < 63 || byte <= 1).then_some(n);
        }
    }
    None
}

/// Writes records as frames behind `out`, which ends at a multiple of 8. `first`: the number of the first of them; `durable`: up
/// to which the stream is on the device; `start`: the number of the segment's first record.
pub fn write<'a>(
    out: &mut Vec<u8>,
    salt: u32,
    mut first: u64,
    durable: u64,
    start: u64,
    records: impl Iterator<Item = Recorded<'a>>,
) {
    let mut records = records.peekable();
    while records.peek().is_some() {
        let at = out.len();
        out.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
        let mut count = 0u32;
        while out.len() - at < FRAME_BYTES && count < u32::MAX {
            let Some((record, effects)) = records.next() else { break };
            push_number(out, record.unix_ms);
            push_number(out, record.parties.into());
            if record.parties > 0 {
                push_number(out, record.tx);
            }
            push_number(out, effects.len() as u64);
            out.extend_from_slice(effects);
            count += 1;
        }
        let body = at + FRAME_HEAD_BYTES;
        let bytes = (out.len() - body) as u64;
        let body_crc = crc(salt, &out[body..]);
        out.resize(out.len().next_multiple_of(8), 0);
        let head = &mut out[at..body];
        head[4..8].copy_from_slice(&body_crc.to_le_bytes());
        head[8..12].copy_from_slice(&count.to_le_bytes());
        head[16..24].copy_from_slice(&bytes.to_le_bytes());
        head[24..32].copy_from_slice(&first.to_le_bytes());
        head[32..40].copy_from_slice(&durable.to_le_bytes());
        head[40..48].copy_from_slice(&start.to_le_bytes());
        let head_crc = crc(salt, &head[4..]);
        head[..4].copy_from_slice(&head_crc.to_le_bytes());
        first += u64::from(count);
    }
}

/// What stands before a frame's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHead {
    body_crc: u32,
    pub records: u32,
    /// Of the body.
    pub bytes: u64,
    pub first: u64,
    pub durable: u64,
    pub start: u64,
}

impl FrameHead {
    /// None: it is none of this segment's.
    pub fn parse(bytes: &[u8], salt: u32) -> Option<FrameHead> {
        let head = bytes.get(..FRAME_HEAD_BYTES)?;
        if head[..8] == [0; 8] || crc(salt, &head[4..]) != u32_at(head, 0) || u32_at(head, 12) != 0 {
            return None;
        }
        let records = u32_at(head, 8);
        let head = FrameHead {
            body_crc: u32_at(head, 4),
            records,
            bytes: u64_at(head, 16),
            first: u64_at(head, 24),
            durable: u64_at(head, 32),
            start: u64_at(head, 40),
        };
        (records > 0).then_some(head)
    }

    /// With head and the zeros behind.
    fn frame_bytes(&self) -> Option<usize> {
        usize::try_from(self.bytes).ok()?.checked_add(FRAME_HEAD_BYTES)?.checked_next_multiple_of(8)
    }
}

/// Frames, read from a segment's bytes in any cut.
pub struct Reader {
    salt: u32,
    bytes: Vec<u8>,
    at: usize,
    /// Where `bytes[at]` stands in the file.
    offset: u64,
    /// Bytes of the file that have not been fed.
    left: u64,
}

pub enum Next<'a> {
    NeedMore,
    /// Records in order, and where the frame begins.
    Frame(FrameHead, Records<'a>, u64),
    /// What comes is no frame: the end, if nothing but zeros follow or a crash has torn it.
    End,
}

impl Reader {
    /// Of a segment of so many bytes, from the end of its head on.
    pub fn new(salt: u32, offset: u64, file_bytes: u64) -> Reader {
        Reader { salt, bytes: Vec::new(), at: 0, offset, left: file_bytes.saturating_sub(offset) }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
    }

    /// Where what comes next begins in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What was fed and not read.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    pub fn read_next(&mut self) -> Next<'_> {
        let there = self.bytes.len() - self.at;
        if there < FRAME_HEAD_BYTES {
            return if self.left == 0 { Next::End } else { Next::NeedMore };
        }
        let Some(head) = FrameHead::parse(&self.bytes[self.at..], self.salt) else { return Next::End };
        let Some(frame_bytes) = head.frame_bytes().filter(|&n| n as u64 <= there as u64 + self.left) else {
            return Next::End;
        };
        if there < frame_bytes {
            return Next::NeedMore;
        }
        let body = self.at + FRAME_HEAD_BYTES..self.at + FRAME_HEAD_BYTES + head.bytes as usize;
        if crc(self.salt, &self.bytes[body.clone()]) != head.body_crc {
            return Next::End;
        }
        let began = self.offset;
        self.at += frame_bytes;
        self.offset += frame_bytes as u64;
        Next::Frame(head, Records { bytes: &self.bytes[body], at: 0, left: head.records }, began)
    }
}

/// The records of a frame.
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u32,
}

/// A frame whose checksum is right holds what no writer writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadRecord;

impl<'a> Iterator for Records<'a> {
    type Item = Result<Recorded<'a>, BadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return (std::mem::replace(&mut self.at, self.bytes.len()) != self.bytes.len()).then_some(Err(BadRecord));
        }
        self.left -= 1;
        Some(self.one().ok_or_else(|| {
            (self.left, self.at) = (0, self.bytes.len());
            BadRecord
        }))
    }
}

impl<'a> Records<'a> {
    fn one(&mut self) -> Option<Recorded<'a>> {
        let unix_ms = number(self.bytes, &mut self.at)?;
        let parties = u32::try_from(number(self.bytes, &mut self.at)?).ok()?;
        let tx = if parties > 0 { number(self.bytes, &mut self.at)? } else { 0 };
        let len = usize::try_from(number(self.bytes, &mut self.at)?).ok()?;
        let effects = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some((Record { unix_ms, tx, parties, len }, effects))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            serial: 7,
            run: 5,
            base: 5,
            began_ms: 1_790_000_000_000,
            shard: 1,
            shards: 2,
            previous: 3,
            ends: vec![9, 11],
        }
    }

    fn records() -> Vec<(Record, Vec<u8>)> {
        let one = |unix_ms, tx, parties, len: usize| (Record { unix_ms, tx, parties, len }, vec![len as u8; len]);
        vec![one(1, 0, 0, 3), one(u64::MAX, 1 << 40, 2, 0), one(5, 0, 0, 300), one(6, 7, 3, 1), one(7, 0, 0, 2)]
    }

    fn borrowed(records: &[(Record, Vec<u8>)]) -> impl Iterator<Item = Recorded<'_>> {
        records.iter().map(|(record, effects)| (*record, &effects[..]))
    }

    /// Two frames.
    fn written(salt: u32) -> Vec<u8> {
        let (mut out, records) = (Vec::new(), records());
        write(&mut out, salt, 40, 38, 30, borrowed(&records[..3]));
        write(&mut out, salt, 43, 41, 30, borrowed(&records[3..]));
        out
    }

    /// What is read, fed in pieces of this size.
    fn read(bytes: &[u8], salt: u32, piece: usize) -> Vec<(u64, Record, Vec<u8>)> {
        let mut reader = Reader::new(salt, 0, bytes.len() as u64);
        let (mut all, mut pieces) = (Vec::new(), bytes.chunks(piece));
        loop {
            match reader.read_next() {
                Next::NeedMore => reader.feed(pieces.next().expect("it knows how much there is")),
                Next::End => return all,
                Next::Frame(head, records, _) => {
                    for (n, record) in records.enumerate() {
                        let (record, effects) = record.expect("it was written so");
                        all.push((head.first + n as u64, record, effects.to_vec()));
                    }
                }
            }
        }
    }

    fn expected() -> Vec<(u64, Record, Vec<u8>)> {
        records().into_iter().enumerate().map(|(n, (record, effects))| (40 + n as u64, record, effects)).collect()
    }

    #[test]
    fn what_is_written_is_read_in_any_cut() {
        let bytes = written(77);
        for piece in 1..=bytes.len() {
            assert_eq!(read(&bytes, 77, piece), expected(), "{piece}");
        }
        assert_eq!(read(&bytes, 78, 100), [], "another segment's");
        let padded: Vec<u8> = bytes.iter().copied().chain([0; 5000]).collect();
        assert_eq!(read(&padded, 77, 64), expected());
    }

    #[test]
    fn what_is_cut_off_or_changed_is_no_frame() {
        let bytes = written(1);
        let second = {
            let mut one = Vec::new();
            write(&mut one, 1, 40, 38, 30, borrowed(&records()[..3]));
            one.len()
        };
        for cut in 0..bytes.len() {
            let whole = [0, 3][usize::from(cut >= second)];
            assert_eq!(read(&bytes[..cut], 1, 50).len(), whole, "{cut}");
            // A device may leave zeros instead.
            let mut zeroed = bytes.clone();
            zeroed[cut..].fill(0);
            let seen = read(&zeroed, 1, 50);
            assert!(seen.len() >= whole && seen[..] == expected()[..seen.len()], "{cut}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                let seen = read(&other, 1, 4096);
                // Padding is in no checksum, and says nothing.
                assert_eq!(seen[..], expected()[..seen.len()], "{at} {bit}");
            }
        }
    }

    #[test]
    fn large_records_and_many_make_several_frames() {
        let record = |len| (Record { unix_ms: 1, tx: 0, parties: 0, len }, vec![7u8; len]);
        let all = vec![record(FRAME_BYTES * 3), record(10), record(FRAME_BYTES - 20), record(50), record(1)];
        let mut out = Vec::new();
        write(&mut out, 3, 0, 0, 0, borrowed(&all));
        let (mut reader, mut frames, mut seen) = (Reader::new(3, 0, out.len() as u64), 0, 0);
        reader.feed(&out);
        while let Next::Frame(head, records, _) = reader.read_next() {
            assert_eq!(head.first, seen);
            seen += records.inspect(|r| assert!(r.is_ok(), "it is whole")).count() as u64;
            frames += 1;
        }
        assert_eq!((frames, seen), (3, 5));
    }

    #[test]
    fn heads_are_read_or_refused() {
        let bytes = head().draw();
        assert_eq!(bytes.len(), BLOCK_BYTES);
        assert_eq!(Head::parse(&bytes), Ok((head(), BLOCK_BYTES)));
        for cut in 0..bytes.len() {
            assert_eq!(Head::parse(&bytes[..cut]), Err(BadHead::Torn), "{cut}");
        }
        for at in 0..HEAD_FIXED_BYTES + 16 {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                assert!(Head::parse(&other).is_err(), "{at} {bit}");
            }
        }
        let mut newer = bytes.clone();
        newer[7] = 2;
        assert_eq!(Head::parse(&newer), Err(BadHead::Newer(2)));
        assert_eq!(Head::parse(&[0; BLOCK_BYTES]), Err(BadHead::Torn));
        let many = Head { ends: vec![1; ENDS_MAX], ..head() };
        assert_eq!(Head::parse(&many.draw()).expect("it is drawn").0, many);
    }

    /// Anything at all is read without a panic and without more memory than there are bytes.
    #[test]
    fn random_bytes_are_no_frames() {
        for seed in 1..500u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut bytes = written(9);
            for _ in 0..1 + seed % 7 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = state as usize % bytes.len();
                let end = bytes.len().min(at + (state >> 32) as usize % 64);
                bytes[at..end].iter_mut().enumerate().for_each(|(i, b)| *b ^= (state >> (i % 8 * 8)) as u8);
            }
            let seen = read(&bytes, 9, 1 + seed as usize % 100);
            assert_eq!(seen[..], expected()[..seen.len()], "seed {seed}");
            let _ = Head::parse(&bytes);
            let records = Records { bytes: &bytes, at: 0, left: seed as u32 };
            assert!(records.count() <= bytes.len() + 1);
        }
    }
}
