//! Room: config. What a row of the settings table is, and how a value gets in and out of it. Touches: settings.
//!
//! Defaults, the file parser, the command line, CONFIG GET, SET and REWRITE and `--help` read rows and know no names. The
//! texts of errors are Redis's (`config.c` of 7.2), because clients and people match on them.

use super::rows::ROWS;
use super::settings::Settings;
use super::words;
use std::borrow::Cow;

/// Why a value is refused, in Redis's words.
pub type Wrong = Cow<'static, str>;

/// One directive.
pub struct Row {
    pub name: &'static str,
    /// A second name that Redis gives it.
    pub alias: Option<&'static str>,
    pub kind: Kind,
    /// As a file gives it.
    pub default: &'static str,
    pub change: Change,
    /// CONFIG GET shows it only when asked by its whole name.
    pub hidden: bool,
    /// Its value stays out of logs, MONITOR and the slow log.
    pub sensitive: bool,
    pub group: Group,
    pub place: Place,
    /// Why it has no effect here. `None`: it has one.
    pub idle: Option<&'static str>,
    /// One line for `--help`.
    pub about: &'static str,
}

/// When a setting may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// CONFIG SET changes it.
    Live,
    /// Only where `enable-protected-configs` lets it.
    Guarded,
    /// Only at the start.
    Never,
}

/// Headings of `--help`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Group {
    Network,
    Shards,
    Memory,
    Process,
    Security,
    Snapshots,
    Watching,
    Cluster,
    Rest,
}

/// What values a row takes, and how they are read and written.
pub enum Kind {
    /// `yes` or `no`.
    Flag,
    Number {
        min: i128,
        max: i128,
    },
    Octal {
        max: i128,
    },
    Memory {
        min: u64,
        max: u64,
        percent: Percent,
    },
    /// One of these words. Several words may mean one number: the first is shown.
    Choice(&'static [(&'static str, i128)]),
    /// Several of these words; their bits are joined. The second refuses what does not go together.
    Choices(&'static [(&'static str, i128)], fn(i128) -> Result<(), Wrong>),
    Text {
        valid: fn(&[u8]) -> Result<(), Wrong>,
        /// Empty is the same as not set, so CONFIG REWRITE leaves it out.
        empty_is_unset: bool,
    },
    Special(&'static Special),
}

/// Whether a memory setting takes percents too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Percent {
    No,
    /// As in Redis.
    Yes,
    /// Redis takes none here, so errors speak of memory only.
    Beyond,
}

/// A directive with a form of its own.
pub struct Special {
    /// It takes several words: a file's line is passed word by word, CONFIG SET's value is cut at blanks.
    pub many: bool,
    /// Sets it from these words, or changes nothing.
    pub set: SetWords,
    pub get: fn(&Settings) -> Vec<u8>,
    /// What CONFIG REWRITE writes.
    pub lines: fn(&Settings, &str) -> Lines,
}

pub type SetWords = fn(&mut Settings, &[Vec<u8>], How) -> Result<(), Wrong>;

/// Who sets a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    Default,
    /// A file or the command line. `first`: the directive has not been given before.
    Start {
        first: bool,
    },
    /// CONFIG SET.
    Ask,
}

/// Lines for CONFIG REWRITE. Each takes the place of one that the file has for the directive; one that is `true` is
/// appended when the file has none left. What the file has left over is blanked.
pub type Lines = Vec<(String, bool)>;

/// A value of any kind but the special ones.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Flag(bool),
    /// Of `Choice` and `Choices` too.
    Number(i128),
    Percent(u8),
    Text(Vec<u8>),
}

/// Where a value lives.
#[derive(Clone, Copy)]
pub enum Place {
    /// In the map of what has no meaning here.
    Kept,
    Field {
        get: fn(&Settings) -> Value,
        set: fn(&mut Settings, Value) -> Result<(), Wrong>,
    },
    /// The `Special` knows.
    Special,
}

/// A row and the one of its names that was asked for.
pub struct Found {
    pub row: &'static Row,
    pub name: &'static str,
}

