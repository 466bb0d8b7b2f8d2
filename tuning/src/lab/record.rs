//! Room: tuning, lab. A measurement as a record for benches/record: the question, the commands, the figures, what follows.
//! Touches: nothing; the caller writes.

use super::experiments::Side;
use super::figures::{Comparison, Metric, ROUNDS_LEAST, Sample, Seen, compare, median_of};
use std::fmt::Write;

pub struct Measured<'a> {
    pub knob: &'a str,
    pub question: &'a str,
    pub limits: &'a str,
    pub judged: Metric,
    pub speaks: bool,
    pub sides: &'a [Side],
    /// `[round][side]`
    pub rounds: Vec<Vec<Sample>>,
    pub commands: Vec<String>,
    /// The host and the servers in a few lines.
    pub host: Vec<String>,
    pub warnings: Vec<String>,
}

impl Measured<'_> {
    pub fn metrics(&self) -> Vec<Metric> {
        let first = self.rounds.first().and_then(|round| round.first());
        first.map_or(Vec::new(), |sample| sample.0.iter().map(|(metric, _)| *metric).collect())
    }

    fn values(&self, side: usize, metric: Metric) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| round.get(side)?.get(metric)).collect()
    }

    pub fn compared(&self, side: usize, metric: Metric) -> Option<Comparison> {
        compare(metric, &self.values(0, metric), &self.values(side, metric))
    }

    /// One sentence for each setting but the first, on what decides.
    pub fn findings(&self) -> Vec<(Seen, String)> {
        let mut all = Vec::new();
        for (at, side) in self.sides.iter().enumerate().skip(1) {
            let Some(c) = self.compared(at, self.judged) else { continue };
            let what = match c.seen {
                _ if self.rounds.len() < ROUNDS_LEAST => "too few rounds to tell",
                Seen::Nothing => "no difference beyond the spread",
                Seen::Better => "better",
                Seen::Worse => "worse",
            };
            all.push((
                c.seen,
                format!(
                    "{}: {} {:.2} x that of {} ({:.2} to {:.2} in {} rounds): {what}",
                    side.name,
                    self.judged.name,
                    c.median,
                    self.sides[0].name,
                    c.least,
                    c.most,
                    self.rounds.len()
                ),
            ));
        }
        all
    }

    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| writeln!(out, "{text}").expect("a String takes all text");
        line(format!("# torc-tune measure {}\n\n{}\n", self.knob, self.question));
        line(format!("Host: {}\n", self.host.join("; ")));
        line(format!(
            "{} rounds, settings one after the other in each, in the order of the round's number turned; the server is started \
             anew for each. A ratio is of two runs of one round to the first setting's; told are the median and the spread. An \
             effect counts as seen when all rounds lie on one side of 1 and the median is far enough from it.\n",
            self.rounds.len()
        ));
        let names: Vec<&str> = self.sides.iter().map(|side| side.name.as_str()).collect();
        line(format!("| median | {} |", names.join(" | ")));
        line(format!("|---|{}", "---|".repeat(names.len())));
        for metric in self.metrics() {
            let mut row = format!("| {}{} |", metric.name, if metric == self.judged { " (decides)" } else { "" });
            for side in 0..self.sides.len() {
                let median = median_of(self.values(side, metric).into_iter()).unwrap_or(f64::NAN);
                let ratio = match (side, self.compared(side, metric)) {
                    (1.., Some(c)) => format!(" ({:.2}; {:.2} to {:.2})", c.median, c.least, c.most),
                    _ => String::new(),
                };
                write!(row, " {}{ratio} |", short(median)).expect("a String takes all text");
            }
            line(row);
        }
        line("\nWhat follows:\n".into());
        for (_, finding) in self.findings() {
            line(format!("- {finding}."));
        }
        line(format!("- What this does not tell: {}", self.limits));
        for warning in &self.warnings {
            line(format!("- Doubtful: {warning}."));
        }
        line("\nCommands, for each setting:\n".into());
        for side in self.sides {
            let mut words: Vec<String> =
                side.changes.iter().map(|c| format!("echo '{}' > {}", c.new, c.path)).collect();
            if !side.torc.is_empty() {
                words.push(format!("torc {}", side.torc.join(" ")));
            }
            if let Some(quota) = side.quota {
                words.push(format!("a control group of {quota:.2} CPUs for the server"));
            }
            line(format!(
                "    # {}: {}",
                side.name,
                if words.is_empty() { "as it is".into() } else { words.join("; ") }
            ));
        }
        for command in &self.commands {
            line(format!("    {command}"));
        }
        out
    }

    pub fn csv(&self) -> String {
        let mut out = String::from("round,setting,metric,value\n");
        for (number, round) in self.rounds.iter().enumerate() {
            for (side, sample) in self.sides.iter().zip(round) {
                for (metric, value) in &sample.0 {
                    writeln!(out, "{},\"{}\",\"{}\",{value:.4}", number + 1, side.name, metric.name)
                        .expect("a String takes all text");
                }
            }
        }
        out
    }

    /// What the record says about the recommended settings beside the others; `None`: nothing to compare, or loopback cannot tell.
    fn verdict(&self) -> Option<&'static str> {
        let is = |wanted: bool| (0..self.sides.len()).filter(move |at| self.sides[*at].recommended == wanted);
        let mut all: Vec<Comparison> = Vec::new();
        for (good, other) in is(true).flat_map(|good| is(false).map(move |other| (good, other))) {
            all.extend(compare(self.judged, &self.values(other, self.judged), &self.values(good, self.judged)));
        }
        let any = |seen: Seen| all.iter().any(|c| c.seen == seen);
        match (self.speaks && !all.is_empty(), any(Seen::Worse), any(Seen::Better)) {
            (false, ..) => None,
            (true, true, _) => Some("against"),
            (true, false, true) => Some("measured"),
            (true, false, false) => Some("none-seen"),
        }
    }

    /// The row for effects.toml that this record stands behind.
    pub fn row(&self, host: &str, file: &str) -> Option<String> {
        let kind = self.verdict().filter(|_| self.rounds.len() >= ROUNDS_LEAST)?;
        let effect: Vec<String> = self.findings().into_iter().map(|(_, text)| text).collect();
        let quote = |text: &str| serde_json::to_string(text).expect("a string");
        Some(format!(
            "[[effect]]\nknob = {}\nkind = {}\nhost = {}\nrecord = {}\neffect = {}\n",
            quote(self.knob),
            quote(kind),
            quote(host),
            quote(&format!("{host}/{file}")),
            quote(&effect.join("; "))
        ))
    }
}

