//! A shard's part of a snapshot. One point in time over all shards (a transaction that locks each as a whole, for a moment);
//! from then on each shard writes its own file in slices, beside its clients: `store::image` sees to it that what is written
//! is what was there at that moment. What is written leaves as `files::Ask`s. What becomes of the parts is `snapshot`'s.

use super::Engine;
use super::append::LogPlan;
use super::together::Part;
use crate::files::{Ask, Event, FileId};
use crate::manifest;
use crate::shard::locks::{Client, TxId};
use crate::version;
use base::{Args, DbId, ShardId};
use command::row::{Flag, Row};
use command::table;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::rdb::{crc64, file};
use store::{ImageOptions, ImageOut, ImageStep};

/// Bytes of one slice: about 100 µs.
const SLICE_BYTES: usize = 48 * 1024;
/// Bytes that leave in one piece.
const PIECE_BYTES: usize = 256 * 1024;
/// Bytes of a shard that may be on their way to the files' thread.
const UNDER_WAY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Buffers that are kept for the next pieces.
const SPARE_MAX: usize = 8;
/// Under `snapshot-rate-limit`: what may be made up for after a pause, in parts of a second.
const BURST_PARTS: u64 = 10;

/// A snapshot as all shards know it.
#[derive(Debug)]
pub struct Plan {
    pub serial: u64,
    pub coordinator: ShardId,
    pub folder: PathBuf,
    pub stem: String,
    pub options: ImageOptions,
    pub checksum: bool,
    pub began_ms: u64,
    /// All keys stay locked until it is over.
    pub holds: bool,
    /// Segments that begin with it.
    pub log: Option<Arc<LogPlan>>,
}

/// What became of one shard's part.
#[derive(Clone, Debug)]
pub(super) enum Became {
    Whole(manifest::File),
    Failed(String),
    /// Nothing is left of it.
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Writing,
    /// All is written, and is on its way to the device.
    Finishing,
    Whole,
    Failed,
    /// To be removed as soon as it is finished.
    Doomed,
    Removing,
}

/// A large object that is to be written while nobody changes it.
struct Claim {
    db: DbId,
    key: Box<[u8]>,
    /// None: everything is locked anyway.
    lock: Option<TxId>,
    held: bool,
    begun: bool,
}

/// This shard's part of a snapshot.
pub(super) struct Image {
    plan: Arc<Plan>,
    file: FileId,
    path: PathBuf,
    stage: Stage,
    out: ImageOut,
    /// Keys in `out` have been counted up to here.
    keys: u64,
    bytes: u64,
    /// Of all that has left.
    sum: u64,
    /// Its end is written.
    ended: bool,
    under_way: usize,
    spare: Vec<Vec<u8>>,
    claims: VecDeque<Claim>,
    /// Bytes that may be made now under the limit, less than 0 after a slice that made more; and when that was reckoned.
    allowance: i64,
    allowed_us: u64,
}

/// What a shard has to do with snapshots.
#[derive(Default)]
pub(super) struct Snapshots {
    pub image: Option<Box<Image>>,
    pub coordinated: Option<Box<super::snapshot::Coordinated>>,
    file_next: FileId,
    claim_next: u64,
    /// All keys are locked until its end.
    pub holding: bool,
    /// The transaction that has locked them.
    pub held: Option<TxId>,
}

