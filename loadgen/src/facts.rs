//! Room: loadgen. Who was asked and from where: what a server tells of itself, and this host. Touches: socket, /proc.

use crate::outcome::{Host, TargetFacts};
use crate::plan::Target;
use crate::socket::Socket;
use std::io::Write;

/// Connects once and asks the server what it is. No connection is an error; a server that does not tell is none.
pub fn of_target(target: &Target) -> Result<(TargetFacts, Socket), String> {
    let mut socket = Socket::connect(target)?;
    let (server, version) = if target.dialect.is_resp() {
        let told = socket.ask(&[b"INFO", b"server"]);
        told.map(|reply| server_of_info(&String::from_utf8_lossy(&reply))).unwrap_or_default()
    } else {
        let told = socket.write_all(b"version\r\n").and_then(|()| socket.read_until(|got| got.ends_with(b"\r\n")));
        told.map(|reply| server_of_version(&String::from_utf8_lossy(&reply))).unwrap_or_default()
    };
    Ok((TargetFacts { url: target.to_string(), server, version }, socket))
}

/// Servers that speak for Redis tell its version too, so their own names come first.
const SERVERS: [(&str, &str); 5] = [
    ("torc_version", "torc"),
    ("valkey_version", "valkey"),
    ("dragonfly_version", "dragonfly"),
    ("keydb_version", "keydb"),
    ("redis_version", "redis"),
];

fn server_of_info(info: &str) -> (String, String) {
    let field = |name: &str| info.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let found = SERVERS.iter().find_map(|(key, name)| Some((name.to_string(), field(key)?.to_string())));
    found.unwrap_or_default()
}

fn server_of_version(reply: &str) -> (String, String) {
    let Some(told) = reply.trim().strip_prefix("VERSION ") else { return Default::default() };
    match told.rsplit_once(' ') {
        Some((name, version)) => (name.to_lowercase(), version.to_string()),
        None => ("memcached".into(), told.to_string()),
    }
}

/// This host.
pub fn of_host() -> Host {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let line = |path: &str| read(path).trim().to_string();
    let field = |text: &str, name: &str| {
        let value = text.lines().find_map(|l| l.strip_prefix(name)?.trim_start().strip_prefix(':').map(str::trim));
        value.unwrap_or_default().to_string()
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kib: u64 = memory.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Host {
        name: line("/proc/sys/kernel/hostname"),
        kernel: format!("{} {}", line("/proc/sys/kernel/ostype"), line("/proc/sys/kernel/osrelease")),
        cpus: std::thread::available_parallelism().map_or(0, |n| n.get()),
        cpu_model: field(&read("/proc/cpuinfo"), "model name"),
        memory_bytes: kib * 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_by_their_own_names() {
        let cases = [
            ("# Server\r\nredis_version:7.2.6\r\n", ("redis", "7.2.6")),
            ("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n", ("valkey", "8.0.1")),
            ("redis_version:7.2.0\r\ntorc_version:0.1.0\r\n", ("torc", "0.1.0")),
            ("-NOPERM no\r\n", ("", "")),
        ];
        for (info, (server, version)) in cases {
            assert_eq!(server_of_info(info), (server.to_string(), version.to_string()), "{info}");
        }
        assert_eq!(server_of_version("VERSION 1.6.18\r\n"), ("memcached".into(), "1.6.18".into()));
        assert_eq!(server_of_version("VERSION Torc 0.1.0\r\n"), ("torc".into(), "0.1.0".into()));
        assert_eq!(server_of_version("ERROR\r\n"), Default::default());
        let host = of_host();
        assert!(host.cpus > 0 && host.memory_bytes > 0 && host.kernel.starts_with("Linux "));
    }
}
