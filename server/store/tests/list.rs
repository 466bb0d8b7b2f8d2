//! Lists beside an obvious one, from seeds: every shape, small chunks.

mod common;

use base::DbId;
use common::{Dice, steps, store, tuning};
use std::collections::VecDeque;
use store::list::{Element, End, ListMut, ListRef, Needle};
use store::{Cell, Deadline, Policy, Store, Tuning};

const DB: DbId = DbId::ZERO;
const NOW: u64 = 1_700_000_000_000;

struct Case {
    name: &'static str,
    /// `list-max-listpack-size`
    size: i32,
    steps: usize,
    /// About as long the list becomes.
    length: u64,
    /// Bytes of an element, most of the time and sometimes.
    bytes: u64,
    bytes_rare: u64,
}

const CASES: &[Case] = &[
    Case { name: "packed", size: -2, steps: 30_000, length: 60, bytes: 20, bytes_rare: 100 },
    Case { name: "one a chunk", size: 1, steps: 30_000, length: 3000, bytes: 8, bytes_rare: 30 },
    Case { name: "few a chunk", size: 3, steps: 30_000, length: 1500, bytes: 8, bytes_rare: 300 },
    Case { name: "some a chunk", size: 16, steps: 30_000, length: 400, bytes: 12, bytes_rare: 2000 },
    Case { name: "4 KiB", size: -1, steps: 30_000, length: 800, bytes: 40, bytes_rare: 3000 },
    Case { name: "8 KiB, large elements", size: -2, steps: 6_000, length: 60, bytes: 5000, bytes_rare: 40_000 },
    Case { name: "64 KiB", size: -5, steps: 6_000, length: 30_000, bytes: 3, bytes_rare: 30_000 },
    Case { name: "huge elements", size: -5, steps: 2_000, length: 30, bytes: 9000, bytes_rare: 150_000 },
];

fn element(dice: &mut Dice, case: &Case) -> Vec<u8> {
    match dice.below(8) {
        0 => dice.below(300).to_string().into_bytes(),
        1 => (dice.next() as i64 >> dice.below(64)).to_string().into_bytes(),
        2 => vec![b'a' + dice.below(3) as u8],
        3 if dice.one_in(3) => {
            let len = dice.below(case.bytes_rare + 1) as usize;
            dice.bytes(len)
        }
        _ => {
            let len = dice.below(case.bytes + 1) as usize;
            dice.bytes(len)
        }
    }
}

fn text(element: Element<'_>) -> Vec<u8> {
    element.text(&mut [0; 20]).to_vec()
}

fn cell<'a>(store: &'a mut Store, key: &'a [u8]) -> Cell<'a> {
    store.cell(DB, key, NOW)
}

fn list<'c, 'a>(cell: &'c mut Cell<'a>) -> ListMut<'c, 'a> {
    cell.list_mut()
}

fn same(store: &mut Store, model: &VecDeque<Vec<u8>>, dice: &mut Dice, context: &str) {
    let Some(entry) = store.peek(DB, b"k", NOW) else {
        assert!(model.is_empty(), "{context}: it is gone");
        return;
    };
    let list: ListRef<'_> = entry.list().expect("a list");
    assert_eq!(list.len(), model.len(), "{context}: length");
    assert!(!model.is_empty(), "{context}: no empty list stays");
    assert!(list.iter_from(0, false).map(text).eq(model.iter().cloned()), "{context}: forwards");
    assert!(list.iter_from(model.len() - 1, true).map(text).eq(model.iter().rev().cloned()), "{context}: backwards");
    for _ in 0..20 {
        let i = dice.below(model.len() as u64 + 2) as usize;
        assert_eq!(list.get(i).map(text), model.get(i).cloned(), "{context}: element {i}");
        let some: Vec<_> = list.iter_from(i, false).take(10).map(text).collect();
        assert!(some.iter().eq(model.iter().skip(i).take(10)), "{context}: from {i}");
        let some: Vec<_> = list.iter_from(i, true).take(10).map(text).collect();
        let skip = (model.len() - 1).saturating_sub(i);
        let expected: Vec<_> =
            if i < model.len() { model.iter().rev().skip(skip).take(10).cloned().collect() } else { vec![] };
        assert_eq!(some, expected, "{context}: back from {i}");
    }
}

