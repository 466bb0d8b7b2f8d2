//! Room: start. From settings to running shards, and back to an exit code. Touches: everything below.

use crate::appendlog;
use crate::backup::source::Source;
use crate::backup::{depot, restore};
use crate::clock::HostClock;
use crate::config::banner::Banner;
use crate::config::cli::{self as config, Told};
use crate::config::load::Loaded;
use crate::config::{OomScoreAdj, Settings, Supervised};
use crate::engine::copies::access_of;
use crate::engine::{Engine, LoadFile, LoadPlan, Mail, Replay};
use crate::files::Files;
use crate::files::folder::{self, Lock, NoLock};
use crate::host::{self, Host};
use crate::io::listen::{self, Listener};
use crate::io::ring::{Ring, explain};
use crate::log::{Log, Target};
use crate::mailbox;
use crate::manifest;
use crate::persist::{Gate, Leave};
use crate::process::{Facts, Process, random_seed, unix_s};
use crate::session::Door;
use crate::title::Title;
use crate::turn::Turn;
use base::ShardId;
use glommio::{LocalExecutorBuilder, Placement};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::sync::mpsc;
use std::time::Duration;

/// A server that runs until it is told to stop.
pub struct Server {
    pub process: Arc<Process>,
    threads: Vec<std::thread::JoinHandle<()>>,
    unix_paths: Vec<String>,
    /// What is listened on, beside Unix sockets.
    pub addresses: Vec<SocketAddr>,
}

type Listening = (Vec<Vec<Listener>>, Vec<SocketAddr>);

/// Opens every listening socket that the settings ask for: `[shard] -> listeners`.
fn open_listeners(settings: &Settings, shards: usize, log: &Log) -> Result<Listening, String> {
    let mut all: Vec<Vec<Listener>> = (0..shards).map(|_| Vec::new()).collect();
    let backlog = settings.tcp_backlog;
    let doors = [(settings.port, Door::Resp), (settings.memcached_port, Door::Memcache)];
    let mut open = 0;
    let mut addresses = Vec::new();
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
                    if settings.socket_mark_id > 0
                        && let Err(e) = listeners.iter().try_for_each(|(_, l)| listen::mark(l, settings.socket_mark_id))
                    {
                        log.warning(format_args!("socket-mark-id has no effect on {addr}: {}", plain(&e)));
                    }
                    open += 1;
                    addresses.push(addr);
                    listeners.into_iter().for_each(|(i, l)| all[i].push(l));
                }
                // As Redis: an optional address that this host does not have, or a family it does not speak, is passed over.
                Err(e)
                    if bind.optional && matches!(e.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT)) =>
                {
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
    Ok((all, addresses))
}

/// Files, and the append log on top of them where there is one.
type ToLoad = (Arc<LoadPlan>, Option<Arc<Replay>>);

