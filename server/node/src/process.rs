//! Room: process. What all shards of one process share: settings, counters of numbers that must be unique, who is paused.
//! Nothing of it is on the way of an ask but one load of the settings' generation a turn. Touches: config, log.

use crate::backup::state::Backups;
use crate::config::{BufferLimit, ClientClass, Endpoint, FsyncPolicy, Guard, IdleSpin, MemoryLimit, Policy, Settings};
use crate::log::Log;
use crate::persist::{Gate, Persist};
use crate::session::Peer;
use crate::title::Title;
use base::ShardId;
use command::context::Limits;
use command::row::Flag;
use command::table::Names;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// What CLIENT PAUSE stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    Writes,
    All,
}

/// Lower numbers are older: what goes before every transaction has one below this.
pub const TX_FIRST: u64 = 1 << 40;

/// Sizes of clients that are told apart: as in Redis, powers of two.
pub const CLIENT_BUCKETS: usize = 19;

/// One a shard; a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct ShardLine {
    /// Connections that are, or are about to be, this shard's.
    clients: AtomicUsize,
    /// Bytes in the shard's store, as of its last report.
    store_bytes: AtomicUsize,
    /// Bytes that the shard's store holds and does not use.
    spare_bytes: AtomicUsize,
    /// What the shard's clients hold, and how many there are of each size, while that is limited.
    clients_bytes: AtomicUsize,
    client_buckets: [AtomicU32; CLIENT_BUCKETS],
}

/// Facts of this run, fixed at the start.
#[derive(Clone, Debug)]
pub struct Facts {
    pub run_id: String,
    pub node_id: String,
    pub started_unix_s: u64,
    pub kernel: String,
    pub total_memory: u64,
    pub executable: String,
    /// Cores that shards are pinned to.
    pub cores: Vec<usize>,
    /// 0: shards are not announced as nodes.
    pub shard_port_base: u16,
    pub port: u16,
    pub memcached_port: u16,
}

pub struct Process {
    pub shards: usize,
    pub facts: Facts,
    pub log: Log,
    /// The verbs that clients may use.
    pub names: Arc<Names>,
    pub persist: Persist,
    pub backups: Backups,
    config: Mutex<Settings>,
    generation: AtomicU64,
    lines: Vec<ShardLine>,
    clients: AtomicUsize,
    client_next: AtomicU64,
    tx_next: AtomicU64,
    slowlog_next: AtomicU64,
    /// Unix ms until which CLIENT PAUSE lasts.
    pause_until_ms: AtomicU64,
    pause_all: AtomicBool,
    /// Bytes in use, by whoever knows: the counting allocator, or the simulation.
    used: fn() -> usize,
    peak: AtomicUsize,
    /// 0: run. 1: stop gracefully.
    stopping: AtomicU8,
    pub deadlines_stopped: AtomicBool,
    /// The file that CONFIG REWRITE rewrites; unset when the process was started without one.
    pub config_file: OnceLock<PathBuf>,
    /// What the kernel's score was at the start; unset where it does not tell.
    pub oom_score_began: OnceLock<i32>,
    /// What `ps` shows; unset where that is left as it is.
    pub title: OnceLock<Title>,
    /// The replication id: a history of writes by 40 hex digits.
    replid: Mutex<String>,
    /// What all shards hash keys with.
    hash_seed: OnceLock<u64>,
    /// Bytes in use when the shards had just begun; 0: not yet.
    startup: AtomicUsize,
    /// DEBUG SLEEP: no session goes on before this, `up_us`.
    frozen_until_us: AtomicU64,
    /// memcached's `stats sizes_enable`.
    pub tracks_sizes: AtomicBool,
    /// memcached's `flush_all` with a delay: when, Unix ms; 0: none is pending.
    flush_due_ms: AtomicU64,
}

/// The settings that shards read on the way of an ask, and what follows from them.
#[derive(Clone, Debug)]
pub struct Live {
    pub generation: u64,
    pub limits: Limits,
    pub tuning: store::Tuning,
    /// Bytes; 0: no limit.
    pub maxmemory: usize,
    /// What clients may hold together, bytes; 0: no limit.
    pub clients_bytes_max: usize,
    pub tenacity: Tenacity,
    pub maxclients: u32,
    pub protected: bool,
    pub password_set: bool,
    pub debug_command: Guard,
    pub query_buffer_bytes_max: usize,
    pub output_normal: BufferLimit,
    pub output_replica: BufferLimit,
    pub output_pubsub: BufferLimit,
    /// `notify-keyspace-events`, as `command::context::Class` numbers it; 0 where nobody is told.
    pub notify: u32,
    pub timeout_s: u64,
    /// None: no slow log.
    pub slowlog_ns: Option<u64>,
    pub slowlog_len_max: usize,
    pub latency_monitor_ms: u64,
    /// The least time of a command that anybody wants to hear of, ns.
    pub slow_ns: u64,
    pub latency_tracking: bool,
    pub idle_spin: IdleSpin,
    pub tcp_keepalive_s: u32,
    pub flush_disabled: bool,
    /// `snapshot-rate-limit`, bytes a second over all shards; 0: none.
    pub snapshot_rate: u64,
    pub appendfsync: FsyncPolicy,
    /// `no-appendfsync-on-rewrite`
    pub no_sync_on_rewrite: bool,
}

