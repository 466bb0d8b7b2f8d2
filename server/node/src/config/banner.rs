//! Room: config. The few lines that the start says, once everything listens. Touches: settings, special.

use super::special::cpu_list_text;

/// What the start found out. Addresses are as they were bound: `127.0.0.1:6379`, a socket's path.
#[derive(Clone, Debug, Default)]
pub struct Banner<'a> {
    /// The core of each shard.
    pub cores: &'a [u16],
    pub resp: &'a [String],
    pub memcached: &'a [String],
    /// First and last port that shards have of their own.
    pub shard_ports: Option<(u16, u16)>,
    /// Bytes; 0: no limit.
    pub maxmemory: u64,
    pub policy: &'a str,
    pub kernel: &'a str,
    /// Kernel features in use.
    pub features: &'a [&'a str],
}

impl Banner<'_> {
    /// Log lines, level notice.
    pub fn lines(&self) -> Vec<String> {
        let mut cores = self.cores.to_vec();
        cores.sort_unstable();
        cores.dedup();
        let shared = if cores.len() < self.cores.len() { ", shared" } else { "" };
        let count = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        let mut lines = vec![format!(
            "Torc {}, pid {}: {} on {} ({}{shared})",
            env!("CARGO_PKG_VERSION"),
            std::process::id(),
            count(self.cores.len(), "shard"),
            count(cores.len(), "core"),
            cpu_list_text(&cores)
        )];
        let listening = |what: &str, at: &[String]| (!at.is_empty()).then(|| format!("{what} on {}", at.join(", ")));
        let shard_ports = self.shard_ports.map(|(first, last)| format!("shard ports {first}-{last}"));
        let listeners = [listening("RESP", self.resp), listening("memcached", self.memcached), shard_ports];
        lines.push(listeners.into_iter().flatten().collect::<Vec<_>>().join("; "));
        lines.push(match self.maxmemory {
            0 => "Memory: no limit (maxmemory 0)".into(),
            bytes => format!("Memory: at most {}, then {}", size_text(bytes), self.policy),
        });
        lines.push(format!("Linux {}, io_uring with {}", self.kernel, self.features.join(", ")));
        lines.retain(|line| !line.is_empty());
        lines
    }
}

/// Bytes for people: `1.50G`, as Redis's INFO shows them.
pub fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let power = (63 - bytes.leading_zeros()) / 10;
    let power = power.min(UNITS.len() as u32);
    format!("{:.2}{}", bytes as f64 / (1u64 << (10 * power)) as f64, UNITS[power as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_there_is() {
        let resp = ["127.0.0.1:6379".to_string(), "[::1]:6379".to_string()];
        let memcached = ["/run/mc.sock".to_string()];
        let mut banner = Banner {
            cores: &[0, 1, 2, 5],
            resp: &resp,
            memcached: &memcached,
            shard_ports: Some((7000, 7003)),
            maxmemory: 3 << 29,
            policy: "allkeys-lru",
            kernel: "6.18.5",
            features: &["multishot receive", "provided buffers"],
        };
        let head = format!("Torc {}, pid {}: ", env!("CARGO_PKG_VERSION"), std::process::id());
        assert_eq!(
            banner.lines(),
            [
                format!("{head}4 shards on 4 cores (0-2,5)"),
                "RESP on 127.0.0.1:6379, [::1]:6379; memcached on /run/mc.sock; shard ports 7000-7003".into(),
                "Memory: at most 1.50G, then allkeys-lru".into(),
                "Linux 6.18.5, io_uring with multishot receive, provided buffers".into(),
            ]
        );
        banner = Banner { cores: &[3, 3], maxmemory: 0, resp: &resp[..1], memcached: &[], shard_ports: None, ..banner };
        assert_eq!(
            banner.lines()[..3],
            [
                format!("{head}2 shards on 1 core (3, shared)"),
                "RESP on 127.0.0.1:6379".into(),
                "Memory: no limit (maxmemory 0)".into(),
            ]
        );
    }

    #[test]
    fn sizes_for_people() {
        // As INFO of redis-server shows them, save beyond 1024 PiB, where it falls back to bytes.
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1048575, "1024.00K"),
            (1 << 20, "1.00M"),
            (1 << 30, "1.00G"),
            (1 << 40, "1.00T"),
            (u64::MAX, "16384.00P"),
        ] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
