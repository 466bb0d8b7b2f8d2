//! Room: loadgen. A thread's own io_uring: one enter a turn submits what was asked for and collects what is done.
//! Touches: the kernel.
//!
//! `SINGLE_ISSUER | DEFER_TASKRUN`: completions are worked off only when the thread enters. Receives are multishot into a
//! ring of provided buffers that all connections share, so that an idle connection holds no memory. Sockets are registered
//! with the ring and their descriptors closed: the kernel looks up no descriptor at each operation, and the limit of open files
//! is none of the number of connections, but only of those of one ring. A send is first tried
//! with `MSG_DONTWAIT` and without a completion on success: most are done when they are submitted, and say nothing.

use io_uring::types::{self, BufRingEntry, Fixed};
use io_uring::{IoUring, Probe, cqueue, opcode, squeue};
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Submission entries; who has more submits in between.
const ENTRIES: u32 = 512;
/// Completions that may be pending before the kernel keeps them aside.
const COMPLETIONS: u32 = 8192;
/// Provided buffers: 4 MiB in all. Of each only what arrives is touched, and they are given back within the turn.
const BUFFERS: u16 = 512;
const BUFFER_BYTES: usize = 8192;
const GROUP: u16 = 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Op {
    Connect = 1,
    Receive,
    Send,
    /// Nobody waits for it.
    Aside,
    /// The ring's own clock.
    Tick,
}

/// Whose a completion is: a connection that was made anew on the same line must not be taken for the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    pub op: Op,
    pub line: u32,
    /// 24 bits of it count.
    pub generation: u32,
}

impl Tag {
    fn word(self) -> u64 {
        (self.op as u64) << 56 | u64::from(self.generation & 0xff_ffff) << 32 | u64::from(self.line)
    }

    fn read(word: u64) -> Tag {
        let op = match (word >> 56) as u8 {
            1 => Op::Connect,
            2 => Op::Receive,
            3 => Op::Send,
            5 => Op::Tick,
            _ => Op::Aside,
        };
        Tag { op, line: word as u32, generation: (word >> 32) as u32 & 0xff_ffff }
    }
}

/// One completion.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub tag: Tag,
    /// As io_uring gives it: a count or a negative errno.
    pub result: i32,
    flags: u32,
}

impl Done {
    /// Whether the multishot request goes on.
    pub fn more(&self) -> bool {
        cqueue::more(self.flags)
    }

    pub fn error(&self) -> Option<io::Error> {
        (self.result < 0).then(|| io::Error::from_raw_os_error(-self.result))
    }
}

pub struct Ring {
    ring: IoUring,
    buffers: Buffers,
    tick: Box<types::Timespec>,
    ticking: bool,
}

/// Why a ring cannot be had, and the remedy.
pub fn explain(error: &io::Error) -> String {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let why = match (error.raw_os_error(), disabled.trim()) {
        (Some(libc::ENOSYS), _) => "this kernel has none: use Linux 6.1 or later".into(),
        (_, "2") => "it is switched off on this host: sysctl -w kernel.io_uring_disabled=0 allows it".into(),
        (Some(libc::EPERM | libc::EACCES), "1") => "it is kept for privileged users on this host: sysctl -w \
             kernel.io_uring_disabled=0 allows it to all (kernel.io_uring_group to one group)"
            .into(),
        (Some(libc::EPERM | libc::EACCES), _) => {
            "it is forbidden here, most likely by the container's seccomp profile: allow \
             io_uring_setup, io_uring_enter and io_uring_register in it, or run with --security-opt seccomp=unconfined"
                .into()
        }
        (Some(libc::ENOMEM), _) => {
            "there is not enough memory that may be locked: raise the memlock limit (ulimit -l)".into()
        }
        (Some(libc::EINVAL), _) => "this kernel's lacks what is needed: use Linux 6.1 or later".into(),
        _ => error.to_string(),
    };
    format!("torc-load moves its bytes with io_uring, and cannot have it: {why}")
}

