//! Room: command. Messages to whoever listens: channels, patterns, and channels of one slot. The process answers them.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.
//! Touches: base.

use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run, Verb};

const LISTEN: u32 = Flag::PUBSUB | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE;
const SPEAK: u32 = Flag::PUBSUB | Flag::LOADING | Flag::STALE | Flag::FAST | Flag::MAY_REPLICATE;
const LOOK: u32 = Flag::PUBSUB | Flag::LOADING | Flag::STALE;
/// Channels of one slot lie where a key of their name would.
const SLOT: KeySpec = KeySpec { flags: KeyFlag::NOT_KEY, ..KeySpec::ONE };
const SLOTS: KeySpec = KeySpec { last: -1, ..SLOT };

/// Subcommands of PUBSUB.
pub static PUBSUB_SUBS: [Row; 6] = [
    Row {
        name: "pubsub|channels",
        arity: -2,
        flags: LOOK,
        acl: Category::PUBSUB | Category::SLOW,
        run: Run::Server(Verb::PubsubChannels),
        docs: Docs {
            summary: "Lists channels that somebody listens to.",
            since: "2.8.0",
            group: "pubsub",
            complexity: "O(N), N: channels",
            arguments: "pattern:pattern?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pubsub|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::PubsubHelp),
        docs: Docs {
            summary: "Tells what PUBSUB can do.",
            since: "6.2.0",
            group: "pubsub",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pubsub|numpat",
        arity: 2,
        flags: LOOK,
        acl: Category::PUBSUB | Category::SLOW,
        run: Run::Server(Verb::PubsubNumpat),
        docs: Docs {
            summary: "Counts the different patterns that somebody listens to.",
            since: "2.8.0",
            group: "pubsub",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pubsub|numsub",
        arity: -2,
        flags: LOOK,
        acl: Category::PUBSUB | Category::SLOW,
        run: Run::Server(Verb::PubsubNumsub),
        docs: Docs {
            summary: "Counts who listens to channels, patterns left aside.",
            since: "2.8.0",
            group: "pubsub",
            complexity: "O(N), N: channels asked for",
            arguments: "channel?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pubsub|shardchannels",
        arity: -2,
        flags: LOOK,
        acl: Category::PUBSUB | Category::SLOW,
        run: Run::Server(Verb::PubsubShardchannels),
        docs: Docs {
            summary: "Lists channels of one slot that somebody listens to.",
            since: "7.0.0",
            group: "pubsub",
            complexity: "O(N), N: channels of one slot",
            arguments: "pattern:pattern?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pubsub|shardnumsub",
        arity: -2,
        flags: LOOK,
        acl: Category::PUBSUB | Category::SLOW,
        run: Run::Server(Verb::PubsubShardnumsub),
        docs: Docs {
            summary: "Counts who listens to channels of one slot.",
            since: "7.0.0",
            group: "pubsub",
            complexity: "O(N), N: channels asked for",
            arguments: "shardchannel?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

pub static PUBSUB: [Row; 9] = [
    Row {
        name: "psubscribe",
        arity: -2,
        flags: LISTEN,
        acl: Category::PUBSUB | Category::SLOW,
        run: Run::Server(Verb::Psubscribe),
        docs: Docs {
            summary: "Listens to all channels that fit patterns.",
            since: "2.0.0",
            group: "pubsub",
            complexity: "O(N), N: patterns",
            arguments: "pattern:pattern*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "publish",
        arity: 3,
        flags: SPEAK,
        acl: Category::PUBSUB | Category::FAST,
        run: Run::Server(Verb::Publish),
        docs: Docs {
            summary: "Sends a message to a channel.",
            since: "2.0.0",
            group: "pubsub",
            complexity: "O(N+M), N: clients that listen to the channel, M: patterns that anybody listens to",
            arguments: "channel message",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pubsub",
        arity: -2,
        acl: Category::SLOW,
        docs: Docs {
            summary: "Tells what is listened to.",
            since: "2.8.0",
            group: "pubsub",
            complexity: "Depends on subcommand.",
            ..Docs::NONE
        },
        subs: &PUBSUB_SUBS,
        ..Row::NONE
    },
    Row {
        name: "punsubscribe",
        arity: -1,
        flags: LISTEN,
        acl: Category::PUBSUB | Category::SLOW,
        run: Run::Server(Verb::Punsubscribe),
        docs: Docs {
            summary: "Listens no more to patterns, or to none at all.",
            since: "2.0.0",
            group: "pubsub",
            complexity: "O(N), N: patterns",
            arguments: "pattern:pattern?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "spublish",
        arity: 3,
        flags: SPEAK,
        acl: Category::PUBSUB | Category::FAST,
        keys: Keys::Specs(&[SLOT]),
        run: Run::Server(Verb::Spublish),
        docs: Docs {
            summary: "Sends a message to a channel of one slot.",
            since: "7.0.0",
            group: "pubsub",
            complexity: "O(N), N: clients that listen to the channel",
            arguments: "shardchannel message",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "ssubscribe",
        arity: -2,
        flags: LISTEN,
        acl: Category::PUBSUB | Category::SLOW,
        keys: Keys::Specs(&[SLOTS]),
        run: Run::Server(Verb::Ssubscribe),
        docs: Docs {
            summary: "Listens to channels of one slot.",
            since: "7.0.0",
            group: "pubsub",
            complexity: "O(N), N: channels",
            arguments: "shardchannel*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "subscribe",
        arity: -2,
        flags: LISTEN,
        acl: Category::PUBSUB | Category::SLOW,
        run: Run::Server(Verb::Subscribe),
        docs: Docs {
            summary: "Listens to channels.",
            since: "2.0.0",
            group: "pubsub",
            complexity: "O(N), N: channels",
            arguments: "channel*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sunsubscribe",
        arity: -1,
        flags: LISTEN,
        acl: Category::PUBSUB | Category::SLOW,
        keys: Keys::Specs(&[SLOTS]),
        run: Run::Server(Verb::Sunsubscribe),
        docs: Docs {
            summary: "Listens no more to channels of one slot, or to none at all.",
            since: "7.0.0",
            group: "pubsub",
            complexity: "O(N), N: channels",
            arguments: "shardchannel?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "unsubscribe",
        arity: -1,
        flags: LISTEN,
        acl: Category::PUBSUB | Category::SLOW,
        run: Run::Server(Verb::Unsubscribe),
        docs: Docs {
            summary: "Listens no more to channels, or to none at all.",
            since: "2.0.0",
            group: "pubsub",
            complexity: "O(N), N: channels",
            arguments: "channel?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
