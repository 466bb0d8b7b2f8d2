//! Room: tuning, knob. How the CPUs choose their clock.

use crate::knob::{Finding, Host, Knob, Verdict};

pub struct Governor;

const FOLDER: &str = "/sys/devices/system/cpu";

impl Knob for Governor {
    fn name(&self) -> &'static str {
        "CPU frequency governor"
    }

    fn recommended(&self) -> &'static str {
        "performance"
    }

    fn why(&self) -> &'static str {
        "Other governors slow a core down between requests, and the next request waits for it to speed up (cpufreq.rst). Virtual \
         machines mostly leave the choice to their host and show none."
    }

    fn look(&self, host: &Host) -> Finding {
        let cpus = host.list(FOLDER);
        let governors = cpus.iter().filter_map(|cpu| host.read(&format!("{FOLDER}/{cpu}/cpufreq/scaling_governor")));
        let mut found: Vec<String> = governors.collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [] => Finding::unknown("not shown on this host"),
            [one] if one == "performance" => Finding::good(one),
            _ => Finding::of(Verdict::Poor, found.join(", "), "cpupower frequency-set -g performance"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::tests::check;

    #[test]
    fn all_cores_are_looked_at() {
        const CPU0: &str = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
        const CPU1: &str = "/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor";
        check(
            &Governor,
            &[
                (&[(CPU0, "performance\n"), (CPU1, "performance\n")], Verdict::Good, "performance"),
                (&[(CPU0, "performance\n"), (CPU1, "powersave\n")], Verdict::Poor, "performance, powersave"),
                (&[("/sys/devices/system/cpu/online", "0-1\n")], Verdict::Unknown, "not shown"),
            ],
        );
    }
}
