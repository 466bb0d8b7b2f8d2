//! The grammar of C's `strtod` and the exact, correctly rounded value of what fits it, for any width of mantissa.

use super::big::Big;

/// What a text says, exactly.
#[derive(Clone, Copy, Debug)]
pub enum Scanned<'a> {
    Infinity,
    Nan,
    /// `whole.fraction` times ten to the `exponent`.
    Decimal {
        whole: &'a [u8],
        fraction: &'a [u8],
        exponent: i64,
    },
    /// Hexadecimal digits `whole.fraction` times two to the `exponent`.
    Hex {
        whole: &'a [u8],
        fraction: &'a [u8],
        exponent: i64,
    },
}

/// Sign and content of a text that is a number from its first byte to its last. `strtod` itself would skip blanks in front
/// and stop at what it does not know; Redis refuses both.
pub fn scan(text: &[u8]) -> Option<(bool, Scanned<'_>)> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
        return Some((negative, Scanned::Infinity));
    }
    if rest.len() >= 3 && rest[..3].eq_ignore_ascii_case(b"nan") {
        return Some((negative, Scanned::Nan));
    }
    if let [b'0', b'x' | b'X', digits @ ..] = rest {
        let (whole, fraction, exponent) = parts(digits, u8::is_ascii_hexdigit, b'p')?;
        return Some((negative, Scanned::Hex { whole, fraction, exponent }));
    }
    let (whole, fraction, exponent) = parts(rest, u8::is_ascii_digit, b'e')?;
    Some((negative, Scanned::Decimal { whole, fraction, exponent }))
}

fn parts(text: &[u8], is_digit: fn(&u8) -> bool, mark: u8) -> Option<(&[u8], &[u8], i64)> {
    let count = |t: &[u8]| t.iter().position(|b| !is_digit(b)).unwrap_or(t.len());
    let (whole, mut rest) = text.split_at(count(text));
    let mut fraction = &rest[..0];
    if let [b'.', after @ ..] = rest {
        (fraction, rest) = after.split_at(count(after));
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest {
        [] => 0,
        [m, rest @ ..] if m.eq_ignore_ascii_case(&mark) => {
            let (negative, digits) = match rest {
                [b'-', digits @ ..] => (true, digits),
                [b'+', digits @ ..] => (false, digits),
                _ => (false, rest),
            };
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            // Far beyond what matters, and far from overflowing what it is added to.
            let n = digits.iter().fold(0i64, |n, &b| (n * 10 + (b - b'0') as i64).min(1 << 40));
            if negative { -n } else { n }
        }
        _ => return None,
    };
    Some((whole, fraction, exponent))
}

/// A binary floating point format: value = mantissa x 2^exponent, mantissa below 2^`bits`.
#[derive(Clone, Copy)]
pub struct Format {
    pub bits: u32,
    /// The exponent of the smallest numbers, and of all that are too small for a full mantissa.
    pub exponent_min: i32,
    pub exponent_max: i32,
}

/// The nearest number of a format; of two equally near the even one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounded {
    /// Exactly zero.
    Zero,
    /// Not zero, but nearer to zero than to the smallest number.
    Underflow,
    Overflow,
    Number {
        mantissa: u64,
        exponent: i32,
    },
}

impl Format {
    /// Rounds `mantissa` x 2^`exponent`, plus a little more if `sticky`. With `sticky`, `mantissa` must have at least two bits
    /// more than the format.
    pub fn round(self, mantissa: u128, sticky: bool, exponent: i64) -> Rounded {
        if mantissa == 0 {
            return if sticky { Rounded::Underflow } else { Rounded::Zero };
        }
        let length = 128 - mantissa.leading_zeros();
        let mut target = exponent + length as i64 - self.bits as i64;
        target = target.max(self.exponent_min as i64);
        let shift = target - exponent;
        let mut kept;
        if shift <= 0 {
            // Fits without loss; what is asked for with `sticky` never comes here.
            debug_assert!(!sticky);
            kept = (mantissa << -shift) as u64;
        } else if shift > 128 {
            return Rounded::Underflow;
        } else {
            let half = 1u128 << (shift - 1);
            let lost = mantissa & ((half - 1) | half);
            kept = if shift == 128 { 0 } else { (mantissa >> shift) as u64 };
            if lost > half || lost == half && (sticky || kept & 1 == 1) {
                let (up, wrapped) = kept.overflowing_add(1);
                kept = up;
                if wrapped || self.bits < 64 && kept >> self.bits != 0 {
                    kept = 1 << (self.bits - 1);
                    target += 1;
                }
            }
        }
        if kept == 0 {
            Rounded::Underflow
        } else if target > self.exponent_max as i64 {
            Rounded::Overflow
        } else {
            Rounded::Number { mantissa: kept, exponent: target as i32 }
        }
    }

