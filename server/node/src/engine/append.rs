//! The append log, a shard's part: records leave for its segment in frames, and replies wait for them where every write is
//! synced.
//!
//! One write with its sync is under way at a time; what is recorded meanwhile goes with the next, so that one sync serves all who
//! wait. Records are numbered. A command's reply needs the shard's records below a number, a transaction's those of all its
//! parties, who tell the coordinator which they are. That is noted at the connection (`session::gate`), and asked in the one
//! place where output leaves, `Engine::take_out`: whichever way a reply came, it is in its connection's order by then. A number is
//! sure when it is found after any crash (`appendlog::cuts`); whoever is sure of more tells those shards that it has told
//! of numbers.

use super::{Engine, Mail};
use crate::appendlog::cuts::Shared;
use crate::appendlog::frame::{self, Head};
use crate::appendlog::segment_name;
use crate::appendlog::shared::Mode;
use crate::ask::Origin;
use crate::config::FsyncPolicy;
use crate::files::{Ask, FileId, LogAsk};
use crate::persist::{Asker, Gate};
use crate::session::Passed;
use crate::shard::locks::TxId;
use base::{DbId, Fault, Out, Reply, ShardId};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::{Changed, place_of};

/// Without a sync for each write: so many bytes leave at once, fewer when this time has passed, µs.
const HAND_OVER_BYTES: usize = 64 << 10;
const HAND_OVER_US: u64 = 2_000;
/// `everysec`, and what the kernel does of itself without any sync (30 s), µs.
const SYNC_US: u64 = 1_000_000;
const SYNC_SELDOM_US: u64 = 30_000_000;
/// As Redis: a sync that takes longer stops writers, µs.
const SYNC_LATE_US: u64 = 2_000_000;
/// What could not be written is tried again after this, µs.
const RETRY_US: u64 = 1_000_000;
/// Memory that is kept for the next frames.
const KEPT_BYTES: usize = 4 << 20;

/// What begins on every shard at one moment.
#[derive(Clone, Debug)]
pub struct LogPlan {
    pub folder: PathBuf,
    /// Of `appendfilename`.
    pub stem: String,
    pub serial: u64,
    pub run: u64,
    pub base: u64,
    pub previous: u64,
    pub ends: Vec<u64>,
    pub coordinator: ShardId,
}

struct Segment {
    id: FileId,
    salt: u32,
    /// The number of its first record in its run.
    start: u64,
    /// It was made for writes that are synced each.
    ahead: bool,
}

struct Prepared {
    segment: Segment,
    coordinator: ShardId,
    /// The coordinator knows that it is there.
    told: bool,
}

#[derive(Default)]
pub(super) struct Append {
    /// What is recorded goes to the segment.
    pub on: bool,
    segment: Option<Segment>,
    prepared: Option<Prepared>,
    /// The number of the run's first record.
    origin: u64,
    /// Records below this number have left for a segment, and are on the device.
    framed: u64,
    synced: u64,
    /// Writes under way: where they end.
    under_way: VecDeque<u64>,
    /// A sync under way: since when, and what it covers.
    syncing: Option<(u64, u64)>,
    late: bool,
    handed_us: u64,
    synced_us: u64,
    /// Segments that are being ended: what they hold. Until that is on the device nothing behind it counts.
    ending: Vec<(FileId, u64)>,
    reached_behind: u64,
    /// Transactions over several shards that are not on the device.
    shared: VecDeque<Shared>,
    /// When a write failed and of which segment: to be tried again.
    failed: Option<(u64, FileId)>,
    /// One has failed, and none succeeded since.
    broken: bool,
    spare: Vec<u8>,
    /// How much was sure when it was told last.
    told: u64,
    recent: Recent,
    /// Shards that know numbers of this one's records.
    owes: Vec<bool>,
    /// Connections with a gate.
    gated: Vec<u32>,
    /// Transactions of which this shard waits to hear where they are recorded: for whose reply, and how many are missing.
    landings: HashMap<TxId, (Origin, usize)>,
    waits: Vec<Wait>,
}

