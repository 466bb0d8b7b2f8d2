//! The built server under load, killed at random moments and started again on what it left: with `appendfsync always` no write
//! that was answered is missing, with `everysec` none that was answered more than a second before (a killed process leaves what it
//! has written; only a power cut takes more, which `appendlog.rs` simulates), and it always starts. Some rounds here;
//! `TORC_CRASHES=200 cargo test -p node --test crash -- --nocapture` runs so many of each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const WRITERS: usize = 4;

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path, shards: usize, policy: &str) -> Server {
        Server::start_with(folder, shards, policy, "yes")
    }

    fn start_with(folder: &Path, shards: usize, policy: &str, appendonly: &str) -> Server {
        // A port that was free may be taken before the server has it; another try finds others.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound").port();
            let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).expect("a log");
            let mut child = Command::new(env!("CARGO_BIN_EXE_torc"))
                .args(["--port", &port.to_string(), "--memcached-port", "0", "--shards", &shards.to_string()])
                .args(["--force-shards", "yes", "--appendonly", appendonly, "--appendfsync", policy, "--save", ""])
                .args(["--auto-aof-rewrite-min-size", "200kb", "--dir"])
                .arg(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("the server was built");
            let end = Instant::now() + Duration::from_secs(60);
            while child.try_wait().expect("it is ours").is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Server { child, port };
                }
                assert!(Instant::now() < end, "the server does not start: {}", tail(folder));
                std::thread::sleep(Duration::from_millis(10));
            }
            let said = tail(folder);
            assert!(said.contains("another program listens"), "the server ended: {said}");
        }
        panic!("no port is free");
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    text.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(port: u16) -> std::io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Client(BufReader::new(stream)))
    }

    /// The reply's first line, and a bulk's text.
    fn ask(&mut self, words: &[&str]) -> std::io::Result<String> {
        let mut bytes = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| bytes += &format!("${}\r\n{word}\r\n", word.len()));
        self.0.get_mut().write_all(bytes.as_bytes())?;
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if let Some(count) = line.strip_prefix('*').and_then(|count| count.parse::<usize>().ok()) {
            let items: std::io::Result<Vec<String>> = (0..count).map(|_| self.item()).collect();
            return Ok(items?.join(" "));
        }
        if let Some(len) = line.strip_prefix('$').and_then(|len| len.parse::<usize>().ok()) {
            let mut text = vec![0; len + 2];
            self.0.read_exact(&mut text)?;
            return Ok(String::from_utf8_lossy(&text[..len]).into_owned());
        }
        Ok(line.to_string())
    }

    /// An item of an array: a number, or a bulk.
    fn item(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        if line.starts_with("$-1") {
            return Ok(String::new());
        }
        if line.starts_with('$') {
            line.clear();
            self.0.read_line(&mut line)?;
        }
        Ok(line.trim_end().trim_start_matches(':').to_string())
    }

    fn info(&mut self, name: &str) -> String {
        let all = self.ask_loaded(&["INFO", "persistence"]);
        let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_string));
        line.unwrap_or_else(|| panic!("{name} is not in {all}"))
    }

    /// The same while data is loaded.
    fn ask_loaded(&mut self, words: &[&str]) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let reply = self.ask(words).expect("the server answers");
            if !reply.starts_with("-LOADING") {
                return reply;
            }
            assert!(Instant::now() < end, "it never ends loading");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The keys that a writer sets to one number in one command: on whatever shards.
fn keys(writer: usize) -> [String; 3] {
    ["a", "bb", "foo"].map(|name| format!("{name}{writer}"))
}

/// Writes numbers from `from` on until the server is gone. The last that was sent, and those answered with their times.
fn write(port: u16, writer: usize, from: u64, stop: &AtomicBool) -> (u64, Vec<(u64, Instant)>) {
    let (mut sent, mut answered) = (from, Vec::new());
    let Ok(mut client) = Client::connect(port) else { return (sent, answered) };
    let pad = "x".repeat(300);
    while !stop.load(Ordering::Relaxed) {
        sent += 1;
        let number = sent.to_string();
        let names = keys(writer);
        let list = format!("list{writer}");
        let words = ["MSET", &names[0], &number, &names[1], &number, &names[2], &number, "pad", &pad];
        match client.ask(&words) {
            Ok(reply) if reply == "+OK" => answered.push((sent, Instant::now())),
            Ok(reply) => panic!("{reply}"),
            Err(_) => break,
        }
        // Its length is known too: as many as were pushed, or one more.
        if client.ask(&["RPUSH", &list, &number]).is_err() {
            break;
        }
    }
    (sent, answered)
}

