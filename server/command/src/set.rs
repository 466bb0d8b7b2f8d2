//! Room: command. Sets: members added, removed and asked for here; what sees all members, draws of chance, and the algebra of several
//! sets have files of their own. Touches: base, store.
//! Source of every order of checks and every edge: t_set.c of Redis 7.2.

mod algebra;
mod all;
mod moved;
mod random;
mod rows;

pub use algebra::{
    SDIFF, SDIFFSTORE, SINTER, SINTERCARD, SINTERSTORE, SUNION, SUNIONSTORE, sdiff, sdiffstore, sinter, sintercard,
    sinterstore, sunion, sunionstore,
};
pub use all::{smembers, sscan};
pub use moved::SMOVE;
pub use random::{spop, srandmember};
pub use rows::SET;

use crate::context::{Class, Ctx};
use crate::keep::{lookup, or_fault};
use crate::row::Walk;
use base::{Args, Fault, Reply};
use store::hash::Text;
use store::set::{Elements, SetCell};

/// Members that one slice works off: some 100 µs.
const SLICE: usize = 1_000;

#[inline]
fn speak(text: Text<'_>, reply: &mut dyn Reply) {
    reply.bulk(text.bytes(&mut [0; 20]));
}

/// The members at `key` for a command that reads them.
#[inline]
fn elements<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<Elements<'a>>, Fault> {
    match ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch) {
        None => Ok(None),
        Some(entry) => entry.elements().map(Some).ok_or(Fault::WrongType),
    }
}

/// The same for a walk that goes on: counts nothing.
fn elements_again<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Option<Elements<'a>> {
    ctx.store.peek(ctx.db, key, ctx.now_ms).and_then(|entry| entry.elements())
}

/// The place of a set for a command that may write.
#[inline]
fn place<'a>(ctx: &'a mut Ctx<'_>, key: &'a [u8]) -> Result<SetCell<'a>, Fault> {
    SetCell::new(lookup(ctx, key)).ok_or(Fault::WrongType)
}

/// The same for a walk that goes on.
fn place_again<'a>(ctx: &'a mut Ctx<'_>, key: &'a [u8]) -> Option<SetCell<'a>> {
    SetCell::new(ctx.store.cell(ctx.db, key, ctx.now_ms))
}

/// Says that a key that was to be read is not there.
#[inline]
fn missed(ctx: &mut Ctx<'_>, key: &[u8]) {
    ctx.notify(Class::MISS, "keymiss", key);
}

/// SADD from word `at` on.
struct Adding {
    at: usize,
    added: i64,
}

/// SADD key member [member ...]
pub fn sadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut set = or_fault!(place(ctx, args.at(1)), reply);
    let is_new = !set.exists();
    let end = args.len().min(2 + SLICE);
    let members = args.len() - 2;
    let added = if is_new {
        set.create((2..end).map(|i| args.at(i)), members)
    } else if members == 1 {
        usize::from(set.add(args.at(2)))
    } else {
        set.expect(members);
        (2..end).filter(|&i| set.add(args.at(i))).count()
    };
    if is_new {
        ctx.notify(Class::NEW, "new", &args[1]);
    }
    let adding = Adding { at: end, added: added as i64 };
    if end < args.len() {
        ctx.walk = Some(Box::new(adding));
    } else {
        adding.end(ctx, args, reply);
    }
}

impl Adding {
    #[inline]
    fn end(&self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
        if self.added > 0 {
            ctx.notify(Class::SET, "sadd", &args[1]);
        }
        reply.int(self.added);
    }
}

impl Walk for Adding {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = args.len().min(self.at + SLICE);
        if let Some(mut set) = place_again(ctx, args.at(1)) {
            self.added += (self.at..end).filter(|&i| set.add(args.at(i))).count() as i64;
        }
        self.at = end;
        if end == args.len() {
            self.end(ctx, args, reply);
        }
        end == args.len()
    }
}

/// SREM from word `at` on.
struct Removing {
    at: usize,
    removed: i64,
}

/// SREM key member [member ...]
pub fn srem(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if !or_fault!(place(ctx, args.at(1)), reply).exists() {
        return reply.int(0);
    }
    let mut removing = Removing { at: 2, removed: 0 };
    if !removing.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(removing));
    }
}

impl Walk for Removing {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = args.len().min(self.at + SLICE);
        let mut gone = false;
        if let Some(mut set) = place_again(ctx, args.at(1)) {
            for i in self.at..end {
                self.removed += i64::from(set.remove(args.at(i)));
                if !set.exists() {
                    gone = true;
                    break;
                }
            }
        }
        self.at = end;
        if end < args.len() && !gone {
            return false;
        }
        if self.removed > 0 {
            ctx.notify(Class::SET, "srem", &args[1]);
            if gone {
                ctx.notify(Class::GENERIC, "del", &args[1]);
            }
        }
        reply.int(self.removed);
        true
    }
}

/// SISMEMBER key member
pub fn sismember(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(elements(ctx, &args[1]), reply) {
        Some(elements) => reply.int(elements.has(&args[2]).into()),
        None => {
            missed(ctx, &args[1]);
            reply.int(0);
        }
    }
}

/// SCARD key
pub fn scard(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(elements(ctx, &args[1]), reply) {
        Some(elements) => reply.int(elements.len() as i64),
        None => {
            missed(ctx, &args[1]);
            reply.int(0);
        }
    }
}

/// SMISMEMBER from word `at` on.
struct Asking {
    at: usize,
}

/// SMISMEMBER key member [member ...]
pub fn smismember(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if or_fault!(elements(ctx, &args[1]), reply).is_none() {
        missed(ctx, &args[1]);
    }
    reply.array(args.len() - 2);
    let mut asking = Asking { at: 2 };
    if !asking.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(asking));
    }
}

impl Walk for Asking {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = args.len().min(self.at + SLICE);
        let elements = elements_again(ctx, &args[1]);
        for i in self.at..end {
            reply.int(elements.is_some_and(|elements| elements.has(&args[i])).into());
        }
        self.at = end;
        end == args.len()
    }
}
