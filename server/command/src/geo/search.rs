//! Room: command. Which places lie in a circle or a box.
//! Touches: base, store.
//!
//! A search looks at the members of up to nine cells around its middle, in the order of their scores, in slices where there are
//! many. A key that is to be stored to may lie elsewhere: then the search is the reading of the source, and what it finds travels.

use super::earth::{Area, Cell, Point, Shape, place};
use super::*;
use crate::blocks::Blocks;
use crate::keep::same_db;
use crate::merging::Merging;
use crate::row::{Decide, Job, KeyWrite, Parcel, Read, Reading, Together};
use crate::zset::{Bunch, Held, store_write};
use base::ArgsBuf;
use base::number::parse_i64;
use std::cmp::Ordering;
use std::sync::Arc;
use store::zset::{Scores, ZsetRef};

/// Which of the commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Radius { may_store: bool },
    RadiusByMember { may_store: bool },
    Search,
    SearchStore,
}

impl Verb {
    /// The word that is the key searched.
    fn source(self) -> usize {
        if self == Verb::SearchStore { 2 } else { 1 }
    }

    fn is_search(self) -> bool {
        matches!(self, Verb::Search | Verb::SearchStore)
    }

    fn may_store(self) -> bool {
        matches!(self, Verb::Radius { may_store: true } | Verb::RadiusByMember { may_store: true })
    }

    /// The first word of options, of GEOSEARCH of everything.
    fn options_at(self) -> usize {
        match self {
            Verb::Radius { .. } => 6,
            Verb::RadiusByMember { .. } => 5,
            Verb::Search => 2,
            Verb::SearchStore => 3,
        }
    }

    fn event(self) -> &'static str {
        if self.is_search() { "geosearchstore" } else { "georadiusstore" }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    None,
    Rising,
    Falling,
}

/// What is asked for.
struct Ask {
    area: Area,
    /// Metres of the unit.
    unit: f64,
    sort: Sort,
    /// 0: all.
    count: usize,
    any: bool,
    with_distance: bool,
    with_hash: bool,
    with_place: bool,
    /// The word that names the key to store to, and whether distances are stored.
    store: Option<usize>,
    store_distance: bool,
}

fn parse_radius(args: Args<'_>, at: usize) -> Result<(f64, f64), Fault> {
    let radius = parse_f64(args.at(at)).ok_or_else(|| Fault::err("need numeric radius"))?;
    if radius < 0.0 {
        return Err(Fault::err("radius cannot be negative"));
    }
    Ok((radius, parse_unit(args.at(at + 1))?))
}

/// Where a member is.
fn place_of(set: ZsetRef<'_>, member: &[u8]) -> Result<Point, Fault> {
    let score = set.score(member).ok_or_else(|| Fault::err("could not decode requested zset member"))?;
    Ok(place(score))
}

