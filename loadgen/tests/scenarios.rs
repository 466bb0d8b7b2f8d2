//! Room: loadgen, tests. The scenarios that are built in, each for a moment against the servers they are for, and every dialect
//! verified.

mod common;

use common::{memcached, patiently, redis};
use loadgen::outcome::Outcome;
use loadgen::plan::{Pace, Plan, Spread, Target};
use loadgen::run;
use loadgen::scenario::{BUILT_IN, parse};
use std::time::Duration;

/// Made small: a moment long and of few keys.
fn small(name: &str, text: &str, url: &str) -> Plan {
    let mut plan = parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
    plan.targets = vec![Target::parse(url).expect("sound")];
    plan.keys = plan.keys.min(2000);
    plan.connections = 12;
    if plan.phases.is_empty() {
        plan.duration = Some(Duration::from_millis(300));
    }
    plan.phases.iter_mut().for_each(|p| p.duration = Duration::from_millis(100));
    if let Pace::Open { per_second, .. } = &mut plan.pace {
        *per_second = per_second.min(5000.0);
    }
    for phase in &mut plan.phases {
        phase.rate = phase.rate.map(|(a, b)| (a.min(3000.0), b.min(3000.0)));
    }
    plan
}

fn check(name: &str, outcome: &Outcome) {
    assert_eq!(outcome.first_error, None, "{name}");
    assert_eq!(outcome.unanswered, 0, "{name}");
    assert!(outcome.all.len() > 50, "{name}: {} answers", outcome.all.len());
    for verb in outcome.verbs.iter().filter(|v| v.name != "connect") {
        assert!(verb.count > 0, "{name}: '{}' was never asked", verb.name);
    }
}

#[test]
fn every_scenario_runs_against_redis() {
    patiently(scenarios_of_redis);
}

fn scenarios_of_redis() {
    let Some(server) = redis(&[]) else { return };
    for built_in in BUILT_IN {
        let plan = small(built_in.name, built_in.text, &format!("resp://127.0.0.1:{}", server.port));
        let outcome = run::run(&plan, None).unwrap_or_else(|failure| panic!("{}: {failure}", built_in.name));
        check(built_in.name, &outcome);
        if built_in.name == "pubsub" {
            let verb = |name: &str| outcome.verbs.iter().find(|v| v.name == name).expect("it has this verb");
            assert!(verb("message").count > verb("publish").count / 2, "messages arrive");
            assert!(verb("message").latency.max() < 2_000_000_000);
        }
        // Scenarios use the same keys with different types.
        let mut socket = loadgen::socket::Socket::connect(&plan.targets[0]).expect("it listens");
        assert_eq!(socket.ask(&[b"FLUSHALL"]).expect("an answer"), b"+OK\r\n");
    }
}

#[test]
fn scenarios_for_both_run_against_memcached() {
    patiently(scenarios_of_memcached);
}

fn scenarios_of_memcached() {
    let Some(server) = memcached(&[]) else { return };
    let mut ran = 0;
    for built_in in BUILT_IN {
        for scheme in ["memcached", "memcached-meta"] {
            let plan = small(built_in.name, built_in.text, &format!("{scheme}://127.0.0.1:{}", server.port));
            let says = built_in.text.contains("RESP and memcached targets alike");
            if plan.refuse().is_some() {
                assert!(!says, "{} says that it is for memcached too", built_in.name);
                continue;
            }
            // Every scenario's keys may be of another's length.
            let plan = Plan { key_prefix: format!("{}{scheme}:", plan.key_prefix), ..plan };
            let outcome = run::run(&plan, None).unwrap_or_else(|failure| panic!("{}: {failure}", built_in.name));
            check(built_in.name, &outcome);
            ran += 1;
        }
    }
    assert!(ran > 20, "{ran}");
}

#[test]
fn every_dialect_is_verified() {
    let (redis, memcached) = (redis(&[]), memcached(&[]));
    let of = |server: &Option<common::Real>, scheme: &str| {
        server.as_ref().map(|s| Target::parse(&format!("{scheme}://127.0.0.1:{}", s.port)).expect("sound"))
    };
    let targets =
        [of(&redis, "resp"), of(&redis, "resp3"), of(&memcached, "memcached"), of(&memcached, "memcached-meta")];
    for target in targets.into_iter().flatten() {
        for churn in [None, Some(50)] {
            let plan = Plan {
                key_prefix: format!("{:?}{}:", target.dialect, churn.is_some()),
                targets: vec![target.clone()],
                connections: 8,
                threads: 2,
                pipeline: 4,
                keys: 300,
                sizes: Spread::parse("28-20000").expect("sound"),
                gets: 2,
                sets: 1,
                deletes_ppm: 100_000,
                requests: Some(10_000),
                churn,
                populate: true,
                verify: true,
                ..Plan::default()
            };
            let outcome = run::run(&plan, None).unwrap_or_else(|failure| panic!("{target}: {failure}"));
            assert!(outcome.verified && outcome.first_error.is_none(), "{target}: {:?}", outcome.first_error);
            assert_eq!(outcome.unanswered, 0, "{target}");
        }
    }
}

#[test]
fn the_command_lists_and_shows_its_scenarios() {
    let run = |arguments: &[&str]| {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_torc-load")).args(arguments).output().expect("built");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, list) = run(&["--list-scenarios"]);
    assert!(code == Some(0) && BUILT_IN.iter().all(|b| list.contains(b.name)), "{list}");
    assert_eq!(run(&["--show-scenario", "queue"]).1, BUILT_IN.iter().find(|b| b.name == "queue").expect("it is").text);
    assert_eq!(run(&["--scenario", "none-such", "--target", "resp://h"]).0, Some(64));
    assert_eq!(run(&["--show-scenario", "none-such"]).0, Some(64));
}
