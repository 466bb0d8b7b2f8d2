//! Room: store. RDB bodies taken apart. Nothing in them is trusted: a length is believed as far as there are bytes for it.
//! Touches: base.

use super::{BadData, kind, lzf, old, pieces, stream};
use crate::pack::{self, Digits, Item};
use crate::stream::Stream;
use base::number::parse_f64;
use std::borrow::Cow;

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
}

impl Elements {
    fn push(&mut self, text: &[u8]) {
        pack::push::<false>(&mut self.pack, text);
        self.count += 1;
    }

    /// Each element's text in turn.
    pub fn each(&self, mut visit: impl FnMut(&[u8])) {
        let mut digits: Digits = [0; 20];
        pack::iter::<false>(&self.pack).for_each(|(_, item)| visit(item.text(&mut digits)));
    }

    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        pack::iter::<false>(&self.pack).map(|(_, item)| item)
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
    let mut from = Reader { rest: bytes };
    let kind = from.byte()?;
    match kind {
        kind::STRING => Ok(Parsed::String(from.string()?.into_owned())),
        kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => list(kind, &mut from),
        kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => set(kind, &mut from),
        kind::ZSET | kind::ZSET_2 | kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => zset(kind, &mut from),
        kind::HASH | kind::HASH_ZIPMAP | kind::HASH_ZIPLIST | kind::HASH_LISTPACK => hash(kind, &mut from),
        kind::HASH_TIMED_RC | kind::HASH_TIMED_LISTPACK_RC | kind::HASH_TIMED | kind::HASH_TIMED_LISTPACK => {
            timed_hash(kind, &mut from)
        }
        kind::HASH_TIMED_VALKEY => valkey_hash(&mut from),
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => stream::read(kind, &mut from),
        _ => Err(BadData),
    }
}

fn list(kind: u8, from: &mut Reader<'_>) -> Result<Parsed, BadData> {
    let (mut elements, mut nodes) = (Elements::default(), 0);
    match kind {
        kind::LIST => {
            for _ in 0..from.len()? {
                elements.push(&from.string()?);
            }
        }
        kind::LIST_ZIPLIST => {
            old::read_ziplist(&from.string()?, |text| elements.push(text))?;
            // Redis leaves it a quicklist, however short.
            nodes = usize::MAX;
        }
        _ => {
            for _ in 0..from.len()? {
                let alone = kind == kind::LIST_QUICKLIST_2
                    && match from.len()? {
                        1 => true,
                        2 => false,
                        _ => return Err(BadData),
                    };
                let node = from.string()?;
                let count = if alone {
                    elements.push(&node);
                    1
                } else if kind == kind::LIST_QUICKLIST {
                    old::read_ziplist(&node, |text| elements.push(text))?
                } else {
                    pieces::read_listpack(&node, |text| elements.push(text))?
                };
                // Redis passes over empty nodes.
                nodes += usize::from(count > 0);
            }
        }
    }
    Ok(Parsed::List { elements, nodes })
}

fn set(kind: u8, from: &mut Reader<'_>) -> Result<Parsed, BadData> {
    let mut members = Elements::default();
    let form = match kind {
        kind::SET => {
            for _ in 0..from.len()? {
                members.push(&from.string()?);
            }
            Form::Table
        }
        kind::SET_INTSET => {
            pieces::read_intset(&from.string()?, |n| {
                pack::push_item::<false>(&mut members.pack, Item::Number(n));
                members.count += 1;
            })?;
            Form::Ints
        }
        _ => {
            pieces::read_listpack(&from.string()?, |text| members.push(text))?;
            Form::Packed
        }
    };
    Ok(Parsed::Set { members, form })
}

fn zset(kind: u8, from: &mut Reader<'_>) -> Result<Parsed, BadData> {
    let (mut members, mut scores) = (Elements::default(), Vec::new());
    if let kind::ZSET | kind::ZSET_2 = kind {
        for _ in 0..from.len()? {
            members.push(&from.string()?);
            let score = if kind == kind::ZSET { from.text_double()? } else { f64::from_le_bytes(*from.take()?) };
            if score.is_nan() {
                return Err(BadData);
            }
            scores.push(score);
        }
        return Ok(Parsed::Zset { members, scores });
    }
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
    let form = if kind == kind::HASH {
        for _ in 0..from.len()? {
            pairs.push(&from.string()?);
            pairs.push(&from.string()?);
        }
        Form::Table
    } else {
        let pack = from.string()?;
        let visit = |text: &[u8]| pairs.push(text);
        match kind {
            kind::HASH_ZIPMAP => old::read_zipmap(&pack, visit)?,
            kind::HASH_ZIPLIST => old::read_ziplist(&pack, visit)?,
            _ => pieces::read_listpack(&pack, visit)?,
        };
        Form::Packed
    };
    if pairs.count % 2 == 0 { Ok(Parsed::Hash { pairs, deadlines: Vec::new(), form }) } else { Err(BadData) }
}

/// Redis, rdb.c of 7.4: the earliest deadline first (not in its release candidates), then for each field how much later
/// its deadline is, and one more, or 0 (in the release candidates: the deadline), field, value; or a listpack of field, value,
/// deadline.
fn timed_hash(kind: u8, from: &mut Reader<'_>) -> Result<Parsed, BadData> {
    let (mut pairs, mut deadlines) = (Elements::default(), Vec::new());
    let counted_from = match kind {
        kind::HASH_TIMED | kind::HASH_TIMED_LISTPACK => u64::from_le_bytes(*from.take()?),
        _ => 0,
    };
    let form = if let kind::HASH_TIMED | kind::HASH_TIMED_RC = kind {
        for _ in 0..from.len()? {
            let told = from.len()?;
            deadlines.push(match told {
                0 => 0,
                told if kind == kind::HASH_TIMED => counted_from.checked_add(told - 1).ok_or(BadData)?,
                told => told,
            });
            pairs.push(&from.string()?);
            pairs.push(&from.string()?);
        }
        Form::Table
    } else {
        let (mut part, mut bad) = (0, false);
        pieces::read_listpack(&from.string()?, |text| {
            if part == 2 {
                let deadline = pack::number(text).and_then(|n| u64::try_from(n).ok());
                bad |= deadline.is_none();
                deadlines.push(deadline.unwrap_or(0));
            } else {
                pairs.push(text);
            }
            part = (part + 1) % 3;
        })?;
        if bad || part != 0 {
            return Err(BadData);
        }
        Form::Packed
    };
    // Redis, ebuckets.h, EB_EXPIRE_TIME_MAX: 48 bits.
    if deadlines.iter().any(|&deadline| deadline >> 48 != 0) {
        return Err(BadData);
    }
    Ok(Parsed::Hash { pairs, deadlines, form })
}

/// Valkey, rdb.c of 9.0, RDB_TYPE_HASH_2: field, value, deadline in eight bytes, -1 for none.
fn valkey_hash(from: &mut Reader<'_>) -> Result<Parsed, BadData> {
    let (mut pairs, mut deadlines) = (Elements::default(), Vec::new());
    for _ in 0..from.len()? {
        pairs.push(&from.string()?);
        pairs.push(&from.string()?);
        deadlines.push(match i64::from_le_bytes(*from.take()?) {
            -1 => 0,
            // Due since before 1970; 0 would be none.
            told => told.max(1) as u64,
        });
    }
    if deadlines.iter().any(|&deadline| deadline >> 48 != 0) {
        return Err(BadData);
    }
    Ok(Parsed::Hash { pairs, deadlines, form: Form::Table })
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
