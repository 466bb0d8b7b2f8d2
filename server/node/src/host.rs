//! Room: host. Facts of the machine and of what this process may use of it, and how many shards and clients follow from
//! them. Touches: config (the list form of cores); reads /proc, /sys and limits.
//!
//! Everything read comes from below one root folder, so that tests bring their own machine.

use crate::config::{OomScoreAdj, Settings, cpu_list, cpu_list_text};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What was found. A fact that cannot be read is `None`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Host {
    /// Cores that this process may run on, rising.
    pub cores: Vec<u16>,
    /// CPU time that the control group grants, in cores; `None`: no quota.
    pub quota_cores: Option<f64>,
    /// Bytes of the machine.
    pub memory: u64,
    /// Bytes that the control group grants; `None`: no limit.
    pub cgroup_memory: Option<u64>,
    pub nofile: Option<Limit>,
    pub memlock: Option<Limit>,
    /// As `uname -r` gives it.
    pub kernel: String,
    /// `kernel.io_uring_disabled`: 0 allowed, 1 only for a group or privileged, 2 not at all. Absent before 6.6.
    pub io_uring_disabled: Option<u8>,
    /// `net.core.somaxconn`
    pub somaxconn: Option<u32>,
    pub huge_pages: HugePages,
}

/// Who gets the kernel's transparent huge pages (`/sys/kernel/mm/transparent_hugepage/enabled`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HugePages {
    /// Nobody, or it cannot be read.
    #[default]
    Never,
    /// Memory for which they are asked: `madvise`.
    Advised,
    Always,
}

/// Which cores a thread may run on.
#[derive(Clone)]
pub struct Affinity(libc::cpu_set_t);

impl Affinity {
    pub fn of_this_thread() -> Affinity {
        // SAFETY: all zeroes is a set of no cores; the call writes only to it. Where it fails the set stays empty, which `apply`
        // passes over.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
            Affinity(set)
        }
    }

    /// This thread runs there from now on.
    pub fn apply(&self) {
        // SAFETY: the set is whole and only read. A refusal, of an empty set too, leaves the thread where it is.
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &self.0) };
    }
}

