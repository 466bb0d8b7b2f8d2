//! Room: loadgen. From values to places on an axis, and the ticks between. Touches: unit.

use super::unit::Unit;

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From zero, so that lengths compare.
    Linear,
    /// Decades.
    Log,
    /// Quantiles by the nines in them, log10(1 / (1 - q)): 0, 90 %, 99 %, 99.9 % are equally far apart, as HdrHistogram plots.
    Nines,
}

/// A place on an axis that is labelled.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// 0 at the low end of the axis, 1 at the high one.
    pub at: f64,
    /// Empty where only a faint line is drawn.
    pub label: String,
}

/// A scale with its ends.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    scale: Scale,
    unit: Unit,
    low: f64,
    high: f64,
    /// Between ticks of a linear scale.
    step: f64,
}

// No chart of ours tells apart what is beyond the eighth nine; a quantile of 1 has infinitely many.
const NINES_MOST: f64 = 8.0;

impl Span {
    /// Covers all of `values`, out to round numbers. `ticks` is how many labels there is room for.
    pub fn covering(scale: Scale, unit: Unit, values: impl Iterator<Item = f64>, ticks: usize) -> Span {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite() && (scale != Scale::Log || *v > 0.0)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = if scale == Scale::Log { (1e-3, 1.0) } else { (0.0, 1.0) };
        }
        match scale {
            Scale::Linear => {
                let low = low.min(0.0);
                let high = if high <= low { low + 1.0 } else { high };
                let step = round_step((high - low) / ticks.max(1) as f64, unit);
                let up = |v: f64| (v / step - 1e-9).ceil() * step;
                Span { scale, unit, low: -up(-low), high: up(high), step }
            }
            Scale::Log => {
                let (low, high) = (round_down(low), -round_down(-high));
                let high = if high <= low { low * 10.0 } else { high };
                Span { scale, unit, low, high, step: 0.0 }
            }
            Scale::Nines => Span { scale, unit, low: 0.0, high: nines(high).max(1.0), step: 0.0 },
        }
    }

    /// Time from `low` to `high`, which are kept as they are.
    pub fn exact(unit: Unit, low: f64, high: f64, ticks: usize) -> Span {
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / ticks.max(1) as f64, unit);
        Span { scale: Scale::Linear, unit, low, high, step }
    }

    /// Where `value` stands: 0 at the low end, 1 at the high one, cut off beyond.
    pub fn place(&self, value: f64) -> f64 {
        let at = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            // What a log scale cannot show stands at its foot.
            Scale::Log if value <= self.low => 0.0,
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
            Scale::Nines => nines(value) / self.high,
        };
        at.clamp(0.0, 1.0)
    }

    pub fn ticks(&self) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.linear_ticks(),
            Scale::Log => self.log_ticks(),
            Scale::Nines => self.nines_ticks(),
        }
    }

    fn linear_ticks(&self) -> Vec<Tick> {
        let first = (self.low / self.step - 1e-9).ceil() as i64;
        let last = (self.high / self.step + 1e-9).floor() as i64;
        (first..=last)
            .map(|n| {
                let value = n as f64 * self.step;
                Tick { at: self.place(value), label: self.unit.tick(value, self.step, self.high) }
            })
            .collect()
    }

    fn log_ticks(&self) -> Vec<Tick> {
        let decades = (self.high / self.low).log10();
        let labelled: &[u32] = match decades {
            d if d <= 1.2 => &[1, 2, 3, 5, 7],
            d if d <= 2.2 => &[1, 2, 5],
            d if d <= 3.2 => &[1, 3],
            _ => &[1],
        };
        let first = (self.low.log10() + 1e-9).floor() as i32;
        let last = (self.high.log10() + 1e-9).floor() as i32;
        let mut ticks = Vec::new();
        for decade in first..=last {
            for digit in 1..=9 {
                let value = f64::from(digit) * 10f64.powi(decade);
                if value < self.low * 0.999 || value > self.high * 1.001 {
                    continue;
                }
                let label = if labelled.contains(&digit) { self.unit.show(value) } else { String::new() };
                if !label.is_empty() || decades <= 4.0 {
                    ticks.push(Tick { at: self.place(value), label });
                }
            }
        }
        ticks
    }

    fn nines_ticks(&self) -> Vec<Tick> {
        let mut ticks = vec![Tick { at: 0.0, label: self.unit.show(0.0) }];
        let mut push = |value: f64| {
            if nines(value) <= self.high + 1e-9 {
                ticks.push(Tick { at: self.place(value), label: self.unit.show(value) });
            }
        };
        if self.high < 5.0 {
            push(0.5);
        }
        for count in 1..=self.high as i32 {
            push(1.0 - 10f64.powi(-count));
        }
        ticks
    }
}

