//! Room: command. THE table, and one file per family of commands: typed calls on the store, replies to one interface.
//! Touches: base, store.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod commands;
pub mod connection;
pub mod context;
pub mod docs;
pub mod generic;
pub mod help;
mod keep;
pub mod memcache;
pub mod row;
pub mod server;
pub mod string;
pub mod table;
pub mod together;
