//! Images beside a copy of the whole store made when they begin: random commands of every kind go on while an image is taken in
//! random small steps. What is read from its records by an obvious reader is the copy, and a second store that has the same
//! commands and no image ends up the same.

mod common;

use base::DbId;
use common::{Dice, steps, store, tuning};
use std::collections::BTreeMap;
use store::hash::HashCell;
use store::list::End;
use store::rdb::file::read::{Item, ReadOptions, Reader};
use store::rdb::file::{VERSION_TIMED, write};
use store::rdb::{Placed, crc64, undumped};
use store::set::SetCell;
use store::stream::{Bound, Id, Nack, Trim};
use store::zset::{How, ZsetMut, ZsetRef};
use store::{Ages, Body, Deadline, Encoding, Entry, ImageOptions, ImageOut, ImageStep, Policy, Put, Store};

const DATABASES: u16 = 3;
const START_MS: u64 = 1_790_000_000_000;

/// A value, made of plain things.
#[derive(Clone, PartialEq, Debug)]
enum Plain {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeMap<Vec<u8>, ()>),
    Hash(BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>),
    Zset(BTreeMap<Vec<u8>, u64>),
    /// As DUMP has it.
    Stream(Vec<u8>),
}

#[derive(Clone, PartialEq, Debug)]
struct Kept {
    value: Plain,
    deadline: Option<u64>,
    flags: u32,
    version: Option<u64>,
}

type All = BTreeMap<(u16, Vec<u8>), Kept>;

/// What a live entry holds; fields that are due at `now_ms` are not there.
fn plain(entry: Entry<'_>, now_ms: u64) -> Plain {
    if let Body::String(text) = entry.body() {
        return Plain::String(text.to_vec());
    }
    if let Some(list) = entry.list() {
        return Plain::List(list.iter_from(0, false).map(|e| e.text(&mut [0; 20]).to_vec()).collect());
    }
    if let Some(elements) = entry.elements() {
        let mut members = BTreeMap::new();
        elements.scan(0, usize::MAX, |member| {
            members.insert(member.to_vec(), ());
        });
        return Plain::Set(members);
    }
    if let Some(fields) = entry.fields(now_ms) {
        let mut all = BTreeMap::new();
        fields.scan(0, usize::MAX, |field, value, at| {
            if at.is_none_or(|at| at > now_ms) {
                all.insert(field.to_vec(), (value.to_vec(), at));
            }
        });
        return Plain::Hash(all);
    }
    if entry.stream().is_some() {
        // As it is once it was loaded: a node whose first entry was deleted keeps its names until then.
        let (dump, mut loaded) = (entry.dump(), store(1, 7, 64));
        let value = undumped(&dump).expect("it was just written");
        loaded.cell(DbId(0), b"stream", now_ms).put_rdb(value, Placed::ByThresholds).expect("it is a value");
        return Plain::Stream(loaded.peek(DbId(0), b"stream", now_ms).expect("it is there").dump());
    }
    let mut members = BTreeMap::new();
    ZsetRef::of(entry).unwrap().walk(0, usize::MAX, false, |member, score| {
        members.insert(member.to_vec(), score.to_bits());
        true
    });
    Plain::Zset(members)
}

/// A copy of all that is there at `now_ms`.
fn copy(store: &Store, now_ms: u64) -> All {
    let mut all = All::new();
    for db in 0..store.databases() {
        store.scan(DbId(db), 0, usize::MAX, now_ms, |key, entry| {
            let value = plain(entry, now_ms);
            let item = Kept { value, deadline: entry.deadline(), flags: entry.flags(), version: entry.version() };
            assert!(all.insert((db, key.to_vec()), item).is_none());
        });
    }
    all
}

