//! Values written and read as RDB bodies: seeded values of every kind and size go through, beside what they were made of; a
//! genuine server takes them and gives them back; bodies that were tampered with do no harm.

mod common;

use base::DbId;
use common::{Dice, store};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use store::hash::HashCell;
use store::list::End;
use store::rdb::{BadData, Placed, Placing, crc64, undumped};
use store::set::SetCell;
use store::zset::{How, ZsetMut, ZsetRef};
use store::{Body, Deadline, Encoding, Entry, Put, Store};

const NOW_MS: u64 = 1_790_000_000_000;
const KEY: &[u8] = b"key";

/// What a key holds, made of plain things.
#[derive(Clone, PartialEq, Debug)]
enum Plain {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeMap<Vec<u8>, ()>),
    Hash(BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>),
    Zset(BTreeMap<Vec<u8>, f64>),
}

fn text(dice: &mut Dice, small: bool) -> Vec<u8> {
    let n = dice.next() as i64;
    match dice.below(8) {
        0 => (n % 300).to_string().into_bytes(),
        1 => (n >> dice.below(64)).to_string().into_bytes(),
        2 => format!("0{}", n % 10).into_bytes(),
        3 if !small => vec![b'r'; dice.below(20_000) as usize],
        4 if !small => {
            let len = 60 + dice.below(10) as usize;
            dice.bytes(len)
        }
        _ => format!("element:{}", n & 0xFFFF).into_bytes(),
    }
}

fn plain(dice: &mut Dice, timed: bool) -> Plain {
    let count = match dice.below(10) {
        0..5 => 1 + dice.below(10),
        5..8 => 100 + dice.below(600),
        _ => 1_000 + dice.below(2_000),
    };
    let small = dice.one_in(2) || count > 900;
    let ints = dice.one_in(3);
    let one = |dice: &mut Dice| {
        if ints { (dice.next() as i64 >> dice.below(64)).to_string().into_bytes() } else { text(dice, small) }
    };
    match dice.below(5) {
        0 => Plain::String(one(dice)),
        1 => Plain::List((0..count).map(|_| one(dice)).collect()),
        2 => Plain::Set((0..count).map(|_| (one(dice), ())).collect()),
        3 => Plain::Hash(
            (0..count)
                .map(|_| {
                    let deadline = (timed && dice.one_in(3)).then(|| NOW_MS + 1 + dice.below(1 << 30));
                    (one(dice), (one(dice), deadline))
                })
                .collect(),
        ),
        _ => {
            let score = |dice: &mut Dice| match dice.below(6) {
                0 => f64::INFINITY,
                1 => f64::NEG_INFINITY,
                2 => dice.next() as i64 as f64 / 1e9,
                3 => 0.1 * dice.below(100) as f64,
                _ => dice.below(1_000) as f64 - 500.0,
            };
            Plain::Zset((0..count).map(|_| (one(dice), score(dice))).collect())
        }
    }
}

fn make(store: &mut Store, key: &[u8], plain: &Plain) {
    let mut cell = store.cell(DbId::ZERO, key, NOW_MS);
    cell.remove();
    match plain {
        Plain::String(text) => cell.put(text, Put::default()),
        Plain::List(elements) => {
            for element in elements {
                cell.list_mut().push(End::Tail, std::iter::once(&element[..]));
            }
        }
        Plain::Set(members) => {
            let mut set = SetCell::new(cell).unwrap();
            members.keys().for_each(|member| assert!(set.add(member)));
        }
        Plain::Hash(fields) => {
            let mut hash = HashCell::new(cell).unwrap();
            for (field, (value, deadline)) in fields {
                assert!(hash.put(field, value, deadline.map_or(Deadline::None, Deadline::At)));
            }
        }
        Plain::Zset(members) => {
            let mut zset = ZsetMut::of(&mut cell).unwrap();
            for (n, (member, &score)) in members.iter().enumerate() {
                let shape = zset.expect(1, member.len());
                assert!(n > 0 || zset.get().is_none());
                zset.add(member, score, How::default(), shape);
            }
        }
    }
}

