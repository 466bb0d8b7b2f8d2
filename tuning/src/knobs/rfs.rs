//! Room: tuning, knob. Whether packets follow the thread that reads them.

use crate::cpus;
use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct Rfs;

const FILE: &str = "/proc/sys/net/core/rps_sock_flow_entries";
/// scaling.rst: suggested for a server of moderate load.
const ENTRIES: u64 = 32_768;

impl Knob for Rfs {
    fn id(&self) -> &'static str {
        "rfs"
    }

    fn name(&self) -> &'static str {
        "receive flow steering (rps_sock_flow_entries)"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "32768 where RPS is on; else 0"
    }

    fn why(&self) -> &'static str {
        "RFS sends a connection's packets to the core that last read from it: the shard that owns the connection \
         (scaling.rst, RFS). It needs the table's size here and a share of it in each queue's rps_flow_cnt, and \
         works through RPS or the card's own filters."
    }

    fn undo(&self) -> &'static str {
        "Write 0 to the queues' rps_flow_cnt and to net.core.rps_sock_flow_entries (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(now) = host.number(FILE) else { return Finding::unknown(format!("{FILE} cannot be read")) };
        let nics = host.nics();
        let queues: Vec<(String, String, String)> = nics
            .iter()
            .flat_map(|nic| {
                host.queues(nic, "rx-", "rps_flow_cnt").into_iter().map(move |(q, count)| (nic.clone(), q, count))
            })
            .collect();
        if queues.is_empty() {
            return Finding::unknown("no network card is shown");
        }
        let steered = nics.iter().any(|nic| {
            host.queues(nic, "rx-", "rps_cpus")
                .iter()
                .any(|(_, mask)| cpus::mask(mask).is_some_and(|cpus| !cpus.is_empty()))
        });
        let without = queues.iter().filter(|(_, _, count)| count == "0").count();
        let current = format!("{now}; {without} of {} queues have none", queues.len());
        if !steered || (now > 0 && without == 0) {
            return Finding::good(if steered { current } else { format!("{now}; RPS is off") });
        }
        let remedy = format!(
            "sysctl -w net.core.rps_sock_flow_entries={ENTRIES}, and a share of it in each queue's rps_flow_cnt"
        );
        let mut finding = Finding::off(current, remedy).change(FILE, ENTRIES.to_string());
        for (nic, queue, _) in &queues {
            let share = (ENTRIES / queues.len() as u64).next_power_of_two();
            finding = finding.change(format!("/sys/class/net/{nic}/queues/{queue}/rps_flow_cnt"), share.to_string());
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn flow_steering_belongs_to_packet_steering() {
        const NIC: (&str, &str) = ("/sys/class/net/eth0/device/uevent", "");
        const STEERED: (&str, &str) = ("/sys/class/net/eth0/queues/rx-0/rps_cpus", "3\n");
        const NONE: (&str, &str) = ("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "0\n");
        const SOME: (&str, &str) = ("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "4096\n");
        check(
            &Rfs,
            &[
                (&[NIC, NONE, (FILE, "0\n")], Standing::Good, "RPS is off"),
                (&[NIC, STEERED, SOME, (FILE, "32768\n")], Standing::Good, "0 of 1"),
                (&[NIC, STEERED, NONE, (FILE, "32768\n")], Standing::Off, "1 of 1"),
                (&[NIC, STEERED, SOME, (FILE, "0\n")], Standing::Off, "0;"),
                (&[(FILE, "0\n")], Standing::Unknown, "no network card"),
                (&[NIC], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