fn nines(quantile: f64) -> f64 {
    if quantile >= 1.0 { NINES_MOST } else { (-(1.0 - quantile.max(0.0)).log10()).clamp(0.0, NINES_MOST) }
}

/// The next of 1, 2, 5 times a power of ten (for bytes a power of two, for time also 15, 30, 60) not below `least`.
fn round_step(least: f64, unit: Unit) -> f64 {
    if unit.is_binary() && least > 1.0 {
        return 2f64.powf(least.log2().ceil());
    }
    if unit == Unit::Elapsed && least > 10.0 {
        let clock = [15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0];
        return *clock.iter().find(|c| **c >= least).unwrap_or(&((least / 3600.0).ceil() * 3600.0));
    }
    let decade = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|m| m * decade).find(|s| *s >= least * 0.999_999).unwrap_or(decade * 10.0)
}

/// The nearest 1, 2 or 5 times a power of ten towards zero; of a negative number the one away from zero.
fn round_down(value: f64) -> f64 {
    let size = value.abs();
    let decade = 10f64.powf((size.log10() + 1e-9).floor());
    if value > 0.0 {
        [5.0, 2.0].iter().map(|m| m * decade).find(|v| *v <= size * 1.000_001).unwrap_or(decade)
    } else {
        -[1.0, 2.0, 5.0].iter().map(|m| m * decade).find(|v| *v >= size * 0.999_999).unwrap_or(decade * 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(span: &Span) -> Vec<String> {
        span.ticks().into_iter().map(|t| t.label.replace('\u{a0}', " ")).filter(|l| !l.is_empty()).collect()
    }

    #[test]
    fn ticks_are_round_and_cover_what_is_shown() {
        let cases: [(Scale, Unit, &[f64], &[&str]); 7] = [
            (Scale::Linear, Unit::Seconds, &[0.000_3, 0.003_4], &["0", "1 ms", "2 ms", "3 ms", "4 ms"]),
            (
                Scale::Linear,
                Unit::PerSecond,
                &[190e3, 210e3],
                &["0", "50 k/s", "100 k/s", "150 k/s", "200 k/s", "250 k/s"],
            ),
            (Scale::Linear, Unit::Elapsed, &[0.0, 90.0], &["0 s", "20 s", "40 s", "60 s", "80 s", "100 s"]),
            (Scale::Log, Unit::Seconds, &[0.000_12, 0.3], &["100 µs", "1 ms", "10 ms", "100 ms"]),
            (Scale::Log, Unit::Seconds, &[0.000_21, 0.000_9], &["200 µs", "300 µs", "500 µs", "700 µs", "1 ms"]),
            (Scale::Nines, Unit::Quantile, &[0.0, 0.9995], &["0 %", "50 %", "90 %", "99 %", "99.9 %"]),
            (Scale::Linear, Unit::Count, &[], &["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ];
        for (scale, unit, values, want) in cases {
            let span = Span::covering(scale, unit, values.iter().copied(), 5);
            assert_eq!(labels(&span), want, "{scale:?} {values:?}");
            for value in values {
                let at = span.place(*value);
                assert!((0.0..=1.0).contains(&at), "{value} at {at}");
            }
        }
    }

    #[test]
    fn places_keep_order_and_reach_both_ends() {
        for scale in [Scale::Linear, Scale::Log, Scale::Nines] {
            let values = [0.001, 0.01, 0.5, 0.9, 0.99, 0.999];
            let span = Span::covering(scale, Unit::Quantile, values.into_iter(), 5);
            let places: Vec<f64> = values.iter().map(|v| span.place(*v)).collect();
            assert!(places.is_sorted_by(|a, b| a < b), "{scale:?}: {places:?}");
            assert_eq!(span.place(-1.0), 0.0);
            assert_eq!(span.place(f64::INFINITY), 1.0);
        }
    }

    #[test]
    fn nothing_to_show_and_one_value_make_an_axis_all_the_same() {
        for scale in [Scale::Linear, Scale::Log, Scale::Nines] {
            for values in [&[][..], &[0.0], &[5.0], &[f64::NAN], &[-3.0]] {
                let span = Span::covering(scale, Unit::Seconds, values.iter().copied(), 5);
                let ticks = span.ticks();
                assert!(!ticks.is_empty() && ticks.len() < 60, "{scale:?} {values:?}: {ticks:?}");
                assert!(ticks.iter().all(|t| t.at.is_finite()), "{scale:?} {values:?}");
            }
        }
    }
}