/// Reads records as obviously as can be: nothing is checked but that it ends where it should.
struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        head
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn len(&mut self) -> Result<u64, u8> {
        let first = self.byte();
        Ok(match first {
            0..0x40 => first.into(),
            0x40..0x80 => u64::from(first & 0x3F) << 8 | u64::from(self.byte()),
            0x80 => u32::from_be_bytes(self.take(4).try_into().unwrap()).into(),
            0x81 => u64::from_be_bytes(self.take(8).try_into().unwrap()),
            _ => return Err(first & 0x3F),
        })
    }

    fn count(&mut self) -> u64 {
        self.len().expect("a plain length")
    }

    fn string(&mut self) -> Vec<u8> {
        match self.len() {
            Ok(len) => self.take(len as usize).to_vec(),
            Err(0) => (self.byte() as i8).to_string().into_bytes(),
            Err(1) => i16::from_le_bytes(self.take(2).try_into().unwrap()).to_string().into_bytes(),
            Err(2) => i32::from_le_bytes(self.take(4).try_into().unwrap()).to_string().into_bytes(),
            Err(_) => {
                let (packed, len) = (self.count(), self.count() as usize);
                let mut from = Records(self.take(packed as usize));
                let mut out = Vec::new();
                while !from.0.is_empty() {
                    let control = from.byte() as usize;
                    if control < 32 {
                        out.extend_from_slice(from.take(control + 1));
                        continue;
                    }
                    let more = if control >> 5 == 7 { from.byte() as usize } else { 0 };
                    let start = out.len() - ((control & 31) << 8 | from.byte() as usize) - 1;
                    (0..(control >> 5) + more + 2).for_each(|i| out.push(out[start + i]));
                }
                assert_eq!(out.len(), len);
                out
            }
        }
    }

    fn strings(&mut self, n: u64) {
        for _ in 0..n {
            self.string();
        }
    }

    /// Passes over the body of a value.
    fn pass(&mut self, kind: u8) {
        match kind {
            0 | 11 | 16 | 17 | 20 => self.strings(1),
            2 => {
                let n = self.count();
                self.strings(n);
            }
            4 => {
                let n = self.count();
                self.strings(2 * n);
            }
            5 => (0..self.count()).for_each(|_| {
                self.strings(1);
                self.take(8);
            }),
            18 => (0..self.count()).for_each(|_| {
                self.count();
                self.strings(1);
            }),
            24 => {
                self.take(8);
                (0..self.count()).for_each(|_| {
                    self.count();
                    self.strings(2);
                });
            }
            21 => {
                let n = self.count();
                self.strings(2 * n);
                (0..8).for_each(|_| {
                    self.count();
                });
                (0..self.count()).for_each(|_| {
                    self.strings(1);
                    (0..3).for_each(|_| {
                        self.count();
                    });
                    (0..self.count()).for_each(|_| {
                        self.take(24);
                        self.count();
                    });
                    (0..self.count()).for_each(|_| {
                        self.strings(1);
                        self.take(16);
                        let n = self.count();
                        self.take(16 * n as usize);
                    });
                });
            }
            other => panic!("type {other}"),
        }
    }
}

/// All that an image holds. `loaded` gets the values one by one. Fields that were due when it began and had not been removed
/// may be there: whoever reads it leaves them out.
fn read(bytes: &[u8], loaded: &mut Store, ages: Ages, began_ms: u64) -> All {
    let (mut from, mut all, mut db) = (Records(bytes), All::new(), None);
    let (mut deadline, mut flags, mut version, mut aged, mut told) = (None, 0, None, false, [false; 256]);
    let number = |text: Vec<u8>| String::from_utf8(text).unwrap().parse::<u64>().unwrap();
    while !from.0.is_empty() {
        match from.byte() {
            254 => {
                let next = from.count() as u16;
                db = Some(next);
                if !std::mem::replace(&mut told[next as usize], true) {
                    assert_eq!(from.byte(), 251, "a database begins with its size");
                    from.count();
                    from.count();
                }
            }
            252 => deadline = Some(u64::from_le_bytes(from.take(8).try_into().unwrap())),
            248 => {
                assert_eq!(ages, Ages::Idle);
                assert!(from.count() < 1_000_000, "keys of a test are not old");
                aged = true;
            }
            249 => {
                assert_eq!(ages, Ages::Frequency);
                from.byte();
                aged = true;
            }
            250 => match &from.string()[..] {
                b"torc-flags" => flags = number(from.string()) as u32,
                b"torc-version" => version = Some(number(from.string())),
                other => panic!("{}", other.escape_ascii()),
            },
            kind => {
                let key = from.string();
                let start = from.0;
                from.pass(kind);
                let mut value = vec![kind];
                value.extend_from_slice(&start[..start.len() - from.0.len()]);
                let mut cell = loaded.cell(DbId::ZERO, b"loaded", 0);
                cell.put_rdb(&value, Placed::ByThresholds)
                    .unwrap_or_else(|_| panic!("type {kind} of {}", key.escape_ascii()));
                let value = plain(cell.entry().expect("no value is empty"), began_ms);
                let item = Kept { value, deadline, flags, version };
                assert_eq!(aged, ages != Ages::None);
                (deadline, flags, version, aged) = (None, 0, None, false);
                let at = (db.expect("a record is in a database"), key);
                assert!(all.insert(at.clone(), item).is_none(), "{} is written twice", at.1.escape_ascii());
            }
        }
    }
    all
}

