//! Room: config. Directives with a form of their own. Touches: settings, row.
//!
//! Texts and edges are those of `config.c` of Redis 7.2, save where a comment says otherwise.

use super::row::{How, Special, Wrong};
use super::settings::{BufferLimit, IdleSpin, Settings};
use super::words;

/// `bind` takes at most this many addresses (Redis: CONFIG_BINDADDR_MAX).
const BIND_MAX: usize = 16;
/// No host has more cores that Linux can count (CONFIG_NR_CPUS_RANGE_END of x86-64).
const CPU_MAX: u16 = 8191;
/// Spinning longer than this is a busy loop, not a wait.
const IDLE_SPIN_US_MAX: u32 = 1_000_000;

pub static DIR: Special = Special {
    many: false,
    set: |s, given, _| {
        s.dir = text(one(given)?)?;
        Ok(())
    },
    get: |s| s.dir.clone().into_bytes(),
    // Always written: without it the next start, from another folder, would look for its files there.
    lines: |s, name| {
        if s.dir.is_empty() { vec![] } else { vec![(format!("{name} {}", words::quote(s.dir.as_bytes())), true)] }
    },
};

pub static BIND: Special = Special {
    many: true,
    set: |s, given, _| {
        if given.len() > BIND_MAX {
            return Err("Too many bind addresses specified.".into());
        }
        let given = if is_empty_word(given) { &[] } else { given };
        // Redis finds out when it binds; the answer is the same.
        let address = |w: &Vec<u8>| match text(w)? {
            w if w.chars().any(|c| c.is_whitespace() || c.is_control() || c == '"' || c == '\'') || w.is_empty() => {
                Err(Wrong::from("Failed to bind to specified addresses."))
            }
            w => Ok(w),
        };
        s.bind = given.iter().map(address).collect::<Result<_, _>>()?;
        Ok(())
    },
    get: |s| s.bind.join(" ").into_bytes(),
    lines: |s, name| match s.bind.as_slice() {
        [a, b] if a == "127.0.0.1" && b == "-::1" => vec![],
        [] => vec![(format!("{name} \"\""), true)],
        bind => vec![(format!("{name} {}", bind.join(" ")), true)],
    },
};

pub static SAVE: Special = Special {
    many: true,
    set: |s, given, how| {
        let wrong = || Wrong::from("Invalid save parameters");
        let empty = is_empty_word(given);
        let given = if empty { &[] } else { given };
        if !given.len().is_multiple_of(2) {
            return Err(wrong());
        }
        let pair = |p: &[Vec<u8>]| {
            let seconds = words::strtoll(&p[0], 10).filter(|n| *n >= 1)?;
            Some((seconds, words::strtoll(&p[1], 10).filter(|n| *n >= 0)?))
        };
        let pairs = given.chunks_exact(2).map(|p| pair(p).ok_or_else(wrong)).collect::<Result<Vec<_>, _>>()?;
        // The first line of a file takes the place of the defaults, the others add to it.
        if empty || how != (How::Start { first: false }) {
            s.save.clear();
        }
        s.save.extend(pairs);
        Ok(())
    },
    get: |s| join(s.save.iter().map(save_text)),
    lines: |s, name| match s.save.as_slice() {
        [] => vec![(format!("{name} \"\""), true)],
        save if save == Settings::default().save => {
            vec![(format!("{name} {}", save.iter().map(save_text).collect::<Vec<_>>().join(" ")), false)]
        }
        save => save.iter().map(|pair| (format!("{name} {}", save_text(pair)), true)).collect(),
    },
};

fn save_text((seconds, changes): &(i64, i64)) -> String {
    format!("{seconds} {changes}")
}

const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

