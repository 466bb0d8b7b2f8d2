//! Room: node, tests. Whole nodes from a seed under what clients do to them: they hang up at any moment, ask and do not read, ask in
//! silence, in both protocols, while mailboxes are full for long. Whatever they do, each reply comes once and in order, nothing
//! of a client is left when it is gone, walks keep Redis's promises, and no entry is seen after its deadline.
//!
//! A failing seed is printed; `TORC_SEED=n cargo test -p node --test churn` replays it, `TORC_SEEDS` runs a range from there.

mod sim;

use base::DbId;
use cases::Value;
use node::session::Door;
use sim::{Rng, Sim, resp, seeds};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const SHARDS: [usize; 3] = [1, 2, 4];

/// What comes back for one ask.
#[derive(Clone, Debug)]
enum Due {
    /// One reply of RESP.
    One,
    /// This bulk string.
    Echo(String),
    /// memcached: one line.
    Line,
    /// memcached: what ends with END, or an error line.
    End,
}

/// A client, and what it is owed.
struct User {
    client: usize,
    door: Door,
    due: VecDeque<Due>,
    /// CLIENT REPLY OFF.
    off: bool,
    /// CLIENT REPLY SKIP.
    skip: bool,
    monitors: bool,
    /// It said what ends the connection, or hung up: asks no more.
    ended: bool,
    /// It hung up, or another killed it: what it was owed may be lost.
    lost: bool,
}

impl User {
    fn new(sim: &mut Sim, shard: usize, door: Door) -> User {
        let client = sim.connect(shard, door);
        let due = VecDeque::new();
        User { client, door, due, off: false, skip: false, monitors: false, ended: false, lost: false }
    }

    fn ask(&mut self, sim: &mut Sim, words: &[&str], due: Due) {
        sim.send(self.client, &resp(words));
        if words[0] == "CLIENT" && words[1] == "REPLY" {
            match words[2] {
                "ON" => (self.off, self.skip) = (false, false),
                "OFF" => (self.off, self.skip) = (true, false),
                _ => self.skip |= !self.off,
            }
            if words[2] != "ON" {
                return;
            }
        } else if std::mem::take(&mut self.skip) {
            return;
        } else if words[0] == "RESET" {
            self.off = false;
        }
        if !self.off {
            self.due.push_back(due);
        }
    }

    /// Takes what has come, and holds it against what is due.
    fn read(&mut self, sim: &mut Sim, what: &str) {
        let from = &mut sim.clients[self.client].from;
        if self.monitors {
            from.clear();
            self.due.clear();
            return;
        }
        let mut used = 0;
        while used < from.len() {
            let rest = &from[used..];
            let Some(due) = self.due.front() else {
                panic!("{what}: more came than was asked for: {}", String::from_utf8_lossy(rest));
            };
            let taken = match due {
                Due::One | Due::Echo(_) => match Value::decode(rest).unwrap_or_else(|e| panic!("{what}: {e}")) {
                    None => None,
                    Some((value, n)) => {
                        if let Due::Echo(text) = due {
                            assert_eq!(
                                value,
                                Value::Bulk(text.clone().into_bytes()),
                                "{what}: a reply out of its order"
                            );
                        }
                        Some(n)
                    }
                },
                Due::Line => line(rest),
                Due::End => until_end(rest),
            };
            let Some(n) = taken else { break };
            used += n;
            self.due.pop_front();
        }
        from.drain(..used);
    }
}

/// The length of a line with its end.
fn line(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|w| w == b"\r\n").map(|at| at + 2)
}

/// The length of `VALUE`s or `STAT`s with the `END` after them, or of an error.
fn until_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let n = line(bytes.get(at..)?)?;
        let text = String::from_utf8_lossy(&bytes[at..at + n - 2]).into_owned();
        at += n;
        if let Some(value) = text.strip_prefix("VALUE ") {
            let length: usize = value.split(' ').nth(2).and_then(|n| n.parse().ok()).expect("VALUE key flags bytes");
            at += length + 2;
        } else if !text.starts_with("STAT ") {
            return Some(at);
        }
    }
}

