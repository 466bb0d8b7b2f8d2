//! What clients ask of replication. There are no replicas: nobody acknowledges, and the process is its own primary. Who wants a
//! dump (`redis-cli --rdb`) gets one.

use super::connection::refuse;
use crate::backup::keeper::Dump;
use crate::engine::{Engine, Served};
use crate::session::{ReplicaSaid, Stall};
use base::number::parse_i64;
use base::{Args, Fault};

/// Redis, NET_HOST_STR_LEN.
const HOST_BYTES_MAX: usize = 256;

/// WAIT replicas ms: a client that asks for none has its answer at once; one that asks for more waits in vain, 0 for ever.
pub(super) fn wait(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let Some(replicas) = parse_i64(args.at(1)) else { return refuse(engine, index, Fault::NotInteger) };
    let timeout_ms = match timeout_ms(engine, args.at(2)) {
        Ok(ms) => ms,
        Err(fault) => return refuse(engine, index, fault),
    };
    let up_us = engine.now.up_us;
    let conn = &mut engine.conns[index as usize];
    if replicas > 0 {
        if conn.waits_until_us == 0 {
            conn.waits_until_us =
                if timeout_ms == 0 { u64::MAX } else { up_us.saturating_add(timeout_ms.saturating_mul(1000)) };
        }
        if up_us < conn.waits_until_us {
            return Served::Stall(Stall::Until(conn.waits_until_us));
        }
        conn.waits_until_us = 0;
        if std::mem::take(&mut conn.wait_cut) {
            return refuse(engine, index, super::pubsub::unblocked());
        }
    }
    engine.answer(index, |r| r.int(0));
    Served::Done
}

/// A time to wait for, with Redis's objections: what is negative, or leads beyond what 63 bits count, is none.
pub(super) fn timeout_ms(engine: &Engine, word: &[u8]) -> Result<u64, Fault> {
    match parse_i64(word) {
        None => Err(Fault::err("timeout is not an integer or out of range")),
        Some(n) if n < 0 => Err(Fault::err("timeout is negative")),
        Some(n) if n > i64::MAX - engine.now.ms() as i64 => Err(Fault::err("timeout is out of range")),
        Some(n) => Ok(n as u64),
    }
}

/// ROLE: a primary at offset 0 without replicas.
pub(super) fn role(engine: &mut Engine, index: u32) -> Served {
    engine.answer(index, |r| {
        r.array(3);
        r.bulk(b"master");
        r.int(0);
        r.array(0);
    });
    Served::Done
}

/// REPLCONF: what a connection says of itself before it asks for a dump. As in Redis, acknowledgements get no reply.
pub(super) fn replconf(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    if args.len().is_multiple_of(2) {
        return engine.refuse(index, None, &Fault::Syntax);
    }
    for at in (1..args.len()).step_by(2) {
        let (option, word) = (args.at(at).to_ascii_lowercase(), args.at(at + 1));
        let said = &mut engine.conns[index as usize].replica;
        let fault = match &option[..] {
            b"listening-port" => match parse_i64(word) {
                Some(_) => {
                    *said |= ReplicaSaid::FOLLOWS;
                    continue;
                }
                None => Fault::NotInteger,
            },
            b"ip-address" if word.len() < HOST_BYTES_MAX => continue,
            b"ip-address" => Fault::err(format!(
                "REPLCONF ip-address provided by replica instance is too long: {} bytes",
                word.len()
            )),
            b"capa" => {
                if word.eq_ignore_ascii_case(b"eof") {
                    *said |= ReplicaSaid::MARKED;
                }
                continue;
            }
            b"version" => continue,
            b"ack" | b"getack" => return Served::Done,
            b"rdb-only" => match parse_i64(word) {
                Some(n @ 0..=1) => {
                    *said &= !ReplicaSaid::DUMP_ONLY;
                    *said |= if n == 1 { ReplicaSaid::DUMP_ONLY } else { 0 };
                    continue;
                }
                Some(_) => Fault::err("value is out of range, value must between 0 and 1"),
                None => Fault::NotInteger,
            },
            b"rdb-filter-only" => {
                *said |= ReplicaSaid::WITHOUT_DATA | ReplicaSaid::WITHOUT_FUNCTIONS;
                let mut words = word.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                match words.find(|word| !word.eq_ignore_ascii_case(b"functions")) {
                    Some(other) => {
                        let other = String::from_utf8_lossy(other).into_owned();
                        Fault::err(format!("Unsupported rdb-filter-only option: {other}"))
                    }
                    None => {
                        if !word.trim_ascii().is_empty() {
                            *said &= !ReplicaSaid::WITHOUT_FUNCTIONS;
                        }
                        continue;
                    }
                }
            }
            _ => {
                let option = String::from_utf8_lossy(&option[..option.len().min(128)]).into_owned();
                Fault::err(format!("Unrecognized REPLCONF option: {option}"))
            }
        };
        return engine.refuse(index, None, &fault);
    }
    engine.answer(index, |r| r.ok());
    Served::Done
}

/// SYNC and PSYNC: a dump of everything at one moment, and then the connection closes. Who says that it is a replica is refused:
/// it would take what it has got for the present, and never hear of what is written later.
pub(super) fn sync(engine: &mut Engine, index: u32, psync: bool) -> Served {
    let conn = &engine.conns[index as usize];
    if !conn.order.is_empty() {
        return Served::Stall(Stall::Barrier);
    }
    let said = conn.replica;
    if said & ReplicaSaid::FOLLOWS != 0 && said & ReplicaSaid::DUMP_ONLY == 0 {
        let text = "Torc has no replicas yet: a dump without what follows is given to who says REPLCONF rdb-only 1";
        return engine.refuse(index, None, &Fault::err(text));
    }
    let what = Dump {
        marked: said & ReplicaSaid::MARKED != 0,
        without_data: said & ReplicaSaid::WITHOUT_DATA != 0,
        without_functions: said & ReplicaSaid::WITHOUT_FUNCTIONS != 0,
    };
    let addr = conn.peer.addr();
    if psync {
        let line = format!("FULLRESYNC {} 0", engine.process.replid());
        engine.answer(index, |r| r.simple(&line));
    }
    let conn = &mut engine.conns[index as usize];
    // Whatever it says next is not for us.
    conn.fence = true;
    let origin = engine.place(index);
    if let Err(fault) = engine.ask_for_dump(origin, what) {
        engine.deliver(origin, |r| r.fault(&fault));
        return Served::Done;
    }
    engine.process.log.notice(format_args!("{addr} asks for a dump"));
    Served::Done
}
