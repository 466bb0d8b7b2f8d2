//! Room: store. Values written as RDB bodies: small ones here, objects part by part in `parts`. Touches: base.

use super::lzf::Lzf;
use super::{kind, parts, pieces};
use crate::cell::{Body, Entry};
use crate::entry::Ref;
use crate::hash;
use crate::list;
use crate::pack::{self, Digits};
use crate::set::Elements;
use crate::table::Ground;
use crate::zset::ZsetRef;
use crate::{Encoding, Kind};
use base::number::push_f64;
use bytes::Bytes;

/// Strings up to this are compressed at once: more would take longer than a slice of work may. Longer ones are compressed in slices
/// (`Packing`): values that are strings, fields' values and elements of lists. Members that are longer, and whatever must be written
/// at once, stay as they are.
pub(crate) const COMPRESSED_BYTES_MAX: usize = 1 << 17;
/// Elements of a chunk that is shorter than this have the same length at their ends as a listpack's.
const SAME_ENDS_BYTES_MAX: usize = 16_382;
/// Bytes of a length in 32 bits.
const LONG_LEN_BYTES: usize = 5;

/// Where bodies are written to.
pub struct Writer<'a> {
    pub out: &'a mut Vec<u8>,
    /// What is large is lent, at an offset of `out`, as `base::Out` has it. None: it is copied.
    pub shared: Option<&'a mut Vec<(usize, Bytes)>>,
    pub tools: &'a mut Tools,
}

/// What writers use by turns.
#[derive(Default)]
pub struct Tools {
    /// Where strings are to be compressed.
    pub lzf: Option<Lzf>,
    /// Bytes that were lent.
    pub lent_bytes: usize,
    /// Whether long strings may come later, compressed in slices (`parts::Long`); and those that do, with where in `Writer::out`.
    pub postpones: bool,
    pub postponed: Vec<(usize, Bytes)>,
    scratch: Vec<u8>,
}

impl Tools {
    pub fn new(compress: bool) -> Tools {
        Tools { lzf: compress.then(Lzf::default), ..Tools::default() }
    }
}

impl Writer<'_> {
    /// Bytes so far, those that were lent as well.
    #[inline]
    pub fn written(&self) -> usize {
        self.out.len() + self.tools.lent_bytes
    }

    pub fn len(&mut self, n: u64) {
        len(self.out, n);
    }

    #[inline]
    pub fn string(&mut self, text: &[u8]) {
        match &mut self.tools.lzf {
            Some(lzf) if text.len() <= COMPRESSED_BYTES_MAX => lzf.string(self.out, text),
            _ => string(self.out, text),
        }
    }

    /// A large string.
    pub fn shared(&mut self, text: &Bytes) {
        if self.postpones(text) {
            self.tools.postponed.push((self.out.len(), text.clone()));
        } else if self.lends(text) {
            len(self.out, text.len() as u64);
            self.lend(text);
        } else {
            self.string(text);
        }
    }

    pub fn postpones(&self, text: &Bytes) -> bool {
        self.tools.postpones && self.tools.lzf.is_some() && text.len() > COMPRESSED_BYTES_MAX
    }

    fn lends(&self, text: &Bytes) -> bool {
        self.shared.is_some() && (self.tools.lzf.is_none() || text.len() > COMPRESSED_BYTES_MAX)
    }

    fn lend(&mut self, text: &Bytes) {
        let shared = self.shared.as_mut().expect("callers have seen that something may be lent");
        shared.push((self.out.len(), text.clone()));
        self.tools.lent_bytes += text.len();
    }

    /// As a string, what `fill` appends. Its bytes are no number.
    pub fn nested(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        if let Some(lzf) = &mut self.tools.lzf {
            self.tools.scratch.clear();
            fill(&mut self.tools.scratch);
            match &self.tools.scratch {
                long if long.len() > COMPRESSED_BYTES_MAX => plain(self.out, long),
                pack => lzf.string(self.out, pack),
            }
            return;
        }
        // Written where it will lie, nearly: how long its length is comes out at the end.
        let start = self.out.len();
        self.out.extend_from_slice(&[0; LONG_LEN_BYTES]);
        fill(self.out);
        let bytes = self.out.len() - start - LONG_LEN_BYTES;
        let (mut head, mut room) = ([0; 9], 0);
        each_len_byte(bytes as u64, |byte| {
            head[room] = byte;
            room += 1;
        });
        if room < LONG_LEN_BYTES {
            self.out.copy_within(start + LONG_LEN_BYTES.., start + room);
            self.out.truncate(start + room + bytes);
        }
        self.out[start..start + room].copy_from_slice(&head[..room]);
    }

    /// As a string, a listpack of what `fill` adds to it.
    pub fn listpack(&mut self, fill: impl FnOnce(&mut pieces::Listpack<'_>)) {
        self.nested(|out| pieces::listpack(out, fill));
    }

    /// As a string, a listpack of a chunk's elements.
    pub fn chunk(&mut self, elements: &[u8], count: usize) {
        if elements.len() <= SAME_ENDS_BYTES_MAX {
            self.nested(|out| pieces::listpack_of(out, elements, count));
        } else {
            self.listpack(|to| pack::iter::<true>(elements).for_each(|(_, item)| to.push_item(item)));
        }
    }

    /// As a string, a listpack of one large element.
    pub fn alone(&mut self, text: &Bytes) {
        if !self.lends(text) {
            return self.listpack(|to| to.push(text));
        }
        let (head, end) = pieces::listpack_around(text.len());
        len(self.out, (head.len() + text.len() + end.len()) as u64);
        self.out.extend_from_slice(&head);
        self.lend(text);
        self.out.extend_from_slice(&end);
    }
}