const KEYS: [&str; 8] = ["a", "b", "c", "foo", "{a}x", "{a}y", "bar", "quux"];

fn random_resp(rng: &mut Rng, user: &mut User, sim: &mut Sim, tag: &mut u32, kills: bool) {
    *tag += 1;
    let (k, l, m) = (KEYS[rng.below(8)], KEYS[rng.below(8)], KEYS[rng.below(8)]);
    let value = if rng.chance(8) { "v".repeat(rng.below(40_000)) } else { tag.to_string() };
    let number = rng.below(6).to_string();
    let cursor = (rng.next() >> rng.below(64)).to_string();
    let now = sim.now.ms();
    let at = (now + rng.below(5) as u64).to_string();
    let (count, id) = ((1 + rng.below(20)).to_string(), (1 + rng.below(40)).to_string());
    let words: &[&str] = match rng.below(56) {
        0..=2 => &["GET", k],
        3..=5 => &["SET", k, &value],
        6 => &["SET", k, &value, "PXAT", &at],
        7 => &["APPEND", k, &value],
        8 => &["INCR", k],
        9 => &["GETRANGE", k, "1", "9"],
        10 => &["GETEX", k, "PXAT", &at],
        11 => &["GETDEL", k],
        12..=14 => &["MGET", k, l, m],
        15..=17 => &["MSET", k, &value, l, "x", m, "y"],
        18 => &["MSETNX", k, "1", l, "2"],
        19 | 20 => &["DEL", k, l, m],
        21 => &["UNLINK", k, l],
        22 => &["EXISTS", k, l, k],
        23 => &["TOUCH", k, l],
        24 => &["RENAME", k, l],
        25 => &["RENAMENX", k, l],
        26 => &["COPY", k, l, "REPLACE"],
        27 => &["COPY", k, l, "DB", &number],
        28 => &["MOVE", k, &number],
        29 => &["LCS", k, l],
        30 => &["LCS", k, l, "IDX"],
        31 => &["DBSIZE"],
        32 => &["KEYS", "*"],
        33 => &["SCAN", "0", "COUNT", "3"],
        34 => &["SCAN", &cursor],
        35 => &["RANDOMKEY"],
        36 => &["FLUSHALL"],
        37 => &["FLUSHDB", "ASYNC"],
        38 => &["SWAPDB", "0", &number],
        39 => &["SELECT", &number],
        40 => &["INFO"],
        41 => &["CLIENT", "LIST"],
        42 if kills => &["CLIENT", "KILL", "ID", &id],
        43 => &["CLIENT", "REPLY", "SKIP"],
        44 => &["CLIENT", "REPLY", if rng.chance(3) { "OFF" } else { "ON" }],
        45 => &["CLIENT", "REPLY", "ON"],
        46 => &["CLIENT", "PAUSE", &number, if rng.chance(2) { "ALL" } else { "WRITE" }],
        47 => &["CLIENT", "UNPAUSE"],
        48 => &["WAIT", "1", &count],
        49 if rng.chance(4) => &["DEBUG", "SLEEP", "0.001"],
        50 if rng.chance(4) => &["MONITOR"],
        51 if rng.chance(4) => &["QUIT"],
        52 => &["RESET"],
        53 => &["CONFIG", "SET", "maxmemory-policy", if rng.chance(2) { "allkeys-lru" } else { "noeviction" }],
        54 => &["SLOWLOG", "GET", &count],
        55 => &["CONFIG", "RESETSTAT"],
        _ => {
            let text = format!("said {tag}");
            user.ask(sim, &["ECHO", &text], Due::Echo(text.clone()));
            return;
        }
    };
    user.ended |= words[0] == "QUIT";
    let monitors = words[0] == "MONITOR";
    user.ask(sim, words, Due::One);
    user.monitors |= monitors;
}