/// What is to be loaded, if anything; the folder is locked where data is or will be in it.
fn find_data(process: &Process) -> Result<Option<ToLoad>, String> {
    let (dir, dbfilename, saves, verify, appends, log_stem) = {
        let config = process.config();
        let log_stem = appendlog::stem_of(&config.appendfilename);
        let (dir, saves) = (PathBuf::from(&config.dir), !config.save.is_empty());
        (dir, config.dbfilename.clone(), saves, config.rdbchecksum, config.appendonly, log_stem)
    };
    let log = &process.log;
    let seed = process.config().restore.clone();
    if dbfilename.is_empty() {
        return if appends {
            Err("appendonly needs a dbfilename: its snapshots have no name".into())
        } else {
            Ok(None)
        };
    }
    let stem = folder::stem_of(&dbfilename);
    let there = dir.join(manifest::manifest_name(&stem)).exists() || dir.join(&dbfilename).is_file();
    if !saves && !there && !appends && seed.is_empty() {
        return Ok(None);
    }
    let lock = match Lock::take(&dir) {
        Ok(lock) => Some(lock),
        Err(taken @ NoLock::Taken) => return Err(taken.explain(&dir)),
        Err(no) if appends => return Err(format!("The append log cannot be written: {}", no.explain(&dir))),
        // A server may run that can never save, as Redis does: the first snapshot says what is wrong.
        Err(no) => {
            log.warning(format_args!("Snapshots will fail: {}", no.explain(&dir)));
            None
        }
    };
    if !seed.is_empty() {
        seed_from(process, &seed, &dir, &dbfilename, there, lock.as_ref())?;
    }
    let mut found = folder::survey(&dir, &dbfilename).map_err(|e| format!("The data cannot be loaded: {e}"))?;
    if let Some(path) = &found.ignored {
        let manifest = manifest::manifest_name(&stem);
        log.warning(format_args!("{} is newer than {manifest}, which counts: it is not loaded", path.display()));
    }
    if lock.is_some() {
        sweep_copies(&dir, log);
        for path in &found.leftovers {
            match std::fs::remove_file(path) {
                Ok(()) => log.notice(format_args!("{}: of no whole snapshot, removed", path.display())),
                Err(e) => log.warning(format_args!("{}: of no whole snapshot, cannot be removed: {e}", path.display())),
            }
        }
    }
    let replay = if appends {
        Some(Arc::new(appendlog::start::find(process, &mut found)?))
    } else {
        let segments = folder::segments(&dir, &log_stem)?;
        if !segments.is_empty() {
            log.warning(
                "appendonly is no: the append log that is there is not replayed, and the next snapshot removes it",
            );
        }
        found.kept.add_segments(segments);
        None
    };
    let files: Vec<LoadFile> = match (&found.manifest, found.file) {
        (Some(manifest), _) => {
            if let Some(seed) = manifest.hash_seed {
                process.hash_with(seed);
            }
            let file = |f: &manifest::File| LoadFile { path: dir.join(&f.name), bytes: f.bytes, crc64: Some(f.crc64) };
            manifest.files.iter().map(file).collect()
        }
        (None, Some((path, bytes))) => vec![LoadFile { path, bytes, crc64: None }],
        (None, None) => Vec::new(),
    };
    {
        let mut saves = process.persist.saves();
        saves.lock = lock;
        saves.kept = Some(found.kept);
    }
    if files.is_empty() && replay.is_none() {
        return Ok(None);
    }
    let snapshot_bytes: u64 = files.iter().map(|file| file.bytes).sum();
    process.persist.log.facts().base_bytes = snapshot_bytes;
    let bytes = snapshot_bytes + replay.as_ref().map_or(0, |replay| replay.bytes());
    log.notice(format_args!("Loading {} files, {bytes} bytes, from {}", files.len(), dir.display()));
    process.persist.plan_load(process.shards, bytes, unix_s());
    process.persist.set_gate(Gate::LOADING, true);
    let plan = LoadPlan { files, verify, merge: false, asker: None, coordinator: ShardId(0) };
    Ok(Some((Arc::new(plan), replay)))
}

/// `restore`: a data folder without data gets that of a backup, once. From then on it is this deployment's own: with the same setting
/// the next start goes on with what is there.
fn seed_from(
    process: &Process,
    seed: &str,
    dir: &Path,
    dbfilename: &str,
    there: bool,
    lock: Option<&Lock>,
) -> Result<(), String> {
    let log = &process.log;
    if there {
        log.notice(format_args!("restore: {} has data already, {seed} is not looked at", dir.display()));
        return Ok(());
    }
    let failed = |e: String| format!("restore {seed}: {e}");
    log.notice(format_args!("restore: the data of {seed} is put into {}", dir.display()));
    let source = Source::open(seed, &access_of(process)).map_err(failed)?;
    let into =
        restore::Target { dir, dbfilename, shards: process.shards, skip_modules: false, now_ms: unix_s() * 1000 };
    let tell = &mut |keys: u64| log.notice(format_args!("restore: {keys} keys"));
    let restored = restore::restore(&source, &into, lock, tell).map_err(failed)?;
    log.notice(format_args!("restore: {} keys of {} files", restored.keys, source.files.len()));
    Ok(())
}

