//! Room: store. An RDB file, read as its bytes come. Touches: base.
//!
//! `feed` takes the next bytes, `next` gives what is whole, until it wants more. Nothing in a file is trusted: what is kept is what
//! has come, whatever lengths it claims, and a mistake is told with its place. Values are handed on as they lie there, for
//! `Cell::put_rdb`. Source: rdbLoadRio in rdb.c of Redis 7.2.

use super::super::crc::crc64;
use super::super::read::Reader as Body;
use super::super::{VERSION_MAX, kind};
use super::shape::{self, Length, Walk};
use super::{Age, aux, op};
use base::DbId;
use std::ops::Range;

/// Valkey 9's version, which begins its own count: 12 to 79 are left to Redis (its rdb.h, RDB_FOREIGN_VERSION_MIN and _MAX).
const VALKEY_VERSION: u16 = 80;
/// Files of Redis before 2.6 have no checksum (rdb.c, rdbLoadRio).
const SUMMED_VERSION: u16 = 5;
/// Room that is kept between pieces.
const ROOM_BYTES_MAX: usize = 16 << 20;

/// What is read with how much care.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// How large the file is, where that is known: no length that points behind its end is believed.
    pub size: Option<u64>,
    /// The checksum is compared, if the file has one (`rdbchecksum`).
    pub verify: bool,
    /// What modules have written is passed over; else it is a mistake.
    pub skip_modules: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions { size: None, verify: true, skip_modules: false }
    }
}

/// A file is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadFile {
    /// Bytes from its start.
    pub at: u64,
    pub what: String,
}

impl std::fmt::Display for BadFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// What a file holds, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// Nothing whole is left: `feed`.
    NeedMore,
    /// A name and what it tells.
    Aux {
        name: &'a [u8],
        text: &'a [u8],
    },
    /// Entries of this database follow.
    Select(DbId),
    /// How much the database at hand is going to hold.
    Resize {
        keys: u64,
        with_deadline: u64,
    },
    Entry(Entry<'a>),
    /// The source of a library of functions.
    Function(&'a [u8]),
    /// What a module has written, passed over: of a key, or of none.
    Skipped {
        key: Option<&'a [u8]>,
        module: String,
    },
    /// The file is at its end, and its checksum is right.
    End,
}

/// A key and its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    pub db: DbId,
    pub key: &'a [u8],
    /// Unix ms. Not compared with any clock.
    pub deadline: Option<u64>,
    pub age: Age,
    /// memcached's flags.
    pub flags: u32,
    /// memcached's cas.
    pub version: Option<u64>,
    /// A type byte and a body, as `Cell::put_rdb` takes it. Its end is right; what is in it has not been looked at.
    pub value: &'a [u8],
    /// Where the value begins in the file.
    pub at: u64,
    /// The key of the record behind, for whoever reads ahead: a guess at bytes that may be something else. Empty where it cannot be
    /// told so easily, or has not come.
    pub next_key: &'a [u8],
}

/// Reads one file.
#[derive(Debug)]
pub struct Reader {
    options: ReadOptions,
    /// What has come and is not done with.
    bytes: Vec<u8>,
    /// Where the first of them lies in the file.
    base: u64,
    /// Where in `bytes` the record at hand begins.
    start: usize,
    /// The checksum of all before `summed` in `bytes`.
    sum: u64,
    summed: usize,
    stage: Stage,
    valkey: bool,
    version: u16,
    db: DbId,
    facts: Facts,
    /// A key, the name of an AUX record.
    name: Vec<u8>,
    /// The text of a record that has one.
    text: Vec<u8>,
    /// A byte of the key that gave way to the type byte, so that it stands before the body.
    lent: Option<(usize, u8)>,
    failed: Option<BadFile>,
}

/// What records say of the next key.
#[derive(Clone, Copy, Default, Debug)]
struct Facts {
    deadline: Option<u64>,
    age: Age,
    flags: u32,
    version: Option<u64>,
}

#[derive(Debug)]
enum Stage {
    Magic,
    Record,
    /// Looks for the end of what begins `behind` bytes behind the record's start.
    Body {
        kind: u8,
        behind: usize,
        walk: Walk,
    },
    Sum,
    Ended,
}

