//! Room: command. Streams: replies drawn before it is known how many there are. Touches: base, store.

use super::SLICE_BYTES;
use base::Reply;
use store::pack::{Item, write_number};
use store::stream::{EntryRef, Id};

/// Whole replies in RESP2's form, of kinds that RESP3 has in the same.
#[derive(Default)]
pub(super) struct Drawn {
    bytes: Vec<u8>,
    pub count: usize,
    /// Where null arrays stand between them: those have a form of their own in RESP3.
    nulls: Vec<usize>,
}

impl Drawn {
    fn head(&mut self, kind: u8, n: usize) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(write_number(n as i64, &mut [0; 20]));
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub fn array(&mut self, n: usize) {
        self.head(b'*', n);
    }

    pub fn int(&mut self, n: i64) {
        self.bytes.push(b':');
        self.bytes.extend_from_slice(write_number(n, &mut [0; 20]));
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub fn bulk(&mut self, text: &[u8]) {
        self.head(b'$', text.len());
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub fn id(&mut self, id: Id) {
        self.bulk(id.text(&mut [0; 41]));
    }

    fn item(&mut self, item: Item<'_>) {
        self.bulk(item.text(&mut [0; 20]));
    }

    /// An entry: its id, its names and values.
    pub fn entry(&mut self, entry: EntryRef<'_>) {
        self.array(2);
        self.id(entry.id);
        self.array(2 * entry.fields());
        for (name, value) in entry.pairs() {
            self.item(name);
            self.item(value);
        }
        self.count += 1;
    }

    /// An entry that is gone.
    pub fn gone(&mut self, id: Id) {
        self.array(2);
        self.id(id);
        self.nulls.push(self.bytes.len());
        self.count += 1;
    }

    /// As much as one slice copies was drawn since `from` bytes.
    pub fn is_long(&self, from: usize) -> bool {
        self.bytes.len() - from > SLICE_BYTES
    }

    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Speaks what was drawn, without a head.
    pub fn speak(self, reply: &mut dyn Reply) {
        let bytes = bytes::Bytes::from(self.bytes);
        let mut at = 0;
        for null in self.nulls {
            reply.drawn(bytes.slice(at..null));
            reply.null_array();
            at = null;
        }
        if at < bytes.len() {
            reply.drawn(bytes.slice(at..));
        }
    }
}
