//! The folder that snapshots lie in: one server has it at a time, and what no snapshot needs any more is swept up.

use crate::appendlog;
use crate::log::plain;
use crate::manifest::{self, Manifest};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// What a server locks that writes into a folder.
pub const LOCK: &str = "torc.lock";

/// Held, the folder is nobody else's.
#[derive(Debug)]
pub struct Lock {
    pub folder: PathBuf,
    /// None: nobody else can be there (simulation).
    _file: Option<File>,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum NoLock {
    Taken,
    Failed(io::Error),
}

impl Lock {
    /// Of a folder that is not on any disk.
    pub fn pretended(folder: &Path) -> Lock {
        Lock { folder: folder.into(), _file: None }
    }

    pub fn take(folder: &Path) -> Result<Lock, NoLock> {
        let path = folder.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(NoLock::Failed)?;
        // SAFETY: no memory is involved; the descriptor is open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(Lock { folder: folder.to_path_buf(), _file: Some(file) });
        }
        let error = io::Error::last_os_error();
        Err(if error.kind() == io::ErrorKind::WouldBlock { NoLock::Taken } else { NoLock::Failed(error) })
    }
}

impl NoLock {
    /// Of this folder.
    pub fn explain(&self, folder: &Path) -> String {
        let folder = folder.display();
        match self {
            NoLock::Taken => format!(
                "Another server keeps its data in {folder} ({LOCK} there is locked): give this one a folder of its own with \
                 'dir', or end the other"
            ),
            NoLock::Failed(e) => format!("{folder}/{LOCK}: {}", crate::log::plain(e)),
        }
    }
}

/// `dump` of `dump.rdb`.
pub fn stem_of(dbfilename: &str) -> String {
    dbfilename.strip_suffix(".rdb").unwrap_or(dbfilename).to_string()
}

/// What a folder held of ours when it was looked at.
#[derive(Clone, Default, Debug)]
pub struct Kept {
    pub folder: PathBuf,
    /// Of `dbfilename`.
    pub stem: String,
    /// The highest that any file there has.
    pub serial: u64,
    /// The files that the manifest names.
    pub files: Vec<PathBuf>,
    /// Of the append log, with their serials.
    pub segments: Vec<(u64, PathBuf)>,
}

impl Kept {
    pub fn add_segments(&mut self, segments: Vec<(u64, PathBuf)>) {
        self.serial = segments.iter().fold(self.serial, |highest, (serial, _)| highest.max(*serial));
        self.segments.extend(segments);
    }
}

