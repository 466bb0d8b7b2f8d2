//! Room: command. HyperLogLogs: strings that estimate how many different elements were counted. What works on several keys, and the
//! self-test, have files of their own. Touches: base, store.
//! Source of every order of checks and every edge: hyperloglog.c of Redis 7.2.

mod rows;
mod several;
mod sketch;
mod test;

pub use rows::HYPERLOGLOG;
pub use several::{PFCOUNT, PFMERGE, pfcount};
pub use test::{PFSELFTEST, pfselftest};

use crate::context::{Class, Ctx};
use crate::keep::{lookup, or_fault};
use base::{Args, Fault, Reply};
use sketch::{Corrupt, Spot};
use store::{Cell, Deadline, Encoding, Entry, Put};

impl From<Corrupt> for Fault {
    fn from(_: Corrupt) -> Fault {
        Fault::Text("INVALIDOBJ Corrupted HLL object detected".into())
    }
}

/// The bytes of a HyperLogLog.
fn sketch_of(entry: Entry<'_>) -> Result<&[u8], Fault> {
    if !entry.is_string() {
        Err(Fault::WrongType)
    } else if sketch::is_valid(entry.bytes()) {
        Ok(entry.bytes())
    } else {
        Err(Fault::Text("WRONGTYPE Key is not a valid HyperLogLog string value.".into()))
    }
}

/// Another value in the place of the one that is there.
fn put(cell: &mut Cell<'_>, bytes: &[u8]) {
    let flags = cell.entry().map_or(0, Entry::flags);
    cell.put(bytes, Put { deadline: Deadline::Keep, flags, encoding: Encoding::Raw });
}

/// PFADD key [element ...]
pub fn pfadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let key = args.at(1);
    let mut cell = lookup(ctx, key);
    let sparse_max = cell.packing().hll_sparse_bytes;
    // What is to be put when all is counted; a dense one is changed where it lies.
    let mut new: Option<Vec<u8>> = None;
    let is_new = match cell.entry() {
        None => {
            new = Some(sketch::empty());
            true
        }
        Some(entry) => {
            or_fault!(sketch_of(entry), reply);
            cell.set_encoding(Encoding::Raw);
            false
        }
    };
    let mut updated = is_new;
    let mut corrupt = false;
    for i in 2..args.len() {
        let (index, value) = sketch::place(&args[i]);
        let Some(bytes) = new.as_deref().or_else(|| cell.entry().map(Entry::bytes)) else { break };
        let spot = match sketch::below(bytes, index, value) {
            Ok(None) => continue,
            Ok(Some(Spot::Dense)) if new.is_none() => {
                let (at, patch, len) = sketch::dense_patch(bytes, index, value);
                cell.patch(at, &patch[..len]);
                updated = true;
                continue;
            }
            Ok(Some(spot)) => spot,
            Err(Corrupt) => {
                corrupt = true;
                break;
            }
        };
        let bytes = new.get_or_insert_with(|| cell.entry().map_or_else(Vec::new, |entry| entry.bytes().to_vec()));
        corrupt = sketch::raise_at(bytes, spot, index, value, sparse_max).is_err();
        if corrupt {
            break;
        }
        updated = true;
    }
    match &mut new {
        Some(bytes) => {
            bytes[sketch::STALE_AT] |= sketch::STALE;
            put(&mut cell, bytes);
        }
        None if updated => {
            let byte = cell.entry().map_or(0, |entry| entry.bytes()[sketch::STALE_AT]);
            if byte & sketch::STALE == 0 {
                cell.patch(sketch::STALE_AT, &[byte | sketch::STALE]);
            }
        }
        None => {}
    }
    if corrupt {
        return reply.fault(&Corrupt.into());
    }
    if is_new {
        ctx.notify(Class::NEW, "new", key);
    }
    if updated {
        ctx.notify(Class::STRING, "pfadd", key);
    }
    reply.int(updated.into());
}

/// PFDEBUG GETREG|DECODE|ENCODING|TODENSE key
pub fn pfdebug(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut cell = lookup(ctx, &args[2]);
    let Some(entry) = cell.entry() else { return reply.fault(&Fault::err("The specified key does not exist")) };
    let bytes = or_fault!(sketch_of(entry), reply);
    let is_sparse = sketch::is_sparse(bytes);
    let decoded = args.is(1, "DECODE").then(|| sketch::decode(bytes));
    cell.set_encoding(Encoding::Raw);
    if let Some(decoded) = decoded {
        if !is_sparse {
            return reply.fault(&Fault::err("HLL encoding is not sparse"));
        }
        return reply.bulk(decoded.as_bytes());
    }
    if args.is(1, "ENCODING") {
        return reply.simple(if is_sparse { "sparse" } else { "dense" });
    }
    let shows = args.is(1, "GETREG");
    if !shows && !args.is(1, "TODENSE") {
        let word = String::from_utf8_lossy(&args[1]).into_owned();
        return reply.fault(&Fault::err(format!("Unknown PFDEBUG subcommand '{word}'")));
    }
    if is_sparse {
        let mut bytes = cell.entry().map_or_else(Vec::new, |entry| entry.bytes().to_vec());
        or_fault!(sketch::to_dense(&mut bytes).map_err(Fault::from), reply);
        put(&mut cell, &bytes);
    }
    if !shows {
        return reply.int(is_sparse.into());
    }
    let bytes = cell.entry().map_or(&[][..], |entry| entry.bytes());
    reply.array(sketch::REGISTERS);
    (0..sketch::REGISTERS).for_each(|index| reply.int(sketch::dense_get(bytes, index).into()));
}
