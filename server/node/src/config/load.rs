//! Room: config. Files in `redis.conf`'s syntax into settings. Touches: settings, row; reads files.

use super::row::{self, How};
use super::rows::{FILE_ONLY, ROWS};
use super::settings::{MemoryLimit, Settings};
use super::words;
use crate::log::plain;
use command::table::Names;
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Files included by files included by ...: past this they include each other.
const INCLUDES_DEEP_MAX: usize = 16;

/// What the process was told, and what should be said about it.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// The file that CONFIG REWRITE writes: absolute.
    pub file: Option<PathBuf>,
    /// Log lines for the start, level warning.
    pub warnings: Vec<String>,
}

/// Why the process cannot start: an exit code of 1, and this on stderr.
#[derive(Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Where the line stands, when it is about one.
    pub at: Option<At>,
    pub why: String,
}

/// A line of a file, or of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    pub source: Source,
    /// From 1.
    pub line: usize,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    Stdin,
    CommandLine,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(At { source, line, text }) = &self.at else { return write!(f, "{}", self.why) };
        writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Torc {}) ***", env!("CARGO_PKG_VERSION"))?;
        match source {
            Source::File(path) => writeln!(f, "Reading the configuration file '{}', at line {line}", path.display())?,
            Source::Stdin => writeln!(f, "Reading the configuration from standard input, at line {line}")?,
            Source::CommandLine => writeln!(f, "Reading the options of the command line")?,
        }
        write!(f, ">>> '{text}'\n{}", self.why)
    }
}

/// Gathers files and lines, the later ones over the earlier.
pub struct Loader {
    settings: Settings,
    /// Rows given so far, by name.
    seen: HashSet<&'static str>,
    /// Directives given that have no effect, by the names given, and why.
    idle: Vec<(&'static str, &'static str)>,
    warnings: Vec<String>,
    names: Names,
    /// What relative paths start from: the process's folder, or the last `dir`.
    folder: PathBuf,
    deep: usize,
}

impl Loader {
    /// From the defaults, in `folder` (absolute).
    pub fn new(folder: &Path) -> Loader {
        Loader {
            settings: Settings::default(),
            seen: HashSet::new(),
            idle: Vec::new(),
            warnings: Vec::new(),
            names: Names::default(),
            folder: folder.to_path_buf(),
            deep: 0,
        }
    }

    /// Whether the directive (its first name) was given.
    pub fn has(&self, name: &str) -> bool {
        self.seen.contains(name)
    }

    pub fn warn(&mut self, line: String) {
        self.warnings.push(line);
    }

    pub fn file(&mut self, path: &Path) -> Result<(), LoadError> {
        let text = std::fs::read(path).map_err(|e| cannot_open(path, &e))?;
        self.text(&Source::File(path.to_path_buf()), &text)
    }

