//! Room: start. From settings to running shards, and back to an exit code. Touches: everything below.

use crate::clock::HostClock;
use crate::config::Settings;
use crate::engine::{Engine, Mail};
use crate::io::listen::{self, Listener};
use crate::io::ring::{Ring, explain};
use crate::log::Log;
use crate::mailbox;
use crate::process::{Facts, Process};
use crate::session::Door;
use crate::turn::Turn;
use base::ShardId;
use glommio::{LocalExecutorBuilder, Placement};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::sync::mpsc;

/// A server that runs until it is told to stop.
pub struct Server {
    pub process: Arc<Process>,
    threads: Vec<std::thread::JoinHandle<()>>,
    unix_paths: Vec<String>,
}

/// Opens every listening socket that the settings ask for: `[shard] -> listeners`.
fn open_listeners(settings: &Settings, shards: usize, log: &Log) -> Result<Vec<Vec<Listener>>, String> {
    let mut all: Vec<Vec<Listener>> = (0..shards).map(|_| Vec::new()).collect();
    let backlog = settings.tcp_backlog;
    let doors = [(settings.port, Door::Resp), (settings.memcached_port, Door::Memcache)];
    let mut open = 0;
    let mut wanted = 0;
    for bind in settings.bind_addresses() {
        let resolve = |port: u16| -> Result<SocketAddr, String> {
            (bind.host.as_str(), port)
                .to_socket_addrs()
                .ok()
                .and_then(|mut a| a.next())
                .ok_or_else(|| format!("bind: {} is no address of this host", bind.host))
        };
        let shard_ports = (0..if settings.shard_port_base > 0 { shards } else { 0 })
            .map(|i| (settings.shard_port_base + i as u16, Door::Shard, Some(i)));
        let ports = doors.iter().filter(|(p, _)| *p > 0).map(|&(p, d)| (p, d, None)).chain(shard_ports);
        for (port, door, only) in ports {
            wanted += 1;
            let addr = resolve(port)?;
            let listeners = listen::is_free(addr).and_then(|()| match only {
                Some(i) => listen::tcp(addr, backlog, false, door).map(|l| vec![(i, l)]),
                None => (0..shards).map(|i| listen::tcp(addr, backlog, shards > 1, door).map(|l| (i, l))).collect(),
            });
            match listeners {
                Ok(listeners) => {
                    open += 1;
                    listeners.into_iter().for_each(|(i, l)| all[i].push(l));
                }
                // As Redis: an optional address that this host does not have, or a family it does not speak, is passed over.
                Err(e) if bind.optional && matches!(e.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT)) => {
                    log.verbose(format_args!("Not listening on {addr}: {e}"));
                    wanted -= 1;
                }
                Err(e) => return Err(format!("Could not listen on {addr}: {}", plain(&e))),
            }
        }
    }
    let sockets = [(&settings.unixsocket, Door::Resp), (&settings.memcached_unixsocket, Door::Memcache)];
    for (path, door) in sockets.into_iter().filter(|(p, _)| !p.is_empty()) {
        let listener = listen::unix(path, settings.unixsocketperm, backlog, door)
            .map_err(|e| format!("Could not listen on {path}: {}", plain(&e)))?;
        open += 1;
        all[0].push(listener);
    }
    if open == 0 {
        return Err(match wanted {
            0 => "There is nothing to listen on: every port is 0 and no Unix socket is given".into(),
            _ => "No address could be listened on".into(),
        });
    }
    Ok(all)
}

fn plain(e: &std::io::Error) -> String {
    match e.raw_os_error() {
        Some(libc::EADDRINUSE) => "another program listens there".into(),
        Some(libc::EACCES) => "permission denied (ports below 1024 need root)".into(),
        _ => e.to_string(),
    }
}

