//! Room: command. Places on the globe, in sorted sets.
//! Touches: base, store.

use crate::row::Row;

pub static GEO: [Row; 0] = [];
