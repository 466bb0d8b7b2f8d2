//! Room: benches, versus. What the sections share: the servers that take part, the cores they get, the servers of one layout
//! all running at once and all but one standing still. Touches: server.

use super::Versus;
use super::peers::Peer;
use super::results::{Results, Section};
use crate::host::{Host, Layout};
use crate::server::Server;
use loadgen::plan::Dialect;
use std::path::PathBuf;
use std::time::Instant;

pub struct Bench {
    pub options: Versus,
    pub host: Host,
    pub peers: Vec<Peer>,
    pub results: Results,
    /// Servers' files, a folder each.
    pub files: PathBuf,
    pub begun: Instant,
}

/// One running server of a fleet.
pub struct Member {
    pub name: String,
    pub dialect: Dialect,
    /// Its keys are asked for at their own shard's port.
    pub cluster: bool,
    pub server: Server,
}

impl Member {
    pub fn speaks(&self, dialect: Dialect) -> bool {
        self.server.port(dialect).is_some() && (dialect.is_resp() || !self.cluster)
    }
}

/// All peers on one layout.
pub struct Fleet {
    pub layout: Layout,
    pub members: Vec<Member>,
}

impl Fleet {
    /// The members in the order of one round: nobody is always first.
    pub fn turn(&self, round: usize) -> Vec<usize> {
        let count = self.members.len();
        (0..count).map(|at| (at + round) % count).collect()
    }
}

impl Bench {
    /// Progress, on stderr.
    pub fn say(&self, section: Section, what: &str) {
        eprintln!("{:5.0} s  {}: {what}", self.begun.elapsed().as_secs_f64(), section.name());
    }

    /// Half of the cores for the server, the others for the load; or as the user says.
    pub fn main_layout(&self) -> Layout {
        match (&self.options.server_cpus, &self.options.load_cpus) {
            (Some(server), Some(load)) => {
                let shared = server.iter().any(|cpu| load.contains(cpu));
                Layout { server_cpus: server.to_vec(), load_cpus: load.to_vec(), shared }
            }
            (Some(server), None) => {
                let load: Vec<usize> = self.host.cpus.iter().copied().filter(|cpu| !server.contains(cpu)).collect();
                let shared = load.is_empty();
                let load_cpus = if shared { server.to_vec() } else { load };
                Layout { server_cpus: server.to_vec(), load_cpus, shared }
            }
            _ => Layout::half(&self.host.cpus),
        }
    }

    /// The cores of the main layout, the server's first.
    pub fn main_layout_cpus(&self) -> Vec<usize> {
        let layout = self.main_layout();
        let load = layout.load_cpus.iter().filter(|cpu| !layout.server_cpus.contains(cpu));
        layout.server_cpus.iter().chain(load).copied().collect()
    }

    /// One core, two, four, ... as far as as many are left for the load; then all of them.
    pub fn layouts(&self) -> Vec<Layout> {
        let cpus = &self.host.cpus;
        let mut counts: Vec<usize> = (0..).map(|n| 1 << n).take_while(|count| count * 2 <= cpus.len()).collect();
        counts.push(cpus.len());
        counts.dedup();
        counts.into_iter().map(|count| Layout::first(count, cpus)).collect()
    }

    /// Starts one peer with nothing.
    pub fn start(&mut self, peer: &Peer, layout: &Layout, folder: &str) -> Result<Server, String> {
        let files = self.folder_of(peer, folder);
        if files.exists() {
            std::fs::remove_dir_all(&files).map_err(|e| format!("{}: {e}", files.display()))?;
        }
        self.start_again(peer, layout, folder)
    }

    /// Starts one peer with what an earlier one has left in the folder.
    pub fn start_again(&mut self, peer: &Peer, layout: &Layout, folder: &str) -> Result<Server, String> {
        let files = self.folder_of(peer, folder);
        let memory_bytes = self.host.memory_bytes;
        let server = Server::start_anew(|| peer.launch(&layout.server_cpus, files.clone(), memory_bytes))?;
        self.note_command(&peer.name, &server.launch().command_line());
        Ok(server)
    }

    fn folder_of(&self, peer: &Peer, folder: &str) -> PathBuf {
        let name: String = peer.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        self.files.join(format!("{name}-{folder}"))
    }

    /// One command line of each peer and layout is enough: ports and folders are different every time.
    fn note_command(&mut self, peer: &str, line: &str) {
        let cores = |line: &str| line.split(' ').nth(2).map(str::to_string);
        let known = self.results.commands.iter().any(|(p, l)| p == peer && cores(l) == cores(line));
        if !known {
            self.results.commands.push((peer.into(), line.into()));
        }
    }

    /// Starts all peers, which then stand still. One that does not start is noted and left out.
    pub fn fleet(&mut self, section: Section, layout: &Layout) -> Fleet {
        let mut fleet = Fleet { layout: layout.clone(), members: Vec::new() };
        for peer in self.peers.clone() {
            self.join(section, &mut fleet, &peer);
        }
        fleet
    }

    fn join(&mut self, section: Section, fleet: &mut Fleet, peer: &Peer) {
        match self.start(peer, &fleet.layout.clone(), section.name()) {
            Ok(mut server) => {
                server.stand_still();
                let (name, dialect, cluster) = (peer.name.clone(), peer.dialect(), peer.has_shard_ports());
                fleet.members.push(Member { name, dialect, cluster, server });
            }
            Err(why) => self.results.skip(section, "all", &peer.name, why),
        }
    }

    /// Torc once more, asked by a client that knows which shard has which key, as clients of a cluster do.
    pub fn add_shard_ports(&mut self, section: Section, fleet: &mut Fleet) {
        for peer in self.peers.clone() {
            let Some(ports) = peer.with_shard_ports() else { continue };
            if !self.results.peers.iter().any(|(name, _)| *name == ports.name) {
                let what = format!("{}; each key is asked for at its shard's own port (CLUSTER SLOTS)", peer.name);
                self.results.peers.push((ports.name.clone(), what));
            }
            self.join(section, fleet, &ports);
        }
    }
}
