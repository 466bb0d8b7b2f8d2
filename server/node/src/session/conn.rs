//! The state of one connection. Idle, it owns no buffer.

use crate::ask::{Dialect, Manner, Origin};
use crate::clock::Now;
use crate::session::Order;
use base::{DbId, Out};
use command::row::Row;
use std::net::SocketAddr;

/// Which door a connection came in by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    Resp,
    Memcache,
    /// The port of one shard: keys of another are answered with MOVED.
    Shard,
}

/// Who is at the other end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    Tcp {
        peer: SocketAddr,
        local: SocketAddr,
    },
    /// The path of our socket.
    Unix(String),
}

impl Peer {
    /// As CLIENT LIST shows it: `127.0.0.1:5000`, `[::1]:5000`, `/path:0`.
    pub fn addr(&self) -> String {
        match self {
            Peer::Tcp { peer, .. } => canonical(*peer),
            Peer::Unix(path) => format!("{path}:0"),
        }
    }

    pub fn laddr(&self) -> String {
        match self {
            Peer::Tcp { local, .. } => canonical(*local),
            Peer::Unix(path) => format!("{path}:0"),
        }
    }

    /// On this host: what protected mode trusts.
    pub fn is_local(&self) -> bool {
        match self {
            Peer::Tcp { peer, .. } => peer.ip().to_canonical().is_loopback(),
            Peer::Unix(_) => true,
        }
    }
}

fn canonical(addr: SocketAddr) -> String {
    SocketAddr::new(addr.ip().to_canonical(), addr.port()).to_string()
}

/// Why a session does not go on reading what has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stall {
    /// CLIENT PAUSE.
    Pause,
    /// The mailbox to this shard is full.
    Mailbox(u16),
    /// Too many of its asks are under way elsewhere.
    Order,
    /// The client does not read its replies.
    Output,
    /// More was done than whoever keeps it has taken (`engine::effects`).
    Effects,
    /// What it asked must see all its earlier asks done first.
    Barrier,
    /// The shard's slice is over: its turn comes again at once.
    Slice,
    /// DEBUG SLEEP and the like: until this time, `up_us`.
    Until(u64),
}

/// CLIENT REPLY.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// SKIP was said: the next ask is silent.
    SkipNext,
}

/// What a connection has said of itself with REPLCONF.
pub struct ReplicaSaid;

impl ReplicaSaid {
    /// It understands a dump that ends with a mark.
    pub const MARKED: u8 = 1;
    /// It wants a dump and no more.
    pub const DUMP_ONLY: u8 = 2;
    /// It is a replica, which wants what is written from now on.
    pub const FOLLOWS: u8 = 4;
    pub const WITHOUT_DATA: u8 = 8;
    pub const WITHOUT_FUNCTIONS: u8 = 16;
}

pub enum Parser {
    Resp(wire::resp::Parser),
    Memcache(wire::memcache::Parser),
}

impl Parser {
    /// Forgets what was read beyond an ask that is to be read once more. `before`: memcached's, as it was before that ask.
    pub fn rewind(&mut self, before: Option<wire::memcache::Parser>) {
        match self {
            Parser::Resp(parser) => *parser = wire::resp::Parser::default(),
            Parser::Memcache(parser) => *parser = before.unwrap_or(*parser),
        }
    }
}

/// What one connection holds, bytes.
pub struct Memory {
    /// Words of an ask that is not whole yet.
    pub words: usize,
    /// Replies that do not lie in the output buffer itself: values that are lent, bytes that are being sent, what waits for an
    /// earlier reply.
    pub pieces: usize,
    pub pieces_bytes: usize,
    pub total: usize,
}

