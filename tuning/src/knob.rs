//! Room: tuning. What a knob is, and what looking at one finds. Touches: nothing.

use crate::host::Host;
use serde::{Deserialize, Serialize};

/// How a knob stands, as far as the host's files tell. Whether an `Off` is worth mending is for the recorded effect to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Good,
    /// This host does not have it, or hides it.
    Unknown,
    /// Nothing to set: what an operator should know before reading figures or placing shards.
    Noted,
    /// Not as recommended.
    Off,
    /// The server does not run like this.
    Stops,
}

/// One file written with one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub path: String,
    pub new: String,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub standing: Standing,
    pub current: String,
    /// What to set on this very host, where that is more exact than the knob's general recommendation.
    pub wanted: Option<String>,
    /// The command or the step that sets it; empty when nothing is to be done.
    pub remedy: String,
    /// What `apply` would write. Empty: not safe, or not possible, while the host runs.
    pub changes: Vec<Change>,
}

impl Finding {
    fn of(standing: Standing, current: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { standing, current: current.into(), wanted: None, remedy: remedy.into(), changes: Vec::new() }
    }

    pub fn good(current: impl Into<String>) -> Finding {
        Finding::of(Standing::Good, current, "")
    }

    pub fn unknown(why: impl Into<String>) -> Finding {
        Finding::of(Standing::Unknown, why, "")
    }

    pub fn noted(what: impl Into<String>) -> Finding {
        Finding::of(Standing::Noted, what, "")
    }

    pub fn off(current: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding::of(Standing::Off, current, remedy)
    }

    pub fn stops(current: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding::of(Standing::Stops, current, remedy)
    }

    pub fn wanted(mut self, wanted: impl Into<String>) -> Finding {
        self.wanted = Some(wanted.into());
        self
    }

    pub fn change(mut self, path: impl Into<String>, new: impl Into<String>) -> Finding {
        self.changes.push(Change { path: path.into(), new: new.into() });
        self
    }
}

/// Who can change it, seen from inside a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Given when the process, or its container, is started.
    Start,
    /// One for each network namespace: a container has its own.
    Network,
    /// One for the whole host.
    Host,
    /// A setting of the server's.
    Server,
}

impl Reach {
    /// What to do about it from inside a container.
    pub fn in_container(self) -> &'static str {
        match self {
            Reach::Start => {
                "given when the container is started (docker run --ulimit, --cpuset-cpus, --memory, --security-opt; in Kubernetes the pod's resources and securityContext)"
            }
            Reach::Network => {
                "of this container's network namespace: docker run --sysctl, or the pod's securityContext.sysctls; with the host's network only the host can change it"
            }
            Reach::Host => "only the host can change it",
            Reach::Server => "a setting of the server: as anywhere",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Kernel,
    Limits,
    Cpu,
    Network,
    Memory,
    Storage,
    Server,
}

impl Group {
    pub fn told(self) -> &'static str {
        match self {
            Group::Kernel => "kernel",
            Group::Limits => "limits",
            Group::Cpu => "cpu",
            Group::Network => "network",
            Group::Memory => "memory",
            Group::Storage => "storage",
            Group::Server => "server",
        }
    }
}

/// One thing about a host that may decide how well the server runs.
pub trait Knob {
    /// Its short name: what `apply` and `measure` take.
    fn id(&self) -> &'static str;
    fn name(&self) -> &'static str;
    fn group(&self) -> Group;
    fn reach(&self) -> Reach;
    fn recommended(&self) -> &'static str;
    /// What the knob does to the server, and where that is known from. How much it does is in the table of effects.
    fn why(&self) -> &'static str;
    /// How to go back by hand; `torc-tune undo` goes back on what `apply` wrote.
    fn undo(&self) -> &'static str;
    fn look(&self, host: &Host) -> Finding;
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

/// `64G`, `512mb`, `1.5GiB`, a bare number of bytes. A unit is a power of 1024, as the memory that it is cut from.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a size like 64G or 512M");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..split].trim().parse().map_err(|_| wrong())?;
    let unit = text[split..].to_ascii_lowercase();
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    let size = number * (1u64 << shift) as f64;
    // 2^53: past this a f64 skips bytes; no host has as many.
    if !(1.0..9e15).contains(&size) { Err(wrong()) } else { Ok(size as u64) }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::host::tests::Made;

    /// Files, how the knob stands, and what the current value mentions.
    pub type Case<'a> = (&'a [(&'a str, &'a str)], Standing, &'a str);

    /// Checks one knob against made hosts.
    pub fn check(knob: &dyn Knob, cases: &[Case]) {
        for (number, (files, standing, mentions)) in cases.iter().enumerate() {
            let made = Made::of(&format!("{}-{number}", knob.id()), files);
            check_one(knob, &made.host, *standing, mentions);
        }
    }

    pub fn check_one(knob: &dyn Knob, host: &Host, standing: Standing, mentions: &str) -> Finding {
        let finding = knob.look(host);
        assert_eq!(finding.standing, standing, "{}: {finding:?}", knob.id());
        assert!(finding.current.contains(mentions), "{}: '{mentions}' in {finding:?}", knob.id());
        let needs_remedy = matches!(standing, Standing::Off | Standing::Stops);
        assert_eq!(needs_remedy, !finding.remedy.is_empty(), "{}: {finding:?}", knob.id());
        assert!(needs_remedy || finding.changes.is_empty(), "{}: {finding:?}", knob.id());
        finding
    }

    #[test]
    fn sizes_are_told() {
        for (count, want) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (8 << 20, "8.0 MiB")] {
            assert_eq!(bytes(count), want);
        }
    }

    #[test]
    fn sizes_are_read() {
        let good = [("64G", 64 << 30), ("512mb", 512 << 20), ("1.5GiB", 3 << 29), ("4096", 4096), ("1k", 1024)];
        for (text, want) in good {
            assert_eq!(size(text), Ok(want), "{text}");
        }
        for text in ["", "G", "-1G", "64X", "1e99", "0"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
