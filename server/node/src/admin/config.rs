//! Room: admin. CONFIG: asks of the settings, and what a change brings with it.

use crate::config::{ask, rewrite};
use crate::engine::{Answer, Engine, Served};
use crate::host;
use crate::log::plain;
use base::{Args, Fault, Out};
use std::sync::mpsc::{self, TryRecvError};

/// Descriptors beside clients' that must stay free: listeners, rings, files. 32 as in Redis, and some for each shard.
fn reserved_files(shards: usize) -> u32 {
    32 + 16 * shards as u32
}

pub(super) fn get(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let pairs = ask::get(&engine.process.config(), args.from(2));
    engine.answer(index, |r| {
        r.map(pairs.len());
        for (name, value) in &pairs {
            r.bulk(name);
            r.bulk(value);
        }
    });
    Served::Done
}

/// All or nothing: what cannot be brought into force leaves everything as it was.
pub(super) fn set(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let process = engine.process.clone();
    let local = engine.conns[index as usize].peer.is_local();
    // Held from the look to the change, so that two at once do not undo each other.
    let mut settings = process.config();
    let planned = match ask::set(&settings, args.from(2), local) {
        Ok(planned) => planned,
        Err(fault) => {
            drop(settings);
            return engine.refuse(index, None, &fault);
        }
    };
    let refused = planned.changed.iter().find_map(|&name| {
        // Sockets are opened when the shards begin.
        let why = match name {
            "port" => "Unable to listen on this port. Check server logs.".to_string(),
            "bind" => "Failed to bind to specified addresses.".to_string(),
            // As Redis: it is gone to at once.
            "dir" => match std::env::set_current_dir(&planned.settings.dir).and_then(|()| std::env::current_dir()) {
                Ok(_) => return None,
                Err(e) => plain(&e),
            },
            "oom-score-adj" | "oom-score-adj-values" => {
                let began = *process.oom_score_began.get()?;
                let e = host::set_oom_score(&planned.settings, began).err()?;
                process.log.warning(format_args!("oom-score-adj: /proc/self/oom_score_adj: {}", plain(&e)));
                "Failed to apply new oom_score_adj configuration, check server logs.".to_string()
            }
            "maxclients" => no_room_for_clients(planned.settings.maxclients, process.shards)?,
            _ => return None,
        };
        Some((name, planned.refused(name, &why)))
    });
    if let Some((name, fault)) = refused {
        drop(settings);
        if matches!(name, "port" | "bind") {
            process.log.warning(format_args!("CONFIG SET {name}: listening sockets are opened at the start only"));
        }
        return engine.refuse(index, None, &fault);
    }
    planned.warnings.iter().for_each(|line| process.log.warning(line));
    if planned.changed.contains(&"loglevel") {
        process.log.set_level(planned.settings.loglevel);
    }
    let turned = planned.changed.contains(&"appendonly").then_some(planned.settings.appendonly);
    let retitled = planned.changed.contains(&"proc-title-template");
    let lowered = planned.changed.contains(&"maxmemory").then_some(planned.settings.maxmemory);
    *settings = planned.settings;
    if planned.changed.contains(&"dir")
        && let Ok(folder) = std::env::current_dir()
    {
        settings.dir = folder.display().to_string();
    }
    drop(settings);
    process.settings_changed();
    engine.renew_settings();
    if let Some(on) = turned {
        engine.turn_log(on);
    }
    if retitled {
        process.show_title();
    }
    if let Some(limit) = lowered {
        let (limit, used) = (limit.bytes(process.facts.total_memory), process.used_memory() as u64);
        if limit > 0 && limit < used {
            process.log.warning(format_args!(
                "maxmemory is now {limit} bytes and {used} are in use: keys go as maxmemory-policy says, or writes are refused"
            ));
        }
    }
    engine.answer(index, |r| r.ok());
    Served::Done
}

/// Why so many clients cannot be had.
fn no_room_for_clients(maxclients: u32, shards: usize) -> Option<String> {
    let max = match host::make_room_for_clients(maxclients, reserved_files(shards)) {
        Ok(clients) => clients.max,
        Err(_) => 0,
    };
    (max < maxclients)
        .then(|| format!("The operating system is not able to handle the specified number of clients, try with {max}"))
}

/// The file is written by a thread of its own: a disk's sync would hold the shard up.
pub(super) fn rewrite(engine: &mut Engine, index: u32) -> Served {
    let Some(path) = engine.process.config_file.get().cloned() else {
        return engine.refuse(index, None, &Fault::err("The server is running without a config file"));
    };
    let settings = engine.process.config().clone();
    let (done, is_done) = mpsc::channel();
    let spawned = std::thread::Builder::new()
        .name("config-rewrite".into())
        .spawn(move || drop(done.send(rewrite::rewrite_file(&path, &settings).map_err(|e| plain(&e)))));
    let failed = |engine: &Engine, why: &str| {
        engine.process.log.warning(format_args!("CONFIG REWRITE failed: {why}"));
        Fault::err(format!("Rewriting config file: {why}"))
    };
    if let Err(e) = spawned {
        let fault = failed(engine, &plain(&e));
        return engine.refuse(index, None, &fault);
    }
    let conn = &mut engine.conns[index as usize];
    // A silent one keeps a place too, and the next ask waits: of a connection one thread writes at a time.
    conn.fence = true;
    let silent = conn.silent;
    let origin = engine.place(index);
    engine.chore(Box::new(move |engine| {
        let result = match is_done.try_recv() {
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => Err("the writing thread ended".to_string()),
            Ok(result) => result,
        };
        let fault = result.err().map(|why| failed(engine, &why));
        if fault.is_none() {
            engine.process.log.notice("CONFIG REWRITE: the configuration file is as the settings are");
        }
        match fault {
            _ if silent => engine.deliver_drawn(origin, &mut Out::new()),
            Some(fault) => engine.deliver(origin, |r| r.fault(&fault)),
            None => engine.deliver(origin, |r| r.ok()),
        }
        true
    }));
    Served::Done
}

pub(super) fn resetstat(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |e| {
            e.metrics.reset(&e.write_rows);
            e.store.reset_counters();
            Answer::Now(())
        },
        |_, _: Vec<()>, reply| reply.ok(),
    );
    Served::Done
}
