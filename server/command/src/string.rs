//! Room: command. Strings: reads, writes in place, counters. SET and its kin, several keys at once and LCS have files of
//! their own. Touches: base, store.
//! Source of every order of checks and every edge: t_string.c of Redis 7.2.

mod lcs;
mod many;
mod rows;
mod set;

pub use lcs::{LCS, lcs};
pub use many::{MGET, MSET, MSETNX, mget, mset, msetnx};
pub use rows::STRING;
pub use set::{get, getdel, getex, getset, psetex, set, setex, setnx};

use crate::context::Ctx;
use crate::keep::{lookup, missed, or_fault, told_string};
use base::number::{Extended, parse_i64};
use base::{Args, Fault, Reply};
use store::{Deadline, Encoding, Entry, Put, Value};

/// The entry, if it holds a string.
pub(crate) fn string(entry: Entry<'_>) -> Result<Entry<'_>, Fault> {
    if entry.is_string() { Ok(entry) } else { Err(Fault::WrongType) }
}

/// Speaks a string as a bulk, lent where it may be.
pub(crate) fn speak(entry: Entry<'_>, reply: &mut dyn Reply) {
    match entry.value() {
        Value::Inline(bytes) => reply.bulk(bytes),
        Value::Shared(bytes) => reply.shared(bytes.clone()),
    }
}

/// APPEND key value
pub fn append(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let (limit, suffix) = (ctx.limits.value_bytes_max, &args[2]);
    let mut cell = lookup(ctx, &args[1]);
    let Some(entry) = cell.entry() else {
        cell.put(suffix, Put::default());
        told_string(ctx, true, "append", &args[1]);
        return reply.int(suffix.len() as i64);
    };
    let length = or_fault!(string(entry), reply).bytes().len();
    or_fault!(check_length(length, suffix.len(), limit), reply);
    reply.int(cell.append(suffix, Encoding::Raw) as i64);
    told_string(ctx, false, "append", &args[1]);
}

/// The length that a string would have, if the limit lets it.
fn check_length(before: usize, more: usize, limit: usize) -> Result<usize, Fault> {
    before.checked_add(more).filter(|&n| n <= limit).ok_or(Fault::StringTooLong)
}

/// STRLEN key
pub fn strlen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match ctx.store.read(ctx.db, &args[1], ctx.now_ms, !ctx.no_touch) {
        None => {
            missed(ctx, &args[1]);
            reply.int(0);
        }
        Some(entry) => reply.int(or_fault!(string(entry), reply).bytes().len() as i64),
    }
}

/// GETRANGE key start end, SUBSTR key start end
pub fn getrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let start = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    let end = or_fault!(parse_i64(&args[3]).ok_or(Fault::NotInteger), reply);
    let Some(entry) = ctx.store.read(ctx.db, &args[1], ctx.now_ms, !ctx.no_touch) else {
        missed(ctx, &args[1]);
        return reply.bulk(b"");
    };
    let entry = or_fault!(string(entry), reply);
    match (range(start, end, entry.bytes().len()), entry.value()) {
        (None, _) => reply.bulk(b""),
        (Some((from, to)), Value::Inline(bytes)) => reply.bulk(&bytes[from..to]),
        (Some((from, to)), Value::Shared(bytes)) => reply.shared(bytes.slice(from..to)),
    }
}

/// The bytes from `start` to `end`, both included, negative ones counted from the end of `length` bytes.
fn range(start: i64, end: i64, length: usize) -> Option<(usize, usize)> {
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let length = length as i64;
    let from = if start < 0 { start.saturating_add(length).max(0) } else { start };
    let to = if end < 0 { end.saturating_add(length).max(0) } else { end };
    let to = to.min(length - 1);
    (length > 0 && from <= to).then(|| (from as usize, to as usize + 1))
}

