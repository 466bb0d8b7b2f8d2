//! Room: admin. DEBUG: what Redis's own test suite and client libraries' tests use of it.

use super::digest::{self, Digest};
use crate::engine::{Answer, Engine, Reload, Served};
use crate::process::CLIENT_BUCKETS;
use crate::session::Stall;
use base::number::{parse_bytes, parse_i64};
use base::{Args, DbId, Fault, ShardId};
use std::sync::atomic::Ordering;
use store::Put;

/// Keys that one slice makes or hashes: about 200 µs.
const KEYS_A_SLICE: usize = 512;
/// Numbers that one slice looks at for whose they are.
const NUMBERS_A_SLICE: u64 = 4096;
/// STRINGMATCH-LEN builds its text: 64 MiB is more than any test asks for.
const MATCH_BYTES_MAX: i64 = 64 << 20;

pub(super) fn debug(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let sub = args.at(1).to_ascii_lowercase();
    let n = args.len();
    let word = |i: usize| args.get(i).unwrap_or_default();
    match &sub[..] {
        b"help" if n == 2 => engine.answer(index, |r| command::help::help("debug", r)),
        b"sleep" if n == 3 => return sleep(engine, index, word(2)),
        b"set-active-expire" if n == 3 => {
            engine.process.deadlines_stopped.store(c_int(word(2)) == 0, Ordering::Relaxed);
            // Deadlines that came meanwhile are looked at in the next turn.
            engine.on_every_shard(|e| e.active = true);
            engine.answer(index, |r| r.ok());
        }
        b"object" if n == 3 => return at_key(engine, index, word(2), object),
        b"sdslen" if n == 3 => return at_key(engine, index, word(2), sds_len),
        b"listpack" if n == 3 => {
            return at_key(engine, index, word(2), |_, _| Err(Fault::err("Not a listpack encoded object.")));
        }
        b"quicklist" if n == 3 || n == 4 => {
            return at_key(engine, index, word(2), |_, _| Err(Fault::err("Not a quicklist encoded object.")));
        }
        b"htstats-key" if n >= 3 => {
            return at_key(engine, index, word(2), |_, _| {
                Err(Fault::err("The value stored at the specified key is not represented using an hash table"))
            });
        }
        b"populate" if (3..=5).contains(&n) => return populate(engine, index, args),
        b"digest" if n == 2 => return whole_digest(engine, index),
        b"digest-value" => return digest_values(engine, index, args),
        b"protocol" if n == 3 => protocol(engine, index, word(2)),
        b"error" if n == 3 => {
            let fault = Fault::Text(String::from_utf8_lossy(word(2)).into_owned().into());
            return engine.refuse(index, None, &fault);
        }
        b"log" if n == 3 => {
            engine.process.log.warning(format_args!("DEBUG LOG: {}", String::from_utf8_lossy(word(2))));
            engine.answer(index, |r| r.ok());
        }
        b"change-repl-id" if n == 2 => {
            engine.process.renew_replid();
            engine.process.log.notice("Changing replication IDs after receiving DEBUG change-repl-id");
            engine.answer(index, |r| r.ok());
        }
        b"stringmatch-len" if n == 4 => return match_len(engine, index, args),
        b"structsize" if n == 2 => engine.answer(index, |r| {
            let (conn, engine) = (size_of::<crate::session::Conn>(), size_of::<Engine>());
            r.bulk(format!("bits:{} conn:{conn} shard:{engine} ", usize::BITS).as_bytes());
        }),
        b"htstats" if n >= 3 => return table_stats(engine, index, word(2)),
        b"quicklist-packed-threshold" if n == 3 => {
            let size = std::str::from_utf8(word(2)).ok().and_then(parse_bytes);
            // Redis: two thirds of a list node's bound of 4 GiB.
            if size.is_none_or(|s| s >= (1 << 32) - (1 << 20)) {
                let fault = Fault::err("argument must be a memory value bigger than 1 and smaller than 4gb");
                return engine.refuse(index, None, &fault);
            }
            engine.answer(index, |r| r.ok());
        }
        b"replybuffer" if n == 4 => return reply_buffer(engine, index, args),
        b"client-eviction" if n == 2 => {
            if engine.live.clients_bytes_max == 0 {
                return engine.refuse(index, None, &Fault::err("maxmemory-clients is disabled."));
            }
            return client_buckets(engine, index);
        }
        // Knobs of parts that are not here or need none: nothing to turn.
        b"pause-cron" | b"set-skip-checksum-validation" | b"aof-flush-sleep" | b"set-disable-deny-scripts"
            if n == 3 =>
        {
            engine.answer(index, |r| r.ok());
        }
        b"reload" => return reload(engine, index, args),
        b"loadaof" => {
            return engine.refuse(index, None, &Fault::err("DEBUG LOADAOF needs an append log, and none is written"));
        }
        _ => return super::unknown_subcommand(engine, index, args),
    }
    Served::Done
}

