//! The append log of whole simulated nodes, from seeds: the power fails at any moment, what was not synced is lost in any pieces, and
//! the node starts again with what is left. With `always` no write that was answered is missing, with `everysec` none that was
//! answered more than a second and a little before; what a command wrote on several shards is there wholly or not at all; nothing
//! is there that nobody wrote; and what clients saw before and after, of commands over several shards too, can have happened on one
//! thread that was never interrupted. `TORC_SEED=n cargo test -p node --test appendlog` replays a seed.

mod sim;

use base::ShardId;
use node::appendlog::recover::{self, Log};
use node::appendlog::{parse_segment_name, segment_name};
use node::config::FsyncPolicy;
use node::engine::{LoadFile, LoadPlan, LogPlan, Replay};
use node::files::folder::Kept;
use node::manifest::Manifest;
use node::session::Door;
use sim::check::{self, is_serialisable};
use sim::disk::Disk;
use sim::registers::{KEYS as REGISTERS, Op};
use sim::{FOLDER, Rng, Sim, reply, resp, seeds};
use std::path::Path;
use std::sync::Arc;

const CLIENTS: usize = 4;
/// Keys of one client alone, on any shard; a list of each.
const KEYS: usize = 3;

/// What a start does, on a disk that is none: the snapshot and the log that are there, and a segment for what comes.
fn start(seed: u64, shards: usize, policy: FsyncPolicy, disk: Disk, now: node::clock::Now) -> Sim {
    let mut sim = Sim::with(seed, shards, |settings| {
        settings.appendonly = true;
        settings.appendfsync = policy;
    });
    sim.now = now;
    sim.disk = disk.moved_to(shards);
    let folder = Path::new(FOLDER);
    let manifest = sim.disk.read(&folder.join("dump.manifest")).map(|text| Manifest::parse(text).expect("it is whole"));
    let serial = manifest.as_ref().map_or(0, |manifest| manifest.serial);
    let (mut segments, mut known) = (Vec::new(), Vec::new());
    let mut highest = serial;
    for path in sim.disk.paths() {
        let name = path.file_name().and_then(|name| name.to_str()).expect("names are text");
        let parts = name.strip_prefix("dump-").and_then(|rest| rest.split_once('-')).map(|(serial, _)| serial);
        highest = highest.max(parts.map_or(0, |serial| serial.parse().expect("a number")));
        let Some((of, _)) = parse_segment_name("appendonly", name) else { continue };
        highest = highest.max(of);
        known.push((of, path.clone()));
        let bytes = sim.disk.read(&path).expect("it is listed");
        let segment = recover::scan(path.clone(), bytes.len() as u64, None, &mut &bytes[..]);
        segments.extend(segment.unwrap_or_else(|e| panic!("TORC_SEED={seed}: {e}")));
    }
    let log: Log = recover::put_together(segments, serial, true).unwrap_or_else(|e| panic!("TORC_SEED={seed}: {e}"));
    let (previous, ends) = log.previous();
    let next = highest + 1;
    known.extend((0..shards).map(|shard| (next, folder.join(segment_name("appendonly", next, shard)))));
    let files: Vec<LoadFile> = manifest
        .iter()
        .flat_map(|manifest| &manifest.files)
        .map(|file| LoadFile { path: folder.join(&file.name), bytes: file.bytes, crc64: Some(file.crc64) })
        .collect();
    sim.process.persist.saves().kept = Some(Kept {
        folder: FOLDER.into(),
        stem: "dump".into(),
        serial: next,
        files: files.iter().map(|file| file.path.clone()).collect(),
        segments: known,
    });
    let begin = LogPlan {
        folder: FOLDER.into(),
        stem: "appendonly".into(),
        serial: next,
        run: next,
        base: 0,
        previous,
        ends,
        coordinator: ShardId(0),
    };
    let replay = Arc::new(Replay::new(&log, shards, begin));
    sim.process.persist.plan_load(shards, 1, 0);
    sim.process.persist.set_gate(node::persist::Gate::LOADING, true);
    let plan = Arc::new(LoadPlan { files, verify: true, merge: false, asker: None, coordinator: ShardId(0) });
    for engine in &mut sim.engines {
        engine.begin(now);
        engine.begin_load(plan.clone());
        engine.replay_next(replay.clone());
    }
    let mut steps = 0;
    while sim.process.persist.is_loading() {
        assert_eq!(sim.process.persist.failed(), None, "TORC_SEED={seed}");
        sim.step();
        steps += 1;
        assert!(steps < 1_000_000, "TORC_SEED={seed}: the start does not end: {}", sim.unrest());
    }
    sim
}

