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

/// A moment as people read it: UTC, and Unix time in ms. Draws both; reads either.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    pub unix_ms: u64,
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Years with more than four digits have no such form.
        let readable = (self.unix_ms < 253_402_300_800_000).then(|| UNIX_EPOCH + Duration::from_millis(self.unix_ms));
        match readable {
            Some(time) => write!(f, "{} ({} Unix ms)", humantime::format_rfc3339_millis(time), self.unix_ms),
            None => write!(f, "{} Unix ms", self.unix_ms),
        }
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    /// `1796000000123`, or `2026-11-29T03:00:00Z` (RFC 3339 with or without T, Z and a fraction; always UTC).
    fn from_str(text: &str) -> Result<Moment, String> {
        if let Ok(unix_ms) = text.parse() {
            return Ok(Moment { unix_ms });
        }
        let time = humantime::parse_rfc3339_weak(text);
        let time = time.map_err(|_| "it takes Unix ms, or a time in UTC such as 2026-11-29T03:00:00Z".to_string())?;
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Ok(Moment { unix_ms: since.as_millis() as u64 })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_drawn() {
        for (text, unix_ms, drawn) in [
            ("0", 0, "1970-01-01T00:00:00.000Z (0 Unix ms)"),
            ("2026-11-29T03:00:00Z", 1_795_921_200_000, "2026-11-29T03:00:00.000Z (1795921200000 Unix ms)"),
            ("2026-11-29 03:00:00.25", 1_795_921_200_250, "2026-11-29T03:00:00.250Z (1795921200250 Unix ms)"),
            ("18446744073709551615", u64::MAX, "18446744073709551615 Unix ms"),
        ] {
            let moment: Moment = text.parse().expect("it is one");
            assert_eq!((moment.unix_ms, &*moment.to_string()), (unix_ms, drawn), "{text}");
        }
        for text in ["", "now", "-1", "18446744073709551616", "2026-11-31T03:00:00Z", "2026-11-29"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
