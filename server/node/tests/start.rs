//! Room: node, tests. What a start-up setting does to the process, seen from outside: by the kernel's files and by clients.

mod live;

use live::{Server, as_nobody};
use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What comes back for inline asks, until the server closes after QUIT.
fn ask(server: &Server, asks: &str) -> String {
    let mut stream = TcpStream::connect(&server.resp).expect("the server listens");
    stream.write_all(format!("{asks}QUIT\r\n").as_bytes()).expect("the server reads");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("replies are text");
    all
}

/// `disable-thp`, `huge-pages`: proc(5) tells whether the process may have huge pages, and how much memory lies in them.
#[test]
fn huge_pages_are_for_entries_only() {
    const MIB: usize = 1 << 20;
    let modes = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let small = ["--huge-pages", "no"];
    let free = ["--huge-pages", "no", "--disable-thp", "no"];
    for (more, refused, least, most) in [(&[][..], false, 16, 64), (&small, true, 0, 8), (&free, false, 0, 64)] {
        let server = Server::start_with(1, &[&["--enable-debug-command", "yes"], more].concat());
        assert_eq!(ask(&server, "DEBUG POPULATE 200000 key 100\r\n"), "+OK\r\n+OK\r\n");
        let of_process = |file: &str, name: &str| {
            let text = std::fs::read_to_string(format!("/proc/{}/{file}", server.pid())).expect("the server runs");
            text.lines().find_map(|line| line.strip_prefix(name)).map(|told| told.trim().to_string())
        };
        if let Some(told) = of_process("status", "THP_enabled:") {
            assert!(told == "0" || !refused, "{more:?}");
        } else {
            println!("skipped: this kernel does not tell THP_enabled");
        }
        let told = of_process("smaps_rollup", "AnonHugePages:").expect("it is told");
        let huge = told.trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024;
        if modes.contains("[madvise]") {
            assert!((least * MIB..=most * MIB).contains(&huge), "{more:?}: {huge} bytes in huge pages");
        }
        assert_eq!(server.stop(), Some(0));
    }
}

/// `set-proc-title`, `proc-title-template`: what proc(5) shows as the command line, and the environment that had its place.
#[test]
fn ps_shows_the_title() {
    let shown = |server: &Server| {
        let line = std::fs::read(format!("/proc/{}/cmdline", server.pid())).expect("the server runs");
        let line = String::from_utf8(line).expect("text");
        line.split('\0').next().expect("a word").to_string()
    };
    let server = Server::start(1);
    let title = shown(&server);
    assert!(title.ends_with(&format!("torc {}", server.resp)), "{title}");
    let long = "a title of more bytes than the command line and the environment have room for ".repeat(500);
    for (template, expected) in [
        ("x", "x"),
        (
            "{port} is the port {server-mode} ",
            &*format!("{} is the port", server.resp.rsplit_once(':').expect("a port").1),
        ),
        (&*long, long.trim_end()),
        ("short again", "short again"),
    ] {
        assert_eq!(ask(&server, &format!("CONFIG SET proc-title-template \"{template}\"\r\n")), "+OK\r\n+OK\r\n");
        let title = shown(&server);
        // The kernel shows one page of it at most.
        let is_cut = title.len() > 1000 && expected.starts_with(&title);
        assert!(title == expected || is_cut, "{template}: {title}");
    }
    let wrong = "-ERR CONFIG SET failed (possibly related to argument 'proc-title-template') - template format is invalid or \
                 contains unknown variables\r\n+OK\r\n";
    assert_eq!(ask(&server, "CONFIG SET proc-title-template {nope}\r\n"), wrong);
    assert_eq!(shown(&server), "short again");
    assert_eq!(server.stop(), Some(0));

    let server = Server::start_with(1, &["--set-proc-title", "no", "--proc-title-template", "unused"]);
    let line = std::fs::read(format!("/proc/{}/cmdline", server.pid())).expect("the server runs");
    let line = String::from_utf8(line).expect("text");
    assert!(line.contains("torc\0--port\0") && line.contains("--set-proc-title\0no\0"), "{line:?}");
    assert_eq!(server.stop(), Some(0));
}

