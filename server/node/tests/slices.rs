//! Room: node, tests. No command holds a shard for long: what it does is counted, not timed. A node of engines without rings is asked
//! for work on large values, turn by turn. Of each turn it is counted how often memory is taken and given back, and how much of it is
//! moved because something grew or is given back as one piece; and a command must take as many turns as its work has slices.

use base::ShardId;
use base::slot::{SLOTS, slot_of};
use node::batch::Batch;
use node::clock::Now;
use node::config::Settings;
use node::engine::{Engine, Mail, Newcomer};
use node::log::{Level, Log};
use node::process::{Facts, Process};
use node::session::{Door, Peer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

/// Elements of a large collection.
const MANY: usize = 60_000;
/// Elements that a slice may work on at most: a turn for so many is a turn for some 200 µs.
const SLICE: usize = 2_000;
/// Calls of the allocator in a turn: some 20 ns each.
const CALLS_MAX: usize = 20_000;
/// Bytes that a turn moves because something grew, and that it gives back as single pieces: some 0.1 ms a MiB.
const MOVED_MAX: usize = 2 << 20;
const FREED_MAX: usize = 16 << 20;
/// Pieces below this are not counted by their bytes.
const PIECE_BYTES: usize = 1 << 17;

/// What a turn did.
#[derive(Clone, Copy, Default, Debug)]
struct Spent {
    calls: usize,
    moved: usize,
    freed: usize,
}

thread_local! {
    static SPENT: Cell<Spent> = const { Cell::new(Spent { calls: 0, moved: 0, freed: 0 }) };
}

fn spend(change: impl FnOnce(&mut Spent)) {
    // A thread that ends counts nothing any more.
    let _ = SPENT.try_with(|spent| {
        let mut now = spent.get();
        now.calls += 1;
        change(&mut now);
        spent.set(now);
    });
}

struct Counting;

// SAFETY: every call is the system allocator's, with the same arguments; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        spend(|_| {});
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        spend(|_| {});
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        spend(|spent| spent.freed += if layout.size() >= PIECE_BYTES { layout.size() } else { 0 });
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        spend(|spent| {
            spent.moved += if layout.size() >= PIECE_BYTES && size > layout.size() { layout.size() } else { 0 }
        });
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A node and one connection to its first shard.
struct Node {
    engines: Vec<Engine>,
    client: u32,
    now: Now,
}

/// How an ask went.
#[derive(Default, Debug)]
struct Ran {
    reply: Vec<u8>,
    turns: usize,
    worst: Spent,
}

impl Node {
    fn new(shards: usize) -> Node {
        let facts = Facts {
            run_id: "r".repeat(40),
            node_id: "0".repeat(40),
            started_unix_s: 1_790_000_000,
            kernel: "simulated".into(),
            total_memory: 1 << 30,
            executable: "sim".into(),
            cores: (0..shards).collect(),
            shard_port_base: 0,
            port: 6379,
            memcached_port: 11211,
        };
        let mut settings = Settings::default();
        settings.save = Vec::new();
        let process = Arc::new(Process::new(shards, facts, settings, Log::in_memory(Level::Warning), || 0));
        process.hash_with(1);
        let engine = |i| Engine::new(ShardId(i as u16), process.clone(), node::admin::serve, None, i as u64);
        let mut engines: Vec<Engine> = (0..shards).map(engine).collect();
        let now = Now { unix_us: 1_790_000_000_123_000, up_us: 1_000_000 };
        process.place_client(ShardId(0), true);
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let peer = Peer::Tcp { peer: address(20_000), local: address(6379) };
        engines[0].begin(now);
        let client = engines[0].open(Newcomer { fd: 1000, door: Door::Resp, peer });
        Node { engines, client, now }
    }

    /// Asks, and lets all of it be done, the freeing of what is left as well.
    fn ask(&mut self, words: &[&[u8]]) -> Ran {
        let mut ask = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            ask.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            ask.extend_from_slice(word);
            ask.extend_from_slice(b"\r\n");
        }
        let mut ran = Ran::default();
        self.turn(0, &mut ran, |engine, client| engine.received(client, &ask));
        let mut quiet = 0;
        // An ask that is buried in the end leaves nothing to be seen but `active`.
        while quiet < 3 {
            let mut settled = true;
            for shard in 0..self.engines.len() {
                self.turn(shard, &mut ran, |engine, _| engine.work());
                settled &= self.engines[shard].is_settled() && !self.engines[shard].active;
            }
            settled &= !self.post(&mut ran);
            quiet = if settled { quiet + 1 } else { 0 };
            ran.turns += usize::from(!settled);
        }
        ran
    }

    /// Does something on a shard, and counts it.
    fn turn(&mut self, shard: usize, ran: &mut Ran, work: impl FnOnce(&mut Engine, u32)) {
        self.now.unix_us += 10;
        self.now.up_us += 10;
        let engine = &mut self.engines[shard];
        engine.begin(self.now);
        engine.active = false;
        SPENT.set(Spent::default());
        work(engine, self.client);
        let spent = SPENT.get();
        ran.worst.calls = ran.worst.calls.max(spent.calls);
        ran.worst.moved = ran.worst.moved.max(spent.moved);
        ran.worst.freed = ran.worst.freed.max(spent.freed);
        for index in std::mem::take(&mut engine.dirty) {
            if let Some(out) = engine.take_out(index) {
                ran.reply.extend(out.to_vec());
                engine.sent(index, out);
            }
        }
        // Replies that leave by the connection's socket from where they were made.
        for lent in std::mem::take(&mut engine.lent) {
            ran.reply.extend(&lent.bytes);
            let sent = lent.bytes.len();
            engine.lent_sent(lent, sent);
        }
        engine.throttle.clear();
    }

    /// Brings all mail. True if there was some.
    fn post(&mut self, ran: &mut Ran) -> bool {
        let mut some = false;
        for from in 0..self.engines.len() {
            for to in 0..self.engines.len() {
                let mut batch: Batch<Mail> = std::mem::take(&mut self.engines[from].outbox[to]);
                if !batch.is_empty() {
                    some = true;
                    self.turn(to, ran, |engine, _| engine.mail(ShardId(from as u16), &mut batch));
                }
            }
        }
        some
    }

    fn ask_line(&mut self, line: &str) -> Ran {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.ask(&words)
    }

    /// Makes a collection of many elements.
    fn fill(&mut self, verb: &str, key: &str, element: impl Fn(usize) -> Vec<Vec<u8>>) {
        for from in (0..MANY).step_by(500) {
            let mut words: Vec<Vec<u8>> = vec![verb.into(), key.into()];
            (from..(from + 500).min(MANY)).for_each(|i| words.extend(element(i)));
            let words: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
            let reply = self.ask(&words).reply;
            assert_ne!(reply[0], b'-', "{}", String::from_utf8_lossy(&reply));
        }
    }
}

