//! Room: command. Sorting in slices: things are sorted in short runs, and runs are merged into longer ones. Only their places move.
//! Touches: nothing.

use std::cmp::Ordering;

/// Sorted at once; longer rows are merged of such.
const RUN: usize = 256;

/// Places of things on their way into an order.
pub(crate) struct Merging {
    order: Vec<u32>,
    /// Up to here in runs that are sorted.
    runs_to: usize,
    /// Places in a run.
    run: usize,
    /// What becomes of `order` next, in runs of twice the length.
    merged: Vec<u32>,
    /// Of the two runs that are merged: what was taken of each.
    taken: (usize, usize),
}

impl Merging {
    pub fn new() -> Merging {
        Merging { order: Vec::new(), runs_to: 0, run: RUN, merged: Vec::new(), taken: (0, 0) }
    }

    /// There will be no more than `len` things: nothing is moved as they come. `sorts`: their order is going to change.
    pub fn reserve(&mut self, len: usize, sorts: bool) {
        self.order.reserve_exact(len);
        self.merged.reserve_exact(if sorts && len > RUN { len } else { 0 });
    }

    /// There are `len` things by now; none has been sorted yet.
    pub fn grow(&mut self, len: usize) {
        self.order.extend(self.order.len() as u32..len as u32);
    }

    /// The place of the thing that is `i`th in order.
    pub fn at(&self, i: usize) -> usize {
        self.order[i] as usize
    }

    /// Works on as many things as `left` says, and takes them off. True when all are in order; what is equal stays in its order.
    pub fn step(&mut self, left: &mut usize, compare: impl Fn(usize, usize) -> Ordering) -> bool {
        let compare = |a: u32, b: u32| compare(a as usize, b as usize);
        loop {
            if self.runs_to < self.order.len() {
                let end = (self.runs_to + RUN).min(self.order.len());
                self.order[self.runs_to..end].sort_by(|&a, &b| compare(a, b));
                self.runs_to = end;
                *left = left.saturating_sub(RUN);
            } else if self.run >= self.order.len() {
                return true;
            } else {
                while *left > 0 && self.run < self.order.len() {
                    self.merge_one(&compare);
                    *left -= 1;
                }
            }
            if *left == 0 {
                return self.runs_to == self.order.len() && self.run >= self.order.len();
            }
        }
    }

    /// Brings one more to its place in runs of twice the length.
    fn merge_one(&mut self, compare: &impl Fn(u32, u32) -> Ordering) {
        let Merging { order, run, merged, taken, .. } = self;
        if merged.len() == order.len() {
            std::mem::swap(order, merged);
            merged.clear();
            *run *= 2;
            return;
        }
        let start = merged.len() - (taken.0 + taken.1);
        let middle = (start + *run).min(order.len());
        let end = (start + 2 * *run).min(order.len());
        let (left, right) = (start + taken.0, middle + taken.1);
        let from_left = right == end || left < middle && compare(order[left], order[right]) != Ordering::Greater;
        if from_left {
            merged.push(order[left]);
            taken.0 += 1;
        } else {
            merged.push(order[right]);
            taken.1 += 1;
        }
        if merged.len() == end {
            *taken = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_sort_as_the_whole_does() {
        let mut dice = 1u64;
        for len in [0, 1, 2, RUN, RUN + 1, 3 * RUN - 1, 5000] {
            for slice in [1, 7, 300, 100_000] {
                let things: Vec<u64> = (0..len)
                    .map(|_| {
                        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (dice >> 33) % 1000
                    })
                    .collect();
                let mut merging = Merging::new();
                for upto in (0..len).step_by(100).chain([len]) {
                    merging.grow(upto);
                }
                let mut steps = 0;
                while !merging.step(&mut { slice }, |a, b| things[a].cmp(&things[b])) {
                    steps += 1;
                    assert!(steps < 40 * (len + 10), "it ends");
                }
                let mut sorted: Vec<usize> = (0..len).collect();
                sorted.sort_by_key(|&at| things[at]);
                assert!((0..len).all(|i| merging.at(i) == sorted[i]), "{len} things, {slice} at a time");
            }
        }
    }
}
