//! Room: command. Several strings at one moment.
//! Touches: base, store.

use super::{speak, string};
use crate::context::Ctx;
use crate::keep::{lookup, missed, same_db, told_set};
use crate::row::{Decide, Fetched, Read, Together, Told, Write};
use base::{Args, Fault, Reply};
use bytes::Bytes;
use std::collections::HashSet;
use store::{Encoding, Kind, Portable, Put};

/// MGET key [key ...]
pub fn mget(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    reply.array(args.len() - 1);
    for key in args.from(1).iter() {
        // What is no string reads as missing: the one command that hides a wrong type.
        match ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch).map(string) {
            Some(Ok(entry)) => speak(entry, reply),
            Some(Err(_)) => reply.null(),
            None => {
                missed(ctx, key);
                reply.null();
            }
        }
    }
}

pub static MGET: Together = Together {
    read: |_, _| Read::Entry,
    decide: |_, _, fetched, reply| {
        reply.array(fetched.len());
        for found in fetched {
            match found {
                Fetched::Entry { portable, .. } if portable.kind == Kind::String => reply.bulk(&portable.value),
                _ => reply.null(),
            }
        }
    },
    db: same_db,
};

/// MSET key value [key value ...]
pub fn mset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if args.len().is_multiple_of(2) {
        return reply.fault(&Fault::WrongArity("mset"));
    }
    put_all(ctx, args);
    reply.ok();
}

/// MSETNX key value [key value ...]
pub fn msetnx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    if args.len().is_multiple_of(2) {
        return reply.fault(&Fault::WrongArity("msetnx"));
    }
    for (key, _) in pairs(args) {
        if lookup(ctx, key).entry().is_some() {
            return reply.int(0);
        }
    }
    put_all(ctx, args);
    reply.int(1);
}

fn pairs(args: Args<'_>) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
    (1..args.len() - 1).step_by(2).map(move |i| (args.at(i), args.at(i + 1)))
}

fn put_all(ctx: &mut Ctx<'_>, args: Args<'_>) {
    for (key, value) in pairs(args) {
        let mut cell = lookup(ctx, key);
        let new = cell.entry().is_none();
        cell.put(value, Put::default());
        told_set(ctx, new, key);
    }
}

pub static MSET: Together = Together {
    read: |_, _| Read::Skip,
    decide: |decide, args, _, reply| {
        if args.len().is_multiple_of(2) {
            return reply.fault(&Fault::WrongArity("mset"));
        }
        write_all(decide, args);
        reply.ok();
    },
    db: same_db,
};

pub static MSETNX: Together = Together {
    read: |_, _| Read::Renew,
    decide: |decide, args, fetched, reply| {
        if args.len().is_multiple_of(2) {
            return reply.fault(&Fault::WrongArity("msetnx"));
        }
        if fetched.iter().any(|found| !matches!(found, Fetched::Absent)) {
            return reply.int(0);
        }
        write_all(decide, args);
        reply.int(1);
    },
    db: same_db,
};

/// One write a key: of equal keys the last pair wins.
fn write_all(decide: &mut Decide<'_>, args: Args<'_>) {
    let mut seen = HashSet::new();
    for (n, (key, value)) in pairs(args).enumerate().collect::<Vec<_>>().into_iter().rev() {
        if seen.insert(key) {
            let value = Bytes::copy_from_slice(value);
            let portable = Portable { kind: Kind::String, value, flags: 0, deadline: None, encoding: Encoding::Auto };
            decide.writes.push((n, decide.db, Write::Put(portable, Told::SET)));
        }
    }
}
