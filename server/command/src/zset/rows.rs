//! Room: command. Rows of the sorted set family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use super::add::{zadd, zincrby};
use super::combine::*;
use super::draw::zrandmember;
use super::pop::*;
use super::range::*;
use super::remove::{zrem, zremrangebylex, zremrangebyrank, zremrangebyscore};
use super::scan::zscan;
use super::{zcard, zmscore, zrank, zrevrank, zscore};
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run};

/// Sorted sets.
pub static ZSET: [Row; 35] = [
    Row {
        name: "bzmpop",
        arity: -5,
        flags: Flag::WRITE | Flag::BLOCKING | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::SORTEDSET | Category::SLOW | Category::BLOCKING,
        keys: Keys::Sought(
            &[KeySpec {
                flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
                first: 2,
                counted: true,
                ..KeySpec::ONE
            }],
            bzmpop_keys,
        ),
        run: Run::Blocking(&BZMPOP),
        docs: Docs {
            summary: "Takes the lowest or highest members from the first sorted set that has some; waits for one.",
            since: "7.0.0",
            group: "sorted-set",
            complexity: "O(K) + O(M*log(N)), K: keys, M: members taken, N: members of the set",
            arguments: "timeout:double numkeys:int key:key0* where{min!MIN max!MAX} count:int=COUNT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "bzpopmax",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST | Flag::BLOCKING,
        acl: Category::WRITE | Category::SORTEDSET | Category::FAST | Category::BLOCKING,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            last: -2,
            ..KeySpec::ONE
        }]),
        run: Run::Blocking(&BZPOPMAX),
        docs: Docs {
            summary: "Takes the highest member of the first sorted set that has one; waits for it.",
            since: "5.0.0",
            group: "sorted-set",
            complexity: "O(log(N)), N: members of the set",
            history: &[("6.0.0", "Timeouts with a fraction.")],
            arguments: "key:key0* timeout:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "bzpopmin",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST | Flag::BLOCKING,
        acl: Category::WRITE | Category::SORTEDSET | Category::FAST | Category::BLOCKING,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            last: -2,
            ..KeySpec::ONE
        }]),
        run: Run::Blocking(&BZPOPMIN),
        docs: Docs {
            summary: "Takes the lowest member of the first sorted set that has one; waits for it.",
            since: "5.0.0",
            group: "sorted-set",
            complexity: "O(log(N)), N: members of the set",
            history: &[("6.0.0", "Timeouts with a fraction.")],
            arguments: "key:key0* timeout:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zadd",
        arity: -4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zadd),
        docs: Docs {
            summary: "Adds members to a sorted set or changes their scores; makes the key.",
            since: "1.2.0",
            group: "sorted-set",
            complexity: "O(log(N)) each, N: members of the set",
            history: &[
                ("2.4.0", "Several members at once."),
                ("3.0.2", "`XX`, `NX`, `CH` and `INCR`."),
                ("6.2.0", "`GT` and `LT`."),
            ],
            arguments: "key:key0 condition{nx!NX xx!XX}?@3.0.2 comparison{gt!GT lt!LT}?@6.2.0 change!CH?@3.0.2 increment!INCR?@3.0.2 data(score:double member)*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zcard",
        arity: 2,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zcard),
        docs: Docs {
            summary: "Counts the members of a sorted set.",
            since: "1.2.0",
            group: "sorted-set",
            complexity: "O(1)",
            arguments: "key:key0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zcount",
        arity: 4,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zcount),
        docs: Docs {
            summary: "Counts the members with scores in a range.",
            since: "2.0.0",
            group: "sorted-set",
            complexity: "O(log(N)), N: members of the set",
            arguments: "key:key0 min:double max:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zdiff",
        arity: -3,
        flags: Flag::READONLY | Flag::MOVABLE_KEYS,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, counted: true, ..KeySpec::ONE }],
            zdiff_keys,
        ),
        run: Run::Together(&ZDIFF),
        docs: Docs {
            summary: "Tells the members of the first sorted set that no other has.",
            since: "6.2.0",
            group: "sorted-set",
            complexity: "O(N) + O(M*log(M)), N: members of all sets, M: members found",
            arguments: "numkeys:int key:key0* withscores!WITHSCORES?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zdiffstore",
        arity: -4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Sought(
            &[
                KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE },
                KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, counted: true, ..KeySpec::ONE },
            ],
            zdiffstore_keys,
        ),
        run: Run::Together(&ZDIFFSTORE),
        docs: Docs {
            summary: "Stores the members of the first sorted set that no other has.",
            since: "6.2.0",
            group: "sorted-set",
            complexity: "O(N) + O(M*log(M)), N: members of all sets, M: members stored",
            arguments: "destination:key0 numkeys:int key:key1*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zincrby",
        arity: 4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::FAST,
        acl: Category::WRITE | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(zincrby),
        docs: Docs {
            summary: "Adds to a member's score.",
            since: "1.2.0",
            group: "sorted-set",
            complexity: "O(log(N)), N: members of the set",
            arguments: "key:key0 increment:int member",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zinter",
        arity: -3,
        flags: Flag::READONLY | Flag::MOVABLE_KEYS,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, counted: true, ..KeySpec::ONE }],
            zinter_keys,
        ),
        run: Run::Together(&ZINTER),
        docs: Docs {
            summary: "Tells the members that all sorted sets have.",
            since: "6.2.0",
            group: "sorted-set",
            complexity: "O(N) + O(M*log(M)), N: members of all sets, M: members found",
            arguments: "numkeys:int key:key0* weight:int=WEIGHTS?* aggregate{sum!SUM min!MIN max!MAX}=AGGREGATE? withscores!WITHSCORES?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zintercard",
        arity: -3,
        flags: Flag::READONLY | Flag::MOVABLE_KEYS,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, counted: true, ..KeySpec::ONE }],
            zintercard_keys,
        ),
        run: Run::Together(&ZINTERCARD),
        docs: Docs {
            summary: "Counts the members that all sorted sets have.",
            since: "7.0.0",
            group: "sorted-set",
            complexity: "O(N), N: members of all sets",
            arguments: "numkeys:int key:key0* limit:int=LIMIT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zinterstore",
        arity: -4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Sought(
            &[
                KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE },
                KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, counted: true, ..KeySpec::ONE },
            ],
            zinterstore_keys,
        ),
        run: Run::Together(&ZINTERSTORE),
        docs: Docs {
            summary: "Stores the members that all sorted sets have.",
            since: "2.0.0",
            group: "sorted-set",
            complexity: "O(N) + O(M*log(M)), N: members of all sets, M: members stored",
            arguments: "destination:key0 numkeys:int key:key1* weight:int=WEIGHTS?* aggregate{sum!SUM min!MIN max!MAX}=AGGREGATE?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zlexcount",
        arity: 4,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zlexcount),
        docs: Docs {
            summary: "Counts the members with names in a range.",
            since: "2.8.9",
            group: "sorted-set",
            complexity: "O(log(N)), N: members of the set",
            arguments: "key:key0 min max",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zmpop",
        arity: -4,
        flags: Flag::WRITE | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec {
                flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
                first: 1,
                counted: true,
                ..KeySpec::ONE
            }],
            zmpop_keys,
        ),
        run: Run::Many(zmpop, &ZMPOP),
        docs: Docs {
            summary: "Takes the lowest or highest members from the first sorted set that has some.",
            since: "7.0.0",
            group: "sorted-set",
            complexity: "O(K) + O(M*log(N)), K: keys, M: members taken, N: members of the set",
            arguments: "numkeys:int key:key0* where{min!MIN max!MAX} count:int=COUNT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zmscore",
        arity: -3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zmscore),
        docs: Docs {
            summary: "Tells the scores of members.",
            since: "6.2.0",
            group: "sorted-set",
            complexity: "O(N), N: members named",
            arguments: "key:key0 member*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zpopmax",
        arity: -2,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(zpopmax),
        docs: Docs {
            summary: "Takes the highest members.",
            since: "5.0.0",
            group: "sorted-set",
            complexity: "O(M*log(N)), M: members taken, N: members of the set",
            arguments: "key:key0 count:int?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zpopmin",
        arity: -2,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec {
            flags: KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::DELETE,
            first: 1,
            ..KeySpec::ONE
        }]),
        run: Run::One(zpopmin),
        docs: Docs {
            summary: "Takes the lowest members.",
            since: "5.0.0",
            group: "sorted-set",
            complexity: "O(M*log(N)), M: members taken, N: members of the set",
            arguments: "key:key0 count:int?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrandmember",
        arity: -2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrandmember),
        docs: Docs {
            summary: "Draws members at random.",
            since: "6.2.0",
            group: "sorted-set",
            complexity: "O(M*log(N)), M: members drawn, N: members of the set",
            tips: &["nondeterministic_output"],
            arguments: "key:key0 options(count:int withscores!WITHSCORES?)?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrange",
        arity: -4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrange),
        docs: Docs {
            summary: "Tells the members in a range of ranks, scores or names.",
            since: "1.2.0",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members told",
            history: &[("6.2.0", "`REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")],
            arguments: "key:key0 start stop sortby{byscore!BYSCORE bylex!BYLEX}?@6.2.0 rev!REV?@6.2.0 limit(offset:int count:int)=LIMIT?@6.2.0 withscores!WITHSCORES?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrangebylex",
        arity: -4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrangebylex),
        docs: Docs {
            summary: "Tells the members with names in a range.",
            since: "2.8.9",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members told",
            deprecated: Some(("6.2.0", "`ZRANGE` with `BYLEX`")),
            arguments: "key:key0 min max limit(offset:int count:int)=LIMIT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrangebyscore",
        arity: -4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrangebyscore),
        docs: Docs {
            summary: "Tells the members with scores in a range.",
            since: "1.0.5",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members told",
            deprecated: Some(("6.2.0", "`ZRANGE` with `BYSCORE`")),
            history: &[("2.0.0", "`WITHSCORES`.")],
            arguments: "key:key0 min:double max:double withscores!WITHSCORES?@2.0.0 limit(offset:int count:int)=LIMIT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrangestore",
        arity: -5,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Together(&ZRANGESTORE),
        docs: Docs {
            summary: "Stores a range of a sorted set at another key.",
            since: "6.2.0",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members stored",
            arguments: "dst:key0 src:key1 min max sortby{byscore!BYSCORE bylex!BYLEX}? rev!REV? limit(offset:int count:int)=LIMIT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrank",
        arity: -3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrank),
        docs: Docs {
            summary: "Tells how many members stand before one.",
            since: "2.0.0",
            group: "sorted-set",
            complexity: "O(log(N)), N: members of the set",
            history: &[("7.2.0", "`WITHSCORE`.")],
            arguments: "key:key0 member withscore!WITHSCORE?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrem",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: Category::WRITE | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrem),
        docs: Docs {
            summary: "Removes members; the key goes with the last one.",
            since: "1.2.0",
            group: "sorted-set",
            complexity: "O(M*log(N)), M: members named, N: members of the set",
            history: &[("2.4.0", "Several members at once.")],
            arguments: "key:key0 member*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zremrangebylex",
        arity: 4,
        flags: Flag::WRITE,
        acl: Category::WRITE | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zremrangebylex),
        docs: Docs {
            summary: "Removes the members with names in a range.",
            since: "2.8.9",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members removed",
            arguments: "key:key0 min max",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zremrangebyrank",
        arity: 4,
        flags: Flag::WRITE,
        acl: Category::WRITE | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zremrangebyrank),
        docs: Docs {
            summary: "Removes the members in a range of ranks.",
            since: "2.0.0",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members removed",
            arguments: "key:key0 start:int stop:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zremrangebyscore",
        arity: 4,
        flags: Flag::WRITE,
        acl: Category::WRITE | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::DELETE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zremrangebyscore),
        docs: Docs {
            summary: "Removes the members with scores in a range.",
            since: "1.2.0",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members removed",
            arguments: "key:key0 min:double max:double",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrevrange",
        arity: -4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrevrange),
        docs: Docs {
            summary: "Tells the members in a range of ranks, the highest first.",
            since: "1.2.0",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members told",
            deprecated: Some(("6.2.0", "`ZRANGE` with `REV`")),
            arguments: "key:key0 start:int stop:int withscores!WITHSCORES?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrevrangebylex",
        arity: -4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrevrangebylex),
        docs: Docs {
            summary: "Tells the members with names in a range, the last first.",
            since: "2.8.9",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members told",
            deprecated: Some(("6.2.0", "`ZRANGE` with `REV` and `BYLEX`")),
            arguments: "key:key0 max min limit(offset:int count:int)=LIMIT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrevrangebyscore",
        arity: -4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrevrangebyscore),
        docs: Docs {
            summary: "Tells the members with scores in a range, the highest first.",
            since: "2.2.0",
            group: "sorted-set",
            complexity: "O(log(N)+M), N: members of the set, M: members told",
            deprecated: Some(("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`")),
            history: &[("2.1.6", "Ends that are left out.")],
            arguments: "key:key0 max:double min:double withscores!WITHSCORES? limit(offset:int count:int)=LIMIT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zrevrank",
        arity: -3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zrevrank),
        docs: Docs {
            summary: "Tells how many members stand behind one.",
            since: "2.0.0",
            group: "sorted-set",
            complexity: "O(log(N)), N: members of the set",
            history: &[("7.2.0", "`WITHSCORE`.")],
            arguments: "key:key0 member withscore!WITHSCORE?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zscan",
        arity: -3,
        flags: Flag::READONLY,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zscan),
        docs: Docs {
            summary: "Walks over the members of a sorted set.",
            since: "2.8.0",
            group: "sorted-set",
            complexity: "O(1) a call, O(N) for all, N: members of the set",
            tips: &["nondeterministic_output"],
            arguments: "key:key0 cursor:int pattern:pattern=MATCH? count:int=COUNT?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zscore",
        arity: 3,
        flags: Flag::READONLY | Flag::FAST,
        acl: Category::READ | Category::SORTEDSET | Category::FAST,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(zscore),
        docs: Docs {
            summary: "Tells a member's score.",
            since: "1.2.0",
            group: "sorted-set",
            complexity: "O(1)",
            arguments: "key:key0 member",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zunion",
        arity: -3,
        flags: Flag::READONLY | Flag::MOVABLE_KEYS,
        acl: Category::READ | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Sought(
            &[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, counted: true, ..KeySpec::ONE }],
            zunion_keys,
        ),
        run: Run::Together(&ZUNION),
        docs: Docs {
            summary: "Tells the members that any of the sorted sets has.",
            since: "6.2.0",
            group: "sorted-set",
            complexity: "O(N) + O(M*log(M)), N: members of all sets, M: members found",
            arguments: "numkeys:int key:key0* weight:int=WEIGHTS?* aggregate{sum!SUM min!MIN max!MAX}=AGGREGATE? withscores!WITHSCORES?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "zunionstore",
        arity: -4,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::SORTEDSET | Category::SLOW,
        keys: Keys::Sought(
            &[
                KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE },
                KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, counted: true, ..KeySpec::ONE },
            ],
            zunionstore_keys,
        ),
        run: Run::Together(&ZUNIONSTORE),
        docs: Docs {
            summary: "Stores the members that any of the sorted sets has.",
            since: "2.0.0",
            group: "sorted-set",
            complexity: "O(N) + O(M*log(M)), N: members of all sets, M: members stored",
            arguments: "destination:key0 numkeys:int key:key1* weight:int=WEIGHTS?* aggregate{sum!SUM min!MIN max!MAX}=AGGREGATE?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