impl Process {
    pub fn new(shards: usize, facts: Facts, config: Settings, log: Log, used: fn() -> usize) -> Process {
        let mut names = Names::default();
        for (old, new) in &config.renamed_commands {
            names.rename(old, new).expect("what was loaded fits the table");
        }
        Process {
            shards,
            persist: Persist::new(shards, facts.started_unix_s),
            backups: Backups::default(),
            facts,
            log,
            names: Arc::new(names),
            config: Mutex::new(config),
            generation: AtomicU64::new(1),
            lines: (0..shards).map(|_| ShardLine::default()).collect(),
            clients: AtomicUsize::new(0),
            client_next: AtomicU64::new(1),
            tx_next: AtomicU64::new(TX_FIRST),
            slowlog_next: AtomicU64::new(0),
            pause_until_ms: AtomicU64::new(0),
            pause_all: AtomicBool::new(false),
            used,
            peak: AtomicUsize::new(0),
            stopping: AtomicU8::new(0),
            deadlines_stopped: AtomicBool::new(false),
            config_file: OnceLock::new(),
            oom_score_began: OnceLock::new(),
            title: OnceLock::new(),
            hash_seed: OnceLock::new(),
            replid: Mutex::new(random_id()),
            startup: AtomicUsize::new(0),
            frozen_until_us: AtomicU64::new(0),
            tracks_sizes: AtomicBool::new(false),
            flush_due_ms: AtomicU64::new(0),
        }
    }

    /// The settings, to look at or to change; after a change call `settings_changed`.
    pub fn config(&self) -> MutexGuard<'_, Settings> {
        self.config.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Shows in `ps` what the settings say.
    pub fn show_title(&self) {
        if let Some(title) = self.title.get() {
            let file = self.config_file.get().map(|path| path.display().to_string());
            title.show(&self.config(), file.as_deref());
        }
    }

    pub fn settings_changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn live(&self) -> Live {
        let generation = self.generation();
        Live::of(&self.config(), generation, self.facts.total_memory, self.shards)
    }

    pub fn next_client_id(&self) -> u64 {
        self.client_next.fetch_add(1, Ordering::Relaxed)
    }

    pub fn next_tx(&self) -> u64 {
        self.tx_next.fetch_add(1, Ordering::Relaxed)
    }

    pub fn next_slowlog_id(&self) -> u64 {
        self.slowlog_next.fetch_add(1, Ordering::Relaxed)
    }

    // Clients.

    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Chooses the shard for a newcomer that `here` accepted, and counts it there: the one with fewest connections, `here`
    /// when it is among them.
    pub fn place_client(&self, here: ShardId, fixed: bool) -> ShardId {
        self.clients.fetch_add(1, Ordering::Relaxed);
        let of = |i: usize| self.lines[i].clients.load(Ordering::Relaxed);
        let mut best = here.index();
        if !fixed {
            for i in 0..self.shards {
                if of(i) < of(best) {
                    best = i;
                }
            }
        }
        self.lines[best].clients.fetch_add(1, Ordering::Relaxed);
        ShardId(best as u16)
    }

