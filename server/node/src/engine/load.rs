//! Loading: files of RDB records into this process's shards, whoever wrote them. Each shard reads its share of the files and
//! keeps what is its own; what is another's travels there in batches, of which a few may be under way.
//!
//! Files come as pieces from `files`, which reads ahead; nothing is held up but by what has not come yet. A mistake in a file
//! ends the process with the file and the place: data that is there by halves is worse than none.

use super::replay::{Replay, ReplayFile, Replaying, Stage};
use super::{Engine, Mail};
use crate::files::{Ask, FileId};
use crate::persist::{Asker, Gate};
use base::{DbId, ShardId};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::rdb::file::Age;
use store::rdb::file::read::{self, Item, ReadOptions, Reader};

/// Entries of one slice, some 200 µs, and bytes, whichever comes first.
const SLICE_ENTRIES: usize = 512;
const SLICE_BYTES: usize = 256 * 1024;
/// Entries for another shard travel in batches of about so many bytes.
const BATCH_BYTES: usize = 128 * 1024;
/// Batches of one shard that the others have not put away.
const BATCHES_MAX: usize = 16;
/// How often the log tells how far it is, µs.
const TELL_US: u64 = 5_000_000;

/// Which files.
#[derive(Debug)]
pub struct LoadPlan {
    pub files: Vec<LoadFile>,
    /// Checksums are compared (`rdbchecksum`).
    pub verify: bool,
    /// A key that is there already is replaced, and is no mistake.
    pub merge: bool,
    /// Who waits for the end; None: the start does.
    pub asker: Option<Asker>,
    /// Who sees to it.
    pub coordinator: ShardId,
}

#[derive(Clone, Debug)]
pub struct LoadFile {
    pub path: PathBuf,
    pub bytes: u64,
    /// Of all but the last eight bytes, where the manifest says it.
    pub crc64: Option<u64>,
}

/// An entry on its way to its shard.
struct Facts {
    db: DbId,
    deadline: Option<u64>,
    age: Age,
    flags: u32,
    version: Option<u64>,
    /// Where the value begins in its file.
    at: u64,
    /// Lengths of the key and of the value behind it.
    key: usize,
    value: usize,
}

/// Entries for one shard.
#[derive(Default)]
pub struct LoadBatch {
    entries: VecDeque<Facts>,
    /// Keys and values, one after the other.
    bytes: Vec<u8>,
    at: usize,
    /// Index of the file they come from.
    file: usize,
}

/// What shards tell one another of a load.
pub enum LoadWord {
    Batch {
        from: ShardId,
        batch: LoadBatch,
    },
    /// A batch is put away.
    Taken,
}

/// A file that is read here.
struct Reading {
    id: FileId,
    index: usize,
    reader: Reader,
    /// Which database the entries at hand are of.
    db: DbId,
    pieces: VecDeque<Vec<u8>>,
    all_came: bool,
}

/// This shard's part of a load.
pub(super) struct Loading {
    plan: Arc<LoadPlan>,
    /// Files to be read here, and the one that is.
    mine: VecDeque<usize>,
    reading: Option<Reading>,
    /// For each shard.
    outgoing: Vec<LoadBatch>,
    batches_under_way: usize,
    incoming: VecDeque<(ShardId, LoadBatch)>,
    loaded: u64,
    expired: u64,
    /// The coordinator knows that nothing more comes from here.
    pub told: bool,
    began_us: u64,
    tell_us: u64,
    failed: bool,
    // The append log.
    pub replay: Option<Arc<Replay>>,
    pub stage: Stage,
    pub segments: VecDeque<ReplayFile>,
    pub replaying: Option<Replaying>,
    pub replayed: u64,
}

impl Engine {
    /// Begins this shard's part.
    pub fn begin_load(&mut self, plan: Arc<LoadPlan>) {
        let shards = self.shards();
        self.loading = Some(Box::new(Loading {
            mine: (self.me.index()..plan.files.len()).step_by(shards).collect(),
            plan,
            reading: None,
            outgoing: (0..shards).map(|_| LoadBatch::default()).collect(),
            batches_under_way: 0,
            incoming: VecDeque::new(),
            loaded: 0,
            expired: 0,
            told: false,
            began_us: self.now.up_us,
            tell_us: self.now.up_us,
            failed: false,
            replay: None,
            stage: Stage::Files,
            segments: VecDeque::new(),
            replaying: None,
            replayed: 0,
        }));
        self.active = true;
    }

