//! Room: tuning, knob. Memory and network cards near the shards.

use crate::cpus;
use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct Numa;

const FOLDER: &str = "/sys/devices/system/node";
const RECLAIM: &str = "/proc/sys/vm/zone_reclaim_mode";

impl Knob for Numa {
    fn id(&self) -> &'static str {
        "numa"
    }

    fn name(&self) -> &'static str {
        "NUMA nodes"
    }

    fn group(&self) -> Group {
        Group::Cpu
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "shards on one node, that of the network card"
    }

    fn why(&self) -> &'static str {
        "A shard allocates on the node of its core, so its own data is near. What is far is the network card's \
         memory when it hangs off another node, and the mail of shards on other nodes. zone_reclaim_mode above 0 \
         makes an allocation clear the near node first, which can take long."
    }

    fn undo(&self) -> &'static str {
        "Give the former --cpus again; sysctl -w vm.zone_reclaim_mode=1 where it was set."
    }

    fn look(&self, host: &Host) -> Finding {
        let nodes: Vec<(String, Vec<u32>)> = host
            .list(FOLDER)
            .into_iter()
            .filter(|name| name.strip_prefix("node").is_some_and(|n| n.parse::<u32>().is_ok()))
            .filter_map(|name| Some((name.clone(), cpus::list(&host.read(&format!("{FOLDER}/{name}/cpulist"))?)?)))
            .filter(|(_, cpus)| !cpus.is_empty())
            .collect();
        if nodes.is_empty() {
            return Finding::unknown("no nodes are shown");
        }
        if nodes.len() == 1 {
            return Finding::good("one node");
        }
        let used: Vec<&(String, Vec<u32>)> =
            nodes.iter().filter(|(_, cpus)| cpus.iter().any(|cpu| host.shards.cpus.contains(cpu))).collect();
        let names: Vec<&str> = used.iter().map(|(name, _)| name.as_str()).collect();
        let current = format!("{} nodes, shards on {}", nodes.len(), names.join(", "));
        if let Some(mode) = host.number(RECLAIM).filter(|mode| *mode > 0) {
            let current = format!("{current}; zone_reclaim_mode {mode}");
            return Finding::off(current, "sysctl -w vm.zone_reclaim_mode=0").change(RECLAIM, "0");
        }
        if used.len() > 1 {
            let one = format!("one server a node, each with --cpus of its own: --cpus {}", cpus::list_text(&used[0].1));
            return Finding::off(current, one);
        }
        for nic in host.nics() {
            // -1: the firmware does not say.
            let near = host.read(&format!("/sys/class/net/{nic}/device/numa_node")).and_then(|t| t.parse::<u32>().ok());
            let Some(near) = near.map(|n| format!("node{n}")) else { continue };
            let Some((_, cpus)) = nodes.iter().find(|(name, _)| *name == near) else { continue };
            if !names.contains(&near.as_str()) {
                return Finding::off(
                    format!("{current}; {nic} on {near}"),
                    format!("--cpus {}", cpus::list_text(cpus)),
                );
            }
        }
        Finding::good(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;
    use crate::knob::Standing;
    use crate::knob::tests::check_one;

    #[test]
    fn shards_far_from_each_other_or_the_card_are_found() {
        const N0: (&str, &str) = ("/sys/devices/system/node/node0/cpulist", "0-1\n");
        const N1: (&str, &str) = ("/sys/devices/system/node/node1/cpulist", "2-3\n");
        const NIC: (&str, &str) = ("/sys/class/net/eth0/device/numa_node", "1\n");
        const UNTOLD: (&str, &str) = ("/sys/class/net/eth0/device/numa_node", "-1\n");
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u32], Standing, &'a str);
        let cases: [Case; 7] = [
            (&[N0], &[0], Standing::Good, "one node"),
            (&[N0, N1], &[0, 1], Standing::Good, "shards on node0"),
            (&[N0, N1, UNTOLD], &[0, 1], Standing::Good, "shards on node0"),
            (&[N0, N1], &[0, 2], Standing::Off, "node0, node1"),
            (&[N0, N1, NIC], &[0, 1], Standing::Off, "eth0 on node1"),
            (&[N0, N1, (RECLAIM, "1\n")], &[0], Standing::Off, "zone_reclaim_mode 1"),
            (&[], &[0], Standing::Unknown, "no nodes"),
        ];
        for (number, (files, shards, standing, mentions)) in cases.into_iter().enumerate() {
            let made = Made::with(&format!("numa-{number}"), files, shards);
            check_one(&Numa, &made.host, standing, mentions);
        }
    }
}