impl Server {
    /// Starts shards on `cores`, one each. Errors are ready to be shown.
    pub fn start(settings: Settings, facts: Facts, log: Log) -> Result<Server, String> {
        let shards = facts.cores.len();
        let listeners = open_listeners(&settings, shards, &log)?;
        let unix_paths = listeners.iter().flatten().filter_map(|l| l.path.clone()).collect();
        let cores = facts.cores.clone();
        let process = Arc::new(Process::new(shards, facts, settings, log, crate::memory::held));
        let rings = Arc::new((0..shards).map(|_| AtomicI32::new(-1)).collect::<Vec<_>>());
        let clock = HostClock::calibrated();
        let (ready, is_ready) = mpsc::channel::<Result<(), String>>();
        let mut threads = Vec::new();
        let posts = mailbox::mesh::<Mail>(shards);
        for (i, (post, listeners)) in posts.into_iter().zip(listeners).enumerate() {
            let (process, rings, ready, core) = (process.clone(), rings.clone(), ready.clone(), cores[i]);
            let thread = std::thread::Builder::new().name(format!("shard-{i}")).spawn(move || {
                let placement = Placement::Fixed(core);
                let executor = LocalExecutorBuilder::new(placement).name(&format!("shard-{i}")).make();
                let executor = match executor {
                    Ok(executor) => executor,
                    Err(e) => return drop(ready.send(Err(explain_executor(&e.to_string())))),
                };
                executor.run(async move {
                    let ring = match Ring::new() {
                        Ok(ring) => ring,
                        Err(e) => return drop(ready.send(Err(explain(&e)))),
                    };
                    let engine =
                        Engine::new(ShardId(i as u16), process, crate::admin::serve, Some(clock), seed());
                    let turn = Turn::new(engine, ring, post, rings, listeners, clock);
                    let _ = ready.send(Ok(()));
                    turn.run().await;
                });
            });
            threads.push(thread.map_err(|e| format!("Could not start a thread for shard {i}: {e}"))?);
        }
        drop(ready);
        for _ in 0..shards {
            is_ready.recv().unwrap_or_else(|_| Err("A shard ended before it began".into()))?;
        }
        Ok(Server { process, threads, unix_paths })
    }

    /// Waits until every shard has ended.
    pub fn join(self) {
        for thread in self.threads {
            // A shard that panics takes the process with it, so there is nothing to hear here.
            let _ = thread.join();
        }
        for path in self.unix_paths {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn explain_executor(error: &str) -> String {
    if error.contains("MemLockLimit") || error.contains("memlock") {
        return "The limit on locked memory is too low for io_uring: raise memlock to 512 KiB or more (ulimit -l 512, or \
                LimitMEMLOCK=infinity in a systemd unit, or --ulimit memlock=-1 for a container)."
            .into();
    }
    format!("Could not start a shard's executor: {error}")
}

/// Random bits for hashing, so that nobody can choose keys that collide.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// `torc`: the exit code.
pub fn main() -> i32 {
    let mut settings = Settings::default();
    let words: Vec<String> = std::env::args().skip(1).collect();
    for pair in words.chunks(2) {
        let name = pair[0].trim_start_matches("--");
        let found = crate::config::row::find(name.as_bytes()).expect("known");
        found.row.set(&mut settings, &[pair[1].clone().into_bytes()], crate::config::row::How::Start { first: true }).map_err(|_| ()).expect("good");
    }
    let log = Log::in_memory(crate::log::Level::Notice);
    let usable: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().iter().map(|c| c.id).collect();
    let shards = if settings.shards > 0 { settings.shards as usize } else { usable.len() };
    let facts = Facts {
        run_id: "0".repeat(40),
        node_id: "0".repeat(40),
        started_unix_s: crate::process::unix_s(),
        kernel: String::new(),
        total_memory: 0,
        executable: String::new(),
        cores: (0..shards).map(|i| usable[i % usable.len()]).collect(),
        shard_port_base: settings.shard_port_base,
        port: settings.port,
        memcached_port: settings.memcached_port,
    };
    match Server::start(settings, facts, log) {
        Ok(server) => {
            server.join();
            0
        }
        Err(e) => {
            eprintln!("{e}");
            1
        }
    }
}
