//! Room: loadgen. Threads that move the bytes of many sessions by epoll. Touches: session, socket, poll, report.
//!
//! All that is asked and judged is in `session`; another engine needs `fill`, `unsent`, `spare` and `received` only.

use crate::plan::{Pace, Phase, Plan};
use crate::poll::{Poll, Ready, cpu_used_ns, sharpen_timers};
use crate::tally::Tally;
use crate::session::{Limits, Next, Session};
use crate::socket::Socket;
use crate::verify::{Evidence, Ledger};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

/// Why a run ended early.
#[derive(Debug)]
pub enum Failure {
    /// The world's: no connection, a connection lost, no answers.
    World(String),
    /// The server's: an answer that may not be.
    Bad(Box<Evidence>),
}

/// What a phase counted and the CPU time that this process used for it.
pub struct Outcome {
    pub tally: Tally,
    pub cpu_s: f64,
}

// 5 s after the last ask a server that still owes an answer is not slow but gone.
const DRAIN_PATIENCE_NS: u64 = 5_000_000_000;
// 30 s without a byte while answers are owed: longer than any pause of a server that lives.
const SILENCE_MOST_NS: u64 = 30_000_000_000;
// How often a thread that waits looks whether another has failed.
const LOOK_UP_NS: u64 = 100_000_000;

struct Shared<'p> {
    plan: &'p Plan,
    phase: Phase,
    ledger: Option<&'p Ledger>,
    filler: Vec<u8>,
    limits: Limits,
    stop: AtomicBool,
    connected: Barrier,
    start: OnceLock<Instant>,
    running: AtomicUsize,
    answers: AtomicU64,
    /// Since the live line was last drawn.
    worst_ns: AtomicU64,
}

/// Runs one phase of `plan`. With `live`, draws a line a second on stderr.
pub fn run(plan: &Plan, phase: Phase, ledger: Option<&Ledger>, live: bool) -> Result<Outcome, Failure> {
    let threads = plan.threads.min(plan.connections);
    let measuring = phase == Phase::Measure;
    let stop_after = plan.duration.filter(|_| measuring).map(|d| d + plan.warmup);
    let shared = Shared {
        plan,
        phase,
        ledger,
        filler: vec![b'x'; plan.sizes.most as usize],
        limits: Limits {
            stop_ns: stop_after.map_or(u64::MAX, |d| d.as_nanos() as u64),
            budget: plan.requests.filter(|_| measuring).map(AtomicU64::new),
        },
        stop: AtomicBool::new(false),
        connected: Barrier::new(threads),
        start: OnceLock::new(),
        running: AtomicUsize::new(threads),
        answers: AtomicU64::new(0),
        worst_ns: AtomicU64::new(0),
    };
    let cpu_before = cpu_used_ns();
    let ended: Vec<Result<Tally, Failure>> = std::thread::scope(|scope| {
        let shared = &shared;
        let handles: Vec<_> = (0..threads).map(|t| scope.spawn(move || thread(shared, t, threads))).collect();
        if live {
            draw_live_line(shared);
        }
        handles.into_iter().map(|h| h.join().expect("a thread of the engine does not panic")).collect()
    });
    let warmup_ns = if measuring { plan.warmup.as_nanos() as u64 } else { 0 };
    let mut outcome = Outcome { tally: Tally::new(warmup_ns), cpu_s: (cpu_used_ns() - cpu_before) as f64 / 1e9 };
    let mut failures = Vec::new();
    for end in ended {
        match end {
            Ok(tally) => outcome.tally.add(&tally),
            Err(failure) => failures.push(failure),
        }
    }
    // Bad data first: a lost connection may be what follows from it.
    failures.sort_by_key(|f| matches!(f, Failure::World(_)));
    match failures.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(outcome),
    }
}

fn thread(shared: &Shared, index: usize, threads: usize) -> Result<Tally, Failure> {
    let ended = work(shared, index, threads);
    if ended.is_err() {
        shared.stop.store(true, Ordering::SeqCst);
    }
    shared.running.fetch_sub(1, Ordering::SeqCst);
    ended
}

struct Line<'p> {
    socket: Socket,
    session: Session<'p>,
    /// The kernel's buffer was full.
    blocked: bool,
    next: Next,
    over: bool,
}

fn work(shared: &Shared, index: usize, threads: usize) -> Result<Tally, Failure> {
    let plan = shared.plan;
    sharpen_timers();
    let opened = open(shared, index, threads);
    shared.connected.wait();
    let (mut poll, mut lines) = opened?;
    let start = *shared.start.get_or_init(Instant::now);
    let now = || start.elapsed().as_nanos() as u64;
    let warmup_ns = if shared.phase == Phase::Measure { plan.warmup.as_nanos() as u64 } else { 0 };
    let mut tally = Tally::new(warmup_ns);
    let mut due: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut ready: Vec<Ready> = Vec::new();
    let mut left = lines.len();
    let mut heard_ns = 0;
    for (at, line) in lines.iter_mut().enumerate() {
        left -= usize::from(advance(line, at, now(), shared, &poll, &mut tally, &mut due)?);
    }
    while left > 0 {
        let time = now();
        let wait_ns = due.peek().map_or(LOOK_UP_NS, |Reverse((at, _))| at.saturating_sub(time).min(LOOK_UP_NS));
        ready.clear();
        poll.wait(wait_ns, &mut ready).map_err(|e| Failure::World(format!("epoll: {e}")))?;
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        for event in &ready {
            let line = &mut lines[event.token];
            if line.over {
                continue;
            }
            if event.readable {
                receive(line, &now, shared, &mut tally)?;
                heard_ns = now();
            }
            left -= usize::from(advance(line, event.token, now(), shared, &poll, &mut tally, &mut due)?);
        }
        let time = now();
        while let Some(Reverse((at, token))) = due.peek().copied()
            && at <= time
        {
            due.pop();
            let line = &mut lines[token];
            if line.over || line.next != Next::Due(at) {
                continue;
            }
            left -= usize::from(advance(line, token, now(), shared, &poll, &mut tally, &mut due)?);
        }
        if time > shared.limits.stop_ns.saturating_add(DRAIN_PATIENCE_NS) {
            break;
        }
        let owed = || lines.iter().any(|l| !l.session.is_quiet());
        if time.saturating_sub(heard_ns) > SILENCE_MOST_NS && ready.is_empty() {
            if owed() {
                return Err(Failure::World("no answer for 30 seconds".into()));
            }
            heard_ns = time;
        }
    }
    lines.iter_mut().filter(|l| !l.over).for_each(|l| l.session.abandon(&shared.limits, &mut tally));
    Ok(tally)
}

