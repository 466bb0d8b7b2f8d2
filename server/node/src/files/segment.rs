//! Segments of the append log, written by a thread for each shard that has one.
//!
//! Not on the executor beside the snapshots: of a shard one write with its sync is under way at a time, so there is nothing
//! for an executor to interleave, and a plain call that blocks answers sooner than a task behind a snapshot's blocks.
//!
//! Where each write is synced it goes past the page cache, into blocks that were written with zeros before: the sync then has
//! no metadata to write, only the device to wait for. The last block is written again with what is added to it, and its older
//! bytes stay the same, so that whatever of a write is torn, what was on the device before is there. Where writes are synced
//! once a second they go to the page cache, as Redis's: a process that is killed loses nothing, and the device is written to
//! in large pieces.

use super::{Ears, Event, FileId};
use crate::appendlog::frame::BLOCK_BYTES;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

/// What a shard wants of a segment.
#[derive(Debug)]
pub enum LogAsk {
    /// Makes a segment with this head, on the device with its name: `Finished`. `ahead`: its writes will be synced each.
    Begin { id: FileId, path: PathBuf, head: Vec<u8>, ahead: bool },
    /// `Appended` when it is written, and on the device if that was asked for. After `Unwritten` what was to be written is
    /// kept, and written with the next.
    Append { id: FileId, bytes: Vec<u8>, sync: bool },
    /// `Synced` when all that was written is on the device.
    Sync { id: FileId },
    /// No more comes: `Finished` when all is on the device.
    End { id: FileId },
    /// Removes it: `Abandoned`.
    Drop { id: FileId },
}

/// Zeros are written ahead in steps of this, when less than half of it is left.
const AHEAD_BYTES: u64 = 16 << 20;
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

struct Segment {
    path: PathBuf,
    file: Arc<File>,
    direct: bool,
    ahead: bool,
    /// A whole number of blocks: where `staged` goes.
    at: u64,
    staged: Aligned,
    /// Of `staged`, with what of the last block was written before.
    filled: usize,
    /// So many of them are written.
    written: usize,
    /// Zeros reach to here.
    zeros: u64,
    zeroing: Option<JoinHandle<io::Result<u64>>>,
}

/// On the thread; until the shard ends.
pub(super) fn run(asks: &Receiver<LogAsk>, ears: &Ears) {
    let mut open: HashMap<FileId, Segment> = HashMap::new();
    while let Ok(ask) = asks.recv() {
        match ask {
            LogAsk::Begin { id, path, head, ahead } => match Segment::begin(&path, &head, ahead) {
                Ok(segment) => {
                    open.insert(id, segment);
                    ears.post(Event::Finished { id, bytes: head.len() as u64 });
                }
                Err(e) => {
                    let _ = std::fs::remove_file(&path);
                    ears.post(Event::Failed { id, error: format!("{}: {e}", path.display()) });
                }
            },
            LogAsk::Append { id, bytes, sync } => {
                let Some(segment) = open.get_mut(&id) else { continue };
                segment.stage(&bytes);
                match segment.write().and_then(|()| if sync { segment.sync() } else { Ok(()) }) {
                    Ok(()) => ears.post(Event::Appended { id, spent: bytes, synced: sync }),
                    Err(error) => ears.post(segment.failed(id, error, true)),
                }
            }
            LogAsk::Sync { id } => {
                let Some(segment) = open.get_mut(&id) else { continue };
                match segment.write().and_then(|()| segment.sync()) {
                    Ok(()) => ears.post(Event::Synced { id }),
                    Err(error) => ears.post(segment.failed(id, error, false)),
                }
            }
            LogAsk::End { id } => {
                let Some(segment) = open.get_mut(&id) else { continue };
                match segment.end() {
                    Ok(bytes) => {
                        open.remove(&id);
                        ears.post(Event::Finished { id, bytes });
                    }
                    Err(error) => ears.post(segment.failed(id, error, false)),
                }
            }
            LogAsk::Drop { id } => {
                if let Some(segment) = open.remove(&id) {
                    let _ = std::fs::remove_file(&segment.path);
                }
                ears.post(Event::Abandoned { id });
            }
        }
    }
}

