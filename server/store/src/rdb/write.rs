//! Room: store. Values written as RDB bodies. Touches: base.

use super::{kind, pieces, stream};
use crate::cell::{Body, Entry};
use crate::list::ListRef;
use crate::pack::{self, Digits};
use crate::set::Elements;
use crate::zset::ZsetRef;
use crate::{Encoding, Kind};
use base::number::push_f64;

/// A listpack has 32 bits for its length; Redis writes none that is near that (listpack.c, LISTPACK_MAX_SAFETY_LIMIT: 1 GB).
const LISTPACK_BYTES_MAX: usize = 1 << 30;

/// Appends type byte and body.
pub fn value(entry: Entry<'_>, out: &mut Vec<u8>) {
    match entry.kind() {
        Kind::String => {
            out.push(kind::STRING);
            string(out, entry.bytes());
        }
        Kind::List => list(entry, out),
        Kind::Set => set(entry, out),
        Kind::Hash => hash(entry, out),
        Kind::Zset => zset(entry, out),
        Kind::Stream => stream::write(entry, out),
    }
}

/// Whether a collection is kept in the form that Redis has for large ones: by the name that OBJECT ENCODING gives.
pub fn is_large(entry: Entry<'_>) -> bool {
    match entry.body() {
        Body::Object(object) => matches!(object.encoding(), "quicklist" | "hashtable" | "skiplist"),
        _ => false,
    }
}

/// How a collection is kept, for `Portable`: `Raw` in the large form.
pub fn encoding(entry: Entry<'_>) -> Encoding {
    if is_large(entry) { Encoding::Raw } else { Encoding::Auto }
}

/// rdb.c, rdbSaveLen
pub fn len(out: &mut Vec<u8>, n: u64) {
    match n {
        0..64 => out.push(n as u8),
        64..16_384 => out.extend_from_slice(&[0x40 | (n >> 8) as u8, n as u8]),
        _ => match u32::try_from(n) {
            Ok(n) => {
                out.push(0x80);
                out.extend_from_slice(&n.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&n.to_be_bytes());
            }
        },
    }
}

/// rdb.c, rdbSaveRawString: what is a number of up to 11 digits in up to 32 bits is written as one; nothing is compressed.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    let number = if text.len() <= 11 { pack::number(text) } else { None };
    match number {
        Some(n) if i8::try_from(n).is_ok() => out.extend_from_slice(&[0xC0, n as u8]),
        Some(n) if i16::try_from(n).is_ok() => {
            out.push(0xC1);
            out.extend_from_slice(&(n as i16).to_le_bytes());
        }
        Some(n) if i32::try_from(n).is_ok() => {
            out.push(0xC2);
            out.extend_from_slice(&(n as i32).to_le_bytes());
        }
        _ => plain(out, text),
    }
}

/// As it is.
pub fn plain(out: &mut Vec<u8>, text: &[u8]) {
    len(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// As a string, what `fill` adds to a listpack.
fn listpack(out: &mut Vec<u8>, fill: impl FnOnce(&mut pieces::Listpack<'_>)) {
    let mut pack = Vec::new();
    pieces::listpack(&mut pack, fill);
    plain(out, &pack);
}

fn list(entry: Entry<'_>, out: &mut Vec<u8>) {
    /// quicklist.h, QUICKLIST_NODE_CONTAINER_PLAIN and _PACKED
    const ALONE: u64 = 1;
    const PACKED: u64 = 2;
    let node = |out: &mut Vec<u8>, elements: &[u8]| {
        len(out, PACKED);
        listpack(out, |listpack| pack::iter::<true>(elements).for_each(|(_, item)| listpack.push_item(item)));
    };
    out.push(kind::LIST_QUICKLIST_2);
    match entry.list() {
        Some(ListRef::Packed { pack, .. }) => {
            len(out, 1);
            node(out, pack);
        }
        Some(ListRef::Chunks(list)) => {
            len(out, list.chunk_count() as u64);
            for (chunk, _) in list.chunks() {
                match chunk {
                    Ok(pack) => node(out, pack),
                    Err(alone) if alone.len() < LISTPACK_BYTES_MAX => {
                        len(out, PACKED);
                        listpack(out, |listpack| listpack.push(alone));
                    }
                    Err(alone) => {
                        len(out, ALONE);
                        plain(out, alone);
                    }
                }
            }
        }
        None => unreachable!("callers have seen that it is a list"),
    }
}

fn set(entry: Entry<'_>, out: &mut Vec<u8>) {
    let elements = entry.elements().expect("callers have seen that it is a set");
    let mut digits: Digits = [0; 20];
    match elements {
        Elements::Ints(ints) => {
            out.push(kind::SET_INTSET);
            let mut bytes = Vec::new();
            pieces::intset(&mut bytes, ints.iter(), ints.len(), ints.width());
            plain(out, &bytes);
        }
        Elements::Packed(_) => {
            out.push(kind::SET_LISTPACK);
            listpack(out, |listpack| {
                elements.scan(0, usize::MAX, |member| listpack.push(member.bytes(&mut digits)));
            });
        }
        Elements::Object(..) => {
            // Also of what is called a listpack or an intset and only too long for an entry: the reader's thresholds
            // decide what it becomes.
            out.push(kind::SET);
            len(out, elements.len() as u64);
            elements.scan(0, usize::MAX, |member| string(out, member.bytes(&mut digits)));
        }
    }
}

fn hash(entry: Entry<'_>, out: &mut Vec<u8>) {
    // At the time 0 no field is due: what is there is written.
    let fields = entry.fields(0).expect("callers have seen that it is a hash");
    let (mut name, mut digits): (Digits, Digits) = ([0; 20], [0; 20]);
    let mut first = None::<u64>;
    fields.scan(0, usize::MAX, |_, _, deadline| {
        if let Some(deadline) = deadline {
            first = Some(first.map_or(deadline, |first| first.min(deadline)));
        }
    });
    if first.is_none() && fields.is_packed() {
        out.push(kind::HASH_LISTPACK);
        return listpack(out, |listpack| {
            fields.scan(0, usize::MAX, |field, value, _| {
                listpack.push(field.bytes(&mut name));
                listpack.push(value.bytes(&mut digits));
            });
        });
    }
    out.push(if first.is_some() { kind::HASH_TIMED } else { kind::HASH });
    if let Some(first) = first {
        out.extend_from_slice(&first.to_le_bytes());
    }
    len(out, fields.len() as u64);
    fields.scan(0, usize::MAX, |field, value, deadline| {
        if let Some(first) = first {
            len(out, deadline.map_or(0, |deadline| deadline - first + 1));
        }
        string(out, field.bytes(&mut name));
        string(out, value.bytes(&mut digits));
    });
}

fn zset(entry: Entry<'_>, out: &mut Vec<u8>) {
    let Ok(zset) = ZsetRef::of(entry) else { unreachable!("callers have seen that it is a sorted set") };
    if let ZsetRef::Packed(_) = zset {
        out.push(kind::ZSET_LISTPACK);
        let mut score_text = Vec::new();
        return listpack(out, |listpack| {
            zset.walk(0, usize::MAX, false, |member, score| {
                score_text.clear();
                push_f64(&mut score_text, score);
                listpack.push(member);
                listpack.push(&score_text);
                true
            });
        });
    }
    out.push(kind::ZSET_2);
    len(out, zset.len() as u64);
    // From the highest on, as Redis does, so that a reader adds each in front.
    zset.walk(zset.len() - 1, usize::MAX, true, |member, score| {
        string(out, member);
        out.extend_from_slice(&score.to_le_bytes());
        true
    });
}
