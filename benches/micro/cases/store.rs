//! Room: benches, micro. One shard's data: reading, writing, growing, deadlines, walking. Keys of 16 bytes, values of 32.

use super::{Case, Rng, key, timed};
use base::DbId;
use std::hint::black_box;
use std::time::{Duration, Instant};
use store::{Deadline, ImageOptions, ImageOut, ImageStep, Put, Store, StoreOptions};

const DB: DbId = DbId::ZERO;
const VALUE: [u8; 32] = [b'v'; 32];
/// A moment in 2026, ms.
const NOW_MS: u64 = 1_790_000_000_123;

pub const CASES: &[Case] = &[
    Case::new("table/get-hit", |keys| {
        let (mut store, asks) = (full(keys), random_keys(keys, 0));
        Box::new(move |n| {
            timed(n, |i| {
                let key = &asks[i as usize % asks.len()];
                black_box(store.read(DB, key, NOW_MS, true).map(|entry| entry.bytes()[0]));
            })
        })
    }),
    Case::new("table/get-miss", |keys| {
        let (mut store, asks) = (full(keys), random_keys(keys, keys));
        Box::new(move |n| {
            timed(n, |i| {
                black_box(store.read(DB, &asks[i as usize % asks.len()], NOW_MS, true).is_some());
            })
        })
    }),
    // As a pipeline is read ahead: slots and entries of 16 keys are on their way before the first is used.
    Case::new("table/get-16-ahead", |keys| {
        let (mut store, asks) = (full(keys), random_keys(keys, 0));
        Box::new(move |n| {
            timed(n, |i| {
                if i % 16 == 0 {
                    let ahead = (i..i + 16).map(|i| &asks[i as usize % asks.len()]);
                    ahead.clone().for_each(|key| store.prefetch(DB, key));
                    ahead.for_each(|key| store.prefetch_entry(DB, key));
                }
                let key = &asks[i as usize % asks.len()];
                black_box(store.read(DB, key, NOW_MS, true).map(|entry| entry.bytes()[0]));
            })
        })
    }),
    Case::new("table/set-over", |keys| {
        let (mut store, asks) = (full(keys), random_keys(keys, 0));
        Box::new(move |n| {
            timed(n, |i| {
                store.cell(DB, &asks[i as usize % asks.len()], NOW_MS).put(&VALUE, Put::default());
            })
        })
    }),
    // New keys from none to `keys`, again and again: all growth steps are in it, giving memory back is not.
    Case::new("table/insert-growing", |keys| {
        Box::new(move |n| {
            let mut took = Duration::ZERO;
            let mut left = n;
            while left > 0 {
                let some = left.min(keys);
                let mut store = empty();
                took += timed(some, |i| store.cell(DB, &key(i), NOW_MS).put(&VALUE, Put::default()));
                left -= some;
            }
            took
        })
    }),
    Case::new("table/delete-and-insert", |keys| {
        let (mut store, asks) = (full(keys), random_keys(keys, 0));
        Box::new(move |n| {
            timed(n, |i| {
                let key = &asks[i as usize % asks.len()];
                black_box(store.cell(DB, key, NOW_MS).remove());
                store.cell(DB, key, NOW_MS).put(&VALUE, Put::default());
            })
        })
    }),
    // One operation is one entry seen.
    Case::new("table/scan", |keys| {
        let store = full(keys);
        let (mut cursor, mut seen, mut asked) = (0, 0, 0);
        Box::new(move |n| {
            // Whole steps only: what one run has seen too much is the next one's.
            asked += n;
            let start = Instant::now();
            while seen < asked {
                cursor = store.scan(DB, cursor, 100, NOW_MS, |key, _| {
                    black_box(key);
                    seen += 1;
                });
            }
            start.elapsed()
        })
    }),
    Case::new("deadline/set", |keys| {
        let (mut store, asks, mut rng) = (full(keys), random_keys(keys, 0), Rng(5));
        Box::new(move |n| {
            timed(n, |i| {
                // Up to a day away, as TTLs of caches are.
                let deadline = Deadline::At(NOW_MS + 1000 + rng.below(86_400_000));
                store.cell(DB, &asks[i as usize % asks.len()], NOW_MS).put(&VALUE, Put { deadline, ..Put::default() });
            })
        })
    }),
    // One key with a deadline is set, time goes on, one key's time comes: the wheel's whole work for a key.
    Case::new("deadline/set-and-expire", |keys| {
        let (mut store, mut rng) = (empty(), Rng(6));
        let (mut next, mut now_ms) = (0, NOW_MS);
        let spread_ms = keys.max(2);
        Box::new(move |n| {
            timed(n, |_| {
                let deadline = Deadline::At(now_ms + 1 + rng.below(spread_ms * 2));
                store.cell(DB, &key(next), now_ms).put(&VALUE, Put { deadline, ..Put::default() });
                next += 1;
                now_ms += 1;
                while store.expire(now_ms, 64, |_, key| {
                    black_box(key);
                }) {}
            })
        })
    }),
    // One operation is one entry of 100 bytes written as an RDB record.
    Case::new("snapshot/encoding", |keys| encoding(keys, false)),
    // Nothing in these values can be compressed, which takes longest.
    Case::new("snapshot/encoding-compressed", |keys| encoding(keys, true)),
    // The first change of each key while an image runs: it is written early.
    Case::new("snapshot/set-over", |keys| {
        let mut store = full(keys);
        let mut out = ImageOut::default();
        let mut left = 0;
        Box::new(move |n| {
            timed(n, |i| {
                if left == 0 {
                    store.end_image();
                    store.begin_image(NOW_MS, ImageOptions::default());
                    left = keys;
                }
                left -= 1;
                store.cell(DB, &key(left), NOW_MS).put(&VALUE, Put::default());
                if i % 64 == 0 {
                    while store.image_early_bytes() > 0 {
                        store.image_step(1, &mut out);
                        black_box(&out);
                        out.out.clear();
                    }
                }
            })
        })
    }),
];

fn encoding(keys: u64, compress: bool) -> super::Run {
    let (mut store, mut rng) = (empty(), Rng(8));
    for number in 0..keys {
        let mut value = [0; 100];
        value.fill_with(|| rng.next() as u8);
        store.cell(DB, &key(number), NOW_MS).put(&value, Put::default());
    }
    let mut out = ImageOut::default();
    let (mut asked, mut seen) = (0, 0);
    Box::new(move |n| {
        asked += n;
        let start = Instant::now();
        while seen < asked {
            if !store.has_image() {
                store.begin_image(NOW_MS, ImageOptions { compress, ..ImageOptions::default() });
            }
            if store.image_step(1 << 16, &mut out) == ImageStep::Done {
                store.end_image();
            }
            seen += std::mem::take(&mut out.keys);
            black_box(&out);
            out.out.clear();
        }
        start.elapsed()
    })
}

fn empty() -> Store {
    Store::new(StoreOptions { databases: 16, seed: 7, hash_seed: 7 })
}

fn full(keys: u64) -> Store {
    let mut store = empty();
    for number in 0..keys {
        store.cell(DB, &key(number), NOW_MS).put(&VALUE, Put::default());
    }
    store
}

/// Keys in random order, numbers from `first` on. 65,536 at most: 1 MiB, which is read in order.
fn random_keys(keys: u64, first: u64) -> Vec<[u8; 16]> {
    let mut rng = Rng(99);
    (0..keys.min(65_536)).map(|_| key(first + rng.below(keys))).collect()
}
