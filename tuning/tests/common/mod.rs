//! What the tests of the program share: where programs are, namespaces, files of a made host.
#![allow(dead_code)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

pub fn tune() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_torc-tune"))
}

/// The real server or load generator, built as an example of this crate.
pub fn program(name: &str) -> PathBuf {
    let path = tune().parent().expect("a program is in a folder").join("examples").join(name);
    assert!(path.is_file(), "{}: built by cargo test", path.display());
    path
}

/// A port below those that the kernel gives to whoever connects (32768 and up), of another hundred for each process.
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

pub fn run(arguments: &[&str]) -> Output {
    Command::new(tune()).args(arguments).output().expect("torc-tune can be started")
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder that goes with the value.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn of(name: &str, files: &[(&str, &str)]) -> Folder {
        let root = std::env::temp_dir().join(format!("torc-tune-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&root).expect("the temporary folder is writable");
        for (path, content) in files {
            let path = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("writable");
            fs::write(path, content).expect("writable");
        }
        Folder(root)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name.trim_start_matches('/')).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Runs a shell script as root of namespaces of its own (user, mount, network). `None`, and a line, where that is not permitted.
pub fn in_namespaces(script: &str) -> Option<Output> {
    let permitted = Command::new("unshare").args(["-rmn", "true"]).output().is_ok_and(|o| o.status.success());
    if !permitted {
        println!("SKIPPED: unshare -rmn is not permitted here");
        return None;
    }
    let script = format!("set -e\nTUNE={}\n{script}", tune().display());
    Some(Command::new("unshare").args(["-rmn", "sh", "-c", &script]).output().expect("just tried"))
}
