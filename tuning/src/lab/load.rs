//! Room: tuning, lab. Load by torc-load, of which this knows the command line and the JSON. Touches: processes.

use super::on_cpus;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Clone, Debug)]
pub struct Load {
    pub port: u16,
    pub connections: usize,
    pub pipeline: usize,
    pub seconds: f64,
    /// Open loop at so many a second; `None`: closed.
    pub rate: Option<f64>,
    pub keys: u64,
    pub value_size: u32,
    /// GETs to SETs.
    pub ratio: String,
    /// A scenario of torc-load's by its file or name: it then says connections, keys, sizes and mix.
    pub scenario: Option<String>,
    /// Where the load runs.
    pub cpus: Vec<u32>,
}

impl Load {
    pub fn on(port: u16, cpus: &[u32], seconds: f64) -> Load {
        Load {
            port,
            connections: 50,
            pipeline: 1,
            seconds,
            rate: None,
            keys: 100_000,
            value_size: 100,
            ratio: "10:1".into(),
            scenario: None,
            cpus: cpus.to_vec(),
        }
    }
}

/// Latencies in microseconds; open loops count from when an ask was due.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    pub answers: f64,
    pub per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
    /// How late the load itself was, p99; 0 in a closed loop.
    pub late_us: f64,
    pub errors: f64,
}

/// Sets every key once.
pub fn populate(load: &Path, plan: &Load) -> Result<(), String> {
    let mut arguments = arguments(plan);
    arguments.extend(["--populate".into(), "--requests".into(), "100".into()]);
    start(load, plan, &arguments).map(drop)
}

/// The command line of a run, for records.
pub fn command(plan: &Load) -> String {
    let line = format!("torc-load {}", timed(plan).join(" "));
    line.replace(&format!("127.0.0.1:{}", plan.port), "127.0.0.1:PORT")
}

pub fn run(load: &Path, plan: &Load) -> Result<Figures, String> {
    start(load, plan, &timed(plan))
}

fn timed(plan: &Load) -> Vec<String> {
    let mut arguments = arguments(plan);
    arguments.extend(["--duration".into(), format!("{}ms", (plan.seconds * 1000.0) as u64)]);
    match plan.rate {
        Some(rate) => arguments.extend(["--rate".into(), format!("{rate:.0}")]),
        // A scenario may have a rate of its own.
        None if plan.scenario.is_some() => arguments.push("--closed".into()),
        None => {}
    }
    if plan.scenario.is_some() {
        // Keys are there: populating anew would count as the server's work.
        arguments.push("--no-populate".into());
    }
    arguments
}

fn arguments(plan: &Load) -> Vec<String> {
    let mut words = vec!["--target".to_string(), format!("resp://127.0.0.1:{}", plan.port)];
    let mut add = |name: &str, value: String| words.extend([name.to_string(), value]);
    match &plan.scenario {
        Some(scenario) => add("--scenario", scenario.clone()),
        None => {
            add("--connections", plan.connections.to_string());
            // In an open loop this is the most in flight on a connection: enough not to be what holds asks back.
            add("--pipeline", if plan.rate.is_some() { "64".into() } else { plan.pipeline.to_string() });
            add("--keys", plan.keys.to_string());
            add("--value-size", plan.value_size.to_string());
            add("--ratio", plan.ratio.clone());
        }
    }
    words.extend(["--json".into(), "--quiet".into()]);
    words
}

fn start(load: &Path, plan: &Load, arguments: &[String]) -> Result<Figures, String> {
    let mut command = Command::new(load);
    command.args(arguments).stdin(Stdio::null());
    let done = on_cpus(&plan.cpus, || command.output()).map_err(|e| format!("{}: {e}", load.display()))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let told = || format!("torc-load {}: {}", arguments.join(" "), said.trim().lines().last().unwrap_or("no word"));
    let text = String::from_utf8_lossy(&done.stdout);
    match done.status.code() {
        // 3: errors among the answers, which the figures count. 4: an objective of the scenario's own was not met.
        Some(0 | 3 | 4) => figures(&text).ok_or_else(|| format!("torc-load's JSON is not understood: {}", text.trim())),
        _ => Err(told()),
    }
}

/// torc-load's JSON: `all` has a count, a rate and microseconds by name.
fn figures(text: &str) -> Option<Figures> {
    let value: Value = serde_json::from_str(text.lines().rfind(|l| l.starts_with('{'))?).ok()?;
    let all = &value["all"];
    let late = value["late"]["p99"].as_f64().unwrap_or(0.0);
    Some(Figures {
        answers: all["count"].as_f64()?,
        per_s: all["per_s"].as_f64()?,
        p50_us: all["p50"].as_f64()?,
        p99_us: all["p99"].as_f64()?,
        p999_us: all["p99.9"].as_f64()?,
        max_us: all["max"].as_f64()?,
        late_us: late,
        errors: value["errors"].as_f64().unwrap_or(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read() {
        let text = "{\"targets\":[],\"errors\":2,\"late\":{\"p99\":7.5},\"all\":{\"count\":10,\"per_s\":5.0,\"p50\":1.0,\"p90\":2.0,\
                    \"p95\":2.0,\"p99\":3.0,\"p99.9\":4.0,\"p99.99\":4.0,\"max\":5.0,\"mean\":1.5}}\n";
        let want = Figures {
            answers: 10.0,
            per_s: 5.0,
            p50_us: 1.0,
            p99_us: 3.0,
            p999_us: 4.0,
            max_us: 5.0,
            late_us: 7.5,
            errors: 2.0,
        };
        assert_eq!(figures(text), Some(want));
        for text in ["", "{}", "{\"all\":null}", "nothing"] {
            assert_eq!(figures(text), None, "{text}");
        }
    }

    #[test]
    fn a_scenario_takes_the_place_of_keys_and_sizes() {
        let plain = Load { rate: Some(5000.0), ..Load::on(7, &[], 1.5) };
        assert!(
            command(&plain).contains("--keys 100000") && command(&plain).ends_with("--duration 1500ms --rate 5000")
        );
        let scenario = Load { scenario: Some("a.toml".into()), ..plain };
        assert!(command(&scenario).contains("--scenario a.toml") && !command(&scenario).contains("--keys"));
        assert!(command(&Load { rate: None, ..scenario }).ends_with("--closed --no-populate"));
    }
}
