//! The handlers alone as a target: stores, a clock, no process around them.

use base::{ArgsBuf, DbId, Fault, Out, Reply};
use cases::run::{Ask, Received};
use cases::{Dialect, Target, Unsupported};
use command::commands;
use command::context::{Ctx, Limits, Tally};
use command::help;
use command::row::{Decide, Job, Row, Run, Verb};
use command::table::{keys_of, resolve};
use command::together::{apply, fetch};
use std::collections::BTreeMap;
use store::{Policy, Store, StoreOptions, Tuning};
use wire::resp::RespWriter;

const DATABASES: u16 = 16;

struct Connection {
    proto: u8,
    db: DbId,
    out: Vec<u8>,
}

/// `shards` stores. With one, every command runs its `Data` handler; with more, commands on several keys go through
/// `Together`, always, also where one shard owns all keys.
pub struct Handlers {
    shards: usize,
    stores: Vec<Store>,
    limits: Limits,
    tally: Tally,
    now_ms: u64,
    open: BTreeMap<String, Connection>,
}

impl Handlers {
    pub fn new(shards: usize) -> Handlers {
        let limits = Limits { value_bytes_max: 512 << 20, item_bytes_max: 1 << 20, lfu: false, databases: DATABASES };
        // A moment in 2026, so that what is asked of absolute times behaves as it does on a real clock.
        Handlers {
            shards,
            stores: vec![],
            limits,
            tally: Tally::default(),
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
        let mut job: Option<Box<dyn Job>> = None;
        match row.run {
            Run::One(data) => self.here(data, row.one_key().map(|k| args.at(k)), words, *db, &mut job, reply),
            Run::Many(data, _) if self.shards == 1 => self.here(data, None, words, *db, &mut job, reply),
            Run::Many(_, _) => self.there(row, words, *db, &mut job, reply),
            Run::Server(verb) => return self.server(verb, words, db, reply),
            Run::Container => unreachable!("resolve never ends at a container: {}", row.name),
        }
        if let Some(mut job) = job {
            while !job.step(997) {}
            job.reply(reply);
        }
        Ok(())
    }

    fn here(
        &mut self,
        data: command::row::Data,
        key: Option<&[u8]>,
        words: &ArgsBuf,
        db: DbId,
        job: &mut Option<Box<dyn Job>>,
        reply: &mut dyn Reply,
    ) {
        let shard = key.map_or(0, |key| self.shard_of(key));
        let mut ctx = Ctx {
            store: &mut self.stores[shard],
            db,
            now_ms: self.now_ms,
            no_touch: false,
            limits: &self.limits,
            tally: &mut self.tally,
            job: None,
        };
        data(&mut ctx, words.args(), reply);
        *job = ctx.job.take();
    }

    fn there(
        &mut self,
        row: &'static Row,
        words: &ArgsBuf,
        db: DbId,
        job: &mut Option<Box<dyn Job>>,
        reply: &mut dyn Reply,
    ) {
        let (args, Run::Many(_, together)) = (words.args(), row.run) else { unreachable!() };
        let mut keys = Vec::new();
        keys_of(row, args, &mut keys).expect("none of these looks for its keys");
        let mut found = Vec::new();
        for (n, &at) in keys.iter().enumerate() {
            let shard = self.shard_of(args.at(at));
            let mut ctx = Ctx {
                store: &mut self.stores[shard],
                db: together.place(args, n, db, DATABASES),
                now_ms: self.now_ms,
                no_touch: false,
                limits: &self.limits,
                tally: &mut self.tally,
                job: None,
            };
            found.push(fetch(&mut ctx, args.at(at), (together.read)(args, n)));
        }
        let fetched: Vec<_> = found.iter().map(|f| f.fetched()).collect();
        let mut decide = Decide {
            now_ms: self.now_ms,
            db,
            limits: &self.limits,
            tally: &mut self.tally,
            writes: Vec::new(),
            job: None,
        };
        (together.decide)(&mut decide, args, &fetched, reply);
        *job = decide.job.take();
        let writes = decide.writes;
        let mut places: Vec<(DbId, &[u8])> = writes.iter().map(|(n, db, _)| (*db, args.at(keys[*n]))).collect();
        places.sort();
        assert!(places.windows(2).all(|w| w[0] != w[1]), "at most one write a key: {words:?}");
        for (n, db, write) in writes {
            let key = args.at(keys[n]);
            let shard = self.shard_of(key);
            apply(&mut self.stores[shard], db, key, write, self.now_ms);
        }
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
                for store in &mut self.stores {
                    store.tune(Tuning { policy, samples: 5, lfu_log_factor: 10, lfu_decay_minutes: 1 });
                }
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
            Verb::MemoryHelp => help::help("memory", reply),
            Verb::Command
            | Verb::CommandCount
            | Verb::CommandDocs
            | Verb::CommandGetkeys
            | Verb::CommandGetkeysandflags
            | Verb::CommandHelp
            | Verb::CommandInfo
            | Verb::CommandList => commands::command(verb, args, reply),
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
        let store = |seed| Store::new(StoreOptions { databases: DATABASES, seed });
        self.stores = (0..self.shards as u64).map(store).collect();
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
