//! What clients ask of replication. There are no replicas: nobody acknowledges, and the process is its own primary.

use super::connection::refuse;
use crate::engine::{Engine, Served};
use crate::session::Stall;
use base::number::parse_i64;
use base::{Args, Fault};

/// WAIT replicas ms: a client that asks for none has its answer at once; one that asks for more waits in vain, 0 for ever.
pub(super) fn wait(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let Some(replicas) = parse_i64(args.at(1)) else { return refuse(engine, index, Fault::NotInteger) };
    let timeout_ms = match timeout_ms(engine, args.at(2)) {
        Ok(ms) => ms,
        Err(fault) => return refuse(engine, index, fault),
    };
    let up_us = engine.now.up_us;
    let conn = &mut engine.conns[index as usize];
    if replicas > 0 {
        if conn.waits_until_us == 0 {
            conn.waits_until_us =
                if timeout_ms == 0 { u64::MAX } else { up_us.saturating_add(timeout_ms.saturating_mul(1000)) };
        }
        if up_us < conn.waits_until_us {
            return Served::Stall(Stall::Until(conn.waits_until_us));
        }
        conn.waits_until_us = 0;
    }
    engine.answer(index, |r| r.int(0));
    Served::Done
}

/// A time to wait for, with Redis's objections: what is negative, or leads beyond what 63 bits count, is none.
pub(super) fn timeout_ms(engine: &Engine, word: &[u8]) -> Result<u64, Fault> {
    match parse_i64(word) {
        None => Err(Fault::err("timeout is not an integer or out of range")),
        Some(n) if n < 0 => Err(Fault::err("timeout is negative")),
        Some(n) if n > i64::MAX - engine.now.ms() as i64 => Err(Fault::err("timeout is out of range")),
        Some(n) => Ok(n as u64),
    }
}

/// ROLE: a primary at offset 0 without replicas.
pub(super) fn role(engine: &mut Engine, index: u32) -> Served {
    engine.answer(index, |r| {
        r.array(3);
        r.bulk(b"master");
        r.int(0);
        r.array(0);
    });
    Served::Done
}
