//! Room: tuning, knob. The longest accept queue.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct Somaxconn;

const FILE: &str = "/proc/sys/net/core/somaxconn";
/// The setting tcp-backlog's default.
const LEAST: u64 = 511;

impl Knob for Somaxconn {
    fn id(&self) -> &'static str {
        "somaxconn"
    }

    fn name(&self) -> &'static str {
        "net.core.somaxconn"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn recommended(&self) -> &'static str {
        "4096, and tcp-backlog as much"
    }

    fn why(&self) -> &'static str {
        "Connections that arrive at once wait in the accept queue of their listener. What goes past it is dropped \
         and tried again a second later, which clients see as slow connects. The server's tcp-backlog asks for \
         511; this caps it."
    }

    fn undo(&self) -> &'static str {
        "sysctl -w net.core.somaxconn with the former number (torc-tune undo); listeners keep the queue they were \
         opened with."
    }

    fn look(&self, host: &Host) -> Finding {
        match host.number(FILE) {
            Some(count) if count >= LEAST => Finding::good(count.to_string()),
            Some(count) => {
                Finding::off(count.to_string(), "sysctl -w net.core.somaxconn=4096").wanted("4096").change(FILE, "4096")
            }
            None => Finding::unknown(format!("{FILE} cannot be read")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn the_queue_is_judged() {
        check(
            &Somaxconn,
            &[
                (&[(FILE, "4096\n")], Standing::Good, "4096"),
                (&[(FILE, "128\n")], Standing::Off, "128"),
                (&[(FILE, "x\n")], Standing::Unknown, "cannot be read"),
                (&[], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
