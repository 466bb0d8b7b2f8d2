//! Room: node, tests. The built server under client libraries that people use: crates `redis` and `memcache`.
//!
//! Each test runs against a server of 1, 2 and 4 shards, started as a user starts it, and ends it gracefully. With
//! TORC_CASES_REDIS and TORC_CASES_MEMCACHED set to the addresses of genuine servers, what concerns one protocol is asked of
//! them too, so that the expectation itself is tested; they are flushed.

mod live;

use live::{PATIENCE, Server};
use redis::{Commands, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisResult, ServerErrorKind, TypedCommands};
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Connections as the two crates make them.
trait Connect {
    fn redis(&self) -> redis::Connection {
        self.redis_as(ProtocolVersion::RESP2, 0)
    }
    fn redis_as(&self, protocol: ProtocolVersion, db: i64) -> redis::Connection;
    fn memcache(&self) -> memcache::Client;
}

impl Connect for Server {
    fn redis_as(&self, protocol: ProtocolVersion, db: i64) -> redis::Connection {
        let settings = RedisConnectionInfo::default().set_protocol(protocol).set_db(db);
        let info: redis::ConnectionInfo =
            redis::IntoConnectionInfo::into_connection_info(format!("redis://{}", self.resp))
                .map(|i: redis::ConnectionInfo| i.set_redis_settings(settings))
                .expect("a valid address");
        let client = redis::Client::open(info).expect("a valid address");
        let connection = client.get_connection().expect("the server takes connections");
        connection.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        connection
    }

    fn memcache(&self) -> memcache::Client {
        let url = format!("memcache://{}?protocol=ascii&timeout=60&tcp_nodelay=true", self.memcached);
        memcache::connect(url).expect("the server takes connections")
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Resp,
    Memcached,
    Both,
}

fn on_all(needs: Needs, test: impl Fn(&Server)) {
    let peer = match needs {
        Needs::Resp => std::env::var("TORC_CASES_REDIS").ok(),
        Needs::Memcached => std::env::var("TORC_CASES_MEMCACHED").ok(),
        Needs::Both => None,
    };
    if let Some(address) = peer {
        // There is one for all tests, and each flushes it.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        eprintln!("-- the genuine server at {address}");
        test(&Server::of_others(&address));
    }
    for shards in [1, 2, 4] {
        eprintln!("-- {shards} shards");
        let server = Server::start(shards);
        test(&server);
        assert_eq!(server.stop(), Some(0), "a graceful end, {shards} shards");
    }
}

fn redis_error<T: std::fmt::Debug>(got: RedisResult<T>) -> (ErrorKind, String) {
    let error = got.expect_err("an error is due");
    (error.kind(), error.to_string())
}

/// A TTL of what got `seconds` not before `begun`: as much less at most as has passed since, and one for rounding.
fn assert_left(left: i64, seconds: i64, begun: Instant) {
    let least = seconds - begun.elapsed().as_secs() as i64 - 1;
    assert!((least..=seconds).contains(&left), "{left} is not in {least}..={seconds}");
}

fn response(kind: ServerErrorKind) -> ErrorKind {
    ErrorKind::Server(kind)
}

#[test]
fn redis_strings() {
    on_all(Needs::Resp, |server| {
        for protocol in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
            strings(&mut server.redis_as(protocol, 0));
        }
    });
}

