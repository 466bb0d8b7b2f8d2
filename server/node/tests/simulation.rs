//! Whole nodes from a seed. Concurrent clients of both protocols on 1, 2 and 4 shards; their histories must be strictly serialisable, as on
//! one Redis thread. A failing seed is printed; `TORC_SEED=n cargo test -p node --test simulation` replays it, and runs a
//! range of seeds from there with `TORC_SEEDS`.

mod sim;

use node::session::Door;
use sim::check::{self, Command, is_serialisable};
use sim::{Rng, Sim, reply, resp, seeds};

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
    // memcached's own.
    Add(usize, String),
    Replace(usize, String),
    AppendToThere(usize, String),
}

type Event = check::Event<Op>;

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

    /// One that memcached has too.
    fn random_memcache(rng: &mut Rng, tag: &mut u32) -> Op {
        *tag += 1;
        let k = rng.below(KEYS);
        match rng.below(12) {
            0 | 1 => Op::Get(k),
            2 | 3 => Op::Set(k, tag.to_string()),
            4 => Op::Add(k, tag.to_string()),
            5 => Op::Replace(k, tag.to_string()),
            6 | 7 => Op::AppendToThere(k, (*tag % 10).to_string()),
            8 => Op::Del(vec![k]),
            _ if rng.chance(8) => Op::Flushall,
            _ => Op::Mget((0..1 + rng.below(KEYS)).map(|_| rng.below(KEYS)).collect()),
        }
    }

    /// As a line of memcached's.
    fn line(&self, silent: bool) -> String {
        let noreply = if silent { " noreply" } else { "" };
        let store =
            |verb: &str, k: &usize, v: &String| format!("{verb} {} 0 0 {}{noreply}\r\n{v}\r\n", NAMES[*k], v.len());
        match self {
            Op::Get(k) => format!("get {}\r\n", NAMES[*k]),
            Op::Mget(ks) => {
                let names: Vec<&str> = ks.iter().map(|k| NAMES[*k]).collect();
                format!("get {}\r\n", names.join(" "))
            }
            Op::Set(k, v) => store("set", k, v),
            Op::Add(k, v) => store("add", k, v),
            Op::Replace(k, v) => store("replace", k, v),
            Op::AppendToThere(k, v) => store("append", k, v),
            Op::Del(ks) => format!("delete {}{noreply}\r\n", NAMES[ks[0]]),
            Op::Flushall => format!("flush_all{noreply}\r\n"),
            other => unreachable!("memcached has no {other:?}"),
        }
    }

    /// memcached's reply in the words of `apply`, and its length.
    fn read_line(&self, bytes: &[u8]) -> Option<(String, usize)> {
        let text = std::str::from_utf8(bytes).expect("replies of these tests are text");
        let (Op::Get(_) | Op::Mget(_)) = self else {
            let (line, _) = text.split_once("\r\n")?;
            let word = match line {
                "STORED" | "OK" => "OK",
                "NOT_STORED" => "no",
                "DELETED" => "1",
                "NOT_FOUND" => "0",
                other => panic!("{self:?}: {other}"),
            };
            return Some((word.into(), line.len() + 2));
        };
        let (values, _) = text.split_once("END\r\n")?;
        let lines: Vec<&str> = values.lines().collect();
        let mut found: State = State::default();
        for pair in lines.chunks(2) {
            let name = pair[0].split(' ').nth(1).expect("VALUE key flags bytes");
            found[NAMES.iter().position(|n| *n == name).expect("a key that was asked for")] = Some(pair[1].into());
        }
        let told = |k: &usize| found[*k].clone().unwrap_or("nil".into());
        let told = match self {
            Op::Mget(ks) => format!("[{}]", ks.iter().map(told).collect::<Vec<_>>().join(",")),
            Op::Get(k) => told(k),
            _ => unreachable!("matched above"),
        };
        Some((told, values.len() + 5))
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
            Op::Add(..) | Op::Replace(..) | Op::AppendToThere(..) => unreachable!("Redis has no {self:?}"),
        }
        w
    }
}

