//! Room: io. What one shard sends another in one go: asks and replies as bytes, rare things as values, in one order.
//! Touches: base, ask.
//!
//! The bytes are records: a kind, the fields of its head, its payload. They never leave the process.

use crate::ask::{Dialect, Manner, Origin};
use base::{Args, DbId, Out, Span};
use bytes::Bytes;
use std::collections::VecDeque;
use std::os::fd::RawFd;

/// Records in the order they were written. Large values that replies share ride along in `out`. `M`: what travels as a
/// value and not as bytes.
pub struct Batch<M> {
    pub out: Out,
    /// One for each `Record::Mail`, in order.
    mails: VecDeque<M>,
    /// It is worth waking whoever it is for. All is, but for news that a lent reply has left.
    pub urgent: bool,
}

impl<M> Default for Batch<M> {
    fn default() -> Self {
        Batch { out: Out::new(), mails: VecDeque::new(), urgent: false }
    }
}

/// One record, as it is read.
pub enum Record<'a, M> {
    Ask {
        origin: Origin,
        manner: Manner,
        row: u16,
        /// Its transaction number if it has to wait; 0: it has one key and needs none.
        tx: u64,
        /// The connection's socket: whoever answers at once, and shortly, may send the reply there (`Record::Sent`).
        lent: Option<RawFd>,
        args: Args<'a>,
    },
    /// The reply to an ask. Offsets of `shared` count from `base` before the first byte of `bytes`.
    Reply {
        origin: Origin,
        bytes: &'a [u8],
        shared: &'a [(usize, Bytes)],
        base: usize,
    },
    /// A reply has left by the socket that was lent for it: so many bytes of it, and these have not.
    Sent {
        origin: Origin,
        sent: u32,
        rest: &'a [u8],
    },
    /// The reply to this ask, just before in the batch, tells of what the shard has recorded below this number.
    After {
        origin: Origin,
        until: u64,
    },
    Mail(M),
}

const ASK: u8 = 1;
const REPLY: u8 = 2;
const MAIL: u8 = 3;
const SENT: u8 = 4;
const AFTER: u8 = 5;
/// kind, origin (conn, generation, seq), payload length, lent values.
const REPLY_HEAD: usize = 1 + 12 + 4 + 4;
/// Flags of an ask.
const NO_TOUCH: u8 = 1;
const SILENT: u8 = 2;
const HAS_TX: u8 = 4;
const HAS_LENT: u8 = 8;

impl<M> Batch<M> {
    pub fn is_empty(&self) -> bool {
        self.out.bytes.is_empty() && self.mails.is_empty()
    }

    pub fn clear(&mut self) {
        self.out.clear();
        self.mails.clear();
        self.urgent = false;
        // One huge value must not be held for ever by a slot of the ring.
        if self.out.bytes.capacity() > 1 << 20 {
            self.out.bytes = Vec::new();
        }
    }

    pub fn ask(&mut self, origin: Origin, manner: Manner, row: u16, tx: u64, args: Args<'_>) {
        self.ask_lending(origin, manner, row, tx, None, args);
    }

    /// The same with the connection's socket, should it be lent.
    pub fn ask_lending(
        &mut self,
        origin: Origin,
        manner: Manner,
        row: u16,
        tx: u64,
        lent: Option<RawFd>,
        args: Args<'_>,
    ) {
        self.urgent = true;
        let bytes = &mut self.out.bytes;
        bytes.reserve(64 + args.bytes_len() + 4 * args.len());
        bytes.push(ASK);
        push_origin(bytes, origin);
        let flag = |yes: bool, flag: u8| if yes { flag } else { 0 };
        let flags = flag(manner.no_touch, NO_TOUCH) | flag(manner.silent, SILENT);
        let flags = flags | flag(tx != 0, HAS_TX) | flag(lent.is_some(), HAS_LENT);
        bytes.extend_from_slice(&[manner.dialect as u8, flags]);
        bytes.extend_from_slice(&manner.db.0.to_le_bytes());
        bytes.extend_from_slice(&row.to_le_bytes());
        if tx != 0 {
            bytes.extend_from_slice(&tx.to_le_bytes());
        }
        if let Some(fd) = lent {
            bytes.extend_from_slice(&fd.to_le_bytes());
        }
        bytes.extend_from_slice(&(args.len() as u32).to_le_bytes());
        for word in args.iter() {
            bytes.extend_from_slice(&(word.len() as u32).to_le_bytes());
            bytes.extend_from_slice(word);
        }
    }

