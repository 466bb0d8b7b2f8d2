//! Replies drawn in memcached's text protocol.

use base::limits::SHARED_VALUE_BYTES_MIN;
use base::{Fault, Out, Reply, Word};
use bytes::Bytes;

/// Draws replies into `out`. With `noreply` it draws nothing.
pub struct McWriter<'a> {
    pub out: &'a mut Out,
    pub noreply: bool,
}

impl<'a> McWriter<'a> {
    pub fn new(out: &'a mut Out) -> Self {
        McWriter { out, noreply: false }
    }

    /// `VALUE <key> <flags> <bytes> [<version>]`, the line before the data.
    #[inline]
    fn value_line(&mut self, key: &[u8], flags: u32, version: Option<u64>, len: usize) {
        let out = &mut self.out.bytes;
        out.extend_from_slice(b"VALUE ");
        out.extend_from_slice(key);
        // Flags and length are short nearly always; one piece for both.
        let mut digits = itoa::Buffer::new();
        if flags == 0 {
            out.extend_from_slice(b" 0 ");
        } else {
            out.push(b' ');
            out.extend_from_slice(digits.format(flags).as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(digits.format(len).as_bytes());
        if let Some(version) = version {
            out.push(b' ');
            out.extend_from_slice(digits.format(version).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    #[cold]
    fn not_ours(&mut self) {
        debug_assert!(false, "a word of RESP's on a memcached connection");
        self.line("SERVER_ERROR this reply has no form in memcached's protocol");
    }
}

impl Reply for McWriter<'_> {
    /// RESP only.
    fn drawn(&mut self, _: bytes::Bytes) {
        self.fault(&Fault::Server("reply of another protocol"));
    }

    fn simple(&mut self, _: &str) {
        self.not_ours();
    }

    fn bulk(&mut self, _: &[u8]) {
        self.not_ours();
    }

    fn int(&mut self, _: i64) {
        self.not_ours();
    }

    fn null(&mut self) {
        self.not_ours();
    }

    fn null_array(&mut self) {
        self.not_ours();
    }

    fn array(&mut self, _: usize) {
        self.not_ours();
    }

    fn map(&mut self, _: usize) {
        self.not_ours();
    }

    fn set(&mut self, _: usize) {
        self.not_ours();
    }

    fn push(&mut self, _: usize) {
        self.not_ours();
    }

    fn double(&mut self, _: f64) {
        self.not_ours();
    }

    fn boolean(&mut self, _: bool) {
        self.not_ours();
    }

    fn big_number(&mut self, _: &str) {
        self.not_ours();
    }

    fn verbatim(&mut self, _: &str, _: &[u8]) {
        self.not_ours();
    }

    fn fault(&mut self, fault: &Fault) {
        self.line(&fault.memcache());
    }

    #[inline]
    fn word(&mut self, word: Word) {
        self.line(word.text());
    }

    #[inline]
    fn value(&mut self, key: &[u8], flags: u32, version: Option<u64>, data: &[u8]) {
        if self.noreply {
            return;
        }
        // 64: the word VALUE, three numbers, blanks and line ends.
        self.out.bytes.reserve(key.len() + data.len() + 64);
        self.value_line(key, flags, version, data.len());
        self.out.bytes.extend_from_slice(data);
        self.out.bytes.extend_from_slice(b"\r\n");
    }

    fn value_shared(&mut self, key: &[u8], flags: u32, version: Option<u64>, data: Bytes) {
        if data.len() < SHARED_VALUE_BYTES_MIN {
            return self.value(key, flags, version, &data);
        }
        if self.noreply {
            return;
        }
        self.value_line(key, flags, version, data.len());
        self.out.lend(data);
        self.out.bytes.extend_from_slice(b"\r\n");
    }

    fn counter(&mut self, n: u64) {
        self.line(itoa::Buffer::new().format(n));
    }

    fn stat(&mut self, name: &str, value: &str) {
        if self.noreply {
            return;
        }
        let out = &mut self.out.bytes;
        for piece in ["STAT ", name, " ", value, "\r\n"] {
            out.extend_from_slice(piece.as_bytes());
        }
    }

    #[inline]
    fn line(&mut self, text: &str) {
        if self.noreply {
            return;
        }
        let out = &mut self.out.bytes;
        out.reserve(text.len() + 2);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(noreply: bool, draw: impl FnOnce(&mut McWriter<'_>)) -> String {
        let mut out = Out::new();
        let mut writer = McWriter::new(&mut out);
        writer.noreply = noreply;
        draw(&mut writer);
        String::from_utf8(out.to_vec()).expect("text").replace("\r\n", "|")
    }

    /// Source: memcached's `doc/protocol.txt`.
    #[test]
    fn replies() {
        type Draw = fn(&mut McWriter<'_>);
        let cases: &[(Draw, &str)] = &[
            (|w| w.word(Word::NotStored), "NOT_STORED|"),
            (|w| w.word(Word::MetaNoop), "MN|"),
            (|w| w.value(b"key", 0, None, b"abc"), "VALUE key 0 3|abc|"),
            (|w| w.value(b"key", 4294967295, Some(u64::MAX), b""), "VALUE key 4294967295 0 18446744073709551615||"),
            (|w| w.value_shared(b"k", 7, Some(1), Bytes::from_static(b"abc")), "VALUE k 7 3 1|abc|"),
            (|w| w.counter(u64::MAX), "18446744073709551615|"),
            (|w| w.stat("pid", "5"), "STAT pid 5|"),
            (|w| w.line("VERSION 1"), "VERSION 1|"),
            (|w| w.fault(&Fault::Client("bad data chunk")), "CLIENT_ERROR bad data chunk|"),
            (|w| w.fault(&Fault::Unknown), "ERROR|"),
            (|w| w.fault(&Fault::OutOfMemory), "SERVER_ERROR out of memory storing object|"),
        ];
        for (i, (draw, expected)) in cases.iter().enumerate() {
            assert_eq!(drawn(false, draw), *expected, "case {i}");
            assert_eq!(drawn(true, draw), "", "case {i}: noreply");
        }
    }

    #[test]
    fn large_values_are_lent() {
        let mut out = Out::new();
        let value = vec![b'x'; SHARED_VALUE_BYTES_MIN];
        McWriter::new(&mut out).value_shared(b"k", 1, None, Bytes::from(value.clone()));
        assert_eq!(out.shared.len(), 1);
        let expected = [format!("VALUE k 1 {}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat();
        assert_eq!(out.to_vec(), expected);
    }
}
