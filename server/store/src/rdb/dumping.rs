//! Room: store. A large value as DUMP gives it, or as it travels, written in slices. Touches: base.

use super::{FOOTER_BYTES, VERSION, crc64};
use super::{Progress, Tools, Writer, kind, parts, write};
use crate::Portable;
use crate::cell::{Body, Entry};
use crate::image::is_large;
use bytes::Bytes;

/// Bytes that a slice writes: some thousand members.
const WRITTEN_BYTES: usize = 1 << 15;
/// Bytes that a slice sums.
const SUMMED_BYTES: usize = 1 << 20;

/// A value that is being written: its type byte, its body.
pub struct Dumping {
    /// All of an object's; what comes before a string.
    out: Vec<u8>,
    text: Option<Bytes>,
    progress: Progress,
    /// The checksum of so many bytes, if one is wanted.
    sum: Option<(u64, usize)>,
}

impl<'a> Entry<'a> {
    /// Whether it takes more than a slice to write the value.
    pub fn is_large(self) -> bool {
        is_large(self.raw())
    }

    /// Begins to write it. `sums`: as DUMP gives it.
    pub fn begin_dump(self, sums: bool) -> Dumping {
        let mut out = Vec::new();
        let (mut text, mut progress) = (None, Progress::Whole);
        match self.body() {
            Body::Object(object) => {
                // It takes no more than it does here, so it is not moved as it grows; but of entries of streams more is told.
                let more = if self.kind() == crate::Kind::Stream { object.allocated() } else { object.allocated() / 8 };
                out.reserve_exact(object.allocated() + more);
                out.push(write::type_of(self.raw()));
                progress = Progress::Start;
            }
            Body::String(_) | Body::Packed { .. } => match self.raw().shared() {
                Some(shared) => {
                    out.push(kind::STRING);
                    write::len(&mut out, shared.len() as u64);
                    text = Some(shared.clone());
                }
                None => write::value(self, &mut out),
            },
        }
        Dumping { out, text, progress, sum: sums.then_some((0, 0)) }
    }

    /// As `portable`, of what `dumping` has written.
    pub fn portable_of(self, dumping: Dumping) -> Portable {
        if self.is_string() {
            // It is lent whole.
            return self.portable();
        }
        let value = dumping.out.into();
        Portable { kind: self.kind(), value, flags: self.flags(), deadline: self.deadline(), encoding: self.form() }
    }
}

impl Dumping {
    /// Writes a slice more of the value, which nobody changes meanwhile. True when that is all.
    pub fn step(&mut self, entry: Entry<'_>) -> bool {
        if let Body::Object(object) = entry.body()
            && !self.progress.is_whole()
        {
            let progress = std::mem::replace(&mut self.progress, Progress::Whole);
            let upto = self.out.len() + WRITTEN_BYTES;
            let to = &mut Writer { out: &mut self.out, shared: None, tools: &mut Tools::default() };
            self.progress = parts::go_on(progress, object, entry.ground(), to, upto);
            self.sum_some();
            return self.progress.is_whole() && self.is_summed();
        }
        self.sum_some();
        self.is_summed()
    }

    /// Bytes of the value.
    fn len(&self) -> usize {
        self.out.len() + self.text.as_ref().map_or(0, Bytes::len)
    }

    fn is_summed(&self) -> bool {
        self.sum.is_none_or(|(_, upto)| upto == self.len())
    }

    fn sum_some(&mut self) {
        let Some((sum, upto)) = &mut self.sum else { return };
        let (head, rest) = (self.out.len(), self.text.as_deref().unwrap_or_default());
        let some = if *upto < head { &self.out[*upto..] } else { &rest[*upto - head..] };
        let some = &some[..some.len().min(SUMMED_BYTES)];
        *sum = crc64(*sum, some);
        *upto += some.len();
    }

    /// What DUMP gives, in its parts: the value, its version, its checksum.
    pub fn into_payload(self) -> Vec<Bytes> {
        let Dumping { mut out, text, sum, .. } = self;
        let (sum, _) = sum.expect("begun as a payload");
        let mut footer = Vec::with_capacity(FOOTER_BYTES);
        footer.extend_from_slice(&VERSION.to_le_bytes());
        footer.extend_from_slice(&crc64(sum, &footer).to_le_bytes());
        match text {
            Some(text) => vec![out.into(), text, footer.into()],
            None => {
                out.extend_from_slice(&footer);
                vec![out.into()]
            }
        }
    }
}

/// The checksum of what DUMP gave, taken in slices.
pub struct Checking {
    sum: u64,
    upto: usize,
}

impl Checking {
    /// Of a payload; None if its version is too high, or it is none at all.
    pub fn begin(payload: &[u8]) -> Option<Checking> {
        super::footer(payload).filter(|footer| footer.version <= super::VERSION_MAX)?;
        Some(Checking { sum: 0, upto: 0 })
    }

    /// Goes on with the same payload. None while there is more; else whether it is good.
    pub fn step(&mut self, payload: &[u8]) -> Option<bool> {
        // The version is summed, the sum is not.
        let summed = &payload[..payload.len() - size_of::<u64>()];
        let some = &summed[self.upto..];
        let some = &some[..some.len().min(SUMMED_BYTES)];
        self.sum = crc64(self.sum, some);
        self.upto += some.len();
        (self.upto == summed.len()).then(|| super::footer(payload).is_some_and(|footer| footer.sum == self.sum))
    }
}
