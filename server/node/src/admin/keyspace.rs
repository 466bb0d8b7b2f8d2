//! Verbs over the keys of every shard. Those that look take no locks: they begin when all that their connection asked
//! before is answered (`Stall::Barrier`), and each shard looks when transactions that may be answered already are done
//! there (`Engine::gather`).

use crate::engine::{Answer, Engine, Served};
use crate::session::Stall;
use base::number::parse_i64;
use base::{Args, DbId, Fault, Out, ShardId};
use command::row::Verb;

/// Table positions that one slice of a walk looks at: about 100 µs.
const WALK_POSITIONS: usize = 1024;
/// A reply over many keys travels in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) fn dbsize(engine: &mut Engine, index: u32) -> Served {
    if !engine.conns[index as usize].order.is_empty() {
        return Served::Stall(Stall::Barrier);
    }
    let db = engine.conns[index as usize].db;
    let shards = engine.shards_behind(index);
    engine.gather_keys(
        index,
        &shards,
        move |e| Answer::Now(e.store.len(db)),
        |_, parts: Vec<usize>, reply| reply.int(parts.iter().sum::<usize>() as i64),
    );
    Served::Done
}

/// Each shard walks its table in slices and draws the keys that match; the pieces are lent to the reply, not copied.
pub(super) fn keys(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    if !engine.conns[index as usize].order.is_empty() {
        return Served::Stall(Stall::Barrier);
    }
    let db = engine.conns[index as usize].db;
    let pattern: Vec<u8> = args.at(1).to_vec();
    let shards = engine.shards_behind(index);
    engine.gather_keys(
        index,
        &shards,
        move |_| {
            let pattern = pattern.clone();
            let mut cursor = 0;
            let mut found = 0usize;
            let mut pieces: Vec<Vec<u8>> = Vec::new();
            let mut piece = Out::new();
            Answer::Later(Box::new(move |e| {
                let now_ms = e.now.ms();
                let all = pattern == b"*";
                let mut writer = wire::resp::RespWriter::new(&mut piece, 2);
                cursor = e.store.scan(db, cursor, WALK_POSITIONS, now_ms, |key, _| {
                    if all || base::glob::matches(&pattern, key, false) {
                        found += 1;
                        base::Reply::bulk(&mut writer, key);
                    }
                });
                if piece.bytes.len() >= PIECE_BYTES || cursor == 0 {
                    pieces.push(std::mem::take(&mut piece.bytes));
                }
                (cursor == 0).then(|| (found, std::mem::take(&mut pieces)))
            }))
        },
        |_, parts: Vec<(usize, Vec<Vec<u8>>)>, reply| {
            reply.array(parts.iter().map(|(n, _)| n).sum());
            for piece in parts.into_iter().flat_map(|(_, pieces)| pieces) {
                reply.drawn(piece.into());
            }
        },
    );
    Served::Done
}

/// A cursor names a shard and a place in its hash order: the shard in the low bits, so that 0 is the start and the end.
const SHARD_BITS: u32 = 10;

pub(super) fn scan(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    if !engine.conns[index as usize].order.is_empty() {
        return Served::Stall(Stall::Barrier);
    }
    let refuse = |engine: &mut Engine, fault: Fault| engine.refuse(index, None, &fault);
    let Some(cursor) = parse_cursor(args.at(1)) else { return refuse(engine, Fault::err("invalid cursor")) };
    let (mut count, mut pattern, mut kind) = (10i64, None, None);
    let mut i = 2;
    while i < args.len() {
        let more = i + 1 < args.len();
        if args.is(i, "count") && more {
            match parse_i64(args.at(i + 1)) {
                None => return refuse(engine, Fault::NotInteger),
                Some(n) if n < 1 => return refuse(engine, Fault::Syntax),
                Some(n) => count = n,
            }
        } else if args.is(i, "match") && more {
            pattern = Some(args.at(i + 1).to_vec()).filter(|p| p != b"*");
        } else if args.is(i, "type") && more {
            kind = Some(args.at(i + 1).to_ascii_lowercase());
        } else {
            return refuse(engine, Fault::Syntax);
        }
        i += 2;
    }
    let db = engine.conns[index as usize].db;
    let behind = engine.shards_behind(index);
    let begin = behind.first().map_or(0, |s| s.0 as u64);
    let shards = begin + behind.len() as u64;
    let place = cursor >> SHARD_BITS;
    let shard = if cursor == 0 { begin } else { cursor & ((1 << SHARD_BITS) - 1) };
    if !(begin..shards).contains(&shard) || place >= 1 << 48 {
        engine.answer(index, |r| {
            r.array(2);
            r.bulk(b"0");
            r.array(0);
        });
        return Served::Done;
    }
    // At the start of a shard the next ones are asked too: those that hold little are walked whole, so that a small database
    // is told in one reply, as Redis tells it.
    let asked: Vec<ShardId> = (shard..if place == 0 { shards } else { shard + 1 }).map(|s| ShardId(s as u16)).collect();
    let count = count.min(i32::MAX as i64) as usize;
    engine.gather_keys(
        index,
        &asked,
        move |e| {
            let first = e.me.0 as u64 == shard;
            if !first && e.store.len(db) > count {
                return Answer::Now(None);
            }
            let (pattern, kind) = (pattern.clone(), kind.clone());
            let mut walk = Walked { place: if first { place } else { 0 }, seen: 0, keys: Vec::new() };
            Answer::Later(Box::new(move |e| {
                let now_ms = e.now.ms();
                let Walked { place, seen, keys } = &mut walk;
                let step = if first { (count - *seen).min(WALK_POSITIONS) } else { WALK_POSITIONS };
                let before = *seen;
                let mut due: Vec<Vec<u8>> = Vec::new();
                *place = e.store.scan_all(db, *place, step, now_ms, |key, entry| {
                    let Some(entry) = entry else { return due.push(key.to_vec()) };
                    *seen += 1;
                    let kind_fits = kind.as_ref().is_none_or(|k| k == entry.kind().name().as_bytes());
                    if kind_fits && pattern.as_ref().is_none_or(|p| base::glob::matches(p, key, false)) {
                        keys.push(key.to_vec());
                    }
                });
                // Whoever looks at a key whose time is over finds it gone, and so it goes.
                for key in due {
                    e.store.peek(db, &key, now_ms);
                }
                if *place != 0 {
                    // A step that met few counts too: a walk is bounded by what it passes.
                    *seen = (*seen).max(before + step);
                }
                (*place == 0 || first && *seen >= count).then(|| Some(std::mem::take(&mut walk)))
            }))
        },
        move |_, parts: Vec<Option<Walked>>, reply| {
            let mut keys: Vec<Vec<u8>> = Vec::new();
            let (mut next, mut seen) = (shard, 0);
            let mut place = 0;
            for part in parts {
                let Some(part) = part.filter(|_| seen < count || next == shard) else { break };
                keys.extend(part.keys);
                if part.place != 0 {
                    place = part.place;
                    break;
                }
                seen += part.seen;
                next += 1;
            }
            let cursor = if next < shards { place << SHARD_BITS | next } else { 0 };
            reply.array(2);
            reply.bulk(cursor.to_string().as_bytes());
            reply.array(keys.len());
            keys.iter().for_each(|k| reply.bulk(k));
        },
    );
    Served::Done
}

