//! Room: command. HRANDFIELD.
//! Touches: base, store.

use super::all::with_len;
use super::*;
use crate::draw::{Draw, Wanted};

/// HRANDFIELD key [count [WITHVALUES]]
pub fn hrandfield(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if args.len() == 2 {
        return with_len(
            ctx,
            args,
            reply,
            |reply| reply.null(),
            |ctx, args, len, reply| {
                if len == 0 {
                    return reply.null();
                }
                Drawing { draw: Draw::new(Wanted::Repeated(1), len, ctx.store.draw()).1, values: false }
                    .begin(ctx, args, reply);
            },
        );
    }
    let wanted = or_fault!(Wanted::parse(&args[2], i64::MAX), reply);
    if args.len() > 4 || args.len() == 4 && !args.is(3, "WITHVALUES") {
        return reply.fault(&Fault::Syntax);
    }
    let (Wanted::Different(n) | Wanted::Repeated(n)) = wanted;
    if args.len() == 4 && n > i64::MAX as usize / 2 {
        return reply.fault(&Fault::err("value is out of range"));
    }
    with_len(
        ctx,
        args,
        reply,
        |reply| reply.array(0),
        |ctx, args, len, reply| {
            let wanted = Wanted::parse(&args[2], i64::MAX).expect("parsed before");
            let values = args.len() == 4;
            if len == 0 || matches!(wanted, Wanted::Different(0)) {
                return reply.array(0);
            }
            let (count, draw) = Draw::new(wanted, len, ctx.store.draw());
            if values {
                reply.pairs(count)
            } else {
                reply.array(count)
            }
            Drawing { draw, values }.begin(ctx, args, reply);
        },
    );
}

struct Drawing {
    draw: Draw,
    values: bool,
}

impl Drawing {
    fn begin(mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
        if !self.step(ctx, args, reply) {
            ctx.walk = Some(Box::new(self));
        }
    }
}

impl Walk for Drawing {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Some(fields) = fields_again(ctx, &args[1]) else { return true };
        let values = self.values;
        let mut tell = |name: Text<'_>, value: Text<'_>| {
            if values {
                reply.pair();
            }
            speak(name, reply);
            if values {
                speak(value, reply);
            }
        };
        match &mut self.draw {
            Draw::All { cursor } => {
                *cursor = fields.scan(*cursor, SLICE, |name, value, _| tell(name, value));
                *cursor == 0
            }
            Draw::Choose { cursor, wanted, left, rng } => {
                *cursor = fields.scan(*cursor, SLICE, |name, value, _| {
                    if Draw::chosen(wanted, left, rng) {
                        tell(name, value);
                    }
                });
                *cursor == 0
            }
            Draw::Pick { wanted, taken, rng } => {
                let mut tries = SLICE / 2;
                while taken.len() < *wanted && tries > 0 {
                    fields.draw(rng, 1, |name, value| {
                        if taken.insert(name.to_vec()) {
                            tell(name, value);
                        }
                    });
                    tries -= 1;
                }
                taken.len() == *wanted
            }
            Draw::Again { wanted, rng } => {
                let count = SLICE.min(*wanted);
                fields.draw(rng, count, tell);
                *wanted -= count;
                *wanted == 0
            }
        }
    }
}
