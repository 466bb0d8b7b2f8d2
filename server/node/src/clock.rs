//! Room: io. What time it is: read once a turn, and a cheap counter for how long a command took.
//! Touches: nothing of the project's.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The instant of one turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Unix time, µs.
    pub unix_us: u64,
    /// Time since the process began, µs; never goes back.
    pub up_us: u64,
}

impl Now {
    /// Unix time, ms.
    pub fn ms(self) -> u64 {
        self.unix_us / 1000
    }
}

/// A counter that runs at an even rate.
pub trait Ticks {
    /// Now, in ticks.
    fn ticks(&self) -> u64;
    /// How long `ticks` last.
    fn ns(&self, ticks: u64) -> u64;
}

/// The machine's clock. The tick is the CPU's time-stamp counter where there is one: 8 ns a reading, against 25 ns for
/// `clock_gettime`, and it is read after every command and every turn.
#[derive(Clone, Copy)]
pub struct HostClock {
    began: Instant,
    /// ns a tick, times 2^24.
    scale: u64,
    /// The last time that the system's clocks were asked, and the tick then.
    asked: Now,
    asked_ticks: u64,
}

/// The system's clocks are asked this often; between, ticks are counted. A wrong step of the wall clock is followed as soon.
const ASK_US: u64 = 10_000;

impl HostClock {
    /// Measures the tick for some milliseconds.
    pub fn calibrated() -> HostClock {
        let (t0, c0) = (Instant::now(), raw_ticks());
        std::thread::sleep(Duration::from_millis(20));
        let (ns, ticks) = (t0.elapsed().as_nanos() as u64, raw_ticks().wrapping_sub(c0).max(1));
        let scale = ((ns as u128) << 24).div_ceil(ticks as u128) as u64;
        let mut clock = HostClock { began: t0, scale, asked: Now::default(), asked_ticks: 0 };
        clock.ask();
        clock
    }

    fn ask(&mut self) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.asked_ticks = raw_ticks();
        // Ticks may run a little fast: what was said before is not taken back.
        let up_us = (self.began.elapsed().as_micros() as u64).max(self.asked.up_us);
        self.asked = Now { unix_us: unix.as_micros() as u64, up_us };
    }

    pub fn now(&mut self) -> Now {
        let us = self.ns(raw_ticks().wrapping_sub(self.asked_ticks)) / 1000;
        if us >= ASK_US {
            self.ask();
            return self.asked;
        }
        Now { unix_us: self.asked.unix_us + us, up_us: self.asked.up_us + us }
    }
}

impl Ticks for HostClock {
    #[inline]
    fn ticks(&self) -> u64 {
        raw_ticks()
    }

    #[inline]
    fn ns(&self, ticks: u64) -> u64 {
        ((ticks as u128 * self.scale as u128) >> 24) as u64
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn raw_ticks() -> u64 {
    // SAFETY: every x86-64 CPU has RDTSC, and it touches no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn raw_ticks() -> u64 {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_nanos() as u64
}
