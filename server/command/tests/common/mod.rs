//! The handlers alone as a target: stores, a clock, no process around them.

#[allow(dead_code, reason = "each test binary uses a part")]
pub mod replay;

use base::{ArgsBuf, DbId, Fault, Out, Reply};
use cases::run::{Ask, Received};
use cases::{Dialect, Target, Unsupported};
use command::commands;
use command::context::{Ctx, Events, Limits, Tally};
use command::help;
use command::row::{Decide, Patience, Read, Run, Together, Verb, Writing};
use command::table::{keys_of, resolve};
use command::together::{Found, apply, decide_on, fetch, run_here};
use std::collections::BTreeMap;
use store::{Packing, Policy, Store, StoreOptions, Tuning};
use wire::resp::RespWriter;

const DATABASES: u16 = 16;

struct Connection {
    proto: u8,
    db: DbId,
    out: Vec<u8>,
}

fn tuning() -> Tuning {
    Tuning {
        policy: Policy::NoEviction,
        samples: 5,
        lfu_log_factor: 10,
        lfu_decay_minutes: 1,
        packing: Packing::default(),
    }
}

/// `shards` stores. With one, every command runs its `Data` handler; with more, commands on several keys go through
/// `Together`, always, also where one shard owns all keys.
pub struct Handlers {
    shards: usize,
    stores: Vec<Store>,
    /// Of each store one that follows it by its journal.
    followers: Vec<replay::Follower>,
    limits: Limits,
    tally: Tally,
    events: Events,
    tuning: Tuning,
    now_ms: u64,
    open: BTreeMap<String, Connection>,
}

impl Handlers {
    pub fn new(shards: usize) -> Handlers {
        let limits =
            Limits { value_bytes_max: 512 << 20, item_bytes_max: 1 << 20, lfu: false, databases: DATABASES, shards };
        // A moment in 2026, so that what is asked of absolute times behaves as it does on a real clock.
        Handlers {
            shards,
            stores: vec![],
            followers: vec![],
            limits,
            tally: Tally::default(),
            events: Events { wanted: u32::MAX, awaited: true, ..Events::default() },
            tuning: tuning(),
            now_ms: 1_790_000_000_123,
            open: BTreeMap::new(),
        }
    }

    fn shard_of(&self, key: &[u8]) -> usize {
        base::slot::slot_of(key).index() % self.shards
    }

    fn ask(&mut self, words: &ArgsBuf, db: &mut DbId, reply: &mut dyn Reply) -> Result<(), Unsupported> {
        let args = words.args();
        let row = match resolve(args) {
            Ok(row) => row,
            Err(fault) => {
                reply.fault(&fault);
                return Ok(());
            }
        };
        let mut keys = Vec::new();
        match row.run {
            Run::Server(verb) => return self.server(verb, words, db, reply),
            Run::Container => unreachable!("resolve never ends at a container: {}", row.name),
            Run::Blocking(blocking) => {
                if let Err(fault) = (blocking.patience)(args, self.now_ms) {
                    reply.fault(&fault);
                    return Ok(());
                }
                if let Err(fault) = keys_of(row, args, &mut keys) {
                    reply.fault(&fault);
                } else if self.several(&blocking.attempt, &keys, words, *db, reply) {
                    if (blocking.patience)(args, self.now_ms) != Ok(Patience::None) {
                        return Err(Unsupported("handlers alone do not wait".into()));
                    }
                    (blocking.timed_out)(reply);
                }
            }
            Run::One(data) => {
                if let Err(fault) = keys_of(row, args, &mut keys) {
                    reply.fault(&fault);
                } else {
                    self.here(data, args.at(keys[0]), words, *db, reply);
                }
            }
            Run::Many(data, _) if self.shards == 1 => self.here(data, b"", words, *db, reply),
            Run::Many(_, together) | Run::Together(together) => match keys_of(row, args, &mut keys) {
                Err(fault) => reply.fault(&fault),
                Ok(()) => {
                    self.several(together, &keys, words, *db, reply);
                }
            },
        }
        self.events.happened.clear();
        self.events.ready.clear();
        Ok(())
    }

    /// Lets `work` have the store that has `key`; jobs and walks that it leaves are worked off.
    fn with(
        &mut self,
        key: &[u8],
        words: &ArgsBuf,
        db: DbId,
        reply: &mut dyn Reply,
        work: impl FnOnce(&mut Ctx<'_>, &mut dyn Reply),
    ) {
        let shard = self.shard_of(key);
        let mut ctx = self.ctx(shard, db);
        work(&mut ctx, reply);
        let (job, walk) = (ctx.job.take(), ctx.walk.take());
        if let Some(mut job) = job {
            while !job.step(997) {}
            while !job.finish(&mut Vec::new(), reply) {}
        }
        if let Some(mut walk) = walk {
            while !walk.step(&mut ctx, words.args(), reply) {}
        }
    }

    fn ctx(&mut self, shard: usize, db: DbId) -> Ctx<'_> {
        Ctx {
            store: &mut self.stores[shard],
            db,
            now_ms: self.now_ms,
            no_touch: false,
            limits: &self.limits,
            tally: &mut self.tally,
            events: &mut self.events,
            job: None,
            walk: None,
        }
    }