impl Ask {
    /// `set`: what the source holds; without one the words are looked at all the same.
    fn parse(verb: Verb, args: Args<'_>, set: Option<ZsetRef<'_>>) -> Result<Ask, Fault> {
        let nowhere = Point { longitude: 0.0, latitude: 0.0 };
        let mut ask = Ask {
            area: Area { center: nowhere, shape: Shape::Circle { radius: 0.0 } },
            unit: 1.0,
            sort: Sort::None,
            count: 0,
            any: false,
            with_distance: false,
            with_hash: false,
            with_place: false,
            store: (verb == Verb::SearchStore).then_some(1),
            store_distance: false,
        };
        let circle = |ask: &mut Ask, at: usize| -> Result<(), Fault> {
            let (radius, unit) = parse_radius(args, at)?;
            (ask.area.shape, ask.unit) = (Shape::Circle { radius: radius * unit }, unit);
            Ok(())
        };
        match (verb, set) {
            (Verb::Radius { .. }, _) => {
                ask.area.center = parse_point(args, 2)?;
                circle(&mut ask, 4)?;
            }
            (Verb::RadiusByMember { .. }, Some(set)) => {
                ask.area.center = place_of(set, args.at(2))?;
                circle(&mut ask, 3)?;
            }
            _ => {}
        }
        let (mut from_member, mut from_place, mut by_radius, mut by_box) = (false, false, false, false);
        let mut i = verb.options_at();
        while i < args.len() {
            let left = args.len() - i;
            if args.is(i, "WITHDIST") {
                ask.with_distance = true;
            } else if args.is(i, "WITHHASH") {
                ask.with_hash = true;
            } else if args.is(i, "WITHCOORD") {
                ask.with_place = true;
            } else if args.is(i, "ANY") {
                ask.any = true;
            } else if args.is(i, "ASC") {
                ask.sort = Sort::Rising;
            } else if args.is(i, "DESC") {
                ask.sort = Sort::Falling;
            } else if args.is(i, "COUNT") && left > 1 {
                let count = parse_i64(args.at(i + 1)).ok_or(Fault::NotInteger)?;
                ask.count =
                    usize::try_from(count).ok().filter(|&n| n > 0).ok_or_else(|| Fault::err("COUNT must be > 0"))?;
                i += 1;
            } else if verb.may_store() && left > 1 && (args.is(i, "STORE") || args.is(i, "STOREDIST")) {
                (ask.store, ask.store_distance) = (Some(i + 1), args.is(i, "STOREDIST"));
                i += 1;
            } else if verb == Verb::SearchStore && args.is(i, "STOREDIST") {
                ask.store_distance = true;
            } else if verb.is_search() && args.is(i, "FROMMEMBER") && left > 1 && !from_place {
                if let Some(set) = set {
                    ask.area.center = place_of(set, args.at(i + 1))?;
                }
                from_member = true;
                i += 1;
            } else if verb.is_search() && args.is(i, "FROMLONLAT") && left > 2 && !from_member {
                ask.area.center = parse_point(args, i + 1)?;
                from_place = true;
                i += 2;
            } else if verb.is_search() && args.is(i, "BYRADIUS") && left > 2 && !by_box {
                circle(&mut ask, i + 1)?;
                by_radius = true;
                i += 2;
            } else if verb.is_search() && args.is(i, "BYBOX") && left > 3 && !by_radius {
                let width = parse_f64(args.at(i + 1)).ok_or_else(|| Fault::err("need numeric width"))?;
                let height = parse_f64(args.at(i + 2)).ok_or_else(|| Fault::err("need numeric height"))?;
                if width < 0.0 || height < 0.0 {
                    return Err(Fault::err("height or width cannot be negative"));
                }
                ask.unit = parse_unit(args.at(i + 3))?;
                ask.area.shape = Shape::Box { width: width * ask.unit, height: height * ask.unit };
                by_box = true;
                i += 3;
            } else {
                return Err(Fault::Syntax);
            }
            i += 1;
        }
        if ask.store.is_some() && (ask.with_distance || ask.with_hash || ask.with_place) {
            let what = if verb.is_search() { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(Fault::err(format!("{what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")));
        }
        if verb.is_search() {
            // The verb as the client wrote it.
            let verb = String::from_utf8_lossy(args.at(0));
            if !from_member && !from_place {
                return Err(Fault::err(format!("exactly one of FROMMEMBER or FROMLONLAT can be specified for {verb}")));
            }
            if !by_radius && !by_box {
                return Err(Fault::err(format!("exactly one of BYRADIUS and BYBOX can be specified for {verb}")));
            }
        }
        if ask.any && ask.count == 0 {
            return Err(Fault::err("the ANY argument requires COUNT argument"));
        }
        if ask.count > 0 && ask.sort == Sort::None && !ask.any {
            ask.sort = Sort::Rising;
        }
        Ok(ask)
    }
}

/// A member that was found.
struct Found {
    distance: f64,
    score: f64,
    /// How many were found before it: equal distances stay in this order.
    nth: u32,
    name: Name,
}

fn order(sort: Sort, a: &Found, b: &Found) -> Ordering {
    let order = match sort {
        Sort::Falling => b.distance.total_cmp(&a.distance),
        _ => a.distance.total_cmp(&b.distance),
    };
    order.then(a.nth.cmp(&b.nth))
}

/// Names of members, in blocks that are not moved as more come.
#[derive(Default)]
struct Names {
    blocks: Vec<Vec<u8>>,
}

/// Where a name lies.
#[derive(Clone, Copy)]
struct Name {
    block: u32,
    from: u32,
    to: u32,
}

const NAMES_BYTES: usize = 1 << 16;

impl Names {
    fn push(&mut self, name: &[u8]) -> Name {
        let has_room = |block: &Vec<u8>| block.len() + name.len() <= NAMES_BYTES;
        if !self.blocks.last().is_some_and(has_room) {
            // The first grows with what is in it.
            let bytes = if self.blocks.is_empty() { 0 } else { NAMES_BYTES.max(name.len()) };
            self.blocks.push(Vec::with_capacity(bytes));
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let from = block.len() as u32;
        block.extend_from_slice(name);
        Name { block: number as u32, from, to: block.len() as u32 }
    }

    fn get(&self, name: Name) -> &[u8] {
        &self.blocks[name.block as usize][name.from as usize..name.to as usize]
    }
}

/// Of so many wanted the others are let go of as they are found: what is left is put in order at once.
const FEW: usize = SLICE;

/// A search under way.
struct Search {
    ask: Ask,
    cells: Vec<Cell>,
    /// The cell that is looked into, and how many of its members have been seen.
    cell: usize,
    seen: usize,
    numbered: u32,
    found: Blocks<Found>,
    names: Names,
    order: Merging,
    stage: Stage,
    /// How many of those that were found are wanted, and what is to be spoken or gathered next.
    len: usize,
    next: usize,
    /// What is to be stored.
    bunch: Bunch,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Look,
    Order,
    Ready,
}

impl Search {
    fn new(ask: Ask) -> Search {
        let cells = ask.area.cells().collect();
        Search {
            ask,
            cells,
            cell: 0,
            seen: 0,
            numbered: 0,
            found: Blocks::default(),
            names: Names::default(),
            order: Merging::new(),
            stage: Stage::Look,
            len: 0,
            next: 0,
            bunch: Bunch::default(),
        }
    }

