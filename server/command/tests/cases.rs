//! The transcripts below `tests/cases`, run against the handlers, and against a genuine server where one is named.

mod common;

use cases::{SocketTarget, run_files};
use common::Handlers;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// Every command's handler, all keys on one shard.
#[test]
fn handlers_answer_as_told() {
    run_files(&folder(), &mut Handlers::new(1)).expect_good();
}

/// Commands on several keys in two steps, as for keys of several shards: the same replies.
#[test]
fn handlers_answer_as_told_over_three_shards() {
    run_files(&folder(), &mut Handlers::new(3)).expect_good();
}

/// The expectations themselves. `TORC_CASES_REDIS=127.0.0.1:6379` names a server whose data may be lost.
#[test]
fn a_genuine_server_answers_as_told() {
    let Some(address) = std::env::var("TORC_CASES_REDIS").ok().filter(|address| !address.is_empty()) else {
        println!("skipped: TORC_CASES_REDIS names no server");
        return;
    };
    let mut server = SocketTarget::new(&address, None, &["server", "config", "redis"]).expect("the server answers");
    run_files(&folder(), &mut server).expect_good();
}
