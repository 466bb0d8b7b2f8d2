//! Room: tools. `torc export`: one RDB file of several, which Redis loads. Touches: backup, log, process (the time).

use crate::backup::merge::{self, merge};
use crate::backup::s3::Access;
use crate::backup::source::Source;
use crate::log::plain;
use crate::process::unix_s;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use store::rdb::RECODE_VERSION_MIN;

#[derive(clap::Args)]
pub struct Options {
    /// The file that is made; what is there already is replaced when the new one is whole
    #[arg(long, value_name = "FILE")]
    merge: PathBuf,
    /// A folder with a manifest, a folder of .rdb files, a manifest or an RDB file; or one of these in S3: s3://BUCKET/PREFIX
    #[arg(default_value = ".")]
    source: String,
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
    #[command(flatten)]
    access: Access,
}

pub fn run(options: &Options) -> Result<(), String> {
    let source = Source::open(&options.source, &options.access)?;
    let target = &options.merge;
    let mut name =
        target.file_name().ok_or_else(|| format!("{}: this is no name of a file", target.display()))?.to_owned();
    name.push(".part");
    let path = target.with_file_name(name);
    let made = fill(&source, options, &path).and_then(|made| put_in_place(&path, target).map(|()| made));
    if made.is_err() {
        // It is of no use to anyone; that it cannot be removed changes nothing of what is told.
        let _ = std::fs::remove_file(&path);
    }
    let made = made?;
    println!(
        "{}: {} keys of {} files, RDB version {}",
        target.display(),
        made.keys,
        source.files.len(),
        options.rdb_version
    );
    if made.deadlines_lost > 0 {
        eprintln!("warning: {} fields of hashes have lost their deadlines and will stay", made.deadlines_lost);
    }
    if made.modules > 0 {
        eprintln!("warning: {} values of modules were passed over", made.modules);
    }
    Ok(())
}

fn fill(source: &Source, options: &Options, path: &Path) -> Result<merge::Made, String> {
    let said = |e: std::io::Error| format!("{}: {}", path.display(), plain(&e));
    let mut file = File::create(path).map_err(said)?;
    let merging = merge::Options {
        rdb_version: options.rdb_version,
        drop_field_deadlines: options.drop_field_deadlines,
        skip_modules: options.skip_modules,
        checksum: !options.no_checksum,
        now_ms: unix_s() * 1000,
        without_data: false,
        without_functions: false,
    };
    let made = merge(source, &merging, &mut |piece| file.write_all(piece).map_err(said))?;
    file.sync_all().map_err(said)?;
    Ok(made)
}

/// The name, once everything is on the disk.
fn put_in_place(path: &Path, target: &Path) -> Result<(), String> {
    std::fs::rename(path, target).map_err(|e| format!("{}: {}", target.display(), plain(&e)))?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| format!("{}: {}", folder.display(), plain(&e)))
}
