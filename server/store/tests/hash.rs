//! Hashes beside an obvious one, from seeds: packed and in tables, fields with and without deadlines, moved and flushed.

mod common;

use base::DbId;
use common::{Dice, steps, store, tuning};
use std::collections::BTreeMap;
use store::hash::{Fields, HashCell};
use store::{Deadline, Kind, Packing, Policy, Store};

type Field = (Vec<u8>, Option<u64>);
type Plain = BTreeMap<Vec<u8>, Field>;

/// Keys by database and name.
#[derive(Default)]
struct Model(BTreeMap<(u16, Vec<u8>), Plain>);

impl Model {
    /// What is left of a hash; the key goes with the last field.
    fn get(&mut self, db: DbId, key: &[u8], now_ms: u64) -> Option<&mut Plain> {
        let place = (db.0, key.to_vec());
        let hash = self.0.get_mut(&place)?;
        hash.retain(|_, (_, deadline)| deadline.is_none_or(|deadline| deadline > now_ms));
        if hash.is_empty() {
            self.0.remove(&place);
        }
        self.0.get_mut(&place)
    }
}

struct Case {
    name: &'static str,
    segment_length: usize,
    packing: Packing,
    keys: u64,
    fields: u64,
    /// Longest value.
    length: u64,
    steps: usize,
    /// Of so many fields that are set, one gets a deadline.
    timed_one_in: u64,
}

