//! Room: loadgen, tests. What figures mean: a server that stalls on purpose, one of known speed, rates that change.

mod common;

use common::{patiently, serve};
use loadgen::objective::Goal;
use loadgen::outcome::{Arrivals, Outcome, Pace};
use loadgen::plan::{KeyChoice, PhasePlan, Plan, Spread, Target};
use loadgen::run;
use std::sync::Mutex;
use std::time::{Duration, Instant};

fn plan(port: u16) -> Plan {
    Plan {
        targets: vec![Target::parse(&format!("resp://127.0.0.1:{port}")).expect("sound")],
        connections: 4,
        keys: 1000,
        sizes: Spread::Fixed(10),
        gets: 1,
        sets: 0,
        may_miss: true,
        ..Plan::default()
    }
}

fn open(per_second: f64) -> Pace {
    Pace::Open { per_second, arrivals: Arrivals::Constant }
}

fn ran(plan: &Plan) -> Outcome {
    run::run(plan, None).unwrap_or_else(|failure| panic!("{failure}"))
}

const STALL: Duration = Duration::from_millis(500);

/// Answers at once, but stands still for half a second, one second after its first ask.
fn stalling() -> u16 {
    let begun: Mutex<Option<(Instant, bool)>> = Mutex::new(None);
    serve(move |_, _| {
        // Whoever asks during the stall waits for the lock, and so for its end.
        let mut begun = begun.lock().expect("no panic while held");
        let (since, stalled) = begun.get_or_insert((Instant::now(), false));
        if !*stalled && since.elapsed() > Duration::from_secs(1) {
            *stalled = true;
            std::thread::sleep(STALL);
        }
        Some(b"$-1\r\n".to_vec())
    })
}

#[test]
fn an_open_loop_shows_a_stall_that_a_closed_one_hides() {
    patiently(stall_in_both_loops);
}

fn stall_in_both_loops() {
    let duration = Some(Duration::from_secs(3));
    let closed = ran(&Plan { duration, ..plan(stalling()) });
    // 2000 a second for 3 s: the half second of the stall is a sixth of what was due.
    let open = ran(&Plan { duration, pace: open(2000.0), pipeline: 1000, ..plan(stalling()) });
    let ms = |outcome: &Outcome, q| outcome.all.value_at_quantile(q) as f64 / 1e6;
    assert!(ms(&closed, 0.99) < 100.0, "closed: p99 {} ms", ms(&closed, 0.99));
    assert!(closed.all.max() as f64 / 1e6 >= 450.0, "the stall happened: {} ns", closed.all.max());
    assert!(ms(&open, 0.99) > 400.0, "open: p99 {} ms", ms(&open, 0.99));
    assert!(ms(&open, 0.90) > 100.0, "open: p90 {} ms", ms(&open, 0.90));
    // The server's stall is not this program's lateness.
    assert!((open.late.value_at_quantile(0.9) as f64 / 1e6) < 100.0, "late: {}", open.late.value_at_quantile(0.9));
    assert_eq!((open.unanswered, open.all.len()), (0, 6000));
    let worst = open.series.iter().max_by_key(|t| t.p99_ns).expect("a series");
    assert!((0.75..2.0).contains(&worst.at_s), "the stall is at {} s", worst.at_s);
}

#[test]
fn a_stall_counts_even_where_no_connection_is_free() {
    patiently(stall_of_few_connections);
}

fn stall_of_few_connections() {
    // One in flight on each of four connections: what is due meanwhile cannot be sent, and still waits.
    let open = ran(&Plan { duration: Some(Duration::from_secs(3)), pace: open(2000.0), ..plan(stalling()) });
    assert!(open.all.value_at_quantile(0.99) > 400_000_000, "{}", open.all.value_at_quantile(0.99));
    assert_eq!(open.unanswered, 0);
}

#[test]
fn a_rate_that_is_not_reached_is_told() {
    patiently(rate_beyond_reach);
}

fn rate_beyond_reach() {
    // 4 ms an ask, one after another: 250 a second.
    let turn = Mutex::new(());
    let port = serve(move |_, _| {
        let _one = turn.lock().expect("no panic while held");
        std::thread::sleep(Duration::from_millis(4));
        Some(b"$-1\r\n".to_vec())
    });
    let outcome = ran(&Plan { duration: Some(Duration::from_secs(1)), pace: open(3000.0), pipeline: 2, ..plan(port) });
    assert!(outcome.unanswered > 500, "{}", outcome.unanswered);
    let told = outcome.warnings.join("\n");
    assert!(told.contains("rate was not reached") && told.contains("no answer when the run ended"), "{told}");
}

