//! Room: command. Members are taken from an end: at once, from the first of several keys that has some, or when they come.
//! Touches: base, store.

use super::gather::{Bunch, Gathering, Held, read_operand};
use super::remove::removed;
use super::*;
use crate::keep::{patience, same_db};
use crate::row::{Blocking, Decide, Fetched, Job, KeyWrite, Read, Reading, Together, Write, Writing};
use std::sync::Arc;

/// Members that one slice removes.
const POP_SLICE: usize = SLICE / 4;

/// How the reply is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// ZPOPMIN without a count.
    Flat,
    /// ZPOPMIN with one: flat in RESP2.
    Pairs,
    /// BZPOPMIN: the key first, flat.
    KeyFlat,
    /// ZMPOP: the key, then pairs in both protocols.
    KeyPairs,
}

impl Form {
    fn head(self, key: &[u8], count: usize, reply: &mut dyn Reply) {
        match self {
            Form::Flat => reply.array(2 * count),
            Form::Pairs => reply.pairs(count),
            Form::KeyFlat => {
                reply.array(1 + 2 * count);
                reply.bulk(key);
            }
            Form::KeyPairs => {
                reply.array(2);
                reply.bulk(key);
                reply.array(count);
            }
        }
    }

    fn item(self, member: &[u8], score: f64, reply: &mut dyn Reply) {
        match self {
            Form::Flat | Form::KeyFlat => {}
            Form::Pairs => reply.pair(),
            Form::KeyPairs => reply.array(2),
        }
        reply.bulk(member);
        reply.double(score);
    }
}

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }
}

/// ZPOPMIN key [count]
pub fn zpopmin(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    pop(ctx, args, End::Min, reply);
}

/// ZPOPMAX key [count]
pub fn zpopmax(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    pop(ctx, args, End::Max, reply);
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End, reply: &mut dyn Reply) {
    if args.len() > 3 {
        return reply.fault(&Fault::Syntax);
    }
    let (count, form) = match args.get(2) {
        None => (1, Form::Flat),
        Some(word) => {
            let count = parse_i64(word).and_then(|n| usize::try_from(n).ok());
            let out = || Fault::err("value is out of range, must be positive");
            (or_fault!(count.ok_or_else(out), reply), Form::Pairs)
        }
    };
    let mut cell = lookup(ctx, args.at(1));
    let set = or_fault!(ZsetMut::of(&mut cell).map_err(wrong), reply);
    let Some(len) = set.get().map(ZsetRef::len).filter(|_| count > 0) else { return reply.array(0) };
    let count = count.min(len);
    form.head(args.at(1), count, reply);
    let mut popping = Popping { key: 1, left: count, popped: false, end, form };
    if !popping.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(popping));
    }
}

/// Members are taken while they are spoken.
struct Popping {
    /// The key's word.
    key: usize,
    left: usize,
    popped: bool,
    end: End,
    form: Form,
}

impl Walk for Popping {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let key = args.at(self.key);
        let count = self.left.min(POP_SLICE);
        let empty = take(ctx, key, self.end, count, |member, score| self.form.item(member, score, reply));
        if !std::mem::replace(&mut self.popped, true) {
            ctx.notify(Class::ZSET, self.end.event(), key);
        }
        self.left -= count;
        if self.left == 0 && empty {
            ctx.notify(Class::GENERIC, "del", key);
        }
        self.left == 0
    }
}

/// Takes `count` members, which there are, from an end. True if none is left.
fn take(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize, gone: impl FnMut(&[u8], f64)) -> bool {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    let Ok(mut set) = ZsetMut::of(&mut cell) else { return false };
    let Some(len) = set.get().map(ZsetRef::len) else { return false };
    let count = count.min(len);
    let back = end == End::Max;
    set.remove_ranks(if back { len - count..len } else { 0..count }, back, gone);
    count == len
}

/// What ZMPOP and BZMPOP say behind their keys.
struct Mpop {
    end: End,
    count: usize,
}

impl Mpop {
    /// `at`: the word that says how many keys there are.
    fn parse(args: Args<'_>, at: usize) -> Result<Mpop, Fault> {
        let keys = count_keys(args, at)?;
        let mut i = at + 1 + keys;
        let end = match () {
            () if args.is(i, "MIN") => End::Min,
            () if args.is(i, "MAX") => End::Max,
            () => return Err(Fault::Syntax),
        };
        let mut count = None;
        i += 1;
        while i < args.len() {
            if count.is_some() || !args.is(i, "COUNT") || i + 1 == args.len() {
                return Err(Fault::Syntax);
            }
            let n = parse_i64(args.at(i + 1)).filter(|&n| n > 0).and_then(|n| usize::try_from(n).ok());
            count = Some(n.ok_or_else(|| Fault::err("count should be greater than 0"))?);
            i += 2;
        }
        Ok(Mpop { end, count: count.unwrap_or(1) })
    }
}

