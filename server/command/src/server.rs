//! Room: command. Rows of the server family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

mod backup;

use crate::generic::memory_usage;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run, Verb};
pub use backup::BACKUP;

/// What concerns the whole server. The process answers.
pub static SERVER: [Row; 24] = [
    Row {
        name: "backup",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Makes backups and looks after them.",
            since: "7.2.0",
            group: "server",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &BACKUP,
        ..Row::NONE
    },
    Row {
        name: "bgrewriteaof",
        arity: 1,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::NO_ASYNC_LOADING,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Bgrewriteaof),
        docs: Docs {
            summary: "Begins a snapshot, which makes the append log short.",
            since: "1.0.0",
            group: "server",
            complexity: "O(1); O(N) in the background, N: keys",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "bgsave",
        arity: -1,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::NO_ASYNC_LOADING,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Bgsave),
        docs: Docs {
            summary: "Begins a snapshot.",
            since: "1.0.0",
            group: "server",
            complexity: "O(1); O(N) in the background, N: keys",
            history: &[("3.2.2", "`SCHEDULE`.")],
            arguments: "schedule!SCHEDULE?@3.2.2",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "command",
        arity: -1,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::Command),
        docs: Docs {
            summary: "Describes all commands.",
            since: "2.8.13",
            group: "server",
            complexity: "O(N), N: commands",
            tips: &["nondeterministic_output_order"],
            ..Docs::NONE
        },
        subs: &COMMAND,
        ..Row::NONE
    },
    Row {
        name: "config",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Looks after the settings.",
            since: "2.0.0",
            group: "server",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &CONFIG,
        ..Row::NONE
    },
    Row {
        name: "dbsize",
        arity: 1,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::KEYSPACE | Category::READ | Category::FAST,
        run: Run::Server(Verb::Dbsize),
        docs: Docs {
            summary: "Counts the keys of the database.",
            since: "1.0.0",
            group: "server",
            complexity: "O(1)",
            tips: &["request_policy:all_shards", "response_policy:agg_sum"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "debug",
        arity: -2,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE | Flag::PROTECTED | Flag::SYSCMD,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Debug),
        docs: Docs {
            summary: "Looks inside the server, for its developers.",
            since: "1.0.0",
            group: "server",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "flushall",
        arity: -1,
        flags: Flag::WRITE,
        acl: Category::KEYSPACE | Category::WRITE | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Flushall),
        docs: Docs {
            summary: "Removes all keys of all databases.",
            since: "1.0.0",
            group: "server",
            complexity: "O(N), N: keys",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            history: &[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")],
            arguments: "flush-type{async!ASYNC@4.0.0 sync!SYNC@6.2.0}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "flushdb",
        arity: -1,
        flags: Flag::WRITE,
        acl: Category::KEYSPACE | Category::WRITE | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Flushdb),
        docs: Docs {
            summary: "Removes all keys of the database.",
            since: "1.0.0",
            group: "server",
            complexity: "O(N), N: keys",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            history: &[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")],
            arguments: "flush-type{async!ASYNC@4.0.0 sync!SYNC@6.2.0}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "info",
        arity: -1,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Info),
        docs: Docs {
            summary: "Reports state and statistics of the server.",
            since: "1.0.0",
            group: "server",
            complexity: "O(1)",
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            history: &[("7.0.0", "Several sections at once.")],
            arguments: "section?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lastsave",
        arity: 1,
        flags: Flag::LOADING | Flag::STALE | Flag::FAST,
        acl: Category::ADMIN | Category::FAST | Category::DANGEROUS,
        run: Run::Server(Verb::Lastsave),
        docs: Docs {
            summary: "Tells the Unix time of the last snapshot.",
            since: "1.0.0",
            group: "server",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "latency",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Looks into delays.",
            since: "2.8.13",
            group: "server",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &LATENCY,
        ..Row::NONE
    },
    Row {
        name: "lolwut",
        arity: -1,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::FAST,
        run: Run::Server(Verb::Lolwut),
        docs: Docs {
            summary: "Shows a piece of computer art and the version.",
            since: "5.0.0",
            group: "server",
            arguments: "version:int=VERSION?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "memory",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Looks into the use of memory.",
            since: "4.0.0",
            group: "server",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &MEMORY,
        ..Row::NONE
    },
    Row {
        name: "monitor",
        arity: 1,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Monitor),
        docs: Docs { summary: "Shows every command as it arrives.", since: "1.0.0", group: "server", ..Docs::NONE },
        ..Row::NONE
    },
    Row {
        name: "psync",
        arity: -3,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::NO_ASYNC_LOADING | Flag::NO_MULTI,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Psync),
        docs: Docs {
            summary: "Asks for a dump, as replicas do.",
            since: "2.8.0",
            group: "server",
            arguments: "replicationid offset:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "replconf",
        arity: -1,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE | Flag::ALLOW_BUSY,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Replconf),
        docs: Docs {
            summary: "Says what a client that asks for a dump understands.",
            since: "3.0.0",
            group: "server",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "role",
        arity: 1,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE | Flag::FAST,
        acl: Category::ADMIN | Category::FAST | Category::DANGEROUS,
        run: Run::Server(Verb::Role),
        docs: Docs {
            summary: "Tells the part that the server plays in replication.",
            since: "2.8.12",
            group: "server",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "save",
        arity: 1,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::NO_ASYNC_LOADING | Flag::NO_MULTI,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Save),
        docs: Docs {
            summary: "Makes a snapshot and answers when it is on the disk.",
            since: "1.0.0",
            group: "server",
            complexity: "O(N), N: keys",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "shutdown",
        arity: -1,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE | Flag::NO_MULTI | Flag::ALLOW_BUSY,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Shutdown),
        docs: Docs {
            summary: "Ends the server.",
            since: "1.0.0",
            group: "server",
            complexity: "O(N) with a snapshot, N: keys; else O(1)",
            history: &[("7.0.0", "`NOW`, `FORCE` and `ABORT`.")],
            arguments: "save-selector{nosave!NOSAVE save!SAVE}? now!NOW?@7.0.0 force!FORCE?@7.0.0 abort!ABORT?@7.0.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "slowlog",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Looks into the log of slow commands.",
            since: "2.2.12",
            group: "server",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &SLOWLOG,
        ..Row::NONE
    },
    Row {
        name: "swapdb",
        arity: 3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::KEYSPACE | Category::WRITE | Category::FAST | Category::DANGEROUS,
        run: Run::Server(Verb::Swapdb),
        docs: Docs {
            summary: "Exchanges two databases.",
            since: "4.0.0",
            group: "server",
            complexity: "O(N), N: clients that watch or wait in them",
            arguments: "index1:int index2:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sync",
        arity: 1,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::NO_ASYNC_LOADING | Flag::NO_MULTI,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Sync),
        docs: Docs { summary: "Asks for a dump.", since: "1.0.0", group: "server", ..Docs::NONE },
        ..Row::NONE
    },
    Row {
        name: "time",
        arity: 1,
        flags: Flag::LOADING | Flag::STALE | Flag::FAST,
        acl: Category::FAST,
        run: Run::Server(Verb::Time),
        docs: Docs {
            summary: "Tells the time of the server.",
            since: "2.6.0",
            group: "server",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

/// Subcommands of `COMMAND`.
pub static COMMAND: [Row; 7] = [
    Row {
        name: "command|count",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::CommandCount),
        docs: Docs {
            summary: "Counts the commands.",
            since: "2.8.13",
            group: "server",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "command|docs",
        arity: -2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::CommandDocs),
        docs: Docs {
            summary: "Explains commands and their arguments.",
            since: "7.0.0",
            group: "server",
            complexity: "O(N), N: commands asked for",
            tips: &["nondeterministic_output_order"],
            arguments: "command-name?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "command|getkeys",
        arity: -3,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::CommandGetkeys),
        docs: Docs {
            summary: "Finds the keys in a command.",
            since: "2.8.13",
            group: "server",
            complexity: "O(N), N: arguments",
            arguments: "command arg?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "command|getkeysandflags",
        arity: -3,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::CommandGetkeysandflags),
        docs: Docs {
            summary: "Finds the keys in a command and what it does to each.",
            since: "7.0.0",
            group: "server",
            complexity: "O(N), N: arguments",
            arguments: "command arg?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "command|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::CommandHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: "server",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "command|info",
        arity: -2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::CommandInfo),
        docs: Docs {
            summary: "Describes commands.",
            since: "2.8.13",
            group: "server",
            complexity: "O(N), N: commands asked for",
            tips: &["nondeterministic_output_order"],
            history: &[("7.0.0", "Without arguments it describes all commands.")],
            arguments: "command-name?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "command|list",
        arity: -2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::CommandList),
        docs: Docs {
            summary: "Lists the names of commands.",
            since: "7.0.0",
            group: "server",
            complexity: "O(N), N: commands",
            tips: &["nondeterministic_output_order"],
            arguments: "filterby{module-name=MODULE category=ACLCAT pattern:pattern=PATTERN}=FILTERBY?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

/// Subcommands of `CONFIG`.
pub static CONFIG: [Row; 5] = [
    Row {
        name: "config|get",
        arity: -3,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::ConfigGet),
        docs: Docs {
            summary: "Reads settings.",
            since: "2.0.0",
            group: "server",
            complexity: "O(N), N: settings",
            history: &[("7.0.0", "Several patterns at once.")],
            arguments: "parameter*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "config|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::ConfigHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: "server",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "config|resetstat",
        arity: 2,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::ConfigResetstat),
        docs: Docs {
            summary: "Sets the statistics to zero.",
            since: "2.0.0",
            group: "server",
            complexity: "O(1)",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "config|rewrite",
        arity: 2,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::ConfigRewrite),
        docs: Docs {
            summary: "Writes the settings in force to the configuration file.",
            since: "2.8.0",
            group: "server",
            complexity: "O(1)",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "config|set",
        arity: -4,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::ConfigSet),
        docs: Docs {
            summary: "Changes settings.",
            since: "2.0.0",
            group: "server",
            complexity: "O(N), N: settings",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            history: &[("7.0.0", "Several settings at once.")],
            arguments: "data(parameter value)*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

/// Subcommands of `LATENCY`.
pub static LATENCY: [Row; 7] = [
    Row {
        name: "latency|doctor",
        arity: 2,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::LatencyDoctor),
        docs: Docs {
            summary: "Reports on delays in plain words.",
            since: "2.8.13",
            group: "server",
            complexity: "O(1)",
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "latency|graph",
        arity: 3,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::LatencyGraph),
        docs: Docs {
            summary: "Draws the delays of an event.",
            since: "2.8.13",
            group: "server",
            complexity: "O(1)",
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            arguments: "event",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "latency|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::LatencyHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "2.8.13",
            group: "server",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "latency|histogram",
        arity: -2,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::LatencyHistogram),
        docs: Docs {
            summary: "Shows how long commands took, as cumulated counts.",
            since: "7.0.0",
            group: "server",
            complexity: "O(N), N: commands",
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            arguments: "command?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "latency|history",
        arity: 3,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::LatencyHistory),
        docs: Docs {
            summary: "Lists the delays of an event with their times.",
            since: "2.8.13",
            group: "server",
            complexity: "O(1)",
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            arguments: "event",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "latency|latest",
        arity: 2,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::LatencyLatest),
        docs: Docs {
            summary: "Lists the newest delay of each event.",
            since: "2.8.13",
            group: "server",
            complexity: "O(1)",
            tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "latency|reset",
        arity: -2,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::LatencyReset),
        docs: Docs {
            summary: "Forgets the delays of events.",
            since: "2.8.13",
            group: "server",
            complexity: "O(1)",
            tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
            arguments: "event?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

/// Subcommands of `MEMORY`.
pub static MEMORY: [Row; 6] = [
    Row {
        name: "memory|doctor",
        arity: 2,
        acl: Category::SLOW,
        run: Run::Server(Verb::MemoryDoctor),
        docs: Docs {
            summary: "Reports on memory in plain words.",
            since: "4.0.0",
            group: "server",
            complexity: "O(1)",
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "memory|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::MemoryHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "4.0.0",
            group: "server",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "memory|malloc-stats",
        arity: 2,
        acl: Category::SLOW,
        run: Run::Server(Verb::MemoryMallocStats),
        docs: Docs {
            summary: "Shows the statistics of the allocator.",
            since: "4.0.0",
            group: "server",
            complexity: "By the memory allocated",
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "memory|purge",
        arity: 2,
        acl: Category::SLOW,
        run: Run::Server(Verb::MemoryPurge),
        docs: Docs {
            summary: "Asks the allocator to give memory back.",
            since: "4.0.0",
            group: "server",
            complexity: "By the memory allocated",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "memory|stats",
        arity: 2,
        acl: Category::SLOW,
        run: Run::Server(Verb::MemoryStats),
        docs: Docs {
            summary: "Shows where the memory is.",
            since: "4.0.0",
            group: "server",
            complexity: "O(1)",
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "memory|usage",
        arity: -3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 2, ..KeySpec::ONE }]),
        run: Run::One(memory_usage),
        docs: Docs {
            summary: "Tells how many bytes a key and its value take.",
            since: "4.0.0",
            group: "server",
            complexity: "O(N), N: samples",
            arguments: "key:key0 count:int=SAMPLES?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

/// Subcommands of `SLOWLOG`.
pub static SLOWLOG: [Row; 4] = [
    Row {
        name: "slowlog|get",
        arity: -2,
        flags: Flag::ADMIN | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::SlowlogGet),
        docs: Docs {
            summary: "Lists entries of the slow log.",
            since: "2.2.12",
            group: "server",
            complexity: "O(N), N: entries",
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            history: &[("4.0.0", "Entries tell address and name of the client.")],
            arguments: "count:int?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "slowlog|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::SlowlogHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "6.2.0",
            group: "server",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "slowlog|len",
        arity: 2,
        flags: Flag::ADMIN | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::SlowlogLen),
        docs: Docs {
            summary: "Counts the entries of the slow log.",
            since: "2.2.12",
            group: "server",
            complexity: "O(1)",
            tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "slowlog|reset",
        arity: 2,
        flags: Flag::ADMIN | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::SlowlogReset),
        docs: Docs {
            summary: "Empties the slow log.",
            since: "2.2.12",
            group: "server",
            complexity: "O(N), N: entries",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
