//! Room: tools. `torc restore`: a data folder from a backup, or from RDB files of whoever. Touches: backup, process (the time).

use crate::backup::restore::{Target, restore};
use crate::backup::s3::Access;
use crate::backup::source::Source;
use crate::process::unix_s;
use std::path::PathBuf;

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
