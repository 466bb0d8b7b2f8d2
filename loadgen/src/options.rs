//! Room: loadgen. The command line. Touches: plan.

use crate::plan::{Pace, Plan, Sizes, Target};
use clap::{Parser, ValueEnum};
use std::time::Duration;

const AFTER_HELP: &str = "\
EXIT CODES
   0  the run is complete, every answer a good one
   1  the run could not be made, or broke off: no connection, a connection lost, asks left without an answer
   2  verification failed: the evidence is on stderr
   3  the run is complete, but the server answered some asks with errors
  64  the command line is not understood

EXAMPLES
  torc-load --target resp://127.0.0.1:6379 --populate --duration 10s
  torc-load --target memcached:///run/torc.sock --rate 50000 --connections 100 --pipeline 100 --json
  torc-load --target resp://h:6379 --target memcached://h:11211 --populate --verify --duration 1m
  torc-load --scenario smoke --target resp://h:6379 --target memcached://h:11211 --duration 3s";

/// Loads a server that speaks the Redis or the memcached protocol, measures its answers, and checks them.
#[derive(Parser, Debug)]
#[command(name = "torc-load", version, after_help = AFTER_HELP)]
pub struct Options {
    /// resp://host:port, resp3://host:port, memcached://host:port, or a scheme and the path of a Unix socket. Given more than
    /// once, the connections are dealt out among the targets in turn, all over the same keys
    #[arg(long = "target", value_name = "URL", value_parser = Target::parse, required = true)]
    pub targets: Vec<Target>,

    /// A prepared run: smoke uses one RESP and one memcached target of the same server
    #[arg(long)]
    pub scenario: Option<Scenario>,

    /// Connections, over all targets
    #[arg(long, default_value_t = 50)]
    pub connections: usize,

    /// Threads of this program
    #[arg(long, default_value_t = 1)]
    pub threads: usize,

    /// Asks in flight on a connection: sent as one batch in a closed loop, the most there may be in an open one
    #[arg(long, default_value_t = 1)]
    pub pipeline: usize,

    /// How long to measure: 500ms, 10s, 5m [default: 10s, unless --requests is given]
    #[arg(long, value_parser = duration)]
    pub duration: Option<Duration>,

    /// How many asks to make, in place of or besides a duration
    #[arg(long)]
    pub requests: Option<u64>,

    /// Load for this long before measuring
    #[arg(long, value_parser = duration, default_value = "0s")]
    pub warmup: Duration,

    /// Number of different keys
    #[arg(long, default_value_t = 100_000)]
    pub keys: u64,

    /// What keys begin with; twelve digits follow
    #[arg(long, default_value = "key:")]
    pub key_prefix: String,

    /// Bytes of a value: 100, or 64-4096 for evenly spread sizes
    #[arg(long, value_parser = Sizes::parse, default_value = "100")]
    pub value_size: Sizes,

    /// GETs to SETs
    #[arg(long, value_parser = ratio, default_value = "10:1")]
    pub ratio: (u32, u32),

    /// How many of a hundred writes are deletes
    #[arg(long, default_value_t = 0.0)]
    pub deletes: f64,

    /// Open loop: this many asks a second over all connections, at random times (Poisson); latency counts from the time an
    /// ask was due
    #[arg(long, conflicts_with = "closed")]
    pub rate: Option<f64>,

    /// Closed loop: a connection asks as soon as it has been answered (the default)
    #[arg(long)]
    pub closed: bool,

    /// Set every key once before measuring
    #[arg(long)]
    pub populate: bool,

    /// Check every value read: whole, of its key, neither older than what was acknowledged nor never written. Nothing else may
    /// write the keys; without --populate keys left by another run are found to be wrong
    #[arg(long)]
    pub verify: bool,

    /// With --verify: a key may be missing at any time, as where the server evicts
    #[arg(long)]
    pub may_miss: bool,

    /// Where the random choices begin
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// The report as one JSON object
    #[arg(long)]
    pub json: bool,

    /// No live line, even on a terminal
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    Smoke,
}

impl Options {
    pub fn plan(&self) -> Plan {
        let default_duration = self.requests.is_none().then_some(Duration::from_secs(10));
        Plan {
            targets: self.targets.clone(),
            connections: self.connections,
            threads: self.threads,
            pipeline: self.pipeline,
            keys: self.keys,
            key_prefix: self.key_prefix.clone(),
            sizes: self.value_size,
            gets: self.ratio.0,
            sets: self.ratio.1,
            deletes_ppm: (self.deletes.clamp(0.0, 100.0) * 10_000.0) as u32,
            pace: self.rate.map_or(Pace::Closed, |per_second| Pace::Open { per_second }),
            duration: self.duration.or(default_duration),
            requests: self.requests,
            warmup: self.warmup,
            verify: self.verify,
            may_miss: self.may_miss,
            seed: self.seed,
        }
    }
}

/// `500ms`, `10s`, `5m`, `1h`, or a bare number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let scale = match &text[split..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("'{text}' is not a time: 500ms, 10s, 5m")),
    };
    let number: f64 = text[..split].parse().map_err(|_| format!("'{text}' is not a time: 500ms, 10s, 5m"))?;
    Duration::try_from_secs_f64(number * scale).map_err(|e| format!("'{text}': {e}"))
}

fn ratio(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("'{text}' is not a ratio of GETs to SETs like 10:1");
    let (gets, sets) = text.split_once(':').ok_or_else(wrong)?;
    Ok((gets.parse().map_err(|_| wrong())?, sets.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let cases =
            [("500ms", Some(0.5)), ("10s", Some(10.0)), ("2", Some(2.0)), ("1.5m", Some(90.0)), ("1h", Some(3600.0))];
        let wrong = [("", None), ("s", None), ("5x", None), ("-1s", None), ("inf", None)];
        for (text, want) in cases.into_iter().chain(wrong) {
            assert_eq!(duration(text).ok().map(|d| d.as_secs_f64()), want, "{text}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Options::command().debug_assert();
        let options = Options::parse_from(["torc-load", "--target", "resp://h:1", "--requests", "5", "--ratio", "3:2"]);
        let plan = options.plan();
        assert_eq!((plan.duration, plan.requests, plan.gets, plan.sets), (None, Some(5), 3, 2));
        assert_eq!(plan.refuse(), None);
    }
}
