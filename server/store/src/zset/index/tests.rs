//! The index beside a sorted vector, from printed seeds.

use super::*;
use crate::entry::{Content, Facts, Owned};
use crate::rng::Rng;

fn entry(heap: &mut Heap, name: &[u8]) -> Owned {
    let facts = Facts {
        key: name,
        content: Content::Inline(b""),
        age: 0,
        kind: crate::Kind::String,
        form: 0,
        deadline: None,
        version: None,
        flags: 0,
        fetched: false,
    };
    Owned::build(heap, facts)
}

fn order(a: &(f64, Vec<u8>), b: &(f64, Vec<u8>)) -> std::cmp::Ordering {
    a.0.partial_cmp(&b.0).unwrap().then_with(|| a.1.cmp(&b.1))
}

/// The index beside a sorted vector. `scores`: how many different ones there are.
fn twin<const LEAF: usize, const INNER: usize>(seed: u64, scores: u64, steps: usize, most: usize) {
    println!("leaves of {LEAF}, nodes of {INNER}, {scores} scores, seed {seed}");
    let mut rng = Rng::new(seed);
    let mut heap = Heap::new();
    let mut index = Index::<LEAF, INNER>::new();
    let mut all: Vec<(f64, Vec<u8>, Owned)> = Vec::new();
    let place = |all: &Vec<(f64, Vec<u8>, Owned)>, score: f64, name: &[u8]| {
        all.partition_point(|(s, n, _)| *s < score || *s == score && &n[..] < name)
    };
    let (mut low, mut high, mut count) = (0.0, 0.0, 0u64);
    for step in 0..steps {
        let growing = (step / (steps / 6).max(1)).is_multiple_of(2);
        let draw = rng.below(100);
        if draw < if growing { 70 } else { 25 } && all.len() < most {
            count += 1;
            let name = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
            let score = match (rng.below(4), step / (steps / 12).max(1) % 3) {
                (1.., 1) => {
                    high += 1.0;
                    high
                }
                (1.., 2) => {
                    low -= 1.0;
                    low
                }
                _ => rng.below(scores) as f64 - (scores / 2) as f64,
            };
            let owned = entry(&mut heap, &name);
            index.insert(&mut heap, score, Handle::of(owned.get()));
            all.insert(place(&all, score, &name), (score, name, owned));
        } else if draw < 85 && !all.is_empty() {
            // From anywhere, or many neighbours.
            let at = rng.below(all.len() as u64) as usize;
            for _ in 0..if rng.below(8) == 0 { 1 + rng.below(3 * LEAF as u64) } else { 1 } {
                if at < all.len() {
                    let (score, _, owned) = all.remove(at);
                    index.remove(&mut heap, score, Handle::of(owned.get()));
                    owned.free(&mut heap);
                }
            }
        } else if !all.is_empty() {
            let at = rng.below(all.len() as u64) as usize;
            let (score, name, owned) = all.remove(at);
            let to = if rng.below(2) == 0 { score + 0.25 } else { rng.below(scores) as f64 };
            index.change(&mut heap, score, Handle::of(owned.get()), to);
            all.insert(place(&all, to, &name), (to, name, owned));
        }
        if step % 16 == 0 || cfg!(miri) {
            let mut seen = 0;
            index.verify(|score, entry| {
                assert!(score == all[seen].0 && entry.key() == all[seen].1);
                seen += 1;
            });
            assert_eq!(seen, all.len());
        }
        let at = rng.below(all.len() as u64 + 1) as usize;
        if let Some((score, name, _)) = all.get(at) {
            assert_eq!(index.rank(Place::At(*score, name)), at);
            let before = all.partition_point(|(s, ..)| s < score);
            let behind = all.partition_point(|(s, ..)| s <= score);
            assert_eq!(index.rank(Place::Before(*score)), before);
            assert_eq!(index.rank(Place::Behind(*score)), behind);
            let sought = index.seek(Place::Behind(*score)).map(|spot| index.item(spot).1.to_vec());
            assert_eq!(sought, all.get(behind).map(|(_, n, _)| n.clone()));
            let spot = index.select(at).expect("below the length");
            assert!(index.item(spot) == (*score, &name[..]));
            let back = rng.below(2) == 0;
            let count = rng.below(3 * LEAF as u64) as usize;
            let mut got = Vec::new();
            index.walk(Some(spot), count, back, |score, name| {
                got.push((score, name.to_vec()));
                true
            });
            let wanted: Vec<_> = if back {
                all[..=at].iter().rev().take(count).map(|(s, n, _)| (*s, n.clone())).collect()
            } else {
                all[at..].iter().take(count).map(|(s, n, _)| (*s, n.clone())).collect()
            };
            assert!(got == wanted, "a walk from {at}");
            assert!(wanted.is_sorted_by(|a, b| back || order(a, b).is_lt()));
        } else {
            assert!(index.select(at).is_none());
        }
    }
    for (_, _, owned) in all.drain(..) {
        owned.free(&mut heap);
    }
    while index.bury(&mut heap, 3) {}
    assert_eq!((heap.used(), index.leaves, index.inners), (0, 0, 0));
}

#[test]
fn an_index_is_what_a_sorted_vector_is() {
    let steps = if cfg!(miri) { 200 } else { 20_000 };
    for seed in 1..=if cfg!(miri) { 1 } else { 3 } {
        twin::<4, 4>(seed, 1_000_000, steps, 400);
        twin::<5, 4>(seed, 3, steps, 300);
        twin::<4, 7>(seed, 40, steps, 2000);
        twin::<62, 63>(seed, 100_000, steps, 100_000);
        twin::<8, 5>(seed, 1000, steps, 5000);
    }
}

/// Rising and falling scores leave full nodes, others nodes that are four fifths full.
#[test]
fn leaves_are_well_filled() {
    let len = if cfg!(miri) { 1000u64 } else { 50_000 };
    type Score = fn(u64, &mut Rng) -> f64;
    let kinds: [(&str, Score, f64); 3] = [
        ("rising", |i, _| i as f64, 0.98),
        ("falling", |i, _| -(i as f64), 0.98),
        ("any", |_, rng| rng.draw() as f64, 0.78),
    ];
    for (name, score, least) in kinds {
        let mut rng = Rng::new(7);
        let mut heap = Heap::new();
        let mut index = Index::<62, 63>::new();
        let mut entries = Vec::new();
        for i in 0..len {
            let owned = entry(&mut heap, &i.to_be_bytes());
            index.insert(&mut heap, score(i, &mut rng), Handle::of(owned.get()));
            entries.push(owned);
        }
        index.verify(|_, _| {});
        let full = len as f64 / (index.leaves * 62) as f64;
        println!("{name}: {full:.3} full, {} inner nodes", index.inners);
        assert!(full > least, "{name}: {full}");
        entries.into_iter().for_each(|owned| owned.free(&mut heap));
        while index.bury(&mut heap, 100) {}
    }
}
