//! memcached's side of the harness.

use super::{Rng, cuts, mangle};
use base::{Args, ArgsBuf};
use wire::memcache::{ParseLimits, Parsed, Parser};

/// What was seen, and at which byte of the stream the next begins. What gets no answer is not counted: swallowed data comes
/// in as many pieces as it is read in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    Ask(ArgsBuf, bool, usize),
    Refused(&'static str, usize),
    Close,
    Binary,
}

const BAD_LINE: &str = "CLIENT_ERROR bad command line format";

pub fn run(seed: u64) -> Vec<String> {
    let mut rng = Rng::new(seed ^ 0xABCD_EF01);
    let stream = stream(&mut rng);
    let limits =
        ParseLimits { item_bytes_max: rng.pick(&[100, 3000, 1 << 20]), get_line_bytes_max: rng.pick(&[3000, 20_000]) };
    let expected = twin(&stream, &limits);
    for style in 0..4 {
        if style == 1 && stream.len() > 5000 {
            continue;
        }
        let cuts = cuts(&mut rng, stream.len(), style);
        let seen = drive(&stream, &cuts, &limits);
        super::compare(&seen, &expected, || {
            let shown: String = stream.escape_ascii().to_string().chars().take(2000).collect();
            format!("memcache, seed {seed}, style {style}, {limits:?}, {} bytes: {shown}", stream.len())
        });
    }
    expected.iter().map(label).collect()
}

fn label(seen: &Seen) -> String {
    match seen {
        Seen::Ask(words, noreply, _) => {
            format!("{}{}", words.args().at(0).escape_ascii(), if *noreply { " noreply" } else { "" })
        }
        Seen::Refused(line, _) => line.to_string(),
        Seen::Close => "close".into(),
        Seen::Binary => "binary".into(),
    }
}

pub fn drive(stream: &[u8], cuts: &[usize], limits: &ParseLimits) -> Vec<Seen> {
    let (mut parser, mut spans, mut seen) = (Parser::new(), Vec::new(), Vec::new());
    let mut start = 0;
    for &cut in cuts {
        while start < cut {
            let bytes = &stream[start..cut];
            spans.clear();
            let before_ask = parser;
            let mut parsed = parser.parse(bytes, &mut spans, limits);
            if let Parsed::Ask { .. } = parsed {
                // An ask can be asked for again, and is the same.
                parser = before_ask;
                let before = spans.clone();
                spans.clear();
                let again = parser.parse(bytes, &mut spans, limits);
                assert_eq!((&again, &spans), (&parsed, &before));
                parsed = again;
            }
            match parsed {
                Parsed::Ask { used, noreply } => {
                    assert!(0 < used && used <= bytes.len());
                    start += used;
                    seen.push(Seen::Ask(Args::new(&bytes[..used], &spans).into(), noreply, start));
                }
                Parsed::Refused { used, line } => {
                    assert!(0 < used && used <= bytes.len() && spans.is_empty());
                    start += used;
                    seen.push(Seen::Refused(line, start));
                }
                Parsed::Empty { used } => {
                    assert!(0 < used && used <= bytes.len() && spans.is_empty());
                    start += used;
                }
                Parsed::More { need } => {
                    assert!(need == 0 || need > bytes.len(), "needs {need} of {}", bytes.len());
                    assert!(spans.is_empty());
                    break;
                }
                Parsed::Close => {
                    seen.push(Seen::Close);
                    return seen;
                }
                Parsed::Binary => {
                    seen.push(Seen::Binary);
                    return seen;
                }
            }
        }
    }
    seen
}

fn stream(rng: &mut Rng) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..1 + rng.below(6) {
        let mut ask = ask(rng);
        if rng.one_in(3) {
            mangle(rng, &mut ask);
        }
        stream.extend(ask);
    }
    if rng.one_in(60) {
        stream.insert(0, 0x80);
    }
    stream
}

fn key(rng: &mut Rng) -> Vec<u8> {
    let len = if rng.one_in(12) { 245 + rng.below(12) } else { 1 + rng.below(12) };
    rng.bytes(len, b"keyKEY019:\x80\t\r")
}

