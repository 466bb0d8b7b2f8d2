//! Room: tuning, knob. How long an idle shard looks for work.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct IdleSpin;

impl Knob for IdleSpin {
    fn id(&self) -> &'static str {
        "idle-spin"
    }

    fn name(&self) -> &'static str {
        "torc's idle-spin-us"
    }

    fn group(&self) -> Group {
        Group::Server
    }

    fn reach(&self) -> Reach {
        Reach::Server
    }

    fn recommended(&self) -> &'static str {
        "auto"
    }

    fn why(&self) -> &'static str {
        "A shard that spins before it sleeps answers without being woken, and keeps its core busy meanwhile. auto \
         does so for up to 50 µs when one client alone talks to the shard; 0 never does."
    }

    fn undo(&self) -> &'static str {
        "--idle-spin-us auto, or CONFIG SET idle-spin-us auto."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(pid) = host.shards.pid else { return Finding::noted("auto unless set; no torc runs here") };
        let Some(line) = host.read(&format!("/proc/{pid}/cmdline")) else {
            return Finding::unknown(format!("/proc/{pid}/cmdline cannot be read"));
        };
        let mut words = line.split('\0');
        match words.by_ref().find(|word| *word == "--idle-spin-us").and_then(|_| words.next()) {
            Some("auto") => Finding::good("auto"),
            Some(other) => Finding::noted(format!("{other} on the command line")),
            // Its title (set-proc-title) stands where its words were.
            None if !line.contains("\0--") => {
                Finding::good("auto, unless it was told otherwise: CONFIG GET idle-spin-us")
            }
            None => Finding::good("auto, unless a file of directives sets it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;
    use crate::knob::Standing;
    use crate::knob::tests::check_one;

    #[test]
    fn the_servers_command_line_is_read() {
        let cases = [
            ("torc\0--port\x001\0", Standing::Good, "auto, unless a file"),
            ("torc 127.0.0.1:6379\0\0\0.", Standing::Good, "CONFIG GET"),
            ("torc\0--idle-spin-us\0auto\0", Standing::Good, "auto"),
            ("torc\0--idle-spin-us\x000\0", Standing::Noted, "0 on the command line"),
        ];
        for (number, (line, standing, mentions)) in cases.into_iter().enumerate() {
            let mut made = Made::of(&format!("spin-{number}"), &[("/proc/7/cmdline", line)]);
            made.host.shards.pid = Some(7);
            check_one(&IdleSpin, &made.host, standing, mentions);
        }
        check_one(&IdleSpin, &Made::of("spin-none", &[]).host, Standing::Noted, "no torc");
    }
}
