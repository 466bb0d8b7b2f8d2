//! Room: command. A HyperLogLog's bytes, as Redis keeps them, so that either server reads what the other wrote.
//! Touches: nothing.
//! Source of the representation and of every step that changes it: hyperloglog.c of Redis 7.2; of the estimate: Otmar Ertl, "New
//! cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284.
//!
//! ```text
//! HYLL │ 0 dense, 1 sparse │ 3 unused │ estimate 8, little-endian, invalid while its top bit is set │ registers
//! dense    16,384 registers of 6 bits, the lowest bits first
//! sparse   00xxxxxx          x + 1 registers are 0
//!          01xxxxxx yyyyyyyy  xy + 1 registers are 0
//!          1vvvvvxx          x + 1 registers are v + 1
//! ```

pub const REGISTERS: usize = 1 << 14;
const INDEX_BITS: u32 = 14;
const HASH_BITS: u32 = 64 - INDEX_BITS;
pub const HEAD_BYTES: usize = 16;
pub const DENSE_BYTES: usize = HEAD_BYTES + REGISTERS * 6 / 8;
/// Of the byte that has the estimate's top bit.
pub const STALE_AT: usize = 15;
pub const STALE: u8 = 0x80;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const VALUE_MAX: u8 = 32;
const VALUE_LEN_MAX: usize = 4;
const ZERO_LEN_MAX: usize = 64;

/// What is no HyperLogLog, though it says it is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupt;

/// Whether the head is right and, of a dense one, the length.
pub fn is_valid(bytes: &[u8]) -> bool {
    match bytes {
        [b'H', b'Y', b'L', b'L', DENSE, ..] => bytes.len() == DENSE_BYTES,
        [b'H', b'Y', b'L', b'L', SPARSE, ..] => bytes.len() >= HEAD_BYTES,
        _ => false,
    }
}

pub fn is_sparse(bytes: &[u8]) -> bool {
    bytes[4] == SPARSE
}

