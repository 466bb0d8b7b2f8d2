//! Room: tools. Where RDB files come from: one file, a folder of them, a folder with a manifest. Touches: log, manifest.

use crate::log::plain;
use crate::manifest::{Manifest, TEXT_BYTES_MAX};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use store::rdb::file::read::{Item, ReadOptions, Reader};

/// What is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Files that belong together.
pub struct Source {
    pub manifest: Option<Manifest>,
    pub files: Vec<PathBuf>,
}

impl Source {
    /// An RDB file, a manifest, or a folder: with one manifest, which names the files, or without one, of `.rdb` files.
    pub fn open(path: &Path) -> Result<Source, String> {
        let said = |e: std::io::Error| format!("{}: {}", path.display(), plain(&e));
        if !std::fs::metadata(path).map_err(said)?.is_dir() {
            let is_manifest = path.extension().is_some_and(|end| end == "manifest");
            return if is_manifest {
                Source::of_manifest(path)
            } else {
                Ok(Source { manifest: None, files: vec![path.into()] })
            };
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
        match &manifests[..] {
            [] if files.is_empty() && !logs => {
                Err(format!("{}: neither a manifest nor an .rdb file is there", path.display()))
            }
            [] => Ok(Source { manifest: None, files }),
            [manifest] => Source::of_manifest(manifest),
            [first, second, ..] => Err(format!(
                "{}: there are several manifests: name one, as {} or {}",
                path.display(),
                first.display(),
                second.display()
            )),
        }
    }

    fn of_manifest(path: &Path) -> Result<Source, String> {
        let said = |e: std::io::Error| format!("{}: {}", path.display(), plain(&e));
        let mut text = Vec::new();
        File::open(path).map_err(said)?.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(said)?;
        let manifest = Manifest::parse(&text).map_err(|bad| format!("{}: {bad}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let files = manifest.files.iter().map(|file| folder.join(&file.name)).collect();
        Ok(Source { manifest: Some(manifest), files })
    }

    /// What the manifest says of the `i`th file.
    pub fn told(&self, i: usize) -> Option<&crate::manifest::File> {
        self.manifest.as_ref().map(|manifest| &manifest.files[i])
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

/// Shows every item of a file. Errors name the file, and the place in it where there is one.
pub fn each(
    path: &Path,
    skip_modules: bool,
    mut visit: impl FnMut(Item<'_>) -> Result<(), String>,
) -> Result<Whole, String> {
    let name = path.display();
    let said = |e: std::io::Error| format!("{name}: {}", plain(&e));
    let mut file = File::open(path).map_err(said)?;
    let meta = file.metadata().map_err(said)?;
    // What is no file (a pipe) has no size.
    let size = meta.is_file().then_some(meta.len());
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
