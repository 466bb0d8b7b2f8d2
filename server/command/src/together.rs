//! Room: command. What a shard does for a command on several keys: reads one key, carries out one write; or all of it at
//! once, where all keys are its own.
//! Touches: base, store.

use crate::context::{Class, Ctx};
use crate::keep::missed;
use crate::row::{
    Decide, Fetched, Job, KeyWrite, Parcel, Read, ReadOn, Reading, Resolved, Together, Told, Walk, Wanted, Write,
    WriteOn, Writing,
};
use base::{Args, DbId, Reply};
use store::rdb::{Dumping, Placing};
use store::{Kind, Portable};

/// Elements of a large value that are placed in a slice.
pub(crate) const PLACED_A_SLICE: usize = 500;

/// What a far shard found, owned, to travel.
pub enum Found {
    Skipped,
    Absent,
    Present,
    Entry { portable: Portable, version: u64 },
    Parcel(Parcel),
}

impl Found {
    /// What a reading that took long has left.
    pub fn of(parcel: Parcel) -> Found {
        parcel.downcast::<Found>().map_or_else(Found::Parcel, |found| *found)
    }

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
    let takes = matches!(read, Read::Entry | Read::Versioned | Read::Move);
    let mut later = None;
    let found = match cell.entry() {
        None => Found::Absent,
        Some(entry) if takes && !entry.is_string() && entry.is_large() => {
            later = Some(entry.begin_dump(false));
            Found::Present
        }
        Some(entry) if takes => Found::Entry { portable: entry.portable(), version },
        Some(_) => Found::Present,
    };
    if counted {
        ctx.store.count(!matches!(found, Found::Absent));
        if let Found::Absent = found {
            missed(ctx, key);
        }
    }
    match later {
        Some(dumping) => Err(read_on(dumping, version)),
        None => Ok(found),
    }
}

/// Writes a large value, to travel, in slices.
fn read_on(dumping: Dumping, version: u64) -> ReadOn {
    let mut dumping = Some(dumping);
    Box::new(move |ctx, key| {
        let entry = ctx.store.glance(ctx.db, key, ctx.now_ms);
        let found = match (entry, &mut dumping) {
            (Some(entry), Some(under_way)) => {
                if !under_way.step(entry) {
                    return None;
                }
                let portable = entry.portable_of(dumping.take()?);
                Found::Entry { portable, version }
            }
            // Its deadline has come meanwhile.
            _ => Found::Absent,
        };
        Some(Box::new(found))
    })
}

/// Keys whose entries are asked for before they are read.
const AHEAD: usize = 16;

/// What has been read of several keys.
#[derive(Default)]
pub struct ReadSoFar {
    pub found: Vec<Found>,
    /// The reading of the next key, which takes longer than a slice.
    under_way: Option<ReadOn>,
}

impl ReadSoFar {
    /// Reads on, at most `count` keys. True when all of `keys` are read.
    pub fn go_on(&mut self, ctx: &mut Ctx<'_>, keys: Args<'_>, reads: &[(DbId, Read)], count: Option<usize>) -> bool {
        let ReadSoFar { found, under_way } = self;
        if let Some(read_on) = under_way {
            let n = found.len();
            ctx.db = reads[n].0;
            let Some(parcel) = read_on(ctx, keys.at(n)) else { return false };
            *under_way = None;
            found.push(Found::of(parcel));
        }
        let end = count.map_or(keys.len(), |count| keys.len().min(found.len() + count));
        for n in found.len()..end {
            if count.is_some() && n % AHEAD == 0 {
                let ahead = n..end.min(n + AHEAD);
                ahead.clone().for_each(|n| ctx.store.prefetch(reads[n].0, keys.at(n)));
                ahead.for_each(|n| ctx.store.prefetch_entry(reads[n].0, keys.at(n)));
            }
            let (db, read) = &reads[n];
            ctx.db = *db;
            match fetch(ctx, keys.at(n), read) {
                Ok(one) => found.push(one),
                Err(read_on) => {
                    *under_way = Some(read_on);
                    return false;
                }
            }
        }
        end == keys.len()
    }
}

/// Carries out what `decide` wants of one key of `ctx.db`, or begins to.
pub fn apply(ctx: &mut Ctx<'_>, key: &[u8], write: Write) -> Writing {
    let now_ms = ctx.now_ms;
    let write = match write {
        Write::Custom(write) => return write(ctx, key),
        write => write,
    };
    let mut cell = ctx.store.cell(ctx.db, key, now_ms);
    let there = cell.entry().is_some();
    match write {
        Write::Remove(told) => {
            if cell.remove() {
                ctx.notify(told.class, told.event, key);
            }
        }
        Write::Put(portable, told) => {
            if let Some(placing) = portable.placing() {
                return Writing::More(put_on(portable, placing, told, there));
            }
            let kind = portable.kind;
            cell.put_portable(portable);
            put(ctx, key, kind, told, there);
        }
        Write::Deadline(_) if !there => {}
        Write::Deadline(deadline) if deadline.is_some_and(|d| d <= now_ms) => {
            cell.remove();
            ctx.notify(Class::GENERIC, "del", key);
        }
        Write::Deadline(deadline) => {
            let had = cell.entry().is_some_and(|entry| entry.deadline().is_some());
            cell.set_deadline(deadline);
            match deadline {
                Some(_) => ctx.notify(Class::GENERIC, "expire", key),
                None if had => ctx.notify(Class::GENERIC, "persist", key),
                None => {}
            }
        }
        Write::Custom(_) => unreachable!("carried out above"),
    }
    Writing::Done
}

