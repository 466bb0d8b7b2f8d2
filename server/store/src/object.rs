//! Room: store. A collection that has outgrown its entry. Touches: nothing beyond this crate.
//!
//! An object lives in a `Box` that its entry names. What it is made of lies in the store's heap (`Ground::heap`) where it is
//! many small things, else with the global allocator: those are its *apart* bytes.

use crate::Kind;
use crate::hash::Hash;
use crate::list::List;
use crate::members::Members;
use crate::set::Set;
use crate::stream::Stream;
use crate::table::Ground;
use crate::zset::Zset;

/// Freed at once up to this weight: some 10 µs.
pub const WEIGHT_AT_ONCE: usize = 64;

pub enum Object {
    List(List),
    Set(Set),
    Hash(Hash),
    Zset(Zset),
    Stream(Stream),
}

/// Calls the same method of whichever it is.
macro_rules! each {
    ($object:expr, $it:ident => $call:expr) => {
        match $object {
            Object::List($it) => $call,
            Object::Set($it) => $call,
            Object::Hash($it) => $call,
            Object::Zset($it) => $call,
            Object::Stream($it) => $call,
        }
    };
}

impl Object {
    pub fn kind(&self) -> Kind {
        match self {
            Object::List(_) => Kind::List,
            Object::Set(_) => Kind::Set,
            Object::Hash(_) => Kind::Hash,
            Object::Zset(_) => Kind::Zset,
            Object::Stream(_) => Kind::Stream,
        }
    }

    /// Where its members lie, if they are found by name.
    pub fn members_mut(&mut self) -> Option<&mut Members> {
        match self {
            Object::Set(set) => Some(set.members_mut()),
            Object::Hash(hash) => Some(hash.members_mut()),
            Object::Zset(zset) => Some(zset.members_mut()),
            Object::List(_) | Object::Stream(_) => None,
        }
    }

    /// What OBJECT ENCODING calls it.
    pub fn encoding(&self) -> &'static str {
        each!(self, it => it.encoding())
    }

    /// Bytes that are not in the store's heap. O(1), and the same as long as the object is not changed.
    pub fn apart_bytes(&self) -> usize {
        size_of::<Object>() + each!(self, it => it.apart_bytes())
    }

    /// All its bytes, for MEMORY USAGE: may estimate what would take a walk.
    pub fn allocated(&self) -> usize {
        size_of::<Object>() + each!(self, it => it.allocated())
    }

    /// How much work it is to free it, about 100 ns a unit.
    pub fn weight(&self) -> usize {
        each!(self, it => it.weight())
    }

    /// Frees about `units` of it; true while there is more. It is fit for nothing else once this was called.
    pub fn bury(&mut self, ground: &mut Ground, units: usize) -> bool {
        each!(self, it => it.bury(ground, units))
    }

    /// Checks every invariant; panics with what is wrong. Adds what it holds to `held`.
    pub fn verify(&self, ground: &Ground, held: &mut Held) {
        each!(self, it => it.verify(ground, held));
    }
}

/// What objects hold, for checks.
#[derive(Default)]
pub struct Held {
    /// Bytes in blocks of the store's heap, table segments not among them.
    pub blocks: usize,
    /// Bytes of tables' directories.
    pub directories: usize,
}
