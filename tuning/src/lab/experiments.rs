//! Room: tuning, lab. Which knobs can be measured on one host over loopback, and how: settings to compare and work to do.
//! Touches: host, for what this host has.

use super::figures::{HALF_P99, IDLE_P50, LARGE_PER_S, Metric, OPS_PER_CPU_S, STORM_SLOWEST};
use crate::cpus;
use crate::host::Host;
use crate::knob::Change;

/// What is done to the server once it is up, in each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// 50 connections, closed loop.
    Saturate,
    /// An open loop at half of what the first setting reached when saturated.
    HalfLoad,
    /// One connection, closed loop.
    OneClient,
    /// So many connects at once, by a client on the server's own core.
    Storm(usize),
    /// Values of 1 MiB read by four connections.
    Large,
}

#[derive(Clone, Debug)]
pub struct Side {
    pub name: String,
    pub changes: Vec<Change>,
    /// Directives of the server's.
    pub torc: Vec<String>,
    /// CPUs' worth of time for the server.
    pub quota: Option<f64>,
    /// One that `check` finds good.
    pub recommended: bool,
}

impl Side {
    fn of(name: impl Into<String>) -> Side {
        Side { name: name.into(), changes: Vec::new(), torc: Vec::new(), quota: None, recommended: false }
    }

    fn set(mut self, path: impl Into<String>, new: impl Into<String>) -> Side {
        self.changes.push(Change { path: path.into(), new: new.into() });
        self
    }

    fn good(mut self, recommended: bool) -> Side {
        self.recommended = recommended;
        self
    }

    fn torc(mut self, words: &[&str]) -> Side {
        self.torc.extend(words.iter().map(|w| w.to_string()));
        self
    }
}

pub struct Experiment {
    pub knob: &'static str,
    pub question: &'static str,
    pub keys: u64,
    pub work: &'static [Work],
    /// What decides; other figures are told beside it.
    pub judged: Metric,
    /// The settings, the first being the one that the others are compared with. The error says what this host lacks.
    pub sides: fn(&Host, &Cores) -> Result<Vec<Side>, String>,
    /// Whether a record of it can stand behind a recommendation: not where loopback is no stand-in for a network card.
    pub speaks: bool,
    /// What the comparison cannot tell.
    pub limits: &'static str,
}

/// Where server and load run.
#[derive(Clone, Debug)]
pub struct Cores {
    pub server: Vec<u32>,
    pub load: Vec<u32>,
}

