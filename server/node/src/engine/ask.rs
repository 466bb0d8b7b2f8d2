//! From bytes to asks, and from an ask to whoever answers it.

use super::cut::Join;
use super::effects::Effects;
use super::{Engine, OUTBOX_BYTES_MAX, Served, secret};
use crate::ask::{Dialect, Manner};
use crate::log::Level;
use crate::persist::{Gate, MISCONF};
use crate::session::{Door, Parser, ReplyMode, Stall};
use base::slot::{SLOTS, slot_of};
use base::{Args, Fault, ShardId, SlotId, Span};
use command::row::{Flag, Row, Run, Together};
use command::table;

/// Above this much unread input of a session that stalls, its connection is not received from.
const STALLED_INPUT_BYTES_MAX: usize = 64 * 1024;
/// A session that owes its client this much goes on when the client has read it.
const OWED_BYTES_MAX: usize = 32 << 20;
/// Asks of a pipeline that are read before the first of them is run.
const AHEAD: usize = 16;
/// Asks of one session in a row before others have their turn.
const ASKS_A_TURN_MAX: u32 = 1024;

impl Engine {
    /// Bytes have come in.
    pub fn received(&mut self, index: u32, bytes: &[u8]) {
        self.heard(self.me.0, index);
        let up_us = self.now.up_us;
        self.metrics.bytes_in += bytes.len() as u64;
        self.metrics.reads += 1;
        let conn = &mut self.conns[index as usize];
        conn.bytes_in += bytes.len() as u64;
        conn.last_active_us = up_us;
        if conn.closing {
            return;
        }
        if conn.stall.is_some() {
            conn.input.extend_from_slice(bytes);
            self.throttle_if_full(index);
        } else if conn.input.is_empty() {
            // The common case: asks are read where the kernel put them.
            let used = self.drive(index, bytes);
            let conn = &mut self.conns[index as usize];
            if used < bytes.len() && !conn.closing {
                conn.input.extend_from_slice(&bytes[used..]);
                self.throttle_if_full(index);
            }
        } else {
            conn.input.extend_from_slice(bytes);
            self.drive_input(index);
        }
        self.weigh(index);
    }

    /// Goes on with input that was kept.
    pub(super) fn drive_input(&mut self, index: u32) {
        let mut input = std::mem::take(&mut self.conns[index as usize].input);
        let used = self.drive(index, &input);
        let conn = &mut self.conns[index as usize];
        if conn.closing || used == input.len() {
            // Idle connections own no buffer.
            input = Vec::new();
        } else {
            input.drain(..used);
        }
        conn.input = input;
        self.throttle_if_full(index);
    }

    fn throttle_if_full(&mut self, index: u32) {
        let limit = self.live.query_buffer_bytes_max;
        let conn = &mut self.conns[index as usize];
        if conn.stall.is_some() {
            if !conn.paused && conn.input.len() > STALLED_INPUT_BYTES_MAX {
                conn.paused = true;
                self.throttle.push((index, true));
            }
        } else if conn.input.len() > limit {
            self.metrics.query_limit_disconnections += 1;
            self.kill(index);
        }
    }

