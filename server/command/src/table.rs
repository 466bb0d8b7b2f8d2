//! Room: command. THE table: every row by its verb, by its number, and what routing asks of a row.
//! Touches: base.

use crate::bitmap::BITMAP;
use crate::cluster::{CLUSTER, CLUSTER_FAMILY};
use crate::connection::{CLIENT, CONNECTION};
use crate::generic::{GENERIC, OBJECT};
use crate::geo::GEO;
use crate::hash::HASH;
use crate::hyperloglog::HYPERLOGLOG;
use crate::list::LIST;
use crate::memcache::MEMCACHE;
use crate::pubsub::{PUBSUB, PUBSUB_SUBS};
use crate::row::{KeySpec, Keys, Row};
use crate::server::{BACKUP, COMMAND, CONFIG, LATENCY, MEMORY, SERVER, SLOWLOG};
use crate::set::SET;
use crate::stream::{STREAM, XGROUP, XINFO};
use crate::string::STRING;
use crate::zset::ZSET;
use base::{Args, Fault};
use std::collections::HashMap;

/// Every row there is. A row's number is its place in this order, the most used families first. RESP's families stand
/// before their containers' subcommands.
static FAMILIES: [&[Row]; 27] = [
    &STRING,
    &GENERIC,
    &HASH,
    &LIST,
    &SET,
    &ZSET,
    &STREAM,
    &BITMAP,
    &HYPERLOGLOG,
    &GEO,
    &PUBSUB,
    &MEMCACHE,
    &CONNECTION,
    &SERVER,
    &CLUSTER_FAMILY,
    &BACKUP,
    &OBJECT,
    &CLIENT,
    &COMMAND,
    &CONFIG,
    &LATENCY,
    &MEMORY,
    &PUBSUB_SUBS,
    &SLOWLOG,
    &XGROUP,
    &XINFO,
    &CLUSTER,
];

/// The families whose rows `find` finds, in the order in which COMMAND lists them.
static RESP_FAMILIES: [&[Row]; 14] = [
    &STRING,
    &GENERIC,
    &HASH,
    &LIST,
    &SET,
    &ZSET,
    &STREAM,
    &BITMAP,
    &HYPERLOGLOG,
    &GEO,
    &PUBSUB,
    &CONNECTION,
    &SERVER,
    &CLUSTER_FAMILY,
];

const fn count(families: &[&[Row]]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < families.len() {
        n += families[i].len();
        i += 1;
    }
    n
}

/// How many rows there are, subcommands and memcached's included: numbers run from 0 to this.
pub const ROWS: usize = count(&FAMILIES);

/// How many RESP commands there are, subcommands not counted: what COMMAND COUNT says.
pub const COMMANDS: usize = count(&RESP_FAMILIES);

const fn in_order<const N: usize>(families: &[&'static [Row]]) -> [&'static Row; N] {
    let mut rows = [&STRING[0]; N];
    let (mut n, mut i) = (0, 0);
    while i < families.len() {
        let mut j = 0;
        while j < families[i].len() {
            rows[n] = &families[i][j];
            n += 1;
            j += 1;
        }
        i += 1;
    }
    rows
}

static COMMAND_ROWS: [&Row; COMMANDS] = in_order(&RESP_FAMILIES);
static BY_ID: [&Row; ROWS] = in_order(&FAMILIES);

/// All RESP commands, subcommands not among them.
pub fn commands() -> impl ExactSizeIterator<Item = &'static Row> {
    COMMAND_ROWS.iter().copied()
}

/// All rows by their numbers.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// A verb's bytes in two words: overlapping loads from both ends, so that no copy of its length is made. Together with
/// the length they are the verb. Bit 0x20 makes letters lower case, and since nearly all of the table's verbs are of up to 16
/// letters only, nothing else becomes equal to one; the others are compared once more (`Place::plain`).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Packed(u64, u64);

