//! Room: tuning, knob. Which queue a core sends by.

use crate::cpus;
use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct Xps;

impl Knob for Xps {
    fn id(&self) -> &'static str {
        "xps"
    }

    fn name(&self) -> &'static str {
        "transmit packet steering (xps_cpus)"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "each core sends by a queue of its own"
    }

    fn why(&self) -> &'static str {
        "With several transmit queues and no map, a packet's queue is chosen by a hash, and cores contend for \
         queue locks; a map gives each core its queue (scaling.rst, XPS). Most drivers set one up by themselves."
    }

    fn undo(&self) -> &'static str {
        "Write the former mask to the queue's xps_cpus (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let mut told = Vec::new();
        let mut finding: Option<Finding> = None;
        for nic in host.nics() {
            let names = host.list(&format!("/sys/class/net/{nic}/queues"));
            let count = names.iter().filter(|name| name.starts_with("tx-")).count();
            let queues = host.queues(&nic, "tx-", "xps_cpus");
            if count <= 1 {
                // With one queue there is nothing to choose; the kernel then shows no map.
                told.push(format!("{nic}: one queue"));
                continue;
            }
            let unset = queues.iter().filter(|(_, mask)| cpus::mask(mask).is_some_and(|cpus| cpus.is_empty())).count();
            told.push(format!("{nic}: {unset} of {count} queues without a map"));
            if unset > 0 {
                let mut found = finding
                    .take()
                    .unwrap_or_else(|| Finding::off("", "write each core's mask to one queue's xps_cpus"));
                for (at, (queue, _)) in queues.iter().enumerate() {
                    let mine: Vec<u32> = host.online().into_iter().filter(|cpu| *cpu as usize % count == at).collect();
                    found =
                        found.change(format!("/sys/class/net/{nic}/queues/{queue}/xps_cpus"), cpus::mask_text(&mine));
                }
                finding = Some(found);
            }
        }
        match finding {
            _ if told.is_empty() => Finding::unknown("no network card is shown"),
            Some(finding) => Finding { current: told.join("; "), ..finding },
            None => Finding::good(told.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn queues_without_a_map_are_found() {
        const ONLINE: (&str, &str) = ("/sys/devices/system/cpu/online", "0-3\n");
        const NIC: (&str, &str) = ("/sys/class/net/eth0/device/uevent", "");
        const ONE: (&str, &str) = ("/sys/class/net/eth0/queues/tx-0/tx_timeout", "0\n");
        const MAP0: (&str, &str) = ("/sys/class/net/eth0/queues/tx-0/xps_cpus", "5\n");
        const MAP1: (&str, &str) = ("/sys/class/net/eth0/queues/tx-1/xps_cpus", "a\n");
        const NONE1: (&str, &str) = ("/sys/class/net/eth0/queues/tx-1/xps_cpus", "0\n");
        check(
            &Xps,
            &[
                (&[NIC, ONLINE, ONE], Standing::Good, "one queue"),
                (&[NIC, ONLINE, MAP0, MAP1], Standing::Good, "0 of 2"),
                (&[NIC, ONLINE, MAP0, NONE1], Standing::Off, "1 of 2"),
                (&[ONLINE], Standing::Unknown, "no network card"),
            ],
        );
    }
}
