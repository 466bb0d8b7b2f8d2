//! Room: benches, versus. What keeping data on a device costs: SETs under each setting of the append log, and snapshots of a
//! whole memory beside what the device can do. Touches: load, server, fio.

use super::bench::Bench;
use super::peers::Peer;
use super::results::{Metric, Section, short};
use super::solo::{folder_bytes, save, turn, wait_for_keys};
use super::types::NO_RESP;
use crate::host::Layout;
use crate::load::{self, Spec};
use crate::process::tree_bytes;
use crate::server::Server;
use crate::talk::Answer;
use loadgen::plan::Dialect;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

/// Who waits for a sync waits together with others: as many as the log is to be shared by.
const LOG_CONNECTIONS: usize = 64;
/// Keys of the log: set before and again and again.
const LOG_KEYS: u64 = 100_000;
const KEY_BYTES: u64 = 16;
const VALUE_BYTES: u32 = 100;

/// Settings of the log, the first without one.
const LOGS: [(&str, &[&str]); 3] = [
    ("no log", &[]),
    ("everysec", &["--appendonly", "yes", "--appendfsync", "everysec"]),
    ("always", &["--appendonly", "yes", "--appendfsync", "always"]),
];

fn spec(layout: &Layout, connections: usize, keys: u64, gets: u32, sets: u32, seconds: f64) -> Spec {
    Spec {
        dialect: Dialect::Resp2,
        connections,
        pipeline: 1,
        keys,
        prefix: "key:",
        value_bytes: VALUE_BYTES,
        gets,
        sets,
        rate: None,
        seconds,
        cpus: layout.load_cpus.clone(),
        cluster: false,
        shared: layout.shared,
        commands: Vec::new(),
    }
}

pub fn log(bench: &mut Bench) {
    let layout = bench.main_layout();
    for round in 0..bench.options.rounds.min(5) {
        for peer in turn(bench, round) {
            if !peer.speaks(Dialect::Resp2) {
                bench.results.skip(Section::Log, "all", &peer.name, NO_RESP);
                continue;
            }
            if let Err(why) = logs_of(bench, &peer, &layout, round) {
                bench.results.skip(Section::Log, "all", &peer.name, why);
            }
        }
    }
}

/// What a server without a log did in this round.
struct Without {
    ops_per_s: f64,
    half_p999_us: f64,
}

fn logs_of(bench: &mut Bench, peer: &Peer, layout: &Layout, round: usize) -> Result<(), String> {
    let mut without: Option<Without> = None;
    for (title, args) in LOGS {
        let case = format!("SET, {LOG_CONNECTIONS} connections, {title}");
        bench.say(Section::Log, &format!("round {}: {case}: {}", round + 1, peer.name));
        let server = match bench.start(&peer.with(args), layout, "log") {
            Ok(server) => server,
            // Without one the section says nothing; without a log this case.
            Err(why) if args.is_empty() => return Err(why),
            Err(why) => {
                bench.results.skip(Section::Log, &case, &peer.name, why);
                continue;
            }
        };
        if !args.is_empty() && !has_log(&server)? {
            bench.results.skip(Section::Log, &case, &peer.name, "it keeps no append log (CONFIG GET appendonly)");
            continue;
        }
        let seconds = bench.options.seconds;
        let closed = spec(layout, LOG_CONNECTIONS, LOG_KEYS.min(bench.options.keys), 0, 1, seconds);
        load::fill(&server, &closed)?;
        load::measure(&server, &Spec { seconds: seconds / 10.0, ..closed.clone() })?;
        let found = load::measure(&server, &closed)?;
        // Half of what the same server does without a log; where that is more than it does with one, half of its own.
        let most = without.as_ref().map_or(found.ops_per_s, |w| w.ops_per_s.min(found.ops_per_s / 0.7));
        let half = load::measure(&server, &Spec { rate: Some(most / 2.0), pipeline: 64, ..closed })?;
        let mut figures = vec![
            (Metric::OpsPerS, found.ops_per_s),
            (Metric::OpsPerCpuS, found.ops_per_cpu_s),
            (Metric::ServerCores, found.server_cores),
            (Metric::P50Us, found.p50_us),
            (Metric::P99Us, found.p99_us),
            (Metric::P999Us, found.p999_us),
            (Metric::HalfP999Us, half.p999_us),
        ];
        match &without {
            Some(w) => {
                figures.push((Metric::OfNoLog, found.ops_per_s / w.ops_per_s));
                figures.push((Metric::OfNoLogP999, half.p999_us / w.half_p999_us));
                figures.push((Metric::FileBytes, folder_bytes(&server.launch().folder) as f64));
            }
            None => without = Some(Without { ops_per_s: found.ops_per_s, half_p999_us: half.p999_us }),
        }
        figures.retain(|(_, value)| value.is_finite());
        bench.results.add(Section::Log, &case, &peer.name, round, &figures);
    }
    Ok(())
}

