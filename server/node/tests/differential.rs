//! Room: node, tests. Random asks from a printed seed, over every command on data, to live nodes of 1 and 2 shards and to a
//! genuine redis-server (7.2 or later): all must answer the same, over RESP2 and RESP3, and hold the same afterwards.
//!
//!     TORC_DIFF_REDIS=127.0.0.1:6379 cargo test --profile quick -p node --test differential -- --nocapture
//!
//! The server named loses its data; with `enable-debug-command yes` digests are compared too. `TORC_DIFF_SECONDS` is how long (10),
//! `TORC_SEED` replays a run. A script that ends in a difference is cut down to the asks that it needs.
//!
//! Templates stand in `differential/asks.txt`: a word is itself, `{x}` something drawn, `{x y}*` some pairs, `[...]` may be left
//! out, `(a|b)` is one of them. One ask in twenty then loses, doubles or swaps a word.
//!
//! What comes in no order is compared as a set, what is drawn at random by what must hold of it, times within a tolerance.

mod live;

#[path = "differential/asks.rs"]
mod asks;
#[path = "differential/compare.rs"]
mod compare;

use asks::{Ask, Asks};
use cases::Value;
use cases::run::request;
use cases::text::escape;
use compare::{Kind, kind_of, same};
use live::Server;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Asks of one round; each begins with nothing.
const ASKS_A_ROUND: usize = 400;
/// Asks sent at once.
const PIPELINE: usize = 16;
/// So many scripts are cut down and shown before a run ends.
const DIFFERENCES_MAX: usize = 25;

/// How a difference begins that no reply showed.
const AFTERWARDS: &str = "afterwards: ";

/// One server under test and a connection to it.
struct Peer {
    name: String,
    address: String,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Peer {
    fn new(name: &str, address: &str) -> Peer {
        let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{name} at {address}: {e}"));
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        Peer { name: name.into(), address: address.into(), stream, buffer: Vec::new() }
    }

    fn send(&mut self, asks: &[Ask]) {
        let bytes: Vec<u8> = asks.iter().flat_map(|ask| request(ask)).collect();
        self.stream.write_all(&bytes).unwrap_or_else(|e| panic!("{}: {e}", self.name));
    }

    fn receive(&mut self) -> Result<Value, String> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            if let Some((value, used)) = Value::decode(&self.buffer).map_err(|e| format!("{}: {e}", self.name))? {
                self.buffer.drain(..used);
                return Ok(value);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(format!("{} hung up", self.name)),
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("{}: no reply: {e}", self.name)),
            }
        }
    }

    fn ask(&mut self, words: &[&[u8]]) -> Result<Value, String> {
        self.send(&[words.iter().map(|w| w.to_vec()).collect()]);
        self.receive()
    }

    /// A new connection to an empty server.
    fn fresh(&mut self, proto: u8) {
        *self = Peer::new(&self.name, &self.address);
        let expect_ok = |value| assert!(!matches!(value, Ok(Value::Error(_)) | Err(_)), "{value:?}");
        expect_ok(self.ask(&[b"HELLO", if proto == 3 { b"3" } else { b"2" }]));
        expect_ok(self.ask(&[b"FLUSHALL"]));
    }
}

/// The genuine server first.
struct Peers(Vec<Peer>);

impl Peers {
    /// One ask, to all.
    fn all(&mut self, words: &[&[u8]]) -> Result<Vec<Value>, String> {
        self.0.iter_mut().map(|peer| peer.ask(words)).collect()
    }

    fn compare(&self, ask: &[Vec<u8>], kind: Kind, values: &[Value]) -> Result<(), String> {
        for (peer, value) in self.0.iter().zip(values).skip(1) {
            if !same(kind, &values[0], value) {
                let (a, b) = (values[0].render(), value.render());
                return Err(format!("{}\n  {}: {a}\n  {}: {b}", show(ask), self.0[0].name, peer.name));
            }
        }
        Ok(())
    }

