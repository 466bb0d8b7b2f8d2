//! Room: store. A parsed value becomes an entry, at once or in slices. Touches: base.

use super::read::{self, Elements, Form, Parsed, Parsing};
use super::{BadData, kind};
use crate::cell::{Body, Cell};
use crate::hash::{Fields, HashCell};
use crate::journal::Journal;
use crate::list::End;
use crate::object::Object;
use crate::pack;
use crate::set::SetCell;
use crate::store::Store;
use crate::zset::{Done, How, Shape, ZsetMut};
use crate::{Deadline, Packing, Put};
use base::DbId;

/// Redis, quicklist.c: a listpack has a head of 6 bytes and an end of one.
const LISTPACK_FRAME_BYTES: usize = 7;
/// Elements of a list that are pushed at once.
const PIECE: usize = 256;

/// What a value is to be kept as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placed {
    /// As Redis's thresholds say of what comes from elsewhere.
    ByThresholds,
    /// As it was: in the large form or not.
    AsItWas { large: bool },
}

/// A parsed collection on its way to its place, some elements at a time.
struct Filling {
    parsed: Parsed,
    placed: Placed,
    /// How far: bytes of the elements, scores or fields.
    at: usize,
    n: usize,
    /// Of a list: whether it is kept in the large form.
    large: bool,
}

/// A large value on its way into the store: taken apart, then placed beside the databases, and put at its key in the end, in slices.
/// Until then there is at the key what was there before; and that stays if the bytes are no value.
pub struct Placing {
    placed: Placed,
    stage: Stage,
}

enum Stage {
    Parse(Parsing),
    Fill(Box<Filling>),
    Done,
}

impl Placing {
    pub fn new(placed: Placed) -> Placing {
        Placing { placed, stage: Stage::Parse(Parsing::default()) }
    }

    /// Goes on with about `count` elements of `bytes`, the same each time, for `key`, which nobody else changes meanwhile. True when the value is there, as after `Cell::put_rdb`.
    pub fn step(
        &mut self,
        store: &mut Store,
        (db, key): (DbId, &[u8]),
        now_ms: u64,
        bytes: &[u8],
        count: usize,
    ) -> Result<bool, BadData> {
        match &mut self.stage {
            Stage::Parse(parsing) => {
                if !parsing.step(bytes, count)? {
                    return Ok(false);
                }
                let parsed = std::mem::take(parsing).into_parsed();
                if parsed.is_empty() {
                    return Err(BadData);
                }
                if let Parsed::String(_) | Parsed::Stream(_) = parsed {
                    let journal = store.cell(db, key, now_ms).take_journal();
                    Filling::new(parsed, self.placed).step(&mut store.cell(db, key, now_ms), usize::MAX)?;
                    self.finish(store.cell(db, key, now_ms), true, journal, bytes);
                    return Ok(true);
                }
                store.open_workshop(key);
                self.stage = Stage::Fill(Box::new(Filling::new(parsed, self.placed)));
                Ok(false)
            }
            Stage::Fill(filling) => {
                let was_there = store.cell(db, key, now_ms).entry().is_some();
                let journal = store.cell(db, key, now_ms).take_journal();
                let mut aside = store.aside(key, now_ms);
                let step = filling.step(&mut aside, count);
                if let Ok(false) = step {
                    aside.give_journal(journal);
                    return Ok(false);
                }
                let made = if step.is_ok() { aside.lift() } else { None };
                aside.remove();
                store.close_workshop(key);
                let mut cell = store.cell(db, key, now_ms);
                if step.is_err() {
                    cell.give_journal(journal);
                    return step;
                }
                match made {
                    Some(made) => cell.set_down(made),
                    None => drop(cell.remove()),
                }
                self.finish(cell, was_there, journal, bytes);
                Ok(true)
            }
            Stage::Done => Ok(true),
        }
    }

