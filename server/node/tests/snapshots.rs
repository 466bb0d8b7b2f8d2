//! Snapshots of whole simulated nodes, from seeds: each is one moment over all shards, whatever happens meanwhile; after a power
//! cut at any moment the newest that was made is there whole, and loads into any number of shards. A failing seed is printed;
//! `TORC_SEED=n cargo test -p node --test snapshots` replays it.

mod sim;

use node::engine::{LoadFile, LoadPlan};
use node::manifest::Manifest;
use node::session::Door;
use sim::disk::Disk;
use sim::{FOLDER, Rng, Sim, reply, resp, seeds};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::rdb::file::read::{Item, ReadOptions, Reader};

/// Pairs of keys that are always written together.
const PAIRS: usize = 6;

type Data = BTreeMap<String, Vec<u8>>;

/// The manifest of a folder, and all that its files hold; every checksum is looked at.
fn whole_snapshot(disk: &Disk) -> Option<(Manifest, Data)> {
    let text = disk.read(&Path::new(FOLDER).join("dump.manifest"))?;
    let manifest = Manifest::parse(text).unwrap_or_else(|e| panic!("the manifest: {e}"));
    let mut data = Data::new();
    for file in &manifest.files {
        let bytes = disk.read(&Path::new(FOLDER).join(&file.name)).unwrap_or_else(|| panic!("{} is there", file.name));
        assert_eq!(bytes.len() as u64, file.bytes, "{}", file.name);
        let mut reader = Reader::new(ReadOptions::default());
        reader.feed(bytes);
        let mut keys = 0;
        loop {
            match reader.next().unwrap_or_else(|e| panic!("{}: {e}", file.name)) {
                Item::Entry(entry) => {
                    keys += 1;
                    let key = String::from_utf8(entry.key.to_vec()).expect("keys of this test are text");
                    assert!(data.insert(key, entry.value.to_vec()).is_none(), "a key is written once");
                }
                Item::NeedMore => panic!("{} is cut off", file.name),
                Item::End => break,
                _ => {}
            }
        }
        assert_eq!((keys, reader.sum()), (file.keys, file.crc64), "{}", file.name);
    }
    Some((manifest, data))
}

/// What GET says of a string's record: a type byte, then the string, as a number or as text.
fn number(value: &[u8]) -> u64 {
    match value {
        [0, 0xC0, a] => u64::from(*a),
        [0, 0xC1, a, b] => u64::from(u16::from_le_bytes([*a, *b])),
        [0, 0xC2, a, b, c, d] => u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        other => panic!("{other:?} is no small number"),
    }
}

struct Run {
    sim: Sim,
    /// Clients that write, and the last number of each pair that was answered.
    writers: Vec<usize>,
    saver: usize,
    sent: [u64; PAIRS],
    answered: [u64; PAIRS],
    /// Which pair each writer is waiting for.
    waits: Vec<Option<usize>>,
    /// `answered` when the last SAVE was asked for that has been answered with OK.
    floor: [u64; PAIRS],
    saving: Option<[u64; PAIRS]>,
    made: u64,
    failed: u64,
}

impl Run {
    fn new(seed: u64, shards: usize) -> Run {
        let mut sim = Sim::new(seed, shards);
        let writers = (0..3).map(|n| sim.connect(n % shards, Door::Resp)).collect();
        let saver = sim.connect(0, Door::Resp);
        Run {
            sim,
            writers,
            saver,
            sent: [0; PAIRS],
            answered: [0; PAIRS],
            waits: vec![None; 3],
            floor: [0; PAIRS],
            saving: None,
            made: 0,
            failed: 0,
        }
    }

    fn take_reply(&mut self, client: usize) -> Option<String> {
        let from = &mut self.sim.clients[client].from;
        let (text, used) = reply(from)?;
        from.drain(..used);
        Some(text)
    }

    /// Something random; pairs of one writer are its own, so that their numbers rise.
    fn step(&mut self) {
        for w in 0..self.writers.len() {
            if let Some(pair) = self.waits[w]
                && self.take_reply(self.writers[w]).is_some()
            {
                self.answered[pair] = self.sent[pair];
                self.waits[w] = None;
            }
            if self.waits[w].is_none() && self.sim.rng.chance(20) {
                let pair = self.sim.rng.below(PAIRS / 3) * 3 + w;
                self.sent[pair] += 1;
                let (n, a, b) = (self.sent[pair].to_string(), format!("a{pair}"), format!("b{pair}"));
                let ask = resp(&["MSET", &a, &n, &b, &n]);
                self.waits[w] = Some(pair);
                self.sim.send(self.writers[w], &ask);
            }
        }
        if let Some(floor) = self.saving
            && let Some(text) = self.take_reply(self.saver)
        {
            self.saving = None;
            if text == "OK" {
                self.made += 1;
                self.floor = floor;
            } else {
                assert!(text.contains("No space left"), "{text}");
                self.failed += 1;
            }
        }
        if self.saving.is_none() && self.sim.rng.chance(60) {
            self.saving = Some(self.answered);
            self.sim.send(self.saver, &resp(&["SAVE"]));
        }
        self.sim.step();
    }

