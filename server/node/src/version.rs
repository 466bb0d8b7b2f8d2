//! Room: base of the node. Which versions this server says it is. Touches: nothing.

/// Torc's own.
pub const TORC: &str = env!("CARGO_PKG_VERSION");
/// What RESP clients are told: the Redis whose commands and replies are spoken here. HELLO, INFO, LOLWUT.
pub const REDIS: &str = "7.2.6";
/// What memcached's clients are told: they read capabilities out of it.
pub const MEMCACHED: &str = "1.6.45";