fn end(dice: &mut Dice) -> End {
    if dice.one_in(2) { End::Head } else { End::Tail }
}

fn put(model: &mut VecDeque<Vec<u8>>, end: End, element: Vec<u8>) {
    match end {
        End::Head => model.push_front(element),
        End::Tail => model.push_back(element),
    }
}

fn take(model: &mut VecDeque<Vec<u8>>, end: End) -> Option<Vec<u8>> {
    match end {
        End::Head => model.pop_front(),
        End::Tail => model.pop_back(),
    }
}

fn run(case: &Case, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut store = store(1, seed, 16);
    let mut tuning: Tuning = tuning(Policy::NoEviction);
    tuning.packing.list_size = case.size;
    store.tune(tuning);
    let mut model: VecDeque<Vec<u8>> = VecDeque::new();
    let (mut listpacks, mut quicklists) = (0, 0);
    for step in 0..steps(case.steps) {
        let context = format!("{} seed {seed} step {step}", case.name);
        // Shrinks and grows in turns.
        let growing = (model.len() as u64) < case.length && (step / (case.steps / 8).max(1)).is_multiple_of(2);
        let mut cell = cell(&mut store, b"k");
        let len = model.len() as u64;
        match dice.below(100) {
            n @ 0..50 => {
                if (n < 40) == growing || len == 0 {
                    let end = end(&mut dice);
                    let many = if dice.one_in(10) { dice.below(case.length / 8 + 2) + 1 } else { 1 };
                    let elements: Vec<Vec<u8>> = (0..many).map(|_| element(&mut dice, case)).collect();
                    let mut list = list(&mut cell);
                    let left = if dice.one_in(20) {
                        list.prepare_pieces(elements.iter().map(Vec::len).sum(), elements.len());
                        elements
                            .chunks(3)
                            .map(|piece| list.push_piece(end, piece.iter().map(|e| &e[..])))
                            .last()
                            .unwrap()
                    } else {
                        list.push(end, elements.iter().map(|e| &e[..]))
                    };
                    elements.into_iter().for_each(|e| put(&mut model, end, e));
                    assert_eq!(left, model.len(), "{context}: push");
                } else {
                    let end = end(&mut dice);
                    let mut seen = None;
                    let left = list(&mut cell).pop(end, |e| seen = Some(text(e)));
                    assert_eq!(seen, take(&mut model, end), "{context}: pop");
                    assert_eq!(left, model.len());
                }
            }
            50..65 if len > 0 => {
                let (i, element) = (dice.below(len) as usize, element(&mut dice, case));
                assert!(list(&mut cell).set(i, &element), "{context}: set");
                model[i] = element;
                assert!(!list(&mut cell).set(len as usize, b"x"));
            }
            65..80 if len > 0 => {
                let (i, after, element) = (dice.below(len) as usize, dice.one_in(2), element(&mut dice, case));
                let mut list = list(&mut cell);
                list.make_room(&element);
                assert_eq!(list.insert(i, &element, after), model.len() + 1, "{context}: insert");
                model.insert(i + usize::from(after), element);
            }
            80..88 if len > 0 => {
                let needle =
                    if dice.one_in(4) { element(&mut dice, case) } else { model[dice.below(len) as usize].clone() };
                let (back, max) =
                    (dice.one_in(2), if dice.one_in(2) { usize::MAX } else { dice.below(3) as usize + 1 });
                let budget = dice.below(100) as usize + 1;
                let first = if back {
                    model.iter().rev().position(|e| *e == needle)
                } else {
                    model.iter().position(|e| *e == needle)
                };
                let (mut skip, mut removed) = (first.unwrap_or(0), 0);
                let mut list = list(&mut cell);
                loop {
                    let p = list.remove_equal(&Needle::new(&needle), skip, max - removed, back, budget);
                    (skip, removed) = (p.skip, removed + p.removed);
                    if p.done {
                        break;
                    }
                }
                list.settle();
                let mut expected = 0;
                if back {
                    model.make_contiguous().reverse();
                }
                model.retain(|e| {
                    let goes = *e == needle && expected < max;
                    expected += usize::from(goes);
                    !goes
                });
                if back {
                    model.make_contiguous().reverse();
                }
                assert_eq!(removed, expected, "{context}: removed");
            }
            88..92 if len > 0 => {
                let (from, to) = (end(&mut dice), end(&mut dice));
                let mut seen = Vec::new();
                list(&mut cell).rotate(from, to, |text| seen = text.to_vec());
                let element = take(&mut model, from).expect("it is not empty");
                assert_eq!(seen, element, "{context}: rotate");
                put(&mut model, to, element);
            }
            92..96 if len > 0 => {
                let most = if dice.one_in(6) { len + 2 } else { len / 8 + 2 };
                let (front, back) = (dice.below(most) as usize, dice.below(most) as usize);
                let left = list(&mut cell).cut(front, back);
                let front = front.min(model.len());
                model.drain(..front);
                model.truncate(model.len() - back.min(model.len()));
                assert_eq!(left, model.len(), "{context}: cut");
            }
            96 if len > 0 => {
                // As it was, whatever the setting becomes.
                tuning.packing.list_size = if dice.one_in(3) { [-3, 2, 40][dice.below(3) as usize] } else { case.size };
                store.tune(tuning);
            }
            97 if len > 0 => {
                let lifted = cell.lift().expect("it is there");
                assert!(cell.entry().is_none());
                cell.set_down(lifted);
            }
            98 if dice.one_in(20) => {
                cell.remove();
                model.clear();
            }
            _ => {}
        }
        if step % 16 == 0 || model.len() < 40 && step % 4 == 0 {
            same(&mut store, &model, &mut dice, &context);
            store.verify();
            if let Some(entry) = store.peek(DB, b"k", NOW) {
                match entry.list() {
                    Some(ListRef::Packed { .. }) => listpacks += 1,
                    _ => quicklists += 1,
                }
            }
        }
        while dice.one_in(2) && store.bury(40) {}
    }
    if !cfg!(miri) {
        assert!(listpacks > 0 || case.length > 2000, "{} seed {seed}: it was never packed", case.name);
        assert!(quicklists > 0 || case.name == "packed", "{} seed {seed}: it was never in chunks", case.name);
    }
    store.cell(DB, b"k", NOW).remove();
    while store.bury(1000) {}
    store.verify();
    assert_eq!(store.len(DB), 0);
}

