//! Room: engine. One shard as a machine without I/O: bytes, mail and time go in, bytes, mail and wishes come out. The turn
//! drives it with a real ring, the simulation with a seed. Touches: everything below; makes no system call.

mod append;
mod ask;
pub mod copies;
mod cut;
pub mod effects;
mod gather;
mod image;
mod leave;
mod lend;
mod load;
mod pubsub;
mod replay;
mod round;
mod run;
mod secret;
mod snapshot;
mod together;
mod wait;
mod walk;
mod weigh;
mod work;

pub use append::{LogPlan, draw_waitaof};
pub use gather::{Answer, Chore};
pub use lend::Lent;
pub use load::{LoadFile, LoadPlan};
pub use pubsub::Scope;
pub use replay::Replay;
pub use snapshot::{Reload, Why};
pub use together::{Access, Commit, LockAsk};

use crate::ask::{Dialect, Manner, Origin};
use crate::batch::Batch;
use crate::clock::{HostClock, Now, Ticks};
use crate::log::{Level, Limiter};
use crate::metrics::Metrics;
use crate::process::{Live, Process};
use crate::session::{Conn, Door, Order, Parser, Peer, ReplyMode, Stall};
use crate::shard::locks::{Locks, Turn, TxId};
use base::{Args, ArgsBuf, DbId, Out, Reply, ShardId, Span};
use command::context::{Events, Tally};
use command::row::{Flag, Row, Verb};
use command::table::Names;
use slab::Slab;
use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use store::Store;

/// What travels between shards as a value.
pub enum Mail {
    /// A connection that another shard accepted.
    Adopt(Newcomer),
    Lock(LockAsk),
    Granted {
        id: TxId,
        shard: ShardId,
        fetched: Vec<command::together::Found>,
        /// What was fetched may tell of this shard's records below this number; 0: of none that a reply must wait for.
        unsure: u64,
    },
    Yield {
        id: TxId,
        shard: ShardId,
    },
    Yielded {
        id: TxId,
    },
    /// `tell`: where it is recorded.
    Commit {
        id: TxId,
        commit: Commit,
        tell: bool,
    },
    /// What came of a part of an ask that was cut.
    Made {
        id: TxId,
        shard: ShardId,
        made: cut::Made,
        /// As of what was fetched.
        unsure: u64,
    },
    /// Do this on your shard and send back what comes of it.
    Gather {
        id: u64,
        home: ShardId,
        each: gather::Each,
    },
    Part {
        id: u64,
        part: Box<dyn Any + Send>,
    },
    /// Read these for a transaction that holds your shard.
    Round(round::RoundAsk),
    Heard {
        id: TxId,
        shard: ShardId,
        found: Vec<command::together::Found>,
    },
    Wait(wait::Word),
    Load(load::LoadWord),
    Listeners(pubsub::Change),
    Publish(pubsub::Message),
    /// Of a transaction that you coordinate this shard has recorded its part: below this number.
    Recorded {
        id: TxId,
        shard: ShardId,
        until: u64,
    },
    /// A shard's log is sure of more.
    Sure,
    /// Lines for connections that MONITOR.
    Feed {
        conn: u32,
        generation: u32,
        bytes: Arc<[u8]>,
    },
}

/// A connection as it comes in.
pub struct Newcomer {
    pub fd: i32,
    pub door: Door,
    pub peer: Peer,
}

/// An ask that waits for a lock.
pub struct Deferred {
    /// The shard whose connection asked.
    home: ShardId,
    origin: Origin,
    manner: Manner,
    row: &'static Row,
    args: ArgsBuf,
}

/// What came of a verb that the process answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Served {
    /// Its reply is drawn, or is on its way to the place that was kept for it.
    Done,
    /// Not now: ask again when the reason is gone. Nothing has happened.
    Stall(Stall),
}

/// Answers the verbs of `Run::Server`: a room above the engine, handed in.
pub type Serve = fn(&mut Engine, u32, Verb, &'static Row, Args<'_>) -> Served;

/// Bytes of work that may wait for one other shard before the sessions that add to it stop.
const OUTBOX_BYTES_MAX: usize = 1 << 20;

