//! Room: node, tests. Asks drawn from the templates.

pub type Ask = Vec<Vec<u8>>;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

const KEYS: &[(&str, &[&str])] = &[
    ("s", &["s1", "s2", "{a}s3", "", "s\0\u{ff}"]),
    ("l", &["l1", "l2", "{a}l3"]),
    ("e", &["e1", "e2", "{a}e3", "e4"]),
    ("h", &["h1", "h2", "{a}h3"]),
    ("z", &["z1", "z2", "{a}z3"]),
    ("x", &["x1", "x2"]),
    ("g", &["g1", "g2", "{a}g3"]),
    ("b", &["b1", "b2", "{a}b3"]),
    ("p", &["p1", "p2", "{a}p3"]),
    // What follows is drawn only where it is named.
    ("y", &["y1", "y2", "{a}y3"]),
    ("w", &["w_1", "w_2", "w_3", "w_a", "w_m1"]),
];

/// The first so many families may be drawn in place of one another.
const STRAY: usize = 9;
/// Only what a template says of them is done to them.
const FAITHFUL: &[&str] = &["y"];

/// Numbers at which something changes.
const EDGES: &[&str] = &[
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "4294967296",
    "2147483648",
    "-2147483649",
    "x",
    "",
    "1.5",
    "+1",
    " 1",
    "01",
    "-0",
    "1e2",
    "nan",
    "inf",
];
const VALUES: &[&str] = &[
    "",
    "a",
    "b",
    "ab",
    "abc",
    "hello world",
    "1",
    "2",
    "10",
    "-5",
    "9999",
    "10000",
    "9223372036854775807",
    "1.5",
    "007",
    "\r\n",
    "\u{ff}\0x",
    "0123456789012345678901234567890123456789012",
    "01234567890123456789012345678901234567890123",
    "012345678901234567890123456789012345678901234",
];
const MEMBERS: &[&str] = &[
    "m1",
    "m2",
    "m3",
    "m4",
    "m5",
    "a",
    "b",
    "c",
    "aa",
    "ab",
    "B",
    "",
    "1",
    "2",
    "3",
    "17",
    "-4",
    "70000",
    "9999999999",
    "\u{ff}\0",
];
const SCORES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "1.5",
    "-0.5",
    "0.1",
    "3.0",
    "-0",
    "1e5",
    "1e-7",
    "123456789.123",
    "inf",
    "-inf",
    "+inf",
    "nan",
    "1e308",
    "1e-320",
    "1e400",
    "0x10",
    "12345678901234567890",
    "",
    "abc",
    "1 ",
    "5e-324",
    "17179869184.5",
];
const LEX: &[&str] = &["-", "+", "[a", "(a", "[b", "(m3", "[m4", "[", "(", "a", "", "[\u{ff}", "(zz"];
const IDS: &[&str] = &[
    "0",
    "0-0",
    "0-1",
    "1-1",
    "1-2",
    "2",
    "2-0",
    "3-1",
    "5-5",
    "10",
    "10-1",
    "20-0",
    "40",
    "100-5",
    "5-*",
    "30-*",
    "18446744073709551615-18446744073709551615",
    "18446744073709551615",
    "18446744073709551616",
    "x",
    "",
    "-",
    "+",
    "$",
    ">",
    "1-1-1",
    "1-x",
    "-1",
    "01-1",
    "99999999",
];
const GLOBS: &[&str] =
    &["*", "*", "m*", "?", "[ab]*", "m1", "[^a]*", "\\*", "", "*1*", "[a-c]*", "s?", "{a}*", "[", "a**b", "*\\"];
const PLACES: &[&str] = &["Palermo", "Catania", "Rome", "north", "south", "east", ""];
const LONGITUDES: &[&str] = &["13.361389", "15.087269", "12.5", "0", "179.9", "-180", "180", "181", "-181", "x", "1e2"];
const LATITUDES: &[&str] =
    &["38.115556", "37.502669", "41.9", "0", "85", "-85.05112878", "85.05112878", "86", "x", "-40"];
