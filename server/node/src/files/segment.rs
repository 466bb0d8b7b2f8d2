//! Segments of the append log.
//!
//! Where each write is synced, its bytes go past the page cache into blocks that were written with zeros before: a sync then
//! has no metadata to write, only the device to wait for. The shard's own ring writes them (`direct`): a group of records costs
//! its shard one entry of the ring, and no thread has to be woken. The last block is written again with what is added to it,
//! and its older bytes stay the same, so that whatever of a write is torn, what was on the device before is there.
//!
//! Where writes are synced once a second, or the file system has no direct I/O, a thread for each shard writes them to the
//! page cache, as Redis does: a process that is killed loses nothing, and the device is written to in large pieces. Not the
//! executor beside the snapshots: of a shard one write is under way at a time, so there is nothing for an executor to
//! interleave, and a plain call that blocks answers sooner than a task behind a snapshot's blocks. The same thread makes
//! segments, writes their zeros and ends them.

use super::direct::Direct;
use super::{Ears, Event, FileId, Heard};
use crate::appendlog::frame::BLOCK_BYTES;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// What a shard wants of a segment.
#[derive(Debug)]
pub enum LogAsk {
    /// Makes a segment with this head, on the device with its name: `Finished`. `ahead`: its writes will be synced each.
    Begin { id: FileId, path: PathBuf, head: Vec<u8>, ahead: bool },
    /// `Appended` when it is written, and on the device if that was asked for. After `Unwritten` what was to be written is
    /// kept, and written with the next.
    Append { id: FileId, bytes: Vec<u8>, sync: bool },
    /// Its writes will be synced each from now on. Nothing is heard of it.
    Ahead { id: FileId },
    /// `Synced` when all that was written is on the device.
    Sync { id: FileId },
    /// No more comes: `Finished` when all is on the device.
    End { id: FileId },
    /// Removes it: `Abandoned`.
    Drop { id: FileId },
}

/// What the thread does.
pub(super) enum Job {
    Ask(LogAsk),
    /// Zeros from here on: `Heard::Zeros`.
    Zeros {
        id: FileId,
        path: PathBuf,
        from: u64,
        pace: Arc<AtomicU8>,
    },
    /// `LogAsk::End` of a segment that the ring has written.
    End {
        id: FileId,
        segment: Segment,
    },
}

/// Zeros are written ahead in steps of this, when less than half of it is left.
pub(super) const AHEAD_BYTES: u64 = 16 << 20;
/// One write of them, and the pause after it: whoever syncs meanwhile finds the device free. (In one go syncs took 2 ms for as long
/// as it lasted; so they take what they take without, and 40 MB/s of zeros come.)
const ZEROS_BYTES: usize = 64 << 10;
const ZEROS_PAUSE: Duration = Duration::from_millis(1);
/// How they are written, which who wants them changes: with pauses; without, for he waits for them; no more.
pub(super) const LEISURE: u8 = 0;
pub(super) const HURRY: u8 = 1;
pub(super) const STOP: u8 = 2;
/// Memory that is kept for the next write.
const KEPT_BYTES: usize = 4 << 20;

/// Bytes that begin where direct I/O wants them to.
#[derive(Default)]
struct Aligned {
    blocks: Vec<Block>,
}

#[repr(C, align(4096))]
#[derive(Clone, Copy)]
struct Block([u8; BLOCK_BYTES]);

impl Aligned {
    fn bytes(&self) -> &[u8] {
        // SAFETY: a block is its bytes and nothing else (`repr(C)`, one field, as large as its alignment), so blocks that lie behind
        // one another are `len * BLOCK_BYTES` initialised bytes.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.blocks.len() * BLOCK_BYTES) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; any bytes are a block.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), self.blocks.len() * BLOCK_BYTES) }
    }

    fn resize(&mut self, blocks: usize) {
        self.blocks.resize(blocks, Block([0; BLOCK_BYTES]));
    }
}

const _: () = assert!(size_of::<Block>() == BLOCK_BYTES);

/// A segment that is written, by whomever.
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    direct: bool,
    /// A whole number of blocks: where `staged` goes.
    at: u64,
    staged: Aligned,
    /// Of `staged`, with what of the last block was written before.
    filled: usize,
    /// So many of them are written.
    written: usize,
}

