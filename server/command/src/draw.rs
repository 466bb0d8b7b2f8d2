//! Room: command. Random elements of a hash, a set or a sorted set: how many, which, in which steps.
//! Touches: base, store.

use base::Fault;
use base::number::parse_i64;
use std::collections::HashSet;
use store::Rng;

/// More repeated draws than this are refused: the reply alone would take gigabytes.
const DRAWS_MAX: i64 = 1 << 28;
/// Up to this many times the number asked for, all elements are looked at, each chosen with the right chance; beyond, single
/// ones are drawn until there are enough different ones: a draw costs some ten times what a look costs.
const LOOKED_AT: usize = 8;

/// What the `count` of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// So many different ones, or all.
    Different(usize),
    /// So many, each drawn from all.
    Repeated(usize),
}

impl Wanted {
    /// `max`: the largest number either way, as Redis has it.
    pub fn parse(word: &[u8], max: i64) -> Result<Wanted, Fault> {
        let n = parse_i64(word).ok_or(Fault::NotInteger)?;
        if !(-max..=max).contains(&n) {
            let text = format!("value is out of range, value must between {} and {max}", -max);
            return Err(Fault::err(text));
        }
        if n < -DRAWS_MAX {
            return Err(Fault::err("value is out of range"));
        }
        Ok(if n < 0 { Wanted::Repeated(n.unsigned_abs() as usize) } else { Wanted::Different(n as usize) })
    }
}

/// How the elements are found, and what is left to do.
pub(crate) enum Draw {
    /// All of them.
    All { cursor: u64 },
    /// Elements are looked at one after the other: of `left` more, `wanted` are to be chosen.
    Choose { cursor: u64, wanted: usize, left: usize, rng: Rng },
    /// Different ones are drawn until `wanted` are there.
    Pick { wanted: usize, taken: HashSet<Vec<u8>>, rng: Rng },
    /// So many more, the same one maybe twice.
    Again { wanted: usize, rng: Rng },
}

impl Draw {
    /// `seed` is a random number. Of `len` elements, at least one. How many will be spoken, and how.
    pub fn new(wanted: Wanted, len: usize, seed: u64) -> (usize, Draw) {
        let rng = Rng::new(seed);
        match wanted {
            Wanted::Repeated(n) => (n, Draw::Again { wanted: n, rng }),
            Wanted::Different(1) => (1, Draw::Again { wanted: 1, rng }),
            Wanted::Different(n) if n >= len => (len, Draw::All { cursor: 0 }),
            Wanted::Different(n) if n.saturating_mul(LOOKED_AT) >= len => {
                (n, Draw::Choose { cursor: 0, wanted: n, left: len, rng })
            }
            Wanted::Different(n) => (n, Draw::Pick { wanted: n, taken: HashSet::new(), rng }),
        }
    }

    /// The rule of selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): each subset is as likely as any other.
    pub fn chosen(wanted: &mut usize, left: &mut usize, rng: &mut Rng) -> bool {
        let yes = rng.below(*left as u64) < *wanted as u64;
        *wanted -= usize::from(yes);
        *left -= 1;
        yes
    }
}