    /// A slice, once a turn.
    pub(super) fn work_on_load(&mut self) {
        let Some(mut loading) = self.loading.take() else { return };
        let was_told = loading.told;
        if !loading.failed
            && let Err(error) = self.load_slice(&mut loading)
        {
            loading.failed = true;
            self.process.persist.fail(error);
            self.process.stop();
            self.on_every_shard(|engine| engine.active = true);
        }
        let tell = (!was_told && loading.told).then_some(loading.plan.coordinator);
        self.loading = Some(loading);
        if let Some(coordinator) = tell {
            self.on_shard(coordinator, Engine::load_part_done);
        }
    }

    fn load_slice(&mut self, loading: &mut Loading) -> Result<(), String> {
        match loading.stage {
            Stage::Log if loading.told => return Ok(()),
            Stage::Log => {
                self.tell_progress(loading);
                return self.replay_slice(loading);
            }
            Stage::Opening => return Ok(()),
            // What is loaded by DEBUG RELOAD is recorded, as anything.
            Stage::Files if self.effects.is_full() => return Ok(()),
            Stage::Files => {}
        }
        // What others wait for goes first.
        if let Some((from, mut batch)) = loading.incoming.pop_front() {
            for _ in 0..SLICE_ENTRIES {
                let Some(facts) = batch.entries.pop_front() else { break };
                let (key, value) = batch.bytes[batch.at..].split_at(facts.key);
                self.put_loaded(loading, &facts, key, &value[..facts.value], batch.file)?;
                batch.at += facts.key + facts.value;
            }
            self.active = true;
            if batch.entries.is_empty() {
                self.outbox[from.index()].mail(Mail::Load(LoadWord::Taken));
            } else {
                loading.incoming.push_front((from, batch));
            }
            return Ok(());
        }
        self.tell_progress(loading);
        if loading.batches_under_way >= BATCHES_MAX {
            return Ok(());
        }
        if loading.reading.is_none() {
            let Some(index) = loading.mine.pop_front() else { return self.load_rest(loading) };
            let file = &loading.plan.files[index];
            let id = self.next_file_id();
            self.file_asks.push(Ask::Read { id, path: file.path.clone() });
            let options = ReadOptions { size: Some(file.bytes), verify: loading.plan.verify, ..ReadOptions::default() };
            let reader = Reader::new(options);
            loading.reading =
                Some(Reading { id, index, reader, db: DbId::ZERO, pieces: VecDeque::new(), all_came: false });
            return Ok(());
        }
        self.read_slice(loading)
    }

    fn tell_progress(&self, loading: &mut Loading) {
        if self.now.up_us.saturating_sub(loading.tell_us) > TELL_US && self.me == loading.plan.coordinator {
            loading.tell_us = self.now.up_us;
            let total = self.process.persist.loads().total_bytes;
            let done = self.process.persist.loaded_bytes.load(Ordering::Relaxed);
            self.process.log.notice(format_args!("Loading: {} of {} MiB", done >> 20, total >> 20));
        }
    }

    /// Nothing is left to be read here: what waits leaves, and in the end the coordinator is told.
    fn load_rest(&mut self, loading: &mut Loading) -> Result<(), String> {
        for shard in 0..loading.outgoing.len() {
            self.send_batch(loading, shard);
        }
        if loading.batches_under_way == 0 && !loading.told {
            loading.told = true;
        }
        Ok(())
    }

