//! Room: loadgen. Several runs in one page, with ratios to the first. Touches: outcome, page.

use super::html::{by_percentile, facts, limit_points, per_tick, rate_axis, rates, time_axis};
use super::page::{Axis, Bar, Bars, Chart, Colour, Level, Page, Section, Shape, Table, Unit, grouped};
use super::{errors, highest, json, omission, rate, seconds, server};
use crate::outcome::{Outcome, Tick};
use hdrhistogram::Histogram;
use std::collections::BTreeSet;

/// A run under the name it has in a comparison.
#[derive(Clone, Debug)]
pub struct Run {
    pub name: String,
    pub outcome: Outcome,
}

/// One self-contained page of all `runs`; ratios are to the first.
pub fn compare_html(runs: &[Run]) -> String {
    let runs = &named_apart(runs);
    let names: Vec<&str> = runs.iter().map(|r| r.name.as_str()).collect();
    let mut page = Page::new(names.join(" · ")).lead(format!(
        "{} runs side by side; ratios are to the first, {}",
        runs.len(),
        names.first().unwrap_or(&"")
    ));
    for run in runs {
        let title = std::iter::once(run.outcome.title.clone()).filter(|t| !t.is_empty() && *t != run.name);
        let about: Vec<String> = title.chain(run.outcome.targets.iter().map(server)).collect();
        page = page.lead(format!("{}: {}", run.name, about.join(", ")));
    }
    for (at, run) in runs.iter().enumerate() {
        page = page.download(format!("{} (JSON)", run.name), format!("run-{}.json", at + 1), json(&run.outcome));
    }
    page = page.section(summary(runs)).section(latency(runs));
    if runs.iter().any(|r| !r.outcome.series.is_empty()) {
        page = page.section(over_time(runs));
    }
    if runs.iter().any(|r| r.outcome.limit.is_some()) {
        page = page.section(limits(runs));
    }
    page.section(setting(runs)).made_by(format!("torc-load {}", env!("CARGO_PKG_VERSION"))).html()
}

/// Two runs of one name could not be told apart: the later ones get a number.
fn named_apart(runs: &[Run]) -> Vec<Run> {
    let mut taken = BTreeSet::new();
    let mut out = runs.to_vec();
    for run in &mut out {
        let (base, mut count) = (run.name.clone(), 2);
        while !taken.insert(run.name.clone()) {
            run.name = format!("{base} ({count})");
            count += 1;
        }
    }
    out
}

