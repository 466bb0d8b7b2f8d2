//! memcached's transcripts below `tests/cases/memcache`, byte for byte: parser, handlers on a store, writer. Also against a
//! genuine memcached where one is named.

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "common/replay.rs"]
mod replay;

use base::{Args, DbId, Fault, Out, Reply, Word};
use cases::run::{Ask, Received};
use cases::{Dialect, Target, Unsupported, run_files};
use command::context::{Ctx, Events, Limits, Tally};
use command::memcache::find_memcache;
use command::row::{Decide, Run, Verb, Writing};
use command::table::keys_of;
use command::together::{Found, apply, decide_on, fetch};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;
use store::{Store, StoreOptions};
use wire::memcache::{McWriter, ParseLimits, Parsed, Parser};

#[derive(Default)]
struct Connection {
    parser: Parser,
    input: Vec<u8>,
    out: Vec<u8>,
    closed: bool,
}

/// `shards` stores. With more than one, commands on many keys go through `Together`, always.
struct Handlers {
    shards: usize,
    stores: Vec<Store>,
    followers: Vec<replay::Follower>,
    limits: Limits,
    tally: Tally,
    events: Events,
    now_ms: u64,
    open: BTreeMap<String, Connection>,
}

impl Handlers {
    fn new(shards: usize) -> Handlers {
        let limits =
            Limits { value_bytes_max: 512 << 20, item_bytes_max: 1 << 20, lfu: false, databases: 1, shards: 1 };
        let mut handlers = Handlers {
            shards,
            stores: vec![],
            followers: vec![],
            limits,
            tally: Tally::default(),
            events: Events::default(),
            now_ms: 1_790_000_000_123,
            open: BTreeMap::new(),
        };
        handlers.reset().expect("it cannot fail");
        handlers
    }

    fn ctx(&mut self, shard: usize) -> Ctx<'_> {
        Ctx {
            store: &mut self.stores[shard],
            db: DbId::ZERO,
            now_ms: self.now_ms,
            no_touch: false,
            limits: &self.limits,
            tally: &mut self.tally,
            events: &mut self.events,
            job: None,
            walk: None,
        }
    }

    fn ask(&mut self, args: Args<'_>, reply: &mut dyn Reply) -> Result<(), Unsupported> {
        let Some(row) = find_memcache(args.at(0)) else {
            reply.fault(&Fault::Unknown);
            return Ok(());
        };
        let mut keys = Vec::new();
        keys_of(row, args, &mut keys).expect("no row looks for its keys");
        let shards = self.shards;
        let shard = |key: &[u8]| base::slot::slot_of(key).index() % shards;
        let first = keys.first().map_or(0, |&at| shard(args.at(at)));
        match row.run {
            Run::One(data) => data(&mut self.ctx(first), args, reply),
            Run::Many(data, _) if self.shards == 1 => data(&mut self.ctx(first), args, reply),
            Run::Many(_, together) => {
                let mut found: Vec<Found> = Vec::new();
                for (n, &at) in keys.iter().enumerate() {
                    let key = args.at(at);
                    let found_here = fetch(&mut self.ctx(shard(key)), key, &(together.read)(args, n));
                    found.push(found_here.unwrap_or_else(|_| unreachable!("no row of memcached's reads on")));
                }
                let mut decide = Decide {
                    now_ms: self.now_ms,
                    db: DbId::ZERO,
                    limits: &self.limits,
                    tally: &mut self.tally,
                    parcels: Vec::new(),
                    writes: Vec::new(),
                    job: None,
                    wait: None,
                };
                decide_on(together, &mut decide, args, &mut found, reply);
                let writes = decide.writes;
                let mut written: Vec<&[u8]> = writes.iter().map(|(n, ..)| args.at(keys[*n])).collect();
                written.sort();
                assert!(written.windows(2).all(|w| w[0] != w[1]), "at most one write a key: {args:?}");
                for (n, _, write) in writes {
                    let key = args.at(keys[n]);
                    let writing = apply(&mut self.ctx(shard(key)), key, write);
                    assert!(matches!(writing, Writing::Done), "no row of memcached's writes on");
                }
            }
            Run::Server(Verb::McMetaNoop) => reply.word(Word::MetaNoop),
            _ => return Err(Unsupported(format!("handlers alone do not answer {}", row.name))),
        }
        self.stores.iter().for_each(Store::verify);
        let context = || args.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        for (store, follower) in self.stores.iter_mut().zip(&mut self.followers) {
            follower.follow(store, self.now_ms, &context);
        }
        Ok(())
    }

    /// Answers to `bytes` on a connection of their own.
    fn talk(&mut self, bytes: &[u8]) -> String {
        self.open("m", Dialect::Memcache, 2).expect("it can");
        self.send("m", Ask::Bytes(bytes)).expect("it can");
        match self.receive("m", 0) {
            Received::Bytes(bytes) => String::from_utf8(bytes).expect("text").replace("\r\n", "|"),
            other => format!("{other:?}"),
        }
    }
}

