//! Room: command. The notation in which rows write their arguments down, and how COMMAND DOCS shows it.
//! Touches: base.
//!
//! ```text
//! list     = argument { " " argument }
//! argument = name form { mark }
//! form     = ""                a string
//!          | ":int" | ":double" | ":pattern" | ":time"
//!          | ":key" digit      a key; the digit is the index of its key specification
//!          | ":pattern" digit  what makes keys, in the same way
//!          | "!" TOKEN         a word that stands for itself; `=`, `~` and `*` are words too
//!          | "{" list "}"      one of these
//!          | "(" list ")"      all of these, in this order
//! mark     = "=" TOKEN         the word that precedes it
//!          | "?"               may be left out
//!          | "*"               may be repeated
//!          | "+"               the token is repeated with it
//!          | "@" version       since when
//!          | "~" version       since when deprecated
//!          | "/" text          how a syntax line shows it, if not by its name; the last mark
//! ```
//!
//! `SET`: `key:key0 value condition{nx!NX xx!XX}?@2.6.12 get!GET?@6.2.0 …`

use base::Reply;

/// One argument, its parts borrowed from the row's text.
#[derive(Clone, PartialEq, Debug)]
pub struct Argument<'a> {
    pub name: &'a str,
    pub kind: Kind<'a>,
    pub token: Option<&'a str>,
    pub optional: bool,
    pub multiple: bool,
    pub multiple_token: bool,
    pub since: Option<&'a str>,
    pub deprecated_since: Option<&'a str>,
    pub display: Option<&'a str>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Kind<'a> {
    String,
    Integer,
    Double,
    /// Of keys, by the index of their key specification.
    Pattern(Option<usize>),
    UnixTime,
    Key(usize),
    Token,
    OneOf(Vec<Argument<'a>>),
    Block(Vec<Argument<'a>>),
}

impl Kind<'_> {
    fn name(&self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Pattern(_) => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::Key(_) => "key",
            Kind::Token => "pure-token",
            Kind::OneOf(_) => "oneof",
            Kind::Block(_) => "block",
        }
    }
}

/// Reads a row's arguments. `None`: the text does not keep to the notation (a test reads every row's).
pub fn parse(text: &str) -> Option<Vec<Argument<'_>>> {
    let mut rest = text;
    let list = if text.is_empty() { Vec::new() } else { list(&mut rest)? };
    rest.is_empty().then_some(list)
}

fn list<'a>(rest: &mut &'a str) -> Option<Vec<Argument<'a>>> {
    let mut all = vec![argument(rest)?];
    while let Some(more) = rest.strip_prefix(' ') {
        *rest = more;
        all.push(argument(rest)?);
    }
    Some(all)
}

/// What stands before the next character that has a meaning; never nothing.
fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let end = rest.find([' ', ':', '!', '{', '}', '(', ')', '=', '?', '*', '+', '@', '~', '/']).unwrap_or(rest.len());
    let (word, more) = rest.split_at(end);
    *rest = more;
    (!word.is_empty()).then_some(word)
}

/// A word, or one of the marks that stand for themselves in XADD.
fn token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if !rest.starts_with(['=', '~', '*']) {
        return word(rest);
    }
    let (mark, more) = rest.split_at(1);
    *rest = more;
    Some(mark)
}

fn argument<'a>(rest: &mut &'a str) -> Option<Argument<'a>> {
    let mut a = Argument {
        name: word(rest)?,
        kind: Kind::String,
        token: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        since: None,
        deprecated_since: None,
        display: None,
    };
    while let Some(c) = rest.chars().next() {
        if matches!(c, ' ' | ')' | '}') {
            break;
        }
        *rest = &rest[c.len_utf8()..];
        match c {
            ':' => {
                a.kind = match word(rest)? {
                    "int" => Kind::Integer,
                    "double" => Kind::Double,
                    "pattern" => Kind::Pattern(None),
                    "time" => Kind::UnixTime,
                    pattern if pattern.starts_with("pattern") => {
                        Kind::Pattern(Some(pattern["pattern".len()..].parse().ok()?))
                    }
                    key => Kind::Key(key.strip_prefix("key")?.parse().ok()?),
                }
            }
            '!' => (a.kind, a.token) = (Kind::Token, Some(token(rest)?)),
            '{' | '(' => {
                let parts = list(rest)?;
                *rest = rest.strip_prefix(if c == '{' { '}' } else { ')' })?;
                a.kind = if c == '{' { Kind::OneOf(parts) } else { Kind::Block(parts) };
            }
            '=' => a.token = Some(word(rest)?),
            '?' => a.optional = true,
            '*' => a.multiple = true,
            '+' => a.multiple_token = true,
            '@' => a.since = Some(word(rest)?),
            '~' => a.deprecated_since = Some(word(rest)?),
            // Colons may stand in it: `ip:port`.
            '/' => {
                let end = rest.find([' ', ')', '}']).unwrap_or(rest.len());
                a.display = Some(&rest[..end]);
                *rest = &rest[end..];
            }
            _ => return None,
        }
    }
    Some(a)
}

