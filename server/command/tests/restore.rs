//! RESTORE of payloads that are not what DUMP gave: bits flipped, bytes cut, put in, lengths made huge, the checksum made good
//! again. Each is refused with nothing changed, or makes a key that every command can read. `TORC_SEED` replays a run,
//! `TORC_FUZZ_SECONDS` makes it longer.

mod common;

use cases::run::{Ask, Received};
use cases::{Dialect, Target};
use common::Handlers;
use std::time::{Duration, Instant};

struct Random(u64);

impl Random {
    /// SplitMix64.
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
}

fn ask(target: &mut Handlers, words: &[&[u8]]) -> Vec<u8> {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    target.send("", Ask::Words(&words)).expect("handlers know it");
    match target.receive("", 0) {
        Received::Bytes(bytes) => bytes,
        _ => panic!("no reply to {words:?}"),
    }
}

fn line(target: &mut Handlers, text: &str) -> Vec<u8> {
    ask(target, &text.split(' ').map(str::as_bytes).collect::<Vec<_>>())
}

/// CRC-64 as Redis has it (crc64.c: the Jones polynomial, reflected), bit by bit.
fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u64::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 })
    })
}

/// A payload with a version and a checksum that are good.
fn signed(value: &[u8]) -> Vec<u8> {
    let mut payload = [value, &11u16.to_le_bytes()].concat();
    let sum = crc64(&payload);
    payload.extend_from_slice(&sum.to_le_bytes());
    payload
}

/// Values of every kind in every form: what makes them, at key `k`.
fn makers() -> Vec<Vec<String>> {
    let many = |verb: &str, item: &dyn Fn(usize) -> String, n: usize| {
        let all: Vec<String> = (0..n).map(item).collect();
        format!("{verb} k {}", all.join(" "))
    };
    let long = "x".repeat(100);
    [
        vec!["SET k 12345"],
        vec!["SET k text"],
        vec!["RPUSH k a 1 -7 70000 text"],
        vec!["SADD k 1 2 3"],
        vec!["SADD k 1 70000 5000000000"],
        vec!["SADD k a b 1"],
        vec!["HSET k f v g 1 h text"],
        vec!["HSET k f v g 1", "HPEXPIRE k 9999999 FIELDS 1 f"],
        vec!["ZADD k 1 a 2.5 b -inf c"],
        vec!["PFADD k a b c"],
        vec!["GEOADD k 13.36 38.11 Palermo"],
        vec![
            "XADD k 1-0 f v",
            "XADD k 2-0 f w",
            "XADD k 3-0 g v h w",
            "XDEL k 2-0",
            "XGROUP CREATE k one 0",
            "XGROUP CREATE k two $",
            "XREADGROUP GROUP one me COUNT 1 STREAMS k >",
            "XGROUP CREATECONSUMER k one other",
        ],
    ]
    .into_iter()
    .map(|lines| lines.into_iter().map(Into::into).collect())
    .chain([
        vec![format!("SET k {}", long.repeat(5))],
        vec![many("RPUSH", &|n| format!("{long}{n}"), 150)],
        vec![many("SADD", &|n| format!("m{n}"), 200)],
        vec![many("SADD", &|n| (n * 3).to_string(), 600)],
        vec![many("HSET", &|n| format!("f{n} {n}"), 600)],
        vec![many("HSET", &|n| format!("f{n} {n}"), 600), "HPEXPIRE k 9999999 FIELDS 2 f1 f7".into()],
        vec![many("ZADD", &|n| format!("{n} m{n}"), 200)],
        (1..250).map(|n| format!("XADD k {n}-1 field value{n}")).collect(),
    ])
    .collect()
}

/// Every way to read a key of any kind.
const READS: &[&str] = &[
    "TYPE k",
    "OBJECT ENCODING k",
    "MEMORY USAGE k SAMPLES 0",
    "GET k",
    "LRANGE k 0 -1",
    "LINDEX k -1",
    "SMEMBERS k",
    "SSCAN k 0 COUNT 1000",
    "HGETALL k",
    "HSCAN k 0 COUNT 1000",
    "HPEXPIRETIME k FIELDS 1 f",
    "ZRANGE k 0 -1 WITHSCORES",
    "ZREVRANGEBYSCORE k +inf -inf",
    "ZRANGEBYLEX k - +",
    "ZRANK k a",
    "PFCOUNT k",
    "GEOPOS k Palermo",
    "XRANGE k - +",
    "XREVRANGE k + -",
    "XINFO STREAM k FULL COUNT 0",
    "XPENDING k one",
    "XPENDING k one - + 10",
    "SORT k ALPHA",
    "DUMP k",
];

/// Changes of every kind: what was read must also bear them.
const WRITES: &[&str] = &[
    "APPEND k x",
    "RPUSH k x",
    "LPOP k",
    "LREM k 0 a",
    "SADD k x 17",
    "SPOP k",
    "HSET k f x new y",
    "HDEL k g",
    "ZADD k 3 a 4 new",
    "ZPOPMIN k",
    "PFADD k x y z",
    "XADD k * f v",
    "XREADGROUP GROUP one me STREAMS k >",
    "XACK k one 1-0",
    "XAUTOCLAIM k one other 0 0",
    "XTRIM k MAXLEN 1",
    "DEL k",
];

