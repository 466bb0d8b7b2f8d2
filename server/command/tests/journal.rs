//! Random asks of every family from a seed, on stores with a journal: what it says, replayed on an empty store that
//! packs otherwise, makes the same data. `TORC_SEED` replays a run, `TORC_ASKS` makes it longer. (Every transcript is
//! followed in the same way: `common`.)

mod common;

use cases::run::Ask;
use cases::{Dialect, Target};
use common::Handlers;
use store::hash::HashCell;
use store::{Deadline, Put, Store, StoreOptions};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// `K`: a key of any type; `S L H Z T X` one that is mostly a string, list, hash, sorted set, set (`T`), stream (`X`).
/// `M` a member, `V` a value, `N` a small number, `F` a score, `I` an id, `G` a group, `C` a consumer, `P` a time to live in ms.
/// With `+` some of them.
const ASKS: &[&str] = &[
    "SET S V",
    "SET S V PX P",
    "SET S V KEEPTTL",
    "GETDEL S",
    "GETEX S PX P",
    "GETEX S PERSIST",
    "GETSET S V",
    "SETNX S V",
    "APPEND S V",
    "SETRANGE S N V",
    "INCRBY S N",
    "INCRBYFLOAT S F",
    "MSET S V S V S V",
    "MSETNX S V S V",
    "SETBIT S N 1",
    "BITFIELD S SET u8 N N INCRBY i5 9 N",
    "BITOP XOR S S S",
    "PFADD S M+",
    "PFADD K M+",
    "PFMERGE S S S",
    "PFCOUNT S S",
    "DEL K K",
    "UNLINK K",
    "RENAME K K",
    "RENAMENX K K",
    "COPY K K REPLACE",
    "COPY K K DB 1 REPLACE",
    "MOVE K 1",
    "SELECT 0",
    "SELECT 1",
    "PEXPIRE K P",
    "PEXPIRE K P GT",
    "PERSIST K",
    "EXPIREAT K 1",
    "SORT K ALPHA STORE K",
    "SORT L BY nosort STORE L",
    "TOUCH K",
    "TYPE K",
    "OBJECT ENCODING K",
    "LPUSH L V+",
    "RPUSH L V+",
    "RPUSH L V+",
    "RPUSHX L V",
    "LPOP L",
    "RPOP L N",
    "LPOP L N",
    "LSET L N V",
    "LSET L -1 V",
    "LINSERT L BEFORE V V",
    "LINSERT L AFTER V V",
    "LREM L N V",
    "LREM L -2 V",
    "LTRIM L N -2",
    "LMOVE L L LEFT RIGHT",
    "LMOVE L L RIGHT RIGHT",
    "RPOPLPUSH L L",
    "LMPOP 2 L L LEFT COUNT N",
    "SADD T M+",
    "SADD T M+",
    "SADD T N+",
    "SREM T M+",
    "SPOP T",
    "SPOP T N",
    "SPOP T 20",
    "SMOVE T T M",
    "SINTERSTORE T T T",
    "SUNIONSTORE T T T",
    "SDIFFSTORE K T T",
    "HSET H M V",
    "HSET H M V M V M V",
    "HSET H M V M V M V M V M V",
    "HMSET H M V",
    "HSETNX H M V",
    "HINCRBY H M N",
    "HINCRBYFLOAT H M F",
    "HDEL H M+",
    "HPEXPIRE H P FIELDS 2 M M",
    "HPERSIST H FIELDS 1 M",
    "HGETDEL H FIELDS 2 M M",
    "HGETEX H PX P FIELDS 1 M",
    "HSETEX H PX P FIELDS 2 M V M V",
    "HSETEX H KEEPTTL FIELDS 1 M V",
    "HGETALL H",
    "ZADD Z F M F M F M",
    "ZADD Z F M",
    "ZADD Z GT F M",
    "ZADD Z XX LT F M",
    "ZINCRBY Z F M",
    "ZREM Z M+",
    "ZPOPMIN Z",
    "ZPOPMAX Z N",
    "ZMPOP 2 Z Z MAX COUNT N",
    "ZREMRANGEBYRANK Z N -2",
    "ZREMRANGEBYRANK Z 0 N",
    "ZREMRANGEBYSCORE Z F F",
    "ZREMRANGEBYLEX Z [b [q",
    "ZUNIONSTORE Z 2 Z T",
    "ZINTERSTORE Z 2 Z Z WEIGHTS 2 F",
    "ZDIFFSTORE K 2 Z Z",
    "ZRANGESTORE Z Z 0 N",
    "GEOADD Z 13.3 38.1 M 15.0 37.5 M",
    "GEOSEARCHSTORE Z Z FROMLONLAT 15 37 BYRADIUS 200 km",
    "XADD X * M V",
    "XADD X * M V M V",
    "XADD X I M V",
    "XADD X MAXLEN N * M V",
    "XADD X MAXLEN ~ N * M V",
    "XTRIM X MAXLEN N",
    "XTRIM X MINID I",
    "XTRIM X MAXLEN ~ 3",
    "XDEL X I",
    "XSETID X 99999-0 ENTRIESADDED 50 MAXDELETEDID 4-0",
    "XGROUP CREATE X G 0 MKSTREAM",
    "XGROUP CREATE X G $",
    "XGROUP SETID X G I",
    "XGROUP DESTROY X G",
    "XGROUP CREATECONSUMER X G C",
    "XGROUP DELCONSUMER X G C",
    "XREADGROUP GROUP G C COUNT N STREAMS X >",
    "XREADGROUP GROUP G C STREAMS X >",
    "XREADGROUP GROUP G C NOACK COUNT 1 STREAMS X >",
    "XREADGROUP GROUP G C COUNT 3 STREAMS X 0",
    "XREADGROUP GROUP G C STREAMS X X > >",
    "XACK X G I I I",
    "XCLAIM X G C 0 I I I",
    "XCLAIM X G C 0 I FORCE RETRYCOUNT N JUSTID LASTID I",
    "XAUTOCLAIM X G C 0 0 COUNT N",
];
const VALUES: &[&str] = &[
    "",
    "1",
    "12",
    "-5",
    "9223372036854775807",
    "1.5",
    "abc",
    "hello world",
    "a\0b\r\n",
    "a value that is longer than what the usual thresholds let stay packed, which is 64 bytes",
];
const MEMBERS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "1",
    "2",
    "3",
    "-70000",
    "member number one",
    "a member that is longer than what the usual thresholds let stay packed: 64",
];
const NUMBERS: &[&str] = &["0", "1", "2", "3", "5", "7", "12", "-1"];
const SCORES: &[&str] = &["0", "-0", "1", "2.5", "-3", "1e17", "0.1", "inf", "-inf", "7"];
const LIVES: &[&str] = &["1", "3", "50", "400", "100000"];
const IDS: &[&str] = &["1-1", "2-1", "2-2", "3-1", "4-1", "5-1", "6-1", "9-1", "12-1"];

