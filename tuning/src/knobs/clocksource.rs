//! Room: tuning, knob. What the kernel reads the time from.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct Clocksource;

const NOW: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
const ALL: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
pub const FAST: [&str; 5] = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen"];

impl Knob for Clocksource {
    fn id(&self) -> &'static str {
        "clocksource"
    }

    fn name(&self) -> &'static str {
        "clock source"
    }

    fn group(&self) -> Group {
        Group::Cpu
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "tsc, or kvm-clock where a guest has no steady one"
    }

    fn why(&self) -> &'static str {
        "The time is read without a system call only from tsc, kvm-clock, hyperv and arch_sys_counter; from hpet \
         and acpi_pm each reading is a system call and a slow register. The server reads its time once a turn \
         from the CPU's counter and checks it against the kernel's."
    }

    fn undo(&self) -> &'static str {
        "Write the former name to current_clocksource (torc-tune undo)."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(now) = host.read(NOW) else { return Finding::unknown(format!("{NOW} cannot be read")) };
        if FAST.contains(&now.as_str()) {
            return Finding::good(now);
        }
        let all = host.read(ALL).unwrap_or_default();
        match FAST.iter().find(|name| all.split_ascii_whitespace().any(|word| word == **name)) {
            Some(better) => Finding::off(now, format!("echo {better} > {NOW}")).wanted(*better).change(NOW, *better),
            // The kernel found the counter unsteady, and took it out.
            None => Finding::off(
                format!("{now}; this host has {all}"),
                "see dmesg for why tsc is not used: clocksource, tsc",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn slow_clocks_are_found() {
        check(
            &Clocksource,
            &[
                (&[(NOW, "tsc\n"), (ALL, "tsc kvm-clock \n")], Standing::Good, "tsc"),
                (&[(NOW, "hpet\n"), (ALL, "hpet tsc acpi_pm \n")], Standing::Off, "hpet"),
                (&[(NOW, "acpi_pm\n"), (ALL, "acpi_pm \n")], Standing::Off, "has acpi_pm"),
                (&[], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
