//! Room: loadgen. Runs one stage of a plan on its threads and gathers what they counted. Touches: worker, book, tally.

use crate::book::Book;
use crate::dial::Address;
use crate::outcome::{Live, LiveCell, Stage, TICKS_MAX, Tick};
use crate::plan::{Pace, Phase, Plan};
use crate::poll::cpu_used_ns;
use crate::tally::{Interval, Tally};
use crate::verify::{Evidence, Ledger};
use crate::worker;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Why a run ended early.
#[derive(Debug)]
pub enum Failure {
    /// The world's: no connection, a connection lost, no answers.
    World(String),
    /// The server's: an answer that may not be.
    Bad(Box<Evidence>),
    /// The server's, in its words: populating met errors.
    Refused(String),
}

/// What a stage counted and what it cost.
pub struct StageEnd {
    pub names: Vec<String>,
    pub tally: Tally,
    /// CPU of the measuring threads in measured time.
    pub cpu_s: f64,
    /// Of the thread that was busiest, 0 to 1.
    pub cpu_share_max: f64,
    pub series: Vec<Tick>,
    /// Answers and asks in measured time, by the clock rather than by the last answer.
    pub seconds: f64,
}

/// One thread's end.
pub struct ThreadEnd {
    pub tally: Tally,
    pub cpu_ns: u64,
    pub wall_ns: u64,
}

/// What the threads of a stage share.
pub struct Shared<'p> {
    pub plan: &'p Plan,
    pub book: Book<'p>,
    /// By target; in a cluster by node, whose slots are told beside.
    pub addresses: Vec<Address>,
    pub slots: Option<crate::cluster::Slots>,
    pub stop: AtomicBool,
    pub connected: Barrier,
    pub epoch: Instant,
    pub start: OnceLock<Instant>,
    running: Mutex<usize>,
    ended: Condvar,
    /// Connections that are ready.
    pub ready: AtomicUsize,
    /// By `TICK_NS` since measuring began; those of the warm-up are below 0.
    pub intervals: Mutex<BTreeMap<i64, Interval>>,
    pub first_error: Mutex<Option<String>>,
}

pub const TICK_NS: u64 = 250_000_000;

/// Where a plan's connections go.
pub struct Where {
    pub addresses: Vec<Address>,
    pub slots: Option<crate::cluster::Slots>,
}

/// Runs one phase of `plan`, telling `live` how it goes.
pub fn run(
    plan: &Plan,
    phase: Phase,
    to: &Where,
    ledger: Option<&Ledger>,
    newest: &AtomicU64,
    live: &LiveCell,
) -> Result<StageEnd, Failure> {
    let threads = plan.threads.min(plan.connections);
    let book = Book::new(plan, phase, ledger);
    book.newest.store(newest.load(Ordering::Relaxed).max(plan.keys), Ordering::Relaxed);
    let shared = Shared {
        plan,
        book,
        addresses: to.addresses.clone(),
        slots: to.slots.clone(),
        stop: AtomicBool::new(false),
        connected: Barrier::new(threads),
        epoch: Instant::now(),
        start: OnceLock::new(),
        running: Mutex::new(threads),
        ended: Condvar::new(),
        ready: AtomicUsize::new(0),
        intervals: Mutex::new(BTreeMap::new()),
        first_error: Mutex::new(None),
    };
    let mut watch = Watch::new(&shared);
    let ended: Vec<Result<ThreadEnd, Failure>> = std::thread::scope(|scope| {
        let shared = &shared;
        let handles: Vec<_> = (0..threads)
            .map(|index| {
                scope.spawn(move || {
                    let ended = worker::work(shared, index, threads);
                    if ended.is_err() {
                        shared.stop.store(true, Ordering::SeqCst);
                    }
                    *shared.running.lock().expect("nobody panics holding it") -= 1;
                    shared.ended.notify_all();
                    ended
                })
            })
            .collect();
        watch.run(live);
        handles.into_iter().map(|h| h.join().expect("a thread of the engine does not panic")).collect()
    });
    newest.store(shared.book.newest.load(Ordering::Relaxed), Ordering::Relaxed);
    let mut tally = Tally::new(shared.book.names.len(), shared.book.warmup_ns);
    let (mut cpu_ns, mut share) = (0, 0.0f64);
    let mut wall_ns = 0;
    let mut failures = Vec::new();
    for end in ended {
        match end {
            Ok(end) => {
                tally.add(&end.tally);
                cpu_ns += end.cpu_ns;
                wall_ns = wall_ns.max(end.wall_ns);
                share = share.max(end.cpu_ns as f64 / end.wall_ns.max(1) as f64);
            }
            Err(failure) => failures.push(failure),
        }
    }
    // Bad data first: a lost connection may be what follows from it.
    failures.sort_by_key(|f| matches!(f, Failure::World(_)));
    if let Some(failure) = failures.into_iter().next() {
        return Err(failure);
    }
    let seconds = tally.seconds();
    let series = watch.series();
    Ok(StageEnd { names: shared.book.names, tally, cpu_s: cpu_ns as f64 / 1e9, cpu_share_max: share, series, seconds })
}

