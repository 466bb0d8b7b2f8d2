//! Room: tuning. `measure`: compares settings of a knob in interleaved rounds, puts back what was set, and writes the record.
//! Touches: lab, change (settings go through the same state file discipline as `apply`'s).

use crate::change::{self, Step, Undone};
use crate::effects::Effects;
use crate::host::{Host, Probes};
use crate::lab::experiments::{self, Cores, Experiment, Side, Work};
use crate::lab::figures::{
    HALF_P50, HALF_P99, HALF_P999, IDLE_CPU, IDLE_P50, IDLE_P99, LARGE_P99, LARGE_PER_S, OPS_PER_CPU_S, OPS_PER_S, RSS,
    STORM_LOST, STORM_MEDIAN, STORM_SLOWEST, Sample,
};
use crate::lab::load::{self, Load};
use crate::lab::quota::Quota;
use crate::lab::record::Measured;
use crate::lab::server::Server;
use crate::lab::{Tools, date, on_cpus, quiet, records, storm};
use crate::options::Measure;
use crate::{cpus, shards};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of its own, so that a measurement that was killed can be told from what `apply` has set.
const STATE_FILE: &str = "/var/lib/torc-tune/measure.json";

/// Set by the signal handler, which can reach nothing but a static.
static STOPPED: AtomicBool = AtomicBool::new(false);

pub fn run(measure: &Measure) -> Result<u8, String> {
    let host = Host::new("/", Probes::REAL);
    let cores = cores(&host, measure)?;
    let all = experiments::all();
    if measure.list || (measure.knobs.is_empty() && !measure.all) {
        return Ok(list(&host, &cores, &all));
    }
    if let Some(unknown) = measure.knobs.iter().find(|k| !all.iter().any(|e| e.knob == **k)) {
        let known: Vec<&str> = all.iter().map(|e| e.knob).collect();
        let why = Effects::built_in().of(unknown, &host.kind()).told(&host.kind());
        return Err(format!("'{unknown}' cannot be measured here ({why}); these can: {}", known.join(", ")));
    }
    let tools = Tools::find(&measure.torc, &measure.load)?;
    let folder = if measure.no_record { None } else { Some(records(&measure.records)?) };
    let busy = quiet::look(&host, Duration::from_secs(2)).unwrap_or_default();
    if busy.busy > quiet::QUIET_MOST && !measure.anyway {
        return Err(format!(
            "this machine is busy ({:.0} % of its CPU time): figures would say little. Wait until it is quiet, or --anyway",
            busy.busy * 100.0
        ));
    }
    watch_signals();
    let mut ended = 0;
    for experiment in all.iter().filter(|e| measure.all || measure.knobs.iter().any(|k| k == e.knob)) {
        if STOPPED.load(Ordering::Relaxed) {
            return Err("stopped".into());
        }
        let sides = match (experiment.sides)(&host, &cores) {
            Ok(sides) => sides,
            Err(why) => {
                println!("{}: skipped, {why}", experiment.knob);
                continue;
            }
        };
        let needs_root = sides.iter().any(|side| !side.changes.is_empty() || side.quota.is_some());
        if needs_root && !change::is_root() {
            eprintln!(
                "torc-tune: measuring {} sets it for a while, which needs root; nothing was changed",
                experiment.knob
            );
            ended = crate::NEEDS_ROOT;
            continue;
        }
        let lab = Lab { host: &host, cores: &cores, tools: &tools, measure, experiment, sides: &sides };
        let measured = lab.run(busy)?;
        finish(&host, measure, &measured, folder.as_deref())?;
    }
    Ok(ended)
}

fn list(host: &Host, cores: &Cores, all: &[Experiment]) -> u8 {
    println!("what can be measured on one host over loopback:");
    for experiment in all {
        let state = match (experiment.sides)(host, cores) {
            Ok(sides) => sides.iter().map(|side| side.name.as_str()).collect::<Vec<_>>().join(" | "),
            Err(why) => format!("not here: {why}"),
        };
        println!("  {:15} {}\n  {:15} {state}", experiment.knob, experiment.question, "");
    }
    println!("all that this host has, on a quiet machine: torc-tune measure --all");
    0
}

