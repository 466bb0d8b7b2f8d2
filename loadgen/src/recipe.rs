//! Room: loadgen. Commands with blanks to fill in: `HSET {key} f{rand:0-9} {value}`. Touches: chance.
//!
//! A recipe is read once and compiled for a dialect and a plan into runs of constant bytes (framing and the prefix of the
//! key's name among them) and the few places that change from ask to ask: an ask is drawn mostly by copying.

use crate::chance::{Chance, Spread, mix};
use crate::plan::{Plan, push_digits};

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(Vec<u8>),
    /// The ask's key, drawn once an ask however often it is named.
    Key,
    /// Another key, drawn on its own each time.
    Other,
    /// A key that was never used before: the number of keys grows.
    New,
    Value(Option<Spread>),
    /// The length of the value that follows.
    Size,
    Ttl,
    Random(u64, u64),
    /// 1, 2, 3, ... over the whole run and all connections.
    Sequence,
    Connection,
    /// `@` and nanoseconds since the start of the run, 19 digits: a listener that finds it takes the time.
    Stamp,
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Parts(Vec<Part>),
    /// As many keys, each a word.
    Keys(u64, u64),
}

/// A command as its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    words: Vec<Word>,
}

impl Recipe {
    /// Words are parted by blanks; one with blanks stands in double quotes. Blanks to fill: `{key}`, `{other}`, `{newkey}`,
    /// `{keys:3}` or `{keys:1-10}`, `{value}` or `{value:SIZES}`, `{size}`, `{ttl}`, `{rand:A-B}`, `{seq}`, `{conn}`, `{stamp}`;
    /// `{{` and `}}` are braces. For memcached a word `|` ends the line, and a `{value}` at the end stands on its own.
    pub fn parse(text: &str) -> Result<Recipe, String> {
        let mut words = Vec::new();
        for word in split(text)? {
            words.push(read_word(&word).map_err(|why| format!("'{text}': {why}"))?);
        }
        match words.first() {
            Some(Word::Parts(parts)) if matches!(parts.as_slice(), [Part::Text(_)]) => Ok(Recipe { words }),
            _ => Err(format!("'{text}' does not begin with a command")),
        }
    }

    /// The command itself, in lower case.
    pub fn command(&self) -> String {
        match self.words.first() {
            Some(Word::Parts(parts)) => match parts.first() {
                Some(Part::Text(text)) => String::from_utf8_lossy(text).to_lowercase(),
                _ => String::new(),
            },
            _ => String::new(),
        }
    }

    /// The most bytes of one value.
    pub fn value_most(&self, plan: &Plan) -> u32 {
        let parts = self.words.iter().filter_map(|w| match w {
            Word::Parts(parts) => Some(parts),
            Word::Keys(..) => None,
        });
        let sizes = parts.flatten().filter_map(|p| match p {
            Part::Value(own) => Some(own.as_ref().unwrap_or(&plan.sizes).most()),
            _ => None,
        });
        sizes.max().unwrap_or(0)
    }
}

fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, more) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| format!("'{text}': a quote is not closed"))?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_string());
        rest = more.trim_start();
    }
    Ok(words)
}

fn read_word(word: &str) -> Result<Word, String> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("{{") || rest.starts_with("}}") {
            text.push(c as u8);
            rest = &rest[2..];
        } else if let Some(inside) = rest.strip_prefix('{') {
            let (blank, more) = inside.split_once('}').ok_or("a brace is not closed")?;
            if let Some(count) = blank.strip_prefix("keys:") {
                if !more.is_empty() || !parts.is_empty() || !text.is_empty() {
                    return Err("{keys:N} stands alone".into());
                }
                let (least, most) = range(count)?;
                // 10,000: an ask of that many keys is past what any client sends.
                if least == 0 || most > 10_000 {
                    return Err("{keys:N} is of 1 to 10000 keys".into());
                }
                return Ok(Word::Keys(least, most));
            }
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(read_blank(blank)?);
            rest = more;
        } else if c == '}' {
            return Err("a brace is not opened".into());
        } else {
            text.extend_from_slice(c.to_string().as_bytes());
            rest = &rest[c.len_utf8()..];
        }
    }
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(Word::Parts(parts))
}

