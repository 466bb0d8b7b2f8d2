//! Sets beside an obvious one, from seeds: integers in order, packed and in tables; bags that travel; draws of chance.

mod common;

use base::DbId;
use common::{Dice, steps, store, tuning};
use std::collections::{BTreeMap, BTreeSet};
use store::set::{Bag, Elements, SetCell};
use store::{Body, Entry, Packing, Policy, Store};

type Plain = BTreeSet<Vec<u8>>;

struct Case {
    name: &'static str,
    segment_length: usize,
    packing: Packing,
    keys: u64,
    members: u64,
    /// Of so many members, one is text.
    text_one_in: u64,
    /// Longest text.
    length: u64,
    steps: usize,
}

const CASES: [Case; 6] = [
    Case {
        name: "integers",
        segment_length: 8,
        packing: PACKING,
        keys: 8,
        members: 60,
        text_one_in: 4_000,
        length: 8,
        steps: 20_000,
    },
    Case {
        name: "packed",
        segment_length: 8,
        packing: PACKING,
        keys: 8,
        members: 40,
        text_one_in: 2,
        length: 40,
        steps: 20_000,
    },
    Case {
        name: "around the thresholds",
        segment_length: 4,
        packing: Packing { intset_entries: 8, set_entries: 5, set_value_bytes: 12, ..PACKING },
        keys: 8,
        members: 14,
        text_one_in: 6,
        length: 13,
        steps: 60_000,
    },
    Case {
        name: "short values only",
        segment_length: 4,
        packing: Packing { intset_entries: 8, set_entries: 6, set_value_bytes: 3, ..PACKING },
        keys: 5,
        members: 10,
        text_one_in: 8,
        length: 4,
        steps: 30_000,
    },
    Case {
        name: "tables",
        segment_length: 4,
        packing: Packing { intset_entries: 4, set_entries: 4, ..PACKING },
        keys: 3,
        members: 500,
        text_one_in: 3,
        length: 30,
        steps: 40_000,
    },
    Case {
        name: "too long to be packed",
        segment_length: 16,
        packing: Packing { intset_entries: 1 << 20, set_entries: 1 << 20, set_value_bytes: 1 << 20, ..PACKING },
        keys: 2,
        members: 20,
        text_one_in: 2,
        length: 20_000,
        steps: 1_500,
    },
];

const PACKING: Packing = Packing {
    hash_entries: 128,
    hash_value_bytes: 64,
    intset_entries: 512,
    set_entries: 128,
    set_value_bytes: 64,
    zset_entries: 128,
    zset_value_bytes: 64,
    list_size: -2,
    list_compress_depth: 0,
    stream_node_bytes: 4096,
    stream_node_entries: 100,
    hll_sparse_bytes: 3000,
};

fn member(dice: &mut Dice, case: &Case) -> Vec<u8> {
    let n = dice.below(case.members);
    if dice.one_in(case.text_one_in) {
        let text = format!("m{n}:{}", "x".repeat((n * case.length / case.members) as usize));
        text.as_bytes()[..text.len().min(case.length.max(2) as usize)].to_vec()
    } else {
        // Every width, both signs.
        let n = n as i64;
        (if n % 3 == 0 { n } else { (n * n * n * n * (1 - n % 2 * 2)) << (n % 7 * 6) }).to_string().into_bytes()
    }
}

fn place<'a>(store: &'a mut Store, key: &'a [u8]) -> SetCell<'a> {
    SetCell::new(store.cell(DbId::ZERO, key, 1)).expect("only sets here")
}

fn all(elements: Elements<'_>) -> Plain {
    let (mut seen, mut cursor) = (Plain::new(), 0);
    loop {
        cursor = elements.scan(cursor, 3, |member| assert!(seen.insert(member.to_vec()), "visited once"));
        if cursor == 0 {
            return seen;
        }
    }
}

