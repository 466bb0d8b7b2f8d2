//! Room: command. Streams: a range of one of them.
//! Touches: base, store.

use super::*;
use crate::row::Walk;
use store::stream::EntryRef;

/// XLEN key
pub fn xlen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let len = or_fault!(read(ctx, args.at(1)), reply).map_or(0, Stream::len);
    reply.int(len as i64);
}

/// XRANGE key start end [COUNT count]
pub fn xrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    range(ctx, args, false, reply);
}

/// XREVRANGE key end start [COUNT count]
pub fn xrevrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    range(ctx, args, true, reply);
}

fn range(ctx: &mut Ctx<'_>, args: Args<'_>, back: bool, reply: &mut dyn Reply) {
    let (start, end) = if back { (3, 2) } else { (2, 3) };
    let from = or_fault!(parse_start(args.at(start)), reply);
    let to = or_fault!(parse_end(args.at(end)), reply);
    let mut count = None;
    let mut i = 4;
    while i < args.len() {
        match args.get(i + 1) {
            Some(word) if args.is(i, "COUNT") => count = Some(or_fault!(parse_int(word), reply).max(0) as u64),
            _ => return reply.fault(&Fault::Syntax),
        }
        i += 2;
    }
    let Some(stream) = or_fault!(read(ctx, args.at(1)), reply) else { return reply.array(0) };
    if count == Some(0) {
        return reply.null_array();
    }
    let mut stretch = Stretch { from, to, back, left: count.unwrap_or(u64::MAX) };
    let mut first = Drawn::default();
    if stretch.draw(stream, &mut first) {
        reply.array(first.count);
        return first.speak(reply);
    }
    let total = first.count as u64;
    ctx.walk = Some(Box::new(Ranging { first: Some(first), counting: Some((stretch.from, total)), stretch }));
}

/// Entries that are yet to be drawn.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub from: Id,
    pub to: Id,
    pub back: bool,
    pub left: u64,
}

impl Stretch {
    /// Draws a slice of them. True when that were all.
    pub fn draw(&mut self, stream: &Stream, drawn: &mut Drawn) -> bool {
        if self.from > self.to || self.left == 0 {
            return true;
        }
        if self.back {
            self.draw_from(stream.log().range_back(self.from, self.to), drawn)
        } else {
            self.draw_from(stream.log().range(self.from, self.to), drawn)
        }
    }

    fn draw_from<'a>(&mut self, entries: impl Iterator<Item = EntryRef<'a>>, drawn: &mut Drawn) -> bool {
        let (start, mut n) = (drawn.bytes_len(), 0);
        for entry in entries {
            if n >= SLICE || drawn.is_long(start) {
                if self.back {
                    self.to = entry.id
                } else {
                    self.from = entry.id
                }
                return false;
            }
            drawn.entry(entry);
            n += 1;
            self.left -= 1;
            if self.left == 0 {
                return true;
            }
        }
        true
    }
}

/// A long range: counts, then speaks.
struct Ranging {
    /// What was drawn before it was known that there is more.
    first: Option<Drawn>,
    /// From where on, and how many so far.
    counting: Option<(Id, u64)>,
    stretch: Stretch,
}

impl Walk for Ranging {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Some(stream) = again(ctx, args.at(1)) else { return true };
        let Ranging { first, counting, stretch } = self;
        if let Some((from, total)) = *counting {
            let drawn = first.as_ref().map_or(0, |first| first.count) as u64;
            let left = (stretch.left + drawn).saturating_sub(total);
            let (n, next) = stream.log().count(from, stretch.to, left, SLICE_NODES);
            *counting = next.map(|from| (from, total + n));
            if next.is_none() {
                reply.array((total + n) as usize);
                if let Some(first) = first.take() {
                    first.speak(reply);
                }
            }
            return false;
        }
        let mut drawn = Drawn::default();
        let done = stretch.draw(stream, &mut drawn);
        drawn.speak(reply);
        done
    }
}