    /// Plays a script from nothing. Err: the first difference, and how many asks it took. The genuine server's DUMPs are kept.
    fn play(&mut self, script: &[Ask], proto: u8, dumps: &mut Vec<Vec<u8>>) -> Result<(), (usize, String)> {
        self.0.iter_mut().for_each(|peer| peer.fresh(proto));
        let mut done = 0;
        while done < script.len() {
            let alone = |ask: &Ask| matches!(kind_of(ask), Kind::Drawn | Kind::Scan | Kind::NewId | Kind::Claim);
            let batch = match script[done..].iter().take(PIPELINE).position(alone) {
                Some(0) => {
                    self.alone(&script[done]).map_err(|text| (done + 1, text))?;
                    done += 1;
                    continue;
                }
                Some(n) => n,
                None => PIPELINE.min(script.len() - done),
            };
            let asks = &script[done..done + batch];
            self.0.iter_mut().for_each(|peer| peer.send(asks));
            // All replies are taken first: what is still under way would be done to the next script's keys.
            let mut replies = Vec::new();
            for (n, ask) in asks.iter().enumerate() {
                let values: Result<Vec<Value>, String> = self.0.iter_mut().map(Peer::receive).collect();
                replies.push(values.map_err(|text| (done + n + 1, format!("{}\n  {text}", show(ask))))?);
            }
            for (ask, values) in asks.iter().zip(replies) {
                done += 1;
                for value in &values {
                    if let (Kind::Dump, Value::Bulk(bytes)) = (kind_of(ask), value) {
                        dumps.push(bytes.clone());
                    }
                }
                self.compare(ask, kind_of(ask), &values).map_err(|text| (done, text))?;
            }
        }
        self.compare_state().map_err(|text| (done, text))
    }

    /// What cannot be compared by the reply alone.
    fn alone(&mut self, ask: &Ask) -> Result<(), String> {
        let words: Vec<&[u8]> = ask.iter().map(|w| &w[..]).collect();
        let mut values = self.all(&words)?;
        let failed = values.iter().any(|v| matches!(v, Value::Error(_) | Value::Nil | Value::NilArray));
        let from_start = |at: usize| ask.get(at).is_some_and(|cursor| cursor == b"0");
        match kind_of(ask) {
            // Where a cursor that was made up leads to is nobody's promise.
            Kind::Scan if !from_start(usize::from(!ask[0].eq_ignore_ascii_case(b"SCAN")) + 1) => Ok(()),
            kind if failed && kind != Kind::Claim => self.compare(ask, Kind::Exact, &values),
            Kind::Scan => {
                for (peer, value) in self.0.iter_mut().zip(&mut values) {
                    *value = scanned(peer, ask, value)?;
                }
                self.compare(ask, Kind::Scan, &values)
            }
            // Redis may have failed for its memory, and not made the consumer: what was asked of goes.
            Kind::Claim => {
                self.compare(ask, Kind::Claim, &values)?;
                self.all(&[b"DEL", words[1]]).map(drop)
            }
            // The id is of the moment: what it was given to goes.
            Kind::NewId => {
                let lengths = self.all(&[b"XLEN", words[1]])?;
                self.compare(ask, Kind::Exact, &lengths)?;
                self.all(&[b"DEL", words[1]]).map(drop)
            }
            _ => self.drawn(ask, &values),
        }
    }

    /// Random members: as many as the genuine server gave, each of them held, none twice unless the count was negative.
    fn drawn(&mut self, ask: &Ask, values: &[Value]) -> Result<(), String> {
        let verb = ask[0].to_ascii_uppercase();
        let whole: &[u8] = match &verb[..] {
            b"RANDOMKEY" => return Ok(()),
            b"SRANDMEMBER" => b"SMEMBERS",
            b"HRANDFIELD" => b"HGETALL",
            b"ZRANDMEMBER" => b"ZRANGE",
            _ => b"",
        };
        let key = &ask[1];
        let flat: Vec<Vec<Value>> = values.iter().map(compare::flat).collect();
        let bad = |why: &str| {
            let all: Vec<String> = values.iter().map(Value::render).collect();
            Err(format!("{}\n  {why}\n  {}", show(ask), all.join("\n  ")))
        };
        if flat.iter().any(|f| f.len() != flat[0].len()) {
            return bad("not as many");
        }
        if whole.is_empty() {
            // SPOP: what is left is as much everywhere; then it goes, so that all hold the same again.
            for (peer, taken) in self.0.iter_mut().zip(&flat) {
                let left = peer.ask(&[b"SMEMBERS", key])?;
                if compare::flat(&left).iter().any(|m| taken.contains(m)) {
                    return bad("what was taken is still there");
                }
            }
            let left = self.all(&[b"SCARD", key])?;
            self.compare(ask, Kind::Exact, &left)?;
            return self.all(&[b"DEL", key]).map(drop);
        }
        let held = match whole {
            b"ZRANGE" => self.0[0].ask(&[whole, key, b"0", b"-1", b"WITHSCORES"])?,
            _ => self.0[0].ask(&[whole, key])?,
        };
        let held = compare::flat(&held);
        let distinct = ask.get(2).is_some_and(|count| !count.starts_with(b"-")) && ask.len() == 3;
        for members in &flat {
            if !members.iter().all(|m| held.contains(m)) {
                return bad("not of the members");
            }
            if distinct && members.iter().enumerate().any(|(i, m)| members[..i].contains(m)) {
                return bad("twice");
            }
        }
        Ok(())
    }