fn encoding(entry: Entry<'_>) -> &'static str {
    match entry.body() {
        Body::Packed { form: 1, .. } => "intset",
        Body::Packed { .. } => "listpack",
        Body::Object(object) => object.encoding(),
        Body::String(_) => unreachable!("only sets here"),
    }
}

/// What Redis calls a set that was made of these members alone, one by one or stored.
fn called(members: &Plain, packing: &Packing) -> &'static str {
    let is_int = |m: &Vec<u8>| std::str::from_utf8(m).is_ok_and(|t| t.parse::<i64>().is_ok_and(|n| n.to_string() == t));
    if members.iter().all(is_int) && members.len() <= packing.intset_entries {
        "intset"
    } else if !members.iter().all(is_int)
        && members.len() <= packing.set_entries
        && members.iter().all(|m| m.len() <= packing.set_value_bytes)
    {
        "listpack"
    } else {
        "hashtable"
    }
}

fn run(case: &Case, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut store = store(1, seed, case.segment_length);
    store.tune(store::Tuning { packing: case.packing, ..tuning(Policy::NoEviction) });
    let mut model: BTreeMap<Vec<u8>, Plain> = BTreeMap::new();
    // Sets that have only ever grown: their encoding follows from their members.
    let mut grown: BTreeSet<Vec<u8>> = BTreeSet::new();
    for step in 0..steps(case.steps) {
        let context = format!("case {} seed {seed} step {step}", case.name);
        let key = format!("key:{}", dice.below(case.keys)).into_bytes();
        let name = member(&mut dice, case);
        let mut set = place(&mut store, &key);
        let plain = model.entry(key.clone()).or_default();
        assert_eq!(set.exists(), !plain.is_empty(), "{context}");
        if plain.is_empty() {
            grown.insert(key.clone());
        }
        match dice.below(100) {
            0..50 => assert_eq!(set.add(&name), plain.insert(name), "{context}"),
            50..54 => {
                let names: Vec<Vec<u8>> = (0..1 + dice.below(4)).map(|_| member(&mut dice, case)).collect();
                let added = if set.exists() {
                    set.expect(names.len());
                    names.iter().filter(|name| set.add(name)).count()
                } else {
                    set.create(names.iter().map(Vec::as_slice), names.len())
                };
                assert_eq!(added, names.into_iter().filter(|name| plain.insert(name.clone())).count(), "{context}");
            }
            54..80 => {
                let there = plain.remove(&name);
                assert_eq!(set.remove(&name), there, "{context}");
                if there {
                    grown.remove(&key);
                }
            }
            80..84 if !plain.is_empty() => {
                let popped = set.pop();
                assert!(plain.remove(&popped), "{context}");
                grown.remove(&key);
            }
            84..86 => {
                // Away and back: another key becomes what this one is.
                let other = format!("key:{}", dice.below(case.keys)).into_bytes();
                let mut bag = Bag::new();
                if let Some(elements) = set.elements() {
                    let mut cursor = bag.take(elements, 0, 7);
                    while cursor != 0 {
                        cursor = bag.take(set.elements().expect("still there"), cursor, 7);
                    }
                }
                assert_eq!(bag.len(), plain.len(), "{context}");
                if dice.one_in(2) {
                    while !bag.index_some(seed, 5) {}
                }
                assert_eq!(bag.has(store::hash::Text::Bytes(&name)), plain.contains(&name), "{context}");
                let copy = plain.clone();
                if !copy.is_empty() {
                    let mut cell = store.cell(DbId::ZERO, &other, 1);
                    let mut cursor = bag.begin(&mut cell);
                    while cursor != 0 {
                        cursor = bag.fill(&mut cell, cursor);
                    }
                    model.insert(other.clone(), copy);
                    grown.insert(other);
                }
            }
            86..88 if plain.len() > 1 => {
                let keep: Vec<bool> = (0..plain.len()).map(|_| dice.one_in(3)).collect();
                if !matches!(set.elements(), Some(Elements::Object(..))) {
                    let (mut at, mut gone) = (0, Vec::new());
                    set.thin(
                        || {
                            at += 1;
                            keep[at - 1]
                        },
                        |member| gone.push(member.to_vec()),
                    );
                    assert_eq!(gone.len(), keep.iter().filter(|keep| !**keep).count(), "{context}");
                    assert!(gone.iter().all(|member| plain.remove(member)), "{context}");
                } else {
                    let kept: Vec<Vec<u8>> =
                        plain.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(m, _)| m.clone()).collect();
                    if !kept.is_empty() {
                        set.restart(kept.iter().map(Vec::as_slice));
                        *plain = kept.into_iter().collect();
                    }
                }
                grown.remove(&key);
            }
            _ => {
                let elements = set.elements();
                assert_eq!(elements.is_some_and(|elements| elements.has(&name)), plain.contains(&name), "{context}");
                if let Some(elements) = elements {
                    let mut drawn = Vec::new();
                    elements.draw(&mut store::Rng::new(step as u64), 4, |member| drawn.push(member.to_vec()));
                    assert!(drawn.iter().all(|member| plain.contains(member)), "{context}");
                }
            }
        }
        let plain = &model[&key];
        let entry = store.peek(DbId::ZERO, &key, 1);
        let found = entry.map_or(Plain::new(), |entry| all(entry.elements().expect("a set")));
        assert_eq!(found, *plain, "{context}");
        if let Some(entry) = entry {
            assert_eq!(entry.elements().map(Elements::len), Some(plain.len()), "{context}");
            if grown.contains(&key) && case.packing.intset_entries >= case.packing.set_entries {
                assert_eq!(encoding(entry), called(plain, &case.packing), "{context}: {plain:?}");
            }
        }
        if step % 16 == 0 {
            store.verify();
        }
        store.bury(3);
    }
    store.flush(DbId::ZERO);
    while store.bury(1000) {}
    store.verify();
}

