//! Room: backup. Where backups lie, how they are called, and which of them stay. No I/O. Touches: nothing of the node.

use std::path::PathBuf;

/// What the manifest and the files of a backup are called after.
pub const STEM: &str = "backup";
/// The one snapshot that a backup is.
pub const SERIAL: u64 = 1;

/// Where backups are kept, or one is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    Folder(PathBuf),
    S3 {
        bucket: String,
        /// Without slashes around it; empty: the bucket itself.
        prefix: String,
    },
}

impl Place {
    /// A folder's path, or `s3://bucket/prefix`.
    pub fn parse(text: &str) -> Result<Place, String> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                _ if text.is_empty() => Err("there is no name of a folder".into()),
                Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                    Err(format!("{text}: a folder's path or s3://BUCKET/PREFIX is wanted"))
                }
                _ => Ok(Place::Folder(text.into())),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(plain) {
            return Err(format!("{text}: this names no bucket"));
        }
        let prefix = prefix.trim_matches('/');
        let dots = prefix.split('/').any(|part| part == "." || part == "..");
        if dots || prefix.contains("//") || prefix.chars().any(char::is_control) {
            return Err(format!("{text}: its prefix has parts that are no names"));
        }
        Ok(Place::S3 { bucket: bucket.into(), prefix: prefix.into() })
    }

    /// Something in it.
    pub fn join(&self, name: &str) -> Place {
        match self {
            Place::Folder(folder) => Place::Folder(folder.join(name)),
            Place::S3 { bucket, prefix } if prefix.is_empty() => {
                Place::S3 { bucket: bucket.clone(), prefix: name.into() }
            }
            Place::S3 { bucket, prefix } => Place::S3 { bucket: bucket.clone(), prefix: format!("{prefix}/{name}") },
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Folder(folder) => write!(f, "{}", folder.display()),
            Place::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Place::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// Days since 1970 as year, month, day. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
pub fn date_of_day(day: i64) -> (i64, u32, u32) {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, (doy - (153 * mp + 2) / 5 + 1) as u32)
}

/// The name of a backup by its point in time, UTC, so that names are in the order of time: `20261129-103623-417`.
pub fn id_of(unix_ms: u64) -> String {
    let (s, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (year, month, day) = date_of_day((s / 86_400) as i64);
    let (hour, minute, second) = (s / 3600 % 24, s / 60 % 60, s % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}-{ms:03}")
}

/// Whether it is a name that `id_of` gives. Nothing else in a place of backups is ever looked into, or removed.
pub fn is_id(name: &str) -> bool {
    let shape = |(i, b): (usize, u8)| if i == 8 || i == 15 { b == b'-' } else { b.is_ascii_digit() };
    name.len() == 19 && name.bytes().enumerate().all(shape)
}

/// `backup-retention`: how many stay, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    pub count: Option<u64>,
    pub age_s: Option<u64>,
}

impl Retention {
    /// `7`, `30d`, `7 30d`: units are h, d and w. Empty: all stay.
    pub fn parse(text: &str) -> Result<Retention, String> {
        let mut retention = Retention::default();
        for word in text.split_ascii_whitespace() {
            let number = |digits: &str| digits.parse::<u64>().ok().filter(|&n| n > 0 && digits.as_bytes()[0] != b'+');
            let (digits, unit_s) = match word.as_bytes().last() {
                Some(b'h') => (&word[..word.len() - 1], Some(3600)),
                Some(b'd') => (&word[..word.len() - 1], Some(86_400)),
                Some(b'w') => (&word[..word.len() - 1], Some(7 * 86_400)),
                _ => (word, None),
            };
            let twice = match unit_s {
                Some(_) => retention.age_s.is_some(),
                None => retention.count.is_some(),
            };
            let (Some(n), false) = (number(digits), twice) else {
                return Err("it takes a count, an age (12h, 30d, 8w), or both, each above 0".into());
            };
            match unit_s {
                Some(unit_s) => retention.age_s = Some(n.saturating_mul(unit_s)),
                None => retention.count = Some(n),
            }
        }
        Ok(retention)
    }

    /// Which of these are to go. `times_ms`: newest first. The newest always stays.
    pub fn over(&self, times_ms: &[u64], now_ms: u64) -> Vec<bool> {
        let over = |(i, &time_ms): (usize, &u64)| {
            let many = self.count.is_some_and(|count| i as u64 >= count);
            let old = self.age_s.is_some_and(|age_s| now_ms.saturating_sub(time_ms) / 1000 > age_s);
            i > 0 && (many || old)
        };
        times_ms.iter().enumerate().map(over).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown() {
        for (text, shown) in [
            ("/var/backups", Ok("/var/backups")),
            ("backups", Ok("backups")),
            ("s3://bucket", Ok("s3://bucket")),
            ("s3://bucket/", Ok("s3://bucket")),
            ("s3://bucket/a/b/", Ok("s3://bucket/a/b")),
            ("", Err("no name of a folder")),
            ("s3://", Err("names no bucket")),
            ("s3:///a", Err("names no bucket")),
            ("s3://b ucket/a", Err("names no bucket")),
            ("s3://bucket/../other", Err("parts that are no names")),
            ("s3://bucket/a//b", Err("parts that are no names")),
            ("gs://bucket/a", Err("s3://BUCKET/PREFIX is wanted")),
        ] {
            match (Place::parse(text), shown) {
                (Ok(place), Ok(shown)) => assert_eq!(place.to_string(), shown, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (parsed, _) => panic!("{text}: {parsed:?}"),
            }
        }
        assert_eq!(Place::parse("s3://b").unwrap().join("x").to_string(), "s3://b/x");
        assert_eq!(Place::parse("s3://b/a").unwrap().join("x").to_string(), "s3://b/a/x");
    }

    #[test]
    fn names_are_in_the_order_of_time() {
        assert_eq!(id_of(0), "19700101-000000-000");
        assert_eq!(id_of(951_782_400_007), "20000229-000000-007");
        assert_eq!(id_of(1_795_948_583_417), "20261129-103623-417");
        for (name, good) in [
            ("20261129-103623-417", true),
            ("20261129-103623-41", false),
            ("20261129.103623-417", false),
            ("../61129-103623-417", false),
            ("", false),
        ] {
            assert_eq!(is_id(name), good, "{name}");
        }
        let mut last = String::new();
        for day in 0..60_000u64 {
            let name = id_of(day * 86_400_000);
            assert!(is_id(&name) && name > last, "{name} after {last}");
            last = name;
        }
    }

    #[test]
    fn retention_is_read_and_applied() {
        let of = |count, age_s| Ok(Retention { count, age_s });
        for (text, want) in [
            ("", of(None, None)),
            ("7", of(Some(7), None)),
            ("12h", of(None, Some(43_200))),
            ("30d 7", of(Some(7), Some(2_592_000))),
            ("8w", of(None, Some(4_838_400))),
            ("0", Err(())),
            ("0d", Err(())),
            ("d", Err(())),
            ("+7", Err(())),
            ("-1", Err(())),
            ("7 8", Err(())),
            ("1d 2d", Err(())),
            ("7m", Err(())),
        ] {
            assert_eq!(Retention::parse(text).map_err(|_| ()), want, "{text}");
        }
        let times_ms = [90_000_000, 80_000_000, 10_000_000, 0];
        for (text, over) in [
            ("", [false, false, false, false]),
            ("2", [false, false, true, true]),
            ("1h", [false, true, true, true]),
            ("3 1d", [false, false, false, true]),
        ] {
            assert_eq!(Retention::parse(text).unwrap().over(&times_ms, 90_000_000), over, "{text}");
        }
        // Old as it is, the only one stays.
        assert_eq!(Retention::parse("1h").unwrap().over(&[0], u64::MAX), [false]);
    }
}
