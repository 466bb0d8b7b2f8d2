//! Room: backup. Whether a value can be loaded: it is put into a store as a start would put it, and taken out again, so that no
//! more than one lies in memory. Touches: nothing of the node.

use base::DbId;
use store::rdb::Placed;
use store::rdb::file::read::{Entry, is_empty};
use store::{Kind, Store, StoreOptions};

pub struct Probe(Store);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// None: nothing is left of it, all of its fields were due.
    Value(Option<Kind>),
    /// A collection of nothing, which old versions have written, and which a start passes over.
    Empty,
}

impl Default for Probe {
    fn default() -> Self {
        Probe(Store::new(StoreOptions { databases: 1, seed: 0, hash_seed: 0 }))
    }
}

impl Probe {
    pub fn look(&mut self, entry: &Entry<'_>) -> Result<Found, String> {
        let Probe(store) = self;
        // At the time 0 nothing is due.
        let mut cell = store.cell(DbId::ZERO, entry.key, 0);
        if cell.put_rdb(entry.value, Placed::ByThresholds).is_err() {
            if is_empty(entry.value) {
                return Ok(Found::Empty);
            }
            let key = entry.key[..entry.key.len().min(64)].escape_ascii();
            return Err(format!("the value of key '{key}' is damaged at byte {}", entry.at));
        }
        let kind = cell.kind();
        cell.remove();
        while store.bury(1 << 16) {}
        Ok(Found::Value(kind))
    }
}
