//! Room: command. Intersection, union and difference of sets: spoken, counted or stored.
//! Touches: base, store.
//!
//! One machine (`Algebra`) walks over members and asks other sets for them, in slices. On keys of one shard it works on the
//! sets where they lie. Otherwise each set comes as a bag (`store::set::Bag`), packed, and a job does the same on those; of an
//! intersection only the smallest set comes whole, of a difference the first (`probe`).

mod machine;
mod probe;

use super::*;
use crate::keep::same_db;
use crate::row::{Decide, Fetched, Job, KeyWrite, Read, Reading, Together, Write, Writing};
use base::DbId;
use base::number::{parse_i64, push_u64};
use machine::{Algebra, Operand};
use probe::Probing;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use store::set::Bag;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    Inter,
    Union,
    Diff,
}

/// What becomes of the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    Speak,
    /// Up to so many; 0: all.
    Count(usize),
    /// Under the key that word 1 names, with the event told of it.
    Store(&'static str),
}

/// One ask: what is done with which words' keys.
#[derive(Clone, Copy)]
struct Ask {
    op: Op,
    result: Use,
    first: usize,
    end: usize,
    /// Of a difference: whether Redis copies the first set and removes from it what the others have, which its form shows.
    removes: bool,
}

impl Ask {
    fn spoken(op: Op, args: Args<'_>) -> Ask {
        Ask { op, result: Use::Speak, first: 1, end: args.len(), removes: false }
    }

    fn stored(op: Op, event: &'static str, args: Args<'_>) -> Ask {
        Ask { op, result: Use::Store(event), first: 2, end: args.len(), removes: false }
    }

    /// SINTERCARD, whose number of keys is good.
    fn counted(args: Args<'_>) -> Result<Ask, Fault> {
        let end = 2 + count_of_keys(args)?;
        let (mut limit, mut i) = (0, end);
        while i < args.len() {
            if !args.is(i, "LIMIT") || i + 1 == args.len() {
                return Err(Fault::Syntax);
            }
            let n = parse_i64(args.at(i + 1)).and_then(|n| usize::try_from(n).ok());
            limit = n.ok_or_else(|| Fault::err("LIMIT can't be negative"))?;
            i += 2;
        }
        Ok(Ask { op: Op::Inter, result: Use::Count(limit), first: 2, end, removes: false })
    }

    /// The same of sets with so many members, none where there is no set. Source: sunionDiffGenericCommand in t_set.c of Redis 7.2: looking
    /// for each member in every set is taken to cost half of what it says, since sets that have it end it early.
    fn on(self, lens: impl Iterator<Item = Option<usize>>) -> Ask {
        let (mut first, mut looks, mut all) = (None, 0, 0);
        for len in lens {
            let first = *first.get_or_insert(len.unwrap_or(0));
            looks += if len.is_some() { first } else { 0 };
            all += len.unwrap_or(0);
        }
        Ask { removes: self.op == Op::Diff && looks / 2 > all, ..self }
    }

    /// Which of the ask's keys the first operand is.
    fn ahead(self) -> usize {
        usize::from(matches!(self.result, Use::Store(_)))
    }
}

fn count_of_keys(args: Args<'_>) -> Result<usize, Fault> {
    let n = parse_i64(&args[1]).filter(|&n| n > 0).ok_or_else(|| Fault::err("numkeys should be greater than 0"))?;
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    if n > args.len() - 2 {
        return Err(Fault::err("Number of keys can't be greater than number of args"));
    }
    Ok(n)
}

/// Where SINTERCARD's keys are.
pub(super) fn counted_keys(args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
    keys.extend(2..2 + count_of_keys(args)?);
    Ok(())
}

