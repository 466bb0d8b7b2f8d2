//! Room: store. A hash. Touches: nothing beyond this crate.

use crate::members::Members;
use crate::object::Held;
use crate::table::Ground;

pub struct Hash {
    members: Members,
}

impl Hash {
    pub fn new(ground: &mut Ground) -> Hash {
        Hash { members: Members::new(ground) }
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// As `Object::encoding`.
    pub fn encoding(&self) -> &'static str {
        "hashtable"
    }

    /// As `Object::apart_bytes`.
    pub fn apart_bytes(&self) -> usize {
        self.members.apart_bytes()
    }

    /// As `Object::allocated`.
    pub fn allocated(&self) -> usize {
        self.members.allocated()
    }

    /// As `Object::weight`.
    pub fn weight(&self) -> usize {
        self.members.len()
    }

    /// As `Object::bury`.
    pub fn bury(&mut self, ground: &mut Ground, units: usize) -> bool {
        self.members.bury(ground, units)
    }

    /// As `Object::verify`.
    pub(crate) fn verify(&self, ground: &Ground, held: &mut Held) {
        self.members.verify(ground, held, |_| {});
    }
}
