//! Room: loadgen. What a run found, as plain data: what reports draw, files keep and other programs read.
//! Touches: nothing.
//!
//! Times within a run are seconds or nanoseconds since the first connection was ready; latencies are nanoseconds.
//! `Live` is the same in small, several times a second, while the run goes on.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as HistogramReader, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// The version of the JSON form. Moves when a field changes its meaning or goes; new fields do not move it.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub format: u32,
    /// The scenario's title, or what the flags amount to in a few words.
    pub title: String,
    /// The command line, as it could be given again.
    pub command: String,
    pub started_unix_s: f64,
    /// Where the load came from.
    pub host: Host,
    pub targets: Vec<TargetFacts>,
    pub pace: Pace,
    pub connections: usize,
    pub pipeline: usize,
    pub threads: usize,
    pub keys: u64,
    pub seed: u64,
    /// Measured time: without populating and warming up.
    pub seconds: f64,
    /// CPU time that this program used in the measured time, all threads, user and system.
    pub cpu_s: f64,
    /// Of the busiest measuring thread: the share of its measured time that it was on its CPU, 0 to 1.
    pub cpu_share_max: f64,
    /// In the order of the plan; a verb that was never asked has a count of 0.
    pub verbs: Vec<VerbOutcome>,
    /// All verbs together, errors included.
    pub all: Latency,
    /// How late an ask was made by this program's own doing: after it was due and a connection had room. Waiting for room is the
    /// server's doing, and in the latencies alone. Empty in a closed loop, where nothing is due.
    pub late: Latency,
    /// Every 250 ms of a short run, more of a long one; at most `TICKS_MAX`.
    pub series: Vec<Tick>,
    pub phases: Vec<PhaseSpan>,
    /// The slowest answers, slowest first.
    pub slowest: Vec<Slow>,
    pub objectives: Vec<Objective>,
    /// Whole sentences for people: what makes the figures doubtful.
    pub warnings: Vec<String>,
    /// The first error in the server's words.
    pub first_error: Option<String>,
    /// Asks that were due or sent and had no answer when the run ended.
    pub unanswered: u64,
    /// Connections made beyond the first set: churn, redirects.
    pub reconnects: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Every value read was checked, and passed: a run that found a bad one has no outcome but evidence.
    pub verified: bool,
    /// The curve of a search for the highest rate, lowest rate first.
    pub limit: Option<Vec<LimitPoint>>,
}

