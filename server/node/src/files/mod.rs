//! Room: files. Files are written and read on threads of their own; shards hand them what to do and hear what came of it.
//! Touches: io's bell, log, manifest.
//!
//! A shard's turn never rests, and glommio looks after I/O only when its tasks rest or its preemption timer fires: file tasks
//! on a shard's own executor would disturb its clients, and be disturbed. So files have executors of their own, not pinned,
//! which do I/O and nothing else; but for the append log where each write is synced, which is a shard's own and one write at a
//! time: its ring does those, for the turn. What a shard wants of a file is an `Ask`, what came of it an `Event`; the engine that makes
//! the one and hears the other makes no system call, and the simulation has files of its own kind.
//!
//! A file that is written ends in one of two ways. `Create`, any `Write`s, `Finish`: `Finished` is heard when all of it is on
//! the device. Or `Abandon` at any moment before that: `Abandoned` is heard when nothing is left of it. Who hears `Failed`
//! abandons. A file that is read ends with `ReadAll` or `Failed`, or when it is abandoned.

mod direct;
pub mod folder;
mod queue;
mod segment;
mod stream;
mod worker;

use crate::backup::keeper::{self, Keeper};
use crate::io::bell::Bell;
use crate::log::Log;
use base::Out;
pub use direct::Io;
use direct::{Came, Direct};
use queue::Queue;
use segment::Job;
pub use segment::LogAsk;
use slab::Slab;
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};

/// A file as its shard names it; never used twice.
pub type FileId = u64;

/// Bytes of one write to the device: 512 KiB with 16 of them under way write at 0.85 of what the device can do.
pub const BLOCK_BYTES: usize = 512 * 1024;
/// Blocks of a file that are under way to the device.
pub const BLOCKS_BEHIND: usize = 16;
/// Bytes that a reader is ahead of whoever takes them.
pub const READ_AHEAD_BYTES: usize = 4 * 1024 * 1024;
/// Shards that share one thread: it copies some 5 GB/s, which is what four of them make at most.
const SHARDS_A_THREAD: usize = 4;