/// The server has the cores that were asked for, or the first half of the usable ones; the load has the others, or the same.
fn cores(host: &Host, measure: &Measure) -> Result<Cores, String> {
    let usable = shards::usable(host);
    let server = match &measure.cpus {
        Some(cpus) => cpus.0.clone(),
        None => usable.iter().copied().take((usable.len() / 2).max(1)).collect(),
    };
    let load: Vec<u32> = match &measure.load_cpus {
        Some(cpus) => cpus.0.clone(),
        None => usable.iter().copied().filter(|cpu| !server.contains(cpu)).collect(),
    };
    let load = if load.is_empty() { server.clone() } else { load };
    match server.iter().chain(&load).find(|cpu| !usable.contains(cpu)) {
        Some(cpu) => Err(format!("CPU {cpu} may not be used; {} may", cpus::list_text(&usable))),
        None if server.is_empty() => Err("--cpus is an empty list".into()),
        None => Ok(Cores { server, load }),
    }
}

struct Lab<'a> {
    host: &'a Host,
    cores: &'a Cores,
    tools: &'a Tools,
    measure: &'a Measure,
    experiment: &'a Experiment,
    sides: &'a [Side],
}

impl<'a> Lab<'a> {
    fn run(&self, busy: quiet::Busy) -> Result<Measured<'a>, String> {
        let stat_before = self.host.read("/proc/stat").unwrap_or_default();
        let rate = match self.experiment.work.contains(&Work::HalfLoad) {
            true => Some(self.half_rate()?),
            false => None,
        };
        let mut rounds = Vec::new();
        let mut commands: Vec<String> = Vec::new();
        for number in 0..self.measure.rounds {
            let mut round = vec![Sample::default(); self.sides.len()];
            // The order turns with the round, so that no setting is always the first after a pause.
            for place in 0..self.sides.len() {
                let at = (place + number) % self.sides.len();
                if STOPPED.load(Ordering::Relaxed) {
                    return Err("stopped; what was set has been put back".into());
                }
                let side = &self.sides[at];
                eprintln!("{}: round {} of {}, {}", self.experiment.knob, number + 1, self.measure.rounds, side.name);
                let (sample, ran) = self.with(side, |lab| lab.side(side, rate))?;
                round[at] = sample;
                commands = ran;
            }
            rounds.push(round);
        }
        let stat_after = self.host.read("/proc/stat").unwrap_or_default();
        let mut warnings = Vec::new();
        if busy.busy > quiet::QUIET_MOST {
            warnings.push(format!("other work used {:.0} % of the CPU time before the first round", busy.busy * 100.0));
        }
        let steal = quiet::steal_share(&stat_before, &stat_after).unwrap_or(0.0);
        if steal > 0.01 {
            warnings.push(format!("the hypervisor took {:.1} % of the CPU time (steal)", steal * 100.0));
        }
        if self.cores.load.iter().any(|cpu| self.cores.server.contains(cpu)) {
            warnings.push("load and server shared cores".into());
        }
        if self.measure.rounds < crate::lab::figures::ROUNDS_LEAST {
            warnings.push("too few rounds to call anything seen".into());
        }
        Ok(Measured {
            knob: self.experiment.knob,
            question: self.experiment.question,
            limits: self.experiment.limits,
            judged: self.experiment.judged,
            speaks: self.experiment.speaks,
            sides: self.sides,
            rounds,
            commands,
            host: self.facts(steal),
            warnings,
        })
    }

    /// Sets a side's files, does the work, and puts back what was there, whatever came of the work.
    fn with<T>(&self, side: &Side, work: impl FnOnce(&Lab) -> Result<T, String>) -> Result<T, String> {
        if side.changes.is_empty() {
            return work(self);
        }
        let state = self.measure.state.clone().unwrap_or_else(|| PathBuf::from(STATE_FILE));
        let wanted: Vec<_> = side.changes.iter().map(|change| (self.experiment.knob, change.clone())).collect();
        let steps: Vec<Step> = change::plan(self.host, &wanted)?;
        let done = change::apply(self.host, &state, &steps).and_then(|()| work(self));
        let undone = change::undo(self.host, &state, true)?;
        if let Some(Undone::ChangedSince(entry, now)) = undone.iter().find(|u| matches!(u, Undone::ChangedSince(..))) {
            return Err(format!(
                "{}: somebody set it to {now} during the measurement; it was {}",
                entry.path, entry.old
            ));
        }
        done
    }

    fn half_rate(&self) -> Result<f64, String> {
        let base = &self.sides[0];
        self.with(base, |lab| {
            let server = lab.start(base)?;
            let plan = lab.load(&server);
            load::populate(&lab.tools.load, &plan)?;
            let found = load::run(&lab.tools.load, &plan)?;
            // Two figures: the rate is a choice, not a result.
            let step = 10f64.powf((found.per_s / 2.0).log10().floor() - 1.0);
            Ok((found.per_s / 2.0 / step).round() * step)
        })
    }

    fn start(&self, side: &Side) -> Result<Server, String> {
        let mut more = side.torc.clone();
        more.extend(["--maxclients".into(), "10000".into()]);
        Server::start(&self.tools.torc, &self.cores.server, &more)
    }

    fn load(&self, server: &Server) -> Load {
        Load { keys: self.experiment.keys.max(1), ..Load::on(server.port, &self.cores.load, self.measure.seconds) }
    }

    fn side(&self, side: &Side, rate: Option<f64>) -> Result<(Sample, Vec<String>), String> {
        let server = self.start(side)?;
        let mut sample = Sample::default();
        let mut commands = vec![Server::command(&self.cores.server, &["--maxclients".into(), "10000".into()])];
        let plan = self.load(&server);
        let large = self.experiment.work.contains(&Work::Large);
        let plan = if large { Load { value_size: 1 << 20, ratio: "1:0".into(), connections: 4, ..plan } } else { plan };
        if self.experiment.keys > 0 {
            load::populate(&self.tools.load, &plan)?;
        }
        // After populating, which needs all the time it can get.
        let _quota = match side.quota {
            Some(cpus) => Some(Quota::of(server.pid(), cpus)?),
            None => None,
        };
        let run = |plan: &Load, commands: &mut Vec<String>| -> Result<(load::Figures, f64), String> {
            let before = server.cpu_s()?;
            let found = load::run(&self.tools.load, plan)?;
            let cpu_s = server.cpu_s()? - before;
            commands.push(format!("taskset -c {} {}", cpus::list_text(&plan.cpus), load::command(plan)));
            if found.errors > 0.0 {
                return Err(format!("{}: {} answers were errors", load::command(plan), found.errors));
            }
            Ok((found, cpu_s))
        };
        for work in self.experiment.work {
            match work {
                Work::Saturate => {
                    let (found, cpu_s) = run(&plan, &mut commands)?;
                    sample.add(OPS_PER_CPU_S, found.answers / cpu_s.max(0.01));
                    sample.add(OPS_PER_S, found.per_s);
                }
                Work::HalfLoad => {
                    let (found, _) = run(&Load { rate, ..plan.clone() }, &mut commands)?;
                    sample.add(HALF_P50, found.p50_us);
                    sample.add(HALF_P99, found.p99_us);
                    sample.add(HALF_P999, found.p999_us);
                }
                Work::OneClient => {
                    let (found, cpu_s) = run(&Load { connections: 1, ..plan.clone() }, &mut commands)?;
                    sample.add(IDLE_P50, found.p50_us);
                    sample.add(IDLE_P99, found.p99_us);
                    sample.add(IDLE_CPU, cpu_s / self.measure.seconds * 100.0);
                }
                Work::Large => {
                    let (found, _) = run(&plan, &mut commands)?;
                    sample.add(LARGE_PER_S, found.per_s);
                    sample.add(LARGE_P99, found.p99_us);
                }
                Work::Storm(count) => {
                    let count = affordable(*count)?;
                    let found =
                        on_cpus(&self.cores.server, || storm::run(server.port, count, Duration::from_secs(30)))?;
                    let cores = cpus::list_text(&self.cores.server);
                    commands.push(format!("{count} connects to it at once, a PING on each, from CPUs {cores}"));
                    sample.add(STORM_SLOWEST, found.slowest_ms);
                    sample.add(STORM_MEDIAN, found.median_ms);
                    sample.add(STORM_LOST, found.lost as f64);
                }
            }
        }
        sample.add(RSS, server.rss_bytes()? / 1024.0 / 1024.0);
        // The server goes before its group.
        drop(server);
        Ok((sample, commands))
    }

    fn facts(&self, steal: f64) -> Vec<String> {
        let info = self.host.read("/proc/cpuinfo").unwrap_or_default();
        let model =
            info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':')).map_or("", |(_, m)| m.trim());
        let kernel = self.host.read("/proc/sys/kernel/osrelease").unwrap_or_default();
        let memory = crate::knob::bytes(self.host.meminfo("MemTotal").unwrap_or(0));
        let version = |program: &Path| {
            let said =
                std::process::Command::new(program).arg("--version").output().map(|o| o.stdout).unwrap_or_default();
            String::from_utf8_lossy(&said).lines().next().unwrap_or("").to_string()
        };
        vec![
            format!(
                "{}, {} CPUs ({model}), {memory}, Linux {kernel}, loopback",
                self.host.kind(),
                self.host.online().len()
            ),
            format!("steal {:.2} %", steal * 100.0),
            format!(
                "server on CPUs {}, load on {}",
                cpus::list_text(&self.cores.server),
                cpus::list_text(&self.cores.load)
            ),
            format!("{}, {}, commit {}", version(&self.tools.torc), version(&self.tools.load), commit()),
        ]
    }
}

