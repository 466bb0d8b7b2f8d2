//! Room: command. Rows of memcached's verbs.
//! Source of verbs and their words: memcached's `doc/protocol.txt`.

use super::*;
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run, Verb};

const READ: u16 = KeyFlag::RO | KeyFlag::ACCESS;
const GET_ACL: u32 = Category::READ | Category::STRING | Category::FAST;
const SET_ACL: u32 = Category::WRITE | Category::STRING | Category::FAST;
const STORE_FLAGS: u32 = Flag::WRITE | Flag::DENYOOM | Flag::FAST;

const fn one(flags: u16) -> [KeySpec; 1] {
    [KeySpec { flags, ..KeySpec::ONE }]
}

const fn many(flags: u16, first: usize) -> [KeySpec; 1] {
    [KeySpec { flags, first, last: -1, ..KeySpec::ONE }]
}

static READ_MANY: [KeySpec; 1] = many(READ, 1);
static TOUCH_MANY: [KeySpec; 1] = many(KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE, 2);
static OVERWRITE: [KeySpec; 1] = one(KeyFlag::OW | KeyFlag::UPDATE);
static INSERT: [KeySpec; 1] = one(KeyFlag::OW | KeyFlag::INSERT);
static CHANGE: [KeySpec; 1] = one(KeyFlag::RW | KeyFlag::UPDATE);
static COUNT: [KeySpec; 1] = one(KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE);
static DELETE: [KeySpec; 1] = one(KeyFlag::RM | KeyFlag::DELETE);

const fn docs(summary: &'static str, since: &'static str, arguments: &'static str) -> Docs {
    Docs { summary, since, group: "memcached", complexity: "O(1)", arguments, ..Docs::NONE }
}

/// A verb that stores a data block. Without the block (its data was too large) it has a word less.
const fn storage(name: &'static str, words: i16, keys: &'static [KeySpec], data: crate::row::Data, docs: Docs) -> Row {
    let (arity, keys, run) = (-words, Keys::Specs(keys), Run::One(data));
    Row { name, arity, flags: STORE_FLAGS, acl: SET_ACL, keys, run, docs, ..Row::NONE }
}

/// A verb that the process answers.
const fn server(name: &'static str, arity: i16, flags: u32, acl: u32, verb: Verb, docs: Docs) -> Row {
    Row { name, arity, flags, acl, run: Run::Server(verb), docs, ..Row::NONE }
}

const LINE: &str = "key:key0 flags:int exptime:int bytes:int data";
const ADMIN: u32 = Category::ADMIN | Category::DANGEROUS | Category::SLOW;
const ANY_TIME: u32 = Flag::LOADING | Flag::STALE | Flag::FAST;