/// DEBUG RELOAD: a snapshot, and everything from it again; nothing else happens meanwhile.
fn reload(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let (mut reload, mut save) = (Reload::default(), true);
    for word in args.from(2).iter() {
        match &word.to_ascii_lowercase()[..] {
            b"merge" => reload.merge = true,
            b"noflush" => reload.keep = true,
            b"nosave" => save = false,
            _ => {
                let fault = Fault::err("DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
                return engine.refuse(index, None, &fault);
            }
        }
    }
    let asker = super::snapshot::asker(engine, index);
    if let Err(fault) = engine.begin_reload(asker, reload, save) {
        engine.tell_asker(asker, move |r| r.fault(&fault));
    }
    Served::Done
}

/// DEBUG CLIENT-EVICTION: clients by what they hold, as Redis shows them.
fn client_buckets(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |e| Answer::Now(e.client_buckets()),
        |_, parts, reply| {
            let mut text = String::new();
            for bucket in 0..CLIENT_BUCKETS {
                let from = if bucket == 0 { 0 } else { 1u64 << (bucket + 14) };
                let to = match bucket + 1 {
                    CLIENT_BUCKETS => "+            : ".to_string(),
                    _ => format!(" - {:>10}: ", (1u64 << (bucket + 15)) - 1),
                };
                let clients: usize = parts.iter().map(|p| p[bucket].0).sum();
                let bytes: usize = parts.iter().map(|p| p[bucket].1).sum();
                text += &format!("bucket {from:>10}{to}tot-mem: {bytes:>10}, clients: {clients}\n");
            }
            reply.verbatim("txt", text.as_bytes());
        },
    );
    Served::Done
}

/// C's `atoi`: what digits there are, else 0.
fn c_int(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let signed = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let digits = text[signed..].iter().take_while(|b| b.is_ascii_digit()).count();
    let n =
        text[signed..signed + digits].iter().fold(0i64, |n, b| n.saturating_mul(10).saturating_add((b - b'0').into()));
    if text.first() == Some(&b'-') { -n } else { n }
}

/// C's `strtod`: the longest beginning that is a decimal number, else 0.
fn c_float(text: &[u8]) -> f64 {
    let text = std::str::from_utf8(text.trim_ascii_start()).unwrap_or_default();
    let ends = (1..=text.len()).rev().filter(|&i| text.is_char_boundary(i));
    ends.filter_map(|i| text[..i].parse::<f64>().ok()).next().filter(|x| x.is_finite()).unwrap_or(0.0)
}

/// Redis stops altogether. Here every session does, on every shard, as long; the threads go on turning. It is asked twice:
/// the second time when the time is over, and then it answers.
fn sleep(engine: &mut Engine, index: u32, seconds: &[u8]) -> Served {
    let now_us = engine.now.up_us;
    match engine.conns[index as usize].sleep.take() {
        Some((began_us, until_us)) if now_us >= until_us => {
            engine.stood_ns = (now_us - began_us) * 1000;
            engine.answer(index, |r| r.ok());
            Served::Done
        }
        Some(sleep) => {
            engine.conns[index as usize].sleep = Some(sleep);
            Served::Stall(Stall::Until(sleep.1))
        }
        None => {
            let us = (c_float(seconds) * 1e6).clamp(0.0, 1e15) as u64;
            if us == 0 {
                engine.answer(index, |r| r.ok());
                return Served::Done;
            }
            engine.conns[index as usize].sleep = Some((now_us, now_us + us));
            engine.freeze(now_us + us);
            Served::Stall(Stall::Until(now_us + us))
        }
    }
}

