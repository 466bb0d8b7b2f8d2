//! Sorted sets beside an obvious one: a vector kept in order. Every shape is reached: packed, large, large but called
//! packed; segments and thresholds are small. From printed seeds.

mod common;

use base::DbId;
use common::{Dice, steps, store, tuning};
use std::collections::BTreeMap;
use store::zset::{Bound, Done, How, Lexical, Scores, Shape, Total, WrongType, ZsetMut, ZsetRef};
use store::{Body, Kind, Object, PACKED_BYTES_MAX, Policy, Put, Store};

const DB: DbId = DbId::ZERO;
const NOW_MS: u64 = 1_700_000_000_000;

/// The obvious one.
#[derive(Clone, Default)]
struct Slow(Vec<(f64, Vec<u8>)>);

impl Slow {
    fn at(&self, member: &[u8]) -> Option<usize> {
        self.0.iter().position(|(_, name)| name == member)
    }

    fn put(&mut self, member: &[u8], score: f64) {
        if let Some(at) = self.at(member) {
            self.0.remove(at);
        }
        let at = self.0.partition_point(|(s, n)| *s < score || *s == score && &n[..] < member);
        self.0.insert(at, (score, member.to_vec()));
    }

    /// ZADD by its documentation.
    fn add(&mut self, member: &[u8], score: f64, how: How) -> Done {
        let old = self.at(member).map(|at| self.0[at].0);
        let new = if how.increment { old.unwrap_or(0.0) + score } else { score };
        match old {
            Some(_) if how.only_new => Done::Nothing,
            None if how.only_old => Done::Nothing,
            _ if new.is_nan() => Done::NotANumber,
            Some(old) if how.only_up && new <= old || how.only_down && new >= old => Done::Nothing,
            Some(old) if old == new => Done::Same(new),
            Some(_) => {
                self.put(member, new);
                Done::Updated(new)
            }
            None => {
                self.put(member, score);
                Done::Added(score)
            }
        }
    }
}

struct Case {
    name: &'static str,
    entries: usize,
    value_bytes: usize,
    members: u64,
    /// How many different scores there are.
    scores: u64,
    steps: usize,
    /// Of 200 members one is as long as this.
    long: usize,
}

const CASES: &[Case] = &[
    Case { name: "packed", entries: 1000, value_bytes: 1000, members: 60, scores: 30, steps: 20_000, long: 300 },
    Case { name: "around the border", entries: 8, value_bytes: 20, members: 14, scores: 6, steps: 30_000, long: 22 },
    Case { name: "large", entries: 0, value_bytes: 64, members: 4000, scores: 500, steps: 20_000, long: 300 },
    Case { name: "one score", entries: 16, value_bytes: 64, members: 1000, scores: 1, steps: 15_000, long: 70 },
    Case {
        name: "called packed",
        entries: 100_000,
        value_bytes: 100_000,
        members: 90,
        scores: 40,
        steps: 3_000,
        long: 9_000,
    },
];

fn member(dice: &mut Dice, case: &Case) -> Vec<u8> {
    let n = dice.below(case.members);
    match n % 7 {
        0 => n.to_string().into_bytes(),
        1 => format!("-{n}").into_bytes(),
        _ if n % 200 < 1 + 200 / case.members.min(200) => format!("{n}:{}", "long".repeat(case.long / 4)).into_bytes(),
        _ => format!("member {n}").into_bytes(),
    }
}

fn score(dice: &mut Dice, case: &Case) -> f64 {
    match dice.below(if case.scores == 1 { 1 } else { 40 }) {
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => 0.1 * dice.below(10) as f64,
        4 => dice.below(1 << 60) as f64 * 1e10,
        _ => dice.below(case.scores) as f64 - (case.scores / 2) as f64,
    }
}

fn bound<'a>(dice: &mut Dice, name: &'a [u8]) -> Bound<'a> {
    match dice.below(6) {
        0 => Bound::Lowest,
        1 => Bound::Highest,
        2 | 3 => Bound::With(name),
        _ => Bound::Without(name),
    }
}

/// Whether `name` is behind (or with) a range's end on its low side; on its high side.
fn inside(range: &Lexical<'_>, name: &[u8]) -> bool {
    let low = match range.min {
        Bound::Lowest => true,
        Bound::Highest => false,
        Bound::With(min) => name >= min,
        Bound::Without(min) => name > min,
    };
    let high = match range.max {
        Bound::Lowest => false,
        Bound::Highest => true,
        Bound::With(max) => name <= max,
        Bound::Without(max) => name < max,
    };
    low && high
}

