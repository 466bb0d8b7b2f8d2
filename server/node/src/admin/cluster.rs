//! Shards as the nodes of a cluster, for clients that go straight to the owner of a key. It is one when shards have ports of their
//! own: a node a shard, slots in even ranges, nobody ever fails.

use super::connection::{ok, refuse};
use crate::config::Endpoint;
use crate::engine::{Answer, Engine, Served};
use crate::session::Door;
use base::number::parse_i64;
use base::slot::{SLOTS, slot_of};
use base::{Args, Fault, Reply, ShardId, SlotId};
use command::row::Verb;
use std::fmt::Write;

/// Redis: the cluster bus is this far above a node's port. Ours has no bus; clients only parse it.
const BUS_PORT_DISTANCE: u32 = 10_000;
/// Table positions that one slice of a walk looks at: about 100 µs.
const WALK_POSITIONS: usize = 1024;

pub(super) fn is_announced(engine: &Engine) -> bool {
    engine.process.facts.shard_port_base > 0
}

/// Why there is no cluster to ask about, if there is none.
pub(super) fn objection(engine: &Engine) -> Option<Fault> {
    (!is_announced(engine)).then(|| Fault::err("This instance has cluster support disabled"))
}

/// One shard as clients see it.
struct Node {
    id: String,
    ip: String,
    port: u16,
    /// First and last slot.
    slots: (u16, u16),
}

struct Cluster {
    nodes: Vec<Node>,
    /// The node that was asked: the shard whose port the client came to, else the first.
    myself: usize,
    /// Empty: none is announced.
    hostname: String,
    endpoint: Endpoint,
}

impl Cluster {
    fn of(engine: &Engine, index: u32) -> Cluster {
        let conn = &engine.conns[index as usize];
        let process = &engine.process;
        let shards = engine.shards() as u32;
        // The inverse of `Engine::owner_of_slot`.
        let first = |shard: u32| (shard * SLOTS as u32).div_ceil(shards) as u16;
        let nodes = (0..shards).map(|i| {
            let shard = ShardId(i as u16);
            let (ip, port) = process.announced_node(shard, &conn.peer);
            Node { id: process.shard_node_id(shard), ip, port, slots: (first(i), first(i + 1) - 1) }
        });
        let nodes = nodes.collect();
        let config = process.config();
        Cluster {
            nodes,
            myself: if conn.door == Door::Shard { engine.me.index() } else { 0 },
            hostname: config.cluster_announce_hostname.clone(),
            endpoint: config.cluster_preferred_endpoint_type,
        }
    }

    /// CLUSTER NODES
    fn lines(&self, now_ms: u64) -> String {
        let mut text = String::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let Node { id, ip, port, slots: (first, last) } = node;
            let bus = u32::from(*port) + BUS_PORT_DISTANCE;
            let comma = if self.hostname.is_empty() { "" } else { "," };
            // A node hears nothing of itself; the others have just been heard.
            let (flags, heard_ms) = if i == self.myself { ("myself,master", 0) } else { ("master", now_ms) };
            let slots = if first == last { first.to_string() } else { format!("{first}-{last}") };
            let epoch = i + 1;
            let _ = writeln!(
                text,
                "{id} {ip}:{port}@{bus}{comma}{} {flags} - 0 {heard_ms} {epoch} connected {slots}",
                self.hostname
            );
        }
        text
    }

    /// CLUSTER INFO
    fn info(&self) -> String {
        let n = self.nodes.len();
        let facts = [
            ("cluster_state", "ok".to_string()),
            ("cluster_slots_assigned", SLOTS.to_string()),
            ("cluster_slots_ok", SLOTS.to_string()),
            ("cluster_slots_pfail", "0".into()),
            ("cluster_slots_fail", "0".into()),
            ("cluster_known_nodes", n.to_string()),
            ("cluster_size", n.to_string()),
            ("cluster_current_epoch", n.to_string()),
            ("cluster_my_epoch", (self.myself + 1).to_string()),
            ("cluster_stats_messages_sent", "0".into()),
            ("cluster_stats_messages_received", "0".into()),
            ("total_cluster_links_buffer_limit_exceeded", "0".into()),
        ];
        facts.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect()
    }

    fn hostname_or_doubt(&self) -> &[u8] {
        if self.hostname.is_empty() { b"?" } else { self.hostname.as_bytes() }
    }

    /// CLUSTER SLOTS
    fn ranges(&self, r: &mut dyn Reply) {
        r.array(self.nodes.len());
        for node in &self.nodes {
            r.array(3);
            r.int(node.slots.0.into());
            r.int(node.slots.1.into());
            r.array(4);
            match self.endpoint {
                Endpoint::Ip => r.bulk(node.ip.as_bytes()),
                Endpoint::Hostname => r.bulk(self.hostname_or_doubt()),
                Endpoint::Unknown => r.null(),
            }
            r.int(node.port.into());
            r.bulk(node.id.as_bytes());
            let more_ip = self.endpoint != Endpoint::Ip;
            let more_name = self.endpoint != Endpoint::Hostname && !self.hostname.is_empty();
            r.map(usize::from(more_ip) + usize::from(more_name));
            if more_ip {
                r.bulk(b"ip");
                r.bulk(node.ip.as_bytes());
            }
            if more_name {
                r.bulk(b"hostname");
                r.bulk(self.hostname.as_bytes());
            }
        }
    }

    /// CLUSTER SHARDS
    fn shards(&self, r: &mut dyn Reply) {
        r.array(self.nodes.len());
        for node in &self.nodes {
            r.map(2);
            r.bulk(b"slots");
            r.array(2);
            r.int(node.slots.0.into());
            r.int(node.slots.1.into());
            r.bulk(b"nodes");
            r.array(1);
            r.map(7 + usize::from(!self.hostname.is_empty()));
            r.bulk(b"id");
            r.bulk(node.id.as_bytes());
            r.bulk(b"port");
            r.int(node.port.into());
            r.bulk(b"ip");
            r.bulk(node.ip.as_bytes());
            r.bulk(b"endpoint");
            r.bulk(match self.endpoint {
                Endpoint::Ip => node.ip.as_bytes(),
                Endpoint::Hostname => self.hostname_or_doubt(),
                Endpoint::Unknown => b"",
            });
            if !self.hostname.is_empty() {
                r.bulk(b"hostname");
                r.bulk(self.hostname.as_bytes());
            }
            r.bulk(b"role");
            r.bulk(b"master");
            r.bulk(b"replication-offset");
            r.int(0);
            r.bulk(b"health");
            r.bulk(b"online");
        }
    }
}