#[test]
fn lists_equal_obvious_ones() {
    for case in CASES {
        for seed in 1..=2 {
            run(case, seed);
        }
    }
}

#[test]
fn a_large_list_is_dropped_in_steps() {
    let mut store = store(1, 1, 512);
    let empty = store.bytes();
    let elements: Vec<Vec<u8>> = (0..1_000_000).map(|i| format!("element {i}").into_bytes()).collect();
    for element in &elements {
        cell(&mut store, b"k").list_mut().push(End::Tail, std::iter::once(&element[..]));
    }
    let full = store.bytes();
    assert!(full < empty + 1_000_000 * 18, "{} bytes an element", (full - empty) / 1_000_000);
    assert_eq!(cell(&mut store, b"k").list_mut().cut(100_000, 200_000), 700_000);
    assert!(store.bury(10), "there is more to free than ten chunks");
    while store.bury(10) {}
    store.verify();
    let less = store.bytes();
    assert!(less < empty + (full - empty) * 71 / 100, "what was cut is free: {empty} {full} {less}");
    cell(&mut store, b"k").remove();
    let mut calls = 0;
    while store.bury(10) {
        calls += 1;
    }
    assert!(calls > 10, "in steps");
    store.verify();
    assert!(store.bytes() <= empty + 4096, "{empty} {}", store.bytes());
}

#[test]
fn deadlines_stay() {
    let mut store = store(1, 1, 512);
    let mut cell = cell(&mut store, b"k");
    cell.list_mut().push(End::Tail, [&b"a"[..], b"b"].into_iter());
    cell.set_deadline(Some(NOW + 500));
    let long = vec![b'x'; 9000];
    cell.list_mut().push(End::Tail, std::iter::once(&long[..]));
    assert_eq!(cell.entry().and_then(|e| e.deadline()), Some(NOW + 500));
    cell.list_mut().pop(End::Tail, |_| {});
    cell.list_mut().pop(End::Tail, |_| {});
    assert_eq!(cell.entry().and_then(|e| e.deadline()), Some(NOW + 500));
    cell.put(b"s", store::Put { deadline: Deadline::Keep, ..Default::default() });
    assert!(cell.list().is_none());
    store.verify();
}
