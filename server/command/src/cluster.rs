//! Room: command. Rows of the cluster family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use crate::row::{Category, Docs, Flag, Row, Run, Verb};

/// What cluster clients ask. The process answers.
pub static CLUSTER_FAMILY: [Row; 4] = [
    Row {
        name: "asking",
        arity: 1,
        flags: Flag::FAST,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Asking),
        docs: Docs {
            summary: "Lets the next command reach a slot that is being imported.",
            since: "3.0.0",
            group: "cluster",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "cluster",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Looks after the cluster.",
            since: "3.0.0",
            group: "cluster",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &CLUSTER,
        ..Row::NONE
    },
    Row {
        name: "readonly",
        arity: 1,
        flags: Flag::LOADING | Flag::STALE | Flag::FAST,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Readonly),
        docs: Docs {
            summary: "Lets this connection read from a replica.",
            since: "3.0.0",
            group: "cluster",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "readwrite",
        arity: 1,
        flags: Flag::LOADING | Flag::STALE | Flag::FAST,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Readwrite),
        docs: Docs { summary: "Ends READONLY.", since: "3.0.0", group: "cluster", complexity: "O(1)", ..Docs::NONE },
        ..Row::NONE
    },
];

/// Subcommands of `CLUSTER`.
pub static CLUSTER: [Row; 8] = [
    Row {
        name: "cluster|countkeysinslot",
        arity: 3,
        flags: Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::ClusterCountkeysinslot),
        docs: Docs {
            summary: "Counts the keys of a slot.",
            since: "3.0.0",
            group: "cluster",
            complexity: "O(1)",
            arguments: "slot:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "cluster|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::ClusterHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: "cluster",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "cluster|info",
        arity: 2,
        flags: Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::ClusterInfo),
        docs: Docs {
            summary: "Reports the state of the cluster.",
            since: "3.0.0",
            group: "cluster",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "cluster|keyslot",
        arity: 3,
        flags: Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::ClusterKeyslot),
        docs: Docs {
            summary: "Tells the slot of a key.",
            since: "3.0.0",
            group: "cluster",
            complexity: "O(N), N: bytes of the key",
            arguments: "key",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "cluster|myid",
        arity: 2,
        flags: Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::ClusterMyid),
        docs: Docs {
            summary: "Tells the id of this node.",
            since: "3.0.0",
            group: "cluster",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "cluster|nodes",
        arity: 2,
        flags: Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::ClusterNodes),
        docs: Docs {
            summary: "Lists the nodes and their slots, one a line.",
            since: "3.0.0",
            group: "cluster",
            complexity: "O(N), N: nodes",
            tips: &["nondeterministic_output"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "cluster|shards",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::ClusterShards),
        docs: Docs {
            summary: "Lists the shards, their slots and nodes.",
            since: "7.0.0",
            group: "cluster",
            complexity: "O(N), N: nodes",
            tips: &["nondeterministic_output"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "cluster|slots",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::ClusterSlots),
        docs: Docs {
            summary: "Lists ranges of slots and the nodes that have them.",
            since: "3.0.0",
            group: "cluster",
            complexity: "O(N), N: nodes",
            tips: &["nondeterministic_output"],
            deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
            history: &[("4.0.0", "Ids of nodes."), ("7.0.0", "More about the addresses of nodes.")],
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
