//! Room: benches. GETs at a steady rate on one connection, each with the time at which it was due, so that those due while
//! something else happened can be told apart afterwards. Touches: sockets on loopback, the clock.
//!
//! torc-load measures whole runs; here what counts is a window that nobody knows beforehand.

use crate::kernel;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// One GET that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub due: Instant,
    /// From when it was due to its answer.
    pub latency: Duration,
    /// From when it was due until it was written: this program's own part.
    pub late: Duration,
}

/// Asks until it is stopped.
pub struct Steady {
    stop: &'static AtomicBool,
    thread: JoinHandle<io::Result<Vec<Seen>>>,
}

impl Steady {
    /// GETs of `key`, which exists and does not change, `rate` a second at random times, from `cpus`.
    pub fn begin(port: u16, key: &str, rate: f64, cpus: &[usize]) -> io::Result<Steady> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let mut ask = Vec::new();
        crate::feed::write_command(&["GET", key], &mut ask);
        // The first answer tells how long they all are.
        stream.write_all(&ask)?;
        let mut first = vec![0; 4096];
        let len = stream.read(&mut first)?;
        if first[0] != b'$' || !first[..len].ends_with(b"\r\n") || first.starts_with(b"$-1") {
            return Err(io::Error::other(format!("GET {key} was answered with {}", first[..len].escape_ascii())));
        }
        stream.set_nonblocking(true)?;
        // A few bytes a run, and the thread may outlive whoever has started it.
        let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let cpus = cpus.to_vec();
        let thread = thread::spawn(move || {
            kernel::stay_on(&cpus)?;
            // Without the right to it the figures say how late the asks were.
            let _ = kernel::run_first();
            asking(stream, &ask, len, rate, stop)
        });
        Ok(Steady { stop, thread })
    }

    /// Ends it; all that was answered, in the order asked.
    pub fn end(self) -> io::Result<Vec<Seen>> {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the probe has panicked")))
    }
}

// A server that stands still longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);

fn asking(mut stream: TcpStream, ask: &[u8], answer: usize, rate: f64, stop: &AtomicBool) -> io::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    // Due, and written.
    let mut flying: VecDeque<(Instant, Instant)> = VecDeque::new();
    let (mut out, mut buffer, mut came) = (Vec::new(), vec![0; 64 << 10], 0);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut gap = || {
        // xorshift64 and the inverse of the exponential distribution.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let uniform = ((state >> 11) + 1) as f64 / (1u64 << 53) as f64;
        Duration::from_secs_f64(-uniform.ln() / rate)
    };
    let mut due = Instant::now() + gap();
    let mut stopped_at = None;
    loop {
        let now = Instant::now();
        while due <= now && stopped_at.is_none() {
            out.extend_from_slice(ask);
            flying.push_back((due, now));
            due += gap();
        }
        if !out.is_empty() {
            match stream.write(&out) {
                Ok(count) => drop(out.drain(..count)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                let now = Instant::now();
                came += count;
                while came >= answer
                    && let Some((due, written)) = flying.pop_front()
                {
                    came -= answer;
                    seen.push(Seen { due, latency: now - due, late: written - due });
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                if stop.load(Relaxed) {
                    let since = *stopped_at.get_or_insert(now);
                    if flying.is_empty() {
                        return Ok(seen);
                    }
                    if since.elapsed() > PATIENCE {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                // Once stopped nothing is due.
                let due_in = if stopped_at.is_some() { PATIENCE } else { due.saturating_duration_since(now) };
                wait(&stream, due_in);
            }
            Err(e) => return Err(e),
        }
    }
}

/// Until an answer comes or the time is over.
fn wait(stream: &TcpStream, most: Duration) {
    let mut entry = libc::pollfd { fd: stream.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // 10 ms: how soon it is seen that it shall stop.
    let most = most.min(Duration::from_millis(10));
    let most = libc::timespec { tv_sec: 0, tv_nsec: i64::from(most.subsec_nanos()) };
    // SAFETY: one valid entry and a valid time, both for the length of the call; whatever ends the wait, the caller looks.
    unsafe { libc::ppoll(&mut entry, 1, &most, std::ptr::null()) };
}

/// What those say that were due in a stretch of time.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub p50_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
    pub late_p999_us: f64,
    pub asks: usize,
}

/// None of none.
pub fn window(seen: &[Seen], from: Instant, to: Instant) -> Option<Window> {
    let within: Vec<&Seen> = seen.iter().filter(|seen| seen.due >= from && seen.due < to).collect();
    let sorted = |of: fn(&Seen) -> Duration| {
        let mut all: Vec<f64> = within.iter().map(|seen| of(seen).as_secs_f64() * 1e6).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let (latencies, lates) = (sorted(|seen| seen.latency), sorted(|seen| seen.late));
    Some(Window {
        p50_us: quantile(&latencies, 0.5)?,
        p999_us: quantile(&latencies, 0.999)?,
        max_us: *latencies.last()?,
        late_p999_us: quantile(&lates, 0.999)?,
        asks: within.len(),
    })
}

/// The least of `sorted` that is not below that share of them.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_there() {
        let thousand: Vec<f64> = (1..=1000).map(f64::from).collect();
        for (share, value) in [(0.5, 500.0), (0.999, 999.0), (1.0, 1000.0), (0.0, 1.0)] {
            assert_eq!(quantile(&thousand, share), Some(value), "{share}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    /// A stall is seen by all that was due in it, and by nobody else.
    #[test]
    fn a_stall_is_in_its_window() {
        // Where others take the cores a run may tell of more than of the server: one of several must be as told.
        let is_good = (0..6).any(|_| std::panic::catch_unwind(stall_in_its_window).is_ok());
        assert!(is_good, "see above");
    }

    fn stall_in_its_window() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut bytes, mut buffer, begun, mut stalled) = (0, [0; 4096], Instant::now(), false);
            let ask = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".len();
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                if !stalled && begun.elapsed() > Duration::from_millis(300) {
                    stalled = true;
                    thread::sleep(Duration::from_millis(200));
                }
                bytes += count;
                while bytes >= ask {
                    bytes -= ask;
                    stream.write_all(b"$2\r\nab\r\n").unwrap();
                }
            }
        });
        let cpus: Vec<usize> = (0..64).collect();
        let begun = Instant::now();
        let probe = Steady::begin(port, "k", 500.0, &cpus).unwrap();
        thread::sleep(Duration::from_millis(1000));
        let seen = probe.end().unwrap();
        server.join().unwrap();
        let all = window(&seen, begun, Instant::now()).unwrap();
        // 500 in a second by chance: five times the root either way; 200 ms, of which 100 µs lie before any ask is due.
        assert!((388..=612).contains(&all.asks), "{all:?}");
        assert!(all.max_us > 150_000.0 && all.p999_us > 150_000.0, "{all:?}");
        let before = window(&seen, begun, begun + Duration::from_millis(250)).unwrap();
        assert!(before.p50_us < 50_000.0, "{before:?}");
        assert!(window(&seen, Instant::now(), Instant::now()).is_none());
        let refused = Steady::begin(port, "k", 1.0, &cpus).err();
        assert!(refused.is_some(), "nobody listens any more");
    }
}
