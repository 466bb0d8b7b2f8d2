//! Asks out of received bytes.
//!
//! One parser a connection. It looks at the bytes of one ask at a time, from the ask's first byte on; until an ask is
//! whole the caller keeps its bytes and calls again when there are more. What was found is remembered meanwhile, so a large
//! ask in small pieces costs no more than in one. Between asks a parser holds nothing.
//!
//! What is accepted and what is refused with which words is `networking.c`'s (`processMultibulkBuffer`,
//! `processInlineBuffer`), with one difference: there an inline line or a header longer than 64 KiB is refused only if it
//! comes in several reads, here always, so that the outcome never hangs on how the bytes were cut.

use super::inline::{self, Words};
use base::limits::{
    BULK_BYTES_MAX_UNAUTHENTICATED, INLINE_BYTES_MAX, MULTIBULK_WORDS_MAX, MULTIBULK_WORDS_MAX_UNAUTHENTICATED,
};
use base::number::parse_i64;
use base::{ArgsBuf, Fault, Span};

/// What a connection may send.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits {
    /// `proto-max-bulk-len`
    pub bulk_bytes_max: usize,
    /// Before AUTH, where that is asked for, asks have to be small.
    pub authenticated: bool,
}

impl Default for ParseLimits {
    /// Redis's own settings.
    fn default() -> Self {
        ParseLimits { bulk_bytes_max: 512 << 20, authenticated: true }
    }
}

/// What the bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// An ask of `used` bytes. Its words were added to the spans, counted from the first of the bytes.
    Ask { used: usize },
    /// An inline ask whose words had quotes or escapes: they do not stand in the bytes as they are meant.
    Quoted { used: usize, words: ArgsBuf },
    /// `used` bytes without an ask: an empty line, `*0`, `*-1`. No answer.
    Empty { used: usize },
    /// Part of an ask, which has `need` bytes at least (0: not known).
    More { need: usize },
    /// No ask: answer this, then close the connection.
    Fault(Fault),
    /// More than 4 GiB, which spans cannot count: close the connection without an answer, as Redis does beyond
    /// `client-query-buffer-limit`.
    TooBig,
}

/// One connection's parser.
#[derive(Default, Debug)]
pub struct Parser {
    pending: Option<Box<Pending>>,
}

/// What is known of an ask that is not whole yet.
#[derive(Debug)]
struct Pending {
    cursor: Cursor,
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// The next byte to look at: a header's first byte, or a bulk's.
    at: usize,
    /// Bytes before this hold no line end that `at`'s line could end with.
    searched: usize,
    /// Words still to come; 0 before the first header is read.
    left: u32,
    /// Length of the bulk at `at`, once its header is read.
    bulk: Option<u32>,
}

const START: Cursor = Cursor { at: 0, searched: 0, left: 0, bulk: None };

impl Parser {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether part of an ask was seen.
    pub fn is_midway(&self) -> bool {
        self.pending.is_some()
    }

    /// Heap bytes held, for the client's memory account.
    pub fn heap_bytes(&self) -> usize {
        self.pending.as_ref().map_or(0, |p| size_of::<Pending>() + p.spans.capacity() * size_of::<Span>())
    }

    /// Looks at the ask that `bytes` begins with. `spans` grows by the ask's words, only when the outcome is `Ask`.
    #[inline]
    pub fn parse(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &ParseLimits) -> Parsed {
        if self.pending.is_some() {
            return self.resume(bytes, spans, limits);
        }
        let before = spans.len();
        if let Some(used) = usual(bytes, spans, limits) {
            return Parsed::Ask { used };
        }
        spans.truncate(before);
        self.unusual(bytes, spans, limits)
    }

    #[inline(never)]
    fn unusual(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &ParseLimits) -> Parsed {
        let before = spans.len();
        let mut cursor = START;
        let parsed = advance(&mut cursor, bytes, spans, limits);
        if let Parsed::Ask { .. } = parsed {
            return parsed;
        }
        self.set_aside(parsed, cursor, bytes, spans, before)
    }

    #[cold]
    fn set_aside(
        &mut self,
        parsed: Parsed,
        cursor: Cursor,
        bytes: &[u8],
        spans: &mut Vec<Span>,
        before: usize,
    ) -> Parsed {
        if matches!(parsed, Parsed::More { .. }) && !bytes.is_empty() {
            self.pending = Some(Box::new(Pending { cursor, spans: spans.split_off(before) }));
        }
        spans.truncate(before);
        parsed
    }