impl Command for Op {
    type State = State;

    fn keys(&self) -> u32 {
        let bits = |ks: &mut dyn Iterator<Item = usize>| ks.fold(0, |b, k| b | 1u32 << k);
        match self {
            Op::Get(k) | Op::Set(k, _) | Op::Incr(k) | Op::Append(k, _) => 1 << k,
            Op::Add(k, _) | Op::Replace(k, _) | Op::AppendToThere(k, _) => 1 << k,
            Op::Del(ks) | Op::Exists(ks) | Op::Mget(ks) => bits(&mut ks.iter().copied()),
            Op::Mset(kvs) | Op::Msetnx(kvs) => bits(&mut kvs.iter().map(|kv| kv.0)),
            Op::Rename(a, b) | Op::Copy(a, b, _) => 1 << a | 1 << b,
            Op::Flushall => u32::MAX,
        }
    }

    fn reads(&self) -> bool {
        matches!(self, Op::Get(_) | Op::Mget(_) | Op::Exists(_))
    }

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
            Op::Add(k, v) | Op::Replace(k, v) | Op::AppendToThere(k, v) => {
                if s[*k].is_some() == matches!(self, Op::Add(..)) {
                    return "no".into();
                }
                s[*k] = Some(if let Op::AppendToThere(..) = self {
                    s[*k].take().unwrap_or_default() + v
                } else {
                    v.clone()
                });
                "OK".into()
            }
        }
    }
}

/// Runs some clients at once, of either protocol, some of whom ask in silence or hang up, and returns what they saw. The events
/// of one client are in the order it sent them.
fn history(seed: u64, shards: usize) -> (Vec<Event>, Sim) {
    let mut sim = Sim::new(seed, shards);
    let clients = 2 + sim.rng.below(4);
    let each = 40 / clients;
    let depth = 1 + sim.rng.below(4);
    let silence = [0, 0, 3, 6][sim.rng.below(4)];
    let hang_up = [0, 0, 60][sim.rng.below(3)];
    sim.mail_delay = [1, 1, 8][sim.rng.below(3)];
    let memcache: Vec<bool> = (0..clients).map(|_| sim.rng.chance(3)).collect();
    for (c, &memcache) in memcache.iter().enumerate() {
        sim.connect(c % shards, if memcache { Door::Memcache } else { Door::Resp });
    }
    let mut events: Vec<Event> = Vec::new();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); clients];
    let mut left = vec![each; clients];
    let mut tag = 0;
    let mut step = 0u64;
    while left.iter().any(|&n| n > 0) || waiting.iter().any(|w| !w.is_empty()) {
        step += 1;
        assert!(
            step < 200_000,
            "no progress: {:?}",
            waiting.iter().flatten().map(|&i| &events[i].op).collect::<Vec<_>>()
        );
        let c = sim.rng.below(clients);
        if left[c] > 0 && waiting[c].len() < depth && sim.rng.chance(4) {
            let silent = silence > 0 && sim.rng.chance(silence);
            let op = if memcache[c] {
                Op::random_memcache(&mut sim.rng, &mut tag)
            } else {
                Op::random(&mut sim.rng, &mut tag)
            };
            let silent = silent && !(memcache[c] && matches!(op, Op::Get(_) | Op::Mget(_)));
            if memcache[c] {
                sim.send(c, op.line(silent).as_bytes());
            } else {
                if silent {
                    sim.send(c, &resp(&["CLIENT", "REPLY", "SKIP"]));
                }
                let words = op.words();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                sim.send(c, &resp(&words));
            }
            if !silent {
                waiting[c].push(events.len());
            }
            events.push(Event { client: c, op, sent: step, answered: u64::MAX, reply: None, lost: false });
            left[c] -= 1;
            if hang_up > 0 && sim.rng.chance(hang_up) {
                sim.hang_up(c);
                left[c] = 0;
                waiting[c].clear();
                let unanswered = events.iter_mut().filter(|e| e.client == c && e.reply.is_none());
                unanswered.for_each(|e| e.lost = true);
            }
        }
        sim.step();
        for (c, waiting) in waiting.iter_mut().enumerate() {
            while let Some(&first) = waiting.first() {
                let from = &sim.clients[c].from;
                let read = if memcache[c] { events[first].op.read_line(from) } else { reply(from) };
                let Some((text, used)) = read else { break };
                sim.clients[c].from.drain(..used);
                waiting.remove(0);
                (events[first].answered, events[first].reply) = (step, Some(text));
            }
        }
    }
    (events, sim)
}

