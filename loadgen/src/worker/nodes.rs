//! Room: loadgen, worker. The nodes of a cluster: which connection carries an ask, where MOVED and ASK send it, what CLUSTER SLOTS
//! says. Touches: worker, cluster.

use super::{Line, Node, Worker};
use crate::cluster::{self, Slots};
use crate::dial::{Address, RawAddress};
use crate::engine::Failure;
use crate::session::{Pending, Redirect};
use std::collections::VecDeque;

// 1 s between two askings for a cluster's slots.
const REFRESH_NS: u64 = 1_000_000_000;

impl Worker<'_, '_> {
    pub(super) fn add_node(&mut self, address: Address) -> Result<usize, Failure> {
        let raw = RawAddress::new(&address).map_err(|e| Failure::World(format!("{address:?}: {e}")))?;
        self.nodes.push(Node { address, raw: Box::new(raw), lines: Vec::new(), next: 0, waiting: VecDeque::new() });
        Ok(self.nodes.len() - 1)
    }

    /// Sends an ask to a node, on whichever connection is ready, or leaves it waiting there. A connection is filled before the
    /// next has a turn: asks that are spread one by one would all travel alone.
    pub(super) fn route(&mut self, node: usize, asking: bool, pending: Pending) {
        let found = {
            let Node { lines, next, .. } = &mut self.nodes[node];
            let ready = |l: &Line| l.ready && !l.session.is_worn();
            let places = || (0..lines.len()).map(|i| (*next + i) % lines.len());
            let line = |i: usize| &self.lines[lines[i] as usize];
            let found = places()
                .find(|&i| ready(line(i)) && line(i).session.room() > 0)
                .or_else(|| places().find(|&i| ready(line(i))));
            if let Some(found) = found {
                // One that is full at once is passed over next time; one at a time goes round.
                *next = found + usize::from(line(found).session.room() <= 1);
            }
            found.map(|i| lines[i])
        };
        match found {
            Some(line) => self.carry(line, asking, pending),
            None => self.nodes[node].waiting.push_back((asking, pending)),
        }
    }

    pub(super) fn carry(&mut self, line: u32, asking: bool, pending: Pending) {
        let session = &mut self.lines[line as usize].session;
        if asking {
            session.ask_aside(&[b"ASKING"]);
        }
        session.carry(pending);
        self.soil(line);
    }

    pub(super) fn redirect(&mut self, from: u32, redirect: Redirect) -> Result<(), Failure> {
        let asked = &self.nodes[self.lines[from as usize].node].address;
        let host = match asked {
            Address::Tcp(address) => address.ip().to_string(),
            Address::Unix(_) => String::new(),
        };
        let address = cluster::resolve(&redirect.address, &host).map_err(Failure::World)?;
        let node = self.node_at(address)?;
        if !redirect.ask {
            if let Some(slot) = self.slots.get_mut(usize::from(redirect.slot)) {
                *slot = node as u16;
            }
            let soonest = self.refreshed_ns.map_or(0, |last| last + REFRESH_NS);
            self.refresh_at_ns.get_or_insert(soonest.max(self.desk.now_ns));
        }
        self.route(node, redirect.ask, redirect.pending);
        Ok(())
    }

    /// The node at an address; one not known before gets as many connections as the others have.
    fn node_at(&mut self, address: Address) -> Result<usize, Failure> {
        if let Some(node) = self.nodes.iter().position(|n| n.address == address) {
            return Ok(node);
        }
        let share = (self.lines.len() / self.nodes.len()).max(1);
        let node = self.add_node(address)?;
        for _ in 0..share {
            // Numbers past the plan's: these carry and draw nothing.
            self.add_line(self.shared.plan.connections + self.lines.len(), node);
        }
        Ok(node)
    }

    pub(super) fn look_at_cluster(&mut self) {
        if let Some(at) = self.refresh_at_ns
            && at <= self.desk.now_ns
            && let Some(line) = self.lines.iter().position(|l| l.ready)
        {
            self.refresh_at_ns = None;
            self.refreshed_ns = Some(self.desk.now_ns);
            self.lines[line].session.ask_aside(&[b"CLUSTER", b"SLOTS"]);
            self.soil(line as u32);
        }
    }

    pub(super) fn learn_slots(&mut self, from: u32) -> Result<(), Failure> {
        for reply in std::mem::take(&mut self.lines[from as usize].session.aside) {
            // The answer to ASKING comes here too.
            if reply.first() != Some(&b'*') {
                continue;
            }
            let host = match &self.nodes[self.lines[from as usize].node].address {
                Address::Tcp(address) => address.ip().to_string(),
                Address::Unix(_) => String::new(),
            };
            // A node that is leaving tells nonsense; another is asked after the next MOVED.
            let Ok(told) = Slots::read(&reply, &host) else { continue };
            let mut nodes = Vec::new();
            for address in &told.nodes {
                nodes.push(self.node_at(cluster::resolve(address, &host).map_err(Failure::World)?)?);
            }
            for (first, last, node) in &told.ranges {
                self.slots[usize::from(*first)..=usize::from(*last)].fill(nodes[*node] as u16);
            }
        }
        Ok(())
    }
}
