//! Room: benches, regress. Both servers timed in interleaved rounds, until the ratio is known well enough.
//! Touches: load, server, cargo.

use super::{Regress, Verdict, tree};
use crate::cargo;
use crate::host::{Host, Layout};
use crate::load::{self, Spec};
use crate::server::Server;
use crate::stats::Ratio;
use crate::versus::Peer;
use loadgen::plan::Dialect;
use std::fmt::Write;
use std::path::PathBuf;

struct Case {
    name: &'static str,
    dialect: Dialect,
    pipeline: usize,
}

const CASES: [Case; 4] = [
    Case { name: "RESP, one at a time", dialect: Dialect::Resp2, pipeline: 1 },
    Case { name: "RESP, 16 in a pipeline", dialect: Dialect::Resp2, pipeline: 16 },
    Case { name: "memcached, one at a time", dialect: Dialect::Memcached, pipeline: 1 },
    Case { name: "memcached, 16 in a pipeline", dialect: Dialect::Memcached, pipeline: 16 },
];

/// Before this many rounds an interval is luck.
const ROUNDS_LEAST: usize = 5;

pub fn run(options: &Regress) -> Result<Verdict, String> {
    let rounds = options.rounds.unwrap_or(if options.quick { 7 } else { 25 });
    let seconds = options.seconds.unwrap_or(if options.quick { 0.5 } else { 2.0 });
    if rounds == 0 || !(seconds > 0.0 && seconds < 3600.0) || options.connections == 0 || options.keys == 0 {
        return Err("rounds, seconds, connections and keys are above 0".into());
    }
    let (base, base_name) = base(options)?;
    let this = match &options.this_bin {
        Some(program) => program.clone(),
        None => cargo::torc_beside()?,
    };
    let host = Host::read();
    let layout = Layout::half(&host.cpus);
    let peers = [Peer::torc("base", base), Peer::torc("this", this)];
    let files = tree::folder().join(format!("servers-{}", std::process::id()));
    let mut ratios: [Vec<f64>; CASES.len()] = Default::default();
    let mut done = 0;
    let outcome = (0..rounds).try_for_each(|round| -> Result<(), String> {
        if done >= ROUNDS_LEAST.min(rounds) && is_known(&ratios, options.max_loss) {
            return Ok(());
        }
        eprintln!("round {} of at most {rounds}", round + 1);
        // Started anew each round: where a process's memory happens to lie makes it a little faster or slower for its life.
        let mut servers = Vec::new();
        for peer in &peers {
            let launch = || peer.launch(&layout.server_cpus, files.join(&peer.name), host.memory_bytes);
            let mut server = Server::start_anew(launch)?;
            load::fill(&server, &spec(options, &CASES[0], &layout, seconds))?;
            server.stand_still();
            servers.push(server);
        }
        for (case, ratios) in CASES.iter().zip(&mut ratios) {
            let spec = spec(options, case, &layout, seconds);
            let mut figures = [0.0; 2];
            // Who is first changes from round to round.
            for turn in 0..2 {
                let at = (turn + round) % 2;
                servers[at].go_on();
                load::measure(&servers[at], &Spec { seconds: seconds / 10.0, ..spec.clone() })?;
                figures[at] = load::measure(&servers[at], &spec)?.ops_per_cpu_s;
                servers[at].stand_still();
            }
            ratios.push(figures[1] / figures[0]);
        }
        done += 1;
        Ok(())
    });
    if files.exists() {
        std::fs::remove_dir_all(&files).map_err(|e| format!("{}: {e}", files.display()))?;
    }
    outcome?;
    let all: Vec<(&str, Option<Ratio>)> =
        CASES.iter().zip(&ratios).map(|(case, ratios)| (case.name, Ratio::of_rounds(ratios))).collect();
    Ok(judge(&base_name, &all, done, options.max_loss))
}

