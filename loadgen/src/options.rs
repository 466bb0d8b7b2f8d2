//! Room: loadgen. The command line. Touches: plan, objective.

pub use crate::objective::duration;
use crate::objective::{Goal, number};
use crate::plan::{Arrivals, KeyChoice, Pace, Plan, Spread, Target};
use clap::{Parser, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

const AFTER_HELP: &str = "\
EXIT CODES
   0  the run is complete, every answer a good one, every objective met
   1  the run could not be made, or broke off: no connection, a connection lost, asks left without an answer
   2  verification failed: the evidence is on stderr
   3  the run is complete, but the server answered some asks with errors
   4  the run is complete, but an objective was not met
  64  the command line or the scenario is not understood

EXAMPLES
  torc-load --target resp://127.0.0.1:6379 --populate --duration 10s
  torc-load --target resp://h:6379 --rate 200k --objective p99=1ms --html report.html
  torc-load --target resp://h:6379 --populate --find-limit p99=1ms --duration 5s
  torc-load --target memcached:///run/torc.sock --rate 50000 --connections 100 --json
  torc-load --scenario ycsb-a --target resp://h:6379 --duration 1m
  torc-load --target resp://h:6379 --target memcached://h:11211 --populate --verify --duration 1m
  torc-load --compare before.json after.json --html compared.html";

/// Loads a server that speaks the Redis or the memcached protocol, measures its answers, and checks them.
#[derive(Parser, Debug)]
#[command(name = "torc-load", version, after_help = AFTER_HELP)]
pub struct Options {
    /// resp://[user:password@]host[:port][/database], resp3://..., memcached://..., memcached-meta://..., or a scheme and the
    /// path of a Unix socket. Given more than once, the connections are dealt out among the targets in turn, all over the
    /// same keys
    #[arg(long = "target", short = 't', value_name = "URL", value_parser = Target::parse)]
    pub targets: Vec<Target>,

    /// The target is a node of a cluster: ask it for the slots, go to whichever node has a key's, follow MOVED and ASK
    #[arg(long)]
    pub cluster: bool,

    /// A TOML file, or the name of a scenario that torc-load brings along (--list-scenarios); flags win over what it says
    #[arg(long, short = 's', value_name = "FILE|NAME")]
    pub scenario: Option<String>,

    /// The scenarios that torc-load brings along, and what they are
    #[arg(long)]
    pub list_scenarios: bool,

    /// Prints a scenario's file, to change it
    #[arg(long, value_name = "NAME")]
    pub show_scenario: Option<String>,

    /// Connections, over all targets [default: 50]
    #[arg(long, short = 'c')]
    pub connections: Option<usize>,

    /// Threads of this program [default: 1]
    #[arg(long)]
    pub threads: Option<usize>,

    /// The CPUs that the threads are bound to: 0-3,6
    #[arg(long, value_parser = cpus)]
    pub cpus: Option<Cpus>,

    /// Local addresses to connect from, dealt out in turn: more connections than one address has ports
    #[arg(long = "source", value_name = "ADDRESS", value_delimiter = ',')]
    pub sources: Vec<IpAddr>,

    /// Asks in flight on a connection: sent as one batch in a closed loop, the most there may be in an open one [default: 1,
    /// in an open loop 64]
    #[arg(long, short = 'P')]
    pub pipeline: Option<usize>,

    /// How long to measure: 500ms, 10s, 5m [default: 10s, unless --requests is given]
    #[arg(long, short = 'd', value_parser = duration)]
    pub duration: Option<Duration>,

    /// How many asks to make, in place of or besides a duration
    #[arg(long, short = 'n', value_parser = count)]
    pub requests: Option<u64>,

    /// Load for this long before measuring [default: 0s]
    #[arg(long, value_parser = duration)]
    pub warmup: Option<Duration>,

    /// Number of different keys [default: 100000]
    #[arg(long, value_parser = count)]
    pub keys: Option<u64>,

    /// What keys begin with; digits follow [default: key:]
    #[arg(long)]
    pub key_prefix: Option<String>,

    /// Bytes of a whole key: its number gets as many leading zeros as that takes
    #[arg(long)]
    pub key_size: Option<usize>,

    /// uniform, zipf:THETA, hot:SHARE-OF-KEYS:SHARE-OF-ASKS, sequential, gaussian:MEAN:DEVIATION (shares of all keys),
    /// latest:THETA [default: uniform]
    #[arg(long, value_parser = KeyChoice::parse)]
    pub key_choice: Option<KeyChoice>,

    /// Bytes of a value: 100, or 64-4096 evenly, or 100:70,1000:30 by weight, lognormal:MEDIAN:SIGMA[:MOST],
    /// pareto:LOCATION:SCALE:SHAPE[:MOST] [default: 100]
    #[arg(long, value_parser = Spread::parse)]
    pub value_size: Option<Spread>,

    /// Seconds that a key lives once set, as --value-size says sizes [default: for ever]
    #[arg(long, value_parser = Spread::parse)]
    pub ttl: Option<Spread>,

    /// GETs to SETs [default: 10:1]
    #[arg(long, value_parser = ratio)]
    pub ratio: Option<(u32, u32)>,

    /// How many of a hundred writes are deletes
    #[arg(long)]
    pub deletes: Option<f64>,

    /// In place of GETs and SETs: a command with blanks to fill, as 'HSET {key} f{rand:0-9} {value}'; given more than once, all
    /// equally often. README.md lists the blanks
    #[arg(long = "command", value_name = "COMMAND", conflicts_with_all = ["ratio", "deletes", "scenario"])]
    pub commands: Vec<String>,

    /// Open loop: this many asks a second over all connections, whether or not they are answered; latency counts from the
    /// time an ask was due. 50000, 200k, 1.5M
    #[arg(long, short = 'r', conflicts_with = "closed", value_parser = number)]
    pub rate: Option<f64>,

    /// Of an open loop: by chance (Poisson), or all gaps the same [default: poisson]
    #[arg(long)]
    pub arrivals: Option<ArrivalsOption>,

    /// Closed loop: a connection asks as soon as it has been answered (the default, unless the scenario has a rate)
    #[arg(long)]
    pub closed: bool,

    /// Close each connection after this many asks and make it anew; the time that takes is told as "connect"
    #[arg(long, value_name = "ASKS", value_parser = count)]
    pub churn: Option<u64>,

    /// Set every key once before measuring
    #[arg(long)]
    pub populate: bool,

    /// Leave out the populating that a scenario asks for: the keys are there
    #[arg(long, conflicts_with = "populate")]
    pub no_populate: bool,

    /// Check every value read: whole, of its key, neither older than what was acknowledged nor never written. Nothing else may
    /// write the keys; without --populate keys left by another run are found to be wrong
    #[arg(long)]
    pub verify: bool,

    /// A key may be missing at any time, as where the server evicts or keys expire
    #[arg(long)]
    pub may_miss: bool,

    /// To be reached, or the exit code is 4: p99=1ms, p99.9=5ms, max=50ms, mean=200us, rate=100k, errors=0, misses=0, of one verb
    /// as get:p99=1ms. May be given more than once
    #[arg(long = "objective", value_name = "WHAT", value_parser = Goal::parse)]
    pub objectives: Vec<Goal>,

    /// Search for the highest rate that holds this objective, each rate tried for --duration [default: 5s]
    #[arg(long, value_name = "OBJECTIVE", value_parser = Goal::parse)]
    pub find_limit: Option<Goal>,

    /// Where the random choices begin [default: 1]
    #[arg(long)]
    pub seed: Option<u64>,

    /// The name of the run in reports
    #[arg(long)]
    pub title: Option<String>,

    /// The report as one JSON object on stdout
    #[arg(long)]
    pub json: bool,

    /// Also writes the JSON into a file, as --compare reads it
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,

    /// Also writes one self-contained page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Also writes latencies in milliseconds by percentile, a file for all answers (PREFIX.hgrm) and one for each verb, as
    /// HdrHistogram's tools read them
    #[arg(long, value_name = "PREFIX")]
    pub hgrm: Option<PathBuf>,

    /// Runs nothing: compares saved runs in one page (--html), the first is what the others are measured by
    #[arg(long, value_name = "FILE", num_args = 2.., requires = "html", conflicts_with_all = ["targets", "scenario"])]
    pub compare: Vec<PathBuf>,

    /// One live line in place of a screen
    #[arg(long)]
    pub line: bool,

    /// Nothing live
    #[arg(long, short = 'q')]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArrivalsOption {
    Poisson,
    Constant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(pub Vec<usize>);

impl Options {
    /// What the flags say, over what the scenario said (or the defaults).
    pub fn over(&self, mut plan: Plan) -> Result<Plan, String> {
        fn set<T: Clone>(to: &mut T, from: &Option<T>) {
            if let Some(from) = from {
                to.clone_from(from);
            }
        }
        if !self.targets.is_empty() {
            plan.targets.clone_from(&self.targets);
        }
        plan.cluster |= self.cluster;
        set(&mut plan.title, &self.title);
        set(&mut plan.connections, &self.connections);
        set(&mut plan.threads, &self.threads);
        if let Some(Cpus(cpus)) = &self.cpus {
            plan.cpus.clone_from(cpus);
            plan.threads = self.threads.unwrap_or(cpus.len());
        }
        if !self.sources.is_empty() {
            plan.sources.clone_from(&self.sources);
        }
        set(&mut plan.keys, &self.keys);
        set(&mut plan.key_prefix, &self.key_prefix);
        if let Some(size) = self.key_size {
            let digits = size.checked_sub(plan.key_prefix.len()).filter(|d| *d > 0);
            plan.key_digits = digits.ok_or("--key-size is more than the bytes of --key-prefix")?;
        }
        set(&mut plan.choice, &self.key_choice);
        set(&mut plan.sizes, &self.value_size);
        if self.ttl.is_some() {
            plan.ttl.clone_from(&self.ttl);
        }
        if let Some((gets, sets)) = self.ratio {
            (plan.gets, plan.sets) = (gets, sets);
            plan.verbs.clear();
        }
        if let Some(percent) = self.deletes {
            plan.deletes_ppm = (percent.clamp(0.0, 100.0) * 10_000.0) as u32;
        }
        for command in &self.commands {
            plan.verbs.push(crate::scenario::bare_verb(command)?);
        }
        let arrivals = match (self.arrivals, plan.pace) {
            (Some(ArrivalsOption::Poisson), _) => Arrivals::Poisson,
            (Some(ArrivalsOption::Constant), _) => Arrivals::Constant,
            (None, Pace::Open { arrivals, .. }) => arrivals,
            (None, Pace::Closed) => Arrivals::Poisson,
        };
        plan.pace = match (self.rate, plan.pace) {
            (Some(per_second), _) => Pace::Open { per_second, arrivals },
            (None, _) if self.closed => Pace::Closed,
            (None, Pace::Open { per_second, .. }) => Pace::Open { per_second, arrivals },
            (None, Pace::Closed) => Pace::Closed,
        };
        if self.closed {
            plan.phases.iter_mut().for_each(|p| p.rate = None);
        }
        let open = plan.pace != Pace::Closed || self.find_limit.is_some();
        match self.pipeline {
            Some(pipeline) => plan.pipeline = pipeline,
            // 64: what came due while the server stood still goes out when it does not, as from many clients.
            None if open && plan.pipeline == 1 => plan.pipeline = 64,
            None => {}
        }
        if let Some(duration) = self.duration {
            // Phases keep their proportions.
            let whole: f64 = plan.phases.iter().map(|p| p.duration.as_secs_f64()).sum();
            plan.phases.iter_mut().for_each(|p| p.duration = p.duration.mul_f64(duration.as_secs_f64() / whole));
            plan.duration = Some(duration);
        }
        if self.requests.is_some() {
            plan.requests = self.requests;
            plan.duration = self.duration;
        }
        if plan.duration.is_none() && plan.requests.is_none() && plan.phases.is_empty() {
            plan.duration = Some(Duration::from_secs(if self.find_limit.is_some() { 5 } else { 10 }));
        }
        set(&mut plan.warmup, &self.warmup);
        if self.churn.is_some() {
            plan.churn = self.churn;
        }
        plan.populate = (plan.populate || self.populate) && !self.no_populate;
        plan.verify |= self.verify;
        plan.may_miss |= self.may_miss;
        set(&mut plan.seed, &self.seed);
        plan.objectives.extend(self.objectives.iter().cloned());
        if self.find_limit.is_some() {
            plan.find_limit.clone_from(&self.find_limit);
        }
        if plan.title.is_empty() {
            plan.title = title(&plan);
        }
        Ok(plan)
    }
}

fn title(plan: &Plan) -> String {
    let verbs: Vec<String> = plan.mix().iter().map(|v| v.name.clone()).collect();
    format!("{} over {} keys", verbs.join(", "), plan.keys)
}

fn ratio(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("'{text}' is not a ratio of GETs to SETs like 10:1");
    let (gets, sets) = text.split_once(':').ok_or_else(wrong)?;
    Ok((gets.parse().map_err(|_| wrong())?, sets.parse().map_err(|_| wrong())?))
}

fn count(text: &str) -> Result<u64, String> {
    let number = number(text)?;
    if number.fract() == 0.0 { Ok(number as u64) } else { Err(format!("'{text}' is not a whole number")) }
}

fn cpus(text: &str) -> Result<Cpus, String> {
    let wrong = || format!("'{text}' is not a list of CPUs like 0-3,6");
    let mut all = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let from: usize = from.trim().parse().map_err(|_| wrong())?;
        let to: usize = to.trim().parse().map_err(|_| wrong())?;
        // 4096: more CPUs than Linux is built for here.
        if from > to || to >= 4096 {
            return Err(wrong());
        }
        all.extend(from..=to);
    }
    Ok(Cpus(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(more: &[&str]) -> Plan {
        let options = Options::parse_from([&["torc-load", "--target", "resp://h:1"], more].concat());
        options.over(Plan::default()).expect("sound flags")
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Options::command().debug_assert();
        let by_count = plan(&["--requests", "5", "--ratio", "3:2"]);
        assert_eq!((by_count.duration, by_count.requests, by_count.gets, by_count.sets), (None, Some(5), 3, 2));
        assert_eq!(by_count.refuse(), None);
        let open = plan(&["--rate", "200k", "--arrivals", "constant", "--key-size", "30", "--keys", "1M"]);
        assert_eq!(open.pace, Pace::Open { per_second: 200_000.0, arrivals: Arrivals::Constant });
        assert_eq!((open.pipeline, open.key_digits, open.keys), (64, 26, 1_000_000));
        assert_eq!(plan(&["--cpus", "1-2,5"]).cpus, [1, 2, 5]);
        assert_eq!(plan(&["--cpus", "1-2,5"]).threads, 3);
        assert_eq!(plan(&["--rate", "5", "--pipeline", "1"]).pipeline, 1);
        assert_eq!(plan(&["--command", "PING", "--command", "HGET {key} f"]).verbs.len(), 2);
    }

    #[test]
    fn cpus_are_read() {
        for text in ["", "3-1", "x", "1-", "99999"] {
            assert!(cpus(text).is_err(), "{text}");
        }
    }
}