type Figure = (&'static str, Unit, fn(&Outcome) -> Option<f64>);

fn quantile(outcome: &Outcome, q: f64) -> Option<f64> {
    (!outcome.all.is_empty()).then(|| seconds(outcome.all.value_at_quantile(q)))
}

const FIGURES: [Figure; 11] = [
    ("Answers a second", Unit::PerSecond, |o| Some(rate(o, o.all.len()))),
    ("Answers a CPU second of the load", Unit::PerSecond, |o| (o.cpu_s > 0.0).then(|| o.all.len() as f64 / o.cpu_s)),
    ("Mean latency", Unit::Seconds, |o| (!o.all.is_empty()).then(|| o.all.mean() / 1e9)),
    ("p50", Unit::Seconds, |o| quantile(o, 0.5)),
    ("p90", Unit::Seconds, |o| quantile(o, 0.9)),
    ("p99", Unit::Seconds, |o| quantile(o, 0.99)),
    ("p99.9", Unit::Seconds, |o| quantile(o, 0.999)),
    ("p99.99", Unit::Seconds, |o| quantile(o, 0.9999)),
    ("Slowest", Unit::Seconds, |o| quantile(o, 1.0)),
    ("Errors", Unit::Count, |o| Some(errors(o) as f64)),
    ("Highest rate that held", Unit::PerSecond, |o| o.limit.as_deref().and_then(highest).map(|p| p.rate)),
];

fn summary(runs: &[Run]) -> Section {
    let mut section = Section::new("");
    for run in runs {
        for warning in &run.outcome.warnings {
            section = section.notice(Level::Warning, format!("{}: {warning}", run.name));
        }
        for objective in run.outcome.objectives.iter().filter(|o| !o.met) {
            let got = super::objective_value(objective, objective.got);
            section = section.notice(Level::Bad, format!("{}: {}, got {got}", run.name, objective.text));
        }
    }
    for doubt in differences(runs) {
        section = section.notice(Level::Warning, doubt);
    }
    let mut head = vec![String::new()];
    for (at, run) in runs.iter().enumerate() {
        head.push(run.name.clone());
        if at > 0 {
            head.push("ratio".into());
        }
    }
    let mut table = Table::new(head);
    for (name, unit, value) in FIGURES {
        let values: Vec<Option<f64>> = runs.iter().map(|r| value(&r.outcome)).collect();
        if values.iter().all(Option::is_none) {
            continue;
        }
        let mut row = vec![name.to_string()];
        for (at, value) in values.iter().enumerate() {
            row.push(value.map_or("–".into(), |v| if unit == Unit::Count { grouped(v as u64) } else { unit.show(v) }));
            if at > 0 {
                let ratio = value.zip(values[0]).filter(|(_, first)| *first > 0.0).map(|(v, first)| v / first);
                row.push(ratio.map_or("–".into(), |r| Unit::Ratio.show(r)));
            }
        }
        table = table.row(row);
    }
    section.table(table)
}

/// What was not the same in all runs though a fair comparison would have it so.
fn differences(runs: &[Run]) -> Vec<String> {
    type Part = (&'static str, fn(&Outcome) -> String);
    let parts: [Part; 6] = [
        ("pace", |o| super::pace(o.pace)),
        ("connections", |o| o.connections.to_string()),
        ("pipeline", |o| o.pipeline.to_string()),
        ("keys", |o| grouped(o.keys)),
        ("host of the load", |o| o.host.name.clone()),
        ("verbs", |o| {
            let asked = o.verbs.iter().filter(|v| v.count > 0).map(|v| v.name.as_str());
            asked.collect::<Vec<_>>().join(", ")
        }),
    ];
    let differs = |(name, of): &Part| {
        let values: Vec<String> = runs.iter().map(|r| of(&r.outcome)).collect();
        let same = values.iter().all(|v| *v == values[0]);
        (!same).then(|| format!("the runs differ in {name}: {}", values.join("; ")))
    };
    parts.iter().filter_map(differs).collect()
}

fn latency(runs: &[Run]) -> Section {
    let mut section = Section::new("Latency");
    let mut told = BTreeSet::new();
    for run in runs {
        if told.insert(omission(run.outcome.pace)) {
            section = section.text(omission(run.outcome.pace));
        }
    }
    let whole = |title: String, of: &dyn Fn(&Outcome) -> Option<Histogram<u64>>| {
        let spread = runs.iter().filter_map(|r| of(&r.outcome));
        let mut chart = Chart::new(title, Axis::quantiles(), time_axis(spread)).either_scale();
        for (at, run) in runs.iter().enumerate() {
            if let Some(histogram) = of(&run.outcome).filter(|h| !h.is_empty()) {
                chart = chart.line(&run.name, Colour::Series(at), by_percentile(&histogram));
            }
        }
        chart
    };
    section = section.chart(whole("By percentile, all verbs".into(), &|o| Some(o.all.0.clone())).full_width());
    let mut bars = Bars::new("Side by side", "latency", Unit::Seconds, runs.iter().map(|r| r.name.clone()))
        .ratios()
        .own_scales()
        .full_width();
    for (name, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
        bars = bars.group(name, runs.iter().map(|r| quantile(&r.outcome, q).map(Bar::of)));
    }
    section = section.bars(bars);
    let mut verbs: Vec<&str> = Vec::new();
    for verb in runs.iter().flat_map(|r| &r.outcome.verbs).filter(|v| !v.latency.is_empty()) {
        if !verbs.contains(&verb.name.as_str()) {
            verbs.push(&verb.name);
        }
    }
    // One verb alone is what "all verbs" shows already.
    for verb in verbs.iter().filter(|_| verbs.len() > 1) {
        let of = |o: &Outcome| o.verbs.iter().find(|v| v.name == **verb).map(|v| v.latency.0.clone());
        section = section.chart(whole(format!("By percentile, {verb}"), &of));
    }
    section
}

fn over_time(runs: &[Run]) -> Section {
    let mut throughput = Chart::new("Throughput", Axis::elapsed(), Axis::linear("answers a second", Unit::PerSecond));
    for (at, run) in runs.iter().enumerate() {
        throughput = throughput.shaped(&run.name, Colour::Series(at), Shape::Steps, rates(&run.outcome, |t| t.answers));
    }
    let mut section = Section::new("Over time").chart(throughput);
    type PerTick = (&'static str, fn(&Tick) -> u64);
    let parts: [PerTick; 4] =
        [("p50", |t| t.p50_ns), ("p99", |t| t.p99_ns), ("p99.9", |t| t.p999_ns), ("Slowest", |t| t.max_ns)];
    for (name, of) in parts {
        let mut chart = Chart::new(name, Axis::elapsed(), Axis::log("latency", Unit::Seconds)).either_scale();
        for (at, run) in runs.iter().enumerate() {
            chart = chart.line(&run.name, Colour::Series(at), per_tick(&run.outcome.series, |t| seconds(of(t))));
        }
        section = section.chart(chart);
    }
    if runs.iter().any(|r| !r.outcome.late.is_empty()) {
        let mut chart = Chart::new("Asked late", Axis::elapsed(), Axis::log("latest in each interval", Unit::Seconds))
            .either_scale()
            .note(
                "How long each load generator itself took to send a request that was due and for which a connection had \
                 room. It is part of the latencies.",
            );
        for (at, run) in runs.iter().enumerate().filter(|r| !r.1.outcome.late.is_empty()) {
            let points = per_tick(&run.outcome.series, |t| seconds(t.late_max_ns));
            chart = chart.line(&run.name, Colour::Series(at), points);
        }
        section = section.chart(chart);
    }
    section
}

fn limits(runs: &[Run]) -> Section {
    let x = || rate_axis(runs.iter().flat_map(|r| r.outcome.limit.iter().flatten()));
    let mut section = Section::new("The highest rate that holds");
    let mut measure =
        Chart::new("Latency of the objective, by rate", x(), Axis::log("latency", Unit::Seconds)).either_scale();
    let mut p50 = Chart::new("p50, by rate", x(), Axis::log("latency", Unit::Seconds)).either_scale();
    for (at, run) in runs.iter().enumerate() {
        let Some(points) = &run.outcome.limit else { continue };
        measure = measure.shaped(&run.name, Colour::Series(at), Shape::Dotted, limit_points(points, |p| p.got_ns));
        p50 = p50.shaped(&run.name, Colour::Series(at), Shape::Dotted, limit_points(points, |p| p.p50_ns));
    }
    section = section.chart(measure).chart(p50);
    section
}

fn setting(runs: &[Run]) -> Section {
    let mut section = Section::new("How it was measured");
    for run in runs {
        let servers: Vec<String> = run.outcome.targets.iter().map(server).collect();
        section = section
            .text(format!("{}: {}", run.name, servers.join(", ")))
            .command(&run.outcome.command)
            .facts(facts(&run.outcome));
    }
    section
}
