//! Room: admin. SAVE, BGSAVE, LASTSAVE, SHUTDOWN: asks for snapshots, which the engine makes.

use super::replication::timeout_ms;
use crate::appendlog::shared::Mode;
use crate::engine::{Answer, Engine, Served, Why, draw_waitaof, speak};
use crate::persist::{Asker, Leave};
use base::number::parse_i64;
use base::{Args, Fault, Out};

/// Keeps a place for the answer.
pub(super) fn asker(engine: &mut Engine, index: u32) -> Asker {
    let conn = &mut engine.conns[index as usize];
    // What its connection asks next waits for the answer.
    conn.fence = true;
    let silent = conn.silent;
    Asker { home: engine.me, origin: engine.place(index), silent }
}

fn begin(engine: &mut Engine, index: u32, why: fn(Asker) -> Why) -> Served {
    let asker = asker(engine, index);
    if let Err(fault) = engine.begin_snapshot(why(asker)) {
        engine.tell_asker(asker, move |r| r.fault(&fault));
    }
    Served::Done
}

pub(super) fn save(engine: &mut Engine, index: u32) -> Served {
    begin(engine, index, Why::Waited)
}

/// SCHEDULE means to wait for a rewrite of the append log, if one runs.
pub(super) fn bgsave(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    if args.len() > 2 || args.len() == 2 && !args.is(1, "schedule") {
        return engine.refuse(index, None, &Fault::Syntax);
    }
    if engine.process.persist.log.facts().rewriting {
        if args.len() == 2 {
            engine.process.persist.saves().scheduled = true;
            engine.answer(index, |r| r.simple("Background saving scheduled"));
            return Served::Done;
        }
        let fault = "Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to \
                     schedule a BGSAVE whenever possible.";
        return engine.refuse(index, None, &Fault::err(fault));
    }
    begin(engine, index, Why::Asked)
}

/// A snapshot makes the append log short. Without a log too, as in Redis.
pub(super) fn bgrewriteaof(engine: &mut Engine, index: u32) -> Served {
    if engine.process.persist.log.facts().rewriting {
        let fault = Fault::err("Background append only file rewriting already in progress");
        return engine.refuse(index, None, &fault);
    }
    if engine.process.persist.saves().running_since_ms.is_some() {
        engine.process.persist.log.facts().scheduled = true;
        engine.answer(index, |r| r.simple("Background append only file rewriting scheduled"));
        return Served::Done;
    }
    begin(engine, index, |asker| Why::Rewrite(Some(asker)))
}

/// WAITAOF devices replicas ms. What the connection has written is below the numbers that the shards' records have come to: its
/// earlier asks are done when it is answered.
pub(super) fn waitaof(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let refused = |text: &str| Fault::err(text);
    let local = match parse_i64(args.at(1)) {
        None => return engine.refuse(index, None, &Fault::NotInteger),
        Some(n @ 0..=1) => n,
        Some(_) => {
            return engine.refuse(index, None, &refused("value is out of range, value must between 0 and 1"));
        }
    };
    let replicas = match parse_i64(args.at(2)) {
        None => return engine.refuse(index, None, &Fault::NotInteger),
        Some(n) if n < 0 => return engine.refuse(index, None, &refused("value is out of range, must be positive")),
        Some(n) => n,
    };
    let timeout_ms = match timeout_ms(engine, args.at(3)) {
        Ok(ms) => ms,
        Err(fault) => return engine.refuse(index, None, &fault),
    };
    if local > 0 && engine.process.persist.log.mode() == Mode::Off {
        let fault = refused("WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
        return engine.refuse(index, None, &fault);
    }
    let asker = asker(engine, index);
    let until_us = match timeout_ms {
        0 => u64::MAX,
        ms => engine.now.up_us.saturating_add(ms.saturating_mul(1000)),
    };
    let dialect = engine.conns[index as usize].dialect;
    engine.ask_all(
        |engine| Answer::Now(engine.records_made()),
        move |engine, needs: Vec<u64>| {
            let has = engine.log_has(&needs);
            if replicas == 0 && (local == 0 || has) {
                let mut out = Out::new();
                if !asker.silent {
                    speak(dialect, &mut out, |r| draw_waitaof(r, has));
                }
                return engine.deliver_drawn(asker.origin, &mut out);
            }
            engine.wait_for_log(asker, needs, replicas > 0, until_us);
        },
    );
    Served::Done
}

/// Before the first snapshot, as in Redis, the start counts.
pub(super) fn lastsave(engine: &mut Engine, index: u32) -> Served {
    let at = engine.process.persist.saves().last_s;
    engine.answer(index, |r| r.int(at as i64));
    Served::Done
}

/// Answers nothing when it goes through: the connection ends.
pub(super) fn shutdown(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let (mut leave, mut now, mut abort) = (Leave::default(), false, false);
    for word in args.from(1).iter() {
        match &word.to_ascii_lowercase()[..] {
            b"save" => leave.save = true,
            b"nosave" => leave.nosave = true,
            b"force" => leave.force = true,
            // Nothing is waited for anyway: there are no replicas.
            b"now" => now = true,
            b"abort" => abort = true,
            _ => return engine.refuse(index, None, &Fault::Syntax),
        }
    }
    if abort && (now || leave != Leave::default()) || leave.save && leave.nosave {
        return engine.refuse(index, None, &Fault::Syntax);
    }
    if abort {
        if !engine.stay() {
            return engine.refuse(index, None, &Fault::err("No shutdown in progress."));
        }
        engine.answer(index, |r| r.ok());
        return Served::Done;
    }
    let asker = asker(engine, index);
    engine.leave(leave, Some(asker));
    Served::Done
}
