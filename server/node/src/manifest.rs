//! Room: base of the node. What a folder of RDB files holds, as text: `<stem>.manifest`. No I/O. Touches: nothing of the node.
//!
//! One line each, words parted by one blank, the last line ended too:
//!
//! ```text
//! torc-manifest 2
//! serial 12
//! time-ms 1790000000000
//! version 0.1.0
//! hash-seed 0f1e2d3c4b5a6978
//! shards 2
//! file dump-0000000012-0.rdb keys 100 bytes 12345 crc64 00c0ffee00c0ffee
//! file dump-0000000012-1.rdb keys 98 bytes 12001 crc64 0123456789abcdef
//! sum fedcba9876543210
//! ```
//!
//! `crc64` of a file is of all its bytes but the last eight, where its own copy stands (or zeros: `rdbchecksum no`). `sum` is
//! the same checksum of all lines before it. `hash-seed`, which format 1 has not, is what the keys' hashes began with: the files
//! are in the order of those, so a server that hashes with it again is filled one segment after the other. Files lie beside the
//! manifest: names with a path in them are refused.

use std::collections::HashSet;
use std::fmt::Write;
use store::rdb::crc64;

/// The format that is written, and the highest that is read.
const FORMAT: u64 = 2;
/// What a server has shards for at most is far below this; a text that claims more is none of ours.
const FILES_MAX: usize = 4096;
/// `FILES_MAX` lines, each with a name of 255 bytes, and some.
pub const TEXT_BYTES_MAX: usize = 2 << 20;
/// ext4, xfs: NAME_MAX.
const NAME_BYTES_MAX: usize = 255;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// Rises with each snapshot of a folder.
    pub serial: u64,
    /// The point in time that the files show. Unix ms.
    pub time_ms: u64,
    /// Of the Torc that wrote it.
    pub version: String,
    /// What the hash function of its keys was seeded with; None: the files are in no order.
    pub hash_seed: Option<u64>,
    /// One for each shard that wrote.
    pub files: Vec<File>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// Without a folder.
    pub name: String,
    pub keys: u64,
    pub bytes: u64,
    /// Of all but the last eight bytes.
    pub crc64: u64,
}

/// A text that is no manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadManifest {
    /// From 1.
    pub line: usize,
    pub what: String,
}

