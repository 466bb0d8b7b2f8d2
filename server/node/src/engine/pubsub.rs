//! Messages to whoever listens: channels, patterns, channels of one slot, and what happens to keys.
//!
//! A connection is in the books of its own shard; every shard knows of every name how many listen on each other shard. So
//! whoever publishes knows at once how many will hear, and sends to the shards where somebody does. A subscription is
//! answered when all shards know of it. Messages of one publisher go through one mailbox, so they stay in order.

use super::{Engine, Mail, speak};
use crate::ask::Dialect;
use base::{DbId, Fault, Out, Reply, ShardId};
use bytes::Bytes;
use command::context::{Class, Event, Events};
use command::row::{Row, Run, Verb};
use std::collections::HashMap;
use std::sync::Arc;
use store::Faded;

/// What a name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    Channel,
    Pattern,
    /// A channel of one slot.
    Slot,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::Channel, Scope::Pattern, Scope::Slot];
    const MESSAGES: [&str; 3] = ["message", "pmessage", "smessage"];
    const SUBSCRIBED: [&str; 3] = ["subscribe", "psubscribe", "ssubscribe"];
    const UNSUBSCRIBED: [&str; 3] = ["unsubscribe", "punsubscribe", "sunsubscribe"];
}

type Name = Box<[u8]>;

/// Who listens to one name.
#[derive(Default)]
struct Ears {
    /// This shard's connections.
    here: Vec<u32>,
    /// How many connections of other shards.
    elsewhere: Vec<(ShardId, u32)>,
}

impl Ears {
    fn count(&self) -> usize {
        self.here.len() + self.elsewhere.iter().map(|&(_, n)| n as usize).sum::<usize>()
    }
}

/// Who listens to what, as one shard knows it.
#[derive(Default)]
pub(super) struct Listening {
    /// By `Scope`.
    names: [HashMap<Name, Ears>; 3],
    /// What this shard's connections listen to, in the order in which they said so. By `Scope`.
    of: HashMap<u32, [Vec<Name>; 3]>,
}

/// A message on its way to another shard.
#[derive(Clone)]
pub struct Message {
    scope: Scope,
    channel: Arc<[u8]>,
    text: Arc<[u8]>,
}

/// More or fewer listen on a shard.
#[derive(Clone)]
pub struct Change {
    shard: ShardId,
    scope: Scope,
    names: Arc<[Name]>,
    more: bool,
}

/// A message as both protocols write it, drawn when the first listener needs it.
#[derive(Default)]
struct Drawn([Option<Bytes>; 2]);

/// Frames from this size on are lent to connections, not copied.
const LENT_BYTES_MIN: usize = 4096;

impl Drawn {
    fn get(&mut self, dialect: Dialect, words: &[&[u8]]) -> &Bytes {
        let place = &mut self.0[usize::from(dialect == Dialect::Resp3)];
        place.get_or_insert_with(|| {
            let mut out = Out::new();
            speak(dialect, &mut out, |r| {
                r.push(words.len());
                words.iter().for_each(|word| r.bulk(word));
            });
            out.bytes.into()
        })
    }
}

impl Engine {
    /// SUBSCRIBE and its kin: answered when every shard knows.
    pub fn subscribe(&mut self, index: u32, scope: Scope, names: Vec<Name>) {
        let me = self.me;
        let names: Arc<[Name]> = names.into();
        if self.shards() == 1 {
            let mut out = Out::new();
            let dialect = self.conns[index as usize].dialect;
            speak(dialect, &mut out, |r| self.begin_to_listen(index, scope, &names, r));
            return self.answer_drawn(index, out);
        }
        let generation = self.conns[index as usize].generation;
        // Others are told once of each that is new. What an ask before this one has made known meanwhile is taken back below.
        let mut told = Vec::new();
        for name in names.iter() {
            if !told.contains(name) && !self.listens_to(index, scope, name) {
                told.push(name.clone());
            }
        }
        let change = Change { shard: me, scope, names: told.clone().into(), more: true };
        self.gather(
            index,
            move |engine| {
                if engine.me != me {
                    engine.hear_of_listeners(&change);
                }
                super::Answer::Now(())
            },
            move |engine, _: Vec<()>, reply| {
                let there = engine.conns.get(index as usize).is_some_and(|c| c.generation == generation && !c.gone);
                told.retain(|name| !there || engine.listens_to(index, scope, name));
                if there {
                    engine.begin_to_listen(index, scope, &names, reply);
                }
                engine.tell_of_listeners(scope, told, false);
            },
        );
    }

