//! Room: store. The members of a set, the fields of a hash, the members of a sorted set: found by name, walked in hash
//! order, drawn at random. Touches: nothing beyond this crate.
//!
//! They are entries in a table of the store's own kind, so that a set of millions grows in small steps, a walk's cursor
//! survives that, large values are shared with replies, and a field can have a deadline.

use crate::entry::{Content, Facts, Owned, Ref};
use crate::object::Held;
use crate::rng::Rng;
use crate::table::{Ground, Spot, Table};
use crate::{Deadline, Kind};
use bytes::Bytes;

/// One member, borrowed.
#[derive(Clone, Copy)]
pub struct Member<'a>(Ref<'a>);

impl<'a> Member<'a> {
    #[inline]
    pub fn name(self) -> &'a [u8] {
        self.0.key()
    }

    #[inline]
    pub fn value(self) -> &'a [u8] {
        self.0.value()
    }

    /// The value, if it is large enough to be kept apart: a reply may share it.
    pub fn shared(self) -> Option<&'a Bytes> {
        self.0.shared()
    }

    pub(crate) fn entry(self) -> Ref<'a> {
        self.0
    }

    /// Unix ms.
    pub fn deadline(self) -> Option<u64> {
        self.0.deadline()
    }
}

pub struct Members {
    table: Table,
    /// Bytes of values that are kept apart from their entries.
    apart_bytes: usize,
}

impl Members {
    pub fn new(ground: &mut Ground) -> Members {
        Members { table: Table::new(ground), apart_bytes: 0 }
    }

    /// Before there will be so many, as of a table.
    pub fn expect(&mut self, ground: &mut Ground, members: usize) {
        self.table.expect(ground, members);
    }

    pub fn expect_no_more(&mut self) {
        self.table.expect_no_more();
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Bytes that are not in the store's heap; the directory of a table counts apart (`Ground::directory_bytes`).
    pub fn apart_bytes(&self) -> usize {
        self.apart_bytes
    }

    #[inline]
    pub fn find(&self, ground: &Ground, name: &[u8]) -> Option<Spot> {
        self.table.find(ground.keyed.hash(name), name)
    }

    #[inline]
    pub fn at(&self, spot: Spot) -> Member<'_> {
        Member(self.table.entry(spot))
    }