fn has_log(server: &Server) -> Result<bool, String> {
    let mut talk = server.talk(Dialect::Resp2)?;
    let told = talk.resp(&["CONFIG", "GET", "appendonly"]).map_err(|e| format!("CONFIG GET appendonly: {e}"))?;
    Ok(matches!(told, Answer::List(words) if words.get(1) == Some(&Answer::Text("yes".into()))))
}

/// A large memory, with compression off and on.
const COMPRESSION: [(&str, &[&str]); 2] =
    [("not compressed", &["--rdbcompression", "no"]), ("compressed", &["--rdbcompression", "yes"])];

pub fn snapshots(bench: &mut Bench) {
    const HERE: Section = Section::Snapshots;
    let data_bytes = (bench.options.snapshots_gb * 1e9) as u64;
    let keys = data_bytes / (KEY_BYTES + u64::from(VALUE_BYTES));
    // Pages of the log and of the load beside data and tables: what a server takes beyond the data, and a fork copies.
    if bench.host.memory_bytes < data_bytes * 3 {
        let why = format!("{} GB of keys and values need three times as much memory", bench.options.snapshots_gb);
        bench.results.skip(HERE, "all", "all", why);
        return;
    }
    let layout = bench.main_layout();
    // One round: filling, saving and loading gigabytes takes minutes.
    for round in 0..bench.options.rounds.min(if bench.options.quick { 1 } else { 2 }) {
        let device = match device(&bench.files, data_bytes) {
            Ok(bytes_per_s) => {
                let told = format!("fio writes {}B/s to the servers' file system, {FIO}", short(bytes_per_s));
                bench.results.settings.push(format!("round {}: {told}", round + 1));
                Some(bytes_per_s)
            }
            Err(why) => {
                bench.results.skip(HERE, "share of the device", "all", why);
                None
            }
        };
        for (title, args) in COMPRESSION {
            for peer in turn(bench, round) {
                let case = format!("{} GB in {} M keys, {title}", bench.options.snapshots_gb, keys as f64 / 1e6);
                if !peer.speaks(Dialect::Resp2) {
                    bench.results.skip(HERE, "all", &peer.name, NO_RESP);
                    continue;
                }
                bench.say(HERE, &format!("round {}: {case}: {}", round + 1, peer.name));
                match snapshot_of(bench, &peer.with(args), &layout, keys, device) {
                    Ok(figures) => bench.results.add(HERE, &case, &peer.name, round, &figures),
                    Err(why) => bench.results.skip(HERE, &case, &peer.name, why),
                }
            }
        }
    }
}

// Longer than Redis takes for ten times as much on a slow disk.
const SAVED_WITHIN: Duration = Duration::from_secs(1800);

