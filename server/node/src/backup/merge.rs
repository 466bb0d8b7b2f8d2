//! Room: backup. One RDB file of several, for whoever reads the version that is asked for, handed on in pieces.
//! Touches: source, version.

use super::source::Source;
use crate::version;
use base::DbId;
use std::collections::HashSet;
use store::rdb::file::read::{Entry, Item};
use store::rdb::file::{Head, write};
use store::rdb::{crc64, recode};

/// What is handed on at once.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Clone, Copy)]
pub struct Options {
    /// 10 for Redis 7.0, 11 for 7.2, 12 for 7.4.
    pub rdb_version: u16,
    /// Those of fields of hashes are dropped where the version has none; else they are a mistake.
    pub drop_field_deadlines: bool,
    pub skip_modules: bool,
    /// The file ends with one.
    pub checksum: bool,
    /// Fields that are due are left out.
    pub now_ms: u64,
    pub without_data: bool,
    pub without_functions: bool,
}

/// What came of it.
#[derive(Default, Debug)]
pub struct Made {
    pub keys: u64,
    pub deadlines_lost: usize,
    pub modules: u64,
}

struct Merge<'a> {
    options: &'a Options,
    hand_on: &'a mut dyn FnMut(&[u8]) -> Result<(), String>,
    out: Vec<u8>,
    sum: u64,
    db: Option<DbId>,
    /// Each shard's file may have them.
    functions: HashSet<Vec<u8>>,
    made: Made,
}

/// Hands on the whole file, piece by piece. An error is one of the source, with the file, or what `hand_on` said.
pub fn merge(
    source: &Source,
    options: &Options,
    hand_on: &mut dyn FnMut(&[u8]) -> Result<(), String>,
) -> Result<Made, String> {
    let mut merge =
        Merge { options, hand_on, out: Vec::new(), sum: 0, db: None, functions: HashSet::new(), made: Made::default() };
    write::begin(&mut merge.out, options.rdb_version);
    write::info(&mut merge.out, options.now_ms / 1000, 0, version::TORC);
    for i in 0..source.files.len() {
        source.each(i, options.skip_modules, |item| match item {
            Item::Entry(_) if options.without_data => Ok(()),
            Item::Entry(entry) => merge.entry(&entry),
            Item::Function(text) => {
                if !options.without_functions && merge.functions.insert(text.to_vec()) {
                    write::function(&mut merge.out, text);
                }
                Ok(())
            }
            Item::Skipped { key, .. } => {
                merge.made.modules += u64::from(key.is_some());
                Ok(())
            }
            // What others tell of their files is not true of this one.
            _ => Ok(()),
        })?;
    }
    merge.flush()?;
    write::end(&mut merge.out, merge.sum, options.checksum);
    (merge.hand_on)(&merge.out)?;
    Ok(merge.made)
}

impl Merge<'_> {
    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), String> {
        let Options { rdb_version, drop_field_deadlines, now_ms, .. } = *self.options;
        let key = || entry.key[..entry.key.len().min(64)].escape_ascii();
        let recoded = recode(entry.value, rdb_version, now_ms)
            .map_err(|_| format!("the value of key '{}' is damaged at byte {}", key(), entry.at))?;
        let Some(recoded) = recoded else { return Ok(()) };
        if recoded.deadlines_lost > 0 && !drop_field_deadlines {
            return Err(format!(
                "key '{}' is a hash whose fields have deadlines, which RDB version {rdb_version} has not: --rdb-version 12 \
                 keeps them, --drop-field-deadlines drops them",
                key()
            ));
        }
        self.made.deadlines_lost += recoded.deadlines_lost;
        if self.db != Some(entry.db) {
            write::select(&mut self.out, entry.db);
            self.db = Some(entry.db);
        }
        let &Entry { key, deadline, age, flags, version, .. } = entry;
        write::entry_head(&mut self.out, &Head { key, deadline, age, flags, version }, recoded.value[0], None);
        self.out.extend_from_slice(&recoded.value[1..]);
        self.made.keys += 1;
        if self.out.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), String> {
        self.sum = crc64(self.sum, &self.out);
        (self.hand_on)(&self.out)?;
        self.out.clear();
        Ok(())
    }
}
