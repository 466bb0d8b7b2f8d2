//! Random asks from a seed: handlers on one store beside the two steps over three shards, and beside a genuine
//! server where `TORC_CASES_REDIS` names one. All must answer the same to every ask. `TORC_SEED` replays a run,
//! `TORC_ASKS` makes it longer.

mod common;

use cases::run::{Ask, Received};
use cases::{Dialect, SocketTarget, Target, Value};
use common::Handlers;

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

/// Templates: `K` a key, `V` a value, `N` a number, `F` a decimal, `T` a time far away or past, `R` the same
/// counted from now but never in the near future, `O` an option of SET, `C` a condition,
/// `D` a database, `L` an option of LCS; `K+` and `KV+` some of them. Rare ones stand once.
const ASKS: &[&str] = &[
    "SET K V",
    "SET K V",
    "SET K V O",
    "SET K V O O",
    "SET K V O O O",
    "GET K",
    "GET K",
    "GETSET K V",
    "GETDEL K",
    "GETEX K O",
    "GETEX K O O",
    "SETNX K V",
    "SETEX K R V",
    "PSETEX K R V",
    "APPEND K V",
    "STRLEN K",
    "GETRANGE K N N",
    "SETRANGE K N V",
    "SUBSTR K N N",
    "INCR K",
    "DECR K",
    "INCRBY K N",
    "DECRBY K N",
    "INCRBYFLOAT K F",
    "MGET K+",
    "MSET KV+",
    "MSETNX KV+",
    "LCS K K",
    "LCS K K L",
    "LCS K K L L",
    "LCS K K L L L",
    "DEL K+",
    "UNLINK K+",
    "EXISTS K+",
    "TOUCH K+",
    "TYPE K",
    "RENAME K K",
    "RENAMENX K K",
    "COPY K K",
    "COPY K K REPLACE",
    "COPY K K DB D",
    "COPY K K DB D REPLACE",
    "MOVE K D",
    "SELECT 1",
    "SELECT 0",
    "EXPIREAT K T",
    "EXPIREAT K T C",
    "EXPIREAT K T C C",
    "PEXPIREAT K T C",
    "EXPIRE K R C",
    "PERSIST K",
    "TTL K",
    "EXPIRETIME K",
    "PEXPIRETIME K",
    "OBJECT ENCODING K",
    "OBJECT REFCOUNT K",
    "MEMORY USAGE K SAMPLES N O",
    "COMMAND GETKEYS MSET KV+",
    "COMMAND GETKEYSANDFLAGS SET K V O O",
    "COMMAND COUNT O",
    "V K V",
    "MSET K V K",
    "OBJECT V K",
];
const KEYS: &[&str] = &["a", "b", "c", "{x}d", "{x}e", "{y}f", "", "a\0b"];
const VALUES: &[&str] = &[
    "",
    "1",
    "12",
    "-5",
    "9999",
    "10000",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "abc",
    "hello world",
    "0",
    "007",
    " 1",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    "\r\n",
    "\u{ff}\0",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "-2",
    "5",
    "-10",
    "40",
    "100",
    "9223372036854775807",
    "-9223372036854775808",
    "x",
    "",
    "1.5",
];
const DECIMALS: &[&str] =
    &["0.1", "-0.1", "1", "3.0e3", "1e-5", "12345.678", "x", "inf", "-0", "1e18", "0.333333333333"];
const TIMES: &[&str] = &["33177117420", "33177110000", "33177117420000", "1", "-1", "0", "x", "9223372036854775807"];
const FROM_NOW: &[&str] = &["0", "-1", "x", "", "9223372036854775807", "-9223372036854775808", "1.5"];
const OPTIONS: &[&str] = &[
    "NX",
    "XX",
    "GET",
    "KEEPTTL",
    "PERSIST",
    "EXAT 33177117420",
    "PXAT 33177117420500",
    "EXAT 1",
    "EX 0",
    "PX x",
    "nx",
    "FOO",
    "EXAT",
];
const CONDITIONS: &[&str] = &["NX", "XX", "GT", "LT", "gt", "FOO"];
const DATABASES: &[&str] = &["0", "1", "2", "15", "16", "-1", "x"];
const LCS_OPTIONS: &[&str] = &["LEN", "IDX", "IDX", "WITHMATCHLEN", "MINMATCHLEN 2", "MINMATCHLEN N", "FOO"];

