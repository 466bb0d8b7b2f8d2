//! Room: shard. Who may touch which key. Touches: nothing of the project's.

pub mod locks;