/// As many connections as open files allow, some set aside.
fn affordable(count: usize) -> Result<usize, String> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live value of the right type, which the first call fills and the second reads.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
    let room = usize::try_from(limit.rlim_max).unwrap_or(usize::MAX).saturating_sub(64);
    match room >= count {
        true => Ok(count),
        false => Err(format!("a storm of {count} connections needs as many open files; {room} are allowed")),
    }
}

/// The project's commit, where this runs in its folder.
fn commit() -> String {
    let said = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().map(|o| o.stdout);
    let text = String::from_utf8_lossy(&said.unwrap_or_default()).trim().to_string();
    if text.is_empty() { "unknown".into() } else { text }
}

fn finish(host: &Host, measure: &Measure, measured: &Measured, folder: Option<&Path>) -> Result<(), String> {
    print!("{}", measured.markdown());
    let Some(folder) = folder else { return Ok(()) };
    let name = measure.host.clone().unwrap_or_else(|| host.kind());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let folder = folder.join(&name);
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    // A record is never changed: one made again on the same day has a number.
    let mut stem = format!("{}-tune-{}", date(now), measured.knob);
    for number in 2.. {
        if !folder.join(format!("{stem}.md")).exists() {
            break;
        }
        stem = format!("{}-tune-{}-{number}", date(now), measured.knob);
    }
    let file = format!("{stem}.md");
    for (file, text) in [(file.clone(), measured.markdown()), (format!("{stem}.csv"), measured.csv())] {
        let path = folder.join(file);
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("\nwritten: {}", path.display());
    }
    match (measured.row(&name, &file), &measure.effects) {
        (Some(row), Some(path)) => {
            let whose = |e: std::io::Error| format!("{}: {e}", path.display());
            let text = fs::read_to_string(path).map_err(whose)?;
            let text = Effects::put(&text, &row).map_err(|why| format!("{}: {why}", path.display()))?;
            fs::write(path, text).map_err(whose)?;
            println!("\nthe row is in {}:\n\n{row}", path.display());
        }
        (Some(row), None) => println!("\nthe row for tuning/src/effects.toml, in place of the knob's there:\n\n{row}"),
        (None, _) => {
            println!("\nno row for tuning/src/effects.toml: too few rounds, no other setting, or loopback cannot tell")
        }
    }
    Ok(())
}

/// SIGINT and SIGTERM end a measurement between two runs, with everything put back.
fn watch_signals() {
    extern "C" fn stop(_: libc::c_int) {
        STOPPED.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler does one atomic store, which a signal handler may.
        unsafe { libc::signal(signal, stop as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    }
}
