//! Room: config. THE settings table: every directive of Redis 7.2's, and our own. Touches: settings, row, special.
//!
//! Names, ranges and defaults of Redis's are those of `config.c` 7.2, so that a file and a tool made for it find what they
//! expect. A row without a field says in `idle` why it has no effect; whoever gives it an effect gives it a field (`.at`),
//! takes `idle` away and says what it is `.about`.

use super::row::{Change, Group, Kind, Percent, Place, Row, Special, Value, Wrong};
use super::settings::{Endpoint, FsyncPolicy, Guard, MemoryLimit, OomScoreAdj, Policy, Settings, Supervised};
use super::special;
use crate::backup::cron::Schedule;
use crate::backup::place::{Place as BackupPlace, Retention};
use crate::log::Level;

/// Refuses what does not read as what the setting is.
fn reads<T>(word: &[u8], read: impl FnOnce(&str) -> Result<T, String>) -> Result<(), Wrong> {
    read(&special::text(word)?).map(drop).map_err(Wrong::from)
}

fn backup_place(word: &[u8]) -> Result<(), Wrong> {
    if word.is_empty() { Ok(()) } else { reads(word, BackupPlace::parse) }
}

fn backup_schedule(word: &[u8]) -> Result<(), Wrong> {
    reads(word, Schedule::parse)
}

fn backup_retention(word: &[u8]) -> Result<(), Wrong> {
    reads(word, Retention::parse)
}

const INT_MAX: i128 = i32::MAX as i128;
const LONG_MAX: i128 = i64::MAX as i128;
const BYTES_MAX: u64 = i64::MAX as u64;
const MB: u64 = 1 << 20;

// Why a directive has no effect here: half a sentence that a log line ends with.
const PERSISTENCE: &str = "neither snapshots nor the append log need such a setting";
const BESIDE: &str = "the append log lies beside the snapshots in 'dir'";
const REPLICATION: &str = "there is no replication yet";
const CLUSTER: &str = "there is no cluster of several hosts yet";
const TLS: &str = "TLS is not served yet";
const USERS: &str = "there are no ACL users yet";
const PUBSUB: &str = "there is no client-side caching yet";
const SCRIPTS: &str = "there are no scripts or modules yet";
const FREEING: &str = "large values are always freed in small steps";
const GROWTH: &str = "tables always grow in small steps, within the asks";
const ALLOCATOR: &str = "the allocator needs neither a thread nor defragmentation here";
const EXPIRY: &str = "keys expire exactly at their time, nothing is sampled";
const SHARDS: &str = "shards serve clients, see 'shards' and 'cpus'";
const TURNS: &str = "a shard works when there is work, not at a fixed rate";
const CRASH: &str = "a crash leaves Rust's report and, where enabled, a core file";

const fn row(name: &'static str, kind: Kind, default: &'static str) -> Row {
    Row {
        name,
        alias: None,
        kind,
        default,
        change: Change::Live,
        hidden: false,
        sensitive: false,
        group: Group::Rest,
        place: Place::Kept,
        idle: None,
        about: "",
    }
}

const fn flag(name: &'static str, default: &'static str) -> Row {
    row(name, Kind::Flag, default)
}

const fn number(name: &'static str, min: i128, max: i128, default: &'static str) -> Row {
    row(name, Kind::Number { min, max }, default)
}

const fn memory(name: &'static str, min: u64, max: u64, default: &'static str) -> Row {
    row(name, Kind::Memory { min, max, percent: Percent::No }, default)
}

