//! A target behind sockets: a live node, or a genuine server.

use crate::case::Dialect;
use crate::run::{Ask, Received, Target, Unsupported, request};
use crate::value::Value;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub struct SocketTarget {
    resp: String,
    memcache: Option<String>,
    version: Option<(u32, u32, u32)>,
    offers: Vec<String>,
    open: BTreeMap<String, TcpStream>,
}

impl SocketTarget {
    /// Addresses as `host:port`. `offers` are words that cases may need.
    pub fn new(resp: &str, memcache: Option<&str>, offers: &[&str]) -> Result<SocketTarget, String> {
        let mut target = SocketTarget {
            resp: resp.into(),
            memcache: memcache.map(String::from),
            version: None,
            offers: offers.iter().map(|s| s.to_string()).collect(),
            open: BTreeMap::new(),
        };
        let info = target.once(&["INFO", "server"])?;
        let text = match &info {
            Value::Bulk(text) | Value::Verbatim(_, text) => String::from_utf8_lossy(text).into_owned(),
            // No genuine server does this: one of ours, not yet whole.
            _ => "torc_version".into(),
        };
        // Torc calls itself by a version of Redis's too: it is held to all cases.
        if !text.contains("torc_version") {
            let version = text.lines().find_map(|l| l.strip_prefix("redis_version:")).unwrap_or("0");
            let mut parts = version.trim().split('.').map(|p| p.parse().unwrap_or(0));
            let mut next = || parts.next().unwrap_or(0);
            target.version = Some((next(), next(), next()));
        }
        // `debug` is offered by whoever allows it: `enable-debug-command`.
        if target.once(&["DEBUG", "SLEEP", "0"]).is_ok_and(|v| matches!(v, Value::Simple(_))) {
            target.offers.push("debug".into());
        }
        Ok(target)
    }

    /// One ask on a connection of its own.
    pub fn once(&mut self, words: &[&str]) -> Result<Value, String> {
        let words: Vec<Vec<u8>> = words.iter().map(|w| w.as_bytes().to_vec()).collect();
        let mut stream = TcpStream::connect(&self.resp).map_err(|e| format!("{}: {e}", self.resp))?;
        stream.write_all(&request(&words)).map_err(|e| e.to_string())?;
        read_one(&mut stream)
    }
}

fn read_one(stream: &mut TcpStream) -> Result<Value, String> {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let (mut buffer, mut chunk) = (Vec::new(), [0; 16384]);
    loop {
        if let Some((value, _)) = Value::decode(&buffer)? {
            return Ok(value);
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Err("the connection was closed".into()),
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            Err(e) => return Err(e.to_string()),
        }
    }
}

impl Target for SocketTarget {
    fn version(&self) -> Option<(u32, u32, u32)> {
        self.version
    }

    fn offers(&self, need: &str) -> bool {
        self.offers.iter().any(|offer| offer == need)
    }

    fn reset(&mut self) -> Result<(), String> {
        self.open.clear();
        match self.once(&["FLUSHALL"])? {
            Value::Simple(_) => Ok(()),
            other => Err(other.render()),
        }
    }

    fn now_ms(&mut self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
    }

    fn is_live(&self) -> bool {
        true
    }

    fn wait(&mut self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }

    fn open(&mut self, connection: &str, dialect: Dialect, proto: u8) -> Result<(), Unsupported> {
        let address = match dialect {
            Dialect::Resp => &self.resp,
            Dialect::Memcache => self.memcache.as_ref().ok_or_else(|| Unsupported("no memcached port".into()))?,
        };
        let mut stream = TcpStream::connect(address).map_err(|e| Unsupported(format!("{address}: {e}")))?;
        let _ = stream.set_nodelay(true);
        if dialect == Dialect::Resp && proto == 3 {
            let hello = request(&[b"HELLO".to_vec(), b"3".to_vec()]);
            let answer = stream.write_all(&hello).map_err(|e| e.to_string()).and_then(|()| read_one(&mut stream));
            match answer {
                Ok(Value::Map(_)) => {}
                other => return Err(Unsupported(format!("HELLO 3: {other:?}"))),
            }
        }
        self.open.insert(connection.into(), stream);
        Ok(())
    }

    fn send(&mut self, connection: &str, ask: Ask<'_>) -> Result<(), Unsupported> {
        let bytes = match ask {
            Ask::Words(words) => request(words),
            Ask::Bytes(bytes) => bytes.to_vec(),
        };
        // A connection that the server has closed shows when its reply is read.
        if let Some(stream) = self.open.get_mut(connection) {
            let _ = stream.write_all(&bytes);
        }
        Ok(())
    }

    fn receive(&mut self, connection: &str, patience_ms: u64) -> Received {
        let Some(stream) = self.open.get_mut(connection) else { return Received::Closed };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(patience_ms.max(1))));
        let mut chunk = vec![0; 64 * 1024];
        match stream.read(&mut chunk) {
            Ok(0) => Received::Closed,
            Ok(n) => Received::Bytes(chunk[..n].to_vec()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Received::Nothing,
            Err(_) => Received::Closed,
        }
    }
}
