//! One file from its beginning to its end: blocks of 512 KiB, several under way at once, past the page cache where the file
//! system lets us.
//!
//! Not glommio's own streams: they take a write that was done in part, which is what a full disk does, for one that was done.

use super::{BLOCK_BYTES, BLOCKS_BEHIND};
use base::Out;
use glommio::GlommioError;
use glommio::io::{BufferedFile, DmaBuffer, DmaFile};
use glommio::task::JoinHandle;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::rc::Rc;

/// Of direct I/O: what every device takes.
const ALIGNMENT: usize = 4096;

fn plain<T>(error: GlommioError<T>) -> io::Error {
    match error {
        GlommioError::IoError(e) => e,
        // The path is told by whoever tells of the failure.
        GlommioError::EnhancedIoError { source, .. } => source,
        other => io::Error::other(other.to_string()),
    }
}

/// A task of this thread and what comes of it.
type Task<T> = JoinHandle<io::Result<T>>;

async fn result_of<T>(task: Task<T>) -> io::Result<T> {
    task.await.unwrap_or_else(|| Err(io::Error::other("the task was cancelled")))
}

#[derive(Clone)]
enum Device {
    Direct(Rc<DmaFile>),
    Cached(Rc<BufferedFile>),
}

/// A block being filled.
enum Block {
    Direct(DmaBuffer),
    Cached(Vec<u8>),
}

impl Device {
    async fn create(path: &Path) -> io::Result<Device> {
        match DmaFile::create(path).await.map_err(plain) {
            Ok(file) => Ok(Device::Direct(Rc::new(file))),
            // The file system has no direct I/O.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                Ok(Device::Cached(Rc::new(BufferedFile::create(path).await.map_err(plain)?)))
            }
            Err(e) => Err(e),
        }
    }

    /// A block of this file, empty.
    fn block(&self) -> Block {
        match self {
            Device::Direct(file) => Block::Direct(file.alloc_dma_buffer(BLOCK_BYTES)),
            Device::Cached(_) => Block::Cached(Vec::with_capacity(BLOCK_BYTES)),
        }
    }

    /// Writes all of a block or fails.
    async fn write(self, mut block: Block, at: u64) -> io::Result<()> {
        let mut done = 0;
        loop {
            let (written, bytes) = match (&self, block) {
                (Device::Direct(file), Block::Direct(buffer)) => {
                    let bytes = buffer.len();
                    (file.write_at(buffer, at).await.map_err(plain)?, bytes)
                }
                (Device::Cached(file), Block::Cached(buffer)) => {
                    let rest = buffer[done..].to_vec();
                    let written = file.write_at(rest, at + done as u64).await.map_err(plain)?;
                    let bytes = buffer.len() - done;
                    if written > 0 && written < bytes {
                        done += written;
                        block = Block::Cached(buffer);
                        continue;
                    }
                    (written, bytes)
                }
                _ => unreachable!("a block is written to the file that gave it"),
            };
            return match written {
                n if n == bytes => Ok(()),
                // What a disk does that is full: the next write would say so.
                _ => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            };
        }
    }

    fn fd(&self) -> i32 {
        match self {
            Device::Direct(file) => file.as_raw_fd(),
            Device::Cached(file) => file.as_raw_fd(),
        }
    }

    async fn truncate(&self, bytes: u64) -> io::Result<()> {
        match self {
            Device::Direct(file) => file.truncate(bytes).await.map_err(plain),
            Device::Cached(file) => file.truncate(bytes).await.map_err(plain),
        }
    }

    async fn sync(&self) -> io::Result<()> {
        match self {
            Device::Direct(file) => file.fdatasync().await.map_err(plain),
            Device::Cached(file) => file.fdatasync().await.map_err(plain),
        }
    }

    async fn close(self) -> io::Result<()> {
        match self {
            Device::Direct(file) => file.close_rc().await.map(drop).map_err(plain),
            Device::Cached(file) => match Rc::try_unwrap(file) {
                Ok(file) => file.close().await.map_err(plain),
                Err(_) => Ok(()),
            },
        }
    }
}

/// A file that is written.
pub(super) struct Sink {
    device: Device,
    block: Block,
    filled: usize,
    /// Where the block goes.
    at: u64,
    under_way: VecDeque<Task<()>>,
}

impl Sink {
    pub async fn create(path: &Path) -> io::Result<Sink> {
        let device = Device::create(path).await?;
        let block = device.block();
        Ok(Sink { device, block, filled: 0, at: 0, under_way: VecDeque::new() })
    }

