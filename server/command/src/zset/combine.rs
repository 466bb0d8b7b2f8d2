//! Room: command. Unions, intersections and differences of sorted sets and sets.
//! Touches: base, store.
//!
//! What the keys hold travels here as `Bunch`es (of large operands of an intersection or a difference only what is needed, see
//! `sift`), and is worked off in slices: members are dealt by the hash of their names into
//! heaps of some hundred, so that each heap is combined at once with a small map; what remains of a heap is sorted, and
//! all heaps are merged. The result comes in order, which makes a large set cheap to build.

use super::gather::{Bunch, DROPPED, Gathering, Held, read_operand, store_write};
use super::sift::{Operand, Sifting, read_if_small};
use super::*;
use crate::keep::same_db;
use crate::row::{Decide, Job, KeyWrite, Read, Reading, Together};
use base::DbId;
use base::number::parse_f64;
use std::cmp::Ordering;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Members of a heap, on average.
const HEAP_MEMBERS: usize = 256;
/// What a member costs in a step, in the nanoseconds that `Job::step` counts by: of very many each lies on a page of its own.
const UNITS_A_MEMBER: usize = 400;
/// Members of the result in one piece of memory.
const BLOCK: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Union,
    Inter,
    Diff,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn add(self, to: &mut f64, score: f64) {
        match self {
            Aggregate::Sum => {
                *to += score;
                // Of both infinities Redis makes 0.
                if to.is_nan() {
                    *to = 0.0;
                }
            }
            Aggregate::Min if score < *to => *to = score,
            Aggregate::Max if score > *to => *to = score,
            Aggregate::Min | Aggregate::Max => {}
        }
    }
}

/// What a command asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// The members.
    Members,
    /// How many there are.
    Count,
    /// To be stored, with this event.
    Store(&'static str),
}

/// One of the commands.
#[derive(Clone, Copy)]
pub(super) struct Verb {
    pub op: Op,
    want: Want,
    name: &'static str,
}

impl Verb {
    /// The word that says how many keys there are.
    fn count_at(&self) -> usize {
        if let Want::Store(_) = self.want { 2 } else { 1 }
    }

    fn keys(&self, args: Args<'_>) -> Result<usize, Fault> {
        let at = self.count_at();
        let n = parse_long(args.at(at))?;
        if n < 1 {
            return Err(Fault::err(format!("at least 1 input key is needed for '{}' command", self.name)));
        }
        usize::try_from(n).ok().filter(|&n| n < args.len() - at).ok_or(Fault::Syntax)
    }

    fn find_keys(&self, args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
        let n = self.keys(args)?;
        if let Want::Store(_) = self.want {
            keys.push(1);
        }
        let first = self.count_at() + 1;
        keys.extend(first..first + n);
        Ok(())
    }
}

/// What stands behind the keys.
pub(super) struct Options {
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// 0: none.
    limit: usize,
}

impl Options {
    fn parse(verb: &Verb, args: Args<'_>, keys: usize) -> Result<Options, Fault> {
        let mut options = Options { weights: vec![1.0; keys], aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let weighs = verb.op != Op::Diff && verb.want != Want::Count;
        let mut i = verb.count_at() + 1 + keys;
        while i < args.len() {
            let left = args.len() - i;
            if weighs && left > keys && args.is(i, "WEIGHTS") {
                for weight in &mut options.weights {
                    i += 1;
                    *weight = parse_f64(args.at(i)).ok_or_else(|| Fault::err("weight value is not a float"))?;
                }
            } else if weighs && left >= 2 && args.is(i, "AGGREGATE") {
                i += 1;
                options.aggregate = match () {
                    () if args.is(i, "SUM") => Aggregate::Sum,
                    () if args.is(i, "MIN") => Aggregate::Min,
                    () if args.is(i, "MAX") => Aggregate::Max,
                    () => return Err(Fault::Syntax),
                };
            } else if verb.want == Want::Members && args.is(i, "WITHSCORES") {
                options.with_scores = true;
            } else if verb.want == Want::Count && left >= 2 && args.is(i, "LIMIT") {
                i += 1;
                let limit = parse_i64(args.at(i)).and_then(|n| usize::try_from(n).ok());
                options.limit = limit.ok_or_else(|| Fault::err("LIMIT can't be negative"))?;
            } else {
                return Err(Fault::Syntax);
            }
            i += 1;
        }
        Ok(options)
    }
}

/// All that a key holds: a parcel of `Result<Bunch, Fault>`.
fn read_all() -> Read {
    Read::Custom(Arc::new(|ctx, key| {
        let entry = ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch);
        let is_set = entry.is_some_and(|entry| entry.kind() == Kind::Set);
        match entry.map(ZsetRef::of) {
            _ if is_set => read_operand(ctx, key, Gathering::Set(0)),
            None => {
                missed(ctx, key);
                Reading::Now(Box::new(Ok::<Bunch, Fault>(Bunch::default())))
            }
            Some(Ok(set)) => {
                let len = set.len();
                read_operand(ctx, key, Gathering::range(0, len, false))
            }
            Some(Err(_)) => Reading::Now(Box::new(Err::<Bunch, Fault>(Fault::WrongType))),
        }
    }))
}

