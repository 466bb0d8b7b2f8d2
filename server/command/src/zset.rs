//! Room: command. Sorted sets.
//! Touches: base, store.

use crate::row::Row;

pub static ZSET: [Row; 0] = [];
