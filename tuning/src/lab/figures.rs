//! Room: tuning, lab. Figures of rounds, and what a comparison of two settings says. Touches: nothing.

/// What is measured, its unit in the name; whether more of it is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub more_is_better: bool,
    /// A median that differs by less than this many per cent is not worth a setting, however steady it is.
    pub least_percent: u32,
}

const fn metric(name: &'static str, more_is_better: bool, least_percent: u32) -> Metric {
    Metric { name, more_is_better, least_percent }
}

pub const OPS_PER_CPU_S: Metric = metric("operations per CPU second of the server", true, 2);
pub const OPS_PER_S: Metric = metric("operations per second, saturated", true, 2);
pub const HALF_P50: Metric = metric("p50 at half load, µs", false, 5);
pub const HALF_P99: Metric = metric("p99 at half load, µs", false, 10);
pub const HALF_P999: Metric = metric("p99.9 at half load, µs", false, 10);
pub const IDLE_P50: Metric = metric("round trip of one client, p50, µs", false, 5);
pub const IDLE_P99: Metric = metric("round trip of one client, p99, µs", false, 10);
pub const IDLE_CPU: Metric = metric("server's CPU with one client, %", false, 10);
pub const STORM_SLOWEST: Metric = metric("slowest of the storm, ms", false, 20);
pub const STORM_MEDIAN: Metric = metric("median of the storm, ms", false, 10);
pub const STORM_LOST: Metric = metric("connections lost in the storm", false, 10);
pub const LARGE_PER_S: Metric = metric("replies of 1 MiB per second", true, 3);
pub const LARGE_P99: Metric = metric("p99 of replies of 1 MiB, µs", false, 10);
pub const RSS: Metric = metric("resident memory of the server, MiB", false, 2);

/// One round with one setting.
#[derive(Clone, Debug, Default)]
pub struct Sample(pub Vec<(Metric, f64)>);

impl Sample {
    pub fn add(&mut self, metric: Metric, value: f64) {
        self.0.push((metric, value));
    }

    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.0.iter().find(|(m, _)| *m == metric).map(|(_, value)| *value)
    }
}

/// How a setting compares with the first one: ratios of rounds, each of two runs one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Better,
    Worse,
    Nothing,
}

/// Fewer rounds all on one side of 1 come about by chance once in eight times.
pub const ROUNDS_LEAST: usize = 5;

/// An effect is seen when every round lies on the same side of 1 (by chance: once in 2^(rounds-1) times) and the median is
/// far enough from it to be worth a setting.
pub fn compare(metric: Metric, base: &[f64], other: &[f64]) -> Option<Comparison> {
    let mut ratios: Vec<f64> = base.iter().zip(other).map(|(base, other)| ratio(*base, *other)).collect();
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (*ratios.first()?, *ratios.last()?);
    let median = median(&ratios)?;
    let far = (median - 1.0).abs() * 100.0 >= f64::from(metric.least_percent);
    let steady = ratios.len() >= ROUNDS_LEAST && (least > 1.0 || most < 1.0);
    let seen = match (far && steady, (median > 1.0) == metric.more_is_better) {
        (false, _) => Seen::Nothing,
        (true, true) => Seen::Better,
        (true, false) => Seen::Worse,
    };
    Some(Comparison { median, least, most, seen })
}

/// Nothing to nothing is no change; something to nothing is told as a hundredfold.
fn ratio(base: f64, other: f64) -> f64 {
    match (base, other) {
        (b, o) if b == o => 1.0,
        (b, o) if b <= 0.0 => {
            if o > 0.0 {
                100.0
            } else {
                1.0
            }
        }
        (b, o) => o / b,
    }
}

pub fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

pub fn median_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    median(&sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_seen_only_when_steady_and_large() {
        type Case<'a> = (Metric, &'a [f64], &'a [f64], Seen);
        let cases: [Case; 7] = [
            (HALF_P99, &[100.0; 5], &[150.0, 140.0, 160.0, 155.0, 145.0], Seen::Worse),
            (HALF_P99, &[100.0; 5], &[50.0; 5], Seen::Better),
            (OPS_PER_S, &[100.0; 5], &[150.0; 5], Seen::Better),
            // One round on the other side.
            (HALF_P99, &[100.0; 5], &[150.0, 140.0, 99.0, 155.0, 145.0], Seen::Nothing),
            // Steady, and too small to be worth it.
            (HALF_P99, &[100.0; 5], &[103.0; 5], Seen::Nothing),
            // Too few rounds.
            (HALF_P99, &[100.0; 3], &[150.0; 3], Seen::Nothing),
            (STORM_LOST, &[0.0; 5], &[0.0; 5], Seen::Nothing),
        ];
        for (metric, base, other, want) in cases {
            let found = compare(metric, base, other).expect("rounds");
            assert_eq!(found.seen, want, "{metric:?} {found:?}");
            assert!(found.least <= found.median && found.median <= found.most);
        }
        assert_eq!(compare(RSS, &[], &[]), None);
        assert_eq!(median_of([3.0, 1.0, 2.0, 4.0].into_iter()), Some(2.5));
    }
}
