//! Room: process. What the process is called in `ps`: `set-proc-title`, `proc-title-template`. Touches: config, the memory that
//! the kernel shows as the command line.
//!
//! The kernel has put the words of the command line at the top of the stack, and the environment behind them, and shows
//! from there what anybody asks for (`/proc/PID/cmdline`). A title is written over both, so it may be as long as they were. The
//! variables move away first. Where the last byte of the words is not 0, the kernel takes all up to the first 0 for the title.

use crate::config::Settings;
use std::ffi::{CStr, c_char};
use std::sync::{Mutex, PoisonError};

unsafe extern "C" {
    /// environ(7): addresses of `NAME=value`, a null address last.
    static mut environ: *mut *mut c_char;
}

/// The memory that holds the title. There is one in a process.
pub struct Title(Mutex<Room>);

struct Room {
    start: *mut u8,
    /// Of the words of the command line.
    words_len: usize,
    /// Of all.
    len: usize,
    /// The program as it was called.
    program: String,
}

// SAFETY: the memory is the process's own for its whole life, and whoever has the `Room` is alone with it.
unsafe impl Send for Room {}

impl Title {
    /// Takes the memory. None where the kernel does not tell of it.
    ///
    /// # Safety
    /// To be called once, while the process has one thread, and after the last look at `std::env::args`.
    pub unsafe fn take() -> Option<Title> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let [words, words_end, variables, variables_end] = places(&stat)?;
        // They lie side by side, or something is not as it was.
        if words == 0 || words >= words_end || words_end != variables || variables > variables_end {
            return None;
        }
        let (start, words_len, len) = (words as *mut u8, words_end - words, variables_end - words);
        // SAFETY: the kernel has just told that the words are there, each with its 0.
        let program = unsafe { CStr::from_ptr(start.cast()) }.to_string_lossy().into_owned();
        // SAFETY: `environ` is as environ(7) says, and the caller vouches that nobody else reads or changes it meanwhile. What
        // takes its place lives for ever, as do the copies that it names.
        unsafe {
            let mut moved: Vec<*mut c_char> = Vec::new();
            let mut at = environ;
            while !at.is_null() && !(*at).is_null() {
                moved.push(CStr::from_ptr(*at).to_owned().into_raw());
                at = at.add(1);
            }
            moved.push(std::ptr::null_mut());
            environ = Vec::leak(moved).as_mut_ptr();
        }
        Some(Title(Mutex::new(Room { start, words_len, len, program })))
    }

    /// Shows what `proc-title-template` makes of the settings.
    pub fn show(&self, settings: &Settings, config_file: Option<&str>) {
        let room = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = expand(settings, &room.program, config_file);
        // One byte stays 0, whatever is written.
        let text = &text.as_bytes()[..text.len().min(room.len - 1)];
        // SAFETY: `len` bytes from `start` are the process's own stack, above all frames, and nothing refers to them any more: the
        // words have been read, the variables have moved. `text` is on the heap.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), room.start, text.len());
            room.start.add(text.len()).write_bytes(0, room.len - text.len());
            if text.len() < room.words_len - 1 {
                room.start.add(room.words_len - 1).write(b'.');
            }
        }
    }
}

/// proc(5): fields 48 to 51 of `stat` are where the words and the variables begin and end; the name, field 2, may hold blanks.
fn places(stat: &str) -> Option<[usize; 4]> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(48 - 3);
    let mut next = || fields.next()?.parse().ok();
    Some([next()?, next()?, next()?, next()?])
}

/// As Redis: `{name}` of a variable, `{{` for a brace, no blanks at the ends. What was set was looked at (`config::rows`).
fn expand(settings: &Settings, program: &str, config_file: Option<&str>) -> String {
    let (mut title, mut rest) = (String::new(), &*settings.proc_title_template);
    while let Some((before, after)) = rest.split_once('{') {
        title.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            title.push('{');
            rest = after;
            continue;
        }
        let Some((variable, after)) = after.split_once('}') else { break };
        match variable {
            "title" => title.push_str(program),
            "listen-addr" if settings.port > 0 => {
                let host = settings.bind.first().map_or("*", String::as_str);
                title.push_str(&format!("{host}:{}", settings.port));
            }
            "listen-addr" | "unixsocket" => title.push_str(&settings.unixsocket),
            "port" => title.push_str(&settings.port.to_string()),
            "tls-port" => title.push('0'),
            "config-file" => title.push_str(config_file.unwrap_or("-")),
            // `server-mode`: neither of the two that Redis names.
            _ => {}
        }
        rest = after;
    }
    title.push_str(rest);
    title.trim_matches(' ').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::row::{How, find};

    #[test]
    fn templates_are_filled_in() {
        let mut settings = Settings::default();
        for (template, port, socket, expected) in [
            ("{title} {listen-addr} {server-mode}", 6379, "", "torc 127.0.0.1:6379"),
            ("{title} {listen-addr} {server-mode}", 0, "/run/s", "torc /run/s"),
            ("  {{{title}} {port}/{tls-port} ", 7000, "", "{torc} 7000/0"),
            ("x {unixsocket} {config-file}", 1, "/run/s", "x /run/s -"),
        ] {
            let row = find(b"proc-title-template").expect("a directive").row;
            row.set(&mut settings, &[template.into()], How::Start { first: true }).expect("it is valid");
            (settings.port, settings.unixsocket) = (port, socket.into());
            assert_eq!(expand(&settings, "torc", None), expected, "{template}");
        }
        assert_eq!(expand(&settings, "torc", Some("/etc/torc.conf")), "x /run/s /etc/torc.conf");
    }

    #[test]
    fn the_kernel_tells_where_the_words_are() {
        let numbers: Vec<String> = (3..=52).map(|n| (n * 10).to_string()).collect();
        assert_eq!(places(&format!("7 (a) b) {}", numbers.join(" "))), Some([480, 490, 500, 510]));
        assert_eq!(places("7 (torc) S 1"), None);
        let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells");
        let [words, words_end, variables, variables_end] = places(&stat).expect("it has the fields");
        assert!(words < words_end && words_end == variables && variables <= variables_end);
    }
}