    /// The nearest number to a scanned decimal.
    pub fn nearest_to_decimal(self, whole: &[u8], fraction: &[u8], exponent: i64) -> Rounded {
        let digits = || whole.iter().chain(fraction).copied();
        let significant = digits().skip_while(|&b| b == b'0').count();
        if significant == 0 {
            return Rounded::Zero;
        }
        let mut length = significant;
        let mut exponent = exponent - fraction.len() as i64;
        for _ in digits().rev().take_while(|&b| b == b'0') {
            length -= 1;
            exponent += 1;
        }
        let digits = digits().skip(whole.len() + fraction.len() - significant).take(length);
        // 0.30103: decimal digits in a bit. Two digits of margin, then it is certain.
        let magnitude = length as i64 + exponent;
        if magnitude > (self.exponent_max as i64 + self.bits as i64) * 30103 / 100_000 + 2 {
            return Rounded::Overflow;
        }
        if magnitude < (self.exponent_min as i64) * 30103 / 100_000 - 2 {
            return Rounded::Underflow;
        }
        // Twice the format's bits in the quotient, so that the remainder decides nothing but ties.
        const QUOTIENT_BITS: u32 = 96;
        if length <= 19 && (-19..=0).contains(&exponent) {
            // What people type. All of it fits machine words.
            let n = digits.fold(0u64, |n, b| n * 10 + (b - b'0') as u64);
            let divisor = 10u128.pow(exponent.unsigned_abs() as u32);
            let up = n.leading_zeros();
            let n = (n as u128) << (up + 64);
            let (high, rest) = (n / divisor, n % divisor);
            // The quotient has 64 bits at least; 32 more of it follow from the rest, which is below 2^64.
            let low = (rest << 32) / divisor;
            let sticky = (rest << 32) % divisor != 0;
            let room = high.leading_zeros();
            return if room >= 32 {
                self.round(high << 32 | low, sticky, -(up as i64) - 96)
            } else {
                self.round(high, rest != 0, -(up as i64) - 64)
            };
        }
        let mut n = Big::from_decimal(digits);
        if exponent >= 0 {
            n.multiply_pow10(exponent as u32);
            let drop = n.bits().saturating_sub(QUOTIENT_BITS);
            let sticky = n.shift_right(drop);
            return self.round(n.low_u128(), sticky, drop as i64);
        }
        let mut divisor = Big::from_u128(1);
        divisor.multiply_pow10(exponent.unsigned_abs() as u32);
        // So that the quotient has QUOTIENT_BITS or one more.
        let up = QUOTIENT_BITS as i64 + divisor.bits() as i64 - n.bits() as i64;
        if up >= 0 {
            n.shift_left(up as u32);
        } else {
            divisor.shift_left(up.unsigned_abs() as u32);
        }
        let (quotient, sticky) = n.divide(&divisor);
        self.round(quotient, sticky, -up)
    }

    /// The nearest number to scanned hexadecimal digits.
    pub fn nearest_to_hex(self, whole: &[u8], fraction: &[u8], exponent: i64) -> Rounded {
        let (mut n, mut sticky, mut dropped) = (0u128, false, 0i64);
        for &b in whole.iter().chain(fraction) {
            let digit = (b as char).to_digit(16).unwrap_or(0) as u128;
            if n >> 120 == 0 {
                n = n << 4 | digit;
            } else {
                sticky |= digit != 0;
                dropped += 4;
            }
        }
        self.round(n, sticky, exponent + dropped - 4 * fraction.len() as i64)
    }
}
