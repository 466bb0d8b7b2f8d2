//! What a handler may touch.

use crate::row::Job;
use base::DbId;
use store::Store;

/// Handed to every handler that works on data. Nothing else is reachable from one.
pub struct Ctx<'a> {
    pub store: &'a mut Store,
    pub db: DbId,
    /// Unix time, ms: the same for all of one turn.
    pub now_ms: u64,
    /// CLIENT NO-TOUCH is on: reads leave ages as they are.
    pub no_touch: bool,
    pub limits: &'a Limits,
    /// Counters that memcached's `stats` shows and only handlers can know.
    pub tally: &'a mut Tally,
    /// `None` when a handler is called. One that leaves a job here has not replied: the job will.
    pub job: Option<Box<dyn Job>>,
}

/// Settings that handlers read.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`
    pub value_bytes_max: usize,
    /// `item-size-max`, memcached's `-I`
    pub item_bytes_max: usize,
    /// `maxmemory-policy` is one of the LFU ones.
    pub lfu: bool,
    /// Numbered databases: what MOVE and COPY may name.
    pub databases: u16,
}

/// memcached's counters of one shard, since the start or `stats reset`.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    pub cmd_get: u64,
    pub cmd_set: u64,
    pub cmd_flush: u64,
    pub cmd_touch: u64,
    pub cmd_meta: u64,
    pub get_hits: u64,
    pub get_misses: u64,
    pub get_expired: u64,
    pub delete_misses: u64,
    pub delete_hits: u64,
    pub incr_misses: u64,
    pub incr_hits: u64,
    pub decr_misses: u64,
    pub decr_hits: u64,
    pub cas_misses: u64,
    pub cas_hits: u64,
    pub cas_badval: u64,
    pub touch_hits: u64,
    pub touch_misses: u64,
    pub store_too_large: u64,
    pub store_no_memory: u64,
}
