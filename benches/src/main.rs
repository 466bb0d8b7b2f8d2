//! Room: benches. `torc-bench`: what Torc can do beside its peers, beside its own past, and while it is disturbed.
//! Touches: loadgen, /proc, cargo and git.
//!
//! `versus` compares servers, `regress` commits, `loads` load generators; `probe`, `fill` and `idle` look at one server that runs already.

mod cargo;
mod crowd;
mod feed;
mod host;
mod idle;
mod kernel;
mod load;
mod loads;
mod probe;
mod process;
mod regress;
mod server;
mod stats;
mod steady;
mod talk;
mod versus;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures servers: beside each other, beside an older commit, or one that runs already.
#[derive(Parser)]
#[command(name = "torc-bench", version)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The same work for Torc and the peers that are installed, in interleaved rounds: a page, a table, a CSV
    Versus(Box<versus::Versus>),
    /// This tree beside a base commit; exit code 1 when more than --max-loss is lost beyond doubt, 2 when it could not be run
    Regress(regress::Regress),
    /// torc-load beside redis-benchmark and memtier_benchmark: operations per second of their own CPU time
    Loads(loads::Loads),
    /// GETs at a steady rate on one connection, whatever else the server does; latency from the time each was due
    Probe(probe::Probe),
    /// Sets keys 0 to N once each, as fast as the server takes them
    Fill(probe::Fill),
    /// Opens connections that do nothing, and measures the server's CPU time and memory
    Idle(idle::Idle),
}

const LOST: u8 = 1;
/// Of `regress` only: a failure must not look like a loss.
const COULD_NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let is_regress = matches!(options.what, What::Regress(_));
    let done = match options.what {
        What::Versus(versus) => versus::run(*versus).map(|text| (text, false)),
        What::Regress(regress) => regress::run(&regress).map(|verdict| (verdict.text, verdict.lost)),
        What::Loads(loads) => loads::run(&loads).map(|text| (text, false)),
        What::Probe(probe) => probe.run().map(|json| (json, false)),
        What::Fill(fill) => fill.run().map(|json| (json, false)),
        What::Idle(idle) => idle.run().map(|json| (json, false)),
    };
    match done {
        Ok((text, lost)) => {
            println!("{}", text.trim_end());
            if lost { ExitCode::from(LOST) } else { ExitCode::SUCCESS }
        }
        Err(why) => {
            eprintln!("torc-bench: {why}");
            if is_regress { ExitCode::from(COULD_NOT_RUN) } else { ExitCode::FAILURE }
        }
    }
}