/// A reply of more bytes changes hands with its buffer, not by a copy.
const LARGE_REPLY_BYTES: usize = 4096;
/// Asks whose keys are fetched from memory together.
const HINTS: usize = 16;
/// One client is alone when no other has asked for this long, µs.
const ALONE_US: u64 = 1000;
/// An ask on so many keys of one shard runs in about 200 µs, and so many locks are made as fast.
const KEYS_LOCKED_MAX: usize = 1024;
/// About 100 µs.
const SLICE_KEYS: usize = 256;

/// One shard.
pub struct Engine {
    pub me: ShardId,
    pub process: Arc<Process>,
    /// The settings that are read on the way of an ask; renewed when the process's generation moves on.
    pub live: Live,
    pub now: Now,
    pub store: Store,
    pub tally: Tally,
    /// What handlers told of keys.
    pub events: Events,
    /// What was done, for whoever keeps or passes it on.
    pub effects: effects::Effects,
    pub metrics: Metrics,
    pub conns: Slab<Conn>,
    /// To every shard, its own unused.
    pub outbox: Vec<Batch<Mail>>,

    /// An ask on more keys than this locks whole shards.
    pub keys_locked_max: usize,
    /// Keys of such an ask that are read or written in one slice.
    pub slice_keys: usize,

    // Wishes to whoever does I/O.
    /// Connections that other shards accepted for this one.
    pub newcomers: Vec<Newcomer>,
    /// Replies that leave by sockets that other shards have lent; say `lent_sent` of each.
    pub lent: Vec<Lent>,
    /// Connections that have something to send and nothing in flight.
    pub dirty: Vec<u32>,
    /// Connections to close at once.
    pub hangups: Vec<u32>,
    /// What files are to be written and read; say `file_event` of what comes of it.
    pub file_asks: Vec<crate::files::Ask>,
    /// Connections to receive no more for (true) or to receive for again (false).
    pub throttle: Vec<(u32, bool)>,

    serve: Serve,
    clock: Option<HostClock>,
    /// Reading of the clock when the last command ended.
    lap: u64,
    locks: Locks<Deferred>,
    turns: VecDeque<Turn<Deferred>>,
    pumping: bool,
    parts: HashMap<TxId, together::Part>,
    txs: HashMap<TxId, together::Tx>,
    waits: wait::Waits,
    listening: pubsub::Listening,
    cuts: HashMap<TxId, cut::Cutting>,
    rounds: HashMap<TxId, round::Round>,
    append: append::Append,
    /// Replies wait until what they tell of is on the device.
    gating: bool,
    /// The ask that ran last has left records of this shard below this number; 0: none that its reply must wait for.
    after: u64,
    snapshots: image::Snapshots,
    copies: copies::Copies,
    loading: Option<Box<load::Loading>>,
    /// A snapshot is being written that writes must not get ahead of.
    imaging: bool,
    /// `persist::Gate`, as of this turn.
    gate: u8,
    /// Rows that write, by `Row::id`.
    pub write_rows: Vec<u16>,
    gathers: HashMap<u64, gather::Gather>,
    held: Vec<gather::Held>,
    gather_next: u64,
    chores: VecDeque<Chore>,
    /// The ask that is run now is all that its connection has said.
    alone: bool,
    /// Connections whose sockets are lent, and some that have theirs back.
    lending: Vec<u32>,
    /// Buffers of lent replies that have left.
    lent_pool: Vec<Vec<u8>>,
    /// Connections with a `Stall`.
    stalled: Vec<u32>,
    /// Connections of this shard that MONITOR.
    pub monitors: Vec<(ShardId, u32, u32)>,
    generation_next: u32,
    pub names: Arc<Names>,
    /// First key's word by `Row::id`; 0: look.
    first_key: Vec<u8>,
    memory_over: bool,
    /// DEBUG SLEEP: sessions stand still until then, `up_us`.
    frozen_until_us: u64,
    /// For how long the ask that is now answered has stood still, ns: its time counts as the command's.
    pub stood_ns: u64,
    /// Whose ask of another shard was run last, for the slow log.
    far_asker: Option<(ShardId, Origin)>,
    /// What this shard's clients hold together, while that is limited, bytes.
    clients_bytes: usize,
    nudge_next_us: u64,
    cron_next_us: u64,
    /// Round-robin of the clients' cron.
    cron_conn: usize,
    /// There is more to do at once: the next turn does not wait.
    pub active: bool,
    /// Whose ask came last (shard, connection), since when nobody else's has, and when it came, `up_us`.
    talker: (u16, u32),
    talker_since_us: u64,
    pub talked_us: u64,