/// What was only kept until it was sent, by a server that ended before.
fn sweep_copies(dir: &Path, log: &Log) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(depot::is_staging_name) {
            let path = entry.path();
            match std::fs::remove_dir_all(&path) {
                Ok(()) => log.notice(format_args!("{}: of a copy that was not sent, removed", path.display())),
                Err(e) => log.warning(format_args!("{}: cannot be removed: {e}", path.display())),
            }
        }
    }
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
    pub fn start(settings: Settings, file: Option<PathBuf>, facts: Facts, log: Log) -> Result<Server, String> {
        let shards = facts.cores.len();
        let (listeners, addresses) = open_listeners(&settings, shards, &log)?;
        let unix_paths = listeners.iter().flatten().filter_map(|l| l.path.clone()).collect();
        let cores = facts.cores.clone();
        let process = Arc::new(Process::new(shards, facts, settings, log, crate::memory::held));
        let load = find_data(&process)?;
        if let Some(file) = file {
            process.config_file.set(file).expect("the process is new");
        }
        let rings = Arc::new((0..shards).map(|_| AtomicI32::new(-1)).collect::<Vec<_>>());
        let clock = HostClock::calibrated();
        let (ready, is_ready) = mpsc::channel::<Result<(), String>>();
        let mut threads = Vec::new();
        let batch = process.config().shard_batch;
        let posts = mailbox::mesh::<Mail>(shards);
        let files = Files::for_shards(shards, &process.log).map_err(|e| format!("Could not make eventfds: {e}"))?;
        for (i, ((post, files), listeners)) in posts.into_iter().zip(files).zip(listeners).enumerate() {
            let (process, rings, ready, core) = (process.clone(), rings.clone(), ready.clone(), cores[i]);
            let load = load.clone();
            let thread = std::thread::Builder::new().name(format!("shard-{i}")).spawn(move || {
                let placement = Placement::Fixed(core);
                let executor = LocalExecutorBuilder::new(placement).name(&format!("shard-{i}")).make();
                let executor = match executor {
                    Ok(executor) => executor,
                    Err(e) => return drop(ready.send(Err(explain_executor(&e.to_string())))),
                };
                executor.run(async move {
                    if batch && let Err(e) = host::schedule_as_batch() {
                        process.log.warning(format_args!("shard-batch: {e}"));
                    }
                    let ring = match Ring::new() {
                        Ok(ring) => ring,
                        Err(e) => return drop(ready.send(Err(explain(&e)))),
                    };
                    let mut engine =
                        Engine::new(ShardId(i as u16), process, crate::admin::serve, Some(clock), random_seed());
                    if let Some((load, replay)) = load {
                        let mut clock = clock;
                        engine.begin(clock.now());
                        engine.begin_load(load);
                        if let Some(replay) = replay {
                            engine.replay_next(replay);
                        }
                    }
                    let turn = Turn::new(engine, ring, post, rings, listeners, clock, files);
                    let _ = ready.send(Ok(()));
                    turn.run();
                });
            });
            threads.push(thread.map_err(|e| format!("Could not start a thread for shard {i}: {e}"))?);
        }
        drop(ready);
        for _ in 0..shards {
            is_ready.recv().unwrap_or_else(|_| Err("A shard ended before it began".into()))?;
        }
        Ok(Server { process, threads, unix_paths, addresses })
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

/// Descriptors that are not clients': listeners, rings, files, glommio's.
const DESCRIPTORS_RESERVED: u32 = 128;

/// `torc`: the exit code.
pub fn main() -> i32 {
    match run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

fn run() -> Result<(), String> {
    let folder = std::env::current_dir().map_err(|e| format!("The working directory cannot be read: {e}"))?;
    let told = config::read(std::env::args_os().skip(1), &mut std::io::stdin(), &folder, host::is_root())?;
    let loaded = match told {
        Told::Say(text) => {
            print!("{text}");
            return Ok(());
        }
        Told::Run(loaded) => loaded,
    };
    let Loaded { mut settings, file, warnings } = *loaded;
    std::env::set_current_dir(&settings.dir).map_err(|e| format!("Can't enter dir {}: {e}", settings.dir))?;
    if settings.daemonize {
        daemonize()?;
    }
    let target =
        if settings.logfile.is_empty() { Target::Stderr } else { Target::File(settings.logfile.clone().into()) };
    let log = Log::new(settings.loglevel, target).map_err(|e| e.to_string())?;
    if settings.syslog_enabled {
        log.to_syslog_too(&settings.syslog_ident, settings.syslog_facility);
    }
    warnings.iter().for_each(|w| log.warning(w));
    let host = Host::read();
    let (huge_pages, why_not) = host::arrange_huge_pages(&settings, host.huge_pages);
    why_not.iter().for_each(|why| log.notice(why));
    if let Some(objection) = host.io_uring_objection() {
        return Err(objection);
    }
    // Here, where a refusal can be explained: glommio would end the process.
    if let Err(refusal) = Ring::new() {
        return Err(explain(&refusal));
    }
    let cores = host.assign_cores(settings.shards, &settings.cpus, settings.force_shards)?;
    let clients = host::make_room_for_clients(settings.maxclients, DESCRIPTORS_RESERVED + 16 * cores.len() as u32)?;
    settings.maxclients = clients.max;
    clients.warning.iter().for_each(|w| log.warning(w));
    clients.notice.iter().for_each(|n| log.notice(n));
    if let Some(warning) = host.backlog_warning(settings.tcp_backlog) {
        log.warning(warning);
    }
    let signals = Signals::block()?;
    // A shard that has lost its way takes the process with it, whatever the profile: the others cannot do its part.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        std::process::abort();
    }));
    let facts = Facts {
        run_id: random_hex(40),
        node_id: random_hex(40),
        started_unix_s: unix_s(),
        kernel: host.kernel.clone(),
        total_memory: host.usable_memory(),
        executable: std::env::current_exe().map(|p| p.display().to_string()).unwrap_or_default(),
        cores: cores.iter().map(|&c| c as usize).collect(),
        shard_port_base: settings.shard_port_base,
        port: settings.port,
        memcached_port: settings.memcached_port,
    };
    let pidfile = pidfile(&settings);
    let banner = settings.clone();
    let title = match settings.set_proc_title {
        // SAFETY: the shards' threads come after this, and the command line has been read.
        true => unsafe { Title::take() },
        false => None,
    };
    if huge_pages && let Err(e) = store::regions::enable() {
        log.warning(format_args!("huge-pages: {e}"));
    }
    let server = Server::start(settings, file, facts, log.clone())?;
    if let Ok(began) = host::oom_score() {
        let _ = server.process.oom_score_began.set(began);
        if banner.oom_score_adj != OomScoreAdj::No
            && let Err(e) = host::set_oom_score(&banner, began)
        {
            log.warning(format_args!("oom-score-adj: /proc/self/oom_score_adj: {e}"));
        }
    }
    if let Some(title) = title {
        let _ = server.process.title.set(title);
        server.process.show_title();
    }
    if let Some(path) = &pidfile
        && let Err(e) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        log.warning(format_args!("Failed to write PID file {path}: {e}"));
    }
    say_banner(&banner, &server, &host, &cores, huge_pages, &log);
    let process = server.process.clone();
    let mut ready = false;
    while !process.is_stopping() {
        if !ready && !process.persist.is_loading() {
            ready = true;
            log.notice("Ready to accept connections");
            notify_supervisor(&banner, "READY=1\nSTATUS=Ready to accept connections\n");
        }
        let Some(name) = signals.wait(Duration::from_millis(if ready { 100 } else { 5 })) else { continue };
        // As in Redis: who insists is not kept waiting for a last snapshot.
        let saving = process.persist.saves().last_one;
        if saving && name == "SIGINT" {
            log.warning("You insist... exiting now.");
            std::process::exit(1);
        }
        log.warning(format_args!("Received {name} scheduling shutdown..."));
        let bits = {
            let config = process.config();
            if name == "SIGINT" { config.shutdown_on_sigint } else { config.shutdown_on_sigterm }
        };
        process.persist.ask_to_leave(Leave { save: bits & 1 != 0, nosave: bits & 2 != 0, force: bits & 8 != 0 });
    }
    signals.let_through();
    notify_supervisor(&banner, "STOPPING=1\n");
    server.join();
    if let Some(path) = pidfile {
        let _ = std::fs::remove_file(path);
    }
    if let Some(error) = process.persist.failed() {
        if !banner.logfile.is_empty() {
            log.warning(&error);
        }
        return Err(format!("The data cannot be loaded: {error}"));
    }
    log.warning("Torc is now ready to exit, bye bye...");
    Ok(())
}

