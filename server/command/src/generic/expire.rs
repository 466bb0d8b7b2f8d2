//! Room: command. Deadlines: setting, dropping and telling them.
//! Touches: base, store.

use crate::context::{Class, Ctx};
use crate::keep::{lookup, missed, or_fault};
use base::number::parse_i64;
use base::{Args, Fault, Reply};

/// The words behind EXPIRE's time.
#[derive(Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn parse(words: Args<'_>) -> Result<Conditions, Fault> {
        let mut c = Conditions::default();
        for i in 0..words.len() {
            if words.is(i, "NX") {
                c.nx = true;
            } else if words.is(i, "XX") {
                c.xx = true;
            } else if words.is(i, "GT") {
                c.gt = true;
            } else if words.is(i, "LT") {
                c.lt = true;
            } else {
                let option = words[i].split(|&b| b == 0).next().unwrap_or_default();
                let option = String::from_utf8_lossy(option).replace(['\r', '\n'], " ");
                return Err(Fault::err(format!("Unsupported option {option}")));
            }
        }
        if c.nx && (c.xx || c.gt || c.lt) {
            return Err(Fault::err("NX and XX, GT or LT options at the same time are not compatible"));
        }
        if c.gt && c.lt {
            return Err(Fault::err("GT and LT options at the same time are not compatible"));
        }
        Ok(c)
    }

    /// A key without a deadline lives forever: nothing is greater, everything is less.
    fn allow(&self, at: i64, current: Option<u64>) -> bool {
        let current = current.map(|d| d as i64);
        let barred = self.nx && current.is_some()
            || self.xx && current.is_none()
            || self.gt && current.is_none_or(|current| at <= current)
            || self.lt && current.is_some_and(|current| at >= current);
        !barred
    }
}

/// `at` counted from what, and in what.
#[derive(Clone, Copy)]
struct Scale {
    verb: &'static str,
    seconds: bool,
    absolute: bool,
}

/// EXPIRE key seconds [NX|XX|GT|LT]
pub fn expire(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    set_deadline(ctx, args, Scale { verb: "expire", seconds: true, absolute: false }, reply);
}

/// PEXPIRE key milliseconds [NX|XX|GT|LT]
pub fn pexpire(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    set_deadline(ctx, args, Scale { verb: "pexpire", seconds: false, absolute: false }, reply);
}

/// EXPIREAT key unix-time-seconds [NX|XX|GT|LT]
pub fn expireat(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    set_deadline(ctx, args, Scale { verb: "expireat", seconds: true, absolute: true }, reply);
}

/// PEXPIREAT key unix-time-milliseconds [NX|XX|GT|LT]
pub fn pexpireat(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    set_deadline(ctx, args, Scale { verb: "pexpireat", seconds: false, absolute: true }, reply);
}

fn set_deadline(ctx: &mut Ctx<'_>, args: Args<'_>, scale: Scale, reply: &mut dyn Reply) {
    let conditions = or_fault!(Conditions::parse(args.from(3)), reply);
    let at = or_fault!(instant(&args[2], scale, ctx.now_ms), reply);
    let now_ms = ctx.now_ms;
    let mut cell = lookup(ctx, &args[1]);
    let Some(entry) = cell.entry() else {
        return reply.int(0);
    };
    if !conditions.allow(at, entry.deadline()) {
        return reply.int(0);
    }
    // A time that has come removes the key: negative ones are in the past too.
    match u64::try_from(at) {
        Ok(at) if at > now_ms => {
            cell.set_deadline(Some(at));
            ctx.notify(Class::GENERIC, "expire", &args[1]);
        }
        _ => {
            cell.remove();
            ctx.notify(Class::GENERIC, "del", &args[1]);
        }
    }
    reply.int(1);
}

/// Unix time in ms, negative ones included.
fn instant(text: &[u8], scale: Scale, now_ms: u64) -> Result<i64, Fault> {
    let n = parse_i64(text).ok_or(Fault::NotInteger)?;
    let ms = if scale.seconds { n.checked_mul(1000) } else { Some(n) };
    let at = if scale.absolute { ms } else { ms.and_then(|ms| ms.checked_add(now_ms as i64)) };
    at.ok_or(Fault::InvalidExpire(scale.verb))
}

/// PERSIST key
pub fn persist(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut cell = lookup(ctx, &args[1]);
    let mortal = cell.entry().is_some_and(|entry| entry.deadline().is_some());
    if mortal {
        cell.set_deadline(None);
        ctx.notify(Class::GENERIC, "persist", &args[1]);
    }
    reply.int(mortal.into());
}

/// TTL key
pub fn ttl(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    tell(ctx, args, reply, |at, now_ms| at.saturating_sub(now_ms).saturating_add(500) / 1000);
}

/// PTTL key
pub fn pttl(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    tell(ctx, args, reply, |at, now_ms| at.saturating_sub(now_ms));
}

/// EXPIRETIME key
pub fn expiretime(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    tell(ctx, args, reply, |at, _| at.saturating_add(500) / 1000);
}

/// PEXPIRETIME key
pub fn pexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    tell(ctx, args, reply, |at, _| at);
}

/// -2: no such key. -1: no deadline.
fn tell(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply, show: fn(u64, u64) -> u64) {
    let deadline = ctx.store.peek(ctx.db, &args[1], ctx.now_ms).map(|entry| entry.deadline());
    ctx.store.count(deadline.is_some());
    if deadline.is_none() {
        missed(ctx, &args[1]);
    }
    reply.int(match deadline {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => show(at, ctx.now_ms) as i64,
    });
}
