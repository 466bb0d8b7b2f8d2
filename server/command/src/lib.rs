//! Room: command. THE table, and one file per family of commands: typed calls on the store, replies to one interface.
//! Touches: base, store.
#![forbid(unsafe_code)]

pub mod context;
pub mod row;