    fn listens_to(&self, index: u32, scope: Scope, name: &Name) -> bool {
        self.listening.of.get(&index).is_some_and(|mine| mine[scope as usize].contains(name))
    }

    /// Puts a connection into this shard's books and confirms each name.
    fn begin_to_listen(&mut self, index: u32, scope: Scope, names: &[Name], reply: &mut dyn Reply) {
        for name in names {
            let mine = self.listening.of.entry(index).or_default();
            if !mine[scope as usize].contains(name) {
                mine[scope as usize].push(name.clone());
                self.listening.names[scope as usize].entry(name.clone()).or_default().here.push(index);
            }
            let count = self.count_of(index, scope);
            confirm(Scope::SUBSCRIBED[scope as usize], Some(name), count, reply);
        }
        self.note_listening(index);
    }

    /// UNSUBSCRIBE and its kin. No names: all.
    pub fn unsubscribe(&mut self, index: u32, scope: Scope, names: Option<Vec<Name>>) {
        let names = match names {
            Some(names) => names,
            None => self.listening.of.get(&index).map(|mine| mine[scope as usize].clone()).unwrap_or_default(),
        };
        let word = Scope::UNSUBSCRIBED[scope as usize];
        let (mut out, dialect) = (Out::new(), self.conns[index as usize].dialect);
        let mut gone = Vec::new();
        speak(dialect, &mut out, |r| {
            for name in &names {
                if self.stop_listening(index, scope, name) {
                    gone.push(name.clone());
                }
                confirm(word, Some(name), self.count_of(index, scope), r);
            }
            if names.is_empty() {
                confirm(word, None, self.count_of(index, scope), r);
            }
        });
        self.note_listening(index);
        self.tell_of_listeners(scope, gone, false);
        self.answer_drawn(index, out);
    }

    /// Takes a connection out of all books (it closes, RESET).
    pub fn listen_no_more(&mut self, index: u32) {
        let Some(mine) = self.listening.of.remove(&index) else { return };
        for (scope, names) in Scope::ALL.into_iter().zip(mine) {
            for name in &names {
                self.forget_ear(index, scope, name);
            }
            self.tell_of_listeners(scope, names, false);
        }
        self.note_listening(index);
    }

    fn stop_listening(&mut self, index: u32, scope: Scope, name: &[u8]) -> bool {
        let Some(mine) = self.listening.of.get_mut(&index) else { return false };
        let Some(at) = mine[scope as usize].iter().position(|n| **n == *name) else { return false };
        mine[scope as usize].remove(at);
        if mine.iter().all(Vec::is_empty) {
            self.listening.of.remove(&index);
        }
        self.forget_ear(index, scope, name);
        true
    }

    fn forget_ear(&mut self, index: u32, scope: Scope, name: &[u8]) {
        let names = &mut self.listening.names[scope as usize];
        let ears = names.get_mut(name).expect("what a connection listens to is in the books");
        ears.here.retain(|&i| i != index);
        if ears.count() == 0 {
            names.remove(name);
        }
    }

    /// Brings what the connection itself knows up to date.
    fn note_listening(&mut self, index: u32) {
        let counts =
            self.listening.of.get(&index).map_or([0; 3], |mine| mine.each_ref().map(|names| names.len() as u32));
        if let Some(conn) = self.conns.get_mut(index as usize) {
            conn.listens = counts;
        }
    }

