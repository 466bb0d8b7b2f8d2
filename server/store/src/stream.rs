//! Room: store. A stream: a log of entries, and groups that read it. Touches: nothing beyond this crate.
//!
//! The log is an ordered row of nodes, each some hundred entries packed one behind the other (`node.rs`), so that an entry costs
//! little beside its values and what is trimmed goes by whole nodes. A group keeps what it has handed out and nobody has
//! acknowledged, by id, and each of its consumers the ids of its own (`group.rs`).
//!
//! Unlike other collections a stream may be empty and stay: its last id and its groups are worth keeping.

mod change;
mod group;
mod id;
mod log;
mod node;

pub use change::{GroupMut, LogMut, StreamMut};
pub use group::{Consumer, ConsumerId, Group, Nack};
pub use id::Id;
pub(crate) use log::NodeRef;
pub use log::{Bound, Log, Range, RangeBack, Trim};
pub use node::{ENTRY_BYTES_MAX, EntryRef};

use crate::journal::Journal;
use crate::object::{Held, Object};
use crate::table::Ground;
use crate::{Body, Cell, Deadline, Entry};
use std::collections::BTreeMap;

/// What a group costs beside its name, its consumers and what is pending: its place in the map, half of which is empty.
const GROUP_BYTES: usize = 2 * (size_of::<Group>() + size_of::<Box<[u8]>>());

#[derive(Default)]
pub struct Stream {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// Bytes of all groups.
    groups_apart: usize,
}

impl Stream {
    /// Entries.
    pub fn len(&self) -> usize {
        self.log.len() as usize
    }

    pub fn is_empty(&self) -> bool {
        self.log.len() == 0
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// By name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&name[..], group))
    }

    /// Those behind `name`, by name.
    pub fn groups_after(&self, name: &[u8]) -> impl Iterator<Item = (&[u8], &Group)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.groups.range::<[u8], _>((Excluded(name), Unbounded)).map(|(name, group)| (&name[..], group))
    }

    /// False if there is one of this name. `read`: as `Group::read`.
    pub(crate) fn create_group(&mut self, name: &[u8], last: Id, read: i64) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        let group = Group::new(last, read);
        self.groups_apart += group_bytes(name, &group);
        self.groups.insert(name.into(), group);
        true
    }

    /// Lets `change` have a group and the log that it reads.
    pub(crate) fn change_group<R>(&mut self, name: &[u8], change: impl FnOnce(&mut Group, &Log) -> R) -> Option<R> {
        let group = self.groups.get_mut(name)?;
        self.groups_apart -= group.apart_bytes();
        let result = change(group, &self.log);
        self.groups_apart += group.apart_bytes();
        Some(result)
    }

    fn take_group(&mut self, name: &[u8]) -> Option<(Box<[u8]>, Group)> {
        let (name, group) = self.groups.remove_entry(name)?;
        self.groups_apart -= group_bytes(&name, &group);
        Some((name, group))
    }

    /// As `Object::encoding`.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// As `Object::apart_bytes`. What maps take is estimated: by how full they are on the average.
    pub fn apart_bytes(&self) -> usize {
        self.log.apart_bytes() + self.groups_apart
    }

    /// As `Object::allocated`.
    pub fn allocated(&self) -> usize {
        self.apart_bytes()
    }

    /// As `Object::weight`: a node is freed in some 100 ns, and so is what is pending.
    pub fn weight(&self) -> usize {
        let groups: usize = self.groups.values().take(crate::object::WEIGHT_AT_ONCE).map(Group::weight).sum();
        self.log.node_count() + self.groups.len() + groups
    }

    /// As `Object::bury`.
    pub fn bury(&mut self, _ground: &mut Ground, units: usize) -> bool {
        let mut left = self.log.bury(units);
        while left > 0 {
            let Some(mut entry) = self.groups.first_entry() else { return false };
            let group = entry.get_mut();
            let before = group.apart_bytes();
            left = group.bury(left);
            self.groups_apart -= before - group.apart_bytes();
            if left > 0 {
                let (name, group) = entry.remove_entry();
                self.groups_apart -= group_bytes(&name, &group);
                left -= 1;
            }
        }
        true
    }

    /// As `Object::verify`.
    pub(crate) fn verify(&self, _ground: &Ground, _held: &mut Held) {
        self.log.verify();
        let mut bytes = 0;
        for (name, group) in &self.groups {
            group.verify();
            bytes += group_bytes(name, group);
        }
        assert_eq!(bytes, self.groups_apart, "bytes of groups");
    }
}

fn group_bytes(name: &[u8], group: &Group) -> usize {
    GROUP_BYTES + name.len() + group.apart_bytes()
}

impl<'a> Entry<'a> {
    /// The stream that is here; `None` if it is something else.
    #[inline]
    pub fn stream(self) -> Option<&'a Stream> {
        match self.body() {
            Body::Object(Object::Stream(stream)) => Some(stream),
            _ => None,
        }
    }
}

impl Cell<'_> {
    /// The stream that is here.
    #[inline]
    pub fn stream(&self) -> Option<&Stream> {
        self.entry()?.stream()
    }

    /// Creates an empty stream where nothing is.
    pub fn create_stream(&mut self) {
        assert!(self.entry().is_none(), "callers have seen that there is nothing");
        self.put_object(Box::new(Object::Stream(Stream::default())), Deadline::None);
        self.note(Journal::create_stream);
    }

    /// Lets `change` work on the stream that is here.
    #[inline]
    pub fn change_stream<R>(&mut self, change: impl FnOnce(&mut StreamMut<'_>) -> R) -> R {
        let mut journal = self.take_journal();
        let result = self.change_raw(|stream| change(&mut StreamMut::new(stream, journal.as_deref_mut())));
        self.give_journal(journal);
        result
    }

    #[inline]
    fn change_raw<R>(&mut self, change: impl FnOnce(&mut Stream) -> R) -> R {
        self.change_object(|object, _, _| match object {
            Object::Stream(stream) => change(stream),
            _ => unreachable!("callers have seen that it is a stream"),
        })
    }

    /// False if there is no such group. What it holds is freed in steps.
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        let Some((name, group)) = self.change_raw(|stream| stream.take_group(name)) else { return false };
        self.note(|journal| journal.destroy_group(&name));
        let mut last = Stream { groups_apart: group_bytes(&name, &group), ..Stream::default() };
        last.groups.insert(name, group);
        let object = Box::new(Object::Stream(last));
        self.store.apart_bytes += object.apart_bytes();
        self.store.bury_object(object);
        true
    }
}
