//! Redis's glob patterns, in bounded time.
//!
//! `*` any run, `?` any byte, `[a-c]`, `[^a]`, `\` takes the next byte as it is. The edges are Redis's too (`util.c`,
//! `stringmatchlen`): a class without its `]` ends with the pattern, a `\` at the very end means itself, `[z-a]` is `[a-z]`,
//! `[]` holds nothing. Redis tries every length for every star in turn; here only the last star is ever gone back to, which
//! decides the same (what an earlier star could take more of, the last one can skip), so the cost is at most
//! pattern length x text length.

/// Redis gives up beyond so many stars (its depth of recursion), runs of stars counting as one and the last one not at all.
const STARS_MAX: usize = 1000;

/// Whether the whole of `text` fits `pattern`. `nocase`: ASCII letters of either case are alike.
/// An empty text fits the empty pattern only, not even `*`: as in Redis, whose KEYS and SCAN therefore ask for `*` first.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    if !nocase {
        // The usual patterns are `user:*` and `*`: no walk for what stands before the first special byte.
        let literal = literal_prefix_len(pattern);
        if literal == pattern.len() {
            return pattern == text;
        }
        if !text.starts_with(&pattern[..literal]) {
            return false;
        }
        return walk(&pattern[literal..], &text[literal..], nocase);
    }
    walk(pattern, text, nocase)
}

/// The bytes that every text fitting `pattern` begins with (case counts).
pub fn literal_prefix(pattern: &[u8]) -> &[u8] {
    &pattern[..literal_prefix_len(pattern)]
}

fn literal_prefix_len(pattern: &[u8]) -> usize {
    pattern.iter().position(|b| matches!(b, b'*' | b'?' | b'[' | b'\\')).unwrap_or(pattern.len())
}

fn walk(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when a byte does not fit: after the last star, one byte of text further than the last time.
    let mut retry: Option<(usize, usize)> = None;
    let mut stars = 0;
    loop {
        let mut fits = false;
        if p < pattern.len() {
            if pattern[p] == b'*' {
                while p < pattern.len() && pattern[p] == b'*' {
                    p += 1;
                }
                if p == pattern.len() {
                    return true;
                }
                stars += 1;
                if stars > STARS_MAX {
                    return false;
                }
                retry = Some((p, t));
                continue;
            }
            if t < text.len()
                && let Some(next) = step(pattern, p, text[t], nocase)
            {
                p = next;
                t += 1;
                fits = true;
            }
        } else if t == text.len() {
            return true;
        }
        if !fits {
            match retry {
                Some((after_star, from)) if from < text.len() => {
                    retry = Some((after_star, from + 1));
                    p = after_star;
                    t = from + 1;
                }
                _ => return false,
            }
        }
    }
}

/// If `byte` fits what stands at `p` (not a star), the place after it.
fn step(pattern: &[u8], p: usize, byte: u8, nocase: bool) -> Option<usize> {
    match pattern[p] {
        b'?' => Some(p + 1),
        b'[' => {
            let (found, next) = class(pattern, p + 1, byte, nocase);
            found.then_some(next)
        }
        b'\\' if p + 1 < pattern.len() => same(pattern[p + 1], byte, nocase).then_some(p + 2),
        other => same(other, byte, nocase).then_some(p + 1),
    }
}