/// What a test does to its stores.
#[derive(Clone, Debug)]
enum Command {
    Put { text: Vec<u8>, deadline: Deadline, flags: u32, encoding: Encoding },
    Append(Vec<u8>),
    Patch(usize, Vec<u8>),
    Flags(u32),
    Version,
    Deadline(Option<u64>),
    Remove,
    Push { tail: bool, elements: Vec<Vec<u8>> },
    Pop { tail: bool, count: usize },
    SetElement(usize, Vec<u8>),
    AddMembers(Vec<Vec<u8>>),
    RemoveMember(Vec<u8>),
    PutFields(Vec<(Vec<u8>, Vec<u8>, Option<u64>)>),
    RemoveField(Vec<u8>),
    FieldDeadline(Vec<u8>, Option<u64>),
    AddScores(Vec<(Vec<u8>, f64)>),
    RemoveScores(usize),
    AddEntries(Vec<(Vec<u8>, Vec<u8>)>),
    TrimStream(u64),
    Group { name: Vec<u8>, consumer: Vec<u8>, take: usize },
    DropGroup(Vec<u8>),
    Rename(Vec<u8>, DbId),
    Restore(Vec<u8>),
}

fn some_text(dice: &mut Dice) -> Vec<u8> {
    match dice.below(60) {
        0..8 => (dice.next() as i64 >> dice.below(64)).to_string().into_bytes(),
        8..12 => vec![b'r'; dice.below(2_000) as usize],
        12 => dice.bytes(20_000),
        13 => dice.bytes(300_000),
        _ => {
            let len = dice.below(80) as usize;
            dice.bytes(len)
        }
    }
}

/// How many at once: sometimes enough for an object in pieces.
fn some_count(dice: &mut Dice) -> usize {
    match dice.below(20) {
        0 => 1_100 + dice.below(400) as usize,
        1 => 150 + dice.below(400) as usize,
        _ => 1 + dice.below(6) as usize,
    }
}

fn some_names(dice: &mut Dice) -> Vec<Vec<u8>> {
    let (count, ints) = (some_count(dice), dice.one_in(3));
    (0..count)
        .map(|_| {
            let n = dice.below(3_000);
            if ints { n.to_string().into_bytes() } else { format!("name:{n}").into_bytes() }
        })
        .collect()
}

fn some_key(dice: &mut Dice) -> Vec<u8> {
    let n = dice.below(160);
    if dice.one_in(40) { format!("{n:0300}").into_bytes() } else { format!("key:{n}").into_bytes() }
}

