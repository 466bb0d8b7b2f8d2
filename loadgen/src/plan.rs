//! Room: loadgen. What to ask: targets, keys, sizes, the mix of verbs, the pace. Touches: nothing.
//!
//! A plan is data; a `Draw` is one connection's endless (or, when populating, finite) list of asks made from it and a
//! seed, so that a run can be made again.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The protocol a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Resp2,
    Resp3,
    Memcached,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `host:port`, an IPv6 host in brackets.
    Tcp(String),
    Unix(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub dialect: Dialect,
    pub place: Place,
}

impl Target {
    /// Reads `resp://host:port`, `resp3://...`, `memcached://...`; a path in place of `host:port` is a Unix socket.
    pub fn parse(text: &str) -> Result<Target, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("'{text}' has no scheme: write resp://, resp3:// or memcached:// before the address"));
        };
        let (dialect, port) = match scheme {
            "resp" | "redis" => (Dialect::Resp2, 6379),
            "resp3" => (Dialect::Resp3, 6379),
            "memcached" | "memcache" => (Dialect::Memcached, 11211),
            _ => return Err(format!("'{scheme}' is not a scheme: resp, resp3 or memcached")),
        };
        if rest.starts_with('/') {
            return Ok(Target { dialect, place: Place::Unix(PathBuf::from(rest)) });
        }
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() {
            return Err(format!("'{text}' names no host"));
        }
        let bracketed = rest.starts_with('[');
        let has_port = if bracketed { rest.contains("]:") } else { rest.contains(':') };
        let address = if has_port { rest.to_string() } else { format!("{rest}:{port}") };
        Ok(Target { dialect, place: Place::Tcp(address) })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.dialect {
            Dialect::Resp2 => "resp",
            Dialect::Resp3 => "resp3",
            Dialect::Memcached => "memcached",
        };
        match &self.place {
            Place::Tcp(address) => write!(f, "{scheme}://{address}"),
            Place::Unix(path) => write!(f, "{scheme}://{}", path.display()),
        }
    }
}

/// Value sizes in bytes, both ends included, equally likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub least: u32,
    pub most: u32,
}

impl Sizes {
    /// `100` or `64-4096`.
    pub fn parse(text: &str) -> Result<Sizes, String> {
        let number = |t: &str| t.parse::<u32>().map_err(|_| format!("'{text}' is not a size or a range of sizes"));
        let (least, most) = match text.split_once('-') {
            Some((a, b)) => (number(a)?, number(b)?),
            None => (number(text)?, number(text)?),
        };
        if least > most {
            return Err(format!("the sizes '{text}' are the wrong way round"));
        }
        // 512 MiB: proto-max-bulk-len, the longest string a server of this kind takes by default.
        if most > 512 << 20 {
            return Err(format!("'{text}': no server takes more than 512 MiB in one value"));
        }
        Ok(Sizes { least, most })
    }

    /// The size that `seed` chooses.
    pub fn pick(self, seed: u64) -> usize {
        let span = u64::from(self.most - self.least) + 1;
        self.least as usize + (mix(seed) % span) as usize
    }
}

/// How asks are spaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// A connection asks again when it has been answered.
    Closed,
    /// Asks arrive by chance (Poisson), this many a second over all connections, whether or not the server keeps up.
    Open { per_second: f64 },
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub targets: Vec<Target>,
    /// In all; connection `c` goes to target `c % targets.len()`.
    pub connections: usize,
    pub threads: usize,
    /// Asks in flight on one connection.
    pub pipeline: usize,
    pub keys: u64,
    pub key_prefix: String,
    pub sizes: Sizes,
    pub gets: u32,
    pub sets: u32,
    /// Deletes in a million writes.
    pub deletes_ppm: u32,
    pub pace: Pace,
    pub duration: Option<Duration>,
    pub requests: Option<u64>,
    /// Asked but not measured, at the start.
    pub warmup: Duration,
    pub verify: bool,
    /// A missing key is no fault: the server evicts or expires.
    pub may_miss: bool,
    pub seed: u64,
}

