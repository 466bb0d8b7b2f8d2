//! Long lists sorted by keys of any shard: as on one store.

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
    for engine in &mut engines {
        engine.reset().expect("empty stores");
        engine.open("", Dialect::Resp, 2).expect("a connection");
    }
    for one in asks {
        let [a, b] = &mut engines;
        let (a, b) = (ask(a, &one), ask(b, &one));
        assert_eq!(a, b, "{}", one[..one.len().min(9)].join(" "));
        assert_ne!(a[0], b'-', "{}", String::from_utf8_lossy(&a));
    }
}
