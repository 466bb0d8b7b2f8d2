//! Room: benches, micro. What is measured of the server's functions: one table of cases, run by criterion (`main.rs`), by the
//! instruction counter (`count.rs`) and by `cargo test`. Touches: base, wire, store, node.
//!
//! `count.rs` with these files is also built against the crates of an older commit, so they use few and stable doors.

pub mod engine;
pub mod mailbox;
pub mod store;
pub mod wire;

use std::time::{Duration, Instant};

/// Does `n` operations and says how long they took, without what had to be made ready for them.
pub type Run = Box<dyn FnMut(u64) -> Duration>;

pub struct Case {
    /// `group/what`.
    pub name: &'static str,
    /// Makes ready what stays the same; `keys`: how many keys the store holds where there is one.
    pub make: fn(keys: u64) -> Run,
}

/// All cases, in the order of an ask's way through the server.
pub fn all() -> Vec<Case> {
    [wire::CASES, store::CASES, mailbox::CASES, engine::CASES].into_iter().flatten().map(Case::copy).collect()
}

impl Case {
    const fn new(name: &'static str, make: fn(u64) -> Run) -> Case {
        Case { name, make }
    }

    fn copy(&self) -> Case {
        Case { name: self.name, make: self.make }
    }
}

/// Times `n` calls of `work`, which hears the number of the call.
pub fn timed(n: u64, mut work: impl FnMut(u64)) -> Duration {
    let start = Instant::now();
    (0..n).for_each(&mut work);
    start.elapsed()
}

/// Times as many calls of `work` as make `n` operations of `size` each; the time is that of `n`.
pub fn batches(n: u64, size: u64, work: impl FnMut(u64)) -> Duration {
    let calls = n.div_ceil(size);
    timed(calls, work).mul_f64(n as f64 / (calls * size).max(1) as f64)
}

/// SplitMix64: the same numbers everywhere.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
}

/// 16 bytes, the key length of the runs against peers too.
pub fn key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// An ask in RESP.
pub fn resp(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
