//! Room: tuning, knob. The control group's share of CPU time.

use crate::cgroup;
use crate::knob::{Finding, Host, Knob, Verdict};

pub struct CgroupCpu;

impl Knob for CgroupCpu {
    fn name(&self) -> &'static str {
        "cgroup CPU quota (cpu.max)"
    }

    fn recommended(&self) -> &'static str {
        "max, with whole CPUs given by a cpuset"
    }

    fn why(&self) -> &'static str {
        "When a group has used its quota, all its threads stand still until the period ends, usually up to 100 ms: every answer \
         due then is late by as much (sched-bwc.rst). Whole CPUs of its own (cpuset.cpus, docker --cpuset-cpus, the static CPU \
         manager of Kubernetes) have no such pauses. With a quota, start no more shards than it has CPUs."
    }

    fn look(&self, host: &Host) -> Finding {
        let folders = cgroup::folders(host);
        // The tightest on the way to the root holds.
        let mut tightest: Option<f64> = None;
        let mut seen = false;
        for folder in &folders {
            let Some(text) = host.read(&format!("{folder}/cpu.max")) else { continue };
            seen = true;
            let mut words = text.split(' ');
            if let (Some(Ok(quota)), Some(Ok(period))) =
                (words.next().map(str::parse::<f64>), words.next().map(str::parse::<f64>))
                && period > 0.0
            {
                tightest = Some(tightest.map_or(quota / period, |t| t.min(quota / period)));
            }
        }
        match tightest {
            Some(cpus) => {
                let current = format!("{cpus:.2} CPUs");
                Finding::of(Verdict::Poor, current, "give the group a cpuset and take the quota away")
            }
            None if seen => Finding::good("max"),
            None if folders.is_empty() => Finding::unknown("no cgroup version 2 here"),
            None => Finding::good("no quota"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::tests::check;

    #[test]
    fn the_tightest_quota_is_found() {
        const OWN: (&str, &str) = ("/proc/self/cgroup", "0::/a/b\n");
        check(
            &CgroupCpu,
            &[
                (&[OWN, ("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n")], Verdict::Good, "max"),
                (&[OWN, ("/sys/fs/cgroup/a/cpu.max", "150000 100000\n")], Verdict::Poor, "1.50"),
                (
                    &[
                        OWN,
                        ("/sys/fs/cgroup/a/cpu.max", "50000 100000\n"),
                        ("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n"),
                    ],
                    Verdict::Poor,
                    "0.50",
                ),
                (&[("/proc/self/cgroup", "0::/\n")], Verdict::Good, "no quota"),
                (&[("/proc/self/cgroup", "4:cpu:/x\n")], Verdict::Unknown, "no cgroup"),
                (&[], Verdict::Unknown, "no cgroup"),
            ],
        );
    }
}
