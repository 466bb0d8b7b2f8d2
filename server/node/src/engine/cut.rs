//! Asks on very many keys that may be cut into asks on few: each shard is locked as a whole, runs its keys in slices, and
//! the replies are joined to one. Other connections' asks on keys wait meanwhile, all else goes on; memory stays in
//! proportion to the ask.

use super::effects::Share;
use super::together::{Access, Commit, Tx, TxPart, What};
use super::{Engine, HINTS, Mail, speak};
use crate::ask::{Manner, Origin};
use crate::shard::locks::{Client, TxId};
use base::{Args, ArgsBuf, Fault, Out, ShardId};
use bytes::Bytes;
use command::row::{Data, Flag, Row};
use std::collections::VecDeque;
use std::sync::Arc;

/// Words of one slice hold at most this many bytes, but for one key's.
const SLICE_BYTES: usize = 128 * 1024;
/// Keys whose owners are found, or whose replies are joined, in one slice: about 100 µs.
const JOINED_A_SLICE: usize = 2048;
/// A reply over many keys leaves in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;

/// How replies to the parts of an ask make one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Join {
    /// Numbers, added up.
    Sum,
    /// OK.
    Ok,
    /// An array, its elements in the order of the keys.
    List,
}

impl Join {
    /// Whether a row's asks may be cut at their keys: what Redis tells proxies and cluster clients ("Command tips":
    /// request_policy, response_policy), the table tells us.
    pub(super) fn of(row: &Row) -> Option<Join> {
        let policy = |name: &str| row.docs.tips.iter().find_map(|tip| tip.strip_prefix(name));
        match (policy("request_policy:"), policy("response_policy:")) {
            (Some("multi_shard"), Some("agg_sum")) => Some(Join::Sum),
            (Some("multi_shard"), Some("all_succeeded")) => Some(Join::Ok),
            (Some("multi_shard"), None) => Some(Join::List),
            _ => None,
        }
    }
}

/// An ask that is cut, as all shards see it.
pub(super) struct Cut {
    row: &'static Row,
    data: Data,
    join: Join,
    manner: Manner,
    words: ArgsBuf,
    /// The first key's word, and words from one key to the next.
    first: usize,
    step: usize,
    keys: usize,
}

impl Cut {
    fn key(&self, n: usize) -> &[u8] {
        self.words.args().at(self.first + n * self.step)
    }
}

/// One shard's part of it.
pub struct CutPart {
    cut: Arc<Cut>,
    /// Which keys; None: all.
    mine: Option<Vec<u32>>,
    /// On how many shards there are parts.
    parties: u32,
}

/// What a shard has made of its part.
#[derive(Default)]
pub struct Made {
    sum: i64,
    /// Replies of some keys each.
    lists: VecDeque<List>,
    /// The first error.
    failed: Option<Vec<u8>>,
    ns: u64,
}

/// Replies to some keys, one after the other.
#[derive(Default)]
struct List {
    out: Out,
    /// Where each ends: in `out.bytes`, in `out.shared`.
    ends: VecDeque<(usize, usize)>,
    /// Where the first that is not taken yet begins.
    at: (usize, usize),
}

/// One ask that is cut, as its coordinator knows it.
pub(super) struct Cutting {
    cut: Arc<Cut>,
    origin: Origin,
    /// By key; empty: all lie on one shard.
    owners: Vec<u16>,
    /// By shard.
    made: Vec<Made>,
    missing: usize,
}

impl Engine {
    /// Begins an ask that is cut. The session must have no ask under way (`Stall::Barrier`), and begins none before this
    /// one is answered.
    pub(super) fn begin_cut(
        &mut self,
        index: u32,
        row: &'static Row,
        data: Data,
        join: Join,
        args: Args<'_>,
        keys: &[usize],
        manner: Manner,
    ) {
        let (first, step) = (keys[0], keys[1] - keys[0]);
        if !(args.len() - first).is_multiple_of(step) {
            // A key without its value: the handler says so, and touches nothing.
            return self.run_local(index, row, args, manner);
        }
        self.metrics.together += 1;
        if self.memory_over && row.flags & Flag::DENYOOM != 0 && !self.make_room() {
            self.refuse(index, Some(row), &Fault::OutOfMemory);
            return;
        }
        let client = Client { shard: self.me.0, conn: index, generation: self.conns[index as usize].generation };
        let origin = self.place(index);
        self.conns[index as usize].fence = true;
        let words = ArgsBuf::from(args);
        let cut = Arc::new(Cut { row, data, join, manner, words, first, step, keys: keys.len() });
        let shards = self.shards();
        if shards == 1 {
            let part = CutPart { cut: cut.clone(), mine: None, parties: 1 };
            let cutting = Cutting { cut, origin, owners: Vec::new(), made: Vec::new(), missing: 0 };
            self.lock_cut(client, cutting, vec![(self.me, part)]);
            return;
        }
        let mut owners = Vec::with_capacity(cut.keys);
        let mut shares: Vec<Vec<u32>> = vec![Vec::new(); shards];
        self.chore(Box::new(move |engine| {
            for n in owners.len()..cut.keys.min(owners.len() + JOINED_A_SLICE) {
                let owner = engine.owner(cut.key(n));
                owners.push(owner.0);
                shares[owner.index()].push(n as u32);
            }
            if owners.len() < cut.keys {
                return false;
            }
            let parties = shares.iter().filter(|mine| !mine.is_empty()).count() as u32;
            let shares = std::mem::take(&mut shares).into_iter().enumerate().filter(|(_, mine)| !mine.is_empty());
            let parts = shares.map(|(shard, mine)| {
                let part = CutPart { cut: cut.clone(), mine: Some(mine), parties };
                (ShardId(shard as u16), part)
            });
            let (cut, owners) = (cut.clone(), std::mem::take(&mut owners));
            engine.lock_cut(client, Cutting { cut, origin, owners, made: Vec::new(), missing: 0 }, parts.collect());
            true
        }));
    }

