//! Room: loadgen. Counting answers, and saying what was counted. Touches: plan, wire (what an answer is).

use crate::plan::{Pace, Plan, Verb};
use crate::wire::Answer;
use hdrhistogram::Histogram;

/// One answer that took long.
#[derive(Clone, Copy, Debug)]
pub struct Slow {
    pub due_ns: u64,
    pub took_ns: u64,
}

/// What one thread, or all of them, counted. Latencies in nanoseconds.
pub struct Tally {
    warmup_ns: u64,
    pub gets: Histogram<u64>,
    pub writes: Histogram<u64>,
    /// How far behind its time an ask of an open loop was made: this program's own part of the latency, or the pipeline's.
    pub late: Histogram<u64>,
    pub hits: u64,
    pub misses: u64,
    pub refused: u64,
    pub first_refusal: Option<String>,
    pub unanswered: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub last_answer_ns: u64,
    /// The slowest answers, at most `SLOW_MOST`.
    pub slowest: Vec<Slow>,
}

const SLOW_MOST: usize = 20;

fn histogram() -> Histogram<u64> {
    // 3 digits up to one hour; what is above is counted as an hour.
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("constant bounds that hdrhistogram takes")
}

impl Tally {
    /// Answers to what was due before `warmup_ns` are not counted.
    pub fn new(warmup_ns: u64) -> Tally {
        Tally {
            warmup_ns,
            gets: histogram(),
            writes: histogram(),
            late: histogram(),
            hits: 0,
            misses: 0,
            refused: 0,
            first_refusal: None,
            unanswered: 0,
            bytes_in: 0,
            bytes_out: 0,
            last_answer_ns: 0,
            slowest: Vec::new(),
        }
    }

    pub fn answered(&mut self, verb: Verb, due_ns: u64, now_ns: u64, answer: &Answer) {
        if let Answer::Refused(text) = answer {
            self.refused += 1;
            self.first_refusal.get_or_insert_with(|| text.escape_ascii().to_string());
        }
        self.last_answer_ns = self.last_answer_ns.max(now_ns);
        if due_ns < self.warmup_ns {
            return;
        }
        let took_ns = now_ns - due_ns;
        match verb {
            Verb::Get => {
                match answer {
                    Answer::Value { .. } => self.hits += 1,
                    Answer::Missing => self.misses += 1,
                    _ => {}
                }
                self.gets.saturating_record(took_ns);
            }
            Verb::Set | Verb::Delete => self.writes.saturating_record(took_ns),
        }
        self.keep_if_slow(Slow { due_ns, took_ns });
    }

    fn keep_if_slow(&mut self, slow: Slow) {
        if self.slowest.len() == SLOW_MOST && self.slowest[SLOW_MOST - 1].took_ns >= slow.took_ns {
            return;
        }
        let at = self.slowest.partition_point(|s| s.took_ns >= slow.took_ns);
        self.slowest.insert(at, slow);
        self.slowest.truncate(SLOW_MOST);
    }

    pub fn sent_late(&mut self, by_ns: u64) {
        self.late.saturating_record(by_ns);
    }

    pub fn add(&mut self, other: &Tally) {
        for (mine, theirs) in
            [(&mut self.gets, &other.gets), (&mut self.writes, &other.writes), (&mut self.late, &other.late)]
        {
            mine.add(theirs).expect("both have the same bounds");
        }
        self.hits += other.hits;
        self.misses += other.misses;
        self.refused += other.refused;
        if self.first_refusal.is_none() {
            self.first_refusal.clone_from(&other.first_refusal);
        }
        self.unanswered += other.unanswered;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.last_answer_ns = self.last_answer_ns.max(other.last_answer_ns);
        for slow in &other.slowest {
            self.keep_if_slow(*slow);
        }
    }

    pub fn all(&self) -> Histogram<u64> {
        let mut all = self.gets.clone();
        all.add(&self.writes).expect("both have the same bounds");
        all
    }

    /// Measured time, in seconds.
    pub fn seconds(&self) -> f64 {
        (self.last_answer_ns.saturating_sub(self.warmup_ns)).max(1) as f64 / 1e9
    }
}

