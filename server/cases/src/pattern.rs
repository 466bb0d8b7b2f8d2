//! What a `.case` file expects of a reply.

use crate::text::{glob, quoted};
use crate::value::Value;

/// A reply, or what it must be like.
#[derive(Clone, PartialEq, Debug)]
pub enum Pattern {
    /// `_`: anything.
    Any,
    /// `1..5`: a whole number from 1 to 5.
    Between(i64, i64),
    /// `~"a*"`: a text, of whatever type, that fits.
    Like(Vec<u8>),
    /// Everything that has no parts.
    Exactly(Value),
    /// Kind, elements, and whether more may follow (`...`).
    List(Kind, Vec<Pattern>, bool),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Array,
    /// `sorted[…]`: an array in any order.
    AnyOrder,
    Map,
    Set,
    Push,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, String> {
        if let Some(error) = text.strip_prefix('-')
            && !error.starts_with(|c: char| c.is_ascii_digit())
        {
            let text = format!("\"{}\"", error.replace('"', "\\\""));
            return Ok(Pattern::Exactly(Value::Error(quoted(&text)?.0)));
        }
        let mut rest = text.trim();
        let pattern = one(&mut rest)?;
        if rest.is_empty() { Ok(pattern) } else { Err(format!("too much: {rest}")) }
    }

    pub fn fits(&self, value: &Value) -> bool {
        match (self, value) {
            (Pattern::Any, _) => true,
            (Pattern::Between(low, high), Value::Int(n)) => (low..=high).contains(&n),
            (Pattern::Like(like), Value::Simple(t) | Value::Error(t) | Value::Bulk(t) | Value::Verbatim(_, t)) => {
                glob(like, t)
            }
            (Pattern::Like(like), Value::Double(t) | Value::BigNumber(t)) => glob(like, t.as_bytes()),
            (Pattern::Exactly(expected), value) => expected == value,
            (Pattern::List(Kind::AnyOrder, all, more), Value::Array(values)) => any_order(all, values, *more),
            // Sets and maps have no order.
            (Pattern::List(Kind::Set, all, more), Value::Set(values)) => any_order(all, values, *more),
            (Pattern::List(Kind::Map, all, more), Value::Map(values)) => {
                (all.len() == values.len() || *more && all.len() < values.len())
                    && all
                        .chunks(2)
                        .all(|pair| values.chunks(2).any(|found| pair[0].fits(&found[0]) && pair[1].fits(&found[1])))
            }
            (Pattern::List(Kind::Array, all, more), Value::Array(values))
            | (Pattern::List(Kind::Push, all, more), Value::Push(values)) => {
                (all.len() == values.len() || *more && all.len() < values.len())
                    && all.iter().zip(values).all(|(pattern, value)| pattern.fits(value))
            }
            _ => false,
        }
    }
}

/// Each pattern finds a value of its own. The first that fits is taken: enough for patterns that do not overlap.
fn any_order(all: &[Pattern], values: &[Value], more: bool) -> bool {
    let mut left: Vec<&Value> = values.iter().collect();
    let found = all.iter().all(|pattern| {
        let at = left.iter().position(|value| pattern.fits(value));
        at.map(|at| left.swap_remove(at)).is_some()
    });
    found && (more || left.is_empty())
}

fn one(rest: &mut &str) -> Result<Pattern, String> {
    let eat = |rest: &mut &str, prefix: &str| match rest.strip_prefix(prefix) {
        Some(more) => {
            *rest = more;
            true
        }
        None => false,
    };
    let string = |rest: &mut &str| {
        let (bytes, more) = quoted(rest)?;
        *rest = more;
        Ok::<_, String>(bytes)
    };
    for (open, kind) in
        [("sorted[", Kind::AnyOrder), ("~[", Kind::Set), (">[", Kind::Push), ("[", Kind::Array), ("{", Kind::Map)]
    {
        if eat(rest, open) {
            return list(rest, kind);
        }
    }
    if rest.starts_with('"') {
        return Ok(Pattern::Exactly(Value::Bulk(string(rest)?)));
    }
    if eat(rest, "~") {
        return Ok(Pattern::Like(string(rest)?));
    }
    if eat(rest, "+") {
        let text = if rest.starts_with('"') { string(rest)? } else { bare(rest).as_bytes().to_vec() };
        return Ok(Pattern::Exactly(Value::Simple(text)));
    }
    if rest.starts_with("-\"") {
        *rest = &rest[1..];
        return Ok(Pattern::Exactly(Value::Error(string(rest)?)));
    }
    if eat(rest, ",") {
        return Ok(Pattern::Exactly(Value::Double(bare(rest).into())));
    }
    if eat(rest, "(") {
        return Ok(Pattern::Exactly(Value::BigNumber(bare(rest).into())));
    }
    if eat(rest, "=") {
        let (format, more) = rest.split_once(':').ok_or("a format is missing")?;
        *rest = more;
        return Ok(Pattern::Exactly(Value::Verbatim(format.into(), string(rest)?)));
    }
    let word = bare(rest);
    match word {
        "_" => return Ok(Pattern::Any),
        "nil" => return Ok(Pattern::Exactly(Value::Nil)),
        "nil*" => return Ok(Pattern::Exactly(Value::NilArray)),
        "#t" => return Ok(Pattern::Exactly(Value::Boolean(true))),
        "#f" => return Ok(Pattern::Exactly(Value::Boolean(false))),
        _ => {}
    }
    if let Some((low, high)) = word.split_once("..")
        && let (Ok(low), Ok(high)) = (low.parse(), high.parse())
    {
        return Ok(Pattern::Between(low, high));
    }
    word.parse().map(|n| Pattern::Exactly(Value::Int(n))).map_err(|_| format!("no reply looks so: {word}{rest}"))
}

