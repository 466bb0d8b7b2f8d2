//! Room: loadgen. The page of one run. Touches: outcome, page.

use super::hgrm::{ValueUnit, hgrm, levels};
use super::page::{Axis, Chart, Colour, Level, Page, Section, Shape, Table, Tile, Unit, grouped};
use super::{
    QUANTILES, errors, highest, json, noise, objective_value, objective_wanted, omission, pace, rate, seconds, server,
    utc,
};
use crate::outcome::{LimitPoint, Outcome, Pace, Tick};
use hdrhistogram::Histogram;
use std::borrow::Borrow;

/// One self-contained page: nothing is fetched, the run's data is within it.
pub fn html(outcome: &Outcome) -> String {
    let title = if outcome.title.is_empty() { "torc-load" } else { &outcome.title };
    let servers: Vec<String> = outcome.targets.iter().map(|t| format!("{} at {}", server(t), t.url)).collect();
    let mut page = Page::new(title)
        .lead(servers.join(", "))
        .lead(format!(
            "{}; {} connections; measured for {} from {}",
            pace(outcome.pace),
            grouped(outcome.connections as u64),
            Unit::Seconds.show(outcome.seconds),
            utc(outcome.started_unix_s)
        ))
        .download("Data (JSON)", "torc-load.json", json(outcome))
        .download("Percentiles (.hgrm)", "torc-load.hgrm", hgrm(&outcome.all, ValueUnit::default()))
        .section(summary(outcome));
    if outcome.limit.is_some() {
        page = page.section(limit(outcome));
    }
    page = page.section(latency(outcome));
    if !outcome.series.is_empty() {
        page = page.section(over_time(outcome));
    }
    page.section(figures(outcome))
        .section(setting(outcome))
        .made_by(format!("torc-load {} · latencies are kept to three digits (HdrHistogram)", env!("CARGO_PKG_VERSION")))
        .html()
}

fn summary(outcome: &Outcome) -> Section {
    let all = &outcome.all;
    let wanted = match outcome.pace {
        Pace::Closed => "as fast as answers come".into(),
        Pace::Open { per_second, .. } => format!("{} wanted", Unit::PerSecond.show(per_second)),
    };
    let quantile = |q: f64| Unit::Seconds.show(seconds(all.value_at_quantile(q)));
    let wrong = errors(outcome) + outcome.unanswered;
    let mut tiles = vec![Tile::new("Answers", Unit::PerSecond.show(rate(outcome, all.len())), wanted)];
    if !all.is_empty() {
        tiles.extend([
            Tile::new("Median", quantile(0.5), "half are faster"),
            Tile::new("99 %", quantile(0.99), "one in 100 is slower"),
            Tile::new("99.9 %", quantile(0.999), "one in 1,000 is slower"),
            Tile::new("Slowest", Unit::Seconds.show(seconds(all.max())), format!("of {}", grouped(all.len()))),
        ]);
    }
    let note = match (errors(outcome), outcome.unanswered) {
        (_, 0) if outcome.verified => "and every value read was right".into(),
        (_, 0) => format!("of {}", grouped(all.len())),
        (errors, unanswered) => format!("{} errors, {} unanswered", grouped(errors), grouped(unanswered)),
    };
    let level = if wrong > 0 { Level::Bad } else { Level::Good };
    tiles.push(Tile::new("Errors", grouped(wrong), note).level(level));
    if let Some(points) = &outcome.limit {
        tiles.insert(
            0,
            match highest(points) {
                Some(best) => Tile::new("Limit found", Unit::PerSecond.show(best.rate), "highest rate that held")
                    .level(Level::Good),
                None => Tile::new("Limit found", "none", "no rate tried held").level(Level::Bad),
            },
        );
    }
    let mut section = Section::new("").tiles(tiles);
    for warning in &outcome.warnings {
        section = section.notice(Level::Warning, warning);
    }
    if let Some(first) = &outcome.first_error {
        section = section.notice(Level::Bad, format!("the first error the server answered: {first}"));
    }
    if outcome.objectives.is_empty() {
        return section;
    }
    let mut table = Table::new(["Objective", "Wanted", "Got", ""]);
    for objective in &outcome.objectives {
        let (level, word) = if objective.met { (Level::Good, "met") } else { (Level::Bad, "not met") };
        let (wanted, got) = (objective_wanted(objective), objective_value(objective, objective.got));
        table = table.row_of(level, [objective.text.clone(), wanted, got, word.into()]);
    }
    section.table(table)
}

