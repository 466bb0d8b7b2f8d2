//! Room: command. Lists.
//! Touches: base, store.

use crate::row::Row;

pub static LIST: [Row; 0] = [];
