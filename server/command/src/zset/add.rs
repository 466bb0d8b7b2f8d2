//! Room: command. ZADD and ZINCRBY.
//! Touches: base, store.

use super::*;
use base::number::parse_f64;
use store::zset::{Done, How, Shape};

/// Scores that are kept between their check and their use: of more, all but these are read twice.
const SCORES_KEPT: usize = 8;

/// ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]
pub fn zadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    add(ctx, args, false, reply);
}

/// ZINCRBY key increment member
pub fn zincrby(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    add(ctx, args, true, reply);
}

fn add(ctx: &mut Ctx<'_>, args: Args<'_>, increment: bool, reply: &mut dyn Reply) {
    begin(ctx, args, Adding::parse(args, increment), reply);
}

/// GEOADD: scores are places, of two words each.
pub(crate) fn add_places(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    begin(ctx, args, Adding::parse_places(args), reply);
}

fn begin(ctx: &mut Ctx<'_>, args: Args<'_>, adding: Result<Adding, Fault>, reply: &mut dyn Reply) {
    let mut adding = or_fault!(adding, reply);
    if !adding.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(adding));
    }
}

struct Adding {
    how: How,
    /// CH: the reply counts changed scores too.
    count_changed: bool,
    /// The first score's word.
    first: usize,
    /// Words of a score.
    width: usize,
    pairs: usize,
    /// Pairs whose score has been read, and those that have been added.
    checked: usize,
    done: usize,
    scores: [f64; SCORES_KEPT],
    shape: Option<Shape>,
    created: bool,
    added: i64,
    changed: i64,
    /// The score of the last member that the options let through.
    score: Option<f64>,
}

impl Adding {
    fn parse(args: Args<'_>, increment: bool) -> Result<Adding, Fault> {
        let mut how = How { increment, ..How::default() };
        let mut count_changed = false;
        let mut first = 2;
        while first < args.len() {
            // Most asks have no option: a score does not begin with a letter, but for `inf` and `nan`.
            match args.at(first) {
                word if !word.first().is_some_and(u8::is_ascii_alphabetic) => break,
                word if word.eq_ignore_ascii_case(b"nx") => how.only_new = true,
                word if word.eq_ignore_ascii_case(b"xx") => how.only_old = true,
                word if word.eq_ignore_ascii_case(b"ch") => count_changed = true,
                word if word.eq_ignore_ascii_case(b"incr") => how.increment = true,
                word if word.eq_ignore_ascii_case(b"gt") => how.only_up = true,
                word if word.eq_ignore_ascii_case(b"lt") => how.only_down = true,
                _ => break,
            }
            first += 1;
        }
        let words = args.len() - first;
        if words == 0 || !words.is_multiple_of(2) {
            return Err(Fault::Syntax);
        }
        if how.only_new && how.only_old {
            return Err(Fault::err("XX and NX options at the same time are not compatible"));
        }
        if how.only_new && (how.only_up || how.only_down) || how.only_up && how.only_down {
            return Err(Fault::err("GT, LT, and/or NX options at the same time are not compatible"));
        }
        if how.increment && words > 2 {
            return Err(Fault::err("INCR option supports a single increment-element pair"));
        }
        Ok(Adding::new(how, count_changed, first, 1, words / 2))
    }

    fn parse_places(args: Args<'_>) -> Result<Adding, Fault> {
        let (mut how, mut count_changed, mut first) = (How::default(), false, 2);
        loop {
            match () {
                () if args.is(first, "NX") => how.only_new = true,
                () if args.is(first, "XX") => how.only_old = true,
                () if args.is(first, "CH") => count_changed = true,
                () => break,
            }
            first += 1;
        }
        let words = args.len() - first;
        if words == 0 || !words.is_multiple_of(3) || how.only_new && how.only_old {
            return Err(Fault::Syntax);
        }
        Ok(Adding::new(how, count_changed, first, 2, words / 3))
    }

    fn new(how: How, count_changed: bool, first: usize, width: usize, pairs: usize) -> Adding {
        Adding {
            how,
            count_changed,
            first,
            width,
            pairs,
            checked: 0,
            done: 0,
            scores: [0.0; SCORES_KEPT],
            shape: None,
            created: false,
            added: 0,
            changed: 0,
            score: None,
        }
    }

    /// The word of a pair's score.
    fn at(&self, i: usize) -> usize {
        self.first + i * (self.width + 1)
    }

    fn read_score(&self, args: Args<'_>, i: usize) -> Result<f64, Fault> {
        match self.width {
            1 => parse_f64(args.at(self.at(i))).ok_or(Fault::NotFloat),
            _ => crate::geo::parse_score(args, self.at(i)),
        }
    }

    /// All scores are read before any is stored: an ask is carried out as a whole or not at all.
    fn check(&mut self, args: Args<'_>) -> Result<bool, Fault> {
        let end = self.pairs.min(self.checked + SLICE);
        for i in self.checked..end {
            let score = self.read_score(args, i)?;
            if let Some(kept) = self.scores.get_mut(i) {
                *kept = score;
            }
        }
        self.checked = end;
        Ok(end == self.pairs)
    }

    fn score(&self, args: Args<'_>, i: usize) -> f64 {
        let read_again = || self.read_score(args, i).expect("read before");
        self.scores.get(i).copied().unwrap_or_else(read_again)
    }

    /// Adds some of the members. True when all are.
    fn add(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<bool, Fault> {
        let key = args.at(1);
        let mut cell = lookup(ctx, key);
        let mut set = ZsetMut::of(&mut cell).map_err(wrong)?;
        let shape = match self.shape {
            Some(shape) => shape,
            None => {
                let there = set.get().is_some();
                if !there && self.how.only_old {
                    return Ok(true);
                }
                self.created = !there;
                let shape = set.expect(self.pairs, args.at(self.first + self.width).len());
                *self.shape.insert(shape)
            }
        };
        let end = self.pairs.min(self.done + SLICE / 2);
        for i in self.done..end {
            let score = self.score(args, i);
            match set.add(args.at(self.at(i) + self.width), score, self.how, shape) {
                Done::Added(score) => {
                    self.added += 1;
                    self.score = Some(score);
                }
                Done::Updated(score) => {
                    self.changed += 1;
                    self.score = Some(score);
                }
                Done::Same(score) => self.score = Some(score),
                Done::Nothing => {}
                Done::NotANumber => return Err(Fault::err("resulting score is not a number (NaN)")),
            }
        }
        self.done = end;
        Ok(end == self.pairs)
    }
}

impl Walk for Adding {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        if self.checked < self.pairs {
            match self.check(args) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(fault) => {
                    reply.fault(&fault);
                    return true;
                }
            }
        }
        match self.add(ctx, args) {
            Ok(false) => return false,
            Ok(true) => match (self.how.increment, self.score) {
                (true, Some(score)) => reply.double(score),
                (true, None) => reply.null(),
                (false, _) => reply.int(self.added + if self.count_changed { self.changed } else { 0 }),
            },
            Err(fault) => reply.fault(&fault),
        }
        if self.created {
            created(ctx, &args[1]);
        }
        if self.added + self.changed > 0 {
            ctx.notify(Class::ZSET, if self.how.increment { "zincr" } else { "zadd" }, &args[1]);
        }
        true
    }
}
