//! Room: config. What the process was told: one typed field a setting. No I/O. Touches: log (its `Level`).
//!
//! Names, defaults, ranges and texts stand in `rows.rs`; `Settings::default()` is what those say. Fields whose
//! row says that they have no effect are here because CONFIG GET and REWRITE must give them back.

use super::row::Value;
use crate::log::Level;
use std::collections::BTreeMap;

/// A struct all of whose fields begin at their type's own zero, before the table's defaults are laid over it. The zero is
/// not `Default`, so that nobody starts from it by mistake.
macro_rules! fields {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* pub(super) kept: Kept }

        impl $name {
            pub(super) fn blank() -> $name {
                $name { $($field: <$type>::default(),)* kept: Kept::default() }
            }
        }
    };
}

/// A choice between words: the enum, its words in Redis's order, and the way from one to the other.
macro_rules! choices {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            pub const WORDS: &[(&str, i128)] = &[$(($word, $name::$variant as i128),)*];

            pub fn from_number(n: i128) -> Option<$name> {
                const ALL: &[$name] = &[$($name::$variant,)*];
                ALL.get(usize::try_from(n).ok()?).copied()
            }

            pub fn name(self) -> &'static str {
                $name::WORDS[self as usize].0
            }
        }
    };
}

choices! {
    /// `appendfsync`
    pub enum FsyncPolicy {
        #[default]
        EverySec = "everysec",
        Always = "always",
        No = "no",
    }
}

choices! {
    /// `maxmemory-policy`
    pub enum Policy {
        VolatileLru = "volatile-lru",
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl",
        AllKeysLru = "allkeys-lru",
        AllKeysLfu = "allkeys-lfu",
        AllKeysRandom = "allkeys-random",
        #[default]
        NoEviction = "noeviction",
    }
}

choices! {
    /// Who may use what can harm the server: nobody, everybody, or connections from this host.
    pub enum Guard {
        #[default]
        No = "no",
        Yes = "yes",
        Local = "local",
    }
}

impl Guard {
    pub fn allows(self, local: bool) -> bool {
        self == Guard::Yes || self == Guard::Local && local
    }
}

choices! {
    /// `supervised`
    pub enum Supervised {
        Upstart = "upstart",
        Systemd = "systemd",
        Auto = "auto",
        #[default]
        No = "no",
    }
}

choices! {
    /// `oom-score-adj`, by the numbers of Redis's
    pub enum OomScoreAdj {
        #[default]
        No = "no",
        /// To what the process began with. Redis also calls it `yes`.
        Relative = "relative",
        Absolute = "absolute",
    }
}

choices! {
    /// `cluster-preferred-endpoint-type`
    pub enum Endpoint {
        #[default]
        Ip = "ip",
        Hostname = "hostname",
        Unknown = "unknown-endpoint",
    }
}

/// A limit in bytes, or in percent of what there is. 0 bytes is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryLimit {
    Bytes(u64),
    Percent(u8),
}

impl Default for MemoryLimit {
    fn default() -> Self {
        MemoryLimit::Bytes(0)
    }
}

impl MemoryLimit {
    /// In bytes, where percents are of `whole`. 0: no limit.
    pub fn bytes(self, whole: u64) -> u64 {
        match self {
            MemoryLimit::Bytes(bytes) => bytes,
            MemoryLimit::Percent(percent) => (u128::from(whole) * u128::from(percent) / 100) as u64,
        }
    }
}

/// One class of `client-output-buffer-limit`: closed at once past `hard`, or after `soft_s` seconds past `soft`. 0: never.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BufferLimit {
    pub hard: u64,
    pub soft: u64,
    pub soft_s: u32,
}

/// The classes of clients that `client-output-buffer-limit` knows, in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientClass {
    Normal,
    Replica,
    PubSub,
}

/// How long a shard without work looks for some before it sleeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IdleSpin {
    /// As the recent gaps between requests suggest.
    #[default]
    Auto,
    /// This many microseconds; 0: never.
    Us(u32),
}

/// One word of `bind`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindAddress {
    /// An address as `bind(2)` knows it: `*` has become `0.0.0.0`, `::*` has become `::`.
    pub host: String,
    /// It began with `-`: that this host has no such address is no error.
    pub optional: bool,
}

