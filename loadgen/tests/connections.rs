//! Room: loadgen, tests. Connections: made anew, redirected, greeted, many.

mod common;

use common::{Words, patiently, redis, serve, serve_on};
use loadgen::cluster::slot_of;
use loadgen::outcome::{Arrivals, Outcome, Pace};
use loadgen::plan::{Plan, Target};
use loadgen::run::{self, Failure};
use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn plan(port: u16) -> Plan {
    Plan {
        targets: vec![Target::parse(&format!("resp://127.0.0.1:{port}")).expect("sound")],
        connections: 6,
        keys: 500,
        gets: 1,
        sets: 1,
        may_miss: true,
        requests: Some(3000),
        ..Plan::default()
    }
}

fn ran(plan: &Plan) -> Outcome {
    run::run(plan, None).unwrap_or_else(|failure| panic!("{failure}"))
}

fn plain(words: &Words) -> Vec<u8> {
    if words[0] == b"GET" { b"$-1\r\n".to_vec() } else { b"+OK\r\n".to_vec() }
}

#[test]
fn worn_connections_are_made_anew() {
    let per_connection: Arc<Mutex<Vec<u64>>> = Arc::default();
    let counts = per_connection.clone();
    let port = serve(move |number, words| {
        let mut counts = counts.lock().expect("no panic while held");
        let number = number as usize;
        if counts.len() <= number {
            counts.resize(number + 1, 0);
        }
        counts[number] += 1;
        Some(plain(words))
    });
    let paces = [Pace::Closed, Pace::Open { per_second: 20_000.0, arrivals: Arrivals::Poisson }];
    for (pace, threads) in paces.into_iter().zip([1, 2]) {
        per_connection.lock().expect("no panic while held").clear();
        let outcome = ran(&Plan { churn: Some(10), pipeline: 4, pace, threads, ..plan(port) });
        let verb = |name: &str| outcome.verbs.iter().find(|v| v.name == name).expect("it has this verb").count;
        assert_eq!((verb("get") + verb("set"), outcome.unanswered), (3000, 0), "{pace:?}");
        // 3000 asks at ten a connection: 300, of which the first six are no reconnects.
        assert!((290..=300).contains(&outcome.reconnects), "{pace:?}: {}", outcome.reconnects);
        assert!(
            verb("connect") <= outcome.reconnects && verb("connect") + 6 >= outcome.reconnects,
            "{}",
            verb("connect")
        );
        let most = per_connection.lock().expect("no panic while held").iter().copied().max();
        assert_eq!(most, Some(10), "{pace:?}");
    }
}

const HALF: u16 = 8192;

/// Two nodes. The first says that it has all slots; it has the lower half. With `asks`, a third of its slots are on the move,
/// so that every other ask for them is sent on with ASK. What each was asked, and what it had to refuse, is counted.
fn cluster(asks: bool) -> (u16, Arc<[AtomicU64; 3]>) {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let ports = [0, 1].map(|i| listeners[i].local_addr().expect("bound").port());
    let counts: Arc<[AtomicU64; 3]> = Arc::default();
    let honest = Arc::new(AtomicBool::new(false));
    for (node, listener) in listeners.into_iter().enumerate() {
        let (counts, honest) = (counts.clone(), honest.clone());
        let asking: Mutex<HashSet<u64>> = Mutex::default();
        serve_on(listener, move |number, words| {
            if words[0] == b"CLUSTER" {
                let first = if honest.swap(true, Ordering::SeqCst) { HALF - 1 } else { 16383 };
                let mut told = format!("*3\r\n:0\r\n:{first}\r\n*2\r\n$9\r\n127.0.0.1\r\n:{}\r\n", ports[0]);
                let mut ranges = 1;
                if first < 16383 {
                    told += &format!("*3\r\n:{HALF}\r\n:16383\r\n*2\r\n$0\r\n\r\n:{}\r\n", ports[1]);
                    ranges = 2;
                }
                return Some(format!("*{ranges}\r\n{told}").into_bytes());
            }
            if words[0] == b"ASKING" {
                asking.lock().expect("no panic while held").insert(number);
                return Some(b"+OK\r\n".to_vec());
            }
            let asked = asking.lock().expect("no panic while held").remove(&number);
            let slot = slot_of(&words[1]);
            let owner = usize::from(slot >= HALF);
            let moving = asks && owner == 0 && slot.is_multiple_of(3);
            if node != owner && !(asked && moving) {
                counts[2].fetch_add(1, Ordering::SeqCst);
                // Without a host: the one that was asked.
                return Some(format!("-MOVED {slot} :{}\r\n", ports[owner]).into_bytes());
            }
            if moving && node == owner {
                return Some(format!("-ASK {slot} 127.0.0.1:{}\r\n", ports[1]).into_bytes());
            }
            counts[node].fetch_add(1, Ordering::SeqCst);
            Some(plain(words))
        });
    }
    (ports[0], counts)
}

