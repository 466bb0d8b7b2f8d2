//! Room: command. Lists: what touches several of them.
//! Touches: base, store.

use super::{SLICE, at_least, cut, list_again, place, pop_many, popped, pushed};
use crate::context::Ctx;
use crate::keep::{or_fault, same_db};
use crate::row::{CustomWrite, Decide, Job, KeyWrite, Parcel, Read, Reading, Together, Write, Writing};
use base::{Args, Fault, Reply};
use std::sync::Arc;
use store::Kind;
use store::list::{End, Taken};
use store::pack;

/// LEFT or RIGHT
fn end_of(args: Args<'_>, at: usize) -> Result<End, Fault> {
    if args.is(at, "LEFT") {
        Ok(End::Head)
    } else if args.is(at, "RIGHT") {
        Ok(End::Tail)
    } else {
        Err(Fault::Syntax)
    }
}

/// From which end and to which LMOVE, BLMOVE (5 and 6 words), RPOPLPUSH and BRPOPLPUSH (3 and 4) move.
pub(super) fn ends(args: Args<'_>) -> Result<(End, End), Fault> {
    if args.len() < 5 { Ok((End::Tail, End::Head)) } else { Ok((end_of(args, 3)?, end_of(args, 4)?)) }
}

/// LMOVE source destination LEFT|RIGHT LEFT|RIGHT, RPOPLPUSH source destination
pub fn lmove(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let (from, to) = or_fault!(ends(args), reply);
    let (source, destination) = (args.at(1), args.at(2));
    let taken = match or_fault!(place(ctx, source), reply) {
        (_, false) => return reply.null(),
        (_, true) if source == destination => return rotate(ctx, source, from, to, |text| reply.bulk(text)),
        (cell, true) => cell.list().and_then(|list| list.peek(from)).expect("no list is empty"),
    };
    let _ = or_fault!(place(ctx, destination), reply);
    reply.bulk(&taken.text);
    put(ctx, destination, to, &taken);
    take(ctx, source, from);
}

/// Moves an element inside one list.
fn rotate(ctx: &mut Ctx<'_>, key: &[u8], from: End, to: End, take: impl FnOnce(&[u8])) {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    cell.list_mut().rotate(from, to, take);
    pushed(ctx, key, to, false);
    popped(ctx, key, from, 1);
}

/// Adds what was taken elsewhere.
fn put(ctx: &mut Ctx<'_>, key: &[u8], end: End, taken: &Taken) {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    let is_new = cell.entry().is_none();
    cell.list_mut().push_taken(end, taken);
    pushed(ctx, key, end, is_new);
}

/// Removes what was seen before.
pub(super) fn take(ctx: &mut Ctx<'_>, key: &[u8], end: End) {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    let left = cell.list_mut().pop(end, |_| {});
    popped(ctx, key, end, left);
}

/// The element at one end, if there is a list.
type Seen = Result<Option<Taken>, Fault>;

/// Reads the element at one end.
pub(super) fn read_end(end: End) -> Read {
    Read::Custom(Arc::new(move |ctx, key| {
        let seen: Seen = place(ctx, key).map(|(cell, _)| cell.list().and_then(|list| list.peek(end)));
        Reading::Now(Box::new(seen))
    }))
}

/// What a move reads: the element of the source, whether the destination can take one.
pub(super) fn read_move(args: Args<'_>, n: usize) -> Read {
    match (ends(args), n) {
        // `decide` refuses.
        (Err(_), _) => Read::Skip,
        (Ok((from, _)), 0) => read_end(from),
        _ => Read::Custom(Arc::new(|ctx, key| Reading::Now(Box::new(place(ctx, key).map(|_| ()))))),
    }
}

