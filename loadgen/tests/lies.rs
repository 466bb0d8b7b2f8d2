//! Room: loadgen, tests. `torc-load` against a server that lies in one way at a time: each lie ends in its exit code.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    None,
    /// Half of this value and half of the one before.
    Torn,
    /// The value before this one.
    Stale,
    /// Says OK and keeps the old value.
    LostWrite,
    /// Another key's value.
    WrongKey,
    Forgets,
    Refuses,
    HangsUp,
    BreaksProtocol,
}

type Held = HashMap<Vec<u8>, Vec<Vec<u8>>>;

/// Serves RESP on a free port until the test ends; lies in every fiftieth answer of its kind.
fn serve(lie: Lie) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let held: Arc<Mutex<(Held, u64)>> = Arc::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let held = held.clone();
            std::thread::spawn(move || drop(talk(stream, lie, &held)));
        }
    });
    port
}

fn talk(stream: TcpStream, lie: Lie, held: &Mutex<(Held, u64)>) -> std::io::Result<()> {
    // Two answers in flight and a delayed acknowledgement would cost 40 ms each.
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    loop {
        let count = header(&mut input)?;
        let mut words = Vec::new();
        for _ in 0..count {
            let mut word = vec![0; header(&mut input)? + 2];
            input.read_exact(&mut word)?;
            word.truncate(word.len() - 2);
            words.push(word);
        }
        let answer = {
            let (held, turn) = &mut *held.lock().expect("no panic while held");
            *turn += 1;
            // Past populating (200 keys), now and then.
            answer(held, &words, if *turn > 500 && turn.is_multiple_of(50) { lie } else { Lie::None })
        };
        match answer {
            Some(answer) => out.write_all(&answer)?,
            None => return Ok(()),
        }
    }
}

fn header(input: &mut impl BufRead) -> std::io::Result<usize> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    line.get(1..).unwrap_or("").trim_end().parse().map_err(std::io::Error::other)
}

fn answer(held: &mut Held, words: &[Vec<u8>], lie: Lie) -> Option<Vec<u8>> {
    if lie == Lie::HangsUp {
        return None;
    }
    if lie == Lie::Refuses {
        return Some(b"-ERR not today\r\n".to_vec());
    }
    let key = &words[1];
    if words[0] == b"SET" {
        let values = held.entry(key.clone()).or_default();
        if lie != Lie::LostWrite {
            values.push(words[2].clone());
        }
        return Some(b"+OK\r\n".to_vec());
    }
    if words[0] == b"DEL" {
        return Some(if held.remove(key).is_some() { b":1\r\n".to_vec() } else { b":0\r\n".to_vec() });
    }
    let other = (lie == Lie::WrongKey).then(|| held.keys().find(|k| *k != key).cloned()).flatten();
    let key = other.as_ref().unwrap_or(key);
    let Some(values) = held.get(key).filter(|_| lie != Lie::Forgets) else { return Some(b"$-1\r\n".to_vec()) };
    let last = values.last()?.clone();
    let before = values.iter().rev().nth(1).cloned().unwrap_or(last.clone());
    let value = match lie {
        Lie::Stale => before,
        Lie::Torn => [&last[..last.len() / 2], &before[before.len() / 2..]].concat(),
        _ => last,
    };
    let len = if lie == Lie::BreaksProtocol { value.len() - 1 } else { value.len() };
    Some([format!("${len}\r\n").as_bytes(), &value, b"\r\n"].concat())
}

fn load(port: u16, more: &[&str]) -> Output {
    let target = format!("resp://127.0.0.1:{port}");
    let mut arguments = vec!["--target", &target, "--connections", "4", "--threads", "2", "--pipeline", "2"];
    arguments.extend(["--keys", "200", "--requests", "20000", "--ratio", "1:1", "--value-size", "64"]);
    arguments.extend(more);
    Command::new(env!("CARGO_BIN_EXE_torc-load")).args(arguments).output().expect("torc-load was built")
}

#[test]
fn each_lie_ends_in_its_exit_code() {
    let cases = [
        (Lie::None, 0, "verified"),
        (Lie::Torn, 2, "torn"),
        (Lie::Stale, 2, "stale"),
        (Lie::LostWrite, 2, "stale"),
        (Lie::WrongKey, 2, "wrong key"),
        (Lie::Forgets, 2, "lost"),
        (Lie::Refuses, 3, "ERR not today"),
        (Lie::HangsUp, 1, "dropped connection"),
        (Lie::BreaksProtocol, 2, "breaks the protocol"),
    ];
    for (lie, code, told) in cases {
        let output = load(serve(lie), &["--populate", "--verify"]);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{lie:?}: {text}");
        assert!(text.contains(told), "{lie:?}: {text}");
    }
}

#[test]
fn a_run_is_made_in_every_pace() {
    let port = serve(Lie::None);
    let cases: [&[&str]; 4] = [
        &["--populate", "--closed", "--json"],
        &["--populate", "--rate", "20000", "--json"],
        &["--populate", "--verify", "--deletes", "20", "--rate", "40000", "--json", "--key-prefix", "other:"],
        &["--rate", "1000", "--requests", "300", "--duration", "5s", "--json"],
    ];
    for more in cases {
        // The last of two equal options would be refused: the defaults give way.
        let target = format!("resp://127.0.0.1:{port}");
        let mut arguments = vec!["--target", &target, "--connections", "4", "--pipeline", "4", "--keys", "200"];
        if !more.contains(&"--requests") {
            arguments.extend(["--requests", "5000"]);
        }
        arguments.extend(more);
        let output = Command::new(env!("CARGO_BIN_EXE_torc-load")).args(&arguments).output().expect("built");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{more:?}: {out}{err}");
        let count = if more.contains(&"300") { 300 } else { 5000 };
        assert!(out.contains(&format!("\"all\":{{\"count\":{count},")), "{more:?}: {out}");
        assert!(out.contains("\"unanswered\":0"), "{more:?}: {out}");
    }
}

#[test]
fn what_cannot_be_run_is_refused() {
    // Nobody listens there: ports below 1024 are root's, and this one has no service.
    let unused = 1;
    let cases: [(u16, &[&str]); 5] = [
        (1, &["--duration", "1s"]),
        (64, &["--value-size", "9-5"]),
        (64, &["--verify", "--value-size", "10"]),
        (64, &["--no-such-option"]),
        (64, &["--rate", "0"]),
    ];
    for (code, more) in cases {
        let target = format!("resp://127.0.0.1:{unused}");
        let output = Command::new(env!("CARGO_BIN_EXE_torc-load"))
            .args(["--target", &target])
            .args(more)
            .output()
            .expect("torc-load was built");
        assert_eq!(output.status.code(), Some(i32::from(code)), "{more:?}");
        assert!(!output.stderr.is_empty(), "{more:?} says why");
    }
}
