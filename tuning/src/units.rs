//! Room: tuning. systemd units, the directives they start the server with, and a sysctl drop-in, made for this host.
//! Touches: nothing; the caller writes or prints.
//!
//! Units hold what the server needs (limits), where it runs (its cores) and what a network service should not be able to do
//! (hardening). Settings that are only said to make things faster are not in them: those are for `apply`, with a recorded effect.

use crate::report::{Report, Verdict};
use crate::{cpus, limits};
use std::fmt::Write;

/// What units are made of.
#[derive(Clone, Debug)]
pub struct Service {
    pub torc: String,
    /// Where the units look for directives.
    pub folder: String,
    pub cpus: Vec<u32>,
    pub maxmemory: Option<u64>,
    /// A user that is there; `None`: one that systemd makes for the time the service runs.
    pub user: Option<String>,
    pub maxclients: u32,
    /// Instances of torc@.service to write directives for.
    pub instances: usize,
}

/// A file to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub path: String,
    pub text: String,
}

const RESP_PORT: usize = 6379;
const MEMCACHED_PORT: usize = 11211;

pub fn files(service: &Service) -> Result<Vec<Made>, String> {
    if service.instances > service.cpus.len() {
        let cores = cpus::list_text(&service.cpus);
        return Err(format!("{} instances need as many cores; the shards' are {cores}", service.instances));
    }
    let folder = &service.folder;
    let mut files = vec![
        Made { path: "torc.service".into(), text: unit(service, "Torc in-memory data server", "torc") },
        Made { path: "torc@.service".into(), text: unit(service, "Torc in-memory data server, instance %i", "%i") },
        Made {
            path: "torc.conf".into(),
            text: directives(
                RESP_PORT,
                MEMCACHED_PORT,
                &service.cpus,
                service.maxmemory,
                service.maxclients,
                folder,
                "torc",
            ),
        },
    ];
    for number in 0..service.instances {
        // Neighbouring cores stay together; the first instances take what does not divide.
        let first = number * service.cpus.len() / service.instances;
        let last = (number + 1) * service.cpus.len() / service.instances;
        let memory = service.maxmemory.map(|m| m / service.instances as u64);
        let name = format!("i{}", number + 1);
        files.push(Made {
            path: format!("{name}.conf"),
            text: directives(
                RESP_PORT + number,
                MEMCACHED_PORT + number,
                &service.cpus[first..last],
                memory,
                service.maxclients,
                folder,
                &name,
            ),
        });
    }
    Ok(files)
}

fn unit(service: &Service, description: &str, name: &str) -> String {
    let Service { torc, folder, .. } = service;
    let affinity = cpus::list_text(&service.cpus);
    let files = limits::files_for(service.maxclients, service.cpus.len());
    let state = if name == "%i" { "torc/%i" } else { "torc" };
    let user = match &service.user {
        Some(user) => format!("User={user}\nGroup={user}"),
        None => "# A user that exists while the service runs. With kernel.io_uring_disabled=1 use a fixed User= and Group= that is\n\
                 # kernel.io_uring_group.\nDynamicUser=yes"
            .to_string(),
    };
    format!(
        "# Made by torc-tune systemd.
[Unit]
Description={description}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart={torc} {folder}/{name}.conf --supervised systemd --daemonize no
Restart=on-failure
# SIGTERM: replies under way leave, then exit code 0.
KillSignal=SIGTERM
TimeoutStopSec=30

{user}
StateDirectory={state}
RuntimeDirectory={state}
WorkingDirectory=%S/{state}
UMask=0077

# What the server does not start without, or cuts maxclients for (torc-tune check: nofile, memlock).
LimitNOFILE={files}
LimitMEMLOCK=infinity
LimitCORE=0
# The cores of its shards: each pins itself to one of them.
CPUAffinity={affinity}

# What it has no business with.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
# ProcSubset=pid would hide /proc/meminfo and /proc/sys, which the server reads for maxmemory in percent and its warnings.
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @keyring
# In @system-service only since systemd 247.
SystemCallFilter=io_uring_setup io_uring_enter io_uring_register
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"
    )
}

fn directives(
    port: usize,
    memcached_port: usize,
    cores: &[u32],
    maxmemory: Option<u64>,
    maxclients: u32,
    folder: &str,
    name: &str,
) -> String {
    let memory = match maxmemory {
        Some(bytes) => format!("maxmemory {bytes}\n"),
        None => "# No limit on memory: give torc-tune systemd a --memory, or set one here.\n# maxmemory 4gb\n".into(),
    };
    format!(
        "# {folder}/{name}.conf, made by torc-tune systemd.
bind 127.0.0.1 -::1
port {port}
memcached-port {memcached_port}
cpus {}
maxclients {maxclients}
{memory}",
        cpus::list_text(cores)
    )
}

