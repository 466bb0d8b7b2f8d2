//! Room: loadgen. One blocking stream to a target, TCP or Unix: for what is asked beside the load.
//! Touches: the kernel through std, wire, session (the greeting).

use crate::plan::{Place, Target};
use crate::session::greeting;
use crate::wire;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

// 5 s: a listening server on any usable network answers sooner.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects and says what the target asks for: HELLO 3, AUTH, SELECT. Reads and writes block, for at most five seconds.
    pub fn connect(target: &Target) -> Result<Socket, String> {
        let mut socket = Socket::open(target).map_err(|e| format!("cannot connect to {target}: {e}"))?;
        for words in greeting(target) {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let name = String::from_utf8_lossy(words[0]).lines().next().unwrap_or_default().to_string();
            socket.greet(target, &words).map_err(|e| format!("{target} does not take {name}: {e}"))?;
        }
        Ok(socket)
    }

    fn open(target: &Target) -> io::Result<Socket> {
        match &target.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(CONNECT_PATIENCE))?;
                stream.set_write_timeout(Some(CONNECT_PATIENCE))?;
                Ok(Socket::Unix(stream))
            }
            Place::Tcp(address) => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for address in address.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, CONNECT_PATIENCE) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            stream.set_read_timeout(Some(CONNECT_PATIENCE))?;
                            stream.set_write_timeout(Some(CONNECT_PATIENCE))?;
                            return Ok(Socket::Tcp(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    fn greet(&mut self, target: &Target, words: &[&[u8]]) -> io::Result<()> {
        if target.dialect.is_resp() {
            let reply = self.ask(words)?;
            return if reply[0] == b'-' { Err(io::Error::other(reply.escape_ascii().to_string())) } else { Ok(()) };
        }
        self.write_all(words[0])?;
        let reply = self.read_until(|got| got.ends_with(b"\r\n"))?;
        if reply == b"STORED\r\n" { Ok(()) } else { Err(io::Error::other(reply.escape_ascii().to_string())) }
    }

    /// One RESP command and its whole answer as bytes.
    pub fn ask(&mut self, words: &[&[u8]]) -> io::Result<Vec<u8>> {
        let mut ask = Vec::new();
        wire::draw_command(&mut ask, words);
        self.write_all(&ask)?;
        let mut reply = Vec::new();
        loop {
            match wire::resp_reply_len(&reply) {
                Ok(None) => {}
                Ok(Some(len)) if len == reply.len() => return Ok(reply),
                Ok(Some(_)) => return Err(io::Error::other(reply.escape_ascii().to_string())),
                Err(wire::Malformed(why)) => return Err(io::Error::other(why)),
            }
            self.read_some(&mut reply)?;
        }
    }

    /// Reads until `whole` says so.
    pub fn read_until(&mut self, whole: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
        let mut got = Vec::new();
        while !whole(&got) {
            self.read_some(&mut got)?;
        }
        Ok(got)
    }

    fn read_some(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        // 16 MiB: what is asked beside the load has short answers.
        if into.len() > 16 << 20 {
            return Err(io::Error::other("an answer without an end"));
        }
        let mut piece = [0; 4096];
        let count = self.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        into.extend_from_slice(&piece[..count]);
        Ok(())
    }

    /// Where a TCP connection went.
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(stream) => stream.peer_addr().ok(),
            Socket::Unix(_) => None,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(into),
            Socket::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(from),
            Socket::Unix(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Socket::Tcp(stream) => stream.as_raw_fd(),
            Socket::Unix(stream) => stream.as_raw_fd(),
        }
    }
}
