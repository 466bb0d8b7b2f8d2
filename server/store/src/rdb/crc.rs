//! Room: store. The checksum of RDB files: CRC-64 of Jones, reflected, no start or end value. Touches: nothing.
//! Source: crc64.c of Redis, whose check of "123456789" is e9c6d914c4b8d9ca.

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

/// The checksum of `bytes` behind those whose checksum is `sum` (0: none). Eight bytes a step.
pub fn crc64(sum: u64, bytes: &[u8]) -> u64 {
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
}
