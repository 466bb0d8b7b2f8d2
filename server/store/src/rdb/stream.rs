//! Room: store. Streams in RDB bodies: types 15, 19 and 21. Touches: nothing beyond this crate.
//! Source: rdbSaveObject and rdbLoadObject in rdb.c, streamValidateListpackIntegrity in t_stream.c of Redis 7.2.
//!
//! A node is its first id and a listpack: how many entries, how many deleted, the names of the first's fields, a zero; then of each
//! entry flags, what its id is above the first, its names unless they are the first's, its values, and how many elements that were.
//! Deleted entries are not written.

use super::BadData;
use super::read::Reader;
use super::write::{self, Writer};
use super::{kind, pieces};
use crate::pack::{self, Item};
use crate::stream::{Consumer, ConsumerId, Group, Id, Nack, NodeRef, Stream};
use std::collections::BTreeMap;

/// t_stream.c, STREAM_ITEM_FLAG_DELETED, STREAM_ITEM_FLAG_SAMEFIELDS
const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;

/// A node: the first id, the entries.
pub fn write_node(node: &NodeRef<'_>, out: &mut Writer<'_>) {
    let first = node.first;
    write::plain(out.out, &id_bytes(first));
    out.listpack(|to| {
        let int = |to: &mut pieces::Listpack<'_>, n: i64| to.push_item(Item::Number(n));
        int(to, node.len() as i64);
        int(to, 0);
        int(to, node.names().count() as i64);
        node.names().for_each(|name| to.push_item(name));
        int(to, 0);
        for entry in node.entries() {
            let (same, fields) = (entry.has_same_names(), entry.fields() as i64);
            int(to, if same { SAME_NAMES } else { 0 });
            int(to, entry.id.ms.wrapping_sub(first.ms) as i64);
            int(to, entry.id.seq.wrapping_sub(first.seq) as i64);
            if !same {
                int(to, fields);
            }
            for (name, value) in entry.pairs() {
                if !same {
                    to.push_item(name);
                }
                to.push_item(value);
            }
            int(to, if same { fields + 3 } else { 2 * fields + 4 });
        }
    });
}

/// What follows the nodes, up to how many groups there are.
pub fn write_facts(stream: &Stream, out: &mut Writer<'_>) {
    let log = stream.log();
    out.len(log.len());
    for id in [log.last(), log.first(), log.max_deleted()] {
        write_id_parts(id, out);
    }
    out.len(log.added());
    out.len(stream.groups().len() as u64);
}

/// A group, up to how many entries are pending.
pub fn write_group(name: &[u8], group: &Group, out: &mut Writer<'_>) {
    out.string(name);
    write_id_parts(group.last, out);
    out.len(group.read as u64);
    out.len(group.pending_len() as u64);
}

/// An entry that is pending in a group.
pub fn write_pending(id: Id, nack: &Nack, out: &mut Writer<'_>) {
    write_id(id, out);
    out.out.extend_from_slice(&nack.delivered_ms.to_le_bytes());
    out.len(nack.deliveries);
}

/// A consumer, up to how many entries are pending for it.
pub fn write_consumer(consumer: &Consumer, out: &mut Writer<'_>) {
    out.string(consumer.name());
    out.out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
    out.out.extend_from_slice(&consumer.active_ms.to_le_bytes());
    out.len(consumer.pending_len() as u64);
}

pub fn write_id(id: Id, out: &mut Writer<'_>) {
    out.out.extend_from_slice(&id_bytes(id));
}

fn write_id_parts(id: Id, out: &mut Writer<'_>) {
    out.len(id.ms);
    out.len(id.seq);
}

fn id_bytes(id: Id) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

fn id_of(bytes: &[u8; 16]) -> Id {
    let n = u128::from_be_bytes(*bytes);
    Id::new((n >> 64) as u64, n as u64)
}

/// A stream's body that is being taken apart.
pub struct Reading {
    kind: u8,
    stream: Stream,
    at: At,
    /// Groups that are left, the one at hand too.
    groups: u64,
    /// The group at hand, and what is pending in it for nobody yet: when it was delivered, how often.
    group: Vec<u8>,
    pending: BTreeMap<Id, (i64, u64)>,
}

/// What comes next, and how many of it.
enum At {
    Start,
    Node(u64),
    Group,
    Pending(u64),
    Consumer(u64),
    /// Pending for this consumer; consumers that are left behind it.
    Owned(u64, ConsumerId, u64),
}

impl Reading {
    pub fn new(kind: u8) -> Reading {
        let (stream, group, pending) = (Stream::default(), Vec::new(), BTreeMap::new());
        Reading { kind, stream, at: At::Start, groups: 0, group, pending }
    }

