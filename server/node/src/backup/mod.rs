//! Room: backup. Copies of the data that leave the data folder: backups, dumps for `redis-cli --rdb`, and their way back. What shards
//! want of it is a `Job` to the keeper, a thread of its own with a tokio runtime (`keeper`); the engine makes the snapshot that a
//! copy is taken from (`engine/copies.rs`). Touches: files' lock, log, manifest, version.

pub mod cron;
pub mod depot;
pub mod keeper;
pub mod merge;
pub mod place;
pub mod probe;
pub mod restore;
pub mod s3;
pub mod source;
pub mod state;
