//! Room: store. Which entry goes when memory is short: Redis's policies, by sampling. Touches: nothing beyond this crate.
//!
//! As in Redis (`evict.c`), each eviction looks at a few random entries and keeps the best sixteen candidates seen so far across calls;
//! unlike there, a candidate that was used since it was seen is passed over.

use crate::entry::Ref;
use crate::store::{Place, Store};
use crate::table::Spot;
use crate::wheel::{Timer, WHEN_MAX};
use crate::{Policy, age};

/// Redis's EVPOOL_SIZE.
const POOL_MAX: usize = 16;
/// Most samples of one eviction (`maxmemory-samples` is a client's to set).
const SAMPLES_MAX: usize = 64;
/// Rounds of sampling before the first random entry will do.
const ROUNDS_MAX: usize = 4;
/// Under volatile-ttl, timers that are looked at for each sample: they lie side by side, entries do not.
const TIMERS_PER_SAMPLE: usize = 4;
/// Numbers of timers that are tried for one sample.
const TIMER_TRIES: usize = 64;
/// Timers of the earliest list that are compared for the nearest deadline.
const SOONEST_COMPARED: usize = 32;
/// Lists of buried timers that are cleared away in search of one that is not.
const SOONEST_ROUNDS_MAX: usize = 64;

#[derive(Clone, Copy)]
struct Candidate {
    score: u64,
    table: u16,
    hash: u64,
}

/// The best candidates so far, the best last.
#[derive(Default)]
pub struct Pool(Vec<Candidate>);

impl Pool {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn offer(&mut self, new: Candidate) {
        if self.0.iter().any(|c| c.hash == new.hash && c.table == new.table) {
            return;
        }
        if self.0.len() == POOL_MAX {
            if self.0[0].score >= new.score {
                return;
            }
            self.0.remove(0);
        }
        let at = self.0.partition_point(|c| c.score < new.score);
        self.0.insert(at, new);
    }
}

impl Store {
    /// The entry to go, by the policy.
    pub(crate) fn victim(&mut self, now_ms: u64) -> Option<(u16, Spot)> {
        match self.tuning.policy {
            Policy::NoEviction => None,
            Policy::AllKeysRandom => self.any_entry(),
            Policy::VolatileRandom => self.any_volatile().or_else(|| self.soonest()),
            Policy::AllKeysLru | Policy::AllKeysLfu => self.oldest(false, now_ms).or_else(|| self.any_entry()),
            Policy::VolatileLru | Policy::VolatileLfu | Policy::VolatileTtl => {
                self.oldest(true, now_ms).or_else(|| self.soonest())
            }
        }
    }

    fn oldest(&mut self, volatile: bool, now_ms: u64) -> Option<(u16, Spot)> {
        for _ in 0..ROUNDS_MAX {
            self.sample(volatile, now_ms);
            while let Some(best) = self.pool.0.pop() {
                let place = &self.places[best.table as usize];
                if place.db.is_none() {
                    continue;
                }
                let fits = |raw: Ref<'_>| {
                    self.ground.keyed.hash(raw.key()) == best.hash && (!volatile || raw.node().is_some())
                };
                let Some(spot) = place.table.find_by(best.hash, fits) else { continue };
                if self.score(place.table.entry(spot), now_ms) >= best.score {
                    return Some((best.table, spot));
                }
            }
        }
        None
    }

    /// How well an entry may go: the higher the better.
    fn score(&self, raw: Ref<'_>, now_ms: u64) -> u64 {
        match self.tuning.policy {
            Policy::VolatileTtl => WHEN_MAX - raw.deadline().unwrap_or(WHEN_MAX).min(WHEN_MAX),
            _ => age::score(&self.tuning, raw.age(), now_ms),
        }
    }

    /// Offers some random entries to the pool.
    fn sample(&mut self, volatile: bool, now_ms: u64) {
        if self.tuning.policy == Policy::VolatileTtl {
            return self.sample_timers();
        }
        let mut spots = [const { None }; SAMPLES_MAX];
        let samples = (self.tuning.samples as usize).clamp(1, SAMPLES_MAX);
        for spot in &mut spots[..samples] {
            *spot = if volatile { self.any_volatile() } else { self.any_entry() };
            if let Some((table, spot)) = *spot {
                self.places[table as usize].table.prefetch_spot(spot);
            }
        }
        for (number, spot) in spots.into_iter().flatten() {
            let raw = self.places[number as usize].table.entry(spot);
            let candidate =
                Candidate { score: self.score(raw, now_ms), table: number, hash: self.ground.keyed.hash(raw.key()) };
            self.pool.offer(candidate);
        }
    }

    /// Offers timers to the pool: some random ones, and the nearest known. No entry is touched, so many can be looked at.
    fn sample_timers(&mut self) {
        let soonest = self.soonest_timer();
        let count = (self.tuning.samples as usize).clamp(1, SAMPLES_MAX) * TIMERS_PER_SAMPLE;
        for i in 0..=count {
            let position = self.rng.draw();
            let node = if i == 0 { soonest } else { self.wheel.near(position, TIMER_TRIES) };
            let Some(node) = node else { continue };
            let Timer { table, hash, when } = self.wheel.timer(node);
            if self.places[table as usize].db.is_some() {
                self.pool.offer(Candidate { score: WHEN_MAX - when, table, hash });
            }
        }
    }

    /// A random entry of all databases.
    fn any_entry(&mut self) -> Option<(u16, Spot)> {
        let all: usize = self.dbs.iter().map(|&number| self.places[number as usize].table.len()).sum();
        if all == 0 {
            return None;
        }
        let mut rank = self.rng.below(all as u64) as usize;
        let hash = self.rng.draw();
        self.dbs.iter().find_map(|&number| {
            let Place { table, .. } = &self.places[number as usize];
            if rank >= table.len() {
                rank -= table.len();
                return None;
            }
            table.near(hash).map(|spot| (number, spot))
        })
    }

    /// A random entry of those with a deadline; None may also mean bad luck.
    fn any_volatile(&mut self) -> Option<(u16, Spot)> {
        let position = self.rng.draw();
        self.wheel.near(position, TIMER_TRIES).and_then(|node| self.find_timer(node))
    }

    /// The entry whose deadline is nearest, nearly.
    fn soonest(&mut self) -> Option<(u16, Spot)> {
        self.soonest_timer().and_then(|node| self.find_timer(node))
    }

    /// The timer that is nearest: the nearest of the first `SOONEST_COMPARED` in the index's earliest list, so exact while
    /// no more share it, and where deadlines were set in their order.
    fn soonest_timer(&mut self) -> Option<u32> {
        for _ in 0..SOONEST_ROUNDS_MAX {
            let mut buried = [0; SOONEST_COMPARED];
            let mut count = 0;
            let mut best: Option<(u64, u32)> = None;
            for node in self.wheel.soonest(SOONEST_COMPARED) {
                let timer = self.wheel.timer(node);
                if self.places[timer.table as usize].db.is_none() {
                    buried[count] = node;
                    count += 1;
                } else if best.is_none_or(|(when, _)| timer.when < when) {
                    best = Some((timer.when, node));
                }
            }
            buried[..count].iter().for_each(|&node| self.wheel.idle(node));
            if let Some((_, node)) = best {
                return Some(node);
            }
            if count == 0 {
                return None;
            }
        }
        None
    }
}
