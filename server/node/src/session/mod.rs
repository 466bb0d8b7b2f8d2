//! Room: session. One client's connection: what it said, what it is owed, what it may do. Touches: base, wire, ask.

pub mod conn;
pub mod gate;
pub mod order;

pub use conn::{Conn, Door, Parser, Peer, ReplicaSaid, ReplyMode, Stall};
pub use gate::{Gate, Passed};
pub use order::Order;