fn some_command(dice: &mut Dice, now_ms: u64) -> Command {
    let soon = |dice: &mut Dice| now_ms + 1 + dice.below(3_000);
    match dice.below(32) {
        0..6 => {
            let deadline = match dice.below(4) {
                0 => Deadline::At(soon(dice)),
                1 => Deadline::Keep,
                _ => Deadline::None,
            };
            let flags = if dice.one_in(4) { dice.next() as u32 } else { 0 };
            let encoding = if dice.one_in(5) { Encoding::Raw } else { Encoding::Auto };
            Command::Put { text: some_text(dice), deadline, flags, encoding }
        }
        6 => Command::Append(some_text(dice)),
        7 => {
            let at = dice.below(300) as usize;
            Command::Patch(at, some_text(dice))
        }
        8 => Command::Flags(dice.below(3) as u32 * 77),
        9 => Command::Version,
        10 | 11 => {
            let at = soon(dice);
            Command::Deadline((!dice.one_in(3)).then_some(at))
        }
        12 => Command::Remove,
        13 | 14 => {
            let elements = if dice.one_in(3) {
                (0..1 + dice.below(30)).map(|_| some_text(dice)).collect()
            } else {
                some_names(dice)
            };
            Command::Push { tail: dice.one_in(2), elements }
        }
        15 => Command::Pop { tail: dice.one_in(2), count: some_count(dice) },
        16 => {
            let at = dice.below(50) as usize;
            Command::SetElement(at, some_text(dice))
        }
        17 | 18 => Command::AddMembers(some_names(dice)),
        19 => Command::RemoveMember(some_names(dice).swap_remove(0)),
        20 | 21 => {
            let timed = dice.one_in(3);
            let names = some_names(dice);
            let short = names.len() > 100;
            let fields = names.into_iter().map(|name| {
                let value = if short { dice.bytes(9) } else { some_text(dice) };
                let at = soon(dice);
                (name, value, (timed && dice.one_in(3)).then_some(at))
            });
            Command::PutFields(fields.collect())
        }
        22 => Command::RemoveField(some_names(dice).swap_remove(0)),
        23 => {
            let at = soon(dice);
            Command::FieldDeadline(some_names(dice).swap_remove(0), (!dice.one_in(3)).then_some(at))
        }
        24 | 25 => {
            let names = some_names(dice);
            Command::AddScores(names.into_iter().map(|name| (name, dice.below(100) as f64 / 4.0)).collect())
        }
        26 => Command::RemoveScores(some_count(dice)),
        27 => {
            let names = some_names(dice);
            Command::AddEntries(names.into_iter().map(|name| (name, some_text(dice))).collect())
        }
        28 => match dice.below(3) {
            0 => Command::TrimStream(dice.below(40)),
            1 => Command::DropGroup(vec![b'a' + dice.below(3) as u8]),
            _ => {
                let (name, consumer) = (vec![b'a' + dice.below(3) as u8], vec![b'A' + dice.below(3) as u8]);
                Command::Group { name, consumer, take: some_count(dice) }
            }
        },
        29 | 30 => Command::Rename(some_key(dice), DbId(dice.below(DATABASES.into()) as u16)),
        _ => Command::Restore(some_key(dice)),
    }
}