    /// Works for a slice. True when all is found and in its order. `set`: none if it is gone.
    fn step(&mut self, set: Option<ZsetRef<'_>>) -> bool {
        let (sort, mut left) = (self.ask.sort, SLICE);
        if self.stage == Stage::Look {
            if set.is_some_and(|set| !self.look(set)) {
                return false;
            }
            self.cut(0);
            self.order.grow(self.found.len());
            self.len = if self.ask.count == 0 { self.found.len() } else { self.ask.count.min(self.found.len()) };
            self.stage = if sort == Sort::None { Stage::Ready } else { Stage::Order };
        }
        if self.stage == Stage::Order {
            let Search { order: places, found, .. } = self;
            if !places.step(&mut left, |a, b| order(sort, &found[a], &found[b])) {
                return false;
            }
            self.stage = Stage::Ready;
        }
        true
    }

    /// Looks at some members. True when all is found.
    fn look(&mut self, set: ZsetRef<'_>) -> bool {
        let enough = if self.ask.any { self.ask.count } else { usize::MAX };
        let mut left = SLICE;
        while self.cell < self.cells.len() && self.found.len() < enough {
            let (min, max) = self.cells[self.cell].scores();
            let Search { ask, found, names, seen, numbered, .. } = self;
            let mut ended = true;
            let before = *seen;
            let visit = |member: &[u8], score: f64| {
                if score >= max {
                    return false;
                }
                if left == 0 {
                    ended = false;
                    return false;
                }
                left -= 1;
                *seen += 1;
                if let Some(distance) = ask.area.inside(place(score)) {
                    found.push(Found { distance, score, nth: *numbered, name: names.push(member) });
                    *numbered += 1;
                }
                found.len() < enough
            };
            if before == 0 {
                set.walk_scores(min, visit);
            } else {
                let ranks = set.by_score(&Scores { min, max, without_min: false, without_max: true });
                set.walk(ranks.start + before, usize::MAX, false, visit);
            }
            if !ended {
                self.cut(4 * SLICE);
                return false;
            }
            (self.cell, self.seen) = (self.cell + 1, 0);
        }
        true
    }