    // Scratch, kept for its memory.
    spans: Vec<Span>,
    ahead: Vec<ask::Ahead>,
    keys: Vec<usize>,
    scratch: Out,
    /// Output buffers of connections that owe nothing.
    scratch_pool: Vec<Out>,
    limiter: Limiter,
    random: u64,
}

impl Engine {
    /// `clock` None: commands take no time (simulation).
    pub fn new(me: ShardId, process: Arc<Process>, serve: Serve, clock: Option<HostClock>, seed: u64) -> Engine {
        let live = process.live();
        let shards = process.shards;
        let rows = command::table::rows().collect::<Vec<_>>();
        let mut store =
            Store::new(store::StoreOptions { databases: live.limits.databases, seed, hash_seed: process.hash_seed() });
        store.tune(live.tuning);
        Engine {
            me,
            live,
            now: Now::default(),
            store,
            tally: Tally::default(),
            events: Events::default(),
            effects: effects::Effects::default(),
            metrics: Metrics::new(rows.len()),
            conns: Slab::new(),
            outbox: (0..shards).map(|_| Batch::default()).collect(),
            keys_locked_max: KEYS_LOCKED_MAX,
            slice_keys: SLICE_KEYS,
            newcomers: Vec::new(),
            lent: Vec::new(),
            dirty: Vec::new(),
            hangups: Vec::new(),
            throttle: Vec::new(),
            file_asks: Vec::new(),
            serve,
            clock,
            lap: 0,
            locks: Locks::default(),
            turns: VecDeque::new(),
            pumping: false,
            parts: HashMap::new(),
            txs: HashMap::new(),
            waits: wait::Waits::default(),
            listening: pubsub::Listening::default(),
            cuts: HashMap::new(),
            rounds: HashMap::new(),
            append: append::Append::default(),
            gating: false,
            after: 0,
            snapshots: image::Snapshots::default(),
            copies: copies::Copies::default(),
            loading: None,
            imaging: false,
            gate: 0,
            write_rows: rows.iter().filter(|row| row.flags & Flag::WRITE != 0).map(|row| row.id()).collect(),
            gathers: HashMap::new(),
            held: Vec::new(),
            gather_next: 0,
            chores: VecDeque::new(),
            alone: false,
            lending: Vec::new(),
            lent_pool: Vec::new(),
            stalled: Vec::new(),
            monitors: Vec::new(),
            generation_next: 0,
            names: process.names.clone(),
            first_key: rows.iter().map(|row| first_key(row)).collect(),
            memory_over: false,
            frozen_until_us: 0,
            stood_ns: 0,
            far_asker: None,
            clients_bytes: 0,
            nudge_next_us: 0,
            cron_next_us: 0,
            cron_conn: 0,
            active: false,
            talker: (0, u32::MAX),
            talker_since_us: 0,
            talked_us: 0,
            spans: Vec::new(),
            ahead: Vec::new(),
            keys: Vec::new(),
            scratch: Out::new(),
            scratch_pool: Vec::new(),
            limiter: Limiter::new(5),
            random: seed,
            process,
        }
    }

    pub fn shards(&self) -> usize {
        self.outbox.len()
    }

    /// A turn begins at `now`.
    pub fn begin(&mut self, now: Now) {
        self.now = now;
        self.metrics.turns += 1;
        self.lap = self.ticks();
        if self.live.generation != self.process.generation() {
            self.renew_settings();
        }
        self.frozen_until_us = self.process.frozen_until_us();
        self.gate = self.process.persist.gate();
        self.process.set_spare(self.me, self.store.spare_bytes());
        self.memory_over = self.live.maxmemory != 0 && self.process.used_memory() > self.live.maxmemory;
    }