/// How many keys follow word `at`, with a word behind them.
fn count_keys(args: Args<'_>, at: usize) -> Result<usize, Fault> {
    let n = parse_i64(args.at(at)).filter(|&n| n > 0).and_then(|n| usize::try_from(n).ok());
    let n = n.ok_or_else(|| Fault::err("numkeys should be greater than 0"))?;
    if n < args.len() - at - 1 { Ok(n) } else { Err(Fault::Syntax) }
}

/// The keys of ZMPOP.
pub(super) fn zmpop_keys(args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
    keys.extend(2..2 + count_keys(args, 1)?);
    Ok(())
}

/// The keys of BZMPOP.
pub(super) fn bzmpop_keys(args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
    keys.extend(3..3 + count_keys(args, 2)?);
    Ok(())
}

/// ZMPOP numkeys key [key ...] MIN|MAX [COUNT count]: of keys of one shard only the one with members is read.
pub fn zmpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let Mpop { end, count } = or_fault!(Mpop::parse(args, 1), reply);
    let keys = or_fault!(count_keys(args, 1), reply);
    for i in 2..2 + keys {
        let mut cell = lookup(ctx, args.at(i));
        let set = or_fault!(ZsetMut::of(&mut cell).map_err(wrong), reply);
        let Some(len) = set.get().map(ZsetRef::len) else { continue };
        let count = count.min(len);
        Form::KeyPairs.head(args.at(i), count, reply);
        let mut popping = Popping { key: i, left: count, popped: false, end, form: Form::KeyPairs };
        if !popping.step(ctx, args, reply) {
            ctx.walk = Some(Box::new(popping));
        }
        return;
    }
    reply.null_array();
}

/// What is at the keys' ends.
fn read_end(end: End, count: usize) -> Read {
    Read::Custom(Arc::new(move |ctx, key| {
        let mut cell = lookup(ctx, key);
        let len = match ZsetMut::of(&mut cell) {
            Err(_) => return Reading::Now(Box::new(Err::<Bunch, Fault>(Fault::WrongType))),
            Ok(set) => set.get().map_or(0, ZsetRef::len),
        };
        if len == 0 {
            return Reading::Now(Box::new(Ok::<Bunch, Fault>(Bunch::default())));
        }
        let back = end == End::Max;
        read_operand(ctx, key, Gathering::range(if back { len - 1 } else { 0 }, count.min(len), back))
    }))
}

/// Speaks what is at the first key that has members, and has it taken from there. False if none has.
fn pop_first(
    decide: &mut Decide<'_>,
    args: Args<'_>,
    fetched: &[Fetched<'_>],
    first_key: usize,
    end: End,
    form: Form,
    reply: &mut dyn Reply,
) -> bool {
    for n in 0..fetched.len() {
        let bunch: Result<Bunch, Fault> = decide.parcel(n);
        let bunch = match bunch {
            Err(fault) => {
                reply.fault(&fault);
                return true;
            }
            Ok(bunch) if bunch.len() == 0 => continue,
            Ok(bunch) => bunch,
        };
        decide.writes.push((n, decide.db, take_write(end, bunch.len())));
        let many = bunch.len() > SLICE;
        let mut popped = Popped { key: args.at(first_key + n).into(), form, bunch: Held::Bunch(bunch), spoken: None };
        if many {
            decide.job = Some(Box::new(popped));
        } else {
            popped.speak(reply);
        }
        return true;
    }
    false
}

/// What was taken of a key, on its way into the reply.
struct Popped {
    key: Box<[u8]>,
    form: Form,
    bunch: Held,
    /// How many members are in the reply, once it has a head.
    spoken: Option<usize>,
}

impl Popped {
    /// Speaks a slice of the members. True when all are spoken.
    fn speak(&mut self, reply: &mut dyn Reply) -> bool {
        let len = self.bunch.len();
        let from = self.spoken.unwrap_or_else(|| {
            self.form.head(&self.key, len, reply);
            0
        });
        self.bunch.some(from, SLICE, |member, score| self.form.item(member, score, reply));
        let until = len.min(from + SLICE);
        self.spoken = Some(until);
        until == len
    }
}

impl Job for Popped {
    fn step(&mut self, _: usize) -> bool {
        true
    }

    fn finish(&mut self, _: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        self.speak(reply)
    }
}

fn take_write(end: End, count: usize) -> Write {
    Write::Custom(Box::new(move |ctx, key| {
        let mut left = count;
        let mut step = move |ctx: &mut Ctx<'_>, key: &[u8]| {
            let some = left.min(POP_SLICE);
            let empty = take(ctx, key, end, some, |_, _| {});
            left -= some;
            if left == 0 {
                removed(ctx, key, count as i64, end.event(), empty);
            }
            left == 0
        };
        if step(ctx, key) { Writing::Done } else { Writing::More(Box::new(step)) }
    }))
}

