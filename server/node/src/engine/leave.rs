//! The end of the process, after a last snapshot if there is to be one; and DEBUG RELOAD. In both all keys are locked while the
//! snapshot is written.

use super::Engine;
use super::load::{LoadFile, LoadPlan};
use super::snapshot::{Reload, Why};
use super::together::OnShard;
use crate::persist::{Asker, Leave};
use base::{DbId, Fault};
use std::sync::Arc;

impl Engine {
    // Leaving.

    /// Ends the process, after a last snapshot if there is to be one.
    pub fn leave(&mut self, leave: Leave, asker: Option<Asker>) {
        self.process.log.notice("User requested shutdown...");
        let saves = !leave.nosave && (leave.save || !self.process.config().save.is_empty());
        // What is loaded by halves must not take the place of what is whole.
        if !saves || self.process.persist.is_loading() {
            return self.leave_now();
        }
        let running = {
            let mut saves = self.process.persist.saves();
            let running = saves.running_since_ms.is_some().then_some(saves.coordinator);
            if running.is_some() {
                if saves.then.is_some() {
                    return;
                }
                saves.then = Some((leave, asker));
            }
            running
        };
        if let Some(coordinator) = running {
            self.process.log.warning("A snapshot is under way: it is given up for the last one");
            let reason = "given up for the last snapshot before the end";
            return self.on_shard(coordinator, move |engine| engine.give_up_snapshot(reason.into()));
        }
        self.process.log.notice("Saving the final RDB snapshot before exiting.");
        if self.begin_snapshot(Why::Last(leave, asker)).is_err() {
            if leave.force {
                self.process.log.warning("Error trying to save the DB. Exit anyway.");
                return self.leave_now();
            }
            self.process.log.warning("Error trying to save the DB, can't exit.");
            self.refuse_to_leave(asker);
        }
    }

    // DEBUG RELOAD.

    /// `save`: with a snapshot first.
    pub fn begin_reload(&mut self, asker: Asker, reload: Reload, save: bool) -> Result<(), Fault> {
        if save {
            return self.begin_snapshot(Why::Reloaded(asker, reload));
        }
        if self.process.persist.saves().running_since_ms.is_some() {
            return Err(Fault::err("Background save already in progress"));
        }
        let run: OnShard = Arc::new(|engine: &mut Engine| engine.snapshots.holding = true);
        self.begin_on_all(run, true, move |engine| engine.reload(asker, reload));
        Ok(())
    }

    /// Everything from the last snapshot again, while every shard is held by it.
    pub(super) fn reload(&mut self, asker: Asker, reload: Reload) {
        let files = {
            let saves = self.process.persist.saves();
            saves.kept.as_ref().map_or(Vec::new(), |kept| kept.files.clone())
        };
        let sized = files.iter().map(|path| {
            let bytes = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.len();
            Ok(LoadFile { path: path.clone(), bytes, crc64: None })
        });
        let files = match sized.collect::<Result<Vec<_>, String>>() {
            Ok(files) => files,
            Err(error) => {
                self.process.log.warning(format_args!("DEBUG RELOAD: {error}"));
                self.on_every_shard(Engine::let_go_of_image);
                return self.tell_asker(asker, |r| {
                    r.fault(&Fault::err("Error trying to load the RDB dump, check server logs."))
                });
            }
        };
        let bytes = files.iter().map(|file| file.bytes).sum();
        self.process.persist.plan_load(self.shards(), bytes, self.now.unix_us / 1_000_000);
        let plan = LoadPlan { files, verify: true, merge: reload.merge, asker: Some(asker), coordinator: self.me };
        let plan = Arc::new(plan);
        self.on_every_shard(move |engine| {
            if !reload.keep {
                (0..engine.store.databases()).for_each(|db| engine.store.flush(DbId(db)));
            }
            engine.begin_load(plan.clone());
        });
    }

    pub(super) fn refuse_to_leave(&mut self, asker: Option<Asker>) {
        if let Some(asker) = asker {
            self.tell_asker(asker, |r| r.fault(&Fault::err("Errors trying to SHUTDOWN. Check logs.")));
        }
    }

    /// SHUTDOWN ABORT: false if nothing waits to end.
    pub fn stay(&mut self) -> bool {
        let (coordinator, waiting) = {
            let mut saves = self.process.persist.saves();
            let waiting = saves.then.take();
            (saves.running_since_ms.is_some().then_some(saves.coordinator), waiting)
        };
        if let Some((_, asker)) = waiting {
            self.refuse_to_leave(asker);
            return true;
        }
        let last_one = self.process.persist.saves().last_one;
        let Some(coordinator) = coordinator.filter(|_| last_one) else { return false };
        self.on_shard(coordinator, |engine| engine.give_up_snapshot("SHUTDOWN ABORT".into()));
        true
    }

    pub(super) fn leave_now(&mut self) {
        self.process.stop();
        // Whoever sleeps wakes up and sees it.
        self.on_every_shard(|engine| engine.active = true);
    }

    /// Whether all keys are locked until the end of a snapshot: the last before the process ends, or DEBUG RELOAD's.
    pub fn is_held(&self) -> bool {
        self.snapshots.holding
    }
}
