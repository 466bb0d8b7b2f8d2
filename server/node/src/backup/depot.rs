//! Room: backup. What is done in a place of backups: begun, found, removed. A backup is a folder of it, named by `id_of`; its manifest
//! comes last, so one without is none, whatever else lies there. Touches: place, s3, manifest, files' lock, log (texts of errors).

use super::place::{self, Place, Retention};
use super::s3::{Access, Bucket};
use crate::files::folder::{LOCK, Lock};
use crate::log::plain;
use crate::manifest::{Manifest, TEXT_BYTES_MAX, manifest_name};
use base::{Fault, Reply};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// In S3 nobody can tell a backup that is being made from one that was given up, but by its age.
const PARTIAL_S_MAX: u64 = 2 * 86_400;

/// A backup as it is listed. What its manifest says, or what is wrong with that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub id: String,
    pub manifest: Result<Manifest, String>,
}

/// The reply to BACKUP LIST.
pub fn draw(listed: &Result<Vec<Listed>, String>, r: &mut dyn Reply) {
    let listed = match listed {
        Ok(listed) => listed,
        Err(reason) => return r.fault(&Fault::err(reason)),
    };
    r.array(listed.len());
    for Listed { id, manifest } in listed {
        match manifest {
            Ok(manifest) => {
                r.map(6);
                r.bulk(b"id");
                r.bulk(id.as_bytes());
                for (name, n) in [
                    ("time-ms", manifest.time_ms),
                    ("shards", manifest.files.len() as u64),
                    ("keys", manifest.keys()),
                    ("bytes", manifest.bytes()),
                ] {
                    r.bulk(name.as_bytes());
                    r.int(i64::try_from(n).unwrap_or(i64::MAX));
                }
                r.bulk(b"version");
                r.bulk(manifest.version.as_bytes());
            }
            Err(reason) => {
                r.map(2);
                r.bulk(b"id");
                r.bulk(id.as_bytes());
                r.bulk(b"damaged");
                r.bulk(reason.as_bytes());
            }
        }
    }
}

fn named(path: &Path) -> impl Fn(io::Error) -> String + '_ {
    move |e| format!("{}: {}", path.display(), plain(&e))
}

/// Names in a folder that are those of backups, newest first. A folder that is not there has none.
fn local_ids(folder: &Path) -> Result<Vec<String>, String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(named(folder)(e)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(named(folder))?;
        let name = entry.file_name();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        ids.extend(name.to_str().filter(|name| place::is_id(name)).map(str::to_string));
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    Ok(ids)
}

/// None: there is none.
fn local_manifest(folder: &Path) -> Option<Result<Manifest, String>> {
    let path = folder.join(manifest_name(place::STEM));
    let mut text = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut text));
    Some(match read {
        Ok(_) => Manifest::parse(&text).map_err(|bad| format!("{}: {bad}", path.display())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        Err(e) => Err(named(&path)(e)),
    })
}

fn key_in(place: &Place) -> &str {
    match place {
        Place::S3 { prefix, .. } => prefix,
        Place::Folder(_) => "",
    }
}

/// All backups of a place, newest first.
pub async fn list(place: &Place, access: &Access) -> Result<Vec<Listed>, String> {
    match place {
        Place::Folder(folder) => {
            let with = |id: String| local_manifest(&folder.join(&id)).map(|manifest| Listed { id, manifest });
            Ok(local_ids(folder)?.into_iter().filter_map(with).collect())
        }
        Place::S3 { .. } => {
            let bucket = Bucket::open(place, access)?;
            let mut ids = bucket.names_in(key_in(place)).await?.folders;
            ids.retain(|id| place::is_id(id));
            ids.sort_unstable_by(|a, b| b.cmp(a));
            let mut listed = Vec::new();
            for id in ids {
                let at = place.join(&id);
                let key = format!("{}/{}", key_in(&at), manifest_name(place::STEM));
                let Some(text) = bucket.small_if_there(&key, TEXT_BYTES_MAX).await? else { continue };
                let manifest = Manifest::parse(&text).map_err(|bad| format!("{}: {bad}", bucket.url(&key)));
                listed.push(Listed { id, manifest });
            }
            Ok(listed)
        }
    }
}

/// Removes one; false: it is not there.
pub async fn delete(place: &Place, access: &Access, id: &str) -> Result<bool, String> {
    let at = place.join(id);
    match &at {
        Place::Folder(folder) => {
            // First what makes it count.
            let manifest = folder.join(manifest_name(place::STEM));
            match std::fs::remove_file(&manifest) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(e) => return Err(named(&manifest)(e)),
            }
            std::fs::remove_dir_all(folder).map_err(named(folder)).map(|()| true)
        }
        Place::S3 { .. } => {
            let bucket = Bucket::open(place, access)?;
            let manifest = manifest_name(place::STEM);
            let key = format!("{}/{manifest}", key_in(&at));
            if bucket.small_if_there(&key, TEXT_BYTES_MAX).await?.is_none() {
                return Ok(false);
            }
            bucket.remove_folder(key_in(&at), &manifest).await.map(|()| true)
        }
    }
}

/// A folder that a snapshot of its own is written into.
#[derive(Debug)]
pub struct Begun {
    pub folder: PathBuf,
    /// Held while the folder is being filled: what it holds is not swept up by anybody.
    pub lock: Lock,
}