/// Looks at one key where it lies; the answer is a status line.
fn at_key(
    engine: &mut Engine,
    index: u32,
    key: &[u8],
    look: fn(store::Entry<'_>, Facts<'_>) -> Result<String, Fault>,
) -> Served {
    let (db, owner, key) = (engine.conns[index as usize].db, engine.owner(key), key.to_vec());
    engine.gather_keys(
        index,
        &[owner],
        move |e| {
            let now_ms = e.now.ms();
            let found = e.store.peek(db, &key, now_ms);
            Answer::Now(found.map_or(Err(Fault::NoSuchKey), |entry| look(entry, Facts { key: &key, now_ms })))
        },
        |_, mut parts: Vec<Result<String, Fault>>, reply| match parts.remove(0) {
            Ok(line) => reply.simple(&line),
            Err(fault) => reply.fault(&fault),
        },
    );
    Served::Done
}

struct Facts<'a> {
    key: &'a [u8],
    now_ms: u64,
}

fn object(entry: store::Entry<'_>, facts: Facts<'_>) -> Result<String, Fault> {
    let idle_s = entry.idle_ms(facts.now_ms) / 1000;
    let lru = (facts.now_ms / 1000).saturating_sub(idle_s) & 0xFF_FFFF;
    Ok(format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{lru} lru_seconds_idle:{idle_s}",
        entry.bytes().as_ptr(),
        command::generic::encoding_name(entry),
        serialized_len(entry.bytes())
    ))
}

/// Bytes of a string in an RDB file, uncompressed. Source: the RDB format's length and integer encodings.
fn serialized_len(value: &[u8]) -> usize {
    if let Some(n) = parse_i64(value).filter(|_| value.len() <= 11) {
        if i8::try_from(n).is_ok() {
            return 2;
        } else if i16::try_from(n).is_ok() {
            return 3;
        } else if i32::try_from(n).is_ok() {
            return 5;
        }
    }
    let head = match value.len() {
        0..64 => 1,
        64..16_384 => 2,
        n if u32::try_from(n).is_ok() => 5,
        _ => 9,
    };
    head + value.len()
}

fn sds_len(entry: store::Entry<'_>, facts: Facts<'_>) -> Result<String, Fault> {
    if command::generic::encoding_name(entry) == "int" {
        return Err(Fault::err("Not an sds encoded string."));
    }
    // Keys and values are as long as they are: nothing is held in reserve.
    let (key, value) = (facts.key.len(), entry.bytes().len());
    Ok(format!(
        "key_sds_len:{key}, key_sds_avail:0, key_zmalloc: {key}, val_sds_len:{value}, val_sds_avail:0, val_zmalloc: {}",
        entry.allocated().saturating_sub(key)
    ))
}

/// Every shard makes those keys that are its own.
fn populate(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let positive = |word: &[u8]| match parse_i64(word) {
        Some(n @ 0..) => Ok(n as u64),
        _ => Err(Fault::err("value is out of range, must be positive")),
    };
    let size = args.get(4).map_or(Ok(0), positive);
    let (count, size) = match (positive(args.at(2)), size) {
        (Err(fault), _) | (_, Err(fault)) => return engine.refuse(index, None, &fault),
        (Ok(count), Ok(size)) => (count, size),
    };
    if size > engine.live.limits.value_bytes_max as u64 {
        return engine.refuse(index, None, &Fault::StringTooLong);
    }
    let prefix = args.get(3).unwrap_or(b"key").to_vec();
    let db = engine.conns[index as usize].db;
    engine.gather(
        index,
        move |_| {
            let prefix = prefix.clone();
            let mut next = 0;
            let mut value = Vec::new();
            Answer::Later(Box::new(move |e| {
                let now_ms = e.now.ms();
                let mut made = 0;
                let end = count.min(next + NUMBERS_A_SLICE);
                while next < end && made < KEYS_A_SLICE {
                    let key = [&prefix[..], b":", next.to_string().as_bytes()].concat();
                    if e.owner(&key) == e.me {
                        let mut cell = e.store.cell(db, &key, now_ms);
                        if cell.entry().is_none() {
                            value.clear();
                            value.extend_from_slice(format!("value:{next}").as_bytes());
                            if size > 0 {
                                value.resize(size as usize, 0);
                            }
                            cell.put(&value, Put::default());
                        }
                        // Large values count for more.
                        made += 1 + value.len() / 1024;
                    }
                    next += 1;
                }
                (next == count).then_some(())
            }))
        },
        |_, _: Vec<()>, reply| reply.ok(),
    );
    Served::Done
}