/// One that has counted nothing.
pub fn empty() -> Vec<u8> {
    let mut bytes = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// The estimate that is kept, if it is valid.
pub fn kept(bytes: &[u8]) -> Option<u64> {
    let card = u64::from_le_bytes(bytes[8..HEAD_BYTES].try_into().expect("8 bytes"));
    (bytes[STALE_AT] & STALE == 0).then_some(card)
}

/// MurmurHash64A (Austin Appleby), little-endian.
fn hash(bytes: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut h = 0xadc8_3b19 ^ (bytes.len() as u64).wrapping_mul(M);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 47;
        h = (h ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        h = (h ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    h = (h ^ h >> 47).wrapping_mul(M);
    h ^ h >> 47
}

/// The register that an element counts into, and what it is to be at least.
#[inline]
pub fn place(element: &[u8]) -> (usize, u8) {
    let hash = hash(element);
    let rest = hash >> INDEX_BITS | 1 << HASH_BITS;
    (hash as usize % REGISTERS, rest.trailing_zeros() as u8 + 1)
}

/// A register of a dense one, and where its byte is.
#[inline]
pub fn dense_get(bytes: &[u8], index: usize) -> u8 {
    let bit = index * 6;
    let at = HEAD_BYTES + bit / 8;
    let pair = u16::from(bytes[at]) | u16::from(bytes.get(at + 1).copied().unwrap_or(0)) << 8;
    (pair >> (bit % 8)) as u8 & 63
}

/// The two bytes (one at the very end) that a dense one has at the place given when the register is `value`.
#[inline]
pub fn dense_patch(bytes: &[u8], index: usize, value: u8) -> (usize, [u8; 2], usize) {
    let bit = index * 6;
    let at = HEAD_BYTES + bit / 8;
    let len = bytes.len().min(at + 2) - at;
    let pair = u16::from(bytes[at]) | u16::from(bytes.get(at + 1).copied().unwrap_or(0)) << 8;
    let new = pair & !(63 << (bit % 8)) | u16::from(value) << (bit % 8);
    (at, new.to_le_bytes(), len)
}

fn dense_set(bytes: &mut [u8], index: usize, value: u8) {
    let (at, new, len) = dense_patch(bytes, index, value);
    bytes[at..at + len].copy_from_slice(&new[..len]);
}

/// A run of equal registers in a sparse one.
#[derive(Clone, Copy)]
struct Run {
    len: usize,
    value: u8,
    /// Its own bytes.
    bytes: usize,
}

/// The run that begins with these bytes. What is cut off is read as a zero, as behind the end of Redis's strings.
#[inline]
fn run(bytes: &[u8], at: usize) -> Run {
    let head = bytes[at];
    match head >> 6 {
        0 => Run { len: (head & 0x3F) as usize + 1, value: 0, bytes: 1 },
        1 => {
            let low = bytes.get(at + 1).copied().unwrap_or(0);
            Run { len: (((head & 0x3F) as usize) << 8 | low as usize) + 1, value: 0, bytes: 2 }
        }
        _ => Run { len: (head & 3) as usize + 1, value: (head >> 2 & 0x1F) + 1, bytes: 1 },
    }
}

fn push_zeros(out: &mut Vec<u8>, len: usize) {
    if len > ZERO_LEN_MAX {
        out.extend_from_slice(&[0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]);
    } else if len > 0 {
        out.push((len - 1) as u8);
    }
}

fn value_run(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// Registers in a run by its first byte; 0: its second byte tells too.
const RUN_LENS: [u8; 256] = {
    let mut lens = [0; 256];
    let mut head = 0;
    while head < 256 {
        lens[head] = match head >> 6 {
            0 => (head & 0x3F) as u8 + 1,
            1 => 0,
            _ => (head & 3) as u8 + 1,
        };
        head += 1;
    }
    lens
};

/// Where a register stands that is to be raised.
#[derive(Clone, Copy)]
pub enum Spot {
    Dense,
    /// In a sparse one that cannot hold the value.
    Promote,
    /// The run that has it, the run's first register, the run before it.
    Run {
        at: usize,
        first: usize,
        before: Option<usize>,
    },
}

/// The run of a sparse one that has a register. A walk over a thousand runs: a table, since what the next one is cannot be foreseen.
#[inline]
fn find(bytes: &[u8], index: usize) -> Result<(usize, usize, Option<usize>), Corrupt> {
    let (mut at, mut first, mut before) = (HEAD_BYTES, 0, HEAD_BYTES);
    while let Some(&head) = bytes.get(at) {
        let (len, width) = match RUN_LENS[head as usize] {
            0 => (run(bytes, at).len, 2),
            len => (len as usize, 1),
        };
        if index < first + len {
            return Ok((at, first, (at > HEAD_BYTES).then_some(before)));
        }
        before = at;
        at += width;
        first += len;
    }
    Err(Corrupt)
}

/// Where the register is to be raised, if it is below `value`.
#[inline]
pub fn below(bytes: &[u8], index: usize, value: u8) -> Result<Option<Spot>, Corrupt> {
    if !is_sparse(bytes) {
        return Ok((dense_get(bytes, index) < value).then_some(Spot::Dense));
    }
    // What a sparse one cannot hold makes it dense, and that is found out to be corrupt then.
    if value > VALUE_MAX {
        return Ok(Some(Spot::Promote));
    }
    let (at, first, before) = find(bytes, index)?;
    Ok((run(bytes, at).value < value).then_some(Spot::Run { at, first, before }))
}

/// Raises a register to `value`, if it is below. A sparse one that would be longer than `sparse_max` becomes dense. Whether it changed.
pub fn raise(bytes: &mut Vec<u8>, index: usize, value: u8, sparse_max: usize) -> Result<bool, Corrupt> {
    match below(bytes, index, value)? {
        None => Ok(false),
        Some(spot) => raise_at(bytes, spot, index, value, sparse_max),
    }
}

/// The same where `below` has found it to be.
pub fn raise_at(bytes: &mut Vec<u8>, spot: Spot, index: usize, value: u8, sparse_max: usize) -> Result<bool, Corrupt> {
    let (at, first, before) = match spot {
        Spot::Run { at, first, before } => (at, first, before),
        Spot::Promote => return promote(bytes, index, value),
        Spot::Dense => {
            dense_set(bytes, index, value);
            return Ok(true);
        }
    };
    let old = run(bytes, at);
    if old.len == 1 && old.bytes == 1 {
        bytes[at] = value_run(value, 1);
    } else {
        // Up to five bytes: two runs of zeros around the value.
        let mut new = Vec::with_capacity(5);
        let push = |new: &mut Vec<u8>, len: usize| match old.value {
            _ if len == 0 => {}
            0 => push_zeros(new, len),
            same => new.push(value_run(same, len)),
        };
        push(&mut new, index - first);
        new.push(value_run(value, 1));
        push(&mut new, first + old.len - 1 - index);
        if new.len() > old.bytes && bytes.len() + new.len() - old.bytes > sparse_max {
            return promote(bytes, index, value);
        }
        let end = bytes.len().min(at + old.bytes);
        // Of a run that is cut off Redis counts the byte that is missing.
        let len = bytes.len() + new.len() - old.bytes;
        bytes.splice(at..end, new);
        bytes.truncate(len);
    }
    join(bytes, before.unwrap_or(HEAD_BYTES));
    bytes[STALE_AT] |= STALE;
    Ok(true)
}

/// Joins runs of equal values, among five from `at` on: as many as Redis looks at.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        if at >= bytes.len() {
            break;
        }
        let one = run(bytes, at);
        if one.value > 0 && at + 1 < bytes.len() {
            let two = run(bytes, at + 1);
            if one.value == two.value && one.len + two.len <= VALUE_LEN_MAX {
                bytes[at + 1] = value_run(one.value, one.len + two.len);
                bytes.remove(at);
                continue;
            }
        }
        at += one.bytes;
    }
}

fn promote(bytes: &mut Vec<u8>, index: usize, value: u8) -> Result<bool, Corrupt> {
    to_dense(bytes)?;
    if dense_get(bytes, index) < value {
        dense_set(bytes, index, value);
    }
    Ok(true)
}

/// Sparse to dense; a dense one stays.
pub fn to_dense(bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
    if !is_sparse(bytes) {
        return Ok(());
    }
    let mut dense = vec![0; DENSE_BYTES];
    dense[..HEAD_BYTES].copy_from_slice(&bytes[..HEAD_BYTES]);
    dense[4] = DENSE;
    values(bytes, |index, value| dense_set(&mut dense, index, value))?;
    *bytes = dense;
    Ok(())
}

/// Registers of a sparse one that are not 0.
fn values(bytes: &[u8], mut see: impl FnMut(usize, u8)) -> Result<(), Corrupt> {
    let (mut at, mut first) = (HEAD_BYTES, 0);
    while at < bytes.len() {
        let run = run(bytes, at);
        if run.value > 0 {
            if first + run.len > REGISTERS {
                break;
            }
            (first..first + run.len).for_each(|index| see(index, run.value));
        }
        at += run.bytes;
        first += run.len;
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// One byte a register.
pub type Registers = [u8; REGISTERS];

/// Four registers from three bytes.
#[inline]
fn four(three: &[u8; 3]) -> [u8; 4] {
    let [a, b, c] = *three;
    [a & 63, (a >> 6 | b << 2) & 63, (b >> 4 | c << 4) & 63, c >> 2]
}

/// Raises `most` to what this one has.
pub fn merge(most: &mut Registers, bytes: &[u8]) -> Result<(), Corrupt> {
    if is_sparse(bytes) {
        return values(bytes, |index, value| most[index] = most[index].max(value));
    }
    let (groups, _) = bytes[HEAD_BYTES..].as_chunks::<3>();
    let (out, _) = most.as_chunks_mut::<4>();
    for (group, out) in groups.iter().zip(out) {
        let values = four(group);
        for (out, value) in out.iter_mut().zip(values) {
            *out = (*out).max(value);
        }
    }
    Ok(())
}

/// How many registers have each value.
type Histogram = [u32; 64];

/// The estimate.
pub fn estimate(bytes: &[u8]) -> Result<u64, Corrupt> {
    let mut histogram = [0; 64];
    if is_sparse(bytes) {
        let (mut at, mut first) = (HEAD_BYTES, 0);
        while at < bytes.len() {
            let run = run(bytes, at);
            histogram[run.value as usize] += run.len as u32;
            at += run.bytes;
            first += run.len;
        }
        if first != REGISTERS {
            return Err(Corrupt);
        }
    } else {
        let (groups, _) = bytes[HEAD_BYTES..].as_chunks::<3>();
        groups.iter().for_each(|group| four(group).iter().for_each(|value| histogram[*value as usize] += 1));
    }
    Ok(from_histogram(&histogram))
}

/// The same of registers.
pub fn estimate_of(registers: &Registers) -> u64 {
    let mut histogram = [0; 64];
    registers.iter().for_each(|value| histogram[(value & 63) as usize] += 1);
    from_histogram(&histogram)
}

fn from_histogram(histogram: &Histogram) -> u64 {
    // 1 / (2 ln 2)
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let last = HASH_BITS as usize + 1;
    let mut z = m * tau((m - f64::from(histogram[last])) / m);
    for count in histogram[1..last].iter().rev() {
        z = (z + f64::from(*count)) * 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA * m * m / z).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

/// The runs of a sparse one as PFDEBUG DECODE shows them.
pub fn decode(bytes: &[u8]) -> String {
    let mut shown = Vec::new();
    let mut at = HEAD_BYTES;
    while at < bytes.len() {
        let run = run(bytes, at);
        shown.push(match (run.value, run.bytes) {
            (0, 1) => format!("z:{}", run.len),
            (0, _) => format!("Z:{}", run.len),
            (value, _) => format!("v:{value},{}", run.len),
        });
        at += run.bytes;
    }
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_and_dense_agree() {
        for seed in 0..4u64 {
            let (mut sparse, mut dense) = (empty(), empty());
            to_dense(&mut dense).unwrap();
            let mut plain = [0u8; REGISTERS];
            for n in 0..4000u64 {
                let element = (n * 4 + seed).to_le_bytes();
                let (index, value) = place(&element);
                let below = plain[index] < value;
                plain[index] = plain[index].max(value);
                assert_eq!(super::below(&sparse, index, value).map(|spot| spot.is_some()), Ok(below));
                assert_eq!(raise(&mut sparse, index, value, if n % 2 == 0 { 3000 } else { 6000 }), Ok(below));
                assert_eq!(super::below(&dense, index, value).map(|spot| spot.is_some()), Ok(below));
                assert_eq!(raise(&mut dense, index, value, 3000), Ok(below));
                if n % 97 == 0 || n < 50 {
                    let mut merged = [0; REGISTERS];
                    merge(&mut merged, &sparse).unwrap();
                    assert_eq!(merged, plain);
                    merged = [0; REGISTERS];
                    merge(&mut merged, &dense).unwrap();
                    assert_eq!(merged, plain);
                    assert!((0..REGISTERS).all(|i| dense_get(&dense, i) == plain[i]));
                    assert_eq!(estimate(&sparse), estimate(&dense));
                    assert_eq!(estimate(&sparse), Ok(estimate_of(&plain)));
                    let (count, exact) = (estimate(&sparse).unwrap() as f64, (n + 1) as f64);
                    assert!((count - exact).abs() <= (exact * 0.05).max(2.0), "{count} {exact}");
                }
            }
            assert!(!is_sparse(&sparse));
        }
    }

    #[test]
    fn corrupt_bytes_are_found_out_or_read_without_harm() {
        let mut bytes = empty();
        for n in 0..300u64 {
            let (index, value) = place(&n.to_le_bytes());
            raise(&mut bytes, index, value, 3000).unwrap();
        }
        let mut dice = 1u64;
        for round in 0..20_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut other = bytes.clone();
            let at = HEAD_BYTES + (dice >> 33) as usize % (other.len() - HEAD_BYTES);
            if round % 3 == 0 {
                other.truncate(at)
            } else {
                other[at] = (dice >> 20) as u8
            }
            let _ = estimate(&other);
            let _ = merge(&mut [0; REGISTERS], &other);
            let _ = decode(&other);
            let _ = to_dense(&mut other.clone());
            let index = (dice >> 40) as usize % REGISTERS;
            let _ = below(&other, index, 20);
            let _ = raise(&mut other, index, 20 + (round % 30) as u8, 3000);
        }
    }
}
