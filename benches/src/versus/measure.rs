//! Room: benches, versus. The sections that put a load on servers in interleaved rounds: throughput, latency, scaling.
//! Touches: load, server.

use super::bench::{Bench, Fleet};
use super::results::{Metric, Section, grouped};
use crate::host::Layout;
use crate::load::{self, Found, Spec};
use crate::stats;
use loadgen::plan::Dialect;

/// One kind of load.
struct Mix {
    title: &'static str,
    pipeline: usize,
    gets: u32,
    sets: u32,
    value_bytes: u32,
    prefix: &'static str,
    /// Of the run's keys, one in this many.
    keys_of: u64,
}

const ONE: Mix = Mix {
    title: "10 GET : 1 SET, one at a time",
    pipeline: 1,
    gets: 10,
    sets: 1,
    value_bytes: 100,
    prefix: "key:",
    keys_of: 1,
};
const PIPELINE: Mix = Mix { title: "10 GET : 1 SET, 16 in a pipeline", pipeline: 16, ..ONE };
const MIXES: [Mix; 4] = [
    ONE,
    PIPELINE,
    Mix { title: "SET only, 16 in a pipeline", pipeline: 16, gets: 0, ..ONE },
    Mix {
        title: "GET of 16 KiB, one at a time",
        gets: 1,
        sets: 0,
        value_bytes: 16 << 10,
        prefix: "big:",
        keys_of: 100,
        ..ONE
    },
];

/// The dialects in which peers are compared.
pub const DIALECTS: [Dialect; 2] = [Dialect::Resp2, Dialect::Memcached];

pub fn dialect_name(dialect: Dialect) -> &'static str {
    if dialect.is_resp() { "RESP" } else { "memcached" }
}

impl Mix {
    fn spec(&self, bench: &Bench, dialect: Dialect, layout: &Layout) -> Spec {
        Spec {
            dialect,
            connections: bench.options.connections,
            pipeline: self.pipeline,
            keys: (bench.options.keys / self.keys_of).max(1),
            prefix: self.prefix,
            value_bytes: self.value_bytes,
            gets: self.gets,
            sets: self.sets,
            rate: None,
            seconds: bench.options.seconds,
            cpus: layout.load_cpus.clone(),
            cluster: false,
            shared: layout.shared,
            commands: Vec::new(),
        }
    }
}

pub fn throughput(bench: &mut Bench) {
    let layout = bench.main_layout();
    let mut fleet = bench.fleet(Section::Throughput, &layout);
    rounds(bench, Section::Throughput, &mut fleet, &MIXES, |dialect, mix| {
        format!("{}: {}", dialect_name(dialect), mix.title)
    });
}

pub fn scaling(bench: &mut Bench) {
    for layout in bench.layouts() {
        let mut fleet = bench.fleet(Section::Scaling, &layout);
        if layout.server_cpus.len() > 1 {
            bench.add_shard_ports(Section::Scaling, &mut fleet);
        }
        let cores = layout.server_cpus.len();
        rounds(bench, Section::Scaling, &mut fleet, &[ONE, PIPELINE], |dialect, mix| {
            let of = if cores == 1 { "core" } else { "cores" };
            let beside = if layout.shared { ", load on the same" } else { "" };
            let pipeline = mix.pipeline;
            format!("{}: {pipeline} at a time, {cores} {of}{beside}", dialect_name(dialect))
        });
    }
}

fn rounds(
    bench: &mut Bench,
    section: Section,
    fleet: &mut Fleet,
    mixes: &[Mix],
    case: impl Fn(Dialect, &Mix) -> String,
) {
    let layout = fleet.layout.clone();
    fill_all(bench, section, fleet, mixes);
    for round in 0..bench.options.rounds {
        for mix in mixes {
            for dialect in DIALECTS {
                let case = case(dialect, mix);
                for at in fleet.turn(round) {
                    if fleet.members[at].speaks(dialect) {
                        let cluster = fleet.members[at].cluster;
                        let spec = Spec { cluster, ..mix.spec(bench, dialect, &layout) };
                        measure(bench, section, &case, fleet, at, round, &spec);
                    }
                }
            }
        }
    }
}

/// Sets the keys that `mixes` ask for, on every server once: both dialects have one keyspace.
fn fill_all(bench: &mut Bench, section: Section, fleet: &mut Fleet, mixes: &[Mix]) {
    let layout = fleet.layout.clone();
    let mut unfit = Vec::new();
    for (at, member) in fleet.members.iter_mut().enumerate() {
        let mut prefixes = Vec::new();
        member.server.go_on();
        for mix in mixes {
            if prefixes.contains(&mix.prefix) {
                continue;
            }
            prefixes.push(mix.prefix);
            bench.say(section, &format!("{}: setting keys", member.name));
            if let Err(why) = load::fill(&member.server, &mix.spec(bench, member.dialect, &layout)) {
                bench.results.skip(section, "all", &member.name, why);
                unfit.push(at);
                break;
            }
        }
        member.server.stand_still();
    }
    for at in unfit.into_iter().rev() {
        fleet.members.remove(at);
    }
}

