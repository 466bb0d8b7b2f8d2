//! Room: store. A stream. Touches: nothing beyond this crate.

use crate::object::Held;
use crate::table::Ground;

#[derive(Default)]
pub struct Stream {
    len: usize,
}

impl Stream {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// As `Object::encoding`.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// As `Object::apart_bytes`.
    pub fn apart_bytes(&self) -> usize {
        0
    }

    /// As `Object::allocated`.
    pub fn allocated(&self) -> usize {
        self.apart_bytes()
    }

    /// As `Object::weight`.
    pub fn weight(&self) -> usize {
        self.len
    }

    /// As `Object::bury`.
    pub fn bury(&mut self, _ground: &mut Ground, _units: usize) -> bool {
        false
    }

    /// As `Object::verify`.
    pub(crate) fn verify(&self, _ground: &Ground, _held: &mut Held) {}
}
