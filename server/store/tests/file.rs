//! RDB files: what is written is read, in any cut; hand-made files of every version; what is damaged is refused with its place.

mod common;

use base::DbId;
use common::{Dice, store};
use std::time::{Duration, Instant};
use store::rdb::file::read::{BadFile, Entry, Item, ReadOptions, Reader, is_empty};
use store::rdb::file::{Age, Head, aux, op, write};
use store::rdb::{Lzf, Placed, crc64};

/// An item that owns its bytes.
#[derive(Clone, PartialEq, Debug)]
enum Seen {
    Aux(Vec<u8>, Vec<u8>),
    Select(DbId),
    Resize(u64, u64),
    Entry {
        db: u16,
        key: Vec<u8>,
        deadline: Option<u64>,
        age: Age,
        flags: u32,
        version: Option<u64>,
        value: Vec<u8>,
        at: u64,
    },
    Function(Vec<u8>),
    Skipped(Option<Vec<u8>>, String),
}

/// All items of a file that comes in pieces of these lengths, the rest at once; and what becomes of it.
fn read(file: &[u8], cuts: impl IntoIterator<Item = usize>, options: ReadOptions) -> (Vec<Seen>, Result<u64, BadFile>) {
    let (mut seen, mut reader, mut rest, mut cuts) = (Vec::new(), Reader::new(options), file, cuts.into_iter());
    loop {
        let item = match reader.next() {
            Ok(item) => item,
            Err(bad) => {
                assert_eq!(reader.next(), Err(bad.clone()), "what has failed stays so");
                assert_eq!(reader.finish(), Err(bad.clone()));
                return (seen, Err(bad));
            }
        };
        seen.push(match item {
            Item::NeedMore if rest.is_empty() => {
                let bad = reader.finish().expect_err("the end has not been seen");
                return (seen, Err(bad));
            }
            Item::NeedMore => {
                let (piece, behind) = rest.split_at(cuts.next().unwrap_or(usize::MAX).min(rest.len()));
                reader.feed(piece);
                rest = behind;
                continue;
            }
            Item::Aux { name, text } => Seen::Aux(name.into(), text.into()),
            Item::Select(db) => Seen::Select(db),
            Item::Resize { keys, with_deadline } => Seen::Resize(keys, with_deadline),
            Item::Entry(Entry { db, key, deadline, age, flags, version, value, at, next_key: _ }) => {
                Seen::Entry { db: db.0, key: key.into(), deadline, age, flags, version, value: value.into(), at }
            }
            Item::Function(text) => Seen::Function(text.into()),
            Item::Skipped { key, module } => Seen::Skipped(key.map(Into::into), module),
            Item::End => {
                assert_eq!(reader.finish(), Ok(()));
                return (seen, Ok(reader.sum()));
            }
        });
    }
}

fn whole(file: &[u8]) -> (Vec<Seen>, Result<u64, BadFile>) {
    read(file, [], ReadOptions::default())
}

/// A file of these bytes behind its head, with an end.
fn file(version: &str, records: &[u8]) -> Vec<u8> {
    let mut file = version.as_bytes().to_vec();
    file.extend_from_slice(records);
    let sum = crc64(0, &file);
    write::end(&mut file, sum, true);
    file
}

