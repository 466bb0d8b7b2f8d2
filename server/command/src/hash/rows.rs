//! Room: command. Rows of the hash family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2; of what came
//! later, its source.

use super::*;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run};

/// Hashes.
pub static HASH: [Row; 28] = [
    Row {
        name: "hdel",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hdel),
        docs: Docs {
            summary: "Removes fields; the key goes with the last one.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            history: &[("2.4.0", "Several fields at once.")],
            arguments: "key:key0 field*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hexists",
        arity: 3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hexists),
        docs: Docs {
            summary: "Tells whether a hash has a field.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(1)",
            arguments: "key:key0 field",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hexpire",
        arity: -6,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hexpire),
        docs: Docs {
            summary: "Gives fields a time to live in seconds.",
            since: "7.4.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 seconds:int condition{nx!NX xx!XX gt!GT lt!LT}? fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hexpireat",
        arity: -6,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hexpireat),
        docs: Docs {
            summary: "Gives fields a deadline, a Unix time in seconds.",
            since: "7.4.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 unix-time-seconds:time condition{nx!NX xx!XX gt!GT lt!LT}? fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hexpiretime",
        arity: -5,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hexpiretime),
        docs: Docs {
            summary: "Tells the deadlines of fields as Unix times in seconds.",
            since: "7.4.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hget",
        arity: 3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hget),
        docs: Docs {
            summary: "Reads a field.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(1)",
            arguments: "key:key0 field",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hgetall",
        arity: 2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::HASH | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hgetall),
        docs: Docs {
            summary: "Reads all fields and their values.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(N), N: fields of the hash",
            tips: &["nondeterministic_output_order"],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hgetdel",
        arity: -5,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(hgetdel),
        docs: Docs {
            summary: "Reads fields and removes them; the key goes with the last one.",
            since: "8.0.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hgetex",
        arity: -5,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            notes: "RW and update: deadlines may change",
            ..KeySpec::ONE
        }]),
        run: Run::One(hgetex),
        docs: Docs {
            summary: "Reads fields and changes or drops their deadlines.",
            since: "8.0.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 expiration{seconds:int=EX milliseconds:int=PX unix-time-seconds:time=EXAT unix-time-milliseconds:time=PXAT persist!PERSIST}? fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hincrby",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(hincrby),
        docs: Docs {
            summary: "Adds a whole number to a field; a missing one counts as 0.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(1)",
            arguments: "key:key0 field increment:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hincrbyfloat",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(hincrbyfloat),
        docs: Docs {
            summary: "Adds a decimal number to a field; a missing one counts as 0.",
            since: "2.6.0",
            group: "hash",
            complexity: "O(1)",
            arguments: "key:key0 field increment:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hkeys",
        arity: 2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::HASH | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hkeys),
        docs: Docs {
            summary: "Reads the names of all fields.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(N), N: fields of the hash",
            tips: &["nondeterministic_output_order"],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hlen",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hlen),
        docs: Docs {
            summary: "Counts the fields of a hash.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hmget",
        arity: -3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hmget),
        docs: Docs {
            summary: "Reads several fields, null where there is none.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 field*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hmset",
        arity: -4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hmset),
        docs: Docs {
            summary: "Sets several fields.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(N), N: pairs",
            deprecated: Some(("4.0.0", "`HSET` with several pairs")),
            arguments: "key:key0 data(field value)*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hpersist",
        arity: -5,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hpersist),
        docs: Docs {
            summary: "Drops the deadlines of fields.",
            since: "7.4.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hpexpire",
        arity: -6,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hpexpire),
        docs: Docs {
            summary: "Gives fields a time to live in milliseconds.",
            since: "7.4.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 milliseconds:int condition{nx!NX xx!XX gt!GT lt!LT}? fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hpexpireat",
        arity: -6,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hpexpireat),
        docs: Docs {
            summary: "Gives fields a deadline, a Unix time in milliseconds.",
            since: "7.4.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 unix-time-milliseconds:time condition{nx!NX xx!XX gt!GT lt!LT}? fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hpexpiretime",
        arity: -5,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hpexpiretime),
        docs: Docs {
            summary: "Tells the deadlines of fields as Unix times in milliseconds.",
            since: "7.4.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hpttl",
        arity: -5,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hpttl),
        docs: Docs {
            summary: "Tells how long fields live, in milliseconds.",
            since: "7.4.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            tips: &["nondeterministic_output"],
            arguments: "key:key0 fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hrandfield",
        arity: -2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::HASH | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hrandfield),
        docs: Docs {
            summary: "Draws fields at random, with their values if asked to.",
            since: "6.2.0",
            group: "hash",
            complexity: "O(N), N: fields drawn",
            tips: &["nondeterministic_output"],
            arguments: "key:key0 options(count:int withvalues!WITHVALUES?)?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hscan",
        arity: -3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::HASH | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hscan),
        docs: Docs {
            summary: "Walks over the fields of a hash, some at a time.",
            since: "2.8.0",
            group: "hash",
            complexity: "O(1) a call, O(N) for all of a hash of N fields",
            tips: &["nondeterministic_output"],
            arguments: "key:key0 cursor:int pattern:pattern=MATCH? count:int=COUNT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hset",
        arity: -4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hset),
        docs: Docs {
            summary: "Sets fields, counts the new ones.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(N), N: pairs",
            history: &[("4.0.0", "Several pairs at once.")],
            arguments: "key:key0 data(field value)*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hsetex",
        arity: -6,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hsetex),
        docs: Docs {
            summary: "Sets fields together with their deadlines, if all or none of them are there.",
            since: "8.0.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            arguments: "key:key0 condition{fnx!FNX fxx!FXX}? expiration{seconds:int=EX milliseconds:int=PX unix-time-seconds:time=EXAT unix-time-milliseconds:time=PXAT keepttl!KEEPTTL}? fields(numfields:int data(field value)*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hsetnx",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hsetnx),
        docs: Docs {
            summary: "Sets a field that is not there yet.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(1)",
            arguments: "key:key0 field value",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hstrlen",
        arity: 3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hstrlen),
        docs: Docs {
            summary: "Tells how long the value of a field is.",
            since: "3.2.0",
            group: "hash",
            complexity: "O(1)",
            arguments: "key:key0 field",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "httl",
        arity: -5,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::HASH | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(httl),
        docs: Docs {
            summary: "Tells how long fields live, in seconds.",
            since: "7.4.0",
            group: "hash",
            complexity: "O(N), N: fields named",
            tips: &["nondeterministic_output"],
            arguments: "key:key0 fields(numfields:int field*)=FIELDS",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hvals",
        arity: 2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::HASH | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(hvals),
        docs: Docs {
            summary: "Reads the values of all fields.",
            since: "2.0.0",
            group: "hash",
            complexity: "O(N), N: fields of the hash",
            tips: &["nondeterministic_output_order"],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
