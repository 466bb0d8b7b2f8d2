//! Room: loadgen. A plan made ready to be asked from: recipes compiled, mixes summed, values' bytes at hand. One for all
//! threads of a stage. Touches: plan, recipe, wire (shapes), verify (the ledger), schedule.

use crate::plan::{Ask, Chance, Commands, Dialect, KeyChoice, Pace, Phase, Plan, Verb};
use crate::recipe::{self, Compiled, Recipe};
use crate::schedule::Stretch;
use crate::verify::Ledger;
use crate::wire::Shape;
use std::sync::atomic::AtomicU64;

/// One verb in one dialect.
pub struct Form {
    pub compiled: Compiled,
    pub verb: Verb,
    pub shape: Shape,
    /// Missing and found are worth counting.
    pub reads: bool,
}

/// Weights of verbs, summed up.
#[derive(Clone, Debug)]
pub struct Mix {
    sums: Vec<(u64, u16)>,
}

impl Mix {
    fn new(weights: impl Iterator<Item = f64>) -> Mix {
        let weights: Vec<f64> = weights.collect();
        let most = weights.iter().copied().fold(0.0, f64::max);
        let mut sum = 0;
        let mut sums = Vec::new();
        for (verb, weight) in weights.iter().enumerate() {
            // In parts of 2^32 of the heaviest.
            let part = if most > 0.0 { (weight / most * 4_294_967_296.0) as u64 } else { 0 };
            if part > 0 {
                sum += part;
                sums.push((sum, verb as u16));
            }
        }
        Mix { sums }
    }

    /// The verb that chance gives; `None` where all weights are 0.
    #[inline]
    pub fn pick(&self, chance: &mut Chance) -> Option<u16> {
        if let [(_, only)] = self.sums.as_slice() {
            return Some(*only);
        }
        let at = chance.below(self.sums.last()?.0);
        self.sums.iter().find(|(sum, _)| at < *sum).map(|(_, verb)| *verb)
    }
}

pub struct GroupBook {
    pub listens: bool,
    pub setup: Vec<Compiled>,
}

pub struct Book<'p> {
    pub plan: &'p Plan,
    pub phase: Phase,
    pub ledger: Option<&'p Ledger>,
    pub filler: Vec<u8>,
    /// By verb; the last two are "message" and "connect" where the plan has them.
    pub names: Vec<String>,
    /// By verb, then by dialect.
    forms: Vec<[Option<Form>; 4]>,
    /// By phase, then by group.
    mixes: Vec<Vec<Mix>>,
    pub choices: Vec<KeyChoice>,
    pub groups: Vec<GroupBook>,
    /// A group's last connection of a hundredth, see `group_of`.
    group_sums: Vec<f64>,
    pub message_verb: Option<u16>,
    pub connect_verb: Option<u16>,
    pub sequence: AtomicU64,
    /// Keys that there are by now; grows by `{newkey}`.
    pub newest: AtomicU64,
    /// Measured stretches and their phase, warming up with the first.
    pub stretches: Vec<Stretch>,
    /// When each phase ends, in nanoseconds since the start; the last without end.
    pub phase_ends: Vec<u64>,
    pub warmup_ns: u64,
    /// No ask is due from here on.
    pub stop_ns: u64,
}

const DIALECTS: [Dialect; 4] = [Dialect::Resp2, Dialect::Resp3, Dialect::Memcached, Dialect::Meta];

