//! Hash slots of Redis Cluster: CRC16 (XMODEM: polynomial 0x1021, initial 0, no reflection) of the hash tag, mod 16384.
//! Source: the Redis Cluster specification, "Key distribution model" and "Hash tags".

use crate::ids::SlotId;

pub const SLOTS: u16 = 16384;

/// `TABLES[j][b]`: what byte `b` adds when `j` bytes follow it. Eight bytes a step instead of one.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut t = [[0u16; 256]; 8];
    let mut b = 0;
    while b < 256 {
        let mut crc = (b as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        t[0][b] = crc;
        b += 1;
    }
    let mut j = 1;
    while j < 8 {
        let mut b = 0;
        while b < 256 {
            let before = t[j - 1][b];
            t[j][b] = before << 8 ^ t[0][(before >> 8) as usize];
            b += 1;
        }
        j += 1;
    }
    t
}

/// CRC16/XMODEM of `bytes`.
pub fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for c in chunks {
        let t = &TABLES;
        crc = t[7][(c[0] ^ (crc >> 8) as u8) as usize]
            ^ t[6][(c[1] ^ crc as u8) as usize]
            ^ t[5][c[2] as usize]
            ^ t[4][c[3] as usize]
            ^ t[3][c[4] as usize]
            ^ t[2][c[5] as usize]
            ^ t[1][c[6] as usize]
            ^ t[0][c[7] as usize];
    }
    for &b in rest {
        crc = crc << 8 ^ TABLES[0][(b ^ (crc >> 8) as u8) as usize];
    }
    crc
}

/// The part of a key that is hashed: what stands between the first `{` and the next `}`, when that is not empty.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&b| b == b'{') else { return key };
    match key[open + 1..].iter().position(|&b| b == b'}') {
        Some(n) if n > 0 => &key[open + 1..][..n],
        _ => key,
    }
}

pub fn slot_of(key: &[u8]) -> SlotId {
    SlotId(crc16(hash_tag(key)) & (SLOTS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc16_by_bit(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0u16, |crc, &b| {
            (0..8).fold(crc ^ (b as u16) << 8, |c, _| if c & 0x8000 != 0 { c << 1 ^ 0x1021 } else { c << 1 })
        })
    }

    #[test]
    fn crc16_equals_its_slow_twin() {
        assert_eq!(crc16(b"123456789"), 0x31C3); // The specification's check value.
        let text: Vec<u8> = (0..200u32).map(|i| (i * 37 + 11) as u8).collect();
        for n in 0..text.len() {
            assert_eq!(crc16(&text[..n]), crc16_by_bit(&text[..n]), "length {n}");
        }
    }

    #[test]
    fn hash_tags() {
        for (key, tag) in [
            ("{user1000}.following", "user1000"),
            ("foo{}{bar}", "foo{}{bar}"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("plain", "plain"),
            ("open{", "open{"),
        ] {
            assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes(), "{key}");
        }
        assert_eq!(slot_of(b"foo"), SlotId(12182)); // CLUSTER KEYSLOT foo
    }
}