    pub fn text(&mut self, source: &Source, text: &[u8]) -> Result<(), LoadError> {
        for (i, line) in text.split(|b| *b == b'\n').enumerate() {
            let line = words::trim(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let at = || At { source: source.clone(), line: i + 1, text: shown(line) };
            let words = words::split(line)
                .ok_or_else(|| LoadError { at: Some(at()), why: "Unbalanced quotes in configuration line".into() })?;
            if let Some((name, given)) = words.split_first() {
                self.directive(&at, name, given)?;
            }
        }
        Ok(())
    }

    /// One directive, already split. `at` is asked only for an error.
    pub fn directive(&mut self, at: &dyn Fn() -> At, name: &[u8], given: &[Vec<u8>]) -> Result<(), LoadError> {
        let wrong = |why: String| LoadError { at: Some(at()), why };
        let Some(found) = row::find(name) else { return self.file_only(at, name, given) };
        let row = found.row;
        let split;
        let mut given = given;
        if !row.many() && given.len() != 1 {
            return Err(wrong("wrong number of arguments".into()));
        }
        if row.many()
            && let [only] = given
            && !only.is_empty()
        {
            // `save "900 1 300 10"`: one word that is several.
            split = words::split(only).unwrap_or_default();
            given = &split;
        }
        let first = !self.seen.contains(row.name);
        row.set(&mut self.settings, given, How::Start { first }).map_err(|why| wrong(why.into_owned()))?;
        if row.name == "dir" {
            let dir = enter(&self.folder, &self.settings.dir).map_err(|e| wrong(plain(&e)))?;
            self.folder = PathBuf::from(&dir);
            self.settings.dir = dir;
        }
        self.seen.insert(row.name);
        if let Some(why) = row.idle {
            self.note_idle(why, found.name);
        }
        Ok(())
    }

    fn file_only(&mut self, at: &dyn Fn() -> At, name: &[u8], given: &[Vec<u8>]) -> Result<(), LoadError> {
        let wrong = |why: String| LoadError { at: Some(at()), why };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let words = given.len() + 1;
        let Some((name, .., idle)) =
            FILE_ONLY.iter().find(|(known, min, max, _)| *known == name && (*min..=*max).contains(&words))
        else {
            if name == "sentinel" {
                return Err(wrong("sentinel directive while not in sentinel mode".into()));
            }
            let known = FILE_ONLY.iter().any(|(known, ..)| *known == name);
            let hint = similar(&name).filter(|_| !known).map(|name| format!(". Did you mean '{name}'?"));
            return Err(wrong(format!("Bad directive or wrong number of arguments{}", hint.unwrap_or_default())));
        };
        if let Some(why) = idle {
            self.note_idle(why, name);
        }
        match *name {
            "include" => self.include(at, &given[0]),
            "rename-command" => {
                self.names.rename(&given[0], &given[1]).map_err(|why| wrong(why.into()))?;
                self.settings.renamed_commands.push((given[0].to_ascii_lowercase(), given[1].to_ascii_lowercase()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A file, or every file that a pattern fits: then none is fine too, as an empty `conf.d` must be.
    fn include(&mut self, at: &dyn Fn() -> At, word: &[u8]) -> Result<(), LoadError> {
        let path = super::special::text(word).map_err(|why| LoadError { at: Some(at()), why: why.into_owned() })?;
        if self.deep == INCLUDES_DEEP_MAX {
            return Err(LoadError { at: Some(at()), why: "Files include each other, or too deep".into() });
        }
        self.deep += 1;
        if path.contains(['*', '?', '[']) {
            for path in glob(&self.folder, &path) {
                self.file(&path)?;
            }
        } else {
            self.file(&self.folder.join(path))?;
        }
        self.deep -= 1;
        Ok(())
    }

    fn note_idle(&mut self, why: &'static str, name: &'static str) {
        if !self.idle.iter().any(|(_, known)| *known == name) {
            self.idle.push((why, name));
        }
    }

    /// A line for each reason, and one for all that only repeat a default: Redis's own file alone has fifty of those, and
    /// what somebody wanted must not drown in them.
    fn idle_warnings(&self) -> Vec<String> {
        let defaults = Settings::default();
        let is_default =
            |name: &str| row::find(name.as_bytes()).is_some_and(|f| f.row.is_default(&self.settings, &defaults));
        let (repeated, wanted): (Vec<_>, Vec<_>) = self.idle.iter().partition(|(_, name)| is_default(name));
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for (why, name) in wanted {
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, names)) => names.push(name),
                None => reasons.push((why, vec![name])),
            }
        }
        let mut lines: Vec<String> = reasons.iter().map(|(why, names)| idle_warning(why, names)).collect();
        if !repeated.is_empty() {
            let names: Vec<&str> = repeated.iter().map(|(_, name)| *name).collect();
            lines.push(format!("WARNING: no effect here, and given as Redis's default: {}", quoted(&names)));
        }
        lines
    }

    /// The end of the start: `file` is what CONFIG REWRITE will write.
    pub fn finish(mut self, file: Option<PathBuf>) -> Loaded {
        if self.settings.dir.is_empty() {
            self.settings.dir = self.folder.to_string_lossy().into_owned();
        }
        let mut warnings = self.idle_warnings();
        warnings.append(&mut self.warnings);
        if let MemoryLimit::Bytes(bytes @ 1..0x10_0000) = self.settings.maxmemory {
            warnings.push(format!("WARNING: maxmemory is {bytes} bytes, less than 1mb: was another unit meant?"));
        }
        Loaded { settings: self.settings, file, warnings }
    }
}

/// The log line for directives that have no effect for one reason.
pub(super) fn idle_warning(why: &str, names: &[&str]) -> String {
    format!("WARNING: no effect here: {} ({why})", quoted(names))
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

/// The folder that `dir` names, seen from `folder`: absolute and without links, as `getcwd` shows it, or why not.
pub(super) fn enter(folder: &Path, dir: &str) -> io::Result<String> {
    let path = std::fs::canonicalize(folder.join(dir))?;
    if !path.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::ENOTDIR));
    }
    path.into_os_string().into_string().map_err(|_| io::Error::other("argument must be UTF-8 text"))
}

fn cannot_open(path: &Path, error: &io::Error) -> LoadError {
    LoadError { at: None, why: format!("Fatal error, can't open config file '{}': {}", path.display(), plain(error)) }
}

/// A line as an error shows it: on one line, and never a password.
fn shown(line: &[u8]) -> String {
    let words = words::split(line).unwrap_or_default();
    match words.first().and_then(|name| row::find(name)) {
        Some(found) if found.row.sensitive => format!("{} (redacted)", found.name),
        _ => String::from_utf8_lossy(line).chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
    }
}

/// The known name that `name` was most likely meant to be: at most two letters off.
fn similar(name: &str) -> Option<&'static str> {
    let names = ROWS.iter().flat_map(|row| row.names()).chain(FILE_ONLY.iter().map(|(name, ..)| *name));
    names.map(|known| (distance(name, known), known)).filter(|(d, _)| *d <= 2).min().map(|(_, known)| known)
}

