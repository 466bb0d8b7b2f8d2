//! Room: shard. Which transaction may touch which key of this shard, and who waits. Touches: nothing of the project's.
//!
//! A transaction is a command on keys of several shards. It has a number from one counter of the process; lower is older.
//! On each shard that it touches it asks for locks on all its keys there at once. A key's queue is kept in the order of
//! the numbers, so all shards agree on it. A transaction that is granted on a shard *holds* there; it is granted when on
//! every key nothing that conflicts stands before it and nothing that conflicts holds.
//!
//! Messages may overtake one another, so an older transaction can come to a key that a younger one holds. Then the younger
//! one is asked to *yield*: its coordinator gives the grant back unless it has committed already. It keeps its number and
//! its place, nothing is retried. No deadlock: the oldest transaction alive waits only for commits on their way and for
//! holders that were asked to yield.
//!
//! Commands on keys of one shard take no lock. While a transaction stands in the queue of their key they wait in the same
//! queue. When a transaction goes before younger ones, asks of its own connection that wait behind them go with it: a
//! connection's commands on one key take effect in the order it sent them.
//!
//! Every transaction also takes the shard's `WHOLE` lock, shared, or exclusive when it touches all keys (FLUSHALL).

use std::collections::{HashMap, VecDeque};

/// A transaction's number: unique in the process, lower is older.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TxId(pub u64);

/// A key as locks know it: its fingerprint. Two keys that share one are locked together, which is harmless.
pub type LockKey = u64;

/// Stands for all keys of the shard. No fingerprint is 0.
pub const WHOLE: LockKey = 0;

/// The connection an ask came from, process-wide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client {
    pub shard: u16,
    pub conn: u32,
    pub generation: u32,
}

/// What changed, in the order it is to be acted on.
#[derive(PartialEq, Eq, Debug)]
pub enum Turn<D> {
    /// The transaction holds all its keys here.
    Granted(TxId),
    /// An older one waits for the transaction: ask its coordinator to yield.
    Yield(TxId),
    /// The ask may run.
    Run(D),
}

/// An ask on one key, waiting.
struct Waiter<D> {
    client: Client,
    key: LockKey,
    reads: bool,
    /// When it came, among all that came to this shard's locks.
    arrival: u64,
    ask: D,
}

enum Item<D> {
    Tx { id: TxId, exclusive: bool },
    Ask(Waiter<D>),
}

struct Holder {
    client: Client,
    arrival: u64,
    keys: Vec<(LockKey, bool)>,
    holds: bool,
    asked_to_yield: bool,
}

pub struct Locks<D> {
    queues: HashMap<LockKey, VecDeque<Item<D>>>,
    holders: HashMap<TxId, Holder>,
    arrivals: u64,
}

impl<D> Default for Locks<D> {
    fn default() -> Self {
        Locks { queues: HashMap::new(), holders: HashMap::new(), arrivals: 0 }
    }
}

impl<D> Locks<D> {
    /// No transaction anywhere here: the one check that an ordinary command pays.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Whether a command on `key` has to wait, and in which queue.
    pub fn blocks(&self, key: LockKey, client: Client, reads: bool) -> Option<LockKey> {
        // Shared intents on WHOLE stop nobody.
        let all = self
            .queues
            .get(&WHOLE)
            .is_some_and(|q| q.iter().any(|item| matches!(item, Item::Tx { exclusive: true, .. } | Item::Ask(_))));
        if all {
            return Some(WHOLE);
        }
        let one = self.queues.get(&key).is_some_and(|q| {
            q.iter().any(|item| match item {
                Item::Tx { id, exclusive } => *exclusive || !self.passes(*id, client, reads),
                Item::Ask(_) => true,
            })
        });
        one.then_some(key)
    }

    /// Whether an ask may go past a transaction that shares its key: both read, and the transaction is not the
    /// connection's own, which may read again later and must not see more than what follows it has seen.
    fn passes(&self, id: TxId, client: Client, reads: bool) -> bool {
        reads && self.holders[&id].client != client
    }

    /// Lets an ask on `key` wait in the queue that `blocks` named.
    pub fn wait(&mut self, queue: LockKey, key: LockKey, client: Client, reads: bool, ask: D) {
        self.arrivals += 1;
        let waiter = Waiter { client, key, reads, arrival: self.arrivals, ask };
        self.queues.entry(queue).or_default().push_back(Item::Ask(waiter));
    }

