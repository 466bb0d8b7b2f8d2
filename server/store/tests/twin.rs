//! The store beside an obvious one, from seeds.

mod common;

use base::DbId;
use bytes::Bytes;
use common::{Dice, Model, portable, same, steps, store};
use std::collections::HashSet;
use store::{Deadline, Encoding, Put, Value};

struct Case {
    name: &'static str,
    segment_length: usize,
    databases: u16,
    keys: u64,
    steps: usize,
    /// Value lengths: this much most of the time, the second sometimes.
    length: u64,
    length_rare: u64,
    /// Of 100 steps, how many of the ordinary ones store rather than remove: the store grows or shrinks by it in turns.
    growing: u64,
}

const CASES: &[Case] = &[
    Case {
        name: "tiny",
        segment_length: 4,
        databases: 1,
        keys: 12,
        steps: 20_000,
        length: 20,
        length_rare: 300,
        growing: 60,
    },
    Case {
        name: "small segments",
        segment_length: 4,
        databases: 3,
        keys: 3000,
        steps: 60_000,
        length: 40,
        length_rare: 400,
        growing: 75,
    },
    Case {
        name: "real segments",
        segment_length: 512,
        databases: 2,
        keys: 30_000,
        steps: 120_000,
        length: 40,
        length_rare: 100,
        growing: 80,
    },
    Case {
        name: "large values",
        segment_length: 16,
        databases: 2,
        keys: 60,
        steps: 6_000,
        length: 3000,
        length_rare: 60_000,
        growing: 65,
    },
    Case {
        name: "around the border",
        segment_length: 8,
        databases: 2,
        keys: 40,
        steps: 6_000,
        length: 17_000,
        length_rare: 16_390,
        growing: 65,
    },
];

fn encoding(dice: &mut Dice) -> Encoding {
    [Encoding::Auto, Encoding::Raw, Encoding::Text][dice.below(3) as usize]
}

fn key(dice: &mut Dice, keys: u64) -> Vec<u8> {
    let n = dice.below(keys);
    match n % 17 {
        0 => vec![],
        1 => format!("{n}:{}", "long".repeat(70 + n as usize % 40)).into_bytes(),
        2 => format!("{n}:{}", "x".repeat(250 + n as usize % 8)).into_bytes(),
        _ => format!("key:{n}").into_bytes(),
    }
}

fn length(dice: &mut Dice, case: &Case) -> usize {
    let most = if dice.one_in(8) { case.length_rare } else { case.length };
    dice.below(most + 1) as usize
}

fn deadline(dice: &mut Dice, now_ms: u64) -> u64 {
    match dice.below(20) {
        0 => now_ms,
        1 => now_ms.saturating_sub(50),
        2 => now_ms + dice.below(1 << 40),
        3 => u64::MAX - dice.below(1 << 20),
        _ => now_ms + dice.below(4000),
    }
}

