//! Room: command. Streams: entries are added, old ones trimmed.
//! Touches: base, store.

use super::*;
use crate::row::Walk;
use store::Packing;
use store::stream::{Bound, ENTRY_BYTES_MAX, Trim};

/// What XADD does to the second number of an id, and to the whole.
#[derive(Clone, Copy)]
enum NewId {
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    Given(Id),
}

/// The options of XADD and XTRIM.
struct Options {
    bound: Option<Bound>,
    approximate: bool,
    limit: Option<i64>,
    no_create: bool,
    id: NewId,
    /// The word of XADD's id.
    at: usize,
}

impl Options {
    fn parse(args: Args<'_>, adds: bool) -> Result<Options, Fault> {
        let mut o =
            Options { bound: None, approximate: false, limit: None, no_create: false, id: NewId::Auto, at: args.len() };
        let mut i = 2;
        while i < args.len() {
            let more = args.len() - 1 - i;
            if adds && c_text(args.at(i)) == b"*" {
                break;
            } else if (args.is(i, "MAXLEN") || args.is(i, "MINID")) && more > 0 {
                let by_len = args.is(i, "MAXLEN");
                if o.bound.is_some() {
                    return Err(Fault::err(
                        "syntax error, MAXLEN and MINID options at the same time are not compatible",
                    ));
                }
                o.approximate = more >= 2 && args.at(i + 1) == b"~";
                if o.approximate || more >= 2 && args.at(i + 1) == b"=" {
                    i += 1;
                }
                i += 1;
                o.bound = Some(if by_len {
                    let len = parse_int(args.at(i))?;
                    let len = u64::try_from(len).map_err(|_| Fault::err("The MAXLEN argument must be >= 0."))?;
                    Bound::Len(len)
                } else {
                    Bound::Id(parse_id(args.at(i))?)
                });
            } else if args.is(i, "LIMIT") && more > 0 {
                i += 1;
                let limit = parse_int(args.at(i))?;
                if limit < 0 {
                    return Err(Fault::err("The LIMIT argument must be >= 0."));
                }
                o.limit = Some(limit);
            } else if adds && args.is(i, "NOMKSTREAM") {
                o.no_create = true;
            } else if adds {
                o.id = match parse_any_id(args.at(i), 0, true, true)? {
                    (id, true) => NewId::AutoSeq(id.ms),
                    (id, false) => NewId::Given(id),
                };
                break;
            } else {
                return Err(Fault::Syntax);
            }
            i += 1;
        }
        o.at = i;
        if o.limit.is_some_and(|limit| limit != 0) && o.bound.is_none() {
            return Err(Fault::err("syntax error, LIMIT cannot be used without specifying a trimming strategy"));
        }
        if !adds && o.bound.is_none() {
            return Err(Fault::err("syntax error, XTRIM must be called with a trimming strategy"));
        }
        if o.limit.is_some() && !o.approximate {
            return Err(Fault::err("syntax error, LIMIT cannot be used without the special ~ option"));
        }
        Ok(o)
    }

    fn trim(&self, packing: &Packing) -> Option<Trim> {
        // A hundred nodes unless the client says otherwise.
        let nodes = || match packing.stream_node_entries.saturating_mul(100) {
            0 => 10_000,
            n => n.min(1_000_000) as u64,
        };
        let limit = match self.limit {
            Some(limit) => limit as u64,
            None if self.approximate => nodes(),
            None => 0,
        };
        Some(Trim { bound: self.bound?, approximate: self.approximate, limit, removed: 0 })
    }
}

/// The id of an entry that is to come behind `last`.
fn next_id(last: Id, wanted: NewId, now_ms: u64) -> Result<Id, Fault> {
    if last == Id::MAX {
        return Err(Fault::err("The stream has exhausted the last possible ID, unable to add more items"));
    }
    let id = match wanted {
        NewId::Auto if now_ms > last.ms => Some(Id::new(now_ms, 0)),
        NewId::Auto => last.next(),
        NewId::AutoSeq(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| Id::new(ms, seq)),
        NewId::AutoSeq(ms) => Some(Id::new(ms, 0)),
        NewId::Given(id) => Some(id),
    };
    id.filter(|&id| id > last)
        .ok_or_else(|| Fault::err("The ID specified in XADD is equal or smaller than the target stream top item"))
}

/// XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value ...]
pub fn xadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let options = or_fault!(Options::parse(args, true), reply);
    let words = options.at + 1;
    if args.len() < words + 2 || !(args.len() - words).is_multiple_of(2) {
        return reply.fault(&Fault::WrongArity("xadd"));
    }
    if let NewId::Given(Id::MIN) = options.id {
        return reply.fault(&Fault::err("The ID specified in XADD must be greater than 0-0"));
    }
    let (key, now_ms) = (args.at(1), ctx.now_ms);
    let (mut cell, exists) = or_fault!(place(ctx, key), reply);
    if !exists && options.no_create {
        return reply.null();
    }
    let last = cell.stream().map_or(Id::MIN, |stream| stream.log().last());
    let id = or_fault!(next_id(last, options.id, now_ms), reply);
    if args.bytes_len() > ENTRY_BYTES_MAX && args.from(words).bytes_len() > ENTRY_BYTES_MAX {
        return reply.fault(&Fault::err("Elements are too large to be stored"));
    }
    let packing = cell.packing();
    if !exists {
        cell.create_stream();
    }
    let mut trim = options.trim(&packing);
    let done = cell.change_stream(|stream| {
        stream.log_mut().append(id, (words..args.len()).map(|i| args.at(i)), &packing);
        trim.as_mut().is_none_or(|trim| stream.log_mut().trim(trim, SLICE_NODES))
    });
    if !exists {
        ctx.notify(Class::NEW, "new", key);
    }
    speak_id(id, reply);
    ctx.notify(Class::STREAM, "xadd", key);
    match trim {
        Some(trim) if !done => ctx.walk = Some(Box::new(Trimming { trim, adds: true })),
        trim => added(ctx, key, trim),
    }
}

fn added(ctx: &mut Ctx<'_>, key: &[u8], trim: Option<Trim>) {
    if trim.is_some_and(|trim| trim.removed > 0) {
        ctx.notify(Class::STREAM, "xtrim", key);
    }
    ctx.ready(Kind::Stream, key);
}

/// XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]
pub fn xtrim(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let options = or_fault!(Options::parse(args, false), reply);
    let (cell, exists) = or_fault!(place(ctx, args.at(1)), reply);
    match options.trim(&cell.packing()) {
        Some(trim) if exists => {
            let mut walk = Trimming { trim, adds: false };
            if !walk.step(ctx, args, reply) {
                ctx.walk = Some(Box::new(walk));
            }
        }
        _ => reply.int(0),
    }
}

/// A trim of many nodes.
struct Trimming {
    trim: Trim,
    /// It is XADD's, which has replied.
    adds: bool,
}

impl Walk for Trimming {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let key = args.at(1);
        if !cell(ctx, key).change_stream(|stream| stream.log_mut().trim(&mut self.trim, SLICE_NODES)) {
            return false;
        }
        if self.adds {
            added(ctx, key, Some(self.trim));
        } else {
            if self.trim.removed > 0 {
                ctx.notify(Class::STREAM, "xtrim", key);
            }
            reply.int(self.trim.removed as i64);
        }
        true
    }
}

/// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
pub fn xsetid(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let id = or_fault!(parse_id(args.at(2)), reply);
    let (mut added, mut max_deleted) = (None, Id::MIN);
    let mut i = 3;
    while i < args.len() {
        let Some(word) = args.get(i + 1) else { return reply.fault(&Fault::Syntax) };
        if args.is(i, "ENTRIESADDED") {
            let n = or_fault!(parse_int(word), reply);
            if n < 0 {
                return reply.fault(&Fault::err("entries_added must be positive"));
            }
            added = Some(n as u64);
        } else if args.is(i, "MAXDELETEDID") {
            max_deleted = or_fault!(parse_id(word), reply);
            if id < max_deleted {
                let text = "The ID specified in XSETID is smaller than the provided max_deleted_entry_id";
                return reply.fault(&Fault::err(text));
            }
        } else {
            return reply.fault(&Fault::Syntax);
        }
        i += 2;
    }
    let key = args.at(1);
    let (mut cell, exists) = or_fault!(place(ctx, key), reply);
    if !exists {
        return reply.fault(&Fault::NoSuchKey);
    }
    let checked = cell.change_stream(|stream| {
        let mut log = stream.log_mut();
        if id < log.max_deleted() {
            return Err("The ID specified in XSETID is smaller than current max_deleted_entry_id");
        }
        if log.range_back(Id::MIN, Id::MAX).next().is_some_and(|top| id < top.id) {
            return Err("The ID specified in XSETID is smaller than the target stream top item");
        }
        if added.is_some_and(|added| !log.is_empty() && log.len() > added) {
            return Err("The entries_added specified in XSETID is smaller than the target stream length");
        }
        log.set_last(id);
        if let Some(added) = added {
            log.set_added(added);
        }
        if max_deleted != Id::MIN {
            log.set_max_deleted(max_deleted);
        }
        Ok(())
    });
    or_fault!(checked.map_err(Fault::err), reply);
    reply.ok();
    ctx.notify(Class::STREAM, "xsetid", key);
}
