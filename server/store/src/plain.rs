//! A store that is obvious rather than fast: one ordered map per database.

use crate::*;
use bytes::Bytes;
use std::collections::BTreeMap;

pub struct Raw {
    value: Bytes,
    flags: u32,
    deadline: Option<u64>,
    encoding: Encoding,
    version: Option<u64>,
    used_ms: u64,
    frequency: u8,
    fetched: bool,
}

type Place = (u64, Vec<u8>);

pub struct Store {
    dbs: Vec<BTreeMap<Place, Raw>>,
    seed: u64,
    version: u64,
    tuning: Tuning,
    counters: Counters,
}

pub struct Cell<'a> {
    store: &'a mut Store,
    db: usize,
    place: Place,
    now_ms: u64,
}

fn due(raw: &Raw, now_ms: u64) -> bool {
    raw.deadline.is_some_and(|d| d <= now_ms)
}

impl Store {
    pub fn new(options: StoreOptions) -> Store {
        Store {
            dbs: (0..options.databases.max(1)).map(|_| BTreeMap::new()).collect(),
            seed: options.seed,
            version: 0,
            tuning: Tuning { policy: Policy::NoEviction, samples: 5, lfu_log_factor: 10, lfu_decay_minutes: 1 },
            counters: Counters::default(),
        }
    }

    fn place(&self, key: &[u8]) -> Place {
        use std::hash::{BuildHasher, Hasher};
        let mut h = foldhash::quality::FixedState::with_seed(self.seed).build_hasher();
        h.write(key);
        (h.finish(), key.to_vec())
    }

    pub fn tune(&mut self, tuning: Tuning) {
        self.tuning = tuning;
    }

    pub fn databases(&self) -> u16 {
        self.dbs.len() as u16
    }