/// Gathers what the threads publish: the series, and what is shown live.
struct Watch<'s, 'p> {
    shared: &'s Shared<'p>,
    kept: Vec<Kept>,
    /// Ticks to a kept one: doubles when there are too many.
    joined: usize,
    cpu_ns: u64,
    looked: Instant,
    answers: u64,
    errors: u64,
    number: u64,
}

struct Kept {
    at_s: f64,
    ticks: usize,
    interval: Interval,
    wanted_per_s: Option<f64>,
    phase: usize,
    cpu_ticks: f64,
}

impl<'s, 'p> Watch<'s, 'p> {
    fn new(shared: &'s Shared<'p>) -> Watch<'s, 'p> {
        Watch {
            shared,
            kept: Vec::new(),
            joined: 1,
            cpu_ns: cpu_used_ns(),
            looked: Instant::now(),
            answers: 0,
            errors: 0,
            number: 0,
        }
    }

    fn run(&mut self, live: &LiveCell) {
        let mut running = self.shared.running.lock().expect("nobody panics holding it");
        while *running > 0 {
            // Threads publish when a tick is over; a tenth of one later they have.
            let wait = Duration::from_nanos(TICK_NS);
            (running, _) = self.shared.ended.wait_timeout(running, wait).expect("nobody panics holding it");
            if *running > 0 && self.looked.elapsed() >= wait / 2 {
                drop(running);
                let shown = self.look();
                live.put(shown);
                running = self.shared.running.lock().expect("nobody panics holding it");
            }
        }
        drop(running);
        self.look();
    }

    fn take(&mut self, all: bool) -> Vec<(i64, Interval)> {
        let mut intervals = self.shared.intervals.lock().expect("nobody panics holding it");
        let now = self.shared.start.get().map_or(0, |s| s.elapsed().as_nanos() as u64);
        let current = tick_of(now, self.shared.book.warmup_ns);
        let mut taken = Vec::new();
        while let Some(entry) = intervals.first_entry() {
            if *entry.key() >= current && !all {
                break;
            }
            taken.push(entry.remove_entry());
        }
        taken
    }

