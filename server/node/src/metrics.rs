//! Room: metrics. What one shard counts. Plain numbers, written by their shard alone, gathered when somebody asks.
//! Touches: base.

use base::{Args, ArgsBuf};
use std::collections::{BTreeMap, VecDeque};

/// Of one command, by `Row::id`.
#[derive(Clone, Default)]
pub struct RowMetrics {
    pub calls: u64,
    pub ns: u64,
    /// Refused before it ran: arity, authentication, memory.
    pub rejected: u64,
    /// Ran and answered with an error.
    pub failed: u64,
    /// Made at the first call.
    pub latency: Option<Box<Latency>>,
}

/// How long calls took: counts by a logarithmic scale of eight steps to each doubling, so a figure is off by 12 % at most.
#[derive(Clone)]
pub struct Latency {
    counts: [u32; Latency::STEPS],
}

impl Default for Latency {
    fn default() -> Self {
        Latency { counts: [0; Latency::STEPS] }
    }
}

impl Latency {
    /// Up to 2^36 ns, 68 seconds, beyond which calls count as that long.
    const STEPS: usize = 34 * 8;

    #[inline]
    fn step(ns: u64) -> usize {
        let ns = ns.clamp(8, (1 << 36) - 1);
        let log = 63 - ns.leading_zeros();
        ((log - 3) * 8 + (ns >> (log - 3) & 7) as u32) as usize
    }

    /// The largest ns that falls into a step.
    fn top(step: usize) -> u64 {
        let log = step as u32 / 8;
        ((8 + (step as u64 & 7) + 1) << log) - 1
    }

    #[inline]
    pub fn record(&mut self, ns: u64) {
        let c = &mut self.counts[Self::step(ns)];
        *c = c.saturating_add(1);
    }