/// The row of this name or alias, letters of either case alike.
pub fn find(name: &[u8]) -> Option<Found> {
    ROWS.iter()
        .find_map(|row| row.names().find(|n| n.as_bytes().eq_ignore_ascii_case(name)).map(|name| Found { row, name }))
}

/// Every setting at its default.
pub fn defaults() -> Settings {
    let mut settings = Settings::blank();
    for row in ROWS {
        let words = words::split(row.default.as_bytes()).expect("defaults of the table are quoted right");
        // A default of no words stands for one empty word.
        let words = if words.is_empty() { vec![Vec::new()] } else { words };
        if let Err(wrong) = row.set(&mut settings, &words, How::Default) {
            panic!("the table's own default of '{}' is refused: {wrong}", row.name);
        }
    }
    settings.kept.clear();
    settings
}

impl Row {
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.alias)
    }

    /// Whether it takes several words.
    pub fn many(&self) -> bool {
        matches!(self.kind, Kind::Choices(..) | Kind::Special(Special { many: true, .. }))
    }

    /// Sets it, or leaves `settings` as they are.
    pub fn set(&self, settings: &mut Settings, words: &[Vec<u8>], how: How) -> Result<(), Wrong> {
        if let Kind::Special(special) = &self.kind {
            return (special.set)(settings, words, how);
        }
        let value = self.parse(words)?;
        match self.place {
            Place::Field { set, .. } => set(settings, value),
            Place::Kept | Place::Special => {
                settings.kept.insert(self.name, value);
                Ok(())
            }
        }
    }

    /// As CONFIG GET shows it.
    pub fn get(&self, settings: &Settings) -> Vec<u8> {
        match &self.kind {
            Kind::Special(special) => (special.get)(settings),
            kind => kind.show(&self.value(settings)),
        }
    }

    /// Whether it has its default value.
    pub fn is_default(&self, settings: &Settings, defaults: &Settings) -> bool {
        self.get(settings) == self.get(defaults)
    }

    /// As CONFIG REWRITE writes it, under its first name.
    pub fn lines(&self, settings: &Settings) -> Lines {
        if let Kind::Special(special) = &self.kind {
            return (special.lines)(settings, self.name);
        }
        let value = self.value(settings);
        if let (Kind::Text { empty_is_unset: true, .. }, Value::Text(text)) = (&self.kind, &value)
            && text.is_empty()
        {
            return Lines::new();
        }
        let text = match (&self.kind, &value) {
            (Kind::Memory { .. }, Value::Number(bytes)) => words::memory_text(*bytes as u64),
            (Kind::Text { .. }, Value::Text(text)) => words::quote(text),
            (kind, value) => String::from_utf8_lossy(&kind.show(value)).into_owned(),
        };
        vec![(format!("{} {text}", self.name), value != self.default_value())]
    }

    fn value(&self, settings: &Settings) -> Value {
        match self.place {
            Place::Field { get, .. } => get(settings),
            Place::Kept | Place::Special => {
                settings.kept.get(self.name).cloned().unwrap_or_else(|| self.default_value())
            }
        }
    }

    fn default_value(&self) -> Value {
        let words = words::split(self.default.as_bytes()).expect("defaults of the table are quoted right");
        let words = if words.is_empty() { vec![Vec::new()] } else { words };
        self.parse(&words).expect("the table's own defaults are valid")
    }

    fn parse(&self, words: &[Vec<u8>]) -> Result<Value, Wrong> {
        match (&self.kind, words) {
            (Kind::Choices(choices, valid), words) => {
                let mut bits = 0;
                for word in words {
                    bits |= choice(choices, word).ok_or_else(|| one_of(choices))?;
                }
                if words.is_empty() {
                    return Err(one_of(choices));
                }
                valid(bits)?;
                Ok(Value::Number(bits))
            }
            (kind, [word]) => kind.parse(word),
            _ => Err("wrong number of arguments".into()),
        }
    }
}