/// `oom-score-adj`: lower scores than the first are for root.
#[test]
fn the_kernel_is_told_how_soon_to_end_the_process() {
    let score = |server: &Server| -> i32 {
        let text = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", server.pid())).expect("the server runs");
        text.trim().parse().expect("a number")
    };
    let began: i32 =
        std::fs::read_to_string("/proc/self/oom_score_adj").expect("Linux tells").trim().parse().expect("a number");
    let server = Server::start_with(1, &["--oom-score-adj", "relative", "--oom-score-adj-values", "7", "200", "800"]);
    assert_eq!(score(&server), (began + 7).min(1000));
    for (set, expected) in [
        ("oom-score-adj absolute oom-score-adj-values \"990 0 0\"", 990),
        ("oom-score-adj-values \"2000 0 0\"", 1000),
        ("oom-score-adj yes", 1000),
    ] {
        assert_eq!(ask(&server, &format!("CONFIG SET {set}\r\n")), "+OK\r\n+OK\r\n", "{set}");
        assert_eq!(score(&server), expected, "{set}");
    }
    assert_eq!(server.stop(), Some(0));
}

/// `shard-batch`: proc(5) tells the policy of each thread, sched(7) that 3 is SCHED_BATCH.
#[test]
fn shards_are_batch_jobs_where_asked() {
    for (more, expected) in [(&[][..], 0), (&["--shard-batch", "yes"], 2)] {
        let server = Server::start_with(2, more);
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the server runs");
        let mut batch = 0;
        for task in tasks.flatten() {
            let stat = std::fs::read_to_string(task.path().join("stat")).expect("its threads stay");
            let (name, rest) = stat.rsplit_once(')').expect("a name in parentheses");
            // Field 41; the first behind the name is the third. Threads that a shard has begun have its name too.
            let policy = rest.split_ascii_whitespace().nth(41 - 3).expect("it is told");
            batch += u32::from(name.contains("(shard-") && policy == "3");
        }
        assert_eq!(batch, expected, "{more:?}");
        assert_eq!(server.stop(), Some(0));
    }
}

#[test]
fn renamed_commands_answer_to_their_new_names_only() {
    let more = [
        "--rename-command",
        "FLUSHALL",
        "",
        "--rename-command",
        "config",
        "c0nfig",
        "--rename-command",
        "GET",
        "fetch",
    ];
    let server = Server::start_with(2, &more);
    let unknown =
        |verb: &str, rest: &str| format!("-ERR unknown command '{verb}', with args beginning with: {rest}\r\n");
    let cases = [
        ("FLUSHALL", unknown("FLUSHALL", "")),
        ("CONFIG GET port", unknown("CONFIG", "'GET' 'port' ")),
        ("GET a", unknown("GET", "'a' ")),
        ("set a 1", "+OK\r\n".into()),
        ("Fetch a", "$1\r\n1\r\n".into()),
        ("FETCH", "-ERR wrong number of arguments for 'get' command\r\n".into()),
        ("C0NFIG GET databases", "*2\r\n$9\r\ndatabases\r\n$2\r\n16\r\n".into()),
        ("c0nfig nope", "-ERR unknown subcommand 'nope'. Try C0NFIG HELP.\r\n".into()),
        ("COMMAND GETKEYS fetch a", "*1\r\n$1\r\na\r\n".into()),
        ("COMMAND INFO get", "*1\r\n$-1\r\n".into()),
        ("COMMAND LIST FILTERBY PATTERN get", "*1\r\n$3\r\nget\r\n".into()),
        ("COMMAND LIST FILTERBY PATTERN flushall", "*0\r\n".into()),
    ];
    for (say, expected) in cases {
        assert_eq!(ask(&server, &format!("{say}\r\n")), format!("{expected}+OK\r\n"), "{say}");
    }
}

/// The cursor and the keys of one SCAN.
fn scan(server: &Server, cursor: &str) -> (String, Vec<String>) {
    let said = ask(server, &format!("SCAN {cursor} COUNT 300\r\n"));
    assert!(said.starts_with('*'), "{said}");
    let mut lines = said.split("\r\n").filter(|line| !line.starts_with(['*', '$', '+'])).map(String::from);
    let next = lines.next().expect("a cursor");
    (next, lines.filter(|line| !line.is_empty()).collect())
}

