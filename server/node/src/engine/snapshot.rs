//! Snapshots: when they are made, and what comes of their parts. The shard that began one gathers what the shards have written;
//! when all files are on the device it has the manifest put in place, and from then on they count. Until then the last
//! snapshot is whole, and whatever fails leaves nothing behind.

use super::Engine;
use super::append::LogPlan;
use super::image::{Became, Plan};
use super::together::OnShard;
use crate::appendlog;
use crate::appendlog::shared::Mode;
use crate::backup::place;
use crate::files::folder::{self, Lock};
use crate::files::{Ask, FileId};
use crate::manifest::{self, Manifest};
use crate::persist::{Asker, Leave};
use crate::version;
use base::{Fault, Reply, ShardId};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{Ages, ImageOptions};

/// As in Redis (CONFIG_BGSAVE_RETRY_DELAY): after a failure the next is not tried sooner, s.
const RETRY_S: u64 = 5;

/// Why a snapshot is made, and who waits for it.
#[derive(Clone, Debug)]
pub enum Why {
    /// BGSAVE: answered when the point in time is set.
    Asked(Asker),
    /// Nobody waits.
    Unasked,
    /// To make the append log short: BGREWRITEAOF, answered as BGSAVE is, or because it has grown.
    Rewrite(Option<Asker>),
    /// SAVE: answered in the end.
    Waited(Asker),
    /// DEBUG RELOAD: everything is loaded again from it, and answered then.
    Reloaded(Asker, Reload),
    /// The last one before the process ends. Nothing else happens until it is done.
    Last(Leave, Option<Asker>),
    /// Into this folder, for a copy (`copies`): nothing of the data folder's own snapshots is touched.
    Copied(PathBuf),
}

/// What DEBUG RELOAD says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reload {
    /// Keys that are there twice are replaced.
    pub merge: bool,
    /// What is in memory stays.
    pub keep: bool,
}

/// A snapshot as its coordinator knows it.
pub(super) struct Coordinated {
    pub plan: Arc<Plan>,
    why: Why,
    began_us: u64,
    parts: Vec<Option<manifest::File>>,
    /// Shards that have nothing left of it.
    gone: usize,
    failed: Option<String>,
    pub seal: Option<FileId>,
    /// Of the snapshot that this one replaces.
    obsolete: Vec<PathBuf>,
    /// Shards whose segment is not there yet.
    preparing: usize,
    /// The append log begins with this one.
    begins_log: bool,
}

impl Engine {
    // Beginning.

    /// Begins a snapshot, if none runs. An error is what is to be replied; it is logged and counted already.
    pub fn begin_snapshot(&mut self, why: Why) -> Result<(), Fault> {
        let now_s = self.now.unix_us / 1_000_000;
        {
            let mut saves = self.process.persist.saves();
            if saves.running_since_ms.is_some() {
                return Err(Fault::err("Background save already in progress"));
            }
            saves.running_since_ms = Some(self.now.ms());
            saves.coordinator = self.me;
            if !matches!(why, Why::Copied(_)) {
                saves.scheduled = false;
                saves.tried_s = now_s;
            }
            saves.changes_running = 0;
            saves.last_one = matches!(why, Why::Last(..));
        }
        {
            let log = &self.process.persist.log;
            let asked = matches!(why, Why::Rewrite(_));
            let begins = log.mode() == Mode::Beginning && !matches!(why, Why::Copied(_));
            let mut facts = log.facts();
            facts.rewriting = asked || begins;
            facts.scheduled &= !asked;
        }
        let planned = match &why {
            Why::Copied(folder) => Ok((self.plan_copy(folder.clone()), Vec::new())),
            why => {
                let last = matches!(why, Why::Last(..));
                self.plan_snapshot(last || matches!(why, Why::Reloaded(..)), last)
            }
        };
        let (plan, obsolete) = match planned {
            Ok(planned) => planned,
            Err(reason) => {
                self.note_failed_snapshot(&reason);
                return Err(Fault::err(reason));
            }
        };
        let plan = Arc::new(plan);
        let persist = &self.process.persist;
        for counter in [&persist.keys_done, &persist.keys_total, &persist.bytes_done] {
            counter.store(0, Ordering::Relaxed);
        }
        persist.writers.store(self.shards() as u32, Ordering::Relaxed);
        let begins_log = plan.log.is_some() && persist.log.mode() == Mode::Beginning;
        let log = plan.log.clone();
        self.snapshots.coordinated = Some(Box::new(Coordinated {
            plan: plan.clone(),
            why,
            began_us: self.now.up_us,
            parts: vec![None; self.shards()],
            gone: 0,
            failed: None,
            seal: None,
            obsolete,
            preparing: if log.is_some() { self.shards() } else { 0 },
            begins_log,
        }));
        match log {
            // Segments are there before anything goes to them.
            Some(log) => self.on_every_shard(move |engine| engine.prepare_segment(&log)),
            None => self.set_point_in_time(),
        }
        Ok(())
    }