impl Kind {
    fn parse(&self, word: &[u8]) -> Result<Value, Wrong> {
        match self {
            Kind::Flag => match word.to_ascii_lowercase().as_slice() {
                b"yes" => Ok(Value::Flag(true)),
                b"no" => Ok(Value::Flag(false)),
                _ => Err("argument must be 'yes' or 'no'".into()),
            },
            Kind::Number { min, max } => {
                let n = words::integer(word).ok_or("argument couldn't be parsed into an integer")?.into();
                between(n, *min, *max)
            }
            Kind::Octal { max } => {
                let n = words::strtoll(word, 8).ok_or("argument couldn't be parsed as an octal number")?.into();
                match n {
                    n if (0..=*max).contains(&n) => Ok(Value::Number(n)),
                    _ => Err(format!("argument must be between 0 and {max:o} inclusive").into()),
                }
            }
            Kind::Memory { min, max, percent } => {
                if let Some(bytes) = words::memory(word) {
                    return between(bytes.into(), (*min).into(), (*max).into());
                }
                let share = word.strip_suffix(b"%").and_then(words::integer).filter(|n| *n >= 0);
                match (percent, share) {
                    (Percent::Yes | Percent::Beyond, Some(n @ 0..=100)) => Ok(Value::Percent(n as u8)),
                    (Percent::Yes | Percent::Beyond, Some(_)) => {
                        Err("percentage argument must be less or equal to 100".into())
                    }
                    (Percent::Yes, None) => Err("argument must be a memory or percent value".into()),
                    _ => Err("argument must be a memory value".into()),
                }
            }
            Kind::Choice(choices) => choice(choices, word).map(Value::Number).ok_or_else(|| one_of(choices)),
            Kind::Text { valid, .. } => valid(word).map(|()| Value::Text(word.to_vec())),
            Kind::Choices(..) | Kind::Special(_) => unreachable!("rows of these kinds read their words themselves"),
        }
    }

    fn show(&self, value: &Value) -> Vec<u8> {
        match (self, value) {
            (_, Value::Flag(yes)) => if *yes { "yes" } else { "no" }.into(),
            (_, Value::Percent(n)) => format!("{n}%").into_bytes(),
            (_, Value::Text(text)) => text.clone(),
            (Kind::Octal { .. }, Value::Number(n)) => format!("{n:o}").into_bytes(),
            (Kind::Choice(choices), Value::Number(n)) => {
                choices.iter().find(|(_, number)| number == n).map_or("unknown", |(word, _)| word).into()
            }
            (Kind::Choices(choices, _), Value::Number(n)) => {
                let exact = choices.iter().find(|(_, bits)| bits == n).map(|(word, _)| word.to_string());
                let joined = || {
                    let words = choices.iter().filter(|(_, bits)| *bits != 0 && n & bits == *bits);
                    words.map(|(word, _)| *word).collect::<Vec<_>>().join(" ")
                };
                exact.unwrap_or_else(joined).into_bytes()
            }
            (_, Value::Number(n)) => n.to_string().into_bytes(),
        }
    }
}

fn between(n: i128, min: i128, max: i128) -> Result<Value, Wrong> {
    if (min..=max).contains(&n) {
        Ok(Value::Number(n))
    } else {
        Err(format!("argument must be between {min} and {max} inclusive").into())
    }
}

fn choice(choices: &[(&str, i128)], word: &[u8]) -> Option<i128> {
    choices.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)).map(|(_, number)| *number)
}

