//! Room: store. The store as its callers see it: databases over tables, deadlines, memory. Touches: base.
//!
//! A database is a number that names a table; tables have numbers of their own, which entries' timers carry. So two databases
//! are swapped, or one is emptied, without touching an entry: what `flush` detaches keeps its number in the graveyard until `bury`
//! has freed it, and timers of a table in the graveyard never fire.

use crate::cell::{Cell, Entry};
use crate::evict::Pool;
use crate::fields::{self, Faded};
use crate::image::{Image, Leaving, Remarking};
use crate::journal::Journal;
use crate::object::{Held, Object, WEIGHT_AT_ONCE};
use crate::rng::Rng;
use crate::table::{Ground, Spot, Table};
use crate::wheel::{Step, Timer, WHEN_MAX, Wheel};
use crate::{Counters, Packing, Policy, StoreOptions, Tuning, age};
use base::DbId;
use std::collections::VecDeque;

/// Segments are split around this many entries: a split takes some 20 µs, the directory 16 bytes a segment, and the size
/// classes that segments spread over stay few enough to be full at a million keys.
const SEGMENT_LENGTH: usize = 512;
/// Databases up to this size are freed by `flush` itself.
const FLUSH_ENTRIES_AT_ONCE: usize = 64;
/// `random_key` gives up after meeting this many expired entries.
const RANDOM_TRIES: usize = 100;
/// Timers that `expire` moves, or finds buried, for each entry that it may remove: each is a fraction of a removal's work.
const MOVES_PER_REMOVAL: usize = 8;
/// Slots whose entries `bury` marks for each entry that it may free: no memory is given back.
const REMARKS_PER_BURIAL: usize = 8;
/// `next_deadline` is rounded up to this: one wake-up serves some neighbours, none is 10 ms late.
const WAKE_UNIT_MS: u64 = 8;

/// A table and the database that it is, unless it is in the graveyard.
pub(crate) struct Place {
    pub(crate) table: Table,
    pub(crate) db: Option<DbId>,
}

/// One shard's data.
pub struct Store {
    pub(crate) ground: Ground,
    /// By table number.
    pub(crate) places: Vec<Place>,
    /// Database to table number.
    pub(crate) dbs: Vec<u16>,
    /// Table numbers without a table.
    vacant: Vec<u16>,
    graves: VecDeque<u16>,
    /// Objects of entries that are gone, freed in steps. Their apart bytes are counted until then.
    objects: VecDeque<Box<Object>>,
    pub(crate) wheel: Wheel,
    /// Of hashes whose fields have deadlines (`fields.rs`).
    pub(crate) fields: Wheel,
    pub(crate) faded: Vec<Faded>,
    /// Keys that somebody looked up after their deadline, for whoever wants to know.
    lapsed: Vec<(DbId, Box<[u8]>)>,
    pub(crate) notes_faded: bool,
    pub(crate) tuning: Tuning,
    pub(crate) counters: Counters,
    pub(crate) rng: Rng,
    pub(crate) pool: Pool,
    /// The last version that was given to an entry.
    version: u64,
    /// Up to where the journal has versions given out.
    pub(crate) versions_noted: u64,
    /// What typed calls do, for whoever keeps or passes it on.
    pub(crate) journal: Option<Box<Journal>>,
    /// Bytes of values that are kept apart from their entries.
    pub(crate) apart_bytes: usize,
    /// Entries that must not go of themselves: (table, hash of the key).
    pinned: Vec<(u16, u64)>,
    /// The table in which large values are made before they take their keys' places: it is in no database and in no graveyard.
    workshop: Option<u16>,
    pub(crate) image: Option<Box<Image>>,
    pub(crate) remarking: Option<Remarking>,
}

impl Store {
    pub fn new(options: StoreOptions) -> Store {
        Store::with_segment_length(options, SEGMENT_LENGTH)
    }

