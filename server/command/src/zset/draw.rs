//! Room: command. ZRANDMEMBER.
//! Touches: base, store.

use super::*;

/// ZRANDMEMBER key [count [WITHSCORES]]
pub fn zrandmember(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let seed = ctx.store.cell(ctx.db, args.at(1), ctx.now_ms).rng().draw();
    let Some(word) = args.get(2) else {
        match or_fault!(read(ctx, &args[1]), reply) {
            Some(set) => speak_at(set, below(mix(seed), set.len()), false, reply),
            None => {
                missed(ctx, &args[1]);
                reply.null();
            }
        }
        return;
    };
    let count = or_fault!(parse_long(word), reply);
    if count == i64::MIN {
        let (min, max) = (-i64::MAX, i64::MAX);
        return reply.fault(&Fault::err(format!("value is out of range, value must between {min} and {max}")));
    }
    let with_scores = args.len() > 3;
    if args.len() > 4 || with_scores && !args.is(3, "WITHSCORES") {
        return reply.fault(&Fault::Syntax);
    }
    if with_scores && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        return reply.fault(&Fault::err("value is out of range"));
    }
    let Some(set) = or_fault!(read(ctx, &args[1]), reply) else {
        missed(ctx, &args[1]);
        return reply.array(0);
    };
    let len = set.len();
    let wanted = count.unsigned_abs() as usize;
    let (left, kind) = match count {
        0.. if wanted >= len => (len, Kind::All),
        0.. => (wanted, Kind::Different(Shuffle::new(len, seed))),
        _ => (wanted, Kind::Any(seed)),
    };
    if with_scores {
        reply.pairs(left)
    } else {
        reply.array(left)
    }
    // Redis tells all of them from the last to the first.
    let next = if let Kind::All = kind { len - 1 } else { 0 };
    let mut drawing = Drawing { next, left, len, kind, with_scores };
    drawing.speak(set, reply);
    if drawing.left > 0 {
        ctx.walk = Some(Box::new(drawing));
    }
}

fn speak_at(set: ZsetRef<'_>, rank: usize, with_scores: bool, reply: &mut dyn Reply) {
    set.walk(rank, 1, false, |member, score| {
        if with_scores {
            reply.pair();
            reply.bulk(member);
            reply.double(score);
        } else {
            reply.bulk(member);
        }
        true
    });
}

enum Kind {
    All,
    Different(Shuffle),
    /// A member may come again.
    Any(u64),
}

struct Drawing {
    next: usize,
    left: usize,
    len: usize,
    kind: Kind,
    with_scores: bool,
}

impl Drawing {
    fn speak(&mut self, set: ZsetRef<'_>, reply: &mut dyn Reply) {
        // A draw is a way down the index.
        let slice = if let Kind::All = self.kind { SLICE } else { SLICE / 4 };
        let count = self.left.min(slice);
        match &self.kind {
            Kind::All => {
                let (next, with_scores) = (self.next, self.with_scores);
                super::range::Speaking { next, left: count, back: true, with_scores }.speak(set, reply);
                self.left -= count;
                self.next = next.wrapping_sub(count);
                return;
            }
            Kind::Different(shuffle) => (self.next..self.next + count).for_each(|i| {
                speak_at(set, shuffle.at(i), self.with_scores, reply);
            }),
            Kind::Any(seed) => (self.next..self.next + count).for_each(|i| {
                let draw = mix(seed.wrapping_add((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                speak_at(set, below(draw, self.len), self.with_scores, reply);
            }),
        }
        self.next += count;
        self.left -= count;
    }
}

impl Walk for Drawing {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        if let Some(set) = read_again(ctx, &args[1]) {
            self.speak(set, reply);
        }
        self.left == 0
    }
}

/// SplitMix64's output function (Steele, Lea, Flood 2014).
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 0 .. n, evenly.
fn below(draw: u64, n: usize) -> usize {
    ((u128::from(draw) * n as u128) >> 64) as usize
}

/// A random order of 0 .. len, of which any place can be told without the others: so that any number of different members can be
/// drawn in slices and without memory. A Feistel network permutes the numbers of an even number of bits; what falls beyond `len`, less
/// than three of four, goes through it again (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
struct Shuffle {
    len: usize,
    half_bits: u32,
    seed: u64,
}

impl Shuffle {
    fn new(len: usize, seed: u64) -> Shuffle {
        let bits = usize::BITS - len.saturating_sub(1).leading_zeros();
        Shuffle { len, half_bits: bits.div_ceil(2).max(1), seed }
    }

    fn at(&self, i: usize) -> usize {
        let mut n = i as u64;
        loop {
            n = self.permute(n);
            if n < self.len as u64 {
                return n as usize;
            }
        }
    }

    fn permute(&self, n: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (n >> self.half_bits, n & mask);
        for round in 0..6u64 {
            let f = mix(self.seed ^ mix(right.wrapping_add(round.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
            (left, right) = (right, left ^ f & mask);
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_names_each_number_once() {
        for len in (1..70).chain([127, 128, 129, 1000, 4096, 5000]) {
            for seed in 0..5 {
                let shuffle = Shuffle::new(len, seed);
                let mut seen = vec![false; len];
                (0..len).for_each(|i| assert!(!std::mem::replace(&mut seen[shuffle.at(i)], true), "{len}, {seed}"));
            }
        }
    }

    /// Of ten, each number stands at each place about as often as at any other.
    #[test]
    fn a_shuffle_has_no_favourites() {
        let mut counts = [[0; 10]; 10];
        for seed in 0..10_000 {
            let shuffle = Shuffle::new(10, mix(seed));
            (0..10).for_each(|i| counts[i][shuffle.at(i)] += 1);
        }
        // 1000 +- 6 standard deviations of a binomial distribution.
        assert!(counts.iter().flatten().all(|&n| (820..1180).contains(&n)), "{counts:?}");
    }
}
