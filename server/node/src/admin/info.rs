//! Room: admin. INFO: what each shard counts, gathered, and told in Redis's names and order. No shard does more for it than
//! a look at its rows and databases.

use crate::appendlog::shared::Mode;
use crate::engine::{Answer, Engine, Scope, Served};
use crate::io::usage::{self, Cpu};
use crate::metrics::{ClientMemory, Latency};
use crate::{memory, version};
use base::number::human_bytes;
use base::{Args, DbId};
use command::context::Tally;
use command::row::Row;
use command::table;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// What one shard tells.
#[derive(Default)]
pub(super) struct Part {
    pub clients: usize,
    pub dbs: Vec<Db>,
    pub rows: Vec<Counts>,
    pub latencies: Vec<Option<Box<Latency>>>,
    pub commands: u64,
    pub commands_far: u64,
    pub connections: u64,
    pub rejected: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub reads: u64,
    pub writes: u64,
    pub errors: u64,
    pub error_codes: BTreeMap<String, u64>,
    pub acl_denied_auth: u64,
    pub turns: u64,
    pub sleeps: u64,
    pub rate: [f64; 4],
    pub client_memory: ClientMemory,
    pub store_bytes: usize,
    pub store_overhead: usize,
    pub store_spare: usize,
    pub counters: store::Counters,
    pub together: u64,
    pub yields: u64,
    pub output_disconnections: u64,
    pub query_disconnections: u64,
    pub evicted_clients: u64,
    /// Bytes of asks, replies and messages that wait to be posted to other shards.
    pub outbox_bytes: usize,
    pub tally: Tally,
    pub cpu: Cpu,
    /// Whether anything of it must be told of a shard by itself.
    pub monitors: usize,
    /// Clients held back by CLIENT PAUSE, WAIT or WAITAOF.
    pub blocked: usize,
    /// Keys that somebody waits for, those of which somebody minds the loss, clients whose wait has an end.
    pub waits: (usize, usize, usize),
    /// Channels, patterns, channels of one slot: every shard knows all.
    pub names: [usize; 3],
    /// Memory in use before the answer took any.
    pub used: usize,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Db {
    pub keys: usize,
    pub deadlines: usize,
    /// Of all keys with deadlines together.
    pub remaining_ms: u128,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub calls: u64,
    pub ns: u64,
    pub rejected: u64,
    pub failed: u64,
}

impl Part {
    pub fn of(e: &Engine, latencies: bool) -> Part {
        let used = e.process.used_memory();
        let now_ms = e.now.ms();
        let m = &e.metrics;
        let db = |i| {
            let (db, deadlines) = (DbId(i), e.store.with_deadline(DbId(i)));
            let remaining_ms = u128::from(e.store.deadline_average_ms(db, now_ms)) * deadlines as u128;
            Db { keys: e.store.len(db), deadlines, remaining_ms }
        };
        Part {
            clients: e.conns.len(),
            dbs: (0..e.store.databases()).map(db).collect(),
            rows: m
                .rows
                .iter()
                .map(|r| Counts { calls: r.calls, ns: r.ns, rejected: r.rejected, failed: r.failed })
                .collect(),
            latencies: if latencies { m.rows.iter().map(|r| r.latency.clone()).collect() } else { Vec::new() },
            commands: m.commands,
            commands_far: m.commands_far,
            connections: m.connections,
            rejected: m.connections_rejected,
            bytes_in: m.bytes_in,
            bytes_out: m.bytes_out,
            reads: m.reads,
            writes: m.writes,
            errors: m.errors,
            error_codes: m.error_codes.clone(),
            acl_denied_auth: m.acl_denied_auth,
            turns: m.turns,
            sleeps: m.sleeps,
            rate: m.rate.now(),
            client_memory: m.clients,
            store_bytes: e.store.bytes(),
            store_overhead: e.store.overhead_bytes(),
            store_spare: e.store.spare_bytes(),
            counters: e.store.counters(),
            together: m.together,
            yields: m.yields,
            output_disconnections: m.output_limit_disconnections,
            query_disconnections: m.query_limit_disconnections,
            evicted_clients: m.evicted_clients,
            outbox_bytes: e.outbox.iter().map(|b| b.out.bytes.len()).sum(),
            tally: e.tally.counters(),
            cpu: usage::of_thread(),
            monitors: e.monitors.iter().filter(|m| m.0 == e.me).count(),
            names: Scope::ALL.map(|scope| e.listened_to(scope).count()),
            waits: e.waits(),
            blocked: e.conns.iter().filter(|(_, conn)| conn.is_held_back()).count() + e.log_waits(),
            used,
        }
    }

