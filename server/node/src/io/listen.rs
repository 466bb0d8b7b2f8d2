//! Listening sockets and what is set on accepted ones.

use crate::session::{Door, Peer};
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A socket that accepts.
#[derive(Debug)]
pub struct Listener {
    pub fd: OwnedFd,
    pub door: Door,
    /// Of a Unix socket.
    pub path: Option<String>,
}

/// Opens a TCP listener. `shared`: one of several on the same address, one a shard (SO_REUSEPORT).
pub fn tcp(addr: SocketAddr, backlog: u32, shared: bool, door: Door) -> io::Result<Listener> {
    let family = if addr.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let fd = socket(family)?;
    let raw = raw(&fd);
    set(raw, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if shared {
        set(raw, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    if addr.is_ipv6() {
        // `::` beside `0.0.0.0` must not take the same port twice.
        set(raw, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    if addr.ip().is_loopback() {
        plain_congestion_control(raw);
    }
    let (storage, len) = to_sockaddr(addr);
    // SAFETY: `storage` holds a socket address of `len` bytes.
    check(unsafe { libc::bind(raw, (&raw const storage).cast(), len) })?;
    // SAFETY: a descriptor of ours.
    check(unsafe { libc::listen(raw, backlog.min(i32::MAX as u32) as i32) })?;
    Ok(Listener { fd, door, path: None })
}

/// Marks the packets of a TCP listener and of the sockets it accepts (socket(7)).
pub fn mark(listener: &Listener, id: u32) -> io::Result<()> {
    set(raw(&listener.fd), libc::SOL_SOCKET, libc::SO_MARK, id as i32)
}

/// Accepted sockets inherit it. Over loopback nothing is lost and nothing queues on the way, so the host's own choice can only
/// cost: BBR's own functions are 3 % of a shard's samples at one ask a round trip. Reno has the least to do and is in every
/// kernel (tcp(7)); without it all is as before.
fn plain_congestion_control(fd: RawFd) {
    const NAME: &[u8] = b"reno";
    // SAFETY: the option is a name of the given length, which the kernel only reads.
    unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_CONGESTION, NAME.as_ptr().cast(), NAME.len() as _) };
}

/// Fails when somebody listens on the address already: with SO_REUSEPORT two servers of one user would share it unseen.
pub fn is_free(addr: SocketAddr) -> io::Result<()> {
    tcp(addr, 1, false, Door::Resp).map(drop)
}

/// Opens a Unix listener; a socket file that nobody listens on any more is replaced. `mode` 0: as the umask says.
pub fn unix(path: &str, mode: u32, backlog: u32, door: Door) -> io::Result<Listener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
    }
    if std::fs::symlink_metadata(path).is_ok_and(|m| std::os::unix::fs::FileTypeExt::is_socket(&m.file_type())) {
        std::fs::remove_file(path)?;
    }
    let fd = socket(libc::AF_UNIX)?;
    // SAFETY: all zeroes is a valid sockaddr_un.
    let mut addr: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    addr.sun_family = libc::AF_UNIX as _;
    if path.len() >= addr.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in addr.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as _;
    }
    // SAFETY: `addr` is a whole sockaddr_un, its path ends with a zero.
    check(unsafe { libc::bind(raw(&fd), (&raw const addr).cast(), size_of::<libc::sockaddr_un>() as _) })?;
    // SAFETY: a descriptor of ours.
    check(unsafe { libc::listen(raw(&fd), backlog.min(i32::MAX as u32) as i32) })?;
    if mode != 0 {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    }
    Ok(Listener { fd, door, path: Some(path.into()) })
}

/// Who is at the other end of an accepted socket.
pub fn peer_of(fd: RawFd, path: Option<&str>) -> io::Result<Peer> {
    if let Some(path) = path {
        return Ok(Peer::Unix(path.into()));
    }
    type Name = unsafe extern "C" fn(i32, *mut libc::sockaddr, *mut libc::socklen_t) -> i32;
    let name = |of: Name| {
        // SAFETY: all zeroes is a valid sockaddr_storage.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        // SAFETY: `storage` has room for any address, and `len` says how much.
        check(unsafe { of(fd, (&raw mut storage).cast(), &mut len) })?;
        from_sockaddr(&storage).ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
    };
    Ok(Peer::Tcp { peer: name(libc::getpeername)?, local: name(libc::getsockname)? })
}

/// Sets what an accepted TCP socket needs: no delay, keep-alive as Redis sets it. Failures are not worth a connection.
pub fn tune(fd: RawFd, keepalive_s: u32) {
    let _ = set(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
    if keepalive_s > 0 {
        let s = keepalive_s.min(i32::MAX as u32) as i32;
        let _ = set(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1);
        let _ = set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, s);
        let _ = set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, (s / 3).max(1));
        let _ = set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3);
    }
}

/// Says goodbye in both directions; what was sent before still arrives.
pub fn shut_down(fd: RawFd) {
    // SAFETY: no memory is involved; a descriptor that is no socket only gives an error.
    unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}

pub fn close(fd: RawFd) {
    // SAFETY: the caller owns the descriptor and forgets it.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
}

fn raw(fd: &OwnedFd) -> RawFd {
    std::os::fd::AsRawFd::as_raw_fd(fd)
}

fn socket(family: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved; the new descriptor is ours.
    unsafe {
        let fd = libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        check(fd)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn set(fd: RawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: `value` is an int and its size is given.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), size_of::<i32>() as _) })
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn to_sockaddr(addr: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeroes is a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let len = match addr {
        SocketAddr::V4(a) => {
            // SAFETY: a sockaddr_storage is large enough and aligned for every address family.
            let to = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in>() };
            to.sin_family = libc::AF_INET as _;
            to.sin_port = a.port().to_be();
            to.sin_addr.s_addr = u32::from(*a.ip()).to_be();
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(a) => {
            // SAFETY: as above.
            let to = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in6>() };
            to.sin6_family = libc::AF_INET6 as _;
            to.sin6_port = a.port().to_be();
            to.sin6_addr.s6_addr = a.ip().octets();
            to.sin6_scope_id = a.scope_id();
            size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, len as _)
}

fn from_sockaddr(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match storage.ss_family as i32 {
        libc::AF_INET => {
            // SAFETY: the family says what the storage holds.
            let a = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(a.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let a = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(a.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(a.sin6_port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_marked_where_that_is_allowed() {
        let listener = tcp((Ipv4Addr::LOCALHOST, 0).into(), 1, false, Door::Resp).expect("a port is free");
        let told = || {
            let (mut mark, mut len) = (0u32, size_of::<u32>() as libc::socklen_t);
            // SAFETY: `mark` has room for the option, and `len` says how much.
            let result = unsafe {
                libc::getsockopt(raw(&listener.fd), libc::SOL_SOCKET, libc::SO_MARK, (&raw mut mark).cast(), &mut len)
            };
            check(result).map(|()| mark)
        };
        match mark(&listener, u32::MAX) {
            Ok(()) => assert_eq!(told().expect("it is told"), u32::MAX),
            Err(e) => {
                assert_eq!(e.raw_os_error(), Some(libc::EPERM), "{e}");
                println!("skipped: marks are for who has CAP_NET_ADMIN");
            }
        }
    }
}
