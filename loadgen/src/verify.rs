//! Room: loadgen. Which values a read may give, and the proof when one is not among them. Touches: plan.
//!
//! Each key has one writer, which numbers its writes 1, 2, 3, ... A value carries its key, its number and a checksum, and
//! all its bytes follow from key and number. For every key the ledger holds the last number sent and the *floor*: the
//! highest number that was acknowledged or that any read has returned. A read notes the floor when it is sent, and the
//! last number sent when its answer is read; a number outside those is a lost write, a read that went back in time, or a
//! value out of thin air. That is linearisability of a register, but for reads that overlap in time.
//!
//! Writes of one key take effect in the order sent: on one connection by itself; in a cluster, where a redirected write could be
//! overtaken, because the next is sent only when the last has been answered.

use crate::plan::{Plan, mix};
use std::sync::atomic::{AtomicU64, Ordering};

/// Key number, version, length and checksum before the body.
pub const VALUE_LEAST: usize = 28;

/// Which is the kind of fault that a read shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The bytes are no value that this program wrote: mixed, cut or changed.
    Torn,
    /// A whole value, of another key.
    WrongKey,
    /// Older than what was acknowledged, or read, before this read was sent.
    Stale,
    /// A number that was never sent.
    Unsent,
    /// No value, though one was acknowledged and never deleted since.
    Lost,
    /// A value whose number stands for a delete.
    Undead,
}

impl Flaw {
    pub fn told(self) -> &'static str {
        match self {
            Flaw::Torn => "torn: the bytes are no value that was written",
            Flaw::WrongKey => "wrong key: the value belongs to another key",
            Flaw::Stale => "stale: older than what was acknowledged or read before this read was sent",
            Flaw::Unsent => "unsent: a version that nobody wrote",
            Flaw::Lost => "lost: nothing there, though a write was acknowledged",
            Flaw::Undead => "undead: a value under a version that was a delete",
        }
    }
}

/// What is known of every key's writes, shared by all connections.
pub struct Ledger {
    keys: Vec<Marks>,
}

struct Marks {
    sent: AtomicU64,
    floor: AtomicU64,
    /// The last that was answered, with an error too.
    answered: AtomicU64,
}

impl Ledger {
    /// 24 bytes a key.
    pub fn new(keys: u64) -> Ledger {
        let marks = || Marks { sent: AtomicU64::new(0), floor: AtomicU64::new(0), answered: AtomicU64::new(0) };
        Ledger { keys: (0..keys).map(|_| marks()).collect() }
    }

    fn marks(&self, key: u64) -> &Marks {
        &self.keys[key as usize]
    }

    /// The number of the next write of `key`, by its only writer; from here on reads may return it.
    pub fn send(&self, key: u64) -> u64 {
        self.marks(key).sent.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The write of `version` has been answered, well or with an error.
    pub fn answered(&self, key: u64, version: u64) {
        self.marks(key).answered.fetch_max(version, Ordering::SeqCst);
    }

    /// Whether every write of `key` has been answered.
    pub fn is_settled(&self, key: u64) -> bool {
        self.marks(key).answered.load(Ordering::SeqCst) == self.sent(key)
    }

    /// Reads sent from here on return `version` or later.
    pub fn acknowledge(&self, key: u64, version: u64) {
        self.marks(key).floor.fetch_max(version, Ordering::SeqCst);
    }

    pub fn floor(&self, key: u64) -> u64 {
        self.marks(key).floor.load(Ordering::SeqCst)
    }

    pub fn sent(&self, key: u64) -> u64 {
        self.marks(key).sent.load(Ordering::SeqCst)
    }

    /// Judges what a read of `key` gave, `None` for no value. `floor` is what held when the read was sent.
    pub fn judge(&self, plan: &Plan, key: u64, floor: u64, got: Option<&[u8]>) -> Result<(), Flaw> {
        let sent = self.sent(key);
        let Some(value) = got else {
            // Version 0 stands for the time before the first write.
            let may = plan.may_miss || (floor..=sent).any(|v| v == 0 || plan.is_delete(key, v));
            return if may { Ok(()) } else { Err(Flaw::Lost) };
        };
        let (written, version) = read_value(value).ok_or(Flaw::Torn)?;
        if written != key {
            return Err(Flaw::WrongKey);
        }
        if version > sent || version == 0 {
            return Err(Flaw::Unsent);
        }
        if version < floor {
            return Err(Flaw::Stale);
        }
        if plan.is_delete(key, version) {
            return Err(Flaw::Undead);
        }
        self.acknowledge(key, version);
        Ok(())
    }
}

/// Appends the value that stands for `version` of `key`: key, version, length, checksum, body.
pub fn write_value(plan: &Plan, key: u64, version: u64, out: &mut Vec<u8>) {
    let size = (plan.sizes.pick(key ^ mix(version)) as usize).max(VALUE_LEAST);
    let start = out.len();
    out.extend_from_slice(&key.to_le_bytes());
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&(size as u32).to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    let mut state = key ^ mix(version);
    let mut left = size - VALUE_LEAST;
    while left > 0 {
        state = mix(state);
        let take = left.min(8);
        out.extend_from_slice(&state.to_le_bytes()[..take]);
        left -= take;
    }
    let sum = checksum(&out[start..]);
    out[start + 20..start + 28].copy_from_slice(&sum.to_le_bytes());
}

/// Key and version of a whole value; `None` when it is not one.
pub fn read_value(value: &[u8]) -> Option<(u64, u64)> {
    let word = |at: usize| value.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let (key, version) = (word(0)?, word(8)?);
    let len = u32::from_le_bytes(value.get(16..20)?.try_into().ok()?);
    (len as usize == value.len() && checksum(value) == word(20)?).then_some((key, version))
}

/// Over all but the checksum's own place. Each step is a bijection of the state for a given word, so any change of one
/// word changes the sum.
fn checksum(value: &[u8]) -> u64 {
    let mut sum = 0x746f_7263;
    for part in [&value[..20], &value[VALUE_LEAST..]] {
        for chunk in part.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            sum = mix(sum ^ u64::from_le_bytes(word));
        }
    }
    sum
}

