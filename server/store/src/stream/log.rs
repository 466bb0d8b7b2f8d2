//! Room: store. The entries of a stream, in nodes. Touches: nothing beyond this crate.
//! Source of what first, last and deleted ids, and counts of entries ever added come to: t_stream.c of Redis 7.2.

use super::Id;
use super::node::{EntryRef, NODE_BYTES_MAX, Node, Place};
use crate::Packing;
use crate::pack::Item;
use std::collections::{BTreeMap, btree_map};

/// What a node takes in the map. Ids rise, so the map's leaves have 6 of 11 places filled; a tenth for what is above them.
const NODE_BYTES: usize = (size_of::<Node>() + size_of::<Id>()) * 11 * 11 / 60;

#[derive(Default)]
pub struct Log {
    /// By the id of the first entry that they got.
    nodes: BTreeMap<Id, Node>,
    len: u64,
    /// 0-0 if there are no entries.
    first: Id,
    last: Id,
    /// What `last` was before the latest `append`, or `settle`.
    prior: Id,
    max_deleted: Id,
    added: u64,
    /// Capacity of all nodes.
    bytes: usize,
}

/// Up to where a trim goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Entries that stay.
    Len(u64),
    /// The first that stays.
    Id(Id),
}

/// A trim, from its first step to its last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trim {
    pub bound: Bound,
    /// Whole nodes only.
    pub approximate: bool,
    /// Entries that may go; 0: any number.
    pub limit: u64,
    /// Entries that have gone.
    pub removed: u64,
}

impl Log {
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Of the first entry; 0-0 if there is none.
    pub fn first(&self) -> Id {
        self.first
    }

    /// The last id that was given.
    pub fn last(&self) -> Id {
        self.last
    }

    /// What came since by the latest command has higher ids.
    pub fn prior(&self) -> Id {
        self.prior
    }

    /// Nothing has come.
    pub(super) fn settle(&mut self) {
        self.prior = self.last;
    }

    /// The highest that was deleted by its id.
    pub fn max_deleted(&self) -> Id {
        self.max_deleted
    }

    /// Entries ever added.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// At least the id of the last entry.
    pub(crate) fn set_last(&mut self, last: Id) {
        (self.last, self.prior) = (last, last);
        // Deleted entries may have had higher ids: what comes next is to find its place behind the others.
        while let Some(mut tail) = self.nodes.last_entry()
            && tail.get().last > last
        {
            let first = *tail.key();
            let node = tail.get_mut();
            self.bytes -= node.capacity();
            if node.len == 0 {
                tail.remove();
                continue;
            }
            node.draw_back(first);
            self.bytes += node.capacity();
            assert!(node.last <= last, "callers name no id below the last entry's");
        }
    }

    pub(crate) fn set_max_deleted(&mut self, id: Id) {
        self.max_deleted = id;
    }

    pub(crate) fn set_added(&mut self, added: u64) {
        self.added = added;
    }

    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The ids that nodes are known by.
    pub fn node_ids(&self) -> impl Iterator<Item = Id> {
        self.nodes.keys().copied()
    }

