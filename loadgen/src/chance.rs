//! Room: loadgen. Random numbers from a seed and what is drawn with them: keys, sizes, lifetimes, arrivals.
//! Touches: nothing.

use std::cmp::Ordering;

/// Random numbers from a seed: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
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

    /// Evenly in (0, 1]: the logarithm of 0 is not a number.
    pub fn unit(&mut self) -> f64 {
        ((self.number() >> 11) as f64 + 1.0) / (1u64 << 53) as f64
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    /// Normal with mean 0 and deviation 1 (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// The gap to the next arrival of a Poisson process, in nanoseconds.
    pub fn gap_ns(&mut self, per_second: f64) -> u64 {
        (self.exponential() / per_second * 1e9) as u64
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

/// Ranks 1 to n, rank k with a weight of k^-theta, for any theta above 0 and without a table: rejection-inversion
/// (Hörmann and Derflinger: "Rejection-inversion to generate variates from monotone discrete distributions", 1996).
#[derive(Clone, Debug)]
pub struct Zipf {
    n: f64,
    theta: f64,
    integral_first: f64,
    integral_last: f64,
    /// Below this distance from the rank a candidate is taken without looking closer.
    sure: f64,
}

impl Zipf {
    pub fn new(n: u64, theta: f64) -> Zipf {
        let mut zipf = Zipf { n: n.max(1) as f64, theta, integral_first: 0.0, integral_last: 0.0, sure: 0.0 };
        zipf.integral_first = zipf.integral(1.5) - 1.0;
        zipf.integral_last = zipf.integral(zipf.n + 0.5);
        zipf.sure = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    /// A rank from 0 (the most likely) to n - 1.
    pub fn rank(&self, chance: &mut Chance) -> u64 {
        loop {
            let u = self.integral_last + chance.unit() * (self.integral_first - self.integral_last);
            let x = self.inverse(u);
            let k = (x + 0.5).floor().clamp(1.0, self.n);
            if k - x <= self.sure || u >= self.integral(k + 0.5) - self.weight(k) {
                return k as u64 - 1;
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        (-self.theta * x.ln()).exp()
    }

    /// The integral of the weight from 1 to x, in a form that is whole at theta = 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let t = (1.0 - self.theta) * log;
        // (e^t - 1) / t, by its series near 0.
        let ratio = if t.abs() > 1e-8 { t.exp_m1() / t } else { 1.0 + t / 2.0 };
        ratio * log
    }

    fn inverse(&self, y: f64) -> f64 {
        // Rounding may take it past -1, where there is no logarithm.
        let t = (y * (1.0 - self.theta)).max(-1.0);
        let ratio = if t.abs() > 1e-8 { t.ln_1p() / t } else { 1.0 - t / 2.0 };
        (ratio * y).exp()
    }
}

/// How the keys of a run are chosen from its `keys` numbers.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum KeyChoice {
    #[default]
    Uniform,
    /// Rank k with a weight of k^-theta; the ranks are strewn over the numbers.
    Zipf { theta: f64 },
    /// A share of the keys gets a share of the asks, evenly within and without.
    HotSet { keys: f64, asks: f64 },
    /// One after another, each connection its own, again from the first after the last.
    Sequential,
    /// Around a place; both as a share of all keys.
    Gaussian { mean: f64, deviation: f64 },
    /// The newest key most, older ones by Zipf: YCSB's "latest".
    Latest { theta: f64 },
}

impl KeyChoice {
    /// `uniform`, `zipf:0.99`, `hot:0.01:0.9`, `sequential`, `gaussian:0.5:0.1`, `latest:0.99`.
    pub fn parse(text: &str) -> Result<KeyChoice, String> {
        let wrong = || {
            format!(
                "'{text}' is no way to choose keys: uniform, zipf:THETA, hot:SHARE-OF-KEYS:SHARE-OF-ASKS, sequential, gaussian:MEAN:DEVIATION, latest:THETA"
            )
        };
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let numbers: Vec<f64> = parts.map(|p| p.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        let choice = match (name, numbers.as_slice()) {
            ("uniform", []) => KeyChoice::Uniform,
            ("zipf", []) => KeyChoice::Zipf { theta: 0.99 },
            ("zipf", [theta]) => KeyChoice::Zipf { theta: *theta },
            ("hot", [keys, asks]) => KeyChoice::HotSet { keys: *keys, asks: *asks },
            ("sequential", []) => KeyChoice::Sequential,
            ("gaussian", []) => KeyChoice::Gaussian { mean: 0.5, deviation: 0.1 },
            ("gaussian", [mean, deviation]) => KeyChoice::Gaussian { mean: *mean, deviation: *deviation },
            ("latest", []) => KeyChoice::Latest { theta: 0.99 },
            ("latest", [theta]) => KeyChoice::Latest { theta: *theta },
            _ => return Err(wrong()),
        };
        choice.refuse().map_or(Ok(choice), Err)
    }

    pub fn refuse(&self) -> Option<String> {
        let share = |s: f64| s > 0.0 && s <= 1.0;
        match *self {
            KeyChoice::Zipf { theta } | KeyChoice::Latest { theta } if !(theta > 0.0 && theta <= 10.0) => {
                Some(format!("Zipf's theta is above 0 and at most 10, not {theta}"))
            }
            KeyChoice::HotSet { keys, asks } if !(share(keys) && (0.0..=1.0).contains(&asks)) => {
                Some("a hot set's shares lie between 0 and 1".into())
            }
            KeyChoice::Gaussian { mean, deviation } if !((0.0..=1.0).contains(&mean) && deviation > 0.0) => {
                Some("gaussian takes a mean between 0 and 1 and a deviation above 0, both as shares of the keys".into())
            }
            _ => None,
        }
    }
}

/// One connection's choice among `0..n` by a `KeyChoice`.
#[derive(Clone, Debug)]
pub struct Chooser {
    choice: KeyChoice,
    n: u64,
    zipf: Option<Zipf>,
    /// Ranks are strewn by `rank * stride mod n`, a bijection for a stride that has no divisor in common with n.
    stride: u64,
    cursor: u64,
    cursor_step: u64,
}

impl Chooser {
    /// `start` and `step`: where a sequential connection begins and goes.
    pub fn new(choice: &KeyChoice, n: u64, start: u64, step: u64) -> Chooser {
        let n = n.max(1);
        let zipf = match choice {
            KeyChoice::Zipf { theta } | KeyChoice::Latest { theta } => Some(Zipf::new(n, *theta)),
            _ => None,
        };
        // Near the golden section of n: neighbours in rank come to lie far apart.
        let mut stride = ((n as f64 * 0.618_033_988_75) as u64).max(1);
        while gcd(stride, n) != 1 {
            stride += 1;
        }
        Chooser { choice: choice.clone(), n, zipf, stride, cursor: start % n, cursor_step: step % n }
    }

    fn strewn(&self, rank: u64) -> u64 {
        ((u128::from(rank) * u128::from(self.stride)) % u128::from(self.n)) as u64
    }

    /// `newest`: how many keys there are by now, which may be more than at first.
    pub fn pick(&mut self, chance: &mut Chance, newest: u64) -> u64 {
        match &self.choice {
            KeyChoice::Uniform => chance.below(self.n),
            KeyChoice::Zipf { .. } => {
                let rank = self.zipf.as_ref().map_or(0, |z| z.rank(chance));
                self.strewn(rank)
            }
            KeyChoice::Latest { .. } => {
                let rank = self.zipf.as_ref().map_or(0, |z| z.rank(chance));
                newest.max(self.n) - 1 - rank
            }
            KeyChoice::HotSet { keys, asks } => {
                let hot = ((self.n as f64 * keys) as u64).clamp(1, self.n);
                let rank = if hot == self.n || chance.unit() <= *asks {
                    chance.below(hot)
                } else {
                    hot + chance.below(self.n - hot)
                };
                self.strewn(rank)
            }
            KeyChoice::Sequential => {
                let at = self.cursor;
                self.cursor = ((u128::from(at) + u128::from(self.cursor_step)) % u128::from(self.n)) as u64;
                at
            }
            KeyChoice::Gaussian { mean, deviation } => loop {
                let at = (mean + deviation * chance.normal()) * self.n as f64;
                if at >= 0.0 && at < self.n as f64 {
                    return at as u64;
                }
                // A deviation of many times all keys would seldom hit: then it is as good as even.
                if *deviation > 10.0 {
                    return chance.below(self.n);
                }
            },
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A distribution of sizes in bytes, or of lifetimes in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Spread {
    Fixed(u32),
    /// Both ends included, equally likely.
    Range {
        least: u32,
        most: u32,
    },
    /// Each with its weight.
    List(Vec<(u32, f64)>),
    /// The logarithm is normal with this deviation around that of the median; past `most` it is drawn again.
    LogNormal {
        median: f64,
        sigma: f64,
        most: u32,
    },
    /// Generalised Pareto from `location`, as in Atikoglu et al. 2012; past `most` it is drawn again.
    Pareto {
        location: f64,
        scale: f64,
        shape: f64,
        most: u32,
    },
}

/// 512 MiB: proto-max-bulk-len, the longest string a server of this kind takes by default.
pub const SIZE_MOST: u32 = 512 << 20;

impl Spread {
    /// `100`, `64-4096`, `100:70,1000:25,10000:5`, `lognormal:MEDIAN:SIGMA[:MOST]`, `pareto:LOCATION:SCALE:SHAPE[:MOST]`.
    pub fn parse(text: &str) -> Result<Spread, String> {
        let wrong = || {
            format!(
                "'{text}' is no size: 100, 64-4096, 100:70,1000:30 (size:weight), lognormal:MEDIAN:SIGMA[:MOST], pareto:LOCATION:SCALE:SHAPE[:MOST]"
            )
        };
        let number = |t: &str| t.trim().parse::<u32>().map_err(|_| wrong());
        let real = |t: &str| t.trim().parse::<f64>().map_err(|_| wrong());
        let words: Vec<&str> = text.split(':').collect();
        // 1 MiB: far past the tail that matters, and what memcached takes by default.
        let most = |at: usize| words.get(at).map_or(Ok(1 << 20), |t| number(t));
        let spread = match words.as_slice() {
            ["lognormal", median, sigma, ..] if words.len() <= 4 => {
                Spread::LogNormal { median: real(median)?, sigma: real(sigma)?, most: most(3)? }
            }
            ["pareto", location, scale, shape, ..] if words.len() <= 5 => {
                Spread::Pareto { location: real(location)?, scale: real(scale)?, shape: real(shape)?, most: most(4)? }
            }
            [one] if !text.contains(',') => match one.split_once('-') {
                Some((a, b)) => Spread::Range { least: number(a)?, most: number(b)? },
                None => Spread::Fixed(number(one)?),
            },
            _ => {
                let pair = |part: &str| match part.split_once(':') {
                    Some((size, weight)) => Ok((number(size)?, real(weight)?)),
                    None => Ok((number(part)?, 1.0)),
                };
                Spread::List(text.split(',').map(pair).collect::<Result<_, String>>()?)
            }
        };
        spread.refuse().map_or(Ok(spread), Err)
    }

    pub fn refuse(&self) -> Option<String> {
        match self {
            Spread::Range { least, most } if least > most => {
                return Some(format!("the sizes '{least}-{most}' are the wrong way round"));
            }
            Spread::List(list) => {
                let sum: f64 = list.iter().map(|(_, w)| w).sum();
                if list.iter().any(|(_, w)| !w.is_finite() || *w < 0.0)
                    || sum.partial_cmp(&0.0) != Some(Ordering::Greater)
                {
                    return Some("a list's weights are not below 0, and one is above".into());
                }
            }
            Spread::LogNormal { median, sigma, most } => {
                let sound = *median >= 1.0 && median.is_finite() && (0.0..=10.0).contains(sigma);
                if !sound || *median > f64::from(*most) {
                    return Some(
                        "lognormal takes a median from 1 to the most there may be and a sigma from 0 to 10".into(),
                    );
                }
            }
            Spread::Pareto { location, scale, shape, most } => {
                let sound = *location >= 0.0 && *scale > 0.0 && scale.is_finite() && (0.0..=5.0).contains(shape);
                if !sound || *location >= f64::from(*most) {
                    return Some(
                        "pareto takes a location of 0 or more, a scale above 0 and a shape from 0 to 5".into(),
                    );
                }
            }
            _ => {}
        }
        if self.most() > SIZE_MOST {
            return Some(format!("{}: no server takes more than 512 MiB in one value", self.most()));
        }
        None
    }

    pub fn least(&self) -> u32 {
        match self {
            Spread::Fixed(size) => *size,
            Spread::Range { least, .. } => *least,
            Spread::List(list) => list.iter().filter(|(_, w)| *w > 0.0).map(|(s, _)| *s).min().unwrap_or(0),
            Spread::LogNormal { .. } => 1,
            Spread::Pareto { location, .. } => *location as u32,
        }
    }

    pub fn most(&self) -> u32 {
        match self {
            Spread::Fixed(size) => *size,
            Spread::Range { most, .. } | Spread::LogNormal { most, .. } | Spread::Pareto { most, .. } => *most,
            Spread::List(list) => list.iter().filter(|(_, w)| *w > 0.0).map(|(s, _)| *s).max().unwrap_or(0),
        }
    }

    /// What `seed` chooses; the same seed, the same choice.
    pub fn pick(&self, seed: u64) -> u32 {
        match self {
            Spread::Fixed(size) => *size,
            Spread::Range { least, most } => {
                let span = u64::from(most - least) + 1;
                least + (mix(seed) % span) as u32
            }
            Spread::List(list) => {
                let sum: f64 = list.iter().map(|(_, w)| w).sum();
                let mut at = Chance::new(seed).unit() * sum;
                for (size, weight) in list {
                    at -= weight;
                    if at <= 0.0 && *weight > 0.0 {
                        return *size;
                    }
                }
                self.most()
            }
            Spread::LogNormal { median, sigma, most } => {
                let mut chance = Chance::new(seed);
                again(*most, *median, || median * (sigma * chance.normal()).exp()).max(1)
            }
            Spread::Pareto { location, scale, shape, most } => {
                let mut chance = Chance::new(seed);
                again(*most, *location, || match *shape {
                    0.0 => location + scale * chance.exponential(),
                    shape => location + scale / shape * (chance.unit().powf(-shape) - 1.0),
                })
            }
        }
    }
}

/// Draws until it fits, for a while.
fn again(most: u32, otherwise: f64, mut draw: impl FnMut() -> f64) -> u32 {
    // 64: a distribution that misses so often is all tail.
    for _ in 0..64 {
        let size = draw().round();
        if size <= f64::from(most) {
            return size as u32;
        }
    }
    otherwise as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 200_000;

    fn counts(choice: &KeyChoice, n: u64, newest: u64) -> Vec<u64> {
        let mut chance = Chance::new(11);
        let mut chooser = Chooser::new(choice, n, 0, 1);
        let mut counts = vec![0; newest.max(n) as usize];
        for _ in 0..DRAWS {
            counts[chooser.pick(&mut chance, newest) as usize] += 1;
        }
        counts
    }

    /// Chi-squared of what was counted against what was expected, over its degrees of freedom: near 1 when both agree.
    fn misfit(counts: &[u64], expected: &[f64]) -> f64 {
        let sum: f64 = expected.iter().sum();
        let terms = counts.iter().zip(expected).map(|(count, share)| {
            let want = share / sum * DRAWS as f64;
            (*count as f64 - want).powi(2) / want
        });
        terms.sum::<f64>() / (counts.len() - 1) as f64
    }

    #[test]
    fn keys_are_chosen_as_their_distribution_says() {
        const N: u64 = 200;
        type Weight = Box<dyn Fn(usize) -> f64>;
        let cases: Vec<(KeyChoice, Weight)> = vec![
            (KeyChoice::Uniform, Box::new(|_| 1.0)),
            (KeyChoice::Sequential, Box::new(|_| 1.0)),
            (KeyChoice::Zipf { theta: 0.5 }, Box::new(|r| (r as f64 + 1.0).powf(-0.5))),
            (KeyChoice::Zipf { theta: 0.99 }, Box::new(|r| (r as f64 + 1.0).powf(-0.99))),
            (KeyChoice::Zipf { theta: 1.0 }, Box::new(|r| 1.0 / (r as f64 + 1.0))),
            (KeyChoice::Zipf { theta: 1.6 }, Box::new(|r| (r as f64 + 1.0).powf(-1.6))),
            (KeyChoice::HotSet { keys: 0.1, asks: 0.9 }, Box::new(|r| if r < 20 { 0.9 / 20.0 } else { 0.1 / 180.0 })),
        ];
        for (choice, weight) in cases {
            let counts = counts(&choice, N, N);
            let chooser = Chooser::new(&choice, N, 0, 1);
            let by_rank: Vec<u64> = (0..N)
                .map(|rank| match choice {
                    KeyChoice::Uniform | KeyChoice::Sequential => counts[rank as usize],
                    _ => counts[chooser.strewn(rank) as usize],
                })
                .collect();
            let expected: Vec<f64> = (0..N as usize).map(&weight).collect();
            let misfit = misfit(&by_rank, &expected);
            // Chi-squared over 199 degrees of freedom is above 1.4 once in ten thousand.
            assert!(misfit < 1.4, "{choice:?}: {misfit}");
        }
    }

    #[test]
    fn gaussian_and_latest_lie_where_they_should() {
        let counts = counts(&KeyChoice::Gaussian { mean: 0.3, deviation: 0.05 }, 1000, 1000);
        let mean: f64 = counts.iter().enumerate().map(|(k, c)| k as f64 * *c as f64).sum::<f64>() / DRAWS as f64;
        let within: u64 = counts[250..350].iter().sum();
        assert!((298.0..302.0).contains(&mean), "{mean}");
        // One deviation to either side holds 68.3 %.
        assert!((0.675..0.691).contains(&(within as f64 / DRAWS as f64)), "{within}");
        let latest = self::counts(&KeyChoice::Latest { theta: 0.99 }, 1000, 1500);
        assert_eq!(latest[..500].iter().sum::<u64>(), 0);
        assert!(latest[1499] > latest[1498] && latest[1498] > latest[1400]);
    }

    #[test]
    fn strewing_loses_no_key() {
        for n in [1u64, 2, 3, 10, 97, 100, 1 << 10, 12_345] {
            let chooser = Chooser::new(&KeyChoice::Zipf { theta: 1.0 }, n, 0, 1);
            let mut seen = vec![false; n as usize];
            (0..n).for_each(|rank| seen[chooser.strewn(rank) as usize] = true);
            assert!(seen.iter().all(|s| *s), "{n}");
        }
    }

    #[test]
    fn sizes_are_spread_as_told() {
        let mean = |spread: &Spread| (0..DRAWS as u64).map(|s| f64::from(spread.pick(s))).sum::<f64>() / DRAWS as f64;
        // Means by their formulas: a log-normal's is median * e^(sigma^2 / 2), a Pareto's scale / (1 - shape).
        let cases = [
            ("100", 100.0),
            ("10-30", 20.0),
            ("100:75,1000:25", 325.0),
            ("lognormal:200:0.5", 200.0 * 0.125f64.exp()),
            ("pareto:0:214.476:0.348238", 214.476 / (1.0 - 0.348238)),
            ("pareto:10:50:0", 60.0),
        ];
        for (text, want) in cases {
            let got = mean(&Spread::parse(text).expect(text));
            assert!((got / want - 1.0).abs() < 0.03, "{text}: {got}, wanted {want}");
        }
        let mut ends = (0..10_000).map(|s| Spread::Range { least: 3, most: 5 }.pick(s)).collect::<Vec<_>>();
        ends.sort_unstable();
        ends.dedup();
        assert_eq!(ends, [3, 4, 5]);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for text in
            ["", "x", "5-", "9-5", "1:-1", "1:0", "600000000", "lognormal:0:1", "lognormal:10", "pareto:0:0:1", "1:2:3"]
        {
            assert!(Spread::parse(text).is_err(), "{text}");
        }
        for text in ["", "zipf:0", "zipf:x", "zipf:-1", "hot:0:1", "hot:0.5", "hot:0.5:2", "gaussian:2:1", "even"] {
            assert!(KeyChoice::parse(text).is_err(), "{text}");
        }
        for text in ["uniform", "zipf", "zipf:1.2", "hot:0.01:0.9", "sequential", "gaussian", "latest:0.9"] {
            assert!(KeyChoice::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn gaps_average_to_the_rate() {
        let mut chance = Chance::new(7);
        let sum: u64 = (0..100_000).map(|_| chance.gap_ns(1000.0)).sum();
        let mean_ns = sum / 100_000;
        assert!((980_000..1_020_000).contains(&mean_ns), "{mean_ns}");
    }
}
