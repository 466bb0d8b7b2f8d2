//! Room: admin. The verbs that the process answers: connections, settings, facts, what walks over every shard.
//! Touches: everything below.

mod connection;
mod keyspace;

use crate::engine::{Engine, Served};
use base::Args;
use command::row::{Row, Verb};

/// Answers one ask of a connection of this shard.
pub fn serve(engine: &mut Engine, index: u32, verb: Verb, row: &'static Row, args: Args<'_>) -> Served {
    use Verb::*;
    match verb {
        Ping => connection::ping(engine, index, args),
        Echo => connection::echo(engine, index, args),
        Select => connection::select(engine, index, args),
        Quit => connection::quit(engine, index),
        Dbsize => keyspace::dbsize(engine, index),
        Keys => keyspace::keys(engine, index, args),
        Scan => keyspace::scan(engine, index, args),
        Randomkey => keyspace::randomkey(engine, index),
        Flushall | Flushdb => keyspace::flush(engine, index, verb, args),
        Swapdb => keyspace::swapdb(engine, index, args),
        _ => engine.refuse(index, Some(row), &base::Fault::err("not there")),
    }
}