fn random_memcache(rng: &mut Rng, user: &mut User, sim: &mut Sim, tag: &mut u32) {
    *tag += 1;
    let (k, l, m) = (KEYS[rng.below(8)], KEYS[rng.below(8)], KEYS[rng.below(8)]);
    let silent = rng.chance(3);
    let noreply = if silent { " noreply" } else { "" };
    let value = if rng.chance(8) { "m".repeat(rng.below(40_000)) } else { tag.to_string() };
    let n = value.len();
    let (text, due) = match rng.below(16) {
        0..=2 => (format!("get {k}\r\n"), Due::End),
        3..=5 => (format!("gets {k} {l} {m}\r\n"), Due::End),
        6 | 7 => (format!("set {k} 7 0 {n}{noreply}\r\n{value}\r\n"), Due::Line),
        8 => (format!("add {k} 7 0 {n}{noreply}\r\n{value}\r\n"), Due::Line),
        9 => (format!("append {k} 7 0 {n}{noreply}\r\n{value}\r\n"), Due::Line),
        10 => (format!("cas {k} 7 0 {n} 5{noreply}\r\n{value}\r\n"), Due::Line),
        11 => (format!("incr {k} 3{noreply}\r\n"), Due::Line),
        12 => (format!("delete {k}{noreply}\r\n"), Due::Line),
        13 => (format!("gat 100 {k} {l}\r\n"), Due::End),
        14 => (format!("flush_all{noreply}\r\n"), Due::Line),
        _ => ("stats\r\n".into(), Due::End),
    };
    let silent = silent && text.contains(" noreply");
    sim.send(user.client, text.as_bytes());
    if !silent {
        user.due.push_back(due);
    }
}

/// Who is gone leaves nothing, who stays gets every reply once and in order.
#[test]
fn clients_may_do_what_they_like() {
    let (mut yields, mut hung_up) = (0, 0);
    for seed in seeds(50) {
        for shards in SHARDS {
            let what = format!("TORC_SEED={seed}, {shards} shards");
            let mut sim = Sim::new(seed, shards);
            let mut rng = Rng(seed ^ 0xC0FFEE);
            sim.mail_delay = [1, 1, 5, 60][rng.below(4)];
            sim.send_delay = [1, 1, 10, 100][rng.below(4)];
            let kills = rng.chance(2);
            let mut users: Vec<User> = Vec::new();
            let mut tag = 0;
            for _ in 0..1500 {
                if users.iter().filter(|u| !u.ended).count() < 6 && rng.chance(20) {
                    let door = if rng.chance(3) { Door::Memcache } else { Door::Resp };
                    let mut user = User::new(&mut sim, rng.below(shards), door);
                    if door == Door::Resp && rng.chance(2) {
                        user.ask(&mut sim, &["HELLO", "3"], Due::One);
                    }
                    users.push(user);
                }
                if !users.is_empty() && rng.chance(3) {
                    let u = rng.below(users.len());
                    let user = &mut users[u];
                    if !user.ended {
                        for _ in 0..if rng.chance(10) { 30 } else { 1 } {
                            if user.door == Door::Memcache {
                                random_memcache(&mut rng, user, &mut sim, &mut tag);
                            } else {
                                random_resp(&mut rng, user, &mut sim, &mut tag, kills);
                            }
                            if user.ended {
                                break;
                            }
                        }
                        if rng.chance(25) {
                            sim.hang_up(user.client);
                            (user.ended, user.lost) = (true, true);
                            hung_up += 1;
                        }
                    }
                }
                sim.step();
                for user in &mut users {
                    user.read(&mut sim, &what);
                }
            }
            sim.settle(&what);
            for user in &mut users {
                user.read(&mut sim, &what);
                let closed = sim.clients[user.client].closed;
                assert!(!closed || user.ended || kills, "{what}: closed without a reason");
                let left = &sim.clients[user.client].from;
                let all = user.due.is_empty() && left.is_empty();
                assert!(
                    all || user.lost || closed && kills,
                    "{what}: {:?} is due, {} bytes came",
                    user.due,
                    left.len()
                );
            }
            for user in &users {
                sim.hang_up(user.client);
            }
            sim.settle(&what);
            assert_eq!(sim.process.clients(), 0, "{what}");
            for engine in &sim.engines {
                assert!(engine.conns.is_empty() && engine.monitors.is_empty() && engine.is_settled(), "{what}");
                engine.store.verify();
            }
            yields += sim.engines.iter().map(|e| e.metrics.yields).sum::<u64>();
        }
    }
    println!("{yields} yields, {hung_up} hung up, seeds {:?}", seeds(50));
    assert!(hung_up > 0, "the seeds exercise what they are for");
}

