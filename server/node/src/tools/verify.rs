//! Room: tools. `torc verify`: whether files can be loaded, found without a server. Touches: backup.
//!
//! Each value is put into a store as a start would put it, and taken out again, so that no more than one lies in memory.

use crate::appendlog;
use crate::backup::place::Place;
use crate::backup::probe::{Found, Probe};
use crate::backup::s3::Access;
use crate::backup::source::Source;
use crate::clock::Moment;
use crate::files::folder;
use std::path::Path;
use store::Kind;
use store::rdb::file::read::Item;

#[derive(clap::Args)]
pub struct Options {
    /// A folder with a manifest (a data folder, a backup), a folder of .rdb files, a manifest or an RDB file; or one of these in
    /// S3: s3://BUCKET/PREFIX
    #[arg(default_value = ".")]
    source: String,
    /// Pass over values of modules, which are a mistake otherwise
    #[arg(long)]
    skip_modules: bool,
    /// The name of the append log, whose files are looked at too
    #[arg(long, value_name = "NAME", default_value = "appendonly.aof")]
    appendfilename: String,
    /// Say nothing but what is wrong
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    access: Access,
}

/// Of all files together.
#[derive(Default)]
struct Counts {
    of_kind: [u64; Kind::Stream as usize + 1],
    with_deadline: u64,
    /// Collections of nothing, which old versions have written, and which a start passes over.
    empty: u64,
    modules: u64,
    functions: u64,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::String, "strings"),
    (Kind::List, "lists"),
    (Kind::Set, "sets"),
    (Kind::Hash, "hashes"),
    (Kind::Zset, "sorted sets"),
    (Kind::Stream, "streams"),
];

pub fn run(options: &Options) -> Result<(), String> {
    let source = Source::open(&options.source, &options.access)?;
    let (mut counts, mut bad) = (Counts::default(), 0);
    if let Some(manifest) = source.manifest.as_ref().filter(|_| !options.quiet) {
        println!(
            "snapshot {} of Torc {}: {} files, {} keys, {} bytes, taken at {}",
            manifest.serial,
            manifest.version,
            manifest.files.len(),
            manifest.keys(),
            manifest.bytes(),
            Moment { unix_ms: manifest.time_ms }
        );
    }
    for i in 0..source.files.len() {
        // All files are looked at: who repairs wants to know of each.
        match check(&source, i, options, &mut counts) {
            Ok(line) if !options.quiet => println!("{line}"),
            Ok(_) => {}
            Err(wrong) => {
                eprintln!("{wrong}");
                bad += 1;
            }
        }
    }
    if !options.quiet {
        print!("{}", drawn(&counts));
    }
    let serial = source.manifest.as_ref().map_or(0, |manifest| manifest.serial);
    if let Place::Folder(folder) = Place::parse(&options.source)?
        && folder.is_dir()
    {
        check_log(&folder, serial, options)?;
    }
    match bad {
        0 => Ok(()),
        _ => Err(format!("{bad} of {} files cannot be loaded", source.files.len())),
    }
}

/// The append log on top of the snapshot, as a start would find it.
fn check_log(folder: &Path, serial: u64, options: &Options) -> Result<(), String> {
    let segments = folder::segments(folder, &appendlog::stem_of(&options.appendfilename))?;
    let log = appendlog::start::survey(&segments, serial, None, true)?;
    log.told.iter().for_each(|line| eprintln!("{line}"));
    if !log.is_empty() && !options.quiet {
        let records: u64 = log.runs.iter().flat_map(|run| &run.streams).map(|stream| stream.records()).sum();
        let last = Moment { unix_ms: log.segments().map(|segment| segment.last_ms).max().unwrap_or(0) };
        println!(
            "append log on top of it: {} files, {} bytes, {records} records, the last made at {last}",
            log.segments().count(),
            log.bytes()
        );
    }
    Ok(())
}

fn check(source: &Source, i: usize, options: &Options, counts: &mut Counts) -> Result<String, String> {
    let mut probe = Probe::default();
    let (mut keys, mut empty) = (0u64, 0);
    let whole = source.each(i, options.skip_modules, |item| {
        match item {
            Item::Entry(entry) => match probe.look(&entry)? {
                Found::Value(kind) => {
                    keys += 1;
                    counts.with_deadline += u64::from(entry.deadline.is_some());
                    if let Some(kind) = kind {
                        counts.of_kind[kind as usize] += 1;
                    }
                }
                Found::Empty => empty += 1,
            },
            Item::Function(_) => counts.functions += 1,
            Item::Skipped { key, .. } => counts.modules += u64::from(key.is_some()),
            _ => {}
        }
        Ok(())
    })?;
    counts.empty += empty;
    source.compare(i, &whole, keys + empty)?;
    let name = &source.files[i].name;
    if whole.trails {
        eprintln!("warning: {name}: something follows its end at byte {}, which is not looked at", whole.bytes);
    }
    Ok(format!("{name}: good, RDB version {}, {keys} keys, {} bytes", whole.version, whole.bytes))
}

fn drawn(counts: &Counts) -> String {
    let keys: u64 = counts.of_kind.iter().sum();
    let mut text = format!("{keys} keys, {} with a deadline\n", counts.with_deadline);
    let kinds = KINDS.iter().map(|&(kind, name)| (counts.of_kind[kind as usize], name));
    let others = [
        (counts.functions, "libraries of functions"),
        (counts.empty, "empty collections, which are not loaded"),
        (counts.modules, "values of modules, which were passed over"),
    ];
    for (count, name) in kinds.chain(others).filter(|(count, _)| *count > 0) {
        text.push_str(&format!("{count:>12} {name}\n"));
    }
    text
}
