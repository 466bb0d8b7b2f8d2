//! Room: command. Sets.
//! Touches: base, store.

use crate::row::Row;

pub static SET: [Row; 0] = [];