fn read_blank(blank: &str) -> Result<Part, String> {
    Ok(match blank.split_once(':').unwrap_or((blank, "")) {
        ("key", "") => Part::Key,
        ("other", "") => Part::Other,
        ("newkey", "") => Part::New,
        ("value", "") => Part::Value(None),
        ("value", sizes) => Part::Value(Some(Spread::parse(sizes)?)),
        ("size", "") => Part::Size,
        ("ttl", "") => Part::Ttl,
        ("rand", limits) => {
            let (least, most) = range(limits)?;
            Part::Random(least, most)
        }
        ("seq", "") => Part::Sequence,
        ("conn", "") => Part::Connection,
        ("stamp", "") => Part::Stamp,
        _ => return Err(format!("'{{{blank}}}' is not a blank that can be filled")),
    })
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let number = |t: &str| t.parse::<u64>().map_err(|_| format!("'{text}' is not a number or a range A-B"));
    let (least, most) = match text.split_once('-') {
        Some((a, b)) => (number(a)?, number(b)?),
        None => (number(text)?, number(text)?),
    };
    if least > most { Err(format!("'{text}' is the wrong way round")) } else { Ok((least, most)) }
}

/// Where the blanks of an ask are filled from.
pub trait Hand {
    fn chance(&mut self) -> &mut Chance;
    /// The ask's key: the same for one ask.
    fn key(&mut self) -> u64;
    fn other_key(&mut self) -> u64;
    fn new_key(&mut self) -> u64;
    fn sequence(&mut self) -> u64;
    fn connection(&self) -> u64;
    fn now_ns(&self) -> u64;
}

#[derive(Clone, Debug)]
enum Op {
    Bytes(Vec<u8>),
    /// The digits of the ask's key; its prefix is in the bytes before.
    KeyDigits,
    /// A value as a RESP word of its own.
    Value(Option<Spread>),
    /// A RESP word with parts of varying length.
    Framed(Vec<Part>),
    /// The same, bare.
    Bare(Vec<Part>),
    Keys(u64, u64),
    /// `*` and the number of words: these and those of `Keys`, which follow at once.
    Count(u64, u64, u64),
}

/// A recipe for one dialect and plan.
#[derive(Clone, Debug)]
pub struct Compiled {
    ops: Vec<Op>,
    resp: bool,
    prefix: Vec<u8>,
    digits: usize,
    sizes: Spread,
    ttl: Option<Spread>,
}

impl Compiled {
    pub fn new(recipe: &Recipe, plan: &Plan, resp: bool) -> Compiled {
        let mut compiled = Compiled {
            ops: Vec::new(),
            resp,
            prefix: plan.key_prefix.clone().into_bytes(),
            digits: plan.key_digits,
            sizes: plan.sizes.clone(),
            ttl: plan.ttl.clone(),
        };
        if resp {
            compiled.compile_resp(recipe)
        } else {
            compiled.compile_memcached(recipe)
        }
        compiled
    }

    fn text(&mut self, bytes: &[u8]) {
        if let Some(Op::Bytes(last)) = self.ops.last_mut() {
            last.extend_from_slice(bytes);
        } else {
            self.ops.push(Op::Bytes(bytes.to_vec()));
        }
    }