/// What of a command holds on a key that may hold another type is done.
fn run(store: &mut Store, db: DbId, key: &[u8], command: &Command, now_ms: u64) {
    use store::Kind;
    let kind = store.cell(db, key, now_ms).kind();
    let is = |wanted: Kind| kind.is_none_or(|kind| kind == wanted);
    let mut cell = store.cell(db, key, now_ms);
    match command {
        Command::Put { text, deadline, flags, encoding } => {
            cell.put(text, Put { deadline: *deadline, flags: *flags, encoding: *encoding });
        }
        Command::Append(text) if is(Kind::String) => {
            cell.append(text, Encoding::Raw);
        }
        Command::Patch(at, text) if is(Kind::String) => {
            cell.patch(*at, text);
        }
        Command::Flags(flags) if is(Kind::String) => cell.set_flags(*flags),
        Command::Version => {
            cell.version();
        }
        Command::Deadline(deadline) => cell.set_deadline(*deadline),
        Command::Remove => {
            cell.remove();
        }
        Command::Push { tail, elements } if is(Kind::List) => {
            let end = if *tail { End::Tail } else { End::Head };
            cell.list_mut().push(end, elements.iter().map(|element| &element[..]));
        }
        Command::Pop { tail, count } if kind == Some(Kind::List) => {
            let end = if *tail { End::Tail } else { End::Head };
            for _ in 0..*count {
                if cell.list().is_none() {
                    break;
                }
                cell.list_mut().pop(end, |_| {});
            }
        }
        Command::SetElement(at, text) if kind == Some(Kind::List) => {
            cell.list_mut().set(*at, text);
        }
        Command::AddMembers(names) if is(Kind::Set) => {
            let mut set = SetCell::new(cell).unwrap();
            names.iter().for_each(|name| {
                set.add(name);
            });
        }
        Command::RemoveMember(name) if is(Kind::Set) => {
            SetCell::new(cell).unwrap().remove(name);
        }
        Command::PutFields(fields) if is(Kind::Hash) => {
            let mut hash = HashCell::new(cell).unwrap();
            for (name, value, deadline) in fields {
                hash.put(name, value, deadline.map_or(Deadline::None, Deadline::At));
            }
        }
        Command::RemoveField(name) if is(Kind::Hash) => {
            HashCell::new(cell).unwrap().remove(name);
        }
        Command::FieldDeadline(name, deadline) if kind == Some(Kind::Hash) => {
            let mut hash = HashCell::new(cell).unwrap();
            if hash.fields().is_some_and(|fields| fields.has(name)) {
                hash.set_deadline(name, *deadline);
            }
        }
        Command::AddScores(members) if is(Kind::Zset) => {
            let mut zset = ZsetMut::of(&mut cell).unwrap();
            for (name, score) in members {
                let shape = zset.expect(1, name.len());
                zset.add(name, *score, How::default(), shape);
            }
        }
        Command::RemoveScores(count) if kind == Some(Kind::Zset) => {
            let mut zset = ZsetMut::of(&mut cell).unwrap();
            let len = zset.get().map_or(0, ZsetRef::len);
            zset.remove_ranks(0..len.min(*count), false, |_, _| {});
        }
        Command::AddEntries(entries) if is(Kind::Stream) => {
            if kind.is_none() {
                cell.create_stream();
            }
            let packing = cell.packing();
            cell.change_stream(|stream| {
                for (name, value) in entries {
                    let id = Id::new(now_ms, 0).max(stream.log().last()).next().unwrap();
                    stream.log_mut().append(id, [&name[..], &value[..]].into_iter(), &packing);
                }
            });
        }
        Command::TrimStream(max) if kind == Some(Kind::Stream) => cell.change_stream(|stream| {
            let mut trim = Trim { bound: Bound::Len(*max), approximate: false, limit: 0, removed: 0 };
            while !stream.log_mut().trim(&mut trim, 10) {}
        }),
        Command::Group { name, consumer, take } if kind == Some(Kind::Stream) => cell.change_stream(|stream| {
            stream.create_group(name, Id::MIN, 0);
            let ids: Vec<Id> = stream.log().range(Id::MIN, Id::MAX).take(*take).map(|entry| entry.id).collect();
            stream.change_group(name, |group, log| {
                let (consumer, _) = group.find_or_create(consumer, now_ms);
                for id in ids {
                    group.advance(log, id);
                    group.assign(id, Nack { consumer, delivered_ms: now_ms as i64, deliveries: 1 });
                }
            });
        }),
        Command::DropGroup(name) if kind == Some(Kind::Stream) => {
            cell.destroy_group(name);
        }
        Command::Rename(to, to_db) => {
            if (db, key) != (*to_db, &to[..])
                && let Some(lifted) = cell.lift()
            {
                store.cell(*to_db, to, now_ms).set_down(lifted);
            }
        }
        Command::Restore(to) => {
            let Some(portable) = cell.entry().map(|entry| entry.portable()) else { return };
            store.cell(db, to, now_ms).put_portable(portable);
        }
        _ => {}
    }
}

/// Keys that a command changes.
fn keys_of(db: DbId, key: &[u8], command: &Command) -> Vec<(DbId, Vec<u8>)> {
    let mut keys = vec![(db, key.to_vec())];
    match command {
        Command::Rename(to, to_db) => keys.push((*to_db, to.clone())),
        Command::Restore(to) => keys.push((db, to.clone())),
        _ => {}
    }
    keys
}

/// An image under way, and what it has to come to.
struct Taken {
    want: All,
    out: ImageOut,
    bytes: Vec<u8>,
    ages: Ages,
    began_ms: u64,
    /// Large keys are waited for, as callers should; else they are written at once.
    waits: bool,
    keys: u64,
}

impl Taken {
    fn take_out(&mut self) {
        self.bytes.extend_from_slice(&self.out.out.to_vec());
        self.keys += self.out.keys;
        self.out = ImageOut::default();
    }

    fn step(&mut self, store: &mut Store, dice: &mut Dice) -> bool {
        let step = store.image_step(1 + dice.below(5_000) as usize, &mut self.out);
        let done = match step {
            ImageStep::More => false,
            ImageStep::Done => true,
            ImageStep::Large { db, key } => {
                assert!(store.image_wants(db, &key) || !self.waits);
                self.piece(store, dice, db, &key);
                false
            }
        };
        if dice.one_in(3) {
            self.take_out();
        }
        done
    }

    fn piece(&mut self, store: &mut Store, dice: &mut Dice, db: DbId, key: &[u8]) {
        while !store.image_piece(db, key, 1 + dice.below(40_000) as usize, &mut self.out) {
            assert!(store.image_wants(db, key), "it is wanted until it is written");
            // Reads go on.
            assert!(store.peek(db, key, START_MS).is_some());
            if !self.waits && dice.one_in(4) {
                return;
            }
        }
        assert!(!store.image_wants(db, key), "it is wanted only until it is written");
    }

