//! Room: command. Rows of the bitmap family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use super::*;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run};

/// Bitmaps.
pub static BITMAP: [Row; 7] = [
    Row {
        name: "bitcount",
        arity: -2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::BITMAP | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(bitcount),
        docs: Docs {
            summary: "Counts the bits that are set.",
            since: "2.6.0",
            group: "bitmap",
            complexity: "O(N), N: bytes",
            history: &[("7.0.0", "`BYTE` and `BIT` came.")],
            arguments: "key:key0 range(start:int end:int unit{byte!BYTE bit!BIT}?@7.0.0)?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "bitfield",
        arity: -2,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::BITMAP | Category::SLOW,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::UPDATE | KeyFlag::ACCESS | KeyFlag::VARIABLE,
            first: 1,
            notes: "reads or changes, as told",
            ..KeySpec::ONE
        }]),
        run: Run::One(bitfield),
        docs: Docs {
            summary: "Reads, sets and adds to whole numbers of any width inside a string.",
            since: "3.2.0",
            group: "bitmap",
            complexity: "O(1) for each operation",
            arguments: "key:key0 operation{get-block(encoding offset:int)=GET write(overflow-block{wrap!WRAP sat!SAT fail!FAIL}=OVERFLOW? write-operation{set-block(encoding offset:int value:int)=SET incrby-block(encoding offset:int increment:int)=INCRBY})}?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "bitfield_ro",
        arity: -2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::BITMAP | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(bitfield_ro),
        docs: Docs {
            summary: "Reads whole numbers of any width inside a string.",
            since: "6.0.0",
            group: "bitmap",
            complexity: "O(1) for each operation",
            arguments: "key:key0 get-block(encoding offset:int)=GET?*+",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "bitop",
        arity: -4,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::BITMAP | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 2, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 3, last: -1, ..KeySpec::ONE },
        ]),
        run: Run::Together(&BITOP),
        docs: Docs {
            summary: "Joins strings bit by bit and stores the result.",
            since: "2.6.0",
            group: "bitmap",
            complexity: "O(N), N: bytes",
            arguments: "operation{and!AND or!OR xor!XOR not!NOT} destkey:key0 key:key1*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "bitpos",
        arity: -3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::BITMAP | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(bitpos),
        docs: Docs {
            summary: "Finds the first bit that is set, or clear.",
            since: "2.8.7",
            group: "bitmap",
            complexity: "O(N), N: bytes",
            history: &[("7.0.0", "`BYTE` and `BIT` came.")],
            arguments: "key:key0 bit:int range(start:int end-unit-block(end:int unit{byte!BYTE bit!BIT}?@7.0.0)?)?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "getbit",
        arity: 3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::BITMAP | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(getbit),
        docs: Docs {
            summary: "Reads one bit.",
            since: "2.2.0",
            group: "bitmap",
            complexity: "O(1)",
            arguments: "key:key0 offset:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "setbit",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::BITMAP | Category::SLOW,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(setbit),
        docs: Docs {
            summary: "Sets or clears one bit; the string grows as far as needed.",
            since: "2.2.0",
            group: "bitmap",
            complexity: "O(1), beside growing",
            arguments: "key:key0 offset:int value:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
