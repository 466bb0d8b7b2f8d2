//! Room: command. Ranges by rank, score and name: read, counted, stored.
//! Touches: base, store.

use super::gather::{Bunch, Gathering, Held, read_operand, store_write};
use super::*;
use crate::keep::same_db;
use crate::row::{Read, Reading, Together};
use base::number::parse_c_f64;
use std::sync::Arc;
use store::zset::{Bound, Lexical, Ranks, Scores};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// What a range says, whatever the set.
#[derive(Clone, Copy)]
pub(super) enum Range<'a> {
    Rank(i64, i64),
    Score(Scores),
    Lex(Lexical<'a>),
}

impl<'a> Range<'a> {
    pub(super) fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Range<'a>, Fault> {
        match by {
            By::Rank => Ok(Range::Rank(parse_long(min)?, parse_long(max)?)),
            By::Score => {
                let (Some((min, without_min)), Some((max, without_max))) = (parse_score(min), parse_score(max)) else {
                    return Err(Fault::err("min or max is not a float"));
                };
                Ok(Range::Score(Scores { min, max, without_min, without_max }))
            }
            By::Lex => match (parse_name(min), parse_name(max)) {
                (Some(min), Some(max)) => Ok(Range::Lex(Lexical { min, max })),
                _ => Err(Fault::err("min or max not valid string range item")),
            },
        }
    }

    /// The ranks that it means in `set`; with `back` they are counted from the end.
    pub(super) fn ranks(&self, set: ZsetRef<'_>, back: bool) -> Ranks {
        match self {
            Range::Score(scores) => set.by_score(scores),
            Range::Lex(names) => set.by_name(names, back),
            &Range::Rank(start, end) => {
                let len = set.len() as i64;
                let place = |at: i64| if at < 0 { at.saturating_add(len) } else { at };
                let (start, end) = (place(start).max(0), place(end));
                if start > end || start >= len {
                    return 0..0;
                }
                let (start, end) = (start as usize, end.min(len - 1) as usize + 1);
                if back { len as usize - end..len as usize - start } else { start..end }
            }
        }
    }
}

/// `1.5`, `(1.5`: the score, and whether it is left out.
fn parse_score(word: &[u8]) -> Option<(f64, bool)> {
    match word {
        [b'(', rest @ ..] => Some((parse_c_f64(rest)?, true)),
        _ => Some((parse_c_f64(word)?, false)),
    }
}

/// `-`, `+`, `[name`, `(name`.
fn parse_name(word: &[u8]) -> Option<Bound<'_>> {
    match word {
        // As for a C string, a NUL is the end of a sign.
        [b'-'] | [b'-', 0, ..] => Some(Bound::Lowest),
        [b'+'] | [b'+', 0, ..] => Some(Bound::Highest),
        [b'[', name @ ..] => Some(Bound::With(name)),
        [b'(', name @ ..] => Some(Bound::Without(name)),
        _ => None,
    }
}

/// A range with its options.
struct Ask<'a> {
    range: Range<'a>,
    back: bool,
    with_scores: bool,
    /// Negative: nothing at all.
    offset: i64,
    /// Negative: all.
    limit: i64,
}

impl<'a> Ask<'a> {
    /// `at`: the word behind the key. `by`, `back`: what the command itself says; else options do.
    fn parse(args: Args<'a>, at: usize, store: bool, by: Option<By>, mut back: Option<bool>) -> Result<Ask<'a>, Fault> {
        let (given_by, given_back) = (by, back.is_some());
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut by = by;
        let mut i = at + 2;
        while i < args.len() {
            if !store && args.is(i, "WITHSCORES") {
                with_scores = true;
            } else if args.is(i, "LIMIT") && i + 2 < args.len() {
                offset = parse_long(args.at(i + 1))?;
                limit = parse_long(args.at(i + 2))?;
                i += 2;
            } else if !given_back && back.is_none() && args.is(i, "REV") {
                back = Some(true);
            } else if given_by.is_none() && by.is_none() && args.is(i, "BYLEX") {
                by = Some(By::Lex);
            } else if given_by.is_none() && by.is_none() && args.is(i, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(Fault::Syntax);
            }
            i += 1;
        }
        let (by, back) = (by.unwrap_or(By::Rank), back.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(Fault::err(
                "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(Fault::err("syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let (min, max) = if back && by != By::Rank { (at + 1, at) } else { (at, at + 1) };
        let range = Range::parse(by, args.at(min), args.at(max))?;
        Ok(Ask { range, back, with_scores, offset, limit })
    }

    /// The first rank to be visited, and how many there are.
    fn span(&self, set: ZsetRef<'_>) -> (usize, usize) {
        let ranks = self.range.ranks(set, self.back);
        let (mut skip, mut count) = (0, ranks.len());
        if !matches!(self.range, Range::Rank(..)) {
            skip = usize::try_from(self.offset).unwrap_or(usize::MAX);
            count = count.saturating_sub(skip);
            if let Ok(limit) = usize::try_from(self.limit) {
                count = count.min(limit);
            }
        }
        if count == 0 {
            return (0, 0);
        }
        (if self.back { ranks.end - 1 - skip } else { ranks.start + skip }, count)
    }
}

/// ZRANGE key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]
pub fn zrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    range(ctx, args, None, None, reply);
}

/// ZREVRANGE key start stop [WITHSCORES]
pub fn zrevrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    range(ctx, args, Some(By::Rank), Some(true), reply);
}

/// ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]
pub fn zrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    range(ctx, args, Some(By::Score), Some(false), reply);
}

/// ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]
pub fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    range(ctx, args, Some(By::Score), Some(true), reply);
}

