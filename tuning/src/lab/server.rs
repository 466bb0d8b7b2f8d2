//! Room: tuning, lab. A torc started for measuring, and ended with the value that holds it. Touches: processes, sockets, /proc.

use crate::cpus;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub struct Server {
    child: Child,
    pub port: u16,
    log: PathBuf,
    folder: PathBuf,
}

const START_MOST: Duration = Duration::from_secs(60);
const ANSWER_MOST: Duration = Duration::from_secs(30);

/// A port on which nobody listens, below those that the kernel gives to whoever connects (32768 and up), of another hundred for
/// each process. Another program may still take it before the server does; the start then fails and says so.
pub fn free_port() -> Result<u16, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..20_000 {
        let place = std::process::id().wrapping_mul(100).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 12_000 + (place % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port on 127.0.0.1 from 12000 to 31999".into())
}

impl Server {
    /// Starts one shard on each of `cores`. `more` are directives besides.
    pub fn start(torc: &Path, cores: &[u32], more: &[String]) -> Result<Server, String> {
        let mut tries_left = 5;
        loop {
            tries_left -= 1;
            match Server::try_start(torc, cores, more) {
                // Its port, free a moment ago, was taken: another try finds another.
                Err(why) if tries_left > 0 && why.contains("another program") => {}
                done => return done,
            }
        }
    }

    fn try_start(torc: &Path, cores: &[u32], more: &[String]) -> Result<Server, String> {
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("torc-tune-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let log = folder.join("log");
        let file = fs::File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        let again = file.try_clone().map_err(|e| format!("{}: {e}", log.display()))?;
        let child = Command::new(torc)
            .args(["--port", &port.to_string(), "--memcached-port", "0", "--bind", "127.0.0.1", "--dir"])
            .arg(&folder)
            .args(["--cpus", &cpus::list_text(cores), "--shards", &cores.len().to_string(), "--save", ""])
            .args(more)
            .stdin(Stdio::null())
            .stdout(again)
            .stderr(file)
            .spawn()
            .map_err(|e| format!("{}: {e}", torc.display()))?;
        let mut server = Server { child, port, log, folder };
        server.wait()?;
        Ok(server)
    }

    fn wait(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.info("process_id") {
                Ok(id) if id == f64::from(self.pid()) => return Ok(()),
                Ok(_) => return Err(format!("another program listens on port {}", self.port)),
                Err(_) => {}
            }
            let ended = self.child.try_wait().map_err(|e| format!("torc: {e}"))?;
            if ended.is_some() || begun.elapsed() > START_MOST {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(3).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                return Err(format!("torc did not start: {}", last.join(" / ")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How it was started, for records.
    pub fn command(cores: &[u32], more: &[String]) -> String {
        let cpus = cpus::list_text(cores);
        format!(
            "torc --port PORT --memcached-port 0 --bind 127.0.0.1 --cpus {cpus} --shards {} --save '' {}",
            cores.len(),
            more.join(" ")
        )
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An inline command; the text of a status or bulk reply.
    pub fn ask(&self, command: &str) -> Result<String, String> {
        let told = |e: std::io::Error| format!("127.0.0.1:{}: {e}", self.port);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(told)?;
        stream.set_read_timeout(Some(ANSWER_MOST)).map_err(told)?;
        stream.write_all(format!("{command}\r\n").as_bytes()).map_err(told)?;
        let mut bytes = Vec::new();
        let mut piece = [0; 16_384];
        loop {
            match stream.read(&mut piece).map_err(told)? {
                0 => return Err(format!("127.0.0.1:{}: the connection was closed", self.port)),
                count => bytes.extend_from_slice(&piece[..count]),
            }
            if let Some(text) = reply(&bytes) {
                return text;
            }
        }
    }

    /// A number out of INFO.
    pub fn info(&self, field: &str) -> Result<f64, String> {
        let info = self.ask("INFO everything")?;
        let line = info.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
        line.and_then(|t| t.trim().parse().ok()).ok_or_else(|| format!("INFO has no number {field}"))
    }

    /// CPU seconds used so far, user and system.
    pub fn cpu_s(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/stat", self.pid());
        let text = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        cpu_s(&text).ok_or_else(|| format!("{path} is not understood"))
    }

    pub fn rss_bytes(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/status", self.pid());
        let text = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let kib =
            text.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        kib.map(|k| k * 1024.0).ok_or_else(|| format!("{path} has no VmRSS"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server for measuring holds nothing worth a slow end.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A whole status or bulk reply, once it is there.
fn reply(bytes: &[u8]) -> Option<Result<String, String>> {
    let end = bytes.windows(2).position(|w| w == b"\r\n")?;
    let head = String::from_utf8_lossy(&bytes[1..end]).into_owned();
    match bytes[0] {
        b'$' => {
            let size: usize = head.parse().ok()?;
            let body = bytes.get(end + 2..end + 2 + size)?;
            Some(Ok(String::from_utf8_lossy(body).into_owned()))
        }
        b'-' => Some(Err(head)),
        _ => Some(Ok(head)),
    }
}

/// proc(5): fields 14 and 15 in clock ticks, of which Linux shows 100 a second; the name, field 2, may hold blanks.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_when_whole() {
        type Case<'a> = (&'a [u8], Option<Result<&'a str, &'a str>>);
        let cases: &[Case] = &[
            (b"+PONG\r\n", Some(Ok("PONG"))),
            (b"$5\r\nhel", None),
            (b"$5\r\nhello\r\n", Some(Ok("hello"))),
            (b":12\r\n", Some(Ok("12"))),
            (b"-ERR no\r\n", Some(Err("ERR no"))),
            (b"+PO", None),
        ];
        for (bytes, want) in cases {
            let want = want.map(|w| w.map(str::to_string).map_err(str::to_string));
            assert_eq!(reply(bytes), want, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn cpu_time_is_read_past_odd_names() {
        assert_eq!(cpu_s("42 (a) b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 150 0 0 20 0"), Some(4.0));
        assert_eq!(cpu_s("42"), None);
    }
}
