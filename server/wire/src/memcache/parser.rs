//! Asks out of received bytes.
//!
//! One parser a connection, no heap. As in RESP it looks at the bytes of one ask at a time, from the first one on, and is
//! called again with more while an ask is not whole.
//!
//! memcached decides about a storage command when it has read its line, before the data is there; a refused one's data is
//! swallowed as it comes. The same here: a refusal is answered at once, and the parser remembers how much is to be skipped.
//! What is refused in which words follows 1.6.45 (`proto_parser.c`, `proto_text.c`); the differences are that a line's
//! length decides alone whether it is too long, not how it was cut into reads, and that get lines have a bound.

use base::Span;
use base::limits::{MEMCACHE_GET_LINE_BYTES_MAX, MEMCACHE_KEY_BYTES_MAX, MEMCACHE_LINE_BYTES_MAX};
use base::number::{parse_c_i64, parse_c_u64, parse_token_i32, parse_token_u64};

/// What a connection may send.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits {
    /// `item-size-max`, `-I`: header, key and value of one item.
    pub item_bytes_max: usize,
    /// The longest line of a get, which may name many keys.
    pub get_line_bytes_max: usize,
}

impl Default for ParseLimits {
    /// memcached's own setting.
    fn default() -> Self {
        ParseLimits { item_bytes_max: 1 << 20, get_line_bytes_max: MEMCACHE_GET_LINE_BYTES_MAX }
    }
}

/// What the bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// An ask of `used` bytes. Its words were added to the spans, counted from the first of the bytes; a data block is the
    /// last one. `noreply`, which is then no word, asks for silence. A storage command without its data block is one whose
    /// data is too large for an item: it is being swallowed, the handler refuses.
    Ask { used: usize, noreply: bool },
    /// Not a good ask: answer this line, go on after `used` bytes.
    Refused { used: usize, line: &'static str },
    /// `used` bytes that get no answer: swallowed data, or a refusal that `noreply` silences.
    Empty { used: usize },
    /// Part of an ask, which has `need` bytes at least (0: not known).
    More { need: usize },
    /// Close the connection without an answer.
    Close,
    /// The connection begins as memcached's binary protocol, which is not spoken here: close.
    Binary,
}

pub const BAD_LINE: &str = "CLIENT_ERROR bad command line format";
pub const BAD_DATA: &str = "CLIENT_ERROR bad data chunk";
pub const BAD_EXPTIME: &str = "CLIENT_ERROR invalid exptime argument";
pub const UNKNOWN: &str = "ERROR";

/// How a verb's line is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Words as they stand, `noreply` no more than one of them.
    Words,
    /// At least so many words, the second a key; `noreply` as the last word counts.
    Keyed(usize),
    /// Keys from word 1 or 2 on, as many as the line holds.
    Get { first: usize },
    /// Flags, exptime, length of data, for `cas` a version; then the data block.
    Storage { cas: bool },
    /// `ms`: length of data in word 2, then flags of one letter, then the data block.
    MetaStorage,
    /// A meta command on a key: no `noreply`.
    Meta,
}

fn shape_of(verb: &[u8]) -> Option<Shape> {
    Some(match verb {
        b"get" | b"gets" => Shape::Get { first: 1 },
        b"set" | b"add" | b"replace" | b"append" | b"prepend" => Shape::Storage { cas: false },
        b"cas" => Shape::Storage { cas: true },
        b"gat" | b"gats" => Shape::Get { first: 2 },
        b"delete" => Shape::Keyed(2),
        b"incr" | b"decr" | b"touch" => Shape::Keyed(3),
        b"mn" | b"version" | b"stats" | b"quit" | b"watch" => Shape::Words,
        b"mg" | b"md" | b"ma" | b"me" => Shape::Meta,
        b"ms" => Shape::MetaStorage,
        _ => return None,
    })
}

/// memcached's tokenizer keeps so many words of a line, and passes over the rest.
const WORDS_MAX: usize = 23;
/// A line without its end that begins with so many blanks is no get.
const BLANKS_MAX: usize = 100;
/// `INT_MAX - 2`
const DATA_BYTES_MAX: i32 = i32::MAX - 2;
/// memcached's item header (48) and version (8), the key's NUL and the value's line end: what counts towards the item's
/// size beside key, value and flags.
const ITEM_OVERHEAD_BYTES: usize = 48 + 8 + 1 + 2;