fn strings(con: &mut redis::Connection) {
    let run = |con: &mut redis::Connection, words: &[&str]| -> redis::Value {
        redis::cmd(words[0]).arg(&words[1..]).query(con).unwrap_or_else(|e| panic!("{words:?}: {e}"))
    };
    run(con, &["FLUSHALL"]);
    let all_bytes: Vec<u8> = (0..=255u8).cycle().take(300_000).collect();
    TypedCommands::set(con, "binary\r\n\0key", &all_bytes).expect("set");
    let got: Option<Vec<u8>> = Commands::get(con, "binary\r\n\0key").expect("get");
    assert_eq!(got.as_ref(), Some(&all_bytes));
    assert_eq!(TypedCommands::strlen(con, "binary\r\n\0key").expect("strlen"), 300_000);

    assert_eq!(TypedCommands::get(con, "none").expect("get"), None);
    assert!(TypedCommands::set_nx(con, "a", "1").expect("setnx"));
    assert!(!TypedCommands::set_nx(con, "a", "2").expect("setnx"));
    assert_eq!(TypedCommands::getset(con, "a", "10").expect("getset").as_deref(), Some("1"));
    assert_eq!(TypedCommands::incr(con, "a", 5).expect("incr"), 15);
    assert_eq!(TypedCommands::decr(con, "a", 20).expect("decr"), -5);
    let float: f64 = Commands::incr(con, "a", 1.5f64).expect("incrbyfloat");
    assert!((float - -3.5).abs() < 1e-12);
    assert_eq!(TypedCommands::append(con, "b", "hello").expect("append"), 5);
    assert_eq!(TypedCommands::append(con, "b", " world").expect("append"), 11);
    assert_eq!(TypedCommands::getrange(con, "b", -5, -1).expect("getrange"), "world");
    assert_eq!(TypedCommands::setrange(con, "b", 6, "torc!").expect("setrange"), 11);
    assert_eq!(TypedCommands::get(con, "b").expect("get").as_deref(), Some("hello torc!"));
    assert_eq!(TypedCommands::get_del(con, "b").expect("getdel").as_deref(), Some("hello torc!"));
    assert_eq!(TypedCommands::get_del(con, "b").expect("getdel"), None);

    TypedCommands::mset(con, &[("m1", "x"), ("m2", "y"), ("m3", "z")]).expect("mset");
    let got: Vec<Option<String>> = Commands::mget(con, &["m3", "none", "m1", "m2", "m1"]).expect("mget");
    let want = [Some("z"), None, Some("x"), Some("y"), Some("x")].map(|o| o.map(str::to_string));
    assert_eq!(got, want);
    assert!(!TypedCommands::mset_nx(con, &[("n1", "1"), ("m1", "2")]).expect("msetnx"));
    assert!(!TypedCommands::exists(con, "n1").expect("exists"), "MSETNX sets all or nothing");
    assert!(TypedCommands::mset_nx(con, &[("n1", "1"), ("n2", "2"), ("n3", "3")]).expect("msetnx"));

    let begun = Instant::now();
    let options = redis::SetOptions::default()
        .conditional_set(redis::ExistenceCheck::XX)
        .get(true)
        .with_expiration(redis::SetExpiry::EX(100));
    let old: Option<String> = Commands::set_options(con, "m1", "new", options).expect("set with options");
    assert_eq!(old.as_deref(), Some("x"));
    let left: i64 = Commands::ttl(con, "m1").expect("ttl");
    assert_left(left, 100, begun);
    let got: Option<String> = Commands::get_ex(con, "m1", redis::Expiry::PERSIST).expect("getex");
    assert_eq!(got.as_deref(), Some("new"));
    assert_eq!(run(con, &["TTL", "m1"]), redis::Value::Int(-1));

    TypedCommands::set(con, "word", "x").expect("set");
    let (kind, text) = redis_error(Commands::incr::<_, _, i64>(con, "word", 1));
    assert_eq!(kind, response(ServerErrorKind::ResponseError));
    assert!(text.contains("value is not an integer or out of range"), "{text}");
    let (_, text) = redis_error(redis::cmd("GET").query::<redis::Value>(con));
    assert!(text.contains("wrong number of arguments for 'get' command"), "{text}");
    let (_, text) = redis_error(redis::cmd("NOSUCH").arg("a").arg("b").query::<redis::Value>(con));
    assert!(text.contains("unknown command 'NOSUCH', with args beginning with: 'a' 'b'"), "{text}");
    let (_, text) = redis_error(redis::cmd("SET").arg("k").arg("v").arg("NOPE").query::<redis::Value>(con));
    assert!(text.contains("syntax error"), "{text}");
}

