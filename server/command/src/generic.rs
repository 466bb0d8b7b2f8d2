//! Room: command. What works on keys of any type. Deadlines, and what tells about a key, have files of their own.
//! Touches: base, store.
//! Source of every order of checks and every edge: db.c, expire.c and object.c of Redis 7.2.

mod dump;
mod expire;
mod look;
mod rows;
mod sort;

pub use dump::{dump, restore};
pub use expire::{expire, expireat, expiretime, persist, pexpire, pexpireat, pexpiretime, pttl, ttl};
pub use look::{encoding_name, memory_usage, object_encoding, object_freq, object_idletime, object_refcount, type_of};
pub use rows::{GENERIC, OBJECT};
pub use sort::{SORT, SORT_RO};

use crate::context::{Class, Ctx};
use crate::keep::{appeared, lookup, missed, or_fault, parse_db, same_db};
use crate::row::{Decide, Fetched, Read, Together, Told, Walk, Write};
use crate::together::PLACED_A_SLICE;
use base::{Args, DbId, Fault, Reply};
use std::collections::HashSet;
use store::rdb::{Dumping, Placing};
use store::{Kind, Portable};

/// DEL key [key ...], UNLINK key [key ...]: the store frees big values in steps either way.
pub fn del(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut removed = 0;
    for key in args.from(1).iter() {
        if ctx.store.cell(ctx.db, key, ctx.now_ms).remove() {
            removed += 1;
            ctx.notify(Class::GENERIC, "del", key);
        }
    }
    reply.int(removed);
}

pub static DEL: Together = Together {
    read: |_, _| Read::Exists,
    decide: |decide, args, fetched, reply| {
        let mut seen = HashSet::new();
        for (n, (key, found)) in args.from(1).iter().zip(fetched).enumerate() {
            if !matches!(found, Fetched::Absent) && seen.insert(key) {
                decide.writes.push((n, decide.db, Write::Remove(Told::DEL)));
            }
        }
        reply.int(seen.len() as i64);
    },
    db: same_db,
};

/// EXISTS key [key ...]: a key named twice counts twice.
pub fn exists(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut there = 0;
    for key in args.from(1).iter() {
        let found = ctx.store.peek(ctx.db, key, ctx.now_ms).is_some();
        ctx.store.count(found);
        if !found {
            missed(ctx, key);
        }
        there += i64::from(found);
    }
    reply.int(there);
}

fn count_there(_: &mut Decide<'_>, _: Args<'_>, fetched: &[Fetched<'_>], reply: &mut dyn Reply) {
    reply.int(fetched.iter().filter(|found| !matches!(found, Fetched::Absent)).count() as i64);
}

pub static EXISTS: Together = Together { read: |_, _| Read::Count, decide: count_there, db: same_db };

/// TOUCH key [key ...]
pub fn touch(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut there = 0;
    for key in args.from(1).iter() {
        // CLIENT NO-TOUCH does not hold here: renewing is what was asked for.
        if ctx.store.read(ctx.db, key, ctx.now_ms, true).is_some() {
            there += 1;
        } else {
            missed(ctx, key);
        }
    }
    reply.int(there);
}

pub static TOUCH: Together = Together { read: |_, _| Read::Touch, decide: count_there, db: same_db };

/// RENAME key newkey
pub fn rename(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    rename_here(ctx, args, false, reply);
}

/// RENAMENX key newkey
pub fn renamenx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    rename_here(ctx, args, true, reply);
}

fn rename_here(ctx: &mut Ctx<'_>, args: Args<'_>, nx: bool, reply: &mut dyn Reply) {
    let (from, to) = (args.at(1), args.at(2));
    if lookup(ctx, from).entry().is_none() {
        return reply.fault(&Fault::NoSuchKey);
    }
    let done = if from == to {
        !nx
    } else if lookup(ctx, to).entry().is_some() && nx {
        false
    } else {
        if let Some(lifted) = ctx.store.cell(ctx.db, from, ctx.now_ms).lift() {
            let kind = lifted.kind();
            ctx.store.cell(ctx.db, to, ctx.now_ms).set_down(lifted);
            appeared(ctx, ctx.db, kind, to);
            ctx.notify(Class::GENERIC, "rename_from", from);
            ctx.notify(Class::GENERIC, "rename_to", to);
        }
        true
    };
    renamed(nx, done, reply);
}

fn renamed(nx: bool, done: bool, reply: &mut dyn Reply) {
    if nx { reply.int(done.into()) } else { reply.ok() }
}