/// One connection's parser.
#[derive(Clone, Copy, Default, Debug)]
pub struct Parser {
    /// Bytes to pass over before the next ask.
    swallow: u32,
    /// Bytes of the ask under way that were searched for the line's end, or that it needs: nothing to do below.
    searched: u32,
    need: u32,
    /// The first byte was seen and is text.
    text: bool,
}

impl Parser {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether part of an ask was seen.
    pub fn is_midway(&self) -> bool {
        self.swallow > 0 || self.searched > 0 || self.need > 0
    }

    /// Looks at the ask that `bytes` begins with. `spans` grows by the ask's words, only when the outcome is `Ask`.
    #[inline]
    pub fn parse(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &ParseLimits) -> Parsed {
        if self.text
            && !self.is_midway()
            && let Some(used) = usual(bytes, spans)
        {
            return Parsed::Ask { used, noreply: false };
        }
        self.unusual(bytes, spans, limits)
    }

    #[inline(never)]
    fn unusual(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &ParseLimits) -> Parsed {
        let Some(&first) = bytes.first() else { return Parsed::More { need: 0 } };
        if !self.text {
            if first == 0x80 {
                return Parsed::Binary;
            }
            self.text = true;
        }
        if self.swallow > 0 {
            let used = bytes.len().min(self.swallow as usize);
            self.swallow -= used as u32;
            return Parsed::Empty { used };
        }
        if bytes.len() < self.need as usize {
            return Parsed::More { need: self.need as usize };
        }
        let end = match memchr::memchr(b'\n', &bytes[self.searched as usize..]) {
            Some(i) => self.searched as usize + i,
            None => return self.unended(bytes, limits),
        };
        if end > MEMCACHE_LINE_BYTES_MAX && !may_be_long(bytes, end, limits) {
            return Parsed::Close;
        }
        let before = spans.len();
        let parsed = self.line(bytes, end, spans, limits);
        if let Parsed::More { need } = parsed {
            // The line is whole: the next look begins at its end.
            (self.searched, self.need) = (end as u32, need as u32);
        } else {
            (self.searched, self.need) = (0, 0);
        }
        if !matches!(parsed, Parsed::Ask { .. }) {
            spans.truncate(before);
        }
        parsed
    }

    #[cold]
    fn unended(&mut self, bytes: &[u8], limits: &ParseLimits) -> Parsed {
        if bytes.len() > MEMCACHE_LINE_BYTES_MAX && !may_be_long(bytes, bytes.len(), limits) {
            return Parsed::Close;
        }
        self.searched = bytes.len() as u32;
        Parsed::More { need: 0 }
    }

    /// The line that ends with the `\n` at `end`.
    #[inline]
    fn line(&mut self, bytes: &[u8], end: usize, spans: &mut Vec<Span>, limits: &ParseLimits) -> Parsed {
        let used = end + 1;
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        // Four: memcached's shortest, its line end counted.
        if used < 4 {
            return Parsed::Refused { used, line: BAD_LINE };
        }
        match shape_of(&line[..blank(line, 0)]) {
            Some(Shape::Get { first }) => get(line, used, first, spans),
            Some(Shape::Storage { cas }) => self.storage(bytes, line, used, cas, spans, limits),
            Some(Shape::Keyed(least)) => keyed(line, used, least, spans),
            Some(Shape::Words) => {
                words(line, spans, WORDS_MAX);
                Parsed::Ask { used, noreply: false }
            }
            Some(Shape::Meta) => meta(line, used, spans),
            Some(Shape::MetaStorage) => self.meta_storage(bytes, line, used, spans, limits),
            None => other(line, used, spans),
        }
    }

