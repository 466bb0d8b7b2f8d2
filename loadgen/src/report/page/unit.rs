//! Room: loadgen. How numbers are written for people: three digits, the unit beside each. Touches: nothing.

/// What a number counts. Values are always in the base unit named here; writing picks the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds, written as ns, µs, ms or s.
    Seconds,
    /// Seconds since the start of a run, written as `42 s`, `3:20` or `1:03:20`.
    Elapsed,
    PerSecond,
    Count,
    /// Bytes, in powers of 1024.
    Bytes,
    /// Bytes a second, in powers of 1024.
    BytesPerSecond,
    /// Times as much.
    Ratio,
    /// A share of one, written in percent.
    Share,
    /// A share of one near one: 0.999 is written 99.9 %, without rounding up to 100.
    Quantile,
}

const TIMES: [(f64, &str); 4] = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
const THOUSANDS: [(f64, &str); 5] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
const BINARY: [(f64, &str); 5] =
    [(1_099_511_627_776.0, "TiB"), (1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")];

/// Between a number and its unit: it does not break, and `Unit::plain` replaces it.
const SPACE: char = '\u{a0}';

impl Unit {
    /// Three significant digits and the unit: `1.25 ms`, `312 k/s`, `42 s`.
    pub fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".into();
        }
        if value < 0.0 {
            return format!("−{}", self.show(-value));
        }
        match self {
            Unit::Elapsed => elapsed(value),
            Unit::Ratio => format!("{}{SPACE}×", digits(value)),
            Unit::Share => format!("{}{SPACE}%", digits(value * 100.0)),
            Unit::Quantile => quantile(value),
            _ if value == 0.0 => self.join("0", self.ladder().last().map_or("", |l| l.1)),
            _ => {
                let (step, name) = self.step(value);
                let text = digits(value / step);
                // 999.6 k is written as 1.00 M.
                if text == self.turn() {
                    let (step, name) = self.step(step * self.turn().parse::<f64>().unwrap_or(1.0));
                    return self.join(&digits(value / step), name);
                }
                self.join(&text, name)
            }
        }
    }

    /// As `show`, with spaces that every terminal draws one column wide.
    pub fn plain(self, value: f64) -> String {
        self.show(value).replace(SPACE, " ")
    }

    /// Labels for the ticks of one linear axis: all with the prefix that suits `most`, as few decimals as `step` needs.
    pub fn tick(self, value: f64, step: f64, most: f64) -> String {
        match self {
            Unit::Elapsed => elapsed(value),
            Unit::Ratio => format!("{}{SPACE}×", decimals(value, step)),
            Unit::Share => format!("{}{SPACE}%", decimals(value * 100.0, step * 100.0)),
            Unit::Quantile => quantile(value),
            _ if value == 0.0 => "0".into(),
            _ => {
                let (scale, name) = self.step(most);
                self.join(&decimals(value / scale, step / scale), name)
            }
        }
    }

    /// Ticks of a linear axis are multiples of this: bytes are counted in powers of two.
    pub fn is_binary(self) -> bool {
        matches!(self, Unit::Bytes | Unit::BytesPerSecond)
    }

    fn ladder(self) -> &'static [(f64, &'static str)] {
        match self {
            Unit::Seconds => &TIMES,
            Unit::Bytes | Unit::BytesPerSecond => &BINARY,
            _ => &THOUSANDS,
        }
    }

    fn turn(self) -> &'static str {
        if self.is_binary() { "1024" } else { "1000" }
    }

    fn step(self, value: f64) -> (f64, &'static str) {
        let ladder = self.ladder();
        // 0.9999: a tick at 1 ms is not 1000 µs for an error of the last bit.
        let fits = |l: &&(f64, &str)| value.abs() >= l.0 * 0.999_999;
        *ladder.iter().find(fits).unwrap_or(&ladder[ladder.len() - 1])
    }

    fn join(self, number: &str, name: &str) -> String {
        let suffix = if matches!(self, Unit::PerSecond | Unit::BytesPerSecond) { "/s" } else { "" };
        if name.is_empty() { format!("{number}{suffix}") } else { format!("{number}{SPACE}{name}{suffix}") }
    }
}

/// Three significant digits, no more than are true of an integer below 1000.
fn digits(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        s if s >= 99.95 => format!("{value:.0}"),
        s if s >= 9.995 => format!("{value:.1}"),
        s if s >= 0.0995 => format!("{value:.2}"),
        s if s >= 0.000_95 => format!("{value:.4}"),
        0.0 => "0".into(),
        _ => format!("{value:.1e}"),
    };
    if (value - value.round()).abs() < size * 1e-9 && size < 1000.0 { format!("{value:.0}") } else { text }
}