    pub(crate) fn renew_settings(&mut self) {
        let weighed = self.live.clients_bytes_max > 0;
        self.live = self.process.live();
        if weighed != (self.live.clients_bytes_max > 0) {
            self.weigh_all(!weighed);
        }
        self.store.tune(self.live.tuning);
        self.process.renew_gate();
        self.events.wanted = self.live.notify;
        self.store.note_faded(self.live.notify != 0 || self.events.minded);
        self.renew_gating();
        self.go_ahead();
    }

    /// No session of any shard goes on before `until_us` (`up_us`).
    pub fn freeze(&mut self, until_us: u64) {
        self.process.freeze(until_us);
        self.frozen_until_us = self.process.frozen_until_us();
    }

    #[inline]
    fn ticks(&self) -> u64 {
        self.clock.as_ref().map_or(0, |c| c.ticks())
    }

    /// Notes who asks: the turn spins for a client that is alone.
    #[inline]
    fn heard(&mut self, shard: u16, conn: u32) {
        self.talked_us = self.now.up_us;
        if self.talker != (shard, conn) {
            self.talker = (shard, conn);
            self.talker_since_us = self.now.up_us;
        }
    }

    /// Whether one client alone has asked of late: shards spin for it.
    pub fn hears_one_client(&self) -> bool {
        self.now.up_us.saturating_sub(self.talker_since_us) > ALONE_US
    }

    /// ns since the last call of this, or the turn's begin.
    #[inline]
    fn lap_ns(&mut self) -> u64 {
        let Some(clock) = &self.clock else { return 0 };
        let t = clock.ticks();
        let ns = clock.ns(t.wrapping_sub(self.lap));
        self.lap = t;
        ns
    }

