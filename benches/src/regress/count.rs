//! Room: benches, regress. Instructions of each micro case, in this tree and in the base, counted by `perf stat` where the
//! kernel and the CPU allow it and else by callgrind. Touches: cargo, perf, valgrind.
//!
//! A case is run twice, the second time with more operations; what the second counted more is those operations' own, whatever
//! it took to get ready. The same sources of the cases are built against both trees' crates.

use super::{Regress, Verdict, tree};
use crate::cargo;
use crate::stats::geometric_mean;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

/// Multiples of 16: pipelines are whole.
const FEW: u64 = 1600;
const MANY: u64 = 4800;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Counter {
    Perf,
    Callgrind,
}

pub fn run(options: &Regress) -> Result<Verdict, String> {
    let Some(counter) = Counter::find(&[Counter::Perf, Counter::Callgrind]) else {
        return Ok(skipped("neither perf (instructions:u) nor valgrind can count instructions here"));
    };
    let base = options.base.as_deref().ok_or("--base is missing")?;
    let (base_tree, base) = tree::of(base)?;
    let this = harness(&cargo::workspace(), "this")?;
    let old = match harness(&base_tree, "base") {
        Ok(program) => program,
        // A moved door is no slower function.
        Err(why) => {
            return Ok(skipped(&format!(
                "the cases of this tree do not build with the crates of {}: {why}",
                &base[..12]
            )));
        }
    };
    let (old, new) = (counter.all(&old, &options.case)?, counter.all(&this, &options.case)?);
    let counts = beside(&old, &new);
    if counts.is_empty() {
        return Err(format!("no case has '{}' in its name", options.case));
    }
    Ok(judge(&base[..12], counter, &counts, options.max_loss, options.max_loss_case))
}

/// Instructions an operation by the name of its case.
pub type Counts = BTreeMap<String, f64>;

/// The cases that both have: name, old, new.
pub fn beside(old: &Counts, new: &Counts) -> Vec<(String, f64, f64)> {
    new.iter().filter_map(|(name, new)| Some((name.clone(), *old.get(name)?, *new))).collect()
}

pub fn skipped(why: &str) -> Verdict {
    Verdict { text: format!("SKIPPED: {why}"), lost: false }
}

/// Builds the cases against the crates of `tree`.
fn harness(tree: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = tree::folder().join(format!("count-{name}"));
    let world = |e: std::io::Error| format!("{}: {e}", folder.display());
    std::fs::create_dir_all(&folder).map_err(world)?;
    let source = cargo::workspace().join("benches/micro/count.rs");
    let server = |name: &str| tree.join("server").join(name).display().to_string();
    let manifest = format!(
        "# Written by torc-bench regress --short.\n\
         [package]\nname = \"count-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [[bin]]\nname = \"count\"\npath = {source:?}\n\n\
         [dependencies]\nbase = {{ path = {:?} }}\nwire = {{ path = {:?} }}\nstore = {{ path = {:?} }}\nnode = {{ path = {:?} }}\n\
         mimalloc = {{ version = \"0.1\", default-features = false }}\n\n\
         [workspace]\n\n\
         # The server's own release profile. With less, what is inlined into what changes with code that has nothing to do\n\
         # with a case, and its count with it, by a tenth.\n\
         [profile.release]\nopt-level = 3\nlto = \"fat\"\ncodegen-units = 1\npanic = \"abort\"\ndebug = 0\n",
        server("base"),
        server("wire"),
        server("store"),
        server("node"),
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).map_err(world)?;
    // Other people's crates in the versions that the tree has.
    let lock = folder.join("Cargo.lock");
    if !lock.exists() {
        std::fs::copy(tree.join("Cargo.lock"), &lock).map_err(world)?;
    }
    let target = folder.join("target");
    eprintln!("building the cases against {}", tree.display());
    cargo::build(&folder, &target, "release", &["--bin", "count"])?;
    Ok(target.join("release/count"))
}

fn names(program: &Path) -> Result<Vec<String>, String> {
    let done = Command::new(program).arg("--list").output().map_err(|e| format!("{}: {e}", program.display()))?;
    Ok(String::from_utf8_lossy(&done.stdout).lines().map(str::to_string).collect())
}

impl Counter {
    /// The first of them that works here.
    pub fn find(of: &[Counter]) -> Option<Counter> {
        // As it will be used: many virtual machines have a perf without the CPU's counters.
        let works = |counter: Counter| counter.instructions(Path::new("true"), &[]).is_ok_and(|count| count > 0);
        of.iter().copied().find(|counter| works(*counter))
    }