fn base(options: &Regress) -> Result<(PathBuf, String), String> {
    if let Some(program) = &options.base_bin {
        return Ok((program.clone(), program.display().to_string()));
    }
    let commit = options.base.as_deref().ok_or("--base is missing")?;
    let (tree, commit) = tree::of(commit)?;
    let profile = cargo::profile()?;
    let target = tree::folder().join("build");
    eprintln!("building {}", &commit[..12]);
    cargo::build(&tree, &target, &profile, &["-p", "node", "--bin", "torc"])?;
    // Beside it lie those of other commits, built over each other: this one is kept under its own name.
    let built = target.join(if profile == "dev" { "debug" } else { &profile }).join("torc");
    let kept = tree.with_extension(format!("{profile}.torc"));
    std::fs::copy(&built, &kept).map_err(|e| format!("{} to {}: {e}", built.display(), kept.display()))?;
    Ok((kept, commit[..12].to_string()))
}

fn spec(options: &Regress, case: &Case, layout: &Layout, seconds: f64) -> Spec {
    Spec {
        dialect: case.dialect,
        connections: options.connections,
        pipeline: case.pipeline,
        keys: options.keys,
        prefix: "key:",
        value_bytes: 100,
        gets: 10,
        sets: 1,
        rate: None,
        seconds,
        cpus: layout.load_cpus.clone(),
        cluster: false,
        shared: layout.shared,
        commands: Vec::new(),
    }
}

/// Whether more rounds would tell nothing new: every interval is narrower than what may be lost. Not whether it failed:
/// stopping when a result pleases makes chance into results.
fn is_known(ratios: &[Vec<f64>], max_loss: f64) -> bool {
    let narrow = max_loss.max(0.002) / 2.0;
    ratios.iter().all(|ratios| Ratio::of_rounds(ratios).is_some_and(|ratio| ratio.half_width() < narrow))
}

fn judge(base: &str, cases: &[(&str, Option<Ratio>)], rounds: usize, max_loss: f64) -> Verdict {
    let mut text = format!("This tree beside {base}: operations per CPU second, {rounds} interleaved rounds\n");
    let mut lost = false;
    for (name, ratio) in cases {
        let Some(ratio) = ratio else {
            let _ = writeln!(text, "  {name:30} could not be told: a run used no measurable CPU time");
            continue;
        };
        let floor = 1.0 - max_loss;
        let word = match ratio {
            r if r.high < floor => {
                lost = true;
                "LOST"
            }
            r if r.low < floor => "cannot be told apart from a loss: run it longer",
            r if r.low > 1.0 => "gained",
            _ => "held",
        };
        let _ = writeln!(text, "  {name:30} {:.3} ({:.3} to {:.3})  {word}", ratio.ratio, ratio.low, ratio.high);
    }
    let limit = max_loss * 100.0;
    let _ = write!(
        text,
        "{}",
        if lost { format!("More than {limit} % is lost.") } else { format!("No loss beyond {limit} % is shown.") }
    );
    Verdict { text, lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_interval_beyond_the_loss_fails() {
        let ratio = |ratio, low, high| Some(Ratio { ratio, low, high });
        for (found, lost, word) in [
            (ratio(0.90, 0.88, 0.92), true, "LOST"),
            (ratio(0.95, 0.88, 0.98), false, "cannot be told"),
            (ratio(0.98, 0.975, 0.985), false, "held"),
            (ratio(1.10, 1.05, 1.15), false, "gained"),
            (ratio(0.5, 0.0, f64::INFINITY), false, "cannot be told"),
            (None, false, "could not be told"),
        ] {
            let verdict = judge("base", &[("case", found)], 5, 0.03);
            assert_eq!(verdict.lost, lost, "{}", verdict.text);
            assert!(verdict.text.contains(word), "{}", verdict.text);
        }
    }

    #[test]
    fn rounds_end_when_the_interval_is_narrow() {
        let even: Vec<f64> = (0..10).map(|i| if i % 2 == 0 { 0.999 } else { 1.001 }).collect();
        let wild: Vec<f64> = (0..10).map(|i| if i % 2 == 0 { 0.8 } else { 1.2 }).collect();
        assert!(is_known(std::slice::from_ref(&even), 0.03));
        assert!(!is_known(&[even, wild], 0.03));
    }
}
