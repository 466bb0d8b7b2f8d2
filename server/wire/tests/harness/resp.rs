//! RESP's side of the harness.

use super::{Rng, cuts, mangle};
use base::{Args, ArgsBuf, Fault};
use wire::resp::{ParseLimits, Parsed, Parser};

/// What was seen, and at which byte of the stream the next begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    Ask(ArgsBuf, usize),
    Empty(usize),
    Fault(Fault),
    TooBig,
}

pub fn run(seed: u64) -> Vec<String> {
    let mut rng = Rng::new(seed);
    let stream = stream(&mut rng);
    let limits = ParseLimits { bulk_bytes_max: rng.pick(&[100, 40_000, 512 << 20]), authenticated: !rng.one_in(4) };
    let expected = twin(&stream, &limits);
    for style in 0..4 {
        // Byte by byte is for short streams: the buffer of an unbounded line would be searched for long.
        if style == 1 && stream.len() > 5000 {
            continue;
        }
        let cuts = cuts(&mut rng, stream.len(), style);
        let seen = drive(&stream, &cuts, &limits);
        super::compare(&seen, &expected, || {
            let shown: String = stream.escape_ascii().to_string().chars().take(2000).collect();
            format!("resp, seed {seed}, style {style}, {limits:?}, {} bytes: {shown}", stream.len())
        });
    }
    expected.iter().map(label).collect()
}

fn label(seen: &Seen) -> String {
    match seen {
        Seen::Ask(..) => "ask".into(),
        Seen::Empty(_) => "empty".into(),
        Seen::Fault(fault) => fault.resp().split(", got").next().unwrap_or_default().into(),
        Seen::TooBig => "too big".into(),
    }
}

/// Feeds the stream piece by piece, as a connection's buffer would.
pub fn drive(stream: &[u8], cuts: &[usize], limits: &ParseLimits) -> Vec<Seen> {
    let (mut parser, mut spans, mut seen) = (Parser::new(), Vec::new(), Vec::new());
    let mut start = 0;
    for &cut in cuts {
        while start < cut {
            let bytes = &stream[start..cut];
            spans.clear();
            match parser.parse(bytes, &mut spans, limits) {
                Parsed::Ask { used } => {
                    assert!(0 < used && used <= bytes.len());
                    start += used;
                    seen.push(Seen::Ask(Args::new(&bytes[..used], &spans).into(), start));
                }
                Parsed::Quoted { used, words } => {
                    assert!(0 < used && used <= bytes.len() && spans.is_empty());
                    start += used;
                    seen.push(if words.args().is_empty() { Seen::Empty(start) } else { Seen::Ask(words, start) });
                }
                Parsed::Empty { used } => {
                    assert!(0 < used && used <= bytes.len() && spans.is_empty());
                    start += used;
                    seen.push(Seen::Empty(start));
                }
                Parsed::More { need } => {
                    assert!(need == 0 || need > bytes.len(), "needs {need} of {}", bytes.len());
                    assert!(spans.is_empty());
                    // A word takes 6 bytes at least, a span 8, a vector up to twice its content.
                    assert!(parser.heap_bytes() <= 200 + bytes.len() * 3, "{} held", parser.heap_bytes());
                    break;
                }
                Parsed::Fault(fault) => {
                    seen.push(Seen::Fault(fault));
                    return seen;
                }
                Parsed::TooBig => {
                    seen.push(Seen::TooBig);
                    return seen;
                }
            }
            assert_eq!(parser.heap_bytes(), 0, "an idle parser holds memory");
        }
    }
    seen
}

/// A stream of asks, good and bad.
pub fn stream(rng: &mut Rng) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..1 + rng.below(6) {
        let mut ask = ask(rng);
        if rng.one_in(3) {
            mangle(rng, &mut ask);
        }
        stream.extend(ask);
    }
    stream
}

fn ask(rng: &mut Rng) -> Vec<u8> {
    if rng.one_in(4) {
        let mut line = Vec::new();
        for _ in 0..rng.below(5) {
            let len = rng.length();
            line.extend(match rng.below(4) {
                0 => rng.bytes(rng.0 as usize % 12, b"\"'\\xn07fg r \t\x0b"),
                1 => [b"\"".as_slice(), &rng.bytes(len, b"ab\\\\x07n'"), b"\""].concat(),
                2 => [b"'".as_slice(), &rng.bytes(len, b"ab\\x\""), b"'"].concat(),
                _ => rng.bytes(len, b"abcxyz019\x80"),
            });
            let blanks = 1 + rng.below(2);
            line.extend(rng.bytes(blanks, b"    \t\x0b\x0c"));
        }
        line.extend_from_slice(rng.pick(&[b"\r\n".as_slice(), b"\n", b"\r\r\n"]));
        return line;
    }
    let words = if rng.one_in(30) { rng.below(300) } else { rng.below(5) };
    let said = if rng.one_in(20) {
        rng.pick(&["-1", "", "+1", "01", "2147483648", "99999999999999999999", "0", "1 "])
    } else {
        ""
    };
    let mut ask = if said.is_empty() { format!("*{words}\r\n") } else { format!("*{said}\r\n") }.into_bytes();
    for _ in 0..words {
        let len = rng.length();
        let said = if rng.one_in(60) {
            rng.pick(&["-1", "", "+3", "03", "536870913", "536870912", "4294967297", "99999999999999999999", "0"])
                .to_string()
        } else {
            len.to_string()
        };
        ask.extend_from_slice(format!("${said}\r\n").as_bytes());
        ask.extend(rng.bytes(len, b"GETSabc\r\n$*\0\xff"));
        ask.extend_from_slice(b"\r\n");
    }
    ask
}

