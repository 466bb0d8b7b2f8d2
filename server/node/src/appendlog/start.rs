//! Room: the append log at the start of the process: what of it is there, and what begins. Touches: files' folder, process.

use super::fold;
use super::recover::{self, Log, Segment};
use crate::engine::{LogPlan, Replay};
use crate::files::folder::{self, Found};
use crate::log;
use crate::process::Process;
use base::ShardId;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Looks through all segments, each by a thread, and puts them together on top of the snapshot of this serial.
pub fn survey(segments: &[(u64, PathBuf)], serial: u64, at_ms: Option<u64>, truncated_ok: bool) -> Result<Log, String> {
    let look = |path: &Path| -> Result<Option<Segment>, String> {
        let named = |e: std::io::Error| format!("{}: {}", path.display(), log::plain(&e));
        let mut file = File::open(path).map_err(named)?;
        let bytes = file.metadata().map_err(named)?.len();
        recover::scan(path.to_path_buf(), bytes, at_ms, &mut file)
    };
    // Older ones are in the snapshot already.
    let wanted: Vec<&PathBuf> = segments.iter().filter(|(of, _)| *of >= serial).map(|(_, path)| path).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut found = Vec::new();
    for some in wanted.chunks(cores) {
        let looked = std::thread::scope(|scope| {
            let look = &look;
            let threads: Vec<_> = some.iter().map(|&path| scope.spawn(move || look(path))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread ended".into()))).collect()
        });
        let looked: Result<Vec<Option<Segment>>, String> = looked;
        found.extend(looked?.into_iter().flatten());
    }
    recover::put_together(found, serial, truncated_ok)
}

/// What is to be replayed on top of what `found` says, and what begins then. Where the log was written by another number of shards
/// it becomes part of a new snapshot first: then there is nothing to be replayed, and `found` is what is there now.
pub fn find(process: &Process, found: &mut Found) -> Result<Replay, String> {
    let (stem, dbfilename, databases, truncated_ok) = {
        let config = process.config();
        (super::stem_of(&config.appendfilename), config.dbfilename.clone(), config.databases, config.aof_load_truncated)
    };
    let folder = found.kept.folder.clone();
    let segments = folder::segments(&folder, &stem)?;
    let serial = |found: &Found| found.manifest.as_ref().map_or(0, |manifest| manifest.serial);
    let mut log = survey(&segments, serial(found), None, truncated_ok)?;
    found.kept.add_segments(segments);
    log.told.iter().for_each(|line| process.log.warning(line));
    if !log.fits(process.shards) {
        process.log.notice(format_args!(
            "The append log was written by another number of shards: it is made a part of the snapshot first"
        ));
        let segments = std::mem::take(&mut found.kept.segments);
        let serial = found.kept.serial + 1;
        fold::fold(found, &log, databases, serial, &folder, &found.kept.stem)?;
        // What they held is in the new ones.
        found.kept.files.iter().for_each(|path| drop(std::fs::remove_file(path)));
        *found = folder::survey(&folder, &dbfilename)?;
        found.kept.add_segments(segments);
        log = Log::default();
    }
    // They count no more: the next snapshot would remove them too.
    let older = serial(found);
    found.kept.segments.retain(|(serial, path)| {
        let old = *serial < older;
        if old {
            let _ = std::fs::remove_file(path);
        }
        !old
    });
    let (previous, ends) = log.previous();
    found.kept.serial += 1;
    let serial = found.kept.serial;
    let paths = (0..process.shards).map(|shard| (serial, folder.join(super::segment_name(&stem, serial, shard))));
    found.kept.segments.extend(paths);
    let begin = LogPlan { folder, stem, serial, run: serial, base: 0, previous, ends, coordinator: ShardId(0) };
    Ok(Replay::new(&log, process.shards, begin))
}
