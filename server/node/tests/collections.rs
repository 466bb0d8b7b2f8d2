//! Whole nodes from a seed: lists on which clients wait, pop, move, walk and sort by keys of any shard, all at once. What they see
//! must be strictly serialisable. `TORC_SEED` and `TORC_SEEDS` as in `simulation.rs`;
//! `TORC_TELL=1` prints what the clients saw.

mod sim;

use node::session::Door;
use sim::check::{self, Command, is_serialisable};
use sim::{Rng, Sim, reply, resp, seeds};

/// Lists, then what elements are weighed by and shown as. Names whose slots lie apart.
const LISTS: [&str; 3] = ["a", "b", "foo"];
const ELEMENTS: usize = 3;
const WEIGHTS: [&str; ELEMENTS] = ["w_0", "w_1", "w_2"];
const TEXTS: [&str; ELEMENTS] = ["n_0", "n_1", "n_2"];
/// A list that takes several slices to walk over: it holds this many elements at first.
const LONG: &str = "long";
const LONG_LENGTH: usize = 1_100;

type Event = check::Event<Op>;

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct State {
    lists: [Vec<u8>; LISTS.len()],
    weights: [Option<u8>; ELEMENTS],
    texts: [Option<u8>; ELEMENTS],
    /// How many were taken from the long list's head, and what was added at its tail.
    taken: usize,
    added: Vec<u32>,
}

#[derive(Clone, Debug)]
enum Op {
    Push(usize, Vec<u8>, bool),
    Pop(usize),
    Move(usize, usize),
    /// Of the first that has something; waits.
    Bpop(Vec<usize>),
    Bmove(usize, usize),
    Range(usize),
    Del(Vec<usize>),
    Rename(usize, usize),
    Weigh(Vec<(usize, u8)>),
    Text(Vec<(usize, u8)>),
    Forget(usize),
    /// By weight; with texts, or stored.
    Sort(usize, Option<usize>),
    SortTexts(usize),
    Walk,
    PushLong(u32),
    PopLong,
}

/// For what clients wait. Not for all of it at once: which of several lists a waiter is served from, while another moves an element
/// from one of them to the other, is a race between their shards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    No,
    ForSeveral,
    ToMove,
}

impl Op {
    fn random(rng: &mut Rng, tag: &mut u32, waits: Waits) -> Op {
        *tag += 1;
        let list = |rng: &mut Rng| rng.below(LISTS.len());
        let lists = |rng: &mut Rng| (0..1 + rng.below(2)).map(|_| rng.below(LISTS.len())).collect::<Vec<_>>();
        let some = |rng: &mut Rng, tag: u32| -> Vec<(usize, u8)> {
            (0..1 + rng.below(ELEMENTS)).map(|_| (rng.below(ELEMENTS), (tag % 10) as u8)).collect()
        };
        match rng.below(24) {
            0..=4 => {
                let elements = (0..1 + rng.below(3)).map(|_| rng.below(ELEMENTS) as u8).collect();
                Op::Push(list(rng), elements, rng.chance(2))
            }
            5 => Op::Pop(list(rng)),
            6 => Op::Move(list(rng), list(rng)),
            7 | 8 if waits == Waits::ForSeveral => Op::Bpop(lists(rng)),
            7 | 8 if waits == Waits::ToMove => Op::Bpop(vec![list(rng)]),
            9 | 10 if waits == Waits::ToMove => Op::Bmove(list(rng), list(rng)),
            11 => Op::Range(list(rng)),
            12 => Op::Del(lists(rng)),
            13 => Op::Rename(list(rng), list(rng)),
            14 | 15 => Op::Weigh(some(rng, *tag)),
            16 => Op::Text(some(rng, *tag)),
            17 => Op::Forget(rng.below(ELEMENTS)),
            18 => Op::Sort(list(rng), Some(list(rng))),
            19 => Op::SortTexts(list(rng)),
            20 => Op::Walk,
            21 => Op::PushLong(*tag),
            22 => Op::PopLong,
            _ => Op::Sort(list(rng), None),
        }
    }

