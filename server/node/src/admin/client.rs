//! CLIENT: what connections there are, and what may be done to them.

use super::connection::{DEFAULT_USER, ok, refuse};
use super::replication::timeout_ms;
use crate::ask::Dialect;
use crate::engine::{Answer, Engine, Served};
use crate::process::Pause;
use crate::session::{Conn, Peer, ReplyMode};
use base::number::parse_i64;
use base::{Args, Fault, ShardId};
use command::row::Verb;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::SocketAddr;

/// Connections that are described in one slice: about 1 µs each.
const LINES_A_SLICE: usize = 128;

pub(super) const FORBIDDEN_IN_NAMES: &str = "Client names cannot contain spaces, newlines or special characters.";

pub(super) fn client(engine: &mut Engine, index: u32, verb: Verb, args: Args<'_>) -> Served {
    let conn = &mut engine.conns[index as usize];
    match verb {
        Verb::ClientId => {
            let id = conn.id as i64;
            engine.answer(index, |r| r.int(id));
            Served::Done
        }
        Verb::ClientInfo => {
            let mut line = Vec::new();
            let now_us = engine.now.up_us;
            describe(conn, engine.me, now_us, &mut line);
            engine.answer(index, |r| r.verbatim("txt", &line));
            Served::Done
        }
        Verb::ClientList => list(engine, index, args),
        Verb::ClientKill => kill(engine, index, args),
        Verb::ClientPause => pause(engine, index, args),
        Verb::ClientUnpause => {
            engine.process.unpause();
            ok(engine, index)
        }
        Verb::ClientReply => reply(engine, index, args),
        Verb::ClientNoEvict | Verb::ClientNoTouch => {
            let on = match (args.is(2, "on"), args.is(2, "off")) {
                (false, false) => return refuse(engine, index, Fault::Syntax),
                (on, _) => on,
            };
            if verb == Verb::ClientNoTouch {
                conn.no_touch = on
            } else {
                conn.no_evict = on
            }
            ok(engine, index)
        }
        Verb::ClientSetname => {
            if !is_printable(args.at(2)) {
                return refuse(engine, index, Fault::err(FORBIDDEN_IN_NAMES));
            }
            conn.name = args.at(2).into();
            ok(engine, index)
        }
        Verb::ClientGetname => {
            let name = conn.name.clone();
            engine.answer(index, |r| if name.is_empty() { r.null() } else { r.bulk(&name) });
            Served::Done
        }
        Verb::ClientSetinfo => set_info(engine, index, args),
        Verb::ClientGetredir => {
            // Nobody tracks, so nobody is redirected.
            engine.answer(index, |r| r.int(-1));
            Served::Done
        }
        _ => {
            let text = "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
            refuse(engine, index, Fault::err(text))
        }
    }
}

/// Redis reads these words as C strings: up to a zero byte.
pub(super) fn c_string(word: &[u8]) -> &[u8] {
    word.split(|&b| b == 0).next().unwrap_or(word)
}

/// Whether a word can stand in CLIENT LIST, whose fields are split at blanks.
pub(super) fn is_printable(word: &[u8]) -> bool {
    c_string(word).iter().all(u8::is_ascii_graphic)
}

/// CLIENT SETINFO LIB-NAME|LIB-VER value
fn set_info(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let (name, value) = (args.at(2), args.at(3));
    let said = || String::from_utf8_lossy(c_string(name)).into_owned();
    let conn = &mut engine.conns[index as usize];
    let place = if args.is(2, "lib-name") {
        &mut conn.lib_name
    } else if args.is(2, "lib-ver") {
        &mut conn.lib_ver
    } else {
        let fault = Fault::err(format!("Unrecognized option '{}'", said()));
        return refuse(engine, index, fault);
    };
    if !is_printable(value) {
        let fault = Fault::err(format!("{} cannot contain spaces, newlines or special characters.", said()));
        return refuse(engine, index, fault);
    }
    *place = value.into();
    ok(engine, index)
}

