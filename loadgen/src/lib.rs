//! Room: loadgen. Asks a server in both dialects, measures, and checks what comes back.
//! Touches: nothing of the server's, so that a bug of the server's wire code is not mirrored here.
//!
//! `plan` says what to ask, `wire` draws asks and reads replies, `verify` knows which replies may be, `session` is one
//! connection without its socket, `engine` moves the bytes of many sessions, `tally` counts, `outcome` is what was found,
//! `live` draws it while it goes on and `report` when it is over.

pub mod engine;
pub mod live;
pub mod options;
pub mod outcome;
pub mod plan;
pub mod poll;
pub mod report;
pub mod scenario;
pub mod session;
pub mod socket;
pub mod tally;
pub mod verify;
pub mod wire;