fn decide(verb: Verb, decide: &mut Decide<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let keys = or_fault!(verb.keys(args), reply);
    let first = verb.count_at() - 1;
    let mut operands = Vec::with_capacity(keys);
    for n in first..first + keys {
        operands.push(match verb.op {
            Op::Union => Operand::Here(Arc::new(or_fault!(decide.parcel::<Result<Bunch, Fault>>(n), reply))),
            _ => or_fault!(decide.parcel::<Result<Operand, Fault>>(n), reply),
        });
    }
    let options = or_fault!(Options::parse(&verb, args, keys), reply);
    let is_empty = match verb.op {
        Op::Inter => operands.iter().any(|operand| operand.len() == 0),
        Op::Diff => operands[0].len() == 0,
        Op::Union => false,
    };
    if !is_empty && operands.iter().any(Operand::is_large) {
        let at = verb.count_at() + 1;
        let keys = (at..at + keys).map(|i| args.at(i)).collect();
        decide.job = Some(Box::new(Sifting::new(verb, options, operands, keys, decide.db)));
        return;
    }
    let lens: Vec<usize> = operands.iter().map(Operand::len).collect();
    let bunches = operands.into_iter().map(Operand::into_bunch).collect();
    let mut combining = Combining::new(verb, options, bunches, &lens, decide.db);
    if combining.members <= SLICE {
        while !combining.step(usize::MAX) {}
        combining.finish(&mut decide.writes, reply);
    } else {
        decide.job = Some(Box::new(combining));
    }
}

/// One member of an operand: (operand, piece, item).
#[derive(Clone, Copy)]
struct Place {
    operand: u32,
    piece: u32,
    item: u32,
}

/// Members of some bunches, with scores of their own, in order.
pub(crate) struct Chosen {
    operands: Vec<Arc<Bunch>>,
    blocks: Vec<Vec<(f64, Place)>>,
    len: usize,
}

impl Chosen {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn push(&mut self, score: f64, place: Place) {
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK.min(64)));
        }
        self.blocks.last_mut().expect("pushed above").push((score, place));
        self.len += 1;
    }

    /// Lets go of some of its memory; true when of all.
    pub(super) fn drop_some(&mut self) -> bool {
        let pieces: usize = self.operands.iter().map(|operand| operand.pieces()).sum();
        if pieces + self.blocks.len() <= DROPPED {
            return true;
        }
        if let Some(bunch) = self.operands.last_mut() {
            // Others that have it will let go of it.
            if Arc::get_mut(bunch).is_none_or(Bunch::drop_some) {
                self.operands.pop();
            }
            return false;
        }
        self.blocks.truncate(self.blocks.len().saturating_sub(DROPPED));
        self.blocks.is_empty()
    }

    /// Names at most `count` members from `from` on.
    pub(super) fn some(&self, from: usize, count: usize, mut visit: impl FnMut(&[u8], f64)) {
        for i in from..self.len.min(from + count) {
            let (score, place) = self.blocks[i / BLOCK][i % BLOCK];
            visit(name(&self.operands, place), score);
        }
    }
}

fn name(operands: &[Arc<Bunch>], place: Place) -> &[u8] {
    operands[place.operand as usize].item(place.piece as usize, place.item as usize).0
}

/// The first of what remains of a heap.
struct Head {
    score: f64,
    name: Box<[u8]>,
    place: Place,
    heap: u32,
}

impl Ord for Head {
    /// The largest is the one that comes first.
    fn cmp(&self, other: &Head) -> Ordering {
        order((other.score, &other.name), (self.score, &self.name))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(b.1))
}

/// What is to be done next.
enum Stage {
    /// Deal this piece of this operand (a place in `turn`), from this member on.
    Deal {
        turn: usize,
        piece: usize,
        item: usize,
    },
    /// Combine this heap.
    Combine(usize),
    /// Take the next from the heads.
    Merge,
    Done,
}

pub(super) struct Combining {
    verb: Verb,
    options: Options,
    db: DbId,
    operands: Vec<Arc<Bunch>>,
    /// Operands in the order in which Redis goes through them: it decides what sums come to.
    turn: Vec<usize>,
    /// Members of all operands.
    members: usize,
    state: RandomState,
    shift: u32,
    dealt: Vec<Vec<Place>>,
    /// What remained of each heap, the last first.
    sorted: Vec<Vec<(f64, Place)>>,
    heads: BinaryHeap<Head>,
    stage: Stage,
    chosen: Chosen,
    count: usize,
    /// How many of the chosen are in the reply, once it has a head.
    spoken: Option<usize>,
}

