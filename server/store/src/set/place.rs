//! Room: store. The place of a set: read and written. Touches: nothing beyond this crate.

use super::build::Build;
use super::{Called, Elements, INTS, Packed, Set, fits_listpack, ints};
use crate::cell::{Body, Cell};
use crate::entry::PACKED_BYTES_MAX;
use crate::journal::Op;
use crate::needle::Needle;
use crate::object::Object;
use crate::pack;
use crate::set::ints::Ints;
use crate::table::Ground;
use crate::{Deadline, Kind};

/// The place of one key that holds a set or nothing.
pub struct SetCell<'a> {
    cell: Cell<'a>,
}

enum Form {
    Absent,
    Packed,
    Ints,
    Object,
}

impl<'a> SetCell<'a> {
    /// None if the key holds something else.
    #[inline]
    pub fn new(cell: Cell<'a>) -> Option<SetCell<'a>> {
        cell.kind().is_none_or(|kind| kind == Kind::Set).then_some(SetCell { cell })
    }

    #[inline]
    pub fn exists(&self) -> bool {
        self.cell.spot.is_some()
    }

    #[inline]
    pub fn elements(&self) -> Option<Elements<'_>> {
        self.cell.entry().map(|entry| entry.elements().expect("seen when the place was made"))
    }

    #[inline]
    fn form(&self) -> Form {
        match self.cell.body() {
            None => Form::Absent,
            Some(Body::Packed { form: INTS, .. }) => Form::Ints,
            Some(Body::Packed { .. }) => Form::Packed,
            Some(_) => Form::Object,
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self.cell.body() {
            Some(Body::Packed { bytes, .. }) => bytes,
            _ => unreachable!("callers have seen that it is packed"),
        }
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut Set, &mut Ground) -> R) -> R {
        self.cell.change_object(|object, ground, _| match object {
            Object::Set(set) => change(set, ground),
            _ => unreachable!("seen when the place was made"),
        })
    }

    /// To be called before `members` members are added to a set that is there. (Redis: setTypeMaybeConvert.)
    pub fn expect(&mut self, members: usize) {
        let packing = self.cell.packing();
        match self.form() {
            Form::Packed if members > packing.set_entries => self.unpack(Called::Hashtable),
            Form::Ints if members > packing.intset_entries => self.unpack(Called::Hashtable),
            Form::Object => self.change(|set, _| {
                let most = if set.called == Called::Intset { packing.intset_entries } else { packing.set_entries };
                if members > most {
                    set.called = Called::Hashtable;
                }
            }),
            _ => {}
        }
    }

    /// What is packed becomes a table.
    fn unpack(&mut self, called: Called) {
        let mut build = match self.cell.body() {
            Some(Body::Packed { form, bytes, .. }) => Build::from_packed(form, bytes),
            _ => return,
        };
        build.unpack(self.cell.ground(), called);
        build.put(&mut self.cell, Deadline::Keep);
    }

