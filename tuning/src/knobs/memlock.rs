//! Room: tuning, knob. The limit "Max locked memory".

use crate::knob::{Finding, Host, Knob, Verdict, bytes};
use crate::limits;

pub struct Memlock;

impl Knob for Memlock {
    fn name(&self) -> &'static str {
        "locked memory (ulimit -l)"
    }

    fn recommended(&self) -> &'static str {
        "unlimited, or 64 MiB and more"
    }

    fn why(&self) -> &'static str {
        "Buffers registered with a ring count as locked memory. glommio, which drives the server's files, does not start below \
         512 KiB (its README), and registers 10 MiB with each of three rings a shard; where that is refused it works with \
         buffers that the kernel maps anew for every write."
    }

    fn look(&self, host: &Host) -> Finding {
        const LEAST: u64 = 512 << 10;
        const ENOUGH: u64 = 64 << 20;
        let Some(limits) = host.read(limits::FILE) else {
            return Finding::unknown(format!("{} cannot be read", limits::FILE));
        };
        let remedy = "LimitMEMLOCK=infinity in the systemd unit, or a line in /etc/security/limits.conf";
        match limits::hard(&limits, "Max locked memory") {
            None => Finding::unknown("not among this process's limits"),
            Some(None) => Finding::good("unlimited"),
            Some(Some(count)) if count >= ENOUGH => Finding::good(bytes(count)),
            Some(Some(count)) if count < LEAST => Finding::of(Verdict::Stops, bytes(count), remedy),
            Some(Some(count)) => Finding::of(Verdict::Poor, bytes(count), remedy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::tests::check;
    use crate::limits::FILE;

    #[test]
    fn the_hard_limit_is_judged() {
        check(
            &Memlock,
            &[
                (
                    &[(FILE, "Max locked memory         8388608              unlimited            bytes\n")],
                    Verdict::Good,
                    "unlimited",
                ),
                (
                    &[(FILE, "Max locked memory         65536                134217728            bytes\n")],
                    Verdict::Good,
                    "128.0 MiB",
                ),
                (
                    &[(FILE, "Max locked memory         65536                65536                bytes\n")],
                    Verdict::Stops,
                    "64.0 KiB",
                ),
                (
                    &[(FILE, "Max locked memory         65536                8388608              bytes\n")],
                    Verdict::Poor,
                    "8.0 MiB",
                ),
                (&[], Verdict::Unknown, "cannot be read"),
            ],
        );
    }
}
