//! Room: log. Levelled lines in Redis's layout, to stderr or to a file that may be rotated under us; without their layout to syslog
//! too where that is wanted. Touches: nothing.
//!
//! A line below the level costs one relaxed load. A line that is written takes a lock for as long as one `write` lasts,
//! so lines of several threads never mix. What a client can cause goes through a `Limiter`, so that no client can fill
//! a disk.

use std::ffi::CString;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How much a line matters. A logger writes the lines of its own level and above.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum Level {
    Debug,
    Verbose,
    #[default]
    Notice,
    Warning,
    /// As a logger's level: no line at all.
    Nothing,
}

impl Level {
    /// `loglevel`'s words, in Redis's order.
    pub const WORDS: &[(&str, i128)] = &[("debug", 0), ("verbose", 1), ("notice", 2), ("warning", 3), ("nothing", 4)];

    pub fn from_number(n: i128) -> Option<Level> {
        const LEVELS: [Level; 5] = [Level::Debug, Level::Verbose, Level::Notice, Level::Warning, Level::Nothing];
        LEVELS.get(usize::try_from(n).ok()?).copied()
    }

    pub fn name(self) -> &'static str {
        Level::WORDS[self as usize].0
    }

    /// The character that Redis's layout marks a line of this level with.
    fn mark(self) -> char {
        ['.', '-', '*', '#', ' '][self as usize]
    }

    /// What syslog calls it, as Redis has it.
    fn priority(self) -> libc::c_int {
        [libc::LOG_DEBUG, libc::LOG_INFO, libc::LOG_NOTICE, libc::LOG_WARNING, libc::LOG_DEBUG][self as usize]
    }
}

/// Where lines go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Stderr,
    File(PathBuf),
}

/// A line is cut here. Redis cuts at 1 KiB; our longest own lines list directives.
const LINE_BYTES_MAX: usize = 4096;

/// The process's logger. Cloning it copies a handle.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    level: AtomicU8,
    role: AtomicU8,
    syslog: AtomicBool,
    pid: u32,
    sink: Mutex<Sink>,
}

enum Sink {
    Stderr,
    File {
        path: PathBuf,
        /// `None` after a failed reopen: tried again with the next line.
        file: Option<File>,
    },
    /// What tests read back.
    Memory(Vec<u8>),
}

impl Log {
    /// Opens `target`. The error names the file.
    pub fn new(level: Level, target: Target) -> io::Result<Log> {
        let sink = match target {
            Target::Stderr => Sink::Stderr,
            Target::File(path) => {
                // Absolute, because `dir` may move the process afterwards.
                let path = std::path::absolute(path)?;
                let file = open(&path).map_err(|e| {
                    io::Error::new(e.kind(), format!("Can't open the log file: {}: {}", path.display(), plain(&e)))
                })?;
                Sink::File { path, file: Some(file) }
            }
        };
        Ok(Log::with(level, sink))
    }

    /// A logger that keeps its lines, for tests and simulated nodes.
    pub fn in_memory(level: Level) -> Log {
        Log::with(level, Sink::Memory(Vec::new()))
    }

    fn with(level: Level, sink: Sink) -> Log {
        Log(Arc::new(Inner {
            level: AtomicU8::new(level as u8),
            role: AtomicU8::new(b'M'),
            syslog: AtomicBool::new(false),
            pid: std::process::id(),
            sink: Mutex::new(sink),
        }))
    }

    #[inline]
    pub fn enabled(&self, level: Level) -> bool {
        level as u8 >= self.0.level.load(Ordering::Relaxed) && level != Level::Nothing
    }

    pub fn level(&self) -> Level {
        Level::from_number(self.0.level.load(Ordering::Relaxed).into()).unwrap_or_default()
    }

    /// `CONFIG SET loglevel`, memcached's `verbosity`.
    pub fn set_level(&self, level: Level) {
        self.0.level.store(level as u8, Ordering::Relaxed);
    }

