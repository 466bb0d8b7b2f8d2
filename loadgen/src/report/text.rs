//! Room: loadgen. A run as text for a terminal. Touches: outcome.

use super::page::{Unit, grouped};
use super::{QUANTILES, errors, objective_value, omission_short, pace, rate, server};
use crate::outcome::{LimitPoint, Outcome};
use std::fmt::Write;

/// The report of a run: what was asked of whom, counts, latencies, and whether it is what was wanted.
pub fn text(outcome: &Outcome) -> String {
    let mut out = String::new();
    head(&mut out, outcome);
    out.push('\n');
    counts(&mut out, outcome);
    out.push('\n');
    latencies(&mut out, outcome);
    out.push('\n');
    rest(&mut out, outcome);
    if let Some(points) = &outcome.limit {
        out.push('\n');
        limit(&mut out, points);
    }
    if !outcome.objectives.is_empty() {
        out.push('\n');
        objectives(&mut out, outcome);
    }
    if !outcome.warnings.is_empty() {
        out.push('\n');
    }
    for warning in &outcome.warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    out
}

fn head(out: &mut String, outcome: &Outcome) {
    if !outcome.title.is_empty() {
        let _ = writeln!(out, "{}", outcome.title);
    }
    for target in &outcome.targets {
        let _ = writeln!(out, "{}  {}", target.url, server(target));
    }
    let _ = writeln!(
        out,
        "{} connections, pipeline {}, {} threads, {} keys; {}: {}",
        outcome.connections,
        outcome.pipeline,
        outcome.threads,
        grouped(outcome.keys),
        pace(outcome.pace),
        omission_short(outcome.pace)
    );
}

fn counts(out: &mut String, outcome: &Outcome) {
    let mut table = Rows::new(["", "answers", "per second", "hits", "misses", "errors"]);
    let verbs: Vec<_> = outcome.verbs.iter().filter(|v| v.count > 0).collect();
    let reads = |n: u64, reads: bool| if reads { grouped(n) } else { "-".into() };
    for verb in &verbs {
        let is_read = verb.hits + verb.misses > 0;
        table.row([
            verb.name.clone(),
            grouped(verb.count),
            grouped(rate(outcome, verb.count).round() as u64),
            reads(verb.hits, is_read),
            reads(verb.misses, is_read),
            grouped(verb.errors),
        ]);
    }
    if verbs.len() != 1 {
        table.row([
            "all".into(),
            grouped(outcome.all.len()),
            grouped(rate(outcome, outcome.all.len()).round() as u64),
            grouped(verbs.iter().map(|v| v.hits).sum()),
            grouped(verbs.iter().map(|v| v.misses).sum()),
            grouped(errors(outcome)),
        ]);
    }
    table.draw(out);
}

fn latencies(out: &mut String, outcome: &Outcome) {
    let mut head = vec!["latency, us".to_string()];
    head.extend(QUANTILES.iter().map(|(name, _)| name.to_string()));
    head.extend(["max".into(), "mean".into()]);
    let mut table = Rows::new(head);
    let us = |ns: f64| format!("{:.1}", ns / 1e3);
    let verbs: Vec<_> = outcome.verbs.iter().filter(|v| !v.latency.is_empty()).collect();
    let mut rows: Vec<_> = verbs.iter().map(|v| (v.name.as_str(), &v.latency)).collect();
    if rows.len() != 1 {
        rows.push(("all", &outcome.all));
    }
    rows.push(("asked late by", &outcome.late));
    for (name, latency) in rows.into_iter().filter(|r| !r.1.is_empty()) {
        let mut row = vec![name.to_string()];
        row.extend(QUANTILES.iter().map(|(_, q)| us(latency.value_at_quantile(*q) as f64)));
        row.extend([us(latency.max() as f64), us(latency.mean())]);
        table.row(row);
    }
    table.draw(out);
}

fn rest(out: &mut String, outcome: &Outcome) {
    let _ = writeln!(
        out,
        "measured {:.2} s; {} out, {} in; own CPU {:.2} s, its busiest thread {:.0} % busy",
        outcome.seconds,
        Unit::Bytes.plain(outcome.bytes_out as f64),
        Unit::Bytes.plain(outcome.bytes_in as f64),
        outcome.cpu_s,
        outcome.cpu_share_max * 100.0
    );
    if outcome.reconnects > 0 {
        let _ = writeln!(out, "{} connections were made anew", grouped(outcome.reconnects));
    }
    if outcome.unanswered > 0 {
        let _ = writeln!(out, "unanswered: {}", grouped(outcome.unanswered));
    }
    if let Some(first) = &outcome.first_error {
        // In a server's words, which must not reach the terminal as commands to it.
        let _ = writeln!(out, "first error: {}", first.replace(char::is_control, " "));
    }
    if outcome.verified {
        out.push_str("verified: every value read was whole, of its key, and of a version that may be\n");
    }
}

fn limit(out: &mut String, points: &[LimitPoint]) {
    let mut table = Rows::new(["rate wanted", "reached", "p50", "p99", "p99.9", "max", "objective", ""]);
    let time = |ns: u64| Unit::Seconds.plain(ns as f64 / 1e9);
    for point in points {
        table.row([
            Unit::PerSecond.plain(point.rate),
            Unit::PerSecond.plain(point.achieved),
            time(point.p50_ns),
            time(point.p99_ns),
            time(point.p999_ns),
            time(point.max_ns),
            time(point.got_ns),
            if point.met { "held" } else { "missed" }.into(),
        ]);
    }
    table.draw(out);
    let _ = match super::highest(points) {
        Some(best) => writeln!(out, "highest rate that held: {}", Unit::PerSecond.plain(best.rate)),
        None => writeln!(out, "no rate that was tried held the objective"),
    };
    if let Some(doubt) = super::noise(points) {
        let _ = writeln!(out, "warning: {doubt}");
    }
}

fn objectives(out: &mut String, outcome: &Outcome) {
    let mut table = Rows::new(["objective", "got", ""]);
    for objective in &outcome.objectives {
        let got = objective_value(objective, objective.got).replace('\u{a0}', " ");
        table.row([objective.text.clone(), got, if objective.met { "met" } else { "NOT MET" }.into()]);
    }
    table.draw(out);
}

/// A table with its first column to the left and the others to the right, each as wide as its widest cell.
struct Rows(Vec<Vec<String>>);

impl Rows {
    fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Rows {
        Rows(vec![head.into_iter().map(Into::into).collect()])
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }

    fn draw(&self, out: &mut String) {
        let width_of = |cell: &String| cell.chars().count();
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> =
            (0..columns).map(|c| self.0.iter().filter_map(|r| r.get(c)).map(width_of).max().unwrap_or(0)).collect();
        for row in &self.0 {
            let mut line = String::new();
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = match at {
                    0 => write!(line, "{cell:<width$}"),
                    _ => write!(line, "  {cell:>width$}"),
                };
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
}
