//! Room: store. Values for readers of an older version: what their forms have replaced is written in the forms before.
//! Touches: nothing beyond this crate.

use super::read::{Parsed, Reader, parse};
use super::{BadData, kind, write};
use crate::pack::Digits;
use std::borrow::Cow;

/// The lowest version that a value can be written for: Redis 7.0's, the first with listpacks.
pub const RECODE_VERSION_MIN: u16 = 10;

/// A value in another form.
pub struct Recoded<'a> {
    /// A type byte, then the body.
    pub value: Cow<'a, [u8]>,
    /// How many fields lost their deadlines, for the version has none.
    pub deadlines_lost: usize,
}

/// `value`, a type byte and a body, as version 10, 11 or 12 of RDB files has it. Where deadlines of fields are lost, fields that
/// are due at `now_ms` go; None: all of them went. Only what has to be changed is looked at.
pub fn recode(value: &[u8], version: u16, now_ms: u64) -> Result<Option<Recoded<'_>>, BadData> {
    let kind = *value.first().ok_or(BadData)?;
    let new = |value: Vec<u8>| Ok(Some(Recoded { value: Cow::Owned(value), deadlines_lost: 0 }));
    match kind {
        kind::SET_LISTPACK if version < 11 => {
            let Parsed::Set { members, .. } = parse(value)? else { return Err(BadData) };
            let mut out = vec![kind::SET];
            write::len(&mut out, members.count as u64);
            members.each(|member| write::string(&mut out, member));
            new(out)
        }
        kind::STREAM_3 if version < 11 => {
            let mut copy = Copy { from: Reader { rest: &value[1..] }, out: vec![kind::STREAM_2] };
            stream_2(&mut copy)?;
            new(copy.out)
        }
        kind::HASH_TIMED_RC
        | kind::HASH_TIMED_LISTPACK_RC
        | kind::HASH_TIMED
        | kind::HASH_TIMED_LISTPACK
        | kind::HASH_TIMED_VALKEY => {
            let is_known = matches!(kind, kind::HASH_TIMED | kind::HASH_TIMED_LISTPACK);
            if version >= 12 && is_known {
                return Ok(Some(Recoded { value: Cow::Borrowed(value), deadlines_lost: 0 }));
            }
            hash(value, version, now_ms)
        }
        _ => Ok(Some(Recoded { value: Cow::Borrowed(value), deadlines_lost: 0 })),
    }
}

fn hash(value: &[u8], version: u16, now_ms: u64) -> Result<Option<Recoded<'_>>, BadData> {
    let Parsed::Hash { pairs, deadlines, .. } = parse(value)? else { return Err(BadData) };
    let keeps = version >= 12;
    let first = deadlines.iter().copied().filter(|&at| at > 0).min();
    let is_due = |at: u64| !keeps && at > 0 && at <= now_ms;
    let count = deadlines.iter().filter(|&&at| !is_due(at)).count();
    if count == 0 {
        return Ok(None);
    }
    let mut out = vec![if keeps { kind::HASH_TIMED } else { kind::HASH }];
    if keeps {
        out.extend_from_slice(&first.unwrap_or(0).to_le_bytes());
    }
    write::len(&mut out, count as u64);
    let (mut items, mut lost) = (pairs.items(), 0);
    let (mut name, mut text): (Digits, Digits) = ([0; 20], [0; 20]);
    for &at in &deadlines {
        let (Some(field), Some(value)) = (items.next(), items.next()) else { return Err(BadData) };
        if is_due(at) {
            continue;
        }
        if keeps {
            write::len(&mut out, if at == 0 { 0 } else { at - first.unwrap_or(0) + 1 });
        } else {
            lost += usize::from(at > 0);
        }
        write::string(&mut out, field.text(&mut name));
        write::string(&mut out, value.text(&mut text));
    }
    Ok(Some(Recoded { value: Cow::Owned(out), deadlines_lost: lost }))
}