    /// What a confirmation counts: channels and patterns together, those of one slot apart.
    fn count_of(&self, index: u32, scope: Scope) -> usize {
        let Some(mine) = self.listening.of.get(&index) else { return 0 };
        match scope {
            Scope::Slot => mine[Scope::Slot as usize].len(),
            _ => mine[Scope::Channel as usize].len() + mine[Scope::Pattern as usize].len(),
        }
    }

    fn tell_of_listeners(&mut self, scope: Scope, names: Vec<Name>, more: bool) {
        if names.is_empty() {
            return;
        }
        let change = Change { shard: self.me, scope, names: names.into(), more };
        for shard in 0..self.shards() {
            if shard != self.me.index() {
                self.outbox[shard].mail(Mail::Listeners(change.clone()));
            }
        }
    }

    pub(super) fn hear_of_listeners(&mut self, change: &Change) {
        let books = &mut self.listening.names[change.scope as usize];
        for name in change.names.iter() {
            let ears = books.entry(name.clone()).or_default();
            let at = ears.elsewhere.iter().position(|&(shard, _)| shard == change.shard);
            match (at, change.more) {
                (Some(at), true) => ears.elsewhere[at].1 += 1,
                (None, true) => ears.elsewhere.push((change.shard, 1)),
                (Some(at), false) => {
                    ears.elsewhere[at].1 -= 1;
                    if ears.elsewhere[at].1 == 0 {
                        ears.elsewhere.swap_remove(at);
                    }
                }
                (None, false) => unreachable!("a shard takes back what it told"),
            }
            if ears.count() == 0 {
                books.remove(name);
            }
        }
    }

    /// Replies that are drawn already, to the ask that `index` just made.
    fn answer_drawn(&mut self, index: u32, mut out: Out) {
        let origin = self.place(index);
        if self.conns[index as usize].silent {
            out.clear();
        }
        self.deliver_drawn(origin, &mut out);
    }

    /// What a connection of RESP2 that listens may not ask.
    #[cold]
    pub(super) fn listener_objection(&self, index: u32, row: &Row) -> Option<Fault> {
        use Verb::*;
        let may = matches!(
            row.run,
            Run::Server(
                Ping | Subscribe | Unsubscribe | Psubscribe | Punsubscribe | Ssubscribe | Sunsubscribe | Quit | Reset
            )
        );
        (self.conns[index as usize].dialect == Dialect::Resp2 && !may).then(|| {
            Fault::err(format!(
                "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                row.name
            ))
        })
    }

    /// How many listen to a name itself.
    pub fn direct_listeners(&self, scope: Scope, name: &[u8]) -> usize {
        self.listening.names[scope as usize].get(name).map_or(0, Ears::count)
    }

    /// How many a message would reach now.
    pub fn listeners(&self, scope: Scope, channel: &[u8]) -> usize {
        let direct = self.direct_listeners(scope, channel);
        direct + if scope == Scope::Channel { self.fitting(channel).map(|(_, ears)| ears.count()).sum() } else { 0 }
    }

    /// Patterns that fit a channel.
    fn fitting(&self, channel: &[u8]) -> impl Iterator<Item = (&Name, &Ears)> {
        let patterns = &self.listening.names[Scope::Pattern as usize];
        patterns.iter().filter(move |(pattern, _)| base::glob::matches(pattern, channel, false))
    }

