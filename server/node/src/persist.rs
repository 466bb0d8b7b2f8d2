//! Room: process. What all shards know of snapshots: whether one runs, how the last ones went, what loads at the start.
//! Nothing of it is on the way of an ask but one load of `gate` a turn. Touches: files' folder.

use crate::appendlog::shared::Book;
use crate::ask::Origin;
use crate::files::folder::{Kept, Lock};
use base::{Fault, ShardId};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Asks are turned away for what these bits say.
pub struct Gate;

impl Gate {
    /// Data is loaded: only rows that say so go on.
    pub const LOADING: u8 = 1;
    /// The last snapshot failed: nothing is changed before one succeeds.
    pub const MISCONF: u8 = 2;
    /// The append log cannot be written: nothing is changed before it can.
    pub const LOG: u8 = 4;
}

/// Redis's words, for clients match on them.
pub const MISCONF: Fault = Fault::Text(std::borrow::Cow::Borrowed(
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify \
     the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails \
     (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
));

/// What ends the process, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Leave {
    pub save: bool,
    pub nosave: bool,
    /// Even if the snapshot fails.
    pub force: bool,
}

/// Who waits for an answer, and in which place of its connection's order.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    pub home: ShardId,
    pub origin: Origin,
    pub silent: bool,
}

/// How snapshots went.
#[derive(Debug)]
pub struct Saves {
    /// When the one that runs began, Unix ms.
    pub running_since_ms: Option<u64>,
    /// Who sees to it.
    pub coordinator: ShardId,
    /// BGSAVE SCHEDULE: begins when it can.
    pub scheduled: bool,
    /// The last that succeeded, or the start, Unix s.
    pub last_s: u64,
    /// The last that was tried, Unix s.
    pub tried_s: u64,
    /// Why the last failed; None: it did not.
    pub failed: Option<String>,
    /// The last one took; -1: there was none.
    pub took_s: i64,
    pub count: u64,
    /// Bytes of the last one that succeeded.
    pub bytes: u64,
    /// Changes of all shards at the point in time of the last one, and of the one that runs.
    pub changes: u64,
    pub changes_running: u64,
    pub kept: Option<Kept>,
    /// Held on the folder that snapshots are written to.
    pub lock: Option<Lock>,
    /// The process ends with the one that runs.
    pub last_one: bool,
    /// What is to be done when the one that runs has ended.
    pub then: Option<(Leave, Option<Asker>)>,
}

/// How loading goes.
#[derive(Clone, Default, Debug)]
pub struct Loads {
    pub began_s: u64,
    pub total_bytes: u64,
    /// Keys that the last load found due, and those that it kept.
    pub expired: u64,
    pub loaded: u64,
    /// Records of the append log.
    pub replayed: u64,
    /// Shards that still read, and shards that know that all is loaded.
    pub missing: usize,
    pub ended: usize,
    /// Libraries of functions that a file had: kept for the next.
    pub functions: Vec<Vec<u8>>,
    /// Memory that the one who wrote the files used.
    pub used_memory: u64,
}

pub struct Persist {
    gate: AtomicU8,
    pub log: Book,
    saves: Mutex<Saves>,
    loads: Mutex<Loads>,
    /// Of the snapshot that runs.
    pub keys_done: AtomicU64,
    pub keys_total: AtomicU64,
    pub bytes_done: AtomicU64,
    /// Shards that still write.
    pub writers: AtomicU32,
    /// Of what is loaded.
    pub loaded_bytes: AtomicU64,
    /// By shard, as of its last report.
    changes: Vec<AtomicU64>,
    /// What SIGTERM or SIGINT asked for and no shard has taken up: bits of `Leave`, 0: nothing.
    asked_to_leave: AtomicU8,
    /// Why the process must end with an error.
    fatal: Mutex<Option<String>>,
}

const LEAVE: u8 = 1;
const LEAVE_SAVE: u8 = 2;
const LEAVE_NOSAVE: u8 = 4;
const LEAVE_FORCE: u8 = 8;

impl Persist {
    pub fn new(shards: usize, started_s: u64) -> Persist {
        let saves = Saves {
            running_since_ms: None,
            coordinator: ShardId(0),
            scheduled: false,
            last_s: started_s,
            tried_s: 0,
            failed: None,
            took_s: -1,
            count: 0,
            bytes: 0,
            changes: 0,
            changes_running: 0,
            kept: None,
            lock: None,
            last_one: false,
            then: None,
        };
        Persist {
            gate: AtomicU8::new(0),
            log: Book::new(shards),
            saves: Mutex::new(saves),
            loads: Mutex::default(),
            keys_done: AtomicU64::new(0),
            keys_total: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
            writers: AtomicU32::new(0),
            loaded_bytes: AtomicU64::new(0),
            changes: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            asked_to_leave: AtomicU8::new(0),
            fatal: Mutex::default(),
        }
    }

    #[inline]
    pub fn gate(&self) -> u8 {
        self.gate.load(Ordering::Relaxed)
    }

    pub fn set_gate(&self, bit: u8, on: bool) {
        if on {
            self.gate.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.gate.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    pub fn is_loading(&self) -> bool {
        self.gate() & Gate::LOADING != 0
    }

    pub fn saves(&self) -> MutexGuard<'_, Saves> {
        self.saves.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn loads(&self) -> MutexGuard<'_, Loads> {
        self.loads.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A load of so many bytes is about to begin on every shard.
    pub fn plan_load(&self, shards: usize, total_bytes: u64, now_s: u64) {
        let mut loads = self.loads();
        let functions = std::mem::take(&mut loads.functions);
        *loads = Loads { began_s: now_s, total_bytes, missing: shards, functions, ..Loads::default() };
        self.loaded_bytes.store(0, Ordering::Relaxed);
    }

    /// A shard says how many changes it has seen.
    pub fn report_changes(&self, shard: ShardId, changes: u64) {
        self.changes[shard.index()].store(changes, Ordering::Relaxed);
    }

    /// Of all shards.
    pub fn changes(&self) -> u64 {
        self.changes.iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }

    /// A signal came: a shard sees to it.
    pub fn ask_to_leave(&self, leave: Leave) {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let bits = bit(leave.save, LEAVE_SAVE) | bit(leave.nosave, LEAVE_NOSAVE) | bit(leave.force, LEAVE_FORCE);
        self.asked_to_leave.store(LEAVE | bits, Ordering::Release);
    }

    /// Once for each time that it was asked for.
    #[inline]
    pub fn take_leave(&self) -> Option<Leave> {
        if self.asked_to_leave.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let bits = self.asked_to_leave.swap(0, Ordering::AcqRel);
        let has = |bit: u8| bits & bit != 0;
        has(LEAVE).then(|| Leave { save: has(LEAVE_SAVE), nosave: has(LEAVE_NOSAVE), force: has(LEAVE_FORCE) })
    }

    /// The process ends with this error.
    pub fn fail(&self, error: String) {
        let mut fatal = self.fatal.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        fatal.get_or_insert(error);
    }

    pub fn failed(&self) -> Option<String> {
        self.fatal.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}
