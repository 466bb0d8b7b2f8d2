//! Room: tuning. `apply` and `undo`: writes to /proc and /sys, each kept in a state file from which it is taken back.
//!
//! The state file is written before the knob is: a crash in between leaves an entry whose old value is what stands, and undo
//! then finds nothing to do. It is written whole to a file beside it and renamed, so that it is never half there. One process
//! at a time holds its lock.
//! Touches: host (where files are); writes /proc, /sys and the state file.

use crate::host::{Host, chosen};
use crate::knob::Change;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub const STATE_FILE: &str = "/var/lib/torc-tune/changes.json";

/// One knob's file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub knob: String,
    pub path: String,
    pub old: String,
    pub new: String,
    /// Seconds since 1970, UTC.
    pub time_unix_s: u64,
    /// The boot in which it was written: what is set at run time ends with it.
    pub boot: String,
    /// The network namespace in which it was written: sysctls under net/ are of one.
    pub network: String,
}

#[derive(Default, Debug, Serialize, Deserialize)]
struct State {
    changes: Vec<Entry>,
}

/// What is to be written, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub knob: String,
    pub path: String,
    pub old: String,
    pub new: String,
}

/// What undo did, or would do, about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    Restored(Entry),
    /// The old value stands there already.
    AlreadyOld(Entry),
    /// Neither the old nor the new value: somebody else set it since, and it is left alone.
    ChangedSince(Entry, String),
    /// The host was started again since: what was written is gone.
    Rebooted(Entry),
    /// Written in another network namespace, where it must be undone.
    OtherNetwork(Entry),
}

/// Of the changes wanted, those that would change something. Errors name a file that cannot be read.
pub fn plan(host: &Host, wanted: &[(&str, Change)]) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for (knob, change) in wanted {
        let old = value(host, &change.path)?;
        if !same(&old, &change.new) {
            steps.push(Step { knob: (*knob).into(), path: change.path.clone(), old, new: change.new.clone() });
        }
    }
    Ok(steps)
}

/// Writes the steps. What was written before one that fails stays, and stays in the state file.
pub fn apply(host: &Host, state_file: &Path, steps: &[Step]) -> Result<(), String> {
    let _lock = lock(state_file)?;
    let mut state = load(state_file)?;
    for step in steps {
        let (boot, network) = (boot(host), network(host));
        let before = state.changes.clone();
        let known = state.changes.iter_mut().find(|e| e.path == step.path && e.boot == boot && e.network == network);
        match known {
            // Applied twice with different values: undo goes back to what was there first.
            Some(entry) => entry.new = step.new.clone(),
            None => state.changes.push(Entry {
                knob: step.knob.clone(),
                path: step.path.clone(),
                old: step.old.clone(),
                new: step.new.clone(),
                time_unix_s: now_unix_s(),
                boot,
                network,
            }),
        }
        save(state_file, &state)?;
        if let Err(why) = write(host, &step.path, &step.new) {
            // It did not take: with what stood there before, or nothing, in place the entry would say something untrue.
            if value(host, &step.path).map_or(true, |now| same(&now, &step.old)) {
                state.changes = before;
                save(state_file, &state)?;
            }
            return Err(why);
        }
    }
    Ok(())
}

/// Goes back on all entries, the newest first. With `really` false only tells.
pub fn undo(host: &Host, state_file: &Path, really: bool) -> Result<Vec<Undone>, String> {
    let _lock = if really { Some(lock(state_file)?) } else { None };
    let mut state = load(state_file)?;
    let mut done = Vec::new();
    for entry in state.changes.clone().into_iter().rev() {
        let result = undo_one(host, &entry, really)?;
        let keep = matches!(result, Undone::OtherNetwork(_));
        done.push(result);
        if really && !keep {
            state.changes.retain(|e| *e != entry);
            save(state_file, &state)?;
        }
    }
    Ok(done)
}

