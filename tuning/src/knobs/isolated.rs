//! Room: tuning, knob. CPUs kept from ordinary scheduling.

use crate::cpus;
use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct Isolated;

const ISOLATED: &str = "/sys/devices/system/cpu/isolated";
const NOHZ: &str = "/sys/devices/system/cpu/nohz_full";

impl Knob for Isolated {
    fn id(&self) -> &'static str {
        "isolated"
    }

    fn name(&self) -> &'static str {
        "isolated cores (isolcpus, nohz_full)"
    }

    fn group(&self) -> Group {
        Group::Cpu
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "the shards' cores, on a host that runs other work"
    }

    fn why(&self) -> &'static str {
        "On isolated cores the scheduler places nothing by itself, so that other programs do not run between a \
         shard's turns; nohz_full also stops the timer tick while one thread runs (kernel-parameters.txt). Only \
         the kernel's command line sets them; a process runs there only when pinned, as shards are."
    }

    fn undo(&self) -> &'static str {
        "Take isolcpus= and nohz_full= out of the kernel's command line and boot."
    }

    fn look(&self, host: &Host) -> Finding {
        let read = |path: &str| host.read(path).and_then(|t| cpus::list(&t)).unwrap_or_default();
        let (isolated, nohz) = (read(ISOLATED), read(NOHZ));
        if !host.has(ISOLATED) {
            return Finding::unknown(format!("{ISOLATED} cannot be read"));
        }
        let mut told = if isolated.is_empty() { "none".to_string() } else { cpus::list_text(&isolated) };
        if !nohz.is_empty() {
            told += &format!("; nohz_full {}", cpus::list_text(&nohz));
        }
        let outside: Vec<u32> = host.shards.cpus.iter().copied().filter(|cpu| !isolated.contains(cpu)).collect();
        let shards = cpus::list_text(&host.shards.cpus);
        match (isolated.is_empty(), outside.is_empty()) {
            (false, true) => Finding::good(told),
            // Somebody made a choice, and the shards are not where it was meant for.
            (false, false) => {
                Finding::off(format!("{told}; shards on {shards}"), format!("--cpus {}", cpus::list_text(&isolated)))
            }
            (true, _) => {
                Finding::off(told, format!("isolcpus={shards} nohz_full={shards} on the kernel's command line"))
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
    fn isolated_cores_are_compared_with_the_shards() {
        const ONLINE: (&str, &str) = ("/sys/devices/system/cpu/online", "0-3\n");
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u32], Standing, &'a str);
        let cases: [Case; 4] = [
            (&[ONLINE, (ISOLATED, "2-3\n"), (NOHZ, "2-3\n")], &[2, 3], Standing::Good, "nohz_full 2-3"),
            (&[ONLINE, (ISOLATED, "2-3\n")], &[0, 1], Standing::Off, "shards on 0-1"),
            (&[ONLINE, (ISOLATED, "\n"), (NOHZ, "(null)\n")], &[0, 1], Standing::Off, "none"),
            (&[ONLINE], &[0], Standing::Unknown, "cannot be read"),
        ];
        for (number, (files, shards, standing, mentions)) in cases.into_iter().enumerate() {
            let made = Made::with(&format!("isolated-{number}"), files, shards);
            check_one(&Isolated, &made.host, standing, mentions);
        }
    }
}
