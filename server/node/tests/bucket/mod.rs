//! Room: node, tests. A server of S3's protocol within the test: as much of it as copies need, and failures on demand.
#![allow(dead_code, reason = "each test file is a crate of its own and uses what it needs")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub const KEY: &str = "tester";

/// One bucket, called `store`.
#[derive(Default)]
pub struct Bucket {
    pub objects: Mutex<BTreeMap<String, Vec<u8>>>,
    uploads: Mutex<HashMap<String, BTreeMap<usize, Vec<u8>>>>,
    /// So many of the next requests fail with 500.
    pub failures: AtomicUsize,
    /// Uploads of keys that end so are refused.
    pub refused: Mutex<Option<String>>,
    pub requests: AtomicUsize,
    next_upload: AtomicUsize,
}

impl Bucket {
    /// Serves until the process ends; its URL.
    pub fn serve() -> (Arc<Bucket>, String) {
        let bucket = Arc::new(Bucket::default());
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let served = bucket.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bucket = served.clone();
                std::thread::spawn(move || bucket.talk(stream));
            }
        });
        (bucket, url)
    }

    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    /// Uploads in parts that were neither completed nor given up.
    pub fn open_uploads(&self) -> usize {
        self.uploads.lock().unwrap().len()
    }

    fn talk(&self, stream: TcpStream) {
        let mut from = BufReader::new(stream.try_clone().expect("a socket can be shared"));
        let mut to = stream;
        while let Some(request) = Request::read(&mut from) {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let (status, headers, body) = self.answer(&request);
            let mut head = format!("HTTP/1.1 {status} X\r\n");
            // The answer to HEAD says how long the body would be.
            let length = headers.iter().find(|(name, _)| *name == "Content-Length").map(|(_, n)| n.clone());
            head += &format!("Content-Length: {}\r\n", length.unwrap_or(body.len().to_string()));
            for (name, value) in headers.iter().filter(|(name, _)| *name != "Content-Length") {
                head += &format!("{name}: {value}\r\n");
            }
            if to.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| to.write_all(&body)).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        let plain = |status: u16| (status, vec![], vec![]);
        if self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
            return plain(500);
        }
        let signed = format!("AWS4-HMAC-SHA256 Credential={KEY}/");
        if !request.headers.get("authorization").is_some_and(|text| text.starts_with(&signed)) {
            return (403, vec![], b"<Error><Code>InvalidAccessKeyId</Code></Error>".to_vec());
        }
        let Some(key) = request.path.strip_prefix("/store") else { return plain(404) };
        let key = key.trim_start_matches('/').to_string();
        let word = |name: &str| request.query.get(name).cloned();
        let refused = self.refused.lock().unwrap().clone();
        if matches!(&request.method[..], "PUT" | "POST") && refused.is_some_and(|end| key.ends_with(&end)) {
            return (403, vec![], b"<Error><Code>AccessDenied</Code></Error>".to_vec());
        }
        let mut objects = self.objects.lock().unwrap();
        let mut uploads = self.uploads.lock().unwrap();
        match (&request.method[..], word("uploadId")) {
            ("GET", _) if key.is_empty() => (200, vec![], list(&objects, &word("prefix").unwrap_or_default())),
            ("POST", None) => {
                let id = self.next_upload.fetch_add(1, Ordering::Relaxed).to_string();
                uploads.insert(id.clone(), BTreeMap::new());
                let body =
                    format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
                (200, vec![], body.into_bytes())
            }
            ("PUT", Some(id)) => {
                let part = word("partNumber").and_then(|n| n.parse().ok());
                let (Some(upload), Some(part)) = (uploads.get_mut(&id), part) else { return plain(404) };
                upload.insert(part, request.body.clone());
                (200, vec![("ETag", format!("\"part{part}\""))], vec![])
            }
            ("POST", Some(id)) => {
                let Some(upload) = uploads.remove(&id) else { return plain(404) };
                let last = upload.len();
                // S3: all parts but the last have 5 MiB at least.
                if upload.values().take(last.saturating_sub(1)).any(|part| part.len() < 5 << 20) {
                    return (400, vec![], b"<Error><Code>EntityTooSmall</Code></Error>".to_vec());
                }
                objects.insert(key, upload.into_values().flatten().collect());
                let body = "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>";
                (200, vec![], body.into())
            }
            ("DELETE", Some(id)) => {
                uploads.remove(&id);
                plain(204)
            }
            ("DELETE", None) => {
                objects.remove(&key);
                plain(204)
            }
            ("PUT", None) => {
                objects.insert(key, request.body.clone());
                (200, vec![("ETag", "\"whole\"".into())], vec![])
            }
            (method @ ("GET" | "HEAD"), None) => {
                let Some(object) = objects.get(&key) else {
                    return (404, vec![], b"<Error><Code>NoSuchKey</Code></Error>".to_vec());
                };
                let about = vec![
                    ("ETag", "\"whole\"".to_string()),
                    ("Last-Modified", "Sun, 29 Nov 2026 10:36:23 GMT".to_string()),
                ];
                let range = request.headers.get("range").and_then(|range| {
                    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
                    Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?.min(object.len() - 1)))
                });
                match (method, range) {
                    ("HEAD", _) => (200, [about, vec![("Content-Length", object.len().to_string())]].concat(), vec![]),
                    (_, Some((from, to))) => {
                        let range = format!("bytes {from}-{to}/{}", object.len());
                        (206, [about, vec![("Content-Range", range)]].concat(), object[from..=to].to_vec())
                    }
                    (_, None) => (200, about, object.clone()),
                }
            }
            _ => plain(405),
        }
    }
}

type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// With the delimiter `/`.
fn list(objects: &BTreeMap<String, Vec<u8>>, prefix: &str) -> Vec<u8> {
    let (mut folders, mut text) = (BTreeSet::new(), String::from("<ListBucketResult><IsTruncated>false</IsTruncated>"));
    for (key, object) in objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
        if let Some((folder, _)) = key[prefix.len()..].split_once('/') {
            folders.insert(format!("{prefix}{folder}/"));
        } else {
            text += &format!(
                "<Contents><Key>{key}</Key><Size>{}</Size><ETag>\"whole\"</ETag>\
                 <LastModified>2026-11-29T10:36:23.000Z</LastModified></Contents>",
                object.len()
            );
        }
    }
    for folder in folders {
        text += &format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
    }
    (text + "</ListBucketResult>").into_bytes()
}

struct Request {
    method: String,
    path: String,
    query: HashMap<String, String>,
    /// Names in lower case.
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn read(from: &mut impl BufRead) -> Option<Request> {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|&n| n > 0)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_string(), words.next()?.to_string());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
        }
        let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        from.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let query = pairs.map(|(name, value)| (name.to_string(), decoded(value))).collect();
        Some(Request { method, path: decoded(path), query, headers, body })
    }
}

fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = std::str::from_utf8(behind.get(..2).unwrap_or(b"")).ok();
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                rest = &behind[2..];
            }
            _ => {
                out.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
