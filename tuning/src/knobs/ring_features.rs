//! Room: tuning, knob. What the kernel's rings can do.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct RingFeatures;

impl Knob for RingFeatures {
    fn id(&self) -> &'static str {
        "io-uring-features"
    }

    fn name(&self) -> &'static str {
        "io_uring features"
    }

    fn group(&self) -> Group {
        Group::Kernel
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "all that the server's rings use"
    }

    fn why(&self) -> &'static str {
        "A ring is set up as the server sets its own up, asked for its operations and for a ring of provided \
         buffers, and given back. Where anything is missing the server does not start. Multishot receive shows in \
         no probe; it came with 6.0, before DEFER_TASKRUN."
    }

    fn undo(&self) -> &'static str {
        "Nothing was set."
    }

    fn look(&self, host: &Host) -> Finding {
        match (host.probes.ring)() {
            Ok(missing) if missing.is_empty() => Finding::good("all there"),
            Ok(missing) => {
                Finding::stops(format!("without {}", missing.join(", ")), "install a kernel of 6.1 or later")
            }
            Err(error) => Finding::unknown(format!("no ring to ask: {error}")),
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
    fn what_is_missing_is_named() {
        type Ring = fn() -> io::Result<Vec<&'static str>>;
        let cases: [(Ring, Standing, &str); 3] = [
            (|| Ok(Vec::new()), Standing::Good, "all"),
            (|| Ok(vec!["MSG_RING (5.18)"]), Standing::Stops, "MSG_RING"),
            (|| Err(io::Error::from_raw_os_error(libc::EPERM)), Standing::Unknown, "no ring"),
        ];
        for (number, (ring, standing, mentions)) in cases.into_iter().enumerate() {
            let mut made = Made::of(&format!("features-{number}"), &[]);
            made.host.probes.ring = ring;
            check_one(&RingFeatures, &made.host, standing, mentions);
        }
    }
}
