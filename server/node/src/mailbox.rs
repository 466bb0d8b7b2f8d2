//! Room: io. One bounded single-producer single-consumer ring per ordered pair of shards, and who sleeps.
//! Touches: base, batch.
//!
//! A slot is a whole batch, swapped in and swapped out: the producer leaves its full buffer and takes the empty one that
//! the consumer left there, so that in the steady state nothing is allocated and nothing is freed on a foreign thread.

use crate::batch::Batch;
use base::ShardId;
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Batches that may wait between two shards. A full mailbox stops the sessions that fill it, not the shard.
///
/// 32: on cores that shards share with other programs a shard is away for a millisecond now and then, and the other makes
/// a batch a turn meanwhile.
pub const MAILBOX_BATCHES: usize = 32;

const AWAKE: u8 = 0;
/// To be woken for what is urgent.
const ASLEEP: u8 = 1;
/// To be woken for anything.
const LISTENING: u8 = 2;

#[repr(align(64))]
struct Line<T>(T);

struct Pair<M> {
    slots: [UnsafeCell<Batch<M>>; MAILBOX_BATCHES],
    /// Batches ever put; written by the producer alone.
    put: Line<AtomicUsize>,
    /// Batches ever taken; written by the consumer alone.
    taken: Line<AtomicUsize>,
}

// SAFETY: slot `i` is touched by the producer only while `put - taken < len` says it is free, and by the consumer only
// while `taken < put` says it is full; both counters are published with Release and read with Acquire, and `Post`, which
// alone reaches a pair, exists once per shard and is not Clone.
unsafe impl<M: Send> Sync for Pair<M> {}
// SAFETY: as above; a Batch is Send.
unsafe impl<M: Send> Send for Pair<M> {}

struct Mesh<M> {
    shards: usize,
    /// `pairs[from * shards + to]`
    pairs: Vec<Pair<M>>,
    /// Whether a shard is about to block, or blocks, in its ring: `AWAKE`, `ASLEEP` or `LISTENING`.
    asleep: Vec<Line<AtomicU8>>,
}

/// One shard's post office: the sending end of its mailboxes to others and the receiving end of theirs.
pub struct Post<M> {
    me: ShardId,
    mesh: Arc<Mesh<M>>,
}

/// The post offices of `shards` shards, all connected.
pub fn mesh<M: Send>(shards: usize) -> Vec<Post<M>> {
    let pair = || Pair {
        slots: std::array::from_fn(|_| UnsafeCell::new(Batch::default())),
        put: Line(AtomicUsize::new(0)),
        taken: Line(AtomicUsize::new(0)),
    };
    let mesh = Arc::new(Mesh {
        shards,
        pairs: (0..shards * shards).map(|_| pair()).collect(),
        asleep: (0..shards).map(|_| Line(AtomicU8::new(AWAKE))).collect(),
    });
    (0..shards).map(|i| Post { me: ShardId(i as u16), mesh: mesh.clone() }).collect()
}

impl<M: Send> Post<M> {
    pub fn shards(&self) -> usize {
        self.mesh.shards
    }

    /// Puts `batch` into the mailbox of `to` and leaves an empty one in its place. False, and `batch` as it was, when
    /// the mailbox is full.
    pub fn put(&mut self, to: ShardId, batch: &mut Batch<M>) -> bool {
        let pair = &self.mesh.pairs[self.me.index() * self.mesh.shards + to.index()];
        let put = pair.put.0.load(Ordering::Relaxed);
        if put - pair.taken.0.load(Ordering::Acquire) == MAILBOX_BATCHES {
            return false;
        }
        // SAFETY: the slot is free (checked above), and only this producer may touch a free slot.
        std::mem::swap(unsafe { &mut *pair.slots[put % MAILBOX_BATCHES].get() }, batch);
        // SeqCst pairs with `sleep`: either the sleeper sees this batch or we see it asleep.
        pair.put.0.store(put + 1, Ordering::SeqCst);
        true
    }