    /// Random bits: who is chosen, not secrets.
    pub fn random(&mut self) -> u64 {
        // SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// Logs what a client can cause again and again.
    pub fn log_limited(&mut self, level: Level, line: std::fmt::Arguments<'_>) {
        self.process.log.limited(&mut self.limiter, self.now.ms(), level, line);
    }

    /// Checks what must always be so; panics with what is not. For tests and simulation.
    pub fn verify(&self) {
        self.locks.verify();
        assert!(self.turns.is_empty(), "what the locks said is acted on before anything else happens");
        for (index, conn) in &self.conns {
            assert_eq!(index, conn.index as usize, "a connection lies where it thinks it lies");
        }
    }

    /// Transactions, and questions with the work for them, that are under way here.
    pub fn under_way(&self) -> (usize, usize) {
        (self.txs.len().max(self.parts.len()), self.gathers.len() + self.held.len() + self.chores.len())
    }

    /// What is under way here, for tests in which it does not end.
    pub fn tell_under_way(&self) -> String {
        let (txs, parts): (Vec<_>, Vec<_>) = (self.txs.keys().collect(), self.parts.keys().collect());
        let (gathers, chores) = (self.gathers.len(), self.chores.len());
        format!("coordinates {txs:?}, knows {parts:?}, {gathers} gathers, {chores} chores, locks:{}", self.locks.tell())
    }

    /// Whether no ask, transaction, question or chore is under way here.
    pub fn is_settled(&self) -> bool {
        self.locks.is_empty()
            && self.parts.is_empty()
            && self.txs.is_empty()
            && self.cuts.is_empty()
            && self.rounds.is_empty()
            && self.gathers.is_empty()
            && self.held.is_empty()
            && self.chores.is_empty()
            && self.snapshots.image.is_none()
            && self.snapshots.coordinated.is_none()
            && self.log_is_settled()
            && self.loading.is_none()
            && self.file_asks.is_empty()
            && self.dirty.is_empty()
            && self.lent.is_empty()
            && self.conns.iter().all(|(_, c)| c.order.is_empty() && c.input.is_empty())
    }

    // Connections.

    /// A connection has come to stay, if only to be told that it may not.
    pub fn open(&mut self, new: Newcomer) -> u32 {
        self.generation_next = self.generation_next.wrapping_add(1) & 0xFF_FFFF;
        let entry = self.conns.vacant_entry();
        let index = entry.key() as u32;
        let memcache = new.door == Door::Memcache;
        entry.insert(Conn {
            id: self.process.next_client_id(),
            index,
            generation: self.generation_next,
            fd: new.fd,
            door: new.door,
            peer: new.peer,
            dialect: if memcache { Dialect::Memcache } else { Dialect::Resp2 },
            db: DbId::ZERO,
            parser: if memcache {
                Parser::Memcache(wire::memcache::Parser::default())
            } else {
                Parser::Resp(wire::resp::Parser::default())
            },
            input: Vec::new(),
            out: Out::new(),
            out_in_flight: 0,
            order: Order::default(),
            lent: false,
            stall: None,
            authenticated: !self.live.password_set,
            closing: false,
            gone: false,
            dirty: false,
            paused: false,
            reply_mode: ReplyMode::On,
            silent: false,
            no_touch: false,
            no_evict: false,
            weight: 0,
            bucket: None,
            monitor: false,
            readonly: false,
            waiting: false,
            listens: [0; 3],
            replica: 0,
            name: Box::default(),
            lib_name: Box::default(),
            lib_ver: Box::default(),
            last_row: None,
            asks: 0,
            bytes_in: 0,
            bytes_out: 0,
            since: self.now,
            last_active_us: self.now.up_us,
            soft_since_us: 0,
            sleep: None,
            fence: false,
            waits_until_us: 0,
            wait_cut: false,
            multi_words: 0,
            gate: None,
        });
        self.metrics.connections += 1;
        self.greet(index);
        index
    }

    /// Refuses a newcomer where it must be refused: too many clients, protected mode.
    fn greet(&mut self, index: u32) {
        let conn = &mut self.conns[index as usize];
        let memcache = conn.door == Door::Memcache;
        // maxclients: the newcomer is counted already.
        let refusal = if self.process.clients() > self.live.maxclients as usize {
            if memcache { "ERROR Too many open connections\r\n" } else { "-ERR max number of clients reached\r\n" }
        } else if self.live.protected && !conn.peer.is_local() {
            if memcache { PROTECTED_MEMCACHE } else { PROTECTED_RESP }
        } else {
            return;
        };
        conn.out.extend(refusal.as_bytes());
        conn.closing = true;
        self.metrics.connections_rejected += 1;
        self.mark_dirty(index);
    }

    /// The peer is gone, or I/O failed: nothing more goes in or out.
    pub fn hung_up(&mut self, index: u32) {
        let conn = &mut self.conns[index as usize];
        conn.closing = true;
        conn.gone = true;
        conn.input = Vec::new();
        conn.out.clear();
        conn.gate = None;
        self.hangups.push(index);
        self.weigh(index);
    }

    /// The ring is done with the connection: forget it.
    pub fn closed(&mut self, index: u32) {
        self.weigh_now(index, false);
        let conn = self.conns.remove(index as usize);
        self.wait_is_void(index);
        self.listen_no_more(index);
        self.stalled.retain(|&i| i != index);
        self.dirty.retain(|&i| i != index);
        if conn.monitor {
            self.unmonitor(index, conn.generation);
        }
        self.process.client_gone(self.me);
    }

    /// Asks for a connection to be closed once what it is owed has left.
    pub fn close_after_reply(&mut self, index: u32) {
        self.conns[index as usize].closing = true;
        self.mark_dirty(index);
    }

    /// Closes at once, owed or not.
    pub fn kill(&mut self, index: u32) {
        let conn = &mut self.conns[index as usize];
        if !conn.gone {
            conn.closing = true;
            conn.gone = true;
            conn.out.clear();
            conn.gate = None;
            conn.input = Vec::new();
            self.hangups.push(index);
            self.weigh(index);
        }
    }

    /// The connection that an origin names, if it is still there.
    pub fn conn_of(&mut self, origin: Origin) -> Option<&mut Conn> {
        self.conns.get_mut(origin.conn as usize).filter(|c| c.generation == origin.generation)
    }

    pub(crate) fn mark_dirty(&mut self, index: u32) {
        let conn = &mut self.conns[index as usize];
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(index);
        }
    }