fn check(case: &Case, seed: u64) {
    let context = format!("case {} seed {seed}", case.name);
    println!("{context}");
    let mut dice = Dice::new(seed);
    let mut store = store(1, seed, 8);
    let mut tuned = tuning(Policy::NoEviction);
    (tuned.packing.zset_entries, tuned.packing.zset_value_bytes) = (case.entries, case.value_bytes);
    store.tune(tuned);
    let key = b"key".as_slice();
    let mut slow = Slow::default();
    let mut deadline = None;
    for step in 0..steps(case.steps) {
        let context = || format!("{context} step {step}");
        let growing = (step / (case.steps / 8).max(1)).is_multiple_of(2);
        let mut cell = store.cell(DB, key, NOW_MS);
        match dice.below(100) {
            n if n < if growing { 60 } else { 25 } => {
                let name = member(&mut dice, case);
                let score = score(&mut dice, case);
                let how = match dice.below(8) {
                    0 => How { increment: true, ..How::default() },
                    1 => How { only_new: true, ..How::default() },
                    2 => How { only_old: true, ..How::default() },
                    3 => How { only_up: true, ..How::default() },
                    4 => How { only_down: true, increment: dice.one_in(2), ..How::default() },
                    _ => How::default(),
                };
                let mut set = ZsetMut::of(&mut cell).expect("a sorted set or nothing");
                let shape = set.expect(1, name.len());
                let done = set.add(&name, score, how, shape);
                assert_eq!(done, slow.add(&name, score, how), "{}", context());
            }
            n if n < 75 => {
                let name = member(&mut dice, case);
                let there = slow.at(&name);
                if let Some(at) = there {
                    slow.0.remove(at);
                }
                let mut set = ZsetMut::of(&mut cell).expect("a sorted set or nothing");
                assert_eq!(set.remove(&name), there.is_some(), "{}", context());
            }
            n if n < 78 && !slow.0.is_empty() => {
                let len = slow.0.len() as u64;
                let from = dice.below(len) as usize;
                let most = if dice.one_in(20) { len } else { 1 + len / 10 };
                let to = (from + dice.below(most + 1) as usize).min(slow.0.len());
                let back = dice.one_in(2);
                let mut gone = Vec::new();
                let mut set = ZsetMut::of(&mut cell).expect("a sorted set");
                set.remove_ranks(from..to, back, |name, score| gone.push((score, name.to_vec())));
                let mut expected: Vec<_> = slow.0.drain(from..to).collect();
                if back {
                    expected.reverse();
                }
                assert!(gone == expected, "{}", context());
            }
            78 if dice.one_in(6) => {
                // All anew, in two parts.
                let mut all = BTreeMap::new();
                for _ in 0..1 + dice.below(case.members.min(300)) {
                    all.insert(member(&mut dice, case), score(&mut dice, case));
                }
                let mut total = Total::default();
                all.keys().for_each(|name| total.add(name));
                let all: Vec<(&[u8], f64)> = all.iter().map(|(name, score)| (&name[..], *score)).collect();
                let first = 1 + dice.below(all.len() as u64) as usize;
                ZsetMut::replace(&mut cell, all[..first].iter().copied(), total);
                if first < all.len() {
                    ZsetMut::of(&mut cell).expect("a sorted set").extend(all[first..].iter().copied());
                }
                slow = Slow::default();
                all.iter().for_each(|(name, score)| slow.put(name, *score));
                deadline = None;
            }
            79 => {
                let new = (!dice.one_in(3)).then(|| NOW_MS + 1000 + dice.below(1000));
                cell.set_deadline(new);
                deadline = new.filter(|_| !slow.0.is_empty());
            }
            80 => {
                // Away and back again.
                if let Some(lifted) = cell.lift() {
                    store.cell(DB, b"other", NOW_MS).set_down(lifted);
                    let lifted = store.cell(DB, b"other", NOW_MS).lift().expect("set down");
                    store.cell(DB, key, NOW_MS).set_down(lifted);
                }
            }
            _ => {}
        }
        if slow.0.is_empty() {
            deadline = None;
        }
        read(case, &mut dice, &mut store, key, &slow, &context());
        let entry = store.peek(DB, key, NOW_MS);
        assert_eq!(entry.and_then(|entry| entry.deadline()), deadline, "{}", context());
        if dice.one_in(50) || cfg!(miri) {
            store.verify();
        }
    }
    store.verify();
    store.cell(DB, key, NOW_MS).remove();
    while store.bury(10) {}
    store.verify();
    assert!(store.bytes() < 20_000, "{context}: {} bytes stay behind", store.bytes());
}