/// As it is, but for the time at which each consumer was active, which version 10 has not.
fn stream_2(copy: &mut Copy<'_>) -> Result<(), BadData> {
    for _ in 0..copy.len()? {
        copy.text()?;
        copy.text()?;
    }
    // Length; last, first and highest deleted id; entries added.
    for _ in 0..8 {
        copy.len()?;
    }
    for _ in 0..copy.len()? {
        copy.text()?;
        for _ in 0..3 {
            copy.len()?;
        }
        for _ in 0..copy.len()? {
            copy.bytes(16 + 8)?;
            copy.len()?;
        }
        for _ in 0..copy.len()? {
            copy.text()?;
            copy.bytes(8)?;
            copy.from.bytes(8)?;
            for _ in 0..copy.len()? {
                copy.bytes(16)?;
            }
        }
    }
    if copy.from.rest.is_empty() { Ok(()) } else { Err(BadData) }
}

/// Parts that go from one body to another as they are.
struct Copy<'a> {
    from: Reader<'a>,
    out: Vec<u8>,
}

impl Copy<'_> {
    fn bytes(&mut self, count: u64) -> Result<(), BadData> {
        self.out.extend_from_slice(self.from.bytes(count)?);
        Ok(())
    }

    fn len(&mut self) -> Result<u64, BadData> {
        let len = self.from.len()?;
        write::len(&mut self.out, len);
        Ok(len)
    }

    fn text(&mut self) -> Result<(), BadData> {
        let len = super::file::text_bytes(self.from.rest).ok_or(BadData)?;
        self.bytes(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_forms_become_older_ones() {
        let set = [&[kind::SET_LISTPACK, 12][..], &[12, 0, 0, 0, 2, 0, 0x81, b'a', 2, 5, 1, 0xFF]].concat();
        let timed = b"\x18\x64\0\0\0\0\0\0\0\x03\x00\x01a\x01b\x01\x01c\x01d\x0B\x01e\x01f";
        let listpack_rc = b"\x17\x10\x10\0\0\0\x03\0\x81c\x02\x81d\x02\x64\x01\xFF";
        let mut listpack_rc = listpack_rc.to_vec();
        // Head 6, two texts of 3, a number of 2, the end.
        (listpack_rc[1], listpack_rc[2]) = (15, 15);
        let valkey = b"\x96\x02\x01a\x01b\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01c\x01d\x64\0\0\0\0\0\0\0";
        for (value, version, now_ms, want, lost) in [
            (&b"\x00\x01v"[..], 10, 0, Some(&b"\x00\x01v"[..]), 0),
            (&set, 11, 0, Some(&set[..]), 0),
            (&set, 10, 0, Some(b"\x02\x02\x01a\xC0\x05"), 0),
            (timed, 12, 0, Some(timed), 0),
            (timed, 11, 0, Some(b"\x04\x03\x01a\x01b\x01c\x01d\x01e\x01f"), 2),
            (timed, 11, 100, Some(b"\x04\x02\x01a\x01b\x01e\x01f"), 1),
            (timed, 10, 1_000, Some(b"\x04\x01\x01a\x01b"), 0),
            (&listpack_rc, 12, 0, Some(b"\x18\x64\0\0\0\0\0\0\0\x01\x01\x01c\x01d"), 0),
            (&listpack_rc, 11, 0, Some(b"\x04\x01\x01c\x01d"), 1),
            (&listpack_rc, 11, 100, None, 0),
            (valkey, 12, 0, Some(b"\x18\x64\0\0\0\0\0\0\0\x02\x00\x01a\x01b\x01\x01c\x01d"), 0),
            (valkey, 10, 0, Some(b"\x04\x02\x01a\x01b\x01c\x01d"), 1),
        ] {
            let recoded = recode(value, version, now_ms).unwrap_or_else(|_| panic!("{}", value.escape_ascii()));
            let got = recoded.as_ref().map(|recoded| (&recoded.value[..], recoded.deadlines_lost));
            assert_eq!(got, want.map(|want| (want, lost)), "{} for {version} at {now_ms}", value.escape_ascii());
        }
    }
}