const DISTANCES: &[&str] = &["0", "100", "200", "500", "1000", "20000", "0.5", "-1", "x", "1e10"];
const UNITS: &[&str] = &["m", "km", "km", "km", "mi", "ft", "KM", "x"];
const BITS: &[&str] = &["u8", "i8", "u4", "i5", "i16", "u32", "u63", "i64", "u1", "i1", "u64", "i65", "u0", "x8", "8"];
const BIT_PLACES: &[&str] = &["0", "1", "5", "7", "#0", "#1", "#3", "100", "200", "-1", "#-1", "x", "#x", ""];
const FAR: &[&str] =
    &["1000", "100000", "5000000", "0", "-1", "x", "9223372036854775807", "9223372036854775", "-9223372036854775808"];
const AT: &[&str] = &["33177117420", "33177117000", "4000000000", "1", "0", "-1", "x", "9223372036854775807"];
const AT_MS: &[&str] = &["33177117420000", "4000000000123", "1", "0", "-1", "x", "9223372036854775807"];

pub struct Asks {
    random: Random,
    templates: Vec<&'static str>,
    /// Ids that grow, as streams want them.
    next_id: u64,
    /// Payloads that servers wrote.
    dumps: Vec<Vec<u8>>,
}

impl Asks {
    pub fn new(seed: u64) -> Asks {
        let lines = include_str!("asks.txt").lines().map(str::trim);
        let templates = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        Asks { random: Random(seed), templates, next_id: 1, dumps: Vec::new() }
    }

    /// The verbs asked, in lower case.
    pub fn verbs(&self) -> Vec<String> {
        self.templates.iter().map(|t| t.split(' ').next().unwrap_or("").to_ascii_lowercase()).collect()
    }

    pub fn keep(&mut self, dumps: Vec<Vec<u8>>) {
        self.dumps.extend(dumps.into_iter().filter(|dump| dump.len() < 2000));
        let surplus = self.dumps.len().saturating_sub(200);
        self.dumps.drain(..surplus);
    }

    pub fn draw(&mut self) -> Ask {
        loop {
            let template = *self.random.pick(&self.templates);
            let mut ask = Vec::new();
            self.sequence(template, &mut ask);
            self.spoil(&mut ask);
            if is_bearable(&ask) {
                return ask;
            }
        }
    }

    /// Now and then a word is lost, doubled, replaced, or two change places.
    fn spoil(&mut self, ask: &mut Ask) {
        if !self.random.one_in(20) || ask.len() < 2 || may_wait(ask) {
            return;
        }
        let at = 1 + self.random.below(ask.len() - 1);
        let other = 1 + self.random.below(ask.len() - 1);
        match self.random.below(5) {
            0 => drop(ask.remove(at)),
            1 => ask.insert(at, ask[at].clone()),
            2 => ask.swap(at, other),
            3 => ask[at] = self.random.pick(EDGES).as_bytes().to_vec(),
            _ => ask.truncate(at),
        }
    }

    /// Words of a template, or of a part of it.
    fn sequence(&mut self, mut rest: &str, ask: &mut Ask) {
        while !rest.is_empty() {
            rest = rest.trim_start_matches(' ');
            let (part, after) = match rest.as_bytes().first() {
                Some(b'[' | b'(') => rest.split_at(closing(rest)),
                Some(b'{') => rest.split_at(rest.find('}').expect("it is closed") + 1),
                _ => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
            };
            let (many, after) = match after.strip_prefix('*') {
                Some(after) => (true, after),
                None => (false, after),
            };
            rest = after;
            let inner = || &part[1..part.len() - 1];
            match part.as_bytes().first() {
                None => {}
                Some(b'[') if self.random.one_in(2) => self.sequence(inner(), ask),
                Some(b'[') => {}
                Some(b'(') => {
                    let choices = alternatives(inner());
                    let choice = *self.random.pick(&choices);
                    self.sequence(choice, ask);
                }
                Some(b'{') => {
                    let times = if many { 1 + self.random.below(4) } else { 1 };
                    for _ in 0..times {
                        inner().split(' ').for_each(|what| self.word(what, ask));
                    }
                }
                Some(_) => ask.push(part.as_bytes().to_vec()),
            }
        }
    }

