//! Room: command. HGETEX, HSETEX and HGETDEL: fields read or set together with their deadlines.
//! Touches: base, store.
//! Source: the documentation of Redis 8.0 and Valkey 9, and the error texts of 8.0.

use super::deadline::{deadline_of, fields_at};
use super::*;
use base::number::parse_i64;
use store::Deadline;

/// What becomes of the deadlines of fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// Nothing was said: HGETEX leaves them, HSETEX drops them.
    Unsaid,
    /// KEEPTTL
    Keep,
    /// PERSIST
    Never,
    At(u64),
}

/// Which fields must be there for HSETEX to do anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// FNX
    None,
    /// FXX
    All,
}

#[derive(Clone, Copy)]
struct Options {
    condition: Option<Condition>,
    after: After,
    first: usize,
    end: usize,
}

impl Options {
    /// Words 2 and on. `width`: words for each field, 2 of HSETEX.
    fn parse(args: Args<'_>, now_ms: u64, verb: &'static str, width: usize) -> Result<Options, Fault> {
        let sets = width == 2;
        let (mut condition, mut after, mut fields) = (None, After::Unsaid, None);
        let mut i = 2;
        while i < args.len() {
            let unit = ["EX", "PX", "EXAT", "PXAT"].into_iter().find(|unit| args.is(i, unit));
            if args.is(i, "FIELDS") {
                if fields.is_some() {
                    return Err(Fault::err("FIELDS keyword specified multiple times"));
                }
                if i + 1 + width >= args.len() {
                    return Err(Fault::WrongArity(verb));
                }
                let count = parse_i64(args.at(i + 1)).and_then(|n| i32::try_from(n).ok()).filter(|&n| n > 0);
                let count = count.ok_or_else(|| Fault::err("invalid number of fields"))? as usize;
                let (first, end) = (i + 2, i + 2 + count * width);
                if end > args.len() {
                    return Err(Fault::err("wrong number of arguments"));
                }
                fields = Some((first, end));
                i = end;
                continue;
            }
            if unit.is_some() || args.is(i, "KEEPTTL") && sets || args.is(i, "PERSIST") && !sets {
                if after != After::Unsaid {
                    let last = if sets { "KEEPTTL" } else { "PERSIST" };
                    return Err(Fault::err(format!(
                        "Only one of EX, PX, EXAT, PXAT or {last} arguments can be specified"
                    )));
                }
                after = match unit {
                    None if sets => After::Keep,
                    None => After::Never,
                    Some(unit) => {
                        i += 1;
                        let word = args.get(i).ok_or_else(|| Fault::err("missing expire time"))?;
                        let unit_ms = if unit.starts_with('E') { 1000 } else { 1 };
                        After::At(deadline_of(word, unit_ms, unit.len() == 4, now_ms, verb)?)
                    }
                };
            } else if sets && (args.is(i, "FNX") || args.is(i, "FXX")) {
                let one = if args.is(i, "FNX") { Condition::None } else { Condition::All };
                if condition.replace(one).is_some() {
                    return Err(Fault::err("Only one of FXX or FNX arguments can be specified"));
                }
            } else {
                let word = String::from_utf8_lossy(&args.at(i)[..args.at(i).len().min(128)]).replace(['\r', '\n'], " ");
                return Err(Fault::err(format!("unknown argument: {word}")));
            }
            i += 1;
        }
        let (first, end) = fields.ok_or_else(|| Fault::err("missing FIELDS argument"))?;
        Ok(Options { condition, after, first, end })
    }
}

/// What is done to each field that is read.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    Remove,
    Never,
    At(u64),
}

/// Speaks fields from word `at` to `end` and does something to each, slice by slice.
struct Reading {
    at: usize,
    end: usize,
    then: Then,
    changed: usize,
    gone: bool,
}

impl Reading {
    fn begin(mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
        reply.array(self.end - self.at);
        if !self.step(ctx, args, reply) {
            ctx.walk = Some(Box::new(self));
        }
    }
}

