//! A folder that forgets at a power cut what was not synced.

use super::Rng;
use node::files::{Ask, Event, FileId, LogAsk};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

/// A file as it is seen while the power is on.
#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    /// As many of them are on the device.
    synced: usize,
    /// A segment of the append log: what could not be written yet.
    log: Option<Vec<u8>>,
}

/// One shard's way to it.
#[derive(Default)]
struct Way {
    asks: VecDeque<Ask>,
    events: VecDeque<Event>,
    open: BTreeMap<FileId, PathBuf>,
    /// A file that is read: what is left of it.
    reads: BTreeMap<FileId, Vec<u8>>,
}

#[derive(Default)]
pub struct Disk {
    ways: Vec<Way>,
    files: BTreeMap<PathBuf, File>,
    /// Names as they stand on the device, with what they named when the folder was synced.
    names: BTreeMap<PathBuf, Vec<u8>>,
    /// Bytes that fit; a write beyond fails.
    pub room: usize,
}

impl Disk {
    pub fn new(shards: usize) -> Disk {
        Disk { ways: (0..shards).map(|_| Way::default()).collect(), room: usize::MAX, ..Disk::default() }
    }

    pub fn ask(&mut self, shard: usize, ask: Ask) {
        self.ways[shard].asks.push_back(ask);
    }

    pub fn is_quiet(&self) -> bool {
        self.ways.iter().all(|way| way.asks.is_empty() && way.events.is_empty())
    }

    /// What comes next for a shard, if it is heard now.
    pub fn event(&mut self, shard: usize) -> Option<Event> {
        self.ways[shard].events.pop_front()
    }

    /// Does the next that a shard asked for.
    pub fn work(&mut self, shard: usize, rng: &mut Rng) {
        let Some(ask) = self.ways[shard].asks.pop_front() else { return };
        let ask = match ask {
            Ask::Log(ask) => {
                if let Some(event) = self.work_on_log(shard, ask, rng) {
                    self.ways[shard].events.push_back(event);
                }
                return;
            }
            ask => ask,
        };
        let used: usize = self.files.values().map(|file| file.bytes.len()).sum();
        let event = match ask {
            Ask::Log(_) => unreachable!("done above"),
            Ask::Create { id, path } => {
                self.files.insert(path.clone(), File::default());
                self.ways[shard].open.insert(id, path);
                return;
            }
            Ask::Write { id, out } => {
                let Some(path) = self.ways[shard].open.get(&id).cloned() else { return };
                let (bytes, mut text) = (out.len(), out.to_vec());
                if used + bytes > self.room {
                    self.ways[shard].open.remove(&id);
                    self.files.remove(&path);
                    Event::Failed { id, error: format!("{}: No space left on device", path.display()) }
                } else {
                    let file = self.files.get_mut(&path).expect("it is open");
                    file.bytes.append(&mut text);
                    // The device may be ahead of any sync.
                    if rng.chance(3) {
                        file.synced = rng.below(file.bytes.len() + 1);
                    }
                    Event::Written { id, bytes, spent: out.bytes }
                }
            }
            Ask::Finish { id } => {
                let Some(path) = self.ways[shard].open.remove(&id) else { return };
                let file = self.files.get_mut(&path).expect("it is open");
                file.synced = file.bytes.len();
                Event::Finished { id, bytes: file.bytes.len() as u64 }
            }
            Ask::Abandon { id } => {
                if let Some(path) = self.ways[shard].open.remove(&id) {
                    self.files.remove(&path);
                }
                Event::Abandoned { id }
            }
            Ask::Remove { id, paths } => {
                paths.iter().for_each(|path| drop(self.files.remove(path)));
                Event::Abandoned { id }
            }
            Ask::Seal { id, path, text, obsolete } => {
                self.sync_names();
                self.files
                    .insert(path.clone(), File { bytes: text.clone().into_bytes(), synced: text.len(), log: None });
                // The name may be on the device before the folder is synced, or not.
                if !rng.chance(2) {
                    self.sync_names();
                }
                self.sync_names();
                obsolete.iter().for_each(|path| drop(self.files.remove(path)));
                Event::Finished { id, bytes: text.len() as u64 }
            }
            Ask::Read { id, path } => match self.files.get(&path) {
                None => Event::Failed { id, error: format!("{}: No such file or directory", path.display()) },
                Some(file) => {
                    self.ways[shard].reads.insert(id, file.bytes.clone());
                    self.ways[shard].asks.push_back(Ask::Taken { id, bytes: 0 });
                    return;
                }
            },
            // Copies are for disks and networks that are.
            Ask::Keep { .. } => return,
            // Pieces of any size, as if each waited for the one before.
            Ask::Taken { id, .. } => {
                let way = &mut self.ways[shard];
                let Some(rest) = way.reads.get_mut(&id) else { return };
                if rest.is_empty() {
                    way.reads.remove(&id);
                    Event::ReadAll { id }
                } else {
                    let piece = rest.drain(..1 + rng.below(rest.len())).collect();
                    Event::Read { id, bytes: piece }
                }
            }
        };
        self.ways[shard].events.push_back(event);
    }