    /// Lets go of those that COUNT cuts off, if it wants few and `more` than those were found; else they go into the order.
    fn cut(&mut self, more: usize) {
        let (sort, count) = (self.ask.sort, self.ask.count);
        if sort == Sort::None || !(1..=FEW).contains(&count) {
            self.order.grow(self.found.len());
        } else if self.found.len() > count + more {
            let mut all: Vec<Found> = std::mem::take(&mut self.found).drain().collect();
            all.select_nth_unstable_by(count - 1, |a, b| order(sort, a, b));
            all.truncate(count);
            let names = std::mem::take(&mut self.names);
            for one in all {
                let name = self.names.push(names.get(one.name));
                self.found.push(Found { name, ..one });
            }
        }
    }

    /// The `i`th of those that are wanted.
    fn at(&self, i: usize) -> &Found {
        &self.found[self.order.at(i)]
    }

    fn head(&self, reply: &mut dyn Reply) {
        reply.array(self.len);
    }

    /// Speaks some of what was found. True when all is spoken.
    fn speak(&mut self, reply: &mut dyn Reply) -> bool {
        let ask = &self.ask;
        let end = self.len.min(self.next + SLICE / 2);
        let extras = usize::from(ask.with_distance) + usize::from(ask.with_hash) + usize::from(ask.with_place);
        for one in (self.next..end).map(|i| self.at(i)) {
            if extras > 0 {
                reply.array(1 + extras);
            }
            reply.bulk(self.names.get(one.name));
            if ask.with_distance {
                speak_distance(one.distance / ask.unit, reply);
            }
            if ask.with_hash {
                reply.int(one.score as i64);
            }
            if ask.with_place {
                speak_point(place(one.score), reply);
            }
        }
        self.next = end;
        end == self.len
    }

    /// Gathers some of what is to be stored. True when it is all.
    fn gather(&mut self) -> bool {
        let end = self.len.min(self.next + SLICE);
        let mut bunch = std::mem::take(&mut self.bunch);
        for one in (self.next..end).map(|i| self.at(i)) {
            let score = if self.ask.store_distance { one.distance / self.ask.unit } else { one.score };
            bunch.push(self.names.get(one.name), score);
        }
        (self.bunch, self.next) = (bunch, end);
        end == self.len
    }
}

/// A search that speaks.
struct Searching {
    search: Search,
    /// The key's word.
    source: usize,
}

impl Walk for Searching {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        if self.search.stage != Stage::Ready {
            if !self.search.step(read_again(ctx, args.at(self.source))) {
                return false;
            }
            self.search.head(reply);
        }
        self.search.speak(reply)
    }
}

/// What was found of a key that lies elsewhere, to be spoken.
struct Speaking {
    search: Box<Search>,
    begun: bool,
}

impl Job for Speaking {
    fn step(&mut self, _: usize) -> bool {
        true
    }

    fn finish(&mut self, _: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        if !std::mem::replace(&mut self.begun, true) {
            self.search.head(reply);
        }
        self.search.speak(reply)
    }
}

fn search(ctx: &mut Ctx<'_>, args: Args<'_>, verb: Verb, reply: &mut dyn Reply) {
    let source = verb.source();
    let set = or_fault!(read(ctx, args.at(source)), reply);
    let there = set.is_some();
    let ask = Ask::parse(verb, args, set);
    if !there {
        missed(ctx, args.at(source));
    }
    let ask = or_fault!(ask, reply);
    if !there {
        return reply.array(0);
    }
    let mut searching = Searching { search: Search::new(ask), source };
    if !searching.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(searching));
    }
}

/// GEORADIUS_RO key longitude latitude radius M|KM|FT|MI [options]
pub fn georadius_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    search(ctx, args, Verb::Radius { may_store: false }, reply);
}

/// GEORADIUSBYMEMBER_RO key member radius M|KM|FT|MI [options]
pub fn georadiusbymember_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    search(ctx, args, Verb::RadiusByMember { may_store: false }, reply);
}

/// GEOSEARCH key FROMMEMBER member|FROMLONLAT longitude latitude BYRADIUS radius unit|BYBOX width height unit [options]
pub fn geosearch(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    search(ctx, args, Verb::Search, reply);
}

/// What the reading of a source comes to: `None` where there is no source.
type Outcome = Result<Option<Box<Search>>, Fault>;

