//! Room: command. SORT and SORT_RO. The shard that has the key does all the work, in slices, while the key stays locked:
//! it loads the elements, finds what they are weighed by, sorts, and gathers what GET asks for. What is left for the
//! decision is to speak or to store.
//!
//! Keys that BY and GET name are looked up on that shard: which ones they are is known only when the elements are, after the
//! locks were taken. One that is not there and has another slot may lie elsewhere, and is refused rather than taken for missing.
//! Touches: base, store.
//! Source of every order of checks and every edge: sort.c of Redis 7.2.

use crate::context::{Class, Ctx};
use crate::keep::{appeared, missed, or_fault, same_db};
use crate::row::{Decide, Fetched, Read, ReadOn, Reading, Together, Write, Writing};
use base::number::{parse_f64, parse_i64};
use base::slot::slot_of;
use base::{Args, Fault, Reply, SlotId};
use std::cmp::Ordering;
use std::sync::Arc;
use store::rdb::{Placed, list_body};
use store::zset::ZsetRef;
use store::{Entry, Kind};

/// Elements handled in one slice.
const SLICE: usize = 500;
/// Sorted at once; longer rows are merged of such.
const RUN: usize = 256;

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

fn read(args: Args<'_>, n: usize, readonly: bool) -> Read {
    // What cannot be parsed is refused by `decide`.
    let Ok(options) = Options::parse(args, readonly) else { return Read::Skip };
    if n > 0 {
        return Read::Skip;
    }
    let options = Arc::new(options);
    Read::Custom(Arc::new(move |ctx, key| {
        let mut sorting = match Sorting::begin(ctx, key, options.clone()) {
            Ok(sorting) => sorting,
            Err(fault) => return Reading::Now(Box::new(Err::<Sorted, Fault>(fault))),
        };
        match sorting.step(ctx, key) {
            Some(sorted) => Reading::Now(Box::new(sorted)),
            None => {
                let read_on: ReadOn = Box::new(move |ctx, key| Some(Box::new(sorting.step(ctx, key)?)));
                Reading::Later(read_on)
            }
        }
    }))
}

/// What is spoken or stored: of each element as many as there are GETs, or itself.
type Sorted = Vec<Option<Vec<u8>>>;

fn speak(decide: &mut Decide<'_>, args: Args<'_>, _: &[Fetched<'_>], readonly: bool, reply: &mut dyn Reply) {
    let options = or_fault!(Options::parse(args, readonly), reply);
    let sorted = or_fault!(decide.parcel::<Result<Sorted, Fault>>(0), reply);
    if options.store.is_none() {
        reply.array(sorted.len());
        for text in sorted {
            match text {
                Some(text) => reply.bulk(&text),
                None => reply.null(),
            }
        }
        return;
    }
    reply.int(sorted.len() as i64);
    let write = move |ctx: &mut Ctx<'_>, key: &[u8]| {
        let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
        let there = cell.entry().is_some();
        if sorted.is_empty() {
            if cell.remove() {
                ctx.notify(Class::GENERIC, "del", key);
            }
            return Writing::Done;
        }
        let body = list_body(sorted.iter().map(|text| text.as_deref().unwrap_or_default()));
        cell.put_rdb(&body, Placed::ByThresholds).expect("what was just written can be read");
        if !there {
            appeared(ctx, ctx.db, Kind::List, key);
        }
        ctx.notify(Class::LIST, "sortstore", key);
        Writing::Done
    };
    decide.writes.push((1, decide.db, Write::Custom(Box::new(write))));
}

struct Element {
    text: Vec<u8>,
    weight: Weight,
}

enum Weight {
    Number(f64),
    /// None: there is no such key. It comes first.
    Text(Option<Vec<u8>>),
    /// The element's own text.
    Own,
}

