//! Room: benches. A few wishes to the kernel. Touches: the kernel.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Puts this thread, and those it starts, before all ordinary ones. Needs the right to (CAP_SYS_NICE).
pub fn run_first() -> io::Result<()> {
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: `first` is a valid sched_param for the length of the call; 0 names the calling thread.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &first) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Raises the limit of open files to `wanted` where this process may, else its soft limit to the hard one; what came of it.
/// Processes that it starts have the same.
pub fn raise_nofile(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for the length of the calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        let more = libc::rlimit { rlim_cur: wanted, rlim_max: wanted };
        if limit.rlim_max >= wanted || libc::setrlimit(libc::RLIMIT_NOFILE, &more) != 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
    }
    limit.rlim_cur
}

pub fn core_set(cpus: &[usize]) -> libc::cpu_set_t {
    // SAFETY: cpu_set_t is plain bits; all zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus {
        if cpu < libc::CPU_SETSIZE as usize {
            // SAFETY: `set` is valid and `cpu` lies within it.
            unsafe { libc::CPU_SET(cpu, &mut set) };
        }
    }
    set
}

/// Keeps the calling thread, and those it starts from now on, on `cpus`.
pub fn stay_on(cpus: &[usize]) -> io::Result<()> {
    let set = core_set(cpus);
    // SAFETY: `set` is valid for its whole size; 0 names the calling thread.
    let done = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Connects to `port` of 127.0.0.1 from a local address of its own: an address has no more ports than the kernel gives out.
pub fn connect_from(source: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let check = |done: i32| if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) };
    let on: i32 = 1;
    let address = |to: SocketAddrV4| libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
        sin_zero: [0; 8],
    };
    let (from, to) = (address(SocketAddrV4::new(source, 0)), address(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)));
    let len = size_of::<libc::sockaddr_in>() as u32;
    // SAFETY: socket takes three numbers; the descriptor it gives belongs to nobody else. The options and addresses are valid
    // for the calls, with their own sizes.
    unsafe {
        let socket =
            OwnedFd::from_raw_fd(check(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0))?);
        let fd = socket.as_raw_fd();
        for (level, option) in [
            // ip(7): the port is chosen at connect, when the kernel knows both ends and may give it to several.
            (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT),
            (libc::IPPROTO_TCP, libc::TCP_NODELAY),
        ] {
            check(libc::setsockopt(fd, level, option, (&raw const on).cast(), size_of::<i32>() as u32))?;
        }
        check(libc::bind(fd, (&raw const from).cast(), len))?;
        check(libc::connect(fd, (&raw const to).cast(), len))?;
        Ok(TcpStream::from(socket))
    }
}
