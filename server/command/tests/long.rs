//! Long values whose commands go over several shards: as on one store.

mod common;

use cases::run::{Ask, Received};
use cases::{Dialect, Target};
use common::Handlers;

fn ask(target: &mut Handlers, line: &[String]) -> Vec<u8> {
    let words: Vec<Vec<u8>> = line.iter().map(|word| word.as_bytes().to_vec()).collect();
    target.send("", Ask::Words(&words)).expect("handlers know it");
    match target.receive("", 0) {
        Received::Bytes(bytes) => bytes,
        _ => panic!("no reply to {line:?}"),
    }
}

fn line(text: &str) -> Vec<String> {
    text.split(' ').map(Into::into).collect()
}

#[test]
fn long_lists_are_sorted_over_shards_as_on_one_store() {
    const ELEMENTS: usize = 2_600;
    let mut engines = [Handlers::new(1), Handlers::new(3)];
    let mut asks = Vec::new();
    for at in (0..ELEMENTS).step_by(100) {
        // A permutation: 1_009 and 2_600 have no common divisor.
        asks.push([line("RPUSH l"), (at..at + 100).map(|n| (n * 1_009 % ELEMENTS).to_string()).collect()].concat());
        let weights = (at..at + 100).flat_map(|n| [format!("w_{n}"), (n * 7_919 % 1_000).to_string()]);
        asks.push([line("MSET"), weights.collect()].concat());
        let names = (at..at + 50).flat_map(|n| [format!("n_{n}"), "x".repeat(n % 90)]);
        asks.push([line("MSET"), names.collect()].concat());
    }
    for text in [
        "SORT l",
        "SORT l BY w_*",
        "SORT l BY w_* DESC GET # GET n_* GET w_*",
        "SORT l BY n_* ALPHA LIMIT 700 1300",
        "SORT l BY nosort GET n_*",
        "SORT l BY w_* GET n_* STORE d",
        "LRANGE d 0 -1",
        "OBJECT ENCODING d",
        "SORT l STORE d",
        "LRANGE d 0 -1",
        "SORT d BY w_* STORE d",
        "LRANGE d 0 -1",
    ] {
        asks.push(line(text));
    }
    same_on_both(&mut engines, asks);
}

/// Asks both, who must say the same; a set's members may come in any order.
fn same_on_both(engines: &mut [Handlers; 2], asks: Vec<Vec<String>>) {
    for engine in engines.iter_mut() {
        engine.reset().expect("empty stores");
        engine.open("", Dialect::Resp, 3).expect("a connection");
    }
    for one in asks {
        let [a, b] = engines;
        let (mut a, mut b) = (ask(a, &one), ask(b, &one));
        assert_ne!(a[0], b'-', "{}", String::from_utf8_lossy(&a));
        if a[0] == b'~' {
            (a, b) = (in_order(&a), in_order(&b));
        }
        assert_eq!(a, b, "{}", one[..one.len().min(9)].join(" "));
    }
}