/// What is shown when a check fails: enough to look for the cause with.
#[derive(Clone, Debug)]
pub struct Evidence {
    pub what: String,
    pub target: String,
    pub connection: usize,
    pub key: String,
    /// Nanoseconds since the start of the phase.
    pub sent_at_ns: u64,
    pub answered_at_ns: u64,
    pub floor: u64,
    pub sent: u64,
    pub got: String,
}

impl Evidence {
    /// What the bytes say of themselves, and their beginning.
    pub fn describe(got: Option<&[u8]>) -> String {
        let Some(value) = got else { return "no value".into() };
        let shown: String = value.iter().take(48).map(|b| format!("{b:02x}")).collect();
        let more = if value.len() > 48 { "..." } else { "" };
        let said = match read_value(value) {
            Some((key, version)) => format!("key number {key}, version {version}"),
            None if value.len() >= VALUE_LEAST => {
                let word = |at: usize| value[at..at + 8].iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
                format!("claims key number {}, version {}; its length or checksum is wrong", word(0), word(8))
            }
            None => "too short for a value".into(),
        };
        format!("{} bytes, {said}, hex {shown}{more}", value.len())
    }

    pub fn print(&self) {
        eprintln!("torc-load: VERIFICATION FAILED");
        eprintln!("  {}", self.what);
        eprintln!("  target      {}  connection {}", self.target, self.connection);
        eprintln!("  key         {}", self.key);
        let (asked, told) = (self.sent_at_ns as f64 / 1e9, self.answered_at_ns as f64 / 1e9);
        eprintln!("  asked at    {asked:.6} s, answered at {told:.6} s");
        eprintln!("  allowed     versions {} to {} (0: none)", self.floor, self.sent);
        eprintln!("  got         {}", self.got);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::small;

    #[test]
    fn every_changed_bit_and_every_cut_is_seen() {
        let plan = small();
        for version in 1..20 {
            let mut value = Vec::new();
            write_value(&plan, 3, version, &mut value);
            assert_eq!(read_value(&value), Some((3, version)));
            for bit in 0..value.len() * 8 {
                value[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read_value(&value), None, "bit {bit}");
                value[bit / 8] ^= 1 << (bit % 8);
            }
            for cut in 0..value.len() {
                assert_eq!(read_value(&value[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_mix_of_two_versions_is_torn() {
        let mut plan = small();
        plan.sizes = crate::plan::Spread::Fixed(40);
        let (mut old, mut new) = (Vec::new(), Vec::new());
        write_value(&plan, 3, 1, &mut old);
        write_value(&plan, 3, 2, &mut new);
        for cut in 1..old.len() {
            let mixed = [&new[..cut], &old[cut..]].concat();
            assert_eq!(read_value(&mixed).is_none(), mixed != new && mixed != old, "cut at {cut}");
        }
    }

    #[test]
    fn reads_are_judged() {
        let plan = small();
        let ledger = Ledger::new(plan.keys);
        for _ in 0..5 {
            ledger.send(3);
        }
        ledger.acknowledge(3, 3);
        let value = |key, version| {
            let mut out = Vec::new();
            write_value(&plan, key, version, &mut out);
            out
        };
        let cases = [
            (3, Some(value(3, 3)), Ok(())),
            (3, Some(value(3, 2)), Err(Flaw::Stale)),
            (3, Some(value(3, 6)), Err(Flaw::Unsent)),
            (3, Some(value(4, 3)), Err(Flaw::WrongKey)),
            (3, Some(b"foreign".to_vec()), Err(Flaw::Torn)),
            (3, None, Err(Flaw::Lost)),
            (0, None, Ok(())),
            (3, Some(value(3, 5)), Ok(())),
        ];
        for (floor, got, want) in cases {
            assert_eq!(ledger.judge(&plan, 3, floor, got.as_deref()), want, "floor {floor}, {got:?}");
        }
        // The read of version 5 raised the floor for those sent after it.
        assert_eq!(ledger.floor(3), 5);
        assert_eq!(ledger.judge(&plan, 9, ledger.floor(9), None), Ok(()));
        assert_eq!(ledger.judge(&plan, 9, 0, Some(&value(9, 1))), Err(Flaw::Unsent));
    }

    #[test]
    fn a_missing_key_needs_a_delete_that_may_have_happened() {
        let mut plan = small();
        plan.deletes_ppm = 300_000;
        let ledger = Ledger::new(plan.keys);
        let deleted = (2..).find(|v| plan.is_delete(0, *v) && !plan.is_delete(0, v + 1)).expect("three in ten");
        for _ in 0..=deleted {
            ledger.send(0);
        }
        assert_eq!(ledger.judge(&plan, 0, deleted, None), Ok(()));
        assert_eq!(ledger.judge(&plan, 0, deleted + 1, None), Err(Flaw::Lost));
        let mut undead = Vec::new();
        write_value(&plan, 0, deleted, &mut undead);
        assert_eq!(ledger.judge(&plan, 0, deleted, Some(&undead)), Err(Flaw::Undead));
    }
}
