//! Room: store. A set that is being made, before it lies in an entry. Touches: nothing beyond this crate.

use super::{Called, INTS, Set, fits_listpack, ints};
use crate::cell::Cell;
use crate::entry::PACKED_BYTES_MAX;
use crate::needle::{self, Needle};
use crate::object::Object;
use crate::pack;
use crate::table::Ground;
use crate::{Deadline, Kind, Packing};

/// What it is so far; grows from one into the next.
pub(super) enum Build {
    /// Ascending.
    Ints(Vec<i64>),
    Packed {
        bytes: Vec<u8>,
        len: usize,
    },
    Object(Set),
}

impl Build {
    /// What Redis begins with for `hint` members of which `first` is the first (setTypeCreate).
    pub fn new(ground: &mut Ground, packing: &Packing, first: &[u8], hint: usize) -> Build {
        if pack::number(first).is_some() && hint <= packing.intset_entries {
            Build::Ints(Vec::new())
        } else if hint <= packing.set_entries {
            Build::packed()
        } else {
            Build::Object(Set::new(ground, Called::Hashtable))
        }
    }

    pub fn packed() -> Build {
        Build::Packed { bytes: Vec::new(), len: 0 }
    }

    /// Adds a member; true if it is new. Redis: setTypeAddAux.
    pub fn add(&mut self, ground: &mut Ground, packing: &Packing, member: &[u8]) -> bool {
        match self {
            Build::Object(set) => set.add(ground, packing, member),
            Build::Ints(sorted) => match pack::number(member) {
                Some(n) => {
                    // What is added in order is found at the end.
                    let at = match sorted.last() {
                        Some(&last) if last >= n => match sorted.binary_search(&n) {
                            Ok(_) => return false,
                            Err(at) => at,
                        },
                        _ => sorted.len(),
                    };
                    sorted.insert(at, n);
                    let called = match sorted.len() {
                        len if len > packing.intset_entries => Called::Hashtable,
                        len if 1 + len * 8 > PACKED_BYTES_MAX => Called::Intset,
                        _ => return true,
                    };
                    self.unpack(ground, called);
                    true
                }
                None => {
                    let longest = [sorted.first(), sorted.last()]
                        .into_iter()
                        .flatten()
                        .map(|&n| pack::write_number(n, &mut [0; 20]).len())
                        .max();
                    if fits_listpack(packing, sorted.len(), member.len())
                        && longest.is_none_or(|longest| longest <= packing.set_value_bytes)
                    {
                        let mut bytes = Vec::new();
                        sorted.iter().for_each(|&n| pack::push_item::<false>(&mut bytes, pack::Item::Number(n)));
                        *self = Build::Packed { len: sorted.len(), bytes };
                    } else {
                        self.unpack(ground, Called::Hashtable);
                    }
                    self.add(ground, packing, member)
                }
            },
            Build::Packed { bytes, len } => {
                let needle = Needle::new(member);
                if super::Packed(bytes).find(&needle).is_ok() {
                    return false;
                }
                if !fits_listpack(packing, *len, member.len()) {
                    self.unpack(ground, Called::Hashtable);
                } else if bytes.len() + needle.bytes().len() > PACKED_BYTES_MAX {
                    self.unpack(ground, Called::Listpack);
                } else {
                    bytes.extend_from_slice(needle.bytes());
                    *len += 1;
                    return true;
                }
                self.add(ground, packing, member)
            }
        }
    }

    /// Makes it a table.
    pub fn unpack(&mut self, ground: &mut Ground, called: Called) {
        let mut set = Set::new(ground, called);
        let mut digits = [0; 20];
        match self {
            Build::Ints(sorted) => {
                for &n in sorted.iter() {
                    set.members.insert(ground, pack::write_number(n, &mut digits), b"");
                }
            }
            Build::Packed { bytes, .. } => {
                for (_, item) in pack::iter::<false>(bytes) {
                    set.members.insert(ground, item.text(&mut digits), b"");
                }
            }
            Build::Object(_) => return,
        }
        *self = Build::Object(set);
    }

    /// What lies in an entry, taken up again.
    pub fn from_packed(form: u8, bytes: &[u8]) -> Build {
        if form == INTS {
            Build::Ints(ints::Ints::new(bytes).iter().collect())
        } else {
            Build::Packed { len: needle::count(bytes, 0), bytes: bytes.to_vec() }
        }
    }

    /// Puts it where the cell is, in place of what is there; it has at least one member.
    pub fn put(self, cell: &mut Cell<'_>, deadline: Deadline) {
        match self {
            Build::Ints(sorted) => cell.put_packed(Kind::Set, INTS, &ints::pack(&sorted), deadline),
            Build::Packed { bytes, .. } => cell.put_packed(Kind::Set, 0, &bytes, deadline),
            Build::Object(set) => cell.put_object(Box::new(Object::Set(set)), deadline),
        }
    }
}
