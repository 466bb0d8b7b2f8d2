//! Room: loadgen. `torc-load`: reads the command line, runs the plan, says how it went.

use clap::Parser;
use loadgen::live::{Screen, View, Wish};
use loadgen::options::Options;
use loadgen::outcome::{LiveCell, Outcome};
use loadgen::plan::Plan;
use loadgen::report::{self, Run};
use loadgen::run::{self, Failure};
use loadgen::{scenario, smoke};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

const COULD_NOT_RUN: u8 = 1;
const BAD_DATA: u8 = 2;
const ERRORS_ANSWERED: u8 = 3;
const OBJECTIVE_MISSED: u8 = 4;
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
    match work(&options) {
        Ok(code) => ExitCode::from(code),
        Err((code, why)) => {
            eprintln!("torc-load: {why}");
            ExitCode::from(code)
        }
    }
}

fn work(options: &Options) -> Result<u8, (u8, String)> {
    if options.list_scenarios {
        list_scenarios();
        return Ok(0);
    }
    if let Some(name) = &options.show_scenario {
        let found = scenario::BUILT_IN.iter().find(|b| b.name == name);
        let found = found.ok_or_else(|| (USAGE, format!("'{name}' is not a scenario of torc-load")))?;
        print!("{}", found.text);
        return Ok(0);
    }
    if !options.compare.is_empty() {
        return compare(options).map(|()| 0).map_err(|why| (COULD_NOT_RUN, why));
    }
    let is_smoke = options.scenario.as_deref() == Some("smoke");
    let begun = match options.scenario.as_deref() {
        None | Some("smoke") => Ok(Plan::default()),
        Some(name) => scenario::find(name),
    };
    let mut plan = begun.and_then(|plan| options.over(plan)).map_err(|why| (USAGE, why))?;
    if is_smoke {
        plan = smoke::smoke_plan(plan);
    }
    if let Some(why) = plan.refuse() {
        return Err((USAGE, why));
    }
    let outcome = match measure(options, &plan, is_smoke) {
        Ok(outcome) => outcome,
        Err(Failure::World(why)) => return Err((COULD_NOT_RUN, why)),
        Err(Failure::Refused(why)) => return Err((ERRORS_ANSWERED, why)),
        Err(Failure::Bad(evidence)) => {
            evidence.print();
            return Ok(BAD_DATA);
        }
    };
    let draw = if options.json { report::json } else { report::text };
    println!("{}", draw(&outcome).trim_end());
    keep(options, &outcome).map_err(|why| (COULD_NOT_RUN, why))?;
    Ok(code_of(&outcome))
}

fn measure(options: &Options, plan: &Plan, is_smoke: bool) -> Result<Outcome, Failure> {
    if is_smoke {
        smoke::cross(plan)?;
    }
    let wish = match (options.quiet, options.line) {
        (true, _) => Wish::Nothing,
        (false, true) => Wish::Line,
        (false, false) => Wish::Best,
    };
    let cell = Arc::new(LiveCell::default());
    let targets: Vec<String> = plan.targets.iter().map(ToString::to_string).collect();
    let screen = Screen::start(View::choose(wish), cell.clone(), vec![plan.title.clone(), targets.join("  ")]);
    let outcome = run::run(plan, Some(&cell));
    screen.finish();
    outcome
}

fn code_of(outcome: &Outcome) -> u8 {
    let errors: u64 = outcome.verbs.iter().map(|v| v.errors).sum();
    let missed = outcome.objectives.iter().any(|o| !o.met);
    if errors > 0 {
        ERRORS_ANSWERED
    } else if missed {
        OBJECTIVE_MISSED
    } else if outcome.unanswered > 0 && outcome.limit.is_none() {
        COULD_NOT_RUN
    } else {
        0
    }
}

fn keep(options: &Options, outcome: &Outcome) -> Result<(), String> {
    let write = |path: &Path, text: String| fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()));
    if let Some(path) = &options.save {
        write(path, report::json(outcome) + "\n")?;
    }
    if let Some(path) = &options.html {
        write(path, report::html(outcome))?;
    }
    if let Some(prefix) = &options.hgrm {
        let file = |name: &str| format!("{}{name}.hgrm", prefix.display());
        let unit = report::hgrm::ValueUnit::Milliseconds;
        write(Path::new(&file("")), report::hgrm::hgrm(&outcome.all, unit))?;
        for verb in outcome.verbs.iter().filter(|v| v.count > 0) {
            let name: String = verb.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            write(Path::new(&file(&format!("-{name}"))), report::hgrm::hgrm(&verb.latency, unit))?;
        }
    }
    Ok(())
}

fn compare(options: &Options) -> Result<(), String> {
    let mut runs = Vec::new();
    for path in &options.compare {
        let told = |e: String| format!("{}: {e}", path.display());
        let text = fs::read_to_string(path).map_err(|e| told(e.to_string()))?;
        let outcome = report::read_json(&text).map_err(told)?;
        let name = path.file_stem().map_or_else(|| path.display().to_string(), |s| s.to_string_lossy().into_owned());
        runs.push(Run { name, outcome });
    }
    let page = report::compare_html(&runs);
    let path = options.html.as_ref().ok_or("--compare needs --html FILE")?;
    fs::write(path, page).map_err(|e| format!("{}: {e}", path.display()))
}

fn list_scenarios() {
    println!("{:20} takes keys from one dialect to the other and loads both at once, verified", "smoke");
    for built_in in scenario::BUILT_IN {
        match scenario::describe(built_in.text) {
            Ok((title, _, source)) if source.is_empty() => println!("{:20} {title}", built_in.name),
            Ok((title, _, source)) => println!("{:20} {title}\n{:20} from: {source}", built_in.name, ""),
            Err(why) => println!("{:20} {why}", built_in.name),
        }
    }
}