    /// Sends a message to whoever listens, on whatever shard.
    pub fn publish(&mut self, scope: Scope, channel: &[u8], text: &[u8]) {
        let mut shards: Vec<ShardId> = Vec::new();
        let mut note = |ears: &Ears| {
            for &(shard, _) in &ears.elsewhere {
                if !shards.contains(&shard) {
                    shards.push(shard);
                }
            }
        };
        if let Some(ears) = self.listening.names[scope as usize].get(channel) {
            note(ears);
        }
        if scope == Scope::Channel {
            self.fitting(channel).for_each(|(_, ears)| note(ears));
        }
        if !shards.is_empty() {
            let message = Message { scope, channel: channel.into(), text: text.into() };
            for shard in shards {
                self.outbox[shard.index()].mail(Mail::Publish(message.clone()));
            }
        }
        self.spread(scope, channel, text);
    }

    pub(super) fn hear_message(&mut self, message: &Message) {
        self.spread(message.scope, &message.channel, &message.text);
    }

    /// To this shard's listeners.
    fn spread(&mut self, scope: Scope, channel: &[u8], text: &[u8]) {
        if let Some(ears) = self.listening.names[scope as usize].get(channel)
            && !ears.here.is_empty()
        {
            let (here, word) = (ears.here.clone(), Scope::MESSAGES[scope as usize]);
            self.hand_out(&here, &[word.as_bytes(), channel, text]);
        }
        if scope != Scope::Channel || self.listening.names[Scope::Pattern as usize].is_empty() {
            return;
        }
        let fitting: Vec<(Name, Vec<u32>)> = self
            .fitting(channel)
            .filter(|(_, ears)| !ears.here.is_empty())
            .map(|(name, ears)| (name.clone(), ears.here.clone()))
            .collect();
        for (pattern, here) in fitting {
            self.hand_out(&here, &[b"pmessage", &pattern, channel, text]);
        }
    }

    fn hand_out(&mut self, to: &[u32], words: &[&[u8]]) {
        let mut drawn = Drawn::default();
        for &index in to {
            let Some(conn) = self.conns.get_mut(index as usize).filter(|c| !c.gone && !c.closing) else { continue };
            let frame = drawn.get(conn.dialect, words);
            if frame.len() < LENT_BYTES_MIN {
                conn.out.extend(frame);
            } else {
                conn.out.lend(frame.clone());
            }
            if !self.check_output(index) {
                self.mark_dirty(index);
            }
        }
    }

    /// Names that somebody listens to, with how many.
    pub fn listened_to(&self, scope: Scope) -> impl Iterator<Item = (&[u8], usize)> {
        self.listening.names[scope as usize].iter().map(|(name, ears)| (&name[..], ears.count()))
    }

    // What happens to keys.

    /// Tells listeners what commands have told of keys.
    pub(super) fn tell_events(&mut self) {
        // What a command has found to be gone was gone before it did anything.
        let mut before = Events { wanted: self.events.wanted, minded: self.events.minded, ..Events::default() };
        for (db, key) in self.store.take_lapsed() {
            before.add(db, Class::EXPIRED, "expired", &key);
        }
        for Faded { db, key, gone } in self.store.take_faded() {
            before.add(db, Class::HASH, "hexpired", &key);
            if gone {
                before.add(db, Class::GENERIC, "del", &key);
            }
        }
        before.happened.iter().for_each(|event| self.tell_event(event));
        for event in std::mem::take(&mut self.events.happened) {
            self.tell_event(&event);
        }
    }

    fn tell_event(&mut self, Event { db, class, event, key }: &Event) {
        if self.events.minded {
            self.look_for_loss(*db, key);
        }
        if self.events.wanted & class == 0 {
            return;
        }
        let DbId(db) = db;
        if self.events.wanted & Class::KEYSPACE != 0 {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(Scope::Channel, &channel, event.as_bytes());
        }
        if self.events.wanted & Class::KEYEVENT != 0 {
            self.publish(Scope::Channel, format!("__keyevent@{db}__:{event}").as_bytes(), key);
        }
    }
}

fn confirm(word: &str, name: Option<&[u8]>, count: usize, reply: &mut dyn Reply) {
    reply.push(3);
    reply.bulk(word.as_bytes());
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.int(count as i64);
}