/// This thread goes behind those that serve clients, where they want the same core.
pub fn step_back() {
    const NICE: i32 = 10;
    // SAFETY: no memory is involved; on Linux the number 0 is this thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// A limit of this process; `None` is without limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

impl Host {
    pub fn read() -> Host {
        let mut host = Host::read_at(Path::new("/"));
        // What this thread may run on says more than files: `taskset` counts, and a container's cpuset.
        if let Some(cores) = core_affinity::get_core_ids().filter(|cores| !cores.is_empty()) {
            host.cores = cores.iter().filter_map(|core| u16::try_from(core.id).ok()).collect();
            host.cores.sort_unstable();
        }
        host
    }

    fn read_at(root: &Path) -> Host {
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let limits = text("proc/self/limits");
        let groups = Groups::read(root);
        Host {
            cores: cpu_list(&text("sys/devices/system/cpu/online")).unwrap_or_default(),
            quota_cores: groups.quota_cores(),
            memory: meminfo_bytes(&text("proc/meminfo"), "MemTotal").unwrap_or(0),
            cgroup_memory: groups.memory(),
            nofile: limit(&limits, "Max open files"),
            memlock: limit(&limits, "Max locked memory"),
            kernel: text("proc/sys/kernel/osrelease").trim().to_string(),
            io_uring_disabled: text("proc/sys/kernel/io_uring_disabled").trim().parse().ok(),
            somaxconn: text("proc/sys/net/core/somaxconn").trim().parse().ok(),
            huge_pages: match text("sys/kernel/mm/transparent_hugepage/enabled").split(['[', ']']).nth(1) {
                Some("madvise") => HugePages::Advised,
                Some("always") => HugePages::Always,
                _ => HugePages::Never,
            },
        }
    }

    /// Bytes that this process can use: the machine's, or what the control group grants of them. `maxmemory` in percent is
    /// of this.
    pub fn usable_memory(&self) -> u64 {
        self.cgroup_memory.map_or(self.memory, |limit| if self.memory == 0 { limit } else { limit.min(self.memory) })
    }

    /// (major, minor) of the kernel.
    pub fn kernel_version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.kernel.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }

    /// What to say when the kernel will not queue as many connections as `tcp-backlog` asks for.
    pub fn backlog_warning(&self, tcp_backlog: u32) -> Option<String> {
        let somaxconn = self.somaxconn.filter(|max| *max > 0 && *max < tcp_backlog)?;
        Some(format!(
            "WARNING: tcp-backlog {tcp_backlog} is cut to {somaxconn} by the kernel; to have it all: \
             sysctl -w net.core.somaxconn={tcp_backlog}"
        ))
    }

    /// Why io_uring is bound to fail here, with the remedy; `None`: nothing speaks against it.
    pub fn io_uring_objection(&self) -> Option<String> {
        // DESIGN, section 3: 6.1 is the floor (multishot receive with provided buffer rings, DEFER_TASKRUN).
        if let Some(version) = self.kernel_version().filter(|version| *version < (6, 1)) {
            let (major, minor) = version;
            return Some(format!(
                "torc needs Linux 6.1 or newer for its io_uring features; this is {major}.{minor} ({}). \
                 Upgrade the kernel.",
                self.kernel
            ));
        }
        match self.io_uring_disabled {
            Some(2) => Some(
                "io_uring is switched off on this host (kernel.io_uring_disabled is 2). \
                 Allow it: sysctl -w kernel.io_uring_disabled=0"
                    .into(),
            ),
            Some(1) if !is_root() => Some(
                "io_uring is kept for privileged processes on this host (kernel.io_uring_disabled is 1). Allow it: \
                 sysctl -w kernel.io_uring_disabled=0, or put this user's group in kernel.io_uring_group"
                    .into(),
            ),
            _ => None,
        }
    }

    /// The core of each shard: `shards` of them (0: as many as cores), on `cpus` (empty: all usable ones). With `force`
    /// shards may share cores. The error says what does not fit.
    pub fn assign_cores(&self, shards: u16, cpus: &[u16], force: bool) -> Result<Vec<u16>, String> {
        let missing: Vec<u16> = cpus.iter().copied().filter(|cpu| !self.cores.contains(cpu)).collect();
        if !missing.is_empty() {
            return Err(format!(
                "--cpus asks for {} which this process may not use; it may use {}",
                cpu_list_text(&missing),
                cpu_list_text(&self.cores)
            ));
        }
        let cores = if cpus.is_empty() { &self.cores } else { cpus };
        // A host whose cores cannot be told still has one.
        let cores = if cores.is_empty() { &[0] } else { cores };
        let wanted = match shards {
            // A quota of 2.5 cores keeps three threads busy; more would only wait for each other.
            0 => match self.quota_cores {
                Some(quota) if cpus.is_empty() => cores.len().min((quota.ceil() as usize).max(1)),
                _ => cores.len(),
            },
            n => n.into(),
        };
        if wanted > cores.len() && !force {
            return Err(format!(
                "--shards {wanted} is more than the {} {} ({}) that can be used: shards that share a core wait for each \
                 other. Ask for {} at most, or say --force-shards",
                cores.len(),
                if cores.len() == 1 { "core" } else { "cores" },
                cpu_list_text(cores),
                cores.len()
            ));
        }
        Ok(cores.iter().copied().cycle().take(wanted).collect())
    }
}

/// How many clients can be had, and what to say about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clients {
    pub max: u32,
    /// A log line, level warning.
    pub warning: Option<String>,
    /// A log line, level notice.
    pub notice: Option<String>,
}

/// Raises this process's limit of open files to what `maxclients` clients and `reserved` other files need, as far as that
/// is allowed. The error is for when not even one client fits.
pub fn make_room_for_clients(maxclients: u32, reserved: u32) -> Result<Clients, String> {
    let needed = u64::from(maxclients) + u64::from(reserved);
    let before = nofile().map_err(|e| format!("the limit of open files cannot be read: {}", crate::log::plain(&e)))?;
    let after = match before.soft {
        Some(soft) if soft < needed => raise_nofile(before, needed),
        _ => before,
    };
    fit_clients(maxclients, reserved, before, after)
}

