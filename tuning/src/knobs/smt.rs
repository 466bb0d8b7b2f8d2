//! Room: tuning, knob. Cores that are two threads of one.

use crate::cpus;
use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct Smt;

const FILE: &str = "topology/thread_siblings_list";

impl Knob for Smt {
    fn id(&self) -> &'static str {
        "smt"
    }

    fn name(&self) -> &'static str {
        "SMT siblings"
    }

    fn group(&self) -> Group {
        Group::Cpu
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "one shard on each physical core"
    }

    fn why(&self) -> &'static str {
        "Two hardware threads share one core's units and caches: two shards on siblings do more together than \
         one, and less than two cores. Whether a second shard on the sibling pays is for a measurement on the \
         host to say (torc-tune advise)."
    }

    fn undo(&self) -> &'static str {
        "Give --cpus without the siblings again."
    }

    fn look(&self, host: &Host) -> Finding {
        let siblings = host.each_cpu(FILE);
        if siblings.is_empty() {
            return Finding::unknown("the topology is not shown");
        }
        let of =
            |cpu: u32| siblings.iter().find(|(c, _)| *c == cpu).and_then(|(_, t)| cpus::list(t)).unwrap_or_default();
        let mut doubled: Vec<u32> = Vec::new();
        for (at, cpu) in host.shards.cpus.iter().enumerate() {
            if host.shards.cpus[..at].iter().any(|other| of(*cpu).contains(other)) {
                doubled.push(*cpu);
            }
        }
        let any = siblings.iter().any(|(cpu, _)| of(*cpu).len() > 1);
        match (any, doubled.is_empty()) {
            (false, _) => Finding::good("none"),
            (true, true) => Finding::good("no two shards share a core"),
            (true, false) => {
                let alone: Vec<u32> = host.shards.cpus.iter().copied().filter(|cpu| !doubled.contains(cpu)).collect();
                let current =
                    format!("{} of {} shards share a core with another", doubled.len(), host.shards.cpus.len());
                Finding::off(current, format!("--cpus {}", cpus::list_text(&alone)))
            }
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
    fn shards_on_siblings_are_found() {
        const ONLINE: (&str, &str) = ("/sys/devices/system/cpu/online", "0-3\n");
        const S0: (&str, &str) = ("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,2\n");
        const S1: (&str, &str) = ("/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,3\n");
        const S2: (&str, &str) = ("/sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "0,2\n");
        const S3: (&str, &str) = ("/sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "1,3\n");
        const ALONE: (&str, &str) = ("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0\n");
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u32], Standing, &'a str);
        let cases: [Case; 4] = [
            (&[ONLINE, S0, S1, S2, S3], &[0, 1], Standing::Good, "no two"),
            (&[ONLINE, S0, S1, S2, S3], &[0, 1, 2], Standing::Off, "1 of 3"),
            (&[ONLINE, ALONE], &[0], Standing::Good, "none"),
            (&[ONLINE], &[0], Standing::Unknown, "not shown"),
        ];
        for (number, (files, shards, standing, mentions)) in cases.into_iter().enumerate() {
            let made = Made::with(&format!("smt-{number}"), files, shards);
            let finding = check_one(&Smt, &made.host, standing, mentions);
            assert!(standing != Standing::Off || finding.remedy == "--cpus 0-1", "{finding:?}");
        }
    }
}
