//! Room: command. Rows of the stream family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use super::*;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run, Verb};

/// Streams.
pub static STREAM: [Row; 15] = [
    Row {
        name: "xack",
        arity: -4,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::STREAM | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xack),
        docs: Docs {
            summary: "Says that a group is done with entries.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1) an entry",
            arguments: "key:key0 group id*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xadd",
        arity: -5,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STREAM | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::UPDATE,
            first: 1,
            notes: "Trimming updates.",
            ..KeySpec::ONE
        }]),
        run: Run::One(xadd),
        docs: Docs {
            summary: "Adds an entry; creates the stream where there is none.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1); trimming O(N), N: entries that go",
            tips: &["nondeterministic_output"],
            history: &[("6.2.0", "`NOMKSTREAM`, `MINID` and `LIMIT`."), ("7.0.0", "Ids of the form `ms-*`.")],
            arguments: "key:key0 nomkstream!NOMKSTREAM?@6.2.0 trim(strategy{maxlen!MAXLEN minid!MINID@6.2.0} operator{equal!= approximately!~}? threshold count:int=LIMIT?@6.2.0)? id-selector{auto-id!* id} data(field value)*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xautoclaim",
        arity: -6,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::STREAM | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xautoclaim),
        docs: Docs {
            summary: "Hands what has been pending for long to another consumer.",
            since: "6.2.0",
            group: "stream",
            complexity: "O(1) for a small COUNT",
            tips: &["nondeterministic_output"],
            history: &[("7.0.0", "Tells of pending entries that were deleted.")],
            arguments: "key:key0 group consumer min-idle-time start count:int=COUNT? justid!JUSTID?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xclaim",
        arity: -6,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::STREAM | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xclaim),
        docs: Docs {
            summary: "Hands pending entries to another consumer.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(log N) an entry, N: entries pending",
            tips: &["nondeterministic_output"],
            arguments: "key:key0 group consumer min-idle-time id* ms:int=IDLE? unix-time-milliseconds:time=TIME? count:int=RETRYCOUNT? force!FORCE? justid!JUSTID? lastid=LASTID?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xdel",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::STREAM | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xdel),
        docs: Docs {
            summary: "Deletes entries.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1) an entry",
            arguments: "key:key0 id*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xgroup",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Manages groups of consumers.",
            since: "5.0.0",
            group: "stream",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &XGROUP,
        ..Row::NONE
    },
    Row {
        name: "xinfo",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Tells about streams, groups and consumers.",
            since: "5.0.0",
            group: "stream",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &XINFO,
        ..Row::NONE
    },
    Row {
        name: "xlen",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::STREAM | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xlen),
        docs: Docs {
            summary: "Counts entries.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xpending",
        arity: -3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xpending),
        docs: Docs {
            summary: "Tells what a group has delivered and nobody has acknowledged.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(N), N: entries told; the summary O(C), C: consumers",
            tips: &["nondeterministic_output"],
            history: &[("6.2.0", "`IDLE`, and ends that are left out.")],
            arguments: "key:key0 group filters(min-idle-time:int=IDLE?@6.2.0 start end count:int consumer?)?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xrange",
        arity: -4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xrange),
        docs: Docs {
            summary: "Reads entries in order.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(N), N: entries read",
            history: &[("6.2.0", "Ends that are left out.")],
            arguments: "key:key0 start end count:int=COUNT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xread",
        arity: -4,
        flags: Flag::BLOCKING | Flag::READONLY | Flag::MOVABLE_KEYS,
        acl: Category::READ | Category::STREAM | Category::BLOCKING | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec {
                flags: KeyFlag::RO | KeyFlag::ACCESS,
                first: 1,
                last: -1,
                limit: 2,
                keyword: "STREAMS",
                ..KeySpec::ONE
            }],
            find_keys,
        ),
        run: Run::Blocking(&XREAD),
        docs: Docs {
            summary: "Reads what is new in streams; waits for something if there is nothing.",
            since: "5.0.0",
            group: "stream",
            arguments: "count:int=COUNT? milliseconds:int=BLOCK? streams(key:key0* id*)=STREAMS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xreadgroup",
        arity: -7,
        flags: Flag::BLOCKING | Flag::WRITE | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::STREAM | Category::BLOCKING | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec {
                flags: KeyFlag::RO | KeyFlag::ACCESS,
                first: 4,
                last: -1,
                limit: 2,
                keyword: "STREAMS",
                ..KeySpec::ONE
            }],
            find_keys,
        ),
        run: Run::Blocking(&XREADGROUP),
        docs: Docs {
            summary: "Reads, for a consumer, what is new to its group, or its own pending entries.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(M), M: entries read",
            arguments: "group-block(group consumer)=GROUP count:int=COUNT? milliseconds:int=BLOCK? noack!NOACK? streams(key:key0* id*)=STREAMS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xrevrange",
        arity: -4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xrevrange),
        docs: Docs {
            summary: "Reads entries from the last to the first.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(N), N: entries read",
            history: &[("6.2.0", "Ends that are left out.")],
            arguments: "key:key0 end start count:int=COUNT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xsetid",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STREAM | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xsetid),
        docs: Docs {
            summary: "Sets the last id of a stream, and what it counts.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1)",
            history: &[("7.0.0", "`ENTRIESADDED` and `MAXDELETEDID`.")],
            arguments: "key:key0 last-id entries-added:int=ENTRIESADDED?@7.0.0 max-deleted-id=MAXDELETEDID?@7.0.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xtrim",
        arity: -4,
        flags: Flag::WRITE,
        acl: Category::WRITE | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(xtrim),
        docs: Docs {
            summary: "Deletes entries from the front.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(N), N: entries that go",
            tips: &["nondeterministic_output"],
            history: &[("6.2.0", "`MINID` and `LIMIT`.")],
            arguments: "key:key0 trim(strategy{maxlen!MAXLEN minid!MINID@6.2.0} operator{equal!= approximately!~}? threshold count:int=LIMIT?@6.2.0)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

/// Subcommands of XGROUP.
pub static XGROUP: [Row; 6] = [
    Row {
        name: "xgroup|create",
        arity: -5,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 2, ..KeySpec::ONE }]),
        run: Run::One(create),
        docs: Docs {
            summary: "Adds a group.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1)",
            history: &[("7.0.0", "`ENTRIESREAD`.")],
            arguments: "key:key0 group id-selector{id new-id!$} mkstream!MKSTREAM? entries-read:int=ENTRIESREAD?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xgroup|createconsumer",
        arity: 5,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 2, ..KeySpec::ONE }]),
        run: Run::One(create_consumer),
        docs: Docs {
            summary: "Adds a consumer to a group.",
            since: "6.2.0",
            group: "stream",
            complexity: "O(1)",
            arguments: "key:key0 group consumer",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xgroup|delconsumer",
        arity: 5,
        flags: Flag::WRITE,
        acl: Category::WRITE | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 2, ..KeySpec::ONE }]),
        run: Run::One(delete_consumer),
        docs: Docs {
            summary: "Takes a consumer out of a group.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(N), N: what is pending for it",
            arguments: "key:key0 group consumer",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xgroup|destroy",
        arity: 4,
        flags: Flag::WRITE,
        acl: Category::WRITE | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 2, ..KeySpec::ONE }]),
        run: Run::One(destroy),
        docs: Docs {
            summary: "Deletes a group.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1); it is freed in steps",
            arguments: "key:key0 group",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xgroup|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::STREAM | Category::SLOW,
        run: Run::Server(Verb::XgroupHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xgroup|setid",
        arity: -5,
        flags: Flag::WRITE,
        acl: Category::WRITE | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 2, ..KeySpec::ONE }]),
        run: Run::One(set_id),
        docs: Docs {
            summary: "Says up to where a group has read.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1)",
            history: &[("7.0.0", "`ENTRIESREAD`.")],
            arguments: "key:key0 group id-selector{id new-id!$} entriesread:int=ENTRIESREAD?/entries-read",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

/// Subcommands of XINFO.
pub static XINFO: [Row; 4] = [
    Row {
        name: "xinfo|consumers",
        arity: 4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, ..KeySpec::ONE }]),
        run: Run::One(consumers),
        docs: Docs {
            summary: "Lists the consumers of a group.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(N), N: consumers",
            tips: &["nondeterministic_output"],
            history: &[("7.2.0", "`inactive`.")],
            arguments: "key:key0 group",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xinfo|groups",
        arity: 3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, ..KeySpec::ONE }]),
        run: Run::One(groups),
        docs: Docs {
            summary: "Lists the groups of a stream.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(N), N: groups",
            history: &[("7.0.0", "`entries-read` and `lag`.")],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xinfo|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::STREAM | Category::SLOW,
        run: Run::Server(Verb::XinfoHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "xinfo|stream",
        arity: -3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::STREAM | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, ..KeySpec::ONE }]),
        run: Run::One(stream),
        docs: Docs {
            summary: "Tells about a stream.",
            since: "5.0.0",
            group: "stream",
            complexity: "O(1); FULL O(N), N: what is told",
            history: &[
                ("6.0.0", "`FULL`."),
                (
                    "7.0.0",
                    "`max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag`.",
                ),
                ("7.2.0", "`active-time`; `seen-time` is when it asked."),
            ],
            arguments: "key:key0 full-block(full!FULL count:int=COUNT?)?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