/// One connection.
pub struct Conn {
    /// Process-wide, never reused: CLIENT ID.
    pub id: u64,
    pub index: u32,
    pub generation: u32,
    pub fd: i32,
    pub door: Door,
    pub peer: Peer,
    pub dialect: Dialect,
    pub db: DbId,
    pub parser: Parser,
    /// What has arrived and is not read yet.
    pub input: Vec<u8>,
    /// Replies that may leave.
    pub out: Out,
    /// Bytes that are being sent.
    pub out_in_flight: usize,
    pub order: Order,
    /// Its socket is lent to the shard that makes the first reply of its order: until that has come, nothing else is sent.
    pub lent: bool,
    pub stall: Option<Stall>,
    pub authenticated: bool,
    /// No more asks; closes when what it is owed has left.
    pub closing: bool,
    /// The ring is done with it; waits only for replies under way to be dropped.
    pub gone: bool,
    /// Listed among those that have something to send.
    pub dirty: bool,
    /// The ring was asked not to receive for it.
    pub paused: bool,
    pub reply_mode: ReplyMode,
    /// The ask being run gets no reply.
    pub silent: bool,
    pub no_touch: bool,
    pub no_evict: bool,
    /// What it held when it was weighed last, bytes, and among which clients it is counted (`engine/weigh.rs`).
    pub weight: usize,
    pub bucket: Option<u8>,
    pub monitor: bool,
    pub readonly: bool,
    /// It waits for something to come to a key.
    pub waiting: bool,
    /// How many channels, patterns and channels of one slot it listens to.
    pub listens: [u32; 3],
    /// What it has said with REPLCONF: bits of `ReplicaSaid`.
    pub replica: u8,
    pub name: Box<[u8]>,
    pub lib_name: Box<[u8]>,
    pub lib_ver: Box<[u8]>,
    /// The last command.
    pub last_row: Option<&'static Row>,
    pub asks: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub since: Now,
    pub last_active_us: u64,
    /// Since when output has been above the soft limit, `up_us`; 0: it is not.
    pub soft_since_us: u64,
    /// Until when its ask waits (WAIT), `up_us`; 0: it does not.
    pub waits_until_us: u64,
    /// CLIENT UNBLOCK ended that with an error.
    pub wait_cut: bool,
    /// DEBUG SLEEP: (began, ends), `up_us`.
    pub sleep: Option<(u64, u64)>,
    /// What was asked last goes over shards without locks: the next ask waits until it is answered.
    pub fence: bool,
    /// MEMORY and CLIENT LIST: the largest argument vector being read.
    pub multi_words: u32,
    /// Its output waits for the append log.
    pub gate: Option<Box<crate::session::Gate>>,
}

impl Conn {
    #[inline]
    pub fn is_listening(&self) -> bool {
        self.listens != [0; 3]
    }

    pub fn origin(&self, seq: u32) -> Origin {
        Origin { conn: self.index, generation: self.generation, seq }
    }

    pub fn manner(&self) -> Manner {
        Manner { dialect: self.dialect, db: self.db, no_touch: self.no_touch, silent: false }
    }

    /// What it asked last waits: for a key, CLIENT PAUSE, WAIT.
    pub fn is_held_back(&self) -> bool {
        self.waiting || self.waits_until_us > 0 || self.stall == Some(Stall::Pause)
    }

    /// What it holds.
    pub fn memory(&self) -> Memory {
        let words = match &self.parser {
            Parser::Resp(parser) => parser.heap_bytes(),
            Parser::Memcache(_) => 0,
        };
        let lent: usize = self.out.shared.iter().map(|(_, value)| value.len()).sum();
        let (held, held_bytes) = self.order.held();
        let pieces_bytes = lent + self.out_in_flight + held_bytes;
        let own = self.name.len() + self.lib_name.len() + self.lib_ver.len();
        Memory {
            words,
            pieces: self.out.shared.len() + usize::from(self.out_in_flight > 0) + held,
            pieces_bytes,
            total: size_of::<Conn>() + own + words + self.input.capacity() + self.out.bytes.capacity() + pieces_bytes,
        }
    }

    /// Whether something waits for its socket to come back.
    pub fn wants_socket(&self) -> bool {
        self.lent && (self.order.len() > 1 || !self.out.is_empty() || self.stall.is_some() || self.closing)
    }

    /// Bytes owed to the client and not sent yet.
    pub fn owed(&self) -> usize {
        self.out.len() + self.out_in_flight + self.gate.as_ref().map_or(0, |gate| gate.held_bytes())
    }
}
