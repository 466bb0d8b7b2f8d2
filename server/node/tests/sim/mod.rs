//! A whole node in one thread: engines without rings, mail that is late, clients that send in pieces, all from a seed.

use node::batch::Batch;
use node::clock::Now;
use node::config::Settings;
use node::engine::{Engine, Mail, Newcomer};
use node::log::{Level, Log};
use node::mailbox::MAILBOX_BATCHES;
use node::process::{Facts, Process};
use node::session::{Door, Peer};
use base::ShardId;
use std::collections::VecDeque;
use std::sync::Arc;

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
}

/// One simulated connection.
pub struct Client {
    pub shard: usize,
    pub index: u32,
    /// On the way to the server.
    to: VecDeque<u8>,
    /// Came back and is not read yet.
    pub from: Vec<u8>,
}

pub struct Sim {
    pub rng: Rng,
    pub engines: Vec<Engine>,
    /// `[from][to]`
    wires: Vec<Vec<VecDeque<Batch<Mail>>>>,
    pub clients: Vec<Client>,
    pub now: Now,
    pub process: Arc<Process>,
}

impl Sim {
    pub fn new(seed: u64, shards: usize) -> Sim {
        let facts = Facts {
            run_id: "r".repeat(40),
            node_id: "0".repeat(40),
            started_unix_s: 0,
            kernel: "simulated".into(),
            total_memory: 1 << 30,
            executable: "sim".into(),
            cores: (0..shards).collect(),
            shard_port_base: 0,
            port: 6379,
            memcached_port: 11211,
        };
        let process = Arc::new(Process::new(shards, facts, Settings::default(), Log::in_memory(Level::Warning), || 0));
        let engine =
            |i| Engine::new(ShardId(i as u16), process.clone(), node::admin::serve, None, seed ^ i as u64);
        Sim {
            rng: Rng(seed),
            engines: (0..shards).map(engine).collect(),
            wires: (0..shards).map(|_| (0..shards).map(|_| VecDeque::new()).collect()).collect(),
            clients: Vec::new(),
            now: Now { unix_us: 1_700_000_000_000_000, up_us: 1_000_000 },
            process,
        }
    }

    /// Connects to a shard; the client's number.
    pub fn connect(&mut self, shard: usize, door: Door) -> usize {
        self.process.place_client(ShardId(shard as u16), true);
        let peer = Peer::Unix("/sim".into());
        self.engines[shard].begin(self.now);
        let index = self.engines[shard].open(Newcomer { fd: -1, door, peer });
        self.clients.push(Client { shard, index, to: VecDeque::new(), from: Vec::new() });
        self.clients.len() - 1
    }

    pub fn send(&mut self, client: usize, bytes: &[u8]) {
        self.clients[client].to.extend(bytes);
    }

    /// One random thing happens.
    pub fn step(&mut self) {
        let advance = self.rng.next() % 50;
        self.now.unix_us += advance;
        self.now.up_us += advance;
        let shards = self.engines.len();
        match self.rng.below(3) {
            // A client's bytes arrive, cut anywhere.
            0 if !self.clients.is_empty() => {
                let c = self.rng.below(self.clients.len());
                let waiting = self.clients[c].to.len();
                if waiting > 0 {
                    let n = if self.rng.chance(3) { 1 + self.rng.below(waiting) } else { waiting };
                    let bytes: Vec<u8> = self.clients[c].to.drain(..n).collect();
                    let (shard, index) = (self.clients[c].shard, self.clients[c].index);
                    self.engines[shard].begin(self.now);
                    self.engines[shard].received(index, &bytes);
                    self.after(shard);
                }
            }
            // A batch of mail arrives; batches of one pair keep their order, pairs overtake each other.
            1 if shards > 1 => {
                let (from, to) = (self.rng.below(shards), self.rng.below(shards));
                if let Some(mut batch) = self.wires[from][to].pop_front() {
                    self.engines[to].begin(self.now);
                    self.engines[to].mail(ShardId(from as u16), &mut batch);
                    self.after(to);
                }
            }
            _ => {
                let shard = self.rng.below(shards);
                self.engines[shard].begin(self.now);
                self.engines[shard].work();
                self.after(shard);
            }
        }
    }

    /// What a turn does after the engine has worked: sends and posts.
    fn after(&mut self, shard: usize) {
        let engine = &mut self.engines[shard];
        if self.rng.chance(2) {
            engine.work();
        }
        for index in std::mem::take(&mut engine.dirty) {
            if let Some(out) = engine.take_out(index) {
                let client = self.clients.iter_mut().find(|c| c.shard == shard && c.index == index);
                client.expect("every connection is a client's").from.extend(out.to_vec());
                engine.sent(index, out);
            }
        }
        engine.throttle.clear();
        for to in 0..self.wires.len() {
            // Mail may stay in the outbox for a while, and a full mailbox refuses it.
            if !engine.outbox[to].is_empty() && self.wires[shard][to].len() < MAILBOX_BATCHES && !self.rng.chance(4) {
                self.wires[shard][to].push_back(std::mem::take(&mut engine.outbox[to]));
            }
        }
        engine.verify();
    }

    /// Whether nothing is on its way anywhere.
    pub fn is_quiet(&self) -> bool {
        self.clients.iter().all(|c| c.to.is_empty())
            && self.wires.iter().flatten().all(VecDeque::is_empty)
            && self.engines.iter().all(|e| e.outbox.iter().all(Batch::is_empty) && e.is_settled())
    }
}

/// An ask in RESP.
pub fn resp(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for w in words {
        bytes.extend_from_slice(format!("${}\r\n{w}\r\n", w.len()).as_bytes());
    }
    bytes
}

/// The first whole RESP2 reply of `bytes` as text, and its length.
pub fn reply(bytes: &[u8]) -> Option<(String, usize)> {
    let end = bytes.windows(2).position(|w| w == b"\r\n")?;
    let line = std::str::from_utf8(&bytes[1..end]).expect("replies of these tests are text");
    match bytes[0] {
        b'$' => {
            let n: i64 = line.parse().expect("a length");
            if n < 0 {
                return Some(("nil".into(), end + 2));
            }
            let from = end + 2;
            let to = from + n as usize;
            (bytes.len() >= to + 2).then(|| (String::from_utf8_lossy(&bytes[from..to]).into_owned(), to + 2))
        }
        b'*' => {
            let n: usize = line.parse().expect("a count");
            let mut at = end + 2;
            let mut items = Vec::new();
            for _ in 0..n {
                let (item, used) = reply(&bytes[at..])?;
                items.push(item);
                at += used;
            }
            Some((format!("[{}]", items.join(",")), at))
        }
        _ => Some((line.to_string(), end + 2)),
    }
}
