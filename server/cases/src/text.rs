//! Words and quoted strings as `.case` files write them.

/// One word: bare, or `"quoted"` with `\n \r \t \0 \\ \"` and `\xHH`; either may be followed by `*N`: N times over when
/// quoted. `{now}`, `{now+N}`, `{now-N}` give the Unix time in ms; `{secs…}` the same in seconds.
pub fn words(line: &str, now_ms: u64) -> Result<Vec<Vec<u8>>, String> {
    let mut out = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, more) = word(rest, now_ms)?;
        out.push(word);
        if !more.is_empty() && !more.starts_with(' ') {
            return Err(format!("a blank is missing before: {more}"));
        }
        rest = more.trim_start();
    }
    Ok(out)
}

fn word(text: &str, now_ms: u64) -> Result<(Vec<u8>, &str), String> {
    if text.starts_with('"') {
        let (bytes, rest) = quoted(text)?;
        if let Some(times) = rest.strip_prefix('*') {
            let end = times.find(|c: char| !c.is_ascii_digit()).unwrap_or(times.len());
            let n: usize = times[..end].parse().map_err(|_| format!("how many times: {times}"))?;
            return Ok((bytes.repeat(n), &times[end..]));
        }
        return Ok((bytes, rest));
    }
    let end = text.find(' ').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    for (open, unit_ms) in [("{now", 1), ("{secs", 1000)] {
        if let Some(offset) = word.strip_prefix(open).and_then(|w| w.strip_suffix('}')) {
            let offset: i64 =
                if offset.is_empty() { 0 } else { offset.parse().map_err(|_| format!("offset: {word}"))? };
            return Ok(((now_ms as i64 / unit_ms + offset).to_string().into_bytes(), rest));
        }
    }
    Ok((word.as_bytes().to_vec(), rest))
}

/// Reads `"…"` at the start of `text`; the rest.
pub fn quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let inner = text.strip_prefix('"').ok_or_else(|| format!("a quoted string is missing: {text}"))?;
    let mut out = Vec::new();
    let mut chars = inner.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &inner[i + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => out.push(b'\n'),
                Some('r') => out.push(b'\r'),
                Some('t') => out.push(b'\t'),
                Some('0') => out.push(0),
                Some('x') => {
                    let hex: String = chars.by_ref().take(2).map(|(_, c)| c).collect();
                    out.push(u8::from_str_radix(&hex, 16).map_err(|_| format!("two hex digits: \\x{hex}"))?);
                }
                Some(c @ ('\\' | '"')) => out.push(c as u8),
                other => return Err(format!("unknown escape: \\{other:?}")),
            },
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err(format!("an end quote is missing: {text}"))
}

/// The inverse of `quoted`, without the quotes.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &b in bytes {
        match b {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x20..0x7f => out.push(b as char),
            _ => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out
}

/// `*`: any run of bytes, `?`: any byte, `\`: the next one as it is.
pub fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|i| glob(rest, &text[i..])),
        Some((b'?', rest)) => !text.is_empty() && glob(rest, &text[1..]),
        Some((b'\\', rest)) if !rest.is_empty() => text.first() == rest.first() && glob(&rest[1..], &text[1..]),
        Some((b, rest)) => text.first() == Some(b) && glob(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        let read = |line| words(line, 5000).unwrap();
        assert_eq!(read("SET a \"b \\x00\\\"\""), [b"SET".to_vec(), b"a".to_vec(), b"b \0\"".to_vec()]);
        assert_eq!(
            read("\"ab\"*3 \"\" {now+1} {secs-2}"),
            [b"ababab".to_vec(), vec![], b"5001".to_vec(), b"3".to_vec()]
        );
        assert!(words("\"a", 0).is_err() && words("\"a\"b", 0).is_err() && words("\"\\q\"", 0).is_err());
        assert_eq!(quoted(&format!("\"{}\"!", escape(b"\xff\r\n\\\"x"))).unwrap(), (b"\xff\r\n\\\"x".to_vec(), "!"));
        assert!(glob(b"a*c?", b"abbcd") && !glob(b"a*c?", b"abbc") && glob(b"\\*", b"*") && !glob(b"\\*", b"x"));
    }
}
