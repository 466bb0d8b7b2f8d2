//! Replies of RESP2 and RESP3: bytes to values, values to one line of text.

use crate::text::escape;

/// One reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    NilArray,
    Array(Vec<Value>),
    /// Key, value, key, value, ...
    Map(Vec<Value>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    /// Attributes and the reply they belong to.
    Attribute(Vec<Value>, Box<Value>),
    Double(String),
    Boolean(bool),
    BigNumber(String),
    Verbatim(String, Vec<u8>),
}

impl Value {
    /// Reads one reply from the start of `bytes`; how many it took. `Ok(None)`: more bytes are needed.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Value, usize)>, String> {
        let mut at = 0;
        let value = read(bytes, &mut at, 0)?;
        Ok(value.map(|value| (value, at)))
    }

    /// One line, as the expectations of `.case` files write it.
    pub fn render(&self) -> String {
        match self {
            Value::Error(text) => {
                let text = escape(text).replace("\\\"", "\"");
                // A blank at a line's end would be lost.
                text.strip_suffix(' ').map_or_else(|| format!("-{text}"), |text| format!("-{text}\\x20"))
            }
            other => other.inner(),
        }
    }

    fn inner(&self) -> String {
        let list = |open: &str, all: &[Value], close: &str| {
            let all: Vec<String> = all.iter().map(Value::inner).collect();
            format!("{open}{}{close}", all.join(" "))
        };
        match self {
            Value::Simple(text) if is_word(text) => format!("+{}", escape(text)),
            Value::Simple(text) => format!("+\"{}\"", escape(text)),
            Value::Error(text) => format!("-\"{}\"", escape(text)),
            Value::Int(n) => n.to_string(),
            Value::Bulk(bytes) => format!("\"{}\"", escape(bytes)),
            Value::Nil => "nil".into(),
            Value::NilArray => "nil*".into(),
            Value::Array(all) => list("[", all, "]"),
            Value::Map(all) => {
                let pairs: Vec<String> = all.chunks(2).map(|p| format!("{}: {}", p[0].inner(), p[1].inner())).collect();
                format!("{{{}}}", pairs.join(" "))
            }
            Value::Set(all) => list("~[", all, "]"),
            Value::Push(all) => list(">[", all, "]"),
            Value::Attribute(all, value) => format!("{}{}", list("|[", all, "]"), value.inner()),
            Value::Double(text) => format!(",{text}"),
            Value::Boolean(yes) => if *yes { "#t" } else { "#f" }.into(),
            Value::BigNumber(text) => format!("({text}"),
            Value::Verbatim(format, bytes) => format!("={format}:\"{}\"", escape(bytes)),
        }
    }
}

/// A simple string that needs no quotes.
pub(crate) fn is_word(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"_-@.|:".contains(b))
}

/// A reply that is nested deeper is no reply of a sane server.
const DEPTH_MAX: usize = 64;

fn read(bytes: &[u8], at: &mut usize, depth: usize) -> Result<Option<Value>, String> {
    if depth > DEPTH_MAX {
        return Err("nested too deep".into());
    }
    let Some(length) = bytes[*at..].windows(2).position(|w| w == b"\r\n") else { return Ok(None) };
    let line = &bytes[*at..*at + length];
    let (&kind, rest) = line.split_first().ok_or("an empty line where a reply should begin")?;
    *at += length + 2;
    let text = || String::from_utf8_lossy(rest).into_owned();
    let number = || text().parse::<i64>().map_err(|_| format!("no number: {}", escape(line)));
    let value = match kind {
        b'+' => Value::Simple(rest.to_vec()),
        b'-' => Value::Error(rest.to_vec()),
        b':' => Value::Int(number()?),
        b'_' => Value::Nil,
        b',' => Value::Double(text()),
        b'#' => Value::Boolean(rest == b"t"),
        b'(' => Value::BigNumber(text()),
        b'$' | b'=' | b'!' => {
            let n = number()?;
            if n < 0 {
                return Ok(Some(Value::Nil));
            }
            let n = n as usize;
            let Some(data) = bytes.get(*at..*at + n + 2) else { return Ok(None) };
            let (data, end) = data.split_at(n);
            if end != b"\r\n" {
                return Err("a bulk without its end".into());
            }
            *at += n + 2;
            match kind {
                b'$' => Value::Bulk(data.to_vec()),
                b'!' => Value::Error(data.to_vec()),
                _ if data.len() >= 4 => Value::Verbatim(String::from_utf8_lossy(&data[..3]).into(), data[4..].to_vec()),
                _ => return Err("a verbatim string without its format".into()),
            }
        }
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            let n = number()?;
            if n < 0 {
                return Ok(Some(Value::NilArray));
            }
            let n = if matches!(kind, b'%' | b'|') { n * 2 } else { n };
            let mut all = Vec::new();
            for _ in 0..n {
                match read(bytes, at, depth + 1)? {
                    Some(value) => all.push(value),
                    None => return Ok(None),
                }
            }
            match kind {
                b'*' => Value::Array(all),
                b'~' => Value::Set(all),
                b'>' => Value::Push(all),
                b'%' => Value::Map(all),
                _ => match read(bytes, at, depth + 1)? {
                    Some(value) => Value::Attribute(all, Box::new(value)),
                    None => return Ok(None),
                },
            }
        }
        _ => return Err(format!("no reply begins so: {}", escape(line))),
    };
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_at_every_cut_and_shown() {
        let check = |bytes: &[u8], text: &str| {
            for cut in 0..bytes.len() {
                assert_eq!(Value::decode(&bytes[..cut]).unwrap(), None, "{text} cut at {cut}");
            }
            let (value, used) = Value::decode(bytes).unwrap().unwrap();
            assert_eq!((value.render().as_str(), used), (text, bytes.len()));
        };
        check(b"+OK\r\n", "+OK");
        check(b"+a b\r\n", "+\"a b\"");
        check(b"-ERR no \"x\"\r\n", "-ERR no \"x\"");
        check(b"-ERR x \r\n", "-ERR x\\x20");
        check(b":-5\r\n", "-5");
        check(b"$3\r\na\r\n\r\n", "\"a\\r\\n\"");
        check(b"$-1\r\n", "nil");
        check(b"_\r\n", "nil");
        check(b"*-1\r\n", "nil*");
        check(b"*2\r\n*0\r\n-ERR\r\n", "[[] -\"ERR\"]");
        check(b"%1\r\n+a\r\n~2\r\n#t\r\n,1.5\r\n", "{+a: ~[#t ,1.5]}");
        check(b">1\r\n(12\r\n", ">[(12]");
        check(b"=6\r\ntxt:ab\r\n", "=txt:\"ab\"");
        check(b"|1\r\n+a\r\n:1\r\n:2\r\n", "|[+a 1]2");
        assert!(Value::decode(b"hello\r\n").is_err() && Value::decode(b":x\r\n").is_err());
    }
}