fn read(store: &mut Store, key: &[u8]) -> Option<Plain> {
    let entry = store.peek(DbId::ZERO, key, NOW_MS)?;
    if let Body::String(text) = entry.body() {
        return Some(Plain::String(text.to_vec()));
    }
    if let Some(list) = entry.list() {
        return Some(Plain::List(list.iter_from(0, false).map(|e| e.text(&mut [0; 20]).to_vec()).collect()));
    }
    if let Some(elements) = entry.elements() {
        let mut members = BTreeMap::new();
        elements.scan(0, usize::MAX, |member| {
            members.insert(member.to_vec(), ());
        });
        return Some(Plain::Set(members));
    }
    if let Some(fields) = entry.fields(NOW_MS) {
        let mut all = BTreeMap::new();
        fields.scan(0, usize::MAX, |field, value, at| drop(all.insert(field.to_vec(), (value.to_vec(), at))));
        return Some(Plain::Hash(all));
    }
    let mut members = BTreeMap::new();
    ZsetRef::of(entry).unwrap().walk(0, usize::MAX, false, |member, score| {
        members.insert(member.to_vec(), score);
        true
    });
    Some(Plain::Zset(members))
}

fn form(entry: Entry<'_>) -> (&'static str, bool) {
    match entry.body() {
        Body::String(_) => ("", false),
        Body::Packed { kind: store::Kind::Set, form: 1, .. } => ("intset", true),
        Body::Packed { .. } => ("listpack", false),
        Body::Object(object) => (object.encoding(), false),
    }
}

#[test]
fn what_is_written_is_read() {
    for seed in 0..common::steps(400) as u64 {
        println!("seed {seed}");
        let (mut dice, mut store) = (Dice::new(seed), store(1, seed, 64));
        let value = plain(&mut dice, true);
        make(&mut store, KEY, &value);
        let before = form(store.peek(DbId::ZERO, KEY, NOW_MS).unwrap());
        let entry = store.peek(DbId::ZERO, KEY, NOW_MS).unwrap();
        let (payload, portable) = (entry.dump(), entry.portable());

        // As it travels: the form stays as well.
        store.cell(DbId::ZERO, b"other", NOW_MS).put_portable(portable.clone());
        assert_eq!(read(&mut store, b"other").as_ref(), Some(&value));
        assert_eq!(form(store.peek(DbId::ZERO, b"other", NOW_MS).unwrap()).0, before.0);

        // The same in slices.
        let mut dumping = store.peek(DbId::ZERO, KEY, NOW_MS).unwrap().begin_dump(true);
        while !dumping.step(store.peek(DbId::ZERO, KEY, NOW_MS).unwrap()) {}
        assert_eq!(dumping.into_payload().concat(), payload);
        let mut dumping = store.peek(DbId::ZERO, KEY, NOW_MS).unwrap().begin_dump(false);
        while !dumping.step(store.peek(DbId::ZERO, KEY, NOW_MS).unwrap()) {}
        assert_eq!(store.peek(DbId::ZERO, KEY, NOW_MS).unwrap().portable_of(dumping), portable);
        if portable.kind != store::Kind::String {
            put_in_slices(&mut store, b"sliced", &portable.value, portable.placed(), 1 + dice.below(9) as usize)
                .unwrap();
            assert_eq!(read(&mut store, b"sliced").as_ref(), Some(&value));
            assert_eq!(form(store.peek(DbId::ZERO, b"sliced", NOW_MS).unwrap()).0, before.0);
        }
        put_in_slices(&mut store, b"sliced", undumped(&payload).unwrap(), Placed::ByThresholds, 7).unwrap();
        assert_eq!(read(&mut store, b"sliced").as_ref(), Some(&value));
        store.verify();

        // As RESTORE takes it, in place of what is there.
        let body = undumped(&payload).expect("it has a good end");
        store.cell(DbId::ZERO, b"other", NOW_MS).put_rdb(body, Placed::ByThresholds).unwrap();
        assert_eq!(read(&mut store, b"other").as_ref(), Some(&value));
        store.verify();
    }
}