    fn words(&self) -> Vec<String> {
        let line = |text: String| text.split(' ').map(Into::into).collect::<Vec<String>>();
        let names = |lists: &[usize]| lists.iter().map(|&l| LISTS[l]).collect::<Vec<_>>().join(" ");
        let pairs = |names: &[&str], some: &[(usize, u8)]| {
            some.iter().map(|(n, v)| format!("{} {v}", names[*n])).collect::<Vec<_>>().join(" ")
        };
        line(match self {
            Op::Push(l, elements, tail) => {
                let elements: Vec<String> = elements.iter().map(u8::to_string).collect();
                format!("{} {} {}", if *tail { "RPUSH" } else { "LPUSH" }, LISTS[*l], elements.join(" "))
            }
            Op::Pop(l) => format!("LPOP {}", LISTS[*l]),
            Op::Move(a, b) => format!("LMOVE {} {} LEFT RIGHT", LISTS[*a], LISTS[*b]),
            Op::Bpop(ls) => format!("BLPOP {} 0.03", names(ls)),
            Op::Bmove(a, b) => format!("BLMOVE {} {} LEFT RIGHT 0.03", LISTS[*a], LISTS[*b]),
            Op::Range(l) => format!("LRANGE {} 0 -1", LISTS[*l]),
            Op::Del(ls) => format!("DEL {}", names(ls)),
            Op::Rename(a, b) => format!("RENAME {} {}", LISTS[*a], LISTS[*b]),
            Op::Weigh(some) => format!("MSET {}", pairs(&WEIGHTS, some)),
            Op::Text(some) => format!("MSET {}", pairs(&TEXTS, some)),
            Op::Forget(n) => format!("DEL {} {}", WEIGHTS[*n], TEXTS[*n]),
            Op::Sort(l, None) => format!("SORT {} BY w_*", LISTS[*l]),
            Op::Sort(l, Some(to)) => format!("SORT {} BY w_* STORE {}", LISTS[*l], LISTS[*to]),
            Op::SortTexts(l) => format!("SORT_RO {} BY w_* GET # GET n_*", LISTS[*l]),
            Op::Walk => format!("LRANGE {LONG} 0 -1"),
            Op::PushLong(tag) => format!("RPUSH {LONG} {tag}"),
            Op::PopLong => format!("LPOP {LONG}"),
        })
    }
}

fn told(elements: &[u8]) -> String {
    format!("[{}]", elements.iter().map(u8::to_string).collect::<Vec<_>>().join(","))
}

impl State {
    fn pop(&mut self, list: usize) -> Option<u8> {
        let list = &mut self.lists[list];
        (!list.is_empty()).then(|| list.remove(0))
    }

    fn moved(&mut self, from: usize, to: usize) -> String {
        let Some(element) = self.pop(from) else { return "nil".into() };
        self.lists[to].push(element);
        element.to_string()
    }

    fn sorted(&self, list: usize) -> Vec<u8> {
        let mut elements = self.lists[list].clone();
        elements.sort_by_key(|&e| (self.weights[e as usize].unwrap_or(0), e));
        elements
    }
}

impl Command for Op {
    type State = State;

    fn keys(&self) -> u32 {
        let bits = |lists: &[usize]| lists.iter().fold(0, |bits, l| bits | 1 << l);
        let named =
            |some: &[(usize, u8)], from: u32| some.iter().fold(0, |bits, (n, _)| bits | 1 << (from + *n as u32));
        const ALL: u32 = (1 << ELEMENTS) - 1;
        match self {
            Op::Push(l, ..) | Op::Pop(l) | Op::Range(l) => bits(&[*l]),
            Op::Move(a, b) | Op::Bmove(a, b) | Op::Rename(a, b) => bits(&[*a, *b]),
            // What its connection asks later waits for it.
            Op::Bpop(ls) | Op::Del(ls) => bits(ls),
            Op::Weigh(some) => named(some, 8),
            Op::Text(some) => named(some, 16),
            Op::Forget(n) => 1 << (8 + n) | 1 << (16 + n),
            Op::Sort(l, to) => bits(&[*l, to.unwrap_or(*l)]) | ALL << 8,
            Op::SortTexts(l) => bits(&[*l]) | ALL << 8 | ALL << 16,
            Op::Walk | Op::PushLong(_) | Op::PopLong => 1 << 30,
        }
    }

    fn reads(&self) -> bool {
        matches!(self, Op::Range(_) | Op::Sort(_, None) | Op::SortTexts(_) | Op::Walk)
    }