    fn resume(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &ParseLimits) -> Parsed {
        let Some(pending) = &mut self.pending else { return Parsed::More { need: 0 } };
        let parsed = advance(&mut pending.cursor, bytes, &mut pending.spans, limits);
        if matches!(parsed, Parsed::More { .. }) {
            return parsed;
        }
        if let Parsed::Ask { .. } = parsed {
            spans.append(&mut pending.spans);
        }
        self.pending = None;
        parsed
    }
}

/// The usual ask: whole, up to nine words of up to 999 bytes each, nothing to refuse. `None`: look closer.
#[inline]
fn usual(bytes: &[u8], spans: &mut Vec<Span>, limits: &ParseLimits) -> Option<usize> {
    let &[b'*', words @ b'1'..=b'9', b'\r', _] = bytes.first_chunk::<4>()? else { return None };
    if !limits.authenticated || limits.bulk_bytes_max < 999 {
        return None;
    }
    let mut at = 4;
    for _ in b'0'..words {
        // A whole word has six bytes at least: `$0`, two line ends.
        let &[mark, a, b, c, d, _] = bytes.get(at..)?.first_chunk::<6>()?;
        let (a, digit_b, digit_c) =
            (a.wrapping_sub(b'0') as u32, b.wrapping_sub(b'0') as u32, c.wrapping_sub(b'0') as u32);
        if mark != b'$' || a > 9 {
            return None;
        }
        // A number of several digits does not begin with a zero.
        let (len, head) = if b == b'\r' {
            (a, 4)
        } else if c == b'\r' && a > 0 && digit_b <= 9 {
            (a * 10 + digit_b, 5)
        } else if d == b'\r' && a > 0 && digit_b <= 9 && digit_c <= 9 {
            (a * 100 + digit_b * 10 + digit_c, 6)
        } else {
            return None;
        };
        let start = at + head;
        at = start + len as usize + 2;
        if at > bytes.len() {
            return None;
        }
        spans.push(Span { start: start as u32, len });
    }
    Some(at)
}

/// Goes on at the cursor as far as the bytes reach.
fn advance(cursor: &mut Cursor, bytes: &[u8], spans: &mut Vec<Span>, limits: &ParseLimits) -> Parsed {
    match bytes.first() {
        None => Parsed::More { need: 0 },
        Some(b'*') => multibulk(cursor, bytes, spans, limits),
        Some(_) => inline_line(cursor, bytes, spans),
    }
}

#[inline]
fn multibulk(cursor: &mut Cursor, bytes: &[u8], spans: &mut Vec<Span>, limits: &ParseLimits) -> Parsed {
    if cursor.left == 0 {
        let (n, next) = match header(cursor, bytes, b'*') {
            Header::Length(n, next) => (n, next),
            Header::Partial => return Parsed::More { need: 0 },
            Header::TooLong => return fault("Protocol error: too big mbulk count string"),
            Header::Wrong(_) => return fault("Protocol error: invalid multibulk length"),
        };
        if n > MULTIBULK_WORDS_MAX {
            return fault("Protocol error: invalid multibulk length");
        }
        if n > MULTIBULK_WORDS_MAX_UNAUTHENTICATED && !limits.authenticated {
            return fault("Protocol error: unauthenticated multibulk length");
        }
        if n <= 0 {
            return Parsed::Empty { used: next };
        }
        (cursor.at, cursor.searched, cursor.left) = (next, next, n as u32);
    }
    loop {
        let len = match cursor.bulk {
            Some(len) => len,
            None => {
                let (n, next) = match header(cursor, bytes, b'$') {
                    Header::Length(n, next) if bytes[cursor.at] == b'$' => (n, next),
                    Header::Partial => return Parsed::More { need: 0 },
                    Header::TooLong => return fault("Protocol error: too big bulk count string"),
                    Header::Length(..) | Header::Wrong(b'$') if bytes[cursor.at] == b'$' => {
                        return fault("Protocol error: invalid bulk length");
                    }
                    Header::Length(..) | Header::Wrong(_) => return not_a_bulk(bytes[cursor.at]),
                };
                if n < 0 || n as u64 > limits.bulk_bytes_max as u64 {
                    return fault("Protocol error: invalid bulk length");
                }
                if n > BULK_BYTES_MAX_UNAUTHENTICATED && !limits.authenticated {
                    return fault("Protocol error: unauthenticated bulk length");
                }
                (cursor.at, cursor.searched) = (next, next);
                if next as u64 + n as u64 + 2 > u32::MAX as u64 {
                    return Parsed::TooBig;
                }
                n as u32
            }
        };
        // The two bytes after a bulk are passed over, whatever they are: as in Redis.
        let end = cursor.at + len as usize + 2;
        if bytes.len() < end {
            cursor.bulk = Some(len);
            return Parsed::More { need: end };
        }
        spans.push(Span { start: cursor.at as u32, len });
        (cursor.at, cursor.searched, cursor.bulk) = (end, end, None);
        cursor.left -= 1;
        if cursor.left == 0 {
            return Parsed::Ask { used: end };
        }
    }
}

