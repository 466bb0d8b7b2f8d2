//! Room: command. memcached's classic text protocol over the same store: database 0, strings.
//! Touches: base, store.
//!
//! The parser hands in lines that are whole and well formed: keys of a legal length, numbers where a line's data hangs on
//! them; `noreply` is taken off. Source of every answer: memcached's `doc/protocol.txt` and its 1.6.45.

pub mod prefix;
mod rows;

pub use rows::{MEMCACHE, find_memcache};

use crate::context::{Class, Ctx};
use crate::keep::{missed, or_fault, same_db, told_string};
use crate::row::{Decide, Fetched, Read, Together, Write};
use crate::string::string;
use base::number::{parse_c_i64, parse_c_u64, parse_token_i32, parse_token_u64, push_u64};
use base::{Args, Fault, Reply, Word};
use std::collections::HashSet;
use store::{Cell, Deadline, Encoding, Kind, Put, Value};

const BAD_LINE: Fault = Fault::Client("bad command line format");
const BAD_DELTA: Fault = Fault::Client("invalid numeric delta argument");
const BAD_EXPTIME: Fault = Fault::Client("invalid exptime argument");
const NOT_NUMERIC: Fault = Fault::Client("cannot increment or decrement non-numeric value");
const TOO_LARGE: Fault = Fault::Server("object too large for cache");

/// memcached's item header (48) and version (8), the key's NUL and the value's line end: what an item holds beside key,
/// value and flags. Its size is what `-I` bounds.
const ITEM_OVERHEAD_BYTES: usize = 48 + 8 + 1 + 2;

/// Beyond 30 days an exptime is a Unix time.
const RELATIVE_SECONDS_MAX: i32 = 60 * 60 * 24 * 30;

/// What an exptime asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expiry {
    Never,
    /// Unix ms.
    At(u64),
    /// It is over before it begins.
    Past,
}

impl Expiry {
    /// protocol.txt, "Expiration times": 0 never, negative at once, up to 30 days from now, beyond that a Unix time.
    fn of(exptime: i32, now_ms: u64) -> Expiry {
        let at = match exptime {
            0 => return Expiry::Never,
            1..=RELATIVE_SECONDS_MAX => now_ms + exptime as u64 * 1000,
            _ => exptime.max(0) as u64 * 1000,
        };
        if at > now_ms { Expiry::At(at) } else { Expiry::Past }
    }

    fn deadline(self) -> Option<u64> {
        match self {
            Expiry::Never => None,
            Expiry::At(at) => Some(at),
            Expiry::Past => Some(0),
        }
    }
}

/// get key*
fn get(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    for key in args.from(1).iter() {
        ctx.tally.cmd_get += 1;
        let expired = ctx.store.counters().expired;
        let Some(entry) = ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch) else {
            ctx.tally.get_misses += 1;
            ctx.tally.get_expired += ctx.store.counters().expired - expired;
            ctx.tally.prefixes.get(key, false);
            missed(ctx, key);
            continue;
        };
        ctx.tally.get_hits += 1;
        ctx.tally.prefixes.get(key, true);
        let entry = or_fault!(string(entry), reply);
        speak(key, entry.flags(), None, entry.value(), reply);
    }
    reply.word(Word::End);
}

/// gets key*
fn gets(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    for key in args.from(1).iter() {
        ctx.tally.cmd_get += 1;
        let expired = ctx.store.counters().expired;
        let mut cell = touched(ctx, key);
        let version = cell.version();
        if let Some(entry) = cell.entry() {
            let entry = or_fault!(string(entry), reply);
            speak(key, entry.flags(), version, entry.value(), reply);
        }
        ctx.store.count(version.is_some());
        ctx.tally.prefixes.get(key, version.is_some());
        match version {
            Some(_) => ctx.tally.get_hits += 1,
            None => {
                ctx.tally.get_misses += 1;
                ctx.tally.get_expired += ctx.store.counters().expired - expired;
                missed(ctx, key);
            }
        }
    }
    reply.word(Word::End);
}

/// gat exptime key*
fn gat(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    get_and_touch(ctx, args, false, reply);
}

/// gats exptime key*
fn gats(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    get_and_touch(ctx, args, true, reply);
}