/// Where each key was changed last, in which record: who reads a key waits for that one and not for all. Keys that fall
/// together wait for each other's.
#[derive(Default)]
struct Recent {
    /// By `store::place_of`: the last record is below this number. Empty while nobody waits.
    until: Vec<u64>,
    /// The same of all keys.
    all: u64,
}

/// A client of WAITAOF.
struct Wait {
    asker: Asker,
    needs: Vec<u64>,
    /// Replicas too, of which there are none.
    in_vain: bool,
    /// `up_us`
    until_us: u64,
}

impl Engine {
    // Replies.

    /// Whether replies wait for the log now.
    pub(super) fn renew_gating(&mut self) {
        let gating = self.append.on
            && self.live.appendfsync == FsyncPolicy::Always
            && self.process.persist.log.mode() == Mode::On;
        if gating == self.gating {
            return;
        }
        self.gating = gating;
        self.store.tell_changed(gating);
        // What changed before is not known.
        let places = if gating { store::PLACES } else { 0 };
        self.append.recent = Recent { until: vec![0; places], all: self.effects.made };
    }

    /// What was done since the last time is in the record before this number, or, if `held`, is one of many things that are.
    pub(super) fn note_changed(&mut self, held: bool) {
        let (until, recent) = (self.effects.made, &mut self.append.recent);
        self.store.take_changed(|changed| match changed {
            Changed::Key(place) => recent.until[usize::from(place)] = until,
            Changed::All => recent.all = until,
        });
        if held {
            recent.all = until;
        }
    }