/// One of the ways to look at it, and the whole now and then.
fn read(case: &Case, dice: &mut Dice, store: &mut Store, key: &[u8], slow: &Slow, context: &str) {
    let Some(entry) = store.peek(DB, key, NOW_MS) else {
        assert!(slow.0.is_empty(), "{context}");
        return;
    };
    if let Body::Packed { bytes, .. } = entry.body() {
        store::zset::verify_packed(bytes);
        assert!(slow.0.len() <= case.entries && bytes.len() <= PACKED_BYTES_MAX, "{context}");
    }
    let set = ZsetRef::of(entry).expect("a sorted set");
    let len = slow.0.len();
    assert_eq!(set.len(), len, "{context}");
    let name = member(dice, case);
    let expected = slow.at(&name);
    assert_eq!(set.rank(&name), expected.map(|at| (at, slow.0[at].0)), "{context}");
    assert_eq!(set.score(&name), expected.map(|at| slow.0[at].0), "{context}");
    let scores = Scores {
        min: score(dice, case),
        max: score(dice, case),
        without_min: dice.one_in(2),
        without_max: dice.one_in(2),
    };
    let within = |s: f64| {
        (if scores.without_min { s > scores.min } else { s >= scores.min })
            && (if scores.without_max { s < scores.max } else { s <= scores.max })
    };
    let ranks = set.by_score(&scores);
    let expected: Vec<usize> = (0..len).filter(|&at| within(slow.0[at].0)).collect();
    assert_eq!(ranks.len(), expected.len(), "{context}: {scores:?}");
    assert!(expected.is_empty() || ranks.start == expected[0], "{context}: {scores:?}");
    if slow.0[0].0 == slow.0[len - 1].0 {
        let other = member(dice, case);
        let range = Lexical { min: bound(dice, &name), max: bound(dice, &other) };
        let expected: Vec<usize> = (0..len).filter(|&at| inside(&range, &slow.0[at].1)).collect();
        for back in [false, true] {
            let ranks = set.by_name(&range, back);
            assert_eq!(ranks.len(), expected.len(), "{context}: {range:?}");
            assert!(expected.is_empty() || ranks.start == expected[0], "{context}: {range:?}");
        }
    }
    if dice.one_in(10) {
        let from = dice.below(len as u64) as usize;
        let count = dice.below(len as u64 + 3) as usize;
        let back = dice.one_in(2);
        let mut seen = Vec::new();
        set.walk(from, count, back, |name, score| {
            seen.push((score, name.to_vec()));
            true
        });
        let expected: Vec<_> = if back {
            slow.0[..=from].iter().rev().take(count).cloned().collect()
        } else {
            slow.0[from..].iter().take(count).cloned().collect()
        };
        assert!(seen == expected, "{context}: {count} from {from}");
        let min = score(dice, case);
        let mut seen = Vec::new();
        set.walk_scores(min, |name, score| {
            seen.push((score, name.to_vec()));
            seen.len() < 20
        });
        let expected: Vec<_> = slow.0.iter().filter(|(s, _)| *s >= min).take(20).cloned().collect();
        assert!(seen == expected, "{context}: from score {min}");
        let (mut seen, mut cursor) = (BTreeMap::new(), 0);
        loop {
            cursor = set.scan(cursor, 7, |name, score| {
                assert!(seen.insert(name.to_vec(), score).is_none(), "{context}: a member twice");
            });
            if cursor == 0 {
                break;
            }
        }
        let expected: BTreeMap<_, _> = slow.0.iter().map(|(score, name)| (name.clone(), *score)).collect();
        assert!(seen == expected, "{context}: a scan");
    }
}

#[test]
fn a_sorted_set_is_what_a_sorted_vector_is() {
    for case in CASES {
        for seed in 1..=if cfg!(miri) { 1 } else { 3 } {
            check(case, seed);
        }
    }
}

