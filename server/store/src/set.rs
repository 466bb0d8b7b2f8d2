//! Room: store. A set: of integers in order, of a few members packed, of many in a table of their own.
//! Touches: nothing beyond this crate.
//!
//! Which of them it is follows Redis's rules step by step (setTypeAddAux in t_set.c), since OBJECT ENCODING tells; a set that its
//! thresholds call "listpack" or "intset" but that is too long for its entry is a table that keeps the name.

mod bag;
mod build;
mod ints;
mod place;

pub use bag::Bag;
pub use place::SetCell;

use crate::cell::{Body, Entry};
use crate::hash::Text;
use crate::members::Members;
use crate::needle::{self, Needle};
use crate::object::{Held, Object};
use crate::pack::{self, Item};
use crate::rng::Rng;
use crate::table::Ground;
use crate::{Kind, Packing};
use build::Build;
use ints::Ints;

/// The form of a packed set of integers in order.
pub(crate) const INTS: u8 = 1;

/// What a set in a table is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Called {
    Hashtable,
    Listpack,
    Intset,
}

/// A large set.
pub struct Set {
    members: Members,
    called: Called,
}

impl Set {
    pub(crate) fn members_mut(&mut self) -> &mut Members {
        &mut self.members
    }

    fn new(ground: &mut Ground, called: Called) -> Set {
        Set { members: Members::new(ground), called }
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// As `Object::encoding`.
    pub fn encoding(&self) -> &'static str {
        match self.called {
            Called::Hashtable => "hashtable",
            Called::Listpack => "listpack",
            Called::Intset => "intset",
        }
    }

    /// As `Object::apart_bytes`.
    pub fn apart_bytes(&self) -> usize {
        self.members.apart_bytes()
    }

    /// As `Object::allocated`.
    pub fn allocated(&self) -> usize {
        self.members.allocated()
    }

    /// As `Object::weight`.
    pub fn weight(&self) -> usize {
        self.members.len()
    }

    /// As `Object::bury`.
    pub fn bury(&mut self, ground: &mut Ground, units: usize) -> bool {
        self.members.bury(ground, units)
    }

    /// As `Object::verify`.
    pub(crate) fn verify(&self, ground: &Ground, held: &mut Held) {
        let called = self.called;
        self.members.verify(ground, held, |raw| {
            assert!(raw.value().is_empty() && raw.deadline().is_none(), "a member has a name only");
            assert!(called != Called::Intset || pack::number(raw.key()).is_some(), "an intset has integers only");
        });
    }

    /// Adds a member; true if it is new. What the set is called changes as in Redis.
    fn add(&mut self, ground: &mut Ground, packing: &Packing, member: &[u8]) -> bool {
        if self.members.find(ground, member).is_some() {
            return false;
        }
        let len = self.len();
        self.called = match self.called {
            Called::Intset if pack::number(member).is_some() && len < packing.intset_entries => Called::Intset,
            Called::Listpack if fits_listpack(packing, len, member.len()) => Called::Listpack,
            Called::Intset
                if pack::number(member).is_none()
                    && fits_listpack(packing, len, member.len())
                    && self.longest(ground, packing.set_value_bytes) <= packing.set_value_bytes =>
            {
                Called::Listpack
            }
            _ => Called::Hashtable,
        };
        self.members.insert(ground, member, b"");
        true
    }

    /// The longest name of a set of integers, or 0 if none can be longer than `limit`.
    fn longest(&self, ground: &Ground, limit: usize) -> usize {
        let mut longest = 0;
        // Integers have 20 bytes at most.
        if limit < 20 {
            self.members.scan(ground, 0, usize::MAX, |member| longest = longest.max(member.name().len()));
        }
        longest
    }
}

/// Whether a set called "listpack" of `len` members may take one of `bytes`.
fn fits_listpack(packing: &Packing, len: usize, bytes: usize) -> bool {
    len < packing.set_entries && bytes <= packing.set_value_bytes
}

