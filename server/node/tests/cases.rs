//! Room: node, tests. The transcripts of `server/command/tests/cases`, played to simulated nodes and to live ones, of 1, 2 and 4
//! shards each: whatever the number, a client sees one Redis, or one memcached.

mod live;
mod sim;

use cases::run::{Ask, Received, Report, request, run};
use cases::{Case, Dialect, SocketTarget, Target, Unsupported, files, parse, run_files};
use live::Server;
use node::session::Door;
use sim::Sim;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn folder() -> PathBuf {
    let node = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    node.parent().expect("crates lie side by side").join("command/tests/cases")
}

/// A simulated node. Time passes only while somebody waits for something, so no case takes long.
struct Simulated {
    shards: usize,
    seed: u64,
    sim: Sim,
    open: BTreeMap<String, usize>,
}

/// Longer than any reply takes, in steps of a node that has something to do.
const STEPS_MAX: usize = 200_000;

impl Simulated {
    fn new(shards: usize) -> Simulated {
        let seed = sim::seeds(1).start;
        Simulated { shards, seed, sim: Sim::new(seed, shards), open: BTreeMap::new() }
    }
}

impl Target for Simulated {
    fn version(&self) -> Option<(u32, u32, u32)> {
        None
    }

    fn offers(&self, need: &str) -> bool {
        ["server", "config", "debug", "torc"].contains(&need)
    }

    fn reset(&mut self) -> Result<(), String> {
        // Nothing of the last case may be left under way, except what it left waiting.
        for client in std::mem::take(&mut self.open).into_values() {
            self.sim.hang_up(client);
        }
        self.sim.process.unpause();
        self.sim.settle(&format!("seed {}, {} shards", self.seed, self.shards));
        self.seed += 1;
        self.sim = Sim::new(self.seed, self.shards);
        Ok(())
    }

    fn now_ms(&mut self) -> u64 {
        self.sim.now.ms()
    }

    fn wait(&mut self, ms: u64) {
        for _ in 0..ms {
            self.sim.advance(1000);
            (0..4 * self.shards).for_each(|_| self.sim.step());
        }
    }

    fn open(&mut self, connection: &str, dialect: Dialect, proto: u8) -> Result<(), Unsupported> {
        let door = if dialect == Dialect::Memcache { Door::Memcache } else { Door::Resp };
        let shard = self.open.len() % self.shards;
        let client = self.sim.connect(shard, door);
        self.open.insert(connection.into(), client);
        if dialect == Dialect::Resp && proto == 3 {
            self.sim.send(client, &request(&[b"HELLO".to_vec(), b"3".to_vec()]));
            match self.receive(connection, 1000) {
                Received::Bytes(bytes) if bytes.starts_with(b"%") => {}
                other => return Err(Unsupported(format!("HELLO 3: {other:?}"))),
            }
        }
        Ok(())
    }

    fn send(&mut self, connection: &str, ask: Ask<'_>) -> Result<(), Unsupported> {
        let client = self.open[connection];
        match ask {
            Ask::Words(words) => self.sim.send(client, &request(words)),
            Ask::Bytes(bytes) => self.sim.send(client, bytes),
        }
        Ok(())
    }

    fn receive(&mut self, connection: &str, patience_ms: u64) -> Received {
        let client = self.open[connection];
        let until_us = self.sim.now.up_us + patience_ms * 1000;
        let mut steps = 0;
        loop {
            // All of what is on its way, so that a reply is not seen in pieces more often than need be.
            if !self.sim.clients[client].from.is_empty() && (steps > 50 || self.sim.is_quiet()) {
                return Received::Bytes(std::mem::take(&mut self.sim.clients[client].from));
            }
            if self.sim.clients[client].closed && self.sim.clients[client].from.is_empty() {
                return Received::Closed;
            }
            if steps > STEPS_MAX || self.sim.now.up_us >= until_us && (self.sim.is_quiet() || steps > 2000) {
                return Received::Nothing;
            }
            if self.sim.is_quiet() {
                self.sim.advance(1000);
            }
            self.sim.step();
            steps += 1;
        }
    }
}

fn simulated(shards: usize) {
    run_files(&folder(), &mut Simulated::new(shards)).expect_good();
}

#[test]
fn a_simulated_node_of_1_shard_answers_as_told() {
    simulated(1);
}

#[test]
fn a_simulated_node_of_2_shards_answers_as_told() {
    simulated(2);
}

#[test]
fn a_simulated_node_of_4_shards_answers_as_told() {
    simulated(4);
}

/// Servers of one number of shards that share the cases between them: cases that let time pass take most of it.
const SERVERS: usize = 3;

/// Every case is played to live nodes of 1, 2 and 4 shards, all at once: they mostly wait.
#[test]
fn live_nodes_of_1_2_and_4_shards_answer_as_told() {
    let cases: Vec<Result<Case, String>> = files(&folder())
        .expect("the transcripts are there")
        .iter()
        .flat_map(|file| match parse(file, &std::fs::read_to_string(file).expect("transcripts are text")) {
            Ok(cases) => cases.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
        .collect();
    let play = &|shards: usize, part: usize| {
        let server = Server::start(shards);
        let offers = ["server", "config", "torc"];
        let mut target = SocketTarget::new(&server.resp, Some(&server.memcached), &offers).expect("the server answers");
        let mut report = Report::default();
        for case in cases.iter().skip(part).step_by(SERVERS) {
            match case {
                Ok(case) => run(case, &mut target, &mut report),
                Err(error) => report.failed.push(error.clone()),
            }
        }
        drop(target);
        assert_eq!(server.stop(), Some(0), "a graceful end");
        (shards, report)
    };
    let mut failed = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = [1, 2, 4]
            .into_iter()
            .flat_map(|shards| (0..SERVERS).map(move |part| (shards, part)))
            .map(|(shards, part)| scope.spawn(move || play(shards, part)))
            .collect();
        for thread in running {
            let (shards, report) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            println!("{shards} shards: {}", report.summary());
            assert!(report.ran > 0, "cases are played");
            failed.extend(report.failed.iter().map(|f| format!("{shards} shards: {f}")));
        }
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