pub static OUTPUT_LIMIT: Special = Special {
    many: true,
    set: |s, given, _| {
        if !given.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = s.client_output_buffer_limit;
        for quad in given.chunks_exact(4) {
            let class = match quad[0].to_ascii_lowercase().as_slice() {
                b"normal" => 0,
                b"slave" | b"replica" => 1,
                b"pubsub" => 2,
                _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
            };
            let limit = || {
                let (hard, soft) = (words::memory(&quad[1])?, words::memory(&quad[2])?);
                let soft_s = words::strtoll(&quad[3], 10).filter(|n| (0..=i64::from(i32::MAX)).contains(n))?;
                Some(BufferLimit { hard, soft, soft_s: soft_s as u32 })
            };
            limits[class] =
                limit().ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
        }
        s.client_output_buffer_limit = limits;
        Ok(())
    },
    get: |s| {
        let show = |(class, l): (&&str, &BufferLimit)| format!("{class} {} {} {}", l.hard, l.soft, l.soft_s);
        join(CLASSES.iter().zip(&s.client_output_buffer_limit).map(show))
    },
    lines: |s, name| {
        let defaults = Settings::default().client_output_buffer_limit;
        let line = |class: usize| {
            let limit = s.client_output_buffer_limit[class];
            let (hard, soft) = (words::memory_text(limit.hard), words::memory_text(limit.soft));
            let class_name = ["normal", "replica", "pubsub"][class];
            (format!("{name} {class_name} {hard} {soft} {}", limit.soft_s), limit != defaults[class])
        };
        (0..3).map(line).collect()
    },
};

pub static OOM_SCORE_ADJ_VALUES: Special = Special {
    many: true,
    set: |s, given, _| {
        let [a, b, c] = given else { return Err("wrong number of arguments".into()) };
        let score = |w: &[u8]| {
            words::strtoll(w, 10)
                .filter(|n| (-2000..=2000).contains(n))
                .map(|n| n as i32)
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        };
        s.oom_score_adj_values = [score(a)?, score(b)?, score(c)?];
        Ok(())
    },
    get: |s| join(s.oom_score_adj_values.iter().map(i32::to_string)),
    lines: |s, name| {
        let [a, b, c] = s.oom_score_adj_values;
        vec![(format!("{name} {a} {b} {c}"), [a, b, c] != Settings::default().oom_score_adj_values)]
    },
};

/// The letters of `notify-keyspace-events`, in the order that CONFIG GET shows them; the bit of a letter is its place.
pub const EVENTS: &[u8; 14] = b"g$lshzxetdnKEm";
/// What `A` stands for: all but key misses (`m`), new keys (`n`), and the two ways of telling (`K`, `E`).
const EVENTS_ALL: u32 = 0x3ff;

pub static NOTIFY: Special = Special {
    many: false,
    set: |s, given, _| {
        let mut bits = 0;
        for &letter in one(given)? {
            bits |= match EVENTS.iter().position(|&e| e == letter) {
                Some(bit) => 1 << bit,
                None if letter == b'A' => EVENTS_ALL,
                None => return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
            };
        }
        s.notify_keyspace_events = bits;
        Ok(())
    },
    get: |s| events_text(s.notify_keyspace_events).into_bytes(),
    lines: |s, name| {
        let events = words::quote(events_text(s.notify_keyspace_events).as_bytes());
        vec![(format!("{name} {events}"), s.notify_keyspace_events != 0)]
    },
};

fn events_text(bits: u32) -> String {
    let all = bits & EVENTS_ALL == EVENTS_ALL;
    let letters = EVENTS.iter().enumerate().filter(|(bit, letter)| {
        // Redis shows `n` only where it does not show `A`.
        bits & 1 << bit != 0 && !(all && (EVENTS_ALL & 1 << bit != 0 || **letter == b'n'))
    });
    all.then_some('A').into_iter().chain(letters.map(|(_, letter)| *letter as char)).collect()
}

pub static REPLICAOF: Special = Special {
    many: true,
    set: |s, given, _| {
        let [host, port] = given else { return Err("wrong number of arguments".into()) };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            s.replicaof = None;
            return Ok(());
        }
        let port = words::strtoll(port, 10).and_then(|n| u16::try_from(n).ok()).ok_or("Invalid master port")?;
        s.replicaof = Some((text(host)?, port));
        Ok(())
    },
    get: |s| s.replicaof.as_ref().map(|(host, port)| format!("{host} {port}")).unwrap_or_default().into_bytes(),
    lines: |s, name| s.replicaof.iter().map(|(host, port)| (format!("{name} {host} {port}"), true)).collect(),
};

pub static PERCENTILES: Special = Special {
    many: true,
    set: |s, given, _| {
        let given = if is_empty_word(given) { &[] } else { given };
        let percentile = |w: &Vec<u8>| {
            let n = number(w).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            match n {
                0.0..=100.0 => Ok(n),
                _ => Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"),
            }
        };
        s.latency_tracking_info_percentiles = given.iter().map(percentile).collect::<Result<_, _>>()?;
        Ok(())
    },
    get: |s| join(s.latency_tracking_info_percentiles.iter().map(|n| percentile_text(*n))),
    lines: |s, name| {
        let percentiles = &s.latency_tracking_info_percentiles;
        let texts: Vec<String> = percentiles.iter().map(|n| percentile_text(*n)).collect();
        let text = if texts.is_empty() { "\"\"".into() } else { texts.join(" ") };
        vec![(format!("{name} {text}"), *percentiles != Settings::default().latency_tracking_info_percentiles)]
    },
};

