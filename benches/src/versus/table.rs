//! Room: benches, versus. Results as tables of words, and those as Markdown. The page draws the same tables. Touches: results.

use super::results::{Metric, Results, Section, Summary};
use crate::stats::Ratio;
use std::fmt::Write;

/// Cells of text; the first two columns name the row.
pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// One section's figures: a row for each case and peer, the columns its metrics and their ratios.
pub fn of_section(results: &Results, section: Section) -> Table {
    let cases = results.cases(section);
    let has = |metric: Metric| results.figures.iter().any(|f| f.section == section && f.metric == metric);
    let columns: Vec<Metric> = section.metrics().iter().copied().filter(|metric| has(*metric)).collect();
    let mut head = vec!["".to_string(), "server".to_string()];
    for metric in &columns {
        head.push(metric.title().into());
        if section.compared().contains(metric) {
            head.push("ratio".into());
        }
    }
    let mut rows = Vec::new();
    for case in cases {
        for (at, peer) in results.peers_of(section, case).into_iter().enumerate() {
            let mut row = vec![if at == 0 { case.to_string() } else { String::new() }, peer.to_string()];
            for metric in &columns {
                row.push(
                    results.summary(section, case, peer, *metric).map_or_else(String::new, |s| figure(*metric, &s)),
                );
                if section.compared().contains(metric) {
                    row.push(results.ratio(section, case, peer, *metric).map_or_else(String::new, ratio));
                }
            }
            rows.push(row);
        }
    }
    rows.extend(means(results, section, &columns));
    Table { head, rows }
}

/// The ratios of all cases as one: a row for each peer that has some.
fn means(results: &Results, section: Section, columns: &[Metric]) -> Vec<Vec<String>> {
    let of = |peer: &str, metric: &Metric| results.mean_ratio(section, peer, *metric);
    let has = |peer: &&str| section.compared().iter().any(|metric| of(peer, metric).is_some());
    let peers = results.peers.iter().map(|(name, _)| name.as_str()).filter(has);
    let row = |(at, peer): (usize, &str)| {
        let mut row = vec![if at == 0 { "mean of the ratios".into() } else { String::new() }, peer.to_string()];
        for metric in columns {
            row.push(String::new());
            if section.compared().contains(metric) {
                let mean = of(peer, metric).map(|(mean, cases)| format!("**{mean:.2}** of {cases}"));
                row.push(mean.unwrap_or_default());
            }
        }
        row
    };
    peers.enumerate().map(row).collect()
}

fn figure(metric: Metric, summary: &Summary) -> String {
    if summary.rounds < 2 {
        return metric.show(summary.median);
    }
    format!("{} ± {:.0} %", metric.show(summary.median), summary.spread * 50.0)
}

/// `1.23 (1.20 to 1.26)`.
pub fn ratio(ratio: Ratio) -> String {
    if ratio.high.is_finite() {
        format!("**{:.2}** ({:.2} to {:.2})", ratio.ratio, ratio.low, ratio.high)
    } else {
        format!("**{:.2}**", ratio.ratio)
    }
}

/// What was not run and why, one row for each reason.
pub fn skips(results: &Results) -> Table {
    let mut rows: Vec<Vec<String>> =
        results.absent.iter().map(|(name, why)| vec![name.clone(), "all".into(), why.clone()]).collect();
    rows.extend(results.skips.iter().map(|skip| {
        let what = if skip.case == "all" {
            skip.section.name().to_string()
        } else {
            format!("{}: {}", skip.section.name(), skip.case)
        };
        vec![skip.peer.clone(), what, skip.why.clone()]
    }));
    Table { head: ["server", "what", "why"].map(String::from).to_vec(), rows }
}

