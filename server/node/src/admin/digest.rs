//! Room: admin. DEBUG DIGEST: a hash of what is stored, equal to Redis's for equal data, so that suites compare the two.
//! Touches: store.

use base::number::push_f64;
use store::pack::Digits;
use store::stream::Id;
use store::zset::ZsetRef;
use store::{Entry, Kind};

pub(super) type Digest = [u8; 20];

/// FIPS 180-4, SHA-1.
pub(super) fn sha1(bytes: &[u8]) -> Digest {
    let mut state: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().for_each(|block| compress(&mut state, block));
    let mut tail = [0u8; 128];
    tail[..rest.len()].copy_from_slice(rest);
    tail[rest.len()] = 0x80;
    let end = if rest.len() < 56 { 64 } else { 128 };
    tail[end - 8..end].copy_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    tail[..end].as_chunks::<64>().0.iter().for_each(|block| compress(&mut state, block));
    let mut digest = [0; 20];
    for (out, word) in digest.chunks_exact_mut(4).zip(state) {
        out.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn compress(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut w = [0u32; 80];
    for (word, bytes) in w.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for i in 16..80 {
        w[i] = (w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (i, word) in w.iter().enumerate() {
        let (f, k) = match i {
            0..20 => (b & c | !b & d, 0x5A82_7999),
            20..40 => (b ^ c ^ d, 0x6ED9_EBA1),
            40..60 => (b & c | b & d | c & d, 0x8F1B_BCDC),
            _ => (b ^ c ^ d, 0xCA62_C1D6u32),
        };
        let t = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
        (a, b, c, d, e) = (t, a, b.rotate_left(30), c, d);
    }
    for (s, v) in state.iter_mut().zip([a, b, c, d, e]) {
        *s = s.wrapping_add(v);
    }
}

/// The order of what is added does not matter.
pub(super) fn add(digest: &mut Digest, bytes: &[u8]) {
    combine(digest, &sha1(bytes));
}

pub(super) fn combine(digest: &mut Digest, other: &Digest) {
    digest.iter_mut().zip(other).for_each(|(a, b)| *a ^= b);
}

/// The order matters.
pub(super) fn mix(digest: &mut Digest, bytes: &[u8]) {
    add(digest, bytes);
    *digest = sha1(digest);
}

/// Adds a value and whether it has a deadline, as Redis's `xorObjectDigest` (debug.c) does. A large value is read in one go:
/// this is for servers under test.
pub(super) fn mix_value(digest: &mut Digest, entry: Entry<'_>) {
    // server.h, OBJ_STRING and following
    let number: u32 = match entry.kind() {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::Zset => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    };
    mix(digest, &number.to_be_bytes());
    match entry.kind() {
        Kind::String => mix(digest, entry.bytes()),
        _ => mix_collection(digest, entry),
    }
    if entry.deadline().is_some() {
        add(digest, b"!!expire!!");
    }
}

fn mix_collection(digest: &mut Digest, entry: Entry<'_>) {
    let (mut digits, mut more): (Digits, Digits) = ([0; 20], [0; 20]);
    // What comes in no order: each pair's own digest is added.
    let pair = |digest: &mut Digest, name: &[u8], value: &[u8]| {
        let mut own = [0; 20];
        mix(&mut own, name);
        mix(&mut own, value);
        add(digest, &own);
    };
    if let Some(list) = entry.list() {
        list.iter_from(0, false).for_each(|element| mix(digest, element.text(&mut digits)));
    } else if let Some(elements) = entry.elements() {
        elements.scan(0, usize::MAX, |member| add(digest, member.bytes(&mut digits)));
    } else if let Some(fields) = entry.fields(0) {
        fields.scan(0, usize::MAX, |name, value, _| pair(digest, name.bytes(&mut digits), value.bytes(&mut more)));
    } else if let Ok(zset) = ZsetRef::of(entry) {
        let mut text = Vec::new();
        zset.walk(0, usize::MAX, false, |member, score| {
            text.clear();
            push_f64(&mut text, score);
            pair(digest, member, &text);
            true
        });
    } else if let Some(stream) = entry.stream() {
        for item in stream.log().range(Id::MIN, Id::MAX) {
            mix(digest, format!("{}.{}", item.id.ms, item.id.seq).as_bytes());
            for (name, value) in item.pairs() {
                mix(digest, name.text(&mut digits));
                mix(digest, value.text(&mut digits));
            }
        }
    }
}

/// A key with its value.
pub(super) fn of_entry(key: &[u8], entry: Entry<'_>) -> Digest {
    let mut digest = [0; 20];
    mix(&mut digest, key);
    mix_value(&mut digest, entry);
    sha1(&digest)
}

pub(super) fn hex(digest: &Digest) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180's examples, and lengths around a block's end by the openssl tool.
    #[test]
    fn sha1_as_published() {
        for (text, expected) in [
            (String::new(), "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc".into(), "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".into(),
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            ("a".repeat(1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        ] {
            assert_eq!(hex(&sha1(text.as_bytes())), expected);
        }
    }
}
