//! Room: command. Streams: XREAD and XREADGROUP, over several of them, waiting if there is nothing.
//! Touches: base, store.
//!
//! Each key's entries are drawn where it lies; the decision speaks them. XREADGROUP's deliveries are written down after it, from
//! the same entries: nothing changes in between, since the keys are locked.

use super::range::Stretch;
use super::*;
use crate::keep::same_db;
use crate::row::{Blocking, Decide, Parcel, Patience, Read, ReadOn, Reading, Together, Write, Writing};
use std::sync::Arc;
use store::stream::{ConsumerId, Group, GroupMut, Log, Nack};

/// XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]
pub static XREAD: Blocking = Blocking {
    attempt: Together { read: read_one, decide: decide_read, db: same_db },
    kind: Kind::Stream,
    patience: |args, now_ms| Options::parse(args, false)?.patience(now_ms),
    serve: Some(serve),
    timed_out: |reply| reply.null_array(),
    waits_for: |_| true,
    minds_loss: false,
};

/// XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]
pub static XREADGROUP: Blocking = Blocking {
    attempt: Together { read: read_one, decide: decide_read, db: same_db },
    kind: Kind::Stream,
    patience: |args, now_ms| Options::parse(args, true)?.patience(now_ms),
    serve: Some(serve),
    timed_out: |reply| reply.null_array(),
    waits_for: |_| true,
    minds_loss: true,
};

/// `Keys::Sought` of both: as `xreadGetKeys`, which looks at as few words as it can.
pub fn find_keys(args: Args<'_>, keys: &mut Vec<usize>) -> Result<(), Fault> {
    let mut i = 1;
    while i < args.len() {
        if args.is(i, "BLOCK") || args.is(i, "COUNT") {
            i += 1;
        } else if args.is(i, "GROUP") {
            i += 2;
        } else if args.is(i, "STREAMS") {
            let n = args.len() - i - 1;
            if n == 0 || !n.is_multiple_of(2) {
                break;
            }
            keys.extend(i + 1..=i + n / 2);
            return Ok(());
        } else if !args.is(i, "NOACK") {
            break;
        }
        i += 1;
    }
    Err(Fault::Syntax)
}