    /// Nodes that have entries, from that of `from` on: their first id, how many fields the first had, their names, and the
    /// entries.
    pub(crate) fn nodes_from(&self, from: Id) -> impl Iterator<Item = NodeRef<'_>> {
        self.nodes.range(from..).filter(|(_, node)| node.len > 0).map(|(&first, node)| NodeRef { first, node })
    }

    /// Adds an entry that was written elsewhere, into the last node if `joins`. False if its id is not above all others.
    pub(crate) fn load<'w>(
        &mut self,
        id: Id,
        words: impl ExactSizeIterator<Item = &'w [u8]> + Clone,
        joins: bool,
    ) -> bool {
        if id <= self.last {
            return false;
        }
        let entries = if joins { 0 } else { 1 };
        // One entry a node, or any number.
        let packing = Packing { stream_node_bytes: 0, stream_node_entries: entries, ..Packing::default() };
        self.append(id, words, &packing);
        true
    }

    pub(super) fn apart_bytes(&self) -> usize {
        self.bytes + self.nodes.len() * NODE_BYTES
    }

    /// Adds an entry; its id is above `last`. `words`: names and values by turns, at most `ENTRY_BYTES_MAX` bytes.
    pub(super) fn append<'w>(
        &mut self,
        id: Id,
        words: impl ExactSizeIterator<Item = &'w [u8]> + Clone,
        packing: &Packing,
    ) {
        assert!(id > self.last, "ids rise");
        let bytes: usize = words.clone().map(<[u8]>::len).sum();
        let tail = self.nodes.last_entry();
        let has_room = tail.as_ref().is_some_and(|tail| {
            let node = tail.get();
            let max = match packing.stream_node_bytes {
                0 => super::ENTRY_BYTES_MAX,
                max => max.min(super::ENTRY_BYTES_MAX),
            };
            let count = (node.len + node.dead) as usize;
            node.listpack_bytes() + bytes < max
                && (packing.stream_node_entries == 0 || count < packing.stream_node_entries)
                && node.bytes_len() + bytes < NODE_BYTES_MAX
        });
        match tail {
            Some(mut tail) if has_room => {
                let first = *tail.key();
                let node = tail.get_mut();
                self.bytes -= node.capacity();
                node.push(first, id, words);
                self.bytes += node.capacity();
            }
            tail => {
                if let Some(mut tail) = tail {
                    let node = tail.get_mut();
                    self.bytes -= node.capacity();
                    node.close();
                    self.bytes += node.capacity();
                }
                let mut node = Node::default();
                node.push(id, id, words);
                self.bytes += node.capacity();
                self.nodes.insert(id, node);
            }
        }
        self.len += 1;
        self.added = self.added.wrapping_add(1);
        self.prior = self.last;
        self.last = id;
        if self.len == 1 {
            self.first = id;
        }
    }

    /// Entries with ids `from` to `to`, both included.
    pub fn range(&self, from: Id, to: Id) -> Range<'_> {
        let start = self.nodes.range(..=from).next_back().map_or(from, |(&first, _)| first);
        Range { nodes: self.nodes.range(start..), node: None, from, to }
    }

    /// The same from the last to the first.
    pub fn range_back(&self, from: Id, to: Id) -> RangeBack<'_> {
        RangeBack { nodes: self.nodes.range(..=to), node: None, places: Vec::new(), from, to }
    }

    /// Counts entries with ids `from` to `to`, up to `max`, in some `budget` nodes. The second: from where to count on.
    pub fn count(&self, from: Id, to: Id, max: u64, budget: usize) -> (u64, Option<Id>) {
        if from <= self.first && to >= self.last {
            return (self.len.min(max), None);
        }
        let start = self.nodes.range(..=from).next_back().map_or(from, |(&first, _)| first);
        let mut n = 0;
        for (seen, (&first, node)) in self.nodes.range(start..).enumerate() {
            if first > to || n >= max {
                break;
            }
            if seen >= budget {
                return (n, Some(first));
            }
            n += if first >= from && node.last <= to {
                u64::from(node.len)
            } else {
                node.places(first).filter(|place| !place.dead && place.id >= from && place.id <= to).count() as u64
            };
        }
        (n.min(max), None)
    }

    /// The node that has `id` if any has.
    fn node_of(&self, id: Id) -> Option<(Id, &Node)> {
        self.nodes.range(..=id).next_back().map(|(&first, node)| (first, node)).filter(|(_, node)| id <= node.last)
    }

    pub fn get(&self, id: Id) -> Option<EntryRef<'_>> {
        let (first, node) = self.node_of(id)?;
        node.find(first, id).map(|place| node.entry(place))
    }

    pub fn contains(&self, id: Id) -> bool {
        self.node_of(id).is_some_and(|(first, node)| node.find(first, id).is_some())
    }

    /// False if there is none of this id.
    pub(crate) fn delete(&mut self, id: Id) -> bool {
        let Some((first, place)) = self.node_of(id).and_then(|(first, node)| Some((first, node.find(first, id)?)))
        else {
            return false;
        };
        let node = self.nodes.get_mut(&first).expect("it was found");
        self.bytes -= node.capacity();
        node.delete(place);
        if node.len == 0 {
            self.nodes.remove(&first);
        } else {
            node.sweep(first);
            self.bytes += node.capacity();
        }
        self.len -= 1;
        self.max_deleted = self.max_deleted.max(id);
        if id == self.first {
            self.find_first();
        }
        true
    }

    fn find_first(&mut self) {
        self.first =
            if self.len == 0 { Id::MIN } else { self.range(Id::MIN, Id::MAX).next().map_or(Id::MIN, |e| e.id) };
    }

    /// Removes entries from the front, until all is done (true) or some `budget` nodes have gone.
    pub(super) fn trim(&mut self, trim: &mut Trim, budget: usize) -> bool {
        let before = trim.removed;
        let mut budget = budget;
        let done = loop {
            let Some(mut entry) = self.nodes.first_entry() else { break true };
            let (first, node) = (*entry.key(), entry.get_mut());
            let len = u64::from(node.len);
            if matches!(trim.bound, Bound::Len(max) if self.len <= max)
                || trim.limit != 0 && trim.removed.saturating_add(len) > trim.limit
            {
                break true;
            }
            let whole = match trim.bound {
                Bound::Len(max) => self.len - len >= max,
                Bound::Id(min) => node.last < min,
            };
            if !whole && trim.approximate {
                break true;
            }
            if whole && budget == 0 {
                break false;
            }
            self.bytes -= node.capacity();
            if whole {
                budget -= 1;
                self.len -= len;
                trim.removed += len;
                entry.remove();
                continue;
            }
            let mut at = node.start();
            while let Some(place) = node.place(first, at) {
                let stop = match trim.bound {
                    Bound::Len(max) => self.len <= max,
                    Bound::Id(min) => place.id >= min,
                };
                if stop {
                    break;
                }
                at = place.end;
                if !place.dead {
                    node.delete(place);
                    self.len -= 1;
                    trim.removed += 1;
                }
            }
            node.sweep(first);
            self.bytes += node.capacity();
            break true;
        };
        if trim.removed > before {
            self.find_first();
        }
        done
    }

    /// Whether an entry that was deleted by its id may be missing from `from` on.
    pub(super) fn has_holes_from(&self, from: Id) -> bool {
        self.len > 0 && self.max_deleted != Id::MIN && self.first <= self.max_deleted && from <= self.max_deleted
    }

    /// How many entries had been added when `id` was, itself counted; -1 if there is no telling.
    pub fn entries_up_to(&self, id: Id) -> i64 {
        let added = self.added as i64;
        if self.added == 0 || self.len == 0 && id <= self.last || id == self.last {
            return added;
        }
        if id > self.last {
            return -1;
        }
        if self.max_deleted == Id::MIN || self.max_deleted < self.first {
            if id < self.first {
                return added.wrapping_sub(self.len as i64);
            }
            if id == self.first {
                return added.wrapping_sub(self.len as i64).wrapping_add(1);
            }
        }
        -1
    }

    /// Frees up to `units` nodes; how many fewer there were.
    pub(super) fn bury(&mut self, units: usize) -> usize {
        for done in 0..units {
            match self.nodes.pop_first() {
                Some((_, node)) => self.bytes -= node.capacity(),
                None => return units - done,
            }
        }
        0
    }

    pub(super) fn verify(&self) {
        let (mut last, mut len, mut bytes) = (None, 0, 0);
        for (&first, node) in &self.nodes {
            node.verify(first);
            assert!(last.is_none_or(|last| last < first) && first <= node.last, "nodes are in order");
            last = Some(node.last);
            len += u64::from(node.len);
            bytes += node.capacity();
        }
        assert_eq!((len, bytes), (self.len, self.bytes), "entries and bytes");
        let first = self.range(Id::MIN, Id::MAX).next().map_or(Id::MIN, |entry| entry.id);
        assert_eq!(first, self.first, "the first id");
    }
}

