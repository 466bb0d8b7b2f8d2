//! Whole nodes from a seed. Concurrent clients of both protocols on 1, 2 and 4 shards; their histories must be strictly serialisable, as on
//! one Redis thread. A failing seed is printed; `TORC_SEED=n cargo test -p node --test simulation` replays it, and runs a
//! range of seeds from there with `TORC_SEEDS`.

mod sim;

use node::session::Door;
use sim::check::{self, is_serialisable};
use sim::registers::{KEYS, Op};
use sim::{Sim, reply, resp, seeds};

type Event = check::Event<Op>;

/// Runs some clients at once, of either protocol, some of whom ask in silence or hang up, and returns what they saw. The events
/// of one client are in the order it sent them.
fn history(seed: u64, shards: usize) -> (Vec<Event>, Sim) {
    let mut sim = Sim::new(seed, shards);
    let clients = 2 + sim.rng.below(4);
    let each = 40 / clients;
    let depth = 1 + sim.rng.below(4);
    let silence = [0, 0, 3, 6][sim.rng.below(4)];
    let hang_up = [0, 0, 60][sim.rng.below(3)];
    sim.mail_delay = [1, 1, 8][sim.rng.below(3)];
    let memcache: Vec<bool> = (0..clients).map(|_| sim.rng.chance(3)).collect();
    for (c, &memcache) in memcache.iter().enumerate() {
        sim.connect(c % shards, if memcache { Door::Memcache } else { Door::Resp });
    }
    let mut events: Vec<Event> = Vec::new();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); clients];
    let mut left = vec![each; clients];
    let mut tag = 0;
    let mut step = 0u64;
    while left.iter().any(|&n| n > 0) || waiting.iter().any(|w| !w.is_empty()) {
        step += 1;
        assert!(
            step < 200_000,
            "no progress: {:?}",
            waiting.iter().flatten().map(|&i| &events[i].op).collect::<Vec<_>>()
        );
        let c = sim.rng.below(clients);
        if left[c] > 0 && waiting[c].len() < depth && sim.rng.chance(4) {
            let silent = silence > 0 && sim.rng.chance(silence);
            let op = if memcache[c] {
                Op::random_memcache(&mut sim.rng, &mut tag)
            } else {
                Op::random(&mut sim.rng, &mut tag)
            };
            let silent = silent && !(memcache[c] && matches!(op, Op::Get(_) | Op::Mget(_)));
            if memcache[c] {
                sim.send(c, op.line(silent).as_bytes());
            } else {
                if silent {
                    sim.send(c, &resp(&["CLIENT", "REPLY", "SKIP"]));
                }
                let words = op.words();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                sim.send(c, &resp(&words));
            }
            if !silent {
                waiting[c].push(events.len());
            }
            events.push(Event { client: c, op, sent: step, answered: u64::MAX, reply: None, lost: false });
            left[c] -= 1;
            if hang_up > 0 && sim.rng.chance(hang_up) {
                sim.hang_up(c);
                left[c] = 0;
                waiting[c].clear();
                let unanswered = events.iter_mut().filter(|e| e.client == c && e.reply.is_none());
                unanswered.for_each(|e| e.lost = true);
            }
        }
        sim.step();
        for (c, waiting) in waiting.iter_mut().enumerate() {
            while let Some(&first) = waiting.first() {
                let from = &sim.clients[c].from;
                let read = if memcache[c] { events[first].op.read_line(from) } else { reply(from) };
                let Some((text, used)) = read else { break };
                sim.clients[c].from.drain(..used);
                waiting.remove(0);
                (events[first].answered, events[first].reply) = (step, Some(text));
            }
        }
    }
    (events, sim)
}

/// What is there in the end, as one more client sees it: also what was asked in silence shows.
fn last_look(events: &mut Vec<Event>, sim: &mut Sim) {
    let client = sim.connect(0, Door::Resp);
    let op = Op::Mget((0..KEYS).collect());
    let words = op.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    sim.send(client, &resp(&words));
    sim.settle("the last look");
    let (text, _) = reply(&sim.clients[client].from).expect("a node at rest has answered");
    // Everything of connections that are still there has been done; `sent` says so of what was answered.
    events.push(Event { client: usize::MAX, op, sent: u64::MAX, answered: u64::MAX, reply: Some(text), lost: false });
}

#[test]
fn histories_are_strictly_serialisable() {
    let mut together = 0;
    let mut yields = 0;
    let mut lent = 0;
    let mut shared_records = 0;
    let (mut histories, mut undecided) = (0, 0);
    for seed in seeds(80) {
        for shards in [1, 2, 4] {
            let (mut events, mut sim) = history(seed, shards);
            // Let commits arrive; then nothing may be locked or under way.
            sim.settle(&format!("TORC_SEED={seed}, {shards} shards"));
            last_look(&mut events, &mut sim);
            histories += 1;
            let Some(fine) = is_serialisable(&events) else {
                undecided += 1;
                continue;
            };
            if !fine {
                check::tell(&events);
                panic!("not serialisable: TORC_SEED={seed}, {shards} shards");
            }
            together += sim.engines.iter().map(|e| e.metrics.together).sum::<u64>();
            lent += sim.lent_count;
            shared_records += sim.shared_records;
            yields += sim.engines.iter().map(|e| e.metrics.yields).sum::<u64>();
        }
    }
    assert!(undecided * 50 <= histories, "{undecided} of {histories} histories have too many orders");
    println!("{undecided} of {histories} histories undecided");
    println!("{together} transactions over shards, {yields} yields, seeds {:?}", seeds(80));
    println!("{lent} replies left by lent sockets");
    println!("{shared_records} records of transactions over shards");
    let exercised = together > 0 && lent > 0 && shared_records > 0;
    assert!(exercised || seeds(80).count() == 1, "the seeds exercise what they are for");
}

/// The checker itself must be able to say no.
#[test]
fn the_checker_sees_a_torn_write() {
    let event = |client, op, sent, answered, reply: &str| Event {
        client,
        op,
        sent,
        answered,
        reply: Some(reply.into()),
        lost: false,
    };
    let both = Op::Mset(vec![(0, "1".into()), (1, "1".into())]);
    let torn =
        vec![event(0, both.clone(), 1, 10, "OK"), event(1, Op::Get(0), 2, 3, "1"), event(1, Op::Get(1), 4, 5, "nil")];
    assert_eq!(is_serialisable(&torn), Some(false));
    let whole = vec![event(0, both, 1, 10, "OK"), event(1, Op::Get(0), 2, 3, "1"), event(1, Op::Get(1), 4, 5, "1")];
    assert_eq!(is_serialisable(&whole), Some(true));
}