/// Why a record cannot be read now.
enum Stop {
    /// It has at least so many bytes from its start.
    More(u64),
    /// Bytes from its start.
    Bad(u64, String),
}

/// An item whose bytes are not borrowed yet.
enum Found {
    /// Nothing to be told of.
    Nothing,
    Aux,
    Select,
    Resize(u64, u64),
    Function,
    Entry(Facts, Range<usize>),
    Skipped(bool, String),
    End,
}

impl Reader {
    pub fn new(options: ReadOptions) -> Reader {
        Reader {
            options,
            bytes: Vec::new(),
            base: 0,
            start: 0,
            sum: 0,
            summed: 0,
            stage: Stage::Magic,
            valkey: false,
            version: 0,
            db: DbId(0),
            facts: Facts::default(),
            name: Vec::new(),
            text: Vec::new(),
            lent: None,
            failed: None,
        }
    }

    /// Takes the next bytes of the file. Comes when `next` has said `NeedMore`.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.give_back();
        // Summed are long runs at once, not records: of what has been walked it is certain that it lies before the end.
        self.sum_up();
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.base += self.start as u64;
            self.summed -= self.start;
            self.start = 0;
            if self.bytes.capacity() > ROOM_BYTES_MAX && self.bytes.len() < ROOM_BYTES_MAX / 2 {
                self.bytes.shrink_to(ROOM_BYTES_MAX);
            }
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The version in the file's head; 0 before it has come.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Where in the file the next record begins.
    pub fn at(&self) -> u64 {
        self.base + self.start as u64
    }

    /// After `End`: the checksum of all but the checksum itself.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// To be asked when no more bytes will come: whether the end has been seen, else where the file breaks off.
    pub fn finish(&self) -> Result<(), BadFile> {
        match (&self.stage, &self.failed) {
            (_, Some(bad)) => Err(bad.clone()),
            (Stage::Ended, None) => Ok(()),
            _ => Err(BadFile {
                at: self.base + self.bytes.len() as u64,
                what: format!("the file ends in the middle of {}", self.whereabouts()),
            }),
        }
    }

