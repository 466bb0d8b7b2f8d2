//! Room: loadgen. What to ask: targets, keys, sizes, the mix of verbs, the pace. Touches: chance, recipe, objective.
//!
//! A plan is data, made by flags, by a scenario file, or in code: `Plan { targets, ..Plan::default() }`. The same plan
//! and seed ask the same things again.

pub use crate::chance::{Chance, KeyChoice, Spread, mix};
use crate::objective::Goal;
pub use crate::outcome::{Arrivals, Pace};
use crate::recipe::Recipe;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The protocol a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    Resp2,
    Resp3,
    /// get, set, delete
    Memcached,
    /// mg, ms, md
    Meta,
}

impl Dialect {
    pub fn is_resp(self) -> bool {
        matches!(self, Dialect::Resp2 | Dialect::Resp3)
    }
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
    pub user: Option<String>,
    pub password: Option<String>,
    /// SELECT this one; 0 is where a connection begins.
    pub database: u32,
}

impl Target {
    /// Reads `resp://[user:password@]host[:port][/database]`, `resp3://...`, `memcached://...`, `memcached-meta://...`; a
    /// path in place of `host:port` is a Unix socket, its database behind `?db=`.
    pub fn parse(text: &str) -> Result<Target, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("'{text}' has no scheme: write resp://, resp3:// or memcached:// before the address"));
        };
        let (dialect, port) = match scheme {
            "resp" | "redis" => (Dialect::Resp2, 6379),
            "resp3" => (Dialect::Resp3, 6379),
            "memcached" | "memcache" => (Dialect::Memcached, 11211),
            "memcached-meta" | "memcache-meta" => (Dialect::Meta, 11211),
            _ => return Err(format!("'{scheme}' is not a scheme: resp, resp3, memcached or memcached-meta")),
        };
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let decoded = |t: &str| unescape(t).ok_or_else(|| format!("'{t}' holds a broken %-escape"));
        let (user, password) = match login.map(|l| l.split_once(':').unwrap_or(("", l))) {
            None => (None, None),
            Some(("", password)) => (None, Some(decoded(password)?)),
            Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut database = query.strip_prefix("db=");
        if !query.is_empty() && database.is_none() {
            return Err(format!("'?{query}' is not understood: only ?db=NUMBER"));
        }
        let place = if rest.starts_with('/') {
            Place::Unix(PathBuf::from(rest))
        } else {
            let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
            if !path.is_empty() {
                database = Some(path);
            }
            if address.is_empty() {
                return Err(format!("'{text}' names no host"));
            }
            let has_port = if address.starts_with('[') { address.contains("]:") } else { address.contains(':') };
            Place::Tcp(if has_port { address.to_string() } else { format!("{address}:{port}") })
        };
        let database = match database {
            None => 0,
            Some(number) => number.parse().map_err(|_| format!("'{number}' is no number of a database"))?,
        };
        if database != 0 && !dialect.is_resp() {
            return Err("memcached has no numbered databases".into());
        }
        Ok(Target { dialect, place, user, password, database })
    }
}

/// `%40` to `@`: passwords hold what an address may not.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(more.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &more[2..];
        } else {
            out.push(*first);
            rest = more;
        }
    }
    String::from_utf8(out).ok()
}

/// Without its password: this is shown and kept.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.dialect {
            Dialect::Resp2 => "resp",
            Dialect::Resp3 => "resp3",
            Dialect::Memcached => "memcached",
            Dialect::Meta => "memcached-meta",
        };
        match &self.place {
            Place::Tcp(address) => write!(f, "{scheme}://{address}")?,
            Place::Unix(path) => write!(f, "{scheme}://{}", path.display())?,
        }
        match (self.database, &self.place) {
            (0, _) => Ok(()),
            (database, Place::Tcp(_)) => write!(f, "/{database}"),
            (database, Place::Unix(_)) => write!(f, "?db={database}"),
        }
    }
}

/// One kind of ask in the mix.
#[derive(Clone, Debug)]
pub struct VerbPlan {
    pub name: String,
    pub weight: f64,
    pub ask: Ask,
}

#[derive(Clone, Debug)]
pub enum Ask {
    Get,
    /// To a value of `Plan::sizes`, for `Plan::ttl` if there is one.
    Set,
    Delete,
    /// Any command, in the dialects it is given in. The plan is refused where a target's is missing.
    Command(Commands),
}

