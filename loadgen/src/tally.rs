//! Room: loadgen. Counting answers: what one thread, or all of them, saw. Touches: outcome (histograms), wire (answers).

use crate::outcome::{Latency, Slow, Tick, VerbOutcome};
use crate::wire::Answer;

/// Of one verb.
#[derive(Clone, Debug, Default)]
pub struct VerbTally {
    pub latency: Latency,
    pub hits: u64,
    pub misses: u64,
    pub errors: u64,
}

/// One answer that took long.
#[derive(Clone, Copy, Debug)]
struct SlowAnswer {
    verb: u16,
    due_ns: u64,
    took_ns: u64,
}

/// What one thread, or all of them, counted. Times in nanoseconds since the start.
pub struct Tally {
    warmup_ns: u64,
    pub verbs: Vec<VerbTally>,
    /// How late asks of an open loop were made by this program's own doing.
    pub late: Latency,
    pub first_error: Option<String>,
    /// Errors while warming up are counted here alone.
    pub errors_all: u64,
    pub unanswered: u64,
    pub reconnects: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub last_answer_ns: u64,
    slowest: Vec<SlowAnswer>,
    /// Since it was last taken.
    pub interval: Interval,
}

const SLOW_MOST: usize = 20;

impl Tally {
    /// Answers to what was due before `warmup_ns` are not counted.
    pub fn new(verbs: usize, warmup_ns: u64) -> Tally {
        Tally {
            warmup_ns,
            verbs: vec![VerbTally::default(); verbs],
            late: Latency::new(),
            first_error: None,
            errors_all: 0,
            unanswered: 0,
            reconnects: 0,
            bytes_in: 0,
            bytes_out: 0,
            last_answer_ns: 0,
            slowest: Vec::new(),
            interval: Interval::default(),
        }
    }

    /// `reads`: what is missing counts as a miss, what is there as a hit.
    #[inline]
    pub fn answered(&mut self, verb: u16, reads: bool, due_ns: u64, now_ns: u64, answer: &Answer) {
        let took_ns = now_ns.saturating_sub(due_ns);
        self.last_answer_ns = self.last_answer_ns.max(now_ns);
        self.interval.record(took_ns);
        if let Answer::Refused(text) = answer {
            self.interval.errors += 1;
            self.errors_all += 1;
            self.first_error.get_or_insert_with(|| text.escape_ascii().to_string());
        }
        if due_ns < self.warmup_ns {
            return;
        }
        let counts = &mut self.verbs[verb as usize];
        match answer {
            Answer::Refused(_) => counts.errors += 1,
            Answer::Value { .. } if reads => counts.hits += 1,
            Answer::Missing if reads => counts.misses += 1,
            Answer::Many { hits, misses } => {
                counts.hits += hits;
                counts.misses += misses;
            }
            _ => {}
        }
        counts.latency.saturating_record(took_ns);
        if self.slowest.len() < SLOW_MOST || self.slowest[SLOW_MOST - 1].took_ns < took_ns {
            self.keep_slow(SlowAnswer { verb, due_ns, took_ns });
        }
    }

    fn keep_slow(&mut self, slow: SlowAnswer) {
        let at = self.slowest.partition_point(|s| s.took_ns >= slow.took_ns);
        self.slowest.insert(at, slow);
        self.slowest.truncate(SLOW_MOST);
    }

    pub fn asked_late(&mut self, due_ns: u64, by_ns: u64) {
        self.interval.late_max_ns = self.interval.late_max_ns.max(by_ns);
        if due_ns >= self.warmup_ns {
            self.late.saturating_record(by_ns);
        }
    }

    pub fn add(&mut self, other: &Tally) {
        for (mine, theirs) in self.verbs.iter_mut().zip(&other.verbs) {
            mine.latency.add(&*theirs.latency).expect("both have the same bounds");
            mine.hits += theirs.hits;
            mine.misses += theirs.misses;
            mine.errors += theirs.errors;
        }
        self.late.add(&*other.late).expect("both have the same bounds");
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        self.errors_all += other.errors_all;
        self.unanswered += other.unanswered;
        self.reconnects += other.reconnects;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.last_answer_ns = self.last_answer_ns.max(other.last_answer_ns);
        for slow in &other.slowest {
            self.keep_slow(*slow);
        }
    }

    pub fn all(&self) -> Latency {
        let mut all = Latency::new();
        for verb in &self.verbs {
            all.add(&*verb.latency).expect("both have the same bounds");
        }
        all
    }

    /// Measured time until the last answer, in seconds.
    pub fn seconds(&self) -> f64 {
        (self.last_answer_ns.saturating_sub(self.warmup_ns)).max(1) as f64 / 1e9
    }

    pub fn slowest(&self, names: &[String]) -> Vec<Slow> {
        let told = |s: &SlowAnswer| Slow {
            verb: names.get(s.verb as usize).cloned().unwrap_or_default(),
            due_s: s.due_ns.saturating_sub(self.warmup_ns) as f64 / 1e9,
            took_ns: s.took_ns,
        };
        self.slowest.iter().map(told).collect()
    }

    pub fn outcomes(&self, names: &[String]) -> Vec<VerbOutcome> {
        let told = |(verb, name): (&VerbTally, &String)| VerbOutcome {
            name: name.clone(),
            count: verb.latency.len(),
            hits: verb.hits,
            misses: verb.misses,
            errors: verb.errors,
            latency: verb.latency.clone(),
        };
        self.verbs.iter().zip(names).map(told).collect()
    }
}

/// A stretch of time in small: counts and a histogram of 1.5 % steps, so that many can be kept.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    pub answers: u64,
    pub errors: u64,
    pub max_ns: u64,
    pub late_max_ns: u64,
    steps: Vec<u32>,
}