    /// For tests: small segments reach every depth with few entries.
    #[doc(hidden)]
    pub fn with_segment_length(options: StoreOptions, segment_length: usize) -> Store {
        let databases = options.databases.max(1);
        let mut ground = Ground::new(options.hash_seed, segment_length);
        let places = (0..databases).map(|i| Place { table: Table::new(&mut ground), db: Some(DbId(i)) }).collect();
        Store {
            ground,
            places,
            dbs: (0..databases).collect(),
            vacant: Vec::new(),
            graves: VecDeque::new(),
            objects: VecDeque::new(),
            wheel: Wheel::new(),
            fields: Wheel::new(),
            faded: Vec::new(),
            lapsed: Vec::new(),
            notes_faded: false,
            tuning: Tuning {
                policy: Policy::NoEviction,
                samples: 5,
                lfu_log_factor: 10,
                lfu_decay_minutes: 1,
                packing: Packing::default(),
            },
            counters: Counters::default(),
            rng: Rng::new(options.seed ^ 0x13198a2e03707344),
            pool: Pool::default(),
            version: 0,
            versions_noted: 0,
            journal: None,
            apart_bytes: 0,
            pinned: Vec::new(),
            workshop: None,
            image: None,
            remarking: None,
        }
    }

    /// Policy and what belongs to it; may be called any time.
    pub fn tune(&mut self, tuning: Tuning) {
        if tuning != self.tuning {
            self.pool.clear();
            self.tuning = tuning;
        }
    }

    pub fn databases(&self) -> u16 {
        self.dbs.len() as u16
    }

