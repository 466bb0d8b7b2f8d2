//! Room: config. The words of a line of `redis.conf`, and of the numbers in it. Touches: nothing.
//!
//! Quoting is that of Redis's `sdssplitargs`: a file that Redis reads must mean the same here, to the byte.

/// Splits a line into words. `None`: a quote is open at the end, or a closing quote is followed by something other than a
/// blank.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|&&b| is_space(b)).count();
        rest = &rest[blanks..];
        if rest.is_empty() || rest[0] == 0 {
            return Some(words);
        }
        let mut word = Vec::new();
        let used = one_word(rest, &mut word)?;
        rest = &rest[used..];
        words.push(word);
    }
}

/// Reads one word from the start of `rest`, quoted parts included; gives the bytes used.
fn one_word(rest: &[u8], word: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        match rest.get(at) {
            None | Some(b' ' | b'\n' | b'\r' | b'\t' | 0) => return Some(at),
            Some(&quote @ (b'"' | b'\'')) => {
                at += quoted(&rest[at..], quote, word)?;
                // A closing quote ends the word: a blank or the end must follow.
                return match rest.get(at) {
                    None | Some(0) => Some(at),
                    Some(&b) if is_space(b) => Some(at),
                    Some(_) => None,
                };
            }
            Some(&b) => word.push(b),
        }
        at += 1;
    }
}

/// Reads a quoted part, `rest[0]` being its opening quote; gives the bytes used, both quotes included.
fn quoted(rest: &[u8], quote: u8, word: &mut Vec<u8>) -> Option<usize> {
    let mut at = 1;
    loop {
        match (*rest.get(at)?, quote) {
            (0, _) => return None,
            (b, _) if b == quote => return Some(at + 1),
            (b'\\', b'"') => match (rest.get(at + 1), hex_pair(rest.get(at + 2..at + 4))) {
                (Some(b'x'), Some(byte)) => {
                    word.push(byte);
                    at += 4;
                }
                (Some(&escaped), _) if escaped != 0 => {
                    word.push(match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 8,
                        b'a' => 7,
                        other => other,
                    });
                    at += 2;
                }
                _ => return None,
            },
            (b'\\', _) if rest.get(at + 1) == Some(&b'\'') => {
                word.push(b'\'');
                at += 2;
            }
            (b, _) => {
                word.push(b);
                at += 1;
            }
        }
    }
}

fn hex_pair(pair: Option<&[u8]>) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16);
    let [high, low] = *pair? else { return None };
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// C's `isspace` in the C locale.
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t'..=b'\r')
}

/// Without the blanks that Redis takes off both ends of a line.
pub fn trim(line: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().position(|b| !blank(b)).unwrap_or(line.len());
    let end = line.iter().rposition(|b| !blank(b)).map_or(start, |i| i + 1);
    &line[start..end]
}

/// `word` in double quotes, so that `split` reads the same bytes back.
pub fn quote(word: &[u8]) -> String {
    let mut out = String::with_capacity(word.len() + 2);
    out.push('"');
    for &b in word {
        match b {
            b'\\' | b'"' => out.extend(['\\', b as char]),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            7 => out.push_str("\\a"),
            8 => out.push_str("\\b"),
            b' '..=b'~' => out.push(b as char),
            _ => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push('"');
    out
}

/// Redis's `string2ll`: a decimal 64-bit number and nothing else, no `+`, no leading zero, no `-0`.
pub fn integer(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = text == "0" || matches!(digits.as_bytes().first(), Some(b'1'..=b'9'));
    if canonical && digits.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// C's `strtoll` where the whole word must be used: blanks and a sign in front are fine, and no digits at all are 0.
pub fn strtoll(word: &[u8], radix: u32) -> Option<i64> {
    if word.is_empty() {
        return Some(0);
    }
    let text = std::str::from_utf8(word).ok()?.trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8));
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| (b as char).is_digit(radix)) {
        return None;
    }
    i64::from_str_radix(text, radix).ok()
}

/// Redis's `memtoull`: digits and a unit. `k`, `m`, `g` are powers of 1000; `kb`, `mb`, `gb` of 1024. No digits are 0.
/// Where Redis wraps around past 64 bits, this gives `None`.
pub fn memory(word: &[u8]) -> Option<u64> {
    let digits = word.iter().take_while(|b| b.is_ascii_digit()).count();
    let unit: u64 = match word[digits..].to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number = word[..digits].iter().try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add(u64::from(b - b'0')))?;
    number.checked_mul(unit)
}