/// What is there in the end, as one more client sees it: also what was asked in silence shows.
fn last_look(events: &mut Vec<Event>, sim: &mut Sim) {
    let client = sim.connect(0, Door::Resp);
    let op = Op::Mget((0..KEYS).collect());
    let words = op.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    sim.send(client, &resp(&words));
    sim.settle("the last look");
    let (text, _) = reply(&sim.clients[client].from).expect("a node at rest has answered");
    // Everything of connections that are still there has been done; `sent` says so of what was answered.
    events.push(Event { client: usize::MAX, op, sent: u64::MAX, answered: u64::MAX, reply: Some(text), lost: false });
}

#[test]
fn histories_are_strictly_serialisable() {
    let mut together = 0;
    let mut yields = 0;
    let mut lent = 0;
    let mut shared_records = 0;
    let (mut histories, mut undecided) = (0, 0);
    for seed in seeds(80) {
        for shards in [1, 2, 4] {
            let (mut events, mut sim) = history(seed, shards);
            // Let commits arrive; then nothing may be locked or under way.
            sim.settle(&format!("TORC_SEED={seed}, {shards} shards"));
            last_look(&mut events, &mut sim);
            histories += 1;
            let Some(fine) = is_serialisable(&events) else {
                undecided += 1;
                continue;
            };
            if !fine {
                check::tell(&events);
                panic!("not serialisable: TORC_SEED={seed}, {shards} shards");
            }
            together += sim.engines.iter().map(|e| e.metrics.together).sum::<u64>();
            lent += sim.lent_count;
            shared_records += sim.shared_records;
            yields += sim.engines.iter().map(|e| e.metrics.yields).sum::<u64>();
        }
    }
    assert!(undecided * 50 <= histories, "{undecided} of {histories} histories have too many orders");
    println!("{undecided} of {histories} histories undecided");
    println!("{together} transactions over shards, {yields} yields, seeds {:?}", seeds(80));
    println!("{lent} replies left by lent sockets");
    println!("{shared_records} records of transactions over shards");
    let exercised = together > 0 && lent > 0 && shared_records > 0;
    assert!(exercised || seeds(80).count() == 1, "the seeds exercise what they are for");
}

/// The checker itself must be able to say no.
#[test]
fn the_checker_sees_a_torn_write() {
    let event = |client, op, sent, answered, reply: &str| Event {
        client,
        op,
        sent,
        answered,
        reply: Some(reply.into()),
        lost: false,
    };
    let both = Op::Mset(vec![(0, "1".into()), (1, "1".into())]);
    let torn =
        vec![event(0, both.clone(), 1, 10, "OK"), event(1, Op::Get(0), 2, 3, "1"), event(1, Op::Get(1), 4, 5, "nil")];
    assert_eq!(is_serialisable(&torn), Some(false));
    let whole = vec![event(0, both, 1, 10, "OK"), event(1, Op::Get(0), 2, 3, "1"), event(1, Op::Get(1), 4, 5, "1")];
    assert_eq!(is_serialisable(&whole), Some(true));
}