const DEFAULT: Packing = Packing {
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

const CASES: &[Case] = &[
    Case {
        name: "packed",
        segment_length: 8,
        packing: DEFAULT,
        keys: 20,
        fields: 30,
        length: 40,
        steps: 30_000,
        timed_one_in: 8,
    },
    Case {
        name: "around the threshold",
        segment_length: 4,
        packing: Packing { hash_entries: 6, hash_value_bytes: 20, ..DEFAULT },
        keys: 12,
        fields: 14,
        length: 22,
        steps: 40_000,
        timed_one_in: 3,
    },
    Case {
        name: "tables",
        segment_length: 4,
        packing: Packing { hash_entries: 2, ..DEFAULT },
        keys: 3,
        fields: 400,
        length: 30,
        steps: 40_000,
        timed_one_in: 2,
    },
    Case {
        name: "too long to be packed",
        segment_length: 16,
        packing: Packing { hash_entries: 100_000, hash_value_bytes: 100_000, ..DEFAULT },
        keys: 3,
        fields: 12,
        length: 30_000,
        steps: 1_500,
        timed_one_in: 3,
    },
    Case {
        name: "never a deadline",
        segment_length: 4,
        packing: Packing { hash_entries: 10, ..DEFAULT },
        keys: 5,
        fields: 30,
        length: 20,
        steps: 20_000,
        timed_one_in: u64::MAX,
    },
];

fn text(dice: &mut Dice, length: u64) -> Vec<u8> {
    match dice.below(5) {
        0 => (dice.next() as i64 >> dice.below(64)).to_string().into_bytes(),
        1 => dice.below(200).to_string().into_bytes(),
        2 => vec![],
        _ => {
            let len = dice.below(length + 1) as usize;
            dice.bytes(len)
        }
    }
}

fn field(dice: &mut Dice, fields: u64) -> Vec<u8> {
    let n = dice.below(fields);
    match n % 4 {
        0 => n.to_string().into_bytes(),
        1 if n == 1 => vec![],
        _ => format!("field:{n}").into_bytes(),
    }
}

fn place<'a>(store: &'a mut Store, db: DbId, key: &'a [u8], now_ms: u64) -> HashCell<'a> {
    HashCell::new(store.cell(db, key, now_ms)).expect("only hashes here")
}

/// All fields of a hash by the slow way of the clever structure.
fn all(fields: Fields<'_>) -> Plain {
    let (mut seen, mut cursor) = (Plain::new(), 0);
    loop {
        cursor = fields.scan(cursor, 3, |name, value, deadline| {
            let before = seen.insert(name.to_vec(), (value.to_vec(), deadline));
            assert!(before.is_none(), "a field is visited once");
        });
        if cursor == 0 {
            return seen;
        }
    }
}

fn check(store: &mut Store, model: &mut Model, db: DbId, key: &[u8], now_ms: u64, context: &str) {
    let expected = model.get(db, key, now_ms).cloned();
    let entry = store.peek(db, key, now_ms);
    let found = entry.map(|entry| {
        let fields = entry.fields(now_ms).expect("a hash");
        if fields.is_settled() {
            assert_eq!(fields.len(), expected.as_ref().map_or(0, BTreeMap::len), "{context}");
        }
        all(fields)
    });
    assert_eq!(found, expected, "{context}");
}

fn run(case: &Case, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut store = store(2, seed, case.segment_length);
    store.tune(store::Tuning { packing: case.packing, ..tuning(Policy::NoEviction) });
    store.note_faded(true);
    let mut model = Model::default();
    let mut now_ms = 1_700_000_000_000;
    let mut faded = 0;
    for step in 0..steps(case.steps) {
        let context = format!("case {} seed {seed} step {step}", case.name);
        let db = DbId(dice.below(2) as u16);
        let key = format!("key:{}", dice.below(case.keys)).into_bytes();
        let name = field(&mut dice, case.fields);
        let at = now_ms + 1 + if dice.one_in(4) { dice.below(1 << 40) } else { dice.below(400) };
        let plain = model.get(db, &key, now_ms).is_some();
        let mut hash = place(&mut store, db, &key, now_ms);
        assert!(!plain || hash.exists(), "{context}");
        match dice.below(100) {
            0..45 => {
                let value = text(&mut dice, case.length);
                let deadline = match dice.below(case.timed_one_in.max(3)) {
                    0 if case.timed_one_in < u64::MAX => Deadline::At(at),
                    1 => Deadline::Keep,
                    _ => Deadline::None,
                };
                let created = hash.put(&name, &value, deadline);
                model.get(db, &key, now_ms);
                let fields = model.0.entry((db.0, key.clone())).or_default();
                let before = fields.get(&name).and_then(|(_, deadline)| *deadline);
                let after = match deadline {
                    Deadline::None => None,
                    Deadline::Keep => before,
                    Deadline::At(at) => Some(at),
                };
                assert_eq!(created, fields.insert(name, (value, after)).is_none(), "{context}");
            }
            45..50 => {
                let pairs: Vec<(Vec<u8>, Vec<u8>)> = (0..1 + dice.below(8))
                    .map(|_| (field(&mut dice, case.fields), text(&mut dice, case.length)))
                    .collect();
                let longest = pairs.iter().map(|(name, value)| name.len().max(value.len())).max().unwrap_or(0);
                hash.expect(pairs.len(), longest);
                let created = hash.put_all(pairs.iter().map(|(name, value)| (&name[..], &value[..])));
                model.get(db, &key, now_ms);
                let fields = model.0.entry((db.0, key.clone())).or_default();
                let new = pairs.into_iter().filter(|(n, v)| fields.insert(n.clone(), (v.clone(), None)).is_none());
                assert_eq!(created, new.count(), "{context}");
            }
            50..68 => {
                let removed = hash.remove(&name);
                let fields = model.get(db, &key, now_ms);
                assert_eq!(removed, fields.is_some_and(|fields| fields.remove(&name).is_some()), "{context}");
            }
            68..76 if case.timed_one_in < u64::MAX => {
                let deadline = if dice.one_in(4) { None } else { Some(at) };
                if hash.fields().is_some_and(|fields| fields.has(&name)) {
                    hash.set_deadline(&name, deadline);
                }
                if let Some((_, before)) = model.get(db, &key, now_ms).and_then(|fields| fields.get_mut(&name)) {
                    *before = deadline;
                }
            }
            76..78 => {
                // Renamed over another, maybe in another database.
                let (to, other) = (DbId(dice.below(2) as u16), format!("key:{}", dice.below(case.keys)).into_bytes());
                if let Some(lifted) = store.cell(db, &key, now_ms).lift() {
                    store.cell(to, &other, now_ms).set_down(lifted);
                }
                model.get(db, &key, now_ms);
                if let Some(fields) = model.0.remove(&(db.0, key.clone())) {
                    model.0.insert((to.0, other), fields);
                }
            }
            78..79 => {
                store.cell(db, &key, now_ms).put(b"a string", store::Put::default());
                assert!(store.peek(db, &key, now_ms).is_some_and(|entry| entry.kind() == Kind::String));
                store.cell(db, &key, now_ms).remove();
                model.0.remove(&(db.0, key.clone()));
            }
            79 if dice.one_in(8) => {
                store.flush(db);
                model.0.retain(|(place, _), _| *place != db.0);
            }
            80 if dice.one_in(4) => {
                store.swap(DbId(0), DbId(1));
                let swapped = std::mem::take(&mut model.0).into_iter();
                model.0 = swapped.map(|((place, key), fields)| ((1 - place, key), fields)).collect();
            }
            81 => {
                let mut cell = store.cell(db, &key, now_ms);
                cell.set_deadline(dice.one_in(2).then_some(u64::MAX / 2));
                cell.version();
            }
            82..86 => now_ms += dice.below(60),
            86..90 => {
                store.expire(now_ms, 1 + dice.below(20) as usize, |_, _| {});
            }
            90..92 => {
                store.bury(1 + dice.below(20) as usize);
            }
            92..94 => {
                let expected = model.get(db, &key, now_ms).cloned();
                let draws = hash.fields().filter(|fields| fields.is_settled()).map(|fields| {
                    let mut seen = Vec::new();
                    fields.draw(&mut store::Rng::new(step as u64), 3, |name, value| {
                        seen.push((name.to_vec(), value.to_vec()));
                    });
                    seen
                });
                for (name, value) in draws.unwrap_or_default() {
                    let there = expected.as_ref().and_then(|fields| fields.get(&name)).map(|(value, _)| value);
                    assert_eq!(there, Some(&value), "{context}");
                }
            }
            _ => {
                let expected = model.get(db, &key, now_ms).and_then(|fields| fields.get(&name)).cloned();
                let fields = hash.fields();
                let found = fields.and_then(|fields| {
                    assert_eq!(fields.has(&name), fields.get(&name).is_some(), "{context}");
                    Some((fields.get(&name)?.to_vec(), fields.deadline(&name)?))
                });
                assert_eq!(found, expected, "{context}");
            }
        }
        check(&mut store, &mut model, db, &key, now_ms, &context);
        if step % 16 == 0 {
            store.verify();
        }
        faded += store.take_faded().len();
    }
    // All that have a deadline go by themselves, without a lookup.
    now_ms += 1 << 41;
    while store.expire(now_ms, 50, |_, _| {}) {}
    for db in [DbId(0), DbId(1)] {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = store.scan(db, cursor, 10, now_ms, |key, entry| {
                assert!(entry.fields(now_ms).is_some_and(|fields| fields.is_settled()));
                keys.push(key.to_vec());
            });
            if cursor == 0 {
                break;
            }
        }
        keys.sort();
        let names: Vec<Vec<u8>> =
            model.0.keys().filter(|(place, _)| *place == db.0).map(|(_, key)| key.clone()).collect();
        let left: Vec<Vec<u8>> = names.into_iter().filter(|key| model.get(db, key, now_ms).is_some()).collect();
        assert_eq!(keys, left, "case {} seed {seed}", case.name);
    }
    while store.bury(1000) {}
    store.verify();
    assert!(faded > 0 || case.timed_one_in == u64::MAX, "case {} seed {seed} lets fields go", case.name);
}