fn in_order(reply: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = reply.split(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    lines.concat()
}

#[test]
fn large_sets_are_combined_over_shards_as_on_one_store() {
    let mut asks = Vec::new();
    // Multiples of 2, of 3, of 5: numbers, and names.
    for (key, step, count) in [("two", 2, 4_000), ("three", 3, 2_500), ("five", 5, 1_200), ("small", 6, 300)] {
        for from in (0..count).step_by(100) {
            let numbers = (from..from + 100).map(|n| (n * step).to_string());
            asks.push([line(&format!("SADD {key}")), numbers.collect()].concat());
            let names = (from..from + 100).map(|n| format!("name{}", n * step));
            asks.push([line(&format!("SADD {key}n")), names.collect()].concat());
        }
    }
    for text in [
        "SINTER two three",
        "SINTER three two five",
        "SINTER twon threen smalln",
        "SINTER two twon",
        "SINTER two",
        "SINTER two two",
        "SINTER two nothing three",
        "SINTERCARD 2 two three",
        "SINTERCARD 3 two three five LIMIT 17",
        "SINTERCARD 2 twon smalln",
        "SINTERSTORE d twon threen",
        "SMEMBERS d",
        "OBJECT ENCODING d",
        "SINTERSTORE two two five",
        "SMEMBERS two",
        "SINTERSTORE d two small nothing",
        "EXISTS d",
        "SUNION three five small",
        "SDIFF threen fiven",
        "SDIFF three five",
        "SDIFF three five small",
        "SDIFF small three five",
        "SDIFF threen nothing smalln fiven",
        "SDIFF nothing three",
        "SDIFF three three",
        "SDIFF three",
        "SDIFFSTORE d threen fiven smalln",
        "SMEMBERS d",
        "SDIFFSTORE three three five",
        "SMEMBERS three",
    ] {
        asks.push(line(text));
    }
    same_on_both(&mut [Handlers::new(1), Handlers::new(3)], asks);
}

#[test]
fn many_elements_are_taken_over_shards_as_on_one_store() {
    let mut asks = Vec::new();
    for from in (0..3_000).step_by(100) {
        asks.push([line("RPUSH l"), (from..from + 100).map(|n| n.to_string()).collect()].concat());
        asks.push(
            [line("ZADD z"), (from..from + 100).flat_map(|n| [n.to_string(), format!("m{n}")]).collect()].concat(),
        );
        asks.push(
            [line("ZADD y"), (from..from + 50).flat_map(|n| [(n % 7).to_string(), format!("m{n}")]).collect()].concat(),
        );
    }
    for text in [
        "LMPOP 2 nothing l LEFT COUNT 1500",
        "LMPOP 2 nothing l RIGHT COUNT 1",
        "LMPOP 2 l nothing RIGHT COUNT 9999",
        "EXISTS l",
        "ZUNION 2 z y WITHSCORES",
        "ZINTER 2 z y",
        "ZDIFF 2 z y WITHSCORES",
        "ZUNIONSTORE d 2 z y WEIGHTS 2 3 AGGREGATE MAX",
        "ZRANGE d 0 -1 WITHSCORES",
        "ZMPOP 2 nothing z MAX COUNT 1500",
        "ZMPOP 2 nothing z MIN COUNT 1",
        "ZMPOP 2 z nothing MIN COUNT 9999",
        "EXISTS z",
    ] {
        asks.push(line(text));
    }
    same_on_both(&mut [Handlers::new(1), Handlers::new(3)], asks);
}

#[test]
fn large_sorted_sets_are_combined_over_shards_as_on_one_store() {
    let mut asks = Vec::new();
    for (key, step, count) in [("two", 2, 4_000), ("three", 3, 2_500), ("five", 5, 1_500), ("small", 6, 300)] {
        for from in (0..count).step_by(100) {
            // Tenths have no exact sums: the order in which they are added shows.
            let members =
                (from..from + 100).flat_map(|n| [format!("{}", (n % 89) as f64 / 10.0), format!("m{}", n * step)]);
            asks.push([line(&format!("ZADD {key}")), members.collect()].concat());
        }
    }
    for from in (0..3_000).step_by(100) {
        asks.push([line("SADD set"), (from..from + 100).map(|n| format!("m{}", n * 2)).collect()].concat());
    }
    for text in [
        "ZINTER 2 two three WITHSCORES",
        "ZINTER 3 three two five WEIGHTS 0.1 0.3 0.7 WITHSCORES",
        "ZINTER 3 small three two AGGREGATE MAX WITHSCORES",
        "ZINTER 2 set three WITHSCORES",
        "ZINTER 2 three set WEIGHTS 2 3 AGGREGATE MIN WITHSCORES",
        "ZINTER 1 two WITHSCORES",
        "ZINTER 2 two two WITHSCORES",
        "ZINTER 3 two nothing three",
        "ZINTERCARD 2 two three",
        "ZINTERCARD 3 two three set LIMIT 17",
        "ZINTERSTORE d 2 two three AGGREGATE MAX",
        "ZRANGE d 0 -1 WITHSCORES",
        "ZDIFF 2 two three WITHSCORES",
        "ZDIFF 3 two small set WITHSCORES",
        "ZDIFF 2 small two WITHSCORES",
        "ZDIFF 2 set two WITHSCORES",
        "ZDIFF 2 nothing two",
        "ZDIFF 3 two nothing three WITHSCORES",
        "ZDIFF 1 two WITHSCORES",
        "ZDIFFSTORE two 2 two five",
        "ZRANGE two 0 -1 WITHSCORES",
        "ZINTERSTORE three 2 three set",
        "ZRANGE three 0 -1 WITHSCORES",
        "RENAME five other",
        "ZRANGE other 0 -1 WITHSCORES",
        "COPY other copy",
        "ZRANGE copy 0 -1 WITHSCORES",
        "OBJECT ENCODING copy",
        "COPY set other REPLACE",
        "SMEMBERS other",
    ] {
        asks.push(line(text));
    }
    same_on_both(&mut [Handlers::new(1), Handlers::new(3)], asks);
}
