//! Room: loadgen. A run as one JSON object on one line, and back. Touches: outcome.
//!
//! Latencies are microseconds and beside each its histogram, so that a script can read the figures and a page can be drawn
//! from the file. `get` and `set` repeat what `verbs` holds, under names that scripts read: `set` is all that writes whole
//! values or deletes them.

use super::{QUANTILES, errors, rate};
use crate::outcome::{
    FORMAT, Host, Latency, LimitPoint, Objective, Outcome, Pace, PhaseSpan, Slow, TargetFacts, Tick, VerbOutcome,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    title: String,
    command: String,
    started_unix_s: f64,
    targets: Vec<String>,
    servers: Vec<Server>,
    host: Host,
    connections: usize,
    pipeline: usize,
    threads: usize,
    keys: u64,
    /// Of an open loop: asks a second.
    rate: Option<f64>,
    pace: Pace,
    seed: u64,
    verified: bool,
    seconds: f64,
    cpu_s: f64,
    cpu_share_max: f64,
    all: Option<Figures>,
    #[serde(skip_deserializing)]
    get: Option<Figures>,
    #[serde(skip_deserializing)]
    set: Option<Figures>,
    late: Option<Figures>,
    verbs: Vec<Verb>,
    #[serde(skip_deserializing)]
    hits: u64,
    #[serde(skip_deserializing)]
    misses: u64,
    #[serde(skip_deserializing)]
    errors: u64,
    first_error: Option<String>,
    unanswered: u64,
    reconnects: u64,
    bytes_out: u64,
    bytes_in: u64,
    slowest: Vec<SlowAnswer>,
    objectives: Vec<Objective>,
    warnings: Vec<String>,
    phases: Vec<PhaseSpan>,
    limit: Option<Vec<LimitPoint>>,
    series: Vec<Tick>,
}

#[derive(Serialize, Deserialize)]
struct Server {
    name: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct Verb {
    name: String,
    hits: u64,
    misses: u64,
    errors: u64,
    answers: u64,
    latency: Option<Figures>,
}

#[derive(Serialize, Deserialize)]
struct SlowAnswer {
    due_s: f64,
    us: f64,
    verb: String,
}

/// A latency: its count and rate, microseconds by name, and the histogram they come from.
#[derive(Serialize, Deserialize)]
struct Figures {
    count: u64,
    per_s: f64,
    #[serde(flatten)]
    us: Quantiles,
    max: f64,
    mean: f64,
    /// Absent where it would repeat that of a verb.
    #[serde(skip_serializing_if = "Option::is_none")]
    histogram: Option<Latency>,
}

/// In the order of `QUANTILES`, whose names are the fields.
struct Quantiles([f64; 6]);

impl Serialize for Quantiles {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(QUANTILES.iter().zip(self.0).map(|((name, _), us)| (*name, us)))
    }
}

