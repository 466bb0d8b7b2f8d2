//! Room: command. THE table, and one file per family of commands: typed calls on the store, replies to one interface.
//! Touches: base, store.
#![forbid(unsafe_code)]

pub mod bitmap;
mod blocks;
pub mod cluster;
pub mod commands;
pub mod connection;
pub mod context;
pub mod docs;
mod draw;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod help;
pub mod hyperloglog;
mod keep;
pub mod list;
pub mod memcache;
mod merging;
pub mod pubsub;
pub mod row;
mod scan;
pub mod server;
pub mod set;
pub mod stream;
pub mod string;
pub mod table;
pub mod together;
pub mod zset;
