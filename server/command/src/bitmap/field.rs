//! Room: command. BITFIELD: whole numbers of 1 to 64 bits inside a string.
//! Touches: base, store.

use super::{parse_offset, string};
use crate::context::{Class, Ctx};
use crate::keep::{lookup, or_fault};
use base::number::parse_i64;
use base::{Args, Fault, Reply};
use store::Encoding;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Get,
    Set(i64),
    Add(i64),
}

#[derive(Clone, Copy)]
struct Operation {
    what: What,
    signed: bool,
    bits: u32,
    /// In bits.
    offset: u64,
    overflow: Overflow,
}

/// `i8`, `u63`, ...: whether it is signed, and its bits.
fn parse_type(word: &[u8]) -> Result<(bool, u32), Fault> {
    let fault =
        || Fault::err("Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
    let (signed, digits) = match word {
        [b'i', digits @ ..] => (true, digits),
        [b'u', digits @ ..] => (false, digits),
        _ => return Err(fault()),
    };
    // Redis reads a C string: up to a zero byte.
    let digits = digits.split(|&b| b == 0).next().unwrap_or(digits);
    let most = if signed { 64 } else { 63 };
    let bits = parse_i64(digits).filter(|n| (1..=most).contains(n)).ok_or_else(fault)?;
    Ok((signed, bits as u32))
}

fn parse(args: Args<'_>, bytes_max: usize) -> Result<Vec<Operation>, Fault> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut i = 2;
    while i < args.len() {
        let rest = args.len() - i - 1;
        let is_get = args.is(i, "GET") && rest >= 2;
        let is_set = args.is(i, "SET") && rest >= 3;
        if args.is(i, "OVERFLOW") && rest >= 1 {
            overflow = match () {
                _ if args.is(i + 1, "WRAP") => Overflow::Wrap,
                _ if args.is(i + 1, "SAT") => Overflow::Saturate,
                _ if args.is(i + 1, "FAIL") => Overflow::Fail,
                _ => return Err(Fault::err("Invalid OVERFLOW type specified")),
            };
            i += 2;
            continue;
        }
        let is_add = args.is(i, "INCRBY") && rest >= 3;
        if !(is_get || is_set || is_add) {
            return Err(Fault::Syntax);
        }
        let (signed, bits) = parse_type(&args[i + 1])?;
        let offset = parse_offset(&args[i + 2], Some(bits), bytes_max)?;
        let what = if is_get {
            What::Get
        } else {
            let n = parse_i64(&args[i + 3]).ok_or(Fault::NotInteger)?;
            if is_set { What::Set(n) } else { What::Add(n) }
        };
        operations.push(Operation { what, signed, bits, offset, overflow });
        i += if is_get { 3 } else { 4 };
    }
    Ok(operations)
}

/// Bytes that a number of 64 bits may touch.
const WINDOW: usize = 9;

/// The bytes around a number, zeros beyond the string's end.
fn window(string: &[u8], offset: u64) -> [u8; WINDOW] {
    let mut bytes = [0; WINDOW];
    let from = (offset >> 3) as usize;
    if let Some(rest) = string.get(from..) {
        let len = rest.len().min(WINDOW);
        bytes[..len].copy_from_slice(&rest[..len]);
    }
    bytes
}

/// Bits below the number in its window.
fn below(op: &Operation) -> u32 {
    WINDOW as u32 * 8 - (op.offset & 7) as u32 - op.bits
}

fn whole(window: &[u8; WINDOW]) -> u128 {
    window.iter().fold(0, |n, &byte| n << 8 | u128::from(byte))
}

/// The number as it stands: the value of a signed one may be negative.
fn get(window: &[u8; WINDOW], op: &Operation) -> i64 {
    cut(op, (whole(window) >> below(op)) as i64)
}

fn mask(bits: u32) -> u64 {
    if bits == 0 { 0 } else { u64::MAX >> (64 - bits) }
}

fn put(window: &mut [u8; WINDOW], op: &Operation, value: i64) {
    let (mask, below) = (u128::from(mask(op.bits)), below(op));
    let new = whole(window) & !(mask << below) | (value as u128 & mask) << below;
    window.copy_from_slice(&new.to_be_bytes()[16 - WINDOW..]);
}

/// What SET and INCRBY leave: the new number. `None`: it does not fit, and that is a failure.
fn result(op: &Operation, old: i64) -> Option<i64> {
    let (value, added) = match op.what {
        What::Get => return Some(old),
        What::Set(n) => (n, 0),
        What::Add(n) => (old, n),
    };
    let (least, most, over, under);
    if op.signed {
        most = mask(op.bits - 1) as i64;
        least = -most - 1;
        // As Redis works it out (checkSignedBitfieldOverflow), in 64 bits that wrap: SET of the least number there is to fewer
        // bits counts as too large.
        let (room_above, room_below) = (most.wrapping_sub(value), least.wrapping_sub(value));
        let narrow = op.bits != 64;
        over = value > most || added > room_above && (narrow || value >= 0 && added > 0);
        under = value < least || added < room_below && (narrow || value < 0 && added < 0);
    } else {
        (least, most) = (0, mask(op.bits) as i64);
        // A negative number to be SET is one of 64 bits without a sign, which is too large.
        over = value < 0 || value > most || added > 0 && added > most - value;
        under = added < 0 && added < -value;
    }
    if !over && !under {
        return Some(value.wrapping_add(added));
    }
    match op.overflow {
        Overflow::Fail => None,
        Overflow::Saturate => Some(if over { most } else { least }),
        Overflow::Wrap => Some(cut(op, value.wrapping_add(added))),
    }
}

/// The lowest bits of a number.
fn cut(op: &Operation, value: i64) -> i64 {
    let bits = value as u64 & mask(op.bits);
    if op.signed { (bits << (64 - op.bits)) as i64 >> (64 - op.bits) } else { bits as i64 }
}

/// BITFIELD key [GET type offset | [OVERFLOW WRAP|SAT|FAIL] SET type offset value | INCRBY type offset increment ...]
pub fn bitfield(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    run(ctx, args, false, reply);
}

/// BITFIELD_RO key [GET type offset ...]
pub fn bitfield_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    run(ctx, args, true, reply);
}

