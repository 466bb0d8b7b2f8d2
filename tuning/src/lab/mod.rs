//! Room: tuning, lab. What measuring needs: a server of its own, load on it, a storm of connections, figures and what they say.
//! `measure` compares settings of one knob with it, `advise` numbers of shards. Touches: processes, sockets, /proc.

pub mod experiments;
pub mod figures;
pub mod load;
pub mod quiet;
pub mod quota;
pub mod record;
pub mod server;
pub mod storm;

use std::path::{Path, PathBuf};

/// The programs that measuring runs.
#[derive(Clone, Debug)]
pub struct Tools {
    pub torc: PathBuf,
    pub load: PathBuf,
}

impl Tools {
    /// As given, or beside this program, or by PATH.
    pub fn find(torc: &Option<PathBuf>, load: &Option<PathBuf>) -> Result<Tools, String> {
        Ok(Tools { torc: find("torc", torc, "--torc")?, load: find("torc-load", load, "--load")? })
    }
}

fn find(name: &str, given: &Option<PathBuf>, flag: &str) -> Result<PathBuf, String> {
    if let Some(path) = given {
        return match path.is_file() {
            true => Ok(path.clone()),
            false => Err(format!("{flag} {}: no such file", path.display())),
        };
    }
    let own = std::env::current_exe().unwrap_or_default();
    let beside = own.parent().map(|folder| folder.join(name));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = beside.into_iter().chain(std::env::split_paths(&path).map(|folder| folder.join(name)));
    places.into_iter().find(|p| p.is_file()).ok_or_else(|| {
        format!("{name} is neither beside torc-tune nor in PATH: build it (cargo build --release) or give {flag}")
    })
}

/// Keeps this thread, and what it starts, on these CPUs until `body` ends.
pub fn on_cpus<T>(cpus: &[u32], body: impl FnOnce() -> T) -> T {
    let before = affinity();
    if !cpus.is_empty() {
        set_affinity(cpus);
    }
    let done = body();
    if let Some(before) = before {
        set_affinity_mask(&before);
    }
    done
}

fn affinity() -> Option<libc::cpu_set_t> {
    // SAFETY: all zeroes is an empty set, which the call fills up to its own size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) == 0).then_some(set)
    }
}

fn set_affinity(cpus: &[u32]) {
    // SAFETY: all zeroes is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in cpus.iter().filter(|cpu| **cpu < libc::CPU_SETSIZE as u32) {
        // SAFETY: the number is within the set's size.
        unsafe { libc::CPU_SET(*cpu as usize, &mut set) };
    }
    set_affinity_mask(&set);
}

fn set_affinity_mask(set: &libc::cpu_set_t) {
    // Where it is refused, things run where they may: figures then are less steady, not wrong.
    // SAFETY: `set` is a whole set, which the call reads.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) };
}

/// Year, month and day of a time, UTC.
pub fn date(unix_s: u64) -> String {
    // Days to civil, after the algorithm of the same name in howardhinnant.github.io/date_algorithms.html.
    let z = (unix_s / 86_400) as i64 + 719_468;
    let era = z / 146_097;
    let day_of_era = z - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The project's folder of records, seen from the working directory.
pub fn records(given: &Option<PathBuf>) -> Result<PathBuf, String> {
    let folder = given.clone().unwrap_or_else(|| Path::new("benches/record").to_path_buf());
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(format!("{}: no such folder. Run in the project's folder, or give --records", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        let cases = [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_735_689_599, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
        ];
        for (seconds, want) in cases {
            assert_eq!(date(seconds), want);
        }
    }

    #[test]
    fn a_thread_comes_back_from_its_cpus() {
        let cores = || std::thread::available_parallelism().map_or(1, |n| n.get());
        let before = cores();
        assert_eq!(on_cpus(&[0], cores), 1);
        assert_eq!(cores(), before);
    }
}
