//! Eviction: who goes, by policy, judged beside exact LRU and LFU on skewed traces.

mod common;

use base::DbId;
use common::{Dice, steps, store, tuning};
use std::collections::{BTreeSet, HashMap};
use store::{Deadline, Policy, Put, Store, StoreOptions, Tuning};

const DB: DbId = DbId::ZERO;

/// Keys 0 .. n with weights 1 / (rank + 1)^s.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(n: usize, s: f64) -> Zipf {
        let mut sum = 0.0;
        Zipf(
            (0..n)
                .map(|i| {
                    sum += 1.0 / ((i + 1) as f64).powf(s);
                    sum
                })
                .collect(),
        )
    }

    fn pick(&self, dice: &mut Dice) -> u64 {
        let x = dice.below(1 << 53) as f64 / (1u64 << 53) as f64 * self.0.last().expect("not empty");
        self.0.partition_point(|&sum| sum < x) as u64
    }
}

/// The share of reads that hit a cache of `room` entries under the policy; `hot_moves` shifts the popular keys half way.
fn hits(policy: Policy, room: usize, trace: &[u64], ms_per_ask: u64) -> f64 {
    let mut store = store(1, 11, 512);
    store.tune(Tuning { samples: 5, ..tuning(policy) });
    let mut hits = 0;
    for (i, key) in trace.iter().enumerate() {
        let (key, now_ms) = (key.to_le_bytes(), i as u64 * ms_per_ask);
        if store.read(DB, &key, now_ms, true).is_some() {
            hits += 1;
            continue;
        }
        while store.len(DB) >= room {
            store.evict_one(now_ms, |_, _| ()).expect("something can always go");
        }
        let deadline = Deadline::At(u64::MAX);
        store.cell(DB, &key, now_ms).put(b"v", Put { deadline, ..Put::default() });
    }
    store.verify();
    hits as f64 / trace.len() as f64
}

fn hits_lru(room: usize, trace: &[u64]) -> f64 {
    let (mut order, mut used, mut hits) = (BTreeSet::new(), HashMap::new(), 0);
    for (i, &key) in trace.iter().enumerate() {
        match used.insert(key, i) {
            Some(old) => {
                hits += 1;
                order.remove(&(old, key));
            }
            None if used.len() > room => {
                let (_, oldest) = order.pop_first().expect("full");
                used.remove(&oldest);
            }
            None => {}
        }
        order.insert((i, key));
    }
    hits as f64 / trace.len() as f64
}

/// The best that knowing all frequencies can do: the most frequent keys always stay.
fn hits_best_static(room: usize, trace: &[u64]) -> f64 {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    trace.iter().for_each(|&key| *counts.entry(key).or_default() += 1);
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts.iter().take(room).map(|&n| n - 1).sum::<usize>() as f64 / trace.len() as f64
}

#[test]
fn sampling_comes_near_to_the_exact_policies() {
    if cfg!(miri) {
        return;
    }
    let zipf = Zipf::new(20_000, 0.9);
    let mut dice = Dice::new(3);
    let trace: Vec<u64> = (0..300_000).map(|_| zipf.pick(&mut dice)).collect();
    let room = 2000;
    let exact = hits_lru(room, &trace);
    let best = hits_best_static(room, &trace);
    let random = hits(Policy::AllKeysRandom, room, &trace, 1);
    for (policy, least) in [
        (Policy::AllKeysLru, exact - 0.015),
        (Policy::VolatileLru, exact - 0.015),
        // Logarithmic counters that decay every minute know less than all frequencies, and more than recency.
        (Policy::AllKeysLfu, (exact + best) / 2.0 - 0.02),
        (Policy::VolatileLfu, (exact + best) / 2.0 - 0.02),
    ] {
        let got = hits(policy, room, &trace, 1);
        println!("{policy:?}: {got:.4}, exact LRU {exact:.4}, best static {best:.4}, random {random:.4}");
        assert!(got >= least, "{policy:?} hits {got:.4}; {least:.4} wanted (exact LRU {exact:.4}, best {best:.4})");
        assert!(got > random + 0.01, "{policy:?} hits {got:.4}, random {random:.4}");
    }
}

