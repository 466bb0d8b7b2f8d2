//! Copies that leave the data folder, as users see them: BACKUP and its settings, to folders and to S3 (a server of that protocol runs
//! in the test), `torc restore` and the setting `restore`, `torc verify` of what is damaged, dumps for `redis-cli --rdb`.
//!
//! `TORC_S3_ENDPOINT=http://127.0.0.1:5000` names another S3 server with a bucket `store` that takes any credentials; its own
//! bucket is used then, where no failures are made.

mod bucket;
mod live;

use bucket::Bucket;
use live::Server;
use node::manifest::{File, Manifest};
use redis::{Commands, Connection, Value};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use store::rdb::file::{Head, write};

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("torc-backups-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Folder(path)
    }

    fn join(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("names of tests are text").into()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Exit code, and what was said on both ways.
fn torc(args: &[&str]) -> (i32, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_torc")).args(args).output().expect("the binary was built");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (out.status.code().expect("it ends by itself"), text(out.stdout) + &text(out.stderr))
}

fn connect(server: &Server) -> Connection {
    let client = redis::Client::open(format!("redis://{}/", server.resp)).expect("the address is one");
    client.get_connection().expect("the server listens")
}

fn ask<T: redis::FromRedisValue>(to: &mut Connection, line: &str) -> redis::RedisResult<T> {
    let mut words = line.split(' ');
    let mut ask = redis::cmd(words.next().expect("there is a verb"));
    words.for_each(|word| {
        ask.arg(word);
    });
    ask.query(to)
}

fn error(to: &mut Connection, line: &str) -> String {
    ask::<Value>(to, line).expect_err(line).to_string()
}

/// Some of every kind, in two databases, with deadlines.
fn fill(to: &mut Connection, keys: usize) {
    let mut pipe = redis::pipe();
    for n in 0..keys {
        pipe.set(format!("string:{n}"), format!("value {n}")).ignore();
    }
    for n in 0..40 {
        pipe.rpush("list", n).ignore();
        pipe.sadd("set", format!("member {n}")).ignore();
        pipe.hset("hash", n, "field").ignore();
        pipe.zadd("zset", n, n * 2).ignore();
    }
    pipe.cmd("XADD").arg("stream").arg("1-1").arg("a").arg("b").ignore();
    pipe.cmd("SET").arg("due").arg("later").arg("EX").arg(100_000).ignore();
    pipe.cmd("SELECT").arg(3).ignore().set("elsewhere", 1).ignore().cmd("SELECT").arg(0).ignore();
    pipe.exec(to).expect("the data fits");
}

/// What a server holds, to be compared.
fn digest(to: &mut Connection) -> String {
    ask(to, "DEBUG DIGEST").expect("DEBUG is enabled")
}

fn info(to: &mut Connection) -> BTreeMap<String, String> {
    ask(to, "BACKUP INFO").expect("it is answered")
}

fn ids(to: &mut Connection) -> Vec<String> {
    let listed: Vec<BTreeMap<String, Value>> = ask(to, "BACKUP LIST").expect("it is answered");
    listed.iter().map(|backup| redis::from_redis_value_ref(&backup["id"]).expect("a name is text")).collect()
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|all| all.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// A server on a folder that has been restored; its digest.
fn digest_of(dir: &str, shards: usize) -> String {
    let server = Server::start_with(shards, &["--dir", dir]);
    let mut to = connect(&server);
    wait_for_load(&mut to);
    digest(&mut to)
}

fn wait_for_load(to: &mut Connection) {
    let end = Instant::now() + Duration::from_secs(60);
    while ask::<Value>(to, "DBSIZE").is_err() {
        assert!(Instant::now() < end, "it loads for a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_backup_is_a_folder_that_any_number_of_shards_starts_from() {
    let folder = Folder::new("local");
    let place = folder.join("backups");
    let server = Server::start_with(3, &["--backup-dir", &place, "--save", ""]);
    let mut to = connect(&server);
    fill(&mut to, 2_000);
    let before = digest(&mut to);
    let id: String = ask(&mut to, "BACKUP NOW").expect("a backup is made");
    // What comes later is in none.
    to.set::<_, _, ()>("later", 1).unwrap();
    assert_eq!(ids(&mut to), [&id[..]]);
    let about = info(&mut to);
    assert_eq!((&about["backup_last_id"][..], &about["backup_last_status"][..]), (&id[..], "ok"));
    assert_eq!((&about["backup_last_keys"][..], &about["backups_made"][..]), ("2007", "1"));
    let backup = format!("{place}/{id}");
    let want: Vec<String> = (0..3).map(|n| format!("backup-0000000001-{n}.rdb")).collect();
    assert_eq!(names(Path::new(&backup)), [want, vec!["backup.manifest".to_string()]].concat());
    let (code, said) = torc(&["verify", &backup]);
    assert!(code == 0 && said.contains("2007 keys"), "{said}");
    let (code, said) = torc(&["backups", &place]);
    assert!(code == 0 && said.contains(&id) && said.contains("2007 keys"), "{said}");

    for shards in [1, 2, 3] {
        let dir = folder.join(&format!("restored-{shards}"));
        let (code, said) = torc(&["restore", &backup, "--shards", &shards.to_string(), "--dir", &dir]);
        assert!(code == 0 && said.contains("2007 keys of 3 files"), "{said}");
        assert_eq!(names(Path::new(&dir)).iter().filter(|name| name.ends_with(".rdb")).count(), shards);
        assert_eq!(torc(&["verify", &dir]).0, 0);
        // And where there is data nothing is overwritten.
        let (code, said) = torc(&["restore", &backup, "--dir", &dir]);
        assert!(code == 1 && said.contains("there is data already"), "{said}");
        assert_eq!(digest_of(&dir, shards), before, "{shards}");
    }
    // A server of another number of shards than was said.
    assert_eq!(digest_of(&folder.join("restored-3"), 1), before);

    assert_eq!(ask::<String>(&mut to, &format!("BACKUP DELETE {id}")).unwrap(), "OK");
    assert!(ids(&mut to).is_empty() && names(Path::new(&place)).is_empty());
    assert!(error(&mut to, &format!("BACKUP DELETE {id}")).contains("no such backup"));
    assert!(error(&mut to, "BACKUP DELETE ../../etc").contains("no name of a backup"));
}

#[test]
fn retention_removes_what_is_too_many_and_nothing_else() {
    let folder = Folder::new("retention");
    let place = folder.join("backups");
    let server = Server::start_with(
        2,
        &["--backup-dir", &place, "--backup-retention", "2 10d", "--enable-protected-configs", "yes"],
    );
    let mut to = connect(&server);
    fill(&mut to, 10);
    std::fs::create_dir_all(folder.0.join("backups/precious")).unwrap();
    std::fs::write(folder.0.join("backups/20200101-000000-000"), "a file of somebody's").unwrap();
    let made: Vec<String> = (0..4).map(|_| ask(&mut to, "BACKUP NOW").expect("a backup is made")).collect();
    assert_eq!(ids(&mut to), [made[3].clone(), made[2].clone()]);
    let there = names(Path::new(&place));
    assert_eq!(there, ["20200101-000000-000", &made[2], &made[3], "precious"]);
    assert_eq!(info(&mut to)["backups_removed"], "2");
    // Elsewhere nothing is removed.
    let other = folder.join("other");
    for _ in 0..3 {
        ask::<String>(&mut to, &format!("BACKUP NOW TO {other}")).expect("a backup is made");
    }
    assert_eq!(names(Path::new(&other)).len(), 3);
    assert_eq!(ids(&mut to).len(), 2);
}

#[test]
fn a_backup_that_fails_says_why_and_leaves_nothing() {
    let folder = Folder::new("fails");
    std::fs::write(folder.0.join("file"), "no folder").unwrap();
    let server = Server::start_with(2, &["--save", "", "--enable-protected-configs", "yes"]);
    let mut to = connect(&server);
    fill(&mut to, 100);
    assert!(error(&mut to, "BACKUP NOW").contains("backup-dir is not set"));
    assert!(error(&mut to, "BACKUP LIST").contains("backup-dir is not set"));
    let said = error(&mut to, &format!("BACKUP NOW TO {}/in", folder.join("file")));
    assert!(said.contains("The backup failed") && said.contains("Not a directory"), "{said}");
    let about = info(&mut to);
    assert_eq!(about["backup_last_status"], "err");
    assert!(about["backup_last_error"].contains("Not a directory"), "{about:?}");
    let all: String = ask(&mut to, "INFO backup").unwrap();
    assert!(all.contains("# Backup") && all.contains("backups_failed:1"), "{all}");
    // It is no failed snapshot: writes go on.
    to.set::<_, _, ()>("still", 1).unwrap();
    let persistence: String = ask(&mut to, "INFO persistence").unwrap();
    assert!(persistence.contains("rdb_last_bgsave_status:ok") && persistence.contains("rdb_bgsave_in_progress:0"));
    for (line, why) in [
        ("BACKUP NOW TO", "syntax error"),
        ("BACKUP NOW FROM x", "syntax error"),
        ("BACKUP NOW TO ftp://x", "s3://BUCKET/PREFIX is wanted"),
        ("BACKUP NOPE", "unknown subcommand"),
        ("CONFIG SET backup-schedule nonsense", "five fields"),
        ("CONFIG SET backup-retention 0", "count, an age"),
    ] {
        assert!(error(&mut to, line).contains(why), "{line}: {}", error(&mut to, line));
    }
    // Places are guarded as `dir` is.
    let guarded = Server::start(1);
    let mut to = connect(&guarded);
    assert!(error(&mut to, "CONFIG SET backup-dir /tmp").contains("protected config"));
    assert!(error(&mut to, &format!("BACKUP NOW TO {}", folder.join("x"))).contains("enable-protected-configs"));
}

/// A small file system, where one may be mounted.
struct Small(String);

impl Small {
    fn mount(at: String) -> Option<Small> {
        std::fs::create_dir_all(&at).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none", &at]).stderr(Stdio::null()).status();
        if mount.is_ok_and(|status| status.success()) {
            return Some(Small(at));
        }
        println!("skipped: no file system can be mounted here");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_fails_the_backup_and_leaves_nothing() {
    let folder = Folder::new("full");
    let Some(small) = Small::mount(folder.join("small")) else { return };
    let server = Server::start_with(2, &["--enable-protected-configs", "yes", "--rdbcompression", "no"]);
    let mut to = connect(&server);
    fill(&mut to, 100);
    to.set::<_, _, ()>("large", vec![b'x'; 8 << 20]).unwrap();
    let place = format!("{}/backups", small.0);
    let line = format!("BACKUP NOW TO {place}");
    let said = error(&mut to, &line);
    assert!(said.contains("No space left on device"), "{said}");
    // The keeper removes it when it comes to it.
    let end = Instant::now() + Duration::from_secs(20);
    while !names(Path::new(&place)).is_empty() {
        assert!(Instant::now() < end, "{:?}", names(Path::new(&place)));
        std::thread::sleep(Duration::from_millis(20));
    }
    to.del::<_, ()>("large").unwrap();
    let id: String = ask(&mut to, &line).expect("there is room now");
    // And so does a restore.
    to.set::<_, _, ()>("large", vec![b'x'; 8 << 20]).unwrap();
    let other = folder.join("backups");
    let large: String = ask(&mut to, &format!("BACKUP NOW TO {other}")).expect("there is room");
    let dir = format!("{}/data", small.0);
    let (code, said) = torc(&["restore", &format!("{other}/{large}"), "--dir", &dir]);
    assert!(code == 1 && said.contains("No space left on device"), "{said}");
    assert!(names(Path::new(&dir)).iter().all(|name| name == "torc.lock"));
    assert_eq!(torc(&["verify", &format!("{place}/{id}")]).0, 0);
}

/// S3 as settings say it; None: somebody else's server, which makes no failures.
fn bucket() -> (Option<std::sync::Arc<Bucket>>, String) {
    match std::env::var("TORC_S3_ENDPOINT") {
        Ok(url) => (None, url),
        Err(_) => {
            let (bucket, url) = Bucket::serve();
            (Some(bucket), url)
        }
    }
}

#[test]
fn backups_go_to_s3_and_come_back() {
    let folder = Folder::new("s3");
    let (bucket, url) = bucket();
    let prefix = format!("torc/{}", std::process::id());
    let place = format!("s3://store/{prefix}");
    let s3 = [
        ["--backup-dir", &place],
        ["--backup-retention", "2"],
        ["--backup-s3-endpoint", &url],
        ["--backup-s3-region", "somewhere"],
        ["--backup-s3-access-key", bucket::KEY],
        ["--backup-s3-secret-key", "secret"],
        ["--enable-protected-configs", "yes"],
    ];
    let server = Server::start_with(2, s3.as_flattened());
    let mut to = connect(&server);
    fill(&mut to, 1_000);
    // More than one part of an upload, and nothing that can be compressed.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(20 << 20)
    .collect();
    to.set::<_, _, ()>("large", &noise).unwrap();
    let before = digest(&mut to);
    if let Some(bucket) = &bucket {
        // What fails for a moment is tried again.
        bucket.failures.store(2, std::sync::atomic::Ordering::Relaxed);
    }
    let id: String = ask(&mut to, "BACKUP NOW").expect("a backup is made");
    assert_eq!(ids(&mut to), [&id[..]]);
    let dir: Vec<String> = ask(&mut to, "CONFIG GET dir").unwrap();
    assert!(names(Path::new(&dir[1])).iter().all(|name| !name.ends_with(".part")), "{dir:?}");
    if let Some(bucket) = &bucket {
        assert_eq!(bucket.keys().len(), 3, "{:?}", bucket.keys());
        assert_eq!(bucket.open_uploads(), 0);
    }

    let source = format!("{place}/{id}");
    let tool = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_torc"))
            .args(args)
            .envs([("AWS_ENDPOINT_URL", &url[..]), ("AWS_REGION", "somewhere")])
            .envs([("AWS_ACCESS_KEY_ID", bucket::KEY), ("AWS_SECRET_ACCESS_KEY", "secret")])
            .output()
            .expect("the binary was built");
        let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        (out.status.code().expect("it ends by itself"), said)
    };
    let (code, said) = tool(&["verify", &source]);
    assert!(code == 0 && said.contains("1008 keys"), "{said}");
    let (code, said) = tool(&["backups", &place]);
    assert!(code == 0 && said.contains(&id), "{said}");
    let restored = folder.join("restored");
    let (code, said) = tool(&["restore", &source, "--shards", "3", "--dir", &restored]);
    assert!(code == 0 && said.contains("1008 keys of 2 files"), "{said}");
    assert_eq!(digest_of(&restored, 3), before);
    // A server that begins with it.
    let seeded = folder.join("seeded");
    std::fs::create_dir(&seeded).unwrap();
    let start = [s3.as_flattened(), &["--dir", &seeded, "--restore", &source]].concat();
    let other = Server::start_with(1, &start);
    let mut seeded = connect(&other);
    wait_for_load(&mut seeded);
    assert_eq!(digest(&mut seeded), before);
    drop(other);

    for _ in 0..2 {
        ask::<String>(&mut to, "BACKUP NOW").expect("a backup is made");
    }
    let kept = ids(&mut to);
    assert!(kept.len() == 2 && !kept.contains(&id), "{kept:?}");
    let (code, said) = tool(&["verify", &source]);
    assert!(code == 1 && said.contains("neither a manifest nor an .rdb file"), "{said}");
    for id in &kept {
        assert_eq!(ask::<String>(&mut to, &format!("BACKUP DELETE {id}")).unwrap(), "OK");
    }
    assert!(ids(&mut to).is_empty());

    let Some(bucket) = bucket else { return };
    assert_eq!(bucket.keys(), Vec::<String>::new());
    // Refused in the middle: nothing is left, neither there nor here.
    for end in ["-1.rdb", "backup.manifest"] {
        *bucket.refused.lock().unwrap() = Some(end.into());
        let said = error(&mut to, "BACKUP NOW");
        assert!(said.contains("access is refused") && said.contains(end), "{said}");
        assert_eq!(bucket.keys(), Vec::<String>::new());
        assert_eq!(bucket.open_uploads(), 0);
        assert!(names(Path::new(&dir[1])).iter().all(|name| !name.ends_with(".part")));
    }
    *bucket.refused.lock().unwrap() = None;
    let said = error(&mut to, "BACKUP NOW TO s3://nowhere/at/all");
    assert!(said.contains("s3://nowhere"), "{said}");
}

#[test]
fn a_data_folder_is_seeded_once() {
    let folder = Folder::new("seed");
    let place = folder.join("backups");
    let server = Server::start_with(2, &["--backup-dir", &place]);
    let mut to = connect(&server);
    fill(&mut to, 500);
    let before = digest(&mut to);
    let id: String = ask(&mut to, "BACKUP NOW").expect("a backup is made");
    let (source, dir) = (format!("{place}/{id}"), folder.join("data"));
    std::fs::create_dir(&dir).unwrap();
    let start = ["--dir", &dir, "--restore", &source];
    let seeded = Server::start_with(3, &start);
    let mut to = connect(&seeded);
    wait_for_load(&mut to);
    assert_eq!(digest(&mut to), before);
    to.set::<_, _, ()>("own", 1).unwrap();
    assert_eq!(ask::<String>(&mut to, "SAVE").unwrap(), "OK");
    drop(seeded);
    // It goes on with what is its own.
    let again = Server::start_with(1, &start);
    let mut to = connect(&again);
    wait_for_load(&mut to);
    assert_eq!(to.get::<_, i64>("own").unwrap(), 1);
    drop(again);
    // What cannot be had ends the start, and says why.
    let empty = folder.join("empty");
    std::fs::create_dir(&empty).unwrap();
    let (code, said) = torc(&[
        "--port",
        "0",
        "--memcached-port",
        "0",
        "--unixsocket",
        &folder.join("socket"),
        "--shards",
        "1",
        "--dir",
        &empty,
        "--restore",
        &folder.join("nowhere"),
    ]);
    assert!(code == 1 && said.contains("nowhere: No such file or directory"), "{said}");
}

/// A file with one string, and whatever `more` adds.
fn rdb(key: &str, more: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write::begin(&mut out, 11);
    more(&mut out);
    let head = Head { key: key.as_bytes(), deadline: None, age: Default::default(), flags: 0, version: None };
    write::select(&mut out, base::DbId(0));
    write::entry_head(&mut out, &head, 0, None);
    out.extend_from_slice(b"\x05value");
    let sum = store::rdb::crc64(0, &out);
    write::end(&mut out, sum, true);
    out
}

#[test]
fn what_is_damaged_or_lies_is_refused_and_leaves_nothing() {
    let folder = Folder::new("hostile");
    let restore = |source: &str| {
        let dir = folder.join("into");
        let done = torc(&["restore", source, "--shards", "2", "--dir", &dir]);
        let left: Vec<String> = names(Path::new(&dir)).into_iter().filter(|name| name != "torc.lock").collect();
        assert!(done.0 == 0 || left.is_empty(), "{source}: {left:?}");
        drop(std::fs::remove_dir_all(&dir));
        done
    };
    let good = rdb("key", |_| {});
    let file = folder.join("dump.rdb");
    std::fs::write(&file, &good).unwrap();
    assert_eq!(restore(&file).0, 0);
    for cut in [0, 5, 9, good.len() / 2, good.len() - 9, good.len() - 1] {
        std::fs::write(&file, &good[..cut]).unwrap();
        let (code, said) = restore(&file);
        assert!(code == 1 && said.contains("dump.rdb"), "cut at {cut}: {said}");
    }
    for at in (0..good.len()).step_by(3) {
        let mut other = good.clone();
        other[at] ^= 0x10;
        std::fs::write(&file, &other).unwrap();
        let (code, said) = restore(&file);
        assert!(code == 1 && said.contains("dump.rdb"), "changed at {at}: {said}");
    }
    // A folder of files.
    std::fs::write(&file, &good).unwrap();
    std::fs::write(folder.0.join("more.rdb"), rdb("other", |_| {})).unwrap();
    let all = folder.0.to_str().unwrap().to_string();
    let (code, said) = restore(&all);
    assert!(code == 0 && said.contains("2 keys of 2 files"), "{said}");

    let manifest = |name: &str, change: fn(&mut File)| {
        let sum = store::rdb::crc64(0, &good[..good.len() - 8]);
        let mut file = File { name: name.into(), keys: 1, bytes: good.len() as u64, crc64: sum };
        change(&mut file);
        Manifest { serial: 1, time_ms: 1, version: "9.9.9".into(), hash_seed: None, files: vec![file] }.draw()
    };
    let newer = "torc-manifest 3\nserial 1\n".to_string();
    for (text, why) in [
        (manifest("dump.rdb", |_| {}), ""),
        (manifest("gone.rdb", |_| {}), "gone.rdb: No such file or directory"),
        (manifest("dump.rdb", |file| file.keys = 2), "it has 1 keys, the manifest tells of 2"),
        (manifest("dump.rdb", |file| file.bytes += 1), "bytes, the manifest tells of"),
        (manifest("dump.rdb", |file| file.crc64 ^= 1), "its checksum is"),
        (manifest("../dump.rdb", |_| {}), "has a path in it"),
        (manifest("/etc/passwd", |_| {}), "has a path in it"),
        (newer, "a newer Torc has written it"),
        ("whatever\n".into(), "no manifest of Torc's"),
        (String::new(), "it is no manifest of Torc's"),
    ] {
        std::fs::write(folder.0.join("x.manifest"), &text).unwrap();
        let (code, said) = restore(&all);
        let (verified, said_too) = torc(&["verify", &all]);
        assert!((code == 0) == why.is_empty() && said.contains(why), "{why}: {said}");
        assert!((verified == 0) == why.is_empty() && said_too.contains(why), "{why}: {said_too}");
    }
    for (source, why) in [
        (folder.join("nowhere"), "No such file or directory"),
        ("s3://".into(), "names no bucket"),
        ("http://x/y".into(), "s3://BUCKET/PREFIX is wanted"),
    ] {
        let (code, said) = restore(&source);
        assert!(code == 1 && said.contains(why), "{source}: {said}");
    }
    // A folder that a server has.
    let server = Server::start(1);
    let mut to = connect(&server);
    let dir: Vec<String> = ask(&mut to, "CONFIG GET dir").unwrap();
    std::fs::remove_file(folder.0.join("x.manifest")).unwrap();
    let (code, said) = torc(&["restore", &all, "--dir", &dir[1]]);
    assert!(code == 1 && said.contains("Another server keeps its data"), "{said}");
    assert_eq!(torc(&["restore"]).0, 2);
    assert_eq!(torc(&["restore", &all, "--dir", "x", "--shards", "0"]).0, 2);
}

/// There are no functions here, but those of a file come out again, for a server that has them.
#[test]
fn functions_of_a_file_are_in_what_is_made_of_it() {
    const LIBRARY: &[u8] = b"#!lua name=mylib\nredis.register_function('f', function() return 7 end)";
    let folder = Folder::new("functions");
    let source = folder.join("source.rdb");
    std::fs::write(&source, rdb("key", |out| write::function(out, LIBRARY))).unwrap();
    let dir = folder.join("data");
    assert_eq!(torc(&["restore", &source, "--shards", "2", "--dir", &dir]).0, 0);
    let server = Server::start_with(2, &["--dir", &dir, "--enable-protected-configs", "yes"]);
    let mut to = connect(&server);
    wait_for_load(&mut to);
    assert_eq!(ask::<String>(&mut to, "SAVE").unwrap(), "OK");
    let backups = folder.join("backups");
    let id: String = ask(&mut to, &format!("BACKUP NOW TO {backups}")).unwrap();
    let dumped = folder.join("dumped.rdb");
    std::fs::write(&dumped, dump(&server, &["REPLCONF rdb-filter-only functions"], "SYNC")).unwrap();
    drop(server);
    for (what, from, keys) in
        [("snapshot", dir, "1 keys"), ("backup", format!("{backups}/{id}"), "1 keys"), ("dump", dumped, "0 keys")]
    {
        let (code, said) = torc(&["verify", &from]);
        assert!(code == 0 && said.contains("1 libraries of functions") && said.contains(keys), "{what}: {said}");
        let file = folder.join("export.rdb");
        assert_eq!(torc(&["export", "--merge", &file, &from]).0, 0, "{what}");
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.windows(LIBRARY.len()).any(|text| text == LIBRARY), "{what}");
    }
}

/// What comes after `ask`, as `redis-cli --rdb` reads it: lines that keep the connection alive, then the dump, by its length or up
/// to its mark.
fn dump(server: &Server, before: &[&str], ask: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(&server.resp).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    for line in before {
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let mut reply = [0; 5];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK\r\n", "{line}");
    }
    stream.write_all(format!("{ask}\r\n").as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("it closes when it has said everything");
    let mut rest = &all[..];
    if ask.starts_with("PSYNC") {
        assert!(rest.starts_with(b"+FULLRESYNC "), "{}", rest[..rest.len().min(80)].escape_ascii());
        rest = &rest[rest.iter().position(|&b| b == b'\n').unwrap() + 1..];
    }
    let rest = &rest[rest.iter().take_while(|&&b| b == b'\n').count()..];
    let end = rest.iter().position(|&b| b == b'\n').unwrap_or_else(|| panic!("{}", rest.escape_ascii()));
    let (line, body) = (std::str::from_utf8(&rest[..end]).unwrap().trim_end(), &rest[end + 1..]);
    match line.strip_prefix("$EOF:") {
        Some(mark) => {
            assert_eq!(mark.len(), 40);
            body.strip_suffix(mark.as_bytes()).expect("the mark ends it").to_vec()
        }
        None => {
            let length: usize = line.strip_prefix('$').and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(body.len(), length);
            body.to_vec()
        }
    }
}

#[test]
fn sync_gives_a_dump_and_closes() {
    let folder = Folder::new("dump");
    let server = Server::start_with(3, &["--save", ""]);
    let mut to = connect(&server);
    fill(&mut to, 20_000);
    // More than what may be ahead of a client that reads slowly.
    to.set::<_, _, ()>("large", vec![b'x'; 12 << 20]).unwrap();
    let before = digest(&mut to);
    let rdb_only = ["REPLCONF rdb-only 1", "REPLCONF capa eof capa psync2"];
    let cases: [(&[&str], &str); 4] = [
        (&[], "SYNC"),
        (&["REPLCONF capa eof"], "SYNC"),
        (&rdb_only, "PSYNC ? -1"),
        (&["REPLCONF listening-port 7000", "REPLCONF rdb-only 1"], "SYNC"),
    ];
    for (n, (said, ask)) in cases.into_iter().enumerate() {
        let file = folder.join(&format!("dump-{n}.rdb"));
        std::fs::write(&file, dump(&server, said, ask)).unwrap();
        let dir = folder.join(&format!("data-{n}"));
        let (code, told) = torc(&["restore", &file, "--shards", "2", "--dir", &dir]);
        assert!(code == 0 && told.contains("20008 keys"), "{said:?} {ask}: {told}");
        assert_eq!(digest_of(&dir, 2), before, "{said:?} {ask}");
    }
    // Without data.
    let none = dump(&server, &["REPLCONF rdb-filter-only functions"], "SYNC");
    assert!(none.starts_with(b"REDIS0010") && none.len() < 300, "{}", none.escape_ascii());
    // Several at once, one of which hangs up in the middle and one of which is never read.
    let mut silent = TcpStream::connect(&server.resp).unwrap();
    silent.write_all(b"SYNC\r\n").unwrap();
    let mut hasty = TcpStream::connect(&server.resp).unwrap();
    hasty.write_all(b"SYNC\r\n").unwrap();
    std::thread::scope(|scope| {
        let several: Vec<_> = (0..4).map(|_| scope.spawn(|| dump(&server, &[], "SYNC").len())).collect();
        let mut some = [0; 100];
        hasty.read_exact(&mut some).unwrap();
        drop(hasty);
        let lengths: Vec<usize> = several.into_iter().map(|one| one.join().unwrap()).collect();
        assert!(lengths.iter().all(|&length| length == lengths[0]), "{lengths:?}");
    });
    drop(silent);
    // Nothing of it stays, as soon as the last has gone.
    let dir: Vec<String> = ask(&mut to, "CONFIG GET dir").unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while names(Path::new(&dir[1])).iter().any(|name| name.ends_with(".part")) {
        assert!(Instant::now() < end, "{:?}", names(Path::new(&dir[1])));
        std::thread::sleep(Duration::from_millis(50));
    }
    for (line, why) in [
        ("REPLCONF listening-port", "syntax error"),
        ("REPLCONF listening-port x", "not an integer"),
        ("REPLCONF rdb-only 2", "must between 0 and 1"),
        ("REPLCONF rdb-filter-only data", "Unsupported rdb-filter-only option: data"),
        ("REPLCONF nonsense 1", "Unrecognized REPLCONF option: nonsense"),
        ("PSYNC ?", "wrong number of arguments"),
        ("SYNC 1", "wrong number of arguments"),
    ] {
        assert!(error(&mut to, line).contains(why), "{line}: {}", error(&mut to, line));
    }
    // A replica would believe that it goes on hearing what is written.
    ask::<String>(&mut to, "REPLCONF listening-port 7001").unwrap();
    for line in ["SYNC", "PSYNC ? -1"] {
        assert!(error(&mut to, line).contains("Torc has no replicas yet"), "{line}");
    }
}

/// The genuine tool, and a genuine server that loads what it got.
#[test]
fn redis_cli_takes_a_dump_that_redis_loads() {
    let there = |name: &str| Command::new(name).arg("--version").output().is_ok();
    if !there("redis-cli") || !there("redis-server") {
        println!("skipped: redis-cli and redis-server are not in PATH");
        return;
    }
    let folder = Folder::new("cli");
    let server = Server::start_with(3, &["--save", ""]);
    let mut to = connect(&server);
    fill(&mut to, 5_000);
    let port = server.resp.rsplit_once(':').unwrap().1;
    let file = folder.join("dump.rdb");
    for option in ["--rdb", "--functions-rdb"] {
        let out = Command::new("redis-cli").args(["-p", port, option, &file]).output().unwrap();
        assert!(out.status.success(), "{option}: {}", String::from_utf8_lossy(&out.stderr));
        let socket = folder.join("socket");
        let mut redis = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", &socket, "--dir", folder.0.to_str().unwrap(), "--save", ""])
            .args(["--enable-debug-command", "yes"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        let mut loaded = loop {
            let client = redis::Client::open(format!("redis+unix://{socket}")).unwrap();
            if let Ok(mut to) = client.get_connection()
                && ask::<Value>(&mut to, "DBSIZE").is_ok()
            {
                break to;
            }
            std::thread::sleep(Duration::from_millis(20));
            assert!(Instant::now() < end && redis.try_wait().unwrap().is_none(), "redis-server does not load it");
        };
        let (keys, want) = (ask::<u64>(&mut loaded, "DBSIZE").unwrap(), if option == "--rdb" { 5_006 } else { 0 });
        let same = option != "--rdb" || digest(&mut loaded) == digest(&mut to);
        drop((redis.kill(), redis.wait()));
        drop(std::fs::remove_file(&socket));
        assert_eq!(keys, want, "{option}");
        assert!(same, "Redis has loaded something else");
    }
}