    pub fn read(&mut self, db: DbId, key: &[u8], now_ms: u64, touch: bool) -> Option<Entry<'_>> {
        let place = self.sweep(db, key, now_ms);
        match self.dbs[db.index()].get_mut(&place) {
            Some(raw) => {
                self.counters.hits += 1;
                if touch {
                    raw.used_ms = now_ms;
                    raw.fetched = true;
                    raw.frequency = raw.frequency.saturating_add(1);
                }
                Some(Entry { raw })
            }
            None => {
                self.counters.misses += 1;
                None
            }
        }
    }

    fn sweep(&mut self, db: DbId, key: &[u8], now_ms: u64) -> Place {
        let place = self.place(key);
        if self.dbs[db.index()].get(&place).is_some_and(|raw| due(raw, now_ms)) {
            self.dbs[db.index()].remove(&place);
            self.counters.expired += 1;
        }
        place
    }

    pub fn peek(&mut self, db: DbId, key: &[u8], now_ms: u64) -> Option<Entry<'_>> {
        let place = self.sweep(db, key, now_ms);
        self.dbs[db.index()].get(&place).map(|raw| Entry { raw })
    }

    pub fn cell<'a>(&'a mut self, db: DbId, key: &'a [u8], now_ms: u64) -> Cell<'a> {
        let place = self.sweep(db, key, now_ms);
        Cell { store: self, db: db.index(), place, now_ms }
    }

    pub fn count(&mut self, hit: bool) {
        if hit {
            self.counters.hits += 1;
        } else {
            self.counters.misses += 1;
        }
    }

    pub fn prefetch(&self, _db: DbId, _key: &[u8]) {}

    pub fn fingerprint(&self, db: DbId, key: &[u8]) -> u64 {
        (self.place(key).0 ^ u64::from(db.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1)
    }

    pub fn len(&self, db: DbId) -> usize {
        self.dbs[db.index()].len()
    }

    pub fn with_deadline(&self, db: DbId) -> usize {
        self.dbs[db.index()].values().filter(|r| r.deadline.is_some()).count()
    }

    pub fn deadline_average_ms(&self, db: DbId, now_ms: u64) -> u64 {
        let (mut n, mut sum) = (0, 0);
        for d in self.dbs[db.index()].values().filter_map(|r| r.deadline) {
            n += 1;
            sum += d.saturating_sub(now_ms);
        }
        sum.checked_div(n).unwrap_or(0)
    }

    pub fn scan(
        &self,
        db: DbId,
        cursor: u64,
        count: usize,
        now_ms: u64,
        mut visit: impl FnMut(&[u8], Entry<'_>),
    ) -> u64 {
        let mut seen = 0;
        let mut last = None;
        for ((hash, key), raw) in self.dbs[db.index()].range((cursor << 16, Vec::new())..) {
            if seen >= count && last != Some(hash >> 16) {
                return hash >> 16;
            }
            last = Some(hash >> 16);
            seen += 1;
            if !due(raw, now_ms) {
                visit(key, Entry { raw });
            }
        }
        0
    }

    pub fn random_key(&mut self, db: DbId, now_ms: u64) -> Option<Vec<u8>> {
        self.version += 1;
        let start = self.place(&self.version.to_le_bytes());
        let map = &self.dbs[db.index()];
        let mut both = map.range(start.clone()..).chain(map.range(..start));
        both.find(|(_, raw)| !due(raw, now_ms)).map(|((_, key), _)| key.clone())
    }

    pub fn flush(&mut self, db: DbId) {
        self.dbs[db.index()].clear();
    }

    pub fn swap(&mut self, a: DbId, b: DbId) {
        self.dbs.swap(a.index(), b.index());
    }

    pub fn bury(&mut self, _entries: usize) -> bool {
        false
    }

    pub fn expire(&mut self, now_ms: u64, max: usize, mut expired: impl FnMut(DbId, &[u8])) -> bool {
        let mut gone = 0;
        for (i, db) in self.dbs.iter_mut().enumerate() {
            let places: Vec<Place> = db.iter().filter(|(_, r)| due(r, now_ms)).map(|(p, _)| p.clone()).collect();
            for place in places {
                if gone == max {
                    return true;
                }
                gone += 1;
                db.remove(&place);
                self.counters.expired += 1;
                expired(DbId(i as u16), &place.1);
            }
        }
        false
    }

    pub fn next_deadline(&self) -> Option<u64> {
        self.dbs.iter().flat_map(|db| db.values().filter_map(|r| r.deadline)).min()
    }

    pub fn evict_one(&mut self, _now_ms: u64, mut evicted: impl FnMut(DbId, &[u8])) -> Option<usize> {
        let volatile = match self.tuning.policy {
            Policy::NoEviction => return None,
            Policy::AllKeysLru | Policy::AllKeysLfu | Policy::AllKeysRandom => false,
            _ => true,
        };
        for (i, db) in self.dbs.iter_mut().enumerate() {
            let oldest = db.iter().filter(|(_, r)| !volatile || r.deadline.is_some()).min_by_key(|(_, r)| r.used_ms);
            if let Some(place) = oldest.map(|(p, _)| p.clone()) {
                self.counters.evicted += 1;
                evicted(DbId(i as u16), &place.1);
                return db.remove(&place).map(|r| r.value.len() + place.1.len() + 64);
            }
        }
        None
    }

    pub fn bytes(&self) -> usize {
        self.dbs.iter().flat_map(|db| db.iter().map(|(p, r)| p.1.len() + r.value.len() + 64)).sum()
    }

    pub fn overhead_bytes(&self) -> usize {
        0
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }

    pub fn verify(&self) {}
}

impl<'a> Entry<'a> {
    pub fn kind(self) -> Kind {
        Kind::String
    }

    pub fn value(self) -> Value<'a> {
        if self.raw.value.len() >= base::limits::SHARED_VALUE_BYTES_MIN {
            Value::Shared(&self.raw.value)
        } else {
            Value::Inline(&self.raw.value)
        }
    }

    pub fn bytes(self) -> &'a [u8] {
        &self.raw.value
    }

    pub fn flags(self) -> u32 {
        self.raw.flags
    }

    pub fn deadline(self) -> Option<u64> {
        self.raw.deadline
    }

    pub fn encoding(self) -> Encoding {
        self.raw.encoding
    }

    pub fn version(self) -> Option<u64> {
        self.raw.version
    }

    pub fn idle_ms(self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.raw.used_ms)
    }

    pub fn frequency(self, _now_ms: u64) -> u8 {
        self.raw.frequency
    }

    pub fn fetched(self) -> bool {
        self.raw.fetched
    }

    pub fn portable(self) -> Portable {
        Portable {
            value: self.raw.value.clone(),
            flags: self.raw.flags,
            deadline: self.raw.deadline,
            encoding: self.raw.encoding,
        }
    }

    pub fn allocated(self) -> usize {
        self.raw.value.len() + 64
    }
}

