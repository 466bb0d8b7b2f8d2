//! Room: tuning, knob. Time that the hypervisor gave to others.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct Steal;

impl Knob for Steal {
    fn id(&self) -> &'static str {
        "steal"
    }

    fn name(&self) -> &'static str {
        "steal time since boot"
    }

    fn group(&self) -> Group {
        Group::Cpu
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "below 1 %"
    }

    fn why(&self) -> &'static str {
        "Steal is time in which a virtual CPU had work and the host ran something else (proc(5), /proc/stat): \
         noisy neighbours, or more virtual CPUs than real ones. Nothing inside the guest changes it; answers due \
         meanwhile are late, and figures measured then say little."
    }

    fn undo(&self) -> &'static str {
        "Nothing was set."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(stat) = host.read("/proc/stat") else { return Finding::unknown("/proc/stat cannot be read") };
        // proc(5): user nice system idle iowait irq softirq steal guest guest_nice; guest time is within user.
        let shares: Vec<(String, f64)> = stat
            .lines()
            .filter_map(|line| {
                let mut words = line.split_ascii_whitespace();
                let name = words.next()?.strip_prefix("cpu")?;
                let times: Vec<u64> = words.take(8).filter_map(|w| w.parse().ok()).collect();
                let busy: u64 = times.iter().sum::<u64>().checked_sub(*times.get(3)?)?.checked_sub(*times.get(4)?)?;
                Some((name.to_string(), *times.get(7)? as f64 / busy.max(1) as f64 * 100.0))
            })
            .collect();
        let Some((_, all)) = shares.iter().find(|(name, _)| name.is_empty()) else {
            return Finding::unknown("/proc/stat is not understood");
        };
        let worst = shares.iter().filter(|(name, _)| !name.is_empty()).max_by(|a, b| a.1.total_cmp(&b.1));
        let worst = worst.map_or(String::new(), |(cpu, share)| format!("; cpu {cpu} most, {share:.2} %"));
        let current = format!("{all:.2} % of busy time{worst}");
        if *all < 1.0 { Finding::good(current) } else { Finding::noted(current) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn the_share_is_worked_out() {
        check(
            &Steal,
            &[
                (
                    &[("/proc/stat", "cpu  900 0 99 5000 77 0 0 1 0 0\ncpu0 900 0 99 5000 77 0 0 1 0 0\nintr 5\n")],
                    Standing::Good,
                    "0.10 %",
                ),
                (
                    &[(
                        "/proc/stat",
                        "cpu  80 0 10 5000 0 0 0 10 0 0\ncpu0 45 0 5 9 0 0 0 0 0 0\ncpu1 35 0 5 9 0 0 0 10 0 0\n",
                    )],
                    Standing::Noted,
                    "cpu 1 most, 20.00 %",
                ),
                (&[("/proc/stat", "intr 5\n")], Standing::Unknown, "not understood"),
                (&[], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
