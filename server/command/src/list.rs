//! Room: command. Lists: reads, both ends, trimming. What looks for elements, what touches several keys and what waits have files of
//! their own. Touches: base, store.
//! Source of every order of checks and every edge: t_list.c of Redis 7.2.

mod blocking;
mod rows;
mod search;
mod several;

pub use blocking::{BLMOVE, BLMPOP, BLPOP, BRPOP};
pub use rows::LIST;
pub use search::{linsert, lpos, lrem};
pub use several::{LMOVE, LMPOP, find_keys, lmove, lmpop};

use crate::context::{Class, Ctx};
use crate::keep::{lookup, or_fault};
use crate::row::Walk;
use base::number::parse_i64;
use base::{Args, Fault, Reply};
use store::list::{Element, End, ListRef};
use store::pack::Item;
use store::{Cell, Kind};

/// Elements that one slice speaks or adds: some 100 µs.
const SLICE: usize = 1_000;

/// Speaks one element.
#[inline]
fn speak(element: Element<'_>, reply: &mut dyn Reply) {
    match element {
        Element::Item(Item::Text(text)) => reply.bulk(text),
        Element::Item(Item::Number(n)) => reply.bulk(itoa::Buffer::new().format(n).as_bytes()),
        Element::Shared(bytes) => reply.shared(bytes.clone()),
    }
}

/// The list at `key` for a command that reads it.
#[inline]
fn list<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<ListRef<'a>>, Fault> {
    match ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch) {
        Some(entry) => entry.list().map(Some).ok_or(Fault::WrongType),
        None => {
            if ctx.events.wanted & Class::MISS != 0 {
                let event = crate::context::Event { db: ctx.db, class: Class::MISS, event: "keymiss", key: key.into() };
                ctx.events.happened.push(event);
            }
            Ok(None)
        }
    }
}

/// The same for a walk that goes on: its key is locked and was seen to be a list.
fn list_again<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Option<ListRef<'a>> {
    ctx.store.peek(ctx.db, key, ctx.now_ms).and_then(|entry| entry.list())
}

/// The place of a list for a command that may write; whether there is one.
#[inline]
fn place<'a>(ctx: &'a mut Ctx<'_>, key: &'a [u8]) -> Result<(Cell<'a>, bool), Fault> {
    let cell = lookup(ctx, key);
    match cell.kind() {
        None => Ok((cell, false)),
        Some(Kind::List) => Ok((cell, true)),
        Some(_) => Err(Fault::WrongType),
    }
}

/// As Redis tells of a push.
fn pushed(ctx: &mut Ctx<'_>, key: &[u8], end: End, is_new: bool) {
    if is_new {
        ctx.notify(Class::NEW, "new", key);
    }
    ctx.ready(Kind::List, key);
    ctx.notify(Class::LIST, if end == End::Head { "lpush" } else { "rpush" }, key);
}

/// As Redis tells of a pop that left so many elements.
fn popped(ctx: &mut Ctx<'_>, key: &[u8], end: End, left: usize) {
    removed(ctx, key, if end == End::Head { "lpop" } else { "rpop" }, left);
}

fn removed(ctx: &mut Ctx<'_>, key: &[u8], event: &'static str, left: usize) {
    ctx.notify(Class::LIST, event, key);
    if left == 0 {
        ctx.notify(Class::GENERIC, "del", key);
    }
}

/// LPUSH key element [element ...]
pub fn lpush(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    push(ctx, args, End::Head, true, reply);
}

/// RPUSH key element [element ...]
pub fn rpush(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    push(ctx, args, End::Tail, true, reply);
}

/// LPUSHX key element [element ...]
pub fn lpushx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    push(ctx, args, End::Head, false, reply);
}

/// RPUSHX key element [element ...]
pub fn rpushx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    push(ctx, args, End::Tail, false, reply);
}

fn push(ctx: &mut Ctx<'_>, args: Args<'_>, end: End, creates: bool, reply: &mut dyn Reply) {
    let key = args.at(1);
    let (mut cell, exists) = or_fault!(place(ctx, key), reply);
    if !exists && !creates {
        return reply.int(0);
    }
    if args.len() - 2 > SLICE {
        cell.list_mut().prepare_pieces(args.bytes_len() - args[0].len() - key.len(), args.len() - 2);
        let mut walk = Push { next: 2, end, is_new: !exists };
        walk.step(ctx, args, reply);
        ctx.walk = Some(Box::new(walk));
        return;
    }
    let len = cell.list_mut().push(end, (2..args.len()).map(|i| args.at(i)));
    pushed(ctx, key, end, !exists);
    reply.int(len as i64);
}

/// A push of many elements.
struct Push {
    next: usize,
    end: End,
    is_new: bool,
}

impl Walk for Push {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let until = args.len().min(self.next + SLICE);
        let mut cell = ctx.store.cell(ctx.db, args.at(1), ctx.now_ms);
        let len = cell.list_mut().push_piece(self.end, (self.next..until).map(|i| args.at(i)));
        self.next = until;
        if until < args.len() {
            return false;
        }
        pushed(ctx, args.at(1), self.end, self.is_new);
        reply.int(len as i64);
        true
    }
}

/// LPOP key [count]
pub fn lpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    pop(ctx, args, End::Head, "lpop", reply);
}

/// RPOP key [count]
pub fn rpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    pop(ctx, args, End::Tail, "rpop", reply);
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End, verb: &'static str, reply: &mut dyn Reply) {
    if args.len() > 3 {
        return reply.fault(&Fault::WrongArity(verb));
    }
    let count = match args.get(2) {
        None => None,
        Some(word) => Some(or_fault!(at_least(word, 0, "value is out of range, must be positive"), reply)),
    };
    let key = args.at(1);
    let (mut cell, exists) = or_fault!(place(ctx, key), reply);
    match count {
        None if !exists => reply.null(),
        Some(_) if !exists => reply.null_array(),
        None => {
            let left = cell.list_mut().pop(end, |element| speak(element, reply));
            popped(ctx, key, end, left);
        }
        Some(0) => reply.array(0),
        Some(count) => pop_many(ctx, args, 1, end, count, reply),
    }
}