// 64 steps to a doubling, up to one hour (2^41.7 ns).
const STEP_BITS: u32 = 6;
const STEPS: usize = (42 - STEP_BITS as usize + 1) << STEP_BITS;

fn step_of(ns: u64) -> usize {
    if ns < 1 << STEP_BITS {
        return ns as usize;
    }
    let doubling = ns.ilog2();
    let within = (ns >> (doubling - STEP_BITS)) as usize & ((1 << STEP_BITS) - 1);
    ((((doubling - STEP_BITS + 1) as usize) << STEP_BITS) | within).min(STEPS - 1)
}

/// The highest value of a step.
fn step_top(step: usize) -> u64 {
    if step < 1 << STEP_BITS {
        return step as u64;
    }
    let doubling = (step >> STEP_BITS) as u32 - 1 + STEP_BITS;
    let within = (step & ((1 << STEP_BITS) - 1)) as u64;
    (((1u64 << STEP_BITS) + within + 1) << (doubling - STEP_BITS)) - 1
}

impl Interval {
    #[inline]
    fn record(&mut self, ns: u64) {
        if self.steps.is_empty() {
            self.steps.resize(STEPS, 0);
        }
        self.answers += 1;
        self.max_ns = self.max_ns.max(ns);
        self.steps[step_of(ns)] += 1;
    }

    pub fn add(&mut self, other: &Interval) {
        self.answers += other.answers;
        self.errors += other.errors;
        self.max_ns = self.max_ns.max(other.max_ns);
        self.late_max_ns = self.late_max_ns.max(other.late_max_ns);
        if self.steps.len() < other.steps.len() {
            self.steps.resize(other.steps.len(), 0);
        }
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            *mine += theirs;
        }
    }

    /// Gives what was counted and begins anew, without giving up its memory.
    pub fn drain_into(&mut self, other: &mut Interval) {
        other.add(self);
        (self.answers, self.errors, self.max_ns, self.late_max_ns) = (0, 0, 0, 0);
        self.steps.fill(0);
    }

    pub fn quantile_ns(&self, q: f64) -> u64 {
        let rank = (self.answers as f64 * q).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (step, count) in self.steps.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return step_top(step).min(self.max_ns);
            }
        }
        self.max_ns
    }

    pub fn tick(&self, at_s: f64, seconds: f64, phase: usize, wanted_per_s: Option<f64>, own_cpu: f64) -> Tick {
        Tick {
            at_s,
            seconds,
            phase,
            answers: self.answers,
            errors: self.errors,
            wanted_per_s,
            p50_ns: self.quantile_ns(0.5),
            p90_ns: self.quantile_ns(0.9),
            p99_ns: self.quantile_ns(0.99),
            p999_ns: self.quantile_ns(0.999),
            max_ns: self.max_ns,
            late_max_ns: self.late_max_ns,
            own_cpu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warmup_is_not_counted_and_tallies_add_up() {
        let mut one = Tally::new(2, 1000);
        one.answered(0, true, 999, 5000, &Answer::Missing);
        one.answered(0, true, 1000, 3000, &Answer::Missing);
        let mut two = Tally::new(2, 1000);
        two.answered(1, false, 2000, 9000, &Answer::Refused(b"OOM"));
        for took in 0..100 {
            two.answered(0, true, 2000, 2000 + took, &Answer::Value { data: b"", flags: 0 });
        }
        two.answered(0, true, 2000, 2000, &Answer::Many { hits: 3, misses: 2 });
        one.add(&two);
        let get = &one.verbs[0];
        assert_eq!((get.misses, get.hits, get.latency.len()), (3, 103, 102));
        assert_eq!((one.verbs[1].errors, one.errors_all, one.first_error.as_deref()), (1, 1, Some("OOM")));
        let slowest = one.slowest(&["get".into(), "set".into()]);
        assert_eq!((slowest.len(), slowest[0].took_ns, slowest[1].took_ns), (SLOW_MOST, 7000, 2000));
        assert_eq!((slowest[0].verb.as_str(), slowest[0].due_s), ("set", 1e-6));
        assert_eq!(one.all().len(), 103);
    }

    #[test]
    fn steps_hold_their_values_within_two_percent() {
        let mut ns = 1u64;
        let mut last = 0;
        while ns < 3_600_000_000_000 {
            let step = step_of(ns);
            assert!(step >= last && step < STEPS);
            last = step;
            let top = step_top(step);
            assert!(top >= ns && (top - ns) as f64 <= ns as f64 / 60.0, "{ns} {top}");
            assert_eq!(step_of(top), step, "{ns}");
            assert_eq!(step_of(top + 1), step + 1, "{ns}");
            ns += ns / 7 + 1;
        }
        assert_eq!(step_of(u64::MAX), STEPS - 1);
    }

    #[test]
    fn quantiles_of_an_interval_are_near_the_sorted_ones() {
        let mut interval = Interval::default();
        let mut values: Vec<u64> = (0..10_000u64).map(|i| crate::chance::mix(i) % 5_000_000 + 1).collect();
        values.iter().for_each(|v| interval.record(*v));
        values.sort_unstable();
        for q in [0.5, 0.9, 0.99, 0.999] {
            let want = values[(values.len() as f64 * q) as usize - 1] as f64;
            let got = interval.quantile_ns(q) as f64;
            assert!((got / want - 1.0).abs() < 0.02, "{q}: {got} {want}");
        }
        let mut other = Interval::default();
        interval.drain_into(&mut other);
        assert_eq!((interval.answers, interval.quantile_ns(0.5), other.answers), (0, 0, 10_000));
    }
}
