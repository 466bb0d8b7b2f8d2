//! Room: admin. The verbs that the process answers: connections, settings, facts, what walks over every shard.
//! Touches: everything below.

mod client;
mod cluster;
mod commands;
mod connection;
mod keyspace;
mod replication;

use crate::engine::{Engine, Served};
use base::Args;
use command::row::{Row, Verb};

/// Answers one ask of a connection of this shard.
pub fn serve(engine: &mut Engine, index: u32, verb: Verb, row: &'static Row, args: Args<'_>) -> Served {
    use Verb::*;
    match verb {
        Ping => connection::ping(engine, index, row, args),
        Auth => connection::auth(engine, index, args),
        Hello => connection::hello(engine, index, args),
        Reset => connection::reset(engine, index),
        Echo => connection::echo(engine, index, args),
        Select => connection::select(engine, index, args),
        Quit => connection::quit(engine, index),
        ClientHelp => commands::help(engine, index, "client"),
        ClientCaching | ClientGetname | ClientGetredir | ClientId | ClientInfo | ClientKill | ClientList | ClientNoEvict
        | ClientNoTouch | ClientPause | ClientReply | ClientSetinfo | ClientSetname | ClientUnpause => {
            client::client(engine, index, verb, args)
        }
        Command | CommandCount | CommandDocs | CommandGetkeys | CommandGetkeysandflags | CommandHelp | CommandInfo
        | CommandList => commands::command(engine, index, verb, args),
        ObjectHelp => commands::help(engine, index, "object"),
        Wait => replication::wait(engine, index, args),
        Role => replication::role(engine, index),
        ClusterHelp => commands::help(engine, index, "cluster"),
        ClusterCountkeysinslot | ClusterInfo | ClusterKeyslot | ClusterMyid | ClusterNodes | ClusterShards | ClusterSlots => {
            cluster::cluster(engine, index, verb, args)
        }
        Asking | Readonly | Readwrite => cluster::access(engine, index, verb),
        Dbsize => keyspace::dbsize(engine, index),
        Keys => keyspace::keys(engine, index, args),
        Scan => keyspace::scan(engine, index, args),
        Randomkey => keyspace::randomkey(engine, index),
        Flushall | Flushdb => keyspace::flush(engine, index, verb, args),
        Swapdb => keyspace::swapdb(engine, index, args),
        _ => engine.refuse(index, Some(row), &base::Fault::err("not there")),
    }
}
