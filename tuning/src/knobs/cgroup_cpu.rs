//! Room: tuning, knob. The control group's share of CPU time.

use crate::cgroup;
use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct CgroupCpu;

impl Knob for CgroupCpu {
    fn id(&self) -> &'static str {
        "cpu-quota"
    }

    fn name(&self) -> &'static str {
        "cgroup CPU quota"
    }

    fn group(&self) -> Group {
        Group::Limits
    }

    fn reach(&self) -> Reach {
        Reach::Start
    }

    fn recommended(&self) -> &'static str {
        "none, with whole CPUs given by a cpuset"
    }

    fn why(&self) -> &'static str {
        "When a group has used its quota, all its threads stand still until the period ends, usually up to 100 \
         ms: every answer due then is late by as much (sched-bwc.rst). Whole CPUs of its own (cpuset.cpus, docker \
         --cpuset-cpus, the static CPU manager of Kubernetes) have no such pauses. With a quota, start no more \
         shards than it has CPUs, as the server does by itself."
    }

    fn undo(&self) -> &'static str {
        "Set the former quota again: cpu.max, docker update --cpus, the pod's limits."
    }

    fn look(&self, host: &Host) -> Finding {
        match cgroup::cpu_quota(host) {
            Err(()) => Finding::unknown("no group shows a quota"),
            Ok(None) => Finding::good("no quota"),
            Ok(Some(quota)) if host.shards.cpus.len() as f64 > quota.ceil() => {
                let current = format!("{quota:.2} CPUs for {} shards", host.shards.cpus.len());
                Finding::off(
                    current,
                    format!("--shards {:.0}, or give the group a cpuset and take the quota away", quota.ceil()),
                )
            }
            Ok(Some(quota)) => {
                Finding::off(format!("{quota:.2} CPUs"), "give the group a cpuset and take the quota away")
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
    fn the_tightest_quota_is_found() {
        const OWN: (&str, &str) = ("/proc/self/cgroup", "0::/a/b\n");
        const V1: (&str, &str) = ("/proc/self/cgroup", "4:cpu,cpuacct:/x\n0::/\n");
        const ONLINE: (&str, &str) = ("/sys/devices/system/cpu/online", "0-3\n");
        check(
            &CgroupCpu,
            &[
                (&[OWN, ("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n")], Standing::Good, "no quota"),
                (&[OWN, ("/sys/fs/cgroup/a/cpu.max", "150000 100000\n")], Standing::Off, "1.50"),
                (&[OWN, ONLINE, ("/sys/fs/cgroup/a/cpu.max", "150000 100000\n")], Standing::Off, "4 shards"),
                (
                    &[
                        OWN,
                        ("/sys/fs/cgroup/a/cpu.max", "50000 100000\n"),
                        ("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n"),
                    ],
                    Standing::Off,
                    "0.50",
                ),
                (
                    &[
                        V1,
                        ("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "25000\n"),
                        ("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n"),
                    ],
                    Standing::Off,
                    "0.25",
                ),
                (
                    &[
                        V1,
                        ("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1\n"),
                        ("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n"),
                    ],
                    Standing::Good,
                    "no quota",
                ),
                (&[("/proc/self/cgroup", "0::/\n")], Standing::Unknown, "no group"),
                (&[], Standing::Unknown, "no group"),
            ],
        );
    }
}
