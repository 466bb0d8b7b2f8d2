//! Room: node, tests. Registers: commands on a few strings as a model knows them, for histories.

use super::Rng;
use super::check::Command;

pub const KEYS: usize = 4;
/// Names whose slots lie apart, so that on several shards the keys do too.
pub const NAMES: [&str; KEYS] = ["a", "b", "c", "foo"];

/// One command on registers, as the model knows it.
#[derive(Clone, Debug)]
pub enum Op {
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

pub type State = [Option<String>; KEYS];

impl Op {
    pub fn random(rng: &mut Rng, tag: &mut u32) -> Op {
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
    pub fn random_memcache(rng: &mut Rng, tag: &mut u32) -> Op {
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
    pub fn line(&self, silent: bool) -> String {
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
    pub fn read_line(&self, bytes: &[u8]) -> Option<(String, usize)> {
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

    pub fn words(&self) -> Vec<String> {
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