/// ZRANGEBYLEX key min max [LIMIT offset count]
pub fn zrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    range(ctx, args, Some(By::Lex), Some(false), reply);
}

/// ZREVRANGEBYLEX key max min [LIMIT offset count]
pub fn zrevrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    range(ctx, args, Some(By::Lex), Some(true), reply);
}

fn range(ctx: &mut Ctx<'_>, args: Args<'_>, by: Option<By>, back: Option<bool>, reply: &mut dyn Reply) {
    let ask = or_fault!(Ask::parse(args, 2, false, by, back), reply);
    let Some(set) = or_fault!(read(ctx, &args[1]), reply) else {
        missed(ctx, &args[1]);
        return reply.array(0);
    };
    let (first, count) = ask.span(set);
    if ask.with_scores {
        reply.pairs(count)
    } else {
        reply.array(count)
    }
    let mut speaking = Speaking { next: first, left: count, back: ask.back, with_scores: ask.with_scores };
    speaking.speak(set, reply);
    if speaking.left > 0 {
        ctx.walk = Some(Box::new(speaking));
    }
}

/// A range of which the head is spoken.
pub(super) struct Speaking {
    pub(super) next: usize,
    pub(super) left: usize,
    pub(super) back: bool,
    pub(super) with_scores: bool,
}

impl Speaking {
    #[inline]
    pub(super) fn speak(&mut self, set: ZsetRef<'_>, reply: &mut dyn Reply) {
        let Speaking { next, left, back, with_scores } = *self;
        let count = left.min(SLICE);
        set.walk(next, count, back, |member, score| {
            if with_scores {
                reply.pair();
                reply.bulk(member);
                reply.double(score);
            } else {
                reply.bulk(member);
            }
            true
        });
        self.left -= count;
        self.next = if back { next.wrapping_sub(count) } else { next + count };
    }
}

impl Walk for Speaking {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        if let Some(set) = read_again(ctx, &args[1]) {
            self.speak(set, reply);
        }
        self.left == 0
    }
}

/// ZCOUNT key min max
pub fn zcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    count(ctx, args, By::Score, reply);
}

/// ZLEXCOUNT key min max
pub fn zlexcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    count(ctx, args, By::Lex, reply);
}

fn count(ctx: &mut Ctx<'_>, args: Args<'_>, by: By, reply: &mut dyn Reply) {
    let range = or_fault!(Range::parse(by, args.at(2), args.at(3)), reply);
    match or_fault!(read(ctx, &args[1]), reply) {
        Some(set) => reply.int(range.ranks(set, false).len() as i64),
        None => {
            missed(ctx, &args[1]);
            reply.int(0);
        }
    }
}

/// ZRANGESTORE dst src min max [BYSCORE|BYLEX] [REV] [LIMIT offset count]
pub static ZRANGESTORE: Together = Together {
    read: |args, n| {
        // What is wrong with the words is said by `decide`, before anything of the source.
        if n == 0 || Ask::parse(args, 3, true, None, None).is_err() {
            return Read::Skip;
        }
        let words = base::ArgsBuf::from(args);
        Read::Custom(Arc::new(move |ctx, key| {
            let words = words.clone();
            match read(ctx, key) {
                Err(fault) => Reading::Now(Box::new(Err::<Bunch, Fault>(fault))),
                Ok(None) => {
                    missed(ctx, key);
                    Reading::Now(Box::new(Ok::<Bunch, Fault>(Bunch::default())))
                }
                Ok(Some(set)) => {
                    let ask = Ask::parse(words.args(), 3, true, None, None).expect("seen before it was read");
                    let (first, count) = ask.span(set);
                    read_operand(ctx, key, Gathering::range(first, count, ask.back))
                }
            }
        }))
    },
    decide: |decide, args, _, reply| {
        if let Err(fault) = Ask::parse(args, 3, true, None, None) {
            return reply.fault(&fault);
        }
        let bunch: Result<Bunch, Fault> = decide.parcel(1);
        let bunch = or_fault!(bunch, reply);
        reply.int(bunch.len() as i64);
        decide.writes.push((0, decide.db, store_write(Held::Bunch(bunch), "zrangestore")));
    },
    db: same_db,
};
