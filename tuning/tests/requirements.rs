//! Proofs of what `effects.toml` calls required: the real server, started without it.

mod common;

use common::{Folder, program};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::RwLock;
use std::time::{Duration, Instant};

/// What is taken from the server before it starts.
#[derive(Clone, Copy, Default)]
struct Taken {
    open_files: Option<u64>,
    locked_memory: Option<u64>,
    /// What io_uring_setup fails with.
    rings: Option<i32>,
}

impl Taken {
    fn from(self, command: &mut Command) {
        // SAFETY: between fork and exec only system calls are made, on values that were copied before the fork.
        unsafe { command.pre_exec(move || self.take()) };
    }

    fn take(self) -> io::Result<()> {
        // capability.h: with CAP_SYS_RESOURCE (24) limits are raised again, with CAP_IPC_LOCK (14) locked memory is not counted. An
        // ordinary user has neither, and may not drop them: no error.
        for capability in [24, 14] {
            // SAFETY: no memory is involved.
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        }
        let limits = [(libc::RLIMIT_NOFILE, self.open_files), (libc::RLIMIT_MEMLOCK, self.locked_memory)];
        for (which, most) in limits.into_iter().filter_map(|(which, most)| Some((which, most?))) {
            let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
            // SAFETY: `limit` is a live value of the right type, which the call reads.
            if unsafe { libc::setrlimit(which, &limit) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        match self.rings {
            Some(code) => refuse_rings(code),
            None => Ok(()),
        }
    }
}

/// A seccomp filter as container runtimes set one: io_uring_setup fails with `code`, all else is allowed.
fn refuse_rings(code: i32) -> io::Result<()> {
    // linux/filter.h and seccomp.h: load the call's number (offset 0 of seccomp_data); if it is io_uring_setup go on, else skip
    // one; return the error; return allow.
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, 0),
        step((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, 1, libc::SYS_io_uring_setup as u32),
        step((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, libc::SECCOMP_RET_ERRNO | code as u32),
        step((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: `filter` points to `steps`, both alive through the call; without new privileges anyone may set a filter.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How a start went.
enum Went {
    /// It serves, and this is its maxclients.
    Serves(u64),
    /// It ended with this code and these words.
    Ended(Option<i32>, String),
}

/// Held to be read while a server runs.
static SERVERS: RwLock<()> = RwLock::new(());

fn start(name: &str, taken: Taken) -> Went {
    let _running = SERVERS.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    for _ in 0..5 {
        match try_start(name, taken) {
            // The port was free a moment ago.
            Went::Ended(_, said) if said.contains("another program listens") => {}
            went => return went,
        }
    }
    panic!("{name}: no port stays free");
}

fn try_start(name: &str, taken: Taken) -> Went {
    let port = common::free_port();
    let folder = Folder::of(name, &[]);
    let log = folder.path("log");
    let file = std::fs::File::create(&log).expect("writable");
    let mut command = Command::new(program("torc"));
    command.args([
        "--port",
        &port.to_string(),
        "--memcached-port",
        "0",
        "--shards",
        "1",
        "--bind",
        "127.0.0.1",
        "--dir",
    ]);
    command.arg(&folder.0).stdin(Stdio::null()).stdout(file.try_clone().expect("a descriptor")).stderr(file);
    taken.from(&mut command);
    let mut child = command.spawn().expect("the server can be started");
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("our child") {
            return Went::Ended(status.code(), std::fs::read_to_string(&log).expect("just written"));
        }
        if let Ok(maxclients) = maxclients(port) {
            end(&mut child);
            return Went::Serves(maxclients);
        }
        if begun.elapsed() > Duration::from_secs(60) {
            end(&mut child);
            panic!("neither served nor ended: {}", std::fs::read_to_string(&log).expect("just written"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

fn maxclients(port: u16) -> io::Result<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(b"CONFIG GET maxclients\r\nQUIT\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let number = text.lines().filter(|l| !l.starts_with(['$', '*', '+'])).find_map(|l| l.trim().parse().ok());
    number.ok_or_else(|| io::Error::other(text))
}

#[test]
fn a_ring_that_is_refused_stops_the_server() {
    // EPERM as by a profile or the switch, ENOSYS as on a kernel without.
    for (number, code) in [libc::EPERM, libc::ENOSYS].into_iter().enumerate() {
        match start(&format!("rings-{number}"), Taken { rings: Some(code), ..Taken::default() }) {
            Went::Ended(code, said) => {
                assert_eq!(code, Some(1), "error {number}: {said}");
                assert!(said.contains("io_uring"), "{said}");
            }
            Went::Serves(_) => panic!("it serves without a ring"),
        }
    }
    // And check says so beforehand.
    // Of itself: it would look at a server that runs.
    let _alone = SERVERS.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut check = Command::new(common::tune());
    check.args(["check", "--json"]);
    Taken { rings: Some(libc::EPERM), ..Taken::default() }.from(&mut check);
    let done = check.output().expect("torc-tune can be started");
    assert_eq!(done.status.code(), Some(4), "{}", common::out(&done));
    let report: serde_json::Value = serde_json::from_str(&common::out(&done)).expect("valid JSON");
    let seccomp =
        report["knobs"].as_array().expect("knobs").iter().find(|row| row["knob"] == "seccomp").expect("seccomp");
    assert_eq!(seccomp["verdict"], "stops", "{seccomp}");
}

#[test]
fn few_open_files_cut_maxclients_and_fewer_stop_the_server() {
    match start("files-600", Taken { open_files: Some(600), ..Taken::default() }) {
        Went::Serves(clients) => assert!((400..600).contains(&clients), "{clients}"),
        Went::Ended(code, said) => panic!("ended with {code:?}: {said}"),
    }
    match start("files-144", Taken { open_files: Some(144), ..Taken::default() }) {
        Went::Ended(Some(1), said) => assert!(said.contains("open files") || said.contains("descriptor"), "{said}"),
        Went::Ended(code, said) => panic!("ended with {code:?}: {said}"),
        Went::Serves(clients) => panic!("it serves {clients} clients with 144 files"),
    }
    // 145 are one client more than none.
    assert!(matches!(start("files-145", Taken { open_files: Some(145), ..Taken::default() }), Went::Serves(1)));
    // All clients.
    assert!(matches!(start("files-all", Taken { open_files: Some(12_000), ..Taken::default() }), Went::Serves(10_000)));
}

#[test]
fn little_locked_memory_stops_the_server() {
    match start("memory-little", Taken { locked_memory: Some(64 << 10), ..Taken::default() }) {
        Went::Ended(Some(1), said) => assert!(said.contains("memlock") || said.contains("locked memory"), "{said}"),
        Went::Ended(code, said) => panic!("ended with {code:?}: {said}"),
        Went::Serves(_) => panic!("it serves with 64 KiB of locked memory"),
    }
    assert!(matches!(
        start("memory-some", Taken { locked_memory: Some(8 << 20), ..Taken::default() }),
        Went::Serves(_)
    ));
}