impl Walk for Reading {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = self.end.min(self.at + SLICE / 2);
        let Some(mut hash) = HashCell::new(ctx.store.cell(ctx.db, args.at(1), ctx.now_ms)) else { return true };
        for i in self.at..end {
            let field = args.at(i);
            let Some(before) = hash.fields().and_then(|fields| {
                speak(fields.get(field)?, reply);
                fields.deadline(field)
            }) else {
                reply.null();
                continue;
            };
            match self.then {
                Then::Nothing => continue,
                Then::Remove => {
                    hash.remove(field);
                    self.gone |= !hash.exists();
                }
                Then::Never if before.is_none() => continue,
                Then::Never => hash.set_deadline(field, None),
                Then::At(after) => hash.set_deadline(field, Some(after)),
            }
            self.changed += 1;
        }
        self.at = end;
        if end < self.end {
            return false;
        }
        if self.changed > 0 {
            let event = match self.then {
                Then::Remove => "hdel",
                Then::Never => "hpersist",
                _ => "hexpire",
            };
            ctx.notify(Class::HASH, event, &args[1]);
            if self.gone {
                ctx.notify(Class::GENERIC, "del", &args[1]);
            }
        }
        true
    }
}

/// HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS numfields
/// field [field ...]
pub fn hgetex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let Options { after, first, end, .. } = or_fault!(Options::parse(args, ctx.now_ms, "hgetex", 1), reply);
    or_fault!(place(ctx, args.at(1)), reply);
    let then = match after {
        After::At(at) if at <= ctx.now_ms => Then::Remove,
        After::At(at) => Then::At(at),
        After::Never => Then::Never,
        _ => Then::Nothing,
    };
    Reading { at: first, end, then, changed: 0, gone: false }.begin(ctx, args, reply);
}

/// HGETDEL key FIELDS numfields field [field ...]
pub fn hgetdel(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let at = or_fault!(fields_at(args, 2, "Number of fields must be a positive integer"), reply);
    or_fault!(place(ctx, args.at(1)), reply);
    Reading { at, end: args.len(), then: Then::Remove, changed: 0, gone: false }.begin(ctx, args, reply);
}

/// HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]
/// FIELDS numfields field value [field value ...]
pub fn hsetex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let options = or_fault!(Options::parse(args, ctx.now_ms, "hsetex", 2), reply);
    or_fault!(place(ctx, args.at(1)), reply);
    let mut setting = Setting { options, checked: options.first, at: options.first, is_new: false, gone: false };
    if !setting.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(setting));
    }
}

/// HSETEX: fields are looked for up to word `checked`, then set up to word `at`.
struct Setting {
    options: Options,
    checked: usize,
    at: usize,
    is_new: bool,
    gone: bool,
}

impl Walk for Setting {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Options { condition, after, first, end } = self.options;
        let now_ms = ctx.now_ms;
        let Some(mut hash) = HashCell::new(ctx.store.cell(ctx.db, args.at(1), now_ms)) else { return true };
        if let Some(condition) = condition
            && self.checked < end
        {
            let upto = end.min(self.checked + SLICE);
            for i in (self.checked..upto).step_by(2) {
                let there = hash.fields().is_some_and(|fields| fields.has(args.at(i)));
                if there != (condition == Condition::All) {
                    reply.int(0);
                    return true;
                }
            }
            self.checked = upto;
            if upto < end {
                return false;
            }
        }
        let past = matches!(after, After::At(at) if at <= now_ms);
        if self.at == first {
            self.is_new = !hash.exists();
        }
        if self.at == first && !past {
            let longest = (first..end).map(|i| args.at(i).len()).max().unwrap_or(0);
            hash.expect((end - first) / 2, longest);
        }
        let deadline = match after {
            After::Unsaid | After::Never => Deadline::None,
            After::Keep => Deadline::Keep,
            After::At(at) if at > now_ms => Deadline::At(at),
            After::At(_) => Deadline::None,
        };
        let upto = end.min(self.at + SLICE);
        for i in (self.at..upto).step_by(2) {
            // A field that is set with a deadline that has passed goes at once.
            if past {
                hash.remove(args.at(i));
            } else {
                hash.put(args.at(i), args.at(i + 1), deadline);
            }
        }
        self.at = upto;
        if upto < end {
            return false;
        }
        self.gone = past && !hash.exists();
        reply.int(1);
        if self.is_new && !past {
            ctx.notify(Class::NEW, "new", &args[1]);
        }
        ctx.notify(Class::HASH, "hset", &args[1]);
        if let After::At(_) = after {
            ctx.notify(Class::HASH, if past { "hdel" } else { "hexpire" }, &args[1]);
        }
        if self.gone && !self.is_new {
            ctx.notify(Class::GENERIC, "del", &args[1]);
        }
        true
    }
}