    /// `<verb> <key> <flags> <exptime> <bytes> [<version>] [noreply]` and the data block.
    #[inline]
    fn storage(
        &mut self,
        bytes: &[u8],
        line: &[u8],
        used: usize,
        cas: bool,
        spans: &mut Vec<Span>,
        limits: &ParseLimits,
    ) -> Parsed {
        let before = spans.len();
        let count = words(line, spans, WORDS_MAX);
        let word = |i: usize| spans.get(before + i).map_or(&line[..0], |s| word_at(line, *s));
        let len = match parse_token_i32(word(4)) {
            Some(len @ 0..=DATA_BYTES_MAX) if count >= 5 => len as usize,
            _ => return Parsed::Refused { used, line: BAD_LINE },
        };
        let noreply = word(count - 1) == b"noreply";
        let key = word(1);
        let flags = parse_c_u64(word(2));
        let good = key.len() <= MEMCACHE_KEY_BYTES_MAX
            && flags.is_some()
            && parse_c_i64(word(3)).is_some()
            && (!cas || count > 5 && parse_token_u64(word(5)).is_some());
        if !good {
            self.swallow = len as u32 + 2;
            return if noreply { Parsed::Empty { used } } else { Parsed::Refused { used, line: BAD_LINE } };
        }
        let item = ITEM_OVERHEAD_BYTES + key.len() + len + if flags == Some(0) { 0 } else { 4 };
        spans.truncate(before + if cas { 6 } else { 5 });
        self.data(bytes, used, len, item <= limits.item_bytes_max, noreply, spans)
    }

    /// `ms <key> <bytes> <flag>*` and the data block.
    fn meta_storage(
        &mut self,
        bytes: &[u8],
        line: &[u8],
        used: usize,
        spans: &mut Vec<Span>,
        limits: &ParseLimits,
    ) -> Parsed {
        let before = spans.len();
        let count = words(line, spans, WORDS_MAX);
        let word = |i: usize| spans.get(before + i).map_or(&line[..0], |s| word_at(line, *s));
        let len = match parse_token_i32(word(2)) {
            Some(len @ 0..=DATA_BYTES_MAX) if count >= 3 => len as usize,
            _ => return Parsed::Refused { used, line: BAD_LINE },
        };
        if word(1).len() > MEMCACHE_KEY_BYTES_MAX {
            self.swallow = len as u32 + 2;
            return Parsed::Refused { used, line: BAD_LINE };
        }
        let item = ITEM_OVERHEAD_BYTES + word(1).len() + len;
        self.data(bytes, used, len, item <= limits.item_bytes_max, false, spans)
    }

    /// The data block of `len` bytes after the line.
    #[inline]
    fn data(
        &mut self,
        bytes: &[u8],
        line: usize,
        len: usize,
        fits: bool,
        noreply: bool,
        spans: &mut Vec<Span>,
    ) -> Parsed {
        if !fits {
            self.swallow = len as u32 + 2;
            return Parsed::Ask { used: line, noreply };
        }
        let used = line + len + 2;
        match bytes.get(line + len..used) {
            None => Parsed::More { need: used },
            Some(b"\r\n") => {
                spans.push(Span { start: line as u32, len: len as u32 });
                Parsed::Ask { used, noreply }
            }
            Some(_) if noreply => Parsed::Empty { used },
            Some(_) => Parsed::Refused { used, line: BAD_DATA },
        }
    }
}

/// The usual ask, whole: `get` of one key, its line ended by both bytes. `None`: look closer.
#[inline]
fn usual(bytes: &[u8], spans: &mut Vec<Span>) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const KEY: usize = 4;
    if bytes.first_chunk::<KEY>()? != b"get " {
        return None;
    }
    let mut at = KEY;
    loop {
        let x = u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?);
        // The first byte below 0x21: a blank, a line end, or something strange.
        let found = x.wrapping_sub(ONES * 0x21) & !x & (ONES << 7);
        if found != 0 {
            at += found.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    let len = at - KEY;
    if bytes.get(at..at + 2)? != b"\r\n" || len == 0 || len > MEMCACHE_KEY_BYTES_MAX {
        return None;
    }
    spans.extend_from_slice(&[Span { start: 0, len: 3 }, Span { start: KEY as u32, len: len as u32 }]);
    Some(at + 2)
}

/// Whether a line of `len` bytes so far may be longer than others: gets name many keys.
#[cold]
fn may_be_long(bytes: &[u8], len: usize, limits: &ParseLimits) -> bool {
    let blanks = bytes.iter().take_while(|&&b| b == b' ').count();
    let line = &bytes[blanks..];
    let get = [b"get ".as_slice(), b"gets ", b"gat ", b"gats "].iter().any(|verb| line.starts_with(verb));
    get && blanks <= BLANKS_MAX && len <= limits.get_line_bytes_max
}

#[inline]
fn word_at(line: &[u8], span: Span) -> &[u8] {
    &line[span.start as usize..][..span.len as usize]
}