/// The sysctls that `check` recommends on this host; what has no recorded effect stands as a comment.
pub fn sysctl(report: &Report) -> String {
    let mut out = String::from("# Made by torc-tune sysctl for this host; install as /etc/sysctl.d/60-torc.conf.\n");
    let mut line = |text: String| writeln!(out, "{text}").expect("a String takes all text");
    let mut any = false;
    for row in &report.knobs {
        for change in &row.changes {
            let Some(path) = change.path.strip_prefix("/proc/sys/") else { continue };
            // A dot in a name (an interface's) is written as a slash by sysctl.d(5), and the other way round.
            let key: String = path
                .chars()
                .map(|c| match c {
                    '/' => '.',
                    '.' => '/',
                    c => c,
                })
                .collect();
            any = true;
            line(format!("\n# {}: now {}. Effect: {}", row.name, row.current, row.effect_told));
            match row.verdict {
                Verdict::Poor | Verdict::Stops => line(format!("{key} = {}", change.new)),
                _ => line(format!(
                    "# Not recommended, no effect is recorded on this kind of host:\n# {key} = {}",
                    change.new
                )),
            }
        }
    }
    if !any {
        line("\n# Nothing to set: all sysctls that torc-tune knows stand as they would be set.".into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Effects;
    use crate::{host, knobs, report};
    use std::process::Command;

    fn service(instances: usize) -> Service {
        Service {
            torc: "/bin/true".into(),
            folder: "/etc/torc".into(),
            cpus: vec![1, 2, 3],
            maxmemory: Some(4 << 30),
            user: None,
            maxclients: 10_000,
            instances,
        }
    }

    #[test]
    fn cores_and_memory_are_dealt_out_to_instances() {
        let files = files(&service(2)).expect("three cores for two");
        let of = |name: &str| &files.iter().find(|f| f.path == name).expect("made").text;
        assert!(of("torc.service").contains("CPUAffinity=1-3\n") && of("torc.service").contains("LimitNOFILE=12288\n"));
        assert!(of("torc.conf").contains("cpus 1-3\n") && of("torc.conf").contains("port 6379\n"));
        assert!(of("i1.conf").contains("cpus 1\n") && of("i1.conf").contains("maxmemory 2147483648\n"));
        assert!(of("i2.conf").contains("cpus 2-3\n") && of("i2.conf").contains("memcached-port 11212\n"));
        assert!(of("torc@.service").contains("/etc/torc/%i.conf"));
        assert!(super::files(&service(4)).is_err());
    }

    #[test]
    fn systemd_takes_the_units() {
        let folder = std::env::temp_dir().join(format!("torc-tune-{}-units", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        for user in [None, Some("daemon".to_string())] {
            for file in files(&Service { user, ..service(0) }).expect("sound") {
                std::fs::write(folder.join(&file.path), file.text).expect("writable");
            }
            for (unit, installed) in [("torc.service", "torc.service"), ("torc@.service", "torc@i1.service")] {
                let path = folder.join(installed);
                if unit != installed {
                    std::fs::copy(folder.join(unit), &path).expect("writable");
                }
                let Ok(verified) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output()
                else {
                    println!("SKIPPED: systemd-analyze is not installed");
                    drop(std::fs::remove_dir_all(&folder));
                    return;
                };
                let said = String::from_utf8_lossy(&verified.stderr);
                // verify loads what the unit refers to as well; only lines about ours count.
                let ours: Vec<&str> = said.lines().filter(|line| line.contains(installed)).collect();
                assert!(ours.is_empty(), "{said}");
                assert!(verified.status.success(), "{said}");
            }
        }
        drop(std::fs::remove_dir_all(&folder));
    }

    #[test]
    fn sysctls_without_a_recorded_effect_are_comments() {
        let made = host::tests::Made::of(
            "sysctl",
            &[("/proc/sys/net/core/somaxconn", "128\n"), ("/proc/sys/vm/overcommit_memory", "2\n")],
        );
        let row =
            "[[effect]]\nknob='somaxconn'\nkind='measured'\nhost='metal-1cpu'\nrecord='metal-1cpu/x.md'\neffect='y'";
        let report = report::look(&made.host, &knobs::all(), &Effects::parse(row).expect("sound"));
        let text = sysctl(&report);
        assert!(text.contains("\nnet.core.somaxconn = 4096\n"), "{text}");
        assert!(text.contains("\n# vm.overcommit_memory = 0\n"), "{text}");
    }
}
