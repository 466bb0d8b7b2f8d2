//! Room: the append log. What all shards know of it. Touches: cuts.

use super::cuts::{Ledger, Shared};
use base::ShardId;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Whether there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mode {
    Off,
    /// It was turned on, and counts when the snapshot is made that it begins with.
    Beginning,
    On,
}

/// A cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Line {
    /// Records below this number are found after any crash. `u64::MAX` without a log: nobody waits.
    sure: AtomicU64,
    /// Of its segments since the last snapshot.
    bytes: AtomicU64,
}

/// How it went.
#[derive(Debug, Default)]
pub struct Facts {
    /// Serial of the first segment of the run, 0: none.
    pub run: u64,
    /// The snapshot that it began with, 0: it goes on from what was found.
    pub base: u64,
    /// The run before and its ends, for the heads of this one's segments.
    pub previous: u64,
    pub ends: Vec<u64>,
    /// Why the last write failed; None: it did not.
    pub failed: Option<String>,
    /// Shards whose last write did.
    pub failing: usize,
    /// Bytes of the snapshot that the log builds on.
    pub base_bytes: u64,
    /// Snapshots that were asked for to make the log short.
    pub rewrites: u64,
    pub rewrite_failed: bool,
    pub rewrite_failures: u64,
    /// -1: there was none.
    pub rewrite_took_s: i64,
    /// BGREWRITEAOF came while a snapshot was made.
    pub scheduled: bool,
    /// The snapshot that runs is one.
    pub rewriting: bool,
}

pub struct Book {
    mode: AtomicU8,
    lines: Vec<Line>,
    ledger: Mutex<Ledger>,
    facts: Mutex<Facts>,
    /// Clients of WAITAOF: who is sure of more says so to all.
    pub waiters: AtomicUsize,
    /// Shards whose last sync is under way, and syncs that took too long.
    pub syncing: AtomicUsize,
    pub delayed: AtomicU64,
}

impl Book {
    pub fn new(shards: usize) -> Book {
        let line = || Line { sure: AtomicU64::new(u64::MAX), bytes: AtomicU64::new(0) };
        Book {
            mode: AtomicU8::new(Mode::Off as u8),
            lines: (0..shards).map(|_| line()).collect(),
            ledger: Mutex::new(Ledger::new(shards)),
            facts: Mutex::new(Facts { rewrite_took_s: -1, ..Facts::default() }),
            waiters: AtomicUsize::new(0),
            syncing: AtomicUsize::new(0),
            delayed: AtomicU64::new(0),
        }
    }

    pub fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Acquire) {
            0 => Mode::Off,
            1 => Mode::Beginning,
            _ => Mode::On,
        }
    }

    pub fn set_mode(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::Release);
    }

    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn sure(&self, shard: ShardId) -> u64 {
        self.lines[shard.index()].sure.load(Ordering::Acquire)
    }

    /// A shard's log begins with the record of this number.
    pub fn begin(&self, shard: ShardId, at: u64) {
        self.ledger().begin(shard.index(), at);
        self.lines[shard.index()].sure.store(at, Ordering::Release);
        self.lines[shard.index()].bytes.store(0, Ordering::Relaxed);
    }

    /// It ends: nobody waits for it any more.
    pub fn end(&self, shard: ShardId) {
        self.lines[shard.index()].sure.store(u64::MAX, Ordering::Release);
    }

    /// A shard's records below `end` are on the device; shards that are sure of more for it.
    pub fn reached(&self, shard: ShardId, end: u64, new: impl IntoIterator<Item = Shared>) -> Vec<ShardId> {
        let mut ledger = self.ledger();
        ledger.reached(shard.index(), end, new);
        let mut more = Vec::new();
        for (n, (line, &sure)) in self.lines.iter().zip(ledger.sure()).enumerate() {
            let before = line.sure.load(Ordering::Relaxed);
            if before != u64::MAX && sure > before {
                line.sure.store(sure, Ordering::Release);
                more.push(ShardId(n as u16));
            }
        }
        more
    }

    pub fn written(&self, shard: ShardId, bytes: usize) {
        self.lines[shard.index()].bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn begin_segment(&self, shard: ShardId) {
        self.lines[shard.index()].bytes.store(0, Ordering::Relaxed);
    }

    /// Of all shards' segments since the last snapshot.
    pub fn bytes(&self) -> u64 {
        self.lines.iter().map(|line| line.bytes.load(Ordering::Relaxed)).sum()
    }
}