/// On the thread; until the shard ends.
pub(super) fn run(jobs: &Receiver<Job>, ears: &Ears) {
    let mut open: HashMap<FileId, Segment> = HashMap::new();
    let mut direct: HashMap<FileId, PathBuf> = HashMap::new();
    while let Ok(job) = jobs.recv() {
        let ask = match job {
            Job::Ask(ask) => ask,
            Job::Zeros { id, path, from, pace } => {
                ears.post(Heard::Zeros { id, result: write_zeros(&path, from, &pace) });
                continue;
            }
            Job::End { id, segment } => {
                open.insert(id, segment);
                LogAsk::End { id }
            }
        };
        match ask {
            LogAsk::Begin { id, path, head, ahead } => match begin(&path, &head, ahead) {
                Ok((segment, zeros)) => {
                    if segment.direct {
                        direct.insert(id, path);
                        ears.post(Heard::Direct(id, Box::new(Direct::new(segment, zeros))));
                    } else {
                        open.insert(id, segment);
                    }
                    ears.post(Event::Finished { id, bytes: head.len() as u64 });
                }
                Err(e) => {
                    let _ = std::fs::remove_file(&path);
                    ears.post(Event::Failed { id, error: format!("{}: {e}", path.display()) });
                }
            },
            LogAsk::Ahead { id } => match open.remove(&id).map(Segment::go_past_the_cache) {
                Some(Ok((segment, zeros))) => {
                    direct.insert(id, segment.path.clone());
                    ears.post(Heard::Direct(id, Box::new(Direct::new(segment, zeros))));
                }
                Some(Err((segment, failure))) => {
                    match failure {
                        Failure::Sync(_) => ears.post(segment.failed(id, failure, false)),
                        // It goes on as it was; who writes finds out why.
                        Failure::Write(_) => ears.post(Heard::Stays { id }),
                    }
                    open.insert(id, segment);
                }
                None => ears.post(Heard::Stays { id }),
            },
            LogAsk::Append { id, bytes, sync } => {
                let Some(segment) = open.get_mut(&id) else { continue };
                segment.stage(&bytes);
                match segment.write().and_then(|()| if sync { segment.sync() } else { Ok(()) }) {
                    Ok(()) => ears.post(Event::Appended { id, spent: bytes, synced: sync }),
                    Err(failure) => ears.post(segment.failed(id, failure, true)),
                }
            }
            LogAsk::Sync { id } => {
                let Some(segment) = open.get_mut(&id) else { continue };
                match segment.write().and_then(|()| segment.sync()) {
                    Ok(()) => ears.post(Event::Synced { id }),
                    Err(failure) => ears.post(segment.failed(id, failure, false)),
                }
            }
            LogAsk::End { id } => {
                let Some(segment) = open.get_mut(&id) else { continue };
                match segment.end() {
                    Ok(bytes) => {
                        open.remove(&id);
                        direct.remove(&id);
                        ears.post(Event::Finished { id, bytes });
                    }
                    Err(failure) => ears.post(segment.failed(id, failure, false)),
                }
            }
            LogAsk::Drop { id } => {
                if let Some(path) = open.remove(&id).map(|segment| segment.path).or_else(|| direct.remove(&id)) {
                    let _ = std::fs::remove_file(path);
                }
                ears.post(Event::Abandoned { id });
            }
        }
    }
}

/// What went wrong, and whether it was the sync: then nobody knows what the device has.
pub(super) enum Failure {
    Write(io::Error),
    Sync(io::Error),
}

/// The device, or what a user may have of it, is full: there may be room later.
pub(super) fn is_want_of_room(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG))
}

/// A segment with its head, and up to where zeros lie behind it.
fn begin(path: &Path, head: &[u8], ahead: bool) -> io::Result<(Segment, u64)> {
    let plain = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    let direct = match ahead {
        true => OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).ok(),
        false => None,
    };
    plain.write_all_at(head, 0)?;
    plain.sync_all()?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    let at = head.len() as u64;
    let zeros = match &direct {
        Some(_) => write_zeros(path, at, &AtomicU8::new(HURRY))?,
        None => at,
    };
    let (direct, file) = (direct.is_some(), direct.unwrap_or(plain));
    let staged = Aligned::default();
    Ok((Segment { path: path.to_path_buf(), direct, file, at, staged, filled: 0, written: 0 }, zeros))
}

/// Writes zeros from `from` on, a step of them, to the device; up to where they lie now. Where there is no room for them they
/// end: that is found out by who writes.
fn write_zeros(path: &Path, from: u64, pace: &AtomicU8) -> io::Result<u64> {
    let file = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path)?;
    let mut zeros = Aligned::default();
    zeros.resize(ZEROS_BYTES / BLOCK_BYTES);
    let mut end = from;
    while end < from + AHEAD_BYTES {
        match file.write_all_at(zeros.bytes(), end) {
            Ok(()) => end += ZEROS_BYTES as u64,
            Err(e) if is_want_of_room(&e) => break,
            Err(e) => return Err(e),
        }
        match pace.load(Ordering::Relaxed) {
            LEISURE => std::thread::sleep(ZEROS_PAUSE),
            HURRY => {}
            _ => break,
        }
    }
    file.sync_all()?;
    Ok(end)
}

impl Segment {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where what is staged will end.
    pub fn end_of_staged(&self) -> u64 {
        self.at + self.filled as u64
    }

    pub fn stage(&mut self, bytes: &[u8]) {
        let filled = self.filled + bytes.len();
        // What is not filled of the last block is zeros.
        self.staged.resize(filled.div_ceil(BLOCK_BYTES));
        self.staged.bytes_mut()[self.filled..filled].copy_from_slice(bytes);
        self.filled = filled;
    }

