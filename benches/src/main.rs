//! Room: benches. `torc-bench`: figures of a running server, one JSON object each. Touches: loadgen, /proc.
//!
//! `probe` looks at latency from outside while something else happens to the server, `fill` loads many keys as fast as
//! it goes, `idle` finds what connections cost that do nothing.

mod idle;
mod process;

use clap::{Args, Parser, Subcommand};
use loadgen::engine::{self, Failure, Outcome};
use loadgen::options::duration;
use loadgen::plan::{Pace, Phase, Plan, Sizes, Target};
use loadgen::{poll, report};
use std::process::ExitCode;
use std::time::Duration;

/// Measures a running server; each figure is one JSON object on stdout.
#[derive(Parser)]
#[command(name = "torc-bench", version)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// GETs at a steady rate on one connection, whatever else the server does; latency from the time each was due
    Probe(Probe),
    /// Sets keys 0 to N once each, as fast as the server takes them
    Fill(Fill),
    /// Opens connections that do nothing, and measures the server's CPU time and memory
    Idle(idle::Idle),
}

#[derive(Args)]
struct Probe {
    /// resp://host:port, memcached://host:port, or a scheme and the path of a Unix socket
    #[arg(long, value_parser = Target::parse)]
    target: Target,
    /// GETs a second
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    #[arg(long, value_parser = duration, default_value = "10s")]
    duration: Duration,
    /// Different keys asked for
    #[arg(long, default_value_t = 1000)]
    keys: u64,
    #[arg(long, default_value = "probe:")]
    key_prefix: String,
    /// Set the keys first, to values of 100 bytes
    #[arg(long)]
    populate: bool,
    /// Run before all ordinary threads (SCHED_FIFO), so that a busy host delays the server and not the probe; "late" in the
    /// report says how far behind the probe itself was
    #[arg(long)]
    realtime: bool,
}

#[derive(Args)]
struct Fill {
    /// resp://host:port, memcached://host:port, or a scheme and the path of a Unix socket
    #[arg(long, value_parser = Target::parse)]
    target: Target,
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    #[arg(long, default_value = "key:")]
    key_prefix: String,
    /// Bytes of a value: 100, or 64-4096 for evenly spread sizes
    #[arg(long, value_parser = Sizes::parse, default_value = "100")]
    value_size: Sizes,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// SETs in flight on a connection, 64 at least
    #[arg(long, default_value_t = 64)]
    pipeline: usize,
}

fn main() -> ExitCode {
    let done = match Options::parse().what {
        What::Probe(probe) => run_probe(&probe),
        What::Fill(fill) => run_fill(&fill),
        What::Idle(idle) => idle::run(&idle),
    };
    match done {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("torc-bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn plan(target: &Target, keys: u64, key_prefix: &str) -> Plan {
    Plan {
        targets: vec![target.clone()],
        connections: 1,
        threads: 1,
        pipeline: 1,
        keys,
        key_prefix: key_prefix.to_string(),
        sizes: Sizes { least: 100, most: 100 },
        gets: 1,
        sets: 0,
        deletes_ppm: 0,
        pace: Pace::Closed,
        duration: None,
        requests: None,
        warmup: Duration::ZERO,
        verify: false,
        may_miss: true,
        seed: 1,
    }
}

fn run_phase(plan: &Plan, phase: Phase) -> Result<Outcome, String> {
    if let Some(why) = plan.refuse() {
        return Err(why);
    }
    let outcome = engine::run(plan, phase, None, false).map_err(|failure| match failure {
        Failure::World(why) => why,
        Failure::Bad(evidence) => format!("{}; got {}", evidence.what, evidence.got),
    })?;
    match &outcome.tally.first_refusal {
        Some(first) => Err(format!("{} answers were errors, the first: {first}", outcome.tally.refused)),
        None => Ok(outcome),
    }
}

fn run_probe(probe: &Probe) -> Result<String, String> {
    let plan = Plan {
        pace: Pace::Open { per_second: probe.rate },
        duration: Some(probe.duration),
        // So many that a server that stands still for ten seconds is still asked in time.
        pipeline: (probe.rate * 10.0).max(16.0) as usize,
        ..plan(&probe.target, probe.keys, &probe.key_prefix)
    };
    if probe.realtime {
        poll::run_first().map_err(|e| format!("--realtime: {e}"))?;
    }
    if probe.populate {
        run_phase(&plan, Phase::Populate)?;
    }
    let outcome = run_phase(&plan, Phase::Measure)?;
    Ok(report::json(&plan, &outcome.tally, outcome.cpu_s))
}

fn run_fill(fill: &Fill) -> Result<String, String> {
    let plan = Plan {
        connections: fill.connections,
        threads: fill.threads,
        pipeline: fill.pipeline,
        sizes: fill.value_size,
        ..plan(&fill.target, fill.keys, &fill.key_prefix)
    };
    let outcome = run_phase(&plan, Phase::Populate)?;
    Ok(report::json(&plan, &outcome.tally, outcome.cpu_s))
}