impl Target for Handlers {
    fn version(&self) -> Option<(u32, u32, u32)> {
        None
    }

    fn offers(&self, _: &str) -> bool {
        false
    }

    fn reset(&mut self) -> Result<(), String> {
        self.open.clear();
        self.stores = (0..self.shards as u64)
            .map(|seed| Store::new(StoreOptions { databases: 1, seed, hash_seed: seed }))
            .collect();
        self.stores.iter_mut().for_each(Store::begin_journal);
        self.followers = (0..self.shards as u64).map(|seed| replay::Follower::new(1, seed, None)).collect();
        Ok(())
    }

    fn now_ms(&mut self) -> u64 {
        self.now_ms
    }

    fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    fn open(&mut self, connection: &str, dialect: Dialect, _: u8) -> Result<(), Unsupported> {
        if dialect != Dialect::Memcache {
            return Err(Unsupported("these handlers speak no RESP".into()));
        }
        self.open.insert(connection.into(), Connection::default());
        Ok(())
    }

    fn send(&mut self, connection: &str, ask: Ask<'_>) -> Result<(), Unsupported> {
        let Ask::Bytes(bytes) = ask else { unreachable!("lines are bytes") };
        let mut conn = self.open.remove(connection).expect("opened before");
        conn.input.extend_from_slice(bytes);
        let limits = ParseLimits { item_bytes_max: self.limits.item_bytes_max, ..ParseLimits::default() };
        while !conn.closed && !conn.input.is_empty() {
            let (mut out, mut spans) = (Out::new(), Vec::new());
            let used = match conn.parser.parse(&conn.input, &mut spans, &limits) {
                Parsed::Ask { used, noreply } => {
                    let mut writer = McWriter::new(&mut out);
                    writer.noreply = noreply;
                    self.ask(Args::new(&conn.input[..used], &spans), &mut writer)?;
                    used
                }
                Parsed::Refused { used, line } => {
                    McWriter::new(&mut out).line(line);
                    used
                }
                Parsed::Empty { used } => used,
                Parsed::More { .. } => break,
                Parsed::Close | Parsed::Binary => {
                    conn.closed = true;
                    0
                }
            };
            conn.input.drain(..used);
            conn.out.extend(out.to_vec());
        }
        self.open.insert(connection.into(), conn);
        Ok(())
    }

    fn receive(&mut self, connection: &str, _: u64) -> Received {
        match self.open.get_mut(connection) {
            Some(conn) if !conn.out.is_empty() => Received::Bytes(std::mem::take(&mut conn.out)),
            Some(conn) if conn.closed => Received::Closed,
            _ => Received::Nothing,
        }
    }
}

/// A memcached behind a socket.
struct Genuine {
    address: String,
    open: BTreeMap<String, TcpStream>,
    version: Option<(u32, u32, u32)>,
}