    fn look(&mut self) -> Live {
        let book = &self.shared.book;
        let over = *self.shared.running.lock().expect("nobody panics holding it") == 0;
        let taken = self.take(over);
        let cpu_ns = cpu_used_ns();
        let passed = self.looked.elapsed().as_secs_f64().max(1e-3);
        let own_cpu = (cpu_ns - self.cpu_ns) as f64 / 1e9 / passed;
        (self.cpu_ns, self.looked) = (cpu_ns, Instant::now());
        let mut recent = Interval::default();
        let ticks = taken.len();
        for (tick, interval) in taken {
            self.answers += interval.answers;
            self.errors += interval.errors;
            recent.add(&interval);
            if tick >= 0 && book.phase == Phase::Measure {
                self.keep(tick as u64, interval, own_cpu);
            }
        }
        let start = self.shared.start.get();
        let now_ns = start.map_or(0, |s| s.elapsed().as_nanos() as u64);
        let now_s = now_ns as f64 / 1e9;
        let plan = self.shared.plan;
        let warmup_s = book.warmup_ns as f64 / 1e9;
        let (stage, progress, left_s) = match (start, book.phase) {
            (None, _) => {
                let ready = self.shared.ready.load(Ordering::Relaxed);
                (Stage::Connecting, ready as f64 / plan.connections as f64, None)
            }
            (Some(_), Phase::Populate) => {
                let all = plan.keys * book.names.len() as u64;
                let done = self.answers as f64 / all as f64;
                (Stage::Populating, done, (done > 0.0).then(|| now_s / done * (1.0 - done)))
            }
            (Some(_), Phase::Measure) if now_ns < book.warmup_ns => {
                (Stage::Warming, now_s / warmup_s, Some(warmup_s - now_s))
            }
            (Some(_), Phase::Measure) => {
                let by_time = plan.measured().map(|d| (now_s - warmup_s) / d.as_secs_f64().max(1e-9));
                let by_count = plan.requests.map(|r| self.answers as f64 / r.max(1) as f64);
                let done = by_time.into_iter().chain(by_count).fold(0.0, f64::max);
                (Stage::Measuring, done, (done > 0.0).then(|| (now_s - warmup_s) / done * (1.0 - done).max(0.0)))
            }
        };
        let phase = book.phase_at(now_ns);
        self.number += 1;
        let tick_s = ticks.max(1) as f64 * TICK_NS as f64 / 1e9;
        Live {
            number: self.number,
            stage,
            phase: plan
                .phases
                .get(phase)
                .filter(|_| book.phase == Phase::Measure)
                .map_or(String::new(), |p| p.name.clone()),
            progress: progress.clamp(0.0, 1.0),
            left_s,
            passed_s: now_s,
            answers: self.answers,
            errors: self.errors,
            per_s: recent.answers as f64 / tick_s,
            wanted_per_s: self.wanted(now_ns),
            p50_ns: recent.quantile_ns(0.5),
            p90_ns: recent.quantile_ns(0.9),
            p99_ns: recent.quantile_ns(0.99),
            p999_ns: recent.quantile_ns(0.999),
            max_ns: recent.max_ns,
            late_max_ns: recent.late_max_ns,
            own_cpu,
            first_error: self.shared.first_error.lock().expect("nobody panics holding it").clone(),
        }
    }

    fn wanted(&self, now_ns: u64) -> Option<f64> {
        let open = self.shared.book.phase == Phase::Measure && self.shared.plan.pace != Pace::Closed;
        open.then(|| self.shared.book.rate_at(now_ns)).flatten()
    }

    fn keep(&mut self, tick: u64, interval: Interval, own_cpu: f64) {
        let at_ns = tick * TICK_NS + self.shared.book.warmup_ns;
        let at_s = tick as f64 * TICK_NS as f64 / 1e9;
        let phase = self.shared.book.phase_at(at_ns);
        let wanted_per_s = self.wanted(at_ns + TICK_NS - 1);
        if let Some(last) = self.kept.last_mut()
            && last.ticks < self.joined
            && last.phase == phase
        {
            last.interval.add(&interval);
            last.ticks += 1;
            last.cpu_ticks += own_cpu;
            last.wanted_per_s = wanted_per_s;
            return;
        }
        self.kept.push(Kept { at_s, ticks: 1, interval, wanted_per_s, phase, cpu_ticks: own_cpu });
        if self.kept.len() > TICKS_MAX {
            self.joined *= 2;
            let mut halved: Vec<Kept> = Vec::with_capacity(self.kept.len() / 2 + 1);
            for kept in self.kept.drain(..) {
                match halved.last_mut() {
                    Some(last) if last.ticks < self.joined && last.phase == kept.phase => {
                        last.interval.add(&kept.interval);
                        last.ticks += kept.ticks;
                        last.cpu_ticks += kept.cpu_ticks;
                        last.wanted_per_s = kept.wanted_per_s;
                    }
                    _ => halved.push(kept),
                }
            }
            self.kept = halved;
        }
    }

    fn series(&self) -> Vec<Tick> {
        let told = |k: &Kept| {
            let seconds = k.ticks as f64 * TICK_NS as f64 / 1e9;
            k.interval.tick(k.at_s, seconds, k.phase, k.wanted_per_s, k.cpu_ticks / k.ticks as f64)
        };
        self.kept.iter().map(told).collect()
    }
}

/// Which tick a time falls into; those before measuring are below 0.
pub fn tick_of(now_ns: u64, warmup_ns: u64) -> i64 {
    (now_ns as i64 - warmup_ns as i64).div_euclid(TICK_NS as i64)
}