    /// From now on lines go to syslog as well, under `ident`, with the number of a facility as RFC 5424 counts them. For a process's
    /// one logger: what it sets is the process's. A daemon that is not there costs nothing (syslog(3)).
    pub fn to_syslog_too(&self, ident: &str, facility: u8) {
        let ident: Vec<u8> = ident.bytes().filter(|byte| *byte != 0).collect();
        // syslog(3) keeps the pointer, not the text: it has to stay.
        let ident: &'static std::ffi::CStr =
            Box::leak(CString::new(ident).expect("no zero is left").into_boxed_c_str());
        let options = libc::LOG_PID | libc::LOG_NDELAY | libc::LOG_NOWAIT;
        // SAFETY: `ident` ends with a zero and lives for ever.
        unsafe { libc::openlog(ident.as_ptr(), options, libc::c_int::from(facility) << 3) };
        self.0.syslog.store(true, Ordering::Relaxed);
    }

    /// `M` while this process is a primary, `S` while it is a replica.
    pub fn set_role(&self, role: char) {
        self.0.role.store(role as u8, Ordering::Relaxed);
    }

    pub fn debug(&self, line: impl fmt::Display) {
        self.line(Level::Debug, line);
    }

    pub fn verbose(&self, line: impl fmt::Display) {
        self.line(Level::Verbose, line);
    }

    pub fn notice(&self, line: impl fmt::Display) {
        self.line(Level::Notice, line);
    }

    pub fn warning(&self, line: impl fmt::Display) {
        self.line(Level::Warning, line);
    }

    /// One line. Pass `format_args!(...)`: nothing is drawn when the level is off.
    #[inline]
    pub fn line(&self, level: Level, line: impl fmt::Display) {
        if self.enabled(level) {
            self.write(level, &line);
        }
    }

    /// A line that a client can cause as often as it likes: at most as many a second as `limiter` lets through.
    /// `now_ms` is the caller's clock, any that does not go back.
    pub fn limited(&self, limiter: &mut Limiter, now_ms: u64, level: Level, line: impl fmt::Display) {
        if !self.enabled(level) {
            return;
        }
        match limiter.ask(now_ms) {
            Pass::No => {}
            Pass::Yes { left_out: 0 } => self.write(level, &line),
            Pass::Yes { left_out } => {
                self.write(level, &format_args!("{left_out} more lines like the next one were left out"));
                self.write(level, &line);
            }
        }
    }

    #[cold]
    fn write(&self, level: Level, line: &dyn fmt::Display) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let role = self.0.role.load(Ordering::Relaxed) as char;
        let mut text = Clean { text: String::with_capacity(160), room: LINE_BYTES_MAX };
        // Writing to a `Clean` fails only when it is full: the line is then cut, which is what is wanted.
        let _ = write!(text, "{}:{role} {} {} ", self.0.pid, stamp(now), level.mark());
        let head = text.text.len();
        let _ = write!(text, "{line}");
        text.text.push('\n');
        let mut sink = self.0.sink.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        sink.write(text.text.as_bytes());
        drop(sink);
        if self.0.syslog.load(Ordering::Relaxed) {
            // No zero is left in it, but for tabs no control character is: this cannot fail.
            let said = CString::new(text.text[head..].trim_end()).unwrap_or_default();
            // SAFETY: a format that takes one text, and a text that ends with a zero.
            unsafe { libc::syslog(level.priority(), c"%s".as_ptr(), said.as_ptr()) };
        }
    }

    /// Everything written so far, of a logger made by `in_memory`; else empty.
    pub fn written(&self) -> String {
        match &*self.0.sink.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Sink::Memory(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({})", self.level().name())
    }
}

