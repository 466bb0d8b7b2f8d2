//! Room: command. Rows of the hyperloglog family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use super::*;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run};

/// HyperLogLogs.
pub static HYPERLOGLOG: [Row; 5] = [
    Row {
        name: "pfadd",
        arity: -2,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::HYPERLOGLOG | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(pfadd),
        docs: Docs {
            summary: "Counts elements into a HyperLogLog, which is made if it is missing.",
            since: "2.8.9",
            group: "hyperloglog",
            complexity: "O(1) for each element",
            arguments: "key:key0 element?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pfcount",
        arity: -2,
        flags: Flag::READONLY | Flag::MAY_REPLICATE,
        acl: Category::READ | Category::HYPERLOGLOG | Category::SLOW,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS,
            first: 1,
            last: -1,
            notes: "RW: the estimate is kept with the value",
            ..KeySpec::ONE
        }]),
        run: Run::Many(pfcount, &PFCOUNT),
        docs: Docs {
            summary: "Estimates how many different elements were counted into one or several HyperLogLogs.",
            since: "2.8.9",
            group: "hyperloglog",
            complexity: "O(1) for one key; O(N), N: keys",
            arguments: "key:key0*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pfdebug",
        arity: 3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::ADMIN | Flag::SYSCMD,
        acl: Category::WRITE | Category::HYPERLOGLOG | Category::ADMIN | Category::DANGEROUS | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::ACCESS, first: 2, ..KeySpec::ONE }]),
        run: Run::One(pfdebug),
        docs: Docs {
            summary: "Looks into a HyperLogLog.",
            since: "2.8.9",
            group: "hyperloglog",
            complexity: "N/A",
            arguments: "subcommand key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pfmerge",
        arity: -2,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::HYPERLOGLOG | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::INSERT, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, last: -1, ..KeySpec::ONE },
        ]),
        run: Run::Together(&PFMERGE),
        docs: Docs {
            summary: "Joins HyperLogLogs into one.",
            since: "2.8.9",
            group: "hyperloglog",
            complexity: "O(N), N: keys",
            arguments: "destkey:key0 sourcekey:key1?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "pfselftest",
        arity: 1,
        flags: Flag::ADMIN | Flag::SYSCMD,
        acl: Category::HYPERLOGLOG | Category::ADMIN | Category::DANGEROUS | Category::SLOW,
        keys: Keys::None,
        run: Run::Many(pfselftest, &PFSELFTEST),
        docs: Docs {
            summary: "Checks registers and estimates of HyperLogLogs.",
            since: "2.8.9",
            group: "hyperloglog",
            complexity: "N/A",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