    /// Reads and runs asks from `bytes`; how many bytes it is done with.
    ///
    /// A pipeline is read some asks ahead of what is run, so that the table slots and entries of their keys are on their
    /// way from memory meanwhile: two cache misses an ask otherwise, 40 % of all user time at 16 asks a pipeline.
    fn drive(&mut self, index: u32, bytes: &[u8]) -> usize {
        if self.frozen_until_us > self.now.up_us {
            self.stall(index, Stall::Until(self.frozen_until_us));
            return 0;
        }
        let mut ahead = std::mem::take(&mut self.ahead);
        let mut spans = std::mem::take(&mut self.spans);
        self.lap = self.ticks();
        let mut pos = 0;
        let mut asks = 0;
        'reading: while pos < bytes.len() {
            ahead.clear();
            spans.clear();
            let last = self.read_ahead(index, &bytes[pos..], &mut ahead, &mut spans);
            if ahead.len() > 1 {
                let db = self.conns[index as usize].db;
                for ask in &ahead {
                    if let Some(key) = ask.args(&bytes[pos..], &spans).get(1) {
                        self.store.prefetch_entry(db, key);
                    }
                }
            }
            let mut used = 0;
            self.alone = pos == 0 && ahead.len() == 1 && ahead[0].at + ahead[0].used == bytes.len();
            for ask in &ahead {
                let conn = &mut self.conns[index as usize];
                if conn.closing {
                    pos = bytes.len();
                    break 'reading;
                }
                let args = ask.args(&bytes[pos..], &spans);
                let served = match stall_of(conn, asks, &self.effects) {
                    Some(stall) => Served::Stall(stall),
                    None if conn.dialect == Dialect::Memcache => self.memcache_ask(index, args, ask.noreply),
                    None => self.ask(index, args),
                };
                if let Served::Stall(stall) = served {
                    // The ask stays in the input and is read once more: forget that it was.
                    self.conns[index as usize].parser.rewind(ask.before);
                    self.stall(index, stall);
                    pos += ask.at;
                    break 'reading;
                }
                used = ask.at + ask.used;
                asks += 1;
            }
            pos += used;
            if self.conns[index as usize].closing {
                pos = bytes.len();
                break;
            }
            match self.take_last(index, last) {
                Ok(used) => pos += used,
                Err(Some(stall)) => {
                    self.conns[index as usize].parser.rewind(None);
                    self.stall(index, stall);
                    break;
                }
                Err(None) => break,
            }
        }
        self.spans = spans;
        self.ahead = ahead;
        pos
    }

    /// Reads up to `AHEAD` asks. What comes after them that is no ordinary ask is returned to be dealt with in its turn.
    fn read_ahead(&mut self, index: u32, bytes: &[u8], ahead: &mut Vec<Ahead>, spans: &mut Vec<Span>) -> Last {
        let Engine { conns, live, store, .. } = self;
        let conn = &mut conns[index as usize];
        let authenticated = conn.authenticated || !live.password_set;
        // What may be sent depends on what an AUTH before it says.
        let count = if authenticated { AHEAD } else { 1 };
        let single = self.outbox.len() == 1;
        let mut at = 0;
        while ahead.len() < count && at < bytes.len() {
            let first = spans.len() as u32;
            let rest = &bytes[at..];
            let (used, noreply, before) = match &mut conn.parser {
                Parser::Resp(parser) => {
                    use wire::resp::{ParseLimits, Parsed};
                    let limits = ParseLimits { bulk_bytes_max: live.limits.value_bytes_max, authenticated };
                    match parser.parse(rest, spans, &limits) {
                        Parsed::Ask { used } => (used, false, None),
                        other => return Last::Resp(other),
                    }
                }
                Parser::Memcache(parser) => {
                    use wire::memcache::{ParseLimits, Parsed};
                    let limits = ParseLimits { item_bytes_max: live.limits.item_bytes_max, ..ParseLimits::default() };
                    let before = *parser;
                    match parser.parse(rest, spans, &limits) {
                        Parsed::Ask { used, noreply } => (used, noreply, Some(before)),
                        other => return Last::Memcache(other),
                    }
                }
            };
            let ask = Ahead { at, used, noreply, spans: (first, spans.len() as u32), before };
            if single && let Some(key) = ask.args(bytes, spans).get(1) {
                store.prefetch(conn.db, key);
            }
            ahead.push(ask);
            at += used;
        }
        Last::Nothing
    }

    /// Deals with what is no ordinary ask: how many bytes it took, or why the session does not go on.
    fn take_last(&mut self, index: u32, last: Last) -> Result<usize, Option<Stall>> {
        match last {
            Last::Nothing => Ok(0),
            Last::Resp(parsed) => {
                use wire::resp::Parsed;
                match parsed {
                    Parsed::Ask { .. } => unreachable!("asks are read ahead"),
                    Parsed::Quoted { used, words } => match stall_of(&mut self.conns[index as usize], 0, &self.effects)
                    {
                        Some(stall) => Err(Some(stall)),
                        None => self.ask(index, words.args()).after(used),
                    },
                    Parsed::Empty { used } => Ok(used),
                    Parsed::More { .. } => Err(None),
                    Parsed::Fault(fault) => {
                        self.metrics.protocol_errors += 1;
                        self.take_reply_mode(index);
                        self.answer(index, |r| r.fault(&fault));
                        self.close_after_reply(index);
                        Ok(0)
                    }
                    Parsed::TooBig => {
                        self.metrics.query_limit_disconnections += 1;
                        self.kill(index);
                        Ok(0)
                    }
                }
            }
            Last::Memcache(parsed) => {
                use wire::memcache::Parsed;
                match parsed {
                    Parsed::Ask { .. } => unreachable!("asks are read ahead"),
                    Parsed::Refused { used, line } => {
                        self.answer(index, |r| r.line(line));
                        Ok(used)
                    }
                    Parsed::Empty { used } => Ok(used),
                    Parsed::More { .. } => Err(None),
                    Parsed::Close | Parsed::Binary => {
                        self.close_after_reply(index);
                        Ok(0)
                    }
                }
            }
        }
    }

    /// The first ask of bytes that have come for a connection will want this key: a look that costs a few ns and may be
    /// wrong. It lets the turn fetch for many connections at once before it runs their asks.
    pub fn hint(&self, index: u32, bytes: &[u8], entry: bool) {
        let conn = &self.conns[index as usize];
        if self.outbox.len() > 1 || !conn.input.is_empty() {
            return;
        }
        let Some(key) = likely_key(bytes, conn.dialect) else { return };
        if entry {
            self.store.prefetch_entry(conn.db, key);
        } else {
            self.store.prefetch(conn.db, key);
        }
    }

    pub(super) fn stall(&mut self, index: u32, stall: Stall) {
        let conn = &mut self.conns[index as usize];
        if conn.stall.replace(stall).is_none() {
            self.stalled.push(index);
        }
    }

    /// One RESP ask.
    fn ask(&mut self, index: u32, args: Args<'_>) -> Served {
        let row = match self.names.resolve(args) {
            Ok(row) => row,
            Err(fault) => return self.refuse_unresolved(index, args, &fault),
        };
        let conn = &mut self.conns[index as usize];
        conn.last_row = Some(row);
        let conn_listens = conn.is_listening();
        if !conn.authenticated && self.live.password_set && row.flags & Flag::NO_AUTH == 0 {
            self.take_reply_mode(index);
            return self.refuse(index, Some(row), &Fault::NoAuth);
        }
        if row.flags & Flag::PROTECTED != 0
            && let Some(fault) = self.protected(index, row)
        {
            self.take_reply_mode(index);
            return self.refuse(index, Some(row), &fault);
        }
        if self.gate != 0
            && let Some(fault) = self.gated(row)
        {
            self.take_reply_mode(index);
            return self.refuse(index, Some(row), &fault);
        }
        if conn_listens && let Some(fault) = self.listener_objection(index, row) {
            self.take_reply_mode(index);
            return self.refuse(index, Some(row), &fault);
        }
        if self.process.is_paused(self.now.ms(), row.flags) {
            return Served::Stall(Stall::Pause);
        }
        let mode = self.conns[index as usize].reply_mode;
        self.take_reply_mode(index);
        let served = self.dispatch(index, row, args);
        match served {
            Served::Stall(_) => self.conns[index as usize].reply_mode = mode,
            Served::Done => self.note_ask(index, row, args),
        }
        served
    }

    /// No verb, or one with too few or too many words.
    #[cold]
    fn refuse_unresolved(&mut self, index: u32, args: Args<'_>, fault: &Fault) -> Served {
        // As Redis: a browser that was made to send its form here goes on with what the form says.
        if args.is(0, "post") || args.is(0, "host:") {
            let addr = self.conns[index as usize].peer.addr();
            self.log_limited(Level::Warning, format_args!("{addr} speaks HTTP, perhaps for somebody else: closed"));
            self.kill(index);
            return Served::Done;
        }
        let row = match args.get(0).and_then(|verb| self.names.find(verb)) {
            Some(container) if !container.subs.is_empty() && args.len() > 1 => table::find_sub(container, args.at(1)),
            row => row,
        };
        self.conns[index as usize].last_row = row;
        self.take_reply_mode(index);
        self.refuse(index, row, fault)
    }

    /// One ask of memcached's.
    fn memcache_ask(&mut self, index: u32, args: Args<'_>, silent: bool) -> Served {
        let Some(row) = command::memcache::find_memcache(args.at(0)) else {
            self.answer(index, |r| r.fault(&Fault::Unknown));
            return Served::Done;
        };
        self.conns[index as usize].last_row = Some(row);
        if self.process.is_paused(self.now.ms(), row.flags) {
            return Served::Stall(Stall::Pause);
        }
        let conn = &mut self.conns[index as usize];
        if !conn.authenticated && self.live.password_set {
            return self.refuse(index, Some(row), &Fault::NoAuth);
        }
        conn.silent = silent;
        let served = match if self.gate != 0 { self.gated(row) } else { None } {
            Some(fault) => self.refuse(index, Some(row), &fault),
            None => self.dispatch(index, row, args),
        };
        if served == Served::Done {
            self.note_ask(index, row, args);
        }
        if let Some(conn) = self.conns.get_mut(index as usize) {
            conn.silent = false;
        }
        served
    }

    fn note_ask(&mut self, index: u32, row: &'static Row, args: Args<'_>) {
        let conn = &mut self.conns[index as usize];
        conn.asks += 1;
        if !self.monitors.is_empty() && row.flags & (Flag::SKIP_MONITOR | Flag::ADMIN) == 0 {
            match secret::blanked(row, args) {
                Some(shown) => self.feed_monitors(index, shown.args()),
                None => self.feed_monitors(index, args),
            }
        }
    }

    /// CLIENT REPLY: whether this ask is silent; SKIP lasts for one.
    fn take_reply_mode(&mut self, index: u32) {
        let conn = &mut self.conns[index as usize];
        conn.silent = conn.reply_mode != ReplyMode::On;
        if conn.reply_mode == ReplyMode::SkipNext {
            conn.reply_mode = ReplyMode::On;
        }
    }

    pub fn refuse(&mut self, index: u32, row: Option<&'static Row>, fault: &Fault) -> Served {
        if let Some(row) = row {
            self.metrics.rows[row.id() as usize].rejected += 1;
        }
        self.answer(index, |r| r.fault(fault));
        Served::Done
    }

    /// `enable-debug-command`, `enable-protected-configs`: no, yes, or local connections only.
    fn protected(&self, index: u32, row: &Row) -> Option<Fault> {
        let allowed = self.live.debug_command.allows(self.conns[index as usize].peer.is_local());
        (!allowed).then(|| {
            Fault::err(format!(
                "{} command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local \
                 connection, otherwise you need to set this option in the configuration file, and then restart the server.",
                row.name.split('|').next().unwrap_or(row.name).to_ascii_uppercase()
            ))
        })
    }

    /// Why the process takes no such ask now.
    #[cold]
    fn gated(&self, row: &Row) -> Option<Fault> {
        if self.gate & Gate::MISCONF != 0 && (row.flags & Flag::WRITE != 0 || row.name == "ping") {
            return Some(MISCONF);
        }
        if self.gate & Gate::LOG != 0 && (row.flags & Flag::WRITE != 0 || row.name == "ping") {
            let reason = self.process.persist.log.facts().failed.clone().unwrap_or_default();
            return Some(Fault::Text(format!("MISCONF Errors writing to the AOF file: {reason}").into()));
        }
        (self.gate & Gate::LOADING != 0 && row.flags & Flag::LOADING == 0).then_some(Fault::Loading)
    }

    /// Sends an ask where its keys lie.
    fn dispatch(&mut self, index: u32, row: &'static Row, args: Args<'_>) -> Served {
        let conn = &self.conns[index as usize];
        let manner = Manner { silent: conn.silent, ..conn.manner() };
        let on_shard_port = conn.door == Door::Shard;
        match row.run {
            Run::Server(verb) => {
                let (errors, rejected) = (self.metrics.errors, self.metrics.rows[row.id() as usize].rejected);
                let served = (self.serve)(self, index, verb, row, args);
                if served == Served::Done && self.metrics.rows[row.id() as usize].rejected == rejected {
                    let ns = self.lap_ns() + std::mem::take(&mut self.stood_ns);
                    self.ran(row, args, ns, Some(self.metrics.errors > errors), index);
                }
                served
            }
            Run::One(_) => {
                let first = self.first_key[row.id() as usize] as usize;
                let key = if first != 0 {
                    args.at(first)
                } else {
                    self.keys.clear();
                    if let Err(fault) = table::keys_of(row, args, &mut self.keys) {
                        return self.refuse(index, Some(row), &fault);
                    }
                    args.at(self.keys[0])
                };
                self.dispatch_one(index, row, args, key, manner, on_shard_port)
            }
            // memcached's `get`, DEL, EXISTS, MGET of one key.
            Run::Many(..) if args.len() == 2 && self.first_key[row.id() as usize] == 1 => {
                self.dispatch_one(index, row, args, args.at(1), manner, on_shard_port)
            }
            Run::Many(_, together) | Run::Together(together) => {
                let mut keys = std::mem::take(&mut self.keys);
                keys.clear();
                let served = match table::keys_of(row, args, &mut keys) {
                    Err(fault) => self.refuse(index, Some(row), &fault),
                    Ok(()) => self.dispatch_many(index, row, together, args, &keys, manner),
                };
                self.keys = keys;
                served
            }
            Run::Blocking(blocking) => self.ask_blocking(index, row, blocking, args, manner, on_shard_port),
            Run::Container => unreachable!("resolve never ends at a container"),
        }
    }

    /// An ask on one key.
    #[inline]
    fn dispatch_one(
        &mut self,
        index: u32,
        row: &'static Row,
        args: Args<'_>,
        key: &[u8],
        manner: Manner,
        on_shard_port: bool,
    ) -> Served {
        let owner = self.owner(key);
        if owner == self.me {
            self.run_local(index, row, args, manner);
            return Served::Done;
        }
        if on_shard_port {
            return self.moved(index, row, slot_of(key));
        }
        self.send(index, row, 0, args, manner, owner)
    }

    /// An ask on several keys.
    fn dispatch_many(
        &mut self,
        index: u32,
        row: &'static Row,
        together: &'static Together,
        args: Args<'_>,
        keys: &[usize],
        manner: Manner,
    ) -> Served {
        let conn = &self.conns[index as usize];
        let roams = self.roams(row, args);
        let whole = roams || keys.len() > self.keys_locked_max;
        if whole && !conn.order.is_empty() {
            return Served::Stall(Stall::Barrier);
        }
        if whole
            && conn.door != Door::Shard
            && let (Run::Many(data, _), Some(join)) = (row.run, Join::of(row))
        {
            self.begin_cut(index, row, data, join, args, keys, manner);
            return Served::Done;
        }
        // One that names no keys (PFSELFTEST) runs where it is asked.
        let Some(&first) = keys.first() else {
            self.run_local(index, row, args, manner);
            return Served::Done;
        };
        let owner = self.owner(args.at(first));
        let on_one = self.shards() == 1 || keys.iter().all(|&k| self.owner(args.at(k)) == owner);
        if on_one && owner != self.me && conn.door == Door::Shard {
            self.moved(index, row, slot_of(args.at(first)))
        } else if on_one && !whole {
            if owner == self.me {
                self.run_local(index, row, args, manner);
                return Served::Done;
            }
            // Its place among transactions, should it have to wait: after what this connection asked before, before what
            // it asks later.
            let tx = if keys.len() > 1 { self.process.next_tx() } else { 0 };
            self.send(index, row, tx, args, manner, owner)
        } else if conn.order.is_full() {
            Served::Stall(Stall::Order)
        } else {
            self.begin_together(index, row, together, args, keys, whole, manner);
            Served::Done
        }
    }

    /// The shard that owns a key.
    #[inline]
    pub fn owner(&self, key: &[u8]) -> ShardId {
        if self.outbox.len() == 1 {
            return ShardId(0);
        }
        self.owner_of_slot(slot_of(key))
    }

    /// Slots lie on shards in even ranges.
    #[inline]
    pub fn owner_of_slot(&self, slot: SlotId) -> ShardId {
        ShardId((slot.0 as u32 * self.outbox.len() as u32 / SLOTS as u32) as u16)
    }

    fn send(
        &mut self,
        index: u32,
        row: &'static Row,
        tx: u64,
        args: Args<'_>,
        manner: Manner,
        owner: ShardId,
    ) -> Served {
        if self.outbox[owner.index()].out.bytes.len() > OUTBOX_BYTES_MAX {
            return Served::Stall(Stall::Mailbox(owner.0));
        }
        let lent = self.lend(index, manner.silent);
        let conn = &mut self.conns[index as usize];
        // A silent one keeps a place too, and an empty reply comes for it: what must see all earlier asks done waits for it.
        let seq = conn.order.wait();
        let origin = conn.origin(seq);
        self.outbox[owner.index()].ask_lending(origin, manner, row.id(), tx, lent, args);
        Served::Done
    }

    pub fn moved(&mut self, index: u32, row: &'static Row, slot: SlotId) -> Served {
        let owner = self.owner_of_slot(slot);
        let address = self.process.announced(owner, &self.conns[index as usize].peer);
        self.refuse(index, Some(row), &Fault::Moved(slot.0, address))
    }
}

