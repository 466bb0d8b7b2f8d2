//! Room: command. Lists: what looks for elements that equal a given one, in slices.
//! Touches: base, store.

use super::{at_least, list, list_again, place, removed};
use crate::context::{Class, Ctx};
use crate::keep::or_fault;
use crate::row::Walk;
use base::number::parse_i64;
use base::{Args, Fault, Reply};
use store::list::{ListRef, Needle};

/// Elements that one slice compares: some 5 ns each.
const SLICE: usize = 10_000;

/// How many elements from an end, beyond `skip` of them, the first is that equals `needle`, of up to `SLICE`; else how many were looked at.
fn find(list: ListRef<'_>, needle: &Needle<'_>, skip: usize, back: bool) -> Result<usize, usize> {
    if skip >= list.len() {
        return Err(0);
    }
    let from = if back { list.len() - 1 - skip } else { skip };
    let mut looked_at = 0;
    for element in list.iter_from(from, back).take(SLICE) {
        if needle.is(element) {
            return Ok(looked_at);
        }
        looked_at += 1;
    }
    Err(looked_at)
}

/// Does the first step of a walk, and leaves the rest.
fn start(mut walk: impl Walk + 'static, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if !walk.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(walk));
    }
}

/// LINSERT key BEFORE|AFTER pivot element
pub fn linsert(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let after = args.is(2, "AFTER");
    if !after && !args.is(2, "BEFORE") {
        return reply.fault(&Fault::Syntax);
    }
    let (mut cell, exists) = or_fault!(place(ctx, args.at(1)), reply);
    if !exists {
        return reply.int(0);
    }
    cell.list_mut().make_room(&args[4]);
    start(Insert { next: 0, after }, ctx, args, reply);
}

struct Insert {
    next: usize,
    after: bool,
}

impl Walk for Insert {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let key = args.at(1);
        let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
        let mut list = cell.list_mut();
        let Some(here) = list.get() else {
            reply.int(-1);
            return true;
        };
        match find(here, &Needle::new(&args[3]), self.next, false) {
            Ok(more) => {
                let len = list.insert(self.next + more, &args[4], self.after);
                ctx.notify(Class::LIST, "linsert", key);
                reply.int(len as i64);
            }
            Err(looked_at) => {
                self.next += looked_at;
                if self.next < here.len() {
                    return false;
                }
                reply.int(-1);
            }
        }
        true
    }
}

/// LREM key count element
pub fn lrem(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let count = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    let (_, exists) = or_fault!(place(ctx, args.at(1)), reply);
    if !exists {
        return reply.int(0);
    }
    let max = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    start(Remove { back: count < 0, max, skip: 0, found: false, removed: 0 }, ctx, args, reply);
}

struct Remove {
    back: bool,
    max: usize,
    skip: usize,
    /// Until there is one to remove nothing is changed.
    found: bool,
    removed: usize,
}

impl Walk for Remove {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let key = args.at(1);
        let needle = Needle::new(&args[3]);
        let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
        let mut list = cell.list_mut();
        if !self.found {
            let looked = list.get().map_or(Err(0), |here| find(here, &needle, self.skip, self.back));
            let (Ok(n) | Err(n)) = looked;
            self.skip += n;
            self.found = looked.is_ok();
            if !self.found {
                let done = self.skip >= list.len();
                if done {
                    reply.int(0);
                }
                return done;
            }
        }
        let progress = list.remove_equal(&needle, self.skip, self.max - self.removed, self.back, SLICE);
        self.skip = progress.skip;
        self.removed += progress.removed;
        if !progress.done {
            return false;
        }
        let left = list.settle();
        removed(ctx, key, "lrem", left);
        reply.int(self.removed as i64);
        true
    }
}

/// LPOS key element [RANK rank] [COUNT count] [MAXLEN len]
pub fn lpos(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut walk = or_fault!(Positions::parse(args), reply);
    match or_fault!(list(ctx, &args[1]), reply) {
        None if walk.count.is_some() => reply.array(0),
        None => reply.null(),
        Some(list) => {
            let len = list.len();
            walk.until = walk.until.min(len);
            start(walk, ctx, args, reply);
        }
    }
}

struct Positions {
    back: bool,
    /// Matches to pass over.
    skip: usize,
    /// As given; 0: all.
    count: Option<usize>,
    /// Elements looked at, and when to stop.
    next: usize,
    until: usize,
    found: Vec<i64>,
}

impl Positions {
    fn parse(args: Args<'_>) -> Result<Positions, Fault> {
        let mut p = Positions { back: false, skip: 0, count: None, next: 0, until: usize::MAX, found: Vec::new() };
        let mut i = 3;
        while i < args.len() {
            let word = args.get(i + 1).ok_or(Fault::Syntax)?;
            if args.is(i, "RANK") {
                let rank = parse_i64(word).ok_or(Fault::NotInteger)?;
                if rank == i64::MIN {
                    let (least, most) = (-i64::MAX, i64::MAX);
                    return Err(Fault::err(format!("value is out of range, value must between {least} and {most}")));
                }
                if rank == 0 {
                    return Err(Fault::err(
                        "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list",
                    ));
                }
                p.back = rank < 0;
                p.skip = rank.unsigned_abs() as usize - 1;
            } else if args.is(i, "COUNT") {
                p.count = Some(at_least(word, 0, "COUNT can't be negative")?);
            } else if args.is(i, "MAXLEN") {
                let most = at_least(word, 0, "MAXLEN can't be negative")?;
                p.until = if most == 0 { usize::MAX } else { most };
            } else {
                return Err(Fault::Syntax);
            }
            i += 2;
        }
        Ok(p)
    }
}

impl Walk for Positions {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let needle = Needle::new(&args[2]);
        let most = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        if let Some(list) = list_again(ctx, &args[1])
            && self.next < self.until
        {
            let len = list.len();
            let from = if self.back { len - 1 - self.next } else { self.next };
            let slice = SLICE.min(self.until - self.next);
            for element in list.iter_from(from, self.back).take(slice) {
                if needle.is(element) {
                    if self.skip > 0 {
                        self.skip -= 1;
                    } else {
                        self.found.push(if self.back { len - 1 - self.next } else { self.next } as i64);
                        if self.found.len() == most {
                            self.until = 0;
                            break;
                        }
                    }
                }
                self.next += 1;
            }
        }
        if self.next < self.until {
            return false;
        }
        match (self.count, self.found.first()) {
            (Some(_), _) => {
                reply.array(self.found.len());
                self.found.iter().for_each(|&place| reply.int(place));
            }
            (None, Some(&place)) => reply.int(place),
            (None, None) => reply.null(),
        }
        true
    }
}