    /// What is to be written, and where: from the block on in which the new bytes begin. Nothing if there are none.
    pub fn unwritten(&self) -> (&[u8], u64) {
        if self.written == self.filled {
            return (&[], self.at);
        }
        let bytes = if self.direct { self.staged.bytes() } else { &self.staged.bytes()[..self.filled] };
        let from = self.written / BLOCK_BYTES * BLOCK_BYTES;
        (&bytes[from..], self.at + from as u64)
    }

    /// What was staged is written: only the last block is kept, if there is room in it.
    pub fn wrote(&mut self) {
        let whole = self.filled / BLOCK_BYTES;
        self.at += (whole * BLOCK_BYTES) as u64;
        self.filled -= whole * BLOCK_BYTES;
        self.written = self.filled;
        if self.staged.blocks.len() * BLOCK_BYTES > KEPT_BYTES {
            self.staged.blocks = self.staged.blocks.split_off(whole);
        } else {
            self.staged.blocks.drain(..whole);
        }
    }

    /// What was written to the page cache is on the device, and what comes goes there past it; up to where zeros lie.
    fn go_past_the_cache(mut self) -> Result<(Segment, u64), (Segment, Failure)> {
        let gone = self.write().and_then(|()| self.file.sync_all().map_err(Failure::Sync)).and_then(|()| {
            let file = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(&self.path);
            let file = file.map_err(Failure::Write)?;
            let from = (self.at + self.filled as u64).next_multiple_of(BLOCK_BYTES as u64);
            let zeros = write_zeros(&self.path, from, &AtomicU8::new(HURRY)).map_err(Failure::Write)?;
            Ok((file, zeros))
        });
        match gone {
            Ok((file, zeros)) => Ok((Segment { file, direct: true, ..self }, zeros)),
            Err(failure) => Err((self, failure)),
        }
    }

    fn write(&mut self) -> Result<(), Failure> {
        let (bytes, at) = self.unwritten();
        self.file.write_all_at(bytes, at).map_err(Failure::Write)?;
        self.wrote();
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.file.sync_data().map_err(Failure::Sync)
    }

    fn end(&mut self) -> Result<u64, Failure> {
        self.write()?;
        let bytes = self.end_of_staged();
        self.file.set_len(bytes).map_err(Failure::Write)?;
        self.file.sync_all().map_err(Failure::Sync)?;
        Ok(bytes)
    }

    pub fn failed(&self, id: FileId, failure: Failure, append: bool) -> Event {
        let path = self.path.display();
        match failure {
            Failure::Write(e) => Event::Unwritten { id, error: crate::log::plain(&e), append },
            Failure::Sync(e) => Event::Lost { id, error: format!("{path}: syncing it: {e}") },
        }
    }

    /// The kernel may still read what is staged.
    pub fn leak_staged(&mut self) {
        std::mem::forget(std::mem::take(&mut self.staged));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::bell::Bell;
    use std::sync::Mutex;
    use std::sync::mpsc;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("torc-segment-{}-{name}.log", std::process::id()))
    }

    /// What is heard of these jobs.
    fn heard(jobs: Vec<LogAsk>) -> Vec<Heard> {
        let ears = Ears { heard: Mutex::default(), bell: Bell::new().expect("an eventfd") };
        let (sender, asks) = mpsc::channel();
        jobs.into_iter().for_each(|ask| sender.send(Job::Ask(ask)).unwrap());
        drop(sender);
        run(&asks, &ears);
        std::mem::take(&mut *ears.heard.lock().unwrap())
    }

    /// Bytes of all lengths, written with and without syncs, lie one behind the other.
    #[test]
    fn what_is_appended_lies_in_the_file() {
        let path = path("plain");
        let mut expected = vec![7u8; BLOCK_BYTES];
        let mut jobs = vec![LogAsk::Begin { id: 1, path: path.clone(), head: expected.clone(), ahead: false }];
        for n in 0..300usize {
            let bytes: Vec<u8> = (0..n * n % 9001).map(|i| (i + n) as u8).collect();
            expected.extend_from_slice(&bytes);
            jobs.push(LogAsk::Append { id: 1, bytes, sync: n % 3 == 0 });
        }
        jobs.push(LogAsk::Sync { id: 1 });
        let heard = heard(jobs);
        let appended = heard.iter().filter(|h| matches!(h, Heard::Event(Event::Appended { .. })));
        assert_eq!(appended.count(), 300);
        assert!(matches!(heard[0], Heard::Event(Event::Finished { id: 1, .. })));
        assert!(matches!(heard[301], Heard::Event(Event::Synced { id: 1 })));
        assert!(std::fs::read(&path).unwrap() == expected);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_segment_that_cannot_be_made_is_an_error() {
        let heard = heard(vec![LogAsk::Begin { id: 2, path: "/nowhere/x.log".into(), head: vec![], ahead: true }]);
        assert!(matches!(heard.last(), Some(Heard::Event(Event::Failed { id: 2, .. }))));
    }
}
