//! Room: tuning, knob. Whether io_uring may be used.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
use std::io;
pub struct IoUring;

const FILE: &str = "/proc/sys/kernel/io_uring_disabled";
const GROUP: &str = "/proc/sys/kernel/io_uring_group";

impl Knob for IoUring {
    fn id(&self) -> &'static str {
        "io-uring"
    }

    fn name(&self) -> &'static str {
        "kernel.io_uring_disabled"
    }

    fn group(&self) -> Group {
        Group::Kernel
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "0, or the server's group in kernel.io_uring_group"
    }

    fn why(&self) -> &'static str {
        "All of the server's input and output goes through io_uring. 1 keeps it for CAP_SYS_ADMIN and the members \
         of kernel.io_uring_group, 2 from everybody (the kernel's admin-guide/sysctl/kernel.rst). Hosts set it to \
         close an attack surface: with 1 and a group for the server that stays closed to all others."
    }

    fn undo(&self) -> &'static str {
        "sysctl -w kernel.io_uring_disabled=1 (or 2), and take the file out of /etc/sysctl.d."
    }

    fn look(&self, host: &Host) -> Finding {
        // The switch came with Linux 6.6.
        let switch = host.read(FILE).unwrap_or_else(|| "no such switch".into());
        let sysctl = "sysctl -w kernel.io_uring_disabled=0, or 1 with kernel.io_uring_group set to the server's group";
        match (switch.as_str(), (host.probes.ring)()) {
            ("1", Ok(_)) => {
                let group = host.read(GROUP).unwrap_or_else(|| "-1".into());
                Finding::noted(format!("1, group {group}; this user gets a ring: run the server as this user"))
            }
            ("1" | "2", Err(_)) => Finding::stops(switch, sysctl).wanted("0").change(FILE, "0"),
            // Already running rings outlive the switch; none can be made.
            ("2", Ok(_)) => Finding::stops(switch, sysctl).wanted("0").change(FILE, "0"),
            (_, Err(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Finding::stops(error.to_string(), "a kernel built with CONFIG_IO_URING")
            }
            (_, _) => Finding::good(switch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;
    use crate::knob::Standing;
    use crate::knob::tests::{check, check_one};

    #[test]
    fn the_switch_is_judged() {
        check(
            &IoUring,
            &[
                (&[(FILE, "0\n")], Standing::Good, "0"),
                (&[(FILE, "1\n"), (GROUP, "990\n")], Standing::Noted, "group 990"),
                (&[(FILE, "2\n")], Standing::Stops, "2"),
                (&[], Standing::Good, "no such switch"),
            ],
        );
    }

    #[test]
    fn a_ring_refused_by_the_switch_is_told_apart() {
        let cases = [
            ("2\n", libc::EPERM, Standing::Stops, "2"),
            ("1\n", libc::EPERM, Standing::Stops, "1"),
            ("0\n", libc::EPERM, Standing::Good, "0"),
            ("0\n", libc::ENOSYS, Standing::Stops, ""),
        ];
        for (number, (switch, code, standing, mentions)) in cases.into_iter().enumerate() {
            let mut made = Made::of(&format!("ring-{number}"), &[(FILE, switch)]);
            made.host.probes.ring = match code {
                libc::EPERM => || Err(io::Error::from_raw_os_error(libc::EPERM)),
                _ => || Err(io::Error::from_raw_os_error(libc::ENOSYS)),
            };
            check_one(&IoUring, &made.host, standing, mentions);
        }
    }
}
