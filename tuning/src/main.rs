//! Room: tuning. `torc-tune`: what this host allows, what could be set, what setting it does, and how to take it back.
//!
//! A knob is a file in `knobs/`; what each was seen to do is in `effects.toml`; tables, JSON, drop-ins and units are made from
//! these. `measure` makes the records that the table of effects names.

mod advise;
mod cgroup;
mod change;
mod cpus;
mod direct;
mod effects;
mod host;
mod knob;
mod knobs;
mod lab;
mod limits;
mod measure;
mod nic;
mod options;
mod report;
mod ring;
mod shards;
mod units;

use change::{STATE_FILE, Undone};
use clap::Parser;
use effects::Effects;
use host::{Host, Probes};
use options::{Apply, Check, Options, Place, Sysctl, Systemd, Undo, What};
use report::{Report, Verdict};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const COULD_NOT: u8 = 1;
const NEEDS_ROOT: u8 = 5;
/// sysexits.h, EX_USAGE
const USAGE: u8 = 64;

/// What a verb ends with.
type Ended = Result<u8, String>;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let ended = match &options.what {
        What::Check(check) => run_check(&options.root, check),
        What::Apply(apply) => run_apply(&options.root, apply),
        What::Undo(undo) => run_undo(&options.root, undo),
        What::Measure(measure) => measure::run(measure),
        What::Advise(advise) => advise::run(advise),
        What::Systemd(systemd) => run_systemd(&options.root, systemd),
        What::Sysctl(sysctl) => run_sysctl(&options.root, sysctl),
    };
    ExitCode::from(ended.unwrap_or_else(|why| {
        eprintln!("torc-tune: {why}");
        COULD_NOT
    }))
}

fn host_of(root: &Path, place: &Place) -> Result<Host, String> {
    let probes = if root == Path::new("/") { Probes::REAL } else { Probes::NONE };
    let mut host = Host::new(root, probes);
    host.folder = place.dir.clone();
    host.shards = shards::find(&host, &place.asked())?;
    Ok(host)
}

fn report_of(host: &Host) -> Report {
    report::look(host, &knobs::all(), &Effects::built_in())
}

fn run_check(root: &Path, check: &Check) -> Ended {
    let report = report_of(&host_of(root, &check.place)?);
    print!("{}", if check.json { report::json(&report) } else { report::text(&report, check.all) });
    Ok(report.exit_code)
}

fn state_file(root: &Path, given: &Option<PathBuf>) -> PathBuf {
    given.clone().unwrap_or_else(|| root.join(STATE_FILE.trim_start_matches('/')))
}

/// Whether writing is allowed; says so politely where not.
fn may_write(root: &Path, what: &str) -> bool {
    // Below another root lie ordinary files.
    if root != Path::new("/") || change::is_root() {
        return true;
    }
    eprintln!(
        "torc-tune: {what} writes to /proc and /sys, which needs root; nothing was changed. Try: sudo torc-tune …"
    );
    false
}