/// The obvious parser: looks at all that is left, remembers nothing.
pub fn twin(stream: &[u8], limits: &ParseLimits) -> Vec<Seen> {
    let (mut seen, mut at) = (Vec::new(), 0);
    while at < stream.len() {
        match twin_one(&stream[at..], limits) {
            None => break,
            Some(Ok((words, used))) => {
                at += used;
                seen.push(if words.is_empty() {
                    Seen::Empty(at)
                } else {
                    Seen::Ask(words.iter().map(|w| &w[..]).collect(), at)
                });
            }
            Some(Err(text)) => {
                seen.push(Seen::Fault(Fault::err(format!("Protocol error: {text}"))));
                break;
            }
        }
    }
    seen
}

type Outcome = Option<Result<(Vec<Vec<u8>>, usize), String>>;

/// The text before `end`, if it is there, not further than 64 KiB, and no NUL before it. `Err`: it never can be.
fn line(bytes: &[u8], end: u8) -> Option<Result<&[u8], ()>> {
    let mut n = 0;
    while n <= 65536 && n < bytes.len() && bytes[n] != end && bytes[n] != 0 {
        n += 1;
    }
    if n <= 65536 && n < bytes.len() && bytes[n] == end {
        Some(Ok(&bytes[..n]))
    } else if bytes.len() > 65536 {
        Some(Err(()))
    } else {
        None
    }
}

fn strict(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<i64>().ok().filter(|n| n.to_string() == text)
}

fn twin_one(bytes: &[u8], limits: &ParseLimits) -> Outcome {
    let err = |text: &str| Some(Err(text.to_string()));
    if bytes[0] != b'*' {
        return match line(bytes, b'\n')? {
            Err(()) => err("too big inline request"),
            Ok(text) => match split(text.strip_suffix(b"\r").unwrap_or(text)) {
                Some(words) => Some(Ok((words, text.len() + 1))),
                None => err("unbalanced quotes in request"),
            },
        };
    }
    let Ok(head) = line(bytes, b'\r')? else { return err("too big mbulk count string") };
    bytes.get(head.len() + 1)?;
    let words = match strict(&head[1..]) {
        Some(n) if n <= i32::MAX as i64 => n,
        _ => return err("invalid multibulk length"),
    };
    if words > 10 && !limits.authenticated {
        return err("unauthenticated multibulk length");
    }
    let (mut at, mut found) = (head.len() + 2, Vec::new());
    for _ in 0..words {
        let rest = &bytes[at.min(bytes.len())..];
        let Ok(head) = line(rest, b'\r')? else { return err("too big bulk count string") };
        rest.get(head.len() + 1)?;
        if rest[0] != b'$' {
            let got = rest[0] as char;
            return err(&format!("expected '$', got '{got}'"));
        }
        let len = match strict(&head[1..]) {
            Some(n) if n >= 0 && n as usize <= limits.bulk_bytes_max => n as usize,
            _ => return err("invalid bulk length"),
        };
        if len > 16384 && !limits.authenticated {
            return err("unauthenticated bulk length");
        }
        found.push(rest.get(head.len() + 2..head.len() + 2 + len)?.to_vec());
        rest.get(head.len() + 2 + len + 1)?;
        at += head.len() + 2 + len + 2;
    }
    Some(Ok((found, at)))
}

/// Words of an inline line, one state and one byte at a time.
fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let space = |b: u8| matches!(b, b' ' | b'\t' | b'\n' | 11 | 12 | b'\r');
    let (mut words, mut i) = (Vec::new(), 0);
    loop {
        while i < line.len() && space(line[i]) {
            i += 1;
        }
        if i == line.len() {
            return Some(words);
        }
        let (mut word, mut quote) = (Vec::new(), 0u8);
        loop {
            let at = |k: usize| line.get(i + k).copied();
            let Some(b) = at(0) else {
                if quote != 0 {
                    return None;
                }
                break;
            };
            if quote == b'"' && b == b'\\' && at(1) == Some(b'x') {
                let digits = line.get(i + 2..i + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
                if let Some(digits) = digits {
                    let digits = std::str::from_utf8(digits).expect("digits");
                    word.push(u8::from_str_radix(digits, 16).expect("digits"));
                    i += 4;
                    continue;
                }
            }
            match (quote, b, at(1)) {
                (b'"', b'\\', Some(c)) => {
                    let known = b"nrtba".iter().position(|&k| k == c);
                    word.push(known.map_or(c, |k| b"\n\r\t\x08\x07"[k]));
                    i += 2;
                }
                (b'\'', b'\\', Some(b'\'')) => {
                    word.push(b'\'');
                    i += 2;
                }
                (q, c, next) if q != 0 && c == q => {
                    i += 1;
                    if next.is_some_and(|n| !space(n)) {
                        return None;
                    }
                    break;
                }
                (0, b'"' | b'\'', _) => {
                    quote = b;
                    i += 1;
                }
                (0, b' ' | b'\n' | b'\r' | b'\t', _) => break,
                _ => {
                    word.push(b);
                    i += 1;
                }
            }
        }
        words.push(word);
    }
}