/// One client's writes: a number that rises with each, the same in all that one command writes.
#[derive(Clone, Default)]
struct Writer {
    sent: u64,
    /// Answers come in this order.
    waiting: Vec<u64>,
    /// (number, when it was answered, µs)
    answered: Vec<(u64, u64)>,
}

struct Run {
    sim: Sim,
    writers: Vec<Writer>,
    clients: Vec<usize>,
    other: usize,
}

fn names(writer: usize) -> Vec<String> {
    (0..KEYS).map(|n| format!("{}{writer}", ["a", "bb", "foo"][n])).collect()
}

impl Run {
    fn new(sim: Sim, writers: Vec<Writer>) -> Run {
        let mut run = Run { sim, writers, clients: Vec::new(), other: 0 };
        let shards = run.sim.engines.len();
        run.clients = (0..CLIENTS).map(|n| run.sim.connect(n % shards, Door::Resp)).collect();
        run.other = run.sim.connect(0, Door::Resp);
        run
    }

    fn step(&mut self) {
        for w in 0..CLIENTS {
            let client = self.clients[w];
            while let Some((text, used)) = reply(&self.sim.clients[client].from) {
                self.sim.clients[client].from.drain(..used);
                let number = self.writers[w].waiting.remove(0);
                if text == "OK" || text == "[OK,OK]" || text.parse::<u64>().is_ok() {
                    self.writers[w].answered.push((number, self.sim.now.up_us));
                } else {
                    assert!(text.starts_with("MISCONF"), "{text}");
                }
            }
            if self.writers[w].waiting.len() < 3 && self.sim.rng.chance(12) {
                self.writers[w].sent += 1;
                let number = self.writers[w].sent;
                self.writers[w].waiting.push(number);
                let (names, text) = (names(w), number.to_string());
                // All of a writer's keys in each command, on whatever shards: and a list by itself now and then.
                let mut words = vec!["MSET"];
                names.iter().for_each(|name| words.extend([name.as_str(), text.as_str()]));
                self.sim.send(client, &resp(&words));
            }
        }
        if self.sim.rng.chance(150) {
            let ask = match self.sim.rng.below(8) {
                0 => vec!["BGREWRITEAOF"],
                1 => vec!["SAVE"],
                2 => vec!["FLUSHDB"],
                3 => vec!["SWAPDB", "3", "4"],
                4 => vec!["WAITAOF", "1", "0", "5"],
                // Of some time, renamed over shards, popped, gone.
                5 => vec!["SET", "timed", "x", "PX", "20"],
                6 => vec!["RENAME", "timed", "other"],
                _ => vec!["LPUSH", "list", "1", "2"],
            };
            // What empties everything would take the writers' keys: into another database with it.
            if ask[0] == "FLUSHDB" {
                self.sim.send(self.other, &resp(&["SELECT", "3"]));
                self.sim.send(self.other, &resp(&["SET", "gone", "1"]));
            }
            self.sim.send(self.other, &resp(&ask));
            if ask[0] == "FLUSHDB" {
                self.sim.send(self.other, &resp(&["SELECT", "0"]));
            }
        }
        self.sim.step();
    }