/// Appends type byte and body.
pub fn value(entry: Entry<'_>, out: &mut Vec<u8>) {
    let (raw, ground) = (entry.raw(), entry.ground());
    out.push(type_of(raw));
    body(raw, ground, &mut Writer { out, shared: None, tools: &mut Tools::default() });
}

/// The type byte.
pub fn type_of(raw: Ref<'_>) -> u8 {
    if let Some(object) = raw.object() {
        return parts::type_of(object);
    }
    match raw.kind() {
        Kind::String => kind::STRING,
        Kind::List => kind::LIST_QUICKLIST_2,
        Kind::Set if Elements::packed(raw.form(), raw.value()).is_ints() => kind::SET_INTSET,
        Kind::Set => kind::SET_LISTPACK,
        Kind::Hash => match hash::Packed::new(raw.form(), raw.value()).next_deadline() {
            Some(_) => kind::HASH_TIMED,
            None => kind::HASH_LISTPACK,
        },
        Kind::Zset => kind::ZSET_LISTPACK,
        Kind::Stream => unreachable!("a stream is an object"),
    }
}

/// The body that goes with `type_of`.
pub fn body(raw: Ref<'_>, ground: &Ground, to: &mut Writer<'_>) {
    if let Some(object) = raw.object() {
        let whole = parts::go_on(parts::Progress::Start, object, ground, to, usize::MAX);
        assert!(whole.is_whole(), "nothing stops it before its end");
        return;
    }
    match raw.kind() {
        Kind::String => match raw.shared() {
            Some(shared) => to.shared(shared),
            None => to.string(raw.value()),
        },
        Kind::List => {
            let (count, pack) = list::packed(raw.value());
            to.len(1);
            to.len(parts::PACKED);
            to.chunk(pack, count);
        }
        Kind::Set => set(Elements::packed(raw.form(), raw.value()), to),
        Kind::Hash => fields(hash::Packed::new(raw.form(), raw.value()), to),
        Kind::Zset => {
            let mut score_text = Vec::new();
            to.listpack(|listpack| {
                ZsetRef::Packed(raw.value()).walk(0, usize::MAX, false, |member, score| {
                    score_text.clear();
                    push_f64(&mut score_text, score);
                    listpack.push(member);
                    listpack.push(&score_text);
                    true
                });
            });
        }
        Kind::Stream => unreachable!("a stream is an object"),
    }
}

fn set(elements: Elements<'_>, to: &mut Writer<'_>) {
    match elements {
        Elements::Ints(ints) => to.nested(|out| pieces::intset(out, ints.iter(), ints.len(), ints.width())),
        elements => {
            let mut digits: Digits = [0; 20];
            to.listpack(|listpack| {
                elements.scan(0, usize::MAX, |member| listpack.push(member.bytes(&mut digits)));
            });
        }
    }
}

fn fields(packed: hash::Packed<'_>, to: &mut Writer<'_>) {
    let (mut name, mut digits): (Digits, Digits) = ([0; 20], [0; 20]);
    let Some(first) = packed.next_deadline() else {
        return to.listpack(|listpack| {
            for place in packed.places() {
                listpack.push(packed.text(place.at).bytes(&mut name));
                listpack.push(packed.text(place.value).bytes(&mut digits));
            }
        });
    };
    to.out.extend_from_slice(&first.to_le_bytes());
    to.len(packed.len() as u64);
    for place in packed.places() {
        to.len(packed.deadline(place).map_or(0, |deadline| deadline - first + 1));
        to.string(packed.text(place.at).bytes(&mut name));
        to.string(packed.text(place.value).bytes(&mut digits));
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
#[inline]
pub fn len(out: &mut Vec<u8>, n: u64) {
    match n {
        0..64 => out.push(n as u8),
        64..16_384 => out.extend_from_slice(&[0x40 | (n >> 8) as u8, n as u8]),
        _ => each_len_byte(n, |byte| out.push(byte)),
    }
}

/// The bytes of a length.
fn each_len_byte(n: u64, byte: impl FnMut(u8)) {
    match n {
        0..64 => [n as u8].into_iter().for_each(byte),
        64..16_384 => [0x40 | (n >> 8) as u8, n as u8].into_iter().for_each(byte),
        _ => match u32::try_from(n) {
            Ok(n) => [0x80].into_iter().chain(n.to_be_bytes()).for_each(byte),
            Err(_) => [0x81].into_iter().chain(n.to_be_bytes()).for_each(byte),
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
