//! Room: command. ZREM and the ranges that are removed.
//! Touches: base, store.

use super::range::{By, Range};
use super::*;

/// ZREM key member [member ...]
pub fn zrem(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut rem = Rem { at: 2, gone: 0 };
    if !rem.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(rem));
    }
}

struct Rem {
    at: usize,
    gone: i64,
}

impl Rem {
    /// (all are removed, the key with them)
    fn remove(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(bool, bool), Fault> {
        let mut cell = lookup(ctx, args.at(1));
        let mut set = ZsetMut::of(&mut cell).map_err(wrong)?;
        let end = args.len().min(self.at + SLICE / 2);
        if set.get().is_none() {
            return Ok((true, false));
        }
        for member in (self.at..end).map(|i| args.at(i)) {
            if set.remove(member) {
                self.gone += 1;
                if set.get().is_none() {
                    return Ok((true, true));
                }
            }
        }
        self.at = end;
        Ok((end == args.len(), false))
    }
}

impl Walk for Rem {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        match self.remove(ctx, args) {
            Err(fault) => reply.fault(&fault),
            Ok((false, _)) => return false,
            Ok((true, empty)) => {
                removed(ctx, &args[1], self.gone, "zrem", empty);
                reply.int(self.gone);
            }
        }
        true
    }
}

/// The events of a removal.
pub(super) fn removed(ctx: &mut Ctx<'_>, key: &[u8], gone: i64, event: &'static str, empty: bool) {
    if gone > 0 {
        ctx.notify(Class::ZSET, event, key);
        if empty {
            ctx.notify(Class::GENERIC, "del", key);
        }
    }
}

/// ZREMRANGEBYRANK key start stop
pub fn zremrangebyrank(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    remove_range(ctx, args, By::Rank, "zremrangebyrank", reply);
}

/// ZREMRANGEBYSCORE key min max
pub fn zremrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    remove_range(ctx, args, By::Score, "zremrangebyscore", reply);
}

/// ZREMRANGEBYLEX key min max
pub fn zremrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    remove_range(ctx, args, By::Lex, "zremrangebylex", reply);
}

fn remove_range(ctx: &mut Ctx<'_>, args: Args<'_>, by: By, event: &'static str, reply: &mut dyn Reply) {
    let range = or_fault!(Range::parse(by, args.at(2), args.at(3)), reply);
    let mut cell = lookup(ctx, args.at(1));
    let set = or_fault!(ZsetMut::of(&mut cell).map_err(wrong), reply);
    let Some(ranks) = set.get().map(|set| range.ranks(set, false)) else { return reply.int(0) };
    let mut removing = Removing { from: ranks.start, left: ranks.len(), gone: 0, event };
    if !removing.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(removing));
    }
}

struct Removing {
    from: usize,
    left: usize,
    gone: i64,
    event: &'static str,
}

impl Walk for Removing {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let count = self.left.min(SLICE / 4);
        let mut empty = false;
        if count > 0 {
            let mut cell = ctx.store.cell(ctx.db, args.at(1), ctx.now_ms);
            if let Ok(mut set) = ZsetMut::of(&mut cell) {
                set.remove_ranks(self.from..self.from + count, false, |_, _| {});
                empty = set.get().is_none();
            }
            self.left -= count;
            self.gone += count as i64;
        }
        if self.left > 0 && !empty {
            return false;
        }
        removed(ctx, &args[1], self.gone, self.event, empty);
        reply.int(self.gone);
        true
    }
}
