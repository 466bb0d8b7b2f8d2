//! Room: tuning, knob. Which cores handle packets that one queue received.

use crate::cpus;
use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct Rps;

impl Knob for Rps {
    fn id(&self) -> &'static str {
        "rps"
    }

    fn name(&self) -> &'static str {
        "receive packet steering (rps_cpus)"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "off with a queue for each shard; else the shards' cores"
    }

    fn why(&self) -> &'static str {
        "With fewer queues than shards, RPS hands received packets to other cores by their connection, at the \
         price of an interrupt between cores (scaling.rst, RPS). With a queue a core it only costs."
    }

    fn undo(&self) -> &'static str {
        "Write the former mask, mostly 0, to the queue's rps_cpus (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let nics = host.nics();
        let mut finding: Option<Finding> = None;
        let mut told = Vec::new();
        for nic in &nics {
            let queues = host.queues(nic, "rx-", "rps_cpus");
            if queues.is_empty() {
                continue;
            }
            let steered: Vec<u32> = queues.iter().flat_map(|(_, mask)| cpus::mask(mask).unwrap_or_default()).collect();
            let wants = queues.len() < host.shards.cpus.len();
            let state = if steered.is_empty() { "off" } else { "on" };
            told.push(format!("{nic}: {state}, {} queues for {} shards", queues.len(), host.shards.cpus.len()));
            if wants == steered.is_empty() {
                let mask = if wants { cpus::mask_text(&host.shards.cpus) } else { "0".into() };
                let remedy = format!("echo {mask} > /sys/class/net/{nic}/queues/rx-*/rps_cpus");
                let mut found = finding.take().unwrap_or_else(|| Finding::off("", remedy));
                for (queue, _) in &queues {
                    found = found.change(format!("/sys/class/net/{nic}/queues/{queue}/rps_cpus"), mask.clone());
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
    use crate::host::tests::Made;
    use crate::knob::Standing;
    use crate::knob::tests::check_one;

    #[test]
    fn steering_is_wanted_with_fewer_queues_than_shards() {
        const NIC: (&str, &str) = ("/sys/class/net/eth0/device/uevent", "");
        const OFF: (&str, &str) = ("/sys/class/net/eth0/queues/rx-0/rps_cpus", "0\n");
        const ON: (&str, &str) = ("/sys/class/net/eth0/queues/rx-0/rps_cpus", "3\n");
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u32], Standing, &'a str, &'a str);
        let cases: [Case; 5] = [
            (&[NIC, OFF], &[0], Standing::Good, "off", ""),
            (&[NIC, ON], &[0, 1], Standing::Good, "on", ""),
            (&[NIC, OFF], &[0, 1], Standing::Off, "1 queues for 2", "3"),
            (&[NIC, ON], &[0], Standing::Off, "on", "0"),
            (&[OFF], &[0], Standing::Unknown, "no network card", ""),
        ];
        for (number, (files, shards, standing, mentions, new)) in cases.into_iter().enumerate() {
            let made = Made::with(&format!("rps-{number}"), files, shards);
            let finding = check_one(&Rps, &made.host, standing, mentions);
            assert_eq!(finding.changes.first().map_or("", |c| c.new.as_str()), new, "{finding:?}");
        }
    }
}
