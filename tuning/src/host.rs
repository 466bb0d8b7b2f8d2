//! Room: tuning. The host as files below a root that tests can lay elsewhere, and the few things that only a system call tells.
//! Touches: /proc and /sys, for reading only.

use crate::cpus;
use crate::nic::Nic;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What no file shows. Tests, and `--root`, put answers of their own in place.
#[derive(Clone, Copy)]
pub struct Probes {
    /// Asks for a ring as the server does: what it lacks, or why there is none.
    pub ring: fn() -> io::Result<Vec<&'static str>>,
    pub nic: fn(&str) -> Option<Nic>,
    /// Opens a nameless file in the folder for direct I/O; its alignment in bytes where the kernel tells.
    pub direct_io: fn(&Path) -> io::Result<Option<u32>>,
}

impl Probes {
    pub const REAL: Probes =
        Probes { ring: crate::ring::try_one, nic: crate::nic::ask, direct_io: crate::direct::open };

    /// Of a host that is only files.
    pub const NONE: Probes = Probes {
        ring: || Err(io::Error::new(io::ErrorKind::NotConnected, "not asked: --root is no live host")),
        nic: |_| None,
        direct_io: |_| Err(io::Error::new(io::ErrorKind::NotConnected, "not asked: --root is no live host")),
    };
}

/// Where the server's shards run, or would run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shards {
    pub cpus: Vec<u32>,
    /// Where that is known from.
    pub source: String,
    /// The running server, if it was asked.
    pub pid: Option<u32>,
}

pub struct Host {
    root: PathBuf,
    pub probes: Probes,
    pub shards: Shards,
    /// Where the server would keep its files.
    pub folder: PathBuf,
}

impl Host {
    pub fn new(root: impl Into<PathBuf>, probes: Probes) -> Host {
        Host { root: root.into(), probes, shards: Shards::default(), folder: PathBuf::from(".") }
    }

    /// The trimmed content of an absolute path; `None` when it cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.at(path)).ok().map(|t| t.trim().to_string())
    }

    pub fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.parse().ok()
    }

    pub fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.at(path)) else { return Vec::new() };
        let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    pub fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path).strip_prefix("/").unwrap_or(Path::new(path)))
    }

    /// `/proc/<the server, or else this process>/name`: the server's limits and groups count, where there is a server.
    pub fn process_file(&self, name: &str) -> String {
        match self.shards.pid {
            Some(pid) => format!("/proc/{pid}/{name}"),
            None => format!("/proc/self/{name}"),
        }
    }

    pub fn online(&self) -> Vec<u32> {
        self.read("/sys/devices/system/cpu/online").and_then(|t| cpus::list(&t)).unwrap_or_default()
    }

    /// Files `/sys/devices/system/cpu/cpuN/<name>` of all CPUs that have it: (CPU, content).
    pub fn each_cpu(&self, name: &str) -> Vec<(u32, String)> {
        let files = self.online().into_iter();
        files.filter_map(|cpu| Some((cpu, self.read(&format!("/sys/devices/system/cpu/cpu{cpu}/{name}"))?))).collect()
    }

    /// Network interfaces with a device behind them: those whose interrupts and queues can be placed.
    pub fn nics(&self) -> Vec<String> {
        let all = self.list("/sys/class/net").into_iter();
        all.filter(|name| self.has(&format!("/sys/class/net/{name}/device"))).collect()
    }

    /// (name of the queue, content of its file) of an interface, for queues whose name begins with `kind` (`rx-`, `tx-`).
    pub fn queues(&self, nic: &str, kind: &str, file: &str) -> Vec<(String, String)> {
        let folder = format!("/sys/class/net/{nic}/queues");
        let names = self.list(&folder).into_iter().filter(|name| name.starts_with(kind));
        names.filter_map(|name| self.read(&format!("{folder}/{name}/{file}")).map(|text| (name, text))).collect()
    }

    /// Whether a hypervisor is underneath.
    pub fn is_virtual(&self) -> bool {
        let info = self.read("/proc/cpuinfo").unwrap_or_default();
        let flags = info.lines().find(|l| l.starts_with("flags") || l.starts_with("Features")).unwrap_or("");
        // ARM shows no such flag; firmware tables name the hypervisor there as well.
        let vendor = self.read("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
        flags.split_ascii_whitespace().any(|f| f == "hypervisor")
            || ["QEMU", "Amazon EC2", "Google", "VMware, Inc.", "Xen"].contains(&vendor.as_str())
            || self.has("/sys/hypervisor/type")
    }

    /// `vm-2vcpu`, `metal-32cpu`: how hosts are named under benches/record.
    pub fn kind(&self) -> String {
        let count = self.online().len().max(1);
        if self.is_virtual() { format!("vm-{count}vcpu") } else { format!("metal-{count}cpu") }
    }

    /// The container that this runs in, as far as one can tell from within.
    pub fn container(&self) -> Option<&'static str> {
        // linux/proc_ns.h, PROC_PID_INIT_INO: the first process namespace of the host. A machine may boot from a container's image,
        // with that image's marks in its files.
        if fs::read_link(self.at("/proc/self/ns/pid")).is_ok_and(|link| link == Path::new("pid:[4026531836]")) {
            return None;
        }
        if self.has("/.dockerenv") {
            return Some("docker");
        }
        if self.has("/run/.containerenv") {
            return Some("podman");
        }
        if self.read("/run/systemd/container").is_some_and(|t| !t.is_empty()) {
            return Some("container");
        }
        let groups = self.read("/proc/1/cgroup").unwrap_or_default();
        let marks = [("kubepods", "kubernetes"), ("docker", "docker"), ("/lxc", "lxc"), ("containerd", "containerd")];
        marks.iter().find(|(mark, _)| groups.contains(mark)).map(|(_, name)| *name)
    }

    /// Bytes of a line of /proc/meminfo.
    pub fn meminfo(&self, name: &str) -> Option<u64> {
        let text = self.read("/proc/meminfo")?;
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }
}

