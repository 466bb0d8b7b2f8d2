//! Room: tuning, lab. Whether the machine is quiet enough to measure on. Touches: /proc/stat.

use crate::host::Host;
use std::time::Duration;

/// Shares of all CPU time, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Busy {
    pub busy: f64,
    pub steal: f64,
}

/// A tenth of one of a few CPUs already shows in a 99th percentile.
pub const QUIET_MOST: f64 = 0.05;

/// Looks for a while.
pub fn look(host: &Host, time: Duration) -> Option<Busy> {
    let before = host.read("/proc/stat")?;
    std::thread::sleep(time);
    between(&before, &host.read("/proc/stat")?)
}

/// proc(5): user nice system idle iowait irq softirq steal.
fn between(before: &str, after: &str) -> Option<Busy> {
    let (a, b) = (times(before)?, times(after)?);
    let spent: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b.saturating_sub(*a) as f64).collect();
    let all = spent.iter().sum::<f64>().max(1.0);
    Some(Busy { busy: (all - spent[3] - spent[4]) / all, steal: spent[7] / all })
}

pub fn times(stat: &str) -> Option<Vec<u64>> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<u64> = line.split_ascii_whitespace().take(8).filter_map(|w| w.parse().ok()).collect();
    (times.len() == 8).then_some(times)
}

pub fn steal_share(before: &str, after: &str) -> Option<f64> {
    between(before, after).map(|b| b.steal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_worked_out() {
        let busy = between("cpu  100 0 0 100 0 0 0 0 0 0\n", "cpu  110 0 0 180 5 0 0 5 0 0\n").expect("both lines");
        assert_eq!(busy, Busy { busy: 0.15, steal: 0.05 });
        assert_eq!(between("intr 1\n", "intr 2\n"), None);
    }
}