fn ask(random: &mut Random) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    for part in random.pick(ASKS).split(' ') {
        let times = if part.ends_with('+') { 1 + random.below(12) } else { 1 };
        for _ in 0..times {
            let kind = part.trim_end_matches('+');
            let text = match kind {
                "K" | "S" | "L" | "H" | "Z" | "T" | "X" => {
                    // Now and then the wrong type.
                    let kind = if kind == "K" || random.below(40) == 0 {
                        random.pick(&["S", "L", "H", "Z", "T", "X"])
                    } else {
                        kind
                    };
                    format!("{}{}", kind.to_lowercase(), random.below(3))
                }
                "M" if random.below(3) == 0 => format!("m{}", random.below(700)),
                "V" if random.below(50) == 0 => "long".repeat(6_000),
                "M" => random.pick(MEMBERS).into(),
                "V" => random.pick(VALUES).into(),
                "N" => random.pick(NUMBERS).into(),
                "F" => random.pick(SCORES).into(),
                "P" => random.pick(LIVES).into(),
                "I" => random.pick(IDS).into(),
                "G" => random.pick(&["g", "h"]).into(),
                "C" => random.pick(&["alice", "bob", ""]).into(),
                fixed => fixed.into(),
            };
            words.push(text.into_bytes());
        }
    }
    words
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn seed() -> u64 {
    let seed = number("TORC_SEED").unwrap_or(0x70_72_63);
    println!("TORC_SEED={seed}");
    seed
}

