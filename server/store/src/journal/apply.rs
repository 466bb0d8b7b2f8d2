//! Room: store. Effects replayed, through the same typed calls that made them. Touches: base.
//!
//! Nothing in the bytes is trusted: what does not fit what is here is an error, and what came before it stays done.

use super::Op;
use crate::cell::{Cell, Lifted};
use crate::hash::HashCell;
use crate::list::{End, Needle};
use crate::rdb::Placed;
use crate::set::SetCell;
use crate::store::Store;
use crate::stream::{self, Id, Nack, Trim};
use crate::zset::{Done, How, Shape, ZsetMut};
use crate::{Deadline, Encoding, Kind, Packing, Put, age, fields};
use base::DbId;

/// No key is longer (Redis: a bulk string's usual limit).
const KEY_BYTES_MAX: usize = 1 << 29;
/// No store comes to more.
const VERSIONS_MAX: u64 = 1 << 62;

/// The bytes are no effects, or not of what is here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadEffects {
    /// Where the effect begins.
    pub at: usize,
    pub what: &'static str,
}

const NO_KEY: &str = "no key is named";
const ENDS: &str = "the effect is not whole";
const TYPE: &str = "the key holds another type";
const ABSENT: &str = "there is no such key";
const INDEX: &str = "there is no such element";
const RANGE: &str = "a number is out of range";
const ID: &str = "the id does not fit the stream";
const GROUP: &str = "there is no such group or consumer";

pub(super) fn placed_code(placed: Placed) -> u8 {
    match placed {
        Placed::ByThresholds => 0,
        Placed::AsItWas { large: false } => 1,
        Placed::AsItWas { large: true } => 2,
    }
}

fn placed(code: u8) -> Option<Placed> {
    [Placed::ByThresholds, Placed::AsItWas { large: false }, Placed::AsItWas { large: true }]
        .get(code as usize)
        .copied()
}

/// Bytes that are taken from the front.
struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Read<u8> {
        let byte = *self.all.get(self.at).ok_or(ENDS)?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Read<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if shift == 63 && byte > 1 { Err(RANGE) } else { Ok(n) };
            }
        }
        Err(RANGE)
    }

    fn signed(&mut self) -> Read<i64> {
        self.number().map(|n| (n >> 1) as i64 ^ -((n & 1) as i64))
    }

    fn size(&mut self) -> Read<usize> {
        usize::try_from(self.number()?).map_err(|_| RANGE)
    }

    fn text(&mut self) -> Read<&'a [u8]> {
        let len = self.size()?;
        let end = self.at.checked_add(len).ok_or(ENDS)?;
        let text = self.all.get(self.at..end).ok_or(ENDS)?;
        self.at = end;
        Ok(text)
    }

    fn id(&mut self) -> Read<Id> {
        Ok(Id::new(self.number()?, self.number()?))
    }

    fn db(&mut self, store: &Store) -> Read<DbId> {
        let db = u16::try_from(self.number()?).map_err(|_| RANGE)?;
        if db < store.databases() { Ok(DbId(db)) } else { Err(RANGE) }
    }

    fn encoding(&mut self) -> Read<Encoding> {
        encoding(self.byte()?)
    }

    /// So many texts, as many as there are bytes for.
    fn texts(&mut self) -> Read<Vec<&'a [u8]>> {
        let count = self.size()?;
        let mut texts = Vec::with_capacity(count.min(self.all.len() - self.at));
        for _ in 0..count {
            texts.push(self.text()?);
        }
        Ok(texts)
    }
}

fn encoding(form: u8) -> Read<Encoding> {
    [Encoding::Auto, Encoding::Raw, Encoding::Text].get(form as usize).copied().ok_or(RANGE)
}

/// What effects are about, and what one has lifted.
struct Replay<'a> {
    now_ms: u64,
    value_bytes_max: usize,
    key: Option<(DbId, &'a [u8])>,
    group: Option<&'a [u8]>,
    consumer: Option<&'a [u8]>,
    lifted: Option<Lifted>,
}

