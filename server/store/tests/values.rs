//! Values and keys of unusual sizes, and what they cost.

mod common;

use base::DbId;
use base::limits::SHARED_VALUE_BYTES_MIN;
use common::{portable, steps, store};
use std::time::{Duration, Instant};
use store::{Deadline, Encoding, Put, Store, Value};

const DB: DbId = DbId::ZERO;

fn address(store: &mut Store, key: &[u8]) -> *const u8 {
    store.peek(DB, key, 0).expect("there").bytes().as_ptr()
}

#[test]
fn a_small_entry_takes_what_its_parts_take() {
    let mut store = store(1, 1, 512);
    let key = [b'k'; 16];
    let mut last = 0;
    // header, key and value; then each option as it is first used.
    type Step<'a> = (&'static str, usize, &'a dyn Fn(&mut Store));
    let steps: [Step<'_>; 4] = [
        ("bare", 8 + 16 + 32, &|s| s.cell(DB, &key, 0).put(&[1; 32], Put::default())),
        ("flags", 4, &|s| s.cell(DB, &key, 0).set_flags(9)),
        ("deadline", 12, &|s| s.cell(DB, &key, 0).set_deadline(Some(99))),
        ("version", 8, &|s| {
            s.cell(DB, &key, 0).version();
        }),
    ];
    for (name, bytes, step) in steps {
        step(&mut store);
        let table = 10 + if name == "deadline" || name == "version" { 24 } else { 0 };
        last += bytes;
        let allocated = store.peek(DB, &key, 0).expect("there").allocated() - table;
        assert_eq!(allocated, last.next_multiple_of(8), "{name}");
    }
    let entry = store.peek(DB, &key, 0).expect("there");
    assert_eq!((entry.flags(), entry.deadline(), entry.bytes()), (9, Some(99), &[1; 32][..]));
}

#[test]
fn an_overwrite_of_the_same_size_stays_in_place() {
    let mut store = store(1, 1, 512);
    store.cell(DB, b"8 bytes!", 0).put(&[1; 32], Put::default());
    let before = address(&mut store, b"8 bytes!");
    for (value, put) in [
        (vec![2; 32], Put::default()),
        (vec![3; 30], Put { encoding: Encoding::Raw, ..Put::default() }),
        (vec![4; 31], Put::default()),
    ] {
        store.cell(DB, b"8 bytes!", 0).put(&value, put);
        let entry = store.peek(DB, b"8 bytes!", 0).expect("there");
        assert_eq!((entry.bytes(), entry.encoding()), (&value[..], put.encoding));
        // Where every block is the global allocator's, only the same size stays.
        assert!(entry.bytes().as_ptr() == before || cfg!(any(miri, feature = "direct")));
    }
}

#[test]
fn appending_to_a_large_value_costs_the_suffix() {
    let mut store = store(1, 1, 512);
    let n = steps(200_000);
    let suffix = [b'x'; 100];
    let (mut moves, mut last) = (0, std::ptr::null());
    let start = Instant::now();
    for i in 1..=n {
        assert_eq!(store.cell(DB, b"log", 0).append(&suffix, Encoding::Raw), i * suffix.len());
        let now = address(&mut store, b"log");
        moves += u32::from(now != last);
        last = now;
    }
    // 20 MB by hundreds: quadratic work would copy two terabytes.
    assert!(start.elapsed() < Duration::from_secs(60) || cfg!(miri), "{:?}", start.elapsed());
    assert!(moves < 600, "{moves} moves: bounded by the sizes that an entry goes through, then by doubling");
    let entry = store.peek(DB, b"log", 0).expect("there");
    assert!(entry.bytes().iter().all(|&b| b == b'x'));
    assert!(entry.allocated() >= n * suffix.len());
    store.verify();
}