impl std::fmt::Display for BadManifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Manifest {
    pub fn keys(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.keys))
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// The text.
    pub fn draw(&self) -> String {
        let Manifest { serial, time_ms, version, hash_seed, files } = self;
        let mut text = format!("torc-manifest {FORMAT}\nserial {serial}\ntime-ms {time_ms}\nversion {version}\n");
        if let Some(seed) = hash_seed {
            let _ = writeln!(text, "hash-seed {seed:016x}");
        }
        let _ = writeln!(text, "shards {}", files.len());
        for File { name, keys, bytes, crc64 } in files {
            let _ = writeln!(text, "file {name} keys {keys} bytes {bytes} crc64 {crc64:016x}");
        }
        let sum = crc64(0, text.as_bytes());
        let _ = writeln!(text, "sum {sum:016x}");
        text
    }

    /// Reads a text. The format comes first and its checksum next: only of what is whole is anything else said.
    pub fn parse(text: &[u8]) -> Result<Manifest, BadManifest> {
        let bad = |line: usize, what: &str| BadManifest { line, what: what.into() };
        let Ok(text) = std::str::from_utf8(text) else { return Err(bad(1, "it is no text")) };
        if text.len() > TEXT_BYTES_MAX {
            return Err(bad(1, "it is too long"));
        }
        let mut lines = Lines { rest: text, line: 0 };
        let format = lines.number("torc-manifest")?;
        if format > FORMAT {
            let what =
                format!("it has format {format}, this version reads up to {FORMAT}: a newer Torc has written it");
            return Err(BadManifest { line: 1, what });
        }
        let last_line = text.lines().count();
        let whole = text.strip_suffix('\n').ok_or_else(|| bad(last_line, "it is cut off"))?;
        let last_at = whole.rfind('\n').map_or(0, |at| at + 1);
        let sum = match whole[last_at..].strip_prefix("sum ") {
            Some(hex) => hex_of(hex).ok_or_else(|| bad(last_line, "'sum' is no checksum"))?,
            None => return Err(bad(last_line, "it is cut off: 'sum' is missing")),
        };
        if sum != crc64(0, &text.as_bytes()[..last_at]) {
            return Err(bad(last_line, "its checksum is wrong: it was changed or is damaged"));
        }
        let serial = lines.number("serial")?;
        let time_ms = lines.number("time-ms")?;
        let version = lines.word("version")?.to_string();
        let hash_seed = match lines.rest.starts_with("hash-seed ") {
            true => {
                let word = lines.word("hash-seed")?;
                Some(hex_of(word).ok_or_else(|| lines.bad("'hash-seed' is no number"))?)
            }
            false => None,
        };
        let shards = lines.number("shards")?;
        if shards == 0 || shards > FILES_MAX as u64 {
            return Err(lines.bad("no such number of shards"));
        }
        let (mut files, mut names) = (Vec::new(), HashSet::new());
        for _ in 0..shards {
            let rest = lines.word("file")?;
            let words: Vec<&str> = rest.split(' ').collect();
            let [name, "keys", keys, "bytes", bytes, "crc64", sum] = words[..] else {
                return Err(lines.bad("it should be: file NAME keys N bytes N crc64 HEX"));
            };
            if !is_name(name) {
                return Err(lines.bad("the file's name is none, or has a path in it"));
            }
            if !names.insert(name) {
                return Err(lines.bad("the file is named twice"));
            }
            let number = |text: &str| number_of(text).ok_or_else(|| lines.bad("it has no number where one should be"));
            let crc64 = hex_of(sum).ok_or_else(|| lines.bad("'crc64' is no checksum"))?;
            files.push(File { name: name.into(), keys: number(keys)?, bytes: number(bytes)?, crc64 });
        }
        lines.word("sum")?;
        if !lines.rest.is_empty() {
            lines.line += 1;
            return Err(lines.bad("nothing should follow"));
        }
        Ok(Manifest { serial, time_ms, version, hash_seed, files })
    }
}

/// `<stem>.manifest`
pub fn manifest_name(stem: &str) -> String {
    format!("{stem}.manifest")
}

/// The name of a shard's file.
pub fn file_name(stem: &str, serial: u64, shard: usize) -> String {
    format!("{stem}-{serial:010}-{shard}.rdb")
}

/// Serial and shard, if `name` is one that `file_name` gives.
pub fn parse_file_name(stem: &str, name: &str) -> Option<(u64, usize)> {
    let (serial, shard) = name.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(".rdb")?.split_once('-')?;
    let parsed = (number_of(serial)?, usize::try_from(number_of(shard)?).ok()?);
    (file_name(stem, parsed.0, parsed.1) == name).then_some(parsed)
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && c != '/' && c != ' ';
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name != "." && name != ".." && name.chars().all(plain)
}

/// Digits and nothing else.
fn number_of(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn hex_of(text: &str) -> Option<u64> {
    let good = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if good { u64::from_str_radix(text, 16).ok() } else { None }
}

struct Lines<'a> {
    rest: &'a str,
    /// The one that was taken last, from 1.
    line: usize,
}

impl<'a> Lines<'a> {
    fn bad(&self, what: &str) -> BadManifest {
        BadManifest { line: self.line, what: what.into() }
    }

