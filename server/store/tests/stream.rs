//! Streams beside an obvious one, from seeds: small nodes, so that every shape is reached.

mod common;

use base::DbId;
use common::{Dice, steps, store, tuning};
use std::collections::{BTreeMap, BTreeSet};
use store::rdb::{Placed, undumped};
use store::stream::{Bound, EntryRef, Id, Nack, Stream, Trim};
use store::{Cell, Policy, Store};

const DB: DbId = DbId::ZERO;
const NOW: u64 = 1_700_000_000_000;

type Words = Vec<Vec<u8>>;

/// Entries by id, what is pending for whom.
#[derive(Default)]
struct Model {
    entries: BTreeMap<Id, Words>,
    last: Id,
    pending: BTreeMap<Id, (usize, u64)>,
}

struct Case {
    name: &'static str,
    /// `stream-node-max-entries`, `stream-node-max-bytes`
    entries: usize,
    bytes: usize,
    value_bytes: u64,
    length: u64,
}

const CASES: &[Case] = &[
    Case { name: "one a node", entries: 1, bytes: 0, value_bytes: 10, length: 60 },
    Case { name: "few a node", entries: 4, bytes: 0, value_bytes: 20, length: 200 },
    Case { name: "as they come", entries: 100, bytes: 4096, value_bytes: 30, length: 1500 },
    Case { name: "by bytes", entries: 0, bytes: 300, value_bytes: 60, length: 300 },
    Case { name: "large nodes", entries: 0, bytes: 0, value_bytes: 3000, length: 500 },
];

fn cell(store: &mut Store) -> Cell<'_> {
    store.cell(DB, b"k", NOW)
}

fn words_of(entry: EntryRef<'_>) -> (Id, Words) {
    (entry.id, entry.pairs().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]).collect())
}

fn some_words(dice: &mut Dice, case: &Case) -> Words {
    let mut words = Vec::new();
    let same = !dice.one_in(4);
    for i in 0..if same { 2 } else { dice.below(4) + 1 } {
        words.push(if same { vec![b'a' + i as u8; 5] } else { dice.below(5).to_string().into_bytes() });
        words.push(match dice.below(3) {
            0 => (dice.next() as i64 >> dice.below(64)).to_string().into_bytes(),
            _ => {
                let len = dice.below(case.value_bytes + 1) as usize;
                dice.bytes(len)
            }
        });
    }
    words
}

/// An id that is there, or near one.
fn some_id(dice: &mut Dice, model: &Model) -> Id {
    let at = dice.below(model.entries.len() as u64 + 1) as usize;
    let id = model.entries.keys().nth(at).copied().unwrap_or(model.last);
    match dice.below(6) {
        0 => id.next().unwrap_or(id),
        1 => id.before().unwrap_or(id),
        _ => id,
    }
}