/// `waits`: where there is nothing to move, the client does.
pub(super) fn decide_move(decide: &mut Decide<'_>, args: Args<'_>, waits: bool, reply: &mut dyn Reply) {
    let (from, to) = or_fault!(ends(args), reply);
    let Some(taken) = or_fault!(decide.parcel::<Seen>(0), reply) else {
        decide.wait = waits.then(Vec::new);
        if !waits {
            reply.null();
        }
        return;
    };
    or_fault!(decide.parcel::<Result<(), Fault>>(1), reply);
    reply.bulk(&taken.text);
    let mut write = |n, write: CustomWrite| decide.writes.push((n, decide.db, Write::Custom(write)));
    if args[1] == args[2] {
        write(
            0,
            Box::new(move |ctx, key| {
                rotate(ctx, key, from, to, |_| {});
                Writing::Done
            }),
        );
        return;
    }
    write(
        1,
        Box::new(move |ctx, key| {
            put(ctx, key, to, &taken);
            Writing::Done
        }),
    );
    write(
        0,
        Box::new(move |ctx, key| {
            take(ctx, key, from);
            Writing::Done
        }),
    );
}

pub static LMOVE: Together =
    Together { read: read_move, decide: |decide, args, _, reply| decide_move(decide, args, false, reply), db: same_db };

/// The words of LMPOP and BLMPOP behind the verb, or the timeout.
pub(super) struct Pop {
    /// Word of the first key.
    pub first: usize,
    pub keys: usize,
    pub end: End,
    pub count: usize,
}

/// The number of keys at word `at`, if as many words and one more follow.
fn numkeys(args: Args<'_>, at: usize) -> Result<usize, Fault> {
    let keys = at_least(args.at(at), 1, "numkeys should be greater than 0")?;
    if keys >= args.len() - at - 1 { Err(Fault::Syntax) } else { Ok(keys) }
}

/// `Keys::Sought` of LMPOP and BLMPOP.
pub fn find_keys(args: Args<'_>, at: usize, keys: &mut Vec<usize>) -> Result<(), Fault> {
    let n = numkeys(args, at)?;
    keys.extend(at + 1..=at + n);
    Ok(())
}

impl Pop {
    pub(super) fn parse(args: Args<'_>, at: usize) -> Result<Pop, Fault> {
        let keys = numkeys(args, at)?;
        let place = at + 1 + keys;
        let end = end_of(args, place)?;
        let mut count = None;
        let mut i = place + 1;
        while i < args.len() {
            match args.get(i + 1) {
                Some(word) if count.is_none() && args.is(i, "COUNT") => {
                    count = Some(at_least(word, 1, "count should be greater than 0")?);
                }
                _ => return Err(Fault::Syntax),
            }
            i += 2;
        }
        Ok(Pop { first: at + 1, keys, end, count: count.unwrap_or(1) })
    }
}

/// LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT count]
pub fn lmpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let pop = or_fault!(Pop::parse(args, 1), reply);
    for at in pop.first..pop.first + pop.keys {
        if let (_, true) = or_fault!(place(ctx, args.at(at)), reply) {
            reply.array(2);
            reply.bulk(&args[at]);
            return pop_many(ctx, args, at, pop.end, pop.count, reply);
        }
    }
    reply.null_array();
}

/// Elements from one end on, packed, on their way to the client.
#[derive(Default)]
struct Copied {
    packed: Vec<u8>,
    count: usize,
}

type Many = Result<Option<Copied>, Fault>;

impl Copied {
    /// Copies up to a slice more of `count` elements. True when that are all.
    fn copy(&mut self, ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize) -> bool {
        let Some(list) = list_again(ctx, key) else { return true };
        let count = count.min(list.len());
        let back = end == End::Tail;
        let from = if back { list.len() - 1 - self.count.min(list.len() - 1) } else { self.count };
        for element in list.iter_from(from, back).take((count - self.count).min(SLICE)) {
            pack::push::<false>(&mut self.packed, element.text(&mut [0; 20]));
            self.count += 1;
        }
        self.count >= count
    }
}

