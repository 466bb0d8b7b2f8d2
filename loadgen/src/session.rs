//! Room: loadgen. One connection without its socket: asks into `out`, bytes from `input` to judged answers.
//! Touches: plan, wire, verify, report (the tally).
//!
//! An engine of any kind moves the bytes: it writes `unsent()`, fills `spare()`, and calls `fill` whenever time has
//! passed or answers have come.

use crate::plan::{Dialect, Draw, Pace, Phase, Plan, Verb};
use crate::tally::Tally;
use crate::verify::{Evidence, Ledger, write_value};
use crate::wire::{self, Answer, Malformed, Reader};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

/// When asking ends, shared by all connections of a phase.
pub struct Limits {
    /// No ask is due from here on, in nanoseconds since the start of the phase.
    pub stop_ns: u64,
    /// Asks still to make, when they are counted.
    pub budget: Option<AtomicU64>,
}

impl Limits {
    fn claim(&self) -> bool {
        let Some(budget) = &self.budget else { return true };
        budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

struct Pending {
    verb: Verb,
    key: u64,
    /// The version written, or for a read the floor when it was sent.
    mark: u64,
    /// When the ask was due (open) or made (closed); latency counts from here.
    due_ns: u64,
    sent_ns: u64,
}

/// What a session does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Waits for answers only.
    Answers,
    /// Has an ask due at this time.
    Due(u64),
    /// Asks no more.
    Finished,
}

pub struct Session<'p> {
    plan: &'p Plan,
    ledger: Option<&'p Ledger>,
    filler: &'p [u8],
    id: usize,
    dialect: Dialect,
    draw: Draw,
    reader: Reader,
    pace: Pace,
    pipeline: usize,
    per_second: f64,
    next_due_ns: u64,
    finished: bool,
    /// A write was refused, so what was sent last is not what stands there.
    write_refused: bool,
    pending: VecDeque<Pending>,
    out: Vec<u8>,
    out_at: usize,
    input: Vec<u8>,
    in_from: usize,
    in_to: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl<'p> Session<'p> {
    pub fn new(plan: &'p Plan, phase: Phase, ledger: Option<&'p Ledger>, filler: &'p [u8], id: usize) -> Session<'p> {
        let dialect = plan.target_of(id).dialect;
        let mut draw = Draw::new(plan, phase, id);
        let (pace, pipeline) = match phase {
            // 64: past this populating gains nothing on loopback.
            Phase::Populate => (Pace::Closed, plan.pipeline.max(64)),
            Phase::Measure => (plan.pace, plan.pipeline),
        };
        let per_second = match pace {
            Pace::Open { per_second } => per_second / plan.connections as f64,
            Pace::Closed => 0.0,
        };
        // Independent Poisson processes add up to one, so each connection keeps its own and nothing is queued: an ask
        // that could not be sent in time is drawn later with the time it was due.
        let next_due_ns = if per_second > 0.0 { draw.chance().gap_ns(per_second) } else { 0 };
        Session {
            plan,
            ledger,
            filler,
            id,
            dialect,
            draw,
            reader: Reader::new(dialect),
            pace,
            pipeline,
            per_second,
            next_due_ns,
            finished: false,
            write_refused: false,
            pending: VecDeque::new(),
            out: Vec::new(),
            out_at: 0,
            input: Vec::new(),
            in_from: 0,
            in_to: 0,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    pub fn id(&self) -> usize {
        self.id
    }

    /// Makes all asks that may be made now.
    pub fn fill(&mut self, now_ns: u64, limits: &Limits, tally: &mut Tally) -> Next {
        match self.pace {
            Pace::Closed => self.fill_closed(now_ns, limits),
            Pace::Open { .. } => self.fill_open(now_ns, limits, tally),
        }
    }

    // A batch goes out when the last is answered whole: what "pipeline" means to the other programs of this kind.
    fn fill_closed(&mut self, now_ns: u64, limits: &Limits) -> Next {
        if !self.pending.is_empty() || self.finished {
            return if self.finished { Next::Finished } else { Next::Answers };
        }
        while self.pending.len() < self.pipeline {
            if now_ns >= limits.stop_ns || !self.ask(now_ns, now_ns, limits) {
                self.finished = true;
                return Next::Finished;
            }
        }
        Next::Answers
    }

    fn fill_open(&mut self, now_ns: u64, limits: &Limits, tally: &mut Tally) -> Next {
        while !self.finished {
            if self.next_due_ns >= limits.stop_ns {
                self.finished = true;
                break;
            }
            if self.pending.len() >= self.pipeline {
                return Next::Answers;
            }
            if self.next_due_ns > now_ns {
                return Next::Due(self.next_due_ns);
            }
            let due = self.next_due_ns;
            if !self.ask(due, now_ns, limits) {
                self.finished = true;
                break;
            }
            tally.sent_late(now_ns - due);
            self.next_due_ns += self.draw.chance().gap_ns(self.per_second);
        }
        Next::Finished
    }

    fn ask(&mut self, due_ns: u64, now_ns: u64, limits: &Limits) -> bool {
        // An empty draw must not use up the budget, and the budget no draw: populating has no budget.
        if !limits.claim() {
            return false;
        }
        let Some((key, write)) = self.draw.draw() else { return false };
        self.plan.name_key(key, &mut self.name);
        let (verb, mark) = if write { self.write(key) } else { self.read(key) };
        self.pending.push_back(Pending { verb, key, mark, due_ns, sent_ns: now_ns });
        true
    }

    fn read(&mut self, key: u64) -> (Verb, u64) {
        wire::draw_get(self.dialect, &mut self.out, &self.name);
        let floor = match self.ledger {
            None => 0,
            // Own writes before this on the same connection come first, answered or not.
            Some(ledger) if self.draw.owns(key) && !self.write_refused => ledger.sent(key),
            Some(ledger) => ledger.floor(key),
        };
        (Verb::Get, floor)
    }

    fn write(&mut self, key: u64) -> (Verb, u64) {
        let Some(ledger) = self.ledger else {
            let delete =
                self.plan.deletes_ppm > 0 && self.draw.chance().below(1_000_000) < self.plan.deletes_ppm.into();
            if delete {
                wire::draw_delete(self.dialect, &mut self.out, &self.name);
                return (Verb::Delete, 0);
            }
            let size = self.plan.sizes.pick(self.draw.chance().number());
            wire::draw_set(self.dialect, &mut self.out, &self.name, 0, &self.filler[..size]);
            return (Verb::Set, 0);
        };
        let version = ledger.send(key);
        if self.plan.is_delete(key, version) {
            wire::draw_delete(self.dialect, &mut self.out, &self.name);
            return (Verb::Delete, version);
        }
        self.value.clear();
        write_value(self.plan, key, version, &mut self.value);
        wire::draw_set(self.dialect, &mut self.out, &self.name, 0, &self.value);
        (Verb::Set, version)
    }

    /// What is to be written to the socket.
    pub fn unsent(&self) -> &[u8] {
        &self.out[self.out_at..]
    }

    pub fn sent(&mut self, count: usize) {
        self.out_at += count;
        if self.out_at == self.out.len() {
            self.out.clear();
            self.out_at = 0;
        }
    }

    /// Where received bytes go; never empty.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.in_from == self.in_to {
            (self.in_from, self.in_to) = (0, 0);
        }
        // 16 KiB: most batches of answers in one read.
        if self.input.len() - self.in_to < 16 << 10 {
            self.input.copy_within(self.in_from..self.in_to, 0);
            (self.in_from, self.in_to) = (0, self.in_to - self.in_from);
            if self.input.len() - self.in_to < 16 << 10 {
                let len = (self.input.len() * 2).max(32 << 10);
                self.input.resize(len, 0);
            }
        }
        &mut self.input[self.in_to..]
    }

    /// Reads the answers that `count` more bytes complete.
    pub fn received(&mut self, count: usize, now_ns: u64, tally: &mut Tally) -> Result<(), Box<Evidence>> {
        self.in_to += count;
        while let Some(pending) = self.pending.front() {
            let bytes = &self.input[self.in_from..self.in_to];
            if bytes.is_empty() {
                return Ok(());
            }
            self.plan.name_key(pending.key, &mut self.name);
            match self.reader.next(pending.verb, &self.name, bytes) {
                Ok(None) => return Ok(()),
                Ok(Some((answer, used))) => {
                    let judged = judge(self.plan, self.ledger, pending, &answer);
                    if let Err((what, got)) = judged {
                        return Err(self.evidence(what, now_ns, got));
                    }
                    let lost = pending.verb != Verb::Get && matches!(answer, Answer::Refused(_));
                    self.write_refused |= lost;
                    tally.answered(pending.verb, pending.due_ns, now_ns, &answer);
                    self.in_from += used;
                    self.pending.pop_front();
                }
                Err(Malformed(why)) => {
                    let shown = bytes[..bytes.len().min(160)].escape_ascii().to_string();
                    return Err(self.evidence(format!("the answer breaks the protocol: {why}"), now_ns, shown));
                }
            }
        }
        if self.in_from < self.in_to {
            let extra = &self.input[self.in_from..self.in_to];
            let what = "bytes that answer nothing".to_string();
            let shown = extra[..extra.len().min(160)].escape_ascii().to_string();
            self.name.clear();
            return Err(self.evidence(what, now_ns, shown));
        }
        Ok(())
    }

    fn evidence(&self, what: String, now_ns: u64, got: String) -> Box<Evidence> {
        let pending = self.pending.front();
        Box::new(Evidence {
            what,
            target: self.plan.target_of(self.id).to_string(),
            connection: self.id,
            key: self.name.escape_ascii().to_string(),
            sent_at_ns: pending.map_or(0, |p| p.sent_ns),
            answered_at_ns: now_ns,
            floor: pending.map_or(0, |p| p.mark),
            sent: pending.zip(self.ledger).map_or(0, |(p, l)| l.sent(p.key)),
            got,
        })
    }

    /// Nothing is in flight or waits to be sent.
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty() && self.unsent().is_empty()
    }

    /// Counts what was asked, or due, and never answered.
    pub fn abandon(&mut self, limits: &Limits, tally: &mut Tally) {
        tally.unanswered += self.pending.len() as u64;
        while matches!(self.pace, Pace::Open { .. }) && !self.finished && self.next_due_ns < limits.stop_ns {
            tally.unanswered += 1;
            self.next_due_ns += self.draw.chance().gap_ns(self.per_second).max(1);
        }
    }
}

fn judge(plan: &Plan, ledger: Option<&Ledger>, ask: &Pending, answer: &Answer) -> Result<(), (String, String)> {
    let Some(ledger) = ledger else { return Ok(()) };
    let got = match (ask.verb, answer) {
        (Verb::Get, Answer::Value { data, .. }) => Some(*data),
        (Verb::Get, Answer::Missing) => None,
        (_, Answer::Refused(_) | Answer::Word(_) | Answer::Value { .. }) => return Ok(()),
        (_, Answer::Done | Answer::Missing) => {
            ledger.acknowledge(ask.key, ask.mark);
            return Ok(());
        }
    };
    ledger.judge(plan, ask.key, ask.mark, got).map_err(|flaw| (flaw.told().to_string(), Evidence::describe(got)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::small;

    fn unlimited() -> Limits {
        Limits { stop_ns: u64::MAX, budget: None }
    }

    /// The answers of a server that acknowledges writes and holds nothing, and the verb of the last ask.
    fn forget_all(session: &mut Session) -> (Verb, Vec<u8>) {
        session.sent(session.unsent().len());
        let answer = |p: &Pending| if p.verb == Verb::Get { "$-1\r\n" } else { "+OK\r\n" };
        let answers: String = session.pending.iter().map(answer).collect();
        (session.pending.back().expect("something was asked").verb, answers.into_bytes())
    }

    #[test]
    fn a_lost_write_and_an_extra_answer_are_found() {
        let mut plan = small();
        (plan.connections, plan.keys, plan.sizes.most) = (1, 1, plan.sizes.least);
        let ledger = Ledger::new(1);
        let mut session = Session::new(&plan, Phase::Measure, Some(&ledger), &[], 0);
        let mut tally = Tally::new(0);
        let mut wrote = false;
        for _ in 0..1000 {
            assert_eq!(session.fill(0, &unlimited(), &mut tally), Next::Answers);
            let (verb, answers) = forget_all(&mut session);
            session.spare()[..answers.len()].copy_from_slice(&answers);
            let got = session.received(answers.len(), 1, &mut tally);
            if wrote && verb == Verb::Get {
                assert!(got.expect_err("the write is lost").what.starts_with("lost"));
                let mut session = Session::new(&plan, Phase::Measure, Some(&ledger), &[], 0);
                session.spare()[..5].copy_from_slice(b"+OK\r\n");
                let extra = session.received(5, 1, &mut tally).expect_err("nothing was asked");
                assert!(extra.what.contains("answer nothing"), "{}", extra.what);
                return;
            }
            assert!(got.is_ok());
            wrote |= verb == Verb::Set;
        }
        panic!("a thousand even chances gave no read after a write");
    }

    #[test]
    fn an_open_loop_counts_from_when_the_ask_was_due() {
        let mut plan = small();
        plan.pace = Pace::Open { per_second: 3000.0 };
        plan.verify = false;
        let filler = vec![b'x'; 100];
        let mut session = Session::new(&plan, Phase::Measure, None, &filler, 0);
        let limits = Limits { stop_ns: 10_000_000_000, budget: None };
        let mut tally = Tally::new(0);
        let first = match session.fill(0, &limits, &mut tally) {
            Next::Due(at) => at,
            other => panic!("{other:?} before anything is due"),
        };
        // A second late: one ask is in flight (the pipeline), its answer comes at once, and yet its latency is a second.
        let now = first + 1_000_000_000;
        assert_eq!(session.fill(now, &limits, &mut tally), Next::Answers);
        let (_, answers) = forget_all(&mut session);
        session.spare()[..answers.len()].copy_from_slice(&answers);
        assert!(session.received(answers.len(), now, &mut tally).is_ok());
        let worst = tally.all().max();
        assert!((999_000_000..1_001_000_000).contains(&worst), "{worst}");
        session.abandon(&limits, &mut tally);
        // 1000 a second on this connection, ten seconds, one sent.
        assert!((9_000..11_000).contains(&tally.unanswered), "{}", tally.unanswered);
    }
}