fn same(stream: &Stream, model: &Model, dice: &mut Dice, context: &str) {
    let log = stream.log();
    assert_eq!(log.len(), model.entries.len() as u64, "{context}: length");
    assert_eq!(log.last(), model.last, "{context}: last id");
    assert_eq!(log.first(), model.entries.keys().next().copied().unwrap_or(Id::MIN), "{context}: first id");
    for n in 0..6 {
        let (from, to) = if n == 0 { (Id::MIN, Id::MAX) } else { (some_id(dice, model), some_id(dice, model)) };
        let expected: Vec<(Id, Words)> = if from > to {
            vec![]
        } else {
            model.entries.range(from..=to).map(|(id, words)| (*id, words.clone())).collect()
        };
        if from <= to {
            let found: Vec<_> = log.range(from, to).map(words_of).collect();
            assert!(found == expected, "{context}: {from} to {to}");
            let mut found: Vec<_> = log.range_back(from, to).map(words_of).collect();
            found.reverse();
            assert!(found == expected, "{context}: back from {to} to {from}");
            let (max, budget) = (dice.below(300) + 1, dice.below(20) as usize + 1);
            let (mut total, mut next) = (0, Some(from));
            while let Some(from) = next.filter(|_| total < max) {
                let (n, rest) = log.count(from, to, max - total, budget);
                (total, next) = (total + n, rest);
            }
            assert_eq!(total, max.min(expected.len() as u64), "{context}: count {from} to {to}, up to {max}");
        }
        let id = some_id(dice, model);
        assert_eq!(log.get(id).map(|e| words_of(e).1), model.entries.get(&id).cloned(), "{context}: {id}");
        assert_eq!(log.contains(id), model.entries.contains_key(&id), "{context}: {id}");
    }
    let Some(group) = stream.group(b"g") else { return assert!(model.pending.is_empty()) };
    let found: Vec<_> = group
        .pending_from(Id::MIN)
        .map(|(id, nack)| (id, (group.consumer(nack.consumer).name()[0] as usize, nack.deliveries)))
        .collect();
    assert!(found.iter().copied().eq(model.pending.iter().map(|(id, nack)| (*id, *nack))), "{context}: pending");
    for consumer in group.consumers() {
        let name = consumer.name()[0] as usize;
        let expected: BTreeSet<Id> =
            model.pending.iter().filter(|(_, (owner, _))| *owner == name).map(|(id, _)| *id).collect();
        assert!(consumer.pending_from(Id::MIN).eq(expected.iter().copied()), "{context}: of {name}");
        assert_eq!(consumer.pending_len(), expected.len(), "{context}: of {name}");
    }
}

fn run(case: &Case, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut store = store(1, seed, 16);
    let empty = store.bytes();
    let mut tuning = tuning(Policy::NoEviction);
    (tuning.packing.stream_node_entries, tuning.packing.stream_node_bytes) = (case.entries, case.bytes);
    store.tune(tuning);
    let mut model = Model::default();
    cell(&mut store).create_stream();
    for step in 0..steps(20_000) {
        let context = format!("{} seed {seed} step {step}", case.name);
        let mut cell = cell(&mut store);
        match dice.below(100) {
            0..45 if (model.entries.len() as u64) < case.length * 2 => {
                let id = match dice.below(3) {
                    0 => model.last.next().expect("far from the last"),
                    1 => Id::new(model.last.ms + dice.below(3) + 1, dice.below(4)),
                    _ => Id::new(model.last.ms, model.last.seq + dice.below(1000) + 1),
                };
                let words = some_words(&mut dice, case);
                cell.change_stream(|stream| {
                    stream.log_mut().append(id, words.iter().map(|word| &word[..]), &tuning.packing);
                });
                model.entries.insert(id, words);
                model.last = id;
            }
            45..70 => {
                let id = some_id(&mut dice, &model);
                let gone = cell.change_stream(|stream| stream.log_mut().delete(id));
                assert_eq!(gone, model.entries.remove(&id).is_some(), "{context}: delete {id}");
            }
            70..73 => {
                let bound = if dice.one_in(2) {
                    Bound::Len(model.entries.len() as u64 - dice.below(model.entries.len() as u64 / 3 + 1))
                } else {
                    Bound::Id(some_id(&mut dice, &model)).min_by(&mut dice, &model)
                };
                let approximate = dice.one_in(3);
                let limit = if approximate { dice.below(50) } else { 0 };
                let mut trim = Trim { bound, approximate, limit, removed: 0 };
                let budget = dice.below(5) as usize + 1;
                while !cell.change_stream(|stream| stream.log_mut().trim(&mut trim, budget)) {}
                let full = match bound {
                    Bound::Len(len) => (model.entries.len() as u64).saturating_sub(len),
                    Bound::Id(id) => model.entries.range(..id).count() as u64,
                };
                if approximate {
                    assert!(trim.removed <= full && (limit == 0 || trim.removed <= limit), "{context}: {trim:?}");
                } else {
                    assert_eq!(trim.removed, full, "{context}: {trim:?}");
                }
                (0..trim.removed).for_each(|_| drop(model.entries.pop_first()));
            }
            73..75 => {
                let top = model.entries.keys().next_back().copied().unwrap_or(Id::MIN);
                let last = if dice.one_in(2) { top } else { Id::new(model.last.ms + dice.below(5), model.last.seq) };
                cell.change_stream(|stream| stream.log_mut().set_last(last));
                model.last = last;
            }
            75..90 => {
                let (id, name, deliveries) = (some_id(&mut dice, &model), dice.below(4) as usize, dice.below(9));
                cell.change_stream(|stream| {
                    stream.create_group(b"g", Id::MIN, 0);
                    stream.change_group(b"g", |group, _| {
                        let (consumer, _) = group.find_or_create(&[name as u8], NOW);
                        group.assign(id, Nack { consumer, delivered_ms: 5, deliveries });
                    })
                });
                model.pending.insert(id, (name, deliveries));
            }
            90..95 => {
                let id = some_id(&mut dice, &model);
                let gone = cell.change_stream(|stream| stream.change_group(b"g", |group, _| group.settle(id)));
                assert_eq!(gone.unwrap_or(false), model.pending.remove(&id).is_some(), "{context}: settle {id}");
            }
            95 => {
                let name = dice.below(4) as usize;
                let budget = dice.below(9) as usize + 1;
                cell.change_stream(|stream| {
                    stream.change_group(b"g", |group, _| {
                        let Some(id) = group.find(&[name as u8]) else { return };
                        while !group.dismiss(id, budget) {}
                    })
                });
                model.pending.retain(|_, (owner, _)| *owner != name);
            }
            96 if dice.one_in(4) => {
                cell.destroy_group(b"g");
                model.pending.clear();
            }
            97 => {
                let lifted = cell.lift().expect("it is there");
                cell.set_down(lifted);
            }
            98 if dice.one_in(4) => {
                let dumped = cell.entry().expect("it is there").dump();
                cell.put_rdb(undumped(&dumped).expect("its own"), Placed::ByThresholds).expect("its own");
            }
            _ => {}
        }
        if step % 16 == 0 {
            same(store.peek(DB, b"k", NOW).and_then(|e| e.stream()).expect("it stays"), &model, &mut dice, &context);
            store.verify();
        }
        while dice.one_in(2) && store.bury(40) {}
    }
    store.cell(DB, b"k", NOW).remove();
    while store.bury(7) {}
    store.verify();
    assert!(store.bytes() <= empty + 4096, "{}: {empty} {}", case.name, store.bytes());
}

