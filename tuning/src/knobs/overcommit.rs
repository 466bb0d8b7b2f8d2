//! Room: tuning, knob. Whether memory may be promised that is not there.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct Overcommit;

const FILE: &str = "/proc/sys/vm/overcommit_memory";

impl Knob for Overcommit {
    fn id(&self) -> &'static str {
        "overcommit"
    }

    fn name(&self) -> &'static str {
        "vm.overcommit_memory"
    }

    fn group(&self) -> Group {
        Group::Memory
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "0 or 1"
    }

    fn why(&self) -> &'static str {
        "Redis asks for 1 because its snapshots fork, which promises all memory a second time. The server does \
         not fork. 2 refuses allocations past a limit that counts promises, not use (vm, overcommit_memory), and \
         an allocation refused ends the process."
    }

    fn undo(&self) -> &'static str {
        "sysctl -w vm.overcommit_memory with the former number (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        match host.number(FILE) {
            Some(mode @ (0 | 1)) => Finding::good(mode.to_string()),
            Some(mode) => {
                Finding::off(mode.to_string(), "sysctl -w vm.overcommit_memory=0").wanted("0").change(FILE, "0")
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
    fn strict_accounting_is_found() {
        check(
            &Overcommit,
            &[
                (&[(FILE, "0\n")], Standing::Good, "0"),
                (&[(FILE, "1\n")], Standing::Good, "1"),
                (&[(FILE, "2\n")], Standing::Off, "2"),
                (&[], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
