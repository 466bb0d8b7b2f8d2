//! Room: node, tests. A whole node in one thread: engines without rings, mail that is late, clients that send in pieces, read late
//! and hang up, all from a seed.
#![allow(dead_code, reason = "each test file is a crate of its own and uses what it needs")]

pub mod check;
pub mod disk;
pub mod registers;
#[path = "../../../command/tests/common/replay.rs"]
mod replay;

use base::{Out, ShardId};
use disk::Disk;
use node::batch::Batch;
use node::clock::Now;
use node::config::{Guard, Settings};
use node::engine::{Engine, Lent, Mail, Newcomer};
use node::files::folder::{Kept, Lock};
use node::log::{Level, Log};
use node::mailbox::MAILBOX_BATCHES;
use node::process::{Facts, Process};
use node::session::{Door, Peer};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Where snapshots lie, on no disk of this host.
pub const FOLDER: &str = "/simulated";

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
    fd: i32,
    /// On the way to the server.
    pub to: VecDeque<u8>,
    /// Came back and is not read yet.
    pub from: Vec<u8>,
    /// Handed to the kernel and not sent yet.
    flight: Option<Out>,
    /// The server asked its ring not to receive for it.
    paused: bool,
    /// The server shut it, or it hung up; the server may not have forgotten it yet.
    shut: bool,
    /// The server has forgotten it: its index may be another's.
    pub closed: bool,
}

pub struct Sim {
    pub rng: Rng,
    pub engines: Vec<Engine>,
    /// `[from][to]`
    wires: Vec<Vec<VecDeque<Batch<Mail>>>>,
    pub clients: Vec<Client>,
    /// Of each shard's data, what its records make of them.
    followers: Vec<replay::Follower>,
    follows: bool,
    /// Records of transactions that some shards have not left yet: how many are missing.
    unfinished: BTreeMap<u64, u32>,
    /// Records of transactions over several shards.
    pub shared_records: usize,
    /// Replies that leave by other shards' sockets: (the shard that sends, the client, the reply).
    lent: Vec<(usize, usize, Lent)>,
    /// How many have left so.
    pub lent_count: usize,
    pub now: Now,
    pub process: Arc<Process>,
    pub disk: Disk,
    /// A step takes less than this.
    pub pace_us: u64,
    /// One batch in this many leaves its mailbox when its turn comes: the more, the longer mailboxes are full.
    pub mail_delay: usize,
    /// One send in this many is done when its turn comes.
    pub send_delay: usize,
}

impl Sim {
    pub fn new(seed: u64, shards: usize) -> Sim {
        let mut sim = Sim::with(seed, shards, |_| {});
        sim.follows = true;
        sim.engines.iter_mut().for_each(|engine| engine.store.begin_journal());
        sim
    }

    /// With other settings, and without anybody who follows its records.
    pub fn with(seed: u64, shards: usize, tweak: impl FnOnce(&mut Settings)) -> Sim {
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
        settings.enable_debug_command = Guard::Yes;
        // Tests ask for snapshots themselves.
        settings.save = Vec::new();
        settings.dir = FOLDER.into();
        tweak(&mut settings);
        let process = Arc::new(Process::new(shards, facts, settings, Log::in_memory(Level::Warning), || 0));
        process.hash_with(seed);
        {
            let mut saves = process.persist.saves();
            saves.lock = Some(Lock::pretended(Path::new(FOLDER)));
            saves.kept = Some(Kept { folder: FOLDER.into(), stem: "dump".into(), ..Kept::default() });
        }
        let engine = |i| {
            let mut engine = Engine::new(ShardId(i as u16), process.clone(), node::admin::serve, None, seed ^ i as u64);
            // Asks on few keys lock whole shards already, and take several slices.
            engine.keys_locked_max = [3, 2, 1, 512][seed as usize % 4];
            engine.slice_keys = 1;
            engine
        };
        Sim {
            rng: Rng(seed),
            engines: (0..shards).map(engine).collect(),
            wires: (0..shards).map(|_| (0..shards).map(|_| VecDeque::new()).collect()).collect(),
            clients: Vec::new(),
            followers: (0..shards).map(|i| replay::Follower::new(16, seed ^ i as u64, None)).collect(),
            follows: false,
            unfinished: BTreeMap::new(),
            shared_records: 0,
            lent: Vec::new(),
            lent_count: 0,
            // A moment in 2026, so that what is asked of absolute times behaves as it does on a real clock.
            now: Now { unix_us: 1_790_000_000_123_000, up_us: 1_000_000 },
            process,
            disk: Disk::new(shards),
            pace_us: 50,
            mail_delay: 1,
            send_delay: 1,
        }
    }

    /// Connects to a shard; the client's number.
    pub fn connect(&mut self, shard: usize, door: Door) -> usize {
        self.process.place_client(ShardId(shard as u16), true);
        let address = |port: usize| SocketAddr::from(([127, 0, 0, 1], port as u16));
        let local = if door == Door::Memcache { 11211 } else { 6379 };
        let peer = Peer::Tcp { peer: address(20_000 + self.clients.len()), local: address(local) };
        self.engines[shard].begin(self.now);
        let fd = 1000 + self.clients.len() as i32;
        let index = self.engines[shard].open(Newcomer { fd, door, peer });
        self.clients.push(Client {
            shard,
            index,
            fd,
            to: VecDeque::new(),
            from: Vec::new(),
            flight: None,
            paused: false,
            shut: false,
            closed: false,
        });
        self.after(shard);
        self.clients.len() - 1
    }

