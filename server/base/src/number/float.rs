//! Doubles as Redis reads and writes them.

use super::scan::{Format, Rounded, Scanned, scan};

const FORMAT: Format = Format { bits: 53, exponent_min: -1074, exponent_max: 971 };

/// What Redis takes for a double (`string2d`): the grammar of `strtod`, hexadecimal floats and `inf` included, without
/// blanks around it, without NaN, not too large, not so small that nothing remains.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, scanned) = scan(text)?;
    let magnitude = match scanned {
        Scanned::Infinity => f64::INFINITY,
        Scanned::Nan => return None,
        Scanned::Decimal { whole, fraction, .. } => {
            // The standard library rounds correctly and takes this grammar.
            let magnitude = std::str::from_utf8(text).ok()?.parse::<f64>().ok()?.abs();
            if magnitude == 0.0 && whole.iter().chain(fraction).any(|&b| b != b'0') || magnitude.is_infinite() {
                return None;
            }
            magnitude
        }
        Scanned::Hex { whole, fraction, exponent } => match FORMAT.from_hex(whole, fraction, exponent) {
            Rounded::Zero => 0.0,
            Rounded::Underflow | Rounded::Overflow => return None,
            Rounded::Number { mantissa, exponent } => f64_of(mantissa, exponent),
        },
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// mantissa x 2^exponent, which must be a double.
fn f64_of(mantissa: u64, exponent: i32) -> f64 {
    if mantissa >> 52 == 0 {
        return f64::from_bits(mantissa); // Too small for a full mantissa.
    }
    f64::from_bits(((exponent + 1075) as u64) << 52 | mantissa & ((1 << 52) - 1))
}

/// Appends a double as Redis's replies show it (`d2string`).
pub fn push_f64(out: &mut Vec<u8>, x: f64) {
    if x.is_nan() {
        out.extend_from_slice(b"nan");
        return;
    }
    if x.is_sign_negative() {
        out.push(b'-');
    }
    let x = x.abs();
    if x.is_infinite() {
        out.extend_from_slice(b"inf");
    } else if x <= (i64::MAX / 2) as f64 && x.fract() == 0.0 {
        super::push_u64(out, x as u64);
    } else {
        let shortest = format!("{x:e}");
        let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
        let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        let exponent = exponent.parse::<i32>().unwrap_or(0) + 1 - digits.len() as i32;
        push_digits(out, &digits, exponent);
    }
}

/// `digits` x 10^`exponent`, plain where that is short.
fn push_digits(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let n = digits.len() as i32;
    let leading = exponent + n - 1; // The first digit's power of ten.
    if exponent >= 0 && leading < n + 7 {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', exponent as usize));
    } else if exponent < 0 && (exponent > -7 || leading.abs() < 4) {
        let point = n + exponent;
        if point <= 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', -point as usize));
            out.extend_from_slice(digits);
        } else {
            out.extend_from_slice(&digits[..point as usize]);
            out.push(b'.');
            out.extend_from_slice(&digits[point as usize..]);
        }
    } else {
        out.push(digits[0]);
        if n > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if leading < 0 { b"e-" } else { b"e+" });
        super::push_u64(out, leading.unsigned_abs() as u64);
    }
}