impl Combining {
    /// `lens`: how many members the operands' keys have, which may be more than came here.
    pub fn new(verb: Verb, options: Options, operands: Vec<Arc<Bunch>>, lens: &[usize], db: DbId) -> Combining {
        let members: usize = operands.iter().map(|operand| operand.len()).sum();
        let mut turn: Vec<usize> = (0..operands.len()).collect();
        if verb.op != Op::Diff {
            turn.sort_by_key(|&i| lens[i]);
        }
        let heaps = (members / HEAP_MEMBERS + 1).next_power_of_two();
        let nothing = match verb.op {
            Op::Union => members == 0,
            Op::Inter | Op::Diff => operands[turn[0]].len() == 0,
        };
        Combining {
            verb,
            options,
            db,
            operands,
            turn,
            members,
            state: RandomState::new(),
            shift: 64 - heaps.trailing_zeros(),
            dealt: Vec::new(),
            sorted: Vec::new(),
            heads: BinaryHeap::new(),
            stage: if nothing { Stage::Done } else { Stage::Deal { turn: 0, piece: 0, item: 0 } },
            chosen: Chosen { operands: Vec::new(), blocks: Vec::new(), len: 0 },
            count: 0,
            spoken: None,
        }
    }

    fn heaps(&self) -> usize {
        1 << (64 - self.shift)
    }

    /// Deals up to `count` members of one piece.
    fn deal(&mut self, turn: usize, piece: usize, from: usize, count: usize) {
        let Some(&operand) = self.turn.get(turn) else {
            self.stage = Stage::Combine(0);
            return;
        };
        if self.dealt.is_empty() {
            self.dealt.resize_with(self.heaps(), Vec::new);
        }
        let bunch = &self.operands[operand];
        if piece >= bunch.pieces() {
            self.stage = Stage::Deal { turn: turn + 1, piece: 0, item: 0 };
            return;
        }
        let len = bunch.piece_len(piece);
        let end = len.min(from + count);
        for item in from..end {
            let hash = self.state.hash_one(bunch.item(piece, item).0);
            // One heap: a shift by all 64 bits.
            let heap = hash.checked_shr(self.shift).unwrap_or(0) as usize;
            let place = Place { operand: operand as u32, piece: piece as u32, item: item as u32 };
            self.dealt[heap].push(place);
        }
        self.stage = match end == len {
            true => Stage::Deal { turn, piece: piece + 1, item: 0 },
            false => Stage::Deal { turn, piece, item: end },
        };
    }

    /// What remains of one heap.
    fn combine(&mut self, heap: usize) {
        let places = std::mem::take(&mut self.dealt[heap]);
        let Combining { verb, options, operands, turn, .. } = self;
        let first = turn[0] as u32;
        // Name to score, place, and how many operands have it.
        let mut map: HashMap<&[u8], (f64, Place, usize)> = HashMap::with_capacity(places.len());
        for place in places {
            let operand = place.operand as usize;
            let (name, score) = operands[operand].item(place.piece as usize, place.item as usize);
            let weight = options.weights[operand];
            match map.entry(name) {
                Slot::Occupied(mut found) => {
                    let found = found.get_mut();
                    let weighed = score * weight;
                    // Redis: a union makes 0 of what is no number before it is added, an intersection after.
                    let weighed = if verb.op == Op::Union && weighed.is_nan() { 0.0 } else { weighed };
                    options.aggregate.add(&mut found.0, weighed);
                    found.2 += 1;
                }
                Slot::Vacant(slot) if verb.op == Op::Union || place.operand == first => {
                    let weighed = if verb.op == Op::Diff { score } else { weight * score };
                    slot.insert((if weighed.is_nan() { 0.0 } else { weighed }, place, 1));
                }
                Slot::Vacant(_) => {}
            }
        }
        let wanted = match verb.op {
            Op::Union => None,
            Op::Inter => Some(operands.len()),
            Op::Diff => Some(1),
        };
        let remain = map.iter().filter(|(_, (_, _, seen))| wanted.is_none_or(|n| *seen == n));
        if verb.want == Want::Count {
            self.count += remain.count();
            if options.limit > 0 && self.count >= options.limit {
                self.count = options.limit;
                self.stage = Stage::Done;
                return;
            }
        } else {
            let mut rest: Vec<_> = remain.map(|(&name, &(score, place, _))| (score, name, place)).collect();
            // Of a difference the score is that of its first set, whatever came to it here.
            if verb.op == Op::Diff {
                for (score, _, place) in &mut rest {
                    *score = operands[place.operand as usize].item(place.piece as usize, place.item as usize).1;
                }
            }
            rest.sort_by(|a, b| order((b.0, b.1), (a.0, a.1)));
            self.sorted.push(rest.into_iter().map(|(score, _, place)| (score, place)).collect());
            self.put_head(self.sorted.len() - 1);
        }
        self.stage = match () {
            () if heap + 1 < self.heaps() => Stage::Combine(heap + 1),
            () if self.verb.want == Want::Count => Stage::Done,
            () => Stage::Merge,
        };
    }

