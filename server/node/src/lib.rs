//! One running process of Torc: shards, their rings and sessions, routing between them, and what answers for the process.

pub mod admin;
pub mod appendlog;
pub mod ask;
pub mod backup;
pub mod batch;
pub mod clock;
pub mod config;
pub mod engine;
pub mod files;
pub mod host;
pub mod io;
pub mod log;
pub mod mailbox;
pub mod manifest;
pub mod memory;
pub mod metrics;
pub mod persist;
pub mod process;
pub mod session;
pub mod shard;
pub mod start;
pub mod title;
pub mod tools;
pub mod turn;
pub mod version;
