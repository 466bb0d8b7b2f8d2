//! What the store's tests share: random numbers from a printed seed, and the obvious store beside the clever one.
#![allow(dead_code)]

use base::DbId;
use bytes::Bytes;
use std::collections::BTreeMap;
use store::{Deadline, Encoding, Policy, Portable, Put, Store, StoreOptions, Tuning};

/// xorshift64*, apart from the store's own generator.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 .. n
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let first = self.next() as u8;
        (0..len).map(|i| first.wrapping_add((i / 7) as u8)).collect()
    }
}

pub fn store(databases: u16, seed: u64, segment_length: usize) -> Store {
    Store::with_segment_length(StoreOptions { databases, seed, hash_seed: seed }, segment_length)
}

pub fn tuning(policy: Policy) -> Tuning {
    Tuning { policy, samples: 5, lfu_log_factor: 10, lfu_decay_minutes: 1, packing: store::Packing::default() }
}

/// Fewer steps where each is a hundred times slower.
pub fn steps(n: usize) -> usize {
    if cfg!(miri) { (n / 400).max(20) } else { n }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub value: Vec<u8>,
    pub flags: u32,
    pub deadline: Option<u64>,
    pub encoding: Encoding,
    pub version: Option<u64>,
    pub fetched: bool,
}

/// One ordered map a database; every call is a line or two.
pub struct Model {
    pub dbs: Vec<BTreeMap<Vec<u8>, Item>>,
}

impl Model {
    pub fn new(databases: u16) -> Model {
        Model { dbs: (0..databases).map(|_| BTreeMap::new()).collect() }
    }

    /// The entry, unless its deadline has come: then it goes.
    pub fn get(&mut self, db: DbId, key: &[u8], now_ms: u64) -> Option<&mut Item> {
        let map = &mut self.dbs[db.index()];
        if map.get(key).is_some_and(|item| item.deadline.is_some_and(|deadline| deadline <= now_ms)) {
            map.remove(key);
        }
        map.get_mut(key)
    }

    pub fn put(&mut self, db: DbId, key: &[u8], now_ms: u64, value: &[u8], put: Put) {
        let old = self.get(db, key, now_ms).cloned();
        let deadline = match put.deadline {
            Deadline::None => None,
            Deadline::Keep => old.as_ref().and_then(|item| item.deadline),
            Deadline::At(at) => Some(at),
        };
        let item = Item {
            value: value.to_vec(),
            flags: put.flags,
            deadline,
            encoding: put.encoding,
            version: old.and_then(|item| item.version),
            fetched: false,
        };
        self.dbs[db.index()].insert(key.to_vec(), item);
    }

    /// Changes a value; an entry that is missing is made first.
    pub fn edit(
        &mut self,
        db: DbId,
        key: &[u8],
        now_ms: u64,
        encoding: Encoding,
        edit: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        if self.get(db, key, now_ms).is_none() {
            self.put(db, key, now_ms, b"", Put::default());
        }
        let item = self.get(db, key, now_ms).expect("made above");
        edit(&mut item.value);
        item.encoding = encoding;
        item.fetched = false;
        item.value.len()
    }
}

/// Every entry of the store equals the model's, and there are no others.
pub fn same(store: &mut Store, model: &mut Model, now_ms: u64, context: &str) {
    for db in (0..model.dbs.len() as u16).map(DbId) {
        let mut found = BTreeMap::new();
        let mut cursor = 0;
        loop {
            cursor = store.scan(db, cursor, 10, now_ms, |key, entry| {
                let item = Item {
                    value: entry.bytes().to_vec(),
                    flags: entry.flags(),
                    deadline: entry.deadline(),
                    encoding: entry.encoding(),
                    version: entry.version(),
                    fetched: entry.fetched(),
                };
                assert!(found.insert(key.to_vec(), item).is_none(), "{context}: a key was visited twice");
            });
            assert!(cursor < 1 << 48);
            if cursor == 0 {
                break;
            }
        }
        let live = |item: &Item| item.deadline.is_none_or(|deadline| deadline > now_ms);
        let expected: BTreeMap<_, _> =
            model.dbs[db.index()].iter().filter(|(_, item)| live(item)).map(|(k, i)| (k.clone(), i.clone())).collect();
        assert!(found == expected, "{context}: database {} differs", db.0);
    }
}

pub fn portable(value: Vec<u8>, flags: u32, deadline: Option<u64>, encoding: Encoding) -> Portable {
    Portable { kind: store::Kind::String, value: Bytes::from(value), flags, deadline, encoding }
}