impl<'p> Book<'p> {
    pub fn new(plan: &'p Plan, phase: Phase, ledger: Option<&'p Ledger>) -> Book<'p> {
        let measuring = phase == Phase::Measure;
        let verbs = plan.mix();
        let mut names: Vec<String> = Vec::new();
        let mut forms = Vec::new();
        let add = |name: &str, ask: &Ask, names: &mut Vec<String>, forms: &mut Vec<[Option<Form>; 4]>| {
            names.push(name.to_string());
            forms.push(DIALECTS.map(|dialect| form(plan, dialect, ask)));
        };
        if measuring {
            verbs.iter().for_each(|v| add(&v.name, &v.ask, &mut names, &mut forms));
        } else if plan.populate_with.is_empty() {
            add("populate", &Ask::Set, &mut names, &mut forms);
        } else {
            for (at, commands) in plan.populate_with.iter().enumerate() {
                add(&format!("populate {}", at + 1), &Ask::Command(commands.clone()), &mut names, &mut forms);
            }
        }
        let groups = if measuring { plan.groups.as_slice() } else { &[] };
        let mut special = |name: &str, wanted: bool| {
            wanted.then(|| {
                names.push(name.to_string());
                forms.push(DIALECTS.map(|_| None));
                (names.len() - 1) as u16
            })
        };
        let message_verb = special("message", groups.iter().any(|g| g.listens));
        let connect_verb = special("connect", measuring && plan.churn.is_some());
        let weight = |mix: &Option<Vec<(String, f64)>>, group: Option<&crate::plan::Group>| {
            Mix::new(verbs.iter().map(|verb| {
                let asked = group.is_none_or(|g| g.verbs.is_empty() || g.verbs.contains(&verb.name));
                let own = mix.as_ref().map(|m| m.iter().find(|(n, _)| *n == verb.name).map_or(0.0, |(_, w)| *w));
                if asked { own.unwrap_or(verb.weight) } else { 0.0 }
            }))
        };
        let mixes_of = |mix: &Option<Vec<(String, f64)>>| -> Vec<Mix> {
            if groups.is_empty() {
                return vec![weight(mix, None)];
            }
            groups.iter().map(|g| weight(mix, Some(g))).collect()
        };
        let phases = if measuring { plan.phases.as_slice() } else { &[] };
        let mixes = match phases {
            [] => vec![mixes_of(&None)],
            phases => phases.iter().map(|p| mixes_of(&p.mix)).collect(),
        };
        let choices = match phases {
            [] => vec![plan.choice.clone()],
            phases => phases.iter().map(|p| p.choice.clone().unwrap_or(plan.choice.clone())).collect(),
        };
        let recipes = verbs.iter().filter_map(|v| match &v.ask {
            Ask::Command(commands) => Some(commands),
            _ => None,
        });
        let all = |c: &'_ Commands| [c.resp.clone(), c.memcached.clone(), c.meta.clone()];
        let most = recipes.chain(&plan.populate_with).flat_map(all).flatten().map(|r: Recipe| r.value_most(plan)).max();
        let setup = |g: &crate::plan::Group| g.setup.iter().map(|r| Compiled::new(r, plan, true)).collect();
        let warmup_ns = if measuring { plan.warmup.as_nanos() as u64 } else { 0 };
        let measured = plan.measured().filter(|_| measuring);
        let (stretches, phase_ends) = timeline(plan, phases, warmup_ns);
        let sum: f64 = groups.iter().map(|g| g.share).sum();
        let group_sums = groups
            .iter()
            .scan(0.0, |so_far, g| {
                *so_far += g.share / sum;
                Some(*so_far)
            })
            .collect();
        Book {
            plan,
            phase,
            ledger,
            filler: recipe::filler(most.unwrap_or(0).max(plan.sizes.most()) as usize),
            names,
            forms,
            mixes,
            choices,
            groups: groups.iter().map(|g| GroupBook { listens: g.listens, setup: setup(g) }).collect(),
            group_sums,
            message_verb,
            connect_verb,
            sequence: AtomicU64::new(0),
            newest: AtomicU64::new(plan.keys),
            stretches,
            phase_ends,
            warmup_ns,
            stop_ns: measured.map_or(u64::MAX, |d| warmup_ns + d.as_nanos() as u64),
        }
    }

    pub fn form(&self, verb: u16, dialect: Dialect) -> Option<&Form> {
        self.forms.get(verb as usize)?[dialect as usize].as_ref()
    }

    pub fn mix(&self, phase: usize, group: usize) -> &Mix {
        &self.mixes[phase.min(self.mixes.len() - 1)][group]
    }

    /// Connections are dealt to groups by their shares, as evenly over the numbers as it goes; each group has one at least,
    /// for a plan has at least as many connections.
    pub fn group_of(&self, connection: usize) -> usize {
        if connection < self.group_sums.len() {
            return connection;
        }
        // The golden section's multiples fall evenly into [0, 1).
        let place = (connection as f64 * 0.618_033_988_749_895).fract();
        self.group_sums.iter().position(|sum| place < *sum).unwrap_or(0)
    }

    pub fn phase_at(&self, ns: u64) -> usize {
        self.phase_ends.iter().position(|end| ns < *end).unwrap_or(self.phase_ends.len() - 1)
    }

    /// The rate set at a time of an open loop.
    pub fn rate_at(&self, ns: u64) -> Option<f64> {
        let stretch = self.stretches.iter().find(|s| ns < s.to_ns).or(self.stretches.last());
        stretch.map(|s| s.rate_at(ns as f64))
    }
}

fn timeline(plan: &Plan, phases: &[crate::plan::PhasePlan], warmup_ns: u64) -> (Vec<Stretch>, Vec<u64>) {
    let rate = match plan.pace {
        Pace::Open { per_second, .. } => Some(per_second),
        Pace::Closed => None,
    };
    let mut ends = Vec::new();
    let mut stretches = Vec::new();
    let mut at = warmup_ns;
    for phase in phases {
        let end = at + phase.duration.as_nanos() as u64;
        if let Some(rate) = rate {
            let (from_rate, to_rate) = phase.rate.unwrap_or((rate, rate));
            stretches.push(Stretch { from_ns: at, to_ns: end, from_rate, to_rate });
        }
        ends.push(end);
        at = end;
    }
    if let Some(last) = ends.last_mut() {
        *last = u64::MAX;
    } else {
        ends.push(u64::MAX);
    }
    if let Some(rate) = rate {
        match stretches.first().copied() {
            None => stretches.push(Stretch { from_ns: 0, to_ns: u64::MAX, from_rate: rate, to_rate: rate }),
            // Warming up goes at the rate at which measuring begins, or the plan's where that is none.
            Some(first) if warmup_ns > 0 => {
                let warm = if first.from_rate > 0.0 { first.from_rate } else { rate };
                stretches.insert(0, Stretch { from_ns: 0, to_ns: warmup_ns, from_rate: warm, to_rate: warm });
            }
            Some(_) => {}
        }
    }
    (stretches, ends)
}

