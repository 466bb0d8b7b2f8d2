//! Room: node, tests. The locks alone, from a seed: random transactions and asks over a few shards whose messages are late. Beside
//! them an obvious account of who holds what: nobody holds what another has, nothing is forgotten, a connection's commands
//! on one key keep their order, and of any two transactions one goes first everywhere.
//!
//! A failing seed is printed; `TORC_SEED=n cargo test -p node --test locks` replays it.

mod sim;

use node::shard::locks::{Client, LockKey, Locks, Turn, TxId, WHOLE};
use sim::{Rng, seeds};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const KEYS: u64 = 3;

#[derive(Clone, Debug)]
enum Message {
    Lock(usize),
    Granted(usize, usize),
    Yield(usize, usize),
    Yielded(usize),
    Commit(usize),
    Ask(usize),
}

/// What a command wants of one shard: keys with whether they are written, and whether it is granted.
type Part = (usize, Vec<(LockKey, bool)>, bool);

/// A command: a transaction, or an ask on one key.
struct Op {
    client: usize,
    id: TxId,
    parts: Vec<Part>,
    is_ask: bool,
    committed: bool,
    /// Parts that are not done yet.
    left: usize,
    /// When an ask came to its shard.
    came: u64,
}

struct World {
    rng: Rng,
    locks: Vec<Locks<usize>>,
    wires: Vec<Vec<VecDeque<Message>>>,
    /// A client's shard is its number modulo the shards.
    ops: Vec<Op>,
    /// Who holds now, (shard, op), and since when: the slow account.
    holds: BTreeMap<(usize, usize), u64>,
    /// Messages that have come.
    clock: u64,
    /// What was done to a key, in order: (op, whether it wrote).
    done: BTreeMap<(usize, LockKey), Vec<(usize, bool)>>,
    yields: u64,
}

impl World {
    fn home(&self, op: usize) -> usize {
        self.ops[op].client % self.locks.len()
    }

    fn client(&self, op: usize) -> Client {
        Client { shard: self.home(op) as u16, conn: self.ops[op].client as u32, generation: 0 }
    }

    fn keys(&self, shard: usize, op: usize) -> Vec<(LockKey, bool)> {
        let part = self.ops[op].parts.iter().find(|p| p.0 == shard).expect("only shards that it names hear of it");
        part.1.clone()
    }

    fn post(&mut self, from: usize, to: usize, message: Message) {
        if from == to {
            self.take(to, message);
        } else {
            self.wires[from][to].push_back(message);
        }
    }

    fn of(&self, id: TxId) -> usize {
        self.ops.iter().position(|op| !op.is_ask && op.id == id).expect("locks know only what they were asked")
    }

    fn take(&mut self, shard: usize, message: Message) {
        let mut turns = Vec::new();
        self.clock += 1;
        match message {
            Message::Lock(op) => {
                let (client, keys) = (self.client(op), self.keys(shard, op));
                self.locks[shard].lock(self.ops[op].id, client, keys, &mut turns);
            }
            Message::Ask(op) => {
                self.ops[op].came = self.clock;
                let (client, (key, writes)) = (self.client(op), self.keys(shard, op)[0]);
                match self.locks[shard].blocks(key, client, !writes) {
                    Some(queue) => self.locks[shard].wait(queue, key, client, !writes, op),
                    None => self.effect(shard, op),
                }
            }
            Message::Granted(op, by) => {
                let part = self.ops[op].parts.iter_mut().find(|p| p.0 == by).expect("a shard of its own");
                assert!(!std::mem::replace(&mut part.2, true), "granted twice");
                if self.ops[op].parts.iter().all(|p| p.2) {
                    self.ops[op].committed = true;
                    let shards: Vec<usize> = self.ops[op].parts.iter().map(|p| p.0).collect();
                    shards.into_iter().for_each(|to| self.post(shard, to, Message::Commit(op)));
                }
            }
            Message::Yield(op, by) => {
                if !self.ops[op].committed {
                    let part = self.ops[op].parts.iter_mut().find(|p| p.0 == by).expect("a shard of its own");
                    assert!(std::mem::replace(&mut part.2, false), "asked to give back what it has not");
                    self.post(shard, by, Message::Yielded(op));
                }
            }
            Message::Yielded(op) => {
                self.holds.remove(&(shard, op));
                self.locks[shard].yielded(self.ops[op].id, &mut turns);
            }
            Message::Commit(op) => {
                assert!(self.holds.contains_key(&(shard, op)), "a commit comes where it is granted");
                self.effect(shard, op);
                self.holds.remove(&(shard, op));
                self.locks[shard].release(self.ops[op].id, &mut turns);
            }
        }
        for turn in turns {
            match turn {
                Turn::Run(op) => self.effect(shard, op),
                Turn::Granted(id) => {
                    if !self.locks[shard].holds(id) {
                        continue;
                    }
                    let op = self.of(id);
                    self.holds.insert((shard, op), self.clock);
                    self.post(shard, self.home(op), Message::Granted(op, shard));
                }
                Turn::Yield(id) => {
                    let op = self.of(id);
                    self.yields += 1;
                    self.post(shard, self.home(op), Message::Yield(op, shard));
                }
            }
        }
        self.locks[shard].verify();
    }