    fn finish(&mut self, mut cell: Cell<'_>, was_there: bool, journal: Option<Box<Journal>>, bytes: &[u8]) {
        cell.give_journal(journal);
        cell.note_rdb(was_there, self.placed, bytes);
        // What it was parsed into is let go of.
        self.stage = Stage::Done;
    }
}

/// A collection of fewer is not told how many there will be.
const EXPECTED_LEAST: usize = 256;

/// How many members a collection will have; None: they are there.
fn expect_members(cell: &mut Cell<'_>, members: Option<usize>) {
    if let Some(Body::Object(_)) = cell.body() {
        cell.change_object(|object, ground, _| match (object.members_mut(), members) {
            (Some(all), Some(count)) => all.expect(ground, count),
            (Some(all), None) => all.expect_no_more(),
            (None, _) => {}
        });
    }
}

impl Filling {
    fn new(parsed: Parsed, placed: Placed) -> Filling {
        Filling { parsed, placed, at: 0, n: 0, large: false }
    }

    /// Adds about `count` elements. True when that is all. Only while they are placed is it seen whether two are the same.
    fn step(&mut self, cell: &mut Cell<'_>, count: usize) -> Result<bool, BadData> {
        let members = match &self.parsed {
            Parsed::Set { members, .. } | Parsed::Zset { members, .. } => members.count,
            Parsed::Hash { pairs, .. } => pairs.count / 2,
            _ => 0,
        };
        if members < EXPECTED_LEAST {
            return self.add(cell, count);
        }
        // With the first it is a table, which then grows no more.
        if self.at == 0 {
            self.add(cell, 1)?;
            expect_members(cell, Some(members));
        }
        let done = self.add(cell, count)?;
        if done {
            expect_members(cell, None);
        }
        Ok(done)
    }

    fn add(&mut self, cell: &mut Cell<'_>, count: usize) -> Result<bool, BadData> {
        let now_ms = cell.now_ms;
        match &self.parsed {
            Parsed::Set { .. } => cell.place(|cell| self.set(cell, count)),
            Parsed::Hash { .. } => {
                let done = cell.place(|cell| self.hash(cell, now_ms, count));
                if done == Ok(true) && cell.entry().and_then(|entry| entry.fields(0)).is_some_and(Fields::is_empty) {
                    cell.remove();
                }
                done
            }
            Parsed::List { .. } => Ok(self.list(cell, count)),
            Parsed::Zset { .. } => self.zset(cell, count),
            Parsed::String(_) | Parsed::Stream(_) => {
                match std::mem::replace(&mut self.parsed, Parsed::String(Vec::new())) {
                    Parsed::Stream(stream) => cell.put_object(Box::new(Object::Stream(*stream)), Deadline::None),
                    Parsed::String(text) => cell.put_lent(&text.into(), Put::default()),
                    _ => unreachable!("seen above"),
                }
                Ok(true)
            }
        }
    }

    fn list(&mut self, cell: &mut Cell<'_>, count: usize) -> bool {
        let Parsed::List { elements, nodes } = &self.parsed else { unreachable!("seen by the caller") };
        let packing = cell.packing();
        let mut list = cell.list_mut();
        if self.at == 0 {
            self.large = match self.placed {
                Placed::AsItWas { large } => large,
                // Redis, t_list.c, listTypeTryConvertQuicklist: one node that is not too large.
                Placed::ByThresholds => *nodes > 1 || exceeds(&packing, elements),
            };
            // What is as large as can be is a quicklist; of nothing it is a listpack.
            list.prepare_pieces(if self.large { usize::MAX / 2 } else { 0 }, 0);
        }
        let mut left = count;
        while left > 0 && self.at < elements.pack.len() {
            let mut items = pack::iter::<false>(&elements.pack[self.at..]);
            let mut digits = vec![[0; 20]; PIECE.min(left)];
            let piece: Vec<&[u8]> =
                digits.iter_mut().zip(items.by_ref()).map(|(digits, (_, item))| item.text(digits)).collect();
            left -= piece.len();
            list.push_piece(End::Tail, piece.into_iter());
            self.at = items.next().map_or(elements.pack.len(), |(at, _)| self.at + at);
        }
        if self.at < elements.pack.len() {
            return false;
        }
        if !self.large {
            list.settle();
        }
        true
    }