    /// Looks a key up for a command that reads its value: counts a hit or a miss, renews its age when `touch`.
    /// An entry whose deadline is <= `now_ms` is removed (counted as expired) and not seen.
    #[inline]
    pub fn read(&mut self, db: DbId, key: &[u8], now_ms: u64, touch: bool) -> Option<Entry<'_>> {
        let hash = self.ground.keyed.hash(key);
        let table = self.dbs[db.index()];
        let Some(spot) = self.lookup(table, hash, key, now_ms) else {
            self.counters.misses += 1;
            return None;
        };
        self.counters.hits += 1;
        if touch {
            self.touch(table, spot, now_ms);
        }
        Some(self.entry(table, spot))
    }

    /// The same without counting and without renewing the age (TYPE, TTL, OBJECT, EXISTS with no-touch, ...).
    #[inline]
    pub fn peek(&mut self, db: DbId, key: &[u8], now_ms: u64) -> Option<Entry<'_>> {
        let hash = self.ground.keyed.hash(key);
        let table = self.dbs[db.index()];
        let spot = self.lookup(table, hash, key, now_ms)?;
        Some(self.entry(table, spot))
    }

    /// The place of one key, for a command that may write. Expired entries are removed first. Neither counts nor renews the age.
    #[inline]
    pub fn cell<'a>(&'a mut self, db: DbId, key: &'a [u8], now_ms: u64) -> Cell<'a> {
        let hash = self.ground.keyed.hash(key);
        let table = self.dbs[db.index()];
        let spot = self.lookup(table, hash, key, now_ms);
        Cell { store: self, table, hash, key, spot, now_ms }
    }

    /// Counts a hit or a miss, for a `cell` user that wants Redis's `keyspace_hits` and `keyspace_misses`.
    pub fn count(&mut self, hit: bool) {
        self.counters.hits += u64::from(hit);
        self.counters.misses += u64::from(!hit);
    }

    /// So many entries are about to come into a database that has none: room is made for them. What somebody claims the caller
    /// holds against what can be. Says nothing new where there is something, or was.
    pub fn expect(&mut self, db: DbId, entries: usize) {
        let Store { places, ground, dbs, .. } = self;
        places[dbs[db.index()] as usize].table.expect(ground, entries);
    }

    /// What was expected, in any database, has come.
    pub fn expect_no_more(&mut self) {
        self.places.iter_mut().for_each(|place| place.table.expect_no_more());
    }

    /// Asks the CPU to bring the key's table slot near. No effect that a caller can see.
    #[inline]
    pub fn prefetch(&self, db: DbId, key: &[u8]) {
        self.places[self.dbs[db.index()] as usize].table.prefetch(self.ground.keyed.hash(key));
    }

    /// As `prefetch`, for a key that is about to be added: what an insertion changes besides comes too.
    #[inline]
    pub fn prefetch_to_insert(&self, db: DbId, key: &[u8]) {
        self.places[self.dbs[db.index()] as usize].table.prefetch_to_insert(self.ground.keyed.hash(key));
    }

    /// Asks the CPU to bring the key's entry near, through its slot, which an earlier `prefetch` asked for.
    #[inline]
    pub fn prefetch_entry(&self, db: DbId, key: &[u8]) {
        self.places[self.dbs[db.index()] as usize].table.prefetch_entry(self.ground.keyed.hash(key));
    }

    /// 64 bits of the seeded hash of (db, key): what lock tables use. Never 0.
    #[inline]
    pub fn fingerprint(&self, db: DbId, key: &[u8]) -> u64 {
        (self.ground.keyed.hash(key) ^ u64::from(db.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1)
    }

    /// Entries, expired-but-unseen ones included.
    pub fn len(&self, db: DbId) -> usize {
        self.table(db).len()
    }

    /// How many entries have a deadline.
    pub fn with_deadline(&self, db: DbId) -> usize {
        self.table(db).deadlines
    }

    /// The mean of the times that remain (INFO's `avg_ttl`), ms; 0 when no entry has a deadline.
    pub fn deadline_average_ms(&self, db: DbId, now_ms: u64) -> u64 {
        let table = self.table(db);
        let mean = table.deadline_sum.checked_div(table.deadlines as u128).unwrap_or(0);
        (mean as u64).saturating_sub(now_ms)
    }

    /// Visits entries from `cursor` (0 starts) in hash order and stops after the first position at which `count` were seen, or after
    /// a walk in proportion to `count`; returns the next cursor, 0 at the end. An entry that is present from start to end is
    /// visited exactly once, whatever is inserted, deleted, grown or shrunk in between. Cursors are below 2^48; made-up
    /// ones are harmless. Expired entries are skipped, not removed.
    pub fn scan(
        &self,
        db: DbId,
        cursor: u64,
        count: usize,
        now_ms: u64,
        mut visit: impl FnMut(&[u8], Entry<'_>),
    ) -> u64 {
        self.scan_all(db, cursor, count, now_ms, |key, entry| {
            if let Some(entry) = entry {
                visit(key, entry);
            }
        })
    }

    /// The same; expired entries are visited too, as keys without an entry.
    pub fn scan_all(
        &self,
        db: DbId,
        cursor: u64,
        count: usize,
        now_ms: u64,
        mut visit: impl FnMut(&[u8], Option<Entry<'_>>),
    ) -> u64 {
        self.table(db).scan(&self.ground.keyed, cursor, count, |raw| {
            let here = raw.deadline().is_none_or(|deadline| deadline > now_ms) && !fields::is_over(raw, now_ms);
            visit(raw.key(), here.then(|| Entry::new(raw, self)));
        })
    }

    /// The key of some entry; expired ones it meets are removed. None when there is none, or only expired ones are met.
    pub fn random_key(&mut self, db: DbId, now_ms: u64) -> Option<Vec<u8>> {
        let number = self.dbs[db.index()];
        for _ in 0..RANDOM_TRIES {
            let hash = self.rng.draw();
            let table = &self.places[number as usize].table;
            let spot = table.near(hash)?;
            let raw = table.entry(spot);
            if raw.deadline().is_none_or(|deadline| deadline > now_ms) && !fields::is_over(raw, now_ms) {
                return Some(raw.key().to_vec());
            }
            if self.is_pinned(number, self.ground.keyed.hash(raw.key())) {
                continue;
            }
            self.lapse(number, spot);
        }
        None
    }

    /// Empties a database at once; what it held goes to the graveyard.
    pub fn flush(&mut self, db: DbId) {
        let old = self.dbs[db.index()];
        let len = self.places[old as usize].table.len();
        let new = self.add_table(Some(db));
        self.dbs[db.index()] = new;
        self.places[old as usize].db = None;
        if len > 0
            && let Some(journal) = &mut self.journal
        {
            journal.flush(db);
        }
        if len <= FLUSH_ENTRIES_AT_ONCE && !self.image_holds(old) {
            self.bury_table(old, usize::MAX);
        } else {
            self.graves.push_back(old);
        }
    }

    /// An empty table; its number.
    fn add_table(&mut self, db: Option<DbId>) -> u16 {
        if self.vacant.is_empty() && self.places.len() > u16::MAX as usize {
            // No number is left: tens of thousands of flushes without a `bury`.
            while self.vacant.is_empty() && self.next_grave().is_some() {
                self.bury(usize::MAX);
            }
            if self.vacant.is_empty() {
                self.image_hurry();
                while self.vacant.is_empty() && self.bury(usize::MAX) {}
            }
        }
        let place = Place { table: Table::new(&mut self.ground), db };
        match self.vacant.pop() {
            Some(number) => {
                self.places[number as usize] = place;
                number
            }
            None => {
                self.places.push(place);
                u16::try_from(self.places.len() - 1).expect("numbers were freed above")
            }
        }
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: DbId, b: DbId) {
        self.dbs.swap(a.index(), b.index());
        for db in [a, b] {
            self.places[self.dbs[db.index()] as usize].db = Some(db);
        }
        if (a != b)
            && let Some(journal) = &mut self.journal
        {
            journal.swap(a, b);
        }
    }

    /// Frees what flushes left, about `entries` of them, and gives memory that nothing uses back. True while there is more.
    pub fn bury(&mut self, entries: usize) -> bool {
        self.bury_objects(entries.max(1));
        if self.objects.is_empty()
            && let Some(at) = self.next_grave()
            && !self.bury_table(self.graves[at], entries.max(1))
        {
            self.graves.remove(at);
        }
        let marks = self.remarking.is_some() && self.remark(entries.saturating_mul(REMARKS_PER_BURIAL));
        self.ground.heap.release(1) || marks || self.next_grave().is_some() || !self.objects.is_empty()
    }

    /// Where the next table stands that can be freed.
    fn next_grave(&self) -> Option<usize> {
        self.graves.iter().position(|&number| !self.image_holds(number))
    }

    /// The object of the entry, if it is one, goes, and the timer of a hash; the entry is to be freed or to be given another content next. What is apart of
    /// it is counted until it is freed.
    pub(crate) fn part_with_object(&mut self, table: u16, spot: Spot) {
        let leaving = if self.image.is_some() { self.image_leaving(table, spot) } else { Leaving::Free };
        self.forget_field_timer(table, spot);
        if let Some(object) = self.places[table as usize].table.entry_mut(spot).take_object() {
            self.image_keep(leaving, object);
        }
    }

    /// Frees what an entry that is gone was: at once if that is little work.
    pub(crate) fn bury_object(&mut self, mut object: Box<Object>) {
        if object.weight() > WEIGHT_AT_ONCE {
            return self.objects.push_back(object);
        }
        while self.bury_some(&mut object, usize::MAX) {}
    }

    fn bury_objects(&mut self, mut units: usize) {
        while units > 0
            && let Some(mut object) = self.objects.pop_front()
        {
            let weight = object.weight();
            if self.bury_some(&mut object, units) {
                return self.objects.push_front(object);
            }
            units = units.saturating_sub(weight.max(1));
        }
    }

    /// True while there is more of it.
    fn bury_some(&mut self, object: &mut Object, units: usize) -> bool {
        let before = object.apart_bytes();
        let more = object.bury(&mut self.ground, units);
        self.apart_bytes -= if more { before - object.apart_bytes() } else { before };
        more
    }

    /// True while there is more of this table.
    fn bury_table(&mut self, number: u16, entries: usize) -> bool {
        let Store { places, ground, wheel, fields, apart_bytes, objects, .. } = self;
        let more = places[number as usize].table.bury(ground, entries, |mut raw| {
            if let Some((_, node)) = fields::timer_of(raw.as_ref()) {
                fields.remove(node);
            }
            match raw.take_object() {
                Some(object) => objects.push_back(object),
                None => *apart_bytes -= raw.as_ref().apart_bytes(),
            }
            let raw = raw.as_ref();
            if let Some(node) = raw.node() {
                wheel.remove(node);
            }
        });
        if !more {
            self.vacant.push(number);
        }
        more
    }

    /// Removes entries whose deadline has come, at most `max` of them, in work bounded by `max`; `expired(db, key)` hears of each.
    /// True if more is due.
    pub fn expire(&mut self, now_ms: u64, max: usize, mut expired: impl FnMut(DbId, &[u8])) -> bool {
        let mut removals = max.max(1);
        let mut moves = removals.saturating_mul(MOVES_PER_REMOVAL);
        let mut pinned = Vec::new();
        while removals > 0 && moves > 0 {
            match self.wheel.step(now_ms) {
                Step::Done => break,
                Step::Moved => moves -= 1,
                Step::Due(node) if self.is_pinned(self.wheel.timer(node).table, self.wheel.timer(node).hash) => {
                    pinned.push(node);
                    moves -= 1;
                }
                Step::Due(node) => match self.find_timer(node) {
                    Some((table, spot)) => {
                        let Place { table: entries, db } = &self.places[table as usize];
                        expired(db.expect("find_timer passes over the graveyard"), entries.entry(spot).key());
                        self.discard(table, spot);
                        self.counters.expired += 1;
                        removals -= 1;
                    }
                    None => moves -= 1,
                },
            }
        }
        let due = self.wheel.is_due(now_ms);
        pinned.into_iter().for_each(|node| self.wheel.put_back(node));
        self.expire_fields(now_ms, &mut removals, &mut moves) || due
    }

    /// Until `unpin` the key neither expires nor is evicted: a command works on it in slices. Pins add up.
    pub fn pin(&mut self, db: DbId, key: &[u8]) {
        self.pin_hash(self.dbs[db.index()], self.ground.keyed.hash(key));
    }

    pub fn unpin(&mut self, db: DbId, key: &[u8]) {
        self.unpin_hash(self.dbs[db.index()], self.ground.keyed.hash(key));
    }

    /// Something for `key` is about to be made in the workshop.
    pub(crate) fn open_workshop(&mut self, key: &[u8]) {
        let table = self.workshop.unwrap_or_else(|| self.add_table(None));
        self.workshop = Some(table);
        self.pin_hash(table, self.ground.keyed.hash(key));
    }

    /// What is made for `key`. Its journal must be away.
    pub(crate) fn aside<'a>(&'a mut self, key: &'a [u8], now_ms: u64) -> Cell<'a> {
        let table = self.workshop.expect("callers have opened it");
        let hash = self.ground.keyed.hash(key);
        let spot = self.places[table as usize].table.find(hash, key);
        Cell { store: self, table, hash, key, spot, now_ms }
    }

    /// It was taken out.
    pub(crate) fn close_workshop(&mut self, key: &[u8]) {
        let table = self.workshop.expect("callers have opened it");
        self.unpin_hash(table, self.ground.keyed.hash(key));
    }

    fn is_working(&self) -> bool {
        self.workshop.is_some_and(|table| self.places[table as usize].table.len() > 0)
    }

    pub(crate) fn pin_hash(&mut self, table: u16, hash: u64) {
        self.pinned.push((table, hash));
    }

    pub(crate) fn unpin_hash(&mut self, table: u16, hash: u64) {
        let pin = (table, hash);
        let at = self.pinned.iter().position(|&p| p == pin).expect("only what was pinned is unpinned");
        self.pinned.swap_remove(at);
    }

    #[inline]
    pub(crate) fn is_pinned(&self, table: u16, hash: u64) -> bool {
        !self.pinned.is_empty() && self.pinned.contains(&(table, hash))
    }

    /// When `expire` should be called next: Unix ms, never later than the earliest deadline + 10 ms, maybe earlier (an inner step of
    /// the index).
    pub fn next_deadline(&self) -> Option<u64> {
        let next = match (self.wheel.next(), self.fields.next()) {
            (Some(key), Some(field)) => Some(key.min(field)),
            (key, field) => key.or(field),
        };
        next.map(|next| next.next_multiple_of(WAKE_UNIT_MS))
    }

    /// Removes one entry by the policy. Bytes freed (allocation size), None when the policy finds nothing to remove.
    pub fn evict_one(&mut self, now_ms: u64, mut evicted: impl FnMut(DbId, &[u8])) -> Option<usize> {
        let (table, spot) = self.unpinned_victim(now_ms)?;
        let Place { table: entries, db } = &self.places[table as usize];
        evicted(db.expect("victims are looked for in databases"), entries.entry(spot).key());
        self.counters.evicted += 1;
        Some(self.discard(table, spot))
    }

    fn unpinned_victim(&mut self, now_ms: u64) -> Option<(u16, Spot)> {
        // Pins are few: another draw finds another entry, if there is one.
        const DRAWS: usize = 4;
        (0..DRAWS).find_map(|_| {
            let (table, spot) = self.victim(now_ms)?;
            let hash = self.ground.keyed.hash(self.places[table as usize].table.entry(spot).key());
            (!self.is_pinned(table, hash)).then_some((table, spot))
        })
    }

    /// Bytes that the tables, indexes and entries hold.
    pub fn bytes(&self) -> usize {
        self.ground.heap.used()
            + self.ground.directory_bytes
            + self.apart_bytes
            + self.wheel.bytes()
            + self.fields.bytes()
            + self.ground.heap.lost()
    }

    /// Those of tables, the deadline index and what memory management cannot use.
    pub fn overhead_bytes(&self) -> usize {
        let wheels = self.wheel.bytes() + self.fields.bytes();
        self.ground.segment_bytes + self.ground.directory_bytes + wheels + self.ground.heap.lost()
    }

    /// Bytes that the store has from the allocator and keeps for entries to come: what an allocator's count shows beyond `bytes`.
    pub fn spare_bytes(&self) -> usize {
        self.ground.heap.spare()
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }

    /// Checks every invariant; panics with what is wrong. For tests and simulation.
    pub fn verify(&self) {
        self.wheel.verify();
        self.fields.verify();
        let (mut timers, mut field_timers, mut entries_bytes, mut apart) = (0, 0, 0, 0);
        let mut held = Held::default();
        for (i, &number) in self.dbs.iter().enumerate() {
            let Place { table, db } = &self.places[number as usize];
            assert_eq!(*db, Some(DbId(i as u16)), "a database and its table know each other");
            let (mut deadlines, mut sum) = (0, 0);
            table.verify(&self.ground, |hash, raw| {
                entries_bytes += raw.block_allocated();
                apart += raw.apart_bytes();
                field_timers += self.verify_field_timer(number, hash, raw);
                let written = raw.mark() == self.ground.heap.mark;
                assert!(written || self.may_be_unwritten(number, hash), "an entry has the present mark");
                if let Some(object) = raw.object() {
                    object.verify(&self.ground, &mut held);
                }
                if let (Some(deadline), Some(node)) = (raw.deadline(), raw.node()) {
                    deadlines += 1;
                    sum += u128::from(deadline);
                    let timer = Timer { table: number, hash, when: deadline.min(WHEN_MAX) };
                    assert_eq!(self.wheel.timer(node), timer, "an entry's timer is its own");
                    assert!(!self.wheel.is_idle(node), "a timer of a database can fire");
                }
            });
            assert_eq!((table.deadlines, table.deadline_sum), (deadlines, sum), "deadlines of a table");
            timers += deadlines;
        }
        let keeping = self.image.as_ref().is_some_and(|image| image.is_keeping());
        if self.graves.is_empty() && self.objects.is_empty() && !keeping && !self.is_working() {
            assert_eq!(timers, self.wheel.live(), "every timer has an entry");
            assert_eq!(field_timers, self.fields.live(), "every timer of fields has a hash");
            assert_eq!(apart, self.apart_bytes, "bytes kept apart");
            assert_eq!(
                entries_bytes + held.blocks + self.ground.segment_bytes,
                self.ground.heap.used(),
                "bytes of entries, objects and segments"
            );
            let directories: usize = self.places.iter().map(|place| place.table.directory_bytes()).sum();
            assert_eq!(directories + held.directories, self.ground.directory_bytes);
        }
    }

    fn table(&self, db: DbId) -> &Table {
        &self.places[self.dbs[db.index()] as usize].table
    }

    #[inline]
    pub(crate) fn entry(&self, table: u16, spot: Spot) -> Entry<'_> {
        Entry::new(self.places[table as usize].table.entry(spot), self)
    }

    /// Where the key is, unless its deadline has come: then it is removed.
    #[inline]
    fn lookup(&mut self, table: u16, hash: u64, key: &[u8], now_ms: u64) -> Option<Spot> {
        let entries = &self.places[table as usize].table;
        let spot = entries.find(hash, key)?;
        if entries.entry(spot).is_simple() {
            return Some(spot);
        }
        if entries.entry(spot).deadline().is_some_and(|deadline| deadline <= now_ms) && !self.is_pinned(table, hash) {
            self.lapse(table, spot);
            return None;
        }
        if fields::timer_of(entries.entry(spot)).is_some_and(|(when, _)| when <= now_ms) {
            return self.meet_due_fields(table, hash, spot, now_ms);
        }
        Some(spot)
    }

    #[inline]
    pub(crate) fn touch(&mut self, table: u16, spot: Spot, now_ms: u64) {
        let mut raw = self.places[table as usize].table.entry_mut(spot);
        let age = age::touched(&self.tuning, raw.as_ref().age(), now_ms, &mut self.rng);
        raw.set_age(age, true);
    }

    /// Somebody has met an entry whose deadline has come.
    #[cold]
    fn lapse(&mut self, table: u16, spot: Spot) {
        let Place { table: entries, db } = &self.places[table as usize];
        if self.notes_faded
            && let Some(db) = *db
        {
            self.lapsed.push((db, entries.entry(spot).key().into()));
        }
        self.discard(table, spot);
        self.counters.expired += 1;
    }

    /// Whether `take_lapsed` or `take_faded` has something to tell.
    #[inline]
    pub fn has_departed(&self) -> bool {
        !self.lapsed.is_empty() || !self.faded.is_empty()
    }

    /// Keys that were met after their deadline and are gone, since the last call; told of while `note_faded` says so.
    pub fn take_lapsed(&mut self) -> Vec<(DbId, Box<[u8]>)> {
        std::mem::take(&mut self.lapsed)
    }

    /// Removes and frees an entry; the bytes that it had.
    #[cold]
    pub(crate) fn discard(&mut self, table: u16, spot: Spot) -> usize {
        let raw = self.places[table as usize].table.entry(spot);
        let bytes = raw.allocated();
        if raw.object_at().is_none() {
            self.apart_bytes -= raw.apart_bytes();
        }
        if let Some(journal) = &mut self.journal {
            let db = self.places[table as usize].db.expect("what is in the graveyard is buried");
            journal.at(db, raw.key()).remove();
        }
        self.forget_deadline(table, spot);
        self.part_with_object(table, spot);
        let entry = self.places[table as usize].table.remove(&mut self.ground, spot);
        entry.free(&mut self.ground.heap);
        bytes
    }

    /// Frees the timer of an entry that is about to go.
    pub(crate) fn forget_deadline(&mut self, table: u16, spot: Spot) {
        let raw = self.places[table as usize].table.entry(spot);
        let old = raw.deadline().zip(raw.node());
        self.move_deadline(table, 0, old, None, 0);
    }

    /// Brings index and sums from an entry's old deadline to its new one; what the entry is to keep.
    #[inline]
    pub(crate) fn move_deadline(
        &mut self,
        table: u16,
        hash: u64,
        old: Option<(u64, u32)>,
        new: Option<u64>,
        now_ms: u64,
    ) -> Option<(u64, u32)> {
        if old.is_none() && new.is_none() {
            return None;
        }
        let entries = &mut self.places[table as usize].table;
        entries.deadlines = entries.deadlines + usize::from(new.is_some()) - usize::from(old.is_some());
        entries.deadline_sum -= old.map_or(0, |(deadline, _)| u128::from(deadline));
        entries.deadline_sum += new.map_or(0, u128::from);
        match (old, new) {
            (Some((was, node)), Some(deadline)) => {
                if was != deadline {
                    self.wheel.set(node, deadline);
                }
                Some((deadline, node))
            }
            (Some((_, node)), None) => {
                self.wheel.remove(node);
                None
            }
            (None, new) => new.map(|deadline| {
                let timer = Timer { table, hash, when: deadline };
                (deadline, self.wheel.add(timer, now_ms))
            }),
        }
    }

    /// The entry that a timer is for; None if its table is in the graveyard.
    pub(crate) fn find_timer(&self, node: u32) -> Option<(u16, Spot)> {
        let timer = self.wheel.timer(node);
        let place = &self.places[timer.table as usize];
        place.db?;
        let spot = place.table.find_by(timer.hash, |raw| raw.node() == Some(node));
        Some((timer.table, spot.expect("a timer's entry is in its table")))
    }

    /// A version that no entry has had.
    pub(crate) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.renote_versions();
        self.version
    }

    #[inline]
    pub(crate) fn renote_versions(&mut self) {
        if self.version > self.versions_noted && self.journal.is_some() {
            self.note_versions();
        }
    }

    pub(crate) fn last_version(&self) -> u64 {
        self.version
    }

    /// No version up to this one is given to an entry any more.
    pub fn raise_version(&mut self, version: u64) {
        self.version = self.version.max(version);
        self.renote_versions();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.drop_image();
        for number in 0..self.places.len() as u32 {
            self.bury_table(number as u16, usize::MAX);
        }
        while let Some(mut object) = self.objects.pop_front() {
            while object.bury(&mut self.ground, usize::MAX) {}
        }
    }
}
