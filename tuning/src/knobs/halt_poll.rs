//! Room: tuning, knob. How long a guest looks for work before it halts.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct HaltPoll;

const FILE: &str = "/sys/module/haltpoll/parameters/guest_halt_poll_ns";
const GOVERNOR: &str = "/sys/devices/system/cpu/cpuidle/current_governor";
/// guest-halt-polling.rst
const DEFAULT_NS: u64 = 200_000;

impl Knob for HaltPoll {
    fn id(&self) -> &'static str {
        "halt-poll"
    }

    fn name(&self) -> &'static str {
        "haltpoll.guest_halt_poll_ns"
    }

    fn group(&self) -> Group {
        Group::Cpu
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "200000 (the kernel's default)"
    }

    fn why(&self) -> &'static str {
        "An idle virtual CPU that halts leaves the guest, and waking it goes through the hypervisor. With the \
         haltpoll governor the guest looks for work for so long before it does (guest-halt-polling.rst). The \
         server's own idle-spin-us covers its threads; this covers every wait, the client's too."
    }

    fn undo(&self) -> &'static str {
        "Write the former number to the parameter again (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        if host.read(GOVERNOR).as_deref() != Some("haltpoll") {
            return Finding::unknown("the haltpoll governor is not in use");
        }
        match host.number(FILE) {
            None => Finding::unknown(format!("{FILE} cannot be read")),
            Some(ns) if ns >= DEFAULT_NS => Finding::good(ns.to_string()),
            Some(ns) => {
                Finding::off(ns.to_string(), format!("echo {DEFAULT_NS} > {FILE}")).change(FILE, DEFAULT_NS.to_string())
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
    fn polling_is_judged_where_it_is_in_use() {
        const ON: (&str, &str) = (GOVERNOR, "haltpoll\n");
        check(
            &HaltPoll,
            &[
                (&[ON, (FILE, "200000\n")], Standing::Good, "200000"),
                (&[ON, (FILE, "0\n")], Standing::Off, "0"),
                (&[(GOVERNOR, "menu\n"), (FILE, "0\n")], Standing::Unknown, "not in use"),
                (&[ON], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
