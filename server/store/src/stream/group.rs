//! Room: store. A group of consumers of a stream. Touches: nothing beyond this crate.
//! Source of what counts come to: t_stream.c of Redis 7.2.

use super::{Id, Log};
use std::collections::{BTreeMap, BTreeSet};

/// What one pending entry takes: its place by id in the group's map and in its consumer's set, filled as in `Log`.
const PENDING_BYTES: usize = (size_of::<(Id, Nack)>() + size_of::<Id>()) * 11 * 11 / 60;
/// What a consumer takes beside its name, which is kept twice.
const CONSUMER_BYTES: usize = size_of::<Option<Consumer>>() + 2 * size_of::<(Box<[u8]>, u32)>();

/// A consumer's place in its group: what entries are pending for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsumerId(u32);

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nack {
    pub consumer: ConsumerId,
    /// Unix time, ms.
    pub delivered_ms: i64,
    pub deliveries: u64,
}

pub struct Consumer {
    name: Box<[u8]>,
    pending: BTreeSet<Id>,
    /// When it last asked, Unix ms.
    pub seen_ms: i64,
    /// When it last got something, Unix ms; -1: never.
    pub active_ms: i64,
}

impl Consumer {
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is pending, from `from` on.
    pub fn pending_from(&self, from: Id) -> impl Iterator<Item = Id> {
        self.pending.range(from..).copied()
    }
}

pub struct Group {
    /// The last entry that was delivered.
    pub last: Id,
    /// How many entries of those ever added were delivered up to it; -1 if there is no telling.
    pub read: i64,
    pending: BTreeMap<Id, Nack>,
    consumers: Vec<Option<Consumer>>,
    names: BTreeMap<Box<[u8]>, u32>,
    vacant: Vec<u32>,
    names_bytes: usize,
}

impl Group {
    pub(super) fn new(last: Id, read: i64) -> Group {
        Group {
            last,
            read,
            pending: BTreeMap::new(),
            consumers: Vec::new(),
            names: BTreeMap::new(),
            vacant: Vec::new(),
            names_bytes: 0,
        }
    }

    pub(super) fn apart_bytes(&self) -> usize {
        self.pending.len() * PENDING_BYTES + self.names.len() * CONSUMER_BYTES + self.names_bytes
    }

    pub(super) fn weight(&self) -> usize {
        self.pending.len() + self.names.len()
    }

    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is pending, from `from` on.
    pub fn pending_from(&self, from: Id) -> impl DoubleEndedIterator<Item = (Id, &Nack)> {
        self.pending.range(from..).map(|(&id, nack)| (id, nack))
    }

    pub fn nack(&self, id: Id) -> Option<&Nack> {
        self.pending.get(&id)
    }

    pub fn consumer_count(&self) -> usize {
        self.names.len()
    }