    fn set_point_in_time(&mut self) {
        let Some(snapshot) = &self.snapshots.coordinated else { return };
        let (plan, why) = (snapshot.plan.clone(), snapshot.why.clone());
        let holds = plan.holds;
        let run: OnShard = Arc::new(move |engine: &mut Engine| engine.begin_image(plan.clone()));
        self.begin_on_all(run, holds, move |engine| match why {
            Why::Rewrite(asker) => {
                engine.process.log.notice("Background append only file rewriting started");
                if let Some(asker) = asker {
                    engine.tell_asker(asker, |r| r.simple("Background append only file rewriting started"));
                }
            }
            Why::Copied(_) => {}
            why => {
                engine.process.log.notice("Background saving started");
                if let Why::Asked(asker) = why {
                    engine.tell_asker(asker, |r| r.simple("Background saving started"));
                }
            }
        });
    }

    /// A shard's segment for it is there, or cannot be.
    pub(super) fn segment_prepared(&mut self, result: Result<(), String>) {
        let Some(snapshot) = self.snapshots.coordinated.as_mut().filter(|s| s.preparing > 0) else { return };
        snapshot.preparing -= 1;
        if let Err(reason) = result {
            snapshot.failed.get_or_insert(reason);
        }
        if snapshot.preparing > 0 {
            return;
        }
        match snapshot.failed.clone() {
            None => self.set_point_in_time(),
            Some(reason) => {
                if let Why::Asked(asker) | Why::Rewrite(Some(asker)) = snapshot.why {
                    let fault = Fault::err(&reason);
                    self.tell_asker(asker, move |r| r.fault(&fault));
                }
                self.on_every_shard(Engine::drop_prepared);
                self.snapshot_failed(&reason);
            }
        }
    }

    fn plan_snapshot(&self, holds: bool, last: bool) -> Result<(Plan, Vec<PathBuf>), String> {
        let (folder, dbfilename, compress, checksum, log_stem) = {
            let config = self.process.config();
            let log_stem = appendlog::stem_of(&config.appendfilename);
            (PathBuf::from(&config.dir), config.dbfilename.clone(), config.rdbcompression, config.rdbchecksum, log_stem)
        };
        if dbfilename.is_empty() {
            return Err("dbfilename is empty: snapshots have no name".into());
        }
        let stem = folder::stem_of(&dbfilename);
        let mut saves = self.process.persist.saves();
        if saves.lock.as_ref().is_none_or(|lock| lock.folder != folder) {
            saves.lock = Some(Lock::take(&folder).map_err(|no| no.explain(&folder))?);
        }
        if saves.kept.as_ref().is_none_or(|kept| kept.folder != folder || kept.stem != stem) {
            let mut kept = folder::survey(&folder, &dbfilename)?.kept;
            kept.add_segments(folder::segments(&folder, &log_stem)?);
            saves.kept = Some(kept);
        }
        let kept = saves.kept.as_mut().expect("looked for above");
        kept.serial += 1;
        let serial = kept.serial;
        let mut obsolete = kept.files.clone();
        obsolete.extend(kept.segments.iter().filter(|(of, _)| *of < serial).map(|(_, path)| path.clone()));
        // After the last one nothing is recorded that it does not have.
        let mode = self.process.persist.log.mode();
        let log = (mode != Mode::Off && !last).then(|| {
            let mut facts = self.process.persist.log.facts();
            if mode == Mode::Beginning {
                (facts.run, facts.base, facts.previous, facts.ends) = (serial, serial, 0, Vec::new());
            }
            for shard in 0..self.shards() {
                let path = folder.join(appendlog::segment_name(&log_stem, serial, shard));
                kept.segments.push((serial, path));
            }
            Arc::new(LogPlan {
                folder: folder.clone(),
                stem: log_stem,
                serial,
                run: facts.run,
                base: facts.base,
                previous: facts.previous,
                ends: facts.ends.clone(),
                coordinator: self.me,
            })
        });
        let plan = Plan {
            serial: kept.serial,
            coordinator: self.me,
            folder,
            stem,
            options: ImageOptions { compress, ages: self.ages() },
            checksum,
            began_ms: self.now.ms(),
            holds,
            log,
        };
        Ok((plan, obsolete))
    }

