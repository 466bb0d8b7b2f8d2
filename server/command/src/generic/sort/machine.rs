//! Room: command. SORT at work: loads the elements, finds what they are weighed by, sorts, and gathers what GET asks for, in
//! slices.
//! Touches: base, store.
//! Source of every order of checks and every edge: sort.c of Redis 7.2.

use super::pattern::{Named, Pattern};
use super::{Options, SLICE};
use crate::blocks::Blocks;
use crate::context::Ctx;
use crate::keep::missed;
use crate::merging::Merging;
use crate::row::{Read, Wanted};
use base::number::parse_f64;
use base::{ArgsBuf, DbId, Fault};
use std::cmp::Ordering;
use std::sync::Arc;
use store::zset::ZsetRef;
use store::{Entry, Kind};

/// What is spoken or stored: of each element as many as there are GETs, or itself.
pub type Sorted = Blocks<Named>;

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
pub struct Sorting {
    options: Arc<Options>,
    /// BY, where it names a pattern that counts.
    by: Option<Pattern>,
    get: Vec<Pattern>,
    /// BY names a constant: the order is the key's own.
    keeps_order: bool,
    alpha: bool,
    kind: Option<Kind>,
    elements: Blocks<Element>,
    order: Merging,
    /// Places in `order` of what is asked for.
    wanted: std::ops::Range<usize>,
    sorted: Sorted,
    stage: Stage,
    bad_number: bool,
}

enum Stage {
    /// How far the elements are loaded: a cursor or an index.
    Load(u64),
    Weigh(usize),
    Sort,
    Gather(usize),
    Drop,
}

/// What a slice of work comes to.
pub enum Step {
    More,
    /// `Source::Told` is at its end: what `Sorting::wanted` says is to be asked for.
    Ask,
    Done(Result<Sorted, Fault>),
}

/// Where what BY and GET name is found.
pub enum Source<'a, 'b> {
    /// All of it lies on this shard.
    Here(&'a mut Ctx<'b>),
    /// It was asked for, in the order in which it is needed.
    Told(&'a mut std::vec::IntoIter<Named>),
}

impl Source<'_, '_> {
    fn look_up(&mut self, pattern: &Pattern, element: &[u8]) -> Named {
        if pattern.is_element() {
            return Some(element.to_vec());
        }
        if !pattern.names_keys() {
            return None;
        }
        match self {
            Source::Here(ctx) => pattern.look_up(ctx, &pattern.key(element)),
            Source::Told(named) => named.next().expect("asked for, for whole elements"),
        }
    }

    fn is_at_its_end(&self) -> bool {
        matches!(self, Source::Told(named) if named.len() == 0)
    }
}

impl Sorting {
    pub fn begin(ctx: &mut Ctx<'_>, key: &[u8], options: Arc<Options>) -> Result<Sorting, Fault> {
        let kind = ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch).map(Entry::kind);
        match kind {
            None => missed(ctx, key),
            Some(Kind::List | Kind::Set | Kind::Zset) => {}
            Some(_) => return Err(Fault::WrongType),
        }
        let by = options.by.as_deref().map(Pattern::new);
        let mut keeps_order = by.as_ref().is_some_and(|by| !by.names_keys());
        let mut alpha = options.alpha;
        // sort.c: what is stored of a set has an order, so that it is the same wherever it is done.
        if keeps_order && kind == Some(Kind::Set) && options.store.is_some() {
            (keeps_order, alpha) = (false, true);
        }
        Ok(Sorting {
            by: by.filter(Pattern::names_keys),
            get: options.get.iter().map(|pattern| Pattern::new(pattern)).collect(),
            keeps_order,
            alpha,
            kind,
            options,
            elements: Blocks::default(),
            order: Merging::new(),
            wanted: 0..0,
            sorted: Sorted::default(),
            stage: Stage::Load(0),
            bad_number: false,
        })
    }

    /// Loads the elements for a slice. True when all are loaded.
    pub fn load_some(&mut self, ctx: &mut Ctx<'_>, key: &[u8]) -> bool {
        let Stage::Load(mut from) = self.stage else { return true };
        let mut left = SLICE;
        loop {
            let (next, loaded) = self.load(ctx, key, from);
            left = left.saturating_sub(loaded.max(1));
            match next {
                Some(next) => from = next,
                None => break,
            }
            if left == 0 {
                self.stage = Stage::Load(from);
                return false;
            }
        }
        self.wanted = self.limits();
        self.stage = if self.keeps_order { Stage::Gather(self.wanted.start) } else { Stage::Weigh(0) };
        true
    }