/// As `put_rdb`, some elements at a time; meanwhile what was there stays.
fn put_in_slices(store: &mut Store, key: &[u8], body: &[u8], placed: Placed, count: usize) -> Result<(), BadData> {
    let before = read(store, key);
    let mut placing = Placing::new(placed);
    let mut steps = 0;
    while !placing.step(store, (DbId::ZERO, key), NOW_MS, body, count)? {
        steps += 1;
        if steps % 100 == 1 {
            assert_eq!(read(store, key), before);
            store.verify();
        }
    }
    Ok(())
}

#[test]
fn the_large_form_stays_large() {
    let mut store = store(1, 1, 64);
    for kind in 0..4 {
        let element = |i: usize| format!("element {i}").into_bytes();
        let value = match kind {
            0 => Plain::List((0..5_000).map(element).collect()),
            1 => Plain::Set((0..1_000).map(|i| (element(i), ())).collect()),
            2 => Plain::Hash((0..1_000).map(|i| (element(i), (element(i), None))).collect()),
            _ => Plain::Zset((0..1_000).map(|i| (element(i), i as f64)).collect()),
        };
        make(&mut store, KEY, &value);
        let mut cell = store.cell(DbId::ZERO, KEY, NOW_MS);
        match kind {
            0 => (0..4_700).for_each(|_| {
                cell.list_mut().pop(End::Head, |_| ());
            }),
            1 => {
                let mut set = SetCell::new(cell).unwrap();
                (1..1_000).for_each(|i| assert!(set.remove(&element(i))));
            }
            2 => {
                let mut hash = HashCell::new(cell).unwrap();
                (1..1_000).for_each(|i| assert!(hash.remove(&element(i))));
            }
            _ => {
                let mut zset = ZsetMut::of(&mut cell).unwrap();
                (1..1_000).for_each(|i| assert!(zset.remove(&element(i))));
            }
        }
        let entry = store.peek(DbId::ZERO, KEY, NOW_MS).unwrap();
        let (before, portable) = (form(entry), entry.portable());
        if kind > 0 {
            assert_eq!(portable.encoding, Encoding::Raw);
        }
        let value = read(&mut store, KEY);
        store.cell(DbId::ZERO, b"other", NOW_MS).put_portable(portable);
        assert_eq!(form(store.peek(DbId::ZERO, b"other", NOW_MS).unwrap()), before);
        assert_eq!(read(&mut store, b"other"), value);
        store.verify();
    }
}

#[test]
fn bodies_that_were_tampered_with_do_no_harm() {
    let mut taken = 0;
    for seed in 0..common::steps(300) as u64 {
        let (mut dice, mut store) = (Dice::new(seed ^ 0xD0_0D), store(1, seed, 64));
        let value = plain(&mut dice, true);
        make(&mut store, KEY, &value);
        let payload = store.peek(DbId::ZERO, KEY, NOW_MS).unwrap().dump();
        let body = undumped(&payload).unwrap();
        store.cell(DbId::ZERO, b"other", NOW_MS).put(b"stays", Put::default());
        for _ in 0..40 {
            let mut body = body.to_vec();
            for _ in 0..1 + dice.below(3) {
                let near = body.len().min(40) as u64;
                let at = if dice.one_in(2) { dice.below(near) } else { dice.below(body.len() as u64) } as usize;
                match dice.below(5) {
                    0 => body.truncate(at.max(1)),
                    1 => body[at] = dice.next() as u8,
                    2 => body[at] ^= 1 << dice.below(8),
                    3 => body[at] = [0xFF, 0x81, 0x80, 0xC3, 0xFE, 0xF0, 0][dice.below(7) as usize],
                    _ => body[0] = dice.below(28) as u8,
                }
            }
            let sliced = put_in_slices(&mut store, b"sliced", &body, Placed::ByThresholds, 3);
            let mut cell = store.cell(DbId::ZERO, b"other", NOW_MS);
            let whole = cell.put_rdb(&body, Placed::ByThresholds);
            assert_eq!(sliced, whole, "seed {seed}");
            if whole.is_ok() {
                let mut dump = |key: &[u8]| store.peek(DbId::ZERO, key, NOW_MS).map(Entry::dump);
                assert_eq!(dump(b"sliced"), dump(b"other"), "seed {seed}");
                store.cell(DbId::ZERO, b"sliced", NOW_MS).remove();
            }
            let mut cell = store.cell(DbId::ZERO, b"other", NOW_MS);
            match whole {
                Ok(()) => {
                    taken += 1;
                    cell.remove();
                    cell.put(b"stays", Put::default());
                }
                Err(_) => assert_eq!(read(&mut store, b"other"), Some(Plain::String(b"stays".into())), "seed {seed}"),
            }
        }
        store.verify();
    }
    println!("{taken} were taken");
    assert!(taken > 100, "changed elements are values all the same");
}