impl Ring {
    /// For so many sockets at once. Must be called on the thread that will use the ring.
    pub fn new(sockets: u32) -> io::Result<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(ENTRIES)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let needed = [opcode::RecvMulti::CODE, opcode::Connect::CODE, opcode::Send::CODE, opcode::AsyncCancel::CODE];
        if needed.iter().any(|&op| !probe.is_supported(op)) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // One descriptor look-up less at each enter; not vital.
        let _ = ring.submitter().register_ring_fd();
        // EMFILE: more than the limit of open files.
        ring.submitter().register_files_sparse(sockets.max(1))?;
        let buffers = Buffers::new(&ring)?;
        Ok(Ring { ring, buffers, tick: Box::default(), ticking: false })
    }

    fn push(&mut self, entry: squeue::Entry) {
        loop {
            // SAFETY: what an entry points to outlives it: receive buffers lie in `Buffers`; the callers of `connect` and
            // `send` promise the same for addresses and bytes.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            // Only a full queue refuses; what is done meanwhile waits in the completion queue for `next`.
            if let Err(e) = self.ring.submit() {
                let usual = matches!(e.raw_os_error(), Some(libc::EBUSY | libc::EAGAIN | libc::EINTR));
                assert!(usual, "io_uring_enter: {e}");
            }
        }
    }

    /// Submits, works off what is done, and waits up to `wait` for something if there is nothing. None: does not wait.
    pub fn enter(&mut self, wait: Option<Duration>) {
        let submitted = match wait {
            None => {
                let pending = self.ring.submission().len() as u32;
                // SAFETY: IORING_ENTER_GETEVENTS with no argument; the counts are right.
                unsafe { self.ring.submitter().enter::<libc::sigset_t>(pending, 0, GETEVENTS, None) }.map(|_| ())
            }
            Some(wait) => {
                let time = types::Timespec::from(wait);
                let args = types::SubmitArgs::new().timespec(&time);
                self.ring.submitter().submit_with_args(1, &args).map(|_| ())
            }
        };
        if let Err(e) = submitted {
            // ETIME: the wait is over. EBUSY, EAGAIN: completions must be collected first. EINTR: a signal.
            let code = e.raw_os_error();
            let usual = matches!(code, Some(libc::ETIME | libc::EBUSY | libc::EAGAIN | libc::EINTR));
            assert!(usual, "io_uring_enter: {e}");
        }
    }

    /// As `enter`, waiting, where the time is the same again and again: one timer runs on across many waits. A timer of each
    /// wait's own is set and taken back by the kernel, which on a virtual machine costs as much as the wait itself.
    pub fn enter_ticking(&mut self, period: Duration) {
        if !self.ticking {
            *self.tick = types::Timespec::from(period);
            let at: *const types::Timespec = &*self.tick;
            let tag = Tag { op: Op::Tick, line: 0, generation: 0 };
            self.push(opcode::Timeout::new(at).build().user_data(tag.word()));
            self.ticking = true;
        }
        if let Err(e) = self.ring.submit_and_wait(1) {
            let usual = matches!(e.raw_os_error(), Some(libc::EBUSY | libc::EAGAIN | libc::EINTR));
            assert!(usual, "io_uring_enter: {e}");
        }
    }

    /// Whether all that was pushed has been submitted.
    pub fn all_submitted(&mut self) -> bool {
        self.ring.submission().is_empty()
    }

    /// Appends what is done.
    pub fn collect(&mut self, into: &mut Vec<Done>) {
        for entry in self.ring.completion() {
            let tag = Tag::read(entry.user_data());
            if tag.op == Op::Tick {
                self.ticking = false;
                continue;
            }
            into.push(Done { tag, result: entry.result(), flags: entry.flags() });
        }
    }

    /// Takes a socket into a place, in which there is none; the descriptor can be closed then.
    pub fn put(&mut self, place: u32, fd: RawFd) -> io::Result<()> {
        self.ring.submitter().register_files_update(place, &[fd]).map(|_| ())
    }

    /// Connects the socket in a place.
    ///
    /// # Safety
    /// `address` stays where it is until the completion has been collected.
    pub unsafe fn connect(&mut self, place: u32, address: *const libc::sockaddr, len: libc::socklen_t, tag: Tag) {
        self.push(opcode::Connect::new(Fixed(place), address, len).build().user_data(tag.word()));
    }

    /// Receives until the connection's end, a `cancel`, or a want of buffers.
    pub fn receive(&mut self, place: u32, tag: Tag) {
        self.push(opcode::RecvMulti::new(Fixed(place), GROUP).build().user_data(tag.word()));
    }

    /// Sends `bytes`. Quick: takes what the kernel takes at once, and makes a completion only when that is not all.
    ///
    /// # Safety
    /// The bytes stay as and where they are until the send is done: a quick one without a completion when it has been
    /// submitted.
    pub unsafe fn send(&mut self, place: u32, bytes: &[u8], tag: Tag, quick: bool) {
        let mut flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let mut about = squeue::Flags::empty();
        if quick {
            flags |= libc::MSG_DONTWAIT;
            about = squeue::Flags::SKIP_SUCCESS;
        }
        let entry = opcode::Send::new(Fixed(place), bytes.as_ptr(), bytes.len() as u32).flags(flags).build();
        self.push(entry.user_data(tag.word()).flags(about));
    }

    /// Ends the connection in a place: a `Receive` of `tag` ends, which held the socket, and the place is free once this has been
    /// submitted. (Not by `Shutdown`: the kernel does that on another thread, and looks for the socket in its place only then,
    /// when there may be another.)
    pub fn end(&mut self, place: u32, tag: Tag) {
        let aside = Tag { op: Op::Aside, ..tag }.word();
        self.push(opcode::AsyncCancel::new(tag.word()).build().user_data(aside));
        self.push(opcode::Close::new(Fixed(place)).build().user_data(aside));
    }

    /// The buffer of a `Receive` completion; hand it back with `give_back`.
    pub fn buffer(done: &Done) -> Option<u16> {
        cqueue::buffer_select(done.flags)
    }

    /// What was received into a buffer.
    pub fn bytes(&self, buffer: u16, done: &Done) -> &[u8] {
        self.buffers.get(buffer, done.result.max(0) as usize)
    }

    pub fn give_back(&mut self, buffer: u16) {
        self.buffers.give_back(buffer);
    }
}