/// Waits for one reply.
fn reply(sim: &mut Sim, client: usize, what: &str) -> Value {
    for _ in 0..1_000_000 {
        if let Some((value, used)) = Value::decode(&sim.clients[client].from).unwrap_or_else(|e| panic!("{what}: {e}"))
        {
            sim.clients[client].from.drain(..used);
            return value;
        }
        sim.step();
    }
    panic!("{what}: no reply");
}

fn ask(sim: &mut Sim, client: usize, words: &[&str], what: &str) -> Value {
    sim.send(client, &resp(words));
    reply(sim, client, what)
}

fn texts(value: &Value) -> Vec<String> {
    let Value::Array(all) = value else { panic!("an array is due: {value:?}") };
    let text = |v: &Value| match v {
        Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("a string is due: {other:?}"),
    };
    all.iter().map(text).collect()
}

/// What clients ask in silence, faster than it can travel, does not pile up: not in the mail, not as transactions, not as
/// questions to all shards. In the end all of it was done, in order.
#[test]
fn silent_floods_stay_within_bounds() {
    for seed in seeds(2) {
        for shards in SHARDS {
            let what = format!("TORC_SEED={seed}, {shards} shards");
            let mut sim = Sim::new(seed, shards);
            let mut rng = Rng(seed ^ 0xF100D);
            let value = "v".repeat(3000);
            let users: Vec<usize> = (0..3).map(|i| sim.connect(i % shards, Door::Resp)).collect();
            for (u, &client) in users.iter().enumerate() {
                sim.send(client, &resp(&["CLIENT", "REPLY", "OFF"]));
                for n in 0..2500 {
                    let (k, l) = (format!("{u}:{}", n % 7), format!("{u}:{}", n % 5));
                    let last = format!("{value}{n}");
                    match rng.below(12) {
                        0..=5 => sim.send(client, &resp(&["SET", &k, &last])),
                        6..=9 => sim.send(client, &resp(&["MSET", &k, &last, &l, &last])),
                        10 => sim.send(client, &resp(&["KEYS", "*"])),
                        _ => sim.send(client, &resp(&["LCS", &k, &l, "LEN"])),
                    }
                }
                sim.send(client, &resp(&["SET", &format!("{u}:0"), "last"]));
                sim.send(client, &resp(&["CLIENT", "REPLY", "ON"]));
                sim.send(client, &resp(&["MGET", &format!("{u}:0"), &format!("{u}:1")]));
            }
            // Time to fill everything: hardly any mail arrives.
            sim.mail_delay = 400;
            let mut most = 0;
            for step in 0..400_000 {
                if step == 20_000 {
                    sim.mail_delay = 1;
                }
                sim.step();
                for engine in &sim.engines {
                    for batch in &engine.outbox {
                        most = most.max(batch.out.bytes.len());
                    }
                    // 1024 asks of a connection may be under way, each of which may be a transaction; one question of each.
                    let (transactions, questions) = engine.under_way();
                    assert!(transactions <= 1024 * users.len(), "{what}: {transactions} transactions");
                    assert!(questions <= 2 * users.len(), "{what}: {questions} questions");
                }
                if sim.is_quiet() {
                    break;
                }
            }
            assert!(sim.is_quiet(), "{what}: never done");
            assert!(most <= (1 << 20) + 16 * 1024, "{what}: {most} bytes waited for one shard");
            for &client in &users {
                assert_eq!(reply(&mut sim, client, &what), Value::Simple(b"OK".to_vec()), "{what}");
                let found = texts(&reply(&mut sim, client, &what));
                assert!(found[0] == "last" && found[1].starts_with(&value), "{what}");
            }
        }
    }
}

