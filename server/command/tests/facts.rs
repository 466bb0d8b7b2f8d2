//! The table beside a genuine server's: every fact that COMMAND INFO and COMMAND DOCS tell must be equal; the sentences
//! are our own. Needs `TORC_CASES_REDIS`, a server of version 7.2.

use base::Out;
use cases::{SocketTarget, Target, Value};
use command::commands::command;
use command::row::{Row, Verb};
use command::table::commands;
use wire::resp::RespWriter;

/// What these keys name are sentences.
const SENTENCES: [&str; 4] = ["summary", "complexity", "replaced_by", "notes"];

fn ours(verb: Verb, words: [&str; 3]) -> Value {
    let words: base::ArgsBuf = words.iter().map(|w| w.as_bytes()).collect();
    let mut out = Out::new();
    command(&Default::default(), verb, words.args(), &mut RespWriter::new(&mut out, 2));
    let bytes = out.to_vec();
    let (value, used) = Value::decode(&bytes).expect("a reply").expect("a whole reply");
    assert_eq!(used, bytes.len());
    value
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Bulk(bytes) | Value::Simple(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// Sentences are made alike, subcommands are left out: they are compared by themselves.
fn facts(value: Value) -> Value {
    let Value::Array(mut all) = value else { return value };
    for i in 1..all.len() {
        match all[i - 1..=i] {
            [ref key, ref mut sentence] if text(key).is_some_and(|k| SENTENCES.contains(&k)) => *sentence = Value::Nil,
            [ref key, Value::Array(ref mut changes)] if text(key) == Some("history") => {
                for change in changes {
                    if let Value::Array(pair) = change {
                        pair[1] = Value::Nil;
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(at) = all.iter().position(|v| text(v) == Some("subcommands")) {
        all.drain(at..=at + 1);
    }
    Value::Array(all.into_iter().map(facts).collect())
}

fn info(value: Value) -> Value {
    let Value::Array(mut all) = value else { return value };
    if let Some(Value::Array(entry)) = all.first_mut() {
        entry.truncate(9);
    }
    facts(Value::Array(all))
}

#[test]
fn the_table_tells_the_facts_of_a_genuine_server() {
    let Some(address) = std::env::var("TORC_CASES_REDIS").ok().filter(|address| !address.is_empty()) else {
        println!("skipped: TORC_CASES_REDIS names no server");
        return;
    };
    let mut server = SocketTarget::new(&address, None, &[]).expect("the server answers");
    if server.version().is_none_or(|(major, minor, _)| (major, minor) != (7, 2)) {
        println!("skipped: {address} is not of version 7.2");
        return;
    }
    let mut wrong = Vec::new();
    let mut check = |row: &Row| {
        let pairs = [
            (info(ours(Verb::CommandInfo, ["COMMAND", "INFO", row.name])), {
                info(server.once(&["COMMAND", "INFO", row.name]).expect("a reply"))
            }),
            (facts(ours(Verb::CommandDocs, ["COMMAND", "DOCS", row.name])), {
                facts(server.once(&["COMMAND", "DOCS", row.name]).expect("a reply"))
            }),
        ];
        for (ours, theirs) in pairs {
            if ours != theirs {
                wrong.push(format!("{}\n  ours   {}\n  theirs {}", row.name, ours.render(), theirs.render()));
            }
        }
    };
    // What came with 7.4 and later, a server of 7.2 does not know.
    let later = |row: &Row| ["7.4", "8.", "9."].iter().any(|version| row.docs.since.starts_with(version));
    for row in commands().filter(|row| !later(row)) {
        check(row);
        row.subs.iter().for_each(&mut check);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