fn fill(store: &mut Store, n: u64) {
    // Even keys have a deadline, later ones a later one, in an order that is not the keys'.
    for i in 0..n {
        let key = i * 7919 % n;
        let deadline = if key.is_multiple_of(2) { Deadline::At(1_000_000 + key * 3) } else { Deadline::None };
        let db = DbId((key % 3) as u16);
        store.cell(db, &key.to_le_bytes(), i).put(&[0; 20], Put { deadline, ..Put::default() });
    }
}

#[test]
fn policies_take_what_they_may() {
    for (policy, volatile) in [
        (Policy::AllKeysLru, false),
        (Policy::AllKeysLfu, false),
        (Policy::AllKeysRandom, false),
        (Policy::VolatileLru, true),
        (Policy::VolatileLfu, true),
        (Policy::VolatileRandom, true),
        (Policy::VolatileTtl, true),
    ] {
        let mut store = store(4, 2, 16);
        let n = steps(3000) as u64;
        fill(&mut store, n);
        assert_eq!(store.evict_one(n, |_, _| panic!("nobody may go")), None, "noeviction");
        store.tune(tuning(policy));
        // Keys by deadline, for volatile-ttl.
        let mut left: Vec<u64> = (0..n).filter(|key| key % 2 == 0).collect();
        let (mut gone, mut ranks) = (0, 0.0);
        let mut held = store.bytes();
        loop {
            let mut gone_key = 0;
            let Some(freed) = store.evict_one(n, |db, key| {
                gone_key = u64::from_le_bytes(key.try_into().expect("8 bytes"));
                assert_eq!(u64::from(db.0), gone_key % 3, "{policy:?} names the database");
            }) else {
                break;
            };
            assert!(freed >= 36, "{policy:?} frees");
            if volatile {
                assert_eq!(gone_key % 2, 0, "{policy:?} takes what has a deadline");
            }
            if policy == Policy::VolatileTtl {
                let rank = left.iter().position(|&key| key == gone_key).expect("it was there");
                ranks += rank as f64 / left.len() as f64;
                left.remove(rank);
            }
            gone += 1;
            if gone % 500 == 0 {
                // Not with every one: a segment that is rebuilt smaller may need a new run of blocks first.
                assert!(store.bytes() < held, "{policy:?} frees: {held} then, {} now", store.bytes());
                held = store.bytes();
                store.verify();
            }
        }
        println!("{policy:?}: mean rank of what went {:.3}", ranks / gone as f64);
        // 0.5 would be chance; set in random order, deadlines of one list are told apart by sampling.
        assert!(ranks / gone as f64 <= 0.05, "the nearest deadlines go first: mean rank {}", ranks / gone as f64);
        assert_eq!(gone, if volatile { n.div_ceil(2) } else { n }, "{policy:?}");
        assert_eq!(store.counters().evicted, gone);
        store.verify();
    }
}

/// With one time to live for all, those set first go first.
#[test]
fn volatile_ttl_is_exact_for_deadlines_in_order() {
    let mut store = store(1, 2, 16);
    store.tune(tuning(Policy::VolatileTtl));
    let n = steps(3000) as u64;
    for i in 0..n {
        let put = Put { deadline: Deadline::At(3_600_000 + i * 7), ..Put::default() };
        store.cell(DB, &i.to_le_bytes(), i * 7).put(b"", put);
    }
    for i in 0..n {
        store.evict_one(n * 7, |_, key| assert_eq!(key, i.to_le_bytes())).expect("one is left");
    }
}