/// What went wrong, and whether it was the sync: then nobody knows what the device has.
enum Failure {
    Write(io::Error),
    Sync(io::Error),
}

impl Segment {
    fn begin(path: &Path, head: &[u8], ahead: bool) -> io::Result<Segment> {
        let plain = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let direct = match ahead {
            true => OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).ok(),
            false => None,
        };
        plain.write_all_at(head, 0)?;
        plain.sync_all()?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        let mut segment = Segment {
            path: path.to_path_buf(),
            direct: direct.is_some(),
            file: Arc::new(direct.unwrap_or(plain)),
            ahead,
            at: head.len() as u64,
            staged: Aligned::default(),
            filled: 0,
            written: 0,
            zeros: head.len() as u64,
            zeroing: None,
        };
        if ahead {
            segment.zero_ahead();
            segment.zeroed()?;
        }
        Ok(segment)
    }

    fn stage(&mut self, bytes: &[u8]) {
        let filled = self.filled + bytes.len();
        // What is not filled of the last block is zeros.
        self.staged.resize(filled.div_ceil(BLOCK_BYTES));
        self.staged.bytes_mut()[self.filled..filled].copy_from_slice(bytes);
        self.filled = filled;
    }

    fn write(&mut self) -> Result<(), Failure> {
        if self.written == self.filled {
            return Ok(());
        }
        let end = self.at + self.filled as u64;
        if end > self.zeros {
            // Zeros that are still written must not come over it.
            self.zeroed().map_err(Failure::Write)?;
        }
        let bytes = if self.direct { self.staged.bytes() } else { &self.staged.bytes()[..self.filled] };
        // From the block on in which the new bytes begin.
        let from = self.written / BLOCK_BYTES * BLOCK_BYTES;
        self.file.write_all_at(&bytes[from..], self.at + from as u64).map_err(Failure::Write)?;
        self.written = self.filled;
        self.zeros = self.zeros.max(end.next_multiple_of(BLOCK_BYTES as u64));
        let whole = self.filled / BLOCK_BYTES;
        self.at += (whole * BLOCK_BYTES) as u64;
        self.filled -= whole * BLOCK_BYTES;
        self.written = self.filled;
        if self.staged.blocks.len() * BLOCK_BYTES > KEPT_BYTES {
            self.staged.blocks = self.staged.blocks.split_off(whole);
        } else {
            self.staged.blocks.drain(..whole);
        }
        if self.ahead && self.zeroing.is_none() && self.zeros - end.min(self.zeros) < AHEAD_BYTES / 2 {
            self.zero_ahead();
        }
        Ok(())
    }

    /// Writes zeros behind those that are there, beside whatever else happens.
    fn zero_ahead(&mut self) {
        let (path, from) = (self.path.clone(), self.zeros);
        let work = move || {
            let direct = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(&path);
            let file = direct.or_else(|_| OpenOptions::new().write(true).open(&path))?;
            let mut zeros = Aligned::default();
            zeros.resize(256);
            let step = zeros.bytes().len() as u64;
            for n in 0..AHEAD_BYTES / step {
                file.write_all_at(zeros.bytes(), from + n * step)?;
            }
            file.sync_all()?;
            Ok(from + AHEAD_BYTES)
        };
        self.zeroing = std::thread::Builder::new().name("log-zeros".into()).spawn(work).ok();
    }

    /// Waits for zeros that are being written. That there is no room for them is found out by who writes.
    fn zeroed(&mut self) -> io::Result<()> {
        let Some(zeroing) = self.zeroing.take() else { return Ok(()) };
        match zeroing.join() {
            Ok(Ok(zeros)) => self.zeros = self.zeros.max(zeros),
            Ok(Err(e)) if e.raw_os_error() == Some(libc::ENOSPC) => self.ahead = false,
            Ok(Err(e)) => return Err(e),
            Err(_) => return Err(io::Error::other("the thread that writes zeros ended")),
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        // Zeros that are done by now count from now on.
        if self.zeroing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.zeroed().map_err(Failure::Write)?;
        }
        self.file.sync_data().map_err(Failure::Sync)
    }

    fn end(&mut self) -> Result<u64, Failure> {
        self.write()?;
        self.zeroed().map_err(Failure::Write)?;
        let bytes = self.at + self.filled as u64;
        self.file.set_len(bytes).map_err(Failure::Write)?;
        self.file.sync_all().map_err(Failure::Sync)?;
        Ok(bytes)
    }

    fn failed(&self, id: FileId, failure: Failure, append: bool) -> Event {
        let path = self.path.display();
        match failure {
            Failure::Write(e) => Event::Unwritten { id, error: crate::log::plain(&e), append },
            Failure::Sync(e) => Event::Lost { id, error: format!("{path}: syncing it: {e}") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::bell::Bell;
    use std::sync::Mutex;
    use std::sync::mpsc;

    /// Bytes of all lengths, written with and without syncs, lie one behind the other; what is behind them is zeros.
    #[test]
    fn what_is_appended_lies_in_the_file() {
        for ahead in [false, true] {
            let path = std::env::temp_dir().join(format!("torc-segment-{}-{ahead}.log", std::process::id()));
            let ears = Ears { events: Mutex::default(), bell: Bell::new().expect("an eventfd") };
            let (sender, asks) = mpsc::channel();
            let head = vec![7u8; BLOCK_BYTES];
            sender.send(LogAsk::Begin { id: 1, path: path.clone(), head: head.clone(), ahead }).unwrap();
            let mut expected = head;
            for n in 0..300usize {
                let bytes: Vec<u8> = (0..n * n % 9001).map(|i| (i + n) as u8).collect();
                expected.extend_from_slice(&bytes);
                sender.send(LogAsk::Append { id: 1, bytes, sync: ahead }).unwrap();
            }
            sender.send(LogAsk::Sync { id: 1 }).unwrap();
            drop(sender);
            run(&asks, &ears);
            let events = std::mem::take(&mut *ears.events.lock().unwrap());
            let appended = events.iter().filter(|e| matches!(e, Event::Appended { synced, .. } if *synced == ahead));
            assert_eq!(appended.count(), 300);
            assert!(matches!(events[0], Event::Finished { id: 1, .. }));
            assert!(matches!(events[301], Event::Synced { id: 1 }));
            let there = std::fs::read(&path).unwrap();
            assert!(there[..expected.len()] == expected[..] && there[expected.len()..].iter().all(|&b| b == 0));
            assert_eq!(ahead, there.len() > expected.len());
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_segment_that_ends_is_cut_to_its_bytes() {
        let path = std::env::temp_dir().join(format!("torc-segment-{}-end.log", std::process::id()));
        let ears = Ears { events: Mutex::default(), bell: Bell::new().expect("an eventfd") };
        let (sender, asks) = mpsc::channel();
        sender.send(LogAsk::Begin { id: 1, path: path.clone(), head: vec![7; BLOCK_BYTES], ahead: true }).unwrap();
        sender.send(LogAsk::Append { id: 1, bytes: vec![8; 100], sync: true }).unwrap();
        sender.send(LogAsk::End { id: 1 }).unwrap();
        sender.send(LogAsk::Begin { id: 2, path: "/nowhere/x.log".into(), head: vec![], ahead: true }).unwrap();
        drop(sender);
        run(&asks, &ears);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), BLOCK_BYTES as u64 + 100);
        assert!(matches!(ears.events.lock().unwrap().last(), Some(Event::Failed { id: 2, .. })));
        std::fs::remove_file(&path).unwrap();
    }
}
