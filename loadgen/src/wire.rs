//! Room: loadgen. Asks to bytes and bytes to answers, RESP2, RESP3, memcached text and meta, written from the protocols'
//! own descriptions. Touches: plan (verbs and dialects).
//!
//! Sources: redis.io "RESP protocol spec", memcached doc/protocol.txt.

use crate::plan::{Dialect, Verb};
use crate::recipe::push_number;

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
    /// Several values in one answer: how many were there and how many not.
    Many {
        hits: u64,
        misses: u64,
    },
    /// Not an answer: a message that the server sends by itself, its last word.
    Push(&'a [u8]),
    /// An error in the server's words.
    Refused(&'a [u8]),
}

/// The bytes break the protocol's rules; what was wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

pub fn draw_get(dialect: Dialect, out: &mut Vec<u8>, key: &[u8]) {
    match dialect {
        Dialect::Memcached => draw_words(out, &[b"get", key]),
        Dialect::Meta => draw_words(out, &[b"mg", key, b"v"]),
        _ => draw_command(out, &[b"GET", key]),
    }
}

pub fn draw_set(dialect: Dialect, out: &mut Vec<u8>, key: &[u8], flags: u32, value: &[u8]) {
    draw_set_for(dialect, out, key, flags, None, value);
}

/// With a lifetime in seconds; flags are memcached's.
pub fn draw_set_for(dialect: Dialect, out: &mut Vec<u8>, key: &[u8], flags: u32, seconds: Option<u32>, value: &[u8]) {
    let meta = match dialect {
        Dialect::Memcached => false,
        Dialect::Meta => true,
        _ => {
            return match seconds {
                None => draw_command(out, &[b"SET", key, value]),
                Some(seconds) => draw_command(out, &[b"SET", key, value, b"EX", seconds.to_string().as_bytes()]),
            };
        }
    };
    out.extend_from_slice(if meta { b"ms " } else { b"set " });
    out.extend_from_slice(key);
    if meta {
        number(out, b' ', value.len() as u64);
        if flags != 0 {
            out.push(b' ');
            number(out, b'F', u64::from(flags));
        }
        if let Some(seconds) = seconds {
            out.push(b' ');
            number(out, b'T', u64::from(seconds));
        }
    } else {
        number(out, b' ', u64::from(flags));
        number(out, b' ', u64::from(seconds.unwrap_or(0)));
        number(out, b' ', value.len() as u64);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub fn draw_delete(dialect: Dialect, out: &mut Vec<u8>, key: &[u8]) {
    match dialect {
        Dialect::Memcached => draw_words(out, &[b"delete", key]),
        Dialect::Meta => draw_words(out, &[b"md", key]),
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
    push_number(before, n, out);
}

/// How a memcached answer ends, which its bytes do not tell. RESP needs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One line.
    Line,
    /// VALUE blocks up to END.
    Values { asked: u32 },
    /// Lines up to END.
    Lines,
    /// A meta command's: one line, and a block behind VA.
    Meta,
}

impl Shape {
    /// The shape of the answer to a memcached command; `asked` for that many keys.
    pub fn of(command: &str, asked: u32) -> Shape {
        match command {
            "get" | "gets" | "gat" | "gats" => Shape::Values { asked },
            "stats" => Shape::Lines,
            "mg" | "ms" | "md" | "ma" | "mn" | "me" => Shape::Meta,
            _ => Shape::Line,
        }
    }
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
        self.next_shaped(verb, Shape::Line, key, buf)
    }

    /// The same where `verb` may be any; an empty `key` is not compared with what the answer says.
    #[inline]
    pub fn next_shaped<'a>(
        &mut self,
        verb: Verb,
        shape: Shape,
        key: &[u8],
        buf: &'a [u8],
    ) -> Result<Option<(Answer<'a>, usize)>, Malformed> {
        if buf.len() < self.need {
            return Ok(None);
        }
        let found = match (self.dialect, verb) {
            (Dialect::Memcached, Verb::Any) => memcached_any(shape, buf),
            (Dialect::Memcached, _) => memcached(verb, key, buf),
            (Dialect::Meta, Verb::Any) if shape != Shape::Meta => memcached_any(shape, buf),
            (Dialect::Meta, _) => meta(verb, buf),
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

#[inline]
fn parse<N: std::str::FromStr>(digits: &[u8], line: &[u8]) -> Result<N, Stop> {
    match std::str::from_utf8(digits).ok().and_then(|t| t.parse().ok()) {
        Some(n) => Ok(n),
        None => bad("not a number", line),
    }
}

/// `$12\r\n` at the front of `buf`: the length, and where its bytes begin. The most frequent head by far, so it is read
/// without a search for its end; whatever is unusual about it is left to `line`.
#[inline]
fn bulk_head(buf: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    // 9 digits: a gigabyte.
    for at in 1..buf.len().min(11) {
        match buf[at] {
            digit @ b'0'..=b'9' => len = len * 10 + usize::from(digit - b'0'),
            b'\r' if at > 1 && buf.get(at + 1) == Some(&b'\n') => return Some((len, at + 2)),
            _ => return None,
        }
    }
    None
}

fn resp(verb: Verb, buf: &[u8]) -> Result<(Answer<'_>, usize), Stop> {
    if buf[0] == b'$'
        && matches!(verb, Verb::Get | Verb::Any)
        && let Some((len, at)) = bulk_head(buf)
    {
        let (data, end) = block(buf, at, len)?;
        return Ok((Answer::Value { data, flags: 0 }, end));
    }
    let (head, at) = line(buf, 0)?;
    let Some((kind, body)) = head.split_first() else { return bad("an empty line", head) };
    match (kind, verb) {
        (b'>', _) => {
            let end = resp_skip(buf, 0, 0)?;
            Ok((Answer::Push(resp_last(buf, end)), end))
        }
        (_, Verb::Any) => resp_any(*kind, body, buf, at),
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
    if is_memcached_error(head) {
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
            if !key.is_empty() && name != key {
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

/// An answer of any kind.
fn resp_any<'a>(kind: u8, body: &'a [u8], buf: &'a [u8], at: usize) -> Result<(Answer<'a>, usize), Stop> {
    match kind {
        b'-' => Ok((Answer::Refused(body), at)),
        b'_' => Ok((Answer::Missing, at)),
        b'$' | b'*' if body == b"-1" => Ok((Answer::Missing, at)),
        b'$' | b'=' => {
            let (data, end) = block(buf, at, parse(body, body)?)?;
            Ok((Answer::Value { data, flags: 0 }, end))
        }
        b'!' => {
            let (text, end) = block(buf, at, parse(body, body)?)?;
            Ok((Answer::Refused(text), end))
        }
        b'+' if body == b"OK" => Ok((Answer::Done, at)),
        b'+' | b':' | b',' | b'#' | b'(' => Ok((Answer::Word(body), at)),
        b'*' | b'~' => {
            let count: u64 = parse(body, body)?;
            let (mut hits, mut misses, mut next) = (0, 0, at);
            for _ in 0..count {
                let child = next;
                next = resp_skip(buf, child, 1)?;
                let missing = matches!(&buf[child..next], b"$-1\r\n" | b"*-1\r\n" | b"_\r\n");
                if missing { misses += 1 } else { hits += 1 }
            }
            Ok((Answer::Many { hits, misses }, next))
        }
        b'%' => {
            let end = resp_skip(buf, 0, 0)?;
            Ok((Answer::Many { hits: parse(body, body)?, misses: 0 }, end))
        }
        // An attribute: about the answer that follows.
        b'|' => {
            let pairs: u64 = parse(body, body)?;
            let mut next = at;
            for _ in 0..pairs.saturating_mul(2) {
                next = resp_skip(buf, next, 1)?;
            }
            let (head, after) = line(buf, next)?;
            let Some((kind, body)) = head.split_first() else { return bad("an empty line", head) };
            if *kind == b'|' {
                return bad("an attribute about an attribute", head);
            }
            resp_any(*kind, body, buf, after)
        }
        _ => bad("not an answer", body),
    }
}

/// The last word of a whole message that ends at `end`, when that is a bulk string.
fn resp_last(buf: &[u8], end: usize) -> &[u8] {
    let (mut at, mut last) = (0, &buf[..0]);
    while at < end {
        let Ok((head, next)) = line(buf, at) else { return last };
        at = next;
        last = &buf[..0];
        if let Some(len) = head.strip_prefix(b"$")
            && let Ok(len) = parse::<usize>(len, head)
            && let Ok((data, next)) = block(buf, at, len)
        {
            (last, at) = (data, next);
        }
    }
    last
}

/// A message to a subscriber, of either RESP, at the front of `buf`: its last word, or `None` when more bytes are needed.
pub fn next_message(buf: &[u8]) -> Result<Option<(&[u8], usize)>, Malformed> {
    Ok(resp_reply_len(buf)?.map(|end| (resp_last(buf, end), end)))
}

fn is_memcached_error(head: &[u8]) -> bool {
    head == b"ERROR" || head.starts_with(b"CLIENT_ERROR ") || head.starts_with(b"SERVER_ERROR ")
}

fn memcached_any(shape: Shape, buf: &[u8]) -> Result<(Answer<'_>, usize), Stop> {
    let (head, mut at) = line(buf, 0)?;
    if is_memcached_error(head) {
        return Ok((Answer::Refused(head), at));
    }
    match shape {
        Shape::Meta => meta(Verb::Any, buf),
        Shape::Line => Ok((
            match head {
                b"STORED" | b"DELETED" | b"TOUCHED" | b"OK" => Answer::Done,
                b"NOT_FOUND" | b"NOT_STORED" | b"EXISTS" => Answer::Missing,
                _ => Answer::Word(head),
            },
            at,
        )),
        Shape::Lines => {
            let mut last = head;
            while last != b"END" && last != b"RESET" {
                (last, at) = line(buf, at)?;
            }
            Ok((Answer::Done, at))
        }
        Shape::Values { asked } => {
            let (mut hits, mut last) = (0u64, head);
            while last != b"END" {
                let mut words = last.split(|b| *b == b' ');
                let (Some(b"VALUE"), Some(_), Some(_), Some(len)) =
                    (words.next(), words.next(), words.next(), words.next())
                else {
                    return bad("not an answer to get", last);
                };
                (_, at) = block(buf, at, parse(len, last)?)?;
                hits += 1;
                (last, at) = line(buf, at)?;
            }
            Ok((Answer::Many { hits, misses: u64::from(asked).saturating_sub(hits) }, at))
        }
    }
}

/// protocol.txt, "Meta Commands": VA has a block, HD is done, EN and NF a miss, NS and EX a condition that did not hold.
fn meta(verb: Verb, buf: &[u8]) -> Result<(Answer<'_>, usize), Stop> {
    let (head, at) = line(buf, 0)?;
    if is_memcached_error(head) {
        return Ok((Answer::Refused(head), at));
    }
    let mut words = head.split(|b| *b == b' ');
    match (words.next().unwrap_or_default(), verb) {
        (b"VA", Verb::Get | Verb::Any) => {
            let len = words.next().unwrap_or_default();
            let (data, end) = block(buf, at, parse(len, head)?)?;
            Ok((Answer::Value { data, flags: 0 }, end))
        }
        (b"EN", Verb::Get | Verb::Any) | (b"NF", Verb::Delete | Verb::Any) => Ok((Answer::Missing, at)),
        (b"HD", Verb::Set | Verb::Delete | Verb::Any) => Ok((Answer::Done, at)),
        (b"NS" | b"EX", Verb::Any) => Ok((Answer::Missing, at)),
        (b"MN" | b"ME", Verb::Any) => Ok((Answer::Word(head), at)),
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
            (Meta, Get, b"VA 3 k\r\na\r\n\r\n", value(b"a\r\n")),
            (Meta, Get, b"EN\r\n", Answer::Missing),
            (Meta, Set, b"HD\r\n", Answer::Done),
            (Meta, Delete, b"NF\r\n", Answer::Missing),
            (Resp2, Any, b"*3\r\n$1\r\na\r\n$-1\r\n:5\r\n", Answer::Many { hits: 2, misses: 1 }),
            (Resp2, Any, b"*-1\r\n", Answer::Missing),
            (Resp2, Any, b":17\r\n", Answer::Word(b"17")),
            (Resp2, Any, b"+QUEUED\r\n", Answer::Word(b"QUEUED")),
            (Resp2, Any, b"$1\r\na\r\n", value(b"a")),
            (Resp3, Any, b"%1\r\n+a\r\n*1\r\n:1\r\n", Answer::Many { hits: 1, misses: 0 }),
            (Resp3, Any, b"|1\r\n+a\r\n:1\r\n+OK\r\n", Answer::Done),
            (Resp3, Any, b"#t\r\n", Answer::Word(b"t")),
            (Resp3, Get, b">2\r\n+invalidate\r\n$1\r\nk\r\n", Answer::Push(b"k")),
            (Memcached, Any, b"NOT_STORED\r\n", Answer::Missing),
            (Memcached, Any, b"42\r\n", Answer::Word(b"42")),
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
    fn memcached_answers_end_by_their_shape() {
        let many = |hits, misses| Answer::Many { hits, misses };
        let cases: Vec<(&str, u32, &[u8], Answer)> = vec![
            ("get", 3, b"VALUE a 0 1\r\nx\r\nVALUE b 0 5\r\nEND\r\n\r\nEND\r\n", many(2, 1)),
            ("gets", 1, b"VALUE a 0 1 9\r\nx\r\nEND\r\n", many(1, 0)),
            ("get", 2, b"END\r\n", many(0, 2)),
            ("stats", 0, b"STAT a 1\r\nSTAT b 2\r\nEND\r\n", Answer::Done),
            ("mg", 1, b"VA 2 t5\r\nab\r\n", value(b"ab")),
            ("ma", 1, b"NS\r\n", Answer::Missing),
            ("mn", 0, b"MN\r\n", Answer::Word(b"MN")),
            ("touch", 1, b"TOUCHED\r\n", Answer::Done),
            ("get", 1, b"SERVER_ERROR x\r\n", Answer::Refused(b"SERVER_ERROR x")),
        ];
        for (command, asked, bytes, want) in cases {
            let mut reader = Reader::new(Dialect::Memcached);
            let shape = Shape::of(command, asked);
            for cut in 0..bytes.len() {
                assert_eq!(reader.next_shaped(Verb::Any, shape, b"", &bytes[..cut]), Ok(None), "{command} at {cut}");
            }
            assert_eq!(reader.next_shaped(Verb::Any, shape, b"", bytes), Ok(Some((want, bytes.len()))), "{command}");
        }
    }

    #[test]
    fn the_last_word_of_a_message_is_found() {
        let message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\nmore";
        assert_eq!(next_message(message), Ok(Some((&b"hi"[..], message.len() - 4))));
        assert_eq!(next_message(&message[..20]), Ok(None));
        assert_eq!(
            next_message(b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n").map(|m| m.map(|(t, _)| t)),
            Ok(Some(&b""[..]))
        );
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
