//! Room: store. Where a value ends, found without decoding it: the shape of each type's body, and what walks it over bytes that
//! come piece by piece. Touches: nothing beyond this crate.
//!
//! A walk never looks at a byte twice and steps over strings without a look at them, so a value of any size costs no more in
//! pieces than whole. No length is believed for more than where the next part would begin. Source: rdbLoadObject in rdb.c of Redis
//! 7.2 and 7.4, rdbLoadCheckModuleValue for modules.

use super::super::kind;

/// A part of a body.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// So many bytes.
    Bytes(u64),
    Len,
    /// A string in any form.
    Text,
    /// A score as old files have it: a length of one byte, of which three mean no text, and text.
    Score,
    /// A length, and these parts as often as it says.
    Times(&'static [Part]),
    /// What a module has written: parts, each with an opcode before it, up to the one for the end.
    Module,
}

use Part::{Bytes, Len, Module, Score, Text, Times};

const ONE: &[Part] = &[Text];
const TEXTS: &[Part] = &[Times(&[Text])];
const PAIRS: &[Part] = &[Times(&[Text, Text])];

/// The parts of a body of this type; None: there is no such type, or its end cannot be found.
pub fn of(kind: u8) -> Option<&'static [Part]> {
    /// Both parts of an id.
    const ID: Part = Bytes(16);
    /// Its id, when it was delivered, how often.
    const NACKS: Part = Times(&[ID, Bytes(8), Len]);
    Some(match kind {
        kind::STRING
        | kind::HASH_ZIPMAP
        | kind::LIST_ZIPLIST
        | kind::SET_INTSET
        | kind::ZSET_ZIPLIST
        | kind::HASH_ZIPLIST
        | kind::HASH_LISTPACK
        | kind::ZSET_LISTPACK
        | kind::SET_LISTPACK
        | kind::HASH_TIMED_LISTPACK_RC => ONE,
        kind::LIST | kind::SET | kind::LIST_QUICKLIST => TEXTS,
        kind::HASH => PAIRS,
        kind::ZSET => &[Times(&[Text, Score])],
        kind::ZSET_2 => &[Times(&[Text, Bytes(8)])],
        kind::LIST_QUICKLIST_2 => &[Times(&[Len, Text])],
        kind::HASH_TIMED_RC => &[Times(&[Len, Text, Text])],
        kind::HASH_TIMED => &[Bytes(8), Times(&[Len, Text, Text])],
        kind::HASH_TIMED_LISTPACK => &[Bytes(8), Text],
        kind::HASH_TIMED_VALKEY => &[Times(&[Text, Text, Bytes(8)])],
        // Nodes, length, last id; then groups: name, last id, pending, consumers: name, seen, pending.
        kind::STREAM => &[
            Times(&[Text, Text]),
            Len,
            Len,
            Len,
            Times(&[Text, Len, Len, NACKS, Times(&[Text, Bytes(8), Times(&[ID])])]),
        ],
        // First id, highest deleted id, entries added; how much a group has read.
        kind::STREAM_2 => &[
            Times(&[Text, Text]),
            Len,
            Len,
            Len,
            Len,
            Len,
            Len,
            Len,
            Len,
            Times(&[Text, Len, Len, Len, NACKS, Times(&[Text, Bytes(8), Times(&[ID])])]),
        ],
        // When a consumer was active.
        kind::STREAM_3 => &[
            Times(&[Text, Text]),
            Len,
            Len,
            Len,
            Len,
            Len,
            Len,
            Len,
            Len,
            Times(&[Text, Len, Len, Len, NACKS, Times(&[Text, Bytes(16), Times(&[ID])])]),
        ],
        kind::MODULE => MODULE,
        _ => return None,
    })
}

/// The module's id, what it has written.
pub const MODULE: &[Part] = &[Len, Module];
/// Of Valkey: the name of a job, ranges of slots.
pub const SLOT_IMPORT: &[Part] = &[Text, Times(&[Len, Len])];

/// Parts that are still to be walked, and how often after the present time.
#[derive(Debug)]
struct Todo {
    parts: &'static [Part],
    next: usize,
    more: u64,
}

/// A walk over a body.
#[derive(Default, Debug)]
pub struct Walk {
    /// Where the next part begins: bytes from the start of the body. May lie behind what has come.
    at: u64,
    todo: Vec<Todo>,
}

/// The bytes cannot be a body: where that was seen, from its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Astray {
    pub at: u64,
}

/// A length as rdbLoadLenByRef reads it.
pub enum Length {
    Plain(u64),
    /// The string is in another form: this one.
    Encoded(u8),
}

