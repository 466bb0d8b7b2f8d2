//! Room: store. RDB bodies taken apart, some elements at a time. Nothing in them is trusted: a length is believed as far as there are
//! bytes for it.
//! Touches: base.

use super::{BadData, kind, lzf, old, pieces, stream};
use crate::pack::{self, Digits, Item};
use crate::stream::Stream;
use base::number::parse_f64;
use std::borrow::Cow;

/// Of bodies up to this nothing is reserved.
const AT_ONCE_BYTES: usize = 1 << 13;
/// So many bytes are as much work as an element.
const ELEMENT_BYTES: usize = 1 << 9;
/// What a stream's entry takes at least, or nearly.
const ENTRY_BYTES: usize = 8;

/// A value, not in a store yet.
pub enum Parsed {
    String(Vec<u8>),
    List {
        elements: Elements,
        /// As a quicklist had them; 0: it was none.
        nodes: usize,
    },
    Set {
        members: Elements,
        form: Form,
    },
    /// Fields and values in turn.
    Hash {
        pairs: Elements,
        /// Unix ms, 0: none; empty: none at all.
        deadlines: Vec<u64>,
        form: Form,
    },
    Zset {
        members: Elements,
        scores: Vec<f64>,
    },
    Stream(Box<Stream>),
}

/// How a set, hash or sorted set was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// As one string: a listpack, or what came before listpacks.
    Packed,
    Ints,
    /// Element by element.
    Table,
}

/// Elements one behind the other (`pack`).
#[derive(Default)]
pub struct Elements {
    pub pack: Vec<u8>,
    pub count: usize,
    /// Bytes of the longest as text; not of integers.
    pub longest: usize,
}

impl Elements {
    /// For what `bytes` may hold: what is packed takes no more than it does there, so it is not moved as it grows.
    fn of(bytes: &[u8]) -> Elements {
        let pack = Vec::with_capacity(if bytes.len() > AT_ONCE_BYTES { bytes.len() } else { 0 });
        Elements { pack, count: 0, longest: 0 }
    }

    fn push(&mut self, text: &[u8]) {
        pack::push::<false>(&mut self.pack, text);
        self.count += 1;
        self.longest = self.longest.max(text.len());
    }

    fn push_number(&mut self, n: i64) {
        pack::push_item::<false>(&mut self.pack, Item::Number(n));
        self.count += 1;
    }

    /// Each element's text in turn.
    pub fn each(&self, mut visit: impl FnMut(&[u8])) {
        self.from(0, |text| {
            visit(text);
            true
        });
    }

    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        pack::iter::<false>(&self.pack).map(|(_, item)| item)
    }

    /// Visits the elements from `at` on while `visit` wants more; where the next one is.
    pub fn from(&self, mut at: usize, mut visit: impl FnMut(&[u8]) -> bool) -> usize {
        let mut digits: Digits = [0; 20];
        while let Some((item, next)) = pack::item::<false>(&self.pack, at) {
            at = next;
            if !visit(item.text(&mut digits)) {
                break;
            }
        }
        at
    }
}

impl Parsed {
    /// Whether it is a collection of nothing, which no key holds.
    pub fn is_empty(&self) -> bool {
        match self {
            Parsed::String(_) | Parsed::Stream(_) => false,
            Parsed::List { elements, .. } => elements.count == 0,
            Parsed::Set { members, .. } | Parsed::Zset { members, .. } => members.count == 0,
            Parsed::Hash { pairs, .. } => pairs.count == 0,
        }
    }
}

/// As `parse`, but an empty collection is no value.
pub fn value(bytes: &[u8]) -> Result<Parsed, BadData> {
    let parsed = parse(bytes)?;
    if parsed.is_empty() { Err(BadData) } else { Ok(parsed) }
}

/// Takes a type byte and a body apart. What stands behind the body is not looked at, as in Redis.
pub fn parse(bytes: &[u8]) -> Result<Parsed, BadData> {
    let mut parsing = Parsing::default();
    while !parsing.step(bytes, usize::MAX)? {}
    Ok(parsing.into_parsed())
}

