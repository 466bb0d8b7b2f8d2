//! Room: admin. SLOWLOG: each shard keeps what it ran slowly; numbers are the process's, so their order is the order of time.

use crate::engine::{Answer, Engine, Served};
use crate::metrics::Slow;
use base::number::parse_i64;
use base::{Args, Fault};

const DEFAULT_COUNT: usize = 10;

pub(super) fn get(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    if args.len() > 3 {
        return super::unknown_subcommand(engine, index, args);
    }
    let count = match args.get(2).map(parse_i64) {
        None => DEFAULT_COUNT,
        Some(Some(-1)) => usize::MAX,
        Some(Some(n @ 0..)) => n as usize,
        Some(_) => {
            return engine.refuse(index, None, &Fault::err("count should be greater than or equal to -1"));
        }
    };
    engine.gather(
        index,
        move |e| Answer::Now(e.metrics.slow.iter().take(count).cloned().collect::<Vec<Slow>>()),
        move |e, parts: Vec<Vec<Slow>>, reply| {
            let mut all: Vec<Slow> = parts.into_iter().flatten().collect();
            all.sort_unstable_by_key(|slow| std::cmp::Reverse(slow.id));
            all.truncate(count.min(e.live.slowlog_len_max));
            reply.array(all.len());
            for slow in &all {
                reply.array(6);
                reply.int(slow.id as i64);
                reply.int(slow.at as i64);
                reply.int(slow.us as i64);
                let words = slow.args.args();
                reply.array(words.len());
                words.iter().for_each(|word| reply.bulk(word));
                reply.bulk(slow.client.as_bytes());
                reply.bulk(&slow.name);
            }
        },
    );
    Served::Done
}

/// Each shard keeps as many as the whole may have, because all slow ones may be one shard's.
pub(super) fn len(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |e| Answer::Now(e.metrics.slow.len()),
        |e, parts: Vec<usize>, reply| reply.int(parts.iter().sum::<usize>().min(e.live.slowlog_len_max) as i64),
    );
    Served::Done
}

pub(super) fn reset(engine: &mut Engine, index: u32) -> Served {
    engine.gather(
        index,
        |e| {
            e.metrics.slow.clear();
            Answer::Now(())
        },
        |_, _: Vec<()>, reply| reply.ok(),
    );
    Served::Done
}
