//! Room: benches. Few figures from many rounds: medians, spread, ratios and how sure they are. Touches: nothing.

/// The middle of `values`; of an even number the mean of the middle two. None of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

pub fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// How far the rounds lie apart: largest less smallest, as a share of the median.
pub fn spread(values: &[f64]) -> Option<f64> {
    median(values).filter(|m| *m != 0.0).map(|m| (most(values) - least(values)) / m.abs())
}

/// A ratio and the interval that holds the true one in 95 of 100 such runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
}

impl Ratio {
    /// From ratios of interleaved rounds: Student's t on their logarithms, because what disturbs a round disturbs it by a
    /// factor. One round tells nothing of its own error: its interval is everything.
    pub fn of_rounds(ratios: &[f64]) -> Option<Ratio> {
        if ratios.is_empty() || ratios.iter().any(|r| !(*r > 0.0 && r.is_finite())) {
            return None;
        }
        let logs: Vec<f64> = ratios.iter().map(|r| r.ln()).collect();
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n;
        if logs.len() == 1 {
            return Some(Ratio { ratio: mean.exp(), low: 0.0, high: f64::INFINITY });
        }
        let variance = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let half = t_quantile_975(logs.len() - 1) * (variance / n).sqrt();
        Some(Ratio { ratio: mean.exp(), low: (mean - half).exp(), high: (mean + half).exp() })
    }

    /// Half the interval's width in logarithms: 0.01 is about ± 1 %.
    pub fn half_width(&self) -> f64 {
        if self.low > 0.0 { (self.high / self.low).ln() / 2.0 } else { f64::INFINITY }
    }
}

/// Student's t, two-sided 95 %, by degrees of freedom; between the rows the larger value, which is the safe side.
fn t_quantile_975(freedom: usize) -> f64 {
    // NIST/SEMATECH e-Handbook, table 1.3.6.7.2, column 0.975.
    const TABLE: [(usize, f64); 20] = [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (6, 2.447),
        (7, 2.365),
        (8, 2.306),
        (9, 2.262),
        (10, 2.228),
        (12, 2.179),
        (14, 2.145),
        (16, 2.120),
        (18, 2.101),
        (20, 2.086),
        (25, 2.060),
        (30, 2.042),
        (40, 2.021),
        (60, 2.000),
        (100, 1.984),
    ];
    let row = TABLE.iter().rev().find(|(at, _)| *at <= freedom);
    row.map_or(f64::INFINITY, |(_, t)| *t)
}

/// The mean of factors. None of none.
pub fn geometric_mean(factors: &[f64]) -> Option<f64> {
    let logs: f64 = factors.iter().map(|f| f.ln()).sum();
    (!factors.is_empty()).then(|| (logs / factors.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spreads() {
        let cases: [(&[f64], Option<f64>, Option<f64>); 4] = [
            (&[], None, None),
            (&[5.0], Some(5.0), Some(0.0)),
            (&[3.0, 1.0, 2.0], Some(2.0), Some(1.0)),
            (&[4.0, 1.0, 2.0, 3.0], Some(2.5), Some(1.2)),
        ];
        for (values, middle, width) in cases {
            assert_eq!((median(values), spread(values)), (middle, width), "{values:?}");
        }
    }

    #[test]
    fn an_interval_narrows_with_rounds_and_holds_the_ratio() {
        assert_eq!(Ratio::of_rounds(&[]), None);
        assert_eq!(Ratio::of_rounds(&[1.0, 0.0]), None);
        let one = Ratio::of_rounds(&[0.9]).unwrap();
        assert_eq!((one.low, one.high), (0.0, f64::INFINITY));
        // By hand: logs of 1/1.1 and 1.1, mean 0, deviation 0.13479, half = 12.706 * 0.13479 / sqrt 2.
        let two = Ratio::of_rounds(&[1.0 / 1.1, 1.1]).unwrap();
        assert!((two.ratio - 1.0).abs() < 1e-12 && (two.half_width() - 1.2110).abs() < 1e-3, "{two:?}");
        let many: Vec<f64> = (0..20).map(|i| if i % 2 == 0 { 0.99 } else { 1.01 }).collect();
        let many = Ratio::of_rounds(&many).unwrap();
        assert!(many.low < 1.0 && many.high > 1.0 && many.half_width() < 0.01, "{many:?}");
    }

    /// The interval is right about as often as it says, for noise of a known size.
    #[test]
    fn intervals_miss_one_time_in_twenty() {
        let mut state = 12345u64;
        let mut noise = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        let mut missed = 0;
        for _ in 0..2000 {
            let rounds: Vec<f64> = (0..7).map(|_| (0.05 * (noise() + noise() + noise() + noise())).exp()).collect();
            let found = Ratio::of_rounds(&rounds).unwrap();
            missed += usize::from(found.low > 1.0 || found.high < 1.0);
        }
        assert!((60..140).contains(&missed), "{missed} of 2000");
    }

    #[test]
    fn factors_have_a_mean() {
        assert_eq!(geometric_mean(&[]), None);
        assert!((geometric_mean(&[2.0, 0.5]).unwrap() - 1.0).abs() < 1e-12);
    }
}