    /// Adds members where there is no set: at least one. `hint`: how many there will be, more of which may be added later. How
    /// many are different.
    pub fn create<'b>(&mut self, members: impl Iterator<Item = &'b [u8]>, hint: usize) -> usize {
        let packing = self.cell.packing();
        let mut members = members.peekable();
        let Some(&first) = members.peek() else { return 0 };
        let mut journal = self.cell.take_journal();
        let ground = self.cell.ground();
        let mut build = Build::new(ground, &packing, first, hint);
        let mut added = 0;
        for member in members {
            if build.add(ground, &packing, member) {
                added += 1;
                if let Some(journal) = &mut journal {
                    journal.named(Op::Add, member);
                }
            }
        }
        build.put(&mut self.cell, Deadline::None);
        self.cell.give_journal(journal);
        added
    }

    /// Adds a member; true if it is new. Redis: setTypeAddAux.
    pub fn add(&mut self, member: &[u8]) -> bool {
        if !self.exists() {
            return self.create(std::iter::once(member), 1) == 1;
        }
        let added = self.write(member);
        if added {
            self.cell.note(|journal| journal.named(Op::Add, member));
        }
        added
    }

    /// Of a set that is there.
    fn write(&mut self, member: &[u8]) -> bool {
        let packing = self.cell.packing();
        match self.form() {
            Form::Absent => unreachable!("callers have seen that it is there"),
            Form::Object => self.change(|set, ground| set.add(ground, &packing, member)),
            Form::Packed => {
                let packed = Packed(self.bytes());
                let needle = Needle::new(member);
                let Err(len) = packed.find(&needle) else { return false };
                let have = packed.0.len();
                if !fits_listpack(&packing, len, member.len()) {
                    self.unpack(Called::Hashtable);
                } else if have + needle.bytes().len() > PACKED_BYTES_MAX {
                    self.unpack(Called::Listpack);
                } else {
                    self.cell.splice(have, have, needle.bytes());
                    return true;
                }
                self.write(member)
            }
            Form::Ints => {
                let ints = Ints::new(self.bytes());
                let Some(n) = pack::number(member) else { return self.rebuild(member) };
                let Err(at) = ints.find(n) else { return false };
                let (len, width) = (ints.len() + 1, ints.width());
                if len > packing.intset_entries || 1 + len * 8 > PACKED_BYTES_MAX || ints::width_of(n) > width {
                    return self.rebuild(member);
                }
                let at = 1 + at * width;
                self.cell.splice(at, at, &n.to_le_bytes()[..width]);
                true
            }
        }
    }

    /// Adds a member that changes what the set is made of.
    #[cold]
    fn rebuild(&mut self, member: &[u8]) -> bool {
        let packing = self.cell.packing();
        let mut build = match self.cell.body() {
            Some(Body::Packed { form, bytes, .. }) => Build::from_packed(form, bytes),
            _ => unreachable!("callers have seen that it is packed"),
        };
        let added = build.add(self.cell.ground(), &packing, member);
        build.put(&mut self.cell, Deadline::Keep);
        added
    }

    /// Removes a member; the key goes with the last one. True if it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let removed = self.take_out(member);
        if removed {
            self.note_removed(member);
        }
        removed
    }

    /// The key went with the last one: that was noted.
    fn note_removed(&mut self, member: &[u8]) {
        if self.exists() {
            self.cell.note(|journal| journal.named(Op::SetRemove, member));
        }
    }

    fn take_out(&mut self, member: &[u8]) -> bool {
        match self.form() {
            Form::Absent => false,
            Form::Packed => match Packed(self.bytes()).find(&Needle::new(member)) {
                Ok((at, end)) => {
                    self.cut(at, end, 0);
                    true
                }
                Err(_) => false,
            },
            Form::Ints => {
                let ints = Ints::new(self.bytes());
                let Some(Ok(at)) = pack::number(member).map(|n| ints.find(n)) else { return false };
                let (at, width) = (1 + at * ints.width(), ints.width());
                self.cut(at, at + width, 1);
                true
            }
            Form::Object => {
                let (found, empty) = self.change(|set, ground| {
                    let spot = set.members.find(ground, member);
                    if let Some(spot) = spot {
                        set.members.remove(ground, spot);
                    }
                    (spot.is_some(), set.is_empty())
                });
                if empty {
                    self.cell.remove();
                }
                found
            }
        }
    }

    /// Takes bytes out of what is packed; the key goes if only `head` bytes remain.
    fn cut(&mut self, at: usize, end: usize, head: usize) {
        if self.bytes().len() - (end - at) == head {
            self.cell.remove();
        } else {
            self.cell.splice(at, end, &[]);
        }
    }

    /// Removes a random member of a set that is there, each as likely as any other.
    pub fn pop(&mut self) -> Vec<u8> {
        let member = self.take_any();
        self.note_removed(&member);
        member
    }

    fn take_any(&mut self) -> Vec<u8> {
        let draw = self.cell.rng().draw();
        let below = |len: usize| ((u128::from(draw) * len as u128) >> 64) as usize;
        match self.form() {
            Form::Absent => unreachable!("callers have seen that it is there"),
            Form::Packed => {
                let packed = Packed(self.bytes());
                let len = crate::needle::count(packed.0, 0);
                let at = packed.starts().nth(below(len)).expect("below their number");
                let end = crate::needle::skip(packed.0, at);
                let member = packed.text(at).to_vec();
                self.cut(at, end, 0);
                member
            }
            Form::Ints => {
                let ints = Ints::new(self.bytes());
                let (i, width) = (below(ints.len()), ints.width());
                let member = pack::write_number(ints.get(i), &mut [0; 20]).to_vec();
                self.cut(1 + i * width, 1 + (i + 1) * width, 1);
                member
            }
            Form::Object => {
                let (member, empty) = self.change(|set, ground| {
                    let mut rng = crate::Rng::new(draw);
                    let spot = set.members.draw(ground, &mut rng).expect("a set that is there is not empty");
                    let member = set.members.at(spot).name().to_vec();
                    set.members.remove(ground, spot);
                    (member, set.is_empty())
                });
                if empty {
                    self.cell.remove();
                }
                member
            }
        }
    }

    /// Removes all but some members, small sets only: of members in order, `keep` says which stay; `gone` hears of the others.
    pub fn thin(&mut self, keep: impl FnMut() -> bool, mut gone: impl FnMut(crate::hash::Text<'_>)) {
        let mut journal = self.cell.take_journal();
        self.thin_out(keep, |member| {
            if let Some(journal) = &mut journal {
                journal.named(Op::SetRemove, member.bytes(&mut [0; 20]));
            }
            gone(member);
        });
        if let Some(journal) = &mut journal
            && !self.exists()
        {
            journal.remove();
        }
        self.cell.give_journal(journal);
    }

    fn thin_out(&mut self, mut keep: impl FnMut() -> bool, mut gone: impl FnMut(crate::hash::Text<'_>)) {
        let (form, bytes) = match self.cell.body() {
            Some(Body::Packed { form, bytes, .. }) => (form, bytes),
            _ => unreachable!("callers have seen that it is packed"),
        };
        let mut kept = Vec::with_capacity(bytes.len());
        let head = usize::from(form == INTS);
        kept.extend_from_slice(&bytes[..head]);
        if form == INTS {
            let ints = Ints::new(bytes);
            for n in ints.iter() {
                if keep() {
                    ints::push(&mut kept, n, ints.width());
                } else {
                    gone(crate::hash::Text::Number(n));
                }
            }
        } else {
            let packed = Packed(bytes);
            for at in packed.starts() {
                if keep() {
                    kept.extend_from_slice(&bytes[at..crate::needle::skip(bytes, at)]);
                } else {
                    gone(packed.text(at));
                }
            }
        }
        let len = bytes.len();
        if kept.len() == head {
            self.cell.remove();
        } else {
            self.cell.splice(0, len, &kept);
        }
    }

    /// A set of nothing but `kept`, which are some of its members, takes its place: after most of it was popped. Redis
    /// builds it anew, so a table may become "listpack" again.
    pub fn restart<'b>(&mut self, kept: impl ExactSizeIterator<Item = &'b [u8]> + Clone) {
        let packing = self.cell.packing();
        self.cell.note(|journal| journal.retain(kept.clone()));
        let mut build = Build::packed();
        let ground = self.cell.ground();
        kept.for_each(|member| {
            build.add(ground, &packing, member);
        });
        build.put(&mut self.cell, Deadline::Keep);
    }
}