fn run(case: &Case, seed: u64) {
    let context = format!("case {} seed {seed}", case.name);
    let mut dice = Dice::new(seed);
    let mut store = store(case.databases, seed, case.segment_length);
    let mut model = Model::new(case.databases);
    let mut now_ms = 1_700_000_000_000;
    let mut versions = HashSet::new();
    // Values that a reply still holds, with what they were.
    let mut held: Vec<(Bytes, Vec<u8>)> = Vec::new();
    let (mut hits, mut misses, mut gone_late) = (0, 0, 0);
    for step in 0..steps(case.steps) {
        let context = || format!("{context} step {step}");
        let db = DbId(dice.below(case.databases.into()) as u16);
        let key = key(&mut dice, case.keys);
        let shrinking = step / (case.steps / 6).max(1) % 2 == 1;
        let grow = dice.below(100) < if shrinking { 100 - case.growing } else { case.growing };
        if dice.one_in(4) {
            now_ms += dice.below(30);
        }
        let late = model.dbs[db.index()].get(&key).is_some_and(|i| i.deadline.is_some_and(|d| d <= now_ms));
        let written = match dice.below(if grow { 22 } else { 12 }) {
            0..4 if grow => Some(()),
            // Removes and reads.
            0..4 => {
                gone_late += u64::from(late);
                let expected = model.get(db, &key, now_ms).is_some();
                model.dbs[db.index()].remove(&key);
                assert_eq!(store.cell(db, &key, now_ms).remove(), expected, "{}", context());
                None
            }
            4 => {
                gone_late += u64::from(late);
                let expected = model.get(db, &key, now_ms).cloned();
                model.dbs[db.index()].remove(&key);
                let mut cell = store.cell(db, &key, now_ms);
                let taken = cell.entry().map(|entry| entry.portable());
                assert_eq!(cell.lift().map(|lifted| lifted.deadline), taken.as_ref().map(|p| p.deadline));
                let expected = expected.map(|i| portable(i.value, i.flags, i.deadline, i.encoding));
                assert_eq!(taken, expected, "{}", context());
                None
            }
            5 | 6 => {
                gone_late += u64::from(late);
                let touch = dice.one_in(2);
                let expected = model.get(db, &key, now_ms);
                hits += u64::from(expected.is_some());
                misses += u64::from(expected.is_none());
                let entry = store.read(db, &key, now_ms, touch);
                assert_eq!(entry.map(|e| e.bytes()), expected.as_ref().map(|i| &i.value[..]), "{}", context());
                if let Some(entry) = entry {
                    let shared = matches!(entry.value(), Value::Shared(_));
                    assert_eq!(shared, entry.bytes().len() >= base::limits::SHARED_VALUE_BYTES_MIN, "{}", context());
                    if let Value::Shared(bytes) = entry.value()
                        && dice.one_in(4)
                    {
                        held.push((bytes.clone(), bytes.to_vec()));
                    }
                }
                if let Some(item) = expected {
                    item.fetched |= touch;
                }
                None
            }
            7 => {
                gone_late += u64::from(late);
                let expected = model.get(db, &key, now_ms).cloned();
                let entry = store.peek(db, &key, now_ms);
                assert_eq!(
                    entry.map(|e| (e.flags(), e.deadline(), e.version(), e.fetched())),
                    expected.map(|i| (i.flags, i.deadline, i.version, i.fetched)),
                    "{}",
                    context()
                );
                None
            }
            8 => {
                gone_late += u64::from(late);
                let new = (!dice.one_in(3)).then(|| deadline(&mut dice, now_ms));
                if let Some(item) = model.get(db, &key, now_ms) {
                    item.deadline = new;
                }
                store.cell(db, &key, now_ms).set_deadline(new);
                None
            }
            9 => {
                gone_late += u64::from(late);
                let version = store.cell(db, &key, now_ms).version();
                match model.get(db, &key, now_ms) {
                    None => assert_eq!(version, None, "{}", context()),
                    Some(item) => {
                        if item.version.is_none() {
                            assert!(versions.insert(version.expect("given now")), "{}: a version twice", context());
                            item.version = version;
                        }
                        assert_eq!(version, item.version, "{}", context());
                    }
                }
                None
            }
            10 if dice.one_in(300) => {
                model.dbs[db.index()].clear();
                store.flush(db);
                assert_eq!(store.len(db), 0);
                None
            }
            10 if dice.one_in(100) => {
                let other = DbId(dice.below(case.databases.into()) as u16);
                model.dbs.swap(db.index(), other.index());
                store.swap(db, other);
                None
            }
            10 => {
                let entries = dice.below(50) as usize;
                store.bury(entries);
                None
            }
            11 => {
                let mut fired = Vec::new();
                while store.expire(now_ms, 1 + dice.below(20) as usize, |db, key| fired.push((db, key.to_vec()))) {}
                let mut expected = Vec::new();
                for (i, map) in model.dbs.iter_mut().enumerate() {
                    map.retain(|key, item| {
                        let due = item.deadline.is_some_and(|d| d <= now_ms);
                        if due {
                            expected.push((DbId(i as u16), key.clone()));
                        }
                        !due
                    });
                }
                gone_late += expected.len() as u64;
                fired.sort();
                expected.sort();
                assert_eq!(fired, expected, "{}", context());
                None
            }
            _ => Some(()),
        };
        if written.is_some() {
            gone_late += u64::from(late);
            let version = model.get(db, &key, now_ms).and_then(|item| item.version);
            write(case, &mut dice, &mut store, &mut model, db, &key, now_ms, &context);
            let present = model.dbs[db.index()].contains_key(&key);
            let after = store.peek(db, &key, now_ms).and_then(|e| e.version());
            // A write may have left a deadline in the past; then the entry is gone by now.
            if let Some(item) = model.get(db, &key, now_ms) {
                assert_eq!(after.is_some(), version.is_some(), "{}", context());
                if let Some(after) = after
                    && Some(after) != version
                {
                    assert!(versions.insert(after), "{}: a version twice", context());
                    item.version = Some(after);
                }
            } else {
                gone_late += u64::from(present);
            }
        }
        if dice.one_in(200) || step % 1000 == 0 {
            store.verify();
        }
        if dice.one_in(1000) || cfg!(miri) && step % 10 == 0 {
            same(&mut store, &mut model, now_ms, &context());
            for (i, map) in model.dbs.iter().enumerate() {
                let db = DbId(i as u16);
                assert_eq!(store.len(db), map.len(), "{}", context());
                let deadlines: Vec<u64> = map.values().filter_map(|item| item.deadline).collect();
                assert_eq!(store.with_deadline(db), deadlines.len(), "{}", context());
                let sum: u128 = deadlines.iter().map(|&d| u128::from(d)).sum();
                let mean = sum.checked_div(deadlines.len() as u128).unwrap_or(0) as u64;
                assert_eq!(store.deadline_average_ms(db, now_ms), mean.saturating_sub(now_ms), "{}", context());
                if let Some(key) = store.random_key(db, now_ms) {
                    assert!(model.dbs[i].contains_key(&key), "{}", context());
                }
            }
            // `random_key` may have removed expired entries, which counts.
            gone_late = store.counters().expired;
            for (i, map) in model.dbs.iter_mut().enumerate() {
                let db = DbId(i as u16);
                if store.len(db) != map.len() {
                    map.retain(|key, _| store.peek(db, key, 0).is_some());
                }
            }
            let (kept, dropped): (Vec<_>, Vec<_>) = held.drain(..).partition(|_| dice.one_in(2));
            for (bytes, was) in kept.iter().chain(&dropped) {
                assert!(bytes[..] == was[..], "{}: a value changed that a reply holds", context());
            }
            held = kept;
        }
        let counters = store.counters();
        assert_eq!((counters.hits, counters.misses), (hits, misses), "{}", context());
        assert_eq!(counters.expired, gone_late, "{}", context());
    }
    store.verify();
    same(&mut store, &mut model, now_ms, &context);
    for db in 0..case.databases {
        store.flush(DbId(db));
    }
    while store.bury(100) {}
    store.verify();
    let entries: usize = (0..case.databases).map(|db| store.len(DbId(db))).sum();
    assert_eq!(entries, 0);
    assert_eq!(store.next_deadline(), None, "{context}: nothing is left to fire");
    assert!(store.bytes() < 20_000, "{context}: {} bytes stay behind", store.bytes());
    drop(store);
    for (bytes, was) in &held {
        assert!(bytes[..] == was[..], "{context}: a value outlives its store");
    }
}

