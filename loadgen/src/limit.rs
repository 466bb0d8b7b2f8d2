//! Room: loadgen. The highest rate that holds an objective: a few runs in a row, each at a rate of its own.
//! Touches: run, objective.
//!
//! First a closed loop finds roughly what the server can do with these connections. Rates are then halved between the highest
//! that held and the lowest that did not, until they lie within a step; the highest is run a second time, for one lucky run
//! is no proof. Every run is kept: together they are the curve.

use crate::objective::Goal;
use crate::outcome::{LimitPoint, Live, LiveCell, Outcome, Stage};
use crate::plan::{Pace, Plan};
use crate::run::{Failure, Run, at_rate};
use std::time::Duration;

// 3 %: two rates nearer than that are not told apart by runs of a few seconds.
const STEP: f64 = 0.03;
// Each step halves what is between: 12 are enough from any beginning.
const RUNS_MOST: usize = 16;
// A rate counts as reached within 2 %; Poisson arrivals add their own spread.
const REACHED: f64 = 0.98;
const DEFAULT: Duration = Duration::from_secs(5);

pub fn search(run: &Run, goal: &Goal, live: &LiveCell) -> Result<Outcome, Failure> {
    let duration = run.plan.measured().unwrap_or(DEFAULT);
    let plan = Plan { duration: Some(duration), phases: Vec::new(), requests: None, ..run.plan.clone() };
    live.put(Live { stage: Stage::Searching, ..live.look() });
    let top = match plan.pace {
        // A rate that was given is where to begin.
        Pace::Open { per_second, .. } => per_second,
        Pace::Closed => {
            let first = Plan { duration: Some(duration.min(Duration::from_secs(3))), ..plan.clone() };
            let outcome = run.measure(&first, live)?;
            outcome.all.len() as f64 / outcome.seconds
        }
    };
    let mut points: Vec<LimitPoint> = Vec::new();
    let mut best: Option<Outcome> = None;
    let mut last: Option<Outcome> = None;
    let mut bounds = Bounds::default();
    let mut rate = top * 0.5;
    for _ in 0..RUNS_MOST {
        let outcome = run.measure(&at_rate(&plan, rate), live)?;
        let point = judge(goal, rate, &outcome);
        bounds.learn(rate, point.met);
        if point.met && best.as_ref().is_none_or(|b| rate_of(b) <= rate) {
            best = Some(outcome.clone());
        }
        points.push(point);
        last = Some(outcome);
        match bounds.next(top) {
            Some(next) => rate = next,
            None => break,
        }
    }
    points.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let held = best.is_some();
    let mut outcome = best.or(last).expect("a search runs once at least");
    outcome.objectives.insert(0, goal.judge(&outcome));
    let itself = points.iter().any(|p| !p.met) && outcome.warnings.iter().any(|w| w.contains("itself the bottleneck"));
    if itself {
        outcome.warnings.push("The limit that was found may be torc-load's own and not the server's.".into());
    }
    if !held {
        outcome
            .warnings
            .push(format!("No rate held {}: the lowest tried was {:.0} a second.", goal.text, points[0].rate));
    }
    outcome.limit = Some(points);
    Ok(outcome)
}

fn rate_of(outcome: &Outcome) -> f64 {
    match outcome.pace {
        Pace::Open { per_second, .. } => per_second,
        Pace::Closed => 0.0,
    }
}

fn judge(goal: &Goal, rate: f64, outcome: &Outcome) -> LimitPoint {
    let judged = goal.judge(outcome);
    let achieved = outcome.all.len() as f64 / outcome.seconds.max(1e-9);
    let errors: u64 = outcome.verbs.iter().map(|v| v.errors).sum();
    // Three deviations of a Poisson count: fewer answers came because fewer were due.
    let spread = 3.0 * (rate * outcome.seconds).sqrt() / outcome.seconds.max(1e-9);
    let reached = achieved + spread >= rate * REACHED;
    LimitPoint {
        rate,
        achieved,
        p50_ns: outcome.all.value_at_quantile(0.5),
        p99_ns: outcome.all.value_at_quantile(0.99),
        p999_ns: outcome.all.value_at_quantile(0.999),
        max_ns: outcome.all.max(),
        got_ns: if goal.is_latency() { judged.got as u64 } else { 0 },
        met: judged.met && reached && errors == 0 && outcome.unanswered == 0,
    }
}

/// What is known of where the limit lies.
#[derive(Default)]
struct Bounds {
    /// The highest rate that held, and how often it did.
    held: Option<(f64, u32)>,
    failed: Option<f64>,
}

impl Bounds {
    fn learn(&mut self, rate: f64, met: bool) {
        match (&mut self.held, met) {
            (Some((held, times)), true) if *held == rate => *times += 1,
            (Some((held, _)), true) if *held > rate => {}
            (_, true) => self.held = Some((rate, 1)),
            // What held once and then did not, does not hold.
            (Some((held, _)), false) if *held >= rate => {
                self.held = None;
                self.failed = Some(rate);
            }
            (_, false) => self.failed = Some(self.failed.map_or(rate, |f| f.min(rate))),
        }
    }

    fn next(&self, top: f64) -> Option<f64> {
        match (self.held, self.failed) {
            (None, None) => Some(top * 0.5),
            (None, Some(failed)) => (failed > top / 1000.0).then_some(failed * 0.5),
            (Some((held, _)), None) => Some(held * 1.4),
            (Some((held, times)), Some(failed)) => {
                if failed / held > 1.0 + STEP {
                    Some((held * failed).sqrt())
                } else {
                    (times < 2).then_some(held)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_found_from_either_side() {
        for limit in [3.0, 90.0, 400.0, 999.0, 1000.0, 5_000.0] {
            let mut bounds = Bounds::default();
            let mut rate = 500.0;
            let mut runs = 0;
            loop {
                bounds.learn(rate, rate <= limit);
                runs += 1;
                match bounds.next(1000.0) {
                    Some(next) => rate = next,
                    None => break,
                }
            }
            let (held, times) = bounds.held.expect("there is a limit");
            assert!(held <= limit && held * 1.04 > limit && times == 2, "{limit}: {held}");
            assert!(runs <= RUNS_MOST, "{limit}: {runs} runs");
        }
    }

    #[test]
    fn where_nothing_holds_it_ends() {
        let mut bounds = Bounds::default();
        let mut rate = 500.0;
        let mut runs = 0;
        while let Some(next) = {
            bounds.learn(rate, false);
            runs += 1;
            bounds.next(1000.0)
        } {
            rate = next;
        }
        assert!(runs < RUNS_MOST, "{runs}");
    }
}