    /// By name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.names.values().map(|&at| self.consumer(ConsumerId(at)))
    }

    /// Those behind `name`, by name.
    pub fn consumers_after(&self, name: &[u8]) -> impl Iterator<Item = &Consumer> {
        use std::ops::Bound::{Excluded, Unbounded};
        let range = self.names.range::<[u8], _>((Excluded(name), Unbounded));
        range.map(|(_, &at)| self.consumer(ConsumerId(at)))
    }

    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied().map(ConsumerId)
    }

    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.consumers[id.0 as usize].as_ref().expect("ids name consumers that are here")
    }

    pub(crate) fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers[id.0 as usize].as_mut().expect("ids name consumers that are here")
    }

    /// The consumer of this name, and whether it is new.
    pub(crate) fn find_or_create(&mut self, name: &[u8], now_ms: u64) -> (ConsumerId, bool) {
        if let Some(id) = self.find(name) {
            return (id, false);
        }
        let at = self.vacant.pop().unwrap_or_else(|| {
            self.consumers.push(None);
            u32::try_from(self.consumers.len() - 1).expect("consumers take memory: fewer than 2^32")
        });
        let consumer = Consumer { name: name.into(), pending: BTreeSet::new(), seen_ms: now_ms as i64, active_ms: -1 };
        self.consumers[at as usize] = Some(consumer);
        self.names.insert(name.into(), at);
        self.names_bytes += 2 * name.len();
        (ConsumerId(at), true)
    }

    /// The group has come to `id`: an entry of `log` on its way to a consumer. Nothing happens if it had been there before.
    pub(crate) fn advance(&mut self, log: &Log, id: Id) {
        if id <= self.last {
            return;
        }
        if self.read != -1 && !log.has_holes_from(id) {
            self.read = self.read.wrapping_add(1);
        } else if log.added() > 0 {
            self.read = log.entries_up_to(id);
        }
        self.last = id;
    }

    /// How many entries of `log` are yet to be delivered; `None` if there is no telling.
    pub fn lag(&self, log: &Log) -> Option<i64> {
        if log.added() == 0 {
            return Some(0);
        }
        let counted = self.read != -1 && !log.has_holes_from(self.last);
        let read = if counted { self.read } else { log.entries_up_to(self.last) };
        (counted || read != -1).then(|| (log.added() as i64).wrapping_sub(read))
    }

    /// An entry is pending for a consumer from now on, whosever it was before.
    pub(crate) fn assign(&mut self, id: Id, nack: Nack) {
        if let Some(old) = self.pending.insert(id, nack) {
            if old.consumer == nack.consumer {
                return;
            }
            self.consumer_mut(old.consumer).pending.remove(&id);
        }
        self.consumer_mut(nack.consumer).pending.insert(id);
    }

    /// What is pending under `id`, to be changed in what does not say whose it is.
    pub(crate) fn redelivered(&mut self, id: Id, now_ms: u64) {
        if let Some(nack) = self.pending.get_mut(&id) {
            nack.delivered_ms = now_ms as i64;
            nack.deliveries = nack.deliveries.wrapping_add(1);
        }
    }

    /// False if nothing was pending under `id`.
    pub(crate) fn settle(&mut self, id: Id) -> bool {
        let Some(nack) = self.pending.remove(&id) else { return false };
        self.consumer_mut(nack.consumer).pending.remove(&id);
        true
    }

    /// Lets go of up to `max` entries that are pending for a consumer, then of the consumer: true when it is gone.
    pub(crate) fn dismiss(&mut self, id: ConsumerId, max: usize) -> bool {
        for _ in 0..max {
            let Some(entry) = self.consumer_mut(id).pending.pop_first() else {
                let consumer = self.consumers[id.0 as usize].take().expect("it was just here");
                self.names.remove(&consumer.name);
                self.names_bytes -= 2 * consumer.name.len();
                self.vacant.push(id.0);
                return true;
            };
            self.pending.remove(&entry);
        }
        false
    }

    /// Frees up to `units` of what it holds; how many fewer there were. It is fit for nothing else once this was called.
    pub(super) fn bury(&mut self, units: usize) -> usize {
        let mut left = units;
        while left > 0 {
            if let Some((id, nack)) = self.pending.pop_first() {
                self.consumer_mut(nack.consumer).pending.remove(&id);
            } else if let Some((name, at)) = self.names.pop_first() {
                self.names_bytes -= 2 * name.len();
                self.consumers[at as usize] = None;
            } else {
                break;
            }
            left -= 1;
        }
        left
    }

    pub(super) fn verify(&self) {
        let mut names_bytes = 0;
        for (name, &at) in &self.names {
            let consumer = self.consumer(ConsumerId(at));
            assert_eq!(name, &consumer.name, "a consumer's name");
            names_bytes += 2 * name.len();
            for id in &consumer.pending {
                let owner = self.pending.get(id).map(|nack| nack.consumer);
                assert_eq!(owner, Some(ConsumerId(at)), "what is pending for a consumer is its own");
            }
        }
        assert_eq!(names_bytes, self.names_bytes, "bytes of names");
        let here = self.consumers.iter().flatten();
        assert_eq!(here.clone().count(), self.names.len(), "consumers");
        assert_eq!(self.names.len() + self.vacant.len(), self.consumers.len(), "places of consumers");
        assert_eq!(here.map(|c| c.pending.len()).sum::<usize>(), self.pending.len(), "pending");
    }
}
