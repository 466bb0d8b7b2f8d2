//! The slow twin of the journal: another store, with other thresholds, that is told nothing but effects.

use base::DbId;
use std::collections::BTreeMap;
use store::stream::Id;
use store::zset::ZsetRef;
use store::{Entry, Kind, Packing, Policy, Store, StoreOptions, Tuning};

/// A store that follows another by what that one's journal says.
pub struct Follower {
    pub store: Store,
    pub records: usize,
    pub bytes: usize,
    /// The latest record.
    pub log: Vec<u8>,
}

/// Nearly everything is large at once.
const NARROW: Packing = Packing {
    hash_entries: 2,
    hash_value_bytes: 5,
    intset_entries: 3,
    set_entries: 2,
    set_value_bytes: 4,
    zset_entries: 2,
    zset_value_bytes: 3,
    list_size: 3,
    list_compress_depth: 0,
    stream_node_bytes: 60,
    stream_node_entries: 2,
    hll_sparse_bytes: 100,
};

impl Follower {
    pub fn new(databases: u16, seed: u64, tuning: Option<Tuning>) -> Follower {
        let mut store = Store::new(StoreOptions { databases, seed: seed ^ 0x5eed, hash_seed: seed ^ 0x5eed });
        let usual = Tuning {
            policy: Policy::NoEviction,
            samples: 5,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            packing: NARROW,
        };
        store.tune(Tuning { packing: NARROW, ..tuning.unwrap_or(usual) });
        Follower { store, records: 0, bytes: 0, log: Vec::new() }
    }

    /// Takes what `leader` has noted; afterwards both must hold the same.
    pub fn follow(&mut self, leader: &mut Store, now_ms: u64, context: &dyn Fn() -> String) {
        let mut effects = Vec::new();
        leader.take_effects(&mut effects);
        if effects.is_empty() {
            return;
        }
        self.records += 1;
        self.bytes += effects.len();
        if let Err(e) = self.store.apply(&effects, now_ms, 512 << 20) {
            panic!("{e:?} in {:?} of {}", effects.escape_ascii().to_string(), context());
        }
        self.store.verify();
        let (first, second) = (told(leader, now_ms), told(&self.store, now_ms));
        if first != second {
            let differs = |(key, facts): &(&(u16, Vec<u8>), &String)| second.get(*key) != Some(*facts);
            let lost: Vec<_> = first.iter().filter(differs).collect();
            let over: Vec<_> = second.iter().filter(|(key, facts)| first.get(*key) != Some(*facts)).collect();
            panic!("after {}:\nhere {lost:?}\nreplayed {over:?}\neffects {}", context(), effects.escape_ascii());
        }
        self.log = effects;
    }
}

/// All that is to be seen, in words.
pub fn told(store: &Store, now_ms: u64) -> BTreeMap<(u16, Vec<u8>), String> {
    let mut all = BTreeMap::new();
    for db in 0..store.databases() {
        let mut cursor = 0;
        loop {
            cursor = store.scan(DbId(db), cursor, 1000, now_ms, |key, entry| {
                all.insert((db, key.to_vec()), facts(entry, now_ms));
            });
            if cursor == 0 {
                break;
            }
        }
    }
    all
}

fn facts(entry: Entry<'_>, now_ms: u64) -> String {
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let value = match entry.kind() {
        Kind::String => format!("{} {:?}", shown(entry.bytes()), entry.encoding()),
        Kind::List => {
            let list = entry.list().expect("a list");
            list.iter_from(0, false).map(|element| shown(element.text(&mut [0; 20]))).collect::<Vec<_>>().join(",")
        }
        Kind::Set => {
            let mut members = Vec::new();
            let elements = entry.elements().expect("a set");
            scan(|cursor| elements.scan(cursor, 1000, |member| members.push(shown(&member.to_vec()))));
            members.sort();
            members.join(",")
        }
        Kind::Hash => {
            let mut pairs = Vec::new();
            let fields = entry.fields(now_ms).expect("a hash");
            scan(|cursor| {
                fields.scan(cursor, 1000, |field, value, deadline| {
                    // Nobody has looked the key up.
                    if deadline.is_none_or(|deadline| deadline > now_ms) {
                        pairs.push(format!("{}={}@{deadline:?}", shown(&field.to_vec()), shown(&value.to_vec())));
                    }
                })
            });
            pairs.sort();
            pairs.join(",")
        }
        Kind::Zset => {
            let zset = ZsetRef::of(entry).unwrap_or_else(|_| panic!("a sorted set"));
            let mut pairs = Vec::new();
            zset.walk(0, usize::MAX, false, |member, score| {
                // A packed set does not keep the sign of a zero.
                pairs.push(format!("{}={}", shown(member), score + 0.0));
                true
            });
            pairs.join(",")
        }
        Kind::Stream => stream(entry),
    };
    format!("{:?} {:?} {} {value}", entry.kind(), entry.deadline(), entry.flags())
}

fn scan(mut step: impl FnMut(u64) -> u64) {
    let mut cursor = step(0);
    while cursor != 0 {
        cursor = step(cursor);
    }
}

fn stream(entry: Entry<'_>) -> String {
    use std::fmt::Write;
    let stream = entry.stream().expect("a stream");
    let log = stream.log();
    let mut out = format!("last {} max {} added {} first {}", log.last(), log.max_deleted(), log.added(), log.first());
    for entry in log.range(Id::MIN, Id::MAX) {
        let words: Vec<_> = entry.pairs().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        write!(out, " {}:{words:?}", entry.id).expect("a string takes all");
    }
    for (name, group) in stream.groups() {
        write!(out, " group {name:?} {} {}", group.last, group.read).expect("a string takes all");
        for consumer in group.consumers() {
            write!(out, " consumer {:?} {}", consumer.name(), consumer.active_ms).expect("a string takes all");
            for id in consumer.pending_from(Id::MIN) {
                let nack = group.nack(id).expect("what is pending for a consumer is pending");
                write!(out, " {id} {} {}", nack.delivered_ms, nack.deliveries).expect("a string takes all");
            }
        }
        assert_eq!(group.pending_len(), group.consumers().map(|consumer| consumer.pending_len()).sum::<usize>());
    }
    out
}