/// Adds the words of a line, `most` at most; how many.
#[inline]
fn words(line: &[u8], spans: &mut Vec<Span>, most: usize) -> usize {
    let (mut at, mut count) = (0, 0);
    while count < most {
        while at < line.len() && line[at] == b' ' {
            at += 1;
        }
        if at == line.len() {
            break;
        }
        let start = at;
        at = blank(line, at);
        spans.push(Span { start: start as u32, len: (at - start) as u32 });
        count += 1;
    }
    count
}

/// Where the next blank is, or the line's end. Words are short: eight bytes a step, no call.
#[inline(always)]
fn blank(line: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    while let Some(chunk) = line.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        // Zero where a blank is; the lowest byte whose subtraction borrows is the first zero.
        let x = u64::from_le_bytes(*chunk) ^ (ONES * b' ' as u64);
        let found = x.wrapping_sub(ONES) & !x & (ONES << 7);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < line.len() && line[at] != b' ' {
        at += 1;
    }
    at
}

/// `<verb> [<exptime>] <key>*`
#[inline]
fn get(line: &[u8], used: usize, first: usize, spans: &mut Vec<Span>) -> Parsed {
    let before = spans.len();
    let count = words(line, spans, usize::MAX);
    if count <= first {
        return Parsed::Refused { used, line: BAD_LINE };
    }
    if first == 2 && parse_token_i32(word_at(line, spans[before + 1])).is_none() {
        return Parsed::Refused { used, line: BAD_EXPTIME };
    }
    if spans[before + first..].iter().any(|s| s.len as usize > MEMCACHE_KEY_BYTES_MAX) {
        return Parsed::Refused { used, line: BAD_LINE };
    }
    Parsed::Ask { used, noreply: false }
}

/// `<verb> <key> ... [noreply]`
#[inline]
fn keyed(line: &[u8], used: usize, least: usize, spans: &mut Vec<Span>) -> Parsed {
    let before = spans.len();
    let count = words(line, spans, WORDS_MAX);
    if count < least {
        return Parsed::Refused { used, line: BAD_LINE };
    }
    let noreply = take_noreply(line, spans, before, least);
    if spans[before + 1].len as usize > MEMCACHE_KEY_BYTES_MAX {
        return if noreply { Parsed::Empty { used } } else { Parsed::Refused { used, line: BAD_LINE } };
    }
    Parsed::Ask { used, noreply }
}

fn meta(line: &[u8], used: usize, spans: &mut Vec<Span>) -> Parsed {
    let before = spans.len();
    if words(line, spans, WORDS_MAX) < 2 || spans[before + 1].len as usize > MEMCACHE_KEY_BYTES_MAX {
        return Parsed::Refused { used, line: BAD_LINE };
    }
    Parsed::Ask { used, noreply: false }
}

/// Administration, which is known by its first word wherever that stands, or what nobody knows.
#[cold]
fn other(line: &[u8], used: usize, spans: &mut Vec<Span>) -> Parsed {
    let before = spans.len();
    let count = words(line, spans, WORDS_MAX);
    let noreply = take_noreply(line, spans, before, 1);
    let known = spans.get(before).is_some_and(|verb| is_admin(word_at(line, *verb)));
    if known {
        return Parsed::Ask { used, noreply };
    }
    // A browser, or a page that makes one talk to us.
    if count > 1 && !noreply && word_at(line, spans[spans.len() - 1]).starts_with(b"HTTP/") {
        return Parsed::Close;
    }
    if noreply { Parsed::Empty { used } } else { Parsed::Refused { used, line: UNKNOWN } }
}

fn is_admin(verb: &[u8]) -> bool {
    matches!(
        verb,
        b"flush_all"
            | b"verbosity"
            | b"cache_memlimit"
            | b"shutdown"
            | b"slabs"
            | b"lru"
            | b"lru_crawler"
            | b"extstore"
    )
}

/// Whether the last word is `noreply`. It is taken off where `least` words remain; below that it stands for a word that
/// is missing, and is refused as that.
#[inline]
fn take_noreply(line: &[u8], spans: &mut Vec<Span>, before: usize, least: usize) -> bool {
    let noreply = spans.len() > before && word_at(line, spans[spans.len() - 1]) == b"noreply";
    if noreply && spans.len() - before > least {
        spans.pop();
    }
    noreply
}
