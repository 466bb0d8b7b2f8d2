//! A thread for files: one task for each file that is open.

use super::queue::Queue;
use super::stream::{Sink, Source};
use super::{Ask, BLOCK_BYTES, BLOCKS_BEHIND, Ears, Event, FileId, READ_AHEAD_BYTES};
use glommio::channels::local_channel::{self, LocalReceiver, LocalSender};
use glommio::{LocalExecutorBuilder, Placement};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// Direct I/O takes its buffers from here: enough for the files of four shards.
const IO_MEMORY: usize = 4 * (BLOCKS_BEHIND + 2) * BLOCK_BYTES;

/// On the thread; for as long as the process lives.
pub(super) fn run(queue: &Arc<Queue>) {
    let executor =
        LocalExecutorBuilder::new(Placement::Unbound).name("files").io_memory(IO_MEMORY).ring_depth(256).make();
    let executor = match executor {
        Ok(executor) => executor,
        Err(e) => return queue.refuse(&format!("Could not start an executor for files: {e}")),
    };
    executor.run(serve(queue.clone()));
}

async fn serve(queue: Arc<Queue>) {
    let mut open: HashMap<(usize, FileId), LocalSender<Ask>> = HashMap::new();
    let said = Rc::new(std::cell::Cell::new(false));
    loop {
        let (shard, ask) = queue.next().await;
        let ears = queue.ears(shard);
        match ask {
            Ask::Create { id, path } => {
                let (sender, asks) = local_channel::new_unbounded();
                open.insert((shard, id), sender);
                let (log, said) = (queue.log().clone(), said.clone());
                let buffered = move |path: &Path| {
                    if !said.replace(true) {
                        let folder = path.parent().unwrap_or(path).display();
                        log.notice(format_args!(
                            "The file system of {folder} has no direct I/O: files there go through the page cache"
                        ));
                    }
                };
                glommio::spawn_local(write_file(id, path, asks, ears, buffered)).detach();
            }
            Ask::Read { id, path } => {
                let (sender, asks) = local_channel::new_unbounded();
                open.insert((shard, id), sender);
                glommio::spawn_local(read_file(id, path, asks, ears)).detach();
            }
            Ask::Write { id, .. } | Ask::Taken { id, .. } => {
                // A file whose task has ended: the ask crossed its last event.
                if open.get(&(shard, id)).is_some_and(|file| file.try_send(ask).is_err()) {
                    open.remove(&(shard, id));
                }
            }
            Ask::Finish { id } => {
                // If it fails now, `Abandon` finds nothing left of it.
                if let Some(file) = open.remove(&(shard, id)) {
                    let _ = file.try_send(ask);
                }
            }
            Ask::Abandon { id } => {
                let told = open.remove(&(shard, id)).is_some_and(|file| file.try_send(ask).is_ok());
                if !told {
                    ears.post(Event::Abandoned { id });
                }
            }
            Ask::Remove { id, paths } => {
                paths.iter().for_each(|path| remove(path));
                ears.post(Event::Abandoned { id });
            }
            Ask::Log(_) => unreachable!("the append log has a thread of its own"),
            Ask::Keep { .. } => unreachable!("the keeper has it"),
            Ask::Seal { id, path, text, obsolete } => ears.post(match seal(&path, &text) {
                Ok(synced) => {
                    match synced {
                        // The new ones count already: what cannot be removed now is removed at the next start.
                        Ok(()) => obsolete.iter().for_each(|path| remove(path)),
                        // After a power cut either may be found: both stay.
                        Err(e) => queue.log().warning(format_args!("{}: syncing its folder: {e}", path.display())),
                    }
                    Event::Finished { id, bytes: text.len() as u64 }
                }
                Err(e) => Event::Failed { id, error: format!("{}: {e}", path.display()) },
            }),
        }
    }
}

fn remove(path: &Path) {
    // Gone already, or the folder is: either way it is not there. What is left otherwise goes at the next start.
    let _ = std::fs::remove_file(path);
}

/// Small enough for plain calls: this thread has time. In place, but perhaps not after a power cut: an error within.
fn seal(path: &Path, text: &str) -> io::Result<io::Result<()>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let sync_folder = || File::open(folder)?.sync_all();
    sync_folder()?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    if let Err(e) = written.and_then(|()| std::fs::rename(&new, path)) {
        remove(&new);
        return Err(e);
    }
    Ok(sync_folder())
}

async fn write_file(
    id: FileId,
    path: PathBuf,
    asks: LocalReceiver<Ask>,
    ears: Arc<Ears>,
    buffered: impl FnOnce(&Path),
) {
    let fail = |e: io::Error| ears.post(Event::Failed { id, error: format!("{}: {e}", path.display()) });
    let mut sink = match Sink::create(&path).await {
        Ok(sink) => {
            if !sink.is_direct() {
                buffered(&path);
            }
            Some(sink)
        }
        Err(e) => {
            fail(e);
            None
        }
    };
    while let Some(ask) = asks.recv().await {
        match ask {
            Ask::Write { out, .. } => {
                let bytes = out.len();
                let Some(open) = &mut sink else { continue };
                match open.write(&out).await {
                    Ok(()) => ears.post(Event::Written { id, bytes, spent: out.bytes }),
                    Err(e) => {
                        sink.take().expect("it is open").give_up().await;
                        remove(&path);
                        fail(e);
                    }
                }
            }
            Ask::Finish { .. } => {
                let Some(open) = sink.take() else { continue };
                match open.finish().await {
                    Ok(bytes) => {
                        ears.post(Event::Finished { id, bytes });
                        return;
                    }
                    Err(e) => {
                        remove(&path);
                        return fail(e);
                    }
                }
            }
            Ask::Abandon { .. } => {
                if let Some(open) = sink.take() {
                    open.give_up().await;
                }
                remove(&path);
                ears.post(Event::Abandoned { id });
                return;
            }
            _ => unreachable!("other asks are not for a file that is written"),
        }
    }
}

async fn read_file(id: FileId, path: PathBuf, asks: LocalReceiver<Ask>, ears: Arc<Ears>) {
    let fail = |e: io::Error| ears.post(Event::Failed { id, error: format!("{}: {e}", path.display()) });
    let mut source = match Source::open(&path).await {
        Ok(source) => source,
        Err(e) => return fail(e),
    };
    let mut ahead = 0;
    loop {
        while ahead < READ_AHEAD_BYTES {
            match source.next().await {
                Ok(Some(bytes)) => {
                    ahead += bytes.len();
                    ears.post(Event::Read { id, bytes });
                }
                Ok(None) => {
                    source.close().await;
                    return ears.post(Event::ReadAll { id });
                }
                Err(e) => {
                    source.close().await;
                    return fail(e);
                }
            }
        }
        match asks.recv().await {
            Some(Ask::Taken { bytes, .. }) => ahead -= bytes,
            Some(Ask::Abandon { .. }) | None => {
                source.close().await;
                return ears.post(Event::Abandoned { id });
            }
            Some(_) => unreachable!("other asks are not for a file that is read"),
        }
    }
}