/// A snapshot keeps what its keys were hashed with: who started a walk before a restart ends it after, and meets no key twice.
#[test]
fn walks_go_on_after_a_restart() {
    let folder = std::env::temp_dir().join(format!("torc-walks-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("the temporary folder is writable");
    let dir = folder.to_str().expect("a plain path");
    let more = ["--dir", dir, "--save", "", "--enable-debug-command", "yes"];
    let server = Server::start_with(2, &more);
    assert_eq!(ask(&server, "DEBUG POPULATE 2000\r\nSAVE\r\n"), "+OK\r\n+OK\r\n+OK\r\n");
    let (mut cursor, mut keys) = scan(&server, "0");
    assert_ne!(cursor, "0");
    assert_eq!(server.stop(), Some(0));
    let server = Server::start_with(2, &more);
    while ask(&server, "DBSIZE\r\n").starts_with("-LOADING") {
        std::thread::sleep(Duration::from_millis(10));
    }
    while cursor != "0" {
        let (next, found) = scan(&server, &cursor);
        keys.extend(found);
        cursor = next;
    }
    let seen = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((seen, keys.len()), (2000, 2000));
    assert_eq!(server.stop(), Some(0));
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

/// A data folder that may be read and not written to: the server serves, says of each save why it failed, and that there
/// is no append log. One that may not be looked into ends the start.
#[test]
fn a_folder_without_permission_is_told_of() {
    let folder = std::env::temp_dir().join(format!("torc-start-{}", std::process::id()));
    let (read_only, shut) = (folder.join("read-only"), folder.join("shut"));
    let modes = [(&folder, 0o777), (&read_only, 0o555), (&shut, 0o000)];
    for (path, mode) in modes {
        std::fs::create_dir(path).expect("the temporary folder is writable");
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }
    let text = |path: &Path| path.to_str().expect("a plain path").to_string();
    let Some(server) = Server::start_as_nobody(1, &["--dir", &text(&read_only), "--save", ""]) else {
        println!("skipped: a user without rights cannot get at the server's program");
        return;
    };
    let said = ask(&server, "SET a 1\r\nSAVE\r\nCONFIG SET appendonly yes\r\nGET a\r\nINFO persistence\r\n");
    let why = format!("{}/torc.lock: Permission denied", read_only.display());
    assert!(said.starts_with(&format!("+OK\r\n-ERR {why}\r\n")), "{said}");
    // As in Redis the log is tried again and again.
    assert!(said.contains("aof_enabled:1") && said.contains("aof_last_bgrewrite_status:err"), "{said}");
    assert!(said.contains("$1\r\n1\r\n") && said.contains("rdb_last_bgsave_status:err"), "{said}");
    drop(server);
    for (dir, more) in [(&read_only, "yes"), (&shut, "no")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_torc"));
        command.args([
            "--port",
            "0",
            "--memcached-port",
            "0",
            "--unixsocket",
            &text(&folder.join("socket")),
            "--shards",
            "1",
        ]);
        command.args(["--appendonly", more, "--dir", &text(dir)]);
        let output = as_nobody(&mut command).output().expect("it could be started above");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("Permission denied"), "{dir:?}: {said}");
    }
    std::fs::set_permissions(&shut, Permissions::from_mode(0o700)).expect("it is ours");
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

/// `syslog-enabled`: lines without their layout, as syslog(3) sends them to whoever has `/dev/log`.
#[test]
fn lines_go_to_syslog_too() {
    const DOOR: &str = "/dev/log";
    if Path::new(DOOR).exists() {
        println!("skipped: {DOOR} is another's");
        return;
    }
    let Ok(socket) = UnixDatagram::bind(DOOR) else {
        println!("skipped: {DOOR} cannot be made by this user");
        return;
    };
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time");
    let seen = std::panic::catch_unwind(|| {
        let more = ["--syslog-enabled", "yes", "--syslog-ident", "cache-7", "--syslog-facility", "local3"];
        let more = [&more[..], &["--loglevel", "notice", "--logfile", "own.log"]].concat();
        let server = Server::start_with(1, &more);
        let pid = server.pid();
        assert_eq!(server.stop(), Some(0));
        let mut seen = Vec::new();
        let mut line = [0; 8192];
        while let Ok(n) = socket.recv(&mut line) {
            seen.push(String::from_utf8_lossy(&line[..n]).into_owned());
            if seen.last().is_some_and(|line| line.contains("bye bye")) {
                break;
            }
        }
        (pid, seen)
    });
    std::fs::remove_file(DOOR).expect("it is ours");
    let (pid, seen) = seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    // Others of this host may write there too. Facility 19 times 8, and 5 for a notice, 4 for a warning.
    let ours: Vec<&String> = seen.iter().filter(|line| line.contains(&format!(" cache-7[{pid}]: "))).collect();
    for (priority, end) in [("<157>", "Ready to accept connections"), ("<156>", "bye bye...")] {
        let is_there = ours.iter().any(|line| line.starts_with(priority) && line.ends_with(end));
        assert!(is_there, "{priority} {end}: {seen:?}");
    }
}