#[test]
fn phases_change_the_rate_and_the_mix() {
    patiently(phases);
}

fn phases() {
    let port = serve(|_, words| Some(if words[0] == b"GET" { b"$-1\r\n".to_vec() } else { b"+OK\r\n".to_vec() }));
    let phase = |name: &str, rate, mix: Option<&str>| PhasePlan {
        name: name.into(),
        duration: Duration::from_secs(1),
        rate,
        mix: mix.map(|verb| vec![(verb.to_string(), 1.0)]),
        choice: Some(KeyChoice::Zipf { theta: 1.0 }),
    };
    let outcome = ran(&Plan {
        gets: 1,
        sets: 1,
        pace: open(500.0),
        phases: vec![
            phase("up", Some((0.0, 2000.0)), Some("get")),
            phase("rest", Some((0.0, 0.0)), None),
            phase("writes", None, Some("set")),
        ],
        pipeline: 64,
        warmup: Duration::from_millis(250),
        ..plan(port)
    });
    let count = |name: &str| outcome.verbs.iter().find(|v| v.name == name).map_or(0, |v| v.count);
    assert!((995..=1005).contains(&count("get")), "{}", count("get"));
    assert!((495..=505).contains(&count("set")), "{}", count("set"));
    let answers = |phase| outcome.series.iter().filter(|t| t.phase == phase).map(|t| t.answers).sum::<u64>();
    assert!((980..=1010).contains(&answers(0)) && answers(1) <= 10, "{} {}", answers(0), answers(1));
    let names: Vec<(&str, f64)> = outcome.phases.iter().map(|p| (p.name.as_str(), p.to_s)).collect();
    assert_eq!(names, [("up", 1.0), ("rest", 2.0), ("writes", 3.0)]);
    // The second half of a ramp from nothing has three times the asks of the first.
    let half = |from: f64| {
        outcome
            .series
            .iter()
            .filter(|t| t.phase == 0 && (from..from + 0.5).contains(&t.at_s))
            .map(|t| t.answers)
            .sum::<u64>()
    };
    assert!(half(0.5) > 2 * half(0.0), "{} {}", half(0.0), half(0.5));
}

#[test]
fn the_limit_of_a_server_of_known_speed_is_found() {
    patiently(limit_of_known_speed);
}

fn limit_of_known_speed() {
    // 1 ms an ask on each of two connections: at most 2000 a second; sleeping takes a little longer. A run of half a
    // second may owe 50 ms of work at its end (a tenth), and Poisson arrivals of 1000 stray by a tenth (3 sigma).
    let port = serve(|_, _| {
        std::thread::sleep(Duration::from_millis(1));
        Some(b"$-1\r\n".to_vec())
    });
    let outcome = ran(&Plan {
        connections: 2,
        pipeline: 16,
        duration: Some(Duration::from_millis(500)),
        find_limit: Some(Goal::parse("p99=50ms").expect("sound")),
        ..plan(port)
    });
    let points = outcome.limit.as_ref().expect("a search has a curve");
    let best = points.iter().filter(|p| p.met).map(|p| p.rate).fold(0.0, f64::max);
    assert!((200.0..2500.0).contains(&best), "{best}");
    assert!(points.windows(2).all(|w| w[0].rate <= w[1].rate) && points.iter().any(|p| !p.met), "{points:?}");
    assert!(outcome.objectives.iter().all(|o| o.met), "{:?}", outcome.objectives);
    assert_eq!(outcome.pace, Pace::Open { per_second: best, arrivals: Arrivals::Poisson });
}

#[test]
fn objectives_are_judged() {
    let port = serve(|_, _| Some(b"$-1\r\n".to_vec()));
    let goals = ["p99=1h", "p50=1ns", "rate=10", "rate=1G", "errors=0", "get:max=1h", "misses=0"];
    let outcome = ran(&Plan {
        duration: Some(Duration::from_millis(300)),
        objectives: goals.iter().map(|g| Goal::parse(g).expect("sound")).collect(),
        ..plan(port)
    });
    let met: Vec<bool> = outcome.objectives.iter().map(|o| o.met).collect();
    assert_eq!(met, [true, false, true, false, true, true, false]);
}