const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.50), ("p90", 0.90), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// A table for people.
pub fn text(plan: &Plan, tally: &Tally, cpu_s: f64) -> String {
    let mut out = String::new();
    let targets: Vec<String> = plan.targets.iter().map(ToString::to_string).collect();
    let pace = match plan.pace {
        Pace::Closed => "closed loop, latency from the ask".to_string(),
        Pace::Open { per_second } => format!("open loop at {per_second}/s, latency from the time an ask was due"),
    };
    let all = tally.all();
    let seconds = tally.seconds();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!(
        "{}: {} connections, pipeline {}, {} threads; {pace}",
        targets.join(" "),
        plan.connections,
        plan.pipeline,
        plan.threads
    ));
    let mut head = format!("{:8}{:>12}{:>12}", "us", "answers", "per second");
    QUANTILES.iter().for_each(|(name, _)| head += &format!("{name:>10}"));
    line(head + &format!("{:>10}{:>10}", "max", "mean"));
    let rows = [("get", &tally.gets), ("set", &tally.writes), ("all", &all), ("late", &tally.late)];
    for (name, histogram) in rows.iter().filter(|(_, h)| !h.is_empty()) {
        let mut row = format!("{name:8}{:>12}{:>12.0}", histogram.len(), histogram.len() as f64 / seconds);
        QUANTILES.iter().for_each(|(_, q)| row += &format!("{:>10.1}", us(histogram.value_at_quantile(*q))));
        line(row + &format!("{:>10.1}{:>10.1}", us(histogram.max()), histogram.mean() / 1e3));
    }
    line(format!(
        "{seconds:.2} s; hits {}, misses {}, errors {}, unanswered {}; {:.1} MB out, {:.1} MB in; own CPU {cpu_s:.2} s",
        tally.hits,
        tally.misses,
        tally.refused,
        tally.unanswered,
        tally.bytes_out as f64 / 1e6,
        tally.bytes_in as f64 / 1e6
    ));
    if let Some(first) = &tally.first_refusal {
        line(format!("first error: {first}"));
    }
    if plan.verify {
        line("verified: every value read was whole, of its key, and of a version that may be".into());
    }
    out
}

/// The same for programs: one object on one line; latencies in microseconds.
pub fn json(plan: &Plan, tally: &Tally, cpu_s: f64) -> String {
    let seconds = tally.seconds();
    let targets: Vec<String> = plan.targets.iter().map(|t| quote(&t.to_string())).collect();
    let rate = match plan.pace {
        Pace::Closed => "null".to_string(),
        Pace::Open { per_second } => per_second.to_string(),
    };
    let slowest: Vec<String> = tally
        .slowest
        .iter()
        .map(|s| format!("{{\"due_s\":{:.6},\"us\":{:.1}}}", s.due_ns as f64 / 1e9, us(s.took_ns)))
        .collect();
    let refusal = tally.first_refusal.as_ref().map_or("null".to_string(), |t| quote(t));
    format!(
        "{{\"targets\":[{}],\"connections\":{},\"pipeline\":{},\"threads\":{},\"keys\":{},\"rate\":{rate},\
         \"seed\":{},\"verified\":{},\"seconds\":{seconds:.6},\"cpu_s\":{cpu_s:.3},\
         \"all\":{},\"get\":{},\"set\":{},\"late\":{},\
         \"hits\":{},\"misses\":{},\"errors\":{},\"first_error\":{refusal},\"unanswered\":{},\
         \"bytes_out\":{},\"bytes_in\":{},\"slowest\":[{}]}}",
        targets.join(","),
        plan.connections,
        plan.pipeline,
        plan.threads,
        plan.keys,
        plan.seed,
        plan.verify,
        latencies(&tally.all(), seconds),
        latencies(&tally.gets, seconds),
        latencies(&tally.writes, seconds),
        latencies(&tally.late, seconds),
        tally.hits,
        tally.misses,
        tally.refused,
        tally.unanswered,
        tally.bytes_out,
        tally.bytes_in,
        slowest.join(",")
    )
}

fn latencies(histogram: &Histogram<u64>, seconds: f64) -> String {
    if histogram.is_empty() {
        return "null".into();
    }
    let mut out = format!("{{\"count\":{},\"per_s\":{:.1}", histogram.len(), histogram.len() as f64 / seconds);
    for (name, quantile) in QUANTILES {
        out += &format!(",\"{name}\":{:.1}", us(histogram.value_at_quantile(quantile)));
    }
    out + &format!(",\"max\":{:.1},\"mean\":{:.1}}}", us(histogram.max()), histogram.mean() / 1e3)
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}

/// A JSON string.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::small;

    #[test]
    fn warmup_is_not_counted_and_tallies_add_up() {
        let mut one = Tally::new(1000);
        one.answered(Verb::Get, 999, 5000, &Answer::Missing);
        one.answered(Verb::Get, 1000, 3000, &Answer::Missing);
        let mut two = Tally::new(1000);
        two.answered(Verb::Set, 2000, 9000, &Answer::Refused(b"OOM"));
        for took in 0..100 {
            two.answered(Verb::Get, 2000, 2000 + took, &Answer::Value { data: b"", flags: 0 });
        }
        one.add(&two);
        assert_eq!((one.misses, one.hits, one.refused, one.gets.len(), one.writes.len()), (1, 100, 1, 101, 1));
        assert_eq!(one.slowest.len(), SLOW_MOST);
        assert_eq!((one.slowest[0].took_ns, one.slowest[1].took_ns), (7000, 2000));
        assert_eq!(one.first_refusal.as_deref(), Some("OOM"));
    }

    #[test]
    fn json_is_whole() {
        let mut tally = Tally::new(0);
        tally.answered(Verb::Get, 0, 1_000_000, &Answer::Refused(b"no\n"));
        let json = json(&small(), &tally, 0.5);
        assert!(json.contains("\"first_error\":\"no\\\\n\""), "{json}");
        assert_eq!(quote("a\"b\\c\u{1}"), "\"a\\\"b\\\\c\\u0001\"");
        assert_eq!(json.matches('{').count(), json.matches('}').count());
        assert!(json.contains("\"set\":null") && json.contains("\"p99.9\":1000."), "{json}");
    }
}
