//! Room: loadgen, tests. A small RESP server whose answers a test decides, and real servers where they are installed.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub type Words = Vec<Vec<u8>>;

/// Serves RESP on a free port until the test ends. `answer` gets the words of an ask and the number of its connection; `None`
/// hangs up.
pub fn serve(answer: impl Fn(u64, &Words) -> Option<Vec<u8>> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    serve_on(listener, answer);
    port
}

pub fn serve_on(listener: TcpListener, answer: impl Fn(u64, &Words) -> Option<Vec<u8>> + Send + Sync + 'static) {
    let answer = Arc::new(answer);
    let count = AtomicU64::new(0);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            let number = count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || drop(talk(stream, number, &*answer)));
        }
    });
}

fn talk(stream: TcpStream, number: u64, answer: &dyn Fn(u64, &Words) -> Option<Vec<u8>>) -> std::io::Result<()> {
    // Two answers in flight and a delayed acknowledgement would cost 40 ms each.
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    loop {
        let words = read_ask(&mut input)?;
        // What load asks first of any server.
        let told = match words[0].as_slice() {
            b"INFO" => Some(b"+redis_version:0\r\n".to_vec()),
            _ => answer(number, &words),
        };
        match told {
            Some(told) => out.write_all(&told)?,
            None => return Ok(()),
        }
    }
}

fn read_ask(input: &mut impl BufRead) -> std::io::Result<Words> {
    let count = header(input)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; header(input)? + 2];
        input.read_exact(&mut word)?;
        word.truncate(word.len() - 2);
        words.push(word);
    }
    Ok(words)
}

fn header(input: &mut impl BufRead) -> std::io::Result<usize> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    line.get(1..).unwrap_or("").trim_end().parse().map_err(std::io::Error::other)
}

/// A server of its own process; killed when dropped.
pub struct Real {
    child: Child,
    pub port: u16,
}

impl Drop for Real {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port below those that the kernel gives to whoever connects (32768 and up), of another hundred for each process.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = std::process::id().wrapping_mul(100).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 12_000 + (place % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A test of figures: what it claims is true of a run that the machine did not get in the way of. Where others take the cores
/// that claim may fail; it must hold in one run of several. Whatever is wrong in the program fails all.
pub fn patiently(test: fn()) {
    const RUNS: u32 = 6;
    for run in 1..RUNS {
        match std::panic::catch_unwind(test) {
            Ok(()) => return,
            Err(_) => println!("run {run} failed, on a busy machine maybe: once more"),
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    test();
}

/// Starts `program` with `arguments`, in which `PORT` and `BUS` stand for free ports; `None`, and a line that says so, where it is
/// not installed. `ask` makes it tell its process id behind `name`: whoever else took the port meanwhile answers with another.
fn real(program: &str, arguments: &[&str], ask: &str, name: &str) -> Option<Real> {
    // A port that was free may be taken before the server has it: another try finds another.
    for _ in 0..5 {
        let port = free_port();
        let bus = free_port().to_string();
        let filled = |a: &&str| a.replace("PORT", &port.to_string()).replace("BUS", &bus);
        let arguments: Vec<String> = arguments.iter().map(filled).collect();
        let spawned = Command::new(program).args(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                eprintln!("skipped: {program}: {error}");
                return None;
            }
        };
        let mut real = Real { child, port };
        let begun = Instant::now();
        while real.child.try_wait().expect("a child").is_none() {
            let answer = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
                stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                number_of(&mut stream, ask, name)
            });
            match answer {
                Ok(id) if id == real.child.id() => return Some(real),
                Ok(_) => break,
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{program} does not answer");
        }
    }
    panic!("{program} finds no port");
}

/// Asks `ask` and reads lines until one begins with `name`; the number behind it.
fn number_of(stream: &mut TcpStream, ask: &str, name: &str) -> std::io::Result<u32> {
    stream.write_all(ask.as_bytes())?;
    for line in BufReader::new(stream).lines() {
        if let Some(number) = line?.strip_prefix(name) {
            return number.trim().parse().map_err(std::io::Error::other);
        }
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

pub fn redis(more: &[&str]) -> Option<Real> {
    let always = ["--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    let password = more.iter().skip_while(|word| **word != "--requirepass").nth(1);
    let auth = password.map(|password| format!("AUTH {password}\r\n")).unwrap_or_default();
    real("redis-server", &[&always[..], more].concat(), &format!("{auth}INFO server\r\n"), "process_id:")
}

pub fn memcached(more: &[&str]) -> Option<Real> {
    let always = ["-l", "127.0.0.1", "-p", "PORT", "-U", "0", "-t", "2", "-u", "nobody", "-m", "1024"];
    real("memcached", &[&always[..], more].concat(), "stats\r\n", "STAT pid ")
}