const fn choice(name: &'static str, words: &'static [(&'static str, i128)], default: &'static str) -> Row {
    row(name, Kind::Choice(words), default)
}

/// Not given is the same as empty.
const fn text(name: &'static str) -> Row {
    row(name, Kind::Text { valid: anything, empty_is_unset: true }, "")
}

/// Always has a value, be it empty.
const fn named(name: &'static str, default: &'static str) -> Row {
    row(name, Kind::Text { valid: anything, empty_is_unset: false }, default)
}

const fn special(name: &'static str, special: &'static Special, default: &'static str) -> Row {
    Row { place: Place::Special, ..row(name, Kind::Special(special), default) }
}

impl Row {
    const fn alias(self, alias: &'static str) -> Row {
        Row { alias: Some(alias), ..self }
    }

    const fn at(self, place: Place) -> Row {
        Row { place, ..self }
    }

    /// Only at the start.
    const fn fixed(self) -> Row {
        Row { change: Change::Never, ..self }
    }

    const fn guarded(self) -> Row {
        Row { change: Change::Guarded, ..self }
    }

    const fn hidden(self) -> Row {
        Row { hidden: true, ..self }
    }

    const fn sensitive(self) -> Row {
        Row { sensitive: true, ..self }
    }

    const fn idle(self, why: &'static str) -> Row {
        Row { idle: Some(why), ..self }
    }

    const fn valid(self, valid: fn(&[u8]) -> Result<(), Wrong>) -> Row {
        let empty_is_unset = matches!(self.kind, Kind::Text { empty_is_unset: true, .. });
        Row { kind: Kind::Text { valid, empty_is_unset }, ..self }
    }

    const fn about(self, group: Group, about: &'static str) -> Row {
        Row { group, about, ..self }
    }
}

/// The field of a row of kind `Flag`.
macro_rules! flag_at {
    ($field:ident) => {
        Place::Field {
            get: |s| Value::Flag(s.$field),
            set: |s, v| {
                if let Value::Flag(yes) = v {
                    s.$field = yes;
                }
                Ok(())
            },
        }
    };
}

/// The field of a number. The row's range lies within the field's type, so `as` cuts nothing off.
macro_rules! number_at {
    ($($field:ident).+) => {
        Place::Field {
            get: |s| Value::Number(s.$($field).+ as i128),
            set: |s, v| {
                if let Value::Number(n) = v {
                    s.$($field).+ = n as _;
                }
                Ok(())
            },
        }
    };
}

/// The field of an amount of memory that may be a share.
macro_rules! limit_at {
    ($field:ident) => {
        Place::Field {
            get: |s| match s.$field {
                MemoryLimit::Bytes(bytes) => Value::Number(bytes.into()),
                MemoryLimit::Percent(percent) => Value::Percent(percent),
            },
            set: |s, v| {
                match v {
                    Value::Number(bytes) => s.$field = MemoryLimit::Bytes(bytes as u64),
                    Value::Percent(percent) => s.$field = MemoryLimit::Percent(percent),
                    _ => {}
                }
                Ok(())
            },
        }
    };
}

/// The field of a choice: an enum with `from_number`.
macro_rules! choice_at {
    ($field:ident, $type:ty) => {
        Place::Field {
            get: |s| Value::Number(s.$field as i128),
            set: |s, v| {
                if let Value::Number(n) = v
                    && let Some(choice) = <$type>::from_number(n)
                {
                    s.$field = choice;
                }
                Ok(())
            },
        }
    };
}

/// The field of a text.
macro_rules! text_at {
    ($field:ident) => {
        Place::Field {
            get: |s| Value::Text(s.$field.clone().into_bytes()),
            set: |s, v| {
                if let Value::Text(bytes) = v {
                    s.$field = special::text(&bytes)?;
                }
                Ok(())
            },
        }
    };
}

const REQUIREPASS: Place = Place::Field {
    get: |s: &Settings| Value::Text(s.requirepass.clone()),
    set: |s, v| {
        if let Value::Text(bytes) = v {
            s.requirepass = bytes;
        }
        Ok(())
    },
};

use Group::*;

pub static ROWS: &[Row] = &[
    // Network.
    number("port", 0, 65535, "6379").at(number_at!(port)).about(Network, "RESP (Redis protocol) port; 0: none"),
    number("memcached-port", 0, 65535, "11211")
        .at(number_at!(memcached_port))
        .fixed()
        .about(Network, "memcached port; 0: none"),
    number("shard-port-base", 0, 65535, "0")
        .at(number_at!(shard_port_base))
        .fixed()
        .about(Network, "Shard N also listens on this port + N, so that cluster clients reach it directly; 0: off"),
    special("bind", &special::BIND, "127.0.0.1 -::1").about(
        Network,
        "Addresses to listen on; '*' and '::*' are all of IPv4 and IPv6; after '-' one that may be missing",
    ),
    text("unixsocket").at(text_at!(unixsocket)).fixed().about(Network, "Path of a Unix socket that speaks RESP"),
    row("unixsocketperm", Kind::Octal { max: 0o777 }, "0")
        .at(number_at!(unixsocketperm))
        .fixed()
        .about(Network, "Mode of the Unix sockets, in octal; 0: as the umask says"),
    text("memcached-unixsocket")
        .at(text_at!(memcached_unixsocket))
        .fixed()
        .about(Network, "Path of a Unix socket that speaks memcached"),
    number("maxclients", 1, u32::MAX as i128, "10000").at(number_at!(maxclients)).about(Network, "Clients at one time"),
    number("tcp-backlog", 0, INT_MAX, "511")
        .at(number_at!(tcp_backlog))
        .fixed()
        .about(Network, "Connections that may wait to be accepted; the kernel's somaxconn caps it"),
    number("timeout", 0, INT_MAX, "0")
        .at(number_at!(timeout_s))
        .about(Network, "Close clients idle for so many seconds; 0: never"),
    number("tcp-keepalive", 0, INT_MAX, "300")
        .at(number_at!(tcp_keepalive_s))
        .about(Network, "Seconds between keep-alive probes on idle connections; 0: off"),
    text("bind-source-addr").idle(REPLICATION),
    number("socket-mark-id", 0, u32::MAX as i128, "0")
        .at(number_at!(socket_mark_id))
        .fixed()
        .about(Network, "Mark of the packets of our sockets, for routing and filters (SO_MARK; needs CAP_NET_ADMIN); 0: none"),
    // Shards.
    number("shards", 0, 1024, "0")
        .at(number_at!(shards))
        .fixed()
        .about(Shards, "Shards, each a thread on a core of its own; 0: one for every usable core"),
    special("cpus", &special::CPUS, "")
        .fixed()
        .about(Shards, "Cores to run on, such as 2-5,8; empty: all that may be used"),
    flag("force-shards", "no").at(flag_at!(force_shards)).fixed().about(Shards, "Allow more shards than cores"),
    special("idle-spin-us", &special::IDLE_SPIN, "auto").about(
        Shards,
        "Microseconds that a shard without work looks for some before it sleeps; auto: as traffic suggests",
    ),
    flag("shard-batch", "no").at(flag_at!(shard_batch)).fixed().about(
        Shards,
        "Schedule shards as batch jobs (SCHED_BATCH): one that is woken lets who runs on its core go on; for shared cores",
    ),
    number("io-threads", 1, 128, "1").fixed().idle(SHARDS),
    flag("io-threads-do-reads", "no").fixed().idle(SHARDS),
    text("server_cpulist").fixed().idle(SHARDS),
    text("bio_cpulist").fixed().idle(SHARDS),
    text("aof_rewrite_cpulist").fixed().idle(SHARDS),
    text("bgsave_cpulist").fixed().idle(SHARDS),
    // Memory.
    row("maxmemory", Kind::Memory { min: 0, max: u64::MAX, percent: Percent::Beyond }, "0")
        .at(limit_at!(maxmemory))
        .about(Memory, "Memory for everything, such as 4gb, or 70% of what this process may use; 0: no limit"),
    choice("maxmemory-policy", Policy::WORDS, "noeviction").at(choice_at!(maxmemory_policy, Policy)).about(
        Memory,
        "What gives way at the limit: allkeys- or volatile- with lru, lfu or random, volatile-ttl, noeviction",
    ),
    number("maxmemory-samples", 1, INT_MAX, "5")
        .at(number_at!(maxmemory_samples))
        .about(Memory, "Keys looked at to choose one that gives way: more is more exact and slower"),
    number("maxmemory-eviction-tenacity", 0, 100, "10")
        .at(number_at!(maxmemory_eviction_tenacity))
        .about(Memory, "How long one ask may spend on eviction: 0 least, 100 as long as it takes"),
    number("lfu-log-factor", 0, INT_MAX, "10")
        .at(number_at!(lfu_log_factor))
        .about(Memory, "How slowly a key's use counter rises"),
    number("lfu-decay-time", 0, INT_MAX, "1")
        .at(number_at!(lfu_decay_minutes))
        .about(Memory, "Minutes after which an unused key's counter falls by one; 0: at each look"),
    row("maxmemory-clients", Kind::Memory { min: 0, max: BYTES_MAX, percent: Percent::Yes }, "0")
        .at(limit_at!(maxmemory_clients))
        .about(
            Memory,
            "Memory for all clients' buffers, or a share of maxmemory; past it the largest are closed; 0: no limit",
        ),
    special(
        "client-output-buffer-limit",
        &special::OUTPUT_LIMIT,
        "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
    )
    .about(Memory, "CLASS HARD SOFT SECONDS: close a client that does not read its replies"),
    memory("client-query-buffer-limit", MB, BYTES_MAX, "1gb")
        .at(number_at!(client_query_buffer_limit))
        .about(Memory, "Bytes that one client may send ahead"),
    memory("proto-max-bulk-len", MB, BYTES_MAX, "512mb")
        .at(number_at!(proto_max_bulk_len))
        .about(Memory, "Longest string in RESP"),
    memory("item-size-max", 1024, 1 << 30, "1mb")
        .at(number_at!(item_size_max))
        .fixed()
        .about(Memory, "Largest memcached item, key and value"),
    flag("lazyfree-lazy-eviction", "no").idle(FREEING),
    flag("lazyfree-lazy-expire", "no").idle(FREEING),
    flag("lazyfree-lazy-server-del", "no").idle(FREEING),
    flag("lazyfree-lazy-user-del", "no").idle(FREEING),
    flag("lazyfree-lazy-user-flush", "no").idle(FREEING),
    flag("activerehashing", "yes").idle(GROWTH),
    flag("jemalloc-bg-thread", "yes").idle(ALLOCATOR),
    flag("activedefrag", "no").idle(ALLOCATOR),
    number("active-defrag-cycle-min", 1, 99, "1").idle(ALLOCATOR),
    number("active-defrag-cycle-max", 1, 99, "25").idle(ALLOCATOR),
    number("active-defrag-threshold-lower", 0, 1000, "10").idle(ALLOCATOR),
    number("active-defrag-threshold-upper", 0, 1000, "100").idle(ALLOCATOR),
    memory("active-defrag-ignore-bytes", 1, BYTES_MAX, "100mb").idle(ALLOCATOR),
    number("active-defrag-max-scan-fields", 1, LONG_MAX, "1000").idle(ALLOCATOR),
    number("active-expire-effort", 1, 10, "1").idle(EXPIRY),
    // The process.
    special("dir", &special::DIR, "").guarded().about(Process, "Folder to work in"),
    choice("loglevel", Level::WORDS, "notice")
        .at(choice_at!(loglevel, Level))
        .about(Process, "Least level of the lines logged: debug, verbose, notice, warning, nothing"),
    named("logfile", "").at(text_at!(logfile)).fixed().about(Process, "File to log to; empty: stderr"),
    number("databases", 1, u16::MAX as i128, "16")
        .at(number_at!(databases))
        .fixed()
        .about(Process, "Numbered databases"),
    flag("daemonize", "no").at(flag_at!(daemonize)).fixed().about(Process, "Go to the background"),
    text("pidfile").at(text_at!(pidfile)).fixed().about(Process, "File to write the process id to"),
    choice("supervised", Supervised::WORDS, "no")
        .at(choice_at!(supervised, Supervised))
        .fixed()
        .about(Process, "Tell the service manager when ready: systemd, upstart, auto, no"),
    special("hz", &special::HZ, "10").idle(TURNS),
    flag("dynamic-hz", "yes").idle(TURNS),
    flag("always-show-logo", "no").fixed().idle("there is no logo"),
    flag("set-proc-title", "yes").at(flag_at!(set_proc_title)).fixed().about(Process, "Show in ps what proc-title-template says"),
    named("proc-title-template", "\"{title} {listen-addr} {server-mode}\"")
        .valid(proc_title)
        .at(text_at!(proc_title_template))
        .about(Process, "With title, listen-addr, port, unixsocket, config-file in braces"),
    flag("crash-log-enabled", "yes").idle(CRASH),
    flag("crash-memcheck-enabled", "yes").idle(CRASH),
    flag("use-exit-on-panic", "no").hidden().idle(CRASH),
    number("watchdog-period", 0, INT_MAX, "0").hidden().idle(TURNS),
    flag("syslog-enabled", "no").at(flag_at!(syslog_enabled)).fixed().about(Process, "Write log lines to syslog too"),
    named("syslog-ident", "redis")
        .at(text_at!(syslog_ident))
        .fixed()
        .about(Process, "The name that lines in syslog bear"),
    choice("syslog-facility", SYSLOG_FACILITIES, "local0")
        .at(number_at!(syslog_facility))
        .fixed()
        .about(Process, "The facility that lines in syslog are of"),
    flag("disable-thp", "yes").at(flag_at!(disable_thp)).fixed().about(
        Process,
        "No huge pages but those of `huge-pages`: the kernel takes milliseconds to clear one; no: as the host says",
    ),
    flag("huge-pages", "yes").at(flag_at!(huge_pages)).fixed().about(
        Process,
        "Entries in huge pages, made ready by a thread of its own; where the kernel grants them (madvise or always)",
    ),
    choice("oom-score-adj", OOM_SCORE_ADJ, "no").at(choice_at!(oom_score_adj, OomScoreAdj)).about(
        Process,
        "Tell the kernel how soon to end this process when memory is short: no, relative (or yes), absolute",
    ),
    special("oom-score-adj-values", &special::OOM_SCORE_ADJ_VALUES, "0 200 800")
        .about(Process, "The score that oom-score-adj gives: of a primary, of a replica, of a child"),
    named("ignore-warnings", "").idle("no warning of the start stops it"),
    named("locale-collate", "").idle("strings are ordered by their bytes"),
    row("shutdown-on-sigint", Kind::Choices(SHUTDOWN_ON_SIGNAL, save_or_not), "default")
        .at(number_at!(shutdown_on_sigint))
        .about(
            Snapshots,
            "How SIGINT ends the server: default (a snapshot where 'save' has points), save, nosave, now, force",
        ),
    row("shutdown-on-sigterm", Kind::Choices(SHUTDOWN_ON_SIGNAL, save_or_not), "default")
        .at(number_at!(shutdown_on_sigterm))
        .about(Snapshots, "The same of SIGTERM"),
    number("shutdown-timeout", 0, INT_MAX, "10").idle(REPLICATION),
    // Who may do what.
    text("requirepass").at(REQUIREPASS).sensitive().about(Security, "Password that clients must give with AUTH"),
    flag("protected-mode", "yes")
        .at(flag_at!(protected_mode))
        .about(Security, "Without a password, refuse clients of other hosts"),
    choice("enable-debug-command", Guard::WORDS, "no")
        .at(choice_at!(enable_debug_command, Guard))
        .fixed()
        .about(Security, "Who may use DEBUG: no, yes, or local for this host's clients"),
    choice("enable-protected-configs", Guard::WORDS, "no")
        .at(choice_at!(enable_protected_configs, Guard))
        .fixed()
        .about(Security, "Who may set 'dir' and file names with CONFIG SET: no, yes, local"),
    flag("memcached-shutdown", "no")
        .at(flag_at!(memcached_shutdown))
        .fixed()
        .about(Security, "memcached clients may use 'shutdown'"),
    flag("memcached-flush-disabled", "no")
        .at(flag_at!(memcached_flush_disabled))
        .fixed()
        .about(Security, "memcached clients may not use 'flush_all'"),
    choice("enable-module-command", Guard::WORDS, "no").fixed().idle(SCRIPTS),
    named("aclfile", "").fixed().idle(USERS),
    number("acllog-max-len", 0, LONG_MAX, "128").idle(USERS),
    choice("acl-pubsub-default", ACL_PUBSUB_DEFAULT, "resetchannels").idle(USERS),
    // What is watched.
    number("slowlog-log-slower-than", -1, LONG_MAX, "10000")
        .at(number_at!(slowlog_log_slower_than_us))
        .about(Watching, "Microseconds from which an ask enters the slow log; -1: none, 0: every one"),
    number("slowlog-max-len", 0, LONG_MAX, "128")
        .at(number_at!(slowlog_max_len))
        .about(Watching, "Entries that the slow log keeps"),
    number("latency-monitor-threshold", 0, LONG_MAX, "0")
        .at(number_at!(latency_monitor_threshold_ms))
        .about(Watching, "Milliseconds from which LATENCY notes an event; 0: off"),
    flag("latency-tracking", "yes").at(flag_at!(latency_tracking)).about(Watching, "Keep latencies of each command"),
    special("latency-tracking-info-percentiles", &special::PERCENTILES, "50 99 99.9")
        .about(Watching, "Percentiles of those that INFO shows"),
    number("busy-reply-threshold", 0, LONG_MAX, "5000")
        .alias("lua-time-limit")
        .at(number_at!(busy_reply_threshold_ms))
        .idle(SCRIPTS),
    // Snapshots and the append log.
    special("save", &special::SAVE, "3600 1 300 100 60 10000")
        .about(Snapshots, "SECONDS CHANGES ...: a snapshot when so many keys changed in so many seconds; empty: none"),
    flag("rdbchecksum", "yes").at(flag_at!(rdbchecksum)).fixed().about(Snapshots, "Snapshot files end with a checksum"),
    flag("rdbcompression", "yes").at(flag_at!(rdbcompression)).about(Snapshots, "Compress strings in snapshots"),
    memory("snapshot-rate-limit", 0, BYTES_MAX, "0")
        .at(number_at!(snapshot_rate_limit))
        .about(Snapshots, "Bytes a second that a snapshot writes at most; 0: no limit"),
    text("backup-dir")
        .at(text_at!(backup_dir))
        .valid(backup_place)
        .guarded()
        .about(Snapshots, "Where BACKUP NOW and the schedule put backups: a folder or s3://BUCKET/PREFIX"),
    text("backup-schedule").at(text_at!(backup_schedule)).valid(backup_schedule).about(
        Snapshots,
        "When backups are made, UTC: MINUTE HOUR DAY MONTH WEEKDAY as in cron, @daily and the like; empty: never",
    ),
    text("backup-retention")
        .at(text_at!(backup_retention))
        .valid(backup_retention)
        .about(Snapshots, "Backups that stay: a count, an age (12h, 30d, 8w) or both; empty: all"),
    text("backup-s3-endpoint")
        .at(text_at!(backup_s3_endpoint))
        .guarded()
        .about(Snapshots, "URL of an S3-compatible server; empty: AWS_ENDPOINT_URL, else Amazon's"),
    text("backup-s3-region")
        .at(text_at!(backup_s3_region))
        .guarded()
        .about(Snapshots, "Region of S3; empty: AWS_REGION"),
    text("backup-s3-access-key")
        .at(text_at!(backup_s3_access_key))
        .guarded()
        .about(Snapshots, "Who asks S3; empty: AWS_ACCESS_KEY_ID, or what else AWS's own tools look for"),
    text("backup-s3-secret-key")
        .at(text_at!(backup_s3_secret_key))
        .guarded()
        .sensitive()
        .about(Snapshots, "The secret of it; empty: AWS_SECRET_ACCESS_KEY"),
    text("restore").at(text_at!(restore)).fixed().about(
        Snapshots,
        "At the start, where the data folder has no data yet: put that of this backup, RDB file or folder into it",
    ),
    flag("rdb-del-sync-files", "no").idle(PERSISTENCE),
    flag("rdb-save-incremental-fsync", "yes").idle(PERSISTENCE),
    number("rdb-key-save-delay", i32::MIN as i128, INT_MAX, "0").hidden().idle(PERSISTENCE),
    number("key-load-delay", i32::MIN as i128, INT_MAX, "0").hidden().idle(PERSISTENCE),
    number("loading-process-events-interval-bytes", 1024, INT_MAX, "2097152").hidden().idle(PERSISTENCE),
    choice("sanitize-dump-payload", SANITIZE, "no").idle(PERSISTENCE),
    flag("stop-writes-on-bgsave-error", "yes")
        .at(flag_at!(stop_writes_on_bgsave_error))
        .about(Snapshots, "Refuse writes after a snapshot has failed, where 'save' has points"),
    named("dbfilename", "dump.rdb").at(text_at!(dbfilename)).valid(db_filename).guarded().about(
        Snapshots,
        "dump.rdb: snapshots are dump.manifest and its files; a plain file of this name is loaded too",
    ),
    flag("appendonly", "no")
        .at(flag_at!(appendonly))
        .about(Snapshots, "Keep every change in an append log, from the last snapshot on"),
    named("appendfilename", "appendonly.aof")
        .at(text_at!(appendfilename))
        .valid(append_filename)
        .fixed()
        .about(Snapshots, "appendonly.aof: the log's files are appendonly-SERIAL-SHARD.log, in 'dir'"),
    named("appenddirname", "appendonlydir").valid(append_dirname).fixed().idle(BESIDE),
    choice("appendfsync", FsyncPolicy::WORDS, "everysec")
        .at(choice_at!(appendfsync, FsyncPolicy))
        .about(Snapshots, "When the log is synced; always: before a write is answered"),
    flag("no-appendfsync-on-rewrite", "no")
        .at(flag_at!(no_appendfsync_on_rewrite))
        .about(Snapshots, "With everysec: no syncs while a snapshot makes the log short"),
    number("auto-aof-rewrite-percentage", 0, INT_MAX, "100")
        .at(number_at!(auto_aof_rewrite_percentage))
        .about(Snapshots, "Growth over the last snapshot at which one is made, percent; 0: never"),
    memory("auto-aof-rewrite-min-size", 0, BYTES_MAX, "64mb")
        .at(number_at!(auto_aof_rewrite_min_size))
        .about(Snapshots, "Below this it is not"),
    flag("aof-load-truncated", "yes")
        .at(flag_at!(aof_load_truncated))
        .about(Snapshots, "Start from a log whose end a crash has torn"),
    flag("aof-use-rdb-preamble", "yes").idle(PERSISTENCE),
    flag("aof-timestamp-enabled", "no").idle(PERSISTENCE),
    flag("aof-rewrite-incremental-fsync", "yes").idle(PERSISTENCE),
    flag("aof-disable-auto-gc", "no").hidden().idle(PERSISTENCE),
    // Replication.
    special("replicaof", &special::REPLICAOF, "no one").alias("slaveof").fixed().idle(REPLICATION),
    text("masteruser").sensitive().idle(REPLICATION),
    text("masterauth").sensitive().idle(REPLICATION),
    text("replica-announce-ip").alias("slave-announce-ip").idle(REPLICATION),
    number("replica-announce-port", 0, 65535, "0").alias("slave-announce-port").idle(REPLICATION),
    flag("replica-announced", "yes").idle(REPLICATION),
    flag("replica-lazy-flush", "no").alias("slave-lazy-flush").idle(REPLICATION),
    flag("replica-serve-stale-data", "yes").alias("slave-serve-stale-data").idle(REPLICATION),
    flag("replica-read-only", "yes").alias("slave-read-only").idle(REPLICATION),
    flag("replica-ignore-maxmemory", "yes").alias("slave-ignore-maxmemory").idle(REPLICATION),
    flag("replica-ignore-disk-write-errors", "no").idle(REPLICATION),
    number("replica-priority", 0, INT_MAX, "100").alias("slave-priority").idle(REPLICATION),
    flag("repl-disable-tcp-nodelay", "no").idle(REPLICATION),
    flag("repl-diskless-sync", "yes").idle(REPLICATION),
    number("repl-diskless-sync-delay", 0, INT_MAX, "5").idle(REPLICATION),
    number("repl-diskless-sync-max-replicas", 0, INT_MAX, "0").idle(REPLICATION),
    choice("repl-diskless-load", DISKLESS_LOAD, "disabled").idle(REPLICATION),
    number("repl-timeout", 1, INT_MAX, "60").idle(REPLICATION),
    number("repl-ping-replica-period", 1, INT_MAX, "10").alias("repl-ping-slave-period").idle(REPLICATION),
    memory("repl-backlog-size", 1, BYTES_MAX, "1mb").idle(REPLICATION),
    number("repl-backlog-ttl", 0, LONG_MAX, "3600").idle(REPLICATION),
    number("min-replicas-to-write", 0, INT_MAX, "0").alias("min-slaves-to-write").idle(REPLICATION),
    number("min-replicas-max-lag", 0, INT_MAX, "10").alias("min-slaves-max-lag").idle(REPLICATION),
    choice("propagation-error-behavior", PROPAGATION_ERROR, "ignore").idle(REPLICATION),
    // Cluster.
    text("cluster-announce-ip")
        .at(text_at!(cluster_announce_ip))
        .about(Cluster, "Address that shard ports announce; empty: the one that the client came to"),
    text("cluster-announce-hostname")
        .at(text_at!(cluster_announce_hostname))
        .valid(hostname)
        .about(Cluster, "Host name that shard ports announce"),
    choice("cluster-preferred-endpoint-type", Endpoint::WORDS, "ip")
        .at(choice_at!(cluster_preferred_endpoint_type, Endpoint))
        .about(Cluster, "What CLUSTER names shards by: ip, hostname, unknown-endpoint"),
    text("cluster-announce-human-nodename").valid(node_name).idle(CLUSTER),
    flag("cluster-enabled", "no").fixed().idle(CLUSTER),
    named("cluster-config-file", "nodes.conf").fixed().idle(CLUSTER),
    number("cluster-port", 0, 65535, "0").fixed().idle(CLUSTER),
    number("cluster-announce-port", 0, 65535, "0").idle(CLUSTER),
    number("cluster-announce-bus-port", 0, 65535, "0").idle(CLUSTER),
    number("cluster-announce-tls-port", 0, 65535, "0").idle(CLUSTER),
    number("cluster-node-timeout", 0, LONG_MAX, "15000").idle(CLUSTER),
    number("cluster-ping-interval", 0, LONG_MAX, "0").hidden().idle(CLUSTER),
    flag("cluster-require-full-coverage", "yes").idle(CLUSTER),
    flag("cluster-allow-reads-when-down", "no").idle(CLUSTER),
    flag("cluster-allow-pubsubshard-when-down", "yes").idle(CLUSTER),
    flag("cluster-allow-replica-migration", "yes").idle(CLUSTER),
    flag("cluster-replica-no-failover", "no").alias("cluster-slave-no-failover").idle(CLUSTER),
    number("cluster-replica-validity-factor", 0, INT_MAX, "10").alias("cluster-slave-validity-factor").idle(CLUSTER),
    number("cluster-migration-barrier", 0, INT_MAX, "1").idle(CLUSTER),
    memory("cluster-link-sendbuf-limit", 0, u64::MAX, "0").idle(CLUSTER),
    // Other data types.
    number("hash-max-listpack-entries", 0, LONG_MAX, "512")
        .alias("hash-max-ziplist-entries")
        .at(number_at!(packing.hash_entries))
        .about(Memory, "Fields up to which a hash stays packed"),
    memory("hash-max-listpack-value", 0, BYTES_MAX, "64")
        .alias("hash-max-ziplist-value")
        .at(number_at!(packing.hash_value_bytes))
        .about(Memory, "Bytes of a field or value up to which a hash stays packed"),
    number("list-max-listpack-size", i32::MIN as i128, INT_MAX, "-2")
        .alias("list-max-ziplist-size")
        .at(number_at!(packing.list_size))
        .about(Memory, "Size of a list's chunks: elements, or -1 to -5 for 4 to 64 KiB"),
    number("list-compress-depth", 0, INT_MAX, "0").idle("chunks of lists are not compressed"),
    number("set-max-intset-entries", 0, LONG_MAX, "512")
        .at(number_at!(packing.intset_entries))
        .about(Memory, "Integers up to which a set of integers stays packed"),
    number("set-max-listpack-entries", 0, LONG_MAX, "128")
        .at(number_at!(packing.set_entries))
        .about(Memory, "Members up to which a set stays packed"),
    number("set-max-listpack-value", 0, LONG_MAX, "64")
        .at(number_at!(packing.set_value_bytes))
        .about(Memory, "Bytes of a member up to which a set stays packed"),
    number("zset-max-listpack-entries", 0, LONG_MAX, "128")
        .alias("zset-max-ziplist-entries")
        .at(number_at!(packing.zset_entries))
        .about(Memory, "Members up to which a sorted set stays packed"),
    memory("zset-max-listpack-value", 0, BYTES_MAX, "64")
        .alias("zset-max-ziplist-value")
        .at(number_at!(packing.zset_value_bytes))
        .about(Memory, "Bytes of a member up to which a sorted set stays packed"),
    memory("hll-sparse-max-bytes", 0, BYTES_MAX, "3000")
        .at(number_at!(packing.hll_sparse_bytes))
        .about(Memory, "Bytes up to which a HyperLogLog stays sparse"),
    memory("stream-node-max-bytes", 0, BYTES_MAX, "4096")
        .at(number_at!(packing.stream_node_bytes))
        .about(Memory, "Bytes of a stream's node"),
    number("stream-node-max-entries", 0, LONG_MAX, "100")
        .at(number_at!(packing.stream_node_entries))
        .about(Memory, "Entries of a stream's node"),
    // Notifications.
    special("notify-keyspace-events", &special::NOTIFY, "")
        .about(Watching, "Which events of keys are told: letters of Ag$lshzxetdnKEm"),
    number("tracking-table-max-keys", 0, LONG_MAX, "1000000").idle(PUBSUB),
    // TLS.
    number("tls-port", 0, 65535, "0").idle(TLS),
    text("tls-cert-file").idle(TLS),
    text("tls-key-file").idle(TLS),
    text("tls-key-file-pass").sensitive().idle(TLS),
    text("tls-client-cert-file").idle(TLS),
    text("tls-client-key-file").idle(TLS),
    text("tls-client-key-file-pass").sensitive().idle(TLS),
    text("tls-dh-params-file").idle(TLS),
    text("tls-ca-cert-file").idle(TLS),
    text("tls-ca-cert-dir").idle(TLS),
    choice("tls-auth-clients", TLS_AUTH_CLIENTS, "yes").idle(TLS),
    flag("tls-replication", "no").idle(TLS),
    flag("tls-cluster", "no").idle(TLS),
    text("tls-protocols").idle(TLS),
    text("tls-ciphers").idle(TLS),
    text("tls-ciphersuites").idle(TLS),
    flag("tls-prefer-server-ciphers", "no").idle(TLS),
    flag("tls-session-caching", "yes").idle(TLS),
    number("tls-session-cache-size", 0, INT_MAX, "20480").idle(TLS),
    number("tls-session-cache-timeout", 0, INT_MAX, "300").idle(TLS),
];

/// Directives of files only: CONFIG GET and SET do not know them, CONFIG REWRITE leaves their lines alone. The least and
/// most words of a line, its name included, and why they have no effect.
pub static FILE_ONLY: &[(&str, usize, usize, Option<&str>)] = &[
    ("include", 2, 2, None),
    ("rename-command", 3, 3, None),
    ("user", 2, usize::MAX, Some(USERS)),
    ("loadmodule", 2, usize::MAX, Some(SCRIPTS)),
    // Redis 7.2 reads these three and drops them.
    ("list-max-ziplist-entries", 2, 2, Some(OBSOLETE)),
    ("list-max-ziplist-value", 2, 2, Some(OBSOLETE)),
    ("lua-replicate-commands", 2, 2, Some(OBSOLETE)),
];
const OBSOLETE: &str = "Redis itself no longer uses it";

const SYSLOG_FACILITIES: &[(&str, i128)] = &[
    ("user", 1),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];
const OOM_SCORE_ADJ: &[(&str, i128)] = &[("no", 0), ("yes", 1), ("relative", 1), ("absolute", 2)];
const SHUTDOWN_ON_SIGNAL: &[(&str, i128)] = &[("default", 0), ("save", 1), ("nosave", 2), ("now", 4), ("force", 8)];
const ACL_PUBSUB_DEFAULT: &[(&str, i128)] = &[("allchannels", 1), ("resetchannels", 0)];
const SANITIZE: &[(&str, i128)] = &[("no", 0), ("yes", 1), ("clients", 2)];
const DISKLESS_LOAD: &[(&str, i128)] = &[("disabled", 0), ("on-empty-db", 1), ("swapdb", 2)];
const PROPAGATION_ERROR: &[(&str, i128)] = &[("ignore", 0), ("panic", 1), ("panic-on-replicas", 2)];
const TLS_AUTH_CLIENTS: &[(&str, i128)] = &[("no", 0), ("yes", 1), ("optional", 2)];

fn anything(_: &[u8]) -> Result<(), Wrong> {
    Ok(())
}

fn save_or_not(bits: i128) -> Result<(), Wrong> {
    if bits & 3 == 3 { Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into()) } else { Ok(()) }
}

fn is_path(name: &[u8]) -> bool {
    name.contains(&b'/') || name.contains(&b'\\')
}

fn db_filename(name: &[u8]) -> Result<(), Wrong> {
    if is_path(name) { Err("dbfilename can't be a path, just a filename".into()) } else { Ok(()) }
}

fn append_filename(name: &[u8]) -> Result<(), Wrong> {
    match name {
        [] => Err("appendfilename can't be empty".into()),
        name if is_path(name) => Err("appendfilename can't be a path, just a filename".into()),
        _ => Ok(()),
    }
}

fn append_dirname(name: &[u8]) -> Result<(), Wrong> {
    match name {
        [] => Err("appenddirname can't be empty".into()),
        name if is_path(name) => Err("appenddirname can't be a path, just a dirname".into()),
        _ => Ok(()),
    }
}

fn hostname(name: &[u8]) -> Result<(), Wrong> {
    if name.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    match name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) {
        true => Ok(()),
        false => Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into()),
    }
}

