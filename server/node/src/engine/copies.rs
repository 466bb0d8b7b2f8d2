//! Copies that leave the data folder: backups and dumps for clients (SYNC). Each is taken from a snapshot of its own, one point in
//! time, in a folder of its own, so it neither waits for a slow receiver nor touches the snapshots that the data folder keeps.
//! The first shard sees to all of it, one at a time up to the end of the snapshot; what takes its time after that (sending,
//! merging) is the keeper's.

use super::Engine;
use super::snapshot::Why;
use crate::ask::Origin;
use crate::backup::depot::{self, Begun, Rate};
use crate::backup::keeper::{Came, Dump, Job, Pruned, Staged, Tap};
use crate::backup::place::{self, Place, Retention};
use crate::backup::s3::Access;
use crate::backup::state::{Asked, DUMPS_MAX, DumpAsked, Last, Phase, Running, State};
use crate::files::{Ask, FileId};
use crate::manifest;
use crate::persist::Asker;
use crate::process::Process;
use base::Fault;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

/// While a client waits for its dump it hears an empty line this often, as from Redis: proxies hang up on who is silent.
const ALIVE_US: u64 = 1_000_000;
/// A client that takes nothing of its dump for so long is given up (Redis: `repl-timeout`).
const PATIENCE_US: u64 = 60_000_000;

/// What one shard has to do with copies.
#[derive(Default)]
pub(super) struct Copies {
    /// Dumps of this shard's connections.
    dumps: Vec<Dumping>,
    /// Who asked the keeper something.
    askers: HashMap<FileId, Asker>,
    // On the first shard.
    current: Option<Box<Current>>,
    sending: Option<Box<Sending>>,
    dumps_made: u64,
}

/// A connection that gets a dump, or waits for one.
struct Dumping {
    origin: Origin,
    what: Dump,
    /// The keeper's job, once it has begun.
    flow: Option<(FileId, Arc<Tap>)>,
    /// Bytes in the connection's output that the keeper was not told of.
    held: usize,
    /// When it was told something, or took something, last.
    alive_us: u64,
}

/// The copy that a snapshot is made for.
struct Current {
    job: FileId,
    whose: Whose,
    begun: Option<Begun>,
    /// Its snapshot runs.
    runs: bool,
}

enum Whose {
    Dumps(Vec<DumpAsked>),
    Backup(Backup),
}

struct Backup {
    id: String,
    place: Place,
    access: Access,
    asker: Option<Asker>,
    began_ms: u64,
}

struct Sending {
    job: FileId,
    backup: Backup,
    keys: u64,
    bytes: u64,
    time_ms: u64,
}

/// `snapshot-rate-limit` as it stands at each moment.
struct Limit(Arc<Process>);

impl Rate for Limit {
    fn bytes_a_second(&self) -> u64 {
        self.0.config().snapshot_rate_limit
    }
}

/// How the settings say that S3 is spoken to.
pub fn access_of(process: &Process) -> Access {
    let config = process.config();
    let said = |text: &String| (!text.is_empty()).then(|| text.clone());
    Access {
        endpoint: said(&config.backup_s3_endpoint),
        region: said(&config.backup_s3_region),
        access_key: said(&config.backup_s3_access_key),
        secret_key: said(&config.backup_s3_secret_key),
    }
}