/// Up to the next blank or bracket.
fn bare<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find([' ', ']', '}']).unwrap_or(rest.len());
    // `key: value` of a map whose key is a bare word.
    let end = if rest[..end].ends_with(':') { end - 1 } else { end };
    let (word, more) = rest.split_at(end);
    *rest = more;
    word
}

fn list(rest: &mut &str, kind: Kind) -> Result<Pattern, String> {
    let close = if kind == Kind::Map { '}' } else { ']' };
    let (mut all, mut more) = (Vec::new(), false);
    loop {
        *rest = rest.trim_start();
        if let Some(end) = rest.strip_prefix(close) {
            *rest = end;
            if kind == Kind::Map && all.len() % 2 != 0 {
                return Err("a map's last key has no value".into());
            }
            return Ok(Pattern::List(kind, all, more));
        }
        if rest.is_empty() {
            return Err(format!("{close} is missing"));
        }
        if let Some(end) = rest.strip_prefix("...") {
            (*rest, more) = (end, true);
            continue;
        }
        all.push(one(rest)?);
        if kind == Kind::Map && all.len() % 2 == 1 {
            *rest = rest.strip_prefix(':').ok_or_else(|| format!("a colon is missing before {rest}"))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_should() {
        let check = |pattern: &str, bytes: &[u8], fits: bool| {
            let value = Value::decode(bytes).unwrap().unwrap().0;
            assert_eq!(Pattern::parse(pattern).unwrap().fits(&value), fits, "{pattern} {}", value.render());
            // What is shown is an expectation that fits.
            assert!(Pattern::parse(&value.render()).unwrap().fits(&value), "{}", value.render());
        };
        check("+OK", b"+OK\r\n", true);
        check("\"OK\"", b"+OK\r\n", false);
        check("-ERR a \"b\" c", b"-ERR a \"b\" c\r\n", true);
        check("-5", b":-5\r\n", true);
        check("1..3", b":3\r\n", true);
        check("1..3", b":4\r\n", false);
        check("-2..-1", b":-2\r\n", true);
        check("~\"a*z\"", b"$3\r\nabz\r\n", true);
        check("[1 _ nil]", b"*3\r\n:1\r\n+x\r\n$-1\r\n", true);
        check("[1 ...]", b"*3\r\n:1\r\n+x\r\n$-1\r\n", true);
        check("[1]", b"*3\r\n:1\r\n+x\r\n$-1\r\n", false);
        check("sorted[2 1]", b"*2\r\n:1\r\n:2\r\n", true);
        check("sorted[2 2]", b"*2\r\n:1\r\n:2\r\n", false);
        check("{\"b\": 2 +a: [1]}", b"%2\r\n+a\r\n*1\r\n:1\r\n$1\r\nb\r\n:2\r\n", true);
        check("{\"b\": 2 ...}", b"%2\r\n+a\r\n*1\r\n:1\r\n$1\r\nb\r\n:2\r\n", true);
        check("~[+b +a]", b"~2\r\n+a\r\n+b\r\n", true);
        check("[+b +a]", b"~2\r\n+a\r\n+b\r\n", false);
        check("[-\"ERR x\" ,1.5 #t (12 =txt:\"a\"]", b"*5\r\n-ERR x\r\n,1.5\r\n#t\r\n(12\r\n=5\r\ntxt:a\r\n", true);
        for wrong in ["", "[1", "{1}", "{\"a\": }", "foo", "\"a", "1 2"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