/// A SCAN tells every key that was there throughout, whatever happens to others, and comes to its end; KEYS and DBSIZE do
/// not miss them either.
#[test]
fn walks_keep_their_promise_during_churn() {
    for seed in seeds(4) {
        for shards in SHARDS {
            let what = format!("TORC_SEED={seed}, {shards} shards");
            let mut sim = Sim::new(seed, shards);
            let mut rng = Rng(seed ^ 0x5CA4);
            let walker = sim.connect(rng.below(shards), Door::Resp);
            let stable: BTreeSet<String> = (0..rng.below(900)).map(|n| format!("stable:{n}")).collect();
            for key in &stable {
                sim.send(walker, &resp(&["SET", key, "x"]));
            }
            for _ in &stable {
                reply(&mut sim, walker, &what);
            }
            let churners: Vec<usize> = (0..3).map(|_| sim.connect(rng.below(shards), Door::Resp)).collect();
            let churn_max = 1 + rng.below(3000);
            for _ in 0..3 {
                let count = [1, 7, 10, 100, 5000][rng.below(5)].to_string();
                let mut cursor = "0".to_string();
                let mut seen: BTreeSet<String> = BTreeSet::new();
                for calls in 0.. {
                    assert!(calls < 20_000, "{what}: a SCAN without end");
                    // What others do meanwhile: tables grow, keys come and go, other databases are emptied.
                    for &client in &churners {
                        // Who is behind with its asks makes no more: the end comes when all are answered.
                        let count = if sim.clients[client].to.len() > 20_000 { 0 } else { rng.below(12) };
                        for _ in 0..count {
                            let (k, l) =
                                (format!("churn:{}", rng.below(churn_max)), format!("churn:{}", rng.below(churn_max)));
                            let words: &[&str] = match rng.below(10) {
                                0..=4 => &["MSET", &k, "1", &l, "2"],
                                5 => &["SET", &k, "1", "PX", "1"],
                                6 | 7 => &["DEL", &k, &l],
                                8 => &["RENAME", &k, &l],
                                _ => &["COPY", &k, &l, "DB", "1"],
                            };
                            sim.send(client, &resp(words));
                        }
                        if rng.chance(200) {
                            sim.send(client, &resp(&["SELECT", "1"]));
                            sim.send(client, &resp(&["FLUSHDB"]));
                            sim.send(client, &resp(&["SELECT", "0"]));
                        }
                        sim.clients[client].from.clear();
                    }
                    let Value::Array(two) = ask(&mut sim, walker, &["SCAN", &cursor, "COUNT", &count], &what) else {
                        panic!("{what}: SCAN gives two things")
                    };
                    let found = texts(&two[1]);
                    assert!(found.iter().all(|k| k.starts_with("churn:") || stable.contains(k)), "{what}: {found:?}");
                    seen.extend(found);
                    let Value::Bulk(next) = &two[0] else { panic!("{what}: a cursor is a string") };
                    cursor = String::from_utf8_lossy(next).into_owned();
                    if cursor == "0" {
                        break;
                    }
                }
                assert!(stable.is_subset(&seen), "{what}: SCAN missed {:?}", stable.difference(&seen).next());
                let keys = texts(&ask(&mut sim, walker, &["KEYS", "*"], &what));
                let once: BTreeSet<String> = keys.iter().cloned().collect();
                assert!(stable.is_subset(&once), "{what}: KEYS missed {:?}", stable.difference(&once).next());
                let keys = texts(&ask(&mut sim, walker, &["KEYS", "s?able*"], &what));
                assert_eq!(keys.len(), stable.len(), "{what}");
                let Value::Int(size) = ask(&mut sim, walker, &["DBSIZE"], &what) else { panic!("{what}") };
                let size = size as usize;
                assert!((stable.len()..=stable.len() + churn_max).contains(&size), "{what}: DBSIZE {size}");
            }
            sim.settle(&what);
            // What was written last reaches its deadline. One step of twelve, or so, is a turn of a shard.
            sim.advance(5000);
            (0..400 * shards).for_each(|_| sim.step());
            let Value::Int(size) = ask(&mut sim, walker, &["DBSIZE"], &what) else { panic!("{what}") };
            assert_eq!(texts(&ask(&mut sim, walker, &["KEYS", "*"], &what)).len() as i64, size, "{what}");
            ask(&mut sim, walker, &["FLUSHALL"], &what);
            assert_eq!(ask(&mut sim, walker, &["DBSIZE"], &what), Value::Int(0), "{what}");
            sim.settle(&what);
        }
    }
}

