//! Room: benches, micro. The whole way of an ask through a shard but for the ring: bytes in, parser, row, store, reply, bytes
//! out. The difference between these and the server's time an operation is the kernel's.

use super::{Case, Rng, Run, batches, key, resp};
use base::{ShardId, slot::slot_of};
use node::clock::Now;
use node::config::Settings;
use node::engine::{Engine, Newcomer};
use node::log::{Level, Log};
use node::process::{Facts, Process};
use node::session::{Door, Peer};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

const VALUE: [u8; 100] = [b'v'; 100];
/// Different receives that are sent round and round.
const RECEIVES: usize = 256;

pub const CASES: &[Case] = &[
    Case::new("engine/get-1", |keys| here(keys, 1, Door::Resp, get)),
    Case::new("engine/get-16", |keys| here(keys, 16, Door::Resp, get)),
    Case::new("engine/set-100-16", |keys| here(keys, 16, Door::Resp, |key| resp(&[b"SET", key, &VALUE]))),
    Case::new("engine/incr-16", |keys| here(keys, 16, Door::Resp, |key| resp(&[b"INCR", &key[8..]]))),
    Case::new("engine/memcache-get-16", |keys| {
        here(keys, 16, Door::Memcache, |key| [b"get ", key.as_slice(), b"\r\n"].concat())
    }),
    Case::new("engine/memcache-set-100-16", |keys| {
        here(keys, 16, Door::Memcache, |key| {
            [b"set ", key.as_slice(), b" 0 0 100\r\n", VALUE.as_slice(), b"\r\n"].concat()
        })
    }),
    // All keys are another shard's: there and back.
    Case::new("engine/far-get-16", far),
];

fn get(key: &[u8; 16]) -> Vec<u8> {
    resp(&[b"GET", key])
}

/// Engines without rings, filled with `keys` keys.
struct Node {
    engines: Vec<Engine>,
    now: Now,
}

impl Node {
    fn new(shards: usize, keys: u64) -> Node {
        let facts = Facts {
            run_id: "r".repeat(40),
            node_id: "0".repeat(40),
            started_unix_s: 1_790_000_000,
            kernel: "none".into(),
            total_memory: 1 << 40,
            executable: "micro".into(),
            cores: (0..shards).collect(),
            shard_port_base: 0,
            port: 6379,
            memcached_port: 11211,
        };
        let log = Log::in_memory(Level::Warning);
        let process = Arc::new(Process::new(shards, facts, Settings::default(), log, || 0));
        let engine = |i| Engine::new(ShardId(i as u16), process.clone(), node::admin::serve, None, 7 + i as u64);
        let now = Now { unix_us: 1_790_000_000_123_000, up_us: 1_000_000 };
        let mut node = Node { engines: (0..shards).map(engine).collect(), now };
        for shard in 0..shards {
            let client = node.connect(shard, Door::Resp);
            for number in 0..keys {
                let key = key(number);
                if shard_of(&key, shards) == shard {
                    node.receive(shard, client, &resp(&[b"SET", &key, &VALUE]));
                    node.send(shard);
                }
            }
        }
        node
    }

    fn connect(&mut self, shard: usize, door: Door) -> u32 {
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let peer = Peer::Tcp { peer: address(20_000), local: address(6379) };
        self.engines[shard].begin(self.now);
        self.engines[shard].process.place_client(ShardId(shard as u16), true);
        self.engines[shard].open(Newcomer { fd: 1000, door, peer })
    }

    fn receive(&mut self, shard: usize, client: u32, bytes: &[u8]) {
        self.now.unix_us += 10;
        self.now.up_us += 10;
        let engine = &mut self.engines[shard];
        engine.begin(self.now);
        engine.received(client, bytes);
    }

    /// Takes what is to be sent; its length.
    fn send(&mut self, shard: usize) -> usize {
        let engine = &mut self.engines[shard];
        engine.work();
        let mut bytes = 0;
        let mut dirty = std::mem::take(&mut engine.dirty);
        for &index in &dirty {
            if let Some(out) = engine.take_out(index) {
                bytes += black_box(&out).len();
                engine.sent(index, out);
            }
        }
        dirty.clear();
        if engine.dirty.is_empty() {
            engine.dirty = dirty;
        }
        bytes
    }

    /// Brings the mail of `from` to `to`.
    fn carry(&mut self, from: usize, to: usize) {
        let mut batch = std::mem::take(&mut self.engines[from].outbox[to]);
        self.engines[to].begin(self.now);
        self.engines[to].mail(ShardId(from as u16), &mut batch);
        batch.clear();
        self.engines[from].outbox[to] = batch;
    }
}

fn shard_of(key: &[u8], shards: usize) -> usize {
    slot_of(key).index() * shards / usize::from(base::slot::SLOTS)
}

/// Receives of `pipeline` asks each, of keys that `owner` of `shards` has.
fn receives(keys: u64, pipeline: u64, owner: (usize, usize), ask: fn(&[u8; 16]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut rng = Rng(99);
    let mut one = || loop {
        let key = key(rng.below(keys));
        if shard_of(&key, owner.1) == owner.0 {
            return ask(&key);
        }
    };
    (0..RECEIVES).map(|_| (0..pipeline).flat_map(|_| one()).collect()).collect()
}

fn here(keys: u64, pipeline: u64, door: Door, ask: fn(&[u8; 16]) -> Vec<u8>) -> Run {
    let mut node = Node::new(1, keys);
    let client = node.connect(0, door);
    let receives = receives(keys, pipeline, (0, 1), ask);
    Box::new(move |n| {
        batches(n, pipeline, |i| {
            node.receive(0, client, &receives[i as usize % RECEIVES]);
            assert!(node.send(0) > 0, "an ask was not answered");
        })
    })
}

fn far(keys: u64) -> Run {
    let mut node = Node::new(2, keys);
    let client = node.connect(0, Door::Resp);
    let receives = receives(keys, 16, (1, 2), get);
    Box::new(move |n| {
        batches(n, 16, |i| {
            node.receive(0, client, &receives[i as usize % RECEIVES]);
            node.carry(0, 1);
            node.carry(1, 0);
            assert!(node.send(0) > 0, "an ask was not answered");
        })
    })
}
