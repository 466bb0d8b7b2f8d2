//! Room: ask. Words about one ask that every room above shares.
//! Touches: base.

use base::DbId;

/// Where a reply belongs: a connection of the shard that heard the ask, and its place in that connection's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Index among the shard's connections.
    pub conn: u32,
    /// Tells this connection from an earlier one at the same index.
    pub generation: u32,
    /// Counts the connection's asks, wrapping.
    pub seq: u32,
}

/// How an ask is to be answered, and what of its connection the executing shard must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    pub dialect: Dialect,
    pub db: DbId,
    /// CLIENT NO-TOUCH is on.
    pub no_touch: bool,
    /// Nothing is answered, and nothing is sent back.
    pub silent: bool,
}

/// How replies are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Dialect {
    Resp2,
    Resp3,
    Memcache,
}