    #[inline]
    pub fn get(&self, ground: &Ground, name: &[u8]) -> Option<Member<'_>> {
        self.find(ground, name).map(|spot| self.at(spot))
    }

    /// Some member with this hash and deadline.
    pub fn find_timed(&self, ground: &Ground, hash: u64, deadline: u64) -> Option<Spot> {
        self.table.find_by(hash, |raw| raw.deadline() == Some(deadline) && ground.keyed.hash(raw.key()) == hash)
    }

    /// Whether there is one with this hash and deadline beside the one at `spot`.
    pub fn has_other_timed(&self, ground: &Ground, hash: u64, spot: Spot, deadline: u64) -> bool {
        let mine = self.table.entry(spot).key();
        self.table
            .find_by(hash, |raw| {
                raw.deadline() == Some(deadline) && raw.key() != mine && ground.keyed.hash(raw.key()) == hash
            })
            .is_some()
    }

    /// Adds what is not there yet.
    pub fn insert(&mut self, ground: &mut Ground, name: &[u8], value: &[u8]) -> Spot {
        let hash = ground.keyed.hash(name);
        let facts = Facts {
            key: name,
            content: Content::copied(value),
            age: 0,
            kind: Kind::String,
            form: 0,
            deadline: None,
            version: None,
            flags: 0,
            fetched: false,
        };
        let entry = Owned::build(&mut ground.heap, facts);
        self.apart_bytes += entry.get().apart_bytes();
        self.table.insert(ground, hash, entry)
    }

    /// Another value. The deadline goes, stays or is set as told.
    pub fn replace(&mut self, ground: &mut Ground, spot: Spot, value: &[u8], deadline: Deadline) {
        self.change(ground, spot, Some(Content::copied(value)), deadline);
    }

    pub fn set_deadline(&mut self, ground: &mut Ground, spot: Spot, deadline: Option<u64>) {
        self.change(ground, spot, None, deadline.map_or(Deadline::None, Deadline::At));
    }

    /// Overwrites a value with one of the same length. Only where it is not kept apart.
    pub fn overwrite(&mut self, spot: Spot, value: &[u8]) {
        self.table.entry_mut(spot).overwrite(value);
    }

    fn change(&mut self, ground: &mut Ground, spot: Spot, content: Option<Content<'_>>, deadline: Deadline) {
        let apart_bytes = &mut self.apart_bytes;
        self.table.update(spot, |entry| {
            *apart_bytes -= entry.get().apart_bytes();
            let new = {
                let facts = entry.get().facts();
                let deadline = match deadline {
                    Deadline::None => None,
                    Deadline::Keep => facts.deadline,
                    Deadline::At(at) => Some((at, 0)),
                };
                match content {
                    Some(content) => Owned::build(&mut ground.heap, Facts { content, deadline, ..facts }),
                    None => Owned::build(&mut ground.heap, Facts { deadline, ..facts }),
                }
            };
            entry.free(&mut ground.heap);
            *apart_bytes += new.get().apart_bytes();
            new
        });
    }

    pub fn remove(&mut self, ground: &mut Ground, spot: Spot) {
        self.apart_bytes -= self.table.entry(spot).apart_bytes();
        let entry = self.table.remove(ground, spot);
        entry.free(&mut ground.heap);
    }

    /// Some member, for a random `hash`. None if there is none.
    pub fn random(&self, hash: u64) -> Option<Spot> {
        self.table.near(hash)
    }

    /// Some member, each as likely as any other. None if there is none.
    pub fn draw(&self, ground: &Ground, rng: &mut Rng) -> Option<Spot> {
        self.table.draw(ground, rng)
    }

    /// Visits members from `cursor` on, as `Store::scan` does. The next cursor, 0 at the end.
    pub fn scan(&self, ground: &Ground, cursor: u64, count: usize, mut visit: impl FnMut(Member<'_>)) -> u64 {
        self.table.scan(&ground.keyed, cursor, count, |raw| visit(Member(raw)))
    }

    /// Frees about `count` members; true while there are more. Fit for nothing else once this was called.
    pub fn bury(&mut self, ground: &mut Ground, count: usize) -> bool {
        let apart_bytes = &mut self.apart_bytes;
        self.table.bury(ground, count, |raw| *apart_bytes -= raw.as_ref().apart_bytes())
    }

    /// As `Object::verify`.
    pub(crate) fn verify(&self, ground: &Ground, held: &mut Held, mut check: impl FnMut(Ref<'_>)) {
        let mut apart = 0;
        self.table.verify(ground, |_, raw| {
            apart += raw.apart_bytes();
            held.blocks += raw.block_allocated();
            check(raw);
        });
        held.directories += self.table.directory_bytes();
        assert_eq!(apart, self.apart_bytes, "bytes of values kept apart");
    }

    /// All bytes, about: for MEMORY USAGE.
    pub fn allocated(&self) -> usize {
        // A slot at the usual load, and what the first few members take.
        const SLOT_BYTES: usize = 10;
        const LOOKED_AT: usize = 16;
        let (mut seen, mut bytes) = (0, 0);
        let step = (u64::MAX / LOOKED_AT as u64).max(1);
        for i in 0..LOOKED_AT as u64 {
            if let Some(spot) = self.table.near(i.wrapping_mul(step)) {
                seen += 1;
                bytes += self.table.entry(spot).block_allocated();
            }
        }
        let entries = (bytes * self.len()).checked_div(seen).unwrap_or(0);
        entries + self.len() * SLOT_BYTES + self.apart_bytes + self.table.directory_bytes()
    }
}