/// `bind`, in a type of its own only for its zero.
pub type Words = Vec<String>;

/// Values of directives that have no field: those that Redis knows and that mean nothing here. What is absent has its
/// default.
pub(super) type Kept = BTreeMap<&'static str, Value>;

fields! {
    /// Everything the process was told. Cloning it is cheap enough for every CONFIG SET, not for every ask.
    #[derive(Clone, PartialEq, Debug)]
    pub struct Settings {
        // Network.
        /// 0: no RESP port.
        pub port: u16,
        /// 0: no memcached port.
        pub memcached_port: u16,
        /// Shard `n` listens on this + `n`; 0: shards have no ports of their own.
        pub shard_port_base: u16,
        pub bind: Words,
        /// Empty: none.
        pub unixsocket: String,
        /// Mode bits; 0: as the umask says.
        pub unixsocketperm: u32,
        /// Empty: none.
        pub memcached_unixsocket: String,
        pub protected_mode: bool,
        pub tcp_backlog: u32,
        /// Idle clients are closed after this; 0: never.
        pub timeout_s: u32,
        /// 0: off.
        pub tcp_keepalive_s: u32,
        /// 0: none.
        pub socket_mark_id: u32,
        pub maxclients: u32,

        // Shards.
        /// 0: one for every usable core.
        pub shards: u16,
        /// Cores to use, rising; empty: all usable ones.
        pub cpus: Vec<u16>,
        pub force_shards: bool,
        pub idle_spin_us: IdleSpin,
        pub shard_batch: bool,

        // Memory.
        pub maxmemory: MemoryLimit,
        pub maxmemory_policy: Policy,
        pub maxmemory_samples: u32,
        /// 0 ..= 100.
        pub maxmemory_eviction_tenacity: u8,
        pub lfu_log_factor: u32,
        pub lfu_decay_minutes: u32,
        /// Up to where collections stay packed.
        pub packing: store::Packing,
        pub maxmemory_clients: MemoryLimit,
        /// By `ClientClass`.
        pub client_output_buffer_limit: [BufferLimit; 3],
        pub client_query_buffer_limit: u64,
        pub proto_max_bulk_len: u64,
        /// The largest memcached item; memcached's `-I`.
        pub item_size_max: u64,

        // The process.
        /// Absolute once loaded.
        pub dir: String,
        pub loglevel: Level,
        /// Empty: stderr.
        pub logfile: String,
        pub syslog_enabled: bool,
        pub syslog_ident: String,
        /// A facility's number, as RFC 5424 counts them.
        pub syslog_facility: u8,
        pub databases: u16,
        pub daemonize: bool,
        /// Empty: none was asked for.
        pub pidfile: String,
        pub supervised: Supervised,
        pub disable_thp: bool,
        pub huge_pages: bool,
        pub set_proc_title: bool,
        pub proc_title_template: String,
        pub oom_score_adj: OomScoreAdj,
        /// What a primary, a replica, and a child get.
        pub oom_score_adj_values: [i32; 3],

        // Who may do what.
        /// Empty: no password.
        pub requirepass: Vec<u8>,
        pub enable_debug_command: Guard,
        pub enable_protected_configs: Guard,
        /// memcached's `shutdown` verb; memcached's `-A`.
        pub memcached_shutdown: bool,
        /// memcached's `flush_all` verb is answered with an error; memcached's `-F`.
        pub memcached_flush_disabled: bool,
        /// `rename-command` in order: a name, and its new one (empty: the command is gone).
        pub renamed_commands: Vec<(Vec<u8>, Vec<u8>)>,

        // What is watched.
        /// Microseconds; negative: no slow log.
        pub slowlog_log_slower_than_us: i64,
        pub slowlog_max_len: u64,
        /// 0: off.
        pub latency_monitor_threshold_ms: u64,
        pub latency_tracking: bool,
        pub latency_tracking_info_percentiles: Vec<f64>,
        pub busy_reply_threshold_ms: u64,
        /// Shown by INFO; 1 ..= 500.
        pub hz: u32,

        // What shard ports announce.
        /// Empty: the address that the client came to.
        pub cluster_announce_ip: String,
        pub cluster_announce_hostname: String,
        pub cluster_preferred_endpoint_type: Endpoint,

        // Snapshots.
        /// Seconds and changes.
        pub save: Vec<(i64, i64)>,
        pub dbfilename: String,
        pub rdbcompression: bool,
        pub rdbchecksum: bool,
        pub stop_writes_on_bgsave_error: bool,
        /// Bytes a second over all shards; 0: no limit.
        pub snapshot_rate_limit: u64,
        pub backup_dir: String,
        pub backup_schedule: String,
        pub backup_retention: String,
        pub backup_s3_endpoint: String,
        pub backup_s3_region: String,
        pub backup_s3_access_key: String,
        pub backup_s3_secret_key: String,
        /// Empty: nothing.
        pub restore: String,
        /// Bits of `shutdown-on-sigint` and `shutdown-on-sigterm`: 1 save, 2 nosave, 4 now, 8 force.
        pub shutdown_on_sigint: u8,
        pub shutdown_on_sigterm: u8,

        // The append log.
        pub appendonly: bool,
        pub appendfsync: FsyncPolicy,
        pub appendfilename: String,
        pub no_appendfsync_on_rewrite: bool,
        /// Percent; 0: it is not made short by itself.
        pub auto_aof_rewrite_percentage: u64,
        pub auto_aof_rewrite_min_size: u64,
        pub aof_load_truncated: bool,

        // No effect yet, but with a form of their own.
        /// Bits in the order of `special::EVENTS`.
        pub notify_keyspace_events: u32,
        pub replicaof: Option<(String, u16)>,
    }
}