/// A body that is being taken apart, with its type byte. Only what is one string of many elements is read at once.
#[derive(Default)]
pub struct Parsing {
    /// Bytes that are read.
    at: usize,
    stage: Stage,
}

#[derive(Default)]
enum Stage {
    #[default]
    Kind,
    /// Bytes of a plain string up to this one.
    Text(usize, Vec<u8>),
    /// The same of a compressed one that has so many.
    Packed(usize, lzf::Inflating, usize),
    /// So many elements are left.
    Each(u64, Each),
    Stream(Box<stream::Reading>),
    Whole(Parsed),
}

/// A collection that is written element by element.
struct Each {
    kind: u8,
    parsed: Parsed,
    /// What deadlines are told as later than.
    counted_from: u64,
}

impl Parsing {
    /// Reads about `count` elements more of `bytes`, the same each time. True when all is read.
    pub fn step(&mut self, bytes: &[u8], count: usize) -> Result<bool, BadData> {
        let mut from = Reader { rest: bytes.get(self.at..).ok_or(BadData)? };
        let before = from.rest.len();
        let done = self.go_on(&mut from, count);
        self.at += before - from.rest.len();
        done
    }

    /// What all of it was, once `step` has said true.
    pub fn into_parsed(self) -> Parsed {
        match self.stage {
            Stage::Whole(parsed) => parsed,
            _ => unreachable!("callers have read all of it"),
        }
    }

    fn go_on(&mut self, from: &mut Reader<'_>, count: usize) -> Result<bool, BadData> {
        let upto = from.rest.len().saturating_sub(count.saturating_mul(ELEMENT_BYTES));
        match &mut self.stage {
            Stage::Kind => {
                self.stage = begin(from)?;
                return Ok(matches!(self.stage, Stage::Whole(_)));
            }
            Stage::Text(left, text) => {
                let some = (*left).min(count.saturating_mul(ELEMENT_BYTES));
                text.extend_from_slice(from.bytes(some as u64)?);
                *left -= some;
                if *left > 0 {
                    return Ok(false);
                }
                self.stage = Stage::Whole(Parsed::String(std::mem::take(text)));
            }
            Stage::Packed(short, inflating, long) => {
                let packed = from.rest.get(..*short).ok_or(BadData)?;
                if !inflating.step(packed, *long, count.saturating_mul(ELEMENT_BYTES))? {
                    return Ok(false);
                }
                from.bytes(*short as u64)?;
                self.stage = Stage::Whole(Parsed::String(inflating.take()));
            }
            Stage::Each(left, each) => {
                let mut some = 0;
                while *left > 0 {
                    // Elements may be large, or many in one.
                    if some >= count || from.rest.len() < upto {
                        return Ok(false);
                    }
                    some += each.one(from)?.max(1);
                    *left -= 1;
                }
                let nothing = Parsed::String(Vec::new());
                self.stage = Stage::Whole(std::mem::replace(&mut each.parsed, nothing));
            }
            Stage::Stream(reading) => {
                let mut some = 0;
                while some < count {
                    let before = from.rest.len();
                    if before < upto {
                        return Ok(false);
                    }
                    if let Some(stream) = reading.step(from)? {
                        self.stage = Stage::Whole(Parsed::Stream(stream));
                        return Ok(true);
                    }
                    // A node has many entries.
                    some += 1 + (before - from.rest.len()) / ENTRY_BYTES;
                }
                return Ok(false);
            }
            Stage::Whole(_) => {}
        }
        Ok(true)
    }
}

