//! Numbers of different kinds get different types.

/// One core's part of the server: 0 .. number of shards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct ShardId(pub u16);

/// A numbered database, what `SELECT` takes: 0 .. `databases`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct DbId(pub u16);

/// A hash slot of Redis Cluster: 0 .. 16384.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct SlotId(pub u16);

impl ShardId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl DbId {
    /// The database that memcached clients see, and that RESP clients start in.
    pub const ZERO: DbId = DbId(0);

    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl SlotId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
