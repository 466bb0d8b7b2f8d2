//! Room: admin. memcached's verbs about the server: version, verbosity, flush_all, cache_memlimit, stats, quit, mn, shutdown.
//! Source of every answer: memcached 1.6.45, `proto_text.c` and `doc/protocol.txt`.

use super::detail;
use super::info::Part;
use crate::config::MemoryLimit;
use crate::engine::{Answer, Engine, Served};
use crate::io::usage;
use crate::log::Level;
use crate::persist::Leave;
use crate::session::{Door, Peer};
use crate::version;
use base::number::{parse_token_i32, parse_token_u32};
use base::{Args, DbId, Fault, Reply, Word};
use std::sync::atomic::Ordering;

/// Beyond 30 days a delay is a Unix time.
const RELATIVE_SECONDS_MAX: i32 = 60 * 60 * 24 * 30;
/// Connections that one slice of `stats conns` tells of.
const CONNS_A_SLICE: usize = 128;

pub(super) fn version(engine: &mut Engine, index: u32) -> Served {
    engine.answer(index, |r| r.line(&format!("VERSION {}", version::MEMCACHED)));
    Served::Done
}

/// 0 is `loglevel notice`, 1 verbose, more is debug.
pub(super) fn verbosity(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let Some(level) = args.get(1).and_then(parse_token_u32) else {
        return engine.refuse(index, None, &Fault::Client("bad command line format"));
    };
    let level = match level {
        0 => Level::Notice,
        1 => Level::Verbose,
        _ => Level::Debug,
    };
    engine.process.config().loglevel = level;
    engine.process.log.set_level(level);
    engine.answer(index, |r| r.word(Word::Ok));
    Served::Done
}

/// At once, or when its time comes; a later one takes an earlier one's place.
pub(super) fn flush_all(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    if !engine.conns[index as usize].order.is_empty() {
        return Served::Stall(crate::session::Stall::Barrier);
    }
    engine.tally.cmd_flush += 1;
    if engine.live.flush_disabled {
        return engine.refuse(index, None, &Fault::Client("flush_all not allowed"));
    }
    let delay = match args.get(1).map(parse_token_i32) {
        None => 0,
        Some(Some(delay)) => delay,
        Some(None) => return engine.refuse(index, None, &Fault::Client("invalid exptime argument")),
    };
    let now_ms = engine.now.ms();
    let due_ms = match delay {
        ..=0 => {
            engine.process.plan_flush(0);
            engine.begin_whole(
                index,
                |e| e.store.flush(DbId::ZERO),
                |e, origin| e.deliver(origin, |r| r.word(Word::Ok)),
            );
            return Served::Done;
        }
        1..=RELATIVE_SECONDS_MAX => now_ms + delay as u64 * 1000,
        _ => delay as u64 * 1000,
    };
    // A Unix time that is over means nothing, and ends what was planned, as there.
    engine.process.plan_flush(if due_ms > now_ms { due_ms } else { 0 });
    // The shard that will do it must know when to wake.
    engine.on_every_shard(|e| e.active = true);
    engine.answer(index, |r| r.word(Word::Ok));
    Served::Done
}

/// The same limit as `maxmemory`, in MiB.
pub(super) fn memlimit(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let line = match args.get(1).and_then(parse_token_u32) {
        None => return engine.refuse(index, None, &Fault::Unknown),
        Some(..8) => "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
        Some(1_000_000_001..) => "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes",
        Some(n) => {
            engine.process.config().maxmemory = MemoryLimit::Bytes(u64::from(n) << 20);
            engine.process.settings_changed();
            engine.renew_settings();
            "OK"
        }
    };
    engine.answer(index, |r| r.line(line));
    Served::Done
}

pub(super) fn quit(engine: &mut Engine, index: u32) -> Served {
    engine.close_after_reply(index);
    Served::Done
}

pub(super) fn meta_noop(engine: &mut Engine, index: u32) -> Served {
    engine.answer(index, |r| r.word(Word::MetaNoop));
    Served::Done
}

pub(super) fn shutdown(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    if !engine.process.config().memcached_shutdown {
        // With its colon: not of the form of other errors.
        engine.answer(index, |r| r.line("SERVER_ERROR: shutdown not enabled"));
    } else if args.len() == 1 || args.len() == 2 && args.at(1) == b"graceful" {
        engine.close_after_reply(index);
        engine.leave(Leave::default(), None);
    } else {
        return engine.refuse(index, None, &Fault::Client("invalid shutdown mode"));
    }
    Served::Done
}