/// Bodies of every type, by hand: small, some with nothing in them that a store would take.
fn bodies() -> Vec<(u8, Vec<u8>)> {
    let id = [1u8; 16];
    let stream = |kind: u8| {
        let mut body = vec![1, 16];
        body.extend_from_slice(&id);
        body.extend_from_slice(b"\x03abc");
        // Length, last id; first id, highest deleted id, entries added.
        body.extend_from_slice(&[1, 0x40, 200, 0]);
        if kind != 15 {
            body.extend_from_slice(&[1, 2, 3, 4, 5]);
        }
        // A group: name, last id, read; one pending; a consumer.
        body.extend_from_slice(b"\x01\x05group\x01\x02");
        if kind != 15 {
            body.push(7);
        }
        body.push(1);
        body.extend_from_slice(&id);
        body.extend_from_slice(&[9; 8]);
        body.push(3);
        body.extend_from_slice(b"\x01\x08consumer");
        body.extend_from_slice(&vec![8; if kind == 21 { 16 } else { 8 }]);
        body.push(1);
        body.extend_from_slice(&id);
        (kind, body)
    };
    let text = |kind: u8| (kind, b"\x03abc".to_vec());
    let mut all: Vec<(u8, Vec<u8>)> = [0, 9, 10, 11, 12, 13, 16, 17, 20, 23].into_iter().map(text).collect();
    all.extend([
        (0, b"\xC0\x7F".to_vec()),
        (0, b"\xC1\x00\x01".to_vec()),
        (0, b"\xC2\x00\x01\x02\x03".to_vec()),
        (0, b"\xC3\x04\x04\x00x\x20\x00".to_vec()),
        (0, [&[0x41, 0x00][..], &[b'x'; 256]].concat()),
        (0, [&[0x80, 0, 1, 0, 0][..], &[b'x'; 65_536]].concat()),
        (0, [&[0x81, 0, 0, 0, 0, 0, 0, 0, 2][..], b"xy"].concat()),
        (1, b"\x02\x01a\xC0\x05".to_vec()),
        (2, b"\x02\x01a\x01b".to_vec()),
        (3, b"\x03\x01a\x031.5\x01b\xFE\x01c\xFF".to_vec()),
        (4, b"\x01\x01a\x01b".to_vec()),
        (4, b"\x00".to_vec()),
        (5, b"\x01\x01a\0\0\0\0\0\0\xF0\x3F".to_vec()),
        (14, b"\x02\x01a\x01b".to_vec()),
        (18, b"\x02\x01\x01a\x02\x01b".to_vec()),
        (22, b"\x01\x05\x01a\x01b".to_vec()),
        (24, b"\x01\0\0\0\0\0\0\0\x02\x00\x01a\x01b\x02\x01c\x01d".to_vec()),
        (25, b"\x01\0\0\0\0\0\0\0\x03abc".to_vec()),
        stream(15),
        stream(19),
        stream(21),
    ]);
    all
}

#[test]
fn every_type_ends_where_it_ends_in_any_cut() {
    let bodies = bodies();
    let mut records = Vec::new();
    for (n, (kind, body)) in bodies.iter().enumerate() {
        records.push(*kind);
        records.extend_from_slice(format!("\x05key{n:02}").as_bytes());
        records.extend_from_slice(body);
    }
    let file = file("REDIS0012", &records);
    let (seen, end) = whole(&file);
    assert_eq!(end, Ok(crc64(0, &file[..file.len() - 8])));
    assert_eq!(seen.len(), bodies.len());
    for (n, (seen, (kind, body))) in seen.iter().zip(&bodies).enumerate() {
        let Seen::Entry { key, value, at, .. } = seen else { panic!("{seen:?}") };
        assert_eq!((&key[..], value[0], &value[1..]), (format!("key{n:02}").as_bytes(), *kind, &body[..]));
        assert_eq!(&file[*at as usize..][..body.len()], &body[..]);
    }
    assert_eq!(read(&file, std::iter::repeat(1), ReadOptions::default()), (seen.clone(), end.clone()), "byte by byte");
    for seed in 0..common::steps(200) as u64 {
        let mut dice = Dice::new(seed);
        let most = [3, 40, 3_000, 80_000][dice.below(4) as usize];
        let cuts = std::iter::repeat_with(|| 1 + dice.below(most) as usize);
        assert_eq!(read(&file, cuts, ReadOptions::default()), (seen.clone(), end.clone()), "seed {seed}");
    }
    // Cut off it is told as such, wherever that is.
    for cut in (0..file.len()).filter(|cut| *cut < 1_500 || cut % 997 == 0) {
        let (some, end) = whole(&file[..cut]);
        let bad = end.expect_err("it is cut off");
        assert!(bad.what.contains("ends in the middle") && bad.at == cut as u64, "{cut}: {bad}");
        assert_eq!(some[..], seen[..some.len()]);
    }
}

