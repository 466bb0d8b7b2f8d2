//! Room: loadgen, tests. A genuine Redis Cluster of three nodes on loopback, loaded and verified while slots move between them.

mod common;

use common::{Real, redis};
use loadgen::cluster::slot_of;
use loadgen::outcome::{Arrivals, Outcome, Pace};
use loadgen::plan::{Plan, Target};
use loadgen::run;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// One conversation with a node.
struct Talk(BufReader<TcpStream>);

impl Talk {
    fn with(port: u16) -> Talk {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the node listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        Talk(BufReader::new(stream))
    }

    /// The answer as text; an array's elements in lines. Errors are told apart by their sign.
    fn try_ask(&mut self, words: &[&str]) -> Result<String, String> {
        let mut ask = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| ask += &format!("${}\r\n{word}\r\n", word.len()));
        self.0.get_mut().write_all(ask.as_bytes()).expect("the node takes it");
        self.answer()
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the node answers");
        let rest = line.get(1..).unwrap_or("").trim_end().to_string();
        match line.as_bytes().first() {
            Some(b'+' | b':') => Ok(rest),
            Some(b'-') => Err(rest),
            Some(b'$') => {
                let Ok(len) = rest.parse::<usize>() else { return Ok(String::new()) };
                let mut bytes = vec![0; len + 2];
                self.0.read_exact(&mut bytes).expect("the node answers whole");
                Ok(String::from_utf8_lossy(&bytes[..len]).into_owned())
            }
            Some(b'*') => {
                let all: Result<Vec<String>, String> =
                    (0..rest.parse().expect("a count")).map(|_| self.answer()).collect();
                all.map(|all| all.join("\n"))
            }
            _ => panic!("not understood: {line:?}"),
        }
    }

    fn ask(&mut self, words: &[&str]) -> String {
        self.try_ask(words).unwrap_or_else(|why| panic!("{words:?}: {why}"))
    }
}

struct Cluster {
    nodes: Vec<Real>,
    folders: Vec<PathBuf>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.clear();
        self.folders.iter().for_each(|folder| drop(std::fs::remove_dir_all(folder)));
    }
}

const NODES: usize = 3;
/// First and last slot of each node.
const RANGES: [(u16, u16); NODES] = [(0, 5460), (5461, 10922), (10923, 16383)];

impl Cluster {
    /// Three primaries that know each other; `None`, and a line that says so, where redis-server is not installed.
    fn start(name: &str) -> Option<Cluster> {
        let mut cluster = Cluster { nodes: Vec::new(), folders: Vec::new() };
        for number in 0..NODES {
            let folder = std::env::temp_dir().join(format!("torc-load-{}-{name}-{number}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
            cluster.folders.push(folder);
            let dir = cluster.folders[number].to_string_lossy().into_owned();
            // A node that is not heard of for two minutes is not gone on a busy machine.
            let node = redis(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                "BUS",
                "--cluster-node-timeout",
                "120000",
                "--cluster-require-full-coverage",
                "no",
                "--dir",
                &dir,
            ])?;
            cluster.nodes.push(node);
        }
        for (number, (first, last)) in RANGES.iter().enumerate() {
            let mut talk = cluster.talk(number);
            talk.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
            talk.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        cluster.meet();
        Some(cluster)
    }

    fn talk(&self, node: usize) -> Talk {
        Talk::with(self.nodes[node].port)
    }

    /// Until all know that all slots are served, and by whom.
    fn meet(&self) {
        let begun = Instant::now();
        let mut asked: Option<Instant> = None;
        loop {
            let said: Vec<String> = (0..NODES).map(|n| self.talk(n).ask(&["CLUSTER", "INFO"])).collect();
            let is_whole = |info: &String| {
                ["cluster_state:ok", "cluster_slots_assigned:16384", "cluster_size:3"]
                    .iter()
                    .all(|fact| info.contains(fact))
            };
            if said.iter().all(is_whole) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "no cluster after two minutes: {said:?}");
            if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(10)) {
                let mut first = self.talk(0);
                for other in &self.nodes[1..] {
                    let bus = self.bus_of(other);
                    first.ask(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string(), &bus]);
                }
                asked = Some(Instant::now());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn bus_of(&self, node: &Real) -> String {
        let said = Talk::with(node.port).ask(&["CONFIG", "GET", "cluster-port"]);
        said.lines().last().expect("name and value").to_string()
    }

    /// Moves one slot with its keys as redis-cli does, a few keys at a time; how many keys went.
    fn move_slot(&self, slot: u16, from: usize, to: usize) -> usize {
        let ids: Vec<String> = (0..NODES).map(|n| self.talk(n).ask(&["CLUSTER", "MYID"])).collect();
        let (mut source, mut target) = (self.talk(from), self.talk(to));
        let number = slot.to_string();
        target.ask(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &ids[from]]);
        source.ask(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &ids[to]]);
        let (port, mut moved) = (self.nodes[to].port.to_string(), 0);
        loop {
            let keys = source.ask(&["CLUSTER", "GETKEYSINSLOT", &number, "20"]);
            let keys: Vec<&str> = keys.lines().collect();
            if keys.is_empty() {
                break;
            }
            let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "KEYS"];
            source.ask(&[&migrate[..], &keys].concat());
            moved += keys.len();
            // So that there are asks for a slot of which some keys have gone.
            std::thread::sleep(Duration::from_millis(2));
        }
        // The new owner first: the old one must not forget the slot before somebody has it.
        for node in [to, from].into_iter().chain((0..NODES).filter(|n| *n != to && *n != from)) {
            self.talk(node).ask(&["CLUSTER", "SETSLOT", &number, "NODE", &ids[to]]);
        }
        moved
    }

    /// Redirections that a node has told of, by kind.
    fn told(&self, kind: &str) -> u64 {
        let of = |node| {
            let stats = self.talk(node).ask(&["INFO", "errorstats"]);
            let line =
                stats.lines().find_map(|l| l.strip_prefix(&format!("errorstat_{kind}:count=")).map(str::to_string));
            line.map_or(0, |count| count.trim().parse::<u64>().expect("a count"))
        };
        (0..NODES).map(of).sum()
    }
}