/// Past this, neighbouring ticks are joined two by two.
pub const TICKS_MAX: usize = 2400;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Host {
    pub name: String,
    /// As `uname -sr` says it.
    pub kernel: String,
    pub cpus: usize,
    pub cpu_model: String,
    pub memory_bytes: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetFacts {
    pub url: String,
    /// `redis`, `valkey`, `torc`, `dragonfly`, `memcached`, ... as the server tells it; empty where it does not.
    pub server: String,
    pub version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// A connection asks again when it has been answered; latency counts from the ask.
    Closed,
    /// Asks are due at a set rate whether or not the server keeps up; latency counts from when they were due.
    Open { per_second: f64, arrivals: Arrivals },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// By chance, independent of each other.
    Poisson,
    /// All gaps the same.
    Constant,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerbOutcome {
    pub name: String,
    /// Answers, errors included.
    pub count: u64,
    /// Of reads: keys that were there, and that were not. An ask for many keys counts each.
    pub hits: u64,
    pub misses: u64,
    pub errors: u64,
    pub latency: Latency,
}

/// One stretch of measured time. All but `at_s` and `phase` is of answers that came within it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tick {
    /// When it begins and how long it is.
    pub at_s: f64,
    pub seconds: f64,
    /// Index into `Outcome::phases`.
    pub phase: usize,
    pub answers: u64,
    pub errors: u64,
    /// The rate set at its end; none in a closed loop.
    pub wanted_per_s: Option<f64>,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
    pub late_max_ns: u64,
    /// CPU of this program: 1.0 is one core all the time.
    pub own_cpu: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PhaseSpan {
    pub name: String,
    pub from_s: f64,
    pub to_s: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slow {
    pub verb: String,
    /// When it was due (open) or asked (closed).
    pub due_s: f64,
    pub took_ns: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Objective {
    /// As it was given: `p99.9=5ms`, `rate=100k`, `errors=0`.
    pub text: String,
    /// Wanted and got in the unit of the thing itself: nanoseconds, answers a second, errors.
    pub wanted: f64,
    pub got: f64,
    pub met: bool,
}

/// One rate that a search tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LimitPoint {
    pub rate: f64,
    /// Answers a second at that rate.
    pub achieved: f64,
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
    /// What the objective is about, measured, and whether it held (the rate was also reached, without errors).
    pub got_ns: u64,
    pub met: bool,
}

/// A histogram of nanoseconds. In JSON: base64 of HdrHistogram's V2 compressed form, which its tools read.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency(pub Histogram<u64>);

impl Default for Latency {
    fn default() -> Latency {
        Latency::new()
    }
}

impl Latency {
    /// 3 digits up to one hour; record with `saturating_record`, so that what is above counts as an hour.
    pub fn new() -> Latency {
        let bounds = Histogram::new_with_bounds(1, 3_600_000_000_000, 3);
        Latency(bounds.expect("constant bounds that hdrhistogram takes"))
    }

    /// HdrHistogram's V2 compressed form, as `.hlog` files hold it before base64.
    pub fn deflated(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).expect("a Vec takes all bytes");
        bytes
    }

    pub fn from_deflated(bytes: &[u8]) -> Result<Latency, String> {
        let read = HistogramReader::new().deserialize::<u64, _>(&mut &bytes[..]);
        read.map(Latency).map_err(|e| format!("not a histogram: {e:?}"))
    }
}

impl Deref for Latency {
    type Target = Histogram<u64>;
    fn deref(&self) -> &Histogram<u64> {
        &self.0
    }
}

impl DerefMut for Latency {
    fn deref_mut(&mut self) -> &mut Histogram<u64> {
        &mut self.0
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&base64(&self.deflated()))
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Latency, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = unbase64(&text).ok_or_else(|| serde::de::Error::custom("not base64"))?;
        Latency::from_deflated(&bytes).map_err(serde::de::Error::custom)
    }
}

// RFC 4648, section 4.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { letter as char } else { '=' });
        }
    }
    out
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        word = word << 6 | LETTERS.iter().position(|l| *l == letter)? as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    Some(out)
}

/// How the run stands, for whoever draws it: the engine puts it here every 250 ms, `Screen` looks when it likes.
#[derive(Default)]
pub struct LiveCell(Mutex<Live>);

impl LiveCell {
    pub fn look(&self) -> Live {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub fn put(&self, live: Live) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = live;
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// Moves with each `put`: the same number, nothing new.
    pub number: u64,
    pub stage: Stage,
    /// Of a measuring run: the name of the scenario's phase.
    pub phase: String,
    /// Of the stage, 0 to 1.
    pub progress: f64,
    /// Seconds until the stage ends; none when it cannot be told.
    pub left_s: Option<f64>,
    pub passed_s: f64,
    /// Since the stage began.
    pub answers: u64,
    pub errors: u64,
    /// In the last interval: answers a second, the rate set, and latencies.
    pub per_s: f64,
    pub wanted_per_s: Option<f64>,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
    pub late_max_ns: u64,
    pub own_cpu: f64,
    pub first_error: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Connecting,
    Populating,
    Warming,
    Measuring,
    /// Trying a rate in a search for the highest.
    Searching,
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(unbase64(coded).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(unbase64("Zg*="), None);
    }

    #[test]
    fn a_histogram_comes_back_from_json_as_it_went() {
        let mut latency = Latency::new();
        for ns in [1, 999, 1_000_000, 3_600_000_000_000, u64::MAX] {
            latency.saturating_record(ns);
        }
        let text = serde_json::to_string(&latency).expect("plain data");
        let back: Latency = serde_json::from_str(&text).expect("what was written is read");
        assert_eq!(back, latency);
        assert!(serde_json::from_str::<Latency>("\"AAAA\"").is_err());
    }
}
