//! Room: tuning. Queues and rings of a network interface, by the ethtool ioctl, which needs no root to look. Touches: the kernel.

use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Now and at most; zero where the driver does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nic {
    pub queues: u32,
    pub queues_most: u32,
    pub rx_ring: u32,
    pub rx_ring_most: u32,
    pub tx_ring: u32,
    pub tx_ring_most: u32,
}

// linux/ethtool.h, linux/sockios.h.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
const GRINGPARAM: u32 = 0x10;
const GCHANNELS: u32 = 0x3c;

#[repr(C)]
struct Ask {
    name: [u8; libc::IFNAMSIZ],
    data: *mut u32,
    // struct ifreq is 40 bytes: its largest member has 24.
    rest: [u64; 2],
}

pub fn ask(name: &str) -> Option<Nic> {
    // SAFETY: no memory is involved; the new descriptor is ours.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return None;
    }
    // SAFETY: just made, and owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // struct ethtool_ringparam: cmd, four maxima (rx, mini, jumbo, tx), four current values.
    let rings: Option<[u32; 9]> = get(&socket, name, GRINGPARAM);
    // struct ethtool_channels: cmd, four maxima (rx, tx, other, combined), four current values.
    let channels: Option<[u32; 9]> = get(&socket, name, GCHANNELS);
    if rings.is_none() && channels.is_none() {
        return None;
    }
    let (r, c) = (rings.unwrap_or_default(), channels.unwrap_or_default());
    Some(Nic {
        // A driver has either combined queues or rx and tx apart.
        queues_most: c[4].max(c[1]),
        queues: c[8].max(c[5]),
        rx_ring_most: r[1],
        tx_ring_most: r[4],
        rx_ring: r[5],
        tx_ring: r[8],
    })
}

fn get(socket: &OwnedFd, name: &str, what: u32) -> Option<[u32; 9]> {
    let mut values = [0u32; 9];
    values[0] = what;
    let mut ask = Ask { name: [0; libc::IFNAMSIZ], data: values.as_mut_ptr(), rest: [0; 2] };
    if name.len() >= ask.name.len() {
        return None;
    }
    ask.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: `ask` is as large as struct ifreq (asserted below), its name ends with a zero, and `data` points to the 36
    // bytes that both commands write.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut ask) };
    (done == 0).then_some(values)
}

const _: () = assert!(size_of::<Ask>() == 40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_answers_nothing() {
        assert_eq!(ask("torc-none"), None);
        assert_eq!(ask("a-name-far-too-long-for-it"), None);
    }
}