/// What was answered is there: a question to all shards sees what other connections were told of, also while the news of it
/// is on its way to the shards; and all that its own connection asked before.
#[test]
fn walks_see_what_was_answered() {
    for seed in seeds(40) {
        for shards in SHARDS {
            let what = format!("TORC_SEED={seed}, {shards} shards");
            let mut sim = Sim::new(seed, shards);
            let mut rng = Rng(seed ^ 0x5EE);
            sim.mail_delay = [1, 5, 40][rng.below(3)];
            let clients: Vec<usize> = (0..4).map(|i| sim.connect(i % shards, Door::Resp)).collect();
            let mut there: BTreeSet<String> = BTreeSet::new();
            for _ in 0..60 {
                let (k, l, m) = (KEYS[rng.below(8)], KEYS[rng.below(8)], KEYS[rng.below(8)]);
                let words: &[&str] = match rng.below(9) {
                    0..=3 => &["MSET", k, "1", l, "2", m, "3"],
                    4 | 5 => &["DEL", k, l, m],
                    6 => &["RENAME", k, l],
                    7 => &["COPY", k, l, "REPLACE"],
                    _ => &["FLUSHALL"],
                };
                let writer = clients[rng.below(4)];
                sim.send(writer, &resp(words));
                // Now and then the question follows on the same connection before the answer.
                let pipelined = rng.chance(3);
                if !pipelined {
                    reply(&mut sim, writer, &what);
                }
                match words[0] {
                    "MSET" => there.extend([k, l, m].map(String::from)),
                    "DEL" => there.retain(|key| ![k, l, m].contains(&key.as_str())),
                    "RENAME" if there.remove(k) => drop(there.insert(l.into())),
                    "COPY" if there.contains(k) => drop(there.insert(l.into())),
                    "FLUSHALL" => there.clear(),
                    _ => {}
                }
                let asker = if pipelined { writer } else { clients[rng.below(4)] };
                let questions: [&[&str]; 4] =
                    [&["DBSIZE"], &["KEYS", "*"], &["SCAN", "0", "COUNT", "100"], &["RANDOMKEY"]];
                let kind = rng.below(4);
                sim.send(asker, &resp(questions[kind]));
                if pipelined {
                    reply(&mut sim, writer, &what);
                }
                let found = reply(&mut sim, asker, &what);
                let set = |value: &Value| texts(value).into_iter().collect::<BTreeSet<_>>();
                let right = match (kind, &found) {
                    (0, Value::Int(n)) => *n as usize == there.len(),
                    (1, keys) => set(keys) == there,
                    (2, Value::Array(two)) => set(&two[1]) == there,
                    (3, Value::Bulk(key)) => there.contains(&*String::from_utf8_lossy(key)),
                    (3, Value::Nil) => there.is_empty(),
                    _ => false,
                };
                assert!(right, "{what}: {:?} after {words:?}: {there:?}, told {found:?}", questions[kind]);
            }
            sim.settle(&what);
        }
    }
}