/// Bytes as CONFIG REWRITE writes them: the largest unit of 1024 that divides them.
pub fn memory_text(bytes: u64) -> String {
    match bytes {
        0 => "0".into(),
        b if b % (1 << 30) == 0 => format!("{}gb", b >> 30),
        b if b % (1 << 20) == 0 => format!("{}mb", b >> 20),
        b if b % (1 << 10) == 0 => format!("{}kb", b >> 10),
        b => b.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_redis_does() {
        // What redis-server 7.2's sdssplitargs makes of the line; `None` is "Unbalanced quotes".
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            ("  \t ", Some(&[])),
            ("port 6379", Some(&["port", "6379"])),
            ("  save\t900   1 \r", Some(&["save", "900", "1"])),
            ("save \"\"", Some(&["save", ""])),
            ("a 'b c' \"d e\"", Some(&["a", "b c", "d e"])),
            ("a\"b\" c", Some(&["ab", "c"])),
            ("a \"b\"c", None),
            ("a 'b'c", None),
            ("a \"b", None),
            ("a 'b", None),
            ("a \"\\x41\\n\\r\\t\\b\\a\\\\\\\"\\q\"", Some(&["a", "A\n\r\t\u{8}\u{7}\\\"q"])),
            ("a \"\\x4\"", Some(&["a", "x4"])),
            ("a \"\\xzz\"", Some(&["a", "xzz"])),
            ("a '\\x41\\'\\n'", Some(&["a", "\\x41'\\n"])),
            ("a \"\\\"", None),
            ("a \"\\", None),
            ("a \"b\"\u{b}c", Some(&["a", "b", "c"])),
            ("a b\u{b}c", Some(&["a", "b\u{b}c"])),
            ("\u{b}\u{c}a", Some(&["a"])),
            ("a\\ b", Some(&["a\\", "b"])),
            ("# not a comment here", Some(&["#", "not", "a", "comment", "here"])),
        ];
        for (line, words) in cases {
            let got = split(line.as_bytes());
            let want = words.map(|w| w.iter().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>());
            assert_eq!(got, want, "{line:?}");
        }
    }

    #[test]
    fn what_is_quoted_splits_back() {
        let every_byte: Vec<u8> = (0..=255).collect();
        for word in [&b""[..], b"plain", b"it's \"quoted\" \\ and\nmore", b"\\x41", "naïve".as_bytes(), &every_byte] {
            let line = format!("name {}", quote(word));
            assert_eq!(split(line.as_bytes()), Some(vec![b"name".to_vec(), word.to_vec()]), "{line}");
        }
        assert_eq!(quote(b"a\x01\x7f\xff"), "\"a\\x01\\x7f\\xff\"");
    }

    #[test]
    fn numbers() {
        for (text, want) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("01", None),
            ("-0", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("", None),
            ("-", None),
            ("1x", None),
        ] {
            assert_eq!(integer(text.as_bytes()), want, "{text:?}");
        }
        for (text, radix, want) in [
            ("", 10, Some(0)),
            (" +5", 10, Some(5)),
            ("-007", 10, Some(-7)),
            ("5 ", 10, None),
            ("+", 10, None),
            ("--5", 10, None),
            ("0755", 8, Some(0o755)),
            ("8", 8, None),
        ] {
            assert_eq!(strtoll(text.as_bytes(), radix), want, "{text:?}");
        }
        for (text, want) in [
            ("", Some(0)),
            ("kb", Some(0)),
            ("1", Some(1)),
            ("1B", Some(1)),
            ("2k", Some(2000)),
            ("2Kb", Some(2048)),
            ("3m", Some(3_000_000)),
            ("3MB", Some(3 << 20)),
            ("4g", Some(4_000_000_000)),
            ("4gb", Some(4 << 30)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("99999999999gb", None),
            ("-1", None),
            ("1 gb", None),
            ("1tb", None),
            ("1.5gb", None),
        ] {
            assert_eq!(memory(text.as_bytes()), want, "{text:?}");
        }
        for bytes in [0, 1, 1023, 1024, 1 << 20, 3 << 20, 5 << 30, (5 << 30) + 1, u64::MAX] {
            assert_eq!(memory(memory_text(bytes).as_bytes()), Some(bytes));
        }
        assert_eq!(memory_text(1536 << 20), "1536mb");
    }
}
