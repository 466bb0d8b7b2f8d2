//! Bytes on their way to a client: small replies are copied in, large values are lent.

use bytes::Bytes;

/// A run of reply bytes. `bytes` holds what was drawn; each of `shared` is a value that belongs at an offset of `bytes`
/// and leaves from where it lies, without a copy. Offsets rise.
#[derive(Default, Debug)]
pub struct Out {
    pub bytes: Vec<u8>,
    pub shared: Vec<(usize, Bytes)>,
}

impl Out {
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that will reach the client.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared.iter().map(|(_, b)| b.len()).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.shared.is_empty()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.shared.clear();
    }

    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Lends `value` at the present end, without a copy.
    pub fn lend(&mut self, value: Bytes) {
        self.shared.push((self.bytes.len(), value));
    }

    /// Moves all of `other` to the end of this one.
    pub fn append(&mut self, other: &mut Out) {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.shared.extend(other.shared.drain(..).map(|(at, b)| (base + at, b)));
        other.bytes.clear();
    }

    /// Lends what was drawn too, so that it is not moved when more is.
    pub fn seal(&mut self) {
        let own = Bytes::from(std::mem::take(&mut self.bytes));
        let mut from = 0;
        let lent = std::mem::take(&mut self.shared);
        for (at, value) in lent {
            if at > from {
                self.shared.push((0, own.slice(from..at)));
                from = at;
            }
            self.shared.push((0, value));
        }
        if from < own.len() {
            self.shared.push((0, own.slice(from..)));
        }
    }

    /// Takes off what was added since it had this many bytes and this many values lent.
    pub fn split_off(&mut self, bytes: usize, shared: usize) -> Out {
        let tail = self.bytes.split_off(bytes);
        let lent = self.shared.drain(shared..).map(|(at, value)| (at - bytes, value)).collect();
        Out { bytes: tail, shared: lent }
    }

    /// The pieces in the order a client reads them.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        let lent = self.shared.iter().flat_map(move |(at, b)| {
            let own = &self.bytes[std::mem::replace(&mut from, *at)..*at];
            [own, &b[..]]
        });
        let tail = self.shared.last().map_or(0, |(at, _)| *at);
        lent.chain(std::iter::once(&self.bytes[tail..])).filter(|p| !p.is_empty())
    }

    /// One flat copy, for tests and cold paths.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_order_through_append() {
        let (mut a, mut b) = (Out::new(), Out::new());
        a.extend(b"1");
        a.lend(Bytes::from_static(b"22"));
        b.lend(Bytes::from_static(b"3"));
        b.extend(b"4");
        b.lend(Bytes::from_static(b"5"));
        a.append(&mut b);
        a.extend(b"6");
        assert_eq!(a.to_vec(), b"1223456");
        assert_eq!(a.len(), 7);
        assert!(b.is_empty());
        let mut tail = a.split_off(1, 1);
        assert_eq!((a.to_vec(), tail.to_vec()), (b"122".to_vec(), b"3456".to_vec()));
        tail.seal();
        tail.extend(b"7");
        assert_eq!((tail.bytes.len(), tail.to_vec()), (1, b"34567".to_vec()));
    }
}
