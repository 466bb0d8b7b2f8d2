//! Room: backup. From a backup, or RDB files of whoever, to a data folder that a server starts from: each key goes into the file of
//! the shard that it will lie on, and the manifest comes last. Touches: source, probe, manifest, files' folder, log, version.

use super::probe::{Found, Probe};
use super::source::Source;
use crate::files::folder::{self, Lock};
use crate::log::plain;
use crate::manifest::{self, Manifest};
use crate::version;
use base::DbId;
use base::slot::{SLOTS, slot_of};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use store::rdb::file::read::{Entry, Item};
use store::rdb::file::{Head, VERSION_TIMED, write};
use store::rdb::{crc64, recode};

/// What is written to a file at once.
const PIECE_BYTES: usize = 1 << 20;

/// Where to.
pub struct Target<'a> {
    pub dir: &'a Path,
    pub dbfilename: &'a str,
    pub shards: usize,
    pub skip_modules: bool,
    pub now_ms: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub keys: u64,
    pub bytes: u64,
    pub functions: usize,
    /// Collections of nothing, which were left out.
    pub empty: u64,
    /// Values of modules, which were passed over.
    pub modules: u64,
}

/// One shard's file as it grows.
struct Part {
    name: String,
    path: PathBuf,
    file: File,
    out: Vec<u8>,
    bytes: u64,
    sum: u64,
    keys: u64,
    db: Option<DbId>,
}

impl Part {
    fn said(&self) -> impl Fn(io::Error) -> String + '_ {
        move |e| format!("{}: {}", self.path.display(), plain(&e))
    }

    fn flush(&mut self) -> Result<(), String> {
        self.sum = crc64(self.sum, &self.out);
        self.put()
    }

    fn put(&mut self) -> Result<(), String> {
        let written = self.file.write_all(&self.out);
        written.map_err(self.said())?;
        self.bytes += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }
}

/// Makes the data folder. It must hold no data; a server that runs there has it locked. `lock`: the caller has done so already.
/// `tell`: how many keys there are so far, once in a while. What fails leaves nothing behind.
pub fn restore(
    source: &Source,
    into: &Target<'_>,
    lock: Option<&Lock>,
    tell: &mut dyn FnMut(u64),
) -> Result<Restored, String> {
    let dir = into.dir;
    let stem = folder::stem_of(into.dbfilename);
    let (_lock, highest) = make_ready(dir, into.dbfilename, lock)?;
    let serial = highest + 1;
    // What comes from its files stays in their order.
    let hash_seed = source.manifest.as_ref().and_then(|manifest| manifest.hash_seed);
    let mut parts: Vec<Part> = Vec::with_capacity(into.shards);
    let done = fill(source, into, &stem, serial, &mut parts, tell).and_then(|restored| {
        seal(into, &stem, serial, hash_seed, &mut parts)?;
        Ok(Restored { bytes: parts.iter().map(|part| part.bytes).sum(), ..restored })
    });
    if done.is_err() {
        // They count for nothing without a manifest.
        parts.iter().for_each(|part| drop(std::fs::remove_file(&part.path)));
    }
    done
}

/// A folder for data that has none yet, made and locked unless `lock` is held on it; and the highest serial of any file there.
pub fn make_ready(dir: &Path, dbfilename: &str, lock: Option<&Lock>) -> Result<(Option<Lock>, u64), String> {
    let taken = match lock {
        Some(_) => None,
        None => {
            std::fs::create_dir_all(dir).map_err(|e| format!("{}: {}", dir.display(), plain(&e)))?;
            Some(Lock::take(dir).map_err(|no| no.explain(dir))?)
        }
    };
    let found = folder::survey(dir, dbfilename)?;
    let data = match found.manifest.is_some() || found.file.is_some() {
        true => Some(folder::stem_of(dbfilename).to_string()),
        false => folder::any_segment(dir)?,
    };
    if let Some(name) = data {
        return Err(format!("{}: there is data already ({name}): name another folder, or move it away", dir.display()));
    }
    Ok((taken, found.kept.serial))
}