#[derive(Clone, Debug, Default)]
pub struct Commands {
    pub resp: Option<Recipe>,
    pub memcached: Option<Recipe>,
    pub meta: Option<Recipe>,
}

impl Commands {
    pub fn of(&self, dialect: Dialect) -> Option<&Recipe> {
        match dialect {
            Dialect::Resp2 | Dialect::Resp3 => self.resp.as_ref(),
            Dialect::Memcached => self.memcached.as_ref(),
            // A server of the meta dialect speaks the other one too, on the same connection.
            Dialect::Meta => self.meta.as_ref().or(self.memcached.as_ref()),
        }
    }
}

/// Connections that do something of their own.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    /// Its part of all connections, by weight.
    pub share: f64,
    /// The verbs it asks; all when empty.
    pub verbs: Vec<String>,
    /// Said once on each new connection; `SUBSCRIBE` and the like for one that listens.
    pub setup: Vec<Recipe>,
    /// Asks nothing and counts the messages that come.
    pub listens: bool,
}

/// A stretch of the measured time with a rate and a mix of its own.
#[derive(Clone, Debug, Default)]
pub struct PhasePlan {
    pub name: String,
    pub duration: Duration,
    /// At its start and its end; a straight line between. None: the plan's.
    pub rate: Option<(f64, f64)>,
    /// Weights by verb; a verb that is not named has none. None: the plan's.
    pub mix: Option<Vec<(String, f64)>>,
    pub choice: Option<KeyChoice>,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub title: String,
    pub targets: Vec<Target>,
    /// The targets are nodes of one cluster: ask for its slots, follow MOVED and ASK.
    pub cluster: bool,
    /// Local addresses to connect from, dealt out in turn; none: the kernel's choice.
    pub sources: Vec<IpAddr>,
    /// In all; connection `c` goes to target `c % targets.len()`.
    pub connections: usize,
    pub threads: usize,
    /// The CPUs that the threads are bound to, in turn; none: wherever.
    pub cpus: Vec<usize>,
    /// Asks in flight on one connection.
    pub pipeline: usize,
    pub keys: u64,
    pub key_prefix: String,
    /// A key's number is written with this many digits.
    pub key_digits: usize,
    pub choice: KeyChoice,
    pub sizes: Spread,
    /// Seconds that a key lives once set.
    pub ttl: Option<Spread>,
    /// The mix, where `verbs` is empty.
    pub gets: u32,
    pub sets: u32,
    /// Deletes in a million writes.
    pub deletes_ppm: u32,
    pub verbs: Vec<VerbPlan>,
    pub groups: Vec<Group>,
    /// Set every key once first, with SET or with these.
    pub populate: bool,
    pub populate_with: Vec<Commands>,
    pub pace: Pace,
    pub phases: Vec<PhasePlan>,
    /// Of all measured time; phases have their own.
    pub duration: Option<Duration>,
    pub requests: Option<u64>,
    /// Asked but not measured, at the start.
    pub warmup: Duration,
    /// Asks after which a connection is closed and made again.
    pub churn: Option<u64>,
    pub verify: bool,
    /// A missing key is no fault: the server evicts or expires.
    pub may_miss: bool,
    pub seed: u64,
    pub objectives: Vec<Goal>,
    /// Search for the highest rate that holds this.
    pub find_limit: Option<Goal>,
}

impl Default for Plan {
    /// 50 connections, closed loop, ten GETs to a SET of 100 bytes over 100,000 keys; no targets and no end.
    fn default() -> Plan {
        Plan {
            title: String::new(),
            targets: Vec::new(),
            cluster: false,
            sources: Vec::new(),
            connections: 50,
            threads: 1,
            cpus: Vec::new(),
            pipeline: 1,
            keys: 100_000,
            key_prefix: "key:".into(),
            key_digits: 12,
            choice: KeyChoice::Uniform,
            sizes: Spread::Fixed(100),
            ttl: None,
            gets: 10,
            sets: 1,
            deletes_ppm: 0,
            verbs: Vec::new(),
            groups: Vec::new(),
            populate: false,
            populate_with: Vec::new(),
            pace: Pace::Closed,
            phases: Vec::new(),
            duration: None,
            requests: None,
            warmup: Duration::ZERO,
            churn: None,
            verify: false,
            may_miss: false,
            seed: 1,
            objectives: Vec::new(),
            find_limit: None,
        }
    }
}

