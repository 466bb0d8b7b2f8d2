//! `.case` files: text to steps.

use crate::pattern::Pattern;
use std::path::{Path, PathBuf};

/// How long `silence` listens.
pub const SILENCE_MS: u64 = 30;

/// One transcript: starts from an empty server and fresh connections.
#[derive(Clone, Debug)]
pub struct Case {
    pub file: PathBuf,
    /// Of the title.
    pub line: usize,
    pub title: String,
    /// `@ since 7.2.0`: a genuine server below this skips it.
    pub since: (u32, u32, u32),
    /// `@ resp 2`, `@ resp 3`: only in this protocol. Else in both, one after the other.
    pub resp: Option<u8>,
    /// `@ needs word ...`: skipped where the target does not offer all of it.
    pub needs: Vec<String>,
    pub steps: Vec<(usize, Step)>,
}

impl Case {
    /// The time that it lets pass.
    pub fn waits_ms(&self) -> u64 {
        let ms = |(_, step): &(usize, Step)| match step {
            Step::Wait(ms) => *ms,
            Step::Expect { two, three, .. }
                if [two, three].into_iter().flatten().any(|e| matches!(e, Expect::Silence)) =>
            {
                SILENCE_MS
            }
            _ => 0,
        };
        self.steps.iter().map(ms).sum()
    }
}

#[derive(Clone, Debug)]
pub enum Step {
    /// `> words`, `name> words`: an ask; on a memcached connection a line, sent as it is with its end.
    Ask { connection: String, text: String },
    /// `>> "bytes"`: bytes as they are.
    Raw { connection: String, text: String },
    /// `< reply`: the next reply (or line) on the connection asked last, or on the one named.
    Expect { connection: String, two: Option<Expect>, three: Option<Expect> },
    /// `. 100`: so many ms pass.
    Wait(u64),
}

#[derive(Clone, Debug)]
pub enum Expect {
    /// With its text.
    Reply(Pattern, String),
    /// memcached: a line.
    Line(String),
    /// memcached, `<~`: a line that fits.
    LineLike(String),
    /// `< closed`
    Closed,
    /// `< silence`: nothing comes for a moment.
    Silence,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    Resp,
    Memcache,
}

impl Dialect {
    /// Connections whose name begins with `m` speak memcached's text protocol.
    pub fn of(connection: &str) -> Dialect {
        if connection.starts_with('m') { Dialect::Memcache } else { Dialect::Resp }
    }
}

/// Every `.case` file below a folder, by name.
pub fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else if path.extension().is_some_and(|e| e == "case") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

fn version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(|p| p.parse().ok());
    Some((parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?))
}

/// What stands before `mark` names a connection; none: the first one, `""`.
fn mark<'a>(line: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (name, rest) = line.split_once(mark)?;
    let named = name.chars().all(|c| c.is_ascii_alphanumeric());
    named.then_some((name, rest.strip_prefix(' ').unwrap_or(rest)))
}

/// Reads one file's cases. An error names file and line.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let n = i + 1;
        step(file, n, line.trim_end(), &mut cases).map_err(|e| format!("{}:{n}: {e}", file.display()))?;
    }
    Ok(cases)
}

fn step(file: &Path, n: usize, line: &str, cases: &mut Vec<Case>) -> Result<(), String> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(());
    }
    if let Some(title) = line.strip_prefix("= ") {
        cases.push(Case {
            file: file.into(),
            line: n,
            title: title.into(),
            since: (0, 0, 0),
            resp: None,
            needs: Vec::new(),
            steps: Vec::new(),
        });
        return Ok(());
    }
    let case = cases.last_mut().ok_or("a case begins with `= title`")?;
    if let Some(directive) = line.strip_prefix("@ ") {
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        match word {
            "since" => case.since = version(rest).ok_or("a version is missing")?,
            "resp" => case.resp = Some(rest.parse().map_err(|_| "2 or 3")?),
            "needs" => case.needs.extend(rest.split(' ').map(String::from)),
            _ => return Err(format!("unknown directive: {word}")),
        }
        return Ok(());
    }
    if let Some(ms) = line.strip_prefix(". ") {
        case.steps.push((n, Step::Wait(ms.parse().map_err(|_| "milliseconds")?)));
        return Ok(());
    }
    if let Some((connection, text)) = mark(line, ">>") {
        case.steps.push((n, Step::Raw { connection: connection.into(), text: text.into() }));
        return Ok(());
    }
    if let Some((connection, text)) = mark(line, ">") {
        case.steps.push((n, Step::Ask { connection: connection.into(), text: text.into() }));
        return Ok(());
    }
    let (name, text) = mark(line, "<").ok_or("a line begins with one of: = @ # . > >> <")?;
    expect(name, text, n, &mut case.steps)
}

