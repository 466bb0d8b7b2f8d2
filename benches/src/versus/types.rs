//! Room: benches, versus. Collections: what their commands cost one shard, and what they take in memory. One row a case.
//! Touches: load, feed, server.

use super::bench::{Bench, Fleet};
use super::peers::Peer;
use super::results::{Metric, Section, grouped};
use super::solo::{settled_rss, turn};
use crate::feed::Feed;
use crate::host::Layout;
use crate::load::Spec;
use crate::server::Server;
use loadgen::plan::Dialect;
use std::io;

/// One command, or several in equal parts, on keys of a kind that are filled before.
struct Case {
    title: &'static str,
    commands: fn() -> Vec<String>,
}

fn one(command: &str) -> Vec<String> {
    vec![command.into()]
}

// Values of 20 bytes, members and fields below 10: what a command costs shows beside what it carries.
const CASES: [Case; 18] = [
    Case {
        title: "LPUSH, RPOP",
        commands: || vec!["LPUSH l:{rand:0-999} {value:20}".into(), "RPOP l:{rand:0-999}".into()],
    },
    Case { title: "SADD", commands: || one("SADD a:{rand:0-999} m{rand:0-9999}") },
    Case { title: "SISMEMBER", commands: || one("SISMEMBER s:{rand:0-999} m{rand:0-1999}") },
    Case { title: "HSET, 10 fields", commands: || one("HSET h10:{rand:0-9999} f{rand:0-9} {value:20}") },
    Case { title: "HGET, 10 fields", commands: || one("HGET h10:{rand:0-9999} f{rand:0-9}") },
    Case { title: "HSET, 1,000 fields", commands: || one("HSET h1000:{rand:0-99} f{rand:0-999} {value:20}") },
    Case { title: "HGET, 1,000 fields", commands: || one("HGET h1000:{rand:0-99} f{rand:0-999}") },
    Case { title: "ZADD, 1,000 members", commands: || one("ZADD z1000:{rand:0-99} {rand:0-1000000} m{rand:0-999}") },
    Case { title: "ZRANGE of 10, 1,000 members", commands: || ranges("z1000:{rand:0-99}", 1000) },
    Case { title: "ZRANK, 1,000 members", commands: || one("ZRANK z1000:{rand:0-99} m{rand:0-999}") },
    Case {
        title: "ZADD, 100,000 members",
        commands: || one("ZADD z100000:{rand:0-4} {rand:0-1000000} m{rand:0-99999}"),
    },
    Case { title: "ZRANGE of 10, 100,000 members", commands: || ranges("z100000:{rand:0-4}", 100_000) },
    Case { title: "ZRANK, 100,000 members", commands: || one("ZRANK z100000:{rand:0-4} m{rand:0-99999}") },
    // Bounded, or the faster server would end with the longer stream.
    Case { title: "XADD", commands: || one("XADD x:{rand:0-99} MAXLEN ~ 1000 * field {value:20}") },
    Case { title: "XREAD of 10", commands: || one("XREAD COUNT 10 STREAMS r:{rand:0-99} {rand:1-900}") },
    Case { title: "PFADD", commands: || one("PFADD p:{rand:0-99} {rand:0-1000000}") },
    Case {
        title: "GEOSEARCH, nearest 10 of 10,000",
        commands: || {
            let at = "{rand:1-8}.{rand:1000-9999} 4{rand:1-8}.{rand:1000-9999}";
            one(&format!("GEOSEARCH g:{{rand:0-9}} FROMLONLAT {at} BYRADIUS 50 km ASC COUNT 10"))
        },
    },
    Case { title: "SETBIT", commands: || one("SETBIT b:{rand:0-99} {rand:0-999999} {rand:0-1}") },
];

/// Ranks by chance: a template cannot add nine to a number that it draws, so there are sixteen of them.
fn ranges(key: &str, members: u64) -> Vec<String> {
    (0..16).map(|n| n * (members / 16)).map(|first| format!("ZRANGE {key} {first} {}", first + 9)).collect()
}

