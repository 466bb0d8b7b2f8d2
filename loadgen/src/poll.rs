//! Room: loadgen. What this program asks of the kernel beside moving bytes: clocks, limits, order. Touches: the kernel.

use std::io;

/// Lets this thread's waits end within a microsecond of their time rather than the usual 50.
pub fn sharpen_timers() {
    // SAFETY: PR_SET_TIMERSLACK takes one number and no pointers; a refusal only leaves the waits less sharp.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1usize) };
}

/// Puts this thread, and those it starts, before all ordinary ones. Needs the right to (CAP_SYS_NICE).
pub fn run_first() -> io::Result<()> {
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: `first` is a valid sched_param for the length of the call; 0 names the calling thread.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &first) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// User and system time this process has used, in nanoseconds.
pub fn cpu_used_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the length of the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Raises the soft limit of open files to the hard one and gives it.
pub fn raise_nofile() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for the length of both calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
    }
    limit.rlim_cur
}

/// User and system time that this thread has used, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the length of the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Raises the limit of open files to `wanted`, the hard one too where this process may, and gives what it is then.
pub fn raise_nofile_to(wanted: u64) -> u64 {
    let soft = raise_nofile();
    if soft >= wanted {
        return soft;
    }
    let limit = libc::rlimit { rlim_cur: wanted, rlim_max: wanted };
    // SAFETY: `limit` is valid for the length of the call; a refusal changes nothing.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    raise_nofile()
}