const KEYS: u64 = 2000;

fn plan(port: u16) -> Plan {
    Plan {
        targets: vec![Target::parse(&format!("resp://127.0.0.1:{port}")).expect("sound")],
        cluster: true,
        verify: true,
        populate: true,
        connections: 12,
        threads: 2,
        pipeline: 4,
        keys: KEYS,
        gets: 1,
        sets: 1,
        ..Plan::default()
    }
}

/// The first slots of a node's that have keys of the plan's.
fn slots_with_keys(plan: &Plan, node: usize, count: usize) -> Vec<u16> {
    let slot = |key| {
        let mut name = Vec::new();
        plan.name_key(key, &mut name);
        slot_of(&name)
    };
    let of_node = |slot: &u16| (RANGES[node].0..=RANGES[node].1).contains(slot);
    let slots: BTreeSet<u16> = (0..KEYS).map(slot).filter(of_node).collect();
    slots.into_iter().take(count).collect()
}

fn sound(outcome: &Outcome, told: &str) {
    assert_eq!((outcome.unanswered, &outcome.first_error), (0, &None), "{told}");
    assert!(outcome.verified && outcome.verbs.iter().all(|verb| verb.misses == 0), "{told}");
}

#[test]
fn a_real_cluster_is_loaded_by_its_slots() {
    let Some(cluster) = Cluster::start("slots") else { return };
    // Any node tells of all.
    for node in 0..NODES {
        let plan = Plan { requests: Some(4000), ..plan(cluster.nodes[node].port) };
        let outcome = run::run(&plan, None).unwrap_or_else(|failure| panic!("{failure}"));
        sound(&outcome, "nothing moves");
        assert_eq!(outcome.all.len(), 4000);
    }
    assert_eq!((cluster.told("MOVED"), cluster.told("ASK")), (0, 0), "each ask went to its key's node");
    let keys: Vec<u64> = (0..NODES).map(|n| cluster.talk(n).ask(&["DBSIZE"]).parse().expect("a number")).collect();
    assert!(keys.iter().sum::<u64>() == KEYS && keys.iter().all(|count| *count > KEYS / 6), "{keys:?}");
}

#[test]
fn slots_that_move_under_load_lose_nothing() {
    let Some(cluster) = Cluster::start("moves") else { return };
    let open = Pace::Open { per_second: 2000.0, arrivals: Arrivals::Poisson };
    // Slots of a key or two, of which MOVED tells; and one slot with all keys, which is on its way for a while: ASK.
    let owner =
        RANGES.iter().position(|(first, last)| (*first..=*last).contains(&slot_of(b"one"))).expect("all are served");
    for (prefix, pace, from, to) in [
        ("key:", Pace::Closed, 0, 2),
        ("other:", open, 1, 0),
        ("{one}:", Pace::Closed, owner, (owner + 1) % NODES),
        ("{one}:", open, (owner + 1) % NODES, (owner + 2) % NODES),
    ] {
        let (moved_before, asked_before) = (cluster.told("MOVED"), cluster.told("ASK"));
        let plan = Plan {
            key_prefix: prefix.into(),
            pace,
            duration: Some(Duration::from_secs(5)),
            ..plan(cluster.nodes[1].port)
        };
        let slots = if prefix.starts_with('{') { vec![slot_of(b"one")] } else { slots_with_keys(&plan, from, 40) };
        let (outcome, moved) = std::thread::scope(|scope| {
            let load = scope.spawn(|| run::run(&plan, None));
            // Populating comes first, and need not be over: it is redirected too.
            std::thread::sleep(Duration::from_millis(700));
            let moved: usize = slots.iter().map(|slot| cluster.move_slot(*slot, from, to)).sum();
            (load.join().expect("it does not panic"), moved)
        });
        let outcome = outcome.unwrap_or_else(|failure| panic!("{prefix} {pace:?}: {failure}"));
        let (movs, asks) = (cluster.told("MOVED") - moved_before, cluster.told("ASK") - asked_before);
        let told =
            format!("{prefix} {pace:?}: {moved} keys moved, {movs} MOVED, {asks} ASK, {} answers", outcome.all.len());
        println!("{told}");
        sound(&outcome, &told);
        assert!(moved > 0 && movs + asks > 0, "{told}");
        assert!(asks > 0 || !prefix.starts_with('{'), "{told}");
    }
    let keys: u64 = (0..NODES).map(|n| cluster.talk(n).ask(&["DBSIZE"]).parse::<u64>().expect("a number")).sum();
    assert_eq!(keys, 3 * KEYS);
}
