//! Room: command. Rows of the geo family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use super::search::*;
use super::{geoadd, geodist, geohash, geopos};
use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Run};

/// Places on the earth.
pub static GEO: [Row; 10] = [
    Row {
        name: "geoadd",
        arity: -5,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::GEO | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE }]),
        run: Run::One(geoadd),
        docs: Docs {
            summary: "Adds places to a geo index or moves them; makes the key.",
            since: "3.2.0",
            group: "geo",
            complexity: "O(log(N)) each, N: members of the index",
            history: &[("6.2.0", "`CH`, `NX` and `XX`.")],
            arguments: "key:key0 condition{nx!NX xx!XX}?@6.2.0 change!CH?@6.2.0 data(longitude:double latitude:double member)*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "geodist",
        arity: -4,
        flags: Flag::READONLY,
        acl: Category::READ | Category::GEO | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(geodist),
        docs: Docs {
            summary: "Tells how far two members are from each other.",
            since: "3.2.0",
            group: "geo",
            complexity: "O(1)",
            arguments: "key:key0 member1 member2 unit{m!M km!KM ft!FT mi!MI}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "geohash",
        arity: -2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::GEO | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(geohash),
        docs: Docs {
            summary: "Tells the geohash text of members.",
            since: "3.2.0",
            group: "geo",
            complexity: "O(1) each",
            arguments: "key:key0 member?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "geopos",
        arity: -2,
        flags: Flag::READONLY,
        acl: Category::READ | Category::GEO | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(geopos),
        docs: Docs {
            summary: "Tells where members are.",
            since: "3.2.0",
            group: "geo",
            complexity: "O(1) each",
            arguments: "key:key0 member?*",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "georadius",
        arity: -6,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::GEO | Category::SLOW,
        keys: Keys::Sought(
            &[
                KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE },
                KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 6, keyword: "STORE", ..KeySpec::ONE },
                KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 6, keyword: "STOREDIST", ..KeySpec::ONE },
            ],
            georadius_keys,
        ),
        run: Run::Together(&GEORADIUS),
        docs: Docs {
            summary: "Finds members near a point, and may store them.",
            since: "3.2.0",
            group: "geo",
            complexity: "O(N+log(M)), N: members in the box around the circle, M: members of the index",
            deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`")),
            history: &[("6.2.0", "`ANY` with `COUNT`."), ("7.0.0", "Units in capital letters.")],
            arguments: "key:key0 longitude:double latitude:double radius:double unit{m!M km!KM ft!FT mi!MI} withcoord!WITHCOORD? withdist!WITHDIST? withhash!WITHHASH? count-block(count:int=COUNT any!ANY?@6.2.0)? order{asc!ASC desc!DESC}? store{storekey:key1=STORE/key storedistkey:key2=STOREDIST/key}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "georadius_ro",
        arity: -6,
        flags: Flag::READONLY,
        acl: Category::READ | Category::GEO | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(georadius_ro),
        docs: Docs {
            summary: "Finds members near a point.",
            since: "3.2.10",
            group: "geo",
            complexity: "O(N+log(M)), N: members in the box around the circle, M: members of the index",
            deprecated: Some(("6.2.0", "`GEOSEARCH` with `BYRADIUS`")),
            history: &[("6.2.0", "`ANY` with `COUNT`.")],
            arguments: "key:key0 longitude:double latitude:double radius:double unit{m!M km!KM ft!FT mi!MI} withcoord!WITHCOORD? withdist!WITHDIST? withhash!WITHHASH? count-block(count:int=COUNT any!ANY?@6.2.0)? order{asc!ASC desc!DESC}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "georadiusbymember",
        arity: -5,
        flags: Flag::WRITE | Flag::DENYOOM | Flag::MOVABLE_KEYS,
        acl: Category::WRITE | Category::GEO | Category::SLOW,
        keys: Keys::Sought(
            &[
                KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE },
                KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 5, keyword: "STORE", ..KeySpec::ONE },
                KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 5, keyword: "STOREDIST", ..KeySpec::ONE },
            ],
            georadiusbymember_keys,
        ),
        run: Run::Together(&GEORADIUSBYMEMBER),
        docs: Docs {
            summary: "Finds members near a member, and may store them.",
            since: "3.2.0",
            group: "geo",
            complexity: "O(N+log(M)), N: members in the box around the circle, M: members of the index",
            deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`")),
            history: &[("7.0.0", "Units in capital letters.")],
            arguments: "key:key0 member radius:double unit{m!M km!KM ft!FT mi!MI} withcoord!WITHCOORD? withdist!WITHDIST? withhash!WITHHASH? count-block(count:int=COUNT any!ANY?)? order{asc!ASC desc!DESC}? store{storekey:key1=STORE/key storedistkey:key2=STOREDIST/key}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: Flag::READONLY,
        acl: Category::READ | Category::GEO | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(georadiusbymember_ro),
        docs: Docs {
            summary: "Finds members near a member.",
            since: "3.2.10",
            group: "geo",
            complexity: "O(N+log(M)), N: members in the box around the circle, M: members of the index",
            deprecated: Some(("6.2.0", "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`")),
            arguments: "key:key0 member radius:double unit{m!M km!KM ft!FT mi!MI} withcoord!WITHCOORD? withdist!WITHDIST? withhash!WITHHASH? count-block(count:int=COUNT any!ANY?)? order{asc!ASC desc!DESC}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "geosearch",
        arity: -7,
        flags: Flag::READONLY,
        acl: Category::READ | Category::GEO | Category::SLOW,
        keys: Keys::Specs(&[KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 1, ..KeySpec::ONE }]),
        run: Run::One(geosearch),
        docs: Docs {
            summary: "Finds members in a circle or a box.",
            since: "6.2.0",
            group: "geo",
            complexity: "O(N+log(M)), N: members in the box around the area, M: members of the index",
            history: &[("7.0.0", "Units in capital letters.")],
            arguments: "key:key0 from{member=FROMMEMBER fromlonlat(longitude:double latitude:double)=FROMLONLAT} by{circle(radius:double=BYRADIUS unit{m!M km!KM ft!FT mi!MI}) box(width:double=BYBOX height:double unit{m!M km!KM ft!FT mi!MI})} order{asc!ASC desc!DESC}? count-block(count:int=COUNT any!ANY?)? withcoord!WITHCOORD? withdist!WITHDIST? withhash!WITHHASH?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "geosearchstore",
        arity: -8,
        flags: Flag::WRITE | Flag::DENYOOM,
        acl: Category::WRITE | Category::GEO | Category::SLOW,
        keys: Keys::Specs(&[
            KeySpec { flags: KeyFlag::OW | KeyFlag::UPDATE, first: 1, ..KeySpec::ONE },
            KeySpec { flags: KeyFlag::RO | KeyFlag::ACCESS, first: 2, ..KeySpec::ONE },
        ]),
        run: Run::Together(&GEOSEARCHSTORE),
        docs: Docs {
            summary: "Stores the members in a circle or a box at another key.",
            since: "6.2.0",
            group: "geo",
            complexity: "O(N+log(M)), N: members in the box around the area, M: members of the index",
            history: &[("7.0.0", "Units in capital letters.")],
            arguments: "destination:key0 source:key1 from{member=FROMMEMBER fromlonlat(longitude:double latitude:double)=FROMLONLAT} by{circle(radius:double=BYRADIUS unit{m!M km!KM ft!FT mi!MI}) box(width:double=BYBOX height:double unit{m!M km!KM ft!FT mi!MI})} order{asc!ASC desc!DESC}? count-block(count:int=COUNT any!ANY?)? storedist!STOREDIST?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