impl Engine {
    fn backups(&self) -> MutexGuard<'_, State> {
        self.process.backups.state()
    }

    fn keep(&mut self, job: Job) -> FileId {
        let id = self.next_file_id();
        self.file_asks.push(Ask::Keep { id, job });
        self.active = true;
        id
    }

    /// Asks the keeper for something that is answered to a client.
    pub fn keep_for(&mut self, asker: Asker, job: Job) {
        let id = self.keep(job);
        self.copies.askers.insert(id, asker);
    }

    /// BACKUP NOW: one at a time.
    pub fn ask_for_backup(&mut self, asked: Asked) -> Result<(), Fault> {
        let mut state = self.backups();
        if state.asked.is_some() || state.running.is_some() {
            return Err(Fault::err("A backup is in progress already"));
        }
        state.asked = Some(asked);
        Ok(())
    }

    /// SYNC: this connection, whose next reply it is, gets a dump.
    pub fn ask_for_dump(&mut self, origin: Origin, what: Dump) -> Result<(), Fault> {
        let mut state = self.backups();
        if state.dumps_open >= DUMPS_MAX {
            return Err(Fault::err("too many dumps are in progress"));
        }
        state.dumps_open += 1;
        state.dumps.push(DumpAsked { home: self.me, conn: origin.conn, generation: origin.generation });
        drop(state);
        let alive_us = self.now.up_us;
        self.copies.dumps.push(Dumping { origin, what, flow: None, held: 0, alive_us });
        Ok(())
    }

    // By itself.

    /// Every 100 ms.
    pub(super) fn copies_due(&mut self) {
        if !self.copies.dumps.is_empty() {
            self.look_after_dumps();
        }
        // One shard sees to it for all.
        if self.me.0 != 0 || self.process.persist.is_loading() {
            return;
        }
        let now_s = self.now.unix_us / 1_000_000;
        let (schedule, has_place) = {
            let config = self.process.config();
            (config.backup_schedule.clone(), !config.backup_dir.is_empty())
        };
        {
            let mut state = self.backups();
            // A backup that takes longer than to the next: that one is left out.
            if state.is_due(&schedule, now_s) && has_place && state.running.is_none() && state.asked.is_none() {
                state.asked = Some(Asked { to: None, asker: None });
            }
        }
        if self.copies.current.is_none() {
            self.begin_copy();
        }
        self.go_on_with_copy();
    }

    fn begin_copy(&mut self) {
        let dumps = std::mem::take(&mut self.backups().dumps);
        if !dumps.is_empty() {
            self.copies.dumps_made += 1;
            let name = depot::staging_name(&format!("dump-{}-{}", self.now.ms(), self.copies.dumps_made));
            let folder = PathBuf::from(&self.process.config().dir).join(name);
            let job = self.keep(Job::Stage { folder });
            self.copies.current = Some(Box::new(Current { job, whose: Whose::Dumps(dumps), begun: None, runs: false }));
            return;
        }
        if self.copies.sending.is_some() {
            return;
        }
        let Some(Asked { to, asker }) = self.backups().asked.take() else { return };
        let (text, dir) = {
            let config = self.process.config();
            (to.unwrap_or_else(|| config.backup_dir.clone()), PathBuf::from(&config.dir))
        };
        let began_ms = self.now.ms();
        let place = match Place::parse(&text) {
            Ok(place) => place,
            Err(reason) => return self.backup_failed(asker, &reason),
        };
        let backup = Backup { id: place::id_of(began_ms), access: access_of(&self.process), place, asker, began_ms };
        let Backup { id, place, access, .. } = &backup;
        self.process.log.notice(format_args!("Backup {id} to {place} started"));
        self.backups().running =
            Some(Running { id: id.clone(), place: text, since_ms: began_ms, phase: Phase::Preparing });
        let begin = Job::Begin { place: place.clone(), access: access.clone(), id: id.clone(), dir };
        let job = self.keep(begin);
        self.copies.current = Some(Box::new(Current { job, whose: Whose::Backup(backup), begun: None, runs: false }));
    }

    fn set_phase(&mut self, phase: Phase) {
        if let Some(running) = &mut self.backups().running {
            running.phase = phase;
        }
    }

    /// Its folder is there: the snapshot begins as soon as no other runs.
    fn go_on_with_copy(&mut self) {
        let Some(current) = &self.copies.current else { return };
        let Some(folder) = current.begun.as_ref().map(|begun| begun.folder.clone()).filter(|_| !current.runs) else {
            return;
        };
        let is_backup = matches!(current.whose, Whose::Backup(_));
        let begun = self.begin_snapshot(Why::Copied(folder)).is_ok();
        if let Some(current) = &mut self.copies.current {
            current.runs = begun;
        }
        if is_backup {
            self.set_phase(if begun { Phase::Writing } else { Phase::Waiting });
        }
    }

    // Of the snapshot, on the first shard.

    /// The snapshot for the current copy is whole.
    pub(super) fn copy_made(&mut self, files: Vec<manifest::File>, time_ms: u64) {
        let Some(current) = self.copies.current.take() else { return };
        let Current { whose, begun: Some(begun), .. } = *current else { return };
        match whose {
            Whose::Dumps(dumps) => {
                let files = files.iter().map(|file| begun.folder.join(&file.name)).collect();
                let staged = Arc::new(Staged { files, begun });
                for asked in dumps {
                    let staged = staged.clone();
                    self.on_shard(asked.home, move |engine| engine.begin_dump(asked, staged.clone()));
                }
            }
            Whose::Backup(backup) => {
                let (keys, bytes) = files.iter().fold((0, 0), |(k, b), file| (k + file.keys, b + file.bytes));
                self.set_phase(Phase::Sending);
                // What may be kept is said of the place of the settings; nothing elsewhere is removed.
                let retention = {
                    let config = self.process.config();
                    let same = Place::parse(&config.backup_dir).is_ok_and(|place| place == backup.place);
                    Retention::parse(&config.backup_retention).ok().filter(|_| same).unwrap_or_default()
                };
                let Backup { id, place, access, .. } = &backup;
                let finish = Job::Finish {
                    place: place.clone(),
                    access: access.clone(),
                    id: id.clone(),
                    begun,
                    retention,
                    rate: Arc::new(Limit(self.process.clone())),
                };
                let job = self.keep(finish);
                self.copies.sending = Some(Box::new(Sending { job, backup, keys, bytes, time_ms }));
            }
        }
    }

    /// There will be no snapshot for the current copy.
    pub(super) fn copy_failed(&mut self, reason: &str) {
        let Some(current) = self.copies.current.take() else { return };
        let Current { whose, begun, .. } = *current;
        if let Some(begun) = begun {
            self.keep(Job::Discard { begun });
        }
        match whose {
            Whose::Dumps(dumps) => {
                self.process.log.warning(format_args!("A dump for a client failed: {reason}"));
                for asked in dumps {
                    let reason = reason.to_string();
                    self.on_shard(asked.home, move |engine| engine.dump_failed(asked, &reason));
                }
            }
            Whose::Backup(backup) => self.backup_failed(backup.asker, reason),
        }
    }

    fn backup_failed(&mut self, asker: Option<Asker>, reason: &str) {
        {
            let mut state = self.backups();
            state.running = None;
            state.failed = Some(reason.to_string());
            state.failures += 1;
        }
        self.process.log.warning(format_args!("Backup failed: {reason}"));
        if let Some(asker) = asker {
            let fault = Fault::err(format!("The backup failed: {reason}"));
            self.tell_asker(asker, move |r| r.fault(&fault));
        }
    }

    fn backup_finished(&mut self, sending: Sending, finished: Result<Pruned, String>) {
        let Sending { backup, keys, bytes, time_ms, .. } = sending;
        let pruned = match finished {
            Ok(pruned) => pruned,
            Err(reason) => return self.backup_failed(backup.asker, &reason),
        };
        let took_ms = self.now.ms().saturating_sub(backup.began_ms);
        let Backup { id, place, asker, .. } = backup;
        {
            let mut state = self.backups();
            state.running = None;
            state.failed = None;
            state.made += 1;
            state.removed += pruned.ids.len() as u64;
            state.last =
                Some(Last { id: id.clone(), place: place.to_string(), time_s: time_ms / 1000, took_ms, keys, bytes });
        }
        let log = &self.process.log;
        log.notice(format_args!("Backup {id} to {place} made: {keys} keys, {bytes} bytes in {took_ms} ms"));
        pruned.ids.iter().for_each(|id| log.notice(format_args!("Backup {id} removed, by backup-retention")));
        if let Some(reason) = pruned.failed {
            log.warning(format_args!("Backups that backup-retention does not keep cannot be removed: {reason}"));
        }
        if let Some(asker) = asker {
            self.tell_asker(asker, move |r| r.bulk(id.as_bytes()));
        }
    }

    // Dumps, each on the shard of its connection.

    fn begin_dump(&mut self, asked: DumpAsked, staged: Arc<Staged>) {
        let found = self.dump_at(asked.conn, asked.generation);
        let tap = Arc::new(Tap::default());
        if found.is_none() {
            tap.leave();
        }
        // In any case: the keeper shall be the last to let go of the files, for then they are removed.
        let what = found.map_or(Dump::default(), |at| self.copies.dumps[at].what);
        let id = self.keep(Job::Merge { staged, tap: tap.clone(), what });
        if let Some(at) = found {
            self.copies.dumps[at].flow = Some((id, tap));
        }
    }

    fn dump_at(&self, conn: u32, generation: u32) -> Option<usize> {
        self.copies.dumps.iter().position(|d| d.origin.conn == conn && d.origin.generation == generation)
    }

    fn dump_failed(&mut self, asked: DumpAsked, reason: &str) {
        let Some(at) = self.dump_at(asked.conn, asked.generation) else { return };
        let Dumping { origin, .. } = self.end_dump(at);
        let fault = Fault::err(format!("The dump failed: {reason}"));
        self.deliver(origin, |r| r.fault(&fault));
        self.close_dumped(origin);
    }

    fn end_dump(&mut self, at: usize) -> Dumping {
        self.backups().dumps_open -= 1;
        let dump = self.copies.dumps.swap_remove(at);
        if let Some((_, tap)) = &dump.flow {
            tap.leave();
        }
        dump
    }

    fn close_dumped(&mut self, origin: Origin) {
        if self.conn_of(origin).is_some() {
            self.close_after_reply(origin.conn);
        }
    }

    /// Connections that are gone, or take nothing; those that wait hear that they are not forgotten.
    fn look_after_dumps(&mut self) {
        let up_us = self.now.up_us;
        for at in (0..self.copies.dumps.len()).rev() {
            let origin = self.copies.dumps[at].origin;
            if self.conn_of(origin).is_none_or(|conn| conn.gone) {
                self.end_dump(at);
                continue;
            }
            let dump = &mut self.copies.dumps[at];
            let silent_us = up_us.saturating_sub(dump.alive_us);
            let began = dump.held > 0;
            if began && silent_us > PATIENCE_US {
                let addr = self.conns[origin.conn as usize].peer.addr();
                self.process.log.warning(format_args!("{addr} takes nothing of its dump: it is closed"));
                self.end_dump(at);
                self.kill(origin.conn);
            } else if !began && silent_us > ALIVE_US && dump.flow.as_ref().is_none_or(|(_, tap)| !tap.has_begun()) {
                dump.alive_us = up_us;
                self.conns[origin.conn as usize].out.extend(b"\n");
                self.mark_dirty(origin.conn);
            }
        }
    }

    /// A connection has sent something.
    #[cold]
    pub(super) fn dumps_go_on(&mut self) {
        let (dumps, conns, up_us) = (&mut self.copies.dumps, &self.conns, self.now.up_us);
        for dump in dumps.iter_mut().filter(|dump| dump.held > 0) {
            let conn = conns.get(dump.origin.conn as usize).filter(|c| c.generation == dump.origin.generation);
            let Some((conn, (_, tap))) = conn.zip(dump.flow.as_ref()) else { continue };
            let taken = dump.held.saturating_sub(conn.owed());
            if taken > 0 {
                dump.held -= taken;
                dump.alive_us = up_us;
                tap.take(taken);
            }
        }
    }

    /// Whether some connection gets a dump.
    #[inline]
    pub(super) fn has_dumps(&self) -> bool {
        !self.copies.dumps.is_empty()
    }

    /// What the keeper has to say.
    pub(super) fn hear_of_keeper(&mut self, id: FileId, came: Came) {
        match came {
            Came::Begun(begun) => {
                let Some(current) = self.copies.current.as_mut().filter(|current| current.job == id) else { return };
                match begun {
                    Ok(begun) => {
                        current.begun = Some(begun);
                        self.go_on_with_copy();
                    }
                    Err(reason) => self.copy_failed(&reason),
                }
            }
            Came::Finished(finished) => {
                if let Some(sending) = self.copies.sending.take_if(|sending| sending.job == id) {
                    self.backup_finished(*sending, finished);
                }
            }
            Came::Piece(bytes) => self.dump_piece(id, &bytes),
            Came::Whole(whole) => {
                let flows = |d: &Dumping| d.flow.as_ref().is_some_and(|(job, _)| *job == id);
                let Some(at) = self.copies.dumps.iter().position(flows) else { return };
                let Dumping { origin, held, .. } = self.end_dump(at);
                match whole {
                    // The place is taken, and nothing more is drawn into it.
                    Ok(()) => self.deliver_raw(origin, |_| {}),
                    Err(reason) => {
                        self.process.log.warning(format_args!("A dump for a client failed: {reason}"));
                        let fault = Fault::err(format!("The dump failed: {reason}"));
                        // In the middle of a dump there is no other way to say so than to hang up.
                        if held == 0 {
                            self.deliver(origin, |r| r.fault(&fault));
                        } else {
                            self.deliver_raw(origin, |_| {});
                        }
                    }
                }
                self.close_dumped(origin);
            }
            Came::Listed(listed) => {
                let Some(asker) = self.copies.askers.remove(&id) else { return };
                self.tell_asker(asker, move |r| depot::draw(&listed, r));
            }
            Came::Deleted(deleted) => {
                let Some(asker) = self.copies.askers.remove(&id) else { return };
                self.tell_asker(asker, move |r| match &deleted {
                    Ok(true) => r.ok(),
                    Ok(false) => r.fault(&Fault::err("There is no such backup")),
                    Err(reason) => r.fault(&Fault::err(reason)),
                });
            }
        }
    }

    fn dump_piece(&mut self, id: FileId, bytes: &[u8]) {
        let flows = |d: &&mut Dumping| d.flow.as_ref().is_some_and(|(job, _)| *job == id);
        let up_us = self.now.up_us;
        let Some(dump) = self.copies.dumps.iter_mut().find(flows) else { return };
        let origin = dump.origin;
        if dump.held == 0 {
            dump.alive_us = up_us;
        }
        dump.held += bytes.len();
        let Some(conn) = self.conn_of(origin).filter(|conn| !conn.gone) else { return };
        conn.out.extend(bytes);
        self.mark_dirty(origin.conn);
    }
}

/// Where BACKUP's verbs look, when nothing else is said.
pub fn backup_place(process: &Process) -> Result<Place, Fault> {
    let text = process.config().backup_dir.clone();
    if text.is_empty() {
        return Err(Fault::err("backup-dir is not set: name a place, or CONFIG SET backup-dir"));
    }
    Place::parse(&text).map_err(Fault::err)
}
