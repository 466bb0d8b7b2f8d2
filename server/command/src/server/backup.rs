//! Room: command. Rows of the subcommands of `BACKUP`, which is Torc's own.

use crate::row::{Category, Docs, Flag, Row, Run, Verb};

/// Subcommands of `BACKUP`.
pub static BACKUP: [Row; 5] = [
    sub(
        "backup|delete",
        3,
        Verb::BackupDelete,
        Docs { arguments: "id", ..docs("Removes a backup.", "O(N), N: backups") },
    ),
    Row {
        name: "backup|help",
        arity: 2,
        flags: Flag::LOADING | Flag::STALE,
        acl: Category::SLOW,
        run: Run::Server(Verb::BackupHelp),
        docs: docs("Lists the subcommands.", "O(1)"),
        ..Row::NONE
    },
    Row {
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::LOADING | Flag::STALE,
        ..sub("backup|info", 2, Verb::BackupInfo, docs("Tells how backups go.", "O(1)"))
    },
    sub("backup|list", 2, Verb::BackupList, docs("Lists the backups there are.", "O(N), N: backups")),
    Row {
        flags: Flag::ADMIN | Flag::NOSCRIPT | Flag::NO_ASYNC_LOADING,
        ..sub(
            "backup|now",
            -2,
            Verb::BackupNow,
            Docs { arguments: "place=TO?", ..docs("Makes a backup and tells its name.", "O(N), N: keys") },
        )
    },
];

const fn sub(name: &'static str, arity: i16, verb: Verb, docs: Docs) -> Row {
    Row {
        name,
        arity,
        flags: Flag::ADMIN | Flag::NOSCRIPT,
        acl: Category::ADMIN | Category::SLOW | Category::DANGEROUS,
        run: Run::Server(verb),
        docs,
        ..Row::NONE
    }
}

const fn docs(summary: &'static str, complexity: &'static str) -> Docs {
    Docs { summary, since: "7.2.0", group: "server", complexity, ..Docs::NONE }
}