/// An entry is there until its deadline and never after it, by whatever command and on whatever shard; each that reaches its
/// deadline is counted once.
#[test]
fn deadlines_are_exact() {
    let mut exactly = 0;
    for seed in seeds(60) {
        for shards in SHARDS {
            let what = format!("TORC_SEED={seed}, {shards} shards");
            let mut sim = Sim::new(seed, shards);
            let mut rng = Rng(seed ^ 0xDEAD);
            sim.mail_delay = [1, 1, 20][rng.below(3)];
            let clients: Vec<usize> = (0..3).map(|_| sim.connect(rng.below(shards), Door::Resp)).collect();
            let memcache = sim.connect(rng.below(shards), Door::Memcache);
            // What is there by key: its deadline. Each key is written once, its deadline may be moved.
            let mut deadlines: BTreeMap<String, u64> = BTreeMap::new();
            // What may have been written, or given its deadline, only after that: then it is no entry that expired.
            let (mut removed, mut written, mut late) = (0, 0u64, 0);
            let began = sim.engines.iter().map(|e| e.store.counters().expired).sum::<u64>();
            for round in 0..120 {
                let client = clients[rng.below(3)];
                let jump = rng.below(20) as u64 * 1000;
                if rng.chance(3) {
                    sim.advance(jump);
                }
                let now = sim.now.ms();
                match rng.below(8) {
                    0..=3 => {
                        let key = format!("k{round}");
                        let at = now + 5 + rng.below(400) as u64;
                        let set =
                            ask(&mut sim, client, &["SET", &key, &at.to_string(), "PXAT", &at.to_string()], &what);
                        assert_eq!(set, Value::Simple(b"OK".to_vec()), "{what}");
                        late += (sim.now.ms() >= at) as u64;
                        deadlines.insert(key, at);
                        written += 1;
                    }
                    4 => {
                        let Some((key, at)) = deadlines.iter().nth(rng.below(deadlines.len().max(1))) else { continue };
                        let (key, at) = (key.clone(), *at);
                        let later = now + 5 + rng.below(400) as u64;
                        match ask(&mut sim, client, &["PEXPIREAT", &key, &later.to_string()], &what) {
                            Value::Int(1) => {
                                assert!(now <= at, "{what}: {key} had a deadline at {at} and has another at {now}");
                                late += (sim.now.ms() >= later) as u64;
                                deadlines.insert(key, later);
                            }
                            other => {
                                assert_eq!(other, Value::Int(0), "{what}");
                                assert!(sim.now.ms() >= at, "{what}: {key} is gone before {at}");
                            }
                        }
                    }
                    5 => {
                        let Some((key, at)) = deadlines.iter().nth(rng.below(deadlines.len().max(1))) else { continue };
                        let (key, at) = (key.clone(), *at);
                        match ask(&mut sim, client, &["DEL", &key], &what) {
                            Value::Int(1) => {
                                assert!(now <= at, "{what}: {key} was there at {now}, its deadline is {at}");
                                removed += 1;
                            }
                            _ => assert!(sim.now.ms() >= at, "{what}: {key} is gone before {at}"),
                        }
                        deadlines.remove(&key);
                    }
                    6 => {
                        let names: Vec<String> = deadlines.keys().cloned().collect();
                        if names.is_empty() {
                            continue;
                        }
                        let mut words = vec!["MGET"];
                        words.extend(names.iter().map(String::as_str));
                        let Value::Array(all) = ask(&mut sim, client, &words, &what) else { panic!("{what}") };
                        let after = sim.now.ms();
                        for (name, value) in names.iter().zip(all) {
                            let at = deadlines[name];
                            match value {
                                Value::Bulk(_) => {
                                    assert!(now <= at, "{what}: {name} was seen at {now}, its deadline is {at}")
                                }
                                _ => {
                                    assert!(after >= at, "{what}: {name} was not seen at {after}, its deadline is {at}")
                                }
                            }
                        }
                    }
                    _ => {
                        let Some((key, at)) = deadlines.iter().nth(rng.below(deadlines.len().max(1))) else { continue };
                        sim.send(memcache, format!("get {key}\r\n").as_bytes());
                        let mut steps = 0;
                        while until_end(&sim.clients[memcache].from).is_none() {
                            sim.step();
                            steps += 1;
                            assert!(steps < 1_000_000, "{what}: no reply");
                        }
                        let found = std::mem::take(&mut sim.clients[memcache].from).starts_with(b"VALUE");
                        assert!(if found { now <= *at } else { sim.now.ms() >= *at }, "{what}: {key} {found}, {at}");
                    }
                }
            }
            // Keys that nobody asks for go by themselves.
            sim.settle(&what);
            for _ in 0..200 {
                sim.advance(10_000);
                (0..8 * shards).for_each(|_| sim.step());
            }
            sim.settle(&what);
            let left: usize = sim.engines.iter().map(|e| e.store.len(DbId::ZERO)).sum();
            let expired = sim.engines.iter().map(|e| e.store.counters().expired).sum::<u64>() - began;
            let due = written - removed;
            assert!(
                left == 0 && (due - late..=due).contains(&expired),
                "{what}: {left} left, {expired} of {due} expired"
            );
            exactly += (late == 0) as u32;
        }
    }
    assert!(exactly > 0, "the seeds exercise what they are for");
}

