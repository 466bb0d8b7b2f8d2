//! Writes down what a genuine server replies: `record host:port file.case ...` puts an expectation below each ask that
//! has none. What is volatile in it is then to be replaced by a pattern, and all of it to be read.

use cases::run::{Ask, Received, Target};
use cases::text::words;
use cases::{Dialect, SocketTarget, Value};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(address) = args.next() else {
        eprintln!("record host:port file.case ...");
        return ExitCode::FAILURE;
    };
    for file in args {
        let filled = std::fs::read_to_string(&file).map_err(|e| e.to_string()).and_then(|text| fill(&address, &text));
        let written = filled.and_then(|text| std::fs::write(&file, text).map_err(|e| e.to_string()));
        if let Err(error) = written {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// RESP connections only: what a line without a name asks, and `name> words`.
fn asked(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once("> ")?;
    name.chars().all(|c| c.is_ascii_alphanumeric()).then_some((name, rest))
}

fn fill(address: &str, text: &str) -> Result<String, String> {
    let (two, three) = (replies(address, text, 2)?, replies(address, text, 3)?);
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        out += line;
        out += "\n";
        let known = lines.get(i + 1).is_some_and(|next| next.contains('<') && asked(next).is_none());
        if !two[i].is_empty() && !known {
            out += &format!("< {}\n", two[i]);
            if two[i] != three[i] {
                out += &format!("<3 {}\n", three[i]);
            }
        }
    }
    Ok(out)
}

/// What each line's ask is answered, by line.
fn replies(address: &str, text: &str, proto: u8) -> Result<Vec<String>, String> {
    let mut target = SocketTarget::new(address, None, &[])?;
    let mut open: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for line in text.lines() {
        let mut shown = String::new();
        if line.starts_with("= ") {
            target.reset()?;
            open.clear();
        } else if let Some(ms) = line.strip_prefix(". ") {
            target.wait(ms.parse().map_err(|_| format!("milliseconds: {line}"))?);
        } else if let Some((name, ask)) = asked(line) {
            if !open.iter().any(|n| n == name) {
                target.open(name, Dialect::Resp, proto).map_err(|e| e.0)?;
                open.push(name.into());
            }
            let words = words(ask, target.now_ms())?;
            target.send(name, Ask::Words(&words)).map_err(|e| e.0)?;
            let mut buffer = Vec::new();
            shown = loop {
                if let Some((value, _)) = Value::decode(&buffer)? {
                    break value.render();
                }
                match target.receive(name, 1000) {
                    Received::Bytes(bytes) => buffer.extend(bytes),
                    // CLIENT REPLY OFF, and what follows it.
                    Received::Nothing => break String::new(),
                    Received::Closed => break "closed".into(),
                }
            };
        }
        all.push(shown);
    }
    Ok(all)
}
