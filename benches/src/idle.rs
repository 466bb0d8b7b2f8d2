//! Room: benches. What connections cost that do nothing. Touches: loadgen (sockets), process.

use crate::process::Usage;
use clap::Args;
use loadgen::options::duration;
use loadgen::plan::Target;
use loadgen::poll::raise_nofile;
use loadgen::report::quote;
use loadgen::socket::Socket;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Idle {
    /// resp://host:port, memcached://host:port, or a scheme and the path of a Unix socket
    #[arg(long, value_parser = Target::parse)]
    target: Target,
    /// The server's process
    #[arg(long)]
    pid: u32,
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// How long to hold them
    #[arg(long, value_parser = duration, default_value = "10s")]
    duration: Duration,
    /// Ask for one key on each connection first, so that buffers made on first use are counted
    #[arg(long)]
    ask_once: bool,
}

// 500 ms: accepting and what follows it is over.
const SETTLE: Duration = Duration::from_millis(500);

pub fn run(idle: &Idle) -> Result<String, String> {
    let files = raise_nofile();
    // 20: what this program opens beside its connections, generously.
    if files < idle.connections as u64 + 20 {
        return Err(format!(
            "{} connections need a higher limit of open files than {files} (ulimit -n)",
            idle.connections
        ));
    }
    let before = Usage::of(idle.pid)?;
    let mut sockets = Vec::with_capacity(idle.connections);
    for number in 0..idle.connections {
        let mut socket = Socket::connect(&idle.target).map_err(|e| format!("connection {number}: {e}"))?;
        if idle.ask_once {
            ask(&mut socket, &idle.target).map_err(|e| format!("connection {number}: {e}"))?;
        }
        sockets.push(socket);
    }
    sleep(SETTLE);
    let opened = Usage::of(idle.pid)?;
    let start = Instant::now();
    sleep(idle.duration);
    let held = Usage::of(idle.pid)?;
    let seconds = start.elapsed().as_secs_f64();
    // Each must still be served, or the figure is of connections that the server dropped.
    for (number, socket) in sockets.iter_mut().enumerate() {
        ask(socket, &idle.target).map_err(|e| format!("connection {number} is dead after idling: {e}"))?;
    }
    let growth = opened.rss_bytes as i64 - before.rss_bytes as i64;
    Ok(format!(
        "{{\"target\":{},\"connections\":{},\"seconds\":{seconds:.3},\"cpu_percent\":{:.3},\"rss_before\":{},\
         \"rss_open\":{},\"rss_after\":{},\"rss_bytes_per_connection\":{:.1}}}",
        quote(&idle.target.to_string()),
        idle.connections,
        (held.cpu_s - opened.cpu_s) / seconds * 100.0,
        before.rss_bytes,
        opened.rss_bytes,
        held.rss_bytes,
        growth as f64 / idle.connections.max(1) as f64
    ))
}

fn ask(socket: &mut Socket, target: &Target) -> Result<(), String> {
    use loadgen::plan::Verb;
    use loadgen::wire::{Reader, draw_get};
    use std::io::{Read, Write};
    const KEY: &[u8] = b"torc-bench:idle";
    let mut bytes = Vec::new();
    draw_get(target.dialect, &mut bytes, KEY);
    socket.write_all(&bytes).map_err(|e| e.to_string())?;
    bytes.clear();
    let mut reader = Reader::new(target.dialect);
    loop {
        let mut piece = [0; 4096];
        match socket.read(&mut piece).map_err(|e| e.to_string())? {
            0 => return Err("end of stream".into()),
            count => bytes.extend_from_slice(&piece[..count]),
        }
        if reader.next(Verb::Get, KEY, &bytes).map_err(|e| e.0)?.is_some() {
            return Ok(());
        }
    }
}
