//! One row of the table. ACL, routing, COMMAND, COMMAND DOCS, metrics and the slow log read rows and know no names.

use crate::context::{Class, Ctx};
use crate::together::Found;
use base::{Args, ArgsBuf, DbId, Fault, Reply};
use std::any::Any;
use std::sync::Arc;
use store::{Kind, Portable};

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
    /// Whether the ask may read keys that none of its words names (SORT's BY and GET): then it locks every shard as a whole.
    pub roams: Option<fn(Args<'_>) -> bool>,
    pub docs: Docs,
    /// Not empty: a container, whose word 1 chooses.
    pub subs: &'static [Row],
}

impl Row {
    /// What a row need not say.
    pub const NONE: Row = Row {
        name: "",
        arity: 1,
        flags: 0,
        acl: 0,
        keys: Keys::None,
        run: Run::Container,
        roams: None,
        docs: Docs::NONE,
        subs: &[],
    };
}

/// Which words are keys. `table::keys_of` reads them.
#[derive(Clone, Copy)]
pub enum Keys {
    None,
    /// first, last (negative counts from the end), step: COMMAND INFO's three numbers.
    Range {
        first: usize,
        last: isize,
        step: usize,
    },
    /// The same facts as COMMAND INFO's key specifications tell them, with what the command does to each key.
    Specs(&'static [KeySpec]),
    /// The same facts where a count or a word among the ask's words decides. The function finds the keys (one at least), or
    /// says what is wrong with an ask that has none.
    Sought(&'static [KeySpec], fn(Args<'_>, &mut Vec<usize>) -> Result<(), Fault>),
    /// Only a look at the words tells.
    Find(fn(Args<'_>, &mut Vec<usize>) -> Result<(), Fault>),
}

/// One key specification: "begin search" by index or keyword, "find keys" by range or count.
/// Source: Redis documentation, "Key specifications".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySpec {
    /// `KeyFlag::*` bits.
    pub flags: u16,
    /// Index of the first key among the ask's words.
    pub first: usize,
    /// The last key, counted from the first; negative: counted from the end of the ask.
    pub last: isize,
    pub step: usize,
    /// Of the words up to the last, the keys are the first half (2), the first third (3), ...; 0: all.
    pub limit: usize,
    /// Not empty: keys begin behind this word, which is looked for from `first` on.
    pub keyword: &'static str,
    /// The word at `first` says how many keys follow it.
    pub counted: bool,
    /// Why the flags are what they are, where that needs a word; else empty.
    pub notes: &'static str,
}

impl KeySpec {
    /// Keys that no word names, or a word that may stand anywhere: Redis calls it unknown.
    pub const UNKNOWN: KeySpec = KeySpec { first: 0, ..KeySpec::ONE };

    pub fn is_unknown(&self) -> bool {
        self.first == 0
    }

    /// One key, word 1.
    pub const ONE: KeySpec =
        KeySpec { flags: 0, first: 1, last: 0, step: 1, limit: 0, keyword: "", counted: false, notes: "" };
}

/// What a command does to a key.
pub struct KeyFlag;

impl KeyFlag {
    /// Reads the value.
    pub const RO: u16 = 1;
    /// Reads and changes the value.
    pub const RW: u16 = 1 << 1;
    /// Overwrites the value.
    pub const OW: u16 = 1 << 2;
    /// Removes the key.
    pub const RM: u16 = 1 << 3;
    pub const ACCESS: u16 = 1 << 4;
    pub const UPDATE: u16 = 1 << 5;
    pub const INSERT: u16 = 1 << 6;
    pub const DELETE: u16 = 1 << 7;
    /// `SET`: the options decide.
    pub const VARIABLE: u16 = 1 << 8;
    /// No key, but it has a slot as a key does.
    pub const NOT_KEY: u16 = 1 << 9;

