//! Room: command. Streams: what XINFO tells.
//! Touches: base, store.

use super::range::Stretch;
use super::*;
use crate::row::Walk;
use std::collections::VecDeque;
use store::stream::{Consumer, EntryRef, Group};

/// Nodes whose ids are looked at to tell how large Redis's tree would be; of more it is estimated.
const TREE_NODES: usize = 10_000;

/// XINFO CONSUMERS key group
pub fn consumers(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let (key, now_ms) = (args.at(2), ctx.now_ms as i64);
    let stream = or_fault!(or_fault!(read(ctx, key), reply).ok_or(Fault::NoSuchKey), reply);
    let Some(group) = stream.group(args.at(3)) else {
        return reply.fault(&no_group_of_key(key, args.at(3)));
    };
    reply.array(group.consumer_count());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.int(consumer.pending_len() as i64);
        reply.bulk(b"idle");
        reply.int(now_ms.wrapping_sub(consumer.seen_ms).max(0));
        reply.bulk(b"inactive");
        reply.int(if consumer.active_ms == -1 { -1 } else { now_ms.wrapping_sub(consumer.active_ms) });
    }
}

/// XINFO GROUPS key
pub fn groups(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let stream = or_fault!(or_fault!(read(ctx, args.at(2)), reply).ok_or(Fault::NoSuchKey), reply);
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.int(group.consumer_count() as i64);
        reply.bulk(b"pending");
        reply.int(group.pending_len() as i64);
        speak_progress(stream, group, reply);
    }
}

fn speak_progress(stream: &Stream, group: &Group, reply: &mut dyn Reply) {
    let or_null = |n: Option<i64>, reply: &mut dyn Reply| match n {
        Some(n) => reply.int(n),
        None => reply.null(),
    };
    reply.bulk(b"last-delivered-id");
    speak_id(group.last, reply);
    reply.bulk(b"entries-read");
    or_null((group.read != -1).then_some(group.read), reply);
    reply.bulk(b"lag");
    or_null(group.lag(stream.log()), reply);
}

/// XINFO STREAM key [FULL [COUNT count]]
pub fn stream(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let stream = or_fault!(or_fault!(read(ctx, args.at(2)), reply).ok_or(Fault::NoSuchKey), reply);
    let full = args.len() > 3;
    if full && (args.len() != 4 && args.len() != 6 || !args.is(3, "FULL") || args.len() == 6 && !args.is(4, "COUNT")) {
        return reply.fault(&subcommand_fault(args));
    }
    let count = match args.get(5) {
        Some(word) => or_fault!(parse_int(word), reply),
        None => 10,
    };
    let log = stream.log();
    reply.map(if full { 9 } else { 10 });
    reply.bulk(b"length");
    reply.int(log.len() as i64);
    reply.bulk(b"radix-tree-keys");
    reply.int(log.node_count() as i64);
    reply.bulk(b"radix-tree-nodes");
    reply.int(tree_nodes(stream) as i64);
    let ids: [(&[u8], Id); 2] = [(b"last-generated-id", log.last()), (b"max-deleted-entry-id", log.max_deleted())];
    for (name, id) in ids {
        reply.bulk(name);
        speak_id(id, reply);
    }
    reply.bulk(b"entries-added");
    reply.int(log.added() as i64);
    reply.bulk(b"recorded-first-entry-id");
    speak_id(log.first(), reply);
    if !full {
        reply.bulk(b"groups");
        reply.int(stream.groups().len() as i64);
        reply.bulk(b"first-entry");
        speak_entry(log.range(Id::MIN, Id::MAX).next(), reply);
        reply.bulk(b"last-entry");
        return speak_entry(log.range_back(Id::MIN, Id::MAX).next(), reply);
    }
    let max = match count {
        0 => u64::MAX,
        ..0 => 10,
        count => count as u64,
    };
    reply.bulk(b"entries");
    reply.array(log.len().min(max) as usize);
    let stretch = Stretch { from: Id::MIN, to: Id::MAX, back: false, left: max };
    let mut telling = Telling { max, parts: VecDeque::from([Part::Entries(stretch), Part::Groups]) };
    if !telling.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(telling));
    }
}

fn speak_entry(entry: Option<EntryRef<'_>>, reply: &mut dyn Reply) {
    match entry {
        None => reply.null(),
        Some(entry) => {
            let mut drawn = Drawn::default();
            drawn.entry(entry);
            drawn.speak(reply);
        }
    }
}

