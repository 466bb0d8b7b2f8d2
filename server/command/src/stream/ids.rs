//! Room: command. Streams: what names many ids: they are checked all, then worked off.
//! Touches: base, store.

use super::*;
use crate::row::Walk;

/// Ids that one slice checks.
const CHECKED: usize = 4 * SLICE;

/// XDEL key id [id ...]
pub fn xdel(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(place(ctx, args.at(1)), reply) {
        (_, false) => reply.int(0),
        (_, true) => Ids { first: 2, checked: 2, at: 2, n: 0, deletes: true }.begin(ctx, args, reply),
    }
}

/// XACK key group id [id ...]
pub fn xack(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(read(ctx, args.at(1)), reply) {
        Some(stream) if stream.group(args.at(2)).is_some() => {
            Ids { first: 3, checked: 3, at: 3, n: 0, deletes: false }.begin(ctx, args, reply);
        }
        _ => reply.int(0),
    }
}

/// The ids from word `first` on.
struct Ids {
    first: usize,
    checked: usize,
    at: usize,
    n: i64,
    /// Entries (XDEL); else what is pending (XACK).
    deletes: bool,
}

impl Ids {
    fn begin(mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
        if !self.step(ctx, args, reply) {
            ctx.walk = Some(Box::new(self));
        }
    }

    fn work(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>) {
        let until = args.len().min(self.at + SLICE);
        let ids = (self.at..until).filter_map(|i| parse_id(args.at(i)).ok());
        let deletes = self.deletes;
        self.n += cell(ctx, args.at(1)).change_stream(|stream| {
            if deletes {
                ids.filter(|&id| stream.log_mut().delete(id)).count()
            } else {
                stream.change_group(args.at(2), |group, _| ids.filter(|&id| group.settle(id)).count()).unwrap_or(0)
            }
        }) as i64;
        self.at = until;
    }
}

impl Walk for Ids {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        if self.checked < args.len() {
            let until = args.len().min(self.checked + CHECKED);
            for i in self.checked..until {
                if let Err(fault) = parse_id(args.at(i)) {
                    reply.fault(&fault);
                    return true;
                }
            }
            self.checked = until;
            if args.len() - self.first > SLICE {
                return false;
            }
        }
        self.work(ctx, args);
        if self.at < args.len() {
            return false;
        }
        if self.deletes && self.n > 0 {
            ctx.notify(Class::STREAM, "xdel", args.at(1));
        }
        reply.int(self.n);
        true
    }
}