/// SORT at work.
struct Sorting {
    options: Arc<Options>,
    /// BY, where it names a pattern that counts.
    by: Option<Pattern>,
    get: Vec<Pattern>,
    /// BY names a constant: the order is the key's own.
    keeps_order: bool,
    alpha: bool,
    kind: Option<Kind>,
    elements: Vec<Element>,
    /// Places of elements, in runs that are sorted.
    order: Vec<u32>,
    merging: Vec<u32>,
    run: usize,
    /// Of the two runs that are merged: what was taken of each.
    taken: (usize, usize),
    /// Places in `order` of what is asked for.
    wanted: std::ops::Range<usize>,
    sorted: Sorted,
    stage: Stage,
    bad_number: bool,
    /// The key's slot.
    slot: SlotId,
    /// A pattern has named a key of another slot that is not here: it may be on another shard.
    out_of_reach: bool,
}

enum Stage {
    /// How far the elements are loaded: a cursor or an index.
    Load(u64),
    Weigh(usize),
    Runs(usize),
    Merge,
    Gather(usize),
}

impl Sorting {
    fn begin(ctx: &mut Ctx<'_>, key: &[u8], options: Arc<Options>) -> Result<Sorting, Fault> {
        let kind = ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch).map(Entry::kind);
        match kind {
            None => missed(ctx, key),
            Some(Kind::List | Kind::Set | Kind::Zset) => {}
            Some(_) => return Err(Fault::WrongType),
        }
        let by = options.by.as_deref().map(Pattern::new);
        let mut keeps_order = by.as_ref().is_some_and(|by| by.star.is_none());
        let mut alpha = options.alpha;
        // sort.c: what is stored of a set has an order, so that it is the same wherever it is done.
        if keeps_order && kind == Some(Kind::Set) && options.store.is_some() {
            (keeps_order, alpha) = (false, true);
        }
        Ok(Sorting {
            by: by.filter(|by| by.star.is_some()),
            get: options.get.iter().map(|pattern| Pattern::new(pattern)).collect(),
            keeps_order,
            alpha,
            kind,
            options,
            elements: Vec::new(),
            order: Vec::new(),
            merging: Vec::new(),
            run: RUN,
            taken: (0, 0),
            wanted: 0..0,
            sorted: Vec::new(),
            stage: Stage::Load(0),
            bad_number: false,
            slot: slot_of(key),
            out_of_reach: false,
        })
    }

    /// Works for a slice; the result when all is done.
    fn step(&mut self, ctx: &mut Ctx<'_>, key: &[u8]) -> Option<Result<Sorted, Fault>> {
        let mut left = SLICE;
        loop {
            if self.out_of_reach {
                return Some(Err(Fault::err(
                    "BY and GET of SORT name a key that is not on the shard of the key sorted: \
                     a hash tag brings them together",
                )));
            }
            match self.stage {
                Stage::Load(from) => {
                    let (next, loaded) = self.load(ctx, key, from);
                    left = left.saturating_sub(loaded);
                    self.stage = match next {
                        Some(next) => Stage::Load(next),
                        None => {
                            self.wanted = self.limits();
                            self.order = (0..self.elements.len() as u32).collect();
                            if self.keeps_order { Stage::Gather(self.wanted.start) } else { Stage::Weigh(0) }
                        }
                    };
                }
                Stage::Weigh(at) if at == self.elements.len() => {
                    if self.bad_number {
                        return Some(Err(Fault::err("One or more scores can't be converted into double")));
                    }
                    self.stage = Stage::Runs(0);
                }
                Stage::Weigh(at) => {
                    self.weigh(ctx, at);
                    self.stage = Stage::Weigh(at + 1);
                    left -= 1;
                }
                Stage::Runs(at) if at >= self.order.len() => self.stage = Stage::Merge,
                Stage::Runs(at) => {
                    let Sorting { elements, order, alpha, options, .. } = self;
                    let end = (at + RUN).min(order.len());
                    order[at..end]
                        .sort_by(|&a, &b| compare(&elements[a as usize], &elements[b as usize], *alpha, options.desc));
                    self.stage = Stage::Runs(end);
                    left = left.saturating_sub(RUN);
                }
                Stage::Merge if self.run >= self.order.len() => self.stage = Stage::Gather(self.wanted.start),
                Stage::Merge => {
                    for _ in 0..left {
                        self.merge_one();
                    }
                    left = 0;
                }
                Stage::Gather(at) if at >= self.wanted.end => return Some(Ok(std::mem::take(&mut self.sorted))),
                Stage::Gather(at) => {
                    self.gather(ctx, at);
                    self.stage = Stage::Gather(at + 1);
                    left = left.saturating_sub(1 + self.get.len());
                }
            }
            if left == 0 {
                return None;
            }
        }
    }

    /// Loads some elements; where to go on, and how many there were.
    fn load(&mut self, ctx: &mut Ctx<'_>, key: &[u8], from: u64) -> (Option<u64>, usize) {
        let Some(entry) = ctx.store.peek(ctx.db, key, ctx.now_ms) else { return (None, 0) };
        let before = self.elements.len();
        let elements = &mut self.elements;
        let mut take = |text: &[u8]| elements.push(Element { text: text.to_vec(), weight: Weight::Own });
        let at = from as usize;
        let back = self.keeps_order && self.options.desc;
        let next = match self.kind {
            Some(Kind::Set) => {
                let Some(set) = entry.elements() else { return (None, 0) };
                let cursor = set.scan(from, SLICE, |member| take(member.bytes(&mut [0; 20])));
                (cursor != 0).then_some(cursor)
            }
            Some(Kind::Zset) => {
                let Ok(zset) = ZsetRef::of(entry) else { return (None, 0) };
                let len = zset.len();
                if at < len {
                    zset.walk(if back { len - 1 - at } else { at }, SLICE, back, |member, _| {
                        take(member);
                        true
                    });
                }
                (at + SLICE < len).then_some((at + SLICE) as u64)
            }
            _ => {
                let Some(list) = entry.list() else { return (None, 0) };
                let len = list.len();
                if at < len {
                    let first = if back { len - 1 - at } else { at };
                    list.iter_from(first, back).take(SLICE).for_each(|element| take(element.text(&mut [0; 20])));
                }
                (at + SLICE < len).then_some((at + SLICE) as u64)
            }
        };
        (next, self.elements.len() - before)
    }

    /// Which of the sorted elements are wanted.
    fn limits(&self) -> std::ops::Range<usize> {
        let len = self.elements.len();
        let start = usize::try_from(self.options.start).unwrap_or(0).min(len);
        let end = match usize::try_from(self.options.count) {
            Ok(count) => start.saturating_add(count).min(len),
            Err(_) => len,
        };
        start..end
    }

    fn weigh(&mut self, ctx: &mut Ctx<'_>, at: usize) {
        let element = &mut self.elements[at];
        let found = self.by.as_ref().map(|by| by.look_up(ctx, &element.text, self.slot));
        let found = found.map(|found| {
            found.unwrap_or_else(|OutOfReach| {
                self.out_of_reach = true;
                None
            })
        });
        element.weight = match (found, self.alpha) {
            (Some(found), true) => Weight::Text(found),
            (None, true) => Weight::Own,
            (Some(None), false) => Weight::Number(0.0),
            (found, false) => {
                let text = found.flatten();
                let number = number(text.as_deref().unwrap_or(&element.text));
                self.bad_number |= number.is_none();
                Weight::Number(number.unwrap_or(0.0))
            }
        };
    }

    /// Brings one more element to its place in runs of twice the length.
    fn merge_one(&mut self) {
        let Sorting { elements, order, merging, run, taken, alpha, options, .. } = self;
        if merging.len() == order.len() {
            std::mem::swap(order, merging);
            merging.clear();
            *run *= 2;
            return;
        }
        let start = merging.len() - (taken.0 + taken.1);
        let middle = (start + *run).min(order.len());
        let end = (start + 2 * *run).min(order.len());
        let (left, right) = (start + taken.0, middle + taken.1);
        let from_left = right == end
            || left < middle && {
                let (a, b) = (&elements[order[left] as usize], &elements[order[right] as usize]);
                compare(a, b, *alpha, options.desc) != Ordering::Greater
            };
        if from_left {
            merging.push(order[left]);
            taken.0 += 1;
        } else {
            merging.push(order[right]);
            taken.1 += 1;
        }
        if merging.len() == end {
            *taken = (0, 0);
        }
    }

    fn gather(&mut self, ctx: &mut Ctx<'_>, at: usize) {
        let element = &mut self.elements[self.order[at] as usize];
        if self.get.is_empty() {
            self.sorted.push(Some(std::mem::take(&mut element.text)));
        }
        for pattern in &self.get {
            let found = pattern.look_up(ctx, &element.text, self.slot);
            self.out_of_reach |= found.is_err();
            self.sorted.push(found.unwrap_or_default());
        }
    }
}