#[test]
fn redis_keys() {
    on_all(Needs::Resp, |server| {
        let con = &mut server.redis();
        redis::cmd("FLUSHALL").exec(con).expect("flushall");
        for number in 0..2000 {
            TypedCommands::set(con, format!("k:{number}"), number).expect("set");
        }
        assert_eq!(redis::cmd("DBSIZE").query::<u64>(con).expect("dbsize"), 2000);
        let all: BTreeSet<String> = (0..2000).map(|n| format!("k:{n}")).collect();
        let listed: Vec<String> = Commands::keys(con, "k:*").expect("keys");
        assert_eq!(listed.len(), 2000);
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), all);
        let some: Vec<String> = Commands::keys(con, "k:1[0-9]").expect("keys");
        assert_eq!(some.len(), 10);
        let options = redis::ScanOptions::default().with_pattern("k:*").with_count(50);
        let scanned: Vec<String> =
            Commands::scan_options::<String>(con, options).expect("scan").collect::<Result<_, _>>().expect("strings");
        assert_eq!(scanned.into_iter().collect::<BTreeSet<_>>(), all, "SCAN gives every key");
        let random: String = redis::cmd("RANDOMKEY").query(con).expect("randomkey");
        assert!(all.contains(&random));

        let names: Vec<String> = (0..1000).map(|n| format!("k:{n}")).collect();
        assert!(TypedCommands::exists(con, "k:1999").expect("exists"));
        assert_eq!(redis::cmd("EXISTS").arg(&names).arg("none").arg("k:0").query::<u64>(con).expect("exists"), 1001);
        assert_eq!(TypedCommands::del(con, &names).expect("del"), 1000);
        assert_eq!(TypedCommands::del(con, &names).expect("del"), 0);
        assert_eq!(TypedCommands::unlink(con, &["k:1000", "k:1001", "k:0"]).expect("unlink"), 2);
        assert_eq!(redis::cmd("TOUCH").arg(&["k:1000", "k:1002"]).query::<u64>(con).expect("touch"), 1);

        // Names that fall on different shards, whatever their number.
        for number in 1002..1050 {
            let (from, to) = (format!("k:{number}"), format!("moved:{number}"));
            TypedCommands::rename(con, &from, &to).expect("rename");
            assert!(!TypedCommands::exists(con, &from).expect("exists"));
            assert_eq!(TypedCommands::get(con, &to).expect("get"), Some(number.to_string()));
            let copied: u64 = redis::cmd("COPY").arg(&to).arg(&from).query(con).expect("copy");
            assert_eq!(copied, 1);
            assert!(!TypedCommands::rename_nx(con, &to, &from).expect("renamenx"), "{from} is there again");
            assert_eq!(TypedCommands::get(con, &from).expect("get"), Some(number.to_string()));
        }
        let (_, text) = redis_error(TypedCommands::rename(con, "none", "other"));
        assert!(text.contains("no such key"), "{text}");

        let begun = Instant::now();
        assert!(TypedCommands::pexpire(con, "k:1500", 500).expect("pexpire"));
        let left: i64 = Commands::pttl(con, "k:1500").expect("pttl");
        let is_late = begun.elapsed() >= Duration::from_millis(500);
        assert!((1..=500).contains(&left) || is_late && left == -2, "{left}");
        while TypedCommands::exists(con, "k:1500").expect("exists") {
            assert!(begun.elapsed() < PATIENCE, "it is there for ever");
            std::thread::sleep(Duration::from_millis(20));
        }
        // The server reads its clock once a turn, which may have been before we asked.
        assert!(begun.elapsed() >= Duration::from_millis(300), "gone after {:?}", begun.elapsed());
        assert!(TypedCommands::expire(con, "k:1501", 100).expect("expire"));
        assert!(TypedCommands::persist(con, "k:1501").expect("persist"));
        assert!(!TypedCommands::expire(con, "none", 100).expect("expire"));
        assert_eq!(redis::cmd("TYPE").arg("k:1501").query::<String>(con).expect("type"), "string");
        assert_eq!(redis::cmd("TYPE").arg("none").query::<String>(con).expect("type"), "none");
        let encodings = [("1", "int"), ("short", "embstr"), (&*"long".repeat(20), "raw")];
        for (value, encoding) in encodings {
            TypedCommands::set(con, "e", value).expect("set");
            assert_eq!(redis::cmd("OBJECT").arg("ENCODING").arg("e").query::<String>(con).expect("object"), encoding);
        }
    });
}