impl Engine {
    /// The point in time: nothing else touches any shard.
    pub(super) fn begin_image(&mut self, plan: Arc<Plan>) {
        assert!(self.snapshots.image.is_none(), "one snapshot at a time");
        self.begin_segment();
        let timed = self.store.has_timed_fields();
        self.store.begin_image(plan.began_ms, plan.options);
        let path = plan.folder.join(manifest::file_name(&plan.stem, plan.serial, self.me.index()));
        let file = self.next_file_id();
        self.file_asks.push(Ask::Create { id: file, path: path.clone() });
        let mut out = ImageOut::default();
        let bytes = &mut out.out.bytes;
        file::write::begin(bytes, if timed { file::VERSION_TIMED } else { file::VERSION });
        file::write::info(bytes, plan.began_ms / 1000, self.process.used_memory() as u64, version::TORC);
        file::write::aux(bytes, b"torc-shards", self.shards().to_string().as_bytes());
        file::write::aux(bytes, b"torc-shard", self.me.0.to_string().as_bytes());
        if self.me.0 == 0 {
            self.process.persist.loads().functions.iter().for_each(|text| file::write::function(bytes, text));
        }
        let keys: usize = (0..self.store.databases()).map(|db| self.store.len(DbId(db))).sum();
        let persist = &self.process.persist;
        persist.keys_total.fetch_add(keys as u64, Ordering::Relaxed);
        let changes = self.metrics.changes(&self.write_rows);
        persist.report_changes(self.me, changes);
        persist.saves().changes_running += changes;
        self.imaging = !plan.holds;
        self.snapshots.holding = plan.holds;
        let image = Image::new(plan, file, path, out, self.now.up_us);
        self.snapshots.image = Some(Box::new(image));
        self.active = true;
    }

    /// The transaction that has set the point in time goes on holding this shard.
    pub(super) fn hold_for_image(&mut self, id: TxId) {
        self.snapshots.held = Some(id);
    }

    pub(super) fn next_file_id(&mut self) -> FileId {
        self.snapshots.file_next += 1;
        self.snapshots.file_next
    }

    // A shard's part.

    /// A slice of it, once a turn.
    pub(super) fn work_on_image(&mut self) {
        let Some(mut image) = self.snapshots.image.take() else { return };
        if image.stage == Stage::Writing
            && image.under_way < UNDER_WAY_BYTES_MAX
            && image.may_write(self.live.snapshot_rate, &self.process.persist.writers, self.now.up_us)
        {
            self.image_slice(&mut image);
        }
        self.snapshots.image = Some(image);
        self.pump();
    }

    /// When it may go on under the limit, `up_us`.
    pub(super) fn image_due_us(&self) -> Option<u64> {
        let image = self.snapshots.image.as_ref()?;
        let waits = image.stage == Stage::Writing && image.under_way < UNDER_WAY_BYTES_MAX && !image.stands_still();
        waits.then_some(self.now.up_us + 1000)
    }

    fn image_slice(&mut self, image: &mut Image) {
        let (bytes_before, keys_before) = (image.out.out.len(), image.out.keys);
        let mut done = false;
        // What has begun goes on; of the others the first that may.
        let next = image.claims.iter().position(|c| c.begun).or_else(|| image.claims.iter().position(|c| c.held));
        match next {
            Some(at) => {
                let claim = &mut image.claims[at];
                claim.begun = true;
                let whole = self.store.image_piece(claim.db, &claim.key, SLICE_BYTES, &mut image.out);
                if whole && let Some(claim) = image.claims.remove(at) {
                    self.give_up_claim(&claim);
                }
                self.active = true;
            }
            None => match self.store.image_step(SLICE_BYTES, &mut image.out) {
                ImageStep::More => self.active = true,
                ImageStep::Large { db, key } => {
                    if !image.claims.iter().any(|c| c.db == db && c.key == key) {
                        self.claim(image, db, key);
                    }
                    self.active |= image.claims.iter().any(|c| c.held);
                }
                ImageStep::Done => done = true,
            },
        }
        let persist = &self.process.persist;
        let written = (image.out.out.len() - bytes_before) as u64;
        persist.keys_done.fetch_add(image.out.keys - keys_before, Ordering::Relaxed);
        persist.bytes_done.fetch_add(written, Ordering::Relaxed);
        image.allowance = image.allowance.saturating_sub_unsigned(written);
        if done {
            persist.writers.fetch_sub(1, Ordering::Relaxed);
            self.store.end_image();
            self.imaging = false;
            // What was to be written early, and was in its turn.
            for claim in std::mem::take(&mut image.claims) {
                self.give_up_claim(&claim);
            }
            image.finish();
        }
        if done || image.out.out.len() >= PIECE_BYTES {
            self.file_asks.push(image.piece());
            self.active = true;
        }
        if done {
            image.stage = Stage::Finishing;
            self.file_asks.push(Ask::Finish { id: image.file });
        }
    }

