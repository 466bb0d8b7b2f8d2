//! Room: store. What an entry of a stream is called. Touches: nothing beyond this crate.

/// Milliseconds and a number among those of one millisecond. Ordered by both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Id {
    pub ms: u64,
    pub seq: u64,
}

/// Room for an id's text: twice 20 digits and a dash.
pub type IdText = [u8; 41];

impl Id {
    pub const MIN: Id = Id { ms: 0, seq: 0 };
    pub const MAX: Id = Id { ms: u64::MAX, seq: u64::MAX };

    pub const fn new(ms: u64, seq: u64) -> Id {
        Id { ms, seq }
    }

    /// The one that follows; `None` for the last one.
    pub fn next(self) -> Option<Id> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| Id { ms, seq: 0 }),
        }
    }

    /// The one before; `None` for the first one.
    pub fn before(self) -> Option<Id> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => self.ms.checked_sub(1).map(|ms| Id { ms, seq: u64::MAX }),
        }
    }

    /// `ms-seq`
    pub fn text(self, room: &mut IdText) -> &[u8] {
        let mut at = room.len();
        for (i, mut n) in [self.seq, self.ms].into_iter().enumerate() {
            if i == 1 {
                at -= 1;
                room[at] = b'-';
            }
            loop {
                at -= 1;
                room[at] = b'0' + (n % 10) as u8;
                n /= 10;
                if n == 0 {
                    break;
                }
            }
        }
        &room[at..]
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_texts() {
        let cases = [
            (Id::MIN, Some(Id::new(0, 1)), None, "0-0"),
            (Id::new(5, 0), Some(Id::new(5, 1)), Some(Id::new(4, u64::MAX)), "5-0"),
            (Id::new(5, u64::MAX), Some(Id::new(6, 0)), Some(Id::new(5, u64::MAX - 1)), "5-18446744073709551615"),
            (Id::MAX, None, Some(Id::new(u64::MAX, u64::MAX - 1)), "18446744073709551615-18446744073709551615"),
        ];
        for (id, next, before, text) in cases {
            assert_eq!((id.next(), id.before()), (next, before), "{id}");
            assert_eq!(id.text(&mut [0; 41]), text.as_bytes());
            assert_eq!(id.to_string(), text);
        }
    }
}
