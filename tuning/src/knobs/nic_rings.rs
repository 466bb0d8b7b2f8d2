//! Room: tuning, knob. How many packets the network card may hold.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct NicRings;

const ENOUGH: u32 = 1024;

impl Knob for NicRings {
    fn id(&self) -> &'static str {
        "nic-rings"
    }

    fn name(&self) -> &'static str {
        "network card ring sizes"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "1024 or more, as far as the card has them"
    }

    fn why(&self) -> &'static str {
        "A ring that is full drops packets, and the sender waits for a retransmission (200 ms at least). Drops \
         show in ethtool -S as rx_missed, rx_no_buffer and their like. Changing the size resets the card for a \
         moment, so apply leaves it alone."
    }

    fn undo(&self) -> &'static str {
        "ethtool -G with the former sizes."
    }

    fn look(&self, host: &Host) -> Finding {
        let mut told = Vec::new();
        let mut remedy = String::new();
        for name in host.nics() {
            let Some(nic) = (host.probes.nic)(&name).filter(|nic| nic.rx_ring > 0) else { continue };
            told.push(format!(
                "{name}: rx {} of {}, tx {} of {}",
                nic.rx_ring, nic.rx_ring_most, nic.tx_ring, nic.tx_ring_most
            ));
            let (rx, tx) = (ENOUGH.min(nic.rx_ring_most), ENOUGH.min(nic.tx_ring_most));
            if nic.rx_ring < rx || nic.tx_ring < tx {
                remedy = format!("ethtool -G {name} rx {} tx {}", rx.max(nic.rx_ring), tx.max(nic.tx_ring));
            }
        }
        match (told.is_empty(), remedy.is_empty()) {
            (true, _) => Finding::unknown("no card tells its rings"),
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
    fn rings_are_compared_with_what_the_card_has() {
        const NIC: (&str, &str) = ("/sys/class/net/eth0/device/uevent", "");
        fn rings(rx_ring: u32, rx_ring_most: u32) -> Option<Nic> {
            Some(Nic { rx_ring, rx_ring_most, tx_ring: 1024, tx_ring_most: 4096, ..Nic::default() })
        }
        type Case<'a> = (fn(&str) -> Option<Nic>, Standing, &'a str);
        let cases: [Case; 4] = [
            (|_| rings(1024, 4096), Standing::Good, "rx 1024 of 4096"),
            (|_| rings(512, 4096), Standing::Off, "rx 512"),
            (|_| rings(256, 256), Standing::Good, "rx 256 of 256"),
            (|_| None, Standing::Unknown, "no card"),
        ];
        for (number, (nic, standing, mentions)) in cases.into_iter().enumerate() {
            let mut made = Made::with(&format!("nic-rings-{number}"), &[NIC], &[0]);
            made.host.probes.nic = nic;
            check_one(&NicRings, &made.host, standing, mentions);
        }
    }
}
