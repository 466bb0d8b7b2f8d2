//! Room: tuning, lab. A control group with a CPU quota for one process, gone with the value that holds it. Touches: /sys/fs/cgroup.

use std::fs;
use std::path::{Path, PathBuf};

pub struct Quota {
    folder: PathBuf,
}

const PERIOD_US: u64 = 100_000;

impl Quota {
    /// Grants a process so many CPUs' worth of time. Version 2, else version 1.
    pub fn of(pid: u32, cpus: f64) -> Result<Quota, String> {
        let name = format!("torc-tune-{}", std::process::id());
        let write =
            |path: PathBuf, text: String| fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()));
        let quota_us = (cpus * PERIOD_US as f64) as u64;
        let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers");
        let is_v2 = fs::read_to_string(v2).is_ok_and(|t| t.split_ascii_whitespace().any(|c| c == "cpu"));
        let parent = Path::new(if is_v2 { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/cpu" });
        let folder = parent.join(name);
        if is_v2 {
            write(parent.join("cgroup.subtree_control"), "+cpu".into())?;
        }
        fs::create_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let made = Quota { folder: folder.clone() };
        if is_v2 {
            write(folder.join("cpu.max"), format!("{quota_us} {PERIOD_US}"))?;
        } else {
            write(folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            write(folder.join("cpu.cfs_quota_us"), quota_us.to_string())?;
        }
        write(folder.join("cgroup.procs"), pid.to_string())?;
        Ok(made)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // A group goes when its last process has; the server is dropped before.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        eprintln!("torc-tune: {} could not be removed", self.folder.display());
    }
}