    /// All cases of `program` that have `part` in their names. Several at once: a count does not hear what else runs.
    pub fn all(self, program: &Path, part: &str) -> Result<Counts, String> {
        let names: Vec<String> = names(program)?.into_iter().filter(|name| name.contains(part)).collect();
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Ok(Counts::new())));
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, |cores| cores.get()) {
                scope.spawn(|| {
                    while let Some(name) = names.get(next.fetch_add(1, Relaxed)) {
                        let count = self.per_operation(program, name);
                        let mut found = found.lock().expect("nobody panics holding it");
                        let Ok(counts) = found.as_mut() else { return };
                        match count {
                            Ok(count) => drop(counts.insert(name.clone(), count)),
                            Err(why) => *found = Err(why),
                        }
                    }
                });
            }
        });
        found.into_inner().expect("nobody has panicked holding it")
    }

    fn name(self) -> &'static str {
        match self {
            Counter::Perf => "perf stat",
            Counter::Callgrind => "callgrind",
        }
    }

    fn per_operation(self, program: &Path, case: &str) -> Result<f64, String> {
        let count = |operations: u64| self.instructions(program, &[case, &operations.to_string()]);
        let (few, many) = (count(FEW)?, count(MANY)?);
        if many <= few {
            return Err(format!("{case}: {MANY} operations took {many} instructions, {FEW} took {few}"));
        }
        Ok((many - few) as f64 / (MANY - FEW) as f64)
    }

    /// Instructions that a program executes in user space.
    fn instructions(self, program: &Path, args: &[&str]) -> Result<u64, String> {
        let mut command = match self {
            Counter::Perf => {
                let mut command = Command::new("perf");
                command.args(["stat", "-x", ",", "-e", "instructions:u", "--"]);
                command
            }
            Counter::Callgrind => {
                let mut command = Command::new("valgrind");
                command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--"]);
                command
            }
        };
        command.arg(program).args(args).stdin(Stdio::null()).stdout(Stdio::null());
        let done = command.output().map_err(|e| format!("{}: {e}", self.name()))?;
        let said = String::from_utf8_lossy(&done.stderr);
        let count = if self == Counter::Perf { perf_count(&said) } else { callgrind_count(&said) };
        match count {
            Some(count) if done.status.success() => Ok(count),
            _ => Err(format!("{} of {} {}: {}", self.name(), program.display(), args.join(" "), said.trim())),
        }
    }
}

/// `1234567,,instructions:u,...`; where there is no counter the number is `<not supported>`.
fn perf_count(said: &str) -> Option<u64> {
    said.lines().find(|line| line.contains("instructions")).and_then(|line| line.split(',').next()?.trim().parse().ok())
}

/// `==123== Collected : 226362506`.
fn callgrind_count(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.split_whitespace().next()?.parse().ok())
}

pub fn judge(
    base: &str,
    counter: Counter,
    counts: &[(String, f64, f64)],
    max_loss: f64,
    max_loss_case: f64,
) -> Verdict {
    let mut text = format!("Instructions an operation ({}), {base} and this tree\n", counter.name());
    let mut lost = Vec::new();
    for (name, old, new) in counts {
        let word = if new / old - 1.0 > max_loss_case {
            lost.push(name.as_str());
            "  LOST"
        } else {
            ""
        };
        let _ = writeln!(text, "  {name:28} {old:10.1} {new:10.1}  {:+6.1} %{word}", (new / old - 1.0) * 100.0);
    }
    let factors: Vec<f64> = counts.iter().map(|(_, old, new)| new / old).collect();
    let mean = geometric_mean(&factors).unwrap_or(1.0) - 1.0;
    let _ = writeln!(text, "  {:28} {:10} {:10}  {:+6.1} %", "all (geometric mean)", "", "", mean * 100.0);
    let is_mean_lost = mean > max_loss;
    let _ = write!(
        text,
        "{}",
        match (is_mean_lost, lost.is_empty()) {
            (true, _) => format!("More than {} % is lost over all.", max_loss * 100.0),
            (false, false) => format!("More than {} % is lost in {}.", max_loss_case * 100.0, lost.join(", ")),
            (false, true) => "Held.".into(),
        }
    );
    Verdict { text, lost: is_mean_lost || !lost.is_empty() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read() {
        assert_eq!(perf_count("1234567,,instructions:u,1000,100.00,,\n"), Some(1_234_567));
        assert_eq!(perf_count("<not supported>,,instructions:u,0,100.00,,\n"), None);
        assert_eq!(callgrind_count("==1== Events    : Ir\n==1== Collected : 226362506\n"), Some(226_362_506));
        assert_eq!(callgrind_count("valgrind: not found"), None);
    }

    #[test]
    fn a_loss_is_one_of_the_mean_or_of_a_case() {
        let count = |name: &str, old, new| (name.to_string(), old, new);
        for (counts, lost, word) in [
            (vec![count("a", 100.0, 100.0), count("b", 100.0, 101.0)], false, "Held."),
            (vec![count("a", 100.0, 105.0), count("b", 100.0, 104.0)], true, "over all"),
            (vec![count("a", 100.0, 115.0), count("b", 100.0, 85.0)], true, "lost in a"),
            (vec![count("a", 100.0, 50.0)], false, "Held."),
        ] {
            let verdict = judge("base", Counter::Callgrind, &counts, 0.03, 0.10);
            assert_eq!(verdict.lost, lost, "{}", verdict.text);
            assert!(verdict.text.ends_with(word) || verdict.text.contains(word), "{}", verdict.text);
        }
    }
}