#[test]
fn hashes_equal_plain_ones() {
    let seeds = std::env::var("TORC_SEED").ok().and_then(|seed| seed.parse().ok()).map_or(1..4, |seed| seed..seed + 1);
    for seed in seeds {
        for case in CASES {
            println!("case {} seed {seed}", case.name);
            run(case, seed);
        }
    }
}

/// `next_deadline` and `expire` alone: a field is gone within 10 ms of its time, whatever its neighbours.
#[test]
fn fields_go_within_ten_milliseconds() {
    let mut store = store(1, 5, 16);
    let mut dice = Dice::new(5);
    let start = 1_700_000_000_000;
    let mut deadlines = BTreeMap::new();
    for i in 0..steps(4_000) {
        let (key, name) = (format!("key:{}", i % 70).into_bytes(), i.to_string().into_bytes());
        let at = start + 1 + dice.below(30_000);
        place(&mut store, DbId::ZERO, &key, start).put(&name, b"v", Deadline::At(at));
        deadlines.insert((key, name), at);
    }
    let mut now_ms = start;
    while let Some(next) = store.next_deadline() {
        assert!(next >= now_ms, "time goes on");
        now_ms = next.max(now_ms + 1);
        while store.expire(now_ms, 100, |_, _| panic!("no key has a deadline")) {}
        let due = deadlines.extract_if(.., |_, at| *at <= now_ms);
        for ((key, name), at) in due {
            assert!(now_ms < at + 10, "{at} is noticed at {now_ms}");
            // The lookup sees the moment before the deadline: only `expire` can have removed it.
            let fields = store.peek(DbId::ZERO, &key, at - 1).and_then(|entry| entry.fields(0));
            assert!(fields.is_none_or(|fields| !fields.has(&name)), "it is gone");
        }
    }
    assert!(deadlines.is_empty() && store.len(DbId::ZERO) == 0);
    store.verify();
}