#[test]
fn redirects_of_a_cluster_are_followed() {
    patiently(redirects);
}

fn redirects() {
    for asks in [false, true] {
        for pace in [Pace::Closed, Pace::Open { per_second: 5000.0, arrivals: Arrivals::Poisson }] {
            let (port, counts) = cluster(asks);
            let outcome = ran(&Plan { cluster: true, pipeline: 3, pace, threads: 2, populate: true, ..plan(port) });
            let told = format!("asks {asks}, {pace:?}: {counts:?}");
            assert_eq!((outcome.all.len(), outcome.unanswered, outcome.first_error), (3000, 0, None), "{told}");
            let count = |i: usize| counts[i].load(Ordering::SeqCst);
            // Populating's 500 too; half of the slots each, but for those on the move.
            assert_eq!(count(0) + count(1), 3500, "{told}");
            assert!(count(0) > 900 && count(1) > 1400, "{told}");
            // The map is learnt: not every ask for the upper half goes astray.
            assert!((1..700).contains(&count(2)), "{told}");
        }
    }
}

#[test]
fn a_cluster_that_is_none_is_told() {
    let port = serve(|_, _| Some(b"-ERR This instance has cluster support disabled\r\n".to_vec()));
    let failure = run::run(&Plan { cluster: true, ..plan(port) }, None).expect_err("no cluster");
    assert!(failure.to_string().contains("cluster support disabled"), "{failure}");
}

#[test]
fn passwords_and_databases_are_given() {
    let Some(server) = redis(&["--requirepass", "s3cr@t"]) else { return };
    let url = |login: &str, path: &str| format!("{login}127.0.0.1:{}{path}", server.port);
    let with = |url: String| Plan { targets: vec![Target::parse(&url).expect("sound")], populate: true, ..plan(1) };
    let cases = [
        (format!("resp://{}", url("default:s3cr%40t@", "/3")), None),
        (format!("resp3://{}", url(":s3cr%40t@", "")), None),
        (format!("resp://{}", url("", "")), Some("NOAUTH")),
        (format!("resp3://{}", url("x:y@", "")), Some("WRONGPASS")),
        (format!("resp://{}", url("s3cr%40t@", "/99")), Some("DB index is out of range")),
    ];
    for (url, wrong) in cases {
        let told = match run::run(&with(url.clone()), None) {
            Ok(outcome) => outcome.first_error.unwrap_or_default(),
            Err(Failure::World(why) | Failure::Refused(why)) => why,
            Err(failure) => panic!("{url}: {failure}"),
        };
        assert_eq!(told.is_empty(), wrong.is_none(), "{url}: {told}");
        assert!(told.contains(wrong.unwrap_or("")), "{url}: {told}");
    }
    let outcome = ran(&with(format!("resp3://{}", url("default:s3cr%40t@", "/3"))));
    assert_eq!(outcome.targets[0].server, "redis");
    assert!(!outcome.command.contains("s3cr") && !outcome.targets[0].url.contains("s3cr"));
}

#[test]
fn a_unix_socket_is_a_target() {
    let path = std::env::temp_dir().join(format!("torc-load-{}.sock", std::process::id()));
    let Some(_server) = redis(&["--unixsocket", &path.to_string_lossy()]) else { return };
    let target = Target::parse(&format!("resp://{}?db=1", path.display())).expect("sound");
    let outcome = ran(&Plan { targets: vec![target], populate: true, verify: true, may_miss: false, ..plan(1) });
    drop(std::fs::remove_file(&path));
    assert_eq!((outcome.all.len(), outcome.first_error, outcome.verified), (3000, None, true));
}

#[test]
fn a_thousand_connections_are_asked_on() {
    patiently(thousand_connections);
}

fn thousand_connections() {
    let Some(server) = redis(&[]) else { return };
    let outcome = ran(&Plan {
        connections: 1000,
        threads: 2,
        requests: None,
        duration: Some(Duration::from_secs(1)),
        pace: Pace::Open { per_second: 5000.0, arrivals: Arrivals::Constant },
        pipeline: 4,
        ..plan(server.port)
    });
    assert!((4990..=5010).contains(&outcome.all.len()), "{}", outcome.all.len());
    assert_eq!((outcome.unanswered, outcome.first_error), (0, None));
}
