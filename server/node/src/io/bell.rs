//! A descriptor by which another thread wakes a shard that sleeps in its ring: an eventfd, polled there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

pub struct Bell(File);

impl Bell {
    pub fn new() -> io::Result<Bell> {
        // SAFETY: no memory is involved.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is open and nobody else's.
        Ok(Bell(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// From any thread.
    pub fn ring(&self) {
        // EAGAIN: it has rung some 2^64 times and nobody listens; it is loud enough.
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    /// It may ring again. EAGAIN: it has not rung.
    pub fn hush(&self) {
        let _ = (&self.0).read(&mut [0; 8]);
    }
}