/// A key like this that lies on a shard of two.
fn key_on(shard: usize, name: &str) -> String {
    let lies = |key: &String| usize::from(slot_of(key.as_bytes()).0 >= SLOTS / 2) == shard;
    (0..).map(|i| format!("{name}{i}")).find(lies).expect("half of all keys lie there")
}

/// Keys that lie on one shard, or some of them on another.
struct Keys {
    list: String,
    set: String,
    other_set: String,
    hash: String,
    zset: String,
    other_zset: String,
    stream: String,
    geo: String,
    text: String,
    to: String,
}

/// What is asked, and how many slices that is at least. `{to}` is a key of nothing, or of what an ask before has left there.
const ASKS: &[(&str, usize)] = &[
    ("DUMP {list}", 10),
    ("DUMP {set}", 10),
    ("DUMP {hash}", 10),
    ("DUMP {zset}", 10),
    ("DUMP {stream}", 10),
    ("COPY {list} {to} REPLACE", 2 * MANY / SLICE),
    ("RENAME {to} {list}", 0),
    ("COPY {set} {to} REPLACE", 2 * MANY / SLICE),
    ("RENAME {to} {set}", 0),
    ("COPY {hash} {to} REPLACE", 2 * MANY / SLICE),
    ("RENAME {to} {hash}", 0),
    ("COPY {zset} {to} REPLACE", 2 * MANY / SLICE),
    ("RENAME {to} {zset}", 0),
    ("COPY {stream} {to} REPLACE", 10),
    ("RENAME {to} {stream}", 0),
    ("SORT {set} ALPHA", MANY / SLICE),
    ("SORT {list} ALPHA DESC STORE {to}", MANY / SLICE),
    ("SMEMBERS {set}", MANY / SLICE),
    ("LRANGE {list} 0 -1", MANY / SLICE),
    ("HGETALL {hash}", MANY / SLICE),
    ("ZRANGE {zset} 0 -1 WITHSCORES", MANY / SLICE),
    ("XRANGE {stream} - +", MANY / SLICE),
    ("SUNION {set} {other_set}", MANY / SLICE),
    ("SUNIONSTORE {to} {set} {other_set}", MANY / SLICE),
    ("SINTERSTORE {to} {set} {other_set}", MANY / SLICE),
    ("SDIFF {set} {other_set}", MANY / SLICE),
    ("SDIFFSTORE {to} {set} {other_set}", MANY / SLICE),
    ("SINTERCARD 2 {set} {other_set}", MANY / SLICE),
    ("ZUNIONSTORE {to} 2 {zset} {other_zset}", MANY / SLICE),
    ("ZINTERSTORE {to} 2 {zset} {other_zset}", MANY / SLICE),
    ("ZINTER 2 {zset} {other_zset} WITHSCORES", MANY / SLICE),
    ("ZDIFF 2 {zset} {other_zset}", MANY / SLICE),
    ("ZINTERCARD 2 {zset} {set}", MANY / SLICE),
    ("ZRANGESTORE {to} {zset} 0 -1", MANY / SLICE),
    ("GEOSEARCHSTORE {to} {geo} FROMLONLAT 0 0 BYRADIUS 20000 km ASC", 4 * MANY / SLICE),
    ("GEOSEARCH {geo} FROMLONLAT 0 0 BYRADIUS 20000 km DESC WITHDIST", 3 * MANY / SLICE),
    ("GEOSEARCH {geo} FROMLONLAT 0 0 BYRADIUS 20000 km COUNT 10", MANY / SLICE),
    ("GEORADIUS {geo} 0 0 20000 km ASC", 3 * MANY / SLICE),
    ("BITOP NOT {to} {text}", 4),
    ("BITCOUNT {text}", 0),
    ("DEL {to}", 0),
    ("SETRANGE {to} 12000000 x", 0),
    ("GETRANGE {to} 0 10000000", 0),
    ("DEL {to}", 0),
    // A comparison is a few nanoseconds.
    ("LREM {list} 0 nothing", 4),
    ("LTRIM {list} 10 20", 0),
    ("XTRIM {stream} MAXLEN 10", 0),
    ("DEL {set} {hash} {zset} {other_set} {other_zset} {geo} {text}", 0),
];

