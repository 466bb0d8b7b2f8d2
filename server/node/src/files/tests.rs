use super::*;
use crate::log::Target;
use std::path::Path;
use std::time::{Duration, Instant};

struct Folder(PathBuf);

impl Folder {
    fn new(under: &Path, name: &str) -> Folder {
        let path = under.join(format!("torc-files-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn files() -> Files {
    let log = Log::new(crate::log::Level::Nothing, Target::Stderr).unwrap();
    Files::for_shards(1, &log).unwrap().remove(0)
}

/// Everything that is heard until `last` is.
fn hear(files: &mut Files, last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let end = Instant::now() + Duration::from_secs(30);
    let mut all = Vec::new();
    while !all.iter().any(&last) {
        assert!(Instant::now() < end, "nothing more comes after {} events", all.len());
        all.extend(files.events());
        std::thread::sleep(Duration::from_millis(1));
    }
    all
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 31 + n / 253) as u8).collect()
}

fn ends(event: &Event) -> bool {
    matches!(event, Event::Finished { .. } | Event::Failed { .. } | Event::ReadAll { .. })
}

fn out(bytes: &[u8]) -> Out {
    let mut out = Out::new();
    out.extend(bytes);
    out
}

#[test]
fn what_is_written_is_read() {
    // A file system with direct I/O, as a rule, and one without.
    for under in [std::env::temp_dir(), PathBuf::from("/dev/shm")] {
        if !under.is_dir() {
            eprintln!("skipped: there is no {}", under.display());
            continue;
        }
        let folder = Folder::new(&under, "round");
        let mut files = files();
        for (id, bytes) in
            [0, 1, 4095, 4096, 4097, BLOCK_BYTES, BLOCK_BYTES + 1, 9 * BLOCK_BYTES + 77].iter().enumerate()
        {
            let (id, path, whole) = (id as u64 * 2, folder.0.join("file"), text(*bytes));
            files.ask(Ask::Create { id, path: path.clone() });
            for piece in whole.chunks(100_003) {
                files.ask(Ask::Write { id, out: out(piece) });
            }
            files.ask(Ask::Finish { id });
            let heard = hear(&mut files, ends);
            let Some(Event::Finished { bytes: written, .. }) = heard.last() else { panic!("{heard:?}") };
            assert_eq!((*written, std::fs::metadata(&path).unwrap().len()), (*bytes as u64, *bytes as u64));
            files.ask(Ask::Read { id: id + 1, path });
            let mut read = Vec::new();
            'reading: loop {
                for event in hear(&mut files, |_| true) {
                    match event {
                        Event::Read { bytes, .. } => {
                            files.ask(Ask::Taken { id: id + 1, bytes: bytes.len() });
                            read.extend(bytes);
                        }
                        Event::ReadAll { .. } => break 'reading,
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert!(read == whole, "{bytes} bytes come back as they were");
        }
    }
}

#[test]
fn nothing_is_left_of_what_is_given_up() {
    let folder = Folder::new(&std::env::temp_dir(), "given-up");
    let mut files = files();
    let path = folder.0.join("file");
    files.ask(Ask::Create { id: 1, path: path.clone() });
    files.ask(Ask::Write { id: 1, out: out(&text(3 * BLOCK_BYTES)) });
    files.ask(Ask::Abandon { id: 1 });
    hear(&mut files, |e| matches!(e, Event::Abandoned { id: 1 }));
    assert!(!path.exists());
    // One that is finished is removed by its path.
    files.ask(Ask::Create { id: 2, path: path.clone() });
    files.ask(Ask::Finish { id: 2 });
    hear(&mut files, ends);
    assert!(path.exists());
    files.ask(Ask::Remove { id: 3, paths: vec![path.clone(), folder.0.join("never")] });
    hear(&mut files, |e| matches!(e, Event::Abandoned { id: 3 }));
    assert!(!path.exists());
}

#[test]
fn failures_name_the_file_and_the_reason() {
    let folder = Folder::new(&std::env::temp_dir(), "failures");
    let mut files = files();
    let path = folder.0.join("nowhere").join("file");
    for ask in [
        Ask::Create { id: 1, path: path.clone() },
        Ask::Read { id: 1, path: path.clone() },
        Ask::Seal { id: 1, path: path.clone(), text: String::new(), obsolete: Vec::new() },
    ] {
        files.ask(ask);
        let heard = hear(&mut files, ends);
        let Some(Event::Failed { error, .. }) = heard.last() else { panic!("{heard:?}") };
        assert_eq!(*error, format!("{}: No such file or directory (os error 2)", path.display()));
        files.ask(Ask::Write { id: 1, out: out(b"x") });
        files.ask(Ask::Finish { id: 1 });
        files.ask(Ask::Abandon { id: 1 });
        hear(&mut files, |e| matches!(e, Event::Abandoned { id: 1 }));
    }
}

/// A device that is always full, by a link: what fails is removed.
#[test]
fn a_full_disk_is_an_error() {
    let folder = Folder::new(&std::env::temp_dir(), "full");
    let mut files = files();
    let path = folder.0.join("file");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    files.ask(Ask::Create { id: 1, path: path.clone() });
    files.ask(Ask::Write { id: 1, out: out(&text(1000)) });
    files.ask(Ask::Finish { id: 1 });
    let heard = hear(&mut files, ends);
    let Some(Event::Failed { error, .. }) = heard.last() else { panic!("{heard:?}") };
    assert!(error.contains("No space left on device"), "{error}");
    assert!(!path.exists() && Path::new("/dev/full").exists());
}

#[test]
fn a_seal_takes_the_place_of_the_last_and_removes_what_it_names() {
    let folder = Folder::new(&std::env::temp_dir(), "seal");
    let mut files = files();
    let (path, old) = (folder.0.join("manifest"), folder.0.join("old"));
    std::fs::write(&path, "before").unwrap();
    std::fs::write(&old, "old").unwrap();
    files.ask(Ask::Seal { id: 1, path: path.clone(), text: "after".into(), obsolete: vec![old.clone()] });
    hear(&mut files, ends);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "after");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}
