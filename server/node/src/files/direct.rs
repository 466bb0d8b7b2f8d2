//! Segments of the append log that the shard's own ring writes. Makes no system call: says what is to be done, hears what came
//! of it.
//!
//! One write is under way at a time, and carries its sync with it (`RWF_DSYNC`): it is done when it is on the device. A sync by
//! itself is only needed for what was written without one.

use super::segment::{AHEAD_BYTES, Failure, HURRY, Job, LEISURE, LogAsk, STOP, Segment, is_want_of_room};
use super::{Event, FileId};
use crate::appendlog::frame::BLOCK_BYTES;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What the ring is to do. Answered by `Direct::done`; until then the bytes lie still.
#[derive(Clone, Copy, Debug)]
pub enum Io {
    /// Writes bytes from an address to an offset of a file; `synced`: it is done when they are on the device.
    Write { fd: RawFd, from: *const u8, bytes: u32, at: u64, synced: bool },
    /// What was written is to be on the device.
    Sync { fd: RawFd },
}

// SAFETY: the address is the kernel's to read from, and of bytes that one `Direct` owns, wherever that is moved to.
unsafe impl Send for Io {}

/// One write: the kernel takes no more at once.
const WRITE_BYTES_MAX: usize = 1 << 30;

#[derive(Debug)]
enum Doing {
    Nothing,
    /// A part of what is staged is under way, from here on.
    Writing {
        append: Append,
        from: usize,
        synced: bool,
    },
    Syncing(Option<Append>),
    /// Zeros are still written where this wants to go.
    Waiting(Append),
}

/// Whose bytes are staged.
#[derive(Debug)]
struct Append {
    spent: Vec<u8>,
    sync: bool,
}

/// A segment with what is done to it.
pub(super) struct Direct {
    /// None: it went to the thread to be ended.
    segment: Option<Segment>,
    /// Zeros reach to here.
    zeros: u64,
    zeroing: bool,
    pace: Arc<AtomicU8>,
    /// There is room for zeros ahead.
    ahead: bool,
    /// Something was written without a sync.
    unsynced: bool,
    /// What comes after what is done now.
    asks: VecDeque<LogAsk>,
    doing: Doing,
}

/// What comes of an ask, or of a completion.
#[derive(Default)]
pub(super) struct Came {
    pub io: Option<Io>,
    pub events: Vec<Event>,
    /// For the thread.
    pub zeros: Option<Job>,
    /// The segment itself goes to the thread, to be ended.
    pub ends: bool,
}

impl Direct {
    pub fn new(segment: Segment, zeros: u64) -> Direct {
        let (asks, doing) = (VecDeque::new(), Doing::Nothing);
        let pace = Arc::default();
        Direct { segment: Some(segment), zeros, zeroing: false, pace, ahead: true, unsynced: false, asks, doing }
    }

    pub fn take_segment(&mut self) -> Option<Segment> {
        debug_assert!(!self.is_under_way());
        self.segment.take()
    }

    fn is_under_way(&self) -> bool {
        matches!(self.doing, Doing::Writing { .. } | Doing::Syncing(_))
    }

    fn segment(&mut self) -> &mut Segment {
        self.segment.as_mut().expect("it is not ended")
    }

    pub fn ask(&mut self, id: FileId, ask: LogAsk, came: &mut Came) {
        self.asks.push_back(ask);
        self.go_on(id, came);
    }

