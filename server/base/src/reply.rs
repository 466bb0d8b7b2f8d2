//! The one interface that replies are spoken to. RESP2, RESP3, memcached's text, a transaction's collector and a far
//! shard all implement it; a handler never knows which of them listens.

use crate::fault::Fault;
use bytes::Bytes;

/// One reply. RESP's words and memcached's stand side by side because rows of both families share one table; a handler
/// uses the words of its own family only. Calls must add up to exactly one reply (aggregates count their elements).
pub trait Reply {
    // RESP. In RESP2 the types that it lacks fall back as in Redis: maps and sets to arrays, doubles, big numbers and
    // verbatim texts to bulk strings, booleans to integers, nulls to `$-1`.
    /// `+text`. No CR or LF in it.
    fn simple(&mut self, text: &str);
    fn bulk(&mut self, bytes: &[u8]);
    /// A value that may leave from where it lies.
    fn shared(&mut self, value: Bytes) {
        self.bulk(&value);
    }
    /// The same of a value that lies in parts.
    fn shared_parts(&mut self, parts: Vec<Bytes>) {
        self.bulk(&parts.concat());
    }
    /// Whole replies that were drawn before, in RESP2's form, which every RESP client reads.
    fn drawn(&mut self, replies: Bytes);
    fn int(&mut self, n: i64);
    /// `$-1` or `_`.
    fn null(&mut self);
    /// `*-1` or `_`.
    fn null_array(&mut self);
    /// The head of `n` replies that follow.
    fn array(&mut self, n: usize);
    /// The head of `n` pairs that follow.
    fn map(&mut self, n: usize);
    /// The head of `n` pairs that follow in their order: flat in RESP2, each an array in RESP3, where `pair` begins it.
    fn pairs(&mut self, n: usize) {
        self.array(2 * n);
    }
    /// Comes before each of `pairs`.
    fn pair(&mut self) {}
    /// The head of `n` names, each with what it names: a map in RESP3, in RESP2 an array of arrays, where `named` begins each.
    fn named_all(&mut self, n: usize) {
        self.array(n);
    }
    /// Comes before each of `named_all`.
    fn named(&mut self) {
        self.array(2);
    }
    /// The head of `n` replies that follow.
    fn set(&mut self, n: usize);
    /// The head of `n` replies that follow, out of band in RESP3.
    fn push(&mut self, n: usize);
    fn double(&mut self, x: f64);
    /// A double that is shown in digits of its own.
    fn double_as(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }
    fn boolean(&mut self, yes: bool);
    /// Decimal digits.
    fn big_number(&mut self, digits: &str);
    /// `format` is three letters: `txt` or `mkd`.
    fn verbatim(&mut self, format: &str, text: &[u8]);
    /// An error; memcached speaks it in its own words.
    fn fault(&mut self, fault: &Fault);

    fn ok(&mut self) {
        self.simple("OK");
    }

    // memcached.
    /// One word on a line of its own.
    fn word(&mut self, word: Word);
    /// `VALUE key flags bytes [version]` and the data.
    fn value(&mut self, key: &[u8], flags: u32, version: Option<u64>, data: &[u8]);
    /// The same with a value that may leave from where it lies.
    fn value_shared(&mut self, key: &[u8], flags: u32, version: Option<u64>, data: Bytes) {
        self.value(key, flags, version, &data);
    }
    /// A counter on a line of its own.
    fn counter(&mut self, n: u64);
    /// `STAT name value`.
    fn stat(&mut self, name: &str, value: &str);
    /// A line of free text: `VERSION 1.6.45`.
    fn line(&mut self, text: &str);
}

/// memcached's one-word answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    Stored,
    NotStored,
    Exists,
    NotFound,
    Deleted,
    Touched,
    Ok,
    Reset,
    End,
    /// The answer to `mn`.
    MetaNoop,
    Error,
}

impl Word {
    pub fn text(self) -> &'static str {
        match self {
            Word::Stored => "STORED",
            Word::NotStored => "NOT_STORED",
            Word::Exists => "EXISTS",
            Word::NotFound => "NOT_FOUND",
            Word::Deleted => "DELETED",
            Word::Touched => "TOUCHED",
            Word::Ok => "OK",
            Word::Reset => "RESET",
            Word::End => "END",
            Word::MetaNoop => "MN",
            Word::Error => "ERROR",
        }
    }
}
