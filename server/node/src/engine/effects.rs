//! What commands did to this shard's data, as records for whoever keeps or passes it on (`store::journal`).
//!
//! A command's effects on a shard are one record, made when it ran: before any other command, so that the records of a shard
//! are in the order in which its data changed. What goes by itself (expiry, eviction) is recorded at once, apart from the
//! command that met it. Of work in slices (walks, readings and writings that go on, asks that are cut) the effects are held
//! with it until it is done: its keys are locked meanwhile, so records of other keys may overtake it and none of its own
//! does. What is held is in proportion to what is being made, or to the ask.
//!
//! A transaction that writes on several shards leaves a record on each of them with its number and how many they are; that
//! of a shard on which it changed nothing is empty. Whoever replays can tell so whether all are there.
//!
//! Nothing is recorded, and nothing of this costs more than a branch, until the store has a journal. The append log takes what
//! is recorded (`append`).

use super::Engine;
use crate::shard::locks::TxId;

/// Effects that nobody has taken, beyond which sessions stand still.
const UNTAKEN_BYTES_MAX: usize = 16 << 20;

/// One command's effects on this shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    pub unix_ms: u64,
    /// The transaction's number; 0: of this shard alone.
    pub tx: u64,
    /// On how many shards the transaction leaves a record; 0: of this shard alone.
    pub parties: u32,
    /// Bytes of effects.
    pub len: usize,
}

/// Records that nobody has taken yet.
#[derive(Default)]
pub struct Effects {
    /// Of all records, one behind the other.
    pub bytes: Vec<u8>,
    pub records: Vec<Record>,
    /// Records so far, taken or not.
    pub made: u64,
    /// Sessions stand still whatever there is room for: the device is too slow.
    pub stop: bool,
}

impl Effects {
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether sessions should stand still until some are taken.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.bytes.len() > UNTAKEN_BYTES_MAX || self.stop
    }

    /// Each record and its effects, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Record, &[u8])> {
        let mut at = 0;
        self.records.iter().map(move |record| {
            let from = at;
            at += record.len;
            (*record, &self.bytes[from..at])
        })
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}

/// Whose effects they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    tx: u64,
    parties: u32,
}

impl Share {
    /// Of this shard alone.
    pub(super) const ALONE: Share = Share { tx: 0, parties: 0 };

    /// Of a transaction that writes on so many shards.
    pub(super) fn of(id: TxId, parties: u32) -> Share {
        if parties > 1 { Share { tx: id.0, parties } } else { Share::ALONE }
    }
}

impl Engine {
    /// What was done since the last record becomes one.
    #[inline]
    pub(super) fn record(&mut self) {
        if self.store.has_effects() {
            self.record_held(&mut Vec::new(), Share::ALONE);
        }
    }

    /// What was done since the last record is put to `held`, of work that goes on.
    #[inline]
    pub(super) fn hold_effects(&mut self, held: &mut Vec<u8>) {
        if self.store.has_effects() {
            self.store.take_effects(held);
            // It is noted when it becomes a record; until then its keys are held.
            self.store.take_changed(|_| {});
        }
    }

    /// What was held, and what was done since, becomes one record.
    #[inline]
    pub(super) fn record_held(&mut self, held: &mut Vec<u8>, share: Share) {
        if self.store.has_journal() {
            self.record_now(held, share);
        }
    }

    /// A record without effects: where a segment begins one tells its number, so that one without any has lost them.
    pub(super) fn record_nothing(&mut self) {
        self.effects.records.push(Record { unix_ms: self.now.ms(), tx: 0, parties: 0, len: 0 });
        self.effects.made += 1;
    }

    fn record_now(&mut self, held: &mut Vec<u8>, share: Share) {
        let is_held = !held.is_empty();
        let effects = &mut self.effects;
        let before = effects.bytes.len();
        effects.bytes.append(held);
        self.store.take_effects(&mut effects.bytes);
        let len = effects.bytes.len() - before;
        if len > 0 || share.parties > 1 {
            let Share { tx, parties } = share;
            effects.records.push(Record { unix_ms: self.now.ms(), tx, parties, len });
            effects.made += 1;
            if self.gating {
                self.note_changed(is_held);
            }
        }
    }
}
