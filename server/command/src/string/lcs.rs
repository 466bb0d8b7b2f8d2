//! Room: command. LCS: the longest common subsequence of two strings, worked out in slices.
//! Touches: base, store.
//!
//! The textbook's table L, where L(i, j) is the length for the first i bytes of one string and the first j of the other,
//! takes 4 bytes a cell in Redis. Here only one line of it lives at a time. The way back through the table asks of a cell
//! just which neighbour is larger, so one bit a cell is kept, and none for LEN. Redis refuses what needs more than
//! `proto-max-bulk-len` bytes of table, and so do we: clients see the same limit, and 1/32 of the memory is used.
//!
//! The line runs along the shorter string: its length is at most the root of the number of cells.

use crate::context::Ctx;
use crate::keep::same_db;
use crate::row::{Fetched, Job, KeyWrite, Read, Together};
use base::number::parse_i64;
use base::{Args, Fault, Reply};
use bytes::Bytes;
use store::Kind;

/// Worked off at once, where a whole job is so small that no slice is exceeded: well below 100 us.
const UNITS_AT_ONCE: usize = 64 * 1024;
/// What a cell costs, in the nanoseconds that `Job::step` counts by: measured 1.2 for LEN, 3.2 with its bit.
const UNITS_A_CELL: (usize, usize) = (1, 3);

#[derive(Clone, Copy, Default, Debug, PartialEq)]
struct Options {
    length_only: bool,
    index: bool,
    with_length: bool,
    /// 0: every match.
    match_length_min: i64,
}

impl Options {
    fn parse(words: Args<'_>) -> Result<Options, Fault> {
        let mut o = Options::default();
        let mut i = 0;
        while i < words.len() {
            if words.is(i, "IDX") {
                o.index = true;
            } else if words.is(i, "LEN") {
                o.length_only = true;
            } else if words.is(i, "WITHMATCHLEN") {
                o.with_length = true;
            } else if words.is(i, "MINMATCHLEN") && i + 1 < words.len() {
                i += 1;
                o.match_length_min = parse_i64(&words[i]).ok_or(Fault::NotInteger)?.max(0);
            } else {
                return Err(Fault::Syntax);
            }
            i += 1;
        }
        if o.length_only && o.index {
            return Err(Fault::err("If you want both the length and indexes, please just use IDX."));
        }
        Ok(o)
    }
}

/// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN]
pub fn lcs(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let mut read = |key| match ctx.store.read(ctx.db, key, ctx.now_ms, !ctx.no_touch) {
        Some(entry) => super::string(entry).map(|entry| entry.portable().value),
        None => {
            crate::keep::missed(ctx, key);
            Ok(Bytes::new())
        }
    };
    let (a, b) = (read(args.at(1)), read(args.at(2)));
    let (Ok(a), Ok(b)) = (a, b) else {
        return reply.fault(&not_strings());
    };
    ctx.job = start(a, b, args, ctx.limits.value_bytes_max, reply);
}

pub static LCS: Together = Together {
    read: |_, _| Read::Entry,
    decide: |decide, args, fetched, reply| {
        let operand = |n| match fetched.get(n) {
            Some(Fetched::Entry { portable, .. }) if portable.kind != Kind::String => None,
            Some(Fetched::Entry { portable, .. }) => Some(portable.value.clone()),
            _ => Some(Bytes::new()),
        };
        let (Some(a), Some(b)) = (operand(0), operand(1)) else { return reply.fault(&not_strings()) };
        decide.job = start(a, b, args, decide.limits.value_bytes_max, reply);
    },
    db: same_db,
};

fn not_strings() -> Fault {
    Fault::err("The specified keys must contain string values")
}

/// Answers at once, or leaves the job that will.
fn start(a: Bytes, b: Bytes, args: Args<'_>, bytes_max: usize, reply: &mut dyn Reply) -> Option<Box<dyn Job>> {
    let fault = match Options::parse(args.from(3)).and_then(|options| LcsJob::new(a, b, options, bytes_max)) {
        Ok(mut job) => {
            if !job.step(UNITS_AT_ONCE) {
                return Some(Box::new(job));
            }
            while !job.finish(&mut Vec::new(), reply) {}
            return None;
        }
        Err(fault) => fault,
    };
    reply.fault(&fault);
    None
}