trait Near {
    fn min_by(self, dice: &mut Dice, model: &Model) -> Bound;
}

impl Near for Bound {
    /// Mostly near the front, so that something stays.
    fn min_by(self, dice: &mut Dice, model: &Model) -> Bound {
        let near = model.entries.keys().nth(dice.below(model.entries.len() as u64 / 3 + 1) as usize);
        near.map_or(self, |&id| Bound::Id(id))
    }
}

#[test]
fn streams_equal_obvious_ones() {
    for case in CASES {
        for seed in 1..=2 {
            run(case, seed);
        }
    }
}

#[test]
fn a_million_entries_take_little_and_go_in_steps() {
    let mut store = store(1, 1, 512);
    let (empty, packing) = (store.bytes(), store::Packing::default());
    cell(&mut store).create_stream();
    for i in 0..1_000_000u64 {
        let value = i.to_string();
        let words: [&[u8]; 4] = [b"temperature", value.as_bytes(), b"place", b"kitchen"];
        let id = Id::new(NOW + i / 3, i % 3);
        cell(&mut store).change_stream(|stream| stream.log_mut().append(id, words.into_iter(), &packing));
    }
    let each = (store.bytes() - empty) as f64 / 1e6;
    assert!(each < 22.0, "{each} bytes an entry");
    let mut trim = Trim { bound: Bound::Len(10), approximate: false, limit: 0, removed: 0 };
    let mut calls = 0;
    while !cell(&mut store).change_stream(|stream| stream.log_mut().trim(&mut trim, 500)) {
        calls += 1;
    }
    assert!(calls >= 19 && trim.removed == 999_990, "{calls} {trim:?}");
    store.verify();
    assert!(store.bytes() < empty + 16_384, "{empty} {}", store.bytes());
}
