//! Room: store. RDB files as bytes: their frame around the values, written (`write`) and read (`read`), without I/O.
//! Touches: base.
//!
//! A file is `REDIS` and four digits of a version, then records, each of which begins with a byte: an opcode (`op`), or the type of
//! a value (`kind` in `rdb`), which a key and a body follow. Source: rdb.c and rdb.h of Redis 7.2, rdb.h of Redis 8 and
//! Valkey 9 for what they have added.

pub mod read;
mod shape;
pub mod write;

/// Records that are no entries.
pub mod op {
    /// Valkey 9: what a slot that is being imported holds.
    pub const SLOT_IMPORT: u8 = 243;
    /// Redis 8, Valkey 8: slot, keys in it, keys with a deadline in it.
    pub const SLOT_INFO: u8 = 244;
    /// A library of functions as text.
    pub const FUNCTION: u8 = 245;
    /// The same in release candidates of 7.0.
    pub const FUNCTION_RC: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    /// Seconds since the next key was used.
    pub const IDLE: u8 = 248;
    /// The next key's LFU counter.
    pub const FREQUENCY: u8 = 249;
    /// A name and a text, which whoever does not know the name passes over.
    pub const AUX: u8 = 250;
    /// How many keys, and how many with a deadline, the database will have.
    pub const RESIZE: u8 = 251;
    /// The next key's deadline, Unix ms.
    pub const DEADLINE_MS: u8 = 252;
    /// The same, Unix s.
    pub const DEADLINE_S: u8 = 253;
    /// The database of what follows.
    pub const SELECT: u8 = 254;
    pub const END: u8 = 255;
}

/// The version of files that need no more: Redis 7.2's.
pub const VERSION: u16 = 11;
/// The version of files that hold hashes whose fields have deadlines: Redis 7.4's.
pub const VERSION_TIMED: u16 = 12;

/// Names of AUX records of Torc's. Redis passes over them wherever they stand (rdb.c, rdbLoadRio: "We ignore fields we don't understand").
pub mod aux {
    /// The next key's memcached flags.
    pub const FLAGS: &[u8] = b"torc-flags";
    /// The next key's version (memcached's cas).
    pub const VERSION: &[u8] = b"torc-version";
}

/// What is known of when a key was used.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Age {
    #[default]
    Unknown,
    /// Seconds since.
    Idle(u64),
    /// The LFU counter.
    Frequency(u8),
}

/// The facts of an entry beside its value.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub key: &'a [u8],
    /// Unix ms.
    pub deadline: Option<u64>,
    pub age: Age,
    /// memcached's flags.
    pub flags: u32,
    /// memcached's cas.
    pub version: Option<u64>,
}

/// How many bytes the string at the start of `bytes` takes; None: they are none, or too few.
pub(super) fn text_bytes(bytes: &[u8]) -> Option<u64> {
    shape::text_bytes(bytes).ok().flatten()
}
