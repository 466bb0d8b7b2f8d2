//! Room: tuning. Asks the kernel for a ring as the server's are, and gives it back. Touches: the kernel.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

// linux/io_uring.h. The server sets all of these up (server/node/src/io/ring.rs).
const CQSIZE: u32 = 1 << 3;
const SUBMIT_ALL: u32 = 1 << 7;
const COOP_TASKRUN: u32 = 1 << 8;
const TASKRUN_FLAG: u32 = 1 << 9;
const SINGLE_ISSUER: u32 = 1 << 12;
const DEFER_TASKRUN: u32 = 1 << 13;
const REGISTER_PROBE: u32 = 8;
const REGISTER_PBUF_RING: u32 = 22;
/// `IORING_OP_…` by number, with the release that brought them (io_uring_enter(2)).
const OPERATIONS: [(u8, &str); 4] =
    [(9, "SENDMSG (5.3)"), (13, "ACCEPT (5.5)"), (27, "RECV (5.6)"), (40, "MSG_RING (5.18)")];
/// The largest page that Linux hosts commonly use (arm64): aligned to it is aligned to all.
const PAGE: usize = 65_536;

/// What the kernel's rings lack of what the server needs; an error when there is no ring at all.
pub fn try_one() -> io::Result<Vec<&'static str>> {
    drop(setup(0)?);
    let Ok(ring) = setup(SINGLE_ISSUER | DEFER_TASKRUN | COOP_TASKRUN | TASKRUN_FLAG | SUBMIT_ALL | CQSIZE) else {
        return Ok(vec!["SINGLE_ISSUER with DEFER_TASKRUN (6.1)"]);
    };
    let mut missing = missing_operations(&ring);
    if !takes_buffer_ring(&ring) {
        missing.push("provided buffer rings (5.19)");
    }
    Ok(missing)
}

fn setup(flags: u32) -> io::Result<OwnedFd> {
    // struct io_uring_params: 120 bytes of 32-bit words, then 64-bit ones; cq_entries is the second word, flags the third.
    let cq_entries = if flags & CQSIZE != 0 { 8u64 } else { 0 };
    let mut params = [0u64; 15];
    params[0] = cq_entries << 32;
    params[1] = u64::from(flags);
    // SAFETY: `params` is as large and as aligned as the kernel's struct and lives through the call.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4u32, params.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; dropping it closes the ring.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn missing_operations(ring: &OwnedFd) -> Vec<&'static str> {
    // struct io_uring_probe: 16 bytes of head, then 8 bytes for each operation: its number, a blank, 16 bits of flags.
    let mut probe = [0u8; 16 + 256 * 8];
    if !register(ring, REGISTER_PROBE, probe.as_mut_ptr(), 256) {
        return vec!["REGISTER_PROBE (5.6)"];
    }
    // Bit 0 of the flags: IO_URING_OP_SUPPORTED.
    let supported = |code: u8| probe[16 + usize::from(code) * 8 + 2] & 1 == 1;
    OPERATIONS.iter().filter(|(code, _)| !supported(*code)).map(|(_, name)| *name).collect()
}

fn takes_buffer_ring(ring: &OwnedFd) -> bool {
    // A ring of 256 entries of 16 bytes; the kernel wants it aligned to a page.
    let layout = std::alloc::Layout::from_size_align(PAGE, PAGE).expect("a power of two");
    // SAFETY: the layout has a size above zero.
    let page = unsafe { std::alloc::alloc_zeroed(layout) };
    if page.is_null() {
        return false;
    }
    // struct io_uring_buf_reg: ring_addr, ring_entries and bgid, three blank words.
    let mut registration = [page as u64, 256, 0, 0, 0];
    let taken = register(ring, REGISTER_PBUF_RING, registration.as_mut_ptr().cast(), 1);
    if taken {
        // IORING_UNREGISTER_PBUF_RING
        register(ring, 23, registration.as_mut_ptr().cast(), 1);
    }
    // SAFETY: made with the same layout; the kernel was told above that it is no longer a buffer ring.
    unsafe { std::alloc::dealloc(page, layout) };
    taken
}

fn register(ring: &OwnedFd, what: u32, argument: *mut u8, count: u32) -> bool {
    // SAFETY: both callers hand in memory as large as the kernel reads or writes for `what` and `count`.
    unsafe { libc::syscall(libc::SYS_io_uring_register, ring.as_raw_fd(), what, argument, count) == 0 }
}
