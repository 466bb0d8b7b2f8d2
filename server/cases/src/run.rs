//! Runs cases against a target and tells what came out.

use crate::case::{Case, Dialect, Expect, SILENCE_MS, Step, files, parse};
use crate::text::{escape, glob, quoted, words};
use crate::value::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Anything that answers.
pub trait Target {
    /// A genuine server's version. `None`: our own, which has all.
    fn version(&self) -> Option<(u32, u32, u32)>;
    /// Whether the target offers what `@ needs` names.
    fn offers(&self, need: &str) -> bool;
    /// An empty server, no connections.
    fn reset(&mut self) -> Result<(), String>;
    fn now_ms(&mut self) -> u64;
    /// Time passes by itself: whoever plays may come too late for what a case does within some milliseconds.
    fn is_live(&self) -> bool {
        false
    }
    fn wait(&mut self, ms: u64);
    /// A new connection. `proto` is 2 or 3, meant for `Dialect::Resp`.
    fn open(&mut self, connection: &str, dialect: Dialect, proto: u8) -> Result<(), Unsupported>;
    fn send(&mut self, connection: &str, ask: Ask<'_>) -> Result<(), Unsupported>;
    /// What has come since the last call; waits for it up to `patience_ms`.
    fn receive(&mut self, connection: &str, patience_ms: u64) -> Received;
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    /// To a RESP connection.
    Words(&'a [Vec<u8>]),
    /// As they are. To a memcached connection, or where raw bytes are asked for.
    Bytes(&'a [u8]),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    Bytes(Vec<u8>),
    Nothing,
    Closed,
}

/// This target cannot do what a case asks: the case is skipped, with the reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsupported(pub String);

/// Words as a RESP request.
pub fn request(words: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// What came out of a run.
#[derive(Default, Debug)]
pub struct Report {
    /// Cases that ran, each protocol counted.
    pub ran: usize,
    /// Replies that were checked.
    pub checked: usize,
    /// (case, reason)
    pub skipped: Vec<(String, String)>,
    /// Cases that were played again because the machine was late.
    pub again: usize,
    pub failed: Vec<String>,
}

impl Report {
    /// One paragraph: counts, reasons for skipping, failures.
    pub fn summary(&self) -> String {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        self.skipped.iter().for_each(|(_, reason)| *reasons.entry(reason).or_default() += 1);
        let mut out = format!(
            "{} cases ran, {} replies checked, {} failed, {} skipped, {} played again for being late\n",
            self.ran,
            self.checked,
            self.failed.len(),
            self.skipped.len(),
            self.again
        );
        reasons.iter().for_each(|(reason, n)| out += &format!("  skipped {n}: {reason}\n"));
        self.failed.iter().for_each(|failure| out += &format!("{failure}\n"));
        out
    }

    /// Panics with the summary when a case failed, or when nothing ran at all.
    pub fn expect_good(&self) {
        assert!(self.failed.is_empty() && self.ran > 0, "{}", self.summary());
        println!("{}", self.summary());
    }
}

/// Runs every `.case` file below `folder`.
pub fn run_files(folder: &Path, target: &mut dyn Target) -> Report {
    let mut report = Report::default();
    let files = files(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        match parse(&file, &text) {
            Ok(cases) => cases.iter().for_each(|case| run(case, target, &mut report)),
            Err(error) => report.failed.push(error),
        }
    }
    report
}

/// Runs one case, in each protocol that it is meant for.
pub fn run(case: &Case, target: &mut dyn Target, report: &mut Report) {
    let resp = case.steps.iter().any(|(_, step)| match step {
        Step::Ask { connection, .. } | Step::Raw { connection, .. } | Step::Expect { connection, .. } => {
            Dialect::of(connection) == Dialect::Resp
        }
        Step::Wait(_) => false,
    });
    let protos: &[u8] = match case.resp {
        Some(2) => &[2],
        Some(_) => &[3],
        None if resp => &[2, 3],
        None => &[2],
    };
    for &proto in protos {
        let name = format!("{}:{} {} (RESP{proto})", case.file.display(), case.line, case.title);
        if target.version().is_some_and(|v| v < case.since) {
            report.skipped.push((name, "the server is older than the case".into()));
            continue;
        }
        if let Some(need) = case.needs.iter().find(|need| !target.offers(need)) {
            report.skipped.push((name, format!("needs {need}")));
            continue;
        }
        for plays_left in (0..PLAYS_MAX).rev() {
            let begun_ms = target.now_ms();
            let mut play = Play { target: &mut *target, proto, open: BTreeMap::new(), checked: 0, wrong: Vec::new() };
            let played = play.all(case);
            let Play { checked, wrong, .. } = play;
            if let Err(Unsupported(reason)) = played {
                report.skipped.push((name, reason));
                break;
            }
            let took_ms = target.now_ms().saturating_sub(begun_ms);
            let late = target.is_live() && (case.waits_ms() > 0 || took_ms > LATE_MS);
            if !wrong.is_empty() && late && plays_left > 0 {
                report.again += 1;
                continue;
            }
            report.ran += 1;
            report.checked += checked;
            if !wrong.is_empty() {
                report.failed.push(format!("{name}\n  {}", wrong.join("\n  ")));
            }
            break;
        }
    }
}

/// How long a reply may take before it counts as missing.
const PATIENCE_MS: u64 = 30_000;
/// On a running clock a case that lets time pass may come too late for what it is to meet, and so may the server: it is played
/// again when it fails, so many times in all. In simulated time, where all of them are played too, nothing is late.
const PLAYS_MAX: u32 = 5;
/// A case that lets no time pass is late when it took longer, ms: deadlines are in seconds there, rounded by halves.
const LATE_MS: u64 = 200;

struct Play<'a> {
    target: &'a mut dyn Target,
    proto: u8,
    /// Connections by name: bytes received and not yet read, and whether the end was seen.
    open: BTreeMap<String, (Vec<u8>, bool)>,
    checked: usize,
    wrong: Vec<String>,
}

impl Play<'_> {
    fn all(&mut self, case: &Case) -> Result<(), Unsupported> {
        if let Err(error) = self.target.reset() {
            self.wrong.push(format!("the target could not be reset: {error}"));
            return Ok(());
        }
        for (line, step) in &case.steps {
            if let Err(error) = self.step(step)? {
                self.wrong.push(format!("line {line}: {error}"));
            }
        }
        let names: Vec<String> = self.open.keys().cloned().collect();
        for name in names {
            self.listen(&name, 0);
            if let Some((left, _)) = self.open.get(&name).filter(|(left, _)| !left.is_empty()) {
                self.wrong.push(format!("more came on connection {name:?}: {}", escape(left)));
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Result<(), String>, Unsupported> {
        match step {
            Step::Wait(ms) => {
                self.target.wait(*ms);
                Ok(Ok(()))
            }
            Step::Raw { connection, text } => {
                self.open(connection)?;
                match quoted(text.trim()) {
                    Ok((bytes, "")) => self.target.send(connection, Ask::Bytes(&bytes)).map(Ok),
                    Ok((_, more)) => Ok(Err(format!("too much: {more}"))),
                    Err(error) => Ok(Err(error)),
                }
            }
            Step::Ask { connection, text } => {
                self.open(connection)?;
                if Dialect::of(connection) == Dialect::Memcache {
                    return self.target.send(connection, Ask::Bytes(format!("{text}\r\n").as_bytes())).map(Ok);
                }
                match words(text, self.target.now_ms()) {
                    Ok(words) => self.target.send(connection, Ask::Words(&words)).map(Ok),
                    Err(error) => Ok(Err(error)),
                }
            }
            Step::Expect { connection, two, three } => {
                let expect = match (self.proto, two, three) {
                    (3, _, Some(three)) => three,
                    (_, Some(two), _) => two,
                    // `<3` alone: nothing to see in RESP2.
                    _ => return Ok(Ok(())),
                };
                if !self.open.contains_key(connection) {
                    return Ok(Err(format!("connection {connection:?} was never used")));
                }
                self.checked += 1;
                Ok(self.expect(connection, expect))
            }
        }
    }

    fn open(&mut self, connection: &str) -> Result<(), Unsupported> {
        if !self.open.contains_key(connection) {
            self.target.open(connection, Dialect::of(connection), self.proto)?;
            self.open.insert(connection.into(), (Vec::new(), false));
        }
        Ok(())
    }

    /// More bytes into the buffer. False: none came.
    fn listen(&mut self, connection: &str, patience_ms: u64) -> bool {
        let Some((buffer, closed)) = self.open.get_mut(connection) else { return false };
        match self.target.receive(connection, patience_ms) {
            Received::Bytes(bytes) => {
                buffer.extend_from_slice(&bytes);
                true
            }
            Received::Nothing => false,
            Received::Closed => {
                *closed = true;
                false
            }
        }
    }

    fn expect(&mut self, connection: &str, expect: &Expect) -> Result<(), String> {
        match expect {
            Expect::Silence => {
                self.listen(connection, SILENCE_MS);
                match &self.open[connection] {
                    (buffer, _) if buffer.is_empty() => Ok(()),
                    (buffer, _) => Err(format!("expected silence, got {}", escape(buffer))),
                }
            }
            Expect::Closed => {
                while self.listen(connection, PATIENCE_MS) {}
                match &self.open[connection] {
                    (buffer, true) if buffer.is_empty() => Ok(()),
                    (buffer, _) => Err(format!("expected the end of the connection, got {}", escape(buffer))),
                }
            }
            Expect::Reply(pattern, text) => {
                let value = self.value(connection)?;
                if pattern.fits(&value) {
                    Ok(())
                } else {
                    Err(format!("expected {text}\n         got {}", value.render()))
                }
            }
            Expect::Line(expected) => {
                let line = self.line(connection)?;
                if line == *expected { Ok(()) } else { Err(format!("expected {expected}\n         got {line}")) }
            }
            Expect::LineLike(like) => {
                let line = self.line(connection)?;
                let fits = glob(like.as_bytes(), line.as_bytes());
                if fits { Ok(()) } else { Err(format!("expected {like}\n         got {line}")) }
            }
        }
    }

    fn value(&mut self, connection: &str) -> Result<Value, String> {
        loop {
            let (buffer, _) = self.open.get_mut(connection).ok_or("no such connection")?;
            if let Some((value, used)) = Value::decode(buffer)? {
                buffer.drain(..used);
                return Ok(value);
            }
            if !self.listen(connection, PATIENCE_MS) {
                return Err(format!("no reply came, only {:?}", escape(&self.open[connection].0)));
            }
        }
    }

    fn line(&mut self, connection: &str) -> Result<String, String> {
        loop {
            let (buffer, _) = self.open.get_mut(connection).ok_or("no such connection")?;
            if let Some(end) = buffer.windows(2).position(|w| w == b"\r\n") {
                let line = buffer.drain(..end + 2).take(end).collect::<Vec<u8>>();
                return Ok(escape(&line).replace("\\\"", "\"").replace("\\\\", "\\"));
            }
            if !self.listen(connection, PATIENCE_MS) {
                return Err(format!("no line came, only {:?}", escape(&self.open[connection].0)));
            }
        }
    }
}