    /// Locks a key, so that nobody changes it while it is written.
    fn claim(&mut self, image: &mut Image, db: DbId, key: Box<[u8]>) {
        if image.plan.holds {
            return image.claims.push_back(Claim { db, key, lock: None, held: true, begun: false });
        }
        // Older than any transaction: it goes before all that has not begun.
        self.snapshots.claim_next += 1;
        let id = TxId(self.snapshots.claim_next);
        let client = Client { shard: self.me.0, conn: u32::MAX, generation: u32::MAX };
        let lock = self.lock_key(&key);
        self.parts.insert(id, Part::Walking);
        self.lock(id, client, vec![(lock, false)]);
        image.claims.push_back(Claim { db, key, lock: Some(id), held: false, begun: false });
        self.turns_to_claims(image);
    }

    /// Looks which claims hold now. What else has become of the locks is seen to by `pump`.
    fn turns_to_claims(&mut self, image: &mut Image) {
        for claim in &mut image.claims {
            claim.held = claim.lock.is_none_or(|id| self.locks.holds(id));
        }
    }

    /// A lock has been granted: perhaps a claim's.
    pub(super) fn claims_may_hold(&mut self) {
        if let Some(mut image) = self.snapshots.image.take() {
            self.turns_to_claims(&mut image);
            self.snapshots.image = Some(image);
            self.active = true;
        }
    }

    fn give_up_claim(&mut self, claim: &Claim) {
        if let Some(id) = claim.lock {
            self.parts.remove(&id);
            self.release(id);
        }
    }

    /// An ask that writes is about to run: the keys that must be written first are claimed, and it waits for them as for any lock.
    #[cold]
    pub(super) fn guard_image(&mut self, row: &'static Row, args: Args<'_>, db: DbId) {
        if row.flags & Flag::WRITE == 0 {
            return;
        }
        let mut keys = Vec::new();
        // The handler says what is wrong with its words, and touches nothing.
        if table::keys_of(row, args, &mut keys).is_ok() {
            keys.iter().for_each(|&k| self.guard_key(db, args.at(k)));
        }
    }

    /// The same of one key.
    pub(super) fn guard_key(&mut self, db: DbId, key: &[u8]) {
        if !self.store.image_wants(db, key) {
            return;
        }
        let Some(mut image) = self.snapshots.image.take() else { return };
        if image.stage == Stage::Writing && !image.claims.iter().any(|c| c.db == db && *c.key == *key) {
            self.claim(&mut image, db, key.into());
        }
        self.snapshots.image = Some(image);
        self.active = true;
        self.pump();
    }

    /// What came of what was asked of files.
    pub fn file_event(&mut self, event: Event) {
        self.active = true;
        match event {
            Event::Written { id, bytes, mut spent } => {
                let Some(image) = self.snapshots.image.as_mut().filter(|image| image.file == id) else { return };
                image.under_way -= bytes;
                if image.spare.len() < SPARE_MAX {
                    spent.clear();
                    image.spare.push(spent);
                }
            }
            Event::Finished { id, bytes } => self.file_finished(id, bytes),
            Event::Abandoned { id } => self.file_gone(id),
            Event::Appended { spent, synced, .. } => self.log_appended(spent, synced),
            Event::Synced { id } => self.log_synced(id),
            Event::Unwritten { id, error, append } => self.log_unwritten(id, error, append),
            Event::Lost { error, .. } => self.log_lost(&error),
            Event::Failed { id, error } => self.file_failed(id, error),
            Event::Read { id, bytes } => self.file_read(id, bytes),
            Event::ReadAll { id } => self.file_read_all(id),
            Event::Kept { id, came } => self.hear_of_keeper(id, came),
        }
    }

