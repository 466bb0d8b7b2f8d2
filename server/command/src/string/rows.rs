//! Room: command. Rows of the string family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use super::*;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run};

/// Strings.
pub static STRING: [Row; 22] = [
    Row {
        name: "append",
        arity: 3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(append),
        docs: Docs {
            summary: "Adds bytes to the end of a string, which is created when it is missing.",
            since: "2.0.0",
            group: "string",
            complexity: "O(1) amortized, for a short suffix",
            arguments: "key:key0 value",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "decr",
        arity: 2,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(decr),
        docs: Docs {
            summary: "Subtracts one from a counter; a missing one counts as 0.",
            since: "1.0.0",
            group: "string",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "decrby",
        arity: 3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(decrby),
        docs: Docs {
            summary: "Subtracts a number from a counter; a missing one counts as 0.",
            since: "1.0.0",
            group: "string",
            complexity: "O(1)",
            arguments: "key:key0 decrement:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "get",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(get),
        docs: Docs {
            summary: "Reads a string.",
            since: "1.0.0",
            group: "string",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "getdel",
        arity: 2,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(getdel),
        docs: Docs {
            summary: "Reads a string and removes its key.",
            since: "6.2.0",
            group: "string",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "getex",
        arity: -2,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            notes: "RW and update: the deadline may change",
            ..KeySpec::ONE
        }]),
        run: Run::One(getex),
        docs: Docs {
            summary: "Reads a string and changes or drops its deadline.",
            since: "6.2.0",
            group: "string",
            complexity: "O(1)",
            arguments: "key:key0 expiration{seconds:int=EX milliseconds:int=PX unix-time-seconds:time=EXAT unix-time-milliseconds:time=PXAT persist!PERSIST}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "getrange",
        arity: 4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::STRING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(getrange),
        docs: Docs {
            summary: "Reads a part of a string.",
            since: "2.4.0",
            group: "string",
            complexity: "O(N), N: bytes returned",
            arguments: "key:key0 start:int end:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "getset",
        arity: 3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(getset),
        docs: Docs {
            summary: "Writes a string and answers with the one before.",
            since: "1.0.0",
            group: "string",
            complexity: "O(1)",
            deprecated: Some(("6.2.0", "`SET` with `GET`")),
            arguments: "key:key0 value",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "incr",
        arity: 2,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(incr),
        docs: Docs {
            summary: "Adds one to a counter; a missing one counts as 0.",
            since: "1.0.0",
            group: "string",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "incrby",
        arity: 3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(incrby),
        docs: Docs {
            summary: "Adds a number to a counter; a missing one counts as 0.",
            since: "1.0.0",
            group: "string",
            complexity: "O(1)",
            arguments: "key:key0 increment:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "incrbyfloat",
        arity: 3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(incrbyfloat),
        docs: Docs {
            summary: "Adds a decimal number to a decimal counter; a missing one counts as 0.",
            since: "2.6.0",
            group: "string",
            complexity: "O(1)",
            arguments: "key:key0 increment:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lcs",
        arity: -3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::STRING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, last: 1, ..KeySpec::ONE }]),
        run: Run::Many(lcs, &LCS),
        docs: Docs {
            summary: "Finds the longest bytes, in order, that two strings share.",
            since: "7.0.0",
            group: "string",
            complexity: "O(N*M), N and M: lengths of the strings",
            arguments: "key1:key0 key2:key0 len!LEN? idx!IDX? min-match-len:int=MINMATCHLEN? withmatchlen!WITHMATCHLEN?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "mget",
        arity: -2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, last: -1, ..KeySpec::ONE }]),
        run: Run::Many(mget, &MGET),
        docs: Docs {
            summary: "Reads many strings at one moment.",
            since: "1.0.0",
            group: "string",
            complexity: "O(N), N: keys",
            tips: &["request_policy:multi_shard"],
            arguments: "key:key0*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "mset",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::STRING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::OW | KeyFlag::UPDATE,
            first: 1,
            last: -1,
            step: 2,
            ..KeySpec::ONE
        }]),
        run: Run::Many(mset, &MSET),
        docs: Docs {
            summary: "Writes many strings at one moment.",
            since: "1.0.1",
            group: "string",
            complexity: "O(N), N: keys",
            tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
            arguments: "data(key:key0 value)*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "msetnx",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::STRING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::OW | KeyFlag::INSERT,
            first: 1,
            last: -1,
            step: 2,
            ..KeySpec::ONE
        }]),
        run: Run::Many(msetnx, &MSETNX),
        docs: Docs {
            summary: "Writes many strings at one moment, if none of the keys is there.",
            since: "1.0.1",
            group: "string",
            complexity: "O(N), N: keys",
            arguments: "data(key:key0 value)*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "psetex",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::STRING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(psetex),
        docs: Docs {
            summary: "Writes a string that lives for some milliseconds.",
            since: "2.6.0",
            group: "string",
            complexity: "O(1)",
            deprecated: Some(("2.6.12", "`SET` with `PX`")),
            arguments: "key:key0 milliseconds:int value",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "set",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::STRING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE | KeyFlag::VARIABLE,
            first: 1,
            notes: "RW and access: because of `GET`",
            ..KeySpec::ONE
        }]),
        run: Run::One(set),
        docs: Docs {
            summary: "Writes a string, whatever the key held before.",
            since: "1.0.0",
            group: "string",
            complexity: "O(1)",
            history: &[
                ("2.6.12", "`EX`, `PX`, `NX` and `XX`."),
                ("6.0.0", "`KEEPTTL`."),
                ("6.2.0", "`GET`, `EXAT` and `PXAT`."),
                ("7.0.0", "`NX` and `GET` may stand together."),
            ],
            arguments: "key:key0 value condition{nx!NX xx!XX}?@2.6.12 get!GET?@6.2.0 expiration{seconds:int=EX@2.6.12 milliseconds:int=PX@2.6.12 unix-time-seconds:time=EXAT@6.2.0 unix-time-milliseconds:time=PXAT@6.2.0 keepttl!KEEPTTL@6.0.0}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "setex",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::STRING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(setex),
        docs: Docs {
            summary: "Writes a string that lives for some seconds.",
            since: "2.0.0",
            group: "string",
            complexity: "O(1)",
            deprecated: Some(("2.6.12", "`SET` with `EX`")),
            arguments: "key:key0 seconds:int value",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "setnx",
        arity: 3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::OW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(setnx),
        docs: Docs {
            summary: "Writes a string if the key is not there.",
            since: "1.0.0",
            group: "string",
            complexity: "O(1)",
            deprecated: Some(("2.6.12", "`SET` with `NX`")),
            arguments: "key:key0 value",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "setrange",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::STRING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(setrange),
        docs: Docs {
            summary: "Writes over a part of a string, growing it with zero bytes where needed.",
            since: "2.2.0",
            group: "string",
            complexity: "O(M), M: bytes of the value; O(1) for short ones",
            arguments: "key:key0 offset:int value",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "strlen",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::STRING | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(strlen),
        docs: Docs {
            summary: "Counts the bytes of a string.",
            since: "2.2.0",
            group: "string",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "substr",
        arity: 4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::STRING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(getrange),
        docs: Docs {
            summary: "Reads a part of a string.",
            since: "1.0.0",
            group: "string",
            complexity: "O(N), N: bytes returned",
            deprecated: Some(("2.0.0", "`GETRANGE`")),
            arguments: "key:key0 start:int end:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
