//! Room: backup. Where RDB files come from: one file, a folder of them, a folder with a manifest, the same in S3.
//! Touches: s3, place, log (texts of errors), manifest.

use super::place::Place;
use super::s3::{Access, Bucket};
use crate::log::plain;
use crate::manifest::{self, Manifest, TEXT_BYTES_MAX};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use store::rdb::file::read::{Item, ReadOptions, Reader};

/// What is read at once.
const PIECE_BYTES: usize = 1 << 20;
/// `REDIS` and four digits, and some.
const HEAD_BYTES: usize = 512;

/// Files that belong together.
pub struct Source {
    pub manifest: Option<Manifest>,
    pub files: Vec<SourceFile>,
    bucket: Option<Bucket>,
}

/// One of them.
pub struct SourceFile {
    /// As errors name it.
    pub name: String,
    at: At,
}

enum At {
    Path(PathBuf),
    /// Its key in the bucket.
    Key(String),
}

/// A name and its ending.
fn ends_in(name: &str, end: &str) -> bool {
    Path::new(name).extension().is_some_and(|it| it == end)
}

impl Source {
    /// A place, as `Place` is written; `access`: how S3 is spoken to.
    pub fn open(text: &str, access: &Access) -> Result<Source, String> {
        match Place::parse(text)? {
            Place::Folder(path) => Source::of_path(&path),
            place @ Place::S3 { .. } => Source::of_bucket(&place, access),
        }
    }

    /// An RDB file, a manifest, or a folder: with one manifest, which names the files, or without one, of `.rdb` files.
    pub fn of_path(path: &Path) -> Result<Source, String> {
        let said = |e: io::Error| format!("{}: {}", path.display(), plain(&e));
        if !std::fs::metadata(path).map_err(said)?.is_dir() {
            let is_manifest = path.extension().is_some_and(|end| end == "manifest");
            return if is_manifest { Source::of_manifest(path) } else { Ok(Source::of_paths(vec![path.into()])) };
        }
        let (mut manifests, mut files, mut logs) = (Vec::new(), Vec::new(), false);
        for entry in std::fs::read_dir(path).map_err(said)? {
            let path = entry.map_err(said)?.path();
            match path.extension().and_then(|end| end.to_str()) {
                Some("manifest") => manifests.push(path),
                Some("rdb") => files.push(path),
                // An append log without a snapshot.
                Some("log") => logs = true,
                _ => {}
            }
        }
        manifests.sort();
        files.sort();
        if logs && manifests.is_empty() && files.is_empty() {
            return Ok(Source::of_paths(files));
        }
        let names = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        match one_manifest(&path.display(), &names(&manifests), &names(&files))? {
            Some(at) => Source::of_manifest(&manifests[at]),
            None => Ok(Source::of_paths(files)),
        }
    }

    /// These files, in this order.
    pub fn of_paths(paths: Vec<PathBuf>) -> Source {
        let file = |path: PathBuf| SourceFile { name: path.display().to_string(), at: At::Path(path) };
        Source { manifest: None, files: paths.into_iter().map(file).collect(), bucket: None }
    }

