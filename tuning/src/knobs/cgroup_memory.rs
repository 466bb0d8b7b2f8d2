//! Room: tuning, knob. The control group's memory limit.

use crate::cgroup;
use crate::host::Host;
use crate::knob::bytes;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct CgroupMemory;

impl Knob for CgroupMemory {
    fn id(&self) -> &'static str {
        "memory-limit"
    }

    fn name(&self) -> &'static str {
        "cgroup memory limit"
    }

    fn group(&self) -> Group {
        Group::Limits
    }

    fn reach(&self) -> Reach {
        Reach::Start
    }

    fn recommended(&self) -> &'static str {
        "none, or a quarter above maxmemory"
    }

    fn why(&self) -> &'static str {
        "A process that goes past the limit is killed, and what it held is gone. maxmemory must stay below it: \
         the kernel's socket buffers and the page cache of files being written count towards the group as well \
         (cgroup-v2.rst, memory.max)."
    }

    fn undo(&self) -> &'static str {
        "Set the former limit again: memory.max, docker update --memory, the pod's limits."
    }

    fn look(&self, host: &Host) -> Finding {
        match cgroup::memory_limit(host) {
            // A quarter aside: buffers of clients, socket buffers, page cache while files are written.
            Some(most) => {
                Finding::noted(format!("{}: maxmemory should be {} at most", bytes(most), bytes(most / 4 * 3)))
            }
            None if cgroup::folders(host, "memory").is_empty() => Finding::unknown("no control groups here"),
            None => Finding::good("no limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn the_tightest_limit_is_found() {
        const OWN: (&str, &str) = ("/proc/self/cgroup", "0::/a/b\n");
        const V1: (&str, &str) = ("/proc/self/cgroup", "4:memory:/x\n");
        check(
            &CgroupMemory,
            &[
                (&[OWN, ("/sys/fs/cgroup/a/b/memory.max", "max\n")], Standing::Good, "no limit"),
                (&[OWN, ("/sys/fs/cgroup/a/memory.max", "1073741824\n")], Standing::Noted, "768.0 MiB"),
                (&[V1, ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1073741824\n")], Standing::Noted, "1.0 GiB"),
                (
                    &[V1, ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n")],
                    Standing::Good,
                    "no limit",
                ),
                (&[], Standing::Unknown, "no control groups"),
            ],
        );
    }
}
