//! Room: store. Objects as RDB bodies, written part by part: a value of any size takes slices of work, as long as nobody changes
//! it meanwhile. Touches: base.
//!
//! Counts come first in every form, so an object is asked for them; then come lists by their chunks, sets and hashes in the
//! order of a scan, sorted sets by rank, streams by node, then group by group what is pending, and the consumers.

use super::kind;
use super::lzf::{Packing, Slice};
use super::stream as log;
use super::write::Writer;
use crate::hash::{Fields, Text};
use crate::object::Object;
use crate::pack::Digits;
use crate::set::Elements;
use crate::stream::{Group, Id, Stream};
use crate::table::Ground;
use crate::zset::ZsetRef;
use bytes::Bytes;
use std::collections::VecDeque;

/// quicklist.h, QUICKLIST_NODE_CONTAINER_PLAIN and _PACKED
const ALONE: u64 = 1;
pub const PACKED: u64 = 2;
/// A listpack has 32 bits for its length; Redis writes none that is near that (listpack.c, LISTPACK_MAX_SAFETY_LIMIT: 1 GB).
const LISTPACK_BYTES_MAX: usize = 1 << 30;
/// Members written between two looks at the budget: each may have 16 KiB.
const MEMBERS: usize = 16;
/// Nodes counted, or pending entries written, between two looks.
const STEPS: usize = 256;

/// How far an object is written.
pub enum Progress {
    Start,
    /// Of a string: the bytes that are written. Not of objects.
    Text(usize),
    /// Of a string that is compressed on the way.
    Packing(Box<Packing>),
    /// Of a list or a hash: long strings that are compressed on the way.
    Long(Box<Long>),
    /// Of a list: where its next chunk stands.
    Chunk((usize, usize)),
    /// Of a set or a hash: the cursor. A hash's fields have deadlines, the earliest of which this is.
    Members(u64, Option<u64>),
    /// Of a sorted set: how many are left, those of the lowest ranks.
    Ranks(usize),
    /// Of a stream: nodes before this id are counted, there were so many.
    Count(Id, u64),
    /// The next node.
    Node(Id),
    /// The groups behind this one.
    Groups(Option<Box<[u8]>>),
    /// What is pending in this group, from an id on.
    Pending(Box<[u8]>, Id),
    /// This group's consumers behind one.
    Consumers(Box<[u8]>, Option<Box<[u8]>>),
    /// What is pending in this group for this consumer, from an id on.
    Owned(Box<[u8]>, Box<[u8]>, Id),
    Whole,
}

impl Progress {
    pub fn is_whole(&self) -> bool {
        matches!(self, Progress::Whole)
    }

    /// Whether a step may write nothing and still be a slice's work.
    pub fn is_packing(&self) -> bool {
        matches!(self, Progress::Packing(_) | Progress::Long(_))
    }
}

/// Long strings, each with what is written behind it, and how the object goes on after them.
pub struct Long {
    texts: VecDeque<(Bytes, Vec<u8>)>,
    /// How far the first of them is.
    first: Progress,
    then: Progress,
}

impl Long {
    /// Of what was just postponed.
    fn of(to: &mut Writer<'_>, then: Progress) -> Box<Long> {
        let mut texts = VecDeque::new();
        for (at, text) in std::mem::take(&mut to.tools.postponed).into_iter().rev() {
            texts.push_front((text, to.out.split_off(at)));
        }
        Box::new(Long { texts, first: Progress::Start, then })
    }

    /// A slice of it.
    pub fn go_on(mut self: Box<Long>, to: &mut Writer<'_>, upto: usize) -> Progress {
        let Some((text, _)) = self.texts.front() else { return self.then };
        self.first = go_on_text(self.first, text, to, upto);
        if self.first.is_whole() {
            let (_, behind) = self.texts.pop_front().expect("it is the first");
            to.out.extend_from_slice(&behind);
            self.first = Progress::Start;
            if self.texts.is_empty() {
                return self.then;
            }
        }
        Progress::Long(self)
    }

    /// What comes after it is taken away, to be written now: the end of the last of them is where that goes.
    pub fn cut_off(&mut self) -> Progress {
        std::mem::replace(&mut self.then, Progress::Whole)
    }

    /// Puts what has been written of that behind the last.
    pub fn append(&mut self, bytes: &[u8]) {
        if let Some((_, behind)) = self.texts.back_mut() {
            behind.extend_from_slice(bytes);
        }
    }
}