fn node_name(name: &[u8]) -> Result<(), Wrong> {
    match name.iter().any(|b| b"!#$%&()*+:;<>?@[]^{|}~".contains(b)) {
        true => Err("Announced human node name contained invalid character".into()),
        false => Ok(()),
    }
}

/// `{name}` of a known variable, `{{` for a brace; what comes out must not be empty.
fn proc_title(template: &[u8]) -> Result<(), Wrong> {
    const SHOWN: [&str; 3] = ["listen-addr", "config-file", "port"];
    const MAY_BE_EMPTY: [&str; 4] = ["title", "server-mode", "tls-port", "unixsocket"];
    let wrong = || Err("template format is invalid or contains unknown variables".into());
    let Ok(mut rest) = std::str::from_utf8(template) else { return wrong() };
    let mut shows_something = false;
    while let Some((before, after)) = rest.split_once('{') {
        shows_something |= !before.trim_matches(' ').is_empty();
        if let Some(after) = after.strip_prefix('{') {
            shows_something = true;
            rest = after;
            continue;
        }
        let Some((variable, after)) = after.split_once('}') else { return wrong() };
        match variable {
            v if SHOWN.contains(&v) => shows_something = true,
            v if MAY_BE_EMPTY.contains(&v) => shows_something |= v == "tls-port",
            _ => return wrong(),
        }
        rest = after;
    }
    shows_something |= !rest.trim_matches(' ').is_empty();
    if shows_something { Ok(()) } else { wrong() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::row::{How, find};

    #[test]
    fn texts_that_are_looked_at() {
        // (directive, value, the error or nothing); the errors are redis-server 7.2's.
        for (name, value, wrong) in [
            ("dbfilename", "", None),
            ("dbfilename", "a/b", Some("dbfilename can't be a path, just a filename")),
            ("appendfilename", "", Some("appendfilename can't be empty")),
            ("appendfilename", "a\\b", Some("appendfilename can't be a path, just a filename")),
            ("appenddirname", "", Some("appenddirname can't be empty")),
            ("appenddirname", "a/", Some("appenddirname can't be a path, just a dirname")),
            ("cluster-announce-hostname", "a-b.C3", None),
            (
                "cluster-announce-hostname",
                "a_b",
                Some("Hostnames may only contain alphanumeric characters, hyphens or dots"),
            ),
            ("cluster-announce-human-nodename", "node-1 \"x\"", None),
            ("cluster-announce-human-nodename", "a:b", Some("Announced human node name contained invalid character")),
            ("proc-title-template", "{title} {port}", None),
            ("proc-title-template", "x", None),
            ("proc-title-template", "{{", None),
            ("proc-title-template", "{nope}", Some("template format is invalid or contains unknown variables")),
            ("proc-title-template", "{title", Some("template format is invalid or contains unknown variables")),
            ("proc-title-template", "a {", Some("template format is invalid or contains unknown variables")),
            ("proc-title-template", " ", Some("template format is invalid or contains unknown variables")),
            ("proc-title-template", "", Some("template format is invalid or contains unknown variables")),
            (
                "proc-title-template",
                "{title} {server-mode}",
                Some("template format is invalid or contains unknown variables"),
            ),
            (
                "shutdown-on-sigint",
                "nosave save",
                Some("shutdown options SAVE and NOSAVE can't be used simultaneously"),
            ),
            ("shutdown-on-sigint", "nosave now", None),
        ] {
            let row = find(name.as_bytes()).unwrap().row;
            let words: Vec<Vec<u8>> = match row.many() {
                true => value.split(' ').map(|w| w.into()).collect(),
                false => vec![value.into()],
            };
            let got = row.set(&mut Settings::default(), &words, How::Ask);
            assert_eq!(got.err().as_deref(), wrong, "{name} {value:?}");
        }
        let long = "a".repeat(256);
        assert_eq!(hostname(long.as_bytes()).unwrap_err(), "Hostnames must be less than 256 characters");
        assert_eq!(hostname(&long.as_bytes()[..255]), Ok(()));
    }

    #[test]
    fn the_ranges_lie_within_their_fields() {
        // `number_at!` cuts with `as`: setting the ends of each range must give them back.
        for row in ROWS {
            let (min, max) = match row.kind {
                Kind::Number { min, max } => (min, max.min(i64::MAX.into())),
                Kind::Memory { min, max, .. } => (min.into(), max.into()),
                _ => continue,
            };
            for n in [min, max] {
                let mut s = Settings::default();
                row.set(&mut s, &[n.to_string().into_bytes()], How::Ask).unwrap();
                assert_eq!(String::from_utf8(row.get(&s)).unwrap(), n.to_string(), "{}", row.name);
            }
        }
    }
}
