//! Room: command. Estimates of how many different things were seen.
//! Touches: base, store.

use crate::row::Row;

pub static HYPERLOGLOG: [Row; 0] = [];
