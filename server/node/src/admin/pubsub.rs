//! SUBSCRIBE, PUBLISH, PUBSUB and their kin.

use super::connection::refuse;
use crate::engine::{Engine, Scope, Served};
use crate::session::Door;
use base::slot::slot_of;
use base::{Args, Fault};
use command::row::{Row, Verb};

pub(super) fn subscribe(engine: &mut Engine, index: u32, verb: Verb, row: &'static Row, args: Args<'_>) -> Served {
    if let Some(served) = moved(engine, index, verb, row, args) {
        return served;
    }
    // Confirmations come as messages do: CLIENT REPLY does not hold them back.
    engine.conns[index as usize].silent = false;
    let names = args.from(1).iter().map(Box::from).collect();
    engine.subscribe(index, scope_of(verb), names);
    Served::Done
}

pub(super) fn unsubscribe(engine: &mut Engine, index: u32, verb: Verb, row: &'static Row, args: Args<'_>) -> Served {
    if let Some(served) = moved(engine, index, verb, row, args) {
        return served;
    }
    engine.conns[index as usize].silent = false;
    let names = (args.len() > 1).then(|| args.from(1).iter().map(Box::from).collect());
    engine.unsubscribe(index, scope_of(verb), names);
    Served::Done
}

pub(super) fn publish(engine: &mut Engine, index: u32, verb: Verb, row: &'static Row, args: Args<'_>) -> Served {
    if let Some(served) = moved(engine, index, verb, row, args) {
        return served;
    }
    let (scope, channel, text) = (scope_of(verb), args.at(1), args.at(2));
    let count = engine.listeners(scope, channel);
    // The reply first: whoever hears itself hears itself after it.
    engine.answer(index, |r| r.int(count as i64));
    engine.publish(scope, channel, text);
    Served::Done
}

fn scope_of(verb: Verb) -> Scope {
    match verb {
        Verb::Psubscribe | Verb::Punsubscribe => Scope::Pattern,
        Verb::Ssubscribe | Verb::Sunsubscribe | Verb::Spublish => Scope::Slot,
        _ => Scope::Channel,
    }
}

/// On the port of one shard, channels of one slot are asked for where their slot is.
fn moved(engine: &mut Engine, index: u32, verb: Verb, row: &'static Row, args: Args<'_>) -> Option<Served> {
    if scope_of(verb) != Scope::Slot || engine.conns[index as usize].door != Door::Shard || args.len() < 2 {
        return None;
    }
    let slot = slot_of(args.at(1));
    let names = if verb == Verb::Spublish { 2 } else { args.len() };
    if (2..names).any(|n| slot_of(args.at(n)) != slot) {
        return Some(engine.refuse(index, Some(row), &Fault::CrossSlot));
    }
    (engine.owner_of_slot(slot) != engine.me).then(|| engine.moved(index, row, slot))
}

pub(super) fn pubsub(engine: &mut Engine, index: u32, verb: Verb, args: Args<'_>) -> Served {
    let slots = matches!(verb, Verb::PubsubShardchannels | Verb::PubsubShardnumsub);
    let scope = if slots { Scope::Slot } else { Scope::Channel };
    match verb {
        Verb::PubsubChannels | Verb::PubsubShardchannels => {
            if args.len() > 3 {
                return super::unknown_subcommand(engine, index, args);
            }
            let fits = |name: &[u8]| args.get(2).is_none_or(|pattern| base::glob::matches(pattern, name, false));
            let names: Vec<Vec<u8>> =
                engine.listened_to(scope).filter(|(name, _)| fits(name)).map(|(name, _)| name.to_vec()).collect();
            engine.answer(index, |r| {
                r.array(names.len());
                names.iter().for_each(|name| r.bulk(name));
            });
        }
        Verb::PubsubNumpat => {
            let count = engine.listened_to(Scope::Pattern).count();
            engine.answer(index, |r| r.int(count as i64));
        }
        _ => {
            let names = args.from(2);
            let counts: Vec<usize> = names.iter().map(|wanted| engine.direct_listeners(scope, wanted)).collect();
            engine.answer(index, |r| {
                r.array(counts.len() * 2);
                for (name, count) in names.iter().zip(counts) {
                    r.bulk(name);
                    r.int(count as i64);
                }
            });
        }
    }
    Served::Done
}

pub(super) fn unblocked() -> Fault {
    Fault::Text("UNBLOCKED client unblocked via CLIENT UNBLOCK".into())
}

/// CLIENT UNBLOCK client-id [TIMEOUT|ERROR]
pub(super) fn unblock(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let error = match args.get(3) {
        None => false,
        Some(_) if args.is(3, "timeout") => false,
        Some(_) if args.is(3, "error") => true,
        Some(_) => {
            return refuse(engine, index, Fault::err("CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    if args.len() > 4 {
        return super::unknown_subcommand(engine, index, args);
    }
    let Some(id) = base::number::parse_i64(args.at(2)) else {
        return refuse(engine, index, Fault::NotInteger);
    };
    engine.gather(
        index,
        move |engine| {
            let found = engine.conns.iter().find(|(_, conn)| conn.id as i64 == id && !conn.gone).map(|(i, _)| i as u32);
            let fault = unblocked();
            let fault = error.then_some(&fault);
            crate::engine::Answer::Now(found.is_some_and(|found| {
                engine.unblock(found, fault)
                    || engine.end_log_wait(found, fault)
                    || engine.end_replica_wait(found, error)
            }))
        },
        |_, parts: Vec<bool>, reply| reply.int(parts.contains(&true).into()),
    );
    Served::Done
}