/// `IORING_ENTER_GETEVENTS`
const GETEVENTS: u32 = 1;

/// Provided buffers: memory that the kernel takes receive buffers from, and the ring by which it gets them back.
struct Buffers {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    tail: u16,
}

const ENTRIES_BYTES: usize = BUFFERS as usize * size_of::<BufRingEntry>();
const MEMORY_BYTES: usize = BUFFERS as usize * BUFFER_BYTES;

impl Buffers {
    fn new(ring: &IoUring) -> io::Result<Buffers> {
        let entries = map(ENTRIES_BYTES)?.cast::<BufRingEntry>();
        let memory = map(MEMORY_BYTES)?;
        // SAFETY: `entries` is a fresh, page-aligned mapping of the size the ring needs; it is unmapped only in `drop`, which
        // runs after that of the ring: fields are dropped in their order in `Ring`.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries as u64, BUFFERS, GROUP, 0)? };
        let mut buffers = Buffers { entries, memory, tail: 0 };
        for id in 0..BUFFERS {
            buffers.give_back(id);
        }
        Ok(buffers)
    }

    fn get(&self, id: u16, len: usize) -> &[u8] {
        assert!(id < BUFFERS && len <= BUFFER_BYTES, "the kernel names a buffer of ours");
        // SAFETY: the buffer lies inside `memory`; the kernel has filled `len` bytes and does not touch it until it is
        // given back.
        unsafe { std::slice::from_raw_parts(self.memory.add(id as usize * BUFFER_BYTES), len) }
    }

    fn give_back(&mut self, id: u16) {
        let at = (self.tail & (BUFFERS - 1)) as usize;
        // SAFETY: `at` is below the ring's length, and the kernel reads the entry only after the tail has passed it.
        let entry = unsafe { &mut *self.entries.add(at) };
        // SAFETY: inside `memory`, for `id` is below BUFFERS.
        entry.set_addr(unsafe { self.memory.add(id as usize * BUFFER_BYTES) } as u64);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the ring's first entry, aligned for u16, and the kernel reads it atomically.
        let tail = unsafe { &*(BufRingEntry::tail(self.entries) as *const AtomicU16) };
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: both were mapped with these lengths in `new`, and the ring that knew of them is closed.
        unsafe {
            libc::munmap(self.entries.cast(), ENTRIES_BYTES);
            libc::munmap(self.memory.cast(), MEMORY_BYTES);
        }
    }
}

fn map(bytes: usize) -> io::Result<*mut u8> {
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing that exists.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at.cast()) }
}
