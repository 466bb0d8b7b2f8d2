//! Room: store. The order of a large sorted set: a counted B-tree. Touches: nothing beyond this crate.
//!
//! Leaves hold (score, address of the member's entry), so that a name is stored once, in the entry that the members' table
//! finds by name; the score stands beside it because a search reads scores only, except among equal ones. Inner nodes hold
//! for each child its first item and how many items are below it: so a rank is a sum on the way down. Leaves are chained in both
//! directions. Nodes are blocks of the store's heap: 62 items a leaf and 63 children an inner node make 1 and 2 KiB.
//!
//! A full leaf gives to a neighbour of the same parent before it is split, which keeps leaves about 85 % full; at both ends it
//! is split where nothing moves, so that rising and falling scores fill leaves. Nodes are joined when both are so small that
//! the whole is far from full.

mod node;

pub(super) use node::{Handle, Place};

use crate::entry::Ref;
use crate::heap::{self, Heap};
use crate::segment::prefetch;
use node::{Child, Edge, Inner, Leaf, first_of};
use std::ptr::{NonNull, null_mut};

/// Inner nodes above one another: 8^16 items, were they as empty as they may be.
const HEIGHT_MAX: usize = 16;
/// How far ahead entries are fetched where many are read in a row.
const AHEAD: usize = 6;

/// The inner nodes from the root to a leaf, each with which of its children was taken.
struct Path<const INNER: usize> {
    steps: [(*mut Inner<INNER>, usize); HEIGHT_MAX],
    len: usize,
}

impl<const INNER: usize> Path<INNER> {
    fn new() -> Self {
        Path { steps: [(null_mut(), 0); HEIGHT_MAX], len: 0 }
    }

    fn push(&mut self, node: *mut Inner<INNER>, child: usize) {
        self.steps[self.len] = (node, child);
        self.len += 1;
    }
}

/// Where an item stands. Good until the index changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot<const LEAF: usize> {
    leaf: *mut Leaf<LEAF>,
    at: usize,
}

pub(super) struct Index<const LEAF: usize, const INNER: usize> {
    /// Null: empty.
    root: *mut u8,
    /// Inner nodes above a leaf.
    height: usize,
    len: usize,
    first: *mut Leaf<LEAF>,
    last: *mut Leaf<LEAF>,
    leaves: usize,
    inners: usize,
}

impl<const LEAF: usize, const INNER: usize> Index<LEAF, INNER> {
    const SIZES: () = assert!(LEAF >= 4 && INNER >= 4);
    const LEAF_BYTES: usize = size_of::<Leaf<LEAF>>();
    const INNER_BYTES: usize = size_of::<Inner<INNER>>();

