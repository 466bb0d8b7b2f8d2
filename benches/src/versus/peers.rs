//! Room: benches, versus. Which servers there are, and how each is started at its best. Touches: PATH, cargo, a TOML file.
//!
//! One row a kind of server; where its settings come from stands beside it.

use crate::cargo;
use crate::server::{Launch, free_port, free_ports};
use loadgen::plan::Dialect;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Redis,
    Valkey,
    Memcached,
    Dragonfly,
    Pogocache,
    Torc,
}

/// What all peers of a kind share.
struct Row {
    kind: Kind,
    name: &'static str,
    /// Names that its program may have in PATH.
    programs: &'static [&'static str],
    dialects: &'static [Dialect],
    args: fn(&Start) -> Vec<String>,
}

/// What the arguments are made from.
struct Start<'a> {
    port: u16,
    /// Of the second dialect, where that needs another port.
    second_port: u16,
    cpus: &'a [usize],
    folder: &'a Path,
    memory_bytes: u64,
    clients: usize,
}

impl Start<'_> {
    fn threads(&self) -> usize {
        self.cpus.len()
    }

    fn folder(&self) -> String {
        self.folder.display().to_string()
    }
}

/// In the order in which they are measured and named. The peer named first is what the others are divided by.
const ROWS: [Row; 6] = [
    Row {
        kind: Kind::Redis,
        name: "redis",
        programs: &["redis-server"],
        dialects: &[Dialect::Resp2],
        args: |start| redis(start, 4),
    },
    Row {
        kind: Kind::Memcached,
        name: "memcached",
        programs: &["memcached"],
        dialects: &[Dialect::Memcached],
        args: memcached,
    },
    Row {
        kind: Kind::Valkey,
        name: "valkey",
        programs: &["valkey-server"],
        dialects: &[Dialect::Resp2],
        // valkey.conf, "io-threads": "machines that have at least 3 or more cores".
        args: |start| redis(start, 3),
    },
    Row {
        kind: Kind::Dragonfly,
        name: "dragonfly",
        programs: &["dragonfly", "dragonfly-x86_64", "dragonfly-aarch64"],
        dialects: &[Dialect::Resp2, Dialect::Memcached],
        args: dragonfly,
    },
    Row {
        kind: Kind::Pogocache,
        name: "pogocache",
        programs: &["pogocache"],
        dialects: &[Dialect::Resp2, Dialect::Memcached],
        args: pogocache,
    },
    Row { kind: Kind::Torc, name: "torc", programs: &[], dialects: &[Dialect::Resp2, Dialect::Memcached], args: torc },
];

/// redis.conf, "THREADED I/O": off by default; "only in machines that have at least 4 or more cores, leaving at least one spare
/// core"; "more than 8 threads is unlikely to help much". Reads by threads need saying.
fn redis(start: &Start, cores_for_io_threads: usize) -> Vec<String> {
    let io_threads = if start.threads() < cores_for_io_threads { 1 } else { (start.threads() - 1).min(8) };
    let mut args = words("--bind 127.0.0.1 --appendonly no --save");
    args.push(String::new());
    args.extend(["--port".into(), start.port.to_string(), "--dir".into(), start.folder()]);
    args.extend(words("--dbfilename dump.rdb --maxclients"));
    args.push(start.clients.to_string());
    if io_threads > 1 {
        args.extend(["--io-threads".into(), io_threads.to_string()]);
        args.extend(words("--io-threads-do-reads yes"));
    }
    args
}

/// memcached(1): as many threads as cores and no more; memory and connections up from their small defaults; UDP off.
fn memcached(start: &Start) -> Vec<String> {
    let mut args = words("-l 127.0.0.1 -U 0");
    args.extend(["-c".into(), start.clients.to_string()]);
    args.extend(["-p".into(), start.port.to_string(), "-t".into(), start.threads().to_string()]);
    args.extend(["-m".into(), (start.memory_bytes / (2 << 20)).to_string()]);
    // SAFETY: geteuid takes nothing and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        // It does not run as root without being told.
        args.extend(words("-u root"));
    }
    args
}

/// Its documentation, "Server flags": a thread a core is the default by the machine's cores, not by those it may use; the
/// file name without a time stamp makes a snapshot findable.
fn dragonfly(start: &Start) -> Vec<String> {
    let mut args = words("--bind=127.0.0.1 --logtostderr --version_check=false --dbfilename=dump");
    args.push(format!("--maxclients={}", start.clients));
    args.push(format!("--port={}", start.port));
    args.push(format!("--memcached_port={}", start.second_port));
    args.push(format!("--proactor_threads={}", start.threads()));
    args.push(format!("--maxmemory={}", start.memory_bytes / 2));
    args.push(format!("--dir={}", start.folder()));
    args
}

/// Its README, "Running": a thread a core; one port for all protocols.
fn pogocache(start: &Start) -> Vec<String> {
    let mut args = words("-h 127.0.0.1");
    args.extend(["--maxconns".into(), start.clients.to_string()]);
    args.extend(["-p".into(), start.port.to_string(), "--threads".into(), start.threads().to_string()]);
    args
}