#[test]
fn effects_make_the_same_data() {
    let mut random = Random(seed());
    let rounds = number("TORC_ASKS").unwrap_or(30_000) / 500;
    let (mut records, mut bytes) = (0, 0);
    for round in 0..rounds {
        let mut handlers = Handlers::new(if round % 2 == 0 { 1 } else { 3 });
        handlers.reset().expect("empty stores");
        handlers.open("", Dialect::Resp, 2).expect("a connection");
        let policy = ["noeviction", "allkeys-lru", "allkeys-lfu"][round as usize % 3];
        let tune = ["CONFIG", "SET", "maxmemory-policy", policy].map(|word| word.as_bytes().to_vec());
        handlers.send("", Ask::Words(&tune)).expect("it has the setting");
        for _ in 0..500 {
            let words = ask(&mut random);
            let _ = handlers.send("", Ask::Words(&words));
            handlers.receive("", 0);
            if random.below(3) == 0 {
                handlers.wait(random.below(3) as u64);
            }
            match random.below(120) {
                0 => handlers.keep_house(1 + random.below(3), |_| {}),
                1..8 => handlers.keep_house(0, |_| {}),
                8 => handlers.keep_house(0, |store| store.swap(base::DbId(0), base::DbId(1))),
                9 if random.below(4) == 0 => handlers.keep_house(0, |store| store.flush(base::DbId(1))),
                10 => handlers.keep_house(0, |store| {
                    let now_ms = 1_790_000_000_123;
                    let mut cell = store.cell(base::DbId(0), b"s0", now_ms);
                    cell.set_flags(7);
                    cell.version();
                    cell.put(b"again", Put { flags: 9, ..Put::default() });
                }),
                _ => {}
            }
        }
        for follower in handlers.follow_up() {
            records += follower.records;
            bytes += follower.bytes;
        }
    }
    println!("{records} records of {} bytes", bytes / records.max(1));
    assert!(records as u64 > rounds * 100, "most asks change something");
}

/// Work that goes over several slices.
#[test]
fn large_work_is_followed() {
    let many = |verb: &str, n: usize, each: &dyn Fn(usize) -> String| {
        let parts: Vec<String> = (0..n).map(each).collect();
        format!("{verb} {}", parts.join(" "))
    };
    let mut asks = vec![
        many("SADD t", 3000, &|n| format!("m{n}")),
        many("SADD u", 3000, &|n| format!("{n}")),
        many("SADD ints", 400, &|n| format!("{n}")),
        "SUNIONSTORE v t u".into(),
        "SUNIONSTORE w ints".into(),
        "SUNIONSTORE ints t".into(),
        "SPOP v 5000".into(),
        "SPOP u 2990".into(),
        "SPOP t 3000".into(),
        many("ZADD z", 3000, &|n| format!("{} m{n}", n % 70)),
        many("ZADD y", 3000, &|n| format!("{} n{n}", n % 70)),
        "ZUNIONSTORE x 2 z y".into(),
        "ZUNIONSTORE z 2 z y".into(),
        "ZREMRANGEBYRANK x 5 5000".into(),
        "ZPOPMAX z 2000".into(),
        "ZREMRANGEBYSCORE z 3 40".into(),
        "ZRANGESTORE y z 0 -1".into(),
        many("RPUSH l", 5000, &|n| format!("e{}", n % 7)),
        "LREM l 900 e3".into(),
        "LREM l -900 e4".into(),
        "LTRIM l 100 3000".into(),
        "LPOP l 1500".into(),
        "LREM l 0 e5".into(),
        "SORT l ALPHA STORE s".into(),
        many("HSET h", 3000, &|n| format!("f{n} v")),
        many("HPEXPIRE h 5 FIELDS 1500", 1500, &|n| format!("f{n}")),
        many("HDEL h", 1000, &|n| format!("f{}", n + 1000)),
        "XGROUP CREATE str g 0 MKSTREAM".into(),
    ];
    asks.extend((1..700).map(|n| format!("XADD str {n}-1 f v")));
    asks.extend([
        "XREADGROUP GROUP g a COUNT 680 STREAMS str >".to_owned(),
        "XAUTOCLAIM str g b 0 0 COUNT 640".into(),
        many("XACK str g", 620, &|n| format!("{n}-1")),
        "XTRIM str MAXLEN 650".into(),
        many("XDEL str", 600, &|n| format!("{}-1", n + 60)),
        "XREADGROUP GROUP g b STREAMS str 0".into(),
        "XGROUP DELCONSUMER str g a".into(),
        "XGROUP DESTROY str g".into(),
    ]);
    for shards in [1, 3] {
        let mut handlers = Handlers::new(shards);
        handlers.reset().expect("empty stores");
        handlers.open("", Dialect::Resp, 2).expect("a connection");
        for (n, ask) in asks.iter().enumerate() {
            let words: Vec<Vec<u8>> = ask.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            handlers.send("", Ask::Words(&words)).expect("an ask that handlers answer");
            let said = handlers.receive("", 0);
            let cases::run::Received::Bytes(bytes) = said else { panic!("no reply to {}", &ask[..30.min(ask.len())]) };
            assert_ne!(bytes[0], b'-', "{}: {}", &ask[..30.min(ask.len())], String::from_utf8_lossy(&bytes));
            if n % 5 == 0 {
                handlers.wait(3);
                handlers.keep_house(0, |_| {});
            }
        }
    }
}

