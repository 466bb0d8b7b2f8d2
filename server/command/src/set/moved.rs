//! Room: command. SMOVE.
//! Touches: base, store.

use super::*;
use crate::keep::same_db;
use crate::row::{Decide, Fetched, Read, Reading, Together, Write, Writing};
use std::sync::Arc;

/// What SMOVE finds at a key: whether there is a set, and whether the member is in it.
#[derive(Clone, Copy)]
struct Found {
    exists: bool,
    has: bool,
}

/// SMOVE source destination member
pub static SMOVE: Together = Together {
    read: |args, _| {
        let member = args.at(3).to_vec();
        Read::Custom(Arc::new(move |ctx, key| {
            let found = place(ctx, key).map(|set| Found {
                exists: set.exists(),
                has: set.elements().is_some_and(|elements| elements.has(&member)),
            });
            Reading::Now(Box::new(found))
        }))
    },
    decide,
    db: same_db,
};

fn decide(decide: &mut Decide<'_>, args: Args<'_>, _: &[Fetched<'_>], reply: &mut dyn Reply) {
    let from: Result<Found, Fault> = decide.parcel(0);
    let to: Result<Found, Fault> = decide.parcel(1);
    if matches!(from, Ok(Found { exists: false, .. })) {
        return reply.int(0);
    }
    let (from, to) = (or_fault!(from, reply), or_fault!(to, reply));
    reply.int(from.has.into());
    if !from.has || args.at(1) == args.at(2) {
        return;
    }
    let member = args.at(3).to_vec();
    let taken = member.clone();
    let remove = move |ctx: &mut Ctx<'_>, key: &[u8]| {
        if let Some(mut set) = place_again(ctx, key) {
            set.remove(&taken);
            let gone = !set.exists();
            ctx.notify(Class::SET, "srem", key);
            if gone {
                ctx.notify(Class::GENERIC, "del", key);
            }
        }
        Writing::Done
    };
    decide.writes.push((0, decide.db, Write::Custom(Box::new(remove))));
    if to.has {
        return;
    }
    let add = move |ctx: &mut Ctx<'_>, key: &[u8]| {
        if let Some(mut set) = place_again(ctx, key) {
            let is_new = !set.exists();
            set.add(&member);
            if is_new {
                ctx.notify(Class::NEW, "new", key);
            }
            ctx.notify(Class::SET, "sadd", key);
        }
        Writing::Done
    };
    decide.writes.push((1, decide.db, Write::Custom(Box::new(add))));
}
