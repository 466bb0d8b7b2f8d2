//! Room: admin. MONITOR: every shard hears of the connection, and shows it what it runs.

use crate::engine::{Engine, Served};

/// Said twice, the second time is not answered, as in Redis.
pub(super) fn monitor(engine: &mut Engine, index: u32) -> Served {
    let conn = &mut engine.conns[index as usize];
    if conn.monitor {
        return Served::Done;
    }
    conn.monitor = true;
    let who = (engine.me, index, conn.generation);
    engine.answer(index, |r| r.ok());
    engine.on_every_shard(move |e| {
        if !e.monitors.contains(&who) {
            e.monitors.push(who);
        }
    });
    Served::Done
}
