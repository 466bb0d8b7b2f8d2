//! Room: command. Sorted sets: single members are read here; adding, ranges, popping, drawing and what works on several keys
//! have files of their own. Touches: base, store.
//! Source of every order of checks and every edge: t_zset.c of Redis 7.2.

mod add;
mod combine;
mod draw;
mod gather;
mod pop;
mod range;
mod remove;
mod rows;
mod scan;
mod sift;

pub(crate) use add::add_places;
pub(crate) use gather::{Bunch, Held, store_write};
pub use rows::ZSET;

use crate::context::{Class, Ctx};
use crate::keep::{lookup, or_fault};
use crate::row::Walk;
use base::number::parse_i64;
use base::{Args, Fault, Reply};
use store::zset::{WrongType, ZsetMut, ZsetRef};
use store::{Entry, Kind};

/// Members that one slice works off: some 100 µs.
pub(crate) const SLICE: usize = 1_000;

fn wrong(_: WrongType) -> Fault {
    Fault::WrongType
}

/// The sorted set at `key` for a command that reads it.
#[inline]
pub(crate) fn read<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<ZsetRef<'a>>, Fault> {
    let entry = ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch);
    entry.map(ZsetRef::of).transpose().map_err(wrong)
}

/// The same for a walk that goes on: counts nothing.
pub(crate) fn read_again<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Option<ZsetRef<'a>> {
    ctx.store.peek(ctx.db, key, ctx.now_ms).and_then(|entry: Entry<'a>| ZsetRef::of(entry).ok())
}

/// Says that a key that was to be read is not there.
#[inline]
pub(crate) fn missed(ctx: &mut Ctx<'_>, key: &[u8]) {
    ctx.notify(Class::MISS, "keymiss", key);
}

/// Says that a key came into being.
pub(crate) fn created(ctx: &mut Ctx<'_>, key: &[u8]) {
    ctx.notify(Class::NEW, "new", key);
    ctx.ready(Kind::Zset, key);
}

/// ZCARD key
pub fn zcard(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(read(ctx, &args[1]), reply) {
        Some(set) => reply.int(set.len() as i64),
        None => {
            missed(ctx, &args[1]);
            reply.int(0);
        }
    }
}

/// ZSCORE key member
pub fn zscore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(read(ctx, &args[1]), reply) {
        Some(set) => speak_score(set.score(&args[2]), reply),
        None => {
            missed(ctx, &args[1]);
            reply.null();
        }
    }
}

fn speak_score(score: Option<f64>, reply: &mut dyn Reply) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

/// ZMSCORE key member [member ...]
pub fn zmscore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let there = or_fault!(read(ctx, &args[1]), reply).is_some();
    if !there {
        missed(ctx, &args[1]);
    }
    reply.array(args.len() - 2);
    let mut scores = Mscore { at: 2 };
    if !scores.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(scores));
    }
}

struct Mscore {
    at: usize,
}

impl Walk for Mscore {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = args.len().min(self.at + SLICE);
        let set = read_again(ctx, &args[1]);
        for member in (self.at..end).map(|i| args.at(i)) {
            speak_score(set.and_then(|set| set.score(member)), reply);
        }
        self.at = end;
        end == args.len()
    }
}

/// ZRANK key member [WITHSCORE]
pub fn zrank(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    rank(ctx, args, "zrank", false, reply);
}

/// ZREVRANK key member [WITHSCORE]
pub fn zrevrank(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    rank(ctx, args, "zrevrank", true, reply);
}

fn rank(ctx: &mut Ctx<'_>, args: Args<'_>, name: &'static str, back: bool, reply: &mut dyn Reply) {
    if args.len() > 4 {
        return reply.fault(&Fault::WrongArity(name));
    }
    let with_score = args.len() > 3;
    if with_score && !args.is(3, "WITHSCORE") {
        return reply.fault(&Fault::Syntax);
    }
    let set = or_fault!(read(ctx, &args[1]), reply);
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(&args[2])?;
        Some((if back { set.len() - 1 - rank } else { rank }, score))
    });
    if set.is_none() {
        missed(ctx, &args[1]);
    }
    match found {
        Some((rank, score)) if with_score => {
            reply.array(2);
            reply.int(rank as i64);
            reply.double(score);
        }
        Some((rank, _)) => reply.int(rank as i64),
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
}

/// What Redis reads into a `long`.
fn parse_long(word: &[u8]) -> Result<i64, Fault> {
    parse_i64(word).ok_or(Fault::NotInteger)
}
