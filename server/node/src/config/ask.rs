//! Room: config. CONFIG GET and CONFIG SET. Touches: settings, row, base.
//!
//! CONFIG SET is all or nothing: `set` gives the settings as they would be, the caller brings what changed into force (a
//! listener, a limit of the system) and may still refuse, and only then takes them over.

use super::load::{enter, idle_warning};
use super::row::{self, Change, How, Row};
use super::rows::ROWS;
use super::settings::Settings;
use base::{Args, Fault};
use std::path::Path;

/// The pairs that CONFIG GET answers with: `patterns` are its words after GET.
pub fn get(settings: &Settings, patterns: Args<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut add = |name: &[u8], row: &Row| {
        if !pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            pairs.push((name.to_vec(), row.get(settings)));
        }
    };
    for pattern in patterns.iter() {
        // As Redis: what has none of these is a name, be it of a hidden setting, and is answered as it was spelled.
        if !pattern.iter().any(|b| matches!(b, b'[' | b'*' | b'?')) {
            if let Some(found) = row::find(pattern) {
                add(pattern, found.row);
            }
            continue;
        }
        for row in ROWS.iter().filter(|row| !row.hidden) {
            for name in row.names().filter(|name| base::glob::matches(pattern, name.as_bytes(), true)) {
                add(name.as_bytes(), row);
            }
        }
    }
    pairs
}

/// A CONFIG SET that is sound in itself.
#[derive(Debug)]
pub struct Planned {
    /// Everything as it would be.
    pub settings: Settings,
    /// First names of the settings whose value would change, in the order asked.
    pub changed: Vec<&'static str>,
    /// Log lines, level warning.
    pub warnings: Vec<String>,
    /// First names, and the names asked by.
    names: Vec<(&'static str, &'static str)>,
}

impl Planned {
    /// The answer when setting `name` (one of `changed`) could not be brought into force. `why` are Redis's words:
    /// `Unable to listen on this port. Check server logs.`, `Failed to bind to specified addresses.`,
    /// `The operating system is not able to handle the specified number of clients, try with 992`.
    pub fn refused(&self, name: &str, why: &str) -> Fault {
        let asked = self.names.iter().find(|(first, _)| *first == name).map_or(name, |(_, asked)| asked);
        failed(asked, why)
    }
}

/// `pairs` are CONFIG SET's words after SET. `local`: the connection comes from this host.
pub fn set(settings: &Settings, pairs: Args<'_>, local: bool) -> Result<Planned, Fault> {
    if !pairs.len().is_multiple_of(2) {
        return Err(Fault::Syntax);
    }
    let words: Vec<&[u8]> = pairs.iter().collect();
    let asked = words.as_chunks::<2>().0;
    // All names first, so that nothing is looked at twice.
    let mut found: Vec<row::Found> = Vec::with_capacity(asked.len());
    for [name, _] in asked {
        let spelled = || String::from_utf8_lossy(name).into_owned();
        let Some(row::Found { row, name }) = row::find(name) else {
            return Err(Fault::err(format!("Unknown option or number of arguments for CONFIG SET - '{}'", spelled())));
        };
        match row.change {
            Change::Never => return Err(failed(&spelled(), "can't set immutable config")),
            Change::Guarded if !settings.enable_protected_configs.allows(local) => {
                return Err(failed(&spelled(), "can't set protected config"));
            }
            Change::Live | Change::Guarded => {}
        }
        if found.iter().any(|earlier| earlier.name == name) {
            return Err(failed(&spelled(), "duplicate parameter"));
        }
        found.push(row::Found { row, name });
    }

    let mut new = settings.clone();
    for (row::Found { row, name }, [_, value]) in found.iter().zip(asked) {
        let given: Vec<Vec<u8>> = match row.many() {
            true if value.is_empty() => Vec::new(),
            true => value.split(|b| *b == b' ').map(<[u8]>::to_vec).collect(),
            false => vec![value.to_vec()],
        };
        row.set(&mut new, &given, How::Ask).map_err(|why| failed(name, &why))?;
        if row.name == "dir" {
            new.dir = enter(Path::new(&settings.dir), &new.dir).map_err(|e| failed(name, &crate::log::plain(&e)))?;
        }
    }

    let differs = |row: &Row| row.get(&new) != row.get(settings);
    let changed = found.iter().map(|f| f.row).filter(|row| differs(row)).map(|row| row.name).collect();
    let idle = found.iter().filter_map(|f| f.row.idle.map(|why| idle_warning(why, &[f.name])));
    let warnings = idle.collect();
    let names = found.iter().map(|f| (f.row.name, f.name)).collect();
    Ok(Planned { settings: new, changed, warnings, names })
}

/// Whether the value of this setting must not be shown: MONITOR, the slow log and logs put `(redacted)` in its place.
pub fn is_sensitive(name: &[u8]) -> bool {
    row::find(name).is_some_and(|found| found.row.sensitive)
}

