//! Whole nodes from a seed. Concurrent clients on 1, 2 and 4 shards; their histories must be strictly serialisable, as on
//! one Redis thread. A failing seed is printed; `TORC_SEED=n cargo test -p node --test simulation` replays it, and runs a
//! range of seeds from there with `TORC_SEEDS`.

mod sim;

use node::session::Door;
use sim::{Rng, Sim, reply, resp, seeds};
use std::collections::HashSet;

const KEYS: usize = 4;
/// Names whose slots lie apart, so that on several shards the keys do too.
const NAMES: [&str; KEYS] = ["a", "b", "c", "foo"];

/// One command on registers, as the model knows it.
#[derive(Clone, Debug)]
enum Op {
    Get(usize),
    Set(usize, String),
    Incr(usize),
    Append(usize, String),
    Del(Vec<usize>),
    Exists(Vec<usize>),
    Mget(Vec<usize>),
    Mset(Vec<(usize, String)>),
    Msetnx(Vec<(usize, String)>),
    Rename(usize, usize),
    Copy(usize, usize, bool),
    Flushall,
}

type State = [Option<String>; KEYS];

impl Op {
    fn random(rng: &mut Rng, tag: &mut u32) -> Op {
        *tag += 1;
        let k = |rng: &mut Rng| rng.below(KEYS);
        let many = |rng: &mut Rng| (0..1 + rng.below(KEYS)).map(|_| rng.below(KEYS)).collect::<Vec<_>>();
        match rng.below(14) {
            0 | 1 => Op::Get(k(rng)),
            2 => Op::Set(k(rng), tag.to_string()),
            3 => Op::Incr(k(rng)),
            4 => Op::Append(k(rng), (*tag % 10).to_string()),
            5 => Op::Del(many(rng)),
            6 => Op::Exists(many(rng)),
            7 | 8 => Op::Mget(many(rng)),
            9 | 10 => Op::Mset(many(rng).into_iter().map(|k| (k, tag.to_string())).collect()),
            11 => Op::Msetnx(many(rng).into_iter().map(|k| (k, tag.to_string())).collect()),
            12 => Op::Rename(k(rng), k(rng)),
            _ if rng.chance(6) => Op::Flushall,
            _ => Op::Copy(k(rng), k(rng), rng.chance(2)),
        }
    }

    fn words(&self) -> Vec<String> {
        let name = |k: &usize| NAMES[*k].to_string();
        let mut w: Vec<String> = Vec::new();
        match self {
            Op::Get(k) => w.extend(["GET".into(), name(k)]),
            Op::Set(k, v) => w.extend(["SET".into(), name(k), v.clone()]),
            Op::Incr(k) => w.extend(["INCR".into(), name(k)]),
            Op::Append(k, v) => w.extend(["APPEND".into(), name(k), v.clone()]),
            Op::Del(ks) => w.extend(std::iter::once("DEL".into()).chain(ks.iter().map(name))),
            Op::Exists(ks) => w.extend(std::iter::once("EXISTS".into()).chain(ks.iter().map(name))),
            Op::Mget(ks) => w.extend(std::iter::once("MGET".into()).chain(ks.iter().map(name))),
            Op::Mset(kvs) | Op::Msetnx(kvs) => {
                w.push(if matches!(self, Op::Mset(_)) { "MSET" } else { "MSETNX" }.into());
                kvs.iter().for_each(|(k, v)| w.extend([name(k), v.clone()]));
            }
            Op::Rename(a, b) => w.extend(["RENAME".into(), name(a), name(b)]),
            Op::Copy(a, b, replace) => {
                w.extend(["COPY".into(), name(a), name(b)]);
                if *replace {
                    w.push("REPLACE".into());
                }
            }
            Op::Flushall => w.push("FLUSHALL".into()),
        }
        w
    }

