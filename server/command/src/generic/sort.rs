//! Room: command. SORT and SORT_RO. Where all that BY and GET name lies on the key's shard, that shard does all the work, in
//! slices, while the key stays locked. Otherwise it loads the elements, and the shard that was asked does the rest: which keys
//! are named is known only then, so all shards are locked as a whole, and are asked for those keys in rounds.
//! Touches: base, store.
//! Source of every order of checks and every edge: sort.c of Redis 7.2.

mod machine;
mod pattern;

use crate::blocks::Drain;
use crate::context::{Class, Ctx};
use crate::keep::{appeared, or_fault, same_db};
use crate::row::{
    Decide, Fetched, Job, KeyWrite, Parcel, Read, ReadOn, Reading, Together, Wanted, Write, WriteOn, Writing,
};
use crate::together::Found;
use base::number::parse_i64;
use base::slot::slot_of;
use base::{Args, DbId, Fault, Reply};
use machine::{Sorted, Sorting, Source, Step};
use pattern::{Named, Pattern};
use std::sync::Arc;
use store::Kind;
use store::list::End;
use store::rdb::{Placed, list_body};

/// Elements handled in one slice.
const SLICE: usize = 500;
/// Lengths added up in one.
const SUMMED_A_SLICE: usize = 20_000;

/// What SORT is told behind its key.
#[derive(Default)]
struct Options {
    by: Option<Vec<u8>>,
    get: Vec<Vec<u8>>,
    start: i64,
    /// Negative: all.
    count: i64,
    desc: bool,
    alpha: bool,
    /// STORE's key, a word's place.
    store: Option<usize>,
}

impl Options {
    fn parse(args: Args<'_>, readonly: bool) -> Result<Options, Fault> {
        let mut o = Options { count: -1, ..Options::default() };
        let mut i = 2;
        while i < args.len() {
            let left = args.len() - i - 1;
            let number = |i: usize| parse_i64(args.at(i)).ok_or(Fault::NotInteger);
            if args.is(i, "ASC") {
                o.desc = false;
            } else if args.is(i, "DESC") {
                o.desc = true;
            } else if args.is(i, "ALPHA") {
                o.alpha = true;
            } else if args.is(i, "LIMIT") && left >= 2 {
                (o.start, o.count) = (number(i + 1)?, number(i + 2)?);
                i += 2;
            } else if !readonly && args.is(i, "STORE") && left >= 1 {
                i += 1;
                o.store = Some(i);
            } else if args.is(i, "BY") && left >= 1 {
                i += 1;
                o.by = Some(args.at(i).to_vec());
            } else if args.is(i, "GET") && left >= 1 {
                i += 1;
                o.get.push(args.at(i).to_vec());
            } else {
                return Err(Fault::Syntax);
            }
            i += 1;
        }
        Ok(o)
    }

    /// Whether BY or GET may name keys of other slots than `key`'s.
    fn roam(&self, key: &[u8]) -> bool {
        let slot = slot_of(key);
        self.by.iter().chain(&self.get).any(|pattern| !Pattern::new(pattern).stays_in(slot))
    }

    /// Where the places of an ask's keys are: the last STORE counts.
    fn keys(args: Args<'_>, readonly: bool, keys: &mut Vec<usize>) {
        keys.push(1);
        let mut store = None;
        let mut i = 2;
        while i < args.len() {
            if args.is(i, "LIMIT") {
                i += 2;
            } else if args.is(i, "GET") || args.is(i, "BY") {
                i += 1;
            } else if !readonly && args.is(i, "STORE") && i + 1 < args.len() {
                i += 1;
                store = Some(i);
            }
            i += 1;
        }
        keys.extend(store);
    }
}

/// Keys of SORT.
pub(super) fn sort_keys(args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
    Options::keys(args, false, keys);
    Ok(())
}

/// Keys of SORT_RO.
pub(super) fn sort_ro_keys(args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
    Options::keys(args, true, keys);
    Ok(())
}