fn torc(start: &Start) -> Vec<String> {
    let cpus: Vec<String> = start.cpus.iter().map(usize::to_string).collect();
    let mut args = words("--bind 127.0.0.1 --loglevel warning --save");
    args.push(String::new());
    args.extend(["--maxclients".into(), start.clients.to_string()]);
    args.extend(["--port".into(), start.port.to_string(), "--memcached-port".into(), start.second_port.to_string()]);
    args.extend(["--shards".into(), start.threads().to_string(), "--cpus".into(), cpus.join(",")]);
    args.extend(["--dir".into(), start.folder()]);
    args
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_string).collect()
}

/// One server that takes part.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    pub kind: Kind,
    pub program: PathBuf,
    /// What it says of its version, with Torc's commit.
    pub version: String,
    /// Given by the user, after ours.
    extra: Vec<String>,
    /// Every shard listens on a port of its own too.
    shard_ports: bool,
    /// At one time, at most.
    clients: usize,
}

/// More than any section but that of waiting clients needs.
const CLIENTS: usize = 20_000;

impl Peer {
    /// A server of this project that lies at `program`.
    pub fn torc(name: &str, program: PathBuf) -> Peer {
        Peer {
            name: name.into(),
            kind: Kind::Torc,
            program,
            version: String::new(),
            extra: Vec::new(),
            shard_ports: false,
            clients: CLIENTS,
        }
    }

    /// The same with a port for each shard, if it is a Torc.
    pub fn with_shard_ports(&self) -> Option<Peer> {
        let name = format!("{} (shard ports)", self.name);
        (self.kind == Kind::Torc).then(|| Peer { name, shard_ports: true, ..self.clone() })
    }

    /// The same for more clients than others need.
    pub fn for_clients(&self, clients: usize) -> Peer {
        Peer { clients: clients.max(CLIENTS), ..self.clone() }
    }

    /// The same with more settings, after all others.
    pub fn with(&self, args: &[&str]) -> Peer {
        let mut peer = self.clone();
        peer.extra.extend(args.iter().map(|arg| arg.to_string()));
        peer
    }

    pub fn has_shard_ports(&self) -> bool {
        self.shard_ports
    }

    pub fn speaks(&self, dialect: Dialect) -> bool {
        row(self.kind).dialects.contains(&dialect)
    }

    /// The dialect it is asked in where only one matters.
    pub fn dialect(&self) -> Dialect {
        row(self.kind).dialects[0]
    }

    /// How it is started on `cpus` with its files in `folder`.
    pub fn launch(&self, cpus: &[usize], folder: PathBuf, memory_bytes: u64) -> Result<Launch, String> {
        let (port, second_port) = (free_port()?, free_port()?);
        let row = row(self.kind);
        let mut args =
            (row.args)(&Start { port, second_port, cpus, folder: &folder, memory_bytes, clients: self.clients });
        if self.shard_ports {
            args.extend(["--shard-port-base".into(), free_ports(cpus.len())?.to_string()]);
        }
        args.extend(self.extra.iter().cloned());
        let one_port_for_all = self.kind == Kind::Pogocache;
        let port_of = |n: usize| if n == 0 || one_port_for_all { port } else { second_port };
        let ports = row.dialects.iter().enumerate().map(|(n, dialect)| (*dialect, port_of(n))).collect();
        Ok(Launch { name: self.name.clone(), program: self.program.clone(), args, cpus: cpus.to_vec(), folder, ports })
    }
}

fn row(kind: Kind) -> &'static Row {
    ROWS.iter().find(|row| row.kind == kind).expect("every kind has a row")
}

/// A file that names servers by path:
///
/// ```toml
/// [[peer]]
/// name = "redis-7.2"
/// kind = "redis"                 # redis, valkey, memcached, dragonfly, pogocache, torc
/// path = "/opt/redis/redis-server"
/// args = ["--io-threads", "2"]   # after torc-bench's own
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    peer: Vec<FilePeer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePeer {
    name: String,
    kind: Kind,
    path: PathBuf,
    #[serde(default)]
    args: Vec<String>,
}

/// Who takes part, and of whom that was looked for does not, why.
pub struct Found {
    pub peers: Vec<Peer>,
    pub absent: Vec<(String, String)>,
}

