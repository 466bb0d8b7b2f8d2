//! Room: loadgen. A whole run: connect, populate, measure or search, and what came of it. Touches: engine, facts, limit.
//!
//! The entry for other programs: make a `Plan`, call `run`, read the `Outcome`.

use crate::cluster::{self, Slots};
use crate::dial::Address;
pub use crate::engine::Failure;
use crate::engine::{self, StageEnd, Where};
use crate::facts;
use crate::limit;
use crate::outcome::{FORMAT, Live, LiveCell, Outcome, PhaseSpan, Stage, TargetFacts};
use crate::plan::{Arrivals, Pace, Phase, Place, Plan};
use crate::poll::raise_nofile_to;
use crate::verify::Ledger;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::World(why) | Failure::Refused(why) => f.write_str(why),
            Failure::Bad(evidence) => write!(f, "{}; got {}", evidence.what, evidence.got),
        }
    }
}

impl std::error::Error for Failure {}

/// A plan with its targets known, between stages.
pub struct Run<'p> {
    pub plan: &'p Plan,
    to: Where,
    targets: Vec<TargetFacts>,
    ledger: Option<Ledger>,
    newest: AtomicU64,
    started_unix_s: f64,
}

/// Runs `plan` to its end, populating first if it says so; `live` is told how it goes.
pub fn run(plan: &Plan, live: Option<&LiveCell>) -> Result<Outcome, Failure> {
    let unseen = LiveCell::default();
    let live = live.unwrap_or(&unseen);
    let run = Run::prepare(plan)?;
    if plan.populate {
        run.populate(live)?;
    }
    let outcome = match &plan.find_limit {
        Some(goal) => limit::search(&run, goal, live)?,
        None => run.measure(plan, live)?,
    };
    live.put(Live { stage: Stage::Ended, progress: 1.0, number: u64::MAX, ..live.look() });
    Ok(outcome)
}

/// Sets every key of `plan` once and does no more.
pub fn populate(plan: &Plan) -> Result<Outcome, Failure> {
    let run = Run::prepare(plan)?;
    let end = run.populate(&LiveCell::default())?;
    Ok(run.outcome(&Plan { pace: Pace::Closed, find_limit: None, objectives: Vec::new(), ..plan.clone() }, end))
}