const VERB_BYTES_MAX: usize = 16;
const LOWER: u64 = 0x2020_2020_2020_2020;

#[inline]
const fn pack(verb: &[u8]) -> Packed {
    let n = verb.len();
    if let (Some(first), Some(last)) = (verb.first_chunk::<8>(), verb.last_chunk::<8>()) {
        return Packed(u64::from_le_bytes(*first) | LOWER, u64::from_le_bytes(*last) | LOWER);
    }
    if let (Some(first), Some(last)) = (verb.first_chunk::<4>(), verb.last_chunk::<4>()) {
        return Packed(u32::from_le_bytes(*first) as u64 | LOWER, u32::from_le_bytes(*last) as u64 | LOWER);
    }
    if n == 0 {
        return Packed(0, 0);
    }
    Packed(u32::from_le_bytes([verb[0], verb[n / 2], verb[n - 1], 0]) as u64 | LOWER, 0)
}

/// Open addressing. 1024 places for some 250 verbs: nearly every verb is found at its first place.
const PLACES: usize = 1024;

#[derive(Clone, Copy)]
struct Place {
    verb: Packed,
    row: Option<&'static Row>,
    /// The verb has up to `VERB_BYTES_MAX` letters and nothing else: it is known by `verb` and its length.
    plain: bool,
}

const fn is_plain(name: &[u8]) -> bool {
    let mut i = 0;
    while i < name.len() {
        if !name[i].is_ascii_lowercase() {
            return false;
        }
        i += 1;
    }
    name.len() <= VERB_BYTES_MAX
}

static INDEX: [Place; PLACES] = {
    let mut index = [Place { verb: Packed(0, 0), row: None, plain: true }; PLACES];
    let mut i = 0;
    while i < COMMANDS {
        let name = COMMAND_ROWS[i].name.as_bytes();
        assert!(COMMANDS < PLACES / 2);
        let verb = pack(name);
        let mut at = place(verb, name.len());
        while index[at].row.is_some() {
            at = (at + 1) % PLACES;
        }
        index[at] = Place { verb, row: Some(COMMAND_ROWS[i]), plain: is_plain(name) };
        i += 1;
    }
    index
};

#[inline]
const fn place(verb: Packed, len: usize) -> usize {
    let mixed = (verb.0 ^ verb.1.rotate_left(29) ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 54) as usize % PLACES
}

/// The row of a RESP verb, letters of either case alike. A container's row for a container.
#[inline]
pub fn find(verb: &[u8]) -> Option<&'static Row> {
    let packed = pack(verb);
    let mut at = place(packed, verb.len());
    loop {
        let row = INDEX[at].row?;
        if INDEX[at].verb == packed
            && row.name.len() == verb.len()
            && (INDEX[at].plain || row.name.as_bytes().eq_ignore_ascii_case(verb))
        {
            return Some(row);
        }
        at = (at + 1) % PLACES;
    }
}

/// The subcommand of a container.
pub fn find_sub(container: &'static Row, word: &[u8]) -> Option<&'static Row> {
    container.subs.iter().find(|sub| sub.sub_name().as_bytes().eq_ignore_ascii_case(word))
}

/// A row by its full name: `get`, `config|get`.
pub fn find_full(name: &[u8]) -> Option<&'static Row> {
    Names::default().find_full(name)
}

/// The row that runs an ask: verb and subcommand known, as many words as they want. Else the error that Redis gives.
pub fn resolve(args: Args<'_>) -> Result<&'static Row, Fault> {
    resolve_found(args, args.get(0).and_then(find))
}

#[inline]
fn resolve_found(args: Args<'_>, row: Option<&'static Row>) -> Result<&'static Row, Fault> {
    let Some(mut row) = row else {
        return Err(unknown(args));
    };
    if !row.subs.is_empty()
        && let Some(word) = args.get(1)
    {
        row = find_sub(row, word).ok_or_else(|| unknown_subcommand(args))?;
    }
    if row.takes(args.len()) { Ok(row) } else { Err(Fault::WrongArity(row.name)) }
}

