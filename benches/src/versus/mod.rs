//! Room: benches. `torc-bench versus`: the same work given to Torc and to its peers in interleaved rounds, and a page, a table
//! and a CSV of what came of it.
//!
//! `peers` finds servers and knows how each is started at its best, `bench` starts them on stated cores, `measure`, `solo`,
//! `types`, `disturb`, `events` and `durable` are the sections, `results` holds the figures, `table`, `page` and `files` draw and keep them.

mod bench;
mod disturb;
mod durable;
mod events;
mod files;
mod measure;
mod page;
pub mod peers;
mod results;
mod solo;
mod table;
mod types;

use crate::host::{self, Host};
use crate::server::quoted;
pub use files::Record;
pub use peers::Peer;
pub use results::short;
pub use table::ratio as ratio_text;

use bench::Bench;
use clap::Args;
use loadgen::plan::Dialect;
use results::{Results, Section};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(Args, Clone, Debug)]
pub struct Versus {
    /// A TOML file of servers by path: [[peer]] with name, kind (redis, valkey, memcached, dragonfly, pogocache, torc), path and
    /// args. Kinds it does not name are looked for in PATH
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// Only these, in this order: ratios are to the first that has a figure
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// throughput, latency, memory, start, snapshot, log, scaling; of data types: types, types-memory, disturbance, blocking,
    /// expiry, pubsub; and only if named here: snapshots
    #[arg(long, value_delimiter = ',', value_parser = Section::parse, value_name = "NAMES")]
    sections: Vec<Section>,
    /// One short round and few keys: to see that all works, not to be believed
    #[arg(long)]
    quick: bool,
    /// Where the page, the table and the CSV go [default: target/versus/<date>]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Also write <date>-<NAME>.csv and .md, and the picture, into benches/record/<host>
    #[arg(long, value_name = "NAME")]
    record: Option<String>,
    /// What the host is called in the records [default: made from the number of its cores]
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,
    /// Rounds of throughput, latency and scaling; memory and snapshots have 3 at most
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Of one run
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Asks a second of the latency section [default: shares of what the slowest can do]
    #[arg(long, value_delimiter = ',', value_name = "RATES")]
    rates: Vec<f64>,
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Keys of throughput, latency and scaling
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// The most keys of the memory section
    #[arg(long, default_value_t = 2_000_000)]
    memory_keys: u64,
    #[arg(long, default_value_t = 1_000_000)]
    snapshot_keys: u64,
    /// Keys and values of the snapshots section, in GB
    #[arg(long, default_value_t = 5.0)]
    snapshots_gb: f64,
    /// Small collections and elements of large ones (types-memory, disturbance), and keys with deadlines (expiry)
    #[arg(long, default_value_t = 1_000_000)]
    elements: u64,
    /// Clients that wait (blocking)
    #[arg(long, default_value_t = 100_000)]
    clients: usize,
    /// Cores for the server, 0-3,8 [default: the first half]
    #[arg(long, value_parser = cpus, value_name = "CORES")]
    server_cpus: Option<Cpus>,
    /// Cores for the load [default: those that the server does not have]
    #[arg(long, value_parser = cpus, value_name = "CORES")]
    load_cpus: Option<Cpus>,
}

/// A list in one word; clap takes a `Vec` for an option given several times.
pub type Cpus = std::sync::Arc<[usize]>;

pub fn cpus(text: &str) -> Result<Cpus, String> {
    host::parse_cpus(text).map(Cpus::from)
}