    /// Lets an ask that waited for `WHOLE` wait for its key, before what its own connection asked for later.
    fn resume(&mut self, waiter: Waiter<D>, turns: &mut Vec<Turn<D>>) {
        let key = waiter.key;
        let holders = &self.holders;
        let queue = self.queues.entry(key).or_default();
        let later = |i: &Item<D>| match i {
            Item::Tx { id, .. } => holders[id].client == waiter.client && holders[id].arrival > waiter.arrival,
            Item::Ask(other) => other.client == waiter.client && other.arrival > waiter.arrival,
        };
        let at = queue.iter().position(later).unwrap_or(queue.len());
        queue.insert(at, Item::Ask(waiter));
        self.run_asks(key, turns);
    }

    /// Asks for locks: `keys` with whether exclusively; an intent on `WHOLE` is added where it is not among them.
    pub fn lock(&mut self, id: TxId, client: Client, mut keys: Vec<(LockKey, bool)>, turns: &mut Vec<Turn<D>>) {
        if !keys.iter().any(|&(k, _)| k == WHOLE) {
            keys.push((WHOLE, false));
        }
        // Of a key named twice the exclusive mention counts.
        keys.sort_unstable_by_key(|&(k, exclusive)| (k, !exclusive));
        keys.dedup_by_key(|&mut (k, _)| k);
        for &(key, exclusive) in &keys {
            let queue = self.queues.entry(key).or_default();
            let at = queue.iter().position(|i| matches!(i, Item::Tx { id: other, .. } if *other > id));
            let mut at = at.unwrap_or(queue.len());
            let behind = at..queue.len();
            for from in behind {
                if matches!(&queue[from], Item::Ask(waiter) if waiter.client == client) {
                    let ask = queue.remove(from).expect("index below len");
                    queue.insert(at, ask);
                    at += 1;
                }
            }
            queue.insert(at, Item::Tx { id, exclusive });
        }
        self.arrivals += 1;
        let holder = Holder { client, arrival: self.arrivals, keys: keys.clone(), holds: false, asked_to_yield: false };
        self.holders.insert(id, holder);
        // Asks that went before it may stand first now.
        for &(key, _) in keys.iter().rev() {
            self.run_asks(key, turns);
        }
        self.try_grant(id, turns);
    }

    /// The transaction is over here (committed, or given up before its commit).
    pub fn release(&mut self, id: TxId, turns: &mut Vec<Turn<D>>) {
        let holder = self.holders.remove(&id).expect("only a transaction that asked for locks is released");
        for (key, _) in &holder.keys {
            let queue = self.queues.get_mut(key).expect("a transaction's queues exist");
            queue.retain(|i| !matches!(i, Item::Tx { id: other, .. } if *other == id));
        }
        self.sweep(&holder.keys, turns);
    }

    /// The coordinator gave the grant back.
    pub fn yielded(&mut self, id: TxId, turns: &mut Vec<Turn<D>>) {
        let Some(holder) = self.holders.get_mut(&id) else { return };
        holder.holds = false;
        holder.asked_to_yield = false;
        let keys = holder.keys.clone();
        self.sweep(&keys, turns);
    }