#[test]
fn endings_that_lie_are_refused() {
    let mut store = store(1, 1, 64);
    make(&mut store, KEY, &Plain::String(b"value".into()));
    let payload = store.peek(DbId::ZERO, KEY, NOW_MS).unwrap().dump();
    assert!(undumped(&payload).is_some());
    for at in 0..payload.len() {
        let mut other = payload.clone();
        other[at] ^= 0x10;
        assert!(undumped(&other).is_none(), "byte {at}");
        assert!(undumped(&payload[..at]).is_none(), "cut at {at}");
    }
    // A version that is not known, with a good checksum.
    let mut other = payload[..payload.len() - 8].to_vec();
    let at = other.len() - 2;
    other[at] = 13;
    other.extend_from_slice(&crc64(0, &other).to_le_bytes());
    assert!(undumped(&other).is_none());
}

/// A connection to a genuine server.
struct Genuine(BufReader<TcpStream>);

impl Genuine {
    fn ask(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut ask = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            ask.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            ask.extend_from_slice(word);
            ask.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&ask).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let line = line.trim_end();
        match line.strip_prefix('$') {
            Some(len) => {
                let mut bulk = vec![0; len.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bulk).unwrap();
                bulk.truncate(bulk.len() - 2);
                bulk
            }
            None => line.as_bytes().to_vec(),
        }
    }
}

/// `TORC_CASES_REDIS=127.0.0.1:6379` names a server of version 7.2 or later, whose data may be lost.
#[test]
fn a_genuine_server_takes_payloads_and_gives_them_back() {
    let Some(address) = std::env::var("TORC_CASES_REDIS").ok().filter(|address| !address.is_empty()) else {
        println!("skipped: TORC_CASES_REDIS names no server");
        return;
    };
    let mut genuine = Genuine(BufReader::new(TcpStream::connect(address).expect("the server answers")));
    for seed in 0..400 {
        println!("seed {seed}");
        let (mut dice, mut store) = (Dice::new(seed ^ 0xBEEF), common::store(1, seed, 64));
        let mut tuning = common::tuning(store::Policy::NoEviction);
        tuning.packing.hash_entries = 512;
        store.tune(tuning);
        let value = plain(&mut dice, false);
        make(&mut store, KEY, &value);
        let payload = store.peek(DbId::ZERO, KEY, NOW_MS).unwrap().dump();
        assert_eq!(String::from_utf8_lossy(&genuine.ask(&[b"RESTORE", KEY, b"0", &payload, b"REPLACE"])), "+OK");
        let back = genuine.ask(&[b"DUMP", KEY]);
        let body = undumped(&back).expect("a genuine payload has a good end");
        store
            .cell(DbId::ZERO, b"other", NOW_MS)
            .put_rdb(body, Placed::ByThresholds)
            .expect("a genuine payload is good");
        assert_eq!(read(&mut store, b"other").as_ref(), Some(&value));
        let (mine, other) = (form_of(&mut store, KEY), form_of(&mut store, b"other"));
        assert_eq!(mine, other, "the same thresholds lead to the same form");
        let encoding = genuine.ask(&[b"OBJECT", b"ENCODING", KEY]);
        if let Some(Body::Object(object)) = store.peek(DbId::ZERO, b"other", NOW_MS).map(Entry::body) {
            let shown = format!("{value:?}");
            assert_eq!(object.encoding(), String::from_utf8_lossy(&encoding), "{}", &shown[..shown.len().min(300)]);
        }
        store.verify();
    }
}

fn form_of(store: &mut Store, key: &[u8]) -> (&'static str, bool) {
    form(store.peek(DbId::ZERO, key, NOW_MS).unwrap())
}
