//! Room: command. What BY and GET of SORT name keys with.
//! Touches: base, store.
//! Source: sort.c of Redis 7.2, lookupKeyByPattern.

use crate::context::Ctx;
use crate::keep::missed;
use crate::row::{Parcel, Read, Reading};
use base::SlotId;
use base::slot::{hash_tag, slot_of};
use std::sync::Arc;

/// What BY and GET name keys with.
#[derive(Clone)]
pub struct Pattern {
    text: Vec<u8>,
    /// Where the element goes.
    star: Option<usize>,
    /// Where `->field` begins.
    field: Option<usize>,
}

/// What a key, or its field, holds: none if it is no string.
pub type Named = Option<Vec<u8>>;

impl Pattern {
    /// Searched up to a NUL.
    pub fn new(text: &[u8]) -> Pattern {
        let seen = text.iter().position(|&byte| byte == 0).map_or(text, |nul| &text[..nul]);
        let star = seen.iter().position(|&byte| byte == b'*');
        let field = star.and_then(|star| {
            let arrow = star + 1 + seen[star + 1..].windows(2).position(|two| two == b"->")?;
            (arrow + 2 < seen.len()).then_some(arrow)
        });
        Pattern { text: text.to_vec(), star, field }
    }

    /// Stands for the element itself.
    pub fn is_element(&self) -> bool {
        self.text == b"#"
    }

    /// Names a key for each element; else it names none at all.
    pub fn names_keys(&self) -> bool {
        self.star.is_some()
    }

    /// Whether all its keys lie in this slot: its hash tag comes before the element.
    pub fn stays_in(&self, slot: SlotId) -> bool {
        let Some(star) = self.star else { return true };
        let before = &self.text[..star];
        hash_tag(before).len() < before.len() && slot_of(before) == slot
    }

    /// The key that it names for `element`.
    pub fn key(&self, element: &[u8]) -> Vec<u8> {
        let star = self.star.expect("the caller looks whether it names keys");
        let end = self.field.unwrap_or(self.text.len());
        [&self.text[..star], element, &self.text[star + 1..end]].concat()
    }

    /// The string, or the hash's field, that is at a key of this shard.
    pub fn look_up(&self, ctx: &mut Ctx<'_>, key: &[u8]) -> Named {
        let now_ms = ctx.now_ms;
        let Some(entry) = ctx.store.read(ctx.db, key, now_ms, !ctx.no_touch) else {
            missed(ctx, key);
            return None;
        };
        match self.field {
            Some(at) => {
                let fields = entry.fields(now_ms);
                fields.and_then(|fields| fields.get(&self.text[at + 2..])).map(|value| value.to_vec())
            }
            None => entry.is_string().then(|| entry.bytes().to_vec()),
        }
    }

    /// The same wherever the key lies: a parcel of `Named`.
    pub fn reading(&self) -> Read {
        let pattern = self.clone();
        Read::Custom(Arc::new(move |ctx, key| Reading::Now(Box::new(pattern.look_up(ctx, key)) as Parcel)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_keys_and_fields() {
        let facts = |text: &str| {
            let pattern = Pattern::new(text.as_bytes());
            (pattern.star, pattern.field)
        };
        assert_eq!(facts("w_*"), (Some(2), None));
        assert_eq!(facts("w_*->f"), (Some(2), Some(3)));
        assert_eq!(facts("w_*->"), (Some(2), None));
        assert_eq!(facts("a->*"), (Some(3), None));
        assert_eq!(facts("a\0*"), (None, None));
    }

    #[test]
    fn only_a_tag_before_the_element_holds_all_keys_together() {
        let slot = slot_of(b"{k}");
        for (text, stays) in [
            ("{k}*", true),
            ("w{k}_*->f", true),
            ("{j}*", false),
            ("*{k}", false),
            ("{*k}", false),
            ("{}*{k}", false),
            ("w_*", false),
            ("#", true),
            ("k", true),
        ] {
            assert_eq!(Pattern::new(text.as_bytes()).stays_in(slot), stays, "{text}");
        }
    }
}
