//! Room: tuning, knob. How deep idle CPUs sleep.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct CStates;

const FOLDER: &str = "/sys/devices/system/cpu";
/// About half of an idle round trip over loopback (25 µs, benches/record/vm-2vcpu/2026-11-22-engine.md).
const SLOW_US: u64 = 10;

impl Knob for CStates {
    fn id(&self) -> &'static str {
        "c-states"
    }

    fn name(&self) -> &'static str {
        "CPU idle states (C-states)"
    }

    fn group(&self) -> Group {
        Group::Cpu
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "none that takes over 10 µs to leave, on the shards' cores"
    }

    fn why(&self) -> &'static str {
        "A request that arrives on a sleeping core waits until it is awake: from 1 µs for the lightest state to \
         hundreds for the deepest (cpuidle's latency files). Shallow states cost power and can lower the clock of \
         the other cores."
    }

    fn undo(&self) -> &'static str {
        "Write 0 to the state's file disable again (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let mut slow: Vec<(String, String, u64)> = Vec::new();
        let mut deepest: Option<(String, u64)> = None;
        for cpu in &host.shards.cpus {
            let states = format!("{FOLDER}/cpu{cpu}/cpuidle");
            for state in host.list(&states).iter().filter(|name| name.starts_with("state")) {
                let folder = format!("{states}/{state}");
                let (Some(name), Some(latency_us)) =
                    (host.read(&format!("{folder}/name")), host.number(&format!("{folder}/latency")))
                else {
                    continue;
                };
                if host.read(&format!("{folder}/disable")).is_some_and(|t| t != "0") {
                    continue;
                }
                if deepest.as_ref().is_none_or(|(_, us)| latency_us > *us) {
                    deepest = Some((name.clone(), latency_us));
                }
                if latency_us > SLOW_US {
                    slow.push((format!("{folder}/disable"), name, latency_us));
                }
            }
        }
        let Some((name, us)) = deepest else { return Finding::unknown("no idle states are shown on this host") };
        let current = format!("{name}, {us} µs to leave");
        if slow.is_empty() {
            return Finding::good(current);
        }
        let mut finding = Finding::off(current, format!("cpupower idle-set -D {SLOW_US}"));
        for (path, _, _) in slow {
            finding = finding.change(path, "1");
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn states_that_take_long_to_leave_are_found() {
        const ONLINE: (&str, &str) = ("/sys/devices/system/cpu/online", "0\n");
        const NAME1: (&str, &str) = ("/sys/devices/system/cpu/cpu0/cpuidle/state1/name", "C1\n");
        const FAST1: (&str, &str) = ("/sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "1\n");
        const NAME2: (&str, &str) = ("/sys/devices/system/cpu/cpu0/cpuidle/state2/name", "C6\n");
        const SLOW2: (&str, &str) = ("/sys/devices/system/cpu/cpu0/cpuidle/state2/latency", "170\n");
        const OFF2: (&str, &str) = ("/sys/devices/system/cpu/cpu0/cpuidle/state2/disable", "1\n");
        check(
            &CStates,
            &[
                (&[ONLINE, NAME1, FAST1], Standing::Good, "C1, 1 µs"),
                (&[ONLINE, NAME1, FAST1, NAME2, SLOW2], Standing::Off, "C6, 170 µs"),
                (&[ONLINE, NAME1, FAST1, NAME2, SLOW2, OFF2], Standing::Good, "C1"),
                (&[ONLINE], Standing::Unknown, "no idle states"),
            ],
        );
    }
}
