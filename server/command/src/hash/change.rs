//! Room: command. What writes fields.
//! Touches: base, store.

use super::*;
use base::number::{Extended, parse_i64};
use store::Deadline;

/// What of an ask's pairs is set in one slice, and the walk over the rest.
struct Setting {
    at: usize,
    created: i64,
    /// HMSET says OK.
    ok: bool,
}

/// HSET key field value [field value ...]
pub fn hset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    set(ctx, args, false, reply);
}

/// HMSET key field value [field value ...]
pub fn hmset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    set(ctx, args, true, reply);
}

fn pairs(args: Args<'_>, from: usize, to: usize) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    (from..to).step_by(2).map(move |i| (args.at(i), args.at(i + 1)))
}

#[inline]
fn set(ctx: &mut Ctx<'_>, args: Args<'_>, ok: bool, reply: &mut dyn Reply) {
    if args.len() % 2 == 1 {
        return reply.fault(&Fault::WrongArity(if ok { "hmset" } else { "hset" }));
    }
    let mut hash = or_fault!(place(ctx, args.at(1)), reply);
    let is_new = !hash.exists();
    let end = args.len().min(2 + 2 * SLICE);
    let created = if args.len() == 4 {
        i64::from(hash.put(args.at(2), args.at(3), Deadline::None))
    } else {
        let longest = args.from(2).iter().map(<[u8]>::len).max().unwrap_or(0);
        hash.expect(args.len() / 2 - 1, longest);
        hash.put_all(pairs(args, 2, end)) as i64
    };
    if is_new {
        ctx.notify(Class::NEW, "new", &args[1]);
    }
    let mut setting = Setting { at: end, created, ok };
    if end < args.len() {
        ctx.walk = Some(Box::new(setting));
    } else {
        setting.end(ctx, args, reply);
    }
}

impl Setting {
    fn end(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
        ctx.notify(Class::HASH, "hset", &args[1]);
        if self.ok { reply.ok() } else { reply.int(self.created) }
    }
}

impl Walk for Setting {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = args.len().min(self.at + 2 * SLICE);
        if let Ok(mut hash) = place(ctx, args.at(1)) {
            self.created += hash.put_all(pairs(args, self.at, end)) as i64;
        }
        self.at = end;
        if end == args.len() {
            self.end(ctx, args, reply);
        }
        end == args.len()
    }
}

/// HSETNX key field value
pub fn hsetnx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut hash = or_fault!(place(ctx, args.at(1)), reply);
    let is_new = match hash.fields() {
        Some(fields) if fields.has(&args[2]) => return reply.int(0),
        found => found.is_none(),
    };
    hash.put(&args[2], &args[3], Deadline::None);
    reply.int(1);
    if is_new {
        ctx.notify(Class::NEW, "new", &args[1]);
    }
    ctx.notify(Class::HASH, "hset", &args[1]);
}

/// HINCRBY key field increment
pub fn hincrby(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let delta = or_fault!(parse_i64(&args[3]).ok_or(Fault::NotInteger), reply);
    let mut hash = or_fault!(place(ctx, args.at(1)), reply);
    let (is_new, before) = match hash.fields() {
        None => (true, 0),
        Some(fields) => match fields.get(&args[2]) {
            None => (false, 0),
            Some(Text::Number(n)) => (false, n),
            Some(text) => {
                let n = parse_i64(text.bytes(&mut [0; 20]));
                (false, or_fault!(n.ok_or(Fault::err("hash value is not an integer")), reply))
            }
        },
    };
    let after = or_fault!(before.checked_add(delta).ok_or(Fault::Overflow), reply);
    hash.put(&args[2], itoa::Buffer::new().format(after).as_bytes(), Deadline::Keep);
    reply.int(after);
    if is_new {
        ctx.notify(Class::NEW, "new", &args[1]);
    }
    ctx.notify(Class::HASH, "hincrby", &args[1]);
}

/// HINCRBYFLOAT key field increment
pub fn hincrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let delta = or_fault!(Extended::parse(&args[3]).ok_or(Fault::NotFloat), reply);
    if Extended::ZERO.add(delta).is_none() {
        return reply.fault(&Fault::err("value is NaN or Infinity"));
    }
    let mut hash = or_fault!(place(ctx, args.at(1)), reply);
    let (is_new, before) = match hash.fields() {
        None => (true, Extended::ZERO),
        Some(fields) => match fields.get(&args[2]) {
            None => (false, Extended::ZERO),
            Some(Text::Number(n)) => (false, Extended::from_i64(n)),
            Some(text) => {
                let x = Extended::parse(text.bytes(&mut [0; 20]));
                (false, or_fault!(x.ok_or(Fault::err("hash value is not a float")), reply))
            }
        },
    };
    let sum = or_fault!(before.add(delta).ok_or(Fault::NanOrInfinity), reply);
    let mut text = Vec::new();
    sum.push_human(&mut text);
    hash.put(&args[2], &text, Deadline::Keep);
    reply.bulk(&text);
    if is_new {
        ctx.notify(Class::NEW, "new", &args[1]);
    }
    ctx.notify(Class::HASH, "hincrbyfloat", &args[1]);
}

/// HDEL from word `at` on.
struct Deleting {
    at: usize,
    deleted: i64,
    gone: bool,
}

/// HDEL key field [field ...]
pub fn hdel(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let hash = or_fault!(place(ctx, args.at(1)), reply);
    if !hash.exists() {
        return reply.int(0);
    }
    let mut deleting = Deleting { at: 2, deleted: 0, gone: false };
    if !deleting.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(deleting));
    }
}

impl Walk for Deleting {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = args.len().min(self.at + SLICE);
        let cell = ctx.store.cell(ctx.db, args.at(1), ctx.now_ms);
        if let Some(mut hash) = HashCell::new(cell) {
            for i in self.at..end {
                self.deleted += i64::from(hash.remove(&args[i]));
                if !hash.exists() {
                    self.gone = true;
                    break;
                }
            }
        }
        self.at = end;
        if end < args.len() && !self.gone {
            return false;
        }
        if self.deleted > 0 {
            ctx.notify(Class::HASH, "hdel", &args[1]);
            if self.gone {
                ctx.notify(Class::GENERIC, "del", &args[1]);
            }
        }
        reply.int(self.deleted);
        true
    }
}
