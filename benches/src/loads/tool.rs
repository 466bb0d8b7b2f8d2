//! Room: benches, loads. The load generators: where they are, how each is told to do the same, and what a run cost it.
//! Touches: PATH, cargo, processes.

use crate::cargo;
use crate::kernel::core_set;
use crate::server::quoted;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The one that the others are compared with.
pub const OWN: &str = "torc-load";

/// What is asked in one run.
#[derive(Clone, Debug)]
pub struct Ask {
    pub port: u16,
    pub pipeline: usize,
    /// GETs, else SETs.
    pub reads: bool,
    pub connections: usize,
    pub keys: u64,
    /// A thread on each.
    pub cpus: Vec<usize>,
    pub seconds: f64,
    /// About as many asks as are made in that time, for a tool that can only be told a number.
    pub count: u64,
}

type Args = fn(&Ask) -> String;

pub struct Tool {
    pub name: &'static str,
    pub program: PathBuf,
    pub version: String,
    args: Args,
}

pub struct Ran {
    pub seconds: f64,
    pub cpu_s: f64,
}

fn torc_load(ask: &Ask) -> String {
    format!(
        "--target resp://127.0.0.1:{} --connections {} --threads {} --pipeline {} --ratio {} --keys {} --key-size 16 --value-size 100 \
         --duration {}ms --json",
        ask.port,
        ask.connections,
        ask.cpus.len(),
        ask.pipeline,
        if ask.reads { "1:0" } else { "0:1" },
        ask.keys,
        (ask.seconds * 1000.0) as u64
    )
}

/// Its --threads makes it slower where one core is all there is.
fn redis_benchmark(ask: &Ask) -> String {
    let threads = if ask.cpus.len() > 1 { format!(" --threads {}", ask.cpus.len()) } else { String::new() };
    format!(
        "-h 127.0.0.1 -p {} -c {} -P {} -n {} -r {} -d 100 -q -t {}{threads}",
        ask.port,
        ask.connections,
        ask.pipeline,
        ask.count,
        ask.keys,
        if ask.reads { "get" } else { "set" },
    )
}

/// Connections are each thread's; it times whole seconds, so it is told how many to ask as well as the other.
fn memtier(ask: &Ask) -> String {
    let clients = (ask.connections / ask.cpus.len()).max(1);
    format!(
        "-s 127.0.0.1 -p {} --protocol=redis -t {} -c {clients} --pipeline={} -n {} --ratio={} -d 100 --key-prefix={MEMTIER_PREFIX} \
         --key-minimum={MEMTIER_FIRST} --key-maximum={} --key-pattern=R:R --hide-histogram",
        ask.port,
        ask.cpus.len(),
        ask.pipeline,
        (ask.count / (clients * ask.cpus.len()) as u64).max(1),
        if ask.reads { "0:1" } else { "1:0" },
        MEMTIER_FIRST + ask.keys - 1,
    )
}

/// It writes no zeros before its numbers: seven digits behind five zeros are as long as the keys of the others.
const MEMTIER_PREFIX: &str = "key:00000";
const MEMTIER_FIRST: u64 = 1_000_000;
pub const MEMTIER_KEYS_MOST: u64 = 9_000_000;

pub fn memtier_key(number: u64) -> String {
    format!("{MEMTIER_PREFIX}{}", MEMTIER_FIRST + number)
}