fn mutate(random: &mut Random, value: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        let at = random.below(value.len().max(1));
        match random.below(8) {
            0 if !value.is_empty() => value[at] ^= 1 << random.below(8),
            1 if !value.is_empty() => value[at] = random.next() as u8,
            2 => value.truncate(at),
            3 => value.insert(at, random.next() as u8),
            4 if !value.is_empty() => {
                value.remove(at);
            }
            // Lengths of 32 and 64 bits, special encodings.
            5 => {
                let long: [&[u8]; 6] = [
                    &[0x80, 0xff, 0xff, 0xff, 0xff],
                    &[0x80, 0x00, 0x10, 0x00, 0x00],
                    &[0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                    &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                    &[0xc3, 0x01, 0x80, 0xff, 0xff, 0xff, 0xf0],
                    &[0xc2, 0xff, 0xff, 0xff, 0x7f],
                ];
                let put = long[random.below(long.len())].iter().copied();
                value.splice(at..(at + random.below(3)).min(value.len()), put);
            }
            6 if !value.is_empty() => {
                let end = (at + random.below(20)).min(value.len());
                let copy = value[at..end].to_vec();
                let to = random.below(value.len());
                value.splice(to..to, copy);
            }
            // Another type of the same bytes.
            _ if !value.is_empty() => value[0] = random.below(26) as u8,
            _ => value.push(random.next() as u8),
        }
    }
}

#[test]
fn spoilt_payloads_are_refused_or_make_a_sound_key() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("TORC_SEED").unwrap_or(0x72_64_62);
    println!("TORC_SEED={seed}");
    let mut random = Random(seed);
    let mut target = Handlers::new(1);
    target.reset().expect("an empty store");
    target.open("", Dialect::Resp, 3).expect("a connection");
    let mut values: Vec<Vec<u8>> = Vec::new();
    for maker in makers() {
        for one in &maker {
            let reply = line(&mut target, one);
            assert_ne!(reply[0], b'-', "{one}: {}", String::from_utf8_lossy(&reply));
        }
        let dumped = line(&mut target, "DUMP k");
        let start = dumped.windows(2).position(|two| two == b"\r\n").expect("a bulk has a head") + 2;
        let payload = &dumped[start..dumped.len() - 2];
        let value = &payload[..payload.len() - 10];
        assert_eq!(payload, signed(value), "the footer: {maker:?}");
        values.push(value.to_vec());
        line(&mut target, "DEL k");
    }
    let until = Instant::now() + Duration::from_secs(number("TORC_FUZZ_SECONDS").unwrap_or(4));
    let (mut refused, mut taken) = (0u64, 0u64);
    line(&mut target, "RPUSH other here");
    let kept = line(&mut target, "DUMP other");
    while Instant::now() < until {
        let mut value = values[random.below(values.len())].clone();
        mutate(&mut random, &mut value);
        let payload = signed(&value);
        let key: &[u8] = if random.below(4) == 0 { b"other" } else { b"k" };
        let reply = ask(&mut target, &[b"RESTORE", key, b"0", &payload, b"REPLACE"]);
        let told = || format!("TORC_SEED={seed}: {:?} {}", payload, String::from_utf8_lossy(&reply));
        match &reply[..] {
            b"+OK\r\n" => {
                taken += 1;
                if key == b"other" {
                    line(&mut target, "DEL k");
                    // A hash whose fields were all due leaves nothing.
                    if line(&mut target, "EXISTS other") == b":1\r\n" {
                        line(&mut target, "RENAME other k");
                    }
                    line(&mut target, "RPUSH other here");
                }
                for text in READS {
                    let reply = line(&mut target, text);
                    let (_, used) = cases::Value::decode(&reply).expect("a reply").expect("a whole reply");
                    assert_eq!(used, reply.len(), "{text} after {}", told());
                }
                // What it dumps as is the same value.
                let dumped = line(&mut target, "DUMP k");
                if dumped[0] == b'$' && dumped[1] != b'-' {
                    let start = dumped.windows(2).position(|two| two == b"\r\n").expect("a bulk has a head") + 2;
                    let again =
                        ask(&mut target, &[b"RESTORE", b"again", b"0", &dumped[start..dumped.len() - 2], b"REPLACE"]);
                    assert_eq!(again, b"+OK\r\n", "dumped again: {}", told());
                }
                for text in WRITES {
                    line(&mut target, text);
                }
                line(&mut target, "DEL k again");
            }
            b"-ERR Bad data format\r\n" => {
                refused += 1;
                assert_eq!(line(&mut target, "EXISTS k"), b":0\r\n", "{}", told());
                assert_eq!(line(&mut target, "DUMP other"), kept, "what was there stays: {}", told());
            }
            _ => panic!("{}", told()),
        }
    }
    println!("{refused} refused, {taken} taken");
    assert!(refused > 100 && taken > 100);
    // A good payload whose checksum is spoilt, or of a later version, is not looked at.
    for value in &values {
        let mut payload = signed(value);
        let at = random.below(payload.len());
        payload[at] ^= 1 << random.below(8);
        let reply = ask(&mut target, &[b"RESTORE", b"k", b"0", &payload]);
        assert_eq!(reply, b"-ERR DUMP payload version or checksum are wrong\r\n", "TORC_SEED={seed}: {payload:?}");
    }
}