    fn word(&mut self, what: &str, ask: &mut Ask) {
        let word = match what {
            "i" | "n" if self.random.one_in(9) => self.one_of(EDGES),
            "i" => (self.random.below(14) as i64 - 4).to_string().into_bytes(),
            "n" => {
                let wide = *self.random.pick(&[5, 20, 300, 70_000, 5_000_000_000]);
                (self.random.below(wide) as i64 - (wide / 4) as i64).to_string().into_bytes()
            }
            "v" if self.random.one_in(25) => vec![b'v'; *self.random.pick(&[64, 65, 300, 9000])],
            "v" if self.random.one_in(6) => self.random.below(300).to_string().into_bytes(),
            "v" => self.one_of(VALUES),
            "m" if self.random.one_in(30) => vec![b'm'; *self.random.pick(&[63, 64, 65, 200])],
            "m" => self.one_of(MEMBERS),
            "f" if self.random.one_in(2) => (self.random.below(20) as i64 - 5).to_string().into_bytes(),
            "f" => self.one_of(SCORES),
            "fr" => match self.random.below(6) {
                0 => b"-inf".to_vec(),
                1 => b"+inf".to_vec(),
                2 => [b"(", self.random.pick(SCORES).as_bytes()].concat(),
                3 => self.one_of(SCORES),
                _ => (self.random.below(20) as i64 - 5).to_string().into_bytes(),
            },
            "lex" => self.one_of(LEX),
            "off" if self.random.one_in(12) => {
                self.one_of(&["-1", "x", "4294967296", "", "1.5", "9223372036854775807"])
            }
            "off" => self.random.below(300).to_string().into_bytes(),
            "id" if self.random.one_in(2) => {
                self.next_id = (self.next_id + 1) % 400;
                format!("{}-{}", self.next_id, self.random.below(3)).into_bytes()
            }
            "id" => self.one_of(IDS),
            "idn" if self.random.one_in(2) => self.random.below(30).to_string().into_bytes(),
            "idn" => self.one_of(IDS),
            "xfr" | "xto" => match self.random.below(6) {
                0 => b"(1-1".to_vec(),
                1 => self.one_of(IDS),
                2 => format!("({}", self.random.below(400)).into_bytes(),
                3 => self.random.below(400).to_string().into_bytes(),
                _ => if what == "xfr" { b"-" } else { b"+" }.to_vec(),
            },
            "grp" => self.one_of(&["g1", "g1", "g2", "none", ""]),
            "con" => self.one_of(&["c1", "c1", "c2", ""]),
            "idle" => self.one_of(&["0", "0", "0", "1000000", "-1", "x"]),
            "wait" => self.one_of(&["0.01", "0.01", "0.001", "-1", "x", "1e400", "", "9e18"]),
            "waitms" => self.one_of(&["5", "10", "-1", "x", ""]),
            "far" | "farms" => self.one_of(FAR),
            "ttl0" => self.one_of(&["0", "0", "0", "100000", "-1", "x"]),
            "at" => self.one_of(AT),
            "atms" => self.one_of(AT_MS),
            "db" => self.one_of(&["0", "1", "1", "0", "16", "-1", "x"]),
            "glob" => self.one_of(GLOBS),
            "place" => self.one_of(PLACES),
            "lon" => self.one_of(LONGITUDES),
            "lat" => self.one_of(LATITUDES),
            "dist" => self.one_of(DISTANCES),
            "unit" => self.one_of(UNITS),
            "bt" => self.one_of(BITS),
            "bo" => self.one_of(BIT_PLACES),
            "dump" => self.payload(),
            "many" | "manypairs" => {
                let count = 1 + self.random.below(300);
                let start = self.random.below(1000);
                let words = if what == "many" { count } else { 2 * count };
                ask.extend((start..start + words).map(|n| n.to_string().into_bytes()));
                return;
            }
            "slz" => {
                let family = *self.random.pick(&["l", "e", "z"]);
                self.key(family)
            }
            "lz" => {
                let family = *self.random.pick(&["l", "z"]);
                self.key_of(family)
            }
            "ze" => {
                let family = *self.random.pick(&["z", "z", "e", "g"]);
                self.key(family)
            }
            "k" => {
                let family = self.random.pick(&KEYS[..STRAY]).0;
                self.key_of(family)
            }
            family => self.key(family),
        };
        ask.push(word);
    }

