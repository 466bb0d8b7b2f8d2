//! Room: benches. A server process that lives no longer than this one: started on stated cores, stopped and continued, ended
//! by its own process id. Touches: the kernel.

use crate::kernel::core_set;
use crate::talk::Talk;
use loadgen::plan::Dialect;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How to start one server, complete.
#[derive(Clone, Debug)]
pub struct Launch {
    /// As the report calls it.
    pub name: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    /// The cores it may run on.
    pub cpus: Vec<usize>,
    /// Its files and its log go here; it is made and not removed.
    pub folder: PathBuf,
    /// Loopback ports by dialect; one at least.
    pub ports: Vec<(Dialect, u16)>,
}

impl Launch {
    /// The same as a command line, for people to give again: from the folder of the workspace, if it stands there.
    pub fn command_line(&self) -> String {
        let here = format!("{}/", crate::cargo::workspace().display());
        let cpus: Vec<String> = self.cpus.iter().map(usize::to_string).collect();
        let mut words = vec!["taskset".into(), "-c".into(), cpus.join(","), self.program.display().to_string()];
        words.extend(self.args.iter().cloned());
        words.iter().map(|word| quoted(word.strip_prefix(&here).unwrap_or(word))).collect::<Vec<_>>().join(" ")
    }
}

/// As a shell would want it.
pub fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./,:=+@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A running server. It ends with this value, and with this process, however that ends.
#[derive(Debug)]
pub struct Server {
    child: Child,
    launch: Launch,
    stopped: bool,
    /// From the start to the first answer.
    pub start_s: f64,
}

// Loading a large snapshot takes as long as it takes; without one all are up within a second.
const UP_WITHIN: Duration = Duration::from_secs(600);

impl Server {
    /// Starts what `launch` says, which names free ports: one that was taken meanwhile means another try.
    pub fn start_anew(launch: impl Fn() -> Result<Launch, String>) -> Result<Server, String> {
        const TAKEN: [&str; 2] = ["Address already in use", "another program listens"];
        let mut tries_left = 5;
        loop {
            tries_left -= 1;
            match Server::start(&launch()?) {
                Err(why) if tries_left > 0 && TAKEN.iter().any(|text| why.contains(text)) => {}
                done => return done,
            }
        }
    }

    /// Starts it and waits until it answers.
    pub fn start(launch: &Launch) -> Result<Server, String> {
        let name = &launch.name;
        let whose = |e: io::Error| format!("{name}: {}: {e}", launch.folder.display());
        std::fs::create_dir_all(&launch.folder).map_err(whose)?;
        let log = File::create(launch.folder.join("log")).map_err(whose)?;
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.args)
            .current_dir(&launch.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(whose)?)
            .stderr(log);
        let (cores, parent) = (core_set(&launch.cpus), std::process::id());
        // SAFETY: between fork and exec only async-signal-safe calls are made (prctl, getppid, sched_setaffinity); `cores` was
        // made before the fork and is valid for its whole size.
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0
                    || libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores) != 0
                {
                    return Err(io::Error::last_os_error());
                }
                // The parent may have died before the prctl.
                if libc::getppid() as u32 != parent { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
            });
        }
        let begun = Instant::now();
        let child = command.spawn().map_err(|e| format!("{name}: {}: {e}", launch.program.display()))?;
        let mut server = Server { child, launch: launch.clone(), stopped: false, start_s: 0.0 };
        server.wait_until_up(begun)?;
        server.start_s = begun.elapsed().as_secs_f64();
        Ok(server)
    }

    fn wait_until_up(&mut self, begun: Instant) -> Result<(), String> {
        for (dialect, port) in self.launch.ports.clone() {
            while Talk::connect(dialect, port).and_then(|mut talk| talk.is_up()).ok() != Some(true) {
                if let Ok(Some(status)) = self.child.try_wait() {
                    return Err(format!("{} has ended ({status}): {}", self.launch.name, self.last_words()));
                }
                if begun.elapsed() > UP_WITHIN {
                    return Err(format!("{} does not answer on port {port}: {}", self.launch.name, self.last_words()));
                }
                sleep(Duration::from_micros(200));
            }
        }
        // Who answered may have been another on the same port.
        match self.child.try_wait() {
            Ok(Some(status)) => Err(format!("{} has ended ({status}): {}", self.launch.name, self.last_words())),
            _ => Ok(()),
        }
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = std::fs::read(self.launch.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(4)..].join(" | ")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    pub fn port(&self, dialect: Dialect) -> Option<u16> {
        self.launch.ports.iter().find(|(d, _)| *d == dialect).map(|(_, port)| *port)
    }

    /// Opens a conversation in `dialect`, which the server speaks.
    pub fn talk(&self, dialect: Dialect) -> Result<Talk, String> {
        let port = self.port(dialect).ok_or_else(|| format!("{} does not speak {dialect:?}", self.launch.name))?;
        Talk::connect(dialect, port).map_err(|e| format!("{}: port {port}: {e}", self.launch.name))
    }

    /// Stands still until `go_on`, so that its timers take nothing from the server being measured.
    pub fn stand_still(&mut self) {
        if !self.stopped {
            self.signal(libc::SIGSTOP);
            self.stopped = true;
        }
    }

    pub fn go_on(&mut self) {
        if self.stopped {
            self.signal(libc::SIGCONT);
            self.stopped = false;
        }
    }

    fn signal(&self, signal: i32) {
        // SAFETY: kill takes two numbers; the child is not reaped before this value is dropped, so the id is its own.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its files are this program's; nothing has to be written at the end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port on which nobody listens, below those that the kernel gives to whoever connects (32768 and up), of another hundred for
/// each process. Another program may still take it before the server does; the start then fails and says so.
pub fn free_port() -> Result<u16, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..20_000 {
        let place = std::process::id().wrapping_mul(100).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 12_000 + (place % 20_000) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port on 127.0.0.1 from 12000 to 31999".into())
}

/// The first of `count` neighbouring ports on which nobody listens.
pub fn free_ports(count: usize) -> Result<u16, String> {
    // 100: below the ports that the kernel gives out nearly all are free.
    for _ in 0..100 {
        let first = free_port()?;
        let is_free = |offset: usize| {
            let port = u16::try_from(usize::from(first) + offset).ok();
            port.is_some_and(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok())
        };
        if (0..count).all(is_free) {
            return Ok(first);
        }
    }
    Err(format!("no {count} neighbouring free ports on 127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, quoted_word) in [("--port", "--port"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'")] {
            assert_eq!(quoted(word), quoted_word);
        }
    }

    #[test]
    fn a_server_that_ends_says_why() {
        let folder = std::env::temp_dir().join(format!("torc-bench-{}-ends", std::process::id()));
        let launch = Launch {
            name: "liar".into(),
            program: "/bin/sh".into(),
            args: vec!["-c".into(), "echo no such flag >&2; exit 3".into()],
            cpus: (0..64).collect(),
            folder: folder.clone(),
            ports: vec![(Dialect::Resp2, free_port().unwrap())],
        };
        let why = Server::start(&launch).expect_err("it has ended");
        assert!(why.contains("liar") && why.contains("no such flag") && why.contains('3'), "{why}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