    fn check(&self, data: &Data, seed: u64) {
        for pair in 0..PAIRS {
            let of = |side: char| data.get(&format!("{side}{pair}")).map_or(0, |value| number(value));
            assert_eq!(of('a'), of('b'), "pair {pair} is half in, seed {seed}");
            let floor = self.floor[pair];
            assert!((floor..=self.sent[pair]).contains(&of('a')), "pair {pair}: {} of {floor}.., seed {seed}", of('a'));
        }
    }
}

#[test]
fn a_snapshot_is_one_moment_and_outlives_a_power_cut() {
    let (mut made, mut found) = (0, 0);
    for seed in seeds(120) {
        let shards = [1, 2, 3][seed as usize % 3];
        let mut run = Run::new(seed, shards);
        let steps = 500 + Rng(seed ^ 1).below(3000);
        for _ in 0..steps {
            run.step();
        }
        let mut rng = Rng(seed ^ 2);
        let after = run.sim.disk.after_power_cut(&mut rng);
        let snapshot = whole_snapshot(&after);
        assert!(snapshot.is_some() || run.made == 0, "what SAVE has answered is there, seed {seed}");
        made += run.made;
        let Some((manifest, data)) = snapshot else { continue };
        found += 1;
        run.check(&data, seed);
        // Another server, of another number of shards, loads it.
        let mut sim = Sim::new(seed, [3, 1, 2][seed as usize % 3]);
        let shards = sim.engines.len();
        sim.disk = after.moved_to(shards);
        let files: Vec<LoadFile> = manifest
            .files
            .iter()
            .map(|f| LoadFile { path: Path::new(FOLDER).join(&f.name), bytes: f.bytes, crc64: Some(f.crc64) })
            .collect();
        sim.process.persist.plan_load(shards, 1, 0);
        let plan = LoadPlan { files, verify: true, merge: false, asker: None, coordinator: base::ShardId(0) };
        let plan = Arc::new(plan);
        for engine in &mut sim.engines {
            engine.begin(sim.now);
            engine.begin_load(plan.clone());
        }
        sim.settle(&format!("loading, seed {seed}"));
        assert_eq!(sim.process.persist.failed(), None, "seed {seed}");
        let client = sim.connect(0, Door::Resp);
        for (key, value) in &data {
            sim.send(client, &resp(&["GET", key]));
            sim.settle(&format!("reading, seed {seed}"));
            let (text, used) = reply(&sim.clients[client].from).expect("it is settled");
            sim.clients[client].from.drain(..used);
            assert_eq!(text, number(value).to_string(), "{key}, seed {seed}");
        }
        sim.send(client, &resp(&["DBSIZE"]));
        sim.settle("counting");
        assert_eq!(reply(&sim.clients[client].from).expect("it is settled").0, data.len().to_string());
    }
    assert!(made > 50 && found > 20, "{made} were made, {found} were found");
}

#[test]
fn a_full_disk_leaves_nothing_and_hurts_nobody() {
    let mut failed = 0;
    for seed in seeds(40) {
        let mut run = Run::new(seed, [1, 2, 3][seed as usize % 3]);
        for step in 0..4000 {
            if step == 1500 {
                run.sim.disk.room = Rng(seed).below(3000);
            }
            run.step();
        }
        run.sim.settle(&format!("seed {seed}"));
        run.step();
        failed += run.failed;
        if run.made > 0 {
            let (manifest, data) = whole_snapshot(&run.sim.disk).expect("one was made");
            run.check(&data, seed);
            // Nothing but what the manifest names is left.
            let mut named: Vec<PathBuf> = manifest.files.iter().map(|f| Path::new(FOLDER).join(&f.name)).collect();
            named.push(Path::new(FOLDER).join("dump.manifest"));
            named.sort();
            assert_eq!(run.sim.disk.paths(), named, "seed {seed}");
        }
    }
    assert!(failed > 20, "{failed} snapshots found no room");
}
