//! Room: command. BITOP: strings joined bit by bit, wherever they lie.
//! Touches: base, store.

use super::string;
use crate::context::{Class, Ctx};
use crate::keep::{or_fault, same_db};
use crate::row::{Job, KeyWrite, Read, Reading, Together, Write, Writing};
use base::{Args, DbId, Fault, Reply};
use bytes::Bytes;
use std::sync::Arc;
use store::{Encoding, Kind, Portable};

/// Worked off at once: well below 100 µs.
const UNITS_AT_ONCE: usize = 64 * 1024;
/// Bytes that take a unit, a nanosecond: measured 4 to 8.
const BYTES_A_UNIT: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

fn parse(args: Args<'_>) -> Result<Operation, Fault> {
    let named = [("AND", Operation::And), ("OR", Operation::Or), ("XOR", Operation::Xor), ("NOT", Operation::Not)];
    let operation = named.iter().find(|(name, _)| args.is(1, name)).ok_or(Fault::Syntax)?.1;
    if operation == Operation::Not && args.len() != 4 {
        return Err(Fault::err("BITOP NOT must be called with a single source key."));
    }
    Ok(operation)
}

type Operand = Result<Bytes, Fault>;

/// BITOP AND|OR|XOR|NOT destination key [key ...]
pub static BITOP: Together = Together {
    read: |args, n| {
        if n == 0 || parse(args).is_err() {
            return Read::Skip;
        }
        Read::Custom(Arc::new(|ctx, key| {
            let operand: Operand = match string(ctx, key) {
                Err(fault) => Err(fault),
                Ok(None) => Ok(Bytes::new()),
                // A large one is shared.
                Ok(Some(_)) => {
                    Ok(ctx.store.peek(ctx.db, key, ctx.now_ms).map_or_else(Bytes::new, |entry| entry.portable().value))
                }
            };
            Reading::Now(Box::new(operand))
        }))
    },
    decide: |decide, args, _, reply| {
        let operation = or_fault!(parse(args), reply);
        let mut operands = Vec::with_capacity(args.len() - 3);
        for n in 1..args.len() - 2 {
            operands.push(or_fault!(decide.parcel::<Operand>(n), reply));
        }
        let mut job = BitopJob::new(operation, operands, decide.db);
        if job.step(UNITS_AT_ONCE) {
            job.finish(&mut decide.writes, reply);
        } else {
            decide.job = Some(Box::new(job));
        }
    },
    db: same_db,
};

struct BitopJob {
    operation: Operation,
    operands: Vec<Bytes>,
    db: DbId,
    len: usize,
    /// As far as it is worked out.
    result: Vec<u8>,
}

impl BitopJob {
    fn new(operation: Operation, operands: Vec<Bytes>, db: DbId) -> BitopJob {
        let len = operands.iter().map(Bytes::len).max().unwrap_or(0);
        BitopJob { operation, operands, db, len, result: Vec::with_capacity(len) }
    }
}

impl Job for BitopJob {
    fn step(&mut self, units: usize) -> bool {
        let from = self.result.len();
        let bytes = (units * BYTES_A_UNIT / self.operands.len().max(1)).max(64);
        let to = self.len.min(from + bytes);
        // Operands are zeros beyond their ends.
        let part =
            |operand: &Bytes| operand.get(from..to.min(operand.len())).map_or(0..0, |part| from..from + part.len());
        let first = &self.operands[0];
        self.result.extend_from_slice(&first[part(first)]);
        self.result.resize(to, 0);
        let result = &mut self.result[from..to];
        for operand in &self.operands[1..] {
            let other = &operand[part(operand)];
            let (both, beyond) = result.split_at_mut(other.len());
            let pairs = both.iter_mut().zip(other);
            match self.operation {
                Operation::And => {
                    pairs.for_each(|(a, b)| *a &= b);
                    beyond.fill(0);
                }
                Operation::Or => pairs.for_each(|(a, b)| *a |= b),
                Operation::Xor | Operation::Not => pairs.for_each(|(a, b)| *a ^= b),
            }
        }
        if self.operation == Operation::Not {
            result.iter_mut().for_each(|a| *a = !*a);
        }
        to == self.len
    }

    fn holds(&self) -> bool {
        true
    }

    fn finish(&mut self, writes: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        reply.int(self.len as i64);
        let value = Bytes::from(std::mem::take(&mut self.result));
        let write = move |ctx: &mut Ctx<'_>, key: &[u8]| {
            store_result(ctx, key, value);
            Writing::Done
        };
        writes.push((0, self.db, Write::Custom(Box::new(write))));
        true
    }
}

/// The result takes the place of whatever there is; an empty one removes it.
fn store_result(ctx: &mut Ctx<'_>, key: &[u8], value: Bytes) {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    let is_new = cell.entry().is_none();
    if value.is_empty() {
        if cell.remove() {
            ctx.notify(Class::GENERIC, "del", key);
        }
        return;
    }
    cell.put_portable(Portable { kind: Kind::String, value, flags: 0, deadline: None, encoding: Encoding::Raw });
    if is_new {
        ctx.notify(Class::NEW, "new", key);
    }
    ctx.notify(Class::STRING, "set", key);
}
