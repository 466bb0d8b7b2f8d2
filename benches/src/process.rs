//! Room: benches. What /proc says of another process. Touches: /proc.

use std::fs;

/// User and system time used so far, and memory held, of process `pid`.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub cpu_s: f64,
    pub rss_bytes: u64,
}

impl Usage {
    pub fn of(pid: u32) -> Result<Usage, String> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let cpu_s = cpu_of_stat(&stat).ok_or_else(|| format!("/proc/{pid}/stat is not understood"))?;
        let rss_bytes = rss_of_status(&status).ok_or_else(|| format!("/proc/{pid}/status has no VmRSS"))?;
        Ok(Usage { cpu_s, rss_bytes })
    }
}

/// Memory of a process and of those it has forked, each page counted once: what a snapshot by fork really takes. None where
/// the kernel does not tell.
pub fn tree_bytes(pid: u32) -> Option<u64> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|word| word.parse().ok());
    let pss = |pid: u32| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        kib_of(&rollup, "Pss:")
    };
    // A child may have ended meanwhile.
    pss(pid).map(|own| own + children.filter_map(pss).sum::<u64>())
}

/// proc(5), /proc/pid/stat: fields 14 (utime) and 15 (stime) in clock ticks, of which Linux shows 100 a second. The name,
/// field 2, may hold blanks and parentheses; the last parenthesis ends it.
fn cpu_of_stat(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / 100.0)
}

fn rss_of_status(status: &str) -> Option<u64> {
    kib_of(status, "VmRSS:")
}

/// Bytes of the line that begins with `name` and counts in kB.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let stat = "42 (a) b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 3 0 1 2 3";
        assert_eq!(cpu_of_stat(stat), Some(4.0));
        assert_eq!(cpu_of_stat("42"), None);
        assert_eq!(rss_of_status("Name:\ta\nVmRSS:\t    1024 kB\n"), Some(1 << 20));
        assert_eq!(rss_of_status("Name:\ta\n"), None);
        let usage = Usage::of(std::process::id()).expect("this process");
        assert!(usage.rss_bytes > 0);
        let tree = tree_bytes(std::process::id()).expect("Linux 4.14 and later tell");
        assert!(tree > 0 && tree < usage.rss_bytes * 4, "{tree} against {usage:?}");
    }
}
