//! Inline commands: words on a line, as someone types them into telnet, with the shell-like quotes of Redis
//! (`sds.c`, `sdssplitargs`).

use base::{ArgsBuf, Span};

/// The words of a line.
pub enum Words {
    /// As they stand in the line; the spans given were filled.
    Plain,
    /// With quotes, so taken out and put together anew.
    Quoted(ArgsBuf),
    /// A quote that is not closed, or closed in the middle of a word.
    Unbalanced,
}

/// Splits `line`, which has no line end and no NUL in it. Spans count from the line's start.
pub fn split(line: &[u8], spans: &mut Vec<Span>) -> Words {
    if line.iter().any(|b| matches!(b, b'"' | b'\'')) {
        return match split_quoted(line) {
            Some(words) => Words::Quoted(words),
            None => Words::Unbalanced,
        };
    }
    let mut at = 0;
    loop {
        at += line[at..].iter().take_while(|&&b| is_space(b)).count();
        let len = line[at..].iter().take_while(|&&b| !ends_word(b)).count();
        if at == line.len() {
            return Words::Plain;
        }
        spans.push(Span { start: at as u32, len: len as u32 });
        at += len;
    }
}

fn split_quoted(line: &[u8]) -> Option<ArgsBuf> {
    let mut words = ArgsBuf::new();
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start_c();
        if rest.is_empty() {
            return Some(words);
        }
        word.clear();
        rest = take_word(rest, &mut word)?;
        words.push(&word);
    }
}

/// Takes one word off the front; what is left. A quote may open anywhere in a word, but what closes it ends the word.
fn take_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match *rest {
            [] => return Some(rest),
            [b, ..] if ends_word(b) => return Some(rest),
            [b'"', ref quoted @ ..] => return after_quote(take_double_quoted(quoted, word)?),
            [b'\'', ref quoted @ ..] => return after_quote(take_single_quoted(quoted, word)?),
            [b, ref after @ ..] => {
                word.push(b);
                rest = after;
            }
        }
    }
}

fn after_quote(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|&b| is_space(b)).then_some(rest)
}

fn take_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [] => return None,
            [b'"', ref after @ ..] => return Some(after),
            [b'\\', b'x', high, low, ref after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(high) << 4 | hex(low));
                after
            }
            [b'\\', escaped, ref after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                });
                after
            }
            [b, ref after @ ..] => {
                word.push(b);
                after
            }
        }
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [] => return None,
            [b'\'', ref after @ ..] => return Some(after),
            [b'\\', b'\'', ref after @ ..] => {
                word.push(b'\'');
                after
            }
            [b, ref after @ ..] => {
                word.push(b);
                after
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or(0) as u8
}

/// C's `isspace`.
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 9..=13)
}

/// What ends a word outside quotes: fewer than what separates words (a vertical tab in a word belongs to it), as in Redis.
fn ends_word(b: u8) -> bool {
    matches!(b, b' ' | b'\n' | b'\r' | b'\t')
}

trait TrimC {
    fn trim_ascii_start_c(&self) -> &Self;
}

impl TrimC for [u8] {
    fn trim_ascii_start_c(&self) -> &[u8] {
        &self[self.iter().take_while(|&&b| is_space(b)).count()..]
    }
}
