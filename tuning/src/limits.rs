//! Room: tuning. This process's resource limits, which a server started from the same place would have.

pub const FILE: &str = "/proc/self/limits";

/// The hard limit called `name` in the content of [`FILE`]: `Some(None)` when it is unlimited.
pub fn hard(limits: &str, name: &str) -> Option<Option<u64>> {
    let line = limits.lines().find_map(|l| l.strip_prefix(name))?;
    match line.split_ascii_whitespace().nth(1)? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}
