//! Room: node, tests. Whether what clients saw can have happened on one thread.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// Orders that the search tries before it gives up: with many commands that nobody saw answered there may be too many.
const ORDERS_MAX: usize = 500_000;

/// A command as the model knows it.
pub trait Command: Debug {
    type State: Clone + Default + Eq + Hash;

    /// Bits of the keys it names: a client's commands on one key are done in the order it sent them.
    fn keys(&self) -> u32;
    /// Whether it changes nothing.
    fn reads(&self) -> bool;
    /// What Redis does on one thread, and replies.
    fn apply(&self, state: &mut Self::State) -> String;
}

/// One command as the outside saw it. Times are steps of the simulation.
pub struct Event<O> {
    pub client: usize,
    pub op: O,
    pub sent: u64,
    pub answered: u64,
    /// None: no reply was seen.
    pub reply: Option<String>,
    /// The client hung up before it was answered: it may have been done or not.
    pub lost: bool,
}

/// Whether there is one order of all commands that gives every reply, puts whatever was answered before something was sent
/// before it, and keeps a client's commands on one key in the order it sent them. Search as by Wing and Gong, with the
/// memory of Lowe ("Testing for linearizability", 2017).
///
/// None: too many orders to try them all.
pub fn is_serialisable<O: Command>(events: &[Event<O>]) -> Option<bool> {
    // What was read and not seen says nothing.
    let events: Vec<&Event<O>> = events.iter().filter(|e| e.reply.is_some() || !e.op.reads()).collect();
    assert!(events.len() <= 64, "a bit for each");
    let n = events.len();
    let mut before = vec![0u64; n];
    for (i, e) in events.iter().enumerate() {
        for (j, f) in events.iter().enumerate() {
            let pipelined = f.client == e.client && j < i && f.op.keys() & e.op.keys() != 0;
            // Nothing comes after the last look.
            if f.answered < e.sent || pipelined || e.sent == u64::MAX && i != j {
                before[i] |= 1 << j;
            }
        }
    }
    // What was answered first, or asked long ago, is tried first: it is last on the stack.
    let mut latest_first: Vec<usize> = (0..n).collect();
    latest_first.sort_by_key(|&i| std::cmp::Reverse(events[i].answered.min(events[i].sent.saturating_add(100))));
    let all = if n == 64 { u64::MAX } else { (1 << n) - 1 };
    let mut seen: HashSet<(u64, O::State)> = HashSet::new();
    let mut stack = vec![(0u64, O::State::default())];
    while let Some((done, state)) = stack.pop() {
        if done == all {
            return Some(true);
        }
        if seen.len() > ORDERS_MAX {
            return None;
        }
        for &i in &latest_first {
            if done & 1 << i != 0 || before[i] & !done != 0 {
                continue;
            }
            let mut next = state.clone();
            let mut go_on = |state: O::State| {
                let item = (done | 1 << i, state);
                if seen.insert(item.clone()) {
                    stack.push(item);
                }
            };
            let told = events[i].op.apply(&mut next);
            if events[i].reply.as_ref().is_none_or(|seen| *seen == told) {
                go_on(next);
            }
            if events[i].lost {
                go_on(state.clone());
            }
        }
    }
    Some(false)
}

/// For a history that fails.
pub fn tell<O: Command>(events: &[Event<O>]) {
    for e in events {
        let reply = e.reply.as_deref().unwrap_or("?");
        println!("{:>6} {:>6} client {} {:?} -> {reply}", e.sent, e.answered, e.client, e.op);
    }
}