pub fn run(mut options: Versus) -> Result<String, String> {
    if options.quick {
        options.rounds = 1;
        options.seconds = options.seconds.min(0.5);
        options.keys = options.keys.min(20_000);
        options.memory_keys = options.memory_keys.min(200_000);
        options.snapshot_keys = options.snapshot_keys.min(100_000);
        options.snapshots_gb = options.snapshots_gb.min(0.02);
        options.elements = options.elements.min(50_000);
        options.clients = options.clients.min(3_000);
    }
    refuse(&options)?;
    let host = Host::read();
    let found = peers::find(options.peers.as_deref(), &options.only)?;
    if found.peers.is_empty() {
        let why: Vec<String> = found.absent.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        return Err(format!("no server to measure: {}", why.join("; ")));
    }
    let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let date = host::date(unix_s);
    let out = options.out.clone().unwrap_or_else(|| crate::cargo::workspace().join("target/versus").join(&date));
    let host_name = options.host_name.clone().unwrap_or_else(|| host.name());
    // Refused before an hour is spent, not after.
    let record = options.record.as_deref().map(|what| files::Record::new(&host_name, &date, what)).transpose()?;
    std::fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let servers = out.join(format!("servers-{}", std::process::id()));
    let results = Results {
        command: command_line(),
        date,
        host: host.sentence(),
        peers: found.peers.iter().map(|peer| (peer.name.clone(), peer.version.clone())).collect(),
        absent: found.absent,
        ..Results::default()
    };
    let mut bench = Bench { options, host, peers: found.peers, results, files: servers.clone(), begun: Instant::now() };
    bench.results.settings = settings(&bench);
    eprintln!("about {:.0} minutes", minutes(&bench));
    let done = measure_all(&mut bench);
    // Snapshots are large, and nobody's.
    if let Err(e) = std::fs::remove_dir_all(&servers)
        && servers.exists()
    {
        eprintln!("torc-bench: {}: {e}", servers.display());
    }
    done?;
    bench.results.minutes = bench.begun.elapsed().as_secs_f64() / 60.0;
    let mut written = files::write(&bench.results, &out)?;
    if let Some(record) = record {
        written.extend(record.write(&bench.results)?);
    }
    let list: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    Ok(format!("{}\nwritten: {}", table::markdown(&bench.results).trim_end(), list.join(" ")))
}

fn refuse(options: &Versus) -> Result<(), String> {
    if options.rounds == 0
        || options.connections == 0
        || options.keys == 0
        || options.snapshot_keys == 0
        || options.elements == 0
    {
        return Err("rounds, connections and keys are at least 1".into());
    }
    if !(options.seconds > 0.0 && options.seconds <= 3600.0) {
        return Err("--seconds is above 0 and at most 3600".into());
    }
    if !(options.snapshots_gb >= 0.001 && options.snapshots_gb <= 10_000.0) {
        return Err("--snapshots-gb is at least 0.001".into());
    }
    if options.memory_keys < 4 {
        return Err("--memory-keys is at least 4".into());
    }
    if options.rates.iter().any(|rate| !(*rate > 0.0 && rate.is_finite())) {
        return Err("--rates are above 0".into());
    }
    if options.server_cpus.is_none() && options.load_cpus.is_some() {
        return Err("--load-cpus needs --server-cpus".into());
    }
    Ok(())
}

fn measure_all(bench: &mut Bench) -> Result<(), String> {
    for section in Section::ALL {
        if !bench.options.sections.is_empty() && !bench.options.sections.contains(&section) {
            bench.results.skip(section, "all", "all", "not asked for (--sections)");
            continue;
        }
        if bench.options.sections.is_empty() && section == Section::Snapshots && !bench.options.quick {
            bench.results.skip(
                section,
                "all",
                "all",
                "takes long, so it is run only if it is named (--sections snapshots)",
            );
            continue;
        }
        match section {
            Section::Throughput => measure::throughput(bench),
            Section::Latency => measure::latency(bench),
            Section::Memory => solo::memory(bench),
            Section::Start => solo::start(bench),
            Section::Snapshot => solo::snapshot(bench),
            Section::Log => durable::log(bench),
            Section::Snapshots => durable::snapshots(bench),
            Section::Scaling => measure::scaling(bench),
            Section::Types => types::types(bench),
            Section::TypesMemory => types::memory(bench),
            Section::Disturbance => disturb::disturbance(bench),
            Section::Blocking => events::blocking(bench),
            Section::Expiry => events::expiry(bench),
            Section::Pubsub => events::pubsub(bench),
        }
    }
    if bench.results.figures.is_empty() {
        let whys: Vec<&str> = bench.results.skips.iter().map(|skip| skip.why.as_str()).collect();
        return Err(format!("nothing was measured: {}", whys.join("; ")));
    }
    Ok(())
}