macro_rules! commands {
    ($($(#[$doc:meta])* $here:ident $far:ident: $ask:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $here(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
                let ask: fn(Args<'_>) -> Result<Ask, Fault> = $ask;
                let ask = or_fault!(ask(args), reply);
                here(ctx, args, ask, reply);
            }

            pub static $far: Together = Together {
                read: |args, n| {
                    let ask: fn(Args<'_>) -> Result<Ask, Fault> = $ask;
                    read(ask(args), n)
                },
                decide: |decide, args, _: &[Fetched<'_>], reply| {
                    let ask: fn(Args<'_>) -> Result<Ask, Fault> = $ask;
                    let ask = or_fault!(ask(args), reply);
                    decide_far(decide, args, ask, reply);
                },
                db: same_db,
            };
        )*
    };
}

commands! {
    /// SINTER key [key ...]
    sinter SINTER: |args| Ok(Ask::spoken(Op::Inter, args));
    /// SINTERCARD numkeys key [key ...] [LIMIT limit]
    sintercard SINTERCARD: Ask::counted;
    /// SINTERSTORE destination key [key ...]
    sinterstore SINTERSTORE: |args| Ok(Ask::stored(Op::Inter, "sinterstore", args));
    /// SUNION key [key ...]
    sunion SUNION: |args| Ok(Ask::spoken(Op::Union, args));
    /// SUNIONSTORE destination key [key ...]
    sunionstore SUNIONSTORE: |args| Ok(Ask::stored(Op::Union, "sunionstore", args));
    /// SDIFF key [key ...]
    sdiff SDIFF: |args| Ok(Ask::spoken(Op::Diff, args));
    /// SDIFFSTORE destination key [key ...]
    sdiffstore SDIFFSTORE: |args| Ok(Ask::stored(Op::Diff, "sdiffstore", args));
}

// Keys of one shard.

/// Runs an ask on this shard's keys.
fn here(ctx: &mut Ctx<'_>, args: Args<'_>, ask: Ask, reply: &mut dyn Reply) {
    let mut lens = Vec::with_capacity(ask.end - ask.first);
    for i in ask.first..ask.end {
        let len = or_fault!(elements(ctx, args.at(i)), reply).map(Elements::len);
        if len.is_none() {
            missed(ctx, args.at(i));
        }
        lens.push(len);
    }
    let ask = ask.on(lens.iter().copied());
    let algebra = Algebra::new(ask, &lens, ctx.store.draw());
    let mut under_way = Here { ask, algebra, phase: Phase::Compute };
    if !under_way.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(under_way));
    }
}

struct Here {
    ask: Ask,
    algebra: Algebra,
    phase: Phase,
}

enum Phase {
    Compute,
    Speak(u64),
    Store(u64),
}

impl Walk for Here {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Here { ask, algebra, phase } = self;
        match *phase {
            Phase::Compute => {
                let operands: Vec<Operand<'_>> = (ask.first..ask.end)
                    .map(|i| ctx.store.glance(ctx.db, args.at(i), ctx.now_ms).and_then(|entry| entry.elements()))
                    .map(|elements| elements.map_or(Operand::Absent, Operand::Live))
                    .collect();
                if !algebra.step(&operands, SLICE) {
                    return false;
                }
                match ask.result {
                    Use::Count(_) => {
                        reply.int(algebra.count() as i64);
                        true
                    }
                    Use::Speak => {
                        reply.set(algebra.out.len());
                        *phase = Phase::Speak(algebra.out.scan(0, SLICE, |member| speak(member, reply)));
                        matches!(phase, Phase::Speak(0))
                    }
                    Use::Store(event) => {
                        reply.int(algebra.out.len() as i64);
                        *phase = Phase::Store(begin_store(ctx, args.at(1), &algebra.out, event));
                        matches!(phase, Phase::Store(0))
                    }
                }
            }
            Phase::Speak(cursor) => {
                *phase = Phase::Speak(algebra.out.scan(cursor, SLICE, |member| speak(member, reply)));
                matches!(phase, Phase::Speak(0))
            }
            Phase::Store(cursor) => {
                *phase = Phase::Store(go_on_store(ctx, args.at(1), &algebra.out, cursor, ask.event()));
                matches!(phase, Phase::Store(0))
            }
        }
    }
}

impl Ask {
    fn event(self) -> &'static str {
        match self.result {
            Use::Store(event) => event,
            _ => unreachable!("only what is stored is told of"),
        }
    }
}

/// Makes the key hold the bag's members; a cursor for `go_on_store` where there are many, else 0.
fn begin_store(ctx: &mut Ctx<'_>, key: &[u8], bag: &Bag, event: &'static str) -> u64 {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    let is_new = cell.entry().is_none();
    if bag.is_empty() {
        cell.remove();
        if !is_new {
            ctx.notify(Class::GENERIC, "del", key);
        }
        return 0;
    }
    let cursor = bag.begin(&mut cell);
    if is_new {
        ctx.notify(Class::NEW, "new", key);
    }
    if cursor == 0 {
        ctx.notify(Class::SET, event, key);
    }
    cursor
}

