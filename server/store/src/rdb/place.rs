//! Room: store. A parsed value becomes an entry. Touches: nothing beyond this crate.

use super::read::{self, Elements, Form, Parsed};
use super::{BadData, kind};
use crate::cell::Cell;
use crate::hash::{Fields, HashCell};
use crate::journal::Journal;
use crate::list::End;
use crate::object::Object;
use crate::pack;
use crate::set::SetCell;
use crate::zset::{Done, How, ZsetMut};
use crate::{Deadline, Packing, Put};

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

impl<'a> Cell<'a> {
    /// Creates or replaces everything with a value as RDB files write it: a type byte, then a body; without a deadline. Where the
    /// bytes are no value nothing is changed. Fields that are due are left out; if none remain there is nothing.
    pub fn put_rdb(&mut self, bytes: &[u8], placed: Placed) -> Result<(), BadData> {
        let was_there = self.spot.is_some();
        let journal = self.take_journal();
        let done = self.place_rdb(bytes, placed);
        self.give_journal(journal);
        done?;
        match self.spot {
            Some(_) => self.note(|journal| journal.rdb(placed, bytes)),
            None if was_there => self.note(Journal::remove),
            None => {}
        }
        Ok(())
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
        let parsed = match read::value(bytes)? {
            Parsed::Stream(stream) => {
                self.put_object(Box::new(Object::Stream(*stream)), Deadline::None);
                return Ok(());
            }
            parsed => parsed,
        };
        let now_ms = self.now_ms;
        // Only while it is placed is it seen whether two members are the same.
        let old = self.lift();
        let done = match &parsed {
            Parsed::String(text) => {
                self.put(text, Put::default());
                Ok(())
            }
            Parsed::List { elements, nodes } => {
                self.place_list(elements, *nodes, placed);
                Ok(())
            }
            Parsed::Set { members, form } => self.place(|cell| place_set(cell, members, *form, placed)),
            Parsed::Hash { pairs, deadlines, form } => {
                let done = self.place(|cell| place_hash(cell, pairs, deadlines, *form, placed, now_ms));
                if self.entry().and_then(|entry| entry.fields(0)).is_some_and(Fields::is_empty) {
                    self.remove();
                }
                done
            }
            Parsed::Zset { members, scores } => self.place_zset(members, scores, placed),
            Parsed::Stream(_) => unreachable!("placed above"),
        };
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

    fn place_list(&mut self, elements: &Elements, nodes: usize, placed: Placed) {
        let packing = self.packing();
        let large = match placed {
            Placed::AsItWas { large } => large,
            // Redis, t_list.c, listTypeTryConvertQuicklist: one node that is not too large.
            Placed::ByThresholds => nodes > 1 || exceeds(&packing, elements),
        };
        let mut list = self.list_mut();
        // What is as large as can be is a quicklist; of nothing it is a listpack.
        list.prepare_pieces(if large { usize::MAX / 2 } else { 0 }, 0);
        let mut items = elements.items().peekable();
        let mut digits = vec![[0; 20]; PIECE];
        while items.peek().is_some() {
            let piece: Vec<&[u8]> =
                digits.iter_mut().zip(items.by_ref()).map(|(digits, item)| item.text(digits)).collect();
            list.push_piece(End::Tail, piece.into_iter());
        }
        if !large {
            list.settle();
        }
    }

    fn place_zset(&mut self, members: &Elements, scores: &[f64], placed: Placed) -> Result<(), BadData> {
        let mut zset = ZsetMut::of(self).map_err(|_| BadData)?;
        let large = placed == Placed::AsItWas { large: true };
        let expected = if large { usize::MAX } else { members.count };
        // The longest decides before the first is added: what was packed for a moment would have lost the sign of -0.
        let longest = members.items().map(|item| item.text_len()).max().unwrap_or(0);
        let shape = zset.expect(expected, longest);
        let (mut scores, mut good) = (scores.iter(), true);
        members.each(|member| {
            let score = scores.next().copied().unwrap_or(f64::NAN);
            good = good && matches!(zset.add(member, score, How::default(), shape), Done::Added(_));
        });
        if good { Ok(()) } else { Err(BadData) }
    }
}

/// Whether Redis would keep a list of these elements in more than one listpack.
fn exceeds(packing: &Packing, elements: &Elements) -> bool {
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

fn place_set(cell: Cell<'_>, members: &Elements, form: Form, placed: Placed) -> Result<(), BadData> {
    let mut set = SetCell::new(cell).ok_or(BadData)?;
    let hint = match placed {
        Placed::AsItWas { large: true } => usize::MAX,
        _ => members.count,
    };
    let (mut good, mut is_first) = (true, true);
    members.each(|member| {
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
    });
    if good { Ok(()) } else { Err(BadData) }
}

fn place_hash(
    cell: Cell<'_>,
    pairs: &Elements,
    deadlines: &[u64],
    form: Form,
    placed: Placed,
    now_ms: u64,
) -> Result<(), BadData> {
    let mut hash = HashCell::new(cell).ok_or(BadData)?;
    let large = match placed {
        Placed::AsItWas { large } => large,
        Placed::ByThresholds => false,
    };
    hash.expect(if large { usize::MAX } else { 0 }, 0);
    // Of many fields Redis makes a table from the start; a packed one it takes as it is.
    if form == Form::Table && placed == Placed::ByThresholds {
        hash.expect(pairs.count / 2, 0);
    }
    let (mut name, mut text) = ([0; 20], [0; 20]);
    let (mut good, mut n) = (true, 0);
    let mut items = pairs.items();
    while let (Some(field), Some(value)) = (items.next(), items.next()) {
        let deadline = match deadlines.get(n).copied().unwrap_or(0) {
            0 => Deadline::None,
            at => Deadline::At(at),
        };
        n += 1;
        if matches!(deadline, Deadline::At(at) if at <= now_ms) {
            continue;
        }
        good = good && hash.put(field.text(&mut name), value.text(&mut text), deadline);
    }
    if good { Ok(()) } else { Err(BadData) }
}
