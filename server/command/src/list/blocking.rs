//! Room: command. Lists: what waits for an element.
//! Touches: base, store.

use super::several::{Pop, decide_move, decide_mpop, decide_pop, ends, is_list, read_end, read_move, read_mpop};
use super::{Element, End, place, pop_many, popped, speak};
use crate::context::Ctx;
use crate::keep::{patience, same_db};
use crate::row::{Blocking, Patience, Together};
use base::{Args, Fault, Reply};
use store::Kind;

/// BLPOP key [key ...] timeout
pub static BLPOP: Blocking = Blocking {
    attempt: Together {
        read: |_, _| read_end(End::Head),
        decide: |decide, args, _, reply| decide_pop(decide, args, End::Head, reply),
        db: same_db,
    },
    kind: Kind::List,
    patience: last_word,
    serve: Some(|ctx, args, n, key, reply| serve_pop(ctx, args, n, key, End::Head, reply)),
    timed_out: |reply| reply.null_array(),
    waits_for: |_| true,
    minds_loss: false,
};

/// BRPOP key [key ...] timeout
pub static BRPOP: Blocking = Blocking {
    attempt: Together {
        read: |_, _| read_end(End::Tail),
        decide: |decide, args, _, reply| decide_pop(decide, args, End::Tail, reply),
        db: same_db,
    },
    kind: Kind::List,
    patience: last_word,
    serve: Some(|ctx, args, n, key, reply| serve_pop(ctx, args, n, key, End::Tail, reply)),
    timed_out: |reply| reply.null_array(),
    waits_for: |_| true,
    minds_loss: false,
};

/// BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout, BRPOPLPUSH source destination timeout
pub static BLMOVE: Blocking = Blocking {
    attempt: Together {
        read: read_move,
        decide: |decide, args, _, reply| decide_move(decide, args, true, reply),
        db: same_db,
    },
    kind: Kind::List,
    patience: |args, now_ms| {
        ends(args)?;
        last_word(args, now_ms)
    },
    serve: None,
    timed_out: |reply| reply.null_array(),
    waits_for: |n| n == 0,
    minds_loss: false,
};

/// BLMPOP timeout numkeys key [key ...] LEFT|RIGHT [COUNT count]
pub static BLMPOP: Blocking = Blocking {
    attempt: Together {
        read: |args, _| read_mpop(args, 2),
        decide: |decide, args, _, reply| decide_mpop(decide, args, 2, true, reply),
        db: same_db,
    },
    kind: Kind::List,
    patience: |args, now_ms| {
        Pop::parse(args, 2)?;
        patience(&args[1], now_ms)
    },
    serve: Some(serve_mpop),
    timed_out: |reply| reply.null_array(),
    waits_for: |_| true,
    minds_loss: false,
};

fn last_word(args: Args<'_>, now_ms: u64) -> Result<Patience, Fault> {
    patience(args.at(args.len() - 1), now_ms)
}

fn serve_pop(ctx: &mut Ctx<'_>, _: Args<'_>, _: usize, key: &[u8], end: End, reply: &mut dyn Reply) -> bool {
    let Ok((mut cell, true)) = place(ctx, key) else { return false };
    reply.array(2);
    reply.bulk(key);
    let left = cell.list_mut().pop(end, |element: Element<'_>| speak(element, reply));
    popped(ctx, key, end, left);
    true
}

fn serve_mpop(ctx: &mut Ctx<'_>, args: Args<'_>, n: usize, key: &[u8], reply: &mut dyn Reply) -> bool {
    let Ok(pop) = Pop::parse(args, 2) else { return false };
    if !is_list(ctx, key) {
        return false;
    }
    reply.array(2);
    reply.bulk(key);
    pop_many(ctx, args, pop.first + n, pop.end, pop.count, reply);
    true
}
