//! Room: tuning, knob. The kernel's version.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct Kernel;

const FILE: &str = "/proc/sys/kernel/osrelease";

impl Knob for Kernel {
    fn id(&self) -> &'static str {
        "kernel"
    }

    fn name(&self) -> &'static str {
        "kernel version"
    }

    fn group(&self) -> Group {
        Group::Kernel
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "6.1 or later"
    }

    fn why(&self) -> &'static str {
        "The server's rings use DEFER_TASKRUN (Linux 6.1) with multishot receive (6.0) and provided buffer rings \
         (5.19): io_uring_setup(2). Below 6.1 the server says so and does not start."
    }

    fn undo(&self) -> &'static str {
        "Boot the kernel that was there before."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(release) = host.read(FILE) else { return Finding::unknown(format!("{FILE} cannot be read")) };
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (6, 1) => Finding::good(release),
            (Some(Ok(_)), Some(Ok(_))) => Finding::stops(release, "install a kernel of 6.1 or later"),
            _ => Finding::unknown(release),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn versions_are_judged() {
        check(
            &Kernel,
            &[
                (&[(FILE, "6.1.0-18-amd64\n")], Standing::Good, "6.1.0"),
                (&[(FILE, "6.18.44\n")], Standing::Good, "6.18"),
                (&[(FILE, "10.0\n")], Standing::Good, "10.0"),
                (&[(FILE, "6.0.19\n")], Standing::Stops, "6.0"),
                (&[(FILE, "5.15.0-generic\n")], Standing::Stops, "5.15"),
                (&[(FILE, "strange\n")], Standing::Unknown, "strange"),
                (&[], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
