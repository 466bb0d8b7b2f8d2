//! Sockets are lent. A connection that has one ask under way, and nothing else to hear, lends its socket to the shard that
//! answers: that one sends the reply itself, and need not wake the connection's own shard for it. On two shards that share
//! their cores with their clients this spares one wake-up of two an ask (0.69 -> 0.85 of redis-server's asks per CPU second,
//! one by one).
//!
//! While its socket is lent nothing else of the connection is sent, and it is not closed (`Conn::lent`). The reply's place
//! in its order stays taken until the reply comes back: as one that was not sent after all (it is large, or takes longer),
//! or as word that it has left, with the rest if the client's receive buffer is full. The word comes when the kernel has
//! taken the bytes. It wakes nobody unless somebody waits for it, which a shard says when it goes to sleep
//! (`Engine::wants_sockets`, `Post::sleep`).

use super::Engine;
use crate::ask::Origin;
use base::{Out, ShardId};
use std::os::fd::RawFd;

/// A reply that leaves by a lent socket holds at most this.
const LENT_REPLY_BYTES_MAX: usize = 4096;
/// Buffers kept for such replies.
const POOLED_MAX: usize = 64;

/// A reply on its way out by another shard's socket.
pub struct Lent {
    pub fd: RawFd,
    pub home: ShardId,
    pub origin: Origin,
    pub bytes: Vec<u8>,
}

impl Engine {
    /// The socket to lend for the reply to the ask that `index` makes now, if it is all there is to send.
    #[inline]
    pub(super) fn lend(&mut self, index: u32, silent: bool) -> Option<RawFd> {
        // For a client that is alone both shards spin: nobody is to be woken, and it finds its own shard's core warm.
        if !self.alone || silent || self.hears_one_client() {
            return None;
        }
        let limit = self.live.output_normal;
        let conn = &mut self.conns[index as usize];
        let idle = conn.order.is_empty()
            && conn.out.is_empty()
            && conn.out_in_flight == 0
            && !conn.monitor
            && conn.gate.is_none();
        if !idle || conn.closing || limit.hard > 0 || limit.soft > 0 {
            return None;
        }
        conn.lent = true;
        self.lending.push(index);
        Some(conn.fd)
    }

    /// A reply lies in `out` from `start` on, the payload of a record from `payload` on: takes it out again and sends it by
    /// the lent socket, if it is fit for that.
    pub(super) fn send_lent(
        &mut self,
        fd: RawFd,
        home: ShardId,
        origin: Origin,
        out: &mut Out,
        start: usize,
        payload: usize,
    ) {
        let bytes = &out.bytes[payload..];
        if bytes.len() > LENT_REPLY_BYTES_MAX || bytes.is_empty() {
            return;
        }
        let mut buffer = self.lent_pool.pop().unwrap_or_default();
        buffer.extend_from_slice(bytes);
        out.bytes.truncate(start);
        self.lent.push(Lent { fd, home, origin, bytes: buffer });
    }

    /// The kernel has taken `sent` bytes of it, and will take no more for now.
    pub fn lent_sent(&mut self, mut lent: Lent, sent: usize) {
        self.outbox[lent.home.index()].sent(lent.origin, sent as u32, &lent.bytes[sent..]);
        if self.lent_pool.len() < POOLED_MAX {
            lent.bytes.clear();
            self.lent_pool.push(lent.bytes);
        }
    }

    /// Word that a reply has left, but for `rest`.
    pub(super) fn lent_back(&mut self, origin: Origin, sent: u32, rest: &[u8]) {
        let Some(conn) = self.conn_of(origin) else { return };
        conn.bytes_out += u64::from(sent);
        self.metrics.bytes_out += u64::from(sent);
        self.metrics.writes += 1;
        self.deliver_raw(origin, |out| out.extend(rest));
    }

    /// Whether something here waits for a socket to come back.
    pub fn wants_sockets(&mut self) -> bool {
        let Engine { lending, conns, .. } = self;
        lending.retain(|&index| conns.get(index as usize).is_some_and(|conn| conn.lent));
        lending.iter().any(|&index| conns[index as usize].wants_socket())
    }
}