    fn lock_cut(&mut self, client: Client, mut cutting: Cutting, shares: Vec<(ShardId, CutPart)>) {
        cutting.made = (0..self.shards()).map(|_| Made::default()).collect();
        cutting.missing = shares.len();
        let parts: Vec<_> = shares.iter().map(|&(shard, _)| TxPart::of(shard, Vec::new())).collect();
        let asks = shares.iter().map(|&(shard, _)| (shard, Access::Whole)).collect();
        let (origin, manner) = (cutting.origin, cutting.cut.manner);
        let what = What::Cut { cutting, shares };
        self.start_tx(client, Tx { origin, manner, missing: parts.len(), parts, what }, asks);
        self.pump();
    }

    /// All shards hold.
    pub(super) fn commit_cut(&mut self, id: TxId, cutting: Cutting, shares: Vec<(ShardId, CutPart)>) {
        if cutting.cut.row.flags & Flag::WRITE != 0 {
            self.expect_records(id, cutting.origin, shares.len());
        }
        self.cuts.insert(id, cutting);
        for (shard, part) in shares {
            self.send_commit(id, shard, Commit::Cut(part));
        }
    }

    /// Runs this shard's part in slices; then lets go, and tells the coordinator.
    pub(super) fn run_cut(&mut self, id: TxId, coordinator: ShardId, part: CutPart, tell: bool) {
        let CutPart { cut, mine, parties } = part;
        let share = if cut.row.flags & Flag::WRITE != 0 { Share::of(id, parties) } else { Share::ALONE };
        let mut effects = Vec::new();
        let count = mine.as_ref().map_or(cut.keys, Vec::len);
        let (mut at, mut made, mut words) = (0, Made::default(), ArgsBuf::new());
        if cut.row.flags & Flag::WRITE != 0 {
            self.begin_slices(id, None);
        }
        self.chore(Box::new(move |engine| {
            let nth = |n: usize| mine.as_ref().map_or(n, |mine| mine[n] as usize);
            engine.record();
            at += engine.run_slice(&cut, &mut (at..count).map(nth), &mut words, &mut made);
            engine.hold_effects(&mut effects);
            if at < count {
                return false;
            }
            engine.record_held(&mut effects, share);
            engine.end_slices(id);
            engine.after_write();
            if tell {
                engine.tell_record(id, coordinator);
            }
            // Before others may write.
            let unsure = engine.unsure();
            engine.release(id);
            let made = std::mem::take(&mut made);
            if coordinator == engine.me {
                engine.cut_made(id, coordinator, made, unsure);
            } else {
                if unsure > 0 {
                    engine.owe(coordinator);
                }
                let mail = Mail::Made { id, shard: engine.me, made, unsure };
                engine.outbox[coordinator.index()].mail(mail);
            }
            engine.pump();
            true
        }));
    }

