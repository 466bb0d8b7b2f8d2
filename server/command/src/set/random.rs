//! Room: command. SRANDMEMBER and SPOP.
//! Touches: base, store.

use super::*;
use crate::draw::{Draw, Wanted};
use base::number::parse_i64;

/// SRANDMEMBER key [count]
pub fn srandmember(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if args.len() > 3 {
        return reply.fault(&Fault::Syntax);
    }
    let wanted = match args.get(2) {
        Some(word) => Some(or_fault!(Wanted::parse(word, i64::MAX), reply)),
        None => None,
    };
    let seed = ctx.store.draw();
    let Some(elements) = or_fault!(elements(ctx, &args[1]), reply) else {
        missed(ctx, &args[1]);
        return if wanted.is_none() { reply.null() } else { reply.array(0) };
    };
    let len = elements.len();
    let Some(wanted) = wanted else {
        return elements.draw(&mut store::Rng::new(seed), 1, |member| speak(member, reply));
    };
    if wanted == Wanted::Different(0) {
        return reply.array(0);
    }
    let (count, draw) = Draw::new(wanted, len, seed);
    reply.array(count);
    let mut drawing = Drawing(draw);
    if !drawing.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(drawing));
    }
}

struct Drawing(Draw);

impl Walk for Drawing {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Some(elements) = elements_again(ctx, &args[1]) else { return true };
        match &mut self.0 {
            Draw::All { cursor } => {
                *cursor = elements.scan(*cursor, SLICE, |member| speak(member, reply));
                *cursor == 0
            }
            Draw::Choose { cursor, wanted, left, rng } => {
                *cursor = elements.scan(*cursor, SLICE, |member| {
                    if Draw::chosen(wanted, left, rng) {
                        speak(member, reply);
                    }
                });
                *cursor == 0
            }
            Draw::Pick { wanted, taken, rng } => {
                let mut tries = SLICE / 2;
                while taken.len() < *wanted && tries > 0 {
                    elements.draw(rng, 1, |member| {
                        if taken.insert(member.to_vec()) {
                            speak(member, reply);
                        }
                    });
                    tries -= 1;
                }
                taken.len() == *wanted
            }
            Draw::Again { wanted, rng } => {
                let count = SLICE.min(*wanted);
                elements.draw(rng, count, |member| speak(member, reply));
                *wanted -= count;
                *wanted == 0
            }
        }
    }
}

/// When fewer than a sixth of the members would be left, those are picked out and the rest is spoken (Redis:
/// SPOP_MOVE_STRATEGY_MUL).
const KEPT: usize = 5;

/// SPOP key [count]
pub fn spop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if args.len() > 3 {
        return reply.fault(&Fault::Syntax);
    }
    let count = match args.get(2) {
        None => None,
        Some(word) => {
            let n = parse_i64(word).and_then(|n| usize::try_from(n).ok());
            Some(or_fault!(n.ok_or_else(|| Fault::err("value is out of range, must be positive")), reply))
        }
    };
    let seed = ctx.store.draw();
    let mut set = or_fault!(place(ctx, args.at(1)), reply);
    let Some(elements) = set.elements() else {
        return if count.is_none() { reply.null() } else { reply.set(0) };
    };
    let Some(count) = count else {
        let member = set.pop();
        let gone = !set.exists();
        ctx.notify(Class::SET, "spop", &args[1]);
        reply.bulk(&member);
        if gone {
            ctx.notify(Class::GENERIC, "del", &args[1]);
        }
        return;
    };
    if count == 0 {
        return reply.set(0);
    }
    let len = elements.len();
    let small = !matches!(elements, Elements::Object(..));
    ctx.notify(Class::SET, "spop", &args[1]);
    reply.set(count.min(len));
    let mut popping = if count >= len {
        Popping::All { cursor: 0 }
    } else if small {
        let mut set = place_again(ctx, args.at(1)).expect("seen above");
        let (mut kept, mut left, mut rng) = (len - count, len, store::Rng::new(seed));
        return set.thin(|| Draw::chosen(&mut kept, &mut left, &mut rng), |member| speak(member, reply));
    } else if (len - count) * KEPT > count {
        Popping::Some { left: count }
    } else {
        Popping::Most { wanted: len - count, kept: Vec::new(), cursor: 0, restart: false }
    };
    if !popping.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(popping));
    }
}

enum Popping {
    All {
        cursor: u64,
    },
    /// So many more.
    Some {
        left: usize,
    },
    /// `kept` are picked until there are `wanted`, then all others are spoken, then the set is made of `kept`.
    Most {
        wanted: usize,
        kept: Vec<Vec<u8>>,
        cursor: u64,
        restart: bool,
    },
}

impl Walk for Popping {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Some(mut set) = place_again(ctx, args.at(1)) else { return true };
        match self {
            Popping::All { cursor } => {
                let Some(elements) = set.elements() else { return true };
                *cursor = elements.scan(*cursor, SLICE, |member| speak(member, reply));
                if *cursor == 0 {
                    ctx.store.cell(ctx.db, args.at(1), ctx.now_ms).remove();
                    ctx.notify(Class::GENERIC, "del", &args[1]);
                }
                *cursor == 0
            }
            Popping::Some { left } => {
                let count = (*left).min(SLICE / 3);
                (0..count).for_each(|_| reply.bulk(&set.pop()));
                *left -= count;
                *left == 0
            }
            Popping::Most { wanted, kept, cursor, restart } => {
                if kept.len() < *wanted && !*restart {
                    // They are taken out, so that each is picked once and what remains is what is spoken.
                    let count = (*wanted - kept.len()).min(SLICE / 3);
                    kept.extend((0..count).map(|_| set.pop()));
                    return false;
                }
                if !*restart {
                    let Some(elements) = set.elements() else { return true };
                    *cursor = elements.scan(*cursor, SLICE, |member| speak(member, reply));
                    *restart = *cursor == 0;
                    if !*restart {
                        return false;
                    }
                    let first = kept.split_off(kept.len().saturating_sub(SLICE / 2));
                    set.restart(first.iter().map(Vec::as_slice));
                    return kept.is_empty();
                }
                let next = kept.split_off(kept.len().saturating_sub(SLICE / 2));
                next.iter().for_each(|member| {
                    set.add(member);
                });
                kept.is_empty()
            }
        }
    }
}