impl Store {
    /// Does once more what `take_effects` told of another store that began with the same data. `now_ms`: when that was;
    /// nothing expires by it. `value_bytes_max`: no string grows beyond it by a patch.
    pub fn apply(&mut self, effects: &[u8], now_ms: u64, value_bytes_max: usize) -> Result<(), BadEffects> {
        let mut from = Reader { all: effects, at: 0 };
        let mut replay = Replay { now_ms, value_bytes_max, key: None, group: None, consumer: None, lifted: None };
        let mut done = Ok(());
        while done.is_ok() && from.at < effects.len() {
            let at = from.at;
            done = replay.one(self, &mut from).map_err(|what| BadEffects { at, what });
        }
        if let Some(lifted) = replay.lifted {
            self.place(DbId::ZERO, b"", now_ms).bury(lifted);
        }
        done
    }

    /// As `cell`, but what has expired is there: that it goes is an effect.
    fn place<'a>(&'a mut self, db: DbId, key: &'a [u8], now_ms: u64) -> Cell<'a> {
        let hash = self.ground.keyed.hash(key);
        let table = self.dbs[db.index()];
        let spot = self.places[table as usize].table.find(hash, key);
        Cell { store: self, table, hash, key, spot, now_ms }
    }
}

/// The key must hold this.
fn must_be(cell: &Cell<'_>, kind: Kind) -> Read<()> {
    match cell.kind() {
        Some(here) if here == kind => Ok(()),
        Some(_) => Err(TYPE),
        None => Err(ABSENT),
    }
}

/// The key must hold this or nothing.
fn may_be(cell: &Cell<'_>, kind: Kind) -> Read<()> {
    if cell.kind().is_none_or(|here| here == kind) { Ok(()) } else { Err(TYPE) }
}

impl<'a> Replay<'a> {
    fn one(&mut self, store: &mut Store, from: &mut Reader<'a>) -> Read<()> {
        let op = Op::of(from.byte()?).ok_or("there is no such effect")?;
        match op {
            Op::At => {
                let (db, key) = (from.db(store)?, from.text()?);
                if key.len() > KEY_BYTES_MAX {
                    return Err(RANGE);
                }
                (self.key, self.group, self.consumer) = (Some((db, key)), None, None);
                return Ok(());
            }
            Op::Flush => {
                let db = from.db(store)?;
                store.flush(db);
                return Ok(());
            }
            Op::Swap => {
                let (a, b) = (from.db(store)?, from.db(store)?);
                store.swap(a, b);
                return Ok(());
            }
            Op::Versions => {
                let version = from.number()?;
                if version > VERSIONS_MAX {
                    return Err(RANGE);
                }
                store.raise_version(version);
                return Ok(());
            }
            _ => {}
        }
        let (db, key) = self.key.ok_or(NO_KEY)?;
        let mut cell = store.place(db, key, self.now_ms);
        match op as u8 {
            0x10..0x20 => self.entry(op, cell, from),
            0x20..0x30 => list(op, &mut cell, from),
            0x30..0x40 => set(op, cell, from),
            0x40..0x50 => hash(op, cell, from),
            0x50..0x60 => zset(op, &mut cell, from),
            _ => self.stream(op, &mut cell, from),
        }
    }