fn ask(rng: &mut Rng) -> Vec<u8> {
    let verb = rng.pick(&[
        "get",
        "gets",
        "gat",
        "gats",
        "set",
        "set",
        "add",
        "replace",
        "append",
        "prepend",
        "cas",
        "delete",
        "incr",
        "decr",
        "touch",
        "version",
        "verbosity",
        "flush_all",
        "stats",
        "quit",
        "mn",
        "cache_memlimit",
        "shutdown",
        "ms",
        "mg",
        "nosuch",
        "GET",
        "me",
    ]);
    let mut words = vec![verb.as_bytes().to_vec()];
    let mut data = Vec::new();
    match verb {
        "get" | "gets" | "gat" | "gats" => {
            if verb.starts_with("gat") {
                words.push(rng.pick(&["0", "10", "-1", "x", "99999999999"]).into());
            }
            let keys = if rng.one_in(10) { rng.below(2000) } else { rng.below(5) };
            words.extend((0..keys).map(|_| key(rng)));
        }
        "set" | "add" | "replace" | "append" | "prepend" | "cas" | "ms" => {
            let len = rng.length();
            words.push(key(rng));
            if verb != "ms" {
                words.push(rng.pick(&["0", "1", "4294967295", "-1", "x", "+5"]).into());
                words.push(rng.pick(&["0", "100", "-1", "99999999999", "1x"]).into());
            }
            let said = if rng.one_in(12) {
                rng.pick(&["-1", "x", "2147483647", "2147483645", "+3", ""]).into()
            } else {
                len.to_string()
            };
            words.push(said.into_bytes());
            if verb == "cas" {
                words.push(rng.pick(&["0", "77", "x", "18446744073709551616"]).into());
            }
            data = rng.bytes(len, b"value\r\n set");
            data.extend_from_slice(rng.pick(&[b"\r\n".as_slice(), b"\r\n", b"\r\n", b"\n", b"xx"]));
        }
        _ => words.extend((0..rng.below(4)).map(|_| key(rng))),
    }
    words.truncate(if rng.one_in(8) { 1 + rng.below(6) } else { usize::MAX });
    if rng.one_in(4) {
        words.push(b"noreply".into());
    }
    if rng.one_in(20) {
        words.extend((0..rng.below(40)).map(|_| b"z".to_vec()));
    }
    if rng.one_in(20) {
        words.push(b"HTTP/1.1".into());
    }
    let mut line = if rng.one_in(20) { vec![b' '; rng.below(120)] } else { Vec::new() };
    for word in words {
        line.extend(word);
        let blanks = if rng.one_in(10) { 3 } else { 1 };
        line.extend(vec![b' '; blanks]);
    }
    if !rng.one_in(5) {
        line.pop();
    }
    line.extend_from_slice(rng.pick(&[b"\r\n".as_slice(), b"\r\n", b"\n"]));
    line.extend(data);
    line
}

