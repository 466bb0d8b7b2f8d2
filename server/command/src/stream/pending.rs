//! Room: command. Streams: what was delivered and nobody has acknowledged: told, and handed to others.
//! Touches: base, store.

use super::*;
use crate::row::Walk;
use store::stream::{ConsumerId, Group, Nack, StreamMut};

/// XPENDING key group [[IDLE min-idle-time] start end count [consumer]]
pub fn xpending(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let listing = or_fault!(Listing::parse(args), reply);
    let (key, name) = (args.at(1), args.at(2));
    let Some(group) = or_fault!(read(ctx, key), reply).and_then(|stream| stream.group(name)) else {
        return reply.fault(&no_group(key, name));
    };
    match listing {
        None => summary(group, reply),
        Some(mut listing) => {
            if listing.consumer.is_some_and(|at| group.find(args.at(at)).is_none()) {
                return reply.array(0);
            }
            if !listing.step(ctx, args, reply) {
                ctx.walk = Some(Box::new(listing));
            }
        }
    }
}

fn summary(group: &Group, reply: &mut dyn Reply) {
    reply.array(4);
    reply.int(group.pending_len() as i64);
    let mut pending = group.pending_from(Id::MIN);
    let Some((first, _)) = pending.next() else {
        reply.null();
        reply.null();
        return reply.null_array();
    };
    speak_id(first, reply);
    speak_id(pending.next_back().map_or(first, |(last, _)| last), reply);
    let mut drawn = Drawn::default();
    for consumer in group.consumers().filter(|consumer| consumer.pending_len() > 0) {
        drawn.array(2);
        drawn.bulk(consumer.name());
        drawn.bulk(consumer.pending_len().to_string().as_bytes());
        drawn.count += 1;
    }
    reply.array(drawn.count);
    drawn.speak(reply);
}

/// What is pending, one by one.
struct Listing {
    from: Id,
    to: Id,
    left: u64,
    min_idle_ms: i64,
    /// The word that names one.
    consumer: Option<usize>,
    drawn: Drawn,
}

impl Listing {
    /// `None`: only the summary is wanted.
    fn parse(args: Args<'_>) -> Result<Option<Listing>, Fault> {
        match args.len() {
            3 => return Ok(None),
            6..=9 => {}
            _ => return Err(Fault::Syntax),
        }
        let (mut at, mut min_idle_ms) = (3, 0);
        if args.is(3, "IDLE") {
            min_idle_ms = parse_int(args.at(4))?;
            if args.len() < 8 {
                return Err(Fault::Syntax);
            }
            at = 5;
        }
        let left = parse_int(args.at(at + 2))?.max(0) as u64;
        let (from, to) = (parse_start(args.at(at))?, parse_end(args.at(at + 1))?);
        let consumer = (at + 3 < args.len()).then_some(at + 3);
        Ok(Some(Listing { from, to, left, min_idle_ms, consumer, drawn: Drawn::default() }))
    }

    /// A slice of them. From where on there is more.
    fn draw(&mut self, group: &Group, ids: impl Iterator<Item = Id>, now_ms: i64) -> Option<Id> {
        for (seen, id) in ids.enumerate() {
            if id > self.to || self.left == 0 {
                return None;
            }
            if seen >= 2 * SLICE {
                return Some(id);
            }
            let Some(nack) = group.nack(id) else { continue };
            let idle_ms = now_ms.wrapping_sub(nack.delivered_ms);
            if self.min_idle_ms != 0 && idle_ms < self.min_idle_ms {
                continue;
            }
            self.left -= 1;
            self.drawn.count += 1;
            self.drawn.array(4);
            self.drawn.id(id);
            self.drawn.bulk(group.consumer(nack.consumer).name());
            self.drawn.int(idle_ms.max(0));
            self.drawn.int(nack.deliveries as i64);
        }
        None
    }
}

impl Walk for Listing {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let now_ms = ctx.now_ms as i64;
        let group = again(ctx, args.at(1)).and_then(|stream| stream.group(args.at(2)));
        let next = group.filter(|_| self.from <= self.to).and_then(|group| {
            match self.consumer.and_then(|at| group.find(args.at(at))) {
                Some(consumer) => {
                    let ids = group.consumer(consumer).pending_from(self.from);
                    self.draw(group, ids, now_ms)
                }
                None => self.draw(group, group.pending_from(self.from).map(|(id, _)| id), now_ms),
            }
        });
        if let Some(next) = next {
            self.from = next;
            return false;
        }
        let drawn = std::mem::take(&mut self.drawn);
        reply.array(drawn.count);
        drawn.speak(reply);
        true
    }
}

