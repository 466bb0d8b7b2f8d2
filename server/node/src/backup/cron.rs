//! Room: backup. `backup-schedule`: when backups are due, in the five fields of cron, in UTC. No I/O, no clock.
//! Touches: place (dates).
//!
//! Minute, hour, day of the month, month, day of the week; each `*`, numbers, ranges and steps in a list: `0 3 * * *`, `*/15 8-18 * *
//! mon-fri`, `@daily`. As in Vixie's cron a day counts if one of the two fields of days says so, where both say something.

use super::place::date_of_day;

/// Far enough to meet a 29th of February over a century that has none.
const DAYS_AHEAD_MAX: i64 = 8 * 366 + 1;

/// The bits of a field are the numbers that it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// From Sunday, 0.
    weekdays: u64,
    /// These fields begin with `*`: they say nothing.
    any_day: bool,
    any_weekday: bool,
}

struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Of the numbers from `min` on.
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of the month", min: 1, max: 31, names: &[] },
    Field { name: "month", min: 1, max: 12, names: MONTHS },
    // 7 is Sunday too.
    Field { name: "day of the week", min: 0, max: 7, names: WEEKDAYS },
];

impl Field {
    fn number(&self, word: &str) -> Result<u32, String> {
        let lower = word.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.min + at as u32);
        }
        let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        let number = word.parse::<u32>().ok().filter(|n| digits && (self.min..=self.max).contains(n));
        number.ok_or_else(|| format!("'{word}' is no {} ({} to {})", self.name, self.min, self.max))
    }

    fn bits(&self, text: &str) -> Result<u64, String> {
        let mut bits = 0;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.min, self.max),
                Some((from, to)) => (self.number(from)?, self.number(to)?),
                // A step without a range: from there to the end.
                None => {
                    let from = self.number(range)?;
                    (from, if step.is_some() { self.max } else { from })
                }
            };
            if from > to {
                return Err(format!("'{part}': the range of the {} ends before it begins", self.name));
            }
            let step = match step {
                None => 1,
                Some(step) => step
                    .parse::<usize>()
                    .ok()
                    .filter(|&n| n > 0 && step.bytes().all(|b| b.is_ascii_digit()))
                    .ok_or_else(|| format!("'{part}': the step of the {} is no number above 0", self.name))?,
            };
            (from..=to).step_by(step).for_each(|n| bits |= 1 << n);
        }
        Ok(bits)
    }
}