    fn here(&mut self, data: command::row::Data, key: &[u8], words: &ArgsBuf, db: DbId, reply: &mut dyn Reply) {
        self.with(key, words, db, reply, |ctx, reply| data(ctx, words.args(), reply));
    }

    /// True when the client has to wait.
    fn several(
        &mut self,
        together: &'static Together,
        keys: &[usize],
        words: &ArgsBuf,
        db: DbId,
        reply: &mut dyn Reply,
    ) -> bool {
        if self.shards == 1 {
            let mut wait = false;
            self.with(b"", words, db, reply, |ctx, reply| {
                wait = run_here(ctx, words.args(), keys, together, reply).is_some()
            });
            return wait;
        }
        let args = words.args();
        let mut found = Vec::new();
        for (n, &at) in keys.iter().enumerate() {
            found.push(self.read(args.at(at), together.place(args, n, db, DATABASES), &(together.read)(args, n)));
        }
        let mut decide = Decide {
            now_ms: self.now_ms,
            db,
            limits: &self.limits,
            tally: &mut self.tally,
            parcels: Vec::new(),
            writes: Vec::new(),
            job: None,
            wait: None,
        };
        decide_on(together, &mut decide, args, &mut found, reply);
        let Decide { mut writes, job, wait, .. } = decide;
        let wait = wait.is_some();
        if let Some(mut job) = job {
            while !job.step(997) {
                if let Some(wanted) = job.wants() {
                    let keys = wanted.keys.args();
                    let found = wanted.reads.iter().enumerate().map(|(n, (db, read))| self.read(keys.at(n), *db, read));
                    job.heard(found.collect());
                }
            }
            while !job.finish(&mut writes, reply) {}
        }
        let mut places: Vec<(DbId, &[u8])> = writes.iter().map(|(n, db, _)| (*db, args.at(keys[*n]))).collect();
        places.sort();
        assert!(places.windows(2).all(|w| w[0] != w[1]), "at most one write a key: {words:?}");
        assert!(!wait || places.is_empty(), "who waits writes nothing: {words:?}");
        for (n, db, write) in writes {
            let key = args.at(keys[n]);
            let shard = self.shard_of(key);
            let mut ctx = self.ctx(shard, db);
            if let Writing::More(mut more) = apply(&mut ctx, key, write) {
                while !more(&mut ctx, key) {}
            }
        }
        wait
    }

    #[allow(dead_code, reason = "each test binary uses a part")]
    /// What goes by itself: what is due, and some of what the policy chooses. `work` may do what no handler does.
    pub fn keep_house(&mut self, evicted: usize, work: impl Fn(&mut Store)) {
        for (store, follower) in self.stores.iter_mut().zip(&mut self.followers) {
            work(store);
            while store.expire(self.now_ms, 5, |_, _| {}) {}
            for _ in 0..evicted {
                store.evict_one(self.now_ms, |_, _| {});
            }
            while store.bury(100) {}
            store.verify();
            follower.follow(store, self.now_ms, &|| format!("keeping house, {evicted} evicted"));
        }
    }

    #[allow(dead_code, reason = "each test binary uses a part")]
    pub fn follow_up(&self) -> &[replay::Follower] {
        &self.followers
    }

    /// What a far shard would read at a key.
    fn read(&mut self, key: &[u8], db: DbId, read: &Read) -> Found {
        let shard = self.shard_of(key);
        let mut ctx = self.ctx(shard, db);
        fetch(&mut ctx, key, read).unwrap_or_else(|mut rest| {
            loop {
                if let Some(parcel) = rest(&mut ctx, key) {
                    break Found::of(parcel);
                }
            }
        })
    }

    fn tune(&mut self) {
        self.stores.iter_mut().for_each(|store| store.tune(self.tuning));
    }

