//! `maxmemory-clients`: what connections hold is weighed, and when those of all shards together hold too much, the largest
//! are closed. With the setting at 0 nothing is weighed here.

use super::Engine;
use crate::log::Level;
use crate::process::CLIENT_BUCKETS;

/// Clients closed in one turn: each leaves a line in the log.
const CLOSED_A_TURN: usize = 64;
/// A shard that has clients to close is told so at most this often, µs.
const NUDGE_US: u64 = 10_000;

/// The bucket of a client that holds so much: as in Redis the first takes up to 32 KiB, each other twice as much as the one
/// before, the last all above 4 GiB.
fn bucket_of(bytes: usize) -> u8 {
    let bits = usize::BITS - bytes.leading_zeros();
    bits.saturating_sub(15).min(CLIENT_BUCKETS as u32 - 1) as u8
}

impl Engine {
    /// Weighs a connection once more, when what it holds may have changed.
    #[inline]
    pub(super) fn weigh(&mut self, index: u32) {
        if self.live.clients_bytes_max > 0 {
            self.weigh_now(index, true);
        }
    }

    /// `there` false: it holds nothing any more.
    pub(super) fn weigh_now(&mut self, index: u32, there: bool) {
        let conn = &mut self.conns[index as usize];
        let there = there && !conn.gone;
        let bytes = if there { conn.memory().total } else { 0 };
        let bucket = (there && !conn.no_evict).then(|| bucket_of(bytes));
        self.clients_bytes = self.clients_bytes + bytes - std::mem::replace(&mut conn.weight, bytes);
        let before = std::mem::replace(&mut conn.bucket, bucket);
        self.process.set_clients_bytes(self.me, self.clients_bytes);
        if before != bucket {
            for (bucket, more) in [(before, false), (bucket, true)] {
                if let Some(bucket) = bucket {
                    self.process.count_in_bucket(self.me, bucket.into(), more);
                }
            }
        }
    }

    /// The setting has changed from or to 0.
    pub(super) fn weigh_all(&mut self, there: bool) {
        let all: Vec<u32> = self.conns.iter().map(|(i, _)| i as u32).collect();
        all.into_iter().for_each(|index| self.weigh_now(index, there));
    }

    /// Closes clients of this shard while those of all shards hold too much and nobody has larger ones.
    pub(super) fn close_large_clients(&mut self) {
        let limit = self.live.clients_bytes_max;
        if limit == 0 || self.process.clients_bytes() < limit {
            return;
        }
        let Some((bucket, shard)) = self.process.largest_clients(self.me) else {
            return self.log_limited(
                Level::Warning,
                format_args!("Over client maxmemory after evicting all evictable clients"),
            );
        };
        if shard != self.me {
            if self.now.up_us >= self.nudge_next_us {
                self.nudge_next_us = self.now.up_us + NUDGE_US;
                self.on_shard(shard, |_| {});
            }
            return;
        }
        let large: Vec<u32> =
            self.conns.iter().filter(|(_, c)| c.bucket == Some(bucket)).map(|(i, _)| i as u32).collect();
        for index in large.into_iter().take(CLOSED_A_TURN) {
            if self.process.clients_bytes() < limit {
                return;
            }
            let conn = &self.conns[index as usize];
            let (id, addr, name, bytes) = (conn.id, conn.peer.addr(), conn.name.escape_ascii(), conn.weight);
            let line = format!("Evicting client: id={id} addr={addr} name={name} tot-mem={bytes}");
            self.process.log.notice(line);
            self.metrics.evicted_clients += 1;
            self.kill(index);
        }
        self.active = true;
    }

    /// Clients and bytes by bucket, for DEBUG CLIENT-EVICTION.
    pub fn client_buckets(&self) -> [(usize, usize); CLIENT_BUCKETS] {
        let mut buckets = [(0, 0); CLIENT_BUCKETS];
        for (_, conn) in &self.conns {
            if let Some(bucket) = conn.bucket {
                let (clients, bytes) = &mut buckets[bucket as usize];
                (*clients, *bytes) = (*clients + 1, *bytes + conn.weight);
            }
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_double_from_32_kib_to_4_gib() {
        let cases =
            [(0, 0), (32_767, 0), (32_768, 1), (65_535, 1), (65_536, 2), (1 << 20, 6), (1 << 32, 18), (1 << 40, 18)];
        for (bytes, bucket) in cases {
            assert_eq!(bucket_of(bytes), bucket, "{bytes}");
        }
        assert_eq!(usize::from(bucket_of(usize::MAX)), CLIENT_BUCKETS - 1);
    }
}