    /// How many records a reply that tells of these keys must wait for, where there are any (`unsure`). 0: none.
    pub(super) fn unsure_of<'k>(&self, keys: impl Iterator<Item = (DbId, &'k [u8])>) -> u64 {
        let recent = &self.append.recent;
        let until = keys.map(|(db, key)| recent.until[usize::from(place_of(db, key))]).fold(recent.all, u64::max);
        if self.process.persist.log.sure(self.me) >= until { 0 } else { until }
    }

    /// The reply at `origin` tells of what this shard has recorded below `until`.
    pub(super) fn need(&mut self, origin: Origin, shard: ShardId, until: u64) {
        if let Some(conn) = self.conn_of(origin) {
            conn.gate.get_or_insert_default().need(shard, until);
            self.note_gate(origin.conn);
        }
    }

    /// The same of a connection of this shard.
    #[cold]
    pub(super) fn need_own(&mut self, index: u32) {
        let (me, until) = (self.me, self.after);
        self.conns[index as usize].gate.get_or_insert_default().need(me, until);
        self.note_gate(index);
    }

    fn note_gate(&mut self, index: u32) {
        if self.append.gated.last() != Some(&index) {
            self.append.gated.push(index);
        }
    }

    /// How many records a reply that is made now may tell of, and that are not sure. 0: none.
    pub(super) fn unsure(&mut self) -> u64 {
        if !self.gating {
            return 0;
        }
        let made = self.effects.made;
        if self.process.persist.log.sure(self.me) >= made { 0 } else { made }
    }

    /// A reply to another shard tells of records of this one.
    pub(super) fn owe(&mut self, home: ShardId) {
        if self.append.owes.is_empty() {
            self.append.owes = vec![false; self.shards()];
        }
        self.append.owes[home.index()] = true;
    }

    /// The reply to a transaction needs records of so many shards, which tell of them.
    pub(super) fn expect_records(&mut self, id: TxId, origin: Origin, parties: usize) {
        if !self.gating || parties == 0 {
            return;
        }
        let Some(conn) = self.conn_of(origin) else { return };
        conn.gate.get_or_insert_default().need_commit(id, parties);
        self.note_gate(origin.conn);
        self.append.landings.insert(id, (origin, parties));
    }

    /// Whether the parties of a transaction are to tell where they have recorded it.
    pub(super) fn wants_records(&self, id: TxId) -> bool {
        !self.append.landings.is_empty() && self.append.landings.contains_key(&id)
    }

    /// A transaction's part is recorded: its coordinator wants to know where.
    pub(super) fn tell_record(&mut self, id: TxId, coordinator: ShardId) {
        let (shard, until) = (self.me, self.effects.made);
        if coordinator == self.me {
            return self.hear_record(id, shard, until);
        }
        self.owe(coordinator);
        self.outbox[coordinator.index()].mail(Mail::Recorded { id, shard, until });
    }

    pub(super) fn hear_record(&mut self, id: TxId, shard: ShardId, until: u64) {
        let Some((origin, missing)) = self.append.landings.get_mut(&id) else { return };
        let origin = *origin;
        *missing -= 1;
        if *missing == 0 {
            self.append.landings.remove(&id);
        }
        if let Some(gate) = self.conn_of(origin).and_then(|conn| conn.gate.as_mut()) {
            gate.learn(id, shard, until);
            self.mark_dirty(origin.conn);
        }
    }

    /// What of a connection's output may leave through its gate.
    #[cold]
    pub(super) fn pass_gate(&mut self, index: u32) -> Option<Out> {
        let conn = &mut self.conns[index as usize];
        let log = &self.process.persist.log;
        let gate = conn.gate.as_mut()?;
        let passed = gate.pass(&mut conn.out, |shard| log.sure(shard));
        if gate.is_idle() {
            conn.gate = None;
        }
        match passed {
            Passed::Nothing => None,
            Passed::Held(out) => Some(out),
            Passed::All => {
                conn.gate = None;
                (!conn.out.is_empty()).then(|| std::mem::take(&mut conn.out))
            }
        }
    }

    /// Some shard is sure of more.
    pub(super) fn hear_sure(&mut self) {
        let log = &self.process.persist.log;
        let sure = log.sure(self.me);
        if self.append.told != sure {
            self.append.told = sure;
            let all = log.waiters.load(Ordering::Relaxed) > 0;
            for shard in 0..self.shards() {
                let owed = self.append.owes.get(shard).is_some_and(|&owed| owed);
                if (owed || all) && shard != self.me.index() {
                    self.outbox[shard].mail(Mail::Sure);
                }
            }
            if sure >= self.effects.made {
                self.append.owes.fill(false);
            }
        }
        let mut gated = std::mem::take(&mut self.append.gated);
        gated.sort_unstable();
        gated.dedup();
        gated.retain(|&index| {
            let log = &self.process.persist.log;
            let Some(gate) = self.conns.get(index as usize).and_then(|conn| conn.gate.as_ref()) else { return false };
            if gate.opens(|shard| log.sure(shard)) {
                self.mark_dirty(index);
            }
            true
        });
        self.append.gated = gated;
        self.end_log_waits();
        self.active = true;
    }

    // WAITAOF.

    /// Answers how many devices have what `needs` says (1 or 0), when it is so or the time is over. `needs`: by shard.
    pub fn wait_for_log(&mut self, asker: Asker, needs: Vec<u64>, in_vain: bool, until_us: u64) {
        self.process.persist.log.waiters.fetch_add(1, Ordering::Relaxed);
        self.append.waits.push(Wait { asker, needs, in_vain, until_us });
        self.end_log_waits();
    }

    /// Ends a connection's WAITAOF with `fault`, or as if its time were over. False if it has none.
    pub fn end_log_wait(&mut self, index: u32, fault: Option<&Fault>) -> bool {
        let of = |wait: &Wait| wait.asker.origin.conn == index;
        let Some(at) = self.append.waits.iter().position(of) else { return false };
        let wait = self.append.waits.remove(at);
        self.process.persist.log.waiters.fetch_sub(1, Ordering::Relaxed);
        match fault.cloned() {
            Some(fault) => self.tell_asker(wait.asker, move |r| r.fault(&fault)),
            None => {
                let has = self.log_has(&wait.needs);
                self.tell_asker(wait.asker, move |r| draw_waitaof(r, has));
            }
        }
        true
    }

    /// Clients of WAITAOF that wait.
    pub fn log_waits(&self) -> usize {
        self.append.waits.len()
    }

    /// Whether all that these numbers stand for is on the device.
    pub fn log_has(&self, needs: &[u64]) -> bool {
        let log = &self.process.persist.log;
        log.mode() == Mode::On && needs.iter().enumerate().all(|(n, &until)| log.sure(ShardId(n as u16)) >= until)
    }

    /// Records of this shard so far.
    pub fn records_made(&self) -> u64 {
        self.effects.made
    }

    fn end_log_waits(&mut self) {
        if self.append.waits.is_empty() {
            return;
        }
        for wait in std::mem::take(&mut self.append.waits) {
            let has = self.log_has(&wait.needs);
            let gone = self.conn_of(wait.asker.origin).is_none_or(|conn| conn.gone);
            let off = !wait.in_vain && self.process.persist.log.mode() == Mode::Off;
            if (!has || wait.in_vain) && !gone && !off && self.now.up_us < wait.until_us {
                self.append.waits.push(wait);
                continue;
            }
            self.process.persist.log.waiters.fetch_sub(1, Ordering::Relaxed);
            if off {
                // As in Redis when it is turned off meanwhile.
                let fault = "WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
                self.tell_asker(wait.asker, move |r| r.fault(&Fault::err(fault)));
                continue;
            }
            self.tell_asker(wait.asker, move |r| draw_waitaof(r, has));
        }
    }

    // Segments.

    /// Makes a segment for what is about to begin; the coordinator hears when it is there.
    pub(super) fn prepare_segment(&mut self, plan: &Arc<LogPlan>) {
        let head = Head {
            serial: plan.serial,
            run: plan.run,
            base: plan.base,
            began_ms: self.now.ms(),
            shard: self.me.0.into(),
            shards: self.shards() as u32,
            previous: plan.previous,
            ends: plan.ends.clone(),
        };
        let path = plan.folder.join(segment_name(&plan.stem, plan.serial, self.me.index()));
        let id = self.next_file_id();
        let ahead = self.live.appendfsync == FsyncPolicy::Always;
        let segment = Segment { id, salt: head.salt(), start: 0, ahead };
        self.append.prepared = Some(Prepared { segment, coordinator: plan.coordinator, told: false });
        self.file_asks.push(Ask::Log(LogAsk::Begin { id, path, head: head.draw(), ahead }));
        self.active = true;
    }

    /// From here on records go to the segment that was prepared, if one was. Nothing else happens on any shard.
    pub(super) fn begin_segment(&mut self) {
        let Some(prepared) = self.append.prepared.take() else { return };
        self.record();
        let begins = !self.append.on;
        if self.append.on {
            self.hand_over(self.live.appendfsync == FsyncPolicy::Always);
            self.end_segment();
        } else {
            self.effects.clear();
            let made = self.effects.made;
            let append = &mut self.append;
            append.on = true;
            (append.origin, append.framed, append.synced, append.told) = (made, made, made, made);
            append.shared.clear();
            self.process.persist.log.begin(self.me, made);
            // It notes what versions were given out.
            self.store.begin_journal();
            self.record();
        }
        self.append.synced_us = self.now.up_us;
        // What was just noted for the first goes to it.
        let start = self.append.framed - self.append.origin;
        self.append.segment = Some(Segment { start, ..prepared.segment });
        self.record_nothing();
        if begins && !self.effects.is_empty() {
            // So that who wrote nothing since the beginning waits for nothing.
            self.hand_over(true);
        }
        self.process.persist.log.begin_segment(self.me);
        self.renew_gating();
        self.go_ahead();
    }

    /// A segment that was made while writes were not synced each is told when they are.
    pub(super) fn go_ahead(&mut self) {
        let always = self.live.appendfsync == FsyncPolicy::Always;
        if let Some(segment) = self.append.segment.as_mut().filter(|segment| always && !segment.ahead) {
            segment.ahead = true;
            self.file_asks.push(Ask::Log(LogAsk::Ahead { id: segment.id }));
            self.active = true;
        }
    }

    /// It will not be needed.
    pub(super) fn drop_prepared(&mut self) {
        if let Some(prepared) = self.append.prepared.take() {
            self.file_asks.push(Ask::Log(LogAsk::Drop { id: prepared.segment.id }));
            if !prepared.told {
                self.tell_prepared(prepared.coordinator, Err("the append log was turned off".into()));
            }
            self.active = true;
        }
    }

    fn end_segment(&mut self) {
        if let Some(segment) = self.append.segment.take() {
            self.append.ending.push((segment.id, self.append.framed));
            if self.append.syncing.take().is_some() {
                self.process.persist.log.syncing.fetch_sub(1, Ordering::Relaxed);
            }
            self.file_asks.push(Ask::Log(LogAsk::End { id: segment.id }));
        }
    }

    /// No more is kept.
    pub(super) fn stop_log(&mut self) {
        self.drop_prepared();
        if self.append.on {
            self.record();
            self.hand_over(false);
            self.end_segment();
            self.append.on = false;
            self.append.failed = None;
            self.log_mended();
            self.store.end_journal();
            self.append.late = false;
            self.effects.stop = false;
        }
        self.renew_gating();
        self.active = true;
    }

    // Records.

    /// Once a turn.
    pub(super) fn work_on_log(&mut self) {
        if !self.append.waits.is_empty() {
            self.end_log_waits();
        }
        if !self.append.on {
            return;
        }
        let (now, policy) = (self.now.up_us, self.live.appendfsync);
        let last = self.process.is_stopping();
        if let Some((at, id)) = self.append.failed {
            if now < at + RETRY_US {
                return;
            }
            self.append.failed = None;
            if self.append.ending.iter().any(|&(ending, _)| ending == id) {
                self.file_asks.push(Ask::Log(LogAsk::End { id }));
            }
        }
        let again = self.append.broken && self.append.under_way.is_empty();
        let append = &self.append;
        let at_once = policy == FsyncPolicy::Always || last;
        if append.under_way.is_empty() && (!self.effects.is_empty() || at_once && append.framed > append.synced) {
            let due = self.effects.bytes.len() >= HAND_OVER_BYTES || now >= append.handed_us + HAND_OVER_US;
            if at_once || due {
                self.hand_over(at_once);
            }
        } else if again {
            // What is kept is written with nothing more.
            self.hand_over(false);
        }
        let append = &mut self.append;
        match append.syncing {
            Some((since, _)) => {
                let late = policy == FsyncPolicy::EverySec && now > since + SYNC_LATE_US;
                if late && !append.late {
                    self.process.persist.log.delayed.fetch_add(1, Ordering::Relaxed);
                    self.process.log.notice(
                        "The append log's sync takes too long (the disk is busy): writers wait until it is done",
                    );
                }
                append.late = late;
                self.effects.stop = late;
            }
            None => {
                let every = if policy == FsyncPolicy::No { SYNC_SELDOM_US } else { SYNC_US };
                if !at_once && append.framed > append.synced && now >= append.synced_us + every {
                    append.synced_us = now;
                    let quiet = policy == FsyncPolicy::EverySec
                        && self.live.no_sync_on_rewrite
                        && self.process.persist.log.facts().rewriting;
                    if let Some(segment) = append.segment.as_ref().filter(|_| !quiet) {
                        append.syncing = Some((now, append.framed));
                        self.process.persist.log.syncing.fetch_add(1, Ordering::Relaxed);
                        self.file_asks.push(Ask::Log(LogAsk::Sync { id: segment.id }));
                    }
                }
            }
        }
    }

    /// When it has something to do again, `up_us`.
    pub(super) fn log_due_us(&self) -> Option<u64> {
        let append = &self.append;
        let wait = append.waits.iter().map(|wait| wait.until_us).min();
        if !append.on {
            return wait;
        }
        if let Some((at, _)) = append.failed {
            return wait.into_iter().chain([at + RETRY_US]).min();
        }
        let hand = (append.under_way.is_empty() && !self.effects.is_empty()).then_some(append.handed_us + HAND_OVER_US);
        let every = if self.live.appendfsync == FsyncPolicy::No { SYNC_SELDOM_US } else { SYNC_US };
        let sync = match append.syncing {
            Some((since, _)) if !append.late => Some(since + SYNC_LATE_US + 1),
            // With a sync for each write the one that is under way is heard of.
            None if append.framed > append.synced && self.live.appendfsync != FsyncPolicy::Always => {
                Some(append.synced_us + every)
            }
            _ => None,
        };
        wait.into_iter().chain(hand).chain(sync).min()
    }

    /// All that is recorded leaves.
    fn hand_over(&mut self, sync: bool) {
        let Some(&Segment { id, salt, start, .. }) = self.append.segment.as_ref() else { return };
        let append = &mut self.append;
        let mut bytes = std::mem::take(&mut append.spare);
        let first = append.framed;
        let durable = append.synced - append.origin;
        frame::write(&mut bytes, salt, first - append.origin, durable, start, self.effects.iter());
        for (n, record) in self.effects.records.iter().enumerate().filter(|(_, record)| record.parties > 1) {
            append.shared.push_back(Shared { at: first + n as u64, tx: record.tx, parties: record.parties });
        }
        self.effects.clear();
        append.framed = self.effects.made;
        append.handed_us = self.now.up_us;
        append.under_way.push_back(append.framed);
        self.process.persist.log.written(self.me, bytes.len());
        self.file_asks.push(Ask::Log(LogAsk::Append { id, bytes, sync }));
    }

    // What came of it.

    pub(super) fn log_appended(&mut self, mut spent: Vec<u8>, synced: bool) {
        // With all that could not be written before it.
        let Some(end) = self.append.under_way.pop_front() else { return };
        self.log_mended();
        spent.clear();
        if spent.capacity() <= KEPT_BYTES && self.append.spare.capacity() < spent.capacity() {
            self.append.spare = spent;
        }
        if synced {
            self.log_reached(end);
        }
    }

    pub(super) fn log_synced(&mut self, id: FileId) {
        // One of a segment that is being ended says nothing of its end.
        if self.append.segment.as_ref().is_none_or(|segment| segment.id != id) {
            return;
        }
        if let Some((_, end)) = self.append.syncing.take() {
            self.process.persist.log.syncing.fetch_sub(1, Ordering::Relaxed);
            self.append.late = false;
            self.effects.stop = false;
            self.log_reached(end);
        }
    }

    /// A segment that was ended is on the device: true if it was one.
    pub(super) fn log_ended(&mut self, id: FileId) -> bool {
        let Some(at) = self.append.ending.iter().position(|&(ending, _)| ending == id) else { return false };
        let (_, end) = self.append.ending.swap_remove(at);
        self.log_mended();
        if self.append.on {
            let behind = std::mem::take(&mut self.append.reached_behind);
            self.log_reached(end.max(behind));
        } else {
            // The log was stopped: what was acknowledged is on the device, and nobody waits any more.
            self.process.persist.log.end(self.me);
            self.hear_sure();
        }
        true
    }

    fn log_reached(&mut self, end: u64) {
        let append = &mut self.append;
        if !append.ending.is_empty() {
            append.reached_behind = append.reached_behind.max(end);
            return;
        }
        append.synced = append.synced.max(end);
        let count = append.shared.partition_point(|shared| shared.at < append.synced);
        let new: Vec<Shared> = append.shared.drain(..count).collect();
        let more = self.process.persist.log.reached(self.me, self.append.synced, new);
        for shard in more {
            if shard == self.me {
                self.hear_sure();
            } else {
                self.outbox[shard.index()].mail(Mail::Sure);
            }
        }
    }

    /// A segment could not be made: true if this file is one.
    pub(super) fn log_failed(&mut self, id: FileId, error: &str) -> bool {
        if let Some(prepared) = self.append.prepared.take_if(|prepared| prepared.segment.id == id) {
            self.tell_prepared(prepared.coordinator, Err(error.to_string()));
            return true;
        }
        false
    }

    /// Writes are refused until it can be written again.
    pub(super) fn log_unwritten(&mut self, id: FileId, error: String, append: bool) {
        let log = &self.process.persist.log;
        if append {
            self.append.under_way.pop_front();
        } else if self.append.syncing.take().is_some() {
            log.syncing.fetch_sub(1, Ordering::Relaxed);
        }
        self.append.failed = Some((self.now.up_us, id));
        if !std::mem::replace(&mut self.append.broken, true) {
            let mut facts = log.facts();
            facts.failing += 1;
            if facts.failed.replace(error.clone()).is_none() {
                self.process.log.warning(format_args!("Error writing to the append log: {error}. Writes are refused"));
            }
            self.process.persist.set_gate(Gate::LOG, true);
        }
    }

    fn log_mended(&mut self) {
        if !std::mem::take(&mut self.append.broken) {
            return;
        }
        let mut facts = self.process.persist.log.facts();
        facts.failing -= 1;
        if facts.failing == 0 {
            facts.failed = None;
            self.process.persist.set_gate(Gate::LOG, false);
            self.process.log.warning("The append log can be written again");
        }
    }

    /// A segment that was prepared is there: true if it was one.
    pub(super) fn log_begun(&mut self, id: FileId) -> bool {
        let Some(prepared) = self.append.prepared.as_mut().filter(|prepared| prepared.segment.id == id) else {
            return false;
        };
        prepared.told = true;
        let coordinator = prepared.coordinator;
        self.tell_prepared(coordinator, Ok(()));
        true
    }

    fn tell_prepared(&mut self, coordinator: ShardId, result: Result<(), String>) {
        self.on_shard(coordinator, move |engine| engine.hear_of_segment(result.clone()));
    }

    /// Nobody knows what the device has: the process ends, and the next start finds out.
    pub(super) fn log_lost(&mut self, error: &str) {
        let line = format!("The append log is lost: {error}");
        self.process.log.warning(&line);
        self.process.persist.fail(line);
        self.leave_now();
    }

    /// Whether all that was recorded is written, and synced where it is to be.
    pub fn log_is_settled(&self) -> bool {
        let append = &self.append;
        let written = append.under_way.is_empty() && append.syncing.is_none() && append.ending.is_empty();
        let waits = append.landings.is_empty() && append.prepared.is_none() && append.waits.is_empty();
        written && waits && (!append.on || self.effects.is_empty() && append.framed == append.synced)
    }

    /// Whether the process may end: of what was acknowledged all is on the device.
    pub fn log_lets_go(&self) -> bool {
        let append = &self.append;
        let done = append.under_way.is_empty() && self.effects.is_empty() && append.framed == append.synced;
        !append.on || append.failed.is_some() || done
    }
}

/// WAITAOF's answer: of this server's device, and of replicas', of which there are none.
pub fn draw_waitaof(reply: &mut dyn Reply, has: bool) {
    reply.array(2);
    reply.int(has.into());
    reply.int(0);
}
