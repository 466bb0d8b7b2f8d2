//! Room: tuning. Asks the kernel for a ring and gives it back. Touches: the kernel.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Sets up the smallest ring and closes it.
pub fn try_one() -> io::Result<()> {
    // linux/io_uring.h, struct io_uring_params: 120 bytes; all zero asks for the defaults.
    let mut params = [0u64; 15];
    // SAFETY: `params` is as large and as aligned as the kernel's struct and lives through the call.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1u32, params.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; dropping it closes the ring.
    drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    Ok(())
}