/// Of every small database each key comes up, whatever places the keys fall into.
#[test]
fn every_key_is_drawn_at_random() {
    for n in 1..=40_u64 {
        for seed in 0..8_u64 {
            let mut store = Store::new(StoreOptions { databases: 1, seed, hash_seed: seed });
            for i in 0..n {
                store.cell(DB, &(seed << 32 | i).to_le_bytes(), 1).put(b"", Put::default());
            }
            let mut drawn = HashMap::new();
            // (1 - 1/n)^(60 n) < e^-60 if all are drawn alike; seldom is half as often here.
            for _ in 0..60 * n {
                *drawn.entry(store.random_key(DB, 1).expect("there are keys")).or_insert(0) += 1;
            }
            assert_eq!(drawn.len() as u64, n, "of {n} keys, seed {seed}: {drawn:?}");
            let most = drawn.values().max().expect("there are keys");
            assert!(*most <= 180, "of {n} keys, seed {seed}, one came {most} times for 60");
        }
    }
}

/// What waits in the graveyard is neither evicted nor in the way.
#[test]
fn flushed_entries_are_not_evicted() {
    for policy in
        [Policy::AllKeysLru, Policy::AllKeysRandom, Policy::VolatileLru, Policy::VolatileTtl, Policy::VolatileRandom]
    {
        let mut store = store(4, 2, 16);
        store.tune(tuning(policy));
        let n = steps(3000) as u64;
        fill(&mut store, n);
        store.evict_one(n, |_, _| ()).expect("something goes");
        (0..3).for_each(|db| store.flush(DbId(db)));
        assert_eq!(store.evict_one(n, |_, _| panic!("nothing is left")), None, "{policy:?}");
        let put = Put { deadline: Deadline::At(5_000_000), ..Put::default() };
        store.cell(DbId(3), b"one", n).put(b"", put);
        assert!(store.evict_one(n, |db, key| assert_eq!((db, key), (DbId(3), &b"one"[..]))).is_some(), "{policy:?}");
        store.verify();
    }
}

#[test]
fn ages_are_as_redis_counts_them() {
    let mut store = store(1, 6, 512);
    let put = |store: &mut Store, now| store.cell(DB, b"k", now).put(b"v", Put::default());
    put(&mut store, 1_000_000);
    let idle = |store: &mut Store, now| store.peek(DB, b"k", now).expect("there").idle_ms(now);
    assert_eq!(idle(&mut store, 1_060_000), 60_000, "a look does not renew it");
    store.read(DB, b"k", 1_060_000, false);
    assert_eq!(idle(&mut store, 1_060_000), 60_000, "nor does a read that does not touch");
    assert!(!store.peek(DB, b"k", 0).expect("there").fetched());
    store.read(DB, b"k", 1_060_000, true);
    assert_eq!(idle(&mut store, 1_061_500), 1_500);
    assert!(store.peek(DB, b"k", 0).expect("there").fetched());
    put(&mut store, 1_070_000);
    assert_eq!(idle(&mut store, 1_070_000), 0);
    assert!(!store.peek(DB, b"k", 0).expect("there").fetched(), "stored anew");

    let mut minute = 60_000;
    store.tune(tuning(Policy::AllKeysLfu));
    store.cell(DB, b"k", 0).remove();
    put(&mut store, minute);
    let frequency = |store: &mut Store, now| store.peek(DB, b"k", now).expect("there").frequency(now);
    assert_eq!(frequency(&mut store, minute), 5, "a new key is not the first to go");
    assert_eq!(frequency(&mut store, 4 * minute), 2, "one less a minute");
    assert_eq!(frequency(&mut store, 100 * minute), 0);
    // redis.conf, "lfu-log-factor": with a factor of 10, 1000 hits make about 18, 100 K about 142.
    for (hits, range) in [(1000, 14..=22), (100_000, 125..=160)] {
        store.cell(DB, b"k", minute).remove();
        put(&mut store, minute);
        for _ in 0..steps(hits) {
            store.read(DB, b"k", minute, true);
        }
        let counter = frequency(&mut store, minute);
        assert!(range.contains(&counter) || cfg!(miri), "{counter} after {hits} hits");
        let put_again = counter;
        put(&mut store, minute);
        assert_eq!(frequency(&mut store, minute), put_again, "a new value keeps the key's use");
        minute += 1_000_000;
    }
}