    /// As a file the same bytes are read as one entry after the other.
    fn compare_readers(&self) {
        let mut file = Vec::new();
        write::begin(&mut file, VERSION_TIMED);
        file.extend_from_slice(&self.bytes);
        let sum = crc64(0, &file);
        write::end(&mut file, sum, true);
        let mut reader = Reader::new(ReadOptions::default());
        reader.feed(&file);
        let mut keys = 0;
        loop {
            match reader.next().expect("a good file") {
                Item::Entry(entry) => {
                    keys += 1;
                    let item = &self.want[&(entry.db.0, entry.key.to_vec())];
                    let facts = (entry.deadline, entry.flags, entry.version);
                    assert_eq!(facts, (item.deadline, item.flags, item.version));
                }
                Item::End => break,
                Item::NeedMore => panic!("the file is whole"),
                _ => {}
            }
        }
        assert_eq!(keys, self.want.len());
    }

    fn end(mut self, store: &mut Store, loaded: &mut Store) {
        self.take_out();
        store.end_image();
        assert_eq!(self.keys, self.want.len() as u64, "keys that are told of");
        self.compare_readers();
        let got = read(&self.bytes, loaded, self.ages, self.began_ms);
        for (at, item) in &self.want {
            assert_eq!(got.get(at), Some(item), "{} of database {}", at.1.escape_ascii(), at.0);
        }
        assert_eq!(got.len(), self.want.len(), "nothing but what was there");
    }
}

fn play(seed: u64, policy: Policy, waits: bool) {
    println!("seed {seed}, {policy:?}, waits: {waits}");
    let mut dice = Dice::new(seed);
    // With an image, without one, and one for what is loaded.
    let [mut with, mut without] = [(); 2].map(|()| store(DATABASES, seed, 8));
    let mut loaded = store(1, seed, 8);
    [&mut with, &mut without].into_iter().for_each(|store| store.tune(tuning(policy)));
    let (mut now_ms, mut image, mut ended) = (START_MS, None::<Taken>, 0);
    for n in 0..steps(3_000) {
        now_ms += dice.below(20);
        let db = DbId(dice.below(DATABASES.into()) as u16);
        match dice.below(100) {
            0 => {
                with.flush(db);
                without.flush(db);
            }
            1 => {
                let other = DbId(dice.below(DATABASES.into()) as u16);
                with.swap(db, other);
                without.swap(db, other);
            }
            2..8 if policy != Policy::NoEviction => {
                let mut gone = [None, None];
                for (store, gone) in [&mut with, &mut without].into_iter().zip(&mut gone) {
                    store.evict_one(now_ms, |db, key| *gone = Some((db, key.to_vec())));
                }
                assert!(!waits || gone[0] == gone[1], "the same is evicted: {gone:?}");
            }
            8..14 => {
                // Timers of a flushed table that is kept count as moves: what expires at once would differ.
                let max = if waits { usize::MAX } else { 1 + dice.below(20) as usize };
                let mut gone = [Vec::new(), Vec::new()];
                for (store, gone) in [&mut with, &mut without].into_iter().zip(&mut gone) {
                    store.expire(now_ms, max, |db, key| gone.push((db, key.to_vec())));
                }
                if waits {
                    gone.iter_mut().for_each(|gone| gone.sort_unstable());
                    assert_eq!(gone[0], gone[1], "the same expires");
                }
            }
            14..20 => {
                let count = 1 + dice.below(50) as usize;
                with.bury(count);
                without.bury(count);
            }
            20..30 => {
                let key = some_key(&mut dice);
                for store in [&mut with, &mut without] {
                    store.read(db, &key, now_ms, true);
                }
            }
            30..50 => {}
            _ => {
                let (key, command) = (some_key(&mut dice), some_command(&mut dice, now_ms));
                if let Some(image) = image.as_mut().filter(|image| image.waits) {
                    for (db, key) in keys_of(db, &key, &command) {
                        if with.image_wants(db, &key) {
                            image.piece(&mut with, &mut dice, db, &key);
                        }
                    }
                }
                run(&mut with, db, &key, &command, now_ms);
                run(&mut without, db, &key, &command, now_ms);
            }
        }
        match &mut image {
            Some(taken) => {
                if dice.one_in(400) {
                    // Given up.
                    with.end_image();
                    image = None;
                } else if dice.one_in(2) && taken.step(&mut with, &mut dice) {
                    let taken = image.take().expect("it runs");
                    taken.end(&mut with, &mut loaded);
                    ended += 1;
                }
            }
            None => {
                if dice.one_in(30) {
                    let ages = [Ages::None, Ages::Idle, Ages::Frequency][dice.below(3) as usize];
                    let want = copy(&with, now_ms);
                    with.begin_image(now_ms, ImageOptions { compress: dice.one_in(2), ages });
                    let (out, bytes, began_ms) = (ImageOut::default(), Vec::new(), now_ms);
                    image = Some(Taken { want, out, bytes, ages, began_ms, waits, keys: 0 });
                }
            }
        }
        if n % 97 == 0 {
            with.verify();
        }
    }
    if let Some(mut taken) = image {
        while !taken.step(&mut with, &mut dice) {}
        taken.end(&mut with, &mut loaded);
        ended += 1;
    }
    assert!(ended > 0, "some image was whole");
    while with.bury(1_000) {}
    with.verify();
    assert!(with.image_is_ready());
    if waits {
        assert_eq!(copy(&with, now_ms), copy(&without, now_ms), "the store goes on as if there had been no image");
    }
}