/// Some words may be cut short: memcached compares as much as is given.
fn begins(whole: &str, word: &[u8]) -> bool {
    whole.as_bytes().starts_with(word)
}

pub(super) fn stats(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let Some(word) = args.get(1) else { return gathered(engine, index, general) };
    match word {
        w if begins("reset", w) => reset(engine, index),
        w if begins("detail", w) => detail::detail(engine, index, args),
        w if begins("settings", w) => settings(engine, index),
        // As memcached does with -X: what would name keys is not told. See `dump_enabled` in `stats settings`.
        w if begins("cachedump", w) => engine.refuse(index, None, &Fault::Client("stats cachedump not allowed")),
        w if begins("conns", w) => conns(engine, index),
        b"items" => gathered(engine, index, items),
        b"slabs" => gathered(engine, index, slabs),
        b"sizes" => detail::sizes(engine, index),
        b"sizes_enable" => detail::track_sizes(engine, index, true),
        b"sizes_disable" => detail::track_sizes(engine, index, false),
        _ => engine.refuse(index, None, &Fault::Unknown),
    }
}

fn gathered(engine: &mut Engine, index: u32, tell: fn(&Engine, &Part, &mut dyn Reply)) -> Served {
    engine.gather(
        index,
        |e| Answer::Now(Part::of(e, false)),
        move |e, parts: Vec<Part>, reply| {
            tell(e, &Part::sum(&parts), reply);
            reply.word(Word::End);
        },
    );
    Served::Done
}

fn reset(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |e| {
            e.tally.reset();
            e.store.reset_counters();
            let m = &mut e.metrics;
            (m.connections, m.connections_rejected, m.bytes_in, m.bytes_out) = (0, 0, 0, 0);
            Answer::Now(())
        },
        |_, _: Vec<()>, reply| reply.word(Word::Reset),
    );
    Served::Done
}

fn entry_bytes(all: &Part) -> usize {
    all.store_bytes.saturating_sub(all.store_overhead)
}

/// memcached's clients see database 0.
fn items_count(all: &Part) -> usize {
    all.dbs.first().map_or(0, |db| db.keys)
}

/// What memory may grow to. memcached always has a limit; without one it is the machine.
fn limit_bytes(e: &Engine) -> u64 {
    if e.live.maxmemory > 0 { e.live.maxmemory as u64 } else { e.process.facts.total_memory }
}

