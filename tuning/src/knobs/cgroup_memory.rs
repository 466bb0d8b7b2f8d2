//! Room: tuning, knob. The control group's memory limit.

use crate::cgroup;
use crate::knob::{Finding, Host, Knob, Verdict, bytes};

pub struct CgroupMemory;

impl Knob for CgroupMemory {
    fn name(&self) -> &'static str {
        "cgroup memory limit (memory.max)"
    }

    fn recommended(&self) -> &'static str {
        "max, or well above maxmemory"
    }

    fn why(&self) -> &'static str {
        "A process that goes past the limit is killed, and what it held is gone. maxmemory must stay below it: the kernel's socket \
         buffers and the page cache of files being written count towards the group as well (cgroup-v2.rst, memory.max)."
    }

    fn look(&self, host: &Host) -> Finding {
        let folders = cgroup::folders(host);
        let limits = folders.iter().filter_map(|f| host.read(&format!("{f}/memory.max")));
        let tightest = limits.filter_map(|t| t.parse::<u64>().ok()).min();
        match tightest {
            // A quarter aside: buffers of clients, socket buffers, page cache while a snapshot is written.
            Some(most) => Finding::of(
                Verdict::Poor,
                bytes(most),
                format!("set maxmemory, to {} at most, or raise the limit", bytes(most / 4 * 3)),
            ),
            None if folders.is_empty() => Finding::unknown("no cgroup version 2 here"),
            None => Finding::good("no limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::tests::check;

    #[test]
    fn the_tightest_limit_is_found() {
        const OWN: (&str, &str) = ("/proc/self/cgroup", "0::/a/b\n");
        check(
            &CgroupMemory,
            &[
                (&[OWN, ("/sys/fs/cgroup/a/b/memory.max", "max\n")], Verdict::Good, "no limit"),
                (&[OWN, ("/sys/fs/cgroup/a/memory.max", "1073741824\n")], Verdict::Poor, "1.0 GiB"),
                (&[OWN], Verdict::Good, "no limit"),
                (&[], Verdict::Unknown, "no cgroup"),
            ],
        );
    }
}