pub fn all() -> Vec<Experiment> {
    vec![
        Experiment {
            knob: "idle-spin",
            question: "What do shards that spin before they sleep gain for one client alone, and what does it cost?",
            keys: 1_000,
            work: &[Work::OneClient],
            judged: IDLE_P50,
            sides: |_, _| {
                let side = |value: &str| {
                    Side::of(format!("idle-spin-us {value}")).torc(&["--idle-spin-us", value]).good(value == "auto")
                };
                Ok(vec![side("0"), side("auto"), side("50")])
            },
            speaks: true,
            limits: "One client over loopback. With many clients a shard hardly sleeps.",
        },
        Experiment {
            knob: "somaxconn",
            question: "How long do 3,000 clients that connect at once wait, by the longest accept queue?",
            keys: 0,
            work: &[Work::Storm(3_000)],
            judged: STORM_SLOWEST,
            sides: |host, _| {
                const FILE: &str = "/proc/sys/net/core/somaxconn";
                needs(host, FILE)?;
                let side = |n: &str| {
                    Side::of(format!("somaxconn {n}")).set(FILE, n).torc(&["--tcp-backlog", "4096"]).good(n == "4096")
                };
                Ok(vec![side("4096"), side("128")])
            },
            speaks: true,
            limits: "Client and server share one core, so that the server cannot accept while the client connects: the worst case.",
        },
        Experiment {
            knob: "thp",
            question: "What do transparent huge pages do to throughput, tail latency and memory?",
            keys: 1_000_000,
            work: &[Work::Saturate, Work::HalfLoad],
            judged: OPS_PER_CPU_S,
            sides: |host, _| {
                const FILE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
                needs(host, FILE)?;
                Ok(["madvise", "always", "never"]
                    .map(|word| Side::of(word).set(FILE, word).good(word == "madvise"))
                    .to_vec())
            },
            speaks: true,
            limits: "One million keys of 100-byte values: a larger store misses the TLB more.",
        },
        Experiment {
            knob: "halt-poll",
            question: "What does polling in the guest before it halts do to round trips?",
            keys: 1_000,
            work: &[Work::OneClient, Work::HalfLoad],
            judged: IDLE_P50,
            sides: |host, _| {
                const FILE: &str = "/sys/module/haltpoll/parameters/guest_halt_poll_ns";
                if host.read("/sys/devices/system/cpu/cpuidle/current_governor").as_deref() != Some("haltpoll") {
                    return Err("the haltpoll governor is not in use".into());
                }
                needs(host, FILE)?;
                Ok(["0", "200000"]
                    .map(|ns| Side::of(format!("guest_halt_poll_ns {ns}")).set(FILE, ns).good(ns != "0"))
                    .to_vec())
            },
            speaks: true,
            limits: "Client and server are in the same guest: both sides' waits are polled.",
        },
        Experiment {
            knob: "busy-poll",
            question: "What does busy polling do?",
            keys: 1_000,
            work: &[Work::OneClient, Work::HalfLoad],
            judged: IDLE_P50,
            sides: |host, _| {
                const READ: &str = "/proc/sys/net/core/busy_read";
                const POLL: &str = "/proc/sys/net/core/busy_poll";
                needs(host, READ)?;
                needs(host, POLL)?;
                Ok(["0", "50"]
                    .map(|us| Side::of(format!("busy_read and busy_poll {us}")).set(READ, us).set(POLL, us))
                    .to_vec())
            },
            speaks: false,
            limits: "Over loopback, which has no queue to poll: says that it does no harm there, and nothing about network cards.",
        },
        Experiment {
            knob: "rps",
            question: "What does receive packet steering do over loopback?",
            keys: 100_000,
            work: &[Work::Saturate, Work::HalfLoad],
            judged: HALF_P99,
            sides: |host, cores| {
                const FILE: &str = "/sys/class/net/lo/queues/rx-0/rps_cpus";
                needs(host, FILE)?;
                let mask = cpus::mask_text(&cores.server);
                Ok(vec![Side::of("off").set(FILE, "0"), Side::of(format!("rps_cpus {mask}")).set(FILE, mask)])
            },
            speaks: false,
            limits: "Loopback delivers on the sender's core; a network card does on the core that its interrupt goes to. Says nothing about cards.",
        },
        Experiment {
            knob: "socket-buffers",
            question: "What do small send buffers do to replies of 1 MiB?",
            keys: 64,
            work: &[Work::Large],
            judged: LARGE_PER_S,
            sides: |host, _| {
                const FILE: &str = "/proc/sys/net/ipv4/tcp_wmem";
                needs(host, FILE)?;
                let side = |name: &str, size: &str| {
                    Side::of(format!("tcp_wmem up to {name}")).set(FILE, format!("4096 16384 {size}"))
                };
                Ok(vec![side("4 MiB", "4194304").good(true), side("512 KiB", "524288"), side("64 KiB", "65536")])
            },
            speaks: true,
            limits: "Loopback's segments are 64 KiB, so that a buffer of one or two segments waits for acknowledgements that the receiver delays by some 40 ms; over Ethernet the difference comes from the round trip.",
        },
        Experiment {
            knob: "clocksource",
            question: "What does the clock source cost?",
            keys: 100_000,
            work: &[Work::Saturate, Work::HalfLoad],
            judged: OPS_PER_CPU_S,
            sides: |host, _| {
                const NOW: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
                const ALL: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
                let (Some(now), Some(all)) = (host.read(NOW), host.read(ALL)) else {
                    return Err(format!("{NOW} is not there"));
                };
                let others = all.split_ascii_whitespace().filter(|word| *word != now);
                let good = |word: &str| crate::knobs::FAST_CLOCKS.contains(&word);
                let mut sides = vec![Side::of(now.as_str()).set(NOW, now.as_str()).good(good(&now))];
                sides.extend(others.map(|word| Side::of(word).set(NOW, word).good(good(word))));
                if sides.len() > 1 { Ok(sides) } else { Err(format!("{now} is the only clock source here")) }
            },
            speaks: true,
            limits: "The load reads the clock too, and more often than the server.",
        },
        Experiment {
            knob: "governor",
            question: "What does the CPU frequency governor do?",
            keys: 100_000,
            work: &[Work::OneClient, Work::HalfLoad],
            judged: HALF_P99,
            sides: |host, _| {
                const FILE: &str = "cpufreq/scaling_governor";
                let all = host.each_cpu("cpufreq/scaling_available_governors");
                let Some((_, words)) = all.first() else { return Err("no CPU shows a governor".into()) };
                let set = |word: &str| {
                    all.iter().fold(Side::of(word).good(word == "performance"), |side, (cpu, _)| {
                        side.set(format!("/sys/devices/system/cpu/cpu{cpu}/{FILE}"), word)
                    })
                };
                let others = ["schedutil", "ondemand", "powersave"];
                let others = others.into_iter().filter(|word| words.split_ascii_whitespace().any(|w| w == *word));
                let sides: Vec<Side> = std::iter::once("performance").chain(others).map(set).collect();
                if sides.len() > 1 { Ok(sides) } else { Err(format!("only {words} here")) }
            },
            speaks: true,
            limits: "Client and server are on one host: both change their clock.",
        },
        Experiment {
            knob: "c-states",
            question: "What do idle states that take over 10 µs to leave do?",
            keys: 1_000,
            work: &[Work::OneClient, Work::HalfLoad],
            judged: IDLE_P50,
            sides: |host, _| {
                let mut files = Vec::new();
                for cpu in host.online() {
                    let folder = format!("/sys/devices/system/cpu/cpu{cpu}/cpuidle");
                    for state in host.list(&folder) {
                        if host.number(&format!("{folder}/{state}/latency")).is_some_and(|us| us > 10) {
                            files.push(format!("{folder}/{state}/disable"));
                        }
                    }
                }
                if files.is_empty() {
                    return Err("no idle state takes over 10 µs to leave, or none is shown".into());
                }
                let set = |name: &str, value: &str| {
                    files.iter().fold(Side::of(name).good(value == "1"), |side, f| side.set(f.as_str(), value))
                };
                Ok(vec![set("all states", "0"), set("none over 10 µs", "1")])
            },
            speaks: true,
            limits: "Client and server are on one host: both wake from idle states.",
        },
        Experiment {
            knob: "cpu-quota",
            question: "What does a quota just above the mean need of the server do at half load?",
            keys: 100_000,
            work: &[Work::HalfLoad],
            judged: HALF_P99,
            sides: |host, cores| {
                if !host.has("/sys/fs/cgroup/cgroup.controllers") && !host.has("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") {
                    return Err("no control group for CPU time is mounted".into());
                }
                let quota = 0.6 * cores.server.len() as f64;
                Ok(vec![
                    Side::of("none").good(true),
                    Side { quota: Some(quota), ..Side::of(format!("{quota:.1} CPUs")) },
                ])
            },
            speaks: true,
            limits: "Half load needs about half of a CPU for each shard, or all of it while shards spin.",
        },
    ]
}