enum Header {
    /// The number after the first byte, and where the next line begins.
    Length(i64, usize),
    /// The line has no end yet.
    Partial,
    TooLong,
    /// The line is whole but holds no number; its first byte.
    Wrong(u8),
}

/// Reads the line at the cursor: a mark, a number, CR, any byte.
#[inline(always)]
fn header(cursor: &mut Cursor, bytes: &[u8], mark: u8) -> Header {
    // Nearly every header has one or two digits, and something follows it.
    if let Some(&[m, a, b, c, _]) = bytes.get(cursor.at..).and_then(|rest| rest.first_chunk::<5>())
        && m == mark
    {
        let (high, low) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
        if b == b'\r' && high <= 9 {
            return Header::Length(high as i64, cursor.at + 4);
        }
        if c == b'\r' && high.wrapping_sub(1) <= 8 && low <= 9 {
            return Header::Length(high as i64 * 10 + low as i64, cursor.at + 5);
        }
    }
    header_slow(cursor, bytes)
}

#[cold]
#[inline(never)]
fn header_slow(cursor: &mut Cursor, bytes: &[u8]) -> Header {
    let end = match line_end(cursor, bytes, b'\r') {
        LineEnd::At(end) => end,
        LineEnd::None => return Header::Partial,
        LineEnd::TooFar => return Header::TooLong,
    };
    if end + 2 > bytes.len() {
        return Header::Partial;
    }
    match bytes.get(cursor.at + 1..end).and_then(parse_i64) {
        Some(n) => Header::Length(n, end + 2),
        None => Header::Wrong(bytes[cursor.at]),
    }
}

enum LineEnd {
    At(usize),
    None,
    TooFar,
}

/// Looks for `end` in the line at the cursor. Redis looks with `strchr`, so a NUL hides all that follows it.
fn line_end(cursor: &mut Cursor, bytes: &[u8], end: u8) -> LineEnd {
    let most = cursor.at + INLINE_BYTES_MAX + 1;
    let from = cursor.searched.max(cursor.at);
    let window = &bytes[from..bytes.len().min(most).max(from)];
    let found = memchr::memchr2(end, 0, window).map(|i| from + i);
    match found {
        Some(at) if bytes[at] == end => LineEnd::At(at),
        _ => {
            cursor.searched = found.unwrap_or(from + window.len());
            if bytes.len() >= most { LineEnd::TooFar } else { LineEnd::None }
        }
    }
}

#[cold]
fn inline_line(cursor: &mut Cursor, bytes: &[u8], spans: &mut Vec<Span>) -> Parsed {
    let end = match line_end(cursor, bytes, b'\n') {
        LineEnd::At(end) => end,
        LineEnd::None => return Parsed::More { need: 0 },
        LineEnd::TooFar => return fault("Protocol error: too big inline request"),
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let (used, before) = (end + 1, spans.len());
    match inline::split(line, spans) {
        Words::Plain if spans.len() == before => Parsed::Empty { used },
        Words::Plain => Parsed::Ask { used },
        Words::Quoted(words) => Parsed::Quoted { used, words },
        Words::Unbalanced => fault("Protocol error: unbalanced quotes in request"),
    }
}

#[cold]
fn fault(text: &'static str) -> Parsed {
    Parsed::Fault(Fault::err(text))
}

#[cold]
fn not_a_bulk(got: u8) -> Parsed {
    Parsed::Fault(Fault::err(format!("Protocol error: expected '$', got '{}'", got as char)))
}