    fn work_on_log(&mut self, shard: usize, ask: LogAsk, rng: &mut Rng) -> Option<Event> {
        let used: usize = self.files.values().map(|file| file.bytes.len()).sum();
        let room = self.room.saturating_sub(used);
        let error = || "No space left on device".to_string();
        let (id, bytes, sync, end) = match ask {
            LogAsk::Begin { id, path, head, .. } => {
                if room < head.len() {
                    return Some(Event::Failed { id, error: error() });
                }
                let (bytes, synced) = (head.len() as u64, head.len());
                self.names.insert(path.clone(), head.clone());
                self.files.insert(path.clone(), File { bytes: head, synced, log: Some(Vec::new()) });
                self.ways[shard].open.insert(id, path);
                return Some(Event::Finished { id, bytes });
            }
            LogAsk::Drop { id } => {
                if let Some(path) = self.ways[shard].open.remove(&id) {
                    self.files.remove(&path);
                }
                return Some(Event::Abandoned { id });
            }
            LogAsk::Ahead { .. } => return None,
            LogAsk::Append { id, bytes, sync } => (id, Some(bytes), sync, false),
            LogAsk::Sync { id } => (id, None, true, false),
            LogAsk::End { id } => (id, None, true, true),
        };
        // It is removed already: a snapshot has made it obsolete.
        let file = self.ways[shard].open.get(&id).and_then(|path| self.files.get_mut(path));
        if let Some(file) = file {
            let late = file.log.get_or_insert_default();
            late.extend_from_slice(bytes.as_deref().unwrap_or_default());
            if late.len() > room {
                return Some(Event::Unwritten { id, error: error(), append: bytes.is_some() });
            }
            file.bytes.append(late);
            if sync {
                file.synced = file.bytes.len();
            } else if rng.chance(3) {
                file.synced += rng.below(file.bytes.len() - file.synced + 1);
            }
        }
        if end {
            self.ways[shard].open.remove(&id);
            return Some(Event::Finished { id, bytes: 0 });
        }
        Some(match bytes {
            Some(spent) => Event::Appended { id, spent, synced: sync },
            None => Event::Synced { id },
        })
    }

    fn sync_names(&mut self) {
        self.names = self.files.iter().map(|(path, file)| (path.clone(), file.bytes.clone())).collect();
    }

    /// What is found after a power cut at this moment: of what was not synced anything, all or some.
    pub fn after_power_cut(&self, rng: &mut Rng) -> Disk {
        let mut after = Disk::new(self.ways.len());
        let mut keep = |path: &Path, bytes: Vec<u8>| {
            let synced = bytes.len();
            after.files.insert(path.into(), File { bytes, synced, log: None });
        };
        for (path, bytes) in &self.names {
            match self.files.get(path) {
                Some(file) if file.log.is_some() => keep(path, torn_log(file, rng)),
                // It may have been replaced or written on since.
                Some(file) if rng.chance(2) => keep(path, torn(file, rng)),
                Some(_) => keep(path, bytes.clone()),
                // It may be removed by now, or not yet.
                None if rng.chance(2) => keep(path, bytes.clone()),
                None => {}
            }
        }
        for (path, file) in self.files.iter().filter(|(path, _)| !self.names.contains_key(*path)) {
            if rng.chance(2) {
                keep(path, torn(file, rng));
            }
        }
        after.sync_names();
        after
    }

    /// The same files for a node of another number of shards.
    pub fn moved_to(mut self, shards: usize) -> Disk {
        self.ways = (0..shards).map(|_| Way::default()).collect();
        self
    }

    pub fn read(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(path).map(|file| &file.bytes[..])
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.keys().cloned().collect()
    }
}

/// What is left of a file of which not all was synced: some end of it is missing, or is zeros.
fn torn(file: &File, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = file.bytes.clone();
    if file.synced < bytes.len() {
        let end = file.synced + rng.below(bytes.len() - file.synced + 1);
        if rng.chance(2) {
            bytes[end..].fill(0);
        } else {
            bytes.truncate(end);
        }
    }
    bytes
}

/// What is left of a segment: of what was not synced each piece by itself, as a device that writes in any order leaves it.
fn torn_log(file: &File, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = file.bytes.clone();
    let end = file.synced + rng.below(bytes.len() - file.synced + 1);
    match rng.below(3) {
        0 => bytes.truncate(end),
        1 => bytes[end..].fill(0),
        _ => {
            let odds = 1 + rng.below(4);
            for piece in bytes[file.synced..].chunks_mut(64) {
                if rng.chance(odds) {
                    piece.fill(0);
                }
            }
        }
    }
    bytes
}