fn ask(random: &mut Random) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    for part in random.pick(ASKS).split(' ') {
        let times = if part.ends_with('+') { 1 + random.below(5) } else { 1 };
        for _ in 0..times {
            let text = match part {
                "K" | "K+" => random.pick(KEYS),
                "V" => random.pick(VALUES),
                "KV+" => {
                    words.push(random.pick(KEYS).into());
                    random.pick(VALUES)
                }
                "N" => random.pick(NUMBERS),
                "F" => random.pick(DECIMALS),
                "T" => random.pick(TIMES),
                "R" => random.pick(FROM_NOW),
                "C" => random.pick(CONDITIONS),
                "D" => random.pick(DATABASES),
                "O" | "L" => {
                    let options = random.pick(if part == "O" { OPTIONS } else { LCS_OPTIONS });
                    words.extend(options.split(' ').map(|w| w.as_bytes().to_vec()));
                    continue;
                }
                fixed => fixed,
            };
            words.push(text.as_bytes().to_vec());
        }
    }
    words
}

fn answer(target: &mut dyn Target, words: &[Vec<u8>]) -> Value {
    target.send("", Ask::Words(words)).unwrap_or_else(|e| panic!("{words:?}: {e:?}"));
    let mut buffer = Vec::new();
    loop {
        if let Some((value, used)) = Value::decode(&buffer).expect("a reply") {
            assert_eq!(used, buffer.len(), "exactly one reply: {words:?}");
            return value;
        }
        match target.receive("", 5000) {
            Received::Bytes(bytes) => buffer.extend(bytes),
            other => panic!("{other:?} after {words:?}"),
        }
    }
}

/// One of several allowed forms: what differs by nature is made alike.
fn alike(words: &[Vec<u8>], value: Value) -> Value {
    let is = |i: usize, text: &str| words.get(i).is_some_and(|w| w.eq_ignore_ascii_case(text.as_bytes()));
    match value {
        // Bytes of memory are each server's own.
        Value::Int(_) if is(0, "memory") => Value::Int(0),
        // Redis shares no integer that COPY made; here REFCOUNT goes by the value alone.
        Value::Int(_) if is(0, "object") && is(1, "refcount") => Value::Int(1),
        // Two clocks.
        Value::Int(1..) if is(0, "ttl") => Value::Int(1),
        // An error's text cannot carry bytes that are no text.
        Value::Error(text) => Value::Error(String::from_utf8_lossy(&text).into_owned().into_bytes()),
        value => value,
    }
}

#[test]
fn all_engines_answer_alike() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("TORC_SEED").unwrap_or(0x70_72_63);
    println!("TORC_SEED={seed}");
    let mut random = Random(seed);
    let mut engines: Vec<(&str, Box<dyn Target>)> =
        vec![("one store", Box::new(Handlers::new(1))), ("three shards", Box::new(Handlers::new(3)))];
    if let Some(address) = std::env::var("TORC_CASES_REDIS").ok().filter(|address| !address.is_empty()) {
        let server = SocketTarget::new(&address, None, &[]).expect("the server answers");
        engines.push(("a genuine server", Box::new(server)));
    }
    let rounds = number("TORC_ASKS").unwrap_or(30_000) / 300;
    for round in 0..rounds {
        for (_, engine) in &mut engines {
            engine.reset().expect("an empty server");
            engine.open("", Dialect::Resp, 2 + (round % 2) as u8).expect("a connection");
        }
        let mut asked: Vec<String> = Vec::new();
        for _ in 0..300 {
            let words = ask(&mut random);
            asked.push(words.iter().map(|w| format!("{:?}", String::from_utf8_lossy(w))).collect::<Vec<_>>().join(" "));
            let mut answers =
                engines.iter_mut().map(|(name, engine)| (name, alike(&words, answer(&mut **engine, &words))));
            let (_, first) = answers.next().expect("there are two at least");
            for (name, other) in answers {
                assert!(
                    other == first,
                    "TORC_SEED={seed}: on one store {}, on {name} {}, after\n{}",
                    first.render(),
                    other.render(),
                    asked[asked.len().saturating_sub(25)..].join("\n")
                );
            }
        }
    }
}