    /// What may leave now; the caller sends it and says `sent`. None when there is nothing, or something is in flight.
    pub fn take_out(&mut self, index: u32) -> Option<Out> {
        let conn = &mut self.conns[index as usize];
        conn.dirty = false;
        let limit = self.live.output_limit(conn);
        // Before anything of it leaves, as in Redis: a reply beyond the limit is not sent in part.
        if (limit.hard > 0 || limit.soft > 0) && self.check_output(index) {
            return None;
        }
        self.weigh(index);
        let conn = &mut self.conns[index as usize];
        if conn.out_in_flight > 0 || conn.lent {
            return None;
        }
        let out = match conn.gate {
            None if conn.out.is_empty() => return None,
            None => std::mem::take(&mut conn.out),
            Some(_) => self.pass_gate(index)?,
        };
        let conn = &mut self.conns[index as usize];
        conn.out_in_flight = out.len();
        Some(out)
    }

    /// All that `take_out` gave has left. `spent` is given back for its memory.
    pub fn sent(&mut self, index: u32, mut spent: Out) {
        let conn = &mut self.conns[index as usize];
        conn.bytes_out += conn.out_in_flight as u64;
        self.metrics.bytes_out += conn.out_in_flight as u64;
        self.metrics.writes += 1;
        conn.out_in_flight = 0;
        let more = !conn.out.is_empty() || conn.gate.is_some();
        self.weigh(index);
        if self.has_dumps() {
            self.dumps_go_on();
        }
        if more {
            self.mark_dirty(index);
        } else if spent.bytes.capacity() <= 16 * 1024 && self.scratch_pool.len() < 64 {
            spent.clear();
            self.scratch_pool.push(spent);
        }
    }

    /// Whether a connection has nothing more to say or to hear and may be closed.
    pub fn is_finished(&self, index: u32) -> bool {
        let conn = &self.conns[index as usize];
        conn.closing
            && !conn.lent
            && (conn.gone || (conn.owed() == 0 && (conn.order.is_empty() || self.waits.is_waiting(index))))
    }

    // Replies.

    /// Draws one reply to the ask that `index` just made.
    pub fn answer(&mut self, index: u32, draw: impl FnOnce(&mut dyn Reply)) {
        let conn = &mut self.conns[index as usize];
        if conn.silent {
            let mut scratch = std::mem::take(&mut self.scratch);
            speak(conn.dialect, &mut scratch, draw);
            self.note_error(&scratch, 0);
            scratch.clear();
            self.scratch = scratch;
            return;
        }
        if conn.order.is_empty() {
            let mut out = std::mem::take(&mut conn.out);
            if out.bytes.capacity() == 0
                && let Some(pooled) = self.scratch_pool.pop()
            {
                out = pooled;
            }
            let start = out.bytes.len();
            speak(conn.dialect, &mut out, draw);
            self.note_error(&out, start);
            self.conns[index as usize].out = out;
            self.mark_dirty(index);
        } else {
            let mut scratch = std::mem::take(&mut self.scratch);
            speak(conn.dialect, &mut scratch, draw);
            self.note_error(&scratch, 0);
            self.conns[index as usize].order.hold(&mut scratch);
            self.scratch = scratch;
        }
    }

    /// Keeps a place for a reply that is made later.
    pub fn place(&mut self, index: u32) -> Origin {
        let conn = &mut self.conns[index as usize];
        let seq = conn.order.wait();
        conn.origin(seq)
    }

    /// Draws the reply to a place that was kept.
    pub fn deliver(&mut self, origin: Origin, draw: impl FnOnce(&mut dyn Reply)) {
        let Some(conn) = self.conn_of(origin) else { return };
        let dialect = conn.dialect;
        self.deliver_as(origin, dialect, draw);
    }

