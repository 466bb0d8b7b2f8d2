//! Room: loadgen. Addresses as the kernel takes them, and sockets that are not connected yet. Touches: the kernel.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a connection goes, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// An address in the kernel's form. Boxed by whoever needs it to lie still.
pub struct RawAddress {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl RawAddress {
    pub fn new(address: &Address) -> io::Result<RawAddress> {
        match address {
            Address::Tcp(address) => Ok(RawAddress::tcp(address)),
            Address::Unix(path) => RawAddress::unix(path),
        }
    }

    fn tcp(address: &SocketAddr) -> RawAddress {
        // SAFETY: all zeros is a valid sockaddr_storage of no family.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        let at = &raw mut storage;
        let len = match address {
            SocketAddr::V4(v4) => {
                let raw = libc::sockaddr_in {
                    sin_family: libc::AF_INET as u16,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                    sin_zero: [0; 8],
                };
                // SAFETY: a sockaddr_storage has room and alignment for every kind of address.
                unsafe { at.cast::<libc::sockaddr_in>().write(raw) };
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                let raw = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as u16,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                    sin6_scope_id: v6.scope_id(),
                };
                // SAFETY: as above.
                unsafe { at.cast::<libc::sockaddr_in6>().write(raw) };
                size_of::<libc::sockaddr_in6>()
            }
        };
        RawAddress { storage, len: len as libc::socklen_t }
    }

    fn unix(path: &Path) -> io::Result<RawAddress> {
        let bytes = path.as_os_str().as_bytes();
        // SAFETY: all zeros is a valid sockaddr_un.
        let mut raw: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        // One byte stays for the 0 at the end.
        if bytes.len() >= raw.sun_path.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path of a Unix socket is too long"));
        }
        raw.sun_family = libc::AF_UNIX as u16;
        for (to, from) in raw.sun_path.iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        // SAFETY: all zeros is a valid sockaddr_storage of no family.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        // SAFETY: a sockaddr_storage has room and alignment for every kind of address.
        unsafe { (&raw mut storage).cast::<libc::sockaddr_un>().write(raw) };
        Ok(RawAddress { storage, len: size_of::<libc::sockaddr_un>() as libc::socklen_t })
    }

    pub fn pointer(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        ((&raw const self.storage).cast(), self.len)
    }
}

/// A stream socket for `address`, from `source` if there is one.
pub fn socket(address: &Address, source: Option<IpAddr>) -> io::Result<RawFd> {
    let family = match address {
        Address::Tcp(SocketAddr::V4(_)) => libc::AF_INET,
        Address::Tcp(SocketAddr::V6(_)) => libc::AF_INET6,
        Address::Unix(_) => libc::AF_UNIX,
    };
    // SAFETY: socket takes no pointers; its result is checked.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let made = || -> io::Result<()> {
        if matches!(address, Address::Unix(_)) {
            return Ok(());
        }
        set(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
        let Some(source) = source else { return Ok(()) };
        // The port is chosen when connecting, so that one port serves many destinations. ip(7)
        set(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT)?;
        let raw = RawAddress::tcp(&SocketAddr::new(source, 0));
        let (pointer, len) = raw.pointer();
        // SAFETY: `raw` is a valid address of length `len` for the length of the call.
        if unsafe { libc::bind(fd, pointer, len) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    made().inspect_err(|_| close(fd))?;
    Ok(fd)
}

fn set(fd: RawFd, level: i32, option: i32) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: `on` is a valid int for the length of the call.
    let done = unsafe { libc::setsockopt(fd, level, option, (&raw const on).cast(), size_of::<libc::c_int>() as u32) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub fn close(fd: RawFd) {
    // SAFETY: close takes no pointers; the caller owns `fd`.
    unsafe { libc::close(fd) };
}

// 10,000 connections from one local address to one port: Linux gives out 28,232 by default (net.ipv4.ip_local_port_range), those of
// one parity first. When these 14,116 are taken, the kernel looks at each of them again at every connect: a millisecond.
const PORTS_OF_ONE: usize = 10_000;

/// The local address for the `number`th connection to `address`: one of the given, else on loopback 127.0.0.2 and so on once
/// the ports of 127.0.0.1 may run out.
pub fn source_of(given: &[IpAddr], address: &Address, number: usize) -> Option<IpAddr> {
    if !given.is_empty() {
        return Some(given[number % given.len()]);
    }
    match address {
        Address::Tcp(SocketAddr::V4(v4)) if v4.ip().is_loopback() && number >= PORTS_OF_ONE => {
            let host = 1 + (number / PORTS_OF_ONE) as u32;
            Some(IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 0)) + host)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_connected_to() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = Address::Tcp(listener.local_addr().expect("bound"));
        for source in [None, Some("127.0.0.7".parse().expect("an address"))] {
            let fd = socket(&address, source).expect("a socket");
            let raw = RawAddress::new(&address).expect("an address");
            let (pointer, len) = raw.pointer();
            // SAFETY: `raw` lives through the call.
            assert_eq!(unsafe { libc::connect(fd, pointer, len) }, 0);
            let (_, from) = listener.accept().expect("a connection");
            assert_eq!(from.ip(), source.unwrap_or("127.0.0.1".parse().expect("an address")));
            close(fd);
        }
        assert!(RawAddress::new(&Address::Unix(PathBuf::from("x".repeat(200)))).is_err());
    }

    #[test]
    fn many_connections_on_loopback_come_from_many_addresses() {
        let loopback = Address::Tcp("127.0.0.1:1".parse().expect("an address"));
        let far = Address::Tcp("10.0.0.1:1".parse().expect("an address"));
        let told = |given: &[IpAddr], address, number| source_of(given, address, number).map(|a| a.to_string());
        assert_eq!(told(&[], &loopback, 9_999), None);
        assert_eq!(told(&[], &loopback, 10_000).as_deref(), Some("127.0.0.2"));
        assert_eq!(told(&[], &loopback, 29_999).as_deref(), Some("127.0.0.3"));
        assert_eq!(told(&[], &far, 59_999), None);
        let given: Vec<IpAddr> = ["10.0.0.2", "10.0.0.3"].map(|a| a.parse().expect("an address")).to_vec();
        assert_eq!(told(&given, &far, 3).as_deref(), Some("10.0.0.3"));
    }
}