#[test]
fn redis_databases() {
    on_all(Needs::Resp, |server| {
        let mut zero = server.redis();
        let mut three = server.redis_as(ProtocolVersion::RESP3, 3);
        redis::cmd("FLUSHALL").exec(&mut zero).expect("flushall");
        for number in 0..50 {
            TypedCommands::set(&mut zero, format!("a:{number}"), "zero").expect("set");
        }
        assert!(!TypedCommands::exists(&mut three, "a:1").expect("exists"));
        assert_eq!(redis::cmd("MOVE").arg("a:1").arg(3).query::<u64>(&mut zero).expect("move"), 1);
        assert_eq!(TypedCommands::get(&mut three, "a:1").expect("get").as_deref(), Some("zero"));
        redis::cmd("SWAPDB").arg(0).arg(3).exec(&mut zero).expect("swapdb");
        assert_eq!(redis::cmd("DBSIZE").query::<u64>(&mut zero).expect("dbsize"), 1);
        assert_eq!(redis::cmd("DBSIZE").query::<u64>(&mut three).expect("dbsize"), 49);
        redis::cmd("FLUSHDB").exec(&mut three).expect("flushdb");
        assert_eq!(redis::cmd("DBSIZE").query::<u64>(&mut zero).expect("dbsize"), 1);
        let (_, text) = redis_error(redis::cmd("SELECT").arg(16).query::<redis::Value>(&mut zero));
        assert!(text.contains("DB index is out of range"), "{text}");
    });
}

#[test]
fn redis_pipelines_answer_in_order() {
    on_all(Needs::Resp, |server| {
        for protocol in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
            let con = &mut server.redis_as(protocol, 0);
            redis::cmd("FLUSHALL").exec(con).expect("flushall");
            let mut pipe = redis::pipe();
            let mut want = Vec::new();
            for number in 0..2000i64 {
                // Every third asks for what was set two asks before; every tenth is about many keys.
                let key = format!("p:{}", number % 700);
                match number % 10 {
                    0 => {
                        pipe.cmd("MSET").arg(&key).arg(number).arg("p:all").arg(number);
                        want.push("OK".to_string());
                        pipe.cmd("MGET").arg("p:all").arg(&key);
                        want.push(format!("{number},{number}"));
                    }
                    n if n % 3 == 0 => {
                        pipe.set(&key, number);
                        want.push("OK".to_string());
                        pipe.get(&key);
                        want.push(number.to_string());
                    }
                    _ => {
                        pipe.cmd("ECHO").arg(format!("said {number}"));
                        want.push(format!("said {number}"));
                    }
                }
            }
            let got: Vec<redis::Value> = pipe.query(con).expect("a pipeline");
            let told: Vec<String> = got.iter().map(tell).collect();
            assert_eq!(told, want);
        }
    });
}

fn tell(value: &redis::Value) -> String {
    match value {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::Okay => "OK".into(),
        redis::Value::Array(items) => items.iter().map(tell).collect::<Vec<_>>().join(","),
        redis::Value::Int(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn redis_counters_lose_nothing_under_many_connections() {
    on_all(Needs::Resp, |server| {
        redis::cmd("FLUSHALL").exec(&mut server.redis()).expect("flushall");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    let con = &mut server.redis();
                    for round in 0..250 {
                        let mut pipe = redis::pipe();
                        for number in 0..10 {
                            pipe.incr(format!("c:{number}"), 1).ignore();
                        }
                        pipe.append("log", format!("{thread}.{round};")).ignore();
                        pipe.query::<()>(con).expect("a pipeline");
                    }
                });
            }
        });
        let con = &mut server.redis();
        for number in 0..10 {
            assert_eq!(TypedCommands::get(con, format!("c:{number}")).expect("get").as_deref(), Some("2000"));
        }
        let log = TypedCommands::get(con, "log").expect("get").expect("was appended to");
        let mut entries: Vec<&str> = log.split_terminator(';').collect();
        assert_eq!(entries.len(), 2000);
        entries.sort_unstable();
        entries.dedup();
        assert_eq!(entries.len(), 2000, "every append is there once");
    });
}