/// Four figures are more than two rounds agree on.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{:.2} M", value / 1e6),
        v if v >= 1e4 => format!("{:.1} k", value / 1e3),
        v if v >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::{Effect, Effects};
    use crate::lab::figures::{HALF_P99, RSS};

    fn measured(other: f64) -> (Vec<Side>, Vec<Vec<Sample>>) {
        let side = |name: &str, recommended| Side {
            name: name.into(),
            changes: Vec::new(),
            torc: Vec::new(),
            quota: None,
            recommended,
        };
        let sample = |p99: f64| Sample(vec![(HALF_P99, p99), (RSS, 10.0)]);
        (
            vec![side("madvise", true), side("always", false)],
            (0..5).map(|i| vec![sample(100.0), sample(other + f64::from(i))]).collect(),
        )
    }

    #[test]
    fn a_record_says_what_was_found_and_gives_a_row_that_is_read() {
        type Is = fn(&Effect) -> bool;
        let cases: [(f64, &str, Is); 3] = [
            (150.0, "1.52 x that of madvise (1.50 to 1.54 in 5 rounds): worse", |e| {
                matches!(e, Effect::Measured { .. })
            }),
            (98.0, "no difference", |e| matches!(e, Effect::NoneSeen { .. })),
            (50.0, "better", |e| matches!(e, Effect::Against { .. })),
        ];
        for (other, mentions, is) in cases {
            let (sides, rounds) = measured(other);
            let measured = Measured {
                knob: "thp",
                question: "What?",
                limits: "Much.",
                judged: HALF_P99,
                speaks: true,
                sides: &sides,
                rounds,
                commands: vec!["torc".into()],
                host: vec!["a host".into()],
                warnings: vec!["busy".into()],
            };
            let text = measured.markdown();
            assert!(text.contains(mentions), "{text}");
            assert!(text.contains("Doubtful: busy"), "{text}");
            assert_eq!(measured.csv().lines().count(), 1 + 5 * 2 * 2);
            let row = measured.row("vm-2vcpu", "a.md").expect("five rounds");
            let effect = Effects::parse(&row).expect("a row that is read").of("thp", "vm-4vcpu");
            assert!(is(&effect), "{effect:?}");
            assert_eq!(effect.recommends("vm-4vcpu"), matches!(effect, Effect::Measured { .. }), "{effect:?}");
            // Loopback in a network card's place, and too few rounds, stand behind nothing.
            assert_eq!(Measured { speaks: false, ..measured }.row("vm-2vcpu", "a.md"), None);
        }
    }
}
