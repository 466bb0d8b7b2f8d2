//! Room: tuning. This process's control groups, from its own up to the root (version 2).

use crate::knob::Host;

/// The folders, own group first. Empty where version 2 is not mounted.
pub fn folders(host: &Host) -> Vec<String> {
    let Some(groups) = host.read("/proc/self/cgroup") else { return Vec::new() };
    // cgroups(7): the version 2 line reads "0::<path>".
    let Some(own) = groups.lines().find_map(|l| l.strip_prefix("0::")) else { return Vec::new() };
    let mut path = own.trim_end_matches('/').to_string();
    let mut folders = Vec::new();
    loop {
        folders.push(format!("/sys/fs/cgroup{path}"));
        match path.rfind('/') {
            Some(at) => path.truncate(at),
            None => return folders,
        }
    }
}
