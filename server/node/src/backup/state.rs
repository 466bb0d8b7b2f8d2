//! Room: backup. What all shards know of backups: what is asked for, what runs, how the last ones went. Touches: cron, persist.

use super::cron::Schedule;
use crate::persist::Asker;
use base::ShardId;
use std::sync::{Mutex, MutexGuard};

/// Clients that may have a dump at the same time, each with a thread that merges.
pub const DUMPS_MAX: usize = 16;

/// A connection that wants a dump.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DumpAsked {
    pub home: ShardId,
    pub conn: u32,
    pub generation: u32,
}

/// A backup that is asked for and has not begun.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where to; None: to `backup-dir`.
    pub to: Option<String>,
    /// None: the schedule did.
    pub asker: Option<Asker>,
}

/// What is being done for the one that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Preparing,
    /// A snapshot that runs already has to end first.
    Waiting,
    Writing,
    /// To S3; what is not kept any more goes.
    Sending,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Preparing => "preparing",
            Phase::Waiting => "waiting",
            Phase::Writing => "writing",
            Phase::Sending => "sending",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Running {
    pub id: String,
    pub place: String,
    pub since_ms: u64,
    pub phase: Phase,
}

/// One that was made.
#[derive(Clone, Debug)]
pub struct Last {
    pub id: String,
    pub place: String,
    /// Its point in time, Unix s.
    pub time_s: u64,
    pub took_ms: u64,
    pub keys: u64,
    pub bytes: u64,
}

#[derive(Default, Debug)]
pub struct State {
    pub dumps: Vec<DumpAsked>,
    /// Connections that get one, or wait for one.
    pub dumps_open: usize,
    pub asked: Option<Asked>,
    pub running: Option<Running>,
    pub last: Option<Last>,
    /// Why the last one failed; None: it did not.
    pub failed: Option<String>,
    pub made: u64,
    pub failures: u64,
    /// What retention has removed.
    pub removed: u64,
    /// The text that `schedule` was read from.
    schedule_text: String,
    schedule: Option<Schedule>,
    /// Unix s.
    pub due_s: Option<u64>,
}

#[derive(Default)]
pub struct Backups(Mutex<State>);

impl Backups {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    /// Whether the schedule says now; what was missed (the clock has leapt, a backup took that long) is made up for once.
    pub fn is_due(&mut self, schedule: &str, now_s: u64) -> bool {
        if schedule != self.schedule_text {
            self.schedule_text = schedule.into();
            // The settings take nothing that is none.
            self.schedule = Schedule::parse(schedule).ok().flatten();
            self.due_s = self.schedule.as_ref().and_then(|schedule| schedule.next_after(now_s));
        }
        let due = self.due_s.is_some_and(|due_s| due_s <= now_s);
        if due {
            self.due_s = self.schedule.as_ref().and_then(|schedule| schedule.next_after(now_s));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_due_once_for_each_time() {
        let mut state = State::default();
        let due: Vec<u64> = (0..600u64).filter(|&s| state.is_due("*/2 * * * *", s)).collect();
        assert_eq!(due, [120, 240, 360, 480]);
        // Another one begins to count now, and none is never due.
        assert!(!state.is_due("@hourly", 4000));
        assert_eq!(state.due_s, Some(7200));
        assert!(!state.is_due("", 8000));
        assert_eq!(state.due_s, None);
        // The clock leaps: once.
        assert!(!state.is_due("@hourly", 8000));
        assert!(state.is_due("@hourly", 80_000) && !state.is_due("@hourly", 80_001));
    }
}
