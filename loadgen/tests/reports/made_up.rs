//! Room: loadgen, tests. An outcome as a run might make it, for all that draw one.

use loadgen::outcome::*;

/// A run of `ticks` quarters of a second with a stall in its middle, from a seed.
pub fn made_up(title: &str, seed: u64, slower: f64, open: bool) -> Outcome {
    let mut state = seed;
    let mut chance = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let ticks = 240;
    let wanted = 120_000.0;
    let mut verbs: Vec<VerbOutcome> = [("get", 0.9), ("set", 0.08), ("del", 0.02)]
        .map(|(name, _)| VerbOutcome {
            name: name.into(),
            count: 0,
            hits: 0,
            misses: 0,
            errors: 0,
            latency: Latency::new(),
        })
        .into();
    let (mut all, mut late) = (Latency::new(), Latency::new());
    let mut series = Vec::new();
    let mut slowest = Vec::new();
    for tick in 0..ticks {
        let stall = tick == ticks / 2 || tick == ticks / 2 + 1;
        let heavy = if tick > 160 { 1.6 } else { 1.0 };
        let mut own = Latency::new();
        let answers = (wanted / 4.0 * (0.97 + 0.06 * chance()) * if stall && !open { 0.1 } else { 1.0 }) as u64;
        let samples = 300;
        for i in 0..samples {
            let u: f64 = chance();
            let mut us = 90.0
                * slower
                * heavy
                * (1.0 + 0.25 * (-2.0 * (1.0 - u).ln()).sqrt())
                * (1.0 / (1.0 - chance())).powf(0.22);
            if stall && (open || i < 2) {
                us += 38_000.0 * chance();
            }
            let ns = (us * 1000.0) as u64;
            let which = match i % 50 {
                0 => 2,
                1..=4 => 1,
                _ => 0,
            };
            let weight = answers / samples;
            let verb = &mut verbs[which];
            verb.count += weight;
            verb.latency.record_n(ns, weight).expect("below an hour");
            if which == 0 {
                if chance() < 0.93 { verb.hits += weight } else { verb.misses += weight }
            }
            all.record_n(ns, weight).expect("below an hour");
            own.record(ns).expect("below an hour");
            if us > 30_000.0 && slowest.len() < 20 {
                slowest.push(Slow {
                    verb: verb.name.clone(),
                    due_s: f64::from(tick) * 0.25 + chance() * 0.25,
                    took_ns: ns,
                });
            }
            if open {
                let behind = if stall { ns / 2 } else { (chance() * 60_000.0) as u64 };
                late.record_n(behind.max(1), weight).expect("below an hour");
            }
        }
        let at = |q| own.value_at_quantile(q);
        series.push(Tick {
            at_s: f64::from(tick) * 0.25,
            seconds: 0.25,
            phase: usize::from(tick > 160),
            answers,
            errors: if stall { 40 } else { 0 },
            wanted_per_s: open.then_some(wanted),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: own.max(),
            late_max_ns: if !open {
                0
            } else if stall {
                own.max() / 2
            } else {
                (40_000.0 + 40_000.0 * chance()) as u64
            },
            own_cpu: 0.55 + 0.05 * chance() + if tick > 160 { 0.15 } else { 0.0 },
        });
    }
    verbs[1].errors = 80;
    slowest.sort_by_key(|s| std::cmp::Reverse(s.took_ns));
    let p99 = all.value_at_quantile(0.99);
    Outcome {
        format: FORMAT,
        title: title.into(),
        command: "torc-load --target resp://10.0.0.7:6379 --scenario cache --rate 120k --connections 200 --threads 2 --duration 1m --objective 'p99=1ms' --objective p99.9=2ms --html report.html".into(),
        started_unix_s: 1_795_371_238.0,
        host: Host {
            name: "load-1".into(),
            kernel: "Linux 6.18.2".into(),
            cpus: 8,
            cpu_model: "AMD EPYC 9354 32-Core Processor".into(),
            memory_bytes: 33_000_000_000,
        },
        targets: vec![TargetFacts { url: "resp://10.0.0.7:6379".into(), server: "redis".into(), version: "7.2.6".into() }],
        pace: if open { Pace::Open { per_second: wanted, arrivals: Arrivals::Poisson } } else { Pace::Closed },
        connections: 200,
        pipeline: 1,
        threads: 2,
        keys: 1_000_000,
        seed,
        seconds: 60.0,
        cpu_s: 38.2,
        cpu_share_max: 0.41,
        verbs,
        late,
        series,
        phases: vec![
            PhaseSpan { name: "steady".into(), from_s: 0.0, to_s: 40.0 },
            PhaseSpan { name: "more writes".into(), from_s: 40.0, to_s: 60.0 },
        ],
        slowest,
        objectives: vec![
            Objective { text: "p99=1ms".into(), wanted: 1e6, got: p99 as f64, met: p99 <= 1_000_000 },
            Objective { text: "p99.9=2ms".into(), wanted: 2e6, got: all.value_at_quantile(0.999) as f64, met: false },
            Objective { text: "rate=100k".into(), wanted: 1e5, got: 119_640.0, met: true },
        ],
        all,
        warnings: if open { vec!["1.2 % of the asks were sent more than 1 ms after they were due, at most 19 ms: the figures hold that wait.".into()] } else { vec![] },
        first_error: Some("OOM command not allowed when used memory > 'maxmemory'.".into()),
        unanswered: 0,
        reconnects: 0,
        bytes_in: 812_345_678,
        bytes_out: 345_678_901,
        verified: false,
        limit: None,
    }
}

/// A curve that bends up at 200 k/s.
pub fn made_up_limit() -> Vec<LimitPoint> {
    let rates = [25e3, 50e3, 100e3, 150e3, 175e3, 187.5e3, 193.75e3, 200e3, 225e3];
    rates
        .iter()
        .map(|&rate| {
            let load: f64 = (rate / 202e3_f64).min(0.999);
            let p99 = 180_000.0 / (1.0 - load).powf(0.45);
            LimitPoint {
                rate,
                achieved: rate.min(203e3),
                p50_ns: (80_000.0 / (1.0 - load).powf(0.2)) as u64,
                p99_ns: p99 as u64,
                p999_ns: (p99 * 2.1) as u64,
                max_ns: (p99 * 7.0) as u64,
                got_ns: p99 as u64,
                met: p99 <= 1e6,
            }
        })
        .collect()
}
