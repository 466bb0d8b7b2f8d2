//! The x87's extended precision, which C calls `long double` on x86-64 and INCRBYFLOAT counts in: a sign, 64 bits of
//! mantissa, 15 bits of exponent. Done with whole numbers, so it is the same on every machine.

use super::big::Big;
use super::scan::{Format, Rounded, Scanned, scan};

const FORMAT: Format = Format { bits: 64, exponent_min: -16445, exponent_max: 16320 };
/// Redis reads a long double through a buffer of 5 KiB, its end's NUL included.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// `%.17Lf`
const DECIMALS: u32 = 17;

/// A number of extended precision: never NaN. ±mantissa x 2^exponent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extended {
    negative: bool,
    infinite: bool,
    mantissa: u64,
    exponent: i32,
}

impl Extended {
    pub const ZERO: Extended =
        Extended { negative: false, infinite: false, mantissa: 0, exponent: FORMAT.exponent_min };

    /// What Redis takes for a number here (`string2ld`): the grammar of `strtold`, correctly rounded, without blanks around
    /// it, without NaN, not too large, not so small that nothing remains. `inf` is taken.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, scanned) = scan(text)?;
        let rounded = match scanned {
            Scanned::Infinity => return Some(Extended { negative, infinite: true, ..Extended::ZERO }),
            Scanned::Nan => return None,
            Scanned::Decimal { whole, fraction, exponent } => FORMAT.nearest_to_decimal(whole, fraction, exponent),
            Scanned::Hex { whole, fraction, exponent } => FORMAT.nearest_to_hex(whole, fraction, exponent),
        };
        match rounded {
            Rounded::Zero => Some(Extended { negative, ..Extended::ZERO }),
            Rounded::Number { mantissa, exponent } => Some(Extended { negative, infinite: false, mantissa, exponent }),
            Rounded::Overflow | Rounded::Underflow => None,
        }
    }

    pub fn from_i64(n: i64) -> Extended {
        match FORMAT.round(n.unsigned_abs() as u128, false, 0) {
            Rounded::Number { mantissa, exponent } => Extended { negative: n < 0, infinite: false, mantissa, exponent },
            _ => Extended::ZERO,
        }
    }

    /// The sum, rounded to the nearest, of two equally near to the even one. `None` where it is infinite or NaN.
    #[allow(clippy::should_implement_trait)] // Which could not say None.
    pub fn add(self, other: Extended) -> Option<Extended> {
        if self.infinite || other.infinite {
            return None;
        }
        if self.mantissa == 0 && other.mantissa == 0 {
            return Some(Extended { negative: self.negative && other.negative, ..Extended::ZERO });
        }
        let (large, small) = if self.mantissa != 0 && (other.mantissa == 0 || self.exponent >= other.exponent) {
            (self, other)
        } else {
            (other, self)
        };
        // 62 bits below the mantissa's 64, one above for the carry. What is shifted out below all of them can only tell
        // a tie from what is not one, so a single bit stands for it.
        const BELOW: u32 = 62;
        let apart = large.exponent as i64 - small.exponent as i64;
        let a = (large.mantissa as u128) << BELOW;
        let full = (small.mantissa as u128) << BELOW;
        let b = match apart {
            _ if full == 0 => 0,
            0..128 => full >> apart | (full & ((1u128 << apart) - 1) != 0) as u128,
            _ => 1,
        };
        let (negative, sum) = if large.negative == small.negative {
            (large.negative, a + b)
        } else if a >= b {
            (large.negative, a - b)
        } else {
            (small.negative, b - a)
        };
        match FORMAT.round(sum, false, large.exponent as i64 - BELOW as i64) {
            Rounded::Zero | Rounded::Underflow => Some(Extended::ZERO),
            Rounded::Number { mantissa, exponent } => Some(Extended { negative, infinite: false, mantissa, exponent }),
            Rounded::Overflow => None,
        }
    }

    /// Appends Redis's form for people (`LD_STR_HUMAN`): 17 decimals, without the zeros at their end, never an exponent,
    /// never `-0`.
    pub fn push_human(self, out: &mut Vec<u8>) {
        let start = out.len();
        if self.negative {
            out.push(b'-');
        }
        if self.infinite {
            out.extend_from_slice(b"inf");
            return;
        }
        let scaled = self.mantissa as u128 * 10u128.pow(DECIMALS); // Below 2^121.
        let mut digits = if self.exponent >= 0 {
            let mut n = Big::from_u128(scaled);
            n.shift_left(self.exponent as u32);
            n.into_decimal()
        } else {
            let down = self.exponent.unsigned_abs();
            let n = match down {
                0..128 => {
                    let (kept, half) = (scaled >> down, 1u128 << (down - 1));
                    let lost = scaled & ((half - 1) | half);
                    kept + (lost > half || lost == half && kept & 1 == 1) as u128
                }
                _ => 0,
            };
            n.to_string().into_bytes()
        };
        let decimals = DECIMALS as usize;
        if digits.len() <= decimals {
            digits.splice(0..0, std::iter::repeat_n(b'0', decimals + 1 - digits.len()));
        }
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let fraction = &fraction[..fraction.iter().rposition(|&b| b != b'0').map_or(0, |last| last + 1)];
        out.extend_from_slice(whole);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        if out[start..] == *b"-0" {
            out.remove(start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incrbyfloat(value: &[u8], increment: &[u8]) -> String {
        let (Some(value), Some(increment)) = (Extended::parse(value), Extended::parse(increment)) else {
            return "notfloat".into();
        };
        let Some(sum) = value.add(increment) else { return "naninf".into() };
        let mut text = Vec::new();
        sum.push_human(&mut text);
        String::from_utf8(text).expect("digits")
    }

    #[test]
    fn sums_are_those_of_redis() {
        let unescape = |s: &str| s.replace("\\t", "\t").replace("\\0", "\0").into_bytes();
        let mut count = 0;
        for line in include_str!("extended.cases").split('\n').filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(incrbyfloat(&unescape(fields[0]), &unescape(fields[1])), fields[2], "{line}");
            count += 1;
        }
        assert!(count > 800, "{count} cases");
    }

    #[test]
    fn edges() {
        let tiny = "0.".to_string() + &"0".repeat(4949) + "1";
        for (value, increment, expected) in [
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("0", "-0", "0"),
            ("-1", "1", "0"),
            ("-0.000000000000000001", "0", "0"), // Rounded to 17 places, and not to `-0`.
            ("1", "0.000000000000000005", "1"),  // The sum has no bit so low.
            ("1", "0.0000000000000000051", "1.00000000000000001"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551616", "1", "18446744073709551616"), // A tie, to the even one.
            ("18446744073709551616", "3", "18446744073709551620"),
            ("9223372036854775807", "0", "9223372036854775807"),
            ("3.0e3", "inf", "naninf"),
            ("inf", "-inf", "naninf"),
            ("1.1e4932", "1.1e4932", "naninf"),
            ("1e4933", "0", "notfloat"),
            (&tiny, "0", "0"),
            ("1e-4952", "0", "notfloat"),
            ("", "1", "notfloat"),
            ("1 ", "1", "notfloat"),
        ] {
            assert_eq!(incrbyfloat(value.as_bytes(), increment.as_bytes()), expected, "{value} + {increment}");
        }
        // One byte less than Redis's buffer is the most it reads.
        assert!(Extended::parse(&[b"1.".as_slice(), &[b'0'; TEXT_BYTES_MAX - 2]].concat()).is_some());
        assert!(Extended::parse(&[b"1.".as_slice(), &[b'0'; TEXT_BYTES_MAX - 1]].concat()).is_none());
    }

    #[test]
    fn integers_are_what_their_text_is() {
        for n in [0, 1, -1, 42, i64::MAX, i64::MIN, 1 << 62, -(1 << 53) - 1] {
            assert_eq!(Some(Extended::from_i64(n)), Extended::parse(n.to_string().as_bytes()), "{n}");
        }
    }

    /// Sums of numbers without too many bits, exactly, in 128-bit fixed point.
    #[test]
    fn exact_sums_are_exact() {
        let mut state = 0xD1B5_4A32_D192_ED03u64;
        println!("seed {state}");
        for _ in 0..20_000 {
            let mut next = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as i128 - (1 << 30)
            };
            let (a, b) = (next(), next());
            // Thousandths of 2^-10: both have few enough bits to be exact.
            let text = |n: i128| {
                format!("{}{}.{:010}", if n < 0 { "-" } else { "" }, n.abs() / 1024, n.abs() % 1024 * 9765625)
            };
            let (a_text, b_text, sum) = (text(a), text(b), text(a + b));
            let expected = sum.trim_end_matches('0').trim_end_matches('.');
            assert_eq!(incrbyfloat(a_text.as_bytes(), b_text.as_bytes()), expected, "{a_text} + {b_text}");
        }
    }
}
