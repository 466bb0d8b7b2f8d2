//! Room: tuning, knob. Which cores take the network card's interrupts.

use crate::cpus;
use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
use std::collections::BTreeSet;
pub struct Irq;

impl Knob for Irq {
    fn id(&self) -> &'static str {
        "irq"
    }

    fn name(&self) -> &'static str {
        "network interrupts beside the shards"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "spread over the shards' cores, or all on cores without a shard"
    }

    fn why(&self) -> &'static str {
        "A packet is received on the core that takes the interrupt of its queue; when all queues interrupt one \
         shard's core, that shard does the others' work. irqbalance, where it runs, moves them again. Cloud \
         drivers often spread their queues well by themselves."
    }

    fn undo(&self) -> &'static str {
        "Write the former list to /proc/irq/N/smp_affinity_list (torc-tune undo); start irqbalance again if it \
         was stopped."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(table) = host.read("/proc/interrupts") else {
            return Finding::unknown("/proc/interrupts cannot be read");
        };
        let nics = host.nics();
        if nics.is_empty() {
            return Finding::unknown("no network card is shown");
        }
        let irqs: Vec<u32> = table.lines().filter_map(|line| receives(host, &nics, line)).collect();
        if irqs.is_empty() {
            return Finding::unknown(format!("no interrupt of {} is shown", nics.join(", ")));
        }
        let mut taken: Vec<(u32, Vec<u32>)> = Vec::new();
        for irq in irqs {
            // The effective list is where it goes; the other one where it may go.
            let list = |name: &str| host.read(&format!("/proc/irq/{irq}/{name}")).and_then(|t| cpus::list(&t));
            let cores = list("effective_affinity_list").filter(|c| !c.is_empty()).or_else(|| list("smp_affinity_list"));
            taken.extend(cores.map(|cores| (irq, cores)));
        }
        if taken.is_empty() {
            return Finding::unknown("where interrupts go is not shown");
        }
        let cores: BTreeSet<u32> = taken.iter().flat_map(|(_, cores)| cores.iter().copied()).collect();
        let on_shards: Vec<u32> = cores.iter().copied().filter(|cpu| host.shards.cpus.contains(cpu)).collect();
        let told = cpus::list_text(&cores.iter().copied().collect::<Vec<_>>());
        let current =
            format!("{} interrupts on cores {told}; shards on {}", taken.len(), cpus::list_text(&host.shards.cpus));
        // One queue and many shards: where its interrupts go, some core has them all.
        if on_shards.is_empty() || on_shards.len() >= host.shards.cpus.len().min(taken.len()) {
            return Finding::good(current);
        }
        let mut finding = Finding::off(current, "write one shard's core to each /proc/irq/N/smp_affinity_list");
        for ((irq, _), core) in taken.iter().zip(host.shards.cpus.iter().cycle()) {
            finding = finding.change(format!("/proc/irq/{irq}/smp_affinity_list"), core.to_string());
        }
        finding
    }
}

/// The number of an interrupt that says that packets have come for one of `nics`. Drivers name theirs after the interface
/// (`eth0-TxRx-3`, `mlx5_comp3@pci:…` being the exception) or are listed under its device; virtio's are called `virtioN-input.M`.
fn receives(host: &Host, nics: &[String], line: &str) -> Option<u32> {
    let (number, rest) = line.trim_start().split_once(':')?;
    let number: u32 = number.parse().ok()?;
    let name = rest.split_ascii_whitespace().next_back()?;
    // What configures the card, reports its events or only says that packets have left does not count.
    let other = ["config", "output", "control", "async", "mgmnt", "event"];
    if other.iter().any(|word| name.contains(word)) {
        return None;
    }
    let linked = |nic: &String| {
        // virtio's device lies below the PCI device that owns the interrupts.
        ["device", "device/.."].iter().any(|at| host.has(&format!("/sys/class/net/{nic}/{at}/msi_irqs/{number}")))
    };
    let named = |nic: &String| name == nic || name.starts_with(&format!("{nic}-")) || name.contains(&format!("@{nic}"));
    nics.iter().any(|nic| named(nic) || linked(nic)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;
    use crate::knob::Standing;
    use crate::knob::tests::check_one;

    #[test]
    fn queues_that_all_interrupt_one_shard_are_found() {
        const TABLE: (&str, &str) = (
            "/proc/interrupts",
            "           CPU0       CPU1\n 37:  0 0 PCI-MSIX-0000:00:03.0   0-edge      virtio2-config\n 38:  0 5468 PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0\n 40:  0 5468 PCI-MSIX-0000:00:03.0   3-edge      virtio2-input.1\nNMI:  0 0 Non-maskable interrupts\n",
        );
        const NIC: (&str, &str) = ("/sys/class/net/eth0/device/net/eth0/x", "");
        const VIRTIO: (&str, &str) = ("/sys/class/net/eth0/device/uevent", "DRIVER=virtio_net\nMODALIAS=virtio:d1v1\n");
        const LINKED: (&str, &str) = ("/sys/class/net/eth0/device/msi_irqs/38", "msix");
        const LINKED2: (&str, &str) = ("/sys/class/net/eth0/device/msi_irqs/40", "msix");
        const TO0: (&str, &str) = ("/proc/irq/38/effective_affinity_list", "0\n");
        const TO0B: (&str, &str) = ("/proc/irq/40/smp_affinity_list", "0\n");
        const TO1: (&str, &str) = ("/proc/irq/40/smp_affinity_list", "1\n");
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u32], Standing, &'a str);
        let cases: [Case; 6] = [
            (&[TABLE, NIC, VIRTIO, LINKED, LINKED2, TO0, TO1], &[0, 1], Standing::Good, "2 interrupts on cores 0-1"),
            (&[TABLE, NIC, VIRTIO, LINKED, LINKED2, TO0, TO0B], &[0, 1], Standing::Off, "on cores 0;"),
            (&[TABLE, NIC, VIRTIO, LINKED, LINKED2, TO0, TO0B], &[1], Standing::Good, "shards on 1"),
            (&[TABLE, NIC, VIRTIO, LINKED, TO0], &[0, 1], Standing::Good, "1 interrupts"),
            (&[TABLE], &[0], Standing::Unknown, "no network card"),
            (&[], &[0], Standing::Unknown, "cannot be read"),
        ];
        for (number, (files, shards, standing, mentions)) in cases.into_iter().enumerate() {
            let made = Made::with(&format!("irq-{number}"), files, shards);
            let finding = check_one(&Irq, &made.host, standing, mentions);
            if standing == Standing::Off {
                let paths: Vec<_> = finding.changes.iter().map(|c| (c.path.as_str(), c.new.as_str())).collect();
                assert_eq!(paths, [("/proc/irq/38/smp_affinity_list", "0"), ("/proc/irq/40/smp_affinity_list", "1")]);
            }
        }
    }
}