/// Those that are here, torc-load first; and why others are not.
pub fn find(
    own_at: Option<&Path>,
    memtier_at: Option<&Path>,
    redis_at: Option<&Path>,
) -> Result<(Vec<Tool>, Vec<String>), String> {
    let own = own_at.map_or_else(|| cargo::beside("loadgen", OWN), |path| Ok(path.to_path_buf()))?;
    let mut tools = vec![tool(OWN, own, torc_load)?];
    let mut absent = Vec::new();
    let others: [(&'static str, Option<&Path>, Args); 2] =
        [("redis-benchmark", redis_at, redis_benchmark), ("memtier_benchmark", memtier_at, memtier)];
    for (name, at, args) in others {
        let program = at.map_or_else(|| PathBuf::from(name), Path::to_path_buf);
        match tool(name, program, args) {
            Ok(tool) => tools.push(tool),
            // One that was named must be there.
            Err(why) if at.is_some() => return Err(why),
            Err(why) => absent.push(why),
        }
    }
    Ok((tools, absent))
}

fn tool(name: &'static str, program: PathBuf, args: Args) -> Result<Tool, String> {
    let done = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
    let done = done.map_err(|e| format!("{name}: {}: {e}", program.display()))?;
    let version = String::from_utf8_lossy(&done.stdout).lines().next().unwrap_or("tells no version").trim().to_string();
    Ok(Tool { name, program, version, args })
}

// Beyond what it should take: a tool that is told a number goes on however slow the server is.
const PATIENCE_FACTOR: f64 = 10.0;

impl Tool {
    pub fn command_line(&self, ask: &Ask) -> String {
        let cpus: Vec<String> = ask.cpus.iter().map(usize::to_string).collect();
        format!("taskset -c {} {} {}", cpus.join(","), quoted(self.name), (self.args)(ask))
    }

    /// Runs it to its end on its cores; its CPU time is that of all its threads.
    pub fn run(&self, ask: &Ask) -> Result<Ran, String> {
        let whose = |e: io::Error| format!("{}: {e}", self.program.display());
        let log = std::env::temp_dir().join(format!("torc-bench-tool-{}", std::process::id()));
        let file = std::fs::File::create(&log).map_err(whose)?;
        let mut command = Command::new(&self.program);
        command.args((self.args)(ask).split(' ')).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let cores = core_set(&ask.cpus);
        // SAFETY: between fork and exec one async-signal-safe call is made, on a value made before the fork and valid for its
        // whole size.
        unsafe {
            command.pre_exec(move || {
                if libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores) != 0 {
                    return Err(io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let begun = Instant::now();
        let mut child = command.spawn().map_err(whose)?;
        let until = begun + Duration::from_secs_f64(ask.seconds * PATIENCE_FACTOR + 60.0);
        let (status, cpu_s) = loop {
            match ended(child.id()).map_err(whose)? {
                Some(end) => break end,
                None if Instant::now() > until => {
                    drop(child.kill());
                    drop(child.wait());
                    return Err(format!("{} does not end: {}", self.name, (self.args)(ask)));
                }
                None => sleep(Duration::from_millis(2)),
            }
        };
        let seconds = begun.elapsed().as_secs_f64();
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        drop(std::fs::remove_file(&log));
        if status != 0 {
            let last: Vec<&str> = said.lines().rev().take(3).collect();
            return Err(format!("{} ended with status {status}: {}", self.name, last.join(" | ")));
        }
        Ok(Ran { seconds, cpu_s })
    }
}

/// Whether a child has ended: its status as wait(2) has it, and the CPU time that it used.
fn ended(pid: u32) -> io::Result<Option<(i32, f64)>> {
    let mut status = 0;
    // SAFETY: all zeros is a valid rusage; the call writes to it and to `status`, both valid for its length. The child is this
    // process's own, and nobody else waits for it.
    let (done, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(pid as i32, &mut status, libc::WNOHANG, &mut usage), usage)
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    match done {
        0 => Ok(None),
        n if n > 0 => Ok(Some((status, seconds(usage.ru_utime) + seconds(usage.ru_stime)))),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &'static str) -> Tool {
        // `-c` and one word without blanks.
        let args: Args = match script {
            "busy" => |_| "-c i=0;while\tls\t/dev/null;do\ti=$((i+1));test\t$i\t-gt\t60&&exit\t0;done".into(),
            _ => |_| "-c echo\tno\tsuch\tflag>&2;exit\t3".into(),
        };
        Tool { name: "shell", program: "/bin/sh".into(), version: String::new(), args }
    }

    fn ask() -> Ask {
        let cpus = (0..64).collect();
        Ask { port: 1, pipeline: 16, reads: true, connections: 50, keys: 1000, cpus, seconds: 1.0, count: 100_000 }
    }

    #[test]
    fn a_run_costs_what_the_kernel_says() {
        let ran = shell("busy").run(&ask()).unwrap();
        // Sixty processes are started: some milliseconds at least; children count once they are waited for.
        assert!(ran.cpu_s > 0.002 && ran.seconds > 0.002, "{} of {}", ran.cpu_s, ran.seconds);
        let why = shell("wrong").run(&ask()).err().unwrap();
        assert!(why.contains("no such flag"), "{why}");
    }

    #[test]
    fn all_are_told_the_same() {
        let one = Ask { cpus: vec![1], ..ask() };
        for (args, words) in [
            (torc_load(&one), &["--pipeline 16", "--ratio 1:0", "--duration 1000ms", "--threads 1", "--keys 1000"][..]),
            (redis_benchmark(&one), &["-P 16", "-t get", "-n 100000", "-c 50", "-r 1000"]),
            (memtier(&one), &["--pipeline=16", "--ratio=0:1", "-n 2000", "-c 50", "-t 1", "--key-maximum=1000999"]),
        ] {
            assert!(words.iter().all(|word| args.contains(word)), "{args}");
            assert!(!args.contains("  ") && !args.contains("--threads 64"), "{args}");
        }
        assert!(redis_benchmark(&ask()).ends_with("--threads 64"));
    }
}
