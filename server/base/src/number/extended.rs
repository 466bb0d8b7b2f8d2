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
            Scanned::Decimal { whole, fraction, exponent } => FORMAT.from_decimal(whole, fraction, exponent),
            Scanned::Hex { whole, fraction, exponent } => FORMAT.from_hex(whole, fraction, exponent),
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
            n.to_decimal()
        } else {
            let down = self.exponent.unsigned_abs();
            let n = match down {
                0..128 => {
                    let (kept, half) = (scaled >> down, 1u128 << (down - 1));
                    let lost = scaled & (half - 1 | half);
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