/// Words of any kind after every verb there is: nothing trips, one store and three shards say the same.
#[test]
fn no_words_trip_a_handler() {
    const WORDS: &[&str] = &[
        "",
        "a",
        "b",
        "{x}a",
        "0",
        "1",
        "-1",
        "16",
        "99999999999",
        "9223372036854775807",
        "-9223372036854775808",
        "1e4932",
        "-1e4932",
        "nan",
        "inf",
        "NX",
        "XX",
        "GT",
        "LT",
        "GET",
        "EX",
        "PX",
        "EXAT",
        "PXAT",
        "KEEPTTL",
        "PERSIST",
        "DB",
        "REPLACE",
        "LEN",
        "IDX",
        "MINMATCHLEN",
        "WITHMATCHLEN",
        "SAMPLES",
        "FILTERBY",
        "PATTERN",
        "ACLCAT",
        "MODULE",
        "*[a-",
        "\\",
        "encoding",
        "usage",
        "get",
        "object",
        "set",
        "mset",
        "config|get",
        "|",
        "help",
        "\0",
        "\r\n",
        "4095",
        "4096",
        "1790000000124",
        "1790000000",
    ];
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("TORC_SEED").unwrap_or(0x70_72_63);
    println!("TORC_SEED={seed}");
    let mut random = Random(seed);
    // What SPOP draws is gone afterwards: from there on the two would hold different things.
    let verbs: Vec<&str> = command::table::commands().map(|row| row.name).filter(|&name| name != "spop").collect();
    let mut engines = [Handlers::new(1), Handlers::new(3)];
    let mut answered = 0;
    for _ in 0..number("TORC_ASKS").unwrap_or(20_000) / 300 {
        for engine in &mut engines {
            engine.reset().expect("empty stores");
            engine.open("", Dialect::Resp, 3).expect("a connection");
            let limit = ["CONFIG", "SET", "proto-max-bulk-len", "4096"].map(|w| w.as_bytes().to_vec());
            answer(engine, &limit);
        }
        for _ in 0..300 {
            let mut words: Vec<Vec<u8>> = vec![random.pick(&verbs).as_bytes().to_vec()];
            for _ in 0..random.below(7) {
                words.push(match random.below(9) {
                    0 => (0..random.below(80)).map(|_| random.next() as u8).collect(),
                    _ => random.pick(WORDS).as_bytes().to_vec(),
                });
            }
            let [one, three] = &mut engines;
            if one.send("", Ask::Words(&words)).is_err() {
                continue;
            }
            answered += 1;
            three.send("", Ask::Words(&words)).expect("as the other did");
            let (one, three) = (one.receive("", 0), three.receive("", 0));
            // What each of several stores holds is summed or shared out, so sizes differ; and what is drawn, or comes in no
            // order, differs.
            let tips = command::table::find(&words[0]).map_or(&[][..], |row| row.docs.tips);
            if words[0] != b"memory" && !tips.iter().any(|tip| tip.starts_with("nondeterministic_output")) {
                assert_eq!(one, three, "TORC_SEED={seed}: {words:?}");
            }
            let Received::Bytes(bytes) = one else { panic!("no reply to {words:?}") };
            let (_, used) = Value::decode(&bytes).expect("a reply").expect("a whole reply");
            assert_eq!(used, bytes.len(), "exactly one reply: {words:?}");
        }
    }
    assert!(answered > 0);
}