impl Genuine {
    /// Asks the server which version it is: some transcripts are of later ones.
    fn connect(address: String) -> Result<Genuine, String> {
        let mut stream = TcpStream::connect(&address).map_err(|e| e.to_string())?;
        stream.write_all(b"version\r\n").map_err(|e| e.to_string())?;
        let mut answer = [0; 64];
        let n = stream.read(&mut answer).map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&answer[..n]);
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
        let mut next = || numbers.next().unwrap_or(0);
        let version = Some((next(), next(), next()));
        Ok(Genuine { address, open: BTreeMap::new(), version })
    }
}

impl Target for Genuine {
    fn version(&self) -> Option<(u32, u32, u32)> {
        self.version
    }

    fn offers(&self, _: &str) -> bool {
        false
    }

    fn reset(&mut self) -> Result<(), String> {
        self.open.clear();
        let mut stream = TcpStream::connect(&self.address).map_err(|e| e.to_string())?;
        stream.write_all(b"flush_all\r\n").map_err(|e| e.to_string())?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).map_err(|e| e.to_string())
    }

    fn now_ms(&mut self) -> u64 {
        0
    }

    fn wait(&mut self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }

    fn open(&mut self, connection: &str, _: Dialect, _: u8) -> Result<(), Unsupported> {
        let stream = TcpStream::connect(&self.address).map_err(|e| Unsupported(e.to_string()))?;
        self.open.insert(connection.into(), stream);
        Ok(())
    }

    fn send(&mut self, connection: &str, ask: Ask<'_>) -> Result<(), Unsupported> {
        if let (Ask::Bytes(bytes), Some(stream)) = (ask, self.open.get_mut(connection)) {
            let _ = stream.write_all(bytes);
            // The next piece of bytes is to be a read of its own.
            std::thread::sleep(Duration::from_millis(2));
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
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                Received::Nothing
            }
            Err(_) => Received::Closed,
        }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/memcache")
}

#[test]
fn handlers_answer_as_told() {
    run_files(&folder(), &mut Handlers::new(1)).expect_good();
}

#[test]
fn handlers_answer_as_told_over_three_shards() {
    run_files(&folder(), &mut Handlers::new(3)).expect_good();
}

/// The expectations themselves. `TORC_CASES_MEMCACHED=127.0.0.1:11211` names a server whose data may be lost.
#[test]
fn a_genuine_memcached_answers_as_told() {
    let Ok(address) = std::env::var("TORC_CASES_MEMCACHED") else {
        println!("skipped: TORC_CASES_MEMCACHED names no server");
        return;
    };
    run_files(&folder(), &mut Genuine::connect(address).expect("the server named is there")).expect_good();
}

/// `VALUE … version`: the version of the only item.
fn version(answer: &str) -> u64 {
    let line = answer.split('|').next().expect("a line");
    line.rsplit(' ').next().and_then(|v| v.parse().ok()).unwrap_or_else(|| panic!("no version in {answer}"))
}

#[test]
fn any_change_moves_the_version_on() {
    for shards in [1, 3] {
        let mut h = Handlers::new(shards);
        assert_eq!(h.talk(b"set a 0 0 1\r\n1\r\n"), "STORED|");
        let mut last = version(&h.talk(b"gets a\r\n"));
        assert_eq!(version(&h.talk(b"gets a\r\n")), last, "reading leaves the version");
        assert_eq!(h.talk(b"touch a 100\r\n"), "TOUCHED|");
        assert_eq!(version(&h.talk(b"gats 100 a\r\n")), last, "a deadline leaves the version");
        for change in [
            "set a 0 0 1\r\n2\r\n",
            "append a 0 0 1\r\n3\r\n",
            "prepend a 0 0 1\r\n4\r\n",
            "incr a 1\r\n",
            "decr a 1\r\n",
            "replace a 0 0 1\r\n9\r\n",
        ] {
            h.talk(change.as_bytes());
            let now = version(&h.talk(b"gets a\r\n"));
            assert_ne!(now, last, "{change}");
            let stale = format!("cas a 0 0 1 {last}\r\nx\r\n");
            assert_eq!(h.talk(stale.as_bytes()), "EXISTS|", "{change}");
            last = now;
        }
        let fresh = format!("cas a 7 0 1 {last}\r\nx\r\n");
        assert_eq!(h.talk(fresh.as_bytes()), "STORED|");
        assert_eq!(h.talk(fresh.as_bytes()), "EXISTS|");
        assert_eq!(h.talk(b"get a\r\n"), "VALUE a 7 1|x|END|");
        assert_eq!(h.talk(b"delete a\r\nset a 0 0 1\r\ny\r\n"), "DELETED|STORED|");
        assert_eq!(h.talk(fresh.as_bytes()), "EXISTS|", "a version is never given twice");
    }
}

