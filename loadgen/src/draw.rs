//! Room: loadgen. One connection's choices: which verb next, which key, what fills the blanks. Touches: book, chance, recipe.

use crate::book::Book;
use crate::chance::{Chance, Chooser, mix};
use crate::plan::Phase;
use crate::recipe::Hand;
use std::sync::atomic::Ordering;

pub struct Draw<'p> {
    book: &'p Book<'p>,
    chance: Chance,
    connection: u64,
    /// The keys this connection writes are `first, first + step, ...`.
    first: u64,
    step: u64,
    in_order: Option<InOrder>,
    /// By phase: among all keys, and among those this connection writes.
    any: Vec<Chooser>,
    own: Vec<Chooser>,
    phase: usize,
    now_ns: u64,
    /// Of the ask that is being drawn.
    key: Option<u64>,
    write: bool,
}

/// Populating: the next key, and which of its asks.
struct InOrder {
    key: u64,
    verb: u16,
    verbs: u16,
}

impl<'p> Draw<'p> {
    pub fn new(book: &'p Book<'p>, connection: usize) -> Draw<'p> {
        let plan = book.plan;
        let all = plan.connections as u64;
        let populating = book.phase == Phase::Populate;
        // A key's first value comes from the neighbour of its later writer: with targets of two dialects each key is then
        // written over by the dialect that did not create it.
        let first = (connection as u64 + u64::from(populating)) % all;
        let (first, step) = if plan.verify || populating { (first, all) } else { (0, 1) };
        let own_count = plan.keys.saturating_sub(first).div_ceil(step);
        let any = |c: &_| Chooser::new(c, plan.keys, connection as u64, all);
        Draw {
            book,
            chance: Chance::new(mix(plan.seed ^ mix(connection as u64 + 1))),
            connection: connection as u64,
            first,
            step,
            in_order: populating.then_some(InOrder { key: first, verb: 0, verbs: book.names.len() as u16 }),
            any: if populating { Vec::new() } else { book.choices.iter().map(any).collect() },
            own: if plan.verify && !populating {
                book.choices.iter().map(|c| Chooser::new(c, own_count, 0, 1)).collect()
            } else {
                Vec::new()
            },
            phase: 0,
            now_ns: 0,
            key: None,
            write: false,
        }
    }

    /// The verb of the next ask; `None` when a populating connection has set all its keys, or the mix is empty.
    pub fn verb(&mut self, group: usize, phase: usize, now_ns: u64) -> Option<u16> {
        self.now_ns = now_ns;
        self.phase = phase;
        self.key = None;
        let Some(next) = &mut self.in_order else { return self.book.mix(phase, group).pick(&mut self.chance) };
        if next.key >= self.book.plan.keys {
            return None;
        }
        let verb = next.verb;
        self.key = Some(next.key);
        next.verb += 1;
        if next.verb == next.verbs {
            (next.verb, next.key) = (0, next.key + self.step);
        }
        Some(verb)
    }

    /// Said before a key is drawn for a verb that must be asked by the key's one writer.
    pub fn writes(&mut self, write: bool) {
        self.write = write;
    }

    /// Draws one of the keys that this connection writes, of those that are `free`: as they are chosen, or after some tries the
    /// next that is. None when none is.
    pub fn free_own_key(&mut self, free: impl Fn(u64) -> bool) -> Option<u64> {
        // 16: with most keys free one of them is soon met, and with one hot key it is not waited for.
        for _ in 0..16 {
            let key = self.key();
            if free(key) {
                return Some(key);
            }
            if self.in_order.is_some() {
                return None;
            }
            self.key = None;
        }
        let from = self.key();
        let own = (from..self.book.plan.keys).step_by(self.step as usize);
        let own = own.chain((self.first..from).step_by(self.step as usize));
        self.key = own.into_iter().find(|key| free(*key));
        self.key
    }

    /// The key that the ask last drawn is about.
    pub fn last_key(&self) -> Option<u64> {
        self.key
    }

    /// Whether this connection is the one that writes `key`.
    pub fn owns(&self, key: u64) -> bool {
        key % self.step == self.first
    }

    fn any_key(&mut self) -> u64 {
        let newest = match self.book.choices.get(self.phase) {
            Some(crate::plan::KeyChoice::Latest { .. }) => self.book.newest.load(Ordering::Relaxed),
            _ => 0,
        };
        match self.any.get_mut(self.phase) {
            Some(chooser) => chooser.pick(&mut self.chance, newest),
            None => self.chance.below(self.book.plan.keys),
        }
    }
}

impl Hand for Draw<'_> {
    fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    fn key(&mut self) -> u64 {
        if let Some(key) = self.key {
            return key;
        }
        let key = match self.own.get_mut(self.phase) {
            Some(own) if self.write => self.first + self.step * own.pick(&mut self.chance, 0),
            _ => self.any_key(),
        };
        self.key = Some(key);
        key
    }

    fn other_key(&mut self) -> u64 {
        self.any_key()
    }

    fn new_key(&mut self) -> u64 {
        let key = self.book.newest.fetch_add(1, Ordering::Relaxed);
        self.key = Some(key);
        key
    }

    fn sequence(&mut self) -> u64 {
        self.book.sequence.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn connection(&self) -> u64 {
        self.connection
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::small;

    #[test]
    fn populating_sets_every_key_once() {
        let plan = small();
        let book = Book::new(&plan, Phase::Populate, None);
        let mut set = Vec::new();
        for connection in 0..plan.connections {
            let mut draw = Draw::new(&book, connection);
            while draw.verb(0, 0, 0).is_some() {
                set.push(draw.key());
            }
        }
        set.sort_unstable();
        assert_eq!(set, (0..plan.keys).collect::<Vec<_>>());
    }

    #[test]
    fn a_verified_key_has_one_writer_and_all_keys_are_reached() {
        let plan = small();
        let book = Book::new(&plan, Phase::Measure, None);
        let mut writer = vec![None; plan.keys as usize];
        let mut read = vec![false; plan.keys as usize];
        for connection in 0..plan.connections {
            let mut draw = Draw::new(&book, connection);
            for _ in 0..1000 {
                let write = draw.verb(0, 0, 0).expect("measuring never ends") == 1;
                draw.writes(write);
                let key = draw.key();
                if write {
                    assert!(draw.owns(key));
                    assert_eq!(*writer[key as usize].get_or_insert(connection), connection);
                } else {
                    read[key as usize] = true;
                }
            }
        }
        assert!(writer.iter().all(Option::is_some) && read.iter().all(|r| *r));
    }
}
