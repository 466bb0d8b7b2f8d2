//! Room: tuning, lab. Many connections opened at once: how long until each has been answered. Touches: sockets.
//!
//! All connects are begun before any is waited for. Where the accept queue is full the kernel drops the handshake's last step,
//! and the client tries again after a second: such connections show as slow ones.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Times from the first connect, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    pub median_ms: f64,
    pub slowest_ms: f64,
    /// Still unanswered when time was up, or refused.
    pub lost: usize,
}

pub fn run(port: u16, count: usize, most: Duration) -> Result<Found, String> {
    let told = |e: io::Error| format!("storm of {count} connections to 127.0.0.1:{port}: {e}");
    let begun = Instant::now();
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        sockets.push(Some(begin(port).map_err(told)?));
    }
    let mut asked = vec![false; count];
    let mut answered_ms = Vec::with_capacity(count);
    let mut lost = 0;
    while answered_ms.len() + lost < count && begun.elapsed() < most {
        let mut waits: Vec<libc::pollfd> = Vec::new();
        let mut owners = Vec::new();
        for (at, socket) in sockets.iter().enumerate() {
            let Some(socket) = socket else { continue };
            let events = if asked[at] { libc::POLLIN } else { libc::POLLOUT };
            waits.push(libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 });
            owners.push(at);
        }
        // SAFETY: `waits` is a live array of as many entries as are told.
        let ready = unsafe { libc::poll(waits.as_mut_ptr(), waits.len() as libc::nfds_t, 100) };
        if ready < 0 {
            return Err(told(io::Error::last_os_error()));
        }
        for (wait, at) in waits.iter().zip(owners).filter(|(wait, _)| wait.revents != 0) {
            match step(wait.fd, asked[at]) {
                Step::Asked => asked[at] = true,
                Step::Wait => {}
                Step::Answered => {
                    answered_ms.push(begun.elapsed().as_secs_f64() * 1e3);
                    sockets[at] = None;
                }
                Step::Lost => {
                    lost += 1;
                    sockets[at] = None;
                }
            }
        }
    }
    lost += sockets.iter().flatten().count();
    answered_ms.sort_by(f64::total_cmp);
    let limit_ms = most.as_secs_f64() * 1e3;
    let at = |place: usize| answered_ms.get(place).copied().unwrap_or(limit_ms);
    Ok(Found { median_ms: at(count / 2), slowest_ms: at(count - 1), lost })
}

enum Step {
    Asked,
    Wait,
    Answered,
    Lost,
}

/// Asks on a connection that has come about, reads on one that was asked.
fn step(fd: i32, asked: bool) -> Step {
    const ASK: &[u8] = b"PING\r\n";
    let mut answer = [0u8; 64];
    let done = match asked {
        // SAFETY: a descriptor that the caller holds, and constant bytes.
        false => unsafe { libc::send(fd, ASK.as_ptr().cast(), ASK.len(), libc::MSG_NOSIGNAL) },
        // SAFETY: a descriptor that the caller holds, and a live buffer of the length told.
        true => unsafe { libc::recv(fd, answer.as_mut_ptr().cast(), answer.len(), 0) },
    };
    match (done, asked) {
        (1.., false) => Step::Asked,
        (1.., true) => Step::Answered,
        (0, _) => Step::Lost,
        _ if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock => Step::Wait,
        _ => Step::Lost,
    }
}

fn begin(port: u16) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved; the new descriptor is ours.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(std::net::Ipv4Addr::LOCALHOST).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: `address` is a whole sockaddr_in, as its length tells.
    let done =
        unsafe { libc::connect(fd, (&raw const address).cast(), size_of::<libc::sockaddr_in>() as libc::socklen_t) };
    let error = io::Error::last_os_error();
    if done == 0 || error.raw_os_error() == Some(libc::EINPROGRESS) { Ok(socket) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn all_are_answered_by_a_server_that_accepts_and_lost_on_one_that_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let silent = run(port, 5, Duration::from_millis(300)).expect("connects");
        assert_eq!((silent.lost, silent.slowest_ms), (5, 300.0));
        let server = std::thread::spawn(move || {
            // Five lie in the queue from before, closed by now.
            for _ in 0..15 {
                let (mut stream, _) = listener.accept().expect("queued");
                let mut ask = [0; 6];
                if stream.read_exact(&mut ask).is_ok() {
                    drop(stream.write_all(b"+PONG\r\n"));
                }
            }
        });
        let found = run(port, 10, Duration::from_secs(20)).expect("connects");
        assert_eq!(found.lost, 0, "{found:?}");
        assert!(found.median_ms <= found.slowest_ms);
        server.join().expect("no panic");
    }
}