/// Of each database the hashes of its entries, in slices. Writes in between are seen or not: it is for servers at rest.
fn whole_digest(engine: &mut Engine, index: u32) -> Served {
    type Dbs = Vec<Option<Digest>>;
    engine.gather(
        index,
        |e| {
            let mut dbs: Dbs = vec![None; e.store.databases() as usize];
            let (mut db, mut cursor) = (0usize, 0);
            Answer::Later(Box::new(move |e| {
                // Empty databases cost nothing.
                while db < dbs.len() && cursor == 0 && e.store.len(DbId(db as u16)) == 0 {
                    db += 1;
                }
                if db < dbs.len() {
                    let found = &mut dbs[db];
                    cursor = e.store.scan(DbId(db as u16), cursor, KEYS_A_SLICE, e.now.ms(), |key, entry| {
                        digest::combine(found.get_or_insert_default(), &digest::of_entry(key, entry));
                    });
                    db += usize::from(cursor == 0);
                }
                (db == dbs.len()).then(|| std::mem::take(&mut dbs))
            }))
        },
        |_, parts: Vec<Dbs>, reply| {
            let mut all: Digest = [0; 20];
            for db in 0..parts.first().map_or(0, Vec::len) {
                let entries: Vec<&Digest> = parts.iter().filter_map(|part| part[db].as_ref()).collect();
                if !entries.is_empty() {
                    digest::mix(&mut all, &(db as u32).to_be_bytes());
                    entries.into_iter().for_each(|d| digest::combine(&mut all, d));
                }
            }
            reply.simple(&digest::hex(&all));
        },
    );
    Served::Done
}

fn digest_values(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let keys: Vec<Vec<u8>> = args.from(2).iter().map(<[u8]>::to_vec).collect();
    let count = keys.len();
    let db = engine.conns[index as usize].db;
    engine.gather(
        index,
        move |e| {
            let now_ms = e.now.ms();
            let mut found: Vec<(usize, Digest)> = Vec::new();
            for (i, key) in keys.iter().enumerate() {
                if e.owner(key) == e.me
                    && let Some(entry) = e.store.peek(db, key, now_ms)
                {
                    let mut d = [0; 20];
                    digest::mix_value(&mut d, entry);
                    found.push((i, d));
                }
            }
            Answer::Now(found)
        },
        move |_, parts: Vec<Vec<(usize, Digest)>>, reply| {
            let mut all = vec![[0; 20]; count];
            parts.into_iter().flatten().for_each(|(i, d)| all[i] = d);
            reply.array(count);
            all.iter().for_each(|d| reply.simple(&digest::hex(d)));
        },
    );
    Served::Done
}

