//! Room: loadgen. Percentile distributions as HdrHistogram's own tools print and plot them. Touches: outcome's histograms.
//!
//! Format: `AbstractHistogram.outputPercentileDistribution` of HdrHistogram (Java), which hdrhistogram.github.io's plotter
//! reads: columns of 12, 14, 10 and 14, values in units of `per_unit`, and three lines of summary.

use hdrhistogram::Histogram;
use std::fmt::Write;

/// What the values of a file count. The plotters take milliseconds unless told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueUnit {
    Nanoseconds,
    Microseconds,
    #[default]
    Milliseconds,
    Seconds,
}

impl ValueUnit {
    fn nanoseconds(self) -> f64 {
        match self {
            ValueUnit::Nanoseconds => 1.0,
            ValueUnit::Microseconds => 1e3,
            ValueUnit::Milliseconds => 1e6,
            ValueUnit::Seconds => 1e9,
        }
    }
}

/// One line of a distribution: `count` recordings are at most `value`, which is at least the share `level` of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    pub value: u64,
    pub level: f64,
    pub count: u64,
}

// HdrHistogram's default: five steps until the rest is half of what it was.
const TICKS_PER_HALF: f64 = 5.0;

/// The levels that HdrHistogram's `PercentileIterator` stops at; the last is 1.
pub fn levels(histogram: &Histogram<u64>) -> Vec<Level> {
    let total = histogram.len();
    let mut out = Vec::new();
    let mut level = 0.0;
    let mut count = 0;
    for step in histogram.iter_recorded() {
        count += step.count_at_value();
        let value = histogram.highest_equivalent(step.value_iterated_to());
        while 100.0 * count as f64 / total as f64 >= level {
            out.push(Level { value, level: level / 100.0, count });
            let halvings = (100.0 / (100.0 - level)).log2().floor() + 1.0;
            level += 100.0 / (TICKS_PER_HALF * halvings.exp2());
            // Of the last value the iterator tells one level, and then all.
            if count == total {
                out.push(Level { value, level: 1.0, count });
                break;
            }
        }
    }
    out
}

/// The whole file.
pub fn hgrm(histogram: &Histogram<u64>, unit: ValueUnit) -> String {
    let scale = unit.nanoseconds();
    let mut out = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for Level { value, level, count } in levels(histogram) {
        let value = value as f64 / scale;
        let _ = if level < 1.0 {
            writeln!(out, "{value:12.3} {level:14.12} {count:10} {:14.2}", 1.0 / (1.0 - level))
        } else {
            writeln!(out, "{value:12.3} {level:14.12} {count:10}")
        };
    }
    let (mean, deviation) = if histogram.is_empty() { (0.0, 0.0) } else { (histogram.mean(), histogram.stdev()) };
    // 2 x 10^digits, rounded up to a power of two: how many values of one bucket are told apart.
    let sub_buckets = (2 * 10u64.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    let _ = write!(
        out,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]\n",
        mean / scale,
        deviation / scale,
        histogram.max() as f64 / scale,
        histogram.len(),
        histogram.buckets()
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(u64, u64)]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("bounds");
        values.iter().for_each(|(value, times)| histogram.record_n(*value, *times).expect("within bounds"));
        histogram
    }

    #[test]
    fn a_distribution_is_written_as_hdrhistogram_writes_it() {
        // Checked by hand against the algorithm: 8 of 1 ms, one of 2, one of 10; levels 0, 10, ... 50 (steps of 10), then 55,
        // 60, ... 75, then 77.5, 80, which 1 ms reaches; 2 ms is 90 % of all; 10 ms is the rest. Values are the upper ends
        // of their buckets: 1 ms lies in one 512 ns wide, 2 ms in one of 1024, 10 ms in one of 8192.
        let want = "       Value     Percentile TotalCount 1/(1-Percentile)

       1.000 0.000000000000          8           1.00
       1.000 0.100000000000          8           1.11
       1.000 0.200000000000          8           1.25
       1.000 0.300000000000          8           1.43
       1.000 0.400000000000          8           1.67
       1.000 0.500000000000          8           2.00
       1.000 0.550000000000          8           2.22
       1.000 0.600000000000          8           2.50
       1.000 0.650000000000          8           2.86
       1.000 0.700000000000          8           3.33
       1.000 0.750000000000          8           4.00
       1.000 0.775000000000          8           4.44
       1.000 0.800000000000          8           5.00
       2.001 0.825000000000          9           5.71
       2.001 0.850000000000          9           6.67
       2.001 0.875000000000          9           8.00
       2.001 0.887500000000          9           8.89
       2.001 0.900000000000          9          10.00
      10.002 0.912500000000         10          11.43
      10.002 1.000000000000         10
#[Mean    =        2.000, StdDeviation   =        2.683]
#[Max     =       10.002, Total count    =           10]
#[Buckets =           32, SubBuckets     =         2048]
";
        assert_eq!(hgrm(&of(&[(1_000_000, 8), (2_000_000, 1), (10_000_000, 1)]), ValueUnit::Milliseconds), want);
    }

    #[test]
    fn units_scale_the_values_and_nothing_else() {
        let histogram = of(&[(1500, 1)]);
        let cases = [
            (ValueUnit::Nanoseconds, "    1500.000 1.000000000000          1"),
            (ValueUnit::Microseconds, "       1.500 1.000000000000          1"),
            (ValueUnit::Milliseconds, "       0.002 1.000000000000          1"),
            (ValueUnit::Seconds, "       0.000 1.000000000000          1"),
        ];
        for (unit, line) in cases {
            let text = hgrm(&histogram, unit);
            assert!(text.lines().any(|l| l == line), "{unit:?}: {text}");
        }
    }

    #[test]
    fn levels_rise_end_at_one_and_agree_with_the_histogram() {
        let mut seed = 7u64;
        println!("seed {seed}");
        let mut histogram = of(&[]);
        for _ in 0..100_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            histogram.saturating_record(1_000 + (seed >> 40) * (seed >> 60));
        }
        let levels = levels(&histogram);
        assert!(levels.is_sorted_by(|a, b| a.level < b.level && a.value <= b.value && a.count <= b.count));
        assert_eq!(levels.last().map(|l| (l.level, l.count, l.value)), Some((1.0, 100_000, histogram.max())));
        for Level { value, level, count } in levels {
            assert_eq!(count, histogram.count_between(0, value));
            // The histogram rounds where a share is not a whole number of recordings; both must be within one.
            assert!(count as f64 >= level * 100_000.0 - 1e-6 && histogram.value_at_quantile(level) <= value);
        }
    }

    #[test]
    fn nothing_recorded_is_an_empty_distribution() {
        let text = hgrm(&of(&[]), ValueUnit::default());
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.contains("Total count    =            0"), "{text}");
    }
}