    /// A snapshot that the data folder knows nothing of.
    fn plan_copy(&self, folder: PathBuf) -> Plan {
        let (compress, checksum) = {
            let config = self.process.config();
            (config.rdbcompression, config.rdbchecksum)
        };
        Plan {
            serial: place::SERIAL,
            coordinator: self.me,
            folder,
            stem: place::STEM.into(),
            options: ImageOptions { compress, ages: self.ages() },
            checksum,
            began_ms: self.now.ms(),
            holds: false,
            log: None,
        }
    }

    fn ages(&self) -> Ages {
        match self.live.tuning.policy {
            store::Policy::AllKeysLru | store::Policy::VolatileLru => Ages::Idle,
            store::Policy::AllKeysLfu | store::Policy::VolatileLfu => Ages::Frequency,
            _ => Ages::None,
        }
    }

    // The coordinator's side.

    pub(super) fn hear_of_part(&mut self, serial: u64, shard: ShardId, became: Became) {
        let Some(snapshot) = self.snapshots.coordinated.as_mut().filter(|c| c.plan.serial == serial) else { return };
        match became {
            Became::Whole(part) => {
                snapshot.parts[shard.index()] = Some(part);
                if snapshot.failed.is_some() || snapshot.parts.iter().any(Option::is_none) {
                    return;
                }
                let plan = snapshot.plan.clone();
                let manifest = Manifest {
                    serial,
                    time_ms: plan.began_ms,
                    version: version::TORC.into(),
                    hash_seed: Some(self.process.hash_seed()),
                    files: snapshot.parts.iter().flatten().cloned().collect(),
                };
                let obsolete = snapshot.obsolete.clone();
                let id = self.next_file_id();
                if let Some(snapshot) = &mut self.snapshots.coordinated {
                    snapshot.seal = Some(id);
                }
                let path = plan.folder.join(manifest::manifest_name(&plan.stem));
                self.file_asks.push(Ask::Seal { id, path, text: manifest.draw(), obsolete });
                self.active = true;
            }
            Became::Failed(reason) => self.fail_snapshot(reason),
            Became::Gone => {
                snapshot.gone += 1;
                if snapshot.gone == snapshot.parts.len() {
                    let reason = snapshot.failed.clone().unwrap_or_default();
                    self.snapshot_failed(&reason);
                }
            }
        }
    }

    /// Somebody does not want it any more. Where its manifest is on its way already it is made nevertheless.
    pub fn give_up_snapshot(&mut self, reason: String) {
        if self.snapshots.coordinated.as_ref().is_some_and(|snapshot| snapshot.seal.is_none()) {
            self.fail_snapshot(reason);
        }
    }

    /// Every shard removes what it has of it.
    pub(super) fn fail_snapshot(&mut self, reason: String) {
        let Some(snapshot) = self.snapshots.coordinated.as_mut().filter(|s| s.failed.is_none()) else { return };
        snapshot.failed = Some(reason);
        // Before there are parts: `segment_prepared` sees it.
        if snapshot.preparing == 0 {
            self.on_every_shard(Engine::remove_part);
        }
    }

