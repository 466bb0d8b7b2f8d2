//! Room: admin. The verbs that the process answers: connections, settings, facts, what walks over every shard.
//! Touches: everything below.

mod backup;
mod client;
mod cluster;
mod commands;
mod config;
mod connection;
mod debug;
mod detail;
mod digest;
mod info;
mod keyspace;
mod latency;
mod memcache;
mod memory;
mod misc;
mod monitor;
mod pubsub;
mod replication;
mod slowlog;
mod snapshot;

use crate::engine::{Engine, Served};
use crate::session::Stall;
use base::Args;
use command::row::{Row, Verb};

/// Answers one ask of a connection of this shard.
pub fn serve(engine: &mut Engine, index: u32, verb: Verb, row: &'static Row, args: Args<'_>) -> Served {
    use Verb::*;
    // What looks at every shard sees all that this connection asked for before.
    let looks_at_all = matches!(
        verb,
        Dbsize
            | Keys
            | Scan
            | Randomkey
            | Debug
            | Info
            | ConfigResetstat
            | Monitor
            | Shutdown
            | BackupNow
            | Bgrewriteaof
            | Bgsave
            | Waitaof
            | Save
            | McStats
            | MemoryStats
            | MemoryDoctor
            | SlowlogGet
            | SlowlogLen
            | SlowlogReset
            | LatencyHistogram
            | LatencyReset
    );
    if looks_at_all && !engine.conns[index as usize].order.is_empty() {
        return Served::Stall(Stall::Barrier);
    }
    match verb {
        Ping => connection::ping(engine, index, row, args),
        Auth => connection::auth(engine, index, args),
        Hello => connection::hello(engine, index, args),
        Reset => connection::reset(engine, index),
        Echo => connection::echo(engine, index, args),
        Select => connection::select(engine, index, args),
        Quit => connection::quit(engine, index),
        ClientHelp => commands::help(engine, index, "client"),
        ClientCaching | ClientGetname | ClientGetredir | ClientId | ClientInfo | ClientKill | ClientList
        | ClientNoEvict | ClientNoTouch | ClientPause | ClientReply | ClientSetinfo | ClientSetname | ClientUnpause => {
            client::client(engine, index, verb, args)
        }
        Command
        | CommandCount
        | CommandDocs
        | CommandGetkeys
        | CommandGetkeysandflags
        | CommandHelp
        | CommandInfo
        | CommandList => commands::command(engine, index, verb, args),
        ObjectHelp => commands::help(engine, index, "object"),
        XgroupHelp => commands::help(engine, index, "xgroup"),
        XinfoHelp => commands::help(engine, index, "xinfo"),
        Wait => replication::wait(engine, index, args),
        Waitaof => snapshot::waitaof(engine, index, args),
        Role => replication::role(engine, index),
        ClusterHelp => commands::help(engine, index, "cluster"),
        ClusterCountkeysinslot
        | ClusterInfo
        | ClusterKeyslot
        | ClusterMyid
        | ClusterNodes
        | ClusterShards
        | ClusterSlots => cluster::cluster(engine, index, verb, args),
        Asking | Readonly | Readwrite => cluster::access(engine, index, verb),
        Dbsize => keyspace::dbsize(engine, index),
        Keys => keyspace::keys(engine, index, args),
        Scan => keyspace::scan(engine, index, args),
        Randomkey => keyspace::randomkey(engine, index),
        Flushall | Flushdb => keyspace::flush(engine, index, verb, args),
        Swapdb => keyspace::swapdb(engine, index, args),
        Info => info::info(engine, index, args),
        ConfigGet => config::get(engine, index, args),
        ConfigSet => config::set(engine, index, args),
        ConfigRewrite => config::rewrite(engine, index),
        ConfigResetstat => config::resetstat(engine, index),
        ConfigHelp => commands::help(engine, index, "config"),
        Debug => debug::debug(engine, index, args),
        BackupDelete => backup::delete(engine, index, args),
        BackupHelp => commands::help(engine, index, "backup"),
        BackupInfo => backup::info(engine, index),
        BackupList => backup::list(engine, index),
        BackupNow => backup::now(engine, index, args),
        Psync => replication::sync(engine, index, true),
        Replconf => replication::replconf(engine, index, args),
        Sync => replication::sync(engine, index, false),
        Bgrewriteaof => snapshot::bgrewriteaof(engine, index),
        Bgsave => snapshot::bgsave(engine, index, args),
        Save => snapshot::save(engine, index),
        Lastsave => snapshot::lastsave(engine, index),
        Lolwut => misc::lolwut(engine, index, args),
        Shutdown => snapshot::shutdown(engine, index, args),
        Time => misc::time(engine, index),
        LatencyDoctor => latency::doctor(engine, index),
        LatencyGraph => latency::graph(engine, index, args),
        LatencyHelp => commands::help(engine, index, "latency"),
        LatencyHistogram => latency::histogram(engine, index, args),
        LatencyHistory => latency::history(engine, index, args),
        LatencyLatest => latency::latest(engine, index),
        LatencyReset => latency::reset(engine, index, args),
        MemoryDoctor => memory::doctor(engine, index),
        MemoryHelp => commands::help(engine, index, "memory"),
        MemoryMallocStats => memory::malloc_stats(engine, index),
        MemoryPurge => memory::purge(engine, index),
        MemoryStats => memory::stats(engine, index),
        Monitor => monitor::monitor(engine, index),
        SlowlogGet => slowlog::get(engine, index, args),
        SlowlogHelp => commands::help(engine, index, "slowlog"),
        SlowlogLen => slowlog::len(engine, index),
        SlowlogReset => slowlog::reset(engine, index),
        ClientUnblock => pubsub::unblock(engine, index, args),
        Subscribe | Psubscribe | Ssubscribe => pubsub::subscribe(engine, index, verb, row, args),
        Unsubscribe | Punsubscribe | Sunsubscribe => pubsub::unsubscribe(engine, index, verb, row, args),
        Publish | Spublish => pubsub::publish(engine, index, verb, row, args),
        PubsubHelp => commands::help(engine, index, "pubsub"),
        PubsubChannels | PubsubNumpat | PubsubNumsub | PubsubShardchannels | PubsubShardnumsub => {
            pubsub::pubsub(engine, index, verb, args)
        }
        McVersion => memcache::version(engine, index),
        McVerbosity => memcache::verbosity(engine, index, args),
        McFlushAll => memcache::flush_all(engine, index, args),
        McStats => memcache::stats(engine, index, args),
        McQuit => memcache::quit(engine, index),
        McCacheMemlimit => memcache::memlimit(engine, index, args),
        McMetaNoop => memcache::meta_noop(engine, index),
        McShutdown => memcache::shutdown(engine, index, args),
    }
}

/// A container whose word 1 is none of its own, or has too many words after it.
fn unknown_subcommand(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let cut = |word: &[u8]| String::from_utf8_lossy(&word[..word.len().min(128)]).into_owned();
    let (container, given) = (cut(args.at(0)).to_ascii_uppercase(), cut(args.at(1)));
    let text = format!("unknown subcommand or wrong number of arguments for '{given}'. Try {container} HELP.");
    engine.refuse(index, None, &base::Fault::err(text))
}
