//! Room: base. The words everyone shares: ids, slots, arguments, replies, faults, numbers, limits.
//! Touches: nothing of the project's.
#![forbid(unsafe_code)]

pub mod args;
pub mod fault;
pub mod glob;
pub mod ids;
pub mod limits;
pub mod number;
pub mod out;
pub mod reply;
pub mod slot;

pub use args::{Args, ArgsBuf, Span};
pub use fault::Fault;
pub use ids::{DbId, ShardId, SlotId};
pub use out::Out;
pub use reply::{Reply, Word};