/// A set's members as they are read.
#[derive(Clone, Copy)]
pub enum Elements<'a> {
    Packed(Packed<'a>),
    Ints(Ints<'a>),
    Object(&'a Set, &'a Ground),
}

/// Members packed one behind the other.
#[derive(Clone, Copy)]
pub struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    /// Where the member begins and ends, or how many members there are.
    #[inline]
    fn find(self, member: &Needle) -> Result<(usize, usize), usize> {
        let (mut at, mut count) = (0, 0);
        let needle = member.bytes();
        while at < self.0.len() {
            let end = needle::skip(self.0, at);
            if needle::is(self.0, at, end, needle) {
                return Ok((at, end));
            }
            at = end;
            count += 1;
        }
        Err(count)
    }

    /// Where each member begins.
    fn starts(self) -> impl Iterator<Item = usize> + use<'a> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = at;
            (start < self.0.len()).then(|| {
                at = needle::skip(self.0, start);
                start
            })
        })
    }

    #[inline]
    fn text(self, at: usize) -> Text<'a> {
        text(pack::item::<false>(self.0, at).expect("a place has an element").0)
    }
}

fn text(item: Item<'_>) -> Text<'_> {
    match item {
        Item::Text(text) => Text::Bytes(text),
        Item::Number(n) => Text::Number(n),
    }
}

impl<'a> Entry<'a> {
    /// The members, if it is a set.
    #[inline]
    pub fn elements(self) -> Option<Elements<'a>> {
        match self.body() {
            Body::Packed { kind: Kind::Set, form, bytes } => Some(Elements::packed(form, bytes)),
            Body::Object(Object::Set(set)) => Some(Elements::Object(set, self.ground())),
            _ => None,
        }
    }
}

impl<'a> Elements<'a> {
    /// Of a set that lies in its entry in this form.
    pub(crate) fn packed(form: u8, bytes: &'a [u8]) -> Elements<'a> {
        if form == INTS { Elements::Ints(Ints::new(bytes)) } else { Elements::Packed(Packed(bytes)) }
    }

    pub(crate) fn is_ints(self) -> bool {
        matches!(self, Elements::Ints(_))
    }

    #[inline]
    pub fn has(self, member: &[u8]) -> bool {
        match self {
            Elements::Packed(packed) => packed.find(&Needle::new(member)).is_ok(),
            Elements::Ints(ints) => pack::number(member).is_some_and(|n| ints.find(n).is_ok()),
            Elements::Object(set, ground) => set.members.find(ground, member).is_some(),
        }
    }

    /// The same of a member as another set has it.
    pub fn has_text(self, member: Text<'_>) -> bool {
        match (self, member) {
            (Elements::Ints(ints), Text::Number(n)) => ints.find(n).is_ok(),
            (Elements::Packed(packed), Text::Number(n)) => packed.find(&Needle::number(n)).is_ok(),
            (elements, member) => elements.has(member.bytes(&mut [0; 20])),
        }
    }

    pub fn len(self) -> usize {
        match self {
            Elements::Packed(packed) => needle::count(packed.0, 0),
            Elements::Ints(ints) => ints.len(),
            Elements::Object(set, _) => set.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Visits members from `cursor` on (0 starts), about `count`; small sets whole. The next cursor, 0 at the end. Members that
    /// stay are visited once, as `Store::scan` does.
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Text<'_>)) -> u64 {
        match self {
            Elements::Packed(packed) => {
                pack::iter::<false>(packed.0).for_each(|(_, item)| visit(text(item)));
                0
            }
            Elements::Ints(ints) => {
                ints.iter().for_each(|n| visit(Text::Number(n)));
                0
            }
            Elements::Object(set, ground) => {
                set.members.scan(ground, cursor, count, |member| visit(Text::Bytes(member.name())))
            }
        }
    }

    /// `count` members drawn at random, each from all of them, of which there is at least one.
    pub fn draw(self, rng: &mut Rng, count: usize, mut visit: impl FnMut(Text<'_>)) {
        match self {
            Elements::Packed(packed) if count == 1 => {
                let chosen = rng.below(self.len() as u64) as usize;
                visit(packed.text(packed.starts().nth(chosen).expect("below their number")));
            }
            Elements::Packed(packed) => {
                let starts: Vec<usize> = packed.starts().collect();
                (0..count).for_each(|_| visit(packed.text(starts[rng.below(starts.len() as u64) as usize])));
            }
            Elements::Ints(ints) => {
                (0..count).for_each(|_| visit(Text::Number(ints.get(rng.below(ints.len() as u64) as usize))));
            }
            Elements::Object(set, ground) => {
                for _ in 0..count {
                    let spot = set.members.draw(ground, rng).expect("callers have seen that it is not empty");
                    visit(Text::Bytes(set.members.at(spot).name()));
                }
            }
        }
    }
}