    /// What each writer's keys hold.
    fn look(&mut self, seed: u64) -> Vec<u64> {
        let client = self.sim.connect(0, Door::Resp);
        (0..CLIENTS)
            .map(|w| {
                let values: Vec<u64> = names(w)
                    .iter()
                    .map(|name| {
                        self.sim.send(client, &resp(&["GET", name]));
                        let mut steps = 0;
                        loop {
                            self.sim.step();
                            if let Some((text, used)) = reply(&self.sim.clients[client].from) {
                                self.sim.clients[client].from.drain(..used);
                                break if text == "nil" { 0 } else { text.parse().expect("a number") };
                            }
                            steps += 1;
                            assert!(steps < 100_000, "TORC_SEED={seed}: no answer: {}", self.sim.unrest());
                        }
                    })
                    .collect();
                assert!(
                    values.iter().all(|v| *v == values[0]),
                    "TORC_SEED={seed}: a command is there by halves: {values:?}"
                );
                values[0]
            })
            .collect()
    }
}

fn power_fails(policy: FsyncPolicy, count: u64, allowed_us: u64) {
    let (mut lost, mut kept, mut snapshots) = (0, 0, 0);
    for seed in seeds(count) {
        let shards = [1, 2, 3][seed as usize % 3];
        let mut rng = Rng(seed ^ 5);
        let mut run = {
            let disk = Disk::new(shards);
            let now = Sim::with(seed, shards, |_| {}).now;
            Run::new(start(seed, shards, policy, disk, now), vec![Writer::default(); CLIENTS])
        };
        for generation in 0..4 {
            run.sim.pace_us = [50, 500, 3000][rng.below(3)];
            let full = rng.chance(6);
            let steps = 200 + rng.below(4000);
            let mut full_us = u64::MAX;
            for step in 0..steps {
                if full && step == steps / 3 {
                    run.sim.disk.room = rng.below(40_000);
                    full_us = run.sim.now.up_us;
                }
                if full && step == steps * 2 / 3 {
                    run.sim.disk.room = usize::MAX;
                }
                run.step();
            }
            let now = run.sim.now;
            // What was answered before the disk was full, and was not synced yet, waits for room.
            let asked_us = if policy == FsyncPolicy::Always { now.up_us } else { now.up_us.min(full_us) };
            let mut disk = run.sim.disk.after_power_cut(&mut rng);
            disk.room = usize::MAX;
            snapshots += u64::from(disk.read(&Path::new(FOLDER).join("dump.manifest")).is_some());
            let mut next =
                Run::new(start(seed ^ (generation + 1) << 32, shards, policy, disk, now), run.writers.clone());
            let found = next.look(seed);
            for (w, (writer, &found)) in next.writers.iter_mut().zip(&found).enumerate() {
                let sure = writer.answered.iter().filter(|(_, at)| at + allowed_us <= asked_us).map(|(n, _)| *n).max();
                let sure = sure.unwrap_or(0);
                assert!(
                    (sure..=writer.sent).contains(&found),
                    "TORC_SEED={seed}, crash {generation}: writer {w} finds {found}, {sure} was sure, {} was sent",
                    writer.sent
                );
                kept += found;
                lost += writer.sent - found;
                // What was not answered may be there or not; it is known now, and on the device.
                writer.answered = vec![(found, now.up_us.saturating_sub(allowed_us))];
                writer.waiting.clear();
            }
            run = next;
        }
        run.sim.settle(&format!("TORC_SEED={seed}"));
    }
    println!("{kept} kept, {lost} lost, {snapshots} snapshots");
    assert!(kept > 100 && snapshots > 0 && (lost > 0 || count < 10), "the seeds exercise what they are for");
}

#[test]
fn with_always_nothing_that_was_answered_is_missing() {
    power_fails(FsyncPolicy::Always, 60, 0);
}

#[test]
fn with_everysec_the_last_second_may_be_missing() {
    // A second, the time to hand over, and some for mail and the disk, which are slow here.
    power_fails(FsyncPolicy::EverySec, 60, 1_000_000 + 400_000);
}