/// Reads the type byte and what stands before the elements, or all of what is one string.
fn begin(from: &mut Reader<'_>) -> Result<Stage, BadData> {
    let kind = from.byte()?;
    let elements = |from: &Reader<'_>| Elements::of(from.rest);
    let mut counted_from = 0;
    let parsed = match kind {
        kind::STRING => return begin_text(from),
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => {
            return Ok(Stage::Stream(Box::new(stream::Reading::new(kind))));
        }
        kind::LIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
            Parsed::List { elements: elements(from), nodes: 0 }
        }
        kind::SET => Parsed::Set { members: elements(from), form: Form::Table },
        kind::ZSET | kind::ZSET_2 => Parsed::Zset { members: elements(from), scores: Vec::new() },
        kind::HASH | kind::HASH_TIMED | kind::HASH_TIMED_RC | kind::HASH_TIMED_VALKEY => {
            if kind == kind::HASH_TIMED {
                counted_from = u64::from_le_bytes(*from.take()?);
            }
            Parsed::Hash { pairs: elements(from), deadlines: Vec::new(), form: Form::Table }
        }
        _ => return packed(kind, from).map(Stage::Whole),
    };
    let left = from.len()?;
    let mut each = Each { kind, parsed, counted_from };
    each.expect(left, from.rest.len());
    Ok(Stage::Each(left, each))
}

/// A string by itself: its bytes come later.
fn begin_text(from: &mut Reader<'_>) -> Result<Stage, BadData> {
    let mut ahead = Reader { rest: from.rest };
    let stage = match ahead.len_or_encoding()? {
        Len::Plain(len) => {
            let len = usize::try_from(len).ok().filter(|&len| len <= ahead.rest.len()).ok_or(BadData)?;
            Stage::Text(len, Vec::with_capacity(len))
        }
        Len::Encoded(3) => {
            let (short, long) = (ahead.len()?, ahead.len()?);
            let short = usize::try_from(short).ok().filter(|&len| len <= ahead.rest.len()).ok_or(BadData)?;
            let long = usize::try_from(long).map_err(|_| BadData)?;
            Stage::Packed(short, lzf::Inflating::new(short, long), long)
        }
        Len::Encoded(_) => return Ok(Stage::Whole(Parsed::String(from.string()?.into_owned()))),
    };
    *from = ahead;
    Ok(stage)
}

impl Each {
    /// There are `count` elements, if the `bytes` that are left hold as many.
    fn expect(&mut self, count: u64, bytes: usize) {
        let room = |most: usize| usize::try_from(count).unwrap_or(most).min(most);
        match (&mut self.parsed, self.kind) {
            // A member has a byte at least, a score eight.
            (Parsed::Zset { scores, .. }, kind::ZSET_2) => scores.reserve_exact(room(bytes / 9)),
            (Parsed::Zset { scores, .. }, _) => scores.reserve_exact(room(bytes / 2)),
            (Parsed::Hash { deadlines, .. }, kind) if kind != kind::HASH => deadlines.reserve_exact(room(bytes / 3)),
            _ => {}
        }
    }

    /// Reads the next; how many elements that was.
    fn one(&mut self, from: &mut Reader<'_>) -> Result<usize, BadData> {
        let kind = self.kind;
        match &mut self.parsed {
            Parsed::List { elements, .. } if kind == kind::LIST => elements.push(&from.string()?),
            Parsed::List { elements, nodes } => {
                let count = node(kind, from, elements)?;
                // Redis passes over empty nodes.
                *nodes += usize::from(count > 0);
                return Ok(count);
            }
            Parsed::Set { members, .. } => members.push(&from.string()?),
            Parsed::Zset { members, scores } => {
                members.push(&from.string()?);
                let score = if kind == kind::ZSET { from.text_double()? } else { f64::from_le_bytes(*from.take()?) };
                if score.is_nan() {
                    return Err(BadData);
                }
                scores.push(score);
            }
            Parsed::Hash { pairs, deadlines, .. } => {
                // Redis, rdb.c of 7.4: how much later the deadline is than the earliest, and one more, or 0; in the release candidates:
                // the deadline.
                let told = if let kind::HASH_TIMED | kind::HASH_TIMED_RC = kind { from.len()? } else { 0 };
                pairs.push(&from.string()?);
                pairs.push(&from.string()?);
                let deadline = match kind {
                    kind::HASH => return Ok(2),
                    // Valkey, rdb.c of 9.0, RDB_TYPE_HASH_2: in eight bytes, -1 for none.
                    kind::HASH_TIMED_VALKEY => match i64::from_le_bytes(*from.take()?) {
                        -1 => 0,
                        // Due since before 1970; 0 would be none.
                        told => told.max(1) as u64,
                    },
                    kind::HASH_TIMED if told > 0 => self.counted_from.checked_add(told - 1).ok_or(BadData)?,
                    _ => told,
                };
                deadlines.push(good_deadline(deadline)?);
                return Ok(2);
            }
            Parsed::String(_) | Parsed::Stream(_) => unreachable!("read in other ways"),
        }
        Ok(1)
    }
}

