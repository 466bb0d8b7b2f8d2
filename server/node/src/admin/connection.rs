//! What a client says of its own connection: who it is, which database, which protocol, goodbye.

use super::client::{self, FORBIDDEN_IN_NAMES};
use crate::ask::Dialect;
use crate::engine::{Engine, Served};
use crate::session::{Door, ReplyMode};
use crate::version;
use base::number::parse_i64;
use base::{Args, DbId, Fault};
use command::row::Row;

pub(super) fn ping(engine: &mut Engine, index: u32, row: &'static Row, args: Args<'_>) -> Served {
    if args.len() > 2 {
        return engine.refuse(index, Some(row), &Fault::WrongArity("ping"));
    }
    let conn = &engine.conns[index as usize];
    if conn.is_listening() && conn.dialect == Dialect::Resp2 {
        // A listener reads messages: its answer looks like one.
        engine.answer(index, |r| {
            r.array(2);
            r.bulk(b"pong");
            r.bulk(args.get(1).unwrap_or_default());
        });
        return Served::Done;
    }
    engine.answer(index, |r| match args.get(1) {
        Some(text) => r.bulk(text),
        None => r.simple("PONG"),
    });
    Served::Done
}

pub(super) fn echo(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    engine.answer(index, |r| r.bulk(args.at(1)));
    Served::Done
}

pub(super) fn select(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let databases = engine.store.databases();
    let fault = match parse_i64(args.at(1)) {
        None => Fault::NotInteger,
        Some(n) if i32::try_from(n).is_err() => {
            Fault::err("value is out of range, value must between -2147483648 and 2147483647")
        }
        Some(n) if !(0..databases as i64).contains(&n) => Fault::DbIndexOutOfRange,
        Some(n) => {
            engine.conns[index as usize].db = DbId(n as u16);
            return ok(engine, index);
        }
    };
    refuse(engine, index, fault)
}

pub(super) fn quit(engine: &mut Engine, index: u32) -> Served {
    engine.answer(index, |r| r.ok());
    engine.close_after_reply(index);
    Served::Done
}

/// AUTH [user] password. Until there are more users "default" is the only one, its password `requirepass`.
pub(super) fn auth(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let (user, password) = match args.len() {
        2 if engine.process.config().requirepass.is_empty() => {
            return refuse(
                engine,
                index,
                Fault::err(
                    "AUTH <password> called without any password configured for the default user. Are you sure your \
                     configuration is correct?",
                ),
            );
        }
        2 => (DEFAULT_USER.as_bytes(), args.at(1)),
        3 => (args.at(1), args.at(2)),
        _ => return refuse(engine, index, Fault::Syntax),
    };
    match authenticate(engine, index, user, password) {
        Ok(()) => ok(engine, index),
        Err(fault) => refuse(engine, index, fault),
    }
}

/// The user that every connection speaks for.
pub(super) const DEFAULT_USER: &str = "default";

fn authenticate(engine: &mut Engine, index: u32, user: &[u8], password: &[u8]) -> Result<(), Fault> {
    let knows = user == DEFAULT_USER.as_bytes() && {
        let config = engine.process.config();
        // Without a password any will do.
        config.requirepass.is_empty() || same(&config.requirepass, password)
    };
    if !knows {
        engine.metrics.acl_denied_auth += 1;
        return Err(Fault::WrongPass);
    }
    engine.conns[index as usize].authenticated = true;
    Ok(())
}

/// Whether two passwords are equal, in a time that tells only how long `given` is.
fn same(secret: &[u8], given: &[u8]) -> bool {
    let differ = given.iter().zip(secret.iter().cycle()).fold(0, |differ, (a, b)| differ | (a ^ b));
    std::hint::black_box(differ) == 0 && secret.len() == given.len()
}