impl Schedule {
    /// `None`: an empty text, which means never.
    pub fn parse(text: &str) -> Result<Option<Schedule>, String> {
        let text = match text.trim() {
            "" => return Ok(None),
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        if text.starts_with('@') {
            return Err(format!("'{text}' is none of @hourly, @daily, @weekly, @monthly and @yearly"));
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = words[..] else {
            return Err("it takes five fields: minute, hour, day of the month, month, day of the week".into());
        };
        let weekdays = FIELDS[4].bits(weekday)?;
        let schedule = Schedule {
            minutes: FIELDS[0].bits(minute)?,
            hours: FIELDS[1].bits(hour)?,
            days: FIELDS[2].bits(day)?,
            months: FIELDS[3].bits(month)?,
            weekdays: weekdays & 0x7F | weekdays >> 7,
            any_day: day.starts_with('*'),
            any_weekday: weekday.starts_with('*'),
        };
        match schedule.next_after(0) {
            Some(_) => Ok(Some(schedule)),
            None => Err("no year has such a day".into()),
        }
    }

    fn is_day(&self, day: i64) -> bool {
        let (_, month, of_month) = date_of_day(day);
        // 1970 began on a Thursday.
        let weekday = (day + 4).rem_euclid(7);
        let by_date = self.days >> of_month & 1 == 1;
        let by_weekday = self.weekdays >> weekday & 1 == 1;
        let day = if self.any_day || self.any_weekday { by_date && by_weekday } else { by_date || by_weekday };
        self.months >> month & 1 == 1 && day
    }

    /// The first time after this one, Unix seconds.
    pub fn next_after(&self, unix_s: u64) -> Option<u64> {
        // Seconds are 0: the earliest is the next minute.
        let first = unix_s / 60 + 1;
        let today = (first / 1440) as i64;
        for day in (today..today + DAYS_AHEAD_MAX).filter(|&day| self.is_day(day)) {
            let from = if day == today { first % 1440 } else { 0 };
            let due = |&minute: &u64| self.hours >> (minute / 60) & 1 == 1 && self.minutes >> (minute % 60) & 1 == 1;
            if let Some(minute) = (from..1440).find(due) {
                return Some((day as u64 * 1440 + minute) * 60);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::id_of;
    use super::*;

    /// 2026-11-29 is a Sunday.
    const NOW_S: u64 = 1_795_948_583;

    #[test]
    fn the_next_time_is_found() {
        for (text, want) in [
            ("* * * * *", "20261129-103700"),
            ("*/15 * * * *", "20261129-104500"),
            ("0 3 * * *", "20261130-030000"),
            ("36 10 * * *", "20261130-103600"),
            ("37 10 * * *", "20261129-103700"),
            ("0,30 8-18/2 * * *", "20261129-120000"),
            ("5/20 * * * *", "20261129-104500"),
            ("0 0 1 * *", "20261201-000000"),
            ("0 0 31 * *", "20261231-000000"),
            ("0 0 29 2 *", "20280229-000000"),
            ("0 0 * * mon", "20261130-000000"),
            ("0 0 * * 1-5", "20261130-000000"),
            ("0 0 * * 7", "20261206-000000"),
            ("0 0 * * SUN", "20261206-000000"),
            ("0 12 * JAN,feb *", "20270101-120000"),
            // One of the two fields of days is enough, where both say something.
            ("0 0 13 * fri", "20261204-000000"),
            ("0 0 */2 * mon", "20261207-000000"),
            ("@hourly", "20261129-110000"),
            ("@daily", "20261130-000000"),
            ("@midnight", "20261130-000000"),
            ("@weekly", "20261206-000000"),
            ("@monthly", "20261201-000000"),
            ("@yearly", "20270101-000000"),
        ] {
            let schedule = Schedule::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).expect(text);
            let next_s = schedule.next_after(NOW_S).expect(text);
            assert_eq!(id_of(next_s * 1000), format!("{want}-000"), "{text}");
        }
        assert_eq!(Schedule::parse(" "), Ok(None));
    }

    /// Against a look at each minute by itself.
    #[test]
    fn nothing_is_passed_over() {
        for text in ["*/7 */5 */3 * *", "59 23 31 12 *", "0 0 1,15 * wed", "1-3,50 6 * 2-4 0,6"] {
            let schedule = Schedule::parse(text).unwrap().expect(text);
            let mut at = NOW_S;
            for _ in 0..50 {
                let next = schedule.next_after(at).expect(text);
                let fits = |s: u64| {
                    schedule.is_day((s / 86_400) as i64)
                        && schedule.hours >> (s / 3600 % 24) & 1 == 1
                        && schedule.minutes >> (s / 60 % 60) & 1 == 1
                };
                let slow = (at / 60 + 1..).map(|minute| minute * 60).find(|&s| fits(s)).expect(text);
                assert_eq!(next, slow, "{text} after {at}");
                at = next;
            }
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for (text, why) in [
            ("* * * *", "five fields"),
            ("* * * * * *", "five fields"),
            ("60 * * * *", "'60' is no minute (0 to 59)"),
            ("* 24 * * *", "'24' is no hour (0 to 23)"),
            ("* * 0 * *", "no day of the month"),
            ("* * * 13 *", "no month"),
            ("* * * * 8", "no day of the week"),
            ("* * * jan *x", "no day of the week"),
            ("-1 * * * *", "no minute"),
            ("5-1 * * * *", "ends before it begins"),
            ("*/0 * * * *", "step of the minute"),
            ("*/+5 * * * *", "step of the minute"),
            ("1,,2 * * * *", "no minute"),
            ("0 0 30 2 *", "no year"),
            ("@reboot", "@hourly"),
        ] {
            let error = Schedule::parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