#[test]
fn sets_equal_plain_ones() {
    let seeds = std::env::var("TORC_SEED").ok().and_then(|seed| seed.parse().ok()).map_or(1..4, |seed| seed..seed + 1);
    for seed in seeds {
        for case in &CASES {
            println!("case {} seed {seed}", case.name);
            run(case, seed);
        }
    }
}

/// The sum of squares that says how far counts are from being all alike.
fn chi_square(counts: impl Iterator<Item = usize>, expected: f64) -> f64 {
    counts.map(|n| (n as f64 - expected).powi(2) / expected).sum()
}

/// A value that chi-square with so many degrees of freedom exceeds once in some ten thousand times (Wilson and Hilferty).
fn limit(freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + 3.72 * spread.sqrt()).powi(3)
}

#[test]
fn draws_and_pops_are_fair() {
    if cfg!(miri) {
        return;
    }
    for (name, entries, members, segment_length) in
        [("integers", 512, 40, 512), ("packed", 128, 40, 512), ("a table", 0, 40, 512), ("segments", 0, 3_000, 32)]
    {
        let mut store = store(1, 3, segment_length);
        let packing = Packing { intset_entries: entries, set_entries: entries, ..PACKING };
        store.tune(store::Tuning { packing, ..tuning(Policy::NoEviction) });
        let prefix = if name == "integers" { "" } else { "m" };
        let mut set = place(&mut store, b"s");
        let names: Vec<String> = (0..members).map(|i| format!("{prefix}{i}")).collect();
        names.iter().for_each(|name| assert!(set.add(name.as_bytes())));
        let draws = 100 * members;
        let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let elements = set.elements().expect("it has members");
        elements.draw(&mut store::Rng::new(7), draws, |member| *seen.entry(member.to_vec()).or_default() += 1);
        let counts = |seen: &BTreeMap<Vec<u8>, usize>| -> Vec<usize> {
            names.iter().map(|name| seen.get(name.as_bytes()).copied().unwrap_or(0)).collect()
        };
        let chi = chi_square(counts(&seen).into_iter(), 100.0);
        assert!(chi < limit(members as f64 - 1.0), "draws of {name}: {chi}");
        // Pops: put back each time.
        let pops = if members > 100 { 20 } else { 400 };
        seen.clear();
        for _ in 0..pops * members {
            let popped = set.pop();
            assert!(set.add(&popped));
            *seen.entry(popped).or_default() += 1;
        }
        let chi = chi_square(counts(&seen).into_iter(), pops as f64);
        assert!(chi < limit(members as f64 - 1.0), "pops of {name}: {chi}");
    }
}
