//! Room: command. Messages to whoever listens.
//! Touches: base, store.

use crate::row::Row;

pub static PUBSUB: [Row; 0] = [];