struct Options<'a> {
    /// Unix ms, 0 for ever, as the client said it.
    block_ms: Option<i64>,
    /// 0: all.
    count: u64,
    /// And consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    /// Word of the first key.
    first: usize,
    keys: usize,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, in_group: bool) -> Result<Options<'a>, Fault> {
        let mut o = Options { block_ms: None, count: 0, group: None, no_ack: false, first: 0, keys: 0 };
        let mut i = 1;
        while i < args.len() {
            let more = args.len() - i - 1;
            if args.is(i, "BLOCK") && more > 0 {
                i += 1;
                let ms =
                    parse_i64(args.at(i)).ok_or_else(|| Fault::err("timeout is not an integer or out of range"))?;
                if ms < 0 {
                    return Err(Fault::err("timeout is negative"));
                }
                o.block_ms = Some(ms);
            } else if args.is(i, "COUNT") && more > 0 {
                i += 1;
                o.count = parse_int(args.at(i))?.max(0) as u64;
            } else if args.is(i, "STREAMS") && more > 0 {
                if !more.is_multiple_of(2) {
                    let (verb, symbol) = if in_group { ("xreadgroup", '>') } else { ("xread", '$') };
                    return Err(Fault::err(format!(
                        "Unbalanced '{verb}' list of streams: for each stream key an ID or '{symbol}' must be specified."
                    )));
                }
                (o.first, o.keys) = (i + 1, more / 2);
                break;
            } else if args.is(i, "GROUP") && more >= 2 {
                if !in_group {
                    return Err(Fault::err(
                        "The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                o.group = Some((args.at(i + 1), args.at(i + 2)));
                i += 2;
            } else if args.is(i, "NOACK") {
                if !in_group {
                    return Err(Fault::err(
                        "The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                o.no_ack = true;
            } else {
                return Err(Fault::Syntax);
            }
            i += 1;
        }
        if o.keys == 0 {
            return Err(Fault::Syntax);
        }
        if in_group && o.group.is_none() {
            return Err(Fault::err("Missing GROUP option for XREADGROUP"));
        }
        Ok(o)
    }

    /// Of either command, whose words were found to be good before.
    fn again(args: Args<'a>) -> Result<Options<'a>, Fault> {
        Options::parse(args, args[0].len() == "xreadgroup".len())
    }

    fn patience(&self, now_ms: u64) -> Result<Patience, Fault> {
        match self.block_ms {
            None => Ok(Patience::None),
            Some(0) => Ok(Patience::Forever),
            Some(ms) if ms > i64::MAX - now_ms as i64 => Err(Fault::err("timeout is out of range")),
            Some(ms) => Ok(Patience::Until(now_ms + ms as u64)),
        }
    }

    fn limit(&self) -> u64 {
        if self.count == 0 { u64::MAX } else { self.count }
    }
}

/// What is wanted of one key.
#[derive(Clone, Copy)]
enum Want {
    /// Entries behind this one; of a group: what is pending for the consumer.
    After(Id),
    /// `$`: what comes from now on.
    ToCome,
    /// `>`: what the group has not delivered.
    New,
}

impl Want {
    fn parse(word: &[u8], in_group: bool) -> Result<Want, Fault> {
        match c_text(word) {
            b"$" if in_group => Err(Fault::err(
                "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
                 specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
            )),
            b"$" => Ok(Want::ToCome),
            b">" if !in_group => Err(Fault::err(
                "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
            )),
            b">" => Ok(Want::New),
            _ => {
                let id = parse_id(word)?;
                // The highest id is how Redis keeps `>`.
                Ok(if in_group && id == Id::MAX { Want::New } else { Want::After(id) })
            }
        }
    }
}

/// What one key has.
#[derive(Default)]
struct Part {
    drawn: Drawn,
    /// It has a place in the reply: there are entries, or the consumer's history was asked for.
    served: bool,
    delivery: Option<Delivery>,
    /// What `$` means now.
    last: Option<Id>,
}

type Found = Result<Part, Fault>;

/// What XREADGROUP is to write down of one mention of a key.
#[derive(Clone, Copy)]
struct Delivery {
    from: Id,
    left: u64,
    /// Of the consumer, delivered again; else new ones.
    history: bool,
}

fn read_one(args: Args<'_>, n: usize) -> Read {
    let Ok(options) = Options::again(args) else { return Read::Skip };
    let word = args.at(options.first + options.keys + n);
    let want = Want::parse(word, options.group.is_some());
    let limit = options.limit();
    let Some((group, consumer)) = options.group else {
        return Read::Custom(Arc::new(move |ctx, key| match begin_read(ctx, key, &want, limit) {
            Ok((part, None)) => now(Ok(part)),
            Ok((part, Some(stretch))) => later(part, stretch),
            Err(fault) => now(Err(fault)),
        }));
    };
    // Of a key that is named twice, each mention goes on where the one before has ended.
    let key = args.at(options.first + n);
    let is_new = |i: &usize| c_text(args.at(options.first + options.keys + i)) == b">";
    let before = (0..n).filter(|&i| args.at(options.first + i) == key).filter(is_new).count() as u64;
    let skip = if options.count == 0 && before > 0 { u64::MAX } else { before * options.count };
    let (group, consumer, waits) = (Box::<[u8]>::from(group), Box::<[u8]>::from(consumer), options.block_ms.is_some());
    Read::Custom(Arc::new(move |ctx, key| {
        match begin_group(ctx, key, (&group, &consumer), &want, (limit, skip), waits) {
            Ok((part, None)) => now(Ok(part)),
            Ok((part, Some(Rest::New(stretch)))) => later(part, stretch),
            Ok((part, Some(Rest::History(from, left)))) => later_history(part, (&group, &consumer), from, left),
            Err(fault) => now(Err(fault)),
        }
    }))
}

fn now(found: Found) -> Reading {
    Reading::Now(Box::new(found))
}

/// Draws on.
fn later(mut part: Part, mut stretch: Stretch) -> Reading {
    let read_on: ReadOn = Box::new(move |ctx, key| {
        let done = again(ctx, key).is_none_or(|stream| stretch.draw(stream, &mut part.drawn));
        done.then(|| {
            let found: Found = Ok(std::mem::take(&mut part));
            Box::new(found) as Parcel
        })
    });
    Reading::Later(read_on)
}

/// XREAD at one key. The second: what is yet to be drawn.
fn begin_read(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    want: &Result<Want, Fault>,
    limit: u64,
) -> Result<(Part, Option<Stretch>), Fault> {
    let stream = read(ctx, key)?;
    let mut part = Part::default();
    let after = match want.clone()? {
        Want::After(after) => after,
        _ => {
            part.last = Some(stream.map_or(Id::MIN, |stream| stream.log().last()));
            return Ok((part, None));
        }
    };
    let Some(stream) = stream else { return Ok((part, None)) };
    if after >= stream.log().last() {
        return Ok((part, None));
    }
    let Some(from) = after.next() else { return Ok((part, None)) };
    let mut stretch = Stretch { from, to: Id::MAX, back: false, left: limit };
    let done = stretch.draw(stream, &mut part.drawn);
    part.served = part.drawn.count > 0;
    Ok((part, (!done).then_some(stretch)))
}

enum Rest {
    New(Stretch),
    History(Id, u64),
}

/// XREADGROUP at one key: `names` of group and consumer. `waits`: the client may have to.
fn begin_group(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    names: (&[u8], &[u8]),
    want: &Result<Want, Fault>,
    (limit, skip): (u64, u64),
    waits: bool,
) -> Result<(Part, Option<Rest>), Fault> {
    let missing = || {
        let (key, group) = (shown(key), shown(names.0));
        let text = format!("NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option");
        Fault::Text(text.into())
    };
    let stream = read(ctx, key)?.ok_or_else(missing)?;
    let group = stream.group(names.0).ok_or_else(missing)?;
    let want = want.clone()?;
    let mut part = Part::default();
    let mut rest = None;
    match want {
        Want::After(after) => {
            part.served = true;
            let from = after.next().unwrap_or(Id::MIN);
            part.delivery = Some(Delivery { from, left: limit, history: true });
            if let Some(consumer) = group.find(names.1) {
                rest = draw_history(stream, group, consumer, from, limit, &mut part.drawn)
                    .map(|(from, left)| Rest::History(from, left));
            }
        }
        _ => {
            // After the last one there is nothing new, whatever has been deleted.
            let from = if stream.log().last() > group.last { group.last.next() } else { None };
            let from = from.and_then(|from| match skip {
                0 => Some(from),
                u64::MAX => None,
                n => stream.log().range(from, Id::MAX).nth(usize::try_from(n).ok()?).map(|entry| entry.id),
            });
            if let Some(from) = from {
                let mut stretch = Stretch { from, to: Id::MAX, back: false, left: limit };
                let done = stretch.draw(stream, &mut part.drawn);
                rest = (!done).then_some(Rest::New(stretch));
            }
            part.served = part.drawn.count > 0;
            if let Some(from) = from.filter(|_| part.served) {
                part.delivery = Some(Delivery { from, left: limit, history: false });
            }
            // Redis's consumer is there while its client waits. Who waits writes nothing later, so it is made here.
            if waits && !part.served {
                see_consumer(ctx, key, names);
            }
        }
    }
    Ok((part, rest))
}

/// Draws a slice of what is pending for a consumer from `from` on. What is left.
fn draw_history(
    stream: &Stream,
    group: &Group,
    consumer: ConsumerId,
    from: Id,
    limit: u64,
    drawn: &mut Drawn,
) -> Option<(Id, u64)> {
    let start = drawn.bytes_len();
    for (n, id) in group.consumer(consumer).pending_from(from).enumerate() {
        let left = limit - n as u64;
        if left == 0 {
            return None;
        }
        if n >= SLICE || drawn.is_long(start) {
            return Some((id, left));
        }
        match stream.log().get(id) {
            Some(entry) => drawn.entry(entry),
            None => drawn.gone(id),
        }
    }
    None
}

fn later_history(mut part: Part, (group, consumer): (&[u8], &[u8]), from: Id, left: u64) -> Reading {
    let (group, consumer) = (Box::<[u8]>::from(group), Box::<[u8]>::from(consumer));
    let mut rest = Some((from, left));
    let read_on: ReadOn = Box::new(move |ctx, key| {
        if let (Some(stream), Some((from, left))) = (again(ctx, key), rest.take())
            && let Some(group) = stream.group(&group)
            && let Some(consumer) = group.find(&consumer)
        {
            rest = draw_history(stream, group, consumer, from, left, &mut part.drawn);
        }
        rest.is_none().then(|| {
            let found: Found = Ok(std::mem::take(&mut part));
            Box::new(found) as Parcel
        })
    });
    Reading::Later(read_on)
}

/// The consumer asks: it is created if it is new.
fn see_consumer(ctx: &mut Ctx<'_>, key: &[u8], (group, consumer): (&[u8], &[u8])) -> Option<ConsumerId> {
    let now_ms = ctx.now_ms;
    let (id, is_new) = cell(ctx, key).change_stream(|stream| {
        stream.change_group(group, |group, _| {
            let (id, is_new) = group.find_or_create(consumer, now_ms);
            group.see(id, now_ms as i64);
            (id, is_new)
        })
    })?;
    if is_new {
        ctx.notify(Class::STREAM, "xgroup-createconsumer", key);
    }
    Some(id)
}

fn decide_read(decide: &mut Decide<'_>, args: Args<'_>, _: &[crate::row::Fetched<'_>], reply: &mut dyn Reply) {
    let options = or_fault!(Options::again(args), reply);
    let mut parts = Vec::with_capacity(options.keys);
    for n in 0..options.keys {
        parts.push(or_fault!(decide.parcel::<Found>(n), reply));
    }
    let served = parts.iter().filter(|part| part.served).count();
    if served == 0 && (options.group.is_none() || options.block_ms.is_some()) {
        let ids = options.first + options.keys;
        let last =
            parts.iter().enumerate().filter_map(|(n, part)| Some((ids + n, part.last?.to_string().into_bytes())));
        decide.wait = Some(last.collect());
        return;
    }
    if served == 0 {
        reply.null_array();
    } else {
        reply.named_all(served);
    }
    let key_of = |n: usize| args.at(options.first + n);
    let mut deliveries: Vec<(usize, Vec<Option<Delivery>>)> = Vec::new();
    for (n, part) in parts.into_iter().enumerate() {
        if options.group.is_some() {
            match deliveries.iter_mut().find(|(first, _)| key_of(*first) == key_of(n)) {
                Some((_, list)) => list.push(part.delivery),
                None => deliveries.push((n, vec![part.delivery])),
            }
        }
        if part.served {
            reply.named();
            reply.bulk(key_of(n));
            reply.array(part.drawn.count);
            part.drawn.speak(reply);
        }
    }
    let Some((group, consumer)) = options.group else { return };
    for (n, list) in deliveries {
        let mut delivering = Delivering {
            group: group.into(),
            consumer: consumer.into(),
            no_ack: options.no_ack,
            list: list.into_iter(),
            current: None,
        };
        let write = move |ctx: &mut Ctx<'_>, key: &[u8]| {
            if delivering.step(ctx, key) {
                return Writing::Done;
            }
            Writing::More(Box::new(move |ctx, key| delivering.step(ctx, key)))
        };
        decide.writes.push((n, decide.db, Write::Custom(Box::new(write))));
    }
}

/// XREADGROUP's deliveries at one key, from the first mention of it to the last.
struct Delivering {
    group: Box<[u8]>,
    consumer: Box<[u8]>,
    no_ack: bool,
    list: std::vec::IntoIter<Option<Delivery>>,
    current: Option<Delivery>,
}

impl Delivering {
    /// A slice of them. True when all are done.
    fn step(&mut self, ctx: &mut Ctx<'_>, key: &[u8]) -> bool {
        let now_ms = ctx.now_ms;
        let Some(consumer) = see_consumer(ctx, key, (&self.group, &self.consumer)) else { return true };
        let mut budget = SLICE as u64;
        while budget > 0 {
            if self.current.is_none() {
                match self.list.next() {
                    None => return true,
                    Some(delivery) => self.current = delivery,
                }
                continue;
            }
            let (current, no_ack) = (&mut self.current, self.no_ack);
            let spent = cell(ctx, key).change_stream(|stream| {
                stream.change_group(&self.group, |group, log| {
                    let spent = current.as_mut().map(|d| d.step(group, log, consumer, no_ack, budget, now_ms));
                    spent.filter(|spent| *spent == budget)
                })
            });
            match spent.flatten() {
                Some(spent) => budget -= spent,
                None => self.current = None,
            }
        }
        false
    }
}

impl Delivery {
    /// Delivers up to `budget` entries; fewer when all are done.
    fn step(
        &mut self,
        group: &mut GroupMut<'_>,
        log: &Log,
        consumer: ConsumerId,
        no_ack: bool,
        budget: u64,
        now_ms: u64,
    ) -> u64 {
        let max = self.left.min(budget);
        let mut n = 0;
        if self.history {
            let ids: Vec<Id> = group.consumer(consumer).pending_from(self.from).take(max as usize).collect();
            for id in ids {
                if log.contains(id) {
                    group.redelivered(id, now_ms);
                }
                self.from = id.next().unwrap_or(Id::MAX);
                n += 1;
            }
        } else {
            for entry in log.range(self.from, Id::MAX).take(max as usize) {
                group.advance(log, entry.id);
                if !no_ack {
                    group.assign(entry.id, Nack { consumer, delivered_ms: now_ms as i64, deliveries: 1 });
                    group.activate(consumer, now_ms as i64);
                }
                // The last of all ids is delivered but once: what follows it is empty.
                self.from = entry.id.next().unwrap_or(Id::MAX);
                n += 1;
            }
        }
        self.left -= n;
        n
    }
}

/// Both commands, for one key to which something has come.
fn serve(ctx: &mut Ctx<'_>, args: Args<'_>, n: usize, key: &[u8], reply: &mut dyn Reply) -> bool {
    let Ok(options) = Options::again(args) else { return false };
    let want = Want::parse(args.at(options.first + options.keys + n), options.group.is_some());
    let limit = options.limit();
    let mut speak = |mut part: Part, stream: Option<&Stream>, rest: Option<Stretch>| {
        if !part.served {
            return None;
        }
        if let (Some(stream), Some(mut stretch)) = (stream, rest) {
            while !stretch.draw(stream, &mut part.drawn) {}
        }
        reply.named_all(1);
        reply.named();
        reply.bulk(key);
        reply.array(part.drawn.count);
        part.drawn.speak(reply);
        Some(part.delivery)
    };
    let Some(names) = options.group else {
        if again(ctx, key).is_none() {
            return false;
        }
        let Ok((part, rest)) = begin_read(ctx, key, &want, limit) else { return false };
        return speak(part, again(ctx, key), rest).is_some();
    };
    let (part, rest) = match begin_group(ctx, key, names, &want, (limit, 0), false) {
        Ok(found) => found,
        // The key, or the group, is gone.
        Err(fault) => {
            reply.fault(&fault);
            return true;
        }
    };
    let rest = match rest {
        Some(Rest::New(stretch)) => Some(stretch),
        _ => None,
    };
    let Some(delivery) = speak(part, again(ctx, key), rest) else { return false };
    let mut delivering = Delivering {
        group: names.0.into(),
        consumer: names.1.into(),
        no_ack: options.no_ack,
        list: vec![delivery].into_iter(),
        current: None,
    };
    while !delivering.step(ctx, key) {}
    true
}