/// Speaks up to `count` elements as an array, from one end on, and removes them. Word `at` is the key of a list.
fn pop_many(ctx: &mut Ctx<'_>, args: Args<'_>, at: usize, end: End, count: usize, reply: &mut dyn Reply) {
    let Some(list) = list_again(ctx, args.at(at)) else { return reply.array(0) };
    let count = count.min(list.len());
    reply.array(count);
    let next = if end == End::Head { 0 } else { list.len() - 1 };
    let mut walk = Speak { at, next, left: count, back: end == End::Tail, removes: count };
    if !walk.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(walk));
    }
}

/// A row of elements of which the reply has the head already.
struct Speak {
    /// Word of the key.
    at: usize,
    next: usize,
    left: usize,
    back: bool,
    /// At the end so many are removed, from the end where the walk began.
    removes: usize,
}

impl Walk for Speak {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let key = args.at(self.at);
        let count = self.left.min(SLICE);
        if let Some(list) = list_again(ctx, key) {
            list.iter_from(self.next, self.back).take(count).for_each(|element| speak(element, reply));
        }
        self.left -= count;
        self.next = if self.back { self.next.wrapping_sub(count) } else { self.next + count };
        if self.left > 0 {
            return false;
        }
        if self.removes > 0 {
            let end = if self.back { End::Tail } else { End::Head };
            cut(ctx, key, end, self.removes);
        }
        true
    }
}

/// Removes elements at one end.
fn cut(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize) {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    let left = match end {
        End::Head => cell.list_mut().cut(count, 0),
        End::Tail => cell.list_mut().cut(0, count),
    };
    popped(ctx, key, end, left);
}

/// A number from `least` on; else, or if it is none, the fault says `text`.
fn at_least(word: &[u8], least: i64, text: &'static str) -> Result<usize, Fault> {
    parse_i64(word).filter(|&n| n >= least).map(|n| n as usize).ok_or_else(|| Fault::err(text))
}

/// LLEN key
pub fn llen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let list = or_fault!(list(ctx, &args[1]), reply);
    reply.int(list.map_or(0, ListRef::len) as i64);
}

/// LINDEX key index
pub fn lindex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let Some(list) = or_fault!(list(ctx, &args[1]), reply) else { return reply.null() };
    let index = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    match index_in(index, list.len()).and_then(|index| list.get(index)) {
        Some(element) => speak(element, reply),
        None => reply.null(),
    }
}

/// The place that an index means, negative ones counted from the end.
fn index_in(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|&index| index < len)
}

/// First place and number of places of a range, both ends included, negative ones counted from the end.
fn range_in(start: i64, end: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let start = if start < 0 { (start + len).max(0) } else { start };
    let end = if end < 0 { end + len } else { end };
    if start > end || start >= len {
        return (0, 0);
    }
    (start as usize, (end.min(len - 1) - start + 1) as usize)
}

/// LRANGE key start stop
pub fn lrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let start = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    let end = or_fault!(parse_i64(&args[3]).ok_or(Fault::NotInteger), reply);
    let Some(list) = or_fault!(list(ctx, &args[1]), reply) else { return reply.array(0) };
    let (from, count) = range_in(start, end, list.len());
    reply.array(count);
    let first = count.min(SLICE);
    list.iter_from(from, false).take(first).for_each(|element| speak(element, reply));
    if count > first {
        ctx.walk = Some(Box::new(Speak { at: 1, next: from + first, left: count - first, back: false, removes: 0 }));
    }
}

/// LSET key index element
pub fn lset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let key = args.at(1);
    let (mut cell, exists) = or_fault!(place(ctx, key), reply);
    if !exists {
        return reply.fault(&Fault::NoSuchKey);
    }
    let index = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    let mut list = cell.list_mut();
    // Redis cuts the index to 32 bits here, so that 2^32 is 0 and 2^63 - 1 is the last: we do not follow.
    let index = index_in(index, list.len());
    if !list.set(index.unwrap_or(usize::MAX), &args[3]) {
        return reply.fault(&Fault::err("index out of range"));
    }
    ctx.notify(Class::LIST, "lset", key);
    reply.ok();
}

/// LTRIM key start stop
pub fn ltrim(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let start = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    let end = or_fault!(parse_i64(&args[3]).ok_or(Fault::NotInteger), reply);
    let key = args.at(1);
    let (mut cell, exists) = or_fault!(place(ctx, key), reply);
    if !exists {
        return reply.ok();
    }
    let mut list = cell.list_mut();
    let len = list.len();
    let (from, count) = range_in(start, end, len);
    let left = list.cut(from, len - from - count);
    removed(ctx, key, "ltrim", left);
    reply.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_equal_the_slow_ones() {
        let edges = [i64::MIN, i64::MIN + 1, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, i64::MAX];
        for len in 0..5usize {
            for start in edges {
                for end in edges {
                    let place = |i: i64| if i < 0 { i as i128 + len as i128 } else { i as i128 };
                    let slow: Vec<usize> =
                        (0..len).filter(|&i| (place(start).max(0)..=place(end)).contains(&(i as i128))).collect();
                    let (from, count) = range_in(start, end, len);
                    assert_eq!((from..from + count).collect::<Vec<_>>(), slow, "{start} {end} of {len}");
                }
            }
        }
    }
}
