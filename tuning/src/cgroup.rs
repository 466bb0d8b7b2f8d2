//! Room: tuning. The control groups of the server, or of this process, from the own one up to the root; versions 1 and 2.

use crate::host::Host;

/// The folders of one controller, own group first. Empty where it is not mounted.
pub fn folders(host: &Host, controller: &str) -> Vec<String> {
    let Some(groups) = host.read(&host.process_file("cgroup")) else { return Vec::new() };
    let mut folders = Vec::new();
    for line in groups.lines() {
        // cgroups(7): "0::<path>" is version 2's, "4:cpu,cpuacct:/a/b" version 1's.
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        match controllers {
            "" => {
                up("/sys/fs/cgroup", path, &mut folders);
                up("/sys/fs/cgroup/unified", path, &mut folders);
            }
            c if c.split(',').any(|c| c == controller) => {
                up(&format!("/sys/fs/cgroup/{controller}"), path, &mut folders);
                if c != controller {
                    up(&format!("/sys/fs/cgroup/{c}"), path, &mut folders);
                }
            }
            _ => {}
        }
    }
    folders
}

/// `path` below `mount` and every folder above it. In a container the file may name the host's path, which is not there:
/// the mount itself then is the group.
fn up(mount: &str, path: &str, folders: &mut Vec<String>) {
    let mut path = path.trim_end_matches('/').to_string();
    loop {
        folders.push(format!("{mount}{path}"));
        match path.rfind('/') {
            Some(at) => path.truncate(at),
            None => return,
        }
    }
}

/// CPUs' worth of time that the tightest quota on the way to the root grants; `Err` where no group shows any quota file.
pub fn cpu_quota(host: &Host) -> Result<Option<f64>, ()> {
    let mut seen = false;
    let mut tightest: Option<f64> = None;
    for folder in folders(host, "cpu") {
        let v2 = host
            .read(&format!("{folder}/cpu.max"))
            .and_then(|t| t.split_once(' ').map(|(q, p)| (q.to_string(), p.to_string())));
        let v1 = || {
            Some((
                host.read(&format!("{folder}/cpu.cfs_quota_us"))?,
                host.read(&format!("{folder}/cpu.cfs_period_us"))?,
            ))
        };
        let Some((quota, period)) = v2.or_else(v1) else { continue };
        seen = true;
        // "max" and -1 are no quota.
        if let (Ok(quota), Ok(period)) = (quota.parse::<f64>(), period.parse::<f64>())
            && quota > 0.0
            && period > 0.0
        {
            tightest = Some(tightest.map_or(quota / period, |t| t.min(quota / period)));
        }
    }
    if seen { Ok(tightest) } else { Err(()) }
}

/// Bytes of the tightest memory limit.
pub fn memory_limit(host: &Host) -> Option<u64> {
    let folders = folders(host, "memory");
    let limits = folders.iter().flat_map(|f| {
        ["memory.max", "memory.limit_in_bytes"].into_iter().filter_map(move |name| host.number(&format!("{f}/{name}")))
    });
    // Version 1 says "no limit" as the largest whole number of pages.
    limits.filter(|n| *n < 1 << 62).min()
}
