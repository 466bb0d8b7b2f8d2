//! Room: benches, versus. What a server says of its own accord: to clients that wait for an element, to those that listen for
//! expired keys, to subscribers. Touches: crowd, feed, server.

use super::bench::Bench;
use super::peers::Peer;
use super::results::{Metric, Section, grouped};
use super::solo::turn;
use super::types::NO_RESP;
use crate::crowd::Crowd;
use crate::feed::{Feed, write_command};
use crate::host::Layout;
use crate::kernel::{raise_nofile, stay_on};
use crate::process::Usage;
use crate::server::Server;
use crate::steady::quantile;
use loadgen::plan::Dialect;
use std::io;
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Figures = Vec<(Metric, f64)>;

/// Runs `of` once a round for each peer that speaks RESP; what fails is a reason, once.
fn each_peer(
    bench: &mut Bench,
    section: Section,
    rounds: usize,
    case: &str,
    of: impl Fn(&mut Bench, &Peer) -> Result<Figures, String>,
) {
    for round in 0..rounds {
        for peer in turn(bench, round) {
            let failed = |skip: &super::results::Skip| {
                skip.section == section && skip.peer == peer.name && (skip.case == case || skip.case == "all")
            };
            if bench.results.skips.iter().any(failed) {
                continue;
            }
            if !peer.speaks(Dialect::Resp2) {
                bench.results.skip(section, "all", &peer.name, NO_RESP);
                continue;
            }
            bench.say(section, &format!("round {}: {case}: {}", round + 1, peer.name));
            match of(bench, &peer) {
                Ok(figures) => bench.results.add(section, case, &peer.name, round, &figures),
                Err(why) => bench.results.skip(section, case, &peer.name, why),
            }
        }
    }
}

fn port_of(server: &Server) -> u16 {
    server.port(Dialect::Resp2).expect("only those that speak it are asked")
}

/// Runs `work` on its own thread on `cpus`.
fn on<T: Send>(cpus: &[usize], work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            stay_on(cpus).map_err(|e| format!("cores {cpus:?}: {e}"))?;
            work()
        });
        work.join().unwrap_or_else(|_| Err("the load has panicked".into()))
    })
}

/// Over as many keys clients wait.
const KEYS: usize = 1000;
/// What a server or this program opens beside its connections, generously; Redis keeps 32 for itself.
const FILES_BESIDE: u64 = 200;

pub fn blocking(bench: &mut Bench) {
    const HERE: Section = Section::Blocking;
    let wanted = bench.options.clients;
    // The server inherits it.
    let files = raise_nofile(wanted as u64 + FILES_BESIDE);
    let clients = wanted.min(files.saturating_sub(FILES_BESIDE) as usize);
    if clients < wanted {
        let (wanted, clients) = (grouped(wanted as f64), grouped(clients as f64));
        let why = format!(
            "the limit of open files is {} here and cannot be raised (ulimit -Hn): {clients} clients took their place",
            grouped(files as f64)
        );
        bench.results.skip(HERE, &format!("{wanted} clients"), "all", why);
    }
    if clients < KEYS {
        bench.results.skip(HERE, "all", "all", format!("{clients} clients are too few for {KEYS} keys"));
        return;
    }
    let case = format!("BLPOP by {} clients over {} keys", grouped(clients as f64), grouped(KEYS as f64));
    let layout = Layout::first(1, &bench.main_layout_cpus());
    each_peer(bench, HERE, bench.options.rounds.min(3), &case, |bench, peer| {
        let server = bench.start(&peer.for_clients(clients + 100), &layout, "blocking")?;
        let before = Usage::of(server.pid())?;
        let port = port_of(&server);
        let found =
            on(&layout.load_cpus, || waiters(&server, port, clients).map_err(|e| format!("{}: {e}", peer.name)));
        let found = found?;
        if found.out_of_order > 0 {
            bench.results.warn(format!(
                "{case}: {} served {} of {KEYS} pushes to another than the first that waited",
                peer.name, found.out_of_order
            ));
        }
        Ok(vec![
            (Metric::P50Us, quantile(&found.us, 0.5).unwrap_or(f64::NAN)),
            (Metric::P99Us, quantile(&found.us, 0.99).unwrap_or(f64::NAN)),
            (Metric::MaxUs, quantile(&found.us, 1.0).unwrap_or(f64::NAN)),
            (Metric::BytesPerClient, found.rss_bytes.saturating_sub(before.rss_bytes) as f64 / clients as f64),
        ])
    });
}