    /// All that the servers hold.
    fn compare_state(&mut self) -> Result<(), String> {
        for db in [&b"0"[..], b"1"] {
            self.all(&[b"SELECT", db])?;
            let keys = self.all(&[b"KEYS", b"*"])?;
            self.compare(&[b"KEYS".to_vec(), b"*".to_vec()], Kind::Unordered, &keys)?;
            for key in compare::flat(&keys[0]) {
                let Value::Bulk(key) = key else { continue };
                self.compare_key(&key)?;
            }
        }
        Ok(())
    }

    fn compare_key(&mut self, key: &[u8]) -> Result<(), String> {
        let kind = self.0[0].ask(&[b"TYPE", key])?;
        let read: Vec<&[u8]> = match &kind {
            Value::Simple(name) => match &name[..] {
                b"string" => vec![b"GET", key],
                b"list" => vec![b"LRANGE", key, b"0", b"-1"],
                b"set" => vec![b"SMEMBERS", key],
                b"hash" => vec![b"HGETALL", key],
                b"zset" => vec![b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
                _ => vec![b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"],
            },
            _ => return Ok(()),
        };
        for words in [&read[..], &[b"TYPE", key], &[b"OBJECT", b"ENCODING", key], &[b"PEXPIRETIME", key]] {
            let ask: Ask = words.iter().map(|w| w.to_vec()).collect();
            let values = self.all(words)?;
            self.compare(&ask, kind_of(&ask), &values).map_err(|text| format!("{AFTERWARDS}{text}"))?;
        }
        // What a node wrote, the genuine server reads, and the other way round.
        let dumps = self.all(&[b"DUMP", key])?;
        if dumps.contains(&Value::Nil) {
            // Its time may be over, within milliseconds of each other.
            std::thread::sleep(Duration::from_millis(50));
            let left = self.all(&[b"EXISTS", key])?;
            let gone = left.iter().all(|left| *left == Value::Int(0));
            return if gone { Ok(()) } else { Err(format!("DUMP {}: {dumps:?}, EXISTS: {left:?}", escape(key))) };
        }
        let genuine = self.0[0].ask(&read)?;
        let mut other = read.clone();
        let at = read.iter().position(|w| *w == key).expect("the key is read");
        other[at] = b"differential:restored";
        let ask: Ask = read.iter().map(|w| w.to_vec()).collect();
        for (n, dump) in dumps.iter().enumerate() {
            let Value::Bulk(dump) = dump else { return Err(format!("DUMP {}: {dump:?}", escape(key))) };
            let reader = if n == 0 { 1 } else { 0 };
            let told = self.0[reader].ask(&[b"RESTORE", other[at], b"0", dump, b"REPLACE"])?;
            let found = self.0[reader].ask(&other)?;
            if !same(kind_of(&ask), &genuine, &found) {
                return Err(format!(
                    "{AFTERWARDS}restored on {} from {}'s dump \"{}\" of {}: {}\n  was {}\n  is {}",
                    self.0[reader].name,
                    self.0[n].name,
                    escape(dump),
                    escape(key),
                    told.render(),
                    genuine.render(),
                    found.render()
                ));
            }
            self.0[reader].ask(&[b"DEL", other[at]])?;
        }
        Ok(())
    }

    /// The fewest asks that still end in a difference.
    fn shrink(&mut self, mut script: Vec<Ask>, proto: u8, mut text: String) -> (Vec<Ask>, String) {
        let end = Instant::now() + Duration::from_secs(30);
        let mut step = script.len().div_ceil(2);
        while Instant::now() < end {
            let mut at = 0;
            let before = script.len();
            while at < script.len() && Instant::now() < end {
                let mut less = script.clone();
                less.drain(at..(at + step).min(script.len()));
                match self.play(&less, proto, &mut Vec::new()) {
                    Err((taken, found)) => {
                        less.truncate(taken);
                        (script, text) = (less, found);
                    }
                    Ok(()) => at += step,
                }
            }
            if step == 1 && script.len() == before {
                break;
            }
            step = step.div_ceil(2);
        }
        (script, text)
    }
}

/// A whole walk, begun by `first`.
fn scanned(peer: &mut Peer, ask: &Ask, first: &Value) -> Result<Value, String> {
    let at = usize::from(!ask[0].eq_ignore_ascii_case(b"SCAN"));
    let (mut ask, mut all, mut page) = (ask.clone(), Vec::new(), first.clone());
    let pairs = matches!(&ask[0].to_ascii_uppercase()[..], b"HSCAN" | b"ZSCAN");
    for _ in 0..100_000 {
        let Value::Array(two) = &page else { return Err(format!("{}: {}", show(&ask), page.render())) };
        let [Value::Bulk(cursor), Value::Array(found)] = &two[..] else {
            return Err(format!("{}: {}", show(&ask), page.render()));
        };
        match pairs {
            true => all.extend(found.chunks(2).map(|pair| Value::Array(pair.to_vec()))),
            false => all.extend(found.iter().cloned()),
        }
        if cursor == b"0" {
            all.sort_by_key(Value::render);
            all.dedup();
            return Ok(Value::Array(all));
        }
        ask[at + 1].clone_from(cursor);
        let words: Vec<&[u8]> = ask.iter().map(|w| &w[..]).collect();
        page = peer.ask(&words)?;
    }
    Err(format!("{}: the walk does not end", show(&ask)))
}

fn show(ask: &[Vec<u8>]) -> String {
    ask.iter().map(|w| format!("\"{}\"", escape(w))).collect::<Vec<_>>().join(" ")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn a_genuine_server_answers_alike() {
    let Some(redis) = std::env::var("TORC_DIFF_REDIS").ok().filter(|address| !address.is_empty()) else {
        println!("skipped: TORC_DIFF_REDIS names no server");
        return;
    };
    let seed = number("TORC_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64));
    println!("TORC_SEED={seed}");
    let end = Instant::now() + Duration::from_secs(number("TORC_DIFF_SECONDS").unwrap_or(10));
    let servers = [Server::start(1), Server::start(2)];
    let mut peers = Peers(vec![
        Peer::new("redis", &redis),
        Peer::new("torc, 1 shard", &servers[0].resp),
        Peer::new("torc, 2 shards", &servers[1].resp),
    ]);
    let mut asks = Asks::new(seed);
    let (mut rounds, mut seen) = (0, Vec::new());
    let mut differences = 0;
    while Instant::now() < end && seen.len() < DIFFERENCES_MAX {
        let proto = 2 + (rounds % 2) as u8;
        rounds += 1;
        let mut script: Vec<Ask> = (0..ASKS_A_ROUND).map(|_| asks.draw()).collect();
        let mut dumps = Vec::new();
        // A difference is told once for each verb and kind of reply; the rest of the round is played without it.
        while let Err((taken, text)) = peers.play(&script, proto, &mut dumps) {
            differences += 1;
            let sign = signature(&text);
            if !seen.contains(&sign) {
                seen.push(sign);
                let again = peers.play(&script[..taken], proto, &mut Vec::new()).is_err();
                println!("-- round {rounds}, RESP{proto}{}: {text}", if again { "" } else { ", not seen again" });
                let (short, text) = peers.shrink(script[..taken].to_vec(), proto, text.clone());
                let shown: Vec<String> = short.iter().map(|ask| show(ask)).collect();
                println!("-- cut down to\n{}\n=> {text}", shown.join("\n"));
            }
            // Where only what they hold differs, no one ask is at fault.
            if Instant::now() > end || text.starts_with(AFTERWARDS) {
                break;
            }
            script.remove(taken - 1);
        }
        asks.keep(dumps);
    }
    println!("{rounds} rounds of {ASKS_A_ROUND} asks, {differences} differences of {} kinds", seen.len());
    assert!(differences == 0, "TORC_SEED={seed}: {differences} differences");
}

/// Two differences are of one kind where the verb and the beginnings of the replies are the same.
fn signature(text: &str) -> String {
    let line = |(n, line): (usize, &str)| match n {
        0 => line.split(' ').next().unwrap_or("").to_ascii_uppercase(),
        _ => line.split(": ").nth(1).unwrap_or(line).chars().take(12).collect(),
    };
    text.lines().enumerate().map(line).collect::<Vec<String>>().join(" ")
}

/// No command on data is left out.
#[test]
fn every_command_has_a_template() {
    // Later than Redis 7.2, of no data, or tested elsewhere since they bring what no two servers have alike.
    const LEFT_OUT: &[&str] = &["migrate", "pfselftest", "waitaof"];
    let verbs = Asks::new(1).verbs();
    let groups = ["string", "generic", "list", "set", "hash", "sorted-set", "stream", "geo", "bitmap", "hyperloglog"];
    let missing: Vec<&str> = command::table::commands()
        .filter(|row| groups.contains(&row.docs.group) && !row.docs.since.starts_with(['8', '9']))
        .filter(|row| !row.docs.since.starts_with("7.4"))
        .map(|row| row.name)
        .filter(|name| !name.contains('|') && !LEFT_OUT.contains(name) && !verbs.iter().any(|verb| verb == name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
