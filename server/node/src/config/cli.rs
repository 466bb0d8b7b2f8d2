//! Room: config. The command line: `torc [FILE] [--directive value ...] [options]`. Touches: row, load.
//!
//! A directive is given as `redis-server` takes it: `--name` and its words, which may begin with `-` and are one or many as
//! the directive says. No option parser knows such words, so directives are taken out first; what is left (files, the short
//! options of memcached, `--help`, what nobody knows) is clap's.

use super::load::{At, Loaded, Loader, Source};
use super::row::{self, Group, Kind, Percent, Row};
use super::rows::{FILE_ONLY, ROWS};
use super::words;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What the command line asks for.
pub enum Told {
    /// To run.
    Run(Box<Loaded>),
    /// To print this and exit with 0: help, or the version.
    Say(String),
}

/// Reads files, standard input and options, in this order, the later over the earlier. `args` are without the program's
/// name, `folder` is the process's, absolute, `root` says whether it runs as root. An error goes to stderr as it is, the exit code is 1.
pub fn read(
    args: impl IntoIterator<Item = OsString>,
    stdin: &mut dyn Read,
    folder: &Path,
    root: bool,
) -> Result<Told, String> {
    let (directives, rest) = take_directives(args.into_iter().map(OsString::into_vec).collect());
    let rest = rest.into_iter().map(OsString::from_vec);
    let options = match command().try_get_matches_from(rest) {
        Ok(options) => options,
        Err(said) if !said.use_stderr() => return Ok(Told::Say(said.to_string())),
        Err(wrong) => return Err(wrong.to_string().trim_end().to_string()),
    };

    let mut loader = Loader::new(folder);
    let mut file = None;
    let mut from_stdin = false;
    for path in options.get_many::<PathBuf>("FILE").into_iter().flatten() {
        if path.as_os_str() == "-" {
            from_stdin = true;
        } else if let Some(first) = file.replace(folder.join(path)) {
            return Err(format!(
                "one configuration file is read, these are two: '{}' and '{}'. Use 'include' for more.",
                first.display(),
                path.display()
            ));
        }
    }
    let said = |e: super::load::LoadError| e.to_string();
    if let Some(path) = &file {
        loader.file(path).map_err(said)?;
    }
    if from_stdin {
        let mut text = Vec::new();
        stdin.read_to_end(&mut text).map_err(|e| format!("standard input: {}", crate::log::plain(&e)))?;
        loader.text(&Source::Stdin, &text).map_err(said)?;
    }
    short_options(&options, &directives, &mut loader, root)?;
    for Directive { name, words } in &directives {
        let at = || {
            let words = match row::find(name) {
                Some(found) if found.row.sensitive => vec!["(redacted)".into()],
                _ => words.iter().map(|w| words::quote(w)).collect::<Vec<_>>(),
            };
            let text = format!("--{} {}", String::from_utf8_lossy(name), words.join(" "));
            At { source: Source::CommandLine, line: 1, text }
        };
        loader.directive(&at, name, words).map_err(said)?;
    }
    Ok(Told::Run(Box::new(loader.finish(file))))
}

struct Directive {
    name: Vec<u8>,
    words: Vec<Vec<u8>>,
}

/// Takes `--name words` of every known directive out of `args`, also `--name=word` and the whole in one argument as in
/// `"--port 7000"`.
fn take_directives(args: Vec<Vec<u8>>) -> (Vec<Directive>, Vec<Vec<u8>>) {
    let (mut directives, mut rest) = (Vec::new(), vec![b"torc".to_vec()]);
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next() {
        if arg == b"--" {
            rest.push(arg);
            rest.extend(args.by_ref());
            break;
        }
        let text = arg.strip_prefix(b"--").unwrap_or_default();
        let end = text.iter().position(|b| *b == b'=' || b.is_ascii_whitespace()).unwrap_or(text.len());
        let name = &text[..end];
        let Some(takes) = takes(name) else {
            rest.push(arg);
            continue;
        };
        let mut words = match text.get(end) {
            None => Vec::new(),
            Some(b'=') => vec![text[end + 1..].to_vec()],
            Some(_) => words::split(&text[end..]).unwrap_or_else(|| vec![text[end + 1..].to_vec()]),
        };
        if words.is_empty() {
            match takes {
                Takes::One => words.extend(args.next()),
                // `--save` alone is `save ""`, as in Redis; so is any other of many words.
                Takes::Many => {
                    while let Some(word) = args.next_if(|word| !is_option(word)) {
                        words.push(word);
                    }
                    if words.is_empty() {
                        words.push(Vec::new());
                    }
                }
                // `--daemonize` alone is `daemonize yes`.
                Takes::YesNo => match args.next_if(|word| !word.starts_with(b"-")) {
                    Some(word) => words.push(word),
                    None => words.push(b"yes".to_vec()),
                },
            }
        }
        directives.push(Directive { name: name.to_ascii_lowercase(), words });
    }
    (directives, rest)
}