struct Served {
    /// From the push to its element at a client, sorted.
    us: Vec<f64>,
    /// Elements that came to another client than the one that has waited longest for the key.
    out_of_order: usize,
    rss_bytes: u64,
}

fn waiters(server: &Server, port: u16, clients: usize) -> Result<Served, String> {
    let key = |number: usize| format!("queue:{number}");
    let mut crowd = Crowd::gather(clients, port, |number| {
        let mut ask = Vec::new();
        write_command(&["BLPOP", &key(number % KEYS), "0"], &mut ask);
        ask
    })?;
    let world = |e: io::Error| e.to_string();
    let mut talk = server.talk(Dialect::Resp2)?;
    let begun = Instant::now();
    loop {
        let blocked = talk.fact("clients", "blocked_clients").map_err(world)?;
        if blocked.as_deref() == Some(&clients.to_string()) {
            break;
        }
        if begun.elapsed() > Duration::from_secs(120) {
            return Err(format!(
                "says that {} of {clients} clients wait",
                blocked.unwrap_or("nothing of how many".into())
            ));
        }
        sleep(Duration::from_millis(20));
    }
    let rss_bytes = Usage::of(server.pid())?.rss_bytes;
    let mut feed = Feed::connect(port).map_err(world)?;
    let (mut us, mut out_of_order) = (Vec::with_capacity(KEYS), 0);
    for number in 0..KEYS {
        let pushed = Instant::now();
        feed.gather(&["RPUSH", &key(number), "element"]);
        feed.push().map_err(world)?;
        let until = pushed + Duration::from_secs(60);
        let member = loop {
            if let Some(member) = crowd.ready(Duration::from_secs(1)).map_err(world)?.first() {
                break *member;
            }
            if Instant::now() > until {
                return Err(format!("nobody got what was pushed to {} within 60 s", key(number)));
            }
        };
        us.push(pushed.elapsed().as_secs_f64() * 1e6);
        let came = crowd.read(member).map_err(world)?;
        if !came.ends_with(b"element\r\n") {
            return Err(format!("a client that waited for {} got {}", key(number), came.escape_ascii()));
        }
        // Client `number` was the first to wait for the key of that number.
        out_of_order += usize::from(member != number);
        feed.end().map_err(world)?;
    }
    us.sort_by(f64::total_cmp);
    Ok(Served { us, out_of_order, rss_bytes })
}

fn unix_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

/// Waited for after the last deadline; what has not come then is as late as that.
const LATEST: Duration = Duration::from_secs(5);

pub fn expiry(bench: &mut Bench) {
    const HERE: Section = Section::Expiry;
    let keys = bench.options.elements;
    // A minute for a million, in proportion for fewer, two seconds at least.
    let spread = Duration::from_secs_f64((keys as f64 / 1e6 * 60.0).clamp(2.0, 60.0));
    let case = format!("{} keys, deadlines over {} s", grouped(keys as f64), spread.as_secs());
    let layout = Layout::first(1, &bench.main_layout_cpus());
    // One round: two servers take two minutes.
    each_peer(bench, HERE, 1, &case, |bench, peer| {
        let server = bench.start(peer, &layout, "expiry")?;
        let found =
            on(&layout.load_cpus, || lateness(&server, keys, spread).map_err(|e| format!("{}: {e}", peer.name)))?;
        if found.early > 0 {
            bench
                .results
                .warn(format!("{case}: {} said {} keys expired before their deadline", peer.name, found.early));
        }
        if found.untold > 0 {
            bench.results.warn(format!(
                "{case}: {} had not said of {} keys that they expired {} s after the last deadline; they count as late as then",
                peer.name, found.untold, LATEST.as_secs()
            ));
        }
        Ok(vec![
            (Metric::P50Us, quantile(&found.us, 0.5).unwrap_or(f64::NAN)),
            (Metric::P99Us, quantile(&found.us, 0.99).unwrap_or(f64::NAN)),
            (Metric::P999Us, quantile(&found.us, 0.999).unwrap_or(f64::NAN)),
            (Metric::MaxUs, quantile(&found.us, 1.0).unwrap_or(f64::NAN)),
            (Metric::ServerCores, found.cores),
        ])
    });
}

