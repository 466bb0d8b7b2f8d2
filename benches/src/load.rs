//! Room: benches. One run of the load against one server, and what it found together with what the server used.
//! The only file that knows how the load is run. Touches: loadgen, process.

use crate::process::Usage;
use crate::server::Server;
use loadgen::outcome::{Arrivals, Outcome, Pace};
use loadgen::plan::{Ask, Commands, Dialect, Place, Plan, Spread, Target, VerbPlan};
use loadgen::recipe::Recipe;
use std::time::Duration;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Spec {
    pub dialect: Dialect,
    pub connections: usize,
    pub pipeline: usize,
    pub keys: u64,
    pub prefix: &'static str,
    pub value_bytes: u32,
    pub gets: u32,
    pub sets: u32,
    /// Asks a second, whether or not the server keeps up; none: as fast as it answers.
    pub rate: Option<f64>,
    pub seconds: f64,
    /// Where the load runs; a thread each, up to `threads_most`.
    pub cpus: Vec<usize>,
    /// Ask which node has which slots, and go to each key's own.
    pub cluster: bool,
    /// The server runs on the same cores: do not bind the load to them.
    pub shared: bool,
    /// RESP commands as torc-load's templates, in equal parts, in place of GET and SET.
    pub commands: Vec<String>,
}

/// One command as torc-load asks it.
pub fn verb(command: &str) -> Result<VerbPlan, String> {
    let recipe = Recipe::parse(command)?;
    let commands = Commands { resp: Some(recipe), ..Commands::default() };
    Ok(VerbPlan { name: command.into(), weight: 1.0, ask: Ask::Command(commands) })
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Found {
    pub ops_per_s: f64,
    pub ops_per_cpu_s: f64,
    pub server_cores: f64,
    /// Of the load's busiest thread.
    pub load_share: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
    pub late_p99_us: f64,
    pub late_p999_us: f64,
    pub warnings: Vec<String>,
}

fn target(dialect: Dialect, port: u16) -> Target {
    let place = Place::Tcp(format!("127.0.0.1:{port}"));
    Target { dialect, place, user: None, password: None, database: 0 }
}

fn plan(spec: &Spec, port: u16) -> Result<Plan, String> {
    // Beside a server on the same cores half of them are the load's, so that neither starves.
    let threads = if spec.shared { spec.cpus.len().div_ceil(2) } else { spec.cpus.len() };
    let pace = match spec.rate {
        None => Pace::Closed,
        Some(per_second) => Pace::Open { per_second, arrivals: Arrivals::Poisson },
    };
    Ok(Plan {
        targets: vec![target(spec.dialect, port)],
        cluster: spec.cluster,
        connections: spec.connections,
        threads: threads.clamp(1, spec.connections),
        cpus: if spec.shared { Vec::new() } else { spec.cpus.clone() },
        pipeline: spec.pipeline,
        keys: spec.keys,
        key_prefix: spec.prefix.into(),
        sizes: Spread::Fixed(spec.value_bytes),
        gets: spec.gets,
        sets: spec.sets,
        pace,
        duration: Some(Duration::from_secs_f64(spec.seconds)),
        verbs: spec.commands.iter().map(|command| verb(command)).collect::<Result<_, _>>()?,
        // What RPOP and its kin find is not a key that was set.
        may_miss: !spec.commands.is_empty(),
        ..Plan::default()
    })
}

/// Runs a plan; answers that are errors make it fail.
pub fn run(plan: &Plan) -> Result<Outcome, String> {
    sound(plan, |plan| loadgen::run::run(plan, None))
}

/// Sets every key of a plan once.
pub fn populate(plan: &Plan) -> Result<Outcome, String> {
    sound(plan, loadgen::run::populate)
}

fn sound<E: std::fmt::Display>(plan: &Plan, run: impl FnOnce(&Plan) -> Result<Outcome, E>) -> Result<Outcome, String> {
    if let Some(why) = plan.refuse() {
        return Err(why);
    }
    let outcome = run(plan).map_err(|failure| failure.to_string())?;
    match &outcome.first_error {
        Some(first) => Err(format!("was answered with errors, the first: {first}")),
        None => Ok(outcome),
    }
}

/// Runs the load. The server's time is that of the whole run, connecting included, and so are the answers it is divided by.
pub fn measure(server: &Server, spec: &Spec) -> Result<Found, String> {
    let name = &server.launch().name;
    let port = server.port(spec.dialect).ok_or_else(|| format!("{name} does not speak {:?}", spec.dialect))?;
    let before = Usage::of(server.pid())?;
    let outcome = run(&plan(spec, port)?).map_err(|why| format!("{name}: {why}"))?;
    let after = Usage::of(server.pid())?;
    let answers = outcome.all.len() as f64;
    if answers == 0.0 {
        return Err(format!("{name} answered nothing in {} s", spec.seconds));
    }
    let misses: u64 = outcome.verbs.iter().map(|verb| verb.misses).sum();
    if misses > 0 && spec.commands.is_empty() {
        return Err(format!("{name} has lost keys: {misses} of the keys it was given were not there"));
    }
    let cpu_s = after.cpu_s - before.cpu_s;
    let us = |quantile: f64| outcome.all.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Found {
        ops_per_s: answers / outcome.seconds,
        // A hundredth of a second is the unit in which Linux tells: less cannot be divided by.
        ops_per_cpu_s: if cpu_s >= 0.01 { answers / cpu_s } else { f64::NAN },
        server_cores: cpu_s / outcome.seconds,
        load_share: outcome.cpu_share_max,
        p50_us: us(0.50),
        p90_us: us(0.90),
        p99_us: us(0.99),
        p999_us: us(0.999),
        max_us: outcome.all.max() as f64 / 1000.0,
        late_p99_us: outcome.late.value_at_quantile(0.99) as f64 / 1000.0,
        late_p999_us: outcome.late.value_at_quantile(0.999) as f64 / 1000.0,
        warnings: outcome.warnings,
    })
}

/// Sets every key of `spec` once, and says how many a second.
pub fn fill(server: &Server, spec: &Spec) -> Result<f64, String> {
    let name = &server.launch().name;
    let port = server.port(spec.dialect).ok_or_else(|| format!("{name} does not speak {:?}", spec.dialect))?;
    let keys = spec.keys;
    // 64 in flight on each of few connections: loading is not what is measured, and should be short.
    let spec = Spec { pipeline: 64, connections: spec.connections.min(8), ..spec.clone() };
    let started = std::time::Instant::now();
    populate(&plan(&spec, port)?).map_err(|why| format!("{name}: {why}"))?;
    Ok(keys as f64 / started.elapsed().as_secs_f64())
}