/// Keys by number of elements, that a round of commands does not move far.
fn fill(port: u16) -> io::Result<()> {
    let mut feed = Feed::connect(port)?;
    let value = "v".repeat(20);
    for key in 0..1000 {
        let mut list = vec!["RPUSH".to_string(), format!("l:{key}")];
        list.extend((0..100).map(|_| value.clone()));
        feed.ask(&list)?;
        let mut set = vec!["SADD".to_string(), format!("s:{key}")];
        set.extend((0..1000).map(|member| format!("m{member}")));
        feed.ask(&set)?;
    }
    for (name, keys, fields) in [("h10", 10_000, 10), ("h1000", 100, 1000)] {
        for key in 0..keys {
            let mut hash = vec!["HSET".to_string(), format!("{name}:{key}")];
            hash.extend((0..fields).flat_map(|field| [format!("f{field}"), value.clone()]));
            feed.ask(&hash)?;
        }
    }
    for (name, keys, members) in [("z1000", 100, 1000u64), ("z100000", 5, 100_000)] {
        for key in 0..keys {
            for first in (0..members).step_by(500) {
                let mut zset = vec!["ZADD".to_string(), format!("{name}:{key}")];
                // 7919: a prime, so that scores come in no order.
                let score = |member: u64| (member * 7919 % 1_000_001).to_string();
                zset.extend((first..first + 500).flat_map(|member| [score(member), format!("m{member}")]));
                feed.ask(&zset)?;
            }
        }
    }
    for key in 0..100 {
        for entry in 1..=1000 {
            feed.ask(&["XADD", &format!("r:{key}"), &format!("{entry}-0"), "field", &value])?;
        }
    }
    for key in 0..10 {
        for first in (0..10_000u64).step_by(500) {
            let mut geo = vec!["GEOADD".to_string(), format!("g:{key}")];
            for point in first..first + 500 {
                // Ten degrees by ten, spread by two primes.
                let (east, north) = (point * 7919 % 10_000, point * 104_729 % 9_973);
                geo.extend([format!("{:.3}", east as f64 / 1000.0), format!("{:.3}", 40.0 + north as f64 / 1000.0)]);
                geo.push(format!("p{point}"));
            }
            feed.ask(&geo)?;
        }
    }
    feed.finish()
}

/// Leaves those out that do not know the dialect that has types.
fn resp_only(bench: &mut Bench, section: Section, fleet: &mut Fleet) {
    let (speak, others) = std::mem::take(&mut fleet.members).into_iter().partition(|m| m.speaks(Dialect::Resp2));
    fleet.members = speak;
    for member in others {
        bench.results.skip(section, "all", &member.name, NO_RESP);
    }
}

pub const NO_RESP: &str = "it does not speak RESP";

pub fn types(bench: &mut Bench) {
    const HERE: Section = Section::Types;
    let layout = Layout::first(1, &bench.main_layout_cpus());
    let mut fleet = bench.fleet(HERE, &layout);
    resp_only(bench, HERE, &mut fleet);
    let mut unfit = Vec::new();
    for (at, member) in fleet.members.iter_mut().enumerate() {
        bench.say(HERE, &format!("{}: setting keys", member.name));
        member.server.go_on();
        let port = member.server.port(Dialect::Resp2).expect("only those are left");
        if let Err(why) = fill(port) {
            bench.results.skip(HERE, "all", &member.name, format!("{}: {why}", member.name));
            unfit.push(at);
        }
        member.server.stand_still();
    }
    unfit.into_iter().rev().for_each(|at| drop(fleet.members.remove(at)));
    // 18 cases: a second and three rounds of each take two minutes for two servers.
    let seconds = bench.options.seconds.min(1.0);
    for round in 0..bench.options.rounds.min(3) {
        for case in &CASES {
            let spec = Spec {
                dialect: Dialect::Resp2,
                connections: bench.options.connections,
                pipeline: 16,
                keys: 1,
                prefix: "key:",
                value_bytes: 20,
                gets: 0,
                sets: 0,
                rate: None,
                seconds,
                cpus: layout.load_cpus.clone(),
                cluster: false,
                shared: layout.shared,
                commands: (case.commands)(),
            };
            for at in fleet.turn(round) {
                super::measure::measure(bench, HERE, case.title, &mut fleet, at, round, &spec);
            }
        }
    }
}

/// Keys of one kind: how many, with how many elements each, and what sets elements `first` to `last` of one of them.
struct Load {
    title: &'static str,
    is_small: bool,
    command: &'static str,
    /// Of each small one; a large one has as many elements as there are small ones.
    elements: u64,
    /// The words of one element.
    element: fn(u64, &mut Vec<String>),
}

/// Ten bytes each.
fn name(number: u64) -> String {
    format!("m{number:09}")
}

fn bare(number: u64, words: &mut Vec<String>) {
    words.push(name(number));
}

fn paired(number: u64, words: &mut Vec<String>) {
    words.extend([name(number), format!("v{number:09}")]);
}

fn scored(number: u64, words: &mut Vec<String>) {
    words.extend([(number * 7919 % 1_000_003).to_string(), name(number)]);
}