#[test]
fn an_image_is_the_store_as_it_was() {
    for seed in 0..4 {
        let policy = [Policy::NoEviction, Policy::AllKeysLru, Policy::AllKeysRandom][seed as usize % 3];
        play(seed, policy, true);
    }
}

#[test]
fn nothing_is_lost_where_nobody_waits() {
    for seed in 1_000..1_003 {
        let policy = [Policy::NoEviction, Policy::AllKeysLfu][seed as usize % 2];
        play(seed, policy, false);
    }
}

/// A step is no more than its budget and one small value.
#[test]
fn steps_are_small_and_large_values_are_lent() {
    let mut store = store(2, 7, 64);
    for n in 0..5_000u32 {
        store.cell(DbId(1), &n.to_be_bytes(), START_MS).put(&[b'x'; 100], Put::default());
    }
    let large = vec![b'y'; 100_000];
    store.cell(DbId(0), b"large", START_MS).put(&large, Put::default());
    store.begin_image(START_MS, ImageOptions::default());
    let (mut largest, mut steps, mut lent, mut keys) = (0, 0, 0, 0);
    loop {
        let mut out = ImageOut::default();
        let step = store.image_step(1_000, &mut out);
        largest = largest.max(out.out.bytes.len());
        steps += 1;
        lent += out.out.shared.len();
        keys += out.keys;
        match step {
            ImageStep::Done => break,
            step => assert_eq!(step, ImageStep::More),
        }
    }
    assert!(largest < 1_200, "{largest}");
    assert!(steps > 500, "{steps}");
    assert_eq!((lent, keys), (1, 5_001));
}

/// The file of an image that is taken in small steps, after `stop_at` of which `change` happens.
fn file_of(store: &mut Store, compress: bool, stop_at: usize, change: impl Fn(&mut Store)) -> Vec<u8> {
    store.begin_image(START_MS, ImageOptions { compress, ..ImageOptions::default() });
    let (mut bytes, mut steps) = (Vec::new(), 0);
    write::begin(&mut bytes, VERSION_TIMED);
    loop {
        let mut out = ImageOut::default();
        let step = store.image_step(1_000, &mut out);
        let done = step == ImageStep::Done;
        if let ImageStep::Large { db, key } = step {
            store.image_piece(db, &key, 1_000, &mut out);
        }
        // A search that finds nothing goes on by so much at once.
        let lent: usize = out.out.shared.iter().map(|(_, text)| text.len()).sum();
        assert!(steps > stop_at || out.out.len() - lent < 6_000, "{} bytes in one step", out.out.len());
        bytes.extend_from_slice(&out.out.to_vec());
        steps += 1;
        if steps == stop_at {
            change(store);
        }
        if done {
            break;
        }
    }
    store.end_image();
    let sum = crc64(0, &bytes);
    write::end(&mut bytes, sum, true);
    bytes
}