    /// Name and bit, in the order COMMAND INFO lists them.
    pub const NAMES: [(&'static str, u16); 10] = [
        ("RO", Self::RO),
        ("RW", Self::RW),
        ("OW", Self::OW),
        ("RM", Self::RM),
        ("access", Self::ACCESS),
        ("update", Self::UPDATE),
        ("insert", Self::INSERT),
        ("delete", Self::DELETE),
        ("variable_flags", Self::VARIABLE),
        ("not_key", Self::NOT_KEY),
    ];
}

/// What COMMAND INFO says of a command, and a few that only the server reads.
pub struct Flag;

impl Flag {
    pub const WRITE: u32 = 1;
    pub const READONLY: u32 = 1 << 1;
    /// Refused when memory is above `maxmemory` and nothing can be evicted.
    pub const DENYOOM: u32 = 1 << 2;
    pub const ADMIN: u32 = 1 << 3;
    pub const PUBSUB: u32 = 1 << 4;
    pub const NOSCRIPT: u32 = 1 << 5;
    pub const BLOCKING: u32 = 1 << 6;
    /// Allowed while a snapshot loads.
    pub const LOADING: u32 = 1 << 7;
    /// Allowed on a replica whose primary is gone.
    pub const STALE: u32 = 1 << 8;
    pub const SKIP_MONITOR: u32 = 1 << 9;
    pub const SKIP_SLOWLOG: u32 = 1 << 10;
    /// Redis Cluster: implies ASKING.
    pub const ASKING: u32 = 1 << 11;
    pub const FAST: u32 = 1 << 12;
    pub const NO_AUTH: u32 = 1 << 13;
    pub const NO_MANDATORY_KEYS: u32 = 1 << 14;
    pub const NO_ASYNC_LOADING: u32 = 1 << 15;
    pub const NO_MULTI: u32 = 1 << 16;
    /// Keys cannot be told from first, last and step alone.
    pub const MOVABLE_KEYS: u32 = 1 << 17;
    pub const ALLOW_BUSY: u32 = 1 << 18;
    /// Not shown: allowed only as `enable-protected-configs`, `enable-debug-command` say.
    pub const PROTECTED: u32 = 1 << 19;
    /// Not shown: may meet keys that its words do not name.
    pub const TOUCHES_ARBITRARY_KEYS: u32 = 1 << 20;
    /// COMMAND DOCS: `syscmd`, for the server's own use.
    pub const SYSCMD: u32 = 1 << 21;
    /// Reads, and may yet send replicas something (PFCOUNT, PUBLISH): it waits while writes are paused. Not shown by COMMAND.
    pub const MAY_REPLICATE: u32 = 1 << 22;

    /// Name and bit, in the order COMMAND INFO lists them.
    pub const NAMES: [(&'static str, u32); 19] = [
        ("write", Self::WRITE),
        ("readonly", Self::READONLY),
        ("denyoom", Self::DENYOOM),
        ("admin", Self::ADMIN),
        ("pubsub", Self::PUBSUB),
        ("noscript", Self::NOSCRIPT),
        ("blocking", Self::BLOCKING),
        ("loading", Self::LOADING),
        ("stale", Self::STALE),
        ("skip_monitor", Self::SKIP_MONITOR),
        ("skip_slowlog", Self::SKIP_SLOWLOG),
        ("asking", Self::ASKING),
        ("fast", Self::FAST),
        ("no_auth", Self::NO_AUTH),
        ("no_mandatory_keys", Self::NO_MANDATORY_KEYS),
        ("no_async_loading", Self::NO_ASYNC_LOADING),
        ("no_multi", Self::NO_MULTI),
        ("movablekeys", Self::MOVABLE_KEYS),
        ("allow_busy", Self::ALLOW_BUSY),
    ];
}

/// ACL categories.
pub struct Category;

impl Category {
    pub const KEYSPACE: u32 = 1;
    pub const READ: u32 = 1 << 1;
    pub const WRITE: u32 = 1 << 2;
    pub const SET: u32 = 1 << 3;
    pub const SORTEDSET: u32 = 1 << 4;
    pub const LIST: u32 = 1 << 5;
    pub const HASH: u32 = 1 << 6;
    pub const STRING: u32 = 1 << 7;
    pub const BITMAP: u32 = 1 << 8;
    pub const HYPERLOGLOG: u32 = 1 << 9;
    pub const GEO: u32 = 1 << 10;
    pub const STREAM: u32 = 1 << 11;
    pub const PUBSUB: u32 = 1 << 12;
    pub const ADMIN: u32 = 1 << 13;
    pub const FAST: u32 = 1 << 14;
    pub const SLOW: u32 = 1 << 15;
    pub const BLOCKING: u32 = 1 << 16;
    pub const DANGEROUS: u32 = 1 << 17;
    pub const CONNECTION: u32 = 1 << 18;
    pub const TRANSACTION: u32 = 1 << 19;
    pub const SCRIPTING: u32 = 1 << 20;

