//! Room: tuning. `advise`: how many shards on which cores with which limits, from short runs of the workload on this host.
//!
//! What is measured: operations a second and CPU time of the server for some numbers of shards, latency at half of that, bytes
//! a key. What is not, because the load needs cores of its own and the memory is not all filled, comes from a model that the
//! answer states:
//!
//!   cost(n) = home + hop x (1 - 1/n)     CPU time of an operation with n shards: of keys chosen evenly 1 - 1/n live elsewhere
//!   rate(n) = n / cost(n)                when every shard's core is busy all the time
//!
//! fitted to the measured numbers of shards by least squares. A number of shards that was measured is told as measured.
//! Touches: lab.

use crate::host::{Host, Probes};
use crate::knob::bytes;
use crate::lab::load::{self, Load};
use crate::lab::server::Server;
use crate::lab::{Tools, quiet};
use crate::options::Advise;
use crate::{cgroup, cpus, limits, shards};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// What is to be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Target {
    pub rate: Option<f64>,
    pub p99_us: Option<f64>,
}

impl Target {
    /// `rate=200k`, `p99=1ms`, or both with a comma.
    pub fn parse(text: &str) -> Result<Target, String> {
        let wrong = || format!("'{text}' is not a target like rate=200k,p99=1ms");
        let mut target = Target::default();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let split = value.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(value.len());
            let number: f64 = value[..split].parse().map_err(|_| wrong())?;
            let scale = match (name, &value[split..]) {
                ("rate", "") | ("p99", "us") => 1.0,
                ("rate", "k") | ("p99", "ms") => 1e3,
                ("rate", "M" | "m") | ("p99", "s") => 1e6,
                _ => return Err(wrong()),
            };
            if !(number > 0.0 && number.is_finite()) {
                return Err(wrong());
            }
            match name {
                "rate" => target.rate = Some(number * scale),
                _ => target.p99_us = Some(number * scale),
            }
        }
        Ok(target)
    }
}

/// One number of shards, run.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    pub shards: usize,
    pub cpus: String,
    pub per_s: f64,
    pub us_of_cpu_per_operation: f64,
    /// At half of `per_s`, open loop.
    pub half_p99_us: f64,
    pub half_rate: f64,
    /// The load had no cores of its own: `per_s` is less than the server could do.
    pub load_shared_cores: bool,
}

/// CPU time of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Model {
    pub home_us: f64,
    pub hop_us: f64,
}

impl Model {
    /// By least squares over (shards, µs); one point, or points that say that hops cost nothing or less, give no hop.
    pub fn fit(points: &[(usize, f64)]) -> Option<Model> {
        let n = points.len() as f64;
        let far = |shards: usize| 1.0 - 1.0 / shards as f64;
        let (mx, my) = points.iter().fold((0.0, 0.0), |(x, y), (s, us)| (x + far(*s) / n, y + us / n));
        let (sxy, sxx) = points.iter().fold((0.0, 0.0), |(xy, xx), (s, us)| {
            let dx = far(*s) - mx;
            (xy + dx * (us - my), xx + dx * dx)
        });
        if points.is_empty() {
            return None;
        }
        let hop_us = if sxx > 0.0 { (sxy / sxx).max(0.0) } else { 0.0 };
        Some(Model { home_us: my - hop_us * mx, hop_us })
    }