fn needs(host: &Host, path: &str) -> Result<(), String> {
    if host.has(path) { Ok(()) } else { Err(format!("{path} is not there")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;
    use crate::knobs;

    #[test]
    fn each_measures_a_knob_that_there_is_and_compares_two_settings() {
        let files = [
            ("/sys/devices/system/cpu/online", "0-1\n"),
            ("/proc/sys/net/core/somaxconn", "4096\n"),
            ("/proc/sys/net/core/busy_read", "0\n"),
            ("/proc/sys/net/core/busy_poll", "0\n"),
            ("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 4194304\n"),
            ("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
            ("/sys/class/net/lo/queues/rx-0/rps_cpus", "0\n"),
            ("/sys/module/haltpoll/parameters/guest_halt_poll_ns", "0\n"),
            ("/sys/devices/system/cpu/cpuidle/current_governor", "haltpoll\n"),
            ("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
            ("/sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc kvm-clock\n"),
            ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_available_governors", "performance powersave\n"),
            ("/sys/devices/system/cpu/cpu1/cpufreq/scaling_available_governors", "performance powersave\n"),
            ("/sys/devices/system/cpu/cpu0/cpuidle/state2/latency", "170\n"),
            ("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
        ];
        let (made, bare) = (Made::of("experiments", &files), Made::of("experiments-bare", &[]));
        let cores = Cores { server: vec![0], load: vec![1] };
        for experiment in all() {
            assert!(knobs::all().iter().any(|knob| knob.id() == experiment.knob), "{}", experiment.knob);
            let sides = (experiment.sides)(&made.host, &cores).expect(experiment.knob);
            assert!(sides.len() >= 2, "{}", experiment.knob);
            // What speaks for a recommendation knows which setting that is.
            assert!(!experiment.speaks || sides.iter().any(|side| side.recommended), "{}", experiment.knob);
            // A host without the knob says so; idle-spin is the server's own.
            assert_eq!(
                (experiment.sides)(&bare.host, &cores).is_err(),
                experiment.knob != "idle-spin",
                "{}",
                experiment.knob
            );
        }
    }
}