fn expect(name: &str, text: &str, n: usize, steps: &mut Vec<(usize, Step)>) -> Result<(), String> {
    let last = steps.iter().rev().find_map(|(_, step)| match step {
        Step::Ask { connection, .. } | Step::Raw { connection, .. } | Step::Expect { connection, .. } => {
            Some(connection)
        }
        Step::Wait(_) => None,
    });
    let connection = if name.is_empty() { last.cloned().ok_or("nothing was asked")? } else { name.to_string() };
    if Dialect::of(&connection) == Dialect::Memcache {
        let expect = match (text, text.strip_prefix("~ ")) {
            ("closed", _) => Expect::Closed,
            ("silence", _) => Expect::Silence,
            (_, Some(like)) => Expect::LineLike(like.into()),
            (line, None) => Expect::Line(line.into()),
        };
        steps.push((n, Step::Expect { connection, two: Some(expect), three: None }));
        return Ok(());
    }
    // `<2 reply`, `<3 reply`: the reply in this protocol. `<3` right after `<2` or `<` is the same reply's other form.
    let (proto, text) = match text.as_bytes() {
        [b'2', b' ', ..] if mark_is_joined(text) => (2, &text[2..]),
        [b'3', b' ', ..] if mark_is_joined(text) => (3, &text[2..]),
        _ => (0, text),
    };
    let expect = match text {
        "closed" => Expect::Closed,
        "silence" => Expect::Silence,
        text => Expect::Reply(Pattern::parse(text)?, text.into()),
    };
    match (proto, steps.last_mut()) {
        (3, Some((_, Step::Expect { connection: c, three, .. }))) if *c == connection && three.is_none() => {
            *three = Some(expect);
        }
        (3, _) => steps.push((n, Step::Expect { connection, two: None, three: Some(expect) })),
        _ => steps.push((n, Step::Expect { connection, two: Some(expect), three: None })),
    }
    Ok(())
}

/// Told apart from an integer reply: nothing else may follow one.
fn mark_is_joined(text: &str) -> bool {
    text.len() > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read() {
        let text = "# words\n= one\n@ since 7.2\n> SET a 1\n< +OK\n\n= two\n@ resp 3\n@ needs raw clock\n2> GET a\n. 5\n< nil\n\
                    <3 {\"a\": 1}\nm1> get a\n< END\nm1<~ a*\n>> \"x\"\n< closed\n> HELLO\n< [1]\n<3 {1: 2}\n";
        let cases = parse(Path::new("x.case"), text).unwrap();
        assert_eq!(cases.len(), 2);
        assert_eq!((cases[0].since, cases[0].line, cases[0].steps.len()), ((7, 2, 0), 2, 2));
        assert_eq!((cases[1].resp, cases[1].needs.len(), cases[1].steps.len()), (Some(3), 2, 10));
        let Step::Expect { connection, two: Some(_), three: Some(_) } = &cases[1].steps[2].1 else { panic!() };
        assert_eq!(connection, "2");
        for wrong in ["> a", "= t\n< 1", "= t\nfoo", "= t\n@ what", "= t\n> a\n< [", "= t\n. x"] {
            assert!(parse(Path::new("x"), wrong).is_err(), "{wrong}");
        }
    }
}