fn run(ctx: &mut Ctx<'_>, args: Args<'_>, only_reads: bool, reply: &mut dyn Reply) {
    let key = args.at(1);
    let operations = or_fault!(parse(args, ctx.limits.value_bytes_max), reply);
    let written = operations.iter().filter(|op| op.what != What::Get).map(|op| op.offset + u64::from(op.bits) - 1);
    let Some(last) = written.max() else {
        let string = or_fault!(string(ctx, key), reply).unwrap_or(&[]);
        reply.array(operations.len());
        return operations.iter().for_each(|op| reply.int(get(&window(string, op.offset), op)));
    };
    if only_reads {
        return reply.fault(&Fault::err("BITFIELD_RO only supports the GET subcommand"));
    }
    let last = (last >> 3) as usize;
    let mut cell = lookup(ctx, key);
    let (grows, is_new) = match cell.entry() {
        None => (true, true),
        Some(entry) if entry.is_string() => (entry.bytes().len() <= last, false),
        Some(_) => return reply.fault(&Fault::WrongType),
    };
    // Room up to the farthest bit is made whatever is written then.
    if grows {
        cell.patch(last, &[0]);
    } else {
        cell.set_encoding(Encoding::Raw);
    }
    reply.array(operations.len());
    let mut changed = false;
    for op in &operations {
        let string = cell.entry().map_or(&[][..], |entry| entry.bytes());
        let mut bytes = window(string, op.offset);
        let old = get(&bytes, op);
        match (op.what, result(op, old)) {
            (What::Get, _) => reply.int(old),
            (_, None) => reply.null(),
            (what, Some(new)) => {
                reply.int(if let What::Set(_) = what { old } else { new });
                if old != new {
                    put(&mut bytes, op, new);
                    let touched = ((op.offset & 7) as usize + op.bits as usize).div_ceil(8);
                    cell.patch((op.offset >> 3) as usize, &bytes[..touched]);
                }
                changed |= grows || old != new;
            }
        }
    }
    if is_new {
        ctx.notify(Class::NEW, "new", key);
    }
    if changed {
        ctx.notify(Class::STRING, "setbit", key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        for bits in 1..=64u32 {
            for at in 0..8u64 {
                for signed in [false, true] {
                    if bits == 64 && !signed {
                        continue;
                    }
                    let op = Operation { what: What::Get, signed, bits, offset: 40 + at, overflow: Overflow::Wrap };
                    for value in [0, 1, -1, 5, i64::MAX, i64::MIN, 0x0123_4567_89AB_CDEF] {
                        let value = cut(&op, value);
                        for fill in [0, 0xFF, 0x5A] {
                            let mut bytes = [fill; WINDOW];
                            put(&mut bytes, &op, value);
                            assert_eq!(get(&bytes, &op), value, "{bits} {at} {signed}");
                            let (mask, below) = (u128::from(mask(bits)) << below(&op), 0);
                            assert_eq!((whole(&bytes) ^ whole(&[fill; WINDOW])) & !mask, below, "others stay");
                        }
                    }
                }
            }
        }
    }
}
