//! Room: tuning, knob. Whether sockets poll the card before they sleep.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct BusyPoll;

const READ: &str = "/proc/sys/net/core/busy_read";
const POLL: &str = "/proc/sys/net/core/busy_poll";

impl Knob for BusyPoll {
    fn id(&self) -> &'static str {
        "busy-poll"
    }

    fn name(&self) -> &'static str {
        "busy polling (net.core.busy_read)"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn recommended(&self) -> &'static str {
        "50"
    }

    fn why(&self) -> &'static str {
        "With busy_read above 0 a read of an empty socket polls the card's queue for so many microseconds before \
         it sleeps (net.rst, busy_read): no interrupt on the way. It acts on network cards, not on loopback, and \
         on rings only where the kernel's io_uring asks for it."
    }

    fn undo(&self) -> &'static str {
        "sysctl -w net.core.busy_read=0 net.core.busy_poll=0 (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let (Some(read), Some(poll)) = (host.number(READ), host.number(POLL)) else {
            return Finding::unknown("this kernel, or this namespace, does not show it");
        };
        let current = format!("busy_read {read}, busy_poll {poll}");
        if read > 0 && poll > 0 {
            return Finding::good(current);
        }
        Finding::off(current, "sysctl -w net.core.busy_read=50 net.core.busy_poll=50")
            .change(READ, "50")
            .change(POLL, "50")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn polling_is_looked_at() {
        check(
            &BusyPoll,
            &[
                (&[(READ, "50\n"), (POLL, "50\n")], Standing::Good, "50"),
                (&[(READ, "0\n"), (POLL, "50\n")], Standing::Off, "busy_read 0"),
                (&[(READ, "0\n")], Standing::Unknown, "does not show"),
            ],
        );
    }
}
