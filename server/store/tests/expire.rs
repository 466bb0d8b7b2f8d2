//! Deadlines beside a sorted twin: nothing fires early, nothing fires more than 10 ms late, nothing is left behind.

mod common;

use base::DbId;
use common::{Dice, steps, store};
use std::collections::{BTreeSet, HashMap};
use store::{Deadline, Put, Store};

const START_MS: u64 = 1_700_000_000_123;
/// What DESIGN promises.
const LATE_MS_MAX: u64 = 10;

struct Case {
    name: &'static str,
    keys: u64,
    /// Deadlines lie this far ahead at most, ms.
    span_ms: u64,
    /// Changes between two wake-ups.
    churn: u64,
    wake_ups: usize,
}

const CASES: &[Case] = &[
    Case { name: "near", keys: 300, span_ms: 200, churn: 5, wake_ups: 6000 },
    Case { name: "seconds", keys: 2000, span_ms: 5000, churn: 5, wake_ups: 6000 },
    Case { name: "hours", keys: 500, span_ms: 10_000_000, churn: 2, wake_ups: 8000 },
    Case { name: "years", keys: 100, span_ms: 100_000_000_000, churn: 1, wake_ups: 8000 },
    Case { name: "beyond", keys: 50, span_ms: 1 << 63, churn: 1, wake_ups: 2000 },
];

fn set(store: &mut Store, db: DbId, key: &[u8], now_ms: u64, deadline: u64) {
    store.cell(db, key, now_ms).put(b"v", Put { deadline: Deadline::At(deadline), ..Put::default() });
}

#[test]
fn deadlines_are_kept_to_ten_milliseconds() {
    for case in CASES {
        for seed in 1..=if cfg!(miri) { 1 } else { 3 } {
            let context = format!("case {} seed {seed}", case.name);
            let mut dice = Dice::new(seed);
            let mut store = store(2, seed, 32);
            let mut twin: BTreeSet<(u64, u16, Vec<u8>)> = BTreeSet::new();
            let mut deadlines: HashMap<(u16, Vec<u8>), u64> = HashMap::new();
            let mut now_ms = START_MS;
            let mut fired = 0;
            for wake_up in 0..steps(case.wake_ups) {
                for _ in 0..case.churn {
                    let db = dice.below(2) as u16;
                    let key = dice.below(case.keys).to_le_bytes().to_vec();
                    if let Some(old) = deadlines.remove(&(db, key.clone())) {
                        twin.remove(&(old, db, key.clone()));
                    }
                    let span = if dice.one_in(3) { case.span_ms.min(300) } else { case.span_ms };
                    let deadline = now_ms + 1 + dice.below(span);
                    match dice.below(8) {
                        0 => drop(store.cell(DbId(db), &key, now_ms).remove()),
                        1 => {
                            store.cell(DbId(db), &key, now_ms).set_deadline(None);
                        }
                        _ => {
                            set(&mut store, DbId(db), &key, now_ms, deadline);
                            deadlines.insert((db, key.clone()), deadline);
                            twin.insert((deadline, db, key));
                        }
                    }
                }
                if dice.one_in(500) {
                    store.swap(DbId(0), DbId(1));
                    let swapped = |db: u16| 1 - db;
                    twin = twin.into_iter().map(|(at, db, key)| (at, swapped(db), key)).collect();
                    deadlines = deadlines.into_iter().map(|((db, key), at)| ((swapped(db), key), at)).collect();
                }
                if dice.one_in(1000) {
                    store.flush(DbId(0));
                    twin.retain(|(_, db, _)| *db != 0);
                    deadlines.retain(|(db, _), _| *db != 0);
                }
                if dice.one_in(50) {
                    store.bury(10);
                }
                // Times beyond 2^48 ms never come, and on the way there the index may wake early.
                let next = store.next_deadline().filter(|&next| next < 1 << 47);
                if let Some((earliest, _, _)) = twin.first()
                    && *earliest < 1 << 47
                {
                    let next = next.expect("something is due some time");
                    assert!(next <= earliest + LATE_MS_MAX, "{context}: {next} for {earliest}");
                    assert!(next + LATE_MS_MAX >= now_ms, "{context}: a wake-up in the past");
                }
                // Sleep until then, or be woken by other work before.
                let wake_ms = next.unwrap_or(now_ms + 50);
                now_ms = if dice.one_in(3) {
                    now_ms + dice.below(20).min(wake_ms.saturating_sub(now_ms))
                } else {
                    wake_ms.max(now_ms)
                };
                let max = 1 + dice.below(5) as usize;
                while store.expire(now_ms, max, |db, key| {
                    fired += 1;
                    let at = deadlines.remove(&(db.0, key.to_vec())).expect("it had a deadline");
                    assert!(at <= now_ms, "{context}: fired at {now_ms}, {} early", at - now_ms);
                    assert!(now_ms - at <= LATE_MS_MAX, "{context}: fired {} ms late", now_ms - at);
                    twin.remove(&(at, db.0, key.to_vec()));
                }) {}
                let left = twin.first().is_some_and(|(at, _, _)| *at <= now_ms);
                assert!(!left, "{context}: something is due and did not fire");
                if wake_up % 500 == 0 || cfg!(miri) {
                    store.verify();
                }
            }
            store.verify();
            assert!(fired > 0 || case.span_ms > 1 << 48 || cfg!(miri), "{context}: the test tests something");
        }
    }
}