fn get_and_touch(ctx: &mut Ctx<'_>, args: Args<'_>, versioned: bool, reply: &mut dyn Reply) {
    let exptime = or_fault!(parse_token_i32(&args[1]).ok_or(BAD_EXPTIME), reply);
    let expiry = Expiry::of(exptime, ctx.now_ms);
    for key in args.from(2).iter() {
        let mut cell = touched(ctx, key);
        let version = if versioned { cell.version() } else { None };
        let mut event = None;
        let hit = match cell.entry() {
            None => false,
            Some(entry) => {
                let entry = or_fault!(string(entry), reply);
                speak(key, entry.flags(), version, entry.value(), reply);
                event = expire(&mut cell, expiry);
                true
            }
        };
        ctx.store.count(hit);
        if !hit {
            missed(ctx, key);
        }
        told(ctx, event, key);
        count_touch(ctx.tally, hit);
        ctx.tally.prefixes.get(key, hit);
    }
    reply.word(Word::End);
}

/// Speaks an item, its value lent where it may be.
fn speak(key: &[u8], flags: u32, version: Option<u64>, value: Value<'_>, reply: &mut dyn Reply) {
    match value {
        Value::Inline(bytes) => reply.value(key, flags, version, bytes),
        Value::Shared(bytes) => reply.value_shared(key, flags, version, bytes.clone()),
    }
}

/// A key's place, its age renewed.
fn touched<'a>(ctx: &'a mut Ctx<'_>, key: &'a [u8]) -> Cell<'a> {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    if !ctx.no_touch {
        cell.touch();
    }
    cell
}

