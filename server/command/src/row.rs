//! One row of the table. ACL, routing, COMMAND, COMMAND DOCS, metrics and the slow log read rows and know no names.

use crate::context::Ctx;
use base::{Args, DbId, Fault, Reply};
use store::Portable;

/// A command, or a subcommand of a container.
pub struct Row {
    /// Lower case. A subcommand: `config|get`. memcached's verbs are a family of their own, found by `find_memcache`.
    pub name: &'static str,
    /// Words of the ask, the verb included; negative: at least.
    pub arity: i16,
    /// `Flag::*` bits: what COMMAND INFO says.
    pub flags: u32,
    /// `Category::*` bits: what ACL CAT says.
    pub acl: u32,
    pub keys: Keys,
    pub run: Run,
    pub docs: Docs,
    /// Not empty: a container, whose word 1 chooses.
    pub subs: &'static [Row],
}

/// Which words are keys.
#[derive(Clone, Copy)]
pub enum Keys {
    None,
    /// first, last (negative counts from the end), step: COMMAND INFO's three numbers.
    Range { first: usize, last: isize, step: usize },
    /// Only a look at the words tells.
    Find(fn(Args<'_>, &mut Vec<usize>) -> Result<(), Fault>),
}

/// A handler whose keys all lie on the shard that runs it.
pub type Data = fn(&mut Ctx<'_>, Args<'_>, &mut dyn Reply);

/// Who runs a row and where.
#[derive(Clone, Copy)]
pub enum Run {
    /// One key: on the shard that owns it.
    One(Data),
    /// Several keys: `Data` where one shard owns them all, else the two steps of `Together`.
    Many(Data, &'static Together),
    /// The process answers: connections, settings, what walks over every shard.
    Server(Verb),
}

/// A command on keys of several shards, in two steps under locks on all of them: read where they lie, then decide once.
/// What is written leaves as values. One round of messages: the reply goes out when the reads are in.
pub struct Together {
    /// What to read at the key that is the `n`th of the ask's keys (0-based).
    pub read: fn(Args<'_>, n: usize) -> Read,
    /// Sees every key's `Fetched` in the order of the ask's keys, speaks the whole reply, adds what is to be written.
    /// Same reply, to the byte, as the row's `Data` gives for keys on one shard.
    pub decide: fn(&mut Decide<'_>, Args<'_>, &[Fetched<'_>], &mut dyn Reply),
}

/// What the far shard reads at a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Nothing: the key is only written.
    Skip,
    /// Whether it is there. Neither counts nor renews the age.
    Exists,
    /// Whether it is there; its age is renewed (TOUCH, EXISTS count as reads).
    Touch,
    /// The whole entry, counted as a hit or miss, its age renewed.
    Entry,
    /// The same, and its version, given to it if it has none (`gets`).
    Versioned,
    /// The whole entry as a write command looks at it: not counted (RENAME, COPY's source counts as read: use Entry).
    Move,
}

/// What a far shard found. Of `Exists` and `Touch` only presence is known.
#[derive(Clone, Copy, Debug)]
pub enum Fetched<'a> {
    Skipped,
    Absent,
    Present,
    Entry { value: &'a [u8], flags: u32, deadline: Option<u64>, version: u64, encoding: store::Encoding },
}

/// What a far shard is to do to key `n` of the ask, in database `db`.
#[derive(Clone, Debug)]
pub enum Write {
    Remove,
    Put(Portable),
    /// memcached gat: a new deadline (`None`: never), or one that has passed already: removed.
    Deadline(Option<u64>),
}

/// What `decide` may use and fill.
pub struct Decide<'a> {
    pub now_ms: u64,
    pub db: DbId,
    pub limits: &'a crate::context::Limits,
    pub tally: &'a mut crate::context::Tally,
    /// (index of the key among the ask's keys, database, write). At most one a key and database.
    pub writes: Vec<(usize, DbId, Write)>,
}

/// Verbs that the process answers. Their handlers live in the node, one match over these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    // connection
    Auth, ClientCaching, ClientGetname, ClientGetredir, ClientHelp, ClientId, ClientInfo, ClientKill, ClientList, ClientNoEvict,
    ClientNoTouch, ClientPause, ClientReply, ClientSetinfo, ClientSetname, ClientUnpause, Echo, Hello, Ping, Quit, Reset, Select,
    // generic, over all shards
    Keys, Randomkey, Scan, Wait, ObjectHelp,
    // server
    CommandList, CommandCount, CommandDocs, CommandGetkeys, CommandGetkeysandflags, CommandHelp, CommandInfo, Command,
    ConfigGet, ConfigSet, ConfigRewrite, ConfigResetstat, ConfigHelp, Dbsize, Debug, Flushall, Flushdb, Info, Lastsave,
    LatencyDoctor, LatencyGraph, LatencyHelp, LatencyHistogram, LatencyHistory, LatencyLatest, LatencyReset, Lolwut,
    MemoryDoctor, MemoryHelp, MemoryMallocStats, MemoryPurge, MemoryStats, Monitor, Role, Shutdown,
    SlowlogGet, SlowlogHelp, SlowlogLen, SlowlogReset, Swapdb, Time,
    // cluster
    ClusterCountkeysinslot, ClusterHelp, ClusterInfo, ClusterKeyslot, ClusterMyid, ClusterNodes, ClusterShards, ClusterSlots,
    Asking, Readonly, Readwrite,
    // memcached
    McVersion, McVerbosity, McFlushAll, McStats, McQuit, McCacheMemlimit, McMetaNoop, McShutdown,
}

/// What COMMAND DOCS tells beside the table's own columns.
#[derive(Clone, Copy)]
pub struct Docs {
    /// One line, our own words.
    pub summary: &'static str,
    pub since: &'static str,
    /// `string`, `generic`, `connection`, `server`, `cluster`, `memcached`
    pub group: &'static str,
    pub complexity: &'static str,
    /// Tips of COMMAND INFO: `nondeterministic_output`, `request_policy:all_shards`, ...
    pub tips: &'static [&'static str],
    /// (version, what changed)
    pub history: &'static [(&'static str, &'static str)],
    /// Arguments in a small notation of our own (see docs.rs), e.g. `key value [condition: NX|XX] [GET]`.
    pub arguments: &'static str,
}