impl Cell<'_> {
    fn raw(&mut self) -> Option<&mut Raw> {
        self.store.dbs[self.db].get_mut(&self.place)
    }

    fn moved_on(&mut self) {
        self.store.version += 1;
        let version = self.store.version;
        if let Some(raw) = self.raw()
            && raw.version.is_some()
        {
            raw.version = Some(version);
        }
    }

    pub fn entry(&self) -> Option<Entry<'_>> {
        self.store.dbs[self.db].get(&self.place).map(|raw| Entry { raw })
    }

    pub fn touch(&mut self) {
        let now_ms = self.now_ms;
        if let Some(raw) = self.raw() {
            raw.used_ms = now_ms;
            raw.fetched = true;
            raw.frequency = raw.frequency.saturating_add(1);
        }
    }

    pub fn put(&mut self, value: &[u8], put: Put) {
        let deadline = match put.deadline {
            Deadline::None => None,
            Deadline::Keep => self.entry().and_then(Entry::deadline),
            Deadline::At(at) => Some(at),
        };
        let value = Bytes::copy_from_slice(value);
        self.put_portable(Portable { value, flags: put.flags, deadline, encoding: put.encoding });
    }

    pub fn put_portable(&mut self, portable: Portable) {
        let version = self.entry().and_then(Entry::version);
        let raw = Raw {
            value: portable.value,
            flags: portable.flags,
            deadline: portable.deadline,
            encoding: portable.encoding,
            version,
            used_ms: self.now_ms,
            frequency: 5,
            fetched: false,
        };
        self.store.dbs[self.db].insert(self.place.clone(), raw);
        self.moved_on();
    }

    fn change(&mut self, encoding: Encoding, edit: impl FnOnce(&mut Vec<u8>)) -> usize {
        let now_ms = self.now_ms;
        if self.entry().is_none() {
            self.put(b"", Put::default());
        }
        self.moved_on();
        let raw = self.raw().expect("made above");
        let mut value = raw.value.to_vec();
        edit(&mut value);
        raw.value = value.into();
        raw.encoding = encoding;
        raw.used_ms = now_ms;
        raw.value.len()
    }

    pub fn append(&mut self, suffix: &[u8], encoding: Encoding) -> usize {
        self.change(encoding, |v| v.extend_from_slice(suffix))
    }

    pub fn prepend(&mut self, prefix: &[u8], encoding: Encoding) -> usize {
        self.change(encoding, |v| drop(v.splice(0..0, prefix.iter().copied())))
    }

    pub fn patch(&mut self, offset: usize, patch: &[u8]) -> usize {
        self.change(Encoding::Raw, |v| {
            let end = offset + patch.len();
            v.resize(v.len().max(end), 0);
            v[offset..end].copy_from_slice(patch);
        })
    }

    pub fn set_flags(&mut self, flags: u32) {
        self.moved_on();
        if let Some(raw) = self.raw() {
            raw.flags = flags;
        }
    }

    pub fn set_deadline(&mut self, deadline: Option<u64>) {
        if let Some(raw) = self.raw() {
            raw.deadline = deadline;
        }
    }

    pub fn remove(&mut self) -> bool {
        self.store.dbs[self.db].remove(&self.place).is_some()
    }

    pub fn take(&mut self) -> Option<Portable> {
        let portable = self.entry().map(Entry::portable);
        self.remove();
        portable
    }

    pub fn version(&mut self) -> Option<u64> {
        self.store.version += 1;
        let next = self.store.version;
        self.raw().map(|raw| *raw.version.get_or_insert(next))
    }
}