    /// Of all shards together.
    pub fn sum(parts: &[Part]) -> Part {
        let mut all = Part::default();
        for p in parts {
            all.clients += p.clients;
            all.dbs.resize(p.dbs.len(), Db::default());
            for (a, b) in all.dbs.iter_mut().zip(&p.dbs) {
                a.keys += b.keys;
                a.deadlines += b.deadlines;
                a.remaining_ms += b.remaining_ms;
            }
            all.rows.resize(p.rows.len(), Counts::default());
            for (a, b) in all.rows.iter_mut().zip(&p.rows) {
                a.calls += b.calls;
                a.ns += b.ns;
                a.rejected += b.rejected;
                a.failed += b.failed;
            }
            all.latencies.resize(p.latencies.len(), None);
            for (a, b) in all.latencies.iter_mut().zip(&p.latencies) {
                if let Some(b) = b {
                    a.get_or_insert_default().add(b);
                }
            }
            all.commands += p.commands;
            all.commands_far += p.commands_far;
            all.connections += p.connections;
            all.rejected += p.rejected;
            all.bytes_in += p.bytes_in;
            all.bytes_out += p.bytes_out;
            all.reads += p.reads;
            all.writes += p.writes;
            all.errors += p.errors;
            p.error_codes.iter().for_each(|(code, n)| *all.error_codes.entry(code.clone()).or_default() += n);
            all.acl_denied_auth += p.acl_denied_auth;
            all.turns += p.turns;
            all.sleeps += p.sleeps;
            all.rate.iter_mut().zip(p.rate).for_each(|(a, b)| *a += b);
            all.client_memory.bytes += p.client_memory.bytes;
            all.client_memory.input_max = all.client_memory.input_max.max(p.client_memory.input_max);
            all.client_memory.output_max = all.client_memory.output_max.max(p.client_memory.output_max);
            all.store_bytes += p.store_bytes;
            all.store_overhead += p.store_overhead;
            all.store_spare += p.store_spare;
            all.counters.hits += p.counters.hits;
            all.counters.misses += p.counters.misses;
            all.counters.expired += p.counters.expired;
            all.counters.expired_fields += p.counters.expired_fields;
            all.counters.evicted += p.counters.evicted;
            all.together += p.together;
            all.yields += p.yields;
            all.output_disconnections += p.output_disconnections;
            all.query_disconnections += p.query_disconnections;
            all.evicted_clients += p.evicted_clients;
            all.outbox_bytes += p.outbox_bytes;
            add_tally(&mut all.tally, &p.tally);
            all.cpu += p.cpu;
            all.monitors += p.monitors;
            all.blocked += p.blocked;
            all.waits = (all.waits.0 + p.waits.0, all.waits.1 + p.waits.1, all.waits.2 + p.waits.2);
            all.names.iter_mut().zip(p.names).for_each(|(a, b)| *a = b.max(*a));
            all.used = if all.used == 0 { p.used } else { all.used.min(p.used) };
        }
        all
    }

