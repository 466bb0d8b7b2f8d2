//! Room: tuning. Where the shards run: as a running server shows, as given, or as a server started now would choose.
//! Touches: host.

use crate::cgroup;
use crate::cpus;
use crate::host::{Host, Shards};

/// What the command line says about it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub pid: Option<u32>,
    pub cpus: Option<Vec<u32>>,
    pub shards: Option<usize>,
}

/// The cores of the shards. The error says what does not fit.
pub fn find(host: &Host, asked: &Asked) -> Result<Shards, String> {
    if asked.cpus.is_some() || asked.shards.is_some() {
        return given(host, asked);
    }
    let running = match asked.pid {
        Some(pid) => vec![pid],
        None => servers(host),
    };
    let mut cores = Vec::new();
    for pid in &running {
        cores.extend(cores_of(host, *pid));
    }
    cores.sort_unstable();
    cores.dedup();
    match running.as_slice() {
        [] => given(host, asked),
        _ if cores.is_empty() && asked.pid.is_some() => {
            Err(format!("process {} has no thread called shard-N: it is not torc, or it is gone", running[0]))
        }
        _ if cores.is_empty() => given(host, asked),
        [pid] => Ok(Shards { cpus: cores, source: format!("torc, process {pid}, runs there"), pid: Some(*pid) }),
        more => {
            let source = format!("{} torc processes run there; limits are those of {}", more.len(), more[0]);
            Ok(Shards { cpus: cores, source, pid: Some(more[0]) })
        }
    }
}

/// As the server would choose them: the CPUs given or all usable, as many as asked or as a quota keeps busy.
fn given(host: &Host, asked: &Asked) -> Result<Shards, String> {
    let usable = usable(host);
    let from = match &asked.cpus {
        Some(cpus) if cpus.is_empty() => return Err("--cpus is an empty list".into()),
        Some(cpus) => match cpus.iter().find(|cpu| !usable.is_empty() && !usable.contains(cpu)) {
            Some(cpu) => {
                return Err(format!("--cpus names {cpu}; this process may use {}", cpus::list_text(&usable)));
            }
            None => cpus.clone(),
        },
        None => usable,
    };
    let quota = cgroup::cpu_quota(host).ok().flatten();
    let count = match (asked.shards, quota) {
        (Some(0), _) => return Err("--shards is 1 at least".into()),
        (Some(n), _) if n > from.len() => {
            return Err(format!("--shards {n} is more than the CPUs to be used: {}", cpus::list_text(&from)));
        }
        (Some(n), _) => n,
        (None, Some(quota)) if asked.cpus.is_none() => from.len().min((quota.ceil() as usize).max(1)),
        (None, _) => from.len(),
    };
    let source = match (&asked.cpus, asked.shards) {
        (None, None) => "no torc runs here; one started now would take these",
        _ => "as given",
    };
    Ok(Shards { cpus: from.into_iter().take(count).collect(), source: source.into(), pid: None })
}

/// CPUs that this process may run on.
pub fn usable(host: &Host) -> Vec<u32> {
    let status = host.read("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:")).and_then(cpus::list);
    let online = host.online();
    match allowed {
        Some(allowed) if online.is_empty() => allowed,
        Some(allowed) => allowed.into_iter().filter(|cpu| online.contains(cpu)).collect(),
        None => online,
    }
}

/// Running servers, lowest process first.
fn servers(host: &Host) -> Vec<u32> {
    let mut pids: Vec<u32> = host.list("/proc").iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    pids.retain(|pid| {
        host.read(&format!("/proc/{pid}/comm")).as_deref() == Some("torc") && !cores_of(host, *pid).is_empty()
    });
    pids
}

/// A shard is a thread called shard-N, pinned to one core.
fn cores_of(host: &Host, pid: u32) -> Vec<u32> {
    let tasks = format!("/proc/{pid}/task");
    let mut cores = Vec::new();
    for task in host.list(&tasks) {
        let is_shard = |name: String| name.strip_prefix("shard-").is_some_and(|n| n.parse::<u16>().is_ok());
        if !host.read(&format!("{tasks}/{task}/comm")).is_some_and(is_shard) {
            continue;
        }
        let status = host.read(&format!("{tasks}/{task}/status")).unwrap_or_default();
        cores.extend(
            status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:")).and_then(cpus::list).unwrap_or_default(),
        );
    }
    cores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;

    const ONLINE: (&str, &str) = ("/sys/devices/system/cpu/online", "0-7\n");
    const ALLOWED: (&str, &str) = ("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t2-5\n");

    #[test]
    fn shards_are_found() {
        let torc: &[(&str, &str)] = &[
            ONLINE,
            ("/proc/77/comm", "torc\n"),
            ("/proc/77/task/77/comm", "torc\n"),
            ("/proc/77/task/77/status", "Cpus_allowed_list:\t0-7\n"),
            ("/proc/77/task/78/comm", "shard-0\n"),
            ("/proc/77/task/78/status", "Cpus_allowed_list:\t3\n"),
            ("/proc/77/task/79/comm", "shard-1\n"),
            ("/proc/77/task/79/status", "Cpus_allowed_list:\t6\n"),
            ("/proc/80/comm", "torch\n"),
        ];
        let ask = |pid, cpus: Option<&[u32]>, shards| Asked { pid, cpus: cpus.map(<[u32]>::to_vec), shards };
        let quota = ("/sys/fs/cgroup/cpu.max", "150000 100000\n");
        let own = ("/proc/self/cgroup", "0::/\n");
        type Case<'a> = (&'a [(&'a str, &'a str)], Asked, Result<&'a [u32], &'a str>);
        let cases: &[Case] = &[
            (torc, ask(None, None, None), Ok(&[3, 6])),
            (torc, ask(Some(77), None, None), Ok(&[3, 6])),
            (torc, ask(Some(80), None, None), Err("not torc")),
            (torc, ask(None, Some(&[1, 2]), None), Ok(&[1, 2])),
            (&[ONLINE], ask(None, None, None), Ok(&[0, 1, 2, 3, 4, 5, 6, 7])),
            (&[ONLINE, ALLOWED], ask(None, None, Some(2)), Ok(&[2, 3])),
            (&[ONLINE, ALLOWED], ask(None, Some(&[0]), None), Err("may use 2-5")),
            (&[ONLINE, ALLOWED], ask(None, None, Some(5)), Err("more than")),
            (&[ONLINE, own, quota], ask(None, None, None), Ok(&[0, 1])),
        ];
        for (number, (files, asked, want)) in cases.iter().enumerate() {
            let made = Made::of(&format!("shards-{number}"), files);
            match (find(&made.host, asked), want) {
                (Ok(found), Ok(want)) => assert_eq!(found.cpus, *want, "{asked:?}"),
                (Err(why), Err(mentions)) => assert!(why.contains(mentions), "{why}"),
                (found, _) => panic!("{asked:?}: {found:?}"),
            }
        }
    }
}