/// The type byte.
pub fn type_of(object: &Object) -> u8 {
    match object {
        Object::List(_) => kind::LIST_QUICKLIST_2,
        // Also of what is called a listpack or an intset and only too long for an entry: the reader's thresholds
        // decide what it becomes.
        Object::Set(_) => kind::SET,
        Object::Hash(hash) if hash.next_deadline().is_some() => kind::HASH_TIMED,
        Object::Hash(_) => kind::HASH,
        Object::Zset(_) => kind::ZSET_2,
        Object::Stream(_) => kind::STREAM_3,
    }
}

/// Goes on writing `object` until `to` has been written `upto` bytes, or a little more. The object is what it was at `Start`.
pub fn go_on(mut progress: Progress, object: &Object, ground: &Ground, to: &mut Writer<'_>, upto: usize) -> Progress {
    loop {
        if let Progress::Long(long) = progress {
            progress = long.go_on(to, upto);
            if progress.is_packing() || progress.is_whole() || to.written() >= upto {
                return progress;
            }
        }
        progress = match object {
            Object::List(list) => match progress {
                Progress::Start => {
                    to.len(list.chunk_count() as u64);
                    Progress::Chunk((0, 0))
                }
                Progress::Chunk(at) => match list.chunk_at(at) {
                    Some((chunk, next)) => {
                        match chunk {
                            Ok((pack, count)) => {
                                to.len(PACKED);
                                to.chunk(pack, count);
                            }
                            Err(alone) if alone.len() < LISTPACK_BYTES_MAX && !to.postpones(alone) => {
                                to.len(PACKED);
                                to.alone(alone);
                            }
                            Err(alone) => {
                                to.len(ALONE);
                                to.shared(alone);
                            }
                        }
                        Progress::Chunk(next)
                    }
                    None => Progress::Whole,
                },
                _ => Progress::Whole,
            },
            Object::Set(set) => match progress {
                Progress::Start => {
                    to.len(set.len() as u64);
                    Progress::Members(0, None)
                }
                Progress::Members(cursor, _) => {
                    let mut digits: Digits = [0; 20];
                    let elements = Elements::Object(set, ground);
                    let next = elements.scan(cursor, MEMBERS, |member| to.string(member.bytes(&mut digits)));
                    if next == 0 { Progress::Whole } else { Progress::Members(next, None) }
                }
                _ => Progress::Whole,
            },
            Object::Hash(hash) => match progress {
                Progress::Start => {
                    let first = hash.next_deadline();
                    first.into_iter().for_each(|first| to.out.extend_from_slice(&first.to_le_bytes()));
                    to.len(hash.len() as u64);
                    Progress::Members(0, first)
                }
                Progress::Members(cursor, first) => {
                    // At the time 0 no field is due: what is there is written.
                    let next = Fields::Object(hash, ground, 0).scan(cursor, MEMBERS, |field, value, deadline| {
                        field_of(to, first, field, value, deadline);
                    });
                    if next == 0 { Progress::Whole } else { Progress::Members(next, first) }
                }
                _ => Progress::Whole,
            },
            Object::Zset(zset) => match progress {
                Progress::Start => {
                    to.len(zset.len() as u64);
                    Progress::Ranks(zset.len())
                }
                Progress::Ranks(0) => Progress::Whole,
                // From the highest on, as Redis does, so that a reader adds each in front.
                Progress::Ranks(left) => {
                    let mut done = 0;
                    ZsetRef::Object(zset, ground).walk(left - 1, left, true, |member, score| {
                        to.string(member);
                        to.out.extend_from_slice(&score.to_le_bytes());
                        done += 1;
                        to.written() < upto
                    });
                    Progress::Ranks(left - done)
                }
                _ => Progress::Whole,
            },
            Object::Stream(stream) => of_stream(progress, stream, to),
        };
        if !to.tools.postponed.is_empty() {
            return Progress::Long(Long::of(to, progress));
        }
        if progress.is_whole() || to.written() >= upto {
            return progress;
        }
    }
}

