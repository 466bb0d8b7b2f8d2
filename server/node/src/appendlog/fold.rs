//! Room: the append log's format. A snapshot and the log on top of it become one snapshot: for another number of shards, and for a
//! moment of the past. A thread for each shard that wrote the log; no server. Touches: files' folder, manifest, the store.

use super::frame::{Next, Reader};
use super::recover::{Log, Run, Stream};
use super::start;
use crate::clock::Moment;
use crate::files::folder::{self, Found};
use crate::log;
use crate::manifest::{self, Manifest};
use crate::process::random_seed;
use crate::version;
use base::slot::{SLOTS, slot_of};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use store::rdb::Placed;
use store::rdb::crc64;
use store::rdb::file::read::{self, Item, ReadOptions};
use store::rdb::file::{Age, VERSION, VERSION_TIMED, write};
use store::{Ages, ImageOptions, ImageOut, ImageStep, Store, StoreOptions};

const PIECE_BYTES: usize = 1 << 20;
const SHARDS_MAX: usize = 1 << 16;
/// No string is larger (`proto-max-bulk-len` of the one that wrote it is not known here).
const VALUE_BYTES_MAX: usize = 1 << 40;

/// Writes what `found` holds with all of `log` as the snapshot `serial` of this name into `to`, and makes it count.
pub fn fold(found: &Found, log: &Log, databases: u16, serial: u64, to: &Path, stem: &str) -> Result<Manifest, String> {
    let mut files: Vec<PathBuf> = found.kept.files.clone();
    files.extend(found.file.iter().map(|(path, _)| path.clone()));
    let mut parts: Vec<(PathBuf, manifest::File)> = Vec::new();
    let mut made = Vec::new();
    let hash_seed = found.manifest.as_ref().and_then(|manifest| manifest.hash_seed).unwrap_or_else(random_seed);
    let nothing = vec![Run { run: 0, streams: vec![Stream::default()] }];
    let result = (|| -> Result<Manifest, String> {
        let runs = if log.runs.is_empty() { &nothing } else { &log.runs };
        for (n, run) in runs.iter().enumerate() {
            // Each run of another number of shards has keys where it had them. What is between has numbers that no shard has.
            let behind = (runs.len() - 1 - n) * SHARDS_MAX;
            let name = |shard: usize| manifest::file_name(stem, serial, behind + shard);
            made.extend((0..run.streams.len()).map(|shard| to.join(name(shard))));
            parts = fold_run(&files, run, StoreOptions { databases, seed: 0, hash_seed }, to, &name)?;
            files = parts.iter().map(|(path, _)| path.clone()).collect();
        }
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let files = parts.iter().map(|(_, file)| file.clone()).collect();
        let manifest = Manifest { serial, time_ms, version: version::TORC.into(), hash_seed: Some(hash_seed), files };
        seal(to, stem, &manifest)?;
        Ok(manifest)
    })();
    let keep = if result.is_ok() { &files[..] } else { &[] };
    for path in made.iter().filter(|path| !keep.contains(path)) {
        let _ = std::fs::remove_file(path);
    }
    result
}

/// What a server's folder held at a moment (Unix ms; None: in the end), as a snapshot in another: from its last snapshot and the
/// append log on top of it. The server may run, but must not make a snapshot meanwhile.
pub fn restore(
    folder: &Path,
    dbfilename: &str,
    appendfilename: &str,
    at_ms: Option<u64>,
    databases: u16,
    to: &Path,
) -> Result<Manifest, String> {
    let found = folder::survey(folder, dbfilename)?;
    let (serial, time_ms) = found.manifest.as_ref().map_or((0, 0), |manifest| (manifest.serial, manifest.time_ms));
    if at_ms.is_some_and(|at_ms| at_ms < time_ms) {
        return Err(format!(
            "{}: its snapshot is of {}, and of what was before nothing is there",
            folder.display(),
            Moment { unix_ms: time_ms }
        ));
    }
    let segments = folder::segments(folder, &super::stem_of(appendfilename))?;
    let log = start::survey(&segments, serial, at_ms, true)?;
    fold(&found, &log, databases, 1, to, &folder::stem_of(dbfilename))
}

