//! Room: loadgen. What a run is to reach: `p99.9=5ms`, `rate=100k`, `errors=0`, `get:p99=1ms`. Touches: outcome.

use crate::outcome::{Latency, Objective, Outcome};
use std::time::Duration;

/// One thing to reach.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    pub text: String,
    /// Of this verb alone.
    pub verb: Option<String>,
    pub measure: Measure,
    /// Nanoseconds, answers a second, or errors.
    pub wanted: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// At most, of latency; 0 to 1.
    Quantile(f64),
    Max,
    Mean,
    /// At least.
    Rate,
    /// At most.
    Errors,
    Misses,
}

impl Goal {
    pub fn parse(text: &str) -> Result<Goal, String> {
        let wrong = || {
            format!(
                "'{text}' is no objective: p99=1ms, p99.9=5ms, max=50ms, mean=200us, rate=100k, errors=0, or get:p99=1ms"
            )
        };
        let (what, limit) = text.split_once('=').ok_or_else(wrong)?;
        let (verb, what) = match what.rsplit_once(':') {
            Some((verb, what)) => (Some(verb.trim().to_string()), what),
            None => (None, what),
        };
        let measure = match what.trim() {
            "max" | "p100" => Measure::Max,
            "mean" => Measure::Mean,
            "rate" => Measure::Rate,
            "errors" => Measure::Errors,
            "misses" => Measure::Misses,
            what => {
                let percent: f64 = what.strip_prefix('p').and_then(|p| p.parse().ok()).ok_or_else(wrong)?;
                if !(percent > 0.0 && percent < 100.0) {
                    return Err(wrong());
                }
                Measure::Quantile(percent / 100.0)
            }
        };
        let wanted = match measure {
            Measure::Rate => number(limit)?,
            Measure::Errors | Measure::Misses => limit.trim().parse::<u64>().map_err(|_| wrong())? as f64,
            _ => duration(limit)?.as_nanos() as f64,
        };
        Ok(Goal { text: text.to_string(), verb, measure, wanted })
    }

    pub fn is_latency(&self) -> bool {
        matches!(self.measure, Measure::Quantile(_) | Measure::Max | Measure::Mean)
    }

    pub fn judge(&self, outcome: &Outcome) -> Objective {
        let verb = self.verb.as_ref().and_then(|name| outcome.verbs.iter().find(|v| v.name == *name));
        let latency: &Latency = verb.map_or(&outcome.all, |v| &v.latency);
        let sum = |of: fn(&crate::outcome::VerbOutcome) -> u64| match verb {
            Some(verb) => of(verb) as f64,
            None => outcome.verbs.iter().map(of).sum::<u64>() as f64,
        };
        let got = match self.measure {
            Measure::Quantile(q) => latency.value_at_quantile(q) as f64,
            Measure::Max => latency.max() as f64,
            Measure::Mean => latency.mean(),
            Measure::Rate => latency.len() as f64 / outcome.seconds.max(1e-9),
            Measure::Errors => sum(|v| v.errors) + if verb.is_none() { outcome.unanswered as f64 } else { 0.0 },
            Measure::Misses => sum(|v| v.misses),
        };
        // A latency of nothing is no proof.
        let met = match self.measure {
            Measure::Rate => got >= self.wanted,
            Measure::Errors | Measure::Misses => got <= self.wanted,
            _ => !latency.is_empty() && got <= self.wanted && (verb.is_some() || outcome.unanswered == 0),
        };
        Objective { text: self.text.clone(), wanted: self.wanted, got, met }
    }
}

/// `500ms`, `10s`, `5m`, `1h`, `200us`, `50ns`, or a bare number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time: 200us, 500ms, 10s, 5m");
    let text_trimmed = text.trim();
    let split = text_trimmed.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text_trimmed.len());
    let scale = match &text_trimmed[split..] {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = text_trimmed[..split].trim().parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * scale).map_err(|e| format!("'{text}': {e}"))
}

/// `50000`, `200k`, `1.5M`.
pub fn number(text: &str) -> Result<f64, String> {
    let wrong = || format!("'{text}' is not a number: 50000, 200k, 1.5M");
    let trimmed = text.trim();
    let (digits, scale) = match trimmed.char_indices().last() {
        Some((at, 'k' | 'K')) => (&trimmed[..at], 1e3),
        Some((at, 'm' | 'M')) => (&trimmed[..at], 1e6),
        Some((at, 'g' | 'G')) => (&trimmed[..at], 1e9),
        _ => (trimmed, 1.0),
    };
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    if number.is_finite() && number >= 0.0 { Ok(number * scale) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read() {
        let cases = [
            ("p99=1ms", None, Measure::Quantile(0.99), 1e6),
            ("p99.9=5ms", None, Measure::Quantile(0.999), 5e6),
            ("get:p50=200us", Some("get"), Measure::Quantile(0.5), 2e5),
            ("max=1s", None, Measure::Max, 1e9),
            ("rate=200k", None, Measure::Rate, 200_000.0),
            ("errors=0", None, Measure::Errors, 0.0),
        ];
        for (text, verb, measure, wanted) in cases {
            let goal = Goal::parse(text).expect(text);
            assert_eq!((goal.verb.as_deref(), goal.wanted), (verb, wanted), "{text}");
            match (goal.measure, measure) {
                (Measure::Quantile(a), Measure::Quantile(b)) => assert!((a - b).abs() < 1e-9),
                (a, b) => assert_eq!(a, b),
            }
        }
        for text in ["", "p99", "p0=1ms", "p101=1ms", "q=1", "p99=1x", "rate=x", "errors=-1"] {
            assert!(Goal::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read() {
        let cases =
            [("500ms", Some(0.5)), ("10s", Some(10.0)), ("2", Some(2.0)), ("1.5m", Some(90.0)), ("1h", Some(3600.0))];
        let wrong = [("", None), ("s", None), ("5x", None), ("-1s", None), ("inf", None)];
        for (text, want) in cases.into_iter().chain(wrong) {
            assert_eq!(duration(text).ok().map(|d| d.as_secs_f64()), want, "{text}");
        }
        for (text, want) in [("50000", 50_000.0), ("200k", 200_000.0), ("1.5M", 1_500_000.0)] {
            assert_eq!(number(text), Ok(want));
        }
        for text in ["", "k", "-1", "1x", "inf", "nan"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