/// Seconds by quantile, for a line over `Axis::quantiles`.
pub(super) fn by_percentile(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let count = histogram.len() as f64;
    let mut points: Vec<(f64, f64)> =
        levels(histogram).iter().map(|l| (l.level, seconds(l.value))).filter(|p| p.0 < 1.0).collect();
    // The slowest of n stands at 1 - 1/n: what lies beyond, n recordings do not tell.
    if let Some(last) = points.last().map(|p| p.0) {
        points.push(((1.0 - 1.0 / count).max(last), seconds(histogram.max())));
    }
    points
}

/// From where on a percentile rests on fewer than ten answers.
fn few(count: u64) -> Option<f64> {
    (count > 100).then(|| 1.0 - 10.0 / count as f64)
}

/// Linear, as HdrHistogram plots, unless a long tail would press all else to the ground: log where the slowest took more
/// than 30 times the median.
pub(super) fn time_axis<H: Borrow<Histogram<u64>>>(shown: impl IntoIterator<Item = H>) -> Axis {
    let is_long = |h: &Histogram<u64>| h.max() > 30 * h.value_at_quantile(0.5);
    let long = shown.into_iter().any(|h| is_long(h.borrow()));
    if long { Axis::log("latency", Unit::Seconds) } else { Axis::linear("latency", Unit::Seconds) }
}

fn latency(outcome: &Outcome) -> Section {
    let mut chart =
        Chart::new("Latency by percentile", Axis::quantiles(), time_axis([&outcome.all.0])).either_scale().full_width();
    let verbs: Vec<_> = outcome.verbs.iter().filter(|v| !v.latency.is_empty()).collect();
    for (at, verb) in verbs.iter().enumerate() {
        chart = chart.line(&verb.name, Colour::Series(at), by_percentile(&verb.latency));
    }
    if verbs.len() != 1 {
        chart = chart.shaped("all", Colour::Muted, Shape::Dashed, by_percentile(&outcome.all));
    }
    if let Some(from) = few(outcome.all.len()) {
        chart = chart.place(from, "fewer than 10 answers beyond");
    }
    for objective in outcome.objectives.iter().filter(|o| super::objective_unit(o) == Unit::Seconds) {
        chart = chart.level(objective.wanted / 1e9, &objective.text, Colour::Bad);
    }
    let chart = chart.note(
        "The axis gives each further nine the same room: at 99 % one answer in 100 was slower, at 99.9 % one in 1,000. \
         A line ends at its slowest answer.",
    );
    Section::new("Latency").text(omission(outcome.pace)).chart(chart)
}

/// A value for each tick, at its middle; a gap where nothing was answered.
pub(super) fn per_tick(series: &[Tick], value: impl Fn(&Tick) -> f64) -> Vec<(f64, f64)> {
    let of = |t: &Tick| (t.at_s + t.seconds / 2.0, if t.answers > 0 { value(t) } else { f64::NAN });
    series.iter().map(of).collect()
}

/// A rate for each tick, held until the next. What came in after the measured time, when nothing was asked any more, is no
/// rate and is left out.
pub(super) fn rates(outcome: &Outcome, count: impl Fn(&Tick) -> u64) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut end = 0.0;
    for tick in &outcome.series {
        let measured = tick.seconds.min(outcome.seconds - tick.at_s);
        if measured > tick.seconds / 2.0 {
            points.push((tick.at_s, count(tick) as f64 / measured));
            end = tick.at_s + measured;
        }
    }
    points.extend(points.last().map(|p| (end, p.1)));
    points
}

