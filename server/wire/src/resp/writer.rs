//! Replies drawn in RESP.

use base::limits::SHARED_VALUE_BYTES_MIN;
use base::number::push_f64;
use base::{Fault, Out, Reply, Word};
use bytes::Bytes;

/// Draws replies into `out`. `proto` is 2 or 3.
pub struct RespWriter<'a> {
    pub out: &'a mut Out,
    pub proto: u8,
}

impl<'a> RespWriter<'a> {
    pub fn new(out: &'a mut Out, proto: u8) -> Self {
        debug_assert!(proto == 2 || proto == 3);
        RespWriter { out, proto }
    }

    fn error(&mut self, text: &[u8]) {
        let out = &mut self.out.bytes;
        out.reserve(text.len() + 3);
        out.push(b'-');
        // A line end inside would end the reply: Redis puts blanks for them.
        out.extend(text.iter().map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }));
        out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn head(&mut self, mark: u8, n: u64) {
        push_head(&mut self.out.bytes, mark, n);
    }

    #[inline]
    fn three(&self) -> bool {
        self.proto >= 3
    }

    fn line3(&mut self, mark: u8, text: &[u8]) {
        let out = &mut self.out.bytes;
        out.push(mark);
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }

    #[cold]
    fn not_ours(&mut self) {
        debug_assert!(false, "a word of memcached's on a RESP connection");
        self.error(b"ERR this reply has no form in RESP");
    }
}

/// `mark`, a number, a line end. Pieces of fixed length are stores, not calls.
#[inline]
fn push_head(out: &mut Vec<u8>, mark: u8, n: u64) {
    let digit = |n: u64| b'0' + (n % 10) as u8;
    match n {
        0..10 => out.extend_from_slice(&[mark, digit(n), b'\r', b'\n']),
        10..100 => out.extend_from_slice(&[mark, digit(n / 10), digit(n), b'\r', b'\n']),
        100..1000 => out.extend_from_slice(&[mark, digit(n / 100), digit(n / 10), digit(n), b'\r', b'\n']),
        _ => push_long_head(out, mark, n),
    }
}

#[inline(never)]
fn push_long_head(out: &mut Vec<u8>, mark: u8, n: u64) {
    out.push(mark);
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    out.extend_from_slice(b"\r\n");
}