/// Those of `file` in its order, then the kinds it does not name as they are found. With `only` those named, in that order.
pub fn find(file: Option<&Path>, only: &[String]) -> Result<Found, String> {
    let mut found = Found { peers: Vec::new(), absent: Vec::new() };
    let mut named = Vec::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        named = parse(&text).map_err(|e| format!("{}: {e}", path.display()))?.peer;
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    for peer in &named {
        if wanted(&peer.name) {
            match version(peer.kind, &peer.path) {
                Ok(version) => found.peers.push(Peer {
                    name: peer.name.clone(),
                    kind: peer.kind,
                    program: peer.path.clone(),
                    version,
                    extra: peer.args.clone(),
                    shard_ports: false,
                    clients: CLIENTS,
                }),
                Err(why) => found.absent.push((peer.name.clone(), why)),
            }
        }
    }
    for row in &ROWS {
        if named.iter().any(|peer| peer.kind == row.kind) || !wanted(row.name) {
            continue;
        }
        let program = if row.kind == Kind::Torc { cargo::torc_beside() } else { in_path(row.programs) };
        match program.and_then(|program| Ok((version(row.kind, &program)?, program))) {
            Ok((version, program)) => found.peers.push(Peer {
                name: row.name.into(),
                kind: row.kind,
                program,
                version,
                extra: Vec::new(),
                shard_ports: false,
                clients: CLIENTS,
            }),
            Err(why) => found.absent.push((row.name.into(), why)),
        }
    }
    for name in only {
        let known = found.peers.iter().map(|p| &p.name).chain(found.absent.iter().map(|(n, _)| n));
        if !known.clone().any(|n| n == name) {
            let all: Vec<&str> = ROWS.iter().map(|row| row.name).chain(named.iter().map(|p| p.name.as_str())).collect();
            return Err(format!("--only {name}: there is no such server; known are {}", all.join(", ")));
        }
    }
    if !only.is_empty() {
        found.peers.sort_by_key(|peer| only.iter().position(|name| *name == peer.name));
    }
    Ok(found)
}

fn parse(text: &str) -> Result<File, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    let mut names: Vec<&str> = file.peer.iter().map(|peer| peer.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("two peers are called '{}'", twice[0]));
    }
    Ok(file)
}

fn in_path(programs: &[&str]) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = programs.iter().flat_map(|name| std::env::split_paths(&path).map(move |dir| dir.join(name)));
    candidates.into_iter().find(|file| file.is_file()).ok_or_else(|| format!("no {} in PATH", programs.join(" or ")))
}

/// The first line that it prints of itself.
fn version(kind: Kind, program: &Path) -> Result<String, String> {
    let done = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let done = done.map_err(|e| format!("{}: {e}", program.display()))?;
    let said = String::from_utf8_lossy(if done.stdout.is_empty() { &done.stderr } else { &done.stdout }).into_owned();
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("tells no version").trim().to_string();
    let commit = if kind == Kind::Torc { cargo::commit_of(&cargo::workspace()) } else { None };
    Ok(commit.map_or(line.clone(), |commit| format!("{line}, commit {commit}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_peers_is_read() {
        let file = parse("[[peer]]\nname='a'\nkind='valkey'\npath='/x'\nargs=['--io-threads','2']\n").unwrap();
        assert_eq!((file.peer[0].kind, file.peer[0].args.len()), (Kind::Valkey, 2));
        assert!(parse("").unwrap().peer.is_empty());
        for (wrong, why) in [
            ("[[peer]]\nname='a'\nkind='mysql'\npath='/x'", "mysql"),
            ("[[peer]]\nname='a'\nkind='redis'", "path"),
            ("[[peer]]\nname='a'\nkind='redis'\npath='/x'\nport=1", "port"),
            ("[[peer]]\nname='a'\nkind='redis'\npath='/x'\n[[peer]]\nname='a'\nkind='torc'\npath='/y'", "called 'a'"),
        ] {
            let error = parse(wrong).err().unwrap_or_else(|| panic!("{wrong} was taken"));
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn settings_follow_the_cores() {
        let peer = |kind| Peer {
            name: "x".into(),
            kind,
            program: "/x".into(),
            version: String::new(),
            extra: vec!["--end".into()],
            shard_ports: false,
            clients: CLIENTS,
        };
        let args = |kind, cpus: &[usize]| {
            let launch = peer(kind).launch(cpus, "/tmp/none".into(), 8 << 30).unwrap();
            assert_eq!(launch.args.last().unwrap(), "--end");
            launch.args.join(" ")
        };
        let eight: Vec<usize> = (8..16).collect();
        for (kind, cpus, has, has_not) in [
            (Kind::Redis, &[0, 1][..], "--appendonly no", "--io-threads"),
            (Kind::Redis, &eight[..], "--io-threads 7", "--io-threads 8"),
            (Kind::Valkey, &[0, 1, 2][..], "--io-threads 2", "--io-threads 3"),
            (Kind::Memcached, &[0, 1][..], "-t 2", "-t 4"),
            (Kind::Dragonfly, &[3][..], "--proactor_threads=1", "--proactor_threads=3"),
            (Kind::Pogocache, &[3][..], "--threads 1", "--threads 3"),
            (Kind::Torc, &[2, 3][..], "--shards 2 --cpus 2,3", "--cpus 0"),
        ] {
            let args = args(kind, cpus);
            assert!(args.contains(has) && !args.contains(has_not), "{kind:?}: {args}");
        }
    }

    #[test]
    fn who_is_asked_for_and_unknown_is_an_error() {
        assert!(find(None, &["mysql".into()]).is_err());
    }
}
