//! Room: command. What HSCAN, SSCAN and ZSCAN are told, and the array that they answer with.
//! Touches: base.
//! Source: scanGenericCommand in db.c of Redis 7.2.

use base::number::parse_i64;
use base::{Args, Fault, Reply};

/// C's `strtoul`, as Redis reads a cursor: a sign may stand before it (a negative one wraps), nothing at all is 0, no
/// blank before and nothing after.
pub(crate) fn parse_cursor(text: &[u8]) -> Result<u64, Fault> {
    // A C string ends at its first NUL.
    let text = text.split(|&b| b == 0).next().unwrap_or(text);
    let (negative, digits) = match text {
        [] => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let invalid = || Fault::err("invalid cursor");
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(invalid());
    }
    let add = |n: u64, b: &u8| n.checked_mul(10)?.checked_add((b - b'0').into());
    let n = digits.iter().try_fold(0u64, add).ok_or_else(invalid)?;
    Ok(if negative { n.wrapping_neg() } else { n })
}

/// What follows the cursor.
pub(crate) struct ScanOptions<'a> {
    pub pattern: Option<&'a [u8]>,
    /// 10 unless told, at least 1.
    pub count: usize,
    /// The word that `parse` was told of was there.
    pub word: bool,
}

impl<'a> ScanOptions<'a> {
    /// Words 3 and on: MATCH, COUNT, and `word`, which stands alone (none if it is empty).
    pub fn parse(args: Args<'a>, word: &str) -> Result<ScanOptions<'a>, Fault> {
        let mut options = ScanOptions { pattern: None, count: 10, word: false };
        let mut i = 3;
        while i < args.len() {
            let more = i + 1 < args.len();
            if args.is(i, "COUNT") && more {
                let n = parse_i64(args.at(i + 1)).ok_or(Fault::NotInteger)?;
                if n < 1 {
                    return Err(Fault::Syntax);
                }
                options.count = n as usize;
            } else if args.is(i, "MATCH") && more {
                // A lone `*` fits all.
                options.pattern = Some(args.at(i + 1)).filter(|pattern| *pattern != b"*");
            } else if !word.is_empty() && args.is(i, word) {
                options.word = true;
                i += 1;
                continue;
            } else {
                return Err(Fault::Syntax);
            }
            i += 2;
        }
        Ok(options)
    }

    pub fn fits(pattern: Option<&[u8]>, text: &[u8]) -> bool {
        pattern.is_none_or(|pattern| base::glob::matches(pattern, text, false))
    }
}

/// The reply: the next cursor and what was found.
pub(crate) fn speak_scan(cursor: u64, found: &[Vec<u8>], reply: &mut dyn Reply) {
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    reply.array(found.len());
    found.iter().for_each(|text| reply.bulk(text));
}
