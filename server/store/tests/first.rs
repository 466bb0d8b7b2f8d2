use base::DbId;
use store::*;
#[test]
fn first() {
    let mut s = Store::with_segment_length(StoreOptions { databases: 2, seed: 1 }, 16);
    for i in 0..20000u32 {
        s.cell(DbId(0), &i.to_le_bytes(), 1000).put(b"hello", Put::default());
        if i % 500 == 0 { s.verify(); }
    }
    s.verify();
    for i in 0..20000u32 {
        assert_eq!(s.read(DbId(0), &i.to_le_bytes(), 1000, true).unwrap().bytes(), b"hello");
    }
    for i in 0..20000u32 {
        assert!(s.cell(DbId(0), &i.to_le_bytes(), 1000).remove());
        if i % 500 == 0 { s.verify(); }
    }
    s.verify();
    assert_eq!(s.len(DbId(0)), 0);
}