    /// Its files are on the device, and the manifest names them.
    pub(super) fn snapshot_made(&mut self) {
        let Some(snapshot) = self.snapshots.coordinated.take() else { return };
        let Coordinated { plan, why, began_us, parts, begins_log, .. } = *snapshot;
        if let Why::Copied(_) = why {
            self.process.persist.saves().running_since_ms = None;
            self.on_every_shard(Engine::end_part);
            self.copy_made(parts.into_iter().flatten().collect(), plan.began_ms);
            return self.after_snapshot();
        }
        let took = Duration::from_micros(self.now.up_us - began_us);
        let (keys, bytes) = parts.iter().flatten().fold((0, 0), |(k, b), part| (k + part.keys, b + part.bytes));
        {
            let mut saves = self.process.persist.saves();
            saves.running_since_ms = None;
            saves.last_s = self.now.unix_us / 1_000_000;
            saves.failed = None;
            saves.took_s = took.as_secs() as i64;
            saves.count += 1;
            saves.bytes = bytes;
            saves.changes = saves.changes_running;
            if let Some(kept) = saves.kept.as_mut().filter(|kept| kept.folder == plan.folder && kept.stem == plan.stem)
            {
                kept.files = parts.iter().flatten().map(|part| plan.folder.join(&part.name)).collect();
                kept.segments.retain(|(serial, _)| *serial >= plan.serial);
            }
        }
        {
            let mut facts = self.process.persist.log.facts();
            facts.base_bytes = bytes;
            if std::mem::take(&mut facts.rewriting) || begins_log {
                facts.rewrites += 1;
                facts.rewrite_took_s = took.as_secs() as i64;
                (facts.rewrite_failed, facts.rewrite_failures) = (false, 0);
            }
        }
        if begins_log && self.process.persist.log.mode() == Mode::Beginning {
            self.process.persist.log.set_mode(Mode::On);
            self.process.log.notice("The append log is on: the snapshot that it begins with is made");
            self.on_every_shard(Engine::renew_gating);
        }
        self.process.renew_gate();
        let mib_s = bytes as f64 / took.as_secs_f64().max(1e-6) / f64::from(1 << 20);
        self.process.log.notice(format_args!(
            "DB saved on disk: {keys} keys, {bytes} bytes in {:.3} seconds, {mib_s:.0} MiB/s",
            took.as_secs_f64()
        ));
        match why {
            Why::Last(..) => return self.leave_now(),
            Why::Waited(asker) => self.tell_asker(asker, |r| r.ok()),
            Why::Reloaded(asker, reload) => {
                self.on_every_shard(|engine| engine.snapshots.image = None);
                return self.reload(asker, reload);
            }
            Why::Asked(_) | Why::Unasked | Why::Rewrite(_) | Why::Copied(_) => {}
        }
        self.on_every_shard(Engine::end_part);
        self.after_snapshot();
    }

    /// Nothing is left of it on any shard.
    fn snapshot_failed(&mut self, reason: &str) {
        let Some(snapshot) = self.snapshots.coordinated.take() else { return };
        if let Why::Copied(_) = snapshot.why {
            self.process.persist.saves().running_since_ms = None;
            self.copy_failed(reason);
            return self.after_snapshot();
        }
        self.note_failed_snapshot(reason);
        // What it begins with is not there: it begins with the next.
        if snapshot.begins_log {
            self.on_every_shard(Engine::stop_log);
        }
        let reason = reason.to_string();
        match snapshot.why {
            Why::Last(leave, _) if leave.force => {
                self.process.log.warning("Error trying to save the DB. Exit anyway.");
                return self.leave_now();
            }
            Why::Last(_, asker) => {
                self.process.log.warning("Error trying to save the DB, can't exit.");
                self.refuse_to_leave(asker);
            }
            Why::Waited(asker) | Why::Reloaded(asker, _) => {
                self.tell_asker(asker, move |r| r.fault(&Fault::err(&reason)));
            }
            Why::Asked(_) | Why::Unasked | Why::Rewrite(_) | Why::Copied(_) => {}
        }
        self.after_snapshot();
    }