/// Makes the folder for a new backup: the one where it stays, or, for S3, one in `dir` that it is sent from.
pub async fn begin(place: &Place, access: &Access, id: &str, dir: &Path) -> Result<Begun, String> {
    let folder = match place {
        Place::Folder(backups) => {
            std::fs::create_dir_all(backups).map_err(named(backups))?;
            sweep_local(backups);
            backups.join(id)
        }
        Place::S3 { .. } => {
            // Before the work: whether it can be reached at all. And what others have left there goes.
            let bucket = Bucket::open(place, access)?;
            sweep_bucket(place, &bucket, id).await?;
            dir.join(staging_name(id))
        }
    };
    begin_folder(folder)
}

/// In the data folder: what is only kept until it is sent.
pub fn staging_name(what: &str) -> String {
    format!("torc-{what}.part")
}

pub fn is_staging_name(name: &str) -> bool {
    name.starts_with("torc-") && name.ends_with(".part")
}

pub fn begin_folder(folder: PathBuf) -> Result<Begun, String> {
    std::fs::create_dir(&folder).map_err(named(&folder))?;
    match Lock::take(&folder) {
        Ok(lock) => Ok(Begun { folder, lock }),
        Err(no) => {
            let _ = std::fs::remove_dir_all(&folder);
            Err(no.explain(&folder))
        }
    }
}

/// Folders of backups that were never finished, and that nobody is filling.
fn sweep_local(backups: &Path) {
    for id in local_ids(backups).unwrap_or_default() {
        let folder = backups.join(id);
        // Whoever fills it holds the lock; whoever has just made it will in a moment.
        let old = std::fs::metadata(&folder)
            .and_then(|about| about.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() > 60));
        if old && local_manifest(&folder).is_none() && Lock::take(&folder).is_ok() {
            // What cannot be removed is tried again with the next backup.
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}

async fn sweep_bucket(place: &Place, bucket: &Bucket, id: &str) -> Result<(), String> {
    for other in bucket.names_in(key_in(place)).await?.folders.iter().filter(|other| place::is_id(other)) {
        let at = place.join(other);
        let key = format!("{}/{}", key_in(&at), manifest_name(place::STEM));
        if bucket.small_if_there(&key, TEXT_BYTES_MAX).await?.is_some() {
            continue;
        }
        let age_s = bucket.written_s(key_in(&at)).await?.map(|s| crate::process::unix_s().saturating_sub(s));
        if other != id && age_s.is_some_and(|age_s| age_s > PARTIAL_S_MAX) {
            bucket.remove_folder(key_in(&at), "").await?;
        }
    }
    Ok(())
}

/// A backup's files are whole in its folder. To S3 they are sent, the manifest last.
pub async fn finish(place: &Place, access: &Access, id: &str, begun: Begun, rate: &dyn Rate) -> Result<(), String> {
    let Begun { folder, lock } = begun;
    if let Place::Folder(_) = place {
        let backups = folder.parent().unwrap_or(Path::new("."));
        let synced = std::fs::File::open(backups).and_then(|backups| backups.sync_all());
        let _ = std::fs::remove_file(folder.join(LOCK));
        drop(lock);
        return synced.map_err(named(backups));
    }
    let sent = send(place, access, id, &folder, rate).await;
    let _ = std::fs::remove_dir_all(&folder);
    sent
}

/// Bytes a second that may be sent now; 0: no limit.
pub trait Rate: Send + Sync {
    fn bytes_a_second(&self) -> u64;
}

async fn send(place: &Place, access: &Access, id: &str, folder: &Path, rate: &dyn Rate) -> Result<(), String> {
    let bucket = Bucket::open(place, access)?;
    let at = place.join(id);
    let manifest = local_manifest(folder).unwrap_or_else(|| Err(format!("{}: no manifest", folder.display())))?;
    let mut sent = Ok(());
    for file in &manifest.files {
        let key = format!("{}/{}", key_in(&at), file.name);
        sent = bucket.upload(&key, &folder.join(&file.name), || rate.bytes_a_second()).await.map(drop);
        if sent.is_err() {
            break;
        }
    }
    if sent.is_ok() {
        let key = format!("{}/{}", key_in(&at), manifest_name(place::STEM));
        sent = bucket.put(&key, manifest.draw().into()).await;
    }
    if sent.is_err() {
        // It counts for nothing without its manifest; what cannot be removed now is swept up by a later backup.
        let _ = bucket.remove_folder(key_in(&at), &manifest_name(place::STEM)).await;
    }
    sent
}

/// Removes what `retention` does not keep; the names of what has gone.
pub async fn prune(place: &Place, access: &Access, retention: Retention, now_ms: u64) -> Result<Vec<String>, String> {
    if retention == Retention::default() {
        return Ok(Vec::new());
    }
    let mut listed = list(place, access).await?;
    // What cannot be read is for people to look at.
    listed.retain(|backup| backup.manifest.is_ok());
    let times_ms: Vec<u64> = listed.iter().flat_map(|backup| &backup.manifest).map(|m| m.time_ms).collect();
    let mut gone = Vec::new();
    for (backup, over) in listed.into_iter().zip(retention.over(&times_ms, now_ms)) {
        if over && delete(place, access, &backup.id).await? {
            gone.push(backup.id);
        }
    }
    Ok(gone)
}