    fn entry(&mut self, op: Op, mut cell: Cell<'_>, from: &mut Reader<'a>) -> Read<()> {
        match op {
            Op::String => {
                let shape = from.byte()?;
                let encoding = encoding(shape & 3)?;
                let deadline = if shape & 4 != 0 { Deadline::At(from.number()?) } else { Deadline::None };
                let flags = if shape & 8 != 0 { u32::try_from(from.number()?).map_err(|_| RANGE)? } else { 0 };
                cell.put(from.text()?, Put { deadline, flags, encoding });
            }
            Op::Rdb => {
                let placed = placed(from.byte()?).ok_or(RANGE)?;
                // No field is due: those that are go by effects of their own.
                cell.now_ms = 0;
                cell.put_rdb(from.text()?, placed).map_err(|_| "the value is none")?;
                cell.set_age(Some(age::new(&cell.store.tuning, self.now_ms)));
            }
            Op::Deadline | Op::Persist => {
                let deadline = if op == Op::Deadline { Some(from.number()?) } else { None };
                cell.entry().ok_or(ABSENT)?;
                cell.set_deadline(deadline);
            }
            Op::Flags => {
                let flags = u32::try_from(from.number()?).map_err(|_| RANGE)?;
                cell.entry().ok_or(ABSENT)?;
                cell.set_flags(flags);
            }
            Op::Remove => {
                cell.remove();
            }
            Op::Append | Op::Prepend => {
                let encoding = from.encoding()?;
                let text = from.text()?;
                may_be(&cell, Kind::String)?;
                if op == Op::Append {
                    cell.append(text, encoding)
                } else {
                    cell.prepend(text, encoding)
                };
            }
            Op::Patch => {
                let (offset, patch) = (from.size()?, from.text()?);
                may_be(&cell, Kind::String)?;
                let len = cell.entry().map_or(0, |entry| entry.bytes().len());
                let end = offset.checked_add(patch.len()).ok_or(RANGE)?;
                // Inside what is there it grows nothing.
                if end > self.value_bytes_max && offset > len {
                    return Err(RANGE);
                }
                cell.patch(offset, patch);
            }
            Op::Encoding => {
                let encoding = from.encoding()?;
                must_be(&cell, Kind::String)?;
                cell.set_encoding(encoding);
            }
            Op::Lift => {
                let lifted = cell.lift().ok_or(ABSENT)?;
                if let Some(before) = self.lifted.replace(lifted) {
                    cell.bury(before);
                }
            }
            Op::SetDown => cell.set_down(self.lifted.take().ok_or("nothing was lifted")?),
            _ => unreachable!("the others are no effects on any entry"),
        }
        Ok(())
    }

    fn stream(&mut self, op: Op, cell: &mut Cell<'_>, from: &mut Reader<'a>) -> Read<()> {
        if op == Op::Create {
            if cell.entry().is_some() {
                return Err("the key is there already");
            }
            cell.create_stream();
            return Ok(());
        }
        must_be(cell, Kind::Stream)?;
        match op {
            Op::Entry => {
                let (id, words) = (from.id()?, from.texts()?);
                let bytes = words.iter().map(|word| word.len()).sum::<usize>();
                if words.is_empty() || !words.len().is_multiple_of(2) || bytes > stream::ENTRY_BYTES_MAX {
                    return Err(RANGE);
                }
                let packing: Packing = cell.packing();
                cell.change_stream(|stream| {
                    if id <= stream.log().last() {
                        return Err(ID);
                    }
                    stream.log_mut().append(id, words.iter().copied(), &packing);
                    Ok(())
                })
            }
            Op::Drop => {
                let count = from.number()?;
                cell.change_stream(|stream| {
                    let left = stream.log().len().checked_sub(count).ok_or(RANGE)?;
                    let mut trim = Trim { bound: stream::Bound::Len(left), approximate: false, limit: 0, removed: 0 };
                    stream.log_mut().trim(&mut trim, usize::MAX);
                    Ok(())
                })
            }
            Op::Delete => {
                let id = from.id()?;
                if cell.change_stream(|stream| stream.log_mut().delete(id)) { Ok(()) } else { Err(ID) }
            }
            Op::SetLast => {
                let id = from.id()?;
                cell.change_stream(|stream| {
                    if stream.log().range_back(Id::MIN, Id::MAX).next().is_some_and(|top| id < top.id) {
                        return Err(ID);
                    }
                    stream.log_mut().set_last(id);
                    Ok(())
                })
            }
            Op::SetMaxDeleted => {
                let id = from.id()?;
                cell.change_stream(|stream| stream.log_mut().set_max_deleted(id));
                Ok(())
            }
            Op::SetAdded => {
                let added = from.number()?;
                cell.change_stream(|stream| stream.log_mut().set_added(added));
                Ok(())
            }
            Op::GroupCreate => {
                let (name, last, read) = (from.text()?, from.id()?, from.signed()?);
                let created = cell.change_stream(|stream| stream.create_group(name, last, read));
                if created { Ok(()) } else { Err("the group is there already") }
            }
            Op::GroupDestroy => {
                let name = from.text()?;
                if cell.destroy_group(name) { Ok(()) } else { Err(GROUP) }
            }
            Op::Group => {
                (self.group, self.consumer) = (Some(from.text()?), None);
                Ok(())
            }
            _ => self.group(op, cell, from),
        }
    }