fn over_time(outcome: &Outcome) -> Section {
    let series = &outcome.series;
    let with_phases = |mut chart: Chart| {
        if outcome.phases.len() > 1 {
            for phase in &outcome.phases {
                chart = chart.stretch(phase.from_s, phase.to_s, &phase.name);
            }
        }
        chart
    };
    let at = |ns: fn(&Tick) -> u64| per_tick(series, move |t| seconds(ns(t)));
    let band = |low: fn(&Tick) -> u64, high: fn(&Tick) -> u64| {
        let whole = |t: &&Tick| t.answers > 0;
        let edge = move |t: &Tick| (t.at_s + t.seconds / 2.0, seconds(low(t)), seconds(high(t)));
        series.iter().filter(whole).map(edge).collect::<Vec<_>>()
    };
    let mut latency =
        Chart::new("Latency", Axis::elapsed(), Axis::log("latency", Unit::Seconds)).either_scale().full_width();
    // Areas between the lines carry no names: the lines around them have.
    latency = latency
        .band("", Colour::Rank(1), band(|t| t.p50_ns, |t| t.p99_ns))
        .band("", Colour::Rank(2), band(|t| t.p99_ns, |t| t.p999_ns))
        .band("", Colour::Rank(4), band(|t| t.p999_ns, |t| t.max_ns))
        .line("max", Colour::Rank(4), at(|t| t.max_ns))
        .line("p99.9", Colour::Rank(3), at(|t| t.p999_ns))
        .line("p99", Colour::Rank(2), at(|t| t.p99_ns))
        .line("p50", Colour::Rank(0), at(|t| t.p50_ns));
    let tick = series.first().map_or(0.0, |t| t.seconds);
    latency = latency.note(format!("Each point is of the answers that came within {}.", Unit::Seconds.show(tick)));
    let mut throughput = Chart::new("Throughput", Axis::elapsed(), Axis::linear("answers a second", Unit::PerSecond))
        .shaped("answers", Colour::Series(0), Shape::Steps, rates(outcome, |t| t.answers));
    if series.iter().any(|t| t.wanted_per_s.is_some()) {
        let measured = series.iter().filter(|t| t.at_s < outcome.seconds);
        let wanted = measured.map(|t| ((t.at_s + t.seconds).min(outcome.seconds), t.wanted_per_s.unwrap_or(f64::NAN)));
        throughput = throughput.shaped("wanted", Colour::Muted, Shape::Dashed, wanted);
    }
    if series.iter().any(|t| t.errors > 0) {
        throughput = throughput.shaped("errors", Colour::Bad, Shape::Steps, rates(outcome, |t| t.errors));
    }
    let mut section = Section::new("Over time").chart(with_phases(latency)).chart(with_phases(throughput));
    let mut own = Chart::new("CPU of the load generator", Axis::elapsed(), Axis::linear("cores in use", Unit::Count));
    own = own
        .shaped("cores", Colour::Series(3), Shape::Line, per_tick(series, |t| t.own_cpu))
        .level(outcome.threads.min(outcome.host.cpus.max(1)) as f64, "all it may use", Colour::Muted)
        .note(format!(
            "Its busiest thread was on its CPU for {} of the time. Near all of the time, figures tell of the load generator.",
            Unit::Share.show(outcome.cpu_share_max)
        ));
    section = section.chart(with_phases(own));
    if !outcome.late.is_empty() {
        let late = Chart::new("Asked late", Axis::elapsed(), Axis::log("latest in each interval", Unit::Seconds))
            .either_scale()
            .line("late by at most", Colour::Series(4), per_tick(series, |t| seconds(t.late_max_ns)))
            .note(
                "How long the load generator itself took to send a request that was due and for which a connection had room. \
                 Waiting for room is the server's doing and not in here; the latencies above hold both.",
            );
        let spread = Chart::new("Asked late, by percentile", Axis::quantiles(), Axis::log("late by", Unit::Seconds))
            .either_scale()
            .line("late by", Colour::Series(4), by_percentile(&outcome.late));
        section = section.chart(with_phases(late)).chart(spread);
    }
    section
}