impl Plan {
    pub fn target_of(&self, connection: usize) -> &Target {
        &self.targets[connection % self.targets.len()]
    }

    /// Writes the name of key number `key` into `out`: the prefix and its digits.
    pub fn name_key(&self, key: u64, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.key_prefix.as_bytes());
        push_digits(key, self.key_digits, out);
    }

    /// Whether version `version` of `key` is written as a delete. A function of both, so that whoever reads the key can tell
    /// without being told.
    pub fn is_delete(&self, key: u64, version: u64) -> bool {
        self.deletes_ppm > 0 && mix(key ^ mix(version ^ 0xde1e)) % 1_000_000 < u64::from(self.deletes_ppm)
    }

    /// The mix: `verbs`, or what the ratio stands for.
    pub fn mix(&self) -> Vec<VerbPlan> {
        if !self.verbs.is_empty() {
            return self.verbs.clone();
        }
        let deletes = f64::from(self.sets) * f64::from(self.deletes_ppm) / 1e6;
        let all = [
            ("get", f64::from(self.gets), Ask::Get),
            ("set", f64::from(self.sets) - deletes, Ask::Set),
            ("delete", deletes, Ask::Delete),
        ];
        let verbs = all.into_iter().filter(|(_, weight, _)| *weight > 0.0);
        verbs.map(|(name, weight, ask)| VerbPlan { name: name.into(), weight, ask }).collect()
    }

    /// Measured time, where it is known before.
    pub fn measured(&self) -> Option<Duration> {
        if self.phases.is_empty() { self.duration } else { Some(self.phases.iter().map(|p| p.duration).sum()) }
    }

    /// Why this plan cannot be run, if it cannot.
    pub fn refuse(&self) -> Option<String> {
        if self.targets.is_empty() {
            return Some("no target: give --target resp://host:port or memcached://host:port".into());
        }
        if self.connections < self.targets.len() {
            return Some(format!("{} targets need at least as many connections", self.targets.len()));
        }
        if self.threads == 0 || self.pipeline == 0 || self.keys == 0 || self.connections == 0 {
            return Some("connections, threads, pipeline and keys are at least 1".into());
        }
        if self.connections > CONNECTIONS_MOST {
            return Some(format!("more than {CONNECTIONS_MOST} connections are more than one host's ports"));
        }
        let digits = self.keys.saturating_sub(1).to_string().len();
        if !(digits..=200).contains(&self.key_digits) {
            return Some(format!("{} keys do not fit into {} digits", self.keys, self.key_digits));
        }
        // protocol.txt: a key is at most 250 bytes and holds no blank or control character.
        let memcached = self.targets.iter().any(|t| !t.dialect.is_resp());
        if self.key_prefix.bytes().any(|b| b <= b' ' || b == 0x7f)
            || (memcached && self.key_prefix.len() + self.key_digits > 250)
        {
            return Some("a key is at most 250 bytes (memcached) and has no blanks".into());
        }
        if self.verbs.is_empty() && self.gets == 0 && self.sets == 0 {
            return Some("a ratio of 0:0 asks nothing".into());
        }
        let sound = self.sizes.refuse().or(self.choice.refuse()).or(self.ttl.as_ref().and_then(Spread::refuse));
        sound.or_else(|| self.refuse_verify()).or_else(|| self.refuse_mix()).or_else(|| self.refuse_pace())
    }

    fn refuse_verify(&self) -> Option<String> {
        if !self.verify {
            return None;
        }
        if (self.sizes.least() as usize) < crate::verify::VALUE_LEAST {
            return Some(format!("--verify needs values of at least {} bytes", crate::verify::VALUE_LEAST));
        }
        if self.keys < self.connections as u64 {
            return Some("--verify gives each connection keys of its own to write: more keys than connections".into());
        }
        if self.verbs.iter().any(|v| matches!(v.ask, Ask::Command(_))) {
            return Some("--verify checks get, set and delete: the scenario asks other commands".into());
        }
        if self.ttl.is_some() && !self.may_miss {
            return Some("--verify with lifetimes needs --may-miss: keys go missing when they expire".into());
        }
        // Of a key in a cluster the next write waits for the answer of the last.
        if self.cluster && self.keys / self.connections as u64 <= self.pipeline as u64 {
            return Some("--verify in a cluster needs more keys a connection than asks in its pipeline".into());
        }
        None
    }

    fn refuse_mix(&self) -> Option<String> {
        let verbs = self.mix();
        let named = |name: &String| verbs.iter().any(|v| v.name == *name);
        for verb in &verbs {
            if !(verb.weight >= 0.0 && verb.weight.is_finite()) {
                return Some(format!("the weight of '{}' is a number from 0 on", verb.name));
            }
            if let Ask::Command(commands) = &verb.ask
                && let Some(target) = self.targets.iter().find(|t| commands.of(t.dialect).is_none())
            {
                return Some(format!("'{}' is not given in the words of {target}", verb.name));
            }
        }
        for commands in &self.populate_with {
            if let Some(target) = self.targets.iter().find(|t| commands.of(t.dialect).is_none()) {
                return Some(format!("how to populate is not given in the words of {target}"));
            }
        }
        for group in &self.groups {
            if let Some(name) = group.verbs.iter().find(|n| !named(n)) {
                return Some(format!("group '{}' asks '{name}', which is no verb of the scenario", group.name));
            }
            if !(group.share > 0.0 && group.share.is_finite()) {
                return Some(format!("the share of group '{}' is above 0", group.name));
            }
        }
        if self.groups.len() > self.connections {
            return Some(format!("{} groups need at least as many connections", self.groups.len()));
        }
        if !self.groups.is_empty() && self.groups.iter().all(|g| g.listens) {
            return Some("all groups listen and none asks".into());
        }
        for phase in &self.phases {
            for (name, weight) in phase.mix.iter().flatten() {
                if !named(name) {
                    return Some(format!("phase '{}' mixes '{name}', which is no verb of the scenario", phase.name));
                }
                if !(*weight >= 0.0 && weight.is_finite()) {
                    return Some(format!("phase '{}': the weight of '{name}' is a number from 0 on", phase.name));
                }
            }
            if let Some(why) = phase.choice.as_ref().and_then(KeyChoice::refuse) {
                return Some(format!("phase '{}': {why}", phase.name));
            }
        }
        None
    }

    fn refuse_pace(&self) -> Option<String> {
        if let Pace::Open { per_second, .. } = self.pace
            && !(per_second > 0.0 && per_second.is_finite())
        {
            return Some("--rate is above 0".into());
        }
        let rated = |p: &PhasePlan| p.rate.is_some_and(|(a, b)| !(a >= 0.0 && b >= 0.0 && (a + b).is_finite()));
        if let Some(phase) = self.phases.iter().find(|p| rated(p)) {
            return Some(format!("the rate of phase '{}' is a number from 0 on", phase.name));
        }
        if self.phases.iter().any(|p| p.duration.is_zero()) {
            return Some("each phase has a duration above 0".into());
        }
        if self.pace == Pace::Closed && self.phases.iter().any(|p| p.rate.is_some()) {
            return Some("a phase's rate needs an open loop: give a --rate or the scenario one".into());
        }
        if self.churn == Some(0) {
            return Some("--churn is at least 1 ask".into());
        }
        if self.find_limit.is_some() && self.requests.is_some() {
            return Some("--find-limit goes by time: no --requests".into());
        }
        None
    }
}

