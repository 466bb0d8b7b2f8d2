//! Room: command. Rows of the list family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use super::*;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run};

/// Lists.
pub static LIST: [Row; 22] = [
    Row {
        name: "blmove",
        arity: 6,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::BLOCKING,
        acl: Category::WRITE | Category::LIST | Category::BLOCKING | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Blocking(&BLMOVE),
        docs: Docs {
            summary: "Moves an element from one list to another; waits for one if there is none.",
            since: "6.2.0",
            group: "list",
            complexity: "O(1)",
            arguments: "source:key0 destination:key1 wherefrom{left!LEFT right!RIGHT} whereto{left!LEFT right!RIGHT} timeout:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "blmpop",
        arity: -5,
        flags: Flag::WRITE | Flag::BLOCKING | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::LIST | Category::BLOCKING | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec {
                flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
                first: 2,
                counted: true,
                ..KeySpec::ONE
            }],
            |args, keys| find_keys(args, 2, keys),
        ),
        run: Run::Blocking(&BLMPOP),
        docs: Docs {
            summary: "Takes elements out of the first list that has any; waits for one that has.",
            since: "7.0.0",
            group: "list",
            complexity: "O(N+M), N: keys, M: elements taken",
            arguments: "timeout:double numkeys:int key:key0* where{left!LEFT right!RIGHT} count:int=COUNT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "blpop",
        arity: -3,
        flags: Flag::WRITE | Flag::BLOCKING,
        acl: Category::WRITE | Category::LIST | Category::BLOCKING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            last: -2,
            ..KeySpec::ONE
        }]),
        run: Run::Blocking(&BLPOP),
        docs: Docs {
            summary: "Takes the first element of the first list that has any; waits for one that has.",
            since: "2.0.0",
            group: "list",
            complexity: "O(N), N: keys",
            history: &[("6.0.0", "`timeout` may have a fraction.")],
            arguments: "key:key0* timeout:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "brpop",
        arity: -3,
        flags: Flag::WRITE | Flag::BLOCKING,
        acl: Category::WRITE | Category::LIST | Category::BLOCKING | Category::SLOW,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            last: -2,
            ..KeySpec::ONE
        }]),
        run: Run::Blocking(&BRPOP),
        docs: Docs {
            summary: "Takes the last element of the first list that has any; waits for one that has.",
            since: "2.0.0",
            group: "list",
            complexity: "O(N), N: keys",
            history: &[("6.0.0", "`timeout` may have a fraction.")],
            arguments: "key:key0* timeout:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "brpoplpush",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::BLOCKING,
        acl: Category::WRITE | Category::LIST | Category::BLOCKING | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Blocking(&BLMOVE),
        docs: Docs {
            summary: "Moves the last element of a list to the head of another; waits for one if there is none.",
            since: "2.2.0",
            group: "list",
            complexity: "O(1)",
            deprecated: Some(("6.2.0", "`BLMOVE` from `RIGHT` to `LEFT`")),
            history: &[("6.0.0", "`timeout` may have a fraction.")],
            arguments: "source:key0 destination:key1 timeout:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lindex",
        arity: 3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::LIST | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(lindex),
        docs: Docs {
            summary: "Reads one element by its place.",
            since: "1.0.0",
            group: "list",
            complexity: "O(log N) at most: places are found by the lengths of chunks",
            arguments: "key:key0 index:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "linsert",
        arity: 5,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::LIST | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(linsert),
        docs: Docs {
            summary: "Puts an element before or after another.",
            since: "2.2.0",
            group: "list",
            complexity: "O(N), N: elements before the place",
            arguments: "key:key0 where{before!BEFORE after!AFTER} pivot element",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "llen",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::LIST | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(llen),
        docs: Docs {
            summary: "Counts elements.",
            since: "1.0.0",
            group: "list",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lmove",
        arity: 5,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::LIST | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Many(lmove, &LMOVE),
        docs: Docs {
            summary: "Moves an element from one list to another.",
            since: "6.2.0",
            group: "list",
            complexity: "O(1)",
            arguments: "source:key0 destination:key1 wherefrom{left!LEFT right!RIGHT} whereto{left!LEFT right!RIGHT}",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lmpop",
        arity: -4,
        flags: Flag::WRITE | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::LIST | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec {
                flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
                first: 1,
                counted: true,
                ..KeySpec::ONE
            }],
            |args, keys| find_keys(args, 1, keys),
        ),
        run: Run::Many(lmpop, &LMPOP),
        docs: Docs {
            summary: "Takes elements out of the first list that has any.",
            since: "7.0.0",
            group: "list",
            complexity: "O(N+M), N: keys, M: elements taken",
            arguments: "numkeys:int key:key0* where{left!LEFT right!RIGHT} count:int=COUNT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lpop",
        arity: -2,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::LIST | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(lpop),
        docs: Docs {
            summary: "Takes elements at the head.",
            since: "1.0.0",
            group: "list",
            complexity: "O(N), N: elements taken",
            history: &[("6.2.0", "`count` came.")],
            arguments: "key:key0 count:int?@6.2.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lpos",
        arity: -3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::LIST | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(lpos),
        docs: Docs {
            summary: "Finds the places of an element.",
            since: "6.0.6",
            group: "list",
            complexity: "O(N), N: elements looked at",
            arguments: "key:key0 element rank:int=RANK? num-matches:int=COUNT? len:int=MAXLEN?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lpush",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::LIST | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(lpush),
        docs: Docs {
            summary: "Puts elements before the first; a missing list is made.",
            since: "1.0.0",
            group: "list",
            complexity: "O(N), N: elements added",
            history: &[("2.4.0", "Several elements at once.")],
            arguments: "key:key0 element*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lpushx",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::LIST | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(lpushx),
        docs: Docs {
            summary: "Puts elements before the first if there is a list.",
            since: "2.2.0",
            group: "list",
            complexity: "O(N), N: elements added",
            history: &[("4.0.0", "Several elements at once.")],
            arguments: "key:key0 element*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lrange",
        arity: 4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::LIST | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(lrange),
        docs: Docs {
            summary: "Reads the elements of a range.",
            since: "1.0.0",
            group: "list",
            complexity: "O(N), N: elements read",
            arguments: "key:key0 start:int stop:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lrem",
        arity: 4,
        flags: Flag::WRITE,
        acl: Category::WRITE | Category::LIST | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(lrem),
        docs: Docs {
            summary: "Removes elements that equal a given one.",
            since: "1.0.0",
            group: "list",
            complexity: "O(N), N: elements",
            arguments: "key:key0 count:int element",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "lset",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::LIST | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(lset),
        docs: Docs {
            summary: "Replaces one element by its place.",
            since: "1.0.0",
            group: "list",
            complexity: "O(log N) at most: places are found by the lengths of chunks",
            arguments: "key:key0 index:int element",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "ltrim",
        arity: 4,
        flags: Flag::WRITE,
        acl: Category::WRITE | Category::LIST | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(ltrim),
        docs: Docs {
            summary: "Removes what is outside of a range.",
            since: "1.0.0",
            group: "list",
            complexity: "O(N), N: chunks removed",
            arguments: "key:key0 start:int stop:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "rpop",
        arity: -2,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::LIST | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(rpop),
        docs: Docs {
            summary: "Takes elements at the tail.",
            since: "1.0.0",
            group: "list",
            complexity: "O(N), N: elements taken",
            history: &[("6.2.0", "`count` came.")],
            arguments: "key:key0 count:int?@6.2.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "rpoplpush",
        arity: 3,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::LIST | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Many(lmove, &LMOVE),
        docs: Docs {
            summary: "Moves the last element of a list to the head of another.",
            since: "1.2.0",
            group: "list",
            complexity: "O(1)",
            deprecated: Some(("6.2.0", "`LMOVE` from `RIGHT` to `LEFT`")),
            arguments: "source:key0 destination:key1",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "rpush",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::LIST | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(rpush),
        docs: Docs {
            summary: "Puts elements behind the last; a missing list is made.",
            since: "1.0.0",
            group: "list",
            complexity: "O(N), N: elements added",
            history: &[("2.4.0", "Several elements at once.")],
            arguments: "key:key0 element*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "rpushx",
        arity: -3,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::LIST | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::INSERT, first: 1, ..KeySpec::ONE }]),
        run: Run::One(rpushx),
        docs: Docs {
            summary: "Puts elements behind the last if there is a list.",
            since: "2.2.0",
            group: "list",
            complexity: "O(N), N: elements added",
            history: &[("4.0.0", "Several elements at once.")],
            arguments: "key:key0 element*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