fn general(e: &Engine, all: &Part, r: &mut dyn Reply) {
    let t = &all.tally;
    let cpu = usage::of_process();
    let mut text = |name: &str, value: &str| r.stat(name, value);
    let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text("pid", &std::process::id().to_string());
    text("uptime", &(e.now.up_us / 1_000_000).to_string());
    text("time", &(e.now.unix_us / 1_000_000).to_string());
    text("version", version::MEMCACHED);
    text("pointer_size", &usize::BITS.to_string());
    text("rusage_user", &seconds(cpu.user_us));
    text("rusage_system", &seconds(cpu.system_us));
    let mut n = |name: &str, value: u64| r.stat(name, &value.to_string());
    n("max_connections", e.live.maxclients.into());
    n("curr_connections", e.process.clients() as u64);
    n("total_connections", all.connections);
    n("rejected_connections", all.rejected);
    n("connection_structures", e.process.clients() as u64);
    for name in ["response_obj_oom", "read_buf_oom"] {
        n(name, 0);
    }
    n("cmd_get", t.cmd_get);
    n("cmd_set", t.cmd_set);
    n("cmd_flush", t.cmd_flush);
    n("cmd_touch", t.cmd_touch);
    n("cmd_meta", t.cmd_meta);
    n("get_hits", t.get_hits);
    n("get_misses", t.get_misses);
    n("get_expired", t.get_expired);
    n("get_flushed", 0);
    n("delete_misses", t.delete_misses);
    n("delete_hits", t.delete_hits);
    n("incr_misses", t.incr_misses);
    n("incr_hits", t.incr_hits);
    n("decr_misses", t.decr_misses);
    n("decr_hits", t.decr_hits);
    n("cas_misses", t.cas_misses);
    n("cas_hits", t.cas_hits);
    n("cas_badval", t.cas_badval);
    n("touch_hits", t.touch_hits);
    n("touch_misses", t.touch_misses);
    n("store_too_large", t.store_too_large);
    n("store_no_memory", t.store_no_memory);
    n("auth_cmds", 0);
    n("auth_errors", all.acl_denied_auth);
    n("bytes_read", all.bytes_in);
    n("bytes_written", all.bytes_out);
    n("limit_maxbytes", limit_bytes(e));
    n("accepting_conns", 1);
    n("listen_disabled_num", 0);
    n("time_in_listen_disabled_us", 0);
    n("threads", e.shards() as u64);
    n("conn_yields", 0);
    n("hash_power_level", u64::from((all.keys().max(1) as u64).next_power_of_two().trailing_zeros()));
    n("hash_bytes", all.store_overhead as u64);
    n("hash_is_expanding", 0);
    for name in ["slabs_moved", "lru_crawler_running", "lru_crawler_starts", "lru_maintainer_juggles", "malloc_fails"] {
        n(name, 0);
    }
    for name in ["log_worker_dropped", "log_worker_written", "log_watcher_skipped", "log_watcher_sent", "log_watchers"]
    {
        n(name, 0);
    }
    n("bytes", entry_bytes(all) as u64);
    n("curr_items", items_count(all) as u64);
    n("total_items", t.cmd_set.saturating_sub(t.store_too_large + t.store_no_memory + t.cas_badval + t.cas_misses));
    n("slab_global_page_pool", 0);
    for name in ["expired_unfetched", "evicted_unfetched", "evicted_active"] {
        n(name, 0);
    }
    n("evictions", all.counters.evicted);
    n("reclaimed", all.counters.expired);
    for name in ["crawler_reclaimed", "crawler_items_checked", "lrutail_reflocked", "moves_to_cold", "moves_to_warm"] {
        n(name, 0);
    }
    for name in ["moves_within_lru", "direct_reclaims", "lru_bumps_dropped"] {
        n(name, 0);
    }
}

fn settings(engine: &mut Engine, index: u32) -> Served {
    let config = engine.process.config().clone();
    let verbosity = match engine.process.log.level() {
        Level::Debug => 2,
        Level::Verbose => 1,
        _ => 0,
    };
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    let or_null = |text: &str| if text.is_empty() { "NULL".to_string() } else { text.to_string() };
    let evicts = config.maxmemory_policy != crate::config::Policy::NoEviction;
    let oldest = 0;
    let lines = [
        ("maxbytes", limit_bytes(engine).to_string()),
        ("maxconns", config.maxclients.to_string()),
        ("tcpport", config.memcached_port.to_string()),
        ("udpport", "0".into()),
        ("inter", or_null(&config.bind.join(","))),
        ("verbosity", verbosity.to_string()),
        ("oldest", oldest.to_string()),
        ("evictions", if evicts { "on".into() } else { "off".into() }),
        ("domain_socket", or_null(&config.memcached_unixsocket)),
        ("umask", format!("{:o}", config.unixsocketperm)),
        ("shutdown_command", yes(config.memcached_shutdown).into()),
        ("num_threads", engine.shards().to_string()),
        ("stat_key_prefix", ":".into()),
        ("detail_enabled", yes(engine.tally.prefixes.is_on()).into()),
        ("cas_enabled", "yes".into()),
        ("tcp_backlog", config.tcp_backlog.to_string()),
        ("binding_protocol", "ascii".into()),
        ("auth_enabled_sasl", "no".into()),
        ("auth_enabled_ascii", "no".into()),
        ("item_size_max", config.item_size_max.to_string()),
        ("maxconns_fast", "yes".into()),
        ("hashpower_init", "0".into()),
        ("slab_reassign", "no".into()),
        ("slab_automove", "0".into()),
        ("lru_crawler", "no".into()),
        ("tail_repair_time", "0".into()),
        ("flush_enabled", yes(!config.memcached_flush_disabled).into()),
        ("dump_enabled", "no".into()),
        ("lru_maintainer_thread", "no".into()),
        ("lru_segmented", "no".into()),
        ("temp_lru", "no".into()),
        ("idle_timeout", config.timeout_s.to_string()),
        ("track_sizes", yes(engine.process.tracks_sizes.load(Ordering::Relaxed)).into()),
        ("client_flags_size", "4".into()),
    ];
    engine.answer(index, |r| {
        lines.iter().for_each(|(name, value)| r.stat(name, value));
        r.word(Word::End);
    });
    Served::Done
}

