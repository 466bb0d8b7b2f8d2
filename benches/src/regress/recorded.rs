//! Room: benches, regress. Instructions of each micro case in this tree beside those that are committed in benches/counts.toml.
//! Touches: cargo, valgrind, that file.
//!
//! A count is the same for as long as the code, the compiler and the C library are the same, whatever else the machine does.
//! So the file says what it was counted with, and where that is something else nothing is judged.

use super::count::{self, Counter, Counts};
use super::{Regress, Verdict};
use crate::cargo;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const RENEW: &str = "cargo run --release -p benches -- regress --recorded --renew";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What counts depend on beside the project's own code.
    with: String,
    /// Instructions an operation.
    cases: Counts,
}

fn path() -> PathBuf {
    cargo::workspace().join("benches/counts.toml")
}

pub fn run(options: &Regress) -> Result<Verdict, String> {
    // Not perf: it counts a CPU's own instructions, callgrind those of a program.
    let Some(counter) = Counter::find(&[Counter::Callgrind]) else {
        return Ok(count::skipped("valgrind is not here, or cannot count instructions"));
    };
    let with = with()?;
    let recorded = if options.renew { None } else { Some(read()?) };
    if let Some(recorded) = &recorded
        && recorded.with != with
    {
        return Ok(count::skipped(&format!(
            "the counts that are committed are of {}, and here is {with}: {RENEW}",
            recorded.with
        )));
    }
    let counts = counter.all(&cargo::example("count", "release")?, &options.case)?;
    if counts.is_empty() {
        return Err(format!("no case has '{}' in its name", options.case));
    }
    match recorded {
        Some(recorded) => Ok(compare(&recorded.cases, &counts, options)),
        None => renew(File { with, cases: counts }, options),
    }
}

fn compare(recorded: &Counts, counts: &Counts, options: &Regress) -> Verdict {
    let both = count::beside(recorded, counts);
    let mut verdict = count::judge("as committed", Counter::Callgrind, &both, options.max_loss, options.max_loss_case);
    let only = |of: &Counts, other: &Counts| {
        let names = of.keys().filter(|name| !other.contains_key(*name) && name.contains(&options.case));
        names.cloned().collect::<Vec<_>>().join(", ")
    };
    let (new, gone) = (only(counts, recorded), only(recorded, counts));
    for (what, names) in [("not compared, because not in the file", new), ("in the file, and no longer a case", gone)] {
        if !names.is_empty() {
            let _ = write!(verdict.text, "\n{what}: {names}");
        }
    }
    if verdict.lost {
        let _ = write!(verdict.text, "\nA loss that is meant is committed with the change that brings it: {RENEW}");
    }
    verdict
}

fn read() -> Result<File, String> {
    let path = path();
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}; {RENEW}", path.display()))?;
    toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn renew(mut file: File, options: &Regress) -> Result<Verdict, String> {
    // A part of the cases leaves the others as they are, if they were counted with the same.
    if !options.case.is_empty() {
        let known = read()?;
        if known.with != file.with {
            return Err(format!("the other cases were counted with {}: renew all", known.with));
        }
        file.cases = known.cases.into_iter().chain(file.cases).collect();
    }
    let path = path();
    std::fs::write(&path, text(&file)).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Verdict { text: format!("{} cases written to {}", file.cases.len(), path.display()), lost: false })
}

/// A line a case, so that a change of one is a change of one line.
fn text(file: &File) -> String {
    let mut text = format!(
        "# Instructions an operation of each case of benches/micro, as callgrind counts them in a release build. Compared with by\n\
         # `torc-bench regress --recorded` (.ci/run regress), and renewed by\n#     {RENEW}\n\
         # in the commit that means to change them.\nwith = {:?}\n\n[cases]\n",
        file.with
    );
    for (name, count) in &file.cases {
        let _ = writeln!(text, "{name:?} = {count:.1}");
    }
    text
}

/// Compiler, C library (its copies and comparisons are counted too) and what of the CPU both may ask for.
fn with() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("--version").current_dir(cargo::workspace()).stdin(Stdio::null()).output();
    let said = said.map_err(|e| format!("rustc does not start: {e}"))?;
    let compiler = String::from_utf8_lossy(&said.stdout).trim().to_string();
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags = if flags.is_empty() { String::new() } else { format!(" ({flags})") };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has =
        |name: &&str| cpu.lines().any(|l| l.starts_with("flags") && l.split_whitespace().any(|word| word == *name));
    // valgrind shows a program these of the host, and nothing newer.
    let features = ["avx", "avx2", "bmi2"].into_iter().filter(has).fold(String::new(), |all, name| all + " " + name);
    Ok(format!("{compiler}{flags}, {}, {}{features}", libc_version(), std::env::consts::ARCH))
}

#[cfg(target_env = "gnu")]
fn libc_version() -> String {
    // SAFETY: gives a string that lives as long as the program.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    format!("glibc {}", version.to_string_lossy())
}

#[cfg(not(target_env = "gnu"))]
fn libc_version() -> String {
    "not glibc".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        regress: Regress,
    }

    fn options(more: &[&str]) -> Regress {
        Line::parse_from([&["x", "--recorded"], more].concat()).regress
    }

    fn counts(all: &[(&str, f64)]) -> Counts {
        all.iter().map(|(name, count)| (name.to_string(), *count)).collect()
    }

    #[test]
    fn the_file_that_is_committed_is_read_and_written_alike() {
        let file = read().expect("it is committed");
        assert!(file.cases.len() > 10 && file.cases.values().all(|count| *count > 0.0), "{file:?}");
        assert_eq!(toml::from_str::<File>(&text(&file)).expect("its own format"), file);
        assert!(toml::from_str::<File>("with = 'x'\nmore = 1\n[cases]\n").is_err());
    }

    #[test]
    fn a_loss_says_how_it_is_meant() {
        let recorded = counts(&[("a/x", 100.0), ("a/y", 100.0), ("a/gone", 5.0)]);
        for (now, lost, word) in [
            (counts(&[("a/x", 101.0), ("a/y", 99.0), ("a/new", 7.0)]), false, "not in the file: a/new"),
            (counts(&[("a/x", 101.0), ("a/y", 99.0)]), false, "no longer a case: a/gone"),
            (counts(&[("a/x", 140.0), ("a/y", 60.0)]), true, "--renew"),
            (counts(&[("a/x", 105.0), ("a/y", 105.0)]), true, "over all"),
        ] {
            let verdict = compare(&recorded, &now, &options(&[]));
            assert_eq!(verdict.lost, lost, "{}", verdict.text);
            assert!(verdict.text.contains(word), "{word}: {}", verdict.text);
        }
        let loose = options(&["--max-loss", "8%", "--max-loss-case", "30%", "--case", "a/x"]);
        let verdict = compare(&recorded, &counts(&[("a/x", 107.0)]), &loose);
        assert!(!verdict.lost && !verdict.text.contains("gone"), "{}", verdict.text);
    }
}