// 1 M: 16 local addresses' ports, and what the kernel's default fs.nr_open allows one process.
pub const CONNECTIONS_MOST: usize = 1_000_000;

const PAIRS: &[u8; 200] = &{
    let mut pairs = [0; 200];
    let mut at = 0;
    while at < 100 {
        pairs[2 * at] = b'0' + (at / 10) as u8;
        pairs[2 * at + 1] = b'0' + (at % 10) as u8;
        at += 1;
    }
    pairs
};

/// Appends `number` with leading zeros.
#[inline]
pub fn push_digits(mut number: u64, digits: usize, out: &mut Vec<u8>) {
    // 32: more than any 64-bit number has. Two digits a division: this is done once an ask.
    let mut text = [b'0'; 32];
    let mut at = text.len();
    while number >= 10 {
        at -= 2;
        let pair = (number % 100) as usize * 2;
        text[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        number /= 100;
    }
    if number > 0 {
        text[at - 1] = b'0' + number as u8;
    }
    if let Some(more) = digits.checked_sub(text.len()) {
        out.resize(out.len() + more, b'0');
    }
    out.extend_from_slice(&text[text.len().saturating_sub(digits)..]);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Set,
    Delete,
    /// Whatever a recipe asks.
    Any,
}

/// Which part of a run this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Every key is set once, in order, as fast as it goes.
    Populate,
    Measure,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn small() -> Plan {
        Plan {
            targets: vec![Target::parse("resp://h:1").expect("valid")],
            connections: 3,
            keys: 10,
            sizes: Spread::Range { least: 40, most: 60 },
            gets: 1,
            sets: 1,
            verify: true,
            ..Plan::default()
        }
    }

    #[test]
    fn targets_are_read_and_written_back() {
        let cases = [
            ("resp://127.0.0.1:7000", Ok("resp://127.0.0.1:7000")),
            ("resp://somewhere", Ok("resp://somewhere:6379")),
            ("resp3://[::1]:7000", Ok("resp3://[::1]:7000")),
            ("memcached://[::1]", Ok("memcached://[::1]:11211")),
            ("memcached-meta://h", Ok("memcached-meta://h:11211")),
            ("memcached:///run/torc.sock", Ok("memcached:///run/torc.sock")),
            ("resp://u:p%40@h:1/3", Ok("resp://h:1/3")),
            ("resp:///run/torc.sock?db=2", Ok("resp:///run/torc.sock?db=2")),
            ("resp://h:1/", Ok("resp://h:1")),
            ("127.0.0.1:7000", Err(())),
            ("http://127.0.0.1:7000", Err(())),
            ("resp://", Err(())),
            ("resp://h/x", Err(())),
            ("memcached://h/1", Err(())),
            ("resp://u:%4@h", Err(())),
        ];
        for (text, want) in cases {
            assert_eq!(Target::parse(text).map(|t| t.to_string()).map_err(|_| ()), want.map(str::to_string), "{text}");
        }
        let login = |t: &str| Target::parse(t).map(|t| (t.user, t.password)).expect(t);
        assert_eq!(login("resp://u:p%40@h"), (Some("u".into()), Some("p@".into())));
        assert_eq!(login("resp://p@h"), (None, Some("p".into())));
        assert_eq!(login("resp://:p@h"), (None, Some("p".into())));
    }

    #[test]
    fn plans_that_cannot_be_run_say_why() {
        type Change = Box<dyn Fn(&mut Plan)>;
        let cases: Vec<(&str, Change)> = vec![
            ("no target", Box::new(|p| p.targets.clear())),
            ("at least 1", Box::new(|p| p.threads = 0)),
            ("digits", Box::new(|p| (p.keys, p.key_digits) = (1001, 3))),
            ("blanks", Box::new(|p| p.key_prefix = "a b".into())),
            ("ratio", Box::new(|p| (p.gets, p.sets) = (0, 0))),
            ("at least 28", Box::new(|p| p.sizes = Spread::Fixed(9))),
            ("more keys", Box::new(|p| p.keys = 2)),
            ("in a cluster", Box::new(|p| (p.cluster, p.pipeline) = (true, 1_000_000))),
            ("--rate", Box::new(|p| p.pace = Pace::Open { per_second: 0.0, arrivals: Arrivals::Poisson })),
            (
                "open loop",
                Box::new(|p| {
                    p.phases = vec![PhasePlan {
                        name: "a".into(),
                        duration: Duration::from_secs(1),
                        rate: Some((1.0, 2.0)),
                        ..PhasePlan::default()
                    }];
                }),
            ),
        ];
        assert_eq!(small().refuse(), None);
        for (told, change) in cases {
            let mut plan = small();
            change(&mut plan);
            let why = plan.refuse().unwrap_or_default();
            assert!(why.contains(told), "{told}: {why}");
        }
    }

    #[test]
    fn keys_are_named_with_their_digits() {
        let mut plan = small();
        let mut name = Vec::new();
        plan.name_key(42, &mut name);
        assert_eq!(name, b"key:000000000042");
        plan.key_digits = 20;
        plan.name_key(u64::MAX, &mut name);
        assert_eq!(name, b"key:18446744073709551615");
    }
}
