//! Numbers as text, in Redis's forms: what its commands accept and what its replies look like, to the byte.

mod big;
mod extended;
mod float;
mod grisu;
mod scan;

pub use extended::Extended;
pub use float::{parse_c_f64, parse_f64, push_f64, push_f64_17};

/// What Redis takes for an integer (`string2ll`): an optional `-`, digits without a leading zero, nothing else. So neither
/// `+1` nor ` 1`, `01`, `-0` nor an empty word.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        // Up to 18 digits nothing can overflow.
        [b'1'..=b'9', rest @ ..] if rest.len() < 18 => {
            let mut n = (text[0] - b'0') as i64;
            for &b in rest {
                let digit = b.wrapping_sub(b'0');
                if digit > 9 {
                    return None;
                }
                n = n * 10 + digit as i64;
            }
            Some(n)
        }
        [b'0'] => Some(0),
        [b'-', digits @ ..] => {
            let n = parse_digits(digits)?;
            (1..=i64::MIN.unsigned_abs()).contains(&n).then(|| (n as i64).wrapping_neg())
        }
        _ => parse_digits(text).and_then(|n| i64::try_from(n).ok()),
    }
}

/// The same for what cannot be negative, up to 2^64 - 1.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    parse_digits(text)
}

fn parse_digits(text: &[u8]) -> Option<u64> {
    // 20: the digits of 2^64 - 1.
    if text.is_empty() || text.len() > 20 || text[0] == b'0' && text.len() > 1 {
        return None;
    }
    text.iter().try_fold(0u64, |n, &b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 { None } else { n.checked_mul(10)?.checked_add(digit as u64) }
    })
}

/// Appends a decimal.
#[inline]
pub fn push_i64(out: &mut Vec<u8>, n: i64) {
    if n < 0 {
        out.push(b'-');
    }
    push_u64(out, n.unsigned_abs());
}

/// Appends a decimal.
#[inline]
pub fn push_u64(out: &mut Vec<u8>, mut n: u64) {
    if n < 10 {
        out.push(b'0' + n as u8);
        return;
    }
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    while n > 0 {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}

/// What memcached's tokenizer takes for a number below 2^64: digits only, leading zeros too, at most 22 of them.
pub fn parse_token_u64(text: &[u8]) -> Option<u64> {
    if text.len() > 22 {
        return None;
    }
    text.iter().try_fold(0u64, |n, &b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 { None } else { n.checked_mul(10)?.checked_add(digit as u64) }
    })
}

/// The same for 32 bits with a sign: an optional `-` and digits, at most 11 bytes together.
pub fn parse_token_i32(text: &[u8]) -> Option<i32> {
    if text.len() > 11 {
        return None;
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    let n = parse_token_u64(digits)? as i64;
    i32::try_from(if negative { -n } else { n }).ok()
}

/// The same for 32 bits without a sign: at most 11 digits.
pub fn parse_token_u32(text: &[u8]) -> Option<u32> {
    if text.len() > 11 { None } else { parse_token_u64(text).and_then(|n| u32::try_from(n).ok()) }
}

/// What C's `strtoull` reads off the front of `text`, where memcached asks that a blank or the text's end follow: blanks, a
/// sign (a negative number wraps around, but what it wraps to must be below 2^63), digits. A NUL ends the text.
#[inline]
pub fn parse_c_u64(text: &[u8]) -> Option<u64> {
    // Nearly always a lone `0`.
    if let &[digit @ b'0'..=b'9'] = text {
        return Some((digit - b'0') as u64);
    }
    let (negative, n) = parse_c(text)?;
    if !negative {
        return Some(n);
    }
    let wrapped = n.wrapping_neg();
    (wrapped <= i64::MAX as u64).then_some(wrapped)
}

/// The same by `strtol`: 64 bits with a sign.
#[inline]
pub fn parse_c_i64(text: &[u8]) -> Option<i64> {
    if let &[digit @ b'0'..=b'9'] = text {
        return Some((digit - b'0') as i64);
    }
    match parse_c(text)? {
        (false, n) => i64::try_from(n).ok(),
        (true, n) => (n <= i64::MIN.unsigned_abs()).then(|| (n as i64).wrapping_neg()),
    }
}

fn parse_c(text: &[u8]) -> Option<(bool, u64)> {
    let is_space = |b: &u8| matches!(b, b' ' | 9..=13);
    let text = &text[text.iter().take_while(|b| is_space(b)).count()..];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    let len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 || digits.get(len).is_some_and(|b| *b != 0 && !is_space(b)) {
        return None;
    }
    let n = digits[..len].iter().try_fold(0u64, |n, &b| n.checked_mul(10)?.checked_add((b - b'0') as u64))?;
    Some((negative, n))
}

/// A size as the configuration writes it (`memtoull`): digits and one of `b k kb m mb g gb` in any case, where `k` is 1000
/// and `kb` is 1024. No digits at all count as 0, as in Redis. `None` also where Redis's own product would wrap around.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let factor = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    let n = text[..digits].bytes().try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add((b - b'0') as u64))?;
    n.checked_mul(factor)
}

/// A size as INFO's `_human` fields show it: `512B`, `1.50K`, `2.00G`.
pub fn human_bytes(n: u64) -> String {
    let units = [(1u64 << 10, "K"), (1 << 20, "M"), (1 << 30, "G"), (1 << 40, "T"), (1 << 50, "P")];
    match units.iter().rfind(|(unit, _)| n >= *unit) {
        Some((unit, letter)) if n >> 10 < 1 << 50 => format!("{:.2}{letter}", n as f64 / *unit as f64),
        _ => format!("{n}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("999999999999999999", Some(999_999_999_999_999_999)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("18446744073709551616", None),
            ("100000000000000000000", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            ("-01", None),
            ("00", None),
            (" 1", None),
            ("1 ", None),
            ("1.0", None),
            ("1e3", None),
            ("--1", None),
            ("12345678a", None),
            ("1234567890123456789a", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"-1"), None);
    }

    #[test]
    fn integers_come_back_as_they_went() {
        for n in [0, 1, -1, 9, 10, 99, 100, 12345, i64::MAX, i64::MIN, i64::MIN + 1] {
            let mut out = vec![b'x'];
            push_i64(&mut out, n);
            assert_eq!(out[1..], *n.to_string().as_bytes());
            assert_eq!(parse_i64(&out[1..]), Some(n));
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("100", Some(100)),
            ("1b", Some(1)),
            ("1k", Some(1000)),
            ("1kb", Some(1024)),
            ("3M", Some(3_000_000)),
            ("3Mb", Some(3 << 20)),
            ("1G", Some(1_000_000_000)),
            ("1gB", Some(1 << 30)),
            ("", Some(0)),
            ("gb", Some(0)),
            ("-1", None),
            ("1tb", None),
            ("1 kb", None),
            ("1.5gb", None),
            ("99999999999999999999gb", None),
        ] {
            assert_eq!(parse_bytes(text), expected, "{text:?}");
        }
        for (n, expected) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1536, "1.50K"),
            (1_048_576, "1.00M"),
            (1_073_741_823, "1024.00M"),
            (5_368_709_120, "5.00G"),
            (1 << 40, "1.00T"),
            (1 << 50, "1.00P"),
            (1 << 60, "1152921504606846976B"),
        ] {
            assert_eq!(human_bytes(n), expected);
        }
    }
}