fn rename_far(decide: &mut Decide<'_>, args: Args<'_>, fetched: &[Fetched<'_>], nx: bool, reply: &mut dyn Reply) {
    let Some(portable) = carried(&fetched[0]) else {
        return reply.fault(&Fault::NoSuchKey);
    };
    let done = if args.at(1) == args.at(2) {
        !nx
    } else if nx && !matches!(fetched[1], Fetched::Absent) {
        false
    } else {
        decide.writes.push((0, decide.db, Write::Remove(Told::generic("rename_from"))));
        decide.writes.push((1, decide.db, Write::Put(portable, Told::generic("rename_to"))));
        true
    };
    renamed(nx, done, reply);
}

/// A far entry, to be put elsewhere.
fn carried(found: &Fetched<'_>) -> Option<Portable> {
    match *found {
        Fetched::Entry { portable, .. } => Some(portable.clone()),
        _ => None,
    }
}

fn read_rename(_: Args<'_>, n: usize) -> Read {
    if n == 0 { Read::Move } else { Read::Renew }
}

pub static RENAME: Together = Together {
    read: read_rename,
    decide: |decide, args, fetched, reply| rename_far(decide, args, fetched, false, reply),
    db: same_db,
};

pub static RENAMENX: Together = Together {
    read: read_rename,
    decide: |decide, args, fetched, reply| rename_far(decide, args, fetched, true, reply),
    db: same_db,
};

/// MOVE key db
pub fn move_key(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let key = args.at(1);
    let to = or_fault!(parse_db(&args[2], ctx.limits.databases), reply);
    if to == ctx.db {
        return reply.fault(&Fault::SameObject);
    }
    if lookup(ctx, key).entry().is_none() || ctx.store.cell(to, key, ctx.now_ms).entry().is_some() {
        return reply.int(0);
    }
    if let Some(lifted) = ctx.store.cell(ctx.db, key, ctx.now_ms).lift() {
        let kind = lifted.kind();
        ctx.store.cell(to, key, ctx.now_ms).set_down(lifted);
        appeared(ctx, to, kind, key);
        ctx.notify(Class::GENERIC, "move_from", key);
        ctx.notify_in(to, Class::GENERIC, "move_to", key);
    }
    reply.int(1);
}

/// What COPY is told behind its two keys.
struct Copy {
    to: DbId,
    replace: bool,
}

impl Copy {
    fn parse(args: Args<'_>, selected: DbId, databases: u16) -> Result<Copy, Fault> {
        let mut copy = Copy { to: selected, replace: false };
        let mut i = 3;
        while i < args.len() {
            if args.is(i, "REPLACE") {
                copy.replace = true;
            } else if args.is(i, "DB") && i + 1 < args.len() {
                i += 1;
                copy.to = parse_db(&args[i], databases)?;
            } else {
                return Err(Fault::Syntax);
            }
            i += 1;
        }
        if copy.to == selected && args.at(1) == args.at(2) {
            return Err(Fault::SameObject);
        }
        Ok(copy)
    }
}

/// COPY source destination [DB destination-db] [REPLACE]
pub fn copy(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let Copy { to, replace } = or_fault!(Copy::parse(args, ctx.db, ctx.limits.databases), reply);
    if ctx.store.read(ctx.db, args.at(1), ctx.now_ms, !ctx.no_touch).is_none() {
        missed(ctx, args.at(1));
        return reply.int(0);
    }
    let free = replace || ctx.store.cell(to, args.at(2), ctx.now_ms).entry().is_none();
    if free && let Some(entry) = ctx.store.glance(ctx.db, args.at(1), ctx.now_ms) {
        if !entry.is_string() && entry.is_large() {
            let copying = Copying { to, dumping: Some(entry.begin_dump(false)), put: None };
            ctx.walk = Some(Box::new(copying));
            return;
        }
        let portable = entry.portable();
        let kind = portable.kind;
        ctx.store.cell(to, args.at(2), ctx.now_ms).put_portable(portable);
        copied(ctx, to, kind, args.at(2));
    }
    reply.int(free.into());
}

fn copied(ctx: &mut Ctx<'_>, to: DbId, kind: Kind, key: &[u8]) {
    appeared(ctx, to, kind, key);
    ctx.notify_in(to, Class::GENERIC, "copy_to", key);
}

/// COPY of a large value: written, then put, in slices.
struct Copying {
    to: DbId,
    dumping: Option<Dumping>,
    put: Option<(Portable, Placing)>,
}

impl Walk for Copying {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Copying { to, dumping, put } = self;
        if let Some((portable, placing)) = put {
            let place = (*to, args.at(2));
            let placed = placing.step(ctx.store, place, ctx.now_ms, &portable.value, PLACED_A_SLICE);
            if !placed.expect("what a store has written can be read") {
                return false;
            }
            ctx.store.cell(*to, args.at(2), ctx.now_ms).set_deadline(portable.deadline);
            copied(ctx, *to, portable.kind, args.at(2));
            reply.int(1);
            return true;
        }
        let entry = ctx.store.glance(ctx.db, args.at(1), ctx.now_ms).expect("nobody changes it meanwhile");
        if dumping.as_mut().is_some_and(|dumping| dumping.step(entry)) {
            let portable = entry.portable_of(dumping.take().expect("it was there above"));
            let placing = Placing::new(portable.placed());
            *put = Some((portable, placing));
        }
        false
    }
}

pub static COPY: Together = Together {
    read: |_, n| if n == 0 { Read::Entry } else { Read::Renew },
    decide: |decide, args, fetched, reply| {
        let Copy { to, replace } = or_fault!(Copy::parse(args, decide.db, decide.limits.databases), reply);
        let Some(portable) = carried(&fetched[0]) else {
            return reply.int(0);
        };
        let free = replace || matches!(fetched[1], Fetched::Absent);
        if free {
            decide.writes.push((1, to, Write::Put(portable, Told::generic("copy_to"))));
        }
        reply.int(free.into());
    },
    // What cannot be parsed is refused by `decide`: any database will do.
    db: |args, n, selected| match Copy::parse(args, selected, u16::MAX) {
        Ok(copy) if n == 1 => copy.to,
        _ => selected,
    },
};