/// The obvious parser: looks at all that is left, remembers nothing.
pub fn twin(stream: &[u8], limits: &ParseLimits) -> Vec<Seen> {
    let (mut seen, mut at) = (Vec::new(), 0);
    if stream.first() == Some(&0x80) {
        return vec![Seen::Binary];
    }
    while at < stream.len() {
        let rest = &stream[at..];
        let blanks = rest.iter().take_while(|b| **b == b' ').count();
        let is_get = ["get ", "gets ", "gat ", "gats "].iter().any(|v| rest[blanks..].starts_with(v.as_bytes()));
        let most = if is_get && blanks <= 100 { limits.get_line_bytes_max.max(2048) } else { 2048 };
        let Some(end) = rest.iter().position(|&b| b == b'\n') else {
            if rest.len() > most {
                seen.push(Seen::Close);
            }
            break;
        };
        if end > most {
            seen.push(Seen::Close);
            break;
        }
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let mut used = end + 1;
        let every: Vec<&[u8]> = line.split(|&b| b == b' ').filter(|w| !w.is_empty()).collect();
        let mut words: Vec<&[u8]> = every.iter().copied().take(23).collect();
        let noreply = words.last() == Some(&b"noreply".as_slice());
        // The verb stands at the very beginning.
        let verb = if blanks == 0 { words.first().map_or("", |w| std::str::from_utf8(w).unwrap_or("")) } else { "" };
        let long = |w: &[u8]| w.len() > 250;
        let mut answer = None;
        let mut silent = false;
        if used < 4 {
            answer = Some(BAD_LINE);
        } else {
            match verb {
                "get" | "gets" | "gat" | "gats" => {
                    let first = if verb.starts_with("gat") { 2 } else { 1 };
                    words = every;
                    if words.len() <= first {
                        answer = Some(BAD_LINE);
                    } else if first == 2 && (words[1].len() > 11 || lenient_i32(words[1]).is_none()) {
                        answer = Some("CLIENT_ERROR invalid exptime argument");
                    } else if words[first..].iter().any(|w| long(w)) {
                        answer = Some(BAD_LINE);
                    }
                }
                "set" | "add" | "replace" | "append" | "prepend" | "cas" | "ms" => {
                    let least = if verb == "ms" { 3 } else { 5 };
                    let len = words.get(least - 1).filter(|w| w.len() <= 11).and_then(|w| lenient_i32(w));
                    match len {
                        Some(len) if (0..=i32::MAX - 2).contains(&len) => {
                            silent = noreply && verb != "ms";
                            let len = len as usize;
                            let bad = long(words[1])
                                || verb != "ms"
                                    && (c_number(words[2]).is_none_or(|n| n < 0) || c_number(words[3]).is_none())
                                || verb == "cas" && words.get(5).is_none_or(|w| !version(w));
                            let flags = if verb == "ms" || c_number(words[2]) == Some(0) { 0 } else { 4 };
                            if verb != "ms" {
                                words.truncate(if verb == "cas" { 6 } else { 5 });
                            }
                            if bad {
                                if !silent {
                                    seen.push(Seen::Refused(BAD_LINE, at + used));
                                }
                                at += used + len + 2;
                                continue;
                            }
                            if 59 + words[1].len() + len + flags > limits.item_bytes_max {
                                seen.push(Seen::Ask(words.into_iter().collect(), silent, at + used));
                                at += used + len + 2;
                                continue;
                            }
                            let Some(data) = rest.get(used..used + len + 2) else { break };
                            used += len + 2;
                            match data.strip_suffix(b"\r\n") {
                                Some(data) => words.push(data),
                                None => answer = Some("CLIENT_ERROR bad data chunk"),
                            }
                        }
                        _ => answer = Some(BAD_LINE),
                    }
                }
                "delete" | "incr" | "decr" | "touch" => {
                    let least = if verb == "delete" { 2 } else { 3 };
                    if words.len() < least {
                        answer = Some(BAD_LINE);
                    } else {
                        silent = noreply;
                        if long(words[1]) {
                            answer = Some(BAD_LINE);
                        }
                        if noreply && words.len() > least {
                            words.pop();
                        }
                    }
                }
                "mg" | "md" | "ma" | "me" => {
                    if words.len() < 2 || long(words[1]) {
                        answer = Some(BAD_LINE);
                    }
                }
                "mn" | "version" | "stats" | "quit" | "watch" => (),
                _ => {
                    silent = noreply;
                    let admin = [
                        "flush_all",
                        "verbosity",
                        "cache_memlimit",
                        "shutdown",
                        "slabs",
                        "lru",
                        "lru_crawler",
                        "extstore",
                    ];
                    if words.first().is_some_and(|w| admin.iter().any(|a| a.as_bytes() == *w)) {
                        if noreply && words.len() > 1 {
                            words.pop();
                        }
                    } else if words.len() > 1 && words[words.len() - 1].starts_with(b"HTTP/") {
                        seen.push(Seen::Close);
                        break;
                    } else {
                        answer = Some("ERROR");
                    }
                }
            }
        }
        at += used;
        match answer {
            None => seen.push(Seen::Ask(words.into_iter().collect(), silent, at)),
            Some(line) if !silent => seen.push(Seen::Refused(line, at)),
            Some(_) => (),
        }
    }
    seen
}

fn lenient_i32(word: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(word).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.starts_with('+') {
        return None;
    }
    if digits.is_empty() { Some(0) } else { text.parse().ok() }
}

/// Of the harness's own flags and exptimes.
fn c_number(word: &[u8]) -> Option<i128> {
    let text: String = word.iter().map(|&b| b as char).collect();
    let text = text.trim_start_matches(['\t', '\r', '\x0b', '\x0c']);
    let end = text.find(['\0', '\t', '\r', '\x0b', '\x0c']).unwrap_or(text.len());
    text[..end].parse().ok().filter(|n: &i128| *n < i64::MAX as i128)
}

fn version(word: &[u8]) -> bool {
    word.len() <= 22
        && word.iter().all(u8::is_ascii_digit)
        && std::str::from_utf8(word).is_ok_and(|t| t.parse::<u64>().is_ok())
}
