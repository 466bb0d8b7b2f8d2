//! Room: admin. SAVE, BGSAVE, LASTSAVE, SHUTDOWN: asks for snapshots, which the engine makes.

use crate::engine::{Engine, Served, Why};
use crate::persist::{Asker, Leave};
use base::{Args, Fault};

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

/// SCHEDULE means to wait for a rewrite of the append log, if one runs: none ever does.
pub(super) fn bgsave(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    if args.len() > 2 || args.len() == 2 && !args.is(1, "schedule") {
        return engine.refuse(index, None, &Fault::Syntax);
    }
    begin(engine, index, Why::Asked)
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
