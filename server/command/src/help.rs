//! Room: command. What the HELP subcommands of containers say. Touches: base.

use base::Reply;

/// One subcommand: how it is written, and what it does, one line each.
type Entry = (&'static str, &'static [&'static str]);

/// The answer to `<container> HELP`, in the shape that all of Redis's have.
pub fn help(container: &str, reply: &mut dyn Reply) {
    let entries = entries(container);
    let lines: usize = entries.iter().map(|(_, text)| 1 + text.len()).sum();
    reply.array(lines + 3);
    let name = container.to_ascii_uppercase();
    reply.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for (usage, text) in entries {
        reply.simple(usage);
        text.iter().for_each(|line| reply.simple(&format!("    {line}")));
    }
    reply.simple("HELP");
    reply.simple("    Print this help.");
}

/// Empty for what is no container.
fn entries(container: &str) -> &'static [Entry] {
    match container {
        "backup" => BACKUP,
        "client" => CLIENT,
        "cluster" => CLUSTER,
        "command" => COMMAND,
        "config" => CONFIG,
        "debug" => DEBUG,
        "latency" => LATENCY,
        "memory" => MEMORY,
        "object" => OBJECT,
        "pubsub" => PUBSUB,
        "slowlog" => SLOWLOG,
        "xgroup" => XGROUP,
        "xinfo" => XINFO,
        _ => &[],
    }
}

const BACKUP: &[Entry] = &[
    ("DELETE <id>", &["Remove a backup of backup-dir."]),
    ("INFO", &["How backups go: settings, what runs, the last ones."]),
    ("LIST", &["The backups in backup-dir, newest first."]),
    (
        "NOW [TO <place>]",
        &[
            "Make a backup in backup-dir, or in this folder or s3://BUCKET/PREFIX. Its name is replied",
            "when it is made.",
        ],
    ),
];

const CLIENT: &[Entry] = &[
    ("CACHING (YES|NO)", &["Say of the next command whether its keys are tracked."]),
    ("GETNAME", &["The name of this connection."]),
    ("GETREDIR", &["The connection that gets the invalidation messages of this one."]),
    ("ID", &["The number of this connection."]),
    ("INFO", &["This connection, as LIST shows it."]),
    ("KILL <ip:port>", &["Close the connection from <ip:port>."]),
    (
        "KILL <option> <value> [<option> <value> [...]]",
        &[
            "Close every connection that fits all options:",
            "* ADDR (<ip:port>|<unixsocket>:0): its address.",
            "* LADDR (<ip:port>|<unixsocket>:0): the address it came to.",
            "* ID <client-id>: its number.",
            "* TYPE (NORMAL|MASTER|REPLICA|PUBSUB): what it is used for.",
            "* USER <username>: who it speaks for.",
            "* SKIPME (YES|NO): whether this connection is spared (yes by default).",
        ],
    ),
    (
        "LIST [options ...]",
        &[
            "Connections, one a line:",
            "* TYPE (NORMAL|MASTER|REPLICA|PUBSUB): only those used so.",
            "* ID <client-id> [<client-id> ...]: only these.",
        ],
    ),
    ("NO-EVICT (ON|OFF)", &["Whether this connection is kept when others are closed to free memory."]),
    ("NO-TOUCH (ON|OFF)", &["Whether reads of this connection leave the age of keys alone."]),
    ("PAUSE <timeout> [WRITE|ALL]", &["Hold back all commands, or those that write, for <timeout> milliseconds."]),
    ("REPLY (ON|OFF|SKIP)", &["Whether this connection gets replies."]),
    (
        "SETINFO <option> <value>",
        &["Describe the client:", "* LIB-NAME: its library.", "* LIB-VER: the library's version."],
    ),
    ("SETNAME <name>", &["Name this connection."]),
    ("UNBLOCK <client-id> [TIMEOUT|ERROR]", &["End the wait of a client, as if its time were over, or with an error."]),
    ("UNPAUSE", &["End a pause."]),
];

const CLUSTER: &[Entry] = &[
    ("COUNTKEYSINSLOT <slot>", &["How many keys <slot> has."]),
    ("INFO", &["The state of the cluster."]),
    ("KEYSLOT <key>", &["The slot of <key>."]),
    ("MYID", &["The id of this node."]),
    ("NODES", &["The nodes and their slots, one a line:", "<id> <ip:port@bus-port[,hostname]> <flags> ... <slot> ..."]),
    ("SHARDS", &["The shards, their slots and nodes."]),
    ("SLOTS", &["Ranges of slots: first, last, and the nodes that have them."]),
];

const COMMAND: &[Entry] = &[
    ("(no subcommand)", &["Every command, as INFO describes it."]),
    ("COUNT", &["How many commands there are."]),
    ("DOCS [<command-name> ...]", &["What commands do and which arguments they take; all of them without a name."]),
    ("GETKEYS <full-command>", &["The keys in a command."]),
    ("GETKEYSANDFLAGS <full-command>", &["The keys in a command, each with what is done to it."]),
    ("INFO [<command-name> ...]", &["Arity, flags and keys of commands; all of them without a name."]),
    (
        "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
        &["The names of commands: all, or those that the filter lets through."],
    ),
];

const CONFIG: &[Entry] = &[
    ("GET <pattern> [<pattern> ...]", &["The settings that fit a pattern, with their values."]),
    ("SET <directive> <value> [<directive> <value> ...]", &["Change settings, all or none of them."]),
    ("RESETSTAT", &["Set the statistics that INFO shows to zero."]),
    ("REWRITE", &["Write the settings in force to the configuration file."]),
];

const DEBUG: &[Entry] = &[
    ("CHANGE-REPL-ID", &["Take a new replication id."]),
    ("DIGEST", &["A hash of everything stored."]),
    ("DIGEST-VALUE <key> [<key> ...]", &["A hash of each value."]),
    ("ERROR <string>", &["Answer with <string> as an error."]),
    ("HTSTATS <dbid> [full]", &["How full the tables of a database are."]),
    ("JMAP", &["Accepted, without effect."]),
    ("LOG <message>", &["Write <message> to the log."]),
    ("OBJECT <key>", &["How the value of <key> is kept."]),
    (
        "POPULATE <count> [<prefix>] [<size>]",
        &["Make <count> keys that hold strings, named <prefix>:<number> ('key' by default)."],
    ),
    (
        "PROTOCOL <type>",
        &[
            "Answer with an example of a type: string, integer, double, bignum, null, array, set, map, attrib, push,",
            "verbatim, true, false.",
        ],
    ),
    ("REPLYBUFFER <option> <value>", &["Accepted, without effect."]),
    ("SET-ACTIVE-EXPIRE <0|1>", &["Whether keys are removed at their deadline, or only when someone asks for them."]),
    ("SLEEP <seconds>", &["Stop for <seconds>, which may have decimals."]),
    ("STRINGMATCH-LEN <len> <pattern>", &["Match <pattern> against <len> times the letter a."]),
];

const LATENCY: &[Entry] = &[
    ("DOCTOR", &["The delays seen, in plain words."]),
    ("GRAPH <event>", &["The delays of <event>, drawn."]),
    ("HISTOGRAM [<command> ...]", &["How long commands took, in cumulated counts; all commands without a name."]),
    ("HISTORY <event>", &["The delays of <event> with their times."]),
    ("LATEST", &["The newest delay of each event."]),
    ("RESET [<event> ...]", &["Forget the delays of these events; of all without a name."]),
];

const MEMORY: &[Entry] = &[
    ("DOCTOR", &["The use of memory, in plain words."]),
    ("MALLOC-STATS", &["The statistics of the allocator."]),
    ("PURGE", &["Ask the allocator to give memory back."]),
    ("STATS", &["Where the memory is."]),
    (
        "USAGE <key> [SAMPLES <count>]",
        &["Bytes that <key> and its value take. Of nested values <count> are looked at (5 by default, 0: all)."],
    ),
];

const OBJECT: &[Entry] = &[
    ("ENCODING <key>", &["The form in which the value of <key> is kept."]),
    ("FREQ <key>", &["How often <key> is used, on a logarithmic scale. Needs an LFU policy."]),
    ("IDLETIME <key>", &["For how many seconds <key> was not used. Not under an LFU policy."]),
    ("REFCOUNT <key>", &["References to the value of <key>."]),
];

const PUBSUB: &[Entry] = &[
    ("CHANNELS [<pattern>]", &["Channels that somebody listens to, patterns left aside (default: '*')."]),
    ("NUMPAT", &["How many different patterns are listened to."]),
    ("NUMSUB [<channel> ...]", &["How many listen to each of these channels, patterns left aside."]),
    ("SHARDCHANNELS [<pattern>]", &["Channels of one slot that somebody listens to."]),
    ("SHARDNUMSUB [<shardchannel> ...]", &["How many listen to each of these channels of one slot."]),
];

const SLOWLOG: &[Entry] = &[
    (
        "GET [<count>]",
        &[
            "The newest <count> entries (10 by default, -1: all). An entry has:",
            "number, time, duration in microseconds, arguments, address of the client, name of the client.",
        ],
    ),
    ("LEN", &["How many entries there are."]),
    ("RESET", &["Empty the log."]),
];

const XGROUP: &[Entry] = &[
    (
        "CREATE <key> <groupname> <id|$> [option]",
        &[
            "Add a group that has read up to <id>. Options:",
            "* MKSTREAM",
            "  Create the stream where there is none.",
            "* ENTRIESREAD entries_read",
            "  How many entries it has read so far.",
        ],
    ),
    ("CREATECONSUMER <key> <groupname> <consumer>", &["Add a consumer to a group."]),
    ("DELCONSUMER <key> <groupname> <consumer>", &["Take a consumer out of a group."]),
    ("DESTROY <key> <groupname>", &["Delete a group."]),
    ("SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]", &["Say up to where a group has read."]),
];

const XINFO: &[Entry] = &[
    ("CONSUMERS <key> <groupname>", &["The consumers of a group."]),
    ("GROUPS <key>", &["The groups of a stream."]),
    ("STREAM <key> [FULL [COUNT <count>]", &["All about a stream."]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::rows;

    #[test]
    fn every_container_tells_all_of_its_subcommands() {
        for row in rows().filter(|row| !row.subs.is_empty()) {
            for sub in row.subs.iter().filter(|sub| sub.sub_name() != "help") {
                let name = sub.sub_name().to_ascii_uppercase();
                let told = entries(row.name).iter().any(|(usage, _)| usage.split(' ').next() == Some(&name));
                assert!(told, "{} HELP is silent about {name}", row.name);
            }
            for (usage, _) in entries(row.name).iter().filter(|(usage, _)| !usage.starts_with('(')) {
                let word = usage.split(' ').next().unwrap_or_default();
                assert!(crate::table::find_sub(row, word.as_bytes()).is_some(), "{} has no {word}", row.name);
            }
        }
    }
}