/// HELLO [version [AUTH user password] [SETNAME name]]
pub(super) fn hello(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let mut dialect = None;
    if let Some(version) = args.get(1) {
        dialect = match parse_i64(version) {
            None => {
                return refuse(engine, index, Fault::err("Protocol version is not an integer or out of range"));
            }
            Some(2) => Some(Dialect::Resp2),
            Some(3) => Some(Dialect::Resp3),
            Some(_) => return refuse(engine, index, Fault::NoProto),
        };
    }
    let (mut credentials, mut name) = (None, None);
    let mut i = 2;
    while i < args.len() {
        let more = args.len() - 1 - i;
        if args.is(i, "auth") && more >= 2 {
            credentials = Some((args.at(i + 1), args.at(i + 2)));
            i += 3;
        } else if args.is(i, "setname") && more >= 1 {
            if !client::is_printable(args.at(i + 1)) {
                return refuse(engine, index, Fault::err(FORBIDDEN_IN_NAMES));
            }
            name = Some(args.at(i + 1));
            i += 2;
        } else {
            let option = String::from_utf8_lossy(client::c_string(args.at(i)));
            return refuse(engine, index, Fault::err(format!("Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = credentials
        && let Err(fault) = authenticate(engine, index, user, password)
    {
        return refuse(engine, index, fault);
    }
    if !engine.conns[index as usize].authenticated {
        let fault = Fault::Text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
             option can be used to authenticate the client and select the RESP protocol version at the same time"
                .into(),
        );
        return refuse(engine, index, fault);
    }
    let mode = if engine.conns[index as usize].door == Door::Shard { "cluster" } else { "standalone" };
    let conn = &mut engine.conns[index as usize];
    if let Some(name) = name {
        conn.name = name.into();
    }
    conn.dialect = dialect.unwrap_or(conn.dialect);
    let proto = if conn.dialect == Dialect::Resp3 { 3 } else { 2 };
    let id = conn.id as i64;
    engine.answer(index, |r| {
        r.map(7);
        r.bulk(b"server");
        // Clients match on it to know what they may ask.
        r.bulk(b"redis");
        r.bulk(b"version");
        r.bulk(version::REDIS.as_bytes());
        r.bulk(b"proto");
        r.int(proto);
        r.bulk(b"id");
        r.int(id);
        r.bulk(b"mode");
        r.bulk(mode.as_bytes());
        r.bulk(b"role");
        r.bulk(b"master");
        r.bulk(b"modules");
        r.array(0);
    });
    Served::Done
}

/// RESET: the connection is as if it had just come. What its library said of itself stays, as in Redis.
pub(super) fn reset(engine: &mut Engine, index: u32) -> Served {
    let authenticated = engine.process.config().requirepass.is_empty();
    let conn = &mut engine.conns[index as usize];
    conn.db = DbId::ZERO;
    conn.dialect = Dialect::Resp2;
    conn.authenticated = authenticated;
    conn.name = Box::default();
    conn.readonly = false;
    conn.no_touch = false;
    conn.no_evict = false;
    if conn.reply_mode == ReplyMode::Off {
        // After SKIP it stays silent: that is of this one ask, not of the connection.
        conn.silent = false;
    }
    conn.reply_mode = ReplyMode::On;
    engine.listen_no_more(index);
    let conn = &mut engine.conns[index as usize];
    if std::mem::take(&mut conn.monitor) {
        let generation = conn.generation;
        engine.unmonitor(index, generation);
    }
    engine.answer(index, |r| r.simple("RESET"));
    Served::Done
}

pub(super) fn ok(engine: &mut Engine, index: u32) -> Served {
    engine.answer(index, |r| r.ok());
    Served::Done
}

/// A mistake in the words of an ask that ran.
pub(super) fn refuse(engine: &mut Engine, index: u32, fault: Fault) -> Served {
    engine.refuse(index, None, &fault)
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn passwords_are_compared_whole() {
        let cases: &[(&str, &str, bool)] = &[
            ("a", "a", true),
            ("a", "", false),
            ("a", "b", false),
            ("a", "aa", false),
            ("ab", "abab", false),
            ("abc", "ab", false),
            ("abc", "abd", false),
            ("a long one", "a long one", true),
        ];
        for (secret, given, want) in cases {
            assert_eq!(same(secret.as_bytes(), given.as_bytes()), *want, "{secret} {given}");
        }
    }
}
