//! Room: admin. memcached's `stats detail` and `stats sizes`: what is asked by prefix, how large items are.

use crate::engine::{Answer, Engine, Served};
use base::{Args, DbId, Fault, Word};
use command::memcache::prefix::Counts;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Positions that one slice of `stats sizes` looks at: as many as of KEYS.
const WALK_POSITIONS: usize = 1024;
/// memcached tells sizes in steps of so many bytes.
const SIZE_STEP_BYTES: usize = 32;

/// stats detail on|off|dump
pub(super) fn detail(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    match args.get(2) {
        Some(b"on") => turn(engine, index, true),
        Some(b"off") => turn(engine, index, false),
        Some(b"dump") => dump(engine, index),
        _ => engine.refuse(index, None, &Fault::Client("usage: stats detail on|off|dump")),
    }
}

fn turn(engine: &mut Engine, index: u32, on: bool) -> Served {
    engine.gather(
        index,
        move |e| {
            e.tally.prefixes.turn(on);
            Answer::Now(())
        },
        |_, _: Vec<()>, reply| reply.word(Word::Ok),
    );
    Served::Done
}

fn dump(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |e| Answer::Now(e.tally.prefixes.all().map(|(prefix, counts)| (prefix.to_vec(), counts)).collect::<Vec<_>>()),
        |_, parts: Vec<Vec<(Vec<u8>, Counts)>>, reply| {
            let mut all: BTreeMap<Vec<u8>, Counts> = BTreeMap::new();
            for (prefix, counts) in parts.into_iter().flatten() {
                let sum = all.entry(prefix).or_default();
                sum.gets += counts.gets;
                sum.hits += counts.hits;
                sum.sets += counts.sets;
                sum.deletes += counts.deletes;
            }
            for (prefix, Counts { gets, hits, sets, deletes }) in all {
                // memcached's clients send no key that is not printable; Redis's may, but those keys are not counted here.
                let prefix = String::from_utf8_lossy(&prefix);
                reply.line(&format!("PREFIX {prefix} get {gets} hit {hits} set {sets} del {deletes}"));
            }
            reply.word(Word::End);
        },
    );
    Served::Done
}

/// stats sizes_enable, stats sizes_disable. Nothing is kept for it: see `sizes`.
pub(super) fn track_sizes(engine: &mut Engine, index: u32, on: bool) -> Served {
    engine.process.tracks_sizes.store(on, Ordering::Relaxed);
    // No END follows this one, as there.
    engine.answer(index, |r| r.stat("sizes_status", if on { "enabled" } else { "disabled" }));
    Served::Done
}

/// How many items take how many bytes, in steps of 32. memcached counts while items come and go, from when that is enabled;
/// here all are looked at, in slices, when it is asked for, and what they take is what they take here.
pub(super) fn sizes(engine: &mut Engine, index: u32) -> Served {
    if !engine.process.tracks_sizes.load(Ordering::Relaxed) {
        engine.answer(index, |r| {
            r.stat("sizes_status", "disabled");
            r.word(Word::End);
        });
        return Served::Done;
    }
    engine.gather(
        index,
        |_| {
            let (mut cursor, mut counts) = (0, BTreeMap::<usize, u64>::new());
            Answer::Later(Box::new(move |e| {
                let now_ms = e.now.ms();
                cursor = e.store.scan(DbId::ZERO, cursor, WALK_POSITIONS, now_ms, |_, entry| {
                    *counts.entry(entry.allocated().div_ceil(SIZE_STEP_BYTES)).or_default() += 1;
                });
                (cursor == 0).then(|| std::mem::take(&mut counts))
            }))
        },
        |_, parts: Vec<BTreeMap<usize, u64>>, reply| {
            let mut all: BTreeMap<usize, u64> = BTreeMap::new();
            parts.into_iter().flatten().for_each(|(step, count)| *all.entry(step).or_default() += count);
            for (step, count) in all {
                reply.stat(&(step * SIZE_STEP_BYTES).to_string(), &count.to_string());
            }
            reply.word(Word::End);
        },
    );
    Served::Done
}
