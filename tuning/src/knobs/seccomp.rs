//! Room: tuning, knob. Whether a seccomp filter forbids io_uring.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
use std::io::ErrorKind;
pub struct Seccomp;

const DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";

impl Knob for Seccomp {
    fn id(&self) -> &'static str {
        "seccomp"
    }

    fn name(&self) -> &'static str {
        "seccomp"
    }

    fn group(&self) -> Group {
        Group::Kernel
    }

    fn reach(&self) -> Reach {
        Reach::Start
    }

    fn recommended(&self) -> &'static str {
        "no filter, or one that allows io_uring"
    }

    fn why(&self) -> &'static str {
        "Container runtimes' default profiles forbid io_uring (Docker since 23.0, containerd since 1.7, and what \
         Kubernetes calls RuntimeDefault with them). No file shows what a filter forbids, so a ring is asked for \
         and given back."
    }

    fn undo(&self) -> &'static str {
        "Start the container with its former profile."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(status) = host.read(&host.process_file("status")) else {
            return Finding::unknown(format!("{} cannot be read", host.process_file("status")));
        };
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).map(|t| t.trim().to_string());
        let mode = field("Seccomp:").unwrap_or_default();
        let current = match mode.as_str() {
            "0" => "no filter".to_string(),
            "2" => format!("{} filters", field("Seccomp_filters:").unwrap_or_else(|| "some".into())),
            "" => return Finding::unknown("this kernel has no seccomp, or does not show it"),
            other => format!("mode {other}"),
        };
        let remedy = "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile";
        let switched_off = matches!(host.read(DISABLED).as_deref(), Some("1" | "2"));
        match (host.probes.ring)() {
            Ok(_) => Finding::good(current),
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !switched_off && mode != "0" => {
                Finding::stops(format!("{current}, and no ring is granted: {error}"), remedy)
            }
            // A Linux security module can forbid it as well.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !switched_off => Finding::stops(
                format!("{current}, and yet no ring is granted: {error}"),
                "allow io_uring in SELinux or AppArmor",
            ),
            Err(_) => Finding::noted(current),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;
    use crate::knob::Standing;
    use crate::knob::tests::check_one;
    use std::io;

    #[test]
    fn a_filter_that_forbids_rings_is_found() {
        const FILTERED: (&str, &str) = ("/proc/self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n");
        const FREE: (&str, &str) = ("/proc/self/status", "Seccomp:\t0\nSeccomp_filters:\t0\n");
        type Case<'a> = (&'a [(&'a str, &'a str)], bool, Standing, &'a str);
        let cases: [Case; 6] = [
            (&[FREE], true, Standing::Good, "no filter"),
            (&[FILTERED], true, Standing::Good, "1 filters"),
            (&[FILTERED], false, Standing::Stops, "no ring"),
            (&[FREE], false, Standing::Stops, "and yet"),
            (&[FILTERED, (DISABLED, "2\n")], false, Standing::Noted, "1 filters"),
            (&[], true, Standing::Unknown, "cannot be read"),
        ];
        for (number, (files, granted, standing, mentions)) in cases.into_iter().enumerate() {
            let mut made = Made::of(&format!("seccomp-{number}"), files);
            made.host.probes.ring =
                if granted { || Ok(Vec::new()) } else { || Err(io::Error::from_raw_os_error(libc::EPERM)) };
            check_one(&Seccomp, &made.host, standing, mentions);
        }
    }
}
