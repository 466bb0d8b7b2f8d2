//! Room: tuning, knob. The limit "Max open files".

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};
use crate::limits;
pub struct Nofile;

/// maxclients unless set.
const CLIENTS: u64 = 10_000;

impl Knob for Nofile {
    fn id(&self) -> &'static str {
        "nofile"
    }

    fn name(&self) -> &'static str {
        "open files (ulimit -n)"
    }

    fn group(&self) -> Group {
        Group::Limits
    }

    fn reach(&self) -> Reach {
        Reach::Start
    }

    fn recommended(&self) -> &'static str {
        "clients, and 128 with 16 a shard more"
    }

    fn why(&self) -> &'static str {
        "Each connection is an open file. The server raises its soft limit to the hard one by itself, so the hard \
         one counts. With fewer than maxclients (10,000) needs it lowers maxclients and says so; where not even \
         one client fits it does not start."
    }

    fn undo(&self) -> &'static str {
        "Take the line out of the unit or limits.conf and start the server again."
    }

    fn look(&self, host: &Host) -> Finding {
        let file = host.process_file("limits");
        let Some(limits) = host.read(&file) else { return Finding::unknown(format!("{file} cannot be read")) };
        let remedy = "LimitNOFILE=65536 in the systemd unit, a line in /etc/security/limits.conf, or docker run --ulimit nofile=65536";
        let reserved = limits::reserved_files(host.shards.cpus.len().max(1));
        match limits::hard(&limits, "Max open files") {
            None => Finding::unknown("not among the limits"),
            Some(None) => Finding::good("unlimited"),
            Some(Some(count)) if count >= CLIENTS + reserved => Finding::good(count.to_string()),
            Some(Some(count)) if count <= reserved => Finding::stops(count.to_string(), remedy).wanted("65536"),
            Some(Some(count)) => {
                Finding::off(format!("{count}: maxclients is cut to {}", count - reserved), remedy).wanted("65536")
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
            &Nofile,
            &[
                (
                    &[(
                        FILE,
                        "Limit  Soft  Hard  Units\nMax open files            1024                 1048576              files\n",
                    )],
                    Standing::Good,
                    "1048576",
                ),
                (
                    &[(FILE, "Max open files            1024                 4096                 files\n")],
                    Standing::Off,
                    "4096",
                ),
                (
                    &[(FILE, "Max open files            16                   16                   files\n")],
                    Standing::Stops,
                    "16",
                ),
                (
                    &[(FILE, "Max open files            1024                 unlimited            files\n")],
                    Standing::Good,
                    "unlimited",
                ),
                (&[(FILE, "Max open files            1024\n")], Standing::Unknown, ""),
                (&[], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