fn decimals(value: f64, step: f64) -> String {
    // A step of 0.25 needs two places, one of 0.5 one, one of 5 none.
    let places = (0..6).find(|p| (step * 10f64.powi(*p)).fract().abs() < 1e-6 || *p == 5).unwrap_or(0);
    let near = (step * 10f64.powi(places)).round() / 10f64.powi(places);
    let places = if (near - step).abs() > step * 1e-3 { places + 1 } else { places };
    format!("{value:.*}", places as usize)
}

fn elapsed(seconds: f64) -> String {
    if seconds < 120.0 {
        return format!("{}{SPACE}s", digits(seconds));
    }
    let whole = seconds.round() as u64;
    let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

fn quantile(value: f64) -> String {
    if value >= 1.0 {
        return format!("100{SPACE}%");
    }
    // One place more than the nines: 99.9 %, 99.95 %, 99.99 %.
    let nines = (-(1.0 - value).log10() + 1e-9).floor().max(1.0) as usize;
    let mut text = format!("{:.*}", nines, value * 100.0);
    while text.contains('.') && (text.ends_with('0') || text.ends_with('.')) {
        text.pop();
    }
    format!("{text}{SPACE}%")
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_three_digits_and_their_unit() {
        let cases = [
            (Unit::Seconds, 0.001_234, "1.23 ms"),
            (Unit::Seconds, 0.000_412_3, "412 µs"),
            (Unit::Seconds, 0.000_999_96, "1.00 ms"),
            (Unit::Seconds, 0.000_000_042, "42 ns"),
            (Unit::Seconds, 12.345, "12.3 s"),
            (Unit::Seconds, 0.0, "0 ns"),
            (Unit::PerSecond, 312_345.0, "312 k/s"),
            (Unit::PerSecond, 1_250_000.0, "1.25 M/s"),
            (Unit::PerSecond, 999_960.0, "1.00 M/s"),
            (Unit::PerSecond, 42.0, "42/s"),
            (Unit::Count, 1000.0, "1 k"),
            (Unit::Bytes, 1_048_576.0, "1 MiB"),
            (Unit::Bytes, 1_048_575.0, "1.00 MiB"),
            (Unit::BytesPerSecond, 2048.0, "2 KiB/s"),
            (Unit::Ratio, 1.094, "1.09 ×"),
            (Unit::Share, 0.123_4, "12.3 %"),
            (Unit::Quantile, 0.5, "50 %"),
            (Unit::Quantile, 0.999, "99.9 %"),
            (Unit::Quantile, 0.999_9, "99.99 %"),
            (Unit::Quantile, 0.999_99, "99.999 %"),
            (Unit::Quantile, 0.0, "0 %"),
            (Unit::Quantile, 1.0, "100 %"),
            (Unit::Elapsed, 42.0, "42 s"),
            (Unit::Elapsed, 200.0, "3:20"),
            (Unit::Elapsed, 3800.0, "1:03:20"),
            (Unit::Seconds, -0.002, "−2 ms"),
            (Unit::Seconds, f64::NAN, "–"),
        ];
        for (unit, value, want) in cases {
            assert_eq!(unit.plain(value), want, "{unit:?} {value}");
        }
    }

    #[test]
    fn ticks_of_an_axis_share_a_prefix() {
        let cases = [
            (Unit::Seconds, 0.000_5, 0.000_5, 0.002, "0.5 ms"),
            (Unit::Seconds, 0.002, 0.000_5, 0.002, "2.0 ms"),
            (Unit::Seconds, 0.000_25, 0.000_25, 0.001, "0.25 ms"),
            (Unit::PerSecond, 50_000.0, 50_000.0, 300_000.0, "50 k/s"),
            (Unit::PerSecond, 0.0, 50_000.0, 300_000.0, "0"),
            (Unit::Bytes, 512.0, 512.0, 4096.0, "0.5 KiB"),
            (Unit::Ratio, 1.5, 0.5, 3.0, "1.5 ×"),
            (Unit::Share, 0.2, 0.2, 1.0, "20 %"),
        ];
        for (unit, value, step, most, want) in cases {
            assert_eq!(unit.tick(value, step, most).replace(SPACE, " "), want, "{unit:?} {value}");
        }
    }

    #[test]
    fn long_numbers_are_grouped() {
        for (number, want) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), want);
        }
    }
}
