//! What a client says of its own connection.

use crate::engine::{Engine, Served};
use base::number::parse_i64;
use base::{Args, DbId, Fault};

pub(super) fn ping(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    if args.len() > 2 {
        engine.answer(index, |r| r.fault(&Fault::WrongArity("ping")));
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
        None => Some(Fault::NotInteger),
        Some(n) if !(0..databases as i64).contains(&n) => Some(Fault::DbIndexOutOfRange),
        Some(n) => {
            engine.conns[index as usize].db = DbId(n as u16);
            None
        }
    };
    engine.answer(index, |r| match &fault {
        None => r.ok(),
        Some(fault) => r.fault(fault),
    });
    Served::Done
}

pub(super) fn quit(engine: &mut Engine, index: u32) -> Served {
    engine.answer(index, |r| r.ok());
    engine.close_after_reply(index);
    Served::Done
}