/// What is removed by a range, or because it is the last, takes few bytes; what changes nothing, none.
#[test]
fn effects_are_small() {
    let mut store = Store::new(StoreOptions { databases: 1, seed: 1, hash_seed: 1 });
    store.begin_journal();
    let (db, now_ms) = (base::DbId(0), 1_790_000_000_123);
    let mut taken = |work: &mut dyn FnMut(&mut Store)| {
        work(&mut store);
        let mut effects = Vec::new();
        store.take_effects(&mut effects);
        effects
    };
    use store::set::SetCell;
    use store::zset::{How, Shape, ZsetMut};
    let zset = |store: &mut Store, work: &mut dyn FnMut(&mut ZsetMut<'_, '_>)| {
        let mut cell = store.cell(db, b"z", now_ms);
        work(&mut ZsetMut::of(&mut cell).unwrap_or_else(|_| panic!("a sorted set")));
    };
    let name = |n: u32| n.to_string().into_bytes();
    let added = taken(&mut |store| {
        zset(store, &mut |z| {
            for n in 0..1000 {
                z.add(&name(n), n.into(), How::default(), Shape::Any);
            }
        })
    });
    assert!(added.len() < 1000 * 14, "the key is named once: {}", added.len());
    let same = taken(&mut |store| {
        zset(store, &mut |z| {
            z.add(b"7", 7.0, How::default(), Shape::Any);
        })
    });
    assert_eq!(same, b"");
    let some = taken(&mut |store| zset(store, &mut |z| z.remove_ranks(10..900, false, |_, _| {})));
    assert!(some.len() < 12, "{some:?}");
    let all = taken(&mut |store| zset(store, &mut |z| z.remove_ranks(0..110, true, |_, _| {})));
    assert!(all.len() < 8, "{all:?}");
    let both = taken(&mut |store| {
        let mut set = SetCell::new(store.cell(db, b"s", now_ms)).expect("nothing");
        assert!((0..100).all(|n| set.add(&name(n))));
        assert!((0..100).all(|n| set.remove(&name(n))));
    });
    assert!(both.len() < 8, "what comes and goes leaves nothing but that it is gone: {both:?}");
    let renamed = taken(&mut |store| {
        store.cell(db, b"a", now_ms).put(&[7; 1 << 20], Put::default());
        store.take_effects(&mut Vec::new());
        let lifted = store.cell(db, b"a", now_ms).lift().expect("just put");
        store.cell(db, b"b", now_ms).set_down(lifted);
    });
    assert!(renamed.len() < 16, "{renamed:?}");
    assert_eq!(taken(&mut |store| assert!(!store.cell(db, b"none", now_ms).remove())), b"");
    assert_eq!(taken(&mut |store| store.cell(db, b"b", now_ms).set_deadline(None)), b"");
}

