//! Room: command. Deadlines of fields: HEXPIRE and its kin.
//! Touches: base, store.
//! Source of every order of checks and every edge: t_hash.c of Redis 7.4. A field whose time has come is not there, whoever
//! looks.

use super::*;
use base::number::parse_i64;

/// HFE_MAX_ABS_TIME_MSEC: 46 bits.
const DEADLINE_MAX_MS: i64 = ((1 << 48) - 1) >> 2;

/// Replies for one field.
const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const UNMET: i64 = 0;
const DONE: i64 = 1;
const GONE: i64 = 2;

#[derive(Clone, Copy)]
enum Condition {
    Always,
    /// NX: it has none.
    None,
    /// XX: it has one.
    Some,
    /// GT: the new one is later; none at all is latest.
    Later,
    /// LT
    Sooner,
}

impl Condition {
    fn holds(self, before: Option<u64>, after: u64) -> bool {
        match self {
            Condition::Always => true,
            Condition::None => before.is_none(),
            Condition::Some => before.is_some(),
            Condition::Later => before.is_some_and(|before| before < after),
            Condition::Sooner => before.is_none_or(|before| before > after),
        }
    }
}

/// `FIELDS numfields field ...` from word `at` on: where the first field stands.
pub(super) fn fields_at(args: Args<'_>, at: usize, bad_count: &str) -> Result<usize, Fault> {
    if !args.is(at, "FIELDS") {
        return Err(Fault::err("Mandatory argument FIELDS is missing or not at the right position"));
    }
    let count = args.get(at + 1).and_then(parse_i64).filter(|&n| n > 0).ok_or_else(|| Fault::err(bad_count))?;
    if usize::try_from(count).ok() != Some(args.len() - at - 2) {
        return Err(Fault::err("The `numfields` parameter must match the number of arguments"));
    }
    Ok(at + 2)
}

/// Answers for the fields from word `at` on, slice by slice.
struct Each<F> {
    at: usize,
    /// Of one field.
    one: F,
    /// How many were changed, and how many removed.
    set: usize,
    removed: usize,
    /// Told of those.
    event: &'static str,
    /// The last field went.
    gone: bool,
}

/// What happened to a field, and what to reply.
enum Outcome {
    Told(i64),
    Set(i64),
    Removed(i64),
}

impl<F: FnMut(&mut HashCell<'_>, &[u8]) -> Outcome + 'static> Each<F> {
    fn begin(ctx: &mut Ctx<'_>, args: Args<'_>, at: usize, event: &'static str, one: F, reply: &mut dyn Reply) {
        reply.array(args.len() - at);
        let mut each = Each { at, one, set: 0, removed: 0, event, gone: false };
        if !each.step(ctx, args, reply) {
            ctx.walk = Some(Box::new(each));
        }
    }
}

impl<F: FnMut(&mut HashCell<'_>, &[u8]) -> Outcome> Walk for Each<F> {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = args.len().min(self.at + SLICE / 2);
        let cell = ctx.store.cell(ctx.db, args.at(1), ctx.now_ms);
        if let Some(mut hash) = HashCell::new(cell) {
            let existed = hash.exists();
            for i in self.at..end {
                match if hash.exists() { (self.one)(&mut hash, args.at(i)) } else { Outcome::Told(NO_FIELD) } {
                    Outcome::Told(n) => reply.int(n),
                    Outcome::Set(n) => {
                        self.set += 1;
                        reply.int(n);
                    }
                    Outcome::Removed(n) => {
                        self.removed += 1;
                        reply.int(n);
                    }
                }
            }
            self.gone |= existed && !hash.exists();
        }
        self.at = end;
        if end < args.len() {
            return false;
        }
        // hashTypeSetExDone: one event for the fields that went, else one for those that were set.
        if self.removed > 0 {
            ctx.notify(Class::HASH, "hdel", &args[1]);
            if self.gone {
                ctx.notify(Class::GENERIC, "del", &args[1]);
            }
        } else if self.set > 0 {
            ctx.notify(Class::HASH, self.event, &args[1]);
        }
        true
    }
}

