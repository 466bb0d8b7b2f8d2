//! Room: session. Replies leave in the order the asks came, whenever and wherever they are made. Touches: base.

use base::Out;
use std::collections::VecDeque;

/// Asks of one connection that may be under way on other shards at once. Beyond it the session stops reading.
pub const ASKS_UNDER_WAY_MAX: usize = 1024;

enum Place {
    /// The reply is being made elsewhere.
    Waiting,
    /// The reply is there, in `held`, behind one that is not.
    Held { at: u32, len: u32 },
    /// The same, too large or too shared to be copied into `held`.
    Apart(Box<Out>),
}

/// The replies of one connection that cannot leave yet. While no ask is under way elsewhere it is empty, owns no memory,
/// and replies are drawn straight into the connection's output.
#[derive(Default)]
pub struct Order {
    places: VecDeque<Place>,
    /// The number of the first place; numbers wrap.
    first: u32,
    held: Vec<u8>,
}

/// Up to this many bytes are copied into `held`; more stay in a buffer of their own.
const HELD_REPLY_BYTES_MAX: usize = 4096;

impl Order {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.places.len() >= ASKS_UNDER_WAY_MAX
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Keeps a place for a reply that is made elsewhere; its number.
    pub fn wait(&mut self) -> u32 {
        self.places.push_back(Place::Waiting);
        self.first.wrapping_add(self.places.len() as u32 - 1)
    }

    /// A reply that is ready at once, behind others that are not. Leaves `reply` empty.
    pub fn hold(&mut self, reply: &mut Out) {
        debug_assert!(!self.is_empty(), "with nothing before it a reply is drawn into the output");
        let place = self.keep(reply);
        self.places.push_back(place);
    }

    /// Whether the reply to `seq` may be drawn straight into the output, followed by `next`.
    pub fn is_next(&self, seq: u32) -> bool {
        seq == self.first && !self.places.is_empty()
    }

    /// The first reply has been drawn: what waited only for it follows into `out`.
    pub fn next(&mut self, out: &mut Out) {
        self.places.pop_front();
        self.first = self.first.wrapping_add(1);
        while let Some(place) = self.places.front_mut() {
            match place {
                Place::Waiting => break,
                Place::Held { at, len } => out.extend(&self.held[*at as usize..][..*len as usize]),
                Place::Apart(reply) => out.append(reply),
            }
            self.places.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        if self.places.is_empty() {
            self.held.clear();
            if self.held.capacity() > 16 * 1024 {
                self.held = Vec::new();
            }
        }
    }

    /// A reply that came while others before it are still made. Leaves `reply` empty.
    pub fn arrive(&mut self, seq: u32, reply: &mut Out) {
        let i = seq.wrapping_sub(self.first) as usize;
        assert!(matches!(self.places.get(i), Some(Place::Waiting)), "a reply comes once, to a place that waits");
        self.places[i] = self.keep(reply);
    }

    fn keep(&mut self, reply: &mut Out) -> Place {
        if !reply.shared.is_empty() || reply.bytes.len() > HELD_REPLY_BYTES_MAX {
            return Place::Apart(Box::new(std::mem::take(reply)));
        }
        let at = self.held.len() as u32;
        self.held.extend_from_slice(&reply.bytes);
        let len = reply.bytes.len() as u32;
        reply.clear();
        Place::Held { at, len }
    }

    /// Replies that are kept in buffers of their own, and the bytes of all that are kept.
    pub fn held(&self) -> (usize, usize) {
        let apart = self.places.iter().filter_map(|place| match place {
            Place::Apart(reply) => Some(reply.len()),
            _ => None,
        });
        apart.fold((0, self.held.len()), |(n, bytes), len| (n + 1, bytes + len))
    }

    /// Drops idle memory.
    pub fn shrink(&mut self) {
        if self.places.is_empty() && self.places.capacity() > 0 {
            self.places = VecDeque::new();
            self.held = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Out {
        Out { bytes: text.as_bytes().to_vec(), shared: vec![] }
    }

    /// Every order of arrival gives the order of asking.
    #[test]
    fn replies_leave_in_the_order_asked() {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for arrival in orders {
            let mut order = Order { first: u32::MAX - 1, ..Order::default() };
            let mut out = Out::new();
            let a = order.wait();
            order.hold(&mut reply("b"));
            let c = order.wait();
            let d = order.wait();
            order.hold(&mut reply(&"e".repeat(HELD_REPLY_BYTES_MAX + 1)));
            let asks = [(a, "a"), (c, "c"), (d, "d")];
            for i in arrival {
                let (seq, text) = asks[i];
                if order.is_next(seq) {
                    out.extend(text.as_bytes());
                    order.next(&mut out);
                } else {
                    order.arrive(seq, &mut reply(text));
                }
            }
            assert!(order.is_empty());
            assert_eq!(
                out.to_vec(),
                format!("abcd{}", "e".repeat(HELD_REPLY_BYTES_MAX + 1)).into_bytes(),
                "{arrival:?}"
            );
        }
    }
}