    pub fn send(&mut self, client: usize, bytes: &[u8]) {
        if !self.clients[client].shut {
            self.clients[client].to.extend(bytes);
        }
    }

    /// The client goes, whatever it is owed.
    pub fn hang_up(&mut self, client: usize) {
        let c = &mut self.clients[client];
        if c.shut {
            return;
        }
        c.shut = true;
        c.to.clear();
        let (shard, index) = (c.shard, c.index);
        self.engines[shard].begin(self.now);
        if !self.engines[shard].conns[index as usize].gone {
            self.engines[shard].hung_up(index);
        }
        self.after(shard);
    }

    /// Time passes, nothing else happens.
    pub fn advance(&mut self, us: u64) {
        self.now.unix_us += us;
        self.now.up_us += us;
    }

    /// One random thing happens.
    pub fn step(&mut self) {
        let advance = self.rng.next() % self.pace_us;
        self.advance(advance);
        let shards = self.engines.len();
        match self.rng.below(6) {
            // A client's bytes arrive, cut anywhere.
            0 if !self.clients.is_empty() => {
                let c = self.rng.below(self.clients.len());
                let client = &mut self.clients[c];
                let waiting = client.to.len();
                if waiting > 0 && !client.paused && !client.shut {
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
                let all = |n: usize| (n / shards, n % shards);
                let full: Vec<_> =
                    (0..shards * shards).map(all).filter(|&(f, t)| !self.wires[f][t].is_empty()).collect();
                if !full.is_empty() && self.rng.chance(self.mail_delay) {
                    let (from, to) = full[self.rng.below(full.len())];
                    let mut batch = self.wires[from][to].pop_front().expect("this one is not empty");
                    self.engines[to].begin(self.now);
                    self.engines[to].mail(ShardId(from as u16), &mut batch);
                    self.after(to);
                }
            }
            // What was sent has left.
            2 if !self.clients.is_empty() => {
                let c = self.rng.below(self.clients.len());
                if self.clients[c].flight.is_some() && self.rng.chance(self.send_delay) {
                    self.sent(c);
                }
            }
            // What was to leave by a lent socket has, all or in part.
            3 if !self.lent.is_empty() => {
                let at = self.rng.below(self.lent.len());
                self.lent_sent(at);
            }
            // The disk does something, or a shard hears of it.
            4 if !self.disk.is_quiet() => {
                let shard = self.rng.below(shards);
                if self.rng.chance(2) {
                    self.disk.work(shard, &mut self.rng);
                } else if let Some(event) = self.disk.event(shard) {
                    self.engines[shard].begin(self.now);
                    self.engines[shard].file_event(event);
                    self.after(shard);
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

    fn lent_sent(&mut self, at: usize) {
        let (shard, c, lent) = self.lent.swap_remove(at);
        let sent = if self.rng.chance(4) { self.rng.below(lent.bytes.len() + 1) } else { lent.bytes.len() };
        let client = &mut self.clients[c];
        assert!(client.flight.is_none() && !client.closed, "a socket that is lent is left alone");
        if !client.shut {
            client.from.extend(&lent.bytes[..sent]);
        }
        self.lent_count += 1;
        self.engines[shard].begin(self.now);
        self.engines[shard].lent_sent(lent, sent);
        self.after(shard);
    }

    fn sent(&mut self, c: usize) {
        let client = &mut self.clients[c];
        let Some(out) = client.flight.take() else { return };
        if !client.shut {
            client.from.extend(out.to_vec());
        }
        let (shard, index) = (client.shard, client.index);
        self.engines[shard].begin(self.now);
        self.engines[shard].sent(index, out);
        self.after(shard);
    }

    /// The client that a shard calls by this index.
    fn client_of(&mut self, shard: usize, index: u32) -> usize {
        let client = self.clients.iter().position(|c| !c.closed && c.shard == shard && c.index == index);
        client.expect("every connection is a client's")
    }

    /// Replays what a shard has recorded.
    fn follow(&mut self, shard: usize) {
        if !self.follows {
            return;
        }
        let follower = &mut self.followers[shard];
        for (record, effects) in self.engines[shard].effects.iter() {
            follower.store.apply(effects, record.unix_ms, 1 << 30).expect("a shard's records fit its data");
            if record.tx != 0 {
                self.shared_records += 1;
                let missing = self.unfinished.entry(record.tx).or_insert(record.parties);
                *missing -= 1;
                if *missing == 0 {
                    self.unfinished.remove(&record.tx);
                }
            }
        }
        self.engines[shard].effects.clear();
    }

    /// A node at rest: every shard's records make its data, and transactions are whole.
    fn compare(&self, what: &str) {
        if !self.follows {
            return;
        }
        assert!(self.unfinished.is_empty(), "records are missing of transactions {:?}: {what}", self.unfinished);
        let now_ms = self.now.ms();
        for (engine, follower) in self.engines.iter().zip(&self.followers) {
            assert!(!engine.store.has_effects(), "everything done is recorded: {what}");
            let (first, second) = (replay::told(&engine.store, now_ms), replay::told(&follower.store, now_ms));
            assert_eq!(first, second, "shard {}, replayed: {what}", engine.me.0);
        }
    }

    /// What a turn does after the engine has worked: sends, hangs up and posts.
    fn after(&mut self, shard: usize) {
        if self.rng.chance(2) {
            self.engines[shard].work();
        }
        self.follow(shard);
        for ask in std::mem::take(&mut self.engines[shard].file_asks) {
            self.disk.ask(shard, ask);
        }
        for lent in std::mem::take(&mut self.engines[shard].lent) {
            let c = self.clients.iter().position(|c| c.fd == lent.fd).expect("every socket is a client's");
            assert!(self.clients[c].flight.is_none() && !self.clients[c].closed, "a socket that is lent is left alone");
            assert!(self.lent.iter().all(|(_, other, _)| *other != c), "a socket is lent to one");
            self.lent.push((shard, c, lent));
        }
        for index in std::mem::take(&mut self.engines[shard].dirty) {
            if !self.engines[shard].conns.contains(index as usize) {
                continue;
            }
            if let Some(out) = self.engines[shard].take_out(index) {
                let c = self.client_of(shard, index);
                assert!(self.clients[c].flight.replace(out).is_none(), "one send at a time");
                assert!(self.lent.iter().all(|(_, other, _)| *other != c), "a socket that is lent is left alone");
            }
        }
        for (index, stop) in std::mem::take(&mut self.engines[shard].throttle) {
            if self.engines[shard].conns.contains(index as usize) {
                let c = self.client_of(shard, index);
                self.clients[c].paused = stop;
            }
        }
        self.engines[shard].hangups.clear();
        for c in 0..self.clients.len() {
            let client = &mut self.clients[c];
            if client.shard != shard || client.closed || !self.engines[shard].is_finished(client.index) {
                continue;
            }
            client.shut = true;
            client.to.clear();
            // The ring may be done with it later.
            if client.flight.is_none() && !self.rng.chance(3) {
                client.closed = true;
                self.engines[shard].closed(client.index);
            }
        }
        let engine = &mut self.engines[shard];
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
        self.lent.is_empty()
            && self.disk.is_quiet()
            && self.clients.iter().all(|c| c.to.is_empty() && c.flight.is_none() && c.closed == c.shut)
            && self.wires.iter().flatten().all(VecDeque::is_empty)
            && self.engines.iter().all(|e| e.outbox.iter().all(Batch::is_empty) && e.is_settled())
    }

    /// What keeps the node from being quiet.
    pub fn unrest(&self) -> String {
        let mut all = Vec::new();
        for (n, c) in self.clients.iter().enumerate() {
            if !c.to.is_empty() || c.flight.is_some() || c.closed != c.shut {
                let (to, sending) = (c.to.len(), c.flight.is_some());
                all.push(format!(
                    "client {n}: {to} bytes to send, sending {sending}, paused {}, shut {}",
                    c.paused, c.shut
                ));
            }
        }
        for e in &self.engines {
            for (i, c) in &e.conns {
                if !c.order.is_empty() || !c.input.is_empty() {
                    let (order, input, row) = (c.order.len(), c.input.len(), c.last_row);
                    let verb = row.map_or("none", |row| row.name);
                    all.push(format!(
                        "shard {} connection {i}: {order} under way, {input} bytes unread, {:?}, gone {}, last {verb}",
                        e.me.0, c.stall, c.gone
                    ));
                }
            }
            all.push(format!("shard {}: {}", e.me.0, e.tell_under_way()));
            let mail = (0..self.wires.len()).map(|to| (e.outbox[to].is_empty(), self.wires[e.me.index()][to].len()));
            all.push(format!(
                "  mail to others (none left to send, batches on their way): {:?}",
                mail.collect::<Vec<_>>()
            ));
        }
        all.join("\n")
    }

    /// Lets what is under way end. `what` names the run for when it does not.
    pub fn settle(&mut self, what: &str) {
        // Whatever was slow is so no longer.
        (self.mail_delay, self.send_delay) = (1, 1);
        let mut steps = 0;
        while !self.is_quiet() {
            self.step();
            steps += 1;
            assert!(steps < 1_000_000, "never quiet: {what}: {}", self.unrest());
        }
        self.compare(what);
    }
}

/// Seeds to run: `count` of them, or what TORC_SEED and TORC_SEEDS say.
pub fn seeds(count: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|v| v.parse::<u64>().expect("a number"));
    let first = number("TORC_SEED").unwrap_or(1);
    let count = number("TORC_SEEDS").unwrap_or(if number("TORC_SEED").is_some() { 1 } else { count });
    first..first.saturating_add(count)
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
            let Ok(n) = line.parse::<usize>() else { return Some(("nil".into(), end + 2)) };
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