fn loaded(bytes: &[u8]) -> All {
    let mut loaded = common::store(1, 7, 64);
    let mut reader = Reader::new(ReadOptions::default());
    reader.feed(bytes);
    loop {
        match reader.next().expect("it is a file") {
            Item::Entry(entry) => {
                let mut cell = loaded.cell(DbId(0), entry.key, START_MS);
                cell.put_rdb(entry.value, Placed::ByThresholds).expect("it is a value");
            }
            Item::End => break,
            Item::NeedMore => panic!("it is cut off"),
            _ => {}
        }
    }
    copy(&loaded, START_MS)
}

/// Strings of any length are compressed, in slices, whether they are values, fields' values or elements of lists; also when the key
/// goes or changes in the middle of it.
#[test]
fn long_strings_are_compressed_in_slices() {
    let (tame, mut dice) = (b"a line of text that is there again and again\n".repeat(20_000), Dice::new(5));
    let noise: Vec<u8> = (0..300_000).map(|_| dice.below(256) as u8).collect();
    let half = [&noise[..200_000], &tame[..]].concat();
    for (text, most) in [(&tame, tame.len() / 10), (&noise, noise.len() + 100), (&half, half.len() / 2)] {
        let texts: Vec<Vec<u8>> =
            [&b"first"[..], text, b"second", text, b"12", b"last"].iter().map(|text| text.to_vec()).collect();
        let fields: BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)> =
            texts.iter().enumerate().map(|(n, text)| (vec![b'0' + n as u8], (text.clone(), None))).collect();
        for (value, times) in [(Plain::String(text.clone()), 1), (Plain::List(texts), 2), (Plain::Hash(fields), 2)] {
            for (stop_at, removes) in [(usize::MAX, false), (3, false), (40, false), (40, true), (2_000, false)] {
                for compress in [true, false] {
                    let what = || format!("{stop_at} {removes} {compress}");
                    let mut store = store(1, 7, 64);
                    let mut cell = store.cell(DbId(0), b"key", START_MS);
                    match &value {
                        Plain::List(texts) => texts.iter().for_each(|text| {
                            cell.list_mut().push(End::Tail, std::iter::once(&text[..]));
                        }),
                        Plain::Hash(fields) => {
                            let mut hash = HashCell::new(cell).expect("there is nothing");
                            fields.iter().for_each(|(field, (value, _))| {
                                hash.put(field, value, Deadline::None);
                            });
                        }
                        _ => cell.put(text, Put::default()),
                    }
                    store.cell(DbId(0), b"small", START_MS).put(b"after", Put::default());
                    let bytes = file_of(&mut store, compress, stop_at, |store| {
                        let mut cell = store.cell(DbId(0), b"key", START_MS);
                        match &value {
                            _ if removes => drop(cell.remove()),
                            Plain::List(_) => drop(cell.list_mut().push(End::Head, std::iter::once(&b"another"[..]))),
                            Plain::Hash(_) => {
                                let mut hash = HashCell::new(cell).expect("it is a hash");
                                hash.put(b"another", b"value", Deadline::None);
                            }
                            _ => cell.put(b"another", Put::default()),
                        }
                    });
                    store.verify();
                    // A collection that is changed meanwhile is written at once; what was begun of it goes on.
                    let small = compress && (times == 1 || stop_at == usize::MAX || removes);
                    assert!(!small || bytes.len() < most * times, "{} of {}: {}", bytes.len(), text.len(), what());
                    let all = loaded(&bytes);
                    assert_eq!(all.len(), 2);
                    assert!(all[&(0, b"key".to_vec())].value == value, "{}", what());
                }
            }
        }
    }
}

/// With more databases than table numbers are left the image is finished in memory.
#[test]
fn table_numbers_do_not_run_out() {
    if cfg!(miri) {
        return;
    }
    let databases = u16::MAX;
    let mut store = store(databases, 3, 8);
    for db in 0..databases {
        store.cell(DbId(db), b"key", START_MS).put(&db.to_le_bytes(), Put::default());
    }
    store.begin_image(START_MS, ImageOptions::default());
    (0..10).for_each(|db| store.flush(DbId(db)));
    let mut out = ImageOut::default();
    while store.image_step(1 << 20, &mut out) != ImageStep::Done {}
    assert_eq!(out.keys, databases.into());
    store.end_image();
    while store.bury(1_000) {}
    store.verify();
}