/// What lies in a folder, by name. Names of ours are text: others are passed over.
fn names(folder: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let entries = entries.map_err(|e| format!("{}: {}", folder.display(), plain(&e)))?;
    Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// A segment of an append log of whatever name, if one is in a folder.
pub fn any_segment(folder: &Path) -> Result<Option<String>, String> {
    Ok(names(folder)?.into_iter().find(|name| appendlog::is_segment_name(name)))
}

/// The append log's segments in a folder, with their serials, in order.
pub fn segments(folder: &Path, stem: &str) -> Result<Vec<(u64, PathBuf)>, String> {
    let of_ours = |name: &String| Some((appendlog::parse_segment_name(stem, name)?.0, folder.join(name)));
    let mut segments: Vec<_> = names(folder)?.iter().filter_map(of_ours).collect();
    segments.sort();
    Ok(segments)
}

/// What is there to be loaded.
#[derive(Debug, Default)]
pub struct Found {
    pub kept: Kept,
    pub manifest: Option<Manifest>,
    /// Without a manifest: the file that `dbfilename` names, with its length.
    pub file: Option<(PathBuf, u64)>,
    /// Files of snapshots that were never finished, or that a later one has replaced.
    pub leftovers: Vec<PathBuf>,
    /// The file that `dbfilename` names is newer than the manifest, which counts.
    pub ignored: Option<PathBuf>,
}

/// Looks at a folder. A manifest that is none is an error that names it, as is one whose files are not all there whole.
pub fn survey(folder: &Path, dbfilename: &str) -> Result<Found, String> {
    let stem = stem_of(dbfilename);
    let named = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let manifest_path = folder.join(manifest::manifest_name(&stem));
    let manifest = match std::fs::read(&manifest_path) {
        Ok(text) => Some(Manifest::parse(&text).map_err(|e| named(&manifest_path, &e))?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(named(&manifest_path, &e)),
    };
    let mut found =
        Found { kept: Kept { folder: folder.into(), stem: stem.clone(), ..Kept::default() }, ..Found::default() };
    if let Some(manifest) = &manifest {
        found.kept.serial = manifest.serial;
        for file in &manifest.files {
            let path = folder.join(&file.name);
            let there = std::fs::metadata(&path)
                .map_err(|e| format!("{}: {e}, but {} names it", path.display(), manifest_path.display()))?;
            if there.len() != file.bytes {
                return Err(format!(
                    "{}: it has {} bytes, and {} by {}",
                    path.display(),
                    there.len(),
                    file.bytes,
                    manifest_path.display()
                ));
            }
            found.kept.files.push(path);
        }
    }
    let plain = folder.join(dbfilename);
    // An empty name is no file.
    let plain = match std::fs::metadata(&plain) {
        Ok(about) if about.is_file() => Some((plain, about)),
        Ok(_) => None,
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(named(&plain, &e)),
    };
    match (&manifest, plain) {
        (Some(manifest), Some((path, about))) => {
            let changed = about.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
            found.ignored = changed.is_some_and(|t| t.as_millis() as u64 > manifest.time_ms).then_some(path);
        }
        (None, Some((path, about))) => found.file = Some((path, about.len())),
        (_, None) => {}
    }
    for name in names(folder)? {
        let path = folder.join(&name);
        let half_written = name.strip_suffix(".new") == Some(&manifest::manifest_name(&stem));
        let ours = manifest::parse_file_name(&stem, &name);
        if let Some((serial, _)) = ours {
            found.kept.serial = found.kept.serial.max(serial);
        }
        let needed = found.kept.files.contains(&path);
        if half_written || ours.is_some() && !needed {
            found.leftovers.push(path);
        }
    }
    found.leftovers.sort();
    found.manifest = manifest;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("torc-folder-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.join(name), text).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn one_server_has_a_folder() {
        let folder = Folder::new("lock");
        let lock = Lock::take(&folder.0).unwrap();
        assert!(matches!(Lock::take(&folder.0), Err(NoLock::Taken)));
        drop(lock);
        Lock::take(&folder.0).unwrap();
        let nowhere = folder.0.join("nowhere");
        let refused = Lock::take(&nowhere).unwrap_err();
        assert_eq!(refused.explain(&nowhere), format!("{}/torc.lock: No such file or directory", nowhere.display()));
    }

    #[test]
    fn a_survey_tells_what_is_needed_and_what_is_left_over() {
        let folder = Folder::new("survey");
        let found = survey(&folder.0, "dump.rdb").unwrap();
        assert!(found.manifest.is_none() && found.file.is_none() && found.leftovers.is_empty());
        assert_eq!((found.kept.serial, &found.kept.stem[..]), (0, "dump"));

        folder.write("dump.rdb", "plain");
        folder.write("other-0000000009-0.rdb", "somebody else's");
        folder.write("dump-0000000003-0.rdb", "unfinished");
        let found = survey(&folder.0, "dump.rdb").unwrap();
        assert_eq!(found.file, Some((folder.0.join("dump.rdb"), 5)));
        assert_eq!(found.leftovers, [folder.0.join("dump-0000000003-0.rdb")]);
        assert_eq!(found.kept.serial, 3);

        let file = |name: &str, bytes| manifest::File { name: name.into(), keys: 1, bytes, crc64: 0 };
        let of = |files| Manifest { serial: 2, time_ms: 1, version: "0".into(), hash_seed: None, files }.draw();
        folder.write("dump-0000000002-0.rdb", "whole");
        folder.write("dump.manifest", &of(vec![file("dump-0000000002-0.rdb", 5)]));
        folder.write("dump.manifest.new", "half");
        let found = survey(&folder.0, "dump.rdb").unwrap();
        assert!(found.manifest.is_some() && found.file.is_none());
        assert_eq!(found.ignored, Some(folder.0.join("dump.rdb")));
        assert_eq!(found.leftovers, [folder.0.join("dump-0000000003-0.rdb"), folder.0.join("dump.manifest.new")]);
        assert_eq!(found.kept.files, [folder.0.join("dump-0000000002-0.rdb")]);

        // Files that are not as the manifest says.
        for (bytes, why) in [(4, "it has 5 bytes, and 4 by"), (6, "it has 5 bytes, and 6 by")] {
            folder.write("dump.manifest", &of(vec![file("dump-0000000002-0.rdb", bytes)]));
            let error = survey(&folder.0, "dump.rdb").unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        folder.write("dump.manifest", &of(vec![file("gone.rdb", 5)]));
        let error = survey(&folder.0, "dump.rdb").unwrap_err();
        assert!(error.contains("gone.rdb") && error.contains("dump.manifest names it"), "{error}");
        folder.write("dump.manifest", "nothing of the kind\n");
        let error = survey(&folder.0, "dump.rdb").unwrap_err();
        assert!(error.contains("dump.manifest: line 1"), "{error}");
    }
}