fn write(
    case: &Case,
    dice: &mut Dice,
    store: &mut store::Store,
    model: &mut Model,
    db: DbId,
    key: &[u8],
    now_ms: u64,
    context: &dyn Fn() -> String,
) {
    let length = length(dice, case);
    let value = dice.bytes(length);
    let put = Put {
        deadline: match dice.below(4) {
            0 => Deadline::None,
            1 => Deadline::Keep,
            2 => Deadline::At(deadline(dice, now_ms)),
            _ => Deadline::None,
        },
        flags: if dice.one_in(3) { dice.next() as u32 } else { 0 },
        encoding: encoding(dice),
    };
    let mut cell = store.cell(db, key, now_ms);
    match dice.below(10) {
        0 => {
            let len = cell.append(&value, put.encoding);
            assert_eq!(
                len,
                model.edit(db, key, now_ms, put.encoding, |v| v.extend_from_slice(&value)),
                "{}",
                context()
            );
        }
        1 => {
            let len = cell.prepend(&value, put.encoding);
            let expected = model.edit(db, key, now_ms, put.encoding, |v| drop(v.splice(0..0, value.iter().copied())));
            assert_eq!(len, expected, "{}", context());
        }
        2 => {
            let offset = dice.below(case.length + 1) as usize;
            let patch = &value[..value.len() / 2];
            let len = cell.patch(offset, patch);
            if patch.is_empty() {
                assert_eq!(len, model.get(db, key, now_ms).map_or(0, |item| item.value.len()), "{}", context());
            } else {
                let expected = model.edit(db, key, now_ms, Encoding::Raw, |v| {
                    let end = offset + patch.len();
                    v.resize(v.len().max(end), 0);
                    v[offset..end].copy_from_slice(patch);
                });
                assert_eq!(len, expected, "{}", context());
            }
        }
        3 => {
            cell.set_flags(put.flags);
            if let Some(item) = model.get(db, key, now_ms) {
                item.flags = put.flags;
            }
        }
        4 => {
            let at = match put.deadline {
                Deadline::At(at) => Some(at),
                _ => None,
            };
            cell.put_portable(portable(value.clone(), put.flags, at, put.encoding));
            let deadline = at.map_or(Deadline::None, Deadline::At);
            model.put(db, key, now_ms, &value, Put { deadline, ..put });
        }
        5 => {
            cell.put(&value, put);
            model.put(db, key, now_ms, &value, put);
            cell.touch();
            if let Some(item) = model.dbs[db.index()].get_mut(key) {
                item.fetched = true;
            }
        }
        _ => {
            cell.put(&value, put);
            model.put(db, key, now_ms, &value, put);
        }
    }
}

#[test]
fn the_store_does_what_an_obvious_one_does() {
    for case in CASES {
        for seed in 1..=if cfg!(miri) { 1 } else { 2 } {
            run(case, seed);
        }
    }
}
