//! Room: tools. `torc restore`: a data folder from a backup, from RDB files of whoever, or from a snapshot and the append log on top
//! of it, at any moment of that. Touches: backup, appendlog, files' folder, process (the time).

use crate::appendlog::{self, fold};
use crate::backup::place::Place;
use crate::backup::restore::{Target, make_ready, restore};
use crate::backup::s3::Access;
use crate::backup::source::Source;
use crate::clock::Moment;
use crate::files::folder;
use crate::process::unix_s;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Options {
    /// A backup or another folder with a manifest, a folder of .rdb files, a manifest or an RDB file; or one of these in S3:
    /// s3://BUCKET/PREFIX
    source: String,
    /// The data folder that is made: it must not hold data yet
    #[arg(long)]
    dir: PathBuf,
    /// For a server of so many shards, which loads fastest; one of another number loads it as well. As many as the source has
    /// files, where this is not said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    shards: Option<u16>,
    /// What the server's `dbfilename` will be
    #[arg(long, value_name = "NAME", default_value = "dump.rdb", value_parser = file_name)]
    dbfilename: String,
    /// Of a data folder with an append log: what it held at this moment, such as 2026-11-29T03:00:00Z (UTC), or Unix ms;
    /// `torc verify` tells of the last. In the end, where this is not said
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// Of the same: the server's `appendfilename`
    #[arg(long, value_name = "NAME", default_value = "appendonly.aof", value_parser = file_name)]
    appendfilename: String,
    /// Of the same: how many databases the server had
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    databases: u16,
    /// Pass over values of modules, which are a mistake otherwise
    #[arg(long)]
    skip_modules: bool,
    #[command(flatten)]
    access: Access,
}

fn file_name(text: &str) -> Result<String, String> {
    let plain = |c: char| !c.is_control() && c != '/' && c != ' ';
    match text {
        "" | "." | ".." => Err("this is no name of a file".into()),
        text if text.chars().all(plain) => Ok(text.into()),
        _ => Err("it takes a name without a folder or blanks".into()),
    }
}

pub fn run(options: &Options) -> Result<(), String> {
    if let Place::Folder(folder) = Place::parse(&options.source)?
        && folder.is_dir()
        && !folder::segments(&folder, &appendlog::stem_of(&options.appendfilename))?.is_empty()
    {
        return with_log(&folder, options);
    }
    if options.at.is_some() {
        return Err(format!("{}: there is no append log, which --at goes by", options.source));
    }
    let source = Source::open(&options.source, &options.access)?;
    let shards = options.shards.map_or_else(|| source.files.len().clamp(1, 1024), usize::from);
    let into = Target {
        dir: &options.dir,
        dbfilename: &options.dbfilename,
        shards,
        skip_modules: options.skip_modules,
        now_ms: unix_s() * 1000,
    };
    let restored = restore(&source, &into, None, &mut |keys| eprintln!("{keys} keys"))?;
    println!(
        "{}: {} keys of {} files for {shards} shards, {} bytes",
        options.dir.display(),
        restored.keys,
        source.files.len(),
        restored.bytes
    );
    for (count, what) in [
        (restored.functions as u64, "libraries of functions"),
        (restored.empty, "empty collections, which were left out"),
        (restored.modules, "values of modules, which were passed over"),
    ] {
        if count > 0 {
            println!("{count:>12} {what}");
        }
    }
    Ok(())
}

/// A snapshot and the append log on top of it. It is made with a file for each shard that wrote, whatever `shards` says: any number
/// loads them.
fn with_log(from: &Path, options: &Options) -> Result<(), String> {
    let Options { dir, dbfilename, appendfilename, at, databases, .. } = options;
    let _lock = make_ready(dir, dbfilename, None)?;
    let manifest = fold::restore(from, dbfilename, appendfilename, at.map(|at| at.unix_ms), *databases, dir)?;
    println!(
        "{}: {} keys in {} files, {} bytes",
        dir.display(),
        manifest.keys(),
        manifest.files.len(),
        manifest.bytes()
    );
    Ok(())
}
