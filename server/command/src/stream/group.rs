//! Room: command. Streams: groups and their consumers come and go.
//! Touches: base, store.

use super::*;
use crate::row::Walk;

/// The options of XGROUP CREATE and XGROUP SETID: MKSTREAM, ENTRIESREAD.
fn options(args: Args<'_>, creates: bool) -> Result<(bool, i64), Fault> {
    let (mut make, mut read) = (false, -1);
    let mut i = 5;
    while i < args.len() {
        match args.get(i + 1) {
            _ if creates && args.is(i, "MKSTREAM") => make = true,
            Some(word) if args.is(i, "ENTRIESREAD") => {
                read = parse_int(word)?;
                if read < -1 {
                    return Err(Fault::err("value for ENTRIESREAD must be positive or -1"));
                }
                i += 1;
            }
            _ => return Err(subcommand_fault(args)),
        }
        i += 1;
    }
    Ok((make, read))
}

fn no_key() -> Fault {
    Fault::err(
        "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to \
         create an empty stream automatically.",
    )
}

/// The place of a stream that must be there, and which must have the group that word 3 names.
fn group_place<'a>(ctx: &'a mut Ctx<'_>, args: Args<'a>) -> Result<Cell<'a>, Fault> {
    let (cell, exists) = place(ctx, args.at(2))?;
    if !exists {
        return Err(no_key());
    }
    match cell.stream().and_then(|stream| stream.group(args.at(3))) {
        Some(_) => Ok(cell),
        None => Err(no_group_of_key(args.at(2), args.at(3))),
    }
}

/// XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read]
pub fn create(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let (make, read) = or_fault!(options(args, true), reply);
    let (key, name) = (args.at(2), args.at(3));
    let (mut cell, exists) = or_fault!(place(ctx, key), reply);
    if !exists && !make {
        return reply.fault(&no_key());
    }
    if args.len() > 8 {
        return reply.fault(&subcommand_fault(args));
    }
    let id = match c_text(args.at(4)) {
        b"$" => cell.stream().map_or(Id::MIN, |stream| stream.log().last()),
        _ => or_fault!(parse_id(args.at(4)), reply),
    };
    if !exists {
        cell.create_stream();
    }
    let created = cell.change_stream(|stream| stream.create_group(name, id, read));
    if !exists {
        ctx.notify(Class::NEW, "new", key);
    }
    if created {
        reply.ok();
        ctx.notify(Class::STREAM, "xgroup-create", key);
    } else {
        reply.fault(&Fault::Text("BUSYGROUP Consumer Group name already exists".into()));
    }
}

/// XGROUP SETID key group id|$ [ENTRIESREAD entries-read]
pub fn set_id(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let (_, read) = or_fault!(options(args, false), reply);
    let mut cell = or_fault!(group_place(ctx, args), reply);
    if args.len() > 7 {
        return reply.fault(&subcommand_fault(args));
    }
    let id = match c_text(args.at(4)) {
        b"$" => cell.stream().map_or(Id::MIN, |stream| stream.log().last()),
        _ => or_fault!(parse_any_id(args.at(4), 0, false, false), reply).0,
    };
    cell.change_stream(|stream| stream.change_group(args.at(3), |group, _| group.set(id, read)));
    reply.ok();
    ctx.notify(Class::STREAM, "xgroup-setid", args.at(2));
}

/// XGROUP DESTROY key group
pub fn destroy(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let key = args.at(2);
    let (mut cell, exists) = or_fault!(place(ctx, key), reply);
    if !exists {
        return reply.fault(&no_key());
    }
    if cell.stream().is_none_or(|stream| stream.group(args.at(3)).is_none()) {
        return reply.int(0);
    }
    cell.destroy_group(args.at(3));
    // Who waits for the group learns that it is gone; who waits for an entry gets none.
    cell.change_stream(|stream| stream.log_mut().settle());
    reply.int(1);
    ctx.notify(Class::STREAM, "xgroup-destroy", key);
    ctx.ready(Kind::Stream, key);
}

/// XGROUP CREATECONSUMER key group consumer
pub fn create_consumer(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let now_ms = ctx.now_ms;
    let mut cell = or_fault!(group_place(ctx, args), reply);
    let created = cell.change_stream(|stream| {
        stream.change_group(args.at(3), |group, _| group.find_or_create(args.at(4), now_ms).1).unwrap_or(false)
    });
    if created {
        ctx.notify(Class::STREAM, "xgroup-createconsumer", args.at(2));
    }
    reply.int(created.into());
}

/// XGROUP DELCONSUMER key group consumer
pub fn delete_consumer(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let cell = or_fault!(group_place(ctx, args), reply);
    let group = cell.stream().and_then(|stream| stream.group(args.at(3)));
    match group.and_then(|group| Some(group.consumer(group.find(args.at(4))?).pending_len())) {
        Some(pending) => {
            let mut walk = Dismissal { pending };
            if !walk.step(ctx, args, reply) {
                ctx.walk = Some(Box::new(walk));
            }
        }
        None => reply.int(0),
    }
}

/// A consumer for whom much may be pending.
struct Dismissal {
    pending: usize,
}

impl Walk for Dismissal {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let gone = cell(ctx, args.at(2)).change_stream(|stream| {
            stream.change_group(args.at(3), |group, _| match group.find(args.at(4)) {
                Some(id) => group.dismiss(id, SLICE),
                None => true,
            })
        });
        if gone == Some(false) {
            return false;
        }
        ctx.notify(Class::STREAM, "xgroup-delconsumer", args.at(2));
        reply.int(self.pending as i64);
        true
    }
}
