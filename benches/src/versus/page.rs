//! Room: benches, versus. The HTML page and the picture for the README. Touches: loadgen (page, bars), results, table.

use super::measure::{DIALECTS, dialect_name};
use super::results::{Metric, Results, Section, short};
use super::table;
use loadgen::report::page::{self, Bar, Bars, Level, Page, Tile, Unit};

/// One self-contained page.
pub fn html(results: &Results, csv: &str) -> String {
    let names: Vec<&str> = results.peers.iter().map(|(name, _)| name.as_str()).collect();
    let mut page = Page::new(format!("{} side by side", names.join(", ")))
        .lead(format!("{}, {}", results.date, results.host))
        .section(overview(results));
    for section in Section::ALL {
        if !results.cases(section).is_empty() {
            page = page.section(one(results, section));
        }
    }
    let last = page::Section::new("Not run");
    let skips = table::skips(results);
    let last = if skips.rows.is_empty() { last.text("Everything was run.") } else { last.table(table(&skips).words()) };
    let mut commands = page::Section::new("Commands")
        .text("Ports and folders were chosen at each start; one line for each server and set of cores.");
    for (_, line) in &results.commands {
        commands = commands.command(line);
    }
    if !results.warnings.is_empty() {
        let doubts = results.warnings.iter().map(|warning| format!("{warning}."));
        page = page.section(doubts.fold(page::Section::new("Doubts"), page::Section::text));
    }
    page.section(last)
        .section(commands)
        .download("All rounds as CSV", "versus.csv", csv)
        .made_by(format!("torc-bench versus, {} minutes", short(results.minutes)))
        .html()
}

fn overview(results: &Results) -> page::Section {
    let mut section = page::Section::new("What was compared");
    let tiles: Vec<Tile> =
        headlines(results).into_iter().map(|(name, value, note)| Tile::new(name, value, note)).collect();
    if !tiles.is_empty() {
        section = section.tiles(tiles);
    }
    section = section.facts(results.peers.iter().map(|(name, version)| (name.clone(), version.clone())));
    for line in &results.settings {
        section = section.text(format!("{line}."));
    }
    if !results.warnings.is_empty() {
        let figures =
            if results.warnings.len() == 1 { "a figure".into() } else { format!("{} figures", results.warnings.len()) };
        section = section.notice(Level::Warning, format!("There are doubts about {figures}: see the end of the page."));
    }
    section.command(&results.command)
}

/// The last peer beside the first, in the figures that people ask for first: name, ratio, to what.
fn headlines(results: &Results) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (section, metric) in [
        (Section::Throughput, Metric::OpsPerCpuS),
        (Section::Memory, Metric::BytesPerKey),
        (Section::Latency, Metric::P99Us),
    ] {
        for case in results.cases(section) {
            let peers = results.peers_of(section, case);
            let (Some(first), Some(last)) = (peers.first(), peers.last()) else { continue };
            if let Some(ratio) = results.ratio(section, case, last, metric) {
                let better = if metric.more_is_better() { "more is better" } else { "less is better" };
                let note = format!("{last} beside {first}, {}; {better}", metric.title());
                all.push((case.to_string(), format!("{:.2} x", ratio.ratio), note));
            }
        }
    }
    // Past eight nobody reads them.
    all.truncate(8);
    all
}

fn one(results: &Results, section: Section) -> page::Section {
    let mut drawn = page::Section::new(section.title()).text(section.note());
    for metric in section.compared() {
        let better = if metric.more_is_better() { "more is better" } else { "less is better" };
        let title = format!("{} ({better})", without_unit(*metric));
        let bars = bars(results, section, *metric, &results.cases(section), &title);
        // One alone has the width of the page; two stand beside each other.
        drawn = drawn.bars(if section.compared().len() == 1 { bars.full_width() } else { bars });
    }
    drawn.table(table(&table::of_section(results, section)).named())
}

fn table(table: &table::Table) -> page::Table {
    let plain = |cell: &String| cell.replace("**", "");
    let head = page::Table::new(table.head.iter().map(plain));
    table.rows.iter().fold(head, |drawn, row| drawn.row(row.iter().map(plain)))
}

