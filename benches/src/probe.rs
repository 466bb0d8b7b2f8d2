//! Room: benches. Looking at a server that runs already: its latency while something else happens to it, and how fast it is
//! filled. One JSON object each. Touches: loadgen.

use crate::{kernel, load};
use clap::Args;
use loadgen::options::duration;
use loadgen::outcome::{Arrivals, Pace};
use loadgen::plan::{Plan, Spread, Target};
use loadgen::report;
use std::time::Duration;

#[derive(Args)]
pub struct Probe {
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
pub struct Fill {
    /// resp://host:port, memcached://host:port, or a scheme and the path of a Unix socket
    #[arg(long, value_parser = Target::parse)]
    target: Target,
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    #[arg(long, default_value = "key:")]
    key_prefix: String,
    /// Bytes of a value: 100, 64-4096 for evenly spread sizes, and what else torc-load takes
    #[arg(long, value_parser = Spread::parse, default_value = "100")]
    value_size: Spread,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// SETs in flight on a connection
    #[arg(long, default_value_t = 64)]
    pipeline: usize,
}

impl Probe {
    pub fn run(&self) -> Result<String, String> {
        let plan = Plan {
            targets: vec![self.target.clone()],
            connections: 1,
            // So many that a server that stands still for ten seconds is still asked in time.
            pipeline: (self.rate * 10.0).max(16.0) as usize,
            keys: self.keys,
            key_prefix: self.key_prefix.clone(),
            gets: 1,
            sets: 0,
            pace: Pace::Open { per_second: self.rate, arrivals: Arrivals::Poisson },
            duration: Some(self.duration),
            may_miss: true,
            ..Plan::default()
        };
        if self.realtime {
            kernel::run_first().map_err(|e| format!("--realtime: {e}"))?;
        }
        if self.populate {
            load::populate(&plan)?;
        }
        load::run(&plan).map(|outcome| report::json(&outcome))
    }
}

impl Fill {
    pub fn run(&self) -> Result<String, String> {
        let plan = Plan {
            targets: vec![self.target.clone()],
            connections: self.connections,
            threads: self.threads,
            pipeline: self.pipeline,
            keys: self.keys,
            key_prefix: self.key_prefix.clone(),
            sizes: self.value_size.clone(),
            ..Plan::default()
        };
        load::populate(&plan).map(|outcome| report::json(&outcome))
    }
}
