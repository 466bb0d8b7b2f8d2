//! Room: store. One shard's data: typed calls, typed outcomes. No I/O, no clock, no thread: time is handed in.
//! Touches: base.

mod age;
mod cell;
mod entry;
mod evict;
mod heap;
mod rng;
mod segment;
mod store;
mod table;
mod wheel;

pub use cell::{Cell, Entry};
pub use store::Store;

use bytes::Bytes;

/// How a store is laid out. Fixed for its life.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Numbered databases, at least 1.
    pub databases: u16,
    /// Seeds the hash function and the sampling.
    pub seed: u64,
}

/// What may change at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    pub policy: Policy,
    /// `maxmemory-samples`
    pub samples: u32,
    /// `lfu-log-factor`
    pub lfu_log_factor: u32,
    /// `lfu-decay-time`, minutes
    pub lfu_decay_minutes: u32,
}

/// `maxmemory-policy`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    NoEviction,
    AllKeysLru,
    AllKeysLfu,
    AllKeysRandom,
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
}

/// What a value is. Four bits of the entry's header; later types take the numbers that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
}

/// How `OBJECT ENCODING` names a string that was not merely SET: what `APPEND` or `SETRANGE` made is `raw` whatever its
/// length, what `INCRBYFLOAT` made is never `int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// By content and length: `int`, `embstr` (up to 44 bytes) or `raw`.
    #[default]
    Auto,
    Raw,
    /// By length only.
    Text,
}

/// The deadline that a write leaves on its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    None,
    Keep,
    /// Unix time, ms.
    At(u64),
}

/// The facts that a write gives beside the value.
#[derive(Clone, Copy, Debug)]
pub struct Put {
    pub deadline: Deadline,
    /// memcached's client flags; RESP writes give 0.
    pub flags: u32,
    pub encoding: Encoding,
}

impl Default for Put {
    fn default() -> Self {
        Put { deadline: Deadline::None, flags: 0, encoding: Encoding::Auto }
    }
}

/// A value as it is read: in the entry, or in an allocation of its own that a reply may share.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Inline(&'a [u8]),
    Shared(&'a Bytes),
}

/// One whole entry as a value, to travel between shards, databases and names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portable {
    pub value: Bytes,
    pub flags: u32,
    /// Unix time, ms.
    pub deadline: Option<u64>,
    pub encoding: Encoding,
}

/// Counters since the start or the last `reset_counters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    pub evicted: u64,
}