/// The same of a string.
pub fn go_on_text(progress: Progress, text: &Bytes, to: &mut Writer<'_>, upto: usize) -> Progress {
    let budget = upto.saturating_sub(to.written());
    match progress {
        Progress::Text(at) => {
            let end = text.len().min(at + budget);
            to.out.extend_from_slice(&text[at..end]);
            if end < text.len() { Progress::Text(end) } else { Progress::Whole }
        }
        Progress::Packing(mut packing) => match packing.go_on(text, budget, to.out) {
            Slice::Counted | Slice::Wrote => Progress::Packing(packing),
            Slice::Whole => Progress::Whole,
            Slice::Plain => plain_text(text, to),
        },
        _ => match to.tools.lzf.as_ref().and_then(|_| Packing::new(text.len())) {
            Some(packing) => Progress::Packing(Box::new(packing)),
            None => plain_text(text, to),
        },
    }
}

fn plain_text(text: &Bytes, to: &mut Writer<'_>) -> Progress {
    to.len(text.len() as u64);
    Progress::Text(0)
}

fn field_of(to: &mut Writer<'_>, first: Option<u64>, field: Text<'_>, value: Text<'_>, deadline: Option<u64>) {
    if let Some(first) = first {
        to.len(deadline.map_or(0, |deadline| deadline - first + 1));
    }
    let mut digits: Digits = [0; 20];
    to.string(field.bytes(&mut digits));
    match value {
        Text::Shared(bytes) => to.shared(bytes),
        value => to.string(value.bytes(&mut digits)),
    }
}

fn of_stream(progress: Progress, stream: &Stream, to: &mut Writer<'_>) -> Progress {
    let here = |name: &[u8]| stream.group(name).expect("nobody changes it meanwhile");
    match progress {
        Progress::Start => Progress::Count(Id::MIN, 0),
        Progress::Count(from, count) => {
            let (mut more, mut last) = (0, None);
            for node in stream.log().nodes_from(from).take(STEPS) {
                more += 1;
                last = node.first.next();
            }
            if more == STEPS as u64
                && let Some(next) = last
            {
                return Progress::Count(next, count + more);
            }
            to.len(count + more);
            Progress::Node(Id::MIN)
        }
        Progress::Node(from) => {
            if let Some(node) = stream.log().nodes_from(from).next() {
                log::write_node(&node, to);
                if let Some(next) = node.first.next() {
                    return Progress::Node(next);
                }
            }
            log::write_facts(stream, to);
            Progress::Groups(None)
        }
        Progress::Groups(after) => {
            let next = match &after {
                Some(name) => stream.groups_after(name).next(),
                None => stream.groups().next(),
            };
            let Some((name, group)) = next else { return Progress::Whole };
            log::write_group(name, group, to);
            Progress::Pending(name.into(), Id::MIN)
        }
        Progress::Pending(name, from) => {
            let group = here(&name);
            match some(group.pending_from(from), |(id, nack)| log::write_pending(id, nack, to)) {
                Some((id, _)) if id < Id::MAX => Progress::Pending(name, id.next().unwrap_or(Id::MAX)),
                _ => {
                    to.len(group.consumer_count() as u64);
                    Progress::Consumers(name, None)
                }
            }
        }
        Progress::Consumers(name, after) => {
            let next = consumer_behind(here(&name), after.as_deref());
            let Some(consumer) = next else { return Progress::Groups(Some(name)) };
            log::write_consumer(consumer, to);
            Progress::Owned(name, consumer.name().into(), Id::MIN)
        }
        Progress::Owned(name, consumer, from) => {
            let group = here(&name);
            let id = group.find(&consumer).expect("nobody changes it meanwhile");
            let pending = group.consumer(id).pending_from(from);
            match some(pending, |id| log::write_id(id, to)) {
                Some(id) if id < Id::MAX => Progress::Owned(name, consumer, id.next().unwrap_or(Id::MAX)),
                _ => Progress::Consumers(name, Some(consumer)),
            }
        }
        Progress::Text(_)
        | Progress::Packing(_)
        | Progress::Long(_)
        | Progress::Chunk(_)
        | Progress::Members(..)
        | Progress::Ranks(_)
        | Progress::Whole => Progress::Whole,
    }
}

fn consumer_behind<'a>(group: &'a Group, after: Option<&[u8]>) -> Option<&'a crate::stream::Consumer> {
    match after {
        Some(name) => group.consumers_after(name).next(),
        None => group.consumers().next(),
    }
}

/// Shows `visit` the first `STEPS`; the last of them if there may be more.
fn some<T: Copy>(all: impl Iterator<Item = T>, mut visit: impl FnMut(T)) -> Option<T> {
    let (mut count, mut last) = (0, None);
    for one in all.take(STEPS) {
        visit(one);
        count += 1;
        last = Some(one);
    }
    last.filter(|_| count == STEPS)
}
