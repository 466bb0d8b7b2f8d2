//! Room: benches, versus. One command on very many elements, and what it does to GETs of another key on the same shard.
//! Touches: feed, steady, server.

use super::bench::Bench;
use super::peers::Peer;
use super::results::{Metric, Section, grouped};
use super::solo::turn;
use super::types::NO_RESP;
use crate::feed::Feed;
use crate::host::Layout;
use crate::kernel;
use crate::server::Server;
use crate::steady::{self, Steady};
use loadgen::plan::Dialect;
use std::io;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// GETs a second: 99.9 % of two seconds are told by twenty asks, and any server has time for them.
const RATE: f64 = 10_000.0;
/// Counted on after the command's answer: what is freed then is its doing too.
const AFTER: Duration = Duration::from_secs(1);
/// At least so long is looked at (neither longer than a run), or 99.9 % would say nothing of a command that is quick.
const LOOKED_AT_LEAST: Duration = Duration::from_secs(2);

struct Case {
    title: &'static str,
    /// Of the section's elements, as many times.
    times: u64,
    fill: fn(&mut Feed, u64) -> io::Result<()>,
    command: &'static [&'static str],
}

const CASES: [Case; 5] = [
    Case {
        title: "ZUNIONSTORE of two sorted sets of",
        times: 1,
        fill: |feed, count| {
            // Half of the members are in both.
            for (key, from) in [("z1", 0), ("z2", count / 2)] {
                in_hundreds(feed, "ZADD", key, count, |n, words| {
                    words.extend([(n * 7919 % 1_000_003).to_string(), format!("m{:09}", from + n)]);
                })?;
            }
            Ok(())
        },
        command: &["ZUNIONSTORE", "z3", "2", "z1", "z2"],
    },
    Case {
        title: "SMEMBERS of",
        times: 1,
        fill: |feed, count| in_hundreds(feed, "SADD", "s", count, |n, words| words.push(format!("m{n:09}"))),
        command: &["SMEMBERS", "s"],
    },
    Case {
        title: "DEL of a list of",
        times: 10,
        fill: |feed, count| in_hundreds(feed, "RPUSH", "l", count, |n, words| words.push(format!("m{n:09}"))),
        command: &["DEL", "l"],
    },
    Case {
        title: "SORT of a list of",
        times: 1,
        fill: |feed, count| {
            in_hundreds(feed, "RPUSH", "n", count, |n, words| words.push((n * 7919 % 1_000_003).to_string()))
        },
        command: &["SORT", "n"],
    },
    Case {
        title: "XADD that trims",
        times: 1,
        fill: |feed, count| {
            (1..=count).try_for_each(|n| feed.ask(&["XADD", "x", &format!("{n}-0"), "field", &format!("m{n:09}")]))
        },
        command: &["XADD", "x", "MAXLEN", "1", "*", "field", "value"],
    },
];

fn in_hundreds(
    feed: &mut Feed,
    command: &str,
    key: &str,
    count: u64,
    element: impl Fn(u64, &mut Vec<String>),
) -> io::Result<()> {
    for first in (0..count).step_by(100) {
        let mut words = vec![command.to_string(), key.to_string()];
        (first..count.min(first + 100)).for_each(|n| element(n, &mut words));
        feed.ask(&words)?;
    }
    Ok(())
}

pub fn disturbance(bench: &mut Bench) {
    const HERE: Section = Section::Disturbance;
    let layout = Layout::first(1, &bench.main_layout_cpus());
    for round in 0..bench.options.rounds.min(3) {
        for peer in turn(bench, round) {
            if bench.results.skips.iter().any(|skip| skip.section == HERE && skip.peer == peer.name) {
                continue;
            }
            if !peer.speaks(Dialect::Resp2) {
                bench.results.skip(HERE, "all", &peer.name, NO_RESP);
                continue;
            }
            let server = match bench.start(&peer, &layout, "disturbance") {
                Ok(server) => server,
                Err(why) => {
                    bench.results.skip(HERE, "all", &peer.name, why);
                    continue;
                }
            };
            for case in &CASES {
                let title = format!("{} {}", case.title, grouped((bench.options.elements * case.times) as f64));
                bench.say(HERE, &format!("round {}: {title}: {}", round + 1, peer.name));
                if let Err(why) = one(bench, &server, &peer, &layout, case, &title, round) {
                    bench.results.skip(HERE, &title, &peer.name, format!("{}: {why}", peer.name));
                }
            }
        }
    }
}

fn one(
    bench: &mut Bench,
    server: &Server,
    peer: &Peer,
    layout: &Layout,
    case: &Case,
    title: &str,
    round: usize,
) -> io::Result<()> {
    let port = server.port(Dialect::Resp2).expect("it speaks RESP");
    let mut feed = Feed::connect(port)?;
    feed.once(&["FLUSHALL"])?;
    feed.once(&["SET", "probe", &"x".repeat(100)])?;
    (case.fill)(&mut feed, bench.options.elements * case.times)?;
    feed.finish()?;
    // What a server does after it was filled is over.
    sleep(Duration::from_millis(500));
    let cpus = layout.load_cpus.clone();
    let probe = Steady::begin(port, "probe", RATE, &cpus)?;
    sleep(Duration::from_millis(200));
    let (begun, ended) = thread::scope(|scope| {
        let command = scope.spawn(|| {
            kernel::stay_on(&cpus)?;
            let begun = Instant::now();
            feed.once(case.command)?;
            io::Result::Ok((begun, Instant::now()))
        });
        command.join().unwrap_or_else(|_| Err(io::Error::other("the command's thread has panicked")))
    })?;
    let run = Duration::from_secs_f64(bench.options.seconds);
    let to = (ended + AFTER.min(run)).max(begun + LOOKED_AT_LEAST.min(run));
    sleep(to.saturating_duration_since(Instant::now()));
    let seen = probe.end()?;
    let Some(window) = steady::window(&seen, begun, to) else {
        return Err(io::Error::other("no GET was due meanwhile"));
    };
    if window.asks < 1000 {
        bench.results.warn(format!("{title}: {} GETs tell nothing of their slowest thousandth", window.asks));
    }
    // The load's own part must be small beside what is told.
    if window.late_p999_us > 500.0 {
        bench.results.warn(format!(
            "{title}: beside {} the probe itself was {:.0} µs late at p99.9",
            peer.name, window.late_p999_us
        ));
    }
    let figures = [
        (Metric::CommandMs, (ended - begun).as_secs_f64() * 1000.0),
        (Metric::P50Us, window.p50_us),
        (Metric::P999Us, window.p999_us),
        (Metric::MaxUs, window.max_us),
        (Metric::LateP999Us, window.late_p999_us),
    ];
    bench.results.add(Section::Disturbance, title, &peer.name, round, &figures);
    Ok(())
}