    /// Bits of the keys it names.
    fn keys(&self) -> u8 {
        let bits = |ks: &mut dyn Iterator<Item = usize>| ks.fold(0, |b, k| b | 1u8 << k);
        match self {
            Op::Get(k) | Op::Set(k, _) | Op::Incr(k) | Op::Append(k, _) => 1 << k,
            Op::Del(ks) | Op::Exists(ks) | Op::Mget(ks) => bits(&mut ks.iter().copied()),
            Op::Mset(kvs) | Op::Msetnx(kvs) => bits(&mut kvs.iter().map(|kv| kv.0)),
            Op::Rename(a, b) | Op::Copy(a, b, _) => 1 << a | 1 << b,
            Op::Flushall => 0xFF,
        }
    }

    /// What Redis does on one thread.
    fn apply(&self, s: &mut State) -> String {
        let int = |yes: bool| if yes { "1" } else { "0" }.to_string();
        match self {
            Op::Get(k) => s[*k].clone().unwrap_or("nil".into()),
            Op::Set(k, v) => {
                s[*k] = Some(v.clone());
                "OK".into()
            }
            Op::Incr(k) => match s[*k].as_deref().unwrap_or("0").parse::<i64>() {
                // A value that APPEND lengthened may have a leading zero or be too long; then it is no integer.
                Ok(n) if s[*k].as_ref().is_none_or(|v| n.to_string() == *v) && n < i64::MAX => {
                    s[*k] = Some((n + 1).to_string());
                    (n + 1).to_string()
                }
                _ => "ERR value is not an integer or out of range".into(),
            },
            Op::Append(k, v) => {
                let now = s[*k].clone().unwrap_or_default() + v;
                let len = now.len().to_string();
                s[*k] = Some(now);
                len
            }
            Op::Del(ks) => ks.iter().filter(|k| s[**k].take().is_some()).count().to_string(),
            Op::Exists(ks) => ks.iter().filter(|k| s[**k].is_some()).count().to_string(),
            Op::Mget(ks) => {
                let items: Vec<String> = ks.iter().map(|k| s[*k].clone().unwrap_or("nil".into())).collect();
                format!("[{}]", items.join(","))
            }
            Op::Mset(kvs) => {
                kvs.iter().for_each(|(k, v)| s[*k] = Some(v.clone()));
                "OK".into()
            }
            Op::Msetnx(kvs) => {
                let free = kvs.iter().all(|(k, _)| s[*k].is_none());
                if free {
                    kvs.iter().for_each(|(k, v)| s[*k] = Some(v.clone()));
                }
                int(free)
            }
            Op::Rename(a, b) => match s[*a].take() {
                None => "ERR no such key".into(),
                value => {
                    s[*b] = value;
                    "OK".into()
                }
            },
            Op::Copy(a, b, replace) => {
                if a == b {
                    return "ERR source and destination objects are the same".into();
                }
                let may = s[*a].is_some() && (*replace || s[*b].is_none());
                if may {
                    s[*b] = s[*a].clone();
                }
                int(may)
            }
            Op::Flushall => {
                *s = State::default();
                "OK".into()
            }
        }
    }
}

/// One command as the outside saw it. Times are steps of the simulation.
struct Event {
    client: usize,
    op: Op,
    sent: u64,
    answered: u64,
    reply: String,
}

/// Whether there is one order of all commands that gives every reply, puts whatever was answered before something was sent
/// before it, and keeps a client's commands on one key in the order it sent them. Search as by Wing and Gong, with the
/// memory of Lowe ("Testing for linearizability", 2017).
fn is_serialisable(events: &[Event]) -> bool {
    assert!(events.len() <= 64, "a bit for each");
    let n = events.len();
    let mut before = vec![0u64; n];
    for (i, e) in events.iter().enumerate() {
        for (j, f) in events.iter().enumerate() {
            let pipelined = f.client == e.client && j < i && f.op.keys() & e.op.keys() != 0;
            if f.answered < e.sent || pipelined {
                before[i] |= 1 << j;
            }
        }
    }
    let all = if n == 64 { u64::MAX } else { (1 << n) - 1 };
    let mut seen: HashSet<(u64, State)> = HashSet::new();
    let mut stack = vec![(0u64, State::default())];
    while let Some((done, state)) = stack.pop() {
        if done == all {
            return true;
        }
        for i in 0..n {
            if done & 1 << i != 0 || before[i] & !done != 0 {
                continue;
            }
            let mut next = state.clone();
            if events[i].op.apply(&mut next) == events[i].reply {
                let item = (done | 1 << i, next);
                if seen.insert(item.clone()) {
                    stack.push(item);
                }
            }
        }
    }
    false
}