/// The pure part: limits `before` and `after` the attempt.
fn fit_clients(maxclients: u32, reserved: u32, before: Limit, after: Limit) -> Result<Clients, String> {
    let needed = u64::from(maxclients) + u64::from(reserved);
    let room = after.soft.unwrap_or(u64::MAX);
    if room >= needed {
        let notice = match before.soft {
            Some(soft) if soft < needed => {
                Some(format!("The limit of open files (nofile) was raised from {soft} to {needed}"))
            }
            _ => None,
        };
        return Ok(Clients { max: maxclients, warning: None, notice });
    }
    let remedy = format!(
        "raise the hard limit of open files (nofile) to {needed} or more: 'ulimit -Hn {needed}' as root before the start, \
         LimitNOFILE={needed} in a systemd unit, or --ulimit nofile={needed} for a container"
    );
    let max = u32::try_from(room.saturating_sub(reserved.into())).unwrap_or(maxclients);
    if max == 0 {
        return Err(format!(
            "{room} open files are allowed, and {reserved} are needed before the first client can connect: {remedy}"
        ));
    }
    let warning = format!(
        "WARNING: maxclients was lowered by {}, from {maxclients} to {max}: {room} open files are allowed, {needed} are needed. \
         To have all clients, {remedy}",
        maxclients - max
    );
    Ok(Clients { max, warning: Some(warning), notice: None })
}

fn nofile() -> io::Result<Limit> {
    let mut raw = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `raw` is a live value of the right type, which `getrlimit` only fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut raw) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let bytes = |n: libc::rlim_t| (n != libc::RLIM_INFINITY).then_some(n);
    Ok(Limit { soft: bytes(raw.rlim_cur), hard: bytes(raw.rlim_max) })
}

/// Tries for `needed`, hard limit included (which root may raise), then for what the hard limit allows.
fn raise_nofile(before: Limit, needed: u64) -> Limit {
    let hard = before.hard.unwrap_or(libc::RLIM_INFINITY);
    for (soft, hard) in [(needed, hard.max(needed)), (needed.min(hard), hard)] {
        let raw = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: `raw` is a live value of the right type, which `setrlimit` only reads.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw) } == 0 {
            break;
        }
    }
    nofile().unwrap_or(before)
}

/// Huge pages as the settings and the host have them: `huge-pages` for what stores keep, made ready by a thread of its own, and
/// `disable-thp` against any others. True if the former are to be had; else why not, where that can be mended.
///
/// The first touch of a huge page has to clear 2 MiB: up to 6 ms on a virtual machine, in the middle of somebody's ask. With
/// small pages for what shards touch first, KEYS over 5 M keys held a GET beside it for 0.9 ms, not 6 (p99).
pub fn arrange_huge_pages(settings: &Settings, pages: HugePages) -> (bool, Option<String>) {
    /// prctl(2), since 6.18: but for memory for which they are asked.
    const EXCEPT_ADVISED: libc::c_ulong = 1 << 1;
    let refuse = |flags: libc::c_ulong| {
        // SAFETY: prctl(2): sets a flag of the process; no memory is involved.
        match unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1 as libc::c_ulong, flags, 0, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    let wanted = settings.huge_pages && pages != HugePages::Never;
    if !settings.disable_thp {
        return (wanted, None);
    }
    crate::memory::small_pages();
    take_back_advice();
    match (wanted, pages) {
        (true, HugePages::Always) if refuse(EXCEPT_ADVISED).is_err() => {
            let why = "Entries lie in small pages: this kernel gives huge pages to all memory or to none. \
                       To have them where they help: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
            (false, Some(refuse(0).map_or_else(|e| format!("disable-thp: {e}"), |()| why.into())))
        }
        (true, _) => (true, None),
        (false, _) => (false, refuse(0).err().map(|e| format!("disable-thp: {e}"))),
    }
}

/// Memory for which huge pages were asked for so far, by the allocator before this program began, gets small ones from now on.
fn take_back_advice() {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let number = |hex: &str| usize::from_str_radix(hex, 16).ok();
    let mut mapping = None;
    for line in maps.lines() {
        if let Some((from, to)) = line.split(' ').next().and_then(|word| word.split_once('-')) {
            mapping = number(from).zip(number(to));
        }
        // proc(5): huge advise.
        let is_advised = line.strip_prefix("VmFlags:").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hg"));
        if let Some((from, to)) = mapping.filter(|_| is_advised) {
            let start = std::ptr::without_provenance_mut(from);
            // SAFETY: advice about pages to come changes nothing that a program can see.
            unsafe { libc::madvise(start, to - from, libc::MADV_NOHUGEPAGE) };
        }
    }
}

/// What `/proc/self/oom_score_adj` says.
pub fn oom_score() -> io::Result<i32> {
    let text = std::fs::read_to_string("/proc/self/oom_score_adj")?;
    text.trim().parse().map_err(io::Error::other)
}

/// `oom-score-adj`: the kernel is told how soon to end this process when memory is short. `began`: what it was at the start.
pub fn set_oom_score(settings: &Settings, began: i32) -> io::Result<()> {
    let told = settings.oom_score_adj_values[0];
    let score = match settings.oom_score_adj {
        OomScoreAdj::No => began,
        OomScoreAdj::Relative => began.saturating_add(told),
        OomScoreAdj::Absolute => told,
    };
    // proc(5): the kernel's range; Redis takes twice that, for relative ones.
    std::fs::write("/proc/self/oom_score_adj", score.clamp(-1000, 1000).to_string())
}

/// Has the kernel schedule this thread as a batch job (sched(7)): woken, it does not take the core from whoever runs there.
pub fn schedule_as_batch() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: `param` is a whole value, which the call reads; 0 names the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &param) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    // SAFETY: `geteuid` takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Of `/proc/self/limits`: the line `name`, its soft and hard columns.
fn limit(limits: &str, name: &str) -> Option<Limit> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let mut columns = line.split_whitespace();
    let mut column = || match columns.next()? {
        "unlimited" => Some(None),
        n => n.parse().ok().map(Some),
    };
    Some(Limit { soft: column()?, hard: column()? })
}