/// What keeps a session from its next ask.
fn stall_of(conn: &mut crate::session::Conn, asks: u32, effects: &Effects) -> Option<Stall> {
    if conn.fence {
        if !conn.order.is_empty() {
            return Some(Stall::Barrier);
        }
        conn.fence = false;
    }
    if effects.is_full() {
        return Some(Stall::Effects);
    }
    if conn.order.is_full() {
        return Some(Stall::Order);
    }
    if conn.owed() > OWED_BYTES_MAX {
        return Some(Stall::Output);
    }
    (asks >= ASKS_A_TURN_MAX).then_some(Stall::Slice)
}

impl Engine {
    /// Whether the reason of a stall is gone.
    pub(super) fn may_go_on(&self, index: u32, stall: Stall) -> bool {
        let conn = &self.conns[index as usize];
        match stall {
            // The ask that waits is the last that was read.
            Stall::Pause => {
                let flags = conn.last_row.map_or(0, |row| row.flags);
                !self.process.is_paused(self.now.ms(), flags)
            }
            Stall::Mailbox(to) => self.outbox[to as usize].out.bytes.len() <= OUTBOX_BYTES_MAX,
            Stall::Order => conn.order.len() <= crate::session::order::ASKS_UNDER_WAY_MAX / 2,
            Stall::Output => conn.owed() <= OWED_BYTES_MAX / 2,
            Stall::Effects => !self.effects.is_full(),
            Stall::Barrier => conn.order.is_empty(),
            Stall::Slice => true,
            Stall::Until(up_us) => self.now.up_us >= up_us,
        }
    }
}