impl<'p> Run<'p> {
    /// Finds the targets and asks them what they are.
    pub fn prepare(plan: &'p Plan) -> Result<Run<'p>, Failure> {
        if let Some(why) = plan.refuse() {
            return Err(Failure::World(why));
        }
        // Of a thread's sockets the limit of open files still counts; what is too few shows when rings are made.
        raise_nofile_to((plan.connections * 2 / plan.threads + 64) as u64);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        let mut targets = Vec::new();
        let mut to = Where { addresses: Vec::new(), slots: None };
        for target in &plan.targets {
            let (facts, mut socket) = facts::of_target(target).map_err(Failure::World)?;
            targets.push(facts);
            let address = match (&target.place, socket.peer()) {
                (Place::Unix(path), _) => Address::Unix(path.clone()),
                (Place::Tcp(_), Some(peer)) => Address::Tcp(peer),
                (Place::Tcp(name), None) => return Err(Failure::World(format!("{name} hung up at once"))),
            };
            if plan.cluster && to.slots.is_none() {
                if !target.dialect.is_resp() {
                    return Err(Failure::World("--cluster needs RESP targets".into()));
                }
                let host = match &address {
                    Address::Tcp(peer) => peer.ip().to_string(),
                    Address::Unix(_) => return Err(Failure::World("a cluster is reached by TCP".into())),
                };
                let reply = socket.ask(&[b"CLUSTER", b"SLOTS"]);
                let reply = reply.map_err(|e| Failure::World(format!("{target}: CLUSTER SLOTS: {e}")))?;
                let slots = Slots::read(&reply, &host);
                let slots = slots.map_err(|why| Failure::World(format!("{target}: CLUSTER SLOTS: {why}")))?;
                for node in &slots.nodes {
                    to.addresses.push(cluster::resolve(node, &host).map_err(Failure::World)?);
                }
                to.slots = Some(slots);
            } else if !plan.cluster {
                to.addresses.push(address);
            }
        }
        Ok(Run {
            plan,
            to,
            targets,
            ledger: plan.verify.then(|| Ledger::new(plan.keys)),
            newest: AtomicU64::new(plan.keys),
            started_unix_s: started,
        })
    }

    fn stage(&self, plan: &Plan, phase: Phase, live: &LiveCell) -> Result<StageEnd, Failure> {
        engine::run(plan, phase, &self.to, self.ledger.as_ref(), &self.newest, live)
    }

    pub fn populate(&self, live: &LiveCell) -> Result<StageEnd, Failure> {
        let end = self.stage(self.plan, Phase::Populate, live)?;
        if end.tally.errors_all > 0 {
            let first = end.tally.first_error.unwrap_or_default();
            let (errors, keys) = (end.tally.errors_all, self.plan.keys);
            return Err(Failure::Refused(format!("populating {keys} keys met {errors} errors, the first: {first}")));
        }
        if end.tally.unanswered > 0 {
            let unanswered = end.tally.unanswered;
            return Err(Failure::World(format!("populating: {unanswered} asks were not answered")));
        }
        Ok(end)
    }

    /// One measuring stage by `plan`, which differs from the run's own in pace and time alone.
    pub fn measure(&self, plan: &Plan, live: &LiveCell) -> Result<Outcome, Failure> {
        let end = self.stage(plan, Phase::Measure, live)?;
        Ok(self.outcome(plan, end))
    }

    fn outcome(&self, plan: &Plan, end: StageEnd) -> Outcome {
        let seconds = end.seconds;
        let mut from_s = 0.0;
        let mut phases: Vec<PhaseSpan> = plan
            .phases
            .iter()
            .map(|p| {
                let to_s = from_s + p.duration.as_secs_f64();
                let span = PhaseSpan { name: p.name.clone(), from_s, to_s };
                from_s = to_s;
                span
            })
            .collect();
        if phases.is_empty() {
            phases.push(PhaseSpan { name: String::new(), from_s: 0.0, to_s: seconds });
        }
        let mut outcome = Outcome {
            format: FORMAT,
            title: plan.title.clone(),
            command: std::env::args().map(|a| shell_word(&a)).collect::<Vec<_>>().join(" "),
            started_unix_s: self.started_unix_s,
            host: facts::of_host(),
            targets: self.targets.clone(),
            pace: plan.pace,
            connections: plan.connections,
            pipeline: plan.pipeline,
            threads: plan.threads.min(plan.connections),
            keys: plan.keys,
            seed: plan.seed,
            seconds,
            cpu_s: end.cpu_s,
            cpu_share_max: end.cpu_share_max.min(1.0),
            verbs: end.tally.outcomes(&end.names),
            all: end.tally.all(),
            late: end.tally.late.clone(),
            series: end.series,
            phases,
            slowest: end.tally.slowest(&end.names),
            objectives: Vec::new(),
            warnings: Vec::new(),
            first_error: end.tally.first_error.clone(),
            unanswered: end.tally.unanswered,
            reconnects: end.tally.reconnects,
            bytes_in: end.tally.bytes_in,
            bytes_out: end.tally.bytes_out,
            verified: plan.verify,
            limit: None,
        };
        outcome.objectives = plan.objectives.iter().map(|g| g.judge(&outcome)).collect();
        outcome.warnings = warnings(plan, &outcome);
        outcome
    }
}

// Above this share of its time on its CPU a thread has no time of its own left, whatever the clock says of the rest.
const BUSY: f64 = 0.9;
// 1 ms: what a user of latencies looks at; and a tenth of what was measured.
const LATE_NS: u64 = 1_000_000;

/// What makes the figures doubtful.
fn warnings(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let mut all = Vec::new();
    let ms = |ns: u64| format!("{:.2} ms", ns as f64 / 1e6);
    if outcome.cpu_share_max > BUSY && outcome.seconds >= 0.2 {
        let percent = outcome.cpu_share_max * 100.0;
        let remedy = match (plan.threads < outcome.host.cpus, outcome.pace) {
            (true, _) => "give it more --threads",
            (false, Pace::Closed) => "it has no more CPUs here: the server may be able to do more",
            (false, Pace::Open { .. }) => "lower the rate, or load from another host",
        };
        all.push(format!(
            "torc-load was itself the bottleneck: its busiest thread was on its CPU {percent:.0} % of the time; {remedy}."
        ));
    }
    let late = |q| outcome.late.value_at_quantile(q);
    if late(0.99) > LATE_NS || (late(0.99) > 50_000 && late(0.99) * 10 > outcome.all.value_at_quantile(0.99)) {
        all.push(format!(
            "Asks were made late by torc-load's own doing, and their latency counts from when they were due: half by up to {}, \
             1 % by more than {}, one by {}.",
            ms(late(0.5)),
            ms(late(0.99)),
            ms(outcome.late.max())
        ));
    }
    if let Pace::Open { per_second, .. } = outcome.pace
        && plan.phases.is_empty()
        && plan.requests.is_none()
    {
        let got = outcome.all.len() as f64 / outcome.seconds.max(1e-9);
        // Five deviations of a Poisson count, and 2 %.
        let off = 5.0 * (per_second * outcome.seconds).sqrt() / outcome.seconds.max(1e-9) + 0.02 * per_second;
        if got + off < per_second {
            all.push(format!("The rate was not reached: {got:.0} answers a second of {per_second:.0} asked for."));
        }
    }
    if outcome.unanswered > 0 {
        all.push(format!("{} asks that were due had no answer when the run ended.", outcome.unanswered));
    }
    let (hits, misses) = outcome.verbs.iter().fold((0, 0), |(h, m), v| (h + v.hits, m + v.misses));
    if misses > hits && misses > 0 && !plan.may_miss {
        let percent = misses as f64 / (hits + misses) as f64 * 100.0;
        all.push(format!("{percent:.0} % of what was read was not there: --populate sets every key first."));
    }
    all
}

/// As a shell would have to be given it. Passwords in addresses are left out: this is kept and shown.
fn shell_word(word: &str) -> String {
    let word = match (word.find("://"), word.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => format!("{}***{}", &word[..scheme + 3], &word[at..]),
        _ => word.to_string(),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+[]*".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Used by searches: as the plan, at a rate, for a time.
pub fn at_rate(plan: &Plan, per_second: f64) -> Plan {
    let arrivals = match plan.pace {
        Pace::Open { arrivals, .. } => arrivals,
        Pace::Closed => Arrivals::Poisson,
    };
    Plan { pace: Pace::Open { per_second, arrivals }, ..plan.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_given_again_without_their_passwords() {
        let cases = [
            ("--rate", "--rate"),
            ("resp://u:secret@h:1/2", "resp://***@h:1/2"),
            ("HSET {key} f", "'HSET {key} f'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ];
        for (word, want) in cases {
            assert_eq!(shell_word(word), want);
        }
    }
}
