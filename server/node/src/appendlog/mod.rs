//! Room: the append log's format. What a shard did, as frames of records in segments; what of it counts after a crash. No
//! shard and no ring. Touches: engine's records, manifest's names.
//!
//! Each shard writes a **segment**: a head, then frames. A snapshot's point in time is where a segment of the snapshot's serial
//! begins on every shard, so that a start needs the last snapshot and the segments that are not older. Segments of one run of
//! the log (a start, or CONFIG SET appendonly yes) make one **stream** a shard: its records are numbered on from segment to
//! segment. Each segment begins with a record of nothing: one that has no record has lost its first, and nothing behind it
//! was ever sure.
//!
//! A **frame** is what was written together: records under one checksum. It says up to which record its stream was on the
//! device when it was made. So a frame that is no frame can be told apart: where nothing behind it claims that it was on the
//! device it is the torn end of a crash, and is cut off; else the file is damaged, and nothing is loaded.
//!
//! A transaction over several shards leaves a record on each. It counts only if all are there, and nothing counts that comes
//! behind one that does not: `cuts` finds the longest beginnings of all streams for which that is so. The same function says
//! at run time what may be acknowledged: what will be found after any crash.

pub mod cuts;
pub mod fold;
pub mod frame;
pub mod recover;
pub mod shared;
pub mod start;

use crate::engine::effects::Record;

/// `appendonly` of `appendonly.aof`.
pub fn stem_of(appendfilename: &str) -> String {
    appendfilename.strip_suffix(".aof").unwrap_or(appendfilename).to_string()
}

/// The name of a shard's segment.
pub fn segment_name(stem: &str, serial: u64, shard: usize) -> String {
    format!("{stem}-{serial:010}-{shard}.log")
}

/// Whether `name` is a segment's, of whatever stem.
pub fn is_segment_name(name: &str) -> bool {
    let mut parts = name.rsplitn(3, '-');
    let (_, _, stem) = (parts.next(), parts.next(), parts.next());
    stem.is_some_and(|stem| parse_segment_name(stem, name).is_some())
}

/// Serial and shard, if `name` is one that `segment_name` gives.
pub fn parse_segment_name(stem: &str, name: &str) -> Option<(u64, usize)> {
    let (serial, shard) = name.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(".log")?.split_once('-')?;
    let parsed = (serial.parse().ok()?, shard.parse().ok()?);
    (segment_name(stem, parsed.0, parsed.1) == name).then_some(parsed)
}

/// A record as it stands in a frame.
pub type Recorded<'a> = (Record, &'a [u8]);