fn fill(
    source: &Source,
    into: &Target<'_>,
    stem: &str,
    serial: u64,
    parts: &mut Vec<Part>,
    tell: &mut dyn FnMut(u64),
) -> Result<Restored, String> {
    for shard in 0..into.shards {
        let name = manifest::file_name(stem, serial, shard);
        let path = into.dir.join(&name);
        let file = File::create(&path).map_err(|e| format!("{}: {}", path.display(), plain(&e)))?;
        let mut out = Vec::new();
        write::begin(&mut out, VERSION_TIMED);
        write::info(&mut out, into.now_ms / 1000, 0, version::TORC);
        write::aux(&mut out, b"torc-shards", into.shards.to_string().as_bytes());
        write::aux(&mut out, b"torc-shard", shard.to_string().as_bytes());
        parts.push(Part { name, path, file, out, bytes: 0, sum: 0, keys: 0, db: None });
    }
    let (mut restored, mut probe) = (Restored::default(), Probe::default());
    let mut functions: HashSet<Vec<u8>> = HashSet::new();
    for i in 0..source.files.len() {
        let (mut keys, mut empty) = (0, 0);
        let whole = source.each(i, into.skip_modules, |item| {
            match item {
                Item::Entry(entry) => match probe.look(&entry)? {
                    Found::Value(_) => {
                        keys += 1;
                        if (restored.keys + keys).is_multiple_of(1 << 20) {
                            tell(restored.keys + keys);
                        }
                        let slot = usize::from(slot_of(entry.key).0);
                        put(&mut parts[slot * into.shards / usize::from(SLOTS)], &entry)?;
                    }
                    Found::Empty => empty += 1,
                },
                // Functions stand before all entries. Where some came first, a second record of the kind is as good.
                Item::Function(text) if functions.insert(text.to_vec()) => {
                    write::function(&mut parts[0].out, text);
                }
                Item::Skipped { key, .. } => restored.modules += u64::from(key.is_some()),
                _ => {}
            }
            Ok(())
        })?;
        source.compare(i, &whole, keys + empty)?;
        restored.keys += keys;
        restored.empty += empty;
    }
    restored.functions = functions.len();
    Ok(restored)
}

fn put(part: &mut Part, entry: &Entry<'_>) -> Result<(), String> {
    // At the time 0 nothing is due, and version 12 keeps all deadlines.
    let recoded = recode(entry.value, VERSION_TIMED, 0).map_err(|_| "a value is damaged".to_string())?;
    let Some(recoded) = recoded else { return Ok(()) };
    if part.db != Some(entry.db) {
        write::select(&mut part.out, entry.db);
        part.db = Some(entry.db);
    }
    let &Entry { key, deadline, age, flags, version, .. } = entry;
    write::entry_head(&mut part.out, &Head { key, deadline, age, flags, version }, recoded.value[0], None);
    part.out.extend_from_slice(&recoded.value[1..]);
    part.keys += 1;
    if part.out.len() >= PIECE_BYTES { part.flush() } else { Ok(()) }
}

/// The ends of the files, to the device with them; then the manifest makes them count.
fn seal(into: &Target<'_>, stem: &str, serial: u64, hash_seed: Option<u64>, parts: &mut [Part]) -> Result<(), String> {
    let mut files = Vec::with_capacity(parts.len());
    for part in parts {
        part.flush()?;
        let crc64 = write::end(&mut part.out, part.sum, true);
        part.put()?;
        part.file.sync_all().map_err(part.said())?;
        files.push(manifest::File { name: part.name.clone(), keys: part.keys, bytes: part.bytes, crc64 });
    }
    let manifest = Manifest { serial, time_ms: into.now_ms, version: version::TORC.into(), hash_seed, files };
    let path = into.dir.join(manifest::manifest_name(stem));
    let mut new = path.clone().into_os_string();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = File::create(&new)
        .and_then(|mut file| {
            file.write_all(manifest.draw().as_bytes())?;
            file.sync_all()?;
            File::open(into.dir)?.sync_all()
        })
        .and_then(|()| std::fs::rename(&new, &path));
    if let Err(e) = written {
        let _ = std::fs::remove_file(&new);
        return Err(format!("{}: {}", path.display(), plain(&e)));
    }
    File::open(into.dir).and_then(|dir| dir.sync_all()).map_err(|e| format!("{}: {}", into.dir.display(), plain(&e)))
}