/// sort.c, sortCompare
fn compare(a: &Element, b: &Element, alpha: bool, desc: bool) -> Ordering {
    let order = match (&a.weight, &b.weight) {
        (Weight::Number(x), Weight::Number(y)) if !alpha => {
            // Equal scores: by text, so that the order is the same each time.
            x.partial_cmp(y).unwrap_or(Ordering::Equal).then_with(|| a.text.cmp(&b.text))
        }
        (Weight::Text(x), Weight::Text(y)) => x.cmp(y),
        _ => a.text.cmp(&b.text),
    };
    if desc { order.reverse() } else { order }
}

/// What `strtod` reads, up to a NUL; blanks may come before it, and nothing at all is 0.
fn number(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
    parse_f64(&text[blanks..])
}

/// A key may lie on another shard.
struct OutOfReach;

/// What BY and GET name keys with.
struct Pattern {
    text: Vec<u8>,
    /// Where the element goes.
    star: Option<usize>,
    /// Where `->field` begins.
    field: Option<usize>,
}

impl Pattern {
    /// sort.c, lookupKeyByPattern: searched up to a NUL.
    fn new(text: &[u8]) -> Pattern {
        let seen = text.iter().position(|&byte| byte == 0).map_or(text, |nul| &text[..nul]);
        let star = seen.iter().position(|&byte| byte == b'*');
        let field = star.and_then(|star| {
            let arrow = star + 1 + seen[star + 1..].windows(2).position(|two| two == b"->")?;
            (arrow + 2 < seen.len()).then_some(arrow)
        });
        Pattern { text: text.to_vec(), star, field }
    }