    fn compile_resp(&mut self, recipe: &Recipe) {
        let fixed = recipe.words.iter().filter(|w| matches!(w, Word::Parts(_))).count() as u64;
        let varied = recipe.words.iter().fold((0, 0), |(least, most), word| match word {
            Word::Keys(a, b) => (least + a, most + b),
            Word::Parts(_) => (least, most),
        });
        if varied == (0, 0) {
            self.text(format!("*{fixed}\r\n").as_bytes());
        } else {
            self.ops.push(Op::Count(fixed, varied.0, varied.1));
        }
        for word in &recipe.words {
            match word {
                Word::Keys(least, most) => self.ops.push(Op::Keys(*least, *most)),
                Word::Parts(parts) => {
                    let constant = |p: &Part| matches!(p, Part::Text(_) | Part::Key);
                    if let [Part::Value(sizes)] = parts.as_slice() {
                        self.ops.push(Op::Value(sizes.clone()));
                    } else if parts.iter().all(constant) {
                        let len = |p: &Part| match p {
                            Part::Text(text) => text.len(),
                            _ => self.prefix.len() + self.digits,
                        };
                        let len: usize = parts.iter().map(len).sum();
                        self.text(format!("${len}\r\n").as_bytes());
                        self.compile_constant(parts);
                        self.text(b"\r\n");
                    } else {
                        self.ops.push(Op::Framed(parts.clone()));
                    }
                }
            }
        }
    }

    fn compile_constant(&mut self, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Text(text) => self.text(text),
                _ => {
                    let prefix = self.prefix.clone();
                    self.text(&prefix);
                    self.ops.push(Op::KeyDigits);
                }
            }
        }
    }

    // The value, when it comes last, is a block on a line of its own; so is what stands behind a word `|`.
    fn compile_memcached(&mut self, recipe: &Recipe) {
        let bar = |word: &Word| matches!(word, Word::Parts(parts) if *parts == [Part::Text(b"|".to_vec())]);
        let mut line_begins = true;
        for (at, word) in recipe.words.iter().enumerate() {
            if bar(word) {
                self.text(b"\r\n");
                line_begins = true;
                continue;
            }
            match word {
                Word::Keys(least, most) => self.ops.push(Op::Keys(*least, *most)),
                Word::Parts(parts) => {
                    let last = at + 1 == recipe.words.len();
                    let block = last && parts.iter().any(|p| matches!(p, Part::Value(_) | Part::Stamp));
                    match (line_begins, block) {
                        (true, _) => {}
                        (false, true) => self.text(b"\r\n"),
                        (false, false) => self.text(b" "),
                    }
                    if parts.iter().all(|p| matches!(p, Part::Text(_) | Part::Key)) {
                        self.compile_constant(parts);
                    } else {
                        self.ops.push(Op::Bare(parts.clone()));
                    }
                }
            }
            line_begins = false;
        }
        self.text(b"\r\n");
    }

    /// Appends one ask. `filler` is at least as long as the longest value; `scratch` is anyone's. Gives the number of keys
    /// that a `{keys}` stood for, else 1.
    pub fn draw(&self, hand: &mut impl Hand, filler: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> u32 {
        let mut keys = 0;
        // One size an ask: `{size}` tells that of the value to come.
        let mut size = None;
        let mut keys_left = 0;
        for op in &self.ops {
            match op {
                Op::Bytes(bytes) => out.extend_from_slice(bytes),
                Op::KeyDigits => push_digits(hand.key(), self.digits, out),
                Op::Value(own) => {
                    let size = self.size(own.as_ref(), hand, &mut size);
                    push_number(b'$', size as u64, out);
                    out.extend_from_slice(b"\r\n");
                    push_filler(filler, size, hand, out);
                    out.extend_from_slice(b"\r\n");
                }
                Op::Framed(parts) => {
                    scratch.clear();
                    parts.iter().for_each(|p| self.part(p, hand, filler, &mut size, scratch));
                    push_number(b'$', scratch.len() as u64, out);
                    out.extend_from_slice(b"\r\n");
                    out.extend_from_slice(scratch);
                    out.extend_from_slice(b"\r\n");
                }
                Op::Bare(parts) => parts.iter().for_each(|p| self.part(p, hand, filler, &mut size, out)),
                Op::Count(fixed, least, most) => {
                    keys_left = least + hand.chance().below(most - least + 1);
                    push_number(b'*', fixed + keys_left, out);
                    out.extend_from_slice(b"\r\n");
                }
                Op::Keys(least, most) => {
                    let count = if self.resp {
                        let count = keys_left.min(*most);
                        keys_left -= count;
                        count
                    } else {
                        least + hand.chance().below(most - least + 1)
                    };
                    keys += count as u32;
                    for at in 0..count {
                        let key = if at == 0 { hand.key() } else { hand.other_key() };
                        if self.resp {
                            push_number(b'$', (self.prefix.len() + self.digits) as u64, out);
                            out.extend_from_slice(b"\r\n");
                        } else {
                            out.push(b' ');
                        }
                        out.extend_from_slice(&self.prefix);
                        push_digits(key, self.digits, out);
                        if self.resp {
                            out.extend_from_slice(b"\r\n");
                        }
                    }
                }
            }
        }
        keys.max(1)
    }

    fn size(&self, own: Option<&Spread>, hand: &mut impl Hand, drawn: &mut Option<usize>) -> usize {
        *drawn.get_or_insert_with(|| match own.unwrap_or(&self.sizes) {
            Spread::Fixed(size) => *size as usize,
            spread => spread.pick(hand.chance().number()) as usize,
        })
    }

    fn part(&self, part: &Part, hand: &mut impl Hand, filler: &[u8], size: &mut Option<usize>, out: &mut Vec<u8>) {
        let name = |key: u64, out: &mut Vec<u8>| {
            out.extend_from_slice(&self.prefix);
            push_digits(key, self.digits, out);
        };
        match part {
            Part::Text(text) => out.extend_from_slice(text),
            Part::Key => name(hand.key(), out),
            Part::Other => name(hand.other_key(), out),
            Part::New => name(hand.new_key(), out),
            Part::Value(own) => {
                let size = self.size(own.as_ref(), hand, size);
                push_filler(filler, size, hand, out);
            }
            Part::Size => {
                let size = self.size(None, hand, size);
                push_plain(size as u64, out);
            }
            Part::Ttl => {
                let seconds = self.ttl.as_ref().map_or(0, |t| t.pick(hand.chance().number()));
                push_plain(u64::from(seconds), out);
            }
            Part::Random(least, most) => {
                let span = (most - least).saturating_add(1);
                let number = least + hand.chance().below(span);
                push_plain(number, out);
            }
            Part::Sequence => push_plain(hand.sequence(), out),
            Part::Connection => push_plain(hand.connection(), out),
            Part::Stamp => {
                out.push(b'@');
                push_digits(hand.now_ns(), 19, out);
            }
        }
    }
}

