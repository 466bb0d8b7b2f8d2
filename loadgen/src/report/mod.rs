//! Room: loadgen. A finished run told to people and programs: a table, JSON, percentile files, a page. Touches: outcome.
//!
//! Everything here is drawn from an `Outcome` alone, so that what was read back from a file reports like the run itself.

mod compare;
pub mod hgrm;
mod html;
mod json;
pub mod page;
mod text;

pub use compare::{Run, compare_html};
pub use html::html;
pub use json::{json, quote, read_json};
pub use text::text;

use crate::outcome::{Arrivals, LimitPoint, Objective, Outcome, Pace, TargetFacts};
use page::Unit;

/// What tables show of a latency: name and quantile.
const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.50), ("p90", 0.90), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Answers a second over the measured time.
fn rate(outcome: &Outcome, count: u64) -> f64 {
    if outcome.seconds > 0.0 { count as f64 / outcome.seconds } else { 0.0 }
}

fn errors(outcome: &Outcome) -> u64 {
    outcome.verbs.iter().map(|v| v.errors).sum()
}

/// `redis 7.2.6`, or that the server did not say.
fn server(target: &TargetFacts) -> String {
    match (target.server.as_str(), target.version.as_str()) {
        ("", "") => "server unknown".into(),
        (server, version) => format!("{server} {version}").trim().to_string(),
    }
}

/// The pace in a few words.
fn pace(pace: Pace) -> String {
    match pace {
        Pace::Closed => "closed loop".into(),
        Pace::Open { per_second, arrivals } => {
            let arrivals = match arrivals {
                Arrivals::Poisson => "Poisson",
                Arrivals::Constant => "evenly spaced",
            };
            format!("open loop at {}, {arrivals} arrivals", Unit::PerSecond.plain(per_second))
        }
    }
}

/// What the latencies mean: where their clock starts, and what that leaves out.
fn omission(pace: Pace) -> &'static str {
    match pace {
        Pace::Closed => {
            "Closed loop: a connection asks again only when it has been answered, and latency counts from the ask. \
             While the server stalls nothing new is asked, so a stall is seen by few requests: the percentiles leave out \
             those that independent users would have sent meanwhile (coordinated omission). Read them as the server's pace \
             under this many connections, and use an open loop to learn what users would wait."
        }
        Pace::Open { .. } => {
            "Open loop: requests fall due at the set rate whether or not earlier ones have been answered, and latency \
             counts from the time a request was due. Waiting behind a stall, in the server or in the load generator, is \
             therefore counted in full (no coordinated omission)."
        }
    }
}

/// The same in one line.
fn omission_short(pace: Pace) -> &'static str {
    match pace {
        Pace::Closed => "latency from the ask (a stall hides the asks it kept from being made)",
        Pace::Open { .. } => "latency from the time an ask was due",
    }
}

/// Of a search's curve: the highest rate that held.
fn highest(points: &[LimitPoint]) -> Option<&LimitPoint> {
    points.iter().filter(|p| p.met).max_by(|a, b| a.rate.total_cmp(&b.rate))
}

/// Why the highest rate of a search may be luck, if it may.
fn noise(points: &[LimitPoint]) -> Option<String> {
    let best = highest(points)?;
    let missed = points.iter().filter(|p| !p.met && p.rate <= best.rate).count();
    let rates = if missed == 1 { "A rate no higher".into() } else { format!("{missed} rates no higher") };
    (missed > 0).then(|| {
        format!("{rates} than the highest that held did not hold when tried: the figure is within the noise, try each rate for longer.")
    })
}

/// What an objective's numbers count: by its measure, which stands before the sign and behind a verb's name (`get:p99=1ms`).
fn objective_unit(objective: &Objective) -> Unit {
    match objective_measure(objective) {
        "rate" => Unit::PerSecond,
        "errors" | "misses" => Unit::Count,
        _ => Unit::Seconds,
    }
}

fn objective_measure(objective: &Objective) -> &str {
    let name = objective.text.split_once('=').map_or(objective.text.as_str(), |t| t.0);
    name.rsplit_once(':').map_or(name, |t| t.1).trim()
}

/// What was wanted, with the side it is to stay on.
fn objective_wanted(objective: &Objective) -> String {
    let side = if objective_measure(objective) == "rate" { "≥" } else { "≤" };
    format!("{side} {}", objective_value(objective, objective.wanted))
}

fn objective_value(objective: &Objective, value: f64) -> String {
    let unit = objective_unit(objective);
    unit.show(if unit == Unit::Seconds { value / 1e9 } else { value })
}

/// Seconds since 1970 as `2026-11-22 18:53:58 UTC`.
fn utc(unix_s: f64) -> String {
    let whole = unix_s.max(0.0) as u64;
    let (days, second) = (whole / 86_400, whole % 86_400);
    // Days to civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}