pub(super) fn limit_points(points: &[LimitPoint], value: impl Fn(&LimitPoint) -> u64) -> Vec<(f64, f64)> {
    points.iter().map(|p| (p.rate, seconds(value(p)))).collect()
}

/// Rates that were tried: a search doubles and halves, which a log axis spreads evenly.
pub(super) fn rate_axis<'p>(points: impl IntoIterator<Item = &'p LimitPoint>) -> Axis {
    let (mut low, mut high) = (f64::INFINITY, 0.0f64);
    for point in points {
        (low, high) = (low.min(point.rate), high.max(point.rate));
    }
    let label = "rate wanted";
    if high > 4.0 * low { Axis::log(label, Unit::PerSecond) } else { Axis::linear(label, Unit::PerSecond) }
}

fn limit(outcome: &Outcome) -> Section {
    let points = outcome.limit.as_deref().unwrap_or_default();
    let x = || rate_axis(points);
    let mut curve = Chart::new("Latency by rate", x(), Axis::log("latency", Unit::Seconds))
        .either_scale()
        .shaped("max", Colour::Rank(4), Shape::Dotted, limit_points(points, |p| p.max_ns))
        .shaped("p99.9", Colour::Rank(3), Shape::Dotted, limit_points(points, |p| p.p999_ns))
        .shaped("p99", Colour::Rank(2), Shape::Dotted, limit_points(points, |p| p.p99_ns))
        .shaped("p50", Colour::Rank(0), Shape::Dotted, limit_points(points, |p| p.p50_ns));
    let mut reached = Chart::new("Rate reached", x(), Axis::linear("answers a second", Unit::PerSecond))
        .shaped("wanted", Colour::Muted, Shape::Dashed, points.iter().map(|p| (p.rate, p.rate)))
        .shaped("reached", Colour::Series(0), Shape::Dotted, points.iter().map(|p| (p.rate, p.achieved)));
    if let Some(best) = highest(points) {
        curve = curve.place(best.rate, "highest that held");
        reached = reached.place(best.rate, "highest that held");
    }
    for objective in outcome.objectives.iter().filter(|o| super::objective_unit(o) == Unit::Seconds) {
        curve = curve.level(objective.wanted / 1e9, &objective.text, Colour::Bad);
    }
    let mut table = Table::new(["Rate wanted", "Reached", "p50", "p99", "p99.9", "max", "Of the objective", ""]);
    let time = |ns: u64| Unit::Seconds.show(seconds(ns));
    for p in points {
        let (level, word) = if p.met { (Level::Good, "held") } else { (Level::Bad, "missed") };
        table = table.row_of(
            level,
            [
                Unit::PerSecond.show(p.rate),
                Unit::PerSecond.show(p.achieved),
                time(p.p50_ns),
                time(p.p99_ns),
                time(p.p999_ns),
                time(p.max_ns),
                time(p.got_ns),
                word.into(),
            ],
        );
    }
    let mut section = Section::new("The highest rate that holds");
    if let Some(doubt) = noise(points) {
        section = section.notice(Level::Warning, doubt);
    }
    section.chart(curve).chart(reached).table(table)
}