    fn apply(&self, s: &mut State) -> String {
        let shown = |element: Option<u8>| element.map_or("nil".to_string(), |e| e.to_string());
        match self {
            Op::Push(l, elements, tail) => {
                for &element in elements {
                    let at = if *tail { s.lists[*l].len() } else { 0 };
                    s.lists[*l].insert(at, element);
                }
                s.lists[*l].len().to_string()
            }
            Op::Pop(l) => shown(s.pop(*l)),
            Op::Move(a, b) | Op::Bmove(a, b) => s.moved(*a, *b),
            // Nil means: its time was over with nothing there.
            Op::Bpop(ls) => match ls.iter().find(|&&l| !s.lists[l].is_empty()) {
                None => "nil".into(),
                Some(&l) => format!("[{},{}]", LISTS[l], shown(s.pop(l))),
            },
            Op::Range(l) => told(&s.lists[*l]),
            Op::Del(ls) => ls.iter().filter(|&&l| !std::mem::take(&mut s.lists[l]).is_empty()).count().to_string(),
            Op::Rename(a, _) if s.lists[*a].is_empty() => "ERR no such key".into(),
            Op::Rename(a, b) => {
                s.lists[*b] = std::mem::take(&mut s.lists[*a]);
                "OK".into()
            }
            Op::Weigh(some) => {
                some.iter().for_each(|(n, v)| s.weights[*n] = Some(*v));
                "OK".into()
            }
            Op::Text(some) => {
                some.iter().for_each(|(n, v)| s.texts[*n] = Some(*v));
                "OK".into()
            }
            Op::Forget(n) => {
                (usize::from(s.weights[*n].take().is_some()) + usize::from(s.texts[*n].take().is_some())).to_string()
            }
            Op::Sort(l, None) => told(&s.sorted(*l)),
            Op::Sort(l, Some(to)) => {
                s.lists[*to] = s.sorted(*l);
                s.lists[*to].len().to_string()
            }
            Op::SortTexts(l) => {
                let each = s.sorted(*l).into_iter().flat_map(|e| [e.to_string(), shown(s.texts[e as usize])]);
                format!("[{}]", each.collect::<Vec<_>>().join(","))
            }
            Op::Walk => {
                let old = (s.taken.min(LONG_LENGTH)..LONG_LENGTH).map(|n| n.to_string());
                let new = s.added.iter().skip(s.taken.saturating_sub(LONG_LENGTH)).map(u32::to_string);
                format!("[{}]", old.chain(new).collect::<Vec<_>>().join(","))
            }
            Op::PushLong(tag) => {
                s.added.push(*tag);
                (LONG_LENGTH + s.added.len() - s.taken).to_string()
            }
            Op::PopLong => {
                s.taken += 1;
                (s.taken - 1).to_string()
            }
        }
    }
}

/// Runs some clients at once, some of whom hang up, and returns what they saw.
fn history(seed: u64, shards: usize) -> (Vec<Event>, Sim) {
    let mut sim = Sim::new(seed, shards);
    let clients = 2 + sim.rng.below(4);
    let each = 32 / clients;
    let depth = 1 + sim.rng.below(3);
    let hang_up = [0, 0, 60][sim.rng.below(3)];
    sim.mail_delay = [1, 1, 8][sim.rng.below(3)];
    let waits = [Waits::ForSeveral, Waits::ToMove][sim.rng.below(2)];
    let slice_keys = [1, 2, 256][sim.rng.below(3)];
    sim.engines.iter_mut().for_each(|engine| engine.slice_keys = slice_keys);
    let first = sim.connect(0, Door::Resp);
    let long: Vec<String> =
        ["RPUSH", LONG].into_iter().map(Into::into).chain((0..LONG_LENGTH).map(|n| n.to_string())).collect();
    sim.send(first, &resp(&long.iter().map(String::as_str).collect::<Vec<_>>()));
    sim.settle("the long list");
    (0..clients).for_each(|c| assert_eq!(sim.connect(c % shards, Door::Resp), 1 + c));
    let mut events: Vec<Event> = Vec::new();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); clients];
    let mut left = vec![each; clients];
    let (mut tag, mut step) = (0, 0u64);
    while left.iter().any(|&n| n > 0) || waiting.iter().any(|w| !w.is_empty()) {
        step += 1;
        let under_way = || waiting.iter().flatten().map(|&i| &events[i].op).collect::<Vec<_>>();
        if step == 400_000 {
            check::tell(&events);
            panic!("TORC_SEED={seed}, {shards} shards: no progress: {:?}: {}", under_way(), sim.unrest());
        }
        let c = sim.rng.below(clients);
        if left[c] > 0 && waiting[c].len() < depth && sim.rng.chance(4) {
            // One client never waits, so that something comes to those who do.
            let op = Op::random(&mut sim.rng, &mut tag, if c > 0 { waits } else { Waits::No });
            let words = op.words();
            sim.send(1 + c, &resp(&words.iter().map(String::as_str).collect::<Vec<_>>()));
            waiting[c].push(events.len());
            events.push(Event { client: c, op, sent: step, answered: u64::MAX, reply: None, lost: false });
            left[c] -= 1;
            if hang_up > 0 && sim.rng.chance(hang_up) {
                sim.hang_up(1 + c);
                left[c] = 0;
                waiting[c].clear();
                events.iter_mut().filter(|e| e.client == c && e.reply.is_none()).for_each(|e| e.lost = true);
            }
        }
        // So that waits end.
        if sim.rng.chance(20) {
            sim.advance(1000);
        }
        sim.step();
        for (c, waiting) in waiting.iter_mut().enumerate() {
            while let Some(&first) = waiting.first() {
                let Some((text, used)) = reply(&sim.clients[1 + c].from) else { break };
                sim.clients[1 + c].from.drain(..used);
                waiting.remove(0);
                (events[first].answered, events[first].reply) = (step, Some(text));
            }
        }
    }
    (events, sim)
}

