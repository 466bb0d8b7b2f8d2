//! Room: tuning, knob. The kernel's version.

use crate::knob::{Finding, Host, Knob, Verdict};

pub struct Kernel;

impl Knob for Kernel {
    fn name(&self) -> &'static str {
        "kernel version"
    }

    fn recommended(&self) -> &'static str {
        "6.1 or later"
    }

    fn why(&self) -> &'static str {
        "The server's rings use DEFER_TASKRUN (Linux 6.1) with multishot receive and provided buffer rings (6.0, 5.19): \
         io_uring_setup(2). Below 6.1 it does not start."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(release) = host.read("/proc/sys/kernel/osrelease") else {
            return Finding::unknown("/proc/sys/kernel/osrelease cannot be read");
        };
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (6, 1) => Finding::good(release),
            (Some(Ok(_)), Some(Ok(_))) => Finding::of(Verdict::Stops, release, "install a kernel of 6.1 or later"),
            _ => Finding::unknown(release),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::tests::check;

    #[test]
    fn versions_are_judged() {
        const FILE: &str = "/proc/sys/kernel/osrelease";
        check(
            &Kernel,
            &[
                (&[(FILE, "6.1.0-18-amd64\n")], Verdict::Good, "6.1.0"),
                (&[(FILE, "6.18.44\n")], Verdict::Good, "6.18"),
                (&[(FILE, "10.0\n")], Verdict::Good, "10.0"),
                (&[(FILE, "6.0.19\n")], Verdict::Stops, "6.0"),
                (&[(FILE, "5.15.0-generic\n")], Verdict::Stops, "5.15"),
                (&[(FILE, "strange\n")], Verdict::Unknown, "strange"),
                (&[], Verdict::Unknown, "cannot be read"),
            ],
        );
    }
}