impl Plan {
    pub fn target_of(&self, connection: usize) -> &Target {
        &self.targets[connection % self.targets.len()]
    }

    /// Writes the name of key number `key` into `out`: the prefix and twelve digits.
    pub fn name_key(&self, key: u64, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.key_prefix.as_bytes());
        let mut digits = [b'0'; 12];
        let mut rest = key;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }

    /// Whether version `version` of `key` is written as a delete. A function of both, so that whoever reads the key can tell
    /// without being told.
    pub fn is_delete(&self, key: u64, version: u64) -> bool {
        self.deletes_ppm > 0 && mix(key ^ mix(version ^ 0xde1e)) % 1_000_000 < u64::from(self.deletes_ppm)
    }

    /// Why this plan cannot be run, if it cannot.
    pub fn refuse(&self) -> Option<String> {
        if self.targets.is_empty() {
            return Some("no target: give --target resp://host:port or memcached://host:port".into());
        }
        if self.connections < self.targets.len() {
            return Some(format!("{} targets need at least as many connections", self.targets.len()));
        }
        if self.threads == 0 || self.pipeline == 0 || self.keys == 0 {
            return Some("threads, pipeline and keys are at least 1".into());
        }
        if self.keys > 999_999_999_999 {
            return Some("a key's number has twelve digits".into());
        }
        // protocol.txt: a key is at most 250 bytes and holds no blank or control character.
        if self.key_prefix.len() > 238 || self.key_prefix.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Some("a key prefix is at most 238 bytes without blanks".into());
        }
        if self.gets == 0 && self.sets == 0 {
            return Some("a ratio of 0:0 asks nothing".into());
        }
        if self.verify && (self.sizes.least as usize) < crate::verify::VALUE_LEAST {
            return Some(format!("--verify needs values of at least {} bytes", crate::verify::VALUE_LEAST));
        }
        if self.verify && self.keys < self.connections as u64 {
            return Some("--verify gives each connection keys of its own to write: more keys than connections".into());
        }
        if let Pace::Open { per_second } = self.pace
            && !(per_second > 0.0 && per_second.is_finite())
        {
            return Some("--rate is above 0".into());
        }
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Set,
    Delete,
}

/// Which part of a run this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Every key is set once, in order, as fast as it goes.
    Populate,
    Measure,
}

/// One connection's asks.
pub struct Draw {
    chance: Chance,
    /// The keys this connection writes are `first, first + step, ...`.
    first: u64,
    step: u64,
    next_in_order: Option<u64>,
    keys: u64,
    gets: u32,
    sets: u32,
}

impl Draw {
    pub fn new(plan: &Plan, phase: Phase, connection: usize) -> Draw {
        let all = plan.connections as u64;
        // A key's first value comes from the neighbour of its later writer: with targets of two dialects each key is then
        // written over by the dialect that did not create it.
        let first = match phase {
            Phase::Populate => (connection as u64 + 1) % all,
            Phase::Measure => connection as u64,
        };
        let (first, step) = if plan.verify || phase == Phase::Populate { (first, all) } else { (0, 1) };
        Draw {
            chance: Chance::new(mix(plan.seed ^ mix(connection as u64 + 1))),
            first,
            step,
            next_in_order: (phase == Phase::Populate).then_some(first),
            keys: plan.keys,
            gets: plan.gets,
            sets: plan.sets,
        }
    }

    /// The next key and whether it is written; `None` when a populating connection has set all its keys.
    pub fn draw(&mut self) -> Option<(u64, bool)> {
        if let Some(key) = self.next_in_order {
            if key >= self.keys {
                return None;
            }
            self.next_in_order = Some(key + self.step);
            return Some((key, true));
        }
        let all = u64::from(self.gets) + u64::from(self.sets);
        if self.chance.below(all) < u64::from(self.gets) {
            return Some((self.chance.below(self.keys), false));
        }
        let own = (self.keys - self.first).div_ceil(self.step);
        Some((self.first + self.step * self.chance.below(own), true))
    }