/// How pending entries are handed over.
struct Claim {
    min_idle_ms: i64,
    just_ids: bool,
    force: bool,
    /// Unix ms.
    delivered_ms: i64,
    deliveries: Option<u64>,
}

/// What became of one id.
enum Claimed {
    Yes,
    No,
    /// It was pending, but the entry is gone; now it is not pending.
    Gone,
}

impl Claim {
    fn one(
        &self,
        stream: &mut StreamMut<'_>,
        name: &[u8],
        consumer: ConsumerId,
        id: Id,
        now_ms: i64,
        drawn: &mut Drawn,
    ) -> Claimed {
        let claimed = stream.change_group(name, |group, log| {
            let nack = group.nack(id).copied();
            let Some(entry) = log.get(id) else {
                return if group.settle(id) { Claimed::Gone } else { Claimed::No };
            };
            let deliveries = match nack {
                None if !self.force => return Claimed::No,
                Some(nack) if self.min_idle_ms != 0 && now_ms.wrapping_sub(nack.delivered_ms) < self.min_idle_ms => {
                    return Claimed::No;
                }
                // What FORCE makes has been delivered once, and is now.
                None => 1,
                Some(nack) => nack.deliveries,
            };
            let more = if self.just_ids { deliveries } else { deliveries.wrapping_add(1) };
            let deliveries = self.deliveries.unwrap_or(more);
            group.assign(id, Nack { consumer, delivered_ms: self.delivered_ms, deliveries });
            group.activate(consumer, now_ms);
            if self.just_ids {
                drawn.id(id);
                drawn.count += 1;
            } else {
                drawn.entry(entry);
            }
            Claimed::Yes
        });
        claimed.unwrap_or(Claimed::No)
    }
}

/// The consumer asks for something; it is created if it is new.
fn see(ctx: &mut Ctx<'_>, args: Args<'_>) -> Option<ConsumerId> {
    let (key, now_ms) = (args.at(1), ctx.now_ms);
    let (id, is_new) = cell(ctx, key).change_stream(|stream| {
        stream.change_group(args.at(2), |group, _| {
            let (id, is_new) = group.find_or_create(args.at(3), now_ms);
            group.see(id, now_ms as i64);
            (id, is_new)
        })
    })?;
    if is_new {
        ctx.notify(Class::STREAM, "xgroup-createconsumer", key);
    }
    Some(id)
}

/// XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]
pub fn xclaim(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let (key, name, now_ms) = (args.at(1), args.at(2), ctx.now_ms as i64);
    if or_fault!(read(ctx, key), reply).is_none_or(|stream| stream.group(name).is_none()) {
        return reply.fault(&no_group(key, name));
    }
    let int = |at: usize, text: &str| parse_i64(args.at(at)).ok_or_else(|| Fault::err(text));
    let min_idle_ms = or_fault!(int(4, "Invalid min-idle-time argument for XCLAIM"), reply).max(0);
    let end = (5..args.len()).find(|&i| parse_id(args.at(i)).is_err()).unwrap_or(args.len());
    let mut claim = Claim { min_idle_ms, just_ids: false, force: false, delivered_ms: now_ms, deliveries: None };
    let mut last = Id::MIN;
    let mut i = end;
    while i < args.len() {
        let more = i + 1 < args.len();
        if args.is(i, "FORCE") {
            claim.force = true;
        } else if args.is(i, "JUSTID") {
            claim.just_ids = true;
        } else if args.is(i, "IDLE") && more {
            i += 1;
            claim.delivered_ms =
                now_ms.wrapping_sub(or_fault!(int(i, "Invalid IDLE option argument for XCLAIM"), reply));
        } else if args.is(i, "TIME") && more {
            i += 1;
            claim.delivered_ms = or_fault!(int(i, "Invalid TIME option argument for XCLAIM"), reply);
        } else if args.is(i, "RETRYCOUNT") && more {
            i += 1;
            let count = or_fault!(int(i, "Invalid RETRYCOUNT option argument for XCLAIM"), reply);
            claim.deliveries = u64::try_from(count).ok();
        } else if args.is(i, "LASTID") && more {
            i += 1;
            last = or_fault!(parse_id(args.at(i)), reply);
        } else {
            return reply.fault(&Fault::err(format!("Unrecognized XCLAIM option '{}'", shown(args.at(i)))));
        }
        i += 1;
    }
    // A time that cannot be is now.
    if !(0..=now_ms).contains(&claim.delivered_ms) {
        claim.delivered_ms = now_ms;
    }
    cell(ctx, key).change_stream(|stream| stream.change_group(name, |group, _| group.raise(last)));
    let Some(consumer) = see(ctx, args) else { return reply.array(0) };
    let mut walk = Claiming { claim, consumer, at: 5, end, drawn: Drawn::default() };
    if !walk.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(walk));
    }
}