#[test]
fn redis_server_and_connection() {
    on_all(Needs::Resp, |server| {
        let con = &mut server.redis();
        assert_eq!(redis::cmd("PING").query::<String>(con).expect("ping"), "PONG");
        assert_eq!(redis::cmd("PING").arg("hey").query::<String>(con).expect("ping"), "hey");
        redis::cmd("CLIENT").arg("SETNAME").arg("tester").exec(con).expect("client setname");
        assert_eq!(redis::cmd("CLIENT").arg("GETNAME").query::<String>(con).expect("client getname"), "tester");
        let list: String = redis::cmd("CLIENT").arg("LIST").query(con).expect("client list");
        assert!(list.contains("name=tester"), "{list}");
        let info: redis::InfoDict = redis::cmd("INFO").query(con).expect("info");
        let version: String = info.get("redis_version").expect("INFO tells the version");
        assert!(version.starts_with("7."), "{version}");
        // CLIENT SETINFO, which the library sends on connecting, came with 7.2.
        assert!(version.starts_with("7.0") || list.contains("lib-name=redis-rs"), "{list}");
        let config: HashMap<String, String> =
            redis::cmd("CONFIG").arg("GET").arg("maxmemory*").query(con).expect("config get");
        assert!(config.contains_key("maxmemory") && config.contains_key("maxmemory-policy"), "{config:?}");
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query(con).expect("time");
        assert!(seconds > 1_700_000_000 && micros < 1_000_000);
        let count: u64 = redis::cmd("COMMAND").arg("COUNT").query(con).expect("command count");
        assert!(count > 50, "{count}");
        let keys: Vec<String> =
            redis::cmd("COMMAND").arg("GETKEYS").arg("MSET").arg(&["a", "1", "b", "2"]).query(con).expect("getkeys");
        assert_eq!(keys, ["a", "b"]);
    });
}