fn go_on_store(ctx: &mut Ctx<'_>, key: &[u8], bag: &Bag, cursor: u64, event: &'static str) -> u64 {
    let cursor = bag.fill(&mut ctx.store.cell(ctx.db, key, ctx.now_ms), cursor);
    if cursor == 0 {
        ctx.notify(Class::SET, event, key);
    }
    cursor
}

// Keys of several shards.

/// What a shard reads at the `n`th key of the ask.
type Members = Result<Member, Fault>;

enum Member {
    /// There is no set.
    Absent,
    Bag(Bag),
    /// Of an intersection or a difference, one with so many members: they stay where they are for now.
    Large(usize),
    /// Of a difference the first, of whose members others are asked.
    Lent(Arc<Bag>),
}

impl Member {
    fn len(&self) -> usize {
        match self {
            Member::Absent => 0,
            Member::Bag(bag) => bag.len(),
            Member::Large(len) => *len,
            Member::Lent(bag) => bag.len(),
        }
    }
}

fn read(ask: Result<Ask, Fault>, n: usize) -> Read {
    match ask {
        // The destination's value goes, whatever it is; a bad ask is refused by `decide`.
        Ok(ask) if n >= ask.ahead() && ask.op != Op::Union => Read::Custom(Arc::new(read_if_small)),
        Ok(ask) if n >= ask.ahead() => Read::Custom(Arc::new(read_members)),
        _ => Read::Skip,
    }
}

/// All that a set holds.
fn read_members(ctx: &mut Ctx<'_>, key: &[u8]) -> Reading {
    match elements(ctx, key).map(|elements| elements.is_some()) {
        Err(fault) => Reading::Now(Box::new(Members::Err(fault))),
        Ok(true) => read_rest(ctx, key),
        Ok(false) => {
            missed(ctx, key);
            Reading::Now(Box::new(Members::Ok(Member::Absent)))
        }
    }
}

/// The same of a small set; of a large one how many there are.
fn read_if_small(ctx: &mut Ctx<'_>, key: &[u8]) -> Reading {
    match elements(ctx, key) {
        Ok(Some(elements)) if elements.len() > SLICE => {
            Reading::Now(Box::new(Members::Ok(Member::Large(elements.len()))))
        }
        Ok(Some(_)) => read_rest(ctx, key),
        Ok(None) => {
            missed(ctx, key);
            Reading::Now(Box::new(Members::Ok(Member::Absent)))
        }
        Err(fault) => Reading::Now(Box::new(Members::Err(fault))),
    }
}

/// What is at a key that was looked up before.
fn read_rest(ctx: &mut Ctx<'_>, key: &[u8]) -> Reading {
    let (mut cursor, mut bag) = (0, Some(Bag::new()));
    let mut go_on = move |ctx: &mut Ctx<'_>, key: &[u8]| {
        cursor = match (&mut bag, elements_again(ctx, key)) {
            (Some(bag), Some(elements)) => bag.take(elements, cursor, SLICE),
            _ => 0,
        };
        (cursor == 0).then(|| {
            let members: Members = Ok(bag.take().map_or(Member::Absent, Member::Bag));
            Box::new(members) as crate::row::Parcel
        })
    };
    match go_on(ctx, key) {
        Some(members) => Reading::Now(members),
        None => Reading::Later(Box::new(go_on)),
    }
}

/// Up to this many members altogether are worked off at once.
const FAR_AT_ONCE: usize = 2 * SLICE;

fn decide_far(decide: &mut Decide<'_>, args: Args<'_>, ask: Ask, reply: &mut dyn Reply) {
    let mut operands = Vec::with_capacity(ask.end - ask.first);
    let mut fault = None;
    for n in 0..ask.end - ask.first {
        match decide.parcel::<Members>(ask.ahead() + n) {
            Ok(members) => operands.push(members),
            Err(wrong) => fault = Some(wrong),
        }
    }
    if let Some(fault) = fault {
        return reply.fault(&fault);
    }
    let is_absent = |operand: &Member| matches!(operand, Member::Absent);
    let ask = ask.on(operands.iter().map(|operand| (!is_absent(operand)).then(|| operand.len())));
    let is_empty = match ask.op {
        Op::Inter => operands.iter().any(is_absent),
        Op::Diff => operands.first().is_some_and(is_absent),
        Op::Union => false,
    };
    if !is_empty && operands.iter().any(|operand| matches!(operand, Member::Large(_))) {
        let keys = (ask.first..ask.end).map(|i| args.at(i)).collect();
        decide.job = Some(Box::new(Probing::new(ask, decide.db, keys, operands)));
        return;
    }
    let bags: Vec<Option<Bag>> = operands
        .into_iter()
        .map(|operand| match operand {
            Member::Absent => None,
            Member::Bag(bag) => Some(bag),
            Member::Lent(_) => unreachable!("nothing is lent yet"),
            // There is nothing that could be looked up in it.
            Member::Large(_) => Some(Bag::new()),
        })
        .collect();
    let members: usize = bags.iter().flatten().map(Bag::len).sum();
    let mut far = Far::new(ask, decide.db, bags.into_iter().map(|bag| bag.map(Arc::new)).collect());
    if members > FAR_AT_ONCE {
        decide.job = Some(Box::new(far));
        return;
    }
    while !far.step(usize::MAX) {}
    far.finish(&mut decide.writes, reply);
}

