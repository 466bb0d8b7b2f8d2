//! Room: backup. Folders in S3-compatible storage. Whoever calls has a tokio runtime, or waits (`Bucket::wait`) on a thread of its
//! own; nothing here is ever on a shard's thread. Touches: place, log (texts of errors).

use super::place::Place;
use crate::log::plain;
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, GetRange, MultipartUpload, ObjectStore, RetryConfig,
};
use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// S3 takes parts of 5 MiB to 5 GiB, and 10,000 of them. Larger files have larger parts.
const PART_BYTES_MIN: u64 = 8 << 20;
const PARTS_MAX: u64 = 9_000;
/// Parts of one file that are under way: what an upload holds in memory is this many.
const PARTS_AT_ONCE: usize = 3;
/// What is read of an object with one request.
const READ_BYTES: u64 = 8 << 20;
/// One request, its body included: 8 MiB at 70 KB/s.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(120);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// What fails for a moment is tried again so often, for so long.
const RETRIES_MAX: usize = 6;
const RETRY_TIME_MAX: Duration = Duration::from_secs(60);

/// How storage is spoken to. What is not said comes from the environment: AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID,
/// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and what else AWS's own tools read there.
#[derive(clap::Args, Clone, Default, PartialEq, Eq, Debug)]
pub struct Access {
    /// URL of an S3-compatible server; else AWS_ENDPOINT_URL, else Amazon's
    #[arg(long = "s3-endpoint", value_name = "URL")]
    pub endpoint: Option<String>,
    /// Region of S3; else AWS_REGION
    #[arg(long = "s3-region", value_name = "NAME")]
    pub region: Option<String>,
    #[arg(skip)]
    pub access_key: Option<String>,
    #[arg(skip)]
    pub secret_key: Option<String>,
}

pub struct Bucket {
    name: String,
    store: AmazonS3,
    /// For `wait`.
    runtime: OnceLock<Runtime>,
}

/// What a folder holds: names, without those of folders above.
#[derive(Default, Debug)]
pub struct Names {
    pub folders: Vec<String>,
    pub objects: Vec<String>,
}

