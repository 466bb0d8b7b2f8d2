//! The append log at the start: when the snapshot is loaded, every shard replays its own stream, all at once, through the same
//! calls that the records tell of. Nothing goes by itself meanwhile. Then each begins a segment, and the clients come in.

use super::Engine;
use super::append::LogPlan;
use super::load::Loading;
use crate::appendlog::frame::{Next, Reader};
use crate::appendlog::recover::Log;
use crate::appendlog::shared::Mode;
use crate::files::{Ask, FileId};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A segment, as it is replayed.
#[derive(Clone, Debug)]
pub struct ReplayFile {
    pub path: PathBuf,
    pub bytes: u64,
    pub salt: u32,
    /// Where its frames begin.
    pub from: u64,
    /// Records from this number on do not count.
    pub until: u64,
}

/// What is replayed, and what begins then.
#[derive(Debug)]
pub struct Replay {
    /// By shard, in order.
    pub streams: Vec<Vec<ReplayFile>>,
    pub begin: Arc<LogPlan>,
}

impl Replay {
    pub fn bytes(&self) -> u64 {
        self.streams.iter().flatten().map(|file| file.bytes).sum()
    }

    /// Of a log that fits these shards.
    pub fn new(log: &Log, shards: usize, begin: LogPlan) -> Replay {
        let mut streams = vec![Vec::new(); shards];
        for (files, stream) in log.runs.iter().flat_map(|run| run.streams.iter().enumerate()) {
            streams[files].extend(stream.segments.iter().map(|segment| ReplayFile {
                path: segment.path.clone(),
                bytes: segment.bytes,
                salt: segment.head.salt(),
                from: segment.from,
                until: stream.until,
            }));
        }
        Replay { streams, begin: Arc::new(begin) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Stage {
    #[default]
    Files,
    Log,
    Opening,
}

/// A segment that is read here.
pub(super) struct Replaying {
    id: FileId,
    file: ReplayFile,
    reader: Option<Reader>,
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the head that are still to be passed over.
    skip: u64,
    all_came: bool,
}

impl Replaying {
    pub(super) fn is(&self, id: FileId) -> bool {
        self.id == id
    }
}

impl Engine {
    /// After what is being loaded this is replayed.
    pub fn replay_next(&mut self, replay: Arc<Replay>) {
        if let Some(loading) = &mut self.loading {
            loading.replay = Some(replay);
        }
    }

    /// On every shard: all files are loaded.
    pub(super) fn begin_replay(&mut self) {
        let me = self.me.index();
        let Some(loading) = &mut self.loading else { return };
        let Some(replay) = &loading.replay else { return };
        loading.segments = replay.streams[me].iter().cloned().collect();
        (loading.stage, loading.told) = (Stage::Log, false);
        self.active = true;
    }

    /// Of the stream that is replayed here: a frame, or what has to come before it.
    pub(super) fn replay_slice(&mut self, loading: &mut Loading) -> Result<(), String> {
        let Some(mut now) = loading.replaying.take() else {
            let Some(file) = loading.segments.pop_front() else {
                loading.told = true;
                return Ok(());
            };
            let id = self.next_file_id();
            self.file_asks.push(Ask::Read { id, path: file.path.clone() });
            let (skip, reader) = (file.from, Some(Reader::new(file.salt, file.from, file.bytes)));
            loading.replaying = Some(Replaying { id, file, reader, pieces: VecDeque::new(), skip, all_came: false });
            return Ok(());
        };
        let mut reader = now.reader.take().expect("it is put back after each slice");
        let value_bytes_max = self.live.limits.value_bytes_max;
        let mut ended = false;
        let path = || now.file.path.display();
        match reader.read_next() {
            Next::NeedMore => match now.pieces.pop_front() {
                Some(piece) => {
                    self.process.persist.loaded_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    self.file_asks.push(Ask::Taken { id: now.id, bytes: piece.len() });
                    let skip = now.skip.min(piece.len() as u64);
                    now.skip -= skip;
                    reader.feed(&piece[skip as usize..]);
                    self.active = true;
                }
                None if now.all_came => ended = true,
                None => {}
            },
            Next::Frame(head, records, at) => {
                for (n, record) in records.enumerate() {
                    if head.first + n as u64 >= now.file.until {
                        ended = true;
                        break;
                    }
                    let (record, effects) =
                        record.map_err(|_| format!("{}: its frame at byte {at} holds no records", path()))?;
                    self.store.apply(effects, record.unix_ms, value_bytes_max).map_err(|bad| {
                        format!("{}: record {n} of the frame at byte {at} cannot be replayed: {}", path(), bad.what)
                    })?;
                    loading.replayed += 1;
                }
                self.active = true;
            }
            Next::End => ended = true,
        }
        if ended {
            self.file_asks.push(Ask::Abandon { id: now.id });
            self.active = true;
        } else {
            now.reader = Some(reader);
            loading.replaying = Some(now);
        }
        Ok(())
    }

    pub(super) fn segment_read(&mut self, id: FileId, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let replaying = self.loading.as_mut().and_then(|loading| loading.replaying.as_mut()).filter(|r| r.id == id);
        match replaying {
            Some(replaying) => replaying.pieces.push_back(bytes),
            None => return Some(bytes),
        }
        None
    }

    pub(super) fn segment_read_all(&mut self, id: FileId) {
        let replaying = self.loading.as_mut().and_then(|loading| loading.replaying.as_mut()).filter(|r| r.id == id);
        if let Some(replaying) = replaying {
            replaying.all_came = true;
        }
    }

    /// On the coordinator: every shard has replayed what was its own.
    pub(super) fn begin_log_after_replay(&mut self, replay: &Replay) {
        {
            let mut facts = self.process.persist.log.facts();
            let LogPlan { run, previous, ends, .. } = &*replay.begin;
            (facts.run, facts.previous, facts.ends) = (*run, *previous, ends.clone());
        }
        let begin = replay.begin.clone();
        self.on_every_shard(move |engine| {
            if let Some(loading) = &mut engine.loading {
                loading.stage = Stage::Opening;
            }
            engine.prepare_segment(&begin);
        });
    }

    /// A shard's first segment is there, or cannot be.
    pub(super) fn first_segment_begun(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => self.load_part_done(),
            Err(error) => {
                self.process.persist.fail(format!("The append log cannot be begun: {error}"));
                self.process.stop();
                self.on_every_shard(|engine| engine.active = true);
            }
        }
    }

    /// On the coordinator: all is there.
    pub(super) fn log_begins(&self) {
        self.process.persist.log.set_mode(Mode::On);
    }

    /// A segment of the log is there on some shard, for a snapshot's point in time or for the start.
    pub(super) fn hear_of_segment(&mut self, result: Result<(), String>) {
        if self.loading.is_some() {
            self.first_segment_begun(result);
        } else {
            self.segment_prepared(result);
        }
    }
}