    fn zset(&mut self, cell: &mut Cell<'_>, count: usize) -> Result<bool, BadData> {
        let Parsed::Zset { members, scores } = &self.parsed else { unreachable!("seen by the caller") };
        let mut zset = ZsetMut::of(cell).map_err(|_| BadData)?;
        let large = self.placed == Placed::AsItWas { large: true };
        let expected = if large { usize::MAX } else { members.count };
        // The longest decides before the first is added: what was packed for a moment would have lost the sign of -0.
        let shape = if self.at == 0 { zset.expect(expected, members.longest) } else { Shape::Any };
        let (n, mut good, mut left) = (&mut self.n, true, count);
        self.at = members.from(self.at, |member| {
            let score = scores.get(*n).copied().unwrap_or(f64::NAN);
            good = good && matches!(zset.add(member, score, How::default(), shape), Done::Added(_));
            *n += 1;
            left -= 1;
            good && left > 0
        });
        if good { Ok(self.at == members.pack.len()) } else { Err(BadData) }
    }

    fn set(&mut self, cell: Cell<'_>, count: usize) -> Result<bool, BadData> {
        let Parsed::Set { members, form } = &self.parsed else { unreachable!("seen by the caller") };
        let mut set = SetCell::new(cell).ok_or(BadData)?;
        let hint = match self.placed {
            Placed::AsItWas { large: true } => usize::MAX,
            _ => members.count,
        };
        let (mut good, mut is_first, mut left) = (true, self.at == 0, count);
        self.at = members.from(self.at, |member| {
            let new = match (std::mem::take(&mut is_first), form) {
                // Numbers in a listpack stay there.
                (true, Form::Packed) if hint < usize::MAX => {
                    set.restart(std::iter::once(member));
                    true
                }
                (true, _) => set.create(std::iter::once(member), hint) == 1,
                (false, _) => set.add(member),
            };
            good = good && new;
            left -= 1;
            good && left > 0
        });
        if good { Ok(self.at == members.pack.len()) } else { Err(BadData) }
    }

    fn hash(&mut self, cell: Cell<'_>, now_ms: u64, count: usize) -> Result<bool, BadData> {
        let Parsed::Hash { pairs, deadlines, form } = &self.parsed else { unreachable!("seen by the caller") };
        let mut hash = HashCell::new(cell).ok_or(BadData)?;
        if self.at == 0 {
            hash.expect(if let Placed::AsItWas { large: true } = self.placed { usize::MAX } else { 0 }, 0);
            // Of many fields Redis makes a table from the start; a packed one it takes as it is.
            if *form == Form::Table && self.placed == Placed::ByThresholds {
                hash.expect(pairs.count / 2, 0);
            }
        }
        let (mut name, mut text) = ([0; 20], [0; 20]);
        for _ in 0..count {
            let Some((field, next)) = pack::item::<false>(&pairs.pack, self.at) else { break };
            let Some((value, next)) = pack::item::<false>(&pairs.pack, next) else { break };
            self.at = next;
            let deadline = match deadlines.get(self.n).copied().unwrap_or(0) {
                0 => Deadline::None,
                at => Deadline::At(at),
            };
            self.n += 1;
            let is_due = matches!(deadline, Deadline::At(at) if at <= now_ms);
            if !is_due && !hash.put(field.text(&mut name), value.text(&mut text), deadline) {
                return Err(BadData);
            }
        }
        Ok(self.at == pairs.pack.len())
    }
}