const LOADS: [Load; 8] = [
    Load { title: "hashes of 5 fields", is_small: true, command: "HSET", elements: 5, element: paired },
    Load { title: "sets of 10 members", is_small: true, command: "SADD", elements: 10, element: bare },
    Load { title: "lists of 10 elements", is_small: true, command: "RPUSH", elements: 10, element: bare },
    Load { title: "sorted sets of 10 members", is_small: true, command: "ZADD", elements: 10, element: scored },
    Load { title: "one sorted set", is_small: false, command: "ZADD", elements: 0, element: scored },
    Load { title: "one set", is_small: false, command: "SADD", elements: 0, element: bare },
    Load { title: "one hash", is_small: false, command: "HSET", elements: 0, element: paired },
    Load { title: "one list", is_small: false, command: "RPUSH", elements: 0, element: bare },
];

impl Load {
    fn fill(&self, port: u16, count: u64) -> io::Result<()> {
        let mut feed = Feed::connect(port)?;
        if self.is_small {
            for key in 0..count {
                let mut words = vec![self.command.to_string(), format!("key:{key:012}")];
                // Elements differ from key to key, as they do in life.
                (0..self.elements).for_each(|n| (self.element)((key * self.elements + n) % 1_000_000_000, &mut words));
                feed.ask(&words)?;
            }
        } else {
            for first in (0..count).step_by(100) {
                let mut words = vec![self.command.to_string(), "large".into()];
                (first..count.min(first + 100)).for_each(|n| (self.element)(n, &mut words));
                feed.ask(&words)?;
            }
        }
        feed.finish()
    }

    fn case(&self, count: u64) -> String {
        let count = grouped(count as f64);
        if self.is_small { format!("{count} {}", self.title) } else { format!("{} of {count}", self.title) }
    }
}

pub fn memory(bench: &mut Bench) {
    const HERE: Section = Section::TypesMemory;
    let layout = Layout::first(1, &bench.main_layout_cpus());
    let count = bench.options.elements;
    for (at, load) in LOADS.iter().enumerate() {
        // Memory does not vary from round to round: one.
        for peer in turn(bench, at) {
            let case = load.case(count);
            bench.say(HERE, &format!("{case}: {}", peer.name));
            match memory_of(bench, &peer, &layout, load, count) {
                Ok(figures) => bench.results.add(HERE, &case, &peer.name, 0, &figures),
                Err(why) if why == NO_RESP => bench.results.skip(HERE, "all", &peer.name, why),
                Err(why) => bench.results.skip(HERE, &case, &peer.name, why),
            }
        }
    }
}

fn memory_of(
    bench: &mut Bench,
    peer: &Peer,
    layout: &Layout,
    load: &Load,
    count: u64,
) -> Result<Vec<(Metric, f64)>, String> {
    if !peer.speaks(Dialect::Resp2) {
        return Err(NO_RESP.into());
    }
    let server = bench.start(peer, layout, "types-memory")?;
    let (empty, empty_counted) = (settled_rss(server.pid())?, counted(&server));
    let port = server.port(Dialect::Resp2).expect("it speaks RESP");
    load.fill(port, count).map_err(|e| format!("{}: {e}", peer.name))?;
    let keys = if load.is_small { count } else { 1 };
    let held = settled_rss(server.pid())?;
    let has = server.talk(Dialect::Resp2)?.keys()?;
    if has != keys {
        return Err(format!("holds {has} of {keys} keys: what they take cannot be told"));
    }
    let each = |bytes: f64| bytes / count as f64;
    let mut figures =
        vec![(Metric::BytesEach, each(held.saturating_sub(empty) as f64)), (Metric::RssBytes, held as f64)];
    if let (Some(before), Some(after)) = (empty_counted, counted(&server)) {
        figures.push((Metric::CountedEach, each(after - before)));
    }
    Ok(figures)
}

/// What the server itself counts as used, where it says.
fn counted(server: &Server) -> Option<f64> {
    server.talk(Dialect::Resp2).ok()?.fact("memory", "used_memory").ok()??.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;
    use loadgen::plan::Ask;

    #[test]
    fn every_case_is_commands_that_can_be_drawn() {
        for case in &CASES {
            for command in (case.commands)() {
                let verb = load::verb(&command).unwrap_or_else(|why| panic!("{}: {why}", case.title));
                assert!(matches!(verb.ask, Ask::Command(_)));
            }
        }
    }

    #[test]
    fn members_and_values_have_ten_bytes() {
        for load in &LOADS {
            for number in [0, 7, 999_999_999] {
                let mut words = Vec::new();
                (load.element)(number, &mut words);
                let is_score = |at: usize| load.command == "ZADD" && at == 0;
                assert!(words.iter().enumerate().all(|(at, word)| is_score(at) || word.len() == 10), "{words:?}");
            }
        }
    }
}