type Opened<'p> = (Poll, Vec<Line<'p>>);

fn open<'p>(shared: &'p Shared, index: usize, threads: usize) -> Result<Opened<'p>, Failure> {
    let plan = shared.plan;
    let poll = Poll::new().map_err(|e| Failure::World(format!("epoll: {e}")))?;
    let mut lines = Vec::new();
    for id in (index..plan.connections).step_by(threads) {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let socket = Socket::connect(plan.target_of(id)).map_err(Failure::World)?;
        let watched = socket.set_nonblocking().and_then(|()| poll.add(socket.as_raw_fd(), lines.len()));
        watched.map_err(|e| Failure::World(format!("connection {id}: {e}")))?;
        let session = Session::new(plan, shared.phase, shared.ledger, &shared.filler, id);
        lines.push(Line { socket, session, blocked: false, next: Next::Answers, over: false });
    }
    Ok((poll, lines))
}

fn receive(line: &mut Line, now: &impl Fn() -> u64, shared: &Shared, tally: &mut Tally) -> Result<(), Failure> {
    let lost = |line: &Line, why: String| {
        let id = line.session.id();
        Failure::World(format!("{} dropped connection {id}: {why}", shared.plan.target_of(id)))
    };
    let count = match line.socket.read(line.session.spare()) {
        Ok(0) => return Err(lost(line, "end of stream".into())),
        Ok(count) => count,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return Ok(()),
        Err(error) => return Err(lost(line, error.to_string())),
    };
    tally.bytes_in += count as u64;
    let before = (tally.gets.len() + tally.writes.len(), tally.slowest.first().map_or(0, |s| s.took_ns));
    line.session.received(count, now(), tally).map_err(Failure::Bad)?;
    shared.answers.fetch_add(tally.gets.len() + tally.writes.len() - before.0, Ordering::Relaxed);
    let worst = tally.slowest.first().map_or(0, |s| s.took_ns);
    if worst > before.1 {
        shared.worst_ns.fetch_max(worst, Ordering::Relaxed);
    }
    Ok(())
}

/// Asks and writes what can be; whether the line has just come to its end.
fn advance(
    line: &mut Line,
    token: usize,
    now_ns: u64,
    shared: &Shared,
    poll: &Poll,
    tally: &mut Tally,
    due: &mut BinaryHeap<Reverse<(u64, usize)>>,
) -> Result<bool, Failure> {
    let next = line.session.fill(now_ns, &shared.limits, tally);
    if let Next::Due(at) = next
        && line.next != next
    {
        due.push(Reverse((at, token)));
    }
    line.next = next;
    let broken = |id: usize, e: io::Error| Failure::World(format!("connection {id}: {e}"));
    while !line.session.unsent().is_empty() {
        match line.socket.write(line.session.unsent()) {
            Ok(count) => {
                tally.bytes_out += count as u64;
                line.session.sent(count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(line.session.id(), error)),
        }
    }
    let blocked = !line.session.unsent().is_empty();
    if blocked != line.blocked {
        let changed = poll.want_write(line.socket.as_raw_fd(), token, blocked);
        changed.map_err(|e| broken(line.session.id(), e))?;
        line.blocked = blocked;
    }
    line.over = next == Next::Finished && line.session.is_quiet();
    Ok(line.over)
}

fn draw_live_line(shared: &Shared) {
    let mut shown = (Instant::now(), 0);
    let begun = shown.0;
    let mut drawn = false;
    while shared.running.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(Duration::from_millis(20));
        let passed = shown.0.elapsed();
        if passed < Duration::from_secs(1) {
            continue;
        }
        let answers = shared.answers.load(Ordering::Relaxed);
        let per_second = (answers - shown.1) as f64 / passed.as_secs_f64();
        let what = match (shared.phase, shared.plan.pace) {
            (Phase::Populate, _) => "populating".to_string(),
            (_, Pace::Closed) => "closed loop".to_string(),
            (_, Pace::Open { per_second }) => format!("open loop at {per_second}/s"),
        };
        let worst_ms = shared.worst_ns.load(Ordering::Relaxed) as f64 / 1e6;
        let seconds = begun.elapsed().as_secs();
        eprint!("\r{seconds:4} s  {what}: {answers} answers, {per_second:.0}/s, slowest so far {worst_ms:.2} ms   ");
        drawn = true;
        shown = (Instant::now(), answers);
    }
    if drawn {
        eprintln!();
    }
}