impl<'a> Cell<'a> {
    /// Creates or replaces everything with a value as RDB files write it: a type byte, then a body; without a deadline. Where the
    /// bytes are no value nothing is changed. Fields that are due are left out; if none remain there is nothing.
    pub fn put_rdb(&mut self, bytes: &[u8], placed: Placed) -> Result<(), BadData> {
        let was_there = self.spot.is_some();
        let journal = self.take_journal();
        let done = self.place_rdb(bytes, placed);
        self.give_journal(journal);
        done?;
        self.note_rdb(was_there, placed, bytes);
        Ok(())
    }

    fn note_rdb(&mut self, was_there: bool, placed: Placed, bytes: &[u8]) {
        match self.spot {
            Some(_) => self.note(|journal| journal.rdb(placed, bytes)),
            None if was_there => self.note(Journal::remove),
            None => {}
        }
    }

    /// As `put_rdb` by thresholds, with what stands beside the value. A string where nothing was, what loading mostly meets, is made in
    /// one go.
    pub fn put_loaded(&mut self, bytes: &[u8], deadline: Option<u64>, flags: u32) -> Result<(), BadData> {
        if let [kind::STRING, body @ ..] = bytes
            && self.spot.is_none()
            && self.store.journal.is_none()
        {
            let text = read::Reader { rest: body }.string()?;
            let deadline = deadline.map_or(Deadline::None, Deadline::At);
            self.put(&text, Put { deadline, flags, ..Put::default() });
            return Ok(());
        }
        self.put_rdb(bytes, Placed::ByThresholds)?;
        // Nothing of it may be left, which these see.
        if flags != 0 {
            self.set_flags(flags);
        }
        if deadline.is_some() {
            self.set_deadline(deadline);
        }
        Ok(())
    }

    fn place_rdb(&mut self, bytes: &[u8], placed: Placed) -> Result<(), BadData> {
        let mut filling = Filling::new(read::value(bytes)?, placed);
        if let Parsed::Stream(_) = filling.parsed {
            return filling.step(self, usize::MAX).map(drop);
        }
        let old = self.lift();
        let done = filling.step(self, usize::MAX).map(drop);
        match (done, old) {
            (Ok(()), Some(old)) => self.bury(old),
            (Err(_), old) => {
                self.remove();
                old.into_iter().for_each(|old| self.set_down(old));
            }
            (Ok(()), None) => {}
        }
        done
    }

    /// Lets `place` have the cell, which it uses up.
    fn place<R>(&mut self, place: impl FnOnce(Cell<'_>) -> R) -> R {
        let Cell { ref mut store, table, hash, key, spot, now_ms } = *self;
        let result = place(Cell { store, table, hash, key, spot, now_ms });
        self.spot = self.store.places[table as usize].table.find(hash, key);
        result
    }
}

/// Whether Redis would keep a list of these elements in more than one listpack.
fn exceeds(packing: &Packing, elements: &Elements) -> bool {
    let many = match usize::try_from(packing.list_size) {
        Ok(most) => elements.count > most.max(1) || elements.pack.len() > 8192,
        Err(_) => elements.pack.len() > 1 << 16,
    };
    if many {
        // However long their lengths are.
        return true;
    }
    // An element takes its bytes and its length once more.
    let bytes: usize = LISTPACK_FRAME_BYTES
        + pack::iter::<false>(&elements.pack)
            .zip(pack::iter::<false>(&elements.pack).skip(1).map(|(at, _)| at).chain([elements.pack.len()]))
            .map(|((at, _), end)| end - at + pack::back_len_bytes(end - at))
            .sum::<usize>();
    match usize::try_from(packing.list_size) {
        // Redis, quicklist.c, SIZE_SAFETY_LIMIT.
        Ok(most) => elements.count > most.max(1) || bytes > 8192,
        Err(_) => bytes > 4096 << (packing.list_size.saturating_neg() - 1).min(4),
    }
}
