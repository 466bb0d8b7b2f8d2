//! Room: loadgen, tests. Fifty thousand connections to one port of one address: more than a local address has ports, and more
//! than a process may have open files here. So the server is several processes that listen on one port (SO_REUSEPORT), this
//! test's own program, and torc-load must come from several addresses, with its sockets in the rings of several threads.

use loadgen::outcome::{Arrivals, Pace};
use loadgen::plan::{Plan, Target};
use loadgen::run;
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const CONNECTIONS: usize = 50_000;
/// Files beside the connections, and room for processes that get more than their share of them.
const BESIDE: u64 = 1500;
const PORT: &str = "TORC_LOAD_TEST_PORT";

fn check(done: i32) -> io::Result<i32> {
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}

/// The most open files a process may have here; the soft limit is raised to it.
fn open_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for the length of both calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    limit.rlim_max
}

/// Listens on `port` beside others that do; 0 takes a free one.
fn listen(port: u16) -> io::Result<TcpListener> {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets()) },
        sin_zero: [0; 8],
    };
    let on: i32 = 1;
    let size = size_of::<i32>() as u32;
    // SAFETY: the descriptor belongs to nobody else; option and address are valid for the calls, with their own sizes.
    unsafe {
        let fd = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0))?;
        let listener = TcpListener::from_raw_fd(fd);
        check(libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, (&raw const on).cast(), size))?;
        check(libc::bind(fd, (&raw const address).cast(), size_of::<libc::sockaddr_in>() as u32))?;
        check(libc::listen(fd, 4096))?;
        Ok(listener)
    }
}

/// One of the server's processes, when this program is started as such: answers what torc-load asks until its stdin ends.
#[test]
fn serves_as_a_process_of_its_own() {
    let Some(port) = std::env::var(PORT).ok().and_then(|port| port.parse().ok()) else { return };
    open_files();
    serve(&listen(port).expect("the test listens there too")).expect("it serves until it is told to end");
}

fn serve(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    // SAFETY: takes a number and gives a descriptor.
    let epoll = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    let watch = |fd: i32| {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: fd as u64 };
        // SAFETY: both descriptors are open and the event is valid for the call.
        check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) })
    };
    watch(listener.as_raw_fd())?;
    watch(0)?;
    println!("listens");
    let mut clients: HashMap<i32, TcpStream> = HashMap::new();
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
    let mut buffer = [0; 4096];
    loop {
        // SAFETY: `events` has room for as many as are asked for.
        let count = match check(unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, -1) }) {
            Ok(count) => count,
            Err(e) if e.kind() == ErrorKind::Interrupted => 0,
            Err(e) => return Err(e),
        };
        for event in &events[..count as usize] {
            match event.u64 as i32 {
                0 => return Ok(()),
                fd if fd == listener.as_raw_fd() => {
                    while let Ok((stream, _)) = listener.accept() {
                        stream.set_nonblocking(true)?;
                        stream.set_nodelay(true)?;
                        watch(stream.as_raw_fd())?;
                        clients.insert(stream.as_raw_fd(), stream);
                    }
                }
                fd => {
                    let Some(client) = clients.get_mut(&fd) else { continue };
                    match client.read(&mut buffer) {
                        Ok(0) => drop(clients.remove(&fd)),
                        // Few and small: what is asked here always comes whole.
                        Ok(count) => drop(client.write_all(&answers(&buffer[..count]))),
                        Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                        Err(_) => drop(clients.remove(&fd)),
                    }
                }
            }
        }
    }
}

/// An ask is INFO or GET: no star in it but the first byte.
fn answers(asks: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for ask in String::from_utf8_lossy(asks).split('*').filter(|ask| !ask.is_empty()) {
        out.extend_from_slice(match ask.lines().nth(2) {
            Some("GET") => b"$-1\r\n",
            Some("INFO") => b"+redis_version:0\r\n",
            _ => b"+OK\r\n",
        });
    }
    out
}

struct Server(Vec<Child>);

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[test]
fn fifty_thousand_connections_go_to_one_port() {
    let files = open_files();
    if files < 8 * BESIDE {
        println!("skipped: {files} open files are too few (ulimit -Hn)");
        return;
    }
    let per_process = (files - BESIDE).min(CONNECTIONS as u64) as usize;
    let processes = CONNECTIONS.div_ceil(per_process);
    // Bound and never accepted from: it keeps the port while the server starts.
    let keeper = listen(0).expect("loopback has a free port");
    let port = keeper.local_addr().expect("bound").port();
    let this = std::env::current_exe().expect("this program");
    let start = || {
        let mut child = Command::new(&this)
            .args(["--exact", "serves_as_a_process_of_its_own", "--nocapture"])
            .env(PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started");
        // The test harness says something before.
        let (mut said, mut byte) = (String::new(), [0]);
        let out = child.stdout.as_mut().expect("it is piped");
        while !said.contains("listens") {
            assert!(out.read(&mut byte).expect("readable") > 0, "it has ended: {said}");
            said.push(char::from(byte[0]));
        }
        child
    };
    let server = Server((0..processes).map(|_| start()).collect());
    drop(keeper);
    let begun = Instant::now();
    let outcome = run::run(
        &Plan {
            targets: vec![Target::parse(&format!("resp://127.0.0.1:{port}")).expect("sound")],
            connections: CONNECTIONS,
            threads: processes.max(2),
            keys: 1000,
            gets: 1,
            sets: 0,
            may_miss: true,
            pipeline: 4,
            // In turn: each connection is asked on.
            requests: Some(60_000),
            pace: Pace::Open { per_second: 20_000.0, arrivals: Arrivals::Constant },
            ..Plan::default()
        },
        None,
    )
    .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{CONNECTIONS} connections to {processes} processes: {:.1} s in all", begun.elapsed().as_secs_f64());
    assert_eq!((outcome.all.len(), outcome.unanswered, outcome.first_error), (60_000, 0, None));
    assert_eq!(outcome.connections, CONNECTIONS);
    drop(server);
}