#[test]
fn memcached_storage() {
    on_all(Needs::Memcached, |server| {
        let client = server.memcache();
        client.flush().expect("flush_all");
        let all_bytes: Vec<u8> = (0..=255u8).cycle().take(500_000).collect();
        client.set("binary", &all_bytes[..], 0).expect("set");
        assert_eq!(client.get::<Vec<u8>>("binary").expect("get"), Some(all_bytes));
        assert_eq!(client.get::<String>("none").expect("get"), None);
        for number in 0..500u32 {
            client.set(&format!("k{number}"), number, 0).expect("set");
        }
        let names: Vec<String> = (0..600).map(|n| format!("k{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let got: HashMap<String, u32> = client.gets(&names).expect("gets");
        assert_eq!(got, (0..500).map(|n| (format!("k{n}"), n)).collect::<HashMap<_, _>>());

        // The library does not tell NOT_STORED from STORED; the value does.
        client.add("k1", "x", 0).expect("add");
        assert_eq!(client.get::<String>("k1").expect("get").as_deref(), Some("1"), "add does not overwrite");
        client.add("fresh", "x", 0).expect("add");
        client.replace("absent", "x", 0).expect("replace");
        client.replace("fresh", "yy", 0).expect("replace");
        client.append("fresh", "z").expect("append");
        client.prepend("fresh", "a").expect("prepend");
        assert_eq!(client.get::<String>("fresh").expect("get").as_deref(), Some("ayyz"));
        client.append("absent", "z").expect("append");
        assert_eq!(client.get::<String>("absent").expect("get"), None);

        let of = |key: &str| -> (Vec<u8>, u32, Option<u64>) {
            client.gets::<(Vec<u8>, u32, Option<u64>)>(&[key]).expect("gets").remove(key).expect("is there")
        };
        let version = of("fresh").2.expect("gets tells the version");
        assert!(client.cas("fresh", "first", 0, version).expect("cas"));
        assert!(!client.cas("fresh", "second", 0, version).expect("cas"), "the version has moved on");
        assert_eq!(of("fresh").0, b"first");
        assert!(client.delete("fresh").expect("delete"));
        assert!(!client.delete("fresh").expect("delete"));
    });
}

#[test]
fn memcached_counters_and_deadlines() {
    on_all(Needs::Memcached, |server| {
        let client = server.memcache();
        client.flush().expect("flush_all");
        client.set("n", "10", 0).expect("set");
        assert_eq!(client.increment("n", 5).expect("incr"), 15);
        assert_eq!(client.decrement("n", 20).expect("decr"), 0, "no counter below zero");
        client.set("n", u64::MAX, 0).expect("set");
        assert_eq!(client.increment("n", 2).expect("incr"), 1, "wraps at 64 bits");
        client.set("w", "word", 0).expect("set");
        let error = client.increment("w", 1).expect_err("not a number");
        assert!(error.to_string().contains("cannot increment or decrement non-numeric value"), "{error}");
        assert!(client.increment("absent", 1).is_err());

        client.set("short", "x", 1).expect("set");
        loop {
            let begun = Instant::now();
            client.set("touched", "x", 1).expect("set");
            if client.touch("touched", 100).expect("touch") {
                break;
            }
            // A second of memcached's own clock may end at any moment; of Torc's it has passed.
            assert!(begun.elapsed() > Duration::from_millis(900) || server.is_of_others(), "gone before its time");
        }
        assert!(!client.touch("absent", 100).expect("touch"));
        // memcached counts whole seconds of its own clock: up to two of ours.
        std::thread::sleep(Duration::from_millis(2300));
        assert_eq!(client.get::<String>("short").expect("get"), None);
        assert_eq!(client.get::<String>("touched").expect("get").as_deref(), Some("x"));

        let versions = client.version().expect("version");
        assert!(!versions[0].1.is_empty());
        assert!(client.set(&"k".repeat(251), "x", 0).is_err(), "a key of 251 bytes is too long");
        client.set(&"k".repeat(250), "x", 0).expect("a key of 250 bytes is not");
        client.flush().expect("flush_all");
        assert_eq!(client.get::<String>("touched").expect("get"), None);
    });
}

#[test]
fn what_one_protocol_writes_the_other_reads() {
    on_all(Needs::Both, |server| {
        let redis = &mut server.redis();
        let client = server.memcache();
        for number in 0..300i64 {
            let key = format!("x{number}");
            let value = format!("value {number}");
            TypedCommands::set(redis, &key, &value).expect("set");
            assert_eq!(client.get::<String>(&key).expect("get").as_ref(), Some(&value));
            client.set(&key, number, 0).expect("set");
            assert_eq!(TypedCommands::incr(redis, &key, 1).expect("incr") as i64, number + 1);
            assert_eq!(client.increment(&key, 1).expect("incr"), number as u64 + 2);
            assert_eq!(TypedCommands::append(redis, &key, "0").expect("append"), (number + 2).to_string().len() + 1);
            let got: (Vec<u8>, u32, Option<u64>) = client.gets(&[&key]).expect("gets").remove(&key).expect("is there");
            TypedCommands::set(redis, &key, "later").expect("set");
            assert!(!client.cas(&key, "earlier", 0, got.2.expect("a version")).expect("cas"));
            assert_eq!(TypedCommands::get(redis, &key).expect("get").as_deref(), Some("later"));
        }
        let names: Vec<String> = (0..300).map(|n| format!("x{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let got: HashMap<String, String> = client.gets(&names).expect("gets");
        assert!(got.len() == 300 && got.values().all(|v| v == "later"));

        let begun = Instant::now();
        client.set("deadline", "x", 1000).expect("set");
        let left: i64 = Commands::ttl(redis, "deadline").expect("ttl");
        assert_left(left, 1000, begun);
        assert!(TypedCommands::persist(redis, "deadline").expect("persist"));
        let begun = Instant::now();
        assert!(client.touch("deadline", 500).expect("touch"));
        let left: i64 = Commands::ttl(redis, "deadline").expect("ttl");
        assert_left(left, 500, begun);

        // memcached sees database 0 only.
        let three = &mut server.redis_as(ProtocolVersion::RESP2, 3);
        TypedCommands::set(three, "elsewhere", "x").expect("set");
        assert_eq!(client.get::<String>("elsewhere").expect("get"), None);

        assert_eq!(TypedCommands::del(redis, &names).expect("del"), 300);
        assert_eq!(client.gets::<String>(&names).expect("gets").len(), 0);
        client.set("last", "x", 0).expect("set");
        client.flush().expect("flush_all");
        assert!(!TypedCommands::exists(redis, "last").expect("exists"));
    });
}