fn undo_one(host: &Host, entry: &Entry, really: bool) -> Result<Undone, String> {
    if entry.boot != boot(host) {
        return Ok(Undone::Rebooted(entry.clone()));
    }
    if entry.path.starts_with("/proc/sys/net/") && entry.network != network(host) {
        return Ok(Undone::OtherNetwork(entry.clone()));
    }
    let now = value(host, &entry.path)?;
    if same(&now, &entry.old) {
        return Ok(Undone::AlreadyOld(entry.clone()));
    }
    if !same(&now, &entry.new) {
        return Ok(Undone::ChangedSince(entry.clone(), now));
    }
    if really {
        write(host, &entry.path, &entry.old)?;
    }
    Ok(Undone::Restored(entry.clone()))
}

/// What a file says now, as it would be written: of several words the one in brackets.
pub fn value(host: &Host, path: &str) -> Result<String, String> {
    let text = fs::read_to_string(host.at(path)).map_err(|e| format!("{path}: {e}"))?;
    let text = text.trim();
    Ok(chosen(text).unwrap_or(text).to_string())
}

pub fn write(host: &Host, path: &str, text: &str) -> Result<(), String> {
    // No O_CREAT: a knob that is not there is not made, under --root either.
    let mut file =
        File::options().write(true).truncate(true).open(host.at(path)).map_err(|e| format!("{path}: {e}"))?;
    // One write: the kernel takes each write to such a file as a whole value.
    file.write_all(text.as_bytes()).map_err(|e| format!("{path}: '{text}' was not taken: {e}"))?;
    let now = value(host, path)?;
    if same(&now, text) { Ok(()) } else { Err(format!("{path}: '{text}' was written, '{now}' stands there")) }
}

/// Numbers in a row are told apart by blanks or tabs; masks with or without leading zeros.
fn same(a: &str, b: &str) -> bool {
    let plain = |text: &str| -> Vec<String> {
        let words = text.split_ascii_whitespace().map(|w| match crate::cpus::mask(w) {
            Some(cpus) if w.contains(',') || w.starts_with('0') => crate::cpus::mask_text(&cpus),
            _ => w.to_string(),
        });
        words.collect()
    };
    plain(a) == plain(b)
}