fn form(plan: &Plan, dialect: Dialect, ask: &Ask) -> Option<Form> {
    let ttl = plan.ttl.is_some();
    let (text, verb) = match (ask, dialect) {
        (Ask::Command(commands), _) => {
            let recipe = commands.of(dialect)?;
            let command = recipe.command();
            return Some(Form {
                compiled: Compiled::new(recipe, plan, dialect.is_resp()),
                verb: Verb::Any,
                shape: Shape::of(&command, 0),
                reads: !WRITES.contains(&command.as_str()),
            });
        }
        (Ask::Get, Dialect::Resp2 | Dialect::Resp3) => ("GET {key}", Verb::Get),
        (Ask::Get, Dialect::Memcached) => ("get {key}", Verb::Get),
        (Ask::Get, Dialect::Meta) => ("mg {key} v", Verb::Get),
        (Ask::Set, Dialect::Resp2 | Dialect::Resp3) if ttl => ("SET {key} {value} EX {ttl}", Verb::Set),
        (Ask::Set, Dialect::Resp2 | Dialect::Resp3) => ("SET {key} {value}", Verb::Set),
        (Ask::Set, Dialect::Memcached) if ttl => ("set {key} 0 {ttl} {size} {value}", Verb::Set),
        (Ask::Set, Dialect::Memcached) => ("set {key} 0 0 {size} {value}", Verb::Set),
        (Ask::Set, Dialect::Meta) if ttl => ("ms {key} {size} T{ttl} {value}", Verb::Set),
        (Ask::Set, Dialect::Meta) => ("ms {key} {size} {value}", Verb::Set),
        (Ask::Delete, Dialect::Resp2 | Dialect::Resp3) => ("DEL {key}", Verb::Delete),
        (Ask::Delete, Dialect::Memcached) => ("delete {key}", Verb::Delete),
        (Ask::Delete, Dialect::Meta) => ("md {key}", Verb::Delete),
    };
    let recipe = Recipe::parse(text).expect("a recipe of this file is sound");
    let compiled = Compiled::new(&recipe, plan, dialect.is_resp());
    let shape = if dialect == Dialect::Meta { Shape::Meta } else { Shape::Line };
    Some(Form { compiled, verb, shape, reads: verb == Verb::Get })
}

/// Commands whose nil is not a key that a cache missed.
const WRITES: &[&str] = &[
    "set", "setnx", "getset", "add", "replace", "append", "prepend", "cas", "delete", "del", "ms", "md", "incr",
    "decr", "touch",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::small;
    use crate::plan::{Group, PhasePlan, VerbPlan};
    use std::time::Duration;

    #[test]
    fn mixes_follow_their_weights_by_phase_and_group() {
        let verb = |name: &str, weight| VerbPlan { name: name.into(), weight, ask: Ask::Get };
        let group = |name: &str, share, verbs: &[&str]| Group {
            name: name.into(),
            share,
            verbs: verbs.iter().map(|v| v.to_string()).collect(),
            setup: Vec::new(),
            listens: false,
        };
        let phase = |mix| PhasePlan { name: "p".into(), duration: Duration::from_secs(1), mix, ..PhasePlan::default() };
        let plan = Plan {
            verbs: vec![verb("a", 3.0), verb("b", 1.0), verb("c", 0.0)],
            groups: vec![group("one", 1.0, &[]), group("two", 3.0, &["b", "c"])],
            phases: vec![phase(None), phase(Some(vec![("c".into(), 1.0), ("a".into(), 1.0)]))],
            connections: 400,
            verify: false,
            keys: 1000,
            ..small()
        };
        assert_eq!(plan.refuse(), None);
        let book = Book::new(&plan, Phase::Measure, None);
        let shares = |phase, group| {
            let mut chance = Chance::new(1);
            let mut counts = [0.0f64; 3];
            (0..40_000).for_each(|_| {
                counts[book.mix(phase, group).pick(&mut chance).expect("a verb") as usize] += 1.0 / 40_000.0
            });
            counts
        };
        let cases =
            [(0, 0, [0.75, 0.25, 0.0]), (0, 1, [0.0, 1.0, 0.0]), (1, 0, [0.5, 0.0, 0.5]), (1, 1, [0.0, 0.0, 1.0])];
        for (phase, group, want) in cases {
            let got = shares(phase, group);
            assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.01), "{phase} {group}: {got:?}");
        }
        let second = (0..400).filter(|c| book.group_of(*c) == 1).count();
        assert!((295..=305).contains(&second), "{second}");
        assert_eq!((book.phase_at(999_999_999), book.phase_at(1_000_000_000), book.stop_ns), (0, 1, 2_000_000_000));
    }
}