#[test]
fn a_value_that_a_reply_holds_is_not_changed_under_it() {
    type Edit = (&'static str, fn(&mut Store));
    let edits: [Edit; 6] = [
        ("append", |s| {
            s.cell(DB, b"k", 0).append(b"tail", Encoding::Raw);
        }),
        ("prepend", |s| {
            s.cell(DB, b"k", 0).prepend(b"head", Encoding::Raw);
        }),
        ("patch", |s| {
            s.cell(DB, b"k", 0).patch(100, b"patch");
        }),
        ("put", |s| s.cell(DB, b"k", 0).put(b"other", Put::default())),
        ("remove", |s| {
            s.cell(DB, b"k", 0).remove();
        }),
        ("flush", |s| s.flush(DB)),
    ];
    for (name, edit) in edits {
        for length in [SHARED_VALUE_BYTES_MIN, SHARED_VALUE_BYTES_MIN * 5 + 3] {
            let mut store = store(1, 1, 512);
            let value = vec![7u8; length];
            store.cell(DB, b"k", 0).put(&value, Put::default());
            let held = match store.read(DB, b"k", 0, true).expect("there").value() {
                Value::Shared(bytes) => bytes.clone(),
                Value::Inline(_) => panic!("{length} bytes are kept apart"),
            };
            edit(&mut store);
            assert!(held[..] == value[..], "{name}");
            store.verify();
            drop(store);
            assert!(held[..] == value[..], "{name}, after the store");
        }
    }
}

#[test]
fn a_large_value_travels_without_a_copy() {
    let mut store = store(2, 1, 512);
    store.cell(DB, b"a", 0).put(&vec![9; 100_000], Put { flags: 3, deadline: Deadline::At(77), ..Put::default() });
    let before = address(&mut store, b"a");
    let lifted = store.cell(DB, b"a", 0).lift().expect("there");
    assert_eq!(lifted.deadline, Some(77));
    store.cell(DbId(1), b"b", 0).set_down(lifted);
    let entry = store.peek(DbId(1), b"b", 0).expect("there");
    assert_eq!((entry.bytes().as_ptr(), entry.flags(), entry.deadline()), (before, 3, Some(77)));
    assert_eq!(store.with_deadline(DB), 0);
    store.verify();
}

#[test]
fn sizes_around_every_border() {
    let mut store = store(1, 1, 512);
    let mut keys = vec![0, 1, 15, 16, 17, 254, 255, 256, 257, 1000, 65_535, 65_536, 70_000];
    let mut values = vec![0, 1, 7, 8, 255, 256, 4095, 16_383, 16_384, 16_385, 32_768, 65_535, 65_536, 1 << 20];
    if cfg!(miri) {
        keys.retain(|&n| n <= 1000);
        values.retain(|&n| n <= 16_385);
    }
    for &k in &keys {
        for &v in &values {
            let (key, value) = (vec![b'k'; k], vec![v as u8; v]);
            store.cell(DB, &key, 0).put(&value, Put { flags: 1, ..Put::default() });
            let entry = store.read(DB, &key, 0, true).expect("there");
            assert!(entry.bytes() == value, "key {k}, value {v}");
            assert_eq!(store.cell(DB, &key, 0).append(b"!", Encoding::Raw), v + 1);
            assert_eq!(store.cell(DB, &key, 0).patch(v + 10, b"?"), v + 11);
            let bytes = store.peek(DB, &key, 0).expect("there").bytes();
            assert!(bytes[..v] == value[..] && bytes[v..] == *b"!\0\0\0\0\0\0\0\0\0?", "key {k}, value {v}");
        }
    }
    assert_eq!(store.len(DB), keys.len());
    store.verify();
}

#[test]
fn half_a_gigabyte() {
    if cfg!(any(miri, debug_assertions)) {
        println!("skipped: needs a release build");
        return;
    }
    let mut store = store(1, 1, 512);
    let most = 512 << 20;
    // SETRANGE k 536870911 x: the gap is not written to.
    let start = Instant::now();
    assert_eq!(store.cell(DB, b"k", 0).patch(most - 1, b"x"), most);
    println!("half a gigabyte of gap: {:?}", start.elapsed());
    assert_eq!(store.cell(DB, b"k", 0).append(b"yz", Encoding::Raw), most + 2);
    let key = vec![b'k'; most];
    store.cell(DB, &key, 0).put_portable(portable(vec![1; 10], 0, None, Encoding::Auto));
    assert_eq!(store.read(DB, &key, 0, true).expect("there").bytes(), [1; 10]);
    store.verify();
}

#[test]
fn an_empty_store_costs_next_to_nothing() {
    let store = store(16, 1, 512);
    assert!(store.bytes() < 1000, "{}", store.bytes());
}
