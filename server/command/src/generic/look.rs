//! Room: command. What tells about a key and leaves its age alone.
//! Touches: base, store.

use crate::context::Ctx;
use crate::keep::{missed, or_fault};
use base::number::parse_i64;
use base::{Args, Fault, Reply};
use store::{Body, Encoding, Entry, Kind};

/// Redis keeps these integers once for all keys (OBJ_SHARED_INTEGERS) and shows how many references it pretends to hold.
const SHARED_INTEGERS: i64 = 10_000;
const SHARED_REFCOUNT: i64 = i32::MAX as i64;
/// Redis keeps a string up to this length in its object (OBJ_ENCODING_EMBSTR_SIZE_LIMIT).
const EMBSTR_BYTES_MAX: usize = 44;

/// TYPE key
pub fn type_of(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let kind = ctx.store.peek(ctx.db, &args[1], ctx.now_ms).map(Entry::kind);
    ctx.store.count(kind.is_some());
    if kind.is_none() {
        missed(ctx, &args[1]);
    }
    reply.simple(kind.map_or("none", Kind::name));
}

/// What OBJECT ENCODING says.
pub fn encoding_name(entry: Entry<'_>) -> &'static str {
    let bytes = match entry.body() {
        Body::String(bytes) => bytes,
        // 1: integers in order.
        Body::Packed { kind: Kind::Set, form: 1, .. } => return "intset",
        // 1: fields have, or had, deadlines (Redis 7.4).
        Body::Packed { kind: Kind::Hash, form: 1, .. } => return "listpackex",
        Body::Packed { .. } => return "listpack",
        Body::Object(object) => return object.encoding(),
    };
    match entry.encoding() {
        Encoding::Raw => "raw",
        Encoding::Auto if parse_i64(bytes).is_some() => "int",
        _ if bytes.len() <= EMBSTR_BYTES_MAX => "embstr",
        _ => "raw",
    }
}

/// OBJECT's lookups are counted and renew nothing.
fn look(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    reply: &mut dyn Reply,
    tell: impl FnOnce(&Ctx<'_>, Facts) -> Result<i64, Fault>,
) {
    let now_ms = ctx.now_ms;
    let facts = ctx.store.peek(ctx.db, key, now_ms).map(|entry| Facts {
        integer: if encoding_name(entry) == "int" { parse_i64(entry.bytes()) } else { None },
        idle_ms: entry.idle_ms(now_ms),
        frequency: entry.frequency(now_ms),
    });
    ctx.store.count(facts.is_some());
    match facts {
        None => reply.null(),
        Some(facts) => reply.int(or_fault!(tell(ctx, facts), reply)),
    }
}

struct Facts {
    integer: Option<i64>,
    idle_ms: u64,
    frequency: u8,
}

/// OBJECT ENCODING key
pub fn object_encoding(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let name = ctx.store.peek(ctx.db, &args[2], ctx.now_ms).map(encoding_name);
    ctx.store.count(name.is_some());
    match name {
        None => reply.null(),
        Some(name) => reply.bulk(name.as_bytes()),
    }
}

/// OBJECT REFCOUNT key
pub fn object_refcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    look(ctx, &args[2], reply, |_, facts| {
        let shared = facts.integer.is_some_and(|n| (0..SHARED_INTEGERS).contains(&n));
        Ok(if shared { SHARED_REFCOUNT } else { 1 })
    });
}

/// OBJECT IDLETIME key
pub fn object_idletime(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    look(ctx, &args[2], reply, |ctx, facts| {
        if ctx.limits.lfu {
            return Err(Fault::err(
                "An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
                 policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Ok((facts.idle_ms / 1000) as i64)
    });
}

/// OBJECT FREQ key
pub fn object_freq(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    look(ctx, &args[2], reply, |ctx, facts| {
        if !ctx.limits.lfu {
            return Err(Fault::err(
                "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Ok(facts.frequency.into())
    });
}

/// MEMORY USAGE key [SAMPLES count]
pub fn memory_usage(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut i = 3;
    while i < args.len() {
        // Samples concern nested values; a string has none.
        let count = args.get(i + 1).filter(|_| args.is(i, "SAMPLES")).ok_or(Fault::Syntax);
        let count = or_fault!(count.and_then(|word| parse_i64(word).ok_or(Fault::NotInteger)), reply);
        if count < 0 {
            return reply.fault(&Fault::Syntax);
        }
        i += 2;
    }
    match ctx.store.peek(ctx.db, &args[2], ctx.now_ms) {
        None => reply.null(),
        Some(entry) => reply.int(entry.allocated() as i64),
    }
}
