//! Room: command. What a shard does for a command whose keys lie on several: reads one key, carries out one write.
//! Touches: base, store.

use crate::context::Ctx;
use crate::row::{Fetched, Read, Write};
use base::DbId;
use store::{Portable, Store};

/// What a far shard found, owned, to travel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    Skipped,
    Absent,
    Present,
    Entry { portable: Portable, version: u64 },
}

impl Found {
    pub fn fetched(&self) -> Fetched<'_> {
        match self {
            Found::Skipped => Fetched::Skipped,
            Found::Absent => Fetched::Absent,
            Found::Present => Fetched::Present,
            Found::Entry { portable: Portable { value, flags, deadline, encoding }, version } => {
                Fetched::Entry { value, flags: *flags, deadline: *deadline, version: *version, encoding: *encoding }
            }
        }
    }
}

/// Reads `key` of `ctx.db` as `read` says. An entry's version is 0 unless `Read::Versioned` asked for it.
pub fn fetch(ctx: &mut Ctx<'_>, key: &[u8], read: Read) -> Found {
    let touch = !ctx.no_touch;
    let (counted, touched) = match read {
        Read::Skip => return Found::Skipped,
        Read::Exists => (false, false),
        Read::Count => (true, false),
        Read::Renew | Read::Move => (false, touch),
        Read::Touch => (true, true),
        Read::Entry | Read::Versioned => (true, touch),
    };
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    if touched {
        cell.touch();
    }
    let version = if read == Read::Versioned { cell.version().unwrap_or(0) } else { 0 };
    let found = match cell.entry() {
        None => Found::Absent,
        Some(entry) if matches!(read, Read::Entry | Read::Versioned | Read::Move) => {
            Found::Entry { portable: entry.portable(), version }
        }
        Some(_) => Found::Present,
    };
    if counted {
        ctx.store.count(found != Found::Absent);
    }
    found
}

/// Carries out what `decide` wants of one key.
pub fn apply(store: &mut Store, db: DbId, key: &[u8], write: Write, now_ms: u64) {
    let mut cell = store.cell(db, key, now_ms);
    match write {
        Write::Remove => {
            cell.remove();
        }
        Write::Put(portable) => cell.put_portable(portable),
        Write::Deadline(deadline) if deadline.is_some_and(|d| d <= now_ms) => {
            cell.remove();
        }
        Write::Deadline(deadline) => {
            if cell.entry().is_some() {
                cell.set_deadline(deadline);
            }
        }
    }
}
