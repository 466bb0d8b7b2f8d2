//! Room: store. A stream, its log and its groups, to be changed: what is done is noted (`journal`).
//! Touches: nothing beyond this crate.

use super::{Consumer, ConsumerId, Group, Id, Log, Nack, Stream, Trim};
use crate::Packing;
use crate::journal::{Journal, Op};
use std::ops::Deref;

/// A stream, to be changed.
pub struct StreamMut<'a> {
    stream: &'a mut Stream,
    journal: Option<&'a mut Journal>,
}

/// Its log.
pub struct LogMut<'a> {
    log: &'a mut Log,
    journal: Option<&'a mut Journal>,
}

/// One of its groups.
pub struct GroupMut<'a> {
    group: &'a mut Group,
    journal: Option<(&'a mut Journal, &'a [u8])>,
}

impl Deref for StreamMut<'_> {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        self.stream
    }
}

impl Deref for LogMut<'_> {
    type Target = Log;

    fn deref(&self) -> &Log {
        self.log
    }
}

impl Deref for GroupMut<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl<'a> StreamMut<'a> {
    /// `journal`: ready for effects on the stream's key.
    pub(super) fn new(stream: &'a mut Stream, journal: Option<&'a mut Journal>) -> StreamMut<'a> {
        StreamMut { stream, journal }
    }

    pub fn log_mut(&mut self) -> LogMut<'_> {
        LogMut { log: self.stream.log_mut(), journal: self.journal.as_deref_mut() }
    }

    /// False if there is one of this name. `read`: as `Group::read`.
    pub fn create_group(&mut self, name: &[u8], last: Id, read: i64) -> bool {
        let created = self.stream.create_group(name, last, read);
        if let Some(journal) = &mut self.journal
            && created
        {
            journal.create_group(name, last, read);
        }
        created
    }

    /// Lets `change` have a group and the log that it reads.
    pub fn change_group<R>(&mut self, name: &[u8], change: impl FnOnce(&mut GroupMut<'_>, &Log) -> R) -> Option<R> {
        let mut journal = self.journal.as_deref_mut();
        self.stream.change_group(name, |group, log| {
            let before = (group.last, group.read);
            let noted = journal.as_deref_mut().map(|journal| (journal, name));
            let result = change(&mut GroupMut { group, journal: noted }, log);
            // However many entries it has gone on by, where it is now says all.
            if let Some(journal) = journal
                && before != (group.last, group.read)
            {
                journal.group_state(name, group.last, group.read);
            }
            result
        })
    }
}

impl LogMut<'_> {
    /// Adds an entry; its id is above `last`. `words`: names and values by turns, at most `ENTRY_BYTES_MAX` bytes.
    pub fn append<'w>(&mut self, id: Id, words: impl ExactSizeIterator<Item = &'w [u8]> + Clone, packing: &Packing) {
        if let Some(journal) = &mut self.journal {
            journal.entry(id, words.clone());
        }
        self.log.append(id, words, packing);
    }

    /// Removes entries from the front, until all is done (true) or some `budget` nodes have gone.
    pub fn trim(&mut self, trim: &mut Trim, budget: usize) -> bool {
        let before = trim.removed;
        let done = self.log.trim(trim, budget);
        if let Some(journal) = &mut self.journal
            && trim.removed > before
        {
            journal.drop_entries(trim.removed - before);
        }
        done
    }

    /// False if there is none of this id.
    pub fn delete(&mut self, id: Id) -> bool {
        let deleted = self.log.delete(id);
        if let Some(journal) = &mut self.journal
            && deleted
        {
            journal.of_id(Op::Delete, id);
        }
        deleted
    }

    /// At least the id of the last entry.
    pub fn set_last(&mut self, last: Id) {
        self.log.set_last(last);
        if let Some(journal) = &mut self.journal {
            journal.of_id(Op::SetLast, last);
        }
    }

    pub fn set_max_deleted(&mut self, id: Id) {
        self.log.set_max_deleted(id);
        if let Some(journal) = &mut self.journal {
            journal.of_id(Op::SetMaxDeleted, id);
        }
    }

    pub fn set_added(&mut self, added: u64) {
        self.log.set_added(added);
        if let Some(journal) = &mut self.journal {
            journal.set_added(added);
        }
    }

    /// Nothing has come: for who waits, so it is no effect.
    pub fn settle(&mut self) {
        self.log.settle();
    }
}