impl Bucket {
    /// The bucket of a place in S3. Nothing is asked of it yet.
    pub fn open(place: &Place, access: &Access) -> Result<Bucket, String> {
        let Place::S3 { bucket, .. } = place else { return Err(format!("{place}: this is no bucket")) };
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(200), ..BackoffConfig::default() };
        let retry = RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIME_MAX };
        let client = ClientOptions::new().with_timeout(REQUEST_TIME_MAX).with_connect_timeout(CONNECT_TIME_MAX);
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
        for (key, value) in [
            (AmazonS3ConfigKey::Endpoint, &access.endpoint),
            (AmazonS3ConfigKey::Region, &access.region),
            (AmazonS3ConfigKey::AccessKeyId, &access.access_key),
            (AmazonS3ConfigKey::SecretAccessKey, &access.secret_key),
        ] {
            if let Some(value) = value {
                builder = builder.with_config(key, value);
            }
        }
        // Who names a server without TLS means it.
        let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
        let builder = builder.with_client_options(client.with_allow_http(endpoint.starts_with("http://")));
        let store = builder.build().map_err(|e| format!("{place}: {}", said(&e)))?;
        Ok(Bucket { name: bucket.clone(), store, runtime: OnceLock::new() })
    }

    pub fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// Waits for something, on a thread that may wait and belongs to no runtime.
    pub fn wait<T>(&self, what: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        if self.runtime.get().is_none() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let _ = self.runtime.set(runtime.map_err(|e| format!("A runtime cannot be started: {e}"))?);
        }
        self.runtime.get().expect("it is there by now").block_on(what)
    }

    fn failed(&self, key: &str, error: &Error) -> String {
        format!("{}: {}", self.url(key), said(error))
    }

    /// What lies in a folder; empty: in the bucket itself.
    pub async fn names_in(&self, folder: &str) -> Result<Names, String> {
        let prefix = (!folder.is_empty()).then(|| Key::from(folder));
        let listed = self.store.list_with_delimiter(prefix.as_ref()).await.map_err(|e| self.failed(folder, &e))?;
        let last = |key: &Key| key.filename().map(str::to_string);
        Ok(Names {
            folders: listed.common_prefixes.iter().filter_map(last).collect(),
            objects: listed.objects.iter().filter_map(|object| last(&object.location)).collect(),
        })
    }

    /// All of a small object. One of more than `most` bytes is a mistake.
    pub async fn small(&self, key: &str, most: usize) -> Result<Bytes, String> {
        self.small_if_there(key, most).await?.ok_or_else(|| format!("{}: it is not there", self.url(key)))
    }

    pub async fn small_if_there(&self, key: &str, most: usize) -> Result<Option<Bytes>, String> {
        let got = match self.store.get(&Key::from(key)).await {
            Ok(got) => got,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(self.failed(key, &e)),
        };
        if got.meta.size > most as u64 {
            return Err(format!(
                "{}: it has {} bytes, which is too much for what it should be",
                self.url(key),
                got.meta.size
            ));
        }
        got.bytes().await.map(Some).map_err(|e| self.failed(key, &e))
    }

    /// Puts a small object in place.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), String> {
        self.store.put(&Key::from(key), bytes.into()).await.map(drop).map_err(|e| self.failed(key, &e))
    }

    /// A file becomes an object, whole or not at all. `rate`: bytes a second at most, asked for again and again; 0: no limit.
    pub async fn upload(&self, key: &str, path: &Path, rate: impl Fn() -> u64) -> Result<u64, String> {
        let local = |e: io::Error| format!("{}: {}", path.display(), plain(&e));
        let mut file = File::open(path).map_err(local)?;
        let bytes = file.metadata().map_err(local)?.len();
        let part_bytes = PART_BYTES_MIN.max(bytes.div_ceil(PARTS_MAX));
        if bytes <= part_bytes {
            let (_, piece) = read_piece(file, bytes).await.map_err(local)?;
            self.put(key, piece.into()).await?;
            return Ok(bytes);
        }
        let mut upload = self.store.put_multipart(&Key::from(key)).await.map_err(|e| self.failed(key, &e))?;
        let (mut under_way, mut left) = (JoinSet::new(), bytes);
        let mut sent = Ok(());
        while left > 0 && sent.is_ok() {
            let began = Instant::now();
            let (same, piece) = match read_piece(file, left.min(part_bytes)).await {
                Ok(read) => read,
                Err(e) => {
                    sent = Err(local(e));
                    break;
                }
            };
            file = same;
            let piece_bytes = piece.len() as u64;
            left -= piece_bytes;
            under_way.spawn(upload.put_part(piece.into()));
            if under_way.len() >= PARTS_AT_ONCE {
                sent = self.one_part(key, &mut under_way).await;
            }
            if let rate @ 1.. = rate() {
                let due = Duration::from_secs_f64(piece_bytes as f64 / rate as f64);
                tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
            }
        }
        while sent.is_ok() && !under_way.is_empty() {
            sent = self.one_part(key, &mut under_way).await;
        }
        let done = match sent {
            Ok(()) => upload.complete().await.map(drop).map_err(|e| self.failed(key, &e)),
            Err(e) => Err(e),
        };
        if done.is_err() {
            under_way.shutdown().await;
            // Parts that nobody can name any more: where this fails too, the bucket's own rules remove them.
            let _ = upload.abort().await;
        }
        done.map(|()| bytes)
    }

    async fn one_part(&self, key: &str, parts: &mut JoinSet<Result<(), Error>>) -> Result<(), String> {
        match parts.join_next().await {
            Some(Ok(done)) => done.map_err(|e| self.failed(key, &e)),
            Some(Err(e)) => Err(format!("{}: {e}", self.url(key))),
            None => Ok(()),
        }
    }

    /// Removes a folder: `first` before all else that lies in it.
    pub async fn remove_folder(&self, folder: &str, first: &str) -> Result<(), String> {
        let mut names = self.names_in(folder).await?.objects;
        names.sort_by_key(|name| name != first);
        for name in names {
            let key = format!("{folder}/{name}");
            match self.store.delete(&Key::from(&key[..])).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(e) => return Err(self.failed(&key, &e)),
            }
        }
        Ok(())
    }

    /// When the oldest object of a folder was written, Unix s; None: there is none.
    pub async fn written_s(&self, folder: &str) -> Result<Option<u64>, String> {
        let key = Key::from(folder);
        let listed = self.store.list_with_delimiter(Some(&key)).await.map_err(|e| self.failed(folder, &e))?;
        Ok(listed.objects.iter().map(|object| object.last_modified.timestamp().max(0) as u64).min())
    }

    /// An object to be read on a thread that may wait, and its length.
    pub fn reader(&self, key: &str) -> Result<(ObjectReader<'_>, u64), String> {
        let about = self.wait(async {
            let about = self.store.head(&Key::from(key)).await;
            about.map_err(|e| self.failed(key, &e))
        })?;
        let reader = ObjectReader {
            bucket: self,
            key: key.into(),
            size: about.size,
            tag: about.e_tag,
            at: 0,
            block: Bytes::new(),
        };
        Ok((reader, about.size))
    }
}

/// The next `count` bytes of a file, read where it may take its time.
async fn read_piece(mut file: File, count: u64) -> io::Result<(File, Vec<u8>)> {
    let read = move || {
        let mut piece = Vec::with_capacity(count as usize);
        (&mut file).take(count).read_to_end(&mut piece)?;
        if (piece.len() as u64) < count {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        Ok((file, piece))
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|e| Err(io::Error::other(e)))
}

/// Why, in one line that fits into a reply.
fn said(error: &Error) -> String {
    const CHARS_MAX: usize = 300;
    match error {
        Error::NotFound { .. } => return "it is not there".into(),
        Error::PermissionDenied { .. } => return "access is refused: these credentials may not".into(),
        Error::Unauthenticated { .. } => return "access is refused: the credentials are missing or wrong".into(),
        Error::Precondition { .. } => return "it was replaced while it was read".into(),
        _ => {}
    }
    let text: String = error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(CHARS_MAX) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

/// An object, request by request.
pub struct ObjectReader<'a> {
    bucket: &'a Bucket,
    key: String,
    size: u64,
    /// So that all requests see the same object.
    tag: Option<String>,
    at: u64,
    block: Bytes,
}

impl Read for ObjectReader<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() && self.at < self.size {
            let end = self.size.min(self.at + READ_BYTES);
            let options = GetOptions {
                range: Some(GetRange::Bounded(self.at..end)),
                if_match: self.tag.clone(),
                ..GetOptions::default()
            };
            let (bucket, key) = (self.bucket, &self.key);
            let block = bucket.wait(async {
                let got = bucket.store.get_opts(&Key::from(&key[..]), options).await.map_err(|e| said(&e))?;
                got.bytes().await.map_err(|e| said(&e))
            });
            self.block = block.map_err(io::Error::other)?;
            if self.block.len() as u64 != end - self.at {
                return Err(io::Error::other("the server has sent less than it was asked for"));
            }
            self.at = end;
        }
        let count = to.len().min(self.block.len());
        to[..count].copy_from_slice(&self.block.split_to(count));
        Ok(count)
    }
}