/// CLIENT REPLY ON|OFF|SKIP: only ON is answered.
fn reply(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let conn = &mut engine.conns[index as usize];
    if args.is(2, "on") {
        conn.reply_mode = ReplyMode::On;
        conn.silent = false;
        return ok(engine, index);
    }
    if args.is(2, "off") {
        conn.reply_mode = ReplyMode::Off;
    } else if args.is(2, "skip") {
        if conn.reply_mode != ReplyMode::Off {
            conn.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return refuse(engine, index, Fault::Syntax);
    }
    Served::Done
}

/// CLIENT PAUSE ms [WRITE|ALL]
fn pause(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let what = match args.len() {
        3 => Pause::All,
        4 if args.is(3, "write") => Pause::Writes,
        4 if args.is(3, "all") => Pause::All,
        4 => return refuse(engine, index, Fault::err("CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return refuse(engine, index, wrong_number(args.at(1))),
    };
    let ms = match timeout_ms(engine, args.at(2)) {
        Ok(ms) => ms,
        Err(fault) => return refuse(engine, index, fault),
    };
    let now_ms = engine.now.ms();
    let until_ms = if ms == 0 { 0 } else { now_ms + ms };
    engine.process.pause(until_ms, what, now_ms);
    ok(engine, index)
}

/// What Redis says of a subcommand whose arity the table allows and whose code does not.
fn wrong_number(sub: &[u8]) -> Fault {
    let sub = String::from_utf8_lossy(sub);
    Fault::err(format!("unknown subcommand or wrong number of arguments for '{sub}'. Try CLIENT HELP."))
}

// CLIENT LIST.

/// Which connections are wanted.
#[derive(Clone)]
enum Which {
    All,
    Class(Class),
    Ids(HashSet<u64>),
}

/// CLIENT LIST [TYPE type] [ID id ...]: in the order in which connections came, or in the order asked.
fn list(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let mut asked = Vec::new();
    let which = if args.len() == 4 && args.is(2, "type") {
        match Class::parse(args.at(3)) {
            Ok(class) => Which::Class(class),
            Err(fault) => return refuse(engine, index, fault),
        }
    } else if args.len() > 3 && args.is(2, "id") {
        for word in args.from(3).iter() {
            match parse_i64(word) {
                // No connection has a negative number.
                Some(id) => asked.extend(u64::try_from(id)),
                None => return refuse(engine, index, Fault::err("Invalid client ID")),
            }
        }
        Which::Ids(asked.iter().copied().collect())
    } else if args.len() == 2 {
        Which::All
    } else {
        return refuse(engine, index, Fault::Syntax);
    };
    engine.gather(
        index,
        move |_| {
            let (which, mut at, mut lines) = (which.clone(), 0, Lines::default());
            Answer::Later(Box::new(move |e| {
                lines.add(e, &which, &mut at);
                (at >= e.conns.capacity()).then(|| std::mem::take(&mut lines))
            }))
        },
        move |_, parts: Vec<Lines>, r| {
            let mut text = Vec::with_capacity(parts.iter().map(|p| p.text.len()).sum());
            let mut lines: Vec<(u64, &[u8])> = parts.iter().flat_map(Lines::iter).collect();
            if asked.is_empty() {
                lines.sort_unstable_by_key(|&(id, _)| id);
                lines.iter().for_each(|(_, line)| text.extend_from_slice(line));
            } else {
                let lines: HashMap<u64, &[u8]> = lines.into_iter().collect();
                asked.iter().filter_map(|id| lines.get(id)).for_each(|line| text.extend_from_slice(line));
            }
            r.verbatim("txt", &text);
        },
    );
    Served::Done
}

/// Lines of one shard's connections, each with its line end.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// The connection's number, and where its line ends.
    ends: Vec<(u64, usize)>,
}

impl Lines {
    /// Describes the next connections from `at` on, as many as a slice has time for.
    fn add(&mut self, engine: &Engine, which: &Which, at: &mut usize) {
        let end = engine.conns.capacity().min(*at + LINES_A_SLICE);
        for index in *at..end {
            let Some(conn) = engine.conns.get(index).filter(|c| !c.gone) else { continue };
            let wanted = match which {
                Which::All => true,
                Which::Class(class) => class.has(conn),
                Which::Ids(ids) => ids.contains(&conn.id),
            };
            if wanted {
                describe(conn, engine.me, engine.now.up_us, &mut self.text);
                self.ends.push((conn.id, self.text.len()));
            }
        }
        *at = end;
    }

    fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut from = 0;
        self.ends.iter().map(move |&(id, end)| (id, &self.text[std::mem::replace(&mut from, end)..end]))
    }
}

/// A type of connections, as CLIENT LIST and KILL know them. MONITOR is normal, as in Redis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Normal,
    Pubsub,
    /// Replicas and primaries: there are none.
    Nobody,
}

impl Class {
    fn parse(word: &[u8]) -> Result<Class, Fault> {
        const CLASSES: [(&str, Class); 5] = [
            ("normal", Class::Normal),
            ("slave", Class::Nobody),
            ("replica", Class::Nobody),
            ("pubsub", Class::Pubsub),
            ("master", Class::Nobody),
        ];
        let found = CLASSES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
        found
            .map(|&(_, class)| class)
            .ok_or_else(|| Fault::err(format!("Unknown client type '{}'", String::from_utf8_lossy(c_string(word)))))
    }

    fn has(self, conn: &Conn) -> bool {
        self == if conn.is_listening() { Class::Pubsub } else { Class::Normal }
    }
}