/// While writes are paused none happens, reads go on; when the pause ends, or is ended, what waited happens.
#[test]
fn nothing_is_written_during_a_pause() {
    for seed in seeds(60) {
        for shards in SHARDS {
            let what = format!("TORC_SEED={seed}, {shards} shards");
            let mut sim = Sim::new(seed, shards);
            let mut rng = Rng(seed ^ 0x9A5E);
            let (admin, reader) =
                (sim.connect(rng.below(shards), Door::Resp), sim.connect(rng.below(shards), Door::Resp));
            let writers: Vec<usize> = (0..3).map(|_| sim.connect(rng.below(shards), Door::Resp)).collect();
            let memcache = sim.connect(rng.below(shards), Door::Memcache);
            ask(&mut sim, admin, &["MSET", "a", "0", "b", "0", "c", "0", "foo", "0"], &what);
            for round in 0..6 {
                sim.settle(&what);
                let (from, ms) = (sim.now.up_us, 20 + rng.below(50) as u64);
                let early = rng.chance(3);
                ask(&mut sim, admin, &["CLIENT", "PAUSE", &ms.to_string(), "WRITE"], &what);
                for (w, &client) in writers.iter().enumerate() {
                    let value = format!("{round}.{w}");
                    match rng.below(3) {
                        0 => sim.send(client, &resp(&["SET", "a", &value])),
                        1 => sim.send(client, &resp(&["MSET", "a", &value, "b", &value, "c", &value, "foo", &value])),
                        _ => sim.send(client, &resp(&["FLUSHALL"])),
                    }
                }
                sim.send(memcache, b"set foo 0 0 1\r\nm\r\n");
                let before = ask(&mut sim, reader, &["MGET", "a", "b", "c", "foo"], &what);
                loop {
                    let now = ask(&mut sim, reader, &["MGET", "a", "b", "c", "foo"], &what);
                    // It ends with a whole millisecond.
                    if sim.now.up_us >= from + (ms - 1) * 1000 {
                        break;
                    }
                    assert_eq!(now, before, "{what}: written during a pause");
                    for &client in writers.iter().chain([&memcache]) {
                        assert!(sim.clients[client].from.is_empty(), "{what}: answered during a pause");
                    }
                    if early && sim.now.up_us > from + ms * 400 {
                        ask(&mut sim, admin, &["CLIENT", "UNPAUSE"], &what);
                        break;
                    }
                    sim.advance(500);
                }
                for &client in &writers {
                    assert_eq!(reply(&mut sim, client, &what), Value::Simple(b"OK".to_vec()), "{what}");
                }
                sim.settle(&what);
                assert_eq!(std::mem::take(&mut sim.clients[memcache].from), b"STORED\r\n", "{what}");
            }
        }
    }
}
