//! Room: loadgen. When the asks of an open loop are due: a rate that changes over time, and arrivals by chance or at equal
//! gaps. Touches: chance.
//!
//! An arrival process of rate r(t) is one of rate 1 in another time, the integral of r. So each gap is drawn in that time
//! (exponential with mean 1, or just 1) and taken back through the inverse of the integral, which for a rate that runs in
//! straight lines is the root of a quadratic. Nothing is lost or doubled where the rate changes.

use crate::chance::Chance;
use crate::outcome::Arrivals;

/// A stretch of time and the rate at its ends, a straight line between. Nanoseconds; asks a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    pub from_ns: u64,
    /// `u64::MAX`: without end; the rate then stands at `from_rate`.
    pub to_ns: u64,
    pub from_rate: f64,
    pub to_rate: f64,
}

impl Stretch {
    pub fn rate_at(&self, at_ns: f64) -> f64 {
        if self.to_ns == u64::MAX || self.from_rate == self.to_rate {
            return self.from_rate;
        }
        let share = ((at_ns - self.from_ns as f64) / (self.to_ns - self.from_ns) as f64).clamp(0.0, 1.0);
        self.from_rate + (self.to_rate - self.from_rate) * share
    }
}

/// The times of one thread's asks, in order, without end unless the rate ends.
#[derive(Clone, Debug)]
pub struct Schedule {
    stretches: Vec<Stretch>,
    at: usize,
    now_ns: f64,
    arrivals: Arrivals,
    chance: Chance,
    first: Option<f64>,
}

impl Schedule {
    /// The share of one thread among `threads` in a whole rate; with equal gaps the threads take turns.
    pub fn new(stretches: &[Stretch], arrivals: Arrivals, thread: usize, threads: usize, seed: u64) -> Schedule {
        let part = |rate: f64| rate / threads as f64;
        let share = |s: &Stretch| Stretch { from_rate: part(s.from_rate), to_rate: part(s.to_rate), ..*s };
        Schedule {
            stretches: stretches.iter().map(share).collect(),
            at: 0,
            now_ns: stretches.first().map_or(0.0, |s| s.from_ns as f64),
            arrivals,
            chance: Chance::new(seed),
            first: (arrivals == Arrivals::Constant).then(|| thread as f64 / threads as f64),
        }
    }

    /// When the next ask is due, in nanoseconds; `None` after the last.
    pub fn next_ns(&mut self) -> Option<u64> {
        let mut need = match self.arrivals {
            Arrivals::Constant => self.first.take().unwrap_or(1.0),
            Arrivals::Poisson => self.chance.exponential(),
        };
        while let Some(stretch) = self.stretches.get(self.at) {
            let rate = stretch.rate_at(self.now_ns) / 1e9;
            let left = if stretch.to_ns == u64::MAX { f64::INFINITY } else { stretch.to_ns as f64 - self.now_ns };
            let slope = match stretch.to_ns {
                u64::MAX => 0.0,
                to => (stretch.to_rate - stretch.from_rate) / 1e9 / (to - stretch.from_ns).max(1) as f64,
            };
            let gap = gap(rate, slope, need);
            if gap <= left {
                self.now_ns += gap;
                return Some(self.now_ns as u64);
            }
            if left.is_infinite() {
                return None;
            }
            need -= rate * left + slope * left * left / 2.0;
            need = need.max(0.0);
            self.now_ns = stretch.to_ns as f64;
            self.at += 1;
        }
        None
    }
}

/// The least d with rate * d + slope * d^2 / 2 = need; infinite where there is none.
fn gap(rate: f64, slope: f64, need: f64) -> f64 {
    if need == 0.0 && (rate > 0.0 || slope > 0.0) {
        return 0.0;
    }
    if slope == 0.0 {
        return if rate > 0.0 { need / rate } else { f64::INFINITY };
    }
    let under = rate * rate + 2.0 * slope * need;
    if under < 0.0 {
        return f64::INFINITY;
    }
    // The form without a difference of near equals.
    let below = rate + under.sqrt();
    if below > 0.0 { 2.0 * need / below } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn all(stretches: &[Stretch], arrivals: Arrivals, thread: usize, threads: usize) -> Vec<u64> {
        let mut schedule = Schedule::new(stretches, arrivals, thread, threads, 5 + thread as u64);
        std::iter::from_fn(|| schedule.next_ns()).take(1_000_000).collect()
    }

    fn stretch(from_s: u64, to_s: u64, from_rate: f64, to_rate: f64) -> Stretch {
        Stretch { from_ns: from_s * SECOND, to_ns: to_s * SECOND, from_rate, to_rate }
    }

    #[test]
    fn as_many_are_due_as_the_rates_say() {
        // Areas: 1000; 0 to 1000 in 2 s; nothing for 1 s; 2000 down to 0 in 1 s.
        let rates = [
            (stretch(0, 1, 1000.0, 1000.0), 1000.0),
            (stretch(1, 3, 0.0, 1000.0), 1000.0),
            (stretch(3, 4, 0.0, 0.0), 0.0),
            (stretch(4, 5, 2000.0, 0.0), 1000.0),
        ];
        let stretches: Vec<Stretch> = rates.iter().map(|(s, _)| *s).collect();
        for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
            for threads in [1, 3] {
                let mut times: Vec<u64> = (0..threads).flat_map(|t| all(&stretches, arrivals, t, threads)).collect();
                times.sort_unstable();
                for (stretch, want) in rates {
                    let count = times.iter().filter(|t| (stretch.from_ns..stretch.to_ns).contains(t)).count() as f64;
                    // Four deviations of a Poisson count of 1000.
                    let off = if arrivals == Arrivals::Constant { 1.0 + threads as f64 } else { 4.0 * 1000f64.sqrt() };
                    // With equal gaps one may fall on the border.
                    let off = if want == 0.0 && arrivals == Arrivals::Poisson { 0.0 } else { off };
                    assert!((count - want).abs() <= off, "{arrivals:?}, {threads} threads, {stretch:?}: {count}");
                }
            }
        }
    }

    #[test]
    fn equal_gaps_are_equal_over_all_threads() {
        let stretches = [Stretch { from_ns: 0, to_ns: u64::MAX, from_rate: 1000.0, to_rate: 1000.0 }];
        let mut times = Vec::new();
        for thread in 0..4 {
            let mut schedule = Schedule::new(&stretches, Arrivals::Constant, thread, 4, 1);
            times.extend((0..250).filter_map(|_| schedule.next_ns()));
        }
        times.sort_unstable();
        assert!(times.windows(2).all(|w| (w[1] - w[0]).abs_diff(1_000_000) < 10), "{:?}", &times[..8]);
    }

    #[test]
    fn chance_arrivals_are_poisson() {
        let stretches = [Stretch { from_ns: 0, to_ns: u64::MAX, from_rate: 1000.0, to_rate: 1000.0 }];
        let times = all(&stretches, Arrivals::Poisson, 0, 1);
        // Of a Poisson process the count within a stretch has a variance equal to its mean.
        let mut counts = vec![0f64; 100_000];
        for time in &times {
            if let Some(count) = counts.get_mut((time / 10_000_000) as usize) {
                *count += 1.0;
            }
        }
        let counts = &counts[..(times[times.len() - 1] / 10_000_000).min(90_000) as usize];
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / counts.len() as f64;
        assert!((mean - 10.0).abs() < 0.1 && (variance / mean - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