    pub fn add(&mut self, other: &Latency) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a = a.saturating_add(*b));
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().map(|&c| c as u64).sum()
    }

    /// The time within which `percent` of the calls ended, ns; 0 when there were none.
    pub fn percentile(&self, percent: f64) -> u64 {
        let total = self.count();
        let rank = ((percent / 100.0 * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (step, &c) in self.counts.iter().enumerate() {
            seen += c as u64;
            if seen >= rank {
                return Self::top(step);
            }
        }
        0
    }

    /// Cumulative counts at powers of two, as LATENCY HISTOGRAM shows them: (µs, calls that took up to it). Redis steps by
    /// 1024 ns times a power of two, each rounded up to the end of an HdrHistogram step of two digits, a 128th more.
    pub fn by_power_of_two_us(&self) -> Vec<(u64, u64)> {
        let mut rows = Vec::new();
        let (mut seen, mut us, total) = (0, 1u64, self.count());
        let mut steps = self.counts.iter().enumerate().peekable();
        while seen < total {
            let before = seen;
            while let Some(&(step, &c)) = steps.peek() {
                if Self::top(step) > us * 1024 {
                    break;
                }
                seen += c as u64;
                steps.next();
            }
            if seen > before {
                rows.push(((us * 1032 - 1) / 1000, seen));
            }
            us *= 2;
        }
        rows
    }
}

/// One entry of SLOWLOG GET.
#[derive(Clone, Debug)]
pub struct Slow {
    pub id: u64,
    /// Unix time, s.
    pub at: u64,
    pub us: u64,
    pub args: ArgsBuf,
    pub client: String,
    pub name: Vec<u8>,
}

/// Redis keeps at most this many words of a command, and bytes of a word.
const SLOW_WORDS_MAX: usize = 32;
const SLOW_WORD_BYTES_MAX: usize = 128;

impl Slow {
    /// The command's words, cut as Redis cuts them.
    pub fn cut(args: Args<'_>) -> ArgsBuf {
        let mut words = ArgsBuf::new();
        let keep = if args.len() > SLOW_WORDS_MAX { SLOW_WORDS_MAX - 1 } else { args.len() };
        for word in args.iter().take(keep) {
            if word.len() > SLOW_WORD_BYTES_MAX {
                let mut cut = word[..SLOW_WORD_BYTES_MAX].to_vec();
                cut.extend_from_slice(format!("... ({} more bytes)", word.len() - SLOW_WORD_BYTES_MAX).as_bytes());
                words.push(&cut);
            } else {
                words.push(word);
            }
        }
        if args.len() > keep {
            words.push(format!("... ({} more arguments)", args.len() - keep).as_bytes());
        }
        words
    }
}

/// LATENCY keeps so many samples of an event, as Redis does.
pub const SAMPLES_MAX: usize = 160;
/// Different error codes that are counted by name; Redis stops at 128 too.
const ERROR_CODES_MAX: usize = 128;

/// All of one shard's counters.
#[derive(Default)]
pub struct Metrics {
    /// The ask that was last to run found no memory, so it did not.
    pub turned_away: bool,
    pub rows: Vec<RowMetrics>,
    /// Changes before the last CONFIG RESETSTAT.
    changes_before: u64,
    pub commands: u64,
    /// Ran here for a connection of another shard.
    pub commands_far: u64,
    pub connections: u64,
    pub connections_rejected: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Receives and sends.
    pub reads: u64,
    pub writes: u64,
    pub errors: u64,
    /// By the first word of the error: `ERR`, `WRONGTYPE`.
    pub error_codes: BTreeMap<String, u64>,
    pub together: u64,
    pub yields: u64,
    pub acl_denied_auth: u64,
    pub output_limit_disconnections: u64,
    pub query_limit_disconnections: u64,
    /// Closed for `maxmemory-clients`.
    pub evicted_clients: u64,
    pub timeouts: u64,
    pub turns: u64,
    pub sleeps: u64,
    pub protocol_errors: u64,
    pub slow: VecDeque<Slow>,
    /// LATENCY: event name → (unix s, ms), at most 160 each as in Redis, and the largest ever.
    pub spikes: BTreeMap<&'static str, Spikes>,
    /// INFO: sampled every 100 ms, sixteen samples as in Redis: (commands, bytes in, bytes out) a second.
    pub rate: Rate,
    /// Memory of clients as the last round of the clients' cron found it.
    pub clients: ClientMemory,
    /// The round under way.
    pub clients_next: ClientMemory,
}

/// What this shard's clients hold.
#[derive(Clone, Copy, Default, Debug)]
pub struct ClientMemory {
    pub bytes: u64,
    /// The largest input that was kept, bytes.
    pub input_max: u64,
    /// The largest output that was owed, bytes.
    pub output_max: u64,
}

#[derive(Clone, Default, Debug)]
pub struct Spikes {
    pub samples: VecDeque<(u64, u64)>,
    pub max_ms: u64,
}

/// `instantaneous_*`: the mean over the last samples.
#[derive(Clone, Default, Debug)]
pub struct Rate {
    last: (u64, [u64; 4]),
    samples: [[f64; 4]; 16],
    next: usize,
}

impl Rate {
    /// Takes a sample of counters at `up_us`.
    pub fn sample(&mut self, up_us: u64, counters: [u64; 4]) {
        let (then, before) = self.last;
        if up_us > then {
            let s = (up_us - then) as f64 / 1e6;
            self.samples[self.next] = std::array::from_fn(|i| counters[i].saturating_sub(before[i]) as f64 / s);
            self.next = (self.next + 1) % self.samples.len();
        }
        self.last = (up_us, counters);
    }

    /// Commands, bytes in, bytes out and turns, each a second.
    pub fn now(&self) -> [f64; 4] {
        std::array::from_fn(|i| self.samples.iter().map(|s| s[i]).sum::<f64>() / self.samples.len() as f64)
    }
}

impl Metrics {
    pub fn new(rows: usize) -> Metrics {
        Metrics { rows: vec![RowMetrics::default(); rows], ..Metrics::default() }
    }

    #[inline]
    pub fn ran(&mut self, row: u16, ns: u64, tracked: bool) {
        let m = &mut self.rows[row as usize];
        m.calls += 1;
        m.ns += ns;
        if tracked {
            m.latency.get_or_insert_default().record(ns);
        }
        self.commands += 1;
    }

    /// Writes that did not fail, since the start. Rows that write: `writes`.
    pub fn changes(&self, writes: &[u16]) -> u64 {
        let of = |row: &u16| {
            let m = &self.rows[*row as usize];
            m.calls - m.failed.min(m.calls)
        };
        self.changes_before + writes.iter().map(of).sum::<u64>()
    }

    /// CONFIG RESETSTAT: what INFO counts begins at zero; the slow log and LATENCY's events stay, as in Redis.
    pub fn reset(&mut self, writes: &[u16]) {
        let changes_before = self.changes(writes);
        let rows = self.rows.len();
        let old = std::mem::take(self);
        *self =
            Metrics { slow: old.slow, spikes: old.spikes, clients: old.clients, changes_before, ..Metrics::new(rows) };
    }

    /// Counts an error by its code. `line` is what follows `-`.
    pub fn error(&mut self, line: &[u8]) {
        self.errors += 1;
        let code = line.split(|&b| b == b' ' || b == b'\r').next().unwrap_or(line);
        let code = String::from_utf8_lossy(code);
        if let Some(n) = self.error_codes.get_mut(code.as_ref()) {
            *n += 1;
        } else if self.error_codes.len() < ERROR_CODES_MAX {
            self.error_codes.insert(code.into_owned(), 1);
        }
    }

    pub fn spike(&mut self, event: &'static str, at: u64, ms: u64) {
        let spikes = self.spikes.entry(event).or_default();
        spikes.max_ms = spikes.max_ms.max(ms);
        match spikes.samples.back_mut() {
            // One sample a second, the worst of it, as in Redis.
            Some((last, worst)) if *last == at => *worst = ms.max(*worst),
            _ => {
                if spikes.samples.len() == SAMPLES_MAX {
                    spikes.samples.pop_front();
                }
                spikes.samples.push_back((at, ms));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_an_eighth() {
        let mut l = Latency::default();
        for ns in 1..=100_000u64 {
            l.record(ns);
        }
        for p in [1.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
            let (got, want) = (l.percentile(p) as f64, p * 1000.0);
            assert!(got >= want * 0.99 && got <= want * 1.14, "p{p}: {got} for {want}");
        }
        let rows = l.by_power_of_two_us();
        assert_eq!(rows.last().map(|r| r.1), Some(100_000));
        assert!(rows.is_sorted());
    }
}