    /// Zeros reach further, or could not be written.
    pub fn zeroed(&mut self, id: FileId, result: io::Result<u64>, came: &mut Came) {
        self.zeroing = false;
        // Where they end early whoever writes there finds out why.
        let zeros = result.unwrap_or(self.zeros);
        self.ahead = zeros == self.zeros + AHEAD_BYTES;
        self.zeros = zeros;
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Waiting(append) => self.write(id, append, came),
            doing => self.doing = doing,
        }
    }

    /// How what was under way went: a count of bytes, 0 of a sync, or a negative errno.
    pub fn done(&mut self, id: FileId, result: i32, came: &mut Came) {
        let doing = std::mem::replace(&mut self.doing, Doing::Nothing);
        let again = matches!(-result, libc::EINTR | libc::EAGAIN);
        let error = match (&doing, result) {
            // As `write_all_at` has it: it would be asked for ever.
            (Doing::Writing { .. }, 0) => Some(io::ErrorKind::WriteZero.into()),
            (_, ..0) if !again => Some(io::Error::from_raw_os_error(-result)),
            _ => None,
        };
        match (doing, error) {
            (Doing::Writing { append, from, synced }, None) => {
                let wrote = from + result.max(0) as usize;
                if wrote < self.segment().unwritten().0.len() {
                    return self.write_from(append, wrote / BLOCK_BYTES * BLOCK_BYTES, synced, came);
                }
                let end = self.segment().end_of_staged().next_multiple_of(BLOCK_BYTES as u64);
                self.zeros = self.zeros.max(end);
                self.segment().wrote();
                self.unsynced |= !synced;
                self.wrote(id, append, came);
            }
            (Doing::Syncing(append), None) if again => self.sync(append, came),
            (Doing::Syncing(append), None) => {
                self.unsynced = false;
                came.events.push(match append {
                    Some(Append { spent, .. }) => Event::Appended { id, spent, synced: true },
                    None => Event::Synced { id },
                });
            }
            (Doing::Writing { .. }, Some(e)) => {
                // For want of room nothing was written; after any other failure nobody knows what the device has.
                let failure = if is_want_of_room(&e) { Failure::Write(e) } else { Failure::Sync(e) };
                came.events.push(self.segment().failed(id, failure, true));
            }
            (Doing::Syncing(append), Some(e)) => {
                came.events.push(self.segment().failed(id, Failure::Sync(e), append.is_some()));
            }
            (doing @ (Doing::Nothing | Doing::Waiting(_)), _) => self.doing = doing,
        }
        self.go_on(id, came);
    }

    /// The next ask, if nothing is under way.
    fn go_on(&mut self, id: FileId, came: &mut Came) {
        while matches!(self.doing, Doing::Nothing) {
            match self.asks.pop_front() {
                Some(LogAsk::Append { bytes, sync, .. }) => {
                    self.segment().stage(&bytes);
                    self.write(id, Append { spent: bytes, sync }, came);
                }
                Some(LogAsk::Sync { .. }) => self.sync(None, came),
                Some(LogAsk::End { .. }) => {
                    // The thread ends it when it is done with them.
                    self.pace.store(STOP, Ordering::Relaxed);
                    return came.ends = true;
                }
                // It is so already.
                Some(LogAsk::Ahead { .. }) => {}
                Some(LogAsk::Begin { .. } | LogAsk::Drop { .. }) => unreachable!("the thread has these"),
                None => return,
            }
        }
    }

    fn write(&mut self, id: FileId, append: Append, came: &mut Came) {
        if self.segment().unwritten().0.is_empty() {
            return self.wrote(id, append, came);
        }
        let end = self.segment().end_of_staged();
        if end > self.zeros && self.zeroing {
            // They must not come over it.
            self.pace.store(HURRY, Ordering::Relaxed);
            self.doing = Doing::Waiting(append);
            return;
        }
        if self.ahead && !self.zeroing && end + AHEAD_BYTES / 2 > self.zeros {
            // A write that goes past them is under way itself.
            self.zeros = self.zeros.max(end.next_multiple_of(BLOCK_BYTES as u64));
            self.zeroing = true;
            let path = self.segment().path().to_path_buf();
            self.pace.store(LEISURE, Ordering::Relaxed);
            came.zeros = Some(Job::Zeros { id, path, from: self.zeros, pace: self.pace.clone() });
        }
        let synced = append.sync && !self.unsynced;
        self.write_from(append, 0, synced, came);
    }

    fn write_from(&mut self, append: Append, from: usize, synced: bool, came: &mut Came) {
        let segment = self.segment();
        let (bytes, at) = segment.unwritten();
        let part = &bytes[from..];
        came.io = Some(Io::Write {
            fd: segment.file().as_raw_fd(),
            from: part.as_ptr(),
            bytes: part.len().min(WRITE_BYTES_MAX) as u32,
            at: at + from as u64,
            synced,
        });
        self.doing = Doing::Writing { append, from, synced };
    }

    fn wrote(&mut self, id: FileId, append: Append, came: &mut Came) {
        if append.sync && self.unsynced {
            return self.sync(Some(append), came);
        }
        came.events.push(Event::Appended { id, spent: append.spent, synced: append.sync });
    }

    fn sync(&mut self, append: Option<Append>, came: &mut Came) {
        came.io = Some(Io::Sync { fd: self.segment().file().as_raw_fd() });
        self.doing = Doing::Syncing(append);
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        if self.is_under_way()
            && let Some(segment) = &mut self.segment
        {
            segment.leak_staged();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Ask, Files, tests};
    use std::path::PathBuf;

    /// Does what a ring would; takes a part of a write where `part` says so.
    fn perform(io: Io, part: bool) -> i32 {
        // SAFETY: the bytes lie still until this is answered, below.
        let result = unsafe {
            match io {
                Io::Write { fd, from, bytes, at, synced } => {
                    let bytes = if part && bytes as usize > BLOCK_BYTES { BLOCK_BYTES } else { bytes as usize };
                    let piece = libc::iovec { iov_base: from as *mut _, iov_len: bytes };
                    libc::pwritev2(fd, &raw const piece, 1, at as i64, if synced { libc::RWF_DSYNC } else { 0 })
                }
                Io::Sync { fd } => libc::fdatasync(fd) as isize,
            }
        };
        if result < 0 { -io::Error::last_os_error().raw_os_error().expect("an errno") } else { result as i32 }
    }

    /// Until so many events are heard.
    fn hear(files: &mut Files, count: usize) -> Vec<Event> {
        let mut heard = Vec::new();
        for n in 0.. {
            assert!(n < 30_000, "nothing more comes after {} events", heard.len());
            heard.extend(files.events());
            for (slot, io) in std::mem::take(&mut files.wants) {
                heard.extend(files.done(slot, perform(io, n % 2 == 0)));
            }
            if heard.len() >= count {
                break;
            }
            if files.wants.is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        heard
    }

    fn begun(name: &str) -> (Files, PathBuf, Vec<u8>) {
        begun_with(name, true)
    }

    fn begun_with(name: &str, ahead: bool) -> (Files, PathBuf, Vec<u8>) {
        let mut files = tests::files();
        let path = std::env::temp_dir().join(format!("torc-direct-{}-{name}.log", std::process::id()));
        let head = vec![7; BLOCK_BYTES];
        files.ask(Ask::Log(LogAsk::Begin { id: 1, path: path.clone(), head: head.clone(), ahead }));
        assert!(matches!(hear(&mut files, 1)[..], [Event::Finished { id: 1, .. }]));
        (files, path, head)
    }

    /// Bytes of all lengths, with and without syncs, past several steps of zeros, lie one behind the other; when the segment
    /// ends it is cut to them.
    #[test]
    fn what_is_appended_lies_in_the_file() {
        let (mut files, path, mut expected) = begun("all");
        for n in 0..400usize {
            let bytes: Vec<u8> = (0..n * n * n % 200_001).map(|i| (i + n) as u8).collect();
            expected.extend_from_slice(&bytes);
            let sync = n % 3 > 0;
            files.ask(Ask::Log(LogAsk::Append { id: 1, bytes, sync }));
            let heard = hear(&mut files, 1);
            assert!(matches!(heard[..], [Event::Appended { synced, .. }] if synced == sync), "{n}: {heard:?}");
        }
        files.ask(Ask::Log(LogAsk::Sync { id: 1 }));
        assert!(matches!(hear(&mut files, 1)[..], [Event::Synced { .. }]));
        let there = std::fs::read(&path).unwrap();
        assert!(there[..expected.len()] == expected[..] && there[expected.len()..].iter().all(|&b| b == 0));
        assert!(expected.len() as u64 > 2 * AHEAD_BYTES);
        // What is asked while a write is under way comes after it.
        files.ask(Ask::Log(LogAsk::Append { id: 1, bytes: vec![8; 100], sync: true }));
        files.ask(Ask::Log(LogAsk::Append { id: 1, bytes: Vec::new(), sync: true }));
        files.ask(Ask::Log(LogAsk::End { id: 1 }));
        let heard = hear(&mut files, 3);
        assert!(
            matches!(heard[..], [Event::Appended { .. }, Event::Appended { .. }, Event::Finished { .. }]),
            "{heard:?}"
        );
        expected.extend_from_slice(&[8; 100]);
        assert!(std::fs::read(&path).unwrap() == expected);
        std::fs::remove_file(&path).unwrap();
    }

    /// A segment that was begun for writes without syncs goes past the page cache when it is told to; what is asked meanwhile
    /// comes after what was written.
    #[test]
    fn one_of_the_page_cache_goes_past_it() {
        let (mut files, path, mut expected) = begun_with("turned", false);
        for n in 0..60usize {
            if n == 20 {
                files.ask(Ask::Log(LogAsk::Ahead { id: 1 }));
            }
            let bytes: Vec<u8> = (0..n * n * 7 % 10_007).map(|i| (i + n) as u8).collect();
            expected.extend_from_slice(&bytes);
            files.ask(Ask::Log(LogAsk::Append { id: 1, bytes, sync: n % 3 > 0 }));
            // Some are asked for while it turns.
            if !(19..=25).contains(&n) {
                let count = if n == 26 { 8 } else { 1 };
                let heard = hear(&mut files, count);
                assert!(heard.iter().all(|event| matches!(event, Event::Appended { .. })), "{n}: {heard:?}");
                assert_eq!(files.direct.len(), usize::from(n > 25), "{n}");
            }
        }
        files.ask(Ask::Log(LogAsk::Ahead { id: 1 }));
        files.ask(Ask::Log(LogAsk::End { id: 1 }));
        let heard = hear(&mut files, 1);
        assert!(matches!(heard[..], [Event::Finished { .. }]), "{heard:?}");
        assert!(std::fs::read(&path).unwrap() == expected);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn one_that_is_dropped_is_removed() {
        let (mut files, path, _) = begun("dropped");
        files.ask(Ask::Log(LogAsk::Drop { id: 1 }));
        assert!(matches!(hear(&mut files, 1)[..], [Event::Abandoned { id: 1 }]));
        assert!(!path.exists());
    }

    /// For want of room what was to be written is kept, and written with the next; any other failure is told as one.
    #[test]
    fn what_cannot_be_written_is_kept() {
        let (mut files, path, mut expected) = begun("full");
        for (bytes, result) in [(&b"first"[..], -libc::ENOSPC), (b"second", -libc::EIO), (b"third", 0)] {
            expected.extend_from_slice(bytes);
            files.ask(Ask::Log(LogAsk::Append { id: 1, bytes: bytes.to_vec(), sync: true }));
            let (slot, _) = files.wants.pop().expect("a write");
            let event = files.done(slot, result).pop().expect("what came of it");
            match -result {
                libc::ENOSPC => assert!(matches!(event, Event::Unwritten { append: true, .. })),
                _ => assert!(matches!(event, Event::Lost { .. })),
            }
        }
        files.ask(Ask::Log(LogAsk::End { id: 1 }));
        assert!(matches!(hear(&mut files, 1)[..], [Event::Finished { .. }]));
        assert!(std::fs::read(&path).unwrap() == expected);
        std::fs::remove_file(&path).unwrap();
    }
}
