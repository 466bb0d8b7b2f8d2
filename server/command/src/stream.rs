//! Room: command. Streams.
//! Touches: base, store.

use crate::row::Row;

pub static STREAM: [Row; 0] = [];
