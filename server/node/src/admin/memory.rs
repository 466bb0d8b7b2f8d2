//! Room: admin. MEMORY: where the bytes are. MEMORY USAGE is a data row of the table.

use super::info::{Memory, Part};
use crate::engine::{Answer, Engine, Served};
use base::number::human_bytes;

/// Below this there is nothing to say: as in Redis, 5 MiB.
const SMALL_BYTES: usize = 5 << 20;

pub(super) fn stats(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |e| Answer::Now(Part::of(e, false)),
        |e, parts: Vec<Part>, reply| {
            let all = Part::sum(&parts);
            let m = Memory::of(e, &all);
            let dbs: Vec<(usize, usize)> =
                all.dbs.iter().enumerate().filter(|d| d.1.keys > 0).map(|(i, d)| (i, d.keys)).collect();
            let per_key = m.net().checked_div(m.keys).unwrap_or(0);
            reply.map(27 + dbs.len());
            let mut int = |name: &str, n: i64| {
                reply.bulk(name.as_bytes());
                reply.int(n);
            };
            int("peak.allocated", m.peak as i64);
            int("total.allocated", m.used as i64);
            int("startup.allocated", m.startup as i64);
            int("replication.backlog", 0);
            int("clients.slaves", 0);
            int("clients.normal", all.client_memory.bytes as i64);
            int("cluster.links", 0);
            int("aof.buffer", 0);
            int("lua.caches", 0);
            int("functions.caches", 0);
            for (db, keys) in dbs {
                reply.bulk(format!("db.{db}").as_bytes());
                reply.map(3);
                // Tables are shared out by what each database holds.
                let main = all.store_overhead as u128 * keys as u128 / m.keys.max(1) as u128;
                for (name, n) in [
                    ("overhead.hashtable.main", main as i64),
                    ("overhead.hashtable.expires", 0),
                    ("overhead.hashtable.slot-to-keys", 0),
                ] {
                    reply.bulk(name.as_bytes());
                    reply.int(n);
                }
            }
            let mut int = |name: &str, n: i64| {
                reply.bulk(name.as_bytes());
                reply.int(n);
            };
            int("overhead.total", m.overhead as i64);
            int("keys.count", m.keys as i64);
            int("keys.bytes-per-key", per_key as i64);
            int("dataset.bytes", m.dataset as i64);
            let mut double = |name: &str, x: f64| {
                reply.bulk(name.as_bytes());
                reply.double(x);
            };
            double("dataset.percentage", m.dataset_percent());
            double("peak.percentage", m.peak_percent());
            for (name, n) in
                [("allocator.allocated", m.used), ("allocator.active", m.resident), ("allocator.resident", m.resident)]
            {
                reply.bulk(name.as_bytes());
                reply.int(n as i64);
            }
            let pairs = [
                ("allocator-fragmentation", m.fragmentation(), m.fragmentation_bytes().max(0)),
                ("allocator-rss", 1.0, 0),
                ("rss-overhead", 1.0, 0),
            ];
            for (name, ratio, bytes) in pairs {
                reply.bulk(format!("{name}.ratio").as_bytes());
                reply.double(ratio);
                reply.bulk(format!("{name}.bytes").as_bytes());
                reply.int(bytes);
            }
            reply.bulk(b"fragmentation");
            reply.double(m.fragmentation());
            reply.bulk(b"fragmentation.bytes");
            reply.int(m.fragmentation_bytes());
        },
    );
    Served::Done
}

pub(super) fn doctor(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |e| Answer::Now(Part::of(e, false)),
        |e, parts: Vec<Part>, reply| {
            let all = Part::sum(&parts);
            reply.verbatim("txt", advice(&Memory::of(e, &all), &all).as_bytes());
        },
    );
    Served::Done
}

fn advice(m: &Memory, all: &Part) -> String {
    if m.net() < SMALL_BYTES {
        return "There is next to nothing stored, so nothing can be told yet.\n".into();
    }
    let bytes = |n: usize| human_bytes(n as u64);
    let mut found = Vec::new();
    if m.peak > m.used / 2 * 3 {
        found.push(format!(
            "At its peak the process used {}, now {}. The difference may still be with the allocator: MEMORY PURGE asks for it back.",
            bytes(m.peak),
            bytes(m.used)
        ));
    }
    if m.fragmentation() > 1.4 && m.fragmentation_bytes() > 10 << 20 {
        found.push(format!(
            "{} are resident for {} in use. After many deletions that is memory that waits to be used again; MEMORY PURGE gives \
             back what is free as a whole.",
            bytes(m.resident),
            bytes(m.used)
        ));
    }
    if all.clients > 0 && all.client_memory.bytes / all.clients as u64 > 200 << 10 {
        found.push(format!(
            "Buffers of {} clients hold {}. CLIENT LIST shows who does not read its replies (omem) or sends long requests (qbuf).",
            all.clients,
            human_bytes(all.client_memory.bytes)
        ));
    }
    if found.is_empty() {
        return "Memory is used as it should be.\n".into();
    }
    found.iter().map(|line| format!("- {line}\n")).collect()
}

/// Each shard's thread has heaps of its own to tidy.
pub(super) fn purge(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |_| {
            crate::memory::purge();
            Answer::Now(())
        },
        |_, _: Vec<()>, reply| reply.ok(),
    );
    Served::Done
}

pub(super) fn malloc_stats(engine: &mut Engine, index: u32) -> Served {
    engine.answer(index, |r| r.verbatim("txt", crate::memory::allocator_report().as_bytes()));
    Served::Done
}
