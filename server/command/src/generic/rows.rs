//! Room: command. Rows of the generic family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use super::sort::{sort_keys, sort_ro_keys, sort_ro_roams, sort_roams};
use super::*;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run, Verb};

/// What works on keys of any type.
pub static GENERIC: [Row; 28] = [
    Row {
        name: "copy",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::KEYSPACE | Category::WRITE | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Many(copy, &COPY),
        docs: Docs {
            summary: "Copies a value to another key.",
            since: "6.2.0",
            group: "generic",
            complexity: "O(1) for strings; O(N), N: elements",
            arguments: "source:key0 destination:key1 destination-db:int=DB? replace!REPLACE?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "del",
        arity: -2,
        flags: Flag::WRITE,
        acl: Category::KEYSPACE | Category::WRITE | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RM | KeyFlag::DELETE, first: 1, last: -1, ..KeySpec::ONE }]),
        run: Run::Many(del, &DEL),
        docs: Docs {
            summary: "Removes keys.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(N), N: keys; O(M) for a value of M elements",
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            arguments: "key:key0*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "dump",
        arity: 2,
        flags: Flag::READONLY,
        acl: Category::KEYSPACE | Category::READ | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(dump),
        docs: Docs {
            summary: "Gives a value as bytes, for RESTORE.",
            since: "2.6.0",
            group: "generic",
            complexity: "O(N), N: bytes of the value",
            tips: &["nondeterministic_output"],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "exists",
        arity: -2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::KEYSPACE | Category::READ | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, last: -1, ..KeySpec::ONE }]),
        run: Run::Many(exists, &EXISTS),
        docs: Docs {
            summary: "Counts how many of the named keys are there.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(N), N: keys",
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            history: &[("3.0.3", "Several keys at once.")],
            arguments: "key:key0*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "expire",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::KEYSPACE | Category::WRITE | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(expire),
        docs: Docs {
            summary: "Lets a key live for some seconds more.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(1)",
            history: &[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")],
            arguments: "key:key0 seconds:int condition{nx!NX xx!XX gt!GT lt!LT}?@7.0.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "expireat",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::KEYSPACE | Category::WRITE | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(expireat),
        docs: Docs {
            summary: "Lets a key live until a Unix time in seconds.",
            since: "1.2.0",
            group: "generic",
            complexity: "O(1)",
            history: &[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")],
            arguments: "key:key0 unix-time-seconds:time condition{nx!NX xx!XX gt!GT lt!LT}?@7.0.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "expiretime",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::KEYSPACE | Category::READ | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(expiretime),
        docs: Docs {
            summary: "Tells the Unix time, in seconds, at which a key ends.",
            since: "7.0.0",
            group: "generic",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "keys",
        arity: 2,
        flags: Flag::READONLY,
        acl: Category::KEYSPACE | Category::READ | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(Verb::Keys),
        docs: Docs {
            summary: "Lists the keys that fit a pattern.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(N), N: keys of the database",
            tips: &["request_policy:all_shards", "nondeterministic_output_order"],
            arguments: "pattern:pattern",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "move",
        arity: 3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::KEYSPACE | Category::WRITE | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(move_key),
        docs: Docs {
            summary: "Moves a key to another database.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(1)",
            arguments: "key:key0 db:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "object",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Looks at how a value is kept.",
            since: "2.2.3",
            group: "generic",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &OBJECT,
        ..Row::NONE
    },
    Row {
        name: "persist",
        arity: 2,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::KEYSPACE | Category::WRITE | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(persist),
        docs: Docs {
            summary: "Drops the deadline of a key.",
            since: "2.2.0",
            group: "generic",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pexpire",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::KEYSPACE | Category::WRITE | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(pexpire),
        docs: Docs {
            summary: "Lets a key live for some milliseconds more.",
            since: "2.6.0",
            group: "generic",
            complexity: "O(1)",
            history: &[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")],
            arguments: "key:key0 milliseconds:int condition{nx!NX xx!XX gt!GT lt!LT}?@7.0.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pexpireat",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::KEYSPACE | Category::WRITE | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(pexpireat),
        docs: Docs {
            summary: "Lets a key live until a Unix time in milliseconds.",
            since: "2.6.0",
            group: "generic",
            complexity: "O(1)",
            history: &[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")],
            arguments: "key:key0 unix-time-milliseconds:time condition{nx!NX xx!XX gt!GT lt!LT}?@7.0.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pexpiretime",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::KEYSPACE | Category::READ | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(pexpiretime),
        docs: Docs {
            summary: "Tells the Unix time, in milliseconds, at which a key ends.",
            since: "7.0.0",
            group: "generic",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pttl",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::KEYSPACE | Category::READ | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(pttl),
        docs: Docs {
            summary: "Tells for how many milliseconds a key will live.",
            since: "2.6.0",
            group: "generic",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            history: &[("2.8.0", "Answers -2 for a missing key.")],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "randomkey",
        arity: 1,
        flags: Flag::READONLY | Flag::TOUCHES_ARBITRARY_KEYS,
        acl: Category::KEYSPACE | Category::READ | Category::SLOW,
        run: Run::Server(Verb::Randomkey),
        docs: Docs {
            summary: "Names some key of the database.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(1)",
            tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "rename",
        arity: 3,
        flags: Flag::WRITE,
        acl: Category::KEYSPACE | Category::WRITE | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Many(rename, &RENAME),
        docs: Docs {
            summary: "Gives a key another name, replacing what had it.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(1)",
            arguments: "key:key0 newkey:key1",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "renamenx",
        arity: 3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::KEYSPACE | Category::WRITE | Category::FAST,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::OW | KeyFlag::INSERT, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Many(renamenx, &RENAMENX),
        docs: Docs {
            summary: "Gives a key another name, if nothing has it.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(1)",
            history: &[("3.2.0", "Equal names are no error any more.")],
            arguments: "key:key0 newkey:key1",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "restore",
        arity: -4,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::KEYSPACE | Category::WRITE | Category::SLOW | Category::DANGEROUS,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(restore),
        docs: Docs {
            summary: "Makes a key of the bytes that DUMP gave.",
            since: "2.6.0",
            group: "generic",
            complexity: "O(N), N: bytes of the value; O(N log N) for sorted sets",
            history: &[("3.0.0", "`REPLACE`."), ("5.0.0", "`ABSTTL`."), ("5.0.0", "`IDLETIME` and `FREQ`.")],
            arguments: "key:key0 ttl:int serialized-value replace!REPLACE?@3.0.0 absttl!ABSTTL?@5.0.0 \
                        seconds:int=IDLETIME?@5.0.0 frequency:int=FREQ?@5.0.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "scan",
        arity: -2,
        flags: Flag::READONLY | Flag::TOUCHES_ARBITRARY_KEYS,
        acl: Category::KEYSPACE | Category::READ | Category::SLOW,
        run: Run::Server(Verb::Scan),
        docs: Docs {
            summary: "Walks over the keys of the database, some at each call.",
            since: "2.8.0",
            group: "generic",
            complexity: "O(1) a call; O(N) for the whole walk, N: keys",
            tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
            history: &[("6.0.0", "`TYPE`.")],
            arguments: "cursor:int pattern:pattern=MATCH? count:int=COUNT? type=TYPE?@6.0.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sort",
        arity: -2,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::MOVABLE_KEYS,
        acl: Category::WRITE
            | Category::SET
            | Category::SORTEDSET
            | Category::LIST
            | Category::SLOW
            | Category::DANGEROUS,
        keys: Keys::Sought(
            &[
                KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE },
                KeySpec {
                    flags: KeyFlag::RO | KeyFlag::ACCESS,
                    notes: "BY and GET make keys of the elements",
                    ..KeySpec::UNKNOWN
                },
                KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, notes: "STORE may stand anywhere", ..KeySpec::UNKNOWN },
            ],
            sort_keys,
        ),
        run: Run::Together(&SORT),
        roams: Some(sort_roams),
        docs: Docs {
            summary: "Sorts the elements of a list, a set or a sorted set; may store them.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(N + M log M), N: elements, M: those that are sorted",
            arguments: "key:key0 by-pattern:pattern1=BY?/pattern limit(offset:int count:int)=LIMIT? \
                        get-pattern:pattern1=GET?*+/pattern order{asc!ASC desc!DESC}? sorting!ALPHA? destination:key2=STORE?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sort_ro",
        arity: -2,
        flags: Flag::READONLY | Flag::MOVABLE_KEYS,
        acl: Category::READ
            | Category::SET
            | Category::SORTEDSET
            | Category::LIST
            | Category::SLOW
            | Category::DANGEROUS,
        keys: Keys::Sought(
            &[
                KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE },
                KeySpec {
                    flags: KeyFlag::RO | KeyFlag::ACCESS,
                    notes: "BY and GET make keys of the elements",
                    ..KeySpec::UNKNOWN
                },
            ],
            sort_ro_keys,
        ),
        run: Run::Together(&SORT_RO),
        roams: Some(sort_ro_roams),
        docs: Docs {
            summary: "Sorts the elements of a list, a set or a sorted set.",
            since: "7.0.0",
            group: "generic",
            complexity: "O(N + M log M), N: elements, M: those that are sorted",
            arguments: "key:key0 by-pattern:pattern1=BY?/pattern limit(offset:int count:int)=LIMIT? \
                        get-pattern:pattern1=GET?*+/pattern order{asc!ASC desc!DESC}? sorting!ALPHA?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "touch",
        arity: -2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::KEYSPACE | Category::READ | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, last: -1, ..KeySpec::ONE }]),
        run: Run::Many(touch, &TOUCH),
        docs: Docs {
            summary: "Marks keys as used now and counts those that are there.",
            since: "3.2.1",
            group: "generic",
            complexity: "O(N), N: keys",
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            arguments: "key:key0*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "ttl",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::KEYSPACE | Category::READ | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(ttl),
        docs: Docs {
            summary: "Tells for how many seconds a key will live.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            history: &[("2.8.0", "Answers -2 for a missing key.")],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "type",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::KEYSPACE | Category::READ | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(type_of),
        docs: Docs {
            summary: "Names the type of a value.",
            since: "1.0.0",
            group: "generic",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "unlink",
        arity: -2,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::KEYSPACE | Category::WRITE | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RM | KeyFlag::DELETE, first: 1, last: -1, ..KeySpec::ONE }]),
        run: Run::Many(del, &DEL),
        docs: Docs {
            summary: "Removes keys; big values are freed in the background.",
            since: "4.0.0",
            group: "generic",
            complexity: "O(1) a key, and O(N) in the background, N: allocations",
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            arguments: "key:key0*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "wait",
        arity: 3,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::Wait),
        docs: Docs {
            summary: "Waits until replicas have the writes of this connection.",
            since: "3.0.0",
            group: "generic",
            complexity: "O(1)",
            tips: &["request_policy:all_shards", "response_policy:agg_min"],
            arguments: "numreplicas:int timeout:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "waitaof",
        arity: 4,
        flags: Flag::NOSCRIPT,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::Waitaof),
        docs: Docs {
            summary: "Waits until the writes of this connection are on the device, here or on replicas.",
            since: "7.2.0",
            group: "generic",
            complexity: "O(N), N: shards",
            tips: &["request_policy:all_shards", "response_policy:agg_min"],
            arguments: "numlocal:int numreplicas:int timeout:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

/// Subcommands of `OBJECT`.
pub static OBJECT: [Row; 5] = [
    Row {
        name: "object|encoding",
        arity: 3,
        flags: Flag::READONLY,
        acl: Category::KEYSPACE | Category::READ | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 2, ..KeySpec::ONE }]),
        run: Run::One(object_encoding),
        docs: Docs {
            summary: "Names the form in which a value is kept.",
            since: "2.2.3",
            group: "generic",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "object|freq",
        arity: 3,
        flags: Flag::READONLY,
        acl: Category::KEYSPACE | Category::READ | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 2, ..KeySpec::ONE }]),
        run: Run::One(object_freq),
        docs: Docs {
            summary: "Tells how often a key is used, on a logarithmic scale.",
            since: "4.0.0",
            group: "generic",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "object|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::KEYSPACE | Category::SLOW,
        run: Run::Server(Verb::ObjectHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "6.2.0",
            group: "generic",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "object|idletime",
        arity: 3,
        flags: Flag::READONLY,
        acl: Category::KEYSPACE | Category::READ | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 2, ..KeySpec::ONE }]),
        run: Run::One(object_idletime),
        docs: Docs {
            summary: "Tells for how many seconds a key was not used.",
            since: "2.2.3",
            group: "generic",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "object|refcount",
        arity: 3,
        flags: Flag::READONLY,
        acl: Category::KEYSPACE | Category::READ | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 2, ..KeySpec::ONE }]),
        run: Run::One(object_refcount),
        docs: Docs {
            summary: "Counts the references to a value.",
            since: "2.2.3",
            group: "generic",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
