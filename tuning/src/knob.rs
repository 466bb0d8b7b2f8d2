//! Room: tuning. What a knob is. Touches: the file system, for reading only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How a knob stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Good,
    /// This host does not have it, or hides it: nothing to judge.
    Unknown,
    /// The server runs, but less well.
    Poor,
    /// The server does not run.
    Stops,
}

impl Verdict {
    pub fn told(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Unknown => "unknown",
            Verdict::Poor => "poor",
            Verdict::Stops => "STOPS",
        }
    }
}

/// What was found. `remedy` is the command or the step that sets what is recommended; empty when nothing is to be done.
#[derive(Clone, Debug)]
pub struct Finding {
    pub current: String,
    pub verdict: Verdict,
    pub remedy: String,
}

impl Finding {
    pub fn good(current: impl Into<String>) -> Finding {
        Finding { current: current.into(), verdict: Verdict::Good, remedy: String::new() }
    }

    pub fn unknown(why: impl Into<String>) -> Finding {
        Finding { current: why.into(), verdict: Verdict::Unknown, remedy: String::new() }
    }

    pub fn of(verdict: Verdict, current: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { current: current.into(), verdict, remedy: remedy.into() }
    }
}

/// One thing about a host that decides how well the server can run.
pub trait Knob {
    fn name(&self) -> &'static str;
    fn recommended(&self) -> &'static str;
    /// What the knob does to the server, and where that is known from.
    fn why(&self) -> &'static str;
    fn look(&self, host: &Host) -> Finding;
}

/// The host: its files, under a root that tests can lay elsewhere, and whether it gives this process a ring.
pub struct Host {
    root: PathBuf,
    pub try_ring: fn() -> io::Result<()>,
}

impl Host {
    pub fn new(root: impl Into<PathBuf>, try_ring: fn() -> io::Result<()>) -> Host {
        Host { root: root.into(), try_ring }
    }

    /// The trimmed content of an absolute path; `None` when it cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.at(path)).ok().map(|t| t.trim().to_string())
    }

    pub fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.at(path)) else { return Vec::new() };
        let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path).strip_prefix("/").unwrap_or(Path::new(path)))
    }
}

/// `1.5 GiB`, for people.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = count as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A host made of the given files, in a folder of its own that goes with it.
    pub struct Made {
        pub host: Host,
        root: PathBuf,
    }

    impl Made {
        pub fn of(name: &str, files: &[(&str, &str)]) -> Made {
            let root = std::env::temp_dir().join(format!("torc-tune-{}-{name}", std::process::id()));
            for (path, content) in files {
                let path = root.join(path.trim_start_matches('/'));
                fs::create_dir_all(path.parent().expect("a file is in a folder"))
                    .expect("the temporary folder is writable");
                fs::write(path, content).expect("the temporary folder is writable");
            }
            Made { host: Host::new(&root, || Ok(())), root }
        }
    }

    impl Drop for Made {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.root));
        }
    }

    /// Files, the verdict, and what the current value mentions.
    pub type Case<'a> = (&'a [(&'a str, &'a str)], Verdict, &'a str);

    /// Checks one knob against made hosts.
    pub fn check(knob: &dyn Knob, cases: &[Case]) {
        for (number, (files, verdict, mentions)) in cases.iter().enumerate() {
            let name = format!("{}-{number}", knob.name().replace(['/', ' '], "_"));
            let made = Made::of(&name, files);
            let finding = knob.look(&made.host);
            assert_eq!(finding.verdict, *verdict, "{}: {files:?} gave {finding:?}", knob.name());
            assert!(finding.current.contains(mentions), "{}: {files:?} gave {finding:?}", knob.name());
            let needs_remedy = finding.verdict > Verdict::Unknown;
            assert_eq!(needs_remedy, !finding.remedy.is_empty(), "{}: {finding:?}", knob.name());
        }
    }

    #[test]
    fn sizes_are_told() {
        for (count, want) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (8 << 20, "8.0 MiB")] {
            assert_eq!(bytes(count), want);
        }
    }
}