/// Whether BY or GET may name keys that the ask does not: of other slots than its first key.
pub(super) fn sort_roams(args: Args<'_>) -> bool {
    roams(args, false)
}

/// The same of SORT_RO.
pub(super) fn sort_ro_roams(args: Args<'_>) -> bool {
    roams(args, true)
}

fn roams(args: Args<'_>, readonly: bool) -> bool {
    Options::parse(args, readonly).is_ok_and(|options| options.roam(args.at(1)))
}

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE destination]
pub static SORT: Together = Together {
    read: |args, n| read(args, n, false),
    decide: |decide, args, found, reply| speak(decide, args, found, false, reply),
    db: same_db,
};

/// SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA]
pub static SORT_RO: Together = Together {
    read: |args, n| read(args, n, true),
    decide: |decide, args, found, reply| speak(decide, args, found, true, reply),
    db: same_db,
};

/// What the key's shard has made.
enum Made {
    Sorted(Result<Sorted, Fault>),
    /// BY and GET are to be asked for elsewhere.
    Loaded(Box<Sorting>),
}

fn read(args: Args<'_>, n: usize, readonly: bool) -> Read {
    // What cannot be parsed is refused by `decide`.
    let Ok(options) = Options::parse(args, readonly) else { return Read::Skip };
    if n > 0 {
        return Read::Skip;
    }
    let options = Arc::new(options);
    Read::Custom(Arc::new(move |ctx, key| {
        let far = ctx.limits.shards > 1 && options.roam(key);
        let mut sorting = match Sorting::begin(ctx, key, options.clone()) {
            Ok(sorting) => Some(Box::new(sorting)),
            Err(fault) => return Reading::Now(Box::new(Made::Sorted(Err(fault)))),
        };
        let mut go_on = move |ctx: &mut Ctx<'_>, key: &[u8]| -> Option<Parcel> {
            let at_work = sorting.as_mut()?;
            if !at_work.load_some(ctx, key) {
                return None;
            }
            let made = if far {
                Made::Loaded(sorting.take()?)
            } else {
                match at_work.step(&mut Source::Here(ctx)) {
                    Step::Done(sorted) => Made::Sorted(sorted),
                    _ => return None,
                }
            };
            Some(Box::new(made))
        };
        match go_on(ctx, key) {
            Some(made) => Reading::Now(made),
            None => Reading::Later(Box::new(go_on) as ReadOn),
        }
    }))
}