/// What one shard found for a SCAN.
#[derive(Default)]
struct Walked {
    /// Where it goes on; 0: the end.
    place: u64,
    /// Entries that were looked at.
    seen: usize,
    keys: Vec<Vec<u8>>,
}

/// A key of a shard chosen by how many it holds.
pub(super) fn randomkey(engine: &mut Engine, index: u32) -> Served {
    if !engine.conns[index as usize].order.is_empty() {
        return Served::Stall(Stall::Barrier);
    }
    let db = engine.conns[index as usize].db;
    let shards = engine.shards_behind(index);
    engine.gather_keys(
        index,
        &shards,
        move |e| {
            let now_ms = e.now.ms();
            Answer::Now((e.store.len(db), e.store.random_key(db, now_ms)))
        },
        |e, parts: Vec<(usize, Option<Vec<u8>>)>, reply| {
            let total: usize = parts.iter().filter(|p| p.1.is_some()).map(|p| p.0).sum();
            let mut at = if total > 0 { e.random() as usize % total } else { 0 };
            for (n, key) in parts {
                let Some(key) = key else { continue };
                if at < n {
                    return reply.bulk(&key);
                }
                at -= n;
            }
            reply.null();
        },
    );
    Served::Done
}

/// FLUSHALL and FLUSHDB: every shard at one point of the transaction order. What they held is freed in slices afterwards,
/// so SYNC and ASYNC differ in nothing that a client can see.
pub(super) fn flush(engine: &mut Engine, index: u32, verb: Verb, args: Args<'_>) -> Served {
    if args.len() > 2 || args.len() == 2 && !args.is(1, "sync") && !args.is(1, "async") {
        return engine.refuse(index, None, &Fault::Syntax);
    }
    if !engine.conns[index as usize].order.is_empty() {
        return Served::Stall(Stall::Barrier);
    }
    let db = engine.conns[index as usize].db;
    engine.begin_whole(
        index,
        move |e| match verb {
            Verb::Flushdb => e.store.flush(db),
            _ => (0..e.store.databases()).for_each(|db| e.store.flush(DbId(db))),
        },
        |e, origin| e.deliver(origin, |r| r.ok()),
    );
    Served::Done
}

pub(super) fn swapdb(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let databases = engine.store.databases() as i64;
    let mut found = [0; 2];
    for (i, word) in ["first", "second"].iter().enumerate() {
        // Redis reads an `int`: what lies beyond one is no index at all.
        match parse_i64(args.at(i + 1)).filter(|&n| i32::try_from(n).is_ok()) {
            None => return engine.refuse(index, None, &Fault::err(format!("invalid {word} DB index"))),
            Some(n) => found[i] = n,
        }
    }
    if !found.iter().all(|n| (0..databases).contains(n)) {
        return engine.refuse(index, None, &Fault::DbIndexOutOfRange);
    }
    let dbs = found.map(|n| DbId(n as u16));
    if !engine.conns[index as usize].order.is_empty() {
        return Served::Stall(Stall::Barrier);
    }
    engine.begin_whole(index, move |e| e.store.swap(dbs[0], dbs[1]), |e, origin| e.deliver(origin, |r| r.ok()));
    Served::Done
}

/// C's `strtoul`, as Redis reads a cursor: a sign may stand before it (a negative one wraps), nothing at all is 0, no
/// blank before and nothing after.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    // A C string ends at its first NUL.
    let text = text.split(|&b| b == 0).next().unwrap_or(text);
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add((b - b'0').into()))?;
    Some(if negative { n.wrapping_neg() } else { n })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("007", Some(7)),
            ("+5", Some(5)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("1\0x", Some(1)),
            (" 1", None),
            ("1 ", None),
            ("-", None),
            ("x", None),
            ("1x", None),
        ] {
            assert_eq!(parse_cursor(text.as_bytes()), expected, "{text:?}");
        }
    }
}