/// One line of CLIENT LIST: Redis 7.2's fields in its order, and the shard.
fn describe(conn: &Conn, shard: ShardId, now_us: u64, line: &mut Vec<u8>) {
    let seconds = |since_us: u64| now_us.saturating_sub(since_us) / 1_000_000;
    let row = conn.last_row;
    let resp = match conn.dialect {
        Dialect::Resp2 => 2,
        Dialect::Resp3 => 3,
        // A connection of memcached's speaks none of them.
        Dialect::Memcache => 0,
    };
    let memory = conn.memory();
    let _ = write!(line, "id={} addr={} laddr={} fd={} name=", conn.id, conn.peer.addr(), conn.peer.laddr(), conn.fd);
    line.extend_from_slice(c_string(&conn.name));
    let _ = write!(
        line,
        " age={} idle={} flags={} db={} sub={} psub={} ssub={} multi=-1 qbuf={} qbuf-free={} argv-mem={} multi-mem=0 rbs={} rbp={} \
         obl={} oll={} omem={} tot-mem={} events={}{} cmd={} user={DEFAULT_USER} redir=-1 resp={resp} lib-name=",
        seconds(conn.since.up_us),
        seconds(conn.last_active_us),
        flags(conn),
        conn.db.0,
        conn.listens[0],
        conn.listens[1],
        conn.listens[2],
        conn.input.len(),
        conn.input.capacity() - conn.input.len(),
        memory.words,
        conn.out.bytes.capacity(),
        conn.out.bytes.len().max(conn.out_in_flight),
        conn.out.bytes.len(),
        memory.pieces,
        memory.pieces_bytes,
        memory.total,
        if conn.paused { "" } else { "r" },
        if conn.out_in_flight > 0 { "w" } else { "" },
        row.map_or("NULL", |row| row.name),
    );
    line.extend_from_slice(c_string(&conn.lib_name));
    line.extend_from_slice(b" lib-ver=");
    line.extend_from_slice(c_string(&conn.lib_ver));
    let _ = writeln!(line, " shard={}", shard.0);
}

/// Redis's letters, in its order.
fn flags(conn: &Conn) -> String {
    let letters = [
        (conn.monitor, 'O'),
        (conn.is_listening(), 'P'),
        (conn.is_held_back(), 'b'),
        (conn.closing, 'c'),
        (matches!(conn.peer, Peer::Unix(_)), 'U'),
        (conn.readonly, 'r'),
        (conn.no_evict, 'e'),
        (conn.no_touch, 'T'),
    ];
    let text: String = letters.iter().filter(|(on, _)| *on).map(|&(_, letter)| letter).collect();
    if text.is_empty() { "N".into() } else { text }
}

// CLIENT KILL.

/// An address as clients write it.
#[derive(Clone)]
enum Address {
    Tcp(SocketAddr),
    /// Anything else: the path of our socket and `:0`, or an address that nobody has.
    Other(String),
}

impl Address {
    fn parse(word: &[u8]) -> Address {
        let text = String::from_utf8_lossy(c_string(word));
        match text.parse::<SocketAddr>() {
            // Redis compares texts: `127.0.0.1:080` is nobody.
            Ok(addr) if addr.to_string() == text => Address::Tcp(addr),
            _ => Address::Other(text.into_owned()),
        }
    }

    fn is(&self, peer: &Peer, local: bool) -> bool {
        match (self, peer) {
            (Address::Tcp(addr), Peer::Tcp { peer, local: here }) => {
                let other = if local { here } else { peer };
                *addr == SocketAddr::new(other.ip().to_canonical(), other.port())
            }
            (Address::Other(text), Peer::Unix(_)) => *text == peer.addr(),
            _ => false,
        }
    }
}

/// Whom CLIENT KILL means.
#[derive(Clone, Default)]
struct Doomed {
    id: Option<u64>,
    addr: Option<Address>,
    laddr: Option<Address>,
    /// A type was named that no connection is of.
    class: Option<Class>,
    /// This connection is spared.
    spared: Option<u64>,
}

impl Doomed {
    fn includes(&self, conn: &Conn) -> bool {
        !conn.gone
            && self.class.is_none_or(|class| class.has(conn))
            && self.id.is_none_or(|id| id == conn.id)
            && self.spared != Some(conn.id)
            && self.addr.as_ref().is_none_or(|a| a.is(&conn.peer, false))
            && self.laddr.as_ref().is_none_or(|a| a.is(&conn.peer, true))
    }
}