    /// The next that is whole. What has failed once fails again.
    #[expect(clippy::should_implement_trait, reason = "what it gives is borrowed from it")]
    pub fn next(&mut self) -> Result<Item<'_>, BadFile> {
        if let Some(bad) = &self.failed {
            return Err(bad.clone());
        }
        self.give_back();
        let found = loop {
            match self.step() {
                Ok(Found::Nothing) => {}
                Ok(found) => break found,
                Err(Stop::More(end)) => {
                    let end = self.at().saturating_add(end);
                    match self.options.size {
                        Some(size) if end > size => {
                            let what = format!(
                                "{} would end at byte {end}, behind the end of the file ({size} bytes)",
                                self.whereabouts()
                            );
                            return Err(self.fail(0, what));
                        }
                        _ => return Ok(Item::NeedMore),
                    }
                }
                Err(Stop::Bad(at, what)) => return Err(self.fail(at, what)),
            }
        };
        Ok(match found {
            Found::Nothing => unreachable!("passed over above"),
            Found::Aux => Item::Aux { name: &self.name, text: &self.text },
            Found::Select => Item::Select(self.db),
            Found::Resize(keys, with_deadline) => Item::Resize { keys, with_deadline },
            Found::Function => Item::Function(&self.text),
            Found::Entry(Facts { deadline, age, flags, version }, range) => Item::Entry(Entry {
                db: self.db,
                key: &self.name,
                deadline,
                age,
                flags,
                version,
                at: self.base + range.start as u64 + 1,
                next_key: plain_key(&self.bytes[range.end..]),
                value: &self.bytes[range],
            }),
            Found::Skipped(of_key, module) => Item::Skipped { key: of_key.then_some(&self.name[..]), module },
            Found::End => Item::End,
        })
    }

    /// A mistake so many bytes behind the start of the record.
    fn fail(&mut self, at: u64, what: String) -> BadFile {
        let bad = BadFile { at: self.at().saturating_add(at), what };
        self.failed = Some(bad.clone());
        bad
    }

    /// What is being read, for messages.
    fn whereabouts(&self) -> String {
        match &self.stage {
            Stage::Magic => "its head".into(),
            Stage::Record => "a record".into(),
            Stage::Body { kind: op::MODULE_AUX, .. } => "a module's data".into(),
            Stage::Body { kind: op::SLOT_IMPORT, .. } => "a record of slots".into(),
            Stage::Body { .. } => format!("the value of key {}", shown(&self.name)),
            Stage::Sum | Stage::Ended => "its checksum".into(),
        }
    }

    fn give_back(&mut self) {
        if let Some((at, byte)) = self.lent.take() {
            self.bytes[at] = byte;
        }
    }

    /// Sums all that is certain to lie before the checksum.
    fn sum_up(&mut self) {
        let certain = match &self.stage {
            Stage::Ended => return,
            Stage::Body { behind, walk, .. } => {
                let walked = usize::try_from(walk.at()).unwrap_or(usize::MAX);
                self.start.saturating_add(*behind).saturating_add(walked).min(self.bytes.len())
            }
            _ => self.start,
        };
        if certain > self.summed {
            self.sum = crc64(self.sum, &self.bytes[self.summed..certain]);
            self.summed = certain;
        }
    }

    fn step(&mut self) -> Result<Found, Stop> {
        match self.stage {
            Stage::Magic => self.magic(),
            Stage::Record => self.record(),
            Stage::Body { .. } => self.body(),
            Stage::Sum => self.checksum(),
            Stage::Ended => Ok(Found::End),
        }
    }

    fn magic(&mut self) -> Result<Found, Stop> {
        let rest = &self.bytes[self.start..];
        let begins = |magic: &[u8]| rest.iter().zip(magic).all(|(a, b)| a == b);
        self.valkey = begins(b"VALKEY");
        if !self.valkey && !begins(b"REDIS") {
            return Err(Stop::Bad(0, "this is no RDB file: it begins with neither REDIS nor VALKEY".into()));
        }
        let head: &[u8; 9] = rest.first_chunk().ok_or(Stop::More(9))?;
        let digits = if self.valkey { &head[6..] } else { &head[5..] };
        let version = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let Some(version) = version.and_then(|digits| digits.parse::<u16>().ok()) else {
            return Err(Stop::Bad(5, "the head of the file has no version".into()));
        };
        // A release candidate of Valkey 9 has the other magic before it.
        let known = if self.valkey { version == VALKEY_VERSION } else { (1..=VERSION_MAX).contains(&version) };
        if !known && version != VALKEY_VERSION {
            return Err(Stop::Bad(0, format!("Can't handle RDB format version {version}")));
        }
        self.valkey |= version == VALKEY_VERSION;
        self.version = version;
        self.start += 9;
        self.stage = Stage::Record;
        Ok(Found::Nothing)
    }

    fn checksum(&mut self) -> Result<Found, Stop> {
        self.sum_up();
        let told: &[u8; 8] = self.bytes[self.start..].first_chunk().ok_or(Stop::More(8))?;
        let (told, sum) = (u64::from_le_bytes(*told), self.sum);
        if self.options.verify && told != 0 && told != sum {
            return Err(Stop::Bad(
                0,
                format!("Wrong RDB checksum expected: ({told:x}) but got ({sum:x}): the file is damaged"),
            ));
        }
        self.start += 8;
        self.stage = Stage::Ended;
        Ok(Found::End)
    }

    fn record(&mut self) -> Result<Found, Stop> {
        let mut from = Cursor { bytes: &self.bytes[self.start..], at: 0 };
        let opcode = from.take::<1>()?[0];
        let found = match opcode {
            op::AUX => {
                from.text(&mut self.name)?;
                from.text(&mut self.text)?;
                let number = std::str::from_utf8(&self.text).ok().and_then(|text| text.parse::<u64>().ok());
                let of_next = match &self.name[..] {
                    aux::FLAGS => number.and_then(|n| u32::try_from(n).ok()).map(|flags| self.facts.flags = flags),
                    aux::VERSION => number.map(|version| self.facts.version = Some(version)),
                    _ => None,
                };
                if of_next.is_some() { Found::Nothing } else { Found::Aux }
            }
            op::SELECT => {
                let db = from.len()?;
                let bad = || Stop::Bad(0, format!("there is no database {db}"));
                self.db = DbId(u16::try_from(db).map_err(|_| bad())?);
                Found::Select
            }
            op::RESIZE => Found::Resize(from.len()?, from.len()?),
            op::FUNCTION => {
                from.text(&mut self.text)?;
                Found::Function
            }
            op::FUNCTION_RC => return Err(Stop::Bad(0, "Pre-release function format not supported".into())),
            op::IDLE => {
                self.facts.age = Age::Idle(from.len()?);
                Found::Nothing
            }
            op::FREQUENCY => {
                self.facts.age = Age::Frequency(from.take::<1>()?[0]);
                Found::Nothing
            }
            op::DEADLINE_MS => {
                self.facts.deadline = deadline(i64::from_le_bytes(*from.take()?));
                Found::Nothing
            }
            op::DEADLINE_S => {
                self.facts.deadline = deadline(i64::from(i32::from_le_bytes(*from.take()?)) * 1000);
                Found::Nothing
            }
            op::SLOT_INFO => {
                for _ in 0..3 {
                    from.len()?;
                }
                Found::Nothing
            }
            op::SLOT_IMPORT if self.valkey => {
                self.stage = Stage::Body { kind: opcode, behind: from.at, walk: Walk::new(shape::SLOT_IMPORT) };
                return Ok(Found::Nothing);
            }
            op::MODULE_AUX => {
                if !self.options.skip_modules {
                    let module = module_name(from.len()?);
                    return Err(Stop::Bad(
                        0,
                        format!("the file holds data of the module '{module}', which is not known here"),
                    ));
                }
                self.stage = Stage::Body { kind: opcode, behind: from.at, walk: Walk::new(shape::MODULE) };
                return Ok(Found::Nothing);
            }
            op::END => {
                self.stage = if self.version < SUMMED_VERSION { Stage::Ended } else { Stage::Sum };
                self.start += 1;
                if let Stage::Ended = self.stage {
                    self.sum = crc64(self.sum, &self.bytes[self.summed..self.start]);
                    self.summed = self.start;
                    return Ok(Found::End);
                }
                return Ok(Found::Nothing);
            }
            // Of Valkey it is another type than of Redis's release candidates.
            kind::HASH_TIMED_RC if self.valkey => return self.entry(kind::HASH_TIMED_VALKEY),
            kind::HASH_TIMED_LISTPACK_RC..=kind::HASH_TIMED_LISTPACK if self.valkey => return Err(no_type(opcode)),
            kind::HASH_TIMED_VALKEY => return Err(no_type(opcode)),
            kind => return self.entry(kind),
        };
        self.start += from.at;
        Ok(found)
    }

    /// The type byte has been seen.
    fn entry(&mut self, kind: u8) -> Result<Found, Stop> {
        let Some(parts) = shape::of(kind) else {
            return Err(match kind {
                kind::MODULE_RC => {
                    let what =
                        "a module's value in the form of a release candidate of Redis 4.0, whose end cannot be found";
                    Stop::Bad(0, what.into())
                }
                _ => no_type(kind),
            });
        };
        let mut from = Cursor { bytes: &self.bytes[self.start..], at: 1 };
        from.text(&mut self.name)?;
        let behind = from.at;
        if kind == kind::MODULE && !self.options.skip_modules {
            let (module, key) = (module_name(from.len()?), shown(&self.name));
            return Err(Stop::Bad(
                0,
                format!("key {key} holds a value of the module '{module}', which is not known here"),
            ));
        }
        // What most values are: a string that has come whole needs no walk.
        if kind == kind::STRING
            && let Ok(Some(len)) = shape::text_bytes(from.rest())
            && len <= from.rest().len() as u64
        {
            return Ok(self.whole(kind, behind, len as usize));
        }
        self.stage = Stage::Body { kind, behind, walk: Walk::new(parts) };
        Ok(Found::Nothing)
    }

    /// An entry has come: its body begins `behind` bytes behind the record's start, and has `len`.
    fn whole(&mut self, kind: u8, behind: usize, len: usize) -> Found {
        let from = self.start + behind;
        self.start = from + len;
        self.stage = Stage::Record;
        // A key takes one byte at least.
        self.lent = Some((from - 1, std::mem::replace(&mut self.bytes[from - 1], kind)));
        Found::Entry(std::mem::take(&mut self.facts), from - 1..from + len)
    }

    fn body(&mut self) -> Result<Found, Stop> {
        let Stage::Body { kind, behind, walk } = &mut self.stage else { unreachable!("asked for in that stage only") };
        let (kind, behind) = (*kind, *behind);
        let body = &self.bytes[self.start + behind..];
        let end = match walk.go(body) {
            Ok(Some(len)) => len as usize,
            Ok(None) => return Err(Stop::More((behind as u64).saturating_add(walk.at().max(body.len() as u64 + 1)))),
            Err(astray) => {
                let at = (behind as u64).saturating_add(astray.at);
                return Err(Stop::Bad(at, format!("{} is damaged", self.whereabouts())));
            }
        };
        let module = match kind {
            kind::MODULE | op::MODULE_AUX => match shape::length(body) {
                Ok(Some((Length::Plain(id), _))) => Some(module_name(id)),
                _ => None,
            },
            _ => None,
        };
        let is_of_key = !matches!(kind, op::MODULE_AUX | op::SLOT_IMPORT);
        if is_of_key && module.is_none() {
            return Ok(self.whole(kind, behind, end));
        }
        self.start += behind + end;
        self.stage = Stage::Record;
        if is_of_key {
            self.facts = Facts::default();
        }
        Ok(module.map_or(Found::Nothing, |module| Found::Skipped(is_of_key, module)))
    }
}