impl Sink {
    /// A line that cannot be written is lost: there is nowhere left to say so.
    fn write(&mut self, line: &[u8]) {
        match self {
            Sink::Stderr => drop(io::stderr().lock().write_all(line)),
            Sink::Memory(bytes) => bytes.extend_from_slice(line),
            Sink::File { path, file } => {
                if !file.as_ref().is_some_and(|f| is_at(f, path)) {
                    // Renamed or removed by whoever rotates logs: go on in a new file of the old name. When that cannot
                    // be opened, the old one is still better than nothing.
                    if let Ok(new) = open(path) {
                        *file = Some(new);
                    }
                }
                if let Some(file) = file {
                    drop(file.write_all(line));
                }
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Whether `file` is what `path` leads to now. Two system calls, about 1 µs, beside a write.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
        _ => false,
    }
}

/// What the system said, without Rust's " (os error 2)" after it: Redis's messages end with the plain text.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) if error.raw_os_error().is_some() => text[..at].to_string(),
        _ => text,
    }
}

/// Keeps a line one line: what a client sent must not be able to forge others or steer a terminal.
struct Clean {
    text: String,
    room: usize,
}

impl fmt::Write for Clean {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for c in part.chars() {
            let before = self.text.len();
            if c.is_control() && c != '\t' {
                write!(self.text, "\\x{:02x}", c as u32)?;
            } else {
                self.text.push(c);
            }
            if self.text.len() > self.room {
                self.text.truncate(before);
                self.room = 0;
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// `22 Nov 2026 15:55:33.182`, local time.
fn stamp(since_epoch: Duration) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let t = local(since_epoch.as_secs() as libc::time_t);
    format!(
        "{:02} {} {} {:02}:{:02}:{:02}.{:03}",
        t.tm_mday,
        MONTHS[t.tm_mon.rem_euclid(12) as usize],
        t.tm_year + 1900,
        t.tm_hour,
        t.tm_min,
        t.tm_sec,
        since_epoch.subsec_millis()
    )
}

fn local(seconds: libc::time_t) -> libc::tm {
    // SAFETY: `tm` is plain numbers and a pointer, for which all zeroes is a value.
    let mut t: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right type, and `localtime_r` keeps neither. It reads the
    // environment's TZ, which this process never writes.
    unsafe { libc::localtime_r(&seconds, &mut t) };
    t
}

/// At most `per_second` lines in each second; counts what it kept back.
#[derive(Clone, Debug)]
pub struct Limiter {
    per_second: u32,
    second_began_ms: u64,
    passed: u32,
    left_out: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pass {
    No,
    /// With how many were kept back since the last one that passed.
    Yes {
        left_out: u64,
    },
}

impl Limiter {
    pub const fn new(per_second: u32) -> Limiter {
        Limiter { per_second, second_began_ms: 0, passed: 0, left_out: 0 }
    }