    /// Runs a slice's worth of the keys with these numbers; how many that were.
    fn run_slice(
        &mut self,
        cut: &Cut,
        keys: &mut dyn Iterator<Item = usize>,
        words: &mut ArgsBuf,
        made: &mut Made,
    ) -> usize {
        self.lap = self.ticks();
        let all = cut.words.args();
        let (mut bytes, mut count) = (0, 0);
        let mut slice: Vec<usize> = Vec::with_capacity(self.slice_keys);
        while slice.len() < self.slice_keys && bytes < SLICE_BYTES {
            let Some(n) = keys.next() else { break };
            let key = cut.first + n * cut.step;
            bytes += (key..key + cut.step).map(|word| all.at(word).len()).sum::<usize>();
            slice.push(key);
        }
        let mut list = List::default();
        // Elements of a list are told apart by asking for them one by one.
        let together = if cut.join == Join::List { 1 } else { slice.len().max(1) };
        for (i, ask) in slice.chunks(together).enumerate() {
            if together > 1 || i % HINTS == 0 {
                let ahead = &slice[count..slice.len().min(count + HINTS.max(together))];
                ahead.iter().for_each(|&key| self.store.prefetch(cut.manner.db, all.at(key)));
                ahead.iter().for_each(|&key| self.store.prefetch_entry(cut.manner.db, all.at(key)));
            }
            words.clear();
            (0..cut.first).for_each(|word| words.push(all.at(word)));
            ask.iter().for_each(|&key| (key..key + cut.step).for_each(|word| words.push(all.at(word))));
            count += ask.len();
            let start = list.out.bytes.len();
            let mut ctx = self.ctx(cut.manner.db, cut.manner.no_touch);
            speak(cut.manner.dialect, &mut list.out, |reply| (cut.data)(&mut ctx, words.args(), reply));
            debug_assert!(ctx.job.is_none(), "a command that may be cut replies at once");
            let reply = &list.out.bytes[start..];
            if reply.first() == Some(&b'-') {
                made.failed.get_or_insert_with(|| reply.to_vec());
            }
            match cut.join {
                Join::Ok => list.out.clear(),
                Join::Sum => {
                    made.sum += number(reply).unwrap_or(0);
                    list.out.clear();
                }
                Join::List => {
                    // An array of one: what follows its head.
                    list.out.bytes.drain(start..start + reply.len().min(ARRAY_OF_ONE.len()));
                    list.out
                        .shared
                        .iter_mut()
                        .filter(|(at, _)| *at > start)
                        .for_each(|(at, _)| *at -= ARRAY_OF_ONE.len());
                    list.ends.push_back((list.out.bytes.len(), list.out.shared.len()));
                }
            }
        }
        if cut.join == Join::List {
            made.lists.push_back(list);
        }
        made.ns += self.lap_ns();
        count
    }

    /// A shard has run its part.
    pub(super) fn cut_made(&mut self, id: TxId, shard: ShardId, made: Made, unsure: u64) {
        let cutting = self.cuts.get_mut(&id).expect("a part comes once, from each shard that was asked");
        let origin = cutting.origin;
        cutting.made[shard.index()] = made;
        cutting.missing -= 1;
        let all = cutting.missing == 0;
        if unsure > 0 {
            self.need(origin, shard, unsure);
        }
        if !all {
            return;
        }
        let Cutting { cut, origin, owners, mut made, .. } = self.cuts.remove(&id).expect("looked up above");
        let failed = made.iter_mut().find_map(|m| m.failed.take());
        let ns = made.iter().map(|m| m.ns).sum();
        self.ran(cut.row, cut.words.args(), ns, Some(failed.is_some()), origin.conn);
        if cut.manner.silent {
            return self.deliver_drawn(origin, &mut Out::new());
        }
        let dialect = cut.manner.dialect;
        match (failed, cut.join) {
            (Some(line), _) => {
                self.metrics.error(&line[1..]);
                self.deliver_raw(origin, |out| out.extend(&line));
            }
            (None, Join::Ok) => self.deliver_as(origin, dialect, |r| r.ok()),
            (None, Join::Sum) => {
                let sum = made.iter().map(|m| m.sum).sum();
                self.deliver_as(origin, dialect, |r| r.int(sum));
            }
            (None, Join::List) => {
                let (mut next, mut pieces) = (0, Pieces::default());
                self.chore(Box::new(move |engine| {
                    let until = cut.keys.min(next + JOINED_A_SLICE);
                    while next < until {
                        let owner = owners.get(next).map_or(engine.me.index(), |&owner| owner as usize);
                        let lists = &mut made[owner].lists;
                        let list = lists.front_mut().expect("a reply for each key");
                        list.take(&mut pieces);
                        if list.ends.is_empty() {
                            lists.pop_front();
                        }
                        next += 1;
                    }
                    if next < cut.keys {
                        return false;
                    }
                    pieces.close();
                    engine.deliver_as(origin, dialect, |r| {
                        r.array(cut.keys);
                        pieces.done.drain(..).for_each(|piece| r.drawn(piece));
                    });
                    true
                }));
            }
        }
    }
}

const ARRAY_OF_ONE: &[u8] = b"*1\r\n";

/// The number that an integer reply says.
fn number(reply: &[u8]) -> Option<i64> {
    base::number::parse_i64(reply.strip_prefix(b":")?.strip_suffix(b"\r\n")?)
}

/// A long reply in the making: pieces that are lent.
#[derive(Default)]
struct Pieces {
    done: Vec<Bytes>,
    piece: Vec<u8>,
}

impl Pieces {
    fn close(&mut self) {
        if !self.piece.is_empty() {
            self.done.push(std::mem::take(&mut self.piece).into());
        }
    }
}

impl List {
    /// Moves the next reply to `pieces`.
    fn take(&mut self, pieces: &mut Pieces) {
        let (mut from, shared) = self.at;
        let end = self.ends.pop_front().expect("the caller looks");
        for (at, value) in &self.out.shared[shared..end.1] {
            pieces.piece.extend_from_slice(&self.out.bytes[from..*at]);
            pieces.close();
            pieces.done.push(value.clone());
            from = *at;
        }
        pieces.piece.extend_from_slice(&self.out.bytes[from..end.0]);
        if pieces.piece.len() >= PIECE_BYTES {
            pieces.close();
        }
        self.at = end;
    }
}