    /// Lets `draw` write a reply straight into the batch.
    pub fn reply(&mut self, origin: Origin, draw: impl FnOnce(&mut Out)) {
        self.urgent = true;
        draw_reply(&mut self.out, origin, draw);
    }

    /// A reply has left by the socket that was lent for it, but for `rest`.
    pub fn sent(&mut self, origin: Origin, sent: u32, rest: &[u8]) {
        self.urgent |= !rest.is_empty();
        let bytes = &mut self.out.bytes;
        bytes.push(SENT);
        push_origin(bytes, origin);
        bytes.extend_from_slice(&sent.to_le_bytes());
        bytes.extend_from_slice(&(rest.len() as u32).to_le_bytes());
        bytes.extend_from_slice(rest);
    }

    pub fn mail(&mut self, mail: M) {
        self.urgent = true;
        self.out.bytes.push(MAIL);
        self.mails.push_back(mail);
    }

    /// The records, first to last.
    pub fn read(&mut self) -> Reading<'_, M> {
        Reading { out: &self.out, mails: &mut self.mails, at: 0, shared: 0, spans: Vec::new() }
    }
}

/// The same for whoever has taken the batch's bytes out meanwhile.
pub fn draw_reply(out: &mut Out, origin: Origin, draw: impl FnOnce(&mut Out)) {
    let (start, shared) = (out.bytes.len(), out.shared.len());
    out.bytes.push(REPLY);
    push_origin(&mut out.bytes, origin);
    out.bytes.extend_from_slice(&[0; 8]);
    draw(out);
    let len = (out.bytes.len() - start - REPLY_HEAD) as u32;
    let lent = (out.shared.len() - shared) as u32;
    let head = &mut out.bytes[start + 13..start + REPLY_HEAD];
    head[..4].copy_from_slice(&len.to_le_bytes());
    head[4..].copy_from_slice(&lent.to_le_bytes());
}

/// The reply that was just drawn waits for what is recorded below `until`.
pub fn draw_after(out: &mut Out, origin: Origin, until: u64) {
    out.bytes.push(AFTER);
    push_origin(&mut out.bytes, origin);
    out.bytes.extend_from_slice(&until.to_le_bytes());
}

/// A walk over a batch's records.
pub struct Reading<'b, M> {
    out: &'b Out,
    mails: &'b mut VecDeque<M>,
    at: usize,
    /// Lent values passed so far.
    shared: usize,
    spans: Vec<Span>,
}

impl<M> Reading<'_, M> {
    /// The second words of the asks among the next records, at most `n` records: their keys, most likely.
    pub fn keys_ahead(&self, n: usize) -> impl Iterator<Item = (DbId, &[u8])> {
        let bytes = &self.out.bytes;
        let mut at = self.at;
        (0..n)
            .map_while(move |_| {
                let kind = *bytes.get(at)?;
                let mut r = Reader { bytes, at: at + 13 };
                match kind {
                    MAIL => at += 1,
                    REPLY => {
                        let len = r.u32() as usize;
                        at = r.at + 4 + len;
                    }
                    AFTER => at = r.at + 8,
                    SENT => {
                        r.at += 4;
                        let len = r.u32() as usize;
                        at = r.at + len;
                    }
                    _ => {
                        let flags = (r.u16() >> 8) as u8;
                        let db = DbId(r.u16());
                        r.at += 2 + if flags & HAS_TX != 0 { 8 } else { 0 } + if flags & HAS_LENT != 0 { 4 } else { 0 };
                        let words = r.u32();
                        let mut key = None;
                        for word in 0..words {
                            let len = r.u32() as usize;
                            if word == 1 {
                                key = Some((db, &bytes[r.at..r.at + len]));
                            }
                            r.at += len;
                        }
                        at = r.at;
                        return Some(key);
                    }
                }
                Some(None)
            })
            .flatten()
    }

    /// The next record. (No iterator: what it lends is lent until the next one.)
    pub fn read_next(&mut self) -> Option<Record<'_, M>> {
        let kind = *self.out.bytes.get(self.at)?;
        if kind == MAIL {
            self.at += 1;
            return Some(Record::Mail(self.mails.pop_front().expect("one mail for each MAIL record")));
        }
        let mut r = Reader { bytes: &self.out.bytes, at: self.at + 1 };
        let origin = Origin { conn: r.u32(), generation: r.u32(), seq: r.u32() };
        if kind == REPLY {
            let (len, lent) = (r.u32() as usize, r.u32() as usize);
            let base = r.at;
            let shared = &self.out.shared[self.shared..self.shared + lent];
            self.at = base + len;
            self.shared += lent;
            return Some(Record::Reply { origin, bytes: &self.out.bytes[base..base + len], shared, base });
        }
        if kind == AFTER {
            let until = u64::from_le_bytes(r.take());
            self.at = r.at;
            return Some(Record::After { origin, until });
        }
        if kind == SENT {
            let (sent, len) = (r.u32(), r.u32() as usize);
            self.at = r.at + len;
            return Some(Record::Sent { origin, sent, rest: &self.out.bytes[r.at..self.at] });
        }
        assert_eq!(kind, ASK, "a batch holds what this file wrote");
        let dialect = match r.u8() {
            0 => Dialect::Resp2,
            1 => Dialect::Resp3,
            _ => Dialect::Memcache,
        };
        let flags = r.u8();
        let db = DbId(r.u16());
        let manner = Manner { dialect, db, no_touch: flags & NO_TOUCH != 0, silent: flags & SILENT != 0 };
        let row = r.u16();
        let tx = if flags & HAS_TX != 0 { u64::from_le_bytes(r.take()) } else { 0 };
        let lent = (flags & HAS_LENT != 0).then(|| RawFd::from_le_bytes(r.take()));
        let words = r.u32();
        self.spans.clear();
        for _ in 0..words {
            let len = r.u32();
            self.spans.push(Span { start: r.at as u32, len });
            r.at += len as usize;
        }
        self.at = r.at;
        Some(Record::Ask { origin, manner, row, tx, lent, args: Args::new(&self.out.bytes, &self.spans) })
    }
}