    /// Reads the next thing: a node, a group, an entry that is pending, a consumer. The stream when that is all.
    pub fn step(&mut self, from: &mut Reader<'_>) -> Result<Option<Box<Stream>>, BadData> {
        let Reading { kind, stream, at, groups, group, pending } = self;
        *at = match *at {
            At::Start => At::Node(from.len()?),
            At::Node(0) => {
                facts(*kind, from, stream)?;
                *groups = from.len()?;
                At::Group
            }
            At::Node(left) => {
                let first = id_of(from.string()?.as_ref().try_into().map_err(|_| BadData)?);
                node(&from.string()?, first, stream)?;
                At::Node(left - 1)
            }
            At::Group if *groups == 0 => return Ok(Some(Box::new(std::mem::take(stream)))),
            At::Group => {
                *group = begin_group(*kind, from, stream)?;
                At::Pending(from.len()?)
            }
            At::Pending(0) => At::Consumer(from.len()?),
            At::Pending(left) => {
                let id = id_of(from.take()?);
                let nack = (i64::from_le_bytes(*from.take()?), from.len()?);
                if pending.insert(id, nack).is_some() {
                    return Err(BadData);
                }
                At::Pending(left - 1)
            }
            // Nothing is pending for nobody.
            At::Consumer(0) if !pending.is_empty() => return Err(BadData),
            At::Consumer(0) => {
                *groups -= 1;
                At::Group
            }
            At::Consumer(left) => {
                let name = from.string()?;
                let made = stream.change_group(group, |group, _| group.find_or_create(&name, 0));
                let Some((consumer, true)) = made else { return Err(BadData) };
                let seen_ms = i64::from_le_bytes(*from.take()?);
                let active_ms = if *kind == kind::STREAM_3 { i64::from_le_bytes(*from.take()?) } else { seen_ms };
                stream.change_group(group, |group, _| {
                    let place = group.consumer_mut(consumer);
                    (place.seen_ms, place.active_ms) = (seen_ms, active_ms);
                });
                At::Owned(from.len()?, consumer, left - 1)
            }
            At::Owned(0, _, left) => At::Consumer(left),
            At::Owned(owned, consumer, left) => {
                let id = id_of(from.take()?);
                let (delivered_ms, deliveries) = pending.remove(&id).ok_or(BadData)?;
                stream.change_group(group, |group, _| group.assign(id, Nack { consumer, delivered_ms, deliveries }));
                At::Owned(owned - 1, consumer, left)
            }
        };
        Ok(None)
    }
}

/// What follows the nodes.
fn facts(kind: u8, from: &mut Reader<'_>, stream: &mut Stream) -> Result<(), BadData> {
    let len = from.len()?;
    let last = id(from)?;
    let log = stream.log_mut();
    if len != log.len() || log.range_back(Id::MIN, Id::MAX).next().is_some_and(|top| top.id > last) {
        return Err(BadData);
    }
    log.set_last(last);
    let (mut max_deleted, mut added) = (Id::MIN, len);
    if kind != kind::STREAM {
        // The first id is known.
        id(from)?;
        (max_deleted, added) = (id(from)?, from.len()?);
    }
    log.set_max_deleted(max_deleted);
    log.set_added(added);
    Ok(())
}

fn id(from: &mut Reader<'_>) -> Result<Id, BadData> {
    Ok(Id::new(from.len()?, from.len()?))
}

fn node(listpack: &[u8], first: Id, stream: &mut Stream) -> Result<(), BadData> {
    let mut pack = Vec::new();
    pieces::read_listpack(listpack, |text| pack::push::<false>(&mut pack, text))?;
    let mut items = pack::iter::<false>(&pack).map(|(_, item)| item);
    let mut item = || items.next().ok_or(BadData);
    let int = |item: Item<'_>| match item {
        Item::Number(n) => Ok(n),
        Item::Text(_) => Err(BadData),
    };
    let (live, dead) = (int(item()?)?, int(item()?)?);
    let fields = usize::try_from(int(item()?)?).map_err(|_| BadData)?;
    let mut names = Vec::new();
    for _ in 0..fields {
        names.push(item()?.to_vec());
    }
    if int(item()?)? != 0 {
        return Err(BadData);
    }
    let (mut found, mut joins, log) = ((0, 0), false, stream.log_mut());
    while let Ok(flags) = item() {
        let flags = int(flags)?;
        let id = Id::new(first.ms.wrapping_add(int(item()?)? as u64), first.seq.wrapping_add(int(item()?)? as u64));
        let mut words: Vec<Vec<u8>> = Vec::new();
        let elements = if flags & SAME_NAMES != 0 {
            for name in &names {
                words.push(name.clone());
                words.push(item()?.to_vec());
            }
            fields as i64 + 3
        } else {
            let fields = int(item()?)?;
            for _ in 0..fields {
                words.push(item()?.to_vec());
                words.push(item()?.to_vec());
            }
            2 * (words.len() as i64 / 2) + 4
        };
        if int(item()?)? != elements || !log.load(id, words.iter().map(|word| &word[..]), joins) {
            return Err(BadData);
        }
        joins = true;
        if flags & DELETED != 0 {
            log.delete(id);
            // The node may be gone with it.
            joins = found.0 > 0;
            found.1 += 1;
        } else {
            found.0 += 1;
        }
    }
    if found == (live, dead) { Ok(()) } else { Err(BadData) }
}

/// A group, up to how many entries are pending; its name.
fn begin_group(kind: u8, from: &mut Reader<'_>, stream: &mut Stream) -> Result<Vec<u8>, BadData> {
    let name = from.string()?.into_owned();
    let last = id(from)?;
    let read = if kind == kind::STREAM { stream.log().entries_up_to(last) } else { from.len()? as i64 };
    if stream.create_group(&name, last, read) { Ok(name) } else { Err(BadData) }
}