/// The class that begins after its `[`: whether it holds `byte`, and where it ends.
fn class(pattern: &[u8], mut p: usize, byte: u8, nocase: bool) -> (bool, usize) {
    let end = pattern.len();
    let negated = p < end && pattern[p] == b'^';
    if negated {
        p += 1;
    }
    let mut found = false;
    while p < end && pattern[p] != b']' {
        if pattern[p] == b'\\' && p + 1 < end {
            // An escaped byte of a class keeps its case, also when case is not to count: as in Redis.
            found |= pattern[p + 1] == byte;
            p += 2;
        } else if p + 2 < end && pattern[p + 1] == b'-' {
            // Redis orders the ends first, as C's `char`, which has a sign on x86-64; then, where case is not to count, each
            // goes through glibc's `tolower`, which takes the sign off (and keeps -1, its end of file).
            let (low, high) = (pattern[p] as i8, pattern[p + 2] as i8);
            let place = |b: i8| match b {
                -1 => -1,
                _ if nocase => (b as u8).to_ascii_lowercase() as i32,
                _ => b as i32,
            };
            found |= (place(low.min(high))..=place(low.max(high))).contains(&place(byte as i8));
            p += 3;
        } else {
            found |= same(pattern[p], byte, nocase);
            p += 1;
        }
    }
    (found != negated, (p + 1).min(end))
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || nocase && a.eq_ignore_ascii_case(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The obvious way: every length for every star.
    fn slow(p: &[u8], t: &[u8], nocase: bool) -> bool {
        match p.first() {
            None => t.is_empty(),
            Some(b'*') => (0..=t.len()).any(|n| slow(&p[1..], &t[n..], nocase)),
            Some(b'?') => !t.is_empty() && slow(&p[1..], &t[1..], nocase),
            Some(b'[') if !t.is_empty() => {
                let (mut members, mut rest) = (Vec::new(), &p[1..]);
                let negated = rest.first() == Some(&b'^');
                if negated {
                    rest = &rest[1..];
                }
                loop {
                    match rest {
                        [] => break,
                        [b']', r @ ..] => {
                            rest = r;
                            break;
                        }
                        [b'\\', c, r @ ..] => {
                            members.push(*c);
                            rest = r;
                        }
                        [a, b'-', b, r @ ..] => {
                            let (a, b) = ((*a as i8).min(*b as i8), (*a as i8).max(*b as i8));
                            for c in 0..=255u8 {
                                let low = |x: i8| {
                                    if nocase && x != -1 { (x as u8).to_ascii_lowercase() as i32 } else { x as i32 }
                                };
                                if low(a) <= low(c as i8) && low(c as i8) <= low(b) {
                                    members.push(c);
                                }
                            }
                            rest = r;
                        }
                        [a, r @ ..] => {
                            members.push(*a);
                            if nocase {
                                members.extend([a.to_ascii_lowercase(), a.to_ascii_uppercase()]);
                            }
                            rest = r;
                        }
                    }
                }
                members.contains(&t[0]) != negated && slow(rest, &t[1..], nocase)
            }
            Some(b'[') => false,
            Some(&c) => {
                let (c, rest) = if c == b'\\' && p.len() > 1 { (p[1], &p[2..]) } else { (c, &p[1..]) };
                !t.is_empty() && same(c, t[0], nocase) && slow(rest, &t[1..], nocase)
            }
        }
    }

    #[test]
    fn equals_its_slow_twin() {
        let seed = 0x9E37_79B9_7F4A_7C15u64;
        println!("seed {seed}");
        let mut state = seed;
        let mut next = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        let mut fitting = 0;
        for _ in 0..200_000 {
            let pattern: Vec<u8> = (0..next(9)).map(|_| b"**?[]^-\\abAB\xe9\x01"[next(14)]).collect();
            let text: Vec<u8> = (0..1 + next(6)).map(|_| b"aabAB]-^\xe9\\"[next(10)]).collect();
            let nocase = next(2) == 1;
            let expected = slow(&pattern, &text, nocase);
            fitting += expected as u32;
            let shown = (pattern.escape_ascii().to_string(), text.escape_ascii().to_string());
            assert_eq!(matches(&pattern, &text, nocase), expected, "{shown:?} nocase {nocase}");
        }
        assert!(fitting > 1000, "too few fit to mean anything: {fitting}");
    }

    #[test]
    fn cases() {
        for (pattern, text, nocase, expected) in [
            ("*", "x", false, true),
            ("*", "", false, false),
            ("", "", false, true),
            ("h?llo", "hallo", false, true),
            ("h[ae]llo", "hillo", false, false),
            ("h[^e]llo", "hallo", false, true),
            ("h[a-b]llo", "hbllo", false, true),
            ("h[b-a]llo", "hallo", false, true),
            ("\\*", "*", false, true),
            ("\\*", "x", false, false),
            ("a\\", "a\\", false, true),
            ("[abc", "c", false, true),
            ("[^", "c", false, true),
            ("[", "[", false, false),
            ("[]a]", "a", false, false),
            ("[a-]", "Z", false, false),
            ("[a-]", "_", false, true), // From ']' to 'a', and no end: the class is the pattern's last part.
            ("HeL*", "hello", true, true),
            ("[H-Z]*", "hello", true, true),
            ("[Z-a]", "z", true, false),      // 'z'..'a' once both are lowered.
            ("[\u{e9}-z]", "a", false, true), // Bytes above 127 are negative.
            ("[\u{e9}-z]", "a", true, false), // Unless case is not to count.
            ("user:*:name", "user:1:2:name", false, true),
            ("user:*:name", "user:1:2:named", false, false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), nocase), expected, "{pattern} {text} {nocase}");
        }
    }

    #[test]
    fn many_stars_cost_a_product_at_most() {
        let pattern = b"a*".repeat(900);
        let mut pattern = pattern.clone();
        pattern.push(b'b');
        let text = vec![b'a'; 100_000];
        let start = std::time::Instant::now();
        assert!(!matches(&pattern, &text, false));
        // Without a bound it would take longer than anybody waits.
        assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
        assert!(matches(&b"*a".repeat(1000), &text, false));
        assert!(!matches(&b"*a".repeat(1001), &text, false)); // Where Redis gives up.
    }

    #[test]
    fn literal_prefixes() {
        for (pattern, prefix) in [("user:*", "user:"), ("*", ""), ("abc", "abc"), ("a\\*b", "a"), ("x?[a]", "x")] {
            assert_eq!(literal_prefix(pattern.as_bytes()), prefix.as_bytes());
        }
    }
}
