//! Room: tuning, knob. Connections half open.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct SynBacklog;

const FILE: &str = "/proc/sys/net/ipv4/tcp_max_syn_backlog";
const COOKIES: &str = "/proc/sys/net/ipv4/tcp_syncookies";
const LEAST: u64 = 1024;

impl Knob for SynBacklog {
    fn id(&self) -> &'static str {
        "syn-backlog"
    }

    fn name(&self) -> &'static str {
        "net.ipv4.tcp_max_syn_backlog"
    }

    fn group(&self) -> Group {
        Group::Network
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn recommended(&self) -> &'static str {
        "1024 or more, with tcp_syncookies 1"
    }

    fn why(&self) -> &'static str {
        "Connections whose handshake is under way wait here; past it new ones are dropped, unless syncookies \
         answer them without a place (ip-sysctl.rst). Over loopback a handshake is never under way for long."
    }

    fn undo(&self) -> &'static str {
        "sysctl -w net.ipv4.tcp_max_syn_backlog with the former number (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let cookies = host.number(COOKIES);
        let told = cookies.map_or("not shown".to_string(), |n| n.to_string());
        match host.number(FILE) {
            None => Finding::unknown(format!("{FILE} cannot be read")),
            Some(count) if count >= LEAST || cookies.is_some_and(|n| n > 0) => {
                Finding::good(format!("{count}, syncookies {told}"))
            }
            Some(count) => {
                let remedy = "sysctl -w net.ipv4.tcp_max_syn_backlog=4096 net.ipv4.tcp_syncookies=1";
                Finding::off(format!("{count}, syncookies {told}"), remedy).change(FILE, "4096")
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
    fn room_for_handshakes_is_judged() {
        check(
            &SynBacklog,
            &[
                (&[(FILE, "4096\n"), (COOKIES, "0\n")], Standing::Good, "4096"),
                (&[(FILE, "128\n"), (COOKIES, "1\n")], Standing::Good, "syncookies 1"),
                (&[(FILE, "128\n"), (COOKIES, "0\n")], Standing::Off, "syncookies 0"),
                (&[(FILE, "128\n")], Standing::Off, "not shown"),
                (&[], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