/// Redis, ebuckets.h, EB_EXPIRE_TIME_MAX: 48 bits.
fn good_deadline(deadline: u64) -> Result<u64, BadData> {
    if deadline >> 48 == 0 { Ok(deadline) } else { Err(BadData) }
}

/// A node of a quicklist; how many elements it has.
fn node(kind: u8, from: &mut Reader<'_>, elements: &mut Elements) -> Result<usize, BadData> {
    let alone = kind == kind::LIST_QUICKLIST_2
        && match from.len()? {
            1 => true,
            2 => false,
            _ => return Err(BadData),
        };
    let node = from.string()?;
    if alone {
        elements.push(&node);
        Ok(1)
    } else if kind == kind::LIST_QUICKLIST {
        old::read_ziplist(&node, |text| elements.push(text))
    } else {
        pieces::read_listpack(&node, |text| elements.push(text))
    }
}

/// A collection in one string.
fn packed(kind: u8, from: &mut Reader<'_>) -> Result<Parsed, BadData> {
    match kind {
        kind::LIST_ZIPLIST => {
            let mut elements = Elements::default();
            old::read_ziplist(&from.string()?, |text| elements.push(text))?;
            // Redis leaves it a quicklist, however short.
            Ok(Parsed::List { elements, nodes: usize::MAX })
        }
        kind::SET_INTSET => {
            let mut members = Elements::default();
            pieces::read_intset(&from.string()?, |n| members.push_number(n))?;
            Ok(Parsed::Set { members, form: Form::Ints })
        }
        kind::SET_LISTPACK => {
            let mut members = Elements::default();
            pieces::read_listpack(&from.string()?, |text| members.push(text))?;
            Ok(Parsed::Set { members, form: Form::Packed })
        }
        kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => zset(kind, from),
        kind::HASH_ZIPMAP | kind::HASH_ZIPLIST | kind::HASH_LISTPACK => hash(kind, from),
        kind::HASH_TIMED_LISTPACK | kind::HASH_TIMED_LISTPACK_RC => timed_hash(kind, from),
        _ => Err(BadData),
    }
}

fn zset(kind: u8, from: &mut Reader<'_>) -> Result<Parsed, BadData> {
    let (mut members, mut scores) = (Elements::default(), Vec::new());
    let pack = from.string()?;
    let (mut is_score, mut bad) = (false, false);
    let visit = |text: &[u8]| {
        if is_score {
            let score = parse_f64(text);
            bad |= score.is_none();
            scores.push(score.unwrap_or(0.0));
        } else {
            members.push(text);
        }
        is_score = !is_score;
    };
    if kind == kind::ZSET_ZIPLIST { old::read_ziplist(&pack, visit) } else { pieces::read_listpack(&pack, visit) }?;
    if bad || is_score { Err(BadData) } else { Ok(Parsed::Zset { members, scores }) }
}