fn parse_kill(args: Args<'_>, me: u64) -> Result<Doomed, Fault> {
    let mut doomed = Doomed::default();
    if args.len() == 3 {
        // The old form, with which one may kill oneself.
        doomed.addr = Some(Address::parse(args.at(2)));
        return Ok(doomed);
    }
    doomed.spared = Some(me);
    let mut i = 2;
    while i < args.len() {
        let Some(value) = args.get(i + 1) else { return Err(Fault::Syntax) };
        if args.is(i, "id") {
            let id = parse_i64(value).filter(|id| *id > 0);
            let Some(id) = id else { return Err(Fault::err("client-id should be greater than 0")) };
            doomed.id = Some(id as u64);
        } else if args.is(i, "type") {
            doomed.class = Some(Class::parse(value)?);
        } else if args.is(i, "addr") {
            doomed.addr = Some(Address::parse(value));
        } else if args.is(i, "laddr") {
            doomed.laddr = Some(Address::parse(value));
        } else if args.is(i, "user") {
            if value != DEFAULT_USER.as_bytes() {
                return Err(Fault::err(format!("No such user '{}'", String::from_utf8_lossy(c_string(value)))));
            }
        } else if args.is(i, "skipme") {
            match (args.is(i + 1, "yes"), args.is(i + 1, "no")) {
                (true, _) => doomed.spared = Some(me),
                (_, true) => doomed.spared = None,
                _ => return Err(Fault::Syntax),
            }
        } else {
            return Err(Fault::Syntax);
        }
        i += 2;
    }
    Ok(doomed)
}

/// CLIENT KILL: every shard closes its own at once; whoever kills itself hears of it first.
fn kill(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let conn = &engine.conns[index as usize];
    let me = conn.id;
    let doomed = match parse_kill(args, me) {
        Ok(doomed) => doomed,
        Err(fault) => return refuse(engine, index, fault),
    };
    let myself_too = doomed.includes(conn);
    let old_form = args.len() == 3;
    engine.gather(
        index,
        move |e| {
            let found: Vec<(u32, u64)> =
                e.conns.iter().filter(|(_, c)| doomed.includes(c)).map(|(_, c)| (c.index, c.id)).collect();
            for &(index, id) in &found {
                if id != me {
                    e.kill(index);
                }
            }
            Answer::Now(found.len())
        },
        move |_, parts: Vec<usize>, r| match parts.iter().sum::<usize>() {
            0 if old_form => r.fault(&Fault::err("No such client")),
            _ if old_form => r.ok(),
            n => r.int(n as i64),
        },
    );
    if myself_too {
        // Nothing that it asked behind this is read; it closes when the answer has left.
        engine.close_after_reply(index);
    }
    Served::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_as_they_are_shown() {
        let tcp = |peer: &str, local: &str| Peer::Tcp { peer: peer.parse().unwrap(), local: local.parse().unwrap() };
        let v4 = tcp("127.0.0.1:5000", "127.0.0.1:6379");
        let mapped = tcp("[::ffff:127.0.0.1]:5000", "[::ffff:127.0.0.1]:6379");
        let v6 = tcp("[::1]:5000", "[::1]:6379");
        let unix = Peer::Unix("/tmp/torc.sock".into());
        for peer in [&v4, &mapped, &v6, &unix] {
            for (other, same) in [(&v4, 1), (&mapped, 1), (&v6, 2), (&unix, 3)] {
                let group = |p: &Peer| {
                    if *p == v6 {
                        2
                    } else if *p == unix {
                        3
                    } else {
                        1
                    }
                };
                let want = group(peer) == same;
                assert_eq!(Address::parse(other.addr().as_bytes()).is(peer, false), want, "{other:?} {peer:?}");
                assert_eq!(Address::parse(other.laddr().as_bytes()).is(peer, true), want, "{other:?} {peer:?}");
            }
        }
        for nobody in ["127.0.0.1:05000", "::1:5000", "[0:0:0:0:0:0:0:1]:5000", "", "localhost:5000", "/tmp/torc.sock"]
        {
            for peer in [&v4, &v6, &unix] {
                assert!(!Address::parse(nobody.as_bytes()).is(peer, false), "{nobody}");
            }
        }
    }

    #[test]
    fn names_are_words_of_printable_letters() {
        for (word, want) in [
            ("", true),
            ("a-b_c.d", true),
            ("!~", true),
            ("a b", false),
            ("a\n", false),
            ("\u{7f}", false),
            ("\u{e9}", false),
            ("a\0 ", true),
        ] {
            assert_eq!(is_printable(word.as_bytes()), want, "{word:?}");
        }
    }

    #[test]
    fn lines_keep_their_connections() {
        let lines = Lines { text: b"aabccc".to_vec(), ends: vec![(7, 2), (3, 3), (9, 6)] };
        let got: Vec<(u64, &[u8])> = lines.iter().collect();
        assert_eq!(got, [(7, &b"aa"[..]), (3, b"b"), (9, b"ccc")]);
    }
}