impl Reply for RespWriter<'_> {
    fn simple(&mut self, text: &str) {
        let out = &mut self.out.bytes;
        out.reserve(text.len() + 3);
        out.push(b'+');
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn bulk(&mut self, bytes: &[u8]) {
        // 24: the longest head and the line end behind the bytes.
        self.out.bytes.reserve(bytes.len() + 24);
        self.head(b'$', bytes.len() as u64);
        self.out.bytes.extend_from_slice(bytes);
        self.out.bytes.extend_from_slice(b"\r\n");
    }

    fn drawn(&mut self, replies: Bytes) {
        if replies.len() < SHARED_VALUE_BYTES_MIN {
            return self.out.bytes.extend_from_slice(&replies);
        }
        self.out.lend(replies);
    }

    fn shared(&mut self, value: Bytes) {
        if value.len() < SHARED_VALUE_BYTES_MIN {
            return self.bulk(&value);
        }
        self.head(b'$', value.len() as u64);
        self.out.lend(value);
        self.out.bytes.extend_from_slice(b"\r\n");
    }

    fn shared_parts(&mut self, parts: Vec<Bytes>) {
        self.head(b'$', parts.iter().map(|part| part.len() as u64).sum());
        parts.into_iter().for_each(|part| self.drawn(part));
        self.out.bytes.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn int(&mut self, n: i64) {
        let out = &mut self.out.bytes;
        match u64::try_from(n) {
            Ok(n) => push_head(out, b':', n),
            Err(_) => {
                out.extend_from_slice(b":-");
                out.extend_from_slice(itoa::Buffer::new().format(n.unsigned_abs()).as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    #[inline]
    fn null(&mut self) {
        self.out.bytes.extend_from_slice(if self.three() { b"_\r\n" } else { b"$-1\r\n" });
    }

    fn null_array(&mut self) {
        self.out.bytes.extend_from_slice(if self.three() { b"_\r\n" } else { b"*-1\r\n" });
    }

    #[inline]
    fn array(&mut self, n: usize) {
        self.head(b'*', n as u64);
    }

    fn map(&mut self, n: usize) {
        if self.three() { self.head(b'%', n as u64) } else { self.head(b'*', 2 * n as u64) }
    }

    fn pairs(&mut self, n: usize) {
        self.array(if self.three() { n } else { 2 * n });
    }

    #[inline]
    fn pair(&mut self) {
        if self.three() {
            self.array(2);
        }
    }

    fn named_all(&mut self, n: usize) {
        if self.three() { self.map(n) } else { self.array(n) }
    }

    #[inline]
    fn named(&mut self) {
        if !self.three() {
            self.array(2);
        }
    }

    fn set(&mut self, n: usize) {
        self.head(if self.three() { b'~' } else { b'*' }, n as u64);
    }

    fn push(&mut self, n: usize) {
        self.head(if self.three() { b'>' } else { b'*' }, n as u64);
    }

    fn double(&mut self, x: f64) {
        let mut text = Vec::with_capacity(24);
        push_f64(&mut text, x);
        if self.three() { self.line3(b',', &text) } else { self.bulk(&text) }
    }

    fn double_as(&mut self, text: &str) {
        if self.three() { self.line3(b',', text.as_bytes()) } else { self.bulk(text.as_bytes()) }
    }

    fn boolean(&mut self, yes: bool) {
        self.out.bytes.extend_from_slice(match (self.three(), yes) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        });
    }

    fn big_number(&mut self, digits: &str) {
        if self.three() { self.line3(b'(', digits.as_bytes()) } else { self.bulk(digits.as_bytes()) }
    }

    fn verbatim(&mut self, format: &str, text: &[u8]) {
        if !self.three() {
            return self.bulk(text);
        }
        debug_assert_eq!(format.len(), 3);
        self.out.bytes.reserve(text.len() + 28);
        self.head(b'=', text.len() as u64 + 4);
        self.out.bytes.extend_from_slice(format.as_bytes());
        self.out.bytes.push(b':');
        self.out.bytes.extend_from_slice(text);
        self.out.bytes.extend_from_slice(b"\r\n");
    }

    fn fault(&mut self, fault: &Fault) {
        self.error(fault.resp().as_bytes());
    }

    #[inline]
    fn ok(&mut self) {
        self.out.bytes.extend_from_slice(b"+OK\r\n");
    }

    fn word(&mut self, _: Word) {
        self.not_ours();
    }

    fn value(&mut self, _: &[u8], _: u32, _: Option<u64>, _: &[u8]) {
        self.not_ours();
    }

    fn counter(&mut self, _: u64) {
        self.not_ours();
    }

    fn stat(&mut self, _: &str, _: &str) {
        self.not_ours();
    }

    fn line(&mut self, _: &str) {
        self.not_ours();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(proto: u8, draw: impl FnOnce(&mut RespWriter<'_>)) -> String {
        let mut out = Out::new();
        draw(&mut RespWriter::new(&mut out, proto));
        String::from_utf8(out.to_vec()).expect("text").replace("\r\n", "|")
    }

    /// Source: the RESP specification; the forms of RESP2 are `networking.c`'s.
    #[test]
    fn replies_in_both_protocols() {
        type Draw = fn(&mut RespWriter<'_>);
        let cases: &[(Draw, &str, &str)] = &[
            (|w| w.ok(), "+OK|", "+OK|"),
            (|w| w.simple("QUEUED"), "+QUEUED|", "+QUEUED|"),
            (|w| w.bulk(b""), "$0||", "$0||"),
            (|w| w.bulk(b"hello"), "$5|hello|", "$5|hello|"),
            (|w| w.bulk(&[b'x'; 12]), "$12|xxxxxxxxxxxx|", "$12|xxxxxxxxxxxx|"),
            (|w| w.int(0), ":0|", ":0|"),
            (|w| w.int(-1), ":-1|", ":-1|"),
            (|w| w.int(1000), ":1000|", ":1000|"),
            (|w| w.int(i64::MIN), ":-9223372036854775808|", ":-9223372036854775808|"),
            (|w| w.null(), "$-1|", "_|"),
            (|w| w.null_array(), "*-1|", "_|"),
            (|w| w.array(3), "*3|", "*3|"),
            (|w| w.array(12345), "*12345|", "*12345|"),
            (|w| w.map(7), "*14|", "%7|"),
            (|w| w.set(2), "*2|", "~2|"),
            (|w| w.pairs(2), "*4|", "*2|"),
            (|w| w.pair(), "", "*2|"),
            (|w| w.push(2), "*2|", ">2|"),
            (|w| w.double(1.5), "$3|1.5|", ",1.5|"),
            (|w| w.double(f64::INFINITY), "$3|inf|", ",inf|"),
            (|w| w.double_as("0.10000000000000001"), "$19|0.10000000000000001|", ",0.10000000000000001|"),
            (|w| w.boolean(true), ":1|", "#t|"),
            (|w| w.boolean(false), ":0|", "#f|"),
            (|w| w.big_number("-123"), "$4|-123|", "(-123|"),
            (|w| w.verbatim("txt", b"ab"), "$2|ab|", "=6|txt:ab|"),
            (|w| w.fault(&Fault::Syntax), "-ERR syntax error|", "-ERR syntax error|"),
            (|w| w.fault(&Fault::err("a\r\nb")), "-ERR a  b|", "-ERR a  b|"),
        ];
        for (i, (draw, two, three)) in cases.iter().enumerate() {
            assert_eq!((drawn(2, draw), drawn(3, draw)), (two.to_string(), three.to_string()), "case {i}");
        }
    }

    #[test]
    fn heads_of_every_length() {
        for n in (0..1100).chain([9999, 10_000, 123_456, 536_870_912]) {
            assert_eq!(drawn(2, |w| w.array(n)), format!("*{n}|"));
            assert_eq!(drawn(2, |w| w.int(-(n as i64))), format!(":{}|", -(n as i64)));
        }
    }

    #[test]
    fn large_values_are_lent_and_small_ones_copied() {
        for (len, lent) in [(SHARED_VALUE_BYTES_MIN - 1, 0), (SHARED_VALUE_BYTES_MIN, 1)] {
            let mut out = Out::new();
            RespWriter::new(&mut out, 2).shared(Bytes::from(vec![b'x'; len]));
            assert_eq!(out.shared.len(), lent);
            assert_eq!(out.to_vec(), format!("${len}\r\n{}\r\n", "x".repeat(len)).into_bytes());
        }
    }
}