/// The time that a `{stamp}` at the front of a message tells.
pub fn read_stamp(message: &[u8]) -> Option<u64> {
    let digits = message.strip_prefix(b"@")?.get(..19)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

// Values begin at different places of the filler, so that neighbours are not equal bytes.
fn push_filler(filler: &[u8], size: usize, hand: &mut impl Hand, out: &mut Vec<u8>) {
    let spare = (filler.len() - size) as u64;
    let from = if spare > 0 { hand.chance().below(spare + 1) as usize } else { 0 };
    out.extend_from_slice(&filler[from..from + size]);
}

/// What values are cut from: printable, and without a pattern that would compress.
pub fn filler(most: usize) -> Vec<u8> {
    // 61: room for values to begin at different places.
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..most as u64 + 61).map(|i| letters[(mix(i) & 63) as usize]).collect()
}

pub fn push_number(before: u8, number: u64, out: &mut Vec<u8>) {
    out.push(before);
    push_plain(number, out);
}

fn push_plain(number: u64, out: &mut Vec<u8>) {
    let mut digits = 1;
    let mut rest = number;
    while rest >= 10 {
        rest /= 10;
        digits += 1;
    }
    push_digits(number, digits, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::small;

    struct Fixed(Chance);

    impl Hand for Fixed {
        fn chance(&mut self) -> &mut Chance {
            &mut self.0
        }
        fn key(&mut self) -> u64 {
            7
        }
        fn other_key(&mut self) -> u64 {
            8
        }
        fn new_key(&mut self) -> u64 {
            9
        }
        fn sequence(&mut self) -> u64 {
            10
        }
        fn connection(&self) -> u64 {
            3
        }
        fn now_ns(&self) -> u64 {
            123
        }
    }

    fn drawn(text: &str, resp: bool) -> String {
        let mut plan = small();
        (plan.sizes, plan.ttl, plan.key_digits) = (Spread::Fixed(3), Some(Spread::Fixed(60)), 2);
        let recipe = Recipe::parse(text).expect(text);
        let compiled = Compiled::new(&recipe, &plan, resp);
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        compiled.draw(&mut Fixed(Chance::new(1)), b"xxxxxxxx", &mut scratch, &mut out);
        String::from_utf8(out).expect("text").replace("\r\n", "|")
    }

    #[test]
    fn recipes_are_drawn() {
        let cases = [
            ("GET {key}", true, "*2|$3|GET|$6|key:07|"),
            ("SET {key} {value} EX {ttl}", true, "*5|$3|SET|$6|key:07|$3|xxx|$2|EX|$2|60|"),
            ("RENAME a{key}b {other}", true, "*3|$6|RENAME|$8|akey:07b|$6|key:08|"),
            ("HSET {key} f{rand:5-5} {value:2}", true, "*4|$4|HSET|$6|key:07|$2|f5|$2|xx|"),
            ("MGET {keys:3}", true, "*4|$4|MGET|$6|key:07|$6|key:08|$6|key:08|"),
            ("EVAL \"return 1\" 0 {{x}}", true, "*4|$4|EVAL|$8|return 1|$1|0|$3|{x}|"),
            ("PUBLISH c{conn} {stamp}{value}", true, "*3|$7|PUBLISH|$2|c3|$23|@0000000000000000123xxx|"),
            ("SET {newkey} {seq}", true, "*3|$3|SET|$6|key:09|$2|10|"),
            ("get {key}", false, "get key:07|"),
            ("get {keys:2}", false, "get key:07 key:08|"),
            ("set {key} 0 {ttl} {size} {value}", false, "set key:07 0 60 3|xxx|"),
            ("ms {key} {size} T{ttl} {value}", false, "ms key:07 3 T60|xxx|"),
            ("set {key} 0 0 1 | 0", false, "set key:07 0 0 1|0|"),
        ];
        for (text, resp, want) in cases {
            assert_eq!(drawn(text, resp), want, "{text}");
        }
    }

    #[test]
    fn a_varying_number_of_keys_is_counted() {
        let plan = small();
        let recipe = Recipe::parse("DEL {keys:1-5} {keys:2}").expect("valid");
        let compiled = Compiled::new(&recipe, &plan, true);
        let mut hand = Fixed(Chance::new(3));
        let mut seen = [0; 16];
        for _ in 0..200 {
            let (mut out, mut scratch) = (Vec::new(), Vec::new());
            compiled.draw(&mut hand, b"", &mut scratch, &mut out);
            let text = String::from_utf8(out).expect("text");
            let words = text.matches('$').count();
            assert!(text.starts_with(&format!("*{words}\r\n")), "{text}");
            seen[words] += 1;
        }
        assert!(seen[4] > 0 && seen[8] > 0 && seen[9] == 0, "{seen:?}");
    }

    #[test]
    fn what_is_no_recipe_is_refused() {
        for text in [
            "",
            "{key}",
            "GET {key",
            "GET key}",
            "GET {kez}",
            "GET \"a",
            "GET {rand:5-1}",
            "GET a{keys:2}",
            "MGET {keys:0}",
        ] {
            assert!(Recipe::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn stamps_are_read_back() {
        assert_eq!(read_stamp(b"@0000000000000000123xxx"), Some(123));
        assert_eq!(read_stamp(b"@123"), None);
        assert_eq!(read_stamp(b"x"), None);
    }
}