macro_rules! expires {
    ($($(#[$doc:meta])* $name:ident($unit_ms:literal, $absolute:literal);)*) => {
        $(
            $(#[$doc])*
            pub fn $name(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
                expire(ctx, args, $unit_ms, $absolute, reply);
            }
        )*
    };
}

expires! {
    /// HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
    hexpire(1000, false);
    /// HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
    hpexpire(1, false);
    /// HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
    hexpireat(1000, true);
    /// HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
    hpexpireat(1, true);
}

/// The moment that a word names, in `unit_ms`, from now on or `absolute`.
pub(super) fn deadline_of(
    word: &[u8],
    unit_ms: i64,
    absolute: bool,
    now_ms: u64,
    verb: &'static str,
) -> Result<u64, Fault> {
    let n = parse_i64(word).ok_or(Fault::NotInteger)?;
    if n < 0 {
        return Err(Fault::err("invalid expire time, must be >= 0"));
    }
    let base = if absolute { 0 } else { now_ms as i64 };
    let after = n.checked_mul(unit_ms).filter(|&n| n <= DEADLINE_MAX_MS - base).map(|n| (n + base) as u64);
    after.ok_or(Fault::InvalidExpire(verb))
}

fn expire(ctx: &mut Ctx<'_>, args: Args<'_>, unit_ms: i64, absolute: bool, reply: &mut dyn Reply) {
    let now_ms = ctx.now_ms;
    or_fault!(place(ctx, args.at(1)), reply);
    let verb = match (unit_ms, absolute) {
        (1, false) => "hpexpire",
        (1, true) => "hpexpireat",
        (_, false) => "hexpire",
        (_, true) => "hexpireat",
    };
    let after = or_fault!(deadline_of(&args[2], unit_ms, absolute, now_ms, verb), reply);
    let condition = match args.at(3) {
        word if word.eq_ignore_ascii_case(b"NX") => Some(Condition::None),
        word if word.eq_ignore_ascii_case(b"XX") => Some(Condition::Some),
        word if word.eq_ignore_ascii_case(b"GT") => Some(Condition::Later),
        word if word.eq_ignore_ascii_case(b"LT") => Some(Condition::Sooner),
        _ => None,
    };
    let at = 3 + usize::from(condition.is_some());
    let at = or_fault!(fields_at(args, at, "Parameter `numFields` should be greater than 0"), reply);
    let condition = condition.unwrap_or(Condition::Always);
    let one = move |hash: &mut HashCell<'_>, field: &[u8]| {
        let Some(before) = hash.fields().and_then(|fields| fields.deadline(field)) else {
            return Outcome::Told(NO_FIELD);
        };
        if !condition.holds(before, after) {
            return Outcome::Told(UNMET);
        }
        if after <= now_ms {
            hash.remove(field);
            return Outcome::Removed(GONE);
        }
        hash.set_deadline(field, Some(after));
        Outcome::Set(DONE)
    };
    Each::begin(ctx, args, at, "hexpire", one, reply);
}

/// HPERSIST key FIELDS numfields field [field ...]
pub fn hpersist(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    or_fault!(place(ctx, args.at(1)), reply);
    let at = or_fault!(fields_at(args, 2, "Number of fields must be a positive integer"), reply);
    let one = |hash: &mut HashCell<'_>, field: &[u8]| match hash.fields().and_then(|fields| fields.deadline(field)) {
        None => Outcome::Told(NO_FIELD),
        Some(None) => Outcome::Told(NO_DEADLINE),
        Some(Some(_)) => {
            hash.set_deadline(field, None);
            Outcome::Set(DONE)
        }
    };
    Each::begin(ctx, args, at, "hpersist", one, reply);
}

/// HTTL key FIELDS numfields field [field ...]
pub fn httl(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    tell(ctx, args, |deadline, now_ms| (deadline - now_ms).div_ceil(1000), reply);
}

/// HPTTL key FIELDS numfields field [field ...]
pub fn hpttl(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    tell(ctx, args, |deadline, now_ms| deadline - now_ms, reply);
}

/// HEXPIRETIME key FIELDS numfields field [field ...]
pub fn hexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    tell(ctx, args, |deadline, _| deadline.div_ceil(1000), reply);
}

/// HPEXPIRETIME key FIELDS numfields field [field ...]
pub fn hpexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    tell(ctx, args, |deadline, _| deadline, reply);
}

/// `shown`: a deadline as it is told, given the present.
fn tell(ctx: &mut Ctx<'_>, args: Args<'_>, shown: fn(u64, u64) -> u64, reply: &mut dyn Reply) {
    let now_ms = ctx.now_ms;
    if or_fault!(fields(ctx, &args[1]), reply).is_none() {
        missed(ctx, &args[1]);
    }
    let at = or_fault!(fields_at(args, 2, "Number of fields must be a positive integer"), reply);
    let one = move |hash: &mut HashCell<'_>, field: &[u8]| {
        Outcome::Told(match hash.fields().and_then(|fields| fields.deadline(field)) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline)) => shown(deadline, now_ms) as i64,
        })
    };
    Each::begin(ctx, args, at, "", one, reply);
}