impl Far {
    fn new(ask: Ask, db: DbId, bags: Vec<Option<Arc<Bag>>>) -> Far {
        let lens: Vec<Option<usize>> = bags.iter().map(|bag| bag.as_ref().map(|bag| bag.len())).collect();
        let seed = RandomState::new().build_hasher().finish();
        let algebra = Algebra::new(ask, &lens, seed);
        Far { ask, db, bags, algebra, seed, computed: false, cursor: 0, drawn: Vec::new() }
    }
}

struct Far {
    ask: Ask,
    db: DbId,
    /// Only a difference's first, in which nothing is looked up, may be lent to other shards as well.
    bags: Vec<Option<Arc<Bag>>>,
    algebra: Algebra,
    seed: u64,
    computed: bool,
    /// How far the result is drawn.
    cursor: u64,
    /// The result's members as bulks.
    drawn: Vec<Vec<u8>>,
}

/// Bytes of the result in one piece of memory, about.
const DRAWN_BYTES: usize = 1 << 16;
/// About what a member takes, in `Job`'s units.
const MEMBER_UNITS: usize = 100;

impl Job for Far {
    fn step(&mut self, units: usize) -> bool {
        let count = (units / MEMBER_UNITS).max(1);
        if !self.computed {
            // Members are looked up in all but the first.
            for &i in self.algebra.asked() {
                if let Some(bag) = &mut self.bags[i]
                    && !Arc::get_mut(bag).expect("it is lent to nobody").index_some(self.seed, count)
                {
                    return false;
                }
            }
            let operands: Vec<Operand<'_>> =
                self.bags.iter().map(|bag| bag.as_deref().map_or(Operand::Absent, Operand::Bag)).collect();
            self.computed = self.algebra.step(&operands, count);
            return self.computed && self.ask.result != Use::Speak;
        }
        let Far { algebra, cursor, drawn, .. } = self;
        if drawn.last().is_none_or(|piece| piece.len() >= DRAWN_BYTES) {
            drawn.push(Vec::new());
        }
        let drawn = drawn.last_mut().expect("pushed above");
        *cursor = algebra.out.scan(*cursor, count, |member| {
            let mut digits = [0; 20];
            let bytes = member.bytes(&mut digits);
            drawn.push(b'$');
            push_u64(drawn, bytes.len() as u64);
            drawn.extend_from_slice(b"\r\n");
            drawn.extend_from_slice(bytes);
            drawn.extend_from_slice(b"\r\n");
        });
        *cursor == 0
    }

    fn holds(&self) -> bool {
        matches!(self.ask.result, Use::Store(_))
    }

    fn finish(&mut self, writes: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        let out = std::mem::take(&mut self.algebra.out);
        match self.ask.result {
            Use::Count(_) => reply.int(self.algebra.count() as i64),
            Use::Speak => {
                reply.set(out.len());
                if !out.is_empty() {
                    self.drawn.drain(..).for_each(|piece| reply.drawn(piece.into()));
                }
            }
            Use::Store(event) => {
                reply.int(out.len() as i64);
                writes.push((0, self.db, Write::Custom(Box::new(move |ctx, key| store_far(ctx, key, out, event)))));
            }
        }
        true
    }
}

fn store_far(ctx: &mut Ctx<'_>, key: &[u8], bag: Bag, event: &'static str) -> Writing {
    let mut cursor = begin_store(ctx, key, &bag, event);
    if cursor == 0 {
        return Writing::Done;
    }
    Writing::More(Box::new(move |ctx, key| {
        cursor = go_on_store(ctx, key, &bag, cursor, event);
        cursor == 0
    }))
}
