//! Room: tuning, knob. The longest accept queue.

use crate::knob::{Finding, Host, Knob, Verdict};

pub struct Somaxconn;

const FILE: &str = "/proc/sys/net/core/somaxconn";

impl Knob for Somaxconn {
    fn name(&self) -> &'static str {
        "net.core.somaxconn"
    }

    fn recommended(&self) -> &'static str {
        "511 or more"
    }

    fn why(&self) -> &'static str {
        "Connections that arrive at once wait in the accept queue of their listener. What goes past it is dropped and tried again \
         a second later, which clients see as slow connects. 511 is what the setting tcp-backlog asks for by default."
    }

    fn look(&self, host: &Host) -> Finding {
        match host.read(FILE).map(|t| t.parse::<u64>()) {
            Some(Ok(count)) if count >= 511 => Finding::good(count.to_string()),
            Some(Ok(count)) => Finding::of(Verdict::Poor, count.to_string(), "sysctl -w net.core.somaxconn=4096"),
            _ => Finding::unknown(format!("{FILE} cannot be read")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::tests::check;

    #[test]
    fn the_queue_is_judged() {
        check(
            &Somaxconn,
            &[
                (&[(FILE, "4096\n")], Verdict::Good, "4096"),
                (&[(FILE, "128\n")], Verdict::Poor, "128"),
                (&[], Verdict::Unknown, "cannot be read"),
            ],
        );
    }
}
