//! Room: store. One shard's data: typed calls, typed outcomes. No I/O, no clock, no thread: time is handed in.
//! Touches: base.

mod age;
mod cell;
mod entry;
mod evict;
mod fields;
pub mod hash;
mod heap;
mod image;
mod journal;
pub mod list;
mod members;
mod needle;
mod object;
pub mod pack;
pub mod rdb;
pub mod regions;
mod rng;
mod segment;
pub mod set;
mod store;
pub mod stream;
mod table;
mod wheel;
pub mod zset;

pub use cell::{Body, Cell, Entry, Lifted};
pub use entry::PACKED_BYTES_MAX;
pub use fields::Faded;
pub use image::{Ages, ImageOptions, ImageOut, Step as ImageStep};
pub use journal::{BadEffects, Changed, Journal, PLACES, place_of};
pub use members::{Member, Members};
pub use object::{Held, Object};
pub use rng::Rng;
pub use store::Store;
pub use table::{Ground, Spot};

use bytes::Bytes;

/// How a store is laid out. Fixed for its life.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Numbered databases, at least 1.
    pub databases: u16,
    /// Seeds the sampling.
    pub seed: u64,
    /// Seeds the hash function, and with it the order of a walk: what is loaded in that order meets one segment after the other.
    /// Not known to clients.
    pub hash_seed: u64,
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
    pub packing: Packing,
}

/// Up to where collections stay packed in their entry, by the names of Redis's settings. They decide what OBJECT ENCODING
/// says as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// `hash-max-listpack-entries`, fields
    pub hash_entries: usize,
    /// `hash-max-listpack-value`, bytes
    pub hash_value_bytes: usize,
    /// `set-max-intset-entries`
    pub intset_entries: usize,
    /// `set-max-listpack-entries`
    pub set_entries: usize,
    /// `set-max-listpack-value`, bytes
    pub set_value_bytes: usize,
    /// `zset-max-listpack-entries`
    pub zset_entries: usize,
    /// `zset-max-listpack-value`, bytes
    pub zset_value_bytes: usize,
    /// `list-max-listpack-size`: elements of a chunk, or negative: -1 to -5 for 4, 8, 16, 32, 64 KiB
    pub list_size: i32,
    /// `list-compress-depth`: what OBJECT says; chunks are not compressed
    pub list_compress_depth: u32,
    /// `stream-node-max-bytes`, 0: no limit
    pub stream_node_bytes: usize,
    /// `stream-node-max-entries`, 0: no limit
    pub stream_node_entries: usize,
    /// `hll-sparse-max-bytes`
    pub hll_sparse_bytes: usize,
}

impl Default for Packing {
    /// Redis 7.2's defaults.
    fn default() -> Packing {
        Packing {
            hash_entries: 512,
            hash_value_bytes: 64,
            intset_entries: 512,
            set_entries: 128,
            set_value_bytes: 64,
            zset_entries: 128,
            zset_value_bytes: 64,
            list_size: -2,
            list_compress_depth: 0,
            stream_node_bytes: 4096,
            stream_node_entries: 100,
            hll_sparse_bytes: 3000,
        }
    }
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

/// What a value is. Four bits of the entry's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    String = 0,
    List = 1,
    Set = 2,
    Hash = 3,
    Zset = 4,
    Stream = 5,
}

impl Kind {
    /// As TYPE names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::Hash => "hash",
            Kind::Zset => "zset",
            Kind::Stream => "stream",
        }
    }
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
    pub kind: Kind,
    /// A string's bytes; a collection as RDB files write it: a type byte, then the body.
    pub value: Bytes,
    pub flags: u32,
    /// Unix time, ms.
    pub deadline: Option<u64>,
    /// Of a collection: `Raw` if it is kept in the form for large ones, else `Auto`.
    pub encoding: Encoding,
}

impl Portable {
    /// A string's bytes by themselves never take long to be put; a body of more bytes than this does.
    const AT_ONCE_BYTES: usize = 1 << 13;

    /// Where it takes more than a slice to put it: what puts `value` in slices, but for its deadline.
    pub fn placing(&self) -> Option<rdb::Placing> {
        let is_long = self.kind != Kind::String && self.value.len() > Self::AT_ONCE_BYTES;
        is_long.then(|| rdb::Placing::new(self.placed()))
    }

    /// How `value` is to be kept.
    pub fn placed(&self) -> rdb::Placed {
        rdb::Placed::AsItWas { large: self.encoding == Encoding::Raw }
    }
}

/// Counters since the start or the last `reset_counters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    /// Fields of hashes.
    pub expired_fields: u64,
    pub evicted: u64,
}
