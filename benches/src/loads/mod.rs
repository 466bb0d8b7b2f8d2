//! Room: benches. `torc-bench loads`: what load generators cost themselves: torc-load, redis-benchmark and memtier_benchmark ask
//! the same of one server in interleaved rounds. Touches: server, tool, the records.
//!
//! Operations are those that the server has counted (INFO, total_commands_processed); CPU time is what the kernel says that the
//! program used from its start to its end, of all its threads. So neither is the tool's own word.

mod tool;

use crate::feed::Feed;
use crate::host::{self, Host, Layout};
use crate::load::{self, Spec};
use crate::server::Server;
use crate::stats::{self, Ratio};
use crate::versus::{Cpus, Record, cpus, peers, short};
use clap::Args;
use loadgen::plan::Dialect;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use tool::{Ask, Tool};

#[derive(Args, Clone, Debug)]
pub struct Loads {
    /// The server that all ask: a name as `versus --only` takes it
    #[arg(long, default_value = "torc", value_name = "NAME")]
    server: String,
    /// torc-load, built already [default: this tree's, built like this program]
    #[arg(long, value_name = "PROGRAM")]
    torc_load: Option<PathBuf>,
    /// memtier_benchmark, if it is not in PATH
    #[arg(long, value_name = "PROGRAM")]
    memtier: Option<PathBuf>,
    /// redis-benchmark, if it is not in PATH
    #[arg(long, value_name = "PROGRAM")]
    redis_benchmark: Option<PathBuf>,
    /// Asks in flight on a connection
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16], value_name = "NUMBERS")]
    pipelines: Vec<usize>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Of one run
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    #[arg(long, default_value_t = 50)]
    connections: usize,
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Cores for the server, 0-3,8 [default: the first half]
    #[arg(long, value_parser = cpus, value_name = "CORES")]
    server_cpus: Option<Cpus>,
    /// Cores for the tools, a thread each [default: one that the server does not have]
    #[arg(long, value_parser = cpus, value_name = "CORES", requires = "server_cpus")]
    load_cpus: Option<Cpus>,
    /// Also write <date>-<NAME>.csv and .md into benches/record/<host>
    #[arg(long, value_name = "NAME")]
    record: Option<String>,
    /// What the host is called in the records [default: made from the number of its cores]
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,
}

/// What one run of one tool came to.
struct Figure {
    case: String,
    tool: &'static str,
    round: usize,
    ops_per_cpu_s: f64,
    ops_per_s: f64,
    /// Of the cores that the tool had: 1 is all the time.
    share: f64,
}