    /// A key of a family; one in twenty is of another's type.
    fn key(&mut self, family: &str) -> Vec<u8> {
        let stray = !FAITHFUL.contains(&family) && self.random.one_in(20);
        let family = if stray { self.random.pick(&KEYS[..STRAY]).0 } else { family };
        self.key_of(family)
    }

    fn key_of(&mut self, family: &str) -> Vec<u8> {
        let (_, names) = KEYS.iter().find(|(name, _)| *name == family).unwrap_or_else(|| panic!("no {{{family}}}"));
        let name = *self.random.pick(names);
        name.as_bytes().to_vec()
    }

    fn one_of(&mut self, all: &[&str]) -> Vec<u8> {
        self.random.pick(all).as_bytes().to_vec()
    }

    /// What some server wrote, at times damaged.
    fn payload(&mut self) -> Vec<u8> {
        if self.dumps.is_empty() || self.random.one_in(20) {
            return self.random.pick(VALUES).as_bytes().to_vec();
        }
        let mut dump = self.random.pick(&self.dumps).clone();
        if self.random.one_in(5) {
            let at = self.random.below(dump.len());
            dump[at] ^= 1 << self.random.below(8);
        }
        dump
    }
}

/// Where the bracket that `text` begins with is closed, that one included.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        depth += i32::from(c == '[' || c == '(') - i32::from(c == ']' || c == ')');
        if depth == 0 {
            return i + 1;
        }
    }
    panic!("no end of {text}");
}

fn alternatives(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut all) = (0, 0, Vec::new());
    for (i, c) in text.char_indices() {
        depth += i32::from(c == '[' || c == '(') - i32::from(c == ']' || c == ')');
        if c == '|' && depth == 0 {
            all.push(&text[from..i]);
            from = i + 1;
        }
    }
    all.push(&text[from..]);
    all
}

fn may_wait(ask: &[Vec<u8>]) -> bool {
    let verb = ask[0].to_ascii_uppercase();
    let waits: [&[u8]; 8] =
        [b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP"];
    waits.contains(&&verb[..]) || verb.starts_with(b"XREAD") || verb == b"WAIT"
}

/// No reply of gigabytes, no wait without end.
fn is_bearable(ask: &[Vec<u8>]) -> bool {
    let text = |i: usize| ask.get(i).and_then(|w| std::str::from_utf8(w).ok()).unwrap_or("");
    match text(0) {
        "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" => {
            text(2).parse::<i64>().is_ok_and(|n| n >= -1000 || n == i64::MIN) || text(2).parse::<i64>().is_err()
        }
        // A string of half a gigabyte.
        "SETBIT" | "SETRANGE" => text(2).parse::<i64>().map_or(true, |n| !(100_000..=4_294_967_295).contains(&n)),
        // Redis cuts the index to 32 bits there: the largest of all is the last element.
        "LSET" => text(2).parse::<i64>().map_or(true, |n| i32::try_from(n).is_ok()),
        // Redis takes `errno` of an earlier number for one of its own (see `same`) and then stores nothing.
        "SORT" => {
            let has = |text: &str| ask.iter().any(|w| w.eq_ignore_ascii_case(text.as_bytes()));
            !has("STORE") || has("ALPHA") || has("nosort")
        }
        "WAIT" => ask.len() == 3 && text(1) == "0",
        _ => true,
    }
}