fn say_banner(settings: &Settings, server: &Server, host: &Host, cores: &[u16], huge_pages: bool, log: &Log) {
    let features =
        ["multishot accept and receive", "provided buffers", "deferred task work", "ring messages", "huge pages"];
    let ports = |port: u16, path: &str| -> Vec<String> {
        let tcp = server.addresses.iter().filter(|a| port > 0 && a.port() == port).map(SocketAddr::to_string);
        tcp.chain((!path.is_empty()).then(|| path.to_string())).collect()
    };
    let last = settings.shard_port_base.saturating_add(cores.len() as u16 - 1);
    let banner = Banner {
        cores,
        resp: &ports(settings.port, &settings.unixsocket),
        memcached: &ports(settings.memcached_port, &settings.memcached_unixsocket),
        shard_ports: (settings.shard_port_base > 0).then_some((settings.shard_port_base, last)),
        maxmemory: settings.maxmemory.bytes(host.usable_memory()),
        policy: settings.maxmemory_policy.name(),
        kernel: &host.kernel,
        features: &features[..features.len() - usize::from(!huge_pages)],
    };
    banner.lines().iter().for_each(|line| log.notice(line));
}

/// Where the process id is written: where asked, or, as in Redis, at the usual place for a daemon.
fn pidfile(settings: &Settings) -> Option<String> {
    match (settings.pidfile.as_str(), settings.daemonize) {
        ("", true) => Some("/var/run/torc.pid".into()),
        ("", false) => None,
        (path, _) => Some(path.into()),
    }
}

