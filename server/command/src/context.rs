//! What a handler may touch.

use crate::memcache::prefix::Prefixes;
use crate::row::{Job, Walk};
use base::DbId;
use store::{Kind, Store};

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
    /// What happened to keys, for whoever listens.
    pub events: &'a mut Events,
    /// `None` when a handler is called. One that leaves a job here has not replied: the job will.
    pub job: Option<Box<dyn Job>>,
    /// `None` when a handler is called. One that leaves a walk here goes on with it.
    pub walk: Option<Box<dyn Walk>>,
}

impl Ctx<'_> {
    /// Says that something happened to `key` of the selected database: `class` is one of `Class`, `event` as Redis names it. To
    /// be called after the change, where Redis calls `notifyKeyspaceEvent`.
    #[inline]
    pub fn notify(&mut self, class: u32, event: &'static str, key: &[u8]) {
        self.notify_in(self.db, class, event, key);
    }

    /// The same of another database.
    #[inline]
    pub fn notify_in(&mut self, db: DbId, class: u32, event: &'static str, key: &[u8]) {
        self.events.add(db, class, event, key);
    }

    /// Says that `key` of the selected database may have something for those who wait for a value of `kind`.
    #[inline]
    pub fn ready(&mut self, kind: Kind, key: &[u8]) {
        self.ready_in(self.db, kind, key);
    }

    /// The same of another database.
    #[inline]
    pub fn ready_in(&mut self, db: DbId, kind: Kind, key: &[u8]) {
        if self.events.awaited {
            self.events.ready.push((db, kind, key.into()));
        }
    }
}

/// Classes of keyspace events: the letters of `notify-keyspace-events`, in the order in which CONFIG GET shows them.
pub struct Class;

impl Class {
    /// `g`
    pub const GENERIC: u32 = 1 << 0;
    /// `$`
    pub const STRING: u32 = 1 << 1;
    /// `l`
    pub const LIST: u32 = 1 << 2;
    /// `s`
    pub const SET: u32 = 1 << 3;
    /// `h`
    pub const HASH: u32 = 1 << 4;
    /// `z`
    pub const ZSET: u32 = 1 << 5;
    /// `x`
    pub const EXPIRED: u32 = 1 << 6;
    /// `e`
    pub const EVICTED: u32 = 1 << 7;
    /// `t`
    pub const STREAM: u32 = 1 << 8;
    /// `n`: not among `A`
    pub const NEW: u32 = 1 << 10;
    /// `K`: tell of keys on `__keyspace@db__:key`
    pub const KEYSPACE: u32 = 1 << 11;
    /// `E`: tell of events on `__keyevent@db__:event`
    pub const KEYEVENT: u32 = 1 << 12;
    /// `m`: not among `A`
    pub const MISS: u32 = 1 << 13;
}

/// Something that happened to a key.
pub struct Event {
    pub db: DbId,
    /// One of `Class`.
    pub class: u32,
    pub event: &'static str,
    pub key: Box<[u8]>,
}

/// What handlers tell of keys. The engine empties it after each command.
#[derive(Default)]
pub struct Events {
    /// Classes that somebody listens to.
    pub wanted: u32,
    /// Somebody waits who is to learn if its key goes: then everything is told.
    pub minded: bool,
    pub happened: Vec<Event>,
    /// Somebody waits for some key of this shard.
    pub awaited: bool,
    pub ready: Vec<(DbId, Kind, Box<[u8]>)>,
}

impl Events {
    /// Something happened to `key`, if somebody listens to such things.
    #[inline]
    pub fn add(&mut self, db: DbId, class: u32, event: &'static str, key: &[u8]) {
        if self.wanted & class != 0 || self.minded {
            self.happened.push(Event { db, class, event, key: key.into() });
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.happened.is_empty() && self.ready.is_empty()
    }
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
    /// Of this process: with one, every key lies here.
    pub shards: usize,
}

/// memcached's counters of one shard, since the start or `stats reset`.
#[derive(Default, Debug)]
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
    /// `stats detail`
    pub prefixes: Prefixes,
}

impl Tally {
    /// The counters, without what is counted by prefix.
    pub fn counters(&self) -> Tally {
        Tally { prefixes: Prefixes::default(), ..*self }
    }

    /// Begins anew; what is counted stays what it is.
    pub fn reset(&mut self) {
        let mut prefixes = std::mem::take(&mut self.prefixes);
        prefixes.clear();
        *self = Tally { prefixes, ..Tally::default() };
    }
}