/// SETRANGE key offset value
pub fn setrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let offset = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    let offset = or_fault!(usize::try_from(offset).map_err(|_| Fault::OffsetOutOfRange), reply);
    let (limit, patch) = (ctx.limits.value_bytes_max, &args[3]);
    let mut cell = lookup(ctx, &args[1]);
    let length = match cell.entry() {
        None => 0,
        Some(entry) => or_fault!(string(entry), reply).bytes().len(),
    };
    if patch.is_empty() {
        return reply.int(length as i64);
    }
    or_fault!(check_length(offset, patch.len(), limit), reply);
    let new = cell.entry().is_none();
    reply.int(cell.patch(offset, patch) as i64);
    told_string(ctx, new, "setrange", &args[1]);
}

/// INCR key
pub fn incr(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    add(ctx, &args[1], 1, reply);
}

/// DECR key
pub fn decr(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    add(ctx, &args[1], -1, reply);
}

/// INCRBY key increment
pub fn incrby(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let delta = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    add(ctx, &args[1], delta, reply);
}

/// DECRBY key decrement
pub fn decrby(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let delta = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    let delta = or_fault!(delta.checked_neg().ok_or(Fault::Text("ERR decrement would overflow".into())), reply);
    add(ctx, &args[1], delta, reply);
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], delta: i64, reply: &mut dyn Reply) {
    let mut cell = lookup(ctx, key);
    let new = cell.entry().is_none();
    let (before, flags) = match cell.entry() {
        None => (0, 0),
        Some(entry) => {
            let entry = or_fault!(string(entry), reply);
            (or_fault!(parse_i64(entry.bytes()).ok_or(Fault::NotInteger), reply), entry.flags())
        }
    };
    let after = or_fault!(before.checked_add(delta).ok_or(Fault::Overflow), reply);
    cell.put(
        itoa::Buffer::new().format(after).as_bytes(),
        Put { deadline: Deadline::Keep, flags, encoding: Encoding::Auto },
    );
    told_string(ctx, new, "incrby", key);
    reply.int(after);
}

/// INCRBYFLOAT key increment
pub fn incrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut cell = lookup(ctx, &args[1]);
    let new = cell.entry().is_none();
    let (before, flags) = match cell.entry() {
        None => (Extended::ZERO, 0),
        Some(entry) => {
            let entry = or_fault!(string(entry), reply);
            // What parses as an integer is exact: 64 bits of mantissa hold it.
            (or_fault!(Extended::parse(entry.bytes()).ok_or(Fault::NotFloat), reply), entry.flags())
        }
    };
    let delta = or_fault!(Extended::parse(&args[2]).ok_or(Fault::NotFloat), reply);
    let sum = or_fault!(before.add(delta).ok_or(Fault::NanOrInfinity), reply);
    let mut text = Vec::new();
    sum.push_human(&mut text);
    cell.put(&text, Put { deadline: Deadline::Keep, flags, encoding: Encoding::Text });
    told_string(ctx, new, "incrbyfloat", &args[1]);
    reply.bulk(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GETRANGE by the book: each byte is in or out.
    fn slow(start: i64, end: i64, length: usize) -> Vec<usize> {
        let n = length as i128;
        let place = |i: i64| if i < 0 { i as i128 + n } else { i as i128 };
        (0..length).filter(|&i| (place(start).max(0)..=place(end).max(0)).contains(&(i as i128))).collect()
    }

    #[test]
    fn ranges_equal_the_slow_ones() {
        let edges = [i64::MIN, i64::MIN + 1, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, i64::MAX];
        for length in 0..5 {
            for start in edges {
                for end in edges {
                    if start < 0 && end < 0 && start > end {
                        assert_eq!(range(start, end, length), None);
                        continue;
                    }
                    let fast = range(start, end, length).map_or(vec![], |(a, b)| (a..b).collect());
                    assert_eq!(fast, slow(start, end, length), "{start} {end} of {length}");
                }
            }
        }
    }
}
