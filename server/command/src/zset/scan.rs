//! Room: command. ZSCAN.
//! Touches: base, store.

use super::*;
use crate::scan::{ScanOptions, parse_cursor, speak_scan};
use base::number::{push_f64, push_f64_17};

/// ZSCAN key cursor [MATCH pattern] [COUNT count]
pub fn zscan(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let cursor = or_fault!(parse_cursor(&args[2]), reply);
    if or_fault!(read(ctx, &args[1]), reply).is_none() {
        missed(ctx, &args[1]);
        return speak_scan(0, &[], reply);
    }
    let options = or_fault!(ScanOptions::parse(args, ""), reply);
    let pattern = options.pattern.map(<[u8]>::to_vec);
    let mut scanning = Scanning { cursor, left: options.count, pattern, found: Vec::new() };
    if !scanning.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(scanning));
    }
}

/// What was found so far: how many there are must be said first.
struct Scanning {
    cursor: u64,
    left: usize,
    pattern: Option<Vec<u8>>,
    found: Vec<Vec<u8>>,
}

impl Walk for Scanning {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Scanning { cursor, left, pattern, found } = self;
        let mut seen = 0;
        if let Some(set) = read_again(ctx, &args[1]) {
            // Redis shows what it reads from a listpack, where a score stands as replies have it; else 17 digits.
            let push = if set.is_packed() { push_f64 } else { push_f64_17 };
            *cursor = set.scan(*cursor, SLICE.min(*left), |member, score| {
                seen += 1;
                if ScanOptions::fits(pattern.as_deref(), member) {
                    found.push(member.to_vec());
                    let mut text = Vec::with_capacity(24);
                    push(&mut text, score);
                    found.push(text);
                }
            });
        }
        // A slice of a table that was emptied may see nothing: it counts as well, so that the walk ends.
        *left = left.saturating_sub(seen.max(SLICE / 8));
        if *cursor != 0 && *left > 0 {
            return false;
        }
        speak_scan(*cursor, found, reply);
        true
    }
}