impl GroupMut<'_> {
    /// Where the group is; `read`: as `Group::read`.
    pub fn set(&mut self, last: Id, read: i64) {
        (self.group.last, self.group.read) = (last, read);
    }

    /// As `set`, if that is further on.
    pub fn raise(&mut self, last: Id) {
        self.group.last = self.group.last.max(last);
    }

    /// The group has come to `id`: an entry of `log` on its way to a consumer. Nothing happens if it had been there before.
    pub fn advance(&mut self, log: &Log, id: Id) {
        self.group.advance(log, id);
    }

    /// The consumer of this name, and whether it is new.
    pub fn find_or_create(&mut self, name: &[u8], now_ms: u64) -> (ConsumerId, bool) {
        let (id, is_new) = self.group.find_or_create(name, now_ms);
        if is_new {
            self.note_consumer(id, |_| {});
        }
        (id, is_new)
    }

    /// Notes what is about a consumer.
    fn note_consumer(&mut self, id: ConsumerId, note: impl FnOnce(&mut Journal)) {
        if let Some((journal, group)) = &mut self.journal {
            let Consumer { seen_ms, .. } = *self.group.consumer(id);
            journal.consumer(group, self.group.consumer(id).name(), seen_ms);
            note(journal);
        }
    }

    /// The consumer has asked. Not noted until something else is.
    pub fn see(&mut self, id: ConsumerId, now_ms: i64) {
        self.group.consumer_mut(id).seen_ms = now_ms;
    }

    /// The consumer has got something.
    pub fn activate(&mut self, id: ConsumerId, now_ms: i64) {
        let consumer = self.group.consumer_mut(id);
        if consumer.active_ms != now_ms {
            consumer.active_ms = now_ms;
            self.note_consumer(id, |journal| journal.active(now_ms));
        }
    }

    /// An entry is pending for a consumer from now on, whosever it was before.
    pub fn assign(&mut self, id: Id, nack: Nack) {
        self.group.assign(id, nack);
        let Nack { consumer, delivered_ms, deliveries } = nack;
        self.note_consumer(consumer, |journal| journal.assign(id, delivered_ms, deliveries));
    }

    /// What is pending under `id`, to be changed in what does not say whose it is.
    pub fn redelivered(&mut self, id: Id, now_ms: u64) {
        self.group.redelivered(id, now_ms);
        if let Some(&Nack { consumer, delivered_ms, deliveries }) = self.group.nack(id) {
            self.note_consumer(consumer, |journal| journal.assign(id, delivered_ms, deliveries));
        }
    }

    /// False if nothing was pending under `id`.
    pub fn settle(&mut self, id: Id) -> bool {
        let settled = self.group.settle(id);
        if let Some((journal, group)) = &mut self.journal
            && settled
        {
            journal.settle(group, id);
        }
        settled
    }

    /// Lets go of up to `max` entries that are pending for a consumer, then of the consumer: true when it is gone.
    pub fn dismiss(&mut self, id: ConsumerId, max: usize) -> bool {
        let consumer = self.group.consumer(id);
        let before = consumer.pending_len();
        let name = self.journal.is_some().then(|| consumer.name().to_vec());
        let gone = self.group.dismiss(id, max);
        if let (Some((journal, group)), Some(name)) = (&mut self.journal, name) {
            journal.dismiss(group, &name, before.min(max), gone);
        }
        gone
    }
}
