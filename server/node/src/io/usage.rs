//! Room: io. CPU time that was used, as the kernel counts it. Touches: nothing of the project's.

/// µs in user and in kernel code.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Cpu {
    pub user_us: u64,
    pub system_us: u64,
}

impl std::ops::AddAssign for Cpu {
    fn add_assign(&mut self, other: Cpu) {
        self.user_us += other.user_us;
        self.system_us += other.system_us;
    }
}

/// Of the whole process.
pub fn of_process() -> Cpu {
    read(libc::RUSAGE_SELF)
}

/// Of the thread that asks.
pub fn of_thread() -> Cpu {
    read(libc::RUSAGE_THREAD)
}

/// Of processes that this one began and that have ended.
pub fn of_children() -> Cpu {
    read(libc::RUSAGE_CHILDREN)
}

fn read(who: libc::c_int) -> Cpu {
    // SAFETY: `rusage` is plain numbers, for which all zeroes is a value.
    let mut raw: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `raw` is a live value of the right type, which `getrusage` only fills.
    if unsafe { libc::getrusage(who, &mut raw) } != 0 {
        return Cpu::default(); // The kernel knows all three words; were it otherwise, nothing is known.
    }
    let us = |t: libc::timeval| t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64;
    Cpu { user_us: us(raw.ru_utime), system_us: us(raw.ru_stime) }
}
