//! Room: tuning, knob. Whether io_uring may be used.

use crate::knob::{Finding, Host, Knob, Verdict};
use std::io;

pub struct IoUring;

const FILE: &str = "/proc/sys/kernel/io_uring_disabled";
const GROUP: &str = "/proc/sys/kernel/io_uring_group";

impl Knob for IoUring {
    fn name(&self) -> &'static str {
        "kernel.io_uring_disabled"
    }

    fn recommended(&self) -> &'static str {
        "0, and a ring for the asking"
    }

    fn why(&self) -> &'static str {
        "All of the server's input and output goes through io_uring. 1 allows it to CAP_SYS_ADMIN and to members of \
         kernel.io_uring_group, 2 to nobody (the kernel's admin-guide/sysctl/kernel.rst). A container's seccomp profile can \
         forbid it besides, which no file shows, so a ring is asked for here and given back at once."
    }

    fn look(&self, host: &Host) -> Finding {
        // The switch came with Linux 6.6.
        let switch = host.read(FILE).unwrap_or_else(|| "no such switch".into());
        let sysctl = "sysctl -w kernel.io_uring_disabled=0";
        match ((host.try_ring)(), switch.as_str()) {
            (Ok(()), "1") => {
                let group = host.read(GROUP).unwrap_or_else(|| "-1".into());
                let current = format!("1, group {group}; this user gets a ring");
                Finding::of(Verdict::Poor, current, format!("{sysctl}, or run the server as this user"))
            }
            (Ok(()), _) => Finding::good(switch),
            (Err(error), "1" | "2") => Finding::of(Verdict::Stops, format!("{switch}: {error}"), sysctl),
            (Err(error), _) if error.kind() == io::ErrorKind::Unsupported => {
                Finding::of(Verdict::Stops, error.to_string(), "a kernel built with CONFIG_IO_URING")
            }
            (Err(error), _) => Finding::of(
                Verdict::Stops,
                format!("{switch}, and yet: {error}"),
                "a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::tests::{Made, check};

    #[test]
    fn the_switch_is_judged() {
        check(
            &IoUring,
            &[
                (&[(FILE, "0\n")], Verdict::Good, "0"),
                (&[(FILE, "1\n"), (GROUP, "990\n")], Verdict::Poor, "group 990"),
                (&[], Verdict::Good, "no such switch"),
            ],
        );
    }

    #[test]
    fn a_ring_refused_is_told_apart() {
        let cases = [("2\n", true, "sysctl"), ("0\n", true, "seccomp"), ("0\n", false, "CONFIG_IO_URING")];
        for (number, (switch, refused, remedy)) in cases.into_iter().enumerate() {
            let mut made = Made::of(&format!("ring-{number}"), &[(FILE, switch)]);
            made.host.try_ring = match refused {
                true => || Err(io::Error::from_raw_os_error(libc::EPERM)),
                false => || Err(io::Error::from_raw_os_error(libc::ENOSYS)),
            };
            let finding = IoUring.look(&made.host);
            assert_eq!(finding.verdict, Verdict::Stops);
            assert!(finding.remedy.contains(remedy), "{finding:?}");
        }
    }
}