    fn group(&mut self, op: Op, cell: &mut Cell<'_>, from: &mut Reader<'a>) -> Read<()> {
        let name = self.group.ok_or(GROUP)?;
        let consumer = self.consumer;
        let done = match op {
            Op::GroupState => {
                let (last, read) = (from.id()?, from.signed()?);
                cell.change_stream(|stream| {
                    stream.change_group(name, |group, _| {
                        group.set(last, read);
                        Ok(())
                    })
                })
            }
            Op::Consumer => {
                let (consumer, seen_ms) = (from.text()?, from.signed()?);
                self.consumer = Some(consumer);
                cell.change_stream(|stream| {
                    stream.change_group(name, |group, _| {
                        let (id, _) = group.find_or_create(consumer, 0);
                        group.see(id, seen_ms);
                        Ok(())
                    })
                })
            }
            Op::Assign => {
                let (id, delivered_ms, deliveries) = (from.id()?, from.signed()?, from.number()?);
                cell.change_stream(|stream| {
                    stream.change_group(name, |group, _| {
                        let consumer = consumer.and_then(|consumer| group.find(consumer)).ok_or(GROUP)?;
                        group.assign(id, Nack { consumer, delivered_ms, deliveries });
                        Ok(())
                    })
                })
            }
            Op::Active => {
                let ms = from.signed()?;
                cell.change_stream(|stream| {
                    stream.change_group(name, |group, _| {
                        let consumer = consumer.and_then(|consumer| group.find(consumer)).ok_or(GROUP)?;
                        group.activate(consumer, ms);
                        Ok(())
                    })
                })
            }
            Op::Settle => {
                let id = from.id()?;
                cell.change_stream(|stream| {
                    stream.change_group(name, |group, _| if group.settle(id) { Ok(()) } else { Err(ID) })
                })
            }
            Op::Dismiss => {
                let (count, consumer) = (from.number()?, from.text()?);
                let gone = count & 1 == 1;
                let count = usize::try_from(count >> 1).map_err(|_| RANGE)?;
                self.consumer = None;
                cell.change_stream(|stream| {
                    stream.change_group(name, |group, _| {
                        let id = group.find(consumer).ok_or(GROUP)?;
                        if count > group.consumer(id).pending_len() {
                            return Err(RANGE);
                        }
                        let _ = group.dismiss(id, if gone { usize::MAX } else { count });
                        Ok(())
                    })
                })
            }
            _ => unreachable!("the others are no effects on groups"),
        };
        done.unwrap_or(Err(GROUP))
    }
}