/// Keys that all end at once are removed in steps of bounded work, from however far they were set.
#[test]
fn a_full_bucket_is_handled_in_steps() {
    for ahead_ms in [1u64, 5, 64, 4000, 86_400_000, 31_536_000_000] {
        let mut store = store(1, 3, 512);
        let n = steps(50_000) as u64;
        for i in 0..n {
            set(&mut store, DbId::ZERO, &i.to_le_bytes(), START_MS, START_MS + ahead_ms);
        }
        let (mut fired, mut now_ms) = (0u64, START_MS);
        while fired < n {
            let mut calls = 0;
            loop {
                let mut these = 0;
                let more = store.expire(now_ms, 100, |_, _| these += 1);
                calls += 1;
                assert!(these <= 100);
                fired += these;
                if !more {
                    break;
                }
                // While some wait, everything else goes on: new timers, near and far.
                let key = (n + calls).to_le_bytes();
                set(&mut store, DbId::ZERO, &key, now_ms, now_ms + 1 + calls * 37 % 5000);
                store.cell(DbId::ZERO, &key, now_ms).remove();
            }
            assert!(calls <= n / 50 + 3, "{calls} calls for {n} timers");
            assert!(fired == 0 || fired == n, "all are due at the same time");
            assert!(fired == 0 || now_ms == (START_MS + ahead_ms).next_multiple_of(8).max(now_ms));
            now_ms = store.next_deadline().unwrap_or(now_ms).max(now_ms);
        }
        assert!(now_ms < START_MS + ahead_ms + LATE_MS_MAX);
        store.verify();
        assert_eq!((store.len(DbId::ZERO), store.with_deadline(DbId::ZERO)), (0, 0));
        assert_eq!(store.next_deadline(), None);
    }
}

#[test]
fn what_was_flushed_does_not_fire_and_is_not_counted() {
    let mut store = store(3, 8, 16);
    let n = steps(4000) as u64;
    for i in 0..n {
        set(&mut store, DbId(0), &i.to_le_bytes(), START_MS, START_MS + 1 + i % 100);
    }
    set(&mut store, DbId(1), b"stays", START_MS, START_MS + 50);
    store.flush(DbId(0));
    assert_eq!((store.len(DbId(0)), store.with_deadline(DbId(0)), store.deadline_average_ms(DbId(0), 0)), (0, 0, 0));
    // The same keys again, in the database that took its place, and that database under another number.
    set(&mut store, DbId(0), &7u64.to_le_bytes(), START_MS, START_MS + 60);
    store.swap(DbId(0), DbId(2));
    let mut fired = Vec::new();
    for ms in 0..200 {
        store.bury(5);
        while store.expire(START_MS + ms, 3, |db, key| fired.push((db.0, key.to_vec(), ms))) {}
        store.verify();
    }
    assert_eq!(fired, [(1, b"stays".to_vec(), 50), (2, 7u64.to_le_bytes().to_vec(), 60)]);
    assert_eq!(store.counters().expired, 2);
    while store.bury(1000) {}
    store.verify();
}

#[test]
fn time_that_stands_still_or_goes_back_does_no_harm() {
    let mut store = store(1, 8, 16);
    set(&mut store, DbId::ZERO, b"a", START_MS, START_MS + 100);
    assert!(!store.expire(START_MS + 90, 10, |_, _| panic!("early")));
    set(&mut store, DbId::ZERO, b"b", START_MS - 5000, START_MS + 10);
    store.expire(START_MS, 10, |_, _| panic!("early"));
    let mut fired = Vec::new();
    store.expire(START_MS + 100, 10, |_, key| fired.push(key.to_vec()));
    fired.sort();
    assert_eq!(fired, [b"a".to_vec(), b"b".to_vec()]);
    store.verify();
}
