//! Room: loadgen, tests. What a run draws on stderr while it goes on: a screen on a terminal, which is given back however the
//! run ends; lines elsewhere; nothing when asked. A terminal is made by `script` (util-linux).

mod common;

use common::patiently;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

/// A server on a free port that answers every ask with OK.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(talk(stream)));
        }
    });
    port
}

fn talk(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    let number = |line: &str| line.get(1..).unwrap_or("").trim_end().parse::<usize>().map_err(std::io::Error::other);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        for _ in 0..number(&line)? {
            let mut length = String::new();
            input.read_line(&mut length)?;
            let mut word = vec![0; number(&length)? + 2];
            input.read_exact(&mut word)?;
        }
        out.write_all(b"+OK\r\n")?;
    }
}

const TORC_LOAD: &str = env!("CARGO_BIN_EXE_torc-load");

/// SETs at a low rate for `seconds`.
fn arguments(port: u16, seconds: &str) -> String {
    format!("--target resp://127.0.0.1:{port} --connections 2 --rate 500 --ratio 0:1 --keys 100 --duration {seconds}")
}

/// What `command` writes to a terminal of 80 by 24, and `script`'s exit code, which is the command's.
fn on_a_terminal(command: &str) -> Option<(String, i32)> {
    let output = Command::new("script")
        .args(["-qec", &format!("stty rows 24 cols 80; {command}"), "/dev/null"])
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => Some((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))),
        Err(_) => {
            println!("skipped: no script (util-linux) is installed");
            None
        }
    }
}

const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
const HIDE: &str = "\u{1b}[?25l";
const SHOW: &str = "\u{1b}[?25h";

#[test]
fn a_terminal_is_given_back_however_the_run_ends() {
    patiently(ends_on_a_terminal);
}

fn ends_on_a_terminal() {
    let port = serve();
    // How the run ends, and the exit code: 128 and the signal's number where a signal ended it.
    let cases = [
        ("the end", format!("{TORC_LOAD} {}", arguments(port, "1s")), 0),
        (
            "SIGTERM",
            format!("timeout --foreground --preserve-status -s TERM 2 {TORC_LOAD} {}", arguments(port, "9s")),
            143,
        ),
        (
            "SIGINT",
            format!("timeout --foreground --preserve-status -s INT 2 {TORC_LOAD} {}", arguments(port, "9s")),
            130,
        ),
        ("a failure", format!("{TORC_LOAD} {}", arguments(1, "9s")), 1),
    ];
    for (how, command, code) in cases {
        let Some((shown, ended)) = on_a_terminal(&command) else { return };
        assert_eq!(ended, code, "{how}: {shown:?}");
        assert_eq!(shown.matches(ENTER).count(), shown.matches(LEAVE).count(), "{how}: {shown:?}");
        assert_eq!(shown.matches(HIDE).count(), shown.matches(SHOW).count(), "{how}: {shown:?}");
        if let Some((_, after)) = shown.rsplit_once(LEAVE) {
            assert!(!after.contains('\u{1b}'), "{how}: nothing is drawn after the screen is left: {after:?}");
        }
        if how != "a failure" {
            assert!(shown.contains(ENTER) && shown.contains("p99.9"), "{how}: a screen was drawn: {shown:?}");
        }
        if how == "the end" {
            let after = shown.rsplit_once(LEAVE).expect("left").1;
            assert!(after.contains("per second"), "the table stands where it stays: {after:?}");
        }
    }
}

#[test]
fn one_line_is_drawn_over_when_asked() {
    patiently(one_line);
}

fn one_line() {
    let Some((shown, code)) = on_a_terminal(&format!("{TORC_LOAD} --line {}", arguments(serve(), "2s"))) else {
        return;
    };
    assert_eq!(code, 0, "{shown:?}");
    assert!(
        !shown.contains(ENTER) && shown.matches("\u{1b}[1G").count() > 2 && shown.contains(" of 500/s"),
        "{shown:?}"
    );
}

#[test]
fn nothing_is_drawn_when_asked_for_or_where_it_would_be_in_the_way() {
    let port = serve();
    if let Some((shown, code)) = on_a_terminal(&format!("{TORC_LOAD} --quiet {}", arguments(port, "1s"))) {
        assert_eq!(code, 0, "{shown:?}");
        assert!(!shown.contains('\u{1b}') && !shown.contains("left"), "{shown:?}");
    }
    let arguments = arguments(port, "1s");
    let output = Command::new(TORC_LOAD).args(arguments.split(' ')).arg("--json").output().expect("it was built");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(!err.contains('\u{1b}') && !err.contains('\r'), "{err:?}");
    assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "stdout is the report alone: {out}");
}
