//! Room: benches, versus. All figures of a run, one for each round, and what is made from them: medians, spread, ratios.
//! Everything that is drawn or written is derived from these rows. Touches: stats.

use crate::stats::{self, Ratio};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    Throughput,
    Latency,
    Memory,
    Start,
    Snapshot,
    Log,
    Snapshots,
    Scaling,
    Types,
    TypesMemory,
    Disturbance,
    Blocking,
    Expiry,
    Pubsub,
}

impl Section {
    pub const ALL: [Section; 14] = [
        Section::Throughput,
        Section::Latency,
        Section::Memory,
        Section::Start,
        Section::Snapshot,
        Section::Log,
        Section::Snapshots,
        Section::Scaling,
        Section::Types,
        Section::TypesMemory,
        Section::Disturbance,
        Section::Blocking,
        Section::Expiry,
        Section::Pubsub,
    ];

    /// In the CSV and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Section::Throughput => "throughput",
            Section::Latency => "latency",
            Section::Memory => "memory",
            Section::Start => "start",
            Section::Snapshot => "snapshot",
            Section::Log => "log",
            Section::Snapshots => "snapshots",
            Section::Scaling => "scaling",
            Section::Types => "types",
            Section::TypesMemory => "types-memory",
            Section::Disturbance => "disturbance",
            Section::Blocking => "blocking",
            Section::Expiry => "expiry",
            Section::Pubsub => "pubsub",
        }
    }

    pub fn parse(text: &str) -> Result<Section, String> {
        let all = || Section::ALL.map(Section::name).join(", ");
        Section::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| format!("'{text}' is none of {}", all()))
    }

    pub fn title(self) -> &'static str {
        match self {
            Section::Throughput => "Throughput and its cost",
            Section::Latency => "Latency at fixed rates",
            Section::Memory => "Memory per key",
            Section::Start => "Starting and loading",
            Section::Snapshot => "Snapshots",
            Section::Log => "The append log",
            Section::Snapshots => "Snapshots of gigabytes",
            Section::Scaling => "Scaling with cores",
            Section::Types => "Commands on collections",
            Section::TypesMemory => "Memory of collections",
            Section::Disturbance => "Latency beside one command on very many elements",
            Section::Blocking => "Clients that wait for an element",
            Section::Expiry => "How late keys are said to have expired",
            Section::Pubsub => "Messages to subscribers",
        }
    }

    /// What a reader has to know to read the table.
    pub fn note(self) -> &'static str {
        match self {
            Section::Throughput => {
                "Closed loop: each connection asks again when it has been answered. Operations per CPU second count the time \
                 that the server process used (user and system), so they hold whether or not the load keeps the server busy."
            }
            Section::Latency => {
                "Open loop: asks are due at the rate whether or not the server keeps up, and latency counts from when an ask \
                 was due. The same rates for all: shares of what the slowest can do one at a time."
            }
            Section::Memory => {
                "Growth of the resident memory of a fresh server, divided by the keys, less key and value. Several sizes, \
                 because tables grow in steps."
            }
            Section::Start => {
                "From the start of the process to its first answer; keys loaded by pipelined SETs; what an empty server holds."
            }
            Section::Snapshot => {
                "Open loop at a steady rate before and during one BGSAVE. Extra memory: the most that the process and its \
                 children held meanwhile (each page counted once), beyond before. Loading: from the start with that snapshot \
                 to all keys being there."
            }
            Section::Log => {
                "SETs of 100 bytes, closed loop, one at a time on each connection, without a log, with a sync every second, and \
                 with a sync before each answer (appendfsync). Then an open loop at half of the rate without a log; where that \
                 is too much, at 0.7 of its own. Beside no log: the same server in the same round."
            }
            Section::Snapshots => {
                "One BGSAVE alone: how fast it is written, and as a share of what fio writes to the same file system (direct, \
                 512 KiB, 16 at once). Then one beside GETs and SETs in equal parts, an open loop at half of what the server \
                 does in a closed one. Extra memory: the most that all its processes held meanwhile (Pss) beyond before, as a \
                 share of keys and values. Load late: how late the load itself asked, by p99.9, which is in the latencies. Loading: \
                 from files of which the kernel's page cache has nothing."
            }
            Section::Scaling => {
                "Closed loop as above, on more cores, with as many threads as each server's documentation recommends for them (see the \
                 commands)."
            }
            Section::Types => {
                "Closed loop on one core, 16 in a pipeline. Several commands of one row are asked in equal parts. The mean of the \
                 ratios is the geometric one."
            }
            Section::TypesMemory => {
                "Growth of the resident memory of a fresh server, divided by the keys or, for one large key, by its elements; \
                 data included. Members, fields and values have ten bytes, keys 16. Counted: by the server itself. The mean \
                 of the ratios is the arithmetic one."
            }
            Section::Disturbance => {
                "GETs of another key on one core, 10,000 a second in an open loop, latency from when each was due; those count \
                 that were due from the start of the command to a second after its answer, two seconds at least. Late: the \
                 load's own part, p99.9."
            }
            Section::Blocking => {
                "Each client waits in BLPOP for one of the keys; then one element is pushed to one key after another. From the \
                 push to the element at the client that has waited longest."
            }
            Section::Expiry => {
                "One client listens for `expired` events on a server of one core; from the deadline of a key, which its name \
                 tells, until its event is read."
            }
            Section::Pubsub => {
                "One client publishes to one channel; all subscribers have read before the next is published. Messages are those \
                 that subscribers got."
            }
        }
    }

    /// The columns of its table.
    pub fn metrics(self) -> &'static [Metric] {
        use Metric::*;
        match self {
            Section::Throughput | Section::Scaling => {
                &[OpsPerS, OpsPerCpuS, ServerCores, LoadShare, P50Us, P99Us, P999Us]
            }
            Section::Latency => &[OpsPerS, P50Us, P90Us, P99Us, P999Us, MaxUs, ServerCores, LateP99Us],
            Section::Memory => &[BytesPerKey, RssBytes],
            Section::Start => &[StartMs, LoadKeysPerS, EmptyBytes],
            Section::Snapshot => {
                &[SnapshotS, P99BeforeUs, P99Us, P999BeforeUs, P999Us, MaxUs, ExtraBytes, FileBytes, RestartS]
            }
            Section::Log => {
                &[OpsPerS, OfNoLog, OpsPerCpuS, ServerCores, P50Us, P99Us, P999Us, HalfP999Us, OfNoLogP999, FileBytes]
            }
            Section::Snapshots => &[
                SnapshotS,
                WrittenPerS,
                OfDevice,
                P999BeforeUs,
                P999Us,
                MaxUs,
                LateP999Us,
                BesideS,
                ExtraShare,
                FileBytes,
                RestartS,
            ],
            Section::Types => &[OpsPerCpuS, OpsPerS, ServerCores, LoadShare, P99Us],
            Section::TypesMemory => &[BytesEach, CountedEach, RssBytes],
            Section::Disturbance => &[CommandMs, P50Us, P999Us, MaxUs, LateP999Us],
            Section::Blocking => &[P50Us, P99Us, MaxUs, BytesPerClient],
            Section::Expiry => &[P50Us, P99Us, P999Us, MaxUs, ServerCores],
            Section::Pubsub => &[MessagesPerCpuS, MessagesPerS, ServerCores],
        }
    }

    /// Those of its metrics for which the table has a ratio to the first peer.
    pub fn compared(self) -> &'static [Metric] {
        use Metric::*;
        match self {
            Section::Throughput | Section::Scaling => &[OpsPerS, OpsPerCpuS],
            Section::Latency => &[P99Us, P999Us],
            Section::Memory => &[BytesPerKey],
            Section::Start => &[StartMs, LoadKeysPerS],
            Section::Snapshot => &[SnapshotS, P999Us, RestartS],
            Section::Log => &[OpsPerS, HalfP999Us],
            Section::Snapshots => &[WrittenPerS, P999Us, RestartS],
            Section::Types => &[OpsPerCpuS],
            Section::TypesMemory => &[BytesEach],
            Section::Disturbance => &[P999Us, MaxUs],
            Section::Blocking => &[P50Us, MaxUs],
            Section::Expiry => &[P999Us],
            Section::Pubsub => &[MessagesPerCpuS],
        }
    }

    /// How the ratios of all its cases become one, where that says something.
    pub fn mean(self) -> Option<Mean> {
        match self {
            Section::Types => Some(Mean::Geometric),
            Section::TypesMemory => Some(Mean::Arithmetic),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mean {
    Arithmetic,
    Geometric,
}

/// What a figure counts, with its unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metric {
    OpsPerS,
    OpsPerCpuS,
    /// CPU time that the server used in a second of the run.
    ServerCores,
    /// The busiest thread of the load: 1.0 is a core all the time.
    LoadShare,
    P50Us,
    P90Us,
    P99Us,
    P999Us,
    MaxUs,
    P99BeforeUs,
    P999BeforeUs,
    /// How late the load itself made its asks.
    LateP99Us,
    BytesPerKey,
    RssBytes,
    EmptyBytes,
    StartMs,
    LoadKeysPerS,
    SnapshotS,
    ExtraBytes,
    FileBytes,
    RestartS,
    BytesEach,
    /// The same by the server's own count.
    CountedEach,
    CommandMs,
    LateP999Us,
    BytesPerClient,
    MessagesPerCpuS,
    MessagesPerS,
    /// At half of the rate without a log.
    HalfP999Us,
    /// Throughput, and p99.9 at that rate, beside the same server without a log.
    OfNoLog,
    OfNoLogP999,
    WrittenPerS,
    /// Of what fio writes a second.
    OfDevice,
    /// A snapshot beside a load.
    BesideS,
    /// Of keys and values.
    ExtraShare,
}

impl Metric {
    /// In the CSV.
    pub fn name(self) -> &'static str {
        use Metric::*;
        match self {
            OpsPerS => "ops_per_s",
            OpsPerCpuS => "ops_per_cpu_s",
            ServerCores => "server_cores",
            LoadShare => "load_thread_share",
            P50Us => "p50_us",
            P90Us => "p90_us",
            P99Us => "p99_us",
            P999Us => "p99.9_us",
            MaxUs => "max_us",
            P99BeforeUs => "p99_before_us",
            P999BeforeUs => "p99.9_before_us",
            LateP99Us => "late_p99_us",
            BytesPerKey => "bytes_per_key_beyond_data",
            RssBytes => "rss_bytes",
            EmptyBytes => "empty_rss_bytes",
            StartMs => "start_ms",
            LoadKeysPerS => "load_keys_per_s",
            SnapshotS => "snapshot_s",
            ExtraBytes => "snapshot_extra_bytes",
            FileBytes => "snapshot_file_bytes",
            RestartS => "restart_s",
            BytesEach => "bytes_each",
            CountedEach => "used_memory_each",
            CommandMs => "command_ms",
            LateP999Us => "late_p99.9_us",
            BytesPerClient => "bytes_per_client",
            MessagesPerCpuS => "messages_per_cpu_s",
            MessagesPerS => "messages_per_s",
            HalfP999Us => "half_rate_p99.9_us",
            OfNoLog => "ops_beside_no_log",
            OfNoLogP999 => "half_rate_p99.9_beside_no_log",
            WrittenPerS => "written_bytes_per_s",
            OfDevice => "share_of_device",
            BesideS => "snapshot_beside_load_s",
            ExtraShare => "snapshot_extra_share",
        }
    }

    /// As a table's head.
    pub fn title(self) -> &'static str {
        use Metric::*;
        match self {
            OpsPerS => "ops/s",
            OpsPerCpuS => "ops/cpu-s",
            ServerCores => "server, cores",
            LoadShare => "load, busiest thread",
            P50Us => "p50 µs",
            P90Us => "p90 µs",
            P99Us => "p99 µs",
            P999Us => "p99.9 µs",
            MaxUs => "max µs",
            P99BeforeUs => "p99 µs before",
            P999BeforeUs => "p99.9 µs before",
            LateP99Us => "load late, p99 µs",
            BytesPerKey => "bytes a key",
            RssBytes => "resident",
            EmptyBytes => "empty",
            StartMs => "start ms",
            LoadKeysPerS => "keys loaded/s",
            SnapshotS => "snapshot s",
            ExtraBytes => "extra memory",
            FileBytes => "file",
            RestartS => "loading s",
            BytesEach => "bytes each",
            CountedEach => "counted",
            CommandMs => "command ms",
            LateP999Us => "load late, p99.9 µs",
            BytesPerClient => "bytes a client",
            MessagesPerCpuS => "messages/cpu-s",
            MessagesPerS => "messages/s",
            HalfP999Us => "p99.9 µs at half",
            OfNoLog => "beside no log",
            OfNoLogP999 => "p99.9 beside no log",
            WrittenPerS => "written/s",
            OfDevice => "of the device",
            BesideS => "under load s",
            ExtraShare => "extra memory",
        }
    }

    pub fn more_is_better(self) -> bool {
        use Metric::*;
        matches!(self, OpsPerS | OpsPerCpuS | LoadKeysPerS | MessagesPerCpuS | MessagesPerS | WrittenPerS)
    }

    pub fn show(self, value: f64) -> String {
        use Metric::*;
        match self {
            OpsPerS | OpsPerCpuS | LoadKeysPerS | MessagesPerCpuS | MessagesPerS => short(value),
            ServerCores | LoadShare | OfNoLog | OfNoLogP999 | OfDevice => format!("{value:.2}"),
            ExtraShare => format!("{:.1} %", value * 100.0),
            WrittenPerS => format!("{:.0} MiB/s", value / (1 << 20) as f64),
            BytesPerKey | BytesEach | CountedEach => format!("{value:.1}"),
            RssBytes | EmptyBytes | ExtraBytes | FileBytes => format!("{:.1} MiB", value / (1 << 20) as f64),
            StartMs | CommandMs => format!("{value:.1}"),
            SnapshotS | RestartS | BesideS => format!("{value:.2}"),
            _ => grouped(value),
        }
    }
}