/// The verbs that a process knows: the table's, but for those that `rename-command` has taken or given another name.
/// Subcommands keep their names, and a row keeps the name that it tells of itself, as in Redis.
#[derive(Clone, Default)]
pub struct Names {
    /// By verb in lower case; None: it is gone.
    changed: HashMap<Box<[u8]>, Option<&'static Row>>,
}

impl Names {
    /// `rename-command`: `new` empty takes the command away. The errors are Redis's (`config.c`).
    pub fn rename(&mut self, old: &[u8], new: &[u8]) -> Result<(), &'static str> {
        let row = self.find(old).ok_or("No such command in rename-command")?;
        if !new.is_empty() && self.find(new).is_some() && !new.eq_ignore_ascii_case(old) {
            return Err("Target command name already exists");
        }
        self.changed.insert(old.to_ascii_lowercase().into(), None);
        if !new.is_empty() {
            self.changed.insert(new.to_ascii_lowercase().into(), Some(row));
        }
        Ok(())
    }

    /// The row of a verb.
    #[inline]
    pub fn find(&self, verb: &[u8]) -> Option<&'static Row> {
        if self.changed.is_empty() { find(verb) } else { self.find_changed(verb) }
    }

    #[cold]
    fn find_changed(&self, verb: &[u8]) -> Option<&'static Row> {
        match self.changed.get(&verb.to_ascii_lowercase()[..]) {
            Some(row) => *row,
            None => find(verb),
        }
    }

    /// A row by its full name: `get`, `config|get`, `renamed|get`.
    pub fn find_full(&self, name: &[u8]) -> Option<&'static Row> {
        let mut parts = name.split(|&b| b == b'|');
        let row = self.find(parts.next()?)?;
        match (parts.next(), parts.next()) {
            (None, _) => Some(row),
            (Some(sub), None) => find_sub(row, sub),
            _ => None,
        }
    }

    /// As `resolve`.
    #[inline]
    pub fn resolve(&self, args: Args<'_>) -> Result<&'static Row, Fault> {
        resolve_found(args, args.get(0).and_then(|verb| self.find(verb)))
    }

    /// All RESP commands that can be asked for, in the table's order.
    pub fn commands(&self) -> Vec<&'static Row> {
        let kept = |row: &&'static Row| {
            let given = || self.changed.values().any(|new| new.is_some_and(|new| std::ptr::eq(new, *row)));
            !self.changed.contains_key(row.name.as_bytes()) || given()
        };
        commands().filter(kept).collect()
    }
}

/// What Redis prints with `%.128s`: up to a zero byte, up to `max` bytes, without line ends.
fn shown(word: &[u8], max: usize) -> String {
    let word = &word[..word.len().min(max)];
    let word = word.split(|&b| b == 0).next().unwrap_or(word);
    String::from_utf8_lossy(word).replace(['\r', '\n'], " ")
}

fn unknown(args: Args<'_>) -> Fault {
    let mut rest = String::new();
    for word in args.from(1).iter() {
        if rest.len() >= 128 {
            break;
        }
        rest = format!("{rest}'{}' ", shown(word, 128 - rest.len()));
    }
    let verb = shown(args.get(0).unwrap_or_default(), 128);
    Fault::err(format!("unknown command '{verb}', with args beginning with: {rest}"))
}

fn unknown_subcommand(args: Args<'_>) -> Fault {
    let container = shown(&args[0], 128).to_ascii_uppercase();
    Fault::err(format!("unknown subcommand '{}'. Try {container} HELP.", shown(&args[1], 128)))
}

impl Row {
    /// A number of its own, dense from 0, the same in every shard of a process.
    pub fn id(&'static self) -> u16 {
        let at = std::ptr::from_ref(self) as usize;
        let mut first = 0;
        for family in FAMILIES.iter() {
            let start = family.as_ptr() as usize;
            if at >= start && at < start + size_of_val(*family) {
                return (first + (at - start) / size_of::<Row>()) as u16;
            }
            first += family.len();
        }
        unreachable!("a row outside the table: {}", self.name)
    }