enum Takes {
    One,
    Many,
    YesNo,
}

fn takes(name: &[u8]) -> Option<Takes> {
    if let Some(found) = row::find(name) {
        return Some(match found.row.kind {
            Kind::Flag => Takes::YesNo,
            _ if found.row.many() => Takes::Many,
            _ => Takes::One,
        });
    }
    let (_, _, most, _) = FILE_ONLY.iter().find(|(known, ..)| known.as_bytes().eq_ignore_ascii_case(name))?;
    Some(if *most == 2 { Takes::One } else { Takes::Many })
}

/// Whether a word after a directive of many words is an option instead: `--` or `--x`, or a short one alone or with a number
/// (`-m`, `-m64`, `-vv`). An optional address such as `-::1` or `-10.0.0.1` is not.
fn is_option(word: &[u8]) -> bool {
    match word {
        [b'-', b'-', ..] => true,
        [b'-', letter, tail @ ..] if letter.is_ascii_alphabetic() => {
            let number = tail.iter().take_while(|b| b.is_ascii_digit()).count();
            tail.iter().all(|b| b == letter) || (number > 0 && matches!(tail[number..], [] | [b'k' | b'm' | b'g']))
        }
        _ => false,
    }
}

/// memcached's options, as directives. Directives given by name, and `maxmemory-policy` of a file, count more.
fn short_options(
    options: &ArgMatches,
    directives: &[Directive],
    loader: &mut Loader,
    root: bool,
) -> Result<(), String> {
    let policy_in_file = loader.has("maxmemory-policy");
    let given = |name: &str| directives.iter().any(|d| row::find(&d.name).is_some_and(|found| found.row.name == name));
    let mut set = |option: &str, name: &str, words: &[&str]| {
        let at = || At { source: Source::CommandLine, line: 1, text: format!("-{option} {}", words.join(" ")) };
        let words: Vec<Vec<u8>> = words.iter().map(|w| w.as_bytes().to_vec()).collect();
        loader.directive(&at, name.as_bytes(), &words).map_err(|e| e.to_string())
    };
    let value = |id: &str| options.get_one::<String>(id).map(String::as_str);

    for (id, name) in [("p", "memcached-port"), ("c", "maxclients"), ("t", "shards"), ("b", "tcp-backlog")] {
        if let Some(n) = value(id) {
            set(id, name, &[n])?;
        }
    }
    for (id, name) in [("P", "pidfile"), ("a", "unixsocketperm")] {
        if let Some(text) = value(id) {
            set(id, name, &[text])?;
        }
    }
    if let Some(path) = value("s") {
        set("s", "memcached-unixsocket", &[path])?;
        // As in memcached, where a Unix socket takes the network's place.
        if value("p").is_none() && !given("memcached-port") {
            set("s", "memcached-port", &["0"])?;
        }
    }
    if let Some(size) = value("I") {
        set("I", "item-size-max", &[&memcached_size(size)])?;
    }
    if let Some(lists) = options.get_many::<String>("l") {
        let addresses: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
        set("l", "bind", &addresses)?;
    }
    for (id, name) in [("d", "daemonize"), ("A", "memcached-shutdown"), ("F", "memcached-flush-disabled")] {
        if options.get_flag(id) {
            set(id, name, &["yes"])?;
        }
    }
    match options.get_count("v") {
        0 => {}
        1 => set("v", "loglevel", &["verbose"])?,
        _ => set("vv", "loglevel", &["debug"])?,
    }
    let megabytes = value("m");
    if let Some(n) = megabytes {
        let plain = !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        set("m", "maxmemory", &[&if plain { format!("{n}mb") } else { n.to_string() }])?;
    }
    let policy_given = given("maxmemory-policy");
    if options.get_flag("M") && !policy_given {
        set("M", "maxmemory-policy", &["noeviction"])?;
    } else if megabytes.is_some() && !policy_given && !policy_in_file {
        set("m", "maxmemory-policy", &["allkeys-lru"])?;
    }

    match value("B").map(str::to_ascii_lowercase).as_deref() {
        None | Some("auto" | "ascii") => {}
        Some(other) => return Err(format!("-B {other}: memcached's text protocol is what is served: ascii or auto")),
    }
    if value("U").is_some_and(|port| port != "0") {
        loader.warn("WARNING: -U: UDP is not served".into());
    }
    if let Some(user) = value("u") {
        if root {
            return Err(format!(
                "-u {user}: torc does not change its user. Start it as that user: User={user} in a systemd unit, or \
                 setpriv --reuid={user} --regid={user} --init-groups torc ..."
            ));
        }
        loader.warn("WARNING: no effect here: '-u' (only root could change its user)".into());
    }
    let idle: Vec<String> = IDLE_OPTIONS
        .iter()
        .filter(|(id, takes_value, _)| if *takes_value { options.contains_id(id) } else { options.get_flag(id) })
        .map(|(id, ..)| format!("'-{id}'"))
        .collect();
    if !idle.is_empty() {
        loader.warn(format!("WARNING: no effect here: {} (tuning of memcached's own insides)", idle.join(", ")));
    }
    Ok(())
}

