//! Room: benches. What connections cost that do nothing. Touches: talk, process.

use crate::kernel::raise_nofile;
use crate::process::Usage;
use crate::talk::Talk;
use clap::Args;
use loadgen::options::duration;
use loadgen::plan::Target;
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
    /// Ask once on each connection first, so that buffers made on first use are counted
    #[arg(long)]
    ask_once: bool,
}

// 500 ms: accepting and what follows it is over.
const SETTLE: Duration = Duration::from_millis(500);

impl Idle {
    pub fn run(&self) -> Result<String, String> {
        // 20: what this program opens beside its connections, generously.
        let wanted = self.connections as u64 + 20;
        let files = raise_nofile(wanted);
        if files < wanted {
            return Err(format!(
                "{} connections need a higher limit of open files than {files} (ulimit -n)",
                self.connections
            ));
        }
        let before = Usage::of(self.pid)?;
        let mut talks = Vec::with_capacity(self.connections);
        for number in 0..self.connections {
            let mut talk = Talk::to(&self.target).map_err(|e| format!("connection {number}: {e}"))?;
            if self.ask_once {
                ask(&mut talk).map_err(|e| format!("connection {number}: {e}"))?;
            }
            talks.push(talk);
        }
        sleep(SETTLE);
        let opened = Usage::of(self.pid)?;
        let start = Instant::now();
        sleep(self.duration);
        let held = Usage::of(self.pid)?;
        let seconds = start.elapsed().as_secs_f64();
        // Each must still be served, or the figure is of connections that the server dropped.
        for (number, talk) in talks.iter_mut().enumerate() {
            ask(talk).map_err(|e| format!("connection {number} is dead after idling: {e}"))?;
        }
        let growth = opened.rss_bytes as f64 - before.rss_bytes as f64;
        let rounded = |value: f64, digits: i32| (value * 10f64.powi(digits)).round() / 10f64.powi(digits);
        Ok(serde_json::json!({
            "target": self.target.to_string(),
            "connections": self.connections,
            "seconds": rounded(seconds, 3),
            "cpu_percent": rounded((held.cpu_s - opened.cpu_s) / seconds * 100.0, 3),
            "rss_before": before.rss_bytes,
            "rss_open": opened.rss_bytes,
            "rss_after": held.rss_bytes,
            "rss_bytes_per_connection": rounded(growth / self.connections.max(1) as f64, 1),
        })
        .to_string())
    }
}

fn ask(talk: &mut Talk) -> Result<(), String> {
    match talk.is_up() {
        Ok(true) => Ok(()),
        Ok(false) => Err("it refuses a PING".into()),
        Err(e) => Err(e.to_string()),
    }
}
