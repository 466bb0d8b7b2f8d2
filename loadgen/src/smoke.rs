//! Room: loadgen. Prepared runs. Touches: plan, socket, engine (failures), verify (evidence).
//!
//! *smoke* needs a RESP and a memcached target of one server. First it takes a few keys across by hand, step by step:
//! written in one dialect, read, changed and deleted in the other. Then it loads both at once with every read verified,
//! where each key is created in one dialect, written over in the other, and read in both.

use crate::engine::Failure;
use crate::plan::{Pace, Plan, Spread, Target};
use crate::socket::Socket;
use crate::verify::Evidence;
use std::io::{Read, Write};

/// The mixed load of the smoke run; targets, duration, pace and seed stay as given.
pub fn smoke_plan(given: Plan) -> Plan {
    Plan {
        // Even, so that with two targets neighbouring connections speak different dialects.
        connections: 16,
        populate: true,
        pipeline: if matches!(given.pace, Pace::Closed) { 8 } else { 64 },
        keys: 2_000,
        // From nothing but the head to past a receive buffer of 16 KiB.
        sizes: Spread::Range { least: crate::verify::VALUE_LEAST as u32, most: 20_000 },
        gets: 3,
        sets: 1,
        deletes_ppm: 50_000,
        verify: true,
        requests: None,
        duration: given.duration.or(Some(std::time::Duration::from_secs(3))),
        ..given
    }
}

/// One ask and the exact answer.
enum Step {
    Resp(&'static [&'static str], &'static str),
    Memcached(&'static str, &'static str),
    /// `gets`, remembering the version.
    Version,
    /// `cas` with the remembered version, and the answer.
    Cas(&'static str),
}

use Step::{Cas, Memcached, Resp, Version};

// `K` stands for the key of the case.
const CASES: &[(&str, &[Step])] = &[
    (
        "written by RESP, read by memcached",
        &[
            Resp(&["SET", "K", "one"], "+OK\r\n"),
            Memcached("get K\r\n", "VALUE K 0 3\r\none\r\nEND\r\n"),
            Resp(&["SET", "K", ""], "+OK\r\n"),
            Memcached("get K\r\n", "VALUE K 0 0\r\n\r\nEND\r\n"),
        ],
    ),
    (
        "written by memcached, read by RESP",
        &[
            Memcached("set K 5 0 5\r\nt\r\no\n\r\n", "STORED\r\n"),
            Resp(&["GET", "K"], "$5\r\nt\r\no\n\r\n"),
            Resp(&["STRLEN", "K"], ":5\r\n"),
            Memcached("get K\r\n", "VALUE K 5 5\r\nt\r\no\n\r\nEND\r\n"),
        ],
    ),
    (
        "a RESP write clears the flags",
        &[
            Memcached("set K 77 0 1\r\na\r\n", "STORED\r\n"),
            Resp(&["SET", "K", "b"], "+OK\r\n"),
            Memcached("get K\r\n", "VALUE K 0 1\r\nb\r\nEND\r\n"),
        ],
    ),
    (
        "counters",
        &[
            Resp(&["SET", "K", "41"], "+OK\r\n"),
            Memcached("incr K 1\r\n", "42\r\n"),
            Resp(&["INCRBY", "K", "8"], ":50\r\n"),
            Memcached("decr K 1\r\n", "49\r\n"),
            Resp(&["GET", "K"], "$2\r\n49\r\n"),
        ],
    ),
    (
        "appending",
        &[
            Resp(&["SET", "K", "b"], "+OK\r\n"),
            Memcached("append K 0 0 1\r\nc\r\n", "STORED\r\n"),
            Memcached("prepend K 0 0 1\r\na\r\n", "STORED\r\n"),
            Resp(&["APPEND", "K", "d"], ":4\r\n"),
            Memcached("get K\r\n", "VALUE K 0 4\r\nabcd\r\nEND\r\n"),
        ],
    ),
    (
        "adding and replacing",
        &[
            Memcached("replace K 0 0 1\r\na\r\n", "NOT_STORED\r\n"),
            Resp(&["SETNX", "K", "r"], ":1\r\n"),
            Memcached("add K 0 0 1\r\na\r\n", "NOT_STORED\r\n"),
            Memcached("replace K 0 0 1\r\nm\r\n", "STORED\r\n"),
            Resp(&["SETNX", "K", "r"], ":0\r\n"),
            Resp(&["GET", "K"], "$1\r\nm\r\n"),
        ],
    ),
    (
        "deleting",
        &[
            Resp(&["SET", "K", "a"], "+OK\r\n"),
            Memcached("delete K\r\n", "DELETED\r\n"),
            Resp(&["EXISTS", "K"], ":0\r\n"),
            Memcached("set K 0 0 1\r\na\r\n", "STORED\r\n"),
            Resp(&["DEL", "K"], ":1\r\n"),
            Memcached("get K\r\n", "END\r\n"),
            Memcached("delete K\r\n", "NOT_FOUND\r\n"),
        ],
    ),
    (
        "deadlines",
        &[
            Memcached("set K 0 0 1\r\na\r\n", "STORED\r\n"),
            Resp(&["TTL", "K"], ":-1\r\n"),
            Resp(&["EXPIRE", "K", "1000"], ":1\r\n"),
            Memcached("touch K 0\r\n", "TOUCHED\r\n"),
            Resp(&["TTL", "K"], ":-1\r\n"),
            Memcached("touch K -1\r\n", "TOUCHED\r\n"),
            Resp(&["EXISTS", "K"], ":0\r\n"),
        ],
    ),
    (
        "any write moves the version on",
        &[
            Resp(&["SET", "K", "a"], "+OK\r\n"),
            Version,
            Cas("STORED\r\n"),
            Cas("EXISTS\r\n"),
            Version,
            Resp(&["APPEND", "K", "x"], ":2\r\n"),
            Cas("EXISTS\r\n"),
            Version,
            Resp(&["DEL", "K"], ":1\r\n"),
            Cas("NOT_FOUND\r\n"),
        ],
    ),
];

/// Takes keys across from each dialect to the other. Does nothing unless the targets hold both.
pub fn cross(plan: &Plan) -> Result<(), Failure> {
    let of = |memcached| plan.targets.iter().find(|t| t.dialect.is_resp() != memcached);
    let (Some(resp), Some(memcached)) = (of(false), of(true)) else {
        return Err(Failure::World("smoke needs one RESP and one memcached target".into()));
    };
    let mut resp = Client::connect(resp)?;
    let mut memcached = Client::connect(memcached)?;
    // More than one key a case: keys fall on all shards.
    for number in 0..16 {
        for (at, (what, steps)) in CASES.iter().enumerate() {
            let key = format!("{}cross:{number}:{at}", plan.key_prefix);
            let named = |text: &str| text.replace('K', &key);
            // What an earlier run left behind.
            let left = resp_ask(&["DEL", &key]);
            resp.tell(&left)?;
            let mut version = String::new();
            for step in *steps {
                match step {
                    Resp(words, want) => {
                        let words: Vec<String> = words.iter().map(|w| named(w)).collect();
                        let words: Vec<&str> = words.iter().map(String::as_str).collect();
                        resp.expect(what, &key, &resp_ask(&words), want.as_bytes())?;
                    }
                    Memcached(ask, want) => {
                        memcached.expect(what, &key, named(ask).as_bytes(), named(want).as_bytes())?;
                    }
                    Version => version = memcached.version(what, &key)?,
                    Cas(want) => {
                        let ask = format!("cas {key} 0 0 1 {version}\r\nz\r\n");
                        memcached.expect(what, &key, ask.as_bytes(), want.as_bytes())?;
                    }
                }
            }
            resp.tell(&left)?;
        }
    }
    Ok(())
}

fn resp_ask(words: &[&str]) -> Vec<u8> {
    let mut ask = Vec::new();
    let words: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
    crate::wire::draw_command(&mut ask, &words);
    ask
}

struct Client {
    socket: Socket,
    target: String,
}

impl Client {
    fn connect(target: &Target) -> Result<Client, Failure> {
        let socket = Socket::connect(target).map_err(Failure::World)?;
        Ok(Client { socket, target: target.to_string() })
    }