/// Tells of what was put.
fn put(ctx: &mut Ctx<'_>, key: &[u8], kind: Kind, told: Told, there: bool) {
    if told.anew || !there {
        ctx.ready(kind, key);
        ctx.notify(Class::NEW, "new", key);
    }
    ctx.notify(told.class, told.event, key);
}

/// Puts a large value in slices. `there`: in place of another.
fn put_on(portable: Portable, mut placing: Placing, told: Told, there: bool) -> WriteOn {
    Box::new(move |ctx, key| {
        let place = (ctx.db, key);
        let placed = placing.step(ctx.store, place, ctx.now_ms, &portable.value, PLACED_A_SLICE);
        if !placed.expect("what a store has written can be read") {
            return false;
        }
        ctx.store.cell(ctx.db, key, ctx.now_ms).set_deadline(portable.deadline);
        put(ctx, key, portable.kind, told, there);
        true
    })
}

/// Both steps of `together` at once, on keys that all lie on this shard and that nobody else holds. `keys`: the words that
/// are keys. What takes longer than a slice is left in `ctx.walk`. Some when the client has to wait: then nothing was spoken.
pub fn run_here(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    keys: &[usize],
    together: &'static Together,
    reply: &mut dyn Reply,
) -> Option<Resolved> {
    let mut whole = Whole {
        together,
        keys: keys.to_vec(),
        found: Vec::with_capacity(keys.len()),
        reading: None,
        decided: false,
        job: None,
        round: None,
        worked: false,
        left: Vec::new(),
        writes: Vec::new().into_iter(),
        writing: None,
        wait: None,
    };
    if !whole.go_on(ctx, args, reply) {
        ctx.walk = Some(Box::new(whole));
        return None;
    }
    whole.wait
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

/// A command on several keys of this shard, from its first reading to its last write.
struct Whole {
    together: &'static Together,
    keys: Vec<usize>,
    found: Vec<Found>,
    /// Of the key that comes next in `found`.
    reading: Option<ReadOn>,
    decided: bool,
    job: Option<Box<dyn Job>>,
    /// What the job wants to know.
    round: Option<(Wanted, ReadSoFar)>,
    /// Of the job: it speaks.
    worked: bool,
    /// What it has left to be written.
    left: Vec<KeyWrite>,
    writes: std::vec::IntoIter<KeyWrite>,
    writing: Option<(usize, DbId, WriteOn)>,
    wait: Option<Resolved>,
}

/// Units of a job's work in one slice: about 100 µs.
const JOB_UNITS: usize = 100_000;

impl Whole {
    /// Works until all is done (true), or a slice of what takes longer than one is made.
    fn go_on(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let selected = ctx.db;
        while self.found.len() < self.keys.len() {
            let (n, key) = (self.found.len(), args.at(self.keys[self.found.len()]));
            ctx.db = self.together.place(args, n, selected, ctx.limits.databases);
            let read = match self.reading.take() {
                None => fetch(ctx, key, &(self.together.read)(args, n)),
                Some(mut read_on) => read_on(ctx, key).map(Found::of).ok_or(read_on),
            };
            ctx.db = selected;
            match read {
                Ok(one) => self.found.push(one),
                Err(read_on) => {
                    self.reading = Some(read_on);
                    return false;
                }
            }
        }
        if !std::mem::replace(&mut self.decided, true) {
            let mut decide = Decide {
                now_ms: ctx.now_ms,
                db: selected,
                limits: ctx.limits,
                tally: ctx.tally,
                parcels: Vec::new(),
                writes: Vec::new(),
                job: None,
                wait: None,
            };
            decide_on(self.together, &mut decide, args, &mut self.found, reply);
            (self.job, self.wait) = (decide.job, decide.wait);
            self.left = decide.writes;
            if self.job.is_some() {
                return false;
            }
            self.writes = std::mem::take(&mut self.left).into_iter();
        }
        if let Some(job) = &mut self.job {
            if let Some((Wanted { keys, reads }, so_far)) = &mut self.round {
                // One key a slice.
                let done = so_far.go_on(ctx, keys.args(), reads, Some(1));
                ctx.db = selected;
                if done {
                    job.heard(std::mem::take(&mut so_far.found));
                    self.round = None;
                }
                return false;
            }
            self.worked = self.worked || job.step(JOB_UNITS);
            if !self.worked
                && let Some(wanted) = job.wants()
            {
                self.round = Some((wanted, ReadSoFar::default()));
                return false;
            }
            if !self.worked || !job.finish(&mut self.left, reply) {
                return false;
            }
            self.job = None;
            self.writes = std::mem::take(&mut self.left).into_iter();
        }
        loop {
            if let Some((n, db, mut write_on)) = self.writing.take() {
                ctx.db = db;
                let done = write_on(ctx, args.at(self.keys[n]));
                ctx.db = selected;
                if !done {
                    self.writing = Some((n, db, write_on));
                    return false;
                }
            }
            let Some((n, db, write)) = self.writes.next() else { return true };
            ctx.db = db;
            if let Writing::More(write_on) = apply(ctx, args.at(self.keys[n]), write) {
                self.writing = Some((n, db, write_on));
            }
            ctx.db = selected;
            if self.writing.is_some() {
                return false;
            }
        }
    }
}

impl Walk for Whole {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        self.go_on(ctx, args, reply)
    }
}