impl Default for Settings {
    /// What the table says.
    fn default() -> Self {
        super::row::defaults()
    }
}

impl Settings {
    /// The listening addresses that `bind` asks for.
    pub fn bind_addresses(&self) -> Vec<BindAddress> {
        let address = |word: &String| {
            let host = word.strip_prefix('-').unwrap_or(word);
            let host = match host {
                "*" => "0.0.0.0",
                "::*" => "::",
                other => other,
            };
            BindAddress { host: host.to_string(), optional: word.starts_with('-') }
        };
        self.bind.iter().map(address).collect()
    }

    pub fn output_limit(&self, class: ClientClass) -> BufferLimit {
        self.client_output_buffer_limit[class as usize]
    }

    /// Any setting's value as CONFIG GET shows it. For what has a field, use the field.
    pub fn text(&self, name: &str) -> Option<Vec<u8>> {
        super::row::find(name.as_bytes()).map(|found| found.row.get(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_go_there_and_back() {
        for (i, (word, number)) in Policy::WORDS.iter().enumerate() {
            assert_eq!(i as i128, *number);
            assert_eq!(Policy::from_number(*number).unwrap().name(), *word);
        }
        assert_eq!(Policy::from_number(8), None);
        assert_eq!(Policy::from_number(-1), None);
        assert_eq!(Policy::default().name(), "noeviction");
        for (i, (word, number)) in Level::WORDS.iter().enumerate() {
            assert_eq!((i as i128, *word), (*number, Level::from_number(*number).unwrap().name()));
        }
    }

    #[test]
    fn bind_words_become_addresses() {
        let mut s = Settings::default();
        let of = |s: &Settings| {
            s.bind_addresses()
                .iter()
                .map(|b| format!("{}{}", if b.optional { "?" } else { "" }, b.host))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&s), ["127.0.0.1", "?::1"]);
        s.bind = ["*", "-::*", "-*", "10.0.0.1", "fe80::1%eth0"].map(String::from).to_vec();
        assert_eq!(of(&s), ["0.0.0.0", "?::", "?0.0.0.0", "10.0.0.1", "fe80::1%eth0"]);
    }

    #[test]
    fn percents_are_of_the_whole() {
        assert_eq!(MemoryLimit::Bytes(7).bytes(100), 7);
        assert_eq!(MemoryLimit::Percent(50).bytes(u64::MAX), u64::MAX / 2);
        assert_eq!(MemoryLimit::Percent(1).bytes(99), 0);
    }

    #[test]
    fn guards() {
        assert!(!Guard::No.allows(true) && Guard::Yes.allows(false) && Guard::Local.allows(true));
        assert!(!Guard::Local.allows(false));
    }
}