/// C's `%f` without the zeroes at its end, as `INFO latencystats` names its fields too.
pub fn percentile_text(n: f64) -> String {
    let text = format!("{n:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A decimal number and nothing else. Redis takes C's hexadecimal ones too, which nobody writes here.
fn number(word: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(word).ok()?;
    text.parse().ok().filter(|n: &f64| !n.is_nan())
}

/// `cpus`: `2-5,8`.
pub static CPUS: Special = Special {
    many: false,
    set: |s, given, _| {
        s.cpus = cpu_list(&text(one(given)?)?).ok_or("argument must be a list of cores such as 2-5,8")?;
        Ok(())
    },
    get: |s| cpu_list_text(&s.cpus).into_bytes(),
    lines: |s, name| match s.cpus.as_slice() {
        [] => vec![],
        cpus => vec![(format!("{name} {}", cpu_list_text(cpus)), true)],
    },
};

/// Cores of a list as the kernel writes it (`/sys/devices/system/cpu/online`, `taskset -c`), rising, each once.
pub fn cpu_list(text: &str) -> Option<Vec<u16>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|_| !text.trim().is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let core =
            |n: &str| n.trim().bytes().all(|b| b.is_ascii_digit()).then(|| n.trim().parse::<u16>().ok()).flatten();
        let (first, last) = (core(first)?, core(last)?);
        if first > last || last > CPU_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

pub fn cpu_list_text(cpus: &[u16]) -> String {
    let run = |run: &[u16]| match run {
        [only] => only.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    };
    cpus.chunk_by(|a, b| b - a == 1).map(run).collect::<Vec<_>>().join(",")
}

/// `idle-spin-us`: `auto` or a number.
pub static IDLE_SPIN: Special = Special {
    many: false,
    set: |s, given, _| {
        let word = one(given)?;
        s.idle_spin_us = match words::integer(word) {
            _ if word.eq_ignore_ascii_case(b"auto") => IdleSpin::Auto,
            Some(n) if (0..=i64::from(IDLE_SPIN_US_MAX)).contains(&n) => IdleSpin::Us(n as u32),
            Some(_) => return Err(format!("argument must be between 0 and {IDLE_SPIN_US_MAX} inclusive").into()),
            None => return Err("argument must be 'auto' or a number of microseconds".into()),
        };
        Ok(())
    },
    get: |s| idle_spin_text(s.idle_spin_us).into_bytes(),
    lines: |s, name| vec![(format!("{name} {}", idle_spin_text(s.idle_spin_us)), s.idle_spin_us != IdleSpin::Auto)],
};

fn idle_spin_text(spin: IdleSpin) -> String {
    match spin {
        IdleSpin::Auto => "auto".into(),
        IdleSpin::Us(us) => us.to_string(),
    }
}

/// `hz`: out of range is no error in Redis, it is brought into range.
pub static HZ: Special = Special {
    many: false,
    set: |s, given, _| {
        let n = words::integer(one(given)?).ok_or("argument couldn't be parsed into an integer")?;
        if !(0..=i64::from(i32::MAX)).contains(&n) {
            return Err("argument must be between 0 and 2147483647 inclusive".into());
        }
        s.hz = n.clamp(1, 500) as u32;
        Ok(())
    },
    get: |s| s.hz.to_string().into_bytes(),
    lines: |s, name| vec![(format!("{name} {}", s.hz), s.hz != Settings::default().hz)],
};

fn one(given: &[Vec<u8>]) -> Result<&[u8], Wrong> {
    match given {
        [word] => Ok(word),
        _ => Err("wrong number of arguments".into()),
    }
}

fn is_empty_word(given: &[Vec<u8>]) -> bool {
    matches!(given, [word] if word.is_empty())
}

/// Fields that are paths, addresses and names are text. Redis takes any bytes; what is not UTF-8 is refused here rather than
/// shown back wrong.
pub(super) fn text(word: &[u8]) -> Result<String, Wrong> {
    String::from_utf8(word.to_vec()).map_err(|_| "argument must be UTF-8 text".into())
}

fn join(parts: impl Iterator<Item = String>) -> Vec<u8> {
    parts.collect::<Vec<_>>().join(" ").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::row::find;

    /// (directive, the words of one line, what CONFIG GET shows or the error, what CONFIG REWRITE writes; `!` before a line
    /// that is appended where the file has none)
    #[allow(clippy::type_complexity, reason = "a table of cases")]
    const CASES: &[(&str, &[&str], Result<&str, &str>, &[&str])] = &[
        ("bind", &["*", "-::*"], Ok("* -::*"), &["!bind * -::*"]),
        ("bind", &[""], Ok(""), &["!bind \"\""]),
        ("bind", &["127.0.0.1", "-::1"], Ok("127.0.0.1 -::1"), &[]),
        ("bind", &["1.2.3.4", ""], Err("Failed to bind to specified addresses."), &[]),
        ("bind", &["a b"], Err("Failed to bind to specified addresses."), &[]),
        ("bind", &["1"; 17], Err("Too many bind addresses specified."), &[]),
        ("dir", &["/a b"], Ok("/a b"), &["!dir \"/a b\""]),
        ("dir", &["/a", "b"], Err("wrong number of arguments"), &[]),
        ("save", &["900", "1", "300", "0"], Ok("900 1 300 0"), &["!save 900 1", "!save 300 0"]),
        ("save", &[""], Ok(""), &["!save \"\""]),
        ("save", &[], Ok(""), &["!save \"\""]),
        (
            "save",
            &["3600", "1", "300", "100", "60", "10000"],
            Ok("3600 1 300 100 60 10000"),
            &["save 3600 1 300 100 60 10000"],
        ),
        ("save", &["900"], Err("Invalid save parameters"), &[]),
        ("save", &["0", "1"], Err("Invalid save parameters"), &[]),
        ("save", &["1", "-1"], Err("Invalid save parameters"), &[]),
        ("save", &["1", "x"], Err("Invalid save parameters"), &[]),
        (
            "client-output-buffer-limit",
            &["Replica", "1mb", "2k", "3", "pubsub", "0", "0", "0"],
            Ok("normal 0 0 0 slave 1048576 2000 3 pubsub 0 0 0"),
            &[
                "client-output-buffer-limit normal 0 0 0",
                "!client-output-buffer-limit replica 1mb 2000 3",
                "!client-output-buffer-limit pubsub 0 0 0",
            ],
        ),
        (
            "client-output-buffer-limit",
            &["normal", "0", "0"],
            Err("Wrong number of arguments in buffer limit configuration."),
            &[],
        ),
        (
            "client-output-buffer-limit",
            &["master", "0", "0", "0"],
            Err("Invalid client class specified in buffer limit configuration."),
            &[],
        ),
        (
            "client-output-buffer-limit",
            &["pubsub", "1", "1", "1", "normal", "0", "0", "-1"],
            Err("Error in hard, soft or soft_seconds setting in buffer limit configuration."),
            &[],
        ),
        ("oom-score-adj-values", &["-2000", "0", "2000"], Ok("-2000 0 2000"), &["!oom-score-adj-values -2000 0 2000"]),
        (
            "oom-score-adj-values",
            &["0", "0", "2001"],
            Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
            &[],
        ),
        ("oom-score-adj-values", &["0"], Err("wrong number of arguments"), &[]),
        ("notify-keyspace-events", &["KEA"], Ok("AKE"), &["!notify-keyspace-events \"AKE\""]),
        ("notify-keyspace-events", &["AKEmn"], Ok("AKEm"), &["!notify-keyspace-events \"AKEm\""]),
        ("notify-keyspace-events", &["Knx$g"], Ok("g$xnK"), &["!notify-keyspace-events \"g$xnK\""]),
        ("notify-keyspace-events", &["g$lshzxetd"], Ok("A"), &["!notify-keyspace-events \"A\""]),
        ("notify-keyspace-events", &[""], Ok(""), &["notify-keyspace-events \"\""]),
        ("notify-keyspace-events", &["Q"], Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."), &[]),
        ("replicaof", &["10.0.0.1", "6379"], Ok("10.0.0.1 6379"), &["!replicaof 10.0.0.1 6379"]),
        ("replicaof", &["NO", "one"], Ok(""), &[]),
        ("replicaof", &["h", "65536"], Err("Invalid master port"), &[]),
        ("replicaof", &["h"], Err("wrong number of arguments"), &[]),
        (
            "latency-tracking-info-percentiles",
            &["50", "99.9", "99.99999999", "1e1"],
            Ok("50 99.9 100 10"),
            &["!latency-tracking-info-percentiles 50 99.9 100 10"],
        ),
        ("latency-tracking-info-percentiles", &[""], Ok(""), &["!latency-tracking-info-percentiles \"\""]),
        (
            "latency-tracking-info-percentiles",
            &["50", "99", "99.9"],
            Ok("50 99 99.9"),
            &["latency-tracking-info-percentiles 50 99 99.9"],
        ),
        (
            "latency-tracking-info-percentiles",
            &["50", "x"],
            Err("Invalid latency-tracking-info-percentiles parameters"),
            &[],
        ),
        (
            "latency-tracking-info-percentiles",
            &["-0.1"],
            Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"),
            &[],
        ),
        ("cpus", &["2-5,8"], Ok("2-5,8"), &["!cpus 2-5,8"]),
        ("cpus", &["8, 3,2,1 ,3,0"], Ok("0-3,8"), &["!cpus 0-3,8"]),
        ("cpus", &[""], Ok(""), &[]),
        ("cpus", &["5-2"], Err("argument must be a list of cores such as 2-5,8"), &[]),
        ("cpus", &["1,,2"], Err("argument must be a list of cores such as 2-5,8"), &[]),
        ("cpus", &["-1"], Err("argument must be a list of cores such as 2-5,8"), &[]),
        ("cpus", &["0-65535"], Err("argument must be a list of cores such as 2-5,8"), &[]),
        ("idle-spin-us", &["AUTO"], Ok("auto"), &["idle-spin-us auto"]),
        ("idle-spin-us", &["50"], Ok("50"), &["!idle-spin-us 50"]),
        ("idle-spin-us", &["1000001"], Err("argument must be between 0 and 1000000 inclusive"), &[]),
        ("idle-spin-us", &["x"], Err("argument must be 'auto' or a number of microseconds"), &[]),
        ("hz", &["0"], Ok("1"), &["!hz 1"]),
        ("hz", &["501"], Ok("500"), &["!hz 500"]),
        ("hz", &["10"], Ok("10"), &["hz 10"]),
        ("hz", &["-1"], Err("argument must be between 0 and 2147483647 inclusive"), &[]),
    ];

    #[test]
    fn forms_of_their_own() {
        for (name, given, shown, lines) in CASES {
            let row = find(name.as_bytes()).unwrap().row;
            let mut settings = Settings::default();
            let given: Vec<Vec<u8>> = given.iter().map(|w| w.as_bytes().to_vec()).collect();
            let got = row.set(&mut settings, &given, How::Ask);
            match shown {
                Ok(shown) => {
                    assert_eq!(got, Ok(()), "{name} {given:?}");
                    assert_eq!(String::from_utf8(row.get(&settings)).unwrap(), *shown, "{name} {given:?}");
                    let mark = |(line, forced): &(String, bool)| format!("{}{line}", if *forced { "!" } else { "" });
                    assert_eq!(row.lines(&settings).iter().map(mark).collect::<Vec<_>>(), *lines, "{name} {given:?}");
                }
                Err(text) => {
                    assert_eq!(got.unwrap_err(), *text, "{name} {given:?}");
                    assert_eq!(settings, Settings::default(), "{name} {given:?} changed something");
                }
            }
        }
    }

    #[test]
    fn save_lines_add_up_and_the_first_drops_the_default() {
        let row = find(b"save").unwrap().row;
        let words = |text: &str| text.split(' ').map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>();
        let mut s = Settings::default();
        assert_eq!(row.get(&s), b"3600 1 300 100 60 10000");
        row.set(&mut s, &words("900 1"), How::Start { first: true }).unwrap();
        row.set(&mut s, &words("300 10"), How::Start { first: false }).unwrap();
        assert_eq!(row.get(&s), b"900 1 300 10");
        row.set(&mut s, &[vec![]], How::Start { first: false }).unwrap();
        assert_eq!(row.get(&s), b"");
        row.set(&mut s, &words("1 2"), How::Ask).unwrap();
        row.set(&mut s, &words("3 4"), How::Ask).unwrap();
        assert_eq!(row.get(&s), b"3 4");
    }
}