    /// Hands the next batch from `from` to `read`, which leaves it empty. False when there is none.
    pub fn take(&mut self, from: ShardId, read: impl FnOnce(&mut Batch<M>)) -> bool {
        let pair = &self.mesh.pairs[from.index() * self.mesh.shards + self.me.index()];
        let taken = pair.taken.0.load(Ordering::Relaxed);
        if taken == pair.put.0.load(Ordering::Acquire) {
            return false;
        }
        // SAFETY: the slot is full (checked above), and only this consumer may touch a full slot.
        let batch = unsafe { &mut *pair.slots[taken % MAILBOX_BATCHES].get() };
        read(batch);
        batch.clear();
        pair.taken.0.store(taken + 1, Ordering::Release);
        true
    }

    /// Whether any shard has sent something that is not taken yet.
    pub fn waiting(&self) -> bool {
        let n = self.mesh.shards;
        (0..n).any(|from| {
            let pair = &self.mesh.pairs[from * n + self.me.index()];
            pair.taken.0.load(Ordering::Relaxed) != pair.put.0.load(Ordering::SeqCst)
        })
    }

    /// Says that this shard is about to block, and whether it is to be woken for `anything` or for what is urgent only.
    /// False when something has come meanwhile: do not block.
    pub fn sleep(&self, anything: bool) -> bool {
        let word = if anything { LISTENING } else { ASLEEP };
        self.mesh.asleep[self.me.index()].0.store(word, Ordering::SeqCst);
        if self.waiting() {
            self.wake();
            return false;
        }
        true
    }

    /// Says that this shard is awake again.
    pub fn wake(&self) {
        self.mesh.asleep[self.me.index()].0.store(AWAKE, Ordering::Relaxed);
    }

    /// Whether `to` sleeps, wants to be woken for what it was sent, and nobody has undertaken to wake it yet; the caller
    /// that hears true must wake it.
    pub fn must_wake(&self, to: ShardId, urgent: bool) -> bool {
        let asleep = &self.mesh.asleep[to.index()].0;
        let least = if urgent { ASLEEP } else { LISTENING };
        asleep.load(Ordering::SeqCst) >= least && asleep.swap(AWAKE, Ordering::SeqCst) != AWAKE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_mailbox_refuses_and_keeps_the_batch() {
        let mut posts = mesh::<()>(2);
        let (mut b, mut a) = (posts.pop().unwrap(), posts.pop().unwrap());
        for i in 0..MAILBOX_BATCHES as u8 {
            let mut batch = Batch::default();
            batch.out.extend(&[i]);
            assert!(a.put(ShardId(1), &mut batch));
            assert!(batch.is_empty());
        }
        let mut batch = Batch::default();
        batch.out.extend(&[99]);
        assert!(!a.put(ShardId(1), &mut batch));
        assert_eq!(batch.out.bytes, [99]);
        for i in 0..MAILBOX_BATCHES as u8 {
            assert!(b.take(ShardId(0), |batch| assert_eq!(batch.out.bytes, [i])));
        }
        assert!(!b.take(ShardId(0), |_| panic!("empty")));
        assert!(a.put(ShardId(1), &mut batch));
        assert!(!b.sleep(false), "a shard with mail does not go to sleep");
        while b.take(ShardId(0), |_| {}) {}
        for (anything, urgent, woken) in
            [(false, true, true), (false, false, false), (true, true, true), (true, false, true)]
        {
            assert!(b.sleep(anything));
            assert_eq!(a.must_wake(ShardId(1), urgent), woken, "wants anything {anything}, urgent {urgent}");
            assert!(!woken || !a.must_wake(ShardId(1), true), "one wakes it");
            b.wake();
            assert!(!a.must_wake(ShardId(1), true), "nobody wakes who is awake");
        }
    }

    #[test]
    fn batches_cross_threads_whole_and_in_order() {
        let mut posts = mesh::<()>(2);
        let (mut b, mut a) = (posts.pop().unwrap(), posts.pop().unwrap());
        const N: u32 = 20_000;
        let sender = std::thread::spawn(move || {
            let mut batch = Batch::default();
            for i in 0..N {
                batch.out.extend(&i.to_le_bytes());
                while !a.put(ShardId(1), &mut batch) {
                    std::hint::spin_loop();
                }
            }
        });
        let mut next = 0;
        while next < N {
            b.take(ShardId(0), |batch| {
                for n in batch.out.bytes.as_chunks::<4>().0 {
                    assert_eq!(u32::from_le_bytes(*n), next);
                    next += 1;
                }
            });
        }
        sender.join().unwrap();
    }
}
