//! SCAN's guarantee under churn: what is there from start to end is visited exactly once.

mod common;

use base::DbId;
use common::{Dice, steps, store};
use std::collections::HashMap;
use store::Put;

const DB: DbId = DbId::ZERO;

struct Case {
    name: &'static str,
    segment_length: usize,
    stable: u64,
    /// Entries that come and go: how many there are at most, and whether they start out present.
    passing: u64,
    passing_first: bool,
    count: usize,
    /// Insertions or removals between two calls.
    churn: u64,
}

const CASES: &[Case] = &[
    Case {
        name: "growing",
        segment_length: 8,
        stable: 300,
        passing: 20_000,
        passing_first: false,
        count: 3,
        churn: 150,
    },
    Case {
        name: "shrinking",
        segment_length: 8,
        stable: 300,
        passing: 20_000,
        passing_first: true,
        count: 30,
        churn: 1500,
    },
    Case {
        name: "one at a time",
        segment_length: 4,
        stable: 50,
        passing: 400,
        passing_first: false,
        count: 1,
        churn: 9,
    },
    Case {
        name: "real segments growing",
        segment_length: 512,
        stable: 3000,
        passing: 60_000,
        passing_first: false,
        count: 10,
        churn: 160,
    },
    Case {
        name: "real segments shrinking",
        segment_length: 512,
        stable: 3000,
        passing: 60_000,
        passing_first: true,
        count: 100,
        churn: 100,
    },
];

#[test]
fn what_stays_is_visited_exactly_once() {
    for case in CASES {
        for seed in 1..=if cfg!(miri) { 1 } else { 6 } {
            let context = format!("case {} seed {seed}", case.name);
            let mut dice = Dice::new(seed);
            let mut store = store(1, seed, case.segment_length);
            let put = |store: &mut store::Store, key: &str| store.cell(DB, key.as_bytes(), 0).put(b"v", Put::default());
            let (stable, passing) = (steps(case.stable as usize) as u64, steps(case.passing as usize) as u64);
            (0..stable).for_each(|i| put(&mut store, &format!("stable:{i}")));
            let passing_key = |i: u64| format!("passing:{i}");
            if case.passing_first {
                (0..passing).for_each(|i| put(&mut store, &passing_key(i)));
            }
            let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
            let (mut cursor, mut calls) = (0, 0);
            // Which way the churn goes turns twice, so that segments split and merge under the cursor.
            let mut adding = !case.passing_first;
            loop {
                let mut visited = 0;
                let next = store.scan(DB, cursor, case.count, 0, |key, _| {
                    visited += 1;
                    *seen.entry(key.to_vec()).or_default() += 1;
                });
                calls += 1;
                assert!(next == 0 || next > cursor, "{context}: cursors rise");
                assert!(visited <= case.count + 20, "{context}: {visited} visited for a count of {}", case.count);
                cursor = next;
                if cursor == 0 {
                    break;
                }
                if calls % 40 == 0 {
                    adding = !adding;
                }
                for _ in 0..if cfg!(miri) { 5 } else { case.churn } {
                    let key = passing_key(dice.below(passing));
                    if adding {
                        put(&mut store, &key);
                    } else {
                        store.cell(DB, key.as_bytes(), 0).remove();
                    }
                }
            }
            store.verify();
            for i in 0..stable {
                let times = seen.get(format!("stable:{i}").as_bytes()).copied().unwrap_or(0);
                assert_eq!(times, 1, "{context}: stable:{i} was visited {times} times");
            }
        }
    }
}

#[test]
fn made_up_cursors_are_harmless() {
    let mut dice = Dice::new(5);
    let mut store = store(1, 5, 8);
    assert_eq!(store.scan(DB, 0, 10, 0, |_, _| panic!("nothing is there")), 0);
    for i in 0..steps(5000) {
        store.cell(DB, &i.to_le_bytes(), 0).put(b"", Put::default());
    }
    for cursor in (0..steps(5000)).map(|i| dice.next() >> (i % 64)).chain([u64::MAX, 1 << 48, (1 << 48) - 1, 1]) {
        let mut visited = 0;
        let next = store.scan(DB, cursor, 5, 0, |_, _| visited += 1);
        assert!(next < 1 << 48);
        assert!(next == 0 || next > cursor, "the way to the end is always finite");
        assert!(visited <= 40);
    }
}

#[test]
fn a_call_walks_no_further_than_its_count_allows() {
    let mut store = store(1, 9, 512);
    let n = steps(100_000) as u64;
    for i in 0..n {
        store.cell(DB, &i.to_le_bytes(), 0).put(b"", Put { deadline: store::Deadline::At(10), ..Put::default() });
    }
    // All expired, none removed: a call must not walk them all in search of a live one.
    let (mut cursor, mut calls) = (0, 0u64);
    loop {
        calls += 1;
        cursor = store.scan(DB, cursor, 10, 20, |_, _| panic!("expired entries are skipped"));
        if cursor == 0 {
            break;
        }
    }
    assert!(calls > n / 40, "{calls} calls for {n} entries");
    assert_eq!(store.len(DB), n as usize, "skipped, not removed");
}
