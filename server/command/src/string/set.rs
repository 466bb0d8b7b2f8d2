//! Room: command. GET, SET and their kin: one key, one value, one deadline.
//! Touches: base, store.

use super::{speak, string};
use crate::context::{Class, Ctx};
use crate::keep::{lookup, missed, or_fault, told_set};
use base::number::parse_i64;
use base::{Args, Fault, Reply};
use store::{Deadline, Put};

/// GET key
pub fn get(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match ctx.store.read(ctx.db, &args[1], ctx.now_ms, !ctx.no_touch) {
        None => {
            missed(ctx, &args[1]);
            reply.null();
        }
        Some(entry) => speak(or_fault!(string(entry), reply), reply),
    }
}

/// A deadline as it was asked for, not yet read.
#[derive(Clone, Copy)]
struct Expire<'a> {
    text: &'a [u8],
    /// Else milliseconds.
    seconds: bool,
    /// A Unix time. Else counted from now.
    absolute: bool,
}

impl Expire<'_> {
    /// The deadline, Unix time in ms: positive, or `invalid expire time`.
    fn deadline(self, verb: &'static str, now_ms: u64) -> Result<u64, Fault> {
        let n = parse_i64(self.text).ok_or(Fault::NotInteger)?;
        let ms = if self.seconds { n.checked_mul(1000) } else { Some(n) };
        let ms = ms.filter(|&ms| ms > 0);
        let at = if self.absolute { ms } else { ms.and_then(|ms| ms.checked_add(now_ms as i64)) };
        at.map(|at| at as u64).ok_or(Fault::InvalidExpire(verb))
    }
}

/// The words behind SET's value and GETEX's key.
#[derive(Default)]
struct Options<'a> {
    nx: bool,
    xx: bool,
    get: bool,
    keep: bool,
    persist: bool,
    expire: Option<(Unit, &'a [u8])>,
}

/// Which word named the deadline. It may be repeated, the last one counts, but not joined with another.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Ex,
    Px,
    Exat,
    Pxat,
}

const UNITS: [(&str, Unit); 4] = [("EX", Unit::Ex), ("PX", Unit::Px), ("EXAT", Unit::Exat), ("PXAT", Unit::Pxat)];

impl<'a> Options<'a> {
    /// `set`: NX, XX, GET and KEEPTTL are allowed; else PERSIST is.
    fn parse(words: Args<'a>, set: bool) -> Result<Self, Fault> {
        let mut o = Options::default();
        let mut i = 0;
        while i < words.len() {
            if set && words.is(i, "NX") && !o.xx {
                o.nx = true;
            } else if set && words.is(i, "XX") && !o.nx {
                o.xx = true;
            } else if set && words.is(i, "GET") {
                o.get = true;
            } else if set && words.is(i, "KEEPTTL") && o.expire.is_none() {
                o.keep = true;
            } else if !set && words.is(i, "PERSIST") && o.expire.is_none() {
                o.persist = true;
            } else {
                let unit =
                    UNITS.iter().find(|(word, _)| words.is(i, word)).map(|&(_, unit)| unit).ok_or(Fault::Syntax)?;
                let text = words.get(i + 1).ok_or(Fault::Syntax)?;
                if o.keep || o.persist || o.expire.is_some_and(|(other, _)| other != unit) {
                    return Err(Fault::Syntax);
                }
                o.expire = Some((unit, text));
                i += 1;
            }
            i += 1;
        }
        Ok(o)
    }

    fn expire(&self) -> Option<Expire<'a>> {
        self.expire.map(|(unit, text)| Expire {
            text,
            seconds: matches!(unit, Unit::Ex | Unit::Exat),
            absolute: matches!(unit, Unit::Exat | Unit::Pxat),
        })
    }
}

/// SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]
pub fn set(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    // Most SETs have no options: no look at the old entry is needed.
    if args.len() == 3 {
        let mut cell = lookup(ctx, &args[1]);
        let new = cell.entry().is_none();
        cell.put(&args[2], Put::default());
        told_set(ctx, new, &args[1]);
        return reply.ok();
    }
    let o = or_fault!(Options::parse(args.from(3), true), reply);
    let mut deadline = if o.keep { Deadline::Keep } else { Deadline::None };
    if let Some(expire) = o.expire() {
        deadline = Deadline::At(or_fault!(expire.deadline("set", ctx.now_ms), reply));
    }
    let now_ms = ctx.now_ms;
    let mut cell = lookup(ctx, &args[1]);
    let found = cell.entry().is_some();
    if o.get {
        match cell.entry() {
            None => reply.null(),
            Some(entry) => speak(or_fault!(string(entry), reply), reply),
        }
    }
    let write = !(o.nx && found || o.xx && !found);
    if write {
        put(&mut cell, &args[2], deadline, now_ms);
    }
    if o.get && !found {
        missed(ctx, &args[1]);
    }
    if write {
        told_set(ctx, !found, &args[1]);
        if let Deadline::At(at) = deadline {
            ctx.notify(Class::GENERIC, "expire", &args[1]);
            if at <= now_ms {
                ctx.notify(Class::EXPIRED, "expired", &args[1]);
            }
        }
    }
    match (o.get, write) {
        (true, _) => ctx.store.count(found),
        (false, true) => reply.ok(),
        (false, false) => reply.null(),
    }
}

/// Stores a value. One whose deadline has passed is gone before anyone can see it.
fn put(cell: &mut store::Cell<'_>, value: &[u8], deadline: Deadline, now_ms: u64) {
    if matches!(deadline, Deadline::At(at) if at <= now_ms) {
        cell.remove();
    } else {
        cell.put(value, Put { deadline, ..Put::default() });
    }
}

/// SETNX key value
pub fn setnx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut cell = lookup(ctx, &args[1]);
    let absent = cell.entry().is_none();
    if absent {
        cell.put(&args[2], Put::default());
        told_set(ctx, true, &args[1]);
    }
    reply.int(absent.into());
}

/// SETEX key seconds value
pub fn setex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let expire = Expire { text: &args[2], seconds: true, absolute: false };
    set_until(ctx, args, expire, "setex", reply);
}

/// PSETEX key milliseconds value
pub fn psetex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let expire = Expire { text: &args[2], seconds: false, absolute: false };
    set_until(ctx, args, expire, "psetex", reply);
}

fn set_until(ctx: &mut Ctx<'_>, args: Args<'_>, expire: Expire<'_>, verb: &'static str, reply: &mut dyn Reply) {
    let deadline = Deadline::At(or_fault!(expire.deadline(verb, ctx.now_ms), reply));
    let mut cell = lookup(ctx, &args[1]);
    let new = cell.entry().is_none();
    cell.put(&args[3], Put { deadline, ..Put::default() });
    told_set(ctx, new, &args[1]);
    ctx.notify(Class::GENERIC, "expire", &args[1]);
    reply.ok();
}

/// GETSET key value
pub fn getset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut cell = lookup(ctx, &args[1]);
    let found = match cell.entry() {
        None => {
            reply.null();
            false
        }
        Some(entry) => {
            speak(or_fault!(string(entry), reply), reply);
            true
        }
    };
    cell.put(&args[2], Put::default());
    ctx.store.count(found);
    if !found {
        missed(ctx, &args[1]);
    }
    told_set(ctx, !found, &args[1]);
}

/// GETDEL key
pub fn getdel(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut cell = lookup(ctx, &args[1]);
    match cell.entry() {
        None => reply.null(),
        Some(entry) => speak(or_fault!(string(entry), reply), reply),
    }
    let found = cell.remove();
    ctx.store.count(found);
    if found {
        ctx.notify(Class::GENERIC, "del", &args[1]);
    } else {
        missed(ctx, &args[1]);
    }
}

/// GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]
pub fn getex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let o = or_fault!(Options::parse(args.from(2), false), reply);
    let now_ms = ctx.now_ms;
    let mut cell = lookup(ctx, &args[1]);
    let Some(entry) = cell.entry() else {
        reply.null();
        ctx.store.count(false);
        return missed(ctx, &args[1]);
    };
    let mut event = None;
    let outcome = string(entry).and_then(|entry| {
        let deadline = o.expire().map(|expire| expire.deadline("getex", now_ms)).transpose()?;
        Ok((entry, deadline))
    });
    match outcome {
        Err(fault) => reply.fault(&fault),
        Ok((entry, deadline)) => {
            speak(entry, reply);
            match deadline {
                Some(at) if at <= now_ms => {
                    cell.remove();
                    event = Some("del");
                }
                Some(at) => {
                    cell.set_deadline(Some(at));
                    event = Some("expire");
                }
                None if o.persist && entry.deadline().is_some() => {
                    cell.set_deadline(None);
                    event = Some("persist");
                }
                None => {}
            }
        }
    }
    ctx.store.count(true);
    if let Some(event) = event {
        ctx.notify(Class::GENERIC, event, &args[1]);
    }
}