/// memcached's verbs, the most used first. Names are in lower case, and so are they asked for: case counts.
pub static MEMCACHE: [Row; 22] = [
    Row {
        name: "get",
        arity: -2,
        flags: Flag::READONLY | Flag::FAST,
        acl: GET_ACL,
        keys: Keys::Specs(&READ_MANY),
        run: Run::Many(get, &GET),
        docs: docs("Reads items.", "1.0.0", "key:key0*"),
        ..Row::NONE
    },
    storage("set", 5, &OVERWRITE, set, docs("Stores an item.", "1.0.0", LINE)),
    Row {
        name: "gets",
        arity: -2,
        flags: Flag::READONLY | Flag::FAST,
        acl: GET_ACL,
        keys: Keys::Specs(&READ_MANY),
        run: Run::Many(gets, &GETS),
        docs: docs("Reads items with their versions.", "1.2.4", "key:key0*"),
        ..Row::NONE
    },
    storage("add", 5, &INSERT, add, docs("Stores an item if its key is free.", "1.0.0", LINE)),
    storage("replace", 5, &OVERWRITE, replace, docs("Stores an item if its key is taken.", "1.0.0", LINE)),
    storage("append", 5, &CHANGE, append, docs("Adds bytes to the end of an item.", "1.2.4", LINE)),
    storage("prepend", 5, &CHANGE, prepend, docs("Adds bytes to the front of an item.", "1.2.4", LINE)),
    storage(
        "cas",
        6,
        &OVERWRITE,
        cas,
        docs(
            "Stores an item if its version is still the one given.",
            "1.2.4",
            "key:key0 flags:int exptime:int bytes:int version:int data",
        ),
    ),
    Row {
        name: "delete",
        arity: -2,
        flags: Flag::WRITE | Flag::FAST,
        acl: SET_ACL,
        keys: Keys::Specs(&DELETE),
        run: Run::One(delete),
        docs: docs("Removes an item.", "1.0.0", "key:key0"),
        ..Row::NONE
    },
    Row {
        name: "incr",
        arity: -3,
        flags: STORE_FLAGS,
        acl: SET_ACL,
        keys: Keys::Specs(&COUNT),
        run: Run::One(incr),
        docs: docs("Adds to a counter of 64 bits, which wraps around.", "1.0.0", "key:key0 delta:int"),
        ..Row::NONE
    },
    Row {
        name: "decr",
        arity: -3,
        flags: STORE_FLAGS,
        acl: SET_ACL,
        keys: Keys::Specs(&COUNT),
        run: Run::One(decr),
        docs: docs("Subtracts from a counter, down to 0.", "1.0.0", "key:key0 delta:int"),
        ..Row::NONE
    },
    Row {
        name: "touch",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: SET_ACL,
        keys: Keys::Specs(&CHANGE),
        run: Run::One(touch),
        docs: docs("Gives an item a new exptime.", "1.4.8", "key:key0 exptime:int"),
        ..Row::NONE
    },
    Row {
        name: "gat",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: SET_ACL,
        keys: Keys::Specs(&TOUCH_MANY),
        run: Run::Many(gat, &GAT),
        docs: docs("Reads items and gives them a new exptime.", "1.5.3", "exptime:int key:key0*"),
        ..Row::NONE
    },
    Row {
        name: "gats",
        arity: -3,
        flags: Flag::WRITE | Flag::FAST,
        acl: SET_ACL,
        keys: Keys::Specs(&TOUCH_MANY),
        run: Run::Many(gats, &GATS),
        docs: docs("Reads items with their versions and gives them a new exptime.", "1.5.3", "exptime:int key:key0*"),
        ..Row::NONE
    },
    server(
        "mn",
        -1,
        ANY_TIME,
        Category::CONNECTION | Category::FAST,
        Verb::McMetaNoop,
        docs("Answers MN: all before it has been answered.", "1.6.0", ""),
    ),
    server(
        "version",
        -1,
        ANY_TIME,
        Category::CONNECTION | Category::FAST,
        Verb::McVersion,
        docs("Tells the server's version.", "1.0.0", ""),
    ),
    server(
        "quit",
        -1,
        ANY_TIME | Flag::NO_AUTH,
        Category::CONNECTION | Category::FAST,
        Verb::McQuit,
        docs("Closes the connection.", "1.0.0", ""),
    ),
    server(
        "stats",
        -1,
        Flag::LOADING | Flag::STALE,
        Category::SLOW | Category::DANGEROUS,
        Verb::McStats,
        docs("Tells counters and settings.", "1.0.0", "section?"),
    ),
    server(
        "flush_all",
        -1,
        Flag::WRITE,
        Category::KEYSPACE | Category::WRITE | Category::SLOW | Category::DANGEROUS,
        Verb::McFlushAll,
        docs("Empties the cache, at once or in so many seconds.", "1.0.0", "delay:int?"),
    ),
    server(
        "verbosity",
        -1,
        Flag::ADMIN | Flag::LOADING | Flag::STALE,
        ADMIN,
        Verb::McVerbosity,
        docs("Sets how much is logged.", "1.0.0", "level:int"),
    ),
    server(
        "cache_memlimit",
        -1,
        Flag::ADMIN | Flag::LOADING | Flag::STALE,
        ADMIN,
        Verb::McCacheMemlimit,
        docs("Sets the memory limit, in MiB.", "1.5.2", "mebibytes:int"),
    ),
    server(
        "shutdown",
        -1,
        Flag::ADMIN | Flag::LOADING | Flag::STALE,
        ADMIN,
        Verb::McShutdown,
        docs("Stops the server, where that is allowed.", "1.4.6", "graceful?"),
    ),
];

/// Open addressing over three bytes of a verb and its length. 128 places for about 20 verbs.
const PLACES: usize = 128;

static INDEX: [u8; PLACES] = {
    let mut index = [0u8; PLACES];
    let mut i = 0;
    while i < MEMCACHE.len() {
        let mut at = place(MEMCACHE[i].name.as_bytes());
        while index[at] != 0 {
            at = (at + 1) % PLACES;
        }
        index[at] = i as u8 + 1;
        i += 1;
    }
    index
};

const fn place(verb: &[u8]) -> usize {
    let n = verb.len();
    let mixed = u32::from_le_bytes([verb[0], verb[n / 2], verb[n - 1], n as u8]).wrapping_mul(0x9E37_79B1);
    (mixed >> 25) as usize
}

/// The row of a memcached verb. Case counts.
#[inline]
pub fn find_memcache(verb: &[u8]) -> Option<&'static Row> {
    if verb.is_empty() {
        return None;
    }
    let mut at = place(verb);
    while let Some(i) = (INDEX[at] as usize).checked_sub(1) {
        if MEMCACHE[i].name.as_bytes() == verb {
            return Some(&MEMCACHE[i]);
        }
        at = (at + 1) % PLACES;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_found_and_nothing_else() {
        for row in &MEMCACHE {
            assert!(find_memcache(row.name.as_bytes()).is_some_and(|found| std::ptr::eq(found, row)), "{}", row.name);
            assert!(find_memcache(row.name.to_uppercase().as_bytes()).is_none());
            assert!(find_memcache(&row.name.as_bytes()[1..]).is_none());
        }
        assert!(find_memcache(b"").is_none());
        assert!(find_memcache(b"ms").is_none());
    }
}