/// Runs some clients at once and returns what they saw. The events of one client are in the order it sent them.
fn history(seed: u64, shards: usize) -> (Vec<Event>, Sim) {
    let mut sim = Sim::new(seed, shards);
    let clients = 2 + sim.rng.below(4);
    let each = 40 / clients;
    let depth = 1 + sim.rng.below(4);
    for c in 0..clients {
        sim.connect(c % shards, Door::Resp);
    }
    let mut events: Vec<Event> = Vec::new();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); clients];
    let mut left = vec![each; clients];
    let mut tag = 0;
    let mut step = 0u64;
    while left.iter().any(|&n| n > 0) || waiting.iter().any(|w| !w.is_empty()) {
        step += 1;
        assert!(step < 200_000, "no progress: {:?}", waiting.iter().flatten().map(|&i| &events[i].op).collect::<Vec<_>>());
        let c = sim.rng.below(clients);
        if left[c] > 0 && waiting[c].len() < depth && sim.rng.chance(4) {
            let op = Op::random(&mut sim.rng, &mut tag);
            let words = op.words();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            sim.send(c, &resp(&words));
            waiting[c].push(events.len());
            events.push(Event { client: c, op, sent: step, answered: u64::MAX, reply: String::new() });
            left[c] -= 1;
        }
        sim.step();
        for (c, waiting) in waiting.iter_mut().enumerate() {
            while let Some((text, used)) = reply(&sim.clients[c].from) {
                sim.clients[c].from.drain(..used);
                let event = &mut events[waiting.remove(0)];
                event.answered = step;
                event.reply = text;
            }
        }
    }
    (events, sim)
}

#[test]
fn histories_are_strictly_serialisable() {
    let mut together = 0;
    let mut yields = 0;
    for seed in seeds(300) {
        for shards in [1, 2, 4] {
            let (events, mut sim) = history(seed, shards);
            if !is_serialisable(&events) {
                for e in &events {
                    println!("{:>6} {:>6} client {} {:?} -> {}", e.sent, e.answered, e.client, e.op, e.reply);
                }
                panic!("not serialisable: TORC_SEED={seed}, {shards} shards");
            }
            // Let commits arrive; then nothing may be locked or under way.
            sim.settle(&format!("TORC_SEED={seed}, {shards} shards"));
            together += sim.engines.iter().map(|e| e.metrics.together).sum::<u64>();
            yields += sim.engines.iter().map(|e| e.metrics.yields).sum::<u64>();
        }
    }
    println!("{together} transactions over shards, {yields} yields, seeds {:?}", seeds(300));
    assert!(together > 0, "the seeds exercise what they are for");
}

/// The checker itself must be able to say no.
#[test]
fn the_checker_sees_a_torn_write() {
    let event = |client, op, sent, answered, reply: &str| Event { client, op, sent, answered, reply: reply.into() };
    let both = Op::Mset(vec![(0, "1".into()), (1, "1".into())]);
    let torn = vec![
        event(0, both.clone(), 1, 10, "OK"),
        event(1, Op::Get(0), 2, 3, "1"),
        event(1, Op::Get(1), 4, 5, "nil"),
    ];
    assert!(!is_serialisable(&torn));
    let whole = vec![event(0, both, 1, 10, "OK"), event(1, Op::Get(0), 2, 3, "1"), event(1, Op::Get(1), 4, 5, "1")];
    assert!(is_serialisable(&whole));
}