fn check(shards: usize, keys: &Keys) {
    let mut node = Node::new(shards);
    let element = |i: usize| format!("element {:07}", i.wrapping_mul(7919) % MANY).into_bytes();
    let number = |i: usize| i.to_string().into_bytes();
    node.fill("RPUSH", &keys.list, |i| vec![element(i)]);
    node.fill("SADD", &keys.set, |i| vec![element(i)]);
    node.fill("SADD", &keys.other_set, |i| vec![element(i / 2)]);
    node.fill("HSET", &keys.hash, |i| vec![element(i), number(i)]);
    node.fill("ZADD", &keys.zset, |i| vec![number(i), element(i)]);
    node.fill("ZADD", &keys.other_zset, |i| vec![number(i), element(i / 2)]);
    let place = |i: usize| [i % 360, i / 360 % 160].map(|at| (at as f64 - 80.0).min(179.0).to_string().into_bytes());
    node.fill("GEOADD", &keys.geo, |i| place(i).into_iter().chain([element(i)]).collect());
    for i in 0..MANY {
        node.ask_line(&format!("XADD {} {}-1 field value", keys.stream, i + 1));
    }
    node.ask(&[b"SET", keys.text.as_bytes(), &vec![b'x'; 8 << 20]]);
    let all = [
        ("{list}", &keys.list),
        ("{set}", &keys.set),
        ("{other_set}", &keys.other_set),
        ("{hash}", &keys.hash),
        ("{zset}", &keys.zset),
        ("{other_zset}", &keys.other_zset),
        ("{stream}", &keys.stream),
        ("{geo}", &keys.geo),
        ("{text}", &keys.text),
        ("{to}", &keys.to),
    ];
    let mut bad = Vec::new();
    let mut judge = |ask: &str, slices: usize, ran: &Ran| {
        let Ran { turns, worst, reply } = ran;
        println!("{turns:6} turns, at most {worst:?}: {ask}");
        assert_ne!(reply[0], b'-', "{ask}: {}", String::from_utf8_lossy(reply));
        if *turns < slices || worst.calls > CALLS_MAX || worst.moved > MOVED_MAX || worst.freed > FREED_MAX {
            bad.push(format!("{ask}: {turns} turns of at least {slices}, {worst:?}"));
        }
    };
    for (ask, slices) in ASKS {
        let line = all.iter().fold(ask.to_string(), |line, (name, key)| line.replace(name, key));
        let ran = node.ask_line(&line);
        judge(ask, *slices, &ran);
        if let Some(dumped) = ask.strip_prefix("DUMP ") {
            let start = ran.reply.windows(2).position(|two| two == b"\r\n").expect("a bulk has a head") + 2;
            let payload = &ran.reply[start..ran.reply.len() - 2];
            let ran = node.ask(&[b"RESTORE", keys.to.as_bytes(), b"0", payload, b"REPLACE"]);
            let slices = if dumped == "{stream}" { 10 } else { MANY / SLICE };
            judge(&format!("RESTORE of {dumped}"), slices, &ran);
            // A list may be cut otherwise, and a table lie in another order.
            let mut read = |key: &str| match dumped {
                "{list}" => node.ask_line(&format!("LRANGE {key} 0 -1")).reply,
                "{set}" => in_order(&node.ask_line(&format!("SMEMBERS {key}")).reply),
                "{hash}" => in_order(&node.ask_line(&format!("HGETALL {key}")).reply),
                _ => node.ask_line(&format!("DUMP {key}")).reply,
            };
            let source = line.strip_prefix("DUMP ").expect("it is a DUMP");
            assert!(read(&keys.to) == read(source), "{dumped} comes back as it was");
        }
    }
    assert!(bad.is_empty(), "over {shards} shards:\n{}", bad.join("\n"));
}

fn in_order(reply: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = reply.split(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    lines.concat()
}

#[test]
fn work_on_one_shard_goes_in_slices() {
    let key = |name: &str| key_on(0, name);
    let keys = Keys {
        list: key("list"),
        set: key("set"),
        other_set: key("other:set"),
        hash: key("hash"),
        zset: key("zset"),
        other_zset: key("other:zset"),
        stream: key("stream"),
        geo: key("geo"),
        text: key("text"),
        to: key("to"),
    };
    check(1, &keys);
}

#[test]
fn work_over_shards_goes_in_slices() {
    let keys = Keys {
        list: key_on(0, "list"),
        set: key_on(1, "set"),
        other_set: key_on(0, "other:set"),
        hash: key_on(0, "hash"),
        zset: key_on(1, "zset"),
        other_zset: key_on(0, "other:zset"),
        stream: key_on(0, "stream"),
        geo: key_on(0, "geo"),
        text: key_on(0, "text"),
        to: key_on(1, "to"),
    };
    check(2, &keys);
}
