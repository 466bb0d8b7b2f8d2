//! Room: command. Strings as arrays of bits.
//! Touches: base, store.

use crate::row::Row;

pub static BITMAP: [Row; 0] = [];
