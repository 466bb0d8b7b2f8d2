//! A shard's own io_uring: one `io_uring_enter` a turn submits what the last turn left and collects what is done.
//!
//! `SINGLE_ISSUER | DEFER_TASKRUN`: completions are worked off only when the shard enters, on its own core. Receives are
//! multishot into a ring of provided buffers, accepts are multishot, other shards wake us with a message to the ring.

use base::Out;
use io_uring::types::{self, BufRingEntry, Fd};
use io_uring::{IoUring, Probe, cqueue, opcode, squeue};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Submission entries; a turn that has more submits in between.
const ENTRIES: u32 = 1024;
/// Completions that may be pending before the kernel keeps them aside.
const COMPLETIONS: u32 = 4096;
/// Provided buffers of a shard: 256 of 8 KiB, 2 MiB. Receives reuse them round-robin, so all of them want to stay in the
/// core's second-level cache; of each only what arrives is touched.
const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 8192;
const GROUP: u16 = 1;
/// Bytes of one send: the kernel copies them, and on loopback delivers them, while the shard waits: some 50 µs.
const SEND_BYTES_MAX: usize = 256 * 1024;
/// Pieces of one send.
const PIECES_MAX: usize = 64;

/// What a completion is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Op {
    Accept = 1,
    Receive,
    Send,
    Cancel,
    /// Another shard's knock; `index` is its number.
    Knock,
    /// Our own knock at another shard has been delivered, or not.
    Knocked,
    /// A send by another shard's socket; `index` is its slot.
    Lent,
    /// A bell that is listened to has rung.
    Bell,
    /// A write to a file, or its sync; `index` is its slot.
    File,
}

/// One completion: about what, how it went, and the kernel's flags.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub op: Op,
    pub index: u32,
    /// As io_uring gives it: a count, a descriptor, or a negative errno.
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

/// A send under way: the bytes must lie still until the kernel is done with them.
pub struct Sending {
    out: Out,
    done: usize,
    /// Bytes of the request that is submitted.
    asked: usize,
    /// It will be done, or has failed, when it has been submitted.
    quick: bool,
    /// Of one in several pieces.
    scattered: Option<Box<Scattered>>,
}

/// What the kernel reads of a send in several pieces.
struct Scattered {
    pieces: Vec<libc::iovec>,
    head: libc::msghdr,
}

pub struct Ring {
    ring: IoUring,
    buffers: Buffers,
    done: Vec<Done>,
    /// Sends under way by connection.
    sends: Vec<Option<Sending>>,
    /// Connections whose quick sends are not known to be done.
    quick: Vec<u32>,
    /// Bytes that leave by others' sockets, by slot; and slots of which nothing is known yet.
    lent: Vec<Option<Vec<u8>>>,
    lent_quick: Vec<u32>,
}

/// Why a ring cannot be had, and the remedy.
pub fn explain(error: &io::Error) -> String {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let why = match (error.raw_os_error(), disabled.trim()) {
        (Some(libc::ENOSYS), _) => "this kernel has no io_uring. Torc needs Linux 6.1 or later".into(),
        (_, "2") => "io_uring is switched off on this host. Allow it with: sysctl -w kernel.io_uring_disabled=0".into(),
        (_, "1") => "io_uring is reserved for privileged users on this host. Allow it with: sysctl -w \
                     kernel.io_uring_disabled=0 (or add the user's group to kernel.io_uring_group)"
            .into(),
        (Some(libc::EPERM | libc::EACCES), _) => "io_uring is forbidden here, most likely by the container's seccomp profile. \
                                                  Allow io_uring_setup, io_uring_enter and io_uring_register in it, or run \
                                                  with --security-opt seccomp=unconfined"
            .into(),
        (Some(libc::ENOMEM), _) => "there is not enough locked memory for it. Raise the memlock limit (ulimit -l)".into(),
        (Some(libc::EINVAL), _) => "this kernel's io_uring lacks what Torc needs. Use Linux 6.1 or later".to_string(),
        _ => format!("{error}"),
    };
    format!("Torc drives its sockets with io_uring, which is not to be had: {why}.")
}