/// How long it will take, roughly: so that nobody waits an hour who meant to wait a minute.
fn minutes(bench: &Bench) -> f64 {
    let options = &bench.options;
    let asked = |section| {
        let by_itself = section != Section::Snapshots || options.quick;
        if options.sections.is_empty() { by_itself } else { options.sections.contains(&section) }
    };
    let speaks = |peer: &Peer| measure::DIALECTS.into_iter().filter(|dialect| peer.speaks(*dialect)).count() as f64;
    let ways: f64 = bench.peers.iter().map(speaks).sum();
    let resp = bench.peers.iter().filter(|peer| peer.speaks(Dialect::Resp2)).count() as f64;
    let (peers, rounds) = (bench.peers.len() as f64, options.rounds as f64);
    // 1.1: warming up. 300,000 a second: a server being filled.
    let runs = |count: f64| count * ways * rounds * options.seconds * 1.1;
    let fill = |keys: u64| keys as f64 / 300_000.0;
    let seconds = Section::ALL.into_iter().filter(|section| asked(*section)).map(|section| match section {
        Section::Throughput => runs(4.0),
        Section::Latency => runs(if options.rates.is_empty() { 3.0 } else { options.rates.len() as f64 }),
        Section::Scaling => runs(2.0 * bench.layouts().len() as f64),
        Section::Memory => rounds.min(3.0) * peers * (4.0 + fill(options.memory_keys * 9 / 4)),
        Section::Start => rounds * peers * (0.2 + fill(options.memory_keys / 4)),
        Section::Snapshot => rounds.min(3.0) * peers * (3.0 + 4.0 * fill(options.snapshot_keys)),
        Section::Log => rounds.min(5.0) * resp * 3.0 * (1.0 + 2.1 * options.seconds),
        // Filled and loaded, saved twice, each at some 100 MB/s; a load beside for twice as long.
        Section::Snapshots => rounds.min(2.0) * resp * 2.0 * (10.0 + options.snapshots_gb * (10.0 + 8.6 * 5.0)),
        Section::Types => resp * (4.0 + 18.0 * rounds.min(3.0) * options.seconds.min(1.0) * 1.15),
        Section::TypesMemory => resp * (8.0 + 10.0 * fill(options.elements)),
        // Two seconds at least are looked at beside each of five commands.
        Section::Disturbance => rounds.min(3.0) * resp * (15.0 + 5.0 * fill(options.elements)),
        Section::Blocking => rounds.min(3.0) * resp * (1.0 + options.clients as f64 / 20_000.0),
        Section::Expiry => resp * (3.0 + options.elements as f64 * 70e-6),
        Section::Pubsub => resp * rounds * 2.0 * (0.5 + options.seconds.min(3.0)),
    });
    seconds.sum::<f64>() / 60.0
}

fn settings(bench: &Bench) -> Vec<String> {
    let options = &bench.options;
    let layout = bench.main_layout();
    let list = |cpus: &[usize]| cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    vec![
        format!(
            "server on core{} {}, load on {}{}",
            if layout.server_cpus.len() == 1 { "" } else { "s" },
            list(&layout.server_cpus),
            list(&layout.load_cpus),
            if layout.shared { " (the same: they share)" } else { "" }
        ),
        format!("{} connections, {} keys of 16 bytes, all set before", options.connections, results::grouped(options.keys as f64)),
        format!(
            "{} interleaved rounds of {} s; all servers run, those not being measured are stopped (SIGSTOP)",
            options.rounds, options.seconds
        ),
        "figures are medians of the rounds, ± half their spread; ratios are means of ratios round by round, with the interval \
         that holds the true one with 95 % probability"
            .into(),
    ]
}

/// As it can be given again.
pub fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).map(|word| quoted(&word)).collect();
    format!("cargo run --release -p benches -- {}", words.join(" "))
}