/// systemd's readiness protocol (sd_notify(3)): one datagram to the socket that NOTIFY_SOCKET names.
fn notify_supervisor(settings: &Settings, state: &str) {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    if !matches!(settings.supervised, Supervised::Systemd | Supervised::Auto) {
        return;
    }
    let Ok(name) = std::env::var("NOTIFY_SOCKET") else { return };
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&name),
    };
    // Whoever supervises us has gone, or does not listen: nothing depends on it.
    let _ = UnixDatagram::unbound().and_then(|s| s.send_to_addr(state.as_bytes(), &address?));
}

/// Into the background, before any thread exists. The parent ends with 0.
fn daemonize() -> Result<(), String> {
    let error = |what: &str| format!("daemonize: {what}: {}", std::io::Error::last_os_error());
    // SAFETY: the process has one thread and holds no lock; the child goes on as if nothing had happened.
    match unsafe { libc::fork() } {
        -1 => return Err(error("fork")),
        0 => {}
        _ => std::process::exit(0),
    }
    // SAFETY: no memory is involved.
    if unsafe { libc::setsid() } < 0 {
        return Err(error("setsid"));
    }
    let null =
        std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").map_err(|e| format!("/dev/null: {e}"))?;
    for fd in 0..3 {
        // SAFETY: both are open descriptors, or `fd` is free.
        unsafe { libc::dup2(null.as_raw_fd(), fd) };
    }
    Ok(())
}

/// SIGTERM and SIGINT, kept from every thread and waited for by the first.
struct Signals(libc::sigset_t);

impl Signals {
    fn block() -> Result<Signals, String> {
        // SAFETY: all zeroes is a valid set to be initialised; the calls write only to it.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGTERM);
            libc::sigaddset(&mut set, libc::SIGINT);
            if libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) != 0 {
                return Err("Signals cannot be blocked".into());
            }
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            Ok(Signals(set))
        }
    }

    /// The name of a signal that came within `time`.
    fn wait(&self, time: Duration) -> Option<&'static str> {
        let time = libc::timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as _ };
        // SAFETY: the set and the time are whole; no information is asked for.
        match unsafe { libc::sigtimedwait(&self.0, std::ptr::null_mut(), &time) } {
            libc::SIGTERM => Some("SIGTERM"),
            libc::SIGINT => Some("SIGINT"),
            _ => None,
        }
    }

    /// A second signal ends the process at once.
    fn let_through(&self) {
        // SAFETY: as in `block`.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &self.0, std::ptr::null_mut()) };
    }
}

fn random_hex(digits: usize) -> String {
    let mut text = String::new();
    while text.len() < digits {
        text.push_str(&format!("{:016x}", random_seed()));
    }
    text.truncate(digits);
    text
}