fn speak(decide: &mut Decide<'_>, args: Args<'_>, _: &[Fetched<'_>], readonly: bool, reply: &mut dyn Reply) {
    let options = or_fault!(Options::parse(args, readonly), reply);
    let (db, stores) = (decide.db, options.store.is_some());
    let mut outcome = match decide.parcel::<Made>(0) {
        Made::Sorted(Err(fault)) => return reply.fault(&fault),
        Made::Sorted(Ok(sorted)) => Outcome::new(db, stores, sorted),
        Made::Loaded(sorting) => {
            let told = Vec::new().into_iter();
            let outcome = Outcome::new(db, stores, Sorted::default());
            decide.job = Some(Box::new(Far { sorting, told, asks: false, fault: None, outcome }));
            return;
        }
    };
    if outcome.sorted.len() > SLICE && !stores {
        decide.job = Some(Box::new(outcome));
    } else {
        outcome.finish(&mut decide.writes, reply);
    }
}

/// The result, which is let go of as it is spoken or stored.
struct Outcome {
    db: DbId,
    stores: bool,
    sorted: Sorted,
    /// The same, once the reply has a head.
    spoken: Option<Drain<Named>>,
}

impl Outcome {
    fn new(db: DbId, stores: bool, sorted: Sorted) -> Outcome {
        Outcome { db, stores, sorted, spoken: None }
    }
}

impl Job for Outcome {
    fn step(&mut self, _: usize) -> bool {
        true
    }

    fn finish(&mut self, writes: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        let len = self.sorted.len();
        if self.stores {
            reply.int(len as i64);
            let sorted = std::mem::take(&mut self.sorted);
            writes.push((1, self.db, Write::Custom(Box::new(move |ctx, key| store(ctx, key, sorted)))));
            return true;
        }
        let left = self.spoken.get_or_insert_with(|| {
            reply.array(len);
            std::mem::take(&mut self.sorted).drain()
        });
        for text in left.by_ref().take(SLICE) {
            match text {
                Some(text) => reply.bulk(&text),
                None => reply.null(),
            }
        }
        left.len() == 0
    }
}

/// SORT whose BY or GET names keys of any shard.
struct Far {
    sorting: Box<Sorting>,
    /// What was asked for, as far as it is not used yet.
    told: std::vec::IntoIter<Named>,
    asks: bool,
    fault: Option<Fault>,
    outcome: Outcome,
}

impl Job for Far {
    fn step(&mut self, _: usize) -> bool {
        match self.sorting.step(&mut Source::Told(&mut self.told)) {
            Step::More => return false,
            Step::Ask => {
                self.asks = true;
                return false;
            }
            Step::Done(Ok(sorted)) => self.outcome.sorted = sorted,
            Step::Done(Err(fault)) => self.fault = Some(fault),
        }
        true
    }

    fn holds(&self) -> bool {
        true
    }

    fn wants(&mut self) -> Option<Wanted> {
        std::mem::take(&mut self.asks).then(|| self.sorting.wanted(self.outcome.db))
    }

    fn heard(&mut self, found: Vec<Found>) {
        let named = found.into_iter().map(|found| match found {
            Found::Parcel(parcel) => *parcel.downcast::<Named>().expect("what a pattern reads"),
            _ => unreachable!("a pattern reads into parcels"),
        });
        self.told = named.collect::<Vec<_>>().into_iter();
    }

    fn finish(&mut self, writes: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        match &self.fault {
            Some(fault) => {
                reply.fault(fault);
                true
            }
            None => self.outcome.finish(writes, reply),
        }
    }
}

/// The result takes the place of whatever the key holds; none at all removes it.
fn store(ctx: &mut Ctx<'_>, key: &[u8], sorted: Sorted) -> Writing {
    let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
    let there = cell.entry().is_some();
    let count = sorted.len();
    if count == 0 {
        if cell.remove() {
            ctx.notify(Class::GENERIC, "del", key);
        }
        return Writing::Done;
    }
    if count <= SLICE {
        let body = list_body((0..count).map(|i| sorted[i].as_deref().unwrap_or_default()));
        cell.put_rdb(&body, Placed::ByThresholds).expect("what was just written can be read");
        stored(ctx, key, there);
        return Writing::Done;
    }
    cell.remove();
    // How the list is kept depends on all of it.
    let (mut summed, mut bytes) = (0, 0);
    let (mut sorted, mut left) = (sorted, None);
    let write_on: WriteOn = Box::new(move |ctx, key| {
        if summed < count {
            let until = count.min(summed + SUMMED_A_SLICE);
            bytes += (summed..until).filter_map(|i| sorted[i].as_ref()).map(Vec::len).sum::<usize>();
            summed = until;
            if summed < count {
                return false;
            }
            ctx.store.cell(ctx.db, key, ctx.now_ms).list_mut().prepare_pieces(bytes, count);
        }
        let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
        let left = left.get_or_insert_with(|| std::mem::take(&mut sorted).drain());
        let piece: Vec<Named> = left.by_ref().take(SLICE).collect();
        cell.list_mut().push_piece(End::Tail, piece.iter().map(|text| text.as_deref().unwrap_or_default()));
        if left.len() > 0 {
            return false;
        }
        stored(ctx, key, there);
        true
    });
    Writing::More(write_on)
}

fn stored(ctx: &mut Ctx<'_>, key: &[u8], there: bool) {
    if !there {
        appeared(ctx, ctx.db, Kind::List, key);
    }
    ctx.notify(Class::LIST, "sortstore", key);
}
