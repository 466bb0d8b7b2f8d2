//! Room: backup. The keeper: a thread that begins with the first job, for what takes its time and is nobody's turn: folders, S3,
//! files merged for a client. It runs where the process may run, not only on the core of the shard that asked first, and steps back
//! where both want the same core. Touches: depot, merge, source, s3, host (affinity), files (events), log.

use super::depot::{self, Begun, Listed, Rate};
use super::merge::{self, merge};
use super::place::{Place, Retention};
use super::s3::Access;
use super::source::Source;
use crate::files::{Event, FileId};
use crate::host::Affinity;
use crate::process::{random_id, unix_s};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use store::rdb::RECODE_VERSION_MIN;
use store::rdb::file::VERSION_TIMED;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Threads that wait for disks and clients; beyond that jobs wait for one another.
const WAITING_THREADS_MAX: usize = 2 * super::state::DUMPS_MAX;
/// Bytes of a dump that its client has not taken.
const AHEAD_BYTES_MAX: usize = 4 << 20;

/// What the keeper is to do.
pub enum Job {
    /// Makes this folder, for a snapshot that is only passed on. `Begun`.
    Stage {
        folder: PathBuf,
    },
    /// The same for a backup.
    Begin {
        place: Place,
        access: Access,
        id: String,
        dir: PathBuf,
    },
    /// The backup's files are whole. `Finished`.
    Finish {
        place: Place,
        access: Access,
        id: String,
        begun: Begun,
        retention: Retention,
        rate: Arc<dyn Rate>,
    },
    /// Nothing shall be left of it. Nothing is heard of this.
    Discard {
        begun: Begun,
    },
    List {
        place: Place,
        access: Access,
    },
    Delete {
        place: Place,
        access: Access,
        id: String,
    },
    /// A dump of these files. `Piece`s, then `Whole`.
    Merge {
        staged: Arc<Staged>,
        tap: Arc<Tap>,
        what: Dump,
    },
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

/// How a client wants its dump.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Dump {
    /// It ends with a mark that is told at its begin; else its length is told.
    pub marked: bool,
    pub without_data: bool,
    pub without_functions: bool,
}

/// What came of a job.
#[derive(Debug)]
pub enum Came {
    Begun(Result<Begun, String>),
    Finished(Result<Pruned, String>),
    Listed(Result<Vec<Listed>, String>),
    Deleted(Result<bool, String>),
    Piece(Vec<u8>),
    Whole(Result<(), String>),
}

/// What retention has removed, and why it could not go on.
#[derive(Debug, Default)]
pub struct Pruned {
    pub ids: Vec<String>,
    pub failed: Option<String>,
}

/// Files of a snapshot that goes with whoever wants them last: in the keeper's hands, for it removes them.
#[derive(Debug)]
pub struct Staged {
    pub files: Vec<PathBuf>,
    pub begun: Begun,
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What cannot be removed now is at the next start.
        let _ = std::fs::remove_dir_all(&self.begun.folder);
    }
}

/// What is between a dump and its client: how far the one is ahead.
#[derive(Default, Debug)]
pub struct Tap {
    inside: Mutex<Inside>,
    turned: Condvar,
}

#[derive(Default, Debug)]
struct Inside {
    ahead: usize,
    begun: bool,
    gone: bool,
}

impl Tap {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits until there is room for more; false: nobody wants it any more.
    fn wait(&self, bytes: usize) -> bool {
        let mut inside = self.lock();
        while inside.ahead > AHEAD_BYTES_MAX && !inside.gone {
            inside = self.turned.wait(inside).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        inside.ahead += bytes;
        inside.begun = true;
        !inside.gone
    }

    /// The client has taken so many bytes.
    pub fn take(&self, bytes: usize) {
        self.lock().ahead -= bytes;
        self.turned.notify_one();
    }

    /// Whether anything was sent.
    pub fn has_begun(&self) -> bool {
        self.lock().begun
    }

    /// The client is gone.
    pub fn leave(&self) {
        self.lock().gone = true;
        self.turned.notify_one();
    }
}

/// Tells a shard.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

struct Work {
    tell: Tell,
    id: FileId,
    job: Job,
}

/// The way to the keeper.
pub struct Keeper {
    home: Affinity,
    sender: Mutex<Option<UnboundedSender<Work>>>,
}

impl Keeper {
    /// Called where the process may still run anywhere. No thread begins before somebody asks for something.
    pub fn new() -> Arc<Keeper> {
        Arc::new(Keeper { home: Affinity::of_this_thread(), sender: Mutex::default() })
    }