    pub fn keys(&self) -> usize {
        self.dbs.iter().map(|db| db.keys).sum()
    }
}

fn add_tally(all: &mut Tally, one: &Tally) {
    macro_rules! add {
        ($($field:ident)*) => { $(all.$field += one.$field;)* };
    }
    add!(cmd_get cmd_set cmd_flush cmd_touch cmd_meta get_hits get_misses get_expired delete_misses delete_hits
         incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses
         store_too_large store_no_memory);
}

/// Where the memory is: what INFO and MEMORY STATS both tell.
pub(super) struct Memory {
    pub used: usize,
    pub peak: usize,
    pub startup: usize,
    pub resident: usize,
    pub dataset: usize,
    pub overhead: usize,
    pub keys: usize,
}

impl Memory {
    pub fn of(e: &Engine, all: &Part) -> Memory {
        // Not what it takes to answer: who lowers maxmemory to what is told here must not be over it at once.
        let (used, peak) = (all.used, e.process.peak_memory());
        // Entries and their values; the rest is there to find them, to serve clients, or was there before.
        let dataset = (all.store_bytes.saturating_sub(all.store_overhead)).min(used);
        let overhead = used - dataset;
        Memory {
            used,
            peak,
            startup: e.process.startup_memory(),
            resident: memory::resident().max(1),
            dataset,
            overhead,
            keys: all.keys(),
        }
    }

    /// Beyond what an empty server uses; at least 1, as in Redis.
    pub fn net(&self) -> usize {
        self.used.saturating_sub(self.startup).max(1)
    }

    pub fn dataset_percent(&self) -> f64 {
        self.dataset as f64 * 100.0 / self.net() as f64
    }

    pub fn peak_percent(&self) -> f64 {
        self.used as f64 * 100.0 / self.peak.max(1) as f64
    }

    pub fn fragmentation(&self) -> f64 {
        self.resident as f64 / self.used.max(1) as f64
    }

    pub fn fragmentation_bytes(&self) -> i64 {
        self.resident as i64 - self.used as i64
    }
}

/// Sections in the order in which they are told, and whether INFO without words tells them.
const SECTIONS: &[(&str, bool)] = &[
    ("server", true),
    ("clients", true),
    ("memory", true),
    ("persistence", true),
    ("backup", true),
    ("stats", true),
    ("replication", true),
    ("cpu", true),
    ("modules", true),
    ("commandstats", false),
    ("errorstats", true),
    ("latencystats", false),
    ("cluster", true),
    ("keyspace", true),
    ("shards", true),
];

/// Bits of `SECTIONS`, and whether the names of modules' sections were meant.
fn chosen(words: Args<'_>) -> u32 {
    let bits = |pick: &dyn Fn(&(&str, bool)) -> bool| {
        SECTIONS.iter().enumerate().filter(|(_, s)| pick(s)).fold(0, |bits, (i, _)| bits | 1 << i)
    };
    if words.is_empty() {
        return bits(&|s| s.1);
    }
    words.iter().fold(0, |all, word| {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        all | if is("default") {
            bits(&|s| s.1)
        } else if is("everything") {
            bits(&|_| true)
        } else if is("all") {
            // Redis: all but what modules tell.
            bits(&|s| s.0 != "modules")
        } else if is("module_list") {
            bits(&|s| s.0 == "modules")
        } else {
            bits(&|s| is(s.0))
        }
    })
}

pub(super) fn info(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let chosen = chosen(args.from(1));
    let cluster = engine.conns[index as usize].door == crate::session::Door::Shard;
    let latencies = SECTIONS.iter().position(|s| s.0 == "latencystats").is_some_and(|i| chosen & 1 << i != 0);
    engine.gather(
        index,
        move |e| Answer::Now(Part::of(e, latencies)),
        move |e, parts: Vec<Part>, reply| reply.verbatim("txt", text(e, &parts, chosen, cluster).as_bytes()),
    );
    Served::Done
}

/// `cluster`: it is asked through a shard's own port, where keys of others are answered with MOVED.
fn text(e: &Engine, parts: &[Part], chosen: u32, cluster: bool) -> String {
    let all = Part::sum(parts);
    let mut t = Text(String::new());
    for (_, (name, _)) in SECTIONS.iter().enumerate().filter(|(i, _)| chosen & 1 << i != 0) {
        if !t.0.is_empty() {
            t.0.push_str("\r\n");
        }
        match *name {
            "server" => server(e, cluster, &mut t),
            "clients" => clients(e, &all, &mut t),
            "memory" => memory_section(e, &all, &mut t),
            "persistence" => persistence(e, &mut t),
            "backup" => {
                t.head("Backup");
                super::backup::facts(e).iter().for_each(|(name, value)| t.line(name, value));
            }
            "stats" => stats(&all, &mut t),
            "replication" => replication(e, &mut t),
            "cpu" => cpu(&all, &mut t),
            "modules" => t.head("Modules"),
            "commandstats" => commandstats(&all, &mut t),
            "errorstats" => {
                t.head("Errorstats");
                all.error_codes
                    .iter()
                    .for_each(|(code, n)| t.line(&format!("errorstat_{code}"), format_args!("count={n}")));
            }
            "latencystats" => latencystats(e, &all, &mut t),
            "cluster" => {
                t.head("Cluster");
                t.line("cluster_enabled", cluster as u8);
            }
            "keyspace" => keyspace(&all, &mut t),
            _ => shards(parts, &mut t),
        }
    }
    t.0
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str) {
        self.0.push_str("# ");
        self.0.push_str(name);
        self.0.push_str("\r\n");
    }

