//! Room: tuning, knob. How the CPUs choose their clock.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct Governor;

const FILE: &str = "cpufreq/scaling_governor";

impl Knob for Governor {
    fn id(&self) -> &'static str {
        "governor"
    }

    fn name(&self) -> &'static str {
        "CPU frequency governor"
    }

    fn group(&self) -> Group {
        Group::Cpu
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "performance on the shards' cores"
    }

    fn why(&self) -> &'static str {
        "Other governors slow a core down between requests, and the next request waits for it to speed up \
         (cpufreq.rst). Virtual machines mostly leave the choice to their host and show none."
    }

    fn undo(&self) -> &'static str {
        "cpupower frequency-set -g with the former governor (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let all: Vec<(u32, String)> =
            host.each_cpu(FILE).into_iter().filter(|(cpu, _)| host.shards.cpus.contains(cpu)).collect();
        let mut found: Vec<&str> = all.iter().map(|(_, governor)| governor.as_str()).collect();
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [] => Finding::unknown("not shown on this host"),
            ["performance"] => Finding::good("performance"),
            _ => {
                let mut finding =
                    Finding::off(found.join(", "), "cpupower frequency-set -g performance").wanted("performance");
                for (cpu, _) in all.iter().filter(|(_, governor)| governor != "performance") {
                    finding = finding.change(format!("/sys/devices/system/cpu/cpu{cpu}/{FILE}"), "performance");
                }
                finding
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn all_cores_of_shards_are_looked_at() {
        const ONLINE: (&str, &str) = ("/sys/devices/system/cpu/online", "0-1\n");
        const CPU0: &str = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
        const CPU1: &str = "/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor";
        check(
            &Governor,
            &[
                (&[ONLINE, (CPU0, "performance\n"), (CPU1, "performance\n")], Standing::Good, "performance"),
                (&[ONLINE, (CPU0, "performance\n"), (CPU1, "powersave\n")], Standing::Off, "performance, powersave"),
                (&[ONLINE], Standing::Unknown, "not shown"),
            ],
        );
    }
}