/// `1.23 M`, `216 k`, `12`.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{:.2} M", value / 1e6),
        v if v >= 1e5 => format!("{:.0} k", value / 1e3),
        v if v >= 1e3 => format!("{:.1} k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}

/// `12,345`; below ten with a digit behind the point.
pub fn grouped(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One figure of one round.
#[derive(Clone, Debug)]
pub struct Figure {
    pub section: Section,
    /// What was done, for people; figures of one case are comparable.
    pub case: String,
    pub peer: String,
    pub round: usize,
    pub metric: Metric,
    pub value: f64,
}

/// Something that was not run.
#[derive(Clone, Debug, PartialEq)]
pub struct Skip {
    pub section: Section,
    pub case: String,
    pub peer: String,
    pub why: String,
}

/// Of one peer's rounds of one case.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub spread: f64,
    pub rounds: usize,
}

#[derive(Default)]
pub struct Results {
    /// As the user gave it.
    pub command: String,
    pub date: String,
    pub host: String,
    /// What was the same for all: connections, keys, seconds, rounds.
    pub settings: Vec<String>,
    /// Name and version, in the order of measuring.
    pub peers: Vec<(String, String)>,
    /// Who was looked for and is not here, and why.
    pub absent: Vec<(String, String)>,
    pub minutes: f64,
    /// How each was started, for each layout of cores.
    pub commands: Vec<(String, String)>,
    pub figures: Vec<Figure>,
    pub skips: Vec<Skip>,
    /// What makes figures doubtful.
    pub warnings: Vec<String>,
}

impl Results {
    pub fn add(&mut self, section: Section, case: &str, peer: &str, round: usize, figures: &[(Metric, f64)]) {
        self.figures.extend(figures.iter().map(|&(metric, value)| Figure {
            section,
            case: case.into(),
            peer: peer.into(),
            round,
            metric,
            value,
        }));
    }

    /// Once for each reason, however many rounds met it.
    pub fn skip(&mut self, section: Section, case: &str, peer: &str, why: impl Into<String>) {
        let skip = Skip { section, case: case.into(), peer: peer.into(), why: why.into() };
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }

    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The cases of a section in the order in which they were first run.
    pub fn cases(&self, section: Section) -> Vec<&str> {
        let mut cases: Vec<&str> = Vec::new();
        for figure in self.figures.iter().filter(|figure| figure.section == section) {
            if !cases.contains(&figure.case.as_str()) {
                cases.push(&figure.case);
            }
        }
        cases
    }

    /// The peers that have figures of a case, in the order of measuring.
    pub fn peers_of(&self, section: Section, case: &str) -> Vec<&str> {
        let has = |peer: &str| self.figures.iter().any(|f| f.section == section && f.case == case && f.peer == peer);
        self.peers.iter().map(|(name, _)| name.as_str()).filter(|name| has(name)).collect()
    }

    fn rounds(&self, section: Section, case: &str, peer: &str, metric: Metric) -> Vec<(usize, f64)> {
        let same = |f: &&Figure| f.section == section && f.metric == metric && f.case == case && f.peer == peer;
        self.figures.iter().filter(same).map(|f| (f.round, f.value)).collect()
    }

    pub fn summary(&self, section: Section, case: &str, peer: &str, metric: Metric) -> Option<Summary> {
        let values: Vec<f64> = self.rounds(section, case, peer, metric).into_iter().map(|(_, v)| v).collect();
        Some(Summary {
            median: stats::median(&values)?,
            least: stats::least(&values),
            most: stats::most(&values),
            spread: stats::spread(&values).unwrap_or(0.0),
            rounds: values.len(),
        })
    }

    /// To the peer that stands first among those that have the figure; round by round, because neighbouring runs share what
    /// disturbs the host. None for that peer itself.
    pub fn ratio(&self, section: Section, case: &str, peer: &str, metric: Metric) -> Option<Ratio> {
        let has = |name: &&str| !self.rounds(section, case, name, metric).is_empty();
        let first = self.peers_of(section, case).into_iter().find(has)?;
        if first == peer {
            return None;
        }
        let base = self.rounds(section, case, first, metric);
        let ratios: Vec<f64> = self
            .rounds(section, case, peer, metric)
            .iter()
            .filter_map(|(round, value)| base.iter().find(|(r, _)| r == round).map(|(_, b)| value / b))
            .collect();
        Ratio::of_rounds(&ratios)
    }

    /// The ratios of all cases of a section as one, and of how many cases that is. None for the first peer, and where the
    /// section has none.
    pub fn mean_ratio(&self, section: Section, peer: &str, metric: Metric) -> Option<(f64, usize)> {
        let mean = section.mean()?;
        let cases = self.cases(section);
        let ratios: Vec<f64> =
            cases.iter().filter_map(|case| Some(self.ratio(section, case, peer, metric)?.ratio)).collect();
        let value = match mean {
            Mean::Geometric => stats::geometric_mean(&ratios)?,
            Mean::Arithmetic if ratios.is_empty() => return None,
            Mean::Arithmetic => ratios.iter().sum::<f64>() / ratios.len() as f64,
        };
        Some((value, ratios.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let mut results = Results {
            peers: vec![("a".into(), String::new()), ("b".into(), String::new()), ("c".into(), String::new())],
            ..Results::default()
        };
        for (round, a, b) in [(0, 100.0, 200.0), (1, 50.0, 110.0), (2, 100.0, 190.0)] {
            results.add(Section::Throughput, "x", "b", round, &[(Metric::OpsPerS, b)]);
            results.add(Section::Throughput, "x", "a", round, &[(Metric::OpsPerS, a)]);
        }
        results
    }

    #[test]
    fn ratios_are_made_round_by_round() {
        let results = results();
        assert_eq!(results.peers_of(Section::Throughput, "x"), ["a", "b"]);
        let ratio = results.ratio(Section::Throughput, "x", "b", Metric::OpsPerS).unwrap();
        // 2.0, 2.2, 1.9
        assert!((ratio.ratio - 2.03).abs() < 0.005 && ratio.low < 2.0 && ratio.high > 2.0, "{ratio:?}");
        assert_eq!(results.ratio(Section::Throughput, "x", "a", Metric::OpsPerS), None);
        assert_eq!(results.summary(Section::Throughput, "x", "a", Metric::OpsPerS).unwrap().median, 100.0);
        assert!(results.summary(Section::Throughput, "x", "c", Metric::OpsPerS).is_none());
    }

    #[test]
    fn a_reason_is_told_once() {
        let mut results = results();
        results.skip(Section::Snapshot, "s", "c", "no such verb");
        results.skip(Section::Snapshot, "s", "c", "no such verb");
        results.warn("w");
        results.warn("w");
        assert_eq!((results.skips.len(), results.warnings.len()), (1, 1));
    }

    #[test]
    fn numbers_for_people() {
        for (value, text) in
            [(0.0, "0"), (999.0, "999"), (12_345.0, "12.3 k"), (216_000.0, "216 k"), (1.755e6, "1.75 M")]
        {
            assert_eq!(short(value), text);
        }
        for (value, text) in
            [(3.26, "3.3"), (999.4, "999"), (1000.0, "1,000"), (1_234_567.0, "1,234,567"), (-1234.0, "-1,234")]
        {
            assert_eq!(grouped(value), text);
        }
    }
}
