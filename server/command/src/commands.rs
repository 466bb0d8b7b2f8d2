//! Room: command. COMMAND and its subcommands: the table, shown. Touches: base.
//! memcached's rows are not commands of RESP and do not appear.

use crate::row::{Category, Docs, Flag, KeyFlag, KeySpec, Keys, Row, Verb};
use crate::table::{Names, find_sub, keys_of};
use crate::{docs, help};
use base::{Args, Fault, Reply, glob};

/// Answers COMMAND and its subcommands. `known`: the commands that there are.
pub fn command(known: &Names, verb: Verb, args: Args<'_>, reply: &mut dyn Reply) {
    match verb {
        Verb::CommandCount => reply.int(known.commands().len() as i64),
        Verb::CommandList => list(known, args, reply),
        Verb::CommandInfo if args.len() > 2 => {
            reply.array(args.len() - 2);
            for name in args.from(2).iter() {
                match known.find_full(name) {
                    Some(row) => info(row, reply),
                    None => reply.null(),
                }
            }
        }
        Verb::CommandDocs if args.len() > 2 => {
            let rows: Vec<&Row> = args.from(2).iter().filter_map(|name| known.find_full(name)).collect();
            reply.map(rows.len());
            rows.iter().for_each(|row| named_docs(row, reply));
        }
        Verb::CommandDocs => {
            let rows = known.commands();
            reply.map(rows.len());
            rows.iter().for_each(|row| named_docs(row, reply));
        }
        Verb::CommandGetkeys => get_keys(known, args, false, reply),
        Verb::CommandGetkeysandflags => get_keys(known, args, true, reply),
        Verb::CommandHelp => help::help("command", reply),
        // COMMAND, COMMAND INFO.
        _ => {
            let rows = known.commands();
            reply.array(rows.len());
            rows.iter().for_each(|row| info(row, reply));
        }
    }
}

/// A set of simple strings, in the order of `names`.
fn names<T: Copy>(names: &[(&'static str, T)], has: impl Fn(T) -> bool, prefix: &str, reply: &mut dyn Reply) {
    let given = || names.iter().filter(|(_, bit)| has(*bit));
    reply.set(given().count());
    given().for_each(|(name, _)| reply.simple(&format!("{prefix}{name}")));
}

/// One entry of COMMAND INFO.
fn info(row: &Row, reply: &mut dyn Reply) {
    let (first, last, step) = row.key_range();
    reply.array(10);
    reply.bulk(row.name.as_bytes());
    reply.int(row.arity.into());
    names(&Flag::NAMES, |bit| row.flags & bit != 0, "", reply);
    reply.int(first as i64);
    reply.int(last as i64);
    reply.int(step as i64);
    names(&Category::NAMES, |bit| row.acl & bit != 0, "@", reply);
    reply.set(row.docs.tips.len());
    row.docs.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    key_specs(row, reply);
    // Redis: an array of subcommands, but an empty set where there are none.
    if row.subs.is_empty() {
        reply.set(0);
    } else {
        reply.array(row.subs.len());
        row.subs.iter().for_each(|sub| info(sub, reply));
    }
}

fn key_specs(row: &Row, reply: &mut dyn Reply) {
    let (Keys::Specs(specs) | Keys::Sought(specs, _)) = row.keys else {
        return reply.set(0);
    };
    reply.set(specs.len());
    for spec in specs {
        reply.map(3 + usize::from(!spec.notes.is_empty()));
        if !spec.notes.is_empty() {
            reply.bulk(b"notes");
            reply.bulk(spec.notes.as_bytes());
        }
        reply.bulk(b"flags");
        names(&KeyFlag::NAMES, |bit| spec.flags & bit != 0, "", reply);
        reply.bulk(b"begin_search");
        if spec.is_unknown() {
            typed(b"unknown", &[], reply);
            reply.bulk(b"find_keys");
            typed(b"unknown", &[], reply);
            continue;
        }
        if spec.keyword.is_empty() {
            typed(b"index", &[("index", spec.first as i64)], reply);
        } else {
            kind_of(b"keyword", 2, reply);
            reply.bulk(b"keyword");
            reply.bulk(spec.keyword.as_bytes());
            reply.bulk(b"startfrom");
            reply.int(spec.first as i64);
        }
        reply.bulk(b"find_keys");
        let (last, step, limit) = (spec.last as i64, spec.step as i64, spec.limit as i64);
        if spec.counted {
            typed(b"keynum", &[("keynumidx", 0), ("firstkey", 1), ("keystep", step)], reply);
        } else {
            typed(b"range", &[("lastkey", last), ("keystep", step), ("limit", limit)], reply);
        }
    }
}

fn kind_of(kind: &[u8], facts: usize, reply: &mut dyn Reply) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind);
    reply.bulk(b"spec");
    reply.map(facts);
}

fn typed(kind: &[u8], spec: &[(&str, i64)], reply: &mut dyn Reply) {
    kind_of(kind, spec.len(), reply);
    for (name, n) in spec {
        reply.bulk(name.as_bytes());
        reply.int(*n);
    }
}

