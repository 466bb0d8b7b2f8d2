//! Room: command. What sees all members of a set: in slices where there are many.
//! Touches: base, store.

use super::*;
use crate::scan::{ScanOptions, parse_cursor, speak_scan};

/// SMEMBERS key
pub fn smembers(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match or_fault!(elements(ctx, &args[1]), reply) {
        None => {
            missed(ctx, &args[1]);
            reply.set(0);
        }
        Some(elements) => {
            reply.set(elements.len());
            let cursor = elements.scan(0, SLICE, |member| speak(member, reply));
            if cursor != 0 {
                ctx.walk = Some(Box::new(Speaking { cursor }));
            }
        }
    }
}

/// Speaks all members behind a head that was spoken.
pub(super) struct Speaking {
    pub cursor: u64,
}

impl Walk for Speaking {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let Some(elements) = elements_again(ctx, &args[1]) else { return true };
        self.cursor = elements.scan(self.cursor, SLICE, |member| speak(member, reply));
        self.cursor == 0
    }
}

/// SSCAN key cursor [MATCH pattern] [COUNT count]
pub fn sscan(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let cursor = or_fault!(parse_cursor(&args[2]), reply);
    if or_fault!(elements(ctx, &args[1]), reply).is_none() {
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
        if let Some(elements) = elements_again(ctx, &args[1]) {
            *cursor = elements.scan(*cursor, SLICE.min(*left), |member| {
                seen += 1;
                let mut digits = [0; 20];
                let member = member.bytes(&mut digits);
                if ScanOptions::fits(pattern.as_deref(), member) {
                    found.push(member.to_vec());
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