fn figures(outcome: &Outcome) -> Section {
    let mut head: Vec<String> =
        ["", "Answers", "Per second", "Hits", "Misses", "Errors", "Mean"].map(String::from).into();
    head.extend(QUANTILES.iter().map(|(name, _)| name.to_string()));
    head.push("Max".into());
    let mut table = Table::new(head);
    let cells = |latency: &Histogram<u64>| {
        let time = |s: f64| if latency.is_empty() { "–".into() } else { Unit::Seconds.show(s) };
        let mut cells = vec![time(latency.mean() / 1e9)];
        cells.extend(QUANTILES.iter().map(|(_, q)| time(seconds(latency.value_at_quantile(*q)))));
        cells.push(time(seconds(latency.max())));
        cells
    };
    for verb in outcome.verbs.iter().filter(|v| v.count > 0) {
        let reads = |n: u64| if verb.hits + verb.misses > 0 { grouped(n) } else { "–".into() };
        let mut row = vec![verb.name.clone(), grouped(verb.count), Unit::PerSecond.show(rate(outcome, verb.count))];
        row.extend([reads(verb.hits), reads(verb.misses), grouped(verb.errors)]);
        row.extend(cells(&verb.latency));
        table = table.row(row);
    }
    let sum = |of: fn(&crate::outcome::VerbOutcome) -> u64| grouped(outcome.verbs.iter().map(of).sum());
    let mut row =
        vec!["all".to_string(), grouped(outcome.all.len()), Unit::PerSecond.show(rate(outcome, outcome.all.len()))];
    row.extend([sum(|v| v.hits), sum(|v| v.misses), sum(|v| v.errors)]);
    row.extend(cells(&outcome.all));
    table = table.row(row);
    if !outcome.late.is_empty() {
        let mut row = vec!["asked late by".to_string(), grouped(outcome.late.len())];
        row.extend(std::iter::repeat_n("–".to_string(), 4));
        row.extend(cells(&outcome.late));
        table = table.row(row);
    }
    let mut section = Section::new("Figures").table(table);
    if !outcome.slowest.is_empty() {
        let mut slowest = Table::new(["Slowest answers", "Latency", "Due at"]);
        for (at, slow) in outcome.slowest.iter().take(10).enumerate() {
            let due = format!("{:.3}\u{a0}s", slow.due_s);
            slowest =
                slowest.row([format!("{}. {}", at + 1, slow.verb), Unit::Seconds.show(seconds(slow.took_ns)), due]);
        }
        section = section.table(slowest);
    }
    section
}

/// What was asked from where: enough to make the run again.
fn setting(outcome: &Outcome) -> Section {
    Section::new("How it was measured").command(&outcome.command).facts(facts(outcome))
}

pub(super) fn facts(outcome: &Outcome) -> Vec<(String, String)> {
    let host = &outcome.host;
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| {
        if !value.trim().is_empty() {
            facts.push((name.into(), value));
        }
    };
    for target in &outcome.targets {
        add("Server", format!("{} at {}", server(target), target.url));
    }
    add("Load from", host.name.clone());
    add("Processor", format!("{} × {}", host.cpus, host.cpu_model));
    add("Memory", Unit::Bytes.show(host.memory_bytes as f64));
    add("Kernel", host.kernel.clone());
    add("Pace", pace(outcome.pace));
    add("Connections", format!("{}, pipeline {}", grouped(outcome.connections as u64), outcome.pipeline));
    add("Threads of the load", outcome.threads.to_string());
    add("Keys", grouped(outcome.keys));
    add("Seed", outcome.seed.to_string());
    add("Measured", format!("{} from {}", Unit::Seconds.show(outcome.seconds), utc(outcome.started_unix_s)));
    add("Own CPU", format!("{}; {} a CPU second", Unit::Seconds.show(outcome.cpu_s), per_cpu(outcome)));
    add("Sent", Unit::Bytes.show(outcome.bytes_out as f64));
    add("Received", Unit::Bytes.show(outcome.bytes_in as f64));
    add("Connections made anew", if outcome.reconnects > 0 { grouped(outcome.reconnects) } else { String::new() });
    add("Values checked", if outcome.verified { "every one, all right".into() } else { "no".into() });
    facts
}

/// Answers for each second of the load generator's own CPU.
fn per_cpu(outcome: &Outcome) -> String {
    if outcome.cpu_s > 0.0 { Unit::Count.show(outcome.all.len() as f64 / outcome.cpu_s) } else { "–".into() }
}