    pub fn per_s(self, shards: usize) -> f64 {
        let cost_us = self.home_us + self.hop_us * (1.0 - 1.0 / shards as f64);
        shards as f64 * 1e6 / cost_us.max(0.001)
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Advice {
    pub shards: usize,
    pub cpus: String,
    pub why: String,
    /// False: the number of shards was not itself run, or only with the load on its cores.
    pub measured: bool,
    pub rate_expected: f64,
    pub maxmemory_bytes: u64,
    pub bytes_per_key: f64,
    pub keys_that_fit: u64,
    pub nofile: u64,
    pub tcp_backlog: u32,
    pub maxclients: u32,
    pub points: Vec<Point>,
    pub model: Model,
    pub model_told: &'static str,
    pub warnings: Vec<String>,
    pub command: String,
}

const MODEL_TOLD: &str = "model, not measurement: CPU time of an operation = home + hop x (1 - 1/shards), fitted to the runs above; rate = shards / that, \
                          with each shard's core busy all the time. It knows no network card, no memory bandwidth and no skew of keys";

/// A queue at 70 % of its capacity waits some two service times (M/M/1: 0.7 / 0.3); beyond it latency climbs steeply.
const BUSY_MOST: f64 = 0.7;

pub fn run(advise: &Advise) -> Result<u8, String> {
    let host = Host::new("/", Probes::REAL);
    let usable = match &advise.cpus {
        Some(cpus) => cpus.0.clone(),
        None => shards::usable(&host),
    };
    let is_path = |text: &str| text.contains('/') || text.ends_with(".toml");
    if let Some(path) = advise.workload.as_ref().filter(|text| is_path(text) && !Path::new(text).is_file()) {
        return Err(format!("{path}: no such file"));
    }
    let all = shards::usable(&host);
    if usable.is_empty() || usable.iter().any(|cpu| !all.contains(cpu)) {
        return Err(format!("--cpus: this process may use {}", cpus::list_text(&all)));
    }
    let tools = Tools::find(&advise.torc, &advise.load)?;
    let mut warnings = Vec::new();
    let busy = quiet::look(&host, Duration::from_secs(1)).unwrap_or_default();
    if busy.busy > quiet::QUIET_MOST {
        warnings.push(format!(
            "other work uses {:.0} % of this machine's CPU time: figures are too low",
            busy.busy * 100.0
        ));
    }
    let mut points = Vec::new();
    let mut memory = None;
    for count in counts(usable.len()) {
        let (point, per_key) = measure(advise, &tools, &usable[..count], &all)?;
        eprintln!("{} shards: {:.0} a second", point.shards, point.per_s);
        // Keys are alike whatever the number of shards; the first run has the least else in memory.
        memory.get_or_insert(per_key);
        points.push(point);
    }
    let memory = memory.ok_or("no number of shards to try")?;
    let quota = cgroup::cpu_quota(&host).ok().flatten();
    let advice = advice(&host, advise, &usable, quota, points, memory, warnings)?;
    print!(
        "{}",
        if advise.json {
            serde_json::to_string_pretty(&advice).expect("strings and numbers only") + "\n"
        } else {
            text(&advice)
        }
    );
    Ok(0)
}

/// 1, 2, 4, … and all: the curve bends least where it is long.
fn counts(cores: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = (0..).map(|power| 1 << power).take_while(|count| *count < cores).collect();
    counts.push(cores);
    counts
}

/// What keys take.
#[derive(Clone, Copy, Debug)]
struct Memory {
    bytes_per_key: f64,
    /// Resident bytes for each byte that the server counts against maxmemory.
    resident_ratio: f64,
}

fn measure(advise: &Advise, tools: &Tools, cores: &[u32], all: &[u32]) -> Result<(Point, Memory), String> {
    let server = Server::start(&tools.torc, cores, &[])?;
    let own: Vec<u32> = all.iter().copied().filter(|cpu| !cores.contains(cpu)).collect();
    let shared = own.is_empty();
    let load_cpus = if shared { all.to_vec() } else { own };
    let (used_before, rss_before) = (server.info("used_memory")?, server.rss_bytes()?);
    let plan = Load { scenario: advise.workload.clone(), ..Load::on(server.port, &load_cpus, advise.seconds) };
    load::populate(&tools.load, &plan)?;
    let keys: f64 = server.ask("DBSIZE")?.parse().map_err(|e| format!("DBSIZE: {e}"))?;
    let used = server.info("used_memory")? - used_before;
    let rss = server.rss_bytes()? - rss_before;
    let memory = Memory {
        bytes_per_key: used / keys.max(1.0),
        // With few keys the process's own growth says more than the keys' does.
        resident_ratio: if used > 8e6 { (rss / used).clamp(1.0, 2.0) } else { 1.1 },
    };
    let cpu_before = server.cpu_s()?;
    let found = load::run(&tools.load, &plan)?;
    let cpu_s = server.cpu_s()? - cpu_before;
    if found.answers < 1.0 {
        return Err("the workload made no operation".into());
    }
    let half_rate = (found.per_s / 2.0).max(1.0);
    let half = load::run(&tools.load, &Load { rate: Some(half_rate), ..plan })?;
    let point = Point {
        shards: cores.len(),
        cpus: cpus::list_text(cores),
        per_s: found.per_s,
        us_of_cpu_per_operation: cpu_s * 1e6 / found.answers,
        half_p99_us: half.p99_us,
        half_rate,
        load_shared_cores: shared,
    };
    Ok((point, memory))
}

fn advice(
    host: &Host,
    advise: &Advise,
    usable: &[u32],
    quota: Option<f64>,
    points: Vec<Point>,
    memory: Memory,
    mut warnings: Vec<String>,
) -> Result<Advice, String> {
    let costs: Vec<(usize, f64)> = points.iter().map(|p| (p.shards, p.us_of_cpu_per_operation)).collect();
    let model = Model::fit(&costs).ok_or("no number of shards was run")?;
    let most = quota.map_or(usable.len(), |quota| usable.len().min((quota.ceil() as usize).max(1)));
    let (count, why) = choose(advise.target.unwrap_or_default(), most, model, &points);
    let alone = points.iter().find(|p| p.shards == count && !p.load_shared_cores);
    if points.iter().any(|p| p.load_shared_cores) {
        warnings.push(
            "with shards on all cores the load ran on the same ones: that row's rate is too low, its CPU time stands"
                .into(),
        );
    }
    if let Some(quota) = quota {
        warnings.push(format!("a quota of {quota:.2} CPUs holds for this process: see torc-tune check, cpu-quota"));
    }
    let available = cgroup::memory_limit(host).into_iter().chain(host.meminfo("MemTotal")).min().unwrap_or(u64::MAX);
    let given = advise.memory.unwrap_or(available);
    if given > available {
        warnings.push(format!(
            "{} are asked for; this host, or its control group, has {}",
            bytes(given),
            bytes(available)
        ));
    }
    // 64 KiB a client: its socket's buffers in the kernel and the server's own at a moderate depth; they are not all full at once.
    let clients = u64::from(advise.clients) * (64 << 10);
    let maxmemory = ((given.saturating_sub(clients)) as f64 / memory.resident_ratio * 0.95) as u64;
    let nofile = limits::files_for(advise.clients, count);
    let cpus = cpus::list_text(&usable[..count]);
    // Connects that come at once are those of clients that all come back after a break.
    let tcp_backlog = advise.clients.clamp(511, 65_535);
    Ok(Advice {
        command: format!(
            "torc --shards {count} --cpus {cpus} --maxmemory {maxmemory} --maxclients {} --tcp-backlog {tcp_backlog}",
            advise.clients
        ),
        shards: count,
        cpus,
        why,
        measured: alone.is_some(),
        rate_expected: alone.map_or(model.per_s(count), |p| p.per_s),
        maxmemory_bytes: maxmemory,
        bytes_per_key: memory.bytes_per_key,
        keys_that_fit: (maxmemory as f64 / memory.bytes_per_key.max(1.0)) as u64,
        nofile,
        tcp_backlog,
        maxclients: advise.clients,
        points,
        model,
        model_told: MODEL_TOLD,
        warnings,
    })
}

/// The least number of shards that reaches the target, or the one that does most.
fn choose(target: Target, most: usize, model: Model, points: &[Point]) -> (usize, String) {
    let rate = |count: usize| match points.iter().find(|p| p.shards == count && !p.load_shared_cores) {
        Some(point) => point.per_s,
        None => model.per_s(count),
    };
    // A p99 was measured at half load only: numbers of shards whose p99 there is above the target cannot hold it at more.
    let in_time = |count: usize| match (target.p99_us, points.iter().find(|p| p.shards == count)) {
        (Some(wanted), Some(point)) => point.half_p99_us <= wanted,
        _ => true,
    };
    if let Some(wanted) = target.rate {
        for count in 1..=most {
            if rate(count) * BUSY_MOST >= wanted && in_time(count) {
                return (
                    count,
                    format!(
                        "the fewest that do {wanted:.0} a second while busy for at most {:.0} % of the time",
                        BUSY_MOST * 100.0
                    ),
                );
            }
        }
        let best = best(most, rate);
        return (best, format!("none does {wanted:.0} a second here; this many do most"));
    }
    let best = best(most, rate);
    match (target.p99_us, in_time(best)) {
        (Some(wanted), false) => (best, format!("this many do most; their p99 at half load is above {wanted:.0} µs")),
        _ => (best, "this many do most".to_string()),
    }
}

fn best(most: usize, rate: impl Fn(usize) -> f64) -> usize {
    (1..=most.max(1)).max_by(|a, b| rate(*a).total_cmp(&rate(*b))).unwrap_or(1)
}

fn text(advice: &Advice) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a String takes all text");
    line("measured on this host:".into());
    line(format!(
        "  {:>6}  {:12}{:>12}{:>14}{:>20}",
        "shards", "on CPUs", "a second", "CPU µs each", "p99 µs at half load"
    ));
    for p in &advice.points {
        let note = if p.load_shared_cores { "  load on the same cores" } else { "" };
        line(format!(
            "  {:>6}  {:12}{:>12.0}{:>14.2}{:>20.0}{note}",
            p.shards, p.cpus, p.per_s, p.us_of_cpu_per_operation, p.half_p99_us
        ));
    }
    line(format!("  {:.0} bytes a key, value and all", advice.bytes_per_key));
    line(format!(
        "model: home {:.2} µs, hop {:.2} µs ({})",
        advice.model.home_us, advice.model.hop_us, advice.model_told
    ));
    line(format!("\nadvice: {} shards on CPUs {}: {}", advice.shards, advice.cpus, advice.why));
    let how = if advice.measured { "measured" } else { "by the model" };
    line(format!("  rate when saturated: {:.0} a second ({how})", advice.rate_expected));
    line(format!(
        "  maxmemory {} ({} bytes), for some {} keys",
        bytes(advice.maxmemory_bytes),
        advice.maxmemory_bytes,
        advice.keys_that_fit
    ));
    line(format!(
        "  limits: nofile {}, memlock unlimited; maxclients {}, tcp-backlog {}",
        advice.nofile, advice.maxclients, advice.tcp_backlog
    ));
    line(format!("  net.core.somaxconn caps tcp-backlog: {} or more", advice.tcp_backlog));
    line(format!("  {}", advice.command));
    for warning in &advice.warnings {
        line(format!("doubtful: {warning}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let both = Target { rate: Some(200_000.0), p99_us: Some(1000.0) };
        let cases = [
            ("rate=200k,p99=1ms", Some(both)),
            ("rate=1.5M", Some(Target { rate: Some(1.5e6), p99_us: None })),
            ("p99=500us", Some(Target { rate: None, p99_us: Some(500.0) })),
            ("p99=500", None),
            ("rate=5ms", None),
            ("rate=0", None),
            ("p50=1ms", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(Target::parse(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn the_model_finds_the_costs_it_was_made_from() {
        let made = Model { home_us: 4.0, hop_us: 3.0 };
        let points: Vec<(usize, f64)> = [1, 2, 4, 8].map(|n| (n, n as f64 * 1e6 / made.per_s(n))).to_vec();
        let found = Model::fit(&points).expect("points");
        assert!((found.home_us - 4.0).abs() < 1e-9 && (found.hop_us - 3.0).abs() < 1e-9, "{found:?}");
        assert_eq!(Model::fit(&[(1, 4.0)]), Some(Model { home_us: 4.0, hop_us: 0.0 }));
        // Noise that makes hops seem to pay is not believed.
        assert_eq!(Model::fit(&[(1, 4.0), (2, 3.0)]).map(|m| m.hop_us), Some(0.0));
        assert_eq!(Model::fit(&[]), None);
    }

    #[test]
    fn the_fewest_shards_that_reach_the_target_are_chosen() {
        let model = Model { home_us: 4.0, hop_us: 4.0 };
        // 250 k, 333 k, 409 k (3), 500 k (4); times 0.7.
        let point = |shards, half_p99_us| Point {
            shards,
            cpus: String::new(),
            per_s: model.per_s(shards),
            us_of_cpu_per_operation: 0.0,
            half_p99_us,
            half_rate: 0.0,
            load_shared_cores: false,
        };
        let points = [point(1, 100.0), point(2, 900.0)];
        let target = |text: &str| if text.is_empty() { Target::default() } else { Target::parse(text).expect("sound") };
        for (text, most, want) in [
            ("rate=170k", 4, 1),
            ("rate=200k", 4, 2),
            ("rate=200k,p99=500us", 4, 3),
            ("rate=340k", 4, 4),
            ("rate=9M", 4, 4),
            ("", 4, 4),
            ("", 1, 1),
        ] {
            assert_eq!(choose(target(text), most, model, &points).0, want, "{text}");
        }
    }

    #[test]
    fn numbers_of_shards_double() {
        for (cores, want) in [(1, vec![1]), (2, vec![1, 2]), (6, vec![1, 2, 4, 6]), (8, vec![1, 2, 4, 8])] {
            assert_eq!(counts(cores), want);
        }
    }
}