    /// The little of the process that cases about data lean on.
    fn server(&mut self, verb: Verb, words: &ArgsBuf, db: &mut DbId, reply: &mut dyn Reply) -> Result<(), Unsupported> {
        let args = words.args();
        let text = |i: usize| String::from_utf8_lossy(args.get(i).unwrap_or_default()).to_lowercase();
        match verb {
            Verb::Select => match text(1).parse() {
                Ok(n) if n < DATABASES => {
                    *db = DbId(n);
                    reply.ok();
                }
                _ => reply.fault(&Fault::DbIndexOutOfRange),
            },
            Verb::Dbsize => reply.int(self.stores.iter().map(|s| s.len(*db) as i64).sum()),
            Verb::ConfigSet if text(2) == "proto-max-bulk-len" => {
                self.limits.value_bytes_max = text(3).parse().expect("a number");
                reply.ok();
            }
            Verb::ConfigSet if text(2) == "maxmemory-policy" => {
                let (lfu, policy) = match text(3).as_str() {
                    "allkeys-lfu" => (true, Policy::AllKeysLfu),
                    "allkeys-lru" => (false, Policy::AllKeysLru),
                    _ => (false, Policy::NoEviction),
                };
                self.limits.lfu = lfu;
                self.tuning.policy = policy;
                self.tune();
                reply.ok();
            }
            Verb::ConfigSet => {
                let (packing, n) = (&mut self.tuning.packing, text(3).parse::<i64>().unwrap_or(0));
                match text(2).as_str() {
                    "hash-max-listpack-entries" => packing.hash_entries = n as usize,
                    "hash-max-listpack-value" => packing.hash_value_bytes = n as usize,
                    "set-max-intset-entries" => packing.intset_entries = n as usize,
                    "set-max-listpack-entries" => packing.set_entries = n as usize,
                    "set-max-listpack-value" => packing.set_value_bytes = n as usize,
                    "zset-max-listpack-entries" => packing.zset_entries = n as usize,
                    "zset-max-listpack-value" => packing.zset_value_bytes = n as usize,
                    "list-max-listpack-size" => packing.list_size = n as i32,
                    "list-compress-depth" => packing.list_compress_depth = n as u32,
                    "stream-node-max-bytes" => packing.stream_node_bytes = n as usize,
                    "stream-node-max-entries" => packing.stream_node_entries = n as usize,
                    "hll-sparse-max-bytes" => packing.hll_sparse_bytes = n as usize,
                    other => return Err(Unsupported(format!("handlers alone have no setting {other}"))),
                }
                self.tune();
                reply.ok();
            }
            Verb::ConfigResetstat => {
                self.stores.iter_mut().for_each(Store::reset_counters);
                reply.ok();
            }
            Verb::Info if text(1) == "stats" => {
                let sum =
                    |pick: fn(store::Counters) -> u64| self.stores.iter().map(|s| pick(s.counters())).sum::<u64>();
                let (hits, misses) = (sum(|c| c.hits), sum(|c| c.misses));
                reply.bulk(format!("keyspace_hits:{hits}\r\nkeyspace_misses:{misses}\r\n").as_bytes());
            }
            Verb::ObjectHelp => help::help("object", reply),
            Verb::XgroupHelp => help::help("xgroup", reply),
            Verb::XinfoHelp => help::help("xinfo", reply),
            Verb::MemoryHelp => help::help("memory", reply),
            Verb::Command
            | Verb::CommandCount
            | Verb::CommandDocs
            | Verb::CommandGetkeys
            | Verb::CommandGetkeysandflags
            | Verb::CommandHelp
            | Verb::CommandInfo
            | Verb::CommandList => commands::command(&Default::default(), verb, args, reply),
            _ => return Err(Unsupported(format!("handlers alone do not answer {}", text(0)))),
        }
        Ok(())
    }
}

impl Target for Handlers {
    fn version(&self) -> Option<(u32, u32, u32)> {
        None
    }

    fn offers(&self, need: &str) -> bool {
        ["torc", "config"].contains(&need)
    }

    fn reset(&mut self) -> Result<(), String> {
        self.open.clear();
        let store = |seed| Store::new(StoreOptions { databases: DATABASES, seed, hash_seed: seed });
        self.stores = (0..self.shards as u64).map(store).collect();
        self.tuning = tuning();
        self.stores.iter_mut().for_each(Store::begin_journal);
        let follower = |seed| replay::Follower::new(DATABASES, seed, Some(self.tuning));
        self.followers = (0..self.shards as u64).map(follower).collect();
        Ok(())
    }

    fn now_ms(&mut self) -> u64 {
        self.now_ms
    }

    fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    fn open(&mut self, connection: &str, dialect: Dialect, proto: u8) -> Result<(), Unsupported> {
        if dialect == Dialect::Memcache {
            return Err(Unsupported("handlers alone read no memcached lines".into()));
        }
        self.open.insert(connection.into(), Connection { proto, db: DbId::ZERO, out: Vec::new() });
        Ok(())
    }

    fn send(&mut self, connection: &str, ask: Ask<'_>) -> Result<(), Unsupported> {
        let Ask::Words(words) = ask else { return Err(Unsupported("handlers alone read no raw bytes".into())) };
        let words: ArgsBuf = words.iter().map(|w| &w[..]).collect();
        let (proto, mut db) = self.open.get(connection).map(|c| (c.proto, c.db)).expect("opened before");
        let mut out = Out::new();
        self.ask(&words, &mut db, &mut RespWriter::new(&mut out, proto))?;
        self.stores.iter().for_each(Store::verify);
        let context = || words.args().iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        for (store, follower) in self.stores.iter_mut().zip(&mut self.followers) {
            follower.follow(store, self.now_ms, &context);
        }
        let connection = self.open.get_mut(connection).expect("opened before");
        connection.out.extend(out.to_vec());
        connection.db = db;
        Ok(())
    }

    fn receive(&mut self, connection: &str, _: u64) -> Received {
        match self.open.get_mut(connection) {
            Some(c) if !c.out.is_empty() => Received::Bytes(std::mem::take(&mut c.out)),
            _ => Received::Nothing,
        }
    }
}
