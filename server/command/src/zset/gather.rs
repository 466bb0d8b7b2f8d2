//! Room: command. Members with scores on their way from the keys that are read to the key that is written.
//! Touches: base, store.

use super::*;
use crate::row::{CustomWrite, Parcel, Reading, Write, Writing};
use store::zset::Total;

/// Members of a piece at most, and bytes of their names at which it is full: no buffer has to be moved as it grows.
const PIECE_MEMBERS: usize = SLICE;
const PIECE_BYTES: usize = 1 << 20;

/// Pieces of memory that one slice gives back.
pub(super) const DROPPED: usize = 16;

/// Up to `PIECE_MEMBERS` members.
#[derive(Default)]
struct Piece {
    names: Vec<u8>,
    /// Score, and where the name ends.
    ends: Vec<(f64, usize)>,
}

impl Piece {
    fn item(&self, i: usize) -> (&[u8], f64) {
        let from = if i == 0 { 0 } else { self.ends[i - 1].1 };
        let (score, to) = self.ends[i];
        (&self.names[from..to], score)
    }
}

/// Members with scores, owned, in their order.
#[derive(Default)]
pub(crate) struct Bunch {
    pieces: Vec<Piece>,
    len: usize,
}

impl Bunch {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, name: &[u8], score: f64) {
        let full = |piece: &Piece| piece.ends.len() >= PIECE_MEMBERS || piece.names.len() >= PIECE_BYTES;
        if self.pieces.last().is_none_or(full) {
            self.pieces.push(Piece::default());
        }
        let piece = self.pieces.last_mut().expect("pushed above");
        piece.names.extend_from_slice(name);
        piece.ends.push((score, piece.names.len()));
        self.len += 1;
    }

    /// Lets go of some of its memory; true when of all. Of a million members there are thousands of pieces.
    pub(super) fn drop_some(&mut self) -> bool {
        self.pieces.truncate(self.pieces.len().saturating_sub(DROPPED));
        self.pieces.is_empty()
    }

    /// (piece, item): what `place` names.
    pub(super) fn item(&self, piece: usize, item: usize) -> (&[u8], f64) {
        self.pieces[piece].item(item)
    }

    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn piece_len(&self, piece: usize) -> usize {
        self.pieces[piece].ends.len()
    }
}

/// What is read of a key, and how far that is.
pub(crate) enum Gathering {
    /// Of a sorted set: the next rank, how many more, downwards.
    Range { next: usize, left: usize, back: bool },
    /// All of a set, each with score 1: from this cursor on.
    Set(u64),
}

impl Gathering {
    pub(crate) fn range(next: usize, left: usize, back: bool) -> Gathering {
        Gathering::Range { next, left, back }
    }

    /// Reads some. True when all is read.
    pub(super) fn step(&mut self, ctx: &mut Ctx<'_>, key: &[u8], bunch: &mut Bunch) -> bool {
        match self {
            Gathering::Range { next, left, back } => {
                let count = (*left).min(SLICE);
                let Some(set) = read_again(ctx, key) else { return true };
                set.walk(*next, count, *back, |member, score| {
                    bunch.push(member, score);
                    true
                });
                *left -= count;
                *next = if *back { next.wrapping_sub(count) } else { *next + count };
                *left == 0
            }
            Gathering::Set(cursor) => {
                let entry = ctx.store.peek(ctx.db, key, ctx.now_ms);
                let Some(set) = entry.and_then(|entry| entry.elements()) else { return true };
                *cursor = set.scan(*cursor, SLICE, |member| bunch.push(member.bytes(&mut [0; 20]), 1.0));
                *cursor == 0
            }
        }
    }
}

/// Reads `gathering` of `key` into a parcel: `Result<Bunch, Fault>`.
pub(crate) fn read_operand(ctx: &mut Ctx<'_>, key: &[u8], mut gathering: Gathering) -> Reading {
    let mut bunch = Bunch::default();
    let parcel = |bunch: Bunch| -> Parcel { Box::new(Ok::<Bunch, Fault>(bunch)) };
    if gathering.step(ctx, key, &mut bunch) {
        return Reading::Now(parcel(bunch));
    }
    Reading::Later(Box::new(move |ctx, key| {
        gathering.step(ctx, key, &mut bunch).then(|| parcel(std::mem::take(&mut bunch)))
    }))
}

