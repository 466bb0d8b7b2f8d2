//! Room: command. Rows of the set family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use super::algebra::counted_keys;
use super::*;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run};

/// Sets.
pub static SET: [Row; 17] = [
    Row {
        name: "sadd",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::SET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(sadd),
        docs: Docs {
            summary: "Adds members to a set, counts the new ones.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N), N: members named",
            history: &[("2.4.0", "Several members at once.")],
            arguments: "key:key0 member*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "scard",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(scard),
        docs: Docs {
            summary: "Counts the members of a set.",
            since: "1.0.0",
            group: "set",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sdiff",
        arity: -2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, last: -1, ..KeySpec::ONE }]),
        run: Run::Many(sdiff, &SDIFF),
        docs: Docs {
            summary: "Tells what is in the first set and in none of the others.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N), N: members of all sets",
            tips: &["nondeterministic_output_order"],
            arguments: "key:key0*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sdiffstore",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::SET | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, last: -1, ..KeySpec::ONE },
        ]),
        run: Run::Many(sdiffstore, &SDIFFSTORE),
        docs: Docs {
            summary: "Stores what is in the first set and in none of the others.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N), N: members of all sets",
            arguments: "destination:key0 key:key1*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sinter",
        arity: -2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, last: -1, ..KeySpec::ONE }]),
        run: Run::Many(sinter, &SINTER),
        docs: Docs {
            summary: "Tells what is in all sets.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N*M), N: members of the smallest set, M: sets",
            tips: &["nondeterministic_output_order"],
            arguments: "key:key0*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sintercard",
        arity: -3,
        flags: Flag::READONLY | Flag::MOVABLE_KEYS,
        acl: Category::READ | Category::SET | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, counted: true, ..KeySpec::ONE }],
            counted_keys,
        ),
        run: Run::Many(sintercard, &SINTERCARD),
        docs: Docs {
            summary: "Counts what is in all sets.",
            since: "7.0.0",
            group: "set",
            complexity: "O(N*M), N: members of the smallest set, M: sets",
            arguments: "numkeys:int key:key0* limit:int=LIMIT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sinterstore",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::SET | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, last: -1, ..KeySpec::ONE },
        ]),
        run: Run::Many(sinterstore, &SINTERSTORE),
        docs: Docs {
            summary: "Stores what is in all sets.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N*M), N: members of the smallest set, M: sets",
            arguments: "destination:key0 key:key1*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sismember",
        arity: 3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(sismember),
        docs: Docs {
            summary: "Tells whether something is a member of a set.",
            since: "1.0.0",
            group: "set",
            complexity: "O(1)",
            arguments: "key:key0 member",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "smembers",
        arity: 2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(smembers),
        docs: Docs {
            summary: "Reads all members of a set.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N), N: members of the set",
            tips: &["nondeterministic_output_order"],
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "smismember",
        arity: -3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(smismember),
        docs: Docs {
            summary: "Tells of several things whether they are members of a set.",
            since: "6.2.0",
            group: "set",
            complexity: "O(N), N: members named",
            arguments: "key:key0 member*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "smove",
        arity: 4,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::SET | Category::FAST,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Together(&SMOVE),
        docs: Docs {
            summary: "Moves a member from one set to another.",
            since: "1.0.0",
            group: "set",
            complexity: "O(1)",
            arguments: "source:key0 destination:key1 member",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "spop",
        arity: -2,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::SET | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(spop),
        docs: Docs {
            summary: "Draws members at random and removes them.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N), N: members drawn",
            tips: &["nondeterministic_output"],
            history: &[("3.2.0", "`count`")],
            arguments: "key:key0 count:int?@3.2.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "srandmember",
        arity: -2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(srandmember),
        docs: Docs {
            summary: "Draws members at random.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N), N: members drawn",
            tips: &["nondeterministic_output"],
            history: &[("2.6.0", "`count`")],
            arguments: "key:key0 count:int?@2.6.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "srem",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::SET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(srem),
        docs: Docs {
            summary: "Removes members from a set; the key goes with the last one.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N), N: members named",
            history: &[("2.4.0", "Several members at once.")],
            arguments: "key:key0 member*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sscan",
        arity: -3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(sscan),
        docs: Docs {
            summary: "Walks over the members of a set, some at a time.",
            since: "2.8.0",
            group: "set",
            complexity: "O(1) a call, O(N) for all of a set of N members",
            tips: &["nondeterministic_output"],
            arguments: "key:key0 cursor:int pattern:pattern=MATCH? count:int=COUNT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sunion",
        arity: -2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, last: -1, ..KeySpec::ONE }]),
        run: Run::Many(sunion, &SUNION),
        docs: Docs {
            summary: "Tells what is in any of the sets.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N), N: members of all sets",
            tips: &["nondeterministic_output_order"],
            arguments: "key:key0*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "sunionstore",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::SET | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, last: -1, ..KeySpec::ONE },
        ]),
        run: Run::Many(sunionstore, &SUNIONSTORE),
        docs: Docs {
            summary: "Stores what is in any of the sets.",
            since: "1.0.0",
            group: "set",
            complexity: "O(N), N: members of all sets",
            arguments: "destination:key0 key:key1*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