/// The length at the start of `bytes`, and how many it takes. Ok(None): there are too few.
pub fn length(bytes: &[u8]) -> Result<Option<(Length, usize)>, ()> {
    let Some(&head) = bytes.first() else { return Ok(None) };
    let big = |width: usize| {
        let part = bytes.get(1..=width)?;
        Some(part.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    };
    Ok(match head {
        0..=0x3F => Some((Length::Plain(head.into()), 1)),
        0x40..=0x7F => big(1).map(|low| (Length::Plain(u64::from(head & 0x3F) << 8 | low), 2)),
        0x80 => big(4).map(|n| (Length::Plain(n), 5)),
        0x81 => big(8).map(|n| (Length::Plain(n), 9)),
        0xC0..=0xC3 => Some((Length::Encoded(head & 0x3F), 1)),
        _ => return Err(()),
    })
}

impl Walk {
    pub fn new(parts: &'static [Part]) -> Walk {
        Walk { at: 0, todo: vec![Todo { parts, next: 0, more: 0 }] }
    }

    /// How far the walk has come; what lies before it is part of the body.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Goes on over `body`, what has come of it. Its length, when its end is known and has come.
    pub fn go(&mut self, body: &[u8]) -> Result<Option<u64>, Astray> {
        while let Some(todo) = self.todo.last_mut() {
            // Else parts of a fixed length could be stepped over for as long as a count claims.
            if self.at > body.len() as u64 {
                return Ok(None);
            }
            let Some(&part) = todo.parts.get(todo.next) else {
                if todo.more > 0 {
                    (todo.more, todo.next) = (todo.more - 1, 0);
                } else {
                    self.todo.pop();
                }
                continue;
            };
            let astray = Astray { at: self.at };
            // Behind what has come: nothing to be seen there.
            let rest = usize::try_from(self.at).ok().and_then(|at| body.get(at..)).unwrap_or(&[]);
            let len = |from: &[u8]| match length(from) {
                Ok(Some((Length::Plain(n), width))) => Ok(Some((n, width as u64))),
                Ok(Some(_)) | Err(()) => Err(astray),
                Ok(None) => Ok(None),
            };
            let bytes = match part {
                Bytes(count) => Some(count),
                Len => len(rest)?.map(|(_, width)| width),
                Text => text_bytes(rest).map_err(|()| astray)?,
                Score => rest.first().map(|&head| if head < 253 { 1 + u64::from(head) } else { 1 }),
                Times(parts) => {
                    let Some((count, width)) = len(rest)? else { return Ok(None) };
                    todo.next += 1;
                    self.at += width;
                    if count > 0 {
                        self.todo.push(Todo { parts, next: 0, more: count - 1 });
                    }
                    continue;
                }
                Module => {
                    let Some((opcode, width)) = len(rest)? else { return Ok(None) };
                    let behind = &rest[width as usize..];
                    let bytes = match opcode {
                        0 => {
                            todo.next += 1;
                            Some(0)
                        }
                        1 | 2 => len(behind)?.map(|(_, width)| width),
                        3 => Some(4),
                        4 => Some(8),
                        5 => text_bytes(behind).map_err(|()| astray)?,
                        _ => return Err(astray),
                    };
                    let Some(bytes) = bytes else { return Ok(None) };
                    self.at = self.at.checked_add(width).and_then(|at| at.checked_add(bytes)).ok_or(astray)?;
                    continue;
                }
            };
            let Some(bytes) = bytes else { return Ok(None) };
            self.at = self.at.checked_add(bytes).ok_or(astray)?;
            todo.next += 1;
        }
        Ok((self.at <= body.len() as u64).then_some(self.at))
    }
}

/// How many bytes a string takes, of which these are the first. Ok(None): too few have come to know.
pub fn text_bytes(bytes: &[u8]) -> Result<Option<u64>, ()> {
    let Some((head, width)) = length(bytes)? else { return Ok(None) };
    let (bytes, width) = (&bytes[width..], width as u64);
    Ok(match head {
        Length::Plain(len) => Some(width.checked_add(len).ok_or(())?),
        // 8, 16 and 32 bits.
        Length::Encoded(form @ 0..=2) => Some(width + (1 << form)),
        Length::Encoded(_) => {
            let Some((Length::Plain(packed), first)) = length(bytes)? else { return short(bytes) };
            let Some((Length::Plain(_), second)) = length(&bytes[first..])? else { return short(&bytes[first..]) };
            Some((width + (first + second) as u64).checked_add(packed).ok_or(())?)
        }
    })
}

/// A length that is not plain is none at all; too few bytes are no mistake.
fn short(bytes: &[u8]) -> Result<Option<u64>, ()> {
    if length(bytes)?.is_some() { Err(()) } else { Ok(None) }
}
