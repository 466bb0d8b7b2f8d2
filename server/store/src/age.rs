//! Room: store. The 28 bits by which eviction judges an entry: a clock under LRU, a clock and a counter under LFU.
//! Touches: nothing beyond this crate.

use crate::entry::AGE_MASK;
use crate::rng::Rng;
use crate::{Policy, Tuning};

/// LRU: 28 bits of this go round in 310 days.
const LRU_UNIT_MS: u64 = 100;
/// The longest time since an entry was used that can be told.
pub const IDLE_MS_MAX: u64 = AGE_MASK * LRU_UNIT_MS;
/// LFU (Redis, `evict.c`): 16 bits of minutes, 8 bits of a logarithmic counter.
const LFU_UNIT_MS: u64 = 60_000;
/// Redis's LFU_INIT_VAL: a new key is not the first to go.
const LFU_START: u64 = 5;

pub fn is_lfu(policy: Policy) -> bool {
    matches!(policy, Policy::AllKeysLfu | Policy::VolatileLfu)
}

/// The age of an entry that is stored now.
pub fn new(tuning: &Tuning, now_ms: u64) -> u64 {
    if is_lfu(tuning.policy) { minutes(now_ms) << 8 | LFU_START } else { (now_ms / LRU_UNIT_MS) & AGE_MASK }
}

/// The age of an entry that was last used so long ago. Under LFU there is none.
pub fn idle(tuning: &Tuning, idle_ms: u64, now_ms: u64) -> Option<u64> {
    (!is_lfu(tuning.policy)).then(|| (now_ms.wrapping_sub(idle_ms.min(IDLE_MS_MAX)) / LRU_UNIT_MS) & AGE_MASK)
}

/// The age of an entry with this LFU counter. Without LFU there is none.
pub fn frequent(tuning: &Tuning, frequency: u8, now_ms: u64) -> Option<u64> {
    is_lfu(tuning.policy).then(|| minutes(now_ms) << 8 | u64::from(frequency))
}

/// The age of an entry that replaces one: under LFU its use is the key's, so it stays.
#[inline]
pub fn replaced(tuning: &Tuning, age: u64, now_ms: u64) -> u64 {
    if is_lfu(tuning.policy) { age } else { (now_ms / LRU_UNIT_MS) & AGE_MASK }
}

/// The age of an entry that is used now.
#[inline]
pub fn touched(tuning: &Tuning, age: u64, now_ms: u64, rng: &mut Rng) -> u64 {
    if !is_lfu(tuning.policy) {
        return (now_ms / LRU_UNIT_MS) & AGE_MASK;
    }
    let counter = u64::from(frequency(tuning.lfu_decay_minutes, age, now_ms));
    let steps = counter.saturating_sub(LFU_START);
    // One chance in steps * factor + 1, none at 255.
    let up = counter < 255 && rng.below(steps * u64::from(tuning.lfu_log_factor) + 1) == 0;
    minutes(now_ms) << 8 | (counter + u64::from(up))
}

/// The LFU counter, less one for each `decay_minutes` since it was last moved.
pub fn frequency(decay_minutes: u32, age: u64, now_ms: u64) -> u8 {
    let passed = minutes(now_ms).wrapping_sub(age >> 8) & 0xffff;
    let periods = passed.checked_div(decay_minutes.into()).unwrap_or(0);
    (age & 0xff).saturating_sub(periods) as u8
}

/// Time since the entry was last used, ms.
pub fn idle_ms(age: u64, now_ms: u64) -> u64 {
    ((now_ms / LRU_UNIT_MS).wrapping_sub(age) & AGE_MASK) * LRU_UNIT_MS
}

/// How well an entry may go: the higher the better.
pub fn score(tuning: &Tuning, age: u64, now_ms: u64) -> u64 {
    if is_lfu(tuning.policy) {
        255 - u64::from(frequency(tuning.lfu_decay_minutes, age, now_ms))
    } else {
        idle_ms(age, now_ms)
    }
}

fn minutes(now_ms: u64) -> u64 {
    (now_ms / LFU_UNIT_MS) & 0xffff
}
