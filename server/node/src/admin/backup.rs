//! Room: admin. BACKUP: asks for backups, and what there is of them. The engine makes them (`engine/copies.rs`), the keeper finds and
//! removes them.

use super::snapshot::asker;
use crate::backup::keeper::Job;
use crate::backup::place::{Place, is_id};
use crate::backup::state::Asked;
use crate::engine::copies::{access_of, backup_place};
use crate::engine::{Engine, Served};
use base::{Args, Fault};

/// BACKUP NOW [TO place]: answered with the backup's name when it is made.
pub(super) fn now(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let to = match args.len() {
        2 => None,
        4 if args.is(2, "to") => Some(args.at(3)),
        _ => return engine.refuse(index, None, &Fault::Syntax),
    };
    let to = match place_of(engine, index, to) {
        Ok(to) => to,
        Err(fault) => return engine.refuse(index, None, &fault),
    };
    let asker = asker(engine, index);
    if let Err(fault) = engine.ask_for_backup(Asked { to, asker: Some(asker) }) {
        engine.tell_asker(asker, move |r| r.fault(&fault));
    }
    Served::Done
}

/// A place of the client's own choice is as much as CONFIG SET of `dir`, and guarded like that.
fn place_of(engine: &Engine, index: u32, to: Option<&[u8]>) -> Result<Option<String>, Fault> {
    let Some(to) = to else { return backup_place(&engine.process).map(|_| None) };
    let local = engine.conns[index as usize].peer.is_local();
    if !engine.process.config().enable_protected_configs.allows(local) {
        return Err(Fault::err("BACKUP NOW TO names a place of its own: 'enable-protected-configs' does not let it"));
    }
    let text = std::str::from_utf8(to).map_err(|_| Fault::err("the place must be UTF-8 text"))?;
    Place::parse(text).map_err(Fault::err)?;
    Ok(Some(text.to_string()))
}

/// BACKUP LIST: those in `backup-dir`, newest first.
pub(super) fn list(engine: &mut Engine, index: u32) -> Served {
    let place = match backup_place(&engine.process) {
        Ok(place) => place,
        Err(fault) => return engine.refuse(index, None, &fault),
    };
    let access = access_of(&engine.process);
    let asker = asker(engine, index);
    engine.keep_for(asker, Job::List { place, access });
    Served::Done
}

/// BACKUP DELETE id
pub(super) fn delete(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let id = String::from_utf8_lossy(args.at(2)).into_owned();
    if !is_id(&id) {
        return engine.refuse(index, None, &Fault::err("this is no name of a backup: see BACKUP LIST"));
    }
    let place = match backup_place(&engine.process) {
        Ok(place) => place,
        Err(fault) => return engine.refuse(index, None, &fault),
    };
    let access = access_of(&engine.process);
    let asker = asker(engine, index);
    engine.keep_for(asker, Job::Delete { place, access, id });
    Served::Done
}

/// BACKUP INFO: what INFO tells in its section, as a map.
pub(super) fn info(engine: &mut Engine, index: u32) -> Served {
    let facts = facts(engine);
    engine.answer(index, |r| {
        r.map(facts.len());
        for (name, value) in &facts {
            r.bulk(name.as_bytes());
            r.bulk(value.as_bytes());
        }
    });
    Served::Done
}

/// What there is to tell of backups, by the names that INFO has for it.
pub(super) fn facts(engine: &Engine) -> Vec<(&'static str, String)> {
    let (place, schedule, retention) = {
        let config = engine.process.config();
        (config.backup_dir.clone(), config.backup_schedule.clone(), config.backup_retention.clone())
    };
    let state = engine.process.backups.state();
    let running = state.running.as_ref();
    let last = state.last.as_ref();
    let number = |n: Option<u64>| n.map_or("-1".to_string(), |n| n.to_string());
    let line = |text: Option<&String>| text.map_or(String::new(), |text| text.replace(['\r', '\n'], " "));
    let mut facts = vec![
        ("backup_dir", line(Some(&place))),
        ("backup_schedule", line(Some(&schedule))),
        ("backup_retention", line(Some(&retention))),
        ("backup_next_time", number(state.due_s)),
        ("backup_in_progress", u8::from(running.is_some() || state.asked.is_some()).to_string()),
        ("backup_current_id", line(running.map(|r| &r.id))),
        ("backup_current_place", line(running.map(|r| &r.place))),
        ("backup_current_phase", running.map_or(String::new(), |r| r.phase.name().into())),
        ("backup_current_time_sec", number(running.map(|r| engine.now.ms().saturating_sub(r.since_ms) / 1000))),
        ("backup_last_status", if state.failed.is_none() { "ok" } else { "err" }.into()),
    ];
    if let Some(reason) = &state.failed {
        facts.push(("backup_last_error", line(Some(reason))));
    }
    facts.extend([
        ("backup_last_id", line(last.map(|l| &l.id))),
        ("backup_last_place", line(last.map(|l| &l.place))),
        ("backup_last_time", number(last.map(|l| l.time_s))),
        ("backup_last_duration_ms", number(last.map(|l| l.took_ms))),
        ("backup_last_keys", number(last.map(|l| l.keys))),
        ("backup_last_bytes", number(last.map(|l| l.bytes))),
        ("backups_made", state.made.to_string()),
        ("backups_failed", state.failures.to_string()),
        ("backups_removed", state.removed.to_string()),
    ]);
    facts
}