impl<'de> Deserialize<'de> for Quantiles {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Quantiles, D::Error> {
        // What stands in the histogram is not read twice.
        BTreeMap::<String, serde::de::IgnoredAny>::deserialize(from).map(|_| Quantiles([0.0; 6]))
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn figures(outcome: &Outcome, latency: &Latency, whole: bool) -> Option<Figures> {
    if latency.is_empty() {
        return None;
    }
    let us = |ns: u64| tenths(ns as f64 / 1e3);
    Some(Figures {
        count: latency.len(),
        per_s: tenths(rate(outcome, latency.len())),
        us: Quantiles(QUANTILES.map(|(_, q)| us(latency.value_at_quantile(q)))),
        max: us(latency.max()),
        mean: tenths(latency.mean() / 1e3),
        histogram: whole.then(|| latency.clone()),
    })
}

fn named(outcome: &Outcome, names: &[&str]) -> Option<Figures> {
    let mut sum = Latency::new();
    for verb in outcome.verbs.iter().filter(|v| names.iter().any(|n| v.name.eq_ignore_ascii_case(n))) {
        sum.add(&*verb.latency).ok()?;
    }
    figures(outcome, &sum, false)
}

/// One object on one line.
pub fn json(outcome: &Outcome) -> String {
    let document = Document {
        format: outcome.format,
        title: outcome.title.clone(),
        command: outcome.command.clone(),
        started_unix_s: outcome.started_unix_s,
        targets: outcome.targets.iter().map(|t| t.url.clone()).collect(),
        servers: outcome
            .targets
            .iter()
            .map(|t| Server { name: t.server.clone(), version: t.version.clone() })
            .collect(),
        host: outcome.host.clone(),
        connections: outcome.connections,
        pipeline: outcome.pipeline,
        threads: outcome.threads,
        keys: outcome.keys,
        rate: match outcome.pace {
            Pace::Closed => None,
            Pace::Open { per_second, .. } => Some(per_second),
        },
        pace: outcome.pace,
        seed: outcome.seed,
        verified: outcome.verified,
        seconds: outcome.seconds,
        cpu_s: outcome.cpu_s,
        cpu_share_max: outcome.cpu_share_max,
        all: figures(outcome, &outcome.all, true),
        get: named(outcome, &["get"]),
        set: named(outcome, &["set", "del", "delete"]),
        late: figures(outcome, &outcome.late, true),
        verbs: outcome
            .verbs
            .iter()
            .map(|v| Verb {
                name: v.name.clone(),
                hits: v.hits,
                misses: v.misses,
                errors: v.errors,
                answers: v.count,
                latency: figures(outcome, &v.latency, true),
            })
            .collect(),
        hits: outcome.verbs.iter().map(|v| v.hits).sum(),
        misses: outcome.verbs.iter().map(|v| v.misses).sum(),
        errors: errors(outcome),
        first_error: outcome.first_error.clone(),
        unanswered: outcome.unanswered,
        reconnects: outcome.reconnects,
        bytes_out: outcome.bytes_out,
        bytes_in: outcome.bytes_in,
        slowest: outcome
            .slowest
            .iter()
            .map(|s| SlowAnswer { due_s: s.due_s, us: s.took_ns as f64 / 1e3, verb: s.verb.clone() })
            .collect(),
        objectives: outcome.objectives.clone(),
        warnings: outcome.warnings.clone(),
        phases: outcome.phases.clone(),
        limit: outcome.limit.clone(),
        series: outcome.series.clone(),
    };
    serde_json::to_string(&document).expect("plain data with text keys")
}

/// A JSON string, with its quotes.
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What `json` wrote. The error says what is wrong with the text.
pub fn read_json(text: &str) -> Result<Outcome, String> {
    let document: Document = serde_json::from_str(text).map_err(|e| format!("not a report of torc-load: {e}"))?;
    if document.format > FORMAT {
        return Err(format!("written in format {}; this program reads up to {FORMAT}", document.format));
    }
    let latency = |f: Option<Figures>| f.and_then(|f| f.histogram).unwrap_or_default();
    let servers = document.servers.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
    Ok(Outcome {
        format: document.format,
        title: document.title,
        command: document.command,
        started_unix_s: document.started_unix_s,
        host: document.host,
        targets: document
            .targets
            .into_iter()
            .zip(servers)
            .map(|(url, server)| {
                let (server, version) = server.map_or_else(Default::default, |s| (s.name, s.version));
                TargetFacts { url, server, version }
            })
            .collect(),
        pace: document.pace,
        connections: document.connections,
        pipeline: document.pipeline,
        threads: document.threads,
        keys: document.keys,
        seed: document.seed,
        seconds: document.seconds,
        cpu_s: document.cpu_s,
        cpu_share_max: document.cpu_share_max,
        verbs: document
            .verbs
            .into_iter()
            .map(|v| VerbOutcome {
                name: v.name,
                count: v.answers,
                hits: v.hits,
                misses: v.misses,
                errors: v.errors,
                latency: latency(v.latency),
            })
            .collect(),
        all: latency(document.all),
        late: latency(document.late),
        series: document.series,
        phases: document.phases,
        slowest: document
            .slowest
            .into_iter()
            .map(|s| Slow { verb: s.verb, due_s: s.due_s, took_ns: (s.us * 1e3).round() as u64 })
            .collect(),
        objectives: document.objectives,
        warnings: document.warnings,
        first_error: document.first_error,
        unanswered: document.unanswered,
        reconnects: document.reconnects,
        bytes_in: document.bytes_in,
        bytes_out: document.bytes_out,
        verified: document.verified,
        limit: document.limit,
    })
}
