//! `check`, `apply` and `undo` as a user runs them: on made hosts, and in namespaces with knobs set wrong.

mod common;

use common::{Folder, err, in_namespaces, out, run};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn knob<'a>(report: &'a Value, id: &str) -> &'a Value {
    let knobs = report["knobs"].as_array().expect("a list of knobs");
    knobs.iter().find(|row| row["knob"] == id).unwrap_or_else(|| panic!("no knob {id}"))
}

#[test]
fn check_runs_here_and_its_json_is_whole() {
    let done = run(&["check", "--json"]);
    let report: Value = serde_json::from_str(&out(&done)).expect("valid JSON");
    assert_eq!(report["exit_code"], done.status.code().expect("it ended by itself"), "{report}");
    let knobs = report["knobs"].as_array().expect("a list of knobs");
    assert!(knobs.len() >= 30, "{}", knobs.len());
    for row in knobs {
        for field in ["knob", "name", "group", "verdict", "current", "candidate", "why", "effect_told", "undo"] {
            assert!(row[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {row}");
        }
        let recorded = ["measured", "required"].contains(&row["effect"]["kind"].as_str().expect("a kind"));
        assert!(recorded || row["recommended"].is_null(), "recommended without a record: {row}");
    }
    let text = out(&run(&["check", "--all"]));
    assert!(knobs.iter().all(|row| text.contains(row["name"].as_str().expect("a name"))), "{text}");
}

#[test]
fn exit_codes_are_those_that_the_help_tells() {
    const FINE: (&str, &str) = ("/proc/sys/kernel/osrelease", "6.1.0\n");
    const OLD: (&str, &str) = ("/proc/sys/kernel/osrelease", "5.10.0\n");
    const FEW: (&str, &str) = ("/proc/self/limits", "Max open files  1024  4096  files\n");
    let hosts = [("fine", vec![FINE], 0), ("poor", vec![FINE, FEW], 3), ("stops", vec![OLD, FEW], 4)];
    for (name, files, code) in hosts {
        let folder = Folder::of(name, &files);
        let done = run(&["--root", &folder.path(""), "check", "--cpus", "0"]);
        assert_eq!(done.status.code(), Some(code), "{name}: {}{}", out(&done), err(&done));
    }
    for (arguments, code) in [
        (&["check", "--cpus", "x"][..], 64),
        (&["nonsense"], 64),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["apply", "nonsense"], 1),
        (&["check", "--cpus", "8000"], 1),
    ] {
        assert_eq!(run(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

/// The real host with its network's knobs, a few files and its limits set wrong, in namespaces: each is named with what it is,
/// what it should be, and why; the same program says good of all of them where they are set well.
#[test]
fn what_is_wrong_in_a_namespace_is_reported() {
    let files = |name: &str, disabled: &str, thp: &str, clock: &str, overcommit: &str| {
        Folder::of(name, &[("disabled", disabled), ("thp", thp), ("clock", clock), ("overcommit", overcommit)])
    };
    let wrong = files("wrong", "2\n", "[always] madvise never\n", "hpet\n", "2\n");
    let right = files("right", "0\n", "always [madvise] never\n", "tsc\n", "0\n");
    // --shards: the limits are this process's own, whatever else runs on the host.
    let script = |folder: &Folder, numbers: [&str; 4], open_files: u32| {
        let [queue, half_open, cookies, send] = numbers;
        format!(
            "echo {queue} > /proc/sys/net/core/somaxconn
             echo {half_open} > /proc/sys/net/ipv4/tcp_max_syn_backlog
             echo {cookies} > /proc/sys/net/ipv4/tcp_syncookies
             echo 4096 16384 {send} > /proc/sys/net/ipv4/tcp_wmem
             mount --bind {} /proc/sys/kernel/io_uring_disabled
             mount --bind {} /proc/sys/vm/overcommit_memory
             mount --bind {} /sys/kernel/mm/transparent_hugepage/enabled
             mount --bind {} /sys/devices/system/clocksource/clocksource0/current_clocksource
             ulimit -n {open_files}
             exec $TUNE check --json --shards 1",
            folder.path("disabled"),
            folder.path("overcommit"),
            folder.path("thp"),
            folder.path("clock"),
        )
    };
    let report = |script: &str| -> Option<(Value, Option<i32>)> {
        let done = in_namespaces(script)?;
        let report = serde_json::from_str(&out(&done));
        Some((report.unwrap_or_else(|e| panic!("{e}: {}{}", out(&done), err(&done))), done.status.code()))
    };
    let Some((found, code)) = report(&script(&wrong, ["64", "128", "0", "65536"], 600)) else { return };
    let off = &["poor", "unproven"][..];
    // Knob, what it is, what it should be, a word of why.
    for (id, current, verdicts, wanted, why) in [
        ("somaxconn", "64", off, "4096", "accept queue"),
        ("syn-backlog", "128, syncookies 0", off, "1024", "handshake"),
        ("socket-buffers", "send up to 64.0 KiB", off, "4 MiB", "buffers"),
        ("io-uring", "2", &["stops"], "0", "ring"),
        ("overcommit", "2", off, "0", "allocation"),
        ("thp", "always", off, "madvise", "page fault"),
        ("clocksource", "hpet", off, "tsc", "clock"),
        // 600 less the server's own.
        ("nofile", "600: maxclients is cut to 456", &["poor"], "65536", "maxclients"),
    ] {
        let row = knob(&found, id);
        let text = |field: &str| row[field].as_str().unwrap_or_default();
        assert!(text("current").contains(current), "{row}");
        assert!(verdicts.contains(&text("verdict")), "{row}");
        assert!(text("candidate").contains(wanted) && text("why").contains(why), "{row}");
        // What is recommended stands on a record; without one it is a candidate.
        assert_eq!(row["recommended"].is_null(), text("verdict") == "unproven", "{row}");
        assert!(!text("remedy").is_empty() && !text("undo").is_empty(), "{row}");
    }
    assert_eq!(code, Some(4), "what stops the server decides");
    let (found, _) =
        report(&script(&right, ["4096", "4096", "1", "4194304"], 12_000)).expect("it was permitted before");
    for id in ["somaxconn", "syn-backlog", "io-uring", "overcommit", "thp", "clocksource", "nofile"] {
        assert_eq!(knob(&found, id)["verdict"], "good", "{}", knob(&found, id));
    }
}

#[test]
fn what_apply_sets_in_a_namespace_undo_takes_back() {
    let state = Folder::of("state", &[]);
    let file = state.path("changes.json");
    let script = format!(
        "queue=/proc/sys/net/core/somaxconn
         echo 64 > $queue
         $TUNE apply somaxconn --state {file}; cat $queue
         $TUNE apply somaxconn --yes --state {file}; cat $queue
         $TUNE apply somaxconn --yes --state {file}; cat $queue
         cp {file} {file}.kept
         $TUNE undo --state {file}; cat $queue
         $TUNE undo --yes --state {file}; cat $queue
         $TUNE undo --yes --state {file}; cat $queue"
    );
    let Some(done) = in_namespaces(&script) else { return };
    let text = out(&done);
    assert!(done.status.success(), "{text}{}", err(&done));
    let values: Vec<&str> = text.lines().filter(|line| line.parse::<u64>().is_ok()).collect();
    assert_eq!(values, ["64", "4096", "4096", "4096", "64", "64"], "{text}");
    assert!(text.contains("this was a dry run") && text.contains("nothing to take back"), "{text}");
    let kept: Value = serde_json::from_str(&fs::read_to_string(format!("{file}.kept")).expect("copied")).expect("JSON");
    let [entry] = kept["changes"].as_array().expect("a list").as_slice() else { panic!("{kept}") };
    assert_eq!((entry["old"].as_str(), entry["new"].as_str()), (Some("64"), Some("4096")));
    assert!(entry["time_unix_s"].as_u64().is_some_and(|s| s > 1_700_000_000), "{entry}");
}

#[test]
fn a_change_of_another_network_namespace_is_not_undone_here() {
    let state = Folder::of("other", &[]);
    let file = state.path("changes.json");
    let script = format!(
        "echo 64 > /proc/sys/net/core/somaxconn
         $TUNE apply somaxconn --yes --state {file}
         unshare -n sh -c \"echo 4096 > /proc/sys/net/core/somaxconn; $TUNE undo --yes --state {file}; cat /proc/sys/net/core/somaxconn\""
    );
    let Some(done) = in_namespaces(&script) else { return };
    let text = out(&done);
    assert!(text.contains("another network namespace") && text.trim_end().ends_with("4096"), "{text}{}", err(&done));
}

#[test]
fn without_root_nothing_is_changed_and_the_way_is_told() {
    let state = Folder::of("plain", &[]);
    let file = state.path("changes.json");
    let mut command = Command::new(common::tune());
    command.args(["apply", "busy-poll", "--yes", "--state", &file]);
    // 65534: nobody, wherever this is run by root.
    if fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
        command.uid(65_534);
    }
    let Ok(done) = command.output() else {
        println!("SKIPPED: an ordinary user may not run {}", common::tune().display());
        return;
    };
    if out(&done).contains("nothing to change") {
        println!("SKIPPED: busy polling is on here, or hidden: nothing that apply would change");
        return;
    }
    assert_eq!(done.status.code(), Some(5), "{}{}", out(&done), err(&done));
    assert!(err(&done).contains("needs root; nothing was changed"), "{}", err(&done));
    assert!(!fs::exists(&file).expect("a path that can be asked"));
}

#[test]
fn units_and_drop_ins_are_written_where_asked() {
    let folder =
        Folder::of("units", &[("/sys/devices/system/cpu/online", "0-3\n"), ("/proc/sys/vm/overcommit_memory", "2\n")]);
    let (root, to) = (folder.path(""), folder.path("made"));
    let done = run(&["--root", &root, "systemd", "--instances", "2", "--memory", "8G", "--out", &to]);
    assert!(done.status.success(), "{}", err(&done));
    let read = |name: &str| fs::read_to_string(folder.path(&format!("made/{name}"))).expect(name);
    assert!(read("torc.service").contains("CPUAffinity=0-3\n"));
    assert!(read("torc@.service").contains("StateDirectory=torc/%i\n"));
    assert!(read("i2.conf").contains("cpus 2-3\n") && read("i2.conf").contains("maxmemory 4294967296\n"));
    assert!(run(&["--root", &root, "sysctl", "--out", &to]).status.success());
    assert!(read("60-torc.conf").contains("# vm.overcommit_memory = 0\n"));
    assert!(out(&run(&["--root", &root, "systemd"])).contains("# ==== torc@.service\n"));
}