/// What is to be stored.
pub(crate) enum Held {
    Bunch(Bunch),
    /// Chosen members of some bunches, with other scores.
    Chosen(super::combine::Chosen),
}

impl Held {
    pub(super) fn len(&self) -> usize {
        match self {
            Held::Bunch(bunch) => bunch.len(),
            Held::Chosen(chosen) => chosen.len(),
        }
    }

    /// Lets go of some of its memory; true when of all.
    fn drop_some(&mut self) -> bool {
        match self {
            Held::Bunch(bunch) => bunch.drop_some(),
            Held::Chosen(chosen) => chosen.drop_some(),
        }
    }

    /// Names at most `count` members from `from` on.
    pub(super) fn some(&self, from: usize, count: usize, mut visit: impl FnMut(&[u8], f64)) {
        match self {
            Held::Bunch(bunch) => {
                // Every piece but the last has as many members, unless their names are long.
                let (mut piece, mut before) = (0, 0);
                while before + bunch.piece_len(piece) <= from {
                    before += bunch.piece_len(piece);
                    piece += 1;
                }
                let mut item = from - before;
                for _ in 0..count {
                    while piece < bunch.pieces() && item == bunch.piece_len(piece) {
                        (piece, item) = (piece + 1, 0);
                    }
                    if piece == bunch.pieces() {
                        return;
                    }
                    let (name, score) = bunch.item(piece, item);
                    visit(name, score);
                    item += 1;
                }
            }
            Held::Chosen(chosen) => chosen.some(from, count, visit),
        }
    }
}

/// Puts what was gathered in place of whatever the key holds; nothing at all removes it.
pub(crate) fn store_write(held: Held, event: &'static str) -> Write {
    let write: CustomWrite = Box::new(move |ctx, key| {
        let len = held.len();
        if len == 0 {
            if ctx.store.cell(ctx.db, key, ctx.now_ms).remove() {
                ctx.notify(Class::GENERIC, "del", key);
            }
            return Writing::Done;
        }
        let mut storing = Storing { held, at: 0, event, total: Total::default(), summed: 0 };
        if storing.step(ctx, key) {
            Writing::Done
        } else {
            Writing::More(Box::new(move |ctx, key| storing.step(ctx, key)))
        }
    });
    Write::Custom(write)
}

/// Members that one slice stores: each is looked for where it comes from and where it goes, up to a microsecond.
const STORED: usize = SLICE / 4;

struct Storing {
    held: Held,
    /// Members that are stored.
    at: usize,
    event: &'static str,
    /// What is known of the members up to `summed`: it decides how the set is kept.
    total: Total,
    summed: usize,
}

impl Storing {
    fn step(&mut self, ctx: &mut Ctx<'_>, key: &[u8]) -> bool {
        let Storing { held, at, event, total, summed } = self;
        let len = held.len();
        if *at == len {
            return held.drop_some();
        }
        if *summed < len {
            held.some(*summed, STORED, |name, _| {
                total.add(name);
                *summed += 1;
            });
            if *summed < len {
                return false;
            }
        }
        let mut some = Vec::with_capacity(STORED.min(len - *at));
        let mut names = Vec::new();
        held.some(*at, STORED, |name, score| {
            names.extend_from_slice(name);
            some.push((names.len(), score));
        });
        let ends = &some;
        let members = (0..some.len()).map(|i| {
            let from = if i == 0 { 0 } else { ends[i - 1].0 };
            (&names[from..ends[i].0], ends[i].1)
        });
        let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
        if *at == 0 {
            let there = cell.kind().is_some();
            ZsetMut::replace(&mut cell, members, *total);
            if there { ctx.ready(Kind::Zset, key) } else { created(ctx, key) }
        } else if let Ok(mut set) = ZsetMut::of(&mut cell)
            && set.get().is_some()
        {
            set.extend(members);
        }
        *at += some.len();
        if *at < len {
            return false;
        }
        ctx.notify(Class::ZSET, event, key);
        held.drop_some()
    }
}