/// The word in brackets: how the kernel shows which of several was chosen.
pub fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(word, _)| word)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A host made of the given files, in a folder of its own that goes with it.
    pub struct Made {
        pub host: Host,
        pub root: PathBuf,
    }

    impl Made {
        pub fn of(name: &str, files: &[(&str, &str)]) -> Made {
            let root = std::env::temp_dir().join(format!("torc-tune-{}-{name}", std::process::id()));
            fs::create_dir_all(&root).expect("the temporary folder is writable");
            for (path, content) in files {
                let path = root.join(path.trim_start_matches('/'));
                fs::create_dir_all(path.parent().expect("a file is in a folder"))
                    .expect("the temporary folder is writable");
                fs::write(path, content).expect("the temporary folder is writable");
            }
            let mut host = Host::new(&root, Probes { ring: || Ok(Vec::new()), ..Probes::NONE });
            let cpus = host.online();
            host.shards = Shards { cpus, source: "all".into(), pid: None };
            Made { host, root }
        }

        pub fn with(name: &str, files: &[(&str, &str)], shards: &[u32]) -> Made {
            let mut made = Made::of(name, files);
            made.host.shards.cpus = shards.to_vec();
            made
        }
    }

    impl Drop for Made {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.root));
        }
    }

    #[test]
    fn kinds_and_containers_are_told_apart() {
        const ONLINE: (&str, &str) = ("/sys/devices/system/cpu/online", "0-3\n");
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<&'a str>);
        let cases: &[Case] = &[
            (&[ONLINE, ("/proc/cpuinfo", "flags\t\t: fpu hypervisor lm\n")], "vm-4vcpu", None),
            (&[ONLINE, ("/proc/cpuinfo", "flags\t\t: fpu lm\n"), ("/.dockerenv", "")], "metal-4cpu", Some("docker")),
            (&[ONLINE, ("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")], "vm-4vcpu", None),
            (&[("/proc/1/cgroup", "0::/kubepods.slice/x\n")], "metal-1cpu", Some("kubernetes")),
            (&[("/proc/1/cgroup", "0::/init.scope\n")], "metal-1cpu", None),
        ];
        for (number, (files, kind, container)) in cases.iter().enumerate() {
            let made = Made::of(&format!("kind-{number}"), files);
            assert_eq!((made.host.kind().as_str(), made.host.container()), (*kind, *container), "{files:?}");
        }
    }

    #[test]
    fn small_parsers_read_what_the_kernel_writes() {
        assert_eq!(chosen("always [madvise] never"), Some("madvise"));
        assert_eq!(chosen("none"), None);
        let made = Made::of("meminfo", &[("/proc/meminfo", "MemTotal:       24684084 kB\nSwapTotal:  0 kB\n")]);
        assert_eq!(made.host.meminfo("MemTotal"), Some(24_684_084 << 10));
        assert_eq!(made.host.meminfo("SwapTotal"), Some(0));
        assert_eq!(made.host.meminfo("Swap"), None);
    }
}
