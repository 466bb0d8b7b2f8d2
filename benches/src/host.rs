//! Room: benches. The host that figures are of, and its cores. Touches: /proc, /sys.

use std::fs;

/// What a reader of a figure has to know of the machine.
#[derive(Clone, Debug)]
pub struct Host {
    pub cpus: Vec<usize>,
    pub model: String,
    pub memory_bytes: u64,
    pub kernel: String,
    pub is_virtual: bool,
    pub governor: Option<String>,
    pub huge_pages: Option<String>,
}

impl Host {
    pub fn read() -> Host {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = text("/proc/cpuinfo");
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_string())
        };
        let kib = text("/proc/meminfo")
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        let word = |path: &str| Some(text(path).trim().to_string()).filter(|word| !word.is_empty());
        let governor = word("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        let huge_pages = word("/sys/kernel/mm/transparent_hugepage/enabled")
            .and_then(|all| Some(all.split_once('[')?.1.split_once(']')?.0.to_string()));
        Host {
            cpus: usable_cpus(),
            // ARM tells no name.
            model: field("model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            memory_bytes: kib.unwrap_or(0) * 1024,
            kernel: format!("Linux {}", text("/proc/sys/kernel/osrelease").trim()),
            is_virtual: field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            governor,
            huge_pages,
        }
    }

    /// A short name for a folder of records.
    pub fn name(&self) -> String {
        format!("{}-{}vcpu", if self.is_virtual { "vm" } else { "metal" }, self.cpus.len())
    }

    /// One line for people.
    pub fn sentence(&self) -> String {
        let mut facts = vec![format!(
            "{}{} usable cores ({})",
            if self.is_virtual { "virtual machine, " } else { "" },
            self.cpus.len(),
            self.model
        )];
        facts.push(format!("{:.0} GiB", self.memory_bytes as f64 / (1u64 << 30) as f64));
        facts.push(self.kernel.clone());
        facts.extend(self.governor.iter().map(|governor| format!("CPU governor {governor}")));
        facts.extend(self.huge_pages.iter().map(|mode| format!("transparent huge pages: {mode}")));
        facts.push("loopback".into());
        facts.join(", ")
    }
}

/// Cores that this process may use; siblings of one physical core stand beside each other.
fn usable_cpus() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("0");
    let cpus = parse_cpus(list.trim()).unwrap_or_else(|_| vec![0]);
    let key = |cpu: &usize| {
        let siblings = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let siblings = fs::read_to_string(siblings).ok().and_then(|text| parse_cpus(text.trim()).ok());
        (siblings.and_then(|all| all.first().copied()).unwrap_or(*cpu), *cpu)
    };
    let mut sorted = cpus;
    sorted.sort_by_key(key);
    sorted
}

/// Which cores are whose.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub server_cpus: Vec<usize>,
    pub load_cpus: Vec<usize>,
    /// The server has all cores, and the load runs on the same.
    pub shared: bool,
}

impl Layout {
    /// The first `count` of `cpus` for the server and the rest for the load; all for both when none are left.
    pub fn first(count: usize, cpus: &[usize]) -> Layout {
        let (server, load) = cpus.split_at(count.clamp(1, cpus.len()));
        let shared = load.is_empty();
        Layout { server_cpus: server.to_vec(), load_cpus: if shared { cpus.to_vec() } else { load.to_vec() }, shared }
    }
    /// Half of the cores for the server, the others for the load.
    pub fn half(cpus: &[usize]) -> Layout {
        Layout::first(cpus.len() / 2, cpus)
    }
}

/// `0-3,8`.
pub fn parse_cpus(text: &str) -> Result<Vec<usize>, String> {
    let wrong = || format!("'{text}' is no list of cores: 0-3,8");
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) =
            (first.trim().parse().map_err(|_| wrong())?, last.trim().parse().map_err(|_| wrong())?);
        // 4096: more than any Linux has.
        if first > last || last > 4096 {
            return Err(wrong());
        }
        cpus.extend(first..=last);
    }
    Ok(cpus)
}

/// `2026-11-22`, UTC.
pub fn date(unix_s: u64) -> String {
    // Days since 1970 to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let days = (unix_s / 86_400) as i64 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // `date -u -d @N +%F`.
        for (unix_s, day) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (1_709_251_200, "2024-03-01"),
            (1_795_374_388, "2026-11-22"),
            (4_102_444_799, "2099-12-31"),
        ] {
            assert_eq!(date(unix_s), day, "{unix_s}");
        }
    }

    #[test]
    fn lists_of_cores() {
        assert_eq!(parse_cpus("0-2,5").unwrap(), [0, 1, 2, 5]);
        assert_eq!(parse_cpus("7").unwrap(), [7]);
        for wrong in ["", "a", "3-1", "0-", "0,", "0-9999999"] {
            assert!(parse_cpus(wrong).is_err(), "{wrong}");
        }
        let host = Host::read();
        assert!(!host.cpus.is_empty() && host.memory_bytes > 0, "{host:?}");
    }

    #[test]
    fn cores_are_dealt_out() {
        let layout = |server: &[usize], load: &[usize], shared| Layout {
            server_cpus: server.to_vec(),
            load_cpus: load.to_vec(),
            shared,
        };
        assert_eq!(Layout::first(1, &[0, 1]), layout(&[0], &[1], false));
        assert_eq!(Layout::first(2, &[0, 1]), layout(&[0, 1], &[0, 1], true));
        assert_eq!(Layout::first(0, &[5]), layout(&[5], &[5], true));
        assert_eq!(Layout::first(2, &[0, 4, 1, 5]), layout(&[0, 4], &[1, 5], false));
    }
}