    fn line(&mut self, name: &str, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    fn bytes(&mut self, name: &str, bytes: u64) {
        self.line(name, bytes);
        self.line(&format!("{name}_human"), human_bytes(bytes));
    }

    fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.line(name, 0));
    }
}

fn server(e: &Engine, cluster: bool, t: &mut Text) {
    let facts = &e.process.facts;
    let config = e.process.config();
    let uptime_s = e.now.up_us / 1_000_000;
    t.head("Server");
    t.line("redis_version", version::REDIS);
    t.line("redis_git_sha1", "00000000");
    t.line("redis_git_dirty", 0);
    t.line("redis_build_id", "0");
    t.line("redis_mode", if cluster { "cluster" } else { "standalone" });
    t.line("torc_version", version::TORC);
    t.line("torc_shards", e.shards());
    t.line("os", format_args!("Linux {} {}", facts.kernel, std::env::consts::ARCH));
    t.line("arch_bits", usize::BITS);
    t.line("monotonic_clock", "POSIX clock_gettime");
    t.line("multiplexing_api", "io_uring");
    t.line("atomicvar_api", "rust-std");
    // No C compiler had a part in it.
    t.line("gcc_version", "0.0.0");
    t.line("process_id", std::process::id());
    t.line("process_supervised", config.supervised.name());
    t.line("run_id", &facts.run_id);
    t.line("tcp_port", config.port);
    t.line("memcached_port", config.memcached_port);
    t.line("server_time_usec", e.now.unix_us);
    t.line("uptime_in_seconds", uptime_s);
    t.line("uptime_in_days", uptime_s / 86_400);
    t.line("hz", config.hz);
    t.line("configured_hz", config.hz);
    // The age of keys is counted in units of its own; this is Redis's clock, for those who compare.
    t.line("lru_clock", (e.now.unix_us / 1_000_000) & 0xFF_FFFF);
    t.line("executable", &facts.executable);
    t.line("config_file", e.process.config_file.get().map_or(String::new(), |f| f.display().to_string()));
    t.line("io_threads_active", 0);
    let binds: String = config.bind.iter().map(|b| format!("bind={b},")).collect();
    let mut n = 0;
    let mut listener = |t: &mut Text, what: std::fmt::Arguments<'_>| {
        t.line(&format!("listener{n}"), what);
        n += 1;
    };
    if config.port > 0 {
        listener(t, format_args!("name=tcp,{binds}port={}", config.port));
    }
    if !config.unixsocket.is_empty() {
        listener(t, format_args!("name=unix,bind={}", config.unixsocket));
    }
    if config.memcached_port > 0 {
        listener(t, format_args!("name=memcached,{binds}port={}", config.memcached_port));
    }
    if !config.memcached_unixsocket.is_empty() {
        listener(t, format_args!("name=memcached-unix,bind={}", config.memcached_unixsocket));
    }
}