    /// A subcommand's own word: `get` of `config|get`. The name itself where there is no container.
    pub fn sub_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, sub)| sub)
    }

    /// Whether an ask of `words` words, the verb counted, has as many as the row wants.
    #[inline]
    pub fn takes(&self, words: usize) -> bool {
        if self.arity >= 0 { words == self.arity as usize } else { words >= self.arity.unsigned_abs() as usize }
    }

    #[inline]
    pub fn is(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// Word index of the key, for a row that has exactly one wherever it is used.
    #[inline]
    pub fn one_key(&self) -> Option<usize> {
        match self.keys {
            Keys::Specs([spec]) if spec.last == 0 => Some(spec.first),
            Keys::Range { first, last, .. } if first as isize == last && first > 0 => Some(first),
            _ => None,
        }
    }

    /// Whether the words alone, without a look at them, tell where keys are.
    pub fn keys_are_told(&self) -> bool {
        matches!(self.keys, Keys::Range { .. } | Keys::Specs(_))
    }

    /// First key, last key and step, as COMMAND INFO gives them: of several specifications the range that holds them all.
    pub fn key_range(&self) -> (usize, isize, usize) {
        match self.keys {
            Keys::None | Keys::Find(_) | Keys::Specs([]) => (0, 0, 0),
            Keys::Range { first, last, step } => (first, last, step),
            Keys::Specs([spec]) => (spec.first, spec.legacy_last(), spec.step),
            // Redis (populateCommandLegacyRangeSpec): neighbours of step 1 are joined.
            Keys::Specs(specs) | Keys::Sought(specs, _) => {
                let plain = || specs.iter().filter(|s| s.keyword.is_empty() && !s.counted && !s.is_unknown());
                let Some(first) = plain().map(|s| s.first).min() else { return (0, 0, 0) };
                // As unsigned: one that counts from the end is the last.
                let last = plain().map(|s| s.legacy_last()).max_by_key(|&last| last as usize).unwrap_or(0);
                (first, last, 1)
            }
        }
    }
}

impl KeySpec {
    /// The last key, counted from the ask's first word; negative: from its end.
    fn legacy_last(&self) -> isize {
        if self.last >= 0 { self.first as isize + self.last } else { self.last }
    }

    /// Word indexes of the keys in an ask; none where a count or a keyword is not as it should be.
    pub fn find(&self, args: Args<'_>) -> Vec<usize> {
        let words = args.len();
        if self.is_unknown() {
            return Vec::new();
        }
        if self.counted {
            let count = args.get(self.first).and_then(base::number::parse_i64).and_then(|n| usize::try_from(n).ok());
            let from = self.first + 1;
            return match count.and_then(|n| n.checked_mul(self.step)) {
                Some(n) if n <= words.saturating_sub(from) => (from..from + n).step_by(self.step.max(1)).collect(),
                _ => Vec::new(),
            };
        }
        if self.keyword.is_empty() {
            return self.positions(words).collect();
        }
        let Some(first) = (self.first..words).find(|&i| args.is(i, self.keyword)).map(|i| i + 1) else {
            return Vec::new();
        };
        let mut end = words.saturating_sub(if self.last < 0 { self.last.unsigned_abs() - 1 } else { 0 });
        if self.last >= 0 {
            end = end.min(first + self.last as usize + 1);
        } else if self.limit > 1 {
            end = first + end.saturating_sub(first) / self.limit;
        }
        (first..end).step_by(self.step.max(1)).collect()
    }

    /// Word indexes of the keys in an ask of `words` words, where neither a count nor a keyword tells.
    pub fn positions(&self, words: usize) -> impl Iterator<Item = usize> + use<> {
        let last = self.legacy_last();
        let end =
            if last >= 0 { (last as usize + 1).min(words) } else { words.saturating_sub(last.unsigned_abs() - 1) };
        (self.first..end).step_by(self.step.max(1))
    }
}

