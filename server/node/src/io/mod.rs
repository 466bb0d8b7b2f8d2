//! Room: io. Sockets and the ring that drives them; every system call on the way of an ask is made here.
//! Touches: base.

pub mod bell;
pub mod listen;
pub mod ring;
pub mod usage;