    /// The same in the dialect that the connection spoke when it asked.
    pub(crate) fn deliver_as(&mut self, origin: Origin, dialect: Dialect, draw: impl FnOnce(&mut dyn Reply)) {
        let mut error = None;
        self.deliver_raw(origin, |out| {
            let start = out.bytes.len();
            speak(dialect, out, draw);
            if out.bytes.get(start) == Some(&b'-') {
                error = Some(out.bytes[start + 1..].to_vec());
            }
        });
        if let Some(line) = error {
            self.metrics.error(&line);
        }
    }

    /// Delivers a reply that is drawn, and counted, already. Leaves `reply` empty.
    pub(crate) fn deliver_drawn(&mut self, origin: Origin, reply: &mut Out) {
        self.deliver_raw(origin, |out| {
            if out.is_empty() && reply.bytes.len() > LARGE_REPLY_BYTES {
                std::mem::swap(out, reply);
            } else {
                out.append(reply);
            }
        });
    }

    /// The one place where a reply that was waited for comes into its connection's order: drawn straight into the output
    /// when it is next, kept until its turn otherwise. `draw` adds one reply at the end.
    #[inline]
    pub(crate) fn deliver_raw(&mut self, origin: Origin, draw: impl FnOnce(&mut Out)) {
        let Some(conn) = self.conns.get_mut(origin.conn as usize).filter(|c| c.generation == origin.generation) else {
            return;
        };
        // Its session goes on in this turn or, if it waits for this very reply, in one that begins at once.
        self.active |= conn.stall.is_some();
        if conn.order.is_next(origin.seq) {
            conn.lent = false;
            if conn.out.bytes.capacity() == 0
                && let Some(pooled) = self.scratch_pool.pop()
            {
                conn.out = Out { bytes: pooled.bytes, shared: std::mem::take(&mut conn.out.shared) };
            }
            draw(&mut conn.out);
            conn.order.next(&mut conn.out);
            self.mark_dirty(origin.conn);
        } else {
            draw(&mut self.scratch);
            conn.order.arrive(origin.seq, &mut self.scratch);
        }
    }

    /// Counts the reply at `start` if it is an error.
    fn note_error(&mut self, out: &Out, start: usize) {
        if out.bytes.get(start) == Some(&b'-') {
            let end = out.bytes.len().min(start + 64);
            self.metrics.error(&out.bytes[start + 1..end]);
        }
    }
}

/// Lets `draw` speak one reply in a dialect.
pub fn speak<R>(dialect: Dialect, out: &mut Out, draw: impl FnOnce(&mut dyn Reply) -> R) -> R {
    match dialect {
        Dialect::Resp2 => draw(&mut wire::resp::RespWriter::new(out, 2)),
        Dialect::Resp3 => draw(&mut wire::resp::RespWriter::new(out, 3)),
        Dialect::Memcache => draw(&mut wire::memcache::McWriter::new(out)),
    }
}

/// The word that holds a row's first key, when the table says so once and for all. Of a row for several keys 1 means that two
/// words, the verb and one more, have that one's key and no other.
fn first_key(row: &Row) -> u8 {
    use command::row::{Keys, Run};
    match (row.run, row.keys) {
        (Run::Many(..), Keys::Range { first: 1, last: -1, step: 1 }) => 1,
        (Run::Many(..), Keys::Specs([spec])) if spec.positions(2).eq([1]) && spec.positions(3).eq([1, 2]) => 1,
        (Run::One(_), Keys::Range { first, .. }) => first as u8,
        (Run::One(_), Keys::Specs([spec, ..])) => spec.first as u8,
        _ => 0,
    }
}

// Redis's words and remedies, for clients that match on the code; the sentences are ours.
const PROTECTED_RESP: &str = "-DENIED Torc is running in protected mode: no password is set for the default user, so only \
connections from this host are accepted. To allow others, either set a password (requirepass in the configuration, or CONFIG SET \
requirepass from this host), or turn protected mode off (CONFIG SET protected-mode no, or protected-mode no in the configuration) \
if the port cannot be reached from untrusted networks.\r\n";
const PROTECTED_MEMCACHE: &str =
    "SERVER_ERROR protected mode: set requirepass or protected-mode no to accept other hosts\r\n";