/// Recorded from memcached 1.6.45 with `-I 1m`.
#[test]
fn items_are_bounded_as_memcached_bounds_them() {
    let mut h = Handlers::new(1);
    let mut ask = |line: &str, len: usize, after: &str| {
        let data = "x".repeat(len);
        h.talk(format!("{line}\r\n{data}\r\n{after}").as_bytes())
    };
    // 48 of header, 8 of version, key and NUL, value and line end; 4 more for flags.
    assert_eq!(ask("set a 0 0 1048516", 1048516, ""), "STORED|");
    assert_eq!(ask("set b 0 0 1048517", 1048517, "mn\r\n"), "SERVER_ERROR object too large for cache|MN|");
    assert_eq!(ask("set b 5 0 1048512", 1048512, ""), "STORED|");
    assert_eq!(ask("set b 5 0 1048513", 1048513, "get b\r\n"), "SERVER_ERROR object too large for cache|END|");
    for verb in ["replace", "add", "append"] {
        assert_eq!(ask("set a 0 0 1", 1, ""), "STORED|");
        let line = format!("{verb} a 0 0 2000000");
        let kept = "SERVER_ERROR object too large for cache|VALUE a 0 1|x|END|";
        assert_eq!(ask(&line, 2_000_000, "get a\r\n"), kept, "{verb}");
    }
    let gone = ask("set a 0 0 2000000 noreply", 2_000_000, "get a\r\n");
    assert_eq!(gone, "END|", "a set that failed leaves nothing stale");
    assert_eq!(ask("cas a 0 0 2000000 1", 2_000_000, "mn\r\n"), "SERVER_ERROR object too large for cache|MN|");
    assert_eq!(ask("set a 0 0 600000", 600_000, ""), "STORED|");
    assert_eq!(ask("append a 0 0 500000", 500_000, ""), "NOT_STORED|");
    assert_eq!(ask("prepend a 0 0 500000", 500_000, ""), "NOT_STORED|");
    assert_eq!(ask("append a 0 0 400000", 400_000, ""), "STORED|");
    assert_eq!(h.tally.store_too_large, 7);
}

#[test]
fn counters_of_stats() {
    for shards in [1, 3] {
        let mut h = Handlers::new(shards);
        h.talk(
            b"set a 0 0 1\r\n1\r\nset b 0 1 1\r\n1\r\nget a b c\r\ngets a c\r\ngat 0 a c\r\ntouch a 0\r\ntouch c 0\r\n",
        );
        h.talk(b"incr a 1\r\nincr c 1\r\ndecr a 1\r\ndecr c 1\r\nincr a x\r\ndelete a\r\ndelete a\r\ncas a 0 0 1 1\r\nx\r\n");
        h.talk(b"set a 0 0 1\r\n1\r\ncas a 0 0 1 1\r\nx\r\n");
        let unique = version(&h.talk(b"gets a\r\n"));
        h.talk(format!("cas a 0 0 1 {unique}\r\nx\r\n").as_bytes());
        let t = &h.tally;
        assert_eq!((t.cmd_get, t.get_hits, t.get_misses), (6, 4, 2));
        assert_eq!((t.cmd_set, t.cmd_touch, t.touch_hits, t.touch_misses), (6, 4, 2, 2));
        assert_eq!((t.incr_hits, t.incr_misses, t.decr_hits, t.decr_misses), (1, 1, 1, 1));
        assert_eq!((t.delete_hits, t.delete_misses), (1, 1));
        assert_eq!((t.cas_hits, t.cas_misses, t.cas_badval), (1, 1, 1));
    }
}