/// Every CLUSTER verb but HELP.
pub(super) fn cluster(engine: &mut Engine, index: u32, verb: Verb, args: Args<'_>) -> Served {
    if let Some(fault) = objection(engine) {
        return refuse(engine, index, fault);
    }
    match verb {
        Verb::ClusterKeyslot => engine.answer(index, |r| r.int(slot_of(args.at(2)).0.into())),
        Verb::ClusterCountkeysinslot => return count_keys_in_slot(engine, index, args),
        _ => {
            let cluster = Cluster::of(engine, index);
            let now_ms = engine.now.ms();
            engine.answer(index, |r| match verb {
                Verb::ClusterSlots => cluster.ranges(r),
                Verb::ClusterShards => cluster.shards(r),
                Verb::ClusterNodes => r.verbatim("txt", cluster.lines(now_ms).as_bytes()),
                Verb::ClusterInfo => r.verbatim("txt", cluster.info().as_bytes()),
                _ => r.bulk(cluster.nodes[cluster.myself].id.as_bytes()),
            });
        }
    }
    Served::Done
}

/// Asks the slot's owner, whichever node was asked: any of them answers for any key.
fn count_keys_in_slot(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let slot = match parse_i64(args.at(2)) {
        None => return refuse(engine, index, Fault::NotInteger),
        Some(n) if !(0..SLOTS as i64).contains(&n) => return refuse(engine, index, Fault::err("Invalid slot")),
        Some(n) => SlotId(n as u16),
    };
    let db = engine.conns[index as usize].db;
    let owner = engine.owner_of_slot(slot);
    engine.gather_keys(
        index,
        &[owner],
        move |_| {
            let (mut cursor, mut keys) = (0, 0i64);
            Answer::Later(Box::new(move |e| {
                let now_ms = e.now.ms();
                cursor =
                    e.store.scan(db, cursor, WALK_POSITIONS, now_ms, |key, _| keys += i64::from(slot_of(key) == slot));
                (cursor == 0).then_some(keys)
            }))
        },
        |_, parts: Vec<i64>, r| r.int(parts[0]),
    );
    Served::Done
}

/// READONLY, READWRITE, ASKING: accepted for clients that say them to every node.
pub(super) fn access(engine: &mut Engine, index: u32, verb: Verb) -> Served {
    if let Some(fault) = objection(engine) {
        return refuse(engine, index, fault);
    }
    let conn = &mut engine.conns[index as usize];
    match verb {
        Verb::Readonly => conn.readonly = true,
        Verb::Readwrite => conn.readonly = false,
        // No slot is ever under way between shards, so there is nothing that ASKING would open.
        _ => {}
    }
    ok(engine, index)
}