/// There are no slab classes: class 1 is all there is.
fn items(_: &Engine, all: &Part, r: &mut dyn Reply) {
    let number = items_count(all) as u64;
    if number == 0 {
        return;
    }
    let fields = [
        ("number", number),
        ("mem_requested", entry_bytes(all) as u64),
        ("evicted", all.counters.evicted),
        ("outofmemory", all.tally.store_no_memory),
        ("reclaimed", all.counters.expired),
    ];
    fields.iter().for_each(|(name, value)| r.stat(&format!("items:1:{name}"), &value.to_string()));
}

fn slabs(_: &Engine, all: &Part, r: &mut dyn Reply) {
    const PAGE_BYTES: u64 = 1 << 20;
    let (items, bytes) = (all.keys() as u64, entry_bytes(all) as u64);
    let t = &all.tally;
    if let Some(chunk) = bytes.checked_div(items).filter(|&chunk| chunk > 0) {
        let fields = [
            // The mean of what an entry takes.
            ("chunk_size", chunk),
            ("chunks_per_page", (PAGE_BYTES / chunk).max(1)),
            ("total_pages", bytes.div_ceil(PAGE_BYTES)),
            ("total_chunks", items),
            ("used_chunks", items),
            ("free_chunks", 0),
            ("free_chunks_end", 0),
            ("get_hits", t.get_hits),
            ("cmd_set", t.cmd_set),
            ("delete_hits", t.delete_hits),
            ("incr_hits", t.incr_hits),
            ("decr_hits", t.decr_hits),
            ("cas_hits", t.cas_hits),
            ("cas_badval", t.cas_badval),
            ("touch_hits", t.touch_hits),
        ];
        fields.iter().for_each(|(name, value)| r.stat(&format!("1:{name}"), &value.to_string()));
    }
    r.stat("active_slabs", if items > 0 { "1" } else { "0" });
    r.stat("total_malloced", &(all.store_bytes + all.store_spare).to_string());
}

/// (descriptor, address, the address it came to, its state in memcached's words, seconds since it spoke)
type ConnLine = (i32, String, String, &'static str, u64);

fn conns(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |_| {
            let mut next = 0;
            let mut lines: Vec<ConnLine> = Vec::new();
            Answer::Later(Box::new(move |e| {
                let now_us = e.now.up_us;
                let end = e.conns.capacity().min(next + CONNS_A_SLICE);
                for i in next..end {
                    let Some(c) = e.conns.get(i).filter(|c| c.door == Door::Memcache && !c.gone) else { continue };
                    let (addr, listen) = match &c.peer {
                        Peer::Unix(path) => (format!("unix:{path}"), format!("unix:{path}")),
                        tcp => (format!("tcp:{}", tcp.addr()), format!("tcp:{}", tcp.laddr())),
                    };
                    let idle_us = now_us.saturating_sub(c.last_active_us);
                    // 2048: a line that is followed by data is shorter.
                    let state = if c.input.iter().take(2048).any(|&b| b == b'\n') {
                        "conn_nread"
                    } else if idle_us > 0 && c.owed() == 0 {
                        "conn_read"
                    } else {
                        "conn_parse_cmd"
                    };
                    lines.push((c.fd, addr, listen, state, idle_us / 1_000_000));
                }
                next = end;
                (next == e.conns.capacity()).then(|| std::mem::take(&mut lines))
            }))
        },
        |_, parts: Vec<Vec<ConnLine>>, r| {
            for (fd, addr, listen, state, seconds) in parts.into_iter().flatten() {
                r.stat(&format!("{fd}:addr"), &addr);
                r.stat(&format!("{fd}:listen_addr"), &listen);
                r.stat(&format!("{fd}:state"), state);
                r.stat(&format!("{fd}:secs_since_last_cmd"), &seconds.to_string());
            }
            r.word(Word::End);
        },
    );
    Served::Done
}
