//! Room: store. What a sorted set's index is made of: leaves and inner nodes, and places among their items. Touches: nothing
//! beyond this crate.

use crate::entry::Ref;
use std::ptr::NonNull;

/// The address of a member's entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Handle(pub *mut u8);

impl Handle {
    pub fn of(entry: Ref<'_>) -> Handle {
        Handle(entry.address().as_ptr())
    }

    /// The entry. Only of a handle whose member is still in its set; that is what the set sees to.
    #[inline]
    pub fn entry<'a>(self) -> Ref<'a> {
        let address = NonNull::new(self.0).expect("a handle in use has an address");
        // SAFETY: a set takes a member out of its index before it frees the entry, and names are not changed by anything:
        // for as long as a handle is in an index, its entry stands where it is. Borrows end with the caller's borrow of the set.
        unsafe { Ref::new(address) }
    }

    #[inline]
    pub fn name<'a>(self) -> &'a [u8] {
        self.entry().key()
    }
}

/// A place between items.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// Before all items of this score.
    Before(f64),
    /// Behind all items of this score.
    Behind(f64),
    /// Before this item, or where it would stand.
    At(f64, &'a [u8]),
    /// Before the first name that is not less. For sets whose scores are all equal.
    BeforeName(&'a [u8]),
    /// Behind the last name that is not greater.
    BehindName(&'a [u8]),
}

impl Place<'_> {
    /// How many of these items, which are in order, stand before it.
    #[inline]
    pub fn among(self, scores: &[f64], entries: &[Handle]) -> usize {
        match self {
            Place::Before(score) => scores.partition_point(|&s| s < score),
            Place::Behind(score) => scores.partition_point(|&s| s <= score),
            Place::At(score, name) => {
                let from = scores.partition_point(|&s| s < score);
                if scores.get(from) != Some(&score) {
                    return from;
                }
                let equal = scores[from..].partition_point(|&s| s <= score);
                from + entries[from..from + equal].partition_point(|e| e.name() < name)
            }
            Place::BeforeName(name) => entries.partition_point(|e| e.name() < name),
            Place::BehindName(name) => entries.partition_point(|e| e.name() <= name),
        }
    }
}

#[repr(C)]
pub struct Leaf<const LEAF: usize> {
    pub prev: *mut Leaf<LEAF>,
    pub next: *mut Leaf<LEAF>,
    pub len: usize,
    pub scores: [f64; LEAF],
    pub entries: [Handle; LEAF],
}

#[repr(C)]
pub struct Inner<const INNER: usize> {
    pub len: usize,
    /// The first item below each child.
    pub scores: [f64; INNER],
    pub entries: [Handle; INNER],
    pub counts: [usize; INNER],
    /// Leaves, or inner nodes where this is not the lowest of them.
    pub children: [*mut u8; INNER],
}

impl<const LEAF: usize> Leaf<LEAF> {
    #[inline]
    pub fn scores(&self) -> &[f64] {
        &self.scores[..self.len]
    }

    #[inline]
    pub fn entries(&self) -> &[Handle] {
        &self.entries[..self.len]
    }

    pub fn insert(&mut self, at: usize, score: f64, entry: Handle) {
        self.scores.copy_within(at..self.len, at + 1);
        self.entries.copy_within(at..self.len, at + 1);
        self.scores[at] = score;
        self.entries[at] = entry;
        self.len += 1;
    }

    pub fn remove(&mut self, at: usize) {
        self.scores.copy_within(at + 1..self.len, at);
        self.entries.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// Moves the items from `at` on to the front of `to`.
    pub fn move_tail(&mut self, at: usize, to: &mut Self) {
        let count = self.len - at;
        to.scores.copy_within(..to.len, count);
        to.entries.copy_within(..to.len, count);
        to.scores[..count].copy_from_slice(&self.scores[at..self.len]);
        to.entries[..count].copy_from_slice(&self.entries[at..self.len]);
        to.len += count;
        self.len = at;
    }

    /// Moves the first `count` items to the end of `to`.
    pub fn move_head(&mut self, count: usize, to: &mut Self) {
        to.scores[to.len..to.len + count].copy_from_slice(&self.scores[..count]);
        to.entries[to.len..to.len + count].copy_from_slice(&self.entries[..count]);
        to.len += count;
        self.scores.copy_within(count..self.len, 0);
        self.entries.copy_within(count..self.len, 0);
        self.len -= count;
    }
}

pub fn first_of<const LEAF: usize>(leaf: &Leaf<LEAF>) -> (f64, Handle) {
    (leaf.scores[0], leaf.entries[0])
}

/// Whether a full node is the outermost of its level and what comes goes to its outer end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    None,
    Left,
    Right,
}

/// What a parent knows of a child.
#[derive(Clone, Copy)]
pub struct Child {
    pub score: f64,
    pub entry: Handle,
    pub count: usize,
    pub node: *mut u8,
}

impl<const INNER: usize> Inner<INNER> {
    /// The child in which `place` is: the last one whose first item stands before it.
    #[inline]
    pub fn child(&self, place: Place<'_>) -> usize {
        place.among(&self.scores[..self.len], &self.entries[..self.len]).saturating_sub(1)
    }

    pub fn insert(&mut self, at: usize, child: Child) {
        let end = self.len;
        self.scores.copy_within(at..end, at + 1);
        self.entries.copy_within(at..end, at + 1);
        self.counts.copy_within(at..end, at + 1);
        self.children.copy_within(at..end, at + 1);
        self.len += 1;
        self.set(at, child);
    }

    pub fn set(&mut self, at: usize, child: Child) {
        self.scores[at] = child.score;
        self.entries[at] = child.entry;
        self.counts[at] = child.count;
        self.children[at] = child.node;
    }

    pub fn remove(&mut self, at: usize) {
        let end = self.len;
        self.scores.copy_within(at + 1..end, at);
        self.entries.copy_within(at + 1..end, at);
        self.counts.copy_within(at + 1..end, at);
        self.children.copy_within(at + 1..end, at);
        self.len -= 1;
    }

    /// Moves the children from `at` on to the front of `to`.
    pub fn move_tail(&mut self, at: usize, to: &mut Self) {
        let count = self.len - at;
        to.scores.copy_within(..to.len, count);
        to.entries.copy_within(..to.len, count);
        to.counts.copy_within(..to.len, count);
        to.children.copy_within(..to.len, count);
        to.scores[..count].copy_from_slice(&self.scores[at..self.len]);
        to.entries[..count].copy_from_slice(&self.entries[at..self.len]);
        to.counts[..count].copy_from_slice(&self.counts[at..self.len]);
        to.children[..count].copy_from_slice(&self.children[at..self.len]);
        to.len += count;
        self.len = at;
    }

    pub fn count(&self) -> usize {
        self.counts[..self.len].iter().sum()
    }
}
