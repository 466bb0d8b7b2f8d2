//! Room: command. Streams: ids and what all commands share. What adds, what reads a range, what reads several streams and waits,
//! groups, what is pending, and what is told about a stream have files of their own. Touches: base, store.
//! Source of every order of checks and every edge: t_stream.c of Redis 7.2.

mod add;
mod draw;
mod group;
mod ids;
mod info;
mod pending;
mod range;
mod read;
mod rows;

pub use add::{xadd, xsetid, xtrim};
pub use group::{create, create_consumer, delete_consumer, destroy, set_id};
pub use ids::{xack, xdel};
pub use info::{consumers, groups, stream};
pub use pending::{xautoclaim, xclaim, xpending};
pub use range::{xlen, xrange, xrevrange};
pub use read::{XREAD, XREADGROUP, find_keys};
pub use rows::{STREAM, XGROUP, XINFO};

use crate::context::{Class, Ctx};
use crate::keep::{lookup, or_fault};
use base::number::{parse_i64, parse_u64};
use base::{Args, Fault, Reply};
use draw::Drawn;
use store::stream::{Id, Stream};
use store::{Cell, Kind};

/// Entries that one slice speaks, or changes: some 100 µs.
const SLICE: usize = 1_000;
/// Bytes that one slice copies.
const SLICE_BYTES: usize = 256 << 10;
/// Nodes that one slice frees or counts.
const SLICE_NODES: usize = 500;

/// The stream at `key` for a command that reads it.
#[inline]
fn read<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<&'a Stream>, Fault> {
    match ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch) {
        Some(entry) => entry.stream().map(Some).ok_or(Fault::WrongType),
        None => {
            if ctx.events.wanted & Class::MISS != 0 {
                let event = crate::context::Event { db: ctx.db, class: Class::MISS, event: "keymiss", key: key.into() };
                ctx.events.happened.push(event);
            }
            Ok(None)
        }
    }
}

/// The same for a walk that goes on: its key is locked and was seen to be a stream.
fn again<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Option<&'a Stream> {
    ctx.store.peek(ctx.db, key, ctx.now_ms).and_then(|entry| entry.stream())
}

/// The place of a stream for a command that may write; whether there is one.
#[inline]
fn place<'a>(ctx: &'a mut Ctx<'_>, key: &'a [u8]) -> Result<(Cell<'a>, bool), Fault> {
    let cell = lookup(ctx, key);
    match cell.kind() {
        None => Ok((cell, false)),
        Some(Kind::Stream) => Ok((cell, true)),
        Some(_) => Err(Fault::WrongType),
    }
}

/// The place of a stream whose key was looked up already.
fn cell<'a>(ctx: &'a mut Ctx<'_>, key: &'a [u8]) -> Cell<'a> {
    ctx.store.cell(ctx.db, key, ctx.now_ms)
}

fn speak_id(id: Id, reply: &mut dyn Reply) {
    reply.bulk(id.text(&mut [0; 41]));
}

/// What C sees of a text: up to a zero byte.
fn c_text(word: &[u8]) -> &[u8] {
    word.split(|&b| b == 0).next().unwrap_or(word)
}

/// How an error shows a text.
fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(c_text(word)).replace(['\r', '\n'], " ")
}

/// Of a container's subcommand.
fn subcommand_fault(args: Args<'_>) -> Fault {
    let sub = shown(&args[1][..args[1].len().min(128)]);
    let container = shown(&args[0]).to_ascii_uppercase();
    Fault::err(format!("unknown subcommand or wrong number of arguments for '{sub}'. Try {container} HELP."))
}

fn no_group(key: &[u8], group: &[u8]) -> Fault {
    Fault::Text(format!("NOGROUP No such key '{}' or consumer group '{}'", shown(key), shown(group)).into())
}

fn no_group_of_key(key: &[u8], group: &[u8]) -> Fault {
    Fault::Text(format!("NOGROUP No such consumer group '{}' for key name '{}'", shown(group), shown(key)).into())
}

/// util.c, `string2ull`: what is no plain number may still be one for `strtoull`.
fn c_u64(text: &[u8]) -> Option<u64> {
    if let Some(n) = parse_u64(text) {
        return Some(n);
    }
    if parse_i64(text).is_some() {
        return None;
    }
    let blank = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let text = &text[text.iter().position(|b| !blank(b))?..];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let n = digits.iter().try_fold(0u64, |n, b| {
        b.is_ascii_digit().then(|| n.checked_mul(10)?.checked_add(u64::from(b - b'0'))).flatten()
    })?;
    Some(if negative { n.wrapping_neg() } else { n })
}

fn invalid_id() -> Fault {
    Fault::err("Invalid stream ID specified as stream command argument")
}

/// t_stream.c, `streamGenericParseIDOrReply`: an id; whether its second number was left to the stream (`ms-*`, where that
/// may be). `missing`: the second number of an id that has none. `strict`: neither `-` nor `+`.
fn parse_any_id(word: &[u8], missing: u64, strict: bool, auto: bool) -> Result<(Id, bool), Fault> {
    if word.len() > 127 {
        return Err(invalid_id());
    }
    match c_text(word) {
        b"-" | b"+" if strict => Err(invalid_id()),
        b"-" => Ok((Id::MIN, false)),
        b"+" => Ok((Id::MAX, false)),
        text => {
            let mut parts = text.splitn(2, |&b| b == b'-');
            let ms = c_u64(parts.next().unwrap_or_default()).ok_or_else(invalid_id)?;
            match parts.next() {
                None => Ok((Id::new(ms, missing), false)),
                Some(b"*") if auto => Ok((Id::new(ms, 0), true)),
                Some(seq) => Ok((Id::new(ms, c_u64(seq).ok_or_else(invalid_id)?), false)),
            }
        }
    }
}

/// An id as most commands take it: neither `-` nor `+`.
#[inline]
fn parse_id(word: &[u8]) -> Result<Id, Fault> {
    parse_any_id(word, 0, true, false).map(|(id, _)| id)
}

/// One end of a range: `(` before it leaves it out.
fn parse_bound(word: &[u8], missing: u64) -> Result<(Id, bool), Fault> {
    match word {
        [b'(', id @ ..] if !id.is_empty() => Ok((parse_any_id(id, missing, true, false)?.0, true)),
        _ => Ok((parse_any_id(word, missing, false, false)?.0, false)),
    }
}

fn parse_start(word: &[u8]) -> Result<Id, Fault> {
    match parse_bound(word, 0)? {
        (id, false) => Ok(id),
        (id, true) => id.next().ok_or_else(|| Fault::err("invalid start ID for the interval")),
    }
}

fn parse_end(word: &[u8]) -> Result<Id, Fault> {
    match parse_bound(word, u64::MAX)? {
        (id, false) => Ok(id),
        (id, true) => id.before().ok_or_else(|| Fault::err("invalid end ID for the interval")),
    }
}

fn parse_int(word: &[u8]) -> Result<i64, Fault> {
    parse_i64(word).ok_or(Fault::NotInteger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtoull_does() {
        let cases: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"007", Some(7)),
            (b" 7", Some(7)),
            (b"+7", Some(7)),
            (b"-7", None),
            (b"-07", Some(7u64.wrapping_neg())),
            (b"7 ", None),
            (b"", None),
            (b" ", None),
            (b"-", None),
            (b"x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(c_u64(text), *expected, "{}", text.escape_ascii());
        }
    }
}