#[allow(clippy::approx_constant, reason = "the example is this number, not pi")]
/// One example of each type of reply, for the tests of client libraries, which know these values.
fn protocol(engine: &mut Engine, index: u32, kind: &[u8]) {
    let three = engine.conns[index as usize].dialect == crate::ask::Dialect::Resp3;
    let kind = kind.to_ascii_lowercase();
    engine.answer(index, |r| match &kind[..] {
        b"string" => r.bulk(b"Hello World"),
        b"integer" => r.int(12345),
        b"double" => r.double(3.141),
        b"bignum" => r.big_number("1234567999999999999999999999999999999"),
        b"null" => r.null(),
        b"array" => {
            r.array(3);
            (0..3).for_each(|n| r.int(n));
        }
        b"set" => {
            r.set(3);
            (0..3).for_each(|n| r.int(n));
        }
        b"map" => {
            r.map(3);
            for n in 0..3 {
                r.int(n);
                r.boolean(n == 1);
            }
        }
        b"attrib" => {
            if three {
                // The only place where an attribute is said: it is drawn here.
                r.drawn(bytes::Bytes::from_static(b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"));
            }
            r.bulk(b"Some real reply following the attribute");
        }
        b"push" if !three => r.fault(&Fault::err("RESP2 is not supported by this command")),
        b"push" => {
            r.push(2);
            r.bulk(b"server-cpu-usage");
            r.int(42);
            r.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => r.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => r.boolean(true),
        b"false" => r.boolean(false),
        _ => r.fault(&Fault::err(
            "Wrong protocol type name. Please use one of the following: \
             string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
        )),
    });
}

fn match_len(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let Some(len) = parse_i64(args.at(2)).filter(|n| (0..=MATCH_BYTES_MAX).contains(n)) else {
        return engine.refuse(index, None, &Fault::NotInteger);
    };
    let fits = base::glob::matches(args.at(3), &vec![b'a'; len as usize], false);
    engine.answer(index, |r| r.int(fits.into()));
    Served::Done
}

fn table_stats(engine: &mut Engine, index: u32, db: &[u8]) -> Served {
    let db = match parse_i64(db) {
        None => return engine.refuse(index, None, &Fault::NotInteger),
        Some(n) if !(0..engine.store.databases() as i64).contains(&n) => {
            return engine.refuse(index, None, &Fault::err("Out of range database"));
        }
        Some(n) => DbId(n as u16),
    };
    engine.gather(
        index,
        move |e| Answer::Now((e.me, e.store.len(db), e.store.with_deadline(db))),
        |_, parts: Vec<(ShardId, usize, usize)>, reply| {
            let mut text = String::new();
            for (name, deadlines) in [("Dictionary", false), ("Expires", true)] {
                text += &format!("[{name} HT]\n");
                for &(shard, all, with_deadline) in &parts {
                    let n = if deadlines { with_deadline } else { all };
                    text += &format!("Shard {} stats:\n number of elements: {n}\n", shard.0);
                }
            }
            reply.verbatim("txt", text.as_bytes());
        },
    );
    Served::Done
}

/// Reply buffers are as large as what is in them: there is nothing to set, words are checked as Redis does.
fn reply_buffer(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let known = args.is(2, "peak-reset-time")
        && (args.is(3, "never") || args.is(3, "reset") || parse_i64(args.at(3)).is_some());
    if known || args.is(2, "resizing") {
        engine.answer(index, |r| r.ok());
        return Served::Done;
    }
    if args.is(2, "peak-reset-time") {
        return engine.refuse(index, None, &Fault::NotInteger);
    }
    super::unknown_subcommand(engine, index, args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, expected) in [("1", 1), ("0", 0), ("", 0), ("x", 0), (" 12x", 12), ("-3", -3), ("+4", 4)] {
            assert_eq!(c_int(text.as_bytes()), expected, "{text}");
        }
        for (text, expected) in
            [("0.5", 0.5), ("1", 1.0), ("2x", 2.0), ("", 0.0), ("x", 0.0), (" .25", 0.25), ("nan", 0.0), ("1e1", 10.0)]
        {
            assert_eq!(c_float(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn lengths_in_an_rdb_file() {
        for (value, expected) in
            [("", 1), ("1", 2), ("-128", 2), ("128", 3), ("32768", 5), ("2147483648", 11), ("01", 3), ("foo", 4)]
        {
            assert_eq!(serialized_len(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(serialized_len(&[b'x'; 63]), 64);
        assert_eq!(serialized_len(&[b'x'; 64]), 66);
        assert_eq!(serialized_len(&[b'x'; 16_384]), 16_389);
    }
}
