//! Room: tuning. Resource limits as /proc/<pid>/limits shows them. Touches: nothing.

/// The hard limit called `name`: `Some(None)` when it is unlimited.
pub fn hard(limits: &str, name: &str) -> Option<Option<u64>> {
    let line = limits.lines().find_map(|l| l.strip_prefix(name))?;
    match line.split_ascii_whitespace().nth(1)? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

/// Open files that the server keeps for itself (server/node/src/start.rs, DESCRIPTORS_RESERVED and 16 a shard).
pub fn reserved_files(shards: usize) -> u64 {
    128 + 16 * shards as u64
}

/// Open files for so many clients, with a fifth more: room for CONFIG SET maxclients.
pub fn files_for(clients: u32, shards: usize) -> u64 {
    (u64::from(clients) + u64::from(clients) / 5 + reserved_files(shards)).next_multiple_of(1024)
}