fn list(op: Op, cell: &mut Cell<'_>, from: &mut Reader<'_>) -> Read<()> {
    may_be(cell, Kind::List)?;
    let mut list = cell.list_mut();
    match op {
        Op::PushHead | Op::PushTail => {
            let end = if op == Op::PushHead { End::Head } else { End::Tail };
            list.push(end, std::iter::once(from.text()?));
        }
        Op::Cut => {
            let (front, back) = (from.size()?, from.size()?);
            if front.checked_add(back).is_none_or(|all| all > list.len()) {
                return Err(RANGE);
            }
            list.cut(front, back);
        }
        Op::ListSet => {
            let (index, text) = (from.size()?, from.text()?);
            if index >= list.len() {
                return Err(INDEX);
            }
            list.set(index, text);
        }
        Op::Insert => {
            let (index, text) = (from.size()?, from.text()?);
            if list.is_empty() || index > list.len() {
                return Err(INDEX);
            }
            list.make_room(text);
            match index.checked_sub(1) {
                Some(before) => list.insert(before, text, true),
                None => list.insert(0, text, false),
            };
        }
        Op::ListRemove => {
            let (count, text) = (from.number()?, from.text()?);
            let from_back = count & 1 == 1;
            let count = usize::try_from(count >> 1).map_err(|_| RANGE)?;
            let needle = Needle::new(text);
            let (mut removed, mut skip) = (0, 0);
            // A step goes through all there is, or says how far it came.
            while removed < count {
                let step = list.remove_equal(&needle, skip, count - removed, from_back, usize::MAX / 2);
                (removed, skip) = (removed + step.removed, step.skip);
                if step.done {
                    break;
                }
            }
            list.settle();
            if removed != count {
                return Err(INDEX);
            }
        }
        _ => unreachable!("the others are no effects on lists"),
    }
    Ok(())
}

fn set(op: Op, cell: Cell<'_>, from: &mut Reader<'_>) -> Read<()> {
    let mut set = SetCell::new(cell).ok_or(TYPE)?;
    match op {
        Op::Add => {
            set.add(from.text()?);
        }
        Op::SetRemove => {
            set.remove(from.text()?);
        }
        Op::Retain => {
            let members = from.texts()?;
            if members.is_empty() || !set.exists() {
                return Err(ABSENT);
            }
            set.restart(members.into_iter());
        }
        _ => unreachable!("the others are no effects on sets"),
    }
    Ok(())
}

fn hash(op: Op, cell: Cell<'_>, from: &mut Reader<'_>) -> Read<()> {
    if op == Op::Due {
        let now_ms = from.number()?;
        if let Some(spot) = cell.spot {
            must_be(&cell, Kind::Hash)?;
            // Of a hash without deadlines nothing is due, whatever the journal says.
            if fields::timer_of(cell.store.places[cell.table as usize].table.entry(spot)).is_some() {
                cell.store.remove_due_fields(cell.table, spot, now_ms, usize::MAX);
            }
        }
        return Ok(());
    }
    let mut hash = HashCell::new(cell).ok_or(TYPE)?;
    match op {
        Op::Put => {
            hash.put(from.text()?, from.text()?, Deadline::None);
        }
        Op::PutTimed => {
            let at = from.number()?;
            hash.put(from.text()?, from.text()?, Deadline::At(at));
        }
        Op::HashRemove => {
            hash.remove(from.text()?);
        }
        Op::FieldDeadline => {
            let at = from.number()?;
            hash.set_deadline(from.text()?, Some(at));
        }
        Op::FieldPersist => hash.set_deadline(from.text()?, None),
        _ => unreachable!("the others are no effects on hashes"),
    }
    Ok(())
}

fn zset(op: Op, cell: &mut Cell<'_>, from: &mut Reader<'_>) -> Read<()> {
    let mut zset = ZsetMut::of(cell).map_err(|_| TYPE)?;
    match op {
        Op::Score => {
            let mut bytes = [0; 8];
            for byte in &mut bytes {
                *byte = from.byte()?;
            }
            let done = zset.add(from.text()?, f64::from_le_bytes(bytes), How::default(), Shape::Any);
            if done == Done::NotANumber {
                return Err(RANGE);
            }
        }
        Op::ZsetRemove => {
            zset.remove(from.text()?);
        }
        Op::RemoveRanks => {
            let (first, count) = (from.size()?, from.size()?);
            let end = first.checked_add(count).ok_or(RANGE)?;
            if end > zset.get().map_or(0, |zset| zset.len()) {
                return Err(RANGE);
            }
            zset.remove_ranks(first..end, false, |_, _| {});
        }
        _ => unreachable!("the others are no effects on sorted sets"),
    }
    Ok(())
}
