//! Room: tools. `torc export`: one RDB file of several, which Redis loads. Touches: source, log, process, version.

use super::source::{Source, each};
use crate::log::plain;
use crate::process::unix_s;
use crate::version;
use base::DbId;
use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use store::rdb::file::read::{Entry, Item};
use store::rdb::file::{Head, write};
use store::rdb::{RECODE_VERSION_MIN, crc64, recode};

/// What is written at once.
const PIECE_BYTES: usize = 1 << 20;

#[derive(clap::Args)]
pub struct Options {
    /// The file that is made; what is there already is replaced when the new one is whole
    #[arg(long, value_name = "FILE")]
    merge: PathBuf,
    /// A folder with a manifest, a folder of .rdb files, a manifest or an RDB file
    #[arg(default_value = ".")]
    source: PathBuf,
    /// Which version of RDB files: 10 for Redis 7.0, 11 for 7.2 and Valkey 7.2 to 8, 12 for 7.4 and later
    #[arg(long, value_name = "N", default_value_t = RECODE_VERSION_MIN, value_parser = clap::value_parser!(u16).range(10..=12))]
    rdb_version: u16,
    /// Drop the deadlines of fields of hashes, which versions below 12 have not; else they are refused
    #[arg(long)]
    drop_field_deadlines: bool,
    /// Pass over values of modules, which are a mistake otherwise
    #[arg(long)]
    skip_modules: bool,
    /// Without a checksum
    #[arg(long)]
    no_checksum: bool,
}

/// The file that is being made.
struct Merged<'a> {
    options: &'a Options,
    file: File,
    path: PathBuf,
    out: Vec<u8>,
    sum: u64,
    db: Option<DbId>,
    /// Each shard's file may have them.
    functions: HashSet<Vec<u8>>,
    keys: u64,
    deadlines_lost: usize,
    modules: u64,
    now_ms: u64,
}

pub fn run(options: &Options) -> Result<(), String> {
    let source = Source::open(&options.source)?;
    let target = &options.merge;
    let mut name =
        target.file_name().ok_or_else(|| format!("{}: this is no name of a file", target.display()))?.to_owned();
    name.push(".part");
    let path = target.with_file_name(name);
    let file = File::create(&path).map_err(|e| format!("{}: {}", path.display(), plain(&e)))?;
    let now_ms = unix_s() * 1000;
    let mut merged = Merged {
        options,
        file,
        path: path.clone(),
        out: Vec::new(),
        sum: 0,
        db: None,
        functions: HashSet::new(),
        keys: 0,
        deadlines_lost: 0,
        modules: 0,
        now_ms,
    };
    let made = merged.fill(&source).and_then(|()| merged.finish(target));
    if made.is_err() {
        // It is of no use to anyone; that it cannot be removed changes nothing of what is told.
        let _ = std::fs::remove_file(&path);
    }
    made?;
    println!(
        "{}: {} keys of {} files, RDB version {}",
        target.display(),
        merged.keys,
        source.files.len(),
        options.rdb_version
    );
    if merged.deadlines_lost > 0 {
        eprintln!("warning: {} fields of hashes have lost their deadlines and will stay", merged.deadlines_lost);
    }
    if merged.modules > 0 {
        eprintln!("warning: {} values of modules were passed over", merged.modules);
    }
    Ok(())
}

impl Merged<'_> {
    fn fill(&mut self, source: &Source) -> Result<(), String> {
        write::begin(&mut self.out, self.options.rdb_version);
        write::info(&mut self.out, self.now_ms / 1000, 0, version::TORC);
        for path in &source.files {
            each(path, self.options.skip_modules, |item| match item {
                Item::Entry(entry) => self.entry(&entry),
                Item::Function(text) => {
                    if self.functions.insert(text.to_vec()) {
                        write::function(&mut self.out, text);
                    }
                    Ok(())
                }
                Item::Skipped { key, .. } => {
                    self.modules += u64::from(key.is_some());
                    Ok(())
                }
                // What others tell of their files is not true of this one.
                _ => Ok(()),
            })?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), String> {
        let key = || entry.key[..entry.key.len().min(64)].escape_ascii();
        let recoded = recode(entry.value, self.options.rdb_version, self.now_ms)
            .map_err(|_| format!("the value of key '{}' is damaged at byte {}", key(), entry.at))?;
        let Some(recoded) = recoded else { return Ok(()) };
        if recoded.deadlines_lost > 0 && !self.options.drop_field_deadlines {
            return Err(format!(
                "key '{}' is a hash whose fields have deadlines, which RDB version {} has not: --rdb-version 12 keeps them, \
                 --drop-field-deadlines drops them",
                key(),
                self.options.rdb_version
            ));
        }
        self.deadlines_lost += recoded.deadlines_lost;
        if self.db != Some(entry.db) {
            write::select(&mut self.out, entry.db);
            self.db = Some(entry.db);
        }
        let &Entry { key, deadline, age, flags, version, .. } = entry;
        write::entry_head(&mut self.out, &Head { key, deadline, age, flags, version }, recoded.value[0], None);
        self.out.extend_from_slice(&recoded.value[1..]);
        self.keys += 1;
        if self.out.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), String> {
        self.sum = crc64(self.sum, &self.out);
        self.write()
    }

    fn write(&mut self) -> Result<(), String> {
        self.file.write_all(&self.out).map_err(|e| self.said(&e))?;
        self.out.clear();
        Ok(())
    }

    fn said(&self, e: &std::io::Error) -> String {
        format!("{}: {}", self.path.display(), plain(e))
    }

    /// The end, and the name, once everything is on the disk.
    fn finish(&mut self, target: &Path) -> Result<(), String> {
        self.flush()?;
        write::end(&mut self.out, self.sum, !self.options.no_checksum);
        self.write()?;
        self.file.sync_all().map_err(|e| self.said(&e))?;
        std::fs::rename(&self.path, target).map_err(|e| format!("{}: {}", target.display(), plain(&e)))?;
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| format!("{}: {}", folder.display(), plain(&e)))
    }
}