fn push_origin(bytes: &mut Vec<u8>, o: Origin) {
    let mut head = [0; 12];
    head[..4].copy_from_slice(&o.conn.to_le_bytes());
    head[4..8].copy_from_slice(&o.generation.to_le_bytes());
    head[8..].copy_from_slice(&o.seq.to_le_bytes());
    bytes.extend_from_slice(&head);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let v = self.bytes[self.at..self.at + N].try_into().expect("N bytes were sliced");
        self.at += N;
        v
    }

    fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::ArgsBuf;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut batch: Batch<&str> = Batch::default();
        let origin = Origin { conn: 7, generation: 9, seq: 4_000_000_000 };
        let manner = Manner { dialect: Dialect::Memcache, db: DbId(15), no_touch: true, silent: true };
        let words: ArgsBuf = [&b"SET"[..], b"", b"\0\r\n"].into_iter().collect();
        batch.reply(origin, |out| {
            out.extend(b"$");
            out.lend(Bytes::from_static(b"large"));
            out.extend(b"!");
        });
        batch.mail("one");
        batch.ask(origin, manner, 300, 7 << 40, words.args());
        batch.reply(origin, |_| {});
        draw_after(&mut batch.out, origin, 1 << 50);
        batch.sent(origin, 5, b"rest");
        batch.ask_lending(origin, manner, 300, 0, Some(17), words.args());
        batch.ask_lending(origin, manner, 300, 1, Some(18), words.args());
        batch.mail("two");
        let mut seen = vec![];
        let mut reading = batch.read();
        while let Some(record) = reading.read_next() {
            seen.push(match record {
                Record::Ask { origin: o, manner: m, row, tx, lent, args } => {
                    assert_eq!((o, m), (origin, manner));
                    format!("ask {row} {tx} {lent:?} {args:?}")
                }
                Record::After { origin: o, until } => {
                    assert_eq!((o, until), (origin, 1 << 50));
                    "after".into()
                }
                Record::Sent { origin: o, sent, rest } => {
                    assert_eq!(o, origin);
                    format!("sent {sent} {}", rest.escape_ascii())
                }
                Record::Reply { bytes, shared, base, .. } => {
                    let at: Vec<usize> = shared.iter().map(|(at, _)| at - base).collect();
                    format!("reply {} {at:?}", bytes.escape_ascii())
                }
                Record::Mail(m) => m.to_string(),
            });
        }
        let words = r#"["SET", "", "\\x00\\r\\n"]"#;
        let want = [
            "reply $! [1]",
            "one",
            &format!("ask 300 {} None {words}", 7u64 << 40),
            "reply  []",
            "after",
            "sent 5 rest",
            &format!("ask 300 0 Some(17) {words}"),
            &format!("ask 300 1 Some(18) {words}"),
            "two",
        ];
        assert_eq!(seen, want);
        assert!(batch.urgent);
        batch.clear();
        assert!(batch.is_empty() && !batch.urgent);
        batch.sent(origin, 5, b"");
        assert!(!batch.urgent, "nobody need be woken to hear that all is well");
        batch.sent(origin, 5, b"!");
        assert!(batch.urgent);
    }
}