/// Bytes of a journal, changed, cut or made up: an error or other data, nothing else.
#[test]
fn hostile_effects_are_errors() {
    let mut random = Random(seed());
    let (mut good, mut bad) = (0, 0);
    for _ in 0..number("TORC_ASKS").unwrap_or(30_000) / 500 {
        let mut handlers = Handlers::new(1);
        handlers.reset().expect("empty stores");
        handlers.open("", Dialect::Resp, 2).expect("a connection");
        let mut log: Vec<Vec<u8>> = Vec::new();
        for _ in 0..150 {
            let words = ask(&mut random);
            let _ = handlers.send("", Ask::Words(&words));
            handlers.receive("", 0);
            log.push(handlers.follow_up()[0].log.clone());
        }
        let mut store = Store::new(StoreOptions { databases: 2, seed: 1, hash_seed: 1 });
        for _ in 0..300 {
            let mut record = log[random.below(log.len())].clone();
            match random.below(5) {
                0 => record = (0..random.below(60)).map(|_| random.next() as u8).collect(),
                1 => record.truncate(random.below(record.len() + 1)),
                2 => {}
                _ if record.is_empty() => {}
                _ => {
                    for _ in 0..=random.below(3) {
                        let at = random.below(record.len().min(80));
                        record[at] = match random.below(3) {
                            0 => random.next() as u8,
                            1 => record[at] ^ 1 << random.below(8),
                            _ => [0, 1, 2, 0x7f, 0x80, 0xff][random.below(6)],
                        };
                    }
                }
            }
            match store.apply(&record, 1_790_000_000_123, 1 << 20) {
                Ok(()) => good += 1,
                Err(_) => bad += 1,
            }
            store.verify();
        }
        while store.bury(1000) {}
        store.verify();
    }
    println!("{good} good, {bad} bad");
    assert!(good > 0 && bad > 0);
}

/// That fields are due, said of a hash whose fields have no deadlines, changes nothing of it.
#[test]
fn nothing_is_due_in_a_hash_without_deadlines() {
    let (db, now_ms) = (base::DbId(0), 1_790_000_000_123);
    let options = || StoreOptions { databases: 1, seed: 1, hash_seed: 1 };
    let (mut first, mut second) = (Store::new(options()), Store::new(options()));
    let mut hash = HashCell::new(first.cell(db, b"h", now_ms)).expect("nothing");
    hash.put(b"stays", b"1", Deadline::None);
    hash.put(b"goes", b"2", Deadline::At(now_ms + 1));
    first.begin_journal();
    let mut effects = Vec::new();
    assert!(first.cell(db, b"h", now_ms + 2).entry().is_some());
    first.take_effects(&mut effects);
    assert!(!effects.is_empty(), "a field was due");
    for value in [&b""[..], b"a value of more than a head"] {
        HashCell::new(second.cell(db, b"h", now_ms)).expect("a hash").put(b"f", value, Deadline::None);
        second.apply(&effects, now_ms, 1 << 20).expect("effects");
        second.verify();
        let hash = HashCell::new(second.cell(db, b"h", now_ms + 2)).expect("a hash");
        let fields = hash.fields().expect("the hash");
        assert_eq!((fields.len(), fields.get(b"f").map(|found| found.to_vec())), (1, Some(value.to_vec())));
    }
}

/// A version that a client may know is not given to another value after a replay.
#[test]
fn versions_never_go_back() {
    let (mut first, mut second) = (
        Store::new(StoreOptions { databases: 1, seed: 1, hash_seed: 1 }),
        Store::new(StoreOptions { databases: 1, seed: 2, hash_seed: 2 }),
    );
    let (db, now_ms) = (base::DbId(0), 1_790_000_000_123);
    let mut before = Vec::new();
    for n in 0..3u64 {
        if n == 1 {
            first.begin_journal();
        }
        let key = n.to_le_bytes();
        let mut cell = first.cell(db, &key, now_ms);
        cell.put(b"value", Put::default());
        before.extend(cell.version());
        let mut effects = Vec::new();
        first.take_effects(&mut effects);
        second.apply(&effects, now_ms, 1 << 20).expect("effects of the first");
    }
    let key = 2u64.to_le_bytes();
    let after = second.cell(db, &key, now_ms).version().expect("it was replayed");
    assert!(before.iter().all(|&before| before < after), "{before:?}, then {after}");
}
