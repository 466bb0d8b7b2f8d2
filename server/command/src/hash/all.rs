//! Room: command. What sees all fields of a hash: in slices where there are many.
//! Touches: base, store.

use super::*;

/// What goes on once it is known how many fields there are.
pub(super) type WithLen = fn(&mut Ctx<'_>, Args<'_>, usize, &mut dyn Reply);

/// Calls `then` with the number of fields of the hash at word 1, which may be 0 should all of them be due. Counts a hit.
///
/// Where many fields are due that are not removed yet, only a walk can tell; they are left where they are, since others
/// may be reading the hash as it was a moment ago.
pub(super) fn with_len(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut dyn Reply,
    absent: fn(&mut dyn Reply),
    then: WithLen,
) {
    match or_fault!(fields(ctx, &args[1]), reply) {
        None => {
            missed(ctx, &args[1]);
            absent(reply);
        }
        Some(fields) if fields.is_settled() => {
            let len = fields.len();
            then(ctx, args, len, reply);
        }
        Some(_) => ctx.walk = Some(Box::new(Counting { cursor: 0, len: 0, then, rest: None })),
    }
}

/// Counts, then goes on with what `then` leaves.
struct Counting {
    cursor: u64,
    len: usize,
    then: WithLen,
    rest: Option<Box<dyn Walk>>,
}

impl Walk for Counting {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        if let Some(rest) = &mut self.rest {
            return rest.step(ctx, args, reply);
        }
        if let Some(fields) = fields_again(ctx, &args[1]) {
            self.cursor = fields.scan(self.cursor, 4 * SLICE, |_, _, _| self.len += 1);
            if self.cursor != 0 {
                return false;
            }
        }
        (self.then)(ctx, args, self.len, reply);
        self.rest = ctx.walk.take();
        self.rest.is_none()
    }
}

/// HLEN key
pub fn hlen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    with_len(ctx, args, reply, |reply| reply.int(0), |_, _, len, reply| reply.int(len as i64));
}

/// HGETALL key
pub fn hgetall(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    with_len(
        ctx,
        args,
        reply,
        |reply| reply.map(0),
        |ctx, args, len, reply| {
            reply.map(len);
            Speaking { cursor: 0, names: true, values: true }.begin(ctx, args, reply);
        },
    );
}

/// HKEYS key
pub fn hkeys(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    with_len(
        ctx,
        args,
        reply,
        |reply| reply.array(0),
        |ctx, args, len, reply| {
            reply.array(len);
            Speaking { cursor: 0, names: true, values: false }.begin(ctx, args, reply);
        },
    );
}

/// HVALS key
pub fn hvals(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    with_len(
        ctx,
        args,
        reply,
        |reply| reply.array(0),
        |ctx, args, len, reply| {
            reply.array(len);
            Speaking { cursor: 0, names: false, values: true }.begin(ctx, args, reply);
        },
    );
}

/// Speaks all fields behind a head that was spoken.
struct Speaking {
    cursor: u64,
    names: bool,
    values: bool,
}

impl Speaking {
    fn begin(mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
        if !self.step(ctx, args, reply) {
            ctx.walk = Some(Box::new(self));
        }
    }
}

impl Walk for Speaking {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Some(fields) = fields_again(ctx, &args[1]) else { return true };
        self.cursor = fields.scan(self.cursor, SLICE, |name, value, _| {
            if self.names {
                speak(name, reply);
            }
            if self.values {
                speak(value, reply);
            }
        });
        self.cursor == 0
    }
}
