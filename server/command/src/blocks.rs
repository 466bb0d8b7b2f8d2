//! Room: command. A row of very many things that never lies in one piece of memory: growing moves nothing, and it is let go of
//! block by block. One piece of a million would take milliseconds to move or to give back.
//! Touches: nothing.

use std::ops::{Index, IndexMut};

/// Things in one piece of memory.
const BLOCK: usize = 1024;

pub(crate) struct Blocks<T> {
    /// All but the last are full.
    blocks: Vec<Vec<T>>,
}

impl<T> Default for Blocks<T> {
    fn default() -> Blocks<T> {
        Blocks { blocks: Vec::new() }
    }
}

impl<T> Blocks<T> {
    pub fn len(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub fn push(&mut self, one: T) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(one),
            // The first grows with what is in it.
            first => {
                let mut block = Vec::with_capacity(if first.is_none() { 0 } else { BLOCK });
                block.push(one);
                self.blocks.push(block);
            }
        }
    }

    /// Lets go of the last block.
    pub fn drop_some(&mut self) {
        self.blocks.pop();
    }

    /// Takes all of them out, in their order.
    pub fn drain(self) -> Drain<T> {
        let left = self.len();
        Drain { blocks: self.blocks.into_iter(), block: Vec::new().into_iter(), left }
    }
}

impl<T> Index<usize> for Blocks<T> {
    type Output = T;

    fn index(&self, i: usize) -> &T {
        &self.blocks[i / BLOCK][i % BLOCK]
    }
}

impl<T> IndexMut<usize> for Blocks<T> {
    fn index_mut(&mut self, i: usize) -> &mut T {
        &mut self.blocks[i / BLOCK][i % BLOCK]
    }
}

/// What is left of `Blocks`.
pub(crate) struct Drain<T> {
    blocks: std::vec::IntoIter<Vec<T>>,
    block: std::vec::IntoIter<T>,
    left: usize,
}

impl<T> Iterator for Drain<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(one) = self.block.next() {
                self.left -= 1;
                return Some(one);
            }
            self.block = self.blocks.next()?.into_iter();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for Drain<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_found_and_drained_in_order() {
        for count in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK] {
            let mut all = Blocks::default();
            (0..count).for_each(|i| all.push(i));
            assert_eq!((all.len(), all.is_empty()), (count, count == 0));
            assert!((0..count).all(|i| all[i] == i));
            let mut drain = all.drain();
            for i in 0..count {
                assert_eq!((drain.len(), drain.next()), (count - i, Some(i)));
            }
            assert_eq!((drain.len(), drain.next()), (0, None));
        }
    }

    #[test]
    fn blocks_go_from_the_end() {
        let mut all = Blocks::default();
        (0..BLOCK + 5).for_each(|i| all.push(i));
        all.drop_some();
        assert_eq!(all.len(), BLOCK);
        all.drop_some();
        assert!(all.is_empty());
    }
}
