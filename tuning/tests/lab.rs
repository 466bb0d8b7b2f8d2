//! `measure` and `advise` with the real server and the real load generator, as short as they go.

mod common;

use common::{Folder, err, out, program, tune};
use serde_json::Value;
use std::fs;
use std::process::Command;

fn lab(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(tune());
    command.args(arguments).arg("--torc").arg(program("torc")).arg("--load").arg(program("torc-load"));
    command.output().expect("torc-tune can be started")
}

#[test]
fn a_measurement_writes_its_record() {
    let rows = "# rows\n\n[[effect]]\nknob = \"idle-spin\"\nkind = \"not-measured\"\nwhy = \"not yet\"\n";
    let (folder, table) = (Folder::of("records", &[]), Folder::of("rows", &[("effects.toml", rows)]));
    let done = lab(&[
        "measure",
        "idle-spin",
        "--rounds",
        "5",
        "--seconds",
        "0.1",
        "--anyway",
        "--host",
        "vm-test",
        "--records",
        &folder.path(""),
        "--effects",
        &table.path("effects.toml"),
    ]);
    assert!(done.status.success(), "{}{}", out(&done), err(&done));
    let text = out(&done);
    assert!(text.contains("round trip of one client, p50") && text.contains("knob = \"idle-spin\""), "{text}");
    let rows = fs::read_to_string(table.path("effects.toml")).expect("readable");
    assert!(rows.starts_with("# rows\n") && rows.contains("host = \"vm-test\"") && !rows.contains("not yet"), "{rows}");
    let names: Vec<String> = fs::read_dir(folder.path("vm-test"))
        .expect("a folder of the host")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("plain"))
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    for name in &names {
        let is_dated = name.len() > 10 && name[..4].parse::<u32>().is_ok() && name.contains("-tune-idle-spin.");
        assert!(is_dated, "{name}");
        let content = fs::read_to_string(folder.path(&format!("vm-test/{name}"))).expect("readable");
        assert!(content.contains("idle-spin-us auto"), "{content}");
    }
}

#[test]
fn what_cannot_be_measured_is_told() {
    for (arguments, mentions) in
        [(&["measure", "nonsense"][..], "cannot be measured"), (&["measure", "numa"], "two nodes")]
    {
        let done = lab(arguments);
        assert_eq!(done.status.code(), Some(1));
        assert!(err(&done).contains(mentions), "{}", err(&done));
    }
    let list = common::run(&["measure"]);
    assert!(list.status.success() && out(&list).contains("torc-tune measure --all"), "{}", out(&list));
}

#[test]
fn advice_comes_with_its_measurements_and_its_model() {
    let done =
        lab(&["advise", "--seconds", "0.2", "--memory", "1G", "--clients", "1000", "--target", "rate=1", "--json"]);
    assert!(done.status.success(), "{}{}", out(&done), err(&done));
    let advice: Value = serde_json::from_str(&out(&done)).expect("valid JSON");
    assert_eq!(advice["shards"], 1, "one a second is no work: {advice}");
    assert!(advice["points"].as_array().is_some_and(|points| !points.is_empty()), "{advice}");
    let maxmemory = advice["maxmemory_bytes"].as_u64().expect("a number");
    assert!((400 << 20..1 << 30).contains(&maxmemory), "{advice}");
    let bytes_per_key = advice["bytes_per_key"].as_f64().expect("a number");
    // 100 bytes of value, 16 of key, and what the store adds.
    assert!((116.0..250.0).contains(&bytes_per_key), "{advice}");
    assert!(advice["model_told"].as_str().is_some_and(|text| text.contains("not measurement")));
}
