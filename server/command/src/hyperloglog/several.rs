//! Room: command. HyperLogLogs: several at one moment, wherever they lie.
//! Touches: base, store.

use super::sketch::{self, REGISTERS, Registers};
use super::{put, sketch_of};
use crate::context::{Class, Ctx};
use crate::keep::{or_fault, same_db};
use crate::row::{Decide, Job, KeyWrite, Read, Reading, Together, Walk, Write, Writing};
use base::{Args, DbId, Fault, Reply};
use bytes::Bytes;
use std::sync::Arc;
use store::Encoding;

/// HyperLogLogs that one slice joins: up to 10 µs each.
const SLICE: usize = 8;
/// What joining one takes, and raising a register of a sparse one, in the nanoseconds that `Job::step` counts by.
const UNITS_A_SKETCH: usize = 10_000;
const UNITS_A_REGISTER: usize = 1_500;

/// PFCOUNT key [key ...]
pub fn pfcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if args.len() > 2 {
        let mut walk = Count { next: 1, most: Box::new([0; REGISTERS]) };
        if !walk.step(ctx, args, reply) {
            ctx.walk = Some(Box::new(walk));
        }
        return;
    }
    let bytes = match or_fault!(read(ctx, &args[1]), reply) {
        None => return reply.int(0),
        Some(bytes) => bytes,
    };
    if let Some(kept) = sketch::kept(bytes) {
        return reply.int(kept as i64);
    }
    let count = or_fault!(sketch::estimate(bytes).map_err(Fault::from), reply);
    keep(ctx, &args[1], count);
    reply.int(count as i64);
}

/// The HyperLogLog at `key` for a command that reads it.
fn read<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<&'a [u8]>, Fault> {
    match ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch) {
        Some(entry) => sketch_of(entry).map(Some),
        None => {
            if ctx.events.wanted & Class::MISS != 0 {
                let event = crate::context::Event { db: ctx.db, class: Class::MISS, event: "keymiss", key: key.into() };
                ctx.events.happened.push(event);
            }
            Ok(None)
        }
    }
}

/// Keeps an estimate with the value: the reading command's only change.
fn keep(ctx: &mut Ctx<'_>, key: &[u8], count: u64) {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    cell.patch(8, &count.to_le_bytes());
    cell.set_encoding(Encoding::Raw);
}

struct Count {
    next: usize,
    most: Box<Registers>,
}

impl Walk for Count {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let until = args.len().min(self.next + SLICE);
        for i in self.next..until {
            let merged = read(ctx, &args[i]).and_then(|bytes| match bytes {
                Some(bytes) => sketch::merge(&mut self.most, bytes).map_err(Fault::from),
                None => Ok(()),
            });
            if let Err(fault) = merged {
                reply.fault(&fault);
                return true;
            }
        }
        self.next = until;
        if until < args.len() {
            return false;
        }
        reply.int(sketch::estimate_of(&self.most) as i64);
        true
    }
}

/// A copy of a HyperLogLog, if there is one.
type Operand = Result<Option<Bytes>, Fault>;

/// What is read at each key: the operand, and `hll-sparse-max-bytes`.
type Seen = (Operand, usize);

fn read_copy() -> Read {
    Read::Custom(Arc::new(|ctx, key| {
        let operand: Operand = read(ctx, key).map(|bytes| bytes.map(Bytes::copy_from_slice));
        let sparse_max = ctx.store.cell(ctx.db, key, ctx.now_ms).packing().hll_sparse_bytes;
        let seen: Seen = (operand, sparse_max);
        Reading::Now(Box::new(seen))
    }))
}

/// All operands in the order of the ask's keys, and the setting.
fn operands(decide: &mut Decide<'_>) -> (Vec<Operand>, usize) {
    let mut setting = 0;
    let operands = (0..decide.parcels.len())
        .map(|n| {
            let (operand, sparse_max) = decide.parcel::<Seen>(n);
            setting = sparse_max;
            operand
        })
        .collect();
    (operands, setting)
}

