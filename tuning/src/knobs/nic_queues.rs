//! Room: tuning, knob. How many queues the network card uses.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct NicQueues;

impl Knob for NicQueues {
    fn id(&self) -> &'static str {
        "nic-queues"
    }

    fn name(&self) -> &'static str {
        "network card queues"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "one for each shard, as far as the card has them"
    }

    fn why(&self) -> &'static str {
        "Packets of one queue are received by one core at a time. Fewer queues than shards leave some cores to \
         receive for others. Changing the number resets the card for a moment, so apply leaves it alone."
    }

    fn undo(&self) -> &'static str {
        "ethtool -L with the former number."
    }

    fn look(&self, host: &Host) -> Finding {
        let mut told = Vec::new();
        let mut remedy = String::new();
        for name in host.nics() {
            let Some(nic) = (host.probes.nic)(&name).filter(|nic| nic.queues > 0) else { continue };
            told.push(format!("{name}: {} of {}", nic.queues, nic.queues_most));
            let wanted = (host.shards.cpus.len() as u32).min(nic.queues_most);
            if nic.queues < wanted {
                remedy = format!("ethtool -L {name} combined {wanted}");
            }
        }
        match (told.is_empty(), remedy.is_empty()) {
            (true, _) => Finding::unknown("no card tells its queues"),
            (false, true) => Finding::good(told.join("; ")),
            (false, false) => Finding::off(told.join("; "), remedy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;
    use crate::knob::Standing;
    use crate::knob::tests::check_one;
    use crate::nic::Nic;

    #[test]
    fn queues_are_compared_with_shards_and_what_the_card_has() {
        const NIC: (&str, &str) = ("/sys/class/net/eth0/device/uevent", "");
        type Case<'a> = (fn(&str) -> Option<Nic>, &'a [u32], Standing, &'a str);
        let cases: [Case; 4] = [
            (|_| Some(Nic { queues: 4, queues_most: 8, ..Nic::default() }), &[0, 1, 2, 3], Standing::Good, "4 of 8"),
            (|_| Some(Nic { queues: 2, queues_most: 8, ..Nic::default() }), &[0, 1, 2, 3], Standing::Off, "2 of 8"),
            (|_| Some(Nic { queues: 2, queues_most: 2, ..Nic::default() }), &[0, 1, 2, 3], Standing::Good, "2 of 2"),
            (|_| None, &[0], Standing::Unknown, "no card"),
        ];
        for (number, (nic, shards, standing, mentions)) in cases.into_iter().enumerate() {
            let mut made = Made::with(&format!("nic-queues-{number}"), &[NIC], shards);
            made.host.probes.nic = nic;
            check_one(&NicQueues, &made.host, standing, mentions);
        }
    }
}
