//! Room: command. Bitmaps: single bits, counting and finding. Numbers inside strings and operations on several strings have files of
//! their own. Touches: base, store.
//! Source of every order of checks and every edge: bitops.c of Redis 7.2.

mod field;
mod operation;
mod rows;

pub use field::{bitfield, bitfield_ro};
pub use operation::BITOP;
pub use rows::BITMAP;

use crate::context::{Class, Ctx};
use crate::keep::{lookup, or_fault};
use crate::row::Walk;
use base::number::parse_i64;
use base::{Args, Fault, Reply};
use store::Encoding;

/// Bytes that one slice counts or looks through: some 100 µs.
const SLICE_BYTES: usize = 512 * 1024;

/// The string at `key` for a command that reads it.
fn string<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<&'a [u8]>, Fault> {
    match ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch) {
        Some(entry) if entry.is_string() => Ok(Some(entry.bytes())),
        Some(_) => Err(Fault::WrongType),
        None => {
            if ctx.events.wanted & Class::MISS != 0 {
                let event = crate::context::Event { db: ctx.db, class: Class::MISS, event: "keymiss", key: key.into() };
                ctx.events.happened.push(event);
            }
            Ok(None)
        }
    }
}

/// A bit's offset; `#` before it counts in numbers of `bits` bits.
fn parse_offset(word: &[u8], bits: Option<u32>, bytes_max: usize) -> Result<u64, Fault> {
    let offset = match (word, bits) {
        // Wraps as the product in Redis does.
        ([b'#', rest @ ..], Some(bits)) => parse_i64(rest).map(|n| n.wrapping_mul(i64::from(bits))),
        _ => parse_i64(word),
    };
    offset
        .and_then(|n| u64::try_from(n).ok())
        .filter(|n| n >> 3 < bytes_max as u64)
        .ok_or(Fault::Text("ERR bit offset is not an integer or out of range".into()))
}

/// SETBIT key offset value
pub fn setbit(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let offset = or_fault!(parse_offset(&args[2], None, ctx.limits.value_bytes_max), reply);
    let on = match &args[3] {
        b"0" => false,
        b"1" => true,
        _ => return reply.fault(&Fault::Text("ERR bit is not an integer or out of range".into())),
    };
    let key = args.at(1);
    let mut cell = lookup(ctx, key);
    let (at, mask) = ((offset >> 3) as usize, 0x80u8 >> (offset & 7));
    let (byte, grows, is_new) = match cell.entry() {
        None => (0, true, true),
        Some(entry) if entry.is_string() => {
            let byte = entry.bytes().get(at).copied();
            (byte.unwrap_or(0), byte.is_none(), false)
        }
        Some(_) => return reply.fault(&Fault::WrongType),
    };
    let was = byte & mask != 0;
    if grows || was != on {
        cell.patch(at, &[if on { byte | mask } else { byte & !mask }]);
        if is_new {
            ctx.notify(Class::NEW, "new", key);
        }
        ctx.notify(Class::STRING, "setbit", key);
    } else {
        // Redis has made it a string that can be changed.
        cell.set_encoding(Encoding::Raw);
    }
    reply.int(was.into());
}

/// GETBIT key offset
pub fn getbit(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let offset = or_fault!(parse_offset(&args[2], None, ctx.limits.value_bytes_max), reply);
    let string = or_fault!(string(ctx, &args[1]), reply);
    let byte = string.and_then(|s| s.get((offset >> 3) as usize).copied()).unwrap_or(0);
    reply.int(i64::from(byte >> (7 - (offset & 7)) & 1));
}

/// Whether the unit that word `at` names is the bit; without that word it is the byte.
fn counts_bits(args: Args<'_>, at: usize) -> Result<bool, Fault> {
    if args.get(at).is_none() || args.is(at, "BYTE") {
        Ok(false)
    } else if args.is(at, "BIT") {
        Ok(true)
    } else {
        Err(Fault::Syntax)
    }
}

/// Bits from the first to behind the last of a range whose ends are both included, negative ones counted from the end.
fn bits_of(start: i64, end: i64, bytes: usize, in_bits: bool) -> (usize, usize) {
    let len = if in_bits { bytes as i64 * 8 } else { bytes as i64 };
    let place = |i: i64| if i < 0 { (i + len).max(0) } else { i };
    let (start, end) = (place(start), place(end).min(len - 1));
    if start > end {
        return (0, 0);
    }
    let unit = if in_bits { 1 } else { 8 };
    (start as usize * unit, (end as usize + 1) * unit)
}

/// BITCOUNT key [start end [BYTE|BIT]]
pub fn bitcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let Some(string) = or_fault!(string(ctx, &args[1]), reply) else { return reply.int(0) };
    let (from, to) = match args.len() {
        2 => (0, string.len() * 8),
        4 | 5 => {
            let start = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
            let end = or_fault!(parse_i64(&args[3]).ok_or(Fault::NotInteger), reply);
            if start < 0 && end < 0 && start > end {
                return reply.int(0);
            }
            bits_of(start, end, string.len(), or_fault!(counts_bits(args, 4), reply))
        }
        _ => return reply.fault(&Fault::Syntax),
    };
    start(Count { from, to, count: 0 }, ctx, args, reply);
}

/// Does the first step of a walk, and leaves the rest.
fn start(mut walk: impl Walk + 'static, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if !walk.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(walk));
    }
}