fn clients(e: &Engine, all: &Part, t: &mut Text) {
    t.head("Clients");
    t.line("connected_clients", e.process.clients().saturating_sub(all.monitors));
    t.line("cluster_connections", 0);
    t.line("maxclients", e.live.maxclients);
    t.line("client_recent_max_input_buffer", all.client_memory.input_max);
    t.line("client_recent_max_output_buffer", all.client_memory.output_max);
    t.line("blocked_clients", all.blocked);
    t.zeros(&["tracking_clients"]);
    t.line("clients_in_timeout_table", all.waits.2);
    t.line("total_blocking_keys", all.waits.0);
    t.line("total_blocking_keys_on_nokey", all.waits.1);
}

fn memory_section(e: &Engine, all: &Part, t: &mut Text) {
    let m = Memory::of(e, all);
    let policy = e.process.config().maxmemory_policy.name();
    t.head("Memory");
    t.bytes("used_memory", m.used as u64);
    t.bytes("used_memory_rss", m.resident as u64);
    t.bytes("used_memory_peak", m.peak as u64);
    t.line("used_memory_peak_perc", format_args!("{:.2}%", m.peak_percent()));
    t.line("used_memory_overhead", m.overhead);
    t.line("used_memory_startup", m.startup);
    t.line("used_memory_dataset", m.dataset);
    t.line("used_memory_dataset_perc", format_args!("{:.2}%", m.dataset_percent()));
    t.line("allocator_allocated", m.used);
    t.line("allocator_active", m.resident);
    t.line("allocator_resident", m.resident);
    t.bytes("total_system_memory", e.process.facts.total_memory);
    t.zeros(&["used_memory_lua", "used_memory_vm_eval"]);
    t.line("used_memory_lua_human", "0B");
    t.zeros(&["used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions", "number_of_libraries"]);
    t.zeros(&["used_memory_vm_functions", "used_memory_vm_total"]);
    t.line("used_memory_vm_total_human", "0B");
    t.zeros(&["used_memory_functions", "used_memory_scripts"]);
    t.line("used_memory_scripts_human", "0B");
    t.bytes("maxmemory", e.live.maxmemory as u64);
    t.line("maxmemory_policy", policy);
    t.line("allocator_frag_ratio", format_args!("{:.2}", m.fragmentation()));
    t.line("allocator_frag_bytes", m.fragmentation_bytes().max(0));
    t.line("allocator_rss_ratio", "1.00");
    t.line("allocator_rss_bytes", 0);
    t.line("rss_overhead_ratio", "1.00");
    t.line("rss_overhead_bytes", 0);
    t.line("mem_fragmentation_ratio", format_args!("{:.2}", m.fragmentation()));
    t.line("mem_fragmentation_bytes", m.fragmentation_bytes());
    t.zeros(&["mem_not_counted_for_evict", "mem_replication_backlog", "mem_total_replication_buffers"]);
    t.line("mem_clients_slaves", 0);
    t.line("mem_clients_normal", all.client_memory.bytes);
    t.zeros(&["mem_cluster_links", "mem_aof_buffer"]);
    t.line("mem_allocator", "mimalloc");
    t.zeros(&["active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"]);
}