/// One run of one server while the others stand still.
pub fn measure(
    bench: &mut Bench,
    section: Section,
    case: &str,
    fleet: &mut Fleet,
    at: usize,
    round: usize,
    spec: &Spec,
) {
    let cores = fleet.layout.server_cpus.len();
    let member = &mut fleet.members[at];
    bench.say(section, &format!("round {}: {case}: {}", round + 1, member.name));
    member.server.go_on();
    // A tenth of the time to get warm: caches, the clock of the core, connections' buffers.
    let warm = Spec { seconds: spec.seconds / 10.0, ..spec.clone() };
    let found = load::measure(&member.server, &warm).and_then(|_| load::measure(&member.server, spec));
    member.server.stand_still();
    match found {
        Ok(found) => record(bench, section, case, &member.name, round, spec, cores, &found),
        Err(why) => bench.results.skip(section, case, &member.name, why),
    }
}

fn record(
    bench: &mut Bench,
    section: Section,
    case: &str,
    peer: &str,
    round: usize,
    spec: &Spec,
    cores: usize,
    found: &Found,
) {
    use Metric::*;
    let mut figures = vec![
        (OpsPerS, found.ops_per_s),
        (OpsPerCpuS, found.ops_per_cpu_s),
        (ServerCores, found.server_cores),
        (LoadShare, found.load_share),
        (P50Us, found.p50_us),
        (P90Us, found.p90_us),
        (P99Us, found.p99_us),
        (P999Us, found.p999_us),
        (MaxUs, found.max_us),
    ];
    if let Some(rate) = spec.rate {
        figures.push((LateP99Us, found.late_p99_us));
        // Poisson arrivals vary by the root of their number: five times that is no chance. 1 %: connecting takes a moment.
        let chance = 5.0 * (rate * spec.seconds).sqrt() / spec.seconds;
        if found.ops_per_s < rate * 0.99 - chance {
            bench.results.warn(format!("{case}: {peer} did not keep up with the rate in a round"));
        }
    } else if found.load_share > 0.95 && found.server_cores < 0.9 * cores as f64 {
        bench.results.warn(format!(
            "{case}: with {peer} the load was busier than the server; its ops/s are the load's limit, its ops/cpu-s hold"
        ));
    }
    // The load's own doubts, once for all rounds: they hold numbers.
    let whose = format!("{case}: {peer}: ");
    if !bench.results.warnings.iter().any(|warning| warning.starts_with(&whose)) {
        found.warnings.iter().for_each(|doubt| bench.results.warn(format!("{whose}{}", doubt.trim_end_matches('.'))));
    }
    figures.retain(|(_, value)| value.is_finite());
    bench.results.add(section, case, peer, round, &figures);
}

/// The same rates for all servers: a quarter, half and three quarters of what the slowest does one at a time.
pub fn latency(bench: &mut Bench) {
    let layout = bench.main_layout();
    let mut fleet = bench.fleet(Section::Latency, &layout);
    fill_all(bench, Section::Latency, &mut fleet, &[ONE]);
    let rates =
        if bench.options.rates.is_empty() { choose_rates(bench, &mut fleet) } else { bench.options.rates.clone() };
    for round in 0..bench.options.rounds {
        for &rate in &rates {
            for dialect in DIALECTS {
                let case = format!("{}: {} a second", dialect_name(dialect), grouped(rate));
                for at in fleet.turn(round) {
                    if fleet.members[at].speaks(dialect) {
                        // 64: in an open loop what is due waits for nobody, and a stall is seen by all that was due in it.
                        let spec = Spec { rate: Some(rate), pipeline: 64, ..ONE.spec(bench, dialect, &layout) };
                        measure(bench, Section::Latency, &case, &mut fleet, at, round, &spec);
                    }
                }
            }
        }
    }
}

fn choose_rates(bench: &mut Bench, fleet: &mut Fleet) -> Vec<f64> {
    let of_throughput: Vec<f64> = DIALECTS
        .iter()
        .flat_map(|dialect| {
            let case = format!("{}: {}", dialect_name(*dialect), ONE.title);
            let peers = fleet.members.iter().map(|member| member.name.clone());
            peers
                .filter_map(|peer| {
                    Some(bench.results.summary(Section::Throughput, &case, &peer, Metric::OpsPerS)?.median)
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let mut capacities = of_throughput;
    if capacities.is_empty() {
        // That section was left out.
        let layout = fleet.layout.clone();
        for member in &mut fleet.members {
            member.server.go_on();
            let spec = ONE.spec(bench, member.dialect, &layout);
            capacities.extend(load::measure(&member.server, &spec).map(|found| found.ops_per_s));
            member.server.stand_still();
        }
    }
    let slowest = stats::least(&capacities);
    if !slowest.is_finite() {
        return Vec::new();
    }
    [0.25, 0.5, 0.75].map(|share| two_digits(slowest * share)).to_vec()
}

/// 48,731 to 48,000: rates that can be said.
fn two_digits(rate: f64) -> f64 {
    let unit = 10f64.powf(rate.max(1.0).log10().floor() - 1.0).max(1.0);
    ((rate / unit).floor() * unit).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_round() {
        for (rate, rounded) in [(48_731.0, 48_000.0), (100.0, 100.0), (7.9, 7.0), (0.3, 1.0), (123_456.0, 120_000.0)] {
            assert_eq!(two_digits(rate), rounded, "{rate}");
        }
    }
}
