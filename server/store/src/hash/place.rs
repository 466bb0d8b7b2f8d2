//! Room: store. The place of a hash: read and written. Touches: nothing beyond this crate.

use super::packed::{HEAD_BYTES, Packed, TIMED};
use super::{Fields, Hash};
use crate::cell::{Body, Cell};
use crate::entry::PACKED_BYTES_MAX;
use crate::journal::{Op, resolved};
use crate::needle::Needle;
use crate::object::Object;
use crate::{Deadline, Kind};

/// The place of one key that holds a hash or nothing.
pub struct HashCell<'a> {
    cell: Cell<'a>,
}

/// What lies here, as writing looks at it.
enum Form {
    Absent,
    Packed(bool),
    Object,
}

impl<'a> HashCell<'a> {
    /// None if the key holds something else.
    #[inline]
    pub fn new(cell: Cell<'a>) -> Option<HashCell<'a>> {
        cell.kind().is_none_or(|kind| kind == Kind::Hash).then_some(HashCell { cell })
    }

    #[inline]
    pub fn exists(&self) -> bool {
        self.cell.spot.is_some()
    }

    #[inline]
    pub fn fields(&self) -> Option<Fields<'_>> {
        let now_ms = self.cell.now_ms;
        self.cell.entry().map(|entry| entry.fields(now_ms).expect("seen when the place was made"))
    }

    #[inline]
    fn form(&self) -> Form {
        match self.cell.body() {
            None => Form::Absent,
            Some(Body::Packed { form, .. }) => Form::Packed(form == TIMED),
            Some(_) => Form::Object,
        }
    }