    fn put_head(&mut self, heap: usize) {
        let rest = &mut self.sorted[heap];
        let next = rest.pop();
        if rest.is_empty() {
            // Thousands at once would take milliseconds to give back.
            *rest = Vec::new();
        }
        if let Some((score, place)) = next {
            let name = name(&self.operands, place).into();
            self.heads.push(Head { score, name, place, heap: heap as u32 });
        }
    }

    /// Takes some members in their order.
    fn merge(&mut self, count: usize) {
        for _ in 0..count {
            let Some(head) = self.heads.pop() else {
                self.stage = Stage::Done;
                return;
            };
            self.chosen.push(head.score, head.place);
            self.put_head(head.heap as usize);
        }
    }
}

impl Job for Combining {
    fn step(&mut self, units: usize) -> bool {
        let mut members = (units / UNITS_A_MEMBER).max(1);
        while members > 0 {
            let worked = match self.stage {
                Stage::Deal { turn, piece, item } => {
                    self.deal(turn, piece, item, members);
                    members
                }
                Stage::Combine(heap) => {
                    self.combine(heap);
                    HEAP_MEMBERS
                }
                Stage::Merge => {
                    let count = members.min(SLICE);
                    self.merge(count);
                    count
                }
                Stage::Done => return true,
            };
            members = members.saturating_sub(worked);
        }
        matches!(self.stage, Stage::Done)
    }

    fn holds(&self) -> bool {
        matches!(self.verb.want, Want::Store(_))
    }

    fn finish(&mut self, writes: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        if self.spoken.is_none() {
            self.chosen.operands = std::mem::take(&mut self.operands);
        }
        let len = self.chosen.len();
        match self.verb.want {
            Want::Count => reply.int(self.count as i64),
            Want::Store(event) => {
                reply.int(len as i64);
                let none = Chosen { operands: Vec::new(), blocks: Vec::new(), len: 0 };
                let chosen = std::mem::replace(&mut self.chosen, none);
                writes.push((0, self.db, store_write(Held::Chosen(chosen), event)));
            }
            Want::Members => return self.speak_some(reply),
        }
        true
    }
}

impl Combining {
    /// Speaks a slice more of the reply. True when that is all.
    fn speak_some(&mut self, reply: &mut dyn Reply) -> bool {
        let len = self.chosen.len();
        let with_scores = self.options.with_scores;
        let from = self.spoken.unwrap_or_else(|| {
            if with_scores {
                reply.pairs(len)
            } else {
                reply.array(len)
            }
            0
        });
        self.chosen.some(from, SLICE, |name, score| {
            if with_scores {
                reply.pair();
                reply.bulk(name);
                reply.double(score);
            } else {
                reply.bulk(name);
            }
        });
        let until = len.min(from + SLICE);
        self.spoken = Some(until);
        until == len
    }
}

/// A command's two steps, and where its keys are.
macro_rules! combination {
    ($together:ident, $keys:ident, $op:expr, $want:expr, $name:literal) => {
        pub static $together: Together = Together {
            read: |_, n| {
                let verb = Verb { op: $op, want: $want, name: $name };
                match verb.op {
                    _ if n == 0 && verb.count_at() == 2 => Read::Skip,
                    Op::Union => read_all(),
                    Op::Inter | Op::Diff => read_if_small(),
                }
            },
            decide: |it, args, _, reply| decide(Verb { op: $op, want: $want, name: $name }, it, args, reply),
            db: same_db,
        };

        pub(super) fn $keys(args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
            Verb { op: $op, want: $want, name: $name }.find_keys(args, keys)
        }
    };
}

combination!(ZUNION, zunion_keys, Op::Union, Want::Members, "zunion");
combination!(ZINTER, zinter_keys, Op::Inter, Want::Members, "zinter");
combination!(ZDIFF, zdiff_keys, Op::Diff, Want::Members, "zdiff");
combination!(ZINTERCARD, zintercard_keys, Op::Inter, Want::Count, "zintercard");
combination!(ZUNIONSTORE, zunionstore_keys, Op::Union, Want::Store("zunionstore"), "zunionstore");
combination!(ZINTERSTORE, zinterstore_keys, Op::Inter, Want::Store("zinterstore"), "zinterstore");
combination!(ZDIFFSTORE, zdiffstore_keys, Op::Diff, Want::Store("zdiffstore"), "zdiffstore");