    /// Name and bit, in the order COMMAND INFO lists them.
    pub const NAMES: [(&'static str, u32); 21] = [
        ("keyspace", Self::KEYSPACE),
        ("read", Self::READ),
        ("write", Self::WRITE),
        ("set", Self::SET),
        ("sortedset", Self::SORTEDSET),
        ("list", Self::LIST),
        ("hash", Self::HASH),
        ("string", Self::STRING),
        ("bitmap", Self::BITMAP),
        ("hyperloglog", Self::HYPERLOGLOG),
        ("geo", Self::GEO),
        ("stream", Self::STREAM),
        ("pubsub", Self::PUBSUB),
        ("admin", Self::ADMIN),
        ("fast", Self::FAST),
        ("slow", Self::SLOW),
        ("blocking", Self::BLOCKING),
        ("dangerous", Self::DANGEROUS),
        ("connection", Self::CONNECTION),
        ("transaction", Self::TRANSACTION),
        ("scripting", Self::SCRIPTING),
    ];

    /// The bit of a category by its name, letters of either case alike.
    pub fn by_name(name: &[u8]) -> Option<u32> {
        Self::NAMES.iter().find(|(n, _)| n.as_bytes().eq_ignore_ascii_case(name)).map(|&(_, bit)| bit)
    }
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
    /// Several keys: the two steps of `Together` wherever they lie.
    Together(&'static Together),
    /// One key or several of which the client may wait for one.
    Blocking(&'static Blocking),
    /// The process answers: connections, settings, what walks over every shard.
    Server(Verb),
    /// Runs nothing itself: word 1 chooses among its subcommands. `table::resolve` never ends at one.
    Container,
}

/// A command on keys of several shards, in two steps under locks on all of them: read where they lie, then decide once.
/// What is written leaves as values. One round of messages: the reply goes out when the reads are in.
pub struct Together {
    /// What to read at the key that is the `n`th of the ask's keys (0-based).
    pub read: fn(Args<'_>, n: usize) -> Read,
    /// Sees every key's `Fetched` in the order of the ask's keys, speaks the whole reply, adds what is to be written.
    /// Same reply, to the byte, as the row's `Data` gives for keys on one shard.
    /// When the reply takes long to work out, leaves a `Job` in `Decide::job` instead of speaking.
    pub decide: fn(&mut Decide<'_>, Args<'_>, &[Fetched<'_>], &mut dyn Reply),
    /// The database in which the `n`th key is read, given the one selected (COPY's `DB` names another): as the client
    /// wrote it, so it may be one that there is not. `place` is what to call.
    pub db: fn(Args<'_>, n: usize, selected: DbId) -> DbId,
}

impl Together {
    /// The database in which the `n`th key is read: one of `databases`. Where the client names another, `decide` will
    /// refuse, and any one serves.
    pub fn place(&self, args: Args<'_>, n: usize, selected: DbId, databases: u16) -> DbId {
        Some((self.db)(args, n, selected)).filter(|db| db.0 < databases).unwrap_or(selected)
    }
}

/// What takes longer than a slice: a handler leaves one in `Ctx::job` (or `Decide::job`) instead of replying. It owns all
/// it needs, so that the store goes on meanwhile; its reply is that of the moment it was made.
pub trait Job: Send {
    /// Works off about `units` small units, a nanosecond or so each. True when done.
    fn step(&mut self, units: usize) -> bool;
    /// Of a job that `decide` left: whether it will read or write more. Then the keys stay locked until it is done.
    fn holds(&self) -> bool {
        false
    }
    /// What it must know before it goes on; asked for when `step` has said false. Only of keys that the ask names, or of a row that
    /// `roams`; and only if it `holds`.
    fn wants(&mut self) -> Option<Wanted> {
        None
    }
    /// What `wants` asked for, in its order.
    fn heard(&mut self, _found: Vec<Found>) {}
    /// Speaks the reply, and adds what is to be written if `holds` says so. Called when `step` has said true, and again until it
    /// says true itself: a long reply is spoken about 100 µs at a time.
    fn finish(&mut self, writes: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool;
}

/// A round of readings of keys that the ask's words do not name, wherever they lie.
#[derive(Default)]
pub struct Wanted {
    pub keys: ArgsBuf,
    /// One a key.
    pub reads: Vec<(DbId, Read)>,
}

/// The rest of a command on keys of one shard that takes longer than a slice. A handler that has done its first slice leaves
/// one in `Ctx::walk`; what it has spoken stands, `step` speaks on. Its keys stay locked meanwhile (shared if the row only
/// reads), all others go on.
pub trait Walk {
    /// Works for about 100 µs: 1,000 elements or so. True when done, and the reply is whole.
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool;
}

/// What a reading of one key leaves, to travel home.
pub type Parcel = Box<dyn Any + Send>;

/// Called with the same key until it gives the parcel, about 100 µs at a time. A parcel that is a `Found` stands for itself.
pub type ReadOn = Box<dyn FnMut(&mut Ctx<'_>, &[u8]) -> Option<Parcel>>;

/// Called with the same key until it says true, about 100 µs at a time.
pub type WriteOn = Box<dyn FnMut(&mut Ctx<'_>, &[u8]) -> bool>;

/// What `Read::Custom` comes to.
pub enum Reading {
    Now(Parcel),
    Later(ReadOn),
}

/// How to read a key; may be called again, should the transaction have to wait once more.
pub type CustomRead = Arc<dyn Fn(&mut Ctx<'_>, &[u8]) -> Reading + Send + Sync>;

/// What `Write::Custom` comes to.
pub enum Writing {
    Done,
    More(WriteOn),
}

/// What to do to a key.
pub type CustomWrite = Box<dyn FnOnce(&mut Ctx<'_>, &[u8]) -> Writing + Send>;

/// What the far shard reads at a key.
#[derive(Clone)]
pub enum Read {
    /// Nothing: the key is only written.
    Skip,
    /// Whether it is there. Neither counts nor renews the age (DEL).
    Exists,
    /// Whether it is there, counted as a hit or miss; its age stays (EXISTS).
    Count,
    /// Whether it is there; its age is renewed, nothing is counted (MSETNX).
    Renew,
    /// Whether it is there, counted as a hit or miss; its age is renewed whatever CLIENT NO-TOUCH says (TOUCH).
    Touch,
    /// The whole entry, counted as a hit or miss, its age renewed.
    Entry,
    /// The same, and its version, given to it if it has none (`gets`).
    Versioned,
    /// The whole entry as a write command looks at it: not counted, its age renewed (RENAME).
    Move,
    /// What the family makes of it: `decide` takes it with `Decide::parcel`.
    Custom(CustomRead),
}

/// What a far shard found. Of `Exists`, `Count`, `Renew` and `Touch` only presence is known.
#[derive(Clone, Copy, Debug)]
pub enum Fetched<'a> {
    Skipped,
    Absent,
    Present,
    Entry {
        portable: &'a Portable,
        version: u64,
    },
    /// Of `Read::Custom`: it lies in `Decide::parcel`.
    Parcel,
}

/// The event that a write is told as, where somebody listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// One of `Class`.
    pub class: u32,
    pub event: &'static str,
    /// What is put is a new key even where it replaces one (RENAME, COPY: Redis removes that first).
    pub anew: bool,
}

impl Told {
    pub const DEL: Told = Told::generic("del");
    pub const SET: Told = Told { class: Class::STRING, event: "set", anew: false };

    pub const fn generic(event: &'static str) -> Told {
        Told { class: Class::GENERIC, event, anew: true }
    }
}

/// What a far shard is to do to key `n` of the ask, in database `db`.
pub enum Write {
    Remove(Told),
    Put(Portable, Told),
    /// memcached gat: a new deadline (`None`: never), or one that has passed already: removed.
    Deadline(Option<u64>),
    Custom(CustomWrite),
}

/// (index of the key among the ask's keys, database, write)
pub type KeyWrite = (usize, DbId, Write);

/// What `decide` may use and fill.
pub struct Decide<'a> {
    pub now_ms: u64,
    pub db: DbId,
    pub limits: &'a crate::context::Limits,
    pub tally: &'a mut crate::context::Tally,
    /// What `Read::Custom` left, by the index of the key among the ask's keys.
    pub parcels: Vec<Option<Parcel>>,
    /// At most one a key and database.
    pub writes: Vec<KeyWrite>,
    /// Left by `decide` instead of a reply.
    pub job: Option<Box<dyn Job>>,
    /// Set by a `Blocking`'s `decide` instead of a reply: there is nothing yet, the client waits.
    pub wait: Option<Resolved>,
}

impl Decide<'_> {
    /// What `Read::Custom` left for key `n`. To be called once for each.
    pub fn parcel<T: 'static>(&mut self, n: usize) -> T {
        let parcel = self.parcels[n].take().expect("a parcel is taken once");
        *parcel.downcast().expect("a family reads what it has packed")
    }
}

/// Words of an ask that mean something of the moment when it was made (XREAD's `$`), each with what that is: so the ask reads
/// from then on.
pub type Resolved = Vec<(usize, Vec<u8>)>;

/// A command whose client may wait until there is something at one of its keys (BLPOP, XREAD).
pub struct Blocking {
    /// The command itself. Where there is nothing, `decide` sets `Decide::wait`, speaks nothing and writes nothing.
    pub attempt: Together,
    /// Which kinds of value it waits for.
    pub kind: Kind,
    /// How long it may wait; a fault is replied before anything is tried. `now_ms`: Unix ms.
    pub patience: fn(Args<'_>, now_ms: u64) -> Result<Patience, Fault>,
    /// Something has come to key `n`, which lies on this shard: the whole command for this one key, if it touches no other.
    /// False: there is nothing for it after all, and nothing was spoken. `None`: it touches other keys, `attempt` is made again.
    pub serve: Option<Serve>,
    /// What is replied when the time is over.
    pub timed_out: fn(&mut dyn Reply),
    /// Which of the ask's keys it waits for: those that it only writes (BLMOVE's destination) are not.
    pub waits_for: fn(n: usize) -> bool,
    /// Whether `serve` is also called when what was at the key is gone, or of another kind (XREADGROUP: there is no group then).
    pub minds_loss: bool,
}

pub type Serve = fn(&mut Ctx<'_>, Args<'_>, n: usize, key: &[u8], &mut dyn Reply) -> bool;

/// How long a client waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// Not at all (XREAD without BLOCK): `timed_out` at once.
    None,
    /// Until this time, Unix ms.
    Until(u64),
    Forever,
}

/// Verbs that the process answers. Their handlers live in the node, one match over these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    // connection
    Auth,
    ClientCaching,
    ClientGetname,
    ClientGetredir,
    ClientHelp,
    ClientId,
    ClientInfo,
    ClientKill,
    ClientList,
    ClientNoEvict,
    ClientNoTouch,
    ClientPause,
    ClientReply,
    ClientSetinfo,
    ClientSetname,
    ClientUnblock,
    ClientUnpause,
    Echo,
    Hello,
    Ping,
    Quit,
    Reset,
    Select,
    // generic, over all shards
    Keys,
    Randomkey,
    Scan,
    Wait,
    Waitaof,
    ObjectHelp,
    XgroupHelp,
    XinfoHelp,
    // server
    BackupDelete,
    BackupHelp,
    BackupInfo,
    BackupList,
    BackupNow,
    Psync,
    Replconf,
    Sync,
    Bgrewriteaof,
    Bgsave,
    Save,
    CommandList,
    CommandCount,
    CommandDocs,
    CommandGetkeys,
    CommandGetkeysandflags,
    CommandHelp,
    CommandInfo,
    Command,
    ConfigGet,
    ConfigSet,
    ConfigRewrite,
    ConfigResetstat,
    ConfigHelp,
    Dbsize,
    Debug,
    Flushall,
    Flushdb,
    Info,
    Lastsave,
    LatencyDoctor,
    LatencyGraph,
    LatencyHelp,
    LatencyHistogram,
    LatencyHistory,
    LatencyLatest,
    LatencyReset,
    Lolwut,
    MemoryDoctor,
    MemoryHelp,
    MemoryMallocStats,
    MemoryPurge,
    MemoryStats,
    Monitor,
    Role,
    Shutdown,
    SlowlogGet,
    SlowlogHelp,
    SlowlogLen,
    SlowlogReset,
    Swapdb,
    Time,
    // cluster
    ClusterCountkeysinslot,
    ClusterHelp,
    ClusterInfo,
    ClusterKeyslot,
    ClusterMyid,
    ClusterNodes,
    ClusterShards,
    ClusterSlots,
    Asking,
    Readonly,
    Readwrite,
    // pubsub
    Subscribe,
    Unsubscribe,
    Psubscribe,
    Punsubscribe,
    Ssubscribe,
    Sunsubscribe,
    Publish,
    Spublish,
    PubsubChannels,
    PubsubHelp,
    PubsubNumpat,
    PubsubNumsub,
    PubsubShardchannels,
    PubsubShardnumsub,
    // memcached
    McVersion,
    McVerbosity,
    McFlushAll,
    McStats,
    McQuit,
    McCacheMemlimit,
    McMetaNoop,
    McShutdown,
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
    /// (since, what to use instead)
    pub deprecated: Option<(&'static str, &'static str)>,
    /// (version, what changed)
    pub history: &'static [(&'static str, &'static str)],
    /// Arguments in a small notation of our own (see docs.rs), e.g. `key value [condition: NX|XX] [GET]`.
    pub arguments: &'static str,
}

impl Docs {
    /// What a row need not say.
    pub const NONE: Docs = Docs {
        summary: "",
        since: "",
        group: "",
        complexity: "",
        tips: &[],
        deprecated: None,
        history: &[],
        arguments: "",
    };
}
