//! Room: store. The index of fields' deadlines: which hash loses a field next, and when. Touches: base.
//!
//! A timing wheel of its own (`Store::fields`) has one timer for each hash that has fields with deadlines, for the earliest
//! of them. The hash knows its timer (`hash::timer`), so that whoever changes, moves or frees it brings the wheel along.

use crate::cell::Entry;
use crate::entry::Ref;
use crate::hash::{self, Packed, TIMED};
use crate::object::Object;
use crate::store::{Place, Store};
use crate::table::Spot;
use crate::wheel::{Step, Timer, WHEN_MAX};
use base::DbId;

/// A hash that has lost fields by their deadlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faded {
    pub db: DbId,
    pub key: Box<[u8]>,
    /// The last field went, and the key with it.
    pub gone: bool,
}

/// When the next field of the entry goes, and the timer for that. None of all but hashes.
#[inline]
pub(crate) fn timer_of(raw: Ref<'_>) -> Option<(u64, u32)> {
    if !raw.may_have_timed_fields() {
        return None;
    }
    match raw.object() {
        Some(Object::Hash(hash)) => hash.timer(),
        Some(_) => None,
        None => hash::timer(raw.value()),
    }
}

/// Whether it is a hash of which no field is left at `now_ms`.
#[inline]
pub(crate) fn is_over(raw: Ref<'_>, now_ms: u64) -> bool {
    timer_of(raw).is_some_and(|(when, _)| when <= now_ms) && all_due(raw, now_ms)
}

#[cold]
fn all_due(raw: Ref<'_>, now_ms: u64) -> bool {
    match raw.object() {
        Some(Object::Hash(hash)) => hash.is_over(now_ms),
        Some(_) => false,
        None => {
            let packed = Packed::new(TIMED, raw.value());
            packed.places().all(|place| packed.deadline(place).is_some_and(|deadline| deadline <= now_ms))
        }
    }
}

fn next_deadline(raw: Ref<'_>) -> Option<u64> {
    match raw.object() {
        Some(Object::Hash(hash)) => hash.next_deadline(),
        Some(_) => None,
        None => Packed::new(TIMED, raw.value()).next_deadline(),
    }
}

impl Store {
    /// Brings the timer of the entry at `spot` to its next field's deadline.
    pub(crate) fn set_field_timer(&mut self, table: u16, hash: u64, spot: Spot, now_ms: u64) {
        let raw = self.places[table as usize].table.entry(spot);
        if !raw.may_have_timed_fields() {
            return;
        }
        let (timer, next) = (timer_of(raw), next_deadline(raw));
        if timer.map(|(when, _)| when) == next {
            return;
        }
        let timer = match (timer, next) {
            (Some((_, node)), Some(when)) => {
                self.fields.set(node, when);
                Some((when, node))
            }
            (Some((_, node)), None) => {
                self.fields.remove(node);
                None
            }
            (None, next) => next.map(|when| (when, self.fields.add(Timer { table, hash, when }, now_ms))),
        };
        self.note_field_timer(table, spot, timer);
    }

    /// Writes down in the hash which timer is its own.
    fn note_field_timer(&mut self, table: u16, spot: Spot, timer: Option<(u64, u32)>) {
        let mut raw = self.places[table as usize].table.entry_mut(spot);
        match raw.object_mut() {
            Some(Object::Hash(hash)) => hash.set_timer(timer),
            Some(_) => {}
            None => raw.patch(0, &hash::head(timer)),
        }
    }

    /// Frees the timer of an entry that is about to go, or to be moved.
    #[inline]
    pub(crate) fn forget_field_timer(&mut self, table: u16, spot: Spot) {
        if let Some((_, node)) = timer_of(self.places[table as usize].table.entry(spot)) {
            self.fields.remove(node);
            self.note_field_timer(table, spot, None);
        }
    }

    /// A lookup has met a hash of which fields are due: they go. None if the key goes as well.
    #[cold]
    pub(crate) fn meet_due_fields(&mut self, table: u16, hash: u64, spot: Spot, now_ms: u64) -> Option<Spot> {
        if self.is_pinned(table, hash) || self.image_spares(table, spot) {
            return Some(spot);
        }
        self.remove_due_fields(table, spot, now_ms, hash::DUE_AT_ONCE).map(|_| spot)
    }