/// Gives an item that is there a new deadline; the event to tell.
fn expire(cell: &mut Cell<'_>, expiry: Expiry) -> Option<&'static str> {
    let had = cell.entry().is_some_and(|entry| entry.deadline().is_some());
    match expiry {
        Expiry::Past => {
            cell.remove();
            Some("del")
        }
        Expiry::At(at) => {
            cell.set_deadline(Some(at));
            Some("expire")
        }
        Expiry::Never => {
            cell.set_deadline(None);
            had.then_some("persist")
        }
    }
}

fn told(ctx: &mut Ctx<'_>, event: Option<&'static str>, key: &[u8]) {
    if let Some(event) = event {
        ctx.notify(Class::GENERIC, event, key);
    }
}

fn count_touch(tally: &mut crate::context::Tally, hit: bool) {
    tally.cmd_touch += 1;
    tally.touch_hits += hit as u64;
    tally.touch_misses += !hit as u64;
}

/// Keys of several shards: `get`, `gets`.
fn decide_get(
    decide: &mut Decide<'_>,
    args: Args<'_>,
    fetched: &[Fetched<'_>],
    versioned: bool,
    reply: &mut dyn Reply,
) {
    for (key, found) in args.from(1).iter().zip(fetched) {
        decide.tally.cmd_get += 1;
        decide.tally.prefixes.get(key, matches!(found, Fetched::Entry { .. }));
        if let Fetched::Entry { portable, version } = *found {
            decide.tally.get_hits += 1;
            if portable.kind != Kind::String {
                return reply.fault(&Fault::WrongType);
            }
            reply.value(key, portable.flags, versioned.then_some(version), &portable.value);
        } else {
            decide.tally.get_misses += 1;
        }
    }
    reply.word(Word::End);
}

/// Keys of several shards: `gat`, `gats`.
fn decide_touch(
    decide: &mut Decide<'_>,
    args: Args<'_>,
    fetched: &[Fetched<'_>],
    versioned: bool,
    reply: &mut dyn Reply,
) {
    let exptime = or_fault!(parse_token_i32(&args[1]).ok_or(BAD_EXPTIME), reply);
    let expiry = Expiry::of(exptime, decide.now_ms);
    let mut seen = HashSet::new();
    for (n, (key, found)) in args.from(2).iter().zip(fetched).enumerate() {
        let first = seen.insert(key);
        // One write a key; and a key named twice is gone the second time when the first time ended it.
        match *found {
            Fetched::Entry { portable, .. } if portable.kind != Kind::String => {
                return reply.fault(&Fault::WrongType);
            }
            Fetched::Entry { portable, version } if first || expiry != Expiry::Past => {
                reply.value(key, portable.flags, versioned.then_some(version), &portable.value);
                count_touch(decide.tally, true);
                decide.tally.prefixes.get(key, true);
                if first {
                    decide.writes.push((n, decide.db, Write::Deadline(expiry.deadline())));
                }
            }
            _ => {
                count_touch(decide.tally, false);
                decide.tally.prefixes.get(key, false);
            }
        }
    }
    reply.word(Word::End);
}

static GET: Together = Together {
    read: |_, _| Read::Entry,
    decide: |decide, args, fetched, reply| decide_get(decide, args, fetched, false, reply),
    db: same_db,
};

static GETS: Together = Together {
    read: |_, _| Read::Versioned,
    decide: |decide, args, fetched, reply| decide_get(decide, args, fetched, true, reply),
    db: same_db,
};

static GAT: Together = Together {
    read: |_, _| Read::Entry,
    decide: |decide, args, fetched, reply| decide_touch(decide, args, fetched, false, reply),
    db: same_db,
};

static GATS: Together = Together {
    read: |_, _| Read::Versioned,
    decide: |decide, args, fetched, reply| decide_touch(decide, args, fetched, true, reply),
    db: same_db,
};

/// What a storage line says.
struct Item<'a> {
    key: &'a [u8],
    data: &'a [u8],
    put: Put,
    past: bool,
}

/// Reads `verb key flags exptime bytes [version] data`; `data` is word `at`. Without it the data was too large to be read.
fn item<'a>(ctx: &mut Ctx<'_>, args: Args<'a>, at: usize) -> Result<Item<'a>, Fault> {
    let flags = parse_c_u64(&args[2]).ok_or(BAD_LINE)?;
    // memcached keeps the lower 32 bits of both.
    let exptime = parse_c_i64(&args[3]).ok_or(BAD_LINE)? as i32;
    let (key, flags) = (args.at(1), flags as u32);
    ctx.tally.prefixes.set(key);
    let Some(data) = args.get(at) else {
        ctx.tally.store_too_large += 1;
        return Err(TOO_LARGE);
    };
    ctx.tally.cmd_set += 1;
    let expiry = Expiry::of(exptime, ctx.now_ms);
    let deadline = expiry.deadline().map_or(Deadline::None, Deadline::At);
    let put = Put { deadline, flags, encoding: Encoding::Auto };
    Ok(Item { key, data, put, past: expiry == Expiry::Past })
}

impl Item<'_> {
    /// Stores at `cell`. What is over before it begins only takes away what was there.
    fn store(&self, ctx: &mut Ctx<'_>, reply: &mut dyn Reply) {
        let mut cell = ctx.store.cell(ctx.db, self.key, ctx.now_ms);
        let there = cell.entry().is_some();
        if self.past {
            if cell.remove() {
                ctx.notify(Class::GENERIC, "del", self.key);
            }
        } else {
            cell.put(self.data, self.put);
            told_string(ctx, !there, "set", self.key);
            if let Deadline::At(_) = self.put.deadline {
                ctx.notify(Class::GENERIC, "expire", self.key);
            }
        }
        reply.word(Word::Stored);
    }
}

/// set key flags exptime bytes data
fn set(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let item = match item(ctx, args, 5) {
        Ok(item) => item,
        Err(fault) => {
            if fault == TOO_LARGE {
                // proto_parser.c, process_update_cmd_start: no stale value may stay behind a set that failed.
                if ctx.store.cell(ctx.db, &args[1], ctx.now_ms).remove() {
                    ctx.notify(Class::GENERIC, "del", &args[1]);
                }
            }
            return reply.fault(&fault);
        }
    };
    item.store(ctx, reply);
}

/// add key flags exptime bytes data
fn add(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let item = or_fault!(item(ctx, args, 5), reply);
    // do_store_item: an add that finds the key renews its age.
    match touched(ctx, item.key).entry() {
        Some(_) => reply.word(Word::NotStored),
        None => item.store(ctx, reply),
    }
}

/// replace key flags exptime bytes data
fn replace(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let item = or_fault!(item(ctx, args, 5), reply);
    match ctx.store.peek(ctx.db, item.key, ctx.now_ms).map(string) {
        Some(Ok(_)) => item.store(ctx, reply),
        Some(Err(fault)) => reply.fault(&fault),
        None => reply.word(Word::NotStored),
    }
}

/// cas key flags exptime bytes version data
fn cas(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let version = or_fault!(args.get(5).and_then(parse_token_u64).ok_or(BAD_LINE), reply);
    let item = or_fault!(item(ctx, args, 6), reply);
    let entry = ctx.store.peek(ctx.db, item.key, ctx.now_ms);
    match or_fault!(entry.map(string).transpose(), reply).map(|entry| entry.version()) {
        None => {
            ctx.tally.cas_misses += 1;
            reply.word(Word::NotFound);
        }
        Some(found) if found == Some(version) => {
            ctx.tally.cas_hits += 1;
            item.store(ctx, reply);
        }
        // Also where nobody has asked for the version yet: then nobody can know it.
        Some(_) => {
            ctx.tally.cas_badval += 1;
            reply.word(Word::Exists);
        }
    }
}

/// append key flags exptime bytes data
fn append(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    extend(ctx, args, |cell, data| cell.append(data, Encoding::Raw), reply);
}

/// prepend key flags exptime bytes data
fn prepend(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    extend(ctx, args, |cell, data| cell.prepend(data, Encoding::Raw), reply);
}

/// Flags and exptime of the line count for nothing: the item keeps its own.
fn extend(ctx: &mut Ctx<'_>, args: Args<'_>, extend: fn(&mut Cell<'_>, &[u8]) -> usize, reply: &mut dyn Reply) {
    let Item { key, data, .. } = or_fault!(item(ctx, args, 5), reply);
    let most = ctx.limits.item_bytes_max;
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    let Some(entry) = cell.entry() else { return reply.word(Word::NotStored) };
    let entry = or_fault!(string(entry), reply);
    let flags = if entry.flags() == 0 { 0 } else { 4 };
    // do_store_item: what would grow beyond an item is not stored, and not told apart from a missing one.
    if ITEM_OVERHEAD_BYTES + key.len() + flags + entry.bytes().len() + data.len() > most {
        return reply.word(Word::NotStored);
    }
    extend(&mut cell, data);
    told_string(ctx, false, "append", key);
    reply.word(Word::Stored);
}

/// delete key [0]: what follows the key counts for nothing since 1.6.
fn delete(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    ctx.tally.prefixes.delete(&args[1]);
    let hit = ctx.store.cell(ctx.db, &args[1], ctx.now_ms).remove();
    told(ctx, hit.then_some("del"), &args[1]);
    ctx.tally.delete_hits += hit as u64;
    ctx.tally.delete_misses += !hit as u64;
    reply.word(if hit { Word::Deleted } else { Word::NotFound });
}

/// incr key delta
fn incr(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let hit = count(ctx, args, |n, delta| n.wrapping_add(delta), reply); // protocol.txt, "incr": wraps at 64 bits.
    ctx.tally.incr_hits += (hit == Some(true)) as u64;
    ctx.tally.incr_misses += (hit == Some(false)) as u64;
}

/// decr key delta
fn decr(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let hit = count(ctx, args, |n, delta| n.saturating_sub(delta), reply); // protocol.txt: not below 0.
    ctx.tally.decr_hits += (hit == Some(true)) as u64;
    ctx.tally.decr_misses += (hit == Some(false)) as u64;
}

/// Whether the key was there; `None`: it did not come to that.
fn count(ctx: &mut Ctx<'_>, args: Args<'_>, count: fn(u64, u64) -> u64, reply: &mut dyn Reply) -> Option<bool> {
    let Some(delta) = parse_token_u64(&args[2]) else {
        reply.fault(&BAD_DELTA);
        return None;
    };
    let mut cell = touched(ctx, &args[1]);
    let Some(entry) = cell.entry() else {
        reply.word(Word::NotFound);
        return Some(false);
    };
    let (n, flags, len) = match string(entry) {
        Ok(entry) => (parse_c_u64(entry.bytes()), entry.flags(), entry.bytes().len()),
        Err(fault) => {
            reply.fault(&fault);
            return None;
        }
    };
    let Some(n) = n else {
        reply.fault(&NOT_NUMERIC);
        return None;
    };
    let n = count(n, delta);
    let mut text = Vec::with_capacity(len.max(20));
    push_u64(&mut text, n);
    // protocol.txt, "decr": a shorter number keeps the item's length, blanks fill it up.
    text.resize(text.len().max(len), b' ');
    cell.put(&text, Put { deadline: Deadline::Keep, flags, encoding: Encoding::Auto });
    told_string(ctx, false, "incrby", &args[1]);
    reply.counter(n);
    Some(true)
}

/// touch key exptime
fn touch(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let exptime = or_fault!(parse_token_i32(&args[2]).ok_or(BAD_EXPTIME), reply);
    let expiry = Expiry::of(exptime, ctx.now_ms);
    let mut cell = touched(ctx, &args[1]);
    let hit = or_fault!(cell.entry().map(string).transpose(), reply).is_some();
    let event = if hit { expire(&mut cell, expiry) } else { None };
    told(ctx, event, &args[1]);
    count_touch(ctx.tally, hit);
    reply.word(if hit { Word::Touched } else { Word::NotFound });
}