#[test]
fn what_is_written_is_read() {
    for seed in 0..common::steps(300) as u64 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let (mut out, mut lzf, mut made) = (Vec::new(), Lzf::default(), Vec::new());
        write::begin(&mut out, 11);
        write::aux(&mut out, b"redis-ver", b"7.2.0");
        made.push(Seen::Aux(b"redis-ver".into(), b"7.2.0".into()));
        write::function(&mut out, b"#!lua name=lib\n");
        made.push(Seen::Function(b"#!lua name=lib\n".into()));
        for _ in 0..1 + dice.below(3) {
            let db = dice.below(20_000) as u16;
            write::select(&mut out, DbId(db));
            made.push(Seen::Select(DbId(db)));
            let keys = dice.below(1 << 40);
            write::resize(&mut out, keys, 3);
            made.push(Seen::Resize(keys, 3));
            for _ in 0..dice.below(30) {
                let len = dice.below(100) as usize;
                let key = if dice.one_in(4) { vec![b'k'; len] } else { dice.bytes(len) };
                let head = Head {
                    key: &key,
                    deadline: dice.one_in(2).then(|| dice.below(1 << 50)),
                    age: match dice.below(3) {
                        0 => Age::Unknown,
                        1 => Age::Idle(dice.below(1 << 34)),
                        _ => Age::Frequency(dice.next() as u8),
                    },
                    flags: if dice.one_in(2) { dice.next() as u32 } else { 0 },
                    version: dice.one_in(2).then(|| dice.next() >> dice.below(64)),
                };
                let value = dice.bytes(40);
                write::entry_head(&mut out, &head, 0, dice.one_in(2).then_some(&mut lzf));
                let at = out.len() as u64;
                let start = out.len();
                lzf.string(&mut out, &value);
                made.push(Seen::Entry {
                    db,
                    key: key.clone(),
                    deadline: head.deadline,
                    age: head.age,
                    flags: head.flags,
                    version: head.version,
                    value: [&[0], &out[start..]].concat(),
                    at,
                });
            }
        }
        let sum = crc64(0, &out);
        let told = dice.one_in(2);
        let sum = write::end(&mut out, sum, told);
        let cuts = std::iter::repeat_with(|| 1 + dice.below(200) as usize);
        let options = ReadOptions { size: Some(out.len() as u64), ..ReadOptions::default() };
        let (seen, end) = read(&out, cuts, options);
        assert_eq!(seen, made);
        assert_eq!(end, Ok(sum));
    }
}

#[test]
fn records_of_all_kinds_are_understood() {
    let entry = |deadline, age, flags, version, at| Seen::Entry {
        db: 0,
        key: b"k".into(),
        deadline,
        age,
        flags,
        version,
        value: b"\0\x01v".into(),
        at,
    };
    let kv = b"\0\x01k\x01v";
    let with = |record: &[u8]| [record, kv].concat();
    let flags = [&[op::AUX, 10][..], aux::FLAGS, b"\x015"].concat();
    let version = [&[op::AUX, 12][..], aux::VERSION, b"\xC0\x07"].concat();
    let module = b"\x07\x01k\x81\x01\x23\x45\x67\x89\xAB\xCD\xEF\x02\x05\x01\x07\x03abcd\x04abcdefgh\x05\x03xyz\x00";
    let skip = ReadOptions { skip_modules: true, ..ReadOptions::default() };
    for (records, want) in [
        (kv.to_vec(), vec![entry(None, Age::Unknown, 0, None, 12)]),
        (with(&[252, 5, 0, 0, 0, 0, 0, 0, 0]), vec![entry(Some(5), Age::Unknown, 0, None, 21)]),
        (with(&[252, 255, 255, 255, 255, 255, 255, 255, 255]), vec![entry(None, Age::Unknown, 0, None, 21)]),
        (with(&[252, 254, 255, 255, 255, 255, 255, 255, 255]), vec![entry(Some(0), Age::Unknown, 0, None, 21)]),
        (with(&[253, 5, 0, 0, 0]), vec![entry(Some(5_000), Age::Unknown, 0, None, 17)]),
        (with(&[253, 255, 255, 255, 127]), vec![entry(Some(0x7FFF_FFFF * 1_000), Age::Unknown, 0, None, 17)]),
        (with(&[248, 0x41, 0]), vec![entry(None, Age::Idle(256), 0, None, 15)]),
        (with(&[249, 200]), vec![entry(None, Age::Frequency(200), 0, None, 14)]),
        (with(&flags), vec![entry(None, Age::Unknown, 5, None, 26)]),
        (with(&version), vec![entry(None, Age::Unknown, 0, Some(7), 28)]),
        // Facts are of one key only.
        (
            [&[249, 1][..], kv, kv].concat(),
            vec![entry(None, Age::Frequency(1), 0, None, 14), entry(None, Age::Unknown, 0, None, 19)],
        ),
        (with(&[244, 1, 2, 3]), vec![entry(None, Age::Unknown, 0, None, 16)]),
        (b"\xF5\x03lib".to_vec(), vec![Seen::Function(b"lib".into())]),
        (b"\xFB\x05\x01".to_vec(), vec![Seen::Resize(5, 1)]),
        (b"\xFE\x0F".to_vec(), vec![Seen::Select(DbId(15))]),
        (b"\xFA\x01a\xC0\x05".to_vec(), vec![Seen::Aux(b"a".into(), b"5".into())]),
        (module.to_vec(), vec![Seen::Skipped(Some(b"k".into()), "ASNFZ4mrz".into())]),
        ([&[247][..], &module[3..]].concat(), vec![Seen::Skipped(None, "ASNFZ4mrz".into())]),
    ] {
        let file = file("REDIS0011", &records);
        let (seen, end) = read(&file, std::iter::repeat(1), skip);
        assert!(end.is_ok(), "{end:?} {}", records.escape_ascii());
        assert_eq!(seen, want, "{}", records.escape_ascii());
    }
    // Valkey's own.
    let import = b"\xF3\x03job\x02\x01\x02\x03\x04";
    let hash = b"\x16\x01h\x02\x01a\x01b\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01c\x01d\x00\x00\x00\x00\x00\x01\x00\x00";
    for magic in ["VALKEY080", "REDIS0080"] {
        let (seen, end) = whole(&file(magic, &[&import[..], hash].concat()));
        assert!(end.is_ok(), "{end:?}");
        let [Seen::Entry { value, .. }] = &seen[..] else { panic!("{seen:?}") };
        let mut store = store(1, 1, 64);
        let mut cell = store.cell(DbId::ZERO, b"h", 5);
        cell.put_rdb(value, Placed::ByThresholds).unwrap();
        let mut fields = Vec::new();
        let entry = store.peek(DbId::ZERO, b"h", 5).unwrap();
        entry.fields(5).unwrap().scan(0, 100, |field, value, at| fields.push((field.to_vec(), value.to_vec(), at)));
        fields.sort();
        assert_eq!(fields, [(b"a".to_vec(), b"b".to_vec(), None), (b"c".to_vec(), b"d".to_vec(), Some(1 << 40))]);
    }
    // Without a checksum: of versions that had none, and where it is left out.
    assert_eq!(whole(b"REDIS0003\xFE\x00\xFF").0, [Seen::Select(DbId(0))]);
    assert!(whole(b"REDIS0003\xFE\x00\xFF").1.is_ok());
    assert!(whole(b"REDIS0009\xFE\x00\xFF\0\0\0\0\0\0\0\0").1.is_ok());
}