/// Puts the word indexes of all keys into `keys`, in the order of the words.
pub fn keys_of(row: &Row, args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
    keys.clear();
    match row.keys {
        Keys::None => {}
        Keys::Range { first, last, step } => {
            let last = if last >= 0 { last - first as isize } else { last };
            keys.extend(KeySpec { first, last, step, ..KeySpec::ONE }.positions(args.len()));
        }
        Keys::Specs(specs) => specs.iter().for_each(|spec| keys.extend(spec.positions(args.len()))),
        Keys::Find(find) | Keys::Sought(_, find) => find(args, keys)?,
    }
    Ok(())
}

/// The row with this number.
#[inline]
pub fn by_id(id: u16) -> Option<&'static Row> {
    BY_ID.get(id as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Flag, Run};
    use base::ArgsBuf;

    #[test]
    fn every_row_is_found_by_name_and_number() {
        for (i, row) in rows().enumerate() {
            assert_eq!(row.id() as usize, i, "{}", row.name);
            assert!(std::ptr::eq(by_id(i as u16).unwrap(), row));
        }
        assert!(by_id(ROWS as u16).is_none());
        for row in commands() {
            assert!(std::ptr::eq(find(row.name.as_bytes()).unwrap(), row));
            assert!(std::ptr::eq(find(row.name.to_uppercase().as_bytes()).unwrap(), row));
            assert!(find(format!("{}zz", row.name).as_bytes()).is_none());
            for sub in row.subs {
                assert_eq!(sub.name.split_once('|').unwrap().0, row.name);
                assert!(std::ptr::eq(find_full(sub.name.as_bytes()).unwrap(), sub));
                assert!(sub.id() as usize >= COMMANDS, "subcommands' numbers follow");
            }
        }
        for absent in [&b""[..], b"g", b"ge", b"gett", b"\xff\xff\xff", b"config|get", b"G\0T"] {
            assert!(find(absent).is_none(), "{}", absent.escape_ascii());
        }
    }

    #[test]
    fn renamed_verbs_are_found_by_their_new_names_only() {
        let name = |names: &Names, verb: &str| names.find(verb.as_bytes()).map(|row| row.name);
        let mut names = Names::default();
        assert_eq!(names.commands().len(), COMMANDS);
        assert_eq!(names.rename(b"FlushAll", b""), Ok(()));
        assert_eq!(names.rename(b"config", b"Secret-9"), Ok(()));
        assert_eq!(names.rename(b"get", b"config"), Ok(()), "a name that was given up may be given again");
        assert_eq!(names.rename(b"nope", b"x"), Err("No such command in rename-command"));
        assert_eq!(names.rename(b"flushall", b"x"), Err("No such command in rename-command"));
        assert_eq!(names.rename(b"config|get", b"x"), Err("No such command in rename-command"));
        assert_eq!(names.rename(b"mget", b"SET"), Err("Target command name already exists"));
        for (verb, expected) in [
            ("flushall", None),
            ("FLUSHALL", None),
            ("secret-9", Some("config")),
            ("SECRET-9", Some("config")),
            ("CONFIG", Some("get")),
            ("get", None),
            ("set", Some("set")),
            ("mget", Some("mget")),
        ] {
            assert_eq!(name(&names, verb), expected, "{verb}");
        }
        assert_eq!(names.find_full(b"secret-9|GET").map(|row| row.name), Some("config|get"));
        let left = names.commands();
        assert_eq!(left.len(), COMMANDS - 1);
        assert!(left.iter().any(|row| row.name == "get") && left.iter().all(|row| row.name != "flushall"));
        let ask: ArgsBuf = [&b"secret-9"[..], b"nope"].into_iter().collect();
        let fault = names.resolve(ask.args()).map(|row| row.name).unwrap_err();
        assert_eq!(fault.resp(), "ERR unknown subcommand 'nope'. Try SECRET-9 HELP.");
    }

    #[test]
    fn only_the_very_verb_is_found() {
        for row in commands() {
            let name = row.name.as_bytes();
            for at in 0..name.len() {
                for byte in 0..=255 {
                    let mut other = name.to_vec();
                    other[at] = byte;
                    let expected = commands().find(|r| r.name.as_bytes().eq_ignore_ascii_case(&other));
                    assert_eq!(find(&other).map(|r| r.name), expected.map(|r| r.name), "{}", other.escape_ascii());
                }
            }
            assert!(find(&[name, name, name].concat()).is_none());
        }
    }

    #[test]
    fn verbs_are_mostly_at_their_first_place() {
        let astray = commands().filter(|row| {
            let at = place(pack(row.name.as_bytes()), row.name.len());
            !INDEX[at].row.is_some_and(|found| std::ptr::eq(found, *row))
        });
        assert!(astray.count() <= COMMANDS / 5);
    }

    #[test]
    fn rows_are_sound() {
        for row in rows() {
            assert!(!row.name.is_empty() && row.arity != 0 && !row.docs.summary.is_empty(), "{}", row.name);
            assert_eq!(row.name, row.name.to_lowercase());
            assert_eq!(
                matches!(row.run, Run::Container),
                !row.subs.is_empty() && row.name != "command",
                "{}",
                row.name
            );
            assert!(!(row.is(Flag::WRITE) && row.is(Flag::READONLY)), "{}", row.name);
            if matches!(row.run, Run::One(_)) {
                assert!(row.one_key().is_some(), "{}", row.name);
            }
        }
    }

    #[test]
    fn keys_are_told_from_the_words() {
        let check = |ask: &str, expected: &[usize]| {
            let words: ArgsBuf = ask.split(' ').map(str::as_bytes).collect();
            let row = resolve(words.args()).unwrap();
            let mut keys = vec![99];
            keys_of(row, words.args(), &mut keys).unwrap();
            assert_eq!(keys, expected, "{ask}");
        };
        check("GET a", &[1]);
        check("ping", &[]);
        check("DEL a b c", &[1, 2, 3]);
        check("mset a 1 b 2", &[1, 3]);
        // Odd words: the handler refuses them, routing must only not trip.
        check("mset a 1 b", &[1, 3]);
        check("copy a b DB 1 REPLACE", &[1, 2]);
        check("lcs a b IDX", &[1, 2]);
        check("object ENCODING k", &[2]);
        check("memory usage k samples 1", &[2]);
    }

    #[test]
    fn unknown_verbs_are_told_as_redis_tells_them() {
        let check = |words: &[&[u8]], expected: &str| {
            let words: ArgsBuf = words.iter().copied().collect();
            assert_eq!(resolve(words.args()).map(|r| r.name).unwrap_err().resp(), expected);
        };
        check(&[b"foo"], "ERR unknown command 'foo', with args beginning with: ");
        check(&[b"foo", b"a", b"b\r\nc"], "ERR unknown command 'foo', with args beginning with: 'a' 'b  c' ");
        check(&[b"config", b"foo"], "ERR unknown subcommand 'foo'. Try CONFIG HELP.");
        check(&[b"Config"], "ERR wrong number of arguments for 'config' command");
        check(&[b"config", b"GET"], "ERR wrong number of arguments for 'config|get' command");
        check(&[b"get"], "ERR wrong number of arguments for 'get' command");
        check(&[b""], "ERR unknown command '', with args beginning with: ");
        let long = [b'x'; 200];
        let shown = "x".repeat(128);
        check(&[&long], &format!("ERR unknown command '{shown}', with args beginning with: "));
        check(&[b"a", &long, b"b"], &format!("ERR unknown command 'a', with args beginning with: '{shown}' "));
    }
}
