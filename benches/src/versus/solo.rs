//! Room: benches, versus. The sections for which a fresh server is started each time: memory, starting and loading, snapshots.
//! Peers take turns here too. Touches: load, server, talk.

use super::bench::Bench;
use super::peers::Peer;
use super::results::{Metric, Section, grouped};
use crate::host::Layout;
use crate::load::{self, Spec};
use crate::process::{Usage, tree_bytes};
use crate::server::Server;
use crate::talk::{Answer, Talk};
use loadgen::plan::Dialect;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// Bytes of a key: the prefix `key:` and twelve digits.
const KEY_BYTES: u32 = 16;
/// Small, so that what a key costs shows.
const VALUE_BYTES: u32 = 32;

fn spec(bench: &Bench, dialect: Dialect, layout: &Layout, keys: u64, value_bytes: u32) -> Spec {
    Spec {
        dialect,
        connections: bench.options.connections,
        pipeline: 1,
        keys,
        prefix: "key:",
        value_bytes,
        gets: 1,
        sets: 0,
        rate: None,
        seconds: bench.options.seconds,
        cpus: layout.load_cpus.clone(),
        cluster: false,
        shared: layout.shared,
        commands: Vec::new(),
    }
}

/// The peers in the order of one round.
pub fn turn(bench: &Bench, round: usize) -> Vec<Peer> {
    let mut peers = bench.peers.clone();
    let first = round % peers.len().max(1);
    peers.rotate_left(first);
    peers
}

pub fn memory(bench: &mut Bench) {
    let layout = bench.main_layout();
    let most = bench.options.memory_keys;
    for round in 0..bench.options.rounds.min(3) {
        for peer in turn(bench, round) {
            bench.say(Section::Memory, &format!("round {}: {}", round + 1, peer.name));
            if let Err(why) = memory_of(bench, &peer, &layout, most, round) {
                bench.results.skip(Section::Memory, "all", &peer.name, why);
            }
        }
    }
}

fn memory_of(bench: &mut Bench, peer: &Peer, layout: &Layout, most: u64, round: usize) -> Result<(), String> {
    let server = bench.start(peer, layout, "memory")?;
    let empty = settled_rss(server.pid())?;
    // Half, three quarters and all: somewhere between two powers of two tables are at their worst.
    for keys in [most / 2, most / 4 * 3, most] {
        load::fill(&server, &spec(bench, peer.dialect(), layout, keys, VALUE_BYTES))?;
        let held = settled_rss(server.pid())?;
        let counted = server.talk(peer.dialect())?.keys()?;
        if counted != keys {
            return Err(format!("holds {counted} of {keys} keys: what a key costs cannot be told"));
        }
        let beyond = held.saturating_sub(empty) as f64 / keys as f64 - f64::from(KEY_BYTES + VALUE_BYTES);
        let case = format!("{} keys of {KEY_BYTES} bytes, values of {VALUE_BYTES}", grouped(keys as f64));
        let figures = [(Metric::BytesPerKey, beyond), (Metric::RssBytes, held as f64)];
        bench.results.add(Section::Memory, &case, &peer.name, round, &figures);
    }
    Ok(())
}