    /// Whether this connection is the one that writes `key`.
    pub fn owns(&self, key: u64) -> bool {
        key % self.step == self.first
    }

    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }
}

/// Random numbers from a seed: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.0)
    }

    /// Evenly in `0..bound` to one part in 2^64 / bound (Lemire's multiplication).
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// The gap to the next arrival of a Poisson process, in nanoseconds.
    pub fn gap_ns(&mut self, per_second: f64) -> u64 {
        // In (0, 1]: the logarithm of 0 is not a gap.
        let unit = ((self.number() >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
        (-unit.ln() / per_second * 1e9) as u64
    }
}

/// One number made of another, well spread.
pub fn mix(x: u64) -> u64 {
    finish(x.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

fn finish(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn small() -> Plan {
        Plan {
            targets: vec![Target::parse("resp://h:1").expect("valid")],
            connections: 3,
            threads: 1,
            pipeline: 1,
            keys: 10,
            key_prefix: "key:".into(),
            sizes: Sizes { least: 40, most: 60 },
            gets: 1,
            sets: 1,
            deletes_ppm: 0,
            pace: Pace::Closed,
            duration: None,
            requests: None,
            warmup: Duration::ZERO,
            verify: true,
            may_miss: false,
            seed: 1,
        }
    }

    #[test]
    fn targets_are_read_and_written_back() {
        let cases = [
            ("resp://127.0.0.1:7000", Ok("resp://127.0.0.1:7000")),
            ("resp://somewhere", Ok("resp://somewhere:6379")),
            ("resp3://[::1]:7000", Ok("resp3://[::1]:7000")),
            ("memcached://[::1]", Ok("memcached://[::1]:11211")),
            ("memcached:///run/torc.sock", Ok("memcached:///run/torc.sock")),
            ("127.0.0.1:7000", Err(())),
            ("http://127.0.0.1:7000", Err(())),
            ("resp://", Err(())),
        ];
        for (text, want) in cases {
            assert_eq!(Target::parse(text).map(|t| t.to_string()).map_err(|_| ()), want.map(str::to_string), "{text}");
        }
    }

    #[test]
    fn populating_sets_every_key_once() {
        let plan = small();
        let mut set = Vec::new();
        for connection in 0..plan.connections {
            let mut draw = Draw::new(&plan, Phase::Populate, connection);
            while let Some((key, write)) = draw.draw() {
                assert!(write);
                set.push(key);
            }
        }
        set.sort_unstable();
        assert_eq!(set, (0..plan.keys).collect::<Vec<_>>());
    }

    #[test]
    fn a_verified_key_has_one_writer_and_all_keys_are_reached() {
        let plan = small();
        let mut writer = vec![None; plan.keys as usize];
        let mut read = vec![false; plan.keys as usize];
        for connection in 0..plan.connections {
            let mut draw = Draw::new(&plan, Phase::Measure, connection);
            for _ in 0..1000 {
                let (key, write) = draw.draw().expect("measuring never ends");
                if write {
                    assert!(draw.owns(key));
                    assert_eq!(*writer[key as usize].get_or_insert(connection), connection);
                } else {
                    read[key as usize] = true;
                }
            }
        }
        assert!(writer.iter().all(Option::is_some) && read.iter().all(|r| *r));
    }

    #[test]
    fn gaps_average_to_the_rate() {
        let mut chance = Chance::new(7);
        let sum: u64 = (0..100_000).map(|_| chance.gap_ns(1000.0)).sum();
        let mean_ns = sum / 100_000;
        assert!((980_000..1_020_000).contains(&mean_ns), "{mean_ns}");
    }
}