/// How many nodes Redis's tree of the same ids has: keys of 16 bytes that share what they begin with, a leaf each; a run of
/// bytes without a fork is one node. Source: rax.c, head comment.
fn tree_nodes(stream: &Stream) -> usize {
    let ids: Vec<[u8; 16]> = stream
        .log()
        .node_ids()
        .take(TREE_NODES)
        .map(|id| (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes())
        .collect();
    let nodes = if ids.is_empty() { 1 } else { below(&ids, 0) };
    nodes * stream.log().node_count().max(1) / ids.len().max(1)
}

fn below(ids: &[[u8; 16]], depth: usize) -> usize {
    let (first, last) = (ids[0], ids[ids.len() - 1]);
    let fork = (depth..16).find(|&i| first[i] != last[i]).unwrap_or(16);
    let run = usize::from(fork > depth);
    if fork == 16 {
        return run + 1;
    }
    run + 1 + ids.chunk_by(|a, b| a[fork] == b[fork]).map(|ids| below(ids, fork + 1)).sum::<usize>()
}

/// What XINFO STREAM FULL has yet to tell, in order.
enum Part {
    Entries(Stretch),
    Groups,
    /// The next group behind this name.
    Group(Box<[u8]>),
    /// Of a group, from an id on, so many.
    GroupPending(Box<[u8]>, Id, u64),
    Consumers(Box<[u8]>),
    /// Of a group, the next consumer behind this name, or the first.
    Consumer(Box<[u8]>, Option<Box<[u8]>>),
    ConsumerPending(Box<[u8]>, Box<[u8]>, Id, u64),
}

struct Telling {
    max: u64,
    parts: VecDeque<Part>,
}

impl Telling {
    /// Tells one part, or a slice of it; puts what comes next in front.
    fn tell(&mut self, part: Part, stream: &Stream, budget: &mut usize, reply: &mut dyn Reply) {
        *budget = budget.saturating_sub(10);
        match part {
            Part::Entries(mut stretch) => {
                let mut drawn = Drawn::default();
                let done = stretch.draw(stream, &mut drawn);
                *budget = budget.saturating_sub(drawn.count + drawn.bytes_len() / 100);
                drawn.speak(reply);
                if !done {
                    self.parts.push_front(Part::Entries(stretch));
                }
            }
            Part::Groups => {
                reply.bulk(b"groups");
                reply.array(stream.groups().len());
                if let Some((name, group)) = stream.groups().next() {
                    self.tell_group(name, group, stream, reply);
                }
            }
            Part::Group(behind) => {
                if let Some((name, group)) = stream.groups_after(&behind).next() {
                    self.tell_group(name, group, stream, reply);
                }
            }
            Part::GroupPending(name, from, left) => {
                let Some(group) = stream.group(&name) else { return };
                for (n, (id, nack)) in group.pending_from(from).take(left as usize).enumerate() {
                    if *budget == 0 {
                        return self.parts.push_front(Part::GroupPending(name, id, left - n as u64));
                    }
                    *budget -= 1;
                    reply.array(4);
                    speak_id(id, reply);
                    reply.bulk(group.consumer(nack.consumer).name());
                    reply.int(nack.delivered_ms);
                    reply.int(nack.deliveries as i64);
                }
            }
            Part::Consumers(name) => {
                let Some(group) = stream.group(&name) else { return };
                reply.bulk(b"consumers");
                reply.array(group.consumer_count());
                self.parts.push_front(Part::Consumer(name, None));
            }
            Part::Consumer(name, behind) => {
                let Some(group) = stream.group(&name) else { return };
                let consumer = match behind {
                    None => group.consumers().next(),
                    Some(behind) => group.consumers_after(&behind).next(),
                };
                if let Some(consumer) = consumer {
                    self.tell_consumer(name, consumer, reply);
                }
            }
            Part::ConsumerPending(name, consumer, from, left) => {
                let Some(group) = stream.group(&name) else { return };
                let Some(id) = group.find(&consumer) else { return };
                for (n, id) in group.consumer(id).pending_from(from).take(left as usize).enumerate() {
                    if *budget == 0 {
                        return self.parts.push_front(Part::ConsumerPending(name, consumer, id, left - n as u64));
                    }
                    *budget -= 1;
                    let Some(nack) = group.nack(id) else { continue };
                    reply.array(3);
                    speak_id(id, reply);
                    reply.int(nack.delivered_ms);
                    reply.int(nack.deliveries as i64);
                }
            }
        }
    }

    fn tell_group(&mut self, name: &[u8], group: &Group, stream: &Stream, reply: &mut dyn Reply) {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(name);
        speak_progress(stream, group, reply);
        reply.bulk(b"pel-count");
        reply.int(group.pending_len() as i64);
        reply.bulk(b"pending");
        reply.array((group.pending_len() as u64).min(self.max) as usize);
        self.parts.push_front(Part::Group(name.into()));
        self.parts.push_front(Part::Consumers(name.into()));
        self.parts.push_front(Part::GroupPending(name.into(), Id::MIN, self.max));
    }

    fn tell_consumer(&mut self, group: Box<[u8]>, consumer: &Consumer, reply: &mut dyn Reply) {
        reply.map(5);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"seen-time");
        reply.int(consumer.seen_ms);
        reply.bulk(b"active-time");
        reply.int(consumer.active_ms);
        reply.bulk(b"pel-count");
        reply.int(consumer.pending_len() as i64);
        reply.bulk(b"pending");
        reply.array((consumer.pending_len() as u64).min(self.max) as usize);
        self.parts.push_front(Part::Consumer(group.clone(), Some(consumer.name().into())));
        self.parts.push_front(Part::ConsumerPending(group, consumer.name().into(), Id::MIN, self.max));
    }
}

impl Walk for Telling {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Some(stream) = again(ctx, args.at(2)) else { return true };
        let mut budget = SLICE;
        while budget > 0 {
            let Some(part) = self.parts.pop_front() else { return true };
            self.tell(part, stream, &mut budget, reply);
        }
        self.parts.is_empty()
    }
}