fn meminfo_bytes(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The folders of this process's control groups, from its own one up to the root of each hierarchy. A limit of any of
/// them binds.
struct Groups {
    /// cgroup v2: one hierarchy.
    unified: Vec<PathBuf>,
    /// cgroup v1.
    cpu: Vec<PathBuf>,
    memory: Vec<PathBuf>,
}

impl Groups {
    fn read(root: &Path) -> Groups {
        let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let mount = root.join("sys/fs/cgroup");
        let mut groups = Groups { unified: Vec::new(), cpu: Vec::new(), memory: Vec::new() };
        for line in text.lines() {
            // `0::/a/b` is v2's; `4:cpu,cpuacct:/a/b` is v1's.
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
            match controllers {
                "" => {
                    groups.unified = upwards(&mount, path);
                    groups.unified.extend(upwards(&mount.join("unified"), path));
                }
                c if c.split(',').any(|c| c == "cpu") => {
                    groups.cpu = upwards(&mount.join("cpu"), path);
                    groups.cpu.extend(upwards(&mount.join(c), path));
                }
                "memory" => groups.memory = upwards(&mount.join("memory"), path),
                _ => {}
            }
        }
        groups
    }

    fn quota_cores(&self) -> Option<f64> {
        let v2 = self.unified.iter().filter_map(|folder| {
            let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            share(quota, period)
        });
        let v1 = self.cpu.iter().filter_map(|folder| {
            let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
            share(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())
        });
        v2.chain(v1).min_by(f64::total_cmp)
    }

    fn memory(&self) -> Option<u64> {
        let read =
            |folder: &PathBuf, name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        let v2 = self.unified.iter().filter_map(|folder| read(folder, "memory.max"));
        let v1 = self.memory.iter().filter_map(|folder| read(folder, "memory.limit_in_bytes"));
        // v1 says "no limit" as the largest whole number of pages.
        v2.chain(v1).filter(|n| *n < 1 << 62).min()
    }
}

/// `path` below `mount`, and every folder above it down to the mount itself. In a container the file names the host's path,
/// which is not there: the mount itself then is the group.
fn upwards(mount: &Path, path: &str) -> Vec<PathBuf> {
    let inner = mount.join(path.trim_start_matches('/'));
    inner.ancestors().take_while(|folder| folder.starts_with(mount)).map(Path::to_path_buf).collect()
}

/// Quota over period; "max" and -1 are no quota.
fn share(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max cpu time              unlimited            unlimited            seconds   \n\
        Max open files            1024                 524288               files     \n\
        Max locked memory         8388608              unlimited            bytes     \n";

    fn machine(name: &str, files: &[(&str, &str)]) -> Host {
        let root = std::env::temp_dir().join(format!("torc-host-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::read_at(&root);
        fs::remove_dir_all(&root).unwrap();
        host
    }

    #[test]
    fn facts_are_read() {
        let host = machine(
            "plain",
            &[
                ("sys/devices/system/cpu/online", "0-3,6\n"),
                ("proc/meminfo", "MemFree: 1 kB\nMemTotal:       16384 kB\n"),
                ("proc/self/limits", LIMITS),
                ("proc/self/cgroup", "0::/user.slice/a\n"),
                ("sys/fs/cgroup/user.slice/cpu.max", "max 100000\n"),
                ("proc/sys/kernel/osrelease", "6.18.5-generic\n"),
                ("proc/sys/kernel/io_uring_disabled", "0\n"),
                ("proc/sys/net/core/somaxconn", "4096\n"),
                ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
            ],
        );
        let want = Host {
            cores: vec![0, 1, 2, 3, 6],
            quota_cores: None,
            memory: 16384 * 1024,
            cgroup_memory: None,
            nofile: Some(Limit { soft: Some(1024), hard: Some(524288) }),
            memlock: Some(Limit { soft: Some(8388608), hard: None }),
            kernel: "6.18.5-generic".into(),
            io_uring_disabled: Some(0),
            somaxconn: Some(4096),
            huge_pages: HugePages::Advised,
        };
        assert_eq!(host, want);
        assert_eq!(host.kernel_version(), Some((6, 18)));
        assert_eq!(machine("nothing", &[]), Host::default());
    }

    #[test]
    fn the_tightest_control_group_binds() {
        // (what /proc/self/cgroup says, files, cores of the quota, bytes)
        type Files = &'static [(&'static str, &'static str)];
        let cases: &[(&str, Files, Option<f64>, Option<u64>)] = &[
            (
                "0::/a/b\n",
                &[
                    ("a/b/cpu.max", "max 100000"),
                    ("a/cpu.max", "250000 100000"),
                    ("a/b/memory.max", "1000"),
                    ("a/memory.max", "900"),
                    ("memory.max", "max"),
                ],
                Some(2.5),
                Some(900),
            ),
            // In a container: the path is the host's, the mount is the group.
            ("0::/docker/0123\n", &[("cpu.max", "150000 100000"), ("memory.max", "4096")], Some(1.5), Some(4096)),
            (
                "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n",
                &[
                    ("cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
                    ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
                    ("memory/docker/1/memory.limit_in_bytes", "9223372036854771712\n"),
                    ("memory/memory.limit_in_bytes", "7000\n"),
                ],
                Some(0.5),
                Some(7000),
            ),
            (
                "4:cpu:/\n5:memory:/\n",
                &[
                    ("cpu/cpu.cfs_quota_us", "-1\n"),
                    ("cpu/cpu.cfs_period_us", "100000\n"),
                    ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                None,
                None,
            ),
            ("nonsense\n0::/\n", &[("cpu.max", "nonsense"), ("memory.max", "")], None, None),
        ];
        for (i, (cgroup, files, cores, bytes)) in cases.iter().enumerate() {
            let files: Vec<(String, &str)> =
                files.iter().map(|(path, text)| (format!("sys/fs/cgroup/{path}"), *text)).collect();
            let mut all = vec![("proc/self/cgroup", *cgroup)];
            all.extend(files.iter().map(|(path, text)| (path.as_str(), *text)));
            let host = machine(&format!("group{i}"), &all);
            assert_eq!((host.quota_cores, host.cgroup_memory), (*cores, *bytes), "{cgroup}");
        }
    }

    #[test]
    fn usable_memory_is_the_smaller() {
        let host = |memory, cgroup_memory| Host { memory, cgroup_memory, ..Host::default() };
        for (memory, group, want) in [(10, None, 10), (10, Some(5), 5), (10, Some(50), 10), (0, Some(5), 5)] {
            assert_eq!(host(memory, group).usable_memory(), want);
        }
    }

    #[test]
    fn shards_get_cores() {
        // (cores, quota, --shards, --cpus, --force-shards, the cores or a part of the error)
        type Want = Result<&'static [u16], &'static str>;
        #[allow(clippy::type_complexity, reason = "a table of cases")]
        let cases: &[(&[u16], Option<f64>, u16, &[u16], bool, Want)] = &[
            (&[0, 1, 2, 3], None, 0, &[], false, Ok(&[0, 1, 2, 3])),
            (&[0, 1, 2, 3], None, 2, &[], false, Ok(&[0, 1])),
            (&[0, 1, 2, 3], None, 0, &[1, 3], false, Ok(&[1, 3])),
            (&[0, 1, 2, 3], None, 1, &[2, 3], false, Ok(&[2])),
            (&[0, 1, 2, 3], Some(2.5), 0, &[], false, Ok(&[0, 1, 2])),
            (&[0, 1, 2, 3], Some(0.1), 0, &[], false, Ok(&[0])),
            (&[0, 1], Some(9.0), 0, &[], false, Ok(&[0, 1])),
            // Who names cores or a number knows better than a quota.
            (&[0, 1, 2, 3], Some(1.0), 0, &[0, 1], false, Ok(&[0, 1])),
            (&[0, 1, 2, 3], Some(1.0), 4, &[], false, Ok(&[0, 1, 2, 3])),
            (&[2, 3], None, 3, &[], false, Err("--shards 3 is more than the 2 cores (2-3) that can be used")),
            (&[2, 3], None, 3, &[3], false, Err("--shards 3 is more than the 1 core (3) that can be used")),
            (&[2, 3], None, 5, &[], true, Ok(&[2, 3, 2, 3, 2])),
            (
                &[2, 3],
                None,
                0,
                &[0, 2, 9],
                true,
                Err("--cpus asks for 0,9 which this process may not use; it may use 2-3"),
            ),
            (&[], None, 0, &[], false, Ok(&[0])),
        ];
        for (cores, quota_cores, shards, cpus, force, want) in cases {
            let host = Host { cores: cores.to_vec(), quota_cores: *quota_cores, ..Host::default() };
            let got = host.assign_cores(*shards, cpus, *force);
            match (&got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want),
                (Err(got), Err(want)) => assert!(got.starts_with(want), "{got}"),
                _ => panic!("{got:?} instead of {want:?}"),
            }
        }
    }

    #[test]
    fn clients_fit_the_limit_of_open_files() {
        let limit = |soft| Limit { soft, hard: soft };
        let fit = |before, after| fit_clients(10000, 64, limit(before), limit(after));
        assert_eq!(fit(Some(20000), Some(20000)), Ok(Clients { max: 10000, warning: None, notice: None }));
        assert_eq!(fit(None, None), Ok(Clients { max: 10000, warning: None, notice: None }));
        let raised = fit(Some(1024), Some(10064)).unwrap();
        assert_eq!((raised.max, raised.warning), (10000, None));
        assert_eq!(raised.notice.unwrap(), "The limit of open files (nofile) was raised from 1024 to 10064");
        let lowered = fit(Some(1024), Some(4096)).unwrap();
        assert_eq!((lowered.max, &lowered.notice), (4032, &None));
        let text = lowered.warning.unwrap();
        assert!(text.contains("lowered by 5968, from 10000 to 4032") && text.contains("LimitNOFILE=10064"), "{text}");
        let error = fit(Some(64), Some(64)).unwrap_err();
        assert!(error.starts_with("64 open files are allowed, and 64 are needed before"), "{error}");
    }

    #[test]
    fn this_process_can_make_room_for_what_it_already_has() {
        let soft = nofile().unwrap().soft.unwrap_or(u64::MAX).min(100) as u32;
        assert_eq!(make_room_for_clients(soft - 1, 1), Ok(Clients { max: soft - 1, warning: None, notice: None }));
    }

    #[test]
    fn objections_to_io_uring() {
        let host =
            |kernel: &str, disabled| Host { kernel: kernel.into(), io_uring_disabled: disabled, ..Host::default() };
        assert_eq!(host("6.1.0-13-amd64", None).io_uring_objection(), None);
        assert_eq!(host("6.18.5", Some(0)).io_uring_objection(), None);
        assert_eq!(host("nonsense", None).io_uring_objection(), None);
        assert!(host("5.15.0-100", None).io_uring_objection().unwrap().contains("this is 5.15 (5.15.0-100)"));
        assert!(host("6.6.1", Some(2)).io_uring_objection().unwrap().contains("sysctl -w kernel.io_uring_disabled=0"));
        assert_eq!(host("6.6.1", Some(1)).io_uring_objection().is_none(), is_root());
    }

    #[test]
    fn a_backlog_beyond_the_kernels_is_said() {
        let host = |somaxconn| Host { somaxconn, ..Host::default() };
        assert_eq!(host(Some(4096)).backlog_warning(511), None);
        assert_eq!(host(None).backlog_warning(511), None);
        assert_eq!(host(Some(511)).backlog_warning(511), None);
        assert!(host(Some(128)).backlog_warning(511).unwrap().starts_with("WARNING: tcp-backlog 511 is cut to 128"));
    }

    #[test]
    fn this_machine_has_what_every_machine_has() {
        let host = Host::read();
        assert!(!host.cores.is_empty() && host.memory > 1 << 20 && host.kernel_version().is_some());
        assert!(host.usable_memory() <= host.memory);
        assert!(host.nofile.is_some_and(|l| l.soft.is_none_or(|soft| soft > 0)));
    }
}