fn seal(folder: &Path, stem: &str, manifest: &Manifest) -> Result<(), String> {
    let path = folder.join(manifest::manifest_name(stem));
    let new = folder.join(format!("{}.new", manifest::manifest_name(stem)));
    let sync_folder = || File::open(folder)?.sync_all();
    sync_folder()
        .and_then(|()| {
            let mut file = File::create(&new)?;
            file.write_all(manifest.draw().as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&new, &path))
        .and_then(|()| sync_folder())
        .map_err(|e| format!("{}: {}", path.display(), log::plain(&e)))
}

type Part = (PathBuf, manifest::File);

fn fold_run(
    files: &[PathBuf],
    run: &Run,
    options: StoreOptions,
    to: &Path,
    name: &(impl Fn(usize) -> String + Sync),
) -> Result<Vec<Part>, String> {
    let shards = run.streams.len();
    std::thread::scope(|scope| {
        let threads: Vec<_> = run
            .streams
            .iter()
            .enumerate()
            .map(|(shard, stream)| {
                scope.spawn(move || {
                    let mut store = Store::new(options);
                    let mut functions = Vec::new();
                    for path in files {
                        load(&mut store, path, shard, shards, &mut functions)?;
                    }
                    // Once is enough.
                    functions.truncate(if shard == 0 { functions.len() } else { 0 });
                    replay(&mut store, stream)?;
                    let name = name(shard);
                    let path = to.join(&name);
                    let file = write_out(&mut store, &path, name, &functions)
                        .map_err(|e| format!("{}: {}", path.display(), log::plain(&e)))?;
                    Ok((path, file))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread ended".into()))).collect()
    })
}

/// Keys of one of so many shards. Nothing expires: the log says what goes.
fn load(
    store: &mut Store,
    path: &Path,
    shard: usize,
    shards: usize,
    functions: &mut Vec<Vec<u8>>,
) -> Result<(), String> {
    let named = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut file = File::open(path).map_err(|e| named(&e))?;
    let size = file.metadata().map_err(|e| named(&e))?.len();
    let mut reader = read::Reader::new(ReadOptions { size: Some(size), ..ReadOptions::default() });
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match reader.next().map_err(|e| named(&e))? {
            Item::NeedMore => {
                let count = file.read(&mut piece).map_err(|e| named(&e))?;
                if count == 0 {
                    reader.finish().map_err(|e| named(&e))?;
                    return Err(named(&"it is cut off"));
                }
                reader.feed(&piece[..count]);
            }
            Item::Entry(entry) => {
                if slot_of(entry.key).0 as usize * shards / SLOTS as usize != shard {
                    continue;
                }
                if entry.db.0 >= store.databases() {
                    return Err(named(&format_args!("it has keys in database {}", entry.db.0)));
                }
                let mut cell = store.cell(entry.db, entry.key, 0);
                if cell.put_rdb(entry.value, Placed::ByThresholds).is_err() {
                    if read::is_empty(entry.value) {
                        continue;
                    }
                    return Err(named(&format_args!("the value at byte {} cannot be read", entry.at)));
                }
                if entry.flags != 0 {
                    cell.set_flags(entry.flags);
                }
                if entry.deadline.is_some() {
                    cell.set_deadline(entry.deadline);
                }
                match entry.age {
                    Age::Unknown => {}
                    Age::Idle(seconds) => cell.set_idle_ms(seconds.saturating_mul(1000)),
                    Age::Frequency(counter) => cell.set_frequency(counter),
                }
                if let Some(version) = entry.version {
                    store.raise_version(version);
                }
            }
            Item::Function(text) if !functions.iter().any(|known| known == text) => functions.push(text.to_vec()),
            Item::End => return Ok(()),
            _ => {}
        }
    }
}

/// All that counts of a stream.
pub fn replay(store: &mut Store, stream: &Stream) -> Result<(), String> {
    let mut piece = vec![0; PIECE_BYTES];
    'segments: for segment in &stream.segments {
        let named = |e: &dyn std::fmt::Display| format!("{}: {e}", segment.path.display());
        let mut file = File::open(&segment.path).map_err(|e| named(&e))?;
        let mut skip = segment.from as usize;
        let mut reader = Reader::new(segment.head.salt(), segment.from, segment.bytes);
        loop {
            match reader.read_next() {
                Next::NeedMore => {
                    let count = file.read(&mut piece).map_err(|e| named(&e))?;
                    if count == 0 {
                        continue 'segments;
                    }
                    let passed = skip.min(count);
                    skip -= passed;
                    reader.feed(&piece[passed..count]);
                }
                Next::End => continue 'segments,
                Next::Frame(head, records, at) => {
                    for (n, record) in records.enumerate() {
                        if head.first + n as u64 >= stream.until {
                            return Ok(());
                        }
                        let (record, effects) =
                            record.map_err(|_| named(&format_args!("its frame at byte {at} holds no records")))?;
                        store.apply(effects, record.unix_ms, VALUE_BYTES_MAX).map_err(|bad| {
                            named(&format_args!("record {n} at byte {at} cannot be replayed: {}", bad.what))
                        })?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// A whole RDB file of a store.
fn write_out(store: &mut Store, path: &Path, name: String, functions: &[Vec<u8>]) -> std::io::Result<manifest::File> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let mut file = File::create(path)?;
    let (mut out, mut sum, mut bytes, mut keys) = (ImageOut::default(), 0, 0, 0);
    let timed = store.has_timed_fields();
    write::begin(&mut out.out.bytes, if timed { VERSION_TIMED } else { VERSION });
    write::info(&mut out.out.bytes, now_ms / 1000, store.bytes() as u64, version::TORC);
    functions.iter().for_each(|text| write::function(&mut out.out.bytes, text));
    store.begin_image(now_ms, ImageOptions { compress: false, ages: Ages::Idle });
    let mut leave = |out: &mut ImageOut, sum: &mut u64, summed: bool| -> std::io::Result<()> {
        for piece in out.out.pieces() {
            if !summed {
                *sum = crc64(*sum, piece);
            }
            bytes += piece.len() as u64;
            file.write_all(piece)?;
        }
        out.out.clear();
        keys += std::mem::take(&mut out.keys);
        Ok(())
    };
    loop {
        match store.image_step(PIECE_BYTES, &mut out) {
            ImageStep::More => {}
            ImageStep::Large { db, key } => {
                while !store.image_piece(db, &key, PIECE_BYTES, &mut out) {
                    leave(&mut out, &mut sum, false)?;
                }
            }
            ImageStep::Done => break,
        }
        leave(&mut out, &mut sum, false)?;
    }
    leave(&mut out, &mut sum, false)?;
    store.end_image();
    let start = out.out.bytes.len();
    sum = write::end(&mut out.out.bytes, sum, true);
    debug_assert_eq!(start, 0, "all that was before has left");
    leave(&mut out, &mut sum, true)?;
    file.sync_all()?;
    Ok(manifest::File { name, keys, bytes, crc64: sum })
}
