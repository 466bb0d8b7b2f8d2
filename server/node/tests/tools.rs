//! `torc verify` and `torc export` as a user calls them: beside genuine servers, whose files are checked and made one and loaded
//! again; with files of public suites, of versions that no server here writes; with what is damaged.
//!
//! `TORC_REDIS_SERVERS=/usr/bin/redis-server:/other/redis-server` names servers, `redis-server` in PATH is taken otherwise;
//! `TORC_RDB_FILES=folder` names files of others, as those of redis, librdb and redis-rdb-tools.

use node::manifest::{File, Manifest, file_name};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::rdb::crc64;

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("torc-tools-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Exit code, standard output, standard error.
fn torc(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_torc")).args(args).output().expect("the binary was built");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (out.status.code().expect("it ends by itself"), text(out.stdout), text(out.stderr))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("names of tests are text")
}

/// Genuine servers to be asked. Empty, and said so, where there is none.
fn servers() -> Vec<PathBuf> {
    let named = std::env::var("TORC_REDIS_SERVERS").unwrap_or_default();
    let mut servers: Vec<PathBuf> = named.split(':').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    if servers.is_empty() {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        servers.extend(
            std::env::split_paths(&paths).map(|folder| folder.join("redis-server")).find(|path| path.is_file()),
        );
    }
    if servers.is_empty() {
        println!("skipped: no redis-server is in PATH or TORC_REDIS_SERVERS");
    }
    servers
}

/// A genuine server on a socket in a folder, whose `dump.rdb` it loads.
struct Genuine {
    child: Child,
    talk: BufReader<UnixStream>,
}

impl Genuine {
    fn start(server: &Path, folder: &Path, more: &[&str]) -> Option<Genuine> {
        let socket = folder.join("socket");
        let mut child = Command::new(server)
            .args(["--port", "0", "--unixsocket", path(&socket), "--dir", path(folder), "--save", ""])
            .args(["--enable-debug-command", "yes"])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server can be started");
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Ok(stream) = UnixStream::connect(&socket) {
                let mut server = Genuine { child, talk: BufReader::new(stream) };
                // One that cannot load its file hangs up.
                return loop {
                    match server.try_ask("PING") {
                        Ok(reply) if reply.contains("LOADING") => {}
                        Ok(_) => break Some(server),
                        Err(_) => break None,
                    }
                };
            }
            if Instant::now() > end || child.try_wait().expect("the child is ours").is_some() {
                drop(child.kill());
                drop(child.wait());
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Words with blanks between; the reply as it comes, flat.
    fn ask(&mut self, line: &str) -> String {
        self.try_ask(line).expect("the server answers")
    }

    fn try_ask(&mut self, line: &str) -> std::io::Result<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let mut ask = format!("*{}\r\n", words.len());
        for word in words {
            ask.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.talk.get_mut().write_all(ask.as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.talk.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_string();
        let count = line[1..].parse::<i64>().unwrap_or(0);
        Ok(match line.as_bytes()[0] {
            b'$' if count >= 0 => {
                let mut bulk = vec![0; count as usize + 2];
                self.talk.read_exact(&mut bulk)?;
                String::from_utf8_lossy(&bulk[..count as usize]).into_owned()
            }
            b'*' => (0..count).map(|_| self.reply()).collect::<std::io::Result<Vec<_>>>()?.join(" "),
            _ => line,
        })
    }

    /// All that two servers with the same data say alike.
    fn facts(&mut self) -> Vec<String> {
        let mut facts = vec![self.ask("FUNCTION LIST WITHCODE")];
        for db in [0, 3] {
            self.ask(&format!("SELECT {db}"));
            facts.push(self.ask("DBSIZE"));
            let keys = self.ask("KEYS *");
            let mut keys: Vec<&str> = keys.split(' ').filter(|key| !key.is_empty()).collect();
            keys.sort_unstable();
            for key in keys {
                let kind = self.ask(&format!("TYPE {key}"));
                let value = match &kind[..] {
                    // Versions draw scores differently for their digest (and 0.1 differently for all).
                    "+zset" => self.ask(&format!("ZRANGE {key} 0 -1 WITHSCORES")),
                    _ => self.ask(&format!("DEBUG DIGEST-VALUE {key}")),
                };
                facts.push(format!("{key} {kind} {} {value}", self.ask(&format!("PEXPIRETIME {key}"))));
                if kind == "+stream" {
                    facts.push(self.ask(&format!("XINFO GROUPS {key}")));
                    facts.push(self.ask(&format!("XPENDING {key} group")));
                    facts.push(self.ask(&format!("XREADGROUP GROUP group alice STREAMS {key} 0")));
                }
            }
        }
        facts
    }
}

impl Drop for Genuine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Something of every type, in every form that the server has.
fn fill(server: &mut Genuine, prefix: &str) {
    let mut ask = |line: String| {
        let reply = server.ask(&line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    };
    let many = |n: usize, of: &dyn Fn(usize) -> String| (0..n).map(of).collect::<Vec<_>>().join(" ");
    for (key, value) in [
        ("int", "12345".to_string()),
        ("text", "some-text".into()),
        ("long", "ab".repeat(20_000)),
        ("big", "9223372036854775807".into()),
    ] {
        ask(format!("SET {prefix}{key} {value}"));
    }
    ask(format!("SET {prefix}timed v PXAT 4000000000123"));
    for (n, size) in [("small", 5), ("large", 2_000)] {
        ask(format!("RPUSH {prefix}list-{n} {}", many(size, &|i| format!("element-{i}"))));
        ask(format!("SADD {prefix}ints-{n} {}", many(size, &|i| (i * 100_003).to_string())));
        ask(format!("SADD {prefix}set-{n} {}", many(size, &|i| format!("member-{i}"))));
        ask(format!("HSET {prefix}hash-{n} {}", many(size, &|i| format!("field-{i} {i}"))));
        ask(format!("ZADD {prefix}zset-{n} {}", many(size, &|i| format!("{}.25 member-{i}", i * 7))));
        for i in 0..size {
            ask(format!("XADD {prefix}stream-{n} {}-{} field value-{i} other {i}", i + 1, i % 3));
        }
        ask(format!("XADD {prefix}stream-{n} 999999-1 alone x"));
        ask(format!("XDEL {prefix}stream-{n} 3-2 4-0"));
        ask(format!("XGROUP CREATE {prefix}stream-{n} group 2"));
        ask(format!("XREADGROUP GROUP group alice COUNT 50 STREAMS {prefix}stream-{n} >"));
        ask(format!("XREADGROUP GROUP group bob COUNT 1 STREAMS {prefix}stream-{n} >"));
    }
    ask(format!("ZADD {prefix}ends inf a -inf b -0.5 c 65536 d"));
    ask(format!("RPUSH {prefix}plain {}", "z".repeat(10_000)));
    ask(format!("PFADD {prefix}hll a b c d e"));
    ask("SELECT 3".into());
    ask(format!("SET {prefix}other v"));
    ask("SELECT 0".into());
    for n in 0..200 {
        ask(format!("SET {prefix}key:{n} {}", "x".repeat(n)));
    }
}

#[test]
fn files_of_genuine_servers_go_through() {
    let all = servers();
    for (i, from) in all.iter().enumerate() {
        for compress in ["yes", "no"] {
            let folder = Folder::new(&format!("from-{i}-{compress}"));
            let lib = "#!lua name=lib\nredis.register_function('f',function()end)";
            let mut one = Genuine::start(from, &folder.0, &["--rdbcompression", compress]).expect("the server starts");
            fill(&mut one, "a:");
            {
                let ask = format!("*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n${}\r\n{lib}\r\n", lib.len());
                one.talk.get_mut().write_all(ask.as_bytes()).expect("the server reads");
                assert_eq!(one.reply().expect("the server answers"), "lib");
            }
            assert_eq!(one.ask("SAVE"), "+OK");
            let facts = one.facts();
            drop(one);
            let file = folder.0.join("dump.rdb");
            let (code, said, wrong) = torc(&["verify", path(&file)]);
            assert!(code == 0 && said.contains("good") && said.contains("221 keys"), "{code} {said} {wrong}");
            for to in &all {
                let is_70 = Command::new(to).arg("--version").output().expect("it tells its version").stdout;
                let is_70 = String::from_utf8_lossy(&is_70).contains("v=7.0");
                let target = Folder::new(&format!("to-{i}-{compress}"));
                let merged = target.0.join("dump.rdb");
                let version = if is_70 { "10" } else { "11" };
                let (code, _, wrong) =
                    torc(&["export", "--merge", path(&merged), path(&file), "--rdb-version", version]);
                assert_eq!((code, &wrong[..]), (0, ""));
                let mut other = Genuine::start(to, &target.0, &[]).expect("the server loads it");
                let of_other = other.facts();
                let other_one = of_other.iter().zip(&facts).find(|(a, b)| a != b);
                assert_eq!((other_one, of_other.len()), (None, facts.len()), "{} to {}", from.display(), to.display());
            }
        }
    }
}

#[test]
fn files_of_several_become_one() {
    let Some(server) = servers().into_iter().next() else { return };
    let folder = Folder::new("several");
    let mut manifest = Manifest { serial: 7, time_ms: 1, version: "0.1.0".into(), hash_seed: None, files: Vec::new() };
    for (shard, prefix) in ["a:", "b:"].into_iter().enumerate() {
        let name = file_name("dump", 7, shard);
        let mut one = Genuine::start(&server, &folder.0, &["--dbfilename", &name]).expect("the server starts");
        fill(&mut one, prefix);
        assert_eq!(one.ask("SAVE"), "+OK");
        drop(one);
        let bytes = std::fs::read(folder.0.join(&name)).expect("it was saved");
        let crc64 = crc64(0, &bytes[..bytes.len() - 8]);
        manifest.files.push(File { name, keys: 221, bytes: bytes.len() as u64, crc64 });
    }
    let manifest_path = folder.0.join("dump.manifest");
    let put = |manifest: &Manifest| std::fs::write(&manifest_path, manifest.draw()).expect("the folder is writable");
    put(&manifest);
    let (code, said, wrong) = torc(&["verify", path(&folder.0)]);
    assert!(code == 0 && said.contains("442 keys, 2 with a deadline"), "{code} {said} {wrong}");
    let target = Folder::new("several-to");
    let merged = target.0.join("dump.rdb");
    let (code, said, wrong) = torc(&["export", "--merge", path(&merged), path(&folder.0)]);
    assert!(code == 0 && said.contains("442 keys of 2 files"), "{code} {said} {wrong}");
    let mut other = Genuine::start(&server, &target.0, &[]).expect("the server loads it");
    assert_eq!(
        (other.ask("DBSIZE"), other.ask("SELECT 3"), other.ask("DBSIZE")),
        (":440".into(), "+OK".into(), ":2".into())
    );
    drop(other);

    // What the manifest tells must be so.
    for (change, what) in [
        ((|file: &mut File| file.keys += 1) as fn(&mut File), "221 keys, the manifest tells of 222"),
        (|file| file.bytes -= 1, "bytes, the manifest tells of"),
        (|file| file.crc64 ^= 1, "in the manifest it is"),
        (|file| file.name = "gone.rdb".into(), "gone.rdb: No such file or directory"),
    ] {
        let mut other = manifest.clone();
        change(&mut other.files[1]);
        put(&other);
        let (code, said, wrong) = torc(&["verify", path(&folder.0)]);
        assert!(code == 1 && wrong.contains(what) && wrong.contains("1 of 2 files"), "{code} {said} {wrong}");
    }
    std::fs::write(&manifest_path, &manifest.draw()[..100]).expect("the folder is writable");
    let (code, _, wrong) = torc(&["verify", path(&folder.0)]);
    assert!(code == 1 && wrong.contains("dump.manifest: line"), "{wrong}");
    std::fs::remove_file(&manifest_path).expect("it is there");
    let (code, said, _) = torc(&["verify", path(&folder.0)]);
    assert!(code == 0 && said.contains("442 keys"), "without a manifest all files count: {said}");

    // A byte that is not as it was.
    let damaged = folder.0.join("damaged.rdb");
    let mut bytes = std::fs::read(&merged).expect("it was made");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&damaged, &bytes).expect("the folder is writable");
    let (code, _, wrong) = torc(&["verify", path(&damaged)]);
    assert!(code == 1 && wrong.contains("damaged.rdb: ") && wrong.contains(" at byte "), "{wrong}");
    std::fs::write(&damaged, &bytes[..middle]).expect("the folder is writable");
    let (code, _, wrong) = torc(&["verify", path(&damaged)]);
    let is_cut = |wrong: &str| wrong.contains("ends in the middle") || wrong.contains("behind the end of the file");
    assert!(code == 1 && is_cut(&wrong), "{wrong}");
    let other = target.0.join("not.rdb");
    let (code, _, wrong) = torc(&["export", "--merge", path(&other), path(&damaged)]);
    assert!(code == 1 && is_cut(&wrong), "{wrong}");
    assert!(!other.exists() && !target.0.join("not.rdb.part").exists(), "nothing partial is left");
}

/// `HSET h a b c d` with a deadline for `c`, of year 2096.
fn timed_hash() -> Vec<u8> {
    let mut file = b"REDIS0012\xFE\0\x18\x01h".to_vec();
    file.extend_from_slice(&4_000_000_000_000u64.to_le_bytes());
    file.extend_from_slice(b"\x02\x00\x01a\x01b\x01\x01c\x01d");
    let sum = crc64(0, &file);
    store::rdb::file::write::end(&mut file, sum, true);
    file
}

#[test]
fn field_deadlines_are_kept_refused_or_dropped() {
    let folder = Folder::new("fields");
    let (file, made) = (folder.0.join("a.rdb"), folder.0.join("out"));
    std::fs::write(&file, timed_hash()).expect("the folder is writable");
    let export = |more: &[&str]| torc(&[&["export", "--merge", path(&made), path(&file)], more].concat());
    let (code, _, wrong) = export(&[]);
    assert!(code == 1 && wrong.contains("key 'h'") && wrong.contains("--drop-field-deadlines"), "{wrong}");
    assert!(!made.exists());
    let (code, _, wrong) = export(&["--drop-field-deadlines"]);
    assert!(code == 0 && wrong.contains("1 fields of hashes have lost their deadlines"), "{wrong}");
    let bytes = std::fs::read(&made).expect("it was made");
    let hash = b"\x04\x01h\x02\x01a\x01b\x01c\x01d";
    assert!(bytes.starts_with(b"REDIS0010") && bytes.windows(hash.len()).any(|bytes| bytes == hash));
    let (code, _, wrong) = export(&["--rdb-version", "12"]);
    assert_eq!((code, &wrong[..]), (0, ""));
    let bytes = std::fs::read(&made).expect("it was made");
    let source = timed_hash();
    let record = &source[11..source.len() - 9];
    assert!(bytes.starts_with(b"REDIS0012") && bytes.windows(record.len()).any(|bytes| bytes == record));
    assert_eq!(export(&["--rdb-version", "13"]).0, 2);
}

/// Files that are meant to be refused, and why.
const REFUSED: [(&str, &str); 5] = [
    ("future_v19.rdb", "Can't handle RDB format version 99"),
    ("invalid_chksum_v8.rdb", "Wrong RDB checksum"),
    ("corrupt_ziplist.rdb", "is damaged at byte"),
    // Redis Enterprise's own.
    ("redis_ent_opcode_ram_lru.rdb", "there is no type"),
    ("dumpfile_with_modules.rdb", "whose end cannot be found"),
];

#[test]
fn files_of_public_suites_are_read() {
    let Ok(folder) = std::env::var("TORC_RDB_FILES") else {
        println!("skipped: TORC_RDB_FILES names no folder");
        return;
    };
    let server = servers().into_iter().next();
    let mut counts = [0; 3];
    for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
        let file = entry.expect("the folder can be read").path();
        let name = file.file_name().and_then(|name| name.to_str()).expect("names are text").to_string();
        if !name.ends_with(".rdb") {
            continue;
        }
        let (code, said, wrong) = torc(&["verify", "--skip-modules", path(&file)]);
        if let Some((_, what)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            assert!(code == 1 && wrong.contains(what), "{name}: {said} {wrong}");
            counts[0] += 1;
            continue;
        }
        assert_eq!(code, 0, "{name}: {said} {wrong}");
        counts[1] += 1;
        // Where a genuine server takes the file, it says the same of what is made of it.
        let Some(server) = &server else { continue };
        let target = Folder::new("suite");
        let dump = target.0.join("dump.rdb");
        std::fs::copy(&file, &dump).expect("it can be copied");
        let Some(mut one) = Genuine::start(server, &target.0, &[]) else { continue };
        let digest = (one.ask("DEBUG DIGEST"), one.ask("DBSIZE"));
        drop(one);
        let (code, _, wrong) = torc(&["export", "--merge", path(&dump), path(&file), "--drop-field-deadlines"]);
        assert_eq!(code, 0, "{name}: {wrong}");
        let mut other = Genuine::start(server, &target.0, &[]).expect("the server loads what was made");
        assert_eq!((other.ask("DEBUG DIGEST"), other.ask("DBSIZE")), digest, "{name}");
        counts[2] += 1;
    }
    println!("{} refused, {} read, {} compared with a genuine server's", counts[0], counts[1], counts[2]);
}