pub static PFCOUNT: Together = Together {
    read: |_, _| read_copy(),
    decide: |decide, _, _, reply| {
        let (mut operands, _) = operands(decide);
        if operands.len() > 1 {
            return start(Merge::new(operands, None), decide, reply);
        }
        let Some(bytes) = or_fault!(operands.remove(0), reply) else { return reply.int(0) };
        if let Some(kept) = sketch::kept(&bytes) {
            return reply.int(kept as i64);
        }
        let count = or_fault!(sketch::estimate(&bytes).map_err(Fault::from), reply);
        let write = move |ctx: &mut Ctx<'_>, key: &[u8]| {
            keep(ctx, key, count);
            Writing::Done
        };
        decide.writes.push((0, decide.db, Write::Custom(Box::new(write))));
        reply.int(count as i64);
    },
    db: same_db,
};

/// PFMERGE destination [source ...]
pub static PFMERGE: Together = Together {
    read: |_, _| read_copy(),
    decide: |decide, _, _, reply| {
        let (operands, sparse_max) = operands(decide);
        let value = operands.first().and_then(|first| first.as_ref().ok()).and_then(|first| first.as_deref());
        let is_new = value.is_none();
        let value = value.map_or_else(sketch::empty, <[u8]>::to_vec);
        let into = Into { db: decide.db, is_new, value, register: 0, sparse_max };
        start(Merge::new(operands, Some(into)), decide, reply);
    },
    db: same_db,
};

fn start(mut job: Merge, decide: &mut Decide<'_>, reply: &mut dyn Reply) {
    if job.step(SLICE * UNITS_A_SKETCH) {
        job.finish(&mut decide.writes, reply);
    } else {
        decide.job = Some(Box::new(job));
    }
}

/// What PFMERGE leaves.
struct Into {
    db: DbId,
    is_new: bool,
    value: Vec<u8>,
    /// The next that is to be raised.
    register: usize,
    sparse_max: usize,
}

struct Merge {
    operands: Vec<Operand>,
    next: usize,
    most: Box<Registers>,
    /// `None`: the estimate is wanted.
    into: Option<Into>,
    fault: Option<Fault>,
}

impl Merge {
    fn new(operands: Vec<Operand>, into: Option<Into>) -> Merge {
        Merge { operands, next: 0, most: Box::new([0; REGISTERS]), into, fault: None }
    }

    fn merge_next(&mut self) -> Result<(), Fault> {
        if let Some(bytes) = self.operands[self.next].as_ref().map_err(Fault::clone)? {
            sketch::merge(&mut self.most, bytes)?;
            // One that is dense makes the result dense.
            if let Some(into) = &mut self.into
                && !sketch::is_sparse(bytes)
            {
                sketch::to_dense(&mut into.value)?;
            }
        }
        self.next += 1;
        Ok(())
    }
}

impl Job for Merge {
    fn step(&mut self, units: usize) -> bool {
        // At least one of either at a time.
        let mut units = units.max(UNITS_A_SKETCH);
        while self.next < self.operands.len() {
            if units < UNITS_A_SKETCH {
                return false;
            }
            units -= UNITS_A_SKETCH;
            self.fault = self.merge_next().err();
            if self.fault.is_some() {
                return true;
            }
        }
        let Some(into) = &mut self.into else { return true };
        while into.register < REGISTERS {
            let value = self.most[into.register];
            if value > 0 {
                if units < UNITS_A_REGISTER {
                    return false;
                }
                let is_sparse = sketch::is_sparse(&into.value);
                units -= if is_sparse { UNITS_A_REGISTER } else { UNITS_A_REGISTER / 200 };
                // The destination was merged: it is whole.
                let _ = sketch::raise(&mut into.value, into.register, value, into.sparse_max);
            }
            into.register += 1;
        }
        into.value[sketch::STALE_AT] |= sketch::STALE;
        true
    }

    fn holds(&self) -> bool {
        self.into.is_some()
    }

    fn finish(&mut self, writes: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        if let Some(fault) = &self.fault {
            reply.fault(fault);
            return true;
        }
        let Some(Into { db, is_new, value, .. }) = self.into.take() else {
            reply.int(sketch::estimate_of(&self.most) as i64);
            return true;
        };
        let write = move |ctx: &mut Ctx<'_>, key: &[u8]| {
            put(&mut ctx.store.cell(ctx.db, key, ctx.now_ms), &value);
            if is_new {
                ctx.notify(Class::NEW, "new", key);
            }
            ctx.notify(Class::STRING, "pfadd", key);
            Writing::Done
        };
        writes.push((0, db, Write::Custom(Box::new(write))));
        reply.ok();
        true
    }
}