    /// Whether it goes past the page cache.
    pub fn is_direct(&self) -> bool {
        // SAFETY: no memory is involved; the descriptor is open.
        unsafe { libc::fcntl(self.device.fd(), libc::F_GETFL) & libc::O_DIRECT != 0 }
    }

    pub async fn write(&mut self, out: &Out) -> io::Result<()> {
        for mut piece in out.pieces() {
            while !piece.is_empty() {
                let n = piece.len().min(BLOCK_BYTES - self.filled);
                match &mut self.block {
                    Block::Direct(buffer) => {
                        buffer.as_bytes_mut()[self.filled..self.filled + n].copy_from_slice(&piece[..n]);
                    }
                    Block::Cached(buffer) => buffer.extend_from_slice(&piece[..n]),
                }
                self.filled += n;
                piece = &piece[n..];
                if self.filled == BLOCK_BYTES {
                    self.send().await?;
                }
            }
        }
        Ok(())
    }

    /// Sends the block on its way.
    async fn send(&mut self) -> io::Result<()> {
        if self.under_way.len() == BLOCKS_BEHIND
            && let Some(first) = self.under_way.pop_front()
        {
            result_of(first).await?;
        }
        let block = std::mem::replace(&mut self.block, self.device.block());
        let bytes = std::mem::take(&mut self.filled) as u64;
        let at = self.at;
        self.at += bytes;
        let device = self.device.clone();
        self.under_way.push_back(glommio::spawn_local(async move { device.write(block, at).await }).detach());
        Ok(())
    }

    /// All of it to the device, and the file closed: its length.
    pub async fn finish(mut self) -> io::Result<u64> {
        let result = self.write_rest().await;
        let bytes = match result {
            Ok(bytes) => bytes,
            Err(e) => {
                self.give_up().await;
                return Err(e);
            }
        };
        self.device.close().await?;
        Ok(bytes)
    }

    async fn write_rest(&mut self) -> io::Result<u64> {
        let bytes = self.at + self.filled as u64;
        if self.filled > 0 {
            if let Block::Direct(buffer) = &mut self.block {
                // The device takes whole sectors: what is too much is cut off again.
                let padded = self.filled.next_multiple_of(ALIGNMENT);
                buffer.as_bytes_mut()[self.filled..padded].fill(0);
                buffer.trim_to_size(padded);
            }
            self.send().await?;
        }
        while let Some(task) = self.under_way.pop_front() {
            result_of(task).await?;
        }
        self.device.truncate(bytes).await?;
        self.device.sync().await?;
        Ok(bytes)
    }

    /// Waits for what is under way, for its buffers must lie still, and closes the file. What it holds is worth nothing.
    pub async fn give_up(mut self) {
        while let Some(task) = self.under_way.pop_front() {
            let _ = result_of(task).await;
        }
        let _ = self.device.close().await;
    }
}

/// A file that is read.
pub(super) struct Source {
    device: Device,
    bytes: u64,
    /// Where the next block that is asked for begins.
    at: u64,
    under_way: VecDeque<Task<Vec<u8>>>,
}

impl Source {
    pub async fn open(path: &Path) -> io::Result<Source> {
        let device = match DmaFile::open(path).await.map_err(plain) {
            Ok(file) => Device::Direct(Rc::new(file)),
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                Device::Cached(Rc::new(BufferedFile::open(path).await.map_err(plain)?))
            }
            Err(e) => return Err(e),
        };
        let bytes = match &device {
            Device::Direct(file) => file.file_size().await,
            Device::Cached(file) => file.file_size().await,
        };
        Ok(Source { device, bytes: bytes.map_err(plain)?, at: 0, under_way: VecDeque::new() })
    }

    /// The next piece; None at the end.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        while self.under_way.len() < BLOCKS_BEHIND / 2 && self.at < self.bytes {
            let (device, at) = (self.device.clone(), self.at);
            let count = (self.bytes - at).min(BLOCK_BYTES as u64) as usize;
            self.at += count as u64;
            self.under_way.push_back(glommio::spawn_local(read(device, at, count)).detach());
        }
        match self.under_way.pop_front() {
            Some(task) => result_of(task).await.map(Some),
            None => Ok(None),
        }
    }

    pub async fn close(mut self) {
        while let Some(task) = self.under_way.pop_front() {
            let _ = result_of(task).await;
        }
        let _ = self.device.close().await;
    }
}

async fn read(device: Device, at: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let (from, want) = (at + all.len() as u64, count - all.len());
        let piece = match &device {
            Device::Direct(file) => file.read_at(from, want).await,
            Device::Cached(file) => file.read_at(from, want).await,
        };
        let piece = piece.map_err(plain)?;
        if piece.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}