    /// The op does here what it does: nobody who conflicts may hold.
    fn effect(&mut self, shard: usize, op: usize) {
        let touched = |keys: Vec<(LockKey, bool)>| -> Vec<(LockKey, bool)> {
            let all = keys.iter().any(|k| k.0 == WHOLE);
            if all { (1..=KEYS).map(|key| (key, true)).collect() } else { keys }
        };
        let mine = touched(self.keys(shard, op));
        for (&(at, other), &since) in &self.holds {
            // What touches all keys reads none: an ask that was here before it was granted, so before anybody heard of it, may
            // still go first.
            let reads_none = self.keys(at, other)[0].0 == WHOLE;
            if at != shard || other == op || reads_none && self.ops[op].is_ask && self.ops[op].came < since {
                continue;
            }
            for &(key, theirs) in &touched(self.keys(shard, other)) {
                let clash = mine.iter().any(|&(k, writes)| k == key && (writes || theirs));
                assert!(!clash, "op {op} touches key {key} that op {other} holds:{}", self.locks[shard].tell());
            }
        }
        for (key, writes) in mine {
            self.done.entry((shard, key)).or_default().push((op, writes));
        }
        self.ops[op].left -= 1;
    }

    fn begin(&mut self, client: usize, next: &mut u64) {
        let shards = self.locks.len();
        let idle = self.ops.iter().all(|op| op.client != client || op.left == 0);
        let mut op = Op { client, id: TxId(0), parts: Vec::new(), is_ask: false, committed: false, left: 0, came: 0 };
        let writes = self.rng.chance(2);
        match self.rng.below(10) {
            // The engine lets a command on all keys begin when all that its connection asked before is answered.
            0 if idle => op.parts = (0..shards).map(|s| (s, vec![(WHOLE, true)], false)).collect(),
            0..=4 => {
                op.is_ask = true;
                op.parts = vec![(self.rng.below(shards), vec![(1 + self.rng.next() % KEYS, writes)], false)];
            }
            _ => {
                for shard in 0..shards {
                    let keys: Vec<_> = (1..=KEYS).filter(|_| self.rng.chance(3)).map(|key| (key, writes)).collect();
                    if !keys.is_empty() {
                        op.parts.push((shard, keys, false));
                    }
                }
            }
        }
        if op.parts.is_empty() {
            return;
        }
        op.left = op.parts.len();
        if !op.is_ask {
            *next += 1;
            op.id = TxId(*next);
        }
        let (n, home, is_ask) = (self.ops.len(), client % shards, op.is_ask);
        let to: Vec<usize> = op.parts.iter().map(|p| p.0).collect();
        self.ops.push(op);
        for shard in to {
            self.post(home, shard, if is_ask { Message::Ask(n) } else { Message::Lock(n) });
        }
    }
}

/// An order in which of any two that conflict the same goes first on every key; None: there is none.
fn order(done: &BTreeMap<(usize, LockKey), Vec<(usize, bool)>>, ops: usize) -> Option<Vec<usize>> {
    let mut before: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); ops];
    for list in done.values() {
        for (i, &(late, writes)) in list.iter().enumerate() {
            before[late].extend(list[..i].iter().filter(|(_, w)| *w || writes).map(|(early, _)| *early));
        }
    }
    let (mut placed, mut out) = (vec![false; ops], Vec::new());
    while out.len() < ops {
        let next = (0..ops).find(|&n| !placed[n] && before[n].iter().all(|&b| placed[b]))?;
        placed[next] = true;
        out.push(next);
    }
    Some(out)
}

#[test]
fn locks_are_fair_and_let_everybody_go_on() {
    let mut yields = 0;
    for seed in seeds(3000) {
        let mut rng = Rng(seed);
        let (shards, clients) = (1 + rng.below(4), 1 + rng.below(5));
        println!("TORC_SEED={seed}");
        let mut world = World {
            rng,
            locks: (0..shards).map(|_| Locks::default()).collect(),
            wires: (0..shards).map(|_| (0..shards).map(|_| VecDeque::new()).collect()).collect(),
            ops: Vec::new(),
            holds: BTreeMap::new(),
            clock: 0,
            done: BTreeMap::new(),
            yields: 0,
        };
        let (mut next, mut steps) = (0, 0);
        loop {
            steps += 1;
            if world.ops.len() < 40 && world.rng.chance(3) {
                let client = world.rng.below(clients);
                world.begin(client, &mut next);
            }
            let all = |n: usize| (n / shards, n % shards);
            let full: Vec<_> = (0..shards * shards).map(all).filter(|&(f, t)| !world.wires[f][t].is_empty()).collect();
            if full.is_empty() {
                if world.ops.len() >= 40 {
                    break;
                }
                continue;
            }
            let (from, to) = full[world.rng.below(full.len())];
            let message = world.wires[from][to].pop_front().expect("this one is not empty");
            world.take(to, message);
            assert!(steps < 100_000, "messages without end");
        }
        // No message is on its way: whoever is not done now never will be.
        let stuck: Vec<usize> = (0..world.ops.len()).filter(|&op| world.ops[op].left > 0).collect();
        assert!(stuck.is_empty(), "{stuck:?} wait for ever");
        assert!(world.holds.is_empty() && world.locks.iter().all(Locks::is_empty));
        assert!(order(&world.done, world.ops.len()).is_some(), "two went first, each on another key: {:?}", world.done);
        for (key, list) in &world.done {
            for client in 0..clients {
                let own: Vec<usize> = list.iter().map(|d| d.0).filter(|&op| world.ops[op].client == client).collect();
                assert!(own.is_sorted(), "key {key:?}: client {client} had {own:?} done in this order");
            }
        }
        yields += world.yields;
    }
    assert!(yields > 0, "the seeds exercise what they are for");
}

#[test]
fn the_account_sees_a_cycle() {
    let two = |first, second| vec![(first, true), (second, true)];
    assert!(order(&BTreeMap::from([((0, 1), two(0, 1)), ((1, 1), two(1, 0))]), 2).is_none());
    assert_eq!(order(&BTreeMap::from([((0, 1), two(1, 0)), ((1, 1), two(1, 0))]), 2), Some(vec![1, 0]));
}