/// What a shard wants done.
#[derive(Debug)]
pub enum Ask {
    /// Begins a new file; one of that name is replaced.
    Create {
        id: FileId,
        path: PathBuf,
    },
    Write {
        id: FileId,
        out: Out,
    },
    /// No more comes: to the device with it.
    Finish {
        id: FileId,
    },
    /// Removes what there is of a file that is written; closes one that is read.
    Abandon {
        id: FileId,
    },
    /// Removes files that are finished; those that are not there are no failure. Answered as `Abandon` is.
    Remove {
        id: FileId,
        paths: Vec<PathBuf>,
    },
    /// Makes a set of finished files count: puts a small file of this text in place of `path`, atomically, when the folder
    /// knows all that is in it; then removes those that count no more. `Finished` when it is in place on the device.
    Seal {
        id: FileId,
        path: PathBuf,
        text: String,
        obsolete: Vec<PathBuf>,
    },
    Read {
        id: FileId,
        path: PathBuf,
    },
    /// So many bytes of what was read are done with.
    Taken {
        id: FileId,
        bytes: usize,
    },
    /// Of a segment of the append log.
    Log(LogAsk),
    /// For the keeper: no file is of this id.
    Keep {
        id: FileId,
        job: keeper::Job,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum Event {
    /// These bytes have left the shard's hands, not yet for the device. The buffer comes back for its memory.
    Written {
        id: FileId,
        bytes: usize,
        spent: Vec<u8>,
    },
    Finished {
        id: FileId,
        bytes: u64,
    },
    Abandoned {
        id: FileId,
    },
    Read {
        id: FileId,
        bytes: Vec<u8>,
    },
    ReadAll {
        id: FileId,
    },
    /// It is written, or on the device. The buffer comes back for its memory.
    Appended {
        id: FileId,
        spent: Vec<u8>,
        synced: bool,
    },
    /// All that was written of it is on the device.
    Synced {
        id: FileId,
    },
    /// It could not be written; what was to be is kept. `append`: by the `Append` that this answers.
    Unwritten {
        id: FileId,
        error: String,
        append: bool,
    },
    /// A sync failed: nobody knows what the device has.
    Lost {
        id: FileId,
        error: String,
    },
    /// With the path and the reason.
    Failed {
        id: FileId,
        error: String,
    },
    /// What the keeper has to say.
    Kept {
        id: FileId,
        came: keeper::Came,
    },
}

/// One shard's way to files.
pub struct Files {
    queue: Arc<Queue>,
    shard: usize,
    ears: Arc<Ears>,
    /// To the thread for the append log, once there is one.
    log: Option<Sender<Job>>,
    /// Segments that the shard's ring writes.
    direct: Slab<(FileId, Direct)>,
    /// A segment that is to go past the page cache, and what was asked of it since.
    turning: Option<(FileId, Vec<LogAsk>)>,
    /// What the ring is to do: it says by the slot what came of it (`done`).
    pub wants: Vec<(usize, Io)>,
    keeper: Arc<Keeper>,
}

/// What a shard hears.
enum Heard {
    Event(Event),
    /// A segment is made: the ring writes it.
    Direct(FileId, Box<Direct>),
    /// A segment cannot go past the page cache.
    Stays {
        id: FileId,
    },
    /// Zeros reach to here.
    Zeros {
        id: FileId,
        result: io::Result<u64>,
    },
}

impl From<Event> for Heard {
    fn from(event: Event) -> Heard {
        Heard::Event(event)
    }
}

/// Where a shard hears what came of its asks.
struct Ears {
    heard: Mutex<Vec<Heard>>,
    bell: Bell,
}

impl Ears {
    fn post(&self, what: impl Into<Heard>) {
        let mut heard = self.heard.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        heard.push(what.into());
        if heard.len() == 1 {
            self.bell.ring();
        }
    }
}

impl Files {
    /// For every shard. No thread begins before somebody asks for something.
    pub fn for_shards(shards: usize, log: &Log) -> io::Result<Vec<Files>> {
        let ears = (0..shards)
            .map(|_| Ok(Arc::new(Ears { heard: Mutex::default(), bell: Bell::new()? })))
            .collect::<io::Result<Vec<_>>>()?;
        let keeper = Keeper::new();
        let groups = ears.chunks(SHARDS_A_THREAD).enumerate();
        Ok(groups
            .flat_map(|(group, ears)| {
                let queue = Queue::new(group, ears.to_vec(), log.clone());
                let shards = ears.iter().cloned().enumerate().collect::<Vec<_>>();
                let keeper = keeper.clone();
                shards.into_iter().map(move |(shard, ears)| Files {
                    queue: queue.clone(),
                    shard,
                    ears,
                    log: None,
                    direct: Slab::new(),
                    turning: None,
                    wants: Vec::new(),
                    keeper: keeper.clone(),
                })
            })
            .collect())
    }

    /// Becomes readable when there are events.
    pub fn bell(&self) -> RawFd {
        self.ears.bell.fd()
    }

    pub fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Log(ask) => self.ask_log(ask),
            Ask::Keep { id, job } => {
                let ears = self.ears.clone();
                self.keeper.push(Arc::new(move |event: Event| ears.post(event)), id, job);
            }
            ask => self.queue.push(self.shard, ask),
        }
    }

    fn ask_log(&mut self, ask: LogAsk) {
        let id = match ask {
            LogAsk::Append { id, .. } | LogAsk::Ahead { id } | LogAsk::Sync { id } | LogAsk::End { id } => id,
            // Whether it was made by then, the thread knows.
            LogAsk::Begin { .. } | LogAsk::Drop { .. } => return self.send(Job::Ask(ask)),
        };
        if let Some((_, asks)) = self.turning.as_mut().filter(|(turning, _)| *turning == id) {
            return asks.push(ask);
        }
        match self.slot(id) {
            Some(slot) => {
                let events = self.with(slot, |direct, came| direct.ask(id, ask, came));
                events.into_iter().for_each(|event| self.ears.post(event));
            }
            None => {
                if let LogAsk::Ahead { id } = ask {
                    self.turning = Some((id, Vec::new()));
                }
                self.send(Job::Ask(ask));
            }
        }
    }