    /// Lets go on whoever can, after something left these queues: asks first, so that those of WHOLE are in their keys'
    /// queues when transactions are granted.
    fn sweep(&mut self, keys: &[(LockKey, bool)], turns: &mut Vec<Turn<D>>) {
        for &(key, _) in keys.iter().rev() {
            self.run_asks(key, turns);
        }
        let mut candidates: Vec<TxId> = Vec::new();
        for (key, _) in keys {
            let Some(queue) = self.queues.get(key) else { continue };
            for item in queue {
                match item {
                    Item::Tx { id, exclusive } => {
                        candidates.push(*id);
                        if *exclusive {
                            break;
                        }
                    }
                    Item::Ask(_) => break,
                }
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        for id in candidates {
            self.try_grant(id, turns);
        }
    }

    /// Frees the asks of a queue that nothing holds back any longer: no transaction that conflicts stands before them, and
    /// none holds. One that stands behind an ask and holds is asked to yield.
    fn run_asks(&mut self, key: LockKey, turns: &mut Vec<Turn<D>>) {
        let Some(queue) = self.queues.get_mut(&key) else { return };
        let mut at = 0;
        let mut before: Vec<Client> = Vec::new();
        let mut resumed = Vec::new();
        while let Some(item) = queue.get(at) {
            let waiter = match item {
                Item::Tx { exclusive: true, .. } => break,
                Item::Tx { id, exclusive: false } => {
                    before.push(self.holders[id].client);
                    at += 1;
                    continue;
                }
                Item::Ask(waiter) => waiter,
            };
            // Shared intents on WHOLE stop nobody, whatever the ask does.
            let reads = waiter.reads || key == WHOLE;
            let passes = before.is_empty() || key == WHOLE || reads && !before.contains(&waiter.client);
            if !passes {
                break;
            }
            let mut held = false;
            for item in queue.iter().skip(at + 1) {
                if let Item::Tx { id, exclusive } = item
                    && let Some(holder) = self.holders.get_mut(id)
                    && holder.holds
                    && (*exclusive || !reads)
                {
                    held = true;
                    if !std::mem::replace(&mut holder.asked_to_yield, true) {
                        turns.push(Turn::Yield(*id));
                    }
                }
            }
            if held {
                break;
            }
            match queue.remove(at) {
                Some(Item::Ask(waiter)) if key == WHOLE => resumed.push(waiter),
                Some(Item::Ask(waiter)) => turns.push(Turn::Run(waiter.ask)),
                _ => unreachable!("the item at this place is an ask"),
            }
        }
        if queue.is_empty() {
            self.queues.remove(&key);
        }
        for waiter in resumed {
            self.resume(waiter, turns);
        }
    }

    fn try_grant(&mut self, id: TxId, turns: &mut Vec<Turn<D>>) {
        let holder = &self.holders[&id];
        if holder.holds {
            return;
        }
        let mut free = true;
        let mut in_the_way: Vec<TxId> = Vec::new();
        for &(key, exclusive) in &holder.keys {
            let mut before = true;
            for item in &self.queues[&key] {
                match item {
                    Item::Tx { id: other, .. } if *other == id => before = false,
                    // Two that read do not conflict, but of one connection's the first reads first, for it may have to yield
                    // and read again.
                    Item::Tx { id: other, exclusive: theirs }
                        if exclusive || *theirs || key != WHOLE && self.holders[other].client == holder.client =>
                    {
                        if before {
                            free = false;
                        } else if self.holders[other].holds {
                            free = false;
                            in_the_way.push(*other);
                        }
                    }
                    Item::Tx { .. } => {}
                    // An intent on WHOLE does not wait for asks that wait there for somebody exclusive before it.
                    Item::Ask(_) => free &= !before,
                }
            }
        }
        if free {
            self.holders.get_mut(&id).expect("looked up above").holds = true;
            turns.push(Turn::Granted(id));
        }
        for other in in_the_way {
            let other_holder = self.holders.get_mut(&other).expect("a holder in a queue is known");
            if !std::mem::replace(&mut other_holder.asked_to_yield, true) {
                turns.push(Turn::Yield(other));
            }
        }
    }

    /// Those that hold here now: their commits may be on the way, and answered already.
    pub fn holding(&self) -> Vec<TxId> {
        self.holders.iter().filter(|(_, h)| h.holds).map(|(id, _)| *id).collect()
    }

    /// Whether the transaction holds here now.
    pub fn holds(&self, id: TxId) -> bool {
        self.holders.get(&id).is_some_and(|h| h.holds)
    }

    /// Every queue on a line of its own: `H` holds, `W` waits, `!` exclusive, `y` asked to yield. For tests that fail.
    pub fn tell(&self) -> String {
        let mut all = String::new();
        for (key, queue) in &self.queues {
            all += &format!("\n  {key:x}:");
            for item in queue {
                all += &match item {
                    Item::Tx { id, exclusive } => {
                        let h = &self.holders[id];
                        let state = if h.holds { "H" } else { "W" };
                        let exclusive = if *exclusive { "!" } else { "" };
                        let asked = if h.asked_to_yield { "y" } else { "" };
                        format!(" {}{state}{exclusive}{asked}({}/{})", id.0, h.client.shard, h.client.conn)
                    }
                    Item::Ask(w) => {
                        format!(" ask {:x} ({}/{}) reads {}", w.key, w.client.shard, w.client.conn, w.reads)
                    }
                };
            }
        }
        all
    }

    /// Checks what must always be so; panics with what is not.
    pub fn verify(&self) {
        for (key, queue) in &self.queues {
            assert!(!queue.is_empty(), "an empty queue is kept for {key}");
            let ids: Vec<TxId> =
                queue.iter().filter_map(|i| if let Item::Tx { id, .. } = i { Some(*id) } else { None }).collect();
            assert!(ids.is_sorted(), "queue of {key} is out of order: {ids:?}");
            let held: Vec<bool> = queue
                .iter()
                .filter_map(|i| match i {
                    Item::Tx { id, exclusive } if self.holders[id].holds => Some(*exclusive),
                    _ => None,
                })
                .collect();
            assert!(held.len() <= 1 || !held.contains(&true), "key {key} is held by two that conflict");
        }
    }
}