/// A bar for each server, and for each of its dialects where the cases are told apart by them.
fn bars(results: &Results, section: Section, metric: Metric, cases: &[&str], title: &str) -> Bars {
    let (unit, factor) = unit(metric);
    let mut columns: Vec<(&str, &str)> = Vec::new();
    let mut groups: Vec<&str> = Vec::new();
    for case in cases {
        let (dialect, what) = split(case);
        for peer in results.peers_of(section, case) {
            if results.summary(section, case, peer, metric).is_none() {
                continue;
            }
            if !columns.contains(&(dialect, peer)) {
                columns.push((dialect, peer));
            }
            if !groups.contains(&what) {
                groups.push(what);
            }
        }
    }
    // By dialect, so that those stand beside each other that can be compared; then as they were measured, whoever has the first
    // case.
    columns.sort_by_key(|(dialect, peer)| {
        let dialect = cases.iter().position(|case| split(case).0 == *dialect);
        (dialect, results.peers.iter().position(|(name, _)| name == peer))
    });
    let both = |peer: &str| columns.iter().filter(|(_, p)| *p == peer).count() > 1;
    let names =
        columns.iter().map(|(dialect, peer)| if both(peer) { format!("{peer}, {dialect}") } else { peer.to_string() });
    let mut bars = Bars::new(title, without_unit(metric), unit, names);
    for group in groups {
        let values = columns.iter().map(|(dialect, peer)| {
            let case = cases.iter().find(|case| split(case) == (*dialect, group))?;
            let s = results.summary(section, case, peer, metric)?;
            Some(Bar::between(s.median * factor, s.least * factor, s.most * factor))
        });
        bars = bars.group(group, values.collect::<Vec<_>>());
    }
    bars.note("The thin line shows from the least round to the most.")
}

/// A metric's name where its axis tells the unit.
fn without_unit(metric: Metric) -> String {
    let title = metric.title().replace(" µs", "");
    [" ms", " s"].iter().find_map(|unit| title.strip_suffix(unit)).unwrap_or(&title).to_string()
}

/// The dialect of a case, empty where there is none, and what was asked.
fn split(case: &str) -> (&str, &str) {
    match case.split_once(": ") {
        Some((dialect, what)) if DIALECTS.map(dialect_name).contains(&dialect) => (dialect, what),
        _ => ("", case),
    }
}

/// The page's unit, and what a figure is multiplied with to be in it.
fn unit(metric: Metric) -> (Unit, f64) {
    use Metric::*;
    match metric {
        OpsPerS | OpsPerCpuS | LoadKeysPerS | MessagesPerCpuS | MessagesPerS => (Unit::PerSecond, 1.0),
        WrittenPerS => (Unit::Bytes, 1.0),
        P50Us | P90Us | P99Us | P999Us | MaxUs | P99BeforeUs | P999BeforeUs | LateP99Us | LateP999Us | HalfP999Us => {
            (Unit::Seconds, 1e-6)
        }
        StartMs | CommandMs => (Unit::Seconds, 1e-3),
        SnapshotS | RestartS | BesideS => (Unit::Seconds, 1.0),
        BytesPerKey | RssBytes | EmptyBytes | ExtraBytes | FileBytes | BytesEach | CountedEach | BytesPerClient => {
            (Unit::Bytes, 1.0)
        }
        ServerCores | LoadShare | OfNoLog | OfNoLogP999 | OfDevice | ExtraShare => (Unit::Count, 1.0),
    }
}

/// The picture for the README: what an operation costs, one at a time and in pipelines.
pub fn picture(results: &Results) -> Option<String> {
    let cases: Vec<&str> =
        results.cases(Section::Throughput).into_iter().filter(|case| case.contains("10 GET : 1 SET")).collect();
    let title = "Operations per second of the server's CPU time (more is better)";
    (!cases.is_empty()).then(|| bars(results, Section::Throughput, Metric::OpsPerCpuS, &cases, title).svg())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_axes_have_no_unit_of_the_tables() {
        for (metric, name) in [
            (Metric::P999Us, "p99.9"),
            (Metric::P99BeforeUs, "p99 before"),
            (Metric::StartMs, "start"),
            (Metric::RestartS, "loading"),
            (Metric::OpsPerS, "ops/s"),
            (Metric::BytesPerKey, "bytes a key"),
        ] {
            assert_eq!(without_unit(metric), name);
        }
    }
}
