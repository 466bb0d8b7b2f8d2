//! Room: node, tests. What a start-up setting does to the process, seen from outside: by the kernel's files and by clients.

mod live;

use live::Server;

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