/// Resident memory once it has stopped moving: servers grow tables and give back buffers beside their work. Five seconds at
/// most.
pub fn settled_rss(pid: u32) -> Result<u64, String> {
    let mut last = 0;
    for _ in 0..50 {
        sleep(Duration::from_millis(100));
        let now = Usage::of(pid)?.rss_bytes;
        // 64 KiB: timers and the like.
        if now.abs_diff(last) < 64 << 10 {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}

pub fn start(bench: &mut Bench) {
    let layout = bench.main_layout();
    // Cheap, and one start differs from the next: more rounds than elsewhere.
    for round in 0..bench.options.rounds * 2 {
        for peer in turn(bench, round) {
            bench.say(Section::Start, &format!("round {}: {}", round + 1, peer.name));
            if let Err(why) = start_of(bench, &peer, &layout, round) {
                bench.results.skip(Section::Start, "all", &peer.name, why);
            }
        }
    }
}

fn start_of(bench: &mut Bench, peer: &Peer, layout: &Layout, round: usize) -> Result<(), String> {
    let server = bench.start(peer, layout, "start")?;
    let empty = Usage::of(server.pid())?.rss_bytes;
    let figures = [(Metric::StartMs, server.start_s * 1000.0), (Metric::EmptyBytes, empty as f64)];
    bench.results.add(Section::Start, "empty", &peer.name, round, &figures);
    if round < bench.options.rounds {
        let keys = bench.options.memory_keys / 4;
        let per_s = load::fill(&server, &spec(bench, peer.dialect(), layout, keys.max(1), 100))?;
        let case = format!("{} keys, values of 100 bytes, 64 in a pipeline", grouped(keys as f64));
        bench.results.add(Section::Start, &case, &peer.name, round, &[(Metric::LoadKeysPerS, per_s)]);
    }
    Ok(())
}

pub fn snapshot(bench: &mut Bench) {
    let layout = bench.main_layout();
    for round in 0..bench.options.rounds.min(3) {
        for peer in turn(bench, round) {
            let case = format!("{} keys, values of 100 bytes", grouped(bench.options.snapshot_keys as f64));
            if bench.results.skips.iter().any(|skip| skip.section == Section::Snapshot && skip.peer == peer.name) {
                continue;
            }
            bench.say(Section::Snapshot, &format!("round {}: {}", round + 1, peer.name));
            if let Err(why) = snapshot_of(bench, &peer, &layout, &case, round) {
                bench.results.skip(Section::Snapshot, &case, &peer.name, why);
            }
        }
    }
}

/// Asks a second beside the snapshot: enough for 99.9 % of a second to be told, little beside what any server can do.
const RATE: f64 = 10_000.0;

fn snapshot_of(bench: &mut Bench, peer: &Peer, layout: &Layout, case: &str, round: usize) -> Result<(), String> {
    if !peer.speaks(Dialect::Resp2) {
        return Err("it does not speak RESP, in which snapshots are asked for (BGSAVE)".into());
    }
    let keys = bench.options.snapshot_keys;
    let server = bench.start(peer, layout, "snapshot")?;
    // A first one, of nothing: whether there are snapshots at all is the server's to say.
    save(&server, Duration::from_secs(120))?;
    let load = spec(bench, Dialect::Resp2, layout, keys, 100);
    load::fill(&server, &load)?;
    // The second tells how long they take, so that the load beside the third lasts as long.
    let alone = save(&server, Duration::from_secs(600))?;
    let steady = Spec { rate: Some(RATE), pipeline: 64, gets: 10, sets: 1, ..load };
    // LASTSAVE and its kin count whole seconds: two snapshots within one cannot be told apart everywhere.
    let quiet = load::measure(&server, &Spec { seconds: alone.seconds.max(1.0), ..steady.clone() })?;
    let before = tree_bytes(server.pid());
    let beside = Spec { seconds: alone.seconds * 1.3 + 0.5, ..steady };
    let (found, saved) = thread::scope(|scope| {
        let load = scope.spawn(|| load::measure(&server, &beside));
        sleep(Duration::from_millis(100));
        let saved = save(&server, Duration::from_secs(600));
        (load.join().unwrap_or_else(|_| Err("the load has panicked".into())), saved)
    });
    let (found, saved) = (found?, saved?);
    let mut figures = vec![
        (Metric::SnapshotS, saved.seconds),
        (Metric::P99BeforeUs, quiet.p99_us),
        (Metric::P999BeforeUs, quiet.p999_us),
        (Metric::P99Us, found.p99_us),
        (Metric::P999Us, found.p999_us),
        (Metric::MaxUs, found.max_us),
    ];
    if let (Some(before), Some(most)) = (before, saved.tree_bytes_most) {
        figures.push((Metric::ExtraBytes, most.saturating_sub(before) as f64));
    }
    let folder = server.launch().folder.clone();
    drop(server);
    figures.push((Metric::FileBytes, folder_bytes(&folder) as f64));
    let again = bench.start_again(peer, layout, "snapshot")?;
    let loaded = wait_for_keys(&again, keys)?;
    figures.push((Metric::RestartS, again.start_s + loaded));
    bench.results.add(Section::Snapshot, case, &peer.name, round, &figures);
    Ok(())
}

pub struct Saved {
    pub seconds: f64,
    /// The most that the process and its children held meanwhile.
    pub tree_bytes_most: Option<u64>,
}

/// One BGSAVE, from asking to its end.
pub fn save(server: &Server, within: Duration) -> Result<Saved, String> {
    let mut talk = server.talk(Dialect::Resp2)?;
    let world = |e: std::io::Error| format!("during BGSAVE: {e}");
    let last = last_save(&mut talk);
    let begun = Instant::now();
    match talk.resp(&["BGSAVE"]).map_err(world)? {
        Answer::Refused(words) => return Err(format!("BGSAVE was answered with: {words}")),
        Answer::Text(_) => {}
        other => return Err(format!("BGSAVE was answered with {other:?}")),
    }
    let mut most = tree_bytes(server.pid());
    loop {
        // Redis says rdb_bgsave_in_progress, Dragonfly saving; where neither is said, LASTSAVE moves.
        let running = match talk.fact("persistence", "rdb_bgsave_in_progress").map_err(world)? {
            Some(word) => Some(word),
            None => talk.fact("persistence", "saving").map_err(world)?,
        };
        let over = match running {
            Some(word) => word == "0",
            None => last_save(&mut talk) != last,
        };
        most = most.max(tree_bytes(server.pid()));
        if over {
            break;
        }
        if begun.elapsed() > within {
            return Err(format!("it does not say within {within:?} that its snapshot is complete"));
        }
        // Looking at a process's pages takes the kernel long enough to be seen in its latency: not often.
        sleep(Duration::from_millis(20));
    }
    if let Some(status) = talk.fact("persistence", "rdb_last_bgsave_status").map_err(world)?
        && status != "ok"
    {
        return Err(format!("the snapshot failed: rdb_last_bgsave_status {status}"));
    }
    Ok(Saved { seconds: begun.elapsed().as_secs_f64(), tree_bytes_most: most })
}

fn last_save(talk: &mut Talk) -> Option<Answer> {
    talk.resp(&["LASTSAVE"]).ok()
}

/// Seconds until all keys are there.
pub fn wait_for_keys(server: &Server, keys: u64) -> Result<f64, String> {
    let begun = Instant::now();
    let mut talk = server.talk(Dialect::Resp2)?;
    let mut seen = 0;
    // A minute for a gigabyte would be slow.
    while begun.elapsed() < Duration::from_secs(600) {
        // While it loads it may refuse.
        seen = talk.keys().unwrap_or(seen);
        if seen == keys {
            return Ok(begun.elapsed().as_secs_f64());
        }
        sleep(Duration::from_millis(2));
    }
    Err(format!("started with its snapshot it has {seen} of {keys} keys"))
}

/// All files of the folder but the log.
pub fn folder_bytes(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let files = entries.flatten().filter(|entry| entry.file_name() != "log");
    files
        .map(
            |entry| {
                if entry.path().is_dir() {
                    folder_bytes(&entry.path())
                } else {
                    entry.metadata().map_or(0, |m| m.len())
                }
            },
        )
        .sum()
}