    fn note_failed_snapshot(&mut self, reason: &str) {
        {
            let mut saves = self.process.persist.saves();
            saves.failed = Some(reason.to_string());
            saves.last_one = false;
            let began_ms = saves.running_since_ms.take().unwrap_or(self.now.ms());
            saves.took_s = (self.now.ms().saturating_sub(began_ms) / 1000) as i64;
        }
        {
            let mut facts = self.process.persist.log.facts();
            if std::mem::take(&mut facts.rewriting) {
                facts.rewrite_failed = true;
                facts.rewrite_failures += 1;
            }
        }
        self.process.log.warning(format_args!("Background saving error: {reason}"));
        self.process.renew_gate();
    }

    /// What waited for the end of a snapshot.
    fn after_snapshot(&mut self) {
        let then = self.process.persist.saves().then.take();
        if let Some((leave, asker)) = then {
            self.leave(leave, asker);
        }
    }

    pub(crate) fn tell_asker(&mut self, asker: Asker, draw: impl Fn(&mut dyn Reply) + Send + Sync + 'static) {
        let Asker { home, origin, silent } = asker;
        self.on_shard(home, move |engine| {
            if silent {
                engine.deliver_drawn(origin, &mut base::Out::new());
            } else {
                engine.deliver(origin, &draw);
            }
        });
    }

    // By themselves.

    /// Every 100 ms, on one shard: snapshots that are due by `save` or were scheduled.
    pub(super) fn snapshots_due(&mut self) {
        let persist = &self.process.persist;
        if persist.is_loading() {
            return;
        }
        let now_s = self.now.unix_us / 1_000_000;
        let (due, rested) = {
            let saves = persist.saves();
            if saves.running_since_ms.is_some() {
                return;
            }
            let changes = persist.changes().saturating_sub(saves.changes);
            let rested = saves.failed.is_none() || now_s.saturating_sub(saves.tried_s) > RETRY_S;
            let since_s = now_s.saturating_sub(saves.last_s);
            let config = self.process.config();
            let point =
                config.save.iter().find(|&&(s, n)| changes >= n.max(0) as u64 && since_s > s.max(0) as u64).copied();
            let line = match point {
                _ if !rested => None,
                Some((s, _)) => Some(format!("{changes} changes in {s} seconds. Saving...")),
                None => saves.scheduled.then(String::new),
            };
            (line, rested)
        };
        let due = due.map(|line| (line, Why::Unasked)).or_else(|| self.rewrite_due(rested));
        if let Some((line, why)) = due {
            if !line.is_empty() {
                self.process.log.notice(line);
            }
            // Why it cannot be is logged.
            let _ = self.begin_snapshot(why);
        }
    }

    /// A snapshot that the append log needs: to begin with, because it was asked for, or because the log has grown.
    fn rewrite_due(&self, rested: bool) -> Option<(String, Why)> {
        let log = &self.process.persist.log;
        if !rested {
            return None;
        }
        match log.mode() {
            Mode::Off => None,
            Mode::Beginning => Some((String::new(), Why::Unasked)),
            Mode::On => {
                let (scheduled, base) = {
                    let facts = log.facts();
                    (facts.scheduled, facts.base_bytes)
                };
                if scheduled {
                    return Some((String::new(), Why::Rewrite(None)));
                }
                let (percent, min_size) = {
                    let config = self.process.config();
                    (config.auto_aof_rewrite_percentage, config.auto_aof_rewrite_min_size)
                };
                let bytes = log.bytes();
                let growth = bytes.saturating_mul(100) / base.max(1);
                (percent > 0 && bytes + base > min_size && growth >= percent).then(|| {
                    let line = format!("Starting automatic rewriting of AOF on {growth}% growth");
                    (line, Why::Rewrite(None))
                })
            }
        }
    }

    /// CONFIG SET appendonly.
    pub fn turn_log(&mut self, on: bool) {
        let log = &self.process.persist.log;
        match (log.mode(), on) {
            (Mode::Off, true) => {
                log.set_mode(Mode::Beginning);
                // While one is made, or if it fails, the next does.
                let _ = self.begin_snapshot(Why::Unasked);
            }
            (Mode::Beginning | Mode::On, false) => {
                log.set_mode(Mode::Off);
                self.on_every_shard(Engine::stop_log);
            }
            _ => {}
        }
    }
}
