//! Room: command. HSCAN.
//! Touches: base, store.

use super::*;
use crate::scan::{ScanOptions, parse_cursor, speak_scan};

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
pub fn hscan(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let cursor = or_fault!(parse_cursor(&args[2]), reply);
    if or_fault!(fields(ctx, &args[1]), reply).is_none() {
        missed(ctx, &args[1]);
        return speak_scan(0, &[], reply);
    }
    let options = or_fault!(ScanOptions::parse(args, "NOVALUES"), reply);
    let mut scanning = Scanning {
        cursor,
        left: options.count,
        names_only: options.word,
        pattern: options.pattern.map(<[u8]>::to_vec),
        found: Vec::new(),
    };
    if !scanning.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(scanning));
    }
}

/// What was found so far: how many there are must be said first.
struct Scanning {
    cursor: u64,
    left: usize,
    names_only: bool,
    pattern: Option<Vec<u8>>,
    found: Vec<Vec<u8>>,
}

impl Walk for Scanning {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Scanning { cursor, left, names_only, pattern, found } = self;
        let mut seen = 0;
        if let Some(fields) = fields_again(ctx, &args[1]) {
            *cursor = fields.scan(*cursor, SLICE.min(*left), |name, value, _| {
                seen += 1;
                let mut digits = [0; 20];
                let name = name.bytes(&mut digits);
                if ScanOptions::fits(pattern.as_deref(), name) {
                    found.push(name.to_vec());
                    if !*names_only {
                        found.push(value.to_vec());
                    }
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