    fn file_finished(&mut self, id: FileId, bytes: u64) {
        if self.log_begun(id) || self.log_ended(id) {
            return;
        }
        if let Some(image) = self.snapshots.image.as_mut().filter(|image| image.file == id) {
            let serial = image.plan.serial;
            if image.stage == Stage::Doomed {
                return self.remove_part();
            }
            image.stage = Stage::Whole;
            let part = manifest::File {
                name: manifest::file_name(&image.plan.stem, serial, self.me.index()),
                keys: image.keys,
                bytes,
                crc64: image.sum,
            };
            let home = image.plan.coordinator;
            self.tell_part(home, serial, Became::Whole(part));
        } else if self.snapshots.coordinated.as_ref().is_some_and(|c| c.seal == Some(id)) {
            self.snapshot_made();
        }
    }

    fn file_failed(&mut self, id: FileId, error: String) {
        if self.log_failed(id, &error) {
            return;
        }
        if let Some(image) = self.snapshots.image.as_mut().filter(|image| image.file == id) {
            if image.stage == Stage::Doomed {
                return self.remove_part();
            }
            let (home, serial) = (image.plan.coordinator, image.plan.serial);
            self.stop_writing(Stage::Failed);
            self.tell_part(home, serial, Became::Failed(error));
        } else if self.snapshots.coordinated.as_ref().is_some_and(|c| c.seal == Some(id)) {
            self.fail_snapshot(error);
        } else {
            self.load_failed(id, error);
        }
    }

    fn file_gone(&mut self, id: FileId) {
        if let Some(image) = self.snapshots.image.as_ref().filter(|image| image.file == id) {
            let (home, serial) = (image.plan.coordinator, image.plan.serial);
            self.end_part();
            self.tell_part(home, serial, Became::Gone);
        }
    }

    /// Ends the image in the store, whatever is written of it.
    fn stop_writing(&mut self, stage: Stage) {
        let Some(mut image) = self.snapshots.image.take() else { return };
        if image.stage == Stage::Writing {
            self.store.end_image();
            self.imaging = false;
            self.process.persist.writers.fetch_sub(1, Ordering::Relaxed);
            for claim in std::mem::take(&mut image.claims) {
                self.give_up_claim(&claim);
            }
            image.out = ImageOut::default();
        }
        image.stage = stage;
        self.snapshots.image = Some(image);
        self.pump();
    }

    /// The snapshot is given up: nothing of this part shall be left.
    pub(super) fn remove_part(&mut self) {
        let Some(image) = &mut self.snapshots.image else { return };
        match image.stage {
            Stage::Writing | Stage::Failed => {
                self.stop_writing(Stage::Removing);
                let image = self.snapshots.image.as_ref().expect("looked up above");
                self.file_asks.push(Ask::Abandon { id: image.file });
            }
            Stage::Finishing => image.stage = Stage::Doomed,
            Stage::Whole | Stage::Doomed => {
                image.stage = Stage::Removing;
                self.file_asks.push(Ask::Remove { id: image.file, paths: vec![image.path.clone()] });
            }
            Stage::Removing => {}
        }
        self.active = true;
    }

    /// This shard has no more to do with the snapshot.
    pub(super) fn end_part(&mut self) {
        if self.snapshots.image.take().is_some() {
            self.let_go_of_image();
        }
    }

    /// Keys that were locked for it are free.
    pub(super) fn let_go_of_image(&mut self) {
        self.snapshots.holding = false;
        if let Some(id) = self.snapshots.held.take() {
            self.release(id);
            self.pump();
        }
    }

    fn tell_part(&mut self, coordinator: ShardId, serial: u64, became: Became) {
        let shard = self.me;
        self.on_shard(coordinator, move |engine| engine.hear_of_part(serial, shard, became.clone()));
    }
}