/// A node that has entries, to be written.
pub(crate) struct NodeRef<'a> {
    pub first: Id,
    node: &'a Node,
}

impl<'a> NodeRef<'a> {
    pub fn len(&self) -> usize {
        self.node.len as usize
    }

    pub fn names(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        self.node.names()
    }

    pub fn entries(&self) -> impl Iterator<Item = EntryRef<'a>> + use<'a> {
        let node = self.node;
        node.places(self.first).filter(|place| !place.dead).map(move |place| node.entry(place))
    }
}

/// Entries in order.
pub struct Range<'a> {
    nodes: btree_map::Range<'a, Id, Node>,
    /// With its id, and where its next entry lies.
    node: Option<(Id, &'a Node, u32)>,
    from: Id,
    to: Id,
}

impl<'a> Iterator for Range<'a> {
    type Item = EntryRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EntryRef<'a>> {
        loop {
            let (first, node, at) = match &mut self.node {
                Some(here) => here,
                None => {
                    let (&first, node) = self.nodes.next()?;
                    self.node.insert((first, node, node.start()))
                }
            };
            let Some(place) = node.place(*first, *at) else {
                self.node = None;
                continue;
            };
            if place.id > self.to {
                return None;
            }
            *at = place.end;
            if place.id >= self.from && !place.dead {
                return Some(node.entry(place));
            }
        }
    }
}

/// Entries from the last to the first.
pub struct RangeBack<'a> {
    nodes: btree_map::Range<'a, Id, Node>,
    node: Option<&'a Node>,
    /// Of that node, those that are to come.
    places: Vec<Place>,
    from: Id,
    to: Id,
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = EntryRef<'a>;

    fn next(&mut self) -> Option<EntryRef<'a>> {
        loop {
            if let (Some(node), Some(place)) = (self.node, self.places.pop()) {
                return Some(node.entry(place));
            }
            let (&first, node) = self.nodes.next_back()?;
            if node.last < self.from {
                return None;
            }
            let (from, to) = (self.from, self.to);
            self.places.extend(
                node.places(first).take_while(|place| place.id <= to).filter(|place| !place.dead && place.id >= from),
            );
            self.node = Some(node);
        }
    }
}