    pub fn client_gone(&self, shard: ShardId) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
        self.lines[shard.index()].clients.fetch_sub(1, Ordering::Relaxed);
    }

    // Memory.

    /// Bytes in use: live allocations of the process, less what stores keep for their next entries. What eviction frees is
    /// spare at once; its pages go back to the system as whole chunks empty.
    pub fn used_memory(&self) -> usize {
        let spare: usize = self.lines.iter().map(|l| l.spare_bytes.load(Ordering::Relaxed)).sum();
        (self.used)().saturating_sub(spare)
    }

    /// A shard says how much its store keeps spare.
    #[inline]
    pub fn set_spare(&self, shard: ShardId, bytes: usize) {
        self.lines[shard.index()].spare_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The most that `report` has seen.
    pub fn peak_memory(&self) -> usize {
        self.peak.fetch_max(self.used_memory(), Ordering::Relaxed).max(self.used_memory())
    }

    pub fn reset_peak(&self) {
        self.peak.store(self.used_memory(), Ordering::Relaxed);
    }

    /// A shard says what its store holds.
    pub fn report(&self, shard: ShardId, store_bytes: usize) {
        self.lines[shard.index()].store_bytes.store(store_bytes, Ordering::Relaxed);
        self.peak_memory();
        // The first report comes before the first ask: what is in use by then is what an empty server needs.
        if self.startup.load(Ordering::Relaxed) == 0 {
            let _ = self.startup.compare_exchange(0, self.used_memory().max(1), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Bytes in use before there was any data.
    pub fn startup_memory(&self) -> usize {
        self.startup.load(Ordering::Relaxed)
    }

    // Hashing.

    /// What the shards seed their hash function with: what the loaded snapshot was made with, or random, so that nobody can choose
    /// keys that collide. It stays as it was first asked for.
    pub fn hash_seed(&self) -> u64 {
        *self.hash_seed.get_or_init(random_seed)
    }

    /// Before any shard begins.
    pub fn hash_with(&self, seed: u64) {
        let _ = self.hash_seed.set(seed);
    }

    // The replication id.

    pub fn replid(&self) -> String {
        self.replid.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// DEBUG CHANGE-REPL-ID: the history of writes begins anew.
    pub fn renew_replid(&self) {
        *self.replid.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = random_id();
    }

    // DEBUG SLEEP.

    /// Nobody is served until `until_us` (`up_us`).
    pub fn freeze(&self, until_us: u64) {
        self.frozen_until_us.fetch_max(until_us, Ordering::Relaxed);
    }

    #[inline]
    pub fn frozen_until_us(&self) -> u64 {
        self.frozen_until_us.load(Ordering::Relaxed)
    }

    // memcached's `flush_all` with a delay. A later one takes the place of an earlier.

    /// `due_ms` 0: none is pending any more.
    pub fn plan_flush(&self, due_ms: u64) {
        self.flush_due_ms.store(due_ms, Ordering::Relaxed);
    }

    pub fn flush_due_ms(&self) -> Option<u64> {
        Some(self.flush_due_ms.load(Ordering::Relaxed)).filter(|&ms| ms > 0)
    }

    /// True once for each planned flush whose time has come.
    pub fn take_flush(&self, now_ms: u64) -> bool {
        let due = self.flush_due_ms.load(Ordering::Relaxed);
        due > 0
            && due <= now_ms
            && self.flush_due_ms.compare_exchange(due, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    // What clients hold, while it is limited.

    pub fn set_clients_bytes(&self, shard: ShardId, bytes: usize) {
        self.lines[shard.index()].clients_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Of all shards.
    pub fn clients_bytes(&self) -> usize {
        self.lines.iter().map(|l| l.clients_bytes.load(Ordering::Relaxed)).sum()
    }

    /// One client more or less in a bucket of `shard`, which alone changes its own.
    pub fn count_in_bucket(&self, shard: ShardId, bucket: usize, more: bool) {
        let count = &self.lines[shard.index()].client_buckets[bucket];
        let n = count.load(Ordering::Relaxed);
        count.store(if more { n + 1 } else { n - 1 }, Ordering::Relaxed);
    }

    /// The bucket of the largest clients that may be closed, and a shard that has some of them: `here` if it has.
    pub fn largest_clients(&self, here: ShardId) -> Option<(u8, ShardId)> {
        (0..CLIENT_BUCKETS).rev().find_map(|bucket| {
            let has = |shard: usize| self.lines[shard].client_buckets[bucket].load(Ordering::Relaxed) > 0;
            let shard = std::iter::once(here.index()).chain(0..self.shards).find(|&shard| has(shard))?;
            Some((bucket as u8, ShardId(shard as u16)))
        })
    }

    fn store_bytes_of_others(&self, shard: ShardId) -> usize {
        let lines = self.lines.iter().enumerate().filter(|(i, _)| *i != shard.index());
        lines.map(|(_, l)| l.store_bytes.load(Ordering::Relaxed)).sum()
    }

    /// Whether a shard that holds `store_bytes` should evict unasked: those with at least their share do.
    pub fn should_evict(&self, shard: ShardId, store_bytes: usize) -> bool {
        store_bytes * self.shards >= (self.store_bytes_of_others(shard) + store_bytes) * 9 / 10
    }

    /// Whether another shard holds enough that its eviction will make room.
    pub fn may_be_evicted_elsewhere(&self, shard: ShardId) -> bool {
        // 1 MiB: more than empty tables hold.
        self.store_bytes_of_others(shard) > 1 << 20
    }

    // CLIENT PAUSE.

    /// As Redis: a longer pause stands, and ALL outlasts WRITE.
    pub fn pause(&self, until_ms: u64, what: Pause, now_ms: u64) {
        let active = self.pause_until_ms.load(Ordering::Relaxed) > now_ms;
        self.pause_until_ms.fetch_max(until_ms, Ordering::Relaxed);
        let all = what == Pause::All || active && self.pause_all.load(Ordering::Relaxed);
        self.pause_all.store(all, Ordering::Relaxed);
    }

    pub fn unpause(&self) {
        self.pause_until_ms.store(0, Ordering::Relaxed);
        self.pause_all.store(false, Ordering::Relaxed);
    }

    /// What is paused now, and until when (Unix ms).
    pub fn paused(&self, now_ms: u64) -> Option<(Pause, u64)> {
        let until = self.pause_until_ms.load(Ordering::Relaxed);
        let what = if self.pause_all.load(Ordering::Relaxed) { Pause::All } else { Pause::Writes };
        (until > now_ms).then_some((what, until))
    }

    /// Whether a command with these flags must wait. ALL is all: CLIENT UNPAUSE waits too, as in Redis.
    #[inline]
    pub fn is_paused(&self, now_ms: u64, flags: u32) -> bool {
        let until = self.pause_until_ms.load(Ordering::Relaxed);
        until > now_ms && (flags & (Flag::WRITE | Flag::MAY_REPLICATE) != 0 || self.pause_all.load(Ordering::Relaxed))
    }

    /// Writes stop when a snapshot has failed, if the settings say so.
    pub fn renew_gate(&self) {
        let stops = {
            let config = self.config();
            config.stop_writes_on_bgsave_error && !config.save.is_empty()
        };
        let failed = self.persist.saves().failed.is_some();
        self.persist.set_gate(Gate::MISCONF, stops && failed);
    }

    // Stopping.

    pub fn stop(&self) {
        self.stopping.store(1, Ordering::Release);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire) != 0
    }

    /// Where a shard's own port is, as clients are told: the announced address, or the one they came to.
    pub fn announced(&self, shard: ShardId, peer: &Peer) -> String {
        let (ip, port) = self.announced_node(shard, peer);
        let config = self.config();
        let hostname = &config.cluster_announce_hostname;
        let host = match config.cluster_preferred_endpoint_type {
            Endpoint::Ip => &ip,
            Endpoint::Hostname if hostname.is_empty() => "?",
            Endpoint::Hostname => hostname,
            // Clients go to the host they know already.
            Endpoint::Unknown => "",
        };
        format!("{host}:{port}")
    }

    pub fn announced_node(&self, shard: ShardId, peer: &Peer) -> (String, u16) {
        let config = self.config();
        let announced = &config.cluster_announce_ip;
        let host = match peer {
            _ if !announced.is_empty() => announced.clone(),
            Peer::Tcp { local, .. } => local.ip().to_canonical().to_string(),
            Peer::Unix(_) => "127.0.0.1".into(),
        };
        (host, self.facts.shard_port_base + shard.0)
    }

    /// The node id under which a shard is announced: 40 hex digits, steady for a run.
    pub fn shard_node_id(&self, shard: ShardId) -> String {
        format!("{}{:04x}", &self.facts.node_id[..36], shard.0)
    }
}

/// Nobody is told of anything without `K` or `E`.
fn told(notify: u32) -> u32 {
    use command::context::Class;
    if notify & (Class::KEYSPACE | Class::KEYEVENT) == 0 { 0 } else { notify }
}

/// `maxmemory-eviction-tenacity`: how much may be evicted in one go.
#[derive(Clone, Copy, Debug)]
pub struct Tenacity(u8);

impl Tenacity {
    /// The bound that stands where at the default, 10, it is `usual`: from next to nothing in even steps, then 15 % more
    /// with each step, at last without end (Redis: `evictionTimeLimitUs`).
    pub fn of(self, usual: usize) -> usize {
        match self.0 {
            tenacity @ 0..=10 => (usual * usize::from(tenacity) / 10).max(1),
            tenacity @ 11..100 => (usual as f64 * 1.15f64.powi(i32::from(tenacity) - 10)) as usize,
            _ => usize::MAX,
        }
    }
}

/// What `maxmemory-clients` comes to, bytes; 0: no limit. As in Redis (`getClientEvictionLimit`) a share is one of
/// `maxmemory`, and less than 128 KiB would leave nobody to say so to.
fn clients_bytes_max(setting: MemoryLimit, maxmemory: usize) -> usize {
    match setting.bytes(maxmemory as u64) as usize {
        0 => 0,
        bytes => bytes.max(128 * 1024),
    }
}

impl Live {
    /// `client-output-buffer-limit` of the class that a connection is in.
    pub fn output_limit(&self, conn: &crate::session::Conn) -> BufferLimit {
        if conn.monitor {
            self.output_replica
        } else if conn.is_listening() {
            self.output_pubsub
        } else {
            self.output_normal
        }
    }

    pub fn of(s: &Settings, generation: u64, total_memory: u64, shards: usize) -> Live {
        let policy = match s.maxmemory_policy {
            Policy::VolatileLru => store::Policy::VolatileLru,
            Policy::VolatileLfu => store::Policy::VolatileLfu,
            Policy::VolatileRandom => store::Policy::VolatileRandom,
            Policy::VolatileTtl => store::Policy::VolatileTtl,
            Policy::AllKeysLru => store::Policy::AllKeysLru,
            Policy::AllKeysLfu => store::Policy::AllKeysLfu,
            Policy::AllKeysRandom => store::Policy::AllKeysRandom,
            Policy::NoEviction => store::Policy::NoEviction,
        };
        let tuning = store::Tuning {
            policy,
            samples: s.maxmemory_samples,
            lfu_log_factor: s.lfu_log_factor,
            lfu_decay_minutes: s.lfu_decay_minutes,
            packing: s.packing,
        };
        let limits = Limits {
            value_bytes_max: s.proto_max_bulk_len as usize,
            item_bytes_max: s.item_size_max as usize,
            lfu: matches!(policy, store::Policy::AllKeysLfu | store::Policy::VolatileLfu),
            databases: s.databases,
            shards,
        };
        let maxmemory = s.maxmemory.bytes(total_memory) as usize;
        let slowlog_ns = u64::try_from(s.slowlog_log_slower_than_us).ok().map(|us| us * 1000);
        let latency_ns = (s.latency_monitor_threshold_ms > 0).then_some(s.latency_monitor_threshold_ms * 1_000_000);
        Live {
            generation,
            limits,
            tuning,
            maxmemory,
            clients_bytes_max: clients_bytes_max(s.maxmemory_clients, maxmemory),
            tenacity: Tenacity(s.maxmemory_eviction_tenacity),
            maxclients: s.maxclients,
            protected: s.protected_mode && s.requirepass.is_empty(),
            password_set: !s.requirepass.is_empty(),
            debug_command: s.enable_debug_command,
            query_buffer_bytes_max: s.client_query_buffer_limit as usize,
            output_normal: s.output_limit(ClientClass::Normal),
            output_replica: s.output_limit(ClientClass::Replica),
            output_pubsub: s.output_limit(ClientClass::PubSub),
            notify: told(s.notify_keyspace_events),
            timeout_s: s.timeout_s as u64,
            slowlog_ns,
            slowlog_len_max: s.slowlog_max_len as usize,
            latency_monitor_ms: s.latency_monitor_threshold_ms,
            slow_ns: slowlog_ns.unwrap_or(u64::MAX).min(latency_ns.unwrap_or(u64::MAX)),
            latency_tracking: s.latency_tracking,
            idle_spin: s.idle_spin_us,
            tcp_keepalive_s: s.tcp_keepalive_s,
            flush_disabled: s.memcached_flush_disabled,
            snapshot_rate: s.snapshot_rate_limit,
            appendfsync: s.appendfsync,
            no_sync_on_rewrite: s.no_appendfsync_on_rewrite,
        }
    }
}

/// 40 random hex digits.
pub fn random_id() -> String {
    format!("{:016x}{:016x}{:08x}", random_seed(), random_seed(), random_seed() as u32)
}

/// 64 random bits.
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // Each state is keyed from the system's random source.
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Seconds since 1970.
pub fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Redis 7.2's `evictionTimeLimitUs` gives 500 at 10: the rest in proportion.
    #[test]
    fn tenacity_scales_what_is_evicted_in_one_go() {
        let cases = [(0, 1), (1, 50), (5, 250), (10, 500), (11, 575), (20, 2022), (50, 133_931), (100, usize::MAX)];
        for (tenacity, expected) in cases {
            assert_eq!(Tenacity(tenacity).of(500), expected, "{tenacity}");
        }
    }
}