    /// What comes of it is told as `Event::Kept` with this id.
    pub fn push(&self, tell: Tell, id: FileId, job: Job) {
        let mut sender = self.sender.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if sender.is_none() {
            let (new, receiver) = unbounded_channel();
            let home = self.home.clone();
            let started = std::thread::Builder::new().name("keeper".into()).spawn(move || run(&home, receiver));
            match started {
                Ok(_) => *sender = Some(new),
                Err(e) => {
                    drop(sender);
                    return refuse(&tell, id, job, &format!("Could not start a thread for backups: {e}"));
                }
            }
        }
        let sent = sender.as_ref().expect("set above").send(Work { tell, id, job });
        if let Err(unsent) = sent {
            drop(sender);
            let Work { tell, id, job } = unsent.0;
            refuse(&tell, id, job, "The thread for backups has ended");
        }
    }
}

fn refuse(tell: &Tell, id: FileId, job: Job, why: &str) {
    let why = why.to_string();
    let came = match job {
        Job::Stage { .. } | Job::Begin { .. } => Came::Begun(Err(why)),
        Job::Finish { .. } => Came::Finished(Err(why)),
        Job::List { .. } => Came::Listed(Err(why)),
        Job::Delete { .. } => Came::Deleted(Err(why)),
        Job::Merge { .. } => Came::Whole(Err(why)),
        Job::Discard { .. } => return,
    };
    tell(Event::Kept { id, came });
}

fn run(home: &Affinity, mut receiver: UnboundedReceiver<Work>) {
    home.apply();
    crate::host::step_back();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(WAITING_THREADS_MAX)
        .thread_name("keeper-waits")
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => {
            while let Some(Work { tell, id, job }) = receiver.blocking_recv() {
                refuse(&tell, id, job, &format!("Could not start a runtime for backups: {e}"));
            }
            return;
        }
    };
    runtime.block_on(async {
        while let Some(work) = receiver.recv().await {
            tokio::spawn(serve(work));
        }
    });
}

async fn serve(Work { tell, id, job }: Work) {
    let came = match job {
        Job::Stage { folder } => Came::Begun(depot::begin_folder(folder)),
        Job::Begin { place, access, id: backup, dir } => {
            Came::Begun(depot::begin(&place, &access, &backup, &dir).await)
        }
        Job::Finish { place, access, id: backup, begun, retention, rate } => {
            let finished = depot::finish(&place, &access, &backup, begun, &*rate).await;
            let pruned = match finished {
                Ok(()) => Ok(depot::prune(&place, &access, retention, unix_s() * 1000).await),
                Err(e) => Err(e),
            };
            // The backup is made, whatever becomes of those before it.
            Came::Finished(pruned.map(|pruned| match pruned {
                Ok(ids) => Pruned { ids, failed: None },
                Err(e) => Pruned { ids: Vec::new(), failed: Some(e) },
            }))
        }
        Job::Discard { begun } => {
            // What cannot be removed counts for nothing: no manifest is in it.
            let _ = std::fs::remove_dir_all(&begun.folder);
            return;
        }
        Job::List { place, access } => Came::Listed(depot::list(&place, &access).await),
        Job::Delete { place, access, id: backup } => Came::Deleted(depot::delete(&place, &access, &backup).await),
        Job::Merge { staged, tap, what } => {
            let teller = tell.clone();
            let merged = tokio::task::spawn_blocking(move || pour(&staged, &tap, what, &teller, id)).await;
            Came::Whole(merged.unwrap_or_else(|e| Err(e.to_string())))
        }
    };
    tell(Event::Kept { id, came });
}

/// A dump to a client, as fast as it takes it.
fn pour(staged: &Staged, tap: &Tap, what: Dump, tell: &Tell, id: FileId) -> Result<(), String> {
    let source = Source::of_paths(staged.files.clone());
    let options = merge::Options {
        rdb_version: version_for(&source)?,
        drop_field_deadlines: false,
        skip_modules: false,
        checksum: true,
        now_ms: unix_s() * 1000,
        without_data: what.without_data,
        without_functions: what.without_functions,
    };
    let mut send = |bytes: &[u8]| {
        if !tap.wait(bytes.len()) {
            return Err("the client is gone".into());
        }
        tell(Event::Kept { id, came: Came::Piece(bytes.to_vec()) });
        Ok(())
    };
    if what.marked {
        let mark = random_id();
        send(format!("$EOF:{mark}\r\n").as_bytes())?;
        merge(&source, &options, &mut send)?;
        send(mark.as_bytes())
    } else {
        // Its length comes first. Everything is made twice rather than kept.
        let mut length = 0;
        let mut count = |bytes: &[u8]| {
            length += bytes.len();
            if tap.lock().gone { Err("the client is gone".into()) } else { Ok(()) }
        };
        merge(&source, &options, &mut count)?;
        send(format!("${length}\r\n").as_bytes())?;
        merge(&source, &options, &mut send).map(drop)
    }
}

/// What Redis 7.0 reads, or, where fields of hashes have deadlines, 7.4.
fn version_for(source: &Source) -> Result<u16, String> {
    for i in 0..source.files.len() {
        if source.version(i)? >= VERSION_TIMED {
            return Ok(VERSION_TIMED);
        }
    }
    Ok(RECODE_VERSION_MIN)
}
