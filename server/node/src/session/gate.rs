//! Room: session. Replies that must not leave before what they tell of is on the device (`appendfsync always`). Touches: base.
//!
//! A connection's output waits as a whole, for replies leave in order. What is added while it waits waits for its own.

use crate::shard::locks::TxId;
use base::{Out, ShardId};

/// What must be sure to be found after a crash.
#[derive(Default, Debug)]
pub struct Needs {
    /// Of these shards the records below these numbers.
    records: Vec<(ShardId, u64)>,
    /// Transactions whose records' numbers are not known yet, once for each that is missing.
    commits: Vec<TxId>,
}

impl Needs {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.commits.is_empty()
    }

    fn add(&mut self, shard: ShardId, until: u64) {
        match self.records.iter_mut().find(|(other, _)| *other == shard) {
            Some((_, below)) => *below = until.max(*below),
            None => self.records.push((shard, until)),
        }
    }

    /// One of a transaction's records has this number: true if it was waited for here.
    fn learn(&mut self, tx: TxId, shard: ShardId, until: u64) -> bool {
        let Some(at) = self.commits.iter().position(|&other| other == tx) else { return false };
        self.commits.swap_remove(at);
        self.add(shard, until);
        true
    }

    fn are_met(&self, sure: impl Fn(ShardId) -> u64) -> bool {
        self.commits.is_empty() && self.records.iter().all(|&(shard, until)| sure(shard) >= until)
    }
}

/// Before a connection's output.
#[derive(Default, Debug)]
pub struct Gate {
    /// What waits, and for what.
    held: Option<(Needs, Out)>,
    /// What the output needs that has been added since.
    next: Needs,
}

/// What may leave.
pub enum Passed {
    Nothing,
    /// This first.
    Held(Out),
    /// All: there is no gate any more.
    All,
}

impl Gate {
    pub fn need(&mut self, shard: ShardId, until: u64) {
        self.next.add(shard, until);
    }

    pub fn need_commit(&mut self, tx: TxId, records: usize) {
        self.next.commits.extend(std::iter::repeat_n(tx, records));
    }

    pub fn learn(&mut self, tx: TxId, shard: ShardId, until: u64) {
        let held = self.held.as_mut().is_some_and(|(needs, _)| needs.learn(tx, shard, until));
        if !held {
            self.next.learn(tx, shard, until);
        }
    }

    /// Whether something may leave that could not before.
    pub fn opens(&self, sure: impl Fn(ShardId) -> u64) -> bool {
        match &self.held {
            Some((needs, _)) => needs.are_met(sure),
            None => self.next.are_met(sure),
        }
    }

    /// `out`: what was added since the last time.
    pub fn pass(&mut self, out: &mut Out, sure: impl Fn(ShardId) -> u64) -> Passed {
        if let Some((needs, _)) = &self.held {
            if !needs.are_met(&sure) {
                return Passed::Nothing;
            }
            return self.held.take().map_or(Passed::Nothing, |(_, out)| Passed::Held(out));
        }
        if self.next.are_met(sure) {
            return Passed::All;
        }
        if !out.is_empty() {
            self.held = Some((std::mem::take(&mut self.next), std::mem::take(out)));
        }
        Passed::Nothing
    }

    /// Nothing waits and nothing is needed.
    pub fn is_idle(&self) -> bool {
        self.held.is_none() && self.next.is_empty()
    }

    /// Bytes that wait.
    pub fn held_bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |(_, out)| out.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> Out {
        Out { bytes: text.as_bytes().to_vec(), shared: vec![] }
    }

    /// What leaves when each shard is sure of so many.
    fn passed(gate: &mut Gate, added: &str, sure: [u64; 2]) -> String {
        match gate.pass(&mut out(added), |shard| sure[shard.index()]) {
            Passed::Nothing => "-".into(),
            Passed::Held(out) => String::from_utf8(out.to_vec()).unwrap(),
            Passed::All => "all".into(),
        }
    }

    #[test]
    fn replies_wait_for_what_they_tell_of() {
        let mut gate = Gate::default();
        gate.need(ShardId(0), 5);
        gate.need(ShardId(0), 3);
        assert_eq!(passed(&mut gate, "one", [4, 9]), "-");
        // What comes later does not hold back what is there.
        gate.need(ShardId(1), 20);
        assert_eq!(passed(&mut gate, "two", [4, 9]), "-");
        assert_eq!((gate.opens(|_| 4), gate.opens(|_| 5), gate.held_bytes()), (false, true, 3));
        assert_eq!(passed(&mut gate, "two", [5, 9]), "one");
        assert_eq!(passed(&mut gate, "two", [5, 9]), "-");
        assert_eq!(passed(&mut gate, "", [5, 20]), "two");
        assert!(gate.is_idle());
        let tx = TxId(7);
        gate.need_commit(tx, 2);
        assert_eq!(passed(&mut gate, "three", [99, 99]), "-");
        gate.learn(tx, ShardId(0), 8);
        gate.learn(tx, ShardId(0), 1);
        assert_eq!(passed(&mut gate, "", [7, 0]), "-");
        assert_eq!(passed(&mut gate, "", [8, 0]), "three");
        assert_eq!(passed(&mut gate, "four", [8, 0]), "all");
    }
}
