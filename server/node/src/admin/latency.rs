//! Room: admin. LATENCY: how long commands take, and when something took too long.

use super::info::full_name;
use crate::engine::{Answer, Engine, Served};
use crate::metrics::{Latency, Spikes};
use base::{Args, Fault, Reply};
use command::row::Row;
use command::table;
use std::collections::{BTreeMap, BTreeSet};

type Events = BTreeMap<&'static str, Spikes>;

/// One event's samples of all shards: one a second, the worst of it.
fn merge(parts: &[Events], event: &str) -> Option<Spikes> {
    let mut by_second: BTreeMap<u64, u64> = BTreeMap::new();
    let mut max_ms = None;
    for spikes in parts.iter().filter_map(|events| events.get(event)) {
        max_ms = max_ms.max(Some(spikes.max_ms));
        for &(at, ms) in &spikes.samples {
            let worst = by_second.entry(at).or_default();
            *worst = ms.max(*worst);
        }
    }
    let skip = by_second.len().saturating_sub(crate::metrics::SAMPLES_MAX);
    max_ms.map(|max_ms| Spikes { samples: by_second.into_iter().skip(skip).collect(), max_ms })
}

fn names(parts: &[Events]) -> BTreeSet<&'static str> {
    parts.iter().flat_map(|events| events.keys().copied()).collect()
}

fn gather_events(
    engine: &mut Engine,
    index: u32,
    fold: impl FnOnce(&mut Engine, Vec<Events>, &mut dyn Reply) + 'static,
) -> Served {
    engine.gather(index, |e| Answer::Now(e.metrics.spikes.clone()), fold);
    Served::Done
}

pub(super) fn history(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let event = String::from_utf8_lossy(args.at(2)).into_owned();
    gather_events(engine, index, move |_, parts, reply| {
        let samples = merge(&parts, &event).map(|s| s.samples).unwrap_or_default();
        reply.array(samples.len());
        for (at, ms) in samples {
            reply.array(2);
            reply.int(at as i64);
            reply.int(ms as i64);
        }
    })
}

pub(super) fn latest(engine: &mut Engine, index: u32) -> Served {
    gather_events(engine, index, |_, parts, reply| {
        let names = names(&parts);
        reply.array(names.len());
        for event in names {
            let spikes = merge(&parts, event).unwrap_or_default();
            let (at, ms) = spikes.samples.back().copied().unwrap_or_default();
            reply.array(4);
            reply.bulk(event.as_bytes());
            reply.int(at as i64);
            reply.int(ms as i64);
            reply.int(spikes.max_ms as i64);
        }
    })
}

pub(super) fn reset(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let events: Vec<Vec<u8>> = args.from(2).iter().map(<[u8]>::to_vec).collect();
    engine.gather(
        index,
        move |e| {
            let goes = |name: &str| events.is_empty() || events.iter().any(|e| e.eq_ignore_ascii_case(name.as_bytes()));
            let gone: Vec<&'static str> = e.metrics.spikes.keys().copied().filter(|name| goes(name)).collect();
            e.metrics.spikes.retain(|name, _| !goes(name));
            Answer::Now(gone)
        },
        |_, parts: Vec<Vec<&'static str>>, reply| {
            reply.int(parts.into_iter().flatten().collect::<BTreeSet<_>>().len() as i64);
        },
    );
    Served::Done
}

/// Lines of a drawing, below its first two.
const GRAPH_ROWS: u64 = 4;
const GRAPH_COLUMNS: usize = 80;

pub(super) fn graph(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let event = String::from_utf8_lossy(args.at(2)).into_owned();
    gather_events(engine, index, move |e, parts, reply| match merge(&parts, &event) {
        None => reply.fault(&Fault::err(format!("No samples available for event '{event}'"))),
        Some(spikes) => reply.verbatim("txt", draw(&event, &spikes, e.now.unix_us / 1_000_000).as_bytes()),
    })
}

/// One column a sample, as many as fit, the newest at the right; below each how long ago it was.
fn draw(event: &str, spikes: &Spikes, now_s: u64) -> String {
    let newest = spikes.samples.len().saturating_sub(GRAPH_COLUMNS);
    let samples: Vec<(u64, u64)> = spikes.samples.iter().skip(newest).copied().collect();
    let high = samples.iter().map(|s| s.1).max().unwrap_or(0);
    let low = samples.iter().map(|s| s.1).min().unwrap_or(0);
    let mut text = format!("{event} - high {high} ms, low {low} ms (all time high {} ms)\n", spikes.max_ms);
    text.push_str(&"-".repeat(GRAPH_COLUMNS));
    text.push('\n');
    let mut line = |cells: String| {
        text.push_str(cells.trim_end());
        text.push('\n');
    };
    for row in (1..=GRAPH_ROWS).rev() {
        // A column is as high as its sample's part of the range; the lowest has one cell too.
        let cell = |&(_, ms): &(u64, u64)| {
            let height = 1 + (ms - low) * (GRAPH_ROWS - 1) / (high - low).max(1);
            if height >= row { '#' } else { ' ' }
        };
        line(samples.iter().map(cell).collect());
    }
    let labels: Vec<String> = samples.iter().map(|&(at, _)| ago(now_s.saturating_sub(at))).collect();
    let longest = labels.iter().map(String::len).max().unwrap_or(0);
    // Labels are read downwards.
    for row in 0..longest {
        line(labels.iter().map(|label| label.as_bytes().get(row).map_or(' ', |&b| b as char)).collect());
    }
    text
}