    pub fn ask(&mut self, now_ms: u64) -> Pass {
        if now_ms.saturating_sub(self.second_began_ms) >= 1000 {
            self.second_began_ms = now_ms;
            self.passed = 0;
        }
        if self.passed < self.per_second {
            self.passed += 1;
            Pass::Yes { left_out: std::mem::take(&mut self.left_out) }
        } else {
            self.left_out += 1;
            Pass::No
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("torc-log-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_line_has_redis_layout() {
        let log = Log::in_memory(Level::Debug);
        log.warning("one");
        log.set_role('S');
        log.debug(format_args!("{} {}", "two", 2));
        let text = log.written();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        let pid = std::process::id();
        let words: Vec<&str> = lines[0].split(' ').collect();
        assert_eq!(words[0], format!("{pid}:M"));
        assert_eq!(words.len(), 7, "{lines:?}"); // pid:role day month year time mark word
        assert_eq!((words[1].len(), words[2].len(), words[3].len(), words[4].len()), (2, 3, 4, 12));
        assert_eq!(words[5..], ["#", "one"]);
        assert!(lines[1].starts_with(&format!("{pid}:S ")) && lines[1].ends_with(" . two 2"), "{}", lines[1]);
    }

    #[test]
    fn levels_gate_lines() {
        use Level::*;
        for (own, written) in [(Debug, "dvnw"), (Verbose, "vnw"), (Notice, "nw"), (Warning, "w"), (Nothing, "")] {
            let log = Log::in_memory(Debug);
            log.set_level(own);
            assert_eq!(log.level(), own);
            for (level, word) in [(Debug, "d"), (Verbose, "v"), (Notice, "n"), (Warning, "w"), (Nothing, "?")] {
                log.line(level, word);
            }
            let got: String = log.written().lines().filter_map(|l| l.chars().last()).collect();
            assert_eq!(got, written, "{own:?}");
        }
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let log = Log::in_memory(Level::Notice);
        log.notice("a\n1:M 01 Jan 2000 # forged\u{1b}[31m\u{7f}\tb");
        let text = log.written();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.ends_with("a\\x0a1:M 01 Jan 2000 # forged\\x1b[31m\\x7f\tb\n"), "{text}");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let log = Log::in_memory(Level::Notice);
        log.notice("é".repeat(LINE_BYTES_MAX));
        let text = log.written();
        assert!(text.len() <= LINE_BYTES_MAX + 1 && text.len() > LINE_BYTES_MAX - 4, "{}", text.len());
        assert!(text.ends_with("é\n"));
    }

    #[test]
    fn goes_on_in_a_new_file_after_rotation() {
        let dir = scratch("rotate");
        let path = dir.join("torc.log");
        let log = Log::new(Level::Notice, Target::File(path.clone())).unwrap();
        log.notice("first");
        std::fs::rename(&path, dir.join("torc.log.1")).unwrap();
        log.notice("second");
        std::fs::remove_file(&path).unwrap();
        log.notice("third");
        log.notice("fourth");
        let old = std::fs::read_to_string(dir.join("torc.log.1")).unwrap();
        let new = std::fs::read_to_string(&path).unwrap();
        assert!(old.ends_with("* first\n") && old.lines().count() == 1, "{old}");
        assert!(new.lines().count() == 2 && new.ends_with("* fourth\n"), "{new}");
        // While the folder is gone lines still reach the old file, and nothing fails.
        std::fs::rename(&path, dir.join("kept")).unwrap();
        std::fs::create_dir(&path).unwrap();
        log.notice("fifth");
        assert!(std::fs::read_to_string(dir.join("kept")).unwrap().ends_with("* fifth\n"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let dir = scratch("missing");
        let path = dir.join("no/such/torc.log");
        let error = Log::new(Level::Notice, Target::File(path.clone())).unwrap_err();
        let text = format!("Can't open the log file: {}: No such file or directory", path.display());
        assert_eq!(error.to_string(), text);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn lines_of_threads_never_mix() {
        let log = Log::in_memory(Level::Notice);
        std::thread::scope(|s| {
            for t in 0..4 {
                let log = log.clone();
                s.spawn(move || (0..200).for_each(|i| log.notice(format_args!("thread {t} line {i} end"))));
            }
        });
        let text = log.written();
        assert_eq!(text.lines().count(), 800);
        assert!(text.lines().all(|l| l.ends_with(" end") && l.matches("thread").count() == 1));
    }

    #[test]
    fn a_limiter_passes_n_a_second_and_counts_the_rest() {
        let log = Log::in_memory(Level::Notice);
        let mut limiter = Limiter::new(2);
        for now_ms in [5000, 5000, 5001, 5999, 6000, 6001, 6002, 9000] {
            log.limited(&mut limiter, now_ms, Level::Notice, format_args!("at {now_ms}"));
        }
        let got: Vec<String> = log.written().lines().map(|l| l.split_once(" * ").unwrap().1.to_string()).collect();
        let left_out = |n| format!("{n} more lines like the next one were left out");
        assert_eq!(got, ["at 5000", "at 5000", &left_out(2), "at 6000", "at 6001", &left_out(1), "at 9000"]);
        // A disabled level spends nothing of the limit.
        let mut limiter = Limiter::new(1);
        log.limited(&mut limiter, 0, Level::Debug, "no");
        assert_eq!(limiter.ask(0), Pass::Yes { left_out: 0 });
    }
}