/// The whole report as Markdown.
pub fn markdown(results: &Results) -> String {
    let mut out = String::new();
    let names: Vec<&str> = results.peers.iter().map(|(name, _)| name.as_str()).collect();
    let _ = writeln!(out, "# {} side by side\n", names.join(", "));
    let _ = writeln!(out, "{}, {}.\n", results.date, results.host);
    let _ = writeln!(out, "    {}\n", results.command);
    for line in &results.settings {
        let _ = writeln!(out, "- {line}.");
    }
    let _ = writeln!(out, "- the whole took {:.0} minutes.\n", results.minutes);
    let _ = writeln!(
        out,
        "{}",
        draw(&Table {
            head: ["server", "version"].map(String::from).to_vec(),
            rows: results.peers.iter().map(|(name, version)| vec![name.clone(), version.clone()]).collect(),
        })
    );
    for section in Section::ALL {
        let table = of_section(results, section);
        if !table.rows.is_empty() {
            let _ = writeln!(out, "## {}\n\n{}\n\n{}", section.title(), section.note(), draw(&table));
        }
    }
    let skips = skips(results);
    if !skips.rows.is_empty() {
        let _ = writeln!(out, "## Not run\n\n{}", draw(&skips));
    }
    if !results.warnings.is_empty() {
        let _ = writeln!(out, "## Doubts\n");
        results.warnings.iter().for_each(|warning| _ = writeln!(out, "- {warning}."));
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "## Commands\n\nPorts and folders were chosen at each start; one line for each server and set of cores.\n"
    );
    results.commands.iter().for_each(|(_, line)| _ = writeln!(out, "    {line}"));
    out
}

fn draw(table: &Table) -> String {
    let cell = |text: &String| text.replace('|', "\\|");
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(table.head.iter().map(cell).collect());
    out.push_str(&format!("|{}\n", "---|".repeat(table.head.len())));
    table.rows.iter().for_each(|row| out.push_str(&line(row.iter().map(cell).collect())));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_was_and_what_was_not_run() {
        let mut results = Results {
            peers: vec![("a".into(), "1".into()), ("b".into(), "2".into())],
            absent: vec![("c".into(), "no c in PATH".into())],
            ..Results::default()
        };
        for round in 0..3 {
            results.add(Section::Throughput, "get", "a", round, &[(Metric::OpsPerS, 100_000.0)]);
            results.add(Section::Throughput, "get", "b", round, &[(Metric::OpsPerS, 250_000.0), (Metric::P99Us, 80.0)]);
        }
        results.skip(Section::Snapshot, "s", "b", "BGSAVE was answered with: ERR unknown | command");
        let text = markdown(&results);
        for line in [
            "|  | server | ops/s | ratio | p99 µs |",
            "| get | a | 100 k ± 0 % |  |  |",
            "|  | b | 250 k ± 0 % | **2.50** (2.50 to 2.50) | 80 ± 0 % |",
            "| c | all | no c in PATH |",
            "| b | snapshot: s | BGSAVE was answered with: ERR unknown \\| command |",
        ] {
            assert!(text.lines().any(|l| l == line), "'{line}' is missing in\n{text}");
        }
        assert!(!text.contains("## Latency"), "a section without figures is left out");
        assert!(!text.contains("mean of the ratios"), "{text}");
        for (case, bytes) in [("x", 30.0), ("y", 50.0)] {
            results.add(Section::TypesMemory, case, "a", 0, &[(Metric::BytesEach, 100.0)]);
            results.add(Section::TypesMemory, case, "b", 0, &[(Metric::BytesEach, bytes)]);
        }
        for (case, ops) in [("x", 4.0), ("y", 1.0)] {
            results.add(Section::Types, case, "a", 0, &[(Metric::OpsPerCpuS, 1.0)]);
            results.add(Section::Types, case, "b", 0, &[(Metric::OpsPerCpuS, ops)]);
        }
        let text = markdown(&results);
        for line in ["| mean of the ratios | b |  | **0.40** of 2 |", "| mean of the ratios | b |  | **2.00** of 2 |"] {
            assert!(text.lines().any(|l| l == line), "'{line}' is missing in\n{text}");
        }
    }
}