fn persistence(e: &Engine, t: &mut Text) {
    let persist = &e.process.persist;
    let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
    let saves = persist.saves();
    let running_s = saves.running_since_ms.map(|ms| e.now.ms().saturating_sub(ms) / 1000);
    let running = running_s.is_some();
    let when_running = |n: &AtomicU64| if running { count(n) } else { 0 };
    t.head("Persistence");
    t.line("loading", persist.is_loading() as u8);
    t.zeros(&["async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    t.line("current_fork_perc", "0.00");
    t.line("current_save_keys_processed", when_running(&persist.keys_done));
    t.line("current_save_keys_total", when_running(&persist.keys_total));
    // Ours: bytes that are written of the snapshot that runs, and of the last one.
    t.line("current_save_bytes", when_running(&persist.bytes_done));
    t.line("rdb_changes_since_last_save", persist.changes().saturating_sub(saves.changes));
    t.line("rdb_bgsave_in_progress", running as u8);
    t.line("rdb_last_save_time", saves.last_s);
    t.line("rdb_last_bgsave_status", if saves.failed.is_none() { "ok" } else { "err" });
    if let Some(reason) = &saves.failed {
        t.line("rdb_last_bgsave_error", reason.replace(['\r', '\n'], " "));
    }
    t.line("rdb_last_bgsave_time_sec", saves.took_s);
    t.line("rdb_current_bgsave_time_sec", running_s.map_or(-1, |s| s as i64));
    t.line("rdb_saves", saves.count);
    t.line("rdb_last_save_bytes", saves.bytes);
    t.line("rdb_last_cow_size", 0);
    let loads = persist.loads();
    t.line("rdb_last_load_keys_expired", loads.expired);
    t.line("rdb_last_load_keys_loaded", loads.loaded);
    let (log, facts) = (&persist.log, persist.log.facts());
    let ok = |ok: bool| if ok { "ok" } else { "err" };
    t.line("aof_enabled", (log.mode() != Mode::Off) as u8);
    t.line("aof_rewrite_in_progress", facts.rewriting as u8);
    t.line("aof_rewrite_scheduled", facts.scheduled as u8);
    t.line("aof_last_rewrite_time_sec", facts.rewrite_took_s);
    t.line("aof_current_rewrite_time_sec", running_s.filter(|_| facts.rewriting).map_or(-1, |s| s as i64));
    t.line("aof_last_bgrewrite_status", ok(!facts.rewrite_failed));
    t.line("aof_rewrites", facts.rewrites);
    t.line("aof_rewrites_consecutive_failures", facts.rewrite_failures);
    t.line("aof_last_write_status", ok(facts.failed.is_none()));
    t.zeros(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
    if log.mode() != Mode::Off {
        // As Redis reckons: the base with what was added to it. The buffer is what the shards have not handed over.
        t.line("aof_current_size", facts.base_bytes + log.bytes());
        t.line("aof_base_size", facts.base_bytes);
        t.zeros(&["aof_pending_rewrite", "aof_buffer_length"]);
        t.line("aof_pending_bio_fsync", log.syncing.load(Ordering::Relaxed));
        t.line("aof_delayed_fsync", count(&log.delayed));
    }
    drop(facts);
    if persist.is_loading() {
        let (total, loaded) = (loads.total_bytes, count(&persist.loaded_bytes).min(loads.total_bytes));
        let passed_s = (e.now.unix_us / 1_000_000).saturating_sub(loads.began_s);
        // As Redis reckons: the pace so far.
        let left_s =
            if loaded == 0 { -1 } else { ((total - loaded) as f64 / (loaded as f64 / passed_s.max(1) as f64)) as i64 };
        t.line("loading_start_time", loads.began_s);
        t.line("loading_total_bytes", total);
        t.line("loading_rdb_used_mem", loads.used_memory);
        t.line("loading_loaded_bytes", loaded);
        t.line("loading_loaded_perc", format_args!("{:.2}", loaded as f64 * 100.0 / total.max(1) as f64));
        t.line("loading_eta_seconds", left_s);
    }
}

fn stats(all: &Part, t: &mut Text) {
    t.head("Stats");
    t.line("total_connections_received", all.connections);
    t.line("total_commands_processed", all.commands);
    t.line("instantaneous_ops_per_sec", all.rate[0] as u64);
    t.line("total_net_input_bytes", all.bytes_in);
    t.line("total_net_output_bytes", all.bytes_out);
    t.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    t.line("instantaneous_input_kbps", format_args!("{:.2}", all.rate[1] / 1024.0));
    t.line("instantaneous_output_kbps", format_args!("{:.2}", all.rate[2] / 1024.0));
    t.line("instantaneous_input_repl_kbps", "0.00");
    t.line("instantaneous_output_repl_kbps", "0.00");
    t.line("rejected_connections", all.rejected);
    t.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    t.line("expired_keys", all.counters.expired);
    t.line("expired_subkeys", all.counters.expired_fields);
    t.line("expired_stale_perc", "0.00");
    t.zeros(&["expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"]);
    t.line("evicted_keys", all.counters.evicted);
    t.line("evicted_clients", all.evicted_clients);
    t.zeros(&["total_eviction_exceeded_time", "current_eviction_exceeded_time"]);
    t.line("keyspace_hits", all.counters.hits);
    t.line("keyspace_misses", all.counters.misses);
    for (name, scope) in ["pubsub_channels", "pubsub_patterns", "pubsubshard_channels"].into_iter().zip(Scope::ALL) {
        t.line(name, all.names[scope as usize]);
    }
    t.zeros(&["latest_fork_usec", "total_forks"]);
    t.zeros(&["migrate_cached_sockets", "slave_expires_tracked_keys", "active_defrag_hits", "active_defrag_misses"]);
    t.zeros(&["active_defrag_key_hits", "active_defrag_key_misses", "total_active_defrag_time"]);
    t.zeros(&["current_active_defrag_time", "tracking_total_keys", "tracking_total_items", "tracking_total_prefixes"]);
    t.line("unexpected_error_replies", 0);
    t.line("total_error_replies", all.errors);
    t.line("dump_payload_sanitizations", 0);
    t.line("total_reads_processed", all.reads);
    t.line("total_writes_processed", all.writes);
    t.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    t.line("client_query_buffer_limit_disconnections", all.query_disconnections);
    t.line("client_output_buffer_limit_disconnections", all.output_disconnections);
    t.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    t.line("eventloop_cycles", all.turns);
    // Of all shards; what they spin counts, what they sleep does not.
    t.line("eventloop_duration_sum", all.cpu.system_us + all.cpu.user_us);
    t.line("eventloop_duration_cmd_sum", all.rows.iter().map(|r| r.ns).sum::<u64>() / 1000);
    t.line("instantaneous_eventloop_cycles_per_sec", all.rate[3] as u64);
    t.line(
        "instantaneous_eventloop_duration_usec",
        (all.cpu.system_us + all.cpu.user_us).checked_div(all.turns).unwrap_or(0),
    );
    t.line("acl_access_denied_auth", all.acl_denied_auth);
    t.zeros(&["acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel"]);
}

fn replication(e: &Engine, t: &mut Text) {
    t.head("Replication");
    t.line("role", "master");
    t.line("connected_slaves", 0);
    t.line("master_failover_state", "no-failover");
    t.line("master_replid", e.process.replid());
    t.line("master_replid2", "0".repeat(40));
    t.line("master_repl_offset", 0);
    t.line("second_repl_offset", -1);
    t.line("repl_backlog_active", 0);
    let size = e.process.config().text("repl-backlog-size").unwrap_or_default();
    t.line("repl_backlog_size", String::from_utf8_lossy(&size));
    t.zeros(&["repl_backlog_first_byte_offset", "repl_backlog_histlen"]);
}

fn cpu(all: &Part, t: &mut Text) {
    let mut line = |name: &str, us: u64| t.0.push_str(&format!("{name}:{}.{:06}\r\n", us / 1_000_000, us % 1_000_000));
    let (process, children) = (usage::of_process(), usage::of_children());
    line("# CPU\r\nused_cpu_sys", process.system_us);
    line("used_cpu_user", process.user_us);
    line("used_cpu_sys_children", children.system_us);
    line("used_cpu_user_children", children.user_us);
    // Of the threads that serve: the shards'.
    line("used_cpu_sys_main_thread", all.cpu.system_us);
    line("used_cpu_user_main_thread", all.cpu.user_us);
}

/// How statistics name a row: memcached's verbs are told from Redis's of the same name.
pub(super) fn full_name(row: &Row) -> String {
    if row.docs.group == "memcached" { format!("memcached|{}", row.name) } else { row.name.to_string() }
}

fn commandstats(all: &Part, t: &mut Text) {
    t.head("Commandstats");
    for (row, c) in table::rows().zip(&all.rows).filter(|(_, c)| c.calls + c.rejected + c.failed > 0) {
        let us = c.ns / 1000;
        let per_call = if c.calls > 0 { us as f64 / c.calls as f64 } else { 0.0 };
        t.line(
            &format!("cmdstat_{}", full_name(row)),
            format_args!(
                "calls={},usec={us},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
                c.calls, c.rejected, c.failed
            ),
        );
    }
}

fn latencystats(e: &Engine, all: &Part, t: &mut Text) {
    let percentiles = e.process.config().latency_tracking_info_percentiles.clone();
    t.head("Latencystats");
    if !e.live.latency_tracking {
        return;
    }
    for (row, latency) in table::rows().zip(&all.latencies) {
        let Some(latency) = latency else { continue };
        let one =
            |&p: &f64| format!("p{}={:.3}", crate::config::percentile_text(p), latency.percentile(p) as f64 / 1000.0);
        let values: Vec<String> = percentiles.iter().map(one).collect();
        t.line(&format!("latency_percentiles_usec_{}", full_name(row)), values.join(","));
    }
}

fn keyspace(all: &Part, t: &mut Text) {
    t.head("Keyspace");
    for (i, db) in all.dbs.iter().enumerate().filter(|(_, db)| db.keys > 0) {
        let mean = db.remaining_ms.checked_div(db.deadlines as u128).unwrap_or(0);
        t.line(&format!("db{i}"), format_args!("keys={},expires={},avg_ttl={mean}", db.keys, db.deadlines));
    }
}

fn shards(parts: &[Part], t: &mut Text) {
    t.head("Shards");
    for (i, p) in parts.iter().enumerate() {
        t.line(
            &format!("shard{i}"),
            format_args!(
                "clients={},keys={},commands={},commands_far={},together={},yields={},bytes={},mailbox_bytes={},ops_per_sec={},\
                 turns={},sleeps={},cpu_us={}",
                p.clients,
                p.keys(),
                p.commands,
                p.commands_far,
                p.together,
                p.yields,
                p.store_bytes,
                p.outbox_bytes,
                p.rate[0] as u64,
                p.turns,
                p.sleeps,
                p.cpu.user_us + p.cpu.system_us
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::ArgsBuf;

    fn names(words: &str) -> Vec<&'static str> {
        let words: ArgsBuf = words.split(' ').filter(|w| !w.is_empty()).map(str::as_bytes).collect();
        let bits = chosen(words.args());
        SECTIONS.iter().enumerate().filter(|(i, _)| bits & 1 << i != 0).map(|(_, s)| s.0).collect()
    }

    #[test]
    fn words_choose_sections_once_and_in_order() {
        let without: Vec<_> =
            SECTIONS.iter().map(|s| s.0).filter(|s| *s != "commandstats" && *s != "latencystats").collect();
        assert_eq!(names(""), without);
        assert_eq!(names("default"), without);
        assert_eq!(names("everything").len(), SECTIONS.len());
        assert_eq!(names("all").len(), SECTIONS.len() - 1);
        assert_eq!(names("keyspace Server server nothing"), ["server", "keyspace"]);
        assert_eq!(names("nothing"), [""; 0]);
        assert!(names("default CommandStats").contains(&"commandstats"));
    }
}
