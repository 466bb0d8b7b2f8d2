//! Room: tuning, knob. The limit "Max open files".

use crate::knob::{Finding, Host, Knob, Verdict};
use crate::limits;

pub struct Nofile;

impl Knob for Nofile {
    fn name(&self) -> &'static str {
        "open files (ulimit -n)"
    }

    fn recommended(&self) -> &'static str {
        "65536 or more"
    }

    fn why(&self) -> &'static str {
        "Each connection is an open file; 10,000 clients need as many and a few hundred more. The server raises its soft limit \
         to the hard one by itself, so the hard one counts."
    }

    fn look(&self, host: &Host) -> Finding {
        const ENOUGH: u64 = 65_536;
        let Some(limits) = host.read(limits::FILE) else {
            return Finding::unknown(format!("{} cannot be read", limits::FILE));
        };
        let remedy = "LimitNOFILE=65536 in the systemd unit, or a line in /etc/security/limits.conf";
        match limits::hard(&limits, "Max open files") {
            None => Finding::unknown("not among this process's limits"),
            Some(None) => Finding::good("unlimited"),
            Some(Some(count)) if count >= ENOUGH => Finding::good(count.to_string()),
            Some(Some(count)) => Finding::of(Verdict::Poor, count.to_string(), remedy),
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
            &Nofile,
            &[
                (
                    &[(
                        FILE,
                        "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 1048576              files\n",
                    )],
                    Verdict::Good,
                    "1048576",
                ),
                (
                    &[(FILE, "Max open files            1024                 4096                 files\n")],
                    Verdict::Poor,
                    "4096",
                ),
                (
                    &[(FILE, "Max open files            1024                 unlimited            files\n")],
                    Verdict::Good,
                    "unlimited",
                ),
                (&[(FILE, "Max open files            1024\n")], Verdict::Unknown, ""),
            ],
        );
    }
}
