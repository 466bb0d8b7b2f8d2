//! Room: store. A small sorted set: member and score, member and score, in order, as elements of a pack. Touches: nothing
//! beyond this crate.
//!
//! A score that is a whole number is kept as one, any other as the 8 bytes of a double.

use super::Lexical;
use crate::pack::{self, Digits, Item};
use std::cmp::Ordering;

/// What a pair takes beside the member's text at most: two heads, 8 bytes of score.
pub(super) const PAIR_EXTRA_BYTES: usize = 16;

/// Redis 7.2 (util.c, double2ll): what it keeps as an integer, -0 included, which loses its sign by that.
pub(super) fn whole(score: f64) -> Option<i64> {
    const MAX: f64 = (i64::MAX / 2) as f64;
    ((-MAX..=MAX).contains(&score) && score.trunc() == score).then_some(score as i64)
}

/// The score that remains of one when it is packed.
pub(super) fn kept(score: f64) -> f64 {
    whole(score).map_or(score, |n| n as f64)
}

/// One pair, and where it lies.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub from: usize,
    pub to: usize,
    pub member: Item<'a>,
    pub score: f64,
}

impl Pair<'_> {
    fn order(&self, score: f64, member: &[u8]) -> Ordering {
        match self.score.partial_cmp(&score) {
            Some(Ordering::Equal) | None => self.member.text(&mut [0; 20]).cmp(member),
            Some(order) => order,
        }
    }
}

/// The pair that begins at `from`. None at the end.
#[inline]
pub(super) fn pair(pack: &[u8], from: usize) -> Option<Pair<'_>> {
    let (member, at) = pack::item::<false>(pack, from)?;
    let (score, to) = pack::item::<false>(pack, at).expect("a member has its score behind it");
    let score = match score {
        Item::Number(n) => n as f64,
        Item::Text(bits) => f64::from_le_bytes(bits.try_into().expect("8 bytes of a score")),
    };
    Some(Pair { from, to, member, score })
}

#[inline]
pub(super) fn pairs(pack: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let pair = pair(pack, at)?;
        at = pair.to;
        Some(pair)
    })
}

pub(super) fn len(pack: &[u8]) -> usize {
    pairs(pack).count()
}

pub(super) fn find<'a>(pack: &'a [u8], member: &[u8]) -> Option<Pair<'a>> {
    rank(pack, member).map(|(_, pair)| pair)
}

/// How many stand before it, and itself.
pub(super) fn rank<'a>(pack: &'a [u8], member: &[u8]) -> Option<(usize, Pair<'a>)> {
    match pack::number(member) {
        Some(n) => pairs(pack).enumerate().find(|(_, p)| p.member == Item::Number(n)),
        None => pairs(pack).enumerate().find(|(_, p)| p.member == Item::Text(member)),
    }
}

/// Where a pair with this score and member belongs.
pub(super) fn place(pack: &[u8], score: f64, member: &[u8]) -> usize {
    pairs(pack).find(|pair| pair.order(score, member) == Ordering::Greater).map_or(pack.len(), |pair| pair.from)
}

/// How many pairs stand before the first with a score of at least `score`, or beyond it.
pub(super) fn rank_of_score(pack: &[u8], score: f64, beyond: bool) -> usize {
    pairs(pack).take_while(|p| p.score < score || beyond && p.score == score).count()
}

/// The pairs of `range`, as ranks. Where scores differ its meaning is not promised, but Redis's way through a listpack has one:
/// from the first (backwards: from the last) that is not out of range until one is.
pub(super) fn lexical(pack: &[u8], range: &Lexical<'_>, back: bool) -> (usize, usize) {
    let mut digits: Digits = [0; 20];
    let mut from_min = Vec::new();
    let mut to_max = Vec::new();
    for pair in pairs(pack) {
        let member = pair.member.text(&mut digits);
        from_min.push(range.min.is_below(member));
        to_max.push(range.max.is_above(member));
    }
    let len = from_min.len();
    if range.is_empty() || len == 0 || !from_min[len - 1] || !to_max[0] {
        return (0, 0);
    }
    if back {
        let Some(last) = (0..len).rev().find(|&i| to_max[i]) else { return (0, 0) };
        let first = (0..=last).rev().take_while(|&i| from_min[i]).last();
        first.map_or((0, 0), |first| (first, last + 1))
    } else {
        let Some(first) = (0..len).find(|&i| from_min[i]) else { return (0, 0) };
        (first, first + (first..len).take_while(|&i| to_max[i]).count())
    }
}

/// Where the pair of this rank begins.
pub(super) fn nth(pack: &[u8], rank: usize) -> usize {
    pairs(pack).nth(rank).map_or(pack.len(), |pair| pair.from)
}

/// Visits `count` pairs from rank `from` on, or backwards from it.
pub(super) fn walk(pack: &[u8], from: usize, count: usize, back: bool, mut visit: impl FnMut(&[u8], f64) -> bool) {
    let mut digits: Digits = [0; 20];
    if !back {
        for pair in pairs(pack).skip(from).take(count) {
            if !visit(pair.member.text(&mut digits), pair.score) {
                return;
            }
        }
        return;
    }
    // The usual threshold; others need memory of their own.
    let (mut near, mut far) = ([0u16; 128], Vec::new());
    let starts: &mut [u16] = if from < near.len() {
        &mut near
    } else {
        far.resize(from + 1, 0);
        &mut far
    };
    let mut len = 0;
    for pair in pairs(pack).take(from + 1) {
        // A pack is below 64 KiB.
        starts[len] = pair.from as u16;
        len += 1;
    }
    for &start in starts[..len].iter().rev().take(count) {
        let pair = pair(pack, start as usize).expect("seen above");
        if !visit(pair.member.text(&mut digits), pair.score) {
            return;
        }
    }
}

/// Appends a pair.
pub(super) fn push(out: &mut Vec<u8>, member: &[u8], score: f64) {
    pack::push::<false>(out, member);
    match whole(score) {
        Some(n) => pack::push_item::<false>(out, Item::Number(n)),
        None => pack::push_item::<false>(out, Item::Text(&score.to_le_bytes())),
    }
}

/// Panics with what is wrong.
pub(super) fn verify(pack: &[u8]) {
    let count = pack::check::<false>(pack).expect("a whole pack");
    assert!(count > 0 && count.is_multiple_of(2), "members with scores");
    let mut before: Option<(f64, Vec<u8>)> = None;
    for pair in pairs(pack) {
        let member = pair.member.to_vec();
        assert!(pair.score.to_bits() == kept(pair.score).to_bits() && !pair.score.is_nan());
        if let Some((score, name)) = &before {
            assert_eq!(pair.order(*score, name), Ordering::Greater, "pairs are in order");
        }
        before = Some((pair.score, member));
    }
}