fn snapshot_of(
    bench: &mut Bench,
    peer: &Peer,
    layout: &Layout,
    keys: u64,
    device: Option<f64>,
) -> Result<Vec<(Metric, f64)>, String> {
    let server = bench.start(peer, layout, "snapshots")?;
    let load = spec(layout, bench.options.connections, keys, 1, 1, bench.options.seconds);
    load::fill(&server, &load)?;
    // Alone: how fast it can be.
    let alone = save(&server, SAVED_WITHIN)?;
    let file_bytes = folder_bytes(&server.launch().folder) as f64;
    let most = load::measure(&server, &load)?.ops_per_s;
    // At half of what the server can do, for as long as a snapshot takes beside it; the first such run tells how long that is.
    let steady = Spec { rate: Some(most / 2.0), pipeline: 64, ..load };
    let quiet = load::measure(&server, &Spec { seconds: alone.seconds.max(bench.options.seconds), ..steady.clone() })?;
    let before = tree_bytes(server.pid());
    let beside = Spec { seconds: alone.seconds * 2.0 + 1.0, ..steady };
    let (found, saved) = thread::scope(|scope| {
        let load = scope.spawn(|| load::measure(&server, &beside));
        sleep(Duration::from_millis(200));
        let saved = save(&server, SAVED_WITHIN);
        (load.join().unwrap_or_else(|_| Err("the load has panicked".into())), saved)
    });
    let (found, saved) = (found?, saved?);
    if saved.seconds > beside.seconds {
        bench
            .results
            .warn(format!("{}: a snapshot took {:.0} s, longer than the load beside it", peer.name, saved.seconds));
    }
    let data = keys as f64 * (KEY_BYTES as f64 + f64::from(VALUE_BYTES));
    let mut figures = vec![
        (Metric::SnapshotS, alone.seconds),
        (Metric::WrittenPerS, file_bytes / alone.seconds),
        (Metric::P999BeforeUs, quiet.p999_us),
        (Metric::P999Us, found.p999_us),
        (Metric::MaxUs, found.max_us),
        (Metric::LateP999Us, found.late_p999_us),
        (Metric::BesideS, saved.seconds),
        (Metric::FileBytes, file_bytes),
    ];
    figures.extend(device.map(|per_s| (Metric::OfDevice, file_bytes / alone.seconds / per_s)));
    if let (Some(before), Some(most)) = (before, saved.tree_bytes_most) {
        figures.push((Metric::ExtraShare, most.saturating_sub(before) as f64 / data));
    }
    let folder = server.launch().folder.clone();
    drop(server);
    cool(&folder)?;
    let again = bench.start_again(peer, layout, "snapshots")?;
    let loaded = wait_for_keys(&again, keys)?;
    figures.push((Metric::RestartS, again.start_s + loaded));
    drop(again);
    // Gigabytes are not kept until the end of the run.
    drop(std::fs::remove_dir_all(folder));
    Ok(figures)
}

/// The kernel forgets what it has of the files in `folder`, as after a restart of the machine: else who wrote them through the page
/// cache would not have to read them.
fn cool(folder: &Path) -> Result<(), String> {
    let told = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.is_file() {
            let file = File::open(&path).map_err(told)?;
            // Only what is on the device can be forgotten.
            file.sync_all().map_err(told)?;
            // SAFETY: a hint about a file that is open.
            unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
        }
    }
    Ok(())
}

/// As Torc writes: past the page cache, blocks of 512 KiB, sixteen on their way.
const FIO: &str = "--rw=write --direct=1 --ioengine=io_uring --bs=512k --iodepth=16";

/// Bytes a second that fio writes to the file system of `folder`, a file as large as the data but at most 4 GiB.
fn device(folder: &Path, data_bytes: u64) -> Result<f64, String> {
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let size = data_bytes.clamp(16 << 20, 4 << 30);
    let mut command = Command::new("fio");
    command.args(["--name=torc-bench", "--output-format=json", "--unlink=1", "--end_fsync=1"]).args(FIO.split(' '));
    command.arg(format!("--size={size}")).arg(format!("--directory={}", folder.display())).stdin(Stdio::null());
    let done = command.output().map_err(|e| format!("fio: {e}: what the device can do is not known"))?;
    let said = String::from_utf8_lossy(&done.stdout);
    // It may say something before the object.
    let object = said.find('{').map_or("", |at| &said[at..]);
    let told: Option<f64> = serde_json::from_str::<serde_json::Value>(object)
        .ok()
        .and_then(|told| told["jobs"][0]["write"]["bw_bytes"].as_f64())
        .filter(|bytes| *bytes > 0.0);
    told.ok_or_else(|| {
        format!("fio told no bandwidth: {} {}", said.trim(), String::from_utf8_lossy(&done.stderr).trim())
    })
}
