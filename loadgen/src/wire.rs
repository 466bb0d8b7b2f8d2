//! Room: loadgen. Asks to bytes and bytes to answers, RESP2, RESP3 and memcached text, written from the protocols' own
//! descriptions. Touches: plan (verbs and dialects).
//!
//! Sources: redis.io "RESP protocol spec", memcached doc/protocol.txt.

use crate::plan::{Dialect, Verb};
use std::io::Write;

/// What a server said to one ask.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    Value {
        data: &'a [u8],
        flags: u32,
    },
    Missing,
    /// Stored, or deleted.
    Done,
    /// An integer or a line that is neither an error nor one of the above.
    Word(&'a [u8]),
    /// An error in the server's words.
    Refused(&'a [u8]),
}

/// The bytes break the protocol's rules; what was wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

pub fn draw_get(dialect: Dialect, out: &mut Vec<u8>, key: &[u8]) {
    match dialect {
        Dialect::Memcached => draw_words(out, &[b"get", key]),
        _ => draw_command(out, &[b"GET", key]),
    }
}

pub fn draw_set(dialect: Dialect, out: &mut Vec<u8>, key: &[u8], flags: u32, value: &[u8]) {
    match dialect {
        Dialect::Memcached => {
            out.extend_from_slice(b"set ");
            out.extend_from_slice(key);
            number(out, b' ', u64::from(flags));
            out.extend_from_slice(b" 0");
            number(out, b' ', value.len() as u64);
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        _ => draw_command(out, &[b"SET", key, value]),
    }
}

pub fn draw_delete(dialect: Dialect, out: &mut Vec<u8>, key: &[u8]) {
    match dialect {
        Dialect::Memcached => draw_words(out, &[b"delete", key]),
        _ => draw_command(out, &[b"DEL", key]),
    }
}

/// A RESP command as an array of bulk strings.
pub fn draw_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    number(out, b'*', words.len() as u64);
    out.extend_from_slice(b"\r\n");
    for word in words {
        number(out, b'$', word.len() as u64);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// A memcached command line.
pub fn draw_words(out: &mut Vec<u8>, words: &[&[u8]]) {
    for (i, word) in words.iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, before: u8, n: u64) {
    out.push(before);
    write!(out, "{n}").expect("a Vec takes all bytes");
}

/// Reads one answer after another from the front of a growing buffer.
pub struct Reader {
    dialect: Dialect,
    /// Bytes the buffer must hold before another look at it can help. Keeps a large value that comes in many pieces from
    /// being looked at once a piece.
    need: usize,
}

impl Reader {
    pub fn new(dialect: Dialect) -> Reader {
        Reader { dialect, need: 1 }
    }

    /// The answer to `verb` of `key` at the front of `buf` and its length, or `None` when more bytes are needed.
    pub fn next<'a>(
        &mut self,
        verb: Verb,
        key: &[u8],
        buf: &'a [u8],
    ) -> Result<Option<(Answer<'a>, usize)>, Malformed> {
        if buf.len() < self.need {
            return Ok(None);
        }
        let found = match self.dialect {
            Dialect::Memcached => memcached(verb, key, buf),
            _ => resp(verb, buf),
        };
        match found {
            Ok((answer, used)) => {
                self.need = 1;
                Ok(Some((answer, used)))
            }
            Err(Stop::Short(need)) => {
                self.need = need.max(buf.len() + 1);
                Ok(None)
            }
            Err(Stop::Bad(why)) => Err(Malformed(why)),
        }
    }
}

enum Stop {
    /// The buffer must hold at least this many bytes.
    Short(usize),
    Bad(String),
}

fn bad<T>(what: &str, line: &[u8]) -> Result<T, Stop> {
    Err(Stop::Bad(format!("{what}: '{}'", line[..line.len().min(120)].escape_ascii())))
}

/// The line that starts at `from`, without its CRLF, and where the next begins.
fn line(buf: &[u8], from: usize) -> Result<(&[u8], usize), Stop> {
    // 64 KiB: no status or error line of either protocol comes near it.
    const LINE_MOST: usize = 64 << 10;
    let rest = &buf[from..];
    match rest.iter().position(|b| *b == b'\n') {
        Some(end) if end > 0 && rest[end - 1] == b'\r' => Ok((&rest[..end - 1], from + end + 1)),
        Some(end) => bad("a line ends without a carriage return", &rest[..end]),
        None if rest.len() > LINE_MOST => bad("a line without an end", rest),
        None => Err(Stop::Short(buf.len() + 1)),
    }
}

/// `len` bytes from `from` and the CRLF behind them.
fn block(buf: &[u8], from: usize, len: usize) -> Result<(&[u8], usize), Stop> {
    let Some(end) = from.checked_add(len).and_then(|e| e.checked_add(2)) else {
        return bad("a length past all memory", &buf[..from]);
    };
    if buf.len() < end {
        return Err(Stop::Short(end));
    }
    if &buf[end - 2..end] != b"\r\n" {
        return bad("no line end behind a block", &buf[end - 2..end]);
    }
    Ok((&buf[from..end - 2], end))
}

fn parse<N: std::str::FromStr>(digits: &[u8], line: &[u8]) -> Result<N, Stop> {
    match std::str::from_utf8(digits).ok().and_then(|t| t.parse().ok()) {
        Some(n) => Ok(n),
        None => bad("not a number", line),
    }
}

fn resp(verb: Verb, buf: &[u8]) -> Result<(Answer<'_>, usize), Stop> {
    let (head, at) = line(buf, 0)?;
    let Some((kind, body)) = head.split_first() else { return bad("an empty line", head) };
    match (kind, verb) {
        (b'-', _) => Ok((Answer::Refused(body), at)),
        (b'!', _) => {
            let (text, end) = block(buf, at, parse(body, head)?)?;
            Ok((Answer::Refused(text), end))
        }
        (b'$', Verb::Get) if body == b"-1" => Ok((Answer::Missing, at)),
        (b'_', Verb::Get) if body.is_empty() => Ok((Answer::Missing, at)),
        (b'$', Verb::Get) => {
            let (data, end) = block(buf, at, parse(body, head)?)?;
            Ok((Answer::Value { data, flags: 0 }, end))
        }
        (b'+', Verb::Set) if body == b"OK" => Ok((Answer::Done, at)),
        (b':', Verb::Delete) if body == b"1" => Ok((Answer::Done, at)),
        (b':', Verb::Delete) if body == b"0" => Ok((Answer::Missing, at)),
        _ => bad(&format!("not an answer to {verb:?}"), head),
    }
}

fn memcached<'a>(verb: Verb, key: &[u8], buf: &'a [u8]) -> Result<(Answer<'a>, usize), Stop> {
    let (head, at) = line(buf, 0)?;
    if head == b"ERROR" || head.starts_with(b"CLIENT_ERROR ") || head.starts_with(b"SERVER_ERROR ") {
        return Ok((Answer::Refused(head), at));
    }
    match (verb, head) {
        (Verb::Get, b"END") => Ok((Answer::Missing, at)),
        (Verb::Get, _) => {
            let mut words = head.split(|b| *b == b' ');
            let (Some(b"VALUE"), Some(name), Some(flags), Some(len), None) =
                (words.next(), words.next(), words.next(), words.next(), words.next())
            else {
                return bad("not an answer to get", head);
            };
            if name != key {
                return bad(&format!("asked for '{}' and was told of", key.escape_ascii()), name);
            }
            let flags = parse(flags, head)?;
            let (data, end) = block(buf, at, parse(len, head)?)?;
            let (last, end) = line(buf, end)?;
            if last != b"END" {
                return bad("END is missing behind a value", last);
            }
            Ok((Answer::Value { data, flags }, end))
        }
        (Verb::Set, b"STORED") | (Verb::Delete, b"DELETED") => Ok((Answer::Done, at)),
        (Verb::Delete, b"NOT_FOUND") => Ok((Answer::Missing, at)),
        _ => bad(&format!("not an answer to {verb:?}"), head),
    }
}

/// The length of the whole RESP reply at the front of `buf`, of any type and depth; `None` when more bytes are needed.
/// For the few replies that are not an answer to a verb (HELLO).
pub fn resp_reply_len(buf: &[u8]) -> Result<Option<usize>, Malformed> {
    match resp_skip(buf, 0, 0) {
        Ok(end) => Ok(Some(end)),
        Err(Stop::Short(_)) => Ok(None),
        Err(Stop::Bad(why)) => Err(Malformed(why)),
    }
}

fn resp_skip(buf: &[u8], from: usize, depth: usize) -> Result<usize, Stop> {
    let (head, mut at) = line(buf, from)?;
    let Some((kind, body)) = head.split_first() else { return bad("an empty line", head) };
    let children: i64 = match kind {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => return Ok(at),
        b'$' | b'=' | b'!' if body == b"-1" => return Ok(at),
        b'$' | b'=' | b'!' => return Ok(block(buf, at, parse(body, head)?)?.1),
        b'*' | b'~' | b'>' => parse(body, head)?,
        // An attribute is a map and then the reply it is about.
        b'%' => parse::<i64>(body, head)?.saturating_mul(2),
        b'|' => parse::<i64>(body, head)?.saturating_mul(2).saturating_add(1),
        _ => return bad("not a RESP type", head),
    };
    // 8: no reply this program asks for nests deeper than 3.
    if depth > 8 {
        return bad("a reply nested too deep", head);
    }
    for _ in 0..children {
        at = resp_skip(buf, at, depth + 1)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(data: &[u8]) -> Answer<'_> {
        Answer::Value { data, flags: 0 }
    }

    #[test]
    fn answers_are_read_whole_and_byte_by_byte() {
        use Dialect::*;
        use Verb::*;
        let flagged = Answer::Value { data: b"ab", flags: 7 };
        let cases: Vec<(Dialect, Verb, &[u8], Answer)> = vec![
            (Resp2, Get, b"$3\r\na\r\n\r\n", value(b"a\r\n")),
            (Resp2, Get, b"$0\r\n\r\n", value(b"")),
            (Resp2, Get, b"$-1\r\n", Answer::Missing),
            (Resp3, Get, b"_\r\n", Answer::Missing),
            (Resp2, Set, b"+OK\r\n", Answer::Done),
            (Resp2, Set, b"-OOM no\r\n", Answer::Refused(b"OOM no")),
            (Resp3, Get, b"!4\r\nERR!\r\n", Answer::Refused(b"ERR!")),
            (Resp2, Delete, b":1\r\n", Answer::Done),
            (Resp2, Delete, b":0\r\n", Answer::Missing),
            (Memcached, Get, b"VALUE k 0 3\r\na\r\n\r\nEND\r\n", value(b"a\r\n")),
            (Memcached, Get, b"VALUE k 7 2\r\nab\r\nEND\r\n", flagged),
            (Memcached, Get, b"END\r\n", Answer::Missing),
            (Memcached, Set, b"STORED\r\n", Answer::Done),
            (Memcached, Set, b"SERVER_ERROR out\r\n", Answer::Refused(b"SERVER_ERROR out")),
            (Memcached, Delete, b"DELETED\r\n", Answer::Done),
            (Memcached, Delete, b"NOT_FOUND\r\n", Answer::Missing),
        ];
        for (dialect, verb, bytes, want) in cases {
            let shown = bytes.escape_ascii().to_string();
            let mut more = bytes.to_vec();
            more.extend_from_slice(b"rest");
            let got = Reader::new(dialect).next(verb, b"k", &more).expect("well formed");
            assert_eq!(got.as_ref().map(|(a, n)| (a, *n)), Some((&want, bytes.len())), "{shown}");
            let mut reader = Reader::new(dialect);
            for cut in 0..bytes.len() {
                assert_eq!(reader.next(verb, b"k", &bytes[..cut]), Ok(None), "{shown} cut at {cut}");
            }
            assert_eq!(reader.next(verb, b"k", bytes), Ok(Some((want, bytes.len()))), "{shown}");
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_told() {
        use Dialect::*;
        use Verb::*;
        let cases: &[(Dialect, Verb, &[u8])] = &[
            (Resp2, Get, b"+OK\r\n"),
            (Resp2, Get, b"$3\r\nabcd\r\n"),
            (Resp2, Get, b"$x\r\n"),
            (Resp2, Get, b"$99999999999999999999\r\n"),
            (Resp2, Set, b"+ok\r\n"),
            (Resp2, Set, b"OK\n"),
            (Resp2, Set, b"\r\n"),
            (Memcached, Get, b"VALUE other 0 1\r\na\r\nEND\r\n"),
            (Memcached, Get, b"VALUE k 0 1\r\na\r\nVALUE k 0 1\r\na\r\nEND\r\n"),
            (Memcached, Get, b"VALUE k 0 1 5\r\na\r\nEND\r\n"),
            (Memcached, Set, b"END\r\n"),
        ];
        for (dialect, verb, bytes) in cases {
            let got = Reader::new(*dialect).next(*verb, b"k", bytes);
            assert!(got.is_err(), "{} gave {got:?}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_nested_reply_is_measured() {
        let cases: &[&[u8]] =
            &[b"%2\r\n+a\r\n*2\r\n:1\r\n$-1\r\n$1\r\nb\r\n#t\r\n", b"*0\r\n", b"*-1\r\n", b"|1\r\n+a\r\n:1\r\n+x\r\n"];
        for bytes in cases {
            for cut in 0..bytes.len() {
                assert_eq!(resp_reply_len(&bytes[..cut]), Ok(None));
            }
            assert_eq!(resp_reply_len(bytes), Ok(Some(bytes.len())));
        }
        assert!(resp_reply_len(&b"*1\r\n".repeat(20)).is_err());
    }

    #[test]
    fn asks_are_drawn() {
        let mut out = Vec::new();
        draw_get(Dialect::Resp2, &mut out, b"k");
        draw_set(Dialect::Resp3, &mut out, b"k", 0, b"v\r\n");
        draw_set(Dialect::Memcached, &mut out, b"k", 5, b"v\r\n");
        draw_delete(Dialect::Memcached, &mut out, b"k");
        let want = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nv\r\n\r\n\
                    set k 5 0 3\r\nv\r\n\r\ndelete k\r\n";
        assert_eq!(out, want.as_bytes());
    }
}
