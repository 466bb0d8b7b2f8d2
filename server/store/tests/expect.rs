//! Tables that are told how much is to come (`Store::expect`).

mod common;

use base::DbId;
use common::store;
use store::Put;

const DB: DbId = DbId::ZERO;

/// A table that is told how much is to come is the same in the end as one that is not, however wrong what it is told.
#[test]
fn what_is_expected_changes_nothing_but_the_way() {
    for (seed, length, count, told) in [
        (1, 512, 20_000, 20_000),
        (2, 16, 5_000, 5_000),
        (3, 16, 5_000, 100),
        (4, 16, 5_000, 1_000_000),
        (5, 4, 3, 3),
        (6, 64, 0, 10_000),
        (7, 64, 3_000, 1),
    ] {
        let mut store = store(1, seed, length);
        store.expect(DB, told);
        for n in 0..count {
            let key = format!("key:{n}");
            store.cell(DB, key.as_bytes(), 0).put(key.as_bytes(), Put::default());
            if n % 1000 == 0 {
                store.verify();
                // Somebody who says so when there is something changes nothing.
                store.expect(DB, 7);
            }
        }
        store.expect_no_more();
        store.verify();
        assert_eq!(store.len(DB), count, "seed {seed}");
        for n in 0..count {
            let key = format!("key:{n}");
            assert_eq!(store.peek(DB, key.as_bytes(), 0).expect("it is there").bytes(), key.as_bytes(), "seed {seed}");
        }
        let mut seen = 0;
        let mut cursor = 0;
        loop {
            cursor = store.scan(DB, cursor, 100, 0, |_, _| seen += 1);
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen, count, "seed {seed}");
        for n in 0..count {
            assert!(store.cell(DB, format!("key:{n}").as_bytes(), 0).remove(), "seed {seed}");
        }
        store.verify();
        assert_eq!(store.len(DB), 0);
        for n in 0..50 {
            store.cell(DB, format!("later:{n}").as_bytes(), 0).put(b"x", Put::default());
        }
        store.verify();
    }
}
