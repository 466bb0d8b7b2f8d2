//! Room: command. Rows of the connection family.
//! Source of arity, flags, categories, key positions and arguments: COMMAND INFO and COMMAND DOCS of Redis 7.2.

use crate::row::{Category, Docs, Flag, Row, Run, Verb};

/// What a connection says of itself. The process answers.
pub static CONNECTION: [Row; 8] = [
    Row {
        name: "auth",
        arity: -2,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE | Flag::FAST | Flag::NO_AUTH | Flag::ALLOW_BUSY,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Auth),
        docs: Docs {
            summary: "Proves who a connection speaks for.",
            since: "1.0.0",
            group: "connection",
            complexity: "O(N), N: passwords of the user",
            history: &[("6.0.0", "A user name may precede the password.")],
            arguments: "username?@6.0.0 password",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client",
        arity: -2,
        acl: Category::SLOW,
        run: Run::Container,
        docs: Docs {
            summary: "Looks after connections.",
            since: "2.4.0",
            group: "connection",
            complexity: "By subcommand",
            ..Docs::NONE
        },
        subs: &CLIENT,
        ..Row::NONE
    },
    Row {
        name: "echo",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE | Flag::FAST,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Echo),
        docs: Docs {
            summary: "Answers with its argument.",
            since: "1.0.0",
            group: "connection",
            complexity: "O(1)",
            arguments: "message",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "hello",
        arity: -1,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE | Flag::FAST | Flag::NO_AUTH | Flag::ALLOW_BUSY,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Hello),
        docs: Docs {
            summary: "Opens the conversation: protocol version, user and name.",
            since: "6.0.0",
            group: "connection",
            complexity: "O(1)",
            history: &[("6.2.0", "Without arguments it describes the connection.")],
            arguments: "arguments(protover:int auth(username password)=AUTH? clientname=SETNAME?)?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "ping",
        arity: -1,
        flags: Flag::FAST,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Ping),
        docs: Docs {
            summary: "Answers, to show that the server is there.",
            since: "1.0.0",
            group: "connection",
            complexity: "O(1)",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            arguments: "message?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "quit",
        arity: -1,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE | Flag::FAST | Flag::NO_AUTH | Flag::ALLOW_BUSY,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Quit),
        docs: Docs {
            summary: "Closes the connection.",
            since: "1.0.0",
            group: "connection",
            complexity: "O(1)",
            deprecated: Some(("7.2.0", "closing the connection")),
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "reset",
        arity: 1,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE | Flag::FAST | Flag::NO_AUTH | Flag::ALLOW_BUSY,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Reset),
        docs: Docs {
            summary: "Makes the connection as if new.",
            since: "6.2.0",
            group: "connection",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "select",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE | Flag::FAST,
        acl: Category::FAST | Category::CONNECTION,
        run: Run::Server(Verb::Select),
        docs: Docs {
            summary: "Chooses the database of this connection.",
            since: "1.0.0",
            group: "connection",
            complexity: "O(1)",
            arguments: "index:int",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];

/// Subcommands of `CLIENT`.
pub static CLIENT: [Row; 16] = [
    Row {
        name: "client|caching",
        arity: 3,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientCaching),
        docs: Docs {
            summary: "Has the next command tracked, or not.",
            since: "6.0.0",
            group: "connection",
            complexity: "O(1)",
            arguments: "mode{yes!YES no!NO}",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|getname",
        arity: 2,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientGetname),
        docs: Docs {
            summary: "Tells the name of this connection.",
            since: "2.6.9",
            group: "connection",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|getredir",
        arity: 2,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientGetredir),
        docs: Docs {
            summary: "Tells where invalidation messages of this connection go.",
            since: "6.0.0",
            group: "connection",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientHelp),
        docs: Docs {
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: "connection",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|id",
        arity: 2,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientId),
        docs: Docs {
            summary: "Tells the number of this connection.",
            since: "5.0.0",
            group: "connection",
            complexity: "O(1)",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|info",
        arity: 2,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientInfo),
        docs: Docs {
            summary: "Describes this connection.",
            since: "6.2.0",
            group: "connection",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|kill",
        arity: -3,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS | Category::CONNECTION,
        run: Run::Server(Verb::ClientKill),
        docs: Docs {
            summary: "Closes connections.",
            since: "2.4.0",
            group: "connection",
            complexity: "O(N), N: connections",
            history: &[
                ("2.8.12", "The form with filters."),
                ("2.8.12", "`ID`."),
                ("3.2.0", "`TYPE master`."),
                ("5.0.0", "`TYPE replica`, of which `slave` is the older name."),
                ("6.2.0", "`LADDR`."),
            ],
            arguments: "filter{old-format~2.8.12/ip:port new-format{client-id:int=ID?@2.8.12 client-type{normal!NORMAL master!MASTER@3.2.0 slave!SLAVE replica!REPLICA@5.0.0 pubsub!PUBSUB}=TYPE?@2.8.12 username=USER? addr=ADDR?/ip:port laddr=LADDR?@6.2.0/ip:port skipme{yes!YES no!NO}=SKIPME?}*}",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|list",
        arity: -2,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS | Category::CONNECTION,
        run: Run::Server(Verb::ClientList),
        docs: Docs {
            summary: "Describes connections.",
            since: "2.4.0",
            group: "connection",
            complexity: "O(N), N: connections",
            tips: &["nondeterministic_output"],
            history: &[
                ("2.8.12", "Field `id`."),
                ("5.0.0", "Filter `TYPE`."),
                ("6.0.0", "Field `user`."),
                ("6.2.0", "Fields `argv-mem`, `tot-mem`, `laddr` and `redir`; filter `ID`."),
                ("7.0.0", "Fields `resp`, `multi-mem`, `rbs` and `rbp`."),
                ("7.0.3", "Field `ssub`."),
            ],
            arguments: "client-type{normal!NORMAL master!MASTER replica!REPLICA pubsub!PUBSUB}=TYPE?@5.0.0 client-id:int=ID?*@6.2.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|no-evict",
        arity: 3,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS | Category::CONNECTION,
        run: Run::Server(Verb::ClientNoEvict),
        docs: Docs {
            summary: "Keeps this connection when others are closed to free memory.",
            since: "7.0.0",
            group: "connection",
            complexity: "O(1)",
            arguments: "enabled{on!ON off!OFF}",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|no-touch",
        arity: 3,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientNoTouch),
        docs: Docs {
            summary: "Lets this connection read without marking keys as used.",
            since: "7.2.0",
            group: "connection",
            complexity: "O(1)",
            arguments: "enabled{on!ON off!OFF}",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|pause",
        arity: -3,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS | Category::CONNECTION,
        run: Run::Server(Verb::ClientPause),
        docs: Docs {
            summary: "Holds back the commands of all connections.",
            since: "3.0.0",
            group: "connection",
            complexity: "O(1)",
            history: &[("6.2.0", "Modes `WRITE` and `ALL`.")],
            arguments: "timeout:int mode{write!WRITE all!ALL}?@6.2.0",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|reply",
        arity: 3,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientReply),
        docs: Docs {
            summary: "Turns replies to this connection on or off.",
            since: "3.2.0",
            group: "connection",
            complexity: "O(1)",
            arguments: "action{on!ON off!OFF skip!SKIP}",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|setinfo",
        arity: 4,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientSetinfo),
        docs: Docs {
            summary: "Tells the server which client library this is.",
            since: "7.2.0",
            group: "connection",
            complexity: "O(1)",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            arguments: "attr{libname=LIB-NAME libver=LIB-VER}",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|setname",
        arity: 3,
        flags: Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::SLOW | Category::CONNECTION,
        run: Run::Server(Verb::ClientSetname),
        docs: Docs {
            summary: "Names this connection.",
            since: "2.6.9",
            group: "connection",
            complexity: "O(1)",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            arguments: "connection-name",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|unblock",
        arity: -3,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS | Category::CONNECTION,
        run: Run::Server(Verb::ClientUnblock),
        docs: Docs {
            summary: "Ends a client's wait for a key.",
            since: "5.0.0",
            group: "connection",
            complexity: "O(log N), N: client connections",
            arguments: "client-id:int unblock-type{timeout!TIMEOUT error!ERROR}?",
            ..Docs::NONE
        },
        ..Row::NONE
    },
    Row {
        name: "client|unpause",
        arity: 2,
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS | Category::CONNECTION,
        run: Run::Server(Verb::ClientUnpause),
        docs: Docs {
            summary: "Ends a pause.",
            since: "6.2.0",
            group: "connection",
            complexity: "O(N), N: paused connections",
            ..Docs::NONE
        },
        ..Row::NONE
    },
];