    /// Who has the segment is known: what was asked meanwhile goes there.
    fn turned(&mut self, id: FileId) {
        if let Some((_, asks)) = self.turning.take_if(|(turning, _)| *turning == id) {
            asks.into_iter().for_each(|ask| self.ask_log(ask));
        }
    }

    fn slot(&self, id: FileId) -> Option<usize> {
        self.direct.iter().find(|(_, of)| of.0 == id).map(|(slot, _)| slot)
    }

    /// Does something to a segment that the ring writes, and what comes of that; what is to be told.
    fn with(&mut self, slot: usize, work: impl FnOnce(&mut Direct, &mut Came)) -> Vec<Event> {
        let (id, direct) = &mut self.direct[slot];
        let (id, mut came) = (*id, Came::default());
        work(direct, &mut came);
        let ended = if came.ends { direct.take_segment() } else { None };
        self.wants.extend(came.io.map(|io| (slot, io)));
        if let Some(zeros) = came.zeros {
            self.send(zeros);
        }
        if let Some(segment) = ended {
            self.direct.remove(slot);
            self.send(Job::End { id, segment });
        }
        came.events
    }

    /// How what a slot wanted of the ring went: a count of bytes, 0 of a sync, or a negative errno.
    pub fn done(&mut self, slot: usize, result: i32) -> Vec<Event> {
        let id = self.direct[slot].0;
        self.with(slot, |direct, came| direct.done(id, result, came))
    }

    /// To the thread for the append log, which begins with the first.
    fn send(&mut self, job: Job) {
        let sender = self.log.get_or_insert_with(|| {
            let ((sender, jobs), ears) = (mpsc::channel(), self.ears.clone());
            // Without a thread nobody takes what is sent: below.
            let _ = std::thread::Builder::new().name("log".into()).spawn(move || segment::run(&jobs, &ears));
            sender
        });
        if let Err(mpsc::SendError(job)) = sender.send(job) {
            let error = "there is no thread for the append log".to_string();
            match job {
                Job::Ask(LogAsk::Begin { id, .. }) => self.ears.post(Event::Failed { id, error }),
                // It has ended with what it was to write.
                Job::Ask(
                    LogAsk::Append { id, .. } | LogAsk::Ahead { id } | LogAsk::Sync { id } | LogAsk::End { id },
                )
                | Job::End { id, .. } => {
                    self.ears.post(Event::Lost { id, error });
                }
                Job::Ask(LogAsk::Drop { id }) => self.ears.post(Event::Abandoned { id }),
                Job::Zeros { id, .. } => self.ears.post(Heard::Zeros { id, result: Err(io::Error::other(error)) }),
            }
        }
    }

    /// What has come since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        self.ears.bell.hush();
        let heard = {
            let mut heard = self.ears.heard.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            std::mem::take(&mut *heard)
        };
        let mut events = Vec::with_capacity(heard.len());
        for what in heard {
            match what {
                Heard::Event(event) => {
                    if let Event::Abandoned { id } = event
                        && let Some(slot) = self.slot(id)
                    {
                        self.direct.remove(slot);
                    }
                    events.push(event);
                }
                Heard::Direct(id, direct) => {
                    self.direct.insert((id, *direct));
                    self.turned(id);
                }
                Heard::Stays { id } => self.turned(id),
                Heard::Zeros { id, result } => {
                    // It may have ended meanwhile.
                    if let Some(slot) = self.slot(id) {
                        events.extend(self.with(slot, |direct, came| direct.zeroed(id, result, came)));
                    }
                }
            }
        }
        events
    }
}

#[cfg(test)]
mod tests;