fn crash(policy: &str, allowed: Duration) {
    let rounds = std::env::var("TORC_CRASHES").ok().map_or(5, |text| text.parse::<u64>().expect("a number"));
    let mut seed = std::env::var("TORC_SEED").ok().map_or(1, |text| text.parse::<u64>().expect("a number")) | 1;
    let folder: PathBuf = std::env::temp_dir().join(format!("torc-crash-{policy}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let mut last = [0u64; WRITERS];
    let mut shards = 2;
    for round in 0..rounds {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let server = Server::start(&folder, shards, policy);
        let mut looker = Client::connect(server.port).expect("it listens");
        for (writer, last) in last.iter_mut().enumerate() {
            let [a, b, c] = keys(writer).map(|key| looker.ask_loaded(&["GET", &key]));
            let list = looker.ask_loaded(&["LINDEX", &format!("list{writer}"), "-1"]);
            assert!(a == b && b == c, "round {round}: a command is there by halves: {a} {b} {c}");
            let number = |text: &str| if text == "$-1" { 0 } else { text.parse::<u64>().expect("a number") };
            let (found, pushed) = (number(&a), number(&list));
            // Without a sync for each, shards lose their last moments one by one.
            let follows = (pushed..=pushed + 1).contains(&found) || !allowed.is_zero();
            assert!(follows, "round {round}: {found} is set, {pushed} is pushed");
            // Else a kill that comes between the two in the next round as well would leave it two behind.
            if pushed < found {
                looker.ask(&["RPUSH", &format!("list{writer}"), &a]).expect("the server answers");
            }
            *last = found;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (port, from, stop) = (server.port, last[writer], stop.clone());
                std::thread::spawn(move || write(port, writer, from, &stop))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20 + seed % 500));
        if seed.is_multiple_of(3) {
            drop(looker.ask(&["BGREWRITEAOF"]));
            std::thread::sleep(Duration::from_millis(seed % 50));
        }
        let killed = Instant::now();
        server.kill();
        stop.store(true, Ordering::Relaxed);
        let written: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("writers end")).collect();
        // The next start may have another number of shards.
        if round % 4 == 3 {
            shards = 1 + seed as usize % 3;
        }
        let server = Server::start(&folder, shards, policy);
        let mut looker = Client::connect(server.port).expect("it listens");
        for (writer, (sent, answered)) in written.iter().enumerate() {
            let found = looker.ask_loaded(&["GET", &keys(writer)[0]]);
            let found = if found == "$-1" { 0 } else { found.parse::<u64>().expect("a number") };
            let sure = answered.iter().filter(|(_, at)| *at + allowed <= killed).map(|(number, _)| *number).max();
            let sure = sure.unwrap_or(last[writer]);
            assert!(
                (sure..=*sent).contains(&found),
                "round {round}, seed {seed}: writer {writer} finds {found}, {sure} was answered, {sent} was sent"
            );
        }
        server.kill();
        println!("round {round}: {} answered", written.iter().map(|(_, answered)| answered.len()).sum::<usize>());
    }
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn with_always_no_answered_write_is_missing_after_a_kill() {
    crash("always", Duration::ZERO);
}

#[test]
fn with_everysec_the_last_second_may_be_missing_after_a_kill() {
    crash("everysec", Duration::from_secs(1));
}

#[test]
fn the_log_is_turned_on_and_off_while_the_server_runs() {
    let folder: PathBuf = std::env::temp_dir().join(format!("torc-crash-turned-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let restart = |server: Server, appendonly: &str| {
        server.kill();
        let server = Server::start_with(&folder, 2, "everysec", appendonly);
        let client = Client::connect(server.port).expect("it listens");
        (server, client)
    };
    let disabled = "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    let server = Server::start_with(&folder, 2, "everysec", "no");
    let mut client = Client::connect(server.port).expect("it listens");
    for (ask, expected) in [
        ("SET a 1", "+OK"),
        ("WAITAOF 1 0 0", disabled),
        ("WAITAOF 0 0 0", "0 0"),
        ("WAITAOF 2 0 0", "-ERR value is out of range, value must between 0 and 1"),
        ("WAITAOF 0 -1 0", "-ERR value is out of range, must be positive"),
        ("WAITAOF x 0 0", "-ERR value is not an integer or out of range"),
        ("WAITAOF 0 0 -1", "-ERR timeout is negative"),
        ("WAITAOF 0 1 10", "0 0"),
        ("CONFIG SET appendonly yes", "+OK"),
        ("SET b 2", "+OK"),
        ("WAITAOF 1 0 0", "1 0"),
        // What the log itself has noted since is on the device too.
        ("WAITAOF 1 0 0", "1 0"),
        ("WAITAOF 1 1 10", "1 0"),
    ] {
        assert_eq!(client.ask_loaded(&ask.split(' ').collect::<Vec<_>>()), expected, "{ask}");
    }
    let end = Instant::now() + Duration::from_secs(60);
    // Who waits in vain is let go by another.
    let unblocked = "-UNBLOCKED client unblocked via CLIENT UNBLOCK";
    for (ask, how, expected) in [
        ("WAITAOF 0 1 0", "TIMEOUT", "1 0"),
        ("WAITAOF 1 1 0", "ERROR", unblocked),
        ("WAIT 1 0", "TIMEOUT", ":0"),
        ("WAIT 1 0", "ERROR", unblocked),
    ] {
        let mut waiter = Client::connect(server.port).expect("it listens");
        let id = waiter.ask(&["CLIENT", "ID"]).expect("the server answers");
        let words: Vec<&str> = ask.split(' ').collect();
        let reply = std::thread::scope(|scope| {
            let waits = scope.spawn(|| (waiter.ask(&words), waiter.ask(&["PING"])));
            while client.ask_loaded(&["CLIENT", "UNBLOCK", &id[1..], how]) != ":1" {
                assert!(Instant::now() < end, "it never waits");
            }
            waits.join().expect("it does not panic")
        });
        assert_eq!(
            (reply.0.expect("a reply"), reply.1.expect("a reply")),
            (expected.into(), "+PONG".into()),
            "{ask} {how}"
        );
    }
    while client.info("aof_rewrites") != "1" {
        assert!(Instant::now() < end, "the snapshot that the log begins with is never made: {}", tail(&folder));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!((client.info("aof_enabled"), client.info("aof_last_write_status")), ("1".into(), "ok".into()));
    let (server, mut client) = restart(server, "yes");
    assert_eq!(client.ask_loaded(&["MGET", "a", "b"]), "1 2");
    assert_eq!(client.ask_loaded(&["SET", "c", "3"]), "+OK");
    assert_eq!(client.ask_loaded(&["BGREWRITEAOF"]), "+Background append only file rewriting started");
    while client.info("aof_rewrite_in_progress") == "1" {
        assert!(Instant::now() < end, "the snapshot is never made: {}", tail(&folder));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(client.info("aof_last_bgrewrite_status"), "ok");
    let segments = || {
        let names = std::fs::read_dir(&folder).expect("it is there").map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".log")).count()
    };
    assert_eq!(segments(), 2, "those before the snapshot are gone");
    for (ask, expected) in [
        // From the page cache past it, and back.
        ("SET u 5", "+OK"),
        ("CONFIG SET appendfsync always", "+OK"),
        ("SET v 6", "+OK"),
        ("CONFIG SET appendfsync everysec", "+OK"),
        ("SET w 7", "+OK"),
        ("CONFIG SET appendfsync always", "+OK"),
        ("MSET x 8 y 9 z 10", "+OK"),
        ("MGET u v w x y z", "5 6 7 8 9 10"),
        ("SET d 4", "+OK"),
        ("WAITAOF 1 0 0", "1 0"),
        ("CONFIG SET appendonly no", "+OK"),
        ("WAITAOF 1 0 0", disabled),
        ("SET e 5", "+OK"),
    ] {
        assert_eq!(client.ask_loaded(&ask.split(' ').collect::<Vec<_>>()), expected, "{ask}");
    }
    assert_eq!(client.info("aof_enabled"), "0");
    let (server, mut client) = restart(server, "yes");
    assert_eq!(client.ask_loaded(&["MGET", "a", "b", "c", "d", "e"]), "1 2 3 4 ");
    assert_eq!(client.ask_loaded(&["MGET", "u", "v", "w", "x", "y", "z"]), "5 6 7 8 9 10");
    assert_eq!(client.ask_loaded(&["SET", "f", "6"]), "+OK");
    assert_eq!(client.ask_loaded(&["WAITAOF", "1", "0", "0"]), "1 0");
    // Without it the log is not looked at.
    let (server, mut client) = restart(server, "no");
    assert_eq!(client.ask_loaded(&["EXISTS", "c", "f"]), ":1");
    server.kill();
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn a_moment_of_the_past_is_restored_from_snapshot_and_log() {
    let folder: PathBuf = std::env::temp_dir().join(format!("torc-crash-past-{}", std::process::id()));
    let from = folder.join("from");
    std::fs::create_dir_all(&from).expect("the temporary folder is writable");
    let server = Server::start(&from, 2, "always");
    let mut client = Client::connect(server.port).expect("it listens");
    let now_ms =
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let mut moments = Vec::new();
    for n in 0..5 {
        let number = n.to_string();
        if n == 1 {
            assert_eq!(client.ask_loaded(&["BGREWRITEAOF"]), "+Background append only file rewriting started");
            while client.info("aof_rewrite_in_progress") == "1" {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        assert_eq!(client.ask_loaded(&["MSET", "a", &number, "bb", &number, "foo", &number]), "+OK");
        // Time is read once a turn, in whole ms.
        std::thread::sleep(Duration::from_millis(20));
        moments.push(now_ms());
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill();
    for (at_ms, expected) in moments.iter().skip(1).copied().map(Some).zip(1..).chain([(None, 4)]) {
        let to = folder.join(format!("to-{expected}-{}", at_ms.is_some()));
        std::fs::create_dir_all(&to).expect("the temporary folder is writable");
        node::appendlog::fold::restore(&from, "dump.rdb", "appendonly.aof", at_ms, 16, &to).expect("it is whole");
        let server = Server::start_with(&to, 1, "everysec", "no");
        let mut client = Client::connect(server.port).expect("it listens");
        let number = expected.to_string();
        assert_eq!(client.ask_loaded(&["MGET", "a", "bb", "foo"]), [&number[..]; 3].join(" "), "{at_ms:?}");
        server.kill();
    }
    // The same by the command, and what it refuses.
    let to = folder.join("by-command");
    let at = moments[2].to_string();
    let restore = |more: &[&str]| {
        let (from, to) = (from.to_str().expect("a plain path"), to.to_str().expect("a plain path"));
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_torc"));
        let output = command.args(["restore", from, "--dir", to]).args(more).output().expect("it is built");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for before in [&*moments[0].to_string(), "2001-09-09T01:46:40Z", "2001-09-09 01:46:40.5"] {
        let (done, said) = restore(&["--at", before]);
        assert!(!done && said.contains("of what was before nothing is there"), "{said}");
    }
    let (done, said) = restore(&["--at", "yesterday"]);
    assert!(!done && said.contains("2026-11-29T03:00:00Z"), "{said}");
    let (done, said) = restore(&["--at", &at, "--appendfilename", "none"]);
    assert!(!done && said.contains("there is no append log"), "{said}");
    assert_eq!(restore(&["--at", &at]), (true, String::new()));
    let (done, said) = restore(&["--at", &at]);
    assert!(!done && said.contains("there is data already"), "{said}");
    let server = Server::start_with(&to, 2, "everysec", "no");
    let mut client = Client::connect(server.port).expect("it listens");
    assert_eq!(client.ask_loaded(&["MGET", "a", "bb", "foo"]), "2 2 2");
    server.kill();
    // A folder with nothing but a log is somebody's.
    let (log, _) = (node::appendlog::segment_name("appendonly", 7, 0), std::fs::create_dir(folder.join("log")));
    std::fs::write(folder.join("log").join(&log), "what was left").expect("the temporary folder is writable");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_torc"))
        .args(["restore", from.to_str().expect("a plain path"), "--dir"])
        .arg(folder.join("log"))
        .output()
        .expect("it is built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("there is data already") && said.contains(&log), "{said}");
    let refused = node::appendlog::fold::restore(&from, "dump.rdb", "appendonly.aof", Some(moments[0]), 16, &folder);
    assert!(refused.is_err_and(|e| e.contains("of what was before nothing is there")));
    std::fs::remove_dir_all(&folder).expect("it is ours");
}