struct Results {
    command: String,
    date: String,
    host: String,
    server: String,
    settings: String,
    /// Name, version, and how it was called last; the one that others are divided by is the first.
    tools: Vec<(&'static str, String, String)>,
    absent: Vec<String>,
    figures: Vec<Figure>,
}

pub fn run(options: &Loads) -> Result<String, String> {
    if options.keys > tool::MEMTIER_KEYS_MOST {
        return Err(format!("--keys is at most {}", tool::MEMTIER_KEYS_MOST));
    }
    if options.rounds == 0 || options.connections == 0 || options.keys == 0 || options.pipelines.contains(&0) {
        return Err("rounds, connections, keys and pipelines are at least 1".into());
    }
    if !(options.seconds >= 0.1 && options.seconds <= 3600.0) {
        return Err("--seconds is between 0.1 and 3600".into());
    }
    let host = Host::read();
    let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let date = host::date(unix_s);
    let host_name = options.host_name.clone().unwrap_or_else(|| host.name());
    let record = options.record.as_deref().map(|what| Record::new(&host_name, &date, what)).transpose()?;
    let found = peers::find(None, std::slice::from_ref(&options.server))?;
    let Some(peer) = found.peers.first().filter(|peer| peer.speaks(Dialect::Resp2)) else {
        let why = found.absent.first().map_or("it does not speak RESP".into(), |(_, why)| why.clone());
        return Err(format!("{}: {why}", options.server));
    };
    let (tools, absent) =
        tool::find(options.torc_load.as_deref(), options.memtier.as_deref(), options.redis_benchmark.as_deref())?;
    let layout = layout(options, &host);
    let files = std::env::temp_dir().join(format!("torc-bench-loads-{}", std::process::id()));
    let launch = peer.launch(&layout.server_cpus, files.clone(), host.memory_bytes)?;
    let server = Server::start(&launch)?;
    let list = |cpus: &[usize]| cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let mut results = Results {
        command: crate::versus::command_line(),
        date,
        host: host.sentence(),
        server: format!("{}, {}; {}", peer.name, peer.version, launch.command_line()),
        settings: format!(
            "server on cores {}, tools on {} with a thread each; {} connections, {} keys of 16 bytes, values of 100 bytes; {} \
             interleaved rounds of {} s",
            list(&layout.server_cpus),
            list(&layout.load_cpus),
            options.connections,
            options.keys,
            options.rounds,
            options.seconds
        ),
        tools: tools.iter().map(|tool| (tool.name, tool.version.clone(), String::new())).collect(),
        absent,
        figures: Vec::new(),
    };
    let done = measure(options, &server, &layout, &tools, &mut results);
    drop(server);
    drop(std::fs::remove_dir_all(&files));
    done?;
    let (markdown, csv) = (markdown(&results), csv(&results));
    let mut said = markdown.clone();
    if let Some(record) = record {
        for path in record.put(&results.host, &[("md", markdown), ("csv", csv)])? {
            let _ = write!(said, "\nwritten: {}", path.display());
        }
    }
    Ok(said)
}

/// One core for the tools, unless more are given: redis-benchmark and memtier_benchmark share a thread's work badly.
fn layout(options: &Loads, host: &Host) -> Layout {
    let half = Layout::half(&host.cpus);
    let server_cpus = options.server_cpus.as_deref().map_or(half.server_cpus, <[usize]>::to_vec);
    let mut others = host.cpus.iter().copied().filter(|cpu| !server_cpus.contains(cpu));
    let load_cpus = match &options.load_cpus {
        Some(cpus) => cpus.to_vec(),
        None => vec![others.next().unwrap_or(server_cpus[0])],
    };
    let shared = load_cpus.iter().any(|cpu| server_cpus.contains(cpu));
    Layout { server_cpus, load_cpus, shared }
}

fn measure(
    options: &Loads,
    server: &Server,
    layout: &Layout,
    tools: &[Tool],
    results: &mut Results,
) -> Result<(), String> {
    let port = server.port(Dialect::Resp2).expect("only one that speaks it was started");
    // redis-benchmark's names and torc-load's are the same; memtier_benchmark has its own.
    load::fill(server, &spec(options, layout))?;
    let lost = |e: std::io::Error| format!("setting keys: {e}");
    let mut feed = Feed::connect(port).map_err(lost)?;
    let value = "v".repeat(100);
    for number in 0..options.keys {
        feed.ask(&["SET", &tool::memtier_key(number), &value]).map_err(lost)?;
    }
    feed.finish().map_err(lost)?;
    for pipeline in &options.pipelines {
        for reads in [true, false] {
            let verb = if reads { "GET" } else { "SET" };
            let case = if *pipeline == 1 {
                format!("{verb}, one at a time")
            } else {
                format!("{verb}, {pipeline} in a pipeline")
            };
            let ask = |seconds: f64, count: u64| Ask {
                port,
                pipeline: *pipeline,
                reads,
                connections: options.connections,
                keys: options.keys,
                cpus: layout.load_cpus.clone(),
                seconds,
                count,
            };
            // Who can only be told how many to ask must know how many that is; and all are warm then.
            let mut rates = Vec::new();
            for tool in tools {
                eprintln!("{case}: {}: how fast it goes", tool.name);
                rates.push(one(server, tool, &ask(options.seconds.min(1.0), 20_000 * *pipeline as u64))?.0);
            }
            for round in 0..options.rounds {
                for turn in 0..tools.len() {
                    let at = (turn + round) % tools.len();
                    let tool = &tools[at];
                    eprintln!("{case}: round {}: {}", round + 1, tool.name);
                    let ask = ask(options.seconds, (rates[at] * options.seconds) as u64);
                    let (ops_per_s, ops_per_cpu_s, share) = one(server, tool, &ask)?;
                    results.tools[at].2 = tool.command_line(&ask);
                    results.figures.push(Figure {
                        case: case.clone(),
                        tool: tool.name,
                        round,
                        ops_per_cpu_s,
                        ops_per_s,
                        share,
                    });
                }
            }
        }
    }
    Ok(())
}

fn spec(options: &Loads, layout: &Layout) -> Spec {
    Spec {
        dialect: Dialect::Resp2,
        connections: options.connections,
        pipeline: 1,
        keys: options.keys,
        prefix: "key:",
        value_bytes: 100,
        gets: 1,
        sets: 0,
        rate: None,
        seconds: options.seconds,
        cpus: layout.load_cpus.clone(),
        cluster: false,
        shared: layout.shared,
        commands: Vec::new(),
    }
}

/// Operations a second, and a second of the tool's CPU time, and how busy that was.
fn one(server: &Server, tool: &Tool, ask: &Ask) -> Result<(f64, f64, f64), String> {
    let commands = || -> Result<f64, String> {
        let mut talk = server.talk(Dialect::Resp2)?;
        let told = talk.fact("stats", "total_commands_processed").map_err(|e| format!("INFO: {e}"))?;
        told.and_then(|n| n.parse().ok()).ok_or_else(|| "the server does not count its commands (INFO stats)".into())
    };
    let before = commands()?;
    let ran = tool.run(ask)?;
    let operations = commands()? - before;
    if operations < 100.0 || ran.cpu_s < 0.01 {
        return Err(format!("{}: {operations} operations in {:.2} s of CPU time are too few", tool.name, ran.cpu_s));
    }
    let share = ran.cpu_s / ran.seconds / ask.cpus.len() as f64;
    Ok((operations / ran.seconds, operations / ran.cpu_s, share))
}

impl Results {
    fn cases(&self) -> Vec<&str> {
        let mut cases: Vec<&str> = Vec::new();
        for figure in &self.figures {
            if !cases.contains(&figure.case.as_str()) {
                cases.push(&figure.case);
            }
        }
        cases
    }

