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
        Scanned::Hex { whole, fraction, exponent } => match FORMAT.nearest_to_hex(whole, fraction, exponent) {
            Rounded::Zero => 0.0,
            Rounded::Underflow | Rounded::Overflow => return None,
            Rounded::Number { mantissa, exponent } => f64_of(mantissa, exponent),
        },
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// What C's `strtod` makes of all of a C string, where Redis asks no more than that nothing is left behind it: blanks may stand
/// in front, too large is infinite, too small is 0, nothing at all is 0. A NUL ends the text. None for NaN.
pub fn parse_c_f64(text: &[u8]) -> Option<f64> {
    let text = text.split(|&b| b == 0).next().unwrap_or(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let blank = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let text = &text[text.iter().take_while(|b| blank(b)).count()..];
    let (negative, scanned) = scan(text)?;
    let magnitude = match scanned {
        Scanned::Infinity => f64::INFINITY,
        Scanned::Nan => return None,
        Scanned::Decimal { .. } => std::str::from_utf8(text).ok()?.parse::<f64>().ok()?.abs(),
        Scanned::Hex { whole, fraction, exponent } => match FORMAT.nearest_to_hex(whole, fraction, exponent) {
            Rounded::Zero | Rounded::Underflow => 0.0,
            Rounded::Overflow => f64::INFINITY,
            Rounded::Number { mantissa, exponent } => f64_of(mantissa, exponent),
        },
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Appends a double as C's `%.17g` shows it.
pub fn push_f64_17(out: &mut Vec<u8>, x: f64) {
    if !x.is_finite() {
        return push_f64(out, x);
    }
    // Correctly rounded, as the C library's: one digit, a point, 16 digits, the exponent.
    let text = format!("{x:.16e}");
    let (digits, exponent) = text.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let digits = digits.replace('.', "");
    let digits = digits.trim_end_matches('0').as_bytes();
    let digits: &[u8] = if digits.is_empty() { b"0" } else { digits };
    out.extend_from_slice(sign.as_bytes());
    match exponent {
        0..17 => {
            let whole = exponent as usize + 1;
            out.extend_from_slice(&digits[..whole.min(digits.len())]);
            out.extend(std::iter::repeat_n(b'0', whole.saturating_sub(digits.len())));
            if digits.len() > whole {
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
        -4..0 => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', -exponent as usize - 1));
            out.extend_from_slice(digits);
        }
        _ => {
            out.push(digits[0]);
            if digits.len() > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.extend_from_slice(format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()).as_bytes());
        }
    }
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
        let mut digits = [0; 18];
        let (count, exponent) = super::grisu::digits(x, &mut digits);
        push_digits(out, &digits[..count], exponent);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(x: f64) -> String {
        let mut text = Vec::new();
        push_f64(&mut text, x);
        String::from_utf8(text).expect("digits")
    }

    #[test]
    fn doubles_are_read_and_shown_as_by_redis() {
        let unescape = |s: &str| s.replace("\\t", "\t").replace("\\0", "\0").into_bytes();
        let mut count = 0;
        for line in include_str!("double.cases").split('\n').filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (text, expected) = line.split_once('\t').expect("two fields");
            assert_eq!(parse_f64(&unescape(text)).map_or("notfloat".into(), shown), expected, "{text:?}");
            count += 1;
        }
        assert!(count > 1000, "{count} cases");
    }

    #[test]
    fn edges() {
        for (x, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
            (3.0, "3"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e-5, "0.00001"),
            (1.5e-7, "1.5e-7"),
            (1e21, "1e+21"),
            (123456789012345680000.0, "123456789012345680000"),
            (4611686018427387904.0, "4611686018427387904"),
            (1e-300, "1e-300"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(shown(x), expected);
        }
        for text in ["", " 1", "1 ", "nan", "-nan", "1e309", "1e-400", "0x", "1e", ".", "--1", "1\0"] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
        }
        for (text, x) in [("0x1.8p1", 3.0), ("0X.8", 0.5), ("infinity", f64::INFINITY), ("+1.", 1.0), ("0e-999", 0.0)] {
            assert_eq!(parse_f64(text.as_bytes()), Some(x), "{text:?}");
        }
    }

    #[test]
    fn c_reads_more() {
        for (text, x) in [
            ("", 0.0),
            (" 1.5", 1.5),
            ("\t\r\n-2", -2.0),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("1\x002", 1.0),
            ("\0", 0.0),
            ("-inf", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("0x1p5000", f64::INFINITY),
            ("4.9e-324", 5e-324),
        ] {
            assert_eq!(parse_c_f64(text.as_bytes()), Some(x), "{text:?}");
        }
        for text in [" ", "1 ", "nan", "x", "1e", "1.2.3", "0x", "--1", "infinit"] {
            assert_eq!(parse_c_f64(text.as_bytes()), None, "{text:?}");
        }
    }

    /// Expectations: `printf '%.17g'`.
    #[test]
    fn seventeen_digits_as_c_shows_them() {
        for (x, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.10000000000000001"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (123456789012345.67, "123456789012345.67"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            let mut text = Vec::new();
            push_f64_17(&mut text, x);
            assert_eq!(String::from_utf8(text).expect("digits"), expected);
        }
    }
}