/// memcached's sizes: `k`, `m` and `g` are powers of 1024, where `redis.conf`'s are of 1000.
fn memcached_size(size: &str) -> String {
    match size.chars().last() {
        Some('k' | 'K' | 'm' | 'M' | 'g' | 'G') => format!("{size}b"),
        _ => size.to_string(),
    }
}

/// memcached's options that are taken and have no effect: the letter, whether it has a value, memcached's long name.
const IDLE_OPTIONS: &[(&str, bool, &str)] = &[
    ("k", false, "lock-memory"),
    ("r", false, "enable-coredumps"),
    ("L", false, "enable-largepages"),
    ("C", false, "disable-cas"),
    ("X", false, "disable-dumping"),
    ("W", false, "disable-watch"),
    ("f", true, "slab-growth-factor"),
    ("n", true, "slab-min-size"),
    ("R", true, "max-reqs-per-event"),
    ("D", true, "delimiter"),
    ("N", true, "napi-ids"),
    ("o", true, "extended"),
];

/// All that `--help` shows. Directives stand here for it only; they never reach clap's parser.
fn command() -> Command {
    let mut command = Command::new("torc")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Torc: an in-memory data server that speaks the Redis and memcached protocols over one keyspace")
        .override_usage(
            "torc [FILE] [--DIRECTIVE VALUE...] [OPTIONS]\n       torc -   (directives from standard input)",
        )
        .after_help(AFTER_HELP)
        .disable_version_flag(true)
        .arg(
            Arg::new("FILE")
                .num_args(0..)
                .value_parser(value_parser!(PathBuf))
                .help("File of directives in redis.conf's syntax; '-' is standard input"),
        )
        .arg(Arg::new("version").short('V').long("version").action(ArgAction::Version).help("Print version"));
    for (order, row) in ROWS.iter().enumerate().filter(|(_, row)| row.idle.is_none()) {
        command = command.arg(
            Arg::new(row.name)
                .long(row.name)
                .value_name(value_name(row))
                .help(help(row))
                .help_heading(heading(row.group))
                .display_order(order),
        );
    }
    const MEMCACHED: &str = "As memcached takes them";
    let option = |id: &'static str, long: &'static str, about: &'static str| {
        let short = id.chars().next().expect("ids of short options are a letter");
        Arg::new(id).short(short).long(long).help(about).help_heading(MEMCACHED).display_order(ROWS.len())
    };
    let values = [
        ("p", "tcp-port", "PORT", "memcached-port (RESP's is --port)"),
        ("m", "memory-limit", "MB", "maxmemory, in MiB; evicts by allkeys-lru unless a maxmemory-policy is given"),
        ("I", "max-item-size", "SIZE", "item-size-max; k and m are powers of 1024"),
        ("c", "conn-limit", "N", "maxclients"),
        ("t", "threads", "N", "shards"),
        ("s", "unix-socket", "PATH", "memcached-unixsocket; no memcached port unless one is given"),
        ("a", "unix-mask", "MODE", "unixsocketperm"),
        ("b", "listen-backlog", "N", "tcp-backlog"),
        ("P", "pid-file", "PATH", "pidfile"),
        ("U", "udp-port", "PORT", "Taken; UDP is not served"),
        ("u", "user", "USER", "Taken unless root: start torc as the user that it should run as"),
        ("B", "protocol", "NAME", "ascii or auto: the text protocol"),
    ];
    for (id, long, value, about) in values {
        command = command.arg(option(id, long, about).value_name(value).overrides_with(id));
    }
    let listen = option("l", "listen", "bind; several with commas between");
    command = command.arg(listen.value_name("ADDRESS").action(ArgAction::Append));
    let flags = [
        ("M", "disable-evictions", "maxmemory-policy noeviction"),
        ("d", "daemon", "daemonize"),
        ("A", "enable-shutdown", "memcached-shutdown"),
        ("F", "disable-flush-all", "memcached-flush-disabled"),
    ];
    for (id, long, about) in flags {
        command = command.arg(option(id, long, about).action(ArgAction::SetTrue).overrides_with(id));
    }
    let verbose = option("v", "verbose", "loglevel verbose; -vv: debug").action(ArgAction::Count);
    command = command.arg(verbose);
    for (id, takes_value, long) in IDLE_OPTIONS {
        let arg = option(id, long, "").hide(true);
        let action = if *takes_value { ArgAction::Append } else { ArgAction::SetTrue };
        let arg = arg.action(action);
        command = command.arg(if *takes_value { arg } else { arg.overrides_with(id) });
    }
    command
}