fn named_docs(row: &Row, reply: &mut dyn Reply) {
    reply.bulk(row.name.as_bytes());
    let Docs { summary, since, group, complexity, deprecated, history, arguments, .. } = row.docs;
    let mut doc_flags = Vec::new();
    if deprecated.is_some() {
        doc_flags.push("deprecated");
    }
    if row.is(Flag::SYSCMD) {
        doc_flags.push("syscmd");
    }
    let given = [
        true,
        true,
        true,
        !complexity.is_empty(),
        !doc_flags.is_empty(),
        deprecated.is_some(),
        deprecated.is_some(),
        !history.is_empty(),
        !arguments.is_empty(),
        !row.subs.is_empty(),
    ];
    reply.map(given.into_iter().filter(|g| *g).count());
    let text = |name: &str, text: &str, reply: &mut dyn Reply| {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    };
    text("summary", summary, reply);
    text("since", since, reply);
    text("group", group, reply);
    if !complexity.is_empty() {
        text("complexity", complexity, reply);
    }
    if !doc_flags.is_empty() {
        reply.bulk(b"doc_flags");
        reply.set(doc_flags.len());
        doc_flags.iter().for_each(|flag| reply.simple(flag));
    }
    if let Some((since, instead)) = deprecated {
        text("deprecated_since", since, reply);
        text("replaced_by", instead, reply);
    }
    if !history.is_empty() {
        reply.bulk(b"history");
        reply.set(history.len());
        for (version, change) in history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
    }
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        docs::speak(&docs::parse(arguments).unwrap_or_default(), reply);
    }
    if !row.subs.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(row.subs.len());
        row.subs.iter().for_each(|sub| named_docs(sub, reply));
    }
}

/// COMMAND LIST [FILTERBY MODULE name|ACLCAT category|PATTERN pattern]
fn list(known: &Names, args: Args<'_>, reply: &mut dyn Reply) {
    let commands = known.commands();
    let all = || commands.iter().flat_map(|&row| std::iter::once(row).chain(row.subs));
    let rows: Vec<&Row> = match args.len() {
        2 => all().collect(),
        5 if args.is(2, "FILTERBY") => {
            let arg = args.at(4);
            if args.is(3, "MODULE") {
                // No modules here: none has any commands.
                Vec::new()
            } else if args.is(3, "ACLCAT") {
                let category = Category::by_name(arg).unwrap_or(0);
                all().filter(|row| row.acl & category != 0).collect()
            } else if args.is(3, "PATTERN") {
                all().filter(|row| glob::matches(arg, row.name.as_bytes(), true)).collect()
            } else {
                return reply.fault(&Fault::Syntax);
            }
        }
        _ => return reply.fault(&Fault::Syntax),
    };
    reply.array(rows.len());
    rows.iter().for_each(|row| reply.bulk(row.name.as_bytes()));
}

/// COMMAND GETKEYS command [arg ...], COMMAND GETKEYSANDFLAGS command [arg ...]
fn get_keys(known: &Names, args: Args<'_>, with_flags: bool, reply: &mut dyn Reply) {
    let ask = args.from(2);
    let mut row = ask.get(0).and_then(|verb| known.find(verb));
    if let (Some(container), Some(word)) = (row, ask.get(1))
        && !container.subs.is_empty()
    {
        row = find_sub(container, word);
    }
    let Some(row) = row else {
        return reply.fault(&Fault::err("Invalid command specified"));
    };
    if matches!(row.keys, Keys::None) {
        return reply.fault(&Fault::err("The command has no key arguments"));
    }
    if !row.takes(ask.len()) {
        return reply.fault(&Fault::err("Invalid number of arguments specified for command"));
    }
    let mut keys = Vec::new();
    let found = match row.keys {
        // As Redis: the specifications, not the command, tell.
        Keys::Sought(specs, _) if !specs.iter().any(KeySpec::is_unknown) => {
            let each: Vec<_> = specs.iter().map(|spec| spec.find(ask)).collect();
            let whole = specs.iter().zip(&each).all(|(spec, found)| !found.is_empty() || !spec.keyword.is_empty());
            keys = each.concat();
            whole
        }
        _ => keys_of(row, ask, &mut keys).is_ok(),
    };
    if !found || keys.is_empty() {
        if row.is(Flag::NO_MANDATORY_KEYS) {
            return reply.array(0);
        }
        return reply.fault(&Fault::err("Invalid arguments specified for command"));
    }
    reply.array(keys.len());
    for &at in &keys {
        if with_flags {
            reply.array(2);
        }
        reply.bulk(&ask[at]);
        if with_flags {
            let flags = key_flags(row, ask, at);
            names(&KeyFlag::NAMES, |bit| flags & bit != 0, "", reply);
        }
    }
}

/// What an ask does to the key that is its word `at`.
fn key_flags(row: &Row, ask: Args<'_>, at: usize) -> u16 {
    let (Keys::Specs(specs) | Keys::Sought(specs, _)) = row.keys else { return 0 };
    // Of keys that no specification finds, the last one tells that finds none.
    let unknown = specs.iter().rev().find(|s| s.is_unknown());
    let flags = specs.iter().find(|s| s.find(ask).contains(&at)).or(unknown).map_or(0, |s| s.flags);
    match flags & KeyFlag::VARIABLE {
        0 => flags,
        // As bitfieldGetKeys: a mistake may be a change.
        _ if row.name == "bitfield" && only_gets(ask.from(2)) => KeyFlag::RO | KeyFlag::ACCESS,
        _ if row.name == "bitfield" => KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
        // SET: it reads the old value if it is told to GET it.
        _ if (3..ask.len()).any(|i| ask.is(i, "GET")) => KeyFlag::RW | KeyFlag::ACCESS | KeyFlag::UPDATE,
        _ => KeyFlag::OW | KeyFlag::UPDATE,
    }
}

/// Whether words of BITFIELD behind its key change nothing.
fn only_gets(words: Args<'_>) -> bool {
    let mut i = 0;
    while i < words.len() {
        let left = words.len() - i - 1;
        i += match () {
            () if words.is(i, "GET") && left >= 2 => 3,
            () if words.is(i, "OVERFLOW") && left >= 1 => 2,
            () => return false,
        };
    }
    true
}