/// A hundred thousand fields due at once: a lookup takes a bounded part of the work, nobody sees one of them.
#[test]
fn many_fields_due_at_once_are_not_seen() {
    let mut store = store(1, 6, 512);
    let (key, start) = (b"hash", 1_700_000_000_000);
    let many = steps(20_000);
    let mut hash = place(&mut store, DbId::ZERO, key, start);
    for i in 0..many {
        let deadline = if i % 4 == 0 { Deadline::None } else { Deadline::At(start + 10) };
        hash.put(i.to_string().as_bytes(), b"v", deadline);
    }
    let now_ms = start + 10;
    let fields = store.peek(DbId::ZERO, key, now_ms).and_then(|entry| entry.fields(now_ms)).expect("some are left");
    assert!(cfg!(miri) || !fields.is_settled(), "a lookup does not remove them all");
    assert_eq!(all(fields).len(), many.div_ceil(4));
    assert!(!fields.has(b"1") && fields.has(b"4"));
    while store.expire(now_ms, 100, |_, _| {}) {}
    let fields = store.peek(DbId::ZERO, key, now_ms).and_then(|entry| entry.fields(now_ms)).expect("some are left");
    assert_eq!((fields.len(), fields.is_settled()), (many.div_ceil(4), true));
    store.verify();

    // All of them: the key is gone at once, its memory in steps.
    let mut hash = place(&mut store, DbId::ZERO, b"other", now_ms);
    (0..many).for_each(|i| {
        hash.put(i.to_string().as_bytes(), b"v", Deadline::At(now_ms + 5));
    });
    assert!(store.peek(DbId::ZERO, b"other", now_ms + 5).is_none());
    while store.bury(100) {}
    store.verify();
}

#[test]
fn drawn_fields_are_fair() {
    for (entries, many) in [(128, 20), (0, 20)] {
        let mut store = store(1, 9, 512);
        let packing = Packing { hash_entries: entries, ..DEFAULT };
        store.tune(store::Tuning { packing, ..tuning(Policy::NoEviction) });
        let mut hash = place(&mut store, DbId::ZERO, b"h", 1);
        (0..many).for_each(|i| {
            hash.put(format!("f{i}").as_bytes(), b"v", Deadline::None);
        });
        let draws = steps(20_000);
        let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let mut rng = store::Rng::new(77);
        let fields = hash.fields().expect("it has fields");
        fields.draw(&mut rng, draws, |name, _| *seen.entry(name.to_vec()).or_default() += 1);
        let expected = draws as f64 / many as f64;
        let chi: f64 = (0..many)
            .map(|i| seen.get(format!("f{i}").as_bytes()).copied().unwrap_or(0) as f64)
            .map(|n| (n - expected).powi(2) / expected)
            .sum();
        // 19 degrees of freedom: 43.8 once in a thousand.
        assert!(chi < 43.8 || cfg!(miri), "{entries}: {chi}");
        assert_eq!(seen.len(), many);
    }
}