const AFTER_HELP: &str = "\
Sizes: 100, 1k = 1000, 1kb = 1024, and so m, mb, g, gb.
Every directive of Redis 7.2 is taken; those that have no effect here are named in the log at the start.
A directive given here counts more than one in FILE. Several words as redis-server takes them: --save 900 1 --bind '*' -::1.

Examples:
  torc
  torc /etc/torc.conf --port 7000
  torc --maxmemory 4gb --maxmemory-policy allkeys-lru --shards 4
  torc -m 4096 -c 20000 -t 4";

fn heading(group: Group) -> &'static str {
    match group {
        Group::Network => "Network",
        Group::Shards => "Shards",
        Group::Memory => "Memory",
        Group::Process => "Process",
        Group::Security => "Who may do what",
        Group::Snapshots => "Snapshots",
        Group::Watching => "What is watched",
        Group::Cluster => "What shard ports announce",
        Group::Rest => "Others",
    }
}

fn help(row: &Row) -> String {
    match row.default {
        "" | "\"\"" => row.about.to_string(),
        default => format!("{} [default: {default}]", row.about),
    }
}

fn value_name(row: &Row) -> &'static str {
    match &row.kind {
        Kind::Flag => "yes|no",
        Kind::Number { .. } => "N",
        Kind::Octal { .. } => "MODE",
        Kind::Memory { percent: Percent::No, .. } => "SIZE",
        Kind::Memory { .. } => "SIZE|N%",
        Kind::Choice(_) | Kind::Choices(..) => "WORD",
        Kind::Text { .. } => "TEXT",
        Kind::Special(special) if special.many => "WORDS",
        Kind::Special(_) => "VALUE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn run(line: &[&str], stdin: &str) -> Result<Told, String> {
        read(line.iter().map(OsString::from), &mut stdin.as_bytes(), Path::new("/"), false)
    }

    fn loaded(line: &[&str]) -> Loaded {
        match run(line, "") {
            Ok(Told::Run(loaded)) => *loaded,
            Ok(Told::Say(text)) => panic!("{line:?} says {text}"),
            Err(text) => panic!("{line:?} fails: {text}"),
        }
    }

    /// (arguments, settings that come of them)
    #[allow(clippy::type_complexity, reason = "a table of cases")]
    const CASES: &[(&[&str], &[(&str, &str)])] = &[
        (&[], &[("port", "6379"), ("memcached-port", "11211"), ("bind", "127.0.0.1 -::1"), ("dir", "/")]),
        // Flags that scripts rely on.
        (
            &[
                "--port",
                "1",
                "--memcached-port",
                "2",
                "--shard-port-base",
                "3",
                "--bind",
                "*",
                "-::*",
                "--shards",
                "4",
                "--cpus",
                "2-5,8",
                "--dir",
                "/tmp",
                "--maxmemory",
                "5gb",
                "--loglevel",
                "debug",
                "--logfile",
                "/tmp/x",
            ],
            &[
                ("port", "1"),
                ("memcached-port", "2"),
                ("shard-port-base", "3"),
                ("bind", "* -::*"),
                ("shards", "4"),
                ("cpus", "2-5,8"),
                ("dir", "/tmp"),
                ("maxmemory", "5368709120"),
                ("maxmemory-policy", "noeviction"),
                ("loglevel", "debug"),
                ("logfile", "/tmp/x"),
            ],
        ),
        // As redis-server takes them.
        (&["--save", "", "--appendonly", "no"], &[("save", ""), ("appendonly", "no")]),
        (&["--save", "--port", "7"], &[("save", ""), ("port", "7")]),
        (&["--port", "7", "--save"], &[("save", ""), ("port", "7")]),
        (&["--save", "900", "1", "60", "5", "--port", "7"], &[("save", "900 1 60 5"), ("port", "7")]),
        (&["--save", "900 1", "--save", "60 5"], &[("save", "900 1 60 5")]),
        (&["--port 7000"], &[("port", "7000")]),
        (&["--PORT", "7000"], &[("port", "7000")]),
        (&["--port", "1", "--port", "2"], &[("port", "2")]),
        (&["--list-max-listpack-size", "-5"], &[("list-max-listpack-size", "-5")]),
        (&["--slowlog-log-slower-than", "-1"], &[("slowlog-log-slower-than", "-1")]),
        (&["--requirepass", "--secret"], &[("requirepass", "--secret")]),
        (&["--lua-time-limit", "9"], &[("busy-reply-threshold", "9")]),
        (
            &["--client-output-buffer-limit", "pubsub", "1mb", "2mb", "3", "--timeout", "4"],
            &[
                ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 2097152 3"),
                ("timeout", "4"),
            ],
        ),
        // And a little more than redis-server.
        (
            &["--port=7000", "--requirepass=", "--bind=10.0.0.1 -::1"],
            &[("port", "7000"), ("requirepass", ""), ("bind", "10.0.0.1 -::1")],
        ),
        (
            &["--daemonize", "--force-shards", "--protected-mode", "no"],
            &[("daemonize", "yes"), ("force-shards", "yes"), ("protected-mode", "no")],
        ),
        (
            &["--bind", "-10.0.0.1", "-::1", "-fe80::1", "-m", "5"],
            &[("bind", "-10.0.0.1 -::1 -fe80::1"), ("maxmemory", "5242880")],
        ),
        (&["--bind", "10.0.0.1", "-vv"], &[("bind", "10.0.0.1"), ("loglevel", "debug")]),
        // memcached's.
        (
            &[
                "-p",
                "1",
                "-m",
                "64",
                "-I",
                "2m",
                "-c",
                "100",
                "-t",
                "3",
                "-l",
                "10.0.0.1,10.0.0.2",
                "-v",
                "-d",
                "-b",
                "9",
                "-P",
                "/x",
            ],
            &[
                ("memcached-port", "1"),
                ("port", "6379"),
                ("maxmemory", "67108864"),
                ("maxmemory-policy", "allkeys-lru"),
                ("item-size-max", "2097152"),
                ("maxclients", "100"),
                ("shards", "3"),
                ("bind", "10.0.0.1 10.0.0.2"),
                ("loglevel", "verbose"),
                ("daemonize", "yes"),
                ("tcp-backlog", "9"),
                ("pidfile", "/x"),
            ],
        ),
        (
            &["-m64", "-p1", "-dvv", "-l", "::1", "-l", "10.0.0.1"],
            &[("maxmemory", "67108864"), ("loglevel", "debug"), ("bind", "::1 10.0.0.1")],
        ),
        (&["--memory-limit=64", "--threads", "2"], &[("maxmemory", "67108864"), ("shards", "2")]),
        (&["-m", "64", "-M"], &[("maxmemory-policy", "noeviction")]),
        (&["-m", "64", "--maxmemory-policy", "allkeys-lfu"], &[("maxmemory-policy", "allkeys-lfu")]),
        (&["-M", "--maxmemory-policy", "allkeys-lfu"], &[("maxmemory-policy", "allkeys-lfu")]),
        (&["-m", "1gb"], &[("maxmemory", "1073741824"), ("maxmemory-policy", "allkeys-lru")]),
        (&["-m", "64", "--maxmemory", "5"], &[("maxmemory", "5")]),
        (
            &["-s", "/a", "-a", "750"],
            &[("memcached-unixsocket", "/a"), ("memcached-port", "0"), ("unixsocketperm", "750"), ("port", "6379")],
        ),
        (&["-s", "/a", "-p", "5"], &[("memcached-unixsocket", "/a"), ("memcached-port", "5")]),
        (&["-s", "/a", "--memcached-port", "5"], &[("memcached-port", "5")]),
        (&["-AF"], &[("memcached-shutdown", "yes"), ("memcached-flush-disabled", "yes")]),
        (
            &["-U", "0", "-B", "auto", "-I", "1024", "-k", "-C", "-f", "1.5", "-o", "modern", "-m", "1", "-m", "2"],
            &[("maxmemory", "2097152"), ("item-size-max", "1024")],
        ),
    ];

    #[test]
    fn command_lines() {
        for (line, want) in CASES {
            let loaded = loaded(line);
            for (name, value) in *want {
                let got = String::from_utf8(loaded.settings.text(name).unwrap()).unwrap();
                assert_eq!(got, *value, "{line:?}: {name}");
            }
        }
    }

    #[test]
    fn a_file_standard_input_and_options_in_this_order() {
        let path = std::env::temp_dir().join(format!("torc-cli-{}.conf", std::process::id()));
        std::fs::write(&path, "port 1\ntimeout 1\ntcp-keepalive 1\nmaxmemory-policy volatile-ttl").unwrap();
        let file = path.to_str().unwrap();
        let of = |s: &Settings| (s.port, s.timeout_s, s.tcp_keepalive_s);
        for (line, want) in [
            (&[file][..], (1, 1, 1)),
            (&[file, "--port", "3"], (3, 1, 1)),
            (&["--port", "3", file], (3, 1, 1)),
            (&["-v", file, "--port", "3"], (3, 1, 1)),
            (&["--bind", "1.1.1.1", "--", file], (1, 1, 1)),
            (&[file, "--port", "3", "-"], (3, 2, 1)),
            (&["-", file], (2, 2, 1)),
        ] {
            let Ok(Told::Run(loaded)) = run(line, "port 2\ntimeout 2\n") else { panic!("{line:?}") };
            assert_eq!(of(&loaded.settings), want, "{line:?}");
            assert_eq!(loaded.file.as_deref(), Some(path.as_path()), "{line:?}");
        }
        // A policy of the file is a policy given.
        assert_eq!(loaded(&[file, "-m", "1"]).settings.maxmemory_policy.name(), "volatile-ttl");
        let Ok(Told::Run(loaded)) = run(&["-"], "port 5") else { panic!() };
        assert_eq!((loaded.settings.port, loaded.file), (5, None));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn mistakes_are_named() {
        // (arguments, parts of the message)
        let cases: &[(&[&str], &[&str])] = &[
            (&["--prot", "5"], &["unexpected argument '--prot'", "--port"]),
            (&["--port", "x"], &["command line", ">>> '--port \"x\"'", "argument couldn't be parsed into an integer"]),
            (&["--port"], &["wrong number of arguments"]),
            (&["--port", "65536"], &["argument must be between 0 and 65535 inclusive"]),
            (&["--requirepass"], &[">>> '--requirepass (redacted)'", "wrong number of arguments"]),
            (&["--maxmemory", "5tb"], &["argument must be a memory value"]),
            (&["--daemonize", "maybe"], &["argument must be 'yes' or 'no'"]),
            (&["-m", "lots"], &[">>> '-m lots'", "argument must be a memory value"]),
            (&["-I", "2g"], &["argument must be between 1024 and 1073741824 inclusive"]),
            (&["-t", "5000"], &["argument must be between 0 and 1024 inclusive"]),
            (&["-B", "binary"], &["-B binary"]),
            (&["-Z"], &["unexpected argument '-Z'"]),
            (&["-m"], &["a value is required for '--memory-limit <MB>'"]),
            (&["/nope.conf"], &["can't open config file '/nope.conf': No such file or directory"]),
            (&["nope.conf"], &["can't open config file '/nope.conf'"]),
            (&["/a", "/b"], &["one configuration file is read", "'/a' and '/b'"]),
            (&["--requirepass", "se", "cret"], &["can't open config file '/cret'"]),
            (
                &["--bind", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"],
                &["Too many"],
            ),
            (&["--dir", "/nope"], &["No such file or directory"]),
            (&["--cpus", "3-1"], &["argument must be a list of cores such as 2-5,8"]),
        ];
        for (line, parts) in cases {
            let Err(text) = run(line, "") else { panic!("{line:?} is taken") };
            for part in *parts {
                assert!(text.contains(part), "{line:?}: no {part:?} in {text:?}");
            }
        }
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let got =
            loaded(&["--save", "", "--aof-use-rdb-preamble", "yes", "--io-threads", "4", "-k", "-f", "2", "-U", "5"])
                .warnings;
        assert_eq!(
            got,
            [
                "WARNING: no effect here: 'io-threads' (shards serve clients, see 'shards' and 'cpus')",
                "WARNING: no effect here, and given as Redis's default: 'aof-use-rdb-preamble'",
                "WARNING: -U: UDP is not served",
                "WARNING: no effect here: '-k', '-f' (tuning of memcached's own insides)",
            ]
        );
        assert!(loaded(&["--port", "1", "-m", "5"]).warnings.is_empty());
    }

    #[test]
    fn another_user_is_refused_to_root_only() {
        let as_root = |root| read(["-u", "nobody"].map(OsString::from), &mut "".as_bytes(), Path::new("/"), root);
        let Err(text) = as_root(true) else { panic!("root goes on as root") };
        assert!(text.starts_with("-u nobody: torc does not change its user") && text.contains("User=nobody"), "{text}");
        let Ok(Told::Run(loaded)) = as_root(false) else { panic!() };
        assert_eq!(loaded.warnings, ["WARNING: no effect here: '-u' (only root could change its user)"]);
    }

    #[test]
    fn help_and_version() {
        command().debug_assert();
        for line in [&["--help"][..], &["-h"], &["--port", "5", "--help"]] {
            let Ok(Told::Say(text)) = run(line, "") else { panic!("{line:?}") };
            for row in ROWS {
                let shown = text.contains(&format!("--{} <", row.name));
                assert_eq!(shown, row.idle.is_none(), "{} in the help", row.name);
            }
            for part in ["Network:", "As memcached takes them:", "-m, --memory-limit <MB>", "[default: 6379]"] {
                assert!(text.contains(part), "no {part:?} in {text}");
            }
        }
        for line in [["--version"], ["-V"]] {
            let Ok(Told::Say(text)) = run(&line, "") else { panic!("{line:?}") };
            assert_eq!(text, format!("torc {}\n", env!("CARGO_PKG_VERSION")));
        }
    }

    #[test]
    fn options_are_told_from_words() {
        for word in ["--x", "--", "-m", "-m64", "-vv", "-vvv", "-I2m", "-I512k"] {
            assert!(is_option(word.as_bytes()), "{word}");
        }
        for word in ["-", "", "-1", "-::1", "-10.0.0.1", "-fe80::1", "-c0a8::1", "-dead::1", "a", "-my-host"] {
            assert!(!is_option(word.as_bytes()), "{word}");
        }
    }
}
