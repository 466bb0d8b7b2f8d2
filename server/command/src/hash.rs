//! Room: command. Hashes: one field or a few are read here; writes, what sees all fields, and deadlines of fields have files of
//! their own. Touches: base, store.
//! Source of every order of checks and every edge: t_hash.c of Redis 7.2; of deadlines that of 7.4 and 8.0.

mod all;
mod change;
mod deadline;
mod extended;
mod random;
mod rows;
mod scan;

pub use all::{hgetall, hkeys, hlen, hvals};
pub use change::{hdel, hincrby, hincrbyfloat, hmset, hset, hsetnx};
pub use deadline::{hexpire, hexpireat, hexpiretime, hpersist, hpexpire, hpexpireat, hpexpiretime, hpttl, httl};
pub use extended::{hgetdel, hgetex, hsetex};
pub use random::hrandfield;
pub use rows::HASH;
pub use scan::hscan;

use crate::context::{Class, Ctx};
use crate::keep::{lookup, or_fault};
use crate::row::Walk;
use base::{Args, Fault, Reply};
use store::hash::{Fields, HashCell, Text};

/// Fields that one slice works off: some 100 µs.
const SLICE: usize = 1_000;

/// Speaks a field's name or value.
#[inline]
fn speak(text: Text<'_>, reply: &mut dyn Reply) {
    match text {
        Text::Bytes(bytes) => reply.bulk(bytes),
        Text::Shared(bytes) => reply.shared(bytes.clone()),
        Text::Number(_) => reply.bulk(text.bytes(&mut [0; 20])),
    }
}

/// The fields at `key` for a command that reads them.
#[inline]
fn fields<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<Fields<'a>>, Fault> {
    let now_ms = ctx.now_ms;
    match ctx.store.read(ctx.db, key, now_ms, !ctx.no_touch) {
        None => Ok(None),
        Some(entry) => entry.fields(now_ms).map(Some).ok_or(Fault::WrongType),
    }
}

/// The same for a walk that goes on: looks as its command did when it began, counts nothing.
fn fields_again<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Option<Fields<'a>> {
    let now_ms = ctx.now_ms;
    ctx.store.peek(ctx.db, key, now_ms).and_then(|entry| entry.fields(now_ms))
}

/// The place of a hash for a command that may write.
#[inline]
fn place<'a>(ctx: &'a mut Ctx<'_>, key: &'a [u8]) -> Result<HashCell<'a>, Fault> {
    HashCell::new(lookup(ctx, key)).ok_or(Fault::WrongType)
}

/// Says that a key that was to be read is not there.
#[inline]
fn missed(ctx: &mut Ctx<'_>, key: &[u8]) {
    ctx.notify(Class::MISS, "keymiss", key);
}

/// HGET key field
pub fn hget(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(fields(ctx, &args[1]), reply) {
        Some(fields) => match fields.get(&args[2]) {
            Some(value) => speak(value, reply),
            None => reply.null(),
        },
        None => {
            missed(ctx, &args[1]);
            reply.null();
        }
    }
}

/// HEXISTS key field
pub fn hexists(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(fields(ctx, &args[1]), reply) {
        Some(fields) => reply.int(fields.has(&args[2]).into()),
        None => {
            missed(ctx, &args[1]);
            reply.int(0);
        }
    }
}

/// HSTRLEN key field
pub fn hstrlen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(fields(ctx, &args[1]), reply) {
        Some(fields) => reply.int(fields.get(&args[2]).map_or(0, Text::len) as i64),
        None => {
            missed(ctx, &args[1]);
            reply.int(0);
        }
    }
}

/// HMGET key field [field ...]
pub fn hmget(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let end = args.len().min(2 + SLICE);
    match or_fault!(fields(ctx, &args[1]), reply) {
        Some(fields) => {
            reply.array(args.len() - 2);
            speak_some(fields, args, 2, end, reply);
        }
        None => {
            missed(ctx, &args[1]);
            reply.array(args.len() - 2);
            (2..end).for_each(|_| reply.null());
        }
    }
    if end < args.len() {
        ctx.walk = Some(Box::new(Mget { at: end }));
    }
}

/// The values of the fields that words `from` to `to` name.
fn speak_some(fields: Fields<'_>, args: Args<'_>, from: usize, to: usize, reply: &mut dyn Reply) {
    for i in from..to {
        match fields.get(&args[i]) {
            Some(value) => speak(value, reply),
            None => reply.null(),
        }
    }
}

/// HMGET from word `at` on.
struct Mget {
    at: usize,
}

impl Walk for Mget {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = args.len().min(self.at + SLICE);
        match fields_again(ctx, &args[1]) {
            Some(fields) => speak_some(fields, args, self.at, end, reply),
            None => (self.at..end).for_each(|_| reply.null()),
        }
        self.at = end;
        end == args.len()
    }
}