pub static ZMPOP: Together = Together {
    read: |args, _| match Mpop::parse(args, 1) {
        Ok(Mpop { end, count }) => read_end(end, count),
        Err(_) => Read::Skip,
    },
    decide: |decide, args, fetched, reply| {
        let Mpop { end, .. } = or_fault!(Mpop::parse(args, 1), reply);
        if !pop_first(decide, args, fetched, 2, end, Form::KeyPairs, reply) {
            reply.null_array();
        }
    },
    db: same_db,
};

const BZPOPMIN_ATTEMPT: Together = Together {
    read: |_, _| read_end(End::Min, 1),
    decide: |decide, args, fetched, reply| {
        decide.wait = (!pop_first(decide, args, fetched, 1, End::Min, Form::KeyFlat, reply)).then(Vec::new);
    },
    db: same_db,
};

const BZPOPMAX_ATTEMPT: Together = Together {
    read: |_, _| read_end(End::Max, 1),
    decide: |decide, args, fetched, reply| {
        decide.wait = (!pop_first(decide, args, fetched, 1, End::Max, Form::KeyFlat, reply)).then(Vec::new);
    },
    db: same_db,
};

/// BZPOPMIN key [key ...] timeout
pub static BZPOPMIN: Blocking = Blocking {
    serve: Some(|ctx, _, _, key, reply| serve(ctx, key, End::Min, 1, Form::KeyFlat, reply)),
    ..BZPOPMIN_LIKE
};

/// BZPOPMAX key [key ...] timeout
pub static BZPOPMAX: Blocking = Blocking {
    attempt: BZPOPMAX_ATTEMPT,
    serve: Some(|ctx, _, _, key, reply| serve(ctx, key, End::Max, 1, Form::KeyFlat, reply)),
    ..BZPOPMIN_LIKE
};

/// BZMPOP timeout numkeys key [key ...] MIN|MAX [COUNT count]
pub static BZMPOP: Blocking = Blocking {
    attempt: Together {
        read: |args, _| match Mpop::parse(args, 2) {
            Ok(Mpop { end, count }) => read_end(end, count),
            Err(_) => Read::Skip,
        },
        decide: |decide, args, fetched, reply| {
            let Mpop { end, .. } = or_fault!(Mpop::parse(args, 2), reply);
            decide.wait = (!pop_first(decide, args, fetched, 3, end, Form::KeyPairs, reply)).then(Vec::new);
        },
        db: same_db,
    },
    patience: |args, now_ms| {
        // Its words are looked at before its time.
        Mpop::parse(args, 2)?;
        patience(args.at(1), now_ms)
    },
    serve: Some(|ctx, args, _, key, reply| match Mpop::parse(args, 2) {
        Ok(Mpop { end, count }) => serve(ctx, key, end, count, Form::KeyPairs, reply),
        Err(_) => false,
    }),
    ..BZPOPMIN_LIKE
};

const BZPOPMIN_LIKE: Blocking = Blocking {
    attempt: BZPOPMIN_ATTEMPT,
    kind: Kind::Zset,
    patience: |args, now_ms| patience(args.at(args.len() - 1), now_ms),
    serve: None,
    timed_out: |reply| reply.null_array(),
    waits_for: |_| true,
    minds_loss: false,
};

/// Something has come to `key`.
fn serve(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize, form: Form, reply: &mut dyn Reply) -> bool {
    let mut cell = lookup(ctx, key);
    let Ok(set) = ZsetMut::of(&mut cell) else { return false };
    let Some(len) = set.get().map(ZsetRef::len) else { return false };
    let count = count.min(len);
    form.head(key, count, reply);
    let empty = take(ctx, key, end, count, |member, score| form.item(member, score, reply));
    removed(ctx, key, count as i64, end.event(), empty);
    true
}