    fn read_slice(&mut self, loading: &mut Loading) -> Result<(), String> {
        let Some(mut reading) = loading.reading.take() else { return Ok(()) };
        let plan = loading.plan.clone();
        let file = &plan.files[reading.index];
        let named = |e: &dyn std::fmt::Display| format!("{}: {e}", file.path.display());
        let (mut entries, begun_at) = (0, reading.reader.at());
        let mut ended = false;
        while entries < SLICE_ENTRIES && reading.reader.at() - begun_at < SLICE_BYTES as u64 && !ended {
            match reading.reader.next().map_err(|e| named(&e))? {
                Item::NeedMore => {
                    let Some(piece) = reading.pieces.pop_front() else {
                        if reading.all_came {
                            reading.reader.finish().map_err(|e| named(&e))?;
                        }
                        loading.reading = Some(reading);
                        return Ok(()); // More is on its way.
                    };
                    reading.reader.feed(&piece);
                    self.process.persist.loaded_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    self.file_asks.push(Ask::Taken { id: reading.id, bytes: piece.len() });
                }
                Item::Entry(entry) => {
                    entries += 1;
                    let facts = Facts {
                        db: entry.db,
                        deadline: entry.deadline,
                        age: entry.age,
                        flags: entry.flags,
                        version: entry.version,
                        at: entry.at,
                        key: entry.key.len(),
                        value: entry.value.len(),
                    };
                    let owner = self.owner(entry.key);
                    if owner == self.me {
                        // Keys come in no order of this table's: each place is far from the last, and the next is likely here too.
                        if facts.db.0 < self.store.databases() && !entry.next_key.is_empty() {
                            self.store.prefetch_to_insert(facts.db, entry.next_key);
                        }
                        self.put_loaded(loading, &facts, entry.key, entry.value, reading.index)?;
                        continue;
                    }
                    let batch = &mut loading.outgoing[owner.index()];
                    batch.file = reading.index;
                    batch.bytes.extend_from_slice(entry.key);
                    batch.bytes.extend_from_slice(entry.value);
                    batch.entries.push_back(facts);
                    if batch.bytes.len() >= BATCH_BYTES {
                        self.send_batch(loading, owner.index());
                        if loading.batches_under_way >= BATCHES_MAX {
                            break;
                        }
                    }
                }
                Item::Function(text) => {
                    let mut loads = self.process.persist.loads();
                    if !loads.functions.iter().any(|known| known == text) {
                        loads.functions.push(text.to_vec());
                    }
                }
                Item::Aux { name, text } => {
                    if name == b"used-mem" {
                        let bytes = base::number::parse_i64(text).unwrap_or(0).max(0) as u64;
                        self.process.persist.loads().used_memory += bytes;
                    }
                }
                Item::Select(db) => reading.db = db,
                Item::Resize { keys, .. } => self.expect_entries(&plan, file, reading.db, keys),
                Item::Skipped { .. } => {}
                Item::End => ended = true,
            }
        }
        self.active = true;
        if !ended {
            loading.reading = Some(reading);
            return Ok(());
        }
        let sum = reading.reader.sum();
        if plan.verify && file.crc64.is_some_and(|said| said != sum) {
            return Err(named(&"its checksum is not the one that the manifest names"));
        }
        // Entries of one batch are of one file.
        for shard in 0..loading.outgoing.len() {
            self.send_batch(loading, shard);
        }
        Ok(())
    }

    /// A file tells how many keys it has of a database. A file for each shard is taken for that shard's own; else the files' keys
    /// are spread over all shards, as many as the bytes.
    fn expect_entries(&mut self, plan: &LoadPlan, file: &LoadFile, db: DbId, keys: u64) {
        // A record has four bytes at least, whatever is claimed.
        let keys = keys.min(file.bytes / 4);
        let shards = self.shards();
        let room = move |engine: &mut Engine, keys: u64| {
            if db.0 < engine.store.databases() {
                engine.store.expect(db, keys as usize);
            }
        };
        if plan.files.len() == shards {
            return room(self, keys);
        }
        let all_bytes: u64 = plan.files.iter().map(|file| file.bytes).sum();
        let all_keys = u128::from(keys) * u128::from(all_bytes) / u128::from(file.bytes.max(1));
        let each = all_keys as u64 / shards as u64;
        self.on_every_shard(move |engine| room(engine, each));
    }