    pub(super) fn new() -> Self {
        let () = Self::SIZES;
        Index { root: null_mut(), height: 0, len: 0, first: null_mut(), last: null_mut(), leaves: 0, inners: 0 }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of its nodes in the store's heap.
    pub(super) fn allocated(&self) -> usize {
        self.leaves * heap::usable(Self::LEAF_BYTES) + self.inners * heap::usable(Self::INNER_BYTES)
    }

    // Nodes.

    #[inline]
    fn leaf(&self, node: *mut Leaf<LEAF>) -> &Leaf<LEAF> {
        // SAFETY: nodes name live nodes of the same index only: a node is freed when nothing names it any more. `&self` keeps
        // all of them unchanged.
        unsafe { &*node }
    }

    #[inline]
    fn leaf_mut(&mut self, node: *mut Leaf<LEAF>) -> &mut Leaf<LEAF> {
        // SAFETY: as in `leaf`; `&mut self` is exclusive, and one node is lent at a time.
        unsafe { &mut *node }
    }

    #[inline]
    fn inner(&self, node: *mut Inner<INNER>) -> &Inner<INNER> {
        // SAFETY: as in `leaf`. What is an inner node is told by the height.
        unsafe { &*node }
    }

    #[inline]
    fn inner_mut(&mut self, node: *mut Inner<INNER>) -> &mut Inner<INNER> {
        // SAFETY: as in `leaf_mut`.
        unsafe { &mut *node }
    }

    fn two_leaves(&mut self, a: *mut Leaf<LEAF>, b: *mut Leaf<LEAF>) -> (&mut Leaf<LEAF>, &mut Leaf<LEAF>) {
        assert!(a != b);
        // SAFETY: as in `leaf_mut`, and they are two.
        unsafe { (&mut *a, &mut *b) }
    }

    fn two_inners(&mut self, a: *mut Inner<INNER>, b: *mut Inner<INNER>) -> (&mut Inner<INNER>, &mut Inner<INNER>) {
        assert!(a != b);
        // SAFETY: as in `leaf_mut`, and they are two.
        unsafe { (&mut *a, &mut *b) }
    }

    fn new_leaf(&mut self, heap: &mut Heap) -> *mut Leaf<LEAF> {
        self.leaves += 1;
        let node = heap.take(Self::LEAF_BYTES).cast::<Leaf<LEAF>>().as_ptr();
        // SAFETY: the block has room for a leaf and is aligned to 8; all zeros are a leaf: numbers and null addresses.
        unsafe { node.write_bytes(0, 1) };
        node
    }

    fn new_inner(&mut self, heap: &mut Heap) -> *mut Inner<INNER> {
        self.inners += 1;
        let node = heap.take(Self::INNER_BYTES).cast::<Inner<INNER>>().as_ptr();
        // SAFETY: as in `new_leaf`.
        unsafe { node.write_bytes(0, 1) };
        node
    }

    /// Unchains a leaf and gives it back. Its parent must not name it any more.
    fn free_leaf(&mut self, heap: &mut Heap, node: *mut Leaf<LEAF>) {
        let (prev, next) = (self.leaf(node).prev, self.leaf(node).next);
        if prev.is_null() {
            self.first = next
        } else {
            self.leaf_mut(prev).next = next
        }
        if next.is_null() {
            self.last = prev
        } else {
            self.leaf_mut(next).prev = prev
        }
        self.leaves -= 1;
        let block = NonNull::new(node.cast()).expect("a node has an address");
        // SAFETY: `new_leaf` took it with this size, and nothing names it any more.
        unsafe { heap.give(block, Self::LEAF_BYTES) };
    }

    fn free_inner(&mut self, heap: &mut Heap, node: *mut Inner<INNER>) {
        self.inners -= 1;
        let block = NonNull::new(node.cast()).expect("a node has an address");
        // SAFETY: as in `free_leaf`.
        unsafe { heap.give(block, Self::INNER_BYTES) };
    }

    /// Chains `node` behind `prev`, or first.
    fn chain(&mut self, prev: *mut Leaf<LEAF>, node: *mut Leaf<LEAF>) {
        let next = if prev.is_null() { self.first } else { self.leaf(prev).next };
        let leaf = self.leaf_mut(node);
        (leaf.prev, leaf.next) = (prev, next);
        if prev.is_null() {
            self.first = node
        } else {
            self.leaf_mut(prev).next = node
        }
        if next.is_null() { self.last = node } else { self.leaf_mut(next).prev = node }
    }

    // Searching.

    /// The leaf in which `place` is, and where in it; it may be behind its last item.
    #[inline]
    fn descend(&self, place: Place<'_>, mut step: impl FnMut(*mut Inner<INNER>, usize)) -> Spot<LEAF> {
        let mut node = self.root;
        for _ in 0..self.height {
            let inner = self.inner(node.cast());
            let child = inner.child(place);
            step(node.cast(), child);
            node = inner.children[child];
        }
        let leaf = self.leaf(node.cast());
        Spot { leaf: node.cast(), at: place.among(leaf.scores(), leaf.entries()) }
    }

    /// How many items stand before `place`.
    pub(super) fn rank(&self, place: Place<'_>) -> usize {
        if self.root.is_null() {
            return 0;
        }
        let mut before = 0;
        let spot = self.descend(place, |node, child| {
            before += self.inner(node).counts[..child].iter().sum::<usize>();
        });
        before + spot.at
    }

    /// The item behind `place`.
    pub(super) fn seek(&self, place: Place<'_>) -> Option<Spot<LEAF>> {
        if self.root.is_null() {
            return None;
        }
        let spot = self.descend(place, |_, _| {});
        self.settled(spot)
    }

    /// `spot`, or the first of the next leaf if it is behind its leaf's last item.
    fn settled(&self, spot: Spot<LEAF>) -> Option<Spot<LEAF>> {
        let leaf = self.leaf(spot.leaf);
        if spot.at < leaf.len {
            return Some(spot);
        }
        (!leaf.next.is_null()).then_some(Spot { leaf: leaf.next, at: 0 })
    }

    /// The item with this rank.
    pub(super) fn select(&self, mut rank: usize) -> Option<Spot<LEAF>> {
        if rank >= self.len {
            return None;
        }
        let mut node = self.root;
        for _ in 0..self.height {
            let inner = self.inner(node.cast());
            let mut child = 0;
            while rank >= inner.counts[child] {
                rank -= inner.counts[child];
                child += 1;
            }
            node = inner.children[child];
        }
        Some(Spot { leaf: node.cast(), at: rank })
    }

    #[inline]
    pub(super) fn next(&self, spot: Spot<LEAF>) -> Option<Spot<LEAF>> {
        self.settled(Spot { leaf: spot.leaf, at: spot.at + 1 })
    }

    #[inline]
    pub(super) fn prev(&self, spot: Spot<LEAF>) -> Option<Spot<LEAF>> {
        if spot.at > 0 {
            return Some(Spot { leaf: spot.leaf, at: spot.at - 1 });
        }
        let prev = self.leaf(spot.leaf).prev;
        (!prev.is_null()).then(|| Spot { leaf: prev, at: self.leaf(prev).len - 1 })
    }

    /// Score and name.
    #[inline]
    pub(super) fn item(&self, spot: Spot<LEAF>) -> (f64, &[u8]) {
        let leaf = self.leaf(spot.leaf);
        (leaf.scores()[spot.at], leaf.entries()[spot.at].name())
    }

    /// Visits up to `count` items from `spot` on, in order or backwards, until `visit` says false.
    #[inline]
    pub(super) fn walk(
        &self,
        spot: Option<Spot<LEAF>>,
        count: usize,
        back: bool,
        mut visit: impl FnMut(f64, &[u8]) -> bool,
    ) {
        let (Some(mut spot), mut left) = (spot, count) else { return };
        while left > 0 {
            let leaf = self.leaf(spot.leaf);
            let many = left.min(if back { spot.at + 1 } else { leaf.len - spot.at });
            for i in 0..many {
                let at = if back { spot.at - i } else { spot.at + i };
                let ahead = if back { at.wrapping_sub(AHEAD) } else { at + AHEAD };
                if i + AHEAD < many {
                    prefetch(leaf.entries[ahead].0);
                }
                if !visit(leaf.scores[at], leaf.entries[at].name()) {
                    return;
                }
            }
            left -= many;
            let neighbour = if back { leaf.prev } else { leaf.next };
            if neighbour.is_null() {
                return;
            }
            spot = Spot { leaf: neighbour, at: if back { self.leaf(neighbour).len - 1 } else { 0 } };
        }
    }

    // Changing.

    /// Tells the inner nodes above `leaf` that its first item is another now.
    fn first_changed(&mut self, path: &Path<INNER>, depth: usize, score: f64, entry: Handle) {
        for &(node, child) in path.steps[..depth].iter().rev() {
            let inner = self.inner_mut(node);
            inner.scores[child] = score;
            inner.entries[child] = entry;
            if child > 0 {
                return;
            }
        }
    }

    /// Adds what is not there.
    pub(super) fn insert(&mut self, heap: &mut Heap, score: f64, entry: Handle) {
        self.len += 1;
        if self.root.is_null() {
            let node = self.new_leaf(heap);
            self.leaf_mut(node).insert(0, score, entry);
            (self.root, self.first, self.last) = (node.cast(), node, node);
            return;
        }
        let mut path = Path::new();
        let mut spot = self.descend(Place::At(score, entry.name()), |node, child| path.push(node, child));
        if self.leaf(spot.leaf).len == LEAF {
            spot = self.make_room(heap, &mut path, spot, score, entry);
        }
        self.leaf_mut(spot.leaf).insert(spot.at, score, entry);
        for &(node, child) in &path.steps[..path.len] {
            self.inner_mut(node).counts[child] += 1;
        }
        if spot.at == 0 {
            self.first_changed(&path, path.len, score, entry);
        }
    }

    /// Makes room in the full leaf of `spot` for what is to come there. Where the place is now; `path` leads there.
    fn make_room(
        &mut self,
        heap: &mut Heap,
        path: &mut Path<INNER>,
        spot: Spot<LEAF>,
        score: f64,
        entry: Handle,
    ) -> Spot<LEAF> {
        if let Some(spot) = self.give_to_neighbour(path, spot) {
            return spot;
        }
        let Spot { leaf, at } = spot;
        let (prev, next) = (self.leaf(leaf).prev, self.leaf(leaf).next);
        let new = self.new_leaf(heap);
        let edge = match at {
            0 if prev.is_null() => Edge::Left,
            at if at == LEAF && next.is_null() => Edge::Right,
            _ => Edge::None,
        };
        if edge == Edge::Left {
            // A leaf of its own for what is to come, before the full one.
            self.chain(null_mut(), new);
            let full = self.leaf(leaf);
            let behind = Child { score: full.scores[0], entry: full.entries[0], count: LEAF, node: leaf.cast() };
            match path.steps[..path.len].last() {
                Some(&(parent, child)) => {
                    self.inner_mut(parent).set(child, Child { score, entry, count: 0, node: new.cast() });
                }
                None => self.root = new.cast(),
            }
            self.add_behind(heap, path, behind, false, edge);
            return Spot { leaf: new, at: 0 };
        }
        self.chain(leaf, new);
        let from = if edge == Edge::Right { LEAF } else { LEAF / 2 };
        let (full, other) = self.two_leaves(leaf, new);
        full.move_tail(from, other);
        let count = LEAF - from;
        if let Some(&(parent, child)) = path.steps[..path.len].last() {
            self.inner_mut(parent).counts[child] -= count;
        }
        let (first_score, first) = if count > 0 { first_of(self.leaf(new)) } else { (score, entry) };
        let there = at > from || edge == Edge::Right;
        let child = Child { score: first_score, entry: first, count, node: new.cast() };
        self.add_behind(heap, path, child, there, edge);
        if there { Spot { leaf: new, at: at - from } } else { spot }
    }

    /// Moves some items of the full leaf of `spot` to a neighbour of the same parent that has room. Where the place is now.
    fn give_to_neighbour(&mut self, path: &mut Path<INNER>, spot: Spot<LEAF>) -> Option<Spot<LEAF>> {
        // Room that is worth a move, so that a leaf does not give one item at each insertion.
        let worth = (LEAF / 8).max(1);
        let Spot { leaf, at } = spot;
        let &(parent, child) = path.steps[..path.len].last()?;
        let inner = self.inner(parent);
        let siblings = inner.len;
        if child > 0 {
            let left: *mut Leaf<LEAF> = inner.children[child - 1].cast();
            let len = self.leaf(left).len;
            let room = LEAF - len;
            if room > 0 && at == 0 {
                path.steps[path.len - 1].1 -= 1;
                return Some(Spot { leaf: left, at: len });
            }
            if room >= worth {
                let give = room.div_ceil(2).min(at);
                let (full, other) = self.two_leaves(leaf, left);
                full.move_head(give, other);
                let (score, entry) = first_of(full);
                let inner = self.inner_mut(parent);
                inner.counts[child] -= give;
                inner.counts[child - 1] += give;
                (inner.scores[child], inner.entries[child]) = (score, entry);
                return Some(Spot { leaf, at: at - give });
            }
        }
        if child + 1 < siblings {
            let right: *mut Leaf<LEAF> = self.inner(parent).children[child + 1].cast();
            let room = LEAF - self.leaf(right).len;
            if room > 0 && at == LEAF {
                path.steps[path.len - 1].1 += 1;
                return Some(Spot { leaf: right, at: 0 });
            }
            if room >= worth {
                let give = room.div_ceil(2).min(LEAF - at);
                let (full, other) = self.two_leaves(leaf, right);
                full.move_tail(LEAF - give, other);
                let (score, entry) = first_of(other);
                let inner = self.inner_mut(parent);
                inner.counts[child] -= give;
                inner.counts[child + 1] += give;
                (inner.scores[child + 1], inner.entries[child + 1]) = (score, entry);
                return Some(spot);
            }
        }
        None
    }

    /// Puts `new` behind the child at the path's end, whose own count is right already. With `follow` the path leads to the
    /// new one afterwards.
    fn add_behind(&mut self, heap: &mut Heap, path: &mut Path<INNER>, mut new: Child, mut follow: bool, edge: Edge) {
        for depth in (0..path.len).rev() {
            let (node, child) = path.steps[depth];
            let (to, followed) = (child + 1, child + usize::from(follow));
            if self.inner(node).len < INNER {
                self.inner_mut(node).insert(to, new);
                path.steps[depth].1 = followed;
                return;
            }
            // How many of the INNER + 1 stay. At the ends nothing moves, so that rising and falling scores fill nodes.
            let stay = match edge {
                Edge::Left => 1,
                Edge::Right => INNER,
                Edge::None => INNER / 2 + 1,
            };
            let other = self.new_inner(heap);
            let (full, half) = self.two_inners(node, other);
            if to < stay {
                full.move_tail(stay - 1, half);
                full.insert(to, new);
            } else {
                full.move_tail(stay, half);
                half.insert(to - stay, new);
            }
            follow = followed >= stay;
            path.steps[depth] = if follow { (other, followed - stay) } else { (node, followed) };
            let left = Child { score: full.scores[0], entry: full.entries[0], count: full.count(), node: node.cast() };
            new = Child { score: half.scores[0], entry: half.entries[0], count: half.count(), node: other.cast() };
            if depth == 0 {
                return self.grow(heap, path, left, new, follow);
            }
            let (parent, at) = path.steps[depth - 1];
            self.inner_mut(parent).counts[at] = left.count;
        }
        // The root was a leaf.
        let leaf = self.leaf(self.root.cast());
        // Of an empty one the first item is told later.
        let left = Child { score: leaf.scores[0], entry: leaf.entries[0], count: leaf.len, node: self.root };
        self.grow(heap, path, left, new, follow);
    }

    /// A new root over two nodes.
    fn grow(&mut self, heap: &mut Heap, path: &mut Path<INNER>, left: Child, right: Child, follow: bool) {
        let root = self.new_inner(heap);
        let inner = self.inner_mut(root);
        inner.insert(0, left);
        inner.insert(1, right);
        self.root = root.cast();
        self.height += 1;
        assert!(self.height <= HEIGHT_MAX);
        path.steps.copy_within(..path.len, 1);
        path.len += 1;
        path.steps[0] = (root, usize::from(follow));
    }

    /// Takes out the item with this score and name, which must be there.
    pub(super) fn remove(&mut self, heap: &mut Heap, score: f64, entry: Handle) {
        let mut path = Path::new();
        let spot = self.find(score, entry, &mut path);
        self.take(heap, path, spot);
    }

    fn find(&self, score: f64, entry: Handle, path: &mut Path<INNER>) -> Spot<LEAF> {
        let mut spot = self.descend(Place::At(score, entry.name()), |node, child| path.push(node, child));
        if spot.at == self.leaf(spot.leaf).len {
            // It is the first of the next leaf: its place is also behind the last item of this one.
            spot = Spot { leaf: self.leaf(spot.leaf).next, at: 0 };
            self.step_right(path);
        }
        assert!(self.leaf(spot.leaf).entries()[spot.at] == entry, "a member is where its score says");
        spot
    }

    /// Makes `path` lead to the next leaf, which there must be.
    fn step_right(&self, path: &mut Path<INNER>) {
        let mut depth = path.len - 1;
        while path.steps[depth].1 + 1 == self.inner(path.steps[depth].0).len {
            depth -= 1;
        }
        path.steps[depth].1 += 1;
        for below in depth + 1..path.len {
            let (node, child) = path.steps[below - 1];
            path.steps[below] = (self.inner(node).children[child].cast(), 0);
        }
    }

    /// Takes out the item at `spot`, to which `path` leads.
    fn take(&mut self, heap: &mut Heap, path: Path<INNER>, spot: Spot<LEAF>) {
        self.len -= 1;
        for &(node, child) in &path.steps[..path.len] {
            self.inner_mut(node).counts[child] -= 1;
        }
        let leaf = self.leaf_mut(spot.leaf);
        leaf.remove(spot.at);
        let len = leaf.len;
        if len > 0 && spot.at == 0 {
            let (score, entry) = (leaf.scores[0], leaf.entries[0]);
            self.first_changed(&path, path.len, score, entry);
        }
        if len < LEAF / 3 {
            self.shrink_leaf(heap, &path, spot.leaf);
        }
    }

    /// Joins a leaf of few items with a neighbour of the same parent if the whole is far from full; an empty one goes.
    fn shrink_leaf(&mut self, heap: &mut Heap, path: &Path<INNER>, leaf: *mut Leaf<LEAF>) {
        let Some(&(parent, child)) = path.steps[..path.len].last() else {
            if self.leaf(leaf).len == 0 {
                self.free_leaf(heap, leaf);
                self.root = null_mut();
            }
            return;
        };
        let len = self.leaf(leaf).len;
        if len == 0 {
            self.free_leaf(heap, leaf);
            return self.child_gone(heap, path, path.len - 1, child);
        }
        let siblings = self.inner(parent).len;
        let fits = |other: usize| len + other <= LEAF * 3 / 4;
        if child > 0 {
            let left: *mut Leaf<LEAF> = self.inner(parent).children[child - 1].cast();
            if fits(self.leaf(left).len) {
                let (here, other) = self.two_leaves(leaf, left);
                here.move_head(len, other);
                self.free_leaf(heap, leaf);
                let inner = self.inner_mut(parent);
                inner.counts[child - 1] += len;
                return self.child_gone(heap, path, path.len - 1, child);
            }
        }
        if child + 1 < siblings {
            let right: *mut Leaf<LEAF> = self.inner(parent).children[child + 1].cast();
            if fits(self.leaf(right).len) {
                let (here, other) = self.two_leaves(leaf, right);
                let moved = other.len;
                other.move_head(moved, here);
                self.free_leaf(heap, right);
                let inner = self.inner_mut(parent);
                inner.counts[child] += moved;
                self.child_gone(heap, path, path.len - 1, child + 1);
            }
        }
    }

    /// Child `child` of the node at `depth` of `path` is no more.
    fn child_gone(&mut self, heap: &mut Heap, path: &Path<INNER>, depth: usize, child: usize) {
        let (node, _) = path.steps[depth];
        let inner = self.inner_mut(node);
        inner.remove(child);
        let len = inner.len;
        let first = (inner.scores[0], inner.entries[0]);
        if len > 0 && child == 0 {
            self.first_changed(path, depth, first.0, first.1);
        }
        if depth == 0 {
            return self.lower(heap);
        }
        let (parent, at) = path.steps[depth - 1];
        if len == 0 {
            self.free_inner(heap, node);
            return self.child_gone(heap, path, depth - 1, at);
        }
        if len >= INNER / 3 {
            return;
        }
        let siblings = self.inner(parent).len;
        // (the left one of two that may become one, which child of the parent the right one is)
        let pairs = [at.checked_sub(1).map(|left| (left, at)), (at + 1 < siblings).then_some((at, at + 1))];
        for (left, right) in pairs.into_iter().flatten() {
            let children = self.inner(parent).children;
            let (a, b): (*mut Inner<INNER>, *mut Inner<INNER>) = (children[left].cast(), children[right].cast());
            if self.inner(a).len + self.inner(b).len <= INNER * 3 / 4 {
                let (to, from) = self.two_inners(a, b);
                // The front of `b` takes all of `a`, then both change places: one kind of move is enough.
                to.move_tail(0, from);
                let inner = self.inner_mut(parent);
                inner.counts[right] += inner.counts[left];
                (inner.scores[right], inner.entries[right]) = (inner.scores[left], inner.entries[left]);
                self.free_inner(heap, a);
                return self.child_gone(heap, path, depth - 1, left);
            }
        }
    }

    /// A root with one child gives way to it.
    fn lower(&mut self, heap: &mut Heap) {
        while self.height > 0 {
            let root: *mut Inner<INNER> = self.root.cast();
            match self.inner(root).len {
                0 => {
                    self.free_inner(heap, root);
                    (self.root, self.height) = (null_mut(), 0);
                }
                1 => {
                    self.root = self.inner(root).children[0];
                    self.height -= 1;
                    self.free_inner(heap, root);
                }
                _ => return,
            }
        }
    }

    /// Another score for an item: where it stands if the order stays, else taken out and put in again.
    pub(super) fn change(&mut self, heap: &mut Heap, score: f64, entry: Handle, to: f64) {
        let mut path = Path::new();
        let spot = self.find(score, entry, &mut path);
        let follows = |(score, name): (f64, &[u8])| score < to || score == to && name < entry.name();
        let fits = self.prev(spot).is_none_or(|prev| follows(self.item(prev)))
            && self.next(spot).is_none_or(|next| !follows(self.item(next)));
        if fits {
            self.leaf_mut(spot.leaf).scores[spot.at] = to;
            if spot.at == 0 {
                self.first_changed(&path, path.len, to, entry);
            }
        } else {
            self.take(heap, path, spot);
            self.insert(heap, to, entry);
        }
    }

    /// Frees about `count` leaves; true while there are more. Fit for nothing else once this was called.
    pub(super) fn bury(&mut self, heap: &mut Heap, count: usize) -> bool {
        for _ in 0..count {
            if self.root.is_null() {
                return false;
            }
            let mut path = Path::<INNER>::new();
            let mut node = self.root;
            for _ in 0..self.height {
                let last = self.inner(node.cast()).len - 1;
                path.push(node.cast(), last);
                node = self.inner(node.cast()).children[last];
            }
            self.free_leaf(heap, node.cast());
            let mut depth = path.len;
            while depth > 0 {
                let inner = self.inner_mut(path.steps[depth - 1].0);
                inner.len -= 1;
                if inner.len > 0 {
                    break;
                }
                self.free_inner(heap, path.steps[depth - 1].0);
                depth -= 1;
            }
            if depth == 0 {
                self.root = null_mut();
            }
        }
        !self.root.is_null()
    }

    /// Panics with what is wrong; `check` looks at each item in order.
    pub(super) fn verify(&self, mut check: impl FnMut(f64, Ref<'_>)) {
        let (mut leaves, mut inners) = (Vec::new(), 0);
        let len =
            if self.root.is_null() { 0 } else { self.verify_node(self.root, self.height, &mut leaves, &mut inners) };
        assert_eq!(len, self.len, "items of an index");
        assert_eq!((leaves.len(), inners), (self.leaves, self.inners), "nodes of an index");
        assert_eq!(self.first, leaves.first().copied().unwrap_or(null_mut()));
        assert_eq!(self.last, leaves.last().copied().unwrap_or(null_mut()));
        let mut before: Option<(f64, &[u8])> = None;
        for (i, &node) in leaves.iter().enumerate() {
            let leaf = self.leaf(node);
            assert_eq!(leaf.prev, i.checked_sub(1).map_or(null_mut(), |i| leaves[i]), "leaves are chained");
            assert_eq!(leaf.next, leaves.get(i + 1).copied().unwrap_or(null_mut()), "leaves are chained");
            for at in 0..leaf.len {
                let (score, name) = (leaf.scores[at], leaf.entries[at].name());
                let order = before.is_none_or(|(s, n)| s < score || s == score && n < name);
                assert!(order && !score.is_nan(), "items are in order");
                before = Some((score, name));
                check(score, leaf.entries[at].entry());
            }
        }
    }

    fn verify_node(
        &self,
        node: *mut u8,
        height: usize,
        leaves: &mut Vec<*mut Leaf<LEAF>>,
        inners: &mut usize,
    ) -> usize {
        if height == 0 {
            leaves.push(node.cast());
            let len = self.leaf(node.cast()).len;
            assert!(len > 0 && len <= LEAF, "no leaf is empty");
            return len;
        }
        *inners += 1;
        let inner = self.inner(node.cast());
        assert!(inner.len > usize::from(height == self.height) && inner.len <= INNER, "a root has two children");
        let mut count = 0;
        for child in 0..inner.len {
            let first = leaves.len();
            let below = self.verify_node(inner.children[child], height - 1, leaves, inners);
            assert_eq!(below, inner.counts[child], "a parent's count");
            let leaf = self.leaf(leaves[first]);
            assert!(
                leaf.scores[0] == inner.scores[child] && leaf.entries[0] == inner.entries[child],
                "a parent's first item"
            );
            count += below;
        }
        count
    }
}

#[cfg(test)]
mod tests;