struct Late {
    /// After the deadline, sorted.
    us: Vec<f64>,
    early: usize,
    untold: usize,
    cores: f64,
}

fn lateness(server: &Server, keys: u64, spread: Duration) -> Result<Late, String> {
    let world = |e: io::Error| e.to_string();
    let port = port_of(server);
    let mut feed = Feed::connect(port).map_err(world)?;
    feed.once(&["CONFIG", "SET", "notify-keyspace-events", "Ex"]).map_err(world)?;
    let mut listener = Crowd::gather(1, port, |_| {
        let mut ask = Vec::new();
        write_command(&["SUBSCRIBE", "__keyevent@0__:expired"], &mut ask);
        ask
    })?;
    // So many a second are set in any case; none shall expire before all are there.
    let first_ms = unix_ms().ceil() + 500.0 + keys as f64 / 100.0;
    let step_ms = spread.as_secs_f64() * 1000.0 / keys as f64;
    for number in 0..keys {
        // 7919: a prime, so that they are set in another order than they expire in.
        let place = (number * 7919) % keys;
        let deadline = (first_ms + place as f64 * step_ms).floor() as u64;
        // The key's name says when it is due.
        feed.ask(&["SET", &format!("due:{deadline}:{number}"), "v", "PXAT", &deadline.to_string()]).map_err(world)?;
    }
    feed.finish().map_err(world)?;
    if unix_ms() > first_ms {
        return Err("took longer to set the keys than until their first deadline".into());
    }
    let before = Usage::of(server.pid())?.cpu_s;
    let (begun, last_ms) = (Instant::now(), first_ms + spread.as_secs_f64() * 1000.0);
    let (mut us, mut early, mut rest) = (Vec::with_capacity(keys as usize), 0, Vec::new());
    while (us.len() as u64) < keys && unix_ms() < last_ms + LATEST.as_secs_f64() * 1000.0 {
        if listener.ready(Duration::from_millis(100)).map_err(world)?.is_empty() {
            continue;
        }
        rest.extend_from_slice(listener.read(0).map_err(world)?);
        let now_ms = unix_ms();
        let whole = rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        for line in rest[..whole].split(|b| *b == b'\n') {
            let Some(deadline) = line.strip_prefix(b"due:").and_then(due) else { continue };
            let late_ms = now_ms - deadline;
            early += usize::from(late_ms < 0.0);
            us.push(late_ms.max(0.0) * 1000.0);
        }
        rest.drain(..whole);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cores = (Usage::of(server.pid())?.cpu_s - before) / seconds;
    let untold = keys as usize - us.len().min(keys as usize);
    us.resize(us.len() + untold, LATEST.as_secs_f64() * 1e6);
    us.sort_by(f64::total_cmp);
    Ok(Late { us, early, untold, cores })
}

/// `1795374388123:42` to its milliseconds.
fn due(rest: &[u8]) -> Option<f64> {
    let digits = rest.split(|b| *b == b':').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// All of them subscribe to one channel.
const SUBSCRIBERS: usize = 1000;
const PAYLOAD_BYTES: usize = 32;

pub fn pubsub(bench: &mut Bench) {
    let files = raise_nofile(SUBSCRIBERS as u64 + FILES_BESIDE);
    if files < SUBSCRIBERS as u64 + FILES_BESIDE {
        let why =
            format!("the limit of open files is {} here and cannot be raised (ulimit -Hn)", grouped(files as f64));
        bench.results.skip(Section::Pubsub, "all", "all", why);
        return;
    }
    // All cores: the subscribers are spread over all shards.
    let cpus = bench.main_layout_cpus();
    let layout = Layout::first(cpus.len(), &cpus);
    let (rounds, seconds) = (bench.options.rounds, bench.options.seconds.min(3.0));
    let shards = layout.server_cpus.len();
    let of = if shards == 1 { "core" } else { "cores, load on the same" };
    for pipeline in [1, 16] {
        let case = format!("{} subscribers, {pipeline} PUBLISH at a time, {shards} {of}", grouped(SUBSCRIBERS as f64));
        each_peer(bench, Section::Pubsub, rounds, &case, |bench, peer| {
            let server = bench.start(peer, &layout, "pubsub")?;
            let found = publish(&server, pipeline, seconds).map_err(|e| format!("{}: {e}", peer.name))?;
            if found.lost > 0 {
                bench.results.warn(format!("{case}: {} did not deliver {} messages", peer.name, found.lost));
            }
            Ok(vec![
                (Metric::MessagesPerCpuS, found.messages as f64 / found.cpu_s),
                (Metric::MessagesPerS, found.messages as f64 / found.seconds),
                (Metric::ServerCores, found.cpu_s / found.seconds),
            ])
        });
    }
}

struct Published {
    messages: u64,
    lost: u64,
    seconds: f64,
    cpu_s: f64,
}

fn publish(server: &Server, pipeline: usize, seconds: f64) -> Result<Published, String> {
    let world = |e: io::Error| e.to_string();
    let port = port_of(server);
    let mut crowd = Crowd::gather(SUBSCRIBERS, port, |_| {
        let mut ask = Vec::new();
        write_command(&["SUBSCRIBE", "news"], &mut ask);
        ask
    })?;
    // Each is told that it subscribes.
    let mut told = 0;
    let confirmed = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n".len() * SUBSCRIBERS;
    while told < confirmed as u64 {
        match crowd.drain(Duration::from_secs(1)).map_err(world)? {
            0 => return Err(format!("confirmed {told} bytes of {confirmed} for {SUBSCRIBERS} subscribers")),
            bytes => told += bytes,
        }
    }
    let message = (b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$32\r\n".len() + PAYLOAD_BYTES + 2) as u64;
    let payload = "x".repeat(PAYLOAD_BYTES);
    let mut feed = Feed::connect(port).map_err(world)?;
    let before = Usage::of(server.pid())?.cpu_s;
    let begun = Instant::now();
    let (mut published, mut bytes) = (0u64, 0);
    // A pipeline is published, and read by all, before the next: no subscriber falls behind and is cut off.
    while begun.elapsed().as_secs_f64() < seconds {
        for _ in 0..pipeline {
            feed.gather(&["PUBLISH", "news", &payload]);
        }
        feed.push().map_err(world)?;
        published += pipeline as u64;
        let wanted = published * SUBSCRIBERS as u64 * message;
        while bytes < wanted {
            let ready = crowd.ready(Duration::from_secs(1)).map_err(world)?;
            if ready.is_empty() {
                break;
            }
            for member in ready {
                bytes += crowd.read(member).map_err(world)?.len() as u64;
            }
        }
        feed.end().map_err(world)?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu_s = Usage::of(server.pid())?.cpu_s - before;
    if cpu_s < 0.01 {
        return Err(format!("used too little time to be measured in {seconds:.1} s"));
    }
    let messages = bytes / message;
    Ok(Published { messages, lost: published * SUBSCRIBERS as u64 - messages, seconds, cpu_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_when_it_is_due() {
        assert_eq!(due(b"1795374388123:42\r"), Some(1_795_374_388_123.0));
        assert_eq!(due(b"x:42"), None);
        assert_eq!(due(b""), None);
    }
}