/// The search as the reading of its source: a parcel of `Outcome`.
fn read_search(verb: Verb, args: Args<'_>) -> Read {
    let words = ArgsBuf::from(args);
    Read::Custom(Arc::new(move |ctx, key| {
        let now = |outcome: Outcome| Reading::Now(Box::new(outcome));
        let (there, ask) = match read(ctx, key) {
            Err(fault) => return now(Err(fault)),
            Ok(set) => (set.is_some(), Ask::parse(verb, words.args(), set)),
        };
        if !there {
            missed(ctx, key);
            return now(ask.map(|_| None));
        }
        let mut search = match ask {
            Err(fault) => return now(Err(fault)),
            Ok(ask) => Some(Box::new(Search::new(ask))),
        };
        let mut go_on = move |ctx: &mut Ctx<'_>, key: &[u8]| -> Option<Parcel> {
            let under_way = search.as_mut()?;
            if under_way.stage != Stage::Ready && !under_way.step(read_again(ctx, key)) {
                return None;
            }
            if under_way.ask.store.is_some() && !under_way.gather() {
                return None;
            }
            Some(Box::new(Outcome::Ok(search.take())))
        };
        match go_on(ctx, key) {
            Some(parcel) => Reading::Now(parcel),
            None => Reading::Later(Box::new(go_on)),
        }
    }))
}

/// `source`, `to`: which of the keys is searched and which is stored to.
fn decide(verb: Verb, source: usize, to: Option<usize>, decide: &mut Decide<'_>, reply: &mut dyn Reply) {
    let outcome: Outcome = decide.parcel(source);
    let found = or_fault!(outcome, reply);
    if let Some(to) = to {
        let bunch = found.map_or_else(Bunch::default, |search| search.bunch);
        reply.int(bunch.len() as i64);
        decide.writes.push((to, decide.db, store_write(Held::Bunch(bunch), verb.event())));
        return;
    }
    match found {
        None => reply.array(0),
        Some(search) => {
            let mut speaking = Speaking { search, begun: false };
            if speaking.search.len > SLICE / 2 {
                decide.job = Some(Box::new(speaking));
            } else {
                speaking.finish(&mut decide.writes, reply);
            }
        }
    }
}

/// GEOSEARCHSTORE destination source FROMMEMBER ... [STOREDIST]
pub static GEOSEARCHSTORE: Together = Together {
    read: |args, n| if n == 0 { Read::Skip } else { read_search(Verb::SearchStore, args) },
    decide: |it, _, _, reply| decide(Verb::SearchStore, 1, Some(0), it, reply),
    db: same_db,
};

/// GEORADIUS key longitude latitude radius M|KM|FT|MI [options] [STORE key|STOREDIST key]
pub static GEORADIUS: Together = Together {
    read: |args, n| if n == 0 { read_search(Verb::Radius { may_store: true }, args) } else { Read::Skip },
    decide: |it, _, fetched, reply| {
        let to = (fetched.len() > 1).then_some(1);
        decide(Verb::Radius { may_store: true }, 0, to, it, reply);
    },
    db: same_db,
};

/// GEORADIUSBYMEMBER key member radius M|KM|FT|MI [options] [STORE key|STOREDIST key]
pub static GEORADIUSBYMEMBER: Together = Together {
    read: |args, n| if n == 0 { read_search(Verb::RadiusByMember { may_store: true }, args) } else { Read::Skip },
    decide: |it, _, fetched, reply| {
        let to = (fetched.len() > 1).then_some(1);
        decide(Verb::RadiusByMember { may_store: true }, 0, to, it, reply);
    },
    db: same_db,
};

/// The keys of GEORADIUS: the source, and what the last STORE or STOREDIST names.
pub(super) fn georadius_keys(args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
    keys.push(1);
    let (mut to, mut i) = (None, 5);
    while i + 1 < args.len() {
        if args.is(i, "STORE") || args.is(i, "STOREDIST") {
            to = Some(i + 1);
            i += 1;
        }
        i += 1;
    }
    keys.extend(to);
    Ok(())
}

/// The keys of GEORADIUSBYMEMBER.
pub(super) fn georadiusbymember_keys(args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
    georadius_keys(args, keys)
}