impl Image {
    fn new(plan: Arc<Plan>, file: FileId, path: PathBuf, out: ImageOut, now_us: u64) -> Image {
        Image {
            plan,
            file,
            path,
            stage: Stage::Writing,
            out,
            keys: 0,
            bytes: 0,
            sum: 0,
            ended: false,
            under_way: 0,
            spare: Vec::new(),
            claims: VecDeque::new(),
            allowance: 0,
            allowed_us: now_us,
        }
    }

    /// Whether the limit lets it write now.
    fn may_write(&mut self, rate: u64, writers: &std::sync::atomic::AtomicU32, now_us: u64) -> bool {
        if rate == 0 {
            return true;
        }
        let mine = (rate / u64::from(writers.load(Ordering::Relaxed).max(1))).max(1);
        let passed_us = now_us.saturating_sub(self.allowed_us);
        let more = i64::try_from(u128::from(mine) * u128::from(passed_us) / 1_000_000).unwrap_or(i64::MAX);
        if more > 0 {
            self.allowed_us = now_us;
            let most = i64::try_from(mine / BURST_PARTS).unwrap_or(i64::MAX).max(1);
            self.allowance = self.allowance.saturating_add(more).min(most);
        }
        self.allowance > 0
    }

    /// Whether it waits for a lock.
    fn stands_still(&self) -> bool {
        !self.claims.is_empty() && self.claims.iter().all(|claim| !claim.held)
    }

    /// What has been made leaves.
    fn piece(&mut self) -> Ask {
        if !self.ended {
            self.sum_up();
        }
        let mut next = self.spare.pop().unwrap_or_default();
        next.reserve(PIECE_BYTES + SLICE_BYTES);
        let out = std::mem::replace(&mut self.out.out, base::Out { bytes: next, shared: Vec::new() });
        self.keys += std::mem::take(&mut self.out.keys);
        self.bytes += out.len() as u64;
        self.under_way += out.len();
        Ask::Write { id: self.file, out }
    }

    fn sum_up(&mut self) {
        self.sum = self.out.out.pieces().fold(self.sum, crc64);
    }

    /// The end of the file.
    fn finish(&mut self) {
        self.sum_up();
        self.ended = true;
        self.sum = file::write::end(&mut self.out.out.bytes, self.sum, self.plan.checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    /// Slices are larger than what a slow limit lets through at once: the debt is waited for.
    #[test]
    fn what_is_made_keeps_to_the_limit() {
        for (rate, shards) in [(100_000u64, 1), (100_000, 4), (50_000_000, 2), (1, 1), (u64::MAX, 1)] {
            let plan = Plan {
                serial: 1,
                coordinator: ShardId(0),
                folder: PathBuf::new(),
                stem: String::new(),
                options: ImageOptions::default(),
                checksum: true,
                began_ms: 0,
                holds: false,
                log: None,
            };
            let mut image = Image::new(Arc::new(plan), 1, PathBuf::new(), ImageOut::default(), 0);
            let (writers, mut made) = (AtomicU32::new(shards), 0u128);
            for now_us in (0..10_000_000u64).step_by(500) {
                if image.may_write(rate, &writers, now_us) {
                    made += SLICE_BYTES as u128;
                    image.allowance = image.allowance.saturating_sub_unsigned(SLICE_BYTES as u64);
                }
            }
            let most = u128::from(rate) * 10 / u128::from(shards);
            assert!(made <= most + SLICE_BYTES as u128, "{rate} {shards}: {made} of {most}");
            // Nearly all of it is used, where one slice each half millisecond is enough for that.
            let possible = most.min(20_000 * SLICE_BYTES as u128);
            assert!(made + 2 * SLICE_BYTES as u128 >= possible * 9 / 10, "{rate} {shards}: {made} of {possible}");
        }
    }
}