fn run_apply(root: &Path, apply: &Apply) -> Ended {
    let host = host_of(root, &apply.place)?;
    let report = report_of(&host);
    if let Some(unknown) = apply.knobs.iter().find(|id| !report.knobs.iter().any(|row| row.knob == **id)) {
        let known: Vec<&str> = report.knobs.iter().map(|row| row.knob).collect();
        return Err(format!("'{unknown}' is no knob; knobs are {}", known.join(", ")));
    }
    let named = |id: &str| apply.knobs.iter().any(|k| k == id);
    let mut wanted = Vec::new();
    for row in &report.knobs {
        let recommended = matches!(row.verdict, Verdict::Poor | Verdict::Stops);
        if !(named(row.knob) || (apply.knobs.is_empty() && recommended)) {
            continue;
        }
        if row.changes.is_empty() {
            match row.verdict {
                Verdict::Good | Verdict::Noted => println!("{}: {}, nothing to do", row.name, row.current),
                Verdict::Unknown => println!("{}: {}", row.name, row.current),
                _ => println!("{}: not while the host runs. By hand: {}", row.name, row.remedy),
            }
            continue;
        }
        println!("{}: {}", row.name, row.effect_told);
        if !recommended {
            println!("  not recommended; taken because it was named");
        }
        if let Some(who) = row.in_container {
            println!("  in this container: {who}");
        }
        wanted.extend(row.changes.iter().map(|change| (row.knob, change.clone())));
    }
    let steps = change::plan(&host, &wanted)?;
    for step in &steps {
        println!("  {}: {} -> {}", step.path, step.old, step.new);
    }
    if steps.is_empty() {
        println!("nothing to change");
        return Ok(0);
    }
    if !apply.yes {
        println!("nothing was changed: this was a dry run. To do it: --yes");
        return Ok(0);
    }
    if !may_write(root, "apply") {
        return Ok(NEEDS_ROOT);
    }
    let state = state_file(root, &apply.state);
    change::apply(&host, &state, &steps)?;
    println!("{} changes made; torc-tune undo --yes takes them back (kept in {})", steps.len(), state.display());
    Ok(0)
}

fn run_undo(root: &Path, undo: &Undo) -> Ended {
    let host = Host::new(root, Probes::NONE);
    let state = state_file(root, &undo.state);
    if undo.yes && !may_write(root, "undo") {
        return Ok(NEEDS_ROOT);
    }
    let done = change::undo(&host, &state, undo.yes)?;
    let mut ended = 0;
    for undone in &done {
        match undone {
            Undone::Restored(e) => println!("{}: {} -> {}", e.path, e.new, e.old),
            Undone::AlreadyOld(e) => println!("{}: {} stands there already", e.path, e.old),
            Undone::Rebooted(e) => println!("{}: the host was started again since; nothing to take back", e.path),
            Undone::ChangedSince(e, now) => {
                println!("{}: left at {now}, which somebody set after {}; it was {} before", e.path, e.new, e.old);
            }
            Undone::OtherNetwork(e) => {
                println!("{}: set in another network namespace ({}); undo it there", e.path, e.network);
                ended = COULD_NOT;
            }
        }
    }
    match (done.is_empty(), undo.yes) {
        (true, _) => println!("nothing to take back: {} names no change", state.display()),
        (false, false) => println!("nothing was changed: this was a dry run. To do it: --yes"),
        (false, true) => {}
    }
    Ok(ended)
}

fn run_systemd(root: &Path, systemd: &Systemd) -> Ended {
    let host = host_of(root, &systemd.place)?;
    let service = units::Service {
        torc: systemd.torc.clone(),
        folder: systemd.config_dir.clone(),
        cpus: host.shards.cpus.clone(),
        maxmemory: systemd.memory,
        user: systemd.user.clone(),
        maxclients: systemd.maxclients,
        instances: systemd.instances,
    };
    let files = units::files(&service)?;
    match &systemd.out {
        None => {
            for file in &files {
                println!("# ==== {}\n{}", file.path, file.text);
            }
        }
        Some(folder) => {
            let told = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
            std::fs::create_dir_all(folder).map_err(|e| told(folder, e))?;
            for file in &files {
                let path = folder.join(&file.path);
                std::fs::write(&path, &file.text).map_err(|e| told(&path, e))?;
                println!("{}", path.display());
            }
            let to = &systemd.config_dir;
            println!(
                "install: *.service to /etc/systemd/system, *.conf to {to}; then systemctl daemon-reload, enable --now torc"
            );
        }
    }
    Ok(0)
}

fn run_sysctl(root: &Path, sysctl: &Sysctl) -> Ended {
    let text = units::sysctl(&report_of(&host_of(root, &sysctl.place)?));
    match &sysctl.out {
        None => print!("{text}"),
        Some(folder) => {
            let path = folder.join("60-torc.conf");
            std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
            println!("{}", path.display());
        }
    }
    Ok(0)
}
