//! Room: node, tests. The built server, started as a user starts it.
#![allow(dead_code, reason = "each test file is a crate of its own and uses what it needs")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that only a server which stands still never does: two builds may have the machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A port below those that the kernel gives to whoever connects (32768 and up), so that nobody comes upon it by chance, and of
/// another hundred for each process. Who looks for one as well may still have it before the server: see `try_start`.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = std::process::id().wrapping_mul(100).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 12_000 + (place % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Root may do everything: the command is nobody's then.
pub fn as_nobody(command: &mut Command) -> &mut Command {
    // SAFETY: no memory is involved.
    if unsafe { libc::geteuid() } == 0 { command.uid(65_534).gid(65_534) } else { command }
}

/// The process id that whoever listens on `port` tells behind `name`, when asked `ask`.
fn id_of(port: u16, ask: &str, name: &str) -> std::io::Result<u32> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("{ask}\r\nquit\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let id = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    id.ok_or_else(|| std::io::Error::other(text))
}

/// How much CPU time each thread of a process has had.
pub struct Cpu(BTreeMap<u32, Duration>);

impl Cpu {
    pub fn of(pid: u32) -> Cpu {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
        let of_one = |task: std::fs::DirEntry| {
            // A thread may be gone by now. proc(5): fields 14 and 15, in ticks of 10 ms; the name, field 2, may hold blanks.
            let text = std::fs::read_to_string(task.path().join("stat")).ok()?;
            let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
            let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
            Some((task.file_name().to_str()?.parse().ok()?, Duration::from_millis(10 * ticks)))
        };
        Cpu(tasks.flatten().filter_map(of_one).collect())
    }

    /// The most that one thread has had since `before`: what a shard did in one go takes it no longer than this, while the time
    /// on the clock tells as much of what else the machine does.
    pub fn since(&self, before: &Cpu) -> Duration {
        let of =
            |(thread, time): (&u32, &Duration)| time.saturating_sub(before.0.get(thread).copied().unwrap_or_default());
        self.0.iter().map(of).max().unwrap_or_default()
    }
}

/// A running server; it ends with this value, also when a test panics.
pub struct Server {
    /// None: somebody else's.
    child: Option<Child>,
    folder: Option<PathBuf>,
    /// `host:port`
    pub resp: String,
    pub memcached: String,
}

impl Server {
    pub fn start(shards: usize) -> Server {
        Server::start_with(shards, &[])
    }

    /// With more of the command line.
    pub fn start_with(shards: usize, more: &[&str]) -> Server {
        // A port that was free may be taken before the server has it; another try finds others.
        (0..5).find_map(|_| Server::try_start(shards, more, false)).expect("the server starts on free ports")
    }

    /// By a user who may do no more than others, also where the tests are root's. None: that user may not even start it.
    pub fn start_as_nobody(shards: usize, more: &[&str]) -> Option<Server> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_torc"));
        let may = as_nobody(command.arg("--version").stdout(Stdio::null())).status().is_ok_and(|done| done.success());
        may.then(|| {
            (0..5).find_map(|_| Server::try_start(shards, more, true)).expect("the server starts on free ports")
        })
    }

    /// A server that runs already and is nobody's to end.
    pub fn of_others(address: &str) -> Server {
        Server { child: None, folder: None, resp: address.into(), memcached: address.into() }
    }

    fn try_start(shards: usize, more: &[&str], nobody: bool) -> Option<Server> {
        let (resp, memcached) = (free_port(), free_port());
        let folder = std::env::temp_dir().join(format!("torc-test-{}-{resp}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        let mut command = Command::new(env!("CARGO_BIN_EXE_torc"));
        command
            .args(["--port", &resp.to_string(), "--memcached-port", &memcached.to_string()])
            .args(["--shards", &shards.to_string(), "--force-shards", "yes", "--loglevel", "warning"])
            .args(["--enable-debug-command", "yes", "--dir"])
            .arg(&folder)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if nobody {
            as_nobody(&mut command);
        }
        let child = command.spawn().expect("the server was built");
        let address = |port| format!("127.0.0.1:{port}");
        let mut server =
            Server { child: Some(child), folder: Some(folder), resp: address(resp), memcached: address(memcached) };
        let end = Instant::now() + PATIENCE;
        let pid = server.pid();
        let doors = [(resp, "INFO server", "process_id:"), (memcached, "stats", "STAT pid ")];
        for (port, ask, name) in doors {
            // Who answers must be the server that was started: another may have the port.
            loop {
                match id_of(port, ask, name) {
                    Ok(id) if id == pid => break,
                    Ok(_) => return None,
                    Err(_) if server.has_ended() => return None,
                    // With a password nothing more can be told.
                    Err(e) if e.to_string().starts_with("-NOAUTH") => break,
                    Err(e) => assert!(Instant::now() < end, "the server does not answer on port {port}: {e}"),
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Some(server)
    }

    pub fn is_of_others(&self) -> bool {
        self.child.is_none()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("only own servers are looked into").id()
    }

    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("only own servers are watched");
        child.try_wait().expect("the child is ours").is_some()
    }

    /// SIGTERM, and the exit code that follows.
    pub fn stop(mut self) -> Option<i32> {
        let child = self.child.as_mut().expect("only own servers are stopped");
        let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(told.expect("kill is there").success());
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = child.try_wait().expect("the child is ours") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server did not end within {PATIENCE:?} of SIGTERM");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
        if let Some(folder) = &self.folder {
            drop(std::fs::remove_dir_all(folder));
        }
    }
}
