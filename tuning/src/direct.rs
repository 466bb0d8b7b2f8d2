//! Room: tuning. Whether a folder's file system takes direct I/O. Touches: opens a nameless file, which goes with its descriptor.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The alignment that direct I/O wants in bytes, where the kernel tells it (statx(2), STATX_DIOALIGN, Linux 6.1).
pub fn open(folder: &Path) -> io::Result<Option<u32>> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_DIRECT | libc::O_CLOEXEC;
    // SAFETY: `path` is a string that ends with a zero.
    let fd = unsafe { libc::open(path.as_ptr(), flags, 0o600) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and owned by nobody else.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(alignment(&file))
}

fn alignment(file: &OwnedFd) -> Option<u32> {
    const DIOALIGN: u32 = 0x2000;
    // struct statx: 256 bytes; stx_mask is its first word, stx_dio_offset_align the word at byte 156.
    let mut found = [0u32; 64];
    // SAFETY: an empty path with AT_EMPTY_PATH asks about the descriptor; `found` has the struct's 256 bytes.
    let done = unsafe {
        libc::syscall(
            libc::SYS_statx,
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            DIOALIGN,
            found.as_mut_ptr(),
        )
    };
    (done == 0 && found[0] & DIOALIGN != 0 && found[39] > 0).then_some(found[39])
}
