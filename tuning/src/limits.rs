//! Room: tuning. Resource limits as /proc/<pid>/limits shows them. Touches: nothing.

/// The hard limit called `name`: `Some(None)` when it is unlimited.
pub fn hard(limits: &str, name: &str) -> Option<Option<u64>> {
    let line = limits.lines().find_map(|l| l.strip_prefix(name))?;
    match line.split_ascii_whitespace().nth(1)? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}