fn read_many(end: End, count: usize) -> Read {
    Read::Custom(Arc::new(move |ctx, key| {
        let none: Result<Option<Copied>, Fault> = match place(ctx, key) {
            Ok((_, true)) => {
                let mut some = Copied::default();
                if !some.copy(ctx, key, end, count) {
                    return Reading::Later(Box::new(move |ctx, key| {
                        some.copy(ctx, key, end, count).then(|| {
                            let many: Many = Ok(Some(std::mem::take(&mut some)));
                            Box::new(many) as Parcel
                        })
                    }));
                }
                Ok(Some(some))
            }
            Ok((_, false)) => Ok(None),
            Err(fault) => Err(fault),
        };
        Reading::Now(Box::new(none))
    }))
}

/// What LMPOP (`at` 1) and BLMPOP (2) read at each key: as many elements as they may take.
pub(super) fn read_mpop(args: Args<'_>, at: usize) -> Read {
    match Pop::parse(args, at) {
        Ok(pop) => read_many(pop.end, pop.count),
        Err(_) => Read::Skip,
    }
}

pub(super) fn decide_mpop(decide: &mut Decide<'_>, args: Args<'_>, at: usize, waits: bool, reply: &mut dyn Reply) {
    let pop = or_fault!(Pop::parse(args, at), reply);
    for n in 0..pop.keys {
        let Some(many) = or_fault!(decide.parcel::<Many>(n), reply) else { continue };
        let count = many.count;
        let write = move |ctx: &mut Ctx<'_>, key: &[u8]| {
            cut(ctx, key, pop.end, count);
            Writing::Done
        };
        decide.writes.push((n, decide.db, Write::Custom(Box::new(write))));
        let mut popped = Popped { key: args[pop.first + n].into(), many, at: None };
        if count > SLICE {
            decide.job = Some(Box::new(popped));
        } else {
            popped.speak(reply);
        }
        return;
    }
    decide.wait = waits.then(Vec::new);
    if !waits {
        reply.null_array();
    }
}

/// What was popped of a key, on its way into the reply.
struct Popped {
    key: Box<[u8]>,
    many: Copied,
    /// Where the next element begins, once the reply has a head.
    at: Option<usize>,
}

impl Popped {
    /// Speaks a slice of the elements. True when all are spoken.
    fn speak(&mut self, reply: &mut dyn Reply) -> bool {
        let at = self.at.unwrap_or_else(|| {
            reply.array(2);
            reply.bulk(&self.key);
            reply.array(self.many.count);
            0
        });
        let mut next = self.many.packed.len();
        for (n, (from, item)) in pack::iter_from::<false>(&self.many.packed, at).enumerate() {
            if n == SLICE {
                next = from;
                break;
            }
            reply.bulk(item.text(&mut [0; 20]));
        }
        self.at = Some(next);
        next == self.many.packed.len()
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

pub static LMPOP: Together = Together {
    read: |args, _| read_mpop(args, 1),
    decide: |decide, args, _, reply| decide_mpop(decide, args, 1, false, reply),
    db: same_db,
};

/// BLPOP and BRPOP: the first list that has something.
pub(super) fn decide_pop(decide: &mut Decide<'_>, args: Args<'_>, end: End, reply: &mut dyn Reply) {
    for n in 0..args.len() - 2 {
        let Some(taken) = or_fault!(decide.parcel::<Seen>(n), reply) else { continue };
        reply.array(2);
        reply.bulk(&args[1 + n]);
        reply.bulk(&taken.text);
        let write = move |ctx: &mut Ctx<'_>, key: &[u8]| {
            take(ctx, key, end);
            Writing::Done
        };
        decide.writes.push((n, decide.db, Write::Custom(Box::new(write))));
        return;
    }
    decide.wait = Some(Vec::new());
}

/// Whether there is a list.
pub(super) fn is_list(ctx: &mut Ctx<'_>, key: &[u8]) -> bool {
    ctx.store.peek(ctx.db, key, ctx.now_ms).is_some_and(|entry| entry.kind() == Kind::List)
}
