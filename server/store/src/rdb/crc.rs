//! Room: store. The checksum of RDB files: CRC-64 of Jones, reflected, no start or end value. Touches: nothing.
//! Source: crc64.c of Redis, whose check of "123456789" is e9c6d914c4b8d9ca.

use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

/// The polynomial ad93d23594c935a9, its bits reversed.
const POLYNOMIAL: u64 = 0xad93_d235_94c9_35a9_u64.reverse_bits();

/// `TABLES[k][b]`: the sum of byte `b` and `k` zeros behind it.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        byte = 0;
        while byte < 256 {
            let before = tables[k - 1][byte];
            tables[k][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// Shorter runs are summed by table: the SIMD code's way in costs more (it copies its parameters and asks for the CPU's features).
const SIMD_BYTES_MIN: usize = 256;

/// The checksum of `bytes` behind those whose checksum is `sum` (0: none).
pub fn crc64(sum: u64, bytes: &[u8]) -> u64 {
    if bytes.len() < SIMD_BYTES_MIN {
        return by_table(sum, bytes);
    }
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, sum);
    digest.update(bytes);
    digest.finalize()
}

/// The checksum of two runs of bytes, of which the second has the checksum `second` by itself and is so many bytes long.
pub fn crc64_joined(first: u64, second: u64, second_bytes: u64) -> u64 {
    checksum_combine(CrcAlgorithm::Crc64Redis, first, second, second_bytes)
}

/// Eight bytes a step.
fn by_table(sum: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = sum;
    for word in words {
        let mixed = (sum ^ u64::from_le_bytes(*word)).to_le_bytes();
        sum = (0..8).fold(0, |new, i| new ^ TABLES[7 - i][mixed[i] as usize]);
    }
    rest.iter().fold(sum, |sum, &byte| sum >> 8 ^ TABLES[0][(sum as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit.
    fn slow(bytes: &[u8]) -> u64 {
        let mut sum = 0u64;
        for &byte in bytes {
            sum ^= u64::from(byte);
            for _ in 0..8 {
                sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            }
        }
        sum
    }

    #[test]
    fn the_check_of_the_algorithm() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn any_cut_gives_the_slow_sum() {
        let bytes: Vec<u8> = (0..100u8).map(|i| i.wrapping_mul(37) ^ 0x5a).collect();
        for end in 0..bytes.len() {
            for cut in 0..=end {
                assert_eq!(crc64(crc64(0, &bytes[..cut]), &bytes[cut..end]), slow(&bytes[..end]));
            }
        }
    }

    #[test]
    fn long_runs_and_joined_ones_give_the_slow_sum() {
        let mut rng = crate::Rng::new(1);
        for _ in 0..300 {
            let mut run = |most: u64| (0..rng.below(most)).map(|_| rng.draw() as u8).collect::<Vec<u8>>();
            let (first, second) = (run(3_000), run(3_000));
            let (sum, other) = (crc64(0, &first), crc64(0, &second));
            let whole = slow(&[&first[..], &second].concat());
            assert_eq!((sum, other), (slow(&first), slow(&second)));
            assert_eq!(crc64(sum, &second), whole);
            assert_eq!(crc64_joined(sum, other, second.len() as u64), whole);
        }
    }
}