    fn world(&self, error: std::io::Error) -> Failure {
        Failure::World(format!("{}: {error}", self.target))
    }

    /// Asks and reads to the end of one line.
    fn tell(&mut self, ask: &[u8]) -> Result<Vec<u8>, Failure> {
        self.socket.write_all(ask).map_err(|e| self.world(e))?;
        self.read_until(|got| got.ends_with(b"\r\n"))
    }

    fn read_until(&mut self, whole: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, Failure> {
        let mut got = Vec::new();
        while !whole(&got) {
            let mut piece = [0; 4096];
            let count = match self.socket.read(&mut piece) {
                Ok(count) => count,
                // What has come so far is the evidence.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && !got.is_empty() => break,
                Err(error) => return Err(self.world(error)),
            };
            if count == 0 {
                return Err(self.world(std::io::ErrorKind::UnexpectedEof.into()));
            }
            got.extend_from_slice(&piece[..count]);
        }
        Ok(got)
    }

    fn expect(&mut self, what: &str, key: &str, ask: &[u8], want: &[u8]) -> Result<(), Failure> {
        self.socket.write_all(ask).map_err(|e| self.world(e))?;
        let got = self.read_until(|got| got.len() >= want.len() || !want.starts_with(got))?;
        if got == want { Ok(()) } else { Err(self.wrong(what, key, ask, want, &got)) }
    }

    fn version(&mut self, what: &str, key: &str) -> Result<String, Failure> {
        let ask = format!("gets {key}\r\n");
        self.socket.write_all(ask.as_bytes()).map_err(|e| self.world(e))?;
        let got = self.read_until(|got| got.ends_with(b"END\r\n") || got.starts_with(b"ERROR"))?;
        let text = String::from_utf8_lossy(&got).into_owned();
        let mut words = text.lines().next().unwrap_or("").split(' ').skip(4);
        match (words.next(), words.next()) {
            (Some(version), None) if version.parse::<u64>().is_ok() => Ok(version.to_string()),
            _ => Err(self.wrong(what, key, ask.as_bytes(), b"VALUE <key> <flags> <bytes> <version>", &got)),
        }
    }

    fn wrong(&self, what: &str, key: &str, ask: &[u8], want: &[u8], got: &[u8]) -> Failure {
        let (ask, want, got) = (ask.escape_ascii(), want.escape_ascii(), got.escape_ascii());
        Failure::Bad(Box::new(Evidence {
            what: format!("{what}: asked '{ask}', expected '{want}'"),
            target: self.target.clone(),
            connection: 0,
            key: key.to_string(),
            sent_at_ns: 0,
            answered_at_ns: 0,
            floor: 0,
            sent: 0,
            got: got.to_string(),
        }))
    }
}