    fn send_batch(&mut self, loading: &mut Loading, shard: usize) {
        if loading.outgoing[shard].entries.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut loading.outgoing[shard]);
        loading.batches_under_way += 1;
        self.outbox[shard].mail(Mail::Load(LoadWord::Batch { from: self.me, batch }));
    }

    pub(super) fn hear_of_load(&mut self, word: LoadWord) {
        self.active = true;
        let Some(loading) = &mut self.loading else { return };
        match word {
            LoadWord::Batch { from, batch } => loading.incoming.push_back((from, batch)),
            LoadWord::Taken => loading.batches_under_way -= 1,
        }
    }

    fn put_loaded(
        &mut self,
        loading: &mut Loading,
        facts: &Facts,
        key: &[u8],
        value: &[u8],
        file: usize,
    ) -> Result<(), String> {
        // What is due when the log begins goes when it says so.
        let now_ms = if loading.replay.is_some() { 0 } else { self.now.ms() };
        if facts.db.0 >= self.store.databases() {
            return Err(format!(
                "{}: it has keys in database {}, and 'databases' is {}",
                loading.plan.files[file].path.display(),
                facts.db.0,
                self.store.databases()
            ));
        }
        if facts.deadline.is_some_and(|deadline| deadline <= now_ms) {
            loading.expired += 1;
            return Ok(());
        }
        let wrong = |what: &str| {
            let key = key[..key.len().min(64)].escape_ascii();
            let path = loading.plan.files[file].path.display();
            format!("{path}: key '{key}' at byte {}: {what}", facts.at)
        };
        let mut cell = self.store.cell(facts.db, key, now_ms);
        if cell.entry().is_some() {
            if !loading.plan.merge {
                return Err(wrong("it is there twice"));
            }
            cell.remove();
        }
        if cell.put_loaded(value, facts.deadline, facts.flags).is_err() {
            // As Redis: old versions have written such.
            if read::is_empty(value) {
                return Ok(());
            }
            return Err(wrong("its value cannot be read"));
        }
        // All of its fields may have been due.
        if cell.entry().is_none() {
            return Ok(());
        }
        match facts.age {
            Age::Unknown => {}
            Age::Idle(seconds) => cell.set_idle_ms(seconds.saturating_mul(1000)),
            Age::Frequency(counter) => cell.set_frequency(counter),
        }
        // The entry gets a version of its own when somebody asks; it is none that a client knows already.
        if let Some(version) = facts.version {
            self.store.raise_version(version);
        }
        loading.loaded += 1;
        Ok(())
    }

    /// A piece of a file that is read here.
    pub(super) fn file_read(&mut self, id: FileId, bytes: Vec<u8>) {
        let Some(bytes) = self.segment_read(id, bytes) else { return };
        let reading = self.loading.as_mut().and_then(|loading| loading.reading.as_mut()).filter(|r| r.id == id);
        if let Some(reading) = reading {
            reading.pieces.push_back(bytes);
        }
    }

    pub(super) fn file_read_all(&mut self, id: FileId) {
        self.segment_read_all(id);
        let reading = self.loading.as_mut().and_then(|loading| loading.reading.as_mut()).filter(|r| r.id == id);
        if let Some(reading) = reading {
            reading.all_came = true;
        }
    }

    pub(super) fn load_failed(&mut self, id: FileId, error: String) {
        let Some(loading) = &self.loading else { return };
        let ours = loading.reading.as_ref().is_some_and(|reading| reading.id == id)
            || loading.replaying.as_ref().is_some_and(|replaying| replaying.is(id));
        if ours {
            self.process.persist.fail(error);
            self.process.stop();
            self.on_every_shard(|engine| engine.active = true);
        }
    }

    /// On the coordinator: one shard more has read all its files.
    pub(super) fn load_part_done(&mut self) {
        {
            let mut loads = self.process.persist.loads();
            loads.missing -= 1;
            if loads.missing > 0 {
                return;
            }
            loads.missing = self.shards();
        }
        let Some(loading) = &self.loading else { return };
        match (loading.replay.clone(), loading.stage) {
            (Some(_), Stage::Files) => self.on_every_shard(Engine::begin_replay),
            (Some(replay), Stage::Log) => self.begin_log_after_replay(&replay),
            (replay, _) => {
                if replay.is_some() {
                    self.log_begins();
                }
                self.on_every_shard(|engine| engine.end_load());
            }
        }
    }

    /// All is loaded, on every shard.
    fn end_load(&mut self) {
        let Some(loading) = self.loading.take() else { return };
        if loading.replay.is_some() {
            self.begin_segment();
        }
        self.store.expect_no_more();
        let last = {
            let mut loads = self.process.persist.loads();
            loads.loaded += loading.loaded;
            loads.expired += loading.expired;
            loads.replayed += loading.replayed;
            loads.ended += 1;
            loads.ended == self.shards()
        };
        self.active = true;
        if !last {
            return;
        }
        let took_s = (self.now.up_us - loading.began_us) as f64 / 1e6;
        let (loaded, expired) = {
            let loads = self.process.persist.loads();
            (loads.loaded, loads.expired)
        };
        self.process.log.notice(format_args!("Done loading, keys loaded: {loaded}, keys expired: {expired}."));
        if loading.replay.is_some() {
            let replayed = self.process.persist.loads().replayed;
            self.process.log.notice(format_args!("Records of the append log replayed: {replayed}"));
        }
        self.process.log.notice(format_args!("DB loaded from disk: {took_s:.3} seconds"));
        self.process.persist.set_gate(Gate::LOADING, false);
        if let Some(asker) = loading.plan.asker {
            self.on_every_shard(Engine::let_go_of_image);
            self.tell_asker(asker, |r| r.ok());
        }
    }
}
