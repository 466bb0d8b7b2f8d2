//! Room: node, tests. The built server, started as a user starts it.
#![allow(dead_code, reason = "each test file is a crate of its own and uses what it needs")]

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
        (0..5).find_map(|_| Server::try_start(shards, more)).expect("the server starts on free ports")
    }

    /// A server that runs already and is nobody's to end.
    pub fn of_others(address: &str) -> Server {
        Server { child: None, folder: None, resp: address.into(), memcached: address.into() }
    }

    fn try_start(shards: usize, more: &[&str]) -> Option<Server> {
        let free = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
            listener.local_addr().expect("it is bound").port()
        };
        let (resp, memcached) = (free(), free());
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
        let child = command.spawn().expect("the server was built");
        let address = |port| format!("127.0.0.1:{port}");
        let mut server =
            Server { child: Some(child), folder: Some(folder), resp: address(resp), memcached: address(memcached) };
        let end = Instant::now() + Duration::from_secs(20);
        let up = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        while !(up(resp) && up(memcached)) {
            if server.has_ended() || Instant::now() > end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
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
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if let Some(status) = child.try_wait().expect("the child is ours") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server did not end within ten seconds of SIGTERM");
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