impl Ring {
    /// Must be called on the thread that will use the ring.
    pub fn new() -> io::Result<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(ENTRIES)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let needed =
            [opcode::RecvMulti::CODE, opcode::AcceptMulti::CODE, opcode::MsgRingData::CODE, opcode::SendMsg::CODE];
        if needed.iter().any(|&op| !probe.is_supported(op)) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // One descriptor look-up less at each enter; not vital.
        let _ = ring.submitter().register_ring_fd();
        let buffers = Buffers::new(&ring)?;
        Ok(Ring {
            ring,
            buffers,
            done: Vec::new(),
            sends: Vec::new(),
            quick: Vec::new(),
            lent: Vec::new(),
            lent_quick: Vec::new(),
        })
    }

    /// Where others knock.
    pub fn fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    fn push(&mut self, entry: squeue::Entry) {
        loop {
            // SAFETY: every buffer that an entry names is kept until its completion: receive buffers by `Buffers`, sends
            // by `sends`, those of files by whoever asked (`write`); other entries name none.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            if let Err(e) = self.ring.submit() {
                assert!(
                    matches!(e.raw_os_error(), Some(libc::EBUSY | libc::EAGAIN | libc::EINTR)),
                    "io_uring_enter: {e}"
                );
                self.collect();
            }
        }
    }

    /// Submits, works off what is done, and waits up to `wait` for something if there is nothing. None: does not wait.
    pub fn enter(&mut self, wait: Option<Duration>) {
        let submitted = match wait {
            None => {
                let pending = self.ring.submission().len() as u32;
                // SAFETY: GETEVENTS with no argument; the counts are right.
                unsafe { self.ring.submitter().enter::<libc::sigset_t>(pending, 0, GETEVENTS, None) }.map(|_| ())
            }
            Some(wait) => {
                let time = types::Timespec::from(wait);
                let args = types::SubmitArgs::new().timespec(&time);
                self.ring.submitter().submit_with_args(1, &args).map(|_| ())
            }
        };
        if let Err(e) = submitted {
            let code = e.raw_os_error();
            // ETIME: the wait is over. EBUSY, EAGAIN: completions must be collected first. EINTR: a signal.
            let usual = matches!(code, Some(libc::ETIME | libc::EBUSY | libc::EAGAIN | libc::EINTR));
            assert!(usual, "io_uring_enter: {e}");
        }
        self.collect();
    }

    /// Whether completions wait, or work that would make some; costs no system call.
    pub fn has_news(&mut self) -> bool {
        let submission = self.ring.submission();
        let news = submission.taskrun() || submission.cq_overflow();
        drop(submission);
        news || !self.ring.completion().is_empty()
    }

    /// Whether something waits to be submitted.
    pub fn has_unsent(&mut self) -> bool {
        !self.ring.submission().is_empty()
    }

    fn collect(&mut self) {
        for entry in self.ring.completion() {
            let data = entry.user_data();
            let op = match (data >> 32) as u8 {
                1 => Op::Accept,
                2 => Op::Receive,
                3 => Op::Send,
                4 => Op::Cancel,
                5 => Op::Knock,
                7 => Op::Lent,
                8 => Op::Bell,
                9 => Op::File,
                _ => Op::Knocked,
            };
            let done = Done { op, index: data as u32, result: entry.result(), flags: entry.flags() };
            if op == Op::Send
                && let Some(Some(sending)) = self.sends.get_mut(done.index as usize)
            {
                sending.quick = false;
            }
            if op == Op::Lent {
                self.lent_quick.retain(|&slot| slot != done.index);
            }
            self.done.push(done);
        }
        if self.quick.is_empty() && self.lent_quick.is_empty() || !self.ring.submission().is_empty() {
            return;
        }
        // All is submitted: of quick sends those that say nothing are done.
        for index in self.quick.drain(..) {
            if let Some(Some(sending)) = self.sends.get(index as usize)
                && sending.quick
            {
                let result = sending.asked as i32;
                self.done.push(Done { op: Op::Send, index, result, flags: 0 });
            }
        }
        for index in self.lent_quick.drain(..) {
            let result = self.lent[index as usize].as_ref().map_or(0, Vec::len) as i32;
            self.done.push(Done { op: Op::Lent, index, result, flags: 0 });
        }
    }

    /// What is done, in order; give the vector back with `recycle`.
    pub fn take_done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    pub fn recycle(&mut self, mut done: Vec<Done>) {
        if self.done.is_empty() {
            done.clear();
            self.done = done;
        }
    }

    /// Takes connections from a listening socket until it is closed.
    pub fn accept(&mut self, listener: RawFd, index: u32) {
        let flags = libc::SOCK_CLOEXEC;
        self.push(opcode::AcceptMulti::new(Fd(listener)).flags(flags).build().user_data(tag(Op::Accept, index)));
    }

    /// Receives from a connection until `stop_receiving`, its end, or a want of buffers.
    pub fn receive(&mut self, fd: RawFd, index: u32) {
        self.push(opcode::RecvMulti::new(Fd(fd), GROUP).build().user_data(tag(Op::Receive, index)));
    }

    /// The bytes of a `Receive` completion; hand them back with `give_back`.
    pub fn received(&self, done: &Done) -> Option<(u16, &[u8])> {
        let id = cqueue::buffer_select(done.flags)?;
        Some((id, self.buffers.get(id, done.result.max(0) as usize)))
    }

    /// A buffer's address outlives the borrow of the ring: the caller reads it while it uses the ring otherwise.
    pub fn give_back(&mut self, id: u16) {
        self.buffers.give_back(id);
    }

    /// Ends a `receive`; its last completion comes without `more`.
    pub fn stop_receiving(&mut self, index: u32) {
        self.push(opcode::AsyncCancel::new(tag(Op::Receive, index)).build().user_data(tag(Op::Cancel, index)));
    }

    /// Sends all of `out`. One send a connection at a time.
    ///
    /// The first try is quick: the kernel takes the bytes while it is submitted, and says nothing, or it takes fewer and
    /// says so. So most sends make no completion, and a shard can submit its sends and wait for the next ask in one call.
    pub fn send(&mut self, fd: RawFd, index: u32, out: Out) {
        if self.sends.len() <= index as usize {
            self.sends.resize_with(index as usize + 1, || None);
        }
        self.sends[index as usize] = Some(Sending { out, done: 0, asked: 0, quick: true, scattered: None });
        self.resend(fd, index);
        self.quick.push(index);
    }

    fn resend(&mut self, fd: RawFd, index: u32) {
        let sending = self.sends[index as usize].as_mut().expect("a send is under way");
        let mut flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        if sending.quick {
            flags |= libc::MSG_DONTWAIT;
        }
        let tag = tag(Op::Send, index);
        let entry = if sending.out.shared.is_empty() {
            let rest = &sending.out.bytes[sending.done..];
            let rest = &rest[..rest.len().min(SEND_BYTES_MAX)];
            sending.asked = rest.len();
            opcode::Send::new(Fd(fd), rest.as_ptr(), rest.len() as u32).flags(flags).build()
        } else {
            let scattered = sending.scattered.get_or_insert_with(|| {
                // SAFETY: an all-zero msghdr is a valid one that names nothing.
                Box::new(Scattered { pieces: Vec::new(), head: unsafe { std::mem::zeroed() } })
            });
            let Scattered { pieces, head } = &mut **scattered;
            let mut skip = sending.done;
            let mut room = SEND_BYTES_MAX;
            pieces.clear();
            for piece in sending.out.pieces() {
                if skip >= piece.len() {
                    skip -= piece.len();
                    continue;
                }
                // A piece that was cut is the last: what follows it comes after its rest.
                if pieces.len() == PIECES_MAX || room == 0 {
                    break;
                }
                let piece = &piece[std::mem::take(&mut skip)..];
                let piece = &piece[..piece.len().min(room)];
                room -= piece.len();
                pieces.push(libc::iovec { iov_base: piece.as_ptr() as *mut _, iov_len: piece.len() });
            }
            sending.asked = pieces.iter().map(|p| p.iov_len).sum();
            head.msg_iov = pieces.as_mut_ptr();
            head.msg_iovlen = pieces.len() as _;
            opcode::SendMsg::new(Fd(fd), head).flags(flags as u32).build()
        };
        let quick = if sending.quick { squeue::Flags::SKIP_SUCCESS } else { squeue::Flags::empty() };
        self.push(entry.user_data(tag).flags(quick));
    }

    /// A `Send` completion: Some with the buffer when all has left, or with the error that ended it.
    pub fn sent(&mut self, fd: RawFd, done: &Done) -> Option<(Out, io::Result<()>)> {
        let slot = &mut self.sends[done.index as usize];
        let sending = slot.as_mut().expect("a completion belongs to the send under way");
        let error = match done.result {
            n if n > 0 => None,
            0 => Some(io::ErrorKind::WriteZero.into()),
            e if matches!(-e, libc::EAGAIN | libc::EINTR) => None,
            e => Some(io::Error::from_raw_os_error(-e)),
        };
        sending.done += done.result.max(0) as usize;
        if let Some(error) = error {
            return slot.take().map(|s| (s.out, Err(error)));
        }
        if sending.done < sending.out.len() {
            let quick = sending.quick;
            self.resend(fd, done.index);
            if quick {
                self.quick.push(done.index);
            }
            return None;
        }
        slot.take().map(|s| (s.out, Ok(())))
    }

    /// Whether a send is under way.
    pub fn is_sending(&self, index: u32) -> bool {
        self.sends.get(index as usize).is_some_and(|s| s.is_some())
    }

    /// Sends what the kernel takes of `bytes` at once by a socket of another shard's: an `Op::Lent` of this slot says how much
    /// that was.
    pub fn send_lent(&mut self, fd: RawFd, slot: u32, bytes: Vec<u8>) {
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL | libc::MSG_DONTWAIT;
        let entry = opcode::Send::new(Fd(fd), bytes.as_ptr(), bytes.len() as u32).flags(flags).build();
        if self.lent.len() <= slot as usize {
            self.lent.resize_with(slot as usize + 1, || None);
        }
        self.lent[slot as usize] = Some(bytes);
        self.push(entry.user_data(tag(Op::Lent, slot)).flags(squeue::Flags::SKIP_SUCCESS));
        self.lent_quick.push(slot);
    }

    /// The bytes of an `Op::Lent`, and how many of them have left.
    pub fn lent_sent(&mut self, done: &Done) -> (Vec<u8>, usize) {
        let bytes = self.lent[done.index as usize].take().expect("a completion belongs to the send under way");
        // An error: the socket's own shard will meet it too.
        (bytes, done.result.max(0) as usize)
    }

    /// Whether sends by others' sockets are not known to be done: somebody may wait for word of them.
    pub fn is_lent_to(&self) -> bool {
        !self.lent_quick.is_empty()
    }

    /// Listens to a bell until a completion comes without `more`.
    pub fn listen_to(&mut self, bell: RawFd) {
        let poll = opcode::PollAdd::new(Fd(bell), libc::POLLIN as u32).multi(true);
        self.push(poll.build().user_data(tag(Op::Bell, 0)));
    }

    /// Writes to a file; `synced`: it is done when that is on the device.
    ///
    /// # Safety
    /// The bytes lie still until the completion.
    pub unsafe fn write(&mut self, fd: RawFd, slot: u32, from: *const u8, bytes: u32, at: u64, synced: bool) {
        let flags = if synced { libc::RWF_DSYNC } else { 0 };
        let write = opcode::Write::new(Fd(fd), from, bytes).offset(at).rw_flags(flags);
        self.push(write.build().user_data(tag(Op::File, slot)));
    }

    /// What was written to a file goes to the device.
    pub fn sync(&mut self, fd: RawFd, slot: u32) {
        let sync = opcode::Fsync::new(Fd(fd)).flags(types::FsyncFlags::DATASYNC);
        self.push(sync.build().user_data(tag(Op::File, slot)));
    }

    /// Wakes the shard whose ring is `ring`; it sees `Op::Knock`.
    pub fn knock(&mut self, ring: RawFd, to: u32) {
        let knock = opcode::MsgRingData::new(Fd(ring), 0, tag(Op::Knock, 0), None);
        self.push(knock.build().user_data(tag(Op::Knocked, to)).flags(squeue::Flags::SKIP_SUCCESS));
    }
}

/// `IORING_ENTER_GETEVENTS`
const GETEVENTS: u32 = 1;

fn tag(op: Op, index: u32) -> u64 {
    (op as u64) << 32 | index as u64
}

/// Provided buffers: memory that the kernel takes receive buffers from, and the ring by which it gets them back.
struct Buffers {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    tail: u16,
}

const ENTRIES_BYTES: usize = BUFFERS as usize * size_of::<BufRingEntry>();

impl Buffers {
    fn new(ring: &IoUring) -> io::Result<Buffers> {
        let entries = map(ENTRIES_BYTES)?.cast::<BufRingEntry>();
        let memory = map(BUFFERS as usize * BUFFER_BYTES)?;
        // SAFETY: `entries` is a fresh, page-aligned mapping of the size the ring needs; it lives as long as the ring
        // (both until the process ends).
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