/// The key of a record of a type byte, or a deadline in ms and one, and a key of less than 64 bytes.
fn plain_key(record: &[u8]) -> &[u8] {
    // Types are below, what is no entry is above.
    const TYPES: u8 = 0x40;
    let record = match record {
        [op::DEADLINE_MS, rest @ ..] => rest.get(8..).unwrap_or_default(),
        _ => record,
    };
    match record {
        [kind, len @ 0..0x40, rest @ ..] if *kind < TYPES => rest.get(..usize::from(*len)).unwrap_or_default(),
        _ => &[],
    }
}

fn no_type(kind: u8) -> Stop {
    Stop::Bad(0, format!("there is no type {kind}"))
}

/// -1 is none, and what is before 1970 is long past.
fn deadline(told: i64) -> Option<u64> {
    if told == -1 { None } else { Some(told.max(0) as u64) }
}

/// Whether a value that `Cell::put_rdb` refuses is an empty collection. Old versions have written such; Redis passes over them
/// (rdb.c, RDB_LOAD_ERR_EMPTY_KEY).
pub fn is_empty(value: &[u8]) -> bool {
    super::super::read::parse(value).is_ok_and(|parsed| parsed.is_empty())
}

/// A key as a message shows it.
fn shown(key: &[u8]) -> String {
    let cut = &key[..key.len().min(64)];
    format!("'{}{}'", cut.escape_ascii(), if cut.len() < key.len() { "..." } else { "" })
}