/// An ask that has been read and not run yet.
pub(super) struct Ahead {
    /// Where it begins, and its length.
    at: usize,
    used: usize,
    noreply: bool,
    /// Its words, among all that were read.
    spans: (u32, u32),
    /// memcached's parser as it was before.
    before: Option<wire::memcache::Parser>,
}

impl Ahead {
    fn args<'a>(&self, bytes: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args::new(&bytes[self.at..self.at + self.used], &spans[self.spans.0 as usize..self.spans.1 as usize])
    }
}

/// What reading ahead ended with.
enum Last {
    Nothing,
    Resp(wire::resp::Parsed),
    Memcache(wire::memcache::Parsed),
}

/// The second word of what looks like a usual ask.
fn likely_key(bytes: &[u8], dialect: Dialect) -> Option<&[u8]> {
    if dialect == Dialect::Memcache {
        let verb = bytes.iter().take(16).position(|&b| b == b' ')?;
        let key = bytes.get(verb + 1..)?;
        return key.get(..key.iter().take(256).position(|&b| b <= b' ')?);
    }
    // *n CRLF $v CRLF verb CRLF $k CRLF key, with n and v of one digit.
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let &[b'*', _, b'\r', b'\n', b'$', verb, b'\r', b'\n'] = head else { return None };
    let rest = rest.get(verb.wrapping_sub(b'0') as usize + 2..)?;
    let (b'$', rest) = rest.split_first()? else { return None };
    let mut len = 0;
    let mut at = 0;
    while let Some(digit) = rest.get(at).map(|b| b.wrapping_sub(b'0')).filter(|&d| d < 10 && at < 4) {
        len = len * 10 + digit as usize;
        at += 1;
    }
    rest.get(at + 2..at + 2 + len)
}

impl Served {
    /// How far the reader has come: past the `used` bytes of the ask, or nowhere, for a reason.
    fn after(self, used: usize) -> Result<usize, Option<Stall>> {
        match self {
            Served::Done => Ok(used),
            Served::Stall(stall) => Err(Some(stall)),
        }
    }
}