fn hash(kind: u8, from: &mut Reader<'_>) -> Result<Parsed, BadData> {
    let mut pairs = Elements::default();
    let pack = from.string()?;
    let visit = |text: &[u8]| pairs.push(text);
    match kind {
        kind::HASH_ZIPMAP => old::read_zipmap(&pack, visit)?,
        kind::HASH_ZIPLIST => old::read_ziplist(&pack, visit)?,
        _ => pieces::read_listpack(&pack, visit)?,
    };
    if pairs.count % 2 == 0 {
        Ok(Parsed::Hash { pairs, deadlines: Vec::new(), form: Form::Packed })
    } else {
        Err(BadData)
    }
}

/// Redis, rdb.c of 7.4: the earliest deadline first (not in its release candidates), then a listpack of field, value, deadline.
fn timed_hash(kind: u8, from: &mut Reader<'_>) -> Result<Parsed, BadData> {
    let (mut pairs, mut deadlines) = (Elements::default(), Vec::new());
    if kind == kind::HASH_TIMED_LISTPACK {
        from.take::<8>()?;
    }
    let (mut part, mut bad) = (0, false);
    pieces::read_listpack(&from.string()?, |text| {
        if part == 2 {
            let deadline = pack::number(text).and_then(|n| u64::try_from(n).ok()).map(good_deadline);
            bad |= !matches!(deadline, Some(Ok(_)));
            deadlines.push(deadline.and_then(Result::ok).unwrap_or(0));
        } else {
            pairs.push(text);
        }
        part = (part + 1) % 3;
    })?;
    if bad || part != 0 { Err(BadData) } else { Ok(Parsed::Hash { pairs, deadlines, form: Form::Packed }) }
}

/// What is left of a body.
pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
}

/// A length, or what stands in place of one.
enum Len {
    Plain(u64),
    /// A string in another form.
    Encoded(u8),
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, BadData> {
        Ok(self.take::<1>()?[0])
    }

    pub fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], BadData> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(BadData)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn bytes(&mut self, len: u64) -> Result<&'a [u8], BadData> {
        let len = usize::try_from(len).map_err(|_| BadData)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(BadData)?;
        self.rest = rest;
        Ok(taken)
    }

    /// rdb.c, rdbLoadLenByRef
    fn len_or_encoding(&mut self) -> Result<Len, BadData> {
        let head = self.byte()?;
        Ok(match head >> 6 {
            0 => Len::Plain((head & 0x3F).into()),
            1 => Len::Plain(u64::from(head & 0x3F) << 8 | u64::from(self.byte()?)),
            3 => Len::Encoded(head & 0x3F),
            _ if head == 0x80 => Len::Plain(u32::from_be_bytes(*self.take()?).into()),
            _ if head == 0x81 => Len::Plain(u64::from_be_bytes(*self.take()?)),
            _ => return Err(BadData),
        })
    }

    pub fn len(&mut self) -> Result<u64, BadData> {
        match self.len_or_encoding()? {
            Len::Plain(len) => Ok(len),
            Len::Encoded(_) => Err(BadData),
        }
    }

    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, BadData> {
        let n: i64 = match self.len_or_encoding()? {
            Len::Plain(len) => return Ok(Cow::Borrowed(self.bytes(len)?)),
            Len::Encoded(0) => i8::from_le_bytes(*self.take()?).into(),
            Len::Encoded(1) => i16::from_le_bytes(*self.take()?).into(),
            Len::Encoded(2) => i32::from_le_bytes(*self.take()?).into(),
            Len::Encoded(3) => {
                let (short, long) = (self.len()?, self.len()?);
                let long = usize::try_from(long).map_err(|_| BadData)?;
                return lzf::decompress(self.bytes(short)?, long).map(Cow::Owned);
            }
            Len::Encoded(_) => return Err(BadData),
        };
        Ok(Cow::Owned(pack::write_number(n, &mut [0; 20]).to_vec()))
    }

    /// rdb.c, rdbLoadDoubleValue
    fn text_double(&mut self) -> Result<f64, BadData> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Ok(f64::NAN),
            len => parse_f64(self.bytes(len.into())?).ok_or(BadData),
        }
    }
}
