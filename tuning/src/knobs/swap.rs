//! Room: tuning, knob. Whether memory may go to disk.

use crate::host::Host;
use crate::knob::bytes;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct Swap;

const FILE: &str = "/proc/sys/vm/swappiness";

impl Knob for Swap {
    fn id(&self) -> &'static str {
        "swap"
    }

    fn name(&self) -> &'static str {
        "swap"
    }

    fn group(&self) -> Group {
        Group::Memory
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "none, or vm.swappiness 1 with maxmemory below the memory"
    }

    fn why(&self) -> &'static str {
        "A key whose page was swapped out is read from disk while its whole shard waits. Without swap a host that \
         runs out of memory kills a process in place of slowing all of them down: maxmemory decides then."
    }

    fn undo(&self) -> &'static str {
        "swapon -a; sysctl -w vm.swappiness with the former number (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(total) = host.meminfo("SwapTotal") else { return Finding::unknown("/proc/meminfo does not tell") };
        let used = total.saturating_sub(host.meminfo("SwapFree").unwrap_or(total));
        match host.number(FILE) {
            _ if total == 0 => Finding::good("none"),
            Some(swappiness) if swappiness > 1 => {
                let current = format!("{} ({} used), swappiness {swappiness}", bytes(total), bytes(used));
                Finding::off(current, "swapoff -a, or sysctl -w vm.swappiness=1").wanted("1").change(FILE, "1")
            }
            Some(swappiness) => {
                Finding::good(format!("{} ({} used), swappiness {swappiness}", bytes(total), bytes(used)))
            }
            None => Finding::unknown(format!("{FILE} cannot be read")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn swap_is_judged_with_its_readiness() {
        const NONE: (&str, &str) = ("/proc/meminfo", "SwapTotal:  0 kB\nSwapFree:  0 kB\n");
        const SOME: (&str, &str) = ("/proc/meminfo", "SwapTotal:  2097152 kB\nSwapFree:  1048576 kB\n");
        check(
            &Swap,
            &[
                (&[NONE, (FILE, "60\n")], Standing::Good, "none"),
                (&[SOME, (FILE, "60\n")], Standing::Off, "2.0 GiB (1.0 GiB used)"),
                (&[SOME, (FILE, "1\n")], Standing::Good, "swappiness 1"),
                (&[SOME], Standing::Unknown, "cannot be read"),
                (&[], Standing::Unknown, "does not tell"),
            ],
        );
    }
}
