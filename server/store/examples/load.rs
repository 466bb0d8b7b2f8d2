//! Prints what it takes to load an RDB file of strings into a store, without the device: `cargo run --release -p store --example load`.
//! Keys of 16 bytes, values of 100, as many as the first word says (a million).

use base::DbId;
use std::time::Instant;
use store::rdb::Placed;
use store::rdb::file::read::{Item, ReadOptions, Reader};
use store::rdb::file::{Age, Head, write};
use store::{Store, StoreOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As `files` hands them over.
const PIECE_BYTES: usize = 1 << 20;

fn file(keys: u64) -> Vec<u8> {
    let mut out = Vec::new();
    write::begin(&mut out, 11);
    write::select(&mut out, DbId::ZERO);
    write::resize(&mut out, keys, 0);
    for n in 0..keys {
        let key = format!("key:{n:012}");
        let head = Head { key: key.as_bytes(), deadline: None, age: Age::Unknown, flags: 0, version: None };
        write::entry_head(&mut out, &head, 0, None);
        out.extend_from_slice(&[0x40, 100]);
        out.extend_from_slice(&[b'v'; 100]);
    }
    let sum = store::rdb::crc64(0, &out);
    write::end(&mut out, sum, true);
    out
}

fn main() {
    let keys = std::env::args().nth(1).map_or(1_000_000, |word| word.parse().expect("a number of keys"));
    let bytes = file(keys);
    // The second word: as entries come from elsewhere, without what loading knows.
    let plain = std::env::args().nth(2).is_some_and(|word| word == "plain");
    let mut store = Store::new(StoreOptions { databases: 1, seed: 1, hash_seed: 1 });
    let begun = Instant::now();
    let mut reader = Reader::new(ReadOptions { size: Some(bytes.len() as u64), ..ReadOptions::default() });
    let mut pieces = bytes.chunks(PIECE_BYTES);
    loop {
        match reader.next().expect("a good file") {
            Item::NeedMore => reader.feed(pieces.next().expect("it ends by itself")),
            Item::Entry(entry) => {
                if !plain {
                    store.prefetch_to_insert(entry.db, entry.next_key);
                }
                let mut cell = store.cell(entry.db, entry.key, 0);
                assert!(cell.entry().is_none());
                let put = match plain {
                    true => cell.put_rdb(entry.value, Placed::ByThresholds),
                    false => cell.put_loaded(entry.value, entry.deadline, entry.flags),
                };
                put.expect("a good value");
            }
            Item::Resize { keys, .. } if !plain => store.expect(DbId::ZERO, keys as usize),
            Item::End => break,
            _ => {}
        }
    }
    store.expect_no_more();
    let ns = begun.elapsed().as_nanos() as f64 / keys as f64;
    assert_eq!(store.len(DbId::ZERO) as u64, keys);
    println!("{ns:.0} ns a key, {} bytes of store a key", store.bytes() as u64 / keys);
}