    /// What stands behind `name` in the next line.
    fn word(&mut self, name: &str) -> Result<&'a str, BadManifest> {
        self.line += 1;
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        match line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')) {
            Some(word) if !word.is_empty() => Ok(word),
            _ if self.line == 1 => Err(self.bad("it is no manifest of Torc's")),
            _ => Err(self.bad(&format!("'{name}' should stand here"))),
        }
    }

    fn number(&mut self, name: &str) -> Result<u64, BadManifest> {
        let word = self.word(name)?;
        number_of(word).ok_or_else(|| self.bad(&format!("'{name}' is no number")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let file = |shard| File {
            name: file_name("dump", 12, shard),
            keys: 100 + shard as u64,
            bytes: u64::MAX,
            crc64: 0xC0_FFEE << shard,
        };
        Manifest {
            serial: 12,
            time_ms: 1_790_000_000_123,
            version: "0.1.0".into(),
            hash_seed: Some(42),
            files: vec![file(0), file(1)],
        }
    }

    /// The text with another last line.
    fn summed(lines: &str) -> String {
        format!("{lines}sum {:016x}\n", crc64(0, lines.as_bytes()))
    }

    #[test]
    fn what_is_drawn_is_read() {
        let text = manifest().draw();
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest()));
        assert_eq!(manifest().keys(), 201);
        assert_eq!(manifest().bytes(), u64::MAX);
        // Of files in no order, and as the first format was.
        let plain = Manifest { hash_seed: None, ..manifest() };
        let text = plain.draw();
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(plain.clone()));
        let (lines, _) = text.rsplit_once("sum ").expect("the last line");
        let first = summed(&lines.replace("torc-manifest 2", "torc-manifest 1"));
        assert_eq!(Manifest::parse(first.as_bytes()), Ok(plain));
    }

    #[test]
    fn what_is_cut_or_changed_is_refused() {
        let text = manifest().draw();
        for cut in 0..text.len() {
            assert!(Manifest::parse(&text.as_bytes()[..cut]).is_err(), "{cut}");
        }
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut other = text.clone().into_bytes();
                other[at] ^= 1 << bit;
                assert!(Manifest::parse(&other).is_err(), "{at} {bit}");
            }
        }
        assert!(Manifest::parse(format!("{text}\n").as_bytes()).is_err());
    }

    #[test]
    fn lies_with_a_good_checksum_are_refused() {
        let lines = |files: &str| format!("torc-manifest 1\nserial 1\ntime-ms 1\nversion 0.1.0\n{files}");
        let zeros = "0000000000000000";
        for (text, line, what) in [
            (lines("hash-seed 12\nshards 1\n"), 5, "'hash-seed' is no number"),
            (lines("shards 0\n"), 5, "no such number"),
            (lines("shards 99999999999\n"), 5, "no such number"),
            (lines("shards 18446744073709551616\n"), 5, "'shards' is no number"),
            (lines("shards -1\n"), 5, "'shards' is no number"),
            (lines("shards 2\n"), 6, "'file' should stand here"),
            (lines(&format!("shards 1\nfile ../a keys 1 bytes 1 crc64 {zeros}\n")), 6, "path"),
            (lines(&format!("shards 1\nfile .. keys 1 bytes 1 crc64 {zeros}\n")), 6, "path"),
            (lines(&format!("shards 1\nfile a keys x bytes 1 crc64 {zeros}\n")), 6, "no number"),
            (lines("shards 1\nfile a keys 1 bytes 1 crc64 00\n"), 6, "no checksum"),
            (lines("shards 1\nfile a b keys 1 bytes 1 crc64 00\n"), 6, "should be: file"),
            (lines(&format!("shards 1\n{}", format!("file a keys 1 bytes 1 crc64 {zeros}\n").repeat(2))), 7, "'sum'"),
            (lines(&format!("shards 2\n{}", format!("file a keys 1 bytes 1 crc64 {zeros}\n").repeat(2))), 7, "twice"),
        ] {
            let bad = Manifest::parse(summed(&text).as_bytes()).expect_err(&text);
            assert!(bad.line == line && bad.what.contains(what), "{bad}: {text}");
        }
        let newer = Manifest::parse(b"torc-manifest 3\nwhatever\n").unwrap_err();
        assert!(newer.what.contains("newer Torc"), "{newer}");
        assert!(Manifest::parse(b"REDIS0011").unwrap_err().what.contains("no manifest"));
    }

    #[test]
    fn names_of_ours_are_known() {
        for (name, parsed) in [
            ("dump-0000000012-0.rdb", Some((12, 0))),
            ("dump-12345678901-63.rdb", Some((12_345_678_901, 63))),
            ("dump-12-0.rdb", None),
            ("dump-0000000012-00.rdb", None),
            ("dump.rdb", None),
            ("dump-0000000012-0.rdb.tmp", None),
            ("other-0000000012-0.rdb", None),
        ] {
            assert_eq!(parse_file_name("dump", name), parsed, "{name}");
        }
    }
}