/// Levenshtein's distance in bytes; 3 stands for any larger one.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return 3;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()].min(3)
}

/// The files that fit a pattern, sorted, seen from `folder`; as glob(3): a star never crosses `/` nor finds a name with a
/// dot in front.
fn glob(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let start = if pattern.starts_with('/') { PathBuf::from("/") } else { folder.to_path_buf() };
    let mut found = vec![start];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if !part.contains(['*', '?', '[']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let fits = |name: &str| {
            (part.starts_with('.') || !name.starts_with('.'))
                && base::glob::matches(part.as_bytes(), name.as_bytes(), false)
        };
        let entries = |path: &PathBuf| {
            let names = std::fs::read_dir(path).into_iter().flatten().flatten();
            let names = names.filter_map(|e| e.file_name().into_string().ok()).filter(|name| fits(name));
            names.map(|name| path.join(name)).collect::<Vec<_>>()
        };
        found = found.iter().flat_map(entries).collect();
    }
    found.retain(|path| path.exists());
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of a test, and the settings or the error that come of the first; `{dir}` in them is their folder.
    struct Case {
        name: &'static str,
        files: &'static [(&'static str, &'static str)],
        want: Result<&'static [(&'static str, &'static str)], &'static str>,
    }

    const CASES: &[Case] = &[
        Case {
            name: "quotes, comments, blanks, any case",
            files: &[(
                "a.conf",
                "# comment\n\n  PORT 7000  \r\n\tunixsocket \"/tmp/a b\"\nrequirepass 'it''s'\n#port 1\nlogfile \"\"\n",
            )],
            want: Err("[a.conf:5] Unbalanced quotes in configuration line"),
        },
        Case {
            name: "values",
            files: &[(
                "a.conf",
                "# comment\n\n  PORT 7000  \r\n\tunixsocket \"/tmp/a b\"\nrequirepass \"\\x41\\\"b\"\nmaxmemory 2gb\n\
                 maxmemory-policy AllKeys-LFU\nlua-time-limit 7\nunixsocketperm 700\ncpus 0,2-3\nmaxmemory-clients 5%",
            )],
            want: Ok(&[
                ("port", "7000"),
                ("unixsocket", "/tmp/a b"),
                ("requirepass", "A\"b"),
                ("maxmemory", "2147483648"),
                ("maxmemory-policy", "allkeys-lfu"),
                ("busy-reply-threshold", "7"),
                ("unixsocketperm", "700"),
                ("cpus", "0,2-3"),
                ("maxmemory-clients", "5%"),
                ("dir", "{dir}"),
            ]),
        },
        Case {
            name: "the last of several counts, save adds up, one word may be several",
            files: &[(
                "a.conf",
                "port 1\nport 2\nbind 1.1.1.1\nbind * -::*\nsave 900 1\nsave \"300 10 60 100\"\n\
                 client-output-buffer-limit normal 1mb 1mb 1\nclient-output-buffer-limit replica 2mb 1mb 2\n\
                 latency-tracking-info-percentiles \"1 2\"",
            )],
            want: Ok(&[
                ("port", "2"),
                ("bind", "* -::*"),
                ("save", "900 1 300 10 60 100"),
                (
                    "client-output-buffer-limit",
                    "normal 1048576 1048576 1 slave 2097152 1048576 2 pubsub 33554432 8388608 60",
                ),
                ("latency-tracking-info-percentiles", "1 2"),
            ]),
        },
        Case {
            name: "includes and globs, in sorted order, from where the process is",
            files: &[
                ("a.conf", "port 1\ninclude conf.d/*.conf\ninclude none/*.conf\ninclude other.conf\n"),
                ("conf.d/2.conf", "port 3\ntimeout 3"),
                ("conf.d/1.conf", "port 2\ntimeout 2\ndatabases 4"),
                ("conf.d/.hidden.conf", "nonsense"),
                ("conf.d/readme", "nonsense"),
                ("other.conf", "tcp-keepalive 9"),
            ],
            want: Ok(&[("port", "3"), ("timeout", "3"), ("databases", "4"), ("tcp-keepalive", "9")]),
        },
        Case {
            name: "an error of an included file names that file",
            files: &[("a.conf", "\n\ninclude b.conf"), ("b.conf", "port 1\n\nport x\n")],
            want: Err("[b.conf:3] argument couldn't be parsed into an integer"),
        },
        Case {
            name: "an included file must be there",
            files: &[("a.conf", "include nope.conf")],
            want: Err("Fatal error, can't open config file '{dir}/nope.conf': No such file or directory"),
        },
        Case {
            name: "a loop of includes ends",
            files: &[("a.conf", "include b.conf"), ("b.conf", "include a.conf")],
            want: Err("[a.conf:1] Files include each other, or too deep"),
        },
        Case {
            name: "dir is entered at once",
            files: &[("a.conf", "dir sub\ninclude c.conf\n"), ("sub/c.conf", "port 5")],
            want: Ok(&[("port", "5"), ("dir", "{dir}/sub")]),
        },
        Case {
            name: "dir must be there",
            files: &[("a.conf", "dir nope")],
            want: Err("[a.conf:1] No such file or directory"),
        },
        Case {
            name: "dir must be a folder",
            files: &[("a.conf", "dir a.conf")],
            want: Err("[a.conf:1] Not a directory"),
        },
        Case {
            name: "unknown",
            files: &[("a.conf", "port 1\nfoo bar")],
            want: Err("[a.conf:2] Bad directive or wrong number of arguments"),
        },
        Case {
            name: "unknown but close",
            files: &[("a.conf", "maxmemry 1")],
            want: Err("[a.conf:1] Bad directive or wrong number of arguments. Did you mean 'maxmemory'?"),
        },
        Case {
            name: "a command that there is not is renamed",
            files: &[("a.conf", "rename-command nope x")],
            want: Err("[a.conf:1] No such command in rename-command"),
        },
        Case {
            name: "a command is renamed to another",
            files: &[("a.conf", "rename-command get a\nrename-command mget Set")],
            want: Err("[a.conf:2] Target command name already exists"),
        },
        Case { name: "no value", files: &[("a.conf", "port")], want: Err("[a.conf:1] wrong number of arguments") },
        Case {
            name: "two values",
            files: &[("a.conf", "port 1 2")],
            want: Err("[a.conf:1] wrong number of arguments"),
        },
        Case {
            name: "sentinel",
            files: &[("a.conf", "sentinel monitor a b 1 1")],
            want: Err("[a.conf:1] sentinel directive while not in sentinel mode"),
        },
        Case {
            name: "include of two",
            files: &[("a.conf", "include a b")],
            want: Err("[a.conf:1] Bad directive or wrong number of arguments"),
        },
        Case {
            name: "range",
            files: &[("a.conf", "port 65536")],
            want: Err("[a.conf:1] argument must be between 0 and 65535 inclusive"),
        },
        Case {
            name: "octal",
            files: &[("a.conf", "unixsocketperm 1000")],
            want: Err("[a.conf:1] argument must be between 0 and 777 inclusive"),
        },
        Case {
            name: "obsolete and file-only ones",
            files: &[("a.conf", "lua-replicate-commands yes\nuser default on\nloadmodule x.so a\nhz 1000\nhz 0")],
            want: Ok(&[("hz", "1")]),
        },
    ];

    fn load(name: &str, files: &[(&str, &str)]) -> (PathBuf, Result<Loaded, LoadError>) {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let dir = std::env::temp_dir().join(format!("torc-load-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let dir = dir.canonicalize().unwrap();
        for (path, text) in files {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut loader = Loader::new(&dir);
        let loaded = loader.file(&dir.join(files[0].0)).map(|()| loader.finish(None));
        std::fs::remove_dir_all(&dir).unwrap();
        (dir, loaded)
    }

    #[test]
    fn files() {
        for Case { name, files, want } in CASES {
            let (dir, loaded) = load(name, files);
            let here = |text: &str| text.replace("{dir}", dir.to_str().unwrap());
            match (loaded, want) {
                (Ok(loaded), Ok(want)) => {
                    for (setting, value) in *want {
                        let got = String::from_utf8(loaded.settings.text(setting).unwrap()).unwrap();
                        assert_eq!(got, here(value), "{name}: {setting}");
                    }
                }
                (Err(error), Err(want)) => {
                    let at = error.at.as_ref().map_or(String::new(), |at| match &at.source {
                        Source::File(path) => format!("[{}:{}] ", path.file_name().unwrap().display(), at.line),
                        _ => String::new(),
                    });
                    assert_eq!(format!("{at}{}", error.why), here(want), "{name}");
                }
                (got, want) => panic!("{name}: {got:?} instead of {want:?}"),
            }
        }
    }

    #[test]
    fn an_error_names_file_line_text_and_reason() {
        let (dir, loaded) = load("shape", &[("torc.conf", "port 1\n  Foo  \"a b\" \n")]);
        let text = loaded.unwrap_err().to_string();
        let want = format!(
            "\n*** FATAL CONFIG FILE ERROR (Torc {}) ***\nReading the configuration file '{}/torc.conf', at line 2\n\
             >>> 'Foo  \"a b\"'\nBad directive or wrong number of arguments",
            env!("CARGO_PKG_VERSION"),
            dir.display()
        );
        assert_eq!(text, want);
        let (_, loaded) = load("password", &[("torc.conf", "requirepass a secret")]);
        let text = loaded.unwrap_err().to_string();
        assert!(text.contains("requirepass (redacted)") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn what_has_no_effect_is_said_once_for_each_reason() {
        let text = "save 900 1\nio-threads 4\nsave 60 1\naof-use-rdb-preamble no\nport 1\nslaveof 10.0.0.1 6379\nmaxmemory 100\n\
                    hz 10\nrdbcompression yes\nuser default on\nlua-replicate-commands yes";
        let (_, loaded) = load("idle", &[("a.conf", text)]);
        assert_eq!(
            loaded.unwrap().warnings,
            [
                "WARNING: no effect here: 'io-threads' (shards serve clients, see 'shards' and 'cpus')",
                "WARNING: no effect here: 'aof-use-rdb-preamble' (neither snapshots nor the append log need such a setting)",
                "WARNING: no effect here: 'slaveof' (there is no replication yet)",
                "WARNING: no effect here: 'user' (there are no ACL users yet)",
                "WARNING: no effect here: 'lua-replicate-commands' (Redis itself no longer uses it)",
                "WARNING: no effect here, and given as Redis's default: 'hz'",
                "WARNING: maxmemory is 100 bytes, less than 1mb: was another unit meant?",
            ]
        );
    }

    #[test]
    fn renamed_commands_are_handed_on() {
        let (_, loaded) = load("rename", &[("a.conf", "rename-command FLUSHALL \"\"\nrename-command Config Secret9")]);
        let want: Vec<(Vec<u8>, Vec<u8>)> =
            vec![(b"flushall".to_vec(), vec![]), (b"config".to_vec(), b"secret9".to_vec())];
        assert_eq!(loaded.unwrap().settings.renamed_commands, want);
    }

    /// Every directive that a Redis 7.2 knows, with its default, as CONFIG GET * and the stock file give it.
    #[test]
    fn every_directive_of_redis_with_its_default_is_taken_and_changes_nothing() {
        let text = include_str!("redis72.conf");
        assert!(text.lines().count() > 200);
        let mut loader = Loader::new(Path::new("/"));
        loader.text(&Source::Stdin, text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        let loaded = loader.finish(None);
        let defaults = Settings { dir: "/".into(), ..Settings::default() };
        for row in ROWS {
            let got = String::from_utf8(row.get(&loaded.settings)).unwrap();
            assert_eq!(got, String::from_utf8(row.get(&defaults)).unwrap(), "{}", row.name);
        }
        // And none of Redis's is missing from the list: the rest are ours.
        let known: HashSet<&str> = text.lines().filter_map(|l| l.split(' ').next()).collect();
        let ours: Vec<&str> = ROWS.iter().flat_map(|row| row.names()).filter(|name| !known.contains(name)).collect();
        assert_eq!(
            ours,
            [
                "memcached-port",
                "shard-port-base",
                "memcached-unixsocket",
                "shards",
                "cpus",
                "force-shards",
                "idle-spin-us",
                "shard-batch",
                "item-size-max",
                "huge-pages",
                "memcached-shutdown",
                "memcached-flush-disabled",
                "snapshot-rate-limit",
                "backup-dir",
                "backup-schedule",
                "backup-retention",
                "backup-s3-endpoint",
                "backup-s3-region",
                "backup-s3-access-key",
                "backup-s3-secret-key",
                "restore",
            ]
        );
    }

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("port", "port", 0),
            ("prot", "port", 2),
            ("maxmemry", "maxmemory", 1),
            ("a", "abcd", 3),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
            assert_eq!(distance(b, a), want, "{b} {a}");
        }
    }
}