fn one_of(choices: &[(&str, i128)]) -> Wrong {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    format!("argument(s) must be one of the following: {}", words.join(", ")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_lower_case() {
        let mut seen = HashSet::new();
        for name in ROWS.iter().flat_map(Row::names) {
            assert!(seen.insert(name), "{name} stands twice");
            assert_eq!(name, name.to_ascii_lowercase());
            assert!(!name.contains([' ', '=', '"']), "{name}");
        }
    }

    #[test]
    fn every_row_says_what_it_is_for_or_why_it_is_idle() {
        for row in ROWS {
            assert!(row.idle.is_some() || !row.about.is_empty(), "{}", row.name);
            assert!(row.idle.is_none_or(|why| !why.ends_with('.')), "{}", row.name);
            if let Place::Kept = row.place {
                assert!(row.idle.is_some(), "{} has an effect but no field", row.name);
            }
            assert_eq!(matches!(row.place, Place::Special), matches!(row.kind, Kind::Special(_)), "{}", row.name);
        }
    }

    /// What a row writes, it reads back as the same: of defaults, and of a value that differs in every row.
    #[test]
    fn every_row_reads_back_what_it_shows_and_writes() {
        let defaults = defaults();
        let mut other = defaults.clone();
        for row in ROWS {
            let word: Vec<u8> = match &row.kind {
                Kind::Flag => if row.default == "yes" { "NO" } else { "Yes" }.into(),
                Kind::Number { max, .. } => max.min(&i128::from(i64::MAX)).to_string().into(),
                Kind::Octal { .. } => "755".into(),
                Kind::Memory { max, .. } => max.to_string().into(),
                Kind::Choice(choices) | Kind::Choices(choices, _) => {
                    choices.iter().map(|c| c.0).find(|c| *c != row.default).unwrap().to_ascii_uppercase().into()
                }
                Kind::Text { .. } => match row.name {
                    "proc-title-template" => "{title}{{".into(),
                    "backup-schedule" => "*/5 * * * *".into(),
                    "backup-retention" => "3 8w".into(),
                    _ => b"some.text-1".to_vec(),
                },
                Kind::Special(_) => continue, // special.rs has their cases.
            };
            row.set(&mut other, &[word], How::Start { first: true }).unwrap_or_else(|e| panic!("{}: {e}", row.name));
            if row.name != "hz" {
                assert!(!row.is_default(&other, &defaults), "{} did not change", row.name);
            }
        }
        for settings in [&defaults, &other] {
            let (mut shown, mut written) = (super::defaults(), super::defaults());
            for row in ROWS {
                let text = row.get(settings);
                if row.change == Change::Never && text.is_empty() {
                    continue; // CONFIG SET never sees it.
                }
                let words: Vec<Vec<u8>> = match row.many() {
                    true => text.split(|b| *b == b' ').map(<[u8]>::to_vec).collect(),
                    false => vec![text],
                };
                row.set(&mut shown, &words, How::Ask).unwrap_or_else(|e| panic!("{} shown: {e}", row.name));
                for (i, (line, forced)) in row.lines(settings).iter().enumerate() {
                    let mut words = words::split(line.as_bytes()).unwrap();
                    assert_eq!(words.remove(0), row.name.as_bytes());
                    row.set(&mut written, &words, How::Start { first: i == 0 })
                        .unwrap_or_else(|e| panic!("{line}: {e}"));
                    assert!(*forced || row.is_default(settings, &defaults) || row.many(), "{line} is not forced");
                }
            }
            for row in ROWS {
                let want = String::from_utf8(row.get(settings)).unwrap();
                assert_eq!(String::from_utf8(row.get(&shown)).unwrap(), want, "{} shown", row.name);
                assert_eq!(String::from_utf8(row.get(&written)).unwrap(), want, "{} written", row.name);
            }
        }
    }

    #[test]
    fn a_refused_value_changes_nothing() {
        let before = defaults();
        for row in ROWS {
            let bad: &[&[u8]] = match row.kind {
                Kind::Text { .. } => continue,
                _ => &[b"\x00nonsense\xff", b"x", b"y"],
            };
            let mut after = before.clone();
            let words: Vec<Vec<u8>> = bad.iter().map(|w| w.to_vec()).collect();
            if row.set(&mut after, &words, How::Ask).is_err() {
                assert_eq!(after, before, "{}", row.name);
            }
            if !row.many() {
                let mut after = before.clone();
                if row.set(&mut after, &words[..1], How::Ask).is_err() {
                    assert_eq!(after, before, "{}", row.name);
                }
            }
        }
    }
}