    /// Removes fields that are due at `now_ms`, at most `max` of a large hash; how many. None if the key went with them.
    pub(crate) fn remove_due_fields(&mut self, table: u16, spot: Spot, now_ms: u64, max: usize) -> Option<usize> {
        let raw = self.places[table as usize].table.entry(spot);
        let gone = is_over(raw, now_ms);
        if self.notes_faded
            && let Some(db) = self.places[table as usize].db
        {
            self.faded.push(Faded { db, key: raw.key().into(), gone });
        }
        if gone {
            self.counters.expired_fields += self.entry(table, spot).fields(0).map_or(0, |fields| fields.len() as u64);
            // Freed in steps if it is large.
            self.discard(table, spot);
            return None;
        }
        let hash = self.ground.keyed.hash(raw.key());
        if self.image.is_some() {
            self.image_first(table, spot);
        }
        let Store { places, ground, apart_bytes, .. } = &mut *self;
        let entries = &mut places[table as usize].table;
        let removed = match entries.entry_mut(spot).object_mut() {
            Some(Object::Hash(hash)) => {
                let before = hash.apart_bytes();
                let removed = hash.remove_due(ground, now_ms, max);
                *apart_bytes = *apart_bytes - before + hash.apart_bytes();
                removed
            }
            Some(_) => 0,
            None => {
                let value = entries.entry(spot).value();
                let (len, timer) = (value.len(), hash::timer(value));
                let (mut kept, removed) = Packed::new(TIMED, value).without_due(now_ms);
                kept[..hash::HEAD_BYTES].copy_from_slice(&hash::head(timer));
                entries.update(spot, |entry| entry.splice(&mut ground.heap, 0, len, &kept));
                removed
            }
        };
        self.counters.expired_fields += removed as u64;
        self.set_field_timer(table, hash, spot, now_ms);
        if removed > 0
            && let Some(journal) = &mut self.journal
            && let Place { table: entries, db: Some(db) } = &self.places[table as usize]
        {
            journal.at(*db, entries.entry(spot).key()).due(now_ms);
        }
        if removed > 0 && self.places[table as usize].table.entry(spot).version().is_some() {
            let version = self.next_version();
            self.places[table as usize].table.entry_mut(spot).set_version(version);
        }
        Some(removed)
    }

    /// The part of `expire` that is about fields: `removals` and `moves` are what may still be done. True if more is due.
    pub(crate) fn expire_fields(&mut self, now_ms: u64, removals: &mut usize, moves: &mut usize) -> bool {
        let mut pinned = Vec::new();
        while *removals > 0 && *moves > 0 {
            match self.fields.step(now_ms) {
                Step::Done => break,
                Step::Moved => *moves -= 1,
                Step::Due(node) => {
                    let Timer { table, hash, when } = self.fields.timer(node);
                    if self.is_pinned(table, hash) {
                        pinned.push(node);
                        *moves -= 1;
                        continue;
                    }
                    let Place { table: entries, db } = &self.places[table as usize];
                    if db.is_none() {
                        // Of a flushed database: freed with its entry.
                        *moves -= 1;
                        continue;
                    }
                    let spot = entries
                        .find_by(hash, |raw| timer_of(raw).is_some_and(|(_, mine)| mine == node))
                        .expect("a timer's hash is in its table");
                    if self.image_spares(table, spot) {
                        pinned.push(node);
                        *moves -= 1;
                        continue;
                    }
                    // Back into its list: more may be due at the same time.
                    self.fields.set(node, when);
                    let removed = self.remove_due_fields(table, spot, now_ms, *removals).unwrap_or(1);
                    *removals = removals.saturating_sub(removed.max(1));
                }
            }
        }
        let due = self.fields.is_due(now_ms);
        pinned.into_iter().for_each(|node| self.fields.put_back(node));
        due
    }

    /// The entry at `key` as it is now: nothing expires, is counted or renewed. None if it should have expired. For commands
    /// that look at several keys at once.
    pub fn glance(&self, db: DbId, key: &[u8], now_ms: u64) -> Option<Entry<'_>> {
        let table = self.dbs[db.index()];
        let hash = self.ground.keyed.hash(key);
        let entries = &self.places[table as usize].table;
        let spot = entries.find(hash, key)?;
        let raw = entries.entry(spot);
        let over = raw.deadline().is_some_and(|deadline| deadline <= now_ms) || is_over(raw, now_ms);
        (!over || self.is_pinned(table, hash)).then(|| self.entry(table, spot))
    }

    /// A random number, for commands that draw elements.
    pub fn draw(&mut self) -> u64 {
        self.rng.draw()
    }

    /// Whether hashes that lose fields are to be told of by `take_faded`: for keyspace events.
    pub fn note_faded(&mut self, wanted: bool) {
        self.notes_faded = wanted;
        if !wanted {
            self.faded.clear();
        }
    }

    /// What has been noted since the last call.
    pub fn take_faded(&mut self) -> Vec<Faded> {
        std::mem::take(&mut self.faded)
    }

    /// `verify`'s part for one entry; 1 if it has a timer.
    pub(crate) fn verify_field_timer(&self, table: u16, hash: u64, raw: Ref<'_>) -> usize {
        let Some((when, node)) = timer_of(raw) else {
            assert!(!raw.may_have_timed_fields() || next_deadline(raw).is_none(), "a hash with deadlines has a timer");
            return 0;
        };
        assert_eq!(Some(when), next_deadline(raw), "a hash's timer is for its next field");
        assert_eq!(self.fields.timer(node), Timer { table, hash, when: when.min(WHEN_MAX) });
        assert!(!self.fields.is_idle(node), "a timer of a database can fire");
        1
    }
}