/// What clients on registers see while the power fails again and again, with `always`: whatever was not answered may have
/// been done, but before the crash. `step`s count on.
fn history(seed: u64, shards: usize) -> (Vec<check::Event<Op>>, Sim) {
    const CRASHES: usize = 3;
    const EACH: usize = 5;
    let mut rng = Rng(seed ^ 6);
    let now = Sim::with(seed, shards, |_| {}).now;
    let mut sim = start(seed, shards, FsyncPolicy::Always, Disk::new(shards), now);
    let mut events: Vec<check::Event<Op>> = Vec::new();
    let (mut step, mut tag) = (0u64, 0);
    for crash in 0..=CRASHES {
        sim.pace_us = [50, 500, 3000][rng.below(3)];
        sim.mail_delay = [1, 1, 8][rng.below(3)];
        let clients: Vec<usize> = (0..3).map(|n| sim.connect(n % shards, Door::Resp)).collect();
        let other = sim.connect(0, Door::Resp);
        let mut left = [EACH; 3];
        let mut waiting: [Vec<usize>; 3] = Default::default();
        let until = step + 100 + rng.below(1500) as u64;
        while step < until {
            step += 1;
            let c = rng.below(clients.len());
            if left[c] > 0 && waiting[c].len() < 3 && rng.chance(20) {
                left[c] -= 1;
                let op = Op::random(&mut rng, &mut tag);
                let words = op.words();
                sim.send(clients[c], &resp(&words.iter().map(String::as_str).collect::<Vec<_>>()));
                waiting[c].push(events.len());
                events.push(check::Event { client: c, op, sent: step, answered: u64::MAX, reply: None, lost: false });
            }
            if rng.chance(300) {
                sim.send(other, &resp(&[["BGREWRITEAOF", "SAVE"][rng.below(2)]]));
            }
            sim.step();
            for (waiting, &client) in waiting.iter_mut().zip(&clients) {
                while let Some(&first) = waiting.first()
                    && let Some((text, used)) = reply(&sim.clients[client].from)
                {
                    sim.clients[client].from.drain(..used);
                    waiting.remove(0);
                    (events[first].answered, events[first].reply) = (step, Some(text));
                }
            }
        }
        for unanswered in waiting.iter().flatten() {
            (events[*unanswered].answered, events[*unanswered].lost) = (step, true);
        }
        let disk = sim.disk.after_power_cut(&mut rng);
        sim = start(seed ^ (crash as u64 + 1) << 32, shards, FsyncPolicy::Always, disk, sim.now);
    }
    let client = sim.connect(0, Door::Resp);
    let op = Op::Mget((0..REGISTERS).collect());
    sim.send(client, &resp(&op.words().iter().map(String::as_str).collect::<Vec<_>>()));
    sim.settle(&format!("TORC_SEED={seed}"));
    let (text, _) = reply(&sim.clients[client].from).expect("a node at rest has answered");
    events.push(check::Event { client: 3, op, sent: u64::MAX, answered: u64::MAX, reply: Some(text), lost: false });
    (events, sim)
}

#[test]
fn histories_go_on_over_crashes() {
    let (mut answered, mut lost, mut undecided) = (0, 0, 0);
    let count = 60;
    for seed in seeds(count) {
        let shards = [1, 2, 3][seed as usize % 3];
        let (events, _) = history(seed, shards);
        answered += events.iter().filter(|e| e.reply.is_some()).count();
        lost += events.iter().filter(|e| e.lost).count();
        match is_serialisable(&events) {
            Some(true) => {}
            None => undecided += 1,
            Some(false) => {
                check::tell(&events);
                panic!("not serialisable: TORC_SEED={seed}, {shards} shards");
            }
        }
    }
    println!("{answered} answered, {lost} not, {undecided} undecided");
    assert!(undecided * 20 <= seeds(count).count() && answered > 0 && (lost > 0 || seeds(count).count() < 10));
}