/// Speaks arguments as COMMAND DOCS does.
pub fn speak(arguments: &[Argument<'_>], reply: &mut dyn Reply) {
    reply.array(arguments.len());
    for a in arguments {
        let parts = match &a.kind {
            Kind::OneOf(parts) | Kind::Block(parts) => Some(parts),
            _ => None,
        };
        let flags = [(a.optional, "optional"), (a.multiple, "multiple"), (a.multiple_token, "multiple_token")];
        let flags: Vec<&str> = flags.into_iter().filter(|f| f.0).map(|f| f.1).collect();
        let texts = [
            ("name", Some(a.name)),
            ("type", Some(a.kind.name())),
            ("display_text", parts.is_none().then(|| a.display.unwrap_or(a.name))),
        ];
        let more = [("token", a.token), ("since", a.since), ("deprecated_since", a.deprecated_since)];
        let given = texts.iter().chain(&more).filter(|t| t.1.is_some()).count();
        let key = if let Kind::Key(spec) | Kind::Pattern(Some(spec)) = a.kind { Some(spec) } else { None };
        reply.map(given + usize::from(key.is_some()) + usize::from(!flags.is_empty()) + usize::from(parts.is_some()));
        speak_texts(&texts, reply);
        if let Some(spec) = key {
            reply.bulk(b"key_spec_index");
            reply.int(spec as i64);
        }
        speak_texts(&more, reply);
        if !flags.is_empty() {
            reply.bulk(b"flags");
            reply.set(flags.len());
            flags.iter().for_each(|flag| reply.simple(flag));
        }
        if let Some(parts) = parts {
            reply.bulk(b"arguments");
            speak(parts, reply);
        }
    }
}

fn speak_texts(texts: &[(&str, Option<&str>)], reply: &mut dyn Reply) {
    for (name, text) in texts {
        if let Some(text) = text {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Keys;
    use crate::table::rows;

    #[test]
    fn every_row_keeps_to_the_notation() {
        for row in rows() {
            let arguments = parse(row.docs.arguments).unwrap_or_else(|| panic!("{}: {}", row.name, row.docs.arguments));
            let specs = match row.keys {
                // What is no key is told as a text.
                Keys::Specs(specs) | Keys::Sought(specs, _) => {
                    specs.iter().filter(|spec| spec.flags & crate::row::KeyFlag::NOT_KEY == 0).count()
                }
                _ => usize::from(row.keys_are_told()),
            };
            let keys = |a: &Argument<'_>| if let Kind::Key(spec) = a.kind { Some(spec) } else { None };
            let mut told: Vec<usize> = arguments.iter().filter_map(keys).collect();
            for a in &arguments {
                if let Kind::Block(parts) | Kind::OneOf(parts) = &a.kind {
                    told.extend(parts.iter().filter_map(keys));
                }
            }
            assert!(told.iter().all(|&spec| spec < specs.max(1)), "{}", row.name);
            assert_eq!(told.is_empty(), specs == 0, "{}", row.name);
        }
    }

    #[test]
    fn marks_are_read() {
        let [a, b, c] = &parse("x:int=EX?*+@1.0~2.0/a:b y{p!P q(r s:key1)} z").unwrap()[..] else { panic!() };
        assert_eq!((a.name, &a.kind, a.token), ("x", &Kind::Integer, Some("EX")));
        assert!(a.optional && a.multiple && a.multiple_token);
        assert_eq!((a.since, a.deprecated_since, a.display), (Some("1.0"), Some("2.0"), Some("a:b")));
        let Kind::OneOf(parts) = &b.kind else { panic!() };
        assert_eq!((parts[0].token, &parts[0].kind), (Some("P"), &Kind::Token));
        let Kind::Block(parts) = &parts[1].kind else { panic!() };
        assert_eq!((parts[0].name, &parts[1].kind), ("r", &Kind::Key(1)));
        assert_eq!((c.name, &c.kind), ("z", &Kind::String));
        for wrong in ["a  b", " a", "a ", "a{b", "a}", "a:what", "a:keyx", "!A", "a="] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
