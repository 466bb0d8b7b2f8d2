//! Room: tuning, knob. The limit "Max locked memory".

use crate::host::Host;
use crate::knob::bytes;
use crate::knob::{Finding, Group, Knob, Reach};
use crate::limits;
pub struct Memlock;

const LEAST: u64 = 512 << 10;
const ENOUGH: u64 = 64 << 20;

impl Knob for Memlock {
    fn id(&self) -> &'static str {
        "memlock"
    }

    fn name(&self) -> &'static str {
        "locked memory (ulimit -l)"
    }

    fn group(&self) -> Group {
        Group::Limits
    }

    fn reach(&self) -> Reach {
        Reach::Start
    }

    fn recommended(&self) -> &'static str {
        "unlimited, or 64 MiB and more"
    }

    fn why(&self) -> &'static str {
        "Buffers registered with a ring count as locked memory. glommio, which drives the server's files, does \
         not start below 512 KiB (its README), and registers 10 MiB with each of three rings a shard; where that \
         is refused it works with buffers that the kernel maps anew for every write."
    }

    fn undo(&self) -> &'static str {
        "Take the line out of the unit or limits.conf and start the server again."
    }

    fn look(&self, host: &Host) -> Finding {
        let file = host.process_file("limits");
        let Some(limits) = host.read(&file) else { return Finding::unknown(format!("{file} cannot be read")) };
        let remedy = "LimitMEMLOCK=infinity in the systemd unit, a line in /etc/security/limits.conf, or docker run --ulimit memlock=-1";
        match limits::hard(&limits, "Max locked memory") {
            None => Finding::unknown("not among the limits"),
            Some(None) => Finding::good("unlimited"),
            Some(Some(count)) if count >= ENOUGH => Finding::good(bytes(count)),
            Some(Some(count)) if count < LEAST => Finding::stops(bytes(count), remedy),
            // It starts; what registered buffers gain is not recorded.
            Some(Some(count)) => {
                Finding::noted(format!("{}: enough to start, not to register buffers for files", bytes(count)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn the_hard_limit_is_judged() {
        const FILE: &str = "/proc/self/limits";
        check(
            &Memlock,
            &[
                (
                    &[(FILE, "Max locked memory         8388608              unlimited            bytes\n")],
                    Standing::Good,
                    "unlimited",
                ),
                (
                    &[(FILE, "Max locked memory         65536                134217728            bytes\n")],
                    Standing::Good,
                    "128.0 MiB",
                ),
                (
                    &[(FILE, "Max locked memory         65536                65536                bytes\n")],
                    Standing::Stops,
                    "64.0 KiB",
                ),
                (
                    &[(FILE, "Max locked memory         65536                8388608              bytes\n")],
                    Standing::Noted,
                    "8.0 MiB",
                ),
                (&[], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
