//! Room: config. CONFIG GET and CONFIG SET. Touches: settings, row, base.
//!
//! CONFIG SET is all or nothing: `set` gives the settings as they would be, the caller brings what changed into force (a
//! listener, a limit of the system) and may still refuse, and only then takes them over.

use super::load::{enter, idle_warning};
use super::row::{self, Change, How, Row};
use super::rows::ROWS;
use super::settings::Settings;
use base::{Args, Fault};
use std::path::Path;

/// The pairs that CONFIG GET answers with: `patterns` are its words after GET.
pub fn get(settings: &Settings, patterns: Args<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut add = |name: &[u8], row: &Row| {
        if !pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            pairs.push((name.to_vec(), row.get(settings)));
        }
    };
    for pattern in patterns.iter() {
        // As Redis: what has none of these is a name, be it of a hidden setting, and is answered as it was spelled.
        if !pattern.iter().any(|b| matches!(b, b'[' | b'*' | b'?')) {
            if let Some(found) = row::find(pattern) {
                add(pattern, found.row);
            }
            continue;
        }
        for row in ROWS.iter().filter(|row| !row.hidden) {
            for name in row.names().filter(|name| base::glob::matches(pattern, name.as_bytes(), true)) {
                add(name.as_bytes(), row);
            }
        }
    }
    pairs
}

/// A CONFIG SET that is sound in itself.
#[derive(Debug)]
pub struct Planned {
    /// Everything as it would be.
    pub settings: Settings,
    /// First names of the settings whose value would change, in the order asked.
    pub changed: Vec<&'static str>,
    /// Log lines, level warning.
    pub warnings: Vec<String>,
    /// First names, and the names asked by.
    names: Vec<(&'static str, &'static str)>,
}

impl Planned {
    /// The answer when setting `name` (one of `changed`) could not be brought into force. `why` are Redis's words:
    /// `Unable to listen on this port. Check server logs.`, `Failed to bind to specified addresses.`,
    /// `The operating system is not able to handle the specified number of clients, try with 992`.
    pub fn refused(&self, name: &str, why: &str) -> Fault {
        let asked = self.names.iter().find(|(first, _)| *first == name).map_or(name, |(_, asked)| asked);
        failed(asked, why)
    }
}

/// `pairs` are CONFIG SET's words after SET. `local`: the connection comes from this host.
pub fn set(settings: &Settings, pairs: Args<'_>, local: bool) -> Result<Planned, Fault> {
    if pairs.len() % 2 != 0 {
        return Err(Fault::Syntax);
    }
    let words: Vec<&[u8]> = pairs.iter().collect();
    let asked = words.as_chunks::<2>().0;
    // All names first, so that nothing is looked at twice.
    let mut found: Vec<row::Found> = Vec::with_capacity(asked.len());
    for [name, _] in asked {
        let spelled = || String::from_utf8_lossy(name).into_owned();
        let Some(row::Found { row, name }) = row::find(name) else {
            return Err(Fault::err(format!("Unknown option or number of arguments for CONFIG SET - '{}'", spelled())));
        };
        match row.change {
            Change::Never => return Err(failed(&spelled(), "can't set immutable config")),
            Change::Guarded if !settings.enable_protected_configs.allows(local) => {
                return Err(failed(&spelled(), "can't set protected config"));
            }
            Change::Live | Change::Guarded => {}
        }
        if found.iter().any(|earlier| earlier.name == name) {
            return Err(failed(&spelled(), "duplicate parameter"));
        }
        found.push(row::Found { row, name });
    }

    let mut new = settings.clone();
    for (row::Found { row, name }, [_, value]) in found.iter().zip(asked) {
        let given: Vec<Vec<u8>> = match row.many() {
            true if value.is_empty() => Vec::new(),
            true => value.split(|b| *b == b' ').map(<[u8]>::to_vec).collect(),
            false => vec![value.to_vec()],
        };
        row.set(&mut new, &given, How::Ask).map_err(|why| failed(name, &why))?;
        if row.name == "dir" {
            new.dir = enter(Path::new(&settings.dir), &new.dir).map_err(|e| failed(name, &crate::log::plain(&e)))?;
        }
    }

    let differs = |row: &Row| row.get(&new) != row.get(settings);
    let changed = found.iter().map(|f| f.row).filter(|row| differs(row)).map(|row| row.name).collect();
    let idle = found.iter().filter_map(|f| f.row.idle.map(|why| idle_warning(why, &[f.name])));
    let warnings = idle.collect();
    let names = found.iter().map(|f| (f.row.name, f.name)).collect();
    Ok(Planned { settings: new, changed, warnings, names })
}

/// Whether the value of this setting must not be shown: MONITOR, the slow log and logs put `(redacted)` in its place.
pub fn is_sensitive(name: &[u8]) -> bool {
    row::find(name).is_some_and(|found| found.row.sensitive)
}

fn failed(name: &str, why: &str) -> Fault {
    Fault::err(format!("CONFIG SET failed (possibly related to argument '{name}') - {why}"))
}
