//! Room: store. Values as Redis's RDB files write them: a type byte, then a body. What DUMP gives and RESTORE takes, and
//! how a collection travels between shards. Touches: base.
//!
//! Written is version 11 (Redis 7.2): small collections as listpacks and sets of integers as intsets, for these are nearly what
//! lies in an entry; large ones element by element. Read is every form that versions 6 to 12 have for strings, lists,
//! sets, hashes, sorted sets and streams: `read` takes a body apart into `Parsed`, without trust in any byte of it; `place` makes an
//! entry of that. Source of all forms: rdb.c, listpack.c, ziplist.c, zipmap.c, intset.c and lzf_d.c of Redis 7.2, rdb.c of 7.4 for
//! hashes whose fields have deadlines.

mod crc;
mod dumping;
pub mod file;
mod lzf;
mod old;
pub(crate) mod parts;
mod pieces;
mod place;
mod read;
mod recode;
mod stream;
pub(crate) mod write;

pub use crc::{crc64, crc64_joined};
pub use dumping::{Checking, Dumping};
pub use lzf::Lzf;
pub use place::{Placed, Placing};
pub use recode::{RECODE_VERSION_MIN, Recoded, recode};

pub(crate) use parts::Progress;
pub(crate) use write::{Tools, Writer};

use crate::Encoding;
use crate::cell::Entry;

/// RDB_VERSION of Redis 7.2.
const VERSION: u16 = 11;
/// The highest version that is understood: Redis 7.4's.
const VERSION_MAX: u16 = 12;
/// The version, then the checksum of all before it.
const FOOTER_BYTES: usize = 2 + 8;

/// Type bytes.
mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    /// Scores as text.
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    /// Scores as eight bytes.
    pub const ZSET_2: u8 = 5;
    /// Of release candidates of 4.0: only its module knows where it ends.
    pub const MODULE_RC: u8 = 6;
    pub const MODULE: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    /// Nodes are ziplists.
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    /// Nodes are listpacks or single elements.
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
    // Redis 7.4: hashes whose fields have deadlines. The first two are those of its release candidates.
    pub const HASH_TIMED_RC: u8 = 22;
    pub const HASH_TIMED_LISTPACK_RC: u8 = 23;
    pub const HASH_TIMED: u8 = 24;
    pub const HASH_TIMED_LISTPACK: u8 = 25;
    /// Valkey 9's hashes with deadlines, which it numbers 22, are told from Redis's by this number, which no file has.
    pub const HASH_TIMED_VALKEY: u8 = 0x80 | 22;
}

/// The bytes are no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadData;

impl Entry<'_> {
    /// What DUMP gives: the value, its version, its checksum.
    pub fn dump(self) -> Vec<u8> {
        let mut out = Vec::new();
        write::value(self, &mut out);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let sum = crc64(0, &out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// The value alone: a type byte, then the body.
    pub(crate) fn rdb(self) -> Vec<u8> {
        let mut out = Vec::new();
        write::value(self, &mut out);
        out
    }

    /// How a collection is kept, as `Portable` tells it.
    pub(crate) fn form(self) -> Encoding {
        write::encoding(self)
    }
}

/// A list as a body, element by element: `Cell::put_rdb` decides on its form.
pub fn list_body<'a>(elements: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![kind::LIST];
    write::len(&mut out, elements.len() as u64);
    elements.for_each(|element| write::string(&mut out, element));
    out
}

/// The value in what DUMP gave. None: the version is too high, or the checksum is wrong.
pub fn undumped(payload: &[u8]) -> Option<&[u8]> {
    let mut checking = Checking::begin(payload)?;
    let good = loop {
        if let Some(good) = checking.step(payload) {
            break good;
        }
    };
    good.then(|| value_of(payload))
}

/// The value in what DUMP gave and `Checking` has found good.
pub fn value_of(payload: &[u8]) -> &[u8] {
    &payload[..payload.len() - FOOTER_BYTES]
}

/// What DUMP gave ends with.
struct Footer {
    version: u16,
    sum: u64,
}

fn footer(payload: &[u8]) -> Option<Footer> {
    let (_, footer) = payload.split_at_checked(payload.len().checked_sub(FOOTER_BYTES)?)?;
    let (version, sum) = footer.split_first_chunk::<2>()?;
    let sum = sum.try_into().expect("eight bytes are left");
    Some(Footer { version: u16::from_le_bytes(*version), sum: u64::from_le_bytes(sum) })
}
