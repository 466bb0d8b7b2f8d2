//! Room: tuning, knob. How large a socket's buffers may grow.

use crate::host::Host;
use crate::knob::bytes;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct SocketBuffers;

const RMEM: &str = "/proc/sys/net/ipv4/tcp_rmem";
const WMEM: &str = "/proc/sys/net/ipv4/tcp_wmem";
/// What kernels set with a few GiB of memory (tcp(7)).
const ENOUGH: u64 = 4 << 20;

impl Knob for SocketBuffers {
    fn id(&self) -> &'static str {
        "socket-buffers"
    }

    fn name(&self) -> &'static str {
        "socket buffers (tcp_rmem, tcp_wmem)"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn recommended(&self) -> &'static str {
        "at most 4 MiB and more, for replies of megabytes"
    }

    fn why(&self) -> &'static str {
        "A socket's buffers grow to the last number of tcp_rmem and tcp_wmem; a reply larger than the send buffer \
         leaves in several turns, each waiting for the client's acknowledgement. Small replies never fill them. \
         Memory of sockets counts beside maxmemory (ip-sysctl.rst, tcp_mem)."
    }

    fn undo(&self) -> &'static str {
        "sysctl -w net.ipv4.tcp_rmem and tcp_wmem with the former numbers (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let triple = |path: &str| -> Option<[u64; 3]> {
            let text = host.read(path)?;
            let numbers: Vec<u64> = text.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect();
            numbers.try_into().ok()
        };
        let (Some(rmem), Some(wmem)) = (triple(RMEM), triple(WMEM)) else {
            return Finding::unknown(format!("{RMEM} or {WMEM} cannot be read"));
        };
        let current = format!("receive up to {}, send up to {}", bytes(rmem[2]), bytes(wmem[2]));
        let mut finding = Finding::off(
            current.clone(),
            "sysctl -w net.ipv4.tcp_rmem=\"4096 131072 6291456\" net.ipv4.tcp_wmem=\"4096 16384 4194304\"",
        );
        for (path, now) in [(RMEM, rmem), (WMEM, wmem)] {
            if now[2] < ENOUGH {
                finding = finding.change(path, format!("{} {} {ENOUGH}", now[0], now[1].min(ENOUGH)));
            }
        }
        if finding.changes.is_empty() { Finding::good(current) } else { finding }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn the_largest_size_counts() {
        check(
            &SocketBuffers,
            &[
                (
                    &[(RMEM, "4096\t131072\t6291456\n"), (WMEM, "4096\t16384\t4194304\n")],
                    Standing::Good,
                    "send up to 4.0 MiB",
                ),
                (
                    &[(RMEM, "4096\t131072\t6291456\n"), (WMEM, "4096\t16384\t65536\n")],
                    Standing::Off,
                    "send up to 64.0 KiB",
                ),
                (&[(RMEM, "4096\t131072\n"), (WMEM, "4096\t16384\t65536\n")], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