    fn of_manifest(path: &Path) -> Result<Source, String> {
        let said = |e: io::Error| format!("{}: {}", path.display(), plain(&e));
        let mut text = Vec::new();
        File::open(path).map_err(said)?.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(said)?;
        let manifest = Manifest::parse(&text).map_err(|bad| format!("{}: {bad}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut source = Source::of_paths(manifest.files.iter().map(|file| folder.join(&file.name)).collect());
        source.manifest = Some(manifest);
        Ok(source)
    }

    fn of_bucket(place: &Place, access: &Access) -> Result<Source, String> {
        let bucket = Bucket::open(place, access)?;
        let Place::S3 { prefix, .. } = place else { unreachable!("the caller has looked") };
        let key = |name: &str| if prefix.is_empty() { name.to_string() } else { format!("{prefix}/{name}") };
        let named = |key: &str| SourceFile { name: bucket.url(key), at: At::Key(key.into()) };
        let of_manifest = |manifest_key: &str| -> Result<(Option<Manifest>, Vec<SourceFile>), String> {
            let text = bucket.wait(bucket.small(manifest_key, TEXT_BYTES_MAX))?;
            let manifest = Manifest::parse(&text).map_err(|bad| format!("{}: {bad}", bucket.url(manifest_key)))?;
            let folder = manifest_key.rsplit_once('/').map_or("", |(folder, _)| folder);
            let beside = |name: &str| if folder.is_empty() { name.into() } else { format!("{folder}/{name}") };
            let files = manifest.files.iter().map(|file| named(&beside(&file.name))).collect::<Vec<_>>();
            Ok((Some(manifest), files))
        };
        let (manifest, files) = if ends_in(prefix, "manifest") {
            of_manifest(prefix)?
        } else if ends_in(prefix, "rdb") {
            (None, vec![named(prefix)])
        } else {
            let there = bucket.wait(bucket.names_in(prefix))?;
            let (mut manifests, mut files): (Vec<String>, Vec<String>) = Default::default();
            for name in there.objects {
                match name {
                    name if ends_in(&name, "manifest") => manifests.push(key(&name)),
                    name if ends_in(&name, "rdb") => files.push(key(&name)),
                    _ => {}
                }
            }
            manifests.sort();
            files.sort();
            match one_manifest(&place, &manifests, &files)? {
                Some(at) => of_manifest(&manifests[at])?,
                None => (None, files.iter().map(|key| named(key)).collect()),
            }
        };
        Ok(Source { manifest, files, bucket: Some(bucket) })
    }

    /// What the manifest says of the `i`th file.
    pub fn told(&self, i: usize) -> Option<&manifest::File> {
        self.manifest.as_ref().map(|manifest| &manifest.files[i])
    }

    /// The `i`th file's bytes, and how many there are, where that is known.
    fn read(&self, i: usize) -> Result<(Box<dyn Read + '_>, Option<u64>), String> {
        let file = &self.files[i];
        match &file.at {
            At::Path(path) => {
                let said = |e: io::Error| format!("{}: {}", file.name, plain(&e));
                let open = File::open(path).map_err(said)?;
                let meta = open.metadata().map_err(said)?;
                // What is no file (a pipe) has no size.
                Ok((Box::new(open), meta.is_file().then_some(meta.len())))
            }
            At::Key(key) => {
                let bucket = self.bucket.as_ref().expect("keys are of a bucket");
                let (reader, size) = bucket.reader(key)?;
                Ok((Box::new(reader), Some(size)))
            }
        }
    }

    /// The version that the `i`th file tells of itself.
    pub fn version(&self, i: usize) -> Result<u16, String> {
        let (mut file, size) = self.read(i)?;
        let mut reader = Reader::new(ReadOptions { size, verify: true, skip_modules: false });
        let mut head = vec![0; HEAD_BYTES];
        let count = file.read(&mut head).map_err(|e| format!("{}: {}", self.files[i].name, plain(&e)))?;
        reader.feed(&head[..count]);
        reader.next().map_err(|bad| format!("{}: {bad}", self.files[i].name))?;
        Ok(reader.version())
    }

    /// Shows every item of the `i`th file. Errors name the file, and the place in it where there is one.
    pub fn each(
        &self,
        i: usize,
        skip_modules: bool,
        mut visit: impl FnMut(Item<'_>) -> Result<(), String>,
    ) -> Result<Whole, String> {
        let name = &self.files[i].name;
        let (mut file, size) = self.read(i)?;
        let said = |e: io::Error| format!("{name}: {}", plain(&e));
        let mut reader = Reader::new(ReadOptions { size, verify: true, skip_modules });
        let (mut piece, mut bytes) = (vec![0; PIECE_BYTES], 0);
        loop {
            match reader.next().map_err(|bad| format!("{name}: {bad}"))? {
                Item::NeedMore => {
                    let count = file.read(&mut piece).map_err(said)?;
                    if count == 0 {
                        reader.finish().map_err(|bad| format!("{name}: {bad}"))?;
                    }
                    reader.feed(&piece[..count]);
                    bytes += count as u64;
                }
                Item::End => break,
                item => visit(item).map_err(|wrong| format!("{name}: {wrong}"))?,
            }
        }
        let end = reader.at();
        let trails = end < bytes || file.read(&mut piece).map_err(said)? > 0;
        Ok(Whole { bytes: end, trails, version: reader.version(), crc64: reader.sum() })
    }

    /// Whether the `i`th file is what the manifest tells of it, if there is one. `keys`: as many were in it.
    pub fn compare(&self, i: usize, whole: &Whole, keys: u64) -> Result<(), String> {
        let Some(told) = self.told(i) else { return Ok(()) };
        let name = &self.files[i].name;
        for (what, told, found) in [("bytes", told.bytes, whole.bytes), ("keys", told.keys, keys)] {
            if told != found {
                return Err(format!("{name}: it has {found} {what}, the manifest tells of {told}"));
            }
        }
        if whole.trails {
            return Err(format!("{name}: something follows its end at byte {}", whole.bytes));
        }
        if told.crc64 != whole.crc64 {
            return Err(format!(
                "{name}: its checksum is {:016x}, in the manifest it is {:016x}",
                whole.crc64, told.crc64
            ));
        }
        Ok(())
    }
}

/// Which manifest counts; None: the files do.
fn one_manifest(
    place: &dyn std::fmt::Display,
    manifests: &[String],
    files: &[String],
) -> Result<Option<usize>, String> {
    match manifests {
        [] if files.is_empty() => Err(format!("{place}: neither a manifest nor an .rdb file is there")),
        [] => Ok(None),
        [_] => Ok(Some(0)),
        [first, second, ..] => Err(format!("{place}: there are several manifests: name one, as {first} or {second}")),
    }
}

/// What reading a whole file has shown.
pub struct Whole {
    /// Up to the end that the file tells.
    pub bytes: u64,
    /// Something follows the end. Redis does not look at it: a replica's copy may have the mark that ended its transfer.
    pub trails: bool,
    pub version: u16,
    /// Of all but the last eight bytes.
    pub crc64: u64,
}
