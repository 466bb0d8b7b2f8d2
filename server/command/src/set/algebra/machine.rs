//! Room: command. The walk over sets' members that makes an intersection, a union or a difference, slice by slice.
//! Touches: store.

use super::{Ask, Op, Use};
use store::hash::Text;
use store::set::{Bag, Elements};

/// A set that is worked on: in its store, or brought from another shard.
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    Absent,
    Live(Elements<'a>),
    Bag(&'a Bag),
}

impl Operand<'_> {
    fn has(self, member: Text<'_>) -> bool {
        match self {
            Operand::Absent => false,
            Operand::Live(elements) => elements.has_text(member),
            Operand::Bag(bag) => bag.has(member),
        }
    }

    fn scan(self, cursor: u64, count: usize, visit: impl FnMut(Text<'_>)) -> u64 {
        match self {
            Operand::Absent => 0,
            Operand::Live(elements) => elements.scan(cursor, count, visit),
            Operand::Bag(bag) => bag.scan(cursor, count, visit),
        }
    }
}

/// Where the walk stands. The operands are the same in each step, by number.
pub struct Algebra {
    op: Op,
    /// Of an intersection or a difference: the operand whose members are looked at, then those that are asked for them. Of a
    /// union: all that are there.
    order: Vec<usize>,
    /// Of a union: which of them it is at.
    at: usize,
    cursor: u64,
    /// Only counted, up to so many (0: all).
    limit: Option<usize>,
    count: usize,
    /// As `Ask::removes`.
    removes: bool,
    pub out: Bag,
}

impl Algebra {
    /// `lens`: how many members each operand has, none if there is no such set.
    pub fn new(Ask { op, result, removes, .. }: Ask, lens: &[Option<usize>], seed: u64) -> Algebra {
        let mut order: Vec<usize> = (0..lens.len()).filter(|&i| lens[i].is_some()).collect();
        match op {
            Op::Inter if order.len() < lens.len() => order.clear(),
            // The fewest members are looked at, and the set that most likely lacks them is asked first.
            Op::Inter => order.sort_by_key(|&i| lens[i]),
            Op::Diff if lens.first().is_none_or(Option::is_none) => order.clear(),
            // The set that most likely has them is asked first.
            Op::Diff => order[1..].sort_by_key(|&i| std::cmp::Reverse(lens[i])),
            Op::Union => {}
        }
        let doubles = op == Op::Union && order.len() > 1;
        let most = lens.iter().flatten().sum();
        let out = if doubles { Bag::indexed(seed, most) } else { Bag::new() };
        let limit = if let Use::Count(limit) = result { Some(limit) } else { None };
        Algebra { op, order, at: 0, cursor: 0, limit, count: 0, removes, out }
    }

    /// The operands that are asked for members.
    pub fn asked(&self) -> &[usize] {
        if self.op == Op::Union { &[] } else { self.order.get(1..).unwrap_or(&[]) }
    }

    /// How many there are, up to the limit.
    pub fn count(&self) -> usize {
        match self.limit {
            Some(limit @ 1..) => self.count.min(limit),
            _ => self.count,
        }
    }

    /// Looks at about `members` members; true when all is done.
    pub fn step(&mut self, operands: &[Operand<'_>], members: usize) -> bool {
        let Algebra { op, order, at, cursor, limit, count, removes, out } = self;
        let Some(&first) = order.first() else { return true };
        if *op == Op::Union {
            let several = order.len() > 1;
            let mut left = members;
            while let Some(&i) = order.get(*at) {
                if left == 0 {
                    return false;
                }
                let mut seen = 1;
                *cursor = operands[i].scan(*cursor, left, |member| {
                    seen += 1;
                    if several {
                        out.insert(member);
                    } else {
                        out.push(member);
                    }
                });
                left = left.saturating_sub(seen);
                *at += usize::from(*cursor == 0);
            }
            return true;
        }
        let wanted = *op == Op::Inter;
        let others = &order[1..];
        // Each member is looked for in each of them.
        let slice = (members / order.len()).max(1);
        *cursor = operands[first].scan(*cursor, slice, |member| {
            let good = if wanted {
                others.iter().all(|&i| operands[i].has(member))
            } else {
                !others.iter().any(|&i| operands[i].has(member))
            };
            if !good {
                if *removes {
                    out.pass(member);
                }
                return;
            }
            if limit.is_none() {
                out.push(member);
            }
            *count += 1;
        });
        *cursor == 0 || limit.is_some_and(|limit| limit > 0 && *count >= limit)
    }
}