#[test]
fn histories_of_lists_are_strictly_serialisable() {
    let (mut histories, mut undecided, mut sorted, mut served, mut walked) = (0, 0, 0, 0, 0);
    for seed in seeds(60) {
        for shards in [1, 2, 4] {
            let (events, mut sim) = history(seed, shards);
            if std::env::var("TORC_TELL").is_ok() {
                check::tell(&events);
            }
            sim.settle(&format!("TORC_SEED={seed}, {shards} shards"));
            histories += 1;
            match is_serialisable(&events) {
                None => undecided += 1,
                Some(true) => {}
                Some(false) => {
                    check::tell(&events);
                    panic!("not serialisable: TORC_SEED={seed}, {shards} shards");
                }
            }
            let count = |pick: fn(&Op) -> bool| {
                let told =
                    |e: &&Event| e.reply.as_ref().is_some_and(|reply| !["[]", "nil", "0"].contains(&reply.as_str()));
                events.iter().filter(|e| pick(&e.op)).filter(told).count()
            };
            sorted += count(|op| matches!(op, Op::Sort(..) | Op::SortTexts(_)));
            served += count(|op| matches!(op, Op::Bpop(_) | Op::Bmove(..)));
            walked += count(|op| matches!(op, Op::Walk));
        }
    }
    assert!(undecided * 20 <= histories, "{undecided} of {histories} histories have too many orders");
    println!("{histories} histories, {undecided} undecided: {sorted} sorted, {served} served, {walked} walked");
    assert!(histories < 30 || sorted > 0 && served > 0 && walked > 0, "the seeds exercise what they are for");
}

/// Who waits for very many elements is served with all of them, whatever shard they come to.
#[test]
fn a_waiter_is_served_with_many_elements() {
    const COUNT: usize = 3_000;
    for shards in [1, 2, 4] {
        for (wait, push, item) in
            [("BLMPOP 0 2 l m LEFT COUNT 9999", "RPUSH", 1), ("BZMPOP 0 2 l m MIN COUNT 9999", "ZADD", 2)]
        {
            for list in ["l", "m"] {
                let mut sim = Sim::new(7, shards);
                let (one, two) = (sim.connect(0, Door::Resp), sim.connect(shards - 1, Door::Resp));
                sim.send(one, &resp(&wait.split(' ').collect::<Vec<_>>()));
                (0..2_000).for_each(|_| sim.step());
                let each = (0..COUNT).flat_map(|n| (0..item).map(move |_| n.to_string()));
                let words: Vec<String> = [push, list].into_iter().map(Into::into).chain(each).collect();
                sim.send(two, &resp(&words.iter().map(String::as_str).collect::<Vec<_>>()));
                sim.settle("a waiter is served");
                let (text, _) = reply(&sim.clients[one].from).expect("it is served");
                let all: Vec<String> =
                    (0..COUNT).map(|n| if item == 1 { n.to_string() } else { format!("[{n},{n}]") }).collect();
                assert_eq!(text, format!("[{list},[{}]]", all.join(",")), "{shards} shards: {wait}");
                assert_eq!(reply(&sim.clients[two].from).expect("it is answered").0, COUNT.to_string());
            }
        }
    }
}