#[test]
fn what_is_no_file_is_told_with_its_place() {
    let sized = ReadOptions { size: Some(0), ..ReadOptions::default() };
    for (bytes, at, what) in [
        (&b"hello, world"[..], 0, "no RDB file"),
        (b"RE", 2, "in the middle of its head"),
        (b"", 0, "in the middle of its head"),
        (b"REDIS001x....", 5, "no version"),
        (b"REDIS0013....", 0, "Can't handle RDB format version 13"),
        (b"REDIS0000....", 0, "Can't handle RDB format version 0"),
        (b"VALKEY011....", 0, "Can't handle RDB format version 11"),
        (b"REDIS0011\x08\x01k", 9, "no type 8"),
        (b"REDIS0011\x06\x01k", 9, "release candidate"),
        (b"REDIS0011\xF6\x01k", 9, "Pre-release function format"),
        (b"REDIS0011\xF3\x01k", 9, "no type 243"),
        (b"REDIS0011\x96\x01k", 9, "no type 150"),
        (b"VALKEY080\x96\x01k", 9, "no type 150"),
        (b"VALKEY080\x17\x01k", 9, "no type 23"),
        (b"REDIS0011\x07\x01k\x81\x01\x23\x45\x67\x89\xAB\xCD\xEF", 9, "value of the module 'ASNFZ4mrz'"),
        (b"REDIS0011\xF7\x81\x01\x23\x45\x67\x89\xAB\xCD\xEF", 9, "data of the module 'ASNFZ4mrz'"),
        (b"REDIS0011\xFE\xC0\x01", 10, "should be a length"),
        (b"REDIS0011\xFE\x80\0\x01\0\0", 9, "no database 65536"),
        (b"REDIS0011\0\xC4\x01", 10, "should be a string"),
        (b"REDIS0011\0\xC3\x01\x05\x00\x01v", 10, "should be a string"),
        (b"REDIS0011\0\x01k\xC4", 12, "value of key 'k' is damaged"),
        (b"REDIS0011\x01\x01k\x03\x01a\xFF", 15, "value of key 'k' is damaged"),
        (
            b"REDIS0011\x02\x01k\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01a\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            23,
            "damaged",
        ),
        // A consumer for whom 2^63 entries are pending.
        (b"REDIS0011\x0F\x01k\x00\x00\x01\x01\x01\x01g\x01\x01\x00\x01\x01c12345678\x81\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 42, "key 'k'"),
        (b"REDIS0011\xFF\x01\x02\x03\x04\x05\x06\x07\x08", 10, "checksum"),
    ] {
        let (_, end) = whole(bytes);
        let bad = end.expect_err("it is no file");
        assert!(bad.at == at && bad.what.contains(what), "{bad} ({}): {}", bad.at, bytes.escape_ascii());
        let (_, end) = read(bytes, std::iter::repeat(1), ReadOptions { size: Some(bytes.len() as u64), ..sized });
        let cut = end.expect_err("it is no file");
        assert!(cut == bad || bad.what.contains("in the middle"), "{cut}, {bad}");
    }
    // A length that points behind the end of the file is not waited for.
    let bytes = b"REDIS0011\0\x01k\x81\x01\0\0\0\0\0\0\0";
    let (_, end) = read(bytes, [], ReadOptions { size: Some(100), ..sized });
    assert!(end.unwrap_err().what.contains("behind the end of the file (100 bytes)"));
}

#[test]
fn empty_collections_are_known() {
    for (value, want) in [
        (&b"\x01\x00"[..], true),
        (b"\x02\x00", true),
        (b"\x04\x00", true),
        (b"\x01\x01\x01a", false),
        (b"\x00\x00", false),
        (b"\x01\x05", false),
    ] {
        assert_eq!(is_empty(value), want, "{}", value.escape_ascii());
    }
}

/// Damaged at random: an error or other items, never a panic, and memory for what has come only.
/// `TORC_CASES=1000000` or `TORC_FUZZ_SECONDS=300` goes on for long, `TORC_SEED` begins elsewhere.
#[test]
fn damaged_files_do_no_harm() {
    let mut records = Vec::new();
    for (n, (kind, body)) in bodies().iter().enumerate().filter(|(_, (_, body))| body.len() < 1_000) {
        records.extend_from_slice(&[252, 5, 0, 0, 0, 0, 0, 0, 0, 249, 7, *kind]);
        records.extend_from_slice(format!("\x05key{n:02}").as_bytes());
        records.extend_from_slice(body);
    }
    let good = file("REDIS0012", &records);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("TORC_SEED").unwrap_or(0);
    let until = number("TORC_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let most = if until.is_some() { u64::MAX } else { common::steps(20_000) as u64 };
    let most = number("TORC_CASES").unwrap_or(most);
    println!("TORC_SEED={first}");
    let (mut taken, mut refused, mut cases, mut store) = (0, 0, 0, store(1, 1, 64));
    while cases < most && until.is_none_or(|until| Instant::now() < until) {
        let seed = first.wrapping_add(cases);
        cases += 1;
        let mut dice = Dice::new(seed ^ 0xF11E);
        let mut bytes = good.clone();
        for _ in 0..1 + dice.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = dice.below(bytes.len() as u64) as usize;
            match dice.below(6) {
                0 => bytes.truncate(at.max(9)),
                1 => bytes[at] = dice.next() as u8,
                2 => bytes[at] ^= 1 << dice.below(8),
                3 => bytes[at] = [0xFF, 0x81, 0x80, 0xC3, 0xFE, 0xF7, 7, 22][dice.below(8) as usize],
                4 => {
                    let end = (at + dice.below(30) as usize).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let more = dice.bytes(9);
                    bytes.splice(at..at, more);
                }
            }
        }
        let options =
            ReadOptions { size: Some(bytes.len() as u64), verify: dice.one_in(2), skip_modules: dice.one_in(2) };
        let (seen, end) = read(&bytes, std::iter::repeat_with(|| 1 + dice.below(300) as usize), options);
        if let Err(bad) = &end {
            assert!(bad.at <= bytes.len() as u64, "seed {seed}: {bad}");
            refused += 1;
        }
        for item in &seen {
            let Seen::Entry { value, .. } = item else { continue };
            let mut cell = store.cell(DbId::ZERO, b"key", 5);
            if cell.put_rdb(value, Placed::ByThresholds).is_ok() {
                taken += 1;
            }
        }
        if seed % 1_000 == 0 {
            store.verify();
        }
    }
    println!("{cases} cases: {refused} refused, {taken} values taken");
    assert!(refused > cases / 2 && taken > 0);
}