    fn of(&self, case: &str, tool: &str, value: fn(&Figure) -> f64) -> Vec<(usize, f64)> {
        let same = |figure: &&Figure| figure.case == case && figure.tool == tool;
        self.figures.iter().filter(same).map(|figure| (figure.round, value(figure))).collect()
    }

    /// torc-load to another tool, operations per second of its own CPU time, round by round.
    fn ratio(&self, case: &str, other: &str) -> Option<Ratio> {
        let base = self.of(case, other, |figure| figure.ops_per_cpu_s);
        let own = self.of(case, tool::OWN, |figure| figure.ops_per_cpu_s);
        let ratios: Vec<f64> = own
            .iter()
            .filter_map(|(round, value)| base.iter().find(|(r, _)| r == round).map(|(_, other)| value / other))
            .collect();
        Ratio::of_rounds(&ratios)
    }
}

fn markdown(results: &Results) -> String {
    let mut out = String::from("# What load generators cost\n\n");
    let _ = writeln!(out, "{}, {}.\n\n    {}\n", results.date, results.host, results.command);
    let _ = writeln!(out, "- {}.\n- {}.", results.server, results.settings);
    out.push_str("- operations are counted by the server, CPU time (user and system, from start to end) by the kernel; medians of \
                  the rounds; ratios are means of ratios round by round, with the interval that holds the true one with 95 % \
                  probability.\n\n");
    out.push_str("| | tool | ops/s of its own CPU | torc-load to it | ops/s | CPU, share of its cores |\n|---|---|---|---|---|---|\n");
    for case in results.cases() {
        let mut name = case;
        for (tool, _, _) in &results.tools {
            let middle = |value: fn(&Figure) -> f64| {
                let values: Vec<f64> = results.of(case, tool, value).into_iter().map(|(_, value)| value).collect();
                stats::median(&values)
            };
            let (Some(cost), Some(rate), Some(share)) =
                (middle(|f| f.ops_per_cpu_s), middle(|f| f.ops_per_s), middle(|f| f.share))
            else {
                continue;
            };
            let ratio = if *tool == tool::OWN { None } else { results.ratio(case, tool) };
            let ratio = ratio.map(crate::versus::ratio_text).unwrap_or_default();
            let _ = writeln!(out, "| {name} | {tool} | {} | {ratio} | {} | {share:.2} |", short(cost), short(rate));
            name = "";
        }
    }
    out.push_str("\n| tool | version | called |\n|---|---|---|\n");
    for (tool, version, command) in &results.tools {
        let _ = writeln!(out, "| {tool} | {version} | `{command}` |");
    }
    if !results.absent.is_empty() {
        out.push_str("\nNot run:\n\n");
        results.absent.iter().for_each(|why| _ = writeln!(out, "- {why}."));
    }
    out
}

fn csv(results: &Results) -> String {
    let mut out = String::from("case,tool,round,ops_per_cpu_s,ops_per_s,cpu_share\n");
    for f in &results.figures {
        let _ = writeln!(out, "\"{}\",{},{},{},{},{}", f.case, f.tool, f.round, f.ops_per_cpu_s, f.ops_per_s, f.share);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torc_load_is_divided_by_the_others() {
        let mut results = Results {
            command: "c".into(),
            date: "2026-01-02".into(),
            host: "a host".into(),
            server: "torc".into(),
            settings: "s".into(),
            tools: vec![(tool::OWN, "1".into(), "x".into()), ("redis-benchmark", "7".into(), "y".into())],
            absent: vec!["memtier_benchmark: not in PATH".into()],
            figures: Vec::new(),
        };
        for (round, own, other) in [(0, 300.0, 100.0), (1, 330.0, 110.0)] {
            for (tool, ops_per_cpu_s) in [(tool::OWN, own), ("redis-benchmark", other)] {
                let case = "GET, one at a time".into();
                results.figures.push(Figure { case, tool, round, ops_per_cpu_s, ops_per_s: 1000.0, share: 0.5 });
            }
        }
        let text = markdown(&results);
        for line in [
            "| GET, one at a time | torc-load | 315 |  | 1.0 k | 0.50 |",
            "|  | redis-benchmark | 105 | **3.00** (3.00 to 3.00) | 1.0 k | 0.50 |",
            "- memtier_benchmark: not in PATH.",
        ] {
            assert!(text.lines().any(|l| l == line), "'{line}' is missing in\n{text}");
        }
        assert_eq!(csv(&results).lines().nth(1), Some("\"GET, one at a time\",torc-load,0,300,1000,0.5"));
    }
}
