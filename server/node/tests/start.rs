//! Room: node, tests. What a start-up setting does to the process, seen from outside: by the kernel's files and by clients.

mod live;

use live::Server;
use std::io::{Read, Write};
use std::net::TcpStream;

/// What comes back for inline asks, until the server closes after QUIT.
fn ask(server: &Server, asks: &str) -> String {
    let mut stream = TcpStream::connect(&server.resp).expect("the server listens");
    stream.write_all(format!("{asks}QUIT\r\n").as_bytes()).expect("the server reads");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("replies are text");
    all
}

/// `disable-thp`: proc(5) tells whether the process may have huge pages.
#[test]
fn huge_pages_are_refused_unless_the_host_decides() {
    for (more, expected) in [(&[][..], "0"), (&["--disable-thp", "yes"], "0"), (&["--disable-thp", "no"], "1")] {
        let server = Server::start_with(1, more);
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
        let Some(told) = status.lines().find_map(|line| line.strip_prefix("THP_enabled:")) else {
            println!("skipped: this kernel does not tell THP_enabled");
            return;
        };
        assert_eq!(told.trim(), expected, "{more:?}");
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
