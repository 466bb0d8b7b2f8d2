//! memcached's `stats detail`: what is asked of keys by their prefixes, up to the first `:`. Source: `stats_prefix.c` of
//! memcached 1.6.

use std::collections::HashMap;

/// memcached's `-D`, as it is unless set.
const DELIMITER: u8 = b':';
/// Prefixes that one shard counts: some 64 KiB at their usual length. What has another prefix after that is not counted. memcached
/// knows no bound.
pub const PREFIXES_MAX: usize = 1024;

/// What was asked of the keys of one prefix.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    pub gets: u64,
    pub hits: u64,
    pub sets: u64,
    pub deletes: u64,
}

/// Counts by prefix, of one shard.
#[derive(Default, Debug)]
pub struct Prefixes {
    /// `None`: nothing has been counted, nothing is.
    counts: Option<HashMap<Box<[u8]>, Counts>>,
    on: bool,
}

impl Prefixes {
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// What was counted stays.
    pub fn turn(&mut self, on: bool) {
        self.on = on;
    }

    /// What was counted goes; whether it goes on stays.
    pub fn clear(&mut self) {
        self.counts = None;
    }

    pub fn all(&self) -> impl Iterator<Item = (&[u8], Counts)> {
        self.counts.iter().flat_map(|counts| counts.iter().map(|(prefix, counts)| (&**prefix, *counts)))
    }

    #[inline]
    pub fn get(&mut self, key: &[u8], hit: bool) {
        if self.on {
            self.count(key, |counts| (counts.gets, counts.hits) = (counts.gets + 1, counts.hits + u64::from(hit)));
        }
    }

    #[inline]
    pub fn set(&mut self, key: &[u8]) {
        if self.on {
            self.count(key, |counts| counts.sets += 1);
        }
    }

    #[inline]
    pub fn delete(&mut self, key: &[u8]) {
        if self.on {
            self.count(key, |counts| counts.deletes += 1);
        }
    }

    /// A key without a delimiter has no prefix.
    #[cold]
    fn count(&mut self, key: &[u8], change: impl FnOnce(&mut Counts)) {
        let Some(end) = key.iter().position(|&byte| byte == DELIMITER) else { return };
        let (prefix, counts) = (&key[..end], self.counts.get_or_insert_default());
        if let Some(counts) = counts.get_mut(prefix) {
            change(counts);
        } else if counts.len() < PREFIXES_MAX {
            change(counts.entry(prefix.into()).or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_bounded_and_kept_apart() {
        let mut prefixes = Prefixes::default();
        prefixes.get(b"a:1", true);
        assert_eq!(prefixes.all().count(), 0, "off");
        prefixes.turn(true);
        for n in 0..2 * PREFIXES_MAX {
            prefixes.set(format!("{n}:x").as_bytes());
            prefixes.get(b"0:y:z", n % 2 == 0);
            prefixes.get(b"none", true);
        }
        prefixes.delete(b"0:");
        assert_eq!(prefixes.all().count(), PREFIXES_MAX);
        let of = |prefixes: &Prefixes, name: &[u8]| prefixes.all().find(|(prefix, _)| *prefix == name).map(|(_, c)| c);
        let (gets, hits) = (2 * PREFIXES_MAX as u64, PREFIXES_MAX as u64);
        assert_eq!(of(&prefixes, b"0"), Some(Counts { gets, hits, sets: 1, deletes: 1 }));
        assert_eq!(of(&prefixes, b"1"), Some(Counts { sets: 1, ..Counts::default() }));
        prefixes.turn(false);
        prefixes.delete(b"0:");
        assert_eq!(of(&prefixes, b"0").map(|counts| counts.deletes), Some(1), "what was counted stays");
        prefixes.clear();
        assert_eq!(prefixes.all().count(), 0);
    }
}