    fn packed(&self) -> Packed<'_> {
        match self.cell.body() {
            Some(Body::Packed { form, bytes, .. }) => Packed::new(form, bytes),
            _ => unreachable!("callers have seen that it is packed"),
        }
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut Hash, &mut crate::Ground) -> R) -> R {
        self.cell.change_object(|object, ground, _| match object {
            Object::Hash(hash) => change(hash, ground),
            _ => unreachable!("seen when the place was made"),
        })
    }

    /// To be called before `fields` fields are put of which the longest name or value has `bytes_max` bytes. (Redis:
    /// hashTypeTryConversion.)
    pub fn expect(&mut self, fields: usize, bytes_max: usize) {
        let packing = self.cell.packing();
        if fields > packing.hash_entries || bytes_max > packing.hash_value_bytes {
            self.unpack(false);
        }
    }

    /// Makes it an object, which is there afterwards, maybe empty.
    fn unpack(&mut self, listed: bool) {
        let packed = match self.cell.body() {
            Some(Body::Packed { form, bytes, .. }) => Some((form, bytes.to_vec())),
            None => None,
            Some(_) if listed => return,
            Some(_) => return self.change(|hash, _| hash.listed = false),
        };
        let ground = self.cell.ground();
        let mut hash = match packed {
            Some((form, bytes)) => Hash::unpack(ground, Packed::new(form, &bytes)),
            None => Hash::new(ground),
        };
        hash.listed = listed;
        self.cell.put_object(Box::new(Object::Hash(hash)), Deadline::Keep);
        self.cell.set_field_timer();
    }

    /// Sets a field; its deadline goes, stays or is set as told. True if the field is new.
    pub fn put(&mut self, field: &[u8], value: &[u8], deadline: Deadline) -> bool {
        let created = self.write(field, value, deadline);
        self.note_put(field, value, deadline);
        created
    }

    #[inline]
    fn note_put(&mut self, field: &[u8], value: &[u8], deadline: Deadline) {
        if self.cell.store.journal.is_some() {
            let now = || self.fields().and_then(|fields| fields.deadline(field)).flatten();
            let deadline = resolved(deadline, now);
            self.cell.note(|journal| journal.put(field, value, deadline));
        }
    }

    fn write(&mut self, field: &[u8], value: &[u8], deadline: Deadline) -> bool {
        let packing = self.cell.packing();
        let longest = field.len().max(value.len());
        let form = self.form();
        if longest > packing.hash_value_bytes && !matches!(form, Form::Object) {
            self.unpack(false);
            return self.write(field, value, deadline);
        }
        match (form, deadline) {
            (Form::Absent | Form::Packed(false), Deadline::At(at)) => {
                let created = self.write(field, value, Deadline::None);
                self.write_deadline(field, Some(at));
                created
            }
            (Form::Absent, _) => {
                let mut bytes = Vec::with_capacity(field.len() + value.len() + 10);
                bytes.extend_from_slice(Needle::new(field).bytes());
                bytes.extend_from_slice(Needle::new(value).bytes());
                if bytes.len() > PACKED_BYTES_MAX || packing.hash_entries == 0 {
                    self.unpack(packing.hash_entries > 0);
                    return self.write(field, value, deadline);
                }
                self.cell.put_packed(Kind::Hash, 0, &bytes, Deadline::None);
                true
            }
            (Form::Packed(timed), _) => self.put_packed(timed, field, value, deadline),
            (Form::Object, _) => {
                let now_ms = self.cell.now_ms;
                let timed = matches!(deadline, Deadline::At(_));
                let (created, timed) = self.change(|hash, ground| {
                    let created = hash.put(ground, field, value, deadline, now_ms);
                    hash.listed &= hash.len() <= packing.hash_entries && longest <= packing.hash_value_bytes;
                    (created, timed || hash.timed.is_some())
                });
                if timed {
                    self.cell.set_field_timer();
                }
                created
            }
        }
    }

    /// Of a hash that is packed, and stays so unless it grows too large.
    fn put_packed(&mut self, timed: bool, field: &[u8], value: &[u8], deadline: Deadline) -> bool {
        let most = self.cell.packing().hash_entries;
        let packed = self.packed();
        let have = packed.bytes.len();
        let (name, fresh) = (Needle::new(field), Needle::new(value));
        match packed.find(&name) {
            Ok(place) => {
                let fits = have + fresh.bytes().len() - (place.deadline - place.value) <= PACKED_BYTES_MAX;
                // No field takes less than 2 bytes, so short ones need not be counted.
                if !fits || have / 2 > most && packed.len() > most {
                    let listed = packed.len() <= most;
                    self.unpack(listed);
                    return self.write(field, value, deadline);
                }
                let before = packed.deadline(place);
                self.cell.splice(place.value, place.deadline, fresh.bytes());
                let after = match deadline {
                    Deadline::None => None,
                    Deadline::Keep => before,
                    Deadline::At(at) => Some(at),
                };
                if timed && before != after {
                    let moved = place.value + fresh.bytes().len();
                    let moved_end = moved + place.end - place.deadline;
                    self.cell.splice(moved, moved_end, deadline_needle(after).bytes());
                    self.cell.set_field_timer();
                }
                false
            }
            Err(count) => {
                let more = name.bytes().len() + fresh.bytes().len() + 9;
                if count + 1 > most || have + more > PACKED_BYTES_MAX {
                    self.unpack(count < most);
                    return self.write(field, value, deadline);
                }
                let mut short = [0; 160];
                let mut long = Vec::new();
                let at = if let Deadline::At(at) = deadline { Some(at) } else { None };
                let due = deadline_needle(at);
                let parts = [name.bytes(), fresh.bytes(), if timed { due.bytes() } else { &[] }];
                self.cell.splice(have, have, join(&parts, &mut short, &mut long));
                if at.is_some() {
                    self.cell.set_field_timer();
                }
                true
            }
        }
    }

    /// Sets several fields of a hash that is not there; as many `put`s would do, in one piece.
    pub fn put_all<'b>(&mut self, pairs: impl Iterator<Item = (&'b [u8], &'b [u8])> + Clone) -> usize {
        let created = self.write_all(pairs.clone());
        if self.cell.store.journal.is_some() {
            pairs.for_each(|(field, value)| self.note_put(field, value, Deadline::None));
        }
        created
    }

    fn write_all<'b>(&mut self, pairs: impl Iterator<Item = (&'b [u8], &'b [u8])> + Clone) -> usize {
        let packing = self.cell.packing();
        if !matches!(self.form(), Form::Absent) {
            return pairs.filter(|(field, value)| self.write(field, value, Deadline::None)).count();
        }
        let mut bytes = Vec::with_capacity(pairs.clone().map(|(field, value)| field.len() + value.len() + 2).sum());
        let mut created = 0;
        for (done, (field, value)) in pairs.clone().enumerate() {
            let name = Needle::new(field);
            let fresh = Needle::new(value);
            let packed = Packed { bytes: &bytes, timed: false };
            let longest = field.len().max(value.len());
            match packed.find(&name) {
                Ok(place) => drop(bytes.splice(place.value..place.end, fresh.bytes().iter().copied())),
                Err(_) => {
                    created += 1;
                    bytes.extend_from_slice(name.bytes());
                    bytes.extend_from_slice(fresh.bytes());
                }
            }
            if longest > packing.hash_value_bytes || created > packing.hash_entries || bytes.len() > PACKED_BYTES_MAX {
                let listed = longest <= packing.hash_value_bytes && created <= packing.hash_entries;
                let ground = self.cell.ground();
                let mut hash = Hash::unpack(ground, Packed { bytes: &bytes, timed: false });
                hash.listed = listed;
                self.cell.put_object(Box::new(Object::Hash(hash)), Deadline::None);
                for (field, value) in pairs.skip(done + 1) {
                    created += usize::from(self.write(field, value, Deadline::None));
                }
                return created;
            }
        }
        if created > 0 {
            self.cell.put_packed(Kind::Hash, 0, &bytes, Deadline::None);
        }
        created
    }

    /// Removes a field; the key goes with the last one. True if there was the field.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let (removed, found) = self.take_out(field);
        if removed && self.exists() {
            self.cell.note(|journal| journal.named(Op::HashRemove, field));
        }
        found
    }

    /// Whether there was something to remove, and whether it was still to be seen.
    fn take_out(&mut self, field: &[u8]) -> (bool, bool) {
        match self.form() {
            Form::Absent => (false, false),
            Form::Packed(timed) => {
                let packed = self.packed();
                let Ok(place) = packed.find(&Needle::new(field)) else { return (false, false) };
                let had_deadline = packed.deadline(place).is_some();
                let rest = packed.bytes.len() - (place.end - place.at);
                if rest == if timed { HEAD_BYTES } else { 0 } {
                    self.cell.remove();
                    return (true, true);
                }
                self.cell.splice(place.at, place.end, &[]);
                if had_deadline {
                    self.cell.set_field_timer();
                }
                (true, true)
            }
            Form::Object => {
                let now_ms = self.cell.now_ms;
                let ((removed, found), timed, empty) = self.change(|hash, ground| {
                    let Some(spot) = hash.members.find(ground, field) else { return ((false, false), false, false) };
                    let there = hash.members.at(spot).deadline().is_none_or(|deadline| deadline > now_ms);
                    hash.remove(ground, spot);
                    ((true, there), hash.timed.is_some(), hash.is_empty())
                });
                if empty {
                    self.cell.remove();
                } else if timed {
                    self.cell.set_field_timer();
                }
                (removed, found)
            }
        }
    }

    /// Sets or takes a field's deadline; it must not have come. Nothing happens if there is no such field.
    pub fn set_deadline(&mut self, field: &[u8], deadline: Option<u64>) {
        if self.write_deadline(field, deadline) {
            self.cell.note(|journal| journal.field_deadline(field, deadline));
        }
    }

    /// False if nothing is different.
    fn write_deadline(&mut self, field: &[u8], deadline: Option<u64>) -> bool {
        match self.form() {
            Form::Absent => false,
            Form::Packed(false) if deadline.is_none() => false,
            Form::Packed(false) => {
                let packed = self.packed();
                if packed.find(&Needle::new(field)).is_err() {
                    return false;
                }
                let bytes = packed.with_deadlines();
                if bytes.len() > PACKED_BYTES_MAX {
                    self.unpack(true);
                } else {
                    self.cell.put_packed(Kind::Hash, TIMED, &bytes, Deadline::Keep);
                }
                self.write_deadline(field, deadline)
            }
            Form::Packed(true) => {
                let packed = self.packed();
                let Ok(place) = packed.find(&Needle::new(field)) else { return false };
                if packed.deadline(place) == deadline {
                    return false;
                }
                if packed.bytes.len() + 9 > PACKED_BYTES_MAX {
                    self.unpack(true);
                    return self.write_deadline(field, deadline);
                }
                self.cell.splice(place.deadline, place.end, deadline_needle(deadline).bytes());
                self.cell.set_field_timer();
                true
            }
            Form::Object => {
                let changed = self.change(|hash, ground| {
                    let Some(spot) = hash.members.find(ground, field) else { return false };
                    let changed = hash.members.at(spot).deadline() != deadline;
                    hash.set_deadline(ground, spot, deadline);
                    changed
                });
                self.cell.set_field_timer();
                changed
            }
        }
    }
}

/// A deadline as an element.
fn deadline_needle(deadline: Option<u64>) -> Needle {
    // Commands take none beyond 2^46 or so.
    Needle::number(deadline.map_or(0, |at| i64::try_from(at).unwrap_or(i64::MAX)))
}

/// The parts as one piece, on the stack unless they are long.
fn join<'b>(parts: &[&[u8]], short: &'b mut [u8; 160], long: &'b mut Vec<u8>) -> &'b [u8] {
    let len = parts.iter().map(|part| part.len()).sum();
    if len > short.len() {
        parts.iter().for_each(|part| long.extend_from_slice(part));
        return long;
    }
    let mut at = 0;
    for part in parts {
        short[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    &short[..len]
}