/// The string of a walk that goes on.
fn string_again<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> &'a [u8] {
    ctx.store.peek(ctx.db, key, ctx.now_ms).filter(|entry| entry.is_string()).map_or(&[], |entry| entry.bytes())
}

/// Bits `from..to` of `bytes`, of which the others are cleared at both ends: whole bytes between the first and the last one.
fn masks(from: usize, to: usize) -> (usize, usize, u8, u8) {
    let (first, last) = (from / 8, (to - 1) / 8);
    (first, last, 0xFF >> (from % 8), 0xFFu8 << (7 - (to - 1) % 8))
}

/// Bits that are set among `from..to`.
fn count(bytes: &[u8], from: usize, to: usize) -> u64 {
    if from >= to {
        return 0;
    }
    let (first, last, left, right) = masks(from, to);
    if first == last {
        return u64::from((bytes[first] & left & right).count_ones());
    }
    let ends = (bytes[first] & left).count_ones() + (bytes[last] & right).count_ones();
    let (words, rest) = bytes[first + 1..last].as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let in_rest: u32 = rest.iter().map(|byte| byte.count_ones()).sum();
    u64::from(ends + in_rest) + in_words
}

/// The first bit among `from..to` that is `on`.
fn find(bytes: &[u8], from: usize, to: usize, on: bool) -> Option<usize> {
    if from >= to {
        return None;
    }
    let (first, last, left, right) = masks(from, to);
    // What is looked for is a set bit in the byte or in its complement.
    let flip = if on { 0 } else { 0xFFu8 };
    let seen = |at: usize, mask: u8| {
        let byte = (bytes[at] ^ flip) & mask;
        (byte != 0).then(|| at * 8 + byte.leading_zeros() as usize)
    };
    if first == last {
        return seen(first, left & right);
    }
    if let Some(bit) = seen(first, left) {
        return Some(bit);
    }
    let skip = if on { 0 } else { u64::MAX };
    let middle = &bytes[first + 1..last];
    let (words, _) = middle.as_chunks::<8>();
    let past = words.iter().position(|word| u64::from_ne_bytes(*word) != skip).unwrap_or(words.len()) * 8;
    (first + 1 + past..last).find_map(|at| seen(at, 0xFF)).or_else(|| seen(last, right))
}

struct Count {
    from: usize,
    to: usize,
    count: u64,
}

impl Walk for Count {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let string = string_again(ctx, &args[1]);
        let until = self.to.min(self.from + SLICE_BYTES * 8).min(string.len() * 8);
        self.count += count(string, self.from, until);
        self.from = self.from.max(until);
        if self.from < self.to && until < string.len() * 8 {
            return false;
        }
        reply.int(self.count as i64);
        true
    }
}

/// BITPOS key bit [start [end [BYTE|BIT]]]
pub fn bitpos(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let bit = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    if bit != 0 && bit != 1 {
        return reply.fault(&Fault::err("The bit argument must be 1 or 0."));
    }
    let on = bit == 1;
    // What is missing is zeros without an end.
    let Some(string) = or_fault!(string(ctx, &args[1]), reply) else { return reply.int(if on { -1 } else { 0 }) };
    let (from, to) = match args.len() {
        3 => (0, string.len() * 8),
        4..=6 => {
            let start = or_fault!(parse_i64(&args[3]).ok_or(Fault::NotInteger), reply);
            let in_bits = or_fault!(counts_bits(args, 5), reply);
            let end = match args.get(4) {
                Some(word) => or_fault!(parse_i64(word).ok_or(Fault::NotInteger), reply),
                None => -1,
            };
            bits_of(start, end, string.len(), in_bits)
        }
        _ => return reply.fault(&Fault::Syntax),
    };
    // Behind a string without a given end there are zeros, but not behind an empty range.
    let beyond = if !on && args.len() < 5 && from < to { to as i64 } else { -1 };
    start(Position { from, to, on, beyond }, ctx, args, reply);
}

struct Position {
    from: usize,
    to: usize,
    on: bool,
    /// What is replied when there is none.
    beyond: i64,
}

impl Walk for Position {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let string = string_again(ctx, &args[1]);
        let until = self.to.min(self.from + SLICE_BYTES * 8).min(string.len() * 8);
        if let Some(bit) = find(string, self.from, until, self.on) {
            reply.int(bit as i64);
            return true;
        }
        self.from = self.from.max(until);
        if self.from < self.to && until < string.len() * 8 {
            return false;
        }
        reply.int(self.beyond);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_and_finding_equal_the_slow_ones() {
        let mut seed = 7u64;
        let mut draw = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for round in 0..3000 {
            let len = draw() as usize % 40;
            let bytes: Vec<u8> = (0..len)
                .map(|_| match round % 3 {
                    0 => draw() as u8,
                    1 => 0xFF - u8::from(draw() % 20 == 0),
                    _ => u8::from(draw() % 20 == 0),
                })
                .collect();
            let bit = |i: usize| bytes[i / 8] >> (7 - i % 8) & 1 == 1;
            let from = draw() as usize % (len * 8 + 1);
            let to = from + draw() as usize % (len * 8 + 1 - from);
            assert_eq!(count(&bytes, from, to), (from..to).filter(|&i| bit(i)).count() as u64, "{bytes:?} {from} {to}");
            for on in [false, true] {
                assert_eq!(find(&bytes, from, to, on), (from..to).find(|&i| bit(i) == on), "{bytes:?} {from} {to}");
            }
        }
    }
}
