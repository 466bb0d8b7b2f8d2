//! Room: loadgen. One stream to a target, TCP or Unix. Touches: the kernel through std, wire (the RESP3 greeting).

use crate::plan::{Dialect, Place, Target};
use crate::wire;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
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
    /// Connects; with RESP3 also greets. Reads and writes block, for at most five seconds.
    pub fn connect(target: &Target) -> Result<Socket, String> {
        let mut socket = Socket::open(target).map_err(|e| format!("cannot connect to {target}: {e}"))?;
        if target.dialect == Dialect::Resp3 {
            socket.greet().map_err(|e| format!("{target} does not take HELLO 3: {e}"))?;
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

    fn greet(&mut self) -> io::Result<()> {
        let mut ask = Vec::new();
        wire::draw_command(&mut ask, &[b"HELLO", b"3"]);
        self.write_all(&ask)?;
        let mut reply = Vec::new();
        loop {
            let mut piece = [0; 4096];
            let count = self.read(&mut piece)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            reply.extend_from_slice(&piece[..count]);
            match wire::resp_reply_len(&reply) {
                Ok(None) => {}
                Ok(Some(len)) if len == reply.len() && reply[0] == b'%' => return Ok(()),
                Ok(Some(_)) => return Err(io::Error::other(reply.escape_ascii().to_string())),
                Err(wire::Malformed(why)) => return Err(io::Error::other(why)),
            }
        }
    }

    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_nonblocking(true),
            Socket::Unix(stream) => stream.set_nonblocking(true),
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
