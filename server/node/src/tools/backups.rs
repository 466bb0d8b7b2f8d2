//! Room: tools. `torc backups`: what lies in a place of backups. Touches: backup.

use crate::backup::depot;
use crate::backup::place::Place;
use crate::backup::s3::{Access, Bucket};

#[derive(clap::Args)]
pub struct Options {
    /// What `backup-dir` names: a folder, or s3://BUCKET/PREFIX
    place: String,
    #[command(flatten)]
    access: Access,
}

pub fn run(options: &Options) -> Result<(), String> {
    let place = Place::parse(&options.place)?;
    let listing = depot::list(&place, &options.access);
    let listed = match &place {
        Place::S3 { .. } => Bucket::open(&place, &options.access)?.wait(listing)?,
        Place::Folder(_) => tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|e| format!("A runtime cannot be started: {e}"))?
            .block_on(listing)?,
    };
    let mut damaged = 0;
    for backup in &listed {
        let at = place.join(&backup.id);
        match &backup.manifest {
            Ok(manifest) => println!(
                "{at}: {} keys, {} bytes, {} shards, Torc {}",
                manifest.keys(),
                manifest.bytes(),
                manifest.files.len(),
                manifest.version
            ),
            Err(reason) => {
                eprintln!("{reason}");
                damaged += 1;
            }
        }
    }
    match damaged {
        0 => Ok(()),
        _ => Err(format!("{damaged} of {} backups are damaged", listed.len())),
    }
}