/// module.c, moduleTypeNameByID: nine letters of 6 bits, then 10 bits of a version.
fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).rev().map(|i| LETTERS[(id >> (10 + 6 * i)) as usize & 63] as char).collect()
}

/// Reads a record from its start.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Stop> {
        let taken = self.rest().first_chunk().ok_or(Stop::More((self.at + N) as u64))?;
        self.at += N;
        Ok(taken)
    }

    fn len(&mut self) -> Result<u64, Stop> {
        match shape::length(self.rest()) {
            Ok(Some((Length::Plain(len), width))) => {
                self.at += width;
                Ok(len)
            }
            Ok(None) => Err(Stop::More(self.bytes.len() as u64 + 1)),
            _ => Err(Stop::Bad(self.at as u64, "there should be a length".into())),
        }
    }

    /// A string, into `to`.
    fn text(&mut self, to: &mut Vec<u8>) -> Result<(), Stop> {
        let bad = |at: usize| Stop::Bad(at as u64, "there should be a string".into());
        let len = match shape::text_bytes(self.rest()) {
            Ok(Some(len)) => len,
            Ok(None) => return Err(Stop::More(self.bytes.len() as u64 + 1)),
            Err(()) => return Err(bad(self.at)),
        };
        let end = (self.at as u64).saturating_add(len);
        if end > self.bytes.len() as u64 {
            return Err(Stop::More(end));
        }
        let text = Body { rest: self.rest() }.string().map_err(|_| bad(self.at))?;
        to.clear();
        to.extend_from_slice(&text);
        self.at = end as usize;
        Ok(())
    }
}
