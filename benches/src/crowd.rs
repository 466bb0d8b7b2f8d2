//! Room: benches. Many connections that mostly wait: each said something once and is read when something comes.
//! Touches: sockets on loopback, epoll.

use crate::kernel::connect_from;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Fewer than half of the ports that the kernel gives out for one local address (28,232 by default): once those of one parity are
/// taken, every connect looks at them all.
const OF_ONE_ADDRESS: usize = 10_000;

pub struct Crowd {
    epoll: OwnedFd,
    members: Vec<TcpStream>,
    buffer: Vec<u8>,
}

impl Crowd {
    /// Connects `count` times to `port` of 127.0.0.1, and says on each what `words` gives for its number.
    pub fn gather(count: usize, port: u16, words: impl Fn(usize) -> Vec<u8>) -> Result<Crowd, String> {
        // SAFETY: takes a number and gives a descriptor that nobody else has, or an error, which is looked for.
        let epoll = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(format!("epoll: {}", io::Error::last_os_error()));
            }
            OwnedFd::from_raw_fd(fd)
        };
        let mut crowd = Crowd { epoll, members: Vec::with_capacity(count), buffer: vec![0; 64 << 10] };
        for number in 0..count {
            let whose = |e: io::Error| format!("connection {number}: {e}");
            // 127.0.0.1, .2, ...
            let source = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + (number / OF_ONE_ADDRESS) as u32);
            let mut stream = connect_from(source, port).map_err(whose)?;
            stream.write_all(&words(number)).map_err(whose)?;
            stream.set_nonblocking(true).map_err(whose)?;
            crowd.watch(&stream, number).map_err(whose)?;
            crowd.members.push(stream);
        }
        Ok(crowd)
    }

    fn watch(&self, stream: &TcpStream, number: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
        // SAFETY: both descriptors are open and `event` is valid for the call.
        let done =
            unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, stream.as_raw_fd(), &mut event) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The members for whom something has come, within `wait`; none when nothing has.
    pub fn ready(&self, wait: Duration) -> io::Result<Vec<usize>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        // SAFETY: `events` has room for as many as are asked for.
        let count = unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, wait.as_millis() as i32)
        };
        match usize::try_from(count) {
            Ok(count) => Ok(events[..count].iter().map(|event| event.u64 as usize).collect()),
            Err(_) => match io::Error::last_os_error() {
                e if e.kind() == ErrorKind::Interrupted => Ok(Vec::new()),
                e => Err(e),
            },
        }
    }

    /// What has come for a member.
    pub fn read(&mut self, member: usize) -> io::Result<&[u8]> {
        match (&self.members[member]).read(&mut self.buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => Ok(&self.buffer[..count]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(&[]),
            Err(e) => Err(e),
        }
    }

    /// Reads all that comes for anyone until nothing has come for `quiet`; the bytes.
    pub fn drain(&mut self, quiet: Duration) -> io::Result<u64> {
        let mut bytes = 0;
        loop {
            let ready = self.ready(quiet)?;
            if ready.is_empty() {
                return Ok(bytes);
            }
            for member in ready {
                bytes += self.read(member)?.len() as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_crowd_says_its_words_and_hears_who_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut crowd = Crowd::gather(3, port, |n| n.to_string().into_bytes()).unwrap();
        assert!(crowd.ready(Duration::ZERO).unwrap().is_empty());
        let mut others: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        for other in &mut others {
            let mut word = [0];
            other.read_exact(&mut word).unwrap();
            other.write_all(&[word[0], b'!']).unwrap();
            let member = usize::from(word[0] - b'0');
            assert_eq!(crowd.ready(Duration::from_secs(60)).unwrap(), [member]);
            assert_eq!(crowd.read(member).unwrap(), [word[0], b'!']);
            assert!(crowd.read(member).unwrap().is_empty());
        }
        others.iter_mut().for_each(|other| other.write_all(b"xyz").unwrap());
        assert_eq!(crowd.drain(Duration::from_millis(50)).unwrap(), 9);
        drop(others);
        assert!(crowd.drain(Duration::from_millis(50)).is_err(), "one that is closed is told");
    }
}