    /// The string, or the hash's field, that the pattern names for `element`.
    fn look_up(&self, ctx: &mut Ctx<'_>, element: &[u8], slot: SlotId) -> Result<Option<Vec<u8>>, OutOfReach> {
        if self.text == b"#" {
            return Ok(Some(element.to_vec()));
        }
        let Some(star) = self.star else { return Ok(None) };
        let end = self.field.unwrap_or(self.text.len());
        let key = [&self.text[..star], element, &self.text[star + 1..end]].concat();
        let now_ms = ctx.now_ms;
        let Some(entry) = ctx.store.read(ctx.db, &key, now_ms, !ctx.no_touch) else {
            // What lies in the same slot lies here.
            if ctx.limits.shards > 1 && slot_of(&key) != slot {
                return Err(OutOfReach);
            }
            missed(ctx, &key);
            return Ok(None);
        };
        Ok(match self.field {
            Some(at) => {
                let fields = entry.fields(now_ms);
                fields.and_then(|fields| fields.get(&self.text[at + 2..])).map(|value| value.to_vec())
            }
            None => entry.is_string().then(|| entry.bytes().to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtod_reads_them() {
        for (text, n) in
            [("", 0.0), ("1", 1.0), ("  \t2.5", 2.5), ("-inf", f64::NEG_INFINITY), ("0x10", 16.0), ("3\0x", 3.0)]
        {
            assert_eq!(number(text.as_bytes()), Some(n), "{text:?}");
        }
        for text in [" ", "1 ", "x", "1x", "nan"] {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn patterns_name_keys_and_fields() {
        let facts = |text: &str| {
            let pattern = Pattern::new(text.as_bytes());
            (pattern.star, pattern.field)
        };
        assert_eq!(facts("w_*"), (Some(2), None));
        assert_eq!(facts("w_*->f"), (Some(2), Some(3)));
        assert_eq!(facts("w_*->"), (Some(2), None));
        assert_eq!(facts("a->*"), (Some(3), None));
        assert_eq!(facts("a\0*"), (None, None));
    }
}
