//! COMMAND and the HELP of containers: what the table says of itself.

use super::{cluster, connection};
use crate::engine::{Engine, Served};
use base::Args;
use command::row::Verb;

pub(super) fn command(engine: &mut Engine, index: u32, verb: Verb, args: Args<'_>) -> Served {
    let names = engine.names.clone();
    engine.answer(index, |r| command::commands::command(&names, verb, args, r));
    Served::Done
}

pub(super) fn help(engine: &mut Engine, index: u32, container: &str) -> Served {
    if container == "cluster"
        && let Some(fault) = cluster::objection(engine)
    {
        return connection::refuse(engine, index, fault);
    }
    engine.answer(index, |r| command::help::help(container, r));
    Served::Done
}