fn ago(s: u64) -> String {
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m", s / 60),
        3600..86_400 => format!("{}h", s / 3600),
        _ => format!("{}d", s / 86_400),
    }
}

pub(super) fn doctor(engine: &mut Engine, index: u32) -> Served {
    gather_events(engine, index, |e, parts, reply| {
        let names = names(&parts);
        let text = if !names.is_empty() {
            report(&parts, &names)
        } else if e.live.latency_monitor_ms == 0 {
            "Delays are not watched: set latency-monitor-threshold to the milliseconds from which one counts, for example \
             CONFIG SET latency-monitor-threshold 100.\n"
                .to_string()
        } else {
            format!("Nothing took {} ms or longer since the last LATENCY RESET.\n", e.live.latency_monitor_ms)
        };
        reply.verbatim("txt", text.as_bytes());
    })
}

fn report(parts: &[Events], names: &BTreeSet<&'static str>) -> String {
    let mut text = String::from("Delays were seen:\n\n");
    for event in names {
        let spikes = merge(parts, event).unwrap_or_default();
        let n = spikes.samples.len().max(1) as u64;
        let mean = spikes.samples.iter().map(|s| s.1).sum::<u64>() / n;
        let spread = spikes.samples.iter().map(|s| s.1.abs_diff(mean)).sum::<u64>() / n;
        let first = spikes.samples.front().map_or(0, |s| s.0);
        let last = spikes.samples.back().map_or(0, |s| s.0);
        text += &format!(
            "- {event}: {n} in {} s, {mean} ms on average ({spread} ms mean deviation), {} ms at worst\n",
            last - first + 1,
            spikes.max_ms
        );
    }
    text += "\nWhat to do:\n";
    text += "- SLOWLOG GET names the commands; set slowlog-log-slower-than to see more or fewer of them.\n";
    if names.contains("fast-command") {
        text += "- Commands that are always short were delayed: something else used their core. Look for other programs on the \
                 cores of the shards (INFO shards), for swapping, and for a virtual machine whose host is busy.\n";
    }
    text
}

pub(super) fn histogram(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let mut rows: Vec<&'static Row> = Vec::new();
    if args.len() == 2 {
        rows.extend(table::rows());
    }
    for row in args.from(2).iter().filter_map(table::find_full) {
        rows.push(row);
        rows.extend(row.subs.iter());
    }
    // A container's subcommands are rows of their own: numbers are looked up here, once.
    let ids: Vec<u16> = rows.iter().map(|row| row.id()).collect();
    engine.gather(
        index,
        move |e| Answer::Now(ids.iter().map(|&id| e.metrics.rows[id as usize].latency.clone()).collect()),
        move |_, parts: Vec<Vec<Option<Box<Latency>>>>, reply| {
            let merged = |i: usize| {
                parts.iter().filter_map(|part| part[i].as_deref()).fold(None, |all: Option<Latency>, one| {
                    let mut all = all.unwrap_or_default();
                    all.add(one);
                    Some(all)
                })
            };
            let found: Vec<(&Row, Latency)> = (0..rows.len()).filter_map(|i| Some((rows[i], merged(i)?))).collect();
            reply.map(found.len());
            for (row, latency) in found {
                let steps = latency.by_power_of_two_us();
                reply.bulk(full_name(row).as_bytes());
                reply.map(2);
                reply.bulk(b"calls");
                reply.int(latency.count() as i64);
                reply.bulk(b"histogram_usec");
                reply.map(steps.len());
                for (us, calls) in steps {
                    reply.int(us as i64);
                    reply.int(calls as i64);
                }
            }
        },
    );
    Served::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(samples: &[(u64, u64)], max_ms: u64) -> Events {
        BTreeMap::from([("command", Spikes { samples: samples.iter().copied().collect(), max_ms })])
    }

    #[test]
    fn samples_of_all_shards_are_one_series() {
        let parts = [events(&[(1, 10), (3, 30)], 99), events(&[(2, 20), (3, 5)], 20), Events::new()];
        let merged = merge(&parts, "command").unwrap();
        assert_eq!(merged.samples, [(1, 10), (2, 20), (3, 30)]);
        assert_eq!(merged.max_ms, 99);
        assert!(merge(&parts, "Command").is_none());
        let long: Vec<(u64, u64)> = (0..300).map(|s| (s, 1)).collect();
        let merged = merge(&[events(&long[..160], 1), events(&long[140..], 1)], "command").unwrap();
        assert_eq!((merged.samples.len(), merged.samples[0].0), (160, 140));
    }

    #[test]
    fn a_drawing_has_a_column_a_sample() {
        let text = draw("command", &Spikes { samples: [(0, 100), (60, 400), (100, 250)].into(), max_ms: 500 }, 100);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 400 ms, low 100 ms (all time high 500 ms)");
        assert_eq!(lines[2..], [" #", " #", " ##", "###", "140", "m0s", " s"]);
    }
}
