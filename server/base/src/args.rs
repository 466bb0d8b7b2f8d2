//! The words of one ask, borrowed from the buffer they arrived in or owned when they have to wait or travel.

use std::ops::Index;

/// Where one word lies in its buffer: byte offset and byte length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    pub start: u32,
    pub len: u32,
}

/// The words of one ask. Word 0 is the verb. Copying an `Args` copies two slices, never a word.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// `spans` must lie inside `bytes`; a span that does not is a mistake of ours and panics when read.
    pub fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Args { bytes, spans }
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        self.spans.get(i).map(|s| &self.bytes[s.start as usize..][..s.len as usize])
    }

    /// Word `i`. Panics when there is none: check the arity first.
    #[inline]
    pub fn at(&self, i: usize) -> &'a [u8] {
        let s = self.spans[i];
        &self.bytes[s.start as usize..][..s.len as usize]
    }

    /// The words from `i` on (empty when there are none).
    pub fn from(&self, i: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: self.spans.get(i..).unwrap_or(&[]) }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |s| &bytes[s.start as usize..][..s.len as usize])
    }

    /// Whether word `i` is there and equals `word`, letters of either case alike (`word` in lower or upper case).
    pub fn is(&self, i: usize, word: &str) -> bool {
        self.get(i).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Bytes of all words together.
    pub fn bytes_len(&self) -> usize {
        self.spans.iter().map(|s| s.len as usize).sum()
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    fn index(&self, i: usize) -> &[u8] {
        self.at(i)
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|w| w.escape_ascii().to_string())).finish()
    }
}

/// The words of one ask, owned.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ArgsBuf {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl ArgsBuf {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, word: &[u8]) {
        self.spans.push(Span { start: self.bytes.len() as u32, len: word.len() as u32 });
        self.bytes.extend_from_slice(word);
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    pub fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }
}

impl<'a> From<Args<'a>> for ArgsBuf {
    fn from(args: Args<'a>) -> Self {
        let mut buf = ArgsBuf { bytes: Vec::with_capacity(args.bytes_len()), spans: Vec::with_capacity(args.len()) };
        args.iter().for_each(|w| buf.push(w));
        buf
    }
}

impl<'a> FromIterator<&'a [u8]> for ArgsBuf {
    fn from_iter<T: IntoIterator<Item = &'a [u8]>>(words: T) -> Self {
        let mut buf = ArgsBuf::new();
        words.into_iter().for_each(|w| buf.push(w));
        buf
    }
}

impl std::fmt::Debug for ArgsBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.args().fmt(f)
    }
}