#[test]
fn other_types_are_refused() {
    let mut store = store(1, 1, 8);
    store.cell(DB, b"string", NOW_MS).put(b"1", Put::default());
    let mut cell = store.cell(DB, b"string", NOW_MS);
    assert!(matches!(ZsetMut::of(&mut cell), Err(WrongType)));
    assert!(matches!(ZsetRef::of(cell.entry().expect("it is there")), Err(WrongType)));
}

/// Thresholds decide what a set becomes, and members that come at once count together.
#[test]
fn shapes_follow_the_thresholds() {
    let mut store = store(1, 1, 8);
    let mut tuned = tuning(Policy::NoEviction);
    (tuned.packing.zset_entries, tuned.packing.zset_value_bytes) = (3, 5);
    store.tune(tuned);
    let encoding = |store: &mut Store, key: &[u8]| match store.peek(DB, key, NOW_MS).expect("there").body() {
        Body::Packed { kind: Kind::Zset, .. } => "packed",
        Body::Object(Object::Zset(set)) => set.encoding(),
        _ => panic!("no sorted set"),
    };
    // (members announced, those added, what comes of it)
    let cases: [(usize, &[&str], &str); 6] = [
        (1, &["a", "b", "c"], "packed"),
        (1, &["a", "b", "c", "d"], "skiplist"),
        (4, &["a"], "skiplist"),
        (1, &["sixsix"], "skiplist"),
        (1, &["a", "sixsix"], "skiplist"),
        (3, &["a"], "packed"),
    ];
    for (announced, names, expected) in cases {
        store.cell(DB, b"key", NOW_MS).remove();
        let mut cell = store.cell(DB, b"key", NOW_MS);
        let mut set = ZsetMut::of(&mut cell).expect("nothing");
        let shape = set.expect(announced, names[0].len());
        for name in names {
            set.add(name.as_bytes(), 1.0, How::default(), shape);
        }
        assert_eq!(encoding(&mut store, b"key"), expected, "{announced} {names:?}");
        store.verify();
    }
    // A packed one that grows too many at once.
    store.cell(DB, b"key", NOW_MS).remove();
    let mut cell = store.cell(DB, b"key", NOW_MS);
    let mut set = ZsetMut::of(&mut cell).expect("nothing");
    assert_eq!(set.expect(1, 1), Shape::Any);
    set.add(b"a", 1.0, How::default(), Shape::Any);
    cell.set_deadline(Some(NOW_MS + 5));
    ZsetMut::of(&mut cell).expect("a sorted set").expect(4, 1);
    assert_eq!(cell.entry().and_then(|entry| entry.deadline()), Some(NOW_MS + 5));
    assert_eq!(encoding(&mut store, b"key"), "skiplist");
}

/// Bytes of the store, all counted, for each member of 10 bytes: Redis 7.0 takes about 100 for a large set, and for small ones of
/// 10 members about 26.
#[test]
fn members_take_little() {
    if cfg!(any(miri, feature = "direct")) {
        return;
    }
    let mut dice = Dice::new(3);
    let mut store = Store::new(store::StoreOptions { databases: 1, seed: 3, hash_seed: 3 });
    let empty = store.bytes();
    let members = 200_000;
    for i in 0..members {
        let mut cell = store.cell(DB, b"large", NOW_MS);
        let mut set = ZsetMut::of(&mut cell).expect("a sorted set or nothing");
        let shape = set.expect(1, 10);
        set.add(format!("{i:010}").as_bytes(), dice.below(1 << 30) as f64, How::default(), shape);
    }
    let each = (store.bytes() - empty) as f64 / f64::from(members);
    println!("{each:.1} bytes a member of a large set");
    assert!(each < 65.0, "{each}");
    let before = store.bytes();
    let sets = 20_000;
    for i in 0..sets {
        let key = format!("small:{i:08}");
        for n in 0..10 {
            let mut cell = store.cell(DB, key.as_bytes(), NOW_MS);
            let mut set = ZsetMut::of(&mut cell).expect("a sorted set or nothing");
            let shape = set.expect(1, 10);
            set.add(format!("{n:04}{i:06}").as_bytes(), f64::from(n * i), How::default(), shape);
        }
    }
    let each = (store.bytes() - before) as f64 / f64::from(sets);
    println!("{each:.1} bytes a small set");
    assert!(each < 220.0, "{each}");
}
