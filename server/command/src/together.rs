//! Room: command. What a shard does for a command on several keys: reads one key, carries out one write; or all of it at
//! once, where all keys are its own.
//! Touches: base, store.

use crate::context::Ctx;
use crate::row::{Decide, Fetched, KeyWrite, Parcel, Read, ReadOn, Reading, Together, Walk, Write, WriteOn, Writing};
use base::{Args, DbId, Reply};
use store::Portable;

/// What a far shard found, owned, to travel.
pub enum Found {
    Skipped,
    Absent,
    Present,
    Entry { portable: Portable, version: u64 },
    Parcel(Parcel),
}

impl Found {
    /// For `decide`, which finds a parcel in `Decide::parcels`.
    pub fn fetched(&self) -> Fetched<'_> {
        match self {
            Found::Skipped => Fetched::Skipped,
            Found::Absent => Fetched::Absent,
            Found::Present => Fetched::Present,
            Found::Entry { portable, version } => Fetched::Entry { portable, version: *version },
            Found::Parcel(_) => Fetched::Parcel,
        }
    }
}

/// Reads `key` of `ctx.db` as `read` says, or begins to. An entry's version is 0 unless `Read::Versioned` asked for it.
pub fn fetch(ctx: &mut Ctx<'_>, key: &[u8], read: &Read) -> Result<Found, ReadOn> {
    let touch = !ctx.no_touch;
    let (counted, touched) = match read {
        Read::Skip => return Ok(Found::Skipped),
        Read::Custom(read) => {
            return match read(ctx, key) {
                Reading::Now(parcel) => Ok(Found::Parcel(parcel)),
                Reading::Later(rest) => Err(rest),
            };
        }
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
    let version = if let Read::Versioned = read { cell.version().unwrap_or(0) } else { 0 };
    let found = match cell.entry() {
        None => Found::Absent,
        Some(entry) if matches!(read, Read::Entry | Read::Versioned | Read::Move) => {
            Found::Entry { portable: entry.portable(), version }
        }
        Some(_) => Found::Present,
    };
    if counted {
        ctx.store.count(!matches!(found, Found::Absent));
    }
    Ok(found)
}

/// Carries out what `decide` wants of one key of `ctx.db`, or begins to.
pub fn apply(ctx: &mut Ctx<'_>, key: &[u8], write: Write) -> Writing {
    let now_ms = ctx.now_ms;
    let write = match write {
        Write::Custom(write) => return write(ctx, key),
        write => write,
    };
    let mut cell = ctx.store.cell(ctx.db, key, now_ms);
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
        Write::Custom(_) => unreachable!("carried out above"),
    }
    Writing::Done
}

/// How `run_here` ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Here {
    /// Replied, or left a job or a walk that will.
    Done,
    /// Nothing was spoken: there is nothing yet, the client waits.
    Wait,
    /// Nothing was done: it takes longer than a slice, and needs its keys locked.
    NeedsLocks,
}

/// Both steps of `together` at once, on keys that all lie on this shard and that nobody holds. `keys`: the words that are keys.
pub fn run_here(ctx: &mut Ctx<'_>, args: Args<'_>, keys: &[usize], together: &Together, reply: &mut dyn Reply) -> Here {
    let selected = ctx.db;
    let mut found = Vec::with_capacity(keys.len());
    for (n, &at) in keys.iter().enumerate() {
        ctx.db = together.place(args, n, selected, ctx.limits.databases);
        let read = fetch(ctx, args.at(at), &(together.read)(args, n));
        ctx.db = selected;
        match read {
            Ok(one) => found.push(one),
            Err(_) => return Here::NeedsLocks,
        }
    }
    let (writes, job, wait) = {
        let mut decide = Decide {
            now_ms: ctx.now_ms,
            db: selected,
            limits: ctx.limits,
            tally: ctx.tally,
            parcels: Vec::new(),
            writes: Vec::new(),
            job: None,
            wait: false,
        };
        decide_on(together, &mut decide, args, &mut found, reply);
        (decide.writes, decide.job, decide.wait)
    };
    if job.as_ref().is_some_and(|job| job.writes()) {
        return Here::NeedsLocks;
    }
    if wait {
        return Here::Wait;
    }
    ctx.job = job;
    let mut rest = Rests { keys: keys.to_vec(), writes: writes.into_iter(), under_way: None };
    if !rest.go_on(ctx, args) {
        ctx.walk = Some(Box::new(rest));
    }
    Here::Done
}

/// Lets `together` decide on what was found: parcels go where `decide` takes them from.
pub fn decide_on(
    together: &Together,
    decide: &mut Decide<'_>,
    args: Args<'_>,
    found: &mut [Found],
    reply: &mut dyn Reply,
) {
    decide.parcels = found
        .iter_mut()
        .map(|f| match f {
            Found::Parcel(parcel) => Some(std::mem::replace(parcel, Box::new(()))),
            _ => None,
        })
        .collect();
    let fetched: Vec<_> = found.iter().map(Found::fetched).collect();
    (together.decide)(decide, args, &fetched, reply);
}

/// Writes of which one takes longer than a slice.
struct Rests {
    keys: Vec<usize>,
    writes: std::vec::IntoIter<KeyWrite>,
    under_way: Option<(usize, DbId, WriteOn)>,
}

impl Rests {
    /// True when all are carried out.
    fn go_on(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>) -> bool {
        let selected = ctx.db;
        let mut done = true;
        if let Some((n, db, mut more)) = self.under_way.take() {
            ctx.db = db;
            if !more(ctx, args.at(self.keys[n])) {
                self.under_way = Some((n, db, more));
                done = false;
            }
        }
        while done && let Some((n, db, write)) = self.writes.next() {
            ctx.db = db;
            if let Writing::More(more) = apply(ctx, args.at(self.keys[n]), write) {
                self.under_way = Some((n, db, more));
                done = false;
            }
        }
        ctx.db = selected;
        done
    }
}

impl Walk for Rests {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, _: &mut dyn Reply) -> bool {
        self.go_on(ctx, args)
    }
}
