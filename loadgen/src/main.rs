//! Room: loadgen. `torc-load`: reads the command line, runs the phases, says how it went.

use clap::Parser;
use loadgen::engine::{self, Failure};
use loadgen::options::{Options, Scenario};
use loadgen::plan::{Phase, Plan};
use loadgen::verify::Ledger;
use loadgen::{poll, scenario, tally};
use std::io::IsTerminal;
use std::process::ExitCode;

const COULD_NOT_RUN: u8 = 1;
const BAD_DATA: u8 = 2;
const ERRORS_ANSWERED: u8 = 3;
// sysexits.h EX_USAGE; clap's own 2 already stands for bad data.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let asked_for_help = !error.use_stderr();
            // Nowhere to say that saying failed.
            drop(error.print());
            return if asked_for_help { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    let mut plan = options.plan();
    let mut populate = options.populate;
    if options.scenario == Some(Scenario::Smoke) {
        plan = scenario::smoke_plan(plan);
        populate = true;
    }
    if let Some(why) = plan.refuse() {
        eprintln!("torc-load: {why}");
        return ExitCode::from(USAGE);
    }
    // 20: what this program opens beside its connections, generously.
    let files = poll::raise_nofile();
    if files < plan.connections as u64 + 20 {
        eprintln!(
            "torc-load: {} connections need a higher limit of open files than {files} (ulimit -n)",
            plan.connections
        );
        return ExitCode::from(COULD_NOT_RUN);
    }
    match run(&options, &plan, populate) {
        Ok(code) => ExitCode::from(code),
        Err(Failure::World(why)) => {
            eprintln!("torc-load: {why}");
            ExitCode::from(COULD_NOT_RUN)
        }
        Err(Failure::Bad(evidence)) => {
            evidence.print();
            ExitCode::from(BAD_DATA)
        }
    }
}

fn run(options: &Options, plan: &Plan, populate: bool) -> Result<u8, Failure> {
    if options.scenario == Some(Scenario::Smoke) {
        scenario::cross(plan)?;
    }
    let live = !options.quiet && std::io::stderr().is_terminal();
    let ledger = plan.verify.then(|| Ledger::new(plan.keys));
    if populate {
        let outcome = engine::run(plan, Phase::Populate, ledger.as_ref(), live)?;
        let refused = outcome.tally.refused;
        if refused > 0 {
            let first = outcome.tally.first_refusal.unwrap_or_default();
            eprintln!("torc-load: {refused} of {} keys were refused while populating: {first}", plan.keys);
            return Ok(ERRORS_ANSWERED);
        }
    }
    let outcome = engine::run(plan, Phase::Measure, ledger.as_ref(), live)?;
    let draw = if options.json { tally::json } else { tally::text };
    println!("{}", draw(plan, &outcome.tally, outcome.cpu_s).trim_end());
    if outcome.tally.unanswered > 0 {
        eprintln!("torc-load: {} asks were not answered", outcome.tally.unanswered);
        return Ok(COULD_NOT_RUN);
    }
    Ok(if outcome.tally.refused > 0 { ERRORS_ANSWERED } else { 0 })
}