/// A run of equal bytes: its first and last index in both strings.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Match {
    a: (u32, u32),
    b: (u32, u32),
}

impl Match {
    fn length(&self) -> u32 {
        self.a.1 - self.a.0 + 1
    }
}

struct LcsJob {
    a: Bytes,
    b: Bytes,
    options: Options,
    /// The longer string is `a`: lines stand for its bytes.
    a_is_long: bool,
    /// L of the line being worked on; up to `column` the new one, beyond it still the one before.
    line: Vec<u32>,
    /// L(line - 1, column): what `line` held at `column` before.
    diagonal: u32,
    /// The next cell, counted from 0.
    row: usize,
    column: usize,
    /// Per cell: L(i - 1, j) > L(i, j - 1), i counting `a` and j counting `b`.
    towards_a: Bits,
    /// Where the way back stands: bytes left of `a` and of `b`; `None` until the table is done.
    back: Option<(usize, usize)>,
    length: u32,
    /// The common bytes, the last one first.
    common: Vec<u8>,
    run: Option<Match>,
    matches: Vec<Match>,
    /// How many of them are in the reply, once it has a head.
    spoken: Option<usize>,
}

impl LcsJob {
    fn new(a: Bytes, b: Bytes, options: Options, bytes_max: usize) -> Result<LcsJob, Fault> {
        let too_long = |s: &Bytes| s.len() >= u32::MAX as usize - 1;
        if too_long(&a) || too_long(&b) {
            return Err(Fault::err("String too long for LCS"));
        }
        // Both fit 32 bits: the product of bytes fits 128.
        if (a.len() as u128 + 1) * (b.len() as u128 + 1) * 4 > bytes_max as u128 {
            return Err(Fault::err("Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
        }
        let a_is_long = a.len() >= b.len();
        let line = vec![0; a.len().min(b.len())];
        Ok(LcsJob {
            a_is_long,
            line,
            diagonal: 0,
            row: 0,
            column: 0,
            towards_a: Bits::default(),
            back: None,
            length: 0,
            common: Vec::new(),
            run: None,
            matches: Vec::new(),
            spoken: None,
            a,
            b,
            options,
        })
    }

    /// Works off up to `budget` cells of the table. What is left of the budget once the table is done.
    fn fill(&mut self, mut budget: usize) -> usize {
        let keep = !self.options.length_only;
        let (long, short) = if self.a_is_long { (&self.a, &self.b) } else { (&self.b, &self.a) };
        while self.row < long.len() && !short.is_empty() {
            if budget == 0 {
                return 0;
            }
            // With bits, up to the end of a word of them.
            let room = if keep { self.towards_a.room() } else { usize::MAX };
            let until = short.len().min(self.column.saturating_add(budget.min(room)));
            budget -= until - self.column;
            let left = if self.column == 0 { 0 } else { self.line[self.column - 1] };
            let (cells, others) = (&mut self.line[self.column..until], &short[self.column..until]);
            let (byte, diagonal, mut bits, mut n) = (long[self.row], self.diagonal, 0u64, 0);
            // `above` has one byte less of the long string, `left` one less of the short one.
            self.diagonal = match (keep, self.a_is_long) {
                (false, _) => fill_line(cells, others, byte, left, diagonal, |_, _| {}),
                (_, true) => fill_line(cells, others, byte, left, diagonal, |above, left| {
                    bits |= u64::from(above > left) << n;
                    n += 1;
                }),
                (_, false) => fill_line(cells, others, byte, left, diagonal, |above, left| {
                    bits |= u64::from(left > above) << n;
                    n += 1;
                }),
            };
            if keep {
                self.towards_a.push(bits, n);
            }
            self.column = until;
            if until == short.len() {
                (self.row, self.column, self.diagonal) = (self.row + 1, 0, 0);
            }
        }
        self.towards_a.flush();
        self.length = self.line.last().copied().unwrap_or(0);
        self.line = Vec::new();
        if keep {
            self.common.reserve_exact(self.length as usize);
        }
        self.back = Some(if keep { (self.a.len(), self.b.len()) } else { (0, 0) });
        budget.max(1)
    }

    fn towards_a(&self, i: usize, j: usize) -> bool {
        let (i, j) = (i - 1, j - 1);
        self.towards_a.get(if self.a_is_long { i * self.b.len() + j } else { j * self.a.len() + i })
    }

    /// One step of the way back, from the last bytes to the first.
    fn step_back(&mut self, i: usize, j: usize) -> (usize, usize) {
        if self.a[i - 1] != self.b[j - 1] {
            self.end_run();
            return if self.towards_a(i, j) { (i - 1, j) } else { (i, j - 1) };
        }
        self.common.push(self.a[i - 1]);
        let (x, y) = (i as u32 - 1, j as u32 - 1);
        // After a step that was no match, or at the start, there is no run: a run is always continued here.
        let run = self.run.get_or_insert(Match { a: (x, x), b: (y, y) });
        (run.a.0, run.b.0) = (x, y);
        if x == 0 || y == 0 {
            self.end_run();
        }
        (i - 1, j - 1)
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take()
            && self.options.index
            && i64::from(run.length()) >= self.options.match_length_min
        {
            self.matches.push(run);
        }
    }
}

/// Cells of one line, from those of the line before, which they replace. Returns the last one replaced.
#[inline(always)]
fn fill_line(
    cells: &mut [u32],
    others: &[u8],
    byte: u8,
    mut left: u32,
    mut diagonal: u32,
    mut mark: impl FnMut(u32, u32),
) -> u32 {
    for (cell, &other) in cells.iter_mut().zip(others) {
        let above = *cell;
        mark(above, left);
        *cell = if byte == other { diagonal + 1 } else { above.max(left) };
        (left, diagonal) = (*cell, above);
    }
    diagonal
}

impl Job for LcsJob {
    fn step(&mut self, units: usize) -> bool {
        let cost = if self.options.length_only { UNITS_A_CELL.0 } else { UNITS_A_CELL.1 };
        let mut budget = (units / cost).max(1);
        if self.back.is_none() {
            budget = self.fill(budget);
        }
        while let Some((i, j)) = self.back {
            if i == 0 || j == 0 {
                return true;
            }
            if budget == 0 {
                return false;
            }
            budget -= 1;
            self.back = Some(self.step_back(i, j));
        }
        false
    }

    fn finish(&mut self, _: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        if self.options.length_only {
            reply.int(self.length.into());
            return true;
        }
        if !self.options.index {
            self.common.reverse();
            reply.shared(std::mem::take(&mut self.common).into());
            return true;
        }
        let from = self.spoken.unwrap_or_else(|| {
            reply.map(2);
            reply.bulk(b"matches");
            reply.array(self.matches.len());
            0
        });
        let until = self.matches.len().min(from + MATCHES_A_SLICE);
        for found in &self.matches[from..until] {
            reply.array(2 + usize::from(self.options.with_length));
            for (first, last) in [found.a, found.b] {
                reply.array(2);
                reply.int(first.into());
                reply.int(last.into());
            }
            if self.options.with_length {
                reply.int(found.length().into());
            }
        }
        self.spoken = Some(until);
        if until < self.matches.len() {
            return false;
        }
        reply.bulk(b"len");
        reply.int(self.length.into());
        true
    }
}

/// Matches spoken in one slice: about 100 µs.
const MATCHES_A_SLICE: usize = 1000;

/// A row of bits in pieces, so that no single allocation or release is large.
#[derive(Default)]
struct Bits {
    pieces: Vec<Vec<u64>>,
    /// The last bits, not yet in a piece.
    word: u64,
    len: usize,
}

/// 64 KiB a piece.
const PIECE_WORDS: usize = 8192;
const PIECE_BITS: usize = PIECE_WORDS * 64;

impl Bits {
    /// Bits that the last word still takes.
    fn room(&self) -> usize {
        64 - self.len % 64
    }

    /// Adds the `n` low bits of `bits`, no more than there is room for.
    #[inline]
    fn push(&mut self, bits: u64, n: usize) {
        debug_assert!(n <= self.room());
        self.word |= bits << (self.len % 64);
        self.len += n;
        if n > 0 && self.len.is_multiple_of(64) {
            self.put(self.word);
            self.word = 0;
        }
    }

    /// Puts the last bits where `get` finds them. Nothing is pushed afterwards.
    fn flush(&mut self) {
        if !self.len.is_multiple_of(64) {
            self.put(self.word);
        }
    }

    fn put(&mut self, word: u64) {
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE_WORDS => piece.push(word),
            // The first piece grows as it is filled: most tables are small.
            None => self.pieces.push(vec![word]),
            Some(_) => {
                let mut piece = Vec::with_capacity(PIECE_WORDS);
                piece.push(word);
                self.pieces.push(piece);
            }
        }
    }

    fn get(&self, i: usize) -> bool {
        self.pieces[i / PIECE_BITS][i % PIECE_BITS / 64] >> (i % 64) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook's table, whole, and the way back that LCS documents: on a tie towards the start of `b`.
    fn slow(a: &[u8], b: &[u8], min: i64) -> (usize, Vec<u8>, Vec<Match>) {
        let mut l = vec![vec![0usize; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                l[i][j] = if a[i - 1] == b[j - 1] { l[i - 1][j - 1] + 1 } else { l[i - 1][j].max(l[i][j - 1]) };
            }
        }
        let (mut i, mut j) = (a.len(), b.len());
        let mut pairs = Vec::new();
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                pairs.push((i as u32, j as u32));
            } else if l[i - 1][j] > l[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        let common = pairs.iter().rev().map(|&(i, _)| a[i as usize]).collect();
        let runs = pairs.chunk_by(|x, y| x.0 == y.0 + 1 && x.1 == y.1 + 1);
        let matches = runs.map(|run| {
            let (last, first) = (run[0], run[run.len() - 1]);
            Match { a: (first.0, last.0), b: (first.1, last.1) }
        });
        (l[a.len()][b.len()], common, matches.filter(|m| m.length() as i64 >= min).collect())
    }

    fn check(a: &[u8], b: &[u8], units: usize, min: i64) {
        let (length, common, matches) = slow(a, b, min);
        for (length_only, index) in [(false, false), (true, false), (false, true)] {
            let options = Options { length_only, index, match_length_min: min, with_length: false };
            let (a, b) = (Bytes::copy_from_slice(a), Bytes::copy_from_slice(b));
            let mut job = LcsJob::new(a.clone(), b.clone(), options, usize::MAX).unwrap();
            let mut steps = 0;
            while !job.step(units) {
                steps += 1;
                assert!(steps <= (a.len() * b.len() + a.len() + b.len()) / (units / 3).max(1) + 2, "it moves on");
            }
            assert_eq!(job.length as usize, length);
            if !length_only {
                job.common.reverse();
                assert_eq!(job.common, common);
            }
            if index {
                assert_eq!(job.matches, matches);
            }
        }
    }

    #[test]
    fn jobs_equal_the_textbook() {
        let seed: u64 = 0x1c5_2024;
        println!("seed {seed}");
        let mut x = seed;
        let mut next = |n: u64| {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 33) % n
        };
        for _ in 0..400 {
            let letters = 1 + next(4);
            let (n, m) = (next(40), next(40));
            let a: Vec<u8> = (0..n).map(|_| b'a' + next(letters) as u8).collect();
            let b: Vec<u8> = (0..m).map(|_| b'a' + next(letters) as u8).collect();
            check(&a, &b, 1 + next(50) as usize, next(4) as i64);
        }
        let long: Vec<u8> = (0..1500).map(|_| b'a' + next(3) as u8).collect();
        let other: Vec<u8> = (0..900).map(|_| b'a' + next(3) as u8).collect();
        check(&long, &other, 10_000, 2);
        check(&other, &long, 7_777, 0);
    }

    #[test]
    fn the_limit_is_that_of_a_whole_table() {
        let s = |n: usize| Bytes::from(vec![b'x'; n]);
        assert!(LcsJob::new(s(9), s(9), Options::default(), 400).is_ok());
        assert!(LcsJob::new(s(9), s(9), Options::default(), 399).is_err());
    }
}
