//! Room: command. What several families use.
//! Touches: base, store.

use crate::context::{Class, Ctx};
use crate::row::Patience;
use base::number::{Extended, parse_c_f64, parse_f64, parse_i64};
use base::{DbId, Fault};
use store::{Cell, Kind};

/// Unwraps, or answers with the fault and returns.
macro_rules! or_fault {
    ($result:expr, $reply:expr) => {
        match $result {
            Ok(value) => value,
            Err(fault) => return $reply.fault(&fault),
        }
    };
}
pub(crate) use or_fault;

/// A key's place for a command that may write: as in Redis its age is renewed, and nothing is counted.
pub(crate) fn lookup<'a>(ctx: &'a mut Ctx<'_>, key: &'a [u8]) -> Cell<'a> {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    if !ctx.no_touch && cell.entry().is_some() {
        cell.touch();
    }
    cell
}

/// To be told where a command that reads a key did not find it.
pub(crate) fn missed(ctx: &mut Ctx<'_>, key: &[u8]) {
    ctx.notify(Class::MISS, "keymiss", key);
}

/// To be told where a key has appeared, before what was done to it: somebody may wait for it.
pub(crate) fn appeared(ctx: &mut Ctx<'_>, db: DbId, kind: Kind, key: &[u8]) {
    ctx.ready_in(db, kind, key);
    ctx.notify_in(db, Class::NEW, "new", key);
}

/// To be told where a string was set. `new`: there was nothing before.
pub(crate) fn told_set(ctx: &mut Ctx<'_>, new: bool, key: &[u8]) {
    told_string(ctx, new, "set", key);
}

/// The same of another event.
#[inline]
pub(crate) fn told_string(ctx: &mut Ctx<'_>, new: bool, event: &'static str, key: &[u8]) {
    if new {
        ctx.notify(Class::NEW, "new", key);
    }
    ctx.notify(Class::STRING, event, key);
}

/// What Redis reads into an `int`.
pub(crate) fn parse_i32(word: &[u8]) -> Result<i32, Fault> {
    let n = parse_i64(word).ok_or(Fault::NotInteger)?;
    i32::try_from(n)
        .map_err(|_| Fault::err(format!("value is out of range, value must between {} and {}", i32::MIN, i32::MAX)))
}

/// The number of one of `databases` databases.
pub(crate) fn parse_db(word: &[u8], databases: u16) -> Result<DbId, Fault> {
    let n = parse_i32(word)?;
    u16::try_from(n).ok().filter(|&n| n < databases).map(DbId).ok_or(Fault::DbIndexOutOfRange)
}

/// `Together::db` of commands that stay in the database selected.
pub(crate) fn same_db(_: base::Args<'_>, _: usize, selected: DbId) -> DbId {
    selected
}

/// How long a blocking command waits: seconds with a fraction, 0 for ever.
pub(crate) fn patience(word: &[u8], now_ms: u64) -> Result<Patience, Fault> {
    let out_of_range = || Fault::err("timeout is out of range");
    let seconds = match parse_f64(word) {
        Some(seconds) => seconds,
        // Redis reads 80 bits: what is too large or too small for 64 is a number, a very long or a very short time.
        None if Extended::parse(word).is_some() => match parse_c_f64(word) {
            Some(zero) if zero == 0.0 => f64::MIN_POSITIVE.copysign(zero),
            Some(huge) => huge,
            None => return Err(Fault::err("timeout is not a float or out of range")),
        },
        None => return Err(Fault::err("timeout is not a float or out of range")),
    };
    let ms = seconds * 1000.0;
    // Redis works with 64 bits of mantissa: what is a whole number of ms there has no trace of a fraction.
    let ms = if (ms - ms.round()).abs() < ms.abs() * 1e-15 { ms.round() } else { ms.ceil() };
    if ms >= i64::MAX as f64 {
        return Err(out_of_range());
    }
    match ms as i64 {
        ..0 => Err(Fault::err("timeout is negative")),
        0 => Ok(Patience::Forever),
        ms if ms > i64::MAX - now_ms as i64 => Err(out_of_range()),
        ms => Ok(Patience::Until(now_ms + ms as u64)),
    }
}