pub fn is_root() -> bool {
    // SAFETY: `geteuid` takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn boot(host: &Host) -> String {
    host.read("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

fn network(host: &Host) -> String {
    fs::read_link(host.at("/proc/self/ns/net")).map(|l| l.display().to_string()).unwrap_or_default()
}

fn load(state_file: &Path) -> Result<State, String> {
    match fs::read_to_string(state_file) {
        Ok(text) => serde_json::from_str(&text).map_err(|e| format!("{}: {e}", state_file.display())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
        Err(e) => Err(format!("{}: {e}", state_file.display())),
    }
}

fn save(state_file: &Path, state: &State) -> Result<(), String> {
    let told = |e: std::io::Error| format!("{}: {e}", state_file.display());
    let beside = beside(state_file, "new");
    let mut file = File::create(&beside).map_err(told)?;
    let text = serde_json::to_string_pretty(state).expect("strings and numbers only");
    file.write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(told)?;
    fs::rename(&beside, state_file).map_err(told)?;
    // The rename itself is on disk when the folder is.
    let folder = state_file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(told)
}

fn beside(state_file: &Path, ending: &str) -> PathBuf {
    let mut name = state_file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Held until it is dropped.
fn lock(state_file: &Path) -> Result<File, String> {
    let told = |e: std::io::Error| format!("{}: {e}", state_file.display());
    if let Some(folder) = state_file.parent() {
        fs::create_dir_all(folder).map_err(told)?;
    }
    let file =
        File::options().create(true).truncate(false).write(true).open(beside(state_file, "lock")).map_err(told)?;
    // SAFETY: a descriptor of ours; no memory is involved.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
        return Err(format!("{}: another torc-tune is at work on it", state_file.display()));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;

    const THP: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
    const QUEUE: &str = "/proc/sys/net/core/somaxconn";
    const BOOT: (&str, &str) = ("/proc/sys/kernel/random/boot_id", "one\n");

    fn wanted(new: &str) -> Vec<(&'static str, Change)> {
        vec![("somaxconn", Change { path: QUEUE.into(), new: new.into() })]
    }

    fn run(made: &Made, state: &Path, new: &str) {
        let steps = plan(&made.host, &wanted(new)).expect("readable");
        apply(&made.host, state, &steps).expect("writable");
    }

    #[test]
    fn applied_twice_and_undone_once_is_as_before() {
        let made = Made::of("change", &[BOOT, (QUEUE, "128\n")]);
        let state = made.root.join("state/changes.json");
        run(&made, &state, "4096");
        run(&made, &state, "4096");
        assert_eq!(load(&state).expect("a state").changes.len(), 1);
        run(&made, &state, "8192");
        assert_eq!(value(&made.host, QUEUE).as_deref(), Ok("8192"));
        let [entry] = <[Entry; 1]>::try_from(load(&state).expect("a state").changes).expect("one entry");
        assert_eq!((entry.old.as_str(), entry.new.as_str()), ("128", "8192"));
        // Telling changes nothing.
        assert!(matches!(undo(&made.host, &state, false).expect("readable").as_slice(), [Undone::Restored(_)]));
        assert_eq!(value(&made.host, QUEUE).as_deref(), Ok("8192"));
        assert!(matches!(undo(&made.host, &state, true).expect("writable").as_slice(), [Undone::Restored(_)]));
        assert_eq!(value(&made.host, QUEUE).as_deref(), Ok("128"));
        assert_eq!(undo(&made.host, &state, true), Ok(vec![]));
    }

    #[test]
    fn what_others_set_since_is_left_alone() {
        type Case<'a> = (&'a str, &'a str, fn(&Undone) -> bool, &'a str);
        let cases: [Case; 3] = [
            ("1024\n", "one\n", |u| matches!(u, Undone::ChangedSince(_, now) if now == "1024"), "1024"),
            ("128\n", "one\n", |u| matches!(u, Undone::AlreadyOld(_)), "128"),
            ("4096\n", "two\n", |u| matches!(u, Undone::Rebooted(_)), "4096"),
        ];
        for (number, (now, boot, is_right, left)) in cases.into_iter().enumerate() {
            let made = Made::of(&format!("since-{number}"), &[BOOT, (QUEUE, "128\n")]);
            let state = made.root.join("changes.json");
            run(&made, &state, "4096");
            fs::write(made.host.at(QUEUE), now).expect("writable");
            fs::write(made.host.at(BOOT.0), boot).expect("writable");
            let undone = undo(&made.host, &state, true).expect("writable");
            assert!(is_right(&undone[0]), "{undone:?}");
            assert_eq!(value(&made.host, QUEUE).as_deref(), Ok(left));
            assert_eq!(load(&state).expect("a state").changes, []);
        }
    }

    #[test]
    fn a_write_that_fails_names_the_file_and_leaves_no_entry() {
        let made = Made::of("fails", &[BOOT, (QUEUE, "128\n")]);
        let state = made.root.join("changes.json");
        let missing = Step { knob: "thp".into(), path: THP.into(), old: "always".into(), new: "never".into() };
        let why = apply(&made.host, &state, &[missing]).expect_err("no such file");
        assert!(why.contains(THP), "{why}");
        assert!(!made.host.at(THP).exists());
        assert!(plan(&made.host, &[("thp", Change { path: THP.into(), new: "never".into() })]).is_err());
    }

    #[test]
    fn two_at_a_time_are_refused() {
        let made = Made::of("lock", &[BOOT, (QUEUE, "128\n")]);
        let state = made.root.join("changes.json");
        let held = lock(&state).expect("free");
        assert!(undo(&made.host, &state, true).expect_err("held").contains("another torc-tune"));
        drop(held);
        assert_eq!(undo(&made.host, &state, true), Ok(vec![]));
    }

    #[test]
    fn values_are_compared_as_the_kernel_writes_them() {
        for (a, b, want) in [
            ("4096 131072 6291456", "4096\t131072\t6291456", true),
            ("00000003", "3", true),
            ("0", "0", true),
            ("10", "1", false),
            ("performance", "powersave", false),
        ] {
            assert_eq!(same(a, b), want, "{a} {b}");
        }
    }
}