    /// Works for a slice on what is loaded.
    pub fn step(&mut self, source: &mut Source<'_, '_>) -> Step {
        let mut left = SLICE;
        loop {
            match self.stage {
                Stage::Load(_) => unreachable!("the elements are loaded before"),
                Stage::Weigh(at) if at == self.elements.len() => {
                    if self.bad_number {
                        return Step::Done(Err(Fault::err("One or more scores can't be converted into double")));
                    }
                    self.stage = Stage::Sort;
                }
                Stage::Weigh(_) if self.by.is_some() && source.is_at_its_end() => return Step::Ask,
                Stage::Weigh(at) => {
                    self.weigh(source, at);
                    self.stage = Stage::Weigh(at + 1);
                    left -= 1;
                }
                Stage::Sort => {
                    let Sorting { elements, order, alpha, options, .. } = self;
                    if order.step(&mut left, |a, b| compare(&elements[a], &elements[b], *alpha, options.desc)) {
                        self.stage = Stage::Gather(self.wanted.start);
                    }
                }
                Stage::Gather(at) if at >= self.wanted.end => self.stage = Stage::Drop,
                Stage::Drop if self.elements.is_empty() => return Step::Done(Ok(std::mem::take(&mut self.sorted))),
                // A million at once would take milliseconds.
                Stage::Drop => {
                    self.elements.drop_some();
                    left = 0;
                }
                Stage::Gather(_) if self.get.iter().any(Pattern::names_keys) && source.is_at_its_end() => {
                    return Step::Ask;
                }
                Stage::Gather(at) => {
                    self.gather(source, at);
                    self.stage = Stage::Gather(at + 1);
                    left = left.saturating_sub(1 + self.get.len());
                }
            }
            if left == 0 {
                return Step::More;
            }
        }
    }

    /// What the next elements need of BY or GET: for about a slice of them.
    pub fn wanted(&self, db: DbId) -> Wanted {
        let (patterns, from, until): (Vec<&Pattern>, _, _) = match self.stage {
            Stage::Weigh(at) => (self.by.iter().collect(), at, self.elements.len()),
            Stage::Gather(at) => (self.get.iter().filter(|p| p.names_keys()).collect(), at, self.wanted.end),
            _ => unreachable!("nothing is wanted but to weigh and to gather"),
        };
        let readings: Vec<Read> = patterns.iter().map(|pattern| pattern.reading()).collect();
        let mut wanted = Wanted { keys: ArgsBuf::new(), reads: Vec::new() };
        let count = (SLICE / patterns.len().max(1)).max(1);
        for at in from..until.min(from + count) {
            let element = match self.stage {
                Stage::Weigh(_) => &self.elements[at],
                _ => &self.elements[self.order.at(at)],
            };
            for (pattern, reading) in patterns.iter().zip(&readings) {
                wanted.keys.push(&pattern.key(&element.text));
                wanted.reads.push((db, reading.clone()));
            }
        }
        wanted
    }

    /// Loads some elements; where to go on, and how many there were.
    fn load(&mut self, ctx: &mut Ctx<'_>, key: &[u8], from: u64) -> (Option<u64>, usize) {
        let Some(entry) = ctx.store.peek(ctx.db, key, ctx.now_ms) else { return (None, 0) };
        let before = self.elements.len();
        if before == 0 {
            self.order.reserve(len_of(entry), !self.keeps_order);
        }
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
        self.order.grow(self.elements.len());
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

    fn weigh(&mut self, source: &mut Source<'_, '_>, at: usize) {
        let element = &mut self.elements[at];
        let found = self.by.as_ref().map(|by| source.look_up(by, &element.text));
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

    fn gather(&mut self, source: &mut Source<'_, '_>, at: usize) {
        let element = &mut self.elements[self.order.at(at)];
        if self.get.is_empty() {
            self.sorted.push(Some(std::mem::take(&mut element.text)));
        }
        for pattern in &self.get {
            self.sorted.push(source.look_up(pattern, &element.text));
        }
    }
}

/// How many elements there are.
fn len_of(entry: Entry<'_>) -> usize {
    let list = || entry.list().map(|list| list.len());
    let set = || entry.elements().map(|set| set.len());
    list().or_else(set).or_else(|| ZsetRef::of(entry).ok().map(|zset| zset.len())).unwrap_or(0)
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
}