/// XCLAIM of the ids from word `at` to before word `end`.
struct Claiming {
    claim: Claim,
    consumer: ConsumerId,
    at: usize,
    end: usize,
    drawn: Drawn,
}

impl Walk for Claiming {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let (now_ms, start) = (ctx.now_ms as i64, self.drawn.bytes_len());
        let until = self.end.min(self.at + SLICE / 2);
        cell(ctx, args.at(1)).change_stream(|stream| {
            while self.at < until && !self.drawn.is_long(start) {
                if let Ok(id) = parse_id(args.at(self.at)) {
                    self.claim.one(stream, args.at(2), self.consumer, id, now_ms, &mut self.drawn);
                }
                self.at += 1;
            }
        });
        if self.at < self.end {
            return false;
        }
        let drawn = std::mem::take(&mut self.drawn);
        reply.array(drawn.count);
        drawn.speak(reply);
        true
    }
}

/// Bytes that Redis asks for ahead, 16 an entry, beyond which no machine has room.
const COUNT_MEMORY_MAX: u64 = 1 << 46;

/// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]
pub fn xautoclaim(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let min_idle_ms = parse_i64(args.at(4)).ok_or_else(|| Fault::err("Invalid min-idle-time argument for XAUTOCLAIM"));
    let min_idle_ms = or_fault!(min_idle_ms, reply).max(0);
    let from = or_fault!(parse_start(args.at(5)), reply);
    let (mut count, mut just_ids) = (100, false);
    let mut i = 6;
    while i < args.len() {
        match args.get(i + 1) {
            Some(word) if args.is(i, "COUNT") => {
                let n = parse_i64(word).filter(|n| (1..=i64::MAX / 16).contains(n));
                count = or_fault!(n.ok_or_else(|| Fault::err("COUNT must be > 0")), reply) as u64;
                i += 1;
            }
            _ if args.is(i, "JUSTID") => just_ids = true,
            _ => return reply.fault(&Fault::Syntax),
        }
        i += 1;
    }
    let (key, name, now_ms) = (args.at(1), args.at(2), ctx.now_ms as i64);
    if or_fault!(read(ctx, key), reply).is_none_or(|stream| stream.group(name).is_none()) {
        return reply.fault(&no_group(key, name));
    }
    if count > COUNT_MEMORY_MAX / 16 {
        let text = "Insufficient memory, failed allocating transient memory, COUNT too high.";
        return reply.fault(&Fault::err(text));
    }
    let Some(consumer) = see(ctx, args) else { return reply.array(0) };
    let claim = Claim { min_idle_ms, just_ids, force: false, delivered_ms: now_ms, deliveries: None };
    let (drawn, gone) = (Drawn::default(), Drawn::default());
    let mut walk = Autoclaiming { claim, consumer, from, count, attempts: count * 10, drawn, gone };
    if !walk.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(walk));
    }
}

struct Autoclaiming {
    claim: Claim,
    consumer: ConsumerId,
    from: Id,
    /// How many more may be told of.
    count: u64,
    /// How many more may be looked at.
    attempts: u64,
    drawn: Drawn,
    /// Ids of entries that are gone.
    gone: Drawn,
}

impl Walk for Autoclaiming {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let (now_ms, start, name) = (ctx.now_ms as i64, self.drawn.bytes_len(), args.at(2));
        let next = cell(ctx, args.at(1)).change_stream(|stream| {
            let mut looked_at = 0;
            loop {
                let next = stream.group(name).and_then(|group| group.pending_from(self.from).next());
                let Some(id) = next.map(|(id, _)| id) else { return Some(Id::MIN) };
                if self.attempts == 0 || self.count == 0 {
                    return Some(id);
                }
                if looked_at >= SLICE / 2 || self.drawn.is_long(start) {
                    return None;
                }
                looked_at += 1;
                self.attempts -= 1;
                match self.claim.one(stream, name, self.consumer, id, now_ms, &mut self.drawn) {
                    Claimed::Yes => self.count -= 1,
                    Claimed::No => {}
                    Claimed::Gone => {
                        self.gone.id(id);
                        self.gone.count += 1;
                        self.count -= 1;
                    }
                }
                match id.next() {
                    Some(next) => self.from = next,
                    None => return Some(Id::MIN),
                }
            }
        });
        let Some(cursor) = next else { return false };
        reply.array(3);
        speak_id(cursor, reply);
        for drawn in [std::mem::take(&mut self.drawn), std::mem::take(&mut self.gone)] {
            reply.array(drawn.count);
            drawn.speak(reply);
        }
        true
    }
}