fn failed(name: &str, why: &str) -> Fault {
    Fault::err(format!("CONFIG SET failed (possibly related to argument '{name}') - {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::words;
    use base::ArgsBuf;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    const TRANSCRIPT: &str = include_str!("transcript.case");

    /// One command of the transcript, and the lines that answer it.
    fn cases() -> Vec<(&'static str, Vec<&'static str>)> {
        let mut cases: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in TRANSCRIPT.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix("> ") {
                Some(command) => cases.push((command, Vec::new())),
                None => cases.last_mut().unwrap().1.push(line),
            }
        }
        assert!(cases.len() > 150);
        cases
    }

    fn args(text: &str) -> ArgsBuf {
        words::split(text.as_bytes()).unwrap().iter().map(Vec::as_slice).collect()
    }

    fn shown(mut pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<String> {
        pairs.sort();
        pairs.iter().map(|(name, value)| format!("{} {}", name.escape_ascii(), words::quote(value))).collect()
    }

    #[test]
    fn the_transcript_is_answered_here() {
        let mut settings = Settings { dir: "/".into(), ..Settings::default() };
        for (command, want) in cases() {
            let words = args(command);
            let words = words.args();
            let got = if words.is(1, "get") {
                shown(get(&settings, words.from(2)))
            } else if words.is(1, "rewrite") {
                vec!["-ERR The server is running without a config file".into()] // The caller's answer.
            } else {
                match set(&settings, words.from(2), true) {
                    Ok(planned) => {
                        settings = planned.settings;
                        vec!["OK".into()]
                    }
                    Err(fault) => vec![format!("-{}", fault.resp())],
                }
            };
            assert_eq!(got, want, "{command}");
        }
    }

    /// The expectation itself is held against a genuine server: the one that TORC_TEST_REDIS_SERVER names, or else the one
    /// in PATH. A newer or older one than 7.2 may know other directives, so it is left out.
    #[test]
    fn the_transcript_is_answered_by_redis_itself() {
        let server = std::env::var("TORC_TEST_REDIS_SERVER").unwrap_or("redis-server".into());
        let version = Command::new(&server).arg("--version").output();
        let version = version.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        if !version.contains("v=7.2.") {
            eprintln!("skipped: no redis-server 7.2 ({server}: {})", version.trim());
            return;
        }
        let dir = std::env::temp_dir().join(format!("torc-transcript-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let socket = dir.join("redis.sock");
        let mut redis = Command::new(server)
            .args(["--port", "0", "--dir"])
            .arg(&dir)
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut tries = 0;
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(e) if tries == 100 => panic!("{e}"),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(50)),
            }
            tries += 1;
        };
        let mut replies = BufReader::new(stream.try_clone().unwrap());
        let mut wrong = Vec::new();
        for (command, want) in cases() {
            let buf = args(command);
            let mut ask = format!("*{}\r\n", buf.args().len()).into_bytes();
            for word in buf.args().iter() {
                ask.extend(format!("${}\r\n", word.len()).bytes());
                ask.extend_from_slice(word);
                ask.extend(b"\r\n");
            }
            (&stream).write_all(&ask).unwrap();
            let got = read_reply(&mut replies);
            if got != want {
                wrong.push(format!("{command}: {got:?} instead of {want:?}"));
            }
        }
        redis.kill().unwrap();
        redis.wait().unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn read_reply(replies: &mut BufReader<UnixStream>) -> Vec<String> {
        let mut line = || {
            let mut line = String::new();
            replies.read_line(&mut line).unwrap();
            line.trim_end().to_string()
        };
        let head = line();
        let Some(count) = head.strip_prefix('*') else { return vec![head.trim_start_matches('+').to_string()] };
        let mut bulks: Vec<Vec<u8>> = Vec::new();
        for _ in 0..count.parse::<usize>().unwrap() {
            let mut head = String::new();
            replies.read_line(&mut head).unwrap();
            let mut bulk = vec![0; head.trim_end()[1..].parse::<usize>().unwrap() + 2];
            replies.read_exact(&mut bulk).unwrap();
            bulk.truncate(bulk.len() - 2);
            bulks.push(bulk);
        }
        shown(bulks.as_chunks::<2>().0.iter().map(|[name, value]| (name.clone(), value.clone())).collect())
    }

    #[test]
    fn guarded_settings_follow_enable_protected_configs() {
        use crate::config::Guard;
        let mut settings = Settings { dir: "/".into(), ..Settings::default() };
        for (guard, local, taken) in [
            (Guard::No, true, false),
            (Guard::Local, true, true),
            (Guard::Local, false, false),
            (Guard::Yes, false, true),
        ] {
            settings.enable_protected_configs = guard;
            for pair in ["dir /", "dbfilename x.rdb"] {
                let got = set(&settings, args(pair).args(), local);
                match (&got, taken) {
                    (Ok(_), true) => {}
                    (Err(fault), false) => {
                        let name = pair.split(' ').next().unwrap();
                        let want = format!(
                            "ERR CONFIG SET failed (possibly related to argument '{name}') - can't set protected config"
                        );
                        assert_eq!(fault.resp(), want);
                    }
                    _ => panic!("{guard:?} {local} {pair}: {got:?}"),
                }
            }
        }
        let wrong =
            |dir: &str| set(&settings, args(&format!("dir {dir}")).args(), true).unwrap_err().resp().into_owned();
        let head = "ERR CONFIG SET failed (possibly related to argument 'dir') - ";
        assert_eq!(wrong("/nope"), format!("{head}No such file or directory"));
        assert_eq!(wrong("/proc/self/status"), format!("{head}Not a directory"));
        assert_eq!(set(&settings, args("dir proc/..").args(), true).unwrap().settings.dir, "/");
    }

    #[test]
    fn a_plan_says_what_changed_and_what_has_no_effect() {
        let settings = Settings::default();
        let planned =
            set(&settings, args("timeout 0 PORT 7 slave-priority 5 aof-use-rdb-preamble yes save \"\"").args(), true)
                .unwrap();
        assert_eq!(planned.changed, ["port", "replica-priority", "save"]);
        assert_eq!(
            planned.warnings,
            [
                "WARNING: no effect here: 'slave-priority' (there is no replication yet)",
                "WARNING: no effect here: 'aof-use-rdb-preamble' (neither snapshots nor the append log need such a setting)",
            ]
        );
        assert_eq!((settings.port, planned.settings.port), (6379, 7));
        let refused = |name, why| planned.refused(name, why).resp().into_owned();
        assert_eq!(
            refused("port", "Unable to listen on this port. Check server logs."),
            "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."
        );
        // As Redis: an alias is answered by the alias.
        assert_eq!(
            refused("replica-priority", "x"),
            "ERR CONFIG SET failed (possibly related to argument 'slave-priority') - x"
        );
    }

    /// Whatever a client sends: an answer, and what was taken can be shown, written and read back.
    #[test]
    fn any_value_is_answered() {
        const PIECES: [&[u8]; 24] = [
            b"",
            b"0",
            b"-1",
            b"1",
            b"10",
            b" ",
            b"  ",
            b"yes",
            b"no",
            b"gb",
            b"%",
            b"50",
            b"99999999999999999999",
            b".5",
            b"normal",
            b"1kb",
            b"\"",
            b"'",
            b"\\x",
            b"\x00",
            b"\xff\xfe",
            b"{",
            b"}",
            b"auto",
        ];
        let seed =
            std::env::var("TORC_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0x9e37_79b9_7f4a_7c15u64);
        println!("TORC_TEST_SEED={seed}");
        let mut state = seed | 1;
        let mut random = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % n
        };
        let mut settings = Settings { dir: "/".into(), ..Settings::default() };
        let mut taken = 0;
        for _ in 0..5_000 {
            let row = &ROWS[random(ROWS.len())];
            let value: Vec<u8> = (0..random(5)).flat_map(|_| PIECES[random(PIECES.len())]).copied().collect();
            let mut words = ArgsBuf::new();
            words.push(row.name.as_bytes());
            words.push(&value);
            let Ok(planned) = set(&settings, words.args(), true) else { continue };
            taken += 1;
            settings = planned.settings;
            let text = crate::config::rewrite::rewritten(b"", &settings);
            let mut loader = crate::config::load::Loader::new(Path::new("/"));
            loader
                .text(&crate::config::load::Source::Stdin, text.as_bytes())
                .unwrap_or_else(|e| panic!("{} {}: {e}", row.name, value.escape_ascii()));
            let back = loader.finish(None).settings;
            assert_eq!(row.get(&back), row.get(&settings), "{} {}", row.name, value.escape_ascii());
        }
        assert!(taken > 300, "only {taken} values were taken");
    }

    #[test]
    fn passwords_are_kept_out_of_sight() {
        for (name, sensitive) in
            [("requirepass", true), ("REQUIREPASS", true), ("masterauth", true), ("port", false), ("nope", false)]
        {
            assert_eq!(is_sensitive(name.as_bytes()), sensitive, "{name}");
        }
    }

    #[test]
    fn get_star_shows_all_but_hidden_ones() {
        let settings = Settings::default();
        let pairs = get(&settings, args("*").args());
        let visible: usize = ROWS.iter().filter(|row| !row.hidden).map(|row| row.names().count()).sum();
        assert_eq!(pairs.len(), visible);
        assert!(pairs.iter().any(|(name, _)| name == b"slaveof"));
        assert!(!pairs.iter().any(|(name, _)| name == b"watchdog-period"));
    }
}
